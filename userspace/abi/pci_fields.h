/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the registers of PCI capabilities is identity, and how it is written: a table, by capability and offset. Enable and
 * status bits, addresses and what hardware writes by itself are in no mask.
 *
 * Sources: PCI Express Base 5.0, 7.5.3 (PCI Express capability), 7.7 to 7.9 (extended capabilities); PCI Bus Power Management 1.2,
 * 3.2; SATA AHCI 1.3.1, 2.4; Advanced Capabilities for Conventional PCI ECN (AF); SR-IOV 1.1, 3.3; linux/pci_regs.h for numbers.
 */
#ifndef ABIDRIFT_ABI_PCI_FIELDS_H
#define ABIDRIFT_ABI_PCI_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

struct pci_field {
	uint8_t shift;
	uint8_t width;    /* 1: its name where it is set; more: name=NUMBER. 0 ends a list */
	const char *name;
};

struct pci_cap_register {
	uint16_t id;
	bool extended;
	uint8_t offset;   /* from the capability's beginning, dword aligned */
	uint8_t bytes;    /* to be known: bit n = byte n */
	uint8_t version;  /* the least version of a PCI Express capability that has it; 0 = any */
	const char *detail;
	uint32_t mask;    /* identity; what no field names is `other=0x…` */
	const struct pci_field *fields;
};

/* Next register of a capability; *cursor starts at 0; NULL = end. */
const struct pci_cap_register *pci_cap_register_next(unsigned id, bool extended, size_t *cursor);
/* "none" where no bit is set. */
void pci_fields_put(const struct pci_cap_register *reg, uint32_t value, struct buffer *out);

#endif
