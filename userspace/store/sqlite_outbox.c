// SPDX-License-Identifier: Apache-2.0
/* Alerts and what became of them: one queue, read by each sink for itself; counts that outlive every process. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/store/forward.h"

void store_alerts_free(struct store_alert *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].id);
		free(items[i].json);
		free(items[i].guest);
	}
	free(items);
}

int store_alert_add(struct store *s, const char *id, const char *guest, const char *json, int64_t at)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	/* Ids are stable: the same one again is the same alert, told already. */
	struct query q = query_start(s, "INSERT INTO alerts (id, at, guest, json) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING");
	query_text(&q, id);
	query_int(&q, at);
	query_text(&q, guest);
	query_text(&q, json);
	return store_leave(s, own, query_run(&q));
}

/* 1: it has begun, *ret_done is how far it came. */
static int sink_get(struct store *s, const char *sink, int64_t *ret_done)
{
	struct query q = query_start(s, "SELECT done FROM sinks WHERE sink = ?");
	query_text(&q, sink);
	int found = query_next(&q);
	if (found > 0)
		*ret_done = column_int(&q);
	int err = query_end(&q);
	return err < 0 ? err : found;
}

static int sink_must(struct store *s, const char *sink, int64_t *ret_done)
{
	int found = sink_get(s, sink, ret_done);
	if (!found)
		return error_set(&s->error, ENOENT, "store %s: the sink %s has not begun", s->path, sink);
	return found < 0 ? found : 0;
}

int store_sink_begin(struct store *s, const char *sink)
{
	bool own;
	int64_t done;
	/* Known already: no lock is asked for. */
	int found = sink_get(s, sink, &done);
	if (found)
		return found < 0 ? found : 0;
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_SINK_BEGIN };
		message_text(&ask, sink);
		return store_forward(s, &ask, NULL);
	}
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO sinks (sink, done) SELECT ?, coalesce(max(row), 0) FROM alerts WHERE true ON CONFLICT "
					"(sink) DO NOTHING");
	query_text(&q, sink);
	return store_leave(s, own, query_run(&q));
}

static int alerts_read(struct store *s, struct query *q, struct store_alert **ret, size_t *ret_count)
{
	struct store_alert *items = NULL;
	size_t count = 0;

	(void)s;
	while (query_next(q) > 0) {
		struct store_alert *a = store_grow(q, &items, count, sizeof *items);
		if (!a)
			break;
		count++;
		a->row = column_int(q);
		a->id = column_must(q);
		a->json = column_must(q);
		a->at = column_int(q);
		a->guest = column_text(q);
		if (q->err)
			break;
	}
	int err = query_end(q);
	if (err < 0) {
		store_alerts_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

static void queue_bind(struct query *q, const char *sink, int64_t done, size_t max)
{
	query_int(q, done);
	query_text(q, sink);
	query_int(q, max > INT64_MAX ? INT64_MAX : (int64_t)max);
}

int store_alerts_for(struct store *s, const char *sink, size_t max, struct store_alert **ret, size_t *ret_count)
{
	int64_t done = 0;
	int err = sink_must(s, sink, &done);
	if (err < 0)
		return err;
	struct query q = query_start(s, "SELECT row, id, json, at, guest FROM alerts AS a WHERE a.row > ?1 AND NOT EXISTS (SELECT 1 FROM acknowledged AS k"
					" WHERE k.sink = ?2 AND k.alert = a.row) ORDER BY a.row LIMIT ?3");
	queue_bind(&q, sink, done, max);
	return alerts_read(s, &q, ret, ret_count);
}

int store_alert_heads(struct store *s, const char *sink, size_t max, struct store_alert **ret, size_t *ret_count)
{
	int64_t done = 0;
	int err = sink_must(s, sink, &done);
	if (err < 0)
		return err;
	/* Grouped first: the contents of those that are not wanted are never read. */
	struct query q = query_start(s, "SELECT a.row, a.id, a.json, a.at, a.guest FROM alerts AS a JOIN (SELECT min(w.row) AS head FROM alerts AS w WHERE"
					" w.row > ?1 AND NOT EXISTS (SELECT 1 FROM acknowledged AS k WHERE k.sink = ?2 AND k.alert = w.row)"
					" GROUP BY w.guest ORDER BY head LIMIT ?3) ON a.row = head ORDER BY a.row");
	queue_bind(&q, sink, done, max);
	return alerts_read(s, &q, ret, ret_count);
}

static int alert_acknowledge(struct store *s, const char *sink, int64_t row)
{
	int64_t done = 0;
	int err = sink_must(s, sink, &done);
	if (err < 0 || row <= done)
		return err;
	struct query q = query_start(s, "INSERT INTO acknowledged (sink, alert) VALUES (?, ?) ON CONFLICT DO NOTHING");
	query_text(&q, sink);
	query_int(&q, row);
	return query_run(&q);
}

/* What is acknowledged without a gap needs no row for each: a sink that keeps up costs one number. */
static int sink_advance(struct store *s, const char *sink)
{
	struct query q = query_start(s, "UPDATE sinks SET done = coalesce((SELECT min(row) - 1 FROM alerts WHERE row > done AND NOT EXISTS"
					" (SELECT 1 FROM acknowledged AS a WHERE a.sink = ?1 AND a.alert = alerts.row)), (SELECT max(row) "
					"FROM alerts), done) WHERE sink = ?1");
	query_text(&q, sink);
	int err = query_run(&q);
	if (err < 0)
		return err;
	struct query forget = query_start(s, "DELETE FROM acknowledged WHERE sink = ?1 AND alert <= (SELECT done FROM sinks WHERE sink = "
					     "?1)");
	query_text(&forget, sink);
	return query_run(&forget);
}

static int delivery_forget(struct store *s, const char *sink, int64_t row)
{
	struct query q = query_start(s, "DELETE FROM deliveries WHERE sink = ? AND alert = ?");

	query_text(&q, sink);
	query_int(&q, row);
	return query_run(&q);
}

static int result_count(struct store *s, const char *sink, const char *result)
{
	char labels[128];

	snprintf(labels, sizeof labels, "%s,%s", sink, result);
	return store_counter_add(s, "alerts", labels, 1);
}

int store_alert_done(struct store *s, const char *sink, int64_t row, bool given_up)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_ALERT_DONE };
		message_text(&ask, sink);
		message_number(&ask, row);
		message_number(&ask, given_up);
		return store_forward(s, &ask, NULL);
	}
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = alert_acknowledge(s, sink, row);
	if (!err)
		err = sink_advance(s, sink);
	if (!err)
		err = delivery_forget(s, sink, row);
	if (!err)
		err = result_count(s, sink, given_up ? "given_up" : "delivered");
	return store_leave(s, own, err);
}

int store_alert_failed(struct store *s, const char *sink, int64_t row, bool refused, int64_t next_at, const char *why)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_ALERT_FAILED };
		message_text(&ask, sink);
		message_number(&ask, row);
		message_number(&ask, refused);
		message_number(&ask, next_at);
		message_text(&ask, why);
		return store_forward(s, &ask, NULL);
	}
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "INSERT INTO deliveries (sink, alert, attempts, next_at, why) VALUES (?1, ?2, ?3, ?4, ?5)"
					" ON CONFLICT (sink, alert) DO UPDATE SET attempts = attempts + excluded.attempts, next_at = excluded.next_at, why = excluded.why");
	query_text(&q, sink);
	query_int(&q, row);
	query_int(&q, refused);
	query_int(&q, next_at);
	query_text(&q, why);
	err = query_run(&q);
	if (!err)
		err = result_count(s, sink, "failed");
	return store_leave(s, own, err);
}

void store_queues_free(struct store_queue *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].sink);
		free(items[i].why);
	}
	free(items);
}

int store_queues(struct store *s, struct store_queue **ret, size_t *ret_count)
{
	struct store_queue *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT k.sink, count(a.row), coalesce(min(a.at), 0), (SELECT d.why FROM deliveries AS d WHERE d.sink = k.sink"
					" ORDER BY d.alert DESC LIMIT 1) FROM sinks AS k LEFT JOIN alerts AS a ON a.row > k.done AND NOT EXISTS"
					" (SELECT 1 FROM acknowledged AS n WHERE n.sink = k.sink AND n.alert = a.row) GROUP BY k.sink ORDER BY k.sink");
	while (query_next(&q) > 0) {
		struct store_queue *one = store_grow(&q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->sink = column_must(&q);
		one->waiting = (size_t)column_int(&q);
		one->oldest_at = column_int(&q);
		one->why = column_text(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_queues_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_sink_drop(struct store *s, const char *sink)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_SINK_DROP };
		message_text(&ask, sink);
		return store_forward(s, &ask, NULL);
	}
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	struct query q = query_start(s, "DELETE FROM acknowledged WHERE sink = ?");
	query_text(&q, sink);
	err = query_run(&q);
	if (!err) {
		struct query of = query_start(s, "DELETE FROM sinks WHERE sink = ?");
		query_text(&of, sink);
		err = query_run(&of);
	}
	return store_leave(s, own, err);
}

/* ---- counters */

void store_counters_free(struct store_counter *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].name);
		free(items[i].labels);
	}
	free(items);
}

int store_counter_add(struct store *s, const char *name, const char *labels, uint64_t count)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_COUNTER_ADD };
		message_text(&ask, name);
		message_text(&ask, labels);
		message_number(&ask, (int64_t)count);
		return store_forward(s, &ask, NULL);
	}
	struct query q = query_start(s, "INSERT INTO counters (name, labels, count) VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET count = "
					"count + excluded.count");
	query_text(&q, name);
	query_text(&q, labels);
	query_int(&q, (int64_t)count);
	return query_run(&q);
}

int store_counter_add_bounded(struct store *s, const char *name, const char *labels, size_t max, const char *other, uint64_t count)
{
	struct query q = query_start(s, "INSERT INTO counters (name, labels, count) VALUES (?1, iif(EXISTS (SELECT 1 FROM counters WHERE name = ?1 AND labels = "
					"?2) OR (SELECT count(*) FROM counters WHERE name = ?1) < ?3, ?2, ?4), ?5) ON CONFLICT (name, labels) DO UPDATE "
					"SET count = count + excluded.count");
	query_text(&q, name);
	query_text(&q, labels);
	query_int(&q, (int64_t)max);
	query_text(&q, other);
	query_int(&q, (int64_t)count);
	return query_run(&q);
}

int store_counters(struct store *s, struct store_counter **ret, size_t *ret_count)
{
	struct store_counter *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT name, labels, count FROM counters ORDER BY name, labels");
	while (query_next(&q) > 0) {
		struct store_counter *one = store_grow(&q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->name = column_must(&q);
		one->labels = column_must(&q);
		one->count = (uint64_t)column_int(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_counters_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}
