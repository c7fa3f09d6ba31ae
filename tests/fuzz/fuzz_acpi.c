// SPDX-License-Identifier: Apache-2.0
/* A guest's ACPI tables: the body of a MEMORY record, as a guest and the host between may make it, through the facets that read it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void look_at(const struct abi_entries *entries)
{
	const struct facet *acpi = facet_get(FACET_ACPI);

	for (size_t i = 0; i < entries->count; i++) {
		struct abi_fields fields = { 0 };
		struct buffer meaning = BUFFER_INIT;
		const struct abi_entry *e = &entries->items[i];

		if (e->facet != FACET_ACPI)
			continue;
		require(!strchr(e->key, ' ') && strchr(e->key, '/'));
		acpi->meaning(e->key, e->value, &meaning);
		require(acpi->fields(e->key, e->value, NULL, &fields) == 0);
		abi_fields_release(&fields);
		buffer_release(&meaning);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record_header header = { .type = RECORD_MEMORY, .vm = 1, .boot = 1, .seq = 1, .at_ns = 1 };
	struct abi_entries once = ABI_ENTRIES_INIT, again = ABI_ENTRIES_INIT;
	struct guest_facts *facts = facts_new();

	require(facts != NULL);
	if (facts_add(facts, &header, data, size, NULL) == 0) {
		require(abi_derive(facts, &once) == 0 && abi_derive(facts, &again) == 0);
		require(once.count == again.count);
		look_at(&once);
	}
	entries_release(&once);
	entries_release(&again);
	facts_free(facts);
	return 0;
}
