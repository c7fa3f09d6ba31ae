/* SPDX-License-Identifier: Apache-2.0 */
/* Change sets below the table of `ls`: one upgrade is one line, however many guests it hit. */
#ifndef ABIDRIFT_COMMANDS_SETS_H
#define ABIDRIFT_COMMANDS_SETS_H

#include <jansson.h>

struct buffer;

/* A line for each set of two guests or more. */
void sets_text(const json_t *sets, struct buffer *out);
/* A line for the maintenance window, where one is open. */
void sets_window(const json_t *window, struct buffer *out);

#endif
