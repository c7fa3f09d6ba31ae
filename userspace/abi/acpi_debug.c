/* SPDX-License-Identifier: Apache-2.0 */
/* DBG2 (Microsoft Debug Port Table 2, 1.0): devices that a debugger may use. */
#include "userspace/abi/acpi_decode.h"

#include <inttypes.h>
#include <stdio.h>

#include "userspace/abi/acpi_out.h"

#define KEY_BYTES 64

static void device_say(struct acpi_out *out, const struct acpi_table *s, unsigned n)
{
	struct acpi_table name = acpi_part(s, acpi_field(s, 6, 2), acpi_field(s, 4, 2));
	uint64_t registers = acpi_field(s, 3, 1), first = acpi_field(s, 18, 2), sizes = acpi_field(s, 20, 2);
	char key[KEY_BYTES], address[ACPI_GAS_TEXT];

	snprintf(key, sizeof(key), "device.%u", n);
	acpi_say(out, key, "type=0x%04" PRIx64 " subtype=0x%04" PRIx64, acpi_field(s, 12, 2), acpi_field(s, 14, 2));
	snprintf(key, sizeof(key), "device.%u/name", n);
	acpi_say_text(out, key, name.data, name.bytes);
	for (uint64_t i = 0; i < registers && first + ACPI_GAS_BYTES * (i + 1) <= s->bytes; i++) {
		snprintf(key, sizeof(key), "device.%u/register.%" PRIu64, n, i);
		if (acpi_gas_text(s, first + ACPI_GAS_BYTES * i, address))
			acpi_say(out, key, "%s size=0x%" PRIx64, address, acpi_field(s, sizes + 4 * i, 4));
	}
}

void acpi_dbg2_decode(struct acpi_out *out, const struct acpi_table *table)
{
	/* Revision, then the length; the first stands where the header says. */
	struct acpi_form form = { .type_bytes = 1, .length_at = 1, .length_bytes = 2 };
	uint64_t first = acpi_field(table, 36, 4), count = acpi_field(table, 40, 4);
	struct acpi_table s;
	size_t at = first;
	unsigned n = 0;

	if (first < 44 || first > table->bytes) {
		acpi_damaged(out, "devices at 0x%" PRIx64, first);
		return;
	}
	for (; n < count && acpi_structure_next(out, table, &form, &at, &s); n++) {
		if (s.bytes >= 22)
			device_say(out, &s, n);
		else
			acpi_damaged(out, "device of %zu bytes", s.bytes);
	}
	if (n < count)
		acpi_damaged(out, "%u of %" PRIu64 " devices", n, count);
}
