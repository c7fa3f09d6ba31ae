/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/pci_capabilities.h"

#include <stdbool.h>
#include <stdio.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_tree.h"

#define WHOLE 0xf
#define ID_AND_NEXT 0x3
#define UPPER_HALF 0xc
#define STATUS_BYTE 0x4
#define STATUS_CAPABILITIES (1u << 20)
#define BODY 0x40u
#define EXTENDED_BODY 0x100u
#define CONFIG_BYTES 0x1000u
/* As many as fit: a list that runs in a circle ends here. */
#define CAPABILITIES_MAX ((EXTENDED_BODY - BODY) / 4)
#define EXTENDED_MAX ((CONFIG_BYTES - EXTENDED_BODY) / 8)
#define VENDOR_VIRTIO 0x1af4
#define VIRTIO_PCI_CFG 5

enum {
	CAP_POWER = 0x01,
	CAP_MSI = 0x05,
	CAP_VENDOR = 0x09,
	CAP_BRIDGE_SUBSYSTEM = 0x0d,
	CAP_EXPRESS = 0x10,
	CAP_MSIX = 0x11,
};

struct capability {
	const struct guest_facts *facts;
	const struct pci_function *fn;
	struct abi_entries *out;
	unsigned id;
	unsigned at;
};

/* A dword of the capability, `offset` from its beginning. */
static bool cap_read(const struct capability *c, unsigned offset, uint8_t bytes, uint32_t *ret)
{
	return c->at + offset < EXTENDED_BODY && pci_read(c->facts, c->fn->bdf, (uint16_t)(c->at + offset), bytes, ret);
}

/* `detail` is "" for the capability itself, else ".name". */
static int cap_add(const struct capability *c, const char *detail, const char *value)
{
	char key[PCI_PATH_BYTES + 64];

	snprintf(key, sizeof(key), "%s/cap.%02x@0x%02x%s", c->fn->path, c->id, c->at, detail);
	return entries_add(c->out, FACET_PCI, key, value);
}

static int add_power(const struct capability *c)
{
	char value[16];
	uint32_t head;

	if (!cap_read(c, 0, UPPER_HALF, &head))
		return 0;
	snprintf(value, sizeof(value), "%u", head >> 16 & 7);
	return cap_add(c, ".version", value);
}

/* Enable bit and the number of messages enabled are state. */
static int add_msi(const struct capability *c)
{
	char value[64];
	uint32_t head;

	if (!cap_read(c, 0, UPPER_HALF, &head))
		return 0;
	snprintf(value, sizeof(value), "%u%s%s", 1u << (head >> 17 & 7), head & 1u << 23 ? " 64bit" : "", head & 1u << 24 ? " maskable" : "");
	return cap_add(c, ".vectors", value);
}

static int add_msix_place(const struct capability *c, unsigned offset, const char *detail)
{
	char value[32];
	uint32_t place;

	if (!cap_read(c, offset, WHOLE, &place))
		return 0;
	snprintf(value, sizeof(value), "bar%u+0x%x", place & 7, place & ~7u);
	return cap_add(c, detail, value);
}

static int add_msix(const struct capability *c)
{
	char value[16];
	uint32_t head;
	int r = 0;

	if (cap_read(c, 0, UPPER_HALF, &head)) {
		snprintf(value, sizeof(value), "%u", (head >> 16 & 0x7ff) + 1);
		r = cap_add(c, ".vectors", value);
	}
	if (r == 0)
		r = add_msix_place(c, 4, ".table");
	return r == 0 ? add_msix_place(c, 8, ".pba") : r;
}

static const char *express_type_name(unsigned type)
{
	static const char *const names[16] = {
		[0x0] = "endpoint", [0x1] = "legacy-endpoint", [0x4] = "root-port", [0x5] = "upstream-port", [0x6] = "downstream-port",
		[0x7] = "pcie-to-pci-bridge", [0x8] = "pci-to-pcie-bridge", [0x9] = "integrated-endpoint", [0xa] = "event-collector",
	};

	return names[type & 0xf] ? names[type & 0xf] : "reserved";
}

static int add_express(const struct capability *c)
{
	uint32_t head, link, slot;
	char value[64];
	int r = 0;

	if (cap_read(c, 0, UPPER_HALF, &head)) {
		snprintf(value, sizeof(value), "%s version=%u", express_type_name(head >> 20), head >> 16 & 0xf);
		r = cap_add(c, ".type", value);
	}
	if (r == 0 && cap_read(c, 0x0c, WHOLE, &link)) {
		snprintf(value, sizeof(value), "speed=%u width=%u", link & 0xf, link >> 4 & 0x3f);
		r = cap_add(c, ".link", value);
	}
	/* Slot capabilities mean something where the head says that there is a slot. */
	if (r == 0 && cap_read(c, 0, UPPER_HALF, &head) && head & 1u << 24 && cap_read(c, 0x14, WHOLE, &slot)) {
		snprintf(value, sizeof(value), "%u", slot >> 19);
		r = cap_add(c, ".slot", value);
	}
	return r;
}

/* Where a virtio device has its registers. The one to reach them through configuration space is a window that the driver moves. */
static int add_virtio(const struct capability *c)
{
	uint32_t head, bar, offset, bytes;
	char value[96];

	if (!cap_read(c, 0, UPPER_HALF, &head))
		return 0;
	if (head >> 24 == VIRTIO_PCI_CFG) {
		snprintf(value, sizeof(value), "type=%u", head >> 24);
		return cap_add(c, ".virtio", value);
	}
	if (!cap_read(c, 4, 0x1, &bar) || !cap_read(c, 8, WHOLE, &offset) || !cap_read(c, 12, WHOLE, &bytes))
		return 0;
	snprintf(value, sizeof(value), "type=%u bar=%u offset=0x%x size=0x%x", head >> 24, bar & 0xff, offset, bytes);
	return cap_add(c, ".virtio", value);
}

static int add_bridge_subsystem(const struct capability *c)
{
	char value[16];
	uint32_t ids;

	if (!cap_read(c, 4, WHOLE, &ids))
		return 0;
	snprintf(value, sizeof(value), "%04x:%04x", ids & 0xffff, ids >> 16);
	return cap_add(c, ".subsystem", value);
}

static int add_details(const struct capability *c)
{
	uint32_t vendor;

	switch (c->id) {
	case CAP_POWER:
		return add_power(c);
	case CAP_MSI:
		return add_msi(c);
	case CAP_MSIX:
		return add_msix(c);
	case CAP_EXPRESS:
		return add_express(c);
	case CAP_BRIDGE_SUBSYSTEM:
		return add_bridge_subsystem(c);
	case CAP_VENDOR:
		return pci_read(c->facts, c->fn->bdf, PCI_REG_ID, 0x3, &vendor) && vendor == VENDOR_VIRTIO ? add_virtio(c) : 0;
	default:
		return 0;
	}
}

static int add_list(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	uint32_t status, next, head;
	int r = 0;

	if (fn->header_known && fn->header > PCI_HEADER_BRIDGE)
		return 0; /* CardBus keeps its list elsewhere */
	if (pci_read(facts, fn->bdf, PCI_REG_STATUS, STATUS_BYTE, &status) && !(status & STATUS_CAPABILITIES))
		return 0;
	if (!pci_read(facts, fn->bdf, PCI_REG_CAPABILITIES, 0x1, &next))
		return 0;
	for (unsigned n = 0; r == 0 && n < CAPABILITIES_MAX; n++) {
		struct capability c = { .facts = facts, .fn = fn, .out = out, .at = next & 0xfc };

		/* Only what was walked: a list goes on where the guest read its id and next pointer. */
		if (c.at < BODY || !cap_read(&c, 0, ID_AND_NEXT, &head))
			break;
		c.id = head & 0xff;
		next = head >> 8 & 0xff;
		if (c.id == 0xff)
			break;
		r = cap_add(&c, "", "present");
		if (r == 0)
			r = add_details(&c);
	}
	return r;
}

static int add_extended_list(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	unsigned at = EXTENDED_BODY;
	uint32_t head;
	int r = 0;

	for (unsigned n = 0; r == 0 && n < EXTENDED_MAX; n++) {
		char key[PCI_PATH_BYTES + 32];

		if (at < EXTENDED_BODY || !pci_read(facts, fn->bdf, (uint16_t)at, WHOLE, &head) || (head & 0xffff) == 0 || (head & 0xffff) == 0xffff)
			break;
		snprintf(key, sizeof(key), "%s/ext.%04x@0x%03x", fn->path, head & 0xffff, at);
		r = entries_addf(out, FACET_PCI, key, "version=%u", head >> 16 & 0xf);
		at = head >> 20 & 0xffc;
	}
	return r;
}

int pci_capabilities_add(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	int r = add_list(facts, fn, out);

	return r == 0 ? add_extended_list(facts, fn, out) : r;
}

const char *pci_capability_name(unsigned id)
{
	static const char *const names[] = {
		[0x01] = "Power Management", [0x02] = "AGP", [0x03] = "Vital Product Data", [0x04] = "Slot Identification", [0x05] = "MSI",
		[0x06] = "CompactPCI Hot Swap", [0x07] = "PCI-X", [0x08] = "HyperTransport", [0x09] = "Vendor Specific",
		[0x0a] = "Debug Port", [0x0b] = "CompactPCI Resource Control", [0x0c] = "Hot-Plug", [0x0d] = "Bridge Subsystem",
		[0x0e] = "AGP 8x", [0x0f] = "Secure Device", [0x10] = "PCI Express", [0x11] = "MSI-X", [0x12] = "SATA",
		[0x13] = "Advanced Features", [0x14] = "Enhanced Allocation", [0x15] = "Flattening Portal Bridge",
	};

	return id < sizeof(names) / sizeof(names[0]) ? names[id] : NULL;
}

const char *pci_extended_capability_name(unsigned id)
{
	static const char *const names[] = {
		[0x01] = "Advanced Error Reporting", [0x02] = "Virtual Channel", [0x03] = "Device Serial Number", [0x04] = "Power Budgeting",
		[0x05] = "Root Complex Link", [0x08] = "Virtual Channel (MFVC)", [0x0b] = "Vendor Specific", [0x0d] = "Access Control Services",
		[0x0e] = "Alternative Routing-ID", [0x0f] = "Address Translation Services", [0x10] = "SR-IOV", [0x12] = "Multicast",
		[0x13] = "Page Request", [0x15] = "Resizable BAR", [0x16] = "Dynamic Power Allocation", [0x17] = "TPH Requester",
		[0x18] = "Latency Tolerance Reporting", [0x19] = "Secondary PCI Express", [0x1b] = "Process Address Space ID",
		[0x1d] = "Downstream Port Containment", [0x1e] = "L1 PM Substates", [0x1f] = "Precision Time Measurement",
		[0x23] = "Designated Vendor Specific", [0x25] = "Data Link Feature", [0x26] = "Physical Layer 16 GT/s",
		[0x27] = "Lane Margining", [0x2a] = "Physical Layer 32 GT/s", [0x2e] = "Data Object Exchange",
	};

	return id < sizeof(names) / sizeof(names[0]) ? names[id] : NULL;
}
