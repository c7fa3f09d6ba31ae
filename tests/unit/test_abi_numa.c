// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: memory or processors that are near another node after an upgrade; tables that contradict each other. */
#include <stdio.h>

#include "tests/unit/areas.h"
#include "tests/unit/facts_feed.h"

#define INDEXED 1u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct inventory_cpuid_entry row;

/* ---- tables, built as ACPI lays them out */
struct table {
	uint8_t bytes[4096];
	size_t size;
};

static void put(struct table *t, uint64_t value, unsigned bytes)
{
	assert_true(t->size + bytes <= sizeof(t->bytes));
	memcpy(t->bytes + t->size, &value, bytes);
	t->size += bytes;
}

static struct table srat(void)
{
	struct table t = { .size = 0 };

	put(&t, 1, 4);
	put(&t, 0, 8);
	return t;
}

static struct table madt(void)
{
	struct table t = { .size = 0 };

	put(&t, 0xfee00000, 4);
	put(&t, 1, 4);
	return t;
}

static void near_processor(struct table *t, uint32_t node, uint8_t apic_id)
{
	put(t, 0x1000, 2);
	put(t, node & 0xff, 1);
	put(t, apic_id, 1);
	put(t, 1, 4);
	put(t, 0, 1);
	put(t, node >> 8, 3);
	put(t, 0, 4);
}

static void near_x2apic(struct table *t, uint32_t node, uint32_t apic_id)
{
	put(t, 0x1802, 2);
	put(t, 0, 2);
	put(t, node, 4);
	put(t, apic_id, 4);
	put(t, 1, 4);
	put(t, 0, 8);
}

static void near_memory(struct table *t, uint32_t node, uint64_t base, uint64_t bytes, uint32_t flags)
{
	put(t, 0x2801, 2);
	put(t, node, 4);
	put(t, 0, 2);
	put(t, base, 8);
	put(t, bytes, 8);
	put(t, 0, 4);
	put(t, flags, 4);
	put(t, 0, 8);
}

static void near_device(struct table *t, uint32_t node, uint8_t bus, uint8_t function)
{
	put(t, 0x2005, 2);
	put(t, 0, 1);
	put(t, 1, 1);
	put(t, node, 4);
	put(t, 0, 2);
	put(t, bus, 1);
	put(t, function, 1);
	put(t, 0, 8);
	put(t, 0, 4);
	put(t, 1, 4);
	put(t, 0, 4);
}

static void listed(struct table *t, uint8_t apic_id, bool enabled)
{
	put(t, 0x0800, 2);
	put(t, apic_id, 1);
	put(t, apic_id, 1);
	put(t, enabled, 4);
}

static void tables_end(struct records *s, const struct table *near, const struct table *processors, const struct table *slit)
{
	struct area_body a = area_begin(RECORD_AREA_ACPI);

	if (processors)
		area_table(&a, "APIC", processors->bytes, processors->size);
	if (near)
		area_table(&a, "SRAT", near->bytes, near->size);
	if (slit)
		area_table(&a, "SLIT", slit->bytes, slit->size);
	area_end(s, &a, true);
}

/* vCPUs as QEMU describes them: threads, cores and dies of `logical` a socket, the APIC id in leaf 0xB. */
static void processors(struct records *s, const uint32_t *apic_ids, size_t count, unsigned threads, unsigned logical, unsigned shift)
{
	for (size_t i = 0; i < count; i++) {
		const row table[] = {
			{ 0x1, 0, 0, { 0x663, apic_ids[i] << 24 | logical << 16, 0, 1u << 28 } },
			{ 0xb, 0, INDEXED, { threads > 1, threads, 0x100, apic_ids[i] } },
			{ 0xb, 1, INDEXED, { shift, logical, 0x201, apic_ids[i] } },
			{ 0xb, 2, INDEXED, { 0, 0, 2, apic_ids[i] } },
		};

		records_cpuid(s, (uint32_t)i, true, table, COUNT(table));
	}
}

static void assert_numa(const struct abi_entries *e, const char *key, const char *value)
{
	const char *found = value_of(e, FACET_NUMA, key);

	if (!found)
		fail_msg("no entry %s", key);
	assert_string_equal(found, value);
}

static size_t contradictions(const struct abi_entries *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += e->items[i].facet == FACET_NUMA && !strncmp(e->items[i].key, "contradiction/", 14);
	return n;
}

static struct abi_entries derive_numa(struct records *s)
{
	struct abi_entries e = derive_stream(s);

	records_release(s);
	return e;
}

/* ---- nodes */
static void two_nodes_have_their_memory_processors_and_distances(void **state)
{
	static const uint32_t ids[] = { 0, 1, 2, 3 };
	struct table near = srat(), cpus = madt(), slit = { .size = 0 };
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	processors(&s, ids, 4, 1, 2, 1);
	for (uint8_t i = 0; i < 4; i++) {
		listed(&cpus, i, true);
		near_processor(&near, i / 2, i);
	}
	/* In another order than they lie, in pieces, and one that is switched off. */
	near_memory(&near, 1, 0x100000000, 0x40000000, 1);
	near_memory(&near, 1, 0x140000000, 0x100000000, 3);
	near_memory(&near, 0, 0x100000, 0x3ff00000, 1);
	near_memory(&near, 0, 0x40000000, 0x40000000, 1);
	near_memory(&near, 0, 0, 0xa0000, 1);
	near_memory(&near, 0, 0x900000000, 0x1000, 0);
	near_memory(&near, 0, 0x800000000, 0x1000, 5);
	near_device(&near, 2, 0, 0x18);
	near_device(&near, 2, 7, 0x00);
	put(&slit, 3, 8);
	put(&slit, 0x0a140a, 3);
	put(&slit, 0x140a15, 3);
	put(&slit, 0x0a2021, 3);
	tables_end(&s, &near, &cpus, &slit);
	e = derive_numa(&s);
	assert_numa(&e, "node0/memory", "0x0-0x9ffff 0x100000-0x7fffffff 0x800000000-0x800000fff,nonvolatile");
	assert_numa(&e, "node1/memory", "0x100000000-0x13fffffff 0x140000000-0x23fffffff,hotpluggable");
	assert_numa(&e, "node0/cpus", "0-1");
	assert_numa(&e, "node1/cpus", "2-3");
	/* A bus number is handed out by firmware. */
	assert_numa(&e, "node2/initiators", "0000:*:00.0 0000:00:03.0");
	assert_numa(&e, "distance/0/1", "20");
	assert_numa(&e, "distance/1/0", "21");
	assert_numa(&e, "distance/2/1", "32");
	assert_numa(&e, "topology/sockets", "2");
	assert_numa(&e, "topology/cores_per_die", "2");
	assert_int_equal(contradictions(&e), 0);
	assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_COMPLETE);
	assert_string_equal(e.coverage[FACET_NUMA].reason, "");
	entries_release(&e);
}

static void ids_beyond_eight_bits_are_ids(void **state)
{
	struct table near = srat();
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	near_x2apic(&near, 0x12345, 300);
	near_x2apic(&near, 0x12345, 302);
	near_processor(&near, 0x12345, 1);
	tables_end(&s, &near, NULL, NULL);
	e = derive_numa(&s);
	assert_numa(&e, "node74565/cpus", "1 300 302");
	assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_WITNESSED);
	assert_string_equal(e.coverage[FACET_NUMA].reason, "the vCPUs' CPUID tables were not read");
	entries_release(&e);
}

static void one_node_needs_no_line(void **state)
{
	static const uint32_t ids[] = { 0 };
	struct table cpus = madt();
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	processors(&s, ids, 1, 1, 1, 0);
	listed(&cpus, 0, true);
	tables_end(&s, NULL, &cpus, NULL);
	e = derive_numa(&s);
	assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_COMPLETE);
	assert_int_equal(entries_of(&e, FACET_NUMA), 5);
	assert_numa(&e, "topology/processors", "1");
	assert_null(value_of(&e, FACET_NUMA, "topology/processors_possible"));
	entries_release(&e);
}

/* ---- processors: two more sockets move no bit of CPUID */
static void sockets_are_counted_from_the_madt(void **state)
{
	static const uint32_t ids[] = { 0, 1, 2, 3 };

	(void)state;
	for (unsigned sockets = 2; sockets <= 4; sockets += 2) {
		struct table cpus = madt();
		struct records s = RECORDS_INIT;
		struct abi_entries e;
		char text[8];

		processors(&s, ids, sockets, 1, 1, 0);
		for (uint8_t i = 0; i < 4; i++)
			listed(&cpus, i, i < sockets);
		tables_end(&s, NULL, &cpus, NULL);
		e = derive_numa(&s);
		snprintf(text, sizeof(text), "%u", sockets);
		assert_numa(&e, "topology/sockets", text);
		assert_numa(&e, "topology/processors", text);
		if (sockets < 4)
			assert_numa(&e, "topology/processors_possible", "4");
		assert_int_equal(contradictions(&e), 0);
		entries_release(&e);
	}
}

static void threads_cores_and_dies_are_told_apart(void **state)
{
	/* 2 dies of 3 cores of 2 threads, as QEMU's leaf 0x1f has it. */
	static const row intel[] = {
		{ 0x1, 0, 0, { 0x663, 12 << 16, 0, 1u << 28 } },
		{ 0xb, 0, INDEXED, { 1, 2, 0x100, 0 } },
		{ 0xb, 1, INDEXED, { 4, 6, 0x201, 0 } },
		{ 0x1f, 0, INDEXED, { 1, 2, 0x100, 0 } },
		{ 0x1f, 1, INDEXED, { 3, 6, 0x201, 0 } },
		{ 0x1f, 2, INDEXED, { 4, 12, 0x502, 0 } },
		{ 0x1f, 3, INDEXED, { 0, 0, 3, 0 } },
	};
	/* 4 cores of 2 threads without leaf 0xb. */
	static const row amd[] = {
		{ 0x1, 0, 0, { 0x663, 8 << 16, 0, 1u << 28 } },
		{ 0x80000001, 0, 0, { 0, 0, 1u << 22, 0 } },
		{ 0x80000008, 0, 0, { 0x3028, 0, 0x3007, 0 } },
		{ 0x8000001e, 0, 0, { 0, 0x100, 0, 0 } },
	};
	/* 2 cores of 2 threads by leaves 1 and 4 alone. */
	static const row old[] = {
		{ 0x1, 0, 0, { 0x663, 4 << 16, 0, 1u << 28 } },
		{ 0x4, 0, INDEXED, { 0x04000121, 0, 0, 0 } },
	};
	static const struct {
		const row *rows;
		uint32_t count;
		const char *dies, *cores, *threads;
	} cases[] = {
		{ intel, COUNT(intel), "2", "3", "2" },
		{ amd, COUNT(amd), "1", "4", "2" },
		{ old, COUNT(old), "1", "2", "2" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct table cpus = madt();
		struct records s = RECORDS_INIT;
		struct abi_entries e;

		records_cpuid(&s, 0, true, cases[i].rows, cases[i].count);
		listed(&cpus, 0, true);
		listed(&cpus, 1, true);
		tables_end(&s, NULL, &cpus, NULL);
		e = derive_numa(&s);
		assert_numa(&e, "topology/dies_per_socket", cases[i].dies);
		assert_numa(&e, "topology/cores_per_die", cases[i].cores);
		assert_numa(&e, "topology/threads_per_core", cases[i].threads);
		assert_numa(&e, "topology/sockets", "1");
		assert_int_equal(contradictions(&e), 0);
		entries_release(&e);
	}
}

/* ---- contradictions */
static void room_for_memory_around_an_nvdimm_of_the_same_node_contradicts_nothing(void **state)
{
	struct table near = srat();
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	near_memory(&near, 0, 0, 0x10000000, 1);
	near_memory(&near, 0, 0x100000000, 0x2000000, 5);
	near_memory(&near, 0, 0x100000000, 0x170000000, 3);
	near_memory(&near, 1, 0x200000000, 0x1000, 1);
	tables_end(&s, &near, NULL, NULL);
	e = derive_numa(&s);
	assert_null(entries_find(&e, FACET_NUMA, "contradiction/memory.0x100000000"));
	assert_numa(&e, "contradiction/memory.0x200000000", "srat=node0 srat=node1");
	entries_release(&e);
}

static void sources_that_contradict_each_other_are_shown_with_both_sides(void **state)
{
	static const uint32_t ids[] = { 0, 1, 9 };
	struct table near = srat(), cpus = madt(), slit = { .size = 0 };
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	processors(&s, ids, 3, 1, 2, 2);
	for (uint8_t i = 0; i < 4; i++)
		listed(&cpus, i, true);
	near_processor(&near, 0, 0);
	near_processor(&near, 0, 1);
	near_processor(&near, 0, 2);
	near_processor(&near, 5, 7);
	near_memory(&near, 0, 0, 0x2000, 1);
	near_memory(&near, 1, 0x1000, 0x2000, 1);
	near_memory(&near, 1, UINT64_MAX - 0xfff, 0x2000, 1);
	put(&slit, 2, 8);
	put(&slit, 0x0a15150a, 4);
	tables_end(&s, &near, &cpus, &slit);
	e = derive_numa(&s);
	assert_numa(&e, "contradiction/apic.7", "srat=node5 madt=absent");
	assert_numa(&e, "contradiction/apic.3", "srat=absent madt=enabled");
	assert_numa(&e, "contradiction/vcpu.2", "cpuid=apic.9 madt=absent");
	assert_numa(&e, "contradiction/package.0", "cpuid=2 madt=4");
	assert_numa(&e, "contradiction/slit", "localities=2 srat=node5");
	assert_numa(&e, "contradiction/memory.0x1000", "srat=node0 srat=node1");
	assert_numa(&e, "contradiction/memory.0xfffffffffffff000", "srat=node1 size=0x2000 beyond the end of memory");
	assert_int_equal(contradictions(&e), 7);
	assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_COMPLETE);
	assert_string_equal(e.coverage[FACET_NUMA].reason, "contradictions between the guest's tables and CPUID: 7");
	entries_release(&e);
}

/* ---- hostile tables */
static void tables_of_any_bytes_end_and_stay_within_bounds(void **state)
{
	static uint8_t many[900000];
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		struct area_body a = area_begin(RECORD_AREA_ACPI);
		struct records s = RECORDS_INIT;
		struct abi_entries e;
		size_t bytes = feed_random(&seed) % 200;

		for (size_t i = 0; i < bytes; i++)
			many[i] = (uint8_t)(feed_random(&seed) % (round % 2 ? 256 : 42));
		area_table(&a, "SRAT", many, bytes);
		area_table(&a, "APIC", many, bytes / 2);
		area_table(&a, "SLIT", many, bytes / 3);
		area_end(&s, &a, true);
		e = derive_numa(&s);
		entries_release(&e);
	}
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = (uint8_t)feed_random(&seed);
	for (size_t at = 12; at + 16 < sizeof(many); at += 16) {
		many[at] = 0;
		many[at + 1] = 16;
		many[at + 4] = 1;
	}
	for (int each = 0; each < 2; each++) {
		struct area_body a = area_begin(RECORD_AREA_ACPI);
		struct records s = RECORDS_INIT;
		struct abi_entries e;

		area_table(&a, each ? "SRAT" : "SLIT", many, sizeof(many));
		area_end(&s, &a, true);
		e = derive_numa(&s);
		assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_WITNESSED);
		assert_true(entries_of(&e, FACET_NUMA) < 128 * 128 + 8192 + 64);
		entries_release(&e);
	}
}

static void a_guest_without_tables_says_why(void **state)
{
	static const char reason[] = "no RSDP";
	struct area_body a = area_begin(RECORD_AREA_ACPI);
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	area_part(&a, RECORD_PART_REASON, 0, reason, sizeof(reason) - 1);
	area_end(&s, &a, false);
	e = derive_numa(&s);
	assert_int_equal(e.coverage[FACET_NUMA].level, COVERAGE_NONE);
	assert_string_equal(e.coverage[FACET_NUMA].reason, reason);
	entries_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_have_their_memory_processors_and_distances),
		cmocka_unit_test(ids_beyond_eight_bits_are_ids),
		cmocka_unit_test(one_node_needs_no_line),
		cmocka_unit_test(sockets_are_counted_from_the_madt),
		cmocka_unit_test(threads_cores_and_dies_are_told_apart),
		cmocka_unit_test(room_for_memory_around_an_nvdimm_of_the_same_node_contradicts_nothing),
		cmocka_unit_test(sources_that_contradict_each_other_are_shown_with_both_sides),
		cmocka_unit_test(tables_of_any_bytes_end_and_stay_within_bounds),
		cmocka_unit_test(a_guest_without_tables_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
