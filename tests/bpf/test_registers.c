/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: what a chip, a virtio-mmio window, fw_cfg or a network adapter said it is. */
#include "tests/bpf/harness.h"

#define MEMORY OBSERVE_SPACE_MEMORY
#define PORTS OBSERVE_SPACE_PORT
#define IOAPIC 0xfec00000ull
#define HPET 0xfed00000ull
#define LAPIC 0xfee00000ull
#define WINDOW 0xfeb00e00ull
#define NIC (3u << 3)
#define FWCFG_DIRECTORY 0x19

static struct observe_value register_of(uint32_t space, uint32_t index, uint64_t address, uint8_t width)
{
	return fact_of(KVM_A, OBSERVE_REGISTER, space | index << 8, address, width);
}

static bool has_register(uint32_t space, uint32_t index, uint64_t address, uint8_t width)
{
	return has_fact(KVM_A, OBSERVE_REGISTER, space | index << 8, address, width);
}

/* A reset of the guest, by its reset port. */
static void reset(void)
{
	out_port(0xcf9, 1, 6);
	rig.skel->data->fake.protected_mode = 0;
	in_port(0x80, 1, 0);
	rig.skel->data->fake.protected_mode = 1;
}

/* A BAR as firmware does it: read, sized, placed. */
static void place_bar(uint32_t bdf, uint32_t reg, uint32_t kind, uint32_t size_mask, uint32_t address)
{
	pci_in(bdf, reg, 4, kind);
	pci_out(bdf, reg, 4, 0xffffffff);
	pci_in(bdf, reg, 4, size_mask | kind);
	pci_out(bdf, reg, 4, address);
}

static void ioapic_version_is_what_the_window_shows_at_index_one(void **state)
{
	(void)state;
	rig_begin();
	mmio_write(IOAPIC, 4, 0);
	mmio_read(IOAPIC + 0x10, 4, 0x00170099);
	mmio_write(IOAPIC, 4, 0x10);
	mmio_read(IOAPIC + 0x10, 4, 0x00010000);
	assert_false(has_register(MEMORY, 1, IOAPIC + 0x10, 4));
	mmio_write(IOAPIC + 0x10, 4, 1);
	mmio_read(IOAPIC + 0x10, 4, 0x00010000);
	assert_false(has_register(MEMORY, 1, IOAPIC + 0x10, 4));
	mmio_write(IOAPIC, 4, 1);
	mmio_read(IOAPIC + 0x10, 4, 0xaa17bb20);
	assert_int_equal(register_of(MEMORY, 1, IOAPIC + 0x10, 4).data[0], 0x00170020);
	mmio_write(IOAPIC, 4, 0x10);
	mmio_read(IOAPIC + 0x10, 4, 0x00010000);
	assert_int_equal(news_of(OBSERVE_REGISTER), 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, IOAPIC, 4).flags, OBSERVE_ANSWERED);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_MMIO], 1);
}

static void each_boot_learns_its_chips_again(void **state)
{
	(void)state;
	rig_begin();
	mmio_read(LAPIC + 0x30, 4, 0x00050014);
	mmio_read(LAPIC + 0x30, 4, 0x00050014);
	assert_int_equal(news_of(OBSERVE_REGISTER), 1);
	reset();
	mmio_read(LAPIC + 0x20, 4, 0);
	mmio_read(LAPIC + 0x30, 4, 0x01060015);
	assert_int_equal(register_of(MEMORY, 0, LAPIC + 0x30, 4).data[0], 0x01060015);
	assert_int_equal(register_of(MEMORY, 0, LAPIC + 0x30, 4).boot, 2);
}

static void hpet_is_the_same_registers_by_any_width(void **state)
{
	(void)state;
	rig_begin();
	mmio_read(HPET + 0xf0, 4, 12345);
	mmio_read(HPET, 4, 0x8086a201);
	assert_int_equal(register_of(MEMORY, 0, HPET, 4).data[0], 0x8086a201);
	assert_false(has_register(MEMORY, 0, HPET + 4, 4));
	mmio_read(HPET + 4, 4, 10000000);
	assert_int_equal(register_of(MEMORY, 0, HPET + 4, 4).data[0], 10000000);
	rig_who(KVM_B, VCPU_B, 0);
	mmio_read(HPET, 8, 10000000ull << 32 | 0x8086a201);
	assert_int_equal(fact_of(KVM_B, OBSERVE_REGISTER, MEMORY, HPET, 4).data[0], 0x8086a201);
	assert_int_equal(fact_of(KVM_B, OBSERVE_REGISTER, MEMORY, HPET + 4, 4).data[0], 10000000);
}

static void a_chip_that_is_not_there_is_no_register(void **state)
{
	(void)state;
	rig_begin();
	for (int i = 0; i < 5; i++)
		mmio_read(HPET, 4, 0xffffffff);
	assert_int_equal(news_of(OBSERVE_REGISTER), 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_MMIO, 0, HPET, 4).all_ones, OBSERVE_ABSENT_READS);
}

static void a_virtio_window_is_known_by_its_magic(void **state)
{
	(void)state;
	rig_begin();
	mmio_read(WINDOW, 4, 0x74726976);
	mmio_read(WINDOW + 4, 4, 2);
	mmio_read(WINDOW + 8, 4, 1);
	mmio_read(WINDOW + 0xc, 4, 0x554d4551);
	/* Which word is selected is not known before the guest says so. */
	mmio_read(WINDOW + 0x10, 4, 7);
	mmio_write(WINDOW + 0x14, 4, 1);
	mmio_read(WINDOW + 0x10, 4, 0x101);
	mmio_write(WINDOW + 0x14, 4, 0);
	mmio_read(WINDOW + 0x10, 4, 0x30000020);
	mmio_read(WINDOW + 0x60, 4, 1);
	mmio_read(WINDOW + 0x70, 4, 0);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 4, 4).data[0], 2);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 8, 4).data[0], 1);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 0xc, 4).data[0], 0x554d4551);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 0x10, 4).data[0], 0x30000020);
	assert_int_equal(register_of(MEMORY, 1, WINDOW + 0x10, 4).data[0], 0x101);
	assert_false(has_register(MEMORY, 0, WINDOW + 0x60, 4));
	/* Its neighbour in the page is one of its own. */
	mmio_read(WINDOW - 0x200 + 8, 4, 5);
	assert_false(has_register(MEMORY, 0, WINDOW - 0x200 + 8, 4));
	mmio_read(WINDOW - 0x200, 4, 0x74726976);
	mmio_read(WINDOW - 0x200 + 8, 4, 0);
	assert_int_equal(register_of(MEMORY, 0, WINDOW - 0x200 + 8, 4).data[0], 0);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_MMIO], 1);
}

static void a_virtio_adapter_in_a_window_tells_its_address(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

	(void)state;
	rig_begin();
	mmio_read(WINDOW, 4, 0x74726976);
	mmio_read(WINDOW + 8, 4, 2);
	mmio_read(WINDOW + 0x100, 1, 0x77); /* a disk's size */
	assert_false(has_register(MEMORY, 0, WINDOW + 0x100, 1));
	mmio_read(WINDOW - 0x200, 4, 0x74726976);
	mmio_read(WINDOW - 0x200 + 8, 4, 1);
	for (int i = 0; i < 6; i++)
		mmio_read(WINDOW - 0x200 + 0x100 + i, 1, mac[i]);
	mmio_read(WINDOW - 0x200 + 0x106, 2, 1); /* link state */
	for (int i = 0; i < 6; i++)
		assert_int_equal(register_of(MEMORY, 0, WINDOW - 0x200 + 0x100 + i, 1).data[0], mac[i]);
	assert_false(has_register(MEMORY, 0, WINDOW - 0x200 + 0x106, 2));
}

static void a_watched_page_is_cached_by_address(void **state)
{
	uint64_t before;

	(void)state;
	rig_begin();
	mmio_read(WINDOW, 4, 0x74726976);
	mmio_read(WINDOW + 0x60, 4, 1);
	mmio_read(WINDOW + 0x60, 4, 0);
	before = vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER];
	for (int i = 0; i < 100; i++)
		mmio_read(WINDOW + 0x60, 4, i);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER], before);
	/* And what identifies is still looked at. */
	mmio_read(WINDOW + 8, 4, 1);
	mmio_read(WINDOW + 8, 4, 2);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 8, 4).data[0], 2);
	assert_int_equal(register_of(MEMORY, 0, WINDOW + 8, 4).changes, 1);
}

static void an_e1000_tells_its_address_once(void **state)
{
	const uint64_t base = 0xfebc0000;

	(void)state;
	rig_begin();
	pci_in(NIC, 0, 4, 0x100e8086);
	place_bar(NIC, 0x10, 0, 0xfffe0000, base);
	mmio_read(base + 8, 4, 0x80080783);
	mmio_read(base + 0x5200, 4, 0);
	assert_int_equal(news_of(OBSERVE_REGISTER), 0);
	mmio_read(base + 0x5400, 4, 0x12005452);
	mmio_read(base + 0x5404, 4, 0x80005634);
	/* The guest takes another address. */
	mmio_write(base + 0x5400, 4, 0xaabbccdd);
	mmio_read(base + 0x5400, 4, 0xaabbccdd);
	assert_int_equal(register_of(MEMORY, 0, base + 0x5400, 4).data[0], 0x12005452);
	assert_int_equal(register_of(MEMORY, 0, base + 0x5404, 4).data[0], 0x5634);
	assert_int_equal(news_of(OBSERVE_REGISTER), 2);
}

static void an_address_that_the_guest_wrote_first_is_not_the_machines(void **state)
{
	const uint64_t base = 0xfebc0000;

	(void)state;
	rig_begin();
	pci_in(NIC, 0, 4, 0x10d38086);
	place_bar(NIC, 0x10, 0, 0xfffe0000, base);
	mmio_write(base + 0x5400, 4, 0xaabbccdd);
	pci_in(NIC, 0x10, 4, base);
	mmio_read(base + 0x5400, 4, 0xaabbccdd);
	assert_int_equal(news_of(OBSERVE_REGISTER), 0);
	/* The next boot begins with the machine's again. */
	reset();
	pci_in(NIC, 0, 4, 0x10d38086);
	pci_in(NIC, 0x10, 4, base);
	mmio_read(base + 0x5400, 4, 0x12005452);
	assert_int_equal(register_of(MEMORY, 0, base + 0x5400, 4).data[0], 0x12005452);
}

static void legacy_virtio_is_read_by_ports_and_bytes(void **state)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

	(void)state;
	rig_begin();
	pci_in(NIC, 0, 4, 0x10001af4);
	place_bar(NIC, 0x10, 1, 0xffffffe0, 0xc061);
	in_port(0xc060 + 0x13, 1, 1);
	in_port(0xc060 + 0x14, 2, 0xffff); /* a vector */
	for (int i = 0; i < 6; i++)
		in_port(0xc060 + 0x14 + i, 1, mac[i]);
	assert_int_equal(news_of(OBSERVE_REGISTER), 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(register_of(PORTS, 0, 0xc060 + 0x14 + i, 1).data[0], mac[i]);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0xc060 + 0x14, 0, 1).flags, OBSERVE_ANSWERED);
}

static void modern_virtio_is_found_by_its_capability(void **state)
{
	const uint64_t base = 0x380000004000ull;

	(void)state;
	rig_begin();
	pci_in(NIC, 0, 4, 0x10411af4);
	place_bar(NIC, 0x20, 0xc, 0xffffc000, (uint32_t)base | 0xc);
	place_bar(NIC, 0x24, 0, 0xffffffff, base >> 32);
	mmio_read(base + 0x2000, 4, 1);
	assert_int_equal(news_of(OBSERVE_REGISTER), 0);
	pci_in(NIC, 0x50, 2, 0x6009);
	pci_in(NIC, 0x53, 1, 4);
	pci_in(NIC, 0x54, 1, 4);
	pci_in(NIC, 0x58, 4, 0x2000);
	mmio_read(base, 4, 0);
	mmio_read(base + 0x2000, 4, 0x12005452);
	mmio_read(base + 0x2004, 4, 0x00015634); /* and the link's state */
	assert_int_equal(register_of(MEMORY, 0, base + 0x2000, 4).data[0], 0x12005452);
	assert_int_equal(register_of(MEMORY, 0, base + 0x2004, 4).data[0], 0x5634);
	assert_int_equal(news_of(OBSERVE_REGISTER), 2);
}

static void select_item(uint32_t item)
{
	out_port(0x510, 2, item);
}

static void fw_cfg_is_read_byte_by_byte(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	in_port(0x511, 1, 'x'); /* of an item that was selected before our time */
	select_item(0);
	for (int i = 0; i < 4; i++)
		in_port(0x511, 1, "QEMU"[i]);
	v = fact_of(KVM_A, OBSERVE_FWCFG, 0, 0, 0);
	assert_int_equal(v.known, 0xf);
	assert_memory_equal(v.data, "QEMU", 4);
	/* Beyond its end there is nothing, and other items are nobody's business. */
	in_port(0x511, 1, 0);
	select_item(0x8000);
	in_port(0x511, 1, 5);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER], 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_FWCFG, 0, 0, 0).known, 0xf);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PORT, 0x511, 0, 1).flags, OBSERVE_ANSWERED);
	/* Read again, the same: no news. */
	news(0);
	select_item(0);
	in_port(0x511, 1, 'Q');
	assert_int_equal(news_of(OBSERVE_FWCFG), 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_FWCFG, 0, 0, 0).changes, 0);
}

static void fw_cfg_directory_is_read_in_strings(void **state)
{
	struct test_subject *f;

	(void)state;
	rig_begin();
	f = &rig.skel->data->fake;
	select_item(FWCFG_DIRECTORY);
	for (int i = 0; i < 100; i++)
		f->data[i] = (uint8_t)(i + 1);
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x511, 1, 3, 1 });
	for (int i = 0; i < 100; i++)
		f->data[i] = (uint8_t)(i + 4);
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x511, 1, 65, 1 });
	for (uint32_t at = 0; at < 68; at++) {
		struct observe_value v = fact_of(KVM_A, OBSERVE_FWCFG, FWCFG_DIRECTORY, at & ~7u, 0);

		assert_true(v.known & 1u << (at & 7));
		assert_int_equal(((uint8_t *)v.data)[at & 7], at + 1);
	}
	assert_int_equal(fact_of(KVM_A, OBSERVE_FWCFG, FWCFG_DIRECTORY, 64, 0).known, 0xf);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER], 9);
	/* What the ring told last is what the map holds. */
	news(0);
	for (size_t i = rig.n_news; i-- > 0;)
		if (rig.news[i].key.kind == OBSERVE_FWCFG && rig.news[i].key.address == 0) {
			assert_int_equal(rig.news[i].value.known, 0xff);
			break;
		}
}

static void fw_cfg_is_kept_to_a_bound(void **state)
{
	struct test_subject *f;

	(void)state;
	rig_begin();
	f = &rig.skel->data->fake;
	memset(f->data, 1, sizeof(f->data));
	select_item(FWCFG_DIRECTORY);
	for (int i = 0; i < 200; i++)
		rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, 0x511, 1, 64, 1 });
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER], 513);
	/* After DMA nobody knows where the data port is. */
	select_item(0);
	out_port(0x518, 4, 0);
	in_port(0x511, 1, 'x');
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_REGISTER], 513);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ioapic_version_is_what_the_window_shows_at_index_one, rig_close),
		cmocka_unit_test_teardown(each_boot_learns_its_chips_again, rig_close),
		cmocka_unit_test_teardown(hpet_is_the_same_registers_by_any_width, rig_close),
		cmocka_unit_test_teardown(a_chip_that_is_not_there_is_no_register, rig_close),
		cmocka_unit_test_teardown(a_virtio_window_is_known_by_its_magic, rig_close),
		cmocka_unit_test_teardown(a_virtio_adapter_in_a_window_tells_its_address, rig_close),
		cmocka_unit_test_teardown(a_watched_page_is_cached_by_address, rig_close),
		cmocka_unit_test_teardown(an_e1000_tells_its_address_once, rig_close),
		cmocka_unit_test_teardown(an_address_that_the_guest_wrote_first_is_not_the_machines, rig_close),
		cmocka_unit_test_teardown(legacy_virtio_is_read_by_ports_and_bytes, rig_close),
		cmocka_unit_test_teardown(modern_virtio_is_found_by_its_capability, rig_close),
		cmocka_unit_test_teardown(fw_cfg_is_read_byte_by_byte, rig_close),
		cmocka_unit_test_teardown(fw_cfg_directory_is_read_in_strings, rig_close),
		cmocka_unit_test_teardown(fw_cfg_is_kept_to_a_bound, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
