/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/arguments.h"

#define BLOCK(text) text, sizeof(text)

static bool matches(const char *block, size_t size, const char *guest)
{
	struct arguments a;
	bool result;

	assert_int_equal(arguments_split(block, size, &a), 0);
	result = arguments_match(&a, guest);
	arguments_release(&a);
	return result;
}

static int join(void *context, const char *path)
{
	struct buffer *b = context;

	buffer_printf(b, "%s%s", b->size ? " " : "", path);
	return 0;
}

static void check_firmware(const char *block, size_t size, const char *expected)
{
	struct buffer found = BUFFER_INIT;
	struct arguments a;

	assert_int_equal(arguments_split(block, size, &a), 0);
	assert_int_equal(arguments_firmware(&a, join, &found), 0);
	assert_string_equal(found.size ? found.data : "", expected);
	buffer_release(&found);
	arguments_release(&a);
}

static void test_record_takes_the_guest_that_was_named_and_no_other(void **state)
{
	static const char libvirt[] = "qemu\0-name\0guest=web,,1,debug-threads=on\0-uuid\0" "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";
	static const char proxmox[] = "kvm\0-id\0" "100\0-name\0web,debug-threads=on\0-smbios\0type=1,uuid=4DEA22B3-1D52-D8F3-2516-782E98AB3FA0";
	static const char micro[] = "firecracker\0--id=vm-7\0--api-sock\0/run/fc.sock";

	(void)state;
	assert_true(matches(libvirt, sizeof(libvirt), "web,1"));
	assert_true(matches(libvirt, sizeof(libvirt), "4DEA22B31D52D8F32516782E98AB3FA0"));
	assert_false(matches(libvirt, sizeof(libvirt), "web"));
	assert_false(matches(libvirt, sizeof(libvirt), "debug-threads=on"));
	assert_true(matches(proxmox, sizeof(proxmox), "100"));
	assert_true(matches(proxmox, sizeof(proxmox), "web"));
	assert_true(matches(proxmox, sizeof(proxmox), "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"));
	assert_false(matches(proxmox, sizeof(proxmox), "10"));
	assert_true(matches(micro, sizeof(micro), "vm-7"));
	assert_true(matches(micro, sizeof(micro), "/run/fc.sock"));
	assert_false(matches(BLOCK("qemu\0-uuid"), "x"));
	assert_false(matches("", 0, ""));
}

static void test_the_firmware_of_every_way_to_give_one_is_known(void **state)
{
	(void)state;
	check_firmware(BLOCK("q\0-bios\0b.bin"), "b.bin");
	check_firmware(BLOCK("q\0-drive\0if=pflash,format=raw,readonly=on,file=/a,,b/CODE.fd\0-drive\0if=pflash,file=VARS.fd"), "/a,b/CODE.fd");
	check_firmware(BLOCK("q\0-drive\0if=pflash,unit=1,file=V\0-drive\0if=pflash,unit=0,file=C\0-drive\0file=disk,if=virtio"), "C");
	check_firmware(BLOCK("q\0-machine\0q35,pflash0=f0,pflash1=f1\0"
			     "-blockdev\0{\"driver\":\"file\",\"filename\":\"/x/C\\\"O.fd\",\"node-name\":\"s0\",\"read-only\":true}\0"
			     "-blockdev\0{\"node-name\":\"f0\",\"read-only\":true,\"driver\":\"raw\",\"file\":\"s0\"}\0"
			     "-blockdev\0{\"driver\":\"file\",\"filename\":\"/x/V.fd\",\"node-name\":\"s1\"}\0"
			     "-blockdev\0{\"node-name\":\"f1\",\"driver\":\"raw\",\"file\":\"s1\"}"), "/x/C\"O.fd");
	check_firmware(BLOCK("ch\0--firmware=/fw"), "/fw");
}

static void check_default(const char *block, size_t size, bool x86, const char *expected)
{
	const char *found;
	struct arguments a;

	assert_int_equal(arguments_split(block, size, &a), 0);
	found = arguments_default_firmware(&a, x86);
	assert_string_equal(found ? found : "none", expected);
	arguments_release(&a);
}

/* Or a new SeaBIOS under guests that name none would be drift without a cause. */
static void test_the_firmware_that_nobody_named_is_known_of_a_pc_only(void **state)
{
	static const char seabios[] = "bios-256k.bin";

	(void)state;
	check_default(BLOCK("q\0-M\0pc-q35-7.2,accel=kvm"), false, seabios);
	check_default(BLOCK("q\0-machine\0type=pc-i440fx-5.2"), false, seabios);
	check_default(BLOCK("q\0-machine\0accel=kvm\0-M\0q35"), true, seabios);
	check_default(BLOCK("q\0-m\0" "256"), true, seabios);
	check_default(BLOCK("q\0-m\0" "256"), false, "none");
	check_default(BLOCK("q\0-M\0microvm"), true, "none");
	check_default(BLOCK("q\0-M\0virt"), false, "none");
	check_default(BLOCK("q\0-M\0q35\0-bios\0b.bin"), true, "none");
	check_default(BLOCK("q\0-M\0q35\0-pflash\0b.fd"), true, "none");
	check_default(BLOCK("q\0-M\0q35,pflash0=f0"), true, "none");
	check_default(BLOCK("q\0-M\0q35,firmware=b.bin"), true, "none");
	check_default(BLOCK("q\0-M\0q35\0-drive\0if=pflash,file=b.fd"), true, "none");
}

static void test_a_block_graph_that_bites_its_tail_ends(void **state)
{
	(void)state;
	check_firmware(BLOCK("q\0-M\0pc,pflash0=a\0-blockdev\0node-name=a,file=b\0-blockdev\0node-name=b,file=a"), "");
}

static int count(void *context, const char *path)
{
	(void)path;
	++*(size_t *)context;
	return 0;
}

/* A line of these two, over and over, as long as the collector reads; tests/run ends what takes minutes. Returns how many files it asks for. */
static size_t long_line(const char *first, const char *second)
{
	enum { BYTES = 256 << 10 };
	size_t size = 2, files = 0, cursor = 0, one = strlen(first) + 1, two = strlen(second) + 1;
	char *block = malloc(BYTES);
	struct arguments a;

	assert_non_null(block);
	memcpy(block, "q", 2);
	for (; size + one + two <= BYTES; size += one + two) {
		memcpy(block + size, first, one);
		memcpy(block + size + one, second, two);
	}
	assert_int_equal(arguments_split(block, size, &a), 0);
	assert_int_equal(arguments_firmware(&a, count, &files), 0);
	arguments_default_firmware(&a, true);
	assert_false(arguments_match(&a, "nobody"));
	while (arguments_next(&a, "L", &cursor))
		;
	arguments_release(&a);
	free(block);
	return files;
}

/* Who may start a VMM writes its command line: one that took hours would blind the host. */
static void test_no_command_line_keeps_the_collector(void **state)
{
	static const char *const lines[] = { "-M=pflash0=z", "-machine=pflash0=z,pflash1=z", "-blockdev=a", "-blockdev=node-name=z,file=z",
		"-drive=if=pflash", "-L", "-L=x", "-smbios=type=1", "-name=a", "-blockdev={\"node-name\":\"z\"}", "" };
	enum { LINES = sizeof(lines) / sizeof(lines[0]) };

	(void)state;
	for (size_t i = 0; i < LINES; i++)
		for (size_t n = 0; n < LINES; n++)
			assert_int_equal(long_line(lines[i], lines[n]), 0);
	/* Two ways to name a machine, eight of each, two units. */
	assert_int_equal(long_line("-M=pflash0=z,pflash1=z", "-blockdev=node-name=z,filename=f,read-only=on"), 16);
	assert_int_equal(long_line("-L", "-L"), 0);
}

static void test_the_data_folders_come_in_their_order(void **state)
{
	static const char block[] = "q\0-L\0/a\0--L=/b\0-Lx\0-L";
	struct arguments a;
	size_t cursor = 0;

	(void)state;
	assert_int_equal(arguments_split(block, sizeof(block), &a), 0);
	assert_string_equal(arguments_next(&a, "L", &cursor), "/a");
	assert_string_equal(arguments_next(&a, "L", &cursor), "/b");
	assert_null(arguments_next(&a, "L", &cursor));
	arguments_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_takes_the_guest_that_was_named_and_no_other),
		cmocka_unit_test(test_the_firmware_of_every_way_to_give_one_is_known),
		cmocka_unit_test(test_the_firmware_that_nobody_named_is_known_of_a_pc_only),
		cmocka_unit_test(test_a_block_graph_that_bites_its_tail_ends),
		cmocka_unit_test(test_no_command_line_keeps_the_collector),
		cmocka_unit_test(test_the_data_folders_come_in_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
