// SPDX-License-Identifier: Apache-2.0
/* Tables as firmware makes them, and as a guest could. That every name and number is the right one is dmidecode's to say: tests/live/test_smbios.py. */
#include "tests/unit/smbios_feed.h"

static const uint8_t machine[] = {
	1, 2, 3, 4, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 6, 0, 5,
};
#define MACHINE_STRINGS "QEMU\0Standard PC\0pc-7.2\0S-1\0F\0"
#define MACHINE_UUID "00112233-4455-6677-8899-aabbccddeeff"

static void assert_value(const struct abi_entries *e, enum facet_id facet, const char *key, const char *value)
{
	const char *is = value_of(e, facet, key);

	if (!is || !value)
		assert_ptr_equal(is, value);
	else
		assert_string_equal(is, value);
}

static const char *meaning(struct buffer *b, const char *key, const char *value)
{
	buffer_clear(b);
	facet_get(FACET_SMBIOS)->meaning(key, value, b);
	return b->size ? b->data : "";
}

static void fields_and_strings_have_names_and_one_guests_own_are_apart(void **state)
{
	struct smbios_feed f = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	smbios_put(&f, 1, 0x100, machine, sizeof(machine), MACHINE_STRINGS);
	smbios_put(&f, 11, 0xe00, "\2", 1, "first\0second\0");
	smbios_put(&f, 127, 0x7f00, NULL, 0, NULL);
	e = smbios_derive_feed(&f);
	assert_value(&e, FACET_SMBIOS, "entry_point", "SMBIOS 2.8 32-bit");
	assert_value(&e, FACET_SMBIOS, "type1.0/handle", "0x0100");
	assert_value(&e, FACET_SMBIOS, "type1.0/manufacturer", "QEMU");
	assert_value(&e, FACET_SMBIOS, "type1.0/version", "pc-7.2");
	assert_value(&e, FACET_SMBIOS, "type1.0/wake_up_type", "0x06");
	assert_value(&e, FACET_SMBIOS, "type1.0/sku", NULL);
	assert_value(&e, FACET_SMBIOS, "type1.0/serial", NULL);
	assert_value(&e, FACET_SMBIOS, "type1.0/uuid", NULL);
	assert_value(&e, FACET_SMBIOS, "type11.0/strings", "2");
	assert_value(&e, FACET_SMBIOS, "type127.0/handle", "0x7f00");
	assert_value(&e, FACET_IDENTITY, "type1.0/serial", "S-1");
	assert_value(&e, FACET_IDENTITY, "type1.0/uuid", MACHINE_UUID);
	assert_value(&e, FACET_IDENTITY, "type11.0/string.1", "first");
	assert_value(&e, FACET_IDENTITY, "type11.0/string.2", "second");
	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_COMPLETE);
	assert_string_equal(e.coverage[FACET_SMBIOS].reason, "");
	entries_release(&e);
}

/* A change that has no name yet would be no drift otherwise. */
static void nothing_that_a_guest_can_read_is_left_out(void **state)
{
	static const uint8_t longer[] = { 1, 0, 0, 0xe8, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0xab };
	static const uint8_t elements[] = { 0, 1, 0, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 2, 3, 1, 2, 3, 0x8a, 0, 1, 1 };
	static const uint8_t cut[] = { 0, 1, 0, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 2, 3, 1, 2, 3, 0x8a };
	struct smbios_feed f = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	smbios_put(&f, 0, 0, longer, sizeof(longer), "V\0D\0nobody's\0");
	smbios_put(&f, 3, 0x300, elements, sizeof(elements), "sku\0");
	smbios_put(&f, 3, 0x301, cut, sizeof(cut), "sku\0");
	smbios_put(&f, 130, 0x8200, "\1\2\3", 3, "vendor's own\0");
	smbios_put(&f, 130, 0x8201, "\1\2\4", 3, "vendor's own\0");
	smbios_put(&f, 8, 0x800, "\5\1\0\0\0", 5, "one\0");
	e = smbios_derive_feed(&f);
	assert_value(&e, FACET_SMBIOS, "type0.0/vendor", "V");
	assert_value(&e, FACET_SMBIOS, "type0.0/version", NULL);
	assert_value(&e, FACET_SMBIOS, "type0.0/string.3", "nobody's");
	assert_value(&e, FACET_SMBIOS, "type0.0/more", "size=1 sha256=087d80f7f182dd44f184aa86ca34488853ebcc04f0c60d5294919a466b463831");
	assert_value(&e, FACET_SMBIOS, "type3.0/contained_element.0", "010203");
	assert_value(&e, FACET_SMBIOS, "type3.0/contained_element.1", "8a0001");
	assert_value(&e, FACET_SMBIOS, "type3.0/sku", "sku");
	assert_value(&e, FACET_SMBIOS, "type3.1/contained_element.0", "010203");
	assert_value(&e, FACET_SMBIOS, "type3.1/contained_element.1", NULL);
	assert_value(&e, FACET_SMBIOS, "type3.1/sku", NULL);
	assert_value(&e, FACET_SMBIOS, "type3.1/string.1", "sku");
	assert_non_null(value_of(&e, FACET_SMBIOS, "type3.1/more"));
	assert_memory_equal(value_of(&e, FACET_SMBIOS, "type130.0/body"), "size=17 sha256=", 15);
	assert_string_not_equal(value_of(&e, FACET_SMBIOS, "type130.0/body"), value_of(&e, FACET_SMBIOS, "type130.1/body"));
	/* Names a string that there is none of. */
	assert_value(&e, FACET_SMBIOS, "type8.0/internal_designator.number", "5");
	assert_value(&e, FACET_SMBIOS, "type8.0/string.1", "one");
	entries_release(&e);
}

static void uuids_of_old_tables_are_in_the_order_of_their_bytes(void **state)
{
	struct smbios_feed f = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	f.minor = 4;
	smbios_put(&f, 1, 0x100, machine, sizeof(machine), MACHINE_STRINGS);
	e = smbios_derive_feed(&f);
	assert_value(&e, FACET_IDENTITY, "type1.0/uuid", "33221100-5544-7766-8899-aabbccddeeff");
	entries_release(&e);
}

static void older_structures_are_shorter_and_have_fewer_lines(void **state)
{
	struct smbios_feed f = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	smbios_put(&f, 1, 0x100, machine, 4, MACHINE_STRINGS);
	e = smbios_derive_feed(&f);
	assert_value(&e, FACET_IDENTITY, "type1.0/serial", "S-1");
	assert_value(&e, FACET_IDENTITY, "type1.0/uuid", NULL);
	assert_value(&e, FACET_SMBIOS, "type1.0/wake_up_type", NULL);
	assert_value(&e, FACET_SMBIOS, "type1.0/string.5", "F");
	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_COMPLETE);
	entries_release(&e);
}

/* The 64-bit form ends at its first structure of type 127, the 32-bit one by its count, as its readers take it. */
static void a_table_ends_where_its_form_says(void **state)
{
	struct smbios_feed wide = SMBIOS_FEED_INIT, narrow = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	wide.wide = true;
	wide.major = 3;
	wide.minor = 0;
	wide.told_more = 5000;
	for (int i = 0; i < 2; i++) {
		struct smbios_feed *f = i ? &narrow : &wide;

		smbios_put(f, 127, 0x7f00, NULL, 0, NULL);
		smbios_put(f, 127, 0x7f01, NULL, 0, NULL);
		smbios_put(f, 32, 0x2000, "\0\0\0\0\0\0\0", 7, NULL);
	}
	buffer_append(&narrow.table, "\1\2\3\4\5", 5);
	e = smbios_derive_feed(&wide);
	assert_value(&e, FACET_SMBIOS, "entry_point", "SMBIOS 3.0.0 64-bit");
	assert_int_equal(entries_of(&e, FACET_SMBIOS), 2);
	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_COMPLETE);
	entries_release(&e);
	e = smbios_derive_feed(&narrow);
	assert_value(&e, FACET_SMBIOS, "type127.1/handle", "0x7f01");
	assert_value(&e, FACET_SMBIOS, "type32.0/status", "0x00");
	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_COMPLETE);
	entries_release(&e);
}

static void assert_damaged(struct smbios_feed *f, const char *reason, const char *kept, const char *lost)
{
	struct abi_entries e = smbios_derive_feed(f);

	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_WITNESSED);
	assert_string_equal(e.coverage[FACET_SMBIOS].reason, reason);
	if (kept)
		assert_non_null(value_of(&e, FACET_SMBIOS, kept));
	assert_null(value_of(&e, FACET_SMBIOS, lost));
	entries_release(&e);
}

/* What is cut is not told: half a string would be drift. */
static void a_damaged_table_is_witnessed_and_says_why(void **state)
{
	struct smbios_feed shorter = SMBIOS_FEED_INIT, cut = SMBIOS_FEED_INIT, open = SMBIOS_FEED_INIT, few = SMBIOS_FEED_INIT, torn = SMBIOS_FEED_INIT;
	struct smbios_feed beyond = SMBIOS_FEED_INIT, *all[] = { &shorter, &cut, &open, &few, &torn, &beyond };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		smbios_put(all[i], 1, 0x100, machine, sizeof(machine), MACHINE_STRINGS);
	buffer_append(&shorter.table, "\x20\3\0\x20\0\0\0\0", 8);
	shorter.count++;
	assert_damaged(&shorter, "a structure is shorter than its own header", "type1.0/handle", "type32.0/handle");
	buffer_append(&cut.table, "\x20\x0b\0\x20\0\0", 6);
	cut.count++;
	assert_damaged(&cut, "the table ends within a structure", "type1.0/handle", "type32.0/handle");
	buffer_append(&open.table, "\x0b\5\0\x0e\1half", 9);
	open.count++;
	assert_damaged(&open, "the table ends within a structure", "type1.0/handle", "type11.0/handle");
	few.count += 3;
	assert_damaged(&few, "the table ends before its last structure", "type1.0/handle", "type1.1/handle");
	torn.torn = true;
	assert_damaged(&torn, "a page was not there", "type1.0/handle", "type1.1/handle");
	beyond.wide = true;
	beyond.told_more = 100;
	assert_damaged(&beyond, "the table ends before its last structure", "type1.0/handle", "type1.1/handle");
}

/* Its fingerprint has to stay of a size that one can keep. */
static void ten_thousand_structures_and_strings_without_end_are_bounded(void **state)
{
	struct smbios_feed many = SMBIOS_FEED_INIT, other = SMBIOS_FEED_INIT, endless = SMBIOS_FEED_INIT;
	char *text = calloc(1, 65001);
	struct abi_entries e, x;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 65000 - 1);
	for (int i = 0; i < 10000; i++) {
		smbios_put(&many, 8, (uint16_t)i, "\0\0\0\0\0", 5, NULL);
		smbios_put(&other, 8, (uint16_t)i, i < 9999 ? "\0\0\0\0\0" : "\0\0\0\0\1", 5, NULL);
	}
	many.wide = other.wide = true;
	e = smbios_derive_feed(&many);
	x = smbios_derive_feed(&other);
	assert_in_range(entries_of(&e, FACET_SMBIOS), 4096, 4 * 4096 + 2);
	assert_memory_equal(value_of(&e, FACET_SMBIOS, "rest"), "structures=5904 size=64944 sha256=", 33);
	assert_string_not_equal(value_of(&e, FACET_SMBIOS, "rest"), value_of(&x, FACET_SMBIOS, "rest"));
	entries_release(&e);
	entries_release(&x);
	smbios_put(&endless, 1, 0x100, "\1\1\1\1", 4, text);
	e = smbios_derive_feed(&endless);
	assert_memory_equal(value_of(&e, FACET_SMBIOS, "type1.0/version"), "size=64999 sha256=", 18);
	assert_memory_equal(value_of(&e, FACET_IDENTITY, "type1.0/serial"), "size=64999 sha256=", 18);
	entries_release(&e);
	free(text);
}

static void a_secret_that_a_guest_is_handed_is_not_kept(void **state)
{
	struct smbios_feed f = SMBIOS_FEED_INIT;
	struct abi_entries e;

	(void)state;
	smbios_put(&f, 11, 0xe00, "\1", 1, "io.systemd.credential:passwd.hashed-password.root=hunter2\0");
	e = smbios_derive_feed(&f);
	assert_string_equal(value_of(&e, FACET_IDENTITY, "type11.0/string.1"), "io.systemd.credential:passwd.hashed-password.root=<removed>");
	entries_release(&e);
}

static void no_table_is_none_and_says_why(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	(void)state;
	records_vm(&s, "kind", "qemu", "arg", "qemu", NULL);
	e = derive_stream(&s);
	assert_int_equal(e.coverage[FACET_SMBIOS].level, COVERAGE_NONE);
	assert_int_equal(entries_of(&e, FACET_SMBIOS), 0);
	entries_release(&e);
	records_release(&s);
}

static void values_are_told_in_words(void **state)
{
	struct buffer b = BUFFER_INIT;

	(void)state;
	assert_string_equal(meaning(&b, "type1.0/wake_up_type", "0x06"), "Power Switch");
	assert_string_equal(meaning(&b, "type3.0/chassis_type", "0x91"), "Main Server Chassis, lock");
	assert_string_equal(meaning(&b, "type17.3/size", "0x0400"), "1 GB");
	assert_string_equal(meaning(&b, "type4.0/processor_type", "0x03"), "Central Processor");
	assert_string_equal(meaning(&b, "type0.0/characteristics_2", "0x1c"), "Targeted content distribution is supported, UEFI is supported, System is a virtual machine");
	assert_string_equal(meaning(&b, "type1.0/manufacturer", "0x06"), "");
	assert_string_equal(meaning(&b, "type1.0/wake_up_type", "0xff"), "");
	assert_string_equal(meaning(&b, "type999.0/x", "1"), "");
	assert_string_equal(meaning(&b, "entry_point", "SMBIOS 2.8 32-bit"), "");
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_and_strings_have_names_and_one_guests_own_are_apart),
		cmocka_unit_test(nothing_that_a_guest_can_read_is_left_out),
		cmocka_unit_test(uuids_of_old_tables_are_in_the_order_of_their_bytes),
		cmocka_unit_test(older_structures_are_shorter_and_have_fewer_lines),
		cmocka_unit_test(a_table_ends_where_its_form_says),
		cmocka_unit_test(a_damaged_table_is_witnessed_and_says_why),
		cmocka_unit_test(ten_thousand_structures_and_strings_without_end_are_bounded),
		cmocka_unit_test(a_secret_that_a_guest_is_handed_is_not_kept),
		cmocka_unit_test(no_table_is_none_and_says_why),
		cmocka_unit_test(values_are_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
