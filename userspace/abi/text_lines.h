/* SPDX-License-Identifier: Apache-2.0 */
/* What the facets' presentations share: lines for a terminal, at most LINE_COLUMNS wide where their words allow it. */
#ifndef ABIDRIFT_ABI_TEXT_LINES_H
#define ABIDRIFT_ABI_TEXT_LINES_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct facet_line;

#define LINE_COLUMNS 118u

/* `head`, then `text` from column `indent` on, broken behind commas and spaces and continued at the same column. */
void lines_wrapped(struct buffer *out, const char *head, size_t indent, const char *text);
/* "640 KiB", "4 MiB", "96 B": the largest unit that leaves no rest. */
void lines_bytes(struct buffer *out, uint64_t bytes);
/*
 * A group of lines whose keys have the first `prefix` characters in common: a table of what follows in the key, value and
 * meaning, indented by `indent`. A meaning stands behind its value in parentheses.
 */
void lines_group(struct buffer *out, const struct facet_line *lines, size_t count, size_t prefix, size_t indent);
/* The group of keys that begin with what they are about and a slash: a table, a structure, a node. */
void slash_group(const char *key, struct buffer *out);
/* How many lines from here on have the key's first `prefix` characters. */
size_t lines_same(const struct facet_line *lines, size_t count, size_t prefix);

#endif
