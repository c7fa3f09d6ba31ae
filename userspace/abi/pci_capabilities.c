/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/pci_capabilities.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_fields.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/base/buffer.h"

#define WHOLE 0xf
#define ID_AND_NEXT 0x3
#define LOWER_HALF 0x3
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
#define VIRTIO_NOTIFY 2
#define VIRTIO_PCI_CFG 5
#define VIRTIO_SHARED_MEMORY 8
#define VENDOR_HEAD_BYTES 3u /* id, next, length */
#define EXPRESS_SLOT (1u << 24)

enum {
	CAP_POWER = 0x01,
	CAP_MSI = 0x05,
	CAP_VENDOR = 0x09,
	CAP_BRIDGE_SUBSYSTEM = 0x0d,
	CAP_EXPRESS = 0x10,
	CAP_MSIX = 0x11,
	EXT_SERIAL = 0x03,
	EXT_VENDOR = 0x0b,
	EXT_VIRTUALIZATION = 0x10,
	EXT_RESIZABLE_BAR = 0x15,
	EXT_DESIGNATED_VENDOR = 0x23,
};

struct capability {
	const struct guest_facts *facts;
	const struct pci_function *fn;
	struct abi_entries *out;
	unsigned id;
	unsigned at;
	bool extended;
};

/* The dword of the capability that `offset` from its beginning is in, with the bytes in `bytes` (bit n = byte n). */
static bool cap_read(const struct capability *c, unsigned offset, uint8_t bytes, uint32_t *ret)
{
	return c->at + offset < (c->extended ? CONFIG_BYTES : EXTENDED_BODY) &&
	       pci_read(c->facts, c->fn->bdf, (uint16_t)(c->at + offset), bytes, ret);
}

/* `detail` is "" for the capability itself, else ".name". */
static int cap_add(const struct capability *c, const char *detail, const char *value)
{
	char key[PCI_PATH_BYTES + 64];

	if (c->extended)
		snprintf(key, sizeof(key), "%s/ext.%04x@0x%03x%s", c->fn->path, c->id, c->at, detail);
	else
		snprintf(key, sizeof(key), "%s/cap.%02x@0x%02x%s", c->fn->path, c->id, c->at, detail);
	return entries_add(c->out, FACET_PCI, key, value);
}

/* Takes the text. */
static int cap_add_buffer(const struct capability *c, const char *detail, struct buffer *value)
{
	int r = buffer_failed(value) ? -ENOMEM : cap_add(c, detail, value->data ? value->data : "");

	buffer_release(value);
	return r;
}

/* The registers that the table of pci_fields.c knows. */
static int add_registers(const struct capability *c, unsigned version)
{
	const struct pci_cap_register *reg;
	size_t cursor = 0;
	int r = 0;

	while (r == 0 && (reg = pci_cap_register_next(c->id, c->extended, &cursor)) != NULL) {
		struct buffer value = BUFFER_INIT;
		uint32_t dword;

		if (version < reg->version || !cap_read(c, reg->offset, reg->bytes, &dword))
			continue;
		pci_fields_put(reg, dword, &value);
		r = cap_add_buffer(c, reg->detail, &value);
	}
	return r;
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

static int add_slot_features(const struct capability *c, uint32_t slot)
{
	static const struct pci_field fields[] = {
		{ 0, 1, "attention-button" }, { 1, 1, "power-controller" }, { 2, 1, "mrl-sensor" }, { 3, 1, "attention-indicator" },
		{ 4, 1, "power-indicator" }, { 5, 1, "surprise" }, { 6, 1, "hot-plug" }, { 7, 8, "power" }, { 15, 2, "power-scale" },
		{ 17, 1, "interlock" }, { 18, 1, "no-command-completed" }, { 0, 0, NULL },
	};
	const struct pci_cap_register reg = { .mask = 0x7ffff, .fields = fields };
	struct buffer value = BUFFER_INIT;

	pci_fields_put(&reg, slot, &value);
	return cap_add_buffer(c, ".slot_features", &value);
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
	if (r == 0 && cap_read(c, 0, UPPER_HALF, &head) && head & EXPRESS_SLOT && cap_read(c, 0x14, WHOLE, &slot)) {
		snprintf(value, sizeof(value), "%u", slot >> 19);
		r = cap_add(c, ".slot", value);
		if (r == 0)
			r = add_slot_features(c, slot);
	}
	return r;
}

/* What the plain line of a kind of registers leaves out: how far queues are apart; the upper halves of a shared region. */
static int add_virtio_more(const struct capability *c, unsigned type, uint32_t bar)
{
	uint32_t value, bytes, offset_upper, bytes_upper;
	char text[96];

	if (type == VIRTIO_NOTIFY && cap_read(c, 16, WHOLE, &value)) {
		snprintf(text, sizeof(text), "%u", value);
		return cap_add(c, ".multiplier", text);
	}
	if (type != VIRTIO_SHARED_MEMORY || !cap_read(c, 8, WHOLE, &value) || !cap_read(c, 12, WHOLE, &bytes) ||
	    !cap_read(c, 16, WHOLE, &offset_upper) || !cap_read(c, 20, WHOLE, &bytes_upper))
		return 0;
	snprintf(text, sizeof(text), "id=%u offset=0x%llx size=0x%llx", bar >> 8 & 0xff, (unsigned long long)offset_upper << 32 | value,
		 (unsigned long long)bytes_upper << 32 | bytes);
	return cap_add(c, ".shared_memory", text);
}

/* Where a virtio device has its registers. The one to reach them through configuration space is a window that the driver moves. */
static int add_virtio(const struct capability *c)
{
	uint32_t head, bar, offset, bytes;
	char value[96];
	int r;

	if (!cap_read(c, 0, UPPER_HALF, &head))
		return 0;
	if (head >> 24 == VIRTIO_PCI_CFG) {
		snprintf(value, sizeof(value), "type=%u", head >> 24);
		return cap_add(c, ".virtio", value);
	}
	if (!cap_read(c, 4, 0x1, &bar) || !cap_read(c, 8, WHOLE, &offset) || !cap_read(c, 12, WHOLE, &bytes))
		return 0;
	snprintf(value, sizeof(value), "type=%u bar=%u offset=0x%x size=0x%x", head >> 24, bar & 0xff, offset, bytes);
	r = cap_add(c, ".virtio", value);
	return r == 0 && cap_read(c, 4, 0x3, &bar) ? add_virtio_more(c, head >> 24, bar) : r;
}

/* What only its vendor can read: all the bytes that its length tells of, where the guest read all of them. */
static int add_vendor(const struct capability *c)
{
	struct buffer value = BUFFER_INIT;
	uint32_t dword;
	unsigned length;

	if (!cap_read(c, 0, 0x4, &dword))
		return 0;
	length = dword >> 16 & 0xff;
	if (length <= VENDOR_HEAD_BYTES || c->at + length > EXTENDED_BODY)
		return 0;
	for (unsigned n = VENDOR_HEAD_BYTES; n < length; n++) {
		if (!cap_read(c, n & ~3u, (uint8_t)(1u << (n & 3)), &dword)) {
			buffer_release(&value);
			return 0;
		}
		buffer_printf(&value, "%02x", dword >> 8 * (n & 3) & 0xff);
	}
	return cap_add_buffer(c, ".content", &value);
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
	uint32_t vendor, head;
	int r = add_registers(c, cap_read(c, 0, UPPER_HALF, &head) ? head >> 16 & 0xf : 0);

	if (r < 0)
		return r;
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
		if (!pci_read(c->facts, c->fn->bdf, PCI_REG_ID, 0x3, &vendor))
			return 0;
		return vendor == VENDOR_VIRTIO ? add_virtio(c) : add_vendor(c);
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

/* It identifies the one device, and so the one guest. */
static int add_serial(const struct capability *c)
{
	char key[PCI_PATH_BYTES + 32];
	uint32_t low, high;

	if (!cap_read(c, 4, WHOLE, &low) || !cap_read(c, 8, WHOLE, &high))
		return 0;
	snprintf(key, sizeof(key), "pci_serial/%s", c->fn->path);
	return entries_addf(c->out, FACET_IDENTITY, key, "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x", high >> 24, high >> 16 & 0xff,
			    high >> 8 & 0xff, high & 0xff, low >> 24, low >> 16 & 0xff, low >> 8 & 0xff, low & 0xff);
}

static int add_vendor_head(const struct capability *c)
{
	bool designated = c->id == EXT_DESIGNATED_VENDOR;
	struct buffer value = BUFFER_INIT;
	uint32_t head, id = 0;

	if (!cap_read(c, 4, WHOLE, &head) || (designated && !cap_read(c, 8, LOWER_HALF, &id)))
		return 0;
	if (designated)
		buffer_printf(&value, "vendor=%04x id=0x%x", head & 0xffff, id);
	else
		buffer_printf(&value, "id=0x%x", head & 0xffff);
	buffer_printf(&value, " revision=%u size=0x%x", head >> 16 & 0xf, head >> 20);
	return cap_add_buffer(c, ".vendor", &value);
}

/* The virtual functions' BARs: kinds alone, since nobody's sizing of them is followed. */
static int add_virtual_functions(const struct capability *c)
{
	char detail[16], value[16];
	uint32_t dword;
	int r = 0;

	if (cap_read(c, 0x18, UPPER_HALF, &dword)) {
		snprintf(value, sizeof(value), "%04x", dword >> 16);
		r = cap_add(c, ".device", value);
	}
	for (unsigned n = 0; r == 0 && n < 6 && cap_read(c, 0x24 + 4 * n, 0x1, &dword); n++) {
		if (!(dword & 0xf))
			continue;
		snprintf(detail, sizeof(detail), ".bar%u", n);
		r = cap_add(c, detail, (dword & 6) == 4 ? (dword & 8 ? "mem64-pref" : "mem64") : "mem32-pref");
		n += (dword & 6) == 4;
	}
	return r;
}

/* Sizes that each BAR could have: bit n of the upper 28 is 2^n MiB. Which one it has is the BAR's own. */
static int add_resizable(const struct capability *c)
{
	uint32_t sizes, control, first;
	char detail[16], value[32];
	unsigned count;
	int r = 0;

	if (!cap_read(c, 8, 0x1, &first))
		return 0;
	count = first >> 5 & 7;
	for (unsigned n = 0; r == 0 && n < count && n < 6; n++) {
		if (!cap_read(c, 4 + 8 * n, WHOLE, &sizes) || !cap_read(c, 8 + 8 * n, 0x1, &control))
			break;
		snprintf(detail, sizeof(detail), ".bar%u", control & 7);
		snprintf(value, sizeof(value), "sizes=0x%x", sizes >> 4);
		r = cap_add(c, detail, value);
	}
	return r;
}

static int add_extended_details(const struct capability *c)
{
	int r = add_registers(c, 0);

	if (r < 0)
		return r;
	switch (c->id) {
	case EXT_SERIAL:
		return add_serial(c);
	case EXT_VENDOR:
	case EXT_DESIGNATED_VENDOR:
		return add_vendor_head(c);
	case EXT_VIRTUALIZATION:
		return add_virtual_functions(c);
	case EXT_RESIZABLE_BAR:
		return add_resizable(c);
	default:
		return 0;
	}
}

static int add_extended_list(const struct guest_facts *facts, const struct pci_function *fn, struct abi_entries *out)
{
	struct capability c = { .facts = facts, .fn = fn, .out = out, .at = EXTENDED_BODY, .extended = true };
	char value[32];
	uint32_t head;
	int r = 0;

	for (unsigned n = 0; r == 0 && n < EXTENDED_MAX; n++) {
		if (c.at < EXTENDED_BODY || !cap_read(&c, 0, WHOLE, &head) || (head & 0xffff) == 0 || (head & 0xffff) == 0xffff)
			break;
		c.id = head & 0xffff;
		snprintf(value, sizeof(value), "version=%u", head >> 16 & 0xf);
		r = cap_add(&c, "", value);
		if (r == 0)
			r = add_extended_details(&c);
		c.at = head >> 20 & 0xffc;
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
