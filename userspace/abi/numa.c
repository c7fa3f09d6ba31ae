/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facet numa: which memory and processors are near each other, from SRAT and SLIT, and how the processors are built, from
 * CPUID and MADT. A guest without SRAT has one node, and no node lines. Where two of these sources contradict each other the
 * guest's OS believes one of them: `contradiction/…` shows both.
 *
 * Bytes of the tables may be a guest's: at most NUMA_ITEMS_MAX structures of each table, NUMA_NODES_MAX localities and
 * NUMA_CONTRADICTIONS_MAX contradictions are looked at, what is beyond them is said.
 *
 * Sources: ACPI 6.5, 5.2.12 (MADT), 5.2.16 (SRAT), 5.2.17 (SLIT).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/acpi_tables.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/topology.h"
#include "userspace/base/buffer.h"

#define NUMA_ITEMS_MAX 8192u
#define NUMA_NODES_MAX 128u
#define NUMA_CONTRADICTIONS_MAX 64u

#define SRAT_FIRST 48u
#define MADT_FIRST 44u
#define SLIT_MATRIX 44u
#define STRUCTURE_HEAD 2u /* type, length */
/* The smallest structures of which anything is kept. */
#define SRAT_SMALLEST 16u
#define MADT_SMALLEST 8u

#define FLAG_ENABLED 1u
#define MEMORY_HOT_PLUGGABLE 2u
#define MEMORY_NON_VOLATILE 4u

#define INITIATOR_ACPI 0
#define INITIATOR_PCI 1

enum {
	SRAT_APIC = 0,
	SRAT_MEMORY = 1,
	SRAT_X2APIC = 2,
	SRAT_INITIATOR = 5,
	MADT_APIC = 0,
	MADT_X2APIC = 9,
};

struct processor {
	uint32_t node;    /* SRAT's */
	uint32_t apic_id;
	bool enabled;     /* MADT's: online from the start */
};

struct memory_range {
	uint32_t node;
	uint64_t base, last;
	uint32_t flags;
};

struct initiator {
	uint32_t node;
	char text[40];
};

/* All lists are sorted: by node (SRAT's), then by what they hold. */
struct numa {
	const struct guest_facts *facts;
	struct abi_entries *out;
	struct processor *near, *listed; /* SRAT's, MADT's */
	struct memory_range *memory;
	struct initiator *initiators;
	size_t near_count, listed_count, memory_count, initiator_count;
	bool srat, madt, cut;
	size_t contradictions;
};

static uint64_t field(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);
	return value;
}

/* The next structure of a table whose length is right; *at is the place of the one after it. */
static const uint8_t *structure_next(const struct acpi_table *table, size_t *at)
{
	const uint8_t *this = table->data + *at;
	size_t bytes;

	if (*at > table->bytes || table->bytes - *at < STRUCTURE_HEAD)
		return NULL;
	bytes = this[1];
	if (bytes < STRUCTURE_HEAD || bytes > table->bytes - *at)
		return NULL;
	*at += bytes;
	return this;
}

/* ---- reading */
static int contradict(struct numa *n, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int contradict(struct numa *n, const char *key, const char *format, ...)
{
	char name[64], value[128];
	va_list args;

	if (n->contradictions++ >= NUMA_CONTRADICTIONS_MAX)
		return 0;
	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(name, sizeof(name), "contradiction/%s", key);
	return entries_add(n->out, FACET_NUMA, name, value);
}

static void take_near(struct numa *n, uint32_t node, uint32_t apic_id)
{
	n->near[n->near_count++] = (struct processor){ .node = node, .apic_id = apic_id };
}

static int take_memory(struct numa *n, const uint8_t *s)
{
	uint64_t base = field(s + 8, 8), bytes = field(s + 16, 8);
	uint32_t flags = (uint32_t)field(s + 28, 4), node = (uint32_t)field(s + 2, 4);
	char key[48];

	if (!(flags & FLAG_ENABLED) || bytes == 0)
		return 0;
	if (base + (bytes - 1) < base) {
		snprintf(key, sizeof(key), "memory.0x%" PRIx64, base);
		return contradict(n, key, "srat=node%u size=0x%" PRIx64 " beyond the end of memory", node, bytes);
	}
	n->memory[n->memory_count++] = (struct memory_range){
		.node = node, .base = base, .last = base + (bytes - 1), .flags = flags & (MEMORY_HOT_PLUGGABLE | MEMORY_NON_VOLATILE),
	};
	return 0;
}

/* A device that reaches memory by itself. A PCI handle is segment, bus, device and function; bus numbers are placement. */
static void take_initiator(struct numa *n, const uint8_t *s)
{
	struct initiator *i = &n->initiators[n->initiator_count++];

	i->node = (uint32_t)field(s + 4, 4);
	if (s[3] == INITIATOR_PCI && s[10] == 0)
		snprintf(i->text, sizeof(i->text), "%04x:00:%02x.%x", (unsigned)field(s + 8, 2), s[11] >> 3, s[11] & 7u);
	else if (s[3] == INITIATOR_PCI)
		snprintf(i->text, sizeof(i->text), "%04x:*:%02x.%x", (unsigned)field(s + 8, 2), s[11] >> 3, s[11] & 7u);
	else if (s[3] == INITIATOR_ACPI)
		snprintf(i->text, sizeof(i->text), "%.8s:%08x", (const char *)s + 8, (unsigned)field(s + 16, 4));
	else
		snprintf(i->text, sizeof(i->text), "handle%u", s[3]);
}

static int take_affinity(struct numa *n, const uint8_t *s)
{
	unsigned type = s[0], bytes = s[1];

	if (type == SRAT_APIC && bytes >= 16 && s[4] & FLAG_ENABLED)
		take_near(n, s[2] | (uint32_t)field(s + 9, 3) << 8, s[3]);
	else if (type == SRAT_X2APIC && bytes >= 24 && s[12] & FLAG_ENABLED)
		take_near(n, (uint32_t)field(s + 4, 4), (uint32_t)field(s + 8, 4));
	else if (type == SRAT_MEMORY && bytes >= 40)
		return take_memory(n, s);
	else if (type == SRAT_INITIATOR && bytes >= 32 && s[24] & FLAG_ENABLED)
		take_initiator(n, s);
	return 0;
}

static int read_srat(struct numa *n)
{
	struct acpi_table table;
	size_t at = SRAT_FIRST, count = 0;
	const uint8_t *s;
	int r = 0;

	n->srat = acpi_table_find(n->facts, "SRAT", 0, &table);
	if (!n->srat)
		return 0;
	while (r >= 0 && (s = structure_next(&table, &at))) {
		if (count++ >= NUMA_ITEMS_MAX) {
			n->cut = true;
			break;
		}
		r = take_affinity(n, s);
	}
	return r;
}

static void read_madt(struct numa *n)
{
	struct acpi_table table;
	size_t at = MADT_FIRST, count = 0;
	const uint8_t *s;

	n->madt = acpi_table_find(n->facts, "APIC", 0, &table);
	while (n->madt && (s = structure_next(&table, &at))) {
		struct processor *p = &n->listed[n->listed_count];

		if (count++ >= NUMA_ITEMS_MAX) {
			n->cut = true;
			break;
		}
		if (s[0] == MADT_APIC && s[1] >= 8)
			*p = (struct processor){ .apic_id = s[3], .enabled = s[4] & FLAG_ENABLED };
		else if (s[0] == MADT_X2APIC && s[1] >= 16)
			*p = (struct processor){ .apic_id = (uint32_t)field(s + 4, 4), .enabled = s[8] & FLAG_ENABLED };
		else
			continue;
		n->listed_count++;
	}
}

static int order(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

static int by_processor(const void *va, const void *vb)
{
	const struct processor *a = va, *b = vb;
	int r = order(a->node, b->node);

	return r ? r : order(a->apic_id, b->apic_id);
}

static int by_range(const void *va, const void *vb)
{
	const struct memory_range *a = va, *b = vb;
	int r = order(a->node, b->node);

	r = r ? r : order(a->base, b->base);
	return r ? r : order(a->last, b->last);
}

static int by_initiator(const void *va, const void *vb)
{
	const struct initiator *a = va, *b = vb;
	int r = order(a->node, b->node);

	return r ? r : strcmp(a->text, b->text);
}

static void sort_lists(struct numa *n)
{
	qsort(n->near, n->near_count, sizeof(*n->near), by_processor);
	qsort(n->listed, n->listed_count, sizeof(*n->listed), by_processor);
	qsort(n->memory, n->memory_count, sizeof(*n->memory), by_range);
	qsort(n->initiators, n->initiator_count, sizeof(*n->initiators), by_initiator);
}

/* ---- nodes */
static int entry_of_node(struct numa *n, uint32_t node, const char *what, struct buffer *value)
{
	char key[48];
	int r = 0;

	if (buffer_failed(value))
		r = -ENOMEM;
	snprintf(key, sizeof(key), "node%u/%s", node, what);
	if (r == 0 && value->size)
		r = entries_add(n->out, FACET_NUMA, key, value->data);
	buffer_clear(value);
	return r;
}

/* Neighbours of one kind are joined: how many structures tell of a range is no part of the machine. */
static int add_node_memory(struct numa *n)
{
	struct buffer value = BUFFER_INIT;
	size_t end;
	int r = 0;

	for (size_t i = 0; i < n->memory_count && r >= 0; i = end) {
		struct memory_range range = n->memory[i];

		for (end = i + 1; end < n->memory_count && n->memory[end].node == range.node && n->memory[end].flags == range.flags &&
				  n->memory[end].base == range.last + 1; end++)
			range.last = n->memory[end].last;
		buffer_printf(&value, "%s0x%" PRIx64 "-0x%" PRIx64 "%s%s", value.size ? " " : "", range.base, range.last,
			      range.flags & MEMORY_HOT_PLUGGABLE ? ",hotpluggable" : "", range.flags & MEMORY_NON_VOLATILE ? ",nonvolatile" : "");
		if (end == n->memory_count || n->memory[end].node != range.node)
			r = entry_of_node(n, range.node, "memory", &value);
	}
	buffer_release(&value);
	return r;
}

static int add_node_processors(struct numa *n)
{
	struct buffer value = BUFFER_INIT;
	size_t end;
	int r = 0;

	for (size_t i = 0; i < n->near_count && r >= 0; i = end) {
		uint32_t first = n->near[i].apic_id, last = first, node = n->near[i].node;

		for (end = i + 1; end < n->near_count && n->near[end].node == node && n->near[end].apic_id - last <= 1; end++)
			last = n->near[end].apic_id;
		buffer_printf(&value, "%s%u", value.size ? " " : "", first);
		if (last != first)
			buffer_printf(&value, "-%u", last);
		if (end == n->near_count || n->near[end].node != node)
			r = entry_of_node(n, node, "cpus", &value);
	}
	buffer_release(&value);
	return r;
}

static int add_node_initiators(struct numa *n)
{
	struct buffer value = BUFFER_INIT;
	int r = 0;

	for (size_t i = 0; i < n->initiator_count && r >= 0; i++) {
		buffer_printf(&value, "%s%s", value.size ? " " : "", n->initiators[i].text);
		if (i + 1 == n->initiator_count || n->initiators[i + 1].node != n->initiators[i].node)
			r = entry_of_node(n, n->initiators[i].node, "initiators", &value);
	}
	buffer_release(&value);
	return r;
}

/* ---- distances */
static uint32_t highest_node(const struct numa *n)
{
	uint32_t highest = n->near_count ? n->near[n->near_count - 1].node : 0;

	if (n->memory_count && n->memory[n->memory_count - 1].node > highest)
		highest = n->memory[n->memory_count - 1].node;
	if (n->initiator_count && n->initiators[n->initiator_count - 1].node > highest)
		highest = n->initiators[n->initiator_count - 1].node;
	return highest;
}

static int add_distances(struct numa *n)
{
	struct acpi_table table;
	uint64_t nodes, told;
	char key[48];
	int r = 0;

	if (!acpi_table_find(n->facts, "SLIT", 0, &table))
		return 0;
	told = acpi_field(&table, 36, 8);
	nodes = told < NUMA_NODES_MAX ? told : NUMA_NODES_MAX;
	n->cut = n->cut || nodes < told;
	if (nodes && (table.bytes < SLIT_MATRIX || (table.bytes - SLIT_MATRIX) / nodes < told))
		return contradict(n, "slit", "localities=%" PRIu64 " bytes=%zu", told, table.bytes);
	for (uint64_t from = 0; from < nodes && r >= 0; from++)
		for (uint64_t to = 0; to < nodes && r >= 0; to++) {
			snprintf(key, sizeof(key), "distance/%" PRIu64 "/%" PRIu64, from, to);
			r = entries_addf(n->out, FACET_NUMA, key, "%u", table.data[SLIT_MATRIX + from * told + to]);
		}
	if (r >= 0 && !n->srat)
		r = contradict(n, "slit", "localities=%" PRIu64 " srat=absent", told);
	else if (r >= 0 && highest_node(n) >= told)
		r = contradict(n, "slit", "localities=%" PRIu64 " srat=node%u", told, highest_node(n));
	return r;
}

/* Two nodes at one address: whose is it? QEMU lists an NVDIMM, and around it the room for more memory, of the same node: no question. */
static int check_overlaps(struct numa *n)
{
	const struct memory_range *farthest = NULL;
	int r = 0;

	/* By address now: the flags have served, and make room for the node. */
	for (size_t i = 0; i < n->memory_count; i++) {
		n->memory[i].flags = n->memory[i].node;
		n->memory[i].node = 0;
	}
	qsort(n->memory, n->memory_count, sizeof(*n->memory), by_range);
	for (size_t i = 0; i < n->memory_count && r >= 0; i++) {
		const struct memory_range *m = &n->memory[i];
		char key[48];

		if (farthest && m->base <= farthest->last && m->flags != farthest->flags) {
			snprintf(key, sizeof(key), "memory.0x%" PRIx64, m->base);
			r = contradict(n, key, "srat=node%u srat=node%u", farthest->flags, m->flags);
		}
		if (!farthest || m->last > farthest->last)
			farthest = m;
	}
	return r;
}

/* ---- processors */
static const struct processor *listed_find(const struct numa *n, uint32_t apic_id)
{
	const struct processor key = { .apic_id = apic_id };

	return n->listed_count ? bsearch(&key, n->listed, n->listed_count, sizeof(*n->listed), by_processor) : NULL;
}

static bool is_near(const struct numa *n, uint32_t apic_id)
{
	for (size_t i = 0; i < n->near_count; i++)
		if (n->near[i].apic_id == apic_id)
			return true;
	return false;
}

static int check_processors(struct numa *n)
{
	char key[48];
	int r = 0;

	if (!n->madt)
		return 0;
	for (size_t i = 0; i < n->near_count && r >= 0; i++) {
		if (listed_find(n, n->near[i].apic_id))
			continue;
		snprintf(key, sizeof(key), "apic.%u", n->near[i].apic_id);
		r = contradict(n, key, "srat=node%u madt=absent", n->near[i].node);
	}
	for (size_t i = 0; i < n->listed_count && r >= 0 && n->srat && n->contradictions < NUMA_CONTRADICTIONS_MAX; i++) {
		if (!n->listed[i].enabled || is_near(n, n->listed[i].apic_id))
			continue;
		snprintf(key, sizeof(key), "apic.%u", n->listed[i].apic_id);
		r = contradict(n, key, "srat=absent madt=enabled");
	}
	return r;
}

/* A vCPU is there from the start or was plugged in: the table that its guest read has it either way. */
static int check_vcpus(struct numa *n)
{
	char key[48];
	int r = 0;

	for (size_t i = 0; n->madt && i < facts_cpuid_count(n->facts) && r >= 0; i++) {
		struct facts_cpuid cpuid;
		uint32_t apic_id;

		if (!facts_cpuid_get(n->facts, i, &cpuid) || !topology_apic_id(&cpuid, &apic_id) || listed_find(n, apic_id))
			continue;
		snprintf(key, sizeof(key), "vcpu.%u", cpuid.vcpu_id);
		r = contradict(n, key, "cpuid=apic.%u madt=absent", apic_id);
	}
	return r;
}

/* MADT is sorted by APIC id, so a package's processors follow each other. */
static int add_sockets(struct numa *n, const struct topology *t)
{
	unsigned sockets = 0, shift = t->package_shift < 32 ? t->package_shift : 31;
	size_t end;
	char key[48];
	int r = 0;

	for (size_t i = 0; i < n->listed_count && r >= 0; i = end) {
		uint32_t package = n->listed[i].apic_id >> shift;
		unsigned enabled = 0;

		for (end = i; end < n->listed_count && n->listed[end].apic_id >> shift == package; end++)
			enabled += n->listed[end].enabled;
		sockets += enabled > 0;
		if (enabled <= t->logical)
			continue;
		snprintf(key, sizeof(key), "package.%u", package);
		r = contradict(n, key, "cpuid=%u madt=%u", t->logical, enabled);
	}
	return r < 0 ? r : entries_addf(n->out, FACET_NUMA, "topology/sockets", "%u", sockets);
}

static int add_topology(struct numa *n, bool *ret_known)
{
	unsigned enabled = 0;
	struct topology t;
	int r = 0;

	for (size_t i = 0; i < n->listed_count; i++)
		enabled += n->listed[i].enabled;
	if (n->madt)
		r = entries_addf(n->out, FACET_NUMA, "topology/processors", "%u", enabled);
	if (r >= 0 && n->madt && n->listed_count != enabled)
		r = entries_addf(n->out, FACET_NUMA, "topology/processors_possible", "%zu", n->listed_count);
	*ret_known = topology_derive(n->facts, &t);
	if (r < 0 || !*ret_known)
		return r;
	r = entries_addf(n->out, FACET_NUMA, "topology/dies_per_socket", "%u", t.dies);
	if (r >= 0)
		r = entries_addf(n->out, FACET_NUMA, "topology/cores_per_die", "%u", t.cores);
	if (r >= 0)
		r = entries_addf(n->out, FACET_NUMA, "topology/threads_per_core", "%u", t.threads);
	if (r >= 0 && t.announced && t.announced < t.logical)
		r = contradict(n, "logical_processors", "leaf1=%u leaf%s=%u", t.announced, t.source, t.logical);
	return r >= 0 && n->madt ? add_sockets(n, &t) : r;
}

/* ---- all of it */
static int derive_all(struct numa *n, bool *ret_topology)
{
	int r = read_srat(n);

	if (r < 0)
		return r;
	read_madt(n);
	sort_lists(n);
	r = add_topology(n, ret_topology);
	if (r >= 0)
		r = add_node_memory(n);
	if (r >= 0)
		r = add_node_processors(n);
	if (r >= 0)
		r = add_node_initiators(n);
	if (r >= 0)
		r = add_distances(n);
	if (r >= 0)
		r = check_processors(n);
	if (r >= 0)
		r = check_vcpus(n);
	return r < 0 ? r : check_overlaps(n);
}

static int cover(const struct numa *n, bool topology, bool whole, const char *reason, size_t bytes)
{
	char more[160] = "";

	if (n->cut)
		snprintf(more, sizeof(more), "the tables hold more than %u structures or %u localities", NUMA_ITEMS_MAX, NUMA_NODES_MAX);
	else if (!topology)
		snprintf(more, sizeof(more), "the vCPUs' CPUID tables were not read");
	if (!whole || *more)
		return entries_cover(n->out, FACET_NUMA, COVERAGE_WITNESSED, "%.*s%s%s", (int)bytes, reason, bytes && *more ? "; " : "", more);
	if (n->contradictions)
		snprintf(more, sizeof(more), "contradictions between the guest's tables and CPUID: %zu", n->contradictions);
	return entries_cover(n->out, FACET_NUMA, COVERAGE_COMPLETE, "%.*s%s%s", (int)bytes, reason, bytes && *more ? "; " : "", more);
}

/* How many structures of a table are looked at, at most: it may hold that many of this size. */
static size_t items_of(const struct guest_facts *facts, const char *signature, size_t smallest)
{
	struct acpi_table table;
	size_t most = acpi_table_find(facts, signature, 0, &table) ? table.bytes / smallest : 0;

	return most < NUMA_ITEMS_MAX ? most : NUMA_ITEMS_MAX;
}

/* One more than there may be, for none is no size and a list's end is pointed to. -ENOMEM. */
static int lists_make(struct numa *n)
{
	size_t affinities = items_of(n->facts, "SRAT", SRAT_SMALLEST) + 1;

	n->near = malloc(affinities * sizeof(*n->near));
	n->memory = malloc(affinities * sizeof(*n->memory));
	n->initiators = malloc(affinities * sizeof(*n->initiators));
	n->listed = malloc((items_of(n->facts, "APIC", MADT_SMALLEST) + 1) * sizeof(*n->listed));
	return n->near && n->listed && n->memory && n->initiators ? 0 : -ENOMEM;
}

int numa_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	struct numa n = { .facts = facts, .out = out };
	struct acpi_table table;
	const char *reason;
	size_t bytes, cursor = 0;
	bool whole, topology = false;
	int r;

	if (!facts_area(facts, RECORD_AREA_ACPI, &whole, &reason, &bytes) || !acpi_table_next(facts, &cursor, &table))
		return facet_cover_area(facts, out, FACET_NUMA, RECORD_AREA_ACPI);
	r = lists_make(&n);
	if (r >= 0)
		r = derive_all(&n, &topology);
	if (r >= 0)
		r = cover(&n, topology, whole, reason, bytes);
	free(n.near);
	free(n.listed);
	free(n.memory);
	free(n.initiators);
	return r;
}
