/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: a port or MMIO page that answers no more, or never did and is said to. */
#include "tests/bpf/harness.h"

static void a_port_that_answers_is_known_by_width(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	in_port(0x510, 1, 0x51);
	in_port(0x510, 2, 0xffff);
	v = fact_of(KVM_A, OBSERVE_PORT, 0x510, 0, 1);
	assert_int_equal(v.flags, OBSERVE_ANSWERED);
	assert_int_equal(v.all_ones, 0);
	v = fact_of(KVM_A, OBSERVE_PORT, 0x510, 0, 2);
	assert_int_equal(v.flags, 0);
	assert_int_equal(v.all_ones, 1);
	assert_false(has_fact(KVM_A, OBSERVE_PORT, 0x510, 0, 4));
	assert_int_equal(news_of(OBSERVE_PORT), 2);
	for (int i = 0; i < 50; i++)
		in_port(0x510, 1, i);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
}

static void a_port_is_absent_after_three_reads_and_may_answer_later(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	for (int i = 0; i < 20; i++)
		in_port(0x2f8, 1, 0xff);
	assert_int_equal(news_of(OBSERVE_PORT), 2);
	v = fact_of(KVM_A, OBSERVE_PORT, 0x2f8, 0, 1);
	assert_int_equal(v.all_ones, OBSERVE_ABSENT_READS);
	assert_int_equal(v.flags, 0);
	in_port(0x2f8, 1, 0xfe);
	assert_int_equal(news_of(OBSERVE_PORT), 1);
	v = fact_of(KVM_A, OBSERVE_PORT, 0x2f8, 0, 1);
	assert_int_equal(v.flags, OBSERVE_ANSWERED);
	assert_int_equal(v.changes, 0);
	in_port(0x2f8, 1, 0xff);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
}

static void a_write_is_no_evidence(void **state)
{
	(void)state;
	rig_begin();
	out_port(0x402, 1, 'a');
	out_port(0x80, 1, 0);
	mmio_write(0xfed00000, 4, 1);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
}

static void a_string_input_answers_if_one_element_does(void **state)
{
	struct test_subject *f;

	(void)state;
	rig_begin();
	f = &rig.skel->data->fake;
	memset(f->data, 0xff, sizeof(f->data));
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x1f0, 2, 16, 1 });
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x1f0, 0, 2).flags, 0);
	f->data[31] = 0;
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x1f0, 2, 16, 1 });
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x1f0, 0, 2).flags, OBSERVE_ANSWERED);
	/* Behind the string: not part of it. */
	memset(f->data, 0xff, sizeof(f->data));
	f->data[2] = 0;
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x170, 1, 2, 1 });
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x170, 0, 1).flags, 0);
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x170, 1, 4096, 1 });
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x170, 0, 1).flags, OBSERVE_ANSWERED);
}

static void an_mmio_page_is_one_fact_by_width(void **state)
{
	(void)state;
	rig_begin();
	mmio_read(0xfec00000, 4, 0);
	mmio_read(0xfec00010, 4, 0xffffffff);
	mmio_read(0xfec01000, 4, 0xffffffff);
	mmio_read(0xfec00020, 8, ~0ull);
	mmio_read(0xfec00020, 8, ~1ull);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_MMIO], 3);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, 0xfec00000, 4).flags, OBSERVE_ANSWERED);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, 0xfec01000, 4).flags, 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, 0xfec00000, 8).flags, OBSERVE_ANSWERED);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, 0xfec00000, 8).all_ones, 1);
}

static void an_mmio_answer_without_a_value_is_no_answer(void **state)
{
	(void)state;
	rig_begin();
	rig_run(rig.skel->progs.mmio, (uint64_t[12]){ MMIO_ASKED, 4, 0xfe000000, 0 });
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
	rig_run(rig.skel->progs.mmio, (uint64_t[12]){ MMIO_READ, 4, 0xfe000000, 0 });
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, 0xfe000000, 4).flags, 0);
}

static void a_guest_that_only_kicks_its_devices_is_found(void **state)
{
	(void)state;
	rig_begin();
	rig_run(rig.skel->progs.fast_mmio, (uint64_t[12]){ 0xfe000000 });
	assert_int_equal(news(OBSERVE_NEWS_VM), 1);
	assert_true(vm_of(KVM_A).flags & OBSERVE_VM_RAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_port_that_answers_is_known_by_width, rig_close),
		cmocka_unit_test_teardown(a_port_is_absent_after_three_reads_and_may_answer_later, rig_close),
		cmocka_unit_test_teardown(a_write_is_no_evidence, rig_close),
		cmocka_unit_test_teardown(a_string_input_answers_if_one_element_does, rig_close),
		cmocka_unit_test_teardown(an_mmio_page_is_one_fact_by_width, rig_close),
		cmocka_unit_test_teardown(an_mmio_answer_without_a_value_is_no_answer, rig_close),
		cmocka_unit_test_teardown(a_guest_that_only_kicks_its_devices_is_found, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
