/* SPDX-License-Identifier: Apache-2.0 */
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

#define SUMMARY_COLUMNS 100
#define FACTORS_MAX 4

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

/* What happened, in words: the drift if it is one, else the reason, else the factors that changed. */
static void what(const json_t *event, struct buffer *out)
{
	json_t *changes = json_object_get(event, "changes"), *context = json_object_get(event, "context"), *diff;

	if (json_array_size(changes)) {
		diff = json_pack("{s:s, s:O}", "result", "drift", "changes", changes);
		drift_summary(diff, SUMMARY_COLUMNS, out);
		json_decref(diff);
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

	if (o->since && text_time_parse(o->since, &since) < 0)
		return output_error(o, "--since %s: has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z", o->since);
	err = settings_store(o, STORE_READ, &store, &e);
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
