// SPDX-License-Identifier: Apache-2.0
/*
 * Other rules, as the next abidrift may have them: values change, keys get other names, come and go, a facet is read no more. The
 * linker puts these in the place of the functions (--wrap), so that the shipped program knows nothing of this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facets_internal.h"
#include "userspace/abi/entries.h"

#define HYPERVISOR (1u << 31) /* leaf 1, ecx */

typedef int derive_t(const struct guest_facts *facts, struct abi_entries *out);
derive_t __real_cpuid_derive, __real_ports_derive, __real_memory_derive, __real_pci_derive, __real_msr_derive;
derive_t __wrap_cpuid_derive, __wrap_ports_derive, __wrap_memory_derive, __wrap_pci_derive, __wrap_msr_derive, __wrap_numa_derive;

static void entry_drop(struct abi_entries *e, size_t i)
{
	free(e->items[i].key);
	free(e->items[i].value);
	e->items[i] = e->items[--e->count];
}

/* A bit that says nothing about the machine any more. */
int __wrap_cpuid_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	int err = __real_cpuid_derive(facts, out);

	for (size_t i = 0; i < out->count; i++) {
		struct abi_entry *entry = &out->items[i];

		if (entry->facet == FACET_CPUID && !strcmp(entry->key, "0x00000001.0.ecx"))
			snprintf(entry->value, strlen(entry->value) + 1, "0x%08lx", strtoul(entry->value, NULL, 16) & ~(unsigned long)HYPERVISOR);
	}
	return err;
}

/* Every key has another name. */
int __wrap_ports_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	int err = __real_ports_derive(facts, out);

	for (size_t i = 0; i < out->count && err >= 0; i++) {
		struct abi_entry *entry = &out->items[i];
		char *key = NULL;

		if (entry->facet != FACET_PORTS)
			continue;
		if (asprintf(&key, "%s/again", entry->key) < 0)
			return -1;
		free(entry->key);
		entry->key = key;
	}
	return err;
}

/* A key more. */
int __wrap_memory_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	int err = __real_memory_derive(facts, out);
	unsigned ranges = 0;

	for (size_t i = 0; i < out->count; i++)
		ranges += out->items[i].facet == FACET_MEMORY;
	return err < 0 || !ranges ? err : entries_addf(out, FACET_MEMORY, "ranges", "%u", ranges);
}

/* Keys less. */
int __wrap_pci_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	int err = __real_pci_derive(facts, out);

	for (size_t i = out->count; i-- > 0;)
		if (out->items[i].facet == FACET_PCI && strstr(out->items[i].key, "/revision"))
			entry_drop(out, i);
	return err;
}

/* Another word for how much is seen. */
int __wrap_msr_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	int err = __real_msr_derive(facts, out);

	return err < 0 || out->coverage[FACET_MSR].level != COVERAGE_WITNESSED ? err : entries_cover(out, FACET_MSR, COVERAGE_WITNESSED, "seen in passing");
}

/* A facet that is not read any more. */
int __wrap_numa_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	(void)facts;
	return entries_cover(out, FACET_NUMA, COVERAGE_NONE, "other rules");
}
