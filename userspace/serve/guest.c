/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/base/memory.h"
#include "userspace/serve/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/context.h"
#include "userspace/base/error.h"
#include "userspace/drift/stability.h"
#include "userspace/serve/json.h"
#include "userspace/store/revision.h"
#include "userspace/store/store.h"

static json_t *vmm_json(const struct store_instance *i)
{
	static const char *const keys[] = { "kind", "version", "build_id", "path", "replaced" };
	json_t *stored = json_stored(i ? i->vmm : NULL), *vmm = json_object();

	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
		json_t *value = json_object_get(stored, keys[k]);
		json_object_set_new(vmm, keys[k], value ? json_incref(value) : json_null());
	}
	json_decref(stored);
	return vmm;
}

static json_t *coverage_json(const struct store_instance *i)
{
	json_t *coverage = json_object();

	for (int f = 0; f < FACETS; f++)
		json_object_set_new(coverage, facet_get((enum facet_id)f)->name,
				    json_string(coverage_name(i ? i->coverage[f].level : COVERAGE_NONE)));
	return coverage;
}

static json_t *mark_json(uint32_t revision, const struct digest *digest, int64_t at)
{
	return json_pack("{s:o, s:o, s:o}", "revision", json_number(revision), "digest", json_text(digest->text), "at", json_time(at));
}

static int baseline_json(struct store *s, const struct store_guest *guest, const struct store_instance *i, json_t **ret, struct error *e)
{
	struct store_baseline baseline = { 0 };
	int err = store_baseline_get(s, guest->row, &baseline);

	if (err < 0 && err != -ENOENT)
		return error_set(e, -err, "%s", store_error(s));
	/* An anonymous guest has no past. */
	if (err == -ENOENT || !baseline.revision || (guest->anonymous && i && baseline.at < i->began_at))
		*ret = json_null();
	else
		*ret = mark_json(baseline.revision, &baseline.digest, baseline.at);
	store_baseline_release(&baseline);
	return 0;
}

static int current_json(struct store *s, const struct store_guest *guest, const struct store_instance *i, json_t **ret, struct error *e)
{
	uint32_t number = i && i->revision ? i->revision : guest->revisions;
	struct digest digest;
	int64_t at;
	int err;

	*ret = json_null();
	if (!number)
		return 0;
	err = store_revision_mark(s, guest->row, number, &digest, &at);
	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	*ret = mark_json(number, &digest, at);
	return 0;
}

static bool context_read(const char *text, struct context *ret)
{
	int err = context_parse(text, strlen(text), ret);

	if (err == -ENOMEM)
		memory_short();
	return err >= 0;
}

/* Of its newest life, else of its newest revision. False: nothing is known of it. */
static bool context_of(struct store *s, const struct store_guest *guest, const struct store_instance *i, struct context *ret)
{
	struct store_revision revision = { 0 };
	bool known;

	if (i && i->context)
		return context_read(i->context, ret);
	known = guest->revisions && store_revision_get(s, guest->row, guest->revisions, &revision) >= 0 &&
		store_revision_context(&revision, ret) >= 0;
	store_revision_release(&revision);
	return known;
}

json_t *guest_next_boot(const struct store_instance *instance)
{
	struct stability stability = STABILITY_INIT;
	struct context context = CONTEXT_INIT;
	json_t *ret = json_array();
	int err = instance && instance->running && instance->context ? context_parse(instance->context, strlen(instance->context), &context) : -ENOENT;

	if (err >= 0)
		err = stability_derive(&context, &stability);
	for (size_t r = 0; r < stability.count && err != -ENOMEM; r++) {
		const struct stability_reason *reason = &stability.items[r];

		if (reason->next_boot && json_array_append_new(ret, json_pack("{s:s, s:o}", "code", reason->code, "reason", json_text(reason->text))) < 0)
			err = -ENOMEM;
	}
	stability_release(&stability);
	context_release(&context);
	if (err == -ENOMEM) {
		json_decref(ret);
		ret = NULL;
	}
	return ret;
}

/* Sets "stable" (null: not known), "unstable" and "next_boot". */
static int stability_json(struct store *s, const struct store_guest *guest, const struct store_instance *i, json_t *model)
{
	json_t *unstable = json_array(), *next_boot = json_array();
	struct stability stability = STABILITY_INIT;
	struct context context = CONTEXT_INIT;
	bool known = context_of(s, guest, i, &context);
	int err = known ? stability_derive(&context, &stability) : 0;

	for (size_t r = 0; r < stability.count && err >= 0; r++) {
		const struct stability_reason *reason = &stability.items[r];

		err = json_array_append_new(reason->next_boot ? next_boot : unstable,
					    json_pack("{s:s, s:o}", "code", reason->code, "reason", json_text(reason->text)));
	}
	if (err >= 0)
		err = json_object_set_new(model, "stable", known ? json_boolean(!json_array_size(unstable)) : json_null());
	if (err >= 0)
		err = json_object_set(model, "unstable", unstable);
	if (err >= 0)
		err = json_object_set(model, "next_boot", next_boot);
	json_decref(unstable);
	json_decref(next_boot);
	stability_release(&stability);
	context_release(&context);
	return err < 0 ? -ENOMEM : 0;
}

/* Of the drift that is open; sets "change_set", "verdict" and "drift_since". */
static int drift_put(struct store *s, const struct store_guest *guest, const struct store_instance *i, json_t *model, struct error *e)
{
	char *set = NULL, *verdict = NULL;
	int64_t since = 0;
	int err = i && i->changes ? store_drift_mark(s, guest->row, &verdict, &set, &since) : 0;

	if (err < 0 && err != -ENOENT)
		return error_set(e, -err, "%s", store_error(s));
	err = json_object_set_new(model, "change_set", json_text(set)) < 0 || json_object_set_new(model, "verdict", json_text(verdict)) < 0 ||
			      json_object_set_new(model, "drift_since", json_time(since)) < 0
		      ? error_set(e, ENOMEM, "out of memory")
		      : 0;
	free(set);
	free(verdict);
	return err;
}

/* Of the VM process that it runs in, or ran in last; sets "host", "began", "ended" and "life". */
static int life_put(const struct store_instance *i, json_t *model)
{
	return json_object_set_new(model, "host", json_text(i ? i->host : NULL)) < 0 ||
			       json_object_set_new(model, "began", json_time(i ? i->began_at : 0)) < 0 ||
			       json_object_set_new(model, "ended", json_time(i && !i->running ? i->ended_at : 0)) < 0 ||
			       json_object_set_new(model, "life", json_text(i ? i->life : NULL)) < 0
		       ? -ENOMEM
		       : 0;
}

int guest_json(struct store *s, const struct store_guest *guest, const struct store_instance *i, json_t **ret, struct error *e)
{
	json_t *baseline = NULL, *current = NULL, *model;
	int err = baseline_json(s, guest, i, &baseline, e);

	if (err >= 0)
		err = current_json(s, guest, i, &current, e);
	if (err < 0) {
		json_decref(baseline);
		json_decref(current);
		return err;
	}
	model = json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:b, s:o, s:b, s:s, s:s, s:I, s:o, s:o, s:o}", "id", json_text(guest->id),
			  "uuid", json_text(guest->uuid), "name", json_text(guest->name), "anonymous", guest->anonymous, "vmm", vmm_json(i),
			  "machine", json_text(i ? i->machine : NULL), "pid", json_number(i && i->running ? i->pid : 0), "running",
			  i && i->running, "boot", json_number(i ? i->boot : 0), "settled", i && i->settled, "state",
			  i && i->state ? i->state : "unknown", "severity", severity_name(i ? i->severity : SEVERITY_NONE), "changes",
			  (json_int_t)(i ? i->changes : 0), "baseline", baseline, "current", current, "coverage", coverage_json(i));
	if (!model || life_put(i, model) < 0 || stability_json(s, guest, i, model) < 0)
		err = error_set(e, ENOMEM, "out of memory");
	if (err >= 0)
		err = drift_put(s, guest, i, model, e);
	if (err < 0) {
		json_decref(model);
		return err;
	}
	*ret = model;
	return 0;
}
