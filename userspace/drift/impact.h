/* SPDX-License-Identifier: Apache-2.0 */
/* What a change is known to break: one table (impact.c). Private to this folder and its tests. */
#ifndef ABIDRIFT_DRIFT_IMPACT_H
#define ABIDRIFT_DRIFT_IMPACT_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/drift/drift.h"

struct impact {
	const char *facet;     /* glob over facet names, "a|b" for either */
	const char *key;       /* glob over keys, "a|b" for either */
	const char *field;     /* glob over names of fields of the change; NULL: any */
	unsigned kinds;        /* bits 1u << enum change_kind; 0: any */
	bool running;          /* only while the guest ran */
	enum severity severity; /* of a change that is not intended */
	const char *sentence;  /* what will happen to whom; with a full stop */
};

extern const struct impact impacts[];
extern const size_t impact_count;

/* The worst row that fits; among equals the first. NULL: none. */
const struct impact *impact_of(const struct drift_change *change);

#endif
