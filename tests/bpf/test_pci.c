/* SPDX-License-Identifier: Apache-2.0 */
/* What a user would lose: a device that went, moved or changed its BARs; or state taken for identity. */
#include "tests/bpf/harness.h"

#define BDF(bus, device, function) ((bus) << 8 | (device) << 3 | (function))
#define NIC BDF(0, 3, 0)
#define BRIDGE BDF(0, 4, 0)
#define Q35 0x29c08086u
#define ECAM 0xb0000000ull

static bool placed(uint32_t bdf, uint32_t reg, uint32_t dword, struct observe_value *ret)
{
	return fact_get(KVM_A, OBSERVE_PCI_PLACED, reg << 16 | bdf, dword, 0, ret);
}

static uint64_t ecam(uint32_t bdf, uint32_t reg)
{
	return ECAM + ((uint64_t)bdf << 12) + reg;
}

static void bytes_join_whatever_the_width(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 2, 0x8086);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0);
	assert_int_equal(v.known, 3);
	pci_in(NIC, 0x02, 2, 0x100e);
	pci_in(NIC, 0x0a, 1, 0x00);
	pci_in(NIC, 0x0b, 1, 0x02);
	pci_in(NIC, 0x08, 4, 0x02000003);
	assert_int_equal(news_of(OBSERVE_PCI), 5);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0);
	assert_int_equal(v.known, 0xf);
	assert_int_equal(v.data[0], 0x100e8086);
	assert_int_equal(v.changes, 0);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 8, 0);
	assert_int_equal(v.data[0], 0x02000003);
	pci_in(NIC, 0x00, 4, 0x100e8086);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
	/* The data port is no port of its own while it leads to PCI. */
	assert_false(has_fact(KVM_A, OBSERVE_PORT, 0xcfc, 0, 4));
}

static void a_latch_that_is_off_is_a_port(void **state)
{
	(void)state;
	rig_begin();
	out_port(0xcf8, 4, 0x00001800);
	in_port(0xcfc, 4, 0x12345678);
	assert_true(has_fact(KVM_A, OBSERVE_PORT, 0xcfc, 0, 4));
	/* A byte to 0xcf8 is not an address. */
	out_port(0xcf8, 4, cf8(NIC, 0));
	out_port(0xcf8, 1, 0);
	in_port(0xcfc, 4, 0x100e8086);
	assert_true(has_fact(KVM_A, OBSERVE_PCI, NIC, 0, 0));
}

static void an_absent_function_has_no_registers(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 2, 0xffff);
	pci_in(NIC, 0x0e, 1, 0xff);
	pci_in(NIC, 0x08, 4, 0xffffffff);
	pci_out(NIC, 0x10, 4, 0xfe000000);
	v = fact_of(KVM_A, OBSERVE_PCI_ABSENT, 0, 0, 0);
	assert_int_equal(v.data[0], 1 << 3);
	assert_false(has_fact(KVM_A, OBSERVE_PCI, NIC, 0, 0));
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PCI_ABSENT], 1);
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PCI_HEADER], 0);
	/* A function of which nothing is known, and a register that reads all ones: no evidence of anything. */
	pci_in(BDF(0, 9, 0), 0x0e, 1, 0xff);
	assert_false(has_fact(KVM_A, OBSERVE_PCI, BDF(0, 9, 0), 0xc, 0));
}

/* Several root buses: firmware asks for every device of all 256, and each of them has to be known. */
static void nobody_on_256_buses_fits_the_quota(void **state)
{
	const struct rig_options o = { 8192, 1u << 20, 256 };
	struct observe_vm vm;

	(void)state;
	rig_open(&o);
	for (uint32_t bus = 0; bus < 256; bus++)
		for (uint32_t device = 0; device < 32; device++)
			pci_in(BDF(bus, device, 0), 0x00, 2, 0xffff);
	vm = vm_of(KVM_A);
	assert_int_equal(vm.facts[OBSERVE_CLASS_PCI_ABSENT], 256);
	assert_int_equal(vm.overflow[OBSERVE_CLASS_PCI_ABSENT], 0);
	for (uint32_t bus = 0; bus < 256; bus++)
		assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_ABSENT, bus, 0, 0).data[0], 0xffffffff);
	/* Other functions are other facts, and none of them is known to be absent. */
	assert_false(has_fact(KVM_A, OBSERVE_PCI_ABSENT, 0, 1, 0));
}

static void zeros_of_the_extended_space_take_no_room(void **state)
{
	(void)state;
	rig_begin();
	pci_in(0, 0x00, 4, Q35);
	pci_out(0, 0x60, 4, ECAM | 1);
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	mmio_read(ecam(NIC, 0x100), 4, 0);
	mmio_read(ecam(NIC, 0x104), 4, 0);
	mmio_read(ecam(NIC, 0x108), 4, 7);
	/* What told something tells that it does not any more. */
	mmio_read(ecam(NIC, 0x108), 4, 0);
	assert_true(has_fact(KVM_A, OBSERVE_PCI, NIC, 0x100, 0));
	assert_false(has_fact(KVM_A, OBSERVE_PCI, NIC, 0x104, 0));
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x108, 0).changes, 1);
}

static void a_function_that_comes_and_goes_is_a_change(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0xffffffff);
	pci_in(NIC, 0x00, 2, 0x8086);
	assert_true(has_fact(KVM_A, OBSERVE_PCI_ABSENT, 0, 0, 0));
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0);
	assert_int_equal(v.known, 3);
	assert_int_equal(v.data[0], 0x8086);
	pci_in(NIC, 0x02, 2, 0x100e);
	pci_in(NIC, 0x00, 4, 0xffffffff);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0);
	assert_int_equal(v.changes, 1);
	assert_int_equal(v.data[0], 0xffffffff);
	assert_int_equal(news_of(OBSERVE_PCI), 3);
	pci_in(NIC, 0x00, 2, 0x8086);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0);
	assert_int_equal(v.changes, 2);
	assert_int_equal(v.known, 3);
	pci_in(NIC, 0x00, 4, 0xffffffff);
	assert_int_equal(news_of(OBSERVE_PCI), 2);
	/* Half a vendor id of a function that is not there is nothing new. */
	pci_in(NIC, 0x00, 1, 0xff);
	pci_in(NIC, 0x01, 1, 0xff);
	assert_int_equal(news(OBSERVE_NEWS_FACT), 0);
}

static void state_bits_are_no_identity(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	pci_in(NIC, 0x04, 2, 0x0103);
	assert_false(has_fact(KVM_A, OBSERVE_PCI, NIC, 4, 0));
	pci_in(NIC, 0x06, 2, 0x0230);
	pci_in(NIC, 0x04, 4, 0x00100007);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 4, 0);
	assert_int_equal(v.data[0], 1 << 20);
	assert_int_equal(v.known, 4);
	assert_int_equal(v.changes, 0);
	pci_in(NIC, 0x0c, 4, 0x00804010);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0xc, 0);
	assert_int_equal(v.data[0], 0x00800000);
	assert_int_equal(v.known, 4);
	pci_in(NIC, 0x3c, 1, 11);
	assert_false(has_fact(KVM_A, OBSERVE_PCI, NIC, 0x3c, 0));
	pci_in(NIC, 0x3c, 2, 0x010b);
	v = fact_of(KVM_A, OBSERVE_PCI, NIC, 0x3c, 0);
	assert_int_equal(v.data[0], 0x0100);
}

/* As SeaBIOS does it: read, write all ones, read, write back. */
static void size_bar(uint32_t bdf, uint32_t reg, uint32_t old, uint32_t answer, uint32_t ones)
{
	pci_in(bdf, reg, 4, old);
	pci_out(bdf, reg, 4, ones);
	pci_in(bdf, reg, 4, answer);
	pci_out(bdf, reg, 4, old);
}

static void bar_and_rom_sizes_are_kept(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	size_bar(NIC, 0x10, 0, 0xfffe0000, 0xffffffff);
	size_bar(NIC, 0x14, 1, 0xffffffc1, 0xffffffff);
	size_bar(NIC, 0x18, 0xc, 0xffffc00c, 0xffffffff);
	size_bar(NIC, 0x1c, 0, 0xffffffff, 0xffffffff);
	size_bar(NIC, 0x30, 0, 0xfffc0000, 0xfffff800);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).data[0], 0xfffe0000);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x14, 0).data[0], 0xffffffc1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x18, 0).data[0], 0xffffc00c);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x1c, 0).data[0], 0xffffffff);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x30, 0).data[0], 0xfffc0000);
	/* The kind of a BAR that was never written is known too, and sizing leaves no address behind. */
	assert_true(placed(NIC, 0x18, 0xc, &v));
	assert_int_equal(vm_of(KVM_A).facts[OBSERVE_CLASS_PCI_PLACED], 5);
	size_bar(NIC, 0x10, 0, 0xfffe0000, 0xffffffff);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).changes, 0);
	size_bar(NIC, 0x10, 0, 0xffff0000, 0xffffffff);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).changes, 1);
	/* What Linux writes to a ROM register. */
	size_bar(NIC, 0x30, 0, 0xfffc0000, 0xfffffffe);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x30, 0).changes, 0);
}

static void a_bar_that_moves_leaves_all_its_places(void **state)
{
	struct observe_value first, second;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	pci_in(NIC, 0x10, 4, 0x4);
	pci_out(NIC, 0x10, 4, 0xfe000000);
	/* The kind bits stay in the register: reading it back tells no other place. */
	assert_true(placed(NIC, 0x10, 0xfe000004, &first));
	pci_in(NIC, 0x10, 4, 0xfe000004);
	assert_false(placed(NIC, 0x10, 0xfe000000, &second));
	pci_out(NIC, 0x10, 4, 0xfd000000);
	pci_out(NIC, 0x10, 4, 0xfe000000);
	assert_true(placed(NIC, 0x10, 0xfd000004, &second));
	assert_true(placed(NIC, 0x10, 0xfe000004, &first));
	assert_true(first.changed_ns > second.changed_ns);
	assert_int_equal(first.changes, 0);
	/* Upper half of a 64-bit BAR: its low bits are address. */
	pci_out(NIC, 0x14, 4, 8);
	pci_out(NIC, 0x14, 4, 9);
	assert_true(placed(NIC, 0x14, 8, &first) && placed(NIC, 0x14, 9, &second));
	/* Where the kind is not known yet, both forms are one place. */
	pci_out(BDF(0, 5, 0), 0x10, 4, 0xc000);
	pci_in(BDF(0, 5, 0), 0x10, 4, 0xc001);
	assert_true(placed(BDF(0, 5, 0), 0x10, 0xc000, &first));
	assert_false(placed(BDF(0, 5, 0), 0x10, 0xc001, &first));
	/* A register that does not keep what was written says so when it is read. */
	pci_in(NIC, 0x20, 4, 0);
	pci_out(NIC, 0x20, 4, 0xf0000000);
	pci_in(NIC, 0x20, 4, 0);
	assert_true(placed(NIC, 0x20, 0, &first) && placed(NIC, 0x20, 0xf0000000, &second));
	assert_true(first.changed_ns > second.changed_ns);
}

static void bus_numbers_written_by_bytes_become_one_dword(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(BRIDGE, 0x00, 4, 0x000c1b36);
	pci_in(BRIDGE, 0x0a, 2, 0x0604); /* before the header type is read, as SeaBIOS does */
	pci_out(BRIDGE, 0x18, 1, 0);
	pci_out(BRIDGE, 0x19, 1, 2);
	pci_out(BRIDGE, 0x1a, 1, 3);
	pci_out(BRIDGE, 0x1b, 1, 0x40); /* latency timer */
	assert_true(placed(BRIDGE, 0x18, 0x00030200, &v));
	assert_int_equal(v.known, 7);
	pci_in(BRIDGE, 0x0e, 1, 1);
	pci_out(BRIDGE, 0x1c, 2, 0xc0c0);
	pci_in(BRIDGE, 0x1c, 4, 0x2000c1c1); /* secondary status above */
	assert_true(placed(BRIDGE, 0x1c, 0xc1c1, &v));
	pci_out(BRIDGE, 0x20, 4, 0xfeb0fea0);
	assert_true(placed(BRIDGE, 0x20, 0xfeb0fea0, &v));
	/* All ones in a window closes it, and is no sizing. */
	pci_out(BRIDGE, 0x28, 4, 0xffffffff);
	assert_true(placed(BRIDGE, 0x28, 0xffffffff, &v));
	size_bar(BRIDGE, 0x38, 0, 0xfffff800, 0xfffffffe);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, BRIDGE, 0x38, 0).data[0], 0xfffff800);
}

static void ecam_is_the_same_facts(void **state)
{
	struct observe_vm vm;

	(void)state;
	rig_begin();
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ECAM + (NIC << 12), 4));
	pci_in(0, 0x00, 2, Q35 & 0xffff);
	pci_in(0, 0x02, 2, Q35 >> 16);
	pci_out(0, 0x60, 4, 0);
	pci_out(0, 0x64, 4, 0);
	pci_out(0, 0x60, 4, ECAM | 1);
	vm = vm_of(KVM_A);
	assert_int_equal(vm.ecam_base, ECAM);
	assert_int_equal(vm.ecam_bytes, 256 << 20);
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	mmio_read(ecam(NIC, 0x10a), 2, 0x1234);
	mmio_read(ecam(BDF(1, 0, 0), 0), 2, 0xffff);
	mmio_read(ecam(NIC, 0x10), 4, 0);
	mmio_write(ecam(NIC, 0x10), 4, 0xffffffff);
	mmio_read(ecam(NIC, 0x10), 4, 0xfffff000);
	mmio_write(ecam(NIC, 0x10), 4, 0xfe001000);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).data[0], 0x100e8086);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x108, 0).known, 0xc);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_ABSENT, 1, 0, 0).data[0], 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).data[0], 0xfffff000);
	assert_true(has_fact(KVM_A, OBSERVE_PCI_PLACED, 0x10 << 16 | NIC, 0xfe001000, 0));
	/* Just behind the window: an ordinary page. */
	mmio_read(ECAM + (256 << 20), 4, 0);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ECAM + (256 << 20), 4));
	/* A window of 64 MiB elsewhere; then none. */
	pci_out(0, 0x60, 4, 0xe0000000 | 2 << 1 | 1);
	assert_int_equal(vm_of(KVM_A).ecam_bytes, 64 << 20);
	assert_int_equal(vm_of(KVM_A).ecam_base, 0xe0000000);
	pci_out(0, 0x60, 4, 0);
	assert_int_equal(vm_of(KVM_A).ecam_bytes, 0);
}

/* A guest that ran before abidrift: its PCIEXBAR was never seen, and its pages are known as pages by then. */
static void a_window_that_is_told_late_is_configuration_from_then_on(void **state)
{
	(void)state;
	rig_begin();
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	mmio_write(ecam(NIC, 0x10), 4, 0xffffffff);
	assert_false(has_fact(KVM_A, OBSERVE_PCI, NIC, 0, 0));
	ecam_told(vm_of(KVM_A).vm, ECAM, 64 << 20);
	mmio_read(ecam(NIC, 0), 4, 0x100e8086);
	mmio_write(ecam(NIC, 0x10), 4, 0xffffffff);
	mmio_read(ecam(NIC, 0x10), 4, 0xfffff000);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).data[0], 0x100e8086);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).data[0], 0xfffff000);
	mmio_read(ECAM + (64 << 20), 4, 0);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ECAM + (64 << 20), 4));
	/* It is of this guest alone. */
	rig_who(KVM_B, VCPU_B, 0);
	mmio_read(ecam(BRIDGE, 0), 4, 0x000c1b36);
	assert_false(has_fact(KVM_B, OBSERVE_PCI, BRIDGE, 0, 0));
	/* Taken back, it is pages again. */
	rig_who(KVM_A, VCPU_A, 0);
	ecam_told(vm_of(KVM_A).vm, 0, 0);
	mmio_read(ecam(BRIDGE, 0), 4, 0x000c1b36);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ecam(BRIDGE, 0), 4));
}

static void what_the_guest_programs_counts_before_what_is_told(void **state)
{
	(void)state;
	rig_begin();
	pci_in(0, 0x00, 4, Q35);
	ecam_told(vm_of(KVM_A).vm, 0xe0000000, 256 << 20);
	mmio_read(0xe0000000 + (NIC << 12), 4, 0x100e8086);
	assert_true(has_fact(KVM_A, OBSERVE_PCI, NIC, 0, 0));
	pci_out(0, 0x60, 4, ECAM | 1);
	mmio_read(ecam(BRIDGE, 0), 4, 0x000c1b36);
	mmio_read(0xe0000000 + (NIC << 12), 4, 7);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, BRIDGE, 0, 0).data[0], 0x000c1b36);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).changes, 0);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, 0xe0000000 + (NIC << 12), 4));
}

static void only_q35_has_its_window_there(void **state)
{
	(void)state;
	rig_begin();
	pci_out(0, 0x60, 4, ECAM | 1);
	assert_int_equal(vm_of(KVM_A).ecam_bytes, 0);
	pci_in(0, 0x00, 4, 0x12378086);
	pci_out(0, 0x60, 4, ECAM | 1);
	assert_int_equal(vm_of(KVM_A).ecam_bytes, 0);
}

static void a_bar_that_is_moved_for_ever_stops_being_news(void **state)
{
	struct observe_value v;
	size_t n;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	for (uint32_t i = 0; i < 1000; i++)
		pci_out(NIC, 0x10, 4, 0xfe000000 + (i % 2 << 20));
	n = news_of(OBSERVE_PCI_PLACED);
	assert_true(n >= 2 && n <= PLACED_SIGNALS + 2);
	assert_true(placed(NIC, 0x10, 0xfe100000, &v));
}

static void two_guests_have_a_latch_each(void **state)
{
	(void)state;
	rig_begin();
	out_port(0xcf8, 4, cf8(NIC, 0));
	rig_who(KVM_B, VCPU_B, 0);
	out_port(0xcf8, 4, cf8(BRIDGE, 0));
	rig_who(KVM_A, VCPU_A, 0);
	in_port(0xcfc, 4, 0x100e8086);
	rig_who(KVM_B, VCPU_B, 0);
	in_port(0xcfc, 4, 0x000c1b36);
	assert_true(has_fact(KVM_A, OBSERVE_PCI, NIC, 0, 0));
	assert_true(has_fact(KVM_B, OBSERVE_PCI, BRIDGE, 0, 0));
	assert_false(has_fact(KVM_A, OBSERVE_PCI, BRIDGE, 0, 0));
}

/* What a read left: how often it changed within this boot. */
static uint32_t changes_of(uint64_t kvm, uint32_t bdf, uint32_t reg)
{
	return fact_of(kvm, OBSERVE_PCI, bdf, reg, 0).changes;
}

/* Same again: reads that are known by heart. */
static void pci_in_often(uint32_t bdf, uint32_t reg, uint32_t width, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		pci_in(bdf, reg, width, value);
}

static void a_known_read_that_changes_is_seen(void **state)
{
	(void)state;
	rig_begin();
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	pci_in_often(NIC, 0x40, 4, 1);
	pci_in(NIC, 0x40, 4, 2);
	assert_int_equal(changes_of(KVM_A, NIC, 0x40), 1);
	pci_in(NIC, 0x40, 4, 1);
	assert_int_equal(changes_of(KVM_A, NIC, 0x40), 2);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x40, 0).data[0], 1);
	/* State, that changes without end and is told no more: it holds what was read last all the same. */
	for (uint32_t i = 0; i < 2 * OBSERVE_VOLATILE_CHANGES; i++)
		pci_in(NIC, 0x40, 4, i & 1);
	pci_in_often(NIC, 0x40, 4, 3);
	pci_in(NIC, 0x40, 4, 4);
	pci_in(NIC, 0x40, 4, 3);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x40, 0).data[0], 3);
	/* Another width of the same, and the bytes beside it. */
	pci_in_often(NIC, 0x50, 1, 7);
	pci_in(NIC, 0x50, 2, 0x0107);
	pci_in(NIC, 0x53, 1, 7);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x50, 0).data[0], 0x07000107);
	/* All ones, of a function that was there; of one that never was, and comes. */
	pci_in(NIC, 0x00, 4, 0xffffffff);
	assert_int_equal(changes_of(KVM_A, NIC, 0), 1);
	pci_in_often(BRIDGE, 0x00, 4, 0xffffffff);
	pci_in(BRIDGE, 0x00, 4, 0x000c1b36);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, BRIDGE, 0, 0).data[0], 0x000c1b36);
}

static void a_known_read_amid_sizing_is_a_size(void **state)
{
	struct observe_value first, second;

	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	pci_out(NIC, 0x10, 4, 0xfe000000);
	pci_in_often(NIC, 0x10, 4, 0xfe000000);
	pci_out(NIC, 0x10, 4, 0xffffffff);
	/* The very answer that was known as a place. */
	pci_in_often(NIC, 0x10, 4, 0xfe000000);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).data[0], 0xfe000000);
	pci_out(NIC, 0x10, 4, 0xfd000000);
	pci_in_often(NIC, 0x10, 4, 0xfd000000);
	/* It did not keep what was written: the old answer, read again, is its place again. */
	pci_out(NIC, 0x10, 4, 0xfc000000);
	pci_in(NIC, 0x10, 4, 0xfd000000);
	assert_true(placed(NIC, 0x10, 0xfc000000, &first) && placed(NIC, 0x10, 0xfd000000, &second));
	assert_true(second.changed_ns > first.changed_ns);
}

/* Until the header type is read, nothing tells that the register is a bridge's. */
static void a_known_read_means_more_once_it_is_a_bridges(void **state)
{
	struct observe_value v;

	(void)state;
	rig_begin();
	pci_in(BRIDGE, 0x00, 4, 0x000c1b36);
	pci_in_often(BRIDGE, 0x38, 4, 0xfeb00000);
	assert_false(placed(BRIDGE, 0x38, 0xfeb00000, &v));
	pci_in(BRIDGE, 0x0e, 1, 1);
	pci_in(BRIDGE, 0x38, 4, 0xfeb00000);
	assert_true(placed(BRIDGE, 0x38, 0xfeb00000, &v));
}

static void another_vcpu_shares_the_latch_and_what_is_known(void **state)
{
	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	pci_in(BRIDGE, 0x00, 4, 0x000c1b36);
	pci_in_often(NIC, 0x40, 4, 1);
	pci_in_often(BRIDGE, 0x40, 4, 5);
	/* The latch is moved by the other vCPU, and back: each read is of where it stands. */
	pci_in_often(NIC, 0x40, 4, 1);
	rig_who(KVM_A, VCPU_B, 1);
	out_port(0xcf8, 4, cf8(BRIDGE, 0x40));
	rig_who(KVM_A, VCPU_A, 0);
	in_port(0xcfc, 4, 6);
	assert_int_equal(changes_of(KVM_A, NIC, 0x40), 0);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, BRIDGE, 0x40, 0).data[0], 6);
	out_port(0xcf8, 4, cf8(NIC, 0x40));
	rig_who(KVM_A, VCPU_B, 1);
	in_port(0xcfc, 4, 1);
	in_port(0xcfc, 4, 1);
	in_port(0xcfc, 4, 9);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x40, 0).data[0], 9);
	assert_int_equal(changes_of(KVM_A, BRIDGE, 0x40), 1);
	/* What the other one changed is a change back for this one. */
	rig_who(KVM_A, VCPU_A, 0);
	pci_in(NIC, 0x40, 4, 1);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x40, 0).data[0], 1);
	/* Switched off by the other one, the data port is a port. */
	pci_in_often(NIC, 0x40, 4, 1);
	rig_who(KVM_A, VCPU_B, 1);
	out_port(0xcf8, 4, 0);
	rig_who(KVM_A, VCPU_A, 0);
	in_port(0xcfc, 4, 1);
	assert_true(has_fact(KVM_A, OBSERVE_PORT, 0xcfc, 0, 4));
}

static void what_one_guest_knows_is_none_of_anothers(void **state)
{
	(void)state;
	rig_begin();
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	rig_who(KVM_B, VCPU_B, 0);
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	assert_true(has_fact(KVM_B, OBSERVE_PCI, NIC, 0, 0));
	/* One after the other, the same way and not. */
	for (unsigned i = 0; i < 3; i++) {
		rig_who(KVM_A, VCPU_A, 0);
		pci_in(NIC, 0x00, 4, 0x100e8086);
		rig_who(KVM_B, VCPU_B, 0);
		pci_in(NIC, 0x00, 4, 0x100e8086);
	}
	pci_in(NIC, 0x00, 4, 0x10d38086);
	assert_int_equal(changes_of(KVM_A, NIC, 0), 0);
	assert_int_equal(changes_of(KVM_B, NIC, 0), 1);
	/* Another guest where one was that nobody took leave of: its vCPU and its VM have the same addresses. */
	pci_in_often(NIC, 0x00, 4, 0x10d38086);
	rig.skel->data->fake.tgid = TGID + 1;
	tsc_written(false, true);
	pci_in(NIC, 0x00, 4, 0x10d38086);
	assert_int_equal(fact_of(KVM_B, OBSERVE_PCI, NIC, 0, 0).changes, 0);
}

/* Two guests of which as much has come, though not the same. */
static void what_is_kept_names_its_guest(void **state)
{
	(void)state;
	rig_begin();
	pci_in(NIC, 0x00, 4, 0x100e8086);
	rig_who(KVM_B, VCPU_B, 0);
	pci_in(BRIDGE, 0x00, 4, 0x000c1b36);
	rig_who(KVM_A, VCPU_A, 0);
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	rig_who(KVM_B, VCPU_B, 0);
	pci_in(NIC, 0x00, 4, 0x100e8086);
	assert_true(has_fact(KVM_B, OBSERVE_PCI, NIC, 0, 0));
}

static void a_new_boot_knows_nothing_by_heart(void **state)
{
	(void)state;
	rig_begin();
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	pci_in(0, 0x00, 4, Q35);
	pci_out(0, 0x60, 4, ECAM | 1);
	for (unsigned i = 0; i < 3; i++)
		mmio_read(ecam(NIC, 0x40), 4, 1);
	tsc_written(true, true);
	assert_int_equal(vm_of(KVM_A).boot, 2);
	/* The latch is off after a reset, and the window gone. */
	in_port(0xcfc, 4, 0x100e8086);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).boot, 1);
	mmio_read(ecam(NIC, 0x40), 4, 1);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ecam(NIC, 0), 4));
	pci_in(NIC, 0x00, 4, 0x100e8086);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).boot, 2);
	/* A reset that is only suspected is confirmed by a read that was known by heart, too. */
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	out_port(0xcf9, 1, 6);
	rig.skel->data->fake.protected_mode = 0;
	pci_in(NIC, 0x00, 4, 0x100e8086);
	assert_int_equal(vm_of(KVM_A).boot, 3);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).boot, 3);
	/* The very next access after a reset is that read. */
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	tsc_written(true, true);
	pci_in(NIC, 0x00, 4, 0x100e8086);
	assert_int_equal(vm_of(KVM_A).boot, 4);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0, 0).boot, 4);
}

/* While one vCPU's reset is awaited, nothing is known by heart: each access of another may be the first after it. */
static void a_known_read_is_looked_at_while_a_reset_is_awaited(void **state)
{
	(void)state;
	rig_begin();
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	rig.skel->data->fake.protected_mode = 1;
	rig_who(KVM_A, VCPU_B, 1);
	out_port(0xcf9, 1, 6);
	rig_who(KVM_A, VCPU_A, 0);
	pci_in_often(NIC, 0x00, 4, 0x100e8086);
	assert_int_equal(vm_of(KVM_A).boot, 1);
	rig.skel->data->fake.protected_mode = 0;
	in_port(0xcfc, 4, 0x100e8086);
	assert_int_equal(vm_of(KVM_A).boot, 2);
}

static void known_by_ports_and_ecam_is_one(void **state)
{
	(void)state;
	rig_begin();
	pci_in(0, 0x00, 4, Q35);
	pci_out(0, 0x60, 4, ECAM | 1);
	pci_in(NIC, 0x00, 4, 0x100e8086);
	for (unsigned i = 0; i < 4; i++)
		mmio_read(ecam(NIC, 0x40), 4, 1);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	assert_int_equal(changes_of(KVM_A, NIC, 0x40), 1);
	pci_in_often(NIC, 0x40, 4, 2);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	pci_in(NIC, 0x40, 4, 3);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	assert_int_equal(changes_of(KVM_A, NIC, 0x40), 3);
	/* A BAR that is sized by ports is read through ECAM. */
	pci_out(NIC, 0x10, 4, 0xfe000000);
	for (unsigned i = 0; i < 4; i++)
		mmio_read(ecam(NIC, 0x10), 4, 0xfe000000);
	pci_out(NIC, 0x10, 4, 0xffffffff);
	mmio_read(ecam(NIC, 0x10), 4, 0xfe000000);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI_SIZE, NIC, 0x10, 0).data[0], 0xfe000000);
	/* The window moves away: what was a register there is a page. */
	mmio_read(ecam(NIC, 0x40), 4, 2);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	pci_out(0, 0x60, 4, 0xe0000000 | 1);
	mmio_read(ecam(NIC, 0x40), 4, 2);
	assert_true(has_fact(KVM_A, OBSERVE_MMIO, 0, ecam(NIC, 0), 4));
	mmio_read(0xe0000000 + (NIC << 12) + 0x40, 4, 9);
	assert_int_equal(fact_of(KVM_A, OBSERVE_PCI, NIC, 0x40, 0).data[0], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(bytes_join_whatever_the_width, rig_close),
		cmocka_unit_test_teardown(a_latch_that_is_off_is_a_port, rig_close),
		cmocka_unit_test_teardown(an_absent_function_has_no_registers, rig_close),
		cmocka_unit_test_teardown(nobody_on_256_buses_fits_the_quota, rig_close),
		cmocka_unit_test_teardown(zeros_of_the_extended_space_take_no_room, rig_close),
		cmocka_unit_test_teardown(a_function_that_comes_and_goes_is_a_change, rig_close),
		cmocka_unit_test_teardown(state_bits_are_no_identity, rig_close),
		cmocka_unit_test_teardown(bar_and_rom_sizes_are_kept, rig_close),
		cmocka_unit_test_teardown(a_bar_that_moves_leaves_all_its_places, rig_close),
		cmocka_unit_test_teardown(bus_numbers_written_by_bytes_become_one_dword, rig_close),
		cmocka_unit_test_teardown(ecam_is_the_same_facts, rig_close),
		cmocka_unit_test_teardown(a_window_that_is_told_late_is_configuration_from_then_on, rig_close),
		cmocka_unit_test_teardown(what_the_guest_programs_counts_before_what_is_told, rig_close),
		cmocka_unit_test_teardown(only_q35_has_its_window_there, rig_close),
		cmocka_unit_test_teardown(a_bar_that_is_moved_for_ever_stops_being_news, rig_close),
		cmocka_unit_test_teardown(two_guests_have_a_latch_each, rig_close),
		cmocka_unit_test_teardown(a_known_read_that_changes_is_seen, rig_close),
		cmocka_unit_test_teardown(a_known_read_amid_sizing_is_a_size, rig_close),
		cmocka_unit_test_teardown(a_known_read_means_more_once_it_is_a_bridges, rig_close),
		cmocka_unit_test_teardown(another_vcpu_shares_the_latch_and_what_is_known, rig_close),
		cmocka_unit_test_teardown(what_one_guest_knows_is_none_of_anothers, rig_close),
		cmocka_unit_test_teardown(what_is_kept_names_its_guest, rig_close),
		cmocka_unit_test_teardown(a_new_boot_knows_nothing_by_heart, rig_close),
		cmocka_unit_test_teardown(a_known_read_is_looked_at_while_a_reset_is_awaited, rig_close),
		cmocka_unit_test_teardown(known_by_ports_and_ecam_is_one, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
