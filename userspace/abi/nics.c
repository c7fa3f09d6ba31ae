/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAC addresses as the guest read them from its network adapters: `mac/PATH` by the function's path, so that a BAR that moves
 * changes nothing; `mac/0xWINDOW` of a virtio-mmio adapter, which cannot move. A guest may give an adapter another address:
 * the first that was read in a boot is the machine's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bpf/nic_registers.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/abi/windows.h"

#define WHOLE 0xf
#define CAP_VENDOR 0x09
#define CAP_AND_TYPE 0x9
#define CAPABILITIES_MAX 48
#define VIRTIO_DEVICE_CONFIG 4
#define VIRTIO_WINDOW_BYTES 0x200u
#define VIRTIO_MAGIC 0x74726976u
#define VIRTIO_REG_DEVICE 0x008
#define VIRTIO_REG_CONFIG 0x100
#define VIRTIO_NET 1

struct nic {
	const struct guest_facts *facts;
	const struct windows *windows;
	uint16_t bdf;
};

/* One byte, from whatever access held it; `width` 0: any. */
static bool byte_read(const struct guest_facts *facts, uint32_t space, uint64_t address, uint8_t width, uint8_t *ret)
{
	for (uint8_t bytes = 1; bytes <= 8; bytes *= 2)
		for (uint64_t from = address - (bytes - 1u); from <= address && (!width || width == bytes); from++) {
			const struct record_fact *fact = facts_find(facts, OBSERVE_REGISTER, space, from, bytes);

			if (!fact || fact->value.flags & OBSERVE_VOLATILE)
				continue;
			*ret = (uint8_t)(fact->value.data[(address - from) / 4] >> 8 * ((address - from) % 4));
			return true;
		}
	return false;
}

static bool run_read(const struct guest_facts *facts, uint32_t space, uint64_t address, size_t bytes, uint8_t width, uint8_t *ret)
{
	for (size_t i = 0; i < bytes; i++)
		if (!byte_read(facts, space, address + i, width, &ret[i]))
			return false;
	return true;
}

/* No adapter has them: what is not there answers so. */
static bool mac_valid(const uint8_t mac[NIC_MAC_BYTES])
{
	unsigned zeros = 0, ones = 0;

	for (size_t i = 0; i < NIC_MAC_BYTES; i++) {
		zeros += mac[i] == 0;
		ones += mac[i] == 0xff;
	}
	return zeros < NIC_MAC_BYTES && ones < NIC_MAC_BYTES;
}

/* All pieces of one place, with the BAR at `base`. */
static bool place_read(const struct nic *nic, const struct nic_registers *of, uint64_t base, uint8_t mac[NIC_MAC_BYTES])
{
	for (size_t i = 0; i < NIC_REGISTERS; i++) {
		const struct nic_registers *piece = &nic_registers[i];

		if (piece->id == of->id && piece->place == of->place &&
		    !run_read(nic->facts, piece->space, base + piece->offset, piece->bytes, piece->width, mac + piece->mac_byte))
			return false;
	}
	return mac_valid(mac);
}

/* Did another function have it too? Then what was read there may be the other one's. */
static bool shared(const struct windows *windows, const struct pci_window *w)
{
	for (size_t i = 0; i < windows->count; i++) {
		const struct pci_window *other = &windows->items[i];

		if (other->bdf != w->bdf && other->kind != PCI_WINDOW_BRIDGE && other->io == w->io && other->base < w->base + (w->bytes ? w->bytes : 1) &&
		    w->base < other->base + (other->bytes ? other->bytes : 1))
			return true;
	}
	return false;
}

/* Next place that a BAR has or had: first where it is now. */
static const struct pci_window *place_next(const struct nic *nic, unsigned bar, bool io, size_t *cursor)
{
	size_t count = nic->windows->count;

	for (; *cursor < 2 * count; (*cursor)++) {
		const struct pci_window *w = &nic->windows->items[*cursor % count];

		if (w->bdf != nic->bdf || w->reg != PCI_REG_BAR0 + 4 * bar || w->io != io || w->kind != PCI_WINDOW_BAR || w->current != (*cursor < count))
			continue;
		if (w->current || !shared(nic->windows, w)) {
			(*cursor)++;
			return w;
		}
	}
	return NULL;
}

static bool table_read(const struct nic *nic, uint32_t id, uint8_t mac[NIC_MAC_BYTES])
{
	for (size_t i = 0; i < NIC_REGISTERS; i++) {
		const struct nic_registers *of = &nic_registers[i];
		const struct pci_window *w;
		size_t cursor = 0;

		while (of->id == id && of->mac_byte == 0 && (w = place_next(nic, of->bar, of->space == OBSERVE_SPACE_PORT, &cursor)))
			if (place_read(nic, of, w->base, mac))
				return true;
	}
	return false;
}

/* The address is the first thing in virtio's device configuration; a vendor capability says where that is. */
static bool virtio_read(const struct nic *nic, uint8_t mac[NIC_MAC_BYTES])
{
	uint32_t next, head, bar, offset;

	if (!pci_read(nic->facts, nic->bdf, PCI_REG_CAPABILITIES, 0x1, &next))
		return false;
	for (unsigned n = 0; n < CAPABILITIES_MAX && (next & 0xfc) >= 0x40; n++) {
		uint16_t at = next & 0xfc;
		const struct pci_window *w;
		size_t cursor = 0;

		if (!pci_read(nic->facts, nic->bdf, at, 0x3, &head))
			return false;
		next = head >> 8 & 0xff;
		if ((head & 0xff) != CAP_VENDOR || at > 0xf4 || !pci_read(nic->facts, nic->bdf, at, CAP_AND_TYPE, &head) || head >> 24 != VIRTIO_DEVICE_CONFIG ||
		    !pci_read(nic->facts, nic->bdf, at + 4, 0x1, &bar) || !pci_read(nic->facts, nic->bdf, at + 8, WHOLE, &offset))
			continue;
		while (bar < 6 && (w = place_next(nic, bar, false, &cursor)))
			if (run_read(nic->facts, OBSERVE_SPACE_MEMORY, w->base + offset, NIC_MAC_BYTES, 0, mac) && mac_valid(mac))
				return true;
	}
	return false;
}

static int add_mac(struct abi_entries *out, const char *key, const uint8_t mac[NIC_MAC_BYTES])
{
	return entries_addf(out, FACET_IDENTITY, key, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int add_pci(const struct guest_facts *facts, struct abi_entries *out)
{
	struct windows windows = WINDOWS_INIT;
	struct pci_tree tree = PCI_TREE_INIT;
	int r;

	r = windows_derive(facts, &windows);
	if (r >= 0)
		r = pci_tree_derive(facts, &tree);
	for (size_t i = 0; i < tree.count && r >= 0; i++) {
		const struct pci_function *fn = &tree.functions[i];
		struct nic nic = { .facts = facts, .windows = &windows, .bdf = fn->bdf };
		char key[sizeof("mac/") + PCI_PATH_BYTES];
		uint8_t mac[NIC_MAC_BYTES];
		uint32_t id;

		if (fn->presence != PCI_PRESENT || !windows.count || !pci_read(facts, fn->bdf, PCI_REG_ID, WHOLE, &id))
			continue;
		if (!table_read(&nic, id, mac) && !((id == NIC_VIRTIO || id == NIC_VIRTIO_TRANSITIONAL) && virtio_read(&nic, mac)))
			continue;
		snprintf(key, sizeof(key), "mac/%s", fn->path);
		r = add_mac(out, key, mac);
	}
	pci_tree_release(&tree);
	windows_release(&windows);
	return r;
}

static int add_virtio_mmio(const struct guest_facts *facts, struct abi_entries *out)
{
	const struct record_fact *fact, *device;
	uint8_t mac[NIC_MAC_BYTES];
	size_t cursor = 0;
	char key[32];
	int r = 0;

	while (r >= 0 && (fact = facts_next(facts, OBSERVE_REGISTER, &cursor))) {
		uint64_t window = fact->key.address;

		if (fact->key.selector != OBSERVE_SPACE_MEMORY || fact->key.width != 4 || window % VIRTIO_WINDOW_BYTES || fact->value.data[0] != VIRTIO_MAGIC)
			continue;
		device = facts_find(facts, OBSERVE_REGISTER, OBSERVE_SPACE_MEMORY, window + VIRTIO_REG_DEVICE, 4);
		if (!device || device->value.data[0] != VIRTIO_NET ||
		    !run_read(facts, OBSERVE_SPACE_MEMORY, window + VIRTIO_REG_CONFIG, NIC_MAC_BYTES, 0, mac) || !mac_valid(mac))
			continue;
		snprintf(key, sizeof(key), "mac/0x%016" PRIx64, window);
		r = add_mac(out, key, mac);
	}
	return r;
}

int nics_identity_add(const struct guest_facts *facts, struct abi_entries *out)
{
	int r = add_pci(facts, out);

	return r < 0 ? r : add_virtio_mmio(facts, out);
}
