// SPDX-License-Identifier: Apache-2.0
/* GUEST as people write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stores.h"
#include "userspace/store/store.h"

#define UUID_A "6f1e0000-1111-2222-3333-444455556666"
#define UUID_B "6f1e0000-1111-2222-3333-444455557777"
#define UUID_C "abcd0000-1111-2222-3333-444455557777"

static struct store *store_with_guests(struct sandbox *box)
{
	static const struct {
		const char *id, *uuid, *name;
	} guests[] = {
		{ UUID_A, UUID_A, "web-1" }, { UUID_B, UUID_B, "web-2" }, { UUID_C, UUID_C, "web" },
		{ "solo", NULL, "solo" },    { "anon-12-7", NULL, NULL }, { "twin-a", NULL, "twin" },
		{ "twin-b", NULL, "twin" },  { "odd", NULL, UUID_A }, /* a name that is another one's UUID */
		{ "a/b@3", NULL, "a/b@3" },
	};
	struct store *s = open_store(box->url, STORE_CREATE);
	for (size_t i = 0; i < sizeof(guests) / sizeof(*guests); i++)
		assert_int_equal(store_guest_put(s, guests[i].id, guests[i].uuid, guests[i].name, !guests[i].name, NULL), 0);
	return s;
}

static void expect(struct store *s, const char *text, const char *id)
{
	struct store_guest g = { 0 };
	struct error e = ERROR_INIT;
	int err = store_guest_resolve(s, text, &g, &e);
	if (err < 0)
		print_error("%s: %s\n", text, e.text);
	assert_int_equal(err, 0);
	assert_string_equal(g.id, id);
	store_guest_release(&g);
}

static void refuse(struct store *s, const char *text, int code, struct error *e)
{
	struct store_guest g = { 0 };
	assert_int_equal(store_guest_resolve(s, text, &g, e), code);
	assert_one_line(e->text);
	assert_null(g.id);
}

static void a_guest_is_found_by_whatever_names_it(void **state)
{
	struct store *s = store_with_guests(*state);
	expect(s, UUID_B, UUID_B);
	expect(s, "6F1E0000-1111-2222-3333-444455557777", UUID_B);
	expect(s, "{6f1e0000111122223333444455557777}", UUID_B);
	expect(s, "web-2", UUID_B);
	expect(s, "solo", "solo");
	expect(s, "anon-12-7", "anon-12-7");
	expect(s, "a/b@3", "a/b@3");
	store_close(s);
}

static void an_exact_name_wins_over_longer_ones(void **state)
{
	struct store *s = store_with_guests(*state);
	expect(s, "web", UUID_C);
	expect(s, "twin-b", "twin-b");
	/* An id before a name. */
	expect(s, UUID_A, UUID_A);
	expect(s, "guest:" UUID_A, "odd");
	expect(s, "guest:a/b@3", "a/b@3");
	store_close(s);
}

static void a_unique_beginning_is_enough(void **state)
{
	struct store *s = store_with_guests(*state);
	expect(s, "so", "solo");
	expect(s, "anon", "anon-12-7");
	expect(s, "abcd", UUID_C);
	expect(s, "ABCD0000-11", UUID_C);
	expect(s, "abcd00001111", UUID_C);
	expect(s, "6f1e0000-1111-2222-3333-4444555577", UUID_B);
	struct error e = ERROR_INIT;
	refuse(s, "guest:so", -ENOENT, &e);
	refuse(s, "nobody", -ENOENT, &e);
	assert_non_null(strstr(e.text, "nobody"));
	refuse(s, "", -ENOENT, &e);
	refuse(s, "guest:", -ENOENT, &e);
	refuse(s, "-", -ENOENT, &e);
	refuse(s, "%", -ENOENT, &e);
	store_close(s);
}

static void an_ambiguous_guest_is_told_its_candidates(void **state)
{
	struct store *s = store_with_guests(*state);
	struct error e = ERROR_INIT;
	refuse(s, "twin", -EEXIST, &e);
	assert_non_null(strstr(e.text, "twin-a"));
	assert_non_null(strstr(e.text, "twin-b"));
	refuse(s, "guest:twin", -EEXIST, &e);
	refuse(s, "web-", -EEXIST, &e);
	assert_non_null(strstr(e.text, UUID_A " (web-1)"));
	refuse(s, "6f1e", -EEXIST, &e);
	/* Many: eight at most, and how many there are more. */
	for (int i = 0; i < 30; i++) {
		char id[24];
		snprintf(id, sizeof(id), "many-%02d", i);
		assert_int_equal(store_guest_put(s, id, NULL, NULL, false, NULL), 0);
	}
	refuse(s, "many", -EEXIST, &e);
	assert_non_null(strstr(e.text, "many-07"));
	assert_null(strstr(e.text, "many-08"));
	assert_non_null(strstr(e.text, "and 22 more"));
	store_close(s);
}

static void a_hostile_name_cannot_speak_to_the_terminal(void **state)
{
	struct sandbox *box = *state;
	struct store *s = open_store(box->url, STORE_CREATE);
	struct error e = ERROR_INIT;
	char big[400];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(store_guest_put(s, "evil-1", NULL, "\033]0;owned\a\n\xff\xfe", false, NULL), 0);
	assert_int_equal(store_guest_put(s, "evil-2", NULL, big, false, NULL), 0);
	refuse(s, "evil", -EEXIST, &e);
	assert_null(strchr(e.text, '\033'));
	assert_non_null(strstr(e.text, "\\x1b"));
	assert_non_null(strstr(e.text, "evil-2"));
	expect(s, "\033]0;owned\a\n\xff\xfe", "evil-1");
	refuse(s, "\033[2J", -ENOENT, &e);
	assert_null(strchr(e.text, '\033'));
	expect(s, big, "evil-2");
	store_close(s);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)

/* Its UUID was learnt: what is kept of it stays its own. */
static void a_guest_that_is_better_known_keeps_its_row(void **state)
{
	struct store *s = store_with_guests(*state);
	struct store_guest before = { 0 }, after = { 0 };
	struct error e = ERROR_INIT;

	assert_int_equal(store_guest_resolve(s, "solo", &before, &e), 0);
	assert_int_equal(store_guest_rename(s, before.row, "12340000-1111-2222-3333-444455556666", "12340000-1111-2222-3333-444455556666", "solo", false), 0);
	expect(s, "solo", "12340000-1111-2222-3333-444455556666");
	assert_int_equal(store_guest_get(s, before.row, &after), 0);
	assert_string_equal(after.uuid, "12340000-1111-2222-3333-444455556666");
	/* Another one's id is refused, and within a transaction the rest of it goes on. */
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_guest_rename(s, before.row, UUID_A, UUID_A, NULL, false), -EEXIST);
	assert_one_line(store_error(s));
	assert_int_equal(store_commit(s), 0);
	expect(s, "web-1", UUID_A);
	store_guest_release(&before);
	store_guest_release(&after);
	store_close(s);
}

static void only_a_guest_without_a_fingerprint_is_dropped(void **state)
{
	struct store *s = store_with_guests(*state);
	struct store_event event = { .at = 1, .type = (char *)"boot" };
	struct store_instance instance = { .running = true };
	struct store_revision r = { .at = 1, .text = (char *)"t", .text_size = 1, .facts = (char *)"f", .facts_size = 1, .context = (char *)"c", .context_size = 1 };
	struct store_guest solo = { 0 }, web = { 0 };
	struct error e = ERROR_INIT;
	bool dropped;

	assert_int_equal(store_guest_resolve(s, "solo", &solo, &e), 0);
	assert_int_equal(store_guest_resolve(s, "web-1", &web, &e), 0);
	event.guest = instance.guest = solo.row;
	assert_int_equal(store_event_add(s, &event), 0);
	assert_int_equal(store_instance_put(s, &instance), 0);
	assert_int_equal(store_guest_drop(s, solo.row, &dropped), 0);
	assert_true(dropped);
	refuse(s, "solo", -ENOENT, &e);
	r.guest = web.row;
	assert_int_equal(store_revision_put(s, &r), 0);
	assert_int_equal(store_guest_drop(s, web.row, &dropped), 0);
	assert_false(dropped);
	expect(s, "web-1", UUID_A);
	store_instance_release(&instance);
	store_guest_release(&solo);
	store_guest_release(&web);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_guest_is_found_by_whatever_names_it),
		STORE_TEST(an_exact_name_wins_over_longer_ones),
		STORE_TEST(a_unique_beginning_is_enough),
		STORE_TEST(an_ambiguous_guest_is_told_its_candidates),
		STORE_TEST(a_hostile_name_cannot_speak_to_the_terminal),
		STORE_TEST(a_guest_that_is_better_known_keeps_its_row),
		STORE_TEST(only_a_guest_without_a_fingerprint_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
