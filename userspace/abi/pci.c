/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facet pci: which functions a guest has, and what each is. Where firmware put them is facet placement. Complete: id, class,
 * revision, header, multifunction, BARs, ROM, pin, all of which firmware reads of every function; witnessed: subsystem and
 * capabilities, which most firmware reads of hardly any. An unimplemented BAR, ROM, pin or subsystem has no line, nor has a
 * single-function device a `multifunction`.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_capabilities.h"
#include "userspace/abi/pci_names.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/abi/windows.h"
#include "userspace/base/buffer.h"

#define WHOLE 0xf
#define CLASS_BYTES 0xe
#define REVISION_BYTE 0x1
#define PIN_BYTE 0x2
#define VALUE_ABSENT "absent"

struct reason {
	char text[256];
};

static int attribute_add(struct abi_entries *out, const struct pci_function *fn, const char *attribute, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int attribute_add(struct abi_entries *out, const struct pci_function *fn, const char *attribute, const char *format, ...)
{
	char key[PCI_PATH_BYTES + 32], value[96];
	va_list args;

	snprintf(key, sizeof(key), "%s/%s", fn->path, attribute);
	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	return entries_add(out, FACET_PCI, key, value);
}

/* ---- BARs and ROM */
static unsigned bar_count(const struct pci_function *fn)
{
	if (!fn->header_known)
		return fn->bridge ? 2 : 0; /* which registers are BARs, the header type decides */
	return fn->header == PCI_HEADER_DEVICE ? 6 : fn->header == PCI_HEADER_BRIDGE ? 2 : fn->header == PCI_HEADER_CARDBUS ? 1 : 0;
}

/* 0: it has none. */
static uint16_t rom_register(const struct pci_function *fn)
{
	if (!fn->header_known || fn->header > PCI_HEADER_BRIDGE)
		return 0;
	return fn->header == PCI_HEADER_BRIDGE ? PCI_REG_BRIDGE_ROM : PCI_REG_ROM;
}

static const char *bar_kind_name(const struct pci_bar *bar)
{
	switch (bar->kind) {
	case PCI_BAR_IO:
		return "io";
	case PCI_BAR_MEM32:
		return bar->prefetchable ? "mem32-pref" : "mem32";
	case PCI_BAR_MEM64:
		return bar->prefetchable ? "mem64-pref" : "mem64";
	default:
		return NULL;
	}
}

static int add_bars(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	uint16_t rom = rom_register(fn);
	struct pci_bar bar;
	char name[16];
	int r = 0;

	for (unsigned n = 0; r == 0 && n < bar_count(fn); n++) {
		if (!pci_bar_get(facts, fn->bdf, (uint16_t)(PCI_REG_BAR0 + 4 * n), false, &bar) || !bar_kind_name(&bar))
			continue;
		snprintf(name, sizeof(name), "bar%u", n);
		r = attribute_add(out, fn, name, "%s size=0x%llx", bar_kind_name(&bar), (unsigned long long)bar.bytes);
		if (bar.kind == PCI_BAR_MEM64)
			n++;
	}
	if (r == 0 && rom && pci_bar_get(facts, fn->bdf, rom, true, &bar) && bar.kind == PCI_BAR_ROM)
		r = attribute_add(out, fn, "rom", "size=0x%llx", (unsigned long long)bar.bytes);
	return r;
}

/* ---- one function */
static int add_header(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	uint32_t value;
	int r = 0;

	if (pci_read(facts, fn->bdf, PCI_REG_ID, WHOLE, &value))
		r = attribute_add(out, fn, "id", "%04x:%04x", value & 0xffff, value >> 16);
	if (r == 0 && pci_read(facts, fn->bdf, PCI_REG_CLASS, CLASS_BYTES, &value))
		r = attribute_add(out, fn, "class", "%06x", value >> 8);
	if (r == 0 && pci_read(facts, fn->bdf, PCI_REG_CLASS, REVISION_BYTE, &value))
		r = attribute_add(out, fn, "revision", "%02x", value);
	if (r == 0 && fn->header_known)
		r = attribute_add(out, fn, "header", "%02x", fn->header);
	/* Read of function 0 only; the others' bit says nothing. */
	if (r == 0 && fn->multifunction && fn->bdf % PCI_FUNCTIONS == 0)
		r = attribute_add(out, fn, "multifunction", "yes");
	if (r == 0 && pci_read(facts, fn->bdf, PCI_REG_INTERRUPT, PIN_BYTE, &value) && value) {
		unsigned pin = value >> 8;

		r = pin <= 4 ? attribute_add(out, fn, "pin", "%c", 'A' + (int)pin - 1) : attribute_add(out, fn, "pin", "0x%02x", pin);
	}
	if (r == 0 && fn->header_known && fn->header == PCI_HEADER_DEVICE && pci_read(facts, fn->bdf, PCI_REG_SUBSYSTEM, WHOLE, &value) && value)
		r = attribute_add(out, fn, "subsystem", "%04x:%04x", value & 0xffff, value >> 16);
	return r;
}

static int add_function(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	int r = add_header(facts, fn, out);

	if (r == 0)
		r = add_bars(facts, fn, out);
	return r == 0 ? pci_capabilities_add(facts, fn, out) : r;
}

/* ---- coverage */
static bool incomplete(struct reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool incomplete(struct reason *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	return false;
}

/* Was every register read that the complete keys come from? */
static bool function_is_complete(const struct guest_facts *facts, const struct pci_function *fn, struct reason *reason)
{
	uint16_t rom = rom_register(fn);
	struct pci_bar bar;
	uint32_t value;

	if (!pci_read(facts, fn->bdf, PCI_REG_ID, WHOLE, &value))
		return incomplete(reason, "the device id of %s was not read", fn->path);
	if (!pci_read(facts, fn->bdf, PCI_REG_CLASS, WHOLE, &value))
		return incomplete(reason, "class and revision of %s were not read", fn->path);
	if (!fn->header_known)
		return incomplete(reason, "the header type of %s was not read", fn->path);
	for (unsigned n = 0; n < bar_count(fn); n++) {
		if (!pci_bar_get(facts, fn->bdf, (uint16_t)(PCI_REG_BAR0 + 4 * n), false, &bar))
			return incomplete(reason, "bar%u of %s was not sized", n, fn->path);
		if (bar.kind == PCI_BAR_MEM64)
			n++;
	}
	if (rom && !pci_bar_get(facts, fn->bdf, rom, true, &bar))
		return incomplete(reason, "the ROM of %s was not sized", fn->path);
	if (!pci_read(facts, fn->bdf, PCI_REG_INTERRUPT, PIN_BYTE, &value))
		return incomplete(reason, "the interrupt pin of %s was not read", fn->path);
	return true;
}

/* `behind` is "" for a root bus. */
static bool bus_is_complete(const struct guest_facts *facts, uint8_t bus, unsigned devices, const char *behind, struct reason *reason)
{
	for (unsigned device = 0; device < devices; device++)
		if (pci_presence(facts, PCI_BDF(bus, device, 0)) == PCI_UNKNOWN)
			return incomplete(reason, "device %02x %s%s was not probed", device, *behind ? "behind " : "of the root bus", behind);
	return true;
}

static bool functions_are_complete(const struct guest_facts *facts, const struct pci_function *fn, struct reason *reason)
{
	if (!fn->multifunction || fn->bdf % PCI_FUNCTIONS != 0)
		return true;
	for (unsigned n = 1; n < PCI_FUNCTIONS; n++)
		if (pci_presence(facts, (uint16_t)(fn->bdf + n)) == PCI_UNKNOWN)
			return incomplete(reason, "function %u beside %s was not probed", n, fn->path);
	return true;
}

/* Nothing is behind the bus that no bridge leads to, as far as the tree knows: what was seen there has no name. */
static bool tree_is_complete(const struct guest_facts *facts, const struct pci_tree *tree, struct reason *reason)
{
	bool bridges = false;

	if (!bus_is_complete(facts, 0, PCI_DEVICES, "", reason))
		return false;
	for (size_t i = 0; i < tree->roots; i++)
		if (!bus_is_complete(facts, tree->root_buses[i], PCI_DEVICES, "", reason)) {
			size_t length = strlen(reason->text);

			snprintf(reason->text + length, sizeof(reason->text) - length, " (bus %02x)", tree->root_buses[i]);
			return false;
		}
	for (size_t i = 0; i < tree->count; i++) {
		const struct pci_function *fn = &tree->functions[i];

		if (fn->presence != PCI_PRESENT)
			continue;
		if (!function_is_complete(facts, fn, reason) || !functions_are_complete(facts, fn, reason))
			return false;
		if (!fn->bridge)
			continue;
		bridges = true;
		if (!fn->descended)
			return incomplete(reason, fn->secondary ? "the bus that %s leads to is taken by another bridge, or too deep"
								: "the bridge %s was given no bus number", fn->path);
		/* A PCI Express link has one device: nobody has to ask for more. */
		if (!bus_is_complete(facts, fn->secondary, 1, fn->path, reason))
			return false;
	}
	if (bridges && facts_lost(facts, OBSERVE_CLASS_PCI_PLACED))
		return incomplete(reason, "%llu bus numbers or addresses were refused", (unsigned long long)facts_lost(facts, OBSERVE_CLASS_PCI_PLACED));
	if (tree->unclaimed)
		return incomplete(reason, "%zu functions are left out: no bridge was seen to lead to their bus (%02x)", tree->unclaimed,
				  tree->unclaimed_bus);
	return true;
}

static bool pci_is_complete(const struct guest_facts *facts, const struct pci_tree *tree, struct reason *reason)
{
	uint64_t lost = facts_lost(facts, OBSERVE_CLASS_PCI_HEADER);

	if (lost)
		return incomplete(reason, "%llu PCI facts were refused", (unsigned long long)lost);
	if (!facts_from_reset(facts))
		return incomplete(reason, "this boot was not seen from its reset on");
	if (tree_is_complete(facts, tree, reason))
		return true;
	/* Refused evidence of absence takes nothing from a scan that is whole without it. */
	lost = facts_lost(facts, OBSERVE_CLASS_PCI_ABSENT);
	return lost ? incomplete(reason, "%llu PCI facts were refused", (unsigned long long)lost) : false;
}

static bool pci_seen(const struct guest_facts *facts)
{
	size_t cursor = 0;

	return facts_next(facts, OBSERVE_PCI, &cursor);
}

/* What a capability says is no complete key; but where some of it was refused, nobody can say that all is the same. */
static int cover(const struct guest_facts *facts, bool complete, const char *reason, struct abi_entries *out)
{
	unsigned long long lost = facts_lost(facts, OBSERVE_CLASS_PCI_BODY);
	enum coverage level = complete ? COVERAGE_COMPLETE : COVERAGE_WITNESSED;

	if (!lost || coverage_tells_loss(reason))
		return entries_cover(out, FACET_PCI, level, "%s", reason);
	return entries_cover(out, FACET_PCI, level, "%s%s%llu facts of its capabilities" COVERAGE_LOSS_MARK, reason, reason[0] ? ", and " : "", lost);
}

static int derive_tree(const struct guest_facts *facts, const struct pci_tree *tree, struct abi_entries *out)
{
	struct reason reason = { "" };
	bool complete = pci_is_complete(facts, tree, &reason);
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->count; i++) {
		if (tree->functions[i].presence == PCI_PRESENT)
			r = add_function(facts, &tree->functions[i], out);
		else if (!complete) /* else whatever has no lines is absent */
			r = attribute_add(out, &tree->functions[i], "id", VALUE_ABSENT);
	}
	if (r < 0)
		return r;
	return cover(facts, complete, reason.text, out);
}

static const char *unseen(const struct guest_facts *facts)
{
	return facts_from_reset(facts) ? "the guest has not read PCI configuration"
				       : "this boot was not seen from its reset on, and the guest has not read PCI configuration since";
}

int pci_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *blind = facts_blind(facts, "pci");
	struct pci_tree tree;
	int r;

	if (facts_skipped(facts, FACTS_OF_PCI))
		return facet_cover_skipped(facts, out, FACET_PCI);
	if (!pci_seen(facts))
		return entries_cover(out, FACET_PCI, COVERAGE_NONE, "%s", blind ? blind : unseen(facts));
	r = pci_tree_derive(facts, &tree);
	if (r < 0)
		return r;
	r = derive_tree(facts, &tree, out);
	pci_tree_release(&tree);
	return r;
}

static const char *attribute_of(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

bool pci_complete_key(const char *key)
{
	static const char *const complete[] = {
		"id", "class", "revision", "header", "multifunction", "rom", "pin", "bar0", "bar1", "bar2", "bar3", "bar4", "bar5",
	};
	const char *attribute = attribute_of(key);

	for (size_t i = 0; i < sizeof(complete) / sizeof(complete[0]); i++)
		if (strcmp(attribute, complete[i]) == 0)
			return true;
	return false;
}

/* ---- for a person */
static void header_meaning(const char *value, struct buffer *out)
{
	static const char *const names[] = { "device", "PCI bridge", "CardBus bridge" };
	unsigned header;

	if (sscanf(value, "%2x", &header) == 1 && header < sizeof(names) / sizeof(names[0]))
		buffer_string(out, names[header]);
}

void pci_meaning(const char *key, const char *value, struct buffer *out)
{
	const char *attribute = attribute_of(key), *name = NULL;
	unsigned first, second;

	if (strcmp(attribute, "id") == 0) {
		if (strcmp(value, VALUE_ABSENT) == 0)
			buffer_string(out, "no function answers here");
		else if (sscanf(value, "%4x:%4x", &first, &second) == 2)
			pci_names_function((uint16_t)first, (uint16_t)second, out);
	} else if (strcmp(attribute, "class") == 0) {
		if (sscanf(value, "%6x", &first) == 1)
			pci_names_class(first, out);
	} else if (strcmp(attribute, "subsystem") == 0) {
		if (sscanf(value, "%4x:%4x", &first, &second) == 2)
			pci_names_vendor((uint16_t)first, out);
	} else if (strcmp(attribute, "header") == 0) {
		header_meaning(value, out);
	} else if (sscanf(attribute, "cap.%2x@", &first) == 1) {
		name = pci_capability_name(first);
	} else if (sscanf(attribute, "ext.%4x@", &first) == 1) {
		name = pci_extended_capability_name(first);
	}
	if (name)
		buffer_string(out, name);
}
