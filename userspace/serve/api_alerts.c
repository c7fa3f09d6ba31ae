/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/store/store.h"

/* What is read at once where all are asked for. */
#define ALL_LIMIT 1000
#define ALL_CHARACTERS (4 << 20)
#define UNREADABLE "what this alert told cannot be read: the store is damaged there"

static json_t *fates_json(struct store *s, int64_t row)
{
	struct store_fate *fates = NULL;
	size_t count = 0;
	json_t *list = store_alert_fates(s, row, &fates, &count) < 0 ? NULL : json_array();

	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(list, json_pack("{s:o, s:s, s:I, s:o}", "sink", json_text(fates[i].sink), "state", fates[i].done ? "done" : "waiting",
						      "attempts", (json_int_t)fates[i].attempts, "why", json_text(fates[i].done ? NULL : fates[i].why)));
	store_fates_free(fates, count);
	return list;
}

static json_t *member(const json_t *alert, const char *key)
{
	json_t *value = json_object_get(alert, key);

	return value ? json_incref(value) : json_null();
}

/* Its id stands beside the alert; uuid and name are those that it had then. */
static json_t *about(const json_t *alert, const char *guest)
{
	const json_t *then = json_object_get(alert, "guest");

	return guest ? json_pack("{s:o, s:o, s:o}", "id", json_text(guest), "uuid", member(then, "uuid"), "name", member(then, "name")) : json_null();
}

static json_t *alert_one(struct store *s, const struct store_alert *a)
{
	json_t *alert = json_stored(a->json), *sinks = fates_json(s, a->row), *one = NULL, *summary;

	summary = json_is_object(alert) ? member(alert, "summary") : json_string(UNREADABLE);
	if (alert && sinks)
		one = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:O}", "id", json_text(a->id), "at", json_time(a->at), "type",
				member(alert, "type"), "host", member(alert, "host"), "guest", about(alert, a->guest), "severity", member(alert, "severity"),
				"verdict", member(alert, "verdict"), "summary", json_incref(summary), "changes",
				(json_int_t)json_array_size(json_object_get(alert, "changes")), "change_set", member(alert, "change_set"), "sinks", sinks);
	json_decref(alert);
	json_decref(sinks);
	json_decref(summary);
	return one;
}

/* Adds a part to the list; *before: where it goes on. */
static int part_add(struct store *s, struct store_alerts_part *part, json_t *list, struct error *e)
{
	struct store_alert *items = NULL;
	size_t count = 0;
	int err = store_alerts_newest(s, part, &items, &count, &part->before);

	for (size_t i = 0; err >= 0 && i < count; i++)
		if (json_array_append_new(list, alert_one(s, &items[i])) < 0)
			err = -ENOMEM;
	store_alerts_free(items, count);
	return err < 0 ? error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s)) : 0;
}

/* Parts come newest first, and within each in the order of time. */
static int all_add(struct store *s, struct store_alerts_part *part, json_t *list, struct error *e)
{
	json_t *parts = json_array();
	int err = parts ? 0 : error_set(e, ENOMEM, "out of memory");

	while (err >= 0 && part->before) {
		json_t *one = json_array();

		err = one && json_array_append_new(parts, one) >= 0 ? part_add(s, part, one, e) : error_set(e, ENOMEM, "out of memory");
	}
	for (size_t i = json_array_size(parts); err >= 0 && i-- > 0;)
		if (json_array_extend(list, json_array_get(parts, i)) < 0)
			err = error_set(e, ENOMEM, "out of memory");
	json_decref(parts);
	return err;
}

static int place_parse(const char *text, int64_t *ret)
{
	uint64_t row;

	if (!*text || strspn(text, "0123456789") != strlen(text) || text_u64(text, &row) < 0 || !row || row > INT64_MAX)
		return -EINVAL;
	*ret = (int64_t)row;
	return 0;
}

int api_alerts(struct store *s, const char *guest, const struct api_newest *newest, json_t **ret, struct error *e)
{
	struct store_alerts_part part = { .since = newest->since, .before = INT64_MAX, .limit = newest->limit, .characters = newest->characters };
	struct store_guest found = { 0 };
	json_t *list = NULL, *before = NULL;
	int err;

	if (newest->before && place_parse(newest->before, &part.before) < 0)
		return error_set(e, EINVAL, "before=%.60s: has to be what an answer had as \"before\"", newest->before);
	err = guest ? store_guest_resolve(s, guest, &found, e) : 0;
	if (err < 0)
		return e && *e->text ? err : error_set(e, -err, "there is no guest %s in this store (abidrift ls lists them)", guest);
	part.guest = found.id;
	list = json_array();
	if (!list) {
		err = error_set(e, ENOMEM, "out of memory");
	} else if (part.limit) {
		err = part_add(s, &part, list, e);
		before = part.before ? json_sprintf("%lld", (long long)part.before) : NULL;
	} else {
		part.limit = ALL_LIMIT;
		part.characters = ALL_CHARACTERS;
		err = all_add(s, &part, list, e);
	}
	store_guest_release(&found);
	if (err < 0) {
		json_decref(list);
		json_decref(before);
		return err;
	}
	*ret = json_pack("{s:o, s:o*}", "alerts", list, "before", before);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}
