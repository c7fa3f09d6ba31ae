/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest loses while its tables are read: it makes the same exit over and over, in pairs of rounds with and without a
 * reader that reads all areas ten times a second, more often than it ever does. Printed is the median of the ratios: of the time that
 * the vCPU's thread ran (what others take from a shared processor is not in it), and of the time that passed. Then what one reading
 * of all areas costs the reader and who asks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "userspace/collect/process.h"
#include "userspace/collect/reader.h"

#define PAIRS 20
#define EVENTS 20000u     /* a round */
#define PAUSE_MS 100
#define READINGS 400
#define CODE_GPA 0x1000u
#define LOW_BYTES 0x100000u
#define ROM_GPA 0xfffc0000u
#define ROM_BYTES 0x40000u
#define PORT 0x510u
#define RSDP_GPA 0xf0000u
#define TABLES_GPA 0x80000u
#define TABLE_BYTES 0x4000u
#define SKIPPED 77
#define TABLE "Reading guests' tables"

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *low, *rom;
};

struct readings {
	struct reader *reader;
	int epoll_fd;
	struct record_slot slots[2];
	uint64_t start;
	atomic_bool stop;
	unsigned count, whole;
};

#define COUNT_DOWN(back) 0x4e, 0x75, (uint8_t)-(back), 0xf4
static const uint8_t loop_cpuid[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0x66, 0x31, 0xc0, 0x66, 0x31, 0xc9, 0x0f, 0xa2, COUNT_DOWN(11) };
static const uint8_t loop_port[] = { 0xbe, EVENTS & 0xff, EVENTS >> 8, 0xba, PORT & 0xff, PORT >> 8, 0xec, COUNT_DOWN(4) };

static double ms_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void sum_to_zero(uint8_t *at, size_t bytes, size_t field)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + at[i]);
	at[field] = (uint8_t)-sum;
}

static uint32_t table_put(struct guest *g, unsigned place, const char *signature, uint32_t bytes)
{
	uint32_t gpa = TABLES_GPA + place * TABLE_BYTES;

	memcpy(g->low + gpa, signature, 4);
	put32(g->low + gpa + 4, bytes);
	return gpa;
}

/* As much as SeaBIOS leaves: RSDP, RSDT, FADT, a DSDT of 8 KiB, FACS. */
static void tables_build(struct guest *g)
{
	uint32_t rsdt = table_put(g, 0, "RSDT", 40), fadt = table_put(g, 1, "FACP", 116), dsdt = table_put(g, 2, "DSDT", 8192),
		 facs = table_put(g, 3, "FACS", 64);
	uint8_t *rsdp = g->low + RSDP_GPA;

	put32(g->low + rsdt + 36, fadt);
	put32(g->low + fadt + 36, facs);
	put32(g->low + fadt + 40, dsdt);
	sum_to_zero(g->low + rsdt, 40, 9);
	sum_to_zero(g->low + fadt, 116, 9);
	sum_to_zero(g->low + dsdt, 8192, 9);
	memcpy(rsdp, "RSD PTR ", 8);
	put32(rsdp + 16, rsdt);
	sum_to_zero(rsdp, 20, 8);
}

static uint8_t *slot_add(struct guest *g, unsigned id, uint64_t gpa, uint64_t bytes, uint32_t flags)
{
	struct kvm_userspace_memory_region slot = { .slot = id, .flags = flags, .guest_phys_addr = gpa, .memory_size = bytes };
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memset(memory, id ? 0x5a : 0, bytes);
	slot.userspace_addr = (uint64_t)(uintptr_t)memory;
	return ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ? NULL : memory;
}

static int guest_new(struct guest *g)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[128]; } table = { .head.nent = 128 };
	struct kvm_sregs sregs;
	int size;

	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	g->vm = g->kvm < 0 ? -1 : ioctl(g->kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0)
		return -errno;
	g->low = slot_add(g, 0, 0, LOW_BYTES, 0);
	g->rom = slot_add(g, 1, ROM_GPA, ROM_BYTES, KVM_MEM_READONLY);
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (!g->low || !g->rom || g->vcpu < 0 || size < 0)
		return -errno;
	g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	if (g->run == MAP_FAILED)
		return -errno;
	if (ioctl(g->kvm, KVM_GET_SUPPORTED_CPUID, &table) < 0 || ioctl(g->vcpu, KVM_SET_CPUID2, &table) < 0)
		return -errno;
	if (ioctl(g->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(g->vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -errno;
	tables_build(g);
	return 0;
}

static int guest_run(struct guest *g, const uint8_t *code, size_t size)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2 };

	memcpy(g->low + CODE_GPA, code, size);
	if (ioctl(g->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	while (ioctl(g->vcpu, KVM_RUN, 0) == 0 || errno == EINTR) {
		if (g->run->exit_reason == KVM_EXIT_HLT)
			return 0;
		if (g->run->exit_reason == KVM_EXIT_IO)
			memset((char *)g->run + g->run->io.data_offset, 0, g->run->io.size * g->run->io.count);
		else if (g->run->exit_reason != KVM_EXIT_INTR)
			return -EPROTO;
	}
	return -errno;
}

static void take(void *context, uint64_t vm, uint32_t boot, enum record_area area, int err, const void *body, size_t bytes)
{
	struct readings *r = context;
	struct record_memory head;

	(void)vm, (void)boot;
	r->count++;
	if (err || area == RECORD_AREA_SMBIOS || bytes < sizeof(head))
		return;
	memcpy(&head, body, sizeof(head));
	r->whole += head.whole;
}

static void read_once(struct readings *r)
{
	struct reader_request request = { .vm = 1, .boot = 1, .pid = getpid(), .start = r->start, .slots = r->slots, .count = 2,
		.areas = 1u << RECORD_AREA_ACPI | 1u << RECORD_AREA_SMBIOS | 1u << RECORD_AREA_FIRMWARE };
	struct epoll_event event;

	reader_ask(r->reader, &request, (uint64_t)(ms_of(CLOCK_MONOTONIC) * 1e6));
	while (!reader_idle(r->reader)) {
		epoll_wait(r->epoll_fd, &event, 1, PAUSE_MS);
		reader_work(r->reader, (uint64_t)(ms_of(CLOCK_MONOTONIC) * 1e6), take, r);
	}
}

static void *readings_main(void *context)
{
	struct readings *r = context;
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000l };

	while (!r->stop) {
		read_once(r);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* Processor time of our only child so far, which reads; less than 0: it cannot be told. */
static double child_ms(void)
{
	unsigned long long ns = 0;
	char path[64];
	int pid = 0, got;
	FILE *f = fopen("/proc/thread-self/children", "re");

	got = f ? fscanf(f, "%d", &pid) : 0;
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = got == 1 ? fopen(path, "re") : NULL;
	got = f ? fscanf(f, "%llu", &ns) : 0;
	if (f)
		fclose(f);
	return got == 1 ? (double)ns / 1e6 : -1;
}

static void measure_readings(struct readings *r)
{
	double child, asker;
	char measured[96];

	read_once(r);
	r->count = r->whole = 0;
	child = child_ms();
	asker = ms_of(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < READINGS; i++)
		read_once(r);
	asker = (ms_of(CLOCK_THREAD_CPUTIME_ID) - asker) / READINGS;
	child = child < 0 ? child : (child_ms() - child) / READINGS;
	if (child <= 0)
		snprintf(measured, sizeof(measured), "the reader was replaced while it was measured");
	else
		snprintf(measured, sizeof(measured), "%.2f ms, of them %.2f in the reader", asker + child, child);
	bench_row(TABLE, "one reading of all areas, of which a boot under SeaBIOS takes about 6", measured, "", -1);
}

struct spent {
	double ran, passed;
};

static int round_of(struct guest *g, struct readings *r, bool on, const uint8_t *code, size_t size, struct spent *ret)
{
	pthread_t thread;
	int err;

	r->stop = false;
	if (on && pthread_create(&thread, NULL, readings_main, r))
		return -EAGAIN;
	ret->ran = ms_of(CLOCK_THREAD_CPUTIME_ID);
	ret->passed = ms_of(CLOCK_MONOTONIC);
	err = guest_run(g, code, size);
	ret->ran = ms_of(CLOCK_THREAD_CPUTIME_ID) - ret->ran;
	ret->passed = ms_of(CLOCK_MONOTONIC) - ret->passed;
	r->stop = true;
	if (on)
		pthread_join(thread, NULL);
	return err;
}

/* A third round is without reading again: what two equal ones differ by is how far the figure can be trusted. */
enum { OFF, ON, OFF_AGAIN, ROUNDS };

static int measure(struct guest *g, struct readings *r, const char *name, const uint8_t *code, size_t size)
{
	double ran[PAIRS], passed[PAIRS], equal[PAIRS], percent;
	char what[96], measured[200];
	struct spent spent[ROUNDS];
	int err = guest_run(g, code, size);

	r->count = r->whole = 0;
	for (unsigned i = 0; i < PAIRS && !err; i++) {
		for (unsigned n = 0; n < ROUNDS && !err; n++) {
			unsigned which = (i + n) % ROUNDS; /* who goes first changes every time */

			err = round_of(g, r, which == ON, code, size, &spent[which]);
		}
		ran[i] = spent[ON].ran / spent[OFF].ran;
		equal[i] = spent[OFF_AGAIN].ran / spent[OFF].ran;
		passed[i] = spent[ON].passed / spent[OFF].passed;
	}
	if (err < 0) {
		fprintf(stderr, "reading_cost: %s: %s\n", name, strerror(-err));
		return err;
	}
	percent = (median(ran, PAIRS) - 1) * 100;
	snprintf(what, sizeof(what), "%s loop of a guest while its tables are read ten times a second", name);
	snprintf(measured, sizeof(measured), "%+.2f %% of its processor time, %+.2f %% of the time that passed; without reading twice %+.2f %%; %d pairs, %u readings, %u whole",
		 percent, (median(passed, PAIRS) - 1) * 100, (median(equal, PAIRS) - 1) * 100, PAIRS, r->count, r->whole);
	bench_row(TABLE, what, measured, "1 %", percent <= 1);
	return 0;
}

int main(void)
{
	struct guest g = { .kvm = -1, .vm = -1, .vcpu = -1 };
	struct readings r = { .reader = NULL };
	int err = reader_new(NULL, &r.reader);

	if (err < 0 || geteuid() != 0) {
		printf("skipped: reading a process's memory needs root\n");
		return SKIPPED;
	}
	err = guest_new(&g);
	if (err < 0) {
		printf("skipped: no KVM guest can be run here (/dev/kvm): %s\n", strerror(-err));
		return SKIPPED;
	}
	r.slots[0] = (struct record_slot){ .gpa = 0, .bytes = LOW_BYTES, .hva = (uint64_t)(uintptr_t)g.low };
	r.slots[1] = (struct record_slot){ .gpa = ROM_GPA, .bytes = ROM_BYTES, .hva = (uint64_t)(uintptr_t)g.rom, .flags = KVM_MEM_READONLY };
	r.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = r.epoll_fd < 0 ? -errno : reader_watch(r.reader, r.epoll_fd, 0);
	if (err >= 0)
		err = process_start(getpid(), &r.start);
	if (err >= 0)
		measure_readings(&r);
	if (err >= 0)
		err = measure(&g, &r, "CPUID", loop_cpuid, sizeof(loop_cpuid));
	if (err >= 0)
		err = measure(&g, &r, "port", loop_port, sizeof(loop_port));
	reader_free(r.reader);
	return err < 0 ? 1 : 0;
}
