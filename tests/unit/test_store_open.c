// SPDX-License-Identifier: Apache-2.0
/* Opening: what is refused, in which words, and that it stays untouched. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"

#define NOBODY 65534
#define STR_(x) #x
#define STR(x) STR_(x)

static int try_open(const char *url, enum store_mode mode, const struct store_setup *setup, struct error *e)
{
	struct store *s = NULL;
	*e = (struct error)ERROR_INIT;
	int err = store_open_with(url, mode, setup, &s, e);
	if (err < 0) {
		assert_null(s);
		assert_one_line(e->text);
	}
	store_close(s);
	return err;
}

static void refuse(const char *url, enum store_mode mode, int code, const char *words)
{
	struct store_setup setup = quick_setup();
	struct error e;
	int err = try_open(url, mode, &setup, &e);
	if (err != code || !strstr(e.text, words))
		print_error("got %d: %s\n", err, e.text);
	assert_int_equal(err, code);
	assert_non_null(strstr(e.text, words));
}

static const enum store_mode MODES[] = { STORE_READ, STORE_WRITE, STORE_CREATE };

static void refuse_in_every_mode(const char *url, int code, const char *words)
{
	for (size_t i = 0; i < sizeof(MODES) / sizeof(*MODES); i++)
		refuse(url, MODES[i], code, words);
}

static char *slurp(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	size_t size = (size_t)ftell(f);
	rewind(f);
	char *data = malloc(size + 1);
	assert_int_equal(fread(data, 1, size, f), size);
	fclose(f);
	*ret_size = size;
	return data;
}

static void spill(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

/* How many files lie in the folder of the store. */
static int files;
static int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	files += type == FTW_F;
	return 0;
}

static int files_in(const char *folder)
{
	files = 0;
	nftw(folder, count_file, 4, FTW_PHYS);
	return files;
}

static void make_store(struct sandbox *box)
{
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "kept");
	put_revision(s, guest, "text", 1);
	assert_int_equal(set_baseline(s, guest, 1, 1, "auto", NULL, 0), 0);
	store_close(s);
}

static void a_new_store_is_private_and_complete(void **state)
{
	struct sandbox *box = *state;
	struct stat st;
	umask(0077);
	struct store *s = open_store(box->url, STORE_CREATE);
	umask(0022);
	assert_int_equal(stat(box->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	store_close(s);
	assert_int_equal(files_in(box->folder), 1);
	assert_int_equal(ask(box->path, "PRAGMA user_version"), STORE_FORMAT);
	assert_int_equal(ask(box->path, "PRAGMA application_id"), STORE_APPLICATION_ID);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND NOT "
					"strict"),
			 0);
	struct error e = ERROR_INIT;
	assert_int_equal(store_open(box->url, STORE_READ, &s, &e), 0);
	assert_int_equal(store_check(s, &e), 0);
	store_close(s);
}

static void a_missing_store_asks_whether_the_monitor_runs(void **state)
{
	struct sandbox *box = *state;
	refuse(box->url, STORE_READ, -ENOENT, "is the monitor running");
	refuse(box->url, STORE_READ, -ENOENT, "--store");
	refuse(box->url, STORE_WRITE, -ENOENT, box->path);
	/* A file that nothing was written to yet is none either, and is not touched. */
	spill(box->path, "", 0);
	refuse(box->url, STORE_READ, -ENOENT, "no store at");
	assert_int_equal(files_in(box->folder), 1);
	store_close(open_store(box->url, STORE_CREATE));
}

static void a_missing_or_closed_folder_is_named(void **state)
{
	struct sandbox *box = *state;
	char url[160], folder[96];
	snprintf(folder, sizeof(folder), "%s/no", box->folder);
	snprintf(url, sizeof(url), "sqlite:%s/such/t.db", folder);
	char words[160];
	snprintf(words, sizeof(words), "the folder %s does not exist", folder);
	refuse_in_every_mode(url, -ENOENT, words);
	make_store(box);
	snprintf(url, sizeof(url), "sqlite:%s/x", box->path);
	snprintf(words, sizeof(words), "%s is not a folder", box->path);
	refuse_in_every_mode(url, -ENOTDIR, words);
	snprintf(url, sizeof(url), "sqlite:%s", box->folder);
	refuse_in_every_mode(url, -EISDIR, "folder");
}

static void only_a_store_url_is_taken(void **state)
{
	struct sandbox *box = *state;
	refuse_in_every_mode("postgresql://x/y", -EINVAL, "only sqlite:PATH");
	refuse_in_every_mode(box->path, -EINVAL, "only sqlite:PATH");
	refuse_in_every_mode("sqlite:", -EINVAL, "path is missing");
	char url[700] = "sqlite:/";
	memset(url + 8, 'x', 600);
	refuse_in_every_mode(url, -ENAMETOOLONG, "longer than");
}

static void a_relative_path_is_one_of_the_working_directory(void **state)
{
	struct sandbox *box = *state;
	char *before = getcwd(NULL, 0);
	assert_int_equal(chdir(box->folder), 0);
	/* Names that mean something else to SQLite. */
	const char *const urls[] = { "sqlite:r.db", "sqlite::memory:", "sqlite:file:x?mode=memory", "sqlite:a#b%41.db" };
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct store *s = open_store(urls[i], STORE_CREATE);
		put_guest(s, "kept");
		store_close(s);
		assert_int_equal(access(urls[i] + strlen("sqlite:"), F_OK), 0);
	}
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void a_file_of_another_program_is_refused_and_stays_as_it_is(void **state)
{
	struct sandbox *box = *state;
	static const char prose[] = "Dear diary, this is no database at all, but it is long enough to be looked at as if it were one, byte "
				    "by byte by byte.";
	char *before, *after;
	size_t size, now;
	for (size_t length = 1; length < sizeof(prose); length += 29) {
		spill(box->path, prose, length);
		refuse_in_every_mode(box->url, -EBADMSG, "not an abidrift store");
		before = slurp(box->path, &size);
		assert_int_equal(size, length);
		assert_memory_equal(before, prose, length);
		free(before);
	}
	assert_int_equal(remove(box->path), 0);
	tell(box->path, "PRAGMA journal_mode = WAL; PRAGMA user_version = 1; CREATE TABLE guests (id TEXT)");
	before = slurp(box->path, &size);
	refuse_in_every_mode(box->url, -EBADMSG, "another SQLite database");
	after = slurp(box->path, &now);
	assert_int_equal(size, now);
	assert_memory_equal(before, after, size);
	assert_int_equal(files_in(box->folder), 1);
	free(before);
	free(after);
}

static void a_store_of_a_newer_format_is_refused_and_stays_as_it_is(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	tell(box->path, "PRAGMA user_version = 7");
	size_t size, now;
	char *before = slurp(box->path, &size);
	refuse_in_every_mode(box->url, -EOPNOTSUPP, "format 7 is newer than format " STR(STORE_FORMAT));
	char *after = slurp(box->path, &now);
	assert_int_equal(size, now);
	assert_memory_equal(before, after, size);
	assert_int_equal(files_in(box->folder), 1);
	free(before);
	free(after);
}

static void a_newer_format_that_is_only_in_the_log_yet_is_refused(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	sqlite3 *other = NULL;
	assert_int_equal(sqlite3_open(box->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "PRAGMA user_version = 7", NULL, NULL, NULL), SQLITE_OK);
	refuse_in_every_mode(box->url, -EOPNOTSUPP, "format 7 is newer than format " STR(STORE_FORMAT));
	sqlite3_close(other);
}

static void an_older_store_is_brought_up_to_date_by_a_writer_only(void **state)
{
	struct sandbox *box = *state;
	const char *steps[STORE_FORMAT + 2] = { 0 }, *broken[STORE_FORMAT + 2] = { 0 };
	for (int i = 0; i < STORE_FORMAT; i++)
		steps[i] = broken[i] = STORE_SETUP.steps[i];
	steps[STORE_FORMAT] = "ALTER TABLE hosts ADD COLUMN seen_at INTEGER; CREATE TABLE fleets (name TEXT) STRICT;";
	broken[STORE_FORMAT] = "CREATE TABLE fleets (name TEXT) STRICT; INSERT INTO nowhere VALUES (1);";
	struct store_setup next = { .busy_ms = TEST_BUSY_MS, .steps = steps, .format = STORE_FORMAT + 1 },
			   bad = { .busy_ms = TEST_BUSY_MS, .steps = broken, .format = STORE_FORMAT + 1 };
	struct error e;
	make_store(box);
	assert_int_equal(try_open(box->url, STORE_READ, &next, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "format " STR(STORE_FORMAT) " is older than format"));
	/* A step that fails leaves the store as it was. */
	assert_true(try_open(box->url, STORE_WRITE, &bad, &e) < 0);
	assert_int_equal(ask(box->path, "PRAGMA user_version"), STORE_FORMAT);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM sqlite_schema WHERE name = 'fleets'"), 0);
	assert_int_equal(try_open(box->url, STORE_WRITE, &next, &e), 0);
	assert_int_equal(try_open(box->url, STORE_READ, &next, &e), 0);
	assert_int_equal(ask(box->path, "PRAGMA user_version"), STORE_FORMAT + 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM guests"), 1);
	refuse_in_every_mode(box->url, -EOPNOTSUPP, "is newer than format " STR(STORE_FORMAT));
}

static void a_store_that_is_held_by_another_process_says_so(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	struct store *s = open_store(box->url, STORE_WRITE);
	sqlite3 *other = NULL;
	assert_int_equal(sqlite3_open(box->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_host_put(s, "h", "c"), -EBUSY);
	assert_one_line(store_error(s));
	assert_non_null(strstr(store_error(s), box->path));
	assert_int_equal(store_begin(s), -EBUSY);
	/* Readers go on. */
	store_close(open_store(box->url, STORE_READ));
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_host_put(s, "h", "c"), 0);
	store_close(s);
	assert_int_equal(sqlite3_exec(other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;", NULL, NULL, NULL), SQLITE_OK);
	refuse_in_every_mode(box->url, -EBUSY, "locked");
	sqlite3_close(other);
}

/* Looking at the header must not drop the locks that this process holds on the file. */
static void opening_twice_in_one_process_keeps_the_first_ones_locks(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	tell(box->path, "PRAGMA journal_mode = DELETE");
	sqlite3 *first = NULL;
	assert_int_equal(sqlite3_open(box->path, &first), SQLITE_OK);
	assert_int_equal(sqlite3_exec(first, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	refuse(box->url, STORE_READ, -EBUSY, "locked");
	pid_t child = fork();
	if (child == 0) {
		sqlite3 *db = NULL;
		sqlite3_open(box->path, &db);
		_exit(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_BUSY ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	sqlite3_close(first);
}

static void two_that_make_the_same_store_at_once_both_get_it(void **state)
{
	struct sandbox *box = *state;
	pid_t children[4];
	for (size_t i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct store *s = NULL;
			struct error e = ERROR_INIT;
			char name[16];
			snprintf(name, sizeof(name), "g%zu", i);
			int err = store_open(box->url, STORE_CREATE, &s, &e);
			if (!err)
				err = store_guest_put(s, name, NULL, NULL, false, NULL);
			if (err < 0)
				fprintf(stderr, "%s\n", s ? store_error(s) : e.text);
			store_close(s);
			_exit(err < 0);
		}
	}
	for (size_t i = 0; i < 4; i++) {
		int status = -1;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(ask(box->path, "SELECT count(*) FROM guests"), 4);
}

/* ---- other users */

/* As an ordinary user that does not own the store but is in its group; what the child returns. */
static int as_reader(struct sandbox *box, int (*run)(struct sandbox *box, int from, int to), int from, int to)
{
	pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(99);
		_exit(run(box, from, to));
	}
	return child;
}

static void expect_child(pid_t child)
{
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void lend_to_group(struct sandbox *box)
{
	if (geteuid() == 0)
		assert_int_equal(chown(box->path, (uid_t)-1, NOBODY), 0);
}

static int guests_seen(struct store *s)
{
	struct store_guest *items = NULL;
	size_t count = 0;
	return store_guests(s, &items, &count) < 0 ? -1 : (int)count;
}

static int read_one_guest(struct sandbox *box, int from, int to)
{
	(void)from;
	(void)to;
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	if (store_open(box->url, STORE_READ, &s, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return guests_seen(s) == 1 ? 0 : 2;
}

static void a_reader_without_write_permission_reads_a_store_at_rest(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	lend_to_group(box);
	assert_int_equal(chmod(box->folder, 0555), 0);
	expect_child(as_reader(box, read_one_guest, -1, -1));
	assert_int_equal(files_in(box->folder), 1);
}

static void a_reader_without_write_permission_reads_beside_a_writer(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	lend_to_group(box);
	struct store *s = open_store(box->url, STORE_WRITE);
	assert_int_equal(store_host_put(s, "h", "c"), 0);
	assert_int_equal(chmod(box->folder, 0555), 0);
	expect_child(as_reader(box, read_one_guest, -1, -1));
	store_close(s);
}

static int follow_writer(struct sandbox *box, int from, int to)
{
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	char c;
	if (store_open(box->url, STORE_READ, &s, &e) < 0 || guests_seen(s) != 1 || store_changed(s) != 0)
		return 1;
	if (!s->immutable)
		return 2;
	/* The writer comes, */
	if (write(to, "1", 1) != 1 || read(from, &c, 1) != 1)
		return 3;
	if (store_changed(s) != 1 || guests_seen(s) != 2 || store_changed(s) != 0)
		return 4;
	/* and goes on. */
	if (write(to, "2", 1) != 1 || read(from, &c, 1) != 1)
		return 5;
	if (store_changed(s) != 1 || guests_seen(s) != 3)
		return 6;
	return 0;
}

static void a_long_reader_without_write_permission_sees_that_a_writer_came(void **state)
{
	struct sandbox *box = *state;
	int up[2], down[2];
	char c;
	make_store(box);
	lend_to_group(box);
	assert_int_equal(chmod(box->folder, 0555), 0);
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	pid_t child = as_reader(box, follow_writer, down[0], up[1]);
	close(up[1]);
	close(down[0]);
	struct store *s = NULL;
	if (read(up[0], &c, 1) == 1) {
		chmod(box->folder, 0755);
		s = open_store(box->url, STORE_WRITE);
		put_guest(s, "second");
		assert_int_equal(write(down[1], "1", 1), 1);
	}
	if (read(up[0], &c, 1) == 1) {
		put_guest(s, "third");
		assert_int_equal(write(down[1], "2", 1), 1);
	}
	expect_child(child);
	store_close(s);
	close(up[0]);
	close(down[1]);
}

static int try_modes(struct sandbox *box, int from, int to)
{
	(void)from;
	(void)to;
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	int err = store_open(box->url, STORE_READ, &s, &e);
	if (err != -EACCES || !strstr(e.text, "closed to user") || !strstr(e.text, box->folder))
		return 1;
	return 0;
}

static void a_closed_folder_is_named_to_whom_it_is_closed(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	assert_int_equal(chmod(box->folder, 0600), 0);
	expect_child(as_reader(box, try_modes, -1, -1));
}

static int write_in_vain(struct sandbox *box, int from, int to)
{
	(void)from;
	(void)to;
	char url[160];
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	if (store_open(box->url, STORE_WRITE, &s, &e) != -EACCES || !strstr(e.text, "may read it, but not change it"))
		return 1;
	snprintf(url, sizeof(url), "sqlite:%s/new.db", box->folder);
	if (store_open(url, STORE_CREATE, &s, &e) != -EACCES || !strstr(e.text, box->folder))
		return 2;
	return 0;
}

static void a_folder_that_cannot_be_written_is_named(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	lend_to_group(box);
	assert_int_equal(chmod(box->folder, 0555), 0);
	expect_child(as_reader(box, write_in_vain, -1, -1));
}

static void what_root_writes_stays_the_owners(void **state)
{
	struct sandbox *box = *state;
	struct stat st;
	char name[128];
	if (geteuid() != 0) {
		print_message("skip: only root can write the store of another user\n");
		skip();
	}
	make_store(box);
	assert_int_equal(chown(box->path, NOBODY, NOBODY), 0);
	assert_int_equal(chown(box->folder, NOBODY, NOBODY), 0);
	struct store *reader = open_store(box->url, STORE_READ), *s = open_store(box->url, STORE_WRITE);
	put_guest(s, "by root");
	for (const char *const *suffix = (const char *const[]){ "", "-wal", "-shm", NULL }; *suffix; suffix++) {
		snprintf(name, sizeof(name), "%s%s", box->path, *suffix);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_uid, NOBODY);
		assert_int_equal(st.st_gid, NOBODY);
		assert_int_equal(st.st_mode & 07777, 0640);
	}
	store_close(s);
	store_close(reader);
}

/* ---- no descriptor is left, once */

static sqlite3_syscall_ptr real_open;
static const char *unopened; /* a file whose name ends so */
static int refusals;

static int scarce_open(const char *path, int flags, int mode)
{
	size_t length = strlen(path), end = unopened ? strlen(unopened) : 0;

	if (end && length > end && !strcmp(path + length - end, unopened)) {
		unopened = NULL;
		refusals++;
		errno = EMFILE;
		return -1;
	}
	return ((int (*)(const char *, int, int))real_open)(path, flags, mode);
}

/* Where others have the store open, SQLite then opens to read only, and would not write for as long as the store is open. */
static void a_writer_that_lacked_a_descriptor_once_can_write(void **state)
{
	static const char *const logs[] = { "-wal", "-shm" };
	struct sandbox *box = *state;
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	int ready[2], end[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	if (!pid) {
		struct store *other = open_store(box->url, STORE_CREATE);

		put_guest(other, "other");
		close(end[1]);
		_exit(write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	real_open = vfs->xGetSystemCall(vfs, "open");
	assert_int_equal(vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)scarce_open), SQLITE_OK);
	for (size_t i = 0; i < sizeof(logs) / sizeof(*logs); i++) {
		struct store *s;

		refusals = 0;
		unopened = logs[i];
		s = open_store(box->url, STORE_WRITE);
		assert_int_equal(refusals, 1);
		put_guest(s, logs[i]);
		store_close(s);
	}
	vfs->xSetSystemCall(vfs, "open", real_open);
	close(end[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_new_store_is_private_and_complete),
		STORE_TEST(a_missing_store_asks_whether_the_monitor_runs),
		STORE_TEST(a_missing_or_closed_folder_is_named),
		STORE_TEST(only_a_store_url_is_taken),
		STORE_TEST(a_relative_path_is_one_of_the_working_directory),
		STORE_TEST(a_file_of_another_program_is_refused_and_stays_as_it_is),
		STORE_TEST(a_store_of_a_newer_format_is_refused_and_stays_as_it_is),
		STORE_TEST(a_newer_format_that_is_only_in_the_log_yet_is_refused),
		STORE_TEST(an_older_store_is_brought_up_to_date_by_a_writer_only),
		STORE_TEST(a_store_that_is_held_by_another_process_says_so),
		STORE_TEST(opening_twice_in_one_process_keeps_the_first_ones_locks),
		STORE_TEST(two_that_make_the_same_store_at_once_both_get_it),
		STORE_TEST(a_reader_without_write_permission_reads_a_store_at_rest),
		STORE_TEST(a_reader_without_write_permission_reads_beside_a_writer),
		STORE_TEST(a_long_reader_without_write_permission_sees_that_a_writer_came),
		STORE_TEST(a_closed_folder_is_named_to_whom_it_is_closed),
		STORE_TEST(a_folder_that_cannot_be_written_is_named),
		STORE_TEST(what_root_writes_stays_the_owners),
		STORE_TEST(a_writer_that_lacked_a_descriptor_once_can_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
