/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

int msr_derive(const struct guest_facts *facts, struct abi_entries *out) { return facet_cover_witnessed(facts, out, FACET_MSR, OBSERVE_CLASS_MSR); }
void msr_meaning(const char *key, const char *value, struct buffer *out) { (void)key; (void)value; (void)out; }
int msr_fields(const char *key, const char *from, const char *to, struct abi_fields *out) { (void)key; (void)from; (void)to; (void)out; return 0; }
