/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/pci_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts.h"

#define VENDOR_BYTES 0x3
#define HEADER_BYTE 0x4
#define SECONDARY_BYTE 0x2
#define CLASS_BYTES 0xc
#define CLASS_BRIDGE_PCI 0x0604
#define VENDOR_NONE 0xffff

struct walk {
	const struct guest_facts *facts;
	struct pci_tree tree;
	size_t room;
	bool visited[PCI_BUSES];
};

bool pci_read(const struct guest_facts *facts, uint16_t bdf, uint16_t reg, uint8_t bytes, uint32_t *ret)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_PCI, bdf, reg, 0);
	uint32_t value = 0;

	if (!fact || (fact->value.known & bytes) != bytes)
		return false;
	for (unsigned n = 0; n < 4; n++)
		if (bytes & 1u << n)
			value |= fact->value.data[0] & 0xffu << 8 * n;
	*ret = value;
	return true;
}

enum pci_presence pci_presence(const struct guest_facts *facts, uint16_t bdf)
{
	const struct record_fact *nobody;
	uint32_t vendor;

	if (!pci_read(facts, bdf, PCI_REG_ID, VENDOR_BYTES, &vendor)) {
		nobody = facts_find(facts, OBSERVE_PCI_ABSENT, bdf >> 8, bdf % PCI_FUNCTIONS, 0);
		return nobody && nobody->value.data[0] & 1u << (bdf / PCI_FUNCTIONS % PCI_DEVICES) ? PCI_ABSENT : PCI_UNKNOWN;
	}
	/* No vendor has number 0, and firmware takes it for nobody too. */
	return vendor == VENDOR_NONE || vendor == 0 ? PCI_ABSENT : PCI_PRESENT;
}

static bool is_bridge(const struct guest_facts *facts, const struct pci_function *fn)
{
	uint32_t class;

	if (fn->header_known)
		return fn->header == PCI_HEADER_BRIDGE || fn->header == PCI_HEADER_CARDBUS;
	return pci_read(facts, fn->bdf, PCI_REG_CLASS, CLASS_BYTES, &class) && class >> 16 == CLASS_BRIDGE_PCI;
}

/* The bus number that the bridge holds now: of all that it was given, the newest. */
static uint8_t secondary_bus(const struct guest_facts *facts, uint16_t bdf)
{
	const struct record_fact *fact, *newest = NULL;
	size_t cursor = 0;

	while ((fact = facts_next_of(facts, OBSERVE_PCI_PLACED, (uint32_t)PCI_REG_BUSES << 16 | bdf, &cursor)) != NULL) {
		if (!(fact->value.known & SECONDARY_BYTE))
			continue;
		/* Facts come by address: of two at one time, the higher one counts, whatever their order of arrival. */
		if (!newest || fact->value.changed_ns >= newest->value.changed_ns)
			newest = fact;
	}
	return newest ? newest->key.address >> 8 & 0xff : 0;
}

static void function_read(const struct guest_facts *facts, struct pci_function *fn)
{
	uint32_t header;

	fn->header_known = pci_read(facts, fn->bdf, PCI_REG_HEADER, HEADER_BYTE, &header);
	if (fn->header_known) {
		fn->header = header >> 16 & 0x7f;
		fn->multifunction = header >> 16 & 0x80;
	}
	fn->bridge = is_bridge(facts, fn);
	if (fn->bridge)
		fn->secondary = secondary_bus(facts, fn->bdf);
}

/* *ret is valid until the next one is added. */
static int function_add(struct walk *w, struct pci_function **ret)
{
	if (w->tree.count == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct pci_function *functions = realloc(w->tree.functions, room * sizeof(*functions));

		if (!functions)
			return -ENOMEM;
		w->tree.functions = functions;
		w->room = room;
	}
	*ret = &w->tree.functions[w->tree.count++];
	memset(*ret, 0, sizeof(**ret));
	return 0;
}

/* `above` is the bridge's path, "" for the root bus. */
static int walk_bus(struct walk *w, uint8_t bus, const char *above, unsigned depth)
{
	w->visited[bus] = true;
	for (unsigned n = 0; n < PCI_DEVICES * PCI_FUNCTIONS; n++) {
		uint16_t bdf = PCI_BDF(bus, n / PCI_FUNCTIONS, n % PCI_FUNCTIONS);
		enum pci_presence presence = pci_presence(w->facts, bdf);
		char path[PCI_PATH_BYTES];
		struct pci_function *fn;
		uint8_t behind;
		int r;

		if (presence == PCI_UNKNOWN)
			continue;
		r = function_add(w, &fn);
		if (r < 0)
			return r;
		fn->bdf = bdf;
		fn->presence = presence;
		if (depth == 0)
			snprintf(fn->path, sizeof(fn->path), "0000:%02x:%02x.%x", bus, n / PCI_FUNCTIONS, n % PCI_FUNCTIONS);
		else
			snprintf(fn->path, sizeof(fn->path), "%s/%02x.%x", above, n / PCI_FUNCTIONS, n % PCI_FUNCTIONS);
		if (presence == PCI_ABSENT)
			continue;
		function_read(w->facts, fn);
		behind = fn->secondary;
		/* A guest may program any number: each bus is behind one bridge, and the root bus behind none. */
		if (!fn->bridge || behind == 0 || w->visited[behind] || depth + 1 >= PCI_DEPTH_MAX)
			continue;
		fn->descended = true;
		memcpy(path, fn->path, sizeof(path));
		r = walk_bus(w, behind, path, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Buses that a bridge once led to in this boot: what was seen there has moved, and is seen again where it is now. */
static void buses_of_old(const struct guest_facts *facts, bool ret[PCI_BUSES])
{
	const struct record_fact *fact;
	size_t cursor = 0;

	while ((fact = facts_next(facts, OBSERVE_PCI_PLACED, &cursor)) != NULL) {
		struct pci_function fn = { .bdf = fact->key.selector & 0xffff };

		if (fact->key.selector >> 16 != PCI_REG_BUSES || !(fact->value.known & SECONDARY_BYTE))
			continue;
		function_read(facts, &fn);
		if (fn.bridge)
			ret[fact->key.address >> 8 & 0xff] = true;
	}
}

/* Functions on buses that no bridge leads to or once led to. */
static void count_unclaimed(struct walk *w, const bool old[PCI_BUSES])
{
	const struct record_fact *fact;
	size_t cursor = 0;

	while ((fact = facts_next(w->facts, OBSERVE_PCI, &cursor)) != NULL) {
		uint8_t bus = fact->key.selector >> 8 & 0xff;

		if (fact->key.selector > 0xffff || fact->key.address != PCI_REG_ID || w->visited[bus] || old[bus])
			continue;
		if (pci_presence(w->facts, (uint16_t)fact->key.selector) != PCI_PRESENT)
			continue;
		if (w->tree.unclaimed++ == 0)
			w->tree.unclaimed_bus = bus;
	}
}

/* Every number that a bridge was given is known only of a boot seen from its reset, and only if none was refused. */
static bool bridges_are_known(const struct guest_facts *facts)
{
	return facts_from_reset(facts) && !facts_lost(facts, OBSERVE_CLASS_PCI_PLACED) && !facts_lost(facts, OBSERVE_CLASS_PCI_HEADER);
}

static int walk_roots(struct walk *w, const bool old[PCI_BUSES])
{
	bool answers[PCI_BUSES] = { false };
	const struct record_fact *fact;
	size_t cursor = 0;
	int r = 0;

	while ((fact = facts_next(w->facts, OBSERVE_PCI, &cursor)) != NULL)
		if (fact->key.selector <= 0xffff && fact->key.address == PCI_REG_ID &&
		    pci_presence(w->facts, (uint16_t)fact->key.selector) == PCI_PRESENT)
			answers[fact->key.selector >> 8] = true;
	for (unsigned bus = 1; bus < PCI_BUSES && r == 0; bus++)
		if (answers[bus] && !w->visited[bus] && !old[bus]) {
			w->tree.root_buses[w->tree.roots++] = (uint8_t)bus;
			r = walk_bus(w, (uint8_t)bus, "", 0);
		}
	return r;
}

void pci_tree_release(struct pci_tree *t)
{
	free(t->functions);
	*t = (struct pci_tree)PCI_TREE_INIT;
}

int pci_tree_derive(const struct guest_facts *facts, struct pci_tree *ret)
{
	struct walk w = { .facts = facts };
	bool old[PCI_BUSES] = { false };
	int r;

	r = walk_bus(&w, 0, "", 0);
	buses_of_old(facts, old);
	if (r == 0 && bridges_are_known(facts))
		r = walk_roots(&w, old);
	if (r < 0) {
		pci_tree_release(&w.tree);
		return r;
	}
	count_unclaimed(&w, old);
	*ret = w.tree;
	return 0;
}

const struct pci_function *pci_tree_find(const struct pci_tree *t, uint16_t bdf)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->functions[i].bdf == bdf && t->functions[i].presence == PCI_PRESENT)
			return &t->functions[i];
	return NULL;
}
