/* SPDX-License-Identifier: Apache-2.0 */
/* What changed, as the items of a sentence, like changes folded into one: "lost cx16, avx", "OEM table ids BXPCFACP → BXPC … (6 tables)". */
#ifndef ABIDRIFT_DRIFT_ITEMS_H
#define ABIDRIFT_DRIFT_ITEMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/buffer.h"
#include "userspace/drift/drift.h"

/* Nobody reads a longer line. */
#define ITEMS_MAX 64

struct item {
	const char *facet;
	enum severity severity;       /* the worst of what is folded into it */
	enum severity facet_severity; /* of all items of this facet */
	size_t facet_place, place;    /* in the order of changes */
	bool derived;                 /* a length or checksum, which changes when anything else does: told last */
	const char *verb;             /* "lost", "gained", "" of a list of names; NULL: a value */
	const char *unit;             /* of a folded value: "tables" */
	bool various;                 /* the values that are folded are not all the same */
	size_t count, named;          /* what is folded; names in text */
	struct buffer fold, subject, shared, text;
};

struct items {
	const json_t *changes;
	struct item list[ITEMS_MAX];
	size_t count;
	size_t left_out; /* changes that found no room */
};

/* changes: of one blame, in the order of groups. Failed allocations show in `text` of an item. */
void items_make(const json_t *changes, struct items *ret);
void items_release(struct items *items);
void item_put(const struct item *item, struct buffer *out);

#endif
