/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables of a guest, as they were read from its memory: bytes that a guest may have written, so every reader is
 * bounded by `bytes`. Source: ACPI 6.5, 5.2 (RSDP, description header, RSDT, XSDT, FADT).
 */
#ifndef ABIDRIFT_ABI_ACPI_TABLES_H
#define ABIDRIFT_ABI_ACPI_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_facts;

#define ACPI_TABLES_MAX 256u  /* of one guest; what is beyond is not looked at */
#define ACPI_HEADER_BYTES 36u /* signature, length, revision, checksum, OEM id, OEM table id, OEM revision, creator id and revision */

struct acpi_table {
	char signature[5];   /* as in memory, NUL-terminated: may hold any byte */
	unsigned instance;   /* among the tables of this signature, from 0 */
	const uint8_t *data; /* borrowed, not aligned; the header included */
	size_t bytes;        /* at least 8; all but FACS at least ACPI_HEADER_BYTES */
	uint64_t gpa;        /* where it lies: moves from boot to boot */
};

/* Next table in the order in which they were reached (RSDT and XSDT included, the RSDP not); *cursor starts at 0; false = end. */
bool acpi_table_next(const struct guest_facts *facts, size_t *cursor, struct acpi_table *ret);
/* The n-th (from 0) table of a signature; false: there is none. */
bool acpi_table_find(const struct guest_facts *facts, const char *signature, unsigned instance, struct acpi_table *ret);
/* Does the guest have more than ACPI_TABLES_MAX? */
bool acpi_tables_refused(const struct guest_facts *facts);
/* The RSDP (20 or 36 bytes), or false. */
bool acpi_rsdp(const struct guest_facts *facts, const uint8_t **ret, size_t *ret_bytes);
/* Little-endian field; 0 where it lies beyond the end. */
uint64_t acpi_field(const struct acpi_table *table, size_t offset, unsigned width_bytes);

#endif
