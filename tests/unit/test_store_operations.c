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

#define ONE "1111111111111111"
#define TWO "1111222222222222"

static void put_drift(struct store *s, int64_t guest, const char *change_set, int64_t at)
{
	struct digest digest;
	struct store_event event = { .at = at, .type = (char *)(change_set ? "drift" : "resolved"), .guest = guest, .change_set = (char *)change_set };
	digest_bytes("d", 1, &digest);
	assert_int_equal(store_drift_set(s, guest, change_set ? "{}" : NULL, &digest, change_set, at), 0);
	assert_int_equal(store_event_add(s, &event), 0);
}

static void sets_are_counted_by_guests_that_can_be_accepted(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t a = put_guest(s, "a"), b = put_guest(s, "b"), c = put_guest(s, "c");
	struct store_guest nameless[2];
	struct store_instance lives = { .running = true, .began_at = 1 };
	struct store_change_set *sets = NULL;
	struct error e = ERROR_INIT;
	int64_t *rows = NULL;
	size_t count = 0;
	char *id = NULL;
	put_drift(s, a, TWO, 1);
	put_drift(s, b, ONE, 1);
	put_drift(s, c, ONE, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_guest_put(s, i ? "anon-1" : "anon-0", NULL, NULL, true, &nameless[i]), 0);
		put_drift(s, nameless[i].row, ONE, 1);
	}
	/* Only the second one still runs. */
	lives.guest = nameless[1].row;
	assert_int_equal(store_instance_put(s, &lives), 0);

	assert_int_equal(store_change_sets(s, &sets, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(sets[0].id, ONE);
	assert_int_equal(sets[0].guests, 3);
	assert_string_equal(sets[1].id, TWO);
	assert_int_equal(sets[1].guests, 1);
	assert_int_equal(sets[1].guest, a);
	store_change_sets_free(sets, count);
	assert_int_equal(store_change_set_guests(s, ONE, false, &rows, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(rows[0], b);
	assert_int_equal(rows[1], c);
	assert_int_equal(rows[2], nameless[1].row);
	free(rows);

	assert_int_equal(store_change_set_find(s, "1111", false, &id, &e), -EEXIST);
	assert_one_line(e.text);
	assert_int_equal(store_change_set_find(s, "11112", false, &id, &e), 0);
	assert_string_equal(id, TWO);
	free(id);
	assert_int_equal(store_change_set_find(s, "1112", false, &id, &e), -ENOENT);
	assert_int_equal(store_change_set_find(s, "' OR 1", false, &id, &e), -EINVAL);
	assert_int_equal(store_change_set_find(s, TWO, true, &id, &e), -ENOENT);
	for (int i = 0; i < 2; i++)
		store_guest_release(&nameless[i]);
	store_close(s);
}

/* Undone by set is only who has it on top: not who was accepted again since. */
static void of_a_set_accepted_is_whose_baseline_is_of_it_now(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t a = put_guest(s, "a"), b = put_guest(s, "b"), *rows = NULL;
	struct store_baseline accepted = { .revision = 1, .at = 2, .by = (char *)"ann", .change_set = (char *)ONE };
	size_t count = 0;
	for (int i = 0; i < 2; i++) {
		int64_t guest = i ? b : a;
		put_revision(s, guest, "text", 1);
		assert_int_equal(set_baseline(s, guest, 1, 1, "auto", NULL, 0), 0);
		assert_int_equal(store_baseline_set(s, guest, &accepted), 0);
	}
	assert_int_equal(set_baseline(s, b, 1, 3, "bob", NULL, 0), 0);
	assert_int_equal(store_change_set_guests(s, ONE, true, &rows, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(rows[0], a);
	free(rows);
	assert_int_equal(store_baseline_undo(s, b, 4, "bob", NULL, NULL), 0);
	assert_int_equal(store_change_set_guests(s, ONE, true, &rows, &count), 0);
	assert_int_equal(count, 2);
	free(rows);
	store_close(s);
}

static void what_became_of_guests_since_is_told(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t before = put_guest(s, "d-before"), back = put_guest(s, "c-back"), fresh = put_guest(s, "b-new"), passing = put_guest(s, "a-passing");
	struct store_turn *turns = NULL;
	size_t count = 0;
	put_drift(s, before, ONE, 50);
	put_drift(s, back, ONE, 50);
	put_drift(s, back, NULL, 150);
	put_drift(s, fresh, TWO, 150);
	put_drift(s, passing, TWO, 150);
	put_drift(s, passing, NULL, 160);
	assert_int_equal(store_turns(s, 100, &turns, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(turns[0].name, "a-passing");
	assert_false(turns[0].drifted);
	assert_null(turns[0].change_set);
	assert_int_equal(turns[1].guest, fresh);
	assert_false(turns[1].drifted);
	assert_string_equal(turns[1].change_set, TWO);
	assert_int_equal(turns[2].guest, back);
	assert_true(turns[2].drifted);
	assert_null(turns[2].change_set);
	store_turns_free(turns, count);
	store_close(s);
}

static void the_last_event_of_a_type_is_found(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	int64_t guest = put_guest(s, "a"), at = 0;
	struct store_event host = { .at = 70, .type = (char *)"host" };
	assert_int_equal(store_event_last(s, "host", &at), -ENOENT);
	assert_int_equal(store_event_add(s, &host), 0);
	host.at = 60;
	assert_int_equal(store_event_add(s, &host), 0);
	put_drift(s, guest, ONE, 80);
	assert_int_equal(store_event_last(s, "host", &at), 0);
	assert_int_equal(at, 70);
	store_close(s);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, sandbox_setup, sandbox_teardown)
	const struct CMUnitTest tests[] = {
		ROW(open_drifts_are_listed_with_their_sets),
		ROW(who_accepted_with_which_set_is_kept),
		ROW(a_window_is_one_at_a_time_and_survives_a_restart),
		ROW(sets_are_counted_by_guests_that_can_be_accepted),
		ROW(of_a_set_accepted_is_whose_baseline_is_of_it_now),
		ROW(what_became_of_guests_since_is_told),
		ROW(the_last_event_of_a_type_is_found),
		ROW(what_rules_hid_adds_up),
		ROW(pruning_forgets_windows_that_are_over_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
