// SPDX-License-Identifier: Apache-2.0
/* The tables, the steps that lead from one format to the next, and whether a database has what they make. docs/store.md. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT_1[] =
	/* Large and repeated: fingerprint text, facts, contexts, by the SHA-256 of their bytes. */
	"CREATE TABLE contents (row INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;"
	"CREATE TABLE guests (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, uuid TEXT, name TEXT, anonymous INTEGER NOT "
	"NULL,"
	" boots INTEGER NOT NULL DEFAULT 0, revisions INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE revisions (guest INTEGER NOT NULL REFERENCES guests, revision INTEGER NOT NULL, at INTEGER NOT NULL, boot INTEGER "
	"NOT NULL,"
	" normaliser INTEGER NOT NULL, digest TEXT, text INTEGER NOT NULL REFERENCES contents, facts INTEGER NOT NULL REFERENCES contents,"
	" context INTEGER NOT NULL REFERENCES contents, PRIMARY KEY (guest, revision)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX revisions_digest ON revisions (digest);"
	/* Deleting a content asks these whether anyone refers to it. */
	"CREATE INDEX revisions_text ON revisions (text);"
	"CREATE INDEX revisions_facts ON revisions (facts);"
	"CREATE INDEX revisions_context ON revisions (context);"
	"CREATE TABLE instances (row INTEGER PRIMARY KEY, guest INTEGER NOT NULL REFERENCES guests, host TEXT NOT NULL, pid INTEGER NOT "
	"NULL, fd INTEGER NOT NULL,"
	" start TEXT NOT NULL, vm TEXT NOT NULL, running INTEGER NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, boot "
	"INTEGER NOT NULL,"
	" boot_token INTEGER NOT NULL, settled INTEGER NOT NULL, state TEXT NOT NULL, severity TEXT NOT NULL, changes INTEGER NOT NULL, "
	"revision INTEGER,"
	" vmm TEXT NOT NULL, machine TEXT, context TEXT, FOREIGN KEY (guest, revision) REFERENCES revisions) STRICT;"
	"CREATE INDEX instances_revision ON instances (guest, revision);"
	"CREATE TABLE coverage (instance INTEGER NOT NULL REFERENCES instances ON DELETE CASCADE, facet TEXT NOT NULL, coverage TEXT NOT "
	"NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY (instance, facet)) STRICT, WITHOUT ROWID;"
	/* A stack for each guest, of which nothing is forgotten: the newest that was not undone is the baseline. */
	"CREATE TABLE baselines (row INTEGER PRIMARY KEY AUTOINCREMENT, guest INTEGER NOT NULL REFERENCES guests, revision INTEGER NOT "
	"NULL, at INTEGER NOT NULL,"
	" by TEXT NOT NULL, reason TEXT, expires INTEGER NOT NULL, undone_at INTEGER, undone_by TEXT, undone_reason TEXT,"
	" FOREIGN KEY (guest, revision) REFERENCES revisions) STRICT;"
	"CREATE INDEX baselines_revision ON baselines (guest, revision);"
	"CREATE TABLE drifts (guest INTEGER PRIMARY KEY REFERENCES guests, at INTEGER NOT NULL, digest TEXT NOT NULL, json TEXT NOT NULL) "
	"STRICT;"
	"CREATE TABLE events (row INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, guest INTEGER REFERENCES guests, revision "
	"INTEGER, by TEXT, reason TEXT,"
	" changes TEXT, context TEXT) STRICT;"
	"CREATE INDEX events_at ON events (at);"
	"CREATE INDEX events_guest ON events (guest, at);"
	"CREATE TABLE alerts (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, json TEXT NOT NULL) "
	"STRICT;"
	/* Everything up to `done` was delivered to this sink; beyond it, what is in acknowledged. */
	"CREATE TABLE sinks (sink TEXT PRIMARY KEY, done INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE acknowledged (sink TEXT NOT NULL REFERENCES sinks, alert INTEGER NOT NULL REFERENCES alerts ON DELETE CASCADE, "
	"PRIMARY KEY (sink, alert))"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX acknowledged_alert ON acknowledged (alert);"
	"CREATE TABLE hosts (host TEXT PRIMARY KEY, context TEXT NOT NULL) STRICT, WITHOUT ROWID;";

/* Which changes came together, over many guests; revisions made under a running guest; maintenance windows; what rules hid. */
static const char FORMAT_2[] =
	"ALTER TABLE drifts ADD COLUMN change_set TEXT;"
	"ALTER TABLE baselines ADD COLUMN change_set TEXT;"
	"ALTER TABLE events ADD COLUMN change_set TEXT;"
	"ALTER TABLE revisions ADD COLUMN running INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE instances ADD COLUMN life TEXT;"
	"CREATE INDEX drifts_change_set ON drifts (change_set);"
	"CREATE TABLE maintenance (row INTEGER PRIMARY KEY AUTOINCREMENT, begins_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, by TEXT NOT "
	"NULL, reason TEXT, closed_at INTEGER) STRICT;"
	/* One window at a time. */
	"CREATE UNIQUE INDEX maintenance_open ON maintenance (closed_at IS NULL) WHERE closed_at IS NULL;"
	"CREATE TABLE suppressions (rule TEXT PRIMARY KEY, changes INTEGER NOT NULL, guests INTEGER NOT NULL, last_at INTEGER NOT NULL) "
	"STRICT, WITHOUT ROWID;";

/* What sinks could not deliver yet; counts over restarts; what monitors say of themselves, and where they no longer see; what lasts. */
static const char FORMAT_3[] =
	"ALTER TABLE alerts ADD COLUMN guest TEXT;"
	"CREATE TABLE deliveries (sink TEXT NOT NULL REFERENCES sinks ON DELETE CASCADE, alert INTEGER NOT NULL REFERENCES alerts ON DELETE CASCADE,"
	" attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, why TEXT NOT NULL, PRIMARY KEY (sink, alert)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX deliveries_alert ON deliveries (alert);"
	"CREATE TABLE counters (name TEXT NOT NULL, labels TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (name, labels)) STRICT, WITHOUT "
	"ROWID;"
	"CREATE TABLE statuses (host TEXT PRIMARY KEY, at INTEGER NOT NULL, json TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE blinds (scope TEXT PRIMARY KEY, host TEXT NOT NULL, guest TEXT, at INTEGER NOT NULL, severity TEXT NOT NULL, reason TEXT NOT "
	"NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE notices (key TEXT PRIMARY KEY, json TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL) STRICT, WITHOUT "
	"ROWID;"
	/* Peers that took a notice's end. */
	"CREATE TABLE noticed (key TEXT NOT NULL REFERENCES notices ON DELETE CASCADE, peer TEXT NOT NULL, PRIMARY KEY (key, peer)) STRICT, WITHOUT "
	"ROWID;"
	/* What is asked every few seconds of all guests: reading it out of the JSON takes seconds. */
	"CREATE TABLE drifted (guest INTEGER NOT NULL REFERENCES drifts ON DELETE CASCADE, facet TEXT NOT NULL, severity TEXT NOT NULL, changes "
	"INTEGER NOT NULL, PRIMARY KEY (guest, facet, severity)) STRICT, WITHOUT ROWID;"
	/* A store has many lives that ended, and few that go on. */
	"CREATE INDEX instances_running ON instances (guest) WHERE running = 1;"
	"INSERT INTO drifted (guest, facet, severity, changes) SELECT d.guest, c.value ->> '$.facet', c.value ->> '$.severity', count(*) FROM drifts AS d,"
	" json_each(iif(json_valid(d.json), d.json, '{}'), '$.changes') AS c WHERE json_type(c.value, '$.facet') = 'text' AND json_type(c.value, "
	"'$.severity') = 'text' AND coalesce(json_type(c.value, '$.suppressed_by'), 'null') = 'null' GROUP BY 1, 2, 3;";

static const char *const STEPS[] = { FORMAT_1, FORMAT_2, FORMAT_3, NULL };
_Static_assert(sizeof(STEPS) / sizeof(*STEPS) == STORE_FORMAT + 1, "one step for each format");

const struct store_setup STORE_SETUP = { .steps = STEPS, .format = STORE_FORMAT };

/* One number; the statement is not kept, because migrating changes what it was prepared for. */
static int pragma_int(struct store *s, const char *sql, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	int err = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc);
	sqlite3_finalize(stmt);
	return err;
}

static int take_steps(struct store *s, int64_t from)
{
	char pragma[96];
	for (int64_t format = from; format < s->setup.format; format++) {
		int err = store_sql(s, s->setup.steps[format]);
		if (err < 0)
			return err;
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %d;", STORE_APPLICATION_ID, s->setup.format);
	return store_sql(s, pragma);
}

static int refuse_older(struct store *s, int64_t format)
{
	if (format == 0)
		return error_set(&s->error, ENOENT, "store %s: nothing is in it yet; is the monitor running (abidrift run)?", s->path);
	return error_set(&s->error, EOPNOTSUPP,
			 "store %s: its format %lld is older than format %d; start abidrift run on it once, which brings it up to date",
			 s->path, (long long)format, s->setup.format);
}

int store_schema_migrate(struct store *s)
{
	int64_t format = 0;
	int err = pragma_int(s, "PRAGMA user_version", &format);
	if (err < 0)
		return err;
	if (format == s->setup.format)
		return 0;
	if (format > s->setup.format)
		return store_format_refuse(s->path, format, s->setup.format, &s->error);
	if (s->mode == STORE_READ)
		return refuse_older(s, format);

	err = store_begin(s);
	if (err < 0)
		return err;
	/* Another process may have been faster. */
	err = pragma_int(s, "PRAGMA user_version", &format);
	if (!err && format < s->setup.format)
		err = take_steps(s, format);
	if (err < 0) {
		store_rollback(s);
		return err;
	}
	return store_commit(s);
}

static int table_reads(struct store *s, const char *name)
{
	char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" LIMIT 1", name);
	sqlite3_stmt *stmt = NULL;
	int rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	int err = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return err;
}

static int part_exists(struct store *s, const char *type, const char *name, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, "SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ? AND sql = ?", -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return store_fail(s, rc);
	sqlite3_bind_text(stmt, 1, type, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, sql, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	int err = 0;
	if (rc == SQLITE_DONE) {
		char what[96];
		snprintf(what, sizeof(what), "%s %s is missing or altered", type, name);
		err = store_damaged(s, what);
	} else if (rc != SQLITE_ROW) {
		err = store_fail(s, rc);
	}
	sqlite3_finalize(stmt);
	return err;
}

static int compare_schema(struct store *s, sqlite3 *model)
{
	sqlite3_stmt *stmt = NULL;
	int err = 0;
	int rc = sqlite3_prepare_v2(model, "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL", -1, &stmt, NULL);
	while (rc == SQLITE_OK && !err && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *type = (const char *)sqlite3_column_text(stmt, 0);
		const char *name = (const char *)sqlite3_column_text(stmt, 1);
		err = part_exists(s, type, name, (const char *)sqlite3_column_text(stmt, 2));
		if (!err && strcmp(type, "table") == 0)
			err = table_reads(s, name);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_OK ? err : store_fail(s, rc);
}

int store_schema_verify(struct store *s)
{
	sqlite3 *model = NULL;
	int rc = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	for (int i = 0; rc == SQLITE_OK && i < s->setup.format; i++)
		rc = sqlite3_exec(model, s->setup.steps[i], NULL, NULL, NULL);
	/* An operator may have added an index; what we made must be there as we made it. */
	int err = rc == SQLITE_OK ? compare_schema(s, model) : store_fail(s, rc);
	sqlite3_close(model);
	return err;
}
