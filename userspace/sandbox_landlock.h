/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: which files a process may open, and with newer kernels whether it may take a TCP port or send signals. Also: no look
 * into other processes (the kernel treats it as ptrace). Constants are those of the kernel's include/uapi/linux/landlock.h; that of
 * Debian 12 ends with ABI 2, so they are named here.
 */
#ifndef ABIDRIFT_SANDBOX_LANDLOCK_H
#define ABIDRIFT_SANDBOX_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

struct error;

#define LANDLOCK_EXECUTE (1ull << 0)
#define LANDLOCK_WRITE_FILE (1ull << 1)
#define LANDLOCK_READ_FILE (1ull << 2)
#define LANDLOCK_READ_DIR (1ull << 3)
#define LANDLOCK_REMOVE_FILE (1ull << 5)
#define LANDLOCK_MAKE_REG (1ull << 8)
#define LANDLOCK_ABI_1 ((1ull << 13) - 1)
#define LANDLOCK_REFER (1ull << 13)     /* ABI 2, Linux 5.19 */
#define LANDLOCK_TRUNCATE (1ull << 14)  /* ABI 3, Linux 6.2 */
#define LANDLOCK_IOCTL_DEV (1ull << 15) /* ABI 5, Linux 6.10 */
#define LANDLOCK_BIND_TCP (1ull << 0)   /* ABI 4, Linux 6.7 */
#define LANDLOCK_SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6, Linux 6.12 */
#define LANDLOCK_SCOPE_SIGNAL (1ull << 1)

/* What to let files below a path be. */
#define LANDLOCK_LOOK (LANDLOCK_READ_FILE | LANDLOCK_READ_DIR)
#define LANDLOCK_KEEP (LANDLOCK_LOOK | LANDLOCK_WRITE_FILE | LANDLOCK_REMOVE_FILE | LANDLOCK_MAKE_REG | LANDLOCK_TRUNCATE)

/* struct landlock_ruleset_attr, as of ABI 6; `bytes` of it are known to a kernel of the given ABI. */
struct landlock_handled {
	uint64_t files, net, scoped;
	size_t bytes;
};

struct landlock_path {
	const char *path; /* one that is not there is passed over */
	uint64_t rights;
};

/* All that a kernel with this ABI can refuse, as far as we know it. abi < 1: nothing. */
struct landlock_handled landlock_handled(int abi);
/* The rights that this ABI knows; of a file that is no folder, those that make sense. */
uint64_t landlock_rights(const struct landlock_handled *h, uint64_t rights, int is_folder);
/* Everything is refused but these. A kernel without: 0 and nothing is done. -errno with e. */
int landlock_confine(const struct landlock_path *paths, size_t count, struct error *e);

#endif
