/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices that a QEMU command line names (`option.device` of a context), and which PCI function each of them is. Hostile text:
 * what is too long to be right is left out. Private to this folder and its tests.
 */
#ifndef ABIDRIFT_DRIFT_DEVICES_H
#define ABIDRIFT_DRIFT_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICES_MAX 1024
#define DEVICE_PATH_MAX 96

struct device {
	char driver[64], id[64], bus[64];
	char addr[16]; /* as given: "3", "0x3.0x1", "05.0"; "" = not given */
};

struct devices {
	struct device *items;
	size_t count;
};

#define DEVICES_INIT { 0 }

void devices_release(struct devices *d);
/* list: "e1000,addr=3; {\"driver\":…}", NULL: none. -ENOMEM. */
int devices_parse(const char *list, struct devices *ret);
/*
 * The path of its function as keys of `pci` begin ("0000:00:03.0", "0000:00:04.0/00.0"), from its address and those of the
 * bridges that it names as its bus. False: no address is given, or it lies behind something that has none.
 */
bool devices_path(const struct devices *d, size_t n, char ret[DEVICE_PATH_MAX]);

#endif
