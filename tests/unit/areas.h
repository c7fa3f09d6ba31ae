/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read of a guest's memory, for tests:
 *
 *	struct area_body a = area_begin(RECORD_AREA_ACPI);
 *	area_table(&a, "SRAT", body, sizeof(body));  // a header is put before the body
 *	area_end(&s, &a, true);                      // into the stream, whole
 */
#ifndef ABIDRIFT_TESTS_AREAS_H
#define ABIDRIFT_TESTS_AREAS_H

#include <string.h>

#include "tests/unit/records.h"

#define AREA_ACPI_HEADER 36u

struct area_body {
	struct buffer body;
	struct record_memory head;
};

static inline struct area_body area_begin(enum record_area area)
{
	struct area_body a = { .body = BUFFER_INIT, .head = { .area = area } };

	buffer_append(&a.body, &a.head, sizeof(a.head));
	return a;
}

static inline void area_part(struct area_body *a, enum record_part_kind kind, uint64_t gpa, const void *data, size_t bytes)
{
	record_part_put(&a->body, kind, gpa, data, bytes);
	a->head.count++;
}

/* A table with a plain header, without its checksum. */
static inline void area_table(struct area_body *a, const char *signature, const void *body, size_t bytes)
{
	uint32_t length = (uint32_t)(AREA_ACPI_HEADER + bytes);
	char header[AREA_ACPI_HEADER] = { 0 };
	struct buffer table = BUFFER_INIT;

	memcpy(header, signature, 4);
	memcpy(header + 4, &length, sizeof(length));
	header[8] = 1;
	memcpy(header + 10, "BOCHS BXPC    ", 14);
	buffer_append(&table, header, sizeof(header));
	buffer_append(&table, body, bytes);
	if (buffer_failed(&table))
		abort();
	area_part(a, RECORD_PART_TABLE, 0, table.data, table.size);
	buffer_release(&table);
}

static inline void area_end(struct records *s, struct area_body *a, bool whole)
{
	a->head.whole = whole;
	if (buffer_failed(&a->body))
		abort();
	memcpy(a->body.data, &a->head, sizeof(a->head));
	records_add(s, RECORD_MEMORY, s->vm, s->boot, a->body.data, a->body.size, NULL, 0);
	buffer_release(&a->body);
}

#endif
