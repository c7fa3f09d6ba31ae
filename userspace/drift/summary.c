/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/view.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/blame.h"
#include "userspace/drift/group.h"
#include "userspace/drift/items.h"
#include "userspace/drift/page.h"
#include "userspace/drift/words.h"

#define MORE_COLUMNS 24 /* " And 12345 more changes." fits here */
#define NAMED_COLUMNS 200 /* more says of causes what has to be said of changes */
#define VALUE_COLUMNS WORDS_PLENTY
#define VALUE_COLUMNS_NARROW 24
#define REASON_COLUMNS 64
/* A shorter line has no room to say what it means beside what it is. */
#define IMPACT_WIDTH_MIN 140
#define IMPACTS_SHOWN 2
#define BLAME_COLUMNS_MIN 48 /* less says nothing of another cause */
#define BLAMES_SPARED 2      /* for so many the ones before leave room */

struct line {
	const json_t *diff;
	struct buffer *out;
	size_t width;
};

static size_t columns(const struct buffer *b) { return b->data ? page_width(b->data) : 0; }

static void put(struct buffer *out, const char *text) { text_terminal(out, text, strlen(text)); }

/* ---- what changed, within so many columns */

/* "ACPI: FADT revision 1 → 3, …; CPUID: …": whole items as long as they and the count of the rest fit. */
static void put_items(const struct items *items, size_t end, struct buffer *out)
{
	const char *facet = NULL;
	size_t i, left = items->left_out;

	for (i = 0; i < items->count; i++) {
		const struct item *item = &items->list[i];
		bool same = facet && strcmp(facet, item->facet) == 0, last = i + 1 == items->count && !items->left_out, fits;
		struct buffer next = BUFFER_INIT;

		buffer_string(&next, !facet ? "" : same ? ", " : "; ");
		if (!same) {
			put(&next, words_facet(item->facet));
			buffer_string(&next, ": ");
		}
		item_put(item, &next);
		out->failed |= buffer_failed(&next);
		fits = columns(out) + columns(&next) + (last ? 1 : MORE_COLUMNS) <= end;
		/* The first one is shown in any case: it is cut rather than missing. */
		if (fits || i == 0)
			buffer_append(out, next.data, next.size);
		buffer_release(&next);
		if (!fits && i > 0)
			break;
		facet = item->facet;
	}
	for (; i < items->count; i++)
		left += items->list[i].count;
	if (left)
		buffer_printf(out, " \xe2\x80\xa6 and %zu more", left);
}

/* ---- a sentence for each cause */

static void put_capital(struct buffer *out, const char *text)
{
	char first[2] = { text[0] >= 'a' && text[0] <= 'z' ? (char)(text[0] - 'a' + 'A') : text[0] };

	buffer_string(out, first);
	buffer_string(out, text[0] ? text + 1 : "");
}

static void put_blame(const struct line *l, const struct blame *b, enum verdict told)
{
	if (b->verdict == VERDICT_NONE)
		return;
	if (b->verdict != told) {
		put_capital(l->out, verdict_name(b->verdict));
		buffer_string(l->out, b->running ? " while it ran: " : ": ");
	} else if (b->running) {
		buffer_string(l->out, "While it ran, ");
	}
	if (!b->factor[0]) {
		if (b->verdict == told)
			buffer_string(l->out, b->running ? "no known cause for " : "No known cause for ");
		return;
	}
	words_blame(l->diff, b, l->width < IMPACT_WIDTH_MIN ? VALUE_COLUMNS_NARROW : VALUE_COLUMNS, l->out);
	if (b->reason[0] && l->width >= IMPACT_WIDTH_MIN) {
		buffer_string(l->out, " (");
		words_cut(b->reason, REASON_COLUMNS, l->out);
		buffer_string(l->out, ")");
	}
	buffer_string(l->out, " changed ");
}

/* False: there is no room for it, and it is not the first. cut: the first is cut too, for what has to follow. */
static bool put_sentence(const struct line *l, const struct blame *b, enum verdict told, bool first, bool cut, size_t width)
{
	struct buffer text = BUFFER_INIT;
	struct line sentence = { .diff = l->diff, .out = &text, .width = l->width };
	struct items items;
	bool fits;

	buffer_string(&text, " ");
	put_blame(&sentence, b, told);
	items_make(b->changes, &items);
	put_items(&items, width, &text);
	buffer_string(&text, ".");
	items_release(&items);
	fits = first || columns(&text) <= width;
	if (cut && columns(&text) > width && width >= BLAME_COLUMNS_MIN)
		words_bound(text.data, width - 1, l->out);
	else if (fits)
		buffer_append(l->out, text.data, text.size);
	l->out->failed |= buffer_failed(&text);
	buffer_release(&text);
	return fits;
}

/* "QEMU 7.2.22 → 10.0.13 under q35 (23 exempt)". */
static void put_name(const struct line *l, const struct blame *b, struct buffer *out)
{
	if (b->factor[0])
		words_blame(l->diff, b, VALUE_COLUMNS, out);
	else
		buffer_string(out, "no known cause");
	buffer_printf(out, " (%zu %s)", json_array_size(b->changes), verdict_name(b->verdict));
}

/*
 * The causes from this one on, which have no sentence: " And 23 more changes: QEMU 7.2.22 → 10.0.13 under q35 (23 exempt)." On a short
 * line, and of causes that nobody judged, only how many changes.
 */
static void put_rest(const struct line *l, const struct blames *b, size_t begin, struct buffer *out)
{
	size_t left = 0, start = columns(out), named = begin;

	for (size_t i = begin; i < b->count; i++)
		left += json_array_size(b->items[i].changes);
	if (!left)
		return;
	buffer_printf(out, " And %zu more change%s", left, left == 1 ? "" : "s");
	for (size_t i = begin; i < b->count && l->width >= IMPACT_WIDTH_MIN && b->items[i].verdict != VERDICT_NONE; i++) {
		struct buffer name = BUFFER_INIT;
		bool fits;

		put_name(l, &b->items[i], &name);
		fits = columns(out) - start + columns(&name) <= (l->width < 2 * NAMED_COLUMNS ? l->width / 3 : NAMED_COLUMNS);
		if (fits) {
			buffer_string(out, named == begin ? ": " : "; ");
			buffer_append(out, name.data, name.size);
			named++;
		}
		out->failed |= buffer_failed(&name);
		buffer_release(&name);
		if (!fits)
			break;
	}
	if (named > begin && named < b->count)
		buffer_string(out, "; \xe2\x80\xa6");
	buffer_string(out, ".");
}

/* What put_rest takes. */
static size_t rest_columns(const struct line *l, const struct blames *b, size_t begin)
{
	struct buffer rest = BUFFER_INIT;
	size_t count;

	put_rest(l, b, begin, &rest);
	count = columns(&rest);
	l->out->failed |= buffer_failed(&rest);
	buffer_release(&rest);
	return count;
}

/*
 * As many causes as there is room for, worst first. Each leaves some to those after it: who reads that firmware changed two things has to
 * read too that the other twenty are another QEMU's.
 */
static void put_sentences(const struct line *l, const struct blames *b, size_t end)
{
	size_t i;

	for (i = 0; i < b->count; i++) {
		size_t used = columns(l->out) + rest_columns(l, b, i + 1), room = end > used ? end - used : 0;
		size_t others = b->count - i - 1 < BLAMES_SPARED ? b->count - i - 1 : BLAMES_SPARED;

		if (room > 2 * others * BLAME_COLUMNS_MIN)
			room -= others * BLAME_COLUMNS_MIN;
		if (!put_sentence(l, &b->items[i], b->verdict, i == 0, i == 0 && b->count > 1, room))
			break;
	}
	put_rest(l, b, i, l->out);
}

/* ---- what it means */

static bool said(const char *const *sentences, size_t count, const char *sentence)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(sentences[i], sentence) == 0)
			return true;
	return false;
}

/* The worst sentences. Blames are in that order, and within each their impacts. */
static size_t impacts_of(const struct blames *b, const char *ret[IMPACTS_SHOWN])
{
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++)
		for (size_t j = 0; j < b->items[i].impact_count && count < IMPACTS_SHOWN; j++)
			if (!said(ret, count, b->items[i].impacts[j].sentence))
				ret[count++] = b->items[i].impacts[j].sentence;
	return count;
}

static void put_drift(struct line *l, const struct blames *b)
{
	const char *impacts[IMPACTS_SHOWN] = { NULL };
	size_t count = l->width < IMPACT_WIDTH_MIN ? 0 : impacts_of(b, impacts);
	struct buffer impact = BUFFER_INIT;

	if (b->verdict)
		buffer_printf(l->out, ", %s, %s", verdict_name(b->verdict), severity_name(b->severity));
	buffer_string(l->out, ".");
	if (count) {
		buffer_string(&impact, " Impact: ");
		words_cut(impacts[0], l->width / 3, &impact);
	}
	put_sentences(l, b, l->width - columns(&impact));
	buffer_append(l->out, impact.data, impact.size);
	/* Where the changes left room. */
	for (size_t i = 1; i < count && columns(l->out) + 1 + page_width(impacts[i]) <= l->width; i++) {
		buffer_string(l->out, " ");
		put(l->out, impacts[i]);
	}
	l->out->failed |= buffer_failed(&impact);
	buffer_release(&impact);
}

/* ---- no drift */

static void put_unknown(const struct line *l, const json_t *unknown)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(unknown) && columns(l->out) <= l->width; i++) {
		const json_t *u = json_array_get(unknown, i);

		if (member_is_text(u, "key"))
			continue;
		buffer_string(l->out, count++ ? "; " : ": ");
		put(l->out, words_facet(member_text(u, "facet")));
		buffer_string(l->out, member_text(u, "facet")[0] ? " " : "");
		put(l->out, member_text(u, "reason"));
	}
}

void drift_summary(const json_t *diff, size_t width, struct buffer *out)
{
	json_t *changes = group_order(json_object_get(diff, "changes"));
	const char *result = member_text(diff, "result");
	struct blames blames = BLAMES_INIT;
	struct buffer text = BUFFER_INIT;
	struct line l = { .diff = diff, .out = &text, .width = width };

	if (!changes || blames_part(changes, &blames) < 0) {
		out->failed = true;
		json_decref(changes);
		return;
	}
	put(&text, result);
	if (blames.count && strcmp(result, drift_result_name(DRIFT_SAME)) != 0)
		put_drift(&l, &blames);
	else if (strcmp(result, drift_result_name(DRIFT_UNKNOWN)) == 0)
		put_unknown(&l, json_object_get(diff, "unknown"));
	if (buffer_failed(&text))
		out->failed = true;
	else
		words_bound(text.size ? text.data : "", width, out);
	buffer_release(&text);
	blames_release(&blames);
	json_decref(changes);
}
