// SPDX-License-Identifier: Apache-2.0
/* What would be lost: a backup that is not one, the file that it overwrote, a store that a smaller file cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"

static void copy_name(const struct sandbox *box, char name[128])
{
	snprintf(name, 128, "%s/copy.db", box->folder);
}

static size_t files_named(const struct sandbox *box, const char *beginning)
{
	DIR *folder = opendir(box->folder);
	size_t count = 0;
	assert_non_null(folder);
	for (const struct dirent *d; (d = readdir(folder));)
		count += !strncmp(d->d_name, beginning, strlen(beginning));
	closedir(folder);
	return count;
}

static int backup(const char *url, const char *path, struct error *e)
{
	struct store *s = open_store(url, STORE_READ);
	e->text[0] = 0;
	int err = store_backup(s, path, e);
	store_close(s);
	return err;
}

static void a_copy_holds_what_is_only_in_the_log_and_is_one_file(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(writer, "a");
	char path[128];
	struct stat st;
	struct error e = ERROR_INIT;
	copy_name(box, path);
	put_revision(writer, guest, "cpuid 1 2\n", 1);
	mode_t before = umask(077);
	int err = backup(box->url, path, &e);
	umask(before);
	if (err < 0)
		fail_msg("%s", e.text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(files_named(box, "copy.db"), 1);
	/* The writer goes on as if nobody had looked. */
	put_revision(writer, guest, "cpuid 1 3\n", 2);
	store_close(writer);
	assert_int_equal(ask(path, "SELECT count(*) FROM revisions"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM revisions"), 2);
}

static void an_open_transaction_of_the_writer_is_not_in_it(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE);
	char path[128];
	struct error e = ERROR_INIT;
	copy_name(box, path);
	put_guest(writer, "a");
	assert_int_equal(store_begin(writer), 0);
	put_guest(writer, "b");
	assert_int_equal(backup(box->url, path, &e), 0);
	assert_int_equal(store_commit(writer), 0);
	store_close(writer);
	assert_int_equal(ask(path, "SELECT count(*) FROM guests"), 1);
}

static void what_is_there_is_never_overwritten(void **state)
{
	struct sandbox *box = *state;
	struct error e = ERROR_INIT;
	char path[128], dangling[128], elsewhere[128];
	store_close(open_store(box->url, STORE_CREATE));
	copy_name(box, path);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("mine", f);
	fclose(f);
	assert_int_equal(backup(box->url, path, &e), -EEXIST);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(files_named(box, "copy.db"), 1);
	/* Nor what a link points to, or would. */
	snprintf(dangling, sizeof(dangling), "%s/link", box->folder);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", box->folder);
	assert_int_equal(symlink(elsewhere, dangling), 0);
	assert_int_equal(backup(box->url, dangling, &e), -EEXIST);
	assert_int_equal(files_named(box, "elsewhere"), 0);
	assert_int_equal(backup(box->url, box->path, &e), -EEXIST);
	char room[8] = "";
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(room, sizeof(room), f));
	fclose(f);
	assert_string_equal(room, "mine");
}

static void a_full_disk_leaves_no_half_of_a_copy(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE);
	struct error e = ERROR_INIT;
	struct rlimit was, small;
	char path[128];
	copy_name(box, path);
	put_guest(writer, "a");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ .rlim_cur = 32768, .rlim_max = was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int err = store_backup(writer, path, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_true(err < 0);
	assert_non_null(strstr(e.text, "nothing of it was kept"));
	assert_int_equal(files_named(box, "copy.db"), 0);
	/* The store is as it was, and a folder that is not there is said. */
	assert_int_equal(store_check(writer, &e), 0);
	assert_int_equal(store_backup(writer, "/nowhere/at/all.db", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nowhere/at/all.db"));
	store_close(writer);
}

static void a_copy_of_damage_is_no_copy(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE);
	struct error e = ERROR_INIT;
	char path[128];
	copy_name(box, path);
	put_revision(writer, put_guest(writer, "a"), "cpuid 1 2\n", 1);
	store_close(writer);
	ask(box->path, "UPDATE contents SET bytes = x'00'");
	assert_true(backup(box->url, path, &e) < 0);
	assert_non_null(strstr(e.text, "not whole"));
	assert_int_equal(files_named(box, "copy.db"), 0);
}

static void a_smaller_file_holds_the_same(void **state)
{
	struct sandbox *box = *state;
	struct store *writer = open_store(box->url, STORE_CREATE), *reader = open_store(box->url, STORE_READ);
	struct store_room before, after;
	struct store_guest *guests;
	struct error e = ERROR_INIT;
	size_t count;
	char id[1024];
	assert_int_equal(store_begin(writer), 0);
	for (int i = 0; i < 1000; i++) {
		memset(id, 'x', sizeof(id) - 1);
		snprintf(id, sizeof(id) - 512, "%0500d", i);
		put_guest(writer, id);
	}
	assert_int_equal(store_commit(writer), 0);
	put_guest(writer, "stays");
	assert_int_equal(store_sql(writer, "DELETE FROM guests WHERE id <> 'stays'"), 0);
	assert_int_equal(store_guests(reader, &guests, &count), 0);
	assert_int_equal(count, 1);
	store_guest_release(&guests[0]);
	free(guests);
	assert_int_equal(store_room(writer, &before), 0);
	assert_true(before.free_bytes > 500000);
	assert_int_equal(store_vacuum(writer), 0);
	assert_int_equal(store_room(writer, &after), 0);
	assert_int_equal(after.free_bytes, 0);
	assert_true(after.bytes < 400000);
	assert_int_equal(store_check(reader, &e), 0);
	assert_int_equal(store_guests(reader, &guests, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(guests[0].id, "stays");
	store_guest_release(&guests[0]);
	free(guests);
	/* Nothing can be attached again, and rows still must refer to something. */
	assert_true(store_sql(writer, "ATTACH ':memory:' AS other") < 0);
	assert_true(set_baseline(writer, 4711, 1, 1, "auto", NULL, 0) < 0);
	assert_true(store_vacuum(reader) < 0);
	store_close(reader);
	store_close(writer);
}

static uint64_t rows_of(const struct store_rows *items, size_t count, const char *table)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i].table, table))
			return items[i].rows;
	fail_msg("%s is not told", table);
	return 0;
}

static void pruning_tells_what_went_table_by_table(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	const struct store_event events[] = { { .at = 10, .type = (char *)"boot" }, { .at = 20, .type = (char *)"boot" }, { .at = 500, .type = (char *)"boot" } };
	struct store_rows *items;
	size_t count;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(store_event_add(s, &events[i]), 0);
	assert_int_equal(store_alert_add(s, "gone", NULL, "{}", 1), 0);
	assert_int_equal(store_tables(s, &items, &count), 0);
	assert_int_equal(rows_of(items, count, "events"), 3);
	assert_int_equal(rows_of(items, count, "alerts"), 1);
	assert_int_equal(rows_of(items, count, "guests"), 0);
	store_rows_free(items, count);
	assert_int_equal(store_prune_told(s, 0, &items, &count), 0);
	assert_int_equal(rows_of(items, count, "events"), 0);
	store_rows_free(items, count);
	assert_int_equal(store_prune_told(s, 100, &items, &count), 0);
	assert_int_equal(rows_of(items, count, "events"), 2);
	assert_int_equal(rows_of(items, count, "alerts"), 1);
	assert_int_equal(rows_of(items, count, "contents"), 0);
	store_rows_free(items, count);
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM events"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, sandbox_setup, sandbox_teardown)
		TEST(a_copy_holds_what_is_only_in_the_log_and_is_one_file),
		TEST(an_open_transaction_of_the_writer_is_not_in_it),
		TEST(what_is_there_is_never_overwritten),
		TEST(a_full_disk_leaves_no_half_of_a_copy),
		TEST(a_copy_of_damage_is_no_copy),
		TEST(a_smaller_file_holds_the_same),
		TEST(pruning_tells_what_went_table_by_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
