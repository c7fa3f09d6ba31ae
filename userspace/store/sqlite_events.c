// SPDX-License-Identifier: Apache-2.0
/* What happened and who is told: open drift, events, hosts. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- open drift */

static int drift_close(struct store *s, int64_t guest)
{
	struct query q = query_start(s, "DELETE FROM drifts WHERE guest = ?");
	query_int(&q, guest);
	return query_run(&q);
}

static int drift_open(struct store *s, int64_t guest, const char *json, const struct digest *digest, const char *change_set, int64_t at)
{
	struct query q = query_start(s, "INSERT INTO drifts (guest, at, digest, json, change_set) VALUES (?, ?, ?, ?, ?)"
					" ON CONFLICT (guest) DO UPDATE SET at = excluded.at, digest = excluded.digest, json = "
					"excluded.json, change_set = excluded.change_set");
	query_int(&q, guest);
	query_int(&q, at);
	query_text(&q, digest ? digest->text : "");
	query_text(&q, json);
	query_text(&q, change_set);
	return query_run(&q);
}

/* What of it counts, by facet and severity (sqlite_tallies.c). */
static int drift_tally(struct store *s, int64_t guest)
{
	struct query q = query_start(s, "DELETE FROM drifted WHERE guest = ?");
	query_int(&q, guest);
	int err = query_run(&q);
	if (err < 0)
		return err;
	q = query_start(s, "INSERT INTO drifted (guest, facet, severity, changes) SELECT d.guest, c.value ->> '$.facet', c.value ->> '$.severity', "
			   "count(*) FROM drifts AS d, json_each(iif(json_valid(d.json), d.json, '{}'), '$.changes') AS c WHERE d.guest = ? AND "
			   "json_type(c.value, '$.facet') = 'text' AND json_type(c.value, '$.severity') = 'text' AND "
			   "coalesce(json_type(c.value, '$.suppressed_by'), 'null') = 'null' GROUP BY 1, 2, 3");
	query_int(&q, guest);
	return query_run(&q);
}

int store_drift_set(struct store *s, int64_t guest, const char *json, const struct digest *digest, const char *change_set, int64_t at)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = json ? drift_open(s, guest, json, digest, change_set, at) : drift_close(s, guest);
	if (!err && json)
		err = drift_tally(s, guest);
	return store_leave(s, own, err);
}

int store_drift_mark(struct store *s, int64_t guest, char **ret_verdict, char **ret_change_set, int64_t *ret_at)
{
	char *verdict = NULL, *set = NULL;
	int64_t at = 0;
	struct query q = query_start(s, "SELECT iif(json_valid(json), json_extract(json, '$.verdict'), NULL), change_set, at FROM drifts WHERE guest = ?");
	query_int(&q, guest);
	int found = query_next(&q);
	if (found > 0) {
		verdict = column_text(&q);
		set = column_text(&q);
		at = column_int(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: the guest has no open drift", s->path);
	if (err < 0) {
		free(verdict);
		free(set);
		return err;
	}
	*ret_verdict = verdict;
	*ret_change_set = set;
	*ret_at = at;
	return 0;
}

int store_drift_get(struct store *s, int64_t guest, char **ret_json, struct digest *ret_digest, int64_t *ret_at)
{
	char *json = NULL;
	struct digest digest = { "" };
	int64_t at = 0;
	struct query q = query_start(s, "SELECT json, digest, at FROM drifts WHERE guest = ?");
	query_int(&q, guest);
	int found = query_next(&q);
	if (found > 0) {
		json = column_must(&q);
		column_digest(&q, &digest);
		at = column_int(&q);
	}
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: the guest has no open drift", s->path);
	if (err < 0) {
		free(json);
		return err;
	}
	if (ret_json)
		*ret_json = json;
	else
		free(json);
	if (ret_digest)
		*ret_digest = digest;
	if (ret_at)
		*ret_at = at;
	return 0;
}

void store_drifts_free(struct store_drift *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].change_set);
		free(items[i].json);
		free(items[i].id);
		free(items[i].uuid);
		free(items[i].name);
		free(items[i].host);
	}
	free(items);
}

/* Of an instance that runs, else the newest. */
#define DRIFTS(json)                                                                                                                          \
	"SELECT d.guest, d.at, d.change_set, d.digest, " json ", g.id, g.uuid, g.name, g.anonymous, i.host, i.running, i.settled FROM drifts "    \
	"AS d JOIN guests AS g ON g.row = d.guest LEFT JOIN instances AS i ON i.row = (SELECT n.row FROM instances AS n WHERE n.guest = d.guest " \
	"ORDER BY " GUEST_FIRST("n.") " LIMIT 1) ORDER BY d.guest"

static int drifts_read(struct store *s, const char *sql, struct store_drift **ret, size_t *ret_count)
{
	struct store_drift *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, sql);
	while (query_next(&q) > 0) {
		struct store_drift *d = store_grow(&q, &items, count, sizeof *items);
		if (!d)
			break;
		count++;
		d->guest = column_int(&q);
		d->at = column_int(&q);
		d->change_set = column_text(&q);
		column_digest(&q, &d->digest);
		d->json = column_text(&q);
		d->id = column_must(&q);
		d->uuid = column_text(&q);
		d->name = column_text(&q);
		d->anonymous = column_int(&q) != 0;
		d->host = column_text(&q);
		d->running = column_int(&q) != 0;
		d->settled = column_int(&q) != 0;
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_drifts_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_drifts(struct store *s, struct store_drift **ret, size_t *ret_count)
{
	return drifts_read(s, DRIFTS("d.json"), ret, ret_count);
}

int store_drifts_brief(struct store *s, struct store_drift **ret, size_t *ret_count)
{
	return drifts_read(s, DRIFTS("NULL"), ret, ret_count);
}

/* ---- events */

void store_events_free(struct store_event *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].type);
		free(items[i].guest_id);
		free(items[i].by);
		free(items[i].reason);
		free(items[i].changes);
		free(items[i].context);
		free(items[i].change_set);
	}
	free(items);
}

int store_event_add(struct store *s, const struct store_event *event)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO events (at, type, guest, revision, by, reason, changes, context, change_set) VALUES (?, "
					"?, ?, ?, ?, ?, ?, ?, ?)");
	query_int(&q, event->at);
	query_text(&q, event->type);
	query_ref(&q, event->guest);
	query_ref(&q, event->revision);
	query_text(&q, event->by);
	query_text(&q, event->reason);
	query_text(&q, event->changes);
	query_text(&q, event->context);
	query_text(&q, event->change_set);
	return store_leave(s, own, query_run(&q));
}

int store_event_mend(struct store *s, int64_t guest, const char *type, const char *was, const char *is)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "UPDATE events SET reason = ?4 WHERE reason = ?3 AND row = (SELECT max(row) FROM events WHERE guest = ?1 AND type = ?2)");
	query_int(&q, guest);
	query_text(&q, type);
	query_text(&q, was);
	query_text(&q, is);
	return store_leave(s, own, query_run(&q));
}

static void event_columns(struct query *q, struct store_event *e)
{
	e->row = column_int(q);
	e->at = column_int(q);
	e->type = column_must(q);
	e->guest = column_int(q);
	e->guest_id = column_text(q);
	e->revision = (uint32_t)column_int(q);
	e->by = column_text(q);
	e->reason = column_text(q);
	e->changes = column_text(q);
	e->context = column_text(q);
	e->change_set = column_text(q);
}

#define EVENTS                                                                                                                      \
	"SELECT e.row, e.at, e.type, e.guest, g.id, e.revision, e.by, e.reason, e.changes, e.context, e.change_set FROM events AS " \
	"e LEFT JOIN guests AS g ON g.row = e.guest"

/* Adds the row that the query is at. NULL: no memory, which the query tells. */
static const struct store_event *event_append(struct store *s, struct query *q, struct store_event **items, size_t *count)
{
	struct store_event *grown = reallocarray(*items, *count + 1, sizeof(*grown));

	if (!grown) {
		q->err = store_fail(s, SQLITE_NOMEM);
		return NULL;
	}
	*items = grown;
	grown[*count] = (struct store_event){ 0 };
	event_columns(q, &grown[*count]);
	return &grown[(*count)++];
}

int store_events(struct store *s, int64_t guest, int64_t since, struct store_event **ret, size_t *ret_count)
{
	struct store_event *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, guest ? EVENTS " WHERE e.guest = ?1 AND e.at >= ?2 ORDER BY e.at, e.row"
					      : EVENTS " WHERE ?1 = 0 AND e.at >= ?2 ORDER BY e.at, e.row");
	query_int(&q, guest);
	query_int(&q, since);
	while (!q.err && query_next(&q) > 0)
		event_append(s, &q, &items, &count);
	int err = query_end(&q);
	if (err < 0) {
		store_events_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

static size_t event_characters(const struct store_event *e)
{
	return (e->changes ? strlen(e->changes) : 0) + (e->context ? strlen(e->context) : 0) + (e->reason ? strlen(e->reason) : 0);
}

static void turn_round(struct store_event *items, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct store_event other = items[i];

		items[i] = items[count - 1 - i];
		items[count - 1 - i] = other;
	}
}

/* By an index, from its end: what is not asked for is not read. */
#define NEWEST(which) EVENTS " WHERE " which " AND e.at >= ?2 AND e.at <= ?3 AND (e.at < ?3 OR e.row < ?4) ORDER BY e.at DESC, e.row DESC LIMIT ?5"

/* Events in order, the newest first, and the place of the next one. */
struct newest {
	struct query q;
	bool there;
	int64_t at, row;
};

static void newest_next(struct newest *n)
{
	n->there = query_next(&n->q) > 0;
	if (!n->there)
		return;
	n->row = column_int(&n->q);
	n->at = column_int(&n->q);
	n->q.column = 0;
}

static struct newest newest_start(struct store *s, const char *sql, int64_t guest, const struct store_newest *part)
{
	struct newest n = { .q = query_start(s, sql) };

	query_int(&n.q, guest);
	query_int(&n.q, part->since);
	query_int(&n.q, part->before_at);
	query_int(&n.q, part->before_row);
	query_int(&n.q, (int64_t)part->limit + 1);
	newest_next(&n);
	return n;
}

/* Which of two goes on; NULL: both are at their end. Merged here: SQLite would sort, and for that read all that the events hold. */
static struct newest *newer(struct newest *a, struct newest *b)
{
	if (!a->there || !b->there)
		return a->there ? a : b->there ? b : NULL;
	return a->at > b->at || (a->at == b->at && a->row > b->row) ? a : b;
}

int store_events_newest(struct store *s, int64_t guest, const struct store_newest *part, struct store_event **ret, size_t *ret_count, bool *ret_more)
{
	struct store_event *items = NULL;
	size_t count = 0, characters = 0;
	bool more = false;
	struct newest own = newest_start(s, guest ? NEWEST("e.guest = ?1") : NEWEST("?1 = 0"), guest, part), host = { 0 }, *next;
	if (guest && part->host)
		host = newest_start(s, NEWEST("e.guest IS NULL AND ?1 <> 0"), guest, part);
	while (!own.q.err && !host.q.err && (next = newer(&own, &host))) {
		more = count == part->limit || characters > part->characters;
		if (more)
			break;
		const struct store_event *added = event_append(s, &next->q, &items, &count);

		characters += added ? event_characters(added) : 0;
		newest_next(next);
	}
	int err = query_end(&own.q), host_err = query_end(&host.q);
	if (err < 0 || host_err < 0) {
		store_events_free(items, count);
		return err < 0 ? err : host_err;
	}
	turn_round(items, count);
	*ret = items;
	*ret_count = count;
	*ret_more = more;
	return 0;
}

int store_event_last(struct store *s, const char *type, int64_t *ret_at)
{
	int64_t at = 0;
	struct query q = query_start(s, "SELECT at FROM events WHERE type = ? ORDER BY at DESC LIMIT 1");
	query_text(&q, type);
	int found = query_next(&q);
	if (found > 0)
		at = column_int(&q);
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: there is no event of the type %s", s->path, type);
	if (!err)
		*ret_at = at;
	return err;
}

/* ---- hosts */

int store_host_get(struct store *s, const char *host, char **ret_context)
{
	char *context = NULL;
	struct query q = query_start(s, "SELECT context FROM hosts WHERE host = ?");
	query_text(&q, host);
	int found = query_next(&q);
	if (found > 0)
		context = column_must(&q);
	int err = query_end(&q);
	if (!err && !found)
		err = error_set(&s->error, ENOENT, "store %s: nothing is known of the host %s yet", s->path, host);
	if (err < 0) {
		free(context);
		return err;
	}
	*ret_context = context;
	return 0;
}

int store_host_put(struct store *s, const char *host, const char *context)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO hosts (host, context) VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET context = "
					"excluded.context");
	query_text(&q, host);
	query_text(&q, context);
	return store_leave(s, own, query_run(&q));
}
