/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices that an ACPI definition block (DSDT, SSDT) names, without executing any of it: the namespace's Device, Processor,
 * ThermalZone and PowerResource objects with those of their identifying names that are constants (aml.c has the list).
 * A guest may have written these bytes: time and memory are bounded by AML_* below, and the walk never leaves `bytes`.
 *
 * Source: ACPI 6.5, chapter 20 (AML grammar), 5.3 (namespace), 6.1 (identification objects), 6.4 (resource data).
 */
#ifndef ABIDRIFT_ABI_AML_H
#define ABIDRIFT_ABI_AML_H

#include <stddef.h>
#include <stdint.h>

struct abi_entries;
struct buffer;

#define AML_DEPTH_MAX 64u        /* of blocks in blocks, of terms in a term, and of a path */
#define AML_OBJECTS_MAX 8192u    /* entries made of one table; what is beyond is counted */
#define AML_NODES_MAX 32768u     /* objects that one table's namespace is kept of */
#define AML_TEXT_MAX (1u << 18)  /* bytes of keys and values made of one table */
#define AML_VALUE_MAX 255u       /* bytes of one value; a longer one ends in "..." */
#define AML_STEPS_MAX (1u << 20) /* terms and operands looked at in one table, and objects on the way of a look-up */

/*
 * Adds `TABLE/PATH` = `Device` (`Processor …`, `ThermalZone`, `PowerResource`) and `TABLE/PATH.NAME` = value to the facet acpi; TABLE
 * as the caller names the table ("DSDT", "SSDT.0"), PATH like `_SB.PCI0.S18`. `aml` is the block behind the table's header.
 * *ret_refused (may be NULL): places that could not be read and objects beyond the bounds, 0 where all was seen. 0 or -ENOMEM.
 */
int aml_devices_add(const uint8_t *aml, size_t bytes, const char *table, struct abi_entries *out, size_t *ret_refused);

/*
 * Blanks, in a copy of a block's body and without changing its length, what firmware puts addresses into by itself at every boot:
 * the constants of the Names VGIA (VM generation id) and MEMA (NVDIMM), and the address windows of PCI host bridges, which follow
 * where firmware put the BARs. Does what it can where the block cannot be read to its end, or memory is short.
 */
void aml_blank(uint8_t *aml, size_t bytes);

#endif
