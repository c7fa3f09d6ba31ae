// SPDX-License-Identifier: Apache-2.0
/* What operators ordained: maintenance windows, what happened in them; and what their rules of suppression hid. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- maintenance windows */

void store_maintenance_release(struct store_maintenance *m)
{
	if (!m)
		return;
	free(m->by);
	free(m->reason);
	*m = (struct store_maintenance){ 0 };
}

int store_maintenance_get(struct store *s, struct store_maintenance *ret)
{
	struct store_maintenance m = { 0 };
	struct query q = query_start(s, "SELECT row, begins_at, ends_at, by, reason FROM maintenance WHERE closed_at IS NULL");
	int found = query_next(&q);
	if (found > 0) {
		m.row = column_int(&q);
		m.begins_at = column_int(&q);
		m.ends_at = column_int(&q);
		m.by = column_must(&q);
		m.reason = column_text(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: no maintenance window is open", s->path);
	if (err < 0) {
		store_maintenance_release(&m);
		return err;
	}
	*ret = m;
	return 0;
}

static int maintenance_begin(struct store *s, const struct store_maintenance *m, int64_t *ret_row)
{
	struct store_maintenance open = { 0 };
	int err = store_maintenance_get(s, &open);
	store_maintenance_release(&open);
	if (!err)
		return error_set(&s->error, EEXIST, "store %s: a maintenance window is open already", s->path);
	if (err != -ENOENT)
		return err;
	struct query q = query_start(s, "INSERT INTO maintenance (begins_at, ends_at, by, reason) VALUES (?, ?, ?, ?)");
	query_int(&q, m->begins_at);
	query_int(&q, m->ends_at);
	query_text(&q, m->by);
	query_text(&q, m->reason);
	err = query_run(&q);
	if (!err)
		*ret_row = sqlite3_last_insert_rowid(s->db);
	return err;
}

static int maintenance_update(struct store *s, const struct store_maintenance *m)
{
	struct query q = query_start(s, "UPDATE maintenance SET ends_at = ?, closed_at = ? WHERE row = ?");
	query_int(&q, m->ends_at);
	query_ref(&q, m->closed_at);
	query_int(&q, m->row);
	int err = query_run(&q);
	if (!err && query_changes(&q) == 0)
		err = error_set(&s->error, ENOENT, "store %s: there is no such maintenance window", s->path);
	return err;
}

int store_maintenance_put(struct store *s, struct store_maintenance *m)
{
	int64_t row = m->row;
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = store_leave(s, own, row ? maintenance_update(s, m) : maintenance_begin(s, m, &row));
	if (!err)
		m->row = row;
	return err;
}

/* ---- what happened since */

void store_turns_free(struct store_turn *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].name);
		free(items[i].change_set);
	}
	free(items);
}

#define TURN "type IN ('drift', 'resolved')"

int store_turns(struct store *s, int64_t since, struct store_turn **ret, size_t *ret_count)
{
	struct store_turn *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT g.row, coalesce(g.name, g.id) AS name, (SELECT p.type FROM events AS p WHERE p.guest = g.row AND "
					"p." TURN " AND p.at < ?1 ORDER BY p.at DESC, p.row DESC LIMIT 1) = 'drift', (SELECT change_set FROM "
					"drifts AS d WHERE d.guest = g.row) FROM guests AS g WHERE EXISTS (SELECT 1 FROM events AS e WHERE "
					"e.guest = g.row AND e.at >= ?1 AND e." TURN ") ORDER BY name, g.id");
	query_int(&q, since);
	while (query_next(&q) > 0) {
		struct store_turn *grown = reallocarray(items, count + 1, sizeof(*grown));
		if (!grown) {
			q.err = store_fail(s, SQLITE_NOMEM);
			break;
		}
		items = grown;
		struct store_turn *t = &items[count++];
		t->guest = column_int(&q);
		t->name = column_must(&q);
		t->drifted = column_int(&q) != 0;
		t->change_set = column_text(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_turns_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* ---- rules of suppression */

void store_suppressions_free(struct store_suppression *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].rule);
	free(items);
}

int store_suppression_hit(struct store *s, const char *rule, uint64_t changes, uint64_t guests, int64_t at)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO suppressions (rule, changes, guests, last_at) VALUES (?, ?, ?, ?) ON CONFLICT (rule) DO "
					"UPDATE SET changes = changes + excluded.changes, guests = guests + excluded.guests, last_at = "
					"max(last_at, excluded.last_at)");
	query_text(&q, rule);
	query_int(&q, (int64_t)changes);
	query_int(&q, (int64_t)guests);
	query_int(&q, at);
	return store_leave(s, own, query_run(&q));
}

int store_suppressions(struct store *s, struct store_suppression **ret, size_t *ret_count)
{
	struct store_suppression *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT rule, changes, guests, last_at FROM suppressions ORDER BY rule");
	while (query_next(&q) > 0) {
		struct store_suppression *grown = reallocarray(items, count + 1, sizeof(*grown));
		if (!grown) {
			q.err = store_fail(s, SQLITE_NOMEM);
			break;
		}
		items = grown;
		struct store_suppression *r = &items[count++];
		r->rule = column_must(&q);
		r->changes = (uint64_t)column_int(&q);
		r->guests = (uint64_t)column_int(&q);
		r->last_at = column_int(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_suppressions_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}
