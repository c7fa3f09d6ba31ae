/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of a guest at rest, compressed: most guests of a host are for long, and of 64 bytes of a fact most are zero or those of the fact before.
 * Only what grows with the guest is packed; what a VMM's description says, counters and flags stay as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "userspace/abi/facts_internal.h"

#define LEVEL 1
#define FACT_BYTES sizeof(struct record_fact)

/* Goes over all lists but that of facts, in one order. */
struct walk {
	char *raw; /* NULL: only counts */
	size_t at;
	bool fill; /* the lists from `raw`; else `raw` from the lists */
};

static void list_move(struct walk *w, void *list, size_t bytes)
{
	if (w->fill && bytes)
		memcpy(list, w->raw + w->at, bytes);
	else if (w->raw && bytes)
		memcpy(w->raw + w->at, list, bytes);
	w->at += bytes;
}

static void lists_move(const struct guest_facts *f, struct walk *w)
{
	list_move(w, f->slots, f->slot_count * sizeof(*f->slots));
	for (size_t i = 0; i < f->vcpu_count; i++)
		list_move(w, f->vcpus[i].entries, f->vcpus[i].count * sizeof(*f->vcpus[i].entries));
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++)
		list_move(w, f->areas[i].body, f->areas[i].bytes);
}

/* All first bytes of facts, then all second ones: alike ones side by side. */
static void facts_spread(const struct guest_facts *f, unsigned char *raw)
{
	const unsigned char *items = (const unsigned char *)f->items;

	for (size_t b = 0; b < FACT_BYTES; b++)
		for (size_t i = 0; i < f->count; i++)
			*raw++ = items[i * FACT_BYTES + b];
}

static void facts_gather(struct guest_facts *f, const unsigned char *raw)
{
	unsigned char *items = (unsigned char *)f->items;

	for (size_t b = 0; b < FACT_BYTES; b++)
		for (size_t i = 0; i < f->count; i++)
			items[i * FACT_BYTES + b] = *raw++;
}

static void lists_free(struct guest_facts *f)
{
	free(f->items);
	free(f->index);
	free(f->order);
	free(f->slots);
	f->items = NULL;
	f->index = f->order = NULL;
	f->slots = NULL;
	f->room = f->index_room = 0;
	f->ordered = false;
	for (size_t i = 0; i < f->vcpu_count; i++) {
		free(f->vcpus[i].entries);
		f->vcpus[i].entries = NULL;
	}
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++) {
		free(f->areas[i].body);
		f->areas[i].body = NULL;
	}
}

static size_t raw_bytes(const struct guest_facts *f)
{
	struct walk count = { .at = f->count * FACT_BYTES };

	lists_move(f, &count);
	return count.at;
}

int facts_pack(struct guest_facts *f)
{
	struct walk w = { .at = f->count * FACT_BYTES };
	size_t bytes = f->packed ? 0 : raw_bytes(f);
	uLongf packed_bytes = compressBound(bytes);
	unsigned char *packed, *tight;
	int r = -ENOMEM;

	if (!bytes)
		return 0;
	w.raw = malloc(bytes);
	packed = malloc(packed_bytes);
	if (!w.raw || !packed)
		goto out;
	facts_spread(f, (unsigned char *)w.raw);
	lists_move(f, &w);
	if (compress2(packed, &packed_bytes, (const unsigned char *)w.raw, bytes, LEVEL) != Z_OK)
		goto out;
	tight = realloc(packed, packed_bytes);
	f->packed = tight ? tight : packed;
	f->packed_bytes = packed_bytes;
	f->raw_bytes = bytes;
	packed = NULL;
	lists_free(f);
	r = 0;
out:
	free(w.raw);
	free(packed);
	return r;
}

/* Empty lists of the sizes that were packed. */
static bool lists_make(struct guest_facts *f)
{
	bool there;

	f->slots = malloc(f->slot_count * sizeof(*f->slots) + 1);
	there = f->slots;
	for (size_t i = 0; i < f->vcpu_count; i++) {
		f->vcpus[i].entries = malloc(f->vcpus[i].count * sizeof(*f->vcpus[i].entries) + 1);
		there = there && f->vcpus[i].entries;
	}
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++) {
		f->areas[i].body = f->areas[i].known ? malloc(f->areas[i].bytes + 1) : NULL;
		there = there && (f->areas[i].body || !f->areas[i].known);
	}
	return there && (!f->count || facts_table_make(f, f->count) == 0);
}

int facts_unpack(struct guest_facts *f)
{
	struct walk w = { .at = f->count * FACT_BYTES, .fill = true };
	uLongf bytes = f->raw_bytes;

	if (!f->packed)
		return 0;
	w.raw = malloc(bytes);
	if (!w.raw || uncompress((unsigned char *)w.raw, &bytes, f->packed, f->packed_bytes) != Z_OK || !lists_make(f)) {
		free(w.raw);
		lists_free(f);
		return -ENOMEM;
	}
	facts_gather(f, (const unsigned char *)w.raw);
	lists_move(f, &w);
	facts_table_index(f);
	free(w.raw);
	facts_packed_forget(f);
	return 0;
}

void facts_packed_forget(struct guest_facts *f)
{
	free(f->packed);
	f->packed = NULL;
	f->packed_bytes = f->raw_bytes = 0;
}

bool facts_packed(const struct guest_facts *f) { return f->packed; }
