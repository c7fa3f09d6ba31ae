/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever looks at guests that no monitor watches any more has to know that it is the past. */
#ifndef ABIDRIFT_COMMANDS_STALE_H
#define ABIDRIFT_COMMANDS_STALE_H

#include <jansson.h>

struct options;
struct store;

/* One line on standard error, unless -q, for what api_stale() found. */
void stale_tell(const struct options *o, const json_t *stale);
/* The same, asking it. What cannot be read the verb finds itself. store NULL: nothing. */
void stale_note(const struct options *o, struct store *store);

#endif
