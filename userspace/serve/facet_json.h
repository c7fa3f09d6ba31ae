/* SPDX-License-Identifier: Apache-2.0 */
/* One facet of a fingerprint as `show` has it. */
#ifndef ABIDRIFT_SERVE_FACET_JSON_H
#define ABIDRIFT_SERVE_FACET_JSON_H

#include <jansson.h>

#include "userspace/abi/entries.h"

/*
 * {"facet","digest","coverage","reason","groups":[{"id","title"}],"entries":[{"key","value","meaning","group","fields"}]}. Entries sorted.
 * NULL: out of memory.
 */
json_t *facet_json(const struct abi_entries *entries, enum facet_id id);

#endif
