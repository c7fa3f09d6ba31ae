/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers that identify, by name: `0xPAGE.hpet_id`, `0xWINDOW.virtio_mmio…` in mmio, `0x0510.fw_cfg_…` in ports. Each register
 * is a key of its own, so that a driver that reads more than the last one adds evidence and contradicts nothing.
 *
 * Sources: Intel 82093AA data sheet 3.0 (I/O APIC); SDM vol. 3A, 11.4.8 (local APIC version); IA-PC HPET specification 1.0a, 2.3.4;
 * virtio 1.1, 4.2.2 and 6; QEMU docs/specs/fw_cfg.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/windows.h"
#include "userspace/base/buffer.h"

#define VIRTIO_WINDOW_BYTES 0x200u
#define VIRTIO_MAGIC 0x74726976u
#define VIRTIO_REG_VERSION 0x004
#define VIRTIO_REG_DEVICE 0x008
#define VIRTIO_REG_VENDOR 0x00c
#define VIRTIO_REG_FEATURES 0x010
#define VIRTIO_FEATURE_WORDS 4u
#define VALUE_EMPTY "empty"

#define FWCFG_SIGNATURE 0x00
#define FWCFG_FEATURES 0x01
#define FWCFG_DIRECTORY 0x19
#define FWCFG_FILES_MAX 64u /* what the programs keep of the directory */
#define FWCFG_FILE_BYTES 64u
#define FWCFG_NAME_AT 8u
#define FWCFG_NAME_BYTES 56u

struct named_register {
	uint64_t page;
	uint32_t offset, index;
	const char *name;
};

static const struct named_register named_registers[] = {
	{ 0xfec00000, 0x10, 1, "ioapic_version" },
	{ 0xfec10000, 0x10, 1, "ioapic_version" },
	{ 0xfed00000, 0x0, 0, "hpet_id" },
	{ 0xfed00000, 0x4, 0, "hpet_period" },
	{ 0xfee00000, 0x30, 0, "lapic_version" },
};

#define NAMED_REGISTERS (sizeof(named_registers) / sizeof(named_registers[0]))

/* A 32-bit register in memory. false: not read in this boot, or it turned out to be state. */
static bool register_read(const struct guest_facts *facts, uint64_t address, uint32_t index, uint32_t *ret)
{
	const struct record_fact *fact = facts_find(facts, OBSERVE_REGISTER, OBSERVE_SPACE_MEMORY | index << 8, address, 4);

	if (!fact || fact->value.flags & OBSERVE_VOLATILE)
		return false;
	*ret = fact->value.data[0];
	return true;
}

/* Registers share a quota: what of them was refused may be missing in either facet. */
static int cover(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum observe_class class)
{
	unsigned long long lost = facts_lost(facts, OBSERVE_CLASS_REGISTER), skipped = facts_skipped(facts, FACTS_OF_REGISTERS);

	if (!lost && skipped)
		return entries_cover(out, facet, COVERAGE_WITNESSED, "only what the guest touched, and no register by name: the kernel skipped %llu events "
				     COVERAGE_SKIP_MARK, skipped);
	if (!lost)
		return 0;
	return entries_cover(out, facet, COVERAGE_WITNESSED, "only what the guest touched, and %llu facts of it were refused",
			     lost + (unsigned long long)facts_lost(facts, class));
}

static int add_word(struct abi_entries *out, uint64_t window, const char *detail, uint32_t value)
{
	char key[64];

	snprintf(key, sizeof(key), "0x%016" PRIx64 ".%s", window, detail);
	return entries_addf(out, FACET_MMIO, key, "0x%08" PRIx32, value);
}

static int add_virtio(const struct guest_facts *facts, struct abi_entries *out, uint64_t window)
{
	char key[64], detail[32];
	uint32_t value;
	int r = 0;

	snprintf(key, sizeof(key), "0x%016" PRIx64 ".virtio_mmio", window);
	if (register_read(facts, window + VIRTIO_REG_DEVICE, 0, &value))
		r = value ? entries_addf(out, FACET_MMIO, key, "device=%" PRIu32, value) : entries_add(out, FACET_MMIO, key, VALUE_EMPTY);
	snprintf(key, sizeof(key), "0x%016" PRIx64 ".virtio_mmio.version", window);
	if (r >= 0 && register_read(facts, window + VIRTIO_REG_VERSION, 0, &value))
		r = entries_addf(out, FACET_MMIO, key, "%" PRIu32, value);
	if (r >= 0 && register_read(facts, window + VIRTIO_REG_VENDOR, 0, &value))
		r = add_word(out, window, "virtio_mmio.vendor", value);
	for (uint32_t word = 0; word < VIRTIO_FEATURE_WORDS && r >= 0; word++)
		if (register_read(facts, window + VIRTIO_REG_FEATURES, word, &value)) {
			snprintf(detail, sizeof(detail), "virtio_mmio.features%" PRIu32, word);
			r = add_word(out, window, detail, value);
		}
	return r;
}

int registers_add_mmio(const struct guest_facts *facts, struct abi_entries *out)
{
	struct windows windows = WINDOWS_INIT;
	const struct record_fact *fact;
	size_t cursor = 0;
	uint32_t value;
	int r;

	r = cover(facts, out, FACET_MMIO, OBSERVE_CLASS_MMIO);
	for (size_t i = 0; i < NAMED_REGISTERS && r >= 0; i++)
		if (register_read(facts, named_registers[i].page + named_registers[i].offset, named_registers[i].index, &value))
			r = add_word(out, named_registers[i].page, named_registers[i].name, value);
	if (r >= 0)
		r = windows_derive(facts, &windows);
	while (r >= 0 && (fact = facts_next(facts, OBSERVE_REGISTER, &cursor)))
		if (fact->key.selector == OBSERVE_SPACE_MEMORY && fact->key.width == 4 && fact->key.address % VIRTIO_WINDOW_BYTES == 0 &&
		    fact->value.data[0] == VIRTIO_MAGIC && !windows_overlap(&windows, false, fact->key.address, VIRTIO_WINDOW_BYTES))
			r = add_virtio(facts, out, fact->key.address);
	windows_release(&windows);
	return r;
}

/* ---- fw_cfg */
static bool fwcfg_read(const struct guest_facts *facts, uint32_t item, uint32_t offset, size_t bytes, uint8_t *ret)
{
	for (size_t i = 0; i < bytes; i++, offset++) {
		const struct record_fact *fact = facts_find(facts, OBSERVE_FWCFG, item, offset & ~7u, 0);
		uint8_t chunk[8];

		if (!fact || fact->value.flags & OBSERVE_VOLATILE || !(fact->value.known & 1u << (offset & 7)))
			return false;
		memcpy(chunk, fact->value.data, sizeof(chunk));
		ret[i] = chunk[offset & 7];
	}
	return true;
}

static uint32_t be32(const uint8_t b[4]) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }
static uint32_t le32(const uint8_t b[4]) { return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0]; }

/* A file's selector is its place in the list, which moves when a file is added: no identity. */
static int add_file(const struct guest_facts *facts, struct abi_entries *out, uint32_t at)
{
	static const char prefix[] = "0x0510.fw_cfg_file/";
	char key[sizeof(prefix) + FWCFG_NAME_BYTES];
	size_t n = sizeof(prefix) - 1;
	uint8_t size[4], byte = 0;

	if (!fwcfg_read(facts, FWCFG_DIRECTORY, at, sizeof(size), size))
		return 0;
	memcpy(key, prefix, sizeof(prefix));
	for (uint32_t i = 0; i < FWCFG_NAME_BYTES; i++) {
		if (!fwcfg_read(facts, FWCFG_DIRECTORY, at + FWCFG_NAME_AT + i, 1, &byte))
			return 0;
		if (!byte)
			break;
		key[n++] = (char)byte;
	}
	/* A name without an end, or none: that is no file. */
	if (byte || n == sizeof(prefix) - 1)
		return 0;
	key[n] = '\0';
	return entries_addf(out, FACET_PORTS, key, "size=%" PRIu32, be32(size));
}

int registers_add_ports(const struct guest_facts *facts, struct abi_entries *out)
{
	uint8_t word[5] = { 0 };
	uint32_t files;
	int r;

	r = cover(facts, out, FACET_PORTS, OBSERVE_CLASS_PORT);
	if (r >= 0 && fwcfg_read(facts, FWCFG_SIGNATURE, 0, 4, word))
		r = entries_add(out, FACET_PORTS, "0x0510.fw_cfg_signature", (const char *)word);
	if (r >= 0 && fwcfg_read(facts, FWCFG_FEATURES, 0, 4, word))
		r = entries_addf(out, FACET_PORTS, "0x0510.fw_cfg_features", "0x%08" PRIx32, le32(word));
	if (r < 0 || !fwcfg_read(facts, FWCFG_DIRECTORY, 0, 4, word))
		return r;
	files = be32(word);
	for (uint32_t i = 0; i < files && i < FWCFG_FILES_MAX && r >= 0; i++)
		r = add_file(facts, out, 4 + i * FWCFG_FILE_BYTES);
	return r;
}

/* ---- for a person */
static const char *virtio_device_name(unsigned id)
{
	static const char *const names[] = {
		[1] = "virtio-net", [2] = "virtio-blk", [3] = "virtio-console", [4] = "virtio-rng", [5] = "virtio-balloon",
		[8] = "virtio-scsi", [9] = "virtio-9p", [16] = "virtio-gpu", [18] = "virtio-input", [19] = "virtio-vsock",
		[20] = "virtio-crypto", [23] = "virtio-iommu", [24] = "virtio-mem", [25] = "virtio-sound", [26] = "virtio-fs",
		[27] = "virtio-pmem",
	};

	return id < sizeof(names) / sizeof(names[0]) && names[id] ? names[id] : "another virtio device";
}

static void ioapic_meaning(uint32_t value, struct buffer *out)
{
	/* From 0x20 on it has a register to end an interrupt by vector. */
	buffer_printf(out, "%s, %u entries", (value & 0xff) >= 0x20 ? "I/O APIC with EOI register" : "82093AA-compatible",
		      (value >> 16 & 0xff) + 1);
}

static void lapic_meaning(uint32_t value, struct buffer *out)
{
	buffer_printf(out, "version 0x%x, %u local vectors%s", value & 0xff, (value >> 16 & 0xff) + 1,
		      value & 1u << 24 ? ", can suppress EOI broadcasts" : "");
}

static void hpet_meaning(uint32_t value, struct buffer *out)
{
	buffer_printf(out, "%u timers, %u-bit counter, vendor %04x", (value >> 8 & 0x1f) + 1, value & 1u << 13 ? 64u : 32u, value >> 16);
}

/* Femtoseconds. */
static void period_meaning(uint32_t value, struct buffer *out)
{
	if (value % 1000000)
		buffer_printf(out, "period %u.%06u ns", value / 1000000, value % 1000000);
	else
		buffer_printf(out, "period %u ns", value / 1000000);
}

static void vendor_meaning(uint32_t value, struct buffer *out)
{
	for (unsigned i = 0; i < 4; i++)
		if ((value >> 8 * i & 0xff) < 0x21 || (value >> 8 * i & 0xff) > 0x7e)
			return;
	buffer_printf(out, "\"%c%c%c%c\"", (int)(value & 0xff), (int)(value >> 8 & 0xff), (int)(value >> 16 & 0xff), (int)(value >> 24));
}

/* The bits that all devices share; below 24 they are the device's own. */
static void features_meaning(unsigned word, uint32_t value, struct buffer *out)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ 24, "notify_on_empty" }, { 27, "any_layout" }, { 28, "indirect_desc" }, { 29, "event_idx" }, { 32, "version_1" },
		{ 33, "access_platform" }, { 34, "ring_packed" }, { 35, "in_order" }, { 36, "order_platform" }, { 37, "sr_iov" },
		{ 38, "notification_data" }, { 40, "ring_reset" },
	};
	const char *comma = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].bit / 32 == word && value & 1u << names[i].bit % 32) {
			buffer_printf(out, "%s%s", comma, names[i].name);
			comma = ", ";
		}
}

static void virtio_meaning(const char *detail, const char *value, struct buffer *out)
{
	unsigned word, number;

	if (!strcmp(detail, "")) {
		if (!strcmp(value, VALUE_EMPTY))
			buffer_string(out, "a virtio-mmio window without a device");
		else if (sscanf(value, "device=%10u", &number) == 1)
			buffer_string(out, virtio_device_name(number));
	} else if (!strcmp(detail, ".version")) {
		buffer_string(out, !strcmp(value, "1") ? "legacy virtio" : !strcmp(value, "2") ? "virtio 1.x, modern" : "");
	} else if (!strcmp(detail, ".vendor") && sscanf(value, "0x%8x", &number) == 1) {
		vendor_meaning(number, out);
	} else if (sscanf(detail, ".features%10u", &word) == 1 && sscanf(value, "0x%8x", &number) == 1) {
		features_meaning(word, number, out);
	}
}

void registers_meaning(const char *key, const char *value, struct buffer *out)
{
	static const struct {
		const char *name;
		void (*meaning)(uint32_t value, struct buffer *out);
	} words[] = {
		{ "ioapic_version", ioapic_meaning },
		{ "lapic_version", lapic_meaning },
		{ "hpet_id", hpet_meaning },
		{ "hpet_period", period_meaning },
	};
	static const char virtio[] = "virtio_mmio";
	const char *name = strchr(key, '.');
	unsigned number;

	if (!name)
		return;
	name++;
	if (!strncmp(name, virtio, sizeof(virtio) - 1)) {
		virtio_meaning(name + sizeof(virtio) - 1, value, out);
		return;
	}
	if (sscanf(value, "0x%8x", &number) != 1)
		return;
	if (!strcmp(name, "fw_cfg_features"))
		buffer_string(out, number & 2 ? "traditional interface, DMA" : "traditional interface");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(name, words[i].name))
			words[i].meaning(number, out);
}
