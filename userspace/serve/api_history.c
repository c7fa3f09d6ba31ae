/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"

/* What the guest is called now; NULL: about the host, or it has no name. */
static const char *name_of(const struct store_guest *guests, size_t count, int64_t row)
{
	for (size_t i = 0; i < count; i++)
		if (guests[i].row == row)
			return guests[i].name;
	return NULL;
}

static json_t *event_json(const struct store_event *event, const char *name)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n}", "at", json_time(event->at), "type", event->type, "guest",
			 json_text(event->guest_id), "name", json_text(name), "revision", json_number(event->revision), "by",
			 json_text(event->by), "reason", json_text(event->reason), "changes", json_stored(event->changes), "context",
			 json_stored(event->context), "change_set", json_text(event->change_set), "guests");
}

/* ---- whom a change of the host hit */

static bool is_type(const json_t *event, const char *type)
{
	const char *is = json_string_value(json_object_get(event, "type"));

	return is && !strcmp(is, type);
}

static bool names_factor(const json_t *list, const char *factor)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *name = json_string_value(json_object_get(one, "factor"));

		if (name && !strcmp(name, factor))
			return true;
	}
	return false;
}

/* Adds the guest of a drift event to a host event, once. */
static int guest_add(json_t *host_event, const json_t *drift)
{
	json_t *guests = json_object_get(host_event, "guests"), *id = json_object_get(drift, "guest"), *one;
	size_t i;

	json_array_foreach(guests, i, one)
		if (json_equal(json_object_get(one, "id"), id))
			return 0;
	return json_array_append_new(guests, json_pack("{s:O, s:O}", "id", id, "name", json_object_get(drift, "name")));
}

/* What happened to the host so far, in the order of time; borrowed. There are few of them, however long the history is. */
struct host_changes {
	json_t **items;
	size_t count;
};

static int host_change_add(struct host_changes *h, json_t *event)
{
	json_t **grown = reallocarray(h->items, h->count + 1, sizeof *grown);

	if (!grown)
		return -ENOMEM;
	h->items = grown;
	grown[h->count++] = event;
	return json_object_set_new(event, "guests", json_array()) < 0 ? -ENOMEM : 0;
}

/* A factor that drift names as its cause, and the newest change of it before that drift. */
static int factor_blame(const struct host_changes *h, const char *factor, const json_t *drift)
{
	for (size_t i = h->count; i-- > 0;)
		if (names_factor(json_object_get(h->items[i], "context"), factor))
			return guest_add(h->items[i], drift);
	return 0;
}

/* So many factors are kept in mind; a drift with more causes has its best ones first. */
#define FACTORS_MAX 32

static int drift_blame(const struct host_changes *h, const json_t *drift)
{
	const json_t *change, *cause;
	const char *done[FACTORS_MAX];
	size_t c, f, k, count = 0;
	int err = 0;

	json_array_foreach(json_object_get(drift, "changes"), c, change) {
		json_array_foreach(json_object_get(change, "cause"), f, cause) {
			const char *factor = json_string_value(json_object_get(cause, "factor"));

			for (k = 0; k < count && factor && strcmp(done[k], factor); k++)
				;
			if (!factor || k < count || count == FACTORS_MAX)
				continue;
			done[count++] = factor;
			if (err >= 0)
				err = factor_blame(h, factor, drift);
		}
	}
	return err < 0 ? -ENOMEM : 0;
}

static int blame(json_t *events)
{
	struct host_changes h = { 0 };
	size_t i;
	json_t *event;
	int err = 0;

	json_array_foreach(events, i, event) {
		if (err >= 0 && is_type(event, "host"))
			err = host_change_add(&h, event);
		else if (err >= 0 && h.count && is_type(event, "drift"))
			err = drift_blame(&h, event);
	}
	free(h.items);
	return err;
}

int api_last_host_change(struct store *s, int64_t *ret_since, struct error *e)
{
	int err = store_event_last(s, "host", ret_since);

	if (err == -ENOENT)
		return error_set(e, ENOENT, "the host has not changed since it is watched: there is no last-host-change");
	return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
}

static int events_json(struct store *s, int64_t guest, int64_t since, json_t *list)
{
	struct store_event *events = NULL;
	struct store_guest *guests = NULL;
	size_t count = 0, guest_count = 0;
	int err = store_guests(s, &guests, &guest_count);

	if (err >= 0)
		err = store_events(s, guest, since, &events, &count);
	for (size_t i = 0; err >= 0 && i < count; i++)
		json_array_append_new(list, event_json(&events[i], name_of(guests, guest_count, events[i].guest)));
	if (err >= 0)
		err = blame(list);
	store_events_free(events, count);
	for (size_t i = 0; i < guest_count; i++)
		store_guest_release(&guests[i]);
	free(guests);
	return err;
}

int api_history(struct store *s, const char *guest, int64_t since, json_t **ret, struct error *e)
{
	struct store_guest found = { 0 };
	json_t *list;
	int err = guest ? store_guest_resolve(s, guest, &found, e) : 0;

	if (err < 0)
		return e && *e->text ? err : error_set(e, -err, "there is no guest %s in this store (abidrift ls lists them)", guest);
	list = json_array();
	err = events_json(s, found.row, since, list);
	store_guest_release(&found);
	if (err < 0) {
		json_decref(list);
		return error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s));
	}
	*ret = json_pack("{s:o}", "events", list);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}
