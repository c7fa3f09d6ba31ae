/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: one guest's facts under another's name, a reset that nobody saw, or a guest starved by its neighbour. */
#include "tests/bpf/harness.h"

#define EXIT_SHUTDOWN 8
#define EXIT_IO 2

static void two_guests_do_not_mix(void **state)
{
	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	rig_who(KVM_B, VCPU_B, 0);
	cpuid(2, 0, 2, 0, 0, 0);
	rig_who(KVM_A, VCPU_A, 0);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(news(OBSERVE_NEWS_VM), 2);
	assert_int_not_equal(vm_of(KVM_A).vm, vm_of(KVM_B).vm);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).data[0], 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).changes, 0);
	assert_int_equal(fact_of(KVM_B, OBSERVE_CPUID, 2, 0, 0).data[0], 2);
	assert_int_equal(fact_of(KVM_B, OBSERVE_CPUID, 2, 0, 0).changes, 0);
}

static void a_guest_that_is_found_and_one_that_is_created_are_told_apart(void **state)
{
	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_FOUND);
	assert_int_equal(vm_of(KVM_A).flags, OBSERVE_VM_RAN);
	assert_int_equal(vm_of(KVM_A).tgid, TGID);
	rig_who(KVM_B, VCPU_B, 0);
	for (int i = 0; i < 3; i++)
		tsc_written(false, false);
	assert_int_equal(news(OBSERVE_NEWS_VM), 2);
	assert_int_equal(vm_of(KVM_B).reason, OBSERVE_REASON_CREATED);
	assert_int_equal(vm_of(KVM_B).flags, OBSERVE_VM_FROM_RESET);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_B).flags, OBSERVE_VM_FROM_RESET | OBSERVE_VM_RAN);
	assert_int_equal(news(OBSERVE_NEWS_VM), 0);
	assert_int_equal(vm_of(KVM_B).boot, 1);
}

static void the_same_pointers_again_are_another_guest(void **state)
{
	uint64_t first;

	(void)state;
	rig_begin();
	tsc_written(false, false);
	cpuid(2, 0, 1, 0, 0, 0);
	cpuid(3, 0, 1, 0, 0, 0);
	first = vm_of(KVM_A).vm;
	news(0);
	tsc_written(false, false);
	assert_int_not_equal(vm_of(KVM_A).vm, first);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_CPUID], 0);
	cpuid(2, 0, 1, 0, 0, 0);
	/* The same answer, but of another guest: it is news. */
	assert_int_equal(news_of(OBSERVE_CPUID), 1);
	assert_false(has_fact(KVM_A, OBSERVE_CPUID, 3, 0, 0));
	/* Another process: not even a creation was seen. */
	first = vm_of(KVM_A).vm;
	rig.skel->data->fake.tgid = TGID + 1;
	cpuid(5, 0, 1, 0, 0, 0);
	assert_int_not_equal(vm_of(KVM_A).vm, first);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_FOUND);
}

static void a_process_that_shares_its_memory_runs_the_same_guest(void **state)
{
	uint64_t first;

	(void)state;
	rig_begin();
	rig.skel->data->fake.creator = TGID;
	cpuid(2, 0, 1, 0, 0, 0);
	first = vm_of(KVM_A).vm;
	rig.skel->data->fake.tgid = TGID + 1;
	cpuid(3, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).vm, first);
	/* Nor is it another one because its first vCPU is set up again while the second runs. */
	rig.skel->data->fake.online = 2;
	tsc_written(false, false);
	assert_int_equal(vm_of(KVM_A).vm, first);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_CPUID], 2);
}

static void what_was_given_back_can_be_used_again(void **state)
{
	const struct rig_options small = { 8192, 1u << 20, 64 };
	struct vm_returned returned = { .facts[OBSERVE_CLASS_PORT] = 10 };
	uint64_t vm;

	(void)state;
	rig_open(&small);
	for (uint32_t port = 0; port < 100; port++)
		in_port(0x1000 + port, 1, 1);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PORT], 64);
	vm = vm_of(KVM_A).vm;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(rig.skel->maps.returned), &vm, &returned, BPF_ANY), 0);
	for (uint32_t port = 0; port < 100; port++)
		in_port(0x2000 + port, 1, 1);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PORT], 74);
}

static void another_vcpu_is_no_other_guest(void **state)
{
	uint64_t first;

	(void)state;
	rig_begin();
	tsc_written(false, false);
	cpuid(2, 0, 1, 0, 0, 0);
	first = vm_of(KVM_A).vm;
	rig_who(KVM_A, VCPU_B, 1);
	tsc_written(false, false);
	assert_int_equal(vm_of(KVM_A).vm, first);
	assert_int_equal(news(OBSERVE_NEWS_VCPU), 2);
}

static void a_reset_by_the_vmm_is_a_new_boot_and_all_is_told_again(void **state)
{
	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	in_port(0x60, 1, 0);
	out_port(0xcf8, 4, cf8(8, 0));
	news(0);
	tsc_written(true, false); /* not at the reset vector: nothing */
	assert_int_equal(vm_of(KVM_A).boot, 1);
	tsc_written(true, true);
	tsc_written(true, true); /* QEMU writes it twice */
	assert_int_equal(news(OBSERVE_NEWS_BOOT), 1);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_VMM);
	assert_int_equal(vm_of(KVM_A).flags, OBSERVE_VM_FROM_RESET);
	assert_int_equal(vm_of(KVM_A).pci_latch, 0);
	cpuid(2, 0, 1, 0, 0, 0);
	in_port(0x60, 1, 0xff);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 2);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).boot, 2);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).changes, 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x60, 0, 1).flags, 0);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_CPUID], 1);
	/* Another vCPU than the boot vCPU at the reset vector: hot-plug, or waiting for its start. */
	rig_who(KVM_A, VCPU_B, 1);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 2);
}

static void a_reset_port_is_believed_when_the_guest_is_in_real_mode_again(void **state)
{
	static const struct { uint32_t port; uint32_t value; bool resets; } ports[] = {
		{ 0xcf9, 0x06, true }, { 0xcf9, 0x02, false }, { 0x64, 0xfe, true }, { 0x64, 0xff, false }, { 0x64, 0xd1, false },
		{ 0x92, 0x03, true }, { 0x92, 0x02, false },
	};
	uint32_t boot = 1;

	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		out_port(ports[i].port, 1, ports[i].value);
		rig.skel->data->fake.protected_mode = 0;
		cpuid(2, 0, 1, 0, 0, 0);
		rig.skel->data->fake.protected_mode = 1;
		boot += ports[i].resets;
		assert_int_equal(vm_of(KVM_A).boot, boot);
	}
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_PORT);
	/* The VMM did not listen: the guest goes on as it was. */
	out_port(0xcf9, 1, 6);
	cpuid(2, 0, 1, 0, 0, 0);
	rig.skel->data->fake.protected_mode = 0;
	cpuid(2, 0, 1, 0, 0, 0);
	rig.skel->data->fake.protected_mode = 1;
	assert_int_equal(vm_of(KVM_A).boot, boot);
	/* As under QEMU. */
	out_port(0xcf9, 1, 6);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, boot + 1);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_PORT);
	rig.skel->data->fake.protected_mode = 0;
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, boot + 1);
}

/* A guest that rests, found by looking and not by anything that it did: its reset is a new boot all the same. */
static void a_reset_of_a_silent_guest_that_was_found_is_a_new_boot(void **state)
{
	struct vm_state found = { .seen = { .vm = 7, .kvm = KVM_A, .boot = 1, .reason = OBSERVE_REASON_FOUND, .tgid = TGID } };
	uint64_t kvm = KVM_A;

	(void)state;
	rig_begin();
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(rig.skel->maps.vms), &kvm, &found, BPF_NOEXIST), 0);
	tsc_written(true, false);
	assert_int_equal(vm_of(KVM_A).boot, 1);
	tsc_written(true, true);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_VMM);
	assert_int_equal(news(OBSERVE_NEWS_BOOT), 1);
}

/* SeaBIOS resets once more when it finds that it has run before; for whoever reset the guest that is one reset. */
static void a_reset_that_firmware_answers_with_another_is_one_boot(void **state)
{
	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	/* It asks, and asks again before the VMM has heard: that alone would withdraw the suspicion. */
	out_port(0x64, 1, 0xfe);
	in_port(0x64, 1, 0x1c);
	assert_false(vm_of(KVM_A).flags & OBSERVE_VM_PENDING);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	/* Who resets twice without being asked gets two boots. */
	cpuid(2, 0, 1, 0, 0, 0);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 3);
	/* So does firmware that has looked at its machine before. */
	pci_in(3 << 3, 0, 2, 0xffff);
	out_port(0x64, 1, 0xfe);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 4);
}

static void a_reset_port_that_nobody_answers_for_resets_nothing(void **state)
{
	(void)state;
	rig_begin();
	rig.skel->data->fake.protected_mode = 0;
	in_port(0x92, 1, 0xff);
	out_port(0x92, 1, 0xff);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 1);
	in_port(0x92, 1, 0x02);
	out_port(0x92, 1, 0x03);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	/* What a boot before this one read tells nothing. */
	in_port(0x64, 1, 0xff);
	out_port(0xcf9, 1, 6);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 3);
	out_port(0x64, 1, 0xfe);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 4);
	rig.skel->data->fake.protected_mode = 1;
}

static void a_triple_fault_is_a_new_boot_when_that_vcpu_goes_on(void **state)
{
	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 0, 0, 0);
	exit_to_vmm(EXIT_IO);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 1);
	exit_to_vmm(EXIT_SHUTDOWN);
	exit_to_vmm(EXIT_SHUTDOWN);
	rig_who(KVM_A, VCPU_B, 1);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 1);
	rig_who(KVM_A, VCPU_A, 0);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_SHUTDOWN);
	exit_to_vmm(EXIT_SHUTDOWN);
	tsc_written(true, true);
	cpuid(2, 0, 1, 0, 0, 0);
	assert_int_equal(vm_of(KVM_A).boot, 3);
	assert_int_equal(vm_of(KVM_A).reason, OBSERVE_REASON_SHUTDOWN);
}

static void a_flood_fills_its_own_quota_only(void **state)
{
	const struct rig_options o = { 8192, 1u << 20, 100 };
	struct observe_vm vm;

	(void)state;
	rig_open(&o);
	for (uint32_t i = 0; i < 2000; i++)
		in_port(i + 0x1000, 1, 0);
	vm = vm_of(KVM_A);
	assert_int_equal(vm.facts[OBSERVE_CLASS_PORT], 100);
	assert_int_equal(vm.overflow[OBSERVE_CLASS_PORT], 1900);
	assert_int_equal(counter(OBSERVE_COUNT_OVERFLOW), 1900);
	/* Other classes of the same guest, and headers more than others. */
	cpuid(2, 0, 1, 0, 0, 0);
	for (uint32_t i = 0; i < 300; i++)
		pci_in(i, 0, 4, 0x100e8086);
	for (uint32_t i = 0; i < 300; i++)
		pci_in(0x1000 + i, 0, 2, 0xffff);
	for (uint32_t i = 0; i < 300; i++)
		pci_in(0, 0x40 + i % 48 * 4, 4, i);
	for (uint32_t i = 0; i < 300; i++)
		mmio_read(0xd0000000ull + i * 4096ull, 4, 0);
	vm = vm_of(KVM_A);
	assert_int_equal(vm.facts[OBSERVE_CLASS_CPUID], 1);
	assert_int_equal(vm.facts[OBSERVE_CLASS_PCI_HEADER], 200);
	assert_int_equal(vm.facts[OBSERVE_CLASS_PCI_ABSENT], 16);
	assert_int_equal(vm.facts[OBSERVE_CLASS_PCI_BODY], 48);
	assert_int_equal(vm.facts[OBSERVE_CLASS_MMIO], 100);
	assert_int_equal(vm.overflow[OBSERVE_CLASS_CPUID], 0);
	/* And the neighbour has all of his. */
	rig_who(KVM_B, VCPU_B, 0);
	for (uint32_t i = 0; i < 100; i++)
		in_port(i + 0x1000, 1, 0);
	assert_int_equal(vm_of(KVM_B).facts[OBSERVE_CLASS_PORT], 100);
	assert_int_equal(vm_of(KVM_B).overflow[OBSERVE_CLASS_PORT], 0);
}

static void overflow_is_of_one_boot(void **state)
{
	const struct rig_options o = { 8192, 1u << 20, 10 };

	(void)state;
	rig_open(&o);
	for (uint32_t i = 0; i < 20; i++)
		in_port(i + 0x1000, 1, 0);
	assert_int_equal(vm_of(KVM_A).overflow[OBSERVE_CLASS_PORT], 10);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).overflow[OBSERVE_CLASS_PORT], 0);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PORT], 10);
}

static void a_full_map_is_counted(void **state)
{
	const struct rig_options o = { 64, 1u << 20, 1024 };

	(void)state;
	rig_open(&o);
	for (uint32_t i = 0; i < 1000; i++)
		in_port(i + 0x1000, 1, 0);
	assert_true(counter(OBSERVE_COUNT_MAP_FULL) > 0);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PORT] + counter(OBSERVE_COUNT_MAP_FULL), 1000);
}

static void a_full_ring_loses_news_but_no_facts(void **state)
{
	const struct rig_options o = { 8192, 4096, 1024 };
	size_t told;

	(void)state;
	rig_open(&o);
	for (uint32_t i = 0; i < 500; i++)
		cpuid(0x70000000 + i, 0, i, 0, 0, 0);
	/* A, B, A while nobody looks. */
	cpuid(0x70000000, 0, 77, 0, 0, 0);
	cpuid(0x70000000, 0, 0, 0, 0, 0);
	told = news(OBSERVE_NEWS_FACT);
	assert_true(told < 500);
	assert_int_equal(counter(OBSERVE_COUNT_DROPPED), 502 - told);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 0x70000000 + i, 0, 0).data[0], i);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 0x70000000, 0, 0).changes, 2);
	/* It goes on once there is room. */
	cpuid(0x70000001, 0, 99, 0, 0, 0);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 1);
}

/* Which of the programs that are attached work: as userspace writes it. */
static void owner_is(uint32_t owner)
{
	uint32_t key = EPOCHS_OWNER;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(rig.skel->maps.epochs), &key, &owner, BPF_ANY), 0);
}

static void programs_that_do_not_own_the_maps_leave_them_alone(void **state)
{
	struct observe_vm before;

	(void)state;
	rig_begin();
	tsc_written(false, false);
	cpuid(2, 0, 1, 0, 0, 0);
	before = vm_of(KVM_A);
	news(0);
	owner_is(7);
	/* Facts, resets, other guests, and what is counted: all of it is another one's. */
	cpuid(3, 0, 1, 0, 0, 0);
	cpuid(2, 0, 2, 0, 0, 0);
	in_port(0x510, 1, 5);
	out_port(0xcf8, 4, 0x80000000);
	mmio_read(0xfe800000, 4, 5);
	tsc_written(true, true);
	rig_who(KVM_B, VCPU_B, 0);
	cpuid(2, 0, 1, 0, 0, 0);
	rig_who(KVM_B, 0, 0);
	cpuid(9, 0, 1, 0, 0, 0);
	out_port(0xcf8, 4, 0x80000000);
	rig_who(KVM_A, VCPU_A, 0);
	news(0);
	assert_int_equal(rig.n_news, 0);
	assert_memory_equal(&before, &(struct observe_vm[]){ vm_of(KVM_A) }, sizeof(before));
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).data[0], 1);
	assert_int_equal(counter(OBSERVE_COUNT_NO_VCPU), 0);
	/* Once they own them, nothing that they did not take before is taken for known. */
	owner_is(0);
	cpuid(3, 0, 1, 0, 0, 0);
	cpuid(2, 0, 2, 0, 0, 0);
	in_port(0x510, 1, 5);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(two_guests_do_not_mix, rig_close),
		cmocka_unit_test_teardown(a_guest_that_is_found_and_one_that_is_created_are_told_apart, rig_close),
		cmocka_unit_test_teardown(the_same_pointers_again_are_another_guest, rig_close),
		cmocka_unit_test_teardown(a_process_that_shares_its_memory_runs_the_same_guest, rig_close),
		cmocka_unit_test_teardown(what_was_given_back_can_be_used_again, rig_close),
		cmocka_unit_test_teardown(another_vcpu_is_no_other_guest, rig_close),
		cmocka_unit_test_teardown(a_reset_by_the_vmm_is_a_new_boot_and_all_is_told_again, rig_close),
		cmocka_unit_test_teardown(a_reset_port_is_believed_when_the_guest_is_in_real_mode_again, rig_close),
		cmocka_unit_test_teardown(a_reset_port_that_nobody_answers_for_resets_nothing, rig_close),
		cmocka_unit_test_teardown(a_reset_of_a_silent_guest_that_was_found_is_a_new_boot, rig_close),
		cmocka_unit_test_teardown(a_reset_that_firmware_answers_with_another_is_one_boot, rig_close),
		cmocka_unit_test_teardown(a_triple_fault_is_a_new_boot_when_that_vcpu_goes_on, rig_close),
		cmocka_unit_test_teardown(a_flood_fills_its_own_quota_only, rig_close),
		cmocka_unit_test_teardown(overflow_is_of_one_boot, rig_close),
		cmocka_unit_test_teardown(a_full_map_is_counted, rig_close),
		cmocka_unit_test_teardown(a_full_ring_loses_news_but_no_facts, rig_close),
		cmocka_unit_test_teardown(programs_that_do_not_own_the_maps_leave_them_alone, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
