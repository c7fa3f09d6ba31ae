/* SPDX-License-Identifier: Apache-2.0 */
/* Where a guest's PCI configuration lies in memory, as far as the collector can know it. Pure. */
#ifndef ABIDRIFT_COLLECT_ECAM_H
#define ABIDRIFT_COLLECT_ECAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecam {
	uint64_t base;
	uint32_t bytes; /* 0 = not known */
};

/* From the MCFG (PCI Firmware 3.3, 4.1.2; segment 0) of an area's body of ACPI tables. False: it has none. */
bool ecam_of_tables(const void *body, size_t bytes, struct ecam *ret);
/* From the VMM, where every guest of it has the same: a VM's pairs (record.h). */
bool ecam_of_vmm(const void *pairs, size_t bytes, struct ecam *ret);

#endif
