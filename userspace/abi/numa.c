/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

int numa_derive(const struct guest_facts *facts, struct abi_entries *out) { return facet_cover_area(facts, out, FACET_NUMA, RECORD_AREA_ACPI); }
