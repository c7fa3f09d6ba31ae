// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: the names of registers that identify, and the adapters' MAC addresses. */
#include "tests/unit/facts_feed.h"

#define MEMORY OBSERVE_SPACE_MEMORY
#define PORTS OBSERVE_SPACE_PORT
#define WINDOW 0xfeb00e00ull
#define NIC RECORDS_BDF(0, 3, 0)
#define OTHER RECORDS_BDF(0, 4, 0)
#define DIRECTORY 0x19

static void put_register(struct records *s, uint32_t space, uint32_t index, uint64_t address, uint8_t width, uint64_t value)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_REGISTER, .selector = space | index << 8, .address = address, .width = width },
		.value = { .data = { (uint32_t)value, (uint32_t)(value >> 32) } },
	};

	records_fact(s, &f);
}

static void put_fwcfg(struct records *s, uint32_t item, const void *data, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += 8) {
		struct record_fact f = { .key = { .kind = OBSERVE_FWCFG, .selector = item, .address = at } };
		size_t n = bytes - at < 8 ? bytes - at : 8;

		memcpy(f.value.data, (const char *)data + at, n);
		f.value.known = (uint8_t)((1u << n) - 1);
		records_fact(s, &f);
	}
}

static void put_bytes(struct records *s, uint32_t space, uint64_t address, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_register(s, space, 0, address + i, 1, (uint8_t)bytes[i]);
}

static void put_nic(struct records *s, uint32_t bdf, uint32_t id, uint16_t reg, uint32_t size, uint32_t address)
{
	records_pci(s, bdf, 0x00, id, 0xf);
	records_pci(s, bdf, 0x08, 0x02000000, 0xf);
	records_pci(s, bdf, 0x0c, 0, 0x4);
	records_pci_size(s, bdf, reg, size);
	records_pci_placed(s, bdf, reg, address);
}

static void assert_meaning(enum facet_id facet, const char *key, const char *value, const char *meaning)
{
	struct buffer out = BUFFER_INIT;

	facet_get(facet)->meaning(key, value, &out);
	assert_string_equal(out.data ? out.data : "", meaning);
	buffer_release(&out);
}

static void chips_are_named(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	put_register(&s, MEMORY, 1, 0xfec00010, 4, 0x00170020);
	put_register(&s, MEMORY, 0, 0xfee00030, 4, 0x00050014);
	put_register(&s, MEMORY, 0, 0xfed00000, 4, 0x8086a201);
	put_register(&s, MEMORY, 0, 0xfed00004, 4, 10000000);
	records_mmio(&s, 0xfed00000, 4, OBSERVE_ANSWERED, 0);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fec00000.ioapic_version"), "0x00170020");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fee00000.lapic_version"), "0x00050014");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000.hpet_id"), "0x8086a201");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000.hpet_period"), "0x00989680");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000/r32"), "answered");
	assert_int_equal(entries_of(&e, FACET_MMIO), 5);
	assert_meaning(FACET_MMIO, "0x00000000fec00000.ioapic_version", "0x00170011", "82093AA-compatible, 24 entries");
	assert_meaning(FACET_MMIO, "0x00000000fed00000.hpet_period", "0x00989680", "period 10 ns");
	assert_meaning(FACET_MMIO, "0x00000000fed00000.hpet_period", "0x0429b17f", "period 69.841279 ns");
	assert_meaning(FACET_MMIO, "0x00000000fed00000.hpet_id", "0x8086a201", "3 timers, 64-bit counter, vendor 8086");
	assert_meaning(FACET_MMIO, "0x00000000fed00000/r32", "answered", "");
	entries_release(&e);
	records_release(&s);
}

static void what_changes_by_itself_is_no_entry(void **state)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_REGISTER, .address = 0xfed00000, .width = 4 },
		.value = { .flags = OBSERVE_VOLATILE, .changes = OBSERVE_VOLATILE_CHANGES, .data = { 5 } },
	};
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_fact(&s, &f);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_MMIO), 0);
	entries_release(&e);
	records_release(&s);
}

static void virtio_windows_tell_their_device(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	put_register(&s, MEMORY, 0, WINDOW, 4, 0x74726976);
	put_register(&s, MEMORY, 0, WINDOW + 4, 4, 2);
	put_register(&s, MEMORY, 0, WINDOW + 8, 4, 1);
	put_register(&s, MEMORY, 0, WINDOW + 0xc, 4, 0x554d4551);
	put_register(&s, MEMORY, 0, WINDOW + 0x10, 4, 0x30000020);
	put_register(&s, MEMORY, 1, WINDOW + 0x10, 4, 1);
	put_bytes(&s, MEMORY, WINDOW + 0x100, "\x52\x54\x00\x12\x34\x56", 6);
	put_register(&s, MEMORY, 0, WINDOW - 0x200, 4, 0x74726976);
	put_register(&s, MEMORY, 0, WINDOW - 0x200 + 8, 4, 0);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00e00.virtio_mmio"), "device=1");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00e00.virtio_mmio.version"), "2");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00e00.virtio_mmio.vendor"), "0x554d4551");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00e00.virtio_mmio.features0"), "0x30000020");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00e00.virtio_mmio.features1"), "0x00000001");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000feb00c00.virtio_mmio"), "empty");
	assert_int_equal(entries_of(&e, FACET_MMIO), 6);
	assert_meaning(FACET_MMIO, "0x00000000feb00e00.virtio_mmio", "device=1", "virtio-net");
	assert_meaning(FACET_MMIO, "0x00000000feb00e00.virtio_mmio.version", "2", "virtio 1.x, modern");
	assert_meaning(FACET_MMIO, "0x00000000feb00e00.virtio_mmio.vendor", "0x554d4551", "\"QEMU\"");
	assert_meaning(FACET_MMIO, "0x00000000feb00e00.virtio_mmio.features1", "0x00000003", "version_1, access_platform");
	entries_release(&e);
	records_release(&s);
}

/* The directory as QEMU gives it; `n` files of `size`. */
static size_t directory(uint8_t *out, uint32_t n, const char *const *names, uint32_t size)
{
	memset(out, 0, 4 + 64 * (size_t)n);
	out[3] = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++) {
		out[4 + 64 * i + 2] = (uint8_t)(size >> 8);
		out[4 + 64 * i + 3] = (uint8_t)size;
		out[4 + 64 * i + 5] = (uint8_t)(0x20 + i);
		strncpy((char *)out + 4 + 64 * i + 8, names[i], 56);
	}
	return 4 + 64 * (size_t)n;
}

static void fw_cfg_files_are_listed_by_name(void **state)
{
	static const char *const names[] = { "etc/acpi/rsdp", "opt/with space\n", "" };
	struct records s = RECORDS_INIT;
	uint8_t data[256];
	struct abi_entries e;

	(void)state;
	put_fwcfg(&s, 0, "QEMU", 4);
	put_fwcfg(&s, 1, "\x03\0\0", 4);
	put_fwcfg(&s, DIRECTORY, data, directory(data, 3, names, 36));
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_signature"), "QEMU");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_features"), "0x00000003");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_file/etc/acpi/rsdp"), "size=36");
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_file/opt/with\\x20space\\x0a"), "size=36");
	assert_int_equal(entries_of(&e, FACET_PORTS), 4);
	assert_meaning(FACET_PORTS, "0x0510.fw_cfg_features", "0x00000003", "traditional interface, DMA");
	entries_release(&e);
	records_release(&s);
}

static void a_directory_that_lies_or_is_cut_ends(void **state)
{
	static const char *const names[] = { "whole", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "cut off by the end" };
	struct records s = RECORDS_INIT;
	uint8_t data[256];
	struct abi_entries e;

	(void)state;
	directory(data, 3, names, 1);
	memset(data, 0xff, 4); /* four thousand million files */
	put_fwcfg(&s, DIRECTORY, data, 4 + 128 + 16);
	e = derive_stream(&s);
	assert_non_null(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_file/whole"));
	assert_int_equal(entries_of(&e, FACET_PORTS), 1);
	entries_release(&e);
	records_release(&s);
}

static void a_mac_belongs_to_the_function_wherever_its_bar_is(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	put_nic(&s, NIC, 0x100e8086, 0x10, 0xfffe0000, 0xfebc0000);
	put_register(&s, MEMORY, 0, 0xfebc5400, 4, 0x12005452);
	put_register(&s, MEMORY, 0, 0xfebc5404, 4, 0x5634);
	s.at_ns += RECORDS_SECOND;
	records_pci_placed(&s, NIC, 0x10, 0xfea00000);
	put_nic(&s, OTHER, 0x10d38086, 0x10, 0xfffe0000, 0xfeb80000);
	put_register(&s, MEMORY, 0, 0xfeb85400, 8, 0x563512005452ull);
	e = derive_stream(&s);
	assert_null(value_of(&e, FACET_IDENTITY, "mac/0000:00:03.0"));
	entries_release(&e);
	records_vm(&s, "pid", "4711", "kind", "qemu", "arg", "qemu", NULL);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:03.0"), "52:54:00:12:34:56");
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:04.0"), "52:54:00:12:35:56");
	assert_int_equal(entries_of(&e, FACET_MMIO), 0);
	entries_release(&e);
	records_release(&s);
}

static void half_an_address_is_none(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_vm(&s, "pid", "4711", "kind", "qemu", "arg", "qemu", NULL);
	put_nic(&s, NIC, 0x100e8086, 0x10, 0xfffe0000, 0xfebc0000);
	put_register(&s, MEMORY, 0, 0xfebc5400, 4, 0x12005452);
	put_nic(&s, OTHER, 0x100e8086, 0x10, 0xfffe0000, 0xfeb80000);
	put_register(&s, MEMORY, 0, 0xfeb85400, 4, 0);
	put_register(&s, MEMORY, 0, 0xfeb85404, 4, 0);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_IDENTITY), 0);
	entries_release(&e);
	records_release(&s);
}

static void virtio_adapters_tell_theirs_both_ways(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_vm(&s, "pid", "4711", "kind", "qemu", "arg", "qemu", NULL);
	put_nic(&s, NIC, 0x10001af4, 0x10, 0xffffffe1, 0xc061);
	put_bytes(&s, PORTS, 0xc060 + 0x18, "\x52\x54\x00\x12\x34\x58", 6);
	put_nic(&s, OTHER, 0x10411af4, 0x20, 0xffffc00c, 0x4000);
	records_pci_size(&s, OTHER, 0x24, 0xffffffff);
	records_pci_placed(&s, OTHER, 0x24, 0x3800);
	records_pci(&s, OTHER, 0x34, 0x50, 0x1);
	records_pci(&s, OTHER, 0x50, 0x04100009 | 0x6000, 0xf);
	records_pci(&s, OTHER, 0x54, 4, 0x1);
	records_pci(&s, OTHER, 0x58, 0x2000, 0xf);
	put_register(&s, MEMORY, 0, 0x380000006000ull, 4, 0x12005452);
	put_register(&s, MEMORY, 0, 0x380000006004ull, 2, 0x5934);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:03.0"), "52:54:00:12:34:58");
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:04.0"), "52:54:00:12:34:59");
	entries_release(&e);
	/* Without MSI-X the address begins earlier, and a status follows it. */
	put_bytes(&s, PORTS, 0xc060 + 0x14, "\x52\x54\x00\x12", 4);
	e = derive_stream(&s);
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:03.0"), "52:54:00:12:52:54");
	entries_release(&e);
	records_release(&s);
}

/* What is first read after the baseline joins it; but not as another function's, where BARs have moved. */
static void a_mac_joins_the_baseline_of_its_own_function(void **state)
{
	struct records was = RECORDS_INIT, now = RECORDS_INIT;
	struct guest_facts *known, *latest;
	struct abi_entries e;

	(void)state;
	for (struct records *s = &was; s; s = s == &was ? &now : NULL) {
		records_vm(s, "pid", "4711", "kind", "qemu", "arg", "qemu", NULL);
		put_nic(s, NIC, 0x100e8086, 0x10, 0xfffe0000, s == &was ? 0xfebc0000 : 0xfeb80000);
		put_nic(s, OTHER, 0x100e8086, 0x10, 0xfffe0000, s == &was ? 0xfeb80000 : 0xfeb40000);
		put_nic(s, RECORDS_BDF(0, 5, 0), 0x100e8086, 0x10, 0xfffe0000, 0xfea00000);
	}
	put_register(&now, MEMORY, 0, 0xfeb85400, 8, 0x563412005452ull);
	put_register(&now, MEMORY, 0, 0xfeb45400, 8, 0x573412005452ull);
	put_register(&now, MEMORY, 0, 0xfea05400, 8, 0x583412005452ull);
	put_register(&now, MEMORY, 0, 0xfed00004, 4, 10000000);
	known = feed(&was);
	latest = feed(&now);
	assert_int_equal(facts_merge(known, latest), 0);
	e = derive(known);
	assert_null(value_of(&e, FACET_IDENTITY, "mac/0000:00:03.0"));
	assert_null(value_of(&e, FACET_IDENTITY, "mac/0000:00:04.0"));
	assert_string_equal(value_of(&e, FACET_IDENTITY, "mac/0000:00:05.0"), "52:54:00:12:34:58");
	assert_string_equal(value_of(&e, FACET_MMIO, "0x00000000fed00000.hpet_period"), "0x00989680");
	entries_release(&e);
	facts_free(known);
	facts_free(latest);
	records_release(&was);
	records_release(&now);
}

static void more_of_fw_cfg_joins_the_baseline(void **state)
{
	static const char *const names[] = { "etc/acpi/rsdp" };
	struct records was = RECORDS_INIT, now = RECORDS_INIT;
	struct guest_facts *known, *latest;
	struct abi_entries e;
	uint8_t data[128];

	(void)state;
	directory(data, 1, names, 36);
	put_fwcfg(&was, DIRECTORY, data, 6);
	put_fwcfg(&now, DIRECTORY, data, 68);
	known = feed(&was);
	latest = feed(&now);
	assert_int_equal(facts_merge(known, latest), 0);
	e = derive(known);
	assert_string_equal(value_of(&e, FACET_PORTS, "0x0510.fw_cfg_file/etc/acpi/rsdp"), "size=36");
	entries_release(&e);
	facts_free(known);
	facts_free(latest);
	records_release(&was);
	records_release(&now);
}

static void refused_registers_are_told(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_loss(&s, RECORD_LOSS_QUOTA, OBSERVE_CLASS_REGISTER, 7);
	e = derive_stream(&s);
	assert_true(coverage_tells_loss(e.coverage[FACET_MMIO].reason));
	assert_true(coverage_tells_loss(e.coverage[FACET_PORTS].reason));
	entries_release(&e);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chips_are_named),
		cmocka_unit_test(what_changes_by_itself_is_no_entry),
		cmocka_unit_test(virtio_windows_tell_their_device),
		cmocka_unit_test(fw_cfg_files_are_listed_by_name),
		cmocka_unit_test(a_directory_that_lies_or_is_cut_ends),
		cmocka_unit_test(a_mac_belongs_to_the_function_wherever_its_bar_is),
		cmocka_unit_test(half_an_address_is_none),
		cmocka_unit_test(virtio_adapters_tell_theirs_both_ways),
		cmocka_unit_test(a_mac_joins_the_baseline_of_its_own_function),
		cmocka_unit_test(more_of_fw_cfg_joins_the_baseline),
		cmocka_unit_test(refused_registers_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
