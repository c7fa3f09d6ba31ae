/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders of single ACPI tables. Private to this folder. */
#ifndef ABIDRIFT_ABI_ACPI_DECODE_H
#define ABIDRIFT_ABI_ACPI_DECODE_H

struct acpi_out;
struct acpi_table;

/* acpi_fixed.c: tables whose fields stand at fixed offsets; nothing happens for others */
void acpi_fixed_decode(struct acpi_out *out, const struct acpi_table *table);

/* acpi_apic.c: MADT and MCFG. acpi_affinity.c: SRAT, SLIT, HMAT. acpi_iommu.c: DMAR, IVRS. acpi_debug.c: DBG2 */
void acpi_madt_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_mcfg_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_srat_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_slit_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_hmat_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_dmar_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_ivrs_decode(struct acpi_out *out, const struct acpi_table *table);
void acpi_dbg2_decode(struct acpi_out *out, const struct acpi_table *table);

#endif
