/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/cpuid_strings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/base/buffer.h"

#define LEAVES_MAX 3
#define STRING_BYTES (LEAVES_MAX * 4 * sizeof(uint32_t))

/* The leaves of a kind follow each other; registers in the order in which they are spelt. */
static const struct spelling {
	const char *name;
	uint32_t first, mask; /* which leaves begin one */
	uint32_t leaves;
	const char *registers[5];
} spellings[] = {
	{ "vendor", 0x00000000, 0xffffffff, 1, { "ebx", "edx", "ecx" } },
	{ "hypervisor", 0x40000000, 0xffff00ff, 1, { "ebx", "ecx", "edx" } },
	{ "vendor", 0x80000000, 0xffffffff, 1, { "ebx", "edx", "ecx" } },
	{ "brand", 0x80000002, 0xffffffff, LEAVES_MAX, { "eax", "ebx", "ecx", "edx" } },
};

/* *ret_first: the leaf that the string begins with. What one vCPU alone has (KEY/vcpu.N) is a register by itself. */
static const struct spelling *spelling_of(const char *key, uint32_t *ret_first)
{
	unsigned leaf;
	int end = 0;
	char name[4];

	if (sscanf(key, "0x%8x.0.%3[a-z]%n", &leaf, name, &end) != 2 || !end || key[end])
		return NULL;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		const struct spelling *s = &spellings[i];

		for (uint32_t n = 0; n < s->leaves; n++)
			for (size_t reg = 0; s->registers[reg]; reg++)
				if (((leaf - n) & s->mask) == s->first && strcmp(s->registers[reg], name) == 0) {
					*ret_first = leaf - n;
					return s;
				}
	}
	return NULL;
}

const char *cpuid_string_name(const char *key)
{
	uint32_t first;
	const struct spelling *s = spelling_of(key, &first);

	return s ? s->name : NULL;
}

void cpuid_string_put(const struct abi_entries *entries, const char *key, struct buffer *out)
{
	unsigned char text[STRING_BYTES];
	size_t size = 0;
	uint32_t first;
	const struct spelling *s = spelling_of(key, &first);

	for (uint32_t n = 0; s && n < s->leaves; n++)
		for (size_t reg = 0; s->registers[reg]; reg++) {
			char name[32];
			const struct abi_entry *entry;
			uint32_t value;

			snprintf(name, sizeof(name), "0x%08x.0.%s", first + n, s->registers[reg]);
			entry = entries_find(entries, FACET_CPUID, name);
			/* A leaf of zeros has no entries. */
			value = entry ? (uint32_t)strtoul(entry->value, NULL, 16) : 0;
			for (unsigned byte = 0; byte < sizeof(value); byte++)
				text[size++] = (unsigned char)(value >> 8 * byte);
		}
	while (size && !text[size - 1])
		size--;
	for (size_t i = 0; i < size; i++) {
		if (text[i] >= ' ' && text[i] < 0x7f && text[i] != '\\' && text[i] != '"')
			buffer_append(out, &text[i], 1);
		else
			buffer_printf(out, "\\x%02x", text[i]);
	}
}
