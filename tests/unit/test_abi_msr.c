// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: a feature MSR that changed, or a guest that drifts because a register's state did. */
#include <stdio.h>

#include "bpf/msr_identity.h"
#include "tests/unit/facts_feed.h"
#include "userspace/abi/msr_names.h"
#include "userspace/base/buffer.h"

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
	assert_string_equal(value_of(&e, FACET_MSR, "0x00000345"), "0x0000000000002000");
	assert_string_equal(value_of(&e, FACET_MSR, "0x00000345/fault"), "#GP");
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000001b"), "answered");
	assert_string_equal(value_of(&e, FACET_MSR, "0x0000008b"), "varies");
	assert_string_equal(value_of(&e, FACET_MSR, "0x00000179"), "varies");
	assert_int_equal(entries_of(&e, FACET_MSR), 7);
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

static const char *meaning_of(const char *key, const char *value)
{
	static char text[2048];
	struct buffer b = BUFFER_INIT;

	facet_get(FACET_MSR)->meaning(key, value, &b);
	assert_true(b.size < sizeof(text));
	memcpy(text, b.size ? b.data : "", b.size);
	text[b.size] = 0;
	buffer_release(&b);
	return text;
}

static void values_are_said_in_words(void **state)
{
	(void)state;
	assert_string_equal(meaning_of("0x0000010a", "0x000000000000002b"), "IA32_ARCH_CAPABILITIES: rdctl-no, ibrs-all, skip-l1dfl-vmentry, mds-no");
	assert_string_equal(meaning_of("0x0000010a", "0x4000000080000000"), "IA32_ARCH_CAPABILITIES: its-no, reserved_31");
	assert_string_equal(meaning_of("0x0000010a", "0x0000000000000000"), "IA32_ARCH_CAPABILITIES");
	assert_string_equal(meaning_of("0x0000010a", "#GP"), "IA32_ARCH_CAPABILITIES");
	assert_string_equal(meaning_of("0x000000fe", "0x0000000000000508"), "IA32_MTRRCAP: variable_ranges=8, fixed-ranges, write-combining");
	assert_string_equal(meaning_of("0x0000008b", "0x0100006500000000"), "IA32_BIOS_SIGN_ID: revision=0x1000065");
	assert_string_equal(meaning_of("0x40000022", "0x0000000083215600"), "HV_TSC_FREQUENCY: hz=2200000000 (from the host)");
	assert_string_equal(meaning_of("0x0000048e", "0x0000008000000016"), "IA32_VMX_TRUE_PROCBASED_CTLS: must_be_one=22, vmx-hlt-exit");
	assert_string_equal(meaning_of("0x00000486", "0x0000000080000021"), "IA32_VMX_CR0_FIXED0");
	assert_string_equal(meaning_of("0x0000040d", "answered"), "IA32_MC3_STATUS");
	assert_string_equal(meaning_of("0x00000203", "answered"), "IA32_MTRR_PHYSMASK1");
	assert_string_equal(meaning_of("0xdeadbeef", "#GP"), "");
	assert_string_equal(meaning_of("0x0000010a0", "#GP"), "");
	assert_string_equal(meaning_of("arch", "#GP"), "");
}

static void a_difference_is_named_bit_by_bit(void **state)
{
	static const struct { const char *key, *from, *to, *name, *bits, *was, *is; } cases[] = {
		{ "0x0000010a", "0x0000000000000021", "0x0000000000000001", "mds-no", "[5]", "1", "0" },
		{ "0x000000fe", "0x0000000000000508", "0x000000000000050a", "variable_ranges", "[7:0]", "8", "10" },
		{ "0x0000010a", NULL, "0x4000000000000000", "its-no", "[62]", NULL, "1" },
		{ "0x0000010a", "0x0000000000000001", NULL, "rdctl-no", "[0]", "1", NULL },
		{ "0x0000010a", "0x0000000300000000", "0x0000000000000000", "reserved_33_32", "[33:32]", "3", "0" },
		{ "0x00000487", "0x00000000ffffffff", "0xffffffffffffffff", "value", "[63:0]", "4294967295", "18446744073709551615" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct abi_fields fields = { 0 };

		assert_int_equal(facet_get(FACET_MSR)->fields(cases[i].key, cases[i].from, cases[i].to, &fields), 0);
		assert_int_equal(fields.count, 1);
		assert_string_equal(fields.items[0].name, cases[i].name);
		assert_string_equal(fields.items[0].bits, cases[i].bits);
		assert_int_equal(!fields.items[0].from, !cases[i].was);
		assert_int_equal(!fields.items[0].to, !cases[i].is);
		if (cases[i].was)
			assert_string_equal(fields.items[0].from, cases[i].was);
		if (cases[i].is)
			assert_string_equal(fields.items[0].to, cases[i].is);
		abi_fields_release(&fields);
	}
}

static void what_has_no_bits_has_no_fields(void **state)
{
	static const char *const values[][2] = { { "#GP", "0x0000000000000001" }, { "answered", "#GP" }, { "0x0000000000000001", "varies" },
		{ "0x0000000000000001", "0x0000000000000001" }, { "0x0000000000000001x", "0x0000000000000002" } };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct abi_fields fields = { 0 };

		assert_int_equal(facet_get(FACET_MSR)->fields("0x0000010a", values[i][0], values[i][1], &fields), 0);
		assert_int_equal(fields.count, 0);
		abi_fields_release(&fields);
	}
}

/* Two names for one bit, or one bit of two fields, would report a change twice or not at all. */
static void the_table_of_names_has_no_overlaps(void **state)
{
	struct msr_part part, other;
	uint32_t index, same;
	char name[MSR_NAME_BYTES];

	(void)state;
	for (size_t n = 0; msr_part_row_get(n, &index, &part); n++) {
		assert_true(part.high >= part.low && part.high < 64);
		assert_true(msr_name(index, name));
		if (!(msr_identity(index) & msr_part_mask(&part)))
			fail_msg("%s of %s is never kept", part.name, name);
		for (size_t m = n + 1; msr_part_row_get(m, &same, &other); m++)
			if (same == index && (msr_part_mask(&part) & msr_part_mask(&other)))
				fail_msg("%s and %s of %s overlap", part.name, other.name, name);
	}
	/* Every identity has a name. */
	for (uint32_t i = 0; i < 0x2000; i++)
		for (unsigned range = 0; range < 4; range++) {
			static const uint32_t bases[] = { 0, 0x40000000, 0xc0000000, 0xc0010000 };

			if (msr_identity(bases[range] + i) && !msr_name(bases[range] + i, name))
				fail_msg("%#x has no name", bases[range] + i);
		}
}

/* --names: index, bit and name of every single bit, for tests/lint/cpuid_names.py. */
static void print_names(void)
{
	struct msr_part part;
	uint32_t index;

	for (size_t n = 0; msr_part_row_get(n, &index, &part); n++)
		if (part.high == part.low)
			printf("%#x %u %s\n", index, part.low, part.name);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identities_have_values_and_state_has_none),
		cmocka_unit_test(answers_that_disagree_within_a_boot_are_said),
		cmocka_unit_test(what_is_kept_says_the_same),
		cmocka_unit_test(coverage_says_what_cannot_be_seen),
		cmocka_unit_test(values_are_said_in_words),
		cmocka_unit_test(a_difference_is_named_bit_by_bit),
		cmocka_unit_test(what_has_no_bits_has_no_fields),
		cmocka_unit_test(the_table_of_names_has_no_overlaps),
	};

	if (argc > 1 && !strcmp(argv[1], "--names")) {
		print_names();
		return 0;
	}

	return cmocka_run_group_tests(tests, NULL, NULL);
}
