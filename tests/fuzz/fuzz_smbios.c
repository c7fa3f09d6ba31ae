// SPDX-License-Identifier: Apache-2.0
/*
 * SMBIOS tables as a guest could write them. The first byte says how long the entry point is (0: there is none), the next bytes
 * are it, the rest is the table. Entries must be bounded, parse as a fingerprint's text, and be the same twice.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/identity.h"
#include "userspace/base/buffer.h"
#include "userspace/fingerprint/fingerprint.h"

/* Of one table: 4096 structures of at most 60 lines, and what they hold. */
#define LINES_MAX (4096u * 60u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void put(struct guest_facts *f, const uint8_t *entry, size_t entry_bytes, const uint8_t *table, size_t table_bytes)
{
	struct record_memory head = { .area = RECORD_AREA_SMBIOS, .whole = 1, .count = 1u + (entry_bytes > 0) };
	struct record_header header = { .type = RECORD_MEMORY, .vm = 1, .seq = 1, .at_ns = 1 };
	struct buffer body = BUFFER_INIT;

	buffer_append(&body, &head, sizeof(head));
	if (entry_bytes)
		record_part_put(&body, RECORD_PART_SMBIOS_ENTRY, 0, entry, entry_bytes);
	record_part_put(&body, RECORD_PART_SMBIOS_TABLE, 0, table, table_bytes);
	require(!buffer_failed(&body));
	require(facts_add(f, &header, body.data, body.size, NULL) == 0);
	buffer_release(&body);
}

static void say_meanings(const struct abi_entries *e)
{
	struct buffer words = BUFFER_INIT;

	for (size_t i = 0; i < e->count; i++) {
		const struct facet *facet = facet_get(e->items[i].facet);

		buffer_clear(&words);
		if (facet->meaning)
			facet->meaning(e->items[i].key, e->items[i].value, &words);
	}
	buffer_release(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct abi_entries e = ABI_ENTRIES_INIT, again = ABI_ENTRIES_INIT;
	struct guest_facts *f = facts_new();
	struct buffer text = BUFFER_INIT, second = BUFFER_INIT;
	struct identity who;
	size_t entry;

	require(f != NULL);
	if (size > 0) {
		entry = data[0] < size ? data[0] : size - 1;
		put(f, data + 1, entry, data + 1 + entry, size - 1 - entry);
	}
	require(abi_derive(f, &e) == 0 && abi_derive(f, &again) == 0);
	require(e.count <= LINES_MAX);
	require(fingerprint_write(&e, &text) == 0 && fingerprint_write(&again, &second) == 0);
	require(text.size == second.size && memcmp(text.data, second.data, text.size) == 0);
	say_meanings(&e);
	require(identity_derive(f, &who) == 0);
	identity_release(&who);
	entries_release(&e);
	entries_release(&again);
	buffer_release(&text);
	buffer_release(&second);
	facts_free(f);
	return 0;
}
