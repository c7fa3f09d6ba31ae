/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "userspace/base/error.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"

static json_t *event_json(const struct store_event *event)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "at", json_time(event->at), "type", event->type, "guest", json_text(event->guest_id),
			 "revision", json_number(event->revision), "by", json_text(event->by), "reason", json_text(event->reason), "changes",
			 json_stored(event->changes), "context", json_stored(event->context));
}

int api_history(struct store *s, const char *guest, int64_t since, json_t **ret, struct error *e)
{
	struct store_event *events = NULL;
	struct store_guest found = { 0 };
	json_t *list;
	size_t count = 0;
	int err = guest ? store_guest_resolve(s, guest, &found, e) : 0;

	if (err < 0)
		return e && *e->text ? err : error_set(e, -err, "there is no guest %s in this store (abidrift ls lists them)", guest);
	err = store_events(s, found.row, since, &events, &count);
	store_guest_release(&found);
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	list = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, event_json(&events[i]));
	store_events_free(events, count);
	*ret = json_pack("{s:o}", "events", list);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}
