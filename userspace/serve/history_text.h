/* SPDX-License-Identifier: Apache-2.0 */
/* What happened as text for a person, from the model of `history`. */
#ifndef ABIDRIFT_SERVE_HISTORY_TEXT_H
#define ABIDRIFT_SERVE_HISTORY_TEXT_H

#include <jansson.h>

struct buffer;

/* events: the array. */
void history_text(const json_t *events, struct buffer *out);

#endif
