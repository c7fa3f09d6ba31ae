/* SPDX-License-Identifier: Apache-2.0 */
/* table.h without libsmartcols, of which there is no static library: for the program that needs nothing on its host. */
#include "userspace/serve/table.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "userspace/base/buffer.h"
#include "userspace/serve/member.h"

#define COLUMNS_MAX 32
#define GAP 2

struct table {
	char **cells; /* line by line; the headings first, unless bare */
	size_t count, columns;
	size_t width[COLUMNS_MAX];
	bool failed;
};

/* Columns on a terminal. What is no character counts as one; cells are escaped, so there is none. */
static size_t text_width(const char *text)
{
	mbstate_t state = { 0 };
	size_t left = strlen(text), width = 0, taken;
	wchar_t c;

	for (; left; text += taken, left -= taken) {
		int columns = 1;

		taken = mbrtowc(&c, text, left, &state);
		if (taken == 0 || taken > left)
			taken = 1;
		else
			columns = wcwidth(c);
		width += columns > 0 ? (size_t)columns : 0;
	}
	return width;
}

struct table *table_new(const char *const *headings, bool bare)
{
	struct table *t = calloc(1, sizeof *t);
	size_t columns = 0;

	if (!t)
		return NULL;
	while (headings[columns])
		columns++;
	t->columns = columns;
	t->failed = !columns || columns > COLUMNS_MAX;
	for (size_t i = 0; !bare && i < columns; i++)
		table_cell(t, headings[i]);
	return t;
}

void table_cell(struct table *t, const char *text)
{
	size_t width, *widest;
	char **larger;

	if (!t || t->failed)
		return;
	larger = reallocarray(t->cells, t->count + 1, sizeof *larger);
	if (larger) {
		t->cells = larger;
		larger[t->count] = strdup(text);
	}
	if (!larger || !larger[t->count]) {
		t->failed = true;
		return;
	}
	width = text_width(text);
	widest = &t->width[t->count++ % t->columns];
	if (width > *widest)
		*widest = width;
}

void table_member(struct table *t, const json_t *object, const char *key)
{
	struct buffer text = BUFFER_INIT;

	member_put(&text, object, key);
	table_cell(t, text.data ? text.data : "");
	buffer_release(&text);
}

static void line_put(const struct table *t, size_t first, const char *indent, struct buffer *out)
{
	size_t pending = 0; /* spaces that only count if something follows */

	buffer_string(out, indent);
	for (size_t i = 0; i < t->columns && first + i < t->count; i++) {
		const char *cell = t->cells[first + i];
		size_t width = text_width(cell);

		if (*cell) {
			buffer_printf(out, "%*s%s", (int)pending, "", cell);
			pending = 0;
		}
		pending += (*cell ? 0 : width) + t->width[i] - width + GAP;
	}
	buffer_string(out, "\n");
}

void table_end(struct table *t, const char *indent, struct buffer *out)
{
	if (!t || t->failed)
		out->failed = true;
	for (size_t at = 0; t && !t->failed && at < t->count; at += t->columns)
		line_put(t, at, indent, out);
	for (size_t i = 0; t && i < t->count; i++)
		free(t->cells[i]);
	if (t)
		free(t->cells);
	free(t);
}
