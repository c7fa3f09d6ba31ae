/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/drift/drift.h"
#include "userspace/serve/export_internal.h"
#include "userspace/serve/export_raw.h"
#include "userspace/serve/json.h"
#include "userspace/serve/member.h"

#define PATH_BYTES 64
/* Of so many every one is compared with every other, for the report. */
#define ALL_PAIRS_MAX 8
/* As data and as text. */
#define ANSWERS_OF_PAIR 2
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

/* false: it is one, and there is no room for it. */
static bool choose(struct export_work *w, uint32_t number)
{
	struct digest digest;
	int64_t at;

	/* One that cannot be read is missed where it is loaded. */
	if (!number || chosen(w, number) || store_revision_mark(w->store, w->now.guest.row, number, &digest, &at) == -ENOENT)
		return true;
	if (w->revision_count == EXPORT_REVISIONS_MAX)
		return false;
	w->revisions[w->revision_count++] = number;
	return true;
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
	bool all = true;
	char what[96];

	choose(w, w->now.number);
	choose(w, w->baseline);
	for (size_t i = json_array_size(events); i-- > 0;) {
		const json_t *event = json_array_get(events, i);
		const char *type = member_string(event, "type");

		if (type && !strcmp(type, "drift"))
			choose(w, (uint32_t)json_integer_value(json_object_get(event, "revision")));
	}
	for (uint32_t number = newest; number > last && all; number--)
		all = choose(w, number);
	if (!all || last) {
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
		export_lost(w, path, &e);
		return;
	}
	export_raw_add(&w->files, facts, folder, side->revision.at);
	facts_free(facts);
	buffer_append(&body, side->revision.facts, side->revision.facts_size);
	export_files_add(&w->files, path, "all that was seen of the guest, as abidrift keeps it: records as in a trace file (docs/trace-format.md)", side->revision.at,
			 &body);
}

/* side: loaded. */
static void revision_add(struct export_work *w, const struct side *side)
{
	struct buffer text = BUFFER_INIT, answer = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *show = NULL;
	char folder[PATH_BYTES / 2], path[PATH_BYTES];
	int64_t at = side->revision.at;

	snprintf(folder, sizeof folder, "revisions/%u/", side->number);
	if (fingerprint_write(&side->entries, &text) < 0 || api_show_side(w->store, side, &show, &e) < 0) {
		export_lost(w, folder, &e);
		buffer_release(&text);
		return;
	}
	snprintf(path, sizeof path, "%sfingerprint.txt", folder);
	export_files_add(&w->files, path, "the fingerprint text itself: `abidrift diff` compares it with others", at, &text);
	snprintf(path, sizeof path, "%sshow.json", folder);
	export_json_put(show, &text);
	json_decref(show);
	buffer_string(&answer, "/api/v1/guests/");
	export_uri_put(&answer, w->id);
	buffer_printf(&answer, "/revisions/%u", side->number);
	if (!buffer_failed(&text) && !buffer_failed(&answer))
		export_report_answer(&w->report, answer.data, text.data, text.size - 1);
	export_files_add(&w->files, path, "the fingerprint decoded, with digests and coverage, as `abidrift show --json` prints it", at, &text);
	context_add(w, folder, side);
	evidence_add(w, folder, side);
	buffer_release(&answer);
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
	out->failed |= side.failed;
	buffer_release(&side);
}

/* Takes over the model. path: it is released. name NULL: for the report only. */
static void diff_put(struct export_work *w, json_t *model, bool alone, const char *name, struct buffer *path)
{
	struct buffer text = BUFFER_INIT, json = BUFFER_INIT;
	char file[PATH_BYTES];

	api_diff_text(model, &(struct api_text){ .alone = alone }, &text);
	export_json_put(model, &json);
	json_decref(model);
	if (buffer_failed(path) || buffer_failed(&text) || buffer_failed(&json)) {
		w->files.failed = true;
	} else {
		export_report_answer(&w->report, path->data, json.data, json.size - 1);
		buffer_string(path, "&format=text");
		export_report_answer_text(&w->report, path->data ? path->data : "", text.data, text.size);
	}
	if (alone)
		export_report_text(&w->report, "Its baseline against now", text.data, text.size);
	if (name) {
		snprintf(file, sizeof file, "diffs/%s.txt", name);
		export_files_add(&w->files, file, "a comparison, as `abidrift diff` prints it", w->as_of, &text);
		snprintf(file, sizeof file, "diffs/%s.json", name);
		export_files_add(&w->files, file, "the same as data", w->as_of, &json);
	}
	buffer_release(&text);
	buffer_release(&json);
	buffer_release(path);
}

void export_baseline_now_add(struct export_work *w)
{
	struct buffer side = BUFFER_INIT, path = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *model = NULL;
	int result;

	export_side_put(&side, w->id, EXPORT_NOW);
	diff_path(w, EXPORT_NOW, 0, &path);
	if (!buffer_failed(&side) && api_diff(w->store, side.data, NULL, w->rules, SEVERITY_NONE, &model, &result, &e) >= 0) {
		diff_put(w, model, true, "baseline-now", &path);
	} else {
		export_lost(w, "diffs/baseline-now.*", &e);
		buffer_release(&path);
	}
	buffer_release(&side);
}

static uint32_t named(const struct side *side)
{
	return side->kind == SIDE_BASELINE ? EXPORT_BASELINE : side->kind == SIDE_NOW ? EXPORT_NOW : side->number;
}

/* Is there time and room for one more? */
static bool pair_fits(struct export_work *w, const char *what, bool file)
{
	if (!file && (w->report.left_out || w->compared >= EXPORT_COMPARED_MAX)) {
		w->report.left_out += ANSWERS_OF_PAIR;
		return false;
	}
	if (w->compared < EXPORT_COMPARED_MAX)
		return true;
	if (!w->worn)
		export_files_lack(&w->files, what, "and those before it: comparing takes too long with so many entries and changes: `abidrift diff` does it");
	w->worn = true;
	w->report.left_out += ANSWERS_OF_PAIR;
	return false;
}

/* file: in the archive, too. */
static void pair_add(struct export_work *w, struct side *from, struct side *to, bool file)
{
	struct buffer path = BUFFER_INIT;
	struct error e = ERROR_INIT;
	json_t *model = NULL;
	char name[PATH_BYTES / 2], what[PATH_BYTES];
	int result;

	snprintf(name, sizeof name, "%u-%u", from->number, to->number);
	snprintf(what, sizeof what, file ? "diffs/%s.*" : "report.html, comparison %s", name);
	if (!pair_fits(w, what, file))
		return;
	diff_path(w, named(from), named(to), &path);
	if (api_diff_sides(w->store, from, to, w->rules, SEVERITY_NONE, &model, &result, &e) >= 0) {
		w->compared += from->entries.count + to->entries.count + EXPORT_CHANGE_COUNTS * json_array_size(json_object_get(model, "changes"));
		diff_put(w, model, false, file ? name : NULL, &path);
	} else {
		export_lost(w, what, &e);
		buffer_release(&path);
	}
}

/* ---- all of it */

static void forget(struct export_work *w, uint32_t number)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->revision_count; i++)
		if (w->revisions[i] != number)
			w->revisions[kept++] = w->revisions[i];
	w->revision_count = kept;
}

/* false: it is lost, and none of those that are told any more. */
static bool revision_load(struct export_work *w, uint32_t number, struct side *ret)
{
	struct error e = ERROR_INIT;
	char what[PATH_BYTES];

	if (side_of_guest(w->store, w->now.guest.row, SIDE_REVISION, ret, &e) >= 0) {
		ret->number = number;
		if (side_load(w->store, ret, &e) >= 0)
			return true;
	}
	snprintf(what, sizeof what, "revisions/%u/", number);
	export_lost(w, what, &e);
	side_release(ret);
	forget(w, number);
	return false;
}

/* Before the others, for which there may be no room. */
static void first_add(struct export_work *w, uint32_t number)
{
	struct side side = SIDE_INIT;

	if (chosen(w, number) && revision_load(w, number, &side))
		revision_add(w, &side);
	side_release(&side);
}

/* Those up to this one are not told, but what is now and the baseline. */
static void older_lack(struct export_work *w, uint32_t number)
{
	char what[PATH_BYTES];
	size_t kept = 0;

	for (size_t i = 0; i < w->revision_count; i++)
		if (w->revisions[i] > number || w->revisions[i] == w->now.number || w->revisions[i] == w->baseline)
			w->revisions[kept++] = w->revisions[i];
	w->revision_count = kept;
	snprintf(what, sizeof what, "revision %u and those before it", number);
	export_files_lack(&w->files, what, "all files together would be larger than an archive may be: `abidrift show GUEST@REV` and `diff` have them");
}

/* The page lets its reader choose any two. */
static void other_pairs_add(struct export_work *w)
{
	struct side sides[ALL_PAIRS_MAX];
	size_t count = 0;

	while (count < w->revision_count && count < ALL_PAIRS_MAX) {
		sides[count] = (struct side)SIDE_INIT;
		count += revision_load(w, w->revisions[count], &sides[count]);
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t k = i + 2; k < count; k++)
			pair_add(w, &sides[i], &sides[k], false);
		if (w->now.loaded)
			pair_add(w, &sides[i], &w->now, false);
	}
	for (size_t i = 0; i < count; i++)
		side_release(&sides[i]);
}

void export_revisions_add(struct export_work *w)
{
	struct side baseline = SIDE_INIT, newer = SIDE_INIT;
	struct error e = ERROR_INIT;

	first_add(w, w->now.number);
	if (w->baseline != w->now.number)
		first_add(w, w->baseline);
	if (chosen(w, w->baseline) && side_sibling(w->store, &w->now, SIDE_BASELINE, &baseline, &e) < 0)
		export_lost(w, "report.html, comparisons with the baseline", &e);
	/* The newest first; each is loaded once. */
	for (size_t i = w->revision_count; i-- > 0;) {
		struct side side = SIDE_INIT;

		w->files.reserved = export_report_size(&w->report);
		if (w->files.full) {
			older_lack(w, w->revisions[i]);
			break;
		}
		if (!revision_load(w, w->revisions[i], &side))
			continue;
		if (side.number != w->now.number && side.number != w->baseline)
			revision_add(w, &side);
		if (newer.loaded)
			pair_add(w, &side, &newer, true);
		if (baseline.number && side.number != w->baseline)
			pair_add(w, &baseline, &side, false);
		side_release(&newer);
		newer = side;
	}
	side_release(&newer);
	side_release(&baseline);
	if (w->revision_count <= ALL_PAIRS_MAX && !w->files.full)
		other_pairs_add(w);
}
