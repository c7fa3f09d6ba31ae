/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/person.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/change_sets.h"

#define REASON_BYTES_MAX 4096
/* A window that nobody ends must not silence a store for good. */
#define LENGTH_MAX_NS (31ull * 24 * 3600 * 1000000000)

static int usage_check(const struct options *o, uint64_t *ret_length, struct error *e)
{
	*ret_length = 0;
	if (o->end && (o->duration || o->reason))
		return error_set(e, EINVAL, "maintenance --end goes alone");
	if (o->reason && !o->duration)
		return error_set(e, EINVAL, "maintenance --reason: for how long? usage: abidrift maintenance --for DURATION [--reason TEXT]");
	if (o->reason && strlen(o->reason) > REASON_BYTES_MAX)
		return error_set(e, EINVAL, "--reason is longer than %d bytes", REASON_BYTES_MAX);
	if (!o->duration)
		return 0;
	if (text_duration(o->duration, ret_length) < 0 || !*ret_length || *ret_length > LENGTH_MAX_NS)
		return error_set(e, EINVAL, "--for %.60s: has to be a duration like 30m or 2h, at most 31d", o->duration);
	return 0;
}

/* One that is over already and that no monitor has summed up is summed up now. */
static int window_change(struct store *store, const struct options *o, uint64_t length, struct error *e)
{
	struct maintenance before;
	struct utsname name;
	char room[PERSON_BYTES];
	int64_t now = settings_now();
	int err = store_begin(store);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(store));
	err = uname(&name) < 0 ? error_set(e, errno, "this host's name is not known: %s", strerror(errno))
			       : maintenance_follow(store, name.nodename, now, &before, e);
	if (err >= 0)
		err = person(room, sizeof room, e);
	if (err >= 0)
		err = o->end ? maintenance_end(store, now, room, e) : maintenance_begin(store, now, length, room, o->reason, e);
	if (err >= 0 && (err = store_commit(store)) < 0)
		error_set(e, -err, "%s", store_error(store));
	if (err < 0)
		store_rollback(store);
	return err;
}

static int window_model(struct store *store, json_t **ret, struct error *e)
{
	json_t *window = NULL;
	struct store_maintenance m = { 0 };
	int err = maintenance_json(store, &window, e);

	if (err < 0)
		return err;
	if (json_is_object(window) && store_maintenance_get(store, &m) >= 0)
		json_object_set_new(window, "over", json_boolean(settings_now() >= m.ends_at));
	store_maintenance_release(&m);
	*ret = json_pack("{s:o}", "maintenance", window);
	return 0;
}

static void window_text(const json_t *model, struct buffer *out)
{
	const json_t *window = json_object_get(model, "maintenance");

	if (json_is_null(window)) {
		buffer_string(out, "no maintenance window is open\n");
		return;
	}
	buffer_string(out, "maintenance window since ");
	output_member(out, window, "begin");
	buffer_string(out, json_is_true(json_object_get(window, "over")) ? ", over since " : ", until ");
	output_member(out, window, "end");
	buffer_string(out, ", by ");
	output_member(out, window, "by");
	if (output_string(window, "reason")) {
		buffer_string(out, " (");
		output_member(out, window, "reason");
		buffer_string(out, ")");
	}
	buffer_string(out, json_is_true(json_object_get(window, "over")) ? ": the monitor sums it up when it next looks\n"
									  : ": alerts of drift wait for its end\n");
}

int verb_maintenance(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct buffer text = BUFFER_INIT;
	struct store *store = NULL;
	json_t *model = NULL;
	uint64_t length;
	int code, err = usage_check(o, &length, &e);

	if (err >= 0)
		err = settings_store(o, length || o->end ? STORE_WRITE : STORE_READ, &store, &e);
	if (err >= 0 && (length || o->end))
		err = window_change(store, o, length, &e);
	if (err >= 0)
		err = window_model(store, &model, &e);
	store_close(store);
	if (err < 0)
		return output_error(o, "%s", e.text);
	if (!model || o->json)
		return output_json(o, model);
	if (!o->quiet)
		window_text(model, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return code;
}
