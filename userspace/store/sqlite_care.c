// SPDX-License-Identifier: Apache-2.0
/* What people do to a store by hand: how big it is, what is in it, a copy of it, a smaller file. */
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MODE 0640
/* With what mkostemp and SQLite put behind it, within SQLite's bound. */
#define COPY_PATH_MAX 480
#define COPY_SUFFIX ".XXXXXX"

const char *store_path(const struct store *s)
{
	return s->path;
}

int64_t store_log_bytes(const struct store *s)
{
	struct stat st;
	char *path = NULL;
	int64_t bytes = 0;

	if (asprintf(&path, "%s-wal", s->path) >= 0) {
		bytes = stat(path, &st) == 0 ? st.st_size : 0;
		free(path);
	}
	return bytes;
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
	char name[COPY_PATH_MAX + 64];
	struct stat st;
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int store_room(struct store *s, struct store_room *ret)
{
	int64_t free_bytes = 0;
	struct query q = query_start(s, "SELECT f.freelist_count * p.page_size FROM pragma_freelist_count AS f, pragma_page_size AS p");
	if (query_next(&q) > 0)
		free_bytes = column_int(&q);
	int err = query_end(&q);
	if (err < 0)
		return err;
	*ret = (struct store_room){ file_bytes(s->path, ""), (uint64_t)free_bytes, file_bytes(s->path, "-wal") };
	return 0;
}

/* ---- tables */

static int tables_names(struct store *s, struct store_rows **ret, size_t *ret_count)
{
	struct store_rows *items = NULL, *item;
	size_t count = 0;
	struct query q = query_start(s, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name");
	while (query_next(&q) > 0 && (item = store_grow(&q, &items, count, sizeof(*items)))) {
		count++;
		item->table = column_must(&q);
	}
	int err = query_end(&q);
	if (err < 0) {
		store_rows_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* Not one of the statements that are kept: its text is not a literal. */
static int table_count(struct store *s, struct store_rows *item)
{
	sqlite3_stmt *stmt = NULL;
	char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", item->table);
	int rc = sql ? sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) : SQLITE_NOMEM;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		item->rows = (uint64_t)sqlite3_column_int64(stmt, 0);
	int err = rc == SQLITE_ROW ? 0 : store_fail(s, rc);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return err;
}

int store_tables(struct store *s, struct store_rows **ret, size_t *ret_count)
{
	struct store_rows *items = NULL;
	size_t count = 0;
	bool own;
	int err = store_enter(s, false, &own);
	if (err < 0)
		return err;
	err = tables_names(s, &items, &count);
	for (size_t i = 0; i < count && !err; i++)
		err = table_count(s, &items[i]);
	err = store_leave(s, own, err);
	if (err < 0) {
		store_rows_free(items, count);
		return err;
	}
	*ret = items;
	*ret_count = count;
	return 0;
}

/* ---- vacuum */

int store_vacuum(struct store *s)
{
	if (s->mode == STORE_READ)
		return error_set(&s->error, EROFS, "store %s: it was opened for reading only", s->path);
	/* SQLite attaches the new file while it is written, and a big store has no place in memory. */
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 1);
	int err = store_sql(s, "PRAGMA temp_store = FILE");
	if (!err)
		err = store_sql(s, "VACUUM");
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	if (!err)
		err = store_sql(s, "PRAGMA temp_store = MEMORY");
	/* A reader that is at work keeps the log in use: then the file shrinks when the log is next taken over. */
	if (!err)
		sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return err;
}

/* ---- backup */

static int copy_failed(const char *path, int rc, struct error *e)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return error_set(e, ENOSPC, "backup %s: the disk is full; nothing of it was kept", path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(e, EBUSY, "backup %s: another process keeps the store locked; try again", path);
	case SQLITE_NOMEM:
		return error_set(e, ENOMEM, "backup %s: out of memory", path);
	default:
		return error_set(e, EIO, "backup %s: %s (SQLite code %d); nothing of it was kept", path, sqlite3_errstr(rc), rc);
	}
}

/*
 * All pages in one step: between two steps another process's commit would make SQLite begin again, for ever if they come fast. Its
 * read transaction hinders no writer. What is written has no name yet, so it needs no journal and one fsync at the end.
 */
static int copy_pages(struct store *s, const char *path, const char *working, struct error *e)
{
	sqlite3 *to = NULL;
	sqlite3_backup *backup = NULL;
	int rc = sqlite3_open_v2(working, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
	if (rc == SQLITE_OK) {
		backup = sqlite3_backup_init(to, "main", s->db, "main");
		rc = backup ? sqlite3_backup_step(backup, -1) : sqlite3_extended_errcode(to);
	}
	if (backup) {
		int finished = sqlite3_backup_finish(backup);
		rc = rc == SQLITE_DONE ? finished : rc;
	}
	int closed = sqlite3_close(to);
	if (rc == SQLITE_OK)
		rc = closed;
	return rc == SQLITE_OK ? 0 : copy_failed(path, rc, e);
}

static int copy_check(const char *path, const char *working, struct error *e)
{
	struct error why = ERROR_INIT;
	struct store *copy = NULL;
	int err = store_open_still(working, &copy, &why);
	if (!err)
		err = store_check(copy, &why);
	store_close(copy);
	return err < 0 ? error_set(e, -err, "backup %s: the copy is not whole and was not kept: %s", path, why.text) : 0;
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	int err = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Its name, if nobody else took that meanwhile. Not every file system can rename so; all that have hard links can do without. */
static int name_give(const char *working, const char *path)
{
	if (renameat2(AT_FDCWD, working, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(working, path) < 0)
		return -errno;
	unlink(working);
	return 0;
}

static int copy_publish(const char *path, const char *working, struct error *e)
{
	char folder[COPY_PATH_MAX + 1];
	const char *slash = strrchr(path, '/');
	int err = sync_path(working, 0);
	if (!err)
		err = name_give(working, path);
	if (err == -EEXIST)
		return error_set(e, EEXIST, "backup %s: there is such a file already; name another one", path);
	if (!err) {
		snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
		err = sync_path(folder, O_DIRECTORY);
		/* It may be gone after a power cut: no backup, so that nobody takes it for one. */
		if (err < 0)
			unlink(path);
	}
	return err < 0 ? error_set(e, -err, "backup %s: cannot be finished: %s", path, strerror(-err)) : 0;
}

static int copy_begin(const char *path, char *working, size_t size, struct error *e)
{
	struct stat st;
	if (strlen(path) > COPY_PATH_MAX)
		return error_set(e, ENAMETOOLONG, "backup: the path is longer than %d bytes: %.100s…", COPY_PATH_MAX, path);
	if (lstat(path, &st) == 0)
		return error_set(e, EEXIST, "backup %s: there is such a file already; name another one", path);
	snprintf(working, size, "%s" COPY_SUFFIX, path);
	int fd = mkostemp(working, O_CLOEXEC);
	if (fd < 0)
		return error_set(e, errno, "backup %s: the file cannot be made: %s", path, strerror(errno));
	int err = fchmod(fd, COPY_MODE) < 0 ? -errno : 0;
	close(fd);
	if (err < 0) {
		unlink(working);
		return error_set(e, -err, "backup %s: its mode cannot be set: %s", path, strerror(-err));
	}
	return 0;
}

int store_backup(struct store *s, const char *path, struct error *e)
{
	char working[COPY_PATH_MAX + sizeof(COPY_SUFFIX)];
	int err = copy_begin(path, working, sizeof(working), e);
	if (err < 0)
		return err;
	err = copy_pages(s, path, working, e);
	if (!err)
		err = copy_check(path, working, e);
	if (!err)
		err = copy_publish(path, working, e);
	if (err < 0)
		unlink(working);
	return err;
}
