/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

#include <string.h>

#include "userspace/abi/acpi_tables.h"

#define SIGNATURE_BYTES 4
#define LEAST_BYTES 8 /* signature and length */

/* Tables before `before`, of any signature and of this one. */
static size_t tables_before(const struct guest_facts *facts, const void *signature, size_t before, unsigned *ret_same)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0, count = 0;

	*ret_same = 0;
	while (count <= ACPI_TABLES_MAX && facts_part_next(facts, RECORD_AREA_ACPI, &cursor, &part, &data) && cursor < before) {
		count += part.kind == RECORD_PART_TABLE;
		*ret_same += part.kind == RECORD_PART_TABLE && part.bytes >= LEAST_BYTES && !memcmp(data, signature, SIGNATURE_BYTES);
	}
	return count;
}

bool acpi_table_next(const struct guest_facts *facts, size_t *cursor, struct acpi_table *ret)
{
	struct record_part part;
	const void *data;

	while (facts_part_next(facts, RECORD_AREA_ACPI, cursor, &part, &data)) {
		if (part.kind != RECORD_PART_TABLE || part.bytes < LEAST_BYTES)
			continue;
		*ret = (struct acpi_table){ .data = data, .bytes = part.bytes, .gpa = part.gpa };
		memcpy(ret->signature, data, SIGNATURE_BYTES);
		if (part.bytes < ACPI_HEADER_BYTES && memcmp(ret->signature, "FACS", SIGNATURE_BYTES))
			continue;
		return tables_before(facts, data, *cursor, &ret->instance) < ACPI_TABLES_MAX;
	}
	return false;
}

bool acpi_tables_refused(const struct guest_facts *facts)
{
	unsigned same;

	return tables_before(facts, "\0\0\0", SIZE_MAX, &same) > ACPI_TABLES_MAX;
}

bool acpi_table_find(const struct guest_facts *facts, const char *signature, unsigned instance, struct acpi_table *ret)
{
	struct acpi_table table;
	size_t cursor = 0;

	while (acpi_table_next(facts, &cursor, &table))
		if (!strcmp(table.signature, signature) && table.instance == instance) {
			*ret = table;
			return true;
		}
	return false;
}

bool acpi_rsdp(const struct guest_facts *facts, const uint8_t **ret, size_t *ret_bytes)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	while (facts_part_next(facts, RECORD_AREA_ACPI, &cursor, &part, &data))
		if (part.kind == RECORD_PART_RSDP) {
			*ret = data;
			*ret_bytes = part.bytes;
			return true;
		}
	return false;
}

uint64_t acpi_field(const struct acpi_table *table, size_t offset, unsigned width_bytes)
{
	uint64_t value = 0;

	if (width_bytes > sizeof(value) || offset > table->bytes || table->bytes - offset < width_bytes)
		return 0;
	memcpy(&value, table->data + offset, width_bytes);
	return value;
}
