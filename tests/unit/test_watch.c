/* SPDX-License-Identifier: Apache-2.0 */
/* A watcher that cries for nothing is switched off: names that change and stores that fail are no blindness. Clocks and names are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"
#include "userspace/watch.h"

#define SECOND_NS 1000000000ull

static int64_t now_s = 1000;
static const char *name = "one";

int clock_gettime(clockid_t id, struct timespec *ret)
{
	(void)id;
	*ret = (struct timespec){ .tv_sec = now_s };
	return 0;
}

int uname(struct utsname *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->nodename, sizeof(ret->nodename), "%s", name);
	return 0;
}

static void begin(struct watch *w)
{
	watch_begin(w, 30 * SECOND_NS);
}

/* As often as the messenger does. */
static int look_for(struct watch *w, struct store *s, int seconds, bool *ret_alerted)
{
	struct error e = ERROR_INIT;
	int err = 0;

	for (int i = 0; i < seconds; i++) {
		now_s++;
		err = watch_look(w, s, true, ret_alerted, &e);
	}
	return err;
}

static void beat(struct store *s, const char *host)
{
	assert_int_equal(store_status_put(s, host, now_s * (int64_t)SECOND_NS, "{}"), 0);
}

/* The hosts that the store says are not watched. */
static void blind_are(struct store *s, const char *one)
{
	struct store_blind *rows = NULL;
	size_t count = 0;

	assert_int_equal(store_blinds_under(s, "monitor/", &rows, &count), 0);
	assert_int_equal(count, one ? 1 : 0);
	if (one)
		assert_string_equal(rows[0].host, one);
	store_blinds_free(rows, count);
}

static void a_host_that_gets_another_name_is_watched_on(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct watch w;
	bool alerted = false;

	name = "one";
	begin(&w);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	name = "two";
	/* The analyst hears of it later. */
	for (int i = 0; i < 6; i++) {
		beat(s, "one");
		assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	}
	for (int i = 0; i < 12; i++) {
		beat(s, "two");
		assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	}
	assert_false(alerted);
	blind_are(s, NULL);
	/* Nor is the one that is blind missed under its new name. */
	assert_int_equal(look_for(&w, s, 31, &alerted), 0);
	assert_true(alerted);
	blind_are(s, "two");
	store_close(s);
}

static void what_was_told_under_another_name_ends(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct watch w;
	bool alerted = false;

	name = "one";
	begin(&w);
	assert_int_equal(look_for(&w, s, 121, &alerted), 0);
	blind_are(s, "one");
	/* While it runs, */
	name = "two";
	assert_int_equal(look_for(&w, s, 1, &alerted), 0);
	blind_are(s, "two");
	/* and by the next one. */
	name = "three";
	begin(&w);
	assert_int_equal(look_for(&w, s, 1, &alerted), 0);
	beat(s, "three");
	assert_int_equal(look_for(&w, s, 1, &alerted), 0);
	blind_are(s, NULL);
	store_close(s);
}

static void a_store_that_could_not_be_written_is_no_blindness(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct watch w;
	bool alerted = false;

	name = "one";
	begin(&w);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	/* Nobody can write, as on a disk that is full. */
	assert_int_equal(sqlite3_exec(s->db, "PRAGMA query_only = 1", NULL, NULL, NULL), SQLITE_OK);
	look_for(&w, s, 47, &alerted);
	assert_int_equal(sqlite3_exec(s->db, "PRAGMA query_only = 0", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	assert_false(alerted);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 20, &alerted), 0);
	assert_false(alerted);
	blind_are(s, NULL);
	/* One that then stays silent is told. */
	assert_int_equal(look_for(&w, s, 31, &alerted), 0);
	assert_true(alerted);
	blind_are(s, "one");
	store_close(s);
}

/* Loading takes a minute on a slow machine. */
static void a_collector_that_still_loads_is_not_blind_but_one_that_never_speaks_is(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_blind *rows = NULL;
	struct watch w;
	bool alerted = false;
	size_t count = 0;

	name = "one";
	begin(&w);
	assert_int_equal(look_for(&w, s, 100, &alerted), 0);
	assert_false(alerted);
	blind_are(s, NULL);
	assert_int_equal(look_for(&w, s, 21, &alerted), 0);
	assert_true(alerted);
	assert_int_equal(store_blinds_under(s, "monitor/", &rows, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(rows[0].reason, "nothing was heard of collector and analyst for 2m, nor ever before");
	store_blinds_free(rows, count);
	/* Once it spoke it is held to its rhythm. */
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 1, &alerted), 0);
	blind_are(s, NULL);
	assert_int_equal(look_for(&w, s, 29, &alerted), 0);
	blind_are(s, NULL);
	assert_int_equal(look_for(&w, s, 2, &alerted), 0);
	blind_are(s, "one");
	store_close(s);
}

/* A messenger that is renewed while the collector is away must not say that nobody ever spoke: whoever reads that looks in the wrong place. */
static void a_messenger_that_comes_later_says_when_the_last_sign_of_life_was(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_blind *rows = NULL;
	struct watch w;
	bool alerted = false;
	size_t count = 0;

	name = "one";
	begin(&w);
	beat(s, "one");
	assert_int_equal(look_for(&w, s, 5, &alerted), 0);
	now_s = 1767225600 - 60;
	beat(s, "one");
	now_s += 60;
	begin(&w);
	assert_int_equal(look_for(&w, s, 121, &alerted), 0);
	assert_true(alerted);
	assert_int_equal(store_blinds_under(s, "monitor/", &rows, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(rows[0].reason, "nothing was heard of collector and analyst for 2m; the last sign of life was at 2025-12-31T23:59:00.000Z");
	store_blinds_free(rows, count);
	now_s = 1000;
	store_close(s);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_host_that_gets_another_name_is_watched_on),
		STORE_TEST(what_was_told_under_another_name_ends),
		STORE_TEST(a_collector_that_still_loads_is_not_blind_but_one_that_never_speaks_is),
		STORE_TEST(a_messenger_that_comes_later_says_when_the_last_sign_of_life_was),
		STORE_TEST(a_store_that_could_not_be_written_is_no_blindness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
