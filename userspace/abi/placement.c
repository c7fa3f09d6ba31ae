/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facet placement: where firmware and OS put what the facet pci names: BAR and ROM addresses, bus numbers, bridge windows. It
 * is shown beside the change that moved it, and never counts. Memory slots behind BARs are added by memory.c.
 */
#include <stdio.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/abi/windows.h"

#define PCI_REG_BRIDGE_IO 0x1c
#define PCI_REG_BRIDGE_MEM 0x20

static int add_window(const struct pci_window *window, const struct pci_function *fn, struct abi_entries *out)
{
	char key[PCI_PATH_BYTES + 32];

	switch (window->kind) {
	case PCI_WINDOW_BAR:
		snprintf(key, sizeof(key), "%s/bar%u", fn->path, (window->reg - PCI_REG_BAR0) / 4u);
		break;
	case PCI_WINDOW_ROM:
		snprintf(key, sizeof(key), "%s/rom", fn->path);
		break;
	case PCI_WINDOW_BRIDGE:
		snprintf(key, sizeof(key), "%s/%s_window", fn->path,
			 window->reg == PCI_REG_BRIDGE_IO ? "io" : window->reg == PCI_REG_BRIDGE_MEM ? "mem" : "pref");
		return entries_addf(out, FACET_PLACEMENT, key, "0x%016llx size=0x%llx", (unsigned long long)window->base,
				    (unsigned long long)window->bytes);
	}
	return entries_addf(out, FACET_PLACEMENT, key, "0x%016llx", (unsigned long long)window->base);
}

static int add_windows(const struct guest_facts *facts, const struct pci_tree *tree, struct abi_entries *out)
{
	struct windows windows;
	int r;

	r = windows_derive(facts, &windows);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < windows.count; i++) {
		const struct pci_function *fn = windows.items[i].current ? pci_tree_find(tree, windows.items[i].bdf) : NULL;

		if (fn)
			r = add_window(&windows.items[i], fn, out);
	}
	windows_release(&windows);
	return r;
}

static int add_buses(const struct pci_tree *tree, struct abi_entries *out)
{
	char key[PCI_PATH_BYTES + 32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->count; i++) {
		const struct pci_function *fn = &tree->functions[i];

		if (!fn->secondary)
			continue;
		snprintf(key, sizeof(key), "%s/bus", fn->path);
		r = entries_addf(out, FACET_PLACEMENT, key, "%u", fn->secondary);
	}
	return r;
}

int placement_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *blind = facts_blind(facts, "pci");
	struct pci_tree tree;
	int r;

	r = pci_tree_derive(facts, &tree);
	if (r < 0)
		return r;
	r = add_windows(facts, &tree, out);
	if (r == 0)
		r = add_buses(&tree, out);
	pci_tree_release(&tree);
	if (r < 0)
		return r;
	/* Slots behind BARs may still be known. */
	if (facts_skipped(facts, FACTS_OF_PCI))
		return entries_cover(out, FACET_PLACEMENT, COVERAGE_WITNESSED, "only memory behind BARs: the kernel skipped %llu events " COVERAGE_SKIP_MARK,
				     (unsigned long long)facts_skipped(facts, FACTS_OF_PCI));
	if (blind)
		return entries_cover(out, FACET_PLACEMENT, COVERAGE_WITNESSED, "only memory behind BARs: %s", blind);
	return facet_cover_witnessed(facts, out, FACET_PLACEMENT, OBSERVE_CLASS_PCI_PLACED);
}
