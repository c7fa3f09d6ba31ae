/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: a changed CPUID bit not seen, or two vCPUs that are news to each other for ever. */
#include "tests/bpf/harness.h"

static void a_new_answer_is_a_fact_and_is_signalled_once(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	cpuid(0x80000008, 0, 0x3028, 1, 2, 3);
	assert_int_equal(news_of(OBSERVE_CPUID), 1);
	v = fact_of(KVM_A, OBSERVE_CPUID, 0x80000008, 0, 0);
	assert_int_equal(v.data[0], 0x3028);
	assert_int_equal(v.data[3], 3);
	assert_int_equal(v.flags, OBSERVE_FOUND);
	assert_int_equal(v.boot, 1);
	for (int i = 0; i < 100; i++)
		cpuid(0x80000008, 0, 0x3028, 1, 2, 3);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
	assert_int_equal(counter(OBSERVE_COUNT_FACTS + OBSERVE_CLASS_CPUID), 1);
}

static void a_changed_answer_is_counted_and_signalled(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	cpuid(2, 0, 1, 2, 3, 4);
	cpuid(2, 0, 1, 2, 3, 5);
	assert_int_equal(news_of(OBSERVE_CPUID), 2);
	v = fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0);
	assert_int_equal(v.changes, 1);
	assert_int_equal(v.data[3], 5);
	/* The cache must not take the first answer for known when it comes back. */
	cpuid(2, 0, 1, 2, 3, 4);
	assert_int_equal(news_of(OBSERVE_CPUID), 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0).changes, 2);
}

static void bits_that_differ_per_vcpu_are_no_news(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	rig_who(KVM_A, VCPU_A, 0);
	cpuid(1, 0, 0x663, 0x00020800, 0x80202001 | 1u << 27, 0x078bfbfd | 1 << 9);
	rig_who(KVM_A, VCPU_B, 1);
	cpuid(1, 0, 0x663, 0x01020800, 0x80202001, 0x078bfbfd & ~(1u << 9));
	assert_int_equal(news_of(OBSERVE_CPUID), 1);
	v = fact_of(KVM_A, OBSERVE_CPUID, 1, 0, 0);
	assert_int_equal(v.changes, 0);
	assert_int_equal(v.data[1], 0x00020800);
	assert_int_equal(v.data[2] & 1u << 27, 0);
	cpuid(0xb, 1, 4, 8, 0x201, 1);
	rig_who(KVM_A, VCPU_A, 0);
	cpuid(0xb, 1, 4, 8, 0x201, 0);
	cpuid(0xd, 0, 7, 0x240, 0x340, 0);
	cpuid(0xd, 0, 7, 0x340, 0x340, 0);
	cpuid(7, 0, 0, 1 << 4 | 1 << 11 | 1 << 7, 1 << 4 | 1 << 2, 0);
	cpuid(7, 0, 0, 1 << 7, 1 << 2, 0);
	cpuid(0x8000001e, 0, 0, 0x100, 0, 0);
	cpuid(0x8000001e, 0, 1, 0x101, 0, 0);
	assert_int_equal(news_of(OBSERVE_CPUID), 4);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 0xb, 1, 0).data[2], 0x200);
}

static void monitor_is_masked_only_where_it_mirrors(void **state)
{
	(void)state;
	rig_begin();
	cpuid(1, 0, 1, 0, 1 << 3, 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_CPUID, 1, 0, 0).data[2], 1 << 3);
	rig_who(KVM_B, VCPU_B, 0);
	rig.skel->data->fake.quirks = 1 << 4;
	cpuid(1, 0, 1, 0, 1 << 3, 0);
	assert_int_equal(fact_of(KVM_B, OBSERVE_CPUID, 1, 0, 0).data[2], 0);
}

static void the_highest_basic_leaf_is_not_taken_for_another(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	cpuid_flags(0x20, 0, 7, 8, 9, 10, false, true);
	v = fact_of(KVM_A, OBSERVE_CPUID, 0x20, 0, 0);
	assert_int_equal(v.flags, OBSERVE_MAX_BASIC);
	assert_int_equal(v.data[0] | v.data[1] | v.data[2] | v.data[3], 0);
}

static void a_leaf_without_subleaves_is_one_fact_whatever_ecx_holds(void **state)
{
	(void)state;
	rig_begin();
	for (uint32_t i = 0; i < 10; i++) {
		cpuid(0x80000001, i * 0x1111, 1, 2, 3, 4);
		cpuid(4, i, 1, 2, 3, 4);
	}
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_CPUID], 11);
}

static void state_stops_being_signalled_but_stays_known(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	for (uint32_t i = 0; i < 100; i++)
		cpuid(2, 0, i, 0, 0, 0);
	assert_int_equal(news_of(OBSERVE_CPUID), 1 + OBSERVE_VOLATILE_CHANGES);
	v = fact_of(KVM_A, OBSERVE_CPUID, 2, 0, 0);
	assert_true(v.flags & OBSERVE_VOLATILE);
	assert_int_equal(v.changes, 99);
	assert_int_equal(v.data[0], 99);
}

static void answers_outside_the_vcpus_own_run_are_ignored(void **state)
{
	(void)state;
	rig_begin();
	rig.skel->data->fake.ran = 0;
	cpuid(1, 0, 0, 0, 0, 0);
	assert_int_equal(counter(OBSERVE_COUNT_FACTS + OBSERVE_CLASS_CPUID), 0);
	rig.skel->data->fake.vcpu = 0;
	cpuid(1, 0, 0, 0, 0, 0);
	assert_int_equal(counter(OBSERVE_COUNT_NO_VCPU), 1);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_new_answer_is_a_fact_and_is_signalled_once, rig_close),
		cmocka_unit_test_teardown(a_changed_answer_is_counted_and_signalled, rig_close),
		cmocka_unit_test_teardown(bits_that_differ_per_vcpu_are_no_news, rig_close),
		cmocka_unit_test_teardown(monitor_is_masked_only_where_it_mirrors, rig_close),
		cmocka_unit_test_teardown(the_highest_basic_leaf_is_not_taken_for_another, rig_close),
		cmocka_unit_test_teardown(a_leaf_without_subleaves_is_one_fact_whatever_ecx_holds, rig_close),
		cmocka_unit_test_teardown(state_stops_being_signalled_but_stays_known, rig_close),
		cmocka_unit_test_teardown(answers_outside_the_vcpus_own_run_are_ignored, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
