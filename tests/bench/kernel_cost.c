/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each program costs in the kernel, by the kernel's own run-time statistics. A guest makes the same exits over and over, or new ones;
 * abidrift's program, an empty one and one that does one look-up by a 24-byte key hang on the same tracepoint at the same time, in an order
 * that changes with every round. Each round is the life of a new VM: its first fact, repeated ones, new ones, those past the quota. Printed are
 * medians of the rounds, net of the empty program; ratios are those to the look-up of the same round.
 *
 * Then the same with programs that take turns (bpf/turns.bpf.h), three on each tracepoint: what they take together.
 *
 * `kernel_cost NAME`: one family alone. --check: one short round. What the guest did must have become facts where it is to, and not where it is not; no time is looked at.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/page_guest.h"
#include "userspace/collect/kernel_parts.h"
#include "tests/bench/cost.skel.h"
#include "tests/bench/measure.h"

#include <bpf/btf.h>

#define ROUNDS 15
#define REPEATS 5000u  /* of a loop in each round */
#define NEWS 900u      /* below a quota of 1,024 */
#define FILL 400u      /* and then beyond it */
#define FOREIGN_PART 50u /* of the events of a step: so many may be other guests' */
#define SKIPPED 77
#define BOUND 0.45     /* of a look-up, for a repeated fact */

#define CPUID_NEW 0x10000000u /* leaves that no guest's table has */
#define PORT 0x2f8u
#define PORT_UNUSED 0x80u
#define MSR 0x8bu /* one that identifies: its value is compared every time */
#define MSR_NEW 0x10000000u
#define MMIO_GPA 0xd0000000u
#define ECAM_GPA 0xb0000000u
#define ECAM_BYTES (256u << 20)
#define PCI_DATA_READ 0x12345678u
#define MSR_TSC 0x10u

enum { SUBJECT, EMPTY, LOOKUP, HANGING };

/* ---- what the guest does: bodies of loops */
static const uint8_t cpuid_same[] = { 0x31, 0xc0, 0x31, 0xc9, 0x0f, 0xa2 };
static const uint8_t cpuid_new[] = { 0x89, 0xf8, 0x31, 0xc9, 0x0f, 0xa2, 0x47 };
static const uint8_t port_in[] = { 0xec };
static const uint8_t port_in_new[] = { 0x89, 0xfa, 0xec, 0x47 };
static const uint8_t port_out[] = { 0xee };
static const uint8_t memory_read[] = { 0x8a, 0x07 };
static const uint8_t memory_read_new[] = { 0x8a, 0x07, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00 };
static const uint8_t memory_write[] = { 0x88, 0x07 };
static const uint8_t ecam_read[] = { 0x8b, 0x07 };
static const uint8_t ecam_read_new[] = { 0x8b, 0x07, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00 };
/* Of 16 bits: in real mode. */
static const uint8_t msr_read[] = { 0x66, 0x89, 0xf9, 0x0f, 0x32 };
static const uint8_t msr_read_new[] = { 0x66, 0x89, 0xf9, 0x0f, 0x32, 0x66, 0x47 };
/* mov eax, edi; mov dx, 0xcf8; out dx, eax; mov dl, 0xfc; what is done there */
#define PCI_AT 0x89, 0xf8, 0x66, 0xba, 0xf8, 0x0c, 0xef, 0xb2, 0xfc
#define PCI_IN PCI_AT, 0xed
#define NEXT_FUNCTION 0x81, 0xc7, 0x00, 0x01, 0x00, 0x00
static const uint8_t pci_read[] = { PCI_IN };
static const uint8_t pci_read_new[] = { PCI_IN, NEXT_FUNCTION };
/* As firmware sizes a BAR: read, all ones, read, an address. */
static const uint8_t pci_size[] = { PCI_IN, PCI_AT, 0x83, 0xc8, 0xff, 0xef, PCI_IN, PCI_AT, 0xb8, 0x00, 0x00, 0xb0, 0xfe, 0xef, NEXT_FUNCTION };

#define BODY(bytes) .body = (bytes), .size = sizeof(bytes)

/* How a step ends: what has to be seen in what the programs keep of the VM. */
enum outcome {
	FIRST,    /* a VM, and its first fact */
	REPEATED, /* no fact */
	NEW,      /* a fact or more for each */
	REFUSED,  /* none, and each is counted */
	CREATED,  /* a VM that was seen from its creation on */
	ANY,      /* events */
};

enum act { ACT_LOOP, ACT_CREATE, ACT_WRITE_TSC };

struct step {
	const char *what;
	enum outcome outcome;
	enum act act;
	struct guest_loop loop;
	unsigned events;         /* of each turn of the loop, that are counted as one access */
	enum observe_class class;
	bool bounded;            /* it is to keep BOUND */
};

#define STEPS_MAX 6

struct family {
	const char *name, *tracepoint;
	enum program program;
	unsigned reference;      /* the step whose look-ups are what all are measured by; they find what they look for */
	bool answered;           /* a read is two events, one of which is a fact */
	struct step steps[STEPS_MAX];
};

static const struct family families[] = {
	{ "CPUID", "kvm_cpuid", PROGRAM_CPUID, 1, false, {
		{ "first fact of a VM", FIRST, ACT_LOOP, { BODY(cpuid_same) }, 1, OBSERVE_CLASS_CPUID, false },
		{ "repeated fact", REPEATED, ACT_LOOP, { BODY(cpuid_same) }, 1, OBSERVE_CLASS_CPUID, true },
		{ "new fact", NEW, ACT_LOOP, { BODY(cpuid_new), .edi = CPUID_NEW }, 1, OBSERVE_CLASS_CPUID, false },
		{ "new, past the quota", REFUSED, ACT_LOOP, { BODY(cpuid_new), .edi = CPUID_NEW + NEWS }, 1, OBSERVE_CLASS_CPUID, false } } },
	{ "Port", "kvm_pio", PROGRAM_PORTS, 1, false, {
		{ "first fact of a VM", FIRST, ACT_LOOP, { BODY(port_in), .edx = PORT }, 1, OBSERVE_CLASS_PORT, false },
		{ "repeated fact", REPEATED, ACT_LOOP, { BODY(port_in), .edx = PORT }, 1, OBSERVE_CLASS_PORT, true },
		{ "write that means nothing", REPEATED, ACT_LOOP, { BODY(port_out), .edx = PORT_UNUSED }, 1, OBSERVE_CLASS_PORT, false },
		{ "new fact", NEW, ACT_LOOP, { BODY(port_in_new), .edi = 0x1000 }, 1, OBSERVE_CLASS_PORT, false },
		{ "new, past the quota", REFUSED, ACT_LOOP, { BODY(port_in_new), .edi = 0x1000 + NEWS }, 1, OBSERVE_CLASS_PORT, false } } },
	{ "MMIO", "kvm_mmio", PROGRAM_MMIO, 1, true, {
		{ "first fact of a VM (two events)", FIRST, ACT_LOOP, { BODY(memory_read), .edi = MMIO_GPA }, 2, OBSERVE_CLASS_MMIO, false },
		{ "repeated fact (two events)", REPEATED, ACT_LOOP, { BODY(memory_read), .edi = MMIO_GPA }, 2, OBSERVE_CLASS_MMIO, true },
		{ "repeated write", REPEATED, ACT_LOOP, { BODY(memory_write), .edi = MMIO_GPA }, 1, OBSERVE_CLASS_MMIO, false },
		{ "new fact (two events)", NEW, ACT_LOOP, { BODY(memory_read_new), .edi = MMIO_GPA + 0x1000 }, 2, OBSERVE_CLASS_MMIO, false },
		{ "new, past the quota (two events)", REFUSED, ACT_LOOP, { BODY(memory_read_new), .edi = MMIO_GPA + (NEWS + 1) * 0x1000 }, 2, OBSERVE_CLASS_MMIO, false } } },
	{ "MSR", "kvm_msr", PROGRAM_MSR, 1, false, {
		{ "first fact of a VM", FIRST, ACT_LOOP, { BODY(msr_read), .edi = MSR, .real_mode = true }, 1, OBSERVE_CLASS_MSR, false },
		{ "repeated fact", REPEATED, ACT_LOOP, { BODY(msr_read), .edi = MSR, .real_mode = true }, 1, OBSERVE_CLASS_MSR, true },
		{ "new fact", NEW, ACT_LOOP, { BODY(msr_read_new), .edi = MSR_NEW, .real_mode = true }, 1, OBSERVE_CLASS_MSR, false },
		{ "new, past the quota", REFUSED, ACT_LOOP, { BODY(msr_read_new), .edi = MSR_NEW + NEWS, .real_mode = true }, 1, OBSERVE_CLASS_MSR, false } } },
	{ "PCI by ports", "kvm_pio", PROGRAM_PORTS, 1, false, {
		{ "first fact of a VM (0xCF8, 0xCFC)", FIRST, ACT_LOOP, { BODY(pci_read), .edi = 0x80000000 }, 2, OBSERVE_CLASS_PCI_HEADER, false },
		{ "repeated fact (0xCF8, 0xCFC)", REPEATED, ACT_LOOP, { BODY(pci_read), .edi = 0x80000000 }, 2, OBSERVE_CLASS_PCI_HEADER, false },
		{ "new fact (0xCF8, 0xCFC)", NEW, ACT_LOOP, { BODY(pci_read_new), .edi = 0x80000100 }, 2, OBSERVE_CLASS_PCI_HEADER, false },
		{ "a BAR is sized (4 accesses)", NEW, ACT_LOOP, { BODY(pci_size), .edi = 0x80000110 }, 8, OBSERVE_CLASS_PCI_PLACED, false } } },
	{ "PCI by ECAM", "kvm_mmio", PROGRAM_MMIO, 1, true, {
		{ "first fact of a VM", FIRST, ACT_LOOP, { BODY(memory_read), .edi = MMIO_GPA }, 2, OBSERVE_CLASS_MMIO, false },
		{ "repeated fact (two events)", REPEATED, ACT_LOOP, { BODY(ecam_read), .edi = ECAM_GPA }, 2, OBSERVE_CLASS_PCI_HEADER, false },
		{ "new fact (two events)", NEW, ACT_LOOP, { BODY(ecam_read_new), .edi = ECAM_GPA + 0x1000 }, 2, OBSERVE_CLASS_PCI_HEADER, false } } },
	{ "Fast MMIO", "kvm_fast_mmio", PROGRAM_FAST_MMIO, 0, false, {
		{ "repeated write to an ioeventfd", ANY, ACT_LOOP, { BODY(memory_write), .edi = MMIO_GPA }, 1, OBSERVE_CLASS_MMIO, false } } },
	{ "End of KVM_RUN", "kvm_userspace_exit", PROGRAM_SHUTDOWNS, 0, false, {
		{ "that is no shutdown", ANY, ACT_LOOP, { BODY(port_in), .edx = PORT }, 1, OBSERVE_CLASS_PORT, false } } },
	{ "TSC written", "kvm_write_tsc_offset", PROGRAM_RESETS, 1, false, {
		{ "a VM is created", CREATED, ACT_CREATE, { NULL }, 1, 0, false },
		{ "by the VMM, no reset", ANY, ACT_WRITE_TSC, { NULL }, 1, 0, false } } },
};

/* ---- what hangs on a tracepoint */
struct bench {
	struct abidrift_bpf *skel;
	struct cost_bpf *cost;
	struct ring_buffer *ring;
	struct guest guest;
	bool turns, check;
	const char *only; /* a family's name */
	unsigned rounds;
};

struct cost {
	double ns[HANGING]; /* of each event, all programs together */
	uint64_t events;
};

static struct bpf_program *hanging(const struct bench *b, const struct family *f, unsigned what, unsigned turn)
{
	if (what == SUBJECT)
		return b->turns ? turns_program(b->skel, f->program, turn) : turn ? NULL : kernel_program(b->skel, f->program);
	if (turn)
		return NULL;
	if (what == EMPTY)
		return b->cost->progs.empty;
	if (f->program == PROGRAM_RESETS)
		return b->cost->progs.lookup_fixed;
	return f->answered ? b->cost->progs.lookup_answered : b->cost->progs.lookup;
}

struct reading {
	uint64_t ns, runs;
};

static int readings(const struct bench *b, const struct family *f, struct reading ret[HANGING][KERNEL_TURNS])
{
	for (unsigned what = 0; what < HANGING; what++) {
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
			const struct bpf_program *p = hanging(b, f, what, turn);
			struct bpf_prog_info info = { 0 };
			uint32_t size = sizeof(info);

			if (p && bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size) < 0)
				return -errno;
			ret[what][turn] = (struct reading){ info.run_time_ns, info.run_cnt };
		}
	}
	return 0;
}

/* Of programs that take turns, each is net of an empty one. Other guests' events are among the runs, so they are counted, too. */
static struct cost difference(struct reading before[HANGING][KERNEL_TURNS], struct reading after[HANGING][KERNEL_TURNS])
{
	struct cost c = { { 0 }, after[SUBJECT][0].runs - before[SUBJECT][0].runs };
	unsigned programs = 0;

	for (unsigned what = 0; what < HANGING; what++) {
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
			uint64_t runs = after[what][turn].runs - before[what][turn].runs;

			if (!runs)
				continue;
			c.ns[what] += (double)(after[what][turn].ns - before[what][turn].ns) / (double)runs;
			programs += what == SUBJECT;
		}
	}
	c.ns[SUBJECT] -= programs * c.ns[EMPTY];
	c.ns[LOOKUP] -= c.ns[EMPTY];
	return c;
}

static void detach(struct bpf_link *links[HANGING][KERNEL_TURNS])
{
	for (unsigned what = 0; what < HANGING; what++)
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++)
			bpf_link__destroy(links[what][turn]);
}

/* -ENODATA: there is no such tracepoint. */
static int attach(const struct bench *b, const struct family *f, unsigned first, struct bpf_link *links[HANGING][KERNEL_TURNS])
{
	for (unsigned i = 0; i < HANGING; i++) {
		for (unsigned turn = 0; turn < KERNEL_TURNS; turn++) {
			unsigned what = (first + i) % HANGING;
			struct bpf_program *p = hanging(b, f, what, turn);

			links[what][turn] = p ? bpf_program__attach_raw_tracepoint(p, f->tracepoint) : NULL;
			if (p && !links[what][turn])
				return errno == EINVAL || errno == ENOENT ? -ENODATA : -errno;
		}
	}
	return 0;
}

/* ---- what the programs keep */
static int drop(void *context, void *data, size_t size)
{
	(void)context, (void)data, (void)size;
	return 0;
}

/* The newest VM of this process. */
static bool own_vm(const struct bench *b, struct observe_vm *ret)
{
	int fd = bpf_map__fd(b->skel->maps.vms);
	struct vm_state state;
	bool found = false;
	uint64_t key;

	for (bool more = bpf_map_get_next_key(fd, NULL, &key) == 0; more; more = bpf_map_get_next_key(fd, &key, &key) == 0) {
		if (bpf_map_lookup_elem(fd, &key, &state) < 0 || state.seen.tgid != (uint32_t)getpid())
			continue;
		if (!found || state.seen.created_ns > ret->created_ns)
			*ret = state.seen;
		found = true;
	}
	return found;
}

/* What is known of the VM of the round before; the next one may have its address. */
static void forget(const struct bench *b)
{
	int facts = bpf_map__fd(b->skel->maps.facts), vms = bpf_map__fd(b->skel->maps.vms);
	LIBBPF_OPTS(bpf_test_run_opts, run);
	struct observe_vm vm;
	struct observe_key key, next;

	if (own_vm(b, &vm)) {
		for (bool more = bpf_map_get_next_key(facts, NULL, &next) == 0; more;) {
			key = next;
			more = bpf_map_get_next_key(facts, &key, &next) == 0;
			if (key.vm == vm.vm)
				bpf_map_delete_elem(facts, &key);
		}
		bpf_map_delete_elem(vms, &vm.kvm);
	}
	bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.forget), &run);
	ring_buffer__consume(b->ring);
}

static int tell_ecam(const struct bench *b)
{
	const struct vm_ecam told = { .base = ECAM_GPA, .bytes = ECAM_BYTES };
	LIBBPF_OPTS(bpf_test_run_opts, run);
	struct observe_vm vm;

	if (!own_vm(b, &vm))
		return -ENOENT;
	if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.ecams), &vm.vm, &told, BPF_ANY) < 0)
		return -errno;
	return bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.forget), &run);
}

static bool as_meant(const struct step *s, uint32_t times, const struct observe_vm *before, const struct observe_vm *now)
{
	uint32_t facts = now->facts[s->class] - before->facts[s->class], refused = now->overflow[s->class] - before->overflow[s->class];

	switch (s->outcome) {
	case FIRST: return !before->vm && now->vm && now->facts[s->class] == 1;
	case REPEATED: return facts == 0 && refused == 0;
	case NEW: return facts >= times && refused == 0;
	case REFUSED: return facts == 0 && refused >= times;
	case CREATED: return now->vm && now->reason == OBSERVE_REASON_CREATED;
	default: return true;
	}
}

/* ---- a round */
static int write_tsc(struct guest *g, uint32_t times)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msrs = { .head.nmsrs = 1, .entry.index = MSR_TSC };

	for (uint32_t i = 0; i < times; i++) {
		msrs.entry.data = (uint64_t)(i + 1) << 40; /* far from what it is: else KVM takes it for the same again */
		if (ioctl(g->vcpu, KVM_SET_MSRS, &msrs) != 1)
			return -EIO;
	}
	return 0;
}

static int act(struct bench *b, const struct step *s, struct guest_loop *loop, uint32_t times)
{
	switch (s->act) {
	case ACT_CREATE:
		guest_end(&b->guest);
		return guest_begin(&b->guest);
	case ACT_WRITE_TSC:
		return write_tsc(&b->guest, times);
	default:
		return guest_run(&b->guest, loop, times);
	}
}

static uint32_t times_of(const struct bench *b, const struct step *s)
{
	if (s->outcome == FIRST || s->outcome == CREATED)
		return 1;
	if (s->outcome == REPEATED || s->outcome == ANY)
		return b->check ? 50 : REPEATS;
	if (s->events > 2)
		return b->check ? 50 : 200; /* a BAR is several facts */
	return NEWS;
}

/* *ret_cost: NaN where too many events were other guests'. What those cost is not what is measured. */
static int step_run(struct bench *b, const struct family *f, const struct step *s, struct cost *ret_cost)
{
	struct reading before[HANGING][KERNEL_TURNS], after[HANGING][KERNEL_TURNS];
	struct observe_vm vm_before = { 0 }, vm_now = { 0 };
	struct guest_loop loop = s->loop;
	uint32_t times = times_of(b, s);
	int r = 0;

	ring_buffer__consume(b->ring);
	if (s->outcome == REPEATED || s->outcome == ANY)
		r = act(b, s, &loop, 1); /* makes the fact a repeated one */
	if (r == 0 && s->outcome == REFUSED)
		r = act(b, s, &loop, FILL);
	(void)own_vm(b, &vm_before);
	ring_buffer__consume(b->ring);
	if (r == 0)
		r = readings(b, f, before);
	if (r == 0)
		r = act(b, s, &loop, times);
	if (r == 0)
		r = readings(b, f, after);
	if (r < 0)
		return r;
	*ret_cost = difference(before, after);
	if (!ret_cost->events && s->outcome == ANY)
		return -ENODATA;
	(void)own_vm(b, &vm_now);
	if (ret_cost->events < (uint64_t)times * s->events || !as_meant(s, times, &vm_before, &vm_now)) {
		fprintf(stderr, "kernel_cost: %s, %s: %llu events for %u; facts %u, before %u; refused %u, before %u\n", f->name, s->what,
			(unsigned long long)ret_cost->events, times * s->events, vm_now.facts[s->class], vm_before.facts[s->class],
			vm_now.overflow[s->class], vm_before.overflow[s->class]);
		return -EBADMSG;
	}
	if (!b->check && s->act == ACT_LOOP && ret_cost->events - (uint64_t)times * s->events > (uint64_t)times * s->events / FOREIGN_PART)
		ret_cost->ns[SUBJECT] = ret_cost->ns[LOOKUP] = NAN;
	return 0;
}

/* -ENODATA: this KVM makes no such event. */
static int round_run(struct bench *b, const struct family *f, unsigned number, struct cost costs[STEPS_MAX])
{
	struct bpf_link *links[HANGING][KERNEL_TURNS] = { { NULL } };
	int r;

	forget(b);
	r = guest_begin(&b->guest);
	b->guest.answer = PCI_DATA_READ;
	if (r == 0)
		r = attach(b, f, number, links);
	for (unsigned i = 0; i < STEPS_MAX && f->steps[i].what && r == 0; i++) {
		r = step_run(b, f, &f->steps[i], &costs[i]);
		if (r == 0 && i == 0 && f->steps[1].loop.edi == ECAM_GPA)
			r = tell_ecam(b);
	}
	detach(links);
	guest_end(&b->guest);
	return r;
}

/* ---- figures */
static size_t keep_finite(double *values, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (isfinite(values[i]))
			values[kept++] = values[i];
	return kept;
}

static int tell(const struct bench *b, const struct family *f, unsigned step, struct cost costs[][STEPS_MAX])
{
	const struct step *s = &f->steps[step];
	double net[ROUNDS], ratio[ROUNDS], lookup[ROUNDS], middle, ns;
	char what[96], measured[96], bound[32] = "";
	size_t nets, ratios, lookups;
	int held = -1;

	for (unsigned i = 0; i < b->rounds; i++) {
		net[i] = costs[i][step].ns[SUBJECT] * s->events;
		lookup[i] = costs[i][f->reference].ns[LOOKUP] * (f->answered ? 2 : 1);
		ratio[i] = lookup[i] > 0 ? net[i] / lookup[i] : NAN;
	}
	nets = keep_finite(net, b->rounds);
	ratios = keep_finite(ratio, b->rounds);
	lookups = keep_finite(lookup, b->rounds);
	snprintf(what, sizeof(what), "%s: %s", f->name, s->what);
	if (!nets || !ratios || !lookups) {
		printf("%s: not measured, other guests were at work in each round\n", what);
		return 0;
	}
	middle = median(ratio, ratios);
	ns = median(net, nets);
	if (s->bounded && !b->turns) {
		snprintf(bound, sizeof(bound), "%.2f of a look-up", BOUND);
		held = middle <= BOUND;
	}
	snprintf(measured, sizeof(measured), "%.*f of a look-up: %.*f ns (look-up %.1f ns)", middle < 10 ? 2 : 0, middle, ns < 1000 ? 1 : 0, ns,
		 median(lookup, lookups));
	bench_row(b->turns ? "In the kernel, programs that take turns" : "In the kernel", what, measured, bound, held);
	return 0;
}

static int family_run(struct bench *b, const struct family *f)
{
	static struct cost costs[ROUNDS][STEPS_MAX];
	int r = 0;

	for (unsigned i = 0; i < b->rounds && r == 0; i++) {
		r = round_run(b, f, i, costs[i]);
		if (r == -ENODATA) {
			printf("%s: not measured, this KVM makes no event %s\n", f->name, f->tracepoint);
			return 0;
		}
	}
	for (unsigned i = 0; i < STEPS_MAX && f->steps[i].what && r == 0; i++)
		r = tell(b, f, i, costs);
	if (r < 0)
		fprintf(stderr, "kernel_cost: %s on %s: %s\n", f->name, f->tracepoint, strerror(-r));
	return r;
}

/* ---- beginning and end */

/* The table that is looked up in holds the key of every event that the guest repeats, and others. */
static void fill(struct cost_bpf *cost)
{
	static const struct { uint32_t selector; uint64_t address; } keys[] = {
		{ 0, 0 }, { 0, PORT }, { 0, 0xcfc }, { 1, 0xcf8 }, { 0, MSR }, { 0, 1 }, { 0, 4 }, { KVM_EXIT_IO, 0 },
	};
	struct observe_key key = { .vm = 1, .kind = OBSERVE_CPUID };
	struct observe_value value = { 0 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		key.selector = keys[i].selector;
		key.address = keys[i].address;
		bpf_map_update_elem(bpf_map__fd(cost->maps.table), &key, &value, BPF_ANY);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		key.vm = 2 + i / 1000;
		key.selector = i;
		bpf_map_update_elem(bpf_map__fd(cost->maps.table), &key, &value, BPF_ANY);
	}
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

/* As collect/kernel_load.c does it. -ENOTSUP: programs cannot take turns here. */
static int programs_load(struct bench *b)
{
	struct btf *vmlinux = btf__load_vmlinux_btf();
	int cpus = libbpf_num_possible_cpus(), r;
	struct turns turns;

	turns_look(vmlinux, &turns);
	btf__free(vmlinux);
	b->skel = abidrift_bpf__open();
	if (!b->skel || cpus < 0)
		return -EINVAL;
	bpf_map__set_max_entries(b->skel->maps.cpuid_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.port_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.fast_mmio_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.pci_port_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.pci_ecam_cache, (uint32_t)cpus);
	bpf_map__set_max_entries(b->skel->maps.msr_cache, (uint32_t)cpus);
	b->skel->rodata->ring_urgent_bytes = bpf_map__max_entries(b->skel->maps.news) / 4;
	r = turns_autocreate(b->skel, b->turns);
	if (r == 0 && b->turns)
		r = turns_prepare(b->skel, &turns, ~0u);
	if (r == 0)
		r = abidrift_bpf__load(b->skel);
	if (r == 0 && b->turns)
		r = turns_loaded(b->skel, ~0u);
	if (r < 0)
		return r;
	b->ring = ring_buffer__new(bpf_map__fd(b->skel->maps.news), drop, NULL, NULL);
	return b->ring ? 0 : -errno;
}

static int run(struct bench *b)
{
	int r = programs_load(b);

	if (r == -ENOTSUP)
		printf("skipped: programs cannot take turns on this kernel\n");
	else if (r < 0)
		fprintf(stderr, "kernel_cost: programs%s cannot be loaded: %s\n", b->turns ? " that take turns" : "", strerror(-r));
	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && r == 0; i++)
		if (!b->only || strcmp(families[i].name, b->only) == 0)
			r = family_run(b, &families[i]);
	ring_buffer__free(b->ring);
	abidrift_bpf__destroy(b->skel);
	b->ring = NULL;
	b->skel = NULL;
	return r == -ENOTSUP ? 0 : r;
}

int main(int argc, char **argv)
{
	struct bench b = { .check = argc > 1 && strcmp(argv[1], "--check") == 0 };
	int r;

	b.only = argc > 1 && !b.check ? argv[1] : NULL;
	b.rounds = b.check ? 1 : ROUNDS;
	libbpf_set_print(quiet);
	b.cost = cost_bpf__open_and_load();
	if (!b.cost) {
		printf("skipped: BPF programs cannot be loaded here: %s\n", strerror(errno));
		return SKIPPED;
	}
	r = guest_begin(&b.guest);
	guest_end(&b.guest);
	if (r < 0) {
		printf("skipped: no KVM guest can be run here (/dev/kvm): %s\n", strerror(-r));
		return SKIPPED;
	}
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) {
		printf("skipped: this kernel has no BPF run-time statistics: %s\n", strerror(errno));
		return SKIPPED;
	}
	fill(b.cost);
	r = run(&b);
	b.turns = true;
	if (r == 0)
		r = run(&b);
	cost_bpf__destroy(b.cost);
	return r < 0 ? 1 : 0;
}
