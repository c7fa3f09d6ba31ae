/* SPDX-License-Identifier: Apache-2.0 */
/* Facet cpuid. With --names it prints its feature table instead, for tests/lint/cpuid_names.py. */
#include <stdio.h>

#include "tests/unit/facts_feed.h"
#include "userspace/abi/cpuid_names.h"

#define EVERY 0xffffffffu
#define INDEXED 1u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct inventory_cpuid_entry row;

/* What SeaBIOS guests get from QEMU's qemu64 under KVM, shortened. */
static const row table[] = {
	{ 0x0, 0, 0, { 0xd, 0x68747541, 0x444d4163, 0x69746e65 } },
	{ 0x1, 0, 0, { 0x00000663, 0x00000800, 0x80202001, 0x078bfbfd } },
	{ 0x4, 0, INDEXED, { 0x00000121, 0x01c0003f, 0x0000003f, 0x00000001 } },
	{ 0x4, 1, INDEXED, { 0x00000122, 0x01c0003f, 0x0000003f, 0x00000001 } },
	{ 0x4, 2, INDEXED, { 0, 0, 0, 0 } },
	{ 0x7, 0, INDEXED, { 0x2, 0x219c07ab, 0x00400004, 0xac004410 } },
	{ 0x40000000, 0, 0, { 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d } },
	{ 0x40000001, 0, 0, { 0x01007afb, 0, 0, 0 } },
	{ 0x80000008, 0, 0, { 0x00003028, 0, 0, 0 } },
};

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

static const char *answer(const struct guest *g, const char *key)
{
	const struct abi_entry *e = entries_find(&g->entries, FACET_CPUID, key);

	return e ? e->value : NULL;
}

static size_t lines(const struct guest *g)
{
	size_t count = 0;

	for (size_t i = 0; i < g->entries.count; i++)
		count += g->entries.items[i].facet == FACET_CPUID;
	return count;
}

static enum coverage covered(const struct guest *g)
{
	return g->entries.coverage[FACET_CPUID].level;
}

static struct records boot_records(void)
{
	struct records s = RECORDS_INIT;

	records_boot(&s, OBSERVE_REASON_CREATED, true);
	return s;
}

/* One vCPU that has run, with one leaf. */
static void guest_of_row(struct guest *g, const row *r)
{
	struct records s = boot_records();

	records_cpuid(&s, 0, true, r, 1);
	guest_read(g, &s);
}

/* ---- the table */
static void every_leaf_of_the_table_is_in_the_fingerprint(void **state)
{
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, table, COUNT(table));
	guest_read(&g, &s);
	assert_int_equal(covered(&g), COVERAGE_COMPLETE);
	assert_string_equal(g.entries.coverage[FACET_CPUID].reason, "");
	assert_string_equal(answer(&g, "0x00000000.0.eax"), "0x0000000d");
	assert_string_equal(answer(&g, "0x00000007.0.ebx"), "0x219c07ab");
	assert_string_equal(answer(&g, "0x00000004.1.eax"), "0x00000122");
	assert_string_equal(answer(&g, "0x80000008.0.eax"), "0x00003028");
	assert_string_equal(answer(&g, "0x80000008.0.edx"), "0x00000000");
	/* Four lines a leaf, but none for the cache list's zero end. */
	assert_int_equal(lines(&g), 4 * (COUNT(table) - 1));
	guest_end(&g);
}

static void a_leaf_of_zeros_and_a_missing_one_are_the_same_guest(void **state)
{
	row zeros = { 0x8000001f, 0, 0, { 0, 0, 0, 0 } };
	struct guest g;

	(void)state;
	guest_of_row(&g, &zeros);
	assert_int_equal(lines(&g), 0);
	assert_int_equal(covered(&g), COVERAGE_COMPLETE);
	guest_end(&g);
}

static void an_index_without_meaning_makes_no_subleaf(void **state)
{
	row stale_index = { 0x80000008, 7, 0, { 0x3028, 0, 0, 0 } };
	struct guest g;

	(void)state;
	guest_of_row(&g, &stale_index);
	assert_string_equal(answer(&g, "0x80000008.0.eax"), "0x00003028");
	assert_int_equal(lines(&g), 4);
	guest_end(&g);
}

static void an_entry_that_kvm_never_reaches_changes_nothing(void **state)
{
	row twice[] = { { 0x5, 0, 0, { 1, 0, 0, 0 } }, { 0x5, 0, 0, { 2, 0, 0, 0 } }, { 0x5, 3, INDEXED, { 3, 0, 0, 0 } } };
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, twice, COUNT(twice));
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x00000005.0.eax"), "0x00000001");
	assert_int_equal(lines(&g), 4);
	guest_end(&g);
}

/* ---- normalising, row by row of the table in docs/facets.md */
struct mask_case {
	row raw;
	uint32_t expected[4];
};

static void answers_that_move_by_themselves_raise_no_alert(void **state)
{
	static const struct mask_case cases[] = {
		{ { 0x1, 0, 0, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, 0x00ffffff, EVERY & ~(1u << 27), EVERY & ~(1u << 9) } },
		{ { 0x7, 0, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, EVERY & ~(1u << 4), EVERY } },
		{ { 0x7, 1, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, EVERY, EVERY } },
		{ { 0xd, 0, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, 0, EVERY, EVERY } },
		{ { 0xd, 1, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, 0, EVERY, EVERY } },
		{ { 0xd, 2, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, EVERY, EVERY } },
		{ { 0xb, 1, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, 0xffffff00, 0 } },
		{ { 0x1f, 2, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, 0xffffff00, 0 } },
		{ { 0x80000026, 0, INDEXED, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, 0xffffff00, 0 } },
		{ { 0x8000001e, 0, 0, { EVERY, EVERY, EVERY, EVERY } }, { 0, 0xffffff00, 0xffffff00, EVERY } },
		{ { 0x80000008, 0, 0, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, EVERY, EVERY } },
		{ { 0x40000010, 0, 0, { EVERY, EVERY, EVERY, EVERY } }, { EVERY, EVERY, EVERY, EVERY } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct guest g;

		guest_of_row(&g, &cases[i].raw);
		for (unsigned reg = 0; reg < 4; reg++) {
			char key[40], value[16];

			snprintf(key, sizeof(key), "0x%08x.%u.%s", cases[i].raw.function, cases[i].raw.index, cpuid_register_name(reg));
			snprintf(value, sizeof(value), "0x%08x", cases[i].expected[reg]);
			assert_non_null(answer(&g, key));
			assert_string_equal(answer(&g, key), value);
		}
		guest_end(&g);
	}
}

static void xen_clock_and_vcpu_number_raise_no_alert(void **state)
{
	row xen[] = {
		{ 0x40000100, 0, 0, { 0x40000105, 0x566e6558, 0x65584d4d, 0x4d4d566e } },
		{ 0x40000103, 0, INDEXED, { 1, 2, 3, 4 } },
		{ 0x40000103, 1, INDEXED, { 1, 2, 3, 4 } },
		{ 0x40000104, 0, 0, { 8, 5, 0, 0 } },
	};
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, xen, COUNT(xen));
	guest_read(&g, &s);
	assert_null(answer(&g, "0x40000103.0.eax"));
	assert_null(answer(&g, "0x40000103.1.ecx"));
	assert_string_equal(answer(&g, "0x40000104.0.eax"), "0x00000008");
	assert_string_equal(answer(&g, "0x40000104.0.ebx"), "0x00000000");
	guest_end(&g);
}

static void the_same_leaves_of_another_hypervisor_are_kept(void **state)
{
	row hyperv[] = {
		{ 0x40000000, 0, 0, { 0x40000005, 0x7263694d, 0x666f736f, 0x76482074 } },
		{ 0x40000003, 0, 0, { 0xe7f, 0x2b0030, 0, 0x80000 } },
	};
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, hyperv, COUNT(hyperv));
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x40000003.0.eax"), "0x00000e7f");
	guest_end(&g);
}

static void monitor_is_kept_unless_it_is_seen_to_mirror_a_register(void **state)
{
	row with = { 0x1, 0, 0, { 0x663, 0, 0x8, 0 } }, without = { 0x1, 0, 0, { 0x663, 0, 0, 0 } };
	struct records s = boot_records();
	struct guest g;

	(void)state;
	guest_of_row(&g, &with);
	assert_string_equal(answer(&g, "0x00000001.0.ecx"), "0x00000008");
	guest_end(&g);

	records_cpuid(&s, 0, true, &with, 1);
	records_cpuid(&s, 1, true, &without, 1);
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x00000001.0.ecx"), "0x00000000");
	assert_int_equal(lines(&g), 4);
	guest_end(&g);

	/* The kernel side clears the bit from answers where the quirk is off. */
	s = boot_records();
	records_cpuid(&s, 0, true, &with, 1);
	records_cpuid_answer(&s, 1, 0, OBSERVE_FOUND, without.regs);
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x00000001.0.ecx"), "0x00000000");
	assert_int_equal(lines(&g), 4);
	guest_end(&g);
}

/* ---- several vCPUs */
static void vcpus_that_differ_only_in_their_ids_are_one_cpu(void **state)
{
	struct records s = boot_records();
	struct guest g;

	(void)state;
	for (uint32_t vcpu = 0; vcpu < 4; vcpu++) {
		row rows[] = {
			{ 0x1, 0, 0, { 0x663, vcpu << 24 | 0x040800, 0x80202001, 0x078bfbfd } },
			{ 0xb, 0, INDEXED, { 0, 1, 0x100, vcpu } },
			{ 0xb, 1, INDEXED, { 2, 4, 0x201, vcpu } },
			{ 0x8000001e, 0, 0, { vcpu, vcpu, 0, 0 } },
		};

		records_cpuid(&s, vcpu, true, rows, COUNT(rows));
	}
	guest_read(&g, &s);
	assert_int_equal(lines(&g), 12);
	assert_int_equal(covered(&g), COVERAGE_COMPLETE);
	guest_end(&g);
}

static void a_vcpu_that_answers_differently_is_seen_by_its_number(void **state)
{
	row one = { 0x7, 0, INDEXED, { 0, 0x20, 0, 0 } }, other[] = { { 0x7, 0, INDEXED, { 0, 0, 0, 0 } }, { 0x19, 0, 0, { 1, 0, 0, 0 } } };
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, &one, 1);
	records_cpuid(&s, 1, true, &one, 1);
	records_cpuid(&s, 3, true, other, COUNT(other));
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x00000007.0.ebx"), "0x00000020");
	assert_string_equal(answer(&g, "0x00000007.0.ebx/vcpu.3"), "0x00000000");
	assert_string_equal(answer(&g, "0x00000019.0.eax/vcpu.3"), "0x00000001");
	assert_null(answer(&g, "0x00000019.0.eax"));
	assert_null(answer(&g, "0x00000007.0.ecx/vcpu.3"));
	assert_int_equal(lines(&g), 6);
	guest_end(&g);
}

/* ---- coverage */
static void a_guest_that_has_not_run_is_not_judged(void **state)
{
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, false, table, COUNT(table));
	guest_read(&g, &s);
	assert_int_equal(covered(&g), COVERAGE_NONE);
	assert_string_equal(g.entries.coverage[FACET_CPUID].reason, "no vCPU has run yet");
	assert_int_equal(lines(&g), 0);
	guest_end(&g);
}

static void a_vcpu_without_a_table_yet_is_no_difference(void **state)
{
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, table, COUNT(table));
	records_cpuid(&s, 1, false, NULL, 0);
	guest_read(&g, &s);
	assert_int_equal(lines(&g), 4 * (COUNT(table) - 1));
	assert_int_equal(covered(&g), COVERAGE_COMPLETE);
	guest_end(&g);
}

static void without_tables_the_guests_own_questions_are_shown(void **state)
{
	static const uint32_t features[4] = { 0x663, 0x01000800, 0x80202001, 0x078bfbfd }, highest[4] = { 7, 7, 7, 7 };
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid_answer(&s, 0x1, 0, OBSERVE_FOUND, features);
	records_cpuid_answer(&s, 0x29, 0, OBSERVE_MAX_BASIC, highest);
	records_cpuid_answer(&s, 0x80000025, 0, 0, (const uint32_t[4]){ 0 });
	guest_read(&g, &s);
	assert_int_equal(covered(&g), COVERAGE_WITNESSED);
	assert_string_equal(answer(&g, "0x00000001.0.ebx"), "0x00000800");
	/* Out of range: that is the answer of another leaf. */
	assert_null(answer(&g, "0x00000029.0.eax"));
	assert_int_equal(lines(&g), 4);
	guest_end(&g);
}

/* ---- what the guest got against what its table says */
static void what_kvm_edits_on_the_way_is_no_contradiction(void **state)
{
	static const row rows[] = {
		{ 0x1, 0, 0, { 0x663, 0x800, 0x80202001, 0x078bf9fd } },
		{ 0x7, 0, INDEXED, { 0, 0x00000810, 0, 0 } },
		{ 0xd, 0, INDEXED, { 7, 0x240, 0x340, 0 } },
		{ 0x80000007, 0, 0, { 0, 0, 0, 0x100 } },
		{ 0x80000008, 0, 0, { 0x3028, 0, 0, 0 } },
	};
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, rows, COUNT(rows));
	records_cpuid_answer(&s, 0x1, 0, OBSERVE_FOUND, (const uint32_t[4]){ 0x663, 0x03000800, 0x88202001, 0x078bfbfd });
	records_cpuid_answer(&s, 0x7, 0, OBSERVE_FOUND, (const uint32_t[4]){ 0 });
	records_cpuid_answer(&s, 0xd, 0, OBSERVE_FOUND, (const uint32_t[4]){ 7, 0x340, 0x340, 0 });
	records_cpuid_answer(&s, 0x80000007, 0, OBSERVE_FOUND, (const uint32_t[4]){ 0 });
	/* A leaf without subleaves answers every subleaf alike. */
	records_cpuid_answer(&s, 0x80000008, 5, OBSERVE_FOUND, rows[4].regs);
	records_cpuid_answer(&s, 0x30, 0, OBSERVE_MAX_BASIC, rows[2].regs);
	guest_read(&g, &s);
	for (size_t i = 0; i < g.entries.count; i++)
		assert_null(strstr(g.entries.items[i].key, "/seen"));
	guest_end(&g);
}

static void an_answer_that_no_table_gives_is_shown(void **state)
{
	struct records s = boot_records();
	struct guest g;

	(void)state;
	records_cpuid(&s, 0, true, table, COUNT(table));
	records_cpuid_answer(&s, 0x80000008, 0, OBSERVE_FOUND, (const uint32_t[4]){ 0x302e, 0, 0, 0 });
	guest_read(&g, &s);
	assert_string_equal(answer(&g, "0x80000008.0.eax"), "0x00003028");
	assert_string_equal(answer(&g, "0x80000008.0.eax/seen"), "0x0000302e");
	assert_null(answer(&g, "0x80000008.0.ebx/seen"));
	guest_end(&g);
}

/* ---- names */
static void assert_meaning(const char *key, const char *value, const char *expected)
{
	struct buffer b = BUFFER_INIT;

	facet_get(FACET_CPUID)->meaning(key, value, &b);
	assert_string_equal(b.data ? b.data : "", expected);
	buffer_release(&b);
}

static void a_register_is_told_in_names(void **state)
{
	(void)state;
	assert_meaning("0x00000001.0.ecx", "0x80202001", "pni, cx16, x2apic, hypervisor");
	assert_meaning("0x00000001.0.ecx/vcpu.3", "0x00000002", "pclmuldq");
	assert_meaning("0x00000001.0.eax", "0x000906ea", "family=6, model=158, stepping=10");
	assert_meaning("0x00000001.0.eax", "0x00a20f10", "family=25, model=33");
	assert_meaning("0x00000007.0.edx", "0x20001000", "arch-capabilities, reserved_12");
	assert_meaning("0x80000008.0.eax", "0x00003028", "physical_address_bits=40, linear_address_bits=48");
	assert_meaning("0x00000000.0.ebx", "0x756e6547", "\"Genu\"");
	assert_meaning("0x80000002.0.eax", "0x20554d45", "\"EMU \"");
	assert_meaning("0x40000000.0.edx", "0x0000004d", "\"M\"");
	assert_meaning("0x40000101.0.eax", "0x00000020", "kvm-steal-time");
	assert_meaning("0x40000001.0.eax", "0x31237648", "\"Hv#1\"");
	assert_meaning("0x00000016.0.eax", "0x00000bb8", "base_mhz=3000 (from the host)");
	assert_meaning("0x80000000.0.eax", "0x8000000a", "max_extended_leaf=0x8000000a");
	assert_meaning("0x0000000d.9.ebx", "0x00000a80", "xsave_component_offset=2688");
	assert_meaning("0x00000033.0.eax", "0x00000001", "");
	assert_meaning("0x00000001.0.ecx", "0x00000000", "");
}

static void a_hostile_key_is_told_nothing_of(void **state)
{
	static const char *const keys[] = {
		"", "0x", "0x00000001", "0x00000001.0.", "0x00000001.0.eaxx", "0x00000001.0.xyz", "0x00000001.0.eax@", "leaf",
		"0x00000001.99999999999999999999.eax",
	};
	struct abi_fields f = { 0 };

	(void)state;
	for (size_t i = 0; i + 1 < COUNT(keys); i++)
		assert_meaning(keys[i], "0x00000001", "");
	for (size_t i = 0; i < COUNT(keys); i++)
		assert_int_equal(facet_get(FACET_CPUID)->fields(keys[i], "0x0", "zz", &f), 0);
	assert_int_equal(f.count, 0);
	assert_meaning("0x00000001.0.ecx", "1 or so", "");
	assert_meaning("0x00000001.0.ecx", "0x00000001 ", "");
}

static void assert_field(const struct abi_fields *f, size_t n, const char *name, const char *bits, const char *from, const char *to)
{
	assert_true(n < f->count);
	assert_string_equal(f->items[n].name, name);
	assert_string_equal(f->items[n].bits, bits);
	if (from)
		assert_string_equal(f->items[n].from, from);
	else
		assert_null(f->items[n].from);
	if (to)
		assert_string_equal(f->items[n].to, to);
	else
		assert_null(f->items[n].to);
}

static void fields_of(const char *key, const char *from, const char *to, struct abi_fields *ret)
{
	*ret = (struct abi_fields){ 0 };
	assert_int_equal(facet_get(FACET_CPUID)->fields(key, from, to, ret), 0);
}

static void a_lost_feature_is_called_by_its_name(void **state)
{
	struct abi_fields f;

	(void)state;
	fields_of("0x00000001.0.ecx", "0x80202001", "0x80200001", &f);
	assert_int_equal(f.count, 1);
	assert_field(&f, 0, "cx16", "ecx[13]", "1", "0");
	abi_fields_release(&f);
	fields_of("0x00000007.0.ebx", "0x00000000", "0x00000810", &f);
	assert_int_equal(f.count, 2);
	assert_field(&f, 0, "hle", "ebx[4]", "0", "1");
	assert_field(&f, 1, "rtm", "ebx[11]", "0", "1");
	abi_fields_release(&f);
}

static void numbers_in_a_register_are_told_apart(void **state)
{
	struct abi_fields f;

	(void)state;
	fields_of("0x00000001.0.eax", "0x00000663", "0x000906ea", &f);
	assert_int_equal(f.count, 2);
	assert_field(&f, 0, "model", "eax[19:16,7:4]", "6", "158");
	assert_field(&f, 1, "stepping", "eax[3:0]", "3", "10");
	abi_fields_release(&f);
	fields_of("0x80000008.0.eax", "0x00003028", "0x00003027", &f);
	assert_int_equal(f.count, 1);
	assert_field(&f, 0, "physical_address_bits", "eax[7:0]", "40", "39");
	abi_fields_release(&f);
	/* An extended family that does not count is still a difference. */
	fields_of("0x00000001.0.eax", "0x00000663", "0x00100663", &f);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.items[0].name, "family");
	assert_string_not_equal(f.items[0].from, f.items[0].to);
	abi_fields_release(&f);
}

static void a_bit_without_a_name_is_not_lost(void **state)
{
	struct abi_fields f;

	(void)state;
	fields_of("0x00000001.0.ecx", "0x00010001", "0x00000000", &f);
	assert_int_equal(f.count, 2);
	assert_field(&f, 0, "pni", "ecx[0]", "1", "0");
	assert_field(&f, 1, "reserved_16", "ecx[16]", "1", "0");
	abi_fields_release(&f);
	fields_of("0x00000024.0.ebx", "0x00000000", "0xa0000001", &f);
	assert_int_equal(f.count, 3);
	assert_field(&f, 1, "reserved_29", "ebx[29]", "0", "1");
	assert_field(&f, 2, "reserved_31", "ebx[31]", "0", "1");
	abi_fields_release(&f);
	fields_of("0x00000024.0.ebx", "0x00000000", "0xc0000000", &f);
	assert_field(&f, 0, "reserved_31_30", "ebx[31:30]", "0", "3");
	abi_fields_release(&f);
	fields_of("0x00000033.0.eax", "0x00000001", "0x80000001", &f);
	assert_int_equal(f.count, 1);
	assert_field(&f, 0, "value", "eax[31:0]", "1", "2147483649");
	abi_fields_release(&f);
}

/* Without it: another name of the CPU would be told as numbers of ten digits. */
static void characters_are_told_as_such(void **state)
{
	struct abi_fields f;

	(void)state;
	fields_of("0x80000002.0.ecx", "0x6f725020", "0x6d6f522d", &f);
	assert_int_equal(f.count, 1);
	assert_field(&f, 0, "value", "ecx[31:0]", "\" Pro\"", "\"-Rom\"");
	abi_fields_release(&f);
	fields_of("0x80000004.0.edx", "0x00000000", "0x0072221b", &f);
	assert_field(&f, 0, "value", "edx[31:0]", "\"\"", "\"..r\"");
	abi_fields_release(&f);
	/* Hyper-V's signature where KVM has bits is no text on the one side. */
	fields_of("0x40000001.0.eax", "0x01007afb", "0x31237648", &f);
	assert_field(&f, 0, "value", "eax[31:0]", "16808699", "824407624");
	abi_fields_release(&f);
}

static void a_leaf_that_came_or_went_lists_what_it_had(void **state)
{
	struct abi_fields f;

	(void)state;
	fields_of("0x00000001.0.ecx", NULL, "0x00002001", &f);
	assert_int_equal(f.count, 2);
	assert_field(&f, 0, "pni", "ecx[0]", NULL, "1");
	assert_field(&f, 1, "cx16", "ecx[13]", NULL, "1");
	abi_fields_release(&f);
	fields_of("0x00000001.0.ecx", "0x00002001", NULL, &f);
	assert_field(&f, 1, "cx16", "ecx[13]", "1", NULL);
	abi_fields_release(&f);
	fields_of("0x00000001.0.ecx", NULL, "0x00000000", &f);
	assert_int_equal(f.count, 0);
	abi_fields_release(&f);
}

static void no_bit_has_two_names(void **state)
{
	enum cpuid_register reg;
	uint32_t leaf, subleaf;

	(void)state;
	for (size_t n = 0; cpuid_row_get(n, &leaf, &subleaf, &reg); n++) {
		struct cpuid_part part;
		uint32_t taken = 0;

		for (size_t i = 0; cpuid_part_get(leaf, subleaf, reg, i, &part); i++) {
			assert_int_equal(taken & part.mask, 0);
			taken |= part.mask;
		}
	}
}

static int print_names(void)
{
	enum cpuid_register reg;
	uint32_t leaf, subleaf;

	for (size_t n = 0; cpuid_row_get(n, &leaf, &subleaf, &reg); n++) {
		struct cpuid_part part;

		for (size_t i = 0; cpuid_part_get(leaf, subleaf, reg, i, &part); i++)
			if (cpuid_part_is_bit(&part))
				printf("0x%08x %s%u %s %u %s\n", leaf, subleaf == CPUID_ANY_SUBLEAF ? "*" : "",
				       subleaf == CPUID_ANY_SUBLEAF ? 0 : subleaf, cpuid_register_name(reg), (unsigned)__builtin_ctz(part.mask),
				       part.name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_leaf_of_the_table_is_in_the_fingerprint),
		cmocka_unit_test(a_leaf_of_zeros_and_a_missing_one_are_the_same_guest),
		cmocka_unit_test(an_index_without_meaning_makes_no_subleaf),
		cmocka_unit_test(an_entry_that_kvm_never_reaches_changes_nothing),
		cmocka_unit_test(answers_that_move_by_themselves_raise_no_alert),
		cmocka_unit_test(xen_clock_and_vcpu_number_raise_no_alert),
		cmocka_unit_test(the_same_leaves_of_another_hypervisor_are_kept),
		cmocka_unit_test(monitor_is_kept_unless_it_is_seen_to_mirror_a_register),
		cmocka_unit_test(vcpus_that_differ_only_in_their_ids_are_one_cpu),
		cmocka_unit_test(a_vcpu_that_answers_differently_is_seen_by_its_number),
		cmocka_unit_test(a_guest_that_has_not_run_is_not_judged),
		cmocka_unit_test(a_vcpu_without_a_table_yet_is_no_difference),
		cmocka_unit_test(without_tables_the_guests_own_questions_are_shown),
		cmocka_unit_test(what_kvm_edits_on_the_way_is_no_contradiction),
		cmocka_unit_test(an_answer_that_no_table_gives_is_shown),
		cmocka_unit_test(a_register_is_told_in_names),
		cmocka_unit_test(a_hostile_key_is_told_nothing_of),
		cmocka_unit_test(a_lost_feature_is_called_by_its_name),
		cmocka_unit_test(numbers_in_a_register_are_told_apart),
		cmocka_unit_test(a_bit_without_a_name_is_not_lost),
		cmocka_unit_test(characters_are_told_as_such),
		cmocka_unit_test(a_leaf_that_came_or_went_lists_what_it_had),
		cmocka_unit_test(no_bit_has_two_names),
	};

	if (argc > 1 && strcmp(argv[1], "--names") == 0)
		return print_names();
	return cmocka_run_group_tests_name("abi_cpuid", tests, NULL, NULL);
}
