/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/commands/rules.h"

#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/settings.h"
#include "userspace/drift/suppress.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/serve/table.h"

json_t *rules_json(const struct options *o)
{
	struct error e = ERROR_INIT, ignored = ERROR_INIT;
	struct api_rules rules = { .at = settings_now() };
	struct suppressions *suppressions = NULL;
	struct store *store = NULL;
	json_t *list = NULL;

	if (settings_suppressions(o, NULL, &suppressions, &e) >= 0 && suppressions_count(suppressions)) {
		rules.suppress = suppressions;
		if (settings_store(o, STORE_READ, &store, &e) < 0)
			store = NULL;
		if (api_suppressions(store, &rules, &list, &e) < 0)
			api_suppressions(NULL, &rules, &list, &ignored);
	}
	store_close(store);
	suppressions_free(suppressions);
	return json_pack("{s:o, s:o}", "suppressions", list ? list : json_array(), "suppressions_error", json_text(e.text));
}

static void over_text(const json_t *rule, struct buffer *out)
{
	const json_t *over = json_object_get(rule, "over"), *first = json_array_get(over, 0);
	size_t others = json_array_size(over) - 1;

	buffer_string(out, "fits ");
	output_member(out, first, "changes");
	buffer_string(out, " changes of ");
	output_member(out, first, "guest");
	if (others)
		buffer_printf(out, " and more than that of %zu other guest%s", others, others == 1 ? "" : "s");
	buffer_string(out, ", says at most ");
	output_member(out, rule, "at_most");
	buffer_string(out, others ? ": not applied to them" : ": not applied to it");
}

static void hides_text(const json_t *rule, struct buffer *out)
{
	json_int_t changes = json_integer_value(json_object_get(rule, "changes")), guests = json_integer_value(json_object_get(rule, "guests"));

	buffer_printf(out, "hides %lld change%s of %lld guest%s", (long long)changes, changes == 1 ? "" : "s", (long long)guests,
		      guests == 1 ? "" : "s");
}

static void state_text(const json_t *rule, struct buffer *out)
{
	const char *state = output_string(rule, "state");

	if (!strcmp(state, "ended")) {
		buffer_string(out, "ended ");
		output_member(out, rule, "until");
		buffer_string(out, ": it can go");
	} else if (!strcmp(state, "not applied")) {
		over_text(rule, out);
		if (json_integer_value(json_object_get(rule, "guests"))) {
			buffer_string(out, "; ");
			hides_text(rule, out);
		}
	} else if (!strcmp(state, "applied")) {
		hides_text(rule, out);
	} else if (!strcmp(state, "idle")) {
		buffer_string(out, "hides nothing now");
	} else {
		buffer_string(out, state);
	}
}

void rules_text(const json_t *model, struct buffer *out)
{
	static const char *const headings[] = { "SUPPRESSION", "WHAT IT DOES", "HID LAST", "REASON", NULL };
	const json_t *rules = json_object_get(model, "suppressions"), *rule;
	struct table *t;
	size_t i;

	if (json_array_size(rules)) {
		t = table_new(headings, false);
		json_array_foreach(rules, i, rule)
		{
			struct buffer state = BUFFER_INIT;

			state_text(rule, &state);
			table_member(t, rule, "rule");
			table_cell(t, state.data ? state.data : "");
			table_member(t, rule, "last_at");
			table_member(t, rule, "reason");
			buffer_release(&state);
		}
		table_end(t, "", out);
		buffer_string(out, "\n");
	}
	if (output_string(model, "suppressions_error")) {
		buffer_string(out, "Rules: ");
		output_member(out, model, "suppressions_error");
		buffer_string(out, "\n\n");
	}
}
