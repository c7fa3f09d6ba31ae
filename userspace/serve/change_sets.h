/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of all guests together: change sets, and the maintenance window. */
#ifndef ABIDRIFT_SERVE_CHANGE_SETS_H
#define ABIDRIFT_SERVE_CHANGE_SETS_H

#include <jansson.h>

struct error;
struct store;

/* An array of {"id","guests","changes","verdict","severity","summary","headline","since","causes"}, most guests first. -errno with e. */
int change_sets_json(struct store *s, json_t **ret, struct error *e);
/* {"begin","end","by","reason"} of the window that is open, or over and not summed up yet; null: none. -errno with e. */
int maintenance_json(struct store *s, json_t **ret, struct error *e);

#endif
