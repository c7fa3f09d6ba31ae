/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: why a device went, once the guest is reset; or an alarm that follows a guest into another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/drift/carry.h"

static json_t *diff_of(const char *to, const char *severity, const char *verdict, bool running)
{
	json_t *diff = json_pack("{s:[{s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:b, s:[s], s:n}]}", "changes", "facet", "pci", "key", "0000:00:05.0/id",
				 "change", to ? "changed" : "lost", "from", "1af4:1005", "to", to, "severity", severity, "verdict", verdict, "running",
				 running, "cause", verdict, "suppressed_by");

	assert_non_null(diff);
	return diff;
}

static const char *text_of(const json_t *diff, const char *key)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(diff, "changes"), 0), key));
}

static void what_was_found_under_the_running_guest_stays_what_it_was(void **state)
{
	json_t *open = diff_of(NULL, "info", "intended", true), *diff = diff_of(NULL, "warning", "unexplained", false);
	const json_t *change = json_array_get(json_object_get(diff, "changes"), 0);

	(void)state;
	assert_true(drift_carry(diff, open, false));
	assert_string_equal(text_of(diff, "severity"), "info");
	assert_string_equal(text_of(diff, "verdict"), "intended");
	assert_true(json_is_true(json_object_get(change, "running")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(change, "cause"), 0)), "intended");
	/* Whether a rule hides it is asked anew each time. */
	assert_true(json_is_null(json_object_get(change, "suppressed_by")));
	json_decref(open);
	json_decref(diff);
}

static void another_change_is_judged_for_itself(void **state)
{
	json_t *open = diff_of("1af4:1041", "info", "intended", true), *diff = diff_of("1af4:1042", "critical", "violation", false);

	(void)state;
	assert_false(drift_carry(diff, open, false));
	assert_string_equal(text_of(diff, "severity"), "critical");
	assert_false(drift_carry(diff, NULL, false));
	json_decref(open);
	json_decref(diff);
}

static void what_was_found_after_a_restart_is_judged_anew(void **state)
{
	json_t *open = diff_of(NULL, "info", "intended", false), *diff = diff_of(NULL, "warning", "unexplained", false);

	(void)state;
	assert_false(drift_carry(diff, open, false));
	assert_string_equal(text_of(diff, "verdict"), "unexplained");
	json_decref(open);
	json_decref(diff);
}

/* Migrated back to the version that it was accepted under, its tables are the newer one's: an explained drift is not to become a mystery. */
static void what_came_along_in_memory_keeps_its_reason_where_the_guest_moved(void **state)
{
	static const struct { const char *facet; bool moved, stays; } cases[] = {
		{ "acpi", true, true }, { "smbios", true, true }, { "numa", true, true }, { "firmware", true, true },
		{ "acpi", false, false }, { "cpuid", true, false }, { "memory", true, false }, { "msr", true, false }, { "pci", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *open = diff_of("3", "info", "violation", false), *diff = diff_of("3", "warning", "unexplained", false);

		json_object_set_new(json_array_get(json_object_get(open, "changes"), 0), "facet", json_string(cases[i].facet));
		json_object_set_new(json_array_get(json_object_get(diff, "changes"), 0), "facet", json_string(cases[i].facet));
		assert_int_equal(drift_carry(diff, open, cases[i].moved), cases[i].stays);
		assert_string_equal(text_of(diff, "verdict"), cases[i].stays ? "violation" : "unexplained");
		assert_string_equal(text_of(diff, "severity"), cases[i].stays ? "info" : "warning");
		json_decref(open);
		json_decref(diff);
	}
}

/* Where one value ends and the next begins counts: else what a guest writes into its tables could pass for another, known change. */
static void values_that_only_read_alike_are_not_the_same(void **state)
{
	json_t *open = diff_of("a", "info", "intended", true), *diff = diff_of("a", "warning", "unexplained", false);
	json_t *before = json_array_get(json_object_get(open, "changes"), 0), *change = json_array_get(json_object_get(diff, "changes"), 0);

	(void)state;
	json_object_set_new(before, "from", json_string("xy"));
	json_object_set_new(before, "to", json_string("z"));
	json_object_set_new(change, "from", json_string("x"));
	json_object_set_new(change, "to", json_string("yz"));
	assert_false(drift_carry(diff, open, false));
	/* Nothing at all, and a value that looks like it. */
	json_object_set_new(before, "to", json_null());
	json_object_set_new(change, "from", json_string("xy"));
	json_object_set_new(change, "to", json_string("-"));
	assert_false(drift_carry(diff, open, false));
	json_object_set_new(change, "to", json_null());
	assert_true(drift_carry(diff, open, false));
	json_decref(open);
	json_decref(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_found_under_the_running_guest_stays_what_it_was),
		cmocka_unit_test(another_change_is_judged_for_itself),
		cmocka_unit_test(what_was_found_after_a_restart_is_judged_anew),
		cmocka_unit_test(what_came_along_in_memory_keeps_its_reason_where_the_guest_moved),
		cmocka_unit_test(values_that_only_read_alike_are_not_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
