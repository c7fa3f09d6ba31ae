/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: an alert for each device that they plug or unplug themselves, or none for one that vanished under the guest. */
#include <stdio.h>

#include "tests/unit/facts_feed.h"
#include "userspace/abi/hotplug.h"

#define NIC RECORDS_BDF(0, 3, 0)
#define PORT RECORDS_BDF(0, 4, 0)
#define BEHIND RECORDS_BDF(1, 0, 0)
#define PORT2 RECORDS_BDF(0, 5, 0)
#define BEHIND2 RECORDS_BDF(2, 0, 0)
#define PORT3 RECORDS_BDF(0, 6, 0)
#define PRESENT 0x100e8086
#define ABSENT 0xffffffff

static void eject(struct records *s, uint32_t selector, uint64_t address, uint32_t bits)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_EJECT, .selector = selector, .address = address },
		.value = { .data = { bits } },
	};

	records_fact(s, &f);
}

static void device(struct records *s, uint32_t bdf, uint32_t id)
{
	records_pci(s, bdf, 0x00, id, 0xf);
	records_pci(s, bdf, 0x0c, 0, 0x4);
}

/* A root port that leads to this bus. */
static void port(struct records *s, uint32_t bdf, uint32_t bus)
{
	records_pci(s, bdf, 0x00, 0x000c1b36, 0xf);
	records_pci(s, bdf, 0x08, 0x06040000, 0xf);
	records_pci(s, bdf, 0x0c, 0x00010000, 0x4);
	records_pci_placed(s, bdf, 0x18, bus << 16 | bus << 8);
}

/* NULL: no evidence. Freed with the next call. */
static const char *evidence(const struct records *s, enum facet_id facet, const char *key, bool came)
{
	static char text[100];
	struct guest_facts *f = feed(s);
	struct buffer out = BUFFER_INIT;
	bool found = hotplug_evidence(f, facet, key, came, &out);

	assert_int_equal(found, out.size > 0);
	snprintf(text, sizeof(text), "%s", found ? out.data : "");
	buffer_release(&out);
	facts_free(f);
	return found ? text : NULL;
}

static void a_slot_that_the_guest_ejected_explains_the_loss_of_all_its_functions(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	device(&s, NIC, ABSENT);
	device(&s, RECORDS_BDF(0, 5, 0), ABSENT);
	assert_null(evidence(&s, FACET_PCI, "0000:00:03.0/id", false));
	eject(&s, OBSERVE_EJECT_PCI_PIIX, 0, 1u << 3);
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:03.0/id", false), "eject port 0xae08");
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:03.1/id", false), "eject port 0xae08");
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:03.0/00.0/bar0", false), "eject port 0xae08");
	assert_string_equal(evidence(&s, FACET_IDENTITY, "mac/0000:00:03.0", false), "eject port 0xae08");
	/* Another slot, something that is no function, the other direction, another facet. */
	assert_null(evidence(&s, FACET_PCI, "0000:00:05.0/id", false));
	assert_null(evidence(&s, FACET_IDENTITY, "uuid", false));
	assert_null(evidence(&s, FACET_PCI, "0000:00:03.0/id", true));
	assert_null(evidence(&s, FACET_PORTS, "0000:00:03.0/id", false));
	records_release(&s);
}

static void the_same_slot_of_another_bus_explains_nothing(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	device(&s, NIC, ABSENT);
	eject(&s, OBSERVE_EJECT_PCI_PIIX, 1, 1u << 3);
	assert_null(evidence(&s, FACET_PCI, "0000:00:03.0/id", false));
	records_release(&s);
}

static void a_function_that_is_still_there_was_not_ejected(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	device(&s, NIC, PRESENT);
	eject(&s, OBSERVE_EJECT_PCI_PIIX, 0, 1u << 3);
	assert_null(evidence(&s, FACET_PCI, "0000:00:03.0/bar1", false));
	records_release(&s);
}

static void a_slot_that_was_switched_off_explains_what_was_behind_it(void **state)
{
	static const uint32_t partly[] = { 0x100, OBSERVE_SLOT_POWER_OFF | 0x100, OBSERVE_SLOT_INDICATOR_OFF };
	struct records all[4] = { RECORDS_INIT, RECORDS_INIT, RECORDS_INIT, RECORDS_INIT };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct records *r = &all[i];

		records_boot(r, OBSERVE_REASON_CREATED, true);
		port(r, PORT, 1);
		device(r, BEHIND, ABSENT);
		device(r, NIC, ABSENT);
	}
	eject(&all[3], OBSERVE_EJECT_SLOT | PORT, 0, OBSERVE_SLOT_POWER_OFF | OBSERVE_SLOT_INDICATOR_OFF);
	assert_string_equal(evidence(&all[3], FACET_PCI, "0000:00:04.0/00.0/id", false), "slot control of 0000:00:04.0");
	assert_null(evidence(&all[3], FACET_PCI, "0000:00:03.0/id", false));
	/* On again since; or half the way, where nothing is ejected yet. */
	for (int i = 0; i < 3; i++) {
		eject(&all[i], OBSERVE_EJECT_SLOT | PORT, 0, partly[i]);
		assert_null(evidence(&all[i], FACET_PCI, "0000:00:04.0/00.0/id", false));
	}
	for (int i = 0; i < 4; i++)
		records_release(&all[i]);
}

/* Everything behind a root port is slot 0: one eject would excuse the loss of every device of a q35. */
static void one_eject_excuses_no_two_devices(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	port(&s, PORT, 1);
	port(&s, PORT2, 2);
	port(&s, PORT3, 3);
	device(&s, BEHIND, ABSENT);
	device(&s, BEHIND2, PRESENT);
	records_pci_absent(&s, 3, 0, 1u << 0);
	eject(&s, OBSERVE_EJECT_PCI_ICH9, 1, 1u << 0);
	/* A port that was empty all along is no candidate, and has lost nothing. */
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:04.0/00.0/id", false), "eject port 0xcc8");
	assert_null(evidence(&s, FACET_PCI, "0000:00:06.0/00.0/id", false));
	records_release(&s);

	s = (struct records)RECORDS_INIT;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	port(&s, PORT, 1);
	port(&s, PORT2, 2);
	device(&s, BEHIND, ABSENT);
	device(&s, BEHIND2, ABSENT);
	eject(&s, OBSERVE_EJECT_PCI_ICH9, 1, 1u << 0);
	assert_null(evidence(&s, FACET_PCI, "0000:00:04.0/00.0/id", false));
	assert_null(evidence(&s, FACET_PCI, "0000:00:05.0/00.0/id", false));
	/* Another slot's eject is no help, another bus's is. */
	eject(&s, OBSERVE_EJECT_PCI_ICH9, 3, 1u << 1);
	assert_null(evidence(&s, FACET_PCI, "0000:00:05.0/00.0/id", false));
	eject(&s, OBSERVE_EJECT_PCI_ICH9, 2, 1u << 0);
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:04.0/00.0/id", false), "eject port 0xcc8");
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:05.0/00.0/id", false), "eject port 0xcc8");
	records_release(&s);
}

static void what_a_slot_control_explains_needs_no_eject_port(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	port(&s, PORT, 1);
	port(&s, PORT2, 2);
	device(&s, BEHIND, ABSENT);
	device(&s, BEHIND2, ABSENT);
	eject(&s, OBSERVE_EJECT_SLOT | PORT, 0, OBSERVE_SLOT_POWER_OFF | OBSERVE_SLOT_INDICATOR_OFF);
	eject(&s, OBSERVE_EJECT_PCI_ICH9, 1, 1u << 0);
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:04.0/00.0/id", false), "slot control of 0000:00:04.0");
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:05.0/00.0/id", false), "eject port 0xcc8");
	records_release(&s);
}

static void what_was_looked_for_in_vain_and_found_later_was_plugged(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	records_pci_absent(&s, 0, 0, 1u << 3);
	device(&s, NIC, PRESENT);
	device(&s, RECORDS_BDF(0, 5, 0), PRESENT);
	assert_string_equal(evidence(&s, FACET_PCI, "0000:00:03.0/id", true), "scanned by the guest");
	assert_string_equal(evidence(&s, FACET_IDENTITY, "mac/0000:00:03.0", true), "scanned by the guest");
	assert_null(evidence(&s, FACET_PCI, "0000:00:05.0/id", true));
	records_release(&s);
}

static void memory_and_processors_have_ports_of_their_own(void **state)
{
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	eject(&s, OBSERVE_EJECT_MEMORY, 0, OBSERVE_PLUG_INSERTED);
	eject(&s, OBSERVE_EJECT_CPU_ICH9, 0, OBSERVE_PLUG_EJECTED);
	assert_string_equal(evidence(&s, FACET_MEMORY, "0x0000000140000000", true), "hot-plug port 0xa14");
	assert_null(evidence(&s, FACET_MEMORY, "0x0000000140000000", false));
	assert_string_equal(evidence(&s, FACET_NUMA, "topology/processors", false), "eject port 0xcdc");
	assert_null(evidence(&s, FACET_NUMA, "topology/processors", true));
	records_release(&s);
}

/* Their ports name nothing: one write would excuse every later loss of memory and CPU features. */
static void what_cannot_be_plugged_no_port_excuses(void **state)
{
	static const struct {
		enum facet_id facet;
		const char *key;
		bool plugged;
	} keys[] = {
		{ FACET_MEMORY, "0x0000000000000000", false },
		{ FACET_MEMORY, "0x00000000000e0000", false },
		{ FACET_MEMORY, "0x0000000100000000", false },
		{ FACET_MEMORY, "0x0000000140000000", true },
		{ FACET_CPUID, "0x00000014.0.ebx", false },
		{ FACET_CPUID, "0x40000001.0.eax", false },
		{ FACET_CPUID, "0x00000007.0.edx/vcpu.2", true },
		{ FACET_NUMA, "node0/memory", false },
		{ FACET_NUMA, "node0/cpus", true },
		{ FACET_NUMA, "node12/cpus", true },
		{ FACET_NUMA, "node/cpus", false },
		{ FACET_NUMA, "apic.1", false },
		{ FACET_NUMA, "topology/processors", true },
	};
	struct records s = RECORDS_INIT;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	eject(&s, OBSERVE_EJECT_MEMORY, 0, OBSERVE_PLUG_INSERTED | OBSERVE_PLUG_EJECTED);
	eject(&s, OBSERVE_EJECT_CPU_ICH9, 0, OBSERVE_PLUG_INSERTED | OBSERVE_PLUG_EJECTED);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (int came = 0; came < 2; came++)
			if ((evidence(&s, keys[i].facet, keys[i].key, came) != NULL) != keys[i].plugged)
				fail_msg("%s", keys[i].key);
	records_release(&s);
}

/* Evidence is of one boot: a baseline that learnt it would excuse the next loss, too. */
static void no_baseline_learns_what_was_ejected(void **state)
{
	struct records was = RECORDS_INIT, is = RECORDS_INIT;
	struct guest_facts *known, *now;

	(void)state;
	records_boot(&was, OBSERVE_REASON_CREATED, true);
	device(&was, NIC, ABSENT);
	records_boot(&is, OBSERVE_REASON_CREATED, true);
	device(&is, NIC, ABSENT);
	eject(&is, OBSERVE_EJECT_PCI_PIIX, 0, 1u << 3);
	known = feed(&was);
	now = feed(&is);
	assert_int_equal(facts_merge(known, now), 0);
	assert_null(facts_find(known, OBSERVE_EJECT, OBSERVE_EJECT_PCI_PIIX, 0, 0));
	facts_free(known);
	facts_free(now);
	records_release(&was);
	records_release(&is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_that_the_guest_ejected_explains_the_loss_of_all_its_functions),
		cmocka_unit_test(the_same_slot_of_another_bus_explains_nothing),
		cmocka_unit_test(a_function_that_is_still_there_was_not_ejected),
		cmocka_unit_test(a_slot_that_was_switched_off_explains_what_was_behind_it),
		cmocka_unit_test(one_eject_excuses_no_two_devices),
		cmocka_unit_test(what_a_slot_control_explains_needs_no_eject_port),
		cmocka_unit_test(what_was_looked_for_in_vain_and_found_later_was_plugged),
		cmocka_unit_test(memory_and_processors_have_ports_of_their_own),
		cmocka_unit_test(what_cannot_be_plugged_no_port_excuses),
		cmocka_unit_test(no_baseline_learns_what_was_ejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
