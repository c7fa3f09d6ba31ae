// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/facts_feed.h"
#include "userspace/abi/windows.h"

#define NIC RECORDS_BDF(0, 3, 0)
#define BRIDGE RECORDS_BDF(0, 4, 0)

static void only_evidence_makes_an_entry(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_port(&s, 0x510, 1, OBSERVE_ANSWERED, 0);
	records_port(&s, 0x510, 2, 0, 3);
	records_port(&s, 0x80, 1, 0, 2);
	/* All ones can be an answer too: once answered, it is there. */
	records_port(&s, 0x3f8, 1, OBSERVE_ANSWERED, 3);
	records_port(&s, 0xcfc, 4, OBSERVE_ANSWERED, 0);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510/r8"), "answered");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510/r16"), "absent");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x03f8/r8"), "answered");
	assert_int_equal(entries_of(&e, FACET_PORTS), 3);
	assert_int_equal(e.coverage[FACET_PORTS].level, COVERAGE_WITNESSED);
	assert_string_equal(e.coverage[FACET_PORTS].reason, "only what the guest touched");
	entries_release(&e);
	records_release(&s);
}

static void a_moved_bar_changes_no_port(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_pci(&s, NIC, 0x0c, 0, 0x4);
	records_pci_size(&s, NIC, 0x14, 0xffffffc1);
	records_pci_placed(&s, NIC, 0x14, 0xc041);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, NIC, 0x14, 0xc081);
	records_port(&s, 0xc040, 4, OBSERVE_ANSWERED, 0);
	records_port(&s, 0xc07f, 1, 0, 3);
	records_port(&s, 0xc0bc, 4, OBSERVE_ANSWERED, 0);
	records_port(&s, 0xc0c0, 4, OBSERVE_ANSWERED, 0);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_PORTS), 1);
	assert_non_null(value_of(&e, FACET_PORTS, "0xc0c0/r32"));
	entries_release(&e);
	records_release(&s);
}

static void what_cannot_be_seen_is_said(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_port(&s, 0x510, 1, OBSERVE_ANSWERED, 0);
	records_loss(&s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PORT, 12);
	e = derive_stream(&s);
	assert_string_equal(e.coverage[FACET_PORTS].reason, "only what the guest touched, and 12 facts of it were refused");
	assert_string_equal(e.coverage[FACET_MMIO].reason, "only what the guest touched");
	assert_int_equal(e.coverage[FACET_ACPI].level, COVERAGE_NONE);
	assert_string_equal(e.coverage[FACET_ACPI].reason, "the guest's memory was not read yet");
	entries_release(&e);
	records_host(&s, RECORD_COVERAGE, "ports", "kvm_pio has another prototype on this kernel", NULL);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_PORTS].level, COVERAGE_NONE);
	assert_string_equal(e.coverage[FACET_PORTS].reason, "kvm_pio has another prototype on this kernel");
	assert_int_equal(entries_of(&e, FACET_PORTS), 0);
	entries_release(&e);
	records_release(&s);
}

/* ---- windows */

static const struct pci_window *window_at(const struct windows *w, uint64_t base)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].base == base)
			return &w->items[i];
	return NULL;
}

static void bars_have_the_size_that_they_answered(void **state)
{
	(void)state;
	assert_int_equal(pci_bar_decode(0, 0, false).kind, PCI_BAR_NONE);
	assert_int_equal(pci_bar_decode(0xffffffff, 0, false).kind, PCI_BAR_NONE);
	assert_int_equal(pci_bar_decode(0xffffffe1, 0, false).bytes, 0x20);
	assert_int_equal(pci_bar_decode(0x0000ffe1, 0, false).bytes, 0x20);
	assert_int_equal(pci_bar_decode(0xfffe0000, 0, false).bytes, 0x20000);
	assert_int_equal(pci_bar_decode(0xff000008, 0, false).bytes, 0x1000000);
	assert_true(pci_bar_decode(0xff000008, 0, false).prefetchable);
	assert_int_equal(pci_bar_decode(0xffffc00c, 0xffffffff, false).kind, PCI_BAR_MEM64);
	assert_int_equal(pci_bar_decode(0xffffc00c, 0xffffffff, false).bytes, 0x4000);
	assert_int_equal(pci_bar_decode(0x0000000c, 0xfffffffc, false).bytes, 0x400000000);
	assert_int_equal(pci_bar_decode(0xfffc0001, 0, true).bytes, 0x40000);
	assert_int_equal(pci_bar_decode(0xfffc0000, 0, true).kind, PCI_BAR_ROM);
}

static void every_place_of_a_bar_is_a_window(void **state)
{
	struct records s = RECORDS_INIT;
	struct windows w;
	struct guest_facts *f;

	(void)state;
	records_pci(&s, NIC, 0x0c, 0, 0x4);
	records_pci_size(&s, NIC, 0x10, 0xffffc00c);
	records_pci_size(&s, NIC, 0x14, 0xffffffff);
	records_pci_placed(&s, NIC, 0x10, 0xfe000000);
	records_pci_placed(&s, NIC, 0x14, 0);
	/* Sizing and clearing are no places. */
	records_pci_placed(&s, NIC, 0x10, 0xfffffff0);
	records_pci_placed(&s, NIC, 0x18, 0);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, NIC, 0x10, 0x4000000c);
	records_pci_placed(&s, NIC, 0x14, 0x38);
	f = feed(&s);
	assert_int_equal(windows_derive(f, &w), 0);
	assert_non_null(window_at(&w, 0xfe000000));
	assert_false(window_at(&w, 0xfe000000)->current);
	assert_non_null(window_at(&w, 0x3840000000));
	assert_true(window_at(&w, 0x3840000000)->current);
	assert_int_equal(window_at(&w, 0x3840000000)->bytes, 0x4000);
	assert_int_equal(w.count, 4); /* with the halves crossed */
	assert_true(windows_contain(&w, false, 0xfe000000, 0x4000));
	assert_false(windows_contain(&w, false, 0xfe000000, 0x4001));
	assert_true(windows_overlap(&w, false, 0xfe003000, 0x1000));
	assert_false(windows_overlap(&w, false, 0xfe004000, 0x1000));
	assert_false(windows_overlap(&w, true, 0xfe000000, 1));
	windows_release(&w);
	facts_free(f);
	records_release(&s);
}

static void half_programmed_bridge_windows_swallow_nothing(void **state)
{
	struct records s = RECORDS_INIT;
	struct windows w;
	struct guest_facts *f;

	(void)state;
	records_pci(&s, BRIDGE, 0x0c, 0x00010000, 0x4);
	records_pci_placed(&s, BRIDGE, 0x18, 0x00020200);
	records_pci_placed(&s, BRIDGE, 0x1c, 0x000000f0); /* closed */
	records_pci_placed(&s, BRIDGE, 0x24, 0xfff1fe01);
	records_pci_placed(&s, BRIDGE, 0x28, 0);
	records_pci_placed(&s, BRIDGE, 0x2c, 0);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, BRIDGE, 0x1c, 0x0000d0c0);
	records_pci_placed(&s, BRIDGE, 0x20, 0xfe90fe80);
	records_pci_placed(&s, BRIDGE, 0x2c, 8); /* until the base follows: 0xfe000000 to beyond 32 GiB */
	f = feed(&s);
	assert_int_equal(windows_derive(f, &w), 0);
	assert_false(windows_overlap(&w, false, 0xfd000000, 1));
	assert_false(windows_overlap(&w, false, 0x100000000, 1));
	assert_true(windows_contain(&w, false, 0xfe800000, 0x200000));
	assert_true(windows_contain(&w, true, 0xc000, 0x2000));
	assert_false(windows_overlap(&w, true, 0x2, 1));
	windows_release(&w);
	facts_free(f);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_evidence_makes_an_entry),
		cmocka_unit_test(a_moved_bar_changes_no_port),
		cmocka_unit_test(what_cannot_be_seen_is_said),
		cmocka_unit_test(bars_have_the_size_that_they_answered),
		cmocka_unit_test(every_place_of_a_bar_is_a_window),
		cmocka_unit_test(half_programmed_bridge_windows_swallow_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
