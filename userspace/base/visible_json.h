/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that leaves the program. */
#ifndef ABIDRIFT_BASE_VISIBLE_JSON_H
#define ABIDRIFT_BASE_VISIBLE_JSON_H

#include <stddef.h>

#include <jansson.h>

struct buffer;

/*
 * In visible ASCII alone: whatever a guest is called, its name must not steer a terminal that the text comes to. jansson leaves DEL as it is, also
 * where it is asked for ASCII. `flags` are jansson's. A model that is NULL, or too little memory, fails the buffer.
 */
void visible_json_put(struct buffer *out, const json_t *model, size_t flags);
/* The same, to free(); NULL if there is no model or no memory. */
char *visible_json(const json_t *model, size_t flags);

#endif
