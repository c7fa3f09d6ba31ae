/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/lives.h"

#include <errno.h>
#include <string.h>

#include "bpf/observe.h"
#include "userspace/abi/context.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"
#include "userspace/drift/drift.h"
#include "userspace/drift/words.h"
#include "userspace/store/revision.h"

/* Options of VMMs with which a new VM goes on with another one's memory. */
static const struct {
	const char *option;
	const char *value; /* beginning of its value; "": any */
	enum life life;
	const char *reason;
} options[] = {
	/* QEMU, -incoming: what is read from a file or a program was saved. libvirt says `defer` and passes a descriptor, whichever it is. */
	{ "incoming", "file:", LIFE_RESTORED, "restored from a file" },
	{ "incoming", "exec:", LIFE_RESTORED, "restored from a program's output" },
	{ "incoming", "defer", LIFE_MIGRATED, "migrated in, or restored from a file" },
	{ "incoming", "fd:", LIFE_MIGRATED, "migrated in, or restored from a file" },
	{ "incoming", "", LIFE_MIGRATED, "migrated in" },
	{ "loadvm", "", LIFE_RESTORED, "restored from a snapshot" },
	/* cloud-hypervisor, crosvm */
	{ "restore", "", LIFE_RESTORED, "restored from a snapshot" },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static const char *const names[] = { [LIFE_STARTED] = "started", [LIFE_RESET] = "reset", [LIFE_MIGRATED] = "migrated", [LIFE_RESTORED] = "restored" };

#define LIVES (sizeof(names) / sizeof(names[0]))

/* Its value, if `arg` is that option (with one dash or two); the one behind it is in `next`. NULL: it is not. */
static const char *value_of(const char *arg, const char *next, const char *option)
{
	size_t length = strlen(option);

	if (*arg != '-')
		return NULL;
	arg += arg[1] == '-' ? 2 : 1;
	if (strncmp(arg, option, length) != 0)
		return NULL;
	if (arg[length] == '=')
		return arg + length + 1;
	return arg[length] ? NULL : next ? next : "";
}

/* Row of `options`, or OPTIONS. */
static size_t option_find(const struct guest_facts *facts)
{
	const char *arg;

	for (size_t n = 1; (arg = facts_arg(facts, n)) != NULL; n++)
		for (size_t i = 0; i < OPTIONS; i++) {
			const char *value = value_of(arg, facts_arg(facts, n + 1), options[i].option);

			if (value && strncmp(value, options[i].value, strlen(options[i].value)) == 0)
				return i;
		}
	return OPTIONS;
}

enum life life_of(const struct guest_facts *facts, uint32_t reason)
{
	size_t option;

	switch (reason) {
	case OBSERVE_REASON_FOUND:
		return LIFE_UNKNOWN;
	case OBSERVE_REASON_CREATED:
		option = option_find(facts);
		return option < OPTIONS ? options[option].life : LIFE_STARTED;
	default:
		return LIFE_RESET;
	}
}

const char *life_name(enum life life)
{
	return (size_t)life < LIVES ? names[life] : NULL;
}

enum life life_parse(const char *name)
{
	for (size_t i = 1; name && i < LIVES; i++)
		if (!strcmp(name, names[i]))
			return (enum life)i;
	return LIFE_UNKNOWN;
}

bool life_goes_on(enum life life)
{
	return life == LIFE_MIGRATED || life == LIFE_RESTORED;
}

const char *life_reason(enum life life, const struct guest_facts *facts, uint32_t reason)
{
	size_t option = life_goes_on(life) ? option_find(facts) : OPTIONS;

	if (option < OPTIONS)
		return options[option].reason;
	switch (reason) {
	case OBSERVE_REASON_FOUND: return "found running";
	case OBSERVE_REASON_CREATED: return "started";
	case OBSERVE_REASON_PORT: return "reset by the guest";
	case OBSERVE_REASON_SHUTDOWN: return "reset after a triple fault";
	case OBSERVE_REASON_VMM: return "reset by the VMM";
	default: return "reset";
	}
}

int life_before(struct store *s, const struct store_instance *row, uint32_t *ret_boot, uint32_t *ret_began)
{
	struct store_instance *items = NULL;
	const struct store_instance *before = NULL;
	uint32_t began = 0;
	size_t count = 0;
	int err = store_instances(s, row->guest, &items, &count);

	for (size_t i = 0; err >= 0 && i < count; i++)
		if (items[i].row != row->row && !store_instance_twin(&items[i]) && (!before || items[i].boot > before->boot))
			before = &items[i];
	if (err >= 0 && before && before->settled && before->revision)
		err = store_revision_began(s, row->guest, before->revision, before->boot, &began);
	if (err >= 0) {
		*ret_boot = before ? before->boot : 0;
		*ret_began = began;
	}
	store_instances_free(items, count);
	return err < 0 ? err : 0;
}

/* Its newest life that began before `row`. NULL: there is none. */
static const struct store_instance *source_of(const struct store_instance *items, size_t count, const struct store_instance *row)
{
	const struct store_instance *source = NULL;

	for (size_t i = 0; i < count; i++)
		if (items[i].row != row->row && !store_instance_twin(&items[i]) && items[i].began_at <= row->began_at && (!source || items[i].began_at > source->began_at))
			source = &items[i];
	return source;
}

int life_source(struct store *s, const struct store_instance *row, struct context *ret)
{
	struct store_instance *items = NULL;
	const struct store_instance *source = NULL;
	size_t count = 0;
	int err = store_instances(s, row->guest, &items, &count);

	if (err >= 0)
		err = (source = source_of(items, count, row)) ? 0 : -ENOENT;
	if (err >= 0 && source->context)
		err = context_parse(source->context, strlen(source->context), ret);
	store_instances_free(items, count);
	return err;
}

/* What firmware builds anew with every reset, and lies in the guest's memory: it says which boot that is. */
unsigned life_tables(void)
{
	return 1u << FACET_ACPI | 1u << FACET_SMBIOS | 1u << FACET_FIRMWARE;
}

/* Does a facet of both sides tell, and none of them of a change? */
static int tables_same(const struct abi_entries *was, const struct abi_entries *is, bool *ret)
{
	const struct drift_options what = { .facets = life_tables(), .same_guest = true };
	struct drift drift = DRIFT_INIT;
	bool told = (was->coverage[FACET_ACPI].level && is->coverage[FACET_ACPI].level) ||
		    (was->coverage[FACET_SMBIOS].level && is->coverage[FACET_SMBIOS].level);
	int err = drift_compare(was, NULL, is, NULL, &what, &drift);

	*ret = err >= 0 && told && !drift.change_count;
	drift_release(&drift);
	return err;
}

int life_origin(struct store *s, const struct store_instance *row, const struct abi_entries *tables, enum origin *ret, struct error *e)
{
	struct store_instance *items = NULL;
	const struct store_instance *source = NULL;
	struct store_revision last = { 0 };
	struct abi_entries was = ABI_ENTRIES_INIT;
	bool same = false, judged = false;
	size_t count = 0;
	int err = store_instances(s, row->guest, &items, &count);

	if (err >= 0)
		source = source_of(items, count, row);
	/* Of one whose boot was not judged as a whole nothing can be compared. */
	judged = source && source->settled && source->revision;
	*ret = !source ? ORIGIN_ELSEWHERE : source->running || source->ended_at >= row->began_at ? ORIGIN_STORE : judged ? ORIGIN_OPEN : ORIGIN_ELSEWHERE;
	if (err >= 0 && *ret == ORIGIN_OPEN && tables) {
		err = store_revision_get(s, row->guest, source->revision, &last);
		if (err >= 0)
			err = store_revision_entries(&last, &was, e);
		if (err >= 0)
			err = tables_same(&was, tables, &same);
		*ret = same ? ORIGIN_STORE : ORIGIN_ELSEWHERE;
		err = err == -ENOENT ? 0 : err; /* history that was forgotten */
	}
	entries_release(&was);
	store_revision_release(&last);
	store_instances_free(items, count);
	return err;
}

/* What the guest carries may be older than the VM that it came from: that one had it from another. */
static int carried(const struct context *from, const char *factor, struct context *context)
{
	const char *was = context_get(from, factor) ? context_get(from, factor) : context_get(from, "vmm.version");
	const char *is = context_get(context, "vmm.version");

	return was && is && strcmp(was, is) != 0 ? context_set(context, factor, was) : 0;
}

int life_context(struct store *s, const struct store_instance *row, enum origin origin, bool reset, struct context *context)
{
	struct context from = CONTEXT_INIT;
	int err = origin == ORIGIN_STORE ? life_source(s, row, &from) : -ENOENT;

	/* Firmware stays until the next cold start. */
	if (err == -ENOENT)
		return context_set(context, "vmm.before", reset ? "not known, reset since" : "not known");
	if (err >= 0 && !reset)
		err = carried(&from, "vmm.tables", context);
	if (err >= 0)
		err = carried(&from, "vmm.firmware", context);
	context_release(&from);
	return err;
}

bool life_elsewhere(const struct store_instance *row)
{
	struct context context = CONTEXT_INIT;
	bool ret = row->context && context_parse(row->context, strlen(row->context), &context) >= 0 && context_get(&context, "vmm.before");

	context_release(&context);
	return ret;
}

#define ARROW " \xe2\x86\x92 "

int life_moved(struct store *s, const struct store_instance *row, enum origin origin, const char *reason, struct buffer *ret)
{
	struct context from = CONTEXT_INIT, to = CONTEXT_INIT;
	const char *was, *is;
	int err = life_source(s, row, &from);

	buffer_string(ret, reason);
	if (err == -ENOENT)
		return 0;
	if (err >= 0 && row->context)
		err = context_parse(row->context, strlen(row->context), &to);
	was = context_get(&from, "vmm.version");
	is = context_get(&to, "vmm.version");
	if (err >= 0 && was && is && strcmp(was, is) != 0) {
		const char *kind = words_vmm(context_get(&to, "vmm.kind") ? context_get(&to, "vmm.kind") : "");

		buffer_printf(ret, origin == ORIGIN_STORE ? ": %s " : "; it was last seen in %s ", kind);
		words_version(was, is, ret);
		buffer_string(ret, origin == ORIGIN_STORE ? ARROW : ", and is now in ");
		words_version(is, was, ret);
	}
	context_release(&from);
	context_release(&to);
	return err;
}
