/* SPDX-License-Identifier: Apache-2.0 */
/* A guest of a few pages that makes the same exits over and over: what the benchmarks of the kernel side measure with. */
#ifndef ABIDRIFT_TESTS_BENCH_PAGE_GUEST_H
#define ABIDRIFT_TESTS_BENCH_PAGE_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST_BYTES 0x2000u
#define GUEST_CODE 0x1000u
#define GUEST_FAULT_VECTOR 0x34u /* of #GP in real mode */
#define GUEST_FAULT_HANDLER 0x500u
#define GUEST_PCI_DATA 0xcfc
#define GUEST_SIZE_MASK 0xfffff000u

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_bytes;
	uint8_t *memory;
	struct kvm_sregs sregs; /* of the reset */
	uint32_t answer;        /* to every read */
	bool sizing;            /* all ones were written to PCI configuration: that is answered by a size */
};

/* The body of a loop. It may use all registers but esi (its count) and esp; edi is what it was left at. */
struct guest_loop {
	const uint8_t *body;
	size_t size;
	uint32_t edx, edi;
	bool real_mode; /* else flat, 32 bits */
};

static inline void guest_end(struct guest *g)
{
	if (g->run)
		munmap(g->run, g->run_bytes);
	if (g->memory)
		munmap(g->memory, GUEST_BYTES);
	for (size_t i = 0; i < 3; i++) {
		int fd = (int[]){ g->vcpu, g->vm, g->kvm }[i];

		if (fd >= 0)
			close(fd);
	}
	*g = (struct guest){ .kvm = -1, .vm = -1, .vcpu = -1 };
}

/* After a failure, too, guest_end(). */
static inline int guest_begin(struct guest *g)
{
	static const uint8_t step_over[] = { 0x58, 0x83, 0xc0, 0x02, 0x50, 0xcf }; /* pop ax; add ax, 2; push ax; iret: behind the rdmsr that faulted */
	struct kvm_userspace_memory_region slot = { .memory_size = GUEST_BYTES };
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[128]; } table = { .head.nent = 128 };
	void *memory, *run;
	int size;

	*g = (struct guest){ .kvm = -1, .vm = -1, .vcpu = -1 };
	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (g->kvm < 0)
		return -errno;
	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	memory = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->vm < 0 || memory == MAP_FAILED)
		return -errno;
	g->memory = memory;
	g->memory[GUEST_FAULT_VECTOR] = GUEST_FAULT_HANDLER & 0xff;
	g->memory[GUEST_FAULT_VECTOR + 1] = GUEST_FAULT_HANDLER >> 8;
	memcpy(g->memory + GUEST_FAULT_HANDLER, step_over, sizeof(step_over));
	slot.userspace_addr = (uint64_t)(uintptr_t)memory;
	if (ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return -errno;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (g->vcpu < 0 || size < 0)
		return -errno;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (run == MAP_FAILED)
		return -errno;
	g->run = run;
	g->run_bytes = (size_t)size;
	if (ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &table) < 0 || ioctl(g->vcpu, KVM_SET_CPUID2, &table) < 0)
		return -errno;
	return ioctl(g->vcpu, KVM_GET_SREGS, &g->sregs) < 0 ? -errno : 0;
}

static inline int guest_mode(struct guest *g, bool flat)
{
	const struct kvm_segment segment = { .limit = flat ? 0xffffffff : 0xffff, .type = 3, .present = 1, .s = 1, .db = flat, .g = flat,
					     .selector = flat ? 16 : 0 };
	struct kvm_sregs s = g->sregs;

	s.cs = s.ds = s.es = s.fs = s.gs = s.ss = segment;
	s.cs.type = 11;
	s.cs.selector = flat ? 8 : 0;
	s.idt.base = 0;
	s.idt.limit = flat ? 0 : 0x3ff;
	s.cr0 = (s.cr0 & ~1ull) | flat;
	return ioctl(g->vcpu, KVM_SET_SREGS, &s) < 0 ? -errno : 0;
}

static inline void guest_answer(struct guest *g)
{
	struct kvm_run *run = g->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t value = g->answer;

	if (run->exit_reason == KVM_EXIT_MMIO) {
		if (!run->mmio.is_write)
			memcpy(run->mmio.data, &value, sizeof(value));
	} else if (run->io.direction == KVM_EXIT_IO_IN) {
		if (run->io.port == GUEST_PCI_DATA && g->sizing)
			value = GUEST_SIZE_MASK;
		memcpy(data, &value, run->io.size);
	} else if (run->io.port == GUEST_PCI_DATA) {
		memcpy(&value, data, run->io.size);
		g->sizing = value == 0xffffffff;
	}
}

/* Runs the loop so many times, and moves its edi on. */
static inline int guest_run(struct guest *g, struct guest_loop *loop, uint32_t times)
{
	struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = 2, .rsp = GUEST_CODE, .rsi = times, .rdx = loop->edx, .rdi = loop->edi };
	const uint8_t tail[] = { 0x4e, 0x75, (uint8_t)-(loop->size + 3), 0xf4 }; /* dec esi; jnz; hlt */
	int r = guest_mode(g, !loop->real_mode);

	memcpy(g->memory + GUEST_CODE, loop->body, loop->size);
	memcpy(g->memory + GUEST_CODE + loop->size, tail, sizeof(tail));
	if (r == 0 && ioctl(g->vcpu, KVM_SET_REGS, &regs) < 0)
		r = -errno;
	while (r == 0) {
		if (ioctl(g->vcpu, KVM_RUN, 0) < 0) {
			r = errno == EINTR ? 0 : -errno;
		} else if (g->run->exit_reason == KVM_EXIT_HLT) {
			break;
		} else if (g->run->exit_reason == KVM_EXIT_IO || g->run->exit_reason == KVM_EXIT_MMIO) {
			guest_answer(g);
		} else if (g->run->exit_reason != KVM_EXIT_INTR) {
			r = -EPROTO;
		}
	}
	if (r == 0 && ioctl(g->vcpu, KVM_GET_REGS, &regs) < 0)
		r = -errno;
	if (r == 0)
		loop->edi = (uint32_t)regs.rdi;
	return r;
}

#endif
