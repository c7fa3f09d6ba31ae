/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of exceptions: what makes a guest one, and which change it excuses.
 *
 * Sources: QEMU docs/system/cpu-models-x86 (host passthrough, max); target/i386/cpu.c (migration_safe is set for named models and
 * base, not for host and max; leaf 0xA is the host's with pmu=on, the cache leaves with host-cache-info=on; invtsc is not migratable);
 * target/i386/kvm/kvm.c (what blocks migration: invtsc without tsc-freq, hv-passthrough, hv-no-nonarch-coresharing=auto);
 * query-machines (aliases); Ubuntu's machine types (…-hpb: host-phys-bits), QEMU's microvm (the same by default).
 */
#include "userspace/drift/stability.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/options.h"
#include "userspace/base/buffer.h"
#include "userspace/base/glob.h"
#include "userspace/drift/list.h"
#include "userspace/drift/passed.h"
#include "userspace/drift/verdict.h"
#include "userspace/drift/words.h"

/* How much of a hostile text is told. */
#define TOLD_MAX "%.60s"

#define OF_VMM "vmm.*"
#define OF_HOST "host_cpu*|microcode|kernel|kernel.version|kvm.*|host"
#define OF_BOTH OF_VMM "|" OF_HOST

/* What is asked: may this change be so? */
struct question {
	const struct drift *drift; /* NULL: not at hand */
	const struct drift_change *change;
	const struct drift_circumstances *c;
};

struct exception {
	const char *code; /* NULL: excuses, but makes no guest unstable by itself */
	const char *causes; /* glob over factors; NULL: whatever the cause, and where there is none */
	/* Does it hold in this context? A sentence for people goes to `text`, if not NULL. */
	bool (*holds)(const struct context *c, struct buffer *text);
	/* Can it be what made this change, in this context? */
	bool (*covers)(const struct question *q, const struct context *c);
	const char *excuse;
	bool next_boot; /* excuses nothing */
	bool implied;   /* where it covers a change, it holds: not asked again for each change */
};

static const char *factor(const struct context *c, const char *name)
{
	const char *value = context_get(c, name);

	return value ? value : "";
}

static bool is_vmm(const struct context *c, const char *kind)
{
	return strcmp(factor(c, "vmm.kind"), kind) == 0;
}

static void tell(struct buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct buffer *text, const char *format, ...)
{
	va_list args;

	if (!text)
		return;
	va_start(args, format);
	buffer_vprintf(text, format, args);
	va_end(args);
}

/* ---- machine types */

/* Names that stand for the newest of a family. Ubuntu adds two of its own. */
static const struct { const char *name, *newest; } aliases[] = {
	{ "pc", "pc-i440fx" },  { "q35", "pc-q35" },          { "virt", "virt" },   { "ubuntu", "pc-i440fx" },
	{ "ubuntu-q35", "pc-q35" }, { "pseries", "pseries" }, { "xenfv", "xenfv" }, { "s390-ccw-virtio", "s390-ccw-virtio" },
};

/* What follows is a version: a number, a distribution's (rhel9.4.0, 7.2+pve0), or a release's name (jammy). */
static const char *const families[] = { "pc-i440fx-", "pc-q35-", "virt-", "pseries-", "xenfv-", "s390-ccw-virtio-" };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool machine_has_version(const char *name)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strncmp(name, families[i], strlen(families[i])) == 0 && name[strlen(families[i])])
			return true;
	/* pc-1.3, and families that are not known here. */
	for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
		size_t digits = strspn(dash + 1, "0123456789");

		if (digits && dash[1 + digits] == '.' && is_digit(dash[2 + digits]))
			return true;
	}
	return false;
}

static const char *machine_alias(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(name, aliases[i].name) == 0)
			return aliases[i].newest;
	return NULL;
}

static bool alias_holds(const struct context *c, struct buffer *text)
{
	const char *machine = context_get(c, "machine"), *newest = machine ? machine_alias(machine) : NULL;

	if (!is_vmm(c, "qemu"))
		return false;
	if (!machine) {
		/* It may stand in a file that is not read. */
		if (context_get(c, "option.readconfig"))
			return false;
		tell(text, "no machine type is given, so each version of QEMU takes its own default, the newest pc-i440fx");
		return true;
	}
	if (newest)
		tell(text, "machine type %s is an alias: each version of QEMU takes its own newest %s", machine, newest);
	return newest;
}

static const struct { const char *kind, *name; } without_versions[] = {
	{ "firecracker", "Firecracker" }, { "cloud-hypervisor", "Cloud Hypervisor" }, { "crosvm", "crosvm" }, { "kvmtool", "kvmtool" },
};

static bool unversioned_holds(const struct context *c, struct buffer *text)
{
	const char *machine = context_get(c, "machine");

	for (size_t i = 0; i < sizeof(without_versions) / sizeof(without_versions[0]); i++) {
		if (!is_vmm(c, without_versions[i].kind))
			continue;
		tell(text, "%s has no versioned machine types: each version of it may give another machine", without_versions[i].name);
		return true;
	}
	if (!is_vmm(c, "qemu") || !machine || machine_alias(machine) || machine_has_version(machine))
		return false;
	tell(text, "machine type " TOLD_MAX " has no versions: each version of QEMU may give another one", machine);
	return true;
}

/* The machine, all of it; not who the guest is. */
static bool of_machine(const struct question *q, const struct context *c)
{
	(void)c;
	return q->change->facet != FACET_IDENTITY;
}

/* ---- CPU properties */

static bool name_is(const char *text, size_t size, const char *name)
{
	size_t i;

	/* QEMU takes '_' for '-'. */
	for (i = 0; i < size && name[i]; i++)
		if (text[i] != name[i] && !(text[i] == '_' && name[i] == '-'))
			return false;
	return i == size && !name[i];
}

static bool value_is(const char *value, size_t size, const char *wanted)
{
	return strlen(wanted) == size && memcmp(value, wanted, size) == 0;
}

static bool is_on(const char *value, size_t size)
{
	return value_is(value, size, "on") || value_is(value, size, "yes") || value_is(value, size, "true") || value_is(value, size, "y");
}

static bool is_off(const char *value, size_t size)
{
	return value_is(value, size, "off") || value_is(value, size, "no") || value_is(value, size, "false") || value_is(value, size, "n");
}

enum setting { SETTING_NONE, SETTING_ON, SETTING_OFF, SETTING_OTHER /* another value */ };

static enum setting setting_of(const char *value, size_t size)
{
	return is_on(value, size) ? SETTING_ON : is_off(value, size) ? SETTING_OFF : SETTING_OTHER;
}

/* Of "MODEL,+a,-b,c=on,d": '-' wins over '+', and both over the rest. */
static enum setting cpu_setting(const char *cpu, const char *name)
{
	enum setting plain = SETTING_NONE, sign = SETTING_NONE;
	struct property p;
	bool model = true;

	for (; property_next(&cpu, &p); model = false) {
		if (model)
			continue;
		if (p.name_size && name_is(p.text, p.name_size, name))
			plain = setting_of(p.value, p.value_size);
		else if (!p.name_size && p.size > 1 && (p.text[0] == '+' || p.text[0] == '-') && name_is(p.text + 1, p.size - 1, name))
			sign = p.text[0] == '-' || sign == SETTING_OFF ? SETTING_OFF : SETTING_ON;
		else if (!p.name_size && name_is(p.text, p.size, name))
			plain = SETTING_ON;
	}
	return sign != SETTING_NONE ? sign : plain;
}

/* "x86_64-cpu.NAME=on" or "driver=…,property=NAME,value=on", among several joined by "; ". */
static enum setting global_setting(const char *list, const char *name)
{
	enum setting found = SETTING_NONE;

	while (*list) {
		const char *end = strstr(list, "; "), *next = end ? end + 2 : list + strlen(list);
		char *one = strndup(list, end ? (size_t)(end - list) : strlen(list));
		const char *cursor = one ? one : "", *dot = NULL;
		struct buffer property = BUFFER_INIT, value = BUFFER_INIT;
		struct property p;

		if (property_next(&cursor, &p))
			dot = memchr(p.text, '.', p.name_size);
		if (dot && name_is(dot + 1, (size_t)(p.text + p.name_size - dot) - 1, name))
			found = setting_of(p.value, p.value_size);
		else if (one && property_get(one, "property", false, &property) && property.data && name_is(property.data, property.size, name) &&
			 property_get(one, "value", false, &value))
			found = setting_of(value.data ? value.data : "", value.size);
		buffer_release(&property);
		buffer_release(&value);
		free(one);
		list = next;
	}
	return found;
}

/* What -cpu says counts for more than -global. */
static enum setting setting(const struct context *c, const char *name)
{
	enum setting said = cpu_setting(factor(c, "cpu"), name);

	return said != SETTING_NONE ? said : global_setting(factor(c, "option.global"), name);
}

static bool model_is(const struct context *c, const char *model)
{
	const char *cpu = factor(c, "cpu");

	return value_is(cpu, strcspn(cpu, ","), model);
}

static bool host_cpu_holds(const struct context *c, struct buffer *text)
{
	/* Of these three the guest gets what KVM offers; Firecracker's CPU templates cannot be seen from the command line. */
	if (is_vmm(c, "cloud-hypervisor") || is_vmm(c, "crosvm") || is_vmm(c, "kvmtool")) {
		tell(text, "its VMM has no CPU models: the guest sees what this host's CPU and KVM offer");
		return true;
	}
	if (!is_vmm(c, "qemu") || !(model_is(c, "host") || model_is(c, "max")))
		return false;
	tell(text, "-cpu %s: the guest sees what this host's CPU, kernel and QEMU offer", model_is(c, "host") ? "host" : "max");
	return true;
}

/* The CPU, and what firmware tables copy of it. */
static bool of_cpu(const struct question *q, const struct context *c)
{
	const struct drift_change *change = q->change;

	(void)c;
	return change->facet == FACET_CPUID || change->facet == FACET_MSR ||
	       (change->facet == FACET_SMBIOS && glob_match("type4.*/processor_id|type4.*/version", change->key));
}

/* Properties that take from the host what a named CPU model would fix. */
struct unsafe_property {
	const char *name;
	enum setting setting;
	const char *unless;     /* this property makes it safe; NULL */
	const char *cpuid, *msr; /* keys that it moves; NULL: none */
	const char *text;
};

static const struct unsafe_property unsafe_properties[] = {
	{ "migratable", SETTING_OFF, NULL, "*", "*", "migratable=off gives features that cannot be migrated" },
	{ "host-cache-info", SETTING_ON, NULL, "0x00000002.*|0x00000004.*|0x80000005.*|0x80000006.*|0x8000001d.*", NULL,
	  "host-cache-info=on shows this host's caches" },
	{ "pmu", SETTING_ON, NULL, "0x0000000a.*|0x80000022.*", "0x00000345", "pmu=on shows this host's performance counters" },
	{ "hv-passthrough", SETTING_ON, NULL, "0x400000*", "0x400000*", "hv-passthrough shows whatever this host's KVM has of Hyper-V" },
	{ "hv-no-nonarch-coresharing", SETTING_OTHER, NULL, "0x40000004.*", NULL, "hv-no-nonarch-coresharing=auto follows this host's SMT" },
	{ "invtsc", SETTING_ON, "tsc-frequency", "0x80000007.*|0x40000010.*", NULL, "invtsc without tsc-frequency shows this host's clock rate" },
};

static bool unsafe_holds_one(const struct context *c, const struct unsafe_property *p)
{
	return is_vmm(c, "qemu") && setting(c, p->name) == p->setting && !(p->unless && setting(c, p->unless) != SETTING_NONE);
}

static bool unsafe_holds(const struct context *c, struct buffer *text)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(unsafe_properties) / sizeof(unsafe_properties[0]); i++) {
		if (!unsafe_holds_one(c, &unsafe_properties[i]))
			continue;
		tell(text, "%s%s", any ? "; " : "-cpu with ", unsafe_properties[i].text);
		any = true;
	}
	return any;
}

static bool of_unsafe(const struct question *q, const struct context *c)
{
	for (size_t i = 0; i < sizeof(unsafe_properties) / sizeof(unsafe_properties[0]); i++) {
		const struct unsafe_property *p = &unsafe_properties[i];
		const char *keys = q->change->facet == FACET_CPUID ? p->cpuid : q->change->facet == FACET_MSR ? p->msr : NULL;

		if (keys && glob_match(keys, q->change->key) && unsafe_holds_one(c, p))
			return true;
	}
	return false;
}

static bool phys_bits_holds(const struct context *c, struct buffer *text)
{
	enum setting said = setting(c, "host-phys-bits");
	const char *machine = factor(c, "machine");
	bool by_machine = said == SETTING_NONE && glob_match("*-hpb|microvm", machine);

	if (!is_vmm(c, "qemu") || !(said == SETTING_ON || by_machine))
		return false;
	tell(text, "host-phys-bits%s: the width of its physical addresses is this host's", by_machine ? ", by its machine type" : "=on");
	return true;
}

/* That one field of its register, and no other with it. */
static bool of_phys_bits(const struct question *q, const struct context *c)
{
	const struct drift_change *change = q->change;

	(void)c;
	if (change->facet != FACET_CPUID || strcmp(change->key, "0x80000008.0.eax") || change->kind != CHANGE_CHANGED || !change->fields.count)
		return false;
	for (size_t i = 0; i < change->fields.count; i++)
		if (strcmp(change->fields.items[i].bits, "eax[7:0]"))
			return false;
	return true;
}

/* ---- devices that are not QEMU's own */

static bool vfio_holds(const struct context *c, struct buffer *text)
{
	if (!passed_any(c, PASSED_HOST))
		return false;
	tell(text, "devices are passed through (vfio): they are this host's hardware");
	return true;
}

static bool of_passed(const struct question *q, const struct context *c, enum passed_kind kind)
{
	const struct passed *p = c == q->c->to ? q->c->passed_to : q->c->passed_from;

	return p && passed_function(p, kind, q->drift, q->change, q->c->now);
}

static bool of_vfio(const struct question *q, const struct context *c)
{
	return of_passed(q, c, PASSED_HOST);
}

static bool vhost_user_holds(const struct context *c, struct buffer *text)
{
	if (!passed_any(c, PASSED_PROCESS))
		return false;
	tell(text, "devices are served by another process (vhost-user): they are what that one makes of them");
	return true;
}

static bool of_vhost_user(const struct question *q, const struct context *c)
{
	return of_passed(q, c, PASSED_PROCESS);
}

/* ---- another vendor's CPU */

static bool of_other_vendor(const struct question *q, const struct context *c)
{
	const char *from = q->c->from ? context_get(q->c->from, "host_cpu.vendor") : NULL;
	const char *to = q->c->to ? context_get(q->c->to, "host_cpu.vendor") : NULL;

	(void)c;
	return from && to && strcmp(from, to) && of_cpu(q, c);
}

static bool always(const struct context *c, struct buffer *text)
{
	(void)c, (void)text;
	return true;
}

/* ---- what its next cold boot meets */

static bool replaced_holds(const struct context *c, struct buffer *text)
{
	const char *path = context_get(c, "vmm.path");

	if (strcmp(factor(c, "vmm.replaced"), "1"))
		return false;
	tell(text, "%.200s was replaced on disk while it runs: its next start is by another VMM", path ? path : "its VMM's program");
	return true;
}

static bool installed_holds(const struct context *c, struct buffer *text)
{
	const char *runs = context_get(c, "kernel"), *installed = context_get(c, "kernel.installed");

	if (!runs || !installed || strcmp(runs, installed) == 0)
		return false;
	tell(text, "its host runs kernel " TOLD_MAX " and has " TOLD_MAX " installed: after the host's next boot it meets that one", runs, installed);
	return true;
}

#define NOT_SEEN "a VMM that nobody saw"

/* "QEMU 7.2.22" that these came along from, NOT_SEEN; nothing: they are this VMM's own. */
static void came_from(const struct context *c, const char *name, bool tables, struct buffer *out)
{
	const char *from = context_get(c, name), *before = factor(c, "vmm.before");

	if (from) {
		buffer_printf(out, "%s ", words_vmm(factor(c, "vmm.kind")));
		words_version(from, context_get(c, "vmm.version"), out);
	} else if (*before && !(tables && strstr(before, "reset since"))) {
		buffer_string(out, NOT_SEEN);
	}
}

static void own_vmm(const struct context *c, const char *other, struct buffer *out)
{
	buffer_string(out, words_vmm(factor(c, "vmm.kind")));
	if (context_get(c, "vmm.version")) {
		buffer_string(out, " ");
		words_version(factor(c, "vmm.version"), other, out);
	}
}

/* Firmware in a flash device is a file of the guest's, whichever VMM runs it. */
static bool has_flash(const struct context *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (glob_match("option.*|backend.*", c->items[i].factor) && strstr(c->items[i].value, "pflash"))
			return true;
	return false;
}

/* A guest that moved has tables and firmware of where it came from, until this VMM makes its own. Only QEMU has a reset that does. */
static bool moved_holds(const struct context *c, struct buffer *text)
{
	struct buffer tables = BUFFER_INIT, firmware = BUFFER_INIT, own = BUFFER_INIT;
	bool any, same;

	came_from(c, "vmm.tables", true, &tables);
	if (!has_flash(c))
		came_from(c, "vmm.firmware", false, &firmware);
	own_vmm(c, context_get(c, "vmm.firmware"), &own);
	any = is_vmm(c, "qemu") && (tables.size || firmware.size);
	same = tables.size && firmware.size && strcmp(tables.data, firmware.data) == 0;
	if (any && same)
		tell(text, "its ACPI and SMBIOS tables and its firmware came along from %s: %s writes its own tables at the next reset, and loads its own "
			   "firmware at the next cold start", tables.data, own.data);
	else if (any && tables.size)
		tell(text, "its ACPI and SMBIOS tables came along from %s: %s writes its own at the next reset", tables.data, own.data);
	if (any && !same && firmware.size)
		tell(text, "%s firmware came along from %s: %s loads its own at the next cold start", tables.size ? "; its" : "its", firmware.data, own.data);
	if (text && (buffer_failed(&tables) || buffer_failed(&firmware) || buffer_failed(&own)))
		text->failed = true;
	buffer_release(&tables);
	buffer_release(&firmware);
	buffer_release(&own);
	return any;
}

/* ---- the table */

static const struct exception exceptions[] = {
	{ "machine-alias", OF_VMM, alias_holds, of_machine, "its machine type is an alias, which each version of QEMU resolves anew", false, false },
	{ "machine-unversioned", OF_VMM, unversioned_holds, of_machine, "its machine type has no versions", false, false },
	{ "cpu-host", OF_BOTH, host_cpu_holds, of_cpu, "its CPU is what the host offers, not a model of its own", false, false },
	{ "cpu-unsafe", OF_BOTH, unsafe_holds, of_unsafe, "a property of -cpu takes this from the host", false, false },
	{ "host-phys-bits", OF_BOTH, phys_bits_holds, of_phys_bits, "host-phys-bits makes the width of its addresses the host's", false, false },
	{ "vfio", NULL, vfio_holds, of_vfio, "the device is passed through: it is the host's hardware", false, true },
	{ "vhost-user", NULL, vhost_user_holds, of_vhost_user, "the device is served by another process (vhost-user)", false, true },
	{ NULL, OF_HOST, always, of_other_vendor, "the host's CPU is another vendor's", false, false },
	{ "vmm-replaced", NULL, replaced_holds, NULL, NULL, true, false },
	{ "vmm-moved", NULL, moved_holds, NULL, NULL, true, false },
	{ "kernel-installed", NULL, installed_holds, NULL, NULL, true, false },
};

#define EXCEPTIONS (sizeof(exceptions) / sizeof(exceptions[0]))

static int add(struct stability *s, const struct exception *x, struct buffer *text)
{
	struct stability_reason *items = list_room(s->items, s->count, sizeof(*items));
	char *sentence = items ? buffer_take(text, NULL) : NULL;

	if (items)
		s->items = items;
	if (!sentence)
		return -ENOMEM;
	items[s->count++] = (struct stability_reason){ .code = x->code, .text = sentence, .next_boot = x->next_boot };
	return 0;
}

int stability_derive(const struct context *c, struct stability *ret)
{
	struct stability s = STABILITY_INIT;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < EXCEPTIONS; i++) {
		struct buffer text = BUFFER_INIT;

		if (exceptions[i].code && exceptions[i].holds(c, &text))
			r = add(&s, &exceptions[i], &text);
		buffer_release(&text);
	}
	if (r < 0) {
		stability_release(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void stability_release(struct stability *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].text);
	free(s->items);
	*s = (struct stability)STABILITY_INIT;
}

static bool excuses(const struct exception *x, const struct question *q, const char *cause, const struct context *c)
{
	if (x->next_boot || (x->causes && !(cause && glob_match(x->causes, cause))))
		return false;
	/* Most changes are none of most exceptions', which is quickly told. */
	return c && x->covers(q, c) && (x->implied || x->holds(c, NULL));
}

/*
 * One side is enough: a change is between two values, and where either came about under an exception nobody ever promised that the
 * other would be the same.
 */
const char *stability_excuse(const struct drift *d, const struct drift_change *change, const struct drift_cause *cause,
			     const struct drift_circumstances *c)
{
	const struct question q = { .drift = d, .change = change, .c = c };
	const char *name = cause ? cause->factor : NULL;

	for (size_t i = 0; i < EXCEPTIONS; i++)
		if (excuses(&exceptions[i], &q, name, c->to) || excuses(&exceptions[i], &q, name, c->from))
			return exceptions[i].excuse;
	return NULL;
}
