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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_evidence_makes_an_entry),
		cmocka_unit_test(what_is_drawn_and_what_a_bar_holds_is_no_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
