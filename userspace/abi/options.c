/* SPDX-License-Identifier: Apache-2.0 */
/* The table follows QEMU's qemu-options.hx, 5.2 to 10.0. What is not in it counts as visible. */
#include <string.h>

#include "userspace/abi/facts.h"
#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"

#define DRIVE_SEEN " if index bus unit media "
#define NIC_SEEN " model mac macaddr addr "

static const struct option_rule rules[] = {
	{ .name = "machine", .side = OPTION_MACHINE },
	{ .name = "M", .canonical = "machine", .side = OPTION_MACHINE },
	{ .name = "cpu", .side = OPTION_CPU },
	{ .name = "accel", .side = OPTION_ACCEL },
	{ .name = "enable-kvm", .canonical = "accel", .side = OPTION_ACCEL, .flag = true, .value = "kvm" },

	/* seen by the guest */
	{ .name = "device" }, { .name = "smp" }, { .name = "m" }, { .name = "numa" }, { .name = "smbios" }, { .name = "global" },
	{ .name = "set" }, { .name = "vga" }, { .name = "usbdevice" }, { .name = "soundhw" }, { .name = "acpitable" }, { .name = "boot" },
	{ .name = "bios" }, { .name = "pflash" }, { .name = "fw_cfg" }, { .name = "kernel" }, { .name = "initrd" }, { .name = "append" },
	{ .name = "dtb" }, { .name = "shim" }, { .name = "option-rom" }, { .name = "rtc" }, { .name = "watchdog" }, { .name = "icount" },
	{ .name = "uuid" }, { .name = "g" }, { .name = "L" }, { .name = "readconfig" }, { .name = "balloon" }, { .name = "bt" },
	{ .name = "overcommit" }, { .name = "prom-env" }, { .name = "xen-domid" }, { .name = "virtfs_synth", .flag = true },
	{ .name = "usb", .flag = true }, { .name = "nodefaults", .flag = true }, { .name = "nographic", .flag = true },
	{ .name = "no-acpi", .flag = true }, { .name = "no-hpet", .flag = true }, { .name = "no-fd-bootchk", .flag = true },
	{ .name = "win2k-hack", .flag = true }, { .name = "semihosting", .flag = true }, { .name = "old-param", .flag = true },
	{ .name = "rtc-td-hack", .flag = true }, { .name = "localtime", .flag = true }, { .name = "startdate" },

	/* seen in part */
	{ .name = "drive", .side = OPTION_KEEP, .keep = DRIVE_SEEN },
	{ .name = "nic", .side = OPTION_KEEP, .keep = NIC_SEEN },
	{ .name = "net", .side = OPTION_NET },
	{ .name = "virtfs", .side = OPTION_KEEP, .keep = " mount_tag id " },
	{ .name = "serial", .side = OPTION_COUNT }, { .name = "parallel", .side = OPTION_COUNT }, { .name = "debugcon", .side = OPTION_COUNT },
	{ .name = "hda", .side = OPTION_COUNT }, { .name = "hdb", .side = OPTION_COUNT }, { .name = "hdc", .side = OPTION_COUNT },
	{ .name = "hdd", .side = OPTION_COUNT }, { .name = "fda", .side = OPTION_COUNT }, { .name = "fdb", .side = OPTION_COUNT },
	{ .name = "cdrom", .side = OPTION_COUNT }, { .name = "sd", .side = OPTION_COUNT }, { .name = "mtdblock", .side = OPTION_COUNT },

	/* only what backs it */
#define BACKEND(option) { .name = option, .side = OPTION_BACKEND }
#define BACKEND_FLAG(option) { .name = option, .side = OPTION_BACKEND, .flag = true }
	BACKEND("object"), BACKEND("chardev"), BACKEND("blockdev"), BACKEND("netdev"), BACKEND("audiodev"), BACKEND("audio"), BACKEND("fsdev"),
	BACKEND("tpmdev"), BACKEND("iscsi"), BACKEND("display"), BACKEND("vnc"), BACKEND("spice"), BACKEND("k"), BACKEND("rotate"),
	BACKEND("monitor"), BACKEND("mon"), BACKEND("qmp"), BACKEND("qmp-pretty"), BACKEND("gdb"), BACKEND("echr"), BACKEND("name"), BACKEND("id"),
	BACKEND("pidfile"), BACKEND("trace"), BACKEND("D"), BACKEND("d"), BACKEND("dfilter"), BACKEND("seed"), BACKEND("sandbox"),
	BACKEND("runas"), BACKEND("run-with"), BACKEND("chroot"), BACKEND("msg"), BACKEND("incoming"), BACKEND("loadvm"), BACKEND("dump-vmstate"),
	BACKEND("mem-path"), BACKEND("add-fd"), BACKEND("writeconfig"), BACKEND("compat"), BACKEND("plugin"), BACKEND("qtest"),
	BACKEND("qtest-log"), BACKEND("action"), BACKEND("watchdog-action"), BACKEND("tb-size"), BACKEND("clock"), BACKEND("smb"), BACKEND("tftp"),
	BACKEND("bootp"), BACKEND("redir"),
	BACKEND_FLAG("S"), BACKEND_FLAG("s"), BACKEND_FLAG("snapshot"), BACKEND_FLAG("daemonize"), BACKEND_FLAG("no-reboot"),
	BACKEND_FLAG("no-shutdown"), BACKEND_FLAG("mem-prealloc"), BACKEND_FLAG("no-user-config"), BACKEND_FLAG("nodefconfig"),
	BACKEND_FLAG("full-screen"), BACKEND_FLAG("portrait"), BACKEND_FLAG("sdl"), BACKEND_FLAG("curses"), BACKEND_FLAG("no-frame"),
	BACKEND_FLAG("alt-grab"), BACKEND_FLAG("ctrl-grab"), BACKEND_FLAG("no-quit"), BACKEND_FLAG("show-cursor"), BACKEND_FLAG("singlestep"),
	BACKEND_FLAG("preconfig"), BACKEND_FLAG("only-migratable"), BACKEND_FLAG("enable-fips"), BACKEND_FLAG("async-teardown"),
	BACKEND_FLAG("enable-sync-profile"), BACKEND_FLAG("perfmap"), BACKEND_FLAG("jitdump"), BACKEND_FLAG("xen-attach"),
	BACKEND_FLAG("xen-domid-restrict"), BACKEND_FLAG("audio-help"), BACKEND_FLAG("h"), BACKEND_FLAG("help"), BACKEND_FLAG("version"),
#undef BACKEND
#undef BACKEND_FLAG
};

static const char *without_dashes(const char *arg)
{
	if (arg[0] == '-')
		arg += arg[1] == '-' ? 2 : 1;
	return arg;
}

const struct option_rule *option_rule_find(const char *name)
{
	name = without_dashes(name);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

bool option_next(const struct guest_facts *facts, size_t *cursor, struct option *ret)
{
	/* The first argument is the program's own name. */
	size_t n = *cursor ? *cursor : 1;
	const char *arg = facts_arg(facts, n), *next;

	if (!arg)
		return false;
	if (arg[0] != '-' || arg[1] == '\0') {
		*ret = (struct option){ .name = "drive", .value = arg, .rule = option_rule_find("drive"), .image = true };
		*cursor = n + 1;
		return true;
	}
	*ret = (struct option){ .name = without_dashes(arg), .rule = option_rule_find(arg) };
	next = facts_arg(facts, n + 1);
	/* An option that is not in the table has a value if what follows looks like one. */
	if (next && (ret->rule ? !ret->rule->flag : next[0] != '-')) {
		ret->value = next;
		n++;
	}
	if (ret->rule && ret->rule->canonical)
		ret->name = ret->rule->canonical;
	if (ret->rule && ret->rule->flag)
		ret->value = ret->rule->value;
	*cursor = n + 1;
	return true;
}

const char *option_plain(const struct guest_facts *facts, const char *name)
{
	size_t size = strlen(name);
	const char *arg;

	for (size_t n = 1; (arg = facts_arg(facts, n)); n++) {
		if (strcmp(arg, name) == 0)
			return facts_arg(facts, n + 1);
		if (size > 2 && strncmp(arg, name, size) == 0 && arg[size] == '=')
			return arg + size + 1;
	}
	return NULL;
}

bool property_next(const char **cursor, struct property *ret)
{
	const char *start = *cursor, *p = start, *equals;

	if (!*start)
		return false;
	while (*p && (p[0] != ',' || p[1] == ','))
		p += p[0] == ',' ? 2 : 1;
	*ret = (struct property){ .text = start, .size = (size_t)(p - start), .value = start, .value_size = (size_t)(p - start) };
	equals = memchr(start, '=', ret->size);
	if (equals) {
		ret->name_size = (size_t)(equals - start);
		ret->value = equals + 1;
		ret->value_size = (size_t)(p - ret->value);
	}
	*cursor = *p ? p + 1 : p;
	return true;
}

bool property_is(const struct property *p, const char *name)
{
	return p->name_size == strlen(name) && memcmp(p->text, name, p->name_size) == 0;
}

bool property_among(const struct property *p, const char *names)
{
	const char *at = names;

	if (p->name_size == 0)
		return false;
	while (*at == ' ' && at[1]) {
		const char *name = at + 1, *end = strchr(name, ' ');

		if (!end)
			break;
		if ((size_t)(end - name) == p->name_size && memcmp(name, p->text, p->name_size) == 0)
			return true;
		at = end;
	}
	return false;
}

bool property_get(const char *list, const char *name, bool implied, struct buffer *out)
{
	struct property p;
	bool first = true;

	for (; property_next(&list, &p); first = false) {
		if (!property_is(&p, name) && !(implied && first && p.name_size == 0))
			continue;
		for (size_t i = 0; i < p.value_size; i++) {
			buffer_append(out, &p.value[i], 1);
			if (p.value[i] == ',')
				i++;
		}
		return true;
	}
	return false;
}
