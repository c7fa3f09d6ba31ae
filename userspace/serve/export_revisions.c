/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/drift/drift.h"
#include "userspace/drift/view.h"
#include "userspace/serve/export_internal.h"
#include "userspace/serve/export_raw.h"
#include "userspace/serve/json.h"
#include "userspace/serve/member.h"

#define PATH_BYTES 64
/* Numbers of revisions are looked at from the newest on: those in between may have been pruned. */
#define NUMBERS_MAX 4096

/* ---- which of them */

static bool chosen(const struct export_work *w, uint32_t number)
{
	for (size_t i = 0; i < w->revision_count; i++)
		if (w->revisions[i] == number)
			return true;
	return false;
}

static void choose(struct export_work *w, uint32_t number)
{
	struct digest digest;
	int64_t at;

	if (number && w->revision_count < EXPORT_REVISIONS_MAX && !chosen(w, number) &&
	    store_revision_mark(w->store, w->now.guest.row, number, &digest, &at) >= 0)
		w->revisions[w->revision_count++] = number;
}

static int by_number(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

void export_revisions_choose(struct export_work *w)
{
	const json_t *events = json_object_get(w->history, "events");
	uint32_t newest = w->now.guest.revisions, last = newest > NUMBERS_MAX ? newest - NUMBERS_MAX : 0;
	size_t kept = 0;
	char what[96];

	choose(w, w->now.number);
	choose(w, w->baseline);
	for (size_t i = json_array_size(events); i-- > 0;) {
		const json_t *event = json_array_get(events, i);
		const char *type = member_string(event, "type");

		if (type && !strcmp(type, "drift"))
			choose(w, (uint32_t)json_integer_value(json_object_get(event, "revision")));
	}
	for (uint32_t number = newest; number > last && w->revision_count < EXPORT_REVISIONS_MAX; number--) {
		choose(w, number);
		kept = number;
	}
	if (w->revision_count == EXPORT_REVISIONS_MAX && kept != 1) {
		snprintf(what, sizeof what, "revisions beyond %d", EXPORT_REVISIONS_MAX);
		export_files_lack(&w->files, what, "the newest are told, the baseline, and those that drift was told of: `abidrift show GUEST@REV` has the others");
	}
	if (w->revision_count)
		qsort(w->revisions, w->revision_count, sizeof *w->revisions, by_number);
}

/* ---- their files */

static void context_add(struct export_work *w, const char *folder, const struct side *side)
{
	json_t *context = json_object();
	char path[PATH_BYTES];

	for (size_t i = 0; side->has_context && i < side->context.count; i++) {
		struct buffer name = BUFFER_INIT;

		text_utf8(&name, side->context.items[i].factor, strlen(side->context.items[i].factor));
		if (!buffer_failed(&name) && name.size)
			json_object_set_new(context, name.data, json_text(side->context.items[i].value));
		buffer_release(&name);
	}
	snprintf(path, sizeof path, "%scontext.json", folder);
	export_files_json(&w->files, path, "the host's side then: kernel, CPU, VMM, machine type, its options without secrets", side->revision.at, context);
}

static void evidence_add(struct export_work *w, const char *folder, const struct side *side)
{
	struct guest_facts *facts = NULL;
	struct buffer body = BUFFER_INIT;
	struct error e = ERROR_INIT;
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%sfacts.bin", folder);
	if (facts_parse(side->revision.facts, side->revision.facts_size, &facts, &e) < 0) {
		export_files_lack(&w->files, path, *e.text ? e.text : "its facts cannot be read");
		return;
	}
	export_raw_add(&w->files, facts, folder, side->revision.at);
	facts_free(facts);
	buffer_append(&body, side->revision.facts, side->revision.facts_size);
	export_files_add(&w->files, path, "all that was seen of the guest, as abidrift keeps it: records as in a trace file (docs/trace-format.md)", side->revision.at,
			 &body);
}

static void revision_add(struct export_work *w, uint32_t number)
{
	struct side side = SIDE_INIT;
	struct buffer text = BUFFER_INIT, answer = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *show = NULL;
	char folder[PATH_BYTES / 2], path[PATH_BYTES];
	int err = side_of_name(w->store, w->id, SIDE_REVISION, number, &side, &e);

	snprintf(folder, sizeof folder, "revisions/%u/", number);
	if (err >= 0)
		err = side_load(w->store, &side, &e);
	if (err >= 0 && fingerprint_write(&side.entries, &text) >= 0) {
		snprintf(path, sizeof path, "%sfingerprint.txt", folder);
		export_files_add(&w->files, path, "the fingerprint text itself: `abidrift diff` compares it with others", side.revision.at, &text);
		err = api_guest(w->store, w->id, number, &show, &e);
	}
	if (err >= 0) {
		snprintf(path, sizeof path, "%sshow.json", folder);
		export_json_put(show, &text);
		buffer_string(&answer, "/api/v1/guests/");
		export_uri_put(&answer, w->id);
		buffer_printf(&answer, "/revisions/%u", number);
		if (!buffer_failed(&text) && !buffer_failed(&answer))
			export_report_answer(&w->report, answer.data, text.data, text.size - 1);
		export_files_add(&w->files, path, "the fingerprint decoded, with digests and coverage, as `abidrift show --json` prints it", side.revision.at, &text);
		context_add(w, folder, &side);
		evidence_add(w, folder, &side);
	} else {
		export_files_lack(&w->files, folder, e.text);
	}
	json_decref(show);
	buffer_release(&text);
	buffer_release(&answer);
	side_release(&side);
}

/* What is compared with is of more use than what lies long back. */
void export_revisions_add(struct export_work *w)
{
	if (chosen(w, w->now.number))
		revision_add(w, w->now.number);
	if (w->baseline != w->now.number && chosen(w, w->baseline))
		revision_add(w, w->baseline);
	for (size_t i = w->revision_count; i-- > 0;)
		if (w->revisions[i] != w->now.number && w->revisions[i] != w->baseline)
			revision_add(w, w->revisions[i]);
}

/* ---- comparisons */

/* The path that the page asks with. to 0: alone. */
static void diff_path(const struct export_work *w, uint32_t from, uint32_t to, struct buffer *out)
{
	struct buffer side = BUFFER_INIT;

	export_side_put(&side, w->id, from);
	buffer_string(out, "/api/v1/diff?from=");
	export_uri_put(out, side.data ? side.data : "");
	if (to) {
		buffer_clear(&side);
		export_side_put(&side, w->id, to);
		buffer_string(out, "&to=");
		export_uri_put(out, side.data ? side.data : "");
	}
	buffer_release(&side);
}

/* name NULL: for the report only. */
static void diff_add(struct export_work *w, uint32_t from, uint32_t to, const char *name)
{
	struct buffer a = BUFFER_INIT, b = BUFFER_INIT, path = BUFFER_INIT, text = BUFFER_INIT, json = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *model = NULL;
	char file[PATH_BYTES];
	int result, err;

	export_side_put(&a, w->id, from);
	export_side_put(&b, w->id, to);
	diff_path(w, from, to, &path);
	if (buffer_failed(&a) || buffer_failed(&b) || buffer_failed(&path)) {
		w->files.failed = true;
		goto end;
	}
	err = api_diff(w->store, a.data, to ? b.data : NULL, w->rules, SEVERITY_NONE, &model, &result, &e);
	if (err < 0) {
		export_files_lack(&w->files, name ? name : path.data, e.text);
		goto end;
	}
	drift_text(model, &(struct drift_text_options){ .advice = !to }, &text);
	export_json_put(model, &json);
	export_report_answer(&w->report, path.data, json.data, json.size - 1);
	buffer_string(&path, "&format=text");
	export_report_answer_text(&w->report, path.data, text.data, text.size);
	if (!to)
		export_report_text(&w->report, "Its baseline against now", text.data, text.size);
	if (name) {
		snprintf(file, sizeof file, "diffs/%s.txt", name);
		export_files_add(&w->files, file, "a comparison, as `abidrift diff` prints it", w->as_of, &text);
		snprintf(file, sizeof file, "diffs/%s.json", name);
		export_files_add(&w->files, file, "the same as data", w->as_of, &json);
	}
end:
	json_decref(model);
	buffer_release(&a);
	buffer_release(&b);
	buffer_release(&path);
	buffer_release(&text);
	buffer_release(&json);
}

void export_diffs_add(struct export_work *w)
{
	char name[PATH_BYTES / 2];

	diff_add(w, 0, 0, "baseline-now");
	for (size_t i = w->revision_count; i-- > 1;) {
		snprintf(name, sizeof name, "%u-%u", w->revisions[i - 1], w->revisions[i]);
		diff_add(w, w->revisions[i - 1], w->revisions[i], name);
	}
	for (size_t i = w->revision_count; w->baseline && i-- > 0;)
		if (w->revisions[i] != w->baseline)
			diff_add(w, EXPORT_BASELINE, w->revisions[i], NULL);
}
