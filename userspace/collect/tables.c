/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/tables_internal.h"

#define SEARCH_BYTES ((size_t)TABLES_READ_PAGES * TABLES_PAGE)
#define KVM_SLOT_READ_ONLY (1u << 1) /* KVM_MEM_READONLY */

uint16_t tables_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t tables_u32(const uint8_t *at)
{
	return tables_u16(at) | (uint32_t)tables_u16(at + 2) << 16;
}

uint64_t tables_u64(const uint8_t *at)
{
	return tables_u32(at) | (uint64_t)tables_u32(at + 4) << 32;
}

uint8_t tables_sum(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint8_t sum = 0;

	while (bytes--)
		sum += *at++;
	return sum;
}

void walk_begin(struct walk *w, const struct tables_memory *m, enum record_area area, struct buffer *body)
{
	static const struct record_memory head;

	*w = (struct walk){ .m = m, .area = area, .body = body, .start = body->size };
	buffer_append(body, &head, sizeof(head));
}

void walk_again(struct walk *w)
{
	if (!buffer_failed(w->body))
		w->body->size = w->start + sizeof(struct record_memory);
	w->count = w->faults = 0;
	w->reason[0] = '\0';
}

int walk_end(struct walk *w)
{
	struct record_memory head = { .area = w->area, .whole = !w->faults };
	char text[sizeof(w->reason) + 32];

	if (w->faults > 1)
		snprintf(text, sizeof(text), "%s (and %u more)", w->reason, w->faults - 1);
	else
		snprintf(text, sizeof(text), "%s", w->reason);
	if (w->faults) {
		record_part_put(w->body, RECORD_PART_REASON, 0, text, strlen(text));
		w->count++;
	}
	if (buffer_failed(w->body))
		w->error = -ENOMEM;
	else if (w->error)
		w->body->size = w->start;
	head.count = w->count;
	if (!w->error)
		memcpy(w->body->data + w->start, &head, sizeof(head));
	return w->error;
}

void tables_put_reason(struct buffer *body, enum record_area area, const char *reason)
{
	struct record_memory head = { .area = area, .count = 1 };

	buffer_append(body, &head, sizeof(head));
	record_part_put(body, RECORD_PART_REASON, 0, reason, strlen(reason));
}

static int read_counted(struct walk *w, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present)
{
	int err;

	if (w->error)
		return w->error;
	if (w->reads++ >= TABLES_READS)
		return -E2BIG;
	if (gpa > UINT64_MAX - bytes)
		return -EFAULT;
	/* What the search looks at has a bound of its own. */
	if (!ret_present && (w->bytes += bytes) > TABLES_READ_BYTES)
		return -E2BIG;
	err = w->m->read(w->m->context, gpa, to, bytes, ret_present);
	if (err < 0 && err != -EFAULT && err != -ENODATA)
		w->error = err;
	return err;
}

int walk_read(struct walk *w, uint64_t gpa, void *to, size_t bytes)
{
	return read_counted(w, gpa, to, bytes, NULL);
}

const char *walk_why(const struct walk *w, int err)
{
	(void)w;
	switch (err) {
	case -EFAULT:
		return "it is not in the guest's memory";
	case -ENODATA:
		return "its memory is not resident";
	case -E2BIG:
		return "too much was read already";
	default:
		return "it cannot be read";
	}
}

void walk_fault(struct walk *w, const char *format, ...)
{
	va_list args;

	if (w->faults++)
		return;
	va_start(args, format);
	vsnprintf(w->reason, sizeof(w->reason), format, args);
	va_end(args);
}

bool walk_part(struct walk *w, enum record_part_kind kind, uint64_t gpa, const void *data, size_t bytes)
{
	if (w->body->size - w->start + sizeof(struct record_part) + bytes > TABLES_RECORD_BYTES) {
		walk_fault(w, "what is at 0x%" PRIx64 " is left out: more than %u bytes in all", gpa, TABLES_RECORD_BYTES);
		return false;
	}
	record_part_put(w->body, kind, gpa, data, bytes);
	w->count++;
	return true;
}

/* ---- search */

/* One chunk, which begins on a page. */
static bool search_chunk(struct walk *w, uint64_t gpa, size_t bytes, const struct walk_anchors *a)
{
	uint8_t chunk[SEARCH_BYTES];
	uint32_t present = 0, word;

	if (read_counted(w, gpa, chunk, bytes, &present) < 0)
		return false;
	for (size_t at = 0; at + a->align <= bytes; at += a->align) {
		if (!(present >> at / TABLES_PAGE & 1)) {
			at = at / TABLES_PAGE * TABLES_PAGE + TABLES_PAGE - a->align;
			continue;
		}
		word = tables_u32(chunk + at);
		if ((word == a->first || word == a->second) && a->fn(w, gpa + at, a->context))
			return true;
	}
	return false;
}

bool walk_search(struct walk *w, uint64_t from, uint64_t to, bool down, const struct walk_anchors *a)
{
	uint64_t chunks = to > from ? (to - from + SEARCH_BYTES - 1) / SEARCH_BYTES : 0;

	for (uint64_t i = 0; i < chunks && !w->error; i++) {
		uint64_t at = from + (down ? chunks - 1 - i : i) * SEARCH_BYTES;
		size_t bytes = to - at < SEARCH_BYTES ? (size_t)(to - at) : SEARCH_BYTES;

		if (search_chunk(w, at, bytes, a))
			return true;
	}
	return false;
}

uint64_t walk_low_top(const struct walk *w)
{
	uint64_t end = TABLES_MIB;

	for (size_t i = 0; i < w->m->count; i++) {
		const struct record_slot *s = &w->m->slots[i];

		if (s->flags & KVM_SLOT_READ_ONLY || s->gpa > end || s->bytes > UINT64_MAX - s->gpa)
			continue;
		if (s->gpa + s->bytes > end)
			end = s->gpa + s->bytes;
	}
	if (end > TABLES_4GIB)
		end = TABLES_4GIB;
	return end > TABLES_MIB ? end & ~(uint64_t)(TABLES_PAGE - 1) : 0;
}

bool walk_may_be_uefi(const struct walk *w)
{
	for (size_t i = 0; i < w->m->count; i++)
		if (w->m->slots[i].flags & KVM_SLOT_READ_ONLY && w->m->slots[i].gpa >= TABLES_MIB && w->m->slots[i].bytes >= TABLES_UEFI_BYTES)
			return true;
	return false;
}

/* Has a part of the body become another one since? The FACS has no checksum, and the operating system's lock in it. */
static bool part_moved(const struct tables_memory *m, const struct record_part *p, const void *data, uint8_t *scratch)
{
	if (p->kind == RECORD_PART_REASON || p->kind == RECORD_PART_ROM || p->bytes > TABLES_TABLE_BYTES)
		return false;
	if (p->kind == RECORD_PART_TABLE && p->bytes >= 4 && !memcmp(data, "FACS", 4))
		return false;
	return m->read(m->context, p->gpa, scratch, p->bytes, NULL) < 0 || memcmp(scratch, data, p->bytes);
}

/*
 * Checksums do not tell a table from two halves of two tables, and SMBIOS structures have none: so all parts are read once
 * more when the last one has been read. True: they were all there at one time.
 */
static bool body_stands(const struct tables_memory *m, const struct buffer *body, size_t start)
{
	uint8_t *scratch = malloc(TABLES_TABLE_BYTES);
	struct record_part p;
	const void *data;
	bool stands = scratch;
	size_t cursor = 0;

	while (stands && record_part_next(body->data + start, body->size - start, &cursor, &p, &data) > 0)
		stands = !part_moved(m, &p, data, scratch);
	free(scratch);
	return stands;
}

static int read_once(const struct tables_memory *m, enum record_area area, struct buffer *body)
{
	switch (area) {
	case RECORD_AREA_ACPI:
		return tables_read_acpi(m, body);
	case RECORD_AREA_SMBIOS:
		return tables_read_smbios(m, body);
	case RECORD_AREA_FIRMWARE:
		return tables_read_firmware(m, body);
	}
	return -EINVAL;
}

int tables_read(const struct tables_memory *m, enum record_area area, struct buffer *body)
{
	size_t start = body->size;
	struct record_memory head;
	int err = read_once(m, area, body);

	if (err < 0)
		return err;
	memcpy(&head, body->data + start, sizeof(head));
	if (!head.whole || body_stands(m, body, start))
		return tables_clean(body, start, area);
	body->size = start;
	tables_put_reason(body, area, "the tables changed while they were read");
	return buffer_failed(body) ? -ENOMEM : 0;
}
