/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of every facet's file: what facet.c puts into its table. Private to this folder. */
#ifndef ABIDRIFT_ABI_FACETS_INTERNAL_H
#define ABIDRIFT_ABI_FACETS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/observe.h"
#include "userspace/abi/facet.h"
#include "userspace/stream/record.h"

struct abi_entries;
struct buffer;
struct guest_facts;

/* cpuid.c, cpuid_names.c */
int cpuid_derive(const struct guest_facts *facts, struct abi_entries *out);
void cpuid_meaning(const char *key, const char *value, struct buffer *out);
int cpuid_fields(const char *key, const char *from, const char *to, struct abi_fields *out);

/* *_text.c: for a person */
void cpuid_group(const char *key, struct buffer *out);
void cpuid_title(const struct facet_line *lines, size_t count, struct buffer *out);
void pci_group(const char *key, struct buffer *out);
void pci_title(const struct facet_line *lines, size_t count, struct buffer *out);
void acpi_title(const struct facet_line *lines, size_t count, struct buffer *out);
void smbios_title(const struct facet_line *lines, size_t count, struct buffer *out);
int smbios_order(const char *a, const char *b);
void cpuid_present(const struct facet_line *lines, size_t count, struct buffer *out);
void memory_present(const struct facet_line *lines, size_t count, struct buffer *out);
void pci_present(const struct facet_line *lines, size_t count, struct buffer *out);
void acpi_present(const struct facet_line *lines, size_t count, struct buffer *out);
void smbios_present(const struct facet_line *lines, size_t count, struct buffer *out);

/* ports.c, mmio.c, memory.c, identity.c; memory_derive also adds the `window/…` entries of placement */
int ports_derive(const struct guest_facts *facts, struct abi_entries *out);
int mmio_derive(const struct guest_facts *facts, struct abi_entries *out);
int memory_derive(const struct guest_facts *facts, struct abi_entries *out);
int identity_facet_derive(const struct guest_facts *facts, struct abi_entries *out);

/* memory.c: does a slot begin where the guest put a BAR, as far as is known or guessed? -ENOMEM. */
int memory_is_placement(const struct guest_facts *facts, uint64_t gpa, bool *ret);

/* pci.c, pci_names.c */
int pci_derive(const struct guest_facts *facts, struct abi_entries *out);
bool pci_complete_key(const char *key);
void pci_meaning(const char *key, const char *value, struct buffer *out);
int placement_derive(const struct guest_facts *facts, struct abi_entries *out);

/* msr.c, msr_names.c */
int msr_derive(const struct guest_facts *facts, struct abi_entries *out);
void msr_meaning(const char *key, const char *value, struct buffer *out);
int msr_fields(const char *key, const char *from, const char *to, struct abi_fields *out);

/* acpi.c and what it calls */
int acpi_derive(const struct guest_facts *facts, struct abi_entries *out);
void acpi_meaning(const char *key, const char *value, struct buffer *out);
int acpi_fields(const char *key, const char *from, const char *to, struct abi_fields *out);

/* smbios.c; smbios_identity_add adds what identifies one guest to the facet identity */
int smbios_derive(const struct guest_facts *facts, struct abi_entries *out);
void smbios_meaning(const char *key, const char *value, struct buffer *out);
int smbios_identity_add(const struct guest_facts *facts, struct abi_entries *out);
/* The guest's UUID as SMBIOS type 1 says it, lower case; false: it says none (or the nil UUID). */
bool smbios_table_uuid(const struct guest_facts *facts, char ret[37]);

/* numa.c, firmware.c */
int numa_derive(const struct guest_facts *facts, struct abi_entries *out);
int firmware_derive(const struct guest_facts *facts, struct abi_entries *out);
bool firmware_complete_key(const char *key);
void firmware_meaning(const char *key, const char *value, struct buffer *out);

/* registers.c: identity registers by name, in the facets mmio and ports; nics.c: MAC addresses, in the facet identity */
int registers_add_mmio(const struct guest_facts *facts, struct abi_entries *out);
int registers_add_ports(const struct guest_facts *facts, struct abi_entries *out);
void registers_meaning(const char *key, const char *value, struct buffer *out);
int nics_identity_add(const struct guest_facts *facts, struct abi_entries *out);

/*
 * facet.c: the coverage of a facet that is read from guest memory: none with the host's reason, or because nothing was read
 * yet, or nothing was found (with the reader's reason); complete or witnessed as the reading was. -ENOMEM.
 */
int facet_cover_area(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum record_area area);

/*
 * facet.c: the coverage of a facet that only shows what the guest touched: none with the host's reason, or witnessed, with
 * the number of facts of `class` that were refused. -ENOMEM.
 */
int facet_cover_witnessed(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum observe_class class);

/*
 * facet.c: of a facet that hangs on what PCI's registers said, none, because the kernel skipped events meanwhile. To be asked where
 * facts_skipped(facts, FACTS_OF_PCI). -ENOMEM.
 */
int facet_cover_skipped(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet);

/* ports.c: "answered", "absent", or NULL: too few reads to say. Shared with mmio. */
struct observe_value;
const char *evidence_text(const struct observe_value *value);

#endif
