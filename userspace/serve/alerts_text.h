/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts that were raised as text for a person, from the model of `alert list`. */
#ifndef ABIDRIFT_SERVE_ALERTS_TEXT_H
#define ABIDRIFT_SERVE_ALERTS_TEXT_H

#include <jansson.h>

struct buffer;

/* alerts: the array. */
void alerts_text(const json_t *alerts, struct buffer *out);

#endif
