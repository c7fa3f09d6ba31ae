// SPDX-License-Identifier: Apache-2.0
/*
 * The collector's walk over guest memory: one byte of switches, then 16 KiB of memory that repeats through all slots. Whatever it
 * holds, the walk ends within its bounds, and what it tells is a body that the stream takes.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/ecam.h"
#include "userspace/collect/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define READ_ONLY 2u
#define MEMORY_BYTES 0x4000u
#define PAGE 4096u

enum switches {
	MISSING = 1 << 0, /* every second page is not resident */
	CHANGES = 1 << 1, /* a byte changes with every read */
	ENDS = 1 << 2,    /* the process ends after some reads */
	UEFI = 1 << 3,    /* there is flash enough for UEFI */
	HIGH = 1 << 4,    /* there is memory above 1 MiB */
};

struct guest {
	uint8_t memory[MEMORY_BYTES];
	uint8_t switches;
	unsigned reads;
};

static const struct record_slot slots[] = {
	{ .gpa = 0, .bytes = 0x9000 },
	{ .gpa = 0xfc000, .bytes = 0x4000 },
	{ .gpa = 0x100000, .bytes = 0x8000 },
	{ .gpa = 0xfff80000, .bytes = 0x80000, .flags = READ_ONLY },
};

static void require(int condition)
{
	if (!condition)
		abort();
}

static int is_there(const struct guest *g, uint64_t gpa)
{
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		if (gpa >= slots[i].gpa && gpa - slots[i].gpa < slots[i].bytes)
			return i != 2 || g->switches & HIGH;
	return 0;
}

static int guest_read(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present)
{
	struct guest *g = context;
	uint32_t present = 0;

	require(++g->reads <= TABLES_READS);
	require(bytes <= TABLES_ROM_BYTES && (!ret_present || bytes <= TABLES_READ_PAGES * PAGE));
	if (g->switches & CHANGES)
		g->memory[g->reads * 37u % MEMORY_BYTES]++;
	if (g->switches & ENDS && g->reads > 40)
		return -ESRCH;
	for (size_t done = 0, page = 0; done < bytes; page++) {
		uint64_t from = gpa + done;
		size_t step = PAGE - from % PAGE;

		if (step > bytes - done)
			step = bytes - done;
		if (!is_there(g, from) || (g->switches & MISSING && from / PAGE % 2)) {
			if (!ret_present)
				return is_there(g, from) ? -ENODATA : -EFAULT;
		} else {
			memcpy((uint8_t *)to + done, g->memory + from % MEMORY_BYTES, step);
			present |= 1u << (page & 31);
		}
		done += step;
	}
	if (ret_present)
		*ret_present = present;
	return 0;
}

/* The digest's value means nothing here. */
static void digest(void *context, const void *data, size_t bytes, uint8_t ret[32])
{
	const uint8_t *at = data;

	(void)context;
	memset(ret, 0, 32);
	for (size_t i = 0; i < bytes; i += PAGE)
		ret[i / PAGE % 32] ^= at[i];
}

static void check(const struct buffer *body)
{
	struct record_memory head;
	struct record_part part;
	const void *bytes;
	size_t cursor = 0;
	uint32_t count = 0, reasons = 0;
	int r;

	require(body->size >= sizeof(head) && body->size <= RECORD_MAX_BYTES - sizeof(struct record_header));
	memcpy(&head, body->data, sizeof(head));
	while ((r = record_part_next(body->data, body->size, &cursor, &part, &bytes)) > 0) {
		count++;
		reasons += part.kind == RECORD_PART_REASON;
	}
	require(r == 0 && count == head.count && reasons == !head.whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct record_slot list[4];
	struct tables_memory m = { .read = guest_read, .digest = digest, .context = g, .slots = list, .count = 4 };
	struct buffer body = BUFFER_INIT;
	struct ecam ecam;

	require(g != NULL);
	g->switches = size ? data[0] : 0;
	memcpy(list, slots, sizeof(list));
	if (!(g->switches & UEFI)) {
		list[3].gpa = 0xffffc000;
		list[3].bytes = 0x4000;
	}
	for (uint32_t area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++) {
		memset(g->memory, 0, sizeof(g->memory));
		if (size > 1)
			memcpy(g->memory, data + 1, size - 1 < MEMORY_BYTES ? size - 1 : MEMORY_BYTES);
		g->reads = 0;
		buffer_clear(&body);
		if (tables_read(&m, (enum record_area)area, &body) < 0) {
			require(!body.size);
			continue;
		}
		check(&body);
		ecam_of_tables(body.data, body.size, &ecam);
	}
	buffer_release(&body);
	free(g);
	return 0;
}
