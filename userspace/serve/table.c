/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/table.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/serve/member.h"

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	size_t columns, at, lines;
	bool bare, failed;
};

struct table *table_new(const char *const *headings, bool bare)
{
	struct table *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->bare = bare;
	t->scols = scols_new_table();
	if (!t->scols) {
		t->failed = true;
		return t;
	}
	scols_table_enable_noheadings(t->scols, bare);
	/* What is in the cells was escaped by us, and a result does not depend on how wide a window is. */
	scols_table_enable_noencoding(t->scols, 1);
	scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_NEVER);
	t->failed = scols_table_set_column_separator(t->scols, "  ") < 0;
	for (; headings[t->columns]; t->columns++)
		if (!scols_table_new_column(t->scols, headings[t->columns], 0, 0))
			t->failed = true;
	return t;
}

/* What UTF-8 is where the C library has no locale for it: a "?" for each character, but for those of our own. */
static void plain_put(struct buffer *out, const char *text)
{
	static const struct { const char *character, *plain; } own[] = { { "→", "->" }, { "…", "..." }, { "–", "-" } };

	while (*text) {
		const char *plain = "?";
		size_t length = 1;

		if ((signed char)*text >= 0) {
			buffer_append(out, text++, 1);
			continue;
		}
		while (((unsigned char)text[length] & 0xc0) == 0x80)
			length++;
		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			if (strlen(own[i].character) == length && !memcmp(own[i].character, text, length))
				plain = own[i].plain;
		buffer_string(out, plain);
		text += length;
	}
}

void table_cell(struct table *t, const char *text)
{
	struct buffer plain = BUFFER_INIT;

	if (!t || t->failed)
		return;
	/* A minimal system. libsmartcols 2.38 never comes to an end with a character that its locale does not have. */
	if (MB_CUR_MAX == 1) {
		plain_put(&plain, text);
		text = plain.data ? plain.data : "";
	}
	if (!t->at) {
		t->line = scols_table_new_line(t->scols, NULL);
		t->lines++;
	}
	if (!t->line || buffer_failed(&plain) || scols_line_set_data(t->line, t->at, text))
		t->failed = true;
	buffer_release(&plain);
	t->at = (t->at + 1) % t->columns;
}

static void cell_of(struct table *t, const json_t *object, const char *key, void (*put)(struct buffer *out, const json_t *object, const char *key))
{
	struct buffer text = BUFFER_INIT;

	put(&text, object, key);
	table_cell(t, text.data ? text.data : "");
	buffer_release(&text);
}

void table_member(struct table *t, const json_t *object, const char *key)
{
	cell_of(t, object, key, member_put);
}

void table_brief(struct table *t, const json_t *object, const char *key)
{
	cell_of(t, object, key, member_brief);
}

/* Columns are padded to the right: the last one's padding says nothing. */
static void lines_put(const char *text, const char *indent, struct buffer *out)
{
	while (*text) {
		size_t length = strcspn(text, "\n"), shown = length;

		while (shown && text[shown - 1] == ' ')
			shown--;
		buffer_string(out, indent);
		buffer_append(out, text, shown);
		buffer_string(out, "\n");
		text += length + (text[length] == '\n');
	}
}

void table_end(struct table *t, const char *indent, struct buffer *out)
{
	char *text = NULL;

	if (!t || t->failed || (t->lines && scols_print_table_to_string(t->scols, &text)))
		out->failed = true;
	else if (text)
		lines_put(text, indent, out);
	free(text);
	if (t)
		scols_unref_table(t->scols);
	free(t);
}
