/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/kernel_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "userspace/base/error.h"
#include "userspace/collect/kernel_pins.h"

#define RING_BYTES_DEFAULT (1u << 20)
#define CAPACITY_MIN 1024u
#define QUOTA_MIN 64u
#define QUOTA_MAX 1024u
#define GUEST_FACTS 8192u              /* what the quotas of one guest add up to, nearly */
#define GUEST_MEMORY (512ull << 20)    /* a guest per so much of the host's memory */
#define GUESTS_MIN 32u
#define GUESTS_MAX 256u
#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"
#define KVM_BTF "/sys/kernel/btf/kvm"
#define KVM_MODULE "/sys/module/kvm" /* built in or loaded */
#define LOCKDOWN "/sys/kernel/security/lockdown"
#define STATS_SWITCH "/proc/sys/kernel/bpf_stats_enabled"

/*
 * Prototypes that the programs are written for: i = 4-byte integer, l = 8-byte integer, b = bool, p = pointer. `field` is one
 * that only this form of the event's text format has; it decides where there is no BTF of kvm (a module before 5.11).
 */
static const struct program_spec {
	const char *tracepoint;
	const char *arguments;
	const char *field;
} specs[PROGRAMS] = {
	[PROGRAM_CPUID] = { "kvm_cpuid", "iillllbb", "used_max_basic" },
	[PROGRAM_PORTS] = { "kvm_pio", "iiiip", "count" },
	[PROGRAM_MMIO] = { "kvm_mmio", "iilp", "gpa" },
	[PROGRAM_FAST_MMIO] = { "kvm_fast_mmio", "l", "fast_mmio" },
	[PROGRAM_MSR] = { "kvm_msr", "iilb", "exception" },
	[PROGRAM_RESETS] = { "kvm_write_tsc_offset", "ill", "next_tsc_offset" },
	[PROGRAM_SHUTDOWNS] = { "kvm_userspace_exit", "ii", "reason" },
	[PROGRAM_INVENTORY] = { NULL, NULL, NULL },
	[PROGRAM_FORGET] = { NULL, NULL, NULL },
};
static _Thread_local char last_message[KERNEL_REASON_BYTES];

int kernel_keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	/* What is tried again in another way says so, and fails by another line if that fails too. */
	if (level == LIBBPF_WARN && !last_message[0] && !strstr(format, "Retrying without BTF"))
		vsnprintf(last_message, sizeof(last_message), format, args);
	return 0;
}

static const char *const program_names[PROGRAMS] = { "cpuid", "ports", "mmio", "fast_mmio", "msr", "resets", "shutdowns", "inventory", "forget" };

const char *kernel_program_name(enum program p)
{
	return program_names[p];
}

struct bpf_program *kernel_program(const struct abidrift_bpf *skel, enum program p)
{
	switch (p) {
	case PROGRAM_CPUID: return skel->progs.cpuid;
	case PROGRAM_PORTS: return skel->progs.ports;
	case PROGRAM_MMIO: return skel->progs.mmio;
	case PROGRAM_FAST_MMIO: return skel->progs.fast_mmio;
	case PROGRAM_MSR: return skel->progs.msr;
	case PROGRAM_RESETS: return skel->progs.resets;
	case PROGRAM_SHUTDOWNS: return skel->progs.shutdowns;
	case PROGRAM_FORGET: return skel->progs.forget;
	default: return skel->progs.inventory;
	}
}

/* ---- loading */

static uint32_t default_facts(void)
{
	struct sysinfo info;
	uint64_t guests = GUESTS_MIN;

	if (sysinfo(&info) == 0)
		guests = (uint64_t)info.totalram * info.mem_unit / GUEST_MEMORY;
	if (guests < GUESTS_MIN)
		guests = GUESTS_MIN;
	if (guests > GUESTS_MAX)
		guests = GUESTS_MAX;
	return (uint32_t)guests * GUEST_FACTS;
}

static uint32_t power_of_two(uint32_t n, uint32_t least)
{
	uint32_t p = least;

	while (p < n && p < 1u << 30)
		p <<= 1;
	return p;
}

/* Maps of one program alone are there only if it is: a lack of memory for one takes no other program along. */
static int maps_autocreate(const struct abidrift_bpf *skel, unsigned mask)
{
	const struct { enum program program; struct bpf_map *map; } own[] = {
		{ PROGRAM_CPUID, skel->maps.cpuid_cache },         { PROGRAM_PORTS, skel->maps.port_cache }, { PROGRAM_PORTS, skel->maps.fwcfg_bytes_at },
		{ PROGRAM_MMIO, skel->maps.mmio_cache },           { PROGRAM_MSR, skel->maps.msr_cache },
		{ PROGRAM_FAST_MMIO, skel->maps.fast_mmio_cache }, { PROGRAM_PORTS, skel->maps.pci_port_cache }, { PROGRAM_MMIO, skel->maps.pci_ecam_cache },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(*own) && r >= 0; i++)
		r = bpf_map__set_autocreate(own[i].map, mask & 1u << own[i].program);
	return r;
}

static int skeleton_open(struct kernel *k, const struct kernel_options *options, struct abidrift_bpf **ret)
{
	uint32_t facts = options->facts ? options->facts : default_facts(), quota = options->quota;
	int cpus = libbpf_num_possible_cpus(), r;
	struct abidrift_bpf *skel;

	if (cpus < 0)
		return cpus;
	skel = abidrift_bpf__open();
	if (!skel) {
		r = -errno;
		return r < 0 ? r : -EINVAL;
	}
	if (k->facts_most && facts > k->facts_most)
		facts = k->facts_most;
	if (facts < CAPACITY_MIN)
		facts = CAPACITY_MIN;
	if (k->pins && !options->facts)
		facts = pins_capacity(k->pins, facts);
	k->ring_bytes = power_of_two(options->ring_bytes ? options->ring_bytes : RING_BYTES_DEFAULT, (uint32_t)getpagesize());
	if (!quota) {
		quota = facts / (GUESTS_MIN * OBSERVE_CLASSES);
		quota = quota < QUOTA_MIN ? QUOTA_MIN : quota > QUOTA_MAX ? QUOTA_MAX : quota;
	}
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		skel->rodata->quota[i] = i == OBSERVE_CLASS_PCI_HEADER || i == OBSERVE_CLASS_PCI_BODY ? 2 * quota : quota;
	skel->rodata->ring_urgent_bytes = k->ring_bytes / 4;
	bpf_map__set_max_entries(skel->maps.cpuid_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.port_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.fast_mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.pci_port_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.pci_ecam_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.msr_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.facts, facts);
	k->facts_most = facts;
	bpf_map__set_max_entries(skel->maps.news, k->ring_bytes);
	if (k->pins) {
		skel->rodata->owner = pins_owner(k->pins);
		r = pins_reuse(k->pins, skel, &k->notes);
		if (r < 0) {
			abidrift_bpf__destroy(skel);
			return r;
		}
	}
	*ret = skel;
	return 0;
}

struct bpf_program *kernel_turn(const struct kernel *k, enum program p, unsigned turn)
{
	if (k->turns && (unsigned)p < TURNS_PROGRAMS)
		return turns_program(k->skel, p, turn);
	return turn ? NULL : kernel_program(k->skel, p);
}

/* Opens and loads the programs of `mask`. */
static int skeleton_load(struct kernel *k, const struct kernel_options *options, const struct turns *turns, unsigned mask, struct abidrift_bpf **ret)
{
	struct abidrift_bpf *skel = NULL;
	int r;

	last_message[0] = 0;
	r = skeleton_open(k, options, &skel);
	if (r < 0)
		return r;
	for (enum program p = 0; p < PROGRAMS; p++)
		bpf_program__set_autoload(kernel_program(skel, p), mask & 1u << p);
	r = maps_autocreate(skel, mask);
	if (r >= 0)
		r = turns_autocreate(skel, k->turns);
	if (r >= 0 && k->turns)
		r = turns_prepare(skel, turns, mask);
	if (r >= 0)
		r = abidrift_bpf__load(skel);
	/* libbpf takes a kernel that had no memory when it asked for one that cannot do this (before 5.5), and goes on. */
	if (r >= 0 && (!skel->rodata || !skel->data)) {
		snprintf(last_message, sizeof(last_message), "this kernel lends no map's memory to programs outside of it");
		r = -ENOTSUP;
	}
	if (r >= 0 && k->turns)
		r = turns_loaded(skel, mask);
	if (r < 0) {
		abidrift_bpf__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

static void chomp(char *text)
{
	text[strcspn(text, "\n")] = 0;
}

/* libbpf says of which program it failed, before all else. PROGRAMS: of none, or it says it in another way. */
static enum program refused_program(unsigned mask)
{
	char text[80];

	for (enum program p = 0; p < PROGRAMS; p++) {
		snprintf(text, sizeof(text), "prog '%s': ", program_names[p]);
		if (mask & 1u << p && strstr(last_message, text))
			return p;
	}
	return PROGRAMS;
}

/* What a verifier, or a kernel that lacks something, says for good; a lack of memory passes. */
static bool refused_for_good(int r)
{
	return r == -EINVAL || r == -EACCES || r == -E2BIG || r == -EOPNOTSUPP || r == -ENOTSUP || r == -ENOENT || r == -ESRCH || r == -EFAULT;
}

static void refuse(struct kernel *k, enum program p, int r)
{
	chomp(last_message);
	k->refused[p] = true;
	snprintf(k->reasons[p], KERNEL_REASON_BYTES, "%s program %s: %s%s%.180s", r == -ENOMEM ? "there is no memory for" : "this kernel refuses", program_names[p],
		 strerror(-r), last_message[0] ? ": " : "", last_message);
}

/* Each alone: those that this kernel takes. */
static unsigned load_each(struct kernel *k, const struct kernel_options *options, const struct turns *turns, unsigned mask)
{
	for (enum program p = 0; p < PROGRAMS; p++) {
		struct abidrift_bpf *skel = NULL;
		int r = mask & 1u << p ? skeleton_load(k, options, turns, 1u << p, &skel) : 0;

		if (r < 0) {
			refuse(k, p, r);
			mask &= ~(1u << p);
		}
		abidrift_bpf__destroy(skel);
	}
	return mask;
}

/* Programs that take turns where they have to; as they are where this kernel refuses that. */
static int load_all(struct kernel *k, const struct kernel_options *options, const struct turns *turns, unsigned mask)
{
	char why[KERNEL_REASON_BYTES] = "it lacks what that needs";
	int r;

	k->turns = (turns->wanted || options->turns) && turns->possible;
	r = skeleton_load(k, options, turns, mask, &k->skel);
	if (r < 0 && k->turns && refused_for_good(r)) {
		chomp(last_message);
		snprintf(why, sizeof(why), "%s: %.200s", strerror(-r), last_message);
		k->turns = false;
		r = skeleton_load(k, options, turns, mask, &k->skel);
	}
	if (r >= 0 && turns->wanted && !k->turns)
		buffer_printf(&k->notes, "this kernel preempts programs, and they cannot take turns on it (%s): what happens on a CPU meanwhile is lost, and counted\n", why);
	return r;
}

/* The map of facts is by far the largest. Where there is no memory for it, it has room for fewer guests. */
static int load_smaller(struct kernel *k, const struct kernel_options *options, const struct turns *turns, unsigned mask)
{
	int r = -ENOMEM;

	while (r == -ENOMEM && strstr(last_message, "map 'facts'") && k->facts_most > CAPACITY_MIN) {
		k->facts_most /= 2;
		r = load_all(k, options, turns, mask);
	}
	return r;
}

/* Then no program may read the kernel's memory: the verifier knows no such function, and does not say why. */
static bool confidential(void)
{
	char line[80] = "";
	FILE *f = fopen(LOCKDOWN, "re");

	if (f) {
		(void)!fgets(line, sizeof(line), f);
		fclose(f);
	}
	return strstr(line, "[confidentiality]");
}

/* In the kernel's own words, and what a person may do about it. */
static int load_failed(int r, struct error *e)
{
	const char *colon = last_message[0] ? ": " : "";

	chomp(last_message);
	if (r == -EPERM)
		return error_set(e, -r, "loading BPF programs: %s%s%s; run as root (CAP_BPF, CAP_PERFMON), with LimitMEMLOCK=infinity on Linux 5.10; where a "
				 "security module or lockdown forbids BPF it is refused altogether; abidrift replay works without", strerror(-r), colon, last_message);
	if (r == -ENOSYS)
		return error_set(e, -r, "loading BPF programs: this kernel has no BPF; abidrift replay works without");
	if (r == -ENOMEM)
		return error_set(e, -r, "loading BPF programs: %s%s%s; this host, or the memory limit that abidrift runs under, leaves too little for its maps; "
				 "abidrift replay works without", strerror(-r), colon, last_message);
	if (confidential())
		return error_set(e, -r, "loading BPF programs: %s%s%s; this kernel is locked down for confidentiality (%s), so that BPF programs may not read its "
				 "memory; lockdown=integrity does not forbid it; abidrift replay works without", strerror(-r), colon, last_message, LOCKDOWN);
	return error_set(e, -r, "loading BPF programs: %s%s%s; abidrift needs Linux 5.10 or newer with BTF (%s); abidrift replay works without", strerror(-r), colon, last_message, VMLINUX_BTF);
}

/* All programs; where this kernel refuses one of them, those that it takes. */
static int load(struct kernel *k, const struct kernel_options *options, const struct turns *turns, struct error *e)
{
	unsigned mask = (1u << PROGRAMS) - 1;
	uint32_t wanted;
	enum program p;
	int r, first;

	r = load_all(k, options, turns, mask);
	wanted = k->facts_most;
	if (r == -ENOMEM)
		r = load_smaller(k, options, turns, mask);
	first = r;
	while (r < 0 && refused_for_good(r) && (p = refused_program(mask)) < PROGRAMS) {
		refuse(k, p, r);
		mask &= ~(1u << p);
		r = mask ? skeleton_load(k, options, turns, mask, &k->skel) : first;
	}
	if (r < 0 && mask) {
		mask = load_each(k, options, turns, mask);
		r = mask ? skeleton_load(k, options, turns, mask, &k->skel) : first;
	}
	if (r >= 0 && k->facts_most < wanted)
		buffer_printf(&k->notes, "there is no memory for a map of %u facts: it has room for %u, and what guests show beyond that is counted as lost\n", wanted,
			      k->facts_most);
	return r < 0 ? load_failed(r, e) : 0;
}

/* ---- attaching */

/* The kind letter of a type: see specs. */
static char kind_of(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t;
	int64_t size;

	int resolved = btf__resolve_type(btf, id);

	if (resolved < 0)
		return '?';
	t = btf__type_by_id(btf, (uint32_t)resolved);
	if (!t)
		return '?';
	if (btf_is_ptr(t))
		return 'p';
	if (!btf_is_int(t) && !btf_is_any_enum(t))
		return '?';
	size = btf__resolve_size(btf, id);
	return size == 8 ? 'l' : size == 4 ? 'i' : size == 1 ? 'b' : '?';
}

/* Arguments of btf_trace_<tracepoint>, as letters; without the void * that comes first. -ENOENT: no such typedef among the types from `first` on. */
static int prototype_of(const struct btf *btf, uint32_t first, const char *tracepoint, char *letters, size_t room)
{
	struct type_wanted is = { .kind = BTF_KIND_TYPEDEF };
	const struct btf_type *t;
	const struct btf_param *params;
	char name[128];
	size_t n;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	is.name = name;
	types_find(btf, first, &is, 1);
	if (!is.id)
		return -ENOENT;
	t = btf__type_by_id(btf, btf__type_by_id(btf, is.id)->type);
	if (t && btf_is_ptr(t))
		t = btf__type_by_id(btf, t->type);
	if (!t || !btf_is_func_proto(t) || btf_vlen(t) < 1)
		return -EINVAL;
	n = btf_vlen(t) - 1u;
	if (n + 1 > room)
		return -E2BIG;
	params = btf_params(t) + 1;
	for (size_t i = 0; i < n; i++)
		letters[i] = kind_of(btf, params[i].type);
	letters[n] = 0;
	return 0;
}

/* Before module BTF: does the event's text format name the field? 1, 0, -ENOENT: no format to read. */
static int format_has(const char *tracepoint, const char *field)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[160], line[256], wanted[80];
	int found = 0;
	FILE *f = NULL;

	for (size_t i = 0; i < 2 && !f; i++) {
		snprintf(path, sizeof(path), "%s/events/kvm/%s/format", roots[i], tracepoint);
		f = fopen(path, "re");
	}
	if (!f)
		return -ENOENT;
	snprintf(wanted, sizeof(wanted), " %s;", field);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "field:") && strstr(line, wanted);
	fclose(f);
	return found;
}

/* 0: the tracepoint has the form that the program is written for, or the kernel's own check of the argument count must do. */
static int check_prototype(const struct btf *vmlinux, const struct btf *module, const struct program_spec *s, char *reason)
{
	char letters[32] = "";
	int r = -ENOENT;

	if (module)
		r = prototype_of(module, btf__type_cnt(vmlinux), s->tracepoint, letters, sizeof(letters));
	if (r == -ENOENT && vmlinux)
		r = prototype_of(vmlinux, 1, s->tracepoint, letters, sizeof(letters));
	if (r == 0) {
		if (strcmp(letters, s->arguments) == 0)
			return 0;
		snprintf(reason, KERNEL_REASON_BYTES, "tracepoint %s has other arguments on this kernel (%s, not %s)", s->tracepoint, letters,
			 s->arguments);
		return -EPROTO;
	}
	if (r == -ENOENT && !module) {
		if (format_has(s->tracepoint, s->field) != 0)
			return 0;
		snprintf(reason, KERNEL_REASON_BYTES, "tracepoint %s has no field %s on this kernel", s->tracepoint, s->field);
		return -EPROTO;
	}
	snprintf(reason, KERNEL_REASON_BYTES, "tracepoint %s is not described by this kernel's BTF (no typedef btf_trace_%s)", s->tracepoint, s->tracepoint);
	return -ENOENT;
}

/* All that hangs on a tracepoint, or nothing of it. */
static int attach_turns(struct kernel *k, enum program p, const char *tracepoint)
{
	for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
		struct bpf_program *program = kernel_turn(k, p, turn);

		if (!program || k->links[p][turn])
			continue;
		k->links[p][turn] = bpf_program__attach_raw_tracepoint(program, tracepoint);
		if (k->links[p][turn])
			continue;
		return -errno;
	}
	return 0;
}

static void detach(struct kernel *k, enum program p)
{
	for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
		bpf_link__destroy(k->links[p][turn]);
		k->links[p][turn] = NULL;
	}
}

static void attach(struct kernel *k, struct btf *vmlinux)
{
	struct btf *module = NULL;

	k->kvm_there = access(KVM_MODULE, F_OK) == 0;
	if (vmlinux && access(KVM_BTF, R_OK) == 0)
		module = btf__parse_split(KVM_BTF, vmlinux);
	for (enum program p = 0; p < PROGRAMS; p++) {
		const struct program_spec *s = &specs[p];
		int r;

		if (k->reasons[p][0] || k->links[p][0] || !s->tracepoint)
			continue;
		if (check_prototype(vmlinux, module, s, k->reasons[p]) < 0)
			continue;
		r = attach_turns(k, p, s->tracepoint);
		if (r == 0)
			continue;
		detach(k, p);
		if (r == -ENOENT)
			snprintf(k->reasons[p], KERNEL_REASON_BYTES, "this kernel has no tracepoint %s: is KVM there (module kvm loaded)?", s->tracepoint);
		else
			snprintf(k->reasons[p], KERNEL_REASON_BYTES, "attaching to tracepoint %s: %s", s->tracepoint, strerror(-r));
	}
	btf__free(module);
}

/* The kernel says which program a link runs, as long as it is one. */
static bool link_lives(const struct bpf_program *of, const struct bpf_link *is)
{
	struct bpf_prog_info program = { 0 };
	struct bpf_link_info link = { 0 };
	uint32_t program_size = sizeof(program), link_size = sizeof(link);

	return bpf_obj_get_info_by_fd(bpf_program__fd(of), &program, &program_size) == 0 &&
	       bpf_obj_get_info_by_fd(bpf_link__fd(is), &link, &link_size) == 0 && link.prog_id == program.id;
}

static bool links_live(const struct kernel *k, enum program p)
{
	bool all = true;

	for (unsigned turn = 0; turn < KERNEL_TURNS && all; turn++)
		all = !k->links[p][turn] || link_lives(kernel_turn(k, p, turn), k->links[p][turn]);
	return all;
}

bool kernel_check(struct kernel *k)
{
	bool came = !k->kvm_there && access(KVM_MODULE, F_OK) == 0, any = false;
	libbpf_print_fn_t before;
	struct btf *vmlinux;

	if (k->pins)
		pins_used(k->pins);
	for (enum program p = 0; p < PROGRAMS; p++) {
		if (!specs[p].tracepoint || k->refused[p])
			continue;
		if (k->links[p][0] && !links_live(k, p)) {
			detach(k, p);
			if (k->pins)
				pins_lost(k->pins, p);
		} else if (k->links[p][0] || !came) {
			continue;
		}
		k->reasons[p][0] = 0;
		any = true;
	}
	if (!any)
		return false;
	before = libbpf_set_print(kernel_keep_message);
	vmlinux = btf__load_vmlinux_btf();
	attach(k, vmlinux);
	btf__free(vmlinux);
	if (k->pins)
		pins_follow(k->pins, k);
	libbpf_set_print(before);
	return true;
}

/* What no facet's coverage tells, since it costs none of them all that it shows. */
static void note_small(struct kernel *k)
{
	static const struct { enum program program; const char *costs; } small[] = {
		{ PROGRAM_CPUID, "what guests ask CPUID for is known from their tables alone" },
		{ PROGRAM_FAST_MMIO, "accesses to memory that KVM takes for events are not seen" },
		{ PROGRAM_SHUTDOWNS, "a reset after a triple fault is known only once the VMM resets the guest" },
		{ PROGRAM_FORGET, "PCI configuration in memory that was touched before it was known as such may be missed" },
	};

	for (size_t i = 0; k->kvm_there && i < sizeof(small) / sizeof(*small); i++)
		if (k->reasons[small[i].program][0])
			buffer_printf(&k->notes, "%s: %s\n", small[i].costs, k->reasons[small[i].program]);
}

static int take_nothing(void *context, const struct observe_news *news)
{
	(void)context;
	(void)news;
	return 0;
}

/*
 * Maps of an earlier abidrift: what was told then, or could not be told because nobody drained the ring, is in them, and the first
 * sweep finds it. Counted first: what is dropped from here on is news.
 */
static void taken_over(struct kernel *k)
{
	uint64_t counters[OBSERVE_COUNTERS];

	if (kernel_counters(k, counters) >= 0) {
		k->before[OBSERVE_COUNT_DROPPED] = counters[OBSERVE_COUNT_DROPPED];
		for (unsigned i = OBSERVE_COUNT_FACTS; i < OBSERVE_COUNTERS; i++)
			k->before[i] = counters[i];
	}
	kernel_drain(k, take_nothing, NULL, 0);
	k->litter = true;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int kernel_new(const struct kernel_options *options, struct kernel **ret, struct error *e)
{
	static const struct kernel_options none;
	const double begun_ms = now_ms();
	libbpf_print_fn_t before;
	struct turns turns;
	struct btf *vmlinux;
	struct kernel *k;
	int r;

	if (access(VMLINUX_BTF, R_OK) != 0 && errno == ENOENT)
		return error_set(e, ENOENT, "this kernel does not describe itself (no %s; CONFIG_DEBUG_INFO_BTF), which BPF programs need; "
				 "abidrift replay works without", VMLINUX_BTF);
	k = calloc(1, sizeof(*k));
	if (!k)
		return error_set(e, ENOMEM, "out of memory");
	before = libbpf_set_print(kernel_keep_message);
	if (options && options->pin)
		k->pins = pins_open(options->pin, &k->notes);
	vmlinux = btf__load_vmlinux_btf();
	turns_look(vmlinux, &turns);
	r = load(k, options ? options : &none, &turns, e);
	if (r == 0) {
		attach(k, vmlinux);
		note_small(k);
		memcpy(k->quota, (const void *)k->skel->rodata->quota, sizeof(k->quota));
		k->ring = ring_buffer__new(bpf_map__fd(k->skel->maps.news), kernel_take_news, k, NULL);
		if (!k->ring)
			r = error_set(e, errno ? errno : ENOMEM, "mapping the news ring: %s", strerror(errno));
	}
	if (r == 0 && k->pins) {
		bool adopted = pins_adopted(k->pins);

		if (!pins_hand_over(k->pins, k, &k->notes)) {
			pins_free(k->pins);
			k->pins = NULL;
		}
		if (adopted)
			taken_over(k);
	}
	btf__free(vmlinux);
	libbpf_set_print(before);
	if (r < 0) {
		kernel_free(k);
		return r;
	}
	k->iterates_one = true;
	k->load_ms = now_ms() - begun_ms;
	*ret = k;
	return 0;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	for (enum program p = 0; p < PROGRAMS; p++)
		detach(k, p);
	ring_buffer__free(k->ring);
	abidrift_bpf__destroy(k->skel);
	pins_free(k->pins);
	buffer_release(&k->notes);
	free(k);
}

const char *kernel_notes(const struct kernel *k)
{
	return k->notes.data && !buffer_failed(&k->notes) ? k->notes.data : "";
}

double kernel_load_ms(const struct kernel *k)
{
	return k->load_ms;
}

bool kernel_pinned(const struct kernel *k)
{
	return k->pins;
}

static const char *reason_of(const struct kernel *k, enum program p)
{
	return k->reasons[p][0] ? k->reasons[p] : NULL;
}

const char *kernel_blind(const struct kernel *k, enum observe_kind kind)
{
	const char *ports = reason_of(k, PROGRAM_PORTS);

	switch (kind) {
	case OBSERVE_CPUID:
		return reason_of(k, PROGRAM_CPUID);
	case OBSERVE_PORT:
	case OBSERVE_FWCFG:
		return ports;
	case OBSERVE_REGISTER:
	case OBSERVE_MMIO:
		return reason_of(k, PROGRAM_MMIO);
	case OBSERVE_PCI:
	case OBSERVE_PCI_SIZE:
	case OBSERVE_PCI_PLACED:
	case OBSERVE_PCI_ABSENT:
	case OBSERVE_EJECT:
		return ports ? ports : reason_of(k, PROGRAM_MMIO);
	case OBSERVE_MSR:
		return reason_of(k, PROGRAM_MSR);
	}
	return "no program looks at this";
}

const char *kernel_blind_inventory(const struct kernel *k)
{
	return reason_of(k, PROGRAM_INVENTORY);
}

const char *kernel_blind_resets(const struct kernel *k)
{
	return reason_of(k, PROGRAM_RESETS);
}
/* ---- what they did */

static bool info_of(const struct kernel *k, enum program p, unsigned turn, struct bpf_prog_info *ret)
{
	const struct bpf_program *program = kernel_turn(k, p, turn);
	uint32_t size = sizeof(*ret);
	int fd = program ? bpf_program__fd(program) : -1;

	memset(ret, 0, sizeof(*ret));
	return fd >= 0 && bpf_obj_get_info_by_fd(fd, ret, &size) == 0;
}

static uint64_t missed_by(struct kernel *k, enum program p)
{
	bool turns = k->turns && (unsigned)p < TURNS_PROGRAMS;
	int64_t made = turns ? turns_made(k->skel, p) : 0;
	struct bpf_prog_info info;

	/* Kernels before 5.12 do not count them: 0. */
	if (!info_of(k, p, 0, &info))
		return turns ? k->missed[p].told : 0;
	return turns ? turns_count(&k->missed[p], made, info.recursion_misses) : info.recursion_misses;
}

int kernel_missed(struct kernel *k, struct kernel_missed *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (enum program p = 0; p < PROGRAMS; p++) {
		const uint64_t missed = missed_by(k, p);

		ret->all += missed;
		if (p == PROGRAM_PORTS || p == PROGRAM_MMIO)
			ret->decoded += missed;
	}
	return 0;
}

static bool stats_on(void)
{
	FILE *f = fopen(STATS_SWITCH, "re");
	int c = f ? getc(f) : '0';

	if (f)
		fclose(f);
	return c == '1';
}

size_t kernel_runs(struct kernel *k, struct kernel_runs ret[KERNEL_RUNS_MAX])
{
	bool on = stats_on();
	size_t count = 0;

	_Static_assert(PROGRAMS <= KERNEL_RUNS_MAX, "room for every program");
	for (enum program p = 0; p < PROGRAMS; p++) {
		struct kernel_runs runs = { program_names[p], 0, 0 };
		struct bpf_prog_info info;
		bool any = false;

		/* Events, but the time of all that hangs on them: nearly each is the first one's turn, which the others run for as well. */
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
			if (!info_of(k, p, turn, &info))
				continue;
			any = true;
			runs.ns += info.run_time_ns;
			if (info.run_cnt > runs.runs)
				runs.runs = info.run_cnt;
		}
		/* What was counted before they were switched off again still counts. */
		if (any && (on || runs.runs))
			ret[count++] = runs;
	}
	return count;
}
