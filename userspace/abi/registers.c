/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

int registers_add_mmio(const struct guest_facts *facts, struct abi_entries *out) { (void)facts; (void)out; return 0; }
int registers_add_ports(const struct guest_facts *facts, struct abi_entries *out) { (void)facts; (void)out; return 0; }
void registers_meaning(const char *key, const char *value, struct buffer *out) { (void)key; (void)value; (void)out; }
