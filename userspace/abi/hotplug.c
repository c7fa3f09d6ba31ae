/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/hotplug.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/base/buffer.h"

#define MAC_KEY "mac/"
#define VCPU_KEY "/vcpu."
#define NODE_KEY "node"
#define CPUS_KEY "/cpus"
#define TOPOLOGY_KEY "topology/"
#define HIGH_MEMORY 0x100000000ull
#define SLOT_OFF (OBSERVE_SLOT_POWER_OFF | OBSERVE_SLOT_INDICATOR_OFF)

/* Length of the path of `fn` in `key`, if the key is about that function or anything behind it; 0 = it is not. */
static size_t path_in_key(const struct pci_function *fn, const char *key)
{
	size_t digit = strlen(fn->path) - 1;

	/* All functions of a device come and go with its function 0. */
	if (strncmp(key, fn->path, digit) != 0 || !key[digit])
		return 0;
	if (key[digit] != fn->path[digit] && fn->path[digit] != '0')
		return 0;
	return key[digit + 1] == '/' || !key[digit + 1] ? digit + 1 : 0;
}

static bool was_absent(const struct guest_facts *facts, uint16_t bdf)
{
	const struct record_fact *id = facts_find(facts, OBSERVE_PCI, bdf, PCI_REG_ID, 0);
	const struct record_fact *nobody = facts_find(facts, OBSERVE_PCI_ABSENT, bdf >> 8, bdf % PCI_FUNCTIONS, 0);

	return (id && id->value.changes) || (nobody && nobody->value.data[0] & 1u << bdf / PCI_FUNCTIONS % PCI_DEVICES);
}

/* An empty slot has no identity, not even one of all ones. */
static bool was_seen(const struct guest_facts *facts, uint16_t bdf)
{
	return facts_find(facts, OBSERVE_PCI, bdf, PCI_REG_ID, 0);
}

/*
 * The port above that switched its slot off, or NULL. Power and indicator have to be off: with one of them QEMU (hw/pci/pcie.c)
 * ejects nothing. A port that keeps switching says nothing: its last word may be missing.
 */
static const struct pci_function *slot_switched_off(const struct guest_facts *facts, const struct pci_tree *tree, uint16_t bdf)
{
	for (size_t i = 0; i < tree->count; i++) {
		const struct pci_function *port = &tree->functions[i];
		const struct record_fact *fact;
		uint32_t control;

		if (port->presence != PCI_PRESENT || !port->bridge || !port->secondary || port->secondary != bdf >> 8)
			continue;
		fact = facts_find(facts, OBSERVE_EJECT, OBSERVE_EJECT_SLOT | port->bdf, 0, 0);
		if (!fact || fact->value.flags & OBSERVE_VOLATILE)
			continue;
		control = fact->value.data[0];
		if ((control & SLOT_OFF) == SLOT_OFF)
			return port;
	}
	return NULL;
}

static bool ejected_by_slot(const struct guest_facts *facts, const struct pci_tree *tree, uint16_t bdf, struct buffer *out)
{
	const struct pci_function *port = slot_switched_off(facts, tree, bdf);

	if (port)
		buffer_printf(out, "slot control of %s", port->path);
	return port;
}

/* Only the root bus of an i440fx has a number that is known: 0. */
static bool bus_is_known(uint32_t port, uint16_t bdf)
{
	return port == OBSERVE_EJECT_PCI_PIIX && bdf >> 8 == 0;
}

/* How many buses lost what they had in this slot in this boot, by no slot control of their own; empty slots lost nothing. */
static unsigned buses_bereft(const struct guest_facts *facts, const struct pci_tree *tree, uint32_t port, uint32_t device)
{
	bool counted[PCI_BUSES] = { false };
	unsigned buses = 0;

	for (size_t i = 0; i < tree->count; i++) {
		const struct pci_function *fn = &tree->functions[i];

		if (fn->presence != PCI_ABSENT || fn->bdf / PCI_FUNCTIONS % PCI_DEVICES != device || counted[fn->bdf >> 8])
			continue;
		if (bus_is_known(port, fn->bdf) || !was_seen(facts, fn->bdf) || slot_switched_off(facts, tree, fn->bdf))
			continue;
		counted[fn->bdf >> 8] = true;
		buses++;
	}
	return buses;
}

/*
 * Which bus a number selects only the guest's ACPI tables say, but for the root bus of an i440fx. Of other buses the slot alone
 * can agree, and everything behind a root port is slot 0: where more buses lost that slot than were selected, any of them may
 * be the one that nobody ejected.
 */
static bool ejected_by_port(const struct guest_facts *facts, const struct pci_tree *tree, uint16_t bdf, struct buffer *out)
{
	static const uint32_t ports[] = { OBSERVE_EJECT_PCI_PIIX, OBSERVE_EJECT_PCI_ICH9 };
	uint32_t device = bdf / PCI_FUNCTIONS % PCI_DEVICES;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		const struct record_fact *fact;
		unsigned selected = 0;
		size_t cursor = 0;

		while ((fact = facts_next_of(facts, OBSERVE_EJECT, ports[i], &cursor)) != NULL) {
			if (!(fact->value.data[0] & 1u << device))
				continue;
			if (ports[i] == OBSERVE_EJECT_PCI_PIIX && (fact->key.address == 0) != (bdf >> 8 == 0))
				continue;
			selected++;
		}
		if (!selected)
			continue;
		if (!bus_is_known(ports[i], bdf) && (!was_seen(facts, bdf) || buses_bereft(facts, tree, ports[i], device) > selected))
			continue;
		buffer_printf(out, "eject port 0x%x", ports[i]);
		return true;
	}
	return false;
}

static bool pci_evidence(const struct guest_facts *facts, const char *key, bool came, struct buffer *out)
{
	struct pci_tree tree = PCI_TREE_INIT;
	bool found = false;

	if (pci_tree_derive(facts, &tree) < 0)
		return false;
	for (size_t i = 0; i < tree.count && !found; i++) {
		const struct pci_function *fn = &tree.functions[i];

		if (!path_in_key(fn, key))
			continue;
		if (came && fn->presence == PCI_PRESENT && was_absent(facts, fn->bdf)) {
			buffer_string(out, "scanned by the guest");
			found = true;
		} else if (!came && fn->presence == PCI_ABSENT) {
			found = ejected_by_slot(facts, &tree, fn->bdf, out) || ejected_by_port(facts, &tree, fn->bdf, out);
		}
	}
	pci_tree_release(&tree);
	return found;
}

/* CPUs and memory: the guest's control register has a bit for what it took note of, and one for what it let go. */
static bool port_evidence(const struct guest_facts *facts, uint32_t port, bool came, struct buffer *out)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_EJECT, port, 0, 0);

	if (!fact || !(fact->value.data[0] & (came ? OBSERVE_PLUG_INSERTED : OBSERVE_PLUG_EJECTED)))
		return false;
	buffer_printf(out, "%s port 0x%x", came ? "hot-plug" : "eject", port);
	return true;
}

/* The ports name no range and no processor, so they speak only for what can be plugged. Boot memory is below 4 GiB, and goes on there. */
static bool memory_can_be_plugged(const char *key)
{
	char *end;

	return strncmp(key, "0x", 2) == 0 && strtoull(key, &end, 16) > HIGH_MEMORY && !*end;
}

/* What is said of all vCPUs at once, no single one took along. */
static bool cpuid_can_be_plugged(const char *key)
{
	return strstr(key, VCPU_KEY);
}

static bool numa_can_be_plugged(const char *key)
{
	size_t digits;

	if (strncmp(key, TOPOLOGY_KEY, strlen(TOPOLOGY_KEY)) == 0)
		return true;
	if (strncmp(key, NODE_KEY, strlen(NODE_KEY)) != 0)
		return false;
	digits = strspn(key + strlen(NODE_KEY), "0123456789");
	return digits && strcmp(key + strlen(NODE_KEY) + digits, CPUS_KEY) == 0;
}

static bool cpu_evidence(const struct guest_facts *facts, bool came, struct buffer *out)
{
	return port_evidence(facts, OBSERVE_EJECT_CPU_PIIX, came, out) || port_evidence(facts, OBSERVE_EJECT_CPU_ICH9, came, out);
}

bool hotplug_evidence(const struct guest_facts *facts, enum facet_id facet, const char *key, bool came, struct buffer *out)
{
	switch (facet) {
	case FACET_PCI:
		return pci_evidence(facts, key, came, out);
	case FACET_IDENTITY:
		return strncmp(key, MAC_KEY, strlen(MAC_KEY)) == 0 && pci_evidence(facts, key + strlen(MAC_KEY), came, out);
	case FACET_MEMORY:
		return memory_can_be_plugged(key) && port_evidence(facts, OBSERVE_EJECT_MEMORY, came, out);
	case FACET_CPUID:
		return cpuid_can_be_plugged(key) && cpu_evidence(facts, came, out);
	case FACET_NUMA:
		return numa_can_be_plugged(key) && cpu_evidence(facts, came, out);
	default:
		return false;
	}
}
