/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which PCI function an option of QEMU makes: where it puts it, and what it is. For -device, -nic and -net (by their model), -vga,
 * -watchdog and the like. Hostile text. Private to this folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_PLACED_H
#define ABIDRIFT_DRIFT_PLACED_H

#include <stddef.h>

#include "userspace/drift/devices.h"

struct element_list;

struct placed {
	char path[DEVICE_PATH_MAX]; /* "0000:00:04.0/00.0"; "": QEMU chooses, or it is not known */
	const char *ids;            /* glob over "8086:100e"; NULL: not known */
};

/* Of each element of an option's list (allocated; free() it). -ENOMEM. */
int placed_read(const char *factor, const struct element_list *all, struct placed **ret);
/* How much of a key names a PCI function, by its path: "0000:00:04.0/00.0/id" is 17; 0: none of it. */
size_t function_path_size(const char *key);

#endif
