// SPDX-License-Identifier: Apache-2.0
/* The program that a VMM runs, which any user may have written: an ELF file's notes and QEMU's version in it; and a firmware image. */
#include "tests/fuzz/fuzz.h"

#include "userspace/collect/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct contents *c = contents_new();
	struct executable x = { 0 }, again = { 0 };
	char digest[65];
	int fd = file_of(data, size);

	require(c && contents_executable(c, fd, &x) == 0 && contents_executable(c, fd, &again) == 0);
	require(!strcmp(x.build_id, again.build_id) && !strcmp(x.qemu_version, again.qemu_version));
	require(strspn(x.build_id, "0123456789abcdef") == strlen(x.build_id));
	for (const char *p = x.qemu_version; *p; p++)
		require(*p >= ' ' && *p < 0x7f);
	require(contents_digest(c, fd, digest) == 0 && strlen(digest) == 64);
	contents_free(c);
	close(fd);
	return 0;
}
