/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables without what a guest is handed as a secret: strings of SMBIOS (systemd's credentials, passwords in cloud-init's seed), and
 * the product key in MSDM. Done when the reading is over: what is compared with the guest's memory is as it lies there.
 */
#include <errno.h>
#include <string.h>

#include "userspace/base/secrets.h"
#include "userspace/collect/tables_internal.h"

/* DSP0134 3.7: 5.2.1 and 5.2.2, entry points; 6.1.2 and 6.1.3, structures and their strings. */
#define STRUCTURE_HEADER_BYTES 4u
#define OLD_BYTES 31u
#define OLD_SUM 4
#define OLD_MIDDLE 16
#define OLD_MIDDLE_BYTES 15u
#define OLD_MIDDLE_SUM 21
#define OLD_TABLE_BYTES 22
#define NEW_BYTES 24u
#define NEW_SUM 5
#define NEW_TABLE_BYTES 12
/* Microsoft Software Licensing Tables: a header of ACPI's, five words of 32 bits, the key. */
#define TABLE_SUM 9
#define LICENCE_KEY 56u

struct cleaned {
	struct buffer table, text;
	bool changed;
};

/* The strings of a structure, with the NULs that end them. Returns where the next structure begins; 0: they do not end. */
static size_t clean_strings(struct cleaned *c, const uint8_t *table, size_t bytes, size_t at)
{
	while (at < bytes) {
		const char *text = (const char *)table + at;
		size_t size = strnlen(text, bytes - at);

		if (size == bytes - at)
			return 0;
		buffer_clear(&c->text);
		secrets_clean_text(text, &c->text);
		c->changed |= c->text.size != size || (size && memcmp(c->text.data, text, size));
		buffer_append(&c->table, c->text.data, c->text.size);
		buffer_append(&c->table, "", 1);
		at += size + 1;
		if (at < bytes && !table[at]) {
			buffer_append(&c->table, "", 1);
			return at + 1;
		}
	}
	return 0;
}

/* Structures as the reader of them found them: they end within the table. */
static int clean_structures(struct cleaned *c, const uint8_t *table, size_t bytes)
{
	size_t at = 0;

	while (bytes - at >= STRUCTURE_HEADER_BYTES) {
		size_t length = table[at + 1];

		if (length < STRUCTURE_HEADER_BYTES || length > bytes - at)
			return -EBADMSG;
		buffer_append(&c->table, table + at, length);
		at = clean_strings(c, table, bytes, at + length);
		if (!at)
			return -EBADMSG;
	}
	buffer_append(&c->table, table + at, bytes - at);
	return buffer_failed(&c->table) || buffer_failed(&c->text) ? -ENOMEM : 0;
}

static void put_le(uint8_t *at, size_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* The entry point of a table that is now so much longer or shorter. */
static int entry_adjust(uint8_t *entry, size_t bytes, size_t before, size_t after)
{
	if (bytes == NEW_BYTES) {
		put_le(entry + NEW_TABLE_BYTES, tables_u32(entry + NEW_TABLE_BYTES) - before + after, 4);
		entry[NEW_SUM] -= tables_sum(entry, NEW_BYTES);
		return 0;
	}
	if (bytes != OLD_BYTES || tables_u16(entry + OLD_TABLE_BYTES) - before + after > UINT16_MAX)
		return -E2BIG;
	put_le(entry + OLD_TABLE_BYTES, tables_u16(entry + OLD_TABLE_BYTES) - before + after, 2);
	entry[OLD_MIDDLE_SUM] -= tables_sum(entry + OLD_MIDDLE, OLD_MIDDLE_BYTES);
	entry[OLD_SUM] -= tables_sum(entry, OLD_BYTES);
	return 0;
}

/* The body again with other structures, of which there is one part, behind its entry point. */
static int smbios_rebuild(struct buffer *body, size_t start, const struct cleaned *c, size_t before)
{
	struct buffer fresh = BUFFER_INIT;
	struct record_part p;
	const void *data;
	size_t cursor = 0;
	int err = 0;

	buffer_append(&fresh, body->data + start, sizeof(struct record_memory));
	while (!err && record_part_next(body->data + start, body->size - start, &cursor, &p, &data) > 0) {
		uint8_t entry[OLD_BYTES];

		if (p.kind == RECORD_PART_SMBIOS_ENTRY && p.bytes <= sizeof(entry)) {
			memcpy(entry, data, p.bytes);
			err = entry_adjust(entry, p.bytes, before, c->table.size);
			record_part_put(&fresh, RECORD_PART_SMBIOS_ENTRY, p.gpa, entry, p.bytes);
		} else if (p.kind == RECORD_PART_SMBIOS_TABLE) {
			record_part_put(&fresh, RECORD_PART_SMBIOS_TABLE, p.gpa, c->table.data, c->table.size);
		} else {
			record_part_put(&fresh, (enum record_part_kind)p.kind, p.gpa, data, p.bytes);
		}
	}
	if (!err && (buffer_failed(&fresh) || fresh.size > TABLES_RECORD_BYTES))
		err = -E2BIG;
	if (!err) {
		body->size = start;
		buffer_append(body, fresh.data, fresh.size);
	}
	buffer_release(&fresh);
	return err;
}

static int clean_smbios(struct buffer *body, size_t start)
{
	struct cleaned c = { .table = BUFFER_INIT, .text = BUFFER_INIT };
	struct record_part p;
	const void *data;
	size_t cursor = 0;
	int err = 0;

	while (record_part_next(body->data + start, body->size - start, &cursor, &p, &data) > 0) {
		if (p.kind != RECORD_PART_SMBIOS_TABLE)
			continue;
		err = clean_structures(&c, data, p.bytes);
		if (!err && c.changed)
			err = smbios_rebuild(body, start, &c, p.bytes);
		break;
	}
	buffer_release(&c.table);
	buffer_release(&c.text);
	return err;
}

/* In place: the key's bytes become zeros, and the sum is right again if it was. */
static void clean_licences(struct buffer *body, size_t start)
{
	struct record_part p;
	const void *data;
	size_t cursor = 0;

	while (record_part_next(body->data + start, body->size - start, &cursor, &p, &data) > 0) {
		uint8_t *table = (uint8_t *)body->data + ((const char *)data - body->data), sum;

		if (p.kind != RECORD_PART_TABLE || p.bytes <= LICENCE_KEY || memcmp(table, "MSDM", 4))
			continue;
		sum = tables_sum(table, p.bytes);
		memset(table + LICENCE_KEY, 0, p.bytes - LICENCE_KEY);
		table[TABLE_SUM] += (uint8_t)(sum - tables_sum(table, p.bytes));
	}
}

int tables_clean(struct buffer *body, size_t start, enum record_area area)
{
	int err = 0;

	if (area == RECORD_AREA_ACPI)
		clean_licences(body, start);
	if (area == RECORD_AREA_SMBIOS)
		err = clean_smbios(body, start);
	if (!err)
		return 0;
	body->size = start;
	tables_put_reason(body, area, "its secrets could not be taken out");
	return buffer_failed(body) ? -ENOMEM : 0;
}
