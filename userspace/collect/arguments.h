/* SPDX-License-Identifier: Apache-2.0 */
/* What the collector itself must know of a VMM's command line: which guest is meant, and which files are its firmware. Pure. */
#ifndef ABIDRIFT_COLLECT_ARGUMENTS_H
#define ABIDRIFT_COLLECT_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct arguments {
	size_t count;
	const char **list; /* borrowed strings */
};

#define ARGUMENTS_INIT { 0 }

/* Splits what /proc/PID/cmdline holds. `block` must end with a NUL and outlive ret. -ENOMEM. */
int arguments_split(const char *block, size_t size, struct arguments *ret);
void arguments_release(struct arguments *a);

/* Does the command line say that its guest's UUID, name or id is exactly this? */
bool arguments_match(const struct arguments *a, const char *guest);

typedef int (*arguments_firmware_fn)(void *context, const char *path);
/*
 * Paths of firmware images, as given: -bios, the code flash, and further flash that the guest cannot write. A negative return ends it.
 * Any user may start a process with a VM and a line of any length: the first -machine and -blockdev options count, as many as no VMM has.
 */
int arguments_firmware(const struct arguments *a, arguments_firmware_fn fn, void *context);
/*
 * The image that QEMU loads for a PC where no option names one, by its name in QEMU's data directories; NULL: an option names it, or the
 * machine type has another. `x86`: this QEMU is for x86, so that it makes a PC where no option says which machine.
 */
const char *arguments_default_firmware(const struct arguments *a, bool x86);
/* The next value of an option, dashes aside, as "-L DIR" or "--L=DIR", from *cursor (0 at first) on; NULL = no more. */
const char *arguments_next(const struct arguments *a, const char *option, size_t *cursor);

#endif
