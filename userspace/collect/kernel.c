/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/private.h" /* the skeleton names its types */
#include "bpf/abidrift.skel.h"
#include "userspace/base/error.h"

#define REASON_BYTES 320
#define RING_BYTES_DEFAULT (1u << 20)
#define CAPACITY_MIN 1024u
#define QUOTA_MIN 64u
#define QUOTA_MAX 1024u
#define GUEST_FACTS 8192u              /* what the quotas of one guest add up to, nearly */
#define GUEST_MEMORY (512ull << 20)    /* a guest per so much of the host's memory */
#define GUESTS_MIN 32u
#define GUESTS_MAX 256u
#define BATCH 1024u
#define SLOT_PASSES 400u               /* 32764 slots in pages of 256, three times over */
#define READ_BYTES (256u << 10)
#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"
#define KVM_BTF "/sys/kernel/btf/kvm"
#define KVM_MODULE "/sys/module/kvm" /* built in or loaded */
#define STATS_SWITCH "/proc/sys/kernel/bpf_stats_enabled"

enum program {
	PROGRAM_CPUID,
	PROGRAM_PORTS,
	PROGRAM_MMIO,
	PROGRAM_FAST_MMIO,
	PROGRAM_MSR,
	PROGRAM_RESETS,
	PROGRAM_SHUTDOWNS,
	PROGRAM_INVENTORY,
	PROGRAM_FORGET,
	PROGRAMS,
};

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

struct kernel {
	struct abidrift_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link *links[PROGRAMS];
	char reasons[PROGRAMS][REASON_BYTES];
	bool refused[PROGRAMS]; /* by this kernel, for good */
	bool kvm_there;         /* when it was last attached to */
	uint32_t ring_bytes;
	bool iterates_one; /* the kernel restricts an iterator to one process (6.1+) */

	/* drain: libbpf drops the record whose callback failed, so it is kept here. */
	struct observe_news stash;
	bool stashed;
	kernel_news_fn fn;
	void *context;
	size_t left;
	size_t handed;
	int result;

	uint32_t quota[OBSERVE_CLASSES];
	bool litter; /* the map holds facts that are to be removed: one walk removes those of many VMs */
	bool no_batch;
};

static _Thread_local char last_message[REASON_BYTES];

static int keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && !last_message[0])
		vsnprintf(last_message, sizeof(last_message), format, args);
	return 0;
}

static const char *const program_names[PROGRAMS] = { "cpuid", "ports", "mmio", "fast_mmio", "msr", "resets", "shutdowns", "inventory", "forget" };

static struct bpf_program *program_of(const struct abidrift_bpf *skel, enum program p)
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

static int skeleton_open(const struct kernel_options *options, struct abidrift_bpf **ret, uint32_t *ret_ring_bytes)
{
	uint32_t facts = options->facts ? options->facts : default_facts(), quota = options->quota;
	int cpus = libbpf_num_possible_cpus();
	struct abidrift_bpf *skel;

	if (cpus < 0)
		return cpus;
	skel = abidrift_bpf__open();
	if (!skel)
		return errno ? -errno : -EINVAL;
	if (facts < CAPACITY_MIN)
		facts = CAPACITY_MIN;
	*ret_ring_bytes = power_of_two(options->ring_bytes ? options->ring_bytes : RING_BYTES_DEFAULT, (uint32_t)getpagesize());
	if (!quota) {
		quota = facts / (GUESTS_MIN * OBSERVE_CLASSES);
		quota = quota < QUOTA_MIN ? QUOTA_MIN : quota > QUOTA_MAX ? QUOTA_MAX : quota;
	}
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		skel->rodata->quota[i] = i == OBSERVE_CLASS_PCI_HEADER || i == OBSERVE_CLASS_PCI_BODY ? 2 * quota : quota;
	skel->rodata->ring_urgent_bytes = *ret_ring_bytes / 4;
	bpf_map__set_max_entries(skel->maps.cpuid_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.port_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.fast_mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.msr_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(skel->maps.facts, facts);
	bpf_map__set_max_entries(skel->maps.news, *ret_ring_bytes);
	*ret = skel;
	return 0;
}

/* Opens and loads the programs of `mask`. */
static int skeleton_load(const struct kernel_options *options, unsigned mask, struct abidrift_bpf **ret, uint32_t *ret_ring_bytes)
{
	struct abidrift_bpf *skel = NULL;
	int r;

	last_message[0] = 0;
	r = skeleton_open(options, &skel, ret_ring_bytes);
	if (r < 0)
		return r;
	for (enum program p = 0; p < PROGRAMS; p++)
		bpf_program__set_autoload(program_of(skel, p), mask & 1u << p);
	r = abidrift_bpf__load(skel);
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

/* All programs; where this kernel refuses one of them, those that it takes. */
static int load(struct kernel *k, const struct kernel_options *options, struct error *e)
{
	unsigned good = 0;
	int r, first;

	first = skeleton_load(options, (1u << PROGRAMS) - 1, &k->skel, &k->ring_bytes);
	if (first == 0)
		return 0;
	if (first == -EPERM)
		return error_set(e, -first, "loading BPF programs: %s; run as root (CAP_BPF, CAP_PERFMON), and where the kernel is locked down "
				 "BPF is refused altogether; abidrift replay works without", strerror(-first));
	if (first == -ENOSYS)
		return error_set(e, -first, "loading BPF programs: this kernel has no BPF; abidrift replay works without");
	for (enum program p = 0; p < PROGRAMS; p++) {
		struct abidrift_bpf *skel = NULL;
		uint32_t unused;

		r = skeleton_load(options, 1u << p, &skel, &unused);
		if (r < 0) {
			chomp(last_message);
			k->refused[p] = true;
			snprintf(k->reasons[p], REASON_BYTES, "this kernel refuses program %s: %s%s%.180s",
				 program_names[p], strerror(-r), last_message[0] ? ": " : "", last_message);
			continue;
		}
		good |= 1u << p;
		abidrift_bpf__destroy(skel);
	}
	r = good ? skeleton_load(options, good, &k->skel, &k->ring_bytes) : first;
	if (r < 0) {
		chomp(last_message);
		return error_set(e, -r, "loading BPF programs: %s%s%s; abidrift needs Linux 5.10 or newer with BTF (%s); abidrift replay works without",
				 strerror(-r), last_message[0] ? ": " : "", last_message, VMLINUX_BTF);
	}
	return 0;
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

/* Arguments of btf_trace_<tracepoint>, as letters; without the void * that comes first. -ENOENT: no such typedef. */
static int prototype_of(const struct btf *btf, const char *tracepoint, char *letters, size_t room)
{
	const struct btf_type *t;
	const struct btf_param *params;
	char name[128];
	size_t n;
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -ENOENT;
	t = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
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

	if (vmlinux)
		r = prototype_of(vmlinux, s->tracepoint, letters, sizeof(letters));
	if (r == -ENOENT && module)
		r = prototype_of(module, s->tracepoint, letters, sizeof(letters));
	if (r == 0) {
		if (strcmp(letters, s->arguments) == 0)
			return 0;
		snprintf(reason, REASON_BYTES, "tracepoint %s has other arguments on this kernel (%s, not %s)", s->tracepoint, letters,
			 s->arguments);
		return -EPROTO;
	}
	if (r == -ENOENT && !module) {
		if (format_has(s->tracepoint, s->field) != 0)
			return 0;
		snprintf(reason, REASON_BYTES, "tracepoint %s has no field %s on this kernel", s->tracepoint, s->field);
		return -EPROTO;
	}
	snprintf(reason, REASON_BYTES, "tracepoint %s is not described by this kernel's BTF (no typedef btf_trace_%s)", s->tracepoint, s->tracepoint);
	return -ENOENT;
}

static void attach(struct kernel *k)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *module = NULL;

	k->kvm_there = access(KVM_MODULE, F_OK) == 0;
	if (vmlinux && access(KVM_BTF, R_OK) == 0)
		module = btf__parse_split(KVM_BTF, vmlinux);
	for (enum program p = 0; p < PROGRAMS; p++) {
		const struct program_spec *s = &specs[p];

		if (k->reasons[p][0] || k->links[p] || !s->tracepoint)
			continue;
		if (check_prototype(vmlinux, module, s, k->reasons[p]) < 0)
			continue;
		k->links[p] = bpf_program__attach_raw_tracepoint(program_of(k->skel, p), s->tracepoint);
		if (k->links[p])
			continue;
		if (errno == ENOENT)
			snprintf(k->reasons[p], REASON_BYTES, "this kernel has no tracepoint %s: is KVM there (module kvm loaded)?", s->tracepoint);
		else
			snprintf(k->reasons[p], REASON_BYTES, "attaching to tracepoint %s: %s", s->tracepoint, strerror(errno));
	}
	btf__free(module);
	btf__free(vmlinux);
}

/* The kernel says which program a link runs, as long as it is one. */
static bool link_lives(const struct kernel *k, enum program p)
{
	struct bpf_prog_info program = { 0 };
	struct bpf_link_info link = { 0 };
	uint32_t program_size = sizeof(program), link_size = sizeof(link);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program_of(k->skel, p)), &program, &program_size) == 0 &&
	       bpf_obj_get_info_by_fd(bpf_link__fd(k->links[p]), &link, &link_size) == 0 && link.prog_id == program.id;
}

bool kernel_check(struct kernel *k)
{
	bool came = !k->kvm_there && access(KVM_MODULE, F_OK) == 0, any = false;
	libbpf_print_fn_t before;

	for (enum program p = 0; p < PROGRAMS; p++) {
		if (!specs[p].tracepoint || k->refused[p])
			continue;
		if (k->links[p] && !link_lives(k, p)) {
			bpf_link__destroy(k->links[p]);
			k->links[p] = NULL;
		} else if (k->links[p] || !came) {
			continue;
		}
		k->reasons[p][0] = 0;
		any = true;
	}
	if (!any)
		return false;
	before = libbpf_set_print(keep_message);
	attach(k);
	libbpf_set_print(before);
	return true;
}

static int take_news(void *context, void *data, size_t size)
{
	struct kernel *k = context;

	if (size < sizeof(struct observe_news))
		return 0;
	k->result = k->fn(k->context, data);
	if (k->result < 0) {
		memcpy(&k->stash, data, sizeof(k->stash));
		k->stashed = true;
		return -ECANCELED;
	}
	k->handed++;
	return --k->left ? 0 : -ECANCELED;
}

int kernel_new(const struct kernel_options *options, struct kernel **ret, struct error *e)
{
	static const struct kernel_options none;
	libbpf_print_fn_t before;
	struct kernel *k;
	int r;

	if (access(VMLINUX_BTF, R_OK) != 0 && errno == ENOENT)
		return error_set(e, ENOENT, "this kernel does not describe itself (no %s; CONFIG_DEBUG_INFO_BTF), which BPF programs need; "
				 "abidrift replay works without", VMLINUX_BTF);
	k = calloc(1, sizeof(*k));
	if (!k)
		return error_set(e, ENOMEM, "out of memory");
	before = libbpf_set_print(keep_message);
	r = load(k, options ? options : &none, e);
	if (r == 0) {
		attach(k);
		memcpy(k->quota, (const void *)k->skel->rodata->quota, sizeof(k->quota));
		k->ring = ring_buffer__new(bpf_map__fd(k->skel->maps.news), take_news, k, NULL);
		if (!k->ring)
			r = error_set(e, errno ? errno : ENOMEM, "mapping the news ring: %s", strerror(errno));
	}
	libbpf_set_print(before);
	if (r < 0) {
		kernel_free(k);
		return r;
	}
	k->iterates_one = true;
	*ret = k;
	return 0;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	for (enum program p = 0; p < PROGRAMS; p++)
		bpf_link__destroy(k->links[p]);
	ring_buffer__free(k->ring);
	abidrift_bpf__destroy(k->skel);
	free(k);
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

/* ---- news */

int kernel_fd(const struct kernel *k)
{
	return ring_buffer__epoll_fd(k->ring);
}

int kernel_drain(struct kernel *k, kernel_news_fn fn, void *context, size_t max)
{
	int r;

	/* A ring that is filled while it is read would hold us for ever: what fits into it twice is enough for one time. */
	if (!max || max > INT32_MAX)
		max = 2 * (k->ring_bytes / sizeof(struct observe_news)) + 1;
	k->handed = 0;
	k->result = 0;
	if (k->stashed) {
		r = fn(context, &k->stash);
		if (r < 0)
			return r;
		k->stashed = false;
		k->handed = 1;
		if (--max == 0)
			return 1;
	}
	k->fn = fn;
	k->context = context;
	k->left = max;
	r = ring_buffer__consume(k->ring);
	if (k->result < 0)
		return k->result;
	return r < 0 && r != -ECANCELED ? r : (int)k->handed;
}

/* ---- facts */

typedef int (*walk_fn)(struct kernel *k, void *context, const struct observe_key *key, const struct observe_value *value);

static int walk_by_key(struct kernel *k, walk_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.facts), r = 0;
	struct observe_key key, next;
	struct observe_value value;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		/* Before fn: it may remove the key. */
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &value) == 0)
			r = fn(k, context, &key, &value);
	}
	return r < 0 ? r : 0;
}

/* Every entry of the facts map. -ENOTSUP: this kernel has no batches. */
static int walk_by_batch(struct kernel *k, walk_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.facts), r = 0;
	uint32_t room = BATCH, in = 0, out = 0, count;
	struct observe_key *keys = calloc(room, sizeof(*keys));
	struct observe_value *values = calloc(room, sizeof(*values));
	bool first = true, last = false;

	while (!last && r >= 0) {
		if (!keys || !values) {
			r = -ENOMEM;
			break;
		}
		count = room;
		r = bpf_map_lookup_batch(fd, first ? NULL : &in, &out, keys, values, &count, NULL);
		if (r == -ENOSPC && room < 1u << 20) {
			/* One bucket holds more than that. */
			room *= 2;
			free(keys);
			free(values);
			keys = calloc(room, sizeof(*keys));
			values = calloc(room, sizeof(*values));
			r = 0;
			continue;
		}
		last = r == -ENOENT;
		if (r < 0 && !last) {
			r = first && r != -EFAULT ? -ENOTSUP : r;
			break;
		}
		r = 0;
		for (uint32_t i = 0; i < count && r >= 0; i++)
			r = fn(k, context, &keys[i], &values[i]);
		in = out;
		first = false;
	}
	free(keys);
	free(values);
	return r < 0 ? r : 0;
}

static int walk(struct kernel *k, walk_fn fn, void *context)
{
	int r = -ENOTSUP;

	if (!k->no_batch)
		r = walk_by_batch(k, fn, context);
	if (r == -ENOTSUP) {
		k->no_batch = true;
		r = walk_by_key(k, fn, context);
	}
	return r;
}

/* ---- removing facts: of VMs that are gone, and of earlier boots where they use up a guest's quota */

struct alive {
	uint64_t id;
	uint32_t boot;
	bool crowded; /* facts of its earlier boots are removed */
	struct vm_returned returned;
};

struct cleaning {
	struct alive *vms; /* by id */
	size_t count, room;
	uint64_t begun_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* More than half of a quota is used; *ret_returned: what was given back. */
static bool is_crowded(const struct kernel *k, const struct observe_vm *seen, struct vm_returned *ret_returned)
{
	bool crowded = false;

	memset(ret_returned, 0, sizeof(*ret_returned));
	(void)bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.returned), &seen->vm, ret_returned);
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		crowded |= seen->facts[i] - ret_returned->facts[i] > k->quota[i] / 2;
	return crowded && seen->boot > 1;
}

static int alive_add(struct kernel *k, struct cleaning *c, const struct observe_vm *seen)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct alive *vms = reallocarray(c->vms, room, sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		c->vms = vms;
		c->room = room;
	}
	c->vms[c->count] = (struct alive){ .id = seen->vm, .boot = seen->boot };
	c->vms[c->count].crowded = is_crowded(k, seen, &c->vms[c->count].returned);
	c->count++;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct alive *)a)->id, y = ((const struct alive *)b)->id;

	return (x > y) - (x < y);
}

static int cleaning_begin(struct kernel *k, struct cleaning *ret)
{
	int fd = bpf_map__fd(k->skel->maps.vms), r = 0;
	struct cleaning c = { .begun_ns = now_ns() };
	uint64_t key, next;
	struct vm_state state;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &state) == 0)
			r = alive_add(k, &c, &state.seen);
	}
	if (r < 0) {
		free(c.vms);
		return r;
	}
	if (c.count)
		qsort(c.vms, c.count, sizeof(*c.vms), by_id);
	*ret = c;
	return 0;
}

static struct alive *alive_find(const struct cleaning *c, uint64_t id)
{
	const struct alive wanted = { .id = id };

	return c->count ? bsearch(&wanted, c->vms, c->count, sizeof(*c->vms), by_id) : NULL;
}

/* A fact of an earlier boot. The guest may just be making it one of this boot: then it stays. */
static void remove_old(struct kernel *k, struct alive *vm, const struct observe_key *key)
{
	int fd = bpf_map__fd(k->skel->maps.facts);
	struct observe_value value;

	/* Since 5.14; before, one that is renewed in the moment between is lost until it is news again. */
	if (bpf_map_lookup_and_delete_elem(fd, key, &value) < 0 &&
	    (errno == ENOENT || bpf_map_lookup_elem(fd, key, &value) < 0 || value.boot >= vm->boot || bpf_map_delete_elem(fd, key) < 0))
		return;
	if (value.boot >= vm->boot && bpf_map_update_elem(fd, key, &value, BPF_NOEXIST) == 0)
		return;
	if (value.zero < OBSERVE_CLASSES)
		vm->returned.facts[value.zero]++;
}

/* True: the fact is none that anyone should see. */
static bool clean(struct kernel *k, struct cleaning *c, const struct observe_key *key, const struct observe_value *value)
{
	struct alive *vm = alive_find(c, key->vm);

	if (!vm) {
		/* A VM that began meanwhile is not in the list. */
		if (value->changed_ns >= c->begun_ns)
			return false;
		bpf_map_delete_elem(bpf_map__fd(k->skel->maps.facts), key);
		return true;
	}
	if (!vm->crowded || value->boot >= vm->boot)
		return false;
	remove_old(k, vm, key);
	return true;
}

static void cleaning_end(struct kernel *k, struct cleaning *c)
{
	int fd = bpf_map__fd(k->skel->maps.returned);
	uint64_t key, next;
	bool more;

	for (size_t i = 0; i < c->count; i++)
		if (c->vms[i].crowded)
			bpf_map_update_elem(fd, &c->vms[i].id, &c->vms[i].returned, BPF_ANY);
	for (more = bpf_map_get_next_key(fd, NULL, &next) == 0; more;) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (!alive_find(c, key))
			bpf_map_delete_elem(fd, &key);
	}
	free(c->vms);
}

struct hand_on {
	uint64_t vm;
	kernel_fact_fn fn;
	void *context;
	struct cleaning *cleaning;
};

static int hand_on(struct kernel *k, void *context, const struct observe_key *key, const struct observe_value *value)
{
	struct observe_value told = *value;
	struct hand_on *h = context;

	if (h->cleaning && clean(k, h->cleaning, key, value))
		return 0;
	if ((h->vm && h->vm != key->vm) || key->kind >= OBSERVE_PCI_CURRENT || !h->fn)
		return 0;
	told.zero = 0;
	return h->fn(h->context, key, &told);
}

int kernel_facts(struct kernel *k, uint64_t vm, kernel_fact_fn fn, void *context)
{
	struct hand_on h = { .vm = vm, .fn = fn, .context = context };
	struct cleaning cleaning;
	int r;

	if (k->litter && cleaning_begin(k, &cleaning) >= 0)
		h.cleaning = &cleaning;
	r = walk(k, hand_on, &h);
	if (h.cleaning) {
		cleaning_end(k, h.cleaning);
		k->litter = r < 0;
	}
	return r;
}

bool kernel_litter(const struct kernel *k)
{
	return k->litter;
}

void kernel_booted(struct kernel *k, const struct observe_vm *seen)
{
	struct vm_returned unused;

	k->litter |= is_crowded(k, seen, &unused);
}

/* ---- VMs */

int kernel_vms(struct kernel *k, kernel_vm_fn fn, void *context)
{
	int fd = bpf_map__fd(k->skel->maps.vms), r = 0;
	uint64_t key, next;
	struct vm_state state;
	bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && r >= 0) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &state) == 0)
			r = fn(context, &state.seen);
	}
	return r < 0 ? r : 0;
}

int kernel_vm_get(struct kernel *k, uint64_t kvm, struct observe_vm *ret)
{
	struct vm_state state;

	if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.vms), &kvm, &state) < 0)
		return -errno;
	*ret = state.seen;
	return 0;
}

static uint64_t vm_id(uint64_t kvm, uint64_t now)
{
	uint64_t x = kvm ^ (now * 0x9e3779b97f4a7c15ull);

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x ? x : 1;
}

int kernel_vm_add(struct kernel *k, uint64_t kvm, uint32_t tgid, struct observe_vm *ret)
{
	struct vm_state state = { 0 };
	state.seen.created_ns = now_ns();
	state.seen.boot_ns = state.seen.created_ns;
	state.seen.vm = vm_id(kvm, state.seen.created_ns);
	state.seen.kvm = kvm;
	state.seen.boot = 1;
	state.seen.reason = OBSERVE_REASON_FOUND;
	state.seen.tgid = tgid;
	if (bpf_map_update_elem(bpf_map__fd(k->skel->maps.vms), &kvm, &state, BPF_NOEXIST) < 0 && errno != EEXIST)
		return -errno;
	return kernel_vm_get(k, kvm, ret);
}

int kernel_ecam_set(struct kernel *k, uint64_t vm, uint64_t base, uint32_t bytes)
{
	const struct vm_ecam told = { .base = base, .bytes = bytes };
	int fd = bpf_map__fd(k->skel->maps.ecams);
	struct vm_ecam known = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run);

	(void)bpf_map_lookup_elem(fd, &vm, &known);
	if (known.base == told.base && known.bytes == told.bytes)
		return 0;
	if (!bytes && bpf_map_delete_elem(fd, &vm) < 0)
		return -errno;
	if (bytes && bpf_map_update_elem(fd, &vm, &told, BPF_ANY) < 0)
		return -errno;
	/* The epoch is the programs' own count, so it is a program that moves it on. */
	return bpf_prog_test_run_opts(bpf_program__fd(k->skel->progs.forget), &run);
}

int kernel_forget(struct kernel *k, uint64_t kvm, uint64_t vm)
{
	int fd = bpf_map__fd(k->skel->maps.vms);
	struct vm_state state;

	(void)bpf_map_delete_elem(bpf_map__fd(k->skel->maps.ecams), &vm);

	if (bpf_map_lookup_elem(fd, &kvm, &state) == 0 && state.seen.vm == vm)
		bpf_map_delete_elem(fd, &kvm);
	k->litter = true;
	return 0;
}

/* ---- inventory */

/* A VM whose slots are being read, page by page. */
struct vm_pages {
	struct inventory_header header;
	struct inventory_vm vm;
	struct inventory_slot *slots;
	uint32_t n_slots;
	uint32_t room;
	uint32_t bucket;
	uint32_t skip;
	bool whole;
};

struct sweep {
	kernel_inventory_fn fn;
	void *context;
	bool wants_vms;
	bool wants_slots;
	struct vm_pages *now;     /* the VM whose slots come next */
	struct vm_pages first;    /* first page, while the sweep over all files goes on */
	struct vm_pages *rest;    /* VMs with more than a page */
	size_t n_rest;
};

static int slots_add(struct vm_pages *v, const struct inventory_slot *slot)
{
	if (v->n_slots == v->room) {
		uint32_t room = v->room ? 2 * v->room : 64;
		struct inventory_slot *slots = realloc(v->slots, room * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		v->slots = slots;
		v->room = room;
	}
	v->slots[v->n_slots++] = *slot;
	return 0;
}

/* VM, then its slots. */
static int vm_hand_on(struct sweep *s, struct vm_pages *v)
{
	struct inventory_header h = v->header;
	int r = 0;

	v->vm.slots = v->whole ? v->n_slots : 0xffffffff;
	if (s->wants_vms)
		r = s->fn(s->context, &h, &v->vm);
	h.type = INVENTORY_SLOT;
	h.bytes = sizeof(struct inventory_slot);
	for (uint32_t i = 0; i < v->n_slots && r >= 0; i++)
		r = s->fn(s->context, &h, &v->slots[i]);
	return r;
}

static int page_end(struct sweep *s, const struct inventory_page *page)
{
	struct vm_pages *v = s->now, *rest;

	v->bucket = page->bucket;
	v->skip = page->skip;
	/* An array that was changed under the walk is seen by its generations; only a walk that came to its end is whole. */
	v->whole = page->bucket == SLOT_PAGE_END && page->generation == v->vm.slots_generation;
	if (v != &s->first)
		return 0;
	if (page->bucket == SLOT_PAGE_END)
		return vm_hand_on(s, v);
	rest = realloc(s->rest, (s->n_rest + 1) * sizeof(*rest));
	if (!rest)
		return -ENOMEM;
	s->rest = rest;
	s->rest[s->n_rest++] = *v;
	v->slots = NULL;
	v->room = v->n_slots = 0;
	return 0;
}

static int inventory_record(struct sweep *s, const struct inventory_header *h, const void *body)
{
	if (h->type == INVENTORY_VCPU || h->type == INVENTORY_CPUID)
		return s->fn(s->context, h, body);
	if (h->type == INVENTORY_VM) {
		if (s->now != &s->first)
			return 0;
		s->first.header = *h;
		memcpy(&s->first.vm, body, sizeof(s->first.vm));
		s->first.n_slots = 0;
		s->first.whole = false;
		return s->wants_slots ? 0 : vm_hand_on(s, &s->first);
	}
	/* A descriptor may have become another VM between two passes. */
	if (h->kvm != s->now->header.kvm)
		return 0;
	if (h->type == INVENTORY_SLOT)
		return slots_add(s->now, body);
	return h->type == INVENTORY_PAGE ? page_end(s, body) : 0;
}

/* Least size of a record's body; 0 = not a record. */
static size_t body_least(uint32_t type)
{
	switch (type) {
	case INVENTORY_VM: return sizeof(struct inventory_vm);
	case INVENTORY_VCPU: return sizeof(struct inventory_vcpu);
	case INVENTORY_CPUID: return sizeof(struct inventory_cpuid);
	case INVENTORY_SLOT: return sizeof(struct inventory_slot);
	case INVENTORY_PAGE: return sizeof(struct inventory_page);
	default: return 0;
	}
}

/* Hands on the whole records in data; how many bytes they took in *ret_used. */
static int inventory_parse(struct sweep *s, const char *data, size_t size, size_t *ret_used)
{
	union {
		char bytes[sizeof(struct inventory_cpuid) + OBSERVE_CPUID_MAX * sizeof(struct inventory_cpuid_entry)];
		uint64_t align;
	} body;
	struct inventory_header h;
	size_t used = 0;
	int r = 0;

	while (r >= 0 && size - used >= sizeof(h)) {
		memcpy(&h, data + used, sizeof(h));
		if (!body_least(h.type) || h.bytes < body_least(h.type) || h.bytes > sizeof(body))
			return -EBADMSG;
		if (size - used - sizeof(h) < h.bytes)
			break;
		memcpy(body.bytes, data + used + sizeof(h), h.bytes);
		used += sizeof(h) + h.bytes;
		r = inventory_record(s, &h, body.bytes);
	}
	*ret_used = used;
	return r;
}

static int inventory_read(struct sweep *s, int fd)
{
	char *data = malloc(READ_BYTES);
	size_t size = 0, used;
	int r = 0;

	if (!data)
		return -ENOMEM;
	while (r >= 0) {
		ssize_t n = read(fd, data + size, READ_BYTES - size);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : 0;
			break;
		}
		size += (size_t)n;
		r = inventory_parse(s, data, size, &used);
		memmove(data, data + used, size - used);
		size -= used;
	}
	free(data);
	return r < 0 ? r : 0;
}

static struct bpf_link *inventory_link(struct kernel *k, uint32_t tgid)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { 0 };
	struct bpf_link *link = NULL;

	if (tgid && k->iterates_one) {
		info.task.pid = tgid;
		opts.link_info = &info;
		opts.link_info_len = sizeof(info);
		link = bpf_program__attach_iter(k->skel->progs.inventory, &opts);
		if (link || errno == ESRCH)
			return link;
		k->iterates_one = false;
	}
	return bpf_program__attach_iter(k->skel->progs.inventory, NULL);
}

/* One run of the iterator. A process that is gone has nothing: 0. */
static int inventory_pass(struct kernel *k, struct sweep *s, uint32_t tgid, int32_t fd, unsigned want, uint32_t bucket, uint32_t skip)
{
	libbpf_print_fn_t before = libbpf_set_print(keep_message);
	struct bpf_link *link = inventory_link(k, tgid);
	int r = link ? 0 : -errno, iterator;

	libbpf_set_print(before);
	if (!link)
		return r == -ESRCH ? 0 : r;
	k->skel->data->inventory_want = want;
	k->skel->data->inventory_tgid = tgid;
	k->skel->data->inventory_fd = fd;
	k->skel->data->inventory_bucket = bucket;
	k->skel->data->inventory_skip = skip;
	iterator = bpf_iter_create(bpf_link__fd(link));
	if (iterator < 0) {
		r = -errno;
	} else {
		r = inventory_read(s, iterator);
		close(iterator);
	}
	bpf_link__destroy(link);
	return r;
}

int kernel_inventory(struct kernel *k, uint32_t tgid, unsigned want, kernel_inventory_fn fn, void *context)
{
	struct sweep s = { .fn = fn, .context = context, .wants_vms = want & KERNEL_WANT_VMS, .wants_slots = want & KERNEL_WANT_SLOTS };
	int r;

	if (k->reasons[PROGRAM_INVENTORY][0])
		return -ENOTSUP;
	s.now = &s.first;
	r = inventory_pass(k, &s, tgid, -1, want, 0, 0);
	for (size_t i = 0; i < s.n_rest; i++) {
		struct vm_pages *v = s.now = &s.rest[i];

		for (unsigned pass = 0; r >= 0 && v->bucket != SLOT_PAGE_END && pass < SLOT_PASSES; pass++) {
			uint32_t bucket = v->bucket, skip = v->skip;

			r = inventory_pass(k, &s, v->header.tgid, v->header.fd, KERNEL_WANT_SLOTS, bucket, skip);
			if (v->bucket == bucket && v->skip == skip)
				break; /* the descriptor is gone */
		}
		if (r >= 0)
			r = vm_hand_on(&s, v);
		free(v->slots);
	}
	free(s.rest);
	free(s.first.slots);
	return r < 0 ? r : 0;
}

/* ---- counters */

int kernel_counters(struct kernel *k, uint64_t ret[OBSERVE_COUNTERS])
{
	int n = libbpf_num_possible_cpus(), fd = bpf_map__fd(k->skel->maps.counters);
	uint64_t *values, sums[OBSERVE_COUNTERS] = { 0 };

	if (n < 0)
		return n;
	values = calloc((size_t)n, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < OBSERVE_COUNTERS; i++) {
		if (bpf_map_lookup_elem(fd, &i, values) < 0) {
			int r = -errno;

			free(values);
			return r;
		}
		for (int cpu = 0; cpu < n; cpu++)
			sums[i] += values[cpu];
	}
	free(values);
	memcpy(ret, sums, sizeof(sums));
	return 0;
}

int kernel_missed(struct kernel *k, uint64_t *ret)
{
	uint64_t sum = 0;

	for (enum program p = 0; p < PROGRAMS; p++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		int fd = bpf_program__fd(program_of(k->skel, p));

		/* Kernels before 5.12 do not count them: 0. */
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			sum += info.recursion_misses;
	}
	*ret = sum;
	return 0;
}

int kernel_capacity(struct kernel *k, uint64_t *ret_entries)
{
	*ret_entries = bpf_map__max_entries(k->skel->maps.facts);
	return 0;
}

struct filling {
	uint64_t vms, facts;
};

static int add_facts(void *context, const struct observe_vm *seen)
{
	struct filling *f = context;

	f->vms++;
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		f->facts += seen->facts[i];
	return 0;
}

/* No kernel says how many entries a hash map has, and a walk over a million facts is not for every few seconds: the VMs' own counts say it. */
int kernel_maps(struct kernel *k, struct kernel_map ret[KERNEL_MAPS])
{
	int fd = bpf_map__fd(k->skel->maps.returned), r;
	struct filling filling = { 0 };
	struct vm_returned returned;
	uint64_t key, next, back = 0;

	r = kernel_vms(k, add_facts, &filling);
	if (r < 0)
		return r;
	for (bool more = bpf_map_get_next_key(fd, NULL, &next) == 0; more;) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &returned) < 0)
			continue;
		for (size_t i = 0; i < OBSERVE_CLASSES; i++)
			back += returned.facts[i];
	}
	/* What was given back by a VM that has just gone is not in the sum any more. */
	ret[0] = (struct kernel_map){ "facts", filling.facts > back ? filling.facts - back : 0, bpf_map__max_entries(k->skel->maps.facts) };
	ret[1] = (struct kernel_map){ "vms", filling.vms, bpf_map__max_entries(k->skel->maps.vms) };
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
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		int fd = bpf_program__fd(program_of(k->skel, p));

		/* What was counted before they were switched off again still counts. */
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && (on || info.run_cnt))
			ret[count++] = (struct kernel_runs){ program_names[p], info.run_cnt, info.run_time_ns };
	}
	return count;
}
