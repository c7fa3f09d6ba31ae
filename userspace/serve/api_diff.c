/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/drift/advice.h"
#include "userspace/drift/carry.h"
#include "userspace/drift/change_set.h"
#include "userspace/drift/told.h"
#include "userspace/drift/verdict.h"
#include "userspace/drift/view.h"
#include "userspace/serve/api.h"
#include "userspace/serve/guest.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"
#include "userspace/store/revision.h"

static const char *called(const struct side *side)
{
	return side->guest.name ? side->guest.name : side->guest.id;
}

/* ---- how `to` becomes the baseline */

/* Is this text the guest's alone? Another's id may be this one's name. */
static bool means(struct store *s, const char *text, const struct store_guest *guest)
{
	struct store_guest found = { 0 };
	struct error ignored = ERROR_INIT;
	bool same = text && advice_is_plain(text) && store_guest_resolve(s, text, &found, &ignored) >= 0 && found.row == guest->row;

	store_guest_release(&found);
	return same;
}

/* Leaves `out` empty where no shell could be told. */
static void accept_guest(struct store *s, const struct store_guest *guest, struct buffer *out)
{
	const char *plain = means(s, guest->name, guest) ? guest->name : means(s, guest->id, guest) ? guest->id : NULL;
	struct buffer name = BUFFER_INIT, word = BUFFER_INIT;

	if (plain)
		buffer_string(&word, plain);
	else
		buffer_printf(&name, "guest:%s", guest->name ? guest->name : guest->id);
	if (plain || advice_word(name.data ? name.data : "", &word))
		buffer_printf(out, "abidrift accept %s" ADVICE_REASON, word.data ? word.data : "");
	out->failed |= buffer_failed(&name) || buffer_failed(&word);
	buffer_release(&name);
	buffer_release(&word);
}

static bool is_baseline(struct store *s, const struct side *side)
{
	struct store_baseline baseline = { 0 };
	bool is = store_baseline_get(s, side->guest.row, &baseline) >= 0 && baseline.revision == side->number;

	store_baseline_release(&baseline);
	return is;
}

/* Only what would be taken: what a guest is now, once that is known, where it is not the baseline already. */
static bool can_accept(struct store *s, const struct side *from, const struct side *to, const json_t *blames)
{
	return json_array_size(blames) && to->kind == SIDE_NOW && to->number && !to->learning && from->guest.id && from->guest.row == to->guest.row &&
	       !is_baseline(s, to);
}

static json_t *accept_json(struct store *s, const struct side *from, const struct side *to, const json_t *diff, const json_t *blames)
{
	const char *set = json_string_value(json_object_get(diff, "change_set"));
	bool can = can_accept(s, from, to, blames);
	struct buffer guest = BUFFER_INIT, guests = BUFFER_INIT;
	json_t *ret;

	if (can)
		accept_guest(s, &to->guest, &guest);
	/* The store knows the sets of drift from baselines, and no others. */
	if (can && set && from->kind == SIDE_BASELINE)
		buffer_printf(&guests, ADVICE_ACCEPT_SET, set);
	ret = buffer_failed(&guest) || buffer_failed(&guests) ? NULL : json_pack("{s:o, s:o}", "guest", json_text(guest.data), "change_set", json_text(guests.data));
	buffer_release(&guest);
	buffer_release(&guests);
	return ret;
}

/* ---- what is said of it all */

/* What the text says, and how it is accepted. */
static int add_words(struct store *s, const struct side *from, const struct side *to, json_t *model)
{
	json_t *blames = told_json(model), *accept = blames ? accept_json(s, from, to, model, blames) : NULL;
	bool set = accept && json_object_set(model, "blames", blames) >= 0 && json_object_set(model, "accept", accept) >= 0;

	json_decref(blames);
	json_decref(accept);
	return set ? 0 : -ENOMEM;
}

/* What differs from neither side, and will: only of what runs now. */
static json_t *next_boot(const struct side *to)
{
	return to->kind == SIDE_NOW ? guest_next_boot(to->instance_count ? &to->instances[0] : NULL) : json_array();
}

/* Puts the sides before what was found, and says the result. Takes over diff. */
static int conclude(struct store *s, json_t *diff, const struct side *from, const struct side *to, enum drift_result result, json_t **ret,
		    int *ret_result, struct error *e)
{
	json_t *model = diff ? json_pack("{s:o, s:o}", "from", side_json(from), "to", side_json(to)) : NULL;

	if (!model || json_object_set_new(model, "change_set", json_null()) < 0 || json_object_update(model, diff) < 0 ||
	    json_object_set_new(model, "result", json_string(drift_result_name(result))) < 0 ||
	    json_object_set_new(model, "next_boot", next_boot(to)) < 0 || add_words(s, from, to, model) < 0) {
		json_decref(model);
		json_decref(diff);
		return error_set(e, ENOMEM, "out of memory");
	}
	json_decref(diff);
	*ret = model;
	*ret_result = (int)result;
	return 0;
}

static int not_known(struct store *s, const struct side *from, const struct side *to, const char *reason, json_t **ret, int *ret_result,
		     struct error *e)
{
	json_t *diff = json_pack("{s:n, s:n, s:[], s:[], s:[], s:[], s:[{s:n, s:n, s:o}]}", "vmm", "machine", "context", "changes", "moved",
				 "suppressed", "unknown", "facet", "key", "reason", json_text(reason));
	return conclude(s, diff, from, to, DRIFT_UNKNOWN, ret, ret_result, e);
}

static bool that_counts(const json_t *change, int min_severity)
{
	const char *name = json_string_value(json_object_get(change, "severity"));
	enum severity severity;

	if (json_is_string(json_object_get(change, "suppressed_by")))
		return false;
	return !name || severity_parse(name, &severity) < 0 || (int)severity >= min_severity;
}

/* Why its present boot says nothing: what is unknown as a whole says so of every facet. */
static const char *why_learning(const struct side *to)
{
	const struct store_instance *now = to->instance_count ? &to->instances[0] : NULL;

	return now && store_instance_twin(now) && now->coverage[0].reason && *now->coverage[0].reason ? now->coverage[0].reason : "its present boot has not settled yet";
}

/* The present boot is not judged as a whole yet: what was found in it so far, or that it is too early. */
static int compare_learning(struct store *s, const struct side *from, const struct side *to, int min_severity, json_t **ret,
			    int *ret_result, struct error *e)
{
	struct digest digest;
	char *text = NULL;
	json_t *open, *changes;
	bool counts = false;
	int64_t at;
	int err = from->kind == SIDE_BASELINE ? store_drift_get(s, to->guest.row, &text, &digest, &at) : -ENOENT;

	if (err < 0 && err != -ENOENT)
		return error_set(e, -err, "%s", store_error(s));
	open = json_stored(text);
	free(text);
	json_object_del(open, "normaliser"); /* the judge's own */
	changes = json_object_get(open, "changes");
	for (size_t i = 0; i < json_array_size(changes) && !counts; i++)
		counts = that_counts(json_array_get(changes, i), min_severity);
	if (counts)
		return conclude(s, open, from, to, DRIFT_DRIFT, ret, ret_result, e);
	json_decref(open);
	return not_known(s, from, to, why_learning(to), ret, ret_result, e);
}

/*
 * A revision is all that was ever seen of it; where the monitor says that less is seen of the guest that runs now, so does a diff
 * with now, with the reason.
 */
static int coverage_of_now(struct side *side)
{
	const struct store_instance *now = side->instance_count ? &side->instances[0] : NULL;

	if (side->kind != SIDE_NOW || !now || !now->running || !now->state || strcmp(now->state, "unknown"))
		return 0;
	for (int f = 0; f < FACETS; f++) {
		struct abi_coverage *known = &side->entries.coverage[f];
		char *reason;

		if (now->coverage[f].level > known->level)
			continue;
		reason = strdup(now->coverage[f].reason ? now->coverage[f].reason : "");
		if (!reason)
			return -ENOMEM;
		free(known->reason);
		known->reason = reason;
		known->level = now->coverage[f].level;
	}
	return 0;
}

/* The set as the store knows it, so that it can be accepted; else what the changes come to, however few of them are shown. */
static int mark_set(struct store *s, const struct side *from, const struct side *to, const struct drift *drift, json_t *diff)
{
	char *id = NULL;
	json_t *all;
	int err = from->kind == SIDE_BASELINE && to->kind == SIDE_NOW ? store_change_set_of(s, to->guest.row, &id) : 0;

	if (err >= 0 && id) {
		err = json_object_set_new(diff, "change_set", json_string(id)) < 0 ? -ENOMEM : 0;
	} else if (err >= 0) {
		all = drift_json(drift, SEVERITY_NONE);
		err = all ? change_set_mark(all) : -ENOMEM;
		if (err >= 0)
			err = json_object_set(diff, "change_set", json_object_get(all, "change_set")) < 0 ? -ENOMEM : 0;
		json_decref(all);
	}
	free(id);
	return err;
}

/* What a side showed when its boot was first judged as a whole, if that was anything else; and what was seen while it changed. */
struct began {
	struct store_revision revision;
	struct abi_entries entries;
	struct guest_facts *facts;
};

static void began_release(struct began *b)
{
	store_revision_release(&b->revision);
	entries_release(&b->entries);
	facts_free(b->facts);
}

static int began_load(struct store *s, const struct side *side, struct began *ret, struct error *e)
{
	uint32_t boot = side->kind == SIDE_NOW && side->instance_count ? side->instances[0].boot : side->revision.boot;
	uint32_t number = 0;
	int err;

	if (side->kind == SIDE_FILE || !side->number)
		return 0;
	err = store_revision_began(s, side->guest.row, side->number, boot, &number);
	if (err >= 0 && number != side->number)
		err = store_revision_get(s, side->guest.row, number, &ret->revision);
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	if (!ret->revision.revision)
		return 0;
	err = store_revision_entries(&ret->revision, &ret->entries, e);
	return err < 0 ? err : facts_parse(side->revision.facts, side->revision.facts_size, &ret->facts, e);
}

/* A guest that goes on with the memory of another VM (lives.h). */
static bool moved_here(const struct side *now)
{
	const char *life = now->kind == SIDE_NOW && now->instance_count ? now->instances[0].life : NULL;

	return life && (!strcmp(life, "migrated") || !strcmp(life, "restored"));
}

/* What the monitor found under the guest while it ran, since this VMM process began, or in the VM that it took the guest over from. NULL: nothing. */
static json_t *found_before(struct store *s, const struct side *from, const struct side *to)
{
	struct digest digest;
	char *text = NULL;
	json_t *open = NULL;
	int64_t at;

	if (from->kind != SIDE_BASELINE || to->kind != SIDE_NOW || !to->instance_count || store_drift_get(s, to->guest.row, &text, &digest, &at) < 0)
		return NULL;
	if (at >= to->instances[0].began_at || moved_here(to))
		open = json_stored(text);
	free(text);
	return open;
}

static bool severe_enough(const json_t *change, int min_severity)
{
	enum severity severity;

	return severity_parse(json_string_value(json_object_get(change, "severity")), &severity) < 0 || (int)severity >= min_severity;
}

/* As drift_json and drift_result, where what was found under the running guest may change the severities. */
static json_t *diff_carried(const struct drift *drift, const json_t *open, bool moved, int min_severity, enum drift_result *result)
{
	json_t *diff = drift_json(drift, SEVERITY_NONE), *changes = json_object_get(diff, "changes");
	bool counting = false;

	if (!diff || !drift_carry(diff, open, moved)) {
		json_decref(diff);
		return drift_json(drift, min_severity);
	}
	for (size_t i = json_array_size(changes); i-- > 0;) {
		const json_t *change = json_array_get(changes, i);

		if (!severe_enough(change, min_severity))
			json_array_remove(changes, i);
		else
			counting |= !json_is_string(json_object_get(change, "suppressed_by"));
	}
	*result = counting ? DRIFT_DRIFT : DRIFT_SAME;
	for (size_t i = 0; i < drift->unknown_count && *result == DRIFT_SAME; i++)
		if (drift->unknown[i].fell)
			*result = DRIFT_UNKNOWN;
	return diff;
}

static int compare(struct store *s, struct side *from, struct side *to, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result, struct error *e)
{
	struct drift_options options = { .facets = DRIFT_ALL_FACETS };
	struct drift drift = DRIFT_INIT;
	struct began began = { 0 };
	enum drift_result result;
	json_t *diff, *open;
	int err = side_load(s, from, e);

	if (err >= 0)
		err = side_load(s, to, e);
	if (err < 0)
		return err;
	if (coverage_of_now(from) < 0 || coverage_of_now(to) < 0)
		return error_set(e, ENOMEM, "out of memory");
	options.same_guest = from->guest.id && to->guest.id && from->guest.row == to->guest.row;
	err = drift_compare(&from->entries, from->has_context ? &from->context : NULL, &to->entries, to->has_context ? &to->context : NULL,
			    &options, &drift);
	if (err >= 0)
		err = options.same_guest ? began_load(s, to, &began, e) : 0;
	if (err >= 0)
		err = drift_judge(&drift, &(struct drift_circumstances){ .from = from->has_context ? &from->context : NULL,
									 .to = to->has_context ? &to->context : NULL, .now = &to->entries,
									 .boot_began = began.revision.revision ? &began.entries : NULL,
									 .facts = began.facts,
									 .suppress = rules->suppress, .guest = to->guest.id, .name = to->guest.name,
									 .at = rules->at });
	began_release(&began);
	if (err < 0) {
		drift_release(&drift);
		return e->text[0] ? err : error_set(e, -err, "out of memory");
	}
	open = found_before(s, from, to);
	result = drift_result(&drift, (enum severity)min_severity);
	diff = diff_carried(&drift, open, moved_here(to), min_severity, &result);
	json_decref(open);
	err = diff && drift.change_count ? mark_set(s, from, to, &drift, diff) : 0;
	drift_release(&drift);
	if (err < 0) {
		json_decref(diff);
		return error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s));
	}
	return conclude(s, diff, from, to, result, ret, ret_result, e);
}

/* One side was named: baseline against now, or what was named against its guest's now. */
static int compare_one(struct store *s, struct side *named, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result, struct error *e)
{
	struct side other = SIDE_INIT, *from = named, *to = &other;
	char reason[400];
	int err;

	if (named->kind == SIDE_FILE)
		return error_set(e, EINVAL, "diff of a file needs a second fingerprint to compare it with");
	err = side_sibling(s, named, named->kind == SIDE_NOW ? SIDE_BASELINE : SIDE_NOW, &other, e);
	if (err < 0)
		return err;
	if (named->kind == SIDE_NOW) {
		from = &other;
		to = named;
	}
	if (from->kind == SIDE_BASELINE && !from->number) {
		snprintf(reason, sizeof reason, "guest %.200s has no baseline yet%s", called(named),
			 to->number ? " (abidrift accept makes what it is now one)" : ", and no fingerprint");
		err = to->number ? side_load(s, to, e) : 0;
		if (err >= 0)
			err = not_known(s, from, to, reason, ret, ret_result, e);
	} else if (to->learning) {
		/* What is now has no revision yet. */
		to->number = 0;
		err = side_load(s, from, e);
		if (err >= 0)
			err = compare_learning(s, from, to, min_severity, ret, ret_result, e);
	} else {
		err = compare(s, from, to, rules, min_severity, ret, ret_result, e);
	}
	side_release(&other);
	return err;
}

static int stale_put(struct store *s, int64_t now, json_t *diff, struct error *e)
{
	json_t *stale = NULL;
	int err = api_stale(s, now, &stale, e);

	if (err >= 0 && json_object_set_new(diff, "stale", stale) < 0)
		err = error_set(e, ENOMEM, "out of memory");
	return err;
}

/* What a comparison is given last, however it went. */
static int stale_or_none(struct store *s, int err, int64_t now, json_t **diff, struct error *e)
{
	if (err >= 0)
		err = stale_put(s, now, *diff, e);
	if (err < 0) {
		json_decref(*diff);
		*diff = NULL;
	}
	return err;
}

int api_diff_sides(struct store *s, struct side *from, struct side *to, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result,
		   struct error *e)
{
	return stale_or_none(s, compare(s, from, to, rules, min_severity, ret, ret_result, e), rules->at, ret, e);
}

int api_diff(struct store *s, const char *a, const char *b, const struct api_rules *rules, int min_severity, json_t **ret, int *ret_result, struct error *e)
{
	struct side from = SIDE_INIT, to = SIDE_INIT;
	int err = side_find(s, a, &from, e);

	if (err >= 0 && b)
		err = side_find(s, b, &to, e);
	if (err >= 0)
		err = b ? compare(s, &from, &to, rules, min_severity, ret, ret_result, e)
			: compare_one(s, &from, rules, min_severity, ret, ret_result, e);
	err = stale_or_none(s, err, rules->at, ret, e);
	side_release(&from);
	side_release(&to);
	return err;
}

static int diff_guest(struct store *s, int64_t guest, const struct api_rules *rules, int min_severity, json_t *list, struct error *e)
{
	struct side now = SIDE_INIT, baseline = SIDE_INIT;
	json_t *diff = NULL;
	int result, err = side_of_guest(s, guest, SIDE_NOW, &now, e);

	if (err >= 0)
		err = side_sibling(s, &now, SIDE_BASELINE, &baseline, e);
	if (err >= 0 && baseline.number && now.number) {
		err = compare_one(s, &now, rules, min_severity, &diff, &result, e);
		if (err >= 0)
			json_array_append_new(list, diff);
	}
	side_release(&now);
	side_release(&baseline);
	return err;
}

int api_diff_all(struct store *s, const struct api_rules *rules, int min_severity, json_t **ret, struct error *e)
{
	struct store_guest *guests = NULL;
	json_t *list = json_array();
	size_t count = 0;
	int err = store_guests(s, &guests, &count);

	if (err < 0)
		err = error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; err >= 0 && i < count; i++)
		err = diff_guest(s, guests[i].row, rules, min_severity, list, e);
	for (size_t i = 0; i < count; i++)
		store_guest_release(&guests[i]);
	free(guests);
	if (err < 0) {
		json_decref(list);
		return err;
	}
	*ret = list;
	return 0;
}

void api_diff_text(const json_t *diff, const struct api_text *how, struct buffer *out)
{
	drift_text(diff, &(struct drift_text_options){ .color = how->color, .more = how->more, .advice = how->alone }, out);
}
