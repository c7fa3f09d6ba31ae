/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/alert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/base/visible_json.h"
#include "userspace/store/store.h"

/* An alert is read by people and carried by sinks with limits: more changes than this are counted, not listed. */
#define CHANGES_MAX 512
#define ID_DIGITS 32

json_t *alert_text(const char *text)
{
	struct buffer utf8 = BUFFER_INIT;
	json_t *value = NULL;

	if (!text)
		return json_null();
	text_utf8(&utf8, text, strlen(text));
	if (!buffer_failed(&utf8))
		value = json_stringn(utf8.size ? utf8.data : "", utf8.size);
	buffer_release(&utf8);
	return value;
}

/* Who it is about comes first: a summary is often all that a pager shows. */
static json_t *summary_json(const struct alert *a)
{
	const struct store_guest *guest = a->guest;
	const char *who = !guest ? NULL : guest->name && guest->name[0] ? guest->name : guest->uuid ? guest->uuid : guest->id;
	struct buffer line = BUFFER_INIT;
	json_t *value = NULL;

	text_terminal(&line, who ? who : "", who ? strlen(who) : 0);
	buffer_string(&line, line.size ? ": " : "");
	buffer_string(&line, a->summary);
	if (!buffer_failed(&line))
		value = alert_text(line.size ? line.data : "");
	buffer_release(&line);
	return value;
}

static json_t *bounded(const json_t *changes)
{
	json_t *list = json_array(), *change;
	size_t i;

	json_array_foreach(changes, i, change)
		if (i < CHANGES_MAX)
			json_array_append(list, change);
	return list;
}

/* Made from what the alert says, so that writing it again after a failed commit gives the same one. */
static void id_of(const struct alert *a, char ret[ID_DIGITS + 1])
{
	struct buffer text = BUFFER_INIT;
	struct digest digest;

	if (a->about)
		buffer_printf(&text, "%s\n%s\n%s", a->host, a->type, a->about);
	else
		buffer_printf(&text, "%s\n%s\n%s\n%" PRId64 "\n%s", a->host, a->guest ? a->guest->id : "", a->type, a->now, a->summary);
	digest_bytes(text.data, text.size, &digest);
	buffer_release(&text);
	memcpy(ret, digest.text + strlen("sha256:"), ID_DIGITS);
	ret[ID_DIGITS] = '\0';
}

json_t *alert_json(const struct alert *a)
{
	const struct store_guest *guest = a->guest;
	struct buffer at = BUFFER_INIT;
	char id[ID_DIGITS + 1];
	json_t *json = NULL;

	text_time(&at, a->now);
	id_of(a, id);
	if (!buffer_failed(&at))
		json = json_pack("{s:s, s:s, s:s, s:o, s:{s:o, s:o}, s:s, s:s?, s:o, s:o, s:o, s:s?}", "id", id, "at", at.data, "type", a->type, "host",
				 alert_text(a->host), "guest", "uuid", alert_text(guest ? guest->uuid : NULL), "name", alert_text(guest ? guest->name : NULL),
				 "severity", severity_name(a->severity), "verdict", a->verdict, "summary", summary_json(a), "changes", bounded(a->changes),
				 "context", a->context ? json_copy((json_t *)a->context) : json_array(), "change_set", a->change_set);
	if (json && a->change_sets && json_object_set(json, "change_sets", (json_t *)a->change_sets) < 0) {
		json_decref(json);
		json = NULL;
	}
	buffer_release(&at);
	return json;
}

int alert_add(struct store *s, const struct alert *a)
{
	json_t *json = alert_json(a);
	char *line = visible_json(json, JSON_COMPACT);
	int err = -ENOMEM;

	if (line)
		err = store_alert_add(s, json_string_value(json_object_get(json, "id")), a->guest ? a->guest->id : NULL, line, a->now);
	free(line);
	json_decref(json);
	return err;
}
