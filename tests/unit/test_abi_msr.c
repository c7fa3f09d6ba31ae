// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: a feature MSR that changed, or a guest that drifts because a register's state did. */
#include "bpf/msr_identity.h"
#include "tests/unit/facts_feed.h"

#define STATE 0x1bu /* the local APIC's base: firmware and OS set it */

static void records_msr(struct records *s, uint32_t index, uint16_t flags, uint64_t value)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_MSR, .selector = index },
		.value = { .flags = flags, .data = { (uint32_t)value, (uint32_t)(value >> 32) } },
	};

	records_fact(s, &f);
}

static void identities_have_values_and_state_has_none(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_msr(&s, MSR_ARCH_CAPABILITIES, OBSERVE_ANSWERED, 0x2b);
	records_msr(&s, STATE, OBSERVE_ANSWERED, 0xfee00900);
	records_msr(&s, 0xc0010131, OBSERVE_EXCEPTION, 0);
	/* Whoever sent it: what a guest writes into a register is none of its identity. */
	records_msr(&s, MSR_MISC_ENABLE, OBSERVE_ANSWERED, 0x41801);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000010a"), "0x000000000000002b");
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000001b"), "answered");
	assert_string_equal(value_of(&e, FACET_MSR, "0xc0010131"), "#GP");
	assert_string_equal(value_of(&e, FACET_MSR, "0x000001a0"), "0x0000000000001800");
	assert_int_equal(entries_of(&e, FACET_MSR), 4);
	entries_release(&e);
	records_release(&s);
}

static void answers_that_disagree_within_a_boot_are_said(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_msr(&s, MSR_PERF_CAPABILITIES, OBSERVE_ANSWERED | OBSERVE_EXCEPTION, 0x2000);
	records_msr(&s, STATE, OBSERVE_ANSWERED | OBSERVE_EXCEPTION, 0);
	records_msr(&s, MSR_BIOS_SIGN_ID, OBSERVE_ANSWERED | OBSERVE_VARIES, 0);
	records_msr(&s, MSR_MCG_CAP, OBSERVE_ANSWERED | OBSERVE_VARIES | OBSERVE_EXCEPTION, 0);
	records_msr(&s, 0x99, 0, 0);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_MSR, "0x00000345"), "0x0000000000002000 or #GP");
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000001b"), "answered or #GP");
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000008b"), "varies");
	assert_string_equal(value_of(&e, FACET_MSR, "0x00000179"), "varies or #GP");
	assert_int_equal(entries_of(&e, FACET_MSR), 4);
	entries_release(&e);
	records_release(&s);
}

/* "varies" must come again when a newer abidrift derives it from what the store kept. */
static void what_is_kept_says_the_same(void **state)
{
	struct records s = RECORDS_INIT;
	struct buffer kept = BUFFER_INIT;
	struct guest_facts *f, *again;
	struct abi_entries a, b;

	(void)state;
	records_msr(&s, MSR_BIOS_SIGN_ID, OBSERVE_ANSWERED, 0x100000000);
	s.at_ns += RECORDS_SECOND;
	records_msr(&s, MSR_BIOS_SIGN_ID, OBSERVE_ANSWERED | OBSERVE_VARIES, 0);
	records_msr(&s, MSR_ARCH_CAPABILITIES, OBSERVE_ANSWERED, 0xffffffff00000001);
	f = feed(&s);
	assert_int_equal(facts_serialize(f, &kept), 0);
	assert_int_equal(facts_parse(kept.data, kept.size, &again, NULL), 0);
	a = derive(f);
	b = derive(again);
	assert_string_equal(value_of(&a, FACET_MSR, "0x0000008b"), "varies");
	assert_string_equal(value_of(&b, FACET_MSR, "0x0000008b"), "varies");
	assert_string_equal(value_of(&b, FACET_MSR, "0x0000010a"), "0xffffffff00000001");
	entries_release(&a);
	entries_release(&b);
	facts_free(f);
	facts_free(again);
	buffer_release(&kept);
	records_release(&s);
}

static void coverage_says_what_cannot_be_seen(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_msr(&s, MSR_ARCH_CAPABILITIES, OBSERVE_ANSWERED, 1);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_MSR].level, COVERAGE_WITNESSED);
	assert_string_equal(e.coverage[FACET_MSR].reason, "only what the guest read and KVM was asked for");
	entries_release(&e);
	records_loss(&s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_MSR, 9);
	e = derive_stream(&s);
	assert_true(coverage_tells_loss(e.coverage[FACET_MSR].reason));
	entries_release(&e);
	records_host(&s, RECORD_COVERAGE, "msr", "this kernel has no tracepoint kvm_msr", NULL);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_MSR].level, COVERAGE_NONE);
	assert_string_equal(e.coverage[FACET_MSR].reason, "this kernel has no tracepoint kvm_msr");
	assert_int_equal(entries_of(&e, FACET_MSR), 0);
	entries_release(&e);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identities_have_values_and_state_has_none),
		cmocka_unit_test(answers_that_disagree_within_a_boot_are_said),
		cmocka_unit_test(what_is_kept_says_the_same),
		cmocka_unit_test(coverage_says_what_cannot_be_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
