/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/table.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/view.h"
#include "userspace/serve/api.h"

#define SUMMARY_COLUMNS 139
#define FACTORS_MAX 4
#define GUESTS_MAX 5
/* --since, in place of a time. */
#define LAST_HOST_CHANGE "last-host-change"

/* "kernel 6.1.0-18 → 6.1.0-21, …" */
static void factors_put(const json_t *context, struct buffer *out)
{
	const json_t *factor;
	size_t i;

	json_array_foreach(context, i, factor)
	{
		if (i == FACTORS_MAX) {
			buffer_printf(out, " and %zu more", json_array_size(context) - i);
			return;
		}
		buffer_string(out, i ? ", " : "");
		output_member(out, factor, "factor");
		buffer_string(out, " ");
		output_member(out, factor, "from");
		buffer_string(out, " \xe2\x86\x92 ");
		output_member(out, factor, "to");
	}
}

/* "host-1: kernel 6.1.0-18 → 6.1.0-21; 3 guests drifted because of it: web-01, …" */
static void host_put(const json_t *event, struct buffer *out)
{
	const json_t *guests = json_object_get(event, "guests"), *guest;
	size_t i, count = json_array_size(guests);

	if (output_string(event, "reason")) {
		output_member(out, event, "reason");
		buffer_string(out, ": ");
	}
	factors_put(json_object_get(event, "context"), out);
	if (!count)
		return;
	buffer_printf(out, "; %zu guest%s drifted because of it: ", count, count == 1 ? "" : "s");
	json_array_foreach(guests, i, guest)
	{
		if (i == GUESTS_MAX) {
			buffer_printf(out, " and %zu more", count - i);
			return;
		}
		buffer_string(out, i ? ", " : "");
		output_member(out, guest, output_string(guest, "name") ? "name" : "id");
	}
}

/* What happened, in words: the drift if it is one, else the reason, else the factors that changed. */
static void what(const json_t *event, struct buffer *out)
{
	json_t *changes = json_object_get(event, "changes"), *context = json_object_get(event, "context"), *diff;

	if (json_array_size(changes)) {
		diff = json_pack("{s:s, s:O, s:O?}", "result", "drift", "changes", changes, "vmm", json_object_get(event, "vmm"));
		drift_summary(diff, SUMMARY_COLUMNS, out);
		json_decref(diff);
	} else if (output_string(event, "type") && !strcmp(output_string(event, "type"), "host")) {
		host_put(event, out);
	} else if (output_string(event, "reason")) {
		output_member(out, event, "reason");
	} else {
		factors_put(context, out);
	}
}

static void history_text(const json_t *events, struct buffer *out)
{
	static const char *const headings[] = { "AT", "TYPE", "GUEST", "REVISION", "BY", "WHAT", NULL };
	struct table *t = table_new(headings, false);
	const json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
	{
		struct buffer text = BUFFER_INIT;

		table_member(t, event, "at");
		table_member(t, event, "type");
		table_member(t, event, output_string(event, "name") ? "name" : "guest");
		table_member(t, event, "revision");
		table_member(t, event, "by");
		what(event, &text);
		table_cell(t, text.data ? text.data : "");
		buffer_release(&text);
	}
	table_end(t, "", out);
}

int verb_history(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct store *store = NULL;
	json_t *model = NULL;
	int64_t since = 0;
	int code, err = 0;

	bool last_change = o->since && !strcmp(o->since, LAST_HOST_CHANGE);

	if (o->since && !last_change && text_since_parse(o->since, settings_now(), &since) < 0)
		return output_error(o, "--since %.60s: has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z, a duration like 2h, or " LAST_HOST_CHANGE, o->since);
	err = settings_store(o, STORE_READ, &store, &e);
	if (err >= 0 && last_change)
		err = api_last_host_change(store, &since, &e);
	if (err >= 0)
		err = api_history(store, o->argument_count ? o->arguments[0] : NULL, since, &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (o->json)
		return output_json(o, model);
	if (json_array_size(json_object_get(model, "events")))
		history_text(json_object_get(model, "events"), &text);
	else if (!o->quiet)
		buffer_string(&text, "nothing has happened yet\n");
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}
