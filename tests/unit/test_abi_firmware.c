// SPDX-License-Identifier: Apache-2.0
/* What a user would lose: another BIOS under the guest, unseen; or an option ROM's address taken for one. */
#include "tests/unit/areas.h"
#include "tests/unit/facts_feed.h"
#include "userspace/abi/facets_internal.h"

#define BIOS 0xfffc0000ull
#define NIC RECORDS_BDF(0, 3, 0)
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void rom(struct area_body *a, uint64_t gpa, uint64_t bytes, const char *version, size_t version_bytes)
{
	struct buffer b = BUFFER_INIT;
	struct record_rom r = { .bytes = bytes };

	for (unsigned i = 0; i < sizeof(r.sha256); i++)
		r.sha256[i] = (uint8_t)i;
	buffer_append(&b, &r, sizeof(r));
	buffer_append(&b, version, version_bytes);
	area_part(a, RECORD_PART_ROM, gpa, b.data, b.size);
	buffer_release(&b);
}

static void a_rom_has_size_digest_and_version(void **state)
{
	static const char version[] = "rel-1.16\x01<b>";
	struct area_body a = area_begin(RECORD_AREA_FIRMWARE);
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	rom(&a, BIOS, 0x40000, version, sizeof(version) - 1);
	rom(&a, 0xff000000, 0x1000, "", 0);
	area_end(&s, &a, true);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_FIRMWARE].level, COVERAGE_COMPLETE);
	assert_string_equal(value_of(&e, FACET_FIRMWARE, "rom/0x00000000fffc0000"), "size=0x40000 sha256=" HASH);
	assert_string_equal(value_of(&e, FACET_FIRMWARE, "rom/0x00000000fffc0000.version"), "rel-1.16\\x01<b>");
	assert_string_equal(value_of(&e, FACET_FIRMWARE, "rom/0x00000000ff000000"), "size=0x1000 sha256=" HASH);
	assert_null(value_of(&e, FACET_FIRMWARE, "rom/0x00000000ff000000.version"));
	assert_true(firmware_complete_key("rom/0x00000000fffc0000"));
	entries_release(&e);
	records_release(&s);
}

/* Wherever firmware puts it, and though it is there only while it is copied. */
static void an_option_rom_is_its_functions(void **state)
{
	for (int moved = 0; moved < 2; moved++) {
		uint32_t place = moved ? 0xfebc0001 : 0xfeb80001;
		struct area_body a = area_begin(RECORD_AREA_FIRMWARE);
		struct records s = RECORDS_INIT;
		struct abi_entries e;

		(void)state;
		records_boot(&s, OBSERVE_REASON_CREATED, true);
		records_pci(&s, NIC, 0x00, 0x100e8086, 0xf);
		records_pci(&s, NIC, 0x0c, 0, 0x4);
		records_pci_size(&s, NIC, 0x30, 0xfffc0000);
		records_pci_placed(&s, NIC, 0x30, place);
		records_pci_size(&s, NIC, 0x10, 0xffff0000);
		records_pci_placed(&s, NIC, 0x10, 0xfea00000);
		rom(&a, place & ~1u, 0x40000, "", 0);
		rom(&a, 0xfea00000, 0x10000, "", 0);
		area_end(&s, &a, true);
		e = derive_stream(&s);
		assert_int_equal(entries_of(&e, FACET_FIRMWARE), 2);
		assert_string_equal(value_of(&e, FACET_FIRMWARE, "rom/0000:00:03.0"), "size=0x40000 sha256=" HASH);
		assert_string_equal(value_of(&e, FACET_FIRMWARE, "rom/0000:00:03.0/bar0"), "size=0x10000 sha256=" HASH);
		assert_false(firmware_complete_key("rom/0000:00:03.0"));
		assert_false(firmware_complete_key("rom/0000:00:03.0/bar0"));
		entries_release(&e);
		records_release(&s);
	}
}

static void a_guest_that_ran_before_shows_no_option_rom_by_address(void **state)
{
	static const struct record_slot slots[] = {
		{ .gpa = 0, .bytes = 0xa0000 },
		{ .gpa = 0x100000, .bytes = 0x1ff00000 },
		{ .gpa = 0xfeb80000, .bytes = 0x40000, .flags = 2 },
		{ .gpa = BIOS, .bytes = 0x40000, .flags = 2 },
	};
	struct area_body a = area_begin(RECORD_AREA_FIRMWARE);
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_boot(&s, OBSERVE_REASON_FOUND, false);
	records_slots(&s, true, slots, 4);
	rom(&a, 0xfeb80000, 0x40000, "", 0);
	rom(&a, BIOS, 0x40000, "", 0);
	area_end(&s, &a, true);
	e = derive_stream(&s);
	assert_int_equal(entries_of(&e, FACET_FIRMWARE), 1);
	assert_non_null(value_of(&e, FACET_FIRMWARE, "rom/0x00000000fffc0000"));
	entries_release(&e);
	records_release(&s);
}

static void what_was_not_read_is_said(void **state)
{
	static const char reason[] = "2 of 64 pages are not resident";
	struct area_body a = area_begin(RECORD_AREA_FIRMWARE);
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_boot(&s, OBSERVE_REASON_CREATED, true);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_FIRMWARE].level, COVERAGE_NONE);
	entries_release(&e);
	area_part(&a, RECORD_PART_REASON, 0, reason, sizeof(reason) - 1);
	/* Shorter than its struct: not a ROM. */
	area_part(&a, RECORD_PART_ROM, BIOS, "x", 1);
	area_end(&s, &a, false);
	e = derive_stream(&s);
	assert_string_equal(e.coverage[FACET_FIRMWARE].reason, reason);
	assert_int_equal(entries_of(&e, FACET_FIRMWARE), 0);
	entries_release(&e);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rom_has_size_digest_and_version),
		cmocka_unit_test(an_option_rom_is_its_functions),
		cmocka_unit_test(a_guest_that_ran_before_shows_no_option_rom_by_address),
		cmocka_unit_test(what_was_not_read_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
