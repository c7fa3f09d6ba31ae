/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/judge.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/observe.h"
#include "userspace/abi/facts.h"
#include "userspace/alert.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/blind.h"
#include "userspace/drift/carry.h"
#include "userspace/drift/change_set.h"
#include "userspace/drift/listed.h"
#include "userspace/drift/suppress.h"
#include "userspace/drift/verdict.h"
#include "userspace/drift/view.h"
#include "userspace/lives.h"
#include "userspace/maintenance.h"
#include "userspace/store/revision.h"

#define ALL_FACETS ((1u << FACETS) - 1)
#define SUMMARY_COLUMNS 480

/* Of a digest in history: "sha256:" and so many digits as `ls` shows. */
#define DIGEST_SHOWN 19

/* One side of a comparison as the store has it. */
struct side {
	struct store_revision revision;
	struct abi_entries entries;
	struct context context;
};

static void side_release(struct side *side)
{
	store_revision_release(&side->revision);
	entries_release(&side->entries);
	context_release(&side->context);
	*side = (struct side){ 0 };
}

static int store_failed(struct store *s, int err, struct error *e)
{
	return error_set(e, -err, "%s", store_error(s));
}

/* -ENOENT: there is no such revision. */
static int side_load(struct store *s, int64_t guest, uint32_t revision, struct side *ret, struct error *e)
{
	struct side side = { 0 };
	int err = store_revision_get(s, guest, revision, &side.revision);

	if (err == -ENOENT)
		return err;
	if (err < 0)
		return store_failed(s, err, e);
	err = store_revision_entries(&side.revision, &side.entries, e);
	if (err >= 0)
		err = store_revision_context(&side.revision, &side.context);
	if (err < 0) {
		side_release(&side);
		return err;
	}
	*ret = side;
	return 0;
}

/* An anonymous guest has no past: what another life under the same name left is not its own. */
static bool of_this_life(const struct store_guest *guest, const struct store_instance *instance, int64_t at)
{
	return !guest->anonymous || !instance || at >= instance->began_at;
}

static int baseline_revision(struct store *s, const struct store_guest *guest, const struct store_instance *instance, uint32_t *ret, struct error *e)
{
	struct store_baseline baseline = { 0 };
	int err = store_baseline_get(s, guest->row, &baseline);

	*ret = 0;
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return store_failed(s, err, e);
	if (of_this_life(guest, instance, baseline.at))
		*ret = baseline.revision;
	store_baseline_release(&baseline);
	return 0;
}

/* Makes *side what `known` has grown to: text, facts and coverage. Its number and place stay. */
static int revision_save(struct store *s, struct side *side, const struct guest_facts *now, struct error *e)
{
	struct buffer text = BUFFER_INIT, facts = BUFFER_INIT;
	struct guest_facts *merged = NULL;
	int err = fingerprint_write(&side->entries, &text);

	if (err >= 0 && now) {
		err = facts_parse(side->revision.facts, side->revision.facts_size, &merged, e);
		if (err >= 0)
			err = facts_merge(merged, now);
		if (err >= 0)
			err = facts_serialize(merged, &facts);
		facts_free(merged);
	}
	if (err >= 0 && (buffer_failed(&text) || buffer_failed(&facts)))
		err = -ENOMEM;
	if (err >= 0) {
		struct store_revision next = side->revision;

		next.text = text.data;
		next.text_size = text.size;
		if (now) {
			next.facts = facts.data;
			next.facts_size = facts.size;
		}
		next.normaliser = ABI_NORMALISER;
		fingerprint_digest(&side->entries, &next.digest);
		err = store_revision_put(s, &next);
		if (err < 0)
			err = store_failed(s, err, e);
	}
	buffer_release(&text);
	buffer_release(&facts);
	return err;
}

/* A revision that an abidrift of other rules left reads by ours from now on: its digest is compared with others'. */
static int revision_renew(struct store *s, struct side *side, struct error *e)
{
	return side->revision.normaliser == ABI_NORMALISER || !side->revision.facts_size ? 0 : revision_save(s, side, NULL, e);
}

static int revision_new(struct store *s, const struct judge_input *in, uint32_t *ret_revision, struct error *e)
{
	struct buffer text = BUFFER_INIT, facts = BUFFER_INIT, context = BUFFER_INIT;
	struct store_revision r = { .guest = in->guest->row, .at = in->now, .boot = in->instance->boot, .normaliser = ABI_NORMALISER,
				    .running = in->began != 0 };
	int err = fingerprint_write(in->entries, &text);

	if (err >= 0)
		err = facts_serialize(in->facts, &facts);
	if (err >= 0)
		err = context_write(in->context, &context);
	if (err >= 0 && (buffer_failed(&text) || buffer_failed(&facts) || buffer_failed(&context)))
		err = -ENOMEM;
	if (err >= 0) {
		r.text = text.data;
		r.text_size = text.size;
		r.facts = facts.data;
		r.facts_size = facts.size;
		r.context = context.data;
		r.context_size = context.size;
		fingerprint_digest(in->entries, &r.digest);
		err = store_revision_put(s, &r);
		if (err < 0)
			err = store_failed(s, err, e);
		*ret_revision = r.revision;
	}
	buffer_release(&text);
	buffer_release(&facts);
	buffer_release(&context);
	return err;
}

/* NULL: of none. */
static const char *set_of(const json_t *diff)
{
	return json_string_value(json_object_get(diff, "change_set"));
}

/* diff NULL: about no drift; of change_set it is all the same. */
static int event_add_of(struct store *s, const char *type, const struct store_guest *guest, uint32_t revision, const char *by, const char *reason,
			const json_t *diff, const char *change_set, int64_t now, struct error *e)
{
	json_t *changes = json_object_get(diff, "changes"), *context = json_object_get(diff, "context");
	struct store_event event = {
		.at = now,
		.type = (char *)type,
		.guest = guest->row,
		.revision = revision,
		.by = (char *)by,
		.reason = (char *)reason,
		.changes = changes ? json_dumps(changes, JSON_COMPACT) : NULL,
		.context = context ? json_dumps(context, JSON_COMPACT) : NULL,
		.change_set = (char *)change_set,
	};
	int err = store_event_add(s, &event);

	free(event.changes);
	free(event.context);
	return err < 0 ? store_failed(s, err, e) : 0;
}

static int event_add(struct store *s, const char *type, const struct store_guest *guest, uint32_t revision, const char *by, const char *reason,
		     const json_t *diff, int64_t now, struct error *e)
{
	return event_add_of(s, type, guest, revision, by, reason, diff, set_of(diff), now, e);
}

static const char *string_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "-";
}

static int drift_alert(struct store *s, const char *type, const char *host, const struct store_guest *guest, enum severity severity, const char *summary,
		       const json_t *diff, int64_t now, struct error *e)
{
	const json_t *changes = json_object_get(diff, "changes");
	const struct alert alert = { .type = type, .host = host, .guest = guest, .severity = severity, .verdict = verdict_name(changes_verdict(changes)),
				     .summary = summary, .changes = changes, .context = json_object_get(diff, "context"), .change_set = set_of(diff), .now = now };
	int err = alert_add(s, &alert);

	return err == -ENOMEM ? err : err < 0 ? store_failed(s, err, e) : 0;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a rule suppresses counts for nothing: no alert, no state, no severity. */
static bool counts(const json_t *change)
{
	return !json_is_string(json_object_get(change, "suppressed_by"));
}

static size_t counted(const json_t *changes)
{
	size_t i, count = 0;
	json_t *change;

	json_array_foreach(changes, i, change)
		count += counts(change);
	return count;
}

static char *change_line(const json_t *change)
{
	struct buffer b = BUFFER_INIT;

	buffer_printf(&b, "%s %s %s %s\t%s\n", string_of(change, "facet"), string_of(change, "key"), string_of(change, "change"),
		      string_of(change, "from"), string_of(change, "to"));
	if (!counts(change))
		buffer_printf(&b, "suppressed by %s\n", string_of(change, "suppressed_by"));
	return buffer_take(&b, NULL);
}

/* Of the set of changes, in whatever order. "" where there are none. */
static int changes_digest(const json_t *changes, struct digest *ret)
{
	size_t count = json_array_size(changes), i;
	char **lines = count ? calloc(count, sizeof *lines) : NULL;
	struct buffer all = BUFFER_INIT;
	int err = count && !lines ? -ENOMEM : 0;

	ret->text[0] = 0;
	for (i = 0; !err && i < count; i++) {
		lines[i] = change_line(json_array_get(changes, i));
		if (!lines[i])
			err = -ENOMEM;
	}
	if (!err && count) {
		qsort(lines, count, sizeof *lines, line_compare);
		for (i = 0; i < count; i++)
			buffer_string(&all, lines[i]);
		if (buffer_failed(&all))
			err = -ENOMEM;
		else
			digest_bytes(all.data, all.size, ret);
	}
	for (i = 0; lines && i < count; i++)
		free(lines[i]);
	free(lines);
	buffer_release(&all);
	return err;
}

static json_t *change_counting(json_t *change)
{
	json_t *copy = json_copy(change);

	json_object_set_new(copy, "suppressed_by", json_null());
	return copy;
}

/*
 * What was open stays open until there is evidence about it: in facets that this boot has not judged yet, and of keys that
 * are unknown now (a facet that fell). `now` is NULL where the other side is a past fingerprint. A rule that has ended or was taken
 * out of the configuration suppresses nothing of it any more.
 */
static void carry_over(json_t *diff, const json_t *open, const struct abi_entries *now, unsigned judged, const struct suppressions *rules, int64_t at)
{
	json_t *changes = json_object_get(diff, "changes"), *change;
	size_t i;

	json_array_foreach(json_object_get(open, "changes"), i, change) {
		const struct facet *facet = facet_find(string_of(change, "facet"));
		bool answered = facet && judged & (1u << facet->id) && (!now || drift_answers(now, facet->id, string_of(change, "key")));

		if (!facet || answered)
			continue;
		if (counts(change) || suppressions_stand(rules, string_of(change, "suppressed_by"), at))
			json_array_append(changes, change);
		else
			json_array_append_new(changes, change_counting(change));
	}
	if (counted(changes))
		json_object_set_new(diff, "result", json_string(drift_result_name(DRIFT_DRIFT)));
}

/* The worst of the changes that count and were not there before, or did not count; SEVERITY_NONE: there is none. */
static enum severity news_severity(const json_t *changes, const json_t *open)
{
	json_t *index = changes_index(json_object_get(open, "changes"), counts), *change;
	enum severity worst = SEVERITY_NONE, severity;
	size_t i;

	json_array_foreach(changes, i, change) {
		if (!counts(change) || changes_find(index, change))
			continue;
		if (severity_parse(string_of(change, "severity"), &severity) < 0 || severity == SEVERITY_NONE)
			severity = SEVERITY_INFO;
		if (severity > worst)
			worst = severity;
	}
	json_decref(index);
	return worst;
}

/*
 * A boot shows its facets one by one, and what one upgrade did to it is one alert: until all are judged, what is new waits, unless it is
 * critical. What stands meanwhile is what was open before. True: it waits.
 */
static bool hold_back(json_t *diff, const json_t *open, enum severity news)
{
	json_t *before = json_object_get(open, "changes");

	if (news == SEVERITY_NONE || news == SEVERITY_CRITICAL)
		return false;
	if (before)
		json_object_set(diff, "changes", before);
	else
		json_object_set_new(diff, "changes", json_array());
	return true;
}

/* The diff without what is suppressed: what history and alerts tell. NULL: out of memory. */
static json_t *counting_diff(json_t *diff)
{
	json_t *copy = json_copy(diff), *list = json_array(), *change;
	size_t i;

	json_array_foreach(json_object_get(diff, "changes"), i, change)
		if (counts(change))
			json_array_append(list, change);
	if (!copy || !list || json_object_set(copy, "changes", list) < 0) {
		json_decref(copy);
		copy = NULL;
	}
	json_decref(list);
	return copy;
}

static int open_drift(struct store *s, int64_t guest, json_t **ret, struct digest *ret_digest, int64_t *ret_at, struct error *e)
{
	char *text = NULL;
	int err = store_drift_get(s, guest, &text, ret_digest, ret_at);

	*ret = NULL;
	if (err == -ENOENT) {
		ret_digest->text[0] = 0;
		return 0;
	}
	if (err < 0)
		return store_failed(s, err, e);
	*ret = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return 0;
}

/* That a rule is of use is known only from what it hid. */
static int hits_store(struct store *s, const json_t *diff, int64_t now)
{
	const json_t *rule;
	int err = 0;
	size_t i;

	json_array_foreach(json_object_get(diff, "suppressed"), i, rule)
		if (err >= 0 && json_is_true(json_object_get(rule, "applied")))
			err = store_suppression_hit(s, string_of(rule, "rule"), (uint64_t)json_integer_value(json_object_get(rule, "changes")), 1, now);
	return err;
}

/* The rules (ABI_NORMALISER) by which an open drift's keys and values were derived; only stored. */
#define OPEN_RULES "normaliser"

/* at: since when it is open. */
static int drift_put(struct store *s, int64_t guest, const json_t *diff, const struct digest *is, int64_t at, struct error *e)
{
	json_t *marked = json_copy((json_t *)diff);
	char *text = marked && json_object_set_new(marked, OPEN_RULES, json_integer(ABI_NORMALISER)) >= 0 ? json_dumps(marked, JSON_COMPACT) : NULL;
	int err = text ? store_drift_set(s, guest, text, is, set_of(diff), at) : -ENOMEM;

	free(text);
	json_decref(marked);
	return err < 0 ? store_failed(s, err, e) : 0;
}

/* Stores what is open now: with what is suppressed, or every view would have lost it. */
static int drift_store(struct store *s, int64_t guest, const json_t *diff, const struct digest *is, int64_t now, struct error *e)
{
	int err = is->text[0] ? drift_put(s, guest, diff, is, now, e) : store_drift_set(s, guest, NULL, NULL, NULL, now);

	if (err >= 0)
		err = hits_store(s, diff, now);
	return err < 0 ? store_failed(s, err, e) : 0;
}

/* The same changes as ever, but judged otherwise (by another abidrift, say): the views follow, and nobody is told. */
static int drift_refresh(struct store *s, int64_t guest, const json_t *diff, const json_t *open, const struct digest *is, int64_t opened_at,
			 struct error *e)
{
	const char *was = set_of(open), *now = set_of(diff);

	if (!is->text[0] || (was && now ? !strcmp(was, now) : was == now))
		return 0;
	return drift_put(s, guest, diff, is, opened_at, e);
}

#define RESOLVED "resolved: " /* the history's column TYPE says it */

/* The history and the outbox hear of changes that count; of nothing, if none does and none did. hold: the outbox has to wait. */
static int drift_tell(struct store *s, const struct store_guest *guest, const char *host, json_t *diff, bool hold, uint32_t revision, int64_t now,
		      struct judge_outcome *ret, struct error *e)
{
	json_t *told = counting_diff(diff), *changes = json_object_get(told, "changes");
	size_t hidden = json_array_size(json_object_get(diff, "changes")) - json_array_size(changes);
	struct buffer summary = BUFFER_INIT;
	int err;

	ret->drift_new = told && json_array_size(changes) != 0;
	ret->resolved = told && !ret->drift_new;
	if (ret->drift_new)
		drift_summary(told, SUMMARY_COLUMNS, &summary);
	else
		buffer_printf(&summary, hidden ? RESOLVED "what still differs is suppressed (%zu change%s)" : RESOLVED "as the baseline again", hidden,
			      hidden == 1 ? "" : "s");
	snprintf(ret->summary, sizeof ret->summary, "%s", summary.size ? summary.data : "drift");
	err = !told ? -ENOMEM : event_add(s, ret->drift_new ? "drift" : "resolved", guest, revision, NULL,
					  ret->drift_new ? NULL : ret->summary + strlen(RESOLVED), ret->drift_new ? told : NULL, now, e);
	if (err >= 0 && !hold)
		err = drift_alert(s, ret->drift_new ? "drift" : "resolved", host, guest, ret->drift_new ? changes_severity(changes) : SEVERITY_INFO,
				  ret->summary, told, now, e);
	if (err >= 0)
		ret->alerted |= !hold;
	buffer_release(&summary);
	json_decref(told);
	return err;
}

/* Metrics: with more combinations than this the rest is counted under the facet "other". */
#define DRIFT_EVENTS_MAX 16

/* Told before, and judged the same way. */
static bool told_before(json_t *index, const json_t *change)
{
	const json_t *was = changes_find(index, change);

	return was && !strcmp(string_of(was, "severity"), string_of(change, "severity")) && !strcmp(string_of(was, "verdict"), string_of(change, "verdict"));
}

/* One event for each facet, severity and verdict among the changes that nobody was told of yet. */
static int events_count(struct store *s, const json_t *changes, const json_t *before, struct error *e)
{
	json_t *index = changes_index(before, counts), *seen = json_object(), *change;
	int err = index && seen ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach(changes, i, change) {
		char tail[80], labels[120], other[120];

		if (err < 0 || told_before(index, change))
			continue;
		snprintf(tail, sizeof tail, ",%.30s,%.30s", string_of(change, "severity"), string_of(change, "verdict"));
		snprintf(labels, sizeof labels, "%.30s%s", string_of(change, "facet"), tail);
		snprintf(other, sizeof other, "other%s", tail);
		if (json_object_get(seen, labels))
			continue;
		if (json_object_set_new(seen, labels, json_true()) < 0)
			err = -ENOMEM;
		else if ((err = store_counter_add_bounded(s, "drift_events", labels, DRIFT_EVENTS_MAX, other, 1)) < 0)
			err = store_failed(s, err, e);
	}
	json_decref(index);
	json_decref(seen);
	return err;
}

/* The same changes, but by now for a reason that is worse: nobody was told of that yet. */
static bool is_worse(const json_t *changes, const json_t *before)
{
	enum verdict was = changes_verdict(before);

	/* What an abidrift without verdicts stored was told as well as it could be. */
	return was && (changes_severity(changes) > changes_severity(before) || changes_verdict(changes) > was);
}

/* What a boot showed first, where it showed anything before `revision`; else *ret stays empty. */
static int began_load(struct store *s, int64_t guest, uint32_t began, uint32_t revision, struct side *ret, struct error *e)
{
	int err = began && began != revision ? side_load(s, guest, began, ret, e) : 0;

	return err == -ENOENT ? 0 : err; /* forgotten meanwhile: then nobody knows */
}

/* The same of a past fingerprint, with what was seen of the guest while it changed. */
static int began_of_last(struct store *s, int64_t guest, uint32_t boot, const struct store_revision *last, struct side *ret,
			 struct guest_facts **ret_facts, struct error *e)
{
	uint32_t began = 0;
	int err = store_revision_began(s, guest, last->revision, boot, &began);

	if (err < 0)
		return store_failed(s, err, e);
	err = began_load(s, guest, began, last->revision, ret, e);
	if (err >= 0 && ret->revision.revision)
		err = facts_parse(last->facts, last->facts_size, ret_facts, e);
	return err;
}

/* What open drift is put into our words with. boot: the one that the guest is in. moved: it goes on here with another VM's memory. */
struct judge_words {
	const struct suppressions *rules;
	uint32_t boot;
	bool moved;
	int64_t opened_at, now;
};

/* The newest revision against the baseline. */
struct last_drift {
	struct side base, last, began;
	struct guest_facts *facts;
	struct drift drift;
	json_t *diff;
};

static void last_drift_release(struct last_drift *l)
{
	json_decref(l->diff);
	drift_release(&l->drift);
	facts_free(l->facts);
	side_release(&l->base);
	side_release(&l->last);
	side_release(&l->began);
}

/* boot: the one that the guest is in. */
static int last_drift_load(struct store *s, const struct store_guest *guest, uint32_t boot, const struct suppressions *suppress, int64_t now,
			   struct last_drift *ret, struct error *e)
{
	struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct store_baseline baseline = { 0 };
	int err = store_baseline_get(s, guest->row, &baseline);

	if (err >= 0)
		err = side_load(s, guest->row, baseline.revision, &ret->base, e);
	if (err >= 0)
		err = side_load(s, guest->row, 0, &ret->last, e);
	if (err >= 0)
		err = drift_compare(&ret->base.entries, &ret->base.context, &ret->last.entries, &ret->last.context, &options, &ret->drift);
	if (err >= 0)
		err = began_of_last(s, guest->row, boot, &ret->last.revision, &ret->began, &ret->facts, e);
	if (err >= 0)
		err = drift_judge(&ret->drift, &(struct drift_circumstances){ .from = &ret->base.context, .to = &ret->last.context,
									      .now = &ret->last.entries,
									      .boot_began = ret->began.revision.revision ? &ret->began.entries : NULL,
									      .facts = ret->facts, .suppress = suppress, .guest = guest->id,
									      .name = guest->name, .at = now });
	if (err >= 0 && !(ret->diff = drift_json(&ret->drift, SEVERITY_NONE)))
		err = -ENOMEM;
	store_baseline_release(&baseline);
	return err;
}

static bool noted_as_ours(const json_t *open)
{
	return json_integer_value(json_object_get(open, OPEN_RULES)) == (json_int_t)ABI_NORMALISER;
}

/* What was stored before rules were noted was derived by those of the revision that shows it. */
static bool of_our_rules(const json_t *open, const struct store_revision *last)
{
	return noted_as_ours(open) || (!json_object_get(open, OPEN_RULES) && last->normaliser == ABI_NORMALISER);
}

/* Facets about which these entries say anything. */
static unsigned facets_seen(const struct abi_entries *entries)
{
	unsigned seen = 0;

	for (int f = 0; f < FACETS; f++)
		seen |= entries->coverage[f].level == COVERAGE_NONE ? 0 : 1u << f;
	return seen;
}

/*
 * Open drift that an abidrift of other rules derived reads otherwise by ours, and nobody wants to be told of the same difference twice: it is
 * put into our words first, the baseline against the newest revision, both derived anew. Where that is no difference any more, or a
 * worse one, *open stays, to be told of as ever. *ret_stays: what of it no evidence can answer; a key of other rules would wait for ever.
 */
static int open_in_our_words(struct store *s, const struct store_guest *guest, const struct judge_words *words, json_t **open, struct digest *was,
			     json_t **ret_stays, struct error *e)
{
	struct last_drift l = { .drift = DRIFT_INIT };
	struct digest is;
	json_t *changes;
	int err = noted_as_ours(*open) ? -ENOENT : last_drift_load(s, guest, words->boot, words->rules, words->now, &l, e);

	if (err == -ENOENT || (err >= 0 && of_our_rules(*open, &l.last.revision))) {
		last_drift_release(&l);
		return 0;
	}
	changes = json_object_get(l.diff, "changes");
	if (err >= 0) {
		unsigned seen = facets_seen(&l.last.entries);
		bool differs = counted(changes) != 0;

		*ret_stays = json_pack("{s:[]}", "changes");
		carry_over(*ret_stays, *open, NULL, seen, words->rules, words->now);
		drift_carry(l.diff, *open, words->moved);
		carry_over(l.diff, *open, NULL, seen, words->rules, words->now);
		err = change_set_mark(l.diff);
		if (err >= 0)
			err = changes_digest(changes, &is);
		if (err >= 0 && differs && !is_worse(changes, json_object_get(*open, "changes"))) {
			err = drift_put(s, guest->row, l.diff, &is, words->opened_at, e);
			if (err >= 0) {
				json_decref(*open);
				*open = json_incref(l.diff);
				*was = is;
			}
		}
	}
	last_drift_release(&l);
	return err;
}

/* Opens, changes or closes the guest's drift, with event and alert. life: the VM that shows it; NULL: none. */
static int drift_follow(struct store *s, const struct store_guest *guest, const struct store_instance *life, json_t *diff,
			const struct abi_entries *entries, unsigned judged, bool hold, const struct suppressions *rules, uint32_t revision, int64_t now,
			struct judge_outcome *ret, struct error *e)
{
	json_t *changes = json_object_get(diff, "changes"), *open = NULL, *stays = NULL, *before = NULL, *after = NULL;
	struct digest was, is, was_told, is_told;
	const char *host = life && life->host ? life->host : "";
	struct maintenance window = { .holds = false };
	bool all = judged == ALL_FACETS, moved = life && life_goes_on(life_parse(life->life)) && !life_elsewhere(life), same, worse = false;
	enum severity news;
	int64_t opened_at = 0;
	int err = open_drift(s, guest->row, &open, &was, &opened_at, e);

	/* A person who accepts or undoes looks at another baseline: that is told anyway. */
	if (err >= 0 && open && entries)
		err = open_in_our_words(s, guest, &(struct judge_words){ rules, life ? life->boot : 0, moved, opened_at, now }, &open, &was, &stays, e);
	if (err < 0)
		goto out;
	/* What this very VMM process, or the one that it took the guest over from, did while the guest ran it has done, however often it is reset. */
	if (open && life && (opened_at >= life->began_at || moved))
		drift_carry(diff, open, moved);
	carry_over(diff, stays ? stays : open, entries, judged, rules, now);
	err = change_set_mark(diff);
	if (err >= 0)
		err = changes_digest(changes, &is);
	same = err >= 0 && !strcmp(was.text, is.text);
	if (same && all && entries)
		worse = is_worse(changes, json_object_get(open, "changes"));
	if (same && !worse && all && entries)
		err = drift_refresh(s, guest->row, diff, open, &is, opened_at, e);
	if (err < 0 || (same && !worse))
		goto out;
	news = all ? SEVERITY_NONE : news_severity(changes, open);
	ret->held = !all && hold && hold_back(diff, open, news);
	if (!all && (news == SEVERITY_NONE || ret->held))
		goto out;
	before = open ? counting_diff(open) : json_object();
	after = counting_diff(diff);
	err = before && after ? changes_digest(json_object_get(before, "changes"), &was_told) : -ENOMEM;
	if (err >= 0)
		err = changes_digest(json_object_get(after, "changes"), &is_told);
	if (err >= 0)
		err = maintenance_follow(s, host, now, &window, e);
	ret->alerted |= window.alerted;
	if (err >= 0)
		err = drift_store(s, guest->row, diff, &is, now, e);
	if (err >= 0 && (worse || strcmp(was_told.text, is_told.text)))
		err = drift_tell(s, guest, host, diff, window.holds, revision, now, ret, e);
	if (err >= 0)
		err = events_count(s, json_object_get(after, "changes"), json_object_get(before, "changes"), e);
out:
	json_decref(open);
	json_decref(stays);
	json_decref(before);
	json_decref(after);
	return err;
}

/* A rule that hides nothing because it would hide too much must not look as if it worked. */
static void overrun_tell(const struct drift *d, struct judge_outcome *ret)
{
	size_t length = 0;

	for (size_t i = 0; i < d->suppression_count && length < sizeof ret->overrun; i++) {
		const struct drift_suppression *rule = &d->suppressions[i];

		if (!rule->applied)
			length += (size_t)snprintf(ret->overrun + length, sizeof ret->overrun - length,
						   "%ssuppression rule %s fits %zu changes, says at most %llu: not applied", length ? "; " : "", rule->rule,
						   rule->changes, (unsigned long long)rule->at_most);
	}
}

/* Also a VM that was found, if it was made to go on with another one's memory: nobody saw whether it was reset since. */
static bool came_along(const struct store_instance *life, const struct guest_facts *facts)
{
	enum life is = life ? life_parse(life->life) : LIFE_UNKNOWN;

	if (life && facts && is == LIFE_UNKNOWN)
		is = life_of(facts, OBSERVE_REASON_CREATED);
	return life_goes_on(is);
}

/*
 * A guest that moved shows a mixture: tables and firmware from where it comes from, devices and CPUs of here. Where here is another VMM,
 * kernel or CPU than the baseline's, what is new is no evidence of the baseline's machine. Its next reset shows one machine again.
 */
static bool shows_two_machines(const struct judge_input *in, const struct side *known)
{
	static const char *const factors[] = { "vmm.kind", "vmm.version", "kernel", "host_cpu" };

	if (!came_along(in->instance, in->facts))
		return false;
	for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
		const char *was = context_get(&known->context, factors[i]), *is = context_get(in->context, factors[i]);

		if (was && is && strcmp(was, is) != 0)
			return true;
	}
	return false;
}

/* Evidence that the baseline lacks joins it; no drift, no new revision. */
static int baseline_grow(struct store *s, const struct judge_input *in, struct side *base, struct judge_outcome *ret, struct error *e)
{
	size_t joined = 0;
	int err = shows_two_machines(in, base) ? 0 : drift_grow(&base->entries, in->entries, &joined);

	if (err >= 0 && joined)
		err = revision_save(s, base, in->facts, e);
	ret->joined += joined;
	return err;
}

static int evidence_tell(struct store *s, const struct judge_input *in, uint32_t baseline, size_t joined, struct error *e)
{
	char reason[80];

	snprintf(reason, sizeof reason, joined == 1 ? "%zu entry first seen now joined the baseline" : "%zu entries first seen now joined the baseline",
		 joined);
	return event_add(s, "evidence", in->guest, baseline, NULL, reason, NULL, in->now, e);
}

/* What made it a new revision: keys that contradict, and complete ones that came or went. What was not touched, or not seen as a whole, is none. */
static size_t entries_differ(const struct abi_entries *last, const struct abi_entries *now, size_t *ret_placed)
{
	size_t count = 0, placed = 0;

	for (size_t i = 0; i < last->count; i++) {
		const struct abi_entry *was = &last->items[i], *is = entries_find(now, was->facet, was->key);
		bool differs = is ? strcmp(was->value, is->value) != 0 : entry_complete(was) && now->coverage[was->facet].level == COVERAGE_COMPLETE;

		count += differs;
		placed += differs && was->facet == FACET_PLACEMENT;
	}
	for (size_t i = 0; i < now->count; i++) {
		const struct abi_entry *is = &now->items[i];
		bool differs = entry_complete(is) && last->coverage[is->facet].level == COVERAGE_COMPLETE && !entries_find(last, is->facet, is->key);

		count += differs;
		placed += differs && is->facet == FACET_PLACEMENT;
	}
	*ret_placed = placed;
	return count;
}

/* last NULL: it is the first one. */
static int revision_tell(struct store *s, const struct judge_input *in, const struct side *last, struct error *e)
{
	struct digest digest;
	char reason[160], moved[64] = "";
	size_t placed = 0, count = last ? entries_differ(&last->entries, in->entries, &placed) : 0;

	fingerprint_digest(in->entries, &digest);
	/* The drift beside it counts fewer: what is only placed elsewhere is no change. */
	if (placed)
		snprintf(moved, sizeof moved, ", %zu of them in placement only", placed);
	if (last)
		snprintf(reason, sizeof reason, "%.*s: %zu entr%s from revision %u%s", DIGEST_SHOWN, digest.text, count,
			 count == 1 ? "y differs" : "ies differ", last->revision.revision, moved);
	else
		snprintf(reason, sizeof reason, "%.*s: the first", DIGEST_SHOWN, digest.text);
	return event_add(s, "fingerprint", in->guest, in->instance->revision, NULL, reason, NULL, in->now, e);
}

/* The newest revision is often the baseline itself: what joins the one has joined the other. */
static int revision_follow(struct store *s, const struct judge_input *in, uint32_t baseline, struct judge_outcome *ret, struct error *e)
{
	struct side last = { 0 };
	size_t joined = 0;
	int err = side_load(s, in->guest->row, 0, &last, e);
	bool none = err == -ENOENT || (err >= 0 && !of_this_life(in->guest, in->instance, last.revision.at));

	if (err < 0 && err != -ENOENT)
		return err;
	if (none || drift_is_revision(&last.entries, in->entries)) {
		err = revision_new(s, in, &in->instance->revision, e);
		if (err >= 0)
			err = revision_tell(s, in, none ? NULL : &last, e);
		ret->new_revision = true;
	} else {
		in->instance->revision = last.revision.revision;
		if (!shows_two_machines(in, &last))
			err = drift_grow(&last.entries, in->entries, &joined);
		if (err >= 0)
			err = joined ? revision_save(s, &last, in->facts, e) : revision_renew(s, &last, e);
		if (last.revision.revision == baseline)
			ret->joined += joined;
	}
	side_release(&last);
	return err;
}

static int coverage_copy(const struct judge_input *in)
{
	for (int f = 0; f < FACETS; f++) {
		bool judged = in->judged & (1u << f);
		char *reason = strdup(judged ? in->entries->coverage[f].reason : "has not settled yet");

		if (!reason)
			return -ENOMEM;
		free(in->instance->coverage[f].reason);
		in->instance->coverage[f].reason = reason;
		in->instance->coverage[f].level = judged ? in->entries->coverage[f].level : COVERAGE_NONE;
	}
	return 0;
}

static int instance_conclude(const struct judge_input *in, const json_t *diff, bool has_baseline, bool fell)
{
	struct store_instance *row = in->instance;
	const json_t *changes = json_object_get(diff, "changes");
	const char *state = "same";

	/* Taken over from an abidrift before this one, which had judged all of this boot: that stands until all is judged again. */
	if (row->settled && in->judged != ALL_FACETS)
		return 0;
	row->settled = in->judged == ALL_FACETS;
	row->changes = (uint32_t)counted(changes);
	row->severity = changes_severity(changes);
	if (row->changes)
		state = "drift";
	else if (!row->settled)
		state = "learning";
	else if (!has_baseline || fell)
		state = "unknown";
	free(row->state);
	row->state = strdup(state);
	if (!row->state)
		return -ENOMEM;
	return in->entries ? coverage_copy(in) : 0; /* `accept` looks at a revision and at no boot */
}

static bool drift_fell(const struct drift *d)
{
	for (size_t i = 0; i < d->unknown_count; i++)
		if (d->unknown[i].fell)
			return true;
	return false;
}

/* A guest that came with its memory has no firmware at work that would scan the bus: each migration looks like that until the next reset. */
static bool not_scanned(const struct store_instance *life, const struct guest_facts *facts, enum facet_id facet)
{
	return facet == FACET_PCI && came_along(life, facts);
}

/*
 * What is seen less of than the baseline holds is blindness of a guest, as long as it lasts. What the whole host does not show, and what
 * was refused, is told otherwise. life: the VM that shows it. lasts: what was not so before is none yet. because: why it ends, where it does.
 */
static int blindness_follow(struct store *s, const struct store_guest *guest, const struct store_instance *life, const char *host, const struct drift *d, const struct abi_entries *now_seen,
			    const struct guest_facts *facts, bool lasts, const char *because, int64_t now, struct judge_outcome *ret, struct error *e)
{
	struct blind_facets is = { .host = host, .guest = guest, .because = because, .now = now };
	/* It began while nobody watched: its next reset shows it as a whole again, and a host that starts 40 guests before us is no news. */
	bool late = facts && !facts_from_reset(facts);

	for (size_t i = 0; i < d->unknown_count; i++) {
		const struct drift_unknown *u = &d->unknown[i];
		bool some = now_seen->coverage[u->facet].level != COVERAGE_NONE;

		if (!u->fell || !u->reason)
			continue;
		is.facets[u->facet].reason = u->reason;
		is.facets[u->facet].severity = some || coverage_tells_skips(u->reason) ? SEVERITY_INFO : SEVERITY_WARNING;
		is.facets[u->facet].lasts = lasts || (late && (some || not_scanned(life, facts, u->facet))) || coverage_tells_loss(u->reason) || (facts && facts_blind(facts, facet_get(u->facet)->name));
	}
	return blind_follow(s, &is, &ret->alerted, e);
}

static int judge_locked(struct store *s, const struct judge_input *in, struct judge_outcome *ret, struct error *e)
{
	struct drift_options options = { .facets = in->judged, .same_guest = true };
	bool all = in->judged == ALL_FACETS;
	struct drift drift = DRIFT_INIT;
	struct side base = { 0 }, began = { 0 };
	json_t *diff = NULL;
	uint32_t baseline;
	int err = baseline_revision(s, in->guest, in->instance, &baseline, e);

	if (err >= 0 && all)
		err = revision_follow(s, in, baseline, ret, e);
	if (err >= 0 && all && !baseline && in->baseline_auto) {
		err = store_baseline_set(s, in->guest->row,
					 &(struct store_baseline){ .revision = in->instance->revision, .at = in->now, .by = (char *)"auto" });
		if (err < 0)
			err = store_failed(s, err, e);
		baseline = in->instance->revision;
		ret->baseline_made = true;
	}
	if (err >= 0 && baseline) {
		err = side_load(s, in->guest->row, baseline, &base, e);
		if (err >= 0 && all)
			err = revision_renew(s, &base, e);
		if (err >= 0)
			err = drift_compare(&base.entries, &base.context, in->entries, in->context, &options, &drift);
		if (err >= 0)
			err = began_load(s, in->guest->row, in->began, 0, &began, e);
		if (err >= 0)
			err = drift_judge(&drift, &(struct drift_circumstances){ .from = &base.context, .to = in->context, .now = in->entries,
										 .boot_began = began.revision.revision ? &began.entries : NULL,
										 .facts = in->facts, .suppress = in->suppress, .guest = in->guest->id,
										 .name = in->guest->name, .at = in->now });
		if (err >= 0 && !(diff = drift_json(&drift, SEVERITY_NONE)))
			err = -ENOMEM;
		if (err >= 0)
			err = drift_follow(s, in->guest, in->instance, diff, in->entries, in->judged, in->hold, in->suppress, in->instance->revision, in->now, ret,
					   e);
		/* What a changed machine shows is evidence about that machine, not about the baseline's. */
		if (err >= 0 && all && !drift.change_count)
			err = baseline_grow(s, in, &base, ret, e);
		if (err >= 0 && ret->joined)
			err = evidence_tell(s, in, baseline, ret->joined, e);
	}
	if (err >= 0 && all)
		err = blindness_follow(s, in->guest, in->instance, in->host, &drift, in->entries, in->facts, false, NULL, in->now, ret, e);
	if (err >= 0) {
		ret->fell = drift_fell(&drift);
		ret->suppressed = json_array_size(json_object_get(diff, "changes")) - counted(json_object_get(diff, "changes"));
		overrun_tell(&drift, ret);
		ret->no_baseline = !baseline;
		err = instance_conclude(in, diff, baseline != 0, ret->fell);
	}
	if (err >= 0 && (err = store_instance_put(s, in->instance)) < 0)
		err = store_failed(s, err, e);
	if (all)
		fingerprint_digest(in->entries, &ret->digest);
	json_decref(diff);
	drift_release(&drift);
	side_release(&began);
	side_release(&base);
	return err;
}

int judge(struct store *s, const struct judge_input *in, struct judge_outcome *ret, struct error *e)
{
	struct judge_outcome outcome = { 0 };
	uint32_t revision = in->instance->revision;
	bool settled = in->instance->settled;
	int err = store_begin(s);

	if (err < 0)
		return store_failed(s, err, e);
	err = judge_locked(s, in, &outcome, e);
	if (err >= 0 && (err = store_commit(s)) < 0)
		err = store_failed(s, err, e);
	if (err < 0) {
		store_rollback(s);
		in->instance->revision = revision;
		in->instance->settled = settled;
		if (err == -ENOMEM)
			error_set(e, ENOMEM, "out of memory while judging guest %s", in->guest->id);
		return err;
	}
	*ret = outcome;
	return 0;
}

/* The newest revision against the baseline that is now: what the guest's drift, instances and alerts must say. */
static int recheck(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, int64_t now, struct error *e)
{
	struct store_instance *items = NULL;
	struct judge_outcome outcome = { 0 };
	struct last_drift is = { .drift = DRIFT_INIT };
	size_t count = 0;
	int err = store_instances(s, guest->row, &items, &count);

	if (err >= 0)
		err = last_drift_load(s, guest, count ? items[0].boot : 0, suppress, now, &is, e);
	if (err >= 0)
		err = drift_follow(s, guest, count ? &items[0] : NULL, is.diff, NULL, ALL_FACETS, false, suppress, is.last.revision.revision, now,
				   &outcome, e);
	if (err >= 0 && count)
		err = blindness_follow(s, guest, NULL, items[0].host ? items[0].host : "-", &is.drift, &is.last.entries, is.facts, true,
				       "its baseline is another one now", now, &outcome, e);
	for (size_t i = 0; err >= 0 && i < count; i++) {
		struct judge_input in = { .instance = &items[i], .judged = items[i].settled ? ALL_FACETS : 0 };

		if ((items[i].running || i == 0) && !store_instance_twin(&items[i])) {
			err = instance_conclude(&in, is.diff, true, drift_fell(&is.drift));
			if (err >= 0)
				err = store_instance_put(s, &items[i]);
		}
	}
	store_instances_free(items, count);
	last_drift_release(&is);
	return err;
}

static int accept_locked(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason, int64_t expires, int64_t now,
			 struct error *e)
{
	struct store_baseline baseline = { .at = now, .by = (char *)by, .reason = (char *)reason, .expires = expires };
	struct side last = { 0 };
	int err = side_load(s, guest->row, 0, &last, e);

	if (err == -ENOENT)
		return error_set(e, ENOENT, "guest %s has no fingerprint yet, so there is nothing to accept: wait until it has settled",
				 guest->name ? guest->name : guest->id);
	if (err < 0)
		return err;
	baseline.revision = last.revision.revision;
	side_release(&last);
	err = store_change_set_of(s, guest->row, &baseline.change_set);
	if (err >= 0)
		err = store_baseline_set(s, guest->row, &baseline);
	if (err < 0)
		err = store_failed(s, err, e);
	if (err >= 0)
		err = event_add_of(s, "accept", guest, baseline.revision, by, reason, NULL, baseline.change_set, now, e);
	free(baseline.change_set);
	return err < 0 ? err : recheck(s, guest, suppress, now, e);
}

static int undo_locked(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason, int64_t now, struct error *e)
{
	struct store_baseline top = { 0 }, baseline = { 0 };
	int err = store_baseline_get(s, guest->row, &top);

	if (err >= 0)
		err = store_baseline_undo(s, guest->row, now, by, reason, &baseline);
	if (err == -ENOENT)
		err = error_set(e, ENOENT, "guest %s has no earlier baseline to go back to", guest->name ? guest->name : guest->id);
	else if (err < 0)
		err = store_failed(s, err, e);
	if (err >= 0)
		err = event_add_of(s, "undo", guest, baseline.revision, by, reason, NULL, top.change_set, now, e);
	store_baseline_release(&top);
	store_baseline_release(&baseline);
	return err < 0 ? err : recheck(s, guest, suppress, now, e);
}

static int conclude(struct store *s, const struct store_guest *guest, int err, struct store_baseline *ret, struct error *e)
{
	if (err >= 0 && (err = store_baseline_get(s, guest->row, ret)) < 0)
		err = store_failed(s, err, e);
	if (err >= 0 && (err = store_commit(s)) < 0) {
		err = store_failed(s, err, e);
		store_baseline_release(ret);
	}
	if (err < 0) {
		store_rollback(s);
		if (e && !e->text[0])
			error_set(e, -err, "guest %s: %s", guest->id, err == -ENOMEM ? "out of memory" : store_error(s));
	}
	return err;
}

int judge_accept(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason, int64_t expires, int64_t now,
		 struct store_baseline *ret, struct error *e)
{
	int err = store_begin(s);

	if (err < 0)
		return store_failed(s, err, e);
	return conclude(s, guest, accept_locked(s, guest, suppress, by, reason, expires, now, e), ret, e);
}

int judge_undo(struct store *s, const struct store_guest *guest, const struct suppressions *suppress, const char *by, const char *reason, int64_t now, struct store_baseline *ret,
	       struct error *e)
{
	int err = store_begin(s);

	if (err < 0)
		return store_failed(s, err, e);
	return conclude(s, guest, undo_locked(s, guest, suppress, by, reason, now, e), ret, e);
}

/* ---- all guests of a change set */

void judge_decided_free(struct judge_decided *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		store_guest_release(&items[i].guest);
		store_baseline_release(&items[i].baseline);
	}
	free(items);
}

/* What is now must be known before it can be right. *ret stays where it is. */
static int why_not_ready(struct store *s, int64_t guest, const char **ret)
{
	struct store_instance *items = NULL;
	size_t count = 0;
	int err = store_instances(s, guest, &items, &count);

	if (err < 0)
		return err;
	if (count && !items[0].settled && (items[0].running || !strcmp(items[0].state, "drift")))
		*ret = "it has not settled in its present boot";
	store_instances_free(items, count);
	return 0;
}

static int decide(struct store *s, const struct judge_decision *d, struct judge_decided *ret, struct error *e)
{
	int err = d->undo ? 0 : why_not_ready(s, ret->guest.row, &ret->skipped);

	if (err < 0)
		return store_failed(s, err, e);
	if (ret->skipped)
		return 0;
	err = d->undo ? undo_locked(s, &ret->guest, d->suppress, d->by, d->reason, d->now, e)
		      : accept_locked(s, &ret->guest, d->suppress, d->by, d->reason, d->expires, d->now, e);
	if (err >= 0 && (err = store_baseline_get(s, ret->guest.row, &ret->baseline)) < 0)
		err = store_failed(s, err, e);
	return err;
}

static int decide_all(struct store *s, const struct judge_decision *d, struct judge_decided **ret, size_t *ret_count, struct error *e)
{
	int64_t *rows = NULL;
	size_t count = 0;
	int err = store_change_set_guests(s, d->change_set, d->undo, &rows, &count);

	if (err >= 0 && count && !(*ret = calloc(count, sizeof **ret)))
		err = -ENOMEM;
	for (size_t i = 0; err >= 0 && i < count; i++) {
		struct judge_decided *one = &(*ret)[i];

		err = store_guest_get(s, rows[i], &one->guest);
		if (err < 0)
			break;
		*ret_count = i + 1;
		err = decide(s, d, one, e);
		if (err == -ENOMEM && !e->text[0])
			error_set(e, ENOMEM, "out of memory while judging guest %s", one->guest.id);
	}
	free(rows);
	return err < 0 && !e->text[0] ? store_failed(s, err, e) : err;
}

int judge_change_set(struct store *s, const struct judge_decision *d, struct judge_decided **ret, size_t *ret_count, struct error *e)
{
	struct judge_decided *items = NULL;
	size_t count = 0;
	int err = store_begin(s);

	if (err < 0)
		return store_failed(s, err, e);
	err = decide_all(s, d, &items, &count, e);
	if (err >= 0 && (err = store_commit(s)) < 0)
		err = store_failed(s, err, e);
	if (err < 0) {
		store_rollback(s);
		judge_decided_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}
