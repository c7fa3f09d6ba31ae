/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded reads of files that others control, and what they contain. Nothing here waits for a FIFO, a device or a terminal. */
#ifndef ABIDRIFT_COLLECT_FILES_H
#define ABIDRIFT_COLLECT_FILES_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct contents;
struct foreign;

/* Appends at most `max` bytes of a file of /proc, /sys or /etc. -errno. */
int files_read(const char *path, size_t max, struct buffer *out);
/* The same, without the newline at its end. */
int files_line(const char *path, size_t max, struct buffer *out);
/*
 * Opens a regular file for reading by its path as process `pid` sees it (its root, symbolic links resolved within it).
 * Descriptor, or -errno; -ENOEXEC: not a regular file.
 */
int files_open_as(int pid, const char *path);

#define CONTENTS_MAX_BYTES (64ull << 20)

struct executable {
	char build_id[129]; /* hex; "" = none */
	char qemu_version[128]; /* "7.2.22 (Debian …)"; "" = not QEMU */
};

/* Remembers what was read, by device, inode, times and size: each file is read once until it changes. */
struct contents *contents_new(void);
void contents_free(struct contents *c);
/* Now and then: a child that was asked nothing since the last time ends. */
void contents_rest(struct contents *c);
/*
 * As files_read, of what lies in the memory of a process that may make its reader wait for ever (a mapping that FUSE serves), or
 * for long (a host that swaps): read by a child. -errno; -EBUSY: too many are at it.
 */
int foreign_begin(struct contents *c, const char *path, size_t max, struct foreign **ret);
/* Waits at most so long. 0 with what was read, -errno: it is over, and *f NULL; -EAGAIN: not yet. */
int foreign_take(struct foreign **f, int wait_ms, struct buffer *out);
/* Whatever becomes of it; the contents must still be there. NULL is fine. */
void foreign_drop(struct foreign *f);
/* SHA-256 in hex of a regular file of at most CONTENTS_MAX_BYTES (-EFBIG). Reads by offset. */
int contents_digest(struct contents *c, int fd, char ret[65]);
/* Build id from an ELF file's notes; QEMU's version from the text that it prints for --version (its first CONTENTS_MAX_BYTES). */
int contents_executable(struct contents *c, int fd, struct executable *ret);

#endif
