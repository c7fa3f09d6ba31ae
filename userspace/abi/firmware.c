/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

int firmware_derive(const struct guest_facts *facts, struct abi_entries *out) { return facet_cover_area(facts, out, FACET_FIRMWARE, RECORD_AREA_FIRMWARE); }
void firmware_meaning(const char *key, const char *value, struct buffer *out) { (void)key; (void)value; (void)out; }
