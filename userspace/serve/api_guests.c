/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/api.h"
#include "userspace/serve/change_sets.h"
#include "userspace/serve/facet_json.h"
#include "userspace/serve/guest.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"

static int list_guest(struct store *s, const struct store_guest *guest, json_t *list, struct error *e)
{
	struct store_instance *items = NULL;
	size_t count = 0, i = 0;
	int err = store_instances_now(s, guest->row, &items, &count);

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	do {
		json_t *one = NULL;

		err = guest_json(s, guest, count ? &items[i] : NULL, &one, e);
		if (err >= 0 && json_array_append_new(list, one) < 0)
			err = error_set(e, ENOMEM, "out of memory");
		i++;
	} while (err >= 0 && i < count && items[i].running);
	store_instances_free(items, count);
	return err;
}

static int list_all(struct store *s, int64_t now, json_t **ret, struct error *e)
{
	struct store_guest *guests = NULL;
	size_t count = 0;
	json_t *list = json_array(), *sets = NULL, *window = NULL, *stale = NULL;
	int err = store_guests(s, &guests, &count);

	if (err < 0)
		err = error_set(e, -err, "%s", store_error(s));
	for (size_t i = 0; err >= 0 && i < count; i++)
		err = list_guest(s, &guests[i], list, e);
	for (size_t i = 0; i < count; i++)
		store_guest_release(&guests[i]);
	free(guests);
	if (err < 0) {
		json_decref(list);
		return err;
	}
	err = change_sets_json(s, &sets, e);
	if (err >= 0)
		err = maintenance_json(s, &window, e);
	if (err >= 0)
		err = api_stale(s, now, &stale, e);
	if (err < 0) {
		json_decref(window);
		json_decref(sets);
		json_decref(list);
		return err;
	}
	*ret = json_pack("{s:o, s:o, s:o, s:o}", "guests", list, "change_sets", sets, "maintenance", window, "stale", stale);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

int api_guests_of(struct store *s, const struct store_guest *guest, int64_t now, json_t **ret, struct error *e)
{
	json_t *list = json_array(), *window = NULL, *stale = NULL;
	int err = list_guest(s, guest, list, e);

	if (err >= 0)
		err = maintenance_json(s, &window, e);
	if (err >= 0)
		err = api_stale(s, now, &stale, e);
	if (err < 0) {
		json_decref(window);
		json_decref(list);
		return err;
	}
	*ret = json_pack("{s:o, s:[], s:o, s:o}", "guests", list, "change_sets", "maintenance", window, "stale", stale);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

/* Of one moment, and without a lock taken and given back for each of some thousand questions. */
int api_guests(struct store *s, int64_t now, json_t **ret, struct error *e)
{
	bool own = store_begin(s) >= 0;
	int err = list_all(s, now, ret, e);

	if (own)
		store_rollback(s);
	return err;
}

bool api_side_is_file(const char *side)
{
	return side_is_file(side);
}

static json_t *context_json(const struct side *side)
{
	json_t *context;

	if (!side->has_context)
		return json_null();
	context = json_object();
	for (size_t i = 0; i < side->context.count; i++) {
		struct buffer name = BUFFER_INIT;

		text_utf8(&name, side->context.items[i].factor, strlen(side->context.items[i].factor));
		if (!buffer_failed(&name) && name.size)
			json_object_set_new(context, name.data, json_text(side->context.items[i].value));
		buffer_release(&name);
	}
	return context;
}

static int facet_wanted(const char *name, int *ret_id, struct error *e)
{
	struct buffer names = BUFFER_INIT;
	const struct facet *facet;

	*ret_id = -1;
	if (!name)
		return 0;
	facet = facet_find(name);
	if (facet) {
		*ret_id = (int)facet->id;
		return 0;
	}
	for (int f = 0; f < FACETS; f++)
		buffer_printf(&names, "%s%s", f ? " " : "", facet_get((enum facet_id)f)->name);
	error_set(e, EINVAL, "there is no facet \"%.60s\"; there are: %s", name, names.data ? names.data : "");
	buffer_release(&names);
	return -EINVAL;
}

/* A page lists no more, and these are years of most guests. */
#define REVISIONS_MAX 1000

/* guest: as `ls` has it, whose baseline is the one that counts. */
static int revisions_json(struct store *s, const struct side *side, const json_t *guest, json_t **ret, struct error *e)
{
	const json_t *baseline = json_object_get(json_object_get(guest, "baseline"), "revision");
	struct store_revision_mark *marks = NULL;
	size_t count = 0;
	json_t *list;
	int err = side->guest.id ? store_revision_marks(s, side->guest.row, REVISIONS_MAX, &marks, &count) : 0;

	if (err < 0)
		return error_set(e, -err, "%s", store_error(s));
	list = json_array();
	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o, s:b}", "revision", (json_int_t)marks[i].revision, "at", json_time(marks[i].at),
						      "digest", json_text(marks[i].digest.text), "boot", json_number(marks[i].boot), "baseline",
						      (int)(json_is_integer(baseline) && json_integer_value(baseline) == marks[i].revision)));
	free(marks);
	*ret = list;
	return list ? 0 : error_set(e, ENOMEM, "out of memory");
}

/* What is loaded of the side; of one without a fingerprint only the guest. */
static int show(struct store *s, const struct side *side, int only, json_t **ret, struct error *e)
{
	json_t *guest = json_null(), *facets, *revisions = NULL;
	int err = side->guest.id ? guest_json(s, &side->guest, side->instance_count ? &side->instances[0] : NULL, &guest, e) : 0;

	if (err >= 0)
		err = revisions_json(s, side, guest, &revisions, e);
	if (err < 0) {
		json_decref(guest);
		return err;
	}
	facets = json_array();
	for (int f = 0; facets && side->loaded && f < FACETS; f++)
		if ((only < 0 || only == f) && json_array_append_new(facets, facet_json(&side->entries, (enum facet_id)f)) < 0) {
			json_decref(facets);
			facets = NULL;
		}
	*ret = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "guest", guest, "revision", json_number(side->number), "digest",
			 json_text(side->revision.digest.text), "at", json_time(side->revision.at), "context", context_json(side), "facets",
			 facets, "revisions", revisions);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

int api_show(struct store *s, const char *text, const char *facet, json_t **ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int only, err = facet_wanted(facet, &only, e);

	if (err >= 0)
		err = side_find(s, text, &side, e);
	if (err >= 0)
		err = side_load(s, &side, e);
	if (err >= 0)
		err = show(s, &side, only, ret, e);
	side_release(&side);
	return err;
}

int api_guest(struct store *s, const char *guest, uint32_t revision, json_t **ret, struct error *e)
{
	struct side side = SIDE_INIT;
	int err = side_of_name(s, guest, revision ? SIDE_REVISION : SIDE_NOW, revision, &side, e);

	if (err >= 0 && side.number)
		err = side_load(s, &side, e);
	if (err >= 0)
		err = show(s, &side, -1, ret, e);
	side_release(&side);
	return err;
}

int api_show_side(struct store *s, const struct side *side, json_t **ret, struct error *e)
{
	return show(s, side, -1, ret, e);
}

int api_fingerprint(struct store *s, const char *text, struct buffer *out, struct error *e)
{
	struct side side = SIDE_INIT;
	int err = side_find(s, text, &side, e);

	if (err >= 0)
		err = side_load(s, &side, e);
	if (err >= 0 && fingerprint_write(&side.entries, out) < 0)
		err = error_set(e, ENOMEM, "out of memory");
	side_release(&side);
	return err;
}
