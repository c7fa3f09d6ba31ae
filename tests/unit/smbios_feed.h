/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMBIOS tables for tests, and a guest in whose memory they were read:
 *
 *	struct smbios_feed f = SMBIOS_FEED_INIT;
 *	smbios_put(&f, 1, 0x100, "\1\2", 2, "Maker\0Product\0");     // the two NULs behind strings are put by the C string's end
 *	e = smbios_derive_feed(&f);
 */
#ifndef ABIDRIFT_TESTS_SMBIOS_FEED_H
#define ABIDRIFT_TESTS_SMBIOS_FEED_H

#include "tests/unit/facts_feed.h"

struct smbios_feed {
	struct buffer table;
	unsigned count;
	unsigned major, minor;
	bool wide;
	bool torn;          /* the reader says it is not whole */
	int told_more;      /* bytes by which the entry point is wrong */
};

#define SMBIOS_FEED_INIT { .major = 2, .minor = 8 }

/* `strings` ends with an empty string; NULL: none. */
static inline void smbios_put(struct smbios_feed *f, uint8_t type, uint16_t handle, const void *body, size_t bytes, const char *strings)
{
	const uint8_t head[] = { type, (uint8_t)(bytes + 4), (uint8_t)handle, (uint8_t)(handle >> 8) };

	buffer_append(&f->table, head, sizeof(head));
	buffer_append(&f->table, body, bytes);
	for (const char *s = strings; s && *s; s += strlen(s) + 1)
		buffer_append(&f->table, s, strlen(s) + 1);
	if (!strings || !*strings)
		buffer_append(&f->table, "", 1);
	buffer_append(&f->table, "", 1);
	f->count++;
}

static inline void smbios_le(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline size_t smbios_entry(const struct smbios_feed *f, uint8_t entry[31])
{
	uint32_t told = (uint32_t)((int)f->table.size + f->told_more);

	memset(entry, 0, 31);
	if (f->wide) {
		memcpy(entry, "_SM3_", 5);
		entry[6] = 24;
		entry[7] = (uint8_t)f->major;
		entry[8] = (uint8_t)f->minor;
		smbios_le(entry + 12, told, 4);
		return 24;
	}
	memcpy(entry, "_SM_", 4);
	entry[5] = 31;
	entry[6] = (uint8_t)f->major;
	entry[7] = (uint8_t)f->minor;
	memcpy(entry + 16, "_DMI_", 5);
	smbios_le(entry + 0x16, told, 2);
	smbios_le(entry + 0x1c, f->count, 2);
	return 31;
}

static inline void smbios_record(struct records *s, const struct smbios_feed *f)
{
	struct record_memory head = { .area = RECORD_AREA_SMBIOS, .whole = !f->torn, .count = f->torn ? 3 : 2 };
	struct buffer body = BUFFER_INIT;
	uint8_t entry[31];
	size_t bytes = smbios_entry(f, entry);

	buffer_append(&body, &head, sizeof(head));
	record_part_put(&body, RECORD_PART_SMBIOS_ENTRY, 0xf5a00, entry, bytes);
	record_part_put(&body, RECORD_PART_SMBIOS_TABLE, 0xf5a20, f->table.data, f->table.size);
	if (f->torn)
		record_part_put(&body, RECORD_PART_REASON, 0, "a page was not there", 20);
	records_add(s, RECORD_MEMORY, s->vm, s->boot, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

static inline struct abi_entries smbios_derive_feed(struct smbios_feed *f)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	records_vm(&s, "kind", "qemu", "arg", "qemu", "arg", "-name", "arg", "web", NULL);
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	smbios_record(&s, f);
	e = derive_stream(&s);
	records_release(&s);
	buffer_release(&f->table);
	return e;
}

#endif
