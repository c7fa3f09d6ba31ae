/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

int smbios_derive(const struct guest_facts *facts, struct abi_entries *out) { return facet_cover_area(facts, out, FACET_SMBIOS, RECORD_AREA_SMBIOS); }
void smbios_meaning(const char *key, const char *value, struct buffer *out) { (void)key; (void)value; (void)out; }
int smbios_identity_add(const struct guest_facts *facts, struct abi_entries *out) { (void)facts; (void)out; return 0; }
bool smbios_table_uuid(const struct guest_facts *facts, char ret[37]) { (void)facts; (void)ret; return false; }
