/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where somebody no longer sees: a row of the store as long as it lasts, and an alert when it begins and when it ends, in the
 * caller's transaction. What is there already is told by nobody again, whichever process or run of abidrift found it first.
 */
#ifndef ABIDRIFT_BLIND_H
#define ABIDRIFT_BLIND_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/abi/facet.h"
#include "userspace/drift/drift.h"

struct error;
struct store;
struct store_guest;

/* Facets of a host (guest NULL), or of one guest, that are not seen any more. Reasons are borrowed. */
struct blind_facets {
	const char *host;
	const struct store_guest *guest;
	struct {
		const char *reason; /* NULL: it is seen */
		enum severity severity;
		bool lasts; /* only if it was so already: this is no reason to begin */
	} facets[FACETS];
	const char *because; /* why those end that end, where it is not that they are seen again; NULL */
	int64_t now;
};
/* What is, against what was: one alert of all that begins, one of all that ends. *ret_alerted is set if there is one, else left. */
int blind_follow(struct store *s, const struct blind_facets *is, bool *ret_alerted, struct error *e);

/* The monitor of a host as a whole: reason, or NULL: it sees. */
int blind_monitor(struct store *s, const char *host, const char *reason, int64_t now, bool *ret_alerted, struct error *e);

#endif
