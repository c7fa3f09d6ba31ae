/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one guest in one boot, as seen, before anyone interprets it.
 * Pure data: facts in, from records in any order and any number of times;
 * facts out, as canonical bytes (records, sorted) that a store can keep and a
 * newer abidrift can derive again.
 */
#ifndef ABIDRIFT_ABI_FACTS_H
#define ABIDRIFT_ABI_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/abi/facet.h"
#include "userspace/stream/record.h"

struct buffer;
struct error;
struct guest_facts;

struct guest_facts *facts_new(void); /* NULL: out of memory */
void facts_free(struct guest_facts *f);
struct guest_facts *facts_clone(const struct guest_facts *f);

/*
 * Takes one record of this guest: VM, BOOT, FACT, CPUID, SLOTS, MEMORY, COVERAGE, LOSS (others: nothing happens).
 * A BOOT with another number than the present one forgets everything that belongs to a boot (not VM, COVERAGE).
 * FACT, CPUID, SLOTS and MEMORY of another boot than the present one are ignored (0 in *ret_news); before any BOOT they are taken.
 * *ret_news (may be NULL) is the set of facets (1u << enum facet_id) that this told something new about: a repetition is not news.
 * -ENOMEM, -EBADMSG.
 */
int facts_add(struct guest_facts *f, const struct record_header *h, const void *body, size_t bytes, unsigned *ret_news);

/* Canonical records, sorted by type and key: equal facts, equal bytes, whatever the order of arrival, seq and times (both 0 in the output but value.changed_ns of PCI_PLACED's rank; see facts.c). */
int facts_serialize(const struct guest_facts *f, struct buffer *out);
int facts_parse(const void *data, size_t size, struct guest_facts **ret, struct error *e);

/*
 * Packs what is not asked for while a guest is at rest: a small part of the memory is left. facts_add unpacks by itself; beside that only what is
 * asked below of VM pairs, arguments, reasons, losses, the boot and facts_ran may be asked of packed facts. Where it is so already nothing happens.
 * -ENOMEM: as before.
 */
int facts_pack(struct guest_facts *f);
int facts_unpack(struct guest_facts *f);
bool facts_packed(const struct guest_facts *f);

/*
 * Evidence that `now` has beyond `known` joins it: facts whose key it lacks, PCI bytes that it did not know, all-ones counts
 * and "answered" that only grow. What both know and disagree about stays as `known` has it. CPUID tables and slots are not touched
 * unless `known` has none. -ENOMEM.
 */
int facts_merge(struct guest_facts *known, const struct guest_facts *now);

/* ---- for the facets: everything below is borrowed and valid until the next facts_add ---- */

/* Next fact of a kind, sorted by (selector, address, width); *cursor starts at 0; NULL = end. */
const struct record_fact *facts_next(const struct guest_facts *f, enum observe_kind kind, size_t *cursor);
/* The same, of one selector. */
const struct record_fact *facts_next_of(const struct guest_facts *f, enum observe_kind kind, uint32_t selector, size_t *cursor);
/* One fact, or NULL; width 0 for kinds that have none. */
const struct record_fact *facts_find(const struct guest_facts *f, enum observe_kind kind, uint32_t selector, uint64_t address, uint8_t width);

struct facts_cpuid {
	uint32_t vcpu_id;
	bool ran;
	uint32_t count;
	const struct inventory_cpuid_entry *entries;
};
size_t facts_cpuid_count(const struct guest_facts *f); /* vCPUs with a table, sorted by vcpu_id */
bool facts_cpuid_get(const struct guest_facts *f, size_t n, struct facts_cpuid *ret);

/* Slots by gpa; NULL and 0 where never read. *ret_complete: the list is whole. */
const struct record_slot *facts_slots(const struct guest_facts *f, size_t *ret_count, bool *ret_complete);

/*
 * What was read of the guest's memory. false: nothing was told of this area yet. *ret_whole: all of it, every checksum right;
 * *ret_reason (never NULL, hostile only in length): why not, or what was refused. All three may be NULL.
 */
bool facts_area(const struct guest_facts *f, enum record_area area, bool *ret_whole, const char **ret_reason, size_t *ret_reason_bytes);
/* Next part of an area but its reason, in order; *cursor starts at 0; false = end. Bytes are borrowed and not aligned. */
bool facts_part_next(const struct guest_facts *f, enum record_area area, size_t *cursor, struct record_part *ret, const void **ret_bytes);

/* VM pairs; first value of key, or NULL. */
const char *facts_vm(const struct guest_facts *f, const char *key);
/* Next VM pair, in order; *cursor starts at 0; false = end. */
bool facts_vm_next(const struct guest_facts *f, size_t *cursor, const char **ret_key, const char **ret_value);
/* n-th argv element ("arg" pairs), or NULL past the end. */
const char *facts_arg(const struct guest_facts *f, size_t n);
/* The reason why this host shows nothing of a facet, or NULL. */
const char *facts_blind(const struct guest_facts *f, const char *facet_name);
/* Facts of this class that were refused or lost for this guest in this boot. */
uint64_t facts_lost(const struct guest_facts *f, enum observe_class class);

/*
 * Facts that are decoded through state that the programs keep between two events: an address latch, an index, a selector. Where the kernel
 * skipped an event in between, such a fact may be of another register than it says.
 */
enum facts_decoded {
	FACTS_OF_PCI,       /* 0xCF8 and 0xCFC, sizing of BARs, where BARs and buses are */
	FACTS_OF_REGISTERS, /* behind index registers; fw_cfg */
	FACTS_DECODED,
};
/* FACTS_DECODED: it is not decoded through any. */
enum facts_decoded facts_decoded_of(enum observe_kind kind);
/* A RECORD_LOSS of stage MISSED and this class says that those facts are doubtful. */
enum observe_class facts_decoded_class(enum facts_decoded d);
/*
 * How many events the kernel skipped while such facts were taken in this boot. Where there are any the boot has none of these facts, whenever
 * they came: which of them are right nobody knows.
 */
uint64_t facts_skipped(const struct guest_facts *f, enum facts_decoded d);

bool facts_from_reset(const struct guest_facts *f);
uint32_t facts_boot(const struct guest_facts *f); /* 0 = none yet */
bool facts_ran(const struct guest_facts *f);      /* a vCPU has run */

#endif
