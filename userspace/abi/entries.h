/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries: the comparable keys and values of all facets of one guest at one time, sorted as LC_ALL=C sorts the lines
 * `FACET KEY VALUE`, with the coverage of each facet. Keys and values are escaped text as in a fingerprint.
 */
#ifndef ABIDRIFT_ABI_ENTRIES_H
#define ABIDRIFT_ABI_ENTRIES_H

#include <stddef.h>

#include "userspace/abi/facet.h"

struct guest_facts;

/* Raise when any rule changes what entries are derived from the same facts. */
#define ABI_NORMALISER 2u

struct abi_entry {
	enum facet_id facet;
	char *key;
	char *value;
};

struct abi_coverage {
	enum coverage level;
	char *reason; /* never NULL; "" where complete needs none */
};

struct abi_entries {
	struct abi_entry *items; /* sorted and without duplicates after entries_sort */
	size_t count;
	size_t room;
	struct abi_coverage coverage[FACETS];
};

#define ABI_ENTRIES_INIT { 0 }

void entries_release(struct abi_entries *e);
/* Adds key and value as raw text; both are escaped here. -ENOMEM. */
int entries_add(struct abi_entries *e, enum facet_id facet, const char *key, const char *value);
int entries_addf(struct abi_entries *e, enum facet_id facet, const char *key, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* As they are (already escaped: a fingerprint text is being read). */
int entries_add_escaped(struct abi_entries *e, enum facet_id facet, const char *key, const char *value);
int entries_cover(struct abi_entries *e, enum facet_id facet, enum coverage level, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Sorts; of equal keys the last added stays. */
void entries_sort(struct abi_entries *e);
/* NULL: not there. Needs sorted entries. */
const struct abi_entry *entries_find(const struct abi_entries *e, enum facet_id facet, const char *key);
/* Deep copy. -ENOMEM. */
int entries_copy(const struct abi_entries *from, struct abi_entries *to);
/* Is it a key that its facet's complete coverage means? */
bool entry_complete(const struct abi_entry *entry);

/* The whole way from facts to sorted entries, every facet. 0 or -ENOMEM. */
int abi_derive(const struct guest_facts *facts, struct abi_entries *ret);
/* Of these facets (1u << enum facet_id) only; the others have no entries, and coverage none. */
int abi_derive_of(const struct guest_facts *facts, unsigned facets, struct abi_entries *ret);

#endif
