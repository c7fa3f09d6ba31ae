/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/alerts_text.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/drift/words.h"
#include "userspace/serve/member.h"
#include "userspace/serve/table.h"

#define SUMMARY_COLUMNS 139
#define WHY_COLUMNS 60

/* "webhook waits (2 refused: HTTP status 503)" */
static void waiting_put(const json_t *sink, struct buffer *out)
{
	json_int_t attempts = json_integer_value(json_object_get(sink, "attempts"));
	const char *why = member_string(sink, "why");

	member_put(out, sink, "sink");
	buffer_string(out, " waits");
	if (!attempts && !why)
		return;
	buffer_string(out, " (");
	if (attempts)
		buffer_printf(out, "refused %lld time%s", (long long)attempts, attempts == 1 ? "" : "s");
	if (attempts && why)
		buffer_string(out, ": ");
	if (why)
		words_cut(why, WHY_COLUMNS, out);
	buffer_string(out, ")");
}

/* Sinks that wait, each with why; where none does one word says it. */
static void delivery_put(const json_t *alert, struct buffer *out)
{
	const json_t *sinks = json_object_get(alert, "sinks"), *sink;
	size_t i, waiting = 0;

	json_array_foreach(sinks, i, sink) {
		const char *state = member_string(sink, "state");

		if (!state || strcmp(state, "waiting"))
			continue;
		buffer_string(out, waiting++ ? ", " : "");
		waiting_put(sink, out);
	}
	if (!waiting)
		buffer_string(out, json_array_size(sinks) ? "done" : "-");
}

void alerts_text(const json_t *alerts, struct buffer *out)
{
	static const char *const headings[] = { "AT", "TYPE", "SEVERITY", "GUEST", "SINKS", "WHAT", NULL };
	const json_t *alert;
	struct table *t;
	size_t i;

	if (!json_array_size(alerts)) {
		buffer_string(out, "no alert was raised\n");
		return;
	}
	t = table_new(headings, false);
	json_array_foreach(alerts, i, alert) {
		const json_t *guest = json_object_get(alert, "guest");
		const char *summary = member_string(alert, "summary");
		struct buffer text = BUFFER_INIT;

		table_member(t, alert, "at");
		table_member(t, alert, "type");
		table_member(t, alert, "severity");
		table_brief(t, guest, guest && member_string(guest, "name") ? "name" : "id");
		delivery_put(alert, &text);
		table_cell(t, text.data ? text.data : "");
		buffer_clear(&text);
		words_cut(summary ? summary : "", SUMMARY_COLUMNS, &text);
		table_cell(t, text.data ? text.data : "");
		buffer_release(&text);
	}
	table_end(t, "", out);
}
