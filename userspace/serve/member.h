/* SPDX-License-Identifier: Apache-2.0 */
/* Members of the model in the texts that are made of it. */
#ifndef ABIDRIFT_SERVE_MEMBER_H
#define ABIDRIFT_SERVE_MEMBER_H

#include <jansson.h>

struct buffer;

/* As text for a terminal, escaped: a string, a number, yes or no; "-" for null and what is not there. */
void member_put(struct buffer *out, const json_t *object, const char *key);
/* The same, of a string no more than a column of a table has room for. */
void member_brief(struct buffer *out, const json_t *object, const char *key);
/* Its string; NULL for anything else. Not escaped. */
const char *member_string(const json_t *object, const char *key);

#endif
