/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices that an ACPI definition block (DSDT, SSDT) names, without executing any of it: the namespace's Device, Processor
 * and ThermalZone objects with those of their identifying names (_HID _CID _UID _ADR _SUN _BBN _SEG _STR _PXM) that are constants.
 * A guest may have written these bytes: time and memory are bounded by AML_* below, and the walk never leaves `bytes`.
 *
 * Source: ACPI 6.5, chapter 20 (AML grammar), 6.1 (identification objects).
 */
#ifndef ABIDRIFT_ABI_AML_H
#define ABIDRIFT_ABI_AML_H

#include <stddef.h>
#include <stdint.h>

struct abi_entries;
struct buffer;

#define AML_DEPTH_MAX 64u
#define AML_OBJECTS_MAX 4096u   /* entries made of one table; what is beyond is counted */
#define AML_STEPS_MAX (1u << 20) /* terms looked at in one table */

/*
 * Adds `TABLE/PATH` = `Device` (`Processor`, `ThermalZone`) and `TABLE/PATH.NAME` = value to the facet acpi; TABLE as the caller
 * names the table ("DSDT", "SSDT.0"), PATH like `_SB.PCI0.S18`. `aml` is the block behind the table's header.
 * *ret_refused (may be NULL): objects beyond the bounds, 0 where all was seen. 0 or -ENOMEM.
 */
int aml_devices_add(const uint8_t *aml, size_t bytes, const char *table, struct abi_entries *out, size_t *ret_refused);

/*
 * Blanks, in a copy of a block's body, what firmware puts addresses into by itself at every boot: the constants of the Names
 * VGIA (VM generation id), MEMA (NVDIMM) and what else is known to be so (see aml.c).
 */
void aml_blank(uint8_t *aml, size_t bytes);

#endif
