/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/notice_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/text.h"
#include "userspace/drift/advice.h"
#include "userspace/drift/change_set.h"
#include "userspace/drift/drift.h"
#include "userspace/drift/view.h"
#include "userspace/store/store.h"

#define NAME_BYTES 200
#define SUMMARY_COLUMNS 480
#define DESCRIPTION_BYTES 3000
#define REASON_BYTES 1000
#define NAMES_MAX 20

/* ---- bounded text */

static bool continues(char byte)
{
	return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Cuts what is behind `bytes`, not within a character. */
static bool cut(struct buffer *text, size_t bytes)
{
	if (buffer_failed(text) || text->size <= bytes)
		return false;
	while (bytes && continues(text->data[bytes]))
		bytes--;
	text->size = bytes;
	text->data[bytes] = 0;
	return true;
}

/* Two that are cut stay two. */
static void name_put(struct buffer *out, const char *name, int64_t row)
{
	struct buffer text = BUFFER_INIT;

	text_terminal(&text, name, strlen(name));
	if (cut(&text, NAME_BYTES))
		buffer_printf(&text, "… #%" PRId64, row);
	if (buffer_failed(&text))
		out->failed = true;
	else
		buffer_append(out, text.data, text.size);
	buffer_release(&text);
}

static const char *drift_name(const struct store_drift *d)
{
	return d->name ? d->name : d->id;
}

/* Takes the buffer. NULL where memory failed, as json_object_set_new likes it. */
static json_t *text_json(struct buffer *text)
{
	json_t *string = buffer_failed(text) ? NULL : json_stringn(text->data ? text->data : "", text->size);

	buffer_release(text);
	return string;
}

static json_t *name_json(const char *name, int64_t row)
{
	struct buffer text = BUFFER_INIT;

	name_put(&text, name, row);
	return text_json(&text);
}

/* A command about that guest. For a shell: people copy it, and a guest may have chosen the name. */
static void command_put(struct buffer *out, const char *verb, const char *guest)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
	struct buffer word = BUFFER_INIT;

	if (*guest && *guest != '-' && !guest[strspn(guest, plain)])
		buffer_printf(out, "abidrift %s %s", verb, guest);
	else if (advice_word(guest, &word) && !buffer_failed(&word))
		buffer_printf(out, "abidrift %s %s", verb, word.data);
	else
		buffer_string(out, "abidrift ls");
	out->failed |= buffer_failed(&word);
	buffer_release(&word);
}

/* ---- drift */

static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_t *drift_labels(const struct store_drift *first, bool alone, const json_t *diff)
{
	json_t *changes = json_object_get(diff, "changes");
	const char *verdict = verdict_name(changes_verdict(changes));
	json_t *labels = json_pack("{s:s, s:s}", "alertname", "AbidriftDrift", "severity", severity_name(changes_severity(changes)));
	int err = labels ? 0 : -1;

	if (first->host && *first->host)
		err |= json_object_set_new(labels, "host", name_json(first->host, 0));
	if (verdict)
		err |= json_object_set_new(labels, "verdict", json_string(verdict));
	if (first->change_set)
		err |= json_object_set_new(labels, "change_set", name_json(first->change_set, 0));
	if (alone)
		err |= json_object_set_new(labels, "guest", name_json(drift_name(first), first->guest));
	if (alone && first->uuid)
		err |= json_object_set_new(labels, "uuid", name_json(first->uuid, first->guest));
	if (!err)
		return labels;
	json_decref(labels);
	return NULL;
}

static json_t *drift_summary_json(const struct store_drift *first, size_t count, const json_t *diff)
{
	struct buffer text = BUFFER_INIT;

	if (count == 1)
		name_put(&text, drift_name(first), first->guest);
	else
		buffer_printf(&text, "%zu guests drift alike", count);
	buffer_string(&text, ": ");
	drift_summary(diff, SUMMARY_COLUMNS, &text);
	return text_json(&text);
}

/* As `abidrift diff` shows it; whole lines. */
static json_t *drift_description(const json_t *diff)
{
	struct buffer text = BUFFER_INIT;

	drift_text(diff, &(struct drift_text_options){ .color = false }, &text);
	if (cut(&text, DESCRIPTION_BYTES)) {
		char *line = strrchr(text.data, '\n');

		if (line)
			text.size = (size_t)(line + 1 - text.data);
		buffer_string(&text, "…\n");
	}
	return text_json(&text);
}

static json_t *drift_guests(const struct store_drift *const *guests, size_t count)
{
	struct buffer text = BUFFER_INIT;

	for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
		buffer_string(&text, i ? ", " : "");
		name_put(&text, drift_name(guests[i]), guests[i]->guest);
	}
	if (count > NAMES_MAX)
		buffer_printf(&text, " and %zu more (%zu)", count - NAMES_MAX, count);
	return text_json(&text);
}

static json_t *drift_command(const struct store_drift *first)
{
	struct buffer text = BUFFER_INIT;

	command_put(&text, "diff", first->id);
	return text_json(&text);
}

static json_t *whole(json_t *labels, json_t *annotations, json_t *guests)
{
	/* "o" takes them, also when it fails. */
	return json_pack("{s:o, s:o, s:o}", "labels", labels, "annotations", annotations, "guests", guests);
}

json_t *notice_drift(const struct store_drift *const *guests, size_t count, bool alone, const json_t *diff)
{
	json_t *rows = json_array();
	json_t *annotations = json_pack("{s:o, s:o, s:o, s:o}", "summary", drift_summary_json(guests[0], count, diff), "description",
					drift_description(diff), "guests", drift_guests(guests, count), "command", drift_command(guests[0]));

	for (size_t i = 0; i < count; i++)
		json_array_append_new(rows, json_integer(guests[i]->guest));
	return whole(drift_labels(guests[0], alone, diff), annotations, rows);
}

void notice_superseded(json_t *notice, size_t on)
{
	json_t *annotations = json_object_get(notice, "annotations");
	const char *guests = member(annotations, "guests");
	size_t count = json_array_size(json_object_get(notice, "guests"));
	struct buffer text = BUFFER_INIT;

	if (count > 1)
		buffer_printf(&text, "%zu of %zu guests drift on: another alert tells of them now", on, count);
	else
		buffer_printf(&text, "%s: drifts on: another alert tells of it now", guests ? guests : "");
	json_object_set_new(annotations, "summary", text_json(&text));
}

/* ---- where somebody does not see */

/* "monitor/HOST", "facet/HOST/FACET", "guest/ID/FACET": an id may have slashes, a facet has none. */
static bool scope_of(const struct store_blind *blind, char room[16], const char **ret_facet)
{
	const char *slash = strchr(blind->scope, '/'), *last = strrchr(blind->scope, '/');
	size_t size = slash ? (size_t)(slash - blind->scope) : 0;

	if (!size || size >= 16)
		return false;
	memcpy(room, blind->scope, size);
	room[size] = 0;
	*ret_facet = strcmp(room, "monitor") && last != slash ? last + 1 : NULL;
	return true;
}

static json_t *blind_labels(const struct store_blind *blind, const struct store_guest *guest)
{
	json_t *labels = json_pack("{s:s, s:s}", "alertname", "AbidriftBlind", "severity", severity_name(blind->severity));
	int err = labels ? 0 : -1;
	const char *facet = NULL;
	char scope[16];

	if (*blind->host)
		err |= json_object_set_new(labels, "host", name_json(blind->host, 0));
	if (scope_of(blind, scope, &facet))
		err |= json_object_set_new(labels, "scope", name_json(scope, 0));
	if (facet)
		err |= json_object_set_new(labels, "facet", name_json(facet, 0));
	if (blind->guest)
		err |= json_object_set_new(labels, "guest", name_json(guest && guest->name ? guest->name : blind->guest, guest ? guest->row : 0));
	if (guest && guest->uuid)
		err |= json_object_set_new(labels, "uuid", name_json(guest->uuid, guest->row));
	if (!err)
		return labels;
	json_decref(labels);
	return NULL;
}

static void reason_put(struct buffer *out, const struct store_blind *blind)
{
	struct buffer reason = BUFFER_INIT;

	text_terminal(&reason, blind->reason, strlen(blind->reason));
	if (cut(&reason, REASON_BYTES))
		buffer_string(&reason, "…");
	if (buffer_failed(&reason))
		out->failed = true;
	else
		buffer_append(out, reason.data, reason.size);
	buffer_release(&reason);
}

/* In the words of the alert "blind" (userspace/blind.c), without the host: that is a label, and whoever shows the one shows the other. */
static json_t *blind_summary(const struct store_blind *blind, const struct store_guest *guest)
{
	struct buffer text = BUFFER_INIT;
	const char *facet = NULL;
	char scope[16];
	bool whole_monitor = scope_of(blind, scope, &facet) && !facet && !blind->guest;

	if (blind->guest) {
		name_put(&text, guest && guest->name ? guest->name : blind->guest, guest ? guest->row : 0);
		buffer_string(&text, ": less is seen of it than its baseline holds: ");
	} else {
		buffer_string(&text, whole_monitor ? "its guests are not watched: " : "less is seen of its guests than before: ");
	}
	if (facet) {
		name_put(&text, facet, 0);
		buffer_string(&text, ": ");
	}
	reason_put(&text, blind);
	return text_json(&text);
}

static json_t *blind_description(const struct store_blind *blind)
{
	struct buffer text = BUFFER_INIT;

	reason_put(&text, blind);
	return text_json(&text);
}

/* `abidrift doctor` looks at the host, and finds nothing wrong where only the monitor is gone. */
static json_t *blind_command(const struct store_blind *blind)
{
	struct buffer command = BUFFER_INIT;

	if (blind->guest)
		command_put(&command, "show", blind->guest);
	else
		buffer_string(&command, strncmp(blind->scope, "monitor/", 8) ? "abidrift doctor" : "systemctl status abidrift");
	return text_json(&command);
}

json_t *notice_blind(const struct store_blind *blind, const struct store_guest *guest)
{
	return whole(blind_labels(blind, guest),
		     json_pack("{s:o, s:o, s:o, s:s}", "summary", blind_summary(blind, guest), "description", blind_description(blind), "command",
			       blind_command(blind), "runbook_url", "docs/operations.md#blind"),
		     json_array());
}

/* ---- a test */

json_t *notice_test(const char *host, const char *id)
{
	struct buffer text = BUFFER_INIT;

	buffer_string(&text, "test ");
	name_put(&text, id ? id : "", 0);
	buffer_string(&text, " of abidrift; it ends by itself after a minute");
	return whole(json_pack("{s:s, s:s, s:o}", "alertname", "AbidriftTest", "severity", "info", "host", name_json(host, 0)),
		     json_pack("{s:o}", "summary", text_json(&text)), json_array());
}
