// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/facts_feed.h"

#define VGA RECORDS_BDF(0, 2, 0)

static void only_evidence_makes_an_entry(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_mmio(&s, 0xfed00000, 4, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xfed00000, 8, 0, 3);
	records_mmio(&s, 0xfed40000, 1, 0, 1);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000/r32"), "answered");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000/r64"), "absent");
	assert_int_equal(entries_of(&e, FACET_MMIO), 2);
	assert_int_equal(e.coverage[FACET_MMIO].level, COVERAGE_WITNESSED);
	entries_release(&e);
	records_release(&s);
}

static void what_is_drawn_and_what_a_bar_holds_is_no_register(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_pci(&s, VGA, 0x0c, 0, 0x4);
	records_pci_size(&s, VGA, 0x18, 0xfffff000);
	records_pci_placed(&s, VGA, 0x18, 0xfebf0000);
	records_mmio(&s, 0xfebf0000, 2, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xfebf1000, 2, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xa0000, 1, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xbf000, 1, 0, 3);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_MMIO), 1);
	assert_non_null(value_of(&e, FACET_MMIO, "0x00000000febf1000/r16"));
	entries_release(&e);
	records_release(&s);
}

/* A guest that ran before abidrift: its configuration window was read as pages before anyone knew what they are. */
static void pages_of_the_configuration_window_are_pcis(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_vm(&s, "ecam", "0xb0000000 0x10000000", NULL);
	records_mmio(&s, 0xb0000000, 4, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xbffff000, 2, 0, 3);
	records_mmio(&s, 0xc0000000, 4, OBSERVE_ANSWERED, 0);
	records_mmio(&s, 0xaffff000, 4, OBSERVE_ANSWERED, 0);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_MMIO), 2);
	assert_non_null(value_of(&e, FACET_MMIO, "0x00000000c0000000/r32"));
	assert_non_null(value_of(&e, FACET_MMIO, "0x00000000affff000/r32"));
	entries_release(&e);
	records_release(&s);
}

/* The pair comes out of a trace file that anyone can have written. */
static void a_window_that_is_none_hides_nothing(void **state)
{
	static const char *const wrong[] = { "", "0xb0000000", "0xb0000000 ", "0xb0000000 0x10000000 ", "0xb0000000 0xx", "b0000000 10000000",
		"-0x1 0xffffffffffffffff", "0x10000000000000000 0xffffffffffffffff", "0xb0000000 0x0" };
	struct abi_entries e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct records s = RECORDS_INIT;

		records_vm(&s, "ecam", wrong[i], NULL);
		records_mmio(&s, 0xb0000000, 4, OBSERVE_ANSWERED, 0);
		e = derive_stream(&s);
		assert_int_equal(entries_of(&e, FACET_MMIO), 1);
		entries_release(&e);
		records_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_evidence_makes_an_entry),
		cmocka_unit_test(what_is_drawn_and_what_a_bar_holds_is_no_register),
		cmocka_unit_test(pages_of_the_configuration_window_are_pcis),
		cmocka_unit_test(a_window_that_is_none_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
