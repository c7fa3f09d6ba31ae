/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "userspace/abi/facet.h"
#include "userspace/base/buffer.h"
#include "userspace/base/config.h"
#include "userspace/base/error.h"
#include "userspace/base/text.h"
#include "userspace/collect/kernel.h"
#include "userspace/commands/options.h"
#include "userspace/commands/output.h"
#include "userspace/commands/privilege.h"
#include "userspace/commands/rules.h"
#include "userspace/commands/settings.h"
#include "userspace/commands/verbs.h"
#include "userspace/serve/json.h"
#include "userspace/serve/table.h"

#define KVM_DEVICE "/dev/kvm"
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define PARAMETER_BYTES 256
#define LABEL_COLUMNS 10
#define LINE_COLUMNS 88

/* What this host was asked for. */
struct host {
	struct kernel *kernel; /* NULL: nothing could be loaded */
	struct error why;
	bool unasked; /* for it takes root */
	const char *memory; /* why the memory of guests is not read, NULL = it is */
};

struct finding {
	enum coverage coverage;
	char reason[sizeof(((struct error *)0)->text)];
	const char *remedy; /* NULL = nothing to do */
};

#define REMEDY_ROOT "run abidrift doctor as root: only root may load what finds out"
#define REMEDY_KVM "load KVM: modprobe kvm_intel or kvm_amd; within a virtual machine switch nested virtualisation on"
#define REMEDY_KERNEL "a kernel with BTF (CONFIG_DEBUG_INFO_BTF, CONFIG_DEBUG_INFO_BTF_MODULES) that has this tracepoint, memory for its maps, and nothing that forbids it"
#define REMEDY_MEMORY "monitor.guest_memory = on, and CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, with kernel.yama.ptrace_scope below 3"

static const char *remedy(const struct host *h)
{
	if (h->unasked)
		return REMEDY_ROOT;
	return access(KVM_DEVICE, F_OK) < 0 ? REMEDY_KVM : REMEDY_KERNEL;
}

static void found(struct finding *f, enum coverage coverage, const char *reason)
{
	f->coverage = coverage;
	f->remedy = NULL;
	snprintf(f->reason, sizeof f->reason, "%s", reason);
}

static void not_found(const struct host *h, struct finding *f, const char *reason)
{
	found(f, COVERAGE_NONE, reason);
	f->remedy = remedy(h);
}

/* Seen as guests touch it, where its tracepoint could be attached. */
static void by_tracepoint(const struct host *h, enum observe_kind kind, const char *reason, struct finding *f)
{
	const char *blind = kernel_blind(h->kernel, kind);

	if (blind)
		not_found(h, f, blind);
	else
		found(f, COVERAGE_WITNESSED, reason);
}

static void find_cpuid(const struct host *h, struct finding *f)
{
	const char *blind = kernel_blind_inventory(h->kernel);
	char reason[sizeof f->reason];

	if (!blind) {
		found(f, COVERAGE_COMPLETE, "the whole table of every vCPU is read from the kernel");
		return;
	}
	by_tracepoint(h, OBSERVE_CPUID, "", f);
	if (f->coverage == COVERAGE_NONE)
		return;
	snprintf(reason, sizeof reason, "only what guests ask for: %.300s", blind);
	found(f, COVERAGE_WITNESSED, reason);
	f->remedy = remedy(h);
}

static void find_memory(const struct host *h, struct finding *f)
{
	const char *blind = kernel_blind_inventory(h->kernel);

	if (blind)
		not_found(h, f, blind);
	else
		found(f, COVERAGE_COMPLETE, "all memory slots are read from the kernel");
}

static void find_pci(const struct host *h, struct finding *f)
{
	const char *blind = kernel_blind_resets(h->kernel);
	char reason[sizeof f->reason];

	by_tracepoint(h, OBSERVE_PCI, "", f);
	if (f->coverage == COVERAGE_NONE)
		return;
	if (!blind) {
		found(f, COVERAGE_COMPLETE, "of guests whose boot is seen from its reset on; of those that run already: what they touch");
		return;
	}
	snprintf(reason, sizeof reason, "resets are not seen: %.300s", blind);
	found(f, COVERAGE_WITNESSED, reason);
	f->remedy = remedy(h);
}

/* ACPI, SMBIOS, NUMA, firmware: out of the guests' memory. */
static void find_tables(const struct host *h, struct finding *f)
{
	const char *blind = kernel_blind_inventory(h->kernel);

	if (blind) {
		not_found(h, f, blind);
	} else if (h->memory) {
		found(f, COVERAGE_NONE, h->memory);
		f->remedy = REMEDY_MEMORY;
	} else {
		found(f, COVERAGE_COMPLETE, "read from the guest's memory, unless that is private (SEV, TDX, guest_memfd)");
	}
}

static void find_facet(const struct host *h, const struct facet *facet, struct finding *f)
{
	if (facet->id == FACET_IDENTITY) {
		found(f, COVERAGE_WITNESSED, "from the command line of the VMM, SMBIOS, and MAC addresses that guests read");
		return;
	}
	if (!h->kernel) {
		not_found(h, f, h->unasked ? "not known without root" : h->why.text);
		return;
	}
	switch (facet->id) {
	case FACET_CPUID:
		find_cpuid(h, f);
		return;
	case FACET_MEMORY:
		find_memory(h, f);
		return;
	case FACET_PCI:
		find_pci(h, f);
		return;
	case FACET_PORTS:
		by_tracepoint(h, OBSERVE_PORT, "what guests touch", f);
		return;
	case FACET_MMIO:
		by_tracepoint(h, OBSERVE_MMIO, "what guests touch, but for what KVM answers itself", f);
		return;
	case FACET_PLACEMENT:
		by_tracepoint(h, OBSERVE_PCI, "what firmware and OS programmed", f);
		return;
	case FACET_MSR:
		by_tracepoint(h, OBSERVE_MSR, "what guests read, as far as the processor leaves it to KVM", f);
		return;
	default:
		find_tables(h, f);
		return;
	}
}

static void parameters_of(const char *module, json_t *parameters)
{
	char path[512], value[PARAMETER_BYTES];
	const struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof path, "/sys/module/%s/parameters", module);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/sys/module/%s/parameters/%s", module, entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(value, sizeof value, file)) {
			value[strcspn(value, "\n")] = 0;
			snprintf(path, sizeof path, "%s.%s", module, entry->d_name);
			json_object_set_new(parameters, path, json_text(value));
		}
		if (file)
			fclose(file);
	}
	if (folder)
		closedir(folder);
}

static json_t *load_ms(const struct host *h)
{
	return h->kernel ? json_integer((json_int_t)(kernel_load_ms(h->kernel) + 0.5)) : json_null();
}

/* What was given up, a line each. */
static json_t *notes_json(const struct host *h)
{
	const char *text = h->kernel ? kernel_notes(h->kernel) : "";
	json_t *lines = json_array();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		json_array_append_new(lines, json_stringn(text, n));
	}
	return lines;
}

static json_t *kernel_json(const struct host *h)
{
	static const char *const modules[] = { "kvm", "kvm_intel", "kvm_amd" };
	json_t *parameters = json_object();
	struct utsname name;

	uname(&name);
	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
		parameters_of(modules[i], parameters);
	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "release", json_text(name.release), "version", json_text(name.version),
			 "machine", json_text(name.machine), "btf", access(KERNEL_BTF, R_OK) == 0, "kvm", access(KVM_DEVICE, F_OK) == 0,
			 "loaded", h->unasked ? json_null() : json_boolean(h->kernel != NULL), "load_ms", load_ms(h), "reason", json_text(h->why.text), "notes", notes_json(h),
			 "parameters", parameters);
}

static json_t *doctor_json(const struct host *h)
{
	json_t *facets = json_array();
	bool ok = h->kernel != NULL;

	for (int i = 0; i < FACETS; i++) {
		const struct facet *facet = facet_get((enum facet_id)i);
		struct finding f;

		find_facet(h, facet, &f);
		ok &= f.coverage != COVERAGE_NONE;
		json_array_append_new(facets, json_pack("{s:s, s:s, s:o, s:o}", "facet", facet->name, "coverage", coverage_name(f.coverage),
							"reason", json_text(f.reason), "remedy", json_text(f.remedy)));
	}
	return json_pack("{s:o, s:o, s:b}", "facets", facets, "kernel", kernel_json(h), "ok", ok);
}

/* Options of a kernel are many: lines of LINE_COLUMNS, sorted. */
static void parameters_text(json_t *parameters, struct buffer *out)
{
	json_t *names = json_array(), *value;
	const char *name;
	size_t column = 0;

	json_object_foreach(parameters, name, value)
	{
		size_t at = 0;

		while (at < json_array_size(names) && strcmp(json_string_value(json_array_get(names, at)), name) < 0)
			at++;
		json_array_insert_new(names, at, json_string(name));
	}
	for (size_t i = 0; i < json_array_size(names); i++) {
		struct buffer one = BUFFER_INIT;

		name = json_string_value(json_array_get(names, i));
		buffer_printf(&one, "%s=", name);
		output_member(&one, parameters, name);
		if (column && column + 1 + one.size > LINE_COLUMNS) {
			buffer_printf(out, "\n%*s", LABEL_COLUMNS, "");
			column = 0;
		}
		buffer_printf(out, "%s%s", column ? " " : "", one.data ? one.data : "");
		column += one.size + 1;
		buffer_release(&one);
	}
	buffer_string(out, column ? "\n" : "-\n");
	json_decref(names);
}

static void kernel_text(const json_t *kernel, bool more, struct buffer *out)
{
	const json_t *note;
	size_t i;

	buffer_printf(out, "%-*s", LABEL_COLUMNS, "kernel");
	output_member(out, kernel, "release");
	buffer_printf(out, "\n%-*s%s\n", LABEL_COLUMNS, "BTF",
		      json_is_true(json_object_get(kernel, "btf")) ? "yes" : "missing (" KERNEL_BTF ")");
	buffer_printf(out, "%-*s%s\n", LABEL_COLUMNS, KVM_DEVICE, json_is_true(json_object_get(kernel, "kvm")) ? "yes" : "missing");
	if (json_is_integer(json_object_get(kernel, "load_ms")))
		buffer_printf(out, "%-*sloaded and attached in %" JSON_INTEGER_FORMAT " ms\n", LABEL_COLUMNS, "programs",
			      json_integer_value(json_object_get(kernel, "load_ms")));
	json_array_foreach(json_object_get(kernel, "notes"), i, note)
		buffer_printf(out, "%-*s%s\n", LABEL_COLUMNS, i ? "" : "notes", json_string_value(note));
	if (more) {
		buffer_printf(out, "%-*s", LABEL_COLUMNS, "options");
		parameters_text(json_object_get(kernel, "parameters"), out);
	}
	buffer_string(out, "\n");
}

/* Each remedy once, with all that it would show. */
static void remedies_text(const json_t *facets, struct buffer *out)
{
	static const char *const remedies[] = { REMEDY_ROOT, REMEDY_KVM, REMEDY_KERNEL, REMEDY_MEMORY };
	const json_t *facet;
	size_t i;

	for (size_t r = 0; r < sizeof remedies / sizeof *remedies; r++) {
		bool any = false;

		json_array_foreach(facets, i, facet)
		{
			const char *what = output_string(facet, "remedy");

			if (!what || strcmp(what, remedies[r]))
				continue;
			buffer_string(out, any ? ", " : "To see ");
			output_member(out, facet, "facet");
			any = true;
		}
		if (any)
			buffer_printf(out, ": %s\n\n", remedies[r]);
	}
}

static void doctor_text(const json_t *model, bool more, struct buffer *out)
{
	static const char *const headings[] = { "FACET", "COVERAGE", "WHY", NULL };
	const json_t *facets = json_object_get(model, "facets"), *facet;
	struct table *t = table_new(headings, false);
	size_t i;

	kernel_text(json_object_get(model, "kernel"), more, out);
	json_array_foreach(facets, i, facet)
	{
		table_member(t, facet, "facet");
		table_member(t, facet, "coverage");
		table_member(t, facet, "reason");
	}
	table_end(t, "", out);
	buffer_string(out, "\n");
	remedies_text(facets, out);
	rules_text(model, out);
	buffer_printf(out, "%s\n",
		      json_is_true(json_object_get(model, "ok")) ? "All that this version knows can be seen here."
								 : "Not everything can be seen here; abidrift replay works everywhere.");
}

static bool memory_switched_off(const struct options *o)
{
	struct error e = ERROR_INIT;
	struct config *config = NULL;
	bool off = settings_load(o, &config, &e) >= 0 && strcmp(config_get(config, "monitor.guest_memory"), "off") == 0;

	config_free(config);
	return off;
}

int verb_doctor(const struct options *o)
{
	struct kernel_options defaults = { 0 };
	struct host host = { .why = ERROR_INIT };
	struct buffer text = BUFFER_INIT;
	json_t *model, *rules;
	bool mistaken;
	int code, err = privilege_check("doctor", &host.why);

	host.unasked = err == -EPERM;
	/* What is told is what a collector sees, which has no more than this. */
	if (err >= 0)
		err = privilege_collector(&host.why);
	if (err >= 0)
		kernel_new(&defaults, &host.kernel, &host.why);
	host.memory = memory_switched_off(o) ? "monitor.guest_memory is off" : privilege_memory();
	model = doctor_json(&host);
	rules = rules_json(o);
	if (json_object_update(model, rules) < 0) {
		json_decref(model);
		model = NULL;
	}
	json_decref(rules);
	kernel_free(host.kernel);
	/* What is seen is told all the same. */
	mistaken = output_string(model, "suppressions_error");
	if (!model || o->json) {
		code = output_json(o, model);
		return mistaken && !code ? 2 : code;
	}
	doctor_text(model, o->verbose, &text);
	code = output_text(o, &text);
	buffer_release(&text);
	json_decref(model);
	return mistaken && !code ? 2 : code;
}
