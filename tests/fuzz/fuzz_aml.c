// SPDX-License-Identifier: Apache-2.0
/* A definition block that a guest may have written: read, blanked, and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/aml.h"
#include "userspace/abi/entries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void read_block(const uint8_t *aml, size_t bytes, struct abi_entries *e, size_t *refused)
{
	size_t text = 0;

	require(aml_devices_add(aml, bytes, "T", e, refused) == 0);
	require(e->count <= AML_OBJECTS_MAX);
	for (size_t i = 0; i < e->count; i++) {
		require(strncmp(e->items[i].key, "T/", 2) == 0 && strlen(e->items[i].value) <= 4 * AML_VALUE_MAX);
		text += strlen(e->items[i].key);
	}
	require(text <= AML_TEXT_MAX);
	entries_sort(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct abi_entries before = ABI_ENTRIES_INIT, after = ABI_ENTRIES_INIT;
	uint8_t *once = malloc(size + 1), *twice = malloc(size + 1);
	size_t refused, again;

	require(once && twice);
	memcpy(once, data, size);
	aml_blank(once, size);
	memcpy(twice, once, size);
	aml_blank(twice, size);
	require(memcmp(once, twice, size) == 0);
	/* What is blanked is in no entry. */
	read_block(data, size, &before, &refused);
	read_block(once, size, &after, &again);
	require(refused == again && before.count == after.count);
	for (size_t i = 0; i < before.count; i++)
		require(strcmp(before.items[i].key, after.items[i].key) == 0 && strcmp(before.items[i].value, after.items[i].value) == 0);
	entries_release(&before);
	entries_release(&after);
	free(once);
	free(twice);
	return 0;
}
