/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/history_text.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/drift/view.h"
#include "userspace/serve/member.h"
#include "userspace/serve/table.h"

#define SUMMARY_COLUMNS 139
#define FACTORS_MAX 4
#define GUESTS_MAX 5

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
		member_put(out, factor, "factor");
		buffer_string(out, " ");
		member_put(out, factor, "from");
		buffer_string(out, " \xe2\x86\x92 ");
		member_put(out, factor, "to");
	}
}

/* "host-1: kernel 6.1.0-18 → 6.1.0-21; 3 guests drifted because of it: web-01, …" */
static void host_put(const json_t *event, struct buffer *out)
{
	const json_t *guests = json_object_get(event, "guests"), *guest;
	size_t i, count = json_array_size(guests);

	if (member_string(event, "reason")) {
		member_put(out, event, "reason");
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
		member_brief(out, guest, member_string(guest, "name") ? "name" : "id");
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
	} else if (member_string(event, "type") && !strcmp(member_string(event, "type"), "host")) {
		host_put(event, out);
	} else if (member_string(event, "reason")) {
		member_put(out, event, "reason");
	} else {
		factors_put(context, out);
	}
}

void history_text(const json_t *events, struct buffer *out)
{
	static const char *const headings[] = { "AT", "TYPE", "GUEST", "REVISION", "BY", "WHAT", NULL };
	struct table *t;
	const json_t *event;
	size_t i;

	if (!json_array_size(events)) {
		buffer_string(out, "nothing has happened yet\n");
		return;
	}
	t = table_new(headings, false);
	json_array_foreach(events, i, event)
	{
		struct buffer text = BUFFER_INIT;

		table_member(t, event, "at");
		table_member(t, event, "type");
		table_brief(t, event, member_string(event, "name") ? "name" : "guest");
		table_member(t, event, "revision");
		table_member(t, event, "by");
		what(event, &text);
		table_cell(t, text.data ? text.data : "");
		buffer_release(&text);
	}
	table_end(t, "", out);
}
