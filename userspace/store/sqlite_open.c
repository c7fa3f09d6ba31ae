// SPDX-License-Identifier: Apache-2.0
#include "userspace/store/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "userspace/store/forward.h"

/* A log that a long reader made grow is cut back to this once it was taken over into the database. */
#define WAL_KEEP_BYTES "67108864"
#define FILE_MODE 0640
#define READER_ATTEMPTS 3
/* How long one who may not open -wal or -shm waits for whoever is making them. */
#define RIGHT_COMES_MS 300

/* A database is input too: nothing in it may run code, and a bad page is found before it is believed. */
static int harden(struct store *s)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 }, { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },    { SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		int rc = sqlite3_db_config(s->db, options[i].option, options[i].value, NULL);
		if (rc != SQLITE_OK)
			return store_fail(s, rc);
	}
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	return store_sql(s, "PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;");
}

/* file:PATH?OPTION, as SQLite reads it. */
static char *uri_name(const char *path, const char *option)
{
	static const char hex[] = "0123456789abcdef";
	char *name = malloc(strlen("file:") + 3 * strlen(path) + strlen(option) + 1);
	if (!name)
		return NULL;
	char *p = stpcpy(name, "file:");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;
		if (c == '?' || c == '#' || c == '%') {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		} else {
			*p++ = (char)c;
		}
	}
	memcpy(p, option, strlen(option) + 1);
	return name;
}

static int busy_ms(const struct store *s)
{
	return s->setup.busy_ms ? s->setup.busy_ms : s->mode == STORE_READ ? STORE_BUSY_READ_MS : STORE_BUSY_WRITE_MS;
}

static int connect_database(struct store *s, bool immutable)
{
	int flags = SQLITE_OPEN_NOMUTEX | (s->mode == STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	/* immutable: without locks and without making files. readonly_shm: the locks of a reader, on files that are opened to read only. */
	const char *option = immutable ? "?immutable=1" : store_forwards(s) ? "?readonly_shm=1" : NULL;
	char *name = option ? uri_name(s->path, option) : strdup(s->path);
	if (!name)
		return store_fail(s, SQLITE_NOMEM);
	int rc = sqlite3_open_v2(name, &s->db, flags | (option ? SQLITE_OPEN_URI : 0), NULL);
	free(name);
	if (rc != SQLITE_OK)
		return store_fail(s, rc);
	s->immutable = immutable;
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, busy_ms(s));
	return harden(s);
}

static void disconnect(struct store *s)
{
	store_forget_statements(s);
	sqlite3_close(s->db);
	s->db = NULL;
}

static int remember_version(struct store *s)
{
	struct query q = query_start(s, "PRAGMA data_version");
	if (query_next(&q) > 0)
		s->data_version = column_int(&q);
	return query_end(&q);
}

static int reader_attempt(struct store *s, bool immutable)
{
	if (immutable && store_path_stamp(s->path, &s->stamp) < 0)
		return -EAGAIN;
	int err = connect_database(s, immutable);
	if (!err)
		err = store_schema_migrate(s);
	if (!err)
		err = store_schema_verify(s);
	if (!err)
		err = remember_version(s);
	/* A writer came or went while we looked. */
	if ((immutable || err < 0) && immutable == store_path_in_use(s->path) && !store_path_may_make_files(s->path))
		return -EAGAIN;
	return err;
}

/*
 * A reader that may make -wal and -shm, or finds them made by a writer, reads with locks as everybody does. Else nobody
 * writes, and the file is read as it lies there; store_changed() sees when that is over.
 */
static int open_reader(struct store *s)
{
	int err = -EAGAIN;
	for (int i = 0; i < READER_ATTEMPTS && err == -EAGAIN; i++) {
		disconnect(s);
		err = reader_attempt(s, !store_path_in_use(s->path) && !store_path_may_make_files(s->path));
	}
	if (err == -EAGAIN)
		return error_set(&s->error, EBUSY, "store %s: it is being opened and closed by others all the time; try again", s->path);
	if (err < 0 && s->db && (sqlite3_errcode(s->db) & 0xff) == SQLITE_CANTOPEN && store_path_in_use(s->path))
		return error_set(&s->error, -err,
				 "store %s: what is in %s-wal can only be read where %s-shm can be read or made; read it as its owner, or "
				 "copy both files to a folder of yours",
				 s->path, s->path, s->path);
	return err;
}

static int set_journal(struct store *s)
{
	bool wal = false;
	struct query q = query_start(s, "PRAGMA journal_mode = WAL");
	if (query_next(&q) > 0) {
		char *mode = column_must(&q);
		wal = mode && strcmp(mode, "wal") == 0;
		free(mode);
	}
	int err = query_end(&q);
	if (err < 0)
		return err;
	/* Some network file systems have no shared memory: there it stays a rollback journal, and that one needs all its fsyncs. */
	return store_sql(s, wal ? "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = " WAL_KEEP_BYTES : "PRAGMA synchronous = FULL");
}

/*
 * A log or an index that could not be opened to write (no descriptor was left) is opened to read only by SQLite, and stays so for
 * as long as this connection. A lock that somebody else holds says that both are as they should be.
 */
static int files_written(struct store *s)
{
	int rc;

	sqlite3_busy_timeout(s->db, 0);
	rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return store_fail(s, rc);
	sqlite3_busy_timeout(s->db, busy_ms(s));
	return rc == SQLITE_OK ? store_sql(s, "ROLLBACK") : 0;
}

static int open_writer(struct store *s)
{
	if (faccessat(AT_FDCWD, s->path, W_OK, AT_EACCESS) < 0)
		return error_set(&s->error, errno,
				 "store %s: user %u cannot write the file (%s); run as its owner, or name another store with --store",
				 s->path, (unsigned)geteuid(), strerror(errno));
	int err = connect_database(s, false);
	if (!err && sqlite3_db_readonly(s->db, "main") != 0)
		err = store_fail(s, SQLITE_READONLY);
	/* The first transaction makes the whole schema, before there is a log: a file is either empty or complete. */
	if (!err)
		err = store_schema_migrate(s);
	if (!err)
		err = store_schema_verify(s);
	if (!err)
		err = set_journal(s);
	if (!err)
		err = files_written(s);
	if (!err)
		err = remember_version(s);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Root makes -wal and -shm and then gives them to the owner of the store: who opens them in between has no right to, yet. */
static bool refused_by_right(const struct store *s)
{
	int rc = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_OK;

	return rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY;
}

/*
 * Where two make or open a store at the same moment (analyst and messenger do), SQLite answers "busy" at once to the one whose
 * wait could be a deadlock: the switch to WAL, a lock that is to be raised. That one begins again, for as long as others wait.
 */
static int open_patiently(struct store *s, int (*attempt)(struct store *s))
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int64_t began = now_ms();
	int err;

	while ((err = attempt(s)) < 0) {
		int64_t patience = err == -EBUSY && s->mode != STORE_READ ? busy_ms(s) : refused_by_right(s) ? RIGHT_COMES_MS : 0;

		if (now_ms() - began >= patience)
			break;
		disconnect(s);
		s->error.text[0] = 0;
		nanosleep(&pause, NULL);
	}
	return err;
}

/* 1: made by us; 0: it was there (another process was faster). */
static int make_file(const char *path, struct error *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return errno == EEXIST ? 0 : error_set(e, errno, "store %s: the file cannot be made: %s", path, strerror(errno));
	/* Whatever the umask: its group may read, as documented. */
	int err = fchmod(fd, FILE_MODE) < 0 ? -errno : 0;
	close(fd);
	if (err < 0) {
		unlink(path);
		return error_set(e, -err, "store %s: its mode cannot be set: %s", path, strerror(-err));
	}
	return 1;
}

/* Nothing half-made stays behind. */
static void unmake_file(const char *path)
{
	struct stat st;
	if (stat(path, &st) == 0 && st.st_size == 0)
		unlink(path);
}

/* Who may read and no more, as a member of the group does, is told who may, not which mode of which file is in the way. */
static int refuse_reader(struct store *s)
{
	const struct passwd *user;
	char owner[64];
	struct stat st;

	if (s->mode == STORE_READ || geteuid() == 0 || stat(s->path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid == geteuid() ||
	    faccessat(AT_FDCWD, s->path, R_OK, AT_EACCESS) < 0 || faccessat(AT_FDCWD, s->path, W_OK, AT_EACCESS) == 0)
		return 0;
	user = getpwuid(st.st_uid);
	if (user)
		snprintf(owner, sizeof(owner), "%s", user->pw_name);
	else
		snprintf(owner, sizeof(owner), "#%u", (unsigned)st.st_uid);
	return error_set(&s->error, EACCES, "store %s: user %u may read it, but not change it; user %s may, and root: try again with sudo -u %s", s->path,
			 (unsigned)geteuid(), owner, owner);
}

static int open_path(struct store *s, bool *ret_made)
{
	int err = refuse_reader(s);
	if (!err)
		err = store_path_folder(s->path, s->mode != STORE_READ, &s->error);
	if (err < 0)
		return err;
	int found = store_path_probe(s->path, &s->setup, &s->error);
	if (found < 0)
		return found;
	if (!found && s->mode != STORE_CREATE)
		return error_set(&s->error, ENOENT,
				 "no store at %s: is the monitor running (abidrift run)? Name another store with --store", s->path);
	if (!found) {
		int made = make_file(s->path, &s->error);
		if (made < 0)
			return made;
		*ret_made = made > 0;
	}
	return open_patiently(s, s->mode == STORE_READ ? open_reader : open_writer);
}

int store_open_with(const char *url, enum store_mode mode, const struct store_setup *setup, struct store **ret, struct error *e)
{
	bool made = false;
	struct digest first;
	/*
	 * What libcrypto could not make when it was first asked for a digest it does not make later, or it ends the program: before
	 * anything is there.
	 */
	digest_bytes("", 0, &first);
	struct store *s = *first.text ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return error_set(e, ENOMEM, "store %s: out of memory", url);
	s->mode = mode;
	s->setup = *setup;
	int err = store_path_from_url(url, &s->path, &s->error);
	if (!err)
		err = open_path(s, &made);
	if (err < 0) {
		error_set(e, -err, "%s", s->error.text);
		disconnect(s);
		if (made)
			unmake_file(s->path);
		free(s->path);
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

int store_open(const char *url, enum store_mode mode, struct store **ret, struct error *e)
{
	return store_open_with(url, mode, &STORE_SETUP, ret, e);
}

int store_open_still(const char *path, struct store **ret, struct error *e)
{
	struct store *s = calloc(1, sizeof(*s));
	if (s)
		*s = (struct store){ .path = strdup(path), .mode = STORE_READ, .setup = STORE_SETUP };
	int err = s && s->path ? reader_attempt(s, true) : -ENOMEM;
	if (err < 0) {
		error_set(e, -err, "%s", s && s->path ? s->error.text : "out of memory");
		store_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	s->held = false;
	store_rollback(s);
	disconnect(s);
	free(s->path);
	free(s);
}

void store_patience(struct store *s, int ms)
{
	s->setup.busy_ms = ms;
	sqlite3_busy_timeout(s->db, ms);
}

const char *store_error(const struct store *s)
{
	return s->error.text;
}

/* 1: somebody wrote since the file was opened without locks, and it is open anew. The old connection stays where that fails. */
static int reopen_if_written(struct store *s)
{
	struct store_stamp now = { 0 };
	bool same = store_path_stamp(s->path, &now) == 0 && now.device == s->stamp.device && now.inode == s->stamp.inode &&
		    now.bytes == s->stamp.bytes && now.modified_ns == s->stamp.modified_ns;
	if ((same && !store_path_in_use(s->path)) || s->transaction)
		return 0;

	struct store fresh = { .path = s->path, .mode = s->mode, .setup = s->setup };
	int err = open_reader(&fresh);
	if (err < 0) {
		s->error = fresh.error;
		disconnect(&fresh);
		return err;
	}
	disconnect(s);
	*s = fresh;
	return 1;
}

bool store_moved(struct store *s)
{
	int yes = 0;
	return sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &yes) == SQLITE_OK && yes;
}

int store_changed(struct store *s)
{
	int64_t before = s->data_version;
	/* What the keeper wrote is no news to who asked for it: so it is the one to say. */
	if (store_forwards(s)) {
		const struct message ask = { .what = FORWARD_CHANGED };
		int64_t changed = 0;
		int err = store_forward(s, &ask, &changed);
		return err < 0 ? err : changed != 0;
	}
	if (s->immutable)
		return reopen_if_written(s);
	if (store_moved(s))
		return store_fail(s, SQLITE_READONLY_DBMOVED);
	int err = remember_version(s);
	return err < 0 ? err : s->data_version != before;
}
