/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

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
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at", json_time(event->at), "type", event->type, "guest",
			 json_text(event->guest_id), "name", json_text(name), "revision", json_number(event->revision), "by",
			 json_text(event->by), "reason", json_text(event->reason), "changes", json_stored(event->changes), "context",
			 json_stored(event->context), "change_set", json_text(event->change_set));
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
		return error_set(e, -err, "%s", store_error(s));
	}
	*ret = json_pack("{s:o}", "events", list);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}
