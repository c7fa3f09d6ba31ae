/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/view.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/group.h"
#include "userspace/drift/page.h"

#define ARROW "\xe2\x86\x92"
#define MARGIN 2
#define SUBJECT_MAX 26 /* longer ones push their own line only */
#define DIGEST_SIZE 71 /* "sha256:" and 64 digits */
#define DIGEST_SHOWN 19 /* and 12 digits */
#define KEYS_SHOWN 4
#define REASONS_MAX 64
#define MOVED_SHOWN 10

struct report {
	struct page page;
	const json_t *diff;
	const json_t *changes; /* of the diff, in the order of groups */
	size_t facet_width, subject_width;
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

/* ---- the two sides */

static void put_side(struct page *p, const json_t *side)
{
	const json_t *guest = json_object_get(side, "guest"), *revision = json_object_get(side, "revision");
	const char *name = json_is_object(guest) ? member_text(guest, "name") : json_string_value(guest);
	const char *digest = member_text(side, "digest");

	if (json_is_string(side))
		name = json_string_value(side);
	if (json_is_object(guest) && !name[0])
		name = member_text(guest, "id");
	if (!name || !name[0])
		name = member_text(side, "name");
	if (!name[0])
		name = member_text(side, "id");
	if (name[0])
		page_word(p, PAGE_BOLD, name);
	if (json_is_integer(revision))
		page_format(p, PAGE_PLAIN, "revision %lld", (long long)json_integer_value(revision));
	page_words(p, PAGE_PLAIN, member_text(side, "at"));
	if (digest[0])
		page_format(p, PAGE_FAINT, "%.*s", DIGEST_SHOWN, digest);
}

static void put_sides(struct report *r)
{
	const json_t *from = json_object_get(r->diff, "from"), *to = json_object_get(r->diff, "to");

	if (!from || !to)
		return;
	page_line(&r->page, 0);
	r->page.indent = MARGIN;
	put_side(&r->page, from);
	page_word(&r->page, PAGE_PLAIN, ARROW);
	put_side(&r->page, to);
	page_end(&r->page);
}

/* ---- changes */

static size_t detail_column(const struct report *r)
{
	return MARGIN + r->facet_width + 2 + r->subject_width + 2 + KIND_WIDTH + 2;
}

static void begin_row(struct report *r, const struct group *g, const char *kind, enum page_style style)
{
	struct page *p = &r->page;
	struct buffer subject = BUFFER_INIT;

	buffer_append(&subject, g->key, g->subject);
	page_line(p, MARGIN);
	page_cell(p, PAGE_PLAIN, g->facet, r->facet_width);
	page_cell(p, PAGE_PLAIN, subject.size ? subject.data : "", r->subject_width);
	page_cell(p, style, kind, KIND_WIDTH);
	p->indent = detail_column(r);
	buffer_release(&subject);
}

/* On, for what does not fit behind the first line of a group. */
static void next_row(struct report *r)
{
	page_line(&r->page, detail_column(r));
	r->page.indent = detail_column(r);
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
	const char *from = member_text(field, "from"), *to = member_text(field, "to"), *bits = member_text(field, "bits");
	enum page_style style = PAGE_CHANGED;

	if (!strchr(bits, ':') && strcmp(from, "1") == 0)
		style = PAGE_LOST;
	else if (!strchr(bits, ':') && strcmp(from, "0") == 0)
		style = PAGE_GAINED;
	page_word(p, style, member_text(field, "name"));
	page_word(p, PAGE_PLAIN, from[0] ? from : "none");
	put_arrow(p, to[0] ? to : "none");
	page_format(p, PAGE_FAINT, "(%s)", bits);
}

/* Registers of a leaf that differ: a line for each field, and the registers themselves where fields do not say all. */
static void put_registers(struct report *r, const struct group *g)
{
	bool first = true;

	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i), *fields = json_object_get(change, "fields");

		for (size_t j = 0; j < json_array_size(fields); j++, first = false) {
			if (!first)
				next_row(r);
			put_field(&r->page, json_array_get(fields, j));
		}
		if (json_array_size(fields) && fields_tell_all(change))
			continue;
		if (!first)
			next_row(r);
		first = false;
		page_word(&r->page, PAGE_PLAIN, group_part(g, change));
		put_pair(&r->page, change);
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

		if (value[0] == '\0' || strcmp(value, "0") == 0)
			continue;
		if (*first)
			next_row(r);
		*first = false;
		if (bit)
			page_word(&r->page, PAGE_FAINT, name);
		else
			page_format(&r->page, PAGE_FAINT, "%s=%s", name, value);
	}
}

/* A leaf that came or went, a register at a time; what its bits are called below. */
static void put_leaf(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";
	bool first = true;

	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);
		const char *part = group_part(g, change);

		page_format(&r->page, PAGE_PLAIN, "%s%s%s", part, part[0] ? "=" : "", member_text(change, side));
	}
	for (size_t i = g->begin; i < g->end; i++)
		put_names(r, json_array_get(r->changes, i), side, &first);
}

static void put_function(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";
	bool first = true;

	put_pair(&r->page, g->id);
	page_words(&r->page, style_of(g->kind), member_text(g->id, "meaning"));
	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);

		if (change == g->id)
			continue;
		if (first)
			next_row(r);
		else
			page_format(&r->page, PAGE_FAINT, "%s", "\xc2\xb7");
		first = false;
		page_word(&r->page, PAGE_FAINT, group_part(g, change));
		page_words(&r->page, PAGE_FAINT, member_text(change, side));
	}
}

/* A table, a device, a structure that came or went: what it said, one after the other. */
static void put_block(struct report *r, const struct group *g)
{
	const char *side = strcmp(g->kind, "lost") == 0 ? "from" : "to";

	for (size_t i = g->begin; i < g->end; i++) {
		const json_t *change = json_array_get(r->changes, i);

		if (i > g->begin)
			page_format(&r->page, PAGE_FAINT, "%s", "\xc2\xb7");
		if (*group_part(g, change))
			page_word(&r->page, PAGE_FAINT, group_part(g, change));
		put_value(&r->page, member_text(change, side));
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

	put_pair(&r->page, change);
	put_meaning(&r->page, member_text(change, "meaning"));
	for (size_t i = 0; i < json_array_size(fields); i++) {
		next_row(r);
		put_field(&r->page, json_array_get(fields, i));
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
	page_format(&r->page, PAGE_FAINT, "(%zu placement change%s folded)", moved, moved == 1 ? "" : "s");
}

static void put_group(struct report *r, const struct group *g)
{
	begin_row(r, g, g->kind, style_of(g->kind));
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
	page_end(&r->page);
}

static void measure(struct report *r)
{
	struct group g;

	for (size_t cursor = 0; group_next(r->changes, &cursor, &g);) {
		size_t facet = strlen(g.facet);

		if (facet > r->facet_width)
			r->facet_width = facet;
		if (g.subject > r->subject_width)
			r->subject_width = g.subject < SUBJECT_MAX ? g.subject : SUBJECT_MAX;
	}
}

/* What moved though nothing that was seen moved it. */
static void put_moved(struct report *r)
{
	const json_t *moved = json_object_get(r->diff, "moved");
	size_t count = json_array_size(moved);

	for (size_t i = 0; i < count && i < MOVED_SHOWN; i++) {
		const json_t *m = json_array_get(moved, i);

		page_line(&r->page, MARGIN);
		r->page.indent = 2 * MARGIN;
		page_word(&r->page, PAGE_FAINT, "moved");
		page_word(&r->page, PAGE_PLAIN, member_text(m, "key"));
		page_words(&r->page, PAGE_PLAIN, member_is_text(m, "from") ? member_text(m, "from") : "not placed");
		put_arrow(&r->page, member_is_text(m, "to") ? member_text(m, "to") : "not placed");
		page_end(&r->page);
	}
	if (count > MOVED_SHOWN) {
		page_line(&r->page, MARGIN);
		page_format(&r->page, PAGE_FAINT, "and %zu more placements moved", count - MOVED_SHOWN);
		page_end(&r->page);
	}
}

/* ---- context */

/* Is this element (of a value joined with "; ") in the other value too? */
static bool has_element(const char *value, const char *element, size_t size)
{
	while (*value) {
		const char *end = strstr(value, "; ");
		size_t length = end ? (size_t)(end - value) : strlen(value);

		if (length == size && memcmp(value, element, size) == 0)
			return true;
		value += end ? length + 2 : length;
	}
	return false;
}

static void put_elements(struct page *p, const char *value, const char *other, const char *sign, enum page_style style)
{
	while (*value) {
		const char *end = strstr(value, "; ");
		size_t length = end ? (size_t)(end - value) : strlen(value);

		if (!has_element(other, value, length)) {
			struct buffer element = BUFFER_INIT;

			buffer_append(&element, value, length);
			page_line(p, 2 * MARGIN);
			p->indent = 2 * MARGIN;
			page_word(p, style, sign);
			page_words(p, PAGE_PLAIN, element.size ? element.data : "");
			page_end(p);
			buffer_release(&element);
		}
		value += end ? length + 2 : length;
	}
}

/* On one line if it fits; else what is only on one side, an element at a time. */
static void put_factor(struct report *r, const json_t *f, size_t width)
{
	const char *factor = member_text(f, "factor"), *from = member_text(f, "from"), *to = member_text(f, "to");
	bool list = strstr(from, "; ") || strstr(to, "; ");
	struct page *p = &r->page;

	page_line(p, MARGIN);
	p->indent = 2 * MARGIN;
	if (!list && MARGIN + width + 2 + page_width(from) + 8 + page_width(to) <= PAGE_COLUMNS) {
		page_cell(p, PAGE_PLAIN, factor, width);
		page_words(p, PAGE_PLAIN, member_is_text(f, "from") ? from : "(none)");
		put_arrow(p, member_is_text(f, "to") ? to : "(none)");
		page_end(p);
		return;
	}
	page_word(p, PAGE_PLAIN, factor);
	page_end(p);
	put_elements(p, from, to, "-", PAGE_LOST);
	put_elements(p, to, from, "+", PAGE_GAINED);
}

static void put_context(struct report *r)
{
	const json_t *context = json_object_get(r->diff, "context");
	size_t width = 0;

	if (json_array_size(context) == 0)
		return;
	for (size_t i = 0; i < json_array_size(context); i++) {
		size_t length = page_width(member_text(json_array_get(context, i), "factor"));

		if (length > width && length <= SUBJECT_MAX)
			width = length;
	}
	buffer_string(r->page.out, "changed on the host side:\n");
	for (size_t i = 0; i < json_array_size(context); i++)
		put_factor(r, json_array_get(context, i), width);
}

/* ---- what is unknown */

struct reason {
	const char *facet, *reason;
	bool whole; /* facet */
	size_t count;
	const char *keys[KEYS_SHOWN];
};

static struct reason *reason_of(struct reason *reasons, size_t *count, const json_t *u)
{
	const char *facet = member_text(u, "facet"), *reason = member_text(u, "reason");
	bool whole = !member_is_text(u, "key");

	for (size_t i = 0; i < *count; i++)
		if (reasons[i].whole == whole && strcmp(reasons[i].facet, facet) == 0 && strcmp(reasons[i].reason, reason) == 0)
			return &reasons[i];
	if (*count == REASONS_MAX)
		return NULL;
	reasons[*count] = (struct reason){ .facet = facet, .reason = reason, .whole = whole };
	return &reasons[(*count)++];
}

static void put_reason(struct report *r, const struct reason *u, size_t width)
{
	struct page *p = &r->page;

	page_line(p, MARGIN);
	page_cell(p, PAGE_PLAIN, u->facet, width);
	page_hang(p);
	if (u->whole) {
		page_words(p, PAGE_CHANGED, u->reason);
	} else {
		page_format(p, PAGE_PLAIN, "%zu", u->count);
		page_words(p, PAGE_PLAIN, u->reason);
		p->glue = true;
		page_word(p, PAGE_PLAIN, ":");
		for (size_t i = 0; i < u->count && i < KEYS_SHOWN; i++)
			page_format(p, PAGE_FAINT, "%s%s", u->keys[i], i + 1 < u->count ? "," : "");
		if (u->count > KEYS_SHOWN)
			page_words(p, PAGE_FAINT, "\xe2\x80\xa6");
	}
	page_end(p);
}

static void put_unknown(struct report *r)
{
	const json_t *unknown = json_object_get(r->diff, "unknown");
	struct reason reasons[REASONS_MAX];
	size_t count = 0, width = 0;

	for (size_t i = 0; i < json_array_size(unknown); i++) {
		const json_t *u = json_array_get(unknown, i);
		struct reason *reason = reason_of(reasons, &count, u);

		if (reason && reason->count < KEYS_SHOWN)
			reason->keys[reason->count] = member_text(u, "key");
		if (reason)
			reason->count++;
	}
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (page_width(reasons[i].facet) > width)
			width = page_width(reasons[i].facet);
	buffer_string(r->page.out, "unknown, so not compared:\n");
	for (size_t i = 0; i < count; i++)
		put_reason(r, &reasons[i], width);
}

/* ---- the last line */

static void put_kinds(struct report *r, const json_t *changes)
{
	bool first = true;

	for (size_t i = 0; i < sizeof(kind_styles) / sizeof(kind_styles[0]); i++) {
		size_t count = 0;

		for (size_t j = 0; j < json_array_size(changes); j++)
			count += strcmp(member_text(json_array_get(changes, j), "change"), kind_styles[i].kind) == 0;
		if (count == 0)
			continue;
		buffer_printf(r->page.out, "%s%zu %s", first ? " (" : ", ", count, kind_styles[i].kind);
		first = false;
	}
	buffer_string(r->page.out, first ? "" : ")");
}

static void put_result(struct report *r)
{
	const json_t *changes = json_object_get(r->diff, "changes");
	const char *result = member_text(r->diff, "result");
	size_t count = json_array_size(changes), unknown = json_array_size(json_object_get(r->diff, "unknown"));
	size_t moved = json_array_size(json_object_get(r->diff, "moved"));

	for (size_t i = 0; i < count; i++)
		moved += json_array_size(json_object_get(json_array_get(r->changes, i), "moved"));
	page_line(&r->page, 0);
	page_word(&r->page, strcmp(result, "same") == 0 ? PAGE_GAINED : strcmp(result, "drift") == 0 ? PAGE_LOST : PAGE_CHANGED, result);
	if (count)
		buffer_printf(r->page.out, ": %zu change%s", count, count == 1 ? "" : "s");
	else
		buffer_string(r->page.out, ": no change");
	put_kinds(r, changes);
	if (moved)
		buffer_printf(r->page.out, ", %zu moved", moved);
	if (unknown)
		buffer_printf(r->page.out, ", %zu unknown", unknown);
	page_end(&r->page);
}

void drift_text(const json_t *diff, bool color, struct buffer *out)
{
	json_t *changes = group_order(json_object_get(diff, "changes"));
	struct report r = { .page = { .out = out, .color = color }, .diff = diff, .changes = changes };
	struct group g;

	if (!changes) {
		out->failed = true;
		return;
	}

	put_sides(&r);
	measure(&r);
	for (size_t cursor = 0; group_next(r.changes, &cursor, &g);)
		put_group(&r, &g);
	put_moved(&r);
	put_context(&r);
	put_unknown(&r);
	put_result(&r);
	json_decref(changes);
}
