/* SPDX-License-Identifier: Apache-2.0 */
/* What the text of a diff says of each part of its changes, as JSON (docs/interface.md). */
#ifndef ABIDRIFT_DRIFT_TOLD_H
#define ABIDRIFT_DRIFT_TOLD_H

#include <jansson.h>

/*
 * [{"verdict","severity","title","because","or_by","reason","note","impact","changes"}], in the order of drift_text; `changes`: places in
 * the diff's own array. What rules suppress is in none. NULL: out of memory.
 */
json_t *told_json(const json_t *diff);

#endif
