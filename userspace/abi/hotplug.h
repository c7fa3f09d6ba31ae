/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence that something came or went because it was plugged or ejected while the guest ran: what the guest itself did about it.
 * Sources: QEMU docs/specs/acpi_pci_hotplug, acpi_cpu_hotplug, acpi_mem_hotplug (eject ports); PCI Express Base 4.0, 7.5.3.10
 * (Slot Control). Pure.
 */
#ifndef ABIDRIFT_ABI_HOTPLUG_H
#define ABIDRIFT_ABI_HOTPLUG_H

#include <stdbool.h>

#include "userspace/abi/facet.h"

struct buffer;
struct guest_facts;

/*
 * Is there evidence that the thing this key belongs to was plugged (`came`) or ejected in the present boot? What it is, in a few
 * words, goes to `out`: "eject port 0xae08", "slot control of 0000:00:04.0", "scanned by the guest".
 */
bool hotplug_evidence(const struct guest_facts *facts, enum facet_id facet, const char *key, bool came, struct buffer *out);

#endif
