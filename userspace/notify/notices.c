/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/notify/notices.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/base/error.h"
#include "userspace/drift/change_set.h"
#include "userspace/fingerprint/fingerprint.h"
#include "userspace/notify/notice_text.h"
#include "userspace/store/store.h"

struct notices_held {
	int64_t guest;
	int64_t since;
	bool still;
};

/* An open drift that counts. */
struct candidate {
	const struct store_drift *drift;
	enum severity severity;
	char *group; /* key of the notice of all that drift so; one alone has its row behind it */
	bool held;
};

/* What the store said, and the list that is made of it. */
struct comparison {
	struct notices next; /* copies of what lasted, and what is new; replaces the list at the end */
	struct store_drift *drifts;
	size_t drift_count;
	struct store_blind *blinds;
	size_t blind_count;
	int64_t now, window_until; /* 0: no window of maintenance is open */
	struct candidate *candidates;
	size_t count;
	bool changed;
};

/* ---- the list */

static void notice_release(struct notice *n)
{
	free(n->key);
	json_decref(n->json);
}

void notices_release(struct notices *n)
{
	for (size_t i = 0; i < n->count; i++)
		notice_release(&n->items[i]);
	free(n->items);
	free(n->held);
	*n = (struct notices)NOTICES_INIT;
}

static int by_key(const void *a, const void *b)
{
	const struct notice *x = a, *y = b;

	return strcmp(x->key, y->key);
}

struct notice *notices_after(struct notices *n, const char *key)
{
	size_t low = 0, high = n->count;

	while (key && low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(n->items[middle].key, key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n->count ? &n->items[low] : NULL;
}

struct notice *notices_find(struct notices *n, const char *key)
{
	const struct notice wanted = { .key = (char *)key };

	return n->count ? bsearch(&wanted, n->items, n->count, sizeof *n->items, by_key) : NULL;
}

static struct notice *notice_add(struct notices *n, const char *key)
{
	struct notice *grown = reallocarray(n->items, n->count + 1, sizeof *grown);

	if (!grown)
		return NULL;
	n->items = grown;
	grown[n->count] = (struct notice){ .key = strdup(key) };
	return grown[n->count].key ? &grown[n->count++] : NULL;
}

static int notices_copy(const struct notices *from, struct notices *to)
{
	for (size_t i = 0; i < from->count; i++) {
		struct notice *n = notice_add(to, from->items[i].key);
		char *key = n ? n->key : NULL;

		if (!n)
			return -ENOMEM;
		*n = from->items[i];
		n->key = key;
		n->json = json_deep_copy(from->items[i].json);
		n->wanted = false;
		if (!n->json)
			return -ENOMEM;
	}
	to->held = from->held_count ? malloc(from->held_count * sizeof *to->held) : NULL;
	if (from->held_count && !to->held)
		return -ENOMEM;
	if (from->held_count)
		memcpy(to->held, from->held, from->held_count * sizeof *to->held);
	to->held_count = from->held_count;
	return 0;
}

/* ---- with the store */

static int load_one(struct notices *n, struct store *s, const struct store_notice *row, const char *const *peers, size_t peer_count)
{
	struct notice *notice = notice_add(n, row->key);

	if (!notice)
		return -ENOMEM;
	notice->json = json_loads(row->json, 0, NULL);
	notice->starts_at = row->starts_at;
	notice->ends_at = row->ends_at;
	/* Whatever it was, nobody can be told of it. */
	if (!json_is_object(json_object_get(notice->json, "labels")) || !json_is_object(json_object_get(notice->json, "annotations"))) {
		json_decref(notice->json);
		notice->json = json_object();
		notice->dropped = true;
	}
	for (size_t p = 0; notice->ends_at && p < peer_count; p++) {
		bool taken = false;
		int err = store_notice_taken(s, row->key, peers[p], &taken);

		if (err < 0)
			return err;
		notice->took |= taken ? 1u << p : 0;
	}
	notice->written = notice->took;
	return 0;
}

int notices_load(struct notices *n, struct store *s, const char *const *peers, size_t peer_count, struct error *e)
{
	struct store_notice *rows = NULL;
	size_t count = 0;
	int err = store_notices(s, &rows, &count);

	for (size_t i = 0; err >= 0 && i < count; i++)
		err = load_one(n, s, &rows[i], peers, peer_count);
	store_notices_free(rows, count);
	if (n->count)
		qsort(n->items, n->count, sizeof *n->items, by_key);
	return err < 0 ? error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s)) : 0;
}

bool notices_unsaved(const struct notices *n)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->items[i].unsaved || n->items[i].dropped || n->items[i].took != n->items[i].written)
			return true;
	return false;
}

static int save_one(const struct notice *n, struct store *s, const char *const *peers, size_t peer_count)
{
	struct store_notice row = { .key = n->key, .starts_at = n->starts_at, .ends_at = n->ends_at };
	int err = 0;

	if (n->dropped)
		return store_notice_drop(s, n->key);
	if (n->unsaved) {
		row.json = json_dumps(n->json, JSON_COMPACT);
		err = row.json ? store_notice_put(s, &row) : -ENOMEM;
		free(row.json);
	}
	for (size_t p = 0; err >= 0 && p < peer_count; p++)
		if ((n->took & ~n->written) >> p & 1)
			err = store_notice_took(s, n->key, peers[p]);
	return err;
}

int notices_save(const struct notices *n, struct store *s, const char *const *peers, size_t peer_count)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < n->count; i++)
		err = save_one(&n->items[i], s, peers, peer_count);
	return err < 0 ? err : 0;
}

void notices_saved(struct notices *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		struct notice *item = &n->items[i];

		if (item->dropped) {
			notice_release(item);
			continue;
		}
		item->unsaved = false;
		item->written = item->took;
		n->items[kept++] = *item;
	}
	n->count = kept;
}

/* ---- drift that is kept back */

static bool tells_of(const struct notice *n, int64_t guest)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(n->json, "guests"), i, row)
		if (json_integer_value(row) == guest)
			return true;
	return false;
}

static bool lasts(const struct notice *n)
{
	return n && !n->ends_at && !n->dropped;
}

/* The list is in order only as far as it was copied: nothing is added before all candidates were looked at. */
static struct notice *told_of(struct comparison *c, const char *group, int64_t guest)
{
	struct notice *n = notices_find(&c->next, group);
	char key[512];

	if (lasts(n) && tells_of(n, guest))
		return n;
	snprintf(key, sizeof key, "%s/%" PRId64, group, guest);
	n = notices_find(&c->next, key);
	return lasts(n) ? n : NULL;
}

static struct notices_held *held_of(struct notices *n, int64_t guest, int64_t now)
{
	struct notices_held *grown;

	for (size_t i = 0; i < n->held_count; i++)
		if (n->held[i].guest == guest)
			return &n->held[i];
	grown = reallocarray(n->held, n->held_count + 1, sizeof *grown);
	if (!grown)
		return NULL;
	n->held = grown;
	grown[n->held_count] = (struct notices_held){ .guest = guest, .since = now };
	return &grown[n->held_count++];
}

static void look_again(struct comparison *c, int64_t at)
{
	if (at < c->next.again_at)
		c->next.again_at = at;
}

static int settle_wait(struct comparison *c, const struct candidate *of, bool *ret)
{
	struct notices_held *held;

	if (!of->drift->running || of->drift->settled || of->severity >= SEVERITY_CRITICAL)
		return 0;
	held = held_of(&c->next, of->drift->guest, c->now);
	if (!held)
		return -ENOMEM;
	if (held->since > c->now) /* the clock was set back */
		held->since = c->now;
	held->still = true;
	if (c->now - held->since >= NOTICES_SETTLE_NS)
		return 0;
	look_again(c, held->since + NOTICES_SETTLE_NS);
	*ret = true;
	return 0;
}

/* What is told already goes on; what is held back changes nothing of what was told of that guest before. */
static int hold(struct comparison *c, struct candidate *of)
{
	int64_t guest = of->drift->guest;
	int err;

	if (told_of(c, of->group, guest))
		return 0;
	if (c->window_until > c->now) {
		of->held = true;
		look_again(c, c->window_until);
	}
	err = settle_wait(c, of, &of->held);
	for (size_t i = 0; of->held && i < c->next.count; i++)
		if (lasts(&c->next.items[i]) && tells_of(&c->next.items[i], guest))
			c->next.items[i].wanted = true;
	return err;
}

static void held_forget(struct notices *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->held_count; i++) {
		if (!n->held[i].still)
			continue;
		n->held[i].still = false;
		n->held[kept++] = n->held[i];
	}
	n->held_count = kept;
}

/* ---- what should last */

static int candidate_add(struct comparison *c, const struct store_drift *drift)
{
	/* Many of them, and long: none is kept. */
	json_t *diff = json_loads(drift->json, 0, NULL);
	const json_t *changes = json_object_get(diff, "changes");
	bool counts = changes_count(changes) > 0;
	struct candidate one = { .drift = drift, .severity = changes_severity(changes) };

	json_decref(diff);
	/* A guest without identity that is gone never comes back. */
	if ((drift->anonymous && !drift->running) || !counts)
		return 0;
	if (asprintf(&one.group, "drift/%.200s/%.100s/%s", drift->host ? drift->host : "", drift->change_set ? drift->change_set : "",
		     severity_name(one.severity)) < 0)
		return -ENOMEM;
	c->candidates[c->count++] = one;
	return hold(c, &c->candidates[c->count - 1]);
}

static int by_group(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->group, y->group);

	return order ? order : (x->drift->guest > y->drift->guest) - (x->drift->guest < y->drift->guest);
}

/* Takes json. What ended begins anew, and not before it ended. `copied` of the list are in order, and only those are looked through. */
static int want(struct comparison *c, size_t copied, const char *key, json_t *json, int64_t at)
{
	struct notices old = { .items = c->next.items, .count = copied };
	struct notice *n = notices_find(&old, key);
	bool is_new = !n;

	if (!json || (!n && !(n = notice_add(&c->next, key)))) {
		json_decref(json);
		return -ENOMEM;
	}
	n->wanted = true;
	if (is_new || !lasts(n)) {
		n->starts_at = at > c->now || (!is_new && at <= n->ends_at) ? c->now : at;
		n->ends_at = 0;
		n->took = n->written = 0;
		n->dropped = false;
	} else {
		/* Labels are its identity: a guest that got another name is told of under the old one until this ends. */
		json_object_set(json, "labels", json_object_get(n->json, "labels"));
		if (json_equal(n->json, json)) {
			json_decref(json);
			return 0;
		}
	}
	json_decref(n->json);
	n->json = json;
	n->unsaved = c->changed = true;
	return 0;
}

static json_t *notice_of(const struct store_drift **drifts, size_t count, bool alone)
{
	json_t *diff = json_loads(drifts[0]->json, 0, NULL), *notice = diff ? notice_drift(drifts, count, alone, diff) : NULL;

	json_decref(diff);
	return notice;
}

/* Candidates of one group, none of them held back. */
static int want_group(struct comparison *c, size_t copied, const struct candidate *group, const struct store_drift **drifts, size_t count)
{
	const struct notices old = { .items = c->next.items, .count = copied };
	struct notices look = old;
	bool together = drifts[0]->change_set && (count > 1 || lasts(notices_find(&look, group->group)));
	int64_t at = drifts[0]->at;
	int err = 0;

	for (size_t i = 1; together && i < count; i++)
		at = drifts[i]->at < at ? drifts[i]->at : at;
	if (together)
		return want(c, copied, group->group, notice_of(drifts, count, false), at);
	for (size_t i = 0; err >= 0 && i < count; i++) {
		char key[512];

		snprintf(key, sizeof key, "%s/%" PRId64, group->group, drifts[i]->guest);
		err = want(c, copied, key, notice_of(&drifts[i], 1, true), drifts[i]->at);
	}
	return err;
}

static int want_drift(struct comparison *c, size_t copied)
{
	const struct store_drift **drifts = calloc(c->count + 1, sizeof *drifts);
	int err = drifts ? 0 : -ENOMEM;
	size_t from = 0;

	while (err >= 0 && from < c->count) {
		const struct candidate *first = NULL;
		size_t to = from, count = 0;

		/* Of an older abidrift there is no set: each is alone with its own changes. */
		for (; to < c->count && (to == from || (c->candidates[from].drift->change_set && !strcmp(c->candidates[to].group, c->candidates[from].group)));
		     to++) {
			if (c->candidates[to].held)
				continue;
			if (!first)
				first = &c->candidates[to];
			drifts[count++] = c->candidates[to].drift;
		}
		if (count)
			err = want_group(c, copied, first, drifts, count);
		from = to;
	}
	free(drifts);
	return err;
}

static int want_blinds(struct comparison *c, size_t copied, struct store *s)
{
	int err = 0;

	for (size_t i = 0; err >= 0 && i < c->blind_count; i++) {
		const struct store_blind *blind = &c->blinds[i];
		struct store_guest guest = { 0 };
		bool known;
		char *key = NULL;

		err = blind->guest ? store_guest_resolve(s, blind->guest, &guest, NULL) : 0;
		if (err == -ENOENT || err == -EEXIST)
			err = 0;
		/* It also finds by a prefix. */
		known = guest.id && !strcmp(guest.id, blind->guest);
		if (err >= 0 && asprintf(&key, "blind/%s", blind->scope) < 0)
			err = -ENOMEM;
		if (err >= 0)
			err = want(c, copied, key, notice_blind(blind, known ? &guest : NULL), blind->at);
		free(key);
		store_guest_release(&guest);
	}
	return err;
}

/* Of how many of its guests others tell now: they joined more guests, or drift in something else. For them nothing is resolved. */
static size_t superseded(const struct notices *n, const struct notice *ended)
{
	const json_t *row;
	size_t on = 0, i;

	json_array_foreach(json_object_get(ended->json, "guests"), i, row) {
		bool others = false;

		for (size_t k = 0; !others && k < n->count; k++)
			others = n->items[k].wanted && tells_of(&n->items[k], json_integer_value(row));
		on += others;
	}
	return on;
}

static void end_others(struct comparison *c)
{
	for (size_t i = 0; i < c->next.count; i++) {
		struct notice *n = &c->next.items[i];
		size_t on;

		if (n->wanted || !lasts(n))
			continue;
		n->ends_at = c->now;
		n->took = n->written = 0;
		n->unsaved = c->changed = true;
		on = superseded(&c->next, n);
		if (on)
			notice_superseded(n->json, on);
	}
}

static int compare(struct comparison *c, const struct notices *n, struct store *s)
{
	int err = notices_copy(n, &c->next);
	size_t copied = c->next.count;

	c->next.again_at = INT64_MAX;
	c->candidates = calloc(c->drift_count + 1, sizeof *c->candidates);
	if (!c->candidates)
		err = -ENOMEM;
	for (size_t i = 0; err >= 0 && i < c->drift_count; i++)
		err = candidate_add(c, &c->drifts[i]);
	held_forget(&c->next);
	if (err < 0)
		return err;
	if (c->count)
		qsort(c->candidates, c->count, sizeof *c->candidates, by_group);
	err = want_drift(c, copied);
	if (err >= 0)
		err = want_blinds(c, copied, s);
	if (err < 0)
		return err;
	end_others(c);
	if (c->next.count)
		qsort(c->next.items, c->next.count, sizeof *c->next.items, by_key);
	return 0;
}

/* ---- what the store says */

static int window_read(struct comparison *c, struct store *s)
{
	struct store_maintenance window = { 0 };
	int err = store_maintenance_get(s, &window);

	c->window_until = err >= 0 && window.ends_at > c->now ? window.ends_at : 0;
	store_maintenance_release(&window);
	return err == -ENOENT ? 0 : err;
}

static void field(struct buffer *b, const char *text)
{
	buffer_append(b, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void digest_of(const struct comparison *c, struct digest *ret)
{
	struct buffer all = BUFFER_INIT;

	buffer_printf(&all, "%" PRId64 "\n", c->window_until);
	for (size_t i = 0; i < c->drift_count; i++) {
		const struct store_drift *d = &c->drifts[i];

		buffer_printf(&all, "%" PRId64 " %" PRId64 " %d%d%d %s", d->guest, d->at, d->anonymous, d->running, d->settled, d->digest.text);
		field(&all, d->change_set);
		field(&all, d->id);
		field(&all, d->uuid);
		field(&all, d->name);
		field(&all, d->host);
	}
	for (size_t i = 0; i < c->blind_count; i++) {
		buffer_printf(&all, "%" PRId64 " %d", c->blinds[i].at, c->blinds[i].severity);
		field(&all, c->blinds[i].scope);
		field(&all, c->blinds[i].reason);
	}
	if (buffer_failed(&all))
		*ret = (struct digest){ "" };
	else
		digest_bytes(all.data, all.size, ret);
	buffer_release(&all);
}

static void comparison_release(struct comparison *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->candidates[i].group);
	free(c->candidates);
	store_drifts_free(c->drifts, c->drift_count);
	store_blinds_free(c->blinds, c->blind_count);
	notices_release(&c->next);
}

/* With the digest of it all. whole: with the changes, too. */
static int read_all(struct comparison *c, struct store *s, bool whole, struct digest *ret)
{
	int err = (whole ? store_drifts : store_drifts_brief)(s, &c->drifts, &c->drift_count);

	if (err >= 0)
		err = store_blinds(s, &c->blinds, &c->blind_count);
	if (err >= 0)
		err = window_read(c, s);
	if (err >= 0)
		digest_of(c, ret);
	return err;
}

static int failed(struct store *s, int err, struct error *e)
{
	return error_set(e, -err, "%s", err == -ENOMEM ? "out of memory" : store_error(s));
}

/* Most changes of the store are none of ours. */
static int same_as_seen(const struct notices *n, struct store *s, int64_t now, bool *ret)
{
	struct comparison c = { .next = NOTICES_INIT, .now = now };
	struct digest seen = { "" };
	int err = read_all(&c, s, false, &seen);

	*ret = *seen.text && !strcmp(seen.text, n->seen) && now < n->again_at;
	comparison_release(&c);
	return err;
}

int notices_follow(struct notices *n, struct store *s, int64_t now, bool *ret_changed, struct error *e)
{
	struct comparison c = { .next = NOTICES_INIT, .now = now };
	struct digest seen = { "" };
	bool same = false;
	int err = same_as_seen(n, s, now, &same);

	if (err < 0 || same)
		return err < 0 ? failed(s, err, e) : 0;
	err = read_all(&c, s, true, &seen);
	if (err >= 0)
		err = compare(&c, n, s);
	if (err >= 0) {
		struct notices old = *n;

		*n = c.next;
		c.next = old;
		snprintf(n->seen, sizeof n->seen, "%s", seen.text);
		*ret_changed |= c.changed;
	}
	comparison_release(&c);
	return err < 0 ? failed(s, err, e) : 0;
}
