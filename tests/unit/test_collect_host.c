// SPDX-License-Identifier: Apache-2.0
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "userspace/collect/host.h"

static char root[64];

static const char *below(const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	return full;
}

static int root_make(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/abidrift-host-XXXXXX");
	return mkdtemp(root) && mkdir(below("boot"), 0755) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static int root_remove(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path)
{
	FILE *f = fopen(below(path), "w");

	assert_non_null(f);
	fclose(f);
}

static void expect(const char *release)
{
	char got[64] = "";

	assert_int_equal(host_kernel_installed(root, got, sizeof(got)) >= 0, release != NULL);
	assert_string_equal(got, release ? release : "");
}

/* The kernel that a host's next boot brings would be told wrong, or a warning shown for ever on a host that is up to date. */
static void the_newest_kernel_is_the_one_that_boots(void **state)
{
	(void)state;
	expect(NULL);
	put("boot/vmlinuz-6.1.0-9-amd64");
	expect("6.1.0-9-amd64");
	put("boot/vmlinuz-6.1.0-28-amd64");
	put("boot/vmlinuz-6.1.0-18-amd64");
	expect("6.1.0-28-amd64");
	put("boot/vmlinuz-6.12.0-rc6");
	expect("6.12.0-rc6");
	put("boot/vmlinuz-6.12.0");
	expect("6.12.0");
	put("boot/vmlinuz-6.12.0-1");
	expect("6.12.0-1");
}

static void what_is_no_kernel_of_its_own_does_not_count(void **state)
{
	(void)state;
	put("boot/vmlinuz-5.14.0-427.el9.x86_64");
	put("boot/vmlinuz-9.9.0.old");
	put("boot/vmlinuz-9.9.0-1-amd64.dpkg-new");
	put("boot/vmlinuz-0-rescue-0123456789abcdef");
	put("boot/vmlinuz-linux");
	put("boot/initrd.img-9.9.0");
	put("boot/config-9.9.0");
	assert_int_equal(mkdir(below("boot/vmlinuz-9.9.1"), 0755), 0);
	assert_int_equal(symlink("/etc/passwd", below("boot/vmlinuz-9.9.2")), 0);
	expect("5.14.0-427.el9.x86_64");
}

static void a_link_says_which_kernel_boots(void **state)
{
	(void)state;
	put("boot/vmlinuz-6.1.0-18-amd64");
	put("boot/vmlinuz-6.1.0-28-amd64");
	assert_int_equal(symlink("vmlinuz-6.1.0-18-amd64", below("boot/vmlinuz")), 0);
	expect("6.1.0-18-amd64");
	/* Debian's, in the root folder. */
	put("boot/vmlinuz-6.1.0-20-amd64");
	assert_int_equal(symlink("boot/vmlinuz-6.1.0-20-amd64", below("vmlinuz")), 0);
	expect("6.1.0-20-amd64");
	/* One that leads to no kernel says nothing. */
	assert_int_equal(unlink(below("boot/vmlinuz-6.1.0-20-amd64")), 0);
	expect("6.1.0-18-amd64");
	assert_int_equal(unlink(below("boot/vmlinuz")), 0);
	assert_int_equal(symlink("../etc/shadow", below("boot/vmlinuz")), 0);
	expect("6.1.0-28-amd64");
}

static void a_name_that_is_too_long_is_left_out(void **state)
{
	char name[256] = "boot/vmlinuz-6.";

	(void)state;
	memset(name + strlen(name), '1', 200);
	put(name);
	expect(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_kernel_is_the_one_that_boots, root_make, root_remove),
		cmocka_unit_test_setup_teardown(what_is_no_kernel_of_its_own_does_not_count, root_make, root_remove),
		cmocka_unit_test_setup_teardown(a_link_says_which_kernel_boots, root_make, root_remove),
		cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_left_out, root_make, root_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
