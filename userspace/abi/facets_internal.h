/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of every facet's file: what facet.c puts into its table. Private to this folder. */
#ifndef ABIDRIFT_ABI_FACETS_INTERNAL_H
#define ABIDRIFT_ABI_FACETS_INTERNAL_H

#include <stdbool.h>

#include "bpf/observe.h"
#include "userspace/abi/facet.h"

struct abi_entries;
struct buffer;
struct guest_facts;

/* cpuid.c, cpuid_names.c */
int cpuid_derive(const struct guest_facts *facts, struct abi_entries *out);
void cpuid_meaning(const char *key, const char *value, struct buffer *out);
int cpuid_fields(const char *key, const char *from, const char *to, struct abi_fields *out);

/* ports.c, mmio.c, memory.c, identity.c; memory_derive also adds the `window/…` entries of placement */
int ports_derive(const struct guest_facts *facts, struct abi_entries *out);
int mmio_derive(const struct guest_facts *facts, struct abi_entries *out);
int memory_derive(const struct guest_facts *facts, struct abi_entries *out);
int identity_facet_derive(const struct guest_facts *facts, struct abi_entries *out);

/* pci.c, pci_names.c */
int pci_derive(const struct guest_facts *facts, struct abi_entries *out);
bool pci_complete_key(const char *key);
void pci_meaning(const char *key, const char *value, struct buffer *out);
int placement_derive(const struct guest_facts *facts, struct abi_entries *out);

/*
 * facet.c: the coverage of a facet that only shows what the guest touched: none with the host's reason, or witnessed, with
 * the number of facts of `class` that were refused. -ENOMEM.
 */
int facet_cover_witnessed(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum observe_class class);

/* ports.c: "answered", "absent", or NULL: too few reads to say. Shared with mmio. */
struct observe_value;
const char *evidence_text(const struct observe_value *value);

#endif
