// SPDX-License-Identifier: Apache-2.0
/* Slots as QEMU 7.2 sets them (info mtree -f under -accel kvm). */
#include "tests/unit/facts_feed.h"

#define VGA RECORDS_BDF(0, 2, 0)
#define ROM 2u
#define SLOTS(list) (list), sizeof(list) / sizeof((list)[0])

/* pc, 512 MiB, after POST */
static const struct record_slot pc[] = {
	{ .gpa = 0, .bytes = 0xa0000 },
	{ .gpa = 0xc0000, .bytes = 0xa000, .flags = ROM },
	{ .gpa = 0xca000, .bytes = 0x3000 },
	{ .gpa = 0xcd000, .bytes = 0x1b000, .flags = ROM },
	{ .gpa = 0xe8000, .bytes = 0x8000 },
	{ .gpa = 0xf0000, .bytes = 0x10000, .flags = ROM },
	{ .gpa = 0x100000, .bytes = 0x1ff00000 },
	{ .gpa = 0xfd000000, .bytes = 0x1000000 },
	{ .gpa = 0xfffc0000, .bytes = 0x40000, .flags = ROM },
};

/* The same with another option ROM, another numbering, another place in the VMM, and a migration under way. */
static const struct record_slot pc_other_roms[] = {
	{ .gpa = 0xfffc0000, .bytes = 0x40000, .flags = ROM | 1, .hva = 0x7000, .id = 3 },
	{ .gpa = 0, .bytes = 0x80000, .flags = 1, .hva = 0x1000, .id = 9 },
	{ .gpa = 0x80000, .bytes = 0x20000, .hva = 0x2000, .id = 8 },
	{ .gpa = 0xa0000, .bytes = 0x10000, .id = 7 },
	{ .gpa = 0xc0000, .bytes = 0x1ff40000, .id = 6 },
	{ .gpa = 0xfd000000, .bytes = 0x1000000, .flags = 1, .id = 5 },
};

/* q35, 4 GiB */
static const struct record_slot q35[] = {
	{ .gpa = 0, .bytes = 0xa0000 },
	{ .gpa = 0xc0000, .bytes = 0x7ff40000 },
	{ .gpa = 0xfd000000, .bytes = 0x1000000 },
	{ .gpa = 0xfffc0000, .bytes = 0x40000, .flags = ROM },
	{ .gpa = 0x100000000, .bytes = 0x80000000 },
};

static void vga_bar(struct records *s, uint32_t address)
{
	records_pci(s, VGA, 0x0c, 0, 0x4);
	records_pci_size(s, VGA, 0x10, 0xff000008);
	records_pci_placed(s, VGA, 0x10, address);
}

static struct abi_entries derive_slots(struct records *s, const struct record_slot *slots, size_t count)
{
	struct abi_entries e;

	records_slots(s, true, slots, (uint32_t)count);
	e = derive_stream(s);
	records_release(s);
	return e;
}

static void assert_same_facet(const struct abi_entries *a, const struct abi_entries *b, enum facet_id facet)
{
	assert_int_equal(entries_of(a, facet), entries_of(b, facet));
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].facet == facet) {
			assert_non_null(value_of(b, facet, a->items[i].key));
			assert_string_equal(value_of(b, facet, a->items[i].key), a->items[i].value);
		}
}

static void a_pc_has_its_ram_and_rom_and_no_bar(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	vga_bar(&s, 0xfd000008);
	e = derive_slots(&s, SLOTS(pc));
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x0000000000000000"), "size=0xa0000 ram");
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x00000000000c0000"), "size=0x40000");
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x0000000000100000"), "size=0x1ff00000 ram");
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x00000000fffc0000"), "size=0x40000 rom");
	assert_int_equal(entries_of(&e, FACET_MEMORY), 4);
	assert_string_equal(value_of(&e, FACET_PLACEMENT, "window/0xfd000000"), "size=0x1000000 ram");
	assert_int_equal(e.coverage[FACET_MEMORY].level, COVERAGE_COMPLETE);
	assert_string_equal(e.coverage[FACET_MEMORY].reason, "");
	entries_release(&e);
}

static void option_roms_slot_numbers_and_a_migration_are_no_drift(void **state)
{
	struct records a = RECORDS_INIT, b = RECORDS_INIT;
	struct abi_entries x, y;

	(void)state;
	records_boot(&a, OBSERVE_REASON_CREATED, true);
	vga_bar(&a, 0xfd000000);
	records_boot(&b, OBSERVE_REASON_CREATED, true);
	vga_bar(&b, 0xfd000000);
	x = derive_slots(&a, SLOTS(pc));
	y = derive_slots(&b, SLOTS(pc_other_roms));
	assert_same_facet(&x, &y, FACET_MEMORY);
	assert_same_facet(&x, &y, FACET_PLACEMENT);
	entries_release(&x);
	entries_release(&y);
}

static void a_guest_that_ran_before_has_the_same_memory_as_after_its_next_boot(void **state)
{
	struct records seen = RECORDS_INIT, found = RECORDS_INIT, part = RECORDS_INIT;
	struct abi_entries x, y, z;

	(void)state;
	records_boot(&seen, OBSERVE_REASON_CREATED, true);
	vga_bar(&seen, 0xfd000000);
	records_boot(&found, OBSERVE_REASON_FOUND, false);
	/* Another function's BAR was moved since; the VGA's was programmed before. */
	records_boot(&part, OBSERVE_REASON_FOUND, false);
	records_pci_size(&part, RECORDS_BDF(0, 3, 0), 0x10, 0xfffe0000);
	records_pci_placed(&part, RECORDS_BDF(0, 3, 0), 0x10, 0xfebc0000);
	x = derive_slots(&seen, SLOTS(q35));
	y = derive_slots(&found, SLOTS(q35));
	z = derive_slots(&part, SLOTS(q35));
	assert_same_facet(&x, &y, FACET_MEMORY);
	assert_same_facet(&x, &z, FACET_MEMORY);
	assert_int_equal(entries_of(&x, FACET_MEMORY), 5);
	assert_string_equal(value_of(&x, FACET_MEMORY, "0x0000000000100000"), "size=0x7ff00000 ram");
	assert_string_equal(value_of(&x, FACET_MEMORY, "0x0000000100000000"), "size=0x80000000 ram");
	assert_non_null(value_of(&y, FACET_PLACEMENT, "window/0xfd000000"));
	assert_int_equal(y.coverage[FACET_MEMORY].level, COVERAGE_COMPLETE);
	assert_non_null(strstr(y.coverage[FACET_MEMORY].reason, "taken for placement"));
	entries_release(&x);
	entries_release(&y);
	entries_release(&z);
}

static void a_bar_that_moved_is_no_drift_of_memory(void **state)
{
	struct record_slot moved[sizeof(pc) / sizeof(pc[0])];
	struct records a = RECORDS_INIT, b = RECORDS_INIT;
	struct abi_entries x, y;

	(void)state;
	memcpy(moved, pc, sizeof(pc));
	moved[7].gpa = 0xe1000000;
	records_boot(&a, OBSERVE_REASON_CREATED, true);
	vga_bar(&a, 0xfd000000);
	records_boot(&b, OBSERVE_REASON_CREATED, true);
	vga_bar(&b, 0xe1000000);
	x = derive_slots(&a, SLOTS(pc));
	y = derive_slots(&b, SLOTS(moved));
	assert_same_facet(&x, &y, FACET_MEMORY);
	assert_non_null(value_of(&y, FACET_PLACEMENT, "window/0xe1000000"));
	entries_release(&x);
	entries_release(&y);
}

static void a_micro_vmm_keeps_its_one_slot_whole(void **state)
{
	static const struct record_slot one[] = { { .bytes = 0x8000000 } };
	static const struct record_slot two[] = {
		{ .bytes = 0x1000 }, { .gpa = 0x1000, .bytes = 0x1000 }, { .gpa = 0x2000, .bytes = 0x1000, .flags = ROM },
	};
	struct records a = RECORDS_INIT, b = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	e = derive_slots(&a, SLOTS(one));
	assert_int_equal(entries_of(&e, FACET_MEMORY), 1);
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x0000000000000000"), "size=0x8000000 ram");
	entries_release(&e);
	e = derive_slots(&b, SLOTS(two));
	assert_int_equal(entries_of(&e, FACET_MEMORY), 2);
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x0000000000000000"), "size=0x2000 ram");
	assert_string_equal(value_of(&e, FACET_MEMORY, "0x0000000000002000"), "size=0x1000 rom");
	entries_release(&e);
}

/* A host so busy that firmware rests in its midst would drift otherwise. */
static void a_pc_before_its_firmware_is_a_pc_and_a_microvm_is_none(void **state)
{
	const struct record_slot early[] = { { .gpa = 0, .bytes = 0x20000000 }, { .gpa = 0xfffc0000, .bytes = 0x40000, .flags = ROM } };
	struct records s = RECORDS_INIT, late = RECORDS_INIT, micro = RECORDS_INIT;
	struct abi_entries a, b;

	(void)state;
	records_vm(&s, "kind", "qemu", "arg", "qemu", "arg", "-M", "arg", "pc-i440fx-7.2", NULL);
	a = derive_slots(&s, early, 2);
	records_vm(&late, "kind", "qemu", "arg", "qemu", "arg", "-M", "arg", "pc-i440fx-7.2", NULL);
	vga_bar(&late, 0xfd000000);
	b = derive_slots(&late, pc_other_roms, sizeof(pc_other_roms) / sizeof(*pc_other_roms));
	assert_same_facet(&a, &b, FACET_MEMORY);
	entries_release(&a);
	entries_release(&b);
	records_vm(&micro, "kind", "qemu", "arg", "qemu", "arg", "-machine", "arg", "accel=kvm,type=microvm", NULL);
	a = derive_slots(&micro, early, 1);
	assert_string_equal(value_of(&a, FACET_MEMORY, "0x0000000000000000"), "size=0x20000000 ram");
	entries_release(&a);
}

static void a_list_that_is_not_whole_is_not_called_complete(void **state)
{
	static const struct record_slot wild[] = { { .gpa = UINT64_MAX - 0xfff, .bytes = 0x2000 }, { .gpa = 5, .bytes = 0 } };
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_MEMORY].level, COVERAGE_NONE);
	entries_release(&e);
	records_slots(&s, false, wild, 2);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_MEMORY].level, COVERAGE_WITNESSED);
	assert_int_equal(entries_of(&e, FACET_MEMORY), 0);
	entries_release(&e);
	records_release(&s);
}

/* The analyst judges facets as each settles: what it derives of some must be what it will derive of all. */
static void a_facet_alone_is_what_it_is_among_all(void **state)
{
	struct records s = RECORDS_INIT;
	struct guest_facts *f;
	struct abi_entries all;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	records_pci(&s, VGA, 0x00, 0x11111234, 0xf);
	vga_bar(&s, 0xfd000008);
	records_slots(&s, true, SLOTS(pc));
	f = feed(&s);
	all = derive(f);
	assert_non_null(value_of(&all, FACET_PLACEMENT, "window/0xfd000000"));
	assert_non_null(value_of(&all, FACET_PLACEMENT, "0000:00:02.0/bar0"));
	for (int id = 0; id < FACETS; id++) {
		struct abi_entries one = ABI_ENTRIES_INIT;

		assert_int_equal(abi_derive_of(f, 1u << id, &one), 0);
		assert_same_facet(&all, &one, (enum facet_id)id);
		assert_int_equal(one.count, entries_of(&all, (enum facet_id)id));
		assert_int_equal(one.coverage[id].level, all.coverage[id].level);
		assert_string_equal(one.coverage[id].reason, all.coverage[id].reason);
		assert_int_equal(one.coverage[(id + 1) % FACETS].level, COVERAGE_NONE);
		entries_release(&one);
	}
	entries_release(&all);
	facts_free(f);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pc_has_its_ram_and_rom_and_no_bar),
		cmocka_unit_test(option_roms_slot_numbers_and_a_migration_are_no_drift),
		cmocka_unit_test(a_guest_that_ran_before_has_the_same_memory_as_after_its_next_boot),
		cmocka_unit_test(a_bar_that_moved_is_no_drift_of_memory),
		cmocka_unit_test(a_micro_vmm_keeps_its_one_slot_whole),
		cmocka_unit_test(a_pc_before_its_firmware_is_a_pc_and_a_microvm_is_none),
		cmocka_unit_test(a_list_that_is_not_whole_is_not_called_complete),
		cmocka_unit_test(a_facet_alone_is_what_it_is_among_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
