// SPDX-License-Identifier: Apache-2.0
/* Damage and full disks: one clear line, and nothing that was committed is lost. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"

#define PAGE 4096
#define TEXT_BYTES 20000
/* Writes that one transaction of ours needs, and some. */
#define FAULTS_MAX 200

/* ---- the k-th write fails: SQLite's file layer, with its writing put in between */

static struct {
	int until; /* writes that still succeed; -1: all */
	bool fired;
} fault = { .until = -1 };

static sqlite3_vfs faulty_vfs, *real_vfs;
static struct {
	const sqlite3_io_methods *real;
	sqlite3_io_methods faulty;
} layers[4];

static bool faults(void)
{
	if (fault.until < 0)
		return false;
	if (fault.until > 0) {
		fault.until--;
		return false;
	}
	/* A disk that is full stays full. */
	fault.fired = true;
	return true;
}

static const sqlite3_io_methods *real_of(sqlite3_file *file)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (file->pMethods == &layers[i].faulty)
			return layers[i].real;
	return NULL;
}

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	return faults() ? SQLITE_FULL : real_of(file)->xWrite(file, data, size, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	return faults() ? SQLITE_IOERR_FSYNC : real_of(file)->xSync(file, flags);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	(void)vfs;
	int rc = real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);
	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(layers) / sizeof(*layers); i++) {
		if (layers[i].real && layers[i].real != file->pMethods)
			continue;
		layers[i].real = file->pMethods;
		layers[i].faulty = *file->pMethods;
		layers[i].faulty.xWrite = faulty_write;
		layers[i].faulty.xSync = faulty_sync;
		file->pMethods = &layers[i].faulty;
		return SQLITE_OK;
	}
	return rc;
}

static void faulty_install(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.xOpen = faulty_open;
	sqlite3_vfs_register(&faulty_vfs, 1);
}

/* ---- what is written, and what must still be there */

static void make_store(struct sandbox *box)
{
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "kept");
	put_revision(s, guest, "kept text", 1);
	assert_int_equal(set_baseline(s, guest, 1, 1, "auto", NULL, 0), 0);
	struct store_maintenance window = { .begins_at = 1, .ends_at = 2, .by = (char *)"ann" };
	struct store_event event = { .at = 1, .type = (char *)"drift", .guest = guest, .change_set = (char *)"0123456789abcdef" };
	struct digest digest;
	digest_bytes("d", 1, &digest);
	assert_int_equal(store_drift_set(s, guest, "{}", &digest, "0123456789abcdef", 1), 0);
	assert_int_equal(store_event_add(s, &event), 0);
	assert_int_equal(store_suppression_hit(s, "rule", 1, 1, 1), 0);
	assert_int_equal(store_maintenance_put(s, &window), 0);
	store_close(s);
}

/* A guest, its revisions, its baseline and an alert, as one. -errno as the first failure says. */
static int write_much(struct store *s, const char *id)
{
	struct store_guest g;
	char text[TEXT_BYTES + 1];
	int err = store_begin(s);
	if (err < 0)
		return err;
	err = store_guest_put(s, id, NULL, id, false, &g);
	for (char fill = 'a'; fill < 'd' && !err; fill++) {
		memset(text, fill, TEXT_BYTES);
		text[TEXT_BYTES] = '\0';
		/* The contents of one attempt are not there already for the next. */
		memcpy(text, id, strlen(id));
		err = try_revision(s, g.row, text, 2, NULL);
	}
	if (!err)
		err = set_baseline(s, g.row, 3, 2, "auto", NULL, 0);
	if (!err)
		err = store_alert_add(s, id, NULL, "{}", 2);
	if (!err)
		store_guest_release(&g);
	if (err < 0) {
		store_rollback(s);
		return err;
	}
	return store_commit(s);
}

/* ---- the k-th allocation of SQLite's fails */

static sqlite3_mem_methods plain_memory;
static int allocations = -1; /* that still succeed; -1: all */

static bool memory_ends(void)
{
	return allocations >= 0 && allocations-- == 0;
}

static void *scarce_malloc(int size) { return memory_ends() ? NULL : plain_memory.xMalloc(size); }
static void *scarce_realloc(void *old, int size) { return memory_ends() ? NULL : plain_memory.xRealloc(old, size); }

static void scarce_install(void)
{
	sqlite3_mem_methods scarce;

	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain_memory), SQLITE_OK);
	scarce = plain_memory;
	scarce.xMalloc = scarce_malloc;
	scarce.xRealloc = scarce_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce), SQLITE_OK);
	store_note_memory();
}

static int drifted(struct store *s)
{
	struct query q = query_start(s, "SELECT count(*) FROM drifted");
	int count = query_next(&q) > 0 ? (int)column_int(&q) : -1;

	query_end(&q);
	return count;
}

/* It may fail; it must not lack what is counted of it. */
static void a_drift_that_memory_lacked_for_is_stored_as_a_whole_or_not_at_all(void **state)
{
	static const char json[] = "{\"changes\":[{\"facet\":\"cpuid\",\"severity\":\"critical\"}]}";
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "g");
	struct digest digest;
	int failed = 0;

	digest_bytes("d", 1, &digest);
	for (int k = 0, err = -1; err < 0; k++) {
		/* As its first time, with nothing prepared. */
		store_close(s);
		s = open_store(box->url, STORE_WRITE);
		allocations = k;
		err = store_drift_set(s, guest, json, &digest, "0123456789abcdef", 1);
		if (allocations < 0 && err >= 0)
			err = -EAGAIN; /* one failed that SQLite could do without */
		allocations = -1;
		failed += err == -ENOMEM;
		assert_int_equal(drifted(s), err >= 0);
	}
	assert_true(failed > 100);
	store_close(s);
}

/* Whole, with what was committed; the unfinished transaction in it as a whole, or not at all. */
static void expect_kept(struct sandbox *box, const char *id, bool committed)
{
	struct error e = ERROR_INIT;
	struct store_guest g = { 0 };
	struct store_revision r = { 0 };
	struct store_baseline b = { 0 };
	struct store *s = open_store(box->url, STORE_READ);
	int err = store_check(s, &e);
	if (err < 0)
		print_error("%s\n", e.text);
	assert_int_equal(err, 0);
	assert_int_equal(store_guest_resolve(s, "kept", &g, &e), 0);
	assert_int_equal(store_revision_get(s, g.row, 1, &r), 0);
	assert_string_equal(r.text, "kept text");
	store_revision_release(&r);
	store_guest_release(&g);
	err = store_guest_resolve(s, id, &g, &e);
	if (!err) {
		assert_int_equal(g.revisions, 3);
		assert_int_equal(store_baseline_get(s, g.row, &b), 0);
		store_baseline_release(&b);
	}
	store_guest_release(&g);
	assert_int_equal(err, committed ? 0 : -ENOENT);
	store_close(s);
}

static void a_disk_that_fills_up_at_any_write_loses_nothing(void **state)
{
	struct sandbox *box = *state;
	int faulted = 0;
	make_store(box);
	for (int k = 0; k < FAULTS_MAX; k++) {
		char id[32];
		snprintf(id, sizeof(id), "at-%d", k);
		struct store *s = open_store(box->url, STORE_WRITE);
		fault.fired = false;
		fault.until = k;
		int err = write_much(s, id);
		if (err < 0) {
			assert_true(err == -ENOSPC || err == -EIO);
			assert_one_line(store_error(s));
			assert_non_null(strstr(store_error(s), box->path));
		}
		/* Closing moves the log into the database: that may fail too. */
		if (k % 2)
			store_close(s);
		fault.until = -1;
		if (!(k % 2)) {
			/* There is room again, and the same open store goes on. */
			assert_int_equal(store_host_put(s, id, "after"), 0);
			store_close(s);
		}
		expect_kept(box, id, err == 0);
		if (!fault.fired)
			break;
		faulted++;
	}
	/* Every place was tried, until none was left. */
	assert_false(fault.fired);
	assert_true(faulted > 10);
}

static void a_disk_that_is_full_at_the_start_leaves_no_half_made_store(void **state)
{
	struct sandbox *box = *state;
	struct store_setup setup = quick_setup();
	int k;
	for (k = 0; k < FAULTS_MAX; k++) {
		struct store *s = NULL;
		struct error e = ERROR_INIT;
		fault.fired = false;
		fault.until = k;
		int err = store_open_with(box->url, STORE_CREATE, &setup, &s, &e);
		fault.until = -1;
		if (err < 0) {
			if (err != -ENOSPC && err != -EIO)
				print_error("write %d: %d %s\n", k, err, e.text);
			assert_true(err == -ENOSPC || err == -EIO);
			assert_one_line(e.text);
		}
		store_close(s);
		/* Not there, or complete, or (where even taking it back failed) left to the next writer, who puts it in order. */
		err = store_open_with(box->url, STORE_READ, &setup, &s, &e);
		if (err == -EROFS)
			assert_non_null(strstr(e.text, "start abidrift run"));
		else
			assert_true(err == 0 || err == -ENOENT);
		if (!err) {
			assert_int_equal(store_check(s, &e), 0);
			store_close(s);
		}
		s = open_store(box->url, STORE_CREATE);
		assert_int_equal(store_check(s, &e), 0);
		store_close(s);
		assert_int_equal(remove(box->path), 0);
		if (!fault.fired)
			break;
	}
	assert_false(fault.fired);
	assert_true(k > 3);
}

/* The kernel's own "no": 0 done, 1 refused and all well afterwards, else what was wrong. */
static int child_with_limit(struct sandbox *box, rlim_t bytes)
{
	struct rlimit limit;
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	signal(SIGXFSZ, SIG_IGN);
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 10;
	limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 11;
	int err = store_open(box->url, STORE_WRITE, &s, &e);
	const char *line = e.text;
	if (!err) {
		err = write_much(s, "limited");
		line = store_error(s);
	}
	if (err == 0)
		return 0;
	if (err != -ENOSPC || !strstr(line, "the disk is full")) {
		fprintf(stderr, "%d: %s\n", err, line);
		return 12;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 13;
	if (!s && store_open(box->url, STORE_WRITE, &s, &e) < 0)
		return 14;
	if (store_host_put(s, "h", "after") < 0)
		return 15;
	store_close(s);
	return 1;
}

static void a_limit_on_file_size_is_a_full_disk(void **state)
{
	struct sandbox *box = *state;
	int refused = 0;
	make_store(box);
	for (rlim_t bytes = 0;; bytes += 2 * PAGE) {
		assert_true(bytes < 200 * PAGE);
		pid_t child = fork();
		if (child == 0)
			_exit(child_with_limit(box, bytes));
		int status = -1;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) <= 1);
		expect_kept(box, "limited", WEXITSTATUS(status) == 0);
		if (WEXITSTATUS(status) == 0)
			break;
		refused++;
	}
	assert_true(refused > 3);
}

/* ---- damage */

static char *slurp(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	*ret_size = (size_t)ftell(f);
	rewind(f);
	char *data = malloc(*ret_size);
	assert_int_equal(fread(data, 1, *ret_size, f), *ret_size);
	fclose(f);
	return data;
}

static void spill(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static char *make_full_store(struct sandbox *box, size_t *ret_size)
{
	make_store(box);
	struct store *s = open_store(box->url, STORE_WRITE);
	for (int i = 0; i < 5; i++) {
		char id[32];
		snprintf(id, sizeof(id), "g%d", i);
		assert_int_equal(write_much(s, id), 0);
	}
	store_close(s);
	return slurp(box->path, ret_size);
}

/* What metrics ask for. */
static int use_tallies(struct store *s)
{
	static int (*const tallies[])(struct store *, struct store_tally **, size_t *) = { store_tally_states, store_tally_coverage, store_tally_drifted,
											  store_tally_worst };
	struct store_drifting *drifting = NULL;
	struct store_tally *items = NULL;
	uint64_t bytes;
	size_t n;
	int err = store_size(s, &bytes);
	for (size_t i = 0; i < sizeof(tallies) / sizeof(*tallies) && !err; i++)
		if (!(err = tallies[i](s, &items, &n)))
			store_tallies_free(items, n);
	if (!err && !(err = store_drifting(s, 5, &drifting, &n)))
		store_drifting_free(drifting, n);
	return err;
}

static int use_alerts(struct store *s)
{
	const struct store_alerts_part part = { .before = INT64_MAX, .limit = 3, .characters = 1000 };
	struct store_alert *alerts = NULL;
	struct store_fate *fates = NULL;
	int64_t before;
	size_t count, n;
	int err = store_alerts_newest(s, &part, &alerts, &count, &before);

	if (err < 0)
		return err;
	for (size_t i = 0; i < count && !err; i++)
		if (!(err = store_alert_fates(s, alerts[i].row, &fates, &n)))
			store_fates_free(fates, n);
	store_alerts_free(alerts, count);
	return err;
}

/* What is read of all guests together. */
static int use_lists(struct store *s)
{
	struct store_drift *drifts = NULL;
	struct store_change_set *sets = NULL;
	struct store_turn *turns = NULL;
	struct store_suppression *rules = NULL;
	struct store_maintenance window = { 0 };
	size_t n;
	int err = store_drifts(s, &drifts, &n);
	if (!err)
		store_drifts_free(drifts, n);
	if (!err && !(err = store_change_sets(s, &sets, &n)))
		store_change_sets_free(sets, n);
	if (!err && !(err = store_turns(s, 0, &turns, &n)))
		store_turns_free(turns, n);
	if (!err && !(err = store_suppressions(s, &rules, &n)))
		store_suppressions_free(rules, n);
	if (!err)
		err = use_alerts(s);
	if (!err)
		err = use_tallies(s);
	if (!err && !(err = store_maintenance_get(s, &window)))
		store_maintenance_release(&window);
	return err == -ENOENT ? 0 : err;
}

/* Everything that reads and writes. Whatever it says, it says it in a line, and does not fall over. */
static int use_all(struct sandbox *box, enum store_mode mode)
{
	struct store_setup setup = quick_setup();
	struct store *s = NULL;
	struct error e = ERROR_INIT;
	int err = store_open_with(box->url, mode, &setup, &s, &e), first = 0;
	if (err < 0) {
		assert_one_line(e.text);
		return err;
	}
	struct store_guest *guests = NULL;
	size_t count = 0;
	err = store_guests(s, &guests, &count);
	for (size_t i = 0; i < count && !err; i++) {
		for (uint32_t n = 1; n <= guests[i].revisions && n < 5; n++) {
			struct store_revision r = { 0 };
			int got = store_revision_get(s, guests[i].row, n, &r);
			if (got < 0)
				assert_one_line(store_error(s));
			first = first ? first : got;
			store_revision_release(&r);
		}
	}
	while (count)
		store_guest_release(&guests[--count]);
	free(guests);
	first = first ? first : err;
	err = use_lists(s);
	if (err < 0)
		assert_one_line(store_error(s));
	first = first ? first : err;
	err = store_check(s, &e);
	if (err < 0)
		assert_one_line(e.text);
	first = first ? first : err;
	if (mode != STORE_READ) {
		size_t rows;
		err = write_much(s, "late");
		if (!err)
			err = store_prune(s, 1, &rows);
		if (err < 0)
			assert_one_line(store_error(s));
		first = first ? first : err;
	}
	store_close(s);
	return first;
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void random_damage_is_told_and_never_obeyed(void **state)
{
	struct sandbox *box = *state;
	size_t size;
	char *good = make_full_store(box, &size), *bad = malloc(size);
	unsigned seed = 1;
	int told = 0;
	for (int round = 0; round < 120; round++) {
		memcpy(bad, good, size);
		/* A third of the rounds each: the header, the rest of the schema's page, anywhere. */
		size_t from = round % 3 == 1 ? 100 : 0, room = round % 3 == 0 ? 100 : round % 3 == 1 ? PAGE - 100 : size;
		for (int i = 0; i < 16; i++)
			bad[from + next_random(&seed) % room] = (char)next_random(&seed);
		spill(box->path, bad, size);
		told += use_all(box, round % 2 ? STORE_WRITE : STORE_READ) < 0;
	}
	assert_true(told > 60);
	free(good);
	free(bad);
}

static void an_overwritten_page_is_found(void **state)
{
	struct sandbox *box = *state;
	size_t size;
	char *good = make_full_store(box, &size), *bad = malloc(size);
	for (size_t page = 0; page < size / PAGE; page++) {
		memcpy(bad, good, size);
		memset(bad + page * PAGE, 0xa5, PAGE);
		spill(box->path, bad, size);
		int err = use_all(box, STORE_READ);
		if (err != -EBADMSG)
			print_error("page %zu: %d\n", page, err);
		assert_int_equal(err, -EBADMSG);
	}
	free(good);
	free(bad);
}

static void a_changed_fingerprint_is_not_believed(void **state)
{
	struct sandbox *box = *state;
	struct store_revision r;
	make_store(box);
	tell(box->path, "UPDATE contents SET bytes = CAST('other text' AS BLOB) WHERE bytes = CAST('kept text' AS BLOB)");
	struct store *s = open_store(box->url, STORE_READ);
	assert_int_equal(store_revision_get(s, 1, 1, &r), -EBADMSG);
	assert_non_null(strstr(store_error(s), "damaged"));
	store_close(s);
}

static void an_altered_schema_is_refused(void **state)
{
	struct sandbox *box = *state;
	struct error e = ERROR_INIT;
	struct store *s = NULL;
	make_store(box);
	tell(box->path, "CREATE INDEX mine ON events (type)");
	assert_int_equal(use_all(box, STORE_WRITE), 0);
	tell(box->path, "ALTER TABLE hosts RENAME TO ghosts");
	assert_int_equal(store_open(box->url, STORE_WRITE, &s, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "hosts"));
}

static void a_truncated_store_is_refused_and_stays_as_it_is(void **state)
{
	struct sandbox *box = *state;
	size_t size, now;
	char *good = make_full_store(box, &size);
	const size_t lengths[] = { 1, 16, 50, 99, 100, 512, PAGE - 1, PAGE, 2 * PAGE, size / 2, size - PAGE };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		spill(box->path, good, lengths[i]);
		for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++) {
			struct store_setup setup = quick_setup();
			struct store *s = NULL;
			struct error e = ERROR_INIT;
			int err = store_open_with(box->url, mode, &setup, &s, &e);
			if (err != -EBADMSG)
				print_error("%zu bytes: %d %s\n", lengths[i], err, e.text);
			assert_int_equal(err, -EBADMSG);
			assert_one_line(e.text);
			char *after = slurp(box->path, &now);
			assert_int_equal(now, lengths[i]);
			assert_memory_equal(after, good, now);
			free(after);
		}
	}
	/* Less than a page: found when that page is read, if its end was in use at all. */
	spill(box->path, good, size - 1);
	int err = use_all(box, STORE_READ);
	assert_true(err == 0 || err == -EBADMSG);
	/* Emptied beside a log: SQLite would take it for a new one and delete the log. */
	char wal[128];
	snprintf(wal, sizeof(wal), "%s-wal", box->path);
	spill(wal, good, 100);
	spill(box->path, "", 0);
	assert_int_equal(use_all(box, STORE_CREATE), -EBADMSG);
	free(slurp(wal, &now));
	assert_int_equal(now, 100);
	free(good);
}

static void a_writer_that_was_killed_leaves_what_it_committed(void **state)
{
	struct sandbox *box = *state;
	make_store(box);
	pid_t child = fork();
	if (child == 0) {
		struct store *s = NULL;
		if (store_open(box->url, STORE_WRITE, &s, NULL) < 0 || write_much(s, "done") < 0 || store_begin(s) < 0 ||
		    store_guest_put(s, "half", NULL, NULL, false, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	expect_kept(box, "done", true);
	struct error e = ERROR_INIT;
	struct store_guest g;
	struct store *s = open_store(box->url, STORE_WRITE);
	assert_int_equal(store_guest_resolve(s, "half", &g, &e), -ENOENT);
	store_close(s);
	expect_kept(box, "done", true);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_disk_that_fills_up_at_any_write_loses_nothing),
		STORE_TEST(a_disk_that_is_full_at_the_start_leaves_no_half_made_store),
		STORE_TEST(a_limit_on_file_size_is_a_full_disk),
		STORE_TEST(a_drift_that_memory_lacked_for_is_stored_as_a_whole_or_not_at_all),
		STORE_TEST(random_damage_is_told_and_never_obeyed),
		STORE_TEST(an_overwritten_page_is_found),
		STORE_TEST(a_changed_fingerprint_is_not_believed),
		STORE_TEST(an_altered_schema_is_refused),
		STORE_TEST(a_truncated_store_is_refused_and_stays_as_it_is),
		STORE_TEST(a_writer_that_was_killed_leaves_what_it_committed),
	};
	scarce_install();
	faulty_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
