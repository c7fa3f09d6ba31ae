/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "userspace/abi/facts.h"
#include "userspace/abi/windows.h"

enum {
	PCI_REG_HEADER = 0x0c, /* header type is byte 2 */
	PCI_REG_BAR0 = 0x10,
	PCI_REG_BRIDGE_IO = 0x1c,
	PCI_REG_BRIDGE_MEM = 0x20,
	PCI_REG_BRIDGE_PREF = 0x24,
	PCI_REG_BRIDGE_PREF_BASE_UPPER = 0x28,
	PCI_REG_BRIDGE_PREF_LIMIT_UPPER = 0x2c,
	PCI_REG_BRIDGE_IO_UPPER = 0x30,
	PCI_REG_ROM = 0x30,
	PCI_REG_BRIDGE_ROM = 0x38,
	PCI_HEADER_BRIDGE = 1,
	PCI_HEADER_CARDBUS = 2,
	PCI_HEADER_UNKNOWN = 0xff,
	PCI_DWORD_KNOWN = 0xf,
};

#define PCI_BAR_IO_MASK 0xfffffffcu
#define PCI_BAR_MEM_MASK 0xfffffff0u
#define PCI_ROM_MASK 0xfffff800u
#define PCI_ALL_ONES 0xffffffffu
#define IO_SPACE_MASK 0xffffu
#define FOUR_GIB (1ull << 32)

/* All that one register of one function was programmed to; the newest is the last. */
struct places {
	uint32_t dwords[8]; /* of more, the newest */
	size_t count;
};

static uint16_t placed_bdf(const struct record_fact *fact) { return fact->key.selector & 0xffff; }
static uint16_t placed_reg(const struct record_fact *fact) { return fact->key.selector >> 16; }

static int by_age(const struct record_fact *a, const struct record_fact *b)
{
	if (a->value.changed_ns != b->value.changed_ns)
		return a->value.changed_ns < b->value.changed_ns ? -1 : 1;
	return a->key.address < b->key.address ? -1 : a->key.address > b->key.address;
}

static int by_place(const void *va, const void *vb)
{
	const struct record_fact *a = *(const struct record_fact *const *)va, *b = *(const struct record_fact *const *)vb;

	if (placed_bdf(a) != placed_bdf(b))
		return placed_bdf(a) < placed_bdf(b) ? -1 : 1;
	if (placed_reg(a) != placed_reg(b))
		return placed_reg(a) < placed_reg(b) ? -1 : 1;
	return by_age(a, b);
}

void windows_release(struct windows *w)
{
	if (!w)
		return;
	free(w->items);
	*w = (struct windows)WINDOWS_INIT;
}

bool pci_placed_now(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, uint32_t *ret)
{
	const struct record_fact *fact, *newest = NULL;
	size_t cursor = 0;

	while ((fact = facts_next(facts, OBSERVE_PCI_PLACED, &cursor)))
		if (placed_bdf(fact) == bdf && placed_reg(fact) == reg && (!newest || by_age(fact, newest) > 0))
			newest = fact;
	if (newest)
		*ret = (uint32_t)newest->key.address;
	return newest;
}

bool pci_header_type(const struct guest_facts *facts, uint16_t bdf, uint8_t *ret)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_PCI, bdf, PCI_REG_HEADER, 0);

	if (!fact || !(fact->value.known & (1 << 2)))
		return false;
	*ret = (fact->value.data[0] >> 16) & 0x7f;
	return true;
}

struct pci_bar pci_bar_decode(uint32_t mask, uint32_t upper, bool rom)
{
	struct pci_bar bar = { .kind = PCI_BAR_NONE };
	uint32_t address_bits;

	/* All ones is what a function that is not there answers. */
	if (mask == 0 || mask == PCI_ALL_ONES)
		return bar;
	if (rom) {
		address_bits = mask & PCI_ROM_MASK;
		bar.bytes = address_bits ? (uint32_t)(~address_bits + 1) : 0;
		bar.kind = bar.bytes ? PCI_BAR_ROM : PCI_BAR_NONE;
	} else if (mask & 1) {
		address_bits = mask & PCI_BAR_IO_MASK;
		if (!(address_bits >> 16) && address_bits)
			address_bits |= ~IO_SPACE_MASK;
		bar.bytes = address_bits ? (uint32_t)(~address_bits + 1) : 0;
		bar.kind = bar.bytes ? PCI_BAR_IO : PCI_BAR_NONE;
	} else if (((mask >> 1) & 3) == 2) {
		uint64_t wide = (uint64_t)upper << 32 | (mask & PCI_BAR_MEM_MASK);

		bar.bytes = wide ? ~wide + 1 : 0;
		bar.kind = bar.bytes ? PCI_BAR_MEM64 : PCI_BAR_NONE;
		bar.prefetchable = mask & 8;
	} else {
		address_bits = mask & PCI_BAR_MEM_MASK;
		bar.bytes = address_bits ? (uint32_t)(~address_bits + 1) : 0;
		bar.kind = bar.bytes ? PCI_BAR_MEM32 : PCI_BAR_NONE;
		bar.prefetchable = mask & 8;
	}
	return bar;
}

/* The answer to the all-ones write; false while it has not been read. */
static bool size_answer(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, uint32_t *ret)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_PCI_SIZE, bdf, reg, 0);

	if (!fact || (fact->value.known && fact->value.known != PCI_DWORD_KNOWN))
		return false;
	/* Being sized again: the last answer is still the register's, no answer is none. */
	if ((fact->value.flags & OBSERVE_SIZING) && !fact->value.data[0])
		return false;
	*ret = fact->value.data[0];
	return true;
}

bool pci_bar_get(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, bool rom, struct pci_bar *ret)
{
	uint32_t mask, upper = PCI_ALL_ONES;

	if (!size_answer(facts, bdf, reg, &mask))
		return false;
	if (!rom && !(mask & 1) && ((mask >> 1) & 3) == 2)
		(void)size_answer(facts, bdf, reg + 4, &upper);
	*ret = pci_bar_decode(mask, upper, rom);
	return true;
}

static int windows_add(struct windows *w, const struct pci_window *window)
{
	struct pci_window *items;
	size_t room;

	if (window->base == 0 || w->count >= WINDOWS_MAX)
		return 0;
	if (w->count == w->room) {
		room = w->room ? w->room * 2 : 32;
		items = realloc(w->items, room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		w->items = items;
		w->room = room;
	}
	w->items[w->count++] = *window;
	return 0;
}

/* One function's placed facts: a run of a list sorted by_place. */
struct function {
	const struct guest_facts *facts;
	const struct record_fact **placed;
	size_t count;
	uint16_t bdf;
	uint8_t header;
};

static struct places places_of(const struct function *fn, uint16_t reg)
{
	struct places p = { .count = 0 };
	const size_t max = sizeof(p.dwords) / sizeof(p.dwords[0]);
	size_t first = 0, end, i;

	while (first < fn->count && placed_reg(fn->placed[first]) < reg)
		first++;
	for (end = first; end < fn->count && placed_reg(fn->placed[end]) == reg; end++)
		;
	for (i = end - first > max ? end - max : first; i < end; i++)
		p.dwords[p.count++] = (uint32_t)fn->placed[i]->key.address;
	return p;
}

/* 0: no place. All address bits set is somebody sizing, not placing. */
static uint64_t bar_base(const struct pci_bar *bar, uint32_t low, uint32_t high)
{
	uint64_t base;

	switch (bar->kind) {
	case PCI_BAR_IO:
		base = low & PCI_BAR_IO_MASK & IO_SPACE_MASK;
		if (base == (PCI_BAR_IO_MASK & IO_SPACE_MASK) && bar->bytes > 4)
			return 0;
		break;
	case PCI_BAR_ROM:
		base = low & PCI_ROM_MASK;
		if (base == PCI_ROM_MASK && bar->bytes > 2048)
			return 0;
		break;
	case PCI_BAR_MEM64:
		if (high == PCI_ALL_ONES)
			return 0;
		/* fall through */
	case PCI_BAR_MEM32:
		base = low & PCI_BAR_MEM_MASK;
		if (base == PCI_BAR_MEM_MASK && bar->bytes > 16)
			return 0;
		base |= (uint64_t)high << 32;
		break;
	default:
		return 0;
	}
	return base & ~(bar->bytes - 1);
}

static int add_bar(struct windows *w, const struct function *fn, uint16_t reg, const struct pci_bar *bar)
{
	struct places low = places_of(fn, reg), high = { .dwords = { 0 }, .count = 1 };
	struct pci_window window = { .bdf = fn->bdf, .reg = reg, .bytes = bar->bytes, .io = bar->kind == PCI_BAR_IO };
	int r;

	window.kind = bar->kind == PCI_BAR_ROM ? PCI_WINDOW_ROM : PCI_WINDOW_BAR;
	if (bar->kind == PCI_BAR_MEM64) {
		high = places_of(fn, reg + 4);
		if (!high.count)
			high.count = 1; /* never programmed: the zero it has */
	}
	for (size_t i = 0; i < low.count; i++)
		for (size_t j = 0; j < high.count; j++) {
			window.base = bar_base(bar, low.dwords[i], high.dwords[j]);
			window.current = i + 1 == low.count && j + 1 == high.count;
			r = windows_add(w, &window);
			if (r < 0)
				return r;
		}
	return 0;
}

/* Programmed, but its sizing was before our time: only its beginning is known. Below 64 KiB it can only be I/O. */
static int add_unsized(struct windows *w, const struct function *fn, uint16_t reg, bool rom)
{
	struct places p = places_of(fn, reg);
	struct pci_window window = { .bdf = fn->bdf, .reg = reg, .kind = rom ? PCI_WINDOW_ROM : PCI_WINDOW_BAR };
	int r;

	for (size_t i = 0; i < p.count; i++) {
		window.io = !rom && p.dwords[i] <= IO_SPACE_MASK;
		window.base = p.dwords[i] & (rom ? PCI_ROM_MASK : window.io ? PCI_BAR_IO_MASK : PCI_BAR_MEM_MASK);
		window.current = i + 1 == p.count;
		if (p.dwords[i] == PCI_ALL_ONES)
			continue;
		r = windows_add(w, &window);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_bars(struct windows *w, const struct function *fn)
{
	uint16_t rom = fn->header == PCI_HEADER_BRIDGE ? PCI_REG_BRIDGE_ROM : PCI_REG_ROM;
	unsigned bars = fn->header == PCI_HEADER_BRIDGE ? 2 : fn->header == PCI_HEADER_CARDBUS ? 1 : 6;
	struct pci_bar bar;
	int r;

	for (unsigned n = 0; n < bars; n++) {
		uint16_t reg = PCI_REG_BAR0 + 4 * n;

		if (pci_bar_get(fn->facts, fn->bdf, reg, false, &bar)) {
			r = add_bar(w, fn, reg, &bar);
			if (bar.kind == PCI_BAR_MEM64)
				n++;
		} else if (fn->header != PCI_HEADER_UNKNOWN || n < 2) {
			r = add_unsized(w, fn, reg, false);
		} else {
			r = 0; /* may be a bridge's bus numbers */
		}
		if (r < 0)
			return r;
	}
	if (fn->header == PCI_HEADER_CARDBUS)
		return 0;
	if (pci_bar_get(fn->facts, fn->bdf, rom, true, &bar))
		return add_bar(w, fn, rom, &bar);
	return fn->header == PCI_HEADER_UNKNOWN ? 0 : add_unsized(w, fn, rom, true);
}

static int add_range(struct windows *w, const struct function *fn, uint16_t reg, bool io, bool current, uint64_t base, uint64_t limit)
{
	struct pci_window window = {
		.base = base, .bytes = limit - base + 1, .bdf = fn->bdf, .reg = reg, .kind = PCI_WINDOW_BRIDGE, .io = io, .current = current,
	};

	/* Closed, or half-way through being programmed. */
	if (base > limit || (base < FOUR_GIB && limit >= FOUR_GIB))
		return 0;
	return windows_add(w, &window);
}

/*
 * Base and limit are programmed by several writes. The newest of each are the window; of the older ones only those are
 * combined that agree in their upper half, or half-programmed windows would cover what was never theirs.
 */
static int add_bridge_pref(struct windows *w, const struct function *fn)
{
	struct places low = places_of(fn, PCI_REG_BRIDGE_PREF);
	struct places base = places_of(fn, PCI_REG_BRIDGE_PREF_BASE_UPPER), limit = places_of(fn, PCI_REG_BRIDGE_PREF_LIMIT_UPPER);
	int r = 0;

	base.count = base.count ? base.count : 1;
	limit.count = limit.count ? limit.count : 1;
	for (size_t i = 0; i < low.count && r == 0; i++) {
		uint64_t from = (uint64_t)(low.dwords[i] & 0xfff0) << 16, to = (low.dwords[i] & 0xfff00000u) | 0xfffff;

		for (size_t j = 0; j < base.count && r == 0; j++)
			for (size_t k = 0; k < limit.count && r == 0; k++) {
				bool current = i + 1 == low.count && j + 1 == base.count && k + 1 == limit.count;

				if (current || base.dwords[j] == limit.dwords[k])
					r = add_range(w, fn, PCI_REG_BRIDGE_PREF, false, current, (uint64_t)base.dwords[j] << 32 | from,
						      (uint64_t)limit.dwords[k] << 32 | to);
			}
	}
	return r;
}

static int add_bridge_windows(struct windows *w, const struct function *fn)
{
	struct places io = places_of(fn, PCI_REG_BRIDGE_IO), mem = places_of(fn, PCI_REG_BRIDGE_MEM);
	int r = 0;

	/* I/O above 64 KiB does not exist on x86: the upper halves say nothing. */
	for (size_t i = 0; i < io.count && r == 0; i++)
		r = add_range(w, fn, PCI_REG_BRIDGE_IO, true, i + 1 == io.count, (io.dwords[i] & 0xf0) << 8,
			      (io.dwords[i] & 0xf000) | 0xfff);
	for (size_t i = 0; i < mem.count && r == 0; i++)
		r = add_range(w, fn, PCI_REG_BRIDGE_MEM, false, i + 1 == mem.count, (uint64_t)(mem.dwords[i] & 0xfff0) << 16,
			      (mem.dwords[i] & 0xfff00000u) | 0xfffff);
	return r < 0 ? r : add_bridge_pref(w, fn);
}

static int by_window(const void *va, const void *vb)
{
	const struct pci_window *a = va, *b = vb;

	if (a->bdf != b->bdf)
		return a->bdf < b->bdf ? -1 : 1;
	if (a->reg != b->reg)
		return a->reg < b->reg ? -1 : 1;
	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return (int)b->current - (int)a->current;
}

static void windows_settle(struct windows *w)
{
	size_t kept = 0;

	if (w->count)
		qsort(w->items, w->count, sizeof(*w->items), by_window);
	for (size_t i = 0; i < w->count; i++) {
		const struct pci_window *last = kept ? &w->items[kept - 1] : NULL;

		if (last && last->bdf == w->items[i].bdf && last->reg == w->items[i].reg && last->base == w->items[i].base &&
		    last->bytes == w->items[i].bytes)
			continue;
		w->items[kept++] = w->items[i];
	}
	w->count = kept;
}

/* All placed facts, by function, register and age. *ret is the caller's to free. */
static int placed_list(const struct guest_facts *facts, const struct record_fact ***ret, size_t *ret_count)
{
	const struct record_fact *fact, **list;
	size_t cursor = 0, count = 0;

	while (facts_next(facts, OBSERVE_PCI_PLACED, &cursor))
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (cursor = 0, count = 0; (fact = facts_next(facts, OBSERVE_PCI_PLACED, &cursor));)
		list[count++] = fact;
	qsort(list, count, sizeof(*list), by_place);
	*ret = list;
	*ret_count = count;
	return 0;
}

int windows_derive(const struct guest_facts *facts, struct windows *ret)
{
	struct windows w = WINDOWS_INIT;
	const struct record_fact **placed;
	size_t count, end;
	int r;

	r = placed_list(facts, &placed, &count);
	if (r < 0)
		return r;
	for (size_t first = 0; first < count && r >= 0; first = end) {
		struct function fn = { .facts = facts, .placed = placed + first, .bdf = placed_bdf(placed[first]) };

		for (end = first; end < count && placed_bdf(placed[end]) == fn.bdf; end++)
			;
		fn.count = end - first;
		if (!pci_header_type(facts, fn.bdf, &fn.header))
			fn.header = PCI_HEADER_UNKNOWN;
		r = add_bars(&w, &fn);
		if (r >= 0 && fn.header == PCI_HEADER_BRIDGE)
			r = add_bridge_windows(&w, &fn);
	}
	free(placed);
	if (r < 0) {
		windows_release(&w);
		return r;
	}
	windows_settle(&w);
	*ret = w;
	return 0;
}

bool windows_overlap(const struct windows *w, bool io, uint64_t base, uint64_t bytes)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct pci_window *window = &w->items[i];
		uint64_t last = window->base + (window->bytes ? window->bytes - 1 : 0);

		if (window->io == io && base <= last && base + (bytes - 1) >= window->base)
			return true;
	}
	return false;
}

bool windows_contain(const struct windows *w, bool io, uint64_t base, uint64_t bytes)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct pci_window *window = &w->items[i];

		if (window->io != io || base < window->base)
			continue;
		if (window->bytes ? base - window->base < window->bytes && bytes <= window->bytes - (base - window->base)
				  : base == window->base)
			return true;
	}
	return false;
}
