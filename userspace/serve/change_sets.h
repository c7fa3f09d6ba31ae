/* SPDX-License-Identifier: Apache-2.0 */
/* Change sets as `ls` and alerts list them. */
#ifndef ABIDRIFT_SERVE_CHANGE_SETS_H
#define ABIDRIFT_SERVE_CHANGE_SETS_H

#include <jansson.h>

struct error;
struct store;

/* An array of {"id","guests","changes","verdict","severity","summary"}, most guests first. -errno with e. */
int change_sets_json(struct store *s, json_t **ret, struct error *e);

#endif
