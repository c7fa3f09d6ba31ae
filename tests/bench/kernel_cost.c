/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a repeated fact costs in the kernel, by the kernel's own run-time statistics: a guest of one page makes the same exit
 * over and over; abidrift's program, an empty one and one that does one look-up by a 24-byte key hang on the same tracepoint at
 * the same time, in an order that changes with every round. Printed are medians, net of the empty program.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/observe.h"
#include "bpf/private.h"
#include "bpf/abidrift.skel.h"
#include "tests/bench/cost.skel.h"
#include "tests/bench/measure.h"

#define ROUNDS 21
#define EVENTS 20000u   /* per round */
#define CODE_GPA 0x1000u
#define PORT 0x510u
#define MSR 0x8b /* one that identifies: its value is compared every time */
#define SKIPPED 77

enum { SUBJECT, EMPTY, LOOKUP, PROGRAMS };

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *page;
};

/* Real-mode loops of EVENTS exits, then hlt. The counter is si: cpuid takes eax to edx. */
#define COUNT_DOWN(back) 0x4e, 0x75, (uint8_t)-(back), 0xf4
static const uint8_t loop_cpuid[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xc9, 0x0f, 0xa2, COUNT_DOWN(11) };
static const uint8_t loop_port[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0xba, PORT & 0xff, PORT >> 8, 0xec, COUNT_DOWN(4) };
static const uint8_t loop_mmio[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0xb8, 0x00, 0xd0, 0x8e, 0xd8, 0xa0, 0x00, 0x00, COUNT_DOWN(6) };
static const uint8_t loop_msr[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0x66, 0xb9, MSR, 0, 0, 0, 0x0f, 0x32, COUNT_DOWN(5) };

static int guest_new(struct guest *g)
{
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = CODE_GPA, .memory_size = 4096 };
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[128]; } table = { .head.nent = 128 };
	struct kvm_sregs sregs;
	int size;

	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (g->kvm < 0)
		return -errno;
	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	g->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->vm < 0 || g->page == MAP_FAILED)
		return -errno;
	slot.userspace_addr = (uint64_t)(uintptr_t)g->page;
	if (ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return -errno;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (g->vcpu < 0 || size < 0)
		return -errno;
	g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED)
		return -errno;
	if (ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &table) < 0 || ioctl(g->vcpu, KVM_SET_CPUID2, &table) < 0)
		return -errno;
	if (ioctl(g->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = sregs.cs.selector = 0;
	return ioctl(g->vcpu, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

/* Runs the loop to its hlt; every read is answered with zero. */
static int guest_run(struct guest *g, const uint8_t *code, size_t size)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2 };

	memcpy(g->page, code, size);
	if (ioctl(g->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	while (ioctl(g->vcpu, KVM_RUN, 0) == 0 || errno == EINTR) {
		switch (g->run->exit_reason) {
		case KVM_EXIT_HLT:
			return 0;
		case KVM_EXIT_IO:
			memset((char *)g->run + g->run->io.data_offset, 0, g->run->io.size * g->run->io.count);
			break;
		case KVM_EXIT_MMIO:
			memset(g->run->mmio.data, 0, sizeof(g->run->mmio.data));
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			return -EPROTO;
		}
	}
	return -errno;
}

static int stats(int fd, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
	return 0;
}

/* Nanoseconds per exit of each program in one round: an exit may be two events. */
static int round_of(struct guest *g, struct bpf_program *const programs[PROGRAMS], unsigned first, const char *tracepoint,
		    const uint8_t *code, size_t size, double ret[PROGRAMS])
{
	struct bpf_link *links[PROGRAMS] = { NULL };
	uint64_t ns[2][PROGRAMS], runs[2][PROGRAMS];
	int r = 0;

	for (unsigned i = 0; i < PROGRAMS; i++) {
		unsigned p = (first + i) % PROGRAMS;

		links[p] = bpf_program__attach_raw_tracepoint(programs[p], tracepoint);
		if (!links[p])
			r = -errno;
	}
	if (r == 0)
		r = guest_run(g, code, size); /* warm up: the fact becomes a repeated one */
	for (unsigned p = 0; p < PROGRAMS && r == 0; p++)
		r = stats(bpf_program__fd(programs[p]), &ns[0][p], &runs[0][p]);
	if (r == 0)
		r = guest_run(g, code, size);
	for (unsigned p = 0; p < PROGRAMS && r == 0; p++) {
		r = stats(bpf_program__fd(programs[p]), &ns[1][p], &runs[1][p]);
		if (r == 0 && runs[1][p] - runs[0][p] < EVENTS)
			r = -ENODATA;
		if (r == 0)
			ret[p] = (double)(ns[1][p] - ns[0][p]) / EVENTS;
	}
	for (unsigned p = 0; p < PROGRAMS; p++)
		bpf_link__destroy(links[p]);
	return r;
}

static int measure(struct guest *g, const char *name, struct bpf_program *const programs[PROGRAMS], const char *tracepoint,
		   const uint8_t *code, size_t size)
{
	double empty[ROUNDS], fact[ROUNDS], lookup[ROUNDS], ns[PROGRAMS], net, reference;

	for (unsigned i = 0; i < ROUNDS; i++) {
		int r = round_of(g, programs, i, tracepoint, code, size, ns);

		if (r < 0) {
			fprintf(stderr, "kernel_cost: %s on %s: %s\n", name, tracepoint, strerror(-r));
			return r;
		}
		empty[i] = ns[EMPTY];
		fact[i] = ns[SUBJECT] - ns[EMPTY];
		lookup[i] = ns[LOOKUP] - ns[EMPTY];
	}
	net = median(fact, ROUNDS);
	reference = median(lookup, ROUNDS);
	printf("%-6s repeated fact %5.1f ns, hash look-up %5.1f ns (both net of an empty program's %.1f ns): ratio %.2f (at most 0.60: %s)\n",
	       name, net, reference, median(empty, ROUNDS), net / reference, net <= 0.6 * reference ? "yes" : "no");
	return 0;
}

/* The table that is looked up in holds the key of every event that the guest makes, and others. */
static void fill(struct cost_bpf *cost)
{
	static const struct { uint32_t selector; uint64_t address; } keys[] = { { 0, 0 }, { 0, PORT }, { 0, MSR }, { 0, 1 }, { 1, 1 } };
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

int main(void)
{
	struct abidrift_bpf *skel;
	struct cost_bpf *cost;
	struct guest g = { -1, -1, -1, NULL, NULL };
	int r, cpus;

	libbpf_set_print(quiet);
	skel = abidrift_bpf__open();
	cpus = libbpf_num_possible_cpus();
	if (skel && cpus > 0) {
		/* As collect/kernel.c does it. */
		bpf_map__set_max_entries(skel->maps.cpuid_cache, (uint32_t)cpus);
		bpf_map__set_max_entries(skel->maps.port_cache, (uint32_t)cpus);
		bpf_map__set_max_entries(skel->maps.mmio_cache, (uint32_t)cpus);
		bpf_map__set_max_entries(skel->maps.msr_cache, (uint32_t)cpus);
	}
	if (skel && abidrift_bpf__load(skel) < 0) {
		abidrift_bpf__destroy(skel);
		skel = NULL;
	}
	cost = cost_bpf__open_and_load();
	if (!skel || !cost) {
		printf("skipped: BPF programs cannot be loaded here: %s\n", strerror(errno));
		return SKIPPED;
	}
	r = guest_new(&g);
	if (r < 0) {
		printf("skipped: no KVM guest can be run here (/dev/kvm): %s\n", strerror(-r));
		return SKIPPED;
	}
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) {
		printf("skipped: this kernel has no BPF run-time statistics: %s\n", strerror(errno));
		return SKIPPED;
	}
	fill(cost);
	const struct {
		const char *name, *tracepoint;
		struct bpf_program *programs[PROGRAMS];
		const uint8_t *code;
		size_t size;
	} families[] = {
		{ "cpuid", "kvm_cpuid", { skel->progs.cpuid, cost->progs.empty, cost->progs.lookup }, loop_cpuid, sizeof(loop_cpuid) },
		{ "port", "kvm_pio", { skel->progs.ports, cost->progs.empty, cost->progs.lookup }, loop_port, sizeof(loop_port) },
		{ "mmio", "kvm_mmio", { skel->progs.mmio, cost->progs.empty, cost->progs.lookup_mmio }, loop_mmio, sizeof(loop_mmio) },
		{ "msr", "kvm_msr", { skel->progs.msr, cost->progs.empty, cost->progs.lookup }, loop_msr, sizeof(loop_msr) },
	};
	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && r == 0; i++)
		r = measure(&g, families[i].name, families[i].programs, families[i].tracepoint, families[i].code, families[i].size);
	cost_bpf__destroy(cost);
	abidrift_bpf__destroy(skel);
	return r < 0 ? 1 : 0;
}
