// SPDX-License-Identifier: Apache-2.0
/* What lasts: what monitors say of themselves, where somebody no longer sees, notices that are told again until they end. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/store/forward.h"

/* ---- what monitors say of themselves */

void store_statuses_free(struct store_status *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].host);
		free(items[i].json);
	}
	free(items);
}

int store_status_put(struct store *s, const char *host, int64_t at, const char *json)
{
	struct query q = query_start(s, "INSERT INTO statuses (host, at, json) VALUES (?, ?, ?) ON CONFLICT (host) DO UPDATE SET at = excluded.at, json = "
					"excluded.json");
	query_text(&q, host);
	query_int(&q, at);
	query_text(&q, json);
	return query_run(&q);
}

static int statuses_read(struct query *q, struct store_status **ret, size_t *ret_count)
{
	struct store_status *items = NULL;
	size_t count = 0;
	while (query_next(q) > 0) {
		struct store_status *one = store_grow(q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->host = column_must(q);
		one->at = column_int(q);
		one->json = column_must(q);
		if (q->err)
			break;
	}
	int err = query_end(q);
	if (err < 0) {
		store_statuses_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_statuses(struct store *s, struct store_status **ret, size_t *ret_count)
{
	struct query q = query_start(s, "SELECT host, at, json FROM statuses ORDER BY host");
	return statuses_read(&q, ret, ret_count);
}

int store_statuses_stale(struct store *s, int64_t before, struct store_status **ret, size_t *ret_count)
{
	struct query q = query_start(s, "SELECT host, at, json FROM statuses WHERE at < ? AND EXISTS (SELECT 1 FROM instances WHERE running = 1 AND "
					"instances.host = statuses.host) ORDER BY at, host");
	query_int(&q, before);
	return statuses_read(&q, ret, ret_count);
}

/* ---- where somebody no longer sees */

void store_blinds_free(struct store_blind *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].scope);
		free(items[i].host);
		free(items[i].guest);
		free(items[i].reason);
	}
	free(items);
}

/* 1: there is one. */
static int blind_there(struct store *s, const char *scope)
{
	struct query q = query_start(s, "SELECT 1 FROM blinds WHERE scope = ?");
	query_text(&q, scope);
	int found = query_next(&q);
	int err = query_end(&q);
	return err < 0 ? err : found;
}

int store_blind_set(struct store *s, const struct store_blind *blind, bool *ret_new)
{
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	int there = blind_there(s, blind->scope);
	struct query q = query_start(s, "INSERT INTO blinds (scope, host, guest, at, severity, reason) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (scope) DO "
					"UPDATE SET reason = excluded.reason, severity = excluded.severity");
	query_text(&q, blind->scope);
	query_text(&q, blind->host);
	query_text(&q, blind->guest);
	query_int(&q, blind->at);
	query_text(&q, severity_name(blind->severity));
	query_text(&q, blind->reason);
	err = query_run(&q);
	err = store_leave(s, own, there < 0 ? there : err);
	if (!err)
		*ret_new = !there;
	return err;
}

int store_blind_end(struct store *s, const char *scope, bool *ret_gone)
{
	struct query q = query_start(s, "DELETE FROM blinds WHERE scope = ?");
	query_text(&q, scope);
	int err = query_run(&q);
	if (!err)
		*ret_gone = query_changes(&q) != 0;
	return err;
}

#define BLINDS "SELECT scope, host, guest, at, severity, reason FROM blinds"

static int blinds_read(struct query q, struct store_blind **ret, size_t *ret_count)
{
	struct store_blind *items = NULL;
	size_t count = 0;
	while (query_next(&q) > 0) {
		struct store_blind *one = store_grow(&q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->scope = column_must(&q);
		one->host = column_must(&q);
		one->guest = column_text(&q);
		one->at = column_int(&q);
		char *severity = column_must(&q);
		if (severity && severity_parse(severity, &one->severity) < 0)
			q.err = store_damaged(q.s, "a severity that there is not");
		free(severity);
		one->reason = column_must(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_blinds_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_blinds(struct store *s, struct store_blind **ret, size_t *ret_count)
{
	return blinds_read(query_start(s, BLINDS " ORDER BY scope"), ret, ret_count);
}

int store_blinds_under(struct store *s, const char *prefix, struct store_blind **ret, size_t *ret_count)
{
	/* A range, which the key's index answers: '0' is what comes after '/'. */
	struct query q = query_start(s, BLINDS " WHERE scope > ?1 AND scope < substr(?1, 1, length(?1) - 1) || '0' ORDER BY scope");
	query_text(&q, prefix);
	return blinds_read(q, ret, ret_count);
}

/* ---- notices */

void store_notices_free(struct store_notice *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].key);
		free(items[i].json);
	}
	free(items);
}

/* Who took an end took that one, not a later end of the same notice. */
static int noticed_forget(struct store *s, const struct store_notice *notice)
{
	struct query q = query_start(s, "DELETE FROM noticed WHERE key = ? AND NOT EXISTS (SELECT 1 FROM notices WHERE key = noticed.key AND ends_at = ?)");
	query_text(&q, notice->key);
	query_int(&q, notice->ends_at);
	return query_run(&q);
}

int store_notice_put(struct store *s, const struct store_notice *notice)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_NOTICE_PUT };
		message_text(&ask, notice->key);
		message_text(&ask, notice->json);
		message_number(&ask, notice->starts_at);
		message_number(&ask, notice->ends_at);
		return store_forward(s, &ask, NULL);
	}
	bool own;
	int err = store_enter(s, true, &own);
	if (err < 0)
		return err;
	err = noticed_forget(s, notice);
	if (err < 0)
		return store_leave(s, own, err);
	struct query q = query_start(s, "INSERT INTO notices (key, json, starts_at, ends_at) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET json = "
					"excluded.json, starts_at = iif(ends_at, excluded.starts_at, starts_at), ends_at = excluded.ends_at");
	query_text(&q, notice->key);
	query_text(&q, notice->json);
	query_int(&q, notice->starts_at);
	query_int(&q, notice->ends_at);
	err = query_run(&q);
	return store_leave(s, own, err);
}

int store_notices(struct store *s, struct store_notice **ret, size_t *ret_count)
{
	struct store_notice *items = NULL;
	size_t count = 0;
	struct query q = query_start(s, "SELECT key, json, starts_at, ends_at FROM notices ORDER BY key");
	while (query_next(&q) > 0) {
		struct store_notice *one = store_grow(&q, &items, count, sizeof *items);
		if (!one)
			break;
		count++;
		one->key = column_must(&q);
		one->json = column_must(&q);
		one->starts_at = column_int(&q);
		one->ends_at = column_int(&q);
		if (q.err)
			break;
	}
	int err = query_end(&q);
	if (err < 0) {
		store_notices_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

int store_notice_took(struct store *s, const char *key, const char *peer)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_NOTICE_TOOK };
		message_text(&ask, key);
		message_text(&ask, peer);
		return store_forward(s, &ask, NULL);
	}
	struct query q = query_start(s, "INSERT INTO noticed (key, peer) VALUES (?, ?) ON CONFLICT DO NOTHING");
	query_text(&q, key);
	query_text(&q, peer);
	return query_run(&q);
}

int store_notice_taken(struct store *s, const char *key, const char *peer, bool *ret_taken)
{
	struct query q = query_start(s, "SELECT 1 FROM noticed WHERE key = ? AND peer = ?");
	query_text(&q, key);
	query_text(&q, peer);
	bool taken = query_next(&q) > 0;
	int err = query_end(&q);
	if (!err)
		*ret_taken = taken;
	return err;
}

int store_notice_drop(struct store *s, const char *key)
{
	if (store_forwards(s)) {
		struct message ask = { .what = FORWARD_NOTICE_DROP };
		message_text(&ask, key);
		return store_forward(s, &ask, NULL);
	}
	struct query q = query_start(s, "DELETE FROM notices WHERE key = ?");
	query_text(&q, key);
	return query_run(&q);
}
