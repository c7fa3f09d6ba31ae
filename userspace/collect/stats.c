/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/kernel.h"
#include "userspace/stream/record.h"

/* Facts of several classes are of one facet. */
static const struct { const char *facet; unsigned classes; } facets[] = {
	{ "cpuid", 1u << OBSERVE_CLASS_CPUID },
	{ "msr", 1u << OBSERVE_CLASS_MSR },
	{ "ports", 1u << OBSERVE_CLASS_PORT },
	{ "mmio", 1u << OBSERVE_CLASS_MMIO | 1u << OBSERVE_CLASS_REGISTER },
	{ "pci", 1u << OBSERVE_CLASS_PCI_HEADER | 1u << OBSERVE_CLASS_PCI_BODY | 1u << OBSERVE_CLASS_PCI_ABSENT },
	{ "placement", 1u << OBSERVE_CLASS_PCI_PLACED },
};

static const struct { const char *key; enum observe_counter counter; } counts[] = {
	{ "lost.ring", OBSERVE_COUNT_DROPPED }, { "lost.map", OBSERVE_COUNT_MAP_FULL },  { "lost.quota", OBSERVE_COUNT_OVERFLOW },
	{ "lost.vcpu", OBSERVE_COUNT_NO_VCPU }, { "overflow", OBSERVE_COUNT_OVERFLOW },
};

static void put(struct buffer *pairs, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	record_pair_put(pairs, key, text);
}

static void put_of(struct buffer *pairs, const char *kind, const char *name, const char *what, uint64_t value)
{
	char key[64];

	snprintf(key, sizeof(key), "%s.%s.%s", kind, name, what);
	put(pairs, key, value);
}

int stats_describe(struct kernel *k, const uint64_t counters[OBSERVE_COUNTERS], const struct kernel_missed *missed, struct buffer *pairs)
{
	struct kernel_runs runs[KERNEL_RUNS_MAX];
	struct kernel_map maps[KERNEL_MAPS];
	size_t count = kernel_runs(k, runs), filled = kernel_maps(k, maps) < 0 ? 0 : KERNEL_MAPS;
	char key[32];

	for (size_t i = 0; i < sizeof(facets) / sizeof(facets[0]); i++) {
		uint64_t facts = 0;

		for (unsigned class = 0; class < OBSERVE_CLASSES; class++)
			facts += facets[i].classes & 1u << class ? counters[OBSERVE_COUNT_FACTS + class] : 0;
		snprintf(key, sizeof(key), "facts.%s", facets[i].facet);
		put(pairs, key, facts);
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		put(pairs, counts[i].key, counters[counts[i].counter]);
	put(pairs, "lost.missed", missed->all);
	put(pairs, "skipped.decoded", missed->decoded);
	for (size_t i = 0; i < filled; i++) {
		put_of(pairs, "map", maps[i].name, "entries", maps[i].entries);
		put_of(pairs, "map", maps[i].name, "capacity", maps[i].capacity);
	}
	for (size_t i = 0; i < count; i++) {
		put_of(pairs, "program", runs[i].program, "runs", runs[i].runs);
		put_of(pairs, "program", runs[i].program, "ns", runs[i].ns);
	}
	return buffer_failed(pairs) ? -ENOMEM : 0;
}
