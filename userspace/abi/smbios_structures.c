/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/smbios_structures.h"

#include <string.h>

#include "userspace/abi/facts.h"

/* Entry points: DSP0134 5.2.1 and 5.2.2. */
#define ENTRY32_LEAST 30u /* what a long-standing slip of SMBIOS 2.1 says */
#define ENTRY32_MAJOR 0x06
#define ENTRY32_TABLE_BYTES 0x16
#define ENTRY32_COUNT 0x1c
#define ENTRY64_BYTES 24u
#define ENTRY64_MAJOR 0x07
#define ENTRY64_TABLE_BYTES 0x0c

static uint64_t number(const uint8_t *data, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)data[i] << (8 * i);
	return value;
}

static void entry_read(const uint8_t *data, size_t bytes, struct smbios_tables *ret)
{
	if (bytes >= ENTRY32_LEAST && memcmp(data, "_SM_", 4) == 0) {
		ret->major = data[ENTRY32_MAJOR];
		ret->minor = data[ENTRY32_MAJOR + 1];
		ret->told_bytes = (uint32_t)number(data + ENTRY32_TABLE_BYTES, 2);
		ret->told_count = (uint16_t)number(data + ENTRY32_COUNT, 2);
		ret->entry_known = true;
	} else if (bytes >= ENTRY64_BYTES && memcmp(data, "_SM3_", 5) == 0) {
		ret->major = data[ENTRY64_MAJOR];
		ret->minor = data[ENTRY64_MAJOR + 1];
		ret->revision = data[ENTRY64_MAJOR + 2];
		ret->told_bytes = (uint32_t)number(data + ENTRY64_TABLE_BYTES, 4);
		ret->entry_known = ret->wide = true;
	}
}

void smbios_tables_find(const struct guest_facts *facts, struct smbios_tables *ret)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	*ret = (struct smbios_tables){ 0 };
	while (facts_part_next(facts, RECORD_AREA_SMBIOS, &cursor, &part, &data)) {
		if (part.kind == RECORD_PART_SMBIOS_ENTRY && !ret->entry_known) {
			entry_read(data, part.bytes, ret);
		} else if (part.kind == RECORD_PART_SMBIOS_TABLE && !ret->data) {
			ret->data = data;
			ret->bytes = part.bytes;
		}
	}
	/* What lies behind the table is no part of it. */
	if (ret->entry_known && ret->bytes > ret->told_bytes)
		ret->bytes = ret->told_bytes;
}

/* Where the strings end, behind both NULs; 0: nowhere. */
static size_t strings_end(const struct smbios_tables *t, size_t at)
{
	const uint8_t *nul;

	while (at < t->bytes && (nul = memchr(t->data + at, 0, t->bytes - at))) {
		size_t after = (size_t)(nul - t->data) + 1;

		if (after < t->bytes && t->data[after] == 0)
			return after + 1;
		at = after;
	}
	return 0;
}

/* Is there nothing more to come? What is missing then is damage. */
static bool walk_over(const struct smbios_tables *t, struct smbios_walk *w)
{
	if (w->ended || w->damage || !t->data)
		return true;
	if (t->entry_known && !t->wide && w->count == t->told_count) {
		w->ended = true;
		return true;
	}
	if (w->at < t->bytes)
		return false;
	/* A table of the 64-bit form may be shorter than the entry point says, but then its last structure says where it ends. */
	if (t->entry_known && (!t->wide || w->at < t->told_bytes))
		w->damage = "the table ends before its last structure";
	return true;
}

bool smbios_next(const struct smbios_tables *t, struct smbios_walk *w, struct smbios_structure *ret)
{
	struct smbios_structure s;
	size_t end;

	if (walk_over(t, w))
		return false;
	if (t->bytes - w->at < SMBIOS_HEADER_BYTES) {
		w->damage = "the table ends within a structure";
		return false;
	}
	s = (struct smbios_structure){ .data = t->data + w->at, .type = t->data[w->at], .length = t->data[w->at + 1] };
	if (s.length < SMBIOS_HEADER_BYTES) {
		w->damage = "a structure is shorter than its own header";
		return false;
	}
	end = s.length < t->bytes - w->at ? strings_end(t, w->at + s.length) : 0;
	if (!end) {
		w->damage = "the table ends within a structure";
		return false;
	}
	s.bytes = end - w->at;
	s.handle = (uint16_t)number(s.data + 2, 2);
	s.instance = w->instances[s.type]++;
	w->at = end;
	w->count++;
	/* The 32-bit form counts its structures; its readers go on behind one of type 127. */
	w->ended = s.type == SMBIOS_END_OF_TABLE && (t->wide || !t->entry_known);
	*ret = s;
	return true;
}

uint64_t smbios_number(const struct smbios_structure *s, size_t offset, unsigned width)
{
	if (width > sizeof(uint64_t) || offset > s->length || s->length - offset < width)
		return 0;
	return number(s->data + offset, width);
}

const char *smbios_string(const struct smbios_structure *s, unsigned n)
{
	/* Both NULs that end the strings lie within the structure, so none is read beyond it. */
	const char *at = (const char *)s->data + s->length;

	for (unsigned i = 1; n && *at; i++) {
		if (i == n)
			return at;
		at += strlen(at) + 1;
	}
	return NULL;
}
