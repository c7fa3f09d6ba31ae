// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tests/unit/facts_feed.h"

static void entries_are_sorted_as_their_lines_are(void **state)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	char last[256] = "", line[256], key[32];
	uint64_t seed = 7;

	(void)state;
	for (unsigned n = 0; n < 500; n++) {
		snprintf(key, sizeof(key), "%x/%u", feed_random(&seed) % 512, feed_random(&seed) % 3);
		assert_int_equal(entries_addf(&e, feed_random(&seed) % FACETS, key, "%u", n), 0);
	}
	entries_sort(&e);
	for (size_t i = 0; i < e.count; i++) {
		snprintf(line, sizeof(line), "%s %s", facet_get(e.items[i].facet)->name, e.items[i].key);
		assert_true(strcmp(last, line) < 0);
		assert_ptr_equal(entries_find(&e, e.items[i].facet, e.items[i].key), &e.items[i]);
		memcpy(last, line, sizeof(last));
	}
	assert_null(entries_find(&e, FACET_CPUID, "nothing"));
	entries_release(&e);
}

static void of_equal_keys_the_last_one_stays(void **state)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	char key[16];

	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		snprintf(key, sizeof(key), "%u", n % 10);
		assert_int_equal(entries_addf(&e, FACET_PORTS, key, "%u", n), 0);
	}
	entries_sort(&e);
	assert_int_equal(e.count, 10);
	assert_string_equal(value_of(&e, FACET_PORTS, "3"), "293");
	entries_release(&e);
}

static void hostile_text_stays_on_its_line(void **state)
{
	struct abi_entries e = ABI_ENTRIES_INIT, copy = ABI_ENTRIES_INIT;

	(void)state;
	assert_int_equal(entries_add(&e, FACET_IDENTITY, "a b\n", "x y\\\n\x1b"), 0);
	assert_int_equal(entries_cover(&e, FACET_IDENTITY, COVERAGE_WITNESSED, "only %d", 5), 0);
	entries_sort(&e);
	assert_int_equal(entries_copy(&e, &copy), 0);
	assert_string_equal(value_of(&copy, FACET_IDENTITY, "a\\x20b\\x0a"), "x y\\x5c\\x0a\\x1b");
	assert_string_equal(copy.coverage[FACET_IDENTITY].reason, "only 5");
	assert_string_equal(copy.coverage[FACET_CPUID].reason, "");
	entries_release(&e);
	entries_release(&copy);
}

static void every_facet_has_a_name_and_a_reason(void **state)
{
	struct guest_facts *f = facts_new();
	struct abi_entries e = derive(f);
	enum coverage level;

	(void)state;
	for (int i = 0; i < FACETS; i++) {
		assert_int_equal(facet_get(i)->id, i);
		assert_ptr_equal(facet_find(facet_get(i)->name), facet_get(i));
		assert_non_null(e.coverage[i].reason);
		assert_int_not_equal(e.coverage[i].level, COVERAGE_COMPLETE);
		assert_null(strchr(e.coverage[i].reason, '\n'));
		assert_true(strlen(e.coverage[i].reason) > 0);
		assert_int_equal(coverage_parse(coverage_name(e.coverage[i].level), &level), 0);
		assert_int_equal(level, e.coverage[i].level);
	}
	assert_int_equal(e.count, 0);
	assert_null(facet_find("ether"));
	assert_int_equal(coverage_parse("whole", &level), -EINVAL);
	entries_release(&e);
	facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_sorted_as_their_lines_are),
		cmocka_unit_test(of_equal_keys_the_last_one_stays),
		cmocka_unit_test(hostile_text_stays_on_its_line),
		cmocka_unit_test(every_facet_has_a_name_and_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
