/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/group.h"
#include "userspace/drift/page.h"
#include "userspace/drift/words.h"

#define ARROW "\xe2\x86\x92"
#define ELLIPSIS "\xe2\x80\xa6"
#define MARGIN ROWS_MARGIN
#define SUBJECT_MAX 22 /* longer ones push their own line only */
#define DIGEST_SIZE 71 /* "sha256:" and 64 digits */
#define DIGEST_SHOWN 19 /* and 12 digits */
#define MEMBERS_SHOWN 8 /* names of what one row tells of */
#define VALUES_SHOWN 3

struct report {
	struct page *page;
	const json_t *changes; /* in the order of groups */
	size_t facet_width, subject_width;
	enum severity marked; /* rows so bad stand out; NONE: none */
};

static const struct kind_style {
	const char *kind;
	enum page_style style;
} kind_styles[] = {
	{ "changed", PAGE_CHANGED },
	{ "lost", PAGE_LOST },
	{ "gained", PAGE_GAINED },
};
#define KIND_WIDTH 7

static enum page_style style_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(kind_styles) / sizeof(kind_styles[0]); i++)
		if (strcmp(kind, kind_styles[i].kind) == 0)
			return kind_styles[i].style;
	return PAGE_PLAIN;
}

static size_t detail_column(const struct report *r)
{
	return MARGIN + r->facet_width + 2 + r->subject_width + 2 + KIND_WIDTH + 2;
}

static bool is_marked(const struct report *r, const struct group *g)
{
	enum severity severity;

	for (size_t i = g->begin; r->marked && i < g->end; i++)
		if (severity_parse(member_text(json_array_get(r->changes, i), "severity"), &severity) == 0 && severity >= r->marked)
			return true;
	return false;
}

static void begin_row(struct report *r, const struct group *g, const char *subject, bool marked)
{
	struct page *p = r->page;

	if (marked) {
		page_line(p, 0);
		page_word(p, PAGE_LOST, ROWS_MARK);
		buffer_string(p->out, " ");
		p->column = MARGIN;
		p->glue = true;
	} else {
		page_line(p, MARGIN);
	}
	page_cell(p, PAGE_PLAIN, g->facet, r->facet_width);
	page_cell(p, PAGE_PLAIN, subject, r->subject_width);
	page_cell(p, style_of(g->kind), g->kind, KIND_WIDTH);
	p->indent = detail_column(r);
}

/* On, for what does not fit behind the first line of a group. */
static void next_row(struct report *r)
{
	page_line(r->page, detail_column(r));
	r->page->indent = detail_column(r);
}

/* As much of a word as is shown: a digest tells that something differs, and nobody reads all of it. */
static size_t word_shown(const char *word, size_t size)
{
	bool digest = strncmp(word, "sha256:", strlen("sha256:")) == 0 || strncmp(word, "sha256=", strlen("sha256=")) == 0;

	return digest && size == DIGEST_SIZE ? DIGEST_SHOWN : size;
}

/* A value, behind something that stays on one line with its first word. */
static void put_words(struct page *p, const char *before, const char *value)
{
	while (*value || *before) {
		size_t size = strcspn(value, " ");

		page_format(p, PAGE_PLAIN, "%s%.*s", before, (int)word_shown(value, size), value);
		before = "";
		value += size;
		value += strspn(value, " ");
	}
}

static void put_arrow(struct page *p, const char *to) { put_words(p, ARROW " ", to); }
static void put_value(struct page *p, const char *value) { put_words(p, "", value); }

static void put_pair(struct page *p, const json_t *change)
{
	bool from = member_is_text(change, "from"), to = member_is_text(change, "to");

	if (from)
		put_value(p, member_text(change, "from"));
	if (from && to)
		put_arrow(p, member_text(change, "to"));
	else if (to)
		put_value(p, member_text(change, "to"));
}

/* The bits that "ecx[13]" or "eax[7:0]" names; 0 where it is neither. */
static uint64_t field_mask(const char *bits)
{
	const char *open = strchr(bits, '[');
	unsigned high = 0, low = 0;
	size_t digits;

	if (!open)
		return 0;
	for (digits = 1; digits <= 2 && open[digits] >= '0' && open[digits] <= '9'; digits++)
		high = high * 10 + (unsigned)(open[digits] - '0');
	open += digits;
	low = high;
	if (*open == ':')
		for (low = 0, digits = 1; digits <= 2 && open[digits] >= '0' && open[digits] <= '9'; digits++)
			low = low * 10 + (unsigned)(open[digits] - '0');
	if (high > 63 || low > high)
		return 0;
	return (high - low == 63 ? UINT64_MAX : (UINT64_C(1) << (high - low + 1)) - 1) << low;
}

/* Do the named fields tell all that differs between the two registers? */
static bool fields_tell_all(const json_t *change)
{
	const json_t *fields = json_object_get(change, "fields");
	uint64_t from, to, told = 0;

	if (text_u64(member_text(change, "from"), &from) < 0 || text_u64(member_text(change, "to"), &to) < 0)
		return false;
	for (size_t i = 0; i < json_array_size(fields); i++)
		told |= field_mask(member_text(json_array_get(fields, i), "bits"));
	return ((from ^ to) & ~told) == 0;
}

static void put_field(struct page *p, const json_t *field)
{
	char from_room[WORDS_NUMBER], to_room[WORDS_NUMBER];
	const char *from = member_text(field, "from"), *to = member_text(field, "to"), *bits = member_text(field, "bits");
	enum page_style style = PAGE_CHANGED;

	if (!strchr(bits, ':') && strcmp(from, "1") == 0)
		style = PAGE_LOST;
	else if (!strchr(bits, ':') && strcmp(from, "0") == 0)
		style = PAGE_GAINED;
	page_word(p, style, member_text(field, "name"));
	page_word(p, PAGE_PLAIN, words_number(from, from_room));
	put_arrow(p, words_number(to, to_room));
	page_format(p, PAGE_FAINT, "(%s)", bits);
}

/* As one word each: the spaces within are the string's own. */
static void put_spelt(struct page *p, const char *before, const char *string)
{
	page_format(p, PAGE_PLAIN, "%s\"%s\"", before, string);
}

/* brand "AMD EPYC Processor" → "AMD EPYC-Rome Processor" */
static void put_string(struct page *p, const char *kind, const json_t *string)
{
	bool from = member_is_text(string, "from"), to = member_is_text(string, "to");

	page_word(p, style_of(kind), member_text(string, "name"));
	if (from)
		put_spelt(p, "", member_text(string, "from"));
	if (to)
		put_spelt(p, from ? ARROW " " : "", member_text(string, "to"));
}

/* Of several registers of one string the first tells all of it. */
static bool is_told(const struct report *r, const struct group *g, size_t change)
{
	const json_t *string = group_string(json_array_get(r->changes, change));

	for (size_t i = g->begin; string && i < change; i++)
		if (json_equal(string, group_string(json_array_get(r->changes, i))))
			return true;
	return false;
}

/* Registers of a leaf that differ: a line for each field, and the registers themselves where fields do not say all. */
static void put_registers(struct report *r, const struct group *g)
{
	bool first = true;

	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i), *fields = json_object_get(change, "fields");

		if (is_told(r, g, i))
			continue;
		if (group_string(change)) {
			if (!first)
				next_row(r);
			first = false;
			put_string(r->page, g->kind, group_string(change));
			continue;
		}
		for (size_t j = 0; j < json_array_size(fields); j++, first = false) {
			if (!first)
				next_row(r);
			put_field(r->page, json_array_get(fields, j));
		}
		if (json_array_size(fields) && fields_tell_all(change))
			continue;
		if (!first)
			next_row(r);
		first = false;
		page_word(r->page, PAGE_PLAIN, group_part(g, change));
		put_pair(r->page, change);
	}
}

/* "rtm", "physical_address_bits=40": what a whole register said that is not there on the other side. */
static void put_names(struct report *r, const json_t *change, const char *side, bool *first)
{
	const json_t *fields = json_object_get(change, "fields");

	for (size_t i = 0; i < json_array_size(fields); i++) {
		const json_t *field = json_array_get(fields, i);
		const char *value = member_text(field, side), *name = member_text(field, "name");
		bool bit = !strchr(member_text(field, "bits"), ':');
		char room[WORDS_NUMBER];

		if (value[0] == '\0' || strcmp(value, "0") == 0)
			continue;
		if (*first)
			next_row(r);
		*first = false;
		if (bit)
			page_word(r->page, PAGE_FAINT, name);
		else
			page_format(r->page, PAGE_FAINT, "%s=%s", name, words_number(value, room));
	}
}

/* A leaf that came or went, a register at a time; what its bits are called below. */
static void put_leaf(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";
	bool first = true;

	for (size_t i = g->begin; i < g->end && !g->called; i++) {
		const json_t *change = json_array_get(r->changes, i);
		const char *part = group_part(g, change);

		page_format(r->page, PAGE_PLAIN, "%s%s%s", part, part[0] ? "=" : "", member_text(change, side));
	}
	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);

		if (!group_string(change)) {
			put_names(r, change, side, &first);
		} else if (!is_told(r, g, i)) {
			if (first && !g->called)
				next_row(r);
			first = false;
			put_string(r->page, g->kind, group_string(change));
		}
	}
}

static void put_function(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";
	bool first = true;

	put_pair(r->page, g->id);
	page_words(r->page, style_of(g->kind), member_text(g->id, "meaning"));
	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);

		if (change == g->id)
			continue;
		if (first)
			next_row(r);
		else
			page_format(r->page, PAGE_FAINT, "%s", "\xc2\xb7");
		first = false;
		page_word(r->page, PAGE_FAINT, group_part(g, change));
		page_words(r->page, PAGE_FAINT, member_text(change, side));
	}
}

/* A table, a device, a structure that came or went: what it said, one after the other. */
static void put_block(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";

	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);

		if (i > g->begin)
			page_format(r->page, PAGE_FAINT, "%s", "\xc2\xb7");
		if (*group_part(g, change))
			page_word(r->page, PAGE_FAINT, group_part(g, change));
		put_value(r->page, member_text(change, side));
	}
}

/* In brackets, as in `show`: what of the line is value must be clear without colours too. */
static void put_meaning(struct page *p, const char *meaning)
{
	struct buffer text = BUFFER_INIT;

	if (!meaning[0])
		return;
	buffer_printf(&text, "(%s)", meaning);
	if (!buffer_failed(&text))
		page_words(p, PAGE_FAINT, text.data);
	buffer_release(&text);
}

static void put_plain(struct report *r, const struct group *g)
{
	const json_t *change = json_array_get(r->changes, g->begin);
	const json_t *fields = json_object_get(change, "fields");

	put_pair(r->page, change);
	put_meaning(r->page, member_text(change, "meaning"));
	for (size_t i = 0; i < json_array_size(fields); i++) {
		next_row(r);
		put_field(r->page, json_array_get(fields, i));
	}
}

static void put_folded(struct report *r, const struct group *g)
{
	size_t moved = 0;

	for (size_t i = g->begin; i < g->end; i++)
		moved += json_array_size(json_object_get(json_array_get(r->changes, i), "moved"));
	if (moved == 0)
		return;
	next_row(r);
	page_format(r->page, PAGE_FAINT, "(%zu placement change%s folded)", moved, moved == 1 ? "" : "s");
}

static void put_group(struct report *r, const struct group *g)
{
	struct buffer subject = BUFFER_INIT;

	if (g->called)
		buffer_string(&subject, g->called);
	else
		buffer_append(&subject, g->key, g->subject);
	begin_row(r, g, subject.size ? subject.data : "", is_marked(r, g));
	buffer_release(&subject);
	if (strcmp(g->facet, "cpuid") == 0 && strcmp(g->kind, "changed") == 0)
		put_registers(r, g);
	else if (strcmp(g->facet, "cpuid") == 0)
		put_leaf(r, g);
	else if (g->block)
		put_block(r, g);
	else if (g->id)
		put_function(r, g);
	else
		put_plain(r, g);
	put_folded(r, g);
	page_end(r->page);
}

/* ---- like changes of several tables, structures or functions, in one row */

struct row {
	struct group group;
	char *fold;   /* what it shares with those that are told with it; NULL: told alone */
	size_t place; /* in the order of groups; then, of the first of its fold, in that order */
	bool told;
};

struct rows {
	struct row *items;
	struct row **by_fold;
	size_t count;
};

static bool is_digest(const char *text) { return strncmp(text, "sha256:", strlen("sha256:")) == 0; }

static int fold_of(const json_t *changes, const struct group *g, char **ret)
{
	const json_t *change = json_array_get(changes, g->begin);
	struct buffer fold = BUFFER_INIT;
	const char *unit, *to = member_text(change, "to");

	*ret = NULL;
	if (strcmp(g->kind, "changed") != 0 || g->end != g->begin + 1 || strcmp(g->facet, "cpuid") == 0 ||
	    json_array_size(json_object_get(change, "fields")) || json_array_size(json_object_get(change, "moved")))
		return 0;
	buffer_printf(&fold, "%s\n", g->facet);
	if (words_shared(g->facet, g->key, &fold, &unit)) {
		buffer_printf(&fold, "\n%s", is_digest(to) ? "" : to);
		*ret = buffer_take(&fold, NULL);
		return *ret ? 0 : -ENOMEM;
	}
	buffer_release(&fold);
	return 0;
}

static int fold_compare(const void *va, const void *vb)
{
	const struct row *a = *(struct row *const *)va, *b = *(struct row *const *)vb;
	int order = !a->fold || !b->fold ? !a->fold - !b->fold : strcmp(a->fold, b->fold);

	return order ? order : (a->place > b->place) - (a->place < b->place);
}

static void rows_release(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->items[i].fold);
	free(rows->items);
	free(rows->by_fold);
}

static int rows_read(const json_t *changes, struct rows *ret)
{
	struct rows rows = { 0 };
	size_t room = json_array_size(changes);
	struct group_cursor cursor = GROUP_CURSOR_INIT;
	struct group g;
	int r = 0;

	rows.items = calloc(room ? room : 1, sizeof(*rows.items));
	rows.by_fold = calloc(room ? room : 1, sizeof(*rows.by_fold));
	if (!rows.items || !rows.by_fold)
		r = -ENOMEM;
	for (; r >= 0 && rows.count < room && group_next(changes, &cursor, &g); rows.count++) {
		struct row *row = &rows.items[rows.count];

		*row = (struct row){ .group = g, .place = rows.count };
		rows.by_fold[rows.count] = row;
		r = fold_of(changes, &g, &row->fold);
	}
	if (r < 0) {
		rows_release(&rows);
		return r;
	}
	if (rows.count)
		qsort(rows.by_fold, rows.count, sizeof(*rows.by_fold), fold_compare);
	*ret = rows;
	return 0;
}

/* "APIC", "type17.1", "0000:00:03.0": what of its key a folded change has for itself. */
static size_t member_size(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? (size_t)(slash - key) : strlen(key);
}

/* "*" for the tables, "type17.*" for the structures. */
static void put_star(const struct group *g, struct buffer *out)
{
	if (strcmp(g->facet, "smbios") == 0)
		buffer_append(out, g->key, strcspn(g->key, ".") + 1);
	buffer_string(out, "*");
	buffer_string(out, g->key + member_size(g->key));
}

/* Different ones before the arrow. */
static void put_befores(struct report *r, struct row *const *rows, size_t count)
{
	const char *shown[VALUES_SHOWN];
	size_t values = 0;

	for (size_t i = 0; i < count; i++) {
		const char *from = member_text(json_array_get(r->changes, rows[i]->group.begin), "from");
		size_t known = 0;

		while (known < values && strcmp(shown[known], from) != 0)
			known++;
		if (known < values)
			continue;
		if (values == VALUES_SHOWN) {
			page_word(r->page, PAGE_PLAIN, ELLIPSIS);
			break;
		}
		if (values) {
			r->page->glue = true;
			page_word(r->page, PAGE_PLAIN, ",");
		}
		put_value(r->page, from);
		shown[values++] = from;
	}
}

static void put_members(struct report *r, struct row *const *rows, size_t count)
{
	page_word(r->page, PAGE_FAINT, "in");
	for (size_t i = 0; i < count && i < MEMBERS_SHOWN; i++) {
		const char *key = rows[i]->group.key;

		page_format(r->page, PAGE_FAINT, "%.*s%s", (int)member_size(key), key, i + 1 < count ? "," : "");
	}
	if (count > MEMBERS_SHOWN)
		page_format(r->page, PAGE_FAINT, "and %zu more", count - MEMBERS_SHOWN);
}

static void put_like(struct report *r, struct row *const *rows, size_t count)
{
	const struct group *g = &rows[0]->group;
	const char *to = member_text(json_array_get(r->changes, g->begin), "to");
	struct buffer subject = BUFFER_INIT;
	bool marked = false;

	for (size_t i = 0; i < count; i++)
		marked = marked || is_marked(r, &rows[i]->group);
	put_star(g, &subject);
	begin_row(r, g, subject.size ? subject.data : "", marked);
	buffer_release(&subject);
	if (!is_digest(to)) {
		put_befores(r, rows, count);
		put_arrow(r->page, to);
	}
	put_members(r, rows, count);
	page_end(r->page);
}

static void put_rows(struct report *r, struct rows *rows)
{
	for (size_t i = 0, end; i < rows->count; i = end) {
		struct row *first = rows->by_fold[i];

		for (end = i + 1; first->fold && end < rows->count && rows->by_fold[end]->fold && strcmp(first->fold, rows->by_fold[end]->fold) == 0;)
			end++;
		/* The later ones are told with the first; it finds them behind itself. */
		for (size_t j = i + 1; j < end; j++)
			rows->by_fold[j]->told = true;
		first->place = i;
	}
	for (size_t i = 0; i < rows->count; i++) {
		struct row *row = &rows->items[i];
		size_t count = 1;

		if (row->told)
			continue;
		while (row->fold && row->place + count < rows->count && rows->by_fold[row->place + count]->told)
			count++;
		if (count > 1)
			put_like(r, &rows->by_fold[row->place], count);
		else
			put_group(r, &row->group);
	}
}

static void measure(struct report *r)
{
	struct group_cursor cursor = GROUP_CURSOR_INIT;
	struct group g;

	while (group_next(r->changes, &cursor, &g)) {
		size_t facet = strlen(g.facet);

		if (facet > r->facet_width)
			r->facet_width = facet;
		if (g.subject > r->subject_width)
			r->subject_width = g.subject < SUBJECT_MAX ? g.subject : SUBJECT_MAX;
	}
}

int rows_put(struct page *page, const json_t *changes, enum severity marked)
{
	struct report r = { .page = page, .changes = changes, .marked = marked };
	struct rows rows;
	int err = rows_read(changes, &rows);

	if (err < 0)
		return err;
	measure(&r);
	put_rows(&r, &rows);
	rows_release(&rows);
	return 0;
}
