/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the PCI functions of a guest are: from the root bus down, through bridges. Bus numbers are handed out by firmware and
 * move when a bridge is added elsewhere, so a function is named by its path: `0000:00:03.0` on the root bus,
 * `0000:00:04.0/00.0` behind the bridge 00:04.0. A bus that answers though no bridge was ever given its number, in a boot that
 * was seen from its reset, is another root bus (QEMU's pxb), whose number the machine's definition says: `0000:80:02.0`.
 *
 * Sources: PCI Local Bus 3.0, chapter 6; PCI-to-PCI Bridge 1.2, 3.2.5.
 */
#ifndef ABIDRIFT_ABI_PCI_TREE_H
#define ABIDRIFT_ABI_PCI_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_facts;

#define PCI_REG_ID 0x00
#define PCI_REG_STATUS 0x04 /* the upper half of the dword; only "has capabilities" is kept */
#define PCI_REG_CLASS 0x08
#define PCI_REG_HEADER 0x0c
#define PCI_REG_BAR0 0x10
#define PCI_REG_BUSES 0x18
#define PCI_REG_SUBSYSTEM 0x2c
#define PCI_REG_ROM 0x30
#define PCI_REG_CAPABILITIES 0x34
#define PCI_REG_BRIDGE_ROM 0x38
#define PCI_REG_INTERRUPT 0x3c

#define PCI_HEADER_DEVICE 0
#define PCI_HEADER_BRIDGE 1
#define PCI_HEADER_CARDBUS 2

#define PCI_BUSES 256u
#define PCI_DEVICES 32u
#define PCI_FUNCTIONS 8u
#define PCI_DEPTH_MAX 32u
#define PCI_PATH_BYTES (sizeof("0000:00:00.0") + PCI_DEPTH_MAX * sizeof("/00.0"))
#define PCI_BDF(bus, device, function) ((uint16_t)((bus) << 8 | (device) << 3 | (function)))

/* All ones is evidence of absence; a function that was never touched is unknown. */
enum pci_presence {
	PCI_UNKNOWN,
	PCI_ABSENT,
	PCI_PRESENT,
};

struct pci_function {
	char path[PCI_PATH_BYTES];
	uint16_t bdf;
	enum pci_presence presence; /* PCI_ABSENT or PCI_PRESENT */
	/* Of a function that is there: */
	bool header_known;
	bool multifunction;
	uint8_t header;    /* layout, without the multifunction bit */
	bool bridge;       /* by header type, or by class where that was not read */
	bool descended;    /* the bus behind it is part of the tree */
	uint8_t secondary; /* bus behind a bridge; 0 = not known */
};

struct pci_tree {
	struct pci_function *functions; /* depth first, by device and function */
	size_t count;
	size_t roots;          /* root buses beside bus 0 */
	uint8_t root_buses[PCI_BUSES - 1];
	size_t unclaimed;      /* functions on buses that no bridge leads to: left out */
	uint8_t unclaimed_bus; /* the first of them */
};

#define PCI_TREE_INIT { 0 }

void pci_tree_release(struct pci_tree *t);
/* *ret is overwritten. -ENOMEM. */
int pci_tree_derive(const struct guest_facts *facts, struct pci_tree *ret);
const struct pci_function *pci_tree_find(const struct pci_tree *t, uint16_t bdf); /* NULL: not there, or absent */

enum pci_presence pci_presence(const struct guest_facts *facts, uint16_t bdf);
/* The bytes of a configuration dword (aligned) that `bytes` names (bit n = byte n); false unless all of them were read. Others are 0. */
bool pci_read(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, uint8_t bytes, uint32_t *ret);

#endif
