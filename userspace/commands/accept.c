/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/person.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/stale.h"
#include "userspace/commands/verbs.h"
#include "userspace/drift/suppress.h"
#include "userspace/judge.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"

#define REASON_BYTES_MAX 4096

static int usage_check(const struct options *o, int64_t *ret_expires, struct error *e)
{
	*ret_expires = 0;
	if (!o->argument_count && !o->change_set)
		return error_set(e, EINVAL,
				 "accept: which guest? usage: abidrift accept GUEST|--change-set ID [--reason TEXT] [--expires DATE] | --undo");
	if (o->argument_count && o->change_set)
		return error_set(e, EINVAL, "accept --change-set is about all guests that drift so: name no guest beside it");
	if (o->undo && o->expires)
		return error_set(e, EINVAL, "accept --undo goes back at once and for good: it takes no --expires");
	if (o->reason && strlen(o->reason) > REASON_BYTES_MAX)
		return error_set(e, EINVAL, "--reason is longer than %d bytes", REASON_BYTES_MAX);
	if (!o->expires)
		return 0;
	if (text_time_parse(o->expires, ret_expires) < 0)
		return error_set(e, EINVAL, "--expires %.60s: has to be a date like 2026-01-31 or 2026-01-31T12:00:00Z", o->expires);
	if (*ret_expires <= settings_now())
		return error_set(e, EINVAL, "--expires %.60s is in the past", o->expires);
	return 0;
}

/* What is now must be known before it can be right. */
static int guest_ready(struct store *store, const struct options *o, struct side *ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int err = side_find(store, o->arguments[0], &side, e);

	if (err >= 0 && side.kind != SIDE_NOW)
		err = error_set(e, EINVAL, "accept %.200s: only what a guest is now can be accepted: name the guest alone",
				o->arguments[0]);
	if (err >= 0 && side.learning && !o->undo)
		err = error_set(
			e, EAGAIN,
			"guest %.200s has not settled in its present boot, so it is not known yet what would be accepted: try again when "
			"abidrift ls -v says settled",
			side.guest.name ? side.guest.name : side.guest.id);
	if (err < 0)
		side_release(&side);
	else
		*ret = side;
	return err;
}

static json_t *guest_name_json(const struct store_guest *guest)
{
	return json_pack("{s:o, s:o, s:o}", "id", json_text(guest->id), "uuid", json_text(guest->uuid), "name", json_text(guest->name));
}

static json_t *accept_json(const struct store_guest *guest, const struct store_baseline *b, bool undone)
{
	return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "guest", guest_name_json(guest), "revision", (json_int_t)b->revision,
			 "digest", json_text(b->digest.text), "at", json_time(b->at), "by", json_text(b->by), "reason", json_text(b->reason),
			 "expires", json_time(b->expires), "change_set", json_text(b->change_set), "undone", undone);
}

static void accept_text(const json_t *model, struct buffer *out)
{
	const json_t *guest = json_object_get(model, "guest");

	output_member(out, guest, output_string(guest, "name") ? "name" : "id");
	buffer_string(out, json_is_true(json_object_get(model, "undone")) ? ": the baseline is again revision "
									  : ": the baseline is now revision ");
	output_member(out, model, "revision");
	buffer_string(out, " ");
	output_member(out, model, "digest");
	buffer_string(out, ", by ");
	output_member(out, model, "by");
	if (output_string(model, "reason")) {
		buffer_string(out, " (");
		output_member(out, model, "reason");
		buffer_string(out, ")");
	}
	if (output_string(model, "expires")) {
		buffer_string(out, ", until ");
		output_member(out, model, "expires");
	}
	buffer_string(out, "\n");
}

/* ---- all guests of a change set */

static json_t *set_json(const char *id, const struct judge_decided *items, size_t count, bool undone)
{
	json_t *guests = json_array(), *skipped = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct judge_decided *one = &items[i];

		if (one->skipped)
			json_array_append_new(skipped, json_pack("{s:o, s:s}", "guest", guest_name_json(&one->guest), "reason", one->skipped));
		else
			json_array_append_new(guests, accept_json(&one->guest, &one->baseline, undone));
	}
	return json_pack("{s:s, s:o, s:o}", "change_set", id, "guests", guests, "skipped", skipped);
}

static void set_text(const json_t *model, struct buffer *out)
{
	const json_t *guests = json_object_get(model, "guests"), *skipped = json_object_get(model, "skipped"), *one;
	size_t i;

	json_array_foreach(guests, i, one)
		accept_text(one, out);
	json_array_foreach(skipped, i, one)
	{
		const json_t *guest = json_object_get(one, "guest");

		output_member(out, guest, output_string(guest, "name") ? "name" : "id");
		buffer_string(out, ": skipped, ");
		output_member(out, one, "reason");
		buffer_string(out, "\n");
	}
	buffer_string(out, "change set ");
	output_member(out, model, "change_set");
	buffer_printf(out, ": %zu guest%s, %zu skipped\n", json_array_size(guests), json_array_size(guests) == 1 ? "" : "s", json_array_size(skipped));
}

static int set_print(const struct options *o, json_t *model)
{
	struct buffer text = BUFFER_INIT;
	bool none = !json_array_size(json_object_get(model, "guests"));
	int code;

	if (!model || o->json) {
		code = output_json(o, model);
	} else {
		if (!o->quiet || none)
			set_text(model, &text);
		code = output_text(o, &text);
		buffer_release(&text);
		json_decref(model);
	}
	return none ? EXIT_FAILED : code;
}

static int accept_set(const struct options *o, struct store *store, const struct suppressions *rules, int64_t expires)
{
	struct error e = ERROR_INIT;
	struct judge_decided *items = NULL;
	size_t count = 0;
	char room[PERSON_BYTES], *id = NULL;
	json_t *model = NULL;
	int err = store_change_set_find(store, o->change_set, o->undo, &id, &e);

	if (err >= 0)
		err = person(room, sizeof room, &e);
	if (err >= 0)
		err = judge_change_set(store, &(struct judge_decision){ .change_set = id, .undo = o->undo, .suppress = rules, .by = room,
									.reason = o->reason, .expires = expires, .now = settings_now() },
				       &items, &count, &e);
	if (err >= 0)
		model = set_json(id, items, count, o->undo);
	judge_decided_free(items, count);
	free(id);
	return err < 0 ? output_error(o, "%s", e.text) : set_print(o, model);
}

static int accept_print(const struct options *o, json_t *model)
{
	struct buffer text = BUFFER_INIT;
	int code;

	if (!model || o->json)
		return output_json(o, model);
	if (!o->quiet)
		accept_text(model, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}

int verb_accept(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct store *store = NULL;
	struct side side = SIDE_INIT;
	struct store_baseline baseline = { 0 };
	struct suppressions *rules = NULL;
	char room[PERSON_BYTES];
	json_t *model = NULL;
	int64_t expires;
	int code, err = usage_check(o, &expires, &e);

	if (err >= 0)
		err = settings_suppressions(o, NULL, &rules, &e);
	if (err >= 0)
		err = settings_store(o, STORE_WRITE, &store, &e);
	if (err >= 0)
		stale_note(o, store);
	if (err >= 0 && o->change_set) {
		code = accept_set(o, store, rules, expires);
		goto out;
	}
	if (err >= 0)
		err = guest_ready(store, o, &side, &e);
	if (err >= 0)
		err = person(room, sizeof room, &e);
	if (err >= 0 && o->undo)
		err = judge_undo(store, &side.guest, rules, room, o->reason, settings_now(), &baseline, &e);
	else if (err >= 0)
		err = judge_accept(store, &side.guest, rules, room, o->reason, expires, settings_now(), &baseline,
				   &e);
	if (err >= 0)
		model = accept_json(&side.guest, &baseline, o->undo);
	else if (!*e.text)
		error_set(&e, -err, "accept %s: %s", o->argument_count ? o->arguments[0] : "", strerror(-err));
	code = err < 0 ? output_error(o, "%s", e.text) : accept_print(o, model);
out:
	store_baseline_release(&baseline);
	side_release(&side);
	store_close(store);
	suppressions_free(rules);
	return code;
}
