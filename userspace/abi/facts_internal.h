/* SPDX-License-Identifier: Apache-2.0 */
/* What facts.c, facts_io.c and facts_merge.c share: how the facts of a guest are held. Private to this folder. */
#ifndef ABIDRIFT_ABI_FACTS_INTERNAL_H
#define ABIDRIFT_ABI_FACTS_INTERNAL_H

#include "userspace/abi/facts.h"

/* A trace may come from anywhere. Far above what a kernel side ever keeps of one guest. */
#define FACTS_MAX (1u << 18)
#define FACTS_VCPUS_MAX 4096u

/*
 * Which of two records of one thing is the later one: by time and sequence, then (a store keeps neither) by content, so that
 * the order of arrival never matters.
 */
struct stamp {
	uint64_t at_ns;
	uint64_t seq;
};

static inline bool stamp_later(const struct stamp *a, const struct stamp *b)
{
	return a->at_ns != b->at_ns ? a->at_ns > b->at_ns : a->seq > b->seq;
}

/* A body of pairs, replaced as a whole. */
struct pairs {
	char *body;
	size_t bytes;
	struct stamp stamp;
	bool known;
};

/* A RECORD_MEMORY, replaced as a whole. */
struct area {
	char *body;
	size_t bytes;
	struct stamp stamp;
	bool known;
};

struct vcpu {
	struct stamp stamp;
	struct inventory_cpuid_entry *entries;
	uint32_t vcpu_id;
	uint32_t count;
	bool ran;
};

struct guest_facts {
	/* Open addressing into items; 0 = free, else index + 1. Never over half full. */
	struct record_fact *items;
	uint32_t *index;
	uint32_t *order; /* sorted indices of items; made when first asked for */
	size_t count;
	size_t room;
	size_t index_room; /* power of two */
	bool ordered;

	struct vcpu *vcpus; /* by vcpu_id */
	size_t vcpu_count;

	struct record_slot *slots; /* by gpa */
	size_t slot_count;
	struct stamp slots_stamp;
	bool slots_known, slots_complete;

	struct area areas[RECORD_AREA_LAST + 1]; /* by enum record_area; 0 unused */

	struct pairs vm, coverage;
	const char **args; /* into vm.body */
	size_t arg_count;

	uint32_t boot; /* 0 = none yet */
	bool boot_known; /* a BOOT record said so, not only a fact's number */
	bool from_reset;

	/* Per class and for all classes: the counter now, where it stood when this boot began. */
	uint64_t loss[OBSERVE_CLASSES + 1];
	uint64_t loss_before[OBSERVE_CLASSES + 1];

	uint64_t skipped[FACTS_DECODED]; /* events, in this boot; 0 = none of these facts is doubtful */

	/* facts_pack.c: items, slots, tables of vCPUs and bodies of areas, compressed; NULL: they are there. */
	unsigned char *packed;
	size_t packed_bytes, raw_bytes;
};

void facts_packed_forget(struct guest_facts *f);
/* facts.c: room for `room` facts, of which the first `count` are kept where there are any. -ENOMEM: as before. */
int facts_table_make(struct guest_facts *f, size_t room);
/* Finds all items by their keys again. */
void facts_table_index(struct guest_facts *f);

/* facts_skips.c: from now on these facts of the boot count for nothing. *news: the facets that lose them. */
void facts_skip(struct guest_facts *f, enum facts_decoded d, uint64_t events, unsigned *news);
/* Is it one of those? */
bool fact_is_skipped(const struct guest_facts *f, const struct record_fact *fact);
/* facts.c: forgets the facts for which `gone` says so. */
void facts_drop(struct guest_facts *f, bool (*gone)(const struct guest_facts *f, const struct record_fact *fact));
/* Takes a fact of the present boot in its own right, whatever boot it names. -ENOMEM. */
int facts_put(struct guest_facts *f, const struct record_fact *fact, unsigned *ret_news);
/* As facts_find, but the fact itself. */
struct record_fact *facts_lookup(const struct guest_facts *f, const struct observe_key *key);
/* Replaces a body of pairs without asking which is later. -ENOMEM, -EBADMSG. */
int facts_pairs_set(struct guest_facts *f, struct pairs *p, const void *body, size_t bytes);
/* `slots` need not be aligned. */
int facts_slots_set(struct guest_facts *f, const void *slots, size_t count, bool complete);
/* Adds or replaces one vCPU's table; `entries` need not be aligned. */
int facts_vcpu_set(struct guest_facts *f, uint32_t vcpu_id, bool ran, const void *entries, uint32_t count, struct stamp stamp);
/* Replaces an area without asking which is later. -ENOMEM. */
int facts_area_add(struct guest_facts *f, struct stamp stamp, const void *body, size_t bytes, enum record_area *ret_area); /* 0 in *ret_area: no news. -ENOMEM, -EBADMSG */
void facts_areas_forget(struct guest_facts *f);
int facts_area_set(struct guest_facts *f, enum record_area area, const void *body, size_t bytes, struct stamp stamp);
/* Is a the later of two facts of one key? */
bool fact_is_later(const struct record_fact *a, const struct record_fact *b);
/* Port and MMIO: does it say something ("answered", "absent")? */
bool fact_is_evidence(const struct record_fact *fact);

#endif
