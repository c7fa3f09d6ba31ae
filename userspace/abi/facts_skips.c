/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel skipped. A BPF program that is interrupted by an event of its own kind does not run for that one (recursion_misses of
 * bpf_prog_info). Most facts are whole in one event: those that were skipped are only missing. The rest is made of several (an address is
 * written, its data read), and takes the wrong neighbour for what it is.
 */
#include "userspace/abi/facts_internal.h"

static const struct {
	enum observe_class class;
	unsigned facets; /* that are made of them, directly or by leaving out what lies behind BARs */
} decoded[FACTS_DECODED] = {
	[FACTS_OF_PCI] = { OBSERVE_CLASS_PCI_HEADER, 1u << FACET_PCI | 1u << FACET_PLACEMENT | 1u << FACET_PORTS | 1u << FACET_MMIO | 1u << FACET_MEMORY |
						     1u << FACET_FIRMWARE | 1u << FACET_IDENTITY },
	[FACTS_OF_REGISTERS] = { OBSERVE_CLASS_REGISTER, 1u << FACET_PORTS | 1u << FACET_MMIO | 1u << FACET_IDENTITY },
};

enum facts_decoded facts_decoded_of(enum observe_kind kind)
{
	switch (kind) {
	case OBSERVE_PCI:
	case OBSERVE_PCI_SIZE:
	case OBSERVE_PCI_PLACED:
	case OBSERVE_PCI_ABSENT:
		return FACTS_OF_PCI;
	case OBSERVE_REGISTER:
	case OBSERVE_FWCFG:
		return FACTS_OF_REGISTERS;
	default:
		return FACTS_DECODED;
	}
}

enum observe_class facts_decoded_class(enum facts_decoded d) { return decoded[d].class; }

uint64_t facts_skipped(const struct guest_facts *f, enum facts_decoded d) { return f->skipped[d]; }

bool fact_is_skipped(const struct guest_facts *f, const struct record_fact *fact)
{
	enum facts_decoded d = facts_decoded_of(fact->key.kind);

	return d < FACTS_DECODED && f->skipped[d];
}

void facts_skip(struct guest_facts *f, enum facts_decoded d, uint64_t events, unsigned *news)
{
	if (events <= f->skipped[d])
		return;
	f->skipped[d] = events;
	*news |= decoded[d].facets;
	facts_drop(f, fact_is_skipped);
}
