/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test, with a store in it. Include after cmocka.h. */
#ifndef ABIDRIFT_TESTS_UNIT_STORES_H
#define ABIDRIFT_TESTS_UNIT_STORES_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/error.h"
#include "userspace/store/sqlite_internal.h"

struct sandbox {
	char folder[64];
	char path[96];
	char url[112];
};

/* No test waits for a lock as long as a user would. */
static const int TEST_BUSY_MS = 20;

static inline struct store_setup quick_setup(void)
{
	struct store_setup setup = STORE_SETUP;
	setup.busy_ms = TEST_BUSY_MS;
	return setup;
}

static inline int sandbox_setup(void **state)
{
	struct sandbox *box = calloc(1, sizeof(*box));
	if (!box)
		return -1;
	snprintf(box->folder, sizeof(box->folder), "/tmp/abidrift-store-XXXXXX");
	if (!mkdtemp(box->folder) || chmod(box->folder, 0755) < 0)
		return -1;
	snprintf(box->path, sizeof(box->path), "%s/t.db", box->folder);
	snprintf(box->url, sizeof(box->url), "sqlite:%s", box->path);
	*state = box;
	return 0;
}

static inline int sandbox_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int sandbox_teardown(void **state)
{
	struct sandbox *box = *state;
	chmod(box->folder, 0700);
	nftw(box->folder, sandbox_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(box);
	return 0;
}

static inline struct store *open_store(const char *url, enum store_mode mode)
{
	struct store_setup setup = quick_setup();
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	int err = store_open_with(url, mode, &setup, &s, &e);
	if (err < 0)
		print_error("%s\n", e.text);
	assert_int_equal(err, 0);
	return s;
}

static inline int64_t put_guest(struct store *s, const char *id)
{
	struct store_guest g;
	assert_int_equal(store_guest_put(s, id, NULL, id, false, &g), 0);
	int64_t row = g.row;
	store_guest_release(&g);
	return row;
}

/* -errno or 0; the revision's number in *ret. */
static inline int try_revision(struct store *s, int64_t guest, const char *text, int64_t at, uint32_t *ret)
{
	char facts[] = "facts", context[] = "kernel 6.1\n";
	struct store_revision r = { .guest = guest, .at = at, .boot = 1, .normaliser = 1, .facts = facts, .facts_size = 5,
		.context = context, .context_size = 11 };
	char *copy = strdup(text);
	r.text = copy;
	r.text_size = strlen(text);
	digest_bytes(text, strlen(text), &r.digest);
	int err = store_revision_put(s, &r);
	free(copy);
	if (!err && ret)
		*ret = r.revision;
	return err;
}

static inline uint32_t put_revision(struct store *s, int64_t guest, const char *text, int64_t at)
{
	uint32_t revision = 0;
	assert_int_equal(try_revision(s, guest, text, at, &revision), 0);
	return revision;
}

static inline int set_baseline(struct store *s, int64_t guest, uint32_t revision, int64_t at, const char *by, const char *reason, int64_t expires)
{
	struct store_baseline b = { .revision = revision, .at = at, .by = (char *)by, .reason = (char *)reason, .expires = expires };
	return store_baseline_set(s, guest, &b);
}

/* One number, by a connection of its own. */
static inline int64_t ask(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t answer = -1;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		answer = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return answer;
}

static inline void tell(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static inline void assert_one_line(const char *text)
{
	assert_true(*text != '\0');
	assert_null(strchr(text, '\n'));
}

#endif
