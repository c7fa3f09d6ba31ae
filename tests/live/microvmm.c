/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VMM for tests: exact exits, a known CPUID table, a life under a script's control. See usage() for what it takes.
 *
 * A line is a list of guest operations ("cpuid 0 0; in 0x510 1") or one command to the VMM ("reset"). Guest operations
 * become machine code in the page of the vCPU that is selected, which runs until its final hlt; nothing else runs there, so
 * the guest makes these exits and no others (apart from the reset vector's far jump, which makes none).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 0x1000u
#define VCPUS_MAX 128u
#define VMS_MAX 4096u
#define SLOTS_MAX 1024u
#define ENTRIES_MAX 256u
#define RULES_MAX 256u
#define EDITS_MAX 64u
#define BUFFER_GPA 0x9e000u /* target of string I/O: the last page but one of low memory */
#define LOW_BYTES 0xa0000u
#define ROM_GPA 0xfffff000u /* the page of the reset vector */
#define MSR_TSC 0x10u
#define FAULT_VECTOR_GPA 0x34u  /* of #GP in real mode */
#define FAULT_HANDLER_GPA 0x500u
#define KICK SIGUSR1

struct rule {
	enum { RULE_PORT, RULE_MMIO, RULE_PCI } space;
	uint32_t bdf;
	uint64_t address;
	uint64_t value;
	uint32_t writable;
};

struct edit { uint32_t leaf, sub, mask, value; unsigned reg; int vcpu; };
struct region { uint64_t gpa, bytes; bool read_only; };

struct code {
	uint8_t bytes[PAGE];
	size_t size;
	bool flat;  /* 32-bit protected mode, else real mode */
	bool async; /* do not wait for its end */
};

struct vm;
struct vcpu {
	struct vm *vm;
	unsigned index;
	int fd;
	struct kvm_run *run;
	struct kvm_sregs reset_sregs;
	bool at_reset; /* the next code begins at the reset vector */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*job)(struct vcpu *); /* NULL = nothing to do */
	bool stop;
	struct code code;
	const char *outcome;
	uint64_t thread_ns, wall_ns; /* that the last code took */
};

struct mapping { uint64_t gpa, bytes; uint8_t *memory; };

struct vm {
	unsigned index;
	int fd;
	struct mapping mappings[SLOTS_MAX + 3]; /* as slots were added */
	unsigned mappings_count;
	uint8_t *memory;
	uint32_t pci_latch;
	pthread_mutex_t lock;
	struct rule rules[RULES_MAX];
	unsigned rules_count;
	struct vcpu *vcpus;
};

static struct {
	int kvm_fd, run_bytes;
	unsigned vms_count, vcpus_count, regions_count, edits_count;
	uint64_t memory_bytes;
	struct region regions[SLOTS_MAX];
	struct edit edits[EDITS_MAX];
	struct rule rules[RULES_MAX];
	unsigned rules_count;
	struct vm *vms;
	int vm_selected, vcpu_selected; /* -1 = all */
	bool no_run, from_stdin, times;
	unsigned pause_us;
	unsigned long lines;
} g = { .vms_count = 1, .vcpus_count = 1, .memory_bytes = LOW_BYTES };

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flockfile(stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	va_end(args);
}

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
	int code = errno;
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fputs("microvmm: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, " (errno: %s)\n", strerror(code));
	va_end(args);
	_exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end)
		fail("'%s' is not a number", text);
	return value;
}

/* ---- guest code */

static void emit(struct code *c, const void *bytes, size_t size)
{
	if (c->size + size > sizeof(c->bytes))
		fail("the line is longer than a page of code");
	memcpy(c->bytes + c->size, bytes, size);
	c->size += size;
}

#define EMIT(c, ...) emit(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Operand size prefix: real mode needs it for 32 bits, protected mode for 16. */
static void emit_size(struct code *c, unsigned bytes)
{
	if ((bytes == 4 && !c->flat) || (bytes == 2 && c->flat))
		EMIT(c, 0x66);
}

/* mov r32, imm32 */
static void emit_load(struct code *c, unsigned reg, uint32_t value)
{
	emit_size(c, 4);
	EMIT(c, 0xb8 + reg);
	emit(c, &value, 4);
}

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

/* An access whose 8-bit opcode is `op`; 16 and 32 bits have op + 1. */
static void emit_sized(struct code *c, unsigned width, unsigned op)
{
	if (width != 1 && width != 2 && width != 4)
		fail("width %u: only 1, 2 and 4", width);
	emit_size(c, width);
	EMIT(c, op + (width > 1));
}

static void op_cpuid(struct code *c, const uint64_t *a)
{
	emit_load(c, EAX, a[0]);
	emit_load(c, ECX, a[1]);
	EMIT(c, 0x0f, 0xa2);
}

/* In real mode a fault is stepped over (vm_open); protected mode has no handler. */
static void op_rdmsr(struct code *c, const uint64_t *a)
{
	emit_load(c, ECX, a[0]);
	EMIT(c, 0x0f, 0x32);
}

static void op_in(struct code *c, const uint64_t *a)
{
	emit_load(c, EDX, a[0]);
	emit_sized(c, a[1], 0xec);
}

static void op_out(struct code *c, const uint64_t *a)
{
	emit_load(c, EDX, a[0]);
	emit_load(c, EAX, a[2]);
	emit_sized(c, a[1], 0xee);
}

/* String I/O over one page of memory, ES and DS based so that EDI/ESI of 16 bits reach it. */
static void emit_string(struct code *c, const uint64_t *a, unsigned op)
{
	uint16_t segment = BUFFER_GPA >> 4;

	if (!a[2] || a[2] * a[1] > PAGE)
		fail("string I/O of %llu elements does not fit into a page", (unsigned long long)a[2]);
	if (!c->flat) {
		EMIT(c, 0xb8, segment & 0xff, segment >> 8, 0x8e, 0xc0, 0x8e, 0xd8); /* mov ax; mov es, ax; mov ds, ax */
		emit_load(c, ESI, 0);
		emit_load(c, EDI, 0);
	} else {
		emit_load(c, ESI, BUFFER_GPA);
		emit_load(c, EDI, BUFFER_GPA);
	}
	emit_load(c, EDX, a[0]);
	emit_load(c, ECX, a[2]);
	EMIT(c, 0xfc, 0xf3); /* cld; rep */
	emit_sized(c, a[1], op);
}

static void op_ins(struct code *c, const uint64_t *a)
{
	emit_string(c, a, 0x6c);
}

static void op_outs(struct code *c, const uint64_t *a)
{
	emit_string(c, a, 0x6e);
}

static void emit_mmio(struct code *c, uint64_t gpa, unsigned width, unsigned op)
{
	uint32_t address = gpa;

	if (c->flat) {
		emit_sized(c, width, op);
		emit(c, &address, 4);
		return;
	}
	EMIT(c, 0xbb, (address >> 4) & 0xf0, address >> 12, 0x8e, 0xdb); /* mov bx, segment; mov ds, bx */
	emit_sized(c, width, op);
	EMIT(c, address & 0xff, (address >> 8) & 0x0f);
}

static void op_mmio_read(struct code *c, const uint64_t *a)
{
	emit_mmio(c, a[0], a[1], 0xa0);
}

static void op_mmio_write(struct code *c, const uint64_t *a)
{
	emit_load(c, EAX, a[2]);
	emit_mmio(c, a[0], a[1], 0xa2);
}

/* loop: <body>; esi += step; while (esi != end) */
static void emit_loop_end(struct code *c, size_t start, uint32_t step, uint32_t end)
{
	int32_t back;

	emit_size(c, 4);
	EMIT(c, 0x81, 0xc6); /* add esi, imm32 */
	emit(c, &step, 4);
	emit_size(c, 4);
	EMIT(c, 0x81, 0xfe); /* cmp esi, imm32 */
	emit(c, &end, 4);
	emit_size(c, 4);
	EMIT(c, 0x0f, 0x85); /* jne rel32 */
	back = (int32_t)start - (int32_t)(c->size + 4);
	emit(c, &back, 4);
}

static void emit_move(struct code *c, unsigned to, unsigned from)
{
	emit_size(c, 4);
	EMIT(c, 0x89, 0xc0 | from << 3 | to);
}

static void flood_cpuid(struct code *c, uint32_t first, uint32_t count)
{
	size_t start;

	emit_load(c, ESI, first);
	start = c->size;
	emit_move(c, EAX, ESI);
	emit_load(c, ECX, 0);
	EMIT(c, 0x0f, 0xa2);
	emit_loop_end(c, start, 1, first + count);
}

static void flood_msrs(struct code *c, uint32_t first, uint32_t count)
{
	size_t start;

	emit_load(c, ESI, first);
	start = c->size;
	emit_move(c, ECX, ESI);
	EMIT(c, 0x0f, 0x32);
	emit_loop_end(c, start, 1, first + count);
}

static void flood_ports(struct code *c, uint32_t count)
{
	for (unsigned width = 1; width <= 4 && count; width *= 2) {
		uint32_t part = count < 0x10000 ? count : 0x10000;
		size_t start;

		emit_load(c, ESI, 0);
		start = c->size;
		emit_move(c, EDX, ESI);
		emit_sized(c, width, 0xec);
		emit_loop_end(c, start, 1, part);
		count -= part;
	}
}

static void flood_mmio(struct code *c, uint32_t count)
{
	size_t start;

	emit_load(c, ESI, 0x80000000);
	start = c->size;
	EMIT(c, 0x8b, 0x06); /* mov eax, [esi] */
	emit_loop_end(c, start, PAGE, 0x80000000 + count * PAGE);
}

/* Every round: a CPUID leaf, a port and a page that were never touched before (ports come round after 65,536). */
static void op_forever_new(struct code *c, const uint64_t *a)
{
	size_t start;

	g.pause_us = a[0];
	c->async = true;
	emit_load(c, ESI, 0x50000000);
	emit_load(c, EBP, 0x80000000);
	start = c->size;
	emit_move(c, EAX, ESI);
	emit_load(c, ECX, 0);
	EMIT(c, 0x0f, 0xa2);
	emit_move(c, EDX, ESI);
	emit_sized(c, 1, 0xec);
	EMIT(c, 0x8b, 0x45, 0); /* mov eax, [ebp] */
	EMIT(c, 0x81, 0xc5, 0, 0x10, 0, 0); /* add ebp, 4096 */
	emit_loop_end(c, start, 1, 0x40000000);
}

static void op_hlt(struct code *c, const uint64_t *a)
{
	(void)a;
	EMIT(c, 0xf4);
}

/* The interrupt descriptor table is empty in flat mode. */
static void op_triple_fault(struct code *c, const uint64_t *a)
{
	(void)a;
	EMIT(c, 0x0f, 0x0b);
}

static void op_spin(struct code *c, const uint64_t *a)
{
	(void)a;
	c->async = true;
	EMIT(c, 0xeb, 0xfe);
}

static void op_flood(struct code *c, const uint64_t *a)
{
	if (a[0] == 'c')
		flood_cpuid(c, 0x50000000, a[1]);
	else if (a[0] == 'p')
		flood_ports(c, a[1]);
	else if (a[0] == 'r')
		flood_msrs(c, 0x4000, a[1]);
	else
		flood_mmio(c, a[1]);
}

static const struct op {
	const char *name;
	void (*emit)(struct code *c, const uint64_t *a);
	unsigned args, optional;
	bool flat;
} ops[] = {
	{ "cpuid", op_cpuid, 1, 1, false },
	{ "rdmsr", op_rdmsr, 1, 0, false },
	{ "in", op_in, 2, 0, false },
	{ "out", op_out, 3, 0, false },
	{ "ins", op_ins, 3, 0, false },
	{ "outs", op_outs, 3, 0, false },
	{ "mmio-read", op_mmio_read, 2, 0, false },
	{ "mmio-write", op_mmio_write, 3, 0, false },
	{ "flood", op_flood, 2, 0, false },
	{ "forever-new", op_forever_new, 0, 1, true },
	{ "triple-fault", op_triple_fault, 0, 0, true },
	{ "spin", op_spin, 0, 0, false },
	{ "hlt", op_hlt, 0, 0, false },
};

static const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

#define WORDS_MAX 8

static unsigned split(char *text, char *words[WORDS_MAX])
{
	unsigned count = 0;
	char *rest, *word;

	for (word = strtok_r(text, " \t\n", &rest); word && count < WORDS_MAX; word = strtok_r(NULL, " \t\n", &rest))
		words[count++] = word;
	return count;
}

struct parsed { const struct op *op; uint64_t a[4]; };

static void op_parse(char **words, unsigned count, struct parsed *ret)
{
	const struct op *op = op_find(words[0]);

	if (!op)
		fail("operation '%s' is not known", words[0]);
	if (count - 1 < op->args || count - 1 > op->args + op->optional)
		fail("operation '%s' takes %u arguments", op->name, op->args);
	*ret = (struct parsed){ .op = op };
	for (unsigned i = 1; i < count; i++) {
		bool word = op->emit == op_flood && i == 1;

		if (word && !strchr("cpmr", words[i][0]))
			fail("flood takes cpuid, ports, mmio or rdmsr");
		ret->a[i - 1] = word ? (uint64_t)words[i][0] : number(words[i]);
	}
}

static bool needs_flat(const struct parsed *p)
{
	return p->op->flat || (p->op->emit == op_flood && p->a[0] == 'm') ||
	       ((p->op->emit == op_mmio_read || p->op->emit == op_mmio_write) && p->a[0] + p->a[1] > 0x100000);
}

/* [repeat N] op [; op]… */
static void compile(const char *line, struct code *ret)
{
	struct parsed list[64];
	unsigned count = 0;
	uint32_t repeat = 0;
	char copy[4096], *rest, *part, *words[WORDS_MAX];
	size_t start;

	memset(ret, 0, sizeof(*ret));
	snprintf(copy, sizeof(copy), "%s", line);
	for (part = strtok_r(copy, ";", &rest); part; part = strtok_r(NULL, ";", &rest)) {
		unsigned n = split(part, words), skip = 0;

		if (n >= 2 && !count && !strcmp(words[0], "repeat")) {
			repeat = number(words[1]);
			skip = 2;
		}
		if (n == skip)
			continue;
		if (count == sizeof(list) / sizeof(list[0]))
			fail("the line has more than %zu operations", sizeof(list) / sizeof(list[0]));
		op_parse(words + skip, n - skip, &list[count]);
		ret->flat |= needs_flat(&list[count++]);
	}
	start = 0;
	if (repeat) {
		emit_load(ret, EDI, repeat);
		start = ret->size;
	}
	for (unsigned i = 0; i < count; i++) {
		if (repeat && (list[i].op->emit == op_ins || list[i].op->emit == op_outs || list[i].op->emit == op_flood))
			fail("%s cannot be repeated", list[i].op->name);
		list[i].op->emit(ret, list[i].a);
	}
	if (repeat) {
		int32_t back;

		emit_size(ret, 4);
		EMIT(ret, 0xff, 0xcf); /* dec edi */
		emit_size(ret, 4);
		EMIT(ret, 0x0f, 0x85);
		back = (int32_t)start - (int32_t)(ret->size + 4);
		emit(ret, &back, 4);
	}
	EMIT(ret, 0xf4, 0xeb, 0xfd); /* hlt, for ever */
}

/* ---- answers */

static uint64_t rule_answer(struct vm *vm, int space, uint64_t address, uint64_t otherwise)
{
	for (unsigned i = vm->rules_count; i--;)
		if ((int)vm->rules[i].space == space && vm->rules[i].address == address)
			return vm->rules[i].value;
	return otherwise;
}

static struct rule *pci_rule(struct vm *vm, uint32_t latch)
{
	if (!(latch & 0x80000000))
		return NULL;
	for (unsigned i = vm->rules_count; i--;) {
		struct rule *r = &vm->rules[i];

		if (r->space == RULE_PCI && r->bdf == ((latch >> 8) & 0xffff) && r->address == (latch & 0xfc))
			return r;
	}
	return NULL;
}

static void port_access(struct vm *vm, bool out, uint16_t port, unsigned size, uint8_t *data)
{
	uint64_t answer;

	if (port == 0xcf8 && size == 4) {
		if (out)
			memcpy(&vm->pci_latch, data, 4);
		else
			memcpy(data, &vm->pci_latch, 4);
		return;
	}
	if (port >= 0xcfc && port + size <= 0xd00) {
		struct rule *r = pci_rule(vm, vm->pci_latch);
		uint32_t value = r ? r->value : 0xffffffff;

		if (!out) {
			memcpy(data, (uint8_t *)&value + (port & 3), size);
		} else if (r) {
			memcpy((uint8_t *)&value + (port & 3), data, size);
			r->value = (r->value & ~(uint64_t)r->writable) | (value & r->writable);
		}
		return;
	}
	if (out)
		return;
	answer = rule_answer(vm, RULE_PORT, port, ~0ull);
	memcpy(data, &answer, size);
}

static void answer_port(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	pthread_mutex_lock(&c->vm->lock);
	for (unsigned i = 0; i < run->io.count; i++)
		port_access(c->vm, run->io.direction == KVM_EXIT_IO_OUT, run->io.port, run->io.size, data + (size_t)i * run->io.size);
	pthread_mutex_unlock(&c->vm->lock);
}

static void answer_mmio(struct vcpu *c)
{
	struct kvm_run *run = c->run;
	uint64_t answer;

	if (run->mmio.is_write)
		return;
	pthread_mutex_lock(&c->vm->lock);
	answer = rule_answer(c->vm, RULE_MMIO, run->mmio.phys_addr, ~0ull);
	pthread_mutex_unlock(&c->vm->lock);
	memcpy(run->mmio.data, &answer, run->mmio.len < 8 ? run->mmio.len : 8);
}

/* port:P:VALUE, mmio:GPA:VALUE, pci:BB:DD.F:REG:VALUE[:WRITABLE] */
static void rule_add(struct rule *rules, unsigned *count, const char *text)
{
	struct rule r = { 0 };
	char copy[256], *rest, *word[6];
	unsigned n = 0, bus, device, function;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, ":", &rest); w && n < 6; w = strtok_r(NULL, ":", &rest))
		word[n++] = w;
	if (n == 3 && !strcmp(word[0], "port")) {
		r = (struct rule){ RULE_PORT, 0, number(word[1]), number(word[2]), 0 };
	} else if (n == 3 && !strcmp(word[0], "mmio")) {
		r = (struct rule){ RULE_MMIO, 0, number(word[1]), number(word[2]), 0 };
	} else if (n >= 5 && !strcmp(word[0], "pci") && sscanf(word[2], "%x.%u", &device, &function) == 2) {
		bus = strtoul(word[1], NULL, 16);
		r = (struct rule){ RULE_PCI, bus << 8 | device << 3 | function, number(word[3]), number(word[4]), n > 5 ? number(word[5]) : 0 };
	} else {
		fail("answer '%s' is not port:P:VALUE, mmio:GPA:VALUE or pci:BB:DD.F:REG:VALUE[:WRITABLE]", text);
	}
	if (*count == RULES_MAX)
		fail("more than %u answers", RULES_MAX);
	rules[(*count)++] = r;
}

/* ---- vCPUs */

static uint32_t *entry_reg(struct kvm_cpuid_entry2 *e, unsigned reg)
{
	return reg == 0 ? &e->eax : reg == 1 ? &e->ebx : reg == 2 ? &e->ecx : &e->edx;
}

static struct kvm_cpuid2 *table_new(unsigned vcpu)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + ENTRIES_MAX * sizeof(t->entries[0]));

	if (!t)
		fail("no memory");
	t->nent = ENTRIES_MAX;
	if (ioctl(g.kvm_fd, KVM_GET_SUPPORTED_CPUID, t) < 0)
		fail("KVM_GET_SUPPORTED_CPUID");
	for (unsigned i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *e = &t->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x00ffffff) | vcpu << 24;
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = vcpu;
	}
	for (unsigned i = 0; i < g.edits_count; i++) {
		const struct edit *edit = &g.edits[i];
		struct kvm_cpuid_entry2 *e = NULL;
		uint32_t *reg;

		if (edit->vcpu >= 0 && (unsigned)edit->vcpu != vcpu)
			continue;
		for (unsigned j = 0; j < t->nent && !e; j++)
			if (t->entries[j].function == edit->leaf && t->entries[j].index == edit->sub)
				e = &t->entries[j];
		if (!e && t->nent < ENTRIES_MAX) {
			e = &t->entries[t->nent++];
			*e = (struct kvm_cpuid_entry2){ .function = edit->leaf, .index = edit->sub, .flags = edit->sub ? 1 : 0 };
		}
		if (!e)
			fail("no room for another CPUID entry");
		reg = entry_reg(e, edit->reg);
		*reg = (*reg & ~edit->mask) | edit->value;
	}
	return t;
}

/* LEAF.SUB.REG.BIT or LEAF.SUB.REG=VALUE, then [@VCPU] */
static void edit_add(const char *text, bool set)
{
	struct edit edit = { .vcpu = -1 };
	char copy[128], reg[8], *at, *value;
	unsigned bit;

	snprintf(copy, sizeof(copy), "%s", text);
	at = strchr(copy, '@');
	if (at) {
		*at = 0;
		edit.vcpu = number(at + 1);
	}
	value = strchr(copy, '=');
	if (value)
		*value++ = 0;
	if (sscanf(copy, "%i.%i.%3[a-z].%u", (int *)&edit.leaf, (int *)&edit.sub, reg, &bit) != (value ? 3 : 4) || (!value && bit > 31))
		fail("'%s' is not LEAF.SUB.REG.BIT or LEAF.SUB.REG=VALUE", text);
	edit.reg = !strcmp(reg, "eax") ? 0 : !strcmp(reg, "ebx") ? 1 : !strcmp(reg, "ecx") ? 2 : !strcmp(reg, "edx") ? 3 : 4;
	if (edit.reg > 3 || g.edits_count == EDITS_MAX)
		fail("'%s': register eax, ebx, ecx or edx; at most %u edits", text, EDITS_MAX);
	edit.mask = value ? 0xffffffff : 1u << bit;
	edit.value = value ? (uint32_t)number(value) : set ? edit.mask : 0;
	g.edits[g.edits_count++] = edit;
}

static void job_table(struct vcpu *c)
{
	struct kvm_cpuid2 *t = table_new(c->index);

	if (ioctl(c->fd, KVM_SET_CPUID2, t) < 0)
		fail("KVM_SET_CPUID2");
	/* What the kernel made of it is what the guest gets: some flavours of KVM add what they cannot hide. */
	t->nent = ENTRIES_MAX;
	if (ioctl(c->fd, KVM_GET_CPUID2, t) < 0)
		fail("KVM_GET_CPUID2");
	if (!c->index && !c->vm->index)
		for (unsigned i = 0; i < t->nent; i++)
			say("cpuid-table 0x%08x %u 0x%08x 0x%08x 0x%08x 0x%08x", t->entries[i].function, t->entries[i].index,
			    t->entries[i].eax, t->entries[i].ebx, t->entries[i].ecx, t->entries[i].edx);
	free(t);
}

static void job_create(struct vcpu *c)
{
	c->fd = ioctl(c->vm->fd, KVM_CREATE_VCPU, c->index);
	if (c->fd < 0)
		fail("KVM_CREATE_VCPU %u", c->index);
	c->run = mmap(NULL, g.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED)
		fail("mmap of vCPU %u", c->index);
	if (ioctl(c->fd, KVM_GET_SREGS, &c->reset_sregs) < 0)
		fail("KVM_GET_SREGS");
	c->at_reset = c->index == 0;
	job_table(c);
}

static void job_close(struct vcpu *c)
{
	munmap(c->run, g.run_bytes);
	close(c->fd);
	c->run = NULL;
	c->fd = -1;
}

/* What a VMM does that resets by writing registers only. */
static void job_reset_registers(struct vcpu *c)
{
	struct kvm_regs regs = { .rip = 0xfff0, .rflags = 2, .rdx = 0x600 };
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };
	/* none: 5.10 on AMD keeps the exception whose delivery was a triple fault, and would deliver it again */
	struct kvm_vcpu_events events = { 0 };

	if (ioctl(c->fd, KVM_SET_REGS, &regs) < 0 || ioctl(c->fd, KVM_SET_SREGS, &c->reset_sregs) < 0 || ioctl(c->fd, KVM_SET_VCPU_EVENTS, &events) < 0)
		fail("resetting vCPU %u", c->index);
	ioctl(c->fd, KVM_SET_MP_STATE, &state);
	c->at_reset = c->index == 0;
}

/* And what QEMU does: the time stamp counter after them. */
static void job_reset(struct vcpu *c)
{
	union {
		struct kvm_msrs list;
		uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .list.nmsrs = 1 };

	job_reset_registers(c);
	msrs.list.entries[0].index = MSR_TSC;
	if (ioctl(c->fd, KVM_SET_MSRS, &msrs) != 1)
		fail("writing the TSC of vCPU %u", c->index);
}

static struct { uint32_t index; uint64_t value; } msr_wanted;

static void job_msr(struct vcpu *c)
{
	union {
		struct kvm_msrs list;
		uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .list.nmsrs = 1 };

	msrs.list.entries[0].index = msr_wanted.index;
	msrs.list.entries[0].data = msr_wanted.value;
	if (ioctl(c->fd, KVM_SET_MSRS, &msrs) != 1)
		fail("MSR 0x%x of vCPU %u cannot be set to 0x%llx", msr_wanted.index, c->index, (unsigned long long)msr_wanted.value);
}

static uint32_t code_gpa(const struct vcpu *c)
{
	return (c->index + 1) * PAGE;
}

static struct kvm_segment segment(uint16_t selector, uint64_t base, bool flat, bool is_code)
{
	return (struct kvm_segment){ .base = base, .limit = flat ? 0xffffffff : 0xffff, .selector = selector,
		.type = is_code ? 11 : 3, .present = 1, .s = 1, .db = flat, .g = flat };
}

static void set_mode(struct vcpu *c, bool flat)
{
	struct kvm_sregs s = c->reset_sregs;
	struct kvm_regs regs = { .rflags = 2, .rsp = BUFFER_GPA, .rip = flat ? code_gpa(c) : 0 };
	struct kvm_segment data = segment(flat ? 16 : 0, 0, flat, false);

	s.cs = segment(flat ? 8 : code_gpa(c) >> 4, flat ? 0 : code_gpa(c), flat, true);
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.idt.base = 0;
	s.idt.limit = flat ? 0 : 0x3ff;
	s.cr0 = (s.cr0 & ~1ull) | flat;
	if (ioctl(c->fd, KVM_SET_SREGS, &s) < 0 || ioctl(c->fd, KVM_SET_REGS, &regs) < 0)
		fail("setting registers of vCPU %u", c->index);
}

static bool stopped(struct vcpu *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run_code(struct vcpu *c)
{
	memcpy(c->vm->memory + code_gpa(c), c->code.bytes, c->code.size);
	if (!c->at_reset || c->code.flat)
		set_mode(c, c->code.flat);
	c->at_reset = false;
	for (;;) {
		int r;

		if (stopped(c)) {
			c->outcome = "stopped";
			return;
		}
		r = ioctl(c->fd, KVM_RUN, 0);
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (r < 0)
			fail("KVM_RUN of vCPU %u", c->index);
		switch (c->run->exit_reason) {
		case KVM_EXIT_IO:
			answer_port(c);
			if (c->code.async && g.pause_us)
				usleep(g.pause_us);
			break;
		case KVM_EXIT_MMIO:
			answer_mmio(c);
			break;
		case KVM_EXIT_HLT:
			c->outcome = "halted";
			return;
		case KVM_EXIT_SHUTDOWN:
			c->outcome = "shutdown";
			return;
		case KVM_EXIT_INTR:
			break;
		default:
			fail("vCPU %u: exit reason %u, suberror %u", c->index, c->run->exit_reason, c->run->internal.suberror);
		}
	}
}

static void job_run(struct vcpu *c)
{
	uint64_t wall = clock_ns(CLOCK_MONOTONIC), thread = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	run_code(c);
	c->thread_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - thread;
	c->wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;
}

static void *vcpu_main(void *argument)
{
	struct vcpu *c = argument;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->job)
			pthread_cond_wait(&c->changed, &c->lock);
		pthread_mutex_unlock(&c->lock);
		c->job(c);
		pthread_mutex_lock(&c->lock);
		c->job = NULL;
		c->stop = false;
		pthread_cond_broadcast(&c->changed);
	}
	return NULL;
}

static void vcpu_wait(struct vcpu *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->job)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

static void vcpu_give(struct vcpu *c, void (*job)(struct vcpu *))
{
	vcpu_wait(c);
	pthread_mutex_lock(&c->lock);
	c->job = job;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* The signal may come just before KVM_RUN: it is sent until the vCPU's thread has seen it. */
static void vcpu_stop(struct vcpu *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->job) {
		struct timespec until;

		c->stop = true;
		pthread_kill(c->thread, KICK);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 10 * 1000 * 1000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&c->changed, &c->lock, &until);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- VMs */

static void slot_add(struct vm *vm, unsigned id, uint64_t gpa, uint64_t bytes, void *memory, bool read_only)
{
	struct kvm_userspace_memory_region r = { .slot = id, .guest_phys_addr = gpa, .memory_size = bytes,
		.userspace_addr = (uintptr_t)memory, .flags = read_only ? KVM_MEM_READONLY : 0 };

	vm->mappings[vm->mappings_count++] = (struct mapping){ gpa, bytes, memory };
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		fail("slot %u at 0x%llx", id, (unsigned long long)gpa);
	if (!vm->index)
		say("slot 0x%016llx 0x%llx %s", (unsigned long long)gpa, (unsigned long long)bytes, read_only ? "rom" : "ram");
}

static uint8_t *memory_new(uint64_t bytes)
{
	uint8_t *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (m == MAP_FAILED)
		fail("no memory for a slot of 0x%llx bytes", (unsigned long long)bytes);
	return m;
}

static void vm_open(struct vm *vm)
{
	static const uint8_t jump[] = { 0xea, 0x00, 0x00, PAGE >> 4 & 0xff, PAGE >> 12 }; /* ljmp 0x0100:0 */
	/* push bp; mov bp, sp; add word [bp+2], 2; pop bp; iret: behind the instruction of two bytes that faulted */
	static const uint8_t step_over[] = { 0x55, 0x89, 0xe5, 0x83, 0x46, 0x02, 0x02, 0x5d, 0xcf };
	static const uint8_t vector[] = { FAULT_HANDLER_GPA & 0xff, FAULT_HANDLER_GPA >> 8, 0, 0 };
	uint64_t high = g.memory_bytes > 0x100000 ? g.memory_bytes - 0x100000 : 0;
	unsigned id = 0;
	uint8_t *rom;

	vm->mappings_count = 0;
	vm->fd = ioctl(g.kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		fail("KVM_CREATE_VM");
	/* Intel without unrestricted guests needs it for real mode; elsewhere it is refused or ignored. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	vm->memory = memory_new(LOW_BYTES);
	memcpy(vm->memory + FAULT_VECTOR_GPA, vector, sizeof(vector));
	memcpy(vm->memory + FAULT_HANDLER_GPA, step_over, sizeof(step_over));
	rom = memory_new(PAGE);
	memcpy(rom + 0xff0, jump, sizeof(jump));
	slot_add(vm, id++, 0, LOW_BYTES, vm->memory, false);
	if (high)
		slot_add(vm, id++, 0x100000, high, memory_new(high), false);
	slot_add(vm, id++, ROM_GPA, PAGE, rom, true);
	for (unsigned i = 0; i < g.regions_count; i++)
		slot_add(vm, id++, g.regions[i].gpa, g.regions[i].bytes, memory_new(g.regions[i].bytes), g.regions[i].read_only);
	say("vm %u kvm-fd %d", vm->index, vm->fd);
	for (unsigned i = 0; i < g.vcpus_count; i++) {
		vcpu_give(&vm->vcpus[i], job_create);
		vcpu_wait(&vm->vcpus[i]);
	}
}

static void vm_close(struct vm *vm)
{
	for (unsigned i = 0; i < g.vcpus_count; i++) {
		vcpu_stop(&vm->vcpus[i]);
		vcpu_give(&vm->vcpus[i], job_close);
		vcpu_wait(&vm->vcpus[i]);
	}
	close(vm->fd);
	munmap(vm->memory, LOW_BYTES);
	vm->fd = -1;
	vm->pci_latch = 0;
}

static void vm_init(struct vm *vm, unsigned index)
{
	vm->index = index;
	pthread_mutex_init(&vm->lock, NULL);
	memcpy(vm->rules, g.rules, sizeof(g.rules));
	vm->rules_count = g.rules_count;
	vm->vcpus = calloc(g.vcpus_count, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		fail("no memory");
	for (unsigned i = 0; i < g.vcpus_count; i++) {
		struct vcpu *c = &vm->vcpus[i];

		c->vm = vm;
		c->index = i;
		pthread_mutex_init(&c->lock, NULL);
		pthread_cond_init(&c->changed, NULL);
		errno = pthread_create(&c->thread, NULL, vcpu_main, c);
		if (errno)
			fail("thread of vCPU %u", i);
	}
	vm_open(vm);
}

/* ---- commands */

static bool selected(int selection, unsigned index)
{
	return selection < 0 || (unsigned)selection == index;
}

/* One job for all selected vCPUs (`every` = all of the selected VMs), at the same time. */
static void each_vcpu(void (*job)(struct vcpu *), bool every, const struct code *code)
{
	for (int wait = 0; wait < (code && code->async ? 1 : 2); wait++)
		for (unsigned v = 0; v < g.vms_count; v++)
			for (unsigned i = 0; i < g.vcpus_count && selected(g.vm_selected, v); i++) {
				struct vcpu *c = &g.vms[v].vcpus[i];

				if (!every && !selected(g.vcpu_selected, i))
					continue;
				if (wait) {
					vcpu_wait(c);
					if (code && strcmp(c->outcome, "halted"))
						say("vm %u vcpu %u %s", v, i, c->outcome);
					if (code && g.times)
						say("vm %u vcpu %u took %llu %llu", v, i, (unsigned long long)c->thread_ns,
						    (unsigned long long)c->wall_ns);
					continue;
				}
				vcpu_wait(c);
				if (code)
					c->code = *code;
				vcpu_give(c, job);
			}
}

static void each_vm(void (*fn)(struct vm *, const char *), const char *argument)
{
	for (unsigned v = 0; v < g.vms_count; v++)
		if (selected(g.vm_selected, v))
			fn(&g.vms[v], argument);
}

static void vm_reopen(struct vm *vm, const char *unused)
{
	(void)unused;
	vm_close(vm);
	vm_open(vm);
}

static void vm_close_for_good(struct vm *vm, const char *unused)
{
	(void)unused;
	vm_close(vm);
}

static void vm_stop(struct vm *vm, const char *unused)
{
	(void)unused;
	for (unsigned i = 0; i < g.vcpus_count; i++)
		vcpu_stop(&vm->vcpus[i]);
}

static void vm_answer(struct vm *vm, const char *text)
{
	pthread_mutex_lock(&vm->lock);
	if (!strcmp(text, "clear"))
		vm->rules_count = 0;
	else
		rule_add(vm->rules, &vm->rules_count, text);
	pthread_mutex_unlock(&vm->lock);
}

/* The VM's memory at gpa, at least `bytes` of it. */
static uint8_t *memory_at(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < vm->mappings_count; i++)
		if (gpa >= vm->mappings[i].gpa && gpa - vm->mappings[i].gpa + bytes <= vm->mappings[i].bytes)
			return vm->mappings[i].memory + (gpa - vm->mappings[i].gpa);
	fail("no slot holds 0x%llx bytes at 0x%llx", (unsigned long long)bytes, (unsigned long long)gpa);
}

/* load GPA FILE: what firmware would have written. */
static void vm_load(struct vm *vm, const char *gpa, const char *path)
{
	int fd = open(path, O_RDONLY);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0 || pread(fd, memory_at(vm, number(gpa), size), size, 0) != size)
		fail("reading %s", path);
	close(fd);
}

static int fault_fd(uint8_t *memory, uint64_t bytes)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .range = { (uintptr_t)memory, bytes }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		fail("userfaultfd");
	return fd;
}

/* withhold GPA BYTES: whoever touches it waits for ever. */
static void vm_withhold(struct vm *vm, const char *gpa, const char *bytes)
{
	uint8_t *memory = memory_at(vm, number(gpa), number(bytes));

	fault_fd(memory, number(bytes));
	if (madvise(memory, number(bytes), MADV_DONTNEED) < 0)
		fail("madvise");
}

/* Shows a page and takes it away; whoever falls for it waits for longer than anyone has patience. */
#define HELD_MS 5000

static void *trap_main(void *argument)
{
	uint8_t *memory = argument;
	static uint8_t page[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = (uintptr_t)memory, .src = (uintptr_t)page, .len = PAGE };
	struct pollfd caught = { .fd = fault_fd(memory, PAGE), .events = POLLIN };

	for (;;) {
		struct timespec shown = { .tv_nsec = 50 * 1000 }, away = shown;

		madvise(memory, PAGE, MADV_DONTNEED);
		if (ppoll(&caught, 1, &away, NULL) > 0) {
			struct uffd_msg message;

			say("caught");
			poll(NULL, 0, HELD_MS);
			while (read(caught.fd, &message, sizeof(message)) > 0)
				;
		}
		copy.copy = 0;
		if (ioctl(caught.fd, UFFDIO_COPY, &copy) < 0 && errno != EEXIST && errno != EAGAIN)
			fail("UFFDIO_COPY");
		clock_nanosleep(CLOCK_MONOTONIC, 0, &shown, NULL);
	}
	return NULL;
}

/* trap GPA: the page of a VMM that does not want to be looked into. */
static void vm_trap(struct vm *vm, const char *gpa)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, trap_main, memory_at(vm, number(gpa), PAGE));
	if (errno)
		fail("thread of the trap");
}

/* Commands to the memory of the VMs that are selected. */
static bool memory_command(char **words, unsigned count)
{
	bool load = !strcmp(words[0], "load") && count == 3, withhold = !strcmp(words[0], "withhold") && count == 3;
	bool trap = !strcmp(words[0], "trap") && count == 2;

	for (unsigned v = 0; v < g.vms_count; v++) {
		if (!selected(g.vm_selected, v))
			continue;
		if (load)
			vm_load(&g.vms[v], words[1], words[2]);
		else if (withhold)
			vm_withhold(&g.vms[v], words[1], words[2]);
		else if (trap)
			vm_trap(&g.vms[v], words[1]);
	}
	return load || withhold || trap;
}

static void select_index(int *selection, const char *text, unsigned count)
{
	*selection = !strcmp(text, "all") ? -1 : (int)number(text);
	if (*selection >= (int)count)
		fail("there are only %u of them, no %s", count, text);
}

static void until_stdin_closes(void)
{
	char buffer[256];

	while (read(0, buffer, sizeof(buffer)) > 0)
		;
	_exit(0);
}

/* False: the line is no command to the VMM. */
static bool command(char **words, unsigned count)
{
	const char *argument = count > 1 ? words[1] : "";
	const char *verb = words[0];

	if (!strcmp(verb, "vm"))
		select_index(&g.vm_selected, argument, g.vms_count);
	else if (!strcmp(verb, "vcpu"))
		select_index(&g.vcpu_selected, argument, g.vcpus_count);
	else if (!strcmp(verb, "answer"))
		each_vm(vm_answer, argument);
	else if (!strcmp(verb, "reset"))
		each_vcpu(job_reset, true, NULL);
	else if (!strcmp(verb, "reset-registers"))
		each_vcpu(job_reset_registers, true, NULL);
	else if (!strcmp(verb, "reopen"))
		each_vm(vm_reopen, NULL);
	else if (!strcmp(verb, "close"))
		each_vm(vm_close_for_good, NULL);
	else if (!strcmp(verb, "stop"))
		each_vm(vm_stop, NULL);
	else if (!strcmp(verb, "cpuid-set") || !strcmp(verb, "cpuid-clear"))
		edit_add(argument, verb[6] == 's');
	else if (!strcmp(verb, "msr-set") && count == 3) {
		msr_wanted.index = number(words[1]);
		msr_wanted.value = number(words[2]);
		each_vcpu(job_msr, false, NULL);
	} else if (!strcmp(verb, "table"))
		each_vcpu(job_table, true, NULL);
	else if (!strcmp(verb, "pause"))
		usleep(number(argument) * 1000);
	else if (!strcmp(verb, "idle"))
		until_stdin_closes();
	else if (!strcmp(verb, "quit"))
		_exit(0);
	else
		return memory_command(words, count);
	return true;
}

static void do_line(const char *line)
{
	char copy[4096], *words[WORDS_MAX];
	struct code code;
	unsigned count;

	snprintf(copy, sizeof(copy), "%s", line);
	count = split(copy, words);
	if (!count || words[0][0] == '#')
		return;
	if (!strcmp(words[0], "idle"))
		say("op done %lu", ++g.lines);
	if (!command(words, count)) {
		if (g.no_run)
			fail("--no-run, but the line is '%s'", line);
		compile(line, &code);
		each_vcpu(job_run, false, &code);
	}
	say("op done %lu", ++g.lines);
}

static void usage(void)
{
	fputs("usage: microvmm [OPTION]... [LINE]...\n"
	      "  --vms N, --vcpus N, --memory BYTES, --slot GPA:BYTES[:ro], --no-run, --stdin (more lines from there, after LINEs)\n"
	      "  --id NAME (what abidrift calls the guest), --times (what each line's code took: ns of the vCPU's thread, ns by the wall)\n"
	      "  --cpuid-set|--cpuid-clear LEAF.SUB.REG.BIT[@VCPU], --cpuid-set LEAF.SUB.REG=VALUE[@VCPU]\n"
	      "  --answer port:P:VALUE | mmio:GPA:VALUE | pci:BB:DD.F:REG:VALUE[:WRITABLE]   (else all ones)\n"
	      "guest operations, several in a line by ';', the line may begin with 'repeat N':\n"
	      "  cpuid LEAF [SUB], rdmsr INDEX (real mode), in PORT WIDTH, out PORT WIDTH VALUE, ins|outs PORT WIDTH COUNT, mmio-read GPA WIDTH,\n"
	      "  mmio-write GPA WIDTH VALUE, flood cpuid|ports|mmio|rdmsr N, forever-new [PAUSE_US], triple-fault, spin, hlt\n"
	      "commands, a line each: vm N|all, vcpu N|all (who runs what follows), answer RULE|clear, reset (as QEMU), reset-registers,\n"
	      "  reopen, close, stop (what runs on), cpuid-set|cpuid-clear EDIT (until table or reopen), table, msr-set INDEX VALUE, pause MS, idle (to the end of stdin), quit\n"
	      "  load GPA FILE (into its memory), withhold GPA BYTES (by userfaultfd), trap GPA (a page that is taken away from whoever reads it: \"caught\")\n"
	      "prints: vm N kvm-fd F, slot GPA BYTES KIND, cpuid-table LEAF SUB EAX EBX ECX EDX (of vCPU 0), ready, op done N, vm N vcpu N shutdown|stopped|took NS NS\n",
	      stderr);
	exit(2);
}

static void region_add(const char *text)
{
	char copy[128], *bytes, *kind;

	snprintf(copy, sizeof(copy), "%s", text);
	bytes = strchr(copy, ':');
	kind = bytes ? strchr(bytes + 1, ':') : NULL;
	if (!bytes || g.regions_count == SLOTS_MAX)
		usage();
	*bytes++ = 0;
	if (kind)
		*kind++ = 0;
	g.regions[g.regions_count++] = (struct region){ number(copy), number(bytes), kind && !strcmp(kind, "ro") };
}

/* Number of arguments used. */
static int option(int argc, char **argv)
{
	const char *name = argv[0] + 2, *value = argc > 1 ? argv[1] : NULL;

	if (!strcmp(name, "no-run") || !strcmp(name, "stdin") || !strcmp(name, "times")) {
		*(name[0] == 'n' ? &g.no_run : name[0] == 's' ? &g.from_stdin : &g.times) = true;
		return 1;
	}
	if (!value)
		usage();
	if (!strcmp(name, "vms"))
		g.vms_count = number(value);
	else if (!strcmp(name, "id"))
		; /* for those who look at this command line */
	else if (!strcmp(name, "vcpus"))
		g.vcpus_count = number(value);
	else if (!strcmp(name, "memory"))
		g.memory_bytes = number(value);
	else if (!strcmp(name, "slot"))
		region_add(value);
	else if (!strcmp(name, "cpuid-set") || !strcmp(name, "cpuid-clear"))
		edit_add(value, name[6] == 's');
	else if (!strcmp(name, "answer"))
		rule_add(g.rules, &g.rules_count, value);
	else
		usage();
	return 2;
}

static void kicked(int number_of_signal)
{
	(void)number_of_signal;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = kicked };
	char line[4096];
	int i = 1;

	while (i < argc && !strncmp(argv[i], "--", 2) && argv[i][2])
		i += option(argc - i, argv + i);
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (!g.vms_count || g.vms_count > VMS_MAX || !g.vcpus_count || g.vcpus_count > VCPUS_MAX)
		usage();
	sigaction(KICK, &action, NULL);
	g.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (g.kvm_fd < 0)
		fail("/dev/kvm");
	g.run_bytes = ioctl(g.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	g.vms = calloc(g.vms_count, sizeof(*g.vms));
	if (g.run_bytes <= 0 || !g.vms)
		fail("KVM_GET_VCPU_MMAP_SIZE");
	for (unsigned v = 0; v < g.vms_count; v++)
		vm_init(&g.vms[v], v);
	say("ready");
	for (; i < argc; i++)
		do_line(argv[i]);
	while (g.from_stdin && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		do_line(line);
	}
	fflush(stdout);
	_exit(0);
}
