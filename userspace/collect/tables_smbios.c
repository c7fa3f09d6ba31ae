/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/tables_internal.h"

/* DSP0134, 5.2.1: the 32-bit entry point. */
#define OLD_BYTES 31u
#define OLD_SHORT_BYTES 30u /* a length that old firmware gives by mistake */
#define OLD_LENGTH 5
#define OLD_MIDDLE 16 /* "_DMI_", with a checksum of its own over 15 bytes */
#define OLD_MIDDLE_BYTES 15u
#define OLD_TABLE_BYTES 22
#define OLD_TABLE 24
/* 5.2.2: the 64-bit entry point. */
#define NEW_BYTES 24u
#define NEW_LENGTH 6
#define NEW_TABLE_BYTES 12
#define NEW_TABLE 16
/* 6.1.2: structures. */
#define STRUCTURE_HEADER_BYTES 4u
#define STRUCTURE_END 127

#define BIOS_GPA 0xf0000
#define NEW_WORD 0x334d535fu /* "_SM3" */
#define OLD_WORD 0x5f4d535fu /* "_SM_" */

struct entry {
	uint8_t bytes[OLD_BYTES];
	unsigned size;
	uint64_t table;
	uint32_t table_bytes; /* of the 64-bit form: at most */
};

struct search {
	unsigned tried;
	uint64_t old;   /* the first of the 32-bit form: the other one counts where there are both */
	bool has_old;
	char refused[sizeof(((struct walk *)0)->reason)];
};

static bool entry_read(struct walk *w, uint64_t gpa, struct entry *ret)
{
	uint8_t *b = ret->bytes;

	if (walk_read(w, gpa, b, NEW_BYTES) < 0)
		return false;
	if (!memcmp(b, "_SM3_", 5)) {
		if (b[NEW_LENGTH] != NEW_BYTES || tables_sum(b, NEW_BYTES))
			return false;
		ret->size = NEW_BYTES;
		ret->table = tables_u64(b + NEW_TABLE);
		ret->table_bytes = tables_u32(b + NEW_TABLE_BYTES);
		return true;
	}
	if (memcmp(b, "_SM_", 4) || walk_read(w, gpa, b, OLD_BYTES) < 0)
		return false;
	if ((b[OLD_LENGTH] != OLD_BYTES && b[OLD_LENGTH] != OLD_SHORT_BYTES) || tables_sum(b, b[OLD_LENGTH]) ||
	    memcmp(b + OLD_MIDDLE, "_DMI_", 5) || tables_sum(b + OLD_MIDDLE, OLD_MIDDLE_BYTES))
		return false;
	ret->size = OLD_BYTES;
	ret->table = tables_u32(b + OLD_TABLE);
	ret->table_bytes = tables_u16(b + OLD_TABLE_BYTES);
	return true;
}

/* The 64-bit form says only how long the table may be: what lies behind it need not be there. */
static uint8_t *table_read(struct walk *w, const struct entry *e, size_t *ret_bytes)
{
	size_t bytes = e->table_bytes < TABLES_SMBIOS_BYTES ? e->table_bytes : TABLES_SMBIOS_BYTES, got = 0;
	uint8_t *table = malloc(bytes ? bytes : 1);
	int err;

	if (!table) {
		w->error = -ENOMEM;
		return NULL;
	}
	err = walk_read(w, e->table, table, bytes);
	if (err >= 0)
		got = bytes;
	while (err < 0 && !w->error && got < bytes) {
		size_t step = TABLES_PAGE - (e->table + got) % TABLES_PAGE;

		if (step > bytes - got)
			step = bytes - got;
		if (walk_read(w, e->table + got, table + got, step) < 0)
			break;
		got += step;
	}
	if (got < bytes)
		walk_fault(w, "the SMBIOS table at 0x%" PRIx64 ": %s", e->table, walk_why(w, err));
	*ret_bytes = got;
	return table;
}

/* How much of the table its structures take; 0: they do not end within it. */
static size_t structures_end(const uint8_t *table, size_t bytes, bool must_fill, const char **ret_why)
{
	size_t at = 0;

	*ret_why = "its structures do not end within it";
	for (unsigned n = 0; bytes - at >= STRUCTURE_HEADER_BYTES; n++) {
		uint8_t type = table[at], length = table[at + 1];
		const uint8_t *end;

		if (n == TABLES_SMBIOS_STRUCTURES) {
			*ret_why = "it has too many structures";
			return 0;
		}
		if (length < STRUCTURE_HEADER_BYTES || length > bytes - at)
			return 0;
		end = memmem(table + at + length, bytes - at - length, "\0", 2);
		if (!end)
			return 0;
		at = (size_t)(end - table) + 2;
		if (type == STRUCTURE_END)
			return at;
	}
	return must_fill && at == bytes ? at : 0;
}

/* The size of its form, if it is an entry point and its table is right; else 0. */
static unsigned take_entry(struct walk *w, uint64_t gpa)
{
	const char *why = NULL;
	size_t bytes = 0, used = 0;
	struct entry e;
	uint8_t *table;

	walk_again(w);
	if (!entry_read(w, gpa, &e)) {
		walk_fault(w, "the entry point at 0x%" PRIx64 ": its checksum is wrong", gpa);
		return 0;
	}
	if (e.size == OLD_BYTES && e.table_bytes < STRUCTURE_HEADER_BYTES) {
		walk_fault(w, "the entry point at 0x%" PRIx64 ": a table of %u bytes", gpa, e.table_bytes);
		return 0;
	}
	table = table_read(w, &e, &bytes);
	if (table)
		used = structures_end(table, bytes, e.size == OLD_BYTES, &why);
	/* What is missing behind the last structure is not missed. */
	if (used) {
		w->faults = 0;
		w->reason[0] = '\0';
		walk_part(w, RECORD_PART_SMBIOS_ENTRY, gpa, e.bytes, e.size);
		walk_part(w, RECORD_PART_SMBIOS_TABLE, e.table, table, used);
	} else if (table) {
		walk_fault(w, "the SMBIOS table at 0x%" PRIx64 ": %s", e.table, why);
	}
	free(table);
	return used ? e.size : 0;
}

static bool try_entry(struct walk *w, uint64_t gpa, void *context)
{
	struct search *s = context;
	unsigned form;

	if (s->tried++ >= TABLES_CANDIDATES)
		return false;
	form = take_entry(w, gpa);
	if (form == OLD_BYTES && !s->has_old) {
		s->has_old = true;
		s->old = gpa;
	}
	if (!form && !s->refused[0])
		memcpy(s->refused, w->reason, sizeof(s->refused));
	return form == NEW_BYTES;
}

static bool search(struct walk *w, uint64_t from, uint64_t to, bool down, struct search *s)
{
	struct walk_anchors anchors = { .first = NEW_WORD, .second = OLD_WORD, .align = TABLES_ANCHOR_ALIGN, .fn = try_entry, .context = s };

	return walk_search(w, from, to, down, &anchors) || (s->has_old && take_entry(w, s->old));
}

int tables_read_smbios(const struct tables_memory *m, struct buffer *body)
{
	struct search s = { 0 };
	struct walk w;
	uint64_t top;
	bool uefi;

	walk_begin(&w, m, RECORD_AREA_SMBIOS, body);
	uefi = walk_may_be_uefi(&w);
	top = walk_low_top(&w);
	if (search(&w, BIOS_GPA, TABLES_MIB, false, &s))
		return walk_end(&w);
	if (uefi && top && search(&w, top - TABLES_MIB > TABLES_SEARCH_BYTES ? top - TABLES_SEARCH_BYTES : TABLES_MIB, top, true, &s))
		return walk_end(&w);
	walk_again(&w);
	walk_fault(&w, "no SMBIOS entry point was found between 0xf0000 and 1 MiB%s%s%s",
		   uefi ? ", nor in the 64 MiB below the top of low memory" : "", s.refused[0] ? "; one was refused: " : "", s.refused);
	return walk_end(&w);
}
