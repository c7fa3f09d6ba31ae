/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O ports: which answer, by width. What lies in a range that PCI was programmed to belongs to the function there, and
 * 0xCFC to 0xCFF answer for whichever function the latch names: both are the pci facet's.
 */
#include <stdio.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/windows.h"

#define PCI_CONFIG_DATA 0xcfcu
#define PCI_CONFIG_DATA_LAST 0xcffu

const char *evidence_text(const struct observe_value *value)
{
	if (value->flags & OBSERVE_ANSWERED)
		return "answered";
	return value->all_ones >= OBSERVE_ABSENT_READS ? "absent" : NULL;
}

int ports_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const struct record_fact *fact;
	struct windows windows = WINDOWS_INIT;
	size_t cursor = 0;
	char key[32];
	int r;

	r = facet_cover_witnessed(facts, out, FACET_PORTS, OBSERVE_CLASS_PORT);
	if (r < 0 || facts_blind(facts, "ports"))
		return r;
	/* Which of them are a function's nobody knows. */
	if (facts_skipped(facts, FACTS_OF_PCI))
		return facet_cover_skipped(facts, out, FACET_PORTS);
	r = windows_derive(facts, &windows);
	while (r >= 0 && (fact = facts_next(facts, OBSERVE_PORT, &cursor))) {
		const char *evidence = evidence_text(&fact->value);
		uint32_t port = fact->key.selector, bytes = fact->key.width ? fact->key.width : 1;

		if (!evidence || (port >= PCI_CONFIG_DATA && port <= PCI_CONFIG_DATA_LAST) || windows_overlap(&windows, true, port, bytes))
			continue;
		snprintf(key, sizeof(key), "0x%04x/r%u", port, bytes * 8);
		r = entries_add(out, FACET_PORTS, key, evidence);
	}
	windows_release(&windows);
	return r < 0 ? r : registers_add_ports(facts, out);
}
