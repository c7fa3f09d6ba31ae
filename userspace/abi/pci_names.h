/* SPDX-License-Identifier: Apache-2.0 */
/* Vendor, device and class names, as the text of pci.ids (https://pci-ids.ucw.cz) has them. Without it: class names only. */
#ifndef ABIDRIFT_ABI_PCI_NAMES_H
#define ABIDRIFT_ABI_PCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct buffer;

/* The text of pci.ids, borrowed for the rest of the process; NULL: none. Names are for people: nothing else depends on it. */
void pci_names_use(const char *text, size_t size);

/* Each appends nothing where no name is known. class: base class, subclass, programming interface, as in 0x020000. */
void pci_names_vendor(uint16_t vendor, struct buffer *out);
void pci_names_function(uint16_t vendor, uint16_t device, struct buffer *out);
void pci_names_class(uint32_t class, struct buffer *out);

#endif
