/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address ranges that belong to PCI: everywhere that BARs, ROMs and bridge windows of a guest were programmed to in this boot.
 * What lies inside is described by the function it belongs to, so ports, mmio and memory leave it out.
 *
 * Source: PCI Local Bus 3.0, 6.2.5 (BARs, ROM); PCI-to-PCI Bridge 1.2, 3.2.5 (windows).
 */
#ifndef ABIDRIFT_ABI_WINDOWS_H
#define ABIDRIFT_ABI_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_facts;

enum pci_bar_kind {
	PCI_BAR_NONE, /* not implemented */
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64,
	PCI_BAR_ROM,
	PCI_BAR_UPPER, /* the upper half of the 64-bit BAR before it */
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	uint64_t bytes; /* 0: not implemented */
};

enum pci_window_kind {
	PCI_WINDOW_BAR,
	PCI_WINDOW_ROM,
	PCI_WINDOW_BRIDGE,
};

struct pci_window {
	uint64_t base;  /* never 0 */
	uint64_t bytes; /* 0: the size was not seen */
	uint16_t bdf;
	uint16_t reg;   /* the (lower) register that says so: 0x10…0x24 BAR, 0x30 or 0x38 ROM, 0x1c 0x20 0x24 bridge I/O, memory, prefetchable */
	enum pci_window_kind kind;
	bool io;
	bool current;   /* where it is now; otherwise where it was before in this boot */
};

struct windows {
	struct pci_window *items; /* by bdf, reg, base; no duplicates */
	size_t count;
	size_t room;
};

#define WINDOWS_INIT { 0 }
#define WINDOWS_MAX 4096 /* a guest may move a BAR for ever; further places are left out */

void windows_release(struct windows *w);
/* *ret is overwritten. -ENOMEM. */
int windows_derive(const struct guest_facts *facts, struct windows *ret);
/* Does any byte of [base, base + bytes) belong to a window? */
bool windows_overlap(const struct windows *w, bool io, uint64_t base, uint64_t bytes);
/* Does [base, base + bytes) lie within one window, or begin where one of unknown size does? */
bool windows_contain(const struct windows *w, bool io, uint64_t base, uint64_t bytes);

/*
 * A BAR or ROM register's kind and size, from its answer to an all-ones write; `upper` is the next register's answer (64-bit
 * BARs; all ones where it was not seen).
 */
struct pci_bar pci_bar_decode(uint32_t mask, uint32_t upper, bool rom);
/* The same from a function's facts. false: its sizing was not seen. */
bool pci_bar_get(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, bool rom, struct pci_bar *ret);
/* Where a register of a function points now: the dword last programmed. false: never programmed. */
bool pci_placed_now(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, uint32_t *ret);
/* Header type without the multifunction bit (0 = device, 1 = bridge). false: was not read. */
bool pci_header_type(const struct guest_facts *facts, uint16_t bdf, uint8_t *ret);

#endif
