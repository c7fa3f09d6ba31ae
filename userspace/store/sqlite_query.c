// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/memory.h"
#include "userspace/store/forward.h"

static int fail_busy(struct store *s)
{
	return error_set(&s->error, EBUSY, "store %s: another process keeps it locked; try again, or find it with: fuser -v %s", s->path,
			 s->path);
}

static int fail_full(struct store *s)
{
	return error_set(&s->error, ENOSPC,
			 "store %s: cannot write, the disk is full or a limit on file size is reached; free space and try again, nothing "
			 "stored before is lost",
			 s->path);
}

int store_damaged(struct store *s, const char *what)
{
	return error_set(&s->error, EBADMSG,
			 "store %s: the database is damaged (%s); stop abidrift and save the file,"
			 " then try: sqlite3 FILE .recover, or move it away to start anew",
			 s->path, what);
}

static int fail_read_only(struct store *s, int rc)
{
	if (s->mode == STORE_READ && (rc == SQLITE_READONLY_RECOVERY || rc == SQLITE_READONLY_ROLLBACK || rc == SQLITE_READONLY_CANTINIT))
		return error_set(&s->error, EROFS,
				 "store %s: its writer ended untidily and only a writer can put it in order; start abidrift run, or read "
				 "it as its owner",
				 s->path);
	if (rc == SQLITE_READONLY_DBMOVED)
		return error_set(&s->error, ESTALE, "store %s: the file was moved, replaced or deleted while it was open: put it back, or start abidrift again",
				 s->path);
	return error_set(&s->error, EROFS, "store %s: cannot write, the file or its folder is read-only for this user", s->path);
}

/* A limit of the file system shows itself as a failed write with one of these. */
static bool is_full(int system_errno)
{
	return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

/* What the kernel said at the last failed access of the database or of its log. */
static bool file_is_full(struct store *s, int which)
{
	sqlite3_file *file = NULL;
	int last = 0;
	if (sqlite3_file_control(s->db, "main", which, &file) != SQLITE_OK || !file || !file->pMethods)
		return false;
	return file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &last) == SQLITE_OK && is_full(last);
}

/*
 * SQLite names only ENOSPC a full disk; a quota and a limit on file size are I/O errors to it. Its sqlite3_system_errno() is
 * whatever errno was when it tidied up, so the files themselves are asked.
 */
static int fail_io(struct store *s, int rc)
{
	/* The index of the log could not be made or extended. */
	if (rc == SQLITE_IOERR_SHMSIZE || rc == SQLITE_IOERR_SHMOPEN)
		return fail_full(s);
	if (rc == SQLITE_IOERR_SHMMAP)
		return error_set(&s->error, ENOMEM, "store %s: out of memory (the index of its log cannot be mapped)", s->path);
	if (rc == SQLITE_IOERR_WRITE && s->db &&
	    (file_is_full(s, SQLITE_FCNTL_FILE_POINTER) || file_is_full(s, SQLITE_FCNTL_JOURNAL_POINTER)))
		return fail_full(s);
	if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS)
		return store_damaged(s, "it ends too early");
	return error_set(&s->error, EIO, "store %s: %s (SQLite code %d); look for disk errors in the kernel's log", s->path,
			 sqlite3_errstr(rc), rc);
}

static int fail_open(struct store *s, int rc)
{
	int code = s->db ? sqlite3_system_errno(s->db) : 0;
	if (is_full(code))
		return fail_full(s);
	if (code == EROFS)
		return fail_read_only(s, rc);
	/* -ENOENT and -EEXIST are answers of this interface, not failures. */
	return error_set(&s->error, code == 0 || code == ENOENT || code == EEXIST ? EIO : code, "store %s: %s: %s", s->path,
			 sqlite3_errstr(rc), code ? strerror(code) : "no reason given");
}

static int translate(struct store *s, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fail_busy(s);
	case SQLITE_FULL:
		return fail_full(s);
	case SQLITE_READONLY:
		return fail_read_only(s, rc);
	case SQLITE_CORRUPT:
		return store_damaged(s, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	case SQLITE_NOTADB:
		return error_set(&s->error, EBADMSG, "store %s: the file is not an abidrift store; name another with --store", s->path);
	case SQLITE_NOMEM:
		memory_short();
		return error_set(&s->error, ENOMEM, "store %s: out of memory", s->path);
	case SQLITE_TOOBIG:
		return error_set(&s->error, E2BIG, "store %s: a value is too big to be stored", s->path);
	case SQLITE_CONSTRAINT:
		if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
			return error_set(&s->error, ENOENT, "store %s: what is to be stored refers to a row that is not there", s->path);
		return error_set(&s->error, EINVAL, "store %s: %s", s->path, sqlite3_errmsg(s->db));
	case SQLITE_IOERR:
		return rc == SQLITE_IOERR_NOMEM ? error_set(&s->error, ENOMEM, "store %s: out of memory", s->path) : fail_io(s, rc);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return fail_open(s, rc);
	case SQLITE_ERROR:
		/* Our statements are right, so the schema they meet is not ours. */
		return store_damaged(s, sqlite3_errmsg(s->db));
	default:
		return error_set(&s->error, EIO, "store %s: %s", s->path, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
	}
}

int store_fail(struct store *s, int rc)
{
	int err = translate(s, rc);
	/*
	 * SQLite may have rolled the whole transaction back by itself (full disk, I/O error). Whatever came after would be
	 * committed one by one; so nothing comes after.
	 */
	if (s->transaction && !s->doomed)
		s->doomed = err;
	/* Where it undid what is held, this is why. */
	if (s->held && !*s->spoilt.text)
		s->spoilt = s->error;
	return err;
}

int store_sql(struct store *s, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : store_fail(s, rc);
}

void store_forget_statements(struct store *s)
{
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i].stmt);
	free(s->statements);
	s->statements = NULL;
	s->statement_count = 0;
}

/* ---- transactions */

static int begin(struct store *s, bool write)
{
	/* SQLite would go on in a file that nobody finds any more. */
	if (write && store_moved(s))
		return store_fail(s, SQLITE_READONLY_DBMOVED);
	/* IMMEDIATE: who asks for the lock in the middle of a transaction may find that what it read is outdated. */
	if (s->held && sqlite3_get_autocommit(s->db))
		return error_set(&s->error, EIO, "%s", s->spoilt.text);
	int err = store_sql(s, s->held ? "SAVEPOINT part" : write ? "BEGIN IMMEDIATE" : "BEGIN");
	if (err < 0)
		return err;
	s->transaction = true;
	s->doomed = 0;
	s->shortages = memory_shortages();
	return 0;
}

/* The keeper's; what is read here meanwhile is as it was before. */
static int forward_begin(struct store *s)
{
	const struct message ask = { .what = FORWARD_BEGIN };
	int err = store_forward(s, &ask, NULL);

	if (err < 0)
		return err;
	s->transaction = true;
	s->doomed = 0;
	return 0;
}

/* Its end; what it was to be rolled back for is worth more than what the keeper says of that. */
static int forward_end(struct store *s, enum store_forward what)
{
	const struct message ask = { .what = what };
	const struct error before = s->error;
	int err = store_forward(s, &ask, NULL);

	if (what == FORWARD_ROLLBACK)
		s->error = before;
	return err;
}

int store_begin(struct store *s)
{
	if (s->transaction)
		return error_set(&s->error, EALREADY, "store %s: a transaction is open already", s->path);
	return store_forwards(s) ? forward_begin(s) : begin(s, s->mode != STORE_READ);
}

int store_hold(struct store *s)
{
	int err = begin(s, true);

	if (err < 0)
		return err;
	s->transaction = false;
	s->held = true;
	s->held_shortages = s->shortages;
	s->spoilt.text[0] = 0;
	return 0;
}

int store_release(struct store *s)
{
	s->held = false;
	s->transaction = true;
	s->doomed = 0;
	s->shortages = s->held_shortages;
	return store_commit(s);
}

void store_rollback(struct store *s)
{
	if (s->db && !sqlite3_get_autocommit(s->db) && (s->transaction || !s->held)) {
		/* A statement that is still running would keep the read lock. */
		for (size_t i = 0; i < s->statement_count; i++)
			sqlite3_reset(s->statements[i].stmt);
		/* It takes memory too, and what one failure for want of it leaves open would be open for good. */
		const char *sql = s->held ? "ROLLBACK TO part; RELEASE part" : "ROLLBACK";
		if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_NOMEM)
			sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	}
	if (s->transaction && store_forwards(s))
		forward_end(s, FORWARD_ROLLBACK);
	s->transaction = false;
	s->doomed = 0;
}

int store_commit(struct store *s)
{
	if (!s->transaction)
		return error_set(&s->error, EINVAL, "store %s: there is no transaction to commit", s->path);
	int err = s->doomed;
	/* What was made meanwhile may lack something that nobody missed. */
	if (!err && memory_shortages() != s->shortages)
		err = error_set(&s->error, ENOMEM, "store %s: out of memory", s->path);
	bool here = err || !store_forwards(s);
	if (!err)
		err = here ? store_sql(s, s->held ? "RELEASE part" : "COMMIT") : forward_end(s, FORWARD_COMMIT);
	/* A commit that failed there is rolled back there. */
	if (err < 0 && here)
		store_rollback(s);
	s->transaction = false;
	s->doomed = 0;
	return err;
}

int store_enter(struct store *s, bool write, bool *own)
{
	*own = false;
	if (write && s->mode == STORE_READ)
		return error_set(&s->error, EROFS, "store %s: it was opened for reading only", s->path);
	if (write && s->doomed)
		return s->doomed;
	if (s->transaction)
		return 0;
	int err = begin(s, write);
	if (err < 0)
		return err;
	*own = true;
	return 0;
}

int store_leave(struct store *s, bool own, int err)
{
	if (!own)
		return err;
	if (err >= 0) {
		int committed = store_commit(s);
		return committed < 0 ? committed : err;
	}
	store_rollback(s);
	return err;
}

/* ---- statements */

static int statement_get(struct store *s, const char *sql, sqlite3_stmt **ret)
{
	for (size_t i = 0; i < s->statement_count; i++)
		if (s->statements[i].sql == sql) {
			*ret = s->statements[i].stmt;
			return 0;
		}

	struct statement *grown = reallocarray(s->statements, s->statement_count + 1, sizeof(*grown));
	if (!grown)
		return store_fail(s, SQLITE_NOMEM);
	s->statements = grown;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return store_fail(s, rc);
	s->statements[s->statement_count++] = (struct statement){ sql, stmt };
	*ret = stmt;
	return 0;
}

struct query query_start(struct store *s, const char *sql)
{
	struct query q = { .s = s };
	q.err = statement_get(s, sql, &q.stmt);
	return q;
}

static void bound(struct query *q, int rc)
{
	if (rc != SQLITE_OK && !q->err)
		q->err = store_fail(q->s, rc);
}

void query_int(struct query *q, int64_t value)
{
	if (!q->err)
		bound(q, sqlite3_bind_int64(q->stmt, ++q->bound, value));
}

void query_ref(struct query *q, int64_t value)
{
	if (value)
		query_int(q, value);
	else if (!q->err)
		bound(q, sqlite3_bind_null(q->stmt, ++q->bound));
}

void query_text(struct query *q, const char *text)
{
	/* Copied: the caller's memory may end before the statement is used again. */
	if (!q->err)
		bound(q, sqlite3_bind_text(q->stmt, ++q->bound, text, -1, SQLITE_TRANSIENT));
}

void query_blob(struct query *q, const void *data, size_t size)
{
	/* No bytes are an empty blob, not NULL. Not copied: query_end() takes the parameter back. */
	if (!q->err)
		bound(q, sqlite3_bind_blob64(q->stmt, ++q->bound, size ? data : "", size, SQLITE_STATIC));
}

int query_next(struct query *q)
{
	q->column = 0;
	if (q->err)
		return q->err;
	int rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		q->err = store_fail(q->s, rc);
	return q->err;
}

int64_t column_int(struct query *q)
{
	return sqlite3_column_int64(q->stmt, q->column++);
}

static char *keep(struct query *q, char *copy)
{
	if (!copy && !q->err)
		q->err = store_fail(q->s, SQLITE_NOMEM);
	return copy;
}

char *column_text(struct query *q)
{
	int column = q->column++;
	if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL)
		return NULL;
	const unsigned char *text = sqlite3_column_text(q->stmt, column);
	return keep(q, text ? strdup((const char *)text) : NULL);
}

char *column_must(struct query *q)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, q->column++);
	return keep(q, strdup(text ? (const char *)text : ""));
}

void column_digest(struct query *q, struct digest *ret)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, q->column++);
	snprintf(ret->text, sizeof(ret->text), "%s", text ? (const char *)text : "");
}

void *column_blob(struct query *q, size_t *ret_size)
{
	int column = q->column++;
	const void *data = sqlite3_column_blob(q->stmt, column);
	size_t size = (size_t)sqlite3_column_bytes(q->stmt, column);
	char *copy = keep(q, malloc(size + 1));
	if (!copy)
		return NULL;
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	*ret_size = size;
	return copy;
}

int query_end(struct query *q)
{
	if (q->stmt) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
	}
	return q->err;
}

int query_run(struct query *q)
{
	query_next(q);
	return query_end(q);
}

size_t query_changes(const struct query *q)
{
	return (size_t)sqlite3_changes64(q->s->db);
}

void *store_grow(struct query *q, void *items, size_t count, size_t size)
{
	void *old, *grown;

	memcpy(&old, items, sizeof old);
	grown = reallocarray(old, count + 1, size);
	if (!grown) {
		q->err = store_fail(q->s, SQLITE_NOMEM);
		return NULL;
	}
	memcpy(items, &grown, sizeof grown);
	return memset((char *)grown + count * size, 0, size);
}
