/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over guest memory: what the three areas share. */
#ifndef ABIDRIFT_COLLECT_TABLES_INTERNAL_H
#define ABIDRIFT_COLLECT_TABLES_INTERNAL_H

#include <stdbool.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/tables.h"

#define TABLES_MIB (1ull << 20)
#define TABLES_4GIB (1ull << 32)
#define TABLES_ANCHOR_ALIGN 16u
#define TABLES_UEFI_ALIGN 4u /* UEFI's own tables point to the ACPI 2.0 RSDP: OVMF's lies 20 bytes behind that of ACPI 1.0 */

struct walk {
	const struct tables_memory *m;
	enum record_area area;
	struct buffer *body;
	size_t start;       /* of the record_memory in it */
	uint32_t count;     /* parts */
	unsigned reads;
	uint64_t bytes;     /* read, but for the search */
	int error;          /* the reader's, or -ENOMEM: the walk is over */
	unsigned faults;    /* what was refused */
	char reason[200];   /* the first of it */
};

void walk_begin(struct walk *w, const struct tables_memory *m, enum record_area area, struct buffer *body);
/* Forgets parts and faults, not how much was read. */
void walk_again(struct walk *w);
/* Completes the body; whole if nothing was refused. What walk_begin's area functions return. */
int walk_end(struct walk *w);

/* 0, or -errno: then nothing is said yet about it. */
int walk_read(struct walk *w, uint64_t gpa, void *to, size_t bytes);
/* What a failed walk_read means, for a reason. */
const char *walk_why(const struct walk *w, int err);
void walk_fault(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* False: it does not fit any more (said). */
bool walk_part(struct walk *w, enum record_part_kind kind, uint64_t gpa, const void *data, size_t bytes);

/*
 * Every place of [from, to) that begins with one of the two words (little-endian), upwards or downwards by 64 KiB. fn
 * looks at the rest; true ends it. True: fn did.
 */
struct walk_anchors {
	uint32_t first, second;
	unsigned align; /* a power of two, from 4 */
	bool (*fn)(struct walk *w, uint64_t gpa, void *context);
	void *context;
};
bool walk_search(struct walk *w, uint64_t from, uint64_t to, bool down, const struct walk_anchors *a);

/* The end of the memory that begins at 1 MiB and has no hole; 0 = there is none. */
uint64_t walk_low_top(const struct walk *w);
/* Is there read-only memory that may hold UEFI? */
bool walk_may_be_uefi(const struct walk *w);

/* Takes secrets out of a body that begins at `start`; a body that cannot be told without them says only that. 0 or -ENOMEM. */
int tables_clean(struct buffer *body, size_t start, enum record_area area);

uint8_t tables_sum(const void *data, size_t bytes);
uint16_t tables_u16(const uint8_t *at);
uint32_t tables_u32(const uint8_t *at);
uint64_t tables_u64(const uint8_t *at);

#endif
