/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memory a guest has, from the VM's memory slots. Slots are the VMM's way of cutting it: equal neighbours are joined, and
 * of the flags only read-only counts.
 *
 * A PC shows itself by slot boundaries from 0xA0000 to 0x100000, or by its host bridge. There 0xA0000 to 0xBFFFF (VGA window) comes and goes with the
 * video mode and is left out; 0xC0000 to 0xFFFFF is cut into RAM and ROM as option ROMs and shadowing want it, and is one entry
 * with what of it is covered. A slot in a BAR's range is placement.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/options.h"
#include "userspace/abi/windows.h"
#include "userspace/base/buffer.h"

#define KVM_SLOT_READ_ONLY (1u << 1)
/* Host bridges with switchable RAM below 1 MiB (PAM): device and vendor id as register 0 holds them. */
#define PCI_ID_I440FX 0x12378086u
#define PCI_ID_Q35 0x29c08086u
#define PC_VGA_WINDOW 0xa0000ull
#define PC_ROM_AREA 0xc0000ull
#define PC_LOW_END 0x100000ull
#define PC_CHIPSET_AREA 0xfec00000ull /* I/O APIC, TPM, local APIC, flash: fixed addresses up to 4 GiB */

struct range {
	uint64_t base, bytes;
	bool rom;
};

struct ranges {
	struct range *items; /* by base */
	size_t count;
};

struct memory {
	struct ranges memory, windows;
	uint64_t low_covered; /* bytes of 0xC0000 to 0xFFFFF; 0 where it is no PC */
	bool pc;
	bool guessed; /* windows were told from memory by where they lie */
};

/* Every slot adds at most two pieces: below and above a PC's low area. */
static void ranges_add(struct ranges *r, uint64_t base, uint64_t end, bool rom)
{
	struct range *last = r->count ? &r->items[r->count - 1] : NULL;

	if (base >= end)
		return;
	if (last && last->rom == rom && last->base + last->bytes == base)
		last->bytes += end - base;
	else
		r->items[r->count++] = (struct range){ .base = base, .bytes = end - base, .rom = rom };
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

static bool in_low_area(uint64_t address) { return address >= PC_VGA_WINDOW && address <= PC_LOW_END; }

/* While firmware has all of it unlocked the low area has no boundaries: then the host bridges with such an area tell a PC. */
static bool bridge_is_pc(const struct guest_facts *facts)
{
	const struct record_fact *id = facts_find(facts, OBSERVE_PCI, 0, 0, 0);

	return id && id->value.known == 0xf && (id->value.data[0] == PCI_ID_I440FX || id->value.data[0] == PCI_ID_Q35);
}

static bool slots_are_pc(const struct record_slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (in_low_area(slots[i].gpa) || in_low_area(slots[i].gpa + slots[i].bytes))
			return true;
	return false;
}

/*
 * Before firmware has locked anything, nor read the host bridge, a PC's low area looks like plain RAM: the VMM's command line
 * tells it. Of QEMU's machines with RAM there only microvm has no such area.
 */
static bool machine_is_pc(const struct guest_facts *facts)
{
	const char *kind = facts_vm(facts, "kind");
	struct buffer type = BUFFER_INIT;
	struct option option;
	size_t cursor = 0;
	bool pc;

	if (!kind || strcmp(kind, "qemu") != 0 || !facts_arg(facts, 0))
		return false;
	while (option_next(facts, &cursor, &option))
		if (strcmp(option.name, "machine") == 0 && option.value) {
			struct buffer given = BUFFER_INIT;

			/* Of several -machine the last one that names a type counts. */
			if (property_get(option.value, "type", true, &given)) {
				buffer_release(&type);
				type = given;
			}
		}
	pc = !type.data || strcmp(type.data, "microvm") != 0;
	buffer_release(&type);
	return pc;
}

static bool slots_cover_low_area(const struct record_slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slots[i].gpa <= PC_VGA_WINDOW && slots[i].gpa + slots[i].bytes >= PC_LOW_END)
			return true;
	return false;
}

static void take_slot(struct memory *m, const struct windows *known, const struct record_slot *slot)
{
	uint64_t base = slot->gpa, end = slot->gpa + slot->bytes;
	bool rom = slot->flags & KVM_SLOT_READ_ONLY;

	if (end <= base)
		return;
	if (windows_contain(known, false, base, slot->bytes)) {
		ranges_add(&m->windows, base, end, rom);
	} else if (!m->pc) {
		ranges_add(&m->memory, base, end, rom);
	} else {
		ranges_add(&m->memory, base, least(end, PC_VGA_WINDOW), rom);
		if (most(base, PC_ROM_AREA) < least(end, PC_LOW_END))
			m->low_covered += least(end, PC_LOW_END) - most(base, PC_ROM_AREA);
		ranges_add(&m->memory, most(base, PC_LOW_END), end, rom);
	}
}

/* Where a PC's RAM that begins at 1 MiB ends. 0: there is none. */
static uint64_t low_ram_end(const struct ranges *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		if (memory->items[i].base == PC_LOW_END && !memory->items[i].rom)
			return PC_LOW_END + memory->items[i].bytes;
	return 0;
}

/*
 * Where not every BAR of a PC was seen being programmed, what lies between RAM and the chipset's addresses is a BAR's: a
 * baseline made of a guest that ran before is then the same as after its next boot.
 */
static void guess_windows(struct memory *m)
{
	uint64_t top = low_ram_end(&m->memory);
	size_t kept = 0;

	for (size_t i = 0; i < m->memory.count; i++) {
		const struct range r = m->memory.items[i];

		if (top && r.base >= top && r.base + r.bytes <= PC_CHIPSET_AREA) {
			m->windows.items[m->windows.count++] = r;
			m->guessed = true;
		} else {
			m->memory.items[kept++] = r;
		}
	}
	m->memory.count = kept;
}

static int add_entries(const struct memory *m, struct abi_entries *out)
{
	char key[48];
	int r = 0;

	for (size_t i = 0; i < m->memory.count && r >= 0; i++) {
		const struct range *range = &m->memory.items[i];

		snprintf(key, sizeof(key), "0x%016" PRIx64, range->base);
		r = entries_addf(out, FACET_MEMORY, key, "size=0x%" PRIx64 " %s", range->bytes, range->rom ? "rom" : "ram");
	}
	if (r >= 0 && m->low_covered) {
		snprintf(key, sizeof(key), "0x%016llx", PC_ROM_AREA);
		r = entries_addf(out, FACET_MEMORY, key, "size=0x%" PRIx64, m->low_covered);
	}
	for (size_t i = 0; i < m->windows.count && r >= 0; i++) {
		const struct range *range = &m->windows.items[i];

		snprintf(key, sizeof(key), "window/0x%08" PRIx64, range->base);
		r = entries_addf(out, FACET_PLACEMENT, key, "size=0x%" PRIx64 " %s", range->bytes, range->rom ? "rom" : "ram");
	}
	return r;
}

static bool bar_seen(const struct windows *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->items[i].kind == PCI_WINDOW_BAR && !w->items[i].io)
			return true;
	return false;
}

static int derive_slots(const struct guest_facts *facts, const struct record_slot *slots, size_t count, struct memory *m)
{
	struct windows known = WINDOWS_INIT;
	int r;

	/* What is guessed joins the windows: they may become as many as all pieces. */
	m->memory.items = calloc(count * 2 + 1, sizeof(*m->memory.items));
	m->windows.items = calloc(count * 3 + 1, sizeof(*m->windows.items));
	if (!m->memory.items || !m->windows.items)
		return -ENOMEM;
	r = windows_derive(facts, &known);
	if (r < 0)
		return r;
	m->pc = slots_are_pc(slots, count) || bridge_is_pc(facts) || (slots_cover_low_area(slots, count) && machine_is_pc(facts));
	for (size_t i = 0; i < count; i++)
		take_slot(m, &known, &slots[i]);
	/* A guest that was seen from its reset has shown every BAR that it has, unless nothing shows them here. */
	if (m->pc && (!facts_from_reset(facts) || facts_skipped(facts, FACTS_OF_PCI) || (facts_blind(facts, "pci") && !bar_seen(&known))))
		guess_windows(m);
	windows_release(&known);
	return 0;
}

int memory_is_placement(const struct guest_facts *facts, uint64_t gpa, bool *ret)
{
	struct memory m = { .pc = false };
	const struct record_slot *slots;
	bool complete;
	size_t count;
	int r = 0;

	*ret = false;
	slots = facts_slots(facts, &count, &complete);
	if (slots)
		r = derive_slots(facts, slots, count, &m);
	for (size_t i = 0; r >= 0 && i < m.windows.count; i++)
		*ret = *ret || (gpa >= m.windows.items[i].base && gpa - m.windows.items[i].base < m.windows.items[i].bytes);
	free(m.memory.items);
	free(m.windows.items);
	return r;
}

int memory_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	struct memory m = { .pc = false };
	const char *blind = facts_blind(facts, "memory");
	const struct record_slot *slots;
	size_t count;
	bool complete;
	int r;

	slots = facts_slots(facts, &count, &complete);
	if (!slots)
		return entries_cover(out, FACET_MEMORY, COVERAGE_NONE, "%s", blind ? blind : "the guest's memory slots were not read yet");
	r = derive_slots(facts, slots, count, &m);
	/* Which slots are behind BARs can be told of a PC only. */
	if (r >= 0 && !m.pc && facts_skipped(facts, FACTS_OF_PCI)) {
		r = facet_cover_skipped(facts, out, FACET_MEMORY);
		goto out;
	}
	if (r >= 0)
		r = add_entries(&m, out);
	if (r >= 0 && !complete)
		r = entries_cover(out, FACET_MEMORY, COVERAGE_WITNESSED, "the list of memory slots was cut off or changed while it was read");
	else if (r >= 0)
		r = entries_cover(out, FACET_MEMORY, COVERAGE_COMPLETE, "%s",
				  m.guessed ? "the guest's BARs were not all seen: what lies between low RAM and 0xfec00000 is taken for placement" : "");
out:
	free(m.memory.items);
	free(m.windows.items);
	return r;
}
