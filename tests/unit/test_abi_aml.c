// SPDX-License-Identifier: Apache-2.0
/* Definition blocks built byte by byte; how real ones are read is compared with ACPICA's disassembler in tests/live/test_aml.py. */
#include "tests/unit/facts_feed.h"
#include "userspace/abi/aml.h"
#include "userspace/base/buffer.h"

#define BYTES(b, ...) buffer_append(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Operator, four bytes of package length that end_block fills in, name. */
static size_t begin_block(struct buffer *b, const char *operator, const char *name)
{
	size_t at;

	buffer_string(b, operator);
	at = b->size;
	BYTES(b, 0, 0, 0, 0);
	buffer_string(b, name);
	return at;
}

static void end_block(struct buffer *b, size_t at)
{
	size_t length = b->size - at;

	b->data[at] = (char)(0xc0 | (length & 0xf));
	for (unsigned i = 1; i < 4; i++)
		b->data[at + i] = (char)(length >> (8 * i - 4));
}

#define DEVICE "\x5b\x82"
#define SCOPE "\x10"
#define METHOD "\x14"
#define UNKNOWN 0x5b, 0xfe

static void name_dword(struct buffer *b, const char *name, uint32_t value)
{
	buffer_string(b, "\x08");
	buffer_string(b, name);
	buffer_string(b, "\x0c");
	buffer_append(b, &value, 4);
}

static void name_buffer(struct buffer *b, const char *name, const uint8_t *bytes, uint8_t size)
{
	size_t at;

	buffer_string(b, "\x08");
	buffer_string(b, name);
	at = begin_block(b, "\x11", "");
	BYTES(b, 0x0a, size);
	buffer_append(b, bytes, size);
	end_block(b, at);
}

/* A q35's root with a bridge whose window, and a slot whose number, are given. */
static void build_root(struct buffer *b, uint32_t window, uint16_t port, const char *slot, uint32_t address)
{
	uint8_t crs[] = {
		0x47, 0x01, 0, 0, 0, 0, 0x01, 0x08,                                                /* fixed I/O port, filled in below */
		0x87, 0x17, 0x00, 0x00, 0x0c, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xbf, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, /* memory window */
		0x79, 0x00,
	};
	size_t scope = begin_block(b, SCOPE, "\\_SB_"), device = begin_block(b, DEVICE, "PCI0"), inner;

	memcpy(crs + 2, &port, 2);
	memcpy(crs + 4, &port, 2);
	memcpy(crs + 18, &window, 4);
	name_buffer(b, "_CRS", crs, sizeof(crs));
	name_dword(b, "_HID", 0x080ad041);
	BYTES(b, 0x08, '_', 'U', 'I', 'D', 0x01);
	inner = begin_block(b, DEVICE, slot);
	name_dword(b, "_ADR", address);
	end_block(b, inner);
	end_block(b, device);
	end_block(b, scope);
}

/* Reads a copy of exactly its size, so that a byte beyond is found by whoever looks (ASan, valgrind). */
static struct abi_entries read_block(const struct buffer *b, size_t size, size_t *ret_refused)
{
	struct abi_entries e = ABI_ENTRIES_INIT;
	uint8_t *copy = malloc(size ? size : 1);
	size_t refused = 0;

	assert_non_null(copy);
	assert_false(buffer_failed(b));
	memcpy(copy, b->data, size);
	assert_int_equal(aml_devices_add(copy, size, "DSDT", &e, &refused), 0);
	free(copy);
	entries_sort(&e);
	if (ret_refused)
		*ret_refused = refused;
	return e;
}

static const char *acpi(const struct abi_entries *e, const char *key)
{
	return value_of(e, FACET_ACPI, key);
}

static void a_root_bridge_and_its_slot_have_names(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct abi_entries e;
	size_t refused;

	(void)state;
	build_root(&b, 0x80000000, 0xcf8, "S18_", 0x30000);
	e = read_block(&b, b.size, &refused);
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0"), "Device");
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0._HID"), "PNP0A08");
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0._UID"), "1");
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0._CRS"), "io 0xcf8-0xcff");
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0.S18"), "Device");
	assert_string_equal(acpi(&e, "DSDT/_SB.PCI0.S18._ADR"), "0x00030000");
	assert_int_equal(e.count, 6);
	assert_int_equal(refused, 0);
	entries_release(&e);
	buffer_release(&b);
}

static void where_firmware_put_bars_is_no_drift_and_a_port_is(void **state)
{
	struct buffer a = BUFFER_INIT, b = BUFFER_INIT, c = BUFFER_INIT;
	struct abi_entries x, y;

	(void)state;
	build_root(&a, 0x80000000, 0xcf8, "S18_", 0x30000);
	build_root(&b, 0xc0000000, 0xcf8, "S18_", 0x30000);
	build_root(&c, 0x80000000, 0xcf0, "S18_", 0x30000);
	assert_memory_not_equal(a.data, b.data, a.size);
	x = read_block(&a, a.size, NULL);
	y = read_block(&b, b.size, NULL);
	assert_string_equal(acpi(&x, "DSDT/_SB.PCI0._CRS"), acpi(&y, "DSDT/_SB.PCI0._CRS"));
	entries_release(&y);
	y = read_block(&c, c.size, NULL);
	assert_string_not_equal(acpi(&x, "DSDT/_SB.PCI0._CRS"), acpi(&y, "DSDT/_SB.PCI0._CRS"));
	entries_release(&x);
	entries_release(&y);
	aml_blank((uint8_t *)a.data, a.size);
	aml_blank((uint8_t *)b.data, b.size);
	aml_blank((uint8_t *)c.data, c.size);
	assert_memory_equal(a.data, b.data, a.size);
	assert_memory_not_equal(a.data, c.data, a.size);
	buffer_release(&a);
	buffer_release(&b);
	buffer_release(&c);
}

static void addresses_that_firmware_patches_are_blanked_and_nothing_else(void **state)
{
	struct buffer a = BUFFER_INIT, b = BUFFER_INIT;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct buffer *t = i ? &b : &a;
		name_dword(t, "VGIA", i ? 0xffff000 : 0x7fff000);
		name_dword(t, "\\MEMA", i ? 0xffff000 : 0x7fff000);
		name_dword(t, "VGIB", 0x12345678);
	}
	aml_blank((uint8_t *)a.data, a.size);
	aml_blank((uint8_t *)b.data, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	assert_memory_equal(a.data + a.size - 4, "\x78\x56\x34\x12", 4);
	buffer_release(&a);
	buffer_release(&b);
}

static void a_method_that_only_returns_a_constant_is_that_constant(void **state)
{
	struct buffer b = BUFFER_INIT;
	size_t device = begin_block(&b, DEVICE, "DEVA"), at;
	struct abi_entries e;

	(void)state;
	at = begin_block(&b, METHOD, "_UID");
	BYTES(&b, 0, 0xa4, 0x0a, 7);
	end_block(&b, at);
	at = begin_block(&b, METHOD, "_STA");
	BYTES(&b, 0, 0x70, 0x01, 0x60, 0xa4, 0x60);
	end_block(&b, at);
	at = begin_block(&b, METHOD, "_SUN");
	BYTES(&b, 0, 0xa4, 0x01, 0xa3); /* something behind its Return */
	end_block(&b, at);
	at = begin_block(&b, METHOD, "_CRS");
	BYTES(&b, 0, 0xa4, 0x60);
	end_block(&b, at);
	end_block(&b, device);
	e = read_block(&b, b.size, NULL);
	assert_string_equal(acpi(&e, "DSDT/DEVA._UID"), "7");
	assert_string_equal(acpi(&e, "DSDT/DEVA._STA"), "method");
	assert_string_equal(acpi(&e, "DSDT/DEVA._SUN"), "method");
	assert_null(acpi(&e, "DSDT/DEVA._CRS"));
	entries_release(&e);
	buffer_release(&b);
}

static void a_name_means_what_the_namespace_says(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct abi_entries e;
	size_t refused, outer = begin_block(&b, SCOPE, "\\_SB_"), inner = begin_block(&b, DEVICE, "PCI0"), at;

	(void)state;
	at = begin_block(&b, SCOPE, "_SB_"); /* looked for outwards: the root's, not a new one */
	end_block(&b, begin_block(&b, DEVICE, "AAAA"));
	end_block(&b, at);
	end_block(&b, begin_block(&b, DEVICE, "^BBBB"));
	at = begin_block(&b, DEVICE, "\x2ePCI1CCCC");
	end_block(&b, at);
	at = begin_block(&b, DEVICE, "\\/\x03_SB_PCI0DDDD");
	end_block(&b, at);
	at = begin_block(&b, DEVICE, "^^^EEEE"); /* out of the root */
	end_block(&b, at);
	end_block(&b, inner);
	end_block(&b, outer);
	e = read_block(&b, b.size, &refused);
	assert_non_null(acpi(&e, "DSDT/_SB.AAAA"));
	assert_non_null(acpi(&e, "DSDT/_SB.BBBB"));
	assert_non_null(acpi(&e, "DSDT/_SB.PCI0.PCI1.CCCC"));
	assert_non_null(acpi(&e, "DSDT/_SB.PCI0.DDDD"));
	assert_int_equal(e.count, 5);
	assert_int_equal(refused, 1);
	entries_release(&e);
	buffer_release(&b);
}

static void what_cannot_be_read_costs_its_own_block_only(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct abi_entries e;
	size_t refused, at = begin_block(&b, DEVICE, "BADD");

	(void)state;
	name_dword(&b, "_UID", 1);
	BYTES(&b, UNKNOWN);
	name_dword(&b, "_ADR", 2);
	end_block(&b, at);
	at = begin_block(&b, DEVICE, "GOOD");
	name_dword(&b, "_UID", 3);
	end_block(&b, at);
	at = begin_block(&b, DEVICE, "1BAD"); /* no name */
	end_block(&b, at);
	end_block(&b, begin_block(&b, DEVICE, "LAST"));
	e = read_block(&b, b.size, &refused);
	assert_string_equal(acpi(&e, "DSDT/BADD._UID"), "1");
	assert_null(acpi(&e, "DSDT/BADD._ADR"));
	assert_string_equal(acpi(&e, "DSDT/GOOD._UID"), "3");
	assert_non_null(acpi(&e, "DSDT/LAST"));
	assert_int_equal(refused, 2);
	entries_release(&e);
	buffer_release(&b);
}

static void a_table_that_is_cut_anywhere_is_read_up_to_there(void **state)
{
	struct buffer b = BUFFER_INIT;
	size_t before = 0;

	(void)state;
	build_root(&b, 0x80000000, 0xcf8, "S18_", 0x30000);
	name_dword(&b, "VGIA", 5);
	end_block(&b, begin_block(&b, DEVICE, "LAST"));
	for (size_t size = 0; size <= b.size; size++) {
		uint8_t *copy = malloc(size ? size : 1);
		size_t refused;
		struct abi_entries e = read_block(&b, size, &refused);

		assert_true(e.count >= before);
		before = e.count;
		entries_release(&e);
		memcpy(copy, b.data, size);
		aml_blank(copy, size);
		free(copy);
	}
	assert_int_equal(before, 7);
	buffer_release(&b);
}

/* Segments in which the number n is written. */
static void numbered(char ret[5], unsigned n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOP";

	for (unsigned i = 0; i < 4; i++)
		ret[i] = digits[n >> (12 - 4 * i) & 0xf];
	ret[4] = '\0';
}

static void floods_are_bounded_and_told(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct abi_entries e;
	size_t refused, at[200];
	char name[5];

	(void)state;
	for (unsigned i = 0; i < AML_OBJECTS_MAX + 1000; i++) {
		numbered(name, i);
		end_block(&b, begin_block(&b, DEVICE, name));
	}
	e = read_block(&b, b.size, &refused);
	assert_int_equal(e.count, AML_OBJECTS_MAX);
	assert_int_equal(refused, 1000);
	entries_release(&e);
	buffer_clear(&b);
	for (unsigned i = 0; i < 200; i++) /* blocks in blocks */
		at[i] = begin_block(&b, DEVICE, "DEEP");
	for (unsigned i = 200; i > 0; i--)
		end_block(&b, at[i - 1]);
	end_block(&b, begin_block(&b, DEVICE, "LAST"));
	e = read_block(&b, b.size, &refused);
	assert_true(e.count <= AML_DEPTH_MAX + 1 && refused > 0);
	assert_non_null(acpi(&e, "DSDT/LAST"));
	entries_release(&e);
	buffer_clear(&b);
	for (unsigned i = 0; i < 100000; i++) /* terms in a term */
		BYTES(&b, 0x92);
	e = read_block(&b, b.size, &refused);
	assert_int_equal(refused, 1);
	entries_release(&e);
	buffer_release(&b);
}

static void a_string_is_bounded_and_escaped(void **state)
{
	struct buffer b = BUFFER_INIT;
	size_t at = begin_block(&b, DEVICE, "DEVA");
	struct abi_entries e;

	(void)state;
	BYTES(&b, 0x08, '_', 'U', 'I', 'D', 0x0d, 'a', '\n', 0x1b, 0xff, 0);
	BYTES(&b, 0x08, '_', 'D', 'D', 'N', 0x0d);
	for (unsigned i = 0; i < 1000; i++)
		BYTES(&b, 'x');
	BYTES(&b, 0);
	BYTES(&b, 0x08, '_', 'S', 'T', 'R', 0x11, 0x09, 0x0a, 6, 'O', 0, 0xac, 0x20, 0, 0);
	end_block(&b, at);
	e = read_block(&b, b.size, NULL);
	assert_string_equal(acpi(&e, "DSDT/DEVA._UID"), "a\\x0a\\x1b\\xff");
	assert_int_equal(strlen(acpi(&e, "DSDT/DEVA._DDN")), AML_VALUE_MAX);
	assert_string_equal(acpi(&e, "DSDT/DEVA._DDN") + AML_VALUE_MAX - 4, "x...");
	assert_string_equal(acpi(&e, "DSDT/DEVA._STR"), "O\\xe2\\x82\\xac");
	entries_release(&e);
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_bridge_and_its_slot_have_names),
		cmocka_unit_test(where_firmware_put_bars_is_no_drift_and_a_port_is),
		cmocka_unit_test(addresses_that_firmware_patches_are_blanked_and_nothing_else),
		cmocka_unit_test(a_method_that_only_returns_a_constant_is_that_constant),
		cmocka_unit_test(a_name_means_what_the_namespace_says),
		cmocka_unit_test(what_cannot_be_read_costs_its_own_block_only),
		cmocka_unit_test(a_table_that_is_cut_anywhere_is_read_up_to_there),
		cmocka_unit_test(floods_are_bounded_and_told),
		cmocka_unit_test(a_string_is_bounded_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
