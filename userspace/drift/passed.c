/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/passed.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/glob.h"
#include "userspace/drift/devices.h"

#define ROOT_PATH "0000:00:00.0"
#define HOP "/00.0"
#define VHOST_USER "vhost-user-"

/* By driver (QEMU) or argument (others). Sources: QEMU hw/vfio/pci.c, hw/virtio; the manuals of the other VMMs. */
static const char *const drivers[] = {
	[PASSED_HOST] = "vfio-pci|vfio-pci-nohotplug|pci-assign|kvm-pci-assign",
	[PASSED_PROCESS] = VHOST_USER "*|vfio-user-pci",
};

static const struct { const char *vmm; enum passed kind; const char *args; } arguments[] = {
	{ "cloud-hypervisor", PASSED_HOST, "*--device *|*--device=*" },
	{ "cloud-hypervisor", PASSED_PROCESS, "*vhost_user=true*|*vhost_user=on*|*--fs *|*--fs=*|*--user-device *|*--user-device=*" },
	{ "crosvm", PASSED_HOST, "*--vfio *|*--vfio=*" },
	{ "crosvm", PASSED_PROCESS, "*--vhost-user*" },
	{ "kvmtool", PASSED_HOST, "*--vfio-pci *|*--vfio-pci=*" },
};

/* What VMMs emulate, by vendor and device. Source: QEMU include/hw/pci/pci_ids.h and hw/, 5.2 to 10.0; Cloud Hypervisor's host bridge. */
static const char emulated[] =
	"1af4:*|1b36:*|1234:*|1011:0019|1013:00b8|10ec:8029|8086:0d93|8086:7075|19e5:a128|19e5:a129|1095:3112|15ad:0405|15ad:07b0|15ad:07c0|1022:2000|1022:2020|10ec:8139|1274:5000|1000:0001|1000:0012|1000:0054|"
	"1000:0060|1000:0079|1498:30c8|104c:8232|104c:8233|1033:0194|1002:5046|1002:5159|106b:003f|8086:0d57|8086:0e20|8086:1008|8086:100c|8086:100e|8086:100f|"
	"8086:1209|8086:1229|8086:10c9|8086:10ca|8086:10d3|8086:1237|8086:2415|8086:2449|8086:244e|8086:25ab|8086:2668|8086:2918|8086:2922|8086:2930|"
	"8086:2934|8086:2935|8086:2936|8086:2937|8086:2938|8086:2939|8086:293a|8086:293c|8086:293e|8086:24cd|8086:29c0|8086:3420|8086:5845|"
	"8086:7000|8086:7010|8086:7020|8086:7110|8086:7111|8086:7112|8086:7113";

/* Device ids by the word behind "vhost-user-" (Virtio 1.2, 5 and 4.1.2.1). */
static const struct { const char *stem, *ids; } virtio[] = {
	{ "net", "1af4:1000|1af4:1041" },  { "blk", "1af4:1001|1af4:1042" }, { "scsi", "1af4:1004|1af4:1048" }, { "rng", "1af4:1005|1af4:1044" },
	{ "fs", "1af4:105a" },             { "gpu", "1af4:1050" },           { "vga", "1af4:1050" },            { "input", "1af4:1052" },
	{ "vsock", "1af4:1012|1af4:1053" }, { "snd", "1af4:1059" },          { "i2c", "1af4:1062" },            { "gpio", "1af4:1069" },
	{ "scmi", "1af4:1060" },
};

static const char *value_of(const struct context *c, const char *factor)
{
	const char *value = context_get(c, factor);

	return value ? value : "";
}

/* Most guests have none: asked of every change, that must cost little. */
static bool possible(const struct context *c, enum passed kind)
{
	static const char *const factors[] = { "option.device", "option.args", "backend.netdev" };
	static const char *const words[][4] = {
		[PASSED_HOST] = { "vfio", "pci-assign", "--device", NULL },
		[PASSED_PROCESS] = { "vhost", "vfio-user", "--fs", "--user-device" },
	};

	for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++)
		for (size_t w = 0; w < 4 && words[kind][w]; w++)
			if (strstr(value_of(c, factors[f]), words[kind][w]))
				return true;
	return false;
}

static bool named_by_arguments(const struct context *c, enum passed kind)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (arguments[i].kind == kind && !strcmp(value_of(c, "vmm.kind"), arguments[i].vmm) &&
		    glob_match(arguments[i].args, value_of(c, "option.args")))
			return true;
	return false;
}

/* How many backends of network cards there are, and how many of them are vhost-user's. */
static size_t count_netdevs(const struct context *c, size_t *ret_vhost_user)
{
	const char *list = value_of(c, "backend.netdev");
	size_t count = 0;

	*ret_vhost_user = 0;
	while (*list) {
		const char *end = strstr(list, "; ");
		char *one = end ? strndup(list, (size_t)(end - list)) : strdup(list);

		count++;
		*ret_vhost_user += one && glob_match("vhost-user,*|type=vhost-user*|*,type=vhost-user*|{*\"type\":*\"vhost-user\"*", one);
		free(one);
		list = end ? end + 2 : list + strlen(list);
	}
	return count;
}

bool passed_any(const struct context *c, enum passed kind)
{
	struct devices d = DEVICES_INIT;
	size_t vhost_user = 0;
	bool any;

	if (!possible(c, kind))
		return false;
	any = named_by_arguments(c, kind);
	if (!any && devices_parse(context_get(c, "option.device"), &d) >= 0)
		for (size_t i = 0; i < d.count && !any; i++)
			any = glob_match(drivers[kind], d.items[i].driver);
	devices_release(&d);
	if (!any && kind == PASSED_PROCESS)
		count_netdevs(c, &vhost_user);
	return any || vhost_user;
}

/* ---- the function that a key is about */

static bool is_hop(const char *at)
{
	return at[0] == '/' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]) && at[3] == '.' && isdigit((unsigned char)at[4]) &&
	       (at[5] == '/' || !at[5]);
}

/* "0000:00:04.0/00.0" of "0000:00:04.0/00.0/id", of "mac/…" and "rom/…". */
static bool path_of(const struct drift_change *change, char ret[DEVICE_PATH_MAX])
{
	const char *key = change->key;
	size_t size = strlen(ROOT_PATH);

	if (change->facet == FACET_IDENTITY && !strncmp(key, "mac/", 4))
		key += 4;
	else if (change->facet == FACET_FIRMWARE && !strncmp(key, "rom/", 4))
		key += 4;
	else if (change->facet != FACET_PCI)
		return false;
	if (strlen(key) < size || !glob_match("????:??:??.?*", key) || (key[size] && key[size] != '/'))
		return false;
	while (is_hop(key + size))
		size += strlen(HOP);
	if (size >= DEVICE_PATH_MAX)
		return false;
	memcpy(ret, key, size);
	ret[size] = '\0';
	return true;
}

/* "8086:1572"; NULL: not known. */
static const char *id_of(const char *path, const struct drift *d, const struct abi_entries *now)
{
	char key[DEVICE_PATH_MAX + 8];
	const struct abi_entry *entry;

	snprintf(key, sizeof(key), "%s/id", path);
	for (size_t i = 0; d && i < d->change_count; i++)
		if (d->changes[i].facet == FACET_PCI && !strcmp(d->changes[i].key, key))
			return d->changes[i].to ? d->changes[i].to : d->changes[i].from;
	entry = now ? entries_find(now, FACET_PCI, key) : NULL;
	return entry ? entry->value : NULL;
}

static bool stem_is(const char *driver, const char *prefix, const char *stem)
{
	size_t before = strlen(prefix), size = strlen(stem);

	return !strncmp(driver, prefix, before) && !strncmp(driver + before, stem, size) && (driver[before + size] == '-' || !driver[before + size]);
}

/* Among functions of one kind nobody can tell which is the other process's, unless all are. */
static bool virtio_is(const struct devices *d, const char *stem, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (stem_is(d->items[i].driver, "virtio-", stem))
			return false;
	for (size_t i = 0; i < sizeof(virtio) / sizeof(virtio[0]); i++)
		if (!strcmp(virtio[i].stem, stem))
			return glob_match(virtio[i].ids, id);
	return false;
}

static bool is_of_kind(const struct devices *d, const char *driver, enum passed kind, const char *id)
{
	if (kind == PASSED_HOST)
		return !glob_match(emulated, id);
	for (size_t i = 0; i < sizeof(virtio) / sizeof(virtio[0]); i++)
		if (stem_is(driver, VHOST_USER, virtio[i].stem))
			return virtio_is(d, virtio[i].stem, id);
	return false;
}

/* Which card has which backend is not kept in the context: only where all backends are vhost-user's, all virtio cards are. */
static bool is_vhost_user_card(const struct context *c, const char *id)
{
	size_t vhost_user, all = count_netdevs(c, &vhost_user);

	return vhost_user && vhost_user == all && glob_match("1af4:1000|1af4:1041", id);
}

bool passed_function(const struct context *c, enum passed kind, const struct drift *d, const struct drift_change *change,
		     const struct abi_entries *now)
{
	char path[DEVICE_PATH_MAX], its[DEVICE_PATH_MAX];
	struct devices devices = DEVICES_INIT;
	const char *id;
	bool is = false;

	if (!path_of(change, path) || !possible(c, kind) || devices_parse(context_get(c, "option.device"), &devices) < 0)
		return false;
	id = id_of(path, d, now);
	for (size_t i = 0; i < devices.count && !is; i++) {
		const char *driver = devices.items[i].driver;

		if (!glob_match(drivers[kind], driver))
			continue;
		is = devices_path(&devices, i, its) ? !strcmp(its, path) : id && is_of_kind(&devices, driver, kind, id);
	}
	if (!is && id && kind == PASSED_HOST)
		is = named_by_arguments(c, kind) && !glob_match(emulated, id);
	if (!is && id && kind == PASSED_PROCESS)
		is = is_vhost_user_card(c, id);
	devices_release(&devices);
	return is;
}
