/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory-mapped registers: which 4 KiB pages answer, by width. Left out: pages where PCI was programmed to (the function's),
 * PCI's configuration window where the collector tells it (VM pair "ecam": what was read there before it was known lies here
 * still), and the VGA window, where a read gives what was drawn.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/windows.h"

#define VGA_WINDOW 0xa0000u
#define VGA_WINDOW_END 0xc0000u

/* "0xBASE 0xBYTES" */
static bool ecam_parse(const char *text, uint64_t *ret_base, uint64_t *ret_bytes)
{
	char *end;

	if (strncmp(text, "0x", 2))
		return false;
	errno = 0;
	*ret_base = strtoull(text, &end, 16);
	if (errno || strncmp(end, " 0x", 3))
		return false;
	*ret_bytes = strtoull(end + 1, &end, 16);
	return !errno && !*end;
}

/* Where PCI's configuration window is; none: 0 bytes. */
static void ecam_find(const struct guest_facts *facts, uint64_t *ret_base, uint64_t *ret_bytes)
{
	const char *told = facts_vm(facts, "ecam");

	if (!told || !ecam_parse(told, ret_base, ret_bytes))
		*ret_base = *ret_bytes = 0;
}

int mmio_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const struct record_fact *fact;
	struct windows windows = WINDOWS_INIT;
	uint64_t ecam_base, ecam_bytes;
	size_t cursor = 0;
	char key[48];
	int r;

	r = facet_cover_witnessed(facts, out, FACET_MMIO, OBSERVE_CLASS_MMIO);
	if (r < 0 || facts_blind(facts, "mmio"))
		return r;
	/* Which pages are a function's, or PCI's configuration window, nobody knows. */
	if (facts_skipped(facts, FACTS_OF_PCI))
		return facet_cover_skipped(facts, out, FACET_MMIO);
	ecam_find(facts, &ecam_base, &ecam_bytes);
	r = windows_derive(facts, &windows);
	while (r >= 0 && (fact = facts_next(facts, OBSERVE_MMIO, &cursor))) {
		const char *evidence = evidence_text(&fact->value);
		uint64_t page = fact->key.address & ~(OBSERVE_PAGE_BYTES - 1);

		if (!evidence || page - ecam_base < ecam_bytes || (page >= VGA_WINDOW && page < VGA_WINDOW_END) ||
		    windows_overlap(&windows, false, page, OBSERVE_PAGE_BYTES))
			continue;
		snprintf(key, sizeof(key), "0x%016" PRIx64 "/r%u", page, (fact->key.width ? fact->key.width : 1) * 8u);
		r = entries_add(out, FACET_MMIO, key, evidence);
	}
	windows_release(&windows);
	return r < 0 ? r : registers_add_mmio(facts, out);
}
