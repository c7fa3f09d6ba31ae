/* SPDX-License-Identifier: Apache-2.0 */
/* Facets as people read them: nothing of a fingerprint may be missing from what `show` prints, and a hand-written file harms nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/abi/facet.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/buffer.h"

static void present(enum facet_id facet, const struct facet_line *lines, size_t count, const char *expected)
{
	struct buffer out = BUFFER_INIT;

	assert_non_null(facet_get(facet)->present);
	facet_get(facet)->present(lines, count, &out);
	assert_string_equal(out.data ? out.data : "", expected);
	buffer_release(&out);
}

static void memory_is_a_map(void **state)
{
	static const struct facet_line lines[] = {
		{ "0x0000000000000000", "size=0xa0000 ram", "" },
		{ "0x00000000000c0000", "size=0x40000", "" },
		{ "0x00000000fffc0000", "size=0x40000 rom", "" },
	};

	(void)state;
	present(FACET_MEMORY, lines, 3,
		"  0x0000000000000000-0x000000000009ffff     640 KiB  ram\n"
		"  0x00000000000c0000-0x00000000000fffff     256 KiB  RAM and ROM, as firmware and option ROMs cut it\n"
		"  0x00000000fffc0000-0x00000000ffffffff     256 KiB  rom\n");
}

static void cpuid_names_vendor_brand_and_what_one_vcpu_alone_has(void **state)
{
	static const struct facet_line lines[] = {
		{ "0x00000000.0.eax", "0x0000000d", "" }, { "0x00000000.0.ebx", "0x68747541", "" },
		{ "0x00000000.0.ecx", "0x444d4163", "" }, { "0x00000000.0.edx", "0x69746e65", "" },
		{ "0x00000001.0.eax", "0x00060fb1", "family=15" }, { "0x00000001.0.ebx", "0x00000000", "" },
		{ "0x00000001.0.ebx/vcpu.1", "0x00000000", "" }, { "0x00000001.0.ecx", "0x00000001", "pni" },
		{ "0x80000002.0.eax", "0x554d4551", "" }, { "0x80000003.0.eax", "0x00000058", "" },
	};

	(void)state;
	present(FACET_CPUID, lines, sizeof(lines) / sizeof(lines[0]),
		"  0x00000000  AuthenticAMD, leaves to 0x0000000d\n"
		"  0x00000001.0  processor and features\n"
		"    eax 0x00060fb1      family=15\n"
		"    ebx/vcpu.1 0x00000000\n"
		"    ecx 0x00000001      pni\n"
		"  0x80000002  brand: QEMUX\n");
}

static void pci_is_a_tree(void **state)
{
	static const struct facet_line lines[] = {
		{ "0000:00:04.0/00.0/bar1", "mem32 size=0x1000", "" }, { "0000:00:04.0/00.0/class", "00ff00", "Unclassified device" },
		{ "0000:00:04.0/00.0/id", "1af4:1044", "Virtio RNG" }, { "0000:00:04.0/cap.11@0x48", "present", "MSI-X" },
		{ "0000:00:04.0/cap.11@0x48.vectors", "3", "MSI-X" }, { "0000:00:04.0/class", "060400", "PCI bridge" },
		{ "0000:00:04.0/id", "1b36:000c", "Root port" }, { "0000:00:05.0/id", "absent", "no function answers here" },
	};

	(void)state;
	present(FACET_PCI, lines, sizeof(lines) / sizeof(lines[0]),
		"  0000:00:04.0  PCI bridge: Root port [1b36:000c]\n"
		"      cap.11@0x48  MSI-X, vectors: 3\n"
		"    00.0  Unclassified device: Virtio RNG [1af4:1044]\n"
		"        bar1: mem32 4 KiB\n"
		"  0000:00:05.0  absent\n");
}

static void acpi_is_told_table_by_table_and_device_by_device(void **state)
{
	static const struct facet_line lines[] = {
		{ "DSDT/_SB.PCI0", "Device", "" }, { "DSDT/_SB.PCI0.S18", "Device", "" }, { "DSDT/_SB.PCI0.S18._ADR", "0x00030000", "" },
		{ "DSDT/_SB.PCI0._HID", "PNP0A08", "" }, { "DSDT/_SB.PCI0._UID", "0", "" }, { "DSDT/body", "sha256:00", "" },
		{ "DSDT/revision", "1", "Differentiated System Description Table" }, { "SSDT.0/_SB.PCI0._UID", "1", "" },
		{ "WAET/flags", "0x00000002", "rtc good" },
	};

	(void)state;
	present(FACET_ACPI, lines, sizeof(lines) / sizeof(lines[0]),
		"  DSDT  Differentiated System Description Table, revision 1\n"
		"    body  sha256:00\n"
		"    _SB.PCI0  Device, _HID PNP0A08, _UID 0\n"
		"    _SB.PCI0.S18  Device, _ADR 0x00030000\n"
		"  SSDT.0\n"
		"    _SB.PCI0._UID  1\n"
		"  WAET\n"
		"    flags  0x00000002  (rtc good)\n");
}

static void smbios_is_told_in_the_order_of_its_types(void **state)
{
	static const struct facet_line lines[] = {
		{ "entry_point", "SMBIOS 2.8 32-bit", "" }, { "type1.0/product", "Standard PC", "" },
		{ "type17.0/form_factor", "0x09", "DIMM" }, { "type17.10/size", "1", "" }, { "type17.2/size", "1", "" }, { "type4.0/x", "1", "" },
	};

	(void)state;
	present(FACET_SMBIOS, lines, sizeof(lines) / sizeof(lines[0]),
		"  entry_point  SMBIOS 2.8 32-bit\n"
		"  type1.0  System Information\n"
		"    product  Standard PC\n"
		"  type4.0  Processor Information\n"
		"    x  1\n"
		"  type17.0  Memory Device\n"
		"    form_factor  0x09  (DIMM)\n"
		"  type17.2  Memory Device\n"
		"    size  1\n"
		"  type17.10  Memory Device\n"
		"    size  1\n");
}

static void expect_group(enum facet_id facet, const struct facet_line *lines, size_t count, const char *group, const char *title)
{
	struct buffer name = BUFFER_INIT;

	for (size_t i = 0; i < count; i++) {
		struct buffer id = BUFFER_INIT;

		facet_get(facet)->group(lines[i].key, &id);
		assert_string_equal(id.data ? id.data : "", group);
		buffer_release(&id);
	}
	if (facet_get(facet)->title && *group)
		facet_get(facet)->title(lines, count, &name);
	assert_string_equal(name.data ? name.data : "", title);
	buffer_release(&name);
}

static void what_people_see_as_one_has_one_id_and_a_name(void **state)
{
	static const struct facet_line vendor[] = { { "0x00000000.0.eax", "0x0000000d", "" }, { "0x00000000.0.ebx", "0x68747541", "" },
						    { "0x00000000.0.ecx", "0x444d4163", "" }, { "0x00000000.0.edx", "0x69746e65", "" } };
	static const struct facet_line leaf[] = { { "0x0000000b.1.eax", "0x0", "" }, { "0x0000000b.1.edx/vcpu.3", "0x3", "" } };
	static const struct facet_line brand[] = { { "0x80000002.0.eax", "0x554d4551", "" }, { "0x80000003.0.eax", "0x00000058", "" } };
	static const struct facet_line unknown[] = { { "0xc0000001.0.eax", "0x0", "" } };
	static const struct facet_line function[] = { { "0000:00:04.0/00.0/class", "00ff00", "Unclassified device" },
						      { "0000:00:04.0/00.0/id", "1af4:1044", "Virtio RNG" },
						      { "0000:00:04.0/00.0/revision", "01", "" } };
	static const struct facet_line table[] = { { "FACP.2/length", "244", "" }, { "FACP.2/revision", "3", "Fixed ACPI Description Table" } };
	static const struct facet_line structure[] = { { "type17.10/size", "1", "" } }, entry[] = { { "entry_point", "SMBIOS", "" } };
	static const struct facet_line node[] = { { "node0/memory", "0x0-0xfff", "" } };
	const struct facet *smbios = facet_get(FACET_SMBIOS);

	(void)state;
	expect_group(FACET_CPUID, vendor, 4, "0x00000000.0", "AuthenticAMD, leaves to 0x0000000d");
	expect_group(FACET_CPUID, leaf, 2, "0x0000000b.1", "topology");
	expect_group(FACET_CPUID, brand, 2, "0x80000002.0", "brand: QEMUX");
	expect_group(FACET_CPUID, unknown, 1, "0xc0000001.0", "");
	expect_group(FACET_PCI, function, 3, "0000:00:04.0/00.0", "Unclassified device: Virtio RNG [1af4:1044] rev 01");
	expect_group(FACET_PLACEMENT, function, 3, "0000:00:04.0/00.0", "");
	expect_group(FACET_ACPI, table, 2, "FACP.2", "Fixed ACPI Description Table");
	expect_group(FACET_SMBIOS, structure, 1, "type17.10", "Memory Device");
	expect_group(FACET_SMBIOS, entry, 1, "", "");
	expect_group(FACET_NUMA, node, 1, "node0", "");
	assert_true(smbios->order("type4.0", "type17.0") < 0 && smbios->order("type17.2", "type17.10") < 0 && smbios->order("type17.0", "type17.2") < 0);
}

static void expect_values(enum facet_id facet, const char *key, const char *value, const char *expected)
{
	struct abi_fields fields = { 0 };
	struct buffer got = BUFFER_INIT;
	bool is_register;

	assert_int_equal(facet_values(facet_get(facet), key, value, &fields, &is_register), 0);
	for (size_t i = 0; i < fields.count; i++)
		buffer_printf(&got, "%s %s=%s;", fields.items[i].name, fields.items[i].bits, fields.items[i].to);
	assert_string_equal(is_register ? got.data ? got.data : "" : "none", expected);
	abi_fields_release(&fields);
	buffer_release(&got);
}

/* A page shows what is set; a register that is 0 has names too, one that is text or a mere number has none. */
static void what_is_set_in_a_register_has_names(void **state)
{
	(void)state;
	expect_values(FACET_CPUID, "0x00000001.0.ecx", "0x00000001", "pni ecx[0]=1;");
	expect_values(FACET_CPUID, "0x00000001.0.eax", "0x00060fb1", "family eax[27:20,11:8]=15;model eax[19:16,7:4]=107;stepping eax[3:0]=1;");
	expect_values(FACET_CPUID, "0x00000001.0.ecx", "0x00000000", "");
	expect_values(FACET_CPUID, "0x00000000.0.ebx", "0x68747541", "none");
	expect_values(FACET_CPUID, "0xc0000001.0.eax", "0x00000001", "none");
	expect_values(FACET_CPUID, "0xc0000001.0.eax", "0x00000000", "none");
	expect_values(FACET_MSR, "0x000000fe", "0x0000000000000508", "variable_ranges [7:0]=8;fixed-ranges [8]=1;write-combining [10]=1;");
	expect_values(FACET_MSR, "0x000000fe", "varies", "none");
	expect_values(FACET_ACPI, "APIC/flags", "0x00000001", "dual_8259 flags[0]=1;");
	expect_values(FACET_ACPI, "APIC/flags", "0x00000000", "");
	expect_values(FACET_ACPI, "APIC/length", "120", "none");
	expect_values(FACET_PCI, "0000:00:04.0/id", "1af4:1044", "none");
}

static void nonsense_from_a_file_is_shown_as_it_is(void **state)
{
	static const struct facet_line lines[] = {
		{ "x", "y", "" }, { "", "", "" }, { "0x0000000", "1", "" }, { "/", "/", "" }, { "0x00000001", "0x", "" }, { "0x00000001.", "0x1", "" },
		{ "type/", "0x", "" }, { "a/b/", "0x11111111111111111111", "" },
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);

	(void)state;
	for (int f = 0; f < FACETS; f++) {
		const struct facet *facet = facet_get((enum facet_id)f);
		struct buffer out = BUFFER_INIT;

		for (size_t i = 0; i < count; i++) {
			struct buffer id = BUFFER_INIT, title = BUFFER_INIT;
			struct abi_fields fields = { 0 };
			bool is_register;

			if (facet->group)
				facet->group(lines[i].key, &id);
			if (id.size && facet->title)
				facet->title(&lines[i], 1, &title);
			assert_false(buffer_failed(&id) || buffer_failed(&title));
			assert_int_equal(facet_values(facet, lines[i].key, lines[i].value, &fields, &is_register), 0);
			abi_fields_release(&fields);
			buffer_release(&id);
			buffer_release(&title);
		}

		if (facet->present)
			facet->present(lines, count, &out);
		assert_false(buffer_failed(&out));
		buffer_release(&out);
	}
}

static void a_long_word_is_not_cut_and_nothing_is_lost_at_the_break(void **state)
{
	char word[300], expected[400];
	struct buffer out = BUFFER_INIT;

	(void)state;
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = 0;
	lines_wrapped(&out, "  head ", 10, word);
	snprintf(expected, sizeof(expected), "  head    %s\n", word);
	assert_string_equal(out.data, expected);
	buffer_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_a_map),
		cmocka_unit_test(cpuid_names_vendor_brand_and_what_one_vcpu_alone_has),
		cmocka_unit_test(pci_is_a_tree),
		cmocka_unit_test(acpi_is_told_table_by_table_and_device_by_device),
		cmocka_unit_test(smbios_is_told_in_the_order_of_its_types),
		cmocka_unit_test(what_people_see_as_one_has_one_id_and_a_name),
		cmocka_unit_test(what_is_set_in_a_register_has_names),
		cmocka_unit_test(nonsense_from_a_file_is_shown_as_it_is),
		cmocka_unit_test(a_long_word_is_not_cut_and_nothing_is_lost_at_the_break),
	};

	return cmocka_run_group_tests_name("abi: facets as text", tests, NULL, NULL);
}
