/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/blame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/drift/group.h"
#include "userspace/drift/list.h"

#define FIRMWARE_FACTORS "firmware."

void blames_release(struct blames *b)
{
	for (size_t i = 0; i < b->count; i++)
		json_decref(b->items[i].changes);
	free(b->items);
	json_decref(b->suppressed);
	*b = (struct blames)BLAMES_INIT;
}

/* One file's firmware is another name in the next version: all of them are one to blame. */
static const char *blamed(const json_t *change)
{
	const char *factor = member_text(json_array_get(json_object_get(change, "cause"), 0), "factor");

	return strncmp(factor, FIRMWARE_FACTORS, strlen(FIRMWARE_FACTORS)) == 0 ? FIRMWARE_FACTORS : factor;
}

static bool same_factor(const char *blame, const char *factor)
{
	if (strcmp(blame, FIRMWARE_FACTORS) == 0)
		return strncmp(factor, FIRMWARE_FACTORS, strlen(FIRMWARE_FACTORS)) == 0;
	return strcmp(blame, factor) == 0;
}

static struct blame *blame_of(struct blames *b, const json_t *change)
{
	struct blame one = {
		.verdict = verdict_parse(member_text(change, "verdict")),
		.factor = blamed(change),
		.reason = member_text(change, "reason"),
		.running = json_is_true(json_object_get(change, "running")),
		.firmware = json_is_true(json_object_get(change, "firmware")),
	};
	struct blame *list;

	for (size_t i = 0; i < b->count; i++) {
		struct blame *known = &b->items[i];

		if (known->verdict == one.verdict && known->running == one.running && known->firmware == one.firmware &&
		    strcmp(known->factor, one.factor) == 0 && strcmp(known->reason, one.reason) == 0)
			return known;
	}
	list = list_room(b->items, b->count, sizeof(*list));
	if (!list)
		return NULL;
	b->items = list;
	one.changes = json_array();
	if (!one.changes)
		return NULL;
	list[b->count] = one;
	return &list[b->count++];
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static void add_cause(struct blame *b, const json_t *cause)
{
	struct blame_cause one = {
		.factor = member_text(cause, "factor"),
		.from = json_string_value(json_object_get(cause, "from")),
		.to = json_string_value(json_object_get(cause, "to")),
	};

	one.best = same_factor(b->factor, one.factor);
	for (size_t i = 0; i < b->cause_count; i++)
		if (strcmp(b->causes[i].factor, one.factor) == 0 && same_text(b->causes[i].from, one.from) && same_text(b->causes[i].to, one.to))
			return;
	if (b->cause_count == BLAME_CAUSES_MAX)
		b->causes_left_out++;
	else
		b->causes[b->cause_count++] = one;
}

static void add_why(struct blame *b, const char *why)
{
	for (size_t i = 0; i < b->why_count; i++)
		if (strcmp(b->whys[i], why) == 0)
			return;
	if (why[0] && b->why_count < BLAME_WHYS_MAX)
		b->whys[b->why_count++] = why;
}

static void add_causes(struct blame *b, const json_t *causes)
{
	for (size_t i = 0; i < json_array_size(causes) && i < BLAME_CAUSES_MAX; i++) {
		const json_t *cause = json_array_get(causes, i);

		add_cause(b, cause);
		if (same_factor(b->factor, member_text(cause, "factor")))
			add_why(b, member_text(cause, "why"));
	}
}

static void add_impact(struct blame *b, const char *sentence, enum severity severity)
{
	size_t place;

	if (!sentence[0])
		return;
	for (place = 0; place < b->impact_count && strcmp(b->impacts[place].sentence, sentence) != 0;)
		place++;
	if (place == BLAME_IMPACTS_MAX) {
		if (severity <= b->impacts[--place].severity)
			return;
	} else if (place < b->impact_count) {
		severity = severity > b->impacts[place].severity ? severity : b->impacts[place].severity;
	} else {
		b->impact_count++;
	}
	/* Up, until those before it are as bad. */
	for (; place > 0 && b->impacts[place - 1].severity < severity; place--)
		b->impacts[place] = b->impacts[place - 1];
	b->impacts[place] = (struct blame_impact){ .sentence = sentence, .severity = severity };
}

static enum severity severity_of(const json_t *change)
{
	enum severity severity;

	return severity_parse(member_text(change, "severity"), &severity) < 0 ? SEVERITY_NONE : severity;
}

static int add_change(struct blames *b, json_t *change)
{
	enum severity severity = severity_of(change);
	struct blame *blame;

	if (member_is_text(change, "suppressed_by"))
		return json_array_append(b->suppressed, change) < 0 ? -ENOMEM : 0;
	blame = blame_of(b, change);
	if (!blame || json_array_append(blame->changes, change) < 0)
		return -ENOMEM;
	if (severity > blame->severity)
		blame->severity = severity;
	if (severity > b->severity)
		b->severity = severity;
	if (blame->verdict > b->verdict)
		b->verdict = blame->verdict;
	add_causes(blame, json_object_get(change, "cause"));
	add_impact(blame, member_text(change, "impact"), severity);
	return 0;
}

static int blame_compare(const void *va, const void *vb)
{
	const struct blame *a = va, *b = vb;

	if (a->severity != b->severity)
		return a->severity < b->severity ? 1 : -1;
	if (a->verdict != b->verdict)
		return a->verdict < b->verdict ? 1 : -1;
	if (a->running != b->running)
		return a->running ? -1 : 1;
	return strcmp(a->factor, b->factor) ? strcmp(a->factor, b->factor) : strcmp(a->reason, b->reason);
}

int blames_part(const json_t *changes, struct blames *ret)
{
	struct blames b = { .suppressed = json_array() };
	int r = b.suppressed ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < json_array_size(changes); i++)
		if (json_is_object(json_array_get(changes, i)))
			r = add_change(&b, json_array_get(changes, i));
	if (r < 0) {
		blames_release(&b);
		return r;
	}
	if (b.count)
		qsort(b.items, b.count, sizeof(*b.items), blame_compare);
	*ret = b;
	return 0;
}
