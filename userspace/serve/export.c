/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/change_sets.h"
#include "userspace/serve/export_internal.h"
#include "userspace/serve/export_tar.h"
#include "userspace/serve/history_text.h"
#include "userspace/serve/member.h"
#include "userspace/serve/show_text.h"
#include "userspace/store/store.h"

/* As an answer over HTTP: one loop serves all, alerts among them. */
#define HISTORY_EVENTS 1000
#define HISTORY_CHARACTERS (4u << 20)
#define NAME_START "abidrift-"
#define NAME_MAX_SAFE 64
#define NAME_DIGEST 12
#define DIGEST_START 7 /* "sha256:" */

void export_release(struct export *x)
{
	buffer_release(&x->archive);
}

static void work_release(struct export_work *w)
{
	side_release(&w->now);
	store_instances_free(w->instances, w->instance_count);
	json_decref(w->list);
	json_decref(w->history);
	json_decref(w->alerts);
	export_files_release(&w->files);
	export_report_release(&w->report);
}

/* ---- what it is called */

static bool name_safe(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	return length && length <= NAME_MAX_SAFE && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == length;
}

/* Anybody may have named the guest: a name with other than plain letters is not made similar, where two could become one. */
static void name_make(const struct store_guest *guest, char ret[EXPORT_NAME_BYTES])
{
	struct digest digest;

	if (name_safe(guest->name)) {
		snprintf(ret, EXPORT_NAME_BYTES, NAME_START "%s", guest->name);
	} else if (name_safe(guest->id)) {
		snprintf(ret, EXPORT_NAME_BYTES, NAME_START "%s", guest->id);
	} else {
		digest_bytes(guest->id, strlen(guest->id), &digest);
		snprintf(ret, EXPORT_NAME_BYTES, NAME_START "guest-%.*s", NAME_DIGEST, digest.text + DIGEST_START);
	}
}

void export_side_put(struct buffer *out, const char *id, uint32_t revision)
{
	/* What holds these would be a path, a revision or a digest. As url.ts of the page. */
	if (strpbrk(id, "@/") || !strncmp(id, "guest:", 6) || !strncmp(id, "sha256:", 7))
		buffer_string(out, "guest:");
	buffer_string(out, id);
	if (revision == EXPORT_BASELINE)
		buffer_string(out, "@baseline");
	else if (revision != EXPORT_NOW)
		buffer_printf(out, "@%u", revision);
}

/* ---- the guest, and what happened to it */

static int find(struct export_work *w, const char *guest, struct error *e)
{
	struct side baseline = SIDE_INIT;
	struct api_newest part = { .host = true, .limit = HISTORY_EVENTS, .characters = HISTORY_CHARACTERS };
	struct buffer side = BUFFER_INIT;
	int err = side_of_name(w->store, guest, SIDE_NOW, 0, &w->now, e);

	if (err >= 0) {
		w->id = w->now.guest.id;
		err = side_sibling(w->store, &w->now, SIDE_BASELINE, &baseline, e);
	}
	w->baseline = baseline.number;
	side_release(&baseline);
	if (err >= 0 && store_instances(w->store, w->now.guest.row, &w->instances, &w->instance_count) < 0)
		err = error_set(e, EIO, "%s", store_error(w->store));
	if (err >= 0)
		export_side_put(&side, w->id, EXPORT_NOW);
	if (err >= 0)
		err = buffer_failed(&side) ? error_set(e, ENOMEM, "out of memory") : api_history_newest(w->store, side.data, &part, &w->history, e);
	part.host = false;
	if (err >= 0)
		err = api_alerts(w->store, side.data, &part, &w->alerts, e);
	buffer_release(&side);
	return err;
}

static void later(int64_t *as_of, int64_t at)
{
	if (at > *as_of)
		*as_of = at;
}

static void latest(int64_t *as_of, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *text = member_string(one, "at");
		int64_t at = 0;

		if (text && text_time_parse(text, &at) >= 0)
			later(as_of, at);
	}
}

/* No clock is asked: an archive of the same is the same. */
static int as_of(struct export_work *w, struct error *e)
{
	struct store_baseline baseline = { 0 };
	int err = store_baseline_get(w->store, w->now.guest.row, &baseline);

	latest(&w->as_of, json_object_get(w->history, "events"));
	latest(&w->as_of, json_object_get(w->alerts, "alerts"));
	for (size_t i = 0; i < w->instance_count; i++) {
		later(&w->as_of, w->instances[i].began_at);
		later(&w->as_of, w->instances[i].ended_at);
	}
	later(&w->as_of, baseline.at);
	store_baseline_release(&baseline);
	return err < 0 && err != -ENOENT ? error_set(e, -err, "%s", store_error(w->store)) : 0;
}

static void answer(struct export_work *w, const char *start, const char *end, const json_t *model)
{
	struct buffer path = BUFFER_INIT, text = BUFFER_INIT;

	buffer_string(&path, start);
	if (end) {
		export_uri_put(&path, w->id);
		buffer_string(&path, end);
	}
	export_json_put(model, &text);
	if (buffer_failed(&path) || buffer_failed(&text))
		w->files.failed = true;
	else
		export_report_answer(&w->report, path.data, text.data, text.size - 1);
	buffer_release(&path);
	buffer_release(&text);
}

void export_lost(struct export_work *w, const char *what, const struct error *e)
{
	export_files_lack(&w->files, what, "the store that this was made from is damaged: it could not be read");
	if (w->made->lost++)
		return;
	w->made->why = *e;
	snprintf(w->made->first, sizeof w->made->first, "%s", what);
}

static void guest_add(struct export_work *w)
{
	json_t *show = NULL;
	struct buffer text = BUFFER_INIT;
	struct error e = ERROR_INIT;

	answer(w, "/api/v1/guests", NULL, w->list);
	export_files_json(&w->files, "guest.json", "the guest as `abidrift ls --json` lists it: who it is, where it runs, its state", w->as_of,
			  json_incref(w->list));
	if ((w->now.number && side_load(w->store, &w->now, &e) < 0) || api_show_side(w->store, &w->now, &show, &e) < 0) {
		export_lost(w, "show.json, show.txt", &e);
		return;
	}
	answer(w, "/api/v1/guests/", "", show);
	show_text(show, &(struct show_text_options){ .every = false }, &text);
	export_report_text(&w->report, "What the guest is given now", text.data, text.size);
	export_files_add(&w->files, "show.txt", "what the guest is given now, decoded, as `abidrift show` prints it", w->as_of, &text);
	export_files_json(&w->files, "show.json", "the same as data", w->as_of, show);
}

static void history_add(struct export_work *w)
{
	struct buffer text = BUFFER_INIT;

	answer(w, "/api/v1/history?guest=", "&host=yes", w->history);
	history_text(json_object_get(w->history, "events"), &text);
	export_report_text(&w->report, "What happened", text.data, text.size);
	export_files_add(&w->files, "history.txt", "what happened to the guest and its host, in the order of time, as `abidrift history` prints it", w->as_of,
			 &text);
	export_files_json(&w->files, "history.json", "the same as data", w->as_of, json_incref(w->history));
	if (json_object_get(w->history, "before"))
		export_files_lack(&w->files, "older events", "only the newest ones are told: `abidrift history` has all");
}

static void alerts_add(struct export_work *w)
{
	answer(w, "/api/v1/alerts?guest=", "", w->alerts);
	export_files_json(&w->files, "alerts.json", "alerts that were raised of the guest, and what became of each at every sink, as `abidrift alert list --json` prints them",
			  w->as_of, json_incref(w->alerts));
	if (json_object_get(w->alerts, "before"))
		export_files_lack(&w->files, "older alerts", "only the newest ones are told: `abidrift alert list` has all");
}

static void report_add(struct export_work *w)
{
	struct buffer page = BUFFER_INIT, at = BUFFER_INIT;
	char why[128];

	text_time(&at, w->as_of);
	if (buffer_failed(&at))
		w->files.failed = true;
	else
		export_report_put(&w->report, w->id, w->now.guest.name ? w->now.guest.name : w->id, at.data, &page);
	buffer_release(&at);
	w->files.reserved = 0;
	export_files_add(&w->files, "report.html", "all of it to look at in a browser: needs no server, and asks nobody for anything", w->as_of, &page);
	if (w->report.left_out) {
		snprintf(why, sizeof why, "%zu of the answers that the page may ask for: it would be larger than %u MiB, or take too long", w->report.left_out,
			 EXPORT_ANSWERS_MAX >> 20);
		export_files_lack(&w->files, "report.html, parts", why);
	}
}

int api_export(struct store *s, const char *guest, const struct api_rules *rules, struct export *ret, struct error *e)
{
	struct export x = EXPORT_INIT;
	struct api_rules then = *rules;
	struct export_work w = { .store = s, .rules = &then, .now = SIDE_INIT, .files = EXPORT_FILES_INIT, .report = EXPORT_REPORT_INIT, .made = &x };
	bool own = store_begin(s) >= 0;
	int err = find(&w, guest, e);

	if (err >= 0)
		err = as_of(&w, e);
	/* Rules end, and monitors have been silent for long, by the clock. */
	then.at = w.as_of;
	if (err >= 0)
		err = api_guests_of(s, &w.now.guest, w.as_of, &w.list, e);
	if (err >= 0) {
		/* In this order for who reads the texts: what is wrong, what happened, and all that there is. */
		export_baseline_now_add(&w);
		history_add(&w);
		alerts_add(&w);
		guest_add(&w);
		export_revisions_choose(&w);
		export_revisions_add(&w);
		report_add(&w);
		export_manifest_add(&w);
		export_files_sort(&w.files);
		name_make(&w.now.guest, x.name);
		x.files = w.files.count;
		err = w.files.failed ? error_set(e, ENOMEM, "out of memory") : export_tar_put(&w.files, x.name, &x.archive, e);
	}
	if (own)
		store_rollback(s);
	work_release(&w);
	if (err < 0)
		export_release(&x);
	else
		*ret = x;
	return err;
}
