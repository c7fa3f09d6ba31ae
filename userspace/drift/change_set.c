/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/change_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/drift/blame.h"
#include "userspace/drift/group.h"
#include "userspace/drift/view.h"
#include "userspace/drift/words.h"
#include "userspace/fingerprint/fingerprint.h"

#define HEADLINE_COLUMNS 160

/* Factors that are the same for all guests of a host, so that their values tell one upgrade from the next. */
#define HOST_SIDE "vmm.*|kernel*|kvm.*|host_cpu*|microcode|firmware.*"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool change_counts(const json_t *change)
{
	const json_t *rule = json_object_get(change, "suppressed_by");

	return !rule || json_is_null(rule);
}

size_t changes_count(const json_t *changes)
{
	size_t i, count = 0;
	json_t *change;

	json_array_foreach(changes, i, change)
		count += change_counts(change);
	return count;
}

enum severity changes_severity(const json_t *changes)
{
	enum severity top = SEVERITY_NONE, one;
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
		if (change_counts(change) && severity_parse(text_of(change, "severity"), &one) == 0 && one > top)
			top = one;
	return top;
}

enum verdict changes_verdict(const json_t *changes)
{
	enum verdict worst = VERDICT_NONE, one;
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
		if (change_counts(change) && (one = verdict_parse(text_of(change, "verdict"))) > worst)
			worst = one;
	return worst;
}

/* ---- the id */

struct lines {
	char **items;
	size_t count;
};

/* Takes the array. Written as JSON, so that no value can pass for two. */
static int line_add(struct lines *l, json_t *line)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	char **grown = text ? reallocarray(l->items, l->count + 1, sizeof(*grown)) : NULL;

	json_decref(line);
	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	l->items = grown;
	grown[l->count++] = text;
	return 0;
}

static json_t *member_or_null(const json_t *object, const char *key, bool wanted)
{
	json_t *value = wanted ? json_object_get(object, key) : NULL;

	return value ? json_incref(value) : json_null();
}

static json_t *change_line(const json_t *change)
{
	bool values = strcmp(text_of(change, "facet"), facet_get(FACET_IDENTITY)->name) != 0;

	return json_pack("[s, o, o, o, o, o, o, o]", "change", member_or_null(change, "facet", true), member_or_null(change, "key", true),
			 member_or_null(change, "change", true), member_or_null(change, "from", values), member_or_null(change, "to", values),
			 member_or_null(change, "verdict", true), member_or_null(change, "running", true));
}

static json_t *cause_line(const json_t *cause)
{
	bool values = glob_match(HOST_SIDE, text_of(cause, "factor"));

	return json_pack("[s, o, o, o]", "cause", member_or_null(cause, "factor", true), member_or_null(cause, "from", values),
			 member_or_null(cause, "to", values));
}

static int lines_of(const json_t *changes, struct lines *l)
{
	size_t i, j;
	json_t *change, *cause;
	int r = 0;

	json_array_foreach(changes, i, change) {
		if (!change_counts(change))
			continue;
		r = line_add(l, change_line(change));
		json_array_foreach(json_object_get(change, "cause"), j, cause)
			if (r >= 0)
				r = line_add(l, cause_line(cause));
		if (r < 0)
			return r;
	}
	return 0;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each line once: many changes have one cause. */
static int lines_digest(struct lines *l, struct digest *ret)
{
	struct buffer all = BUFFER_INIT;
	int r = 0;

	qsort(l->items, l->count, sizeof(*l->items), line_compare);
	for (size_t i = 0; i < l->count; i++) {
		if (i && strcmp(l->items[i], l->items[i - 1]) == 0)
			continue;
		buffer_string(&all, l->items[i]);
		buffer_string(&all, "\n");
	}
	if (buffer_failed(&all))
		r = -ENOMEM;
	else
		digest_bytes(all.data, all.size, ret);
	buffer_release(&all);
	return r;
}

int change_set_id(const json_t *diff, char ret[CHANGE_SET_DIGITS + 1])
{
	struct lines l = { 0 };
	struct digest digest = { "" };
	int r = lines_of(json_object_get(diff, "changes"), &l);

	if (r >= 0 && l.count)
		r = lines_digest(&l, &digest);
	for (size_t i = 0; i < l.count; i++)
		free(l.items[i]);
	free(l.items);
	if (r < 0)
		return r;
	ret[0] = '\0';
	if (digest.text[0]) {
		memcpy(ret, digest.text + strlen("sha256:"), CHANGE_SET_DIGITS);
		ret[CHANGE_SET_DIGITS] = '\0';
	}
	return 0;
}

int changes_mark(json_t *diff)
{
	const json_t *changes = json_object_get(diff, "changes");
	const char *verdict = verdict_name(changes_verdict(changes));

	if (json_object_set_new(diff, "verdict", verdict ? json_string(verdict) : json_null()) < 0 ||
	    json_object_set_new(diff, "severity", json_string(severity_name(changes_severity(changes)))) < 0)
		return -ENOMEM;
	return 0;
}

int change_set_mark(json_t *diff)
{
	char id[CHANGE_SET_DIGITS + 1];
	int r = change_set_id(diff, id);

	if (r < 0)
		return r;
	if (json_object_set_new(diff, "change_set", id[0] ? json_string(id) : json_null()) < 0)
		return -ENOMEM;
	return changes_mark(diff);
}

bool change_set_prefix_valid(const char *text)
{
	size_t digits = strspn(text, "0123456789abcdef");

	return digits >= CHANGE_SET_DIGITS_MIN && digits <= CHANGE_SET_DIGITS && !text[digits];
}

/* Verdict and severity have members of their own: what a summary begins with is left out. */
static const char *after_head(const char *summary, const char *verdict, const char *severity)
{
	struct buffer head = BUFFER_INIT;

	buffer_printf(&head, "drift, %s%s%s. ", verdict ? verdict : "", verdict ? ", " : "", severity);
	if (!buffer_failed(&head) && !strncmp(summary, head.data, head.size))
		summary += head.size;
	buffer_release(&head);
	return summary;
}

json_t *change_set_json(const json_t *diff, const char *id, size_t columns)
{
	const json_t *changes = json_object_get(diff, "changes");
	const char *verdict = verdict_name(changes_verdict(changes)), *severity = severity_name(changes_severity(changes));
	struct buffer summary = BUFFER_INIT;
	json_t *set = NULL;

	drift_summary(diff, columns, &summary);
	if (!buffer_failed(&summary))
		set = json_pack("{s:s, s:I, s:s?, s:s, s:s}", "id", id, "changes", (json_int_t)changes_count(changes), "verdict", verdict, "severity",
				severity, "summary", after_head(summary.size ? summary.data : "", verdict, severity));
	buffer_release(&summary);
	return set;
}

/* ---- over how many guests, and since when */

static bool caused(const struct blame *b) { return b->factor[0] && b->cause_count; }

/* The first that has a cause, and how many changes have none; *ret_causes: how many factors there are. */
static const struct blame *lead_of(const struct blames *b, size_t *ret_causes, size_t *ret_uncaused)
{
	const struct blame *lead = NULL;

	*ret_causes = *ret_uncaused = 0;
	for (size_t i = 0; i < b->count; i++) {
		bool again = false;

		if (!caused(&b->items[i])) {
			*ret_uncaused += json_array_size(b->items[i].changes);
			continue;
		}
		for (size_t k = 0; k < i; k++)
			again = again || strcmp(b->items[k].factor, b->items[i].factor) == 0;
		*ret_causes += !again;
		if (!lead)
			lead = &b->items[i];
	}
	return lead;
}

/* What has no known cause is never told as if it had that of the others. */
static void put_since(const json_t *diff, const struct blames *b, struct buffer *out)
{
	size_t causes, uncaused;
	const struct blame *lead = lead_of(b, &causes, &uncaused);

	if (!lead) {
		buffer_string(out, ", with no known cause");
		return;
	}
	if (uncaused)
		buffer_printf(out, ", %zu with no known cause, the other%s", uncaused, changes_count(json_object_get(diff, "changes")) - uncaused == 1 ? "" : "s");
	else
		buffer_string(out, ",");
	buffer_string(out, " since ");
	words_since(diff, lead, WORDS_PLENTY, out);
	if (causes > 1)
		buffer_printf(out, ", and %zu more cause%s", causes - 1, causes == 2 ? "" : "s");
}

json_t *change_set_headline(const json_t *diff, size_t guests)
{
	json_t *changes = json_object_get(diff, "changes"), *ret = NULL;
	size_t count = changes_count(changes);
	struct blames blames = BLAMES_INIT;
	struct buffer line = BUFFER_INIT, text = BUFFER_INIT;

	buffer_printf(&line, "%zu guest%s, ", guests, guests == 1 ? "" : "s");
	if (guests == 1)
		buffer_printf(&line, "%zu change%s", count, count == 1 ? "" : "s");
	else if (count == 1)
		buffer_string(&line, "the same change");
	else
		buffer_printf(&line, "the same %zu changes", count);
	if (blames_part(changes, &blames) >= 0) {
		if (blames.count)
			put_since(diff, &blames, &line);
		words_bound(line.data ? line.data : "", HEADLINE_COLUMNS, &text);
		if (!buffer_failed(&line) && !buffer_failed(&text))
			ret = json_string(text.data);
	}
	blames_release(&blames);
	buffer_release(&line);
	buffer_release(&text);
	return ret;
}

static json_t *cause_json(const struct blame_cause *cause)
{
	return json_pack("{s:s, s:s?, s:s?}", "factor", cause->factor, "from", cause->from, "to", cause->to);
}

static bool cause_known(const json_t *list, const json_t *cause)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), cause))
			return true;
	return false;
}

json_t *change_set_causes(const json_t *diff)
{
	struct blames blames = BLAMES_INIT;
	json_t *ret = json_array();
	int err = ret ? blames_part(json_object_get(diff, "changes"), &blames) : -ENOMEM;

	for (size_t i = 0; err >= 0 && i < blames.count; i++) {
		const struct blame *b = &blames.items[i];

		for (size_t k = 0; err >= 0 && k < b->cause_count && json_array_size(ret) < CHANGE_SET_CAUSES_MAX; k++) {
			json_t *one = b->causes[k].best ? cause_json(&b->causes[k]) : NULL;

			if (b->causes[k].best && (!one || (!cause_known(ret, one) && json_array_append(ret, one) < 0)))
				err = -ENOMEM;
			json_decref(one);
		}
	}
	blames_release(&blames);
	if (err >= 0)
		return ret;
	json_decref(ret);
	return NULL;
}
