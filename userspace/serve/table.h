/* SPDX-License-Identifier: Apache-2.0 */
/* A table for a terminal, columns aligned. What goes in must be escaped already (member_put, text_terminal). */
#ifndef ABIDRIFT_SERVE_TABLE_H
#define ABIDRIFT_SERVE_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct table;

/* headings: NULL-terminated; with `bare` they only count the columns. A table that ran out of memory fails its buffer at the end. */
struct table *table_new(const char *const *headings, bool bare);
/* The next cell, from left to right; after the last one a new line begins. */
void table_cell(struct table *t, const char *text);
void table_member(struct table *t, const json_t *object, const char *key);
void table_brief(struct table *t, const json_t *object, const char *key); /* member_brief */
/* Appends it and frees it. */
void table_end(struct table *t, const char *indent, struct buffer *out);

#endif
