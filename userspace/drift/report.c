/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/view.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/blame.h"
#include "userspace/drift/group.h"
#include "userspace/drift/page.h"
#include "userspace/drift/rows.h"
#include "userspace/drift/words.h"

#define ARROW "\xe2\x86\x92"
#define MARGIN ROWS_MARGIN
#define FACTOR_MAX 26 /* longer ones push their own line only */
#define DIGEST_SHOWN 19 /* "sha256:" and 12 digits */
#define KEYS_SHOWN 4
#define REASONS_MAX 64
#define MOVED_SHOWN 10
#define LABEL_WIDTH 7
#define IMPACTS_MAX 64 /* told once each; more than anybody reads */
#define RULES_MAX 32

struct report {
	struct page page;
	const json_t *diff;
	const json_t *changes; /* of the diff, in the order of groups */
	struct blames blames;
	bool more;
	const char *impacts[IMPACTS_MAX]; /* told already */
	size_t impact_count;
};

static const struct severity_style {
	enum severity severity;
	enum page_style style;
} severity_styles[] = {
	{ SEVERITY_CRITICAL, PAGE_LOST },
	{ SEVERITY_WARNING, PAGE_CHANGED },
};

static enum page_style style_of(enum severity severity)
{
	for (size_t i = 0; i < sizeof(severity_styles) / sizeof(severity_styles[0]); i++)
		if (severity == severity_styles[i].severity)
			return severity_styles[i].style;
	return PAGE_BOLD;
}

/* ---- the two sides */

/* again: of the same guest as the side before. */
static void put_side(struct page *p, const json_t *side, bool again)
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
	if (name[0] && !again)
		page_word(p, PAGE_BOLD, name);
	if (json_is_integer(revision))
		page_format(p, PAGE_PLAIN, "revision %lld", (long long)json_integer_value(revision));
	page_words(p, PAGE_PLAIN, member_text(side, "at"));
	/* A revision says which fingerprint it is; of two digests nobody sees more than that they differ. */
	if (digest[0] && !json_is_integer(revision))
		page_format(p, PAGE_FAINT, "%.*s", DIGEST_SHOWN, digest);
	/* It is still being looked at: it has no revision yet. */
	if (again && !json_is_integer(revision))
		page_word(p, PAGE_PLAIN, "now");
}

static void put_sides(struct report *r)
{
	const json_t *from = json_object_get(r->diff, "from"), *to = json_object_get(r->diff, "to");
	const json_t *guest = json_object_get(from, "guest");

	if (!from || !to)
		return;
	page_line(&r->page, 0);
	r->page.indent = MARGIN;
	put_side(&r->page, from, false);
	page_word(&r->page, PAGE_PLAIN, ARROW);
	put_side(&r->page, to, json_is_object(guest) && json_equal(guest, json_object_get(to, "guest")) && json_object_get(to, "revision"));
	page_end(&r->page);
}

/* ---- changes, by what is to blame */

static void put_arrow(struct page *p, const char *to)
{
	page_word(p, PAGE_PLAIN, ARROW);
	page_words(p, PAGE_PLAIN, to);
}

/* A line "because  the VMM writes the ACPI tables" under a heading. */
static void begin_label(struct report *r, const char *label)
{
	page_line(&r->page, MARGIN);
	page_cell(&r->page, PAGE_FAINT, label, LABEL_WIDTH);
	page_hang(&r->page);
}

static void put_label(struct report *r, const char *label, const char *text)
{
	if (!text[0])
		return;
	begin_label(r, label);
	page_words(&r->page, PAGE_PLAIN, text);
	page_end(&r->page);
}

/* Is it worse than others of its group? Then its row has to stand out. */
static enum severity marked(const struct blame *b)
{
	for (size_t i = 0; b->severity > SEVERITY_INFO && i < json_array_size(b->changes); i++)
		if (strcmp(member_text(json_array_get(b->changes, i), "severity"), severity_name(b->severity)) != 0)
			return b->severity;
	return SEVERITY_NONE;
}

/* What of words.h is escaped already goes in as it is: a backslash stays one. */
static void put_escaped(struct report *r, const struct buffer *words)
{
	r->page.out->failed |= buffer_failed(words);
	if (words->size)
		page_words(&r->page, PAGE_PLAIN, words->data);
}

/* An empty line, where there are groups to keep apart. */
static void put_gap(struct report *r)
{
	page_end(&r->page);
	if (r->blames.verdict != VERDICT_NONE)
		buffer_string(r->page.out, "\n");
}

static void put_heading(struct report *r, const struct blame *b)
{
	struct page *p = &r->page;
	struct buffer words = BUFFER_INIT;
	const char *rest;

	put_gap(r);
	page_line(p, 0);
	p->indent = MARGIN;
	page_format(p, style_of(b->severity), "%s,", verdict_name(b->verdict));
	page_format(p, style_of(b->severity), "%s%s%s", severity_name(b->severity), marked(b) ? " (" ROWS_MARK ")" : "", b->running ? "," : ":");
	words_heading(r->diff, b, &words);
	rest = words.size ? words.data : "";
	p->out->failed |= buffer_failed(&words);
	if (b->running && strncmp(rest, WORDS_RUNNING, strlen(WORDS_RUNNING)) == 0) {
		page_words(p, PAGE_BOLD, WORDS_RUNNING);
		rest += strlen(WORDS_RUNNING);
		rest += strspn(rest, " ");
	}
	/* It is escaped already: a backslash stays one. */
	page_words(p, PAGE_PLAIN, rest);
	page_end(p);
	buffer_release(&words);
}

static void put_whys(struct report *r, const struct blame *b)
{
	struct buffer besides = BUFFER_INIT, whys = BUFFER_INIT;

	for (size_t i = 0; i < b->why_count; i++) {
		buffer_string(&whys, i ? "; " : "");
		buffer_string(&whys, b->whys[i]);
	}
	put_label(r, "because", whys.data ? whys.data : "");
	buffer_release(&whys);
	words_besides(r->diff, b, WORDS_VALUE, &besides);
	if (besides.size) {
		begin_label(r, "or by");
		put_escaped(r, &besides);
		page_end(&r->page);
	}
	buffer_release(&besides);
	put_label(r, b->verdict == VERDICT_EXEMPT ? "exempt" : "reason", b->reason);
	if (words_note(b))
		put_label(r, "note", words_note(b));
}

static void put_impacts(struct report *r, const struct blame *b)
{
	size_t told = 0;

	for (size_t i = 0; i < b->impact_count; i++) {
		size_t known = 0;

		while (known < r->impact_count && strcmp(r->impacts[known], b->impacts[i].sentence) != 0)
			known++;
		if (known < r->impact_count)
			continue;
		if (r->impact_count < IMPACTS_MAX)
			r->impacts[r->impact_count++] = b->impacts[i].sentence;
		put_label(r, told++ ? "" : "impact", b->impacts[i].sentence);
	}
}

static int put_changes(struct report *r)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < r->blames.count; i++) {
		const struct blame *b = &r->blames.items[i];

		if (b->verdict != VERDICT_NONE) {
			put_heading(r, b);
			put_whys(r, b);
			put_impacts(r, b);
		}
		err = rows_put(&r->page, b->changes, b->verdict == VERDICT_NONE ? SEVERITY_NONE : marked(b));
	}
	return err;
}

/* ---- what rules hide */

static size_t hidden_by(const struct report *r, const char *rule)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(r->blames.suppressed); i++)
		count += strcmp(member_text(json_array_get(r->blames.suppressed, i), "suppressed_by"), rule) == 0;
	return count;
}

static const char *reason_of_rule(const struct report *r, const char *rule)
{
	const json_t *rules = json_object_get(r->diff, "suppressed");

	for (size_t i = 0; i < json_array_size(rules); i++)
		if (strcmp(member_text(json_array_get(rules, i), "rule"), rule) == 0)
			return member_text(json_array_get(rules, i), "reason");
	return "";
}

static void put_rule(struct report *r, const char *rule)
{
	size_t count = hidden_by(r, rule);
	const char *reason = reason_of_rule(r, rule);

	page_line(&r->page, MARGIN);
	r->page.indent = 2 * MARGIN;
	page_format(&r->page, PAGE_PLAIN, "%zu change%s", count, count == 1 ? "" : "s");
	page_format(&r->page, PAGE_PLAIN, "by %s%s", rule, reason[0] ? ":" : "");
	page_words(&r->page, PAGE_PLAIN, reason);
	page_end(&r->page);
}

/* A rule that fits more than it says hides nothing: who wrote it has to know. */
static void put_overruns(struct report *r)
{
	const json_t *rules = json_object_get(r->diff, "suppressed");

	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *rule = json_array_get(rules, i);

		if (json_is_true(json_object_get(rule, "applied")) || !json_is_integer(json_object_get(rule, "at_most")))
			continue;
		put_gap(r);
		page_line(&r->page, 0);
		r->page.indent = MARGIN;
		page_words(&r->page, PAGE_CHANGED, "suppression rule");
		page_word(&r->page, PAGE_CHANGED, member_text(rule, "rule"));
		page_words(&r->page, PAGE_PLAIN, "is not applied:");
		page_format(&r->page, PAGE_PLAIN, "it says at most %" JSON_INTEGER_FORMAT ", and %" JSON_INTEGER_FORMAT " fit",
			    json_integer_value(json_object_get(rule, "at_most")), json_integer_value(json_object_get(rule, "changes")));
		page_end(&r->page);
	}
}

static int put_suppressed(struct report *r)
{
	const char *rules[RULES_MAX];
	size_t count = 0;

	put_overruns(r);
	for (size_t i = 0; i < json_array_size(r->blames.suppressed); i++) {
		const char *rule = member_text(json_array_get(r->blames.suppressed, i), "suppressed_by");
		size_t known = 0;

		while (known < count && strcmp(rules[known], rule) != 0)
			known++;
		if (known < count || count == RULES_MAX)
			continue;
		if (count == 0)
			put_gap(r);
		if (count == 0)
			buffer_printf(r->page.out, "suppressed, so not counted%s:\n", r->more ? "" : " (-v lists them)");
		rules[count++] = rule;
		put_rule(r, rule);
	}
	return r->more ? rows_put(&r->page, r->blames.suppressed, SEVERITY_NONE) : 0;
}

/* ---- what moved */

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

static bool differs(const struct report *r, const char *factor)
{
	const json_t *context = json_object_get(r->diff, "context");

	for (size_t i = 0; i < json_array_size(context); i++)
		if (strcmp(member_text(json_array_get(context, i), "factor"), factor) == 0)
			return true;
	return false;
}

/* A parameter that only one of two kernels has was set by nobody (attribute.c knows that too). */
static const char *came_along(const struct report *r, const json_t *f)
{
	if (strncmp(member_text(f, "factor"), "kvm.", 4) != 0 || !differs(r, "kernel"))
		return NULL;
	return !member_is_text(f, "from") ? "(came with the kernel)" : !member_is_text(f, "to") ? "(went with the kernel)" : NULL;
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
		if (came_along(r, f))
			page_words(p, PAGE_FAINT, came_along(r, f));
		page_end(p);
		return;
	}
	page_word(p, PAGE_PLAIN, factor);
	page_end(p);
	put_elements(p, from, to, "-", PAGE_LOST);
	put_elements(p, to, from, "+", PAGE_GAINED);
}

/* Is it told in a heading? */
static bool is_blamed(const struct report *r, const char *factor)
{
	for (size_t i = 0; i < r->blames.count; i++)
		if (words_follows(&r->blames.items[i], factor))
			return true;
	for (size_t i = 0; i < r->blames.count; i++)
		for (size_t j = 0; j < r->blames.items[i].cause_count; j++)
			if (strcmp(r->blames.items[i].causes[j].factor, factor) == 0)
				return true;
	return false;
}

static void put_context(struct report *r)
{
	const json_t *context = json_object_get(r->diff, "context");
	size_t width = 0, count = 0;
	bool any = false;

	for (size_t i = 0; i < json_array_size(context); i++) {
		const char *factor = member_text(json_array_get(context, i), "factor");
		size_t length = page_width(factor);

		if (is_blamed(r, factor)) {
			any = true;
			continue;
		}
		count++;
		if (length > width && length <= FACTOR_MAX)
			width = length;
	}
	if (count == 0)
		return;
	put_gap(r);
	buffer_string(r->page.out, any ? "also changed on the host side:\n" : "changed on the host side:\n");
	for (size_t i = 0; i < json_array_size(context); i++)
		if (!is_blamed(r, member_text(json_array_get(context, i), "factor")))
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
	put_gap(r);
	buffer_string(r->page.out, "unknown, so not compared:\n");
	for (size_t i = 0; i < count; i++)
		put_reason(r, &reasons[i], width);
}

/* ---- what will differ */

static void put_next_boot(struct report *r)
{
	const json_t *reasons = json_object_get(r->diff, "next_boot");

	if (!json_array_size(reasons))
		return;
	put_gap(r);
	buffer_string(r->page.out, "at its next boot:\n");
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		page_line(&r->page, MARGIN);
		r->page.indent = 2 * MARGIN;
		page_words(&r->page, PAGE_PLAIN, member_text(json_array_get(reasons, i), "reason"));
		page_end(&r->page);
	}
}

/* ---- the result */

static const char *const kinds[] = { "changed", "lost", "gained" };

/* "15 changes (1 changed, 7 lost, 7 gained)", of `member` one of these values; nothing where `all` are alike. */
static void put_parts(const struct report *r, const char *member, const char *const *values, size_t count, size_t all, struct buffer *out)
{
	size_t parts = 0;

	for (size_t i = 0; i < count; i++) {
		size_t found = 0;

		for (size_t j = 0; j < r->blames.count; j++)
			for (size_t k = 0; k < json_array_size(r->blames.items[j].changes); k++)
				found += strcmp(member_text(json_array_get(r->blames.items[j].changes, k), member), values[i]) == 0;
		if (found && found == all)
			return;
		if (found)
			buffer_printf(out, "%s%zu %s", parts++ ? ", " : " (", found, values[i]);
	}
	buffer_string(out, parts ? ")" : "");
}

static void put_counts(const struct report *r, struct buffer *out)
{
	const char *const verdicts[] = { verdict_name(VERDICT_VIOLATION), verdict_name(VERDICT_UNEXPLAINED), verdict_name(VERDICT_EXEMPT),
					 verdict_name(VERDICT_INTENDED) };
	size_t count = 0;

	for (size_t i = 0; i < r->blames.count; i++)
		count += json_array_size(r->blames.items[i].changes);
	if (count == 0) {
		buffer_string(out, ": no change");
		return;
	}
	buffer_printf(out, ": %zu change%s", count, count == 1 ? "" : "s");
	if (r->blames.verdict == VERDICT_NONE)
		put_parts(r, "change", kinds, sizeof(kinds) / sizeof(kinds[0]), 0, out);
	else
		put_parts(r, "verdict", verdicts, sizeof(verdicts) / sizeof(verdicts[0]), count, out);
}

static void put_result(struct report *r)
{
	const json_t *changes = json_object_get(r->diff, "changes");
	const char *result = member_text(r->diff, "result");
	size_t unknown = json_array_size(json_object_get(r->diff, "unknown")), suppressed = json_array_size(r->blames.suppressed);
	size_t moved = json_array_size(json_object_get(r->diff, "moved"));
	struct buffer rest = BUFFER_INIT;

	for (size_t i = 0; i < json_array_size(changes); i++)
		moved += json_array_size(json_object_get(json_array_get(changes, i), "moved"));
	page_line(&r->page, 0);
	page_word(&r->page, strcmp(result, "same") == 0 ? PAGE_GAINED : strcmp(result, "drift") == 0 ? PAGE_LOST : PAGE_CHANGED, result);
	if (r->blames.verdict != VERDICT_NONE)
		buffer_printf(&rest, ", %s, %s", verdict_name(r->blames.verdict), severity_name(r->blames.severity));
	put_counts(r, &rest);
	if (moved)
		buffer_printf(&rest, ", %zu moved", moved);
	if (suppressed)
		buffer_printf(&rest, ", %zu suppressed", suppressed);
	if (unknown)
		buffer_printf(&rest, ", %zu unknown", unknown);
	r->page.out->failed |= buffer_failed(&rest);
	r->page.indent = MARGIN;
	r->page.glue = true;
	page_words(&r->page, PAGE_PLAIN, rest.data ? rest.data : "");
	page_end(&r->page);
	buffer_release(&rest);
}

/* ---- what to do */

/* Only what can be typed as it stands there: each command is one word to the page. */
static void put_advice(struct report *r)
{
	const json_t *accept = json_object_get(r->diff, "accept");

	if (!member_is_text(accept, "guest"))
		return;
	put_gap(r);
	page_line(&r->page, 0);
	r->page.indent = MARGIN;
	page_words(&r->page, PAGE_FAINT, "to make what is now the baseline:");
	page_word(&r->page, PAGE_PLAIN, member_text(accept, "guest"));
	if (member_is_text(accept, "change_set")) {
		page_end(&r->page);
		page_line(&r->page, 0);
		page_words(&r->page, PAGE_FAINT, "for all guests with these changes:");
		page_word(&r->page, PAGE_PLAIN, member_text(accept, "change_set"));
	}
	page_end(&r->page);
}

void drift_text(const json_t *diff, const struct drift_text_options *options, struct buffer *out)
{
	json_t *changes = group_order(json_object_get(diff, "changes"));
	struct report r = { .page = { .out = out, .color = options->color }, .diff = diff, .changes = changes, .more = options->more };

	if (!changes || blames_part(changes, &r.blames) < 0) {
		out->failed = true;
		json_decref(changes);
		return;
	}
	put_sides(&r);
	put_result(&r);
	if (put_changes(&r) < 0 || put_suppressed(&r) < 0)
		out->failed = true;
	put_moved(&r);
	put_context(&r);
	put_unknown(&r);
	put_next_boot(&r);
	if (options->advice)
		put_advice(&r);
	blames_release(&r.blames);
	json_decref(changes);
}
