/* SPDX-License-Identifier: Apache-2.0 */
/* What a change is known to break: one table (impact.c). Private to this folder and its tests. */
#ifndef ABIDRIFT_DRIFT_IMPACT_H
#define ABIDRIFT_DRIFT_IMPACT_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/drift/drift.h"

struct abi_entries;
struct renames;

/*
 * How a key, or a field of it, differs: bits. A single bit that was 1 and is 0, or is not there any more, is lost; so is RAM
 * where the guest has less of it than before, and not where it only lies elsewhere.
 */
enum impact_how {
	IMPACT_LOST = 1u << CHANGE_LOST,
	IMPACT_GAINED = 1u << CHANGE_GAINED,
	IMPACT_CHANGED = 1u << CHANGE_CHANGED,
	IMPACT_LESS = IMPACT_CHANGED << 3, /* changed, to a smaller number or size */
	IMPACT_MORE = IMPACT_CHANGED << 4,
};

struct impact {
	unsigned facets;       /* bits 1u << enum facet_id */
	const char *key;       /* glob over keys, "a|b" for either */
	const char *but;       /* glob over keys that the row does not mean where they changed; NULL: none */
	const char *from, *to; /* globs over the values; NULL: any, and none */
	const char *field;     /* glob over names of fields of the change, then `how` is that field's; NULL: the key as a whole */
	const char *with;      /* acpi keys, "a|b", one of which the guest has now; NULL: no matter */
	unsigned how;          /* bits of impact_how, one of them must be; 0: any */
	bool running;          /* only while the guest ran; and then whatever the verdict */
	bool renamed;          /* only of ACPI devices that have another path; and no other row is of those */
	bool follows;          /* a digest, a length, a version: what it is of is told beside it */
	bool quiet;            /* weighs, and is not told: nobody could act on it */
	enum severity severity; /* of a change that is neither intended nor exempt */
	const char *sentence;  /* what will happen to whom; with a full stop */
};

extern const struct impact impacts[];
extern const size_t impact_count;

/* What is around a change; each may be NULL. */
struct impact_scene {
	const struct drift *drift;
	const struct abi_entries *now;
	const struct renames *renames;
	bool ram_stays; /* the guest has no less RAM than before */
};

/* What is asked of each change, and is the same for all of them, is reckoned here. */
struct impact_scene impact_scene_of(const struct drift *d, const struct abi_entries *now, const struct renames *renames);

/* The worst row that fits; among equals the first. NULL: none. */
const struct impact *impact_of(const struct impact_scene *scene, const struct drift_change *change);
/* Bits of impact_how of two values: numbers, also with `size=` before them; NULL: not there. */
unsigned impact_how(const char *from, const char *to);

#endif
