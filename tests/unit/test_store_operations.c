// SPDX-License-Identifier: Apache-2.0
/* What would be lost: which guests drift together, a window that was ordained, what a rule hid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"

static void open_drifts_are_listed_with_their_sets(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t a = put_guest(s, "a"), b = put_guest(s, "b"), c = put_guest(s, "c");
	struct digest digest;
	struct store_drift *items = NULL;
	size_t count = 0;
	digest_bytes("d", 1, &digest);
	assert_int_equal(store_drifts(s, &items, &count), 0);
	assert_int_equal(count, 0);
	store_drifts_free(items, count);
	assert_int_equal(store_drift_set(s, b, "{}", &digest, "0123456789abcdef", 5), 0);
	assert_int_equal(store_drift_set(s, a, "{}", &digest, NULL, 6), 0);
	assert_int_equal(store_drift_set(s, c, "{}", &digest, "ffff456789abcdef", 7), 0);
	/* Another drift of the same guest is of another set. */
	assert_int_equal(store_drift_set(s, c, "{\"x\":1}", &digest, "0123456789abcdef", 8), 0);
	assert_int_equal(store_drifts(s, &items, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(items[0].guest, a);
	assert_null(items[0].change_set);
	assert_string_equal(items[1].change_set, "0123456789abcdef");
	assert_string_equal(items[2].change_set, "0123456789abcdef");
	assert_string_equal(items[2].json, "{\"x\":1}");
	assert_int_equal(items[2].at, 8);
	store_drifts_free(items, count);
	store_close(s);
}

static void who_accepted_with_which_set_is_kept(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a");
	struct store_baseline set = { .revision = 1, .at = 10, .by = (char *)"auto" }, got = { 0 };
	struct store_event event = { .at = 20, .type = (char *)"accept", .guest = guest, .change_set = (char *)"0123456789abcdef" }, *events;
	size_t count;
	put_revision(s, guest, "one", 1);
	put_revision(s, guest, "two", 2);
	assert_int_equal(store_baseline_set(s, guest, &set), 0);
	set = (struct store_baseline){ .revision = 2, .at = 20, .by = (char *)"ann", .change_set = (char *)"0123456789abcdef" };
	assert_int_equal(store_baseline_set(s, guest, &set), 0);
	assert_int_equal(store_event_add(s, &event), 0);
	assert_int_equal(store_baseline_get(s, guest, &got), 0);
	assert_string_equal(got.change_set, "0123456789abcdef");
	store_baseline_release(&got);
	assert_int_equal(store_baseline_undo(s, guest, 30, "ann", NULL, &got), 0);
	assert_null(got.change_set);
	store_baseline_release(&got);
	assert_int_equal(store_events(s, guest, 0, &events, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(events[0].change_set, "0123456789abcdef");
	store_events_free(events, count);
	store_close(s);
}

static void a_window_is_one_at_a_time_and_survives_a_restart(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_maintenance first = { .begins_at = 10, .ends_at = 20, .by = (char *)"ann", .reason = (char *)"QEMU 7.2" },
				 second = { .begins_at = 12, .ends_at = 30, .by = (char *)"bob" }, got = { 0 }, unknown = { .row = 77 };
	assert_int_equal(store_maintenance_get(s, &got), -ENOENT);
	assert_int_equal(store_maintenance_put(s, &first), 0);
	assert_int_equal(store_maintenance_put(s, &second), -EEXIST);
	assert_int_equal(second.row, 0);
	store_close(s);

	s = open_store(box->url, STORE_WRITE);
	assert_int_equal(store_maintenance_get(s, &got), 0);
	assert_int_equal(got.row, first.row);
	assert_int_equal(got.begins_at, 10);
	assert_int_equal(got.ends_at, 20);
	assert_string_equal(got.by, "ann");
	assert_string_equal(got.reason, "QEMU 7.2");
	got.ends_at = 15;
	assert_int_equal(store_maintenance_put(s, &got), 0);
	store_maintenance_release(&got);
	assert_int_equal(store_maintenance_get(s, &got), 0);
	assert_int_equal(got.ends_at, 15);
	got.closed_at = 16;
	assert_int_equal(store_maintenance_put(s, &got), 0);
	store_maintenance_release(&got);
	assert_int_equal(store_maintenance_get(s, &got), -ENOENT);
	assert_int_equal(store_maintenance_put(s, &second), 0);
	assert_int_not_equal(second.row, first.row);
	assert_int_equal(store_maintenance_put(s, &unknown), -ENOENT);
	store_close(s);
}

static void what_rules_hid_adds_up(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_suppression *items = NULL;
	size_t count = 0;
	assert_int_equal(store_suppression_hit(s, "oem", 3, 1, 50), 0);
	assert_int_equal(store_suppression_hit(s, "nics", 1, 1, 40), 0);
	assert_int_equal(store_suppression_hit(s, "oem", 2, 1, 45), 0);
	assert_int_equal(store_suppressions(s, &items, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(items[0].rule, "nics");
	assert_string_equal(items[1].rule, "oem");
	assert_int_equal(items[1].changes, 5);
	assert_int_equal(items[1].guests, 2);
	assert_int_equal(items[1].last_at, 50);
	store_suppressions_free(items, count);
	store_close(s);
}

static void pruning_forgets_windows_that_are_over_only(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct store_maintenance old = { .begins_at = 10, .ends_at = 20, .by = (char *)"ann" }, open = { .begins_at = 30, .ends_at = 40, .by = (char *)"ann" };
	size_t rows;
	assert_int_equal(store_maintenance_put(s, &old), 0);
	old.closed_at = 21;
	assert_int_equal(store_maintenance_put(s, &old), 0);
	assert_int_equal(store_maintenance_put(s, &open), 0);
	assert_int_equal(store_prune(s, 1000, &rows), 0);
	store_close(s);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM maintenance"), 1);
	assert_int_equal(ask(box->path, "SELECT count(*) FROM maintenance WHERE closed_at IS NULL"), 1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
	const struct CMUnitTest tests[] = {
		ROW(open_drifts_are_listed_with_their_sets),
		ROW(who_accepted_with_which_set_is_kept),
		ROW(a_window_is_one_at_a_time_and_survives_a_restart),
		ROW(what_rules_hid_adds_up),
		ROW(pruning_forgets_windows_that_are_over_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
