/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest's processors are built, as the CPUID instruction tells it: leaf 0x1F, else 0xB, else the older ways of Intel
 * (leaves 1 and 4) and AMD (0x80000008, 0x8000001E). How many sockets there are no CPUID leaf tells.
 *
 * Sources: Intel SDM vol. 2A, CPUID, and vol. 3A, 9.9.1; AMD64 APM vol. 3, appendix E.
 */
#ifndef ABIDRIFT_ABI_TOPOLOGY_H
#define ABIDRIFT_ABI_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

struct facts_cpuid;
struct guest_facts;

struct topology {
	unsigned threads, cores, dies; /* per core, per die, per socket; at least 1 each */
	unsigned logical;              /* processors per socket */
	unsigned package_shift;        /* APIC id >> this = the socket's number */
	unsigned announced;            /* processors per socket as leaf 1 says, 0 = it does not */
	const char *source;            /* the leaf that `logical` comes from: "0xb" */
};

/* As the vCPU of the lowest number is answered. false: no CPUID table was read. */
bool topology_derive(const struct guest_facts *facts, struct topology *ret);
/* The APIC id that this vCPU's table gives. false: it has none. */
bool topology_apic_id(const struct facts_cpuid *cpuid, uint32_t *ret);

#endif
