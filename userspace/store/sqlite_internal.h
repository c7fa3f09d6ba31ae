/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the SQLite backend share; no other file includes it but their tests. Errors of SQLite become -errno and
 * one line in store.error here, once.
 */
#ifndef ABIDRIFT_STORE_SQLITE_INTERNAL_H
#define ABIDRIFT_STORE_SQLITE_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/error.h"
#include "userspace/store/store.h"

#define STORE_APPLICATION_ID 0x61627264 /* "abrd": bytes 68 to 71 of the file */
#define STORE_BUSY_WRITE_MS 5000
#define STORE_BUSY_READ_MS 2000
#define STORE_CANDIDATES 8

/* Tests give shorter waits and more formats; everything else takes STORE_SETUP. */
struct store_setup {
	int busy_ms;               /* 0: by mode */
	const char *const *steps;  /* SQL that leads from format n to n + 1; NULL-terminated */
	int format;                /* number of steps */
	int keeper_fd;             /* who writes for us (forward.h); 0: nobody */
};
extern const struct store_setup STORE_SETUP;

/* The file, as it was when we opened it without locks (see sqlite_open.c). */
struct store_stamp {
	dev_t device;
	ino_t inode;
	off_t bytes;
	int64_t modified_ns;
};

struct statement {
	const char *sql; /* compared by address: the text is a literal at its one place of use */
	sqlite3_stmt *stmt;
};

struct store {
	sqlite3 *db;
	char *path; /* absolute; what people are told */
	enum store_mode mode;
	struct store_setup setup;
	bool immutable;     /* opened without locks, because nobody writes and we may not make the files that locks need */
	struct store_stamp stamp; /* immutable: to notice that somebody wrote */
	bool transaction;   /* between store_begin and its end */
	unsigned shortages, held_shortages; /* memory_shortages() as it began */
	struct error spoilt; /* what first failed since store_hold */
	bool held;          /* between store_hold and its end: transactions are parts of one */
	int doomed;         /* something failed in this transaction: what it returned; nothing of it will be kept */
	int64_t data_version;
	struct statement *statements;
	size_t statement_count;
	struct error error;
};

/* ---- sqlite_open.c */
int store_open_with(const char *url, enum store_mode mode, const struct store_setup *setup, struct store **ret, struct error *e);
/* A file that nobody else knows of: read as it lies there, and nothing is made beside it. */
int store_open_still(const char *path, struct store **ret, struct error *e);

/* ---- sqlite_path.c */
int store_path_from_url(const char *url, char **ret, struct error *e);
/* Which folder is missing, or closed to this user? */
int store_path_folder(const char *path, bool for_writing, struct error *e);
/* Is the file ours, looked at without changing or locking it? 1: yes. 0: it is missing or empty. */
int store_path_probe(const char *path, const struct store_setup *setup, struct error *e);
/* Somebody may have the database open for writing, or died having it open. */
bool store_path_in_use(const char *path);
/* May this user put -wal and -shm beside it, so that its owner can still use them? */
bool store_path_may_make_files(const char *path);
int store_path_stamp(const char *path, struct store_stamp *ret);
/* -EOPNOTSUPP with the line that names both formats. */
int store_format_refuse(const char *path, int64_t found, int known, struct error *e);

/* ---- sqlite_schema.c */
int store_schema_migrate(struct store *s);
/* Is the schema the one that our steps make, and can every table be read? */
int store_schema_verify(struct store *s);

/* ---- sqlite_query.c */
/* What SQLite just said (rc), as -errno with a line in s->error. Dooms the transaction: nothing of it will be kept. */
int store_fail(struct store *s, int rc);
/* Another file is in its place, or none: what is open would be read for ever as it was, and what is written be lost. */
bool store_moved(struct store *s);
/* -EBADMSG with the line that says what to do. */
int store_damaged(struct store *s, const char *what);
int store_sql(struct store *s, const char *sql);
void store_forget_statements(struct store *s);
/* Several statements that belong together: a transaction of their own, unless the caller began one. *own says which. */
int store_enter(struct store *s, bool write, bool *own);
/* Commits, or rolls back where err < 0; returns err or what the commit said. */
int store_leave(struct store *s, bool own, int err);

/*
 * One statement, prepared once. Parameters and columns are taken in order. The first failure sticks, so that a caller asks
 * once. Each literal must be used at one place and never while it is running already.
 */
struct query {
	struct store *s;
	sqlite3_stmt *stmt;
	int err; /* -errno */
	int bound;
	int column;
};

struct query query_start(struct store *s, const char *sql);
void query_int(struct query *q, int64_t value);
/* 0 becomes NULL: row numbers and revisions that are not there. */
void query_ref(struct query *q, int64_t value);
void query_text(struct query *q, const char *text); /* NULL = NULL */
void query_blob(struct query *q, const void *data, size_t size);
/* 1 a row, 0 no more, -errno. */
int query_next(struct query *q);
int64_t column_int(struct query *q);
char *column_text(struct query *q);      /* NULL where the column is */
char *column_must(struct query *q);      /* "" where the column is NULL; NULL only after a failure */
void column_digest(struct query *q, struct digest *ret);
void *column_blob(struct query *q, size_t *ret_size); /* with a NUL behind it */
/* Ends the statement; returns q->err. */
int query_end(struct query *q);
/* All of it for a statement without rows. */
int query_run(struct query *q);
/* One more element of an array of rows, empty; NULL and q->err where memory is out. *items is what holds them: a pointer to a pointer. */
void *store_grow(struct query *q, void *items, size_t count, size_t size);
/* Rows that the last statement changed. */
size_t query_changes(const struct query *q);

/* The order in which the first instance is what the guest is, or was last; `of`: the table's name and a dot. */
#define GUEST_FIRST(of) of "running DESC, " of "life IS '" STORE_LIFE_TWIN "', " of "began_at DESC, " of "row DESC"

/* ---- sqlite_contents.c */
/* The row of these bytes, stored now unless they were. */
int store_contents_put(struct store *s, const void *data, size_t size, int64_t *ret_row);
/* -EBADMSG where the bytes are not those of their digest any more. */
int store_contents_get(struct store *s, int64_t row, void **ret, size_t *ret_size);
/* Deletes it unless something refers to it. */
int store_contents_drop(struct store *s, int64_t row);

#endif
