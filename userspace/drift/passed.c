/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/drift/passed.h"

#include <ctype.h>
#include <errno.h>
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

static const struct { const char *vmm; enum passed_kind kind; const char *args; } arguments[] = {
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

/* Most guests have none, and that is quickly told. */
static bool possible(const struct context *c, enum passed_kind kind)
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

static bool named_by_arguments(const struct context *c, enum passed_kind kind)
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

bool passed_any(const struct context *c, enum passed_kind kind)
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

static bool is_of(const struct drift_change *c, const char *path, size_t length)
{
	return c->facet == FACET_PCI && !strncmp(c->key, path, length);
}

/* Keys of pci stand in order: what else changed of a function stands around `change`, where that is one of them. */
static const struct drift_change *id_change(const struct drift *d, const struct drift_change *change, const char *path, const char *key)
{
	const struct drift_change *begin = d->changes, *end = d->changes + d->change_count;
	size_t length = strlen(path);

	if (change->facet == FACET_PCI) {
		const struct drift_change *first = begin, *last = end;

		for (begin = change; begin > first && is_of(begin - 1, path, length);)
			begin--;
		for (end = change + 1; end < last && is_of(end, path, length);)
			end++;
	}
	for (const struct drift_change *c = begin; c < end; c++)
		if (c->facet == FACET_PCI && !strcmp(c->key, key))
			return c;
	return NULL;
}

/* "8086:1572"; NULL: not known. */
static const char *id_of(const char *path, const struct drift *d, const struct drift_change *change, const struct abi_entries *now)
{
	char key[DEVICE_PATH_MAX + 8];
	const struct drift_change *gone;
	const struct abi_entry *entry;

	snprintf(key, sizeof(key), "%s/id", path);
	entry = now ? entries_find(now, FACET_PCI, key) : NULL;
	if (entry)
		return entry->value;
	gone = d ? id_change(d, change, path, key) : NULL;
	return !gone ? NULL : gone->to ? gone->to : gone->from;
}

static bool stem_is(const char *driver, const char *prefix, const char *stem)
{
	size_t before = strlen(prefix), size = strlen(stem);

	return !strncmp(driver, prefix, before) && !strncmp(driver + before, stem, size) && (driver[before + size] == '-' || !driver[before + size]);
}

/* ---- what a context says */

/* A device of the command line that is passed. */
struct passed_item {
	enum passed_kind kind;
	char path[DEVICE_PATH_MAX]; /* "": not known */
	const char *ids;            /* where the path is not known, of one that another process serves: what it may be; NULL: anything else */
};

struct passed {
	struct passed_item *items;
	size_t count;
	bool by_arguments[PASSED_KINDS];
	bool all_cards; /* all backends of network cards are vhost-user's */
};

/* Among functions of one kind nobody can tell which is the other process's, unless all are. */
static const char *virtio_ids(const struct devices *d, const char *driver)
{
	size_t stem = 0;

	while (stem < sizeof(virtio) / sizeof(virtio[0]) && !stem_is(driver, VHOST_USER, virtio[stem].stem))
		stem++;
	if (stem == sizeof(virtio) / sizeof(virtio[0]))
		return NULL;
	for (size_t i = 0; i < d->count; i++)
		if (stem_is(d->items[i].driver, "virtio-", virtio[stem].stem))
			return NULL;
	return virtio[stem].ids;
}

static int items_prepare(const struct context *c, enum passed_kind kind, struct passed *p)
{
	struct devices d = DEVICES_INIT;
	struct passed_item *items;

	if (devices_parse(context_get(c, "option.device"), &d) < 0)
		return -ENOMEM;
	items = realloc(p->items, (p->count + d.count + 1) * sizeof(*items));
	if (!items) {
		devices_release(&d);
		return -ENOMEM;
	}
	p->items = items;
	for (size_t i = 0; i < d.count; i++) {
		struct passed_item item = { .kind = kind };

		if (!glob_match(drivers[kind], d.items[i].driver))
			continue;
		if (!devices_path(&d, i, item.path)) {
			item.path[0] = '\0';
			item.ids = kind == PASSED_PROCESS ? virtio_ids(&d, d.items[i].driver) : NULL;
		}
		items[p->count++] = item;
	}
	devices_release(&d);
	return 0;
}

int passed_prepare(const struct context *c, struct passed **ret)
{
	struct passed *p = calloc(1, sizeof(*p));
	int r = p ? 0 : -ENOMEM;

	for (enum passed_kind kind = 0; r >= 0 && kind < PASSED_KINDS; kind++) {
		if (!possible(c, kind))
			continue;
		p->by_arguments[kind] = named_by_arguments(c, kind);
		r = items_prepare(c, kind, p);
		if (kind == PASSED_PROCESS) {
			/* Which card has which backend is not kept in the context. */
			size_t vhost_user, all = count_netdevs(c, &vhost_user);

			p->all_cards = vhost_user && vhost_user == all;
		}
	}
	if (r < 0) {
		passed_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void passed_free(struct passed *p)
{
	if (p)
		free(p->items);
	free(p);
}

bool passed_function(const struct passed *p, enum passed_kind kind, const struct drift *d, const struct drift_change *change,
		     const struct abi_entries *now)
{
	char path[DEVICE_PATH_MAX];
	const char *id;
	bool foreign;

	if ((!p->count && !p->by_arguments[kind] && !p->all_cards) || !path_of(change, path))
		return false;
	id = id_of(path, d, change, now);
	foreign = id && !glob_match(emulated, id);
	for (size_t i = 0; i < p->count; i++) {
		const struct passed_item *item = &p->items[i];

		if (item->kind != kind)
			continue;
		if (item->path[0] ? !strcmp(item->path, path) : kind == PASSED_HOST ? foreign : id && item->ids && glob_match(item->ids, id))
			return true;
	}
	if (kind == PASSED_HOST)
		return foreign && p->by_arguments[kind];
	return id && p->all_cards && glob_match("1af4:1000|1af4:1041", id);
}
