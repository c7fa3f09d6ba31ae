// SPDX-License-Identifier: Apache-2.0
/* `amldump FILE`: what abidrift reads from one definition block, header included: entries, then `# refused N` and the blanked body's changed bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/acpi_tables.h"
#include "userspace/abi/aml.h"
#include "userspace/abi/entries.h"

static uint8_t bytes[1 << 20], blanked[1 << 20];

int main(int argc, char **argv)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
	size_t size, refused;

	if (!f)
		return 2;
	size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	if (size < ACPI_HEADER_BYTES)
		return 2;
	memcpy(blanked, bytes, size);
	if (aml_devices_add(bytes + ACPI_HEADER_BYTES, size - ACPI_HEADER_BYTES, "T", &e, &refused) < 0)
		return 2;
	aml_blank(blanked + ACPI_HEADER_BYTES, size - ACPI_HEADER_BYTES);
	entries_sort(&e);
	for (size_t i = 0; i < e.count; i++)
		printf("%s %s\n", e.items[i].key, e.items[i].value);
	printf("# refused %zu\n", refused);
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != blanked[i])
			printf("# blanked 0x%zx\n", i);
	entries_release(&e);
	return 0;
}
