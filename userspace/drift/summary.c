/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/view.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/group.h"
#include "userspace/drift/page.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define ARROW "\xe2\x86\x92"
/* Nobody reads a longer line; and pairs of functions are looked for only among so many. */
#define ITEMS_MAX 64
#define CHANGES_PAIRED 512
#define MORE_COLUMNS 16 /* " … and 12345 more" fits here */

struct item {
	const char *facet;
	struct buffer text;
};

struct summary {
	const json_t *changes;
	struct item items[ITEMS_MAX];
	size_t count; /* of all items, those beyond ITEMS_MAX too */
};

static struct buffer *item_new(struct summary *s, const char *facet)
{
	struct buffer *text = NULL;

	if (s->count < ITEMS_MAX) {
		s->items[s->count].facet = facet;
		text = &s->items[s->count].text;
		*text = (struct buffer)BUFFER_INIT;
	}
	s->count++;
	return text;
}

static void put(struct buffer *out, const char *text)
{
	text_terminal(out, text, strlen(text));
}

/* "cx16 lost", "physical_address_bits 40 → 39". */
static void add_field(struct summary *s, const char *facet, const json_t *field)
{
	struct buffer *out = item_new(s, facet);
	const char *from = member_text(field, "from"), *to = member_text(field, "to");
	bool bit = !strchr(member_text(field, "bits"), ':');

	if (!out)
		return;
	put(out, member_text(field, "name"));
	if (bit && strcmp(from, "1") == 0 && strcmp(to, "0") == 0) {
		buffer_string(out, " lost");
	} else if (bit && strcmp(from, "0") == 0 && strcmp(to, "1") == 0) {
		buffer_string(out, " gained");
	} else {
		buffer_string(out, " ");
		put(out, from[0] ? from : "none");
		buffer_string(out, " " ARROW " ");
		put(out, to[0] ? to : "none");
	}
}

/* The lost function with this id as gained elsewhere: a device in another slot. */
static bool find_pair(const json_t *changes, const struct group *lost, size_t cursor, struct group *ret)
{
	for (size_t i = 0; i < ITEMS_MAX && group_next(changes, &cursor, ret); i++)
		if (ret->id && strcmp(ret->kind, lost->kind) != 0 &&
		    strcmp(member_text(ret->id, "from"), member_text(lost->id, "to")) == 0 &&
		    strcmp(member_text(ret->id, "to"), member_text(lost->id, "from")) == 0)
			return true;
	return false;
}

static void put_subject(struct buffer *out, const struct group *g)
{
	text_terminal(out, g->key, g->subject);
}

/* A function: "0000:00:03.0 lost (8086:100e)", or with its other half "0000:00:03.0 → 0000:00:04.0". */
static void add_function(struct summary *s, const struct group *g, bool *done)
{
	bool lost = strcmp(g->kind, "lost") == 0;
	struct buffer *out;
	struct group pair;

	if (g->begin < CHANGES_PAIRED && done[g->begin])
		return;
	out = item_new(s, g->facet);
	if (!out)
		return;
	if (find_pair(s->changes, g, g->end, &pair) && pair.begin < CHANGES_PAIRED && !done[pair.begin]) {
		done[pair.begin] = true;
		put_subject(out, lost ? g : &pair);
		buffer_string(out, " " ARROW " ");
		put_subject(out, lost ? &pair : g);
		return;
	}
	put_subject(out, g);
	buffer_string(out, " ");
	put(out, g->kind);
	buffer_string(out, " (");
	put(out, member_text(g->id, lost ? "from" : "to"));
	buffer_string(out, ")");
}

static void add_group(struct summary *s, const struct group *g, bool *done)
{
	size_t named = 0;
	struct buffer *out;

	if (g->id) {
		add_function(s, g, done);
		return;
	}
	for (size_t i = g->begin; strcmp(g->kind, "changed") == 0 && i < g->end; i++) {
		const json_t *fields = json_object_get(json_array_get(s->changes, i), "fields");

		for (size_t j = 0; j < json_array_size(fields); j++, named++)
			add_field(s, g->facet, json_array_get(fields, j));
	}
	if (named)
		return;
	out = item_new(s, g->facet);
	if (!out)
		return;
	put_subject(out, g);
	buffer_string(out, " ");
	put(out, g->kind);
}

static void add_unknown(struct summary *s, const json_t *unknown)
{
	for (size_t i = 0; i < json_array_size(unknown); i++) {
		const json_t *u = json_array_get(unknown, i);
		struct buffer *out;

		if (member_is_text(u, "key"))
			continue;
		out = item_new(s, member_text(u, "facet"));
		if (out)
			put(out, member_text(u, "reason"));
	}
}

/* Whole items as long as they and the count of the rest fit. */
static void put_items(const struct summary *s, size_t width, struct buffer *line)
{
	const char *facet = NULL;
	size_t i, shown = s->count < ITEMS_MAX ? s->count : ITEMS_MAX;

	for (i = 0; i < shown; i++) {
		const struct item *item = &s->items[i];
		bool same = facet && strcmp(facet, item->facet) == 0;
		struct buffer next = BUFFER_INIT;
		bool fits;

		buffer_string(&next, !facet ? ": " : same ? ", " : "; ");
		if (!same) {
			put(&next, item->facet);
			buffer_string(&next, item->facet[0] ? " " : "");
		}
		buffer_append(&next, item->text.data, item->text.size);
		fits = !buffer_failed(&next) && page_width(line->data ? line->data : "") + page_width(next.data) +
		       (i + 1 < s->count ? MORE_COLUMNS : 0) <= width;
		/* The first one is shown in any case: it is cut rather than missing. */
		if (fits || i == 0)
			buffer_append(line, next.data, next.size);
		buffer_release(&next);
		if (!fits && i > 0)
			break;
		facet = item->facet;
	}
	if (i < s->count)
		buffer_printf(line, " " ELLIPSIS " and %zu more", s->count - i);
}

static void put_bounded(const char *line, size_t width, struct buffer *out)
{
	size_t columns = 0, end = 0;

	if (page_width(line) <= width) {
		buffer_string(out, line);
		return;
	}
	if (width == 0)
		return;
	for (; line[end]; end++)
		if (((unsigned char)line[end] & 0xc0) != 0x80 && ++columns == width)
			break;
	buffer_append(out, line, end);
	buffer_string(out, ELLIPSIS);
}

void drift_summary(const json_t *diff, size_t width, struct buffer *out)
{
	bool done[CHANGES_PAIRED] = { false };
	json_t *changes = group_order(json_object_get(diff, "changes"));
	struct summary s = { .changes = changes };
	struct buffer line = BUFFER_INIT;
	struct group g;

	if (!changes) {
		out->failed = true;
		return;
	}

	for (size_t cursor = 0; group_next(s.changes, &cursor, &g);)
		add_group(&s, &g, done);
	if (s.count == 0)
		add_unknown(&s, json_object_get(diff, "unknown"));
	text_terminal(&line, member_text(diff, "result"), strlen(member_text(diff, "result")));
	if (!buffer_failed(&line) && strcmp(member_text(diff, "result"), "same") != 0)
		put_items(&s, width, &line);
	if (buffer_failed(&line))
		out->failed = true;
	else
		put_bounded(line.data ? line.data : "", width, out);
	for (size_t i = 0; i < s.count && i < ITEMS_MAX; i++)
		buffer_release(&s.items[i].text);
	buffer_release(&line);
	json_decref(changes);
}
