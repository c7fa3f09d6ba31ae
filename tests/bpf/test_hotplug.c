/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: the evidence that a device went because the guest let go of it, so that each unplugging is an alarm. */
#include "tests/bpf/harness.h"

#define PORT (4 << 3)
#define SLOT_CONTROL (0x54 + 0x18)
#define EXPRESS_ROOT_PORT_WITH_SLOT 0x01420010u

static void what_was_ejected_is_kept_by_bus(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	out_port(0xae10, 4, 0);
	out_port(0xae08, 4, 1 << 3);
	assert_int_equal(news_of(OBSERVE_EJECT), 1);
	out_port(0xae08, 4, 1 << 3);
	assert_int_equal(news_of(OBSERVE_EJECT), 0);
	out_port(0xae08, 4, 1 << 5);
	assert_int_equal(news_of(OBSERVE_EJECT), 1);
	v = fact_of(KVM_A, OBSERVE_EJECT, 0xae08, 0, 0);
	assert_int_equal(v.data[0], 1 << 3 | 1 << 5);
	out_port(0xae10, 4, 2);
	out_port(0xae08, 4, 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xae08, 2, 0).data[0], 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xae08, 0, 0).data[0], 1 << 3 | 1 << 5);
	out_port(0xcc8, 4, 1 << 7);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xcc8, 2, 0).data[0], 1 << 7);
}

/* Some guests look what there is by writing nothing; and no guest makes more facts of it than there are buses. */
static void what_ejects_nothing_is_no_fact(void **state)
{
	(void)state;
	rig_begin();
	out_port(0xae08, 4, 0);
	out_port(0xae08, 1, 8);
	out_port(0xae10, 4, 256);
	out_port(0xae08, 4, 8);
	out_port(0xae00, 4, 8);
	out_port(0xa00, 4, 8);
	out_port(0xa14, 1, 0);
	in_port(0xae08, 4, 8);
	assert_int_equal(news_of(OBSERVE_EJECT), 0);
	for (uint32_t bus = 0; bus < 1000; bus++) {
		out_port(0xae10, 4, bus);
		out_port(0xae08, 4, 8);
	}
	assert_int_equal(news_of(OBSERVE_EJECT), 256);
}

static void processors_and_memory_keep_what_was_acknowledged(void **state)
{
	(void)state;
	rig_begin();
	out_port(0xaf00, 4, 3);
	out_port(0xaf04, 1, 0x02);
	out_port(0xaf04, 1, 0x0c);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xaf04, 0, 0).data[0], OBSERVE_PLUG_INSERTED | OBSERVE_PLUG_EJECTED);
	out_port(0xcdc, 1, 0x08);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xcdc, 0, 0).data[0], OBSERVE_PLUG_EJECTED);
	out_port(0xa14, 1, 0x02);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xa14, 0, 0).data[0], OBSERVE_PLUG_INSERTED);
}

static void a_new_boot_has_ejected_nothing(void **state)
{
	(void)state;
	rig_begin();
	out_port(0xae10, 4, 7);
	out_port(0xae08, 4, 1 << 3);
	tsc_written(true, true);
	assert_true(fact_of(KVM_A, OBSERVE_EJECT, 0xae08, 7, 0).boot < vm_of(KVM_A).boot);
	out_port(0xae08, 4, 1 << 4);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, 0xae08, 0, 0).data[0], 1 << 4);
}

static void root_port(void)
{
	pci_in(PORT, 0x00, 4, 0x000c1b36);
	pci_in(PORT, 0x0c, 4, 0x00010000);
	pci_in(PORT, 0x54, 4, EXPRESS_ROOT_PORT_WITH_SLOT);
}

static void a_slot_keeps_whether_it_has_power(void **state)
{
	(void)state;
	rig_begin();
	root_port();
	pci_out(PORT, SLOT_CONTROL, 2, 0x07f1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, OBSERVE_EJECT_SLOT | PORT, 0, 0).data[0], 0x700);
	pci_out(PORT, SLOT_CONTROL, 2, 0x01f1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, OBSERVE_EJECT_SLOT | PORT, 0, 0).data[0], 0x100);
	/* The bit that switches power is in the second byte. */
	pci_out(PORT, SLOT_CONTROL, 1, 0xff);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, OBSERVE_EJECT_SLOT | PORT, 0, 0).data[0], 0x100);
	pci_out(PORT, SLOT_CONTROL + 1, 1, 0x04);
	assert_int_equal(fact_of(KVM_A, OBSERVE_EJECT, OBSERVE_EJECT_SLOT | PORT, 0, 0).data[0], 0x400);
}

static void a_register_that_is_no_slot_control_is_none(void **state)
{
	(void)state;
	rig_begin();
	root_port();
	pci_out(PORT, SLOT_CONTROL + 4, 2, 0x0700);
	/* No slot, and no port. */
	pci_in(5 << 3, 0x00, 4, 0x000c1b36);
	pci_in(5 << 3, 0x0c, 4, 0x00010000);
	pci_in(5 << 3, 0x54, 4, EXPRESS_ROOT_PORT_WITH_SLOT & ~(1u << 24));
	pci_out(5 << 3, SLOT_CONTROL, 2, 0x0700);
	pci_in(6 << 3, 0x00, 4, 0x100e8086);
	pci_in(6 << 3, 0x0c, 4, 0);
	pci_in(6 << 3, 0x54, 4, EXPRESS_ROOT_PORT_WITH_SLOT);
	pci_out(6 << 3, SLOT_CONTROL, 2, 0x0700);
	assert_int_equal(news_of(OBSERVE_EJECT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_was_ejected_is_kept_by_bus, rig_close),
		cmocka_unit_test_teardown(what_ejects_nothing_is_no_fact, rig_close),
		cmocka_unit_test_teardown(processors_and_memory_keep_what_was_acknowledged, rig_close),
		cmocka_unit_test_teardown(a_new_boot_has_ejected_nothing, rig_close),
		cmocka_unit_test_teardown(a_slot_keeps_whether_it_has_power, rig_close),
		cmocka_unit_test_teardown(a_register_that_is_no_slot_control_is_none, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
