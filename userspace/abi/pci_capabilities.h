/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capability lists of a PCI function, as far as the guest walked them. Keys `PATH/cap.11@0xa0` (value `present`) and, joined
 * with a dot, what identity it holds: `PATH/cap.11@0xa0.vectors`. Details are keys of their own, so that an OS that reads more
 * than the last one adds evidence and contradicts nothing.
 *
 * Sources: PCI Local Bus 3.0, 6.7 and 6.8; PCI Express Base 4.0, 7.5.3 and 7.6.3; virtio 1.1, 4.1.4.
 */
#ifndef ABIDRIFT_ABI_PCI_CAPABILITIES_H
#define ABIDRIFT_ABI_PCI_CAPABILITIES_H

#include <stdint.h>

struct abi_entries;
struct guest_facts;
struct pci_function;

/* 0 or -ENOMEM. */
int pci_capabilities_add(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out);
/* NULL: not known. */
const char *pci_capability_name(unsigned id);
const char *pci_extended_capability_name(unsigned id);

#endif
