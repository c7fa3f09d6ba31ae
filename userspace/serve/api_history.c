/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/serve/api.h"
#include "userspace/serve/json.h"
#include "userspace/serve/side.h"

/* Between time and row of a place in the history. */
#define PLACE_PART "."
#define PLACE_SIZE 24

/* The guests of the store as they are now, by row. */
struct known {
	struct store_guest *guests;
	size_t count;
	json_t **vmms; /* asked for once; NULL: not yet */
};

static int by_row(const void *left, const void *right)
{
	const struct store_guest *a = left, *b = right;

	return (a->row > b->row) - (a->row < b->row);
}

/* NULL: about the host. */
static const struct store_guest *guest_of(const struct known *k, int64_t row)
{
	const struct store_guest wanted = { .row = row };

	return k->count ? bsearch(&wanted, k->guests, k->count, sizeof wanted, by_row) : NULL;
}

static json_t *kind_of(struct store *s, int64_t row)
{
	struct store_instance *items = NULL;
	size_t count = 0;
	json_t *vmm, *kind;

	if (store_instances_now(s, row, &items, &count) < 0)
		return json_null();
	vmm = json_stored(count ? items[0].vmm : NULL);
	kind = json_object_get(vmm, "kind");
	kind = kind ? json_incref(kind) : json_null();
	json_decref(vmm);
	store_instances_free(items, count);
	return kind;
}

/* What VMM the guest had last. Asked for only where somebody may blame it. */
static json_t *vmm_of(struct store *s, const struct known *k, const struct store_event *event, const struct store_guest *guest)
{
	json_t **vmm;

	if (!guest || !event->changes)
		return json_null();
	vmm = &k->vmms[guest - k->guests];
	if (!*vmm)
		*vmm = kind_of(s, guest->row);
	return json_incref(*vmm);
}

static json_t *event_json(struct store *s, const struct known *k, const struct store_event *event)
{
	const struct store_guest *guest = guest_of(k, event->guest);

	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n}", "at", json_time(event->at), "type", event->type, "guest",
			 json_text(event->guest_id), "name", json_text(guest ? guest->name : NULL), "vmm", vmm_of(s, k, event, guest), "revision",
			 json_number(event->revision), "by", json_text(event->by), "reason", json_text(event->reason), "changes",
			 json_stored(event->changes), "context", json_stored(event->context), "change_set", json_text(event->change_set), "guests");
}

/* ---- whom a change of the host hit */

static bool is_type(const json_t *event, const char *type)
{
	const char *is = json_string_value(json_object_get(event, "type"));

	return is && !strcmp(is, type);
}

static bool names_factor(const json_t *list, const char *factor)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *name = json_string_value(json_object_get(one, "factor"));

		if (name && !strcmp(name, factor))
			return true;
	}
	return false;
}

/* Adds the guest of a drift event to a host event, once. */
static int guest_add(json_t *host_event, const json_t *drift)
{
	json_t *guests = json_object_get(host_event, "guests"), *id = json_object_get(drift, "guest"), *one;
	size_t i;

	json_array_foreach(guests, i, one)
		if (json_equal(json_object_get(one, "id"), id))
			return 0;
	return json_array_append_new(guests, json_pack("{s:O, s:O}", "id", id, "name", json_object_get(drift, "name")));
}

/* What happened to the host so far, in the order of time; borrowed. There are few of them, however long the history is. */
struct host_changes {
	json_t **items;
	size_t count;
};

static int host_change_add(struct host_changes *h, json_t *event)
{
	json_t **grown = reallocarray(h->items, h->count + 1, sizeof *grown);

	if (!grown)
		return -ENOMEM;
	h->items = grown;
	grown[h->count++] = event;
	return json_object_set_new(event, "guests", json_array()) < 0 ? -ENOMEM : 0;
}

/* A factor that drift names as its cause, and the newest change of it before that drift. */
static int factor_blame(const struct host_changes *h, const char *factor, const json_t *drift)
{
	for (size_t i = h->count; i-- > 0;)
		if (names_factor(json_object_get(h->items[i], "context"), factor))
			return guest_add(h->items[i], drift);
	return 0;
}

/* So many factors are kept in mind; a drift with more causes has its best ones first. */
#define FACTORS_MAX 32

static int drift_blame(const struct host_changes *h, const json_t *drift)
{
	const json_t *change, *cause;
	const char *done[FACTORS_MAX];
	size_t c, f, k, count = 0;
	int err = 0;

	json_array_foreach(json_object_get(drift, "changes"), c, change) {
		json_array_foreach(json_object_get(change, "cause"), f, cause) {
			const char *factor = json_string_value(json_object_get(cause, "factor"));

			for (k = 0; k < count && factor && strcmp(done[k], factor); k++)
				;
			if (!factor || k < count || count == FACTORS_MAX)
				continue;
			done[count++] = factor;
			if (err >= 0)
				err = factor_blame(h, factor, drift);
		}
	}
	return err < 0 ? -ENOMEM : 0;
}

static int blame(json_t *events)
{
	struct host_changes h = { 0 };
	size_t i;
	json_t *event;
	int err = 0;

	json_array_foreach(events, i, event) {
		if (err >= 0 && is_type(event, "host"))
			err = host_change_add(&h, event);
		else if (err >= 0 && h.count && is_type(event, "drift"))
			err = drift_blame(&h, event);
	}
	free(h.items);
	return err;
}

int api_last_host_change(struct store *s, int64_t *ret_since, struct error *e)
{
	int err = store_event_last(s, "host", ret_since);

	if (err == -ENOENT)
		return error_set(e, ENOENT, "the host has not changed since it is watched: there is no last-host-change");
	return err < 0 ? error_set(e, -err, "%s", store_error(s)) : 0;
}

static void known_release(struct known *k)
{
	for (size_t i = 0; i < k->count; i++) {
		store_guest_release(&k->guests[i]);
		if (k->vmms)
			json_decref(k->vmms[i]);
	}
	free(k->guests);
	free(k->vmms);
}

/* newest NULL: all since then. *ret_before: where older ones were left out, the place of the first that was not. */
static int events_json(struct store *s, int64_t guest, int64_t since, const struct store_newest *newest, json_t *list, json_t **ret_before)
{
	struct store_event *events = NULL;
	struct known k = { 0 };
	size_t count = 0;
	bool more = false;
	int err = store_guests(s, &k.guests, &k.count);

	if (err >= 0 && k.count)
		qsort(k.guests, k.count, sizeof *k.guests, by_row);
	if (err >= 0 && !(k.vmms = calloc(k.count + 1, sizeof *k.vmms)))
		err = -ENOMEM;
	if (err >= 0)
		err = newest ? store_events_newest(s, guest, newest, &events, &count, &more) : store_events(s, guest, since, &events, &count);
	for (size_t i = 0; err >= 0 && i < count; i++)
		json_array_append_new(list, event_json(s, &k, &events[i]));
	if (err >= 0)
		err = blame(list);
	if (err >= 0 && more && count)
		*ret_before = json_sprintf("%" PRIu64 PLACE_PART "%" PRIu64, (uint64_t)events[0].at, (uint64_t)events[0].row);
	store_events_free(events, count);
	known_release(&k);
	return err;
}

static int history(struct store *s, const char *guest, int64_t since, const struct store_newest *newest, json_t **ret, struct error *e)
{
	struct store_guest found = { 0 };
	json_t *list, *before = NULL;
	int err = guest ? store_guest_resolve(s, guest, &found, e) : 0;

	if (err < 0)
		return e && *e->text ? err : error_set(e, -err, "there is no guest %s in this store (abidrift ls lists them)", guest);
	list = json_array();
	err = events_json(s, found.row, since, newest, list, &before);
	store_guest_release(&found);
	if (err < 0) {
		json_decref(list);
		return error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s));
	}
	*ret = json_pack("{s:o, s:o*}", "events", list, "before", before);
	return *ret ? 0 : error_set(e, ENOMEM, "out of memory");
}

int api_history(struct store *s, const char *guest, int64_t since, json_t **ret, struct error *e)
{
	return history(s, guest, since, NULL, ret, e);
}

/* A place in the order of events: time and row. */
static int place_parse(const char *text, int64_t *ret_at, int64_t *ret_row)
{
	const char *dot = strstr(text, PLACE_PART);
	char at_text[PLACE_SIZE];
	uint64_t at, row;

	if (!dot || (size_t)(dot - text) >= sizeof at_text || strspn(text, "0123456789" PLACE_PART) != strlen(text))
		return -EINVAL;
	memcpy(at_text, text, (size_t)(dot - text));
	at_text[dot - text] = 0;
	if (text_u64(at_text, &at) < 0 || text_u64(dot + 1, &row) < 0)
		return -EINVAL;
	*ret_at = (int64_t)at;
	*ret_row = (int64_t)row;
	return 0;
}

int api_history_newest(struct store *s, const char *guest, const struct api_newest *part, json_t **ret, struct error *e)
{
	struct store_newest newest = { .since = part->since, .before_at = INT64_MAX, .before_row = INT64_MAX, .host = part->host, .limit = part->limit,
				       .characters = part->characters };

	if (part->before && place_parse(part->before, &newest.before_at, &newest.before_row) < 0)
		return error_set(e, EINVAL, "before=%.60s: has to be what an answer had as \"before\"", part->before);
	return history(s, guest, 0, &newest, ret, e);
}
