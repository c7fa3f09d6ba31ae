/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: a feature MSR that changed, a register that began to fault; or two vCPUs that are news to each other for ever. */
#include "tests/bpf/harness.h"

#include "bpf/msr_identity.h"

#define STATE 0x10u /* the time stamp counter */

static void msr_event(bool write, uint32_t index, uint64_t data, bool exception)
{
	rig_run(rig.skel->progs.msr, (uint64_t[12]){ write, index, data, exception });
}

static void rdmsr(uint32_t index, uint64_t data)
{
	msr_event(false, index, data, false);
}

static void rdmsr_faults(uint32_t index)
{
	msr_event(false, index, 0, true);
}

static struct observe_value msr_of(uint32_t index)
{
	return fact_of(KVM_A, OBSERVE_MSR, index, 0, 0);
}

static uint64_t value_of(uint32_t index)
{
	struct observe_value v = msr_of(index);

	return v.data[0] | (uint64_t)v.data[1] << 32;
}

static void an_identity_is_kept_whole_and_told_once(void **state)
{
	(void)state;
	rig_begin();
	for (unsigned i = 0; i < 100; i++)
		rdmsr(MSR_ARCH_CAPABILITIES, 0xd00000000000002b);
	assert_int_equal(news_of(OBSERVE_MSR), 1);
	assert_int_equal(value_of(MSR_ARCH_CAPABILITIES), 0xd00000000000002b);
	assert_int_equal(msr_of(MSR_ARCH_CAPABILITIES).flags, OBSERVE_ANSWERED);
	assert_int_equal(counter(OBSERVE_COUNT_FACTS + OBSERVE_CLASS_MSR), 1);
	/* Another vCPU that says the same is no news. */
	rig_who(KVM_A, VCPU_B, 1);
	rdmsr(MSR_ARCH_CAPABILITIES, 0xd00000000000002b);
	assert_int_equal(news_of(OBSERVE_MSR), 0);
}

static void what_a_state_register_holds_is_never_kept(void **state)
{
	(void)state;
	rig_begin();
	for (uint64_t i = 1; i < 100; i++)
		rdmsr(STATE, i << 20 | 7);
	assert_int_equal(news_of(OBSERVE_MSR), 1);
	assert_int_equal(value_of(STATE), 0);
	assert_int_equal(msr_of(STATE).changes, 0);
}

static void bits_that_the_guest_sets_are_no_identity(void **state)
{
	(void)state;
	rig_begin();
	rdmsr(MSR_MISC_ENABLE, 0x1800 | 1 << 18 | 1);
	rdmsr(MSR_MISC_ENABLE, 0x1800 | 1ull << 34);
	assert_int_equal(news_of(OBSERVE_MSR), 1);
	assert_int_equal(value_of(MSR_MISC_ENABLE), 0x1800);
}

static void writes_tell_nothing(void **state)
{
	struct observe_vm vm;

	(void)state;
	rig_begin();
	msr_event(true, MSR_BIOS_SIGN_ID, 0, false);
	msr_event(true, 0xdead, 1, true);
	assert_int_equal(counter(OBSERVE_COUNT_FACTS + OBSERVE_CLASS_MSR), 0);
	assert_false(vm_get(KVM_A, &vm));
}

static void faults_are_facts(void **state)
{
	(void)state;
	rig_begin();
	rdmsr_faults(MSR_ARCH_CAPABILITIES);
	rdmsr_faults(0xdead);
	rdmsr_faults(0xdead);
	assert_int_equal(news_of(OBSERVE_MSR), 2);
	assert_int_equal(msr_of(MSR_ARCH_CAPABILITIES).flags, OBSERVE_EXCEPTION);
	assert_int_equal(msr_of(0xdead).flags, OBSERVE_EXCEPTION);
}

static void an_answer_and_a_fault_are_both_remembered(void **state)
{
	(void)state;
	rig_begin();
	for (unsigned i = 0; i < 3; i++) {
		rig_who(KVM_A, VCPU_A, 0);
		rdmsr_faults(MSR_PERF_CAPABILITIES);
		rdmsr(STATE, 5);
		rig_who(KVM_A, VCPU_B, 1);
		rdmsr(MSR_PERF_CAPABILITIES, 0x2000);
		rdmsr_faults(STATE);
	}
	assert_int_equal(news_of(OBSERVE_MSR), 4);
	assert_int_equal(msr_of(MSR_PERF_CAPABILITIES).flags, OBSERVE_ANSWERED | OBSERVE_EXCEPTION);
	assert_int_equal(value_of(MSR_PERF_CAPABILITIES), 0x2000);
	assert_int_equal(msr_of(STATE).flags, OBSERVE_ANSWERED | OBSERVE_EXCEPTION);
}

static void two_identities_in_one_boot_are_none(void **state)
{
	(void)state;
	rig_begin();
	for (uint64_t i = 0; i < 20; i++) {
		rig_who(KVM_A, i & 1 ? VCPU_B : VCPU_A, i & 1);
		rdmsr(MSR_BIOS_SIGN_ID, (0x100 + (i & 1)) << 32);
	}
	assert_int_equal(news_of(OBSERVE_MSR), 2);
	assert_int_equal(msr_of(MSR_BIOS_SIGN_ID).flags, OBSERVE_ANSWERED | OBSERVE_VARIES);
	assert_int_equal(value_of(MSR_BIOS_SIGN_ID), 0);
	/* The next boot begins with a clean sheet. */
	rig_who(KVM_A, VCPU_A, 0);
	tsc_written(true, true);
	rdmsr(MSR_BIOS_SIGN_ID, 0x101ull << 32);
	assert_int_equal(value_of(MSR_BIOS_SIGN_ID), 0x101ull << 32);
	assert_int_equal(msr_of(MSR_BIOS_SIGN_ID).flags, OBSERVE_ANSWERED);
	assert_int_equal(msr_of(MSR_BIOS_SIGN_ID).boot, 2);
}

static void every_index_fills_only_its_own_quota(void **state)
{
	const struct rig_options o = { 8192, 1u << 20, 64 };

	(void)state;
	rig_open(&o);
	for (uint32_t i = 0; i < 5000; i++)
		rdmsr_faults(0xdead0000 + i);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_MSR], 64);
	assert_int_equal(vm_of(KVM_A).overflow[OBSERVE_CLASS_MSR], 5000 - 64);
	cpuid(0, 0, 1, 2, 3, 4);
	assert_true(has_fact(KVM_A, OBSERVE_CPUID, 0, 0, 0));
	rig_who(KVM_B, VCPU_B, 0);
	rdmsr(MSR_ARCH_CAPABILITIES, 1);
	assert_true(has_fact(KVM_B, OBSERVE_MSR, MSR_ARCH_CAPABILITIES, 0, 0));
}

static void reads_by_nobody_are_counted(void **state)
{
	(void)state;
	rig_begin();
	rig.skel->data->fake.vcpu = 0;
	rdmsr(MSR_ARCH_CAPABILITIES, 1);
	assert_int_equal(counter(OBSERVE_COUNT_NO_VCPU), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_identity_is_kept_whole_and_told_once, rig_close),
		cmocka_unit_test_teardown(what_a_state_register_holds_is_never_kept, rig_close),
		cmocka_unit_test_teardown(bits_that_the_guest_sets_are_no_identity, rig_close),
		cmocka_unit_test_teardown(writes_tell_nothing, rig_close),
		cmocka_unit_test_teardown(faults_are_facts, rig_close),
		cmocka_unit_test_teardown(an_answer_and_a_fault_are_both_remembered, rig_close),
		cmocka_unit_test_teardown(two_identities_in_one_boot_are_none, rig_close),
		cmocka_unit_test_teardown(every_index_fills_only_its_own_quota, rig_close),
		cmocka_unit_test_teardown(reads_by_nobody_are_counted, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
