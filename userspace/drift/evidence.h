/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two sides know about one key. Presence is three-valued: a key is there; or there is evidence that it is not (a complete
 * facet without it, a PCI function that answered nobody); or nothing is known. Only evidence against evidence is a contradiction.
 */
#ifndef ABIDRIFT_DRIFT_EVIDENCE_H
#define ABIDRIFT_DRIFT_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/abi/entries.h"

enum presence {
	PRESENCE_UNKNOWN,
	PRESENCE_ABSENT,
	PRESENCE_PRESENT,
};

struct evidence {
	enum facet_id facet;
	const char *key;
	bool complete_key; /* complete coverage of the facet means this key too */
	const struct abi_entry *from, *to; /* the sides' lines for it, NULL = none; a line that says `absent` of a PCI function is one too */
	enum presence from_presence, to_presence;
};

/* All keys of a facet that either side has, in order. Stops at a negative result, and gives it. Both sides sorted. */
typedef int (*evidence_fn)(void *context, const struct evidence *evidence);
int evidence_walk(const struct abi_entries *from, const struct abi_entries *to, enum facet_id facet, evidence_fn fn, void *context);
bool evidence_contradicts(const struct evidence *evidence);

/*
 * Length of the path of a PCI function in a key ("0000:00:04.0/00.0" of "0000:00:04.0/00.0/bar1"), and in a path that of the
 * bridge above it; 0 = none.
 */
size_t path_above(const char *key, size_t length);
/* Is there evidence that this side has no such PCI function? */
bool function_absent(const struct abi_entries *entries, const char *path, size_t length);

#endif
