/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/drift/suppress.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/store/store.h"

/* What one rule does to the guests as they are now. */
struct use {
	size_t changes, guests;
	json_t *over; /* [{"guest","changes"}]: where it fits too many */
};

static json_t *called(const json_t *diff)
{
	const json_t *guest = json_object_get(json_object_get(diff, "to"), "guest");
	json_t *name = json_object_get(guest, "name");

	return json_is_string(name) ? name : json_object_get(guest, "id");
}

static int use_of(const json_t *diffs, const char *rule, struct use *ret)
{
	const json_t *diff, *one;
	size_t i, k;

	*ret = (struct use){ .over = json_array() };
	if (!ret->over)
		return -ENOMEM;
	json_array_foreach(diffs, i, diff) json_array_foreach(json_object_get(diff, "suppressed"), k, one)
	{
		const char *name = json_string_value(json_object_get(one, "rule"));
		json_t *changes = json_object_get(one, "changes");

		if (!name || strcmp(name, rule))
			continue;
		if (json_is_true(json_object_get(one, "applied"))) {
			ret->changes += (size_t)json_integer_value(changes);
			ret->guests++;
		} else if (json_array_append_new(ret->over, json_pack("{s:O, s:O}", "guest", called(diff), "changes", changes)) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static const struct store_suppression *hits_of(const struct store_suppression *hits, size_t count, const char *rule)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(hits[i].rule, rule))
			return &hits[i];
	return NULL;
}

static const char *state_of(const struct suppression *rule, const struct use *use, bool ever, bool known, int64_t at)
{
	if (rule->until && rule->until <= at)
		return "ended";
	if (json_array_size(use->over))
		return "not applied";
	if (use->changes)
		return "applied";
	return ever ? "idle" : known ? "never matched" : "unknown";
}

static int rule_json(const struct suppression *rule, const json_t *diffs, const struct store_suppression *hits, bool known, int64_t at, json_t *list)
{
	struct use use;
	int err = use_of(diffs, rule->name, &use);
	json_t *one = NULL;

	if (err >= 0)
		one = json_pack("{s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:O, s:o}", "rule", json_text(rule->name), "state",
				state_of(rule, &use, hits != NULL, known, at), "reason", json_text(rule->reason), "until", json_time(rule->until),
				"at_most", json_number((int64_t)rule->at_most), "changes", (json_int_t)use.changes, "guests",
				(json_int_t)use.guests, "over", use.over, "last_at", json_time(hits ? hits->last_at : 0));
	json_decref(use.over);
	return one && json_array_append_new(list, one) == 0 ? 0 : -ENOMEM;
}

int api_suppressions(struct store *s, const struct api_rules *rules, json_t **ret, struct error *e)
{
	struct store_suppression *hits = NULL;
	json_t *diffs = NULL, *list = json_array();
	size_t count = 0;
	int err = s && suppressions_count(rules->suppress) ? api_diff_all(s, rules, SEVERITY_NONE, &diffs, e) : 0;

	if (err >= 0 && s && (err = store_suppressions(s, &hits, &count)) < 0)
		error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; err >= 0 && i < suppressions_count(rules->suppress); i++) {
		struct suppression rule = suppressions_get(rules->suppress, i);

		err = rule_json(&rule, diffs, hits_of(hits, count, rule.name), s != NULL, rules->at, list);
		if (err < 0)
			error_set(e, ENOMEM, "out of memory");
	}
	store_suppressions_free(hits, count);
	json_decref(diffs);
	if (err < 0) {
		json_decref(list);
		return err;
	}
	*ret = list;
	return 0;
}
