/* SPDX-License-Identifier: Apache-2.0 */
/* Facets pci and placement. */
#include <stdio.h>

#include "tests/unit/facts_feed.h"
#include "userspace/abi/pci_names.h"
#include "userspace/abi/pci_tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WHOLE 0xf
#define ABSENT 0xffff
#define MULTIFUNCTION 0x80u

struct guest {
	struct guest_facts *facts;
	struct abi_entries entries;
};

static void guest_read(struct guest *g, struct records *s)
{
	g->facts = feed(s);
	g->entries = (struct abi_entries)ABI_ENTRIES_INIT;
	records_release(s);
	assert_int_equal(abi_derive(g->facts, &g->entries), 0);
}

static void guest_end(struct guest *g)
{
	entries_release(&g->entries);
	facts_free(g->facts);
}

static void assert_entry(const struct guest *g, const char *key, const char *value)
{
	const char *found = value_of(&g->entries, FACET_PCI, key);

	if (!found)
		fail_msg("no entry %s", key);
	assert_string_equal(found, value);
}

static void assert_place(const struct guest *g, const char *key, const char *value)
{
	const char *found = value_of(&g->entries, FACET_PLACEMENT, key);

	if (!found)
		fail_msg("no placement %s", key);
	assert_string_equal(found, value);
}

static void assert_coverage(const struct guest *g, enum coverage level, const char *reason_part)
{
	const struct abi_coverage *c = &g->entries.coverage[FACET_PCI];

	if (c->level != level || !strstr(c->reason, reason_part))
		fail_msg("coverage %s: %s", coverage_name(c->level), c->reason);
}

/* ---- guests as firmware reads them */
static void nobody(struct records *s, uint32_t bdf)
{
	records_pci(s, bdf, PCI_REG_ID, ABSENT, 0x3);
}

/* A function whose header was read and BARs sized, all of them unimplemented. */
static void function(struct records *s, uint32_t bdf, uint32_t id, uint32_t class_revision, uint32_t header, uint32_t pin)
{
	bool bridge = (header & 0x7f) == PCI_HEADER_BRIDGE;

	records_pci(s, bdf, PCI_REG_ID, id, WHOLE);
	records_pci(s, bdf, PCI_REG_CLASS, class_revision, WHOLE);
	records_pci(s, bdf, PCI_REG_HEADER, header << 16, 0x4);
	for (unsigned n = 0; n < (bridge ? 2 : 6); n++)
		records_pci_size(s, bdf, (uint16_t)(PCI_REG_BAR0 + 4 * n), 0);
	records_pci_size(s, bdf, bridge ? PCI_REG_BRIDGE_ROM : PCI_REG_ROM, 0);
	records_pci(s, bdf, PCI_REG_INTERRUPT, pin << 8, 0x2);
}

static void bridge(struct records *s, uint32_t bdf, uint8_t secondary)
{
	function(s, bdf, 0x000c1b36, 0x06040000, PCI_HEADER_BRIDGE, 1);
	records_pci_placed(s, bdf, PCI_REG_BUSES, (uint32_t)secondary << 16 | (uint32_t)secondary << 8 | (bdf >> 8));
}

static void empty_bus(struct records *s, uint8_t bus, unsigned but)
{
	for (unsigned device = 0; device < 32; device++)
		if (!(but & 1u << device))
			nobody(s, RECORDS_BDF(bus, device, 0));
}

/* Host bridge and a NIC in slot 3. */
static struct records small_guest(void)
{
	struct records s = RECORDS_INIT;
	uint32_t nic = RECORDS_BDF(0, 3, 0);

	records_boot(&s, OBSERVE_REASON_CREATED, true);
	function(&s, 0, 0x12378086, 0x06000002, 0, 0);
	function(&s, nic, 0x100e8086, 0x02000003, 0, 1);
	records_pci_size(&s, nic, 0x10, 0xfffe0000);
	records_pci_size(&s, nic, 0x14, 0xffffffc1);
	records_pci_size(&s, nic, 0x30, 0xfffc0000);
	empty_bus(&s, 0, 1u << 0 | 1u << 3);
	/* What a test adds is later. */
	s.at_ns += RECORDS_SECOND;
	return s;
}

/* ---- what is there */
static void every_function_is_told_with_all_it_is(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	assert_string_equal(g.entries.coverage[FACET_PCI].reason, "");
	assert_entry(&g, "0000:00:03.0/id", "8086:100e");
	assert_entry(&g, "0000:00:03.0/class", "020000");
	assert_entry(&g, "0000:00:03.0/revision", "03");
	assert_entry(&g, "0000:00:03.0/header", "00");
	assert_entry(&g, "0000:00:03.0/bar0", "mem32 size=0x20000");
	assert_entry(&g, "0000:00:03.0/bar1", "io size=0x40");
	assert_entry(&g, "0000:00:03.0/rom", "size=0x40000");
	assert_entry(&g, "0000:00:03.0/pin", "A");
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/bar2"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:00.0/pin"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/multifunction"));
	/* Nobody there needs no line where the whole bus was seen. */
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:04.0/id"));
	guest_end(&g);
}

static void every_kind_of_bar_has_its_kind_and_size(void **state)
{
	static const struct {
		uint32_t answer, upper;
		const char *value;
	} cases[] = {
		{ 0xffffffc1, 0, "io size=0x40" },
		{ 0x0000ff01, 0, "io size=0x100" },
		{ 0xfffff000, 0, "mem32 size=0x1000" },
		{ 0xff000008, 0, "mem32-pref size=0x1000000" },
		{ 0xffffc00c, 0xffffffff, "mem64-pref size=0x4000" },
		{ 0xffffc004, 0xffffffff, "mem64 size=0x4000" },
		{ 0x0000000c, 0xfffffff8, "mem64-pref size=0x800000000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct records s = small_guest();
		struct guest g;

		records_pci_size(&s, RECORDS_BDF(0, 3, 0), 0x20, cases[i].answer);
		records_pci_size(&s, RECORDS_BDF(0, 3, 0), 0x24, cases[i].upper);
		guest_read(&g, &s);
		assert_entry(&g, "0000:00:03.0/bar4", cases[i].value);
		assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/bar5"));
		guest_end(&g);
	}
}

static void a_bridge_has_two_bars_and_its_rom_elsewhere(void **state)
{
	struct records s = small_guest();
	uint32_t port = RECORDS_BDF(0, 4, 0);
	struct guest g;

	(void)state;
	bridge(&s, port, 1);
	records_pci_size(&s, port, 0x10, 0xfffff000);
	records_pci_size(&s, port, 0x38, 0xfffff800);
	records_pci_size(&s, port, 0x18, 0xfffff000);
	records_pci_size(&s, port, 0x30, 0xfffff800);
	empty_bus(&s, 1, 0);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	assert_entry(&g, "0000:00:04.0/header", "01");
	assert_entry(&g, "0000:00:04.0/bar0", "mem32 size=0x1000");
	assert_entry(&g, "0000:00:04.0/rom", "size=0x800");
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:04.0/bar2"));
	guest_end(&g);
}

static void functions_behind_bridges_are_named_by_their_path(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	bridge(&s, RECORDS_BDF(0, 4, 0), 1);
	bridge(&s, RECORDS_BDF(1, 0, 0), 2);
	function(&s, RECORDS_BDF(2, 1, 0), 0x10001af4, 0x02000000, 0, 1);
	nobody(&s, RECORDS_BDF(2, 0, 0));
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	assert_entry(&g, "0000:00:04.0/00.0/id", "1b36:000c");
	assert_entry(&g, "0000:00:04.0/00.0/01.0/id", "1af4:1000");
	assert_place(&g, "0000:00:04.0/bus", "1");
	assert_place(&g, "0000:00:04.0/00.0/bus", "2");
	guest_end(&g);
}

static void another_bus_number_changes_no_entry(void **state)
{
	struct records first = small_guest(), second = small_guest();
	struct guest a, b;

	(void)state;
	bridge(&first, RECORDS_BDF(0, 4, 0), 1);
	function(&first, RECORDS_BDF(1, 0, 0), 0x10001af4, 0x02000000, 0, 1);
	/* The same, as bus 3; it was bus 1 for a while before. */
	bridge(&second, RECORDS_BDF(0, 4, 0), 1);
	function(&second, RECORDS_BDF(1, 0, 0), 0x10001af4, 0x02000000, 0, 1);
	second.at_ns += RECORDS_SECOND;
	bridge(&second, RECORDS_BDF(0, 4, 0), 3);
	function(&second, RECORDS_BDF(3, 0, 0), 0x10001af4, 0x02000000, 0, 1);
	guest_read(&a, &first);
	guest_read(&b, &second);
	assert_coverage(&b, COVERAGE_COMPLETE, "");
	for (size_t i = 0; i < a.entries.count; i++)
		if (a.entries.items[i].facet == FACET_PCI)
			assert_entry(&b, a.entries.items[i].key, a.entries.items[i].value);
	assert_place(&a, "0000:00:04.0/bus", "1");
	assert_place(&b, "0000:00:04.0/bus", "3");
	guest_end(&a);
	guest_end(&b);
}

static void bridges_that_lead_in_a_circle_end_the_search(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	bridge(&s, RECORDS_BDF(0, 4, 0), 1);
	bridge(&s, RECORDS_BDF(1, 0, 0), 1);
	bridge(&s, RECORDS_BDF(1, 1, 0), 0);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "taken by another bridge");
	assert_entry(&g, "0000:00:04.0/00.0/id", "1b36:000c");
	guest_end(&g);
}

static void a_chain_of_every_bus_is_bounded(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	for (unsigned bus = 0; bus < 255; bus++)
		bridge(&s, RECORDS_BDF(bus, 4, 0), (uint8_t)(bus + 1));
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "");
	guest_end(&g);
}

static void functions_on_a_bus_that_nothing_leads_to_are_said_to_be_left_out(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	function(&s, RECORDS_BDF(5, 0, 0), 0x10001af4, 0x02000000, 0, 1);
	/* What bridges were given may have been refused: then it cannot be taken for another root bus. */
	records_loss(&s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PCI_PLACED, 1);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "1 functions are left out: no bridge was seen to lead to their bus (05)");
	guest_end(&g);
}

static void another_root_bus_has_functions_of_its_own(void **state)
{
	struct records s = small_guest(), half = small_guest();
	struct guest g;

	(void)state;
	function(&half, RECORDS_BDF(0x80, 2, 0), 0x10001af4, 0x02000000, 0, 1);
	guest_read(&g, &half);
	assert_coverage(&g, COVERAGE_WITNESSED, "device 00 of the root bus was not probed (bus 80)");
	assert_entry(&g, "0000:80:02.0/id", "1af4:1000");
	guest_end(&g);
	for (unsigned device = 0; device < 32; device++)
		nobody(&s, RECORDS_BDF(0x80, device, 0));
	function(&s, RECORDS_BDF(0x80, 2, 0), 0x10001af4, 0x02000000, 0, 1);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	assert_entry(&g, "0000:80:02.0/id", "1af4:1000");
	guest_end(&g);
}

/* ---- presence has three values */
static void what_was_never_touched_is_not_called_absent(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest g;

	(void)state;
	records_boot(&s, OBSERVE_REASON_FOUND, false);
	function(&s, RECORDS_BDF(0, 3, 0), 0x100e8086, 0x02000003, 0, 1);
	nobody(&s, RECORDS_BDF(0, 4, 0));
	/* One byte of all ones says nothing. */
	records_pci(&s, RECORDS_BDF(0, 6, 0), PCI_REG_ID, 0xff, 0x1);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "not seen from its reset");
	assert_entry(&g, "0000:00:03.0/id", "8086:100e");
	assert_entry(&g, "0000:00:04.0/id", "absent");
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:05.0/id"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:06.0/id"));
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 3, 0)), PCI_PRESENT);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 4, 0)), PCI_ABSENT);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 6, 0)), PCI_UNKNOWN);
	guest_end(&g);
}

/* Asked together, 32 devices are one fact; whoever has a fact of its own is told of by that. */
static void nobody_is_told_by_bus_and_somebody_by_function(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest g;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	function(&s, 0, 0x12378086, 0x06000002, 0, 0);
	function(&s, RECORDS_BDF(0, 3, 0), 0x100e8086, 0x02000003, MULTIFUNCTION, 1);
	records_pci_absent(&s, 0, 0, 0xfffffffe);
	for (uint8_t n = 1; n < 8; n++)
		records_pci_absent(&s, 0, n, 1u << 3);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	assert_entry(&g, "0000:00:03.0/id", "8086:100e");
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 4, 0)), PCI_ABSENT);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 31, 0)), PCI_ABSENT);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 3, 7)), PCI_ABSENT);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(0, 4, 7)), PCI_UNKNOWN);
	assert_int_equal(pci_presence(g.facts, RECORDS_BDF(1, 4, 0)), PCI_UNKNOWN);
	guest_end(&g);
}

static void half_read_registers_make_no_half_entries(void **state)
{
	struct records s = RECORDS_INIT;
	uint32_t bdf = RECORDS_BDF(0, 3, 0);
	struct guest g;

	(void)state;
	records_boot(&s, OBSERVE_REASON_FOUND, false);
	records_pci(&s, bdf, PCI_REG_ID, 0x8086, 0x3);
	records_pci(&s, bdf, PCI_REG_CLASS, 0x02000000, 0xc);
	records_pci_size(&s, bdf, 0x10, 0xfffff000);
	guest_read(&g, &s);
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/id"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/class"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/revision"));
	/* Which registers are BARs, the header type decides. */
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/bar0"));
	guest_end(&g);
}

static void a_guest_without_pci_has_no_pci_facet(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest g;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_NONE, "has not read PCI configuration");
	guest_end(&g);
}

/* ---- complete means complete */
static void an_unprobed_device_makes_no_complete_facet(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest g;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	function(&s, 0, 0x12378086, 0x06000002, 0, 0);
	empty_bus(&s, 0, 1u << 0 | 1u << 17);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "device 11 of the root bus was not probed");
	guest_end(&g);
}

static void the_functions_of_a_multifunction_device_are_asked_for(void **state)
{
	struct records s = small_guest(), whole = small_guest();
	struct guest g;

	(void)state;
	function(&s, RECORDS_BDF(0, 1, 0), 0x70008086, 0x06010000, MULTIFUNCTION, 0);
	function(&s, RECORDS_BDF(0, 1, 1), 0x70108086, 0x01018000, 0, 0);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "function 2 beside 0000:00:01.0 was not probed");
	assert_entry(&g, "0000:00:01.0/multifunction", "yes");
	assert_entry(&g, "0000:00:01.0/header", "00");
	guest_end(&g);

	function(&whole, RECORDS_BDF(0, 1, 0), 0x70008086, 0x06010000, MULTIFUNCTION, 0);
	function(&whole, RECORDS_BDF(0, 1, 1), 0x70108086, 0x01018000, 0, 0);
	for (unsigned n = 2; n < 8; n++)
		nobody(&whole, RECORDS_BDF(0, 1, n));
	guest_read(&g, &whole);
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	guest_end(&g);
}

static void an_unsized_bar_or_unread_header_makes_no_complete_facet(void **state)
{
	static const char *const reasons[] = { "bar3 of 0000:00:07.0 was not sized", "the ROM of 0000:00:07.0", "interrupt pin of 0000:00:07.0",
					       "header type of 0000:00:07.0", "class and revision of 0000:00:07.0" };
	uint32_t bdf = RECORDS_BDF(0, 7, 0);

	(void)state;
	for (unsigned missing = 0; missing < COUNT(reasons); missing++) {
		struct records s = small_guest();
		struct guest g;

		records_pci(&s, bdf, PCI_REG_ID, 0x10001af4, WHOLE);
		records_pci(&s, bdf, PCI_REG_CLASS, 0x02000000, missing == 4 ? 0xe : WHOLE);
		if (missing != 3)
			records_pci(&s, bdf, PCI_REG_HEADER, 0, 0x4);
		for (unsigned n = 0; n < 6; n++)
			if (missing != 0 || n != 3)
				records_pci_size(&s, bdf, (uint16_t)(0x10 + 4 * n), 0);
		if (missing != 1)
			records_pci_size(&s, bdf, PCI_REG_ROM, 0);
		if (missing != 2)
			records_pci(&s, bdf, PCI_REG_INTERRUPT, 0, 0x2);
		guest_read(&g, &s);
		assert_coverage(&g, COVERAGE_WITNESSED, reasons[missing]);
		guest_end(&g);
	}
}

static void a_bridge_without_a_bus_makes_no_complete_facet(void **state)
{
	struct records s = small_guest(), unprobed = small_guest();
	struct guest g;

	(void)state;
	function(&s, RECORDS_BDF(0, 4, 0), 0x000c1b36, 0x06040000, PCI_HEADER_BRIDGE, 1);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "0000:00:04.0 was given no bus number");
	guest_end(&g);
	bridge(&unprobed, RECORDS_BDF(0, 4, 0), 1);
	guest_read(&g, &unprobed);
	assert_coverage(&g, COVERAGE_WITNESSED, "device 00 behind 0000:00:04.0 was not probed");
	guest_end(&g);
}

static void refused_facts_make_no_complete_facet(void **state)
{
	struct records s = small_guest(), body = small_guest(), unprobed = small_guest();
	struct guest g;

	(void)state;
	records_loss(&s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PCI_HEADER, 3);
	guest_read(&g, &s);
	assert_coverage(&g, COVERAGE_WITNESSED, "3 PCI facts were refused");
	guest_end(&g);
	/* Capabilities never made it complete: losing them takes nothing from it, but what was lost may be what differs. */
	records_loss(&body, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PCI_BODY, 3);
	guest_read(&g, &body);
	assert_coverage(&g, COVERAGE_COMPLETE, "3 facts of its capabilities were refused");
	guest_end(&g);
	bridge(&unprobed, RECORDS_BDF(0, 4, 0), 1);
	records_loss(&unprobed, RECORD_LOSS_QUOTA, OBSERVE_CLASS_PCI_BODY, 3);
	guest_read(&g, &unprobed);
	assert_coverage(&g, COVERAGE_WITNESSED, "device 00 behind 0000:00:04.0 was not probed, and 3 facts of its capabilities were refused");
	guest_end(&g);
}

static void only_what_firmware_reads_of_every_function_counts_as_complete(void **state)
{
	static const char *const complete[] = { "0000:00:03.0/id", "0000:00:04.0/00.0/bar5", "0000:00:03.0/rom", "0000:00:03.0/pin",
						"0000:00:03.0/class", "0000:00:03.0/header", "0000:00:03.0/revision",
						"0000:00:03.0/multifunction" };
	static const char *const witnessed[] = { "0000:00:03.0/subsystem", "0000:00:03.0/cap.11@0xa0", "0000:00:03.0/cap.11@0xa0.vectors",
						 "0000:00:03.0/ext.0001@0x100" };

	(void)state;
	for (size_t i = 0; i < COUNT(complete); i++)
		assert_true(facet_get(FACET_PCI)->complete_key(complete[i]));
	for (size_t i = 0; i < COUNT(witnessed); i++)
		assert_false(facet_get(FACET_PCI)->complete_key(witnessed[i]));
}

/* ---- what only some read */
static void capabilities_are_listed_as_far_as_they_were_walked(void **state)
{
	struct records s = small_guest();
	uint32_t nic = RECORDS_BDF(0, 3, 0);
	struct guest g;

	(void)state;
	records_pci(&s, nic, PCI_REG_ID, 0x10411af4, WHOLE);
	records_pci(&s, nic, PCI_REG_STATUS, 1u << 20, 0x4);
	records_pci(&s, nic, PCI_REG_SUBSYSTEM, 0x11001af4, WHOLE);
	records_pci(&s, nic, PCI_REG_CAPABILITIES, 0x98, 0x1);
	records_pci(&s, nic, 0x98, 0x80028411, WHOLE); /* MSI-X, 3 vectors, enabled */
	records_pci(&s, nic, 0x9c, 0x00000001, WHOLE);
	records_pci(&s, nic, 0xa0, 0x00000801, WHOLE);
	records_pci(&s, nic, 0x84, 0x01106409, WHOLE); /* virtio, common configuration */
	records_pci(&s, nic, 0x88, 0x00000004, WHOLE);
	records_pci(&s, nic, 0x8c, 0x00000000, WHOLE);
	records_pci(&s, nic, 0x90, 0x00001000, WHOLE);
	records_pci(&s, nic, 0x64, 0x00024010, 0x3);   /* Express, its own registers not read */
	records_pci(&s, nic, 0x48, 0x00000005, WHOLE); /* 0x40 was not read: nothing is known of the rest */
	guest_read(&g, &s);
	assert_entry(&g, "0000:00:03.0/subsystem", "1af4:1100");
	assert_entry(&g, "0000:00:03.0/cap.11@0x98", "present");
	assert_entry(&g, "0000:00:03.0/cap.11@0x98.vectors", "3");
	assert_entry(&g, "0000:00:03.0/cap.11@0x98.table", "bar1+0x0");
	assert_entry(&g, "0000:00:03.0/cap.11@0x98.pba", "bar1+0x800");
	assert_entry(&g, "0000:00:03.0/cap.09@0x84.virtio", "type=1 bar=4 offset=0x0 size=0x1000");
	assert_entry(&g, "0000:00:03.0/cap.10@0x64", "present");
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/cap.10@0x64.type"));
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/cap.05@0x48"));
	assert_coverage(&g, COVERAGE_COMPLETE, "");
	guest_end(&g);
}

static void an_interrupt_that_is_enabled_is_no_other_device(void **state)
{
	const char *expected = "8 64bit maskable";

	(void)state;
	for (unsigned enabled = 0; enabled < 2; enabled++) {
		struct records s = small_guest();
		struct guest g;

		records_pci(&s, RECORDS_BDF(0, 3, 0), PCI_REG_CAPABILITIES, 0x40, 0x1);
		records_pci(&s, RECORDS_BDF(0, 3, 0), 0x40, 0x01860005 | (enabled ? 0x00310000 : 0), WHOLE);
		guest_read(&g, &s);
		assert_entry(&g, "0000:00:03.0/cap.05@0x40.vectors", expected);
		guest_end(&g);
	}
}

/* A function with one of every capability whose registers mix identity and state; `state` is or'ed into what drivers and hardware write. */
static void function_with_everything(struct records *s, uint32_t nic, bool running)
{
	static const struct {
		uint16_t reg;
		uint32_t value, state;
	} registers[] = {
		{ 0x40, 0x48025001, 0 },          { 0x44, 0x00000008, 0x00008103 },  /* power management and its control */
		{ 0x50, 0x01027010, 0x3e000000 }, { 0x54, 0x10008022, 0x0fc00000 },  /* PCI Express, slot power limit */
		{ 0x58, 0, 0x00ff203f },          { 0x5c, 0x05612d02, 0 },
		{ 0x60, 0, 0x13120073 },          { 0x64, 0x00280060, 0 },
		{ 0x68, 0, 0x01ff01f1 },          { 0x74, 0x00000810, 0 },
		{ 0x78, 0, 0x0000041f },          { 0x7c, 0x0000000e, 0 },
		{ 0x70, 0x00000009, 0 },
		{ 0x100, 0x14820001, 0 },         { 0x118, 0x000000a0, 0x0000015f }, /* error reporting: first error, enables */
		{ 0x148, 0x1601000d, 0 },         { 0x14c, 0x0000005f, 0x005f0000 },
		{ 0x160, 0x1701000e, 0 },         { 0x164, 0x00000200, 0x00030000 },
		{ 0x170, 0x1a01000f, 0 },         { 0x174, 0x00000060, 0x801f0000 },
		{ 0x1a0, 0x1f010010, 0 },         { 0x1a4, 0x00000002, 0 },
		{ 0x1a8, 0, 0x0001001f },         { 0x1ac, 0x00040004, 0 },
		{ 0x1b0, 0, 0x00000004 },         { 0x1b4, 0x00010080, 0 },
		{ 0x1b8, 0x10ca0000, 0 },         { 0x1bc, 0x00000553, 0 },
		{ 0x1c4, 0x0000000c, 0xfe000000 }, { 0x1c8, 0, 0x00000038 }, { 0x1cc, 0, 0 },
		{ 0x1f0, 0x2001001b, 0 },         { 0x1f4, 0x00001406, 0x00070000 },
		{ 0x200, 0x21010015, 0 },         { 0x204, 0x00000ff0, 0 },          { 0x208, 0x00000020, 0x00000500 },
		{ 0x210, 0x22010003, 0 },         { 0x214, 0xff123457, 0 },          { 0x218, 0x525400ff, 0 },
		{ 0x220, 0x0001000b, 0 },         { 0x224, 0x01c20007, 0 },
	};

	records_pci(s, nic, PCI_REG_STATUS, 1u << 20, 0x4);
	records_pci(s, nic, PCI_REG_CAPABILITIES, 0x40, 0x1);
	for (size_t i = 0; i < COUNT(registers); i++)
		records_pci(s, nic, registers[i].reg, registers[i].value | (running ? registers[i].state : 0), WHOLE);
}

static void capabilities_tell_what_they_promise_and_no_state(void **state)
{
	static const struct {
		const char *key, *value;
	} expected[] = {
		{ "cap.01@0x40.power", "aux-current=0 pme-d0 pme-d3hot" },
		{ "cap.01@0x40.reset", "no-soft-reset" },
		{ "cap.10@0x50.type", "endpoint version=2" },
		{ "cap.10@0x50.device", "payload=2 phantom=0 extended-tag l0s=0 l1=0 role-based-errors flr" },
		{ "cap.10@0x50.link", "speed=2 width=16" },
		{ "cap.10@0x50.link_features", "aspm=3 l0s=2 l1=2 bandwidth-notification aspm-compliance port=5" },
		{ "cap.10@0x50.slot", "5" },
		{ "cap.10@0x50.slot_features", "surprise hot-plug power=0 power-scale=0" },
		{ "cap.10@0x50.device2", "timeout-ranges=0 timeout-disable ltr tph=0 obff=0 prefixes=0" },
		{ "cap.10@0x50.link2", "speeds=7" },
		{ "ext.0001@0x100.errors", "ecrc-generation ecrc-check" },
		{ "ext.000d@0x148.services", "validation blocking request-redirect completion-redirect upstream-forwarding direct-translated egress-bits=0" },
		{ "ext.000e@0x160.functions", "next=2" },
		{ "ext.000f@0x170.translation", "queue=0 page-aligned global" },
		{ "ext.0010@0x1a0.functions", "total=4 initial=4" },
		{ "ext.0010@0x1a0.routing", "offset=0x80 stride=1" },
		{ "ext.0010@0x1a0.device", "10ca" },
		{ "ext.0010@0x1a0.bar0", "mem64-pref" },
		{ "ext.001b@0x1f0.features", "execute privileged bits=0x14" },
		{ "ext.0015@0x200.bar0", "sizes=0xff" },
		{ "ext.000b@0x220.vendor", "id=0x7 revision=2 size=0x1c" },
	};

	(void)state;
	for (unsigned running = 0; running < 2; running++) {
		struct records s = small_guest();
		struct guest g;
		char key[96];

		function_with_everything(&s, RECORDS_BDF(0, 3, 0), running);
		guest_read(&g, &s);
		for (size_t i = 0; i < COUNT(expected); i++) {
			snprintf(key, sizeof(key), "0000:00:03.0/%s", expected[i].key);
			assert_entry(&g, key, expected[i].value);
		}
		/* It tells two guests apart, not two kinds of device. */
		assert_string_equal(value_of(&g.entries, FACET_IDENTITY, "pci_serial/0000:00:03.0"), "52-54-00-ff-ff-12-34-57");
		guest_end(&g);
	}
}

static void a_vendors_capability_is_its_bytes_where_all_were_read(void **state)
{
	uint32_t nic = RECORDS_BDF(0, 3, 0);

	(void)state;
	for (unsigned whole = 0; whole < 2; whole++) {
		struct records s = small_guest();
		struct guest g;

		records_pci(&s, nic, PCI_REG_CAPABILITIES, 0x40, 0x1);
		records_pci(&s, nic, 0x40, 0x010b0009, WHOLE);
		records_pci(&s, nic, 0x44, 0x44332211, WHOLE);
		records_pci(&s, nic, 0x48, 0x77665555, whole ? WHOLE : 0x3);
		guest_read(&g, &s);
		if (whole)
			assert_entry(&g, "0000:00:03.0/cap.09@0x40.content", "0111223344555566");
		else
			assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/cap.09@0x40.content"));
		guest_end(&g);
	}
}

static void a_virtio_device_tells_its_queues_and_shared_memory(void **state)
{
	struct records s = small_guest();
	uint32_t nic = RECORDS_BDF(0, 3, 0);
	struct guest g;

	(void)state;
	records_pci(&s, nic, PCI_REG_ID, 0x10411af4, WHOLE);
	records_pci(&s, nic, PCI_REG_CAPABILITIES, 0x40, 0x1);
	records_pci(&s, nic, 0x40, 0x02146009, WHOLE);
	records_pci(&s, nic, 0x44, 0x00000004, WHOLE);
	records_pci(&s, nic, 0x48, 0x00003000, WHOLE);
	records_pci(&s, nic, 0x4c, 0x00001000, WHOLE);
	records_pci(&s, nic, 0x50, 0x00000004, WHOLE);
	records_pci(&s, nic, 0x60, 0x08180009, WHOLE);
	records_pci(&s, nic, 0x64, 0x00000102, WHOLE);
	records_pci(&s, nic, 0x68, 0x00001000, WHOLE);
	records_pci(&s, nic, 0x6c, 0x00000000, WHOLE);
	records_pci(&s, nic, 0x70, 0x00000000, WHOLE);
	records_pci(&s, nic, 0x74, 0x00000002, WHOLE);
	guest_read(&g, &s);
	assert_entry(&g, "0000:00:03.0/cap.09@0x40.virtio", "type=2 bar=4 offset=0x3000 size=0x1000");
	assert_entry(&g, "0000:00:03.0/cap.09@0x40.multiplier", "4");
	assert_entry(&g, "0000:00:03.0/cap.09@0x60.shared_memory", "id=1 offset=0x1000 size=0x200000000");
	guest_end(&g);
}

static void a_capability_list_in_a_circle_ends(void **state)
{
	struct records s = small_guest();
	uint32_t nic = RECORDS_BDF(0, 3, 0);
	struct guest g;

	(void)state;
	records_pci(&s, nic, PCI_REG_CAPABILITIES, 0x40, 0x1);
	records_pci(&s, nic, 0x40, 0x00004403, WHOLE);
	records_pci(&s, nic, 0x44, 0x00004003, WHOLE);
	records_pci(&s, nic, 0x100, 0x10810001, WHOLE);
	records_pci(&s, nic, 0x108, 0x10020003, WHOLE);
	guest_read(&g, &s);
	assert_entry(&g, "0000:00:03.0/cap.03@0x44", "present");
	assert_entry(&g, "0000:00:03.0/ext.0001@0x100", "version=1");
	assert_entry(&g, "0000:00:03.0/ext.0003@0x108", "version=2");
	guest_end(&g);
}

static void without_the_status_bit_the_pointer_leads_nowhere(void **state)
{
	struct records s = small_guest();
	uint32_t nic = RECORDS_BDF(0, 3, 0);
	struct guest g;

	(void)state;
	records_pci(&s, nic, PCI_REG_STATUS, 0, 0x4);
	records_pci(&s, nic, PCI_REG_CAPABILITIES, 0x40, 0x1);
	records_pci(&s, nic, 0x40, 0x00000003, WHOLE);
	guest_read(&g, &s);
	assert_null(value_of(&g.entries, FACET_PCI, "0000:00:03.0/cap.03@0x40"));
	guest_end(&g);
}

/* ---- placement */
static void where_things_were_put_last_is_their_placement(void **state)
{
	struct records s = small_guest();
	uint32_t nic = RECORDS_BDF(0, 3, 0), port = RECORDS_BDF(0, 4, 0);
	struct guest g;

	(void)state;
	records_pci_placed(&s, nic, 0x10, 0xfe000000);
	records_pci_placed(&s, nic, 0x14, 0xc001);
	records_pci_size(&s, nic, 0x20, 0xffffc00c);
	records_pci_size(&s, nic, 0x24, 0xffffffff);
	records_pci_placed(&s, nic, 0x20, 0x00004000);
	records_pci_placed(&s, nic, 0x24, 0x8);
	bridge(&s, port, 1);
	nobody(&s, RECORDS_BDF(1, 0, 0));
	records_pci_placed(&s, port, 0x1c, 0xd0c0);
	records_pci_placed(&s, port, 0x20, 0xfe90fe80);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, nic, 0x10, 0xfd000000);
	guest_read(&g, &s);
	assert_place(&g, "0000:00:03.0/bar0", "0x00000000fd000000");
	assert_place(&g, "0000:00:03.0/bar1", "0x000000000000c000");
	assert_place(&g, "0000:00:03.0/bar4", "0x0000000800004000");
	assert_place(&g, "0000:00:04.0/io_window", "0x000000000000c000 size=0x2000");
	assert_place(&g, "0000:00:04.0/mem_window", "0x00000000fe800000 size=0x200000");
	assert_place(&g, "0000:00:04.0/bus", "1");
	assert_null(value_of(&g.entries, FACET_PLACEMENT, "0000:00:03.0/rom"));
	assert_int_equal(g.entries.coverage[FACET_PLACEMENT].level, COVERAGE_WITNESSED);
	guest_end(&g);
}

static void delivery_in_any_order_gives_the_same_entries(void **state)
{
	struct records s = small_guest();
	struct guest g;

	(void)state;
	bridge(&s, RECORDS_BDF(0, 4, 0), 1);
	s.at_ns += RECORDS_SECOND;
	bridge(&s, RECORDS_BDF(0, 4, 0), 2);
	function(&s, RECORDS_BDF(2, 0, 0), 0x10001af4, 0x02000000, 0, 1);
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct guest_facts *shuffled = feed_shuffled(&s, seed);
		struct abi_entries entries = ABI_ENTRIES_INIT;

		assert_int_equal(abi_derive(shuffled, &entries), 0);
		assert_string_equal(entries_find(&entries, FACET_PCI, "0000:00:04.0/00.0/id")->value, "1af4:1000");
		assert_int_equal(entries.coverage[FACET_PCI].level, COVERAGE_COMPLETE);
		entries_release(&entries);
		facts_free(shuffled);
	}
	guest_read(&g, &s);
	guest_end(&g);
}

/* ---- names */
static const char ids[] = "#\n# names\n"
			  "1000  Broadcom / LSI\n"
			  "\t100e  Another vendor's\n"
			  "8086  Intel Corporation\n"
			  "\t1004  82543GC\n"
			  "\t\t8086 100e  A subsystem\n"
			  "\t100e  82540EM Gigabit Ethernet Controller\n"
			  "# a remark\n"
			  "\t100f  82545EM\n"
			  "ffff  Illegal Vendor ID\n"
			  "C 02  Network controller\n"
			  "\t00  Ethernet controller\n"
			  "C 0c  Serial bus controller\n"
			  "\t03  USB controller\n"
			  "\t\t30  XHCI";

static void assert_meaning(const char *key, const char *value, const char *expected)
{
	struct buffer b = BUFFER_INIT;

	facet_get(FACET_PCI)->meaning(key, value, &b);
	assert_string_equal(b.data ? b.data : "", expected);
	buffer_release(&b);
}

static void devices_are_called_by_their_names(void **state)
{
	(void)state;
	/* Not terminated: it is a mapped file. */
	pci_names_use(ids, sizeof(ids) - 1);
	assert_meaning("0000:00:03.0/id", "8086:100e", "Intel Corporation 82540EM Gigabit Ethernet Controller");
	assert_meaning("0000:00:03.0/id", "8086:100f", "Intel Corporation 82545EM");
	assert_meaning("0000:00:03.0/id", "8086:ffff", "Intel Corporation");
	assert_meaning("0000:00:03.0/id", "1af4:1000", "");
	assert_meaning("0000:00:03.0/id", "absent", "no function answers here");
	assert_meaning("0000:00:03.0/class", "020000", "Ethernet controller");
	assert_meaning("0000:00:03.0/class", "0c0330", "USB controller (XHCI)");
	assert_meaning("0000:00:03.0/class", "0c0500", "Serial bus controller");
	assert_meaning("0000:00:03.0/subsystem", "1000:0001", "Broadcom / LSI");
	assert_meaning("0000:00:04.0/00.0/header", "01", "PCI bridge");
	assert_meaning("0000:00:03.0/cap.11@0x98", "present", "MSI-X");
	assert_meaning("0000:00:03.0/ext.0001@0x100", "version=1", "Advanced Error Reporting");
	assert_meaning("0000:00:03.0/bar0", "mem32 size=0x1000", "");
	pci_names_use(NULL, 0);
	assert_meaning("0000:00:03.0/id", "8086:100e", "");
	assert_meaning("0000:00:03.0/class", "060400", "PCI bridge");
	assert_meaning("0000:00:03.0/id", "nonsense", "");
	assert_meaning("", "", "");
}

static void a_cut_list_of_names_is_no_trap(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(ids); size++) {
		char *cut = malloc(size ? size : 1);
		struct buffer b = BUFFER_INIT;

		assert_non_null(cut);
		memcpy(cut, ids, size);
		pci_names_use(cut, size);
		pci_names_function(0x8086, 0x100e, &b);
		pci_names_class(0x0c0330, &b);
		buffer_release(&b);
		pci_names_use(NULL, 0);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_is_told_with_all_it_is),
		cmocka_unit_test(every_kind_of_bar_has_its_kind_and_size),
		cmocka_unit_test(a_bridge_has_two_bars_and_its_rom_elsewhere),
		cmocka_unit_test(functions_behind_bridges_are_named_by_their_path),
		cmocka_unit_test(another_bus_number_changes_no_entry),
		cmocka_unit_test(bridges_that_lead_in_a_circle_end_the_search),
		cmocka_unit_test(a_chain_of_every_bus_is_bounded),
		cmocka_unit_test(functions_on_a_bus_that_nothing_leads_to_are_said_to_be_left_out),
		cmocka_unit_test(another_root_bus_has_functions_of_its_own),
		cmocka_unit_test(what_was_never_touched_is_not_called_absent),
		cmocka_unit_test(nobody_is_told_by_bus_and_somebody_by_function),
		cmocka_unit_test(half_read_registers_make_no_half_entries),
		cmocka_unit_test(a_guest_without_pci_has_no_pci_facet),
		cmocka_unit_test(an_unprobed_device_makes_no_complete_facet),
		cmocka_unit_test(the_functions_of_a_multifunction_device_are_asked_for),
		cmocka_unit_test(an_unsized_bar_or_unread_header_makes_no_complete_facet),
		cmocka_unit_test(a_bridge_without_a_bus_makes_no_complete_facet),
		cmocka_unit_test(refused_facts_make_no_complete_facet),
		cmocka_unit_test(only_what_firmware_reads_of_every_function_counts_as_complete),
		cmocka_unit_test(capabilities_are_listed_as_far_as_they_were_walked),
		cmocka_unit_test(an_interrupt_that_is_enabled_is_no_other_device),
		cmocka_unit_test(capabilities_tell_what_they_promise_and_no_state),
		cmocka_unit_test(a_vendors_capability_is_its_bytes_where_all_were_read),
		cmocka_unit_test(a_virtio_device_tells_its_queues_and_shared_memory),
		cmocka_unit_test(a_capability_list_in_a_circle_ends),
		cmocka_unit_test(without_the_status_bit_the_pointer_leads_nowhere),
		cmocka_unit_test(where_things_were_put_last_is_their_placement),
		cmocka_unit_test(delivery_in_any_order_gives_the_same_entries),
		cmocka_unit_test(devices_are_called_by_their_names),
		cmocka_unit_test(a_cut_list_of_names_is_no_trap),
	};

	return cmocka_run_group_tests_name("abi_pci", tests, NULL, NULL);
}
