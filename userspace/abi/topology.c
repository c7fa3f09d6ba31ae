/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/topology.h"

#include <stddef.h>

#include "userspace/abi/facts.h"

#define INDEX_SIGNIFICANT 1u
#define LEVELS_MAX 8u

enum { EAX, EBX, ECX, EDX };

enum {
	LEAF_FEATURES = 0x1,
	LEAF_CACHES = 0x4,
	LEAF_TOPOLOGY = 0xb,
	LEAF_TOPOLOGY_V2 = 0x1f,
};

#define LEAF_EXTENDED_FEATURES 0x80000001u
#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF_PROCESSOR_TOPOLOGY 0x8000001eu

#define LEVEL_THREAD 1u
#define LEVEL_DIE 5u
#define FEATURE_EDX_HTT (1u << 28)
#define EXTENDED_ECX_TOPOEXT (1u << 22)

/* KVM answers with the first entry that fits. */
static const uint32_t *leaf(const struct facts_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++) {
		const struct inventory_cpuid_entry *e = &cpuid->entries[i];

		if (e->function == function && (e->index == index || !(e->flags & INDEX_SIGNIFICANT)))
			return e->regs;
	}
	return NULL;
}

static unsigned bits_for(unsigned count)
{
	unsigned bits = 0;

	while (bits < 31 && 1u << bits < count)
		bits++;
	return bits;
}

static unsigned at_least_one(unsigned n) { return n ? n : 1; }

/* Every level tells how many processors there are in one of the next level; the last, in a socket. */
static bool by_levels(const struct facts_cpuid *cpuid, uint32_t function, struct topology *t)
{
	unsigned below_die = 0, before = 0;
	const uint32_t *regs;

	for (uint32_t n = 0; n < LEVELS_MAX && (regs = leaf(cpuid, function, n)); n++) {
		unsigned type = regs[ECX] >> 8 & 0xff, count = regs[EBX] & 0xffff;

		if (type == 0 || count == 0)
			break;
		if (type == LEVEL_THREAD)
			t->threads = count;
		if (type == LEVEL_DIE)
			below_die = before;
		before = t->logical = count;
		t->package_shift = regs[EAX] & 0x1f;
	}
	if (!before)
		return false;
	t->dies = below_die ? at_least_one(t->logical / below_die) : 1;
	t->cores = at_least_one(t->logical / t->dies / t->threads);
	t->source = function == LEAF_TOPOLOGY ? "0xb" : "0x1f";
	return true;
}

static bool by_amd(const struct facts_cpuid *cpuid, struct topology *t)
{
	const uint32_t *sizes = leaf(cpuid, LEAF_ADDRESS_SIZES, 0), *features = leaf(cpuid, LEAF_EXTENDED_FEATURES, 0);
	const uint32_t *units = leaf(cpuid, LEAF_PROCESSOR_TOPOLOGY, 0);

	/* Zero is what Intel has there, and AMD with one core. */
	if (!sizes || sizes[ECX] == 0)
		return false;
	t->logical = (sizes[ECX] & 0xff) + 1;
	t->package_shift = sizes[ECX] >> 12 & 0xf ? sizes[ECX] >> 12 & 0xf : bits_for(t->logical);
	if (features && features[ECX] & EXTENDED_ECX_TOPOEXT && units)
		t->threads = (units[EBX] >> 8 & 0xff) + 1;
	t->cores = at_least_one(t->logical / t->threads);
	t->source = "0x80000008";
	return true;
}

static void by_intel(const struct facts_cpuid *cpuid, struct topology *t)
{
	const uint32_t *caches = leaf(cpuid, LEAF_CACHES, 0);

	t->logical = at_least_one(t->announced);
	t->package_shift = bits_for(t->logical);
	t->cores = t->logical;
	if (caches && caches[EAX] & 0x1f) {
		unsigned cores = (caches[EAX] >> 26) + 1;

		t->cores = cores < t->logical ? cores : t->logical;
	}
	t->threads = at_least_one(t->logical / at_least_one(t->cores));
	t->source = "0x1";
}

bool topology_derive(const struct guest_facts *facts, struct topology *ret)
{
	struct topology t = { .threads = 1, .cores = 1, .dies = 1, .logical = 1 };
	struct facts_cpuid cpuid;
	const uint32_t *features;

	if (!facts_cpuid_get(facts, 0, &cpuid))
		return false;
	features = leaf(&cpuid, LEAF_FEATURES, 0);
	if (!features)
		return false;
	if (features[EDX] & FEATURE_EDX_HTT)
		t.announced = features[EBX] >> 16 & 0xff;
	if (!by_levels(&cpuid, LEAF_TOPOLOGY_V2, &t) && !by_levels(&cpuid, LEAF_TOPOLOGY, &t) && !by_amd(&cpuid, &t))
		by_intel(&cpuid, &t);
	*ret = t;
	return true;
}

bool topology_apic_id(const struct facts_cpuid *cpuid, uint32_t *ret)
{
	const uint32_t *regs;

	for (uint32_t function = LEAF_TOPOLOGY_V2;; function = LEAF_TOPOLOGY) {
		regs = leaf(cpuid, function, 0);
		if (regs && regs[EBX] & 0xffff) {
			*ret = regs[EDX];
			return true;
		}
		if (function == LEAF_TOPOLOGY)
			break;
	}
	regs = leaf(cpuid, LEAF_FEATURES, 0);
	if (regs)
		*ret = regs[EBX] >> 24;
	return regs;
}
