/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the real programs with made-up arguments (BPF_PROG_TEST_RUN) and looks at what they leave in the maps and the ring. */
#ifndef ABIDRIFT_TESTS_BPF_HARNESS_H
#define ABIDRIFT_TESTS_BPF_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "bpf/observe.h"
#include "userspace/collect/kernel_parts.h"

#include <bpf/btf.h>

#define NEWS_MAX 16384
#define KVM_A 0xffff888000001000ull
#define KVM_B 0xffff888000002000ull
#define VCPU_A 0xffff888000011000ull
#define VCPU_B 0xffff888000012000ull
#define TGID 4711u

enum { PORT_IN, PORT_OUT };
enum { MMIO_ASKED, MMIO_READ, MMIO_WRITE };

struct rig {
	struct abidrift_bpf *skel;
	struct ring_buffer *ring;
	struct observe_news *news;
	size_t n_news;
};

/* What the next rig is made with; back to these after each. */
struct rig_options {
	uint32_t facts, ring_bytes, quota;
};
#define RIG_DEFAULT { 8192, 1u << 20, 1024 }

static struct rig rig;
static bool rig_turns; /* events are taken in turns, as on kernels that preempt programs */

static int rig_quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static int rig_take(void *context, void *data, size_t size)
{
	(void)context;
	assert_true(size >= sizeof(struct observe_news));
	assert_true(rig.n_news < NEWS_MAX);
	memcpy(&rig.news[rig.n_news++], data, sizeof(struct observe_news));
	return 0;
}

/* Whoever the next events are about. */
static inline void rig_who(uint64_t kvm, uint64_t vcpu, uint32_t vcpu_id)
{
	struct test_subject *f = &rig.skel->data->fake;

	f->kvm = kvm;
	f->vcpu = vcpu;
	f->vcpu_id = vcpu_id;
	f->vcpu_idx = vcpu_id;
	f->tgid = TGID;
	f->ran = 1;
	f->protected_mode = 1;
	f->at_reset_vector = 0;
}

static inline int rig_turns_prepare(void)
{
	struct btf *vmlinux = btf__load_vmlinux_btf();
	struct turns turns;

	turns_look(vmlinux, &turns);
	btf__free(vmlinux);
	if (!turns.possible) {
		abidrift_bpf__destroy(rig.skel);
		rig.skel = NULL;
		print_message("skipped: programs cannot take turns on this kernel\n");
		skip();
	}
	return turns_prepare(rig.skel, &turns, ~0u);
}

static inline void rig_open(const struct rig_options *o)
{
	int r = 0;

	libbpf_set_print(rig_quiet);
	memset(&rig, 0, sizeof(rig));
	if (geteuid() != 0) {
		print_message("skipped: not root, BPF_PROG_TEST_RUN is refused\n");
		skip();
	}
	rig.skel = abidrift_bpf__open();
	assert_non_null(rig.skel);
	rig.skel->rodata->testing = true;
	for (size_t i = 0; i < OBSERVE_CLASSES; i++)
		rig.skel->rodata->quota[i] = i == OBSERVE_CLASS_PCI_HEADER || i == OBSERVE_CLASS_PCI_BODY ? 2 * o->quota : o->quota;
	rig.skel->rodata->ring_urgent_bytes = o->ring_bytes / 4;
	bpf_map__set_max_entries(rig.skel->maps.facts, o->facts);
	bpf_map__set_max_entries(rig.skel->maps.news, o->ring_bytes);
	rig_turns = getenv("ABIDRIFT_TURNS");
	if (rig_turns)
		r = rig_turns_prepare();
	if (r == 0)
		r = abidrift_bpf__load(rig.skel);
	if (r == 0 && rig_turns)
		r = turns_loaded(rig.skel, ~0u);
	if (r == -EPERM || r == -ENOSYS || access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
		abidrift_bpf__destroy(rig.skel);
		rig.skel = NULL;
		print_message("skipped: this machine refuses BPF: %s\n", strerror(-r));
		skip();
	}
	assert_int_equal(r, 0);
	rig.ring = ring_buffer__new(bpf_map__fd(rig.skel->maps.news), rig_take, NULL, NULL);
	assert_non_null(rig.ring);
	rig.news = calloc(NEWS_MAX, sizeof(*rig.news));
	assert_non_null(rig.news);
	rig_who(KVM_A, VCPU_A, 0);
}

static inline void rig_begin(void)
{
	const struct rig_options o = RIG_DEFAULT;

	rig_open(&o);
}

static inline int rig_close(void **state)
{
	(void)state;
	ring_buffer__free(rig.ring);
	abidrift_bpf__destroy(rig.skel);
	free(rig.news);
	memset(&rig, 0, sizeof(rig));
	return 0;
}

static inline void rig_run_one(struct bpf_program *program, const uint64_t args[12])
{
	uint64_t context[12];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = context, .ctx_size_in = sizeof(context));

	memcpy(context, args, sizeof(context));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
}

static inline enum program rig_number(const struct bpf_program *program)
{
	for (enum program p = 0; (unsigned)p < TURNS_PROGRAMS; p++)
		if (kernel_program(rig.skel, p) == program)
			return p;
	return PROGRAMS;
}

/* An event: all that hangs on its tracepoint. */
static inline void rig_run(struct bpf_program *program, const uint64_t args[12])
{
	enum program p = rig_number(program);

	if (!rig_turns || p == PROGRAMS) {
		rig_run_one(program, args);
		return;
	}
	for (unsigned turn = 0; turn < KERNEL_TURNS; turn++)
		rig_run_one(turns_program(rig.skel, p, turn), args);
}

static inline void cpuid_flags(uint32_t leaf, uint32_t index, uint32_t a, uint32_t b, uint32_t c, uint32_t d, bool found, bool max_basic)
{
	rig_run(rig.skel->progs.cpuid, (uint64_t[12]){ leaf, index, a, b, c, d, found, max_basic });
}

static inline void cpuid(uint32_t leaf, uint32_t index, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	cpuid_flags(leaf, index, a, b, c, d, true, false);
}

static inline void rig_data(uint64_t value)
{
	memset(rig.skel->data->fake.data, 0, sizeof(rig.skel->data->fake.data));
	memcpy(rig.skel->data->fake.data, &value, sizeof(value));
}

static inline void in_port(uint32_t port, uint32_t width, uint32_t value)
{
	rig_data(value);
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_IN, port, width, 1, 1 });
}

static inline void out_port(uint32_t port, uint32_t width, uint32_t value)
{
	rig_data(value);
	rig_run(rig.skel->progs.ports, (uint64_t[12]){ PORT_OUT, port, width, 1, 1 });
}

static inline void mmio_read(uint64_t gpa, uint32_t width, uint64_t value)
{
	rig_run(rig.skel->progs.mmio, (uint64_t[12]){ MMIO_ASKED, width, gpa, 0 });
	rig_data(value);
	rig_run(rig.skel->progs.mmio, (uint64_t[12]){ MMIO_READ, width, gpa, 1 });
}

static inline void mmio_write(uint64_t gpa, uint32_t width, uint64_t value)
{
	rig_data(value);
	rig_run(rig.skel->progs.mmio, (uint64_t[12]){ MMIO_WRITE, width, gpa, 1 });
}

/* What kernel_ecam_set() does; bytes 0: nowhere. */
static inline void ecam_told(uint64_t vm, uint64_t base, uint32_t bytes)
{
	const struct vm_ecam told = { .base = base, .bytes = bytes };
	int fd = bpf_map__fd(rig.skel->maps.ecams);

	assert_int_equal(bytes ? bpf_map_update_elem(fd, &vm, &told, BPF_ANY) : bpf_map_delete_elem(fd, &vm), 0);
	rig_run(rig.skel->progs.forget, (uint64_t[12]){ 0 });
}

/* A vCPU's TSC is written by the VMM. */
static inline void tsc_written(bool ran, bool at_reset_vector)
{
	struct test_subject *f = &rig.skel->data->fake;

	f->ran = ran;
	f->at_reset_vector = at_reset_vector;
	f->protected_mode = !at_reset_vector;
	rig_run(rig.skel->progs.resets, (uint64_t[12]){ f->vcpu_id, 0, 1 });
	f->ran = 1;
	f->at_reset_vector = 0;
	f->protected_mode = 1;
}

static inline void exit_to_vmm(uint32_t reason)
{
	rig_run(rig.skel->progs.shutdowns, (uint64_t[12]){ reason, 0 });
}

static inline uint32_t cf8(uint32_t bdf, uint32_t reg)
{
	return 0x80000000u | bdf << 8 | (reg & 0xfc);
}

static inline void pci_in(uint32_t bdf, uint32_t reg, uint32_t width, uint32_t value)
{
	out_port(0xcf8, 4, cf8(bdf, reg));
	in_port(0xcfc + (reg & 3), width, value);
}

static inline void pci_out(uint32_t bdf, uint32_t reg, uint32_t width, uint32_t value)
{
	out_port(0xcf8, 4, cf8(bdf, reg));
	out_port(0xcfc + (reg & 3), width, value);
}

/* Drains the ring; how many news of this type there are among what was drained. */
static inline size_t news(uint32_t type)
{
	size_t n = 0;

	rig.n_news = 0;
	assert_true(ring_buffer__consume(rig.ring) >= 0);
	for (size_t i = 0; i < rig.n_news; i++)
		n += rig.news[i].type == type;
	return n;
}

/* The same for facts of one kind. */
static inline size_t news_of(uint8_t kind)
{
	size_t n = 0;

	news(0);
	for (size_t i = 0; i < rig.n_news; i++)
		n += rig.news[i].type == OBSERVE_NEWS_FACT && rig.news[i].key.kind == kind;
	return n;
}

static inline bool vm_get(uint64_t kvm, struct observe_vm *ret)
{
	struct vm_state state;

	if (bpf_map_lookup_elem(bpf_map__fd(rig.skel->maps.vms), &kvm, &state) < 0)
		return false;
	*ret = state.seen;
	return true;
}

static inline struct observe_vm vm_of(uint64_t kvm)
{
	struct observe_vm vm = { 0 };

	assert_true(vm_get(kvm, &vm));
	return vm;
}

static inline bool fact_get(uint64_t kvm, uint8_t kind, uint32_t selector, uint64_t address, uint8_t width, struct observe_value *ret)
{
	struct observe_key key = { .vm = vm_of(kvm).vm, .kind = kind, .selector = selector, .address = address, .width = width };

	return bpf_map_lookup_elem(bpf_map__fd(rig.skel->maps.facts), &key, ret) == 0;
}

static inline struct observe_value fact_of(uint64_t kvm, uint8_t kind, uint32_t selector, uint64_t address, uint8_t width)
{
	struct observe_value v = { 0 };

	if (!fact_get(kvm, kind, selector, address, width, &v))
		fail_msg("no fact of kind %u, selector %#x, address %#llx, width %u", kind, selector, (unsigned long long)address, width);
	return v;
}

static inline bool has_fact(uint64_t kvm, uint8_t kind, uint32_t selector, uint64_t address, uint8_t width)
{
	struct observe_value v;

	return fact_get(kvm, kind, selector, address, width, &v);
}

static inline uint64_t counter(uint32_t which)
{
	int n = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)n, sizeof(*values)), sum = 0;

	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(rig.skel->maps.counters), &which, values), 0);
	for (int i = 0; i < n; i++)
		sum += values[i];
	free(values);
	return sum;
}

#endif
