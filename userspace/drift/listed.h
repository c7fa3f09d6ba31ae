/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes of a diff are the same as one of another. There may be many thousands on either side: looked up, not searched. */
#ifndef ABIDRIFT_DRIFT_LISTED_H
#define ABIDRIFT_DRIFT_LISTED_H

#include <jansson.h>
#include <stdbool.h>

/* Of `changes` (NULL: none) those that `of` is true of. Owned by the caller. NULL: out of memory. */
json_t *changes_index(const json_t *changes, bool (*of)(const json_t *change));
/* The first one that says the same as `change`: facet, key, kind and both values. Borrowed. NULL: none; or out of memory. */
json_t *changes_find(const json_t *index, const json_t *change);

#endif
