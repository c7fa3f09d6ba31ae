/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A baseline learns what it did not know. Evidence never contradicts it: whatever both know and disagree about stays as the
 * baseline has it, with all that hangs on it:
 *   - a port or page that the baseline calls absent stays absent, though it answers now (within a boot that would be growth,
 *     between two it is drift), and one that lies in a window of PCI now is none of the baseline's;
 *   - a PCI function whose identity differs, or whose bus is behind another bridge now, gives nothing;
 *   - where a register was programmed to is one answer of the whole register.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts_internal.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/abi/windows.h"
#include "userspace/base/buffer.h"

enum {
	PCI_REG_BUS_NUMBERS = 0x18,
	NO_BRIDGE = -1,
};

/* Which bridge leads to a bus. */
struct buses {
	int bridge[PCI_BUSES];
};

static void buses_derive(const struct guest_facts *f, struct buses *ret)
{
	const struct record_fact *fact;
	size_t cursor = 0;
	uint8_t header;
	uint32_t now;

	for (size_t i = 0; i < PCI_BUSES; i++)
		ret->bridge[i] = NO_BRIDGE;
	while ((fact = facts_next(f, OBSERVE_PCI_PLACED, &cursor))) {
		uint16_t bdf = fact->key.selector & 0xffff;

		if (fact->key.selector >> 16 != PCI_REG_BUS_NUMBERS || !pci_header_type(f, bdf, &header) || header != 1)
			continue;
		if (pci_placed_now(f, bdf, PCI_REG_BUS_NUMBERS, &now) && now == fact->key.address && ((now >> 8) & 0xff))
			ret->bridge[(now >> 8) & 0xff] = bdf;
	}
}

static bool leads_somewhere(const struct buses *b, int bridge)
{
	for (size_t i = 0; i < PCI_BUSES; i++)
		if (b->bridge[i] == bridge)
			return true;
	return false;
}

/* Does a bus mean the same on both sides, or nothing yet to the baseline? */
static bool bus_agrees(const struct buses *known, const struct buses *now, unsigned bus)
{
	for (unsigned depth = 0; bus != 0 && depth < PCI_BUSES; depth++) {
		if (known->bridge[bus] == NO_BRIDGE && now->bridge[bus] == NO_BRIDGE)
			return true;
		if (known->bridge[bus] != now->bridge[bus] && (known->bridge[bus] != NO_BRIDGE || leads_somewhere(known, now->bridge[bus])))
			return false;
		bus = now->bridge[bus] >> 8;
	}
	return true;
}

static uint32_t bytes_mask(uint8_t known)
{
	uint32_t mask = 0;

	for (unsigned n = 0; n < 4; n++)
		if (known & (1 << n))
			mask |= 0xffu << (8 * n);
	return mask;
}

/* Same vendor and device as far as both know: also "not there" on both sides. */
static bool function_agrees(const struct guest_facts *known, const struct guest_facts *now, uint16_t bdf)
{
	const struct record_fact *a = facts_find(known, OBSERVE_PCI, bdf, PCI_REG_ID, 0);
	const struct record_fact *b = facts_find(now, OBSERVE_PCI, bdf, PCI_REG_ID, 0);

	if (pci_presence(known, bdf) == PCI_ABSENT && pci_presence(now, bdf) == PCI_PRESENT)
		return false;
	return !a || !b || ((a->value.data[0] ^ b->value.data[0]) & bytes_mask(a->value.known & b->value.known)) == 0;
}

struct merge {
	const struct guest_facts *now;
	struct guest_facts *known;
	const struct guest_facts *before; /* known as it was: what joins must not stop what joins next */
	struct windows windows, known_windows; /* of now, of before */
	struct buses known_buses, now_buses;
};

static bool placed_known(const struct guest_facts *f, uint32_t selector)
{
	const struct record_fact *fact;
	size_t cursor = 0;

	while ((fact = facts_next(f, OBSERVE_PCI_PLACED, &cursor)))
		if (fact->key.selector == selector)
			return true;
	return false;
}

/* Whatever BAR of `a` is there is at the same place in `b`. */
static bool bars_agree(const struct windows *a, const struct windows *b, bool io, uint64_t address, uint64_t bytes)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct pci_window *w = &a->items[i];
		uint64_t last = w->base + (w->bytes ? w->bytes - 1 : 0);
		bool found = false;

		if (w->kind == PCI_WINDOW_BRIDGE || w->io != io || address > last || address + (bytes - 1) < w->base)
			continue;
		for (size_t j = 0; j < b->count && !found; j++)
			found = b->items[j].bdf == w->bdf && b->items[j].reg == w->reg && b->items[j].base == w->base;
		if (!found)
			return false;
	}
	return true;
}

/* A register within a BAR belongs to whoever has the BAR there: another function, if BARs have moved. */
static bool register_agrees(const struct merge *m, const struct record_fact *fact)
{
	bool io = (fact->key.selector & 0xff) == OBSERVE_SPACE_PORT;
	uint64_t bytes = fact->key.width ? fact->key.width : 1;

	return bars_agree(&m->windows, &m->known_windows, io, fact->key.address, bytes) &&
	       bars_agree(&m->known_windows, &m->windows, io, fact->key.address, bytes);
}

/* May this fact of now, whose key the baseline lacks, join it? */
static bool may_join(const struct merge *m, const struct record_fact *fact)
{
	uint16_t bdf = fact->key.selector & 0xffff;

	switch (fact->key.kind) {
	case OBSERVE_PORT:
		return !windows_overlap(&m->windows, true, fact->key.selector, fact->key.width ? fact->key.width : 1);
	case OBSERVE_MMIO:
		return !windows_overlap(&m->windows, false, fact->key.address, OBSERVE_PAGE_BYTES);
	case OBSERVE_PCI_PLACED:
		if (placed_known(m->before, fact->key.selector))
			return false;
		/* fall through */
	case OBSERVE_PCI:
	case OBSERVE_PCI_SIZE:
		return bus_agrees(&m->known_buses, &m->now_buses, bdf >> 8) && function_agrees(m->before, m->now, bdf);
	case OBSERVE_REGISTER:
		return register_agrees(m, fact);
	case OBSERVE_PCI_ABSENT:
		return fact->key.selector < PCI_BUSES && bus_agrees(&m->known_buses, &m->now_buses, fact->key.selector);
	case OBSERVE_EJECT: /* tells of its own boot only */
		return false;
	default:
		return true;
	}
}

/* Bytes of fw_cfg that the baseline lacks, where the others are the same. */
static void learn_bytes(struct record_fact *held, const struct record_fact *fact)
{
	const struct observe_value *v = &fact->value;
	uint32_t more;

	for (unsigned n = 0; n < 2; n++)
		if ((held->value.data[n] ^ v->data[n]) & bytes_mask((held->value.known & v->known) >> 4 * n & 0xf))
			return;
	for (unsigned n = 0; n < 2; n++) {
		more = bytes_mask((v->known & ~held->value.known) >> 4 * n & 0xf);
		held->value.data[n] = (held->value.data[n] & ~more) | (v->data[n] & more);
	}
	held->value.known |= v->known;
}

/* What a fact that both have can still teach. */
static void learn(const struct merge *m, struct record_fact *held, const struct record_fact *fact)
{
	uint32_t common, more;

	switch (held->key.kind) {
	case OBSERVE_PORT:
	case OBSERVE_MMIO:
		if (fact_is_evidence(held) || !may_join(m, fact))
			return;
		if (fact_is_evidence(fact) || fact->value.all_ones > held->value.all_ones) {
			held->value.flags = fact->value.flags;
			held->value.all_ones = fact->value.all_ones;
		}
		return;
	case OBSERVE_PCI:
		if (!may_join(m, fact))
			return;
		common = bytes_mask(held->value.known & fact->value.known);
		if ((held->value.data[0] ^ fact->value.data[0]) & common)
			return;
		more = bytes_mask(fact->value.known & ~held->value.known);
		held->value.data[0] = (held->value.data[0] & ~more) | (fact->value.data[0] & more);
		held->value.known |= fact->value.known;
		return;
	case OBSERVE_PCI_ABSENT:
		/* Whoever has a fact of its own is told of by that. */
		if (may_join(m, fact))
			held->value.data[0] |= fact->value.data[0];
		return;
	case OBSERVE_FWCFG:
		learn_bytes(held, fact);
		return;
	case OBSERVE_PCI_SIZE:
		if ((held->value.flags & OBSERVE_SIZING) && !(fact->value.flags & OBSERVE_SIZING) && may_join(m, fact))
			held->value = fact->value;
		return;
	default:
		return;
	}
}

static int merge_facts(const struct merge *m)
{
	int r;

	for (size_t i = 0; i < m->now->count; i++) {
		struct record_fact fact = m->now->items[i];
		struct record_fact *held = facts_lookup(m->known, &fact.key);

		fact.value.boot = m->known->boot;
		if (held) {
			learn(m, held, &fact);
		} else if (may_join(m, &fact)) {
			r = facts_put(m->known, &fact, NULL);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* A facet that this host shows now is not blind any more. */
static int merge_coverage(struct guest_facts *known, const struct guest_facts *now)
{
	struct buffer body = BUFFER_INIT;
	const char *key, *value;
	size_t cursor = 0;
	int r;

	if (!known->coverage.known)
		return 0;
	while (record_pair_next(known->coverage.body, known->coverage.bytes, &cursor, &key, &value) > 0)
		if (facts_blind(now, key))
			record_pair_put(&body, key, value);
	r = buffer_failed(&body) ? -ENOMEM : facts_pairs_set(known, &known->coverage, body.data, body.size);
	buffer_release(&body);
	return r;
}

/* What could not be read before, or not as a whole. */
static int merge_area(struct guest_facts *known, const struct guest_facts *now, enum record_area area)
{
	const struct area *a = &now->areas[area];
	bool whole, known_whole = false;

	if (!facts_area(now, area, &whole, NULL, NULL) || (!whole && known->areas[area].known))
		return 0;
	facts_area(known, area, &known_whole, NULL, NULL);
	return known_whole ? 0 : facts_area_set(known, area, a->body, a->bytes, a->stamp);
}

static int merge_whole(struct guest_facts *known, const struct guest_facts *now)
{
	int r = 0;

	if (!known->vcpu_count)
		for (size_t i = 0; i < now->vcpu_count && r >= 0; i++)
			r = facts_vcpu_set(known, now->vcpus[i].vcpu_id, now->vcpus[i].ran, now->vcpus[i].entries, now->vcpus[i].count,
					   now->vcpus[i].stamp);
	if (r >= 0 && !known->slots_known && now->slots_known)
		r = facts_slots_set(known, now->slots, now->slot_count, now->slots_complete);
	for (size_t i = 1; i <= RECORD_AREA_LAST && r >= 0; i++)
		r = merge_area(known, now, (enum record_area)i);
	if (r >= 0 && !known->vm.known && now->vm.known)
		r = facts_pairs_set(known, &known->vm, now->vm.body, now->vm.bytes);
	if (r >= 0)
		r = merge_coverage(known, now);
	/* With all of a boot that was seen from its reset, the whole is known from there on. */
	if (r >= 0 && facts_from_reset(now) && !facts_skipped(now, FACTS_OF_PCI)) {
		known->from_reset = known->boot_known = true;
		known->boot = known->boot ? known->boot : 1;
	}
	return r;
}

int facts_merge(struct guest_facts *known, const struct guest_facts *now)
{
	struct merge m = { .known = known, .now = now, .windows = WINDOWS_INIT, .known_windows = WINDOWS_INIT };
	struct guest_facts *before = facts_clone(known);
	int r;

	if (!before)
		return -ENOMEM;
	/* What was doubtful in the one boot is known by another. */
	for (int d = 0; d < FACTS_DECODED; d++)
		if (!facts_skipped(now, d))
			known->skipped[d] = before->skipped[d] = 0;
	m.before = before;
	r = windows_derive(now, &m.windows);
	if (r >= 0)
		r = windows_derive(before, &m.known_windows);
	if (r >= 0) {
		buses_derive(before, &m.known_buses);
		buses_derive(now, &m.now_buses);
		r = merge_facts(&m);
	}
	if (r >= 0)
		r = merge_whole(known, now);
	windows_release(&m.windows);
	windows_release(&m.known_windows);
	facts_free(before);
	return r;
}
