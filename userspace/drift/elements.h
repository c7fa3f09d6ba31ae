/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two values of a factor that is a list of options ("a,x=1; b", docs/facets.md), and which elements of them differ. An element that
 * was changed is one pair: the old and the new. Hostile text: bounded in number and size; what is beyond is one last element.
 */
#ifndef ABIDRIFT_DRIFT_ELEMENTS_H
#define ABIDRIFT_DRIFT_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>

#define ELEMENTS_MAX 1024u         /* of one value */
#define ELEMENTS_DIFFERENT_MAX 256u
#define ELEMENT_BYTES_MAX 1024u    /* of one element that differs; the rest is not looked at */

struct element_pair {
	char *from, *to; /* owned; NULL: was not there */
	size_t from_at, to_at; /* which element of its list; meaningful where not NULL */
};

struct element_list {
	char **items; /* owned, each bounded as above */
	size_t count;
};

struct elements {
	struct element_list from, to; /* all of them, in order; empty for what is no list */
	struct element_pair *pairs;   /* at least one */
	size_t count;
};

/* Values may be NULL, not both. -ENOMEM. */
int elements_read(const char *factor, const char *from, const char *to, struct elements *ret);
void elements_release(struct elements *e);

#endif
