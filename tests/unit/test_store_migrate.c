// SPDX-License-Identifier: Apache-2.0
/* An upgrade of abidrift keeps what it knew: a store of an older format opens, with nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/base/buffer.h"
#include "userspace/store/store.h"

/* A row in every table of format 1, with every column that may be NULL once set and once not. */
static const char ROWS_1[] =
	"INSERT INTO contents VALUES (1, 'sha256:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1', CAST('text' AS BLOB));"
	"INSERT INTO guests VALUES (4, 'u-1', 'u-1', 'web', 0, 3, 2), (5, 'anon-1-2', NULL, NULL, 1, 0, 0);"
	"INSERT INTO revisions VALUES (4, 1, 100, 1, 7, 'sha256:aa', 1, 1, 1), (4, 2, 200, 3, 7, NULL, 1, 1, 1);"
	"INSERT INTO instances VALUES (9, 4, 'h', 77, 12, '5', 'ab@b', 1, 90, 0, 3, 1, 1, 'drift', 'critical', 2, 2, '{}', 'pc', 'kernel "
	"6.1'), (10, 5, 'h', 78, 13, '6', 'ac@b', 0, 90, 95, 0, 0, 0, 'learning', 'none', 0, NULL, '{}', NULL, NULL);"
	"INSERT INTO coverage VALUES (9, 'cpuid', 'complete', ''), (10, 'pci', 'none', 'why');"
	"INSERT INTO baselines VALUES (3, 4, 1, 110, 'auto', NULL, 0, NULL, NULL, NULL), (4, 4, 2, 120, 'ann', 'new', 999, 130, 'bob', 'no');"
	"INSERT INTO drifts VALUES (4, 210, 'sha256:bb', '{\"changes\":[]}');"
	"INSERT INTO events VALUES (1, 100, 'host', NULL, NULL, NULL, NULL, NULL, '[]'), (2, 110, 'accept', 4, 2, 'ann', 'new', '[]', NULL);"
	"INSERT INTO alerts VALUES (6, 'x', 200, '{}'); INSERT INTO sinks VALUES ('stdout', 5); INSERT INTO acknowledged VALUES ('stdout', 6);"
	"INSERT INTO hosts VALUES ('h', 'kernel 6.1');";

static const struct {
	const char *table, *columns, *order;
} TABLES_1[] = {
	{ "contents", "row, digest, bytes", "row" },
	{ "guests", "row, id, uuid, name, anonymous, boots, revisions", "row" },
	{ "revisions", "guest, revision, at, boot, normaliser, digest, text, facts, context", "guest, revision" },
	{ "instances", "row, guest, host, pid, fd, start, vm, running, began_at, ended_at, boot, boot_token, settled, state, severity, changes, "
		       "revision, vmm, machine, context", "row" },
	{ "coverage", "instance, facet, coverage, reason", "instance, facet" },
	{ "baselines", "row, guest, revision, at, by, reason, expires, undone_at, undone_by, undone_reason", "row" },
	{ "drifts", "guest, at, digest, json", "guest" },
	{ "events", "row, at, type, guest, revision, by, reason, changes, context", "row" },
	{ "alerts", "row, id, at, json", "row" },
	{ "sinks", "sink, done", "sink" },
	{ "acknowledged", "sink, alert", "sink, alert" },
	{ "hosts", "host, context", "host" },
};
#define TABLES (sizeof(TABLES_1) / sizeof(*TABLES_1))

/* Every value of every row of these columns, as SQL writes it. */
static char *dump(const char *path)
{
	struct buffer out = BUFFER_INIT;
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	for (size_t t = 0; t < TABLES; t++) {
		sqlite3_stmt *stmt = NULL;
		char *sql = sqlite3_mprintf("SELECT %s FROM %s ORDER BY %s", TABLES_1[t].columns, TABLES_1[t].table, TABLES_1[t].order);
		int rows = 0;
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		for (; sqlite3_step(stmt) == SQLITE_ROW; rows++)
			for (int c = 0; c < sqlite3_column_count(stmt); c++) {
				const unsigned char *value = sqlite3_column_text(stmt, c);
				buffer_printf(&out, "%s.%d.%s=%s\n", TABLES_1[t].table, rows, sqlite3_column_name(stmt, c),
					      value ? (const char *)value : "NULL");
			}
		assert_true(rows > 0);
		sqlite3_finalize(stmt);
		sqlite3_free(sql);
	}
	sqlite3_close(db);
	assert_false(buffer_failed(&out));
	return buffer_take(&out, NULL);
}

static void make_format_1(const struct sandbox *box)
{
	const char *const steps[] = { STORE_SETUP.steps[0], NULL };
	struct store_setup one = { .busy_ms = TEST_BUSY_MS, .steps = steps, .format = 1 };
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	assert_int_equal(store_open_with(box->url, STORE_CREATE, &one, &s, &e), 0);
	store_close(s);
	tell(box->path, ROWS_1);
}

static void a_store_of_format_1_opens_with_nothing_lost(void **state)
{
	struct sandbox *box = *state;
	make_format_1(box);
	char *before = dump(box->path);
	struct store *s = open_store(box->url, STORE_WRITE);
	struct error e = ERROR_INIT;
	assert_int_equal(store_check(s, &e), 0);

	struct store_instance *items = NULL;
	size_t count = 0;
	assert_int_equal(store_instances(s, 4, &items, &count), 0);
	assert_int_equal(count, 1);
	assert_null(items[0].life);
	store_instances_free(items, count);

	struct store_revision r = { 0 };
	assert_int_equal(store_revision_get(s, 4, 1, &r), 0);
	assert_string_equal(r.text, "text");
	assert_false(r.running);
	store_revision_release(&r);

	struct store_baseline b = { 0 };
	assert_int_equal(store_baseline_get(s, 4, &b), 0);
	assert_int_equal(b.revision, 1);
	assert_null(b.change_set);
	store_baseline_release(&b);

	struct store_drift *drifts = NULL;
	assert_int_equal(store_drifts(s, &drifts, &count), 0);
	assert_int_equal(count, 1);
	assert_null(drifts[0].change_set);
	assert_string_equal(drifts[0].json, "{\"changes\":[]}");
	store_drifts_free(drifts, count);

	struct store_maintenance m = { 0 };
	assert_int_equal(store_maintenance_get(s, &m), -ENOENT);
	store_close(s);

	char *after = dump(box->path);
	assert_string_equal(before, after);
	assert_int_equal(ask(box->path, "PRAGMA user_version"), STORE_FORMAT);
	free(before);
	free(after);
}

/* A row number that was given once is never given again, for another guest's history would be taken for its own. */
static void numbers_go_on_after_the_migration(void **state)
{
	struct sandbox *box = *state;
	make_format_1(box);
	tell(box->path, "DELETE FROM instances WHERE guest = 5; DELETE FROM guests WHERE row = 5;");
	struct store *s = open_store(box->url, STORE_WRITE);
	assert_int_equal(put_guest(s, "next"), 6);
	assert_int_equal(put_revision(s, 4, "three", 300), 3);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_store_of_format_1_opens_with_nothing_lost, sandbox_setup, sandbox_teardown),
		cmocka_unit_test_setup_teardown(numbers_go_on_after_the_migration, sandbox_setup, sandbox_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
