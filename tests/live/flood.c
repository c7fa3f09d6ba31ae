// SPDX-License-Identifier: Apache-2.0
/*
 * A guest without an operating system that makes exits as fast as it can, for ever: started by QEMU's multiboot loader (-kernel), so firmware
 * has placed everything by then. Its command line (-append) names what it does, each in turn and each as far as there is something to ask:
 *
 *	cpuid     every leaf from 0 on and from three other bases, every subleaf of some
 *	ports     reads of all 65,536 ports at all widths, and strings of them
 *	mmio      reads of every page from the end of RAM to 4 GiB, at all widths
 *	pci       every function of all 256 buses through 0xCF8, and all of what is there, at all widths
 *	ecam      the same by memory, 4 KiB of each function that is there
 *	lspci     what lspci -xxxx reads: 4 KiB of each function that is there, and no more
 *	msr       rdmsr of all indices of the four ranges that processors use, and beyond
 *	fw_cfg    every selector of fw_cfg by ports, and reads by DMA
 *	reset     after a short while, a reset of the machine
 *	cpus      all processors do so at once; each begins with another word
 *	held      nothing of that before a key was pressed
 *
 * To port 0xE9 it writes HELD where it is, then BEGUN, then the number of each word that was gone through once, counted from 0 in this order.
 * It writes nothing that would take the machine away: selectors, latches and addresses only.
 *
 * gcc -m32 -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-stack-protector -Wl,-Ttext=0x100000 -Wl,--build-id=none
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define MULTIBOOT_MAGIC 0x1badb002u
#define Q35 0x29c08086u
#define CPUS_MAX 16u
#define APIC_BASE 0xfee00000u
#define TRAMPOLINE 0x8000u
#define DUMP_PORT 0xe9
#define KEYBOARD_DATA 0x60
#define KEYBOARD_STATUS 0x64
#define FW_CFG_DMA_READ_SELECT 0x0au

/* The header has to be among the first 8 KiB of the file. */
__attribute__((section(".text.header"), used)) static const u32 header[] = { MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC };

struct multiboot {
	u32 flags, mem_lower, mem_upper, boot_device, command_line;
};

static volatile u8 *ecam;
static u32 end_of_ram;
static const char *words;
static volatile u32 latch_taken; /* 0xCF8 and 0x510 belong to the machine, not to a processor */

static void lock(void)
{
	while (__atomic_exchange_n(&latch_taken, 1, __ATOMIC_ACQUIRE))
		__asm__ volatile("pause");
}

static void unlock(void)
{
	__atomic_store_n(&latch_taken, 0, __ATOMIC_RELEASE);
}

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static void out16(u16 port, u16 value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static void out32(u16 port, u32 value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static u32 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 in16(u16 port)
{
	u16 value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 in32(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void ask_cpuid(u32 leaf, u32 subleaf)
{
	u32 b, d;

	__asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(subleaf), "=d"(d));
}

/* What is not there faults; the handler steps over it. */
static void ask_msr(u32 index)
{
	u32 a, d;

	__asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(index));
}

/* ---- floods. Each goes round once; round: how often it did before, so that nothing is asked twice where there is enough to ask. */
static void flood_cpuid(u32 round)
{
	for (u32 i = round << 12; i < (round + 1) << 12; i++) {
		ask_cpuid(i, 0);
		ask_cpuid(0x40000000u + i, i);
		ask_cpuid(0x80000000u + i, 0);
		ask_cpuid(0xc0000000u + i, i);
		ask_cpuid(4, i);
		ask_cpuid(7, i);
		ask_cpuid(0xd, i);
	}
}

static void flood_ports(u32 round)
{
	u8 bytes[64];

	(void)round;
	for (u32 port = 0; port < 0x10000; port++) {
		void *to = bytes;
		u32 count = 16;

		(void)in8(port);
		(void)in16(port);
		(void)in32(port);
		__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	}
}

static void flood_mmio(u32 round)
{
	for (u32 page = end_of_ram + (round & 0xff); page > 4096 && page < 0xffff0000u; page += 4096) {
		(void)*(volatile u8 *)page;
		(void)*(volatile u16 *)page;
		(void)*(volatile u32 *)page;
	}
}

static u32 latched(u32 bdf, u32 reg)
{
	u32 value;

	lock();
	out32(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
	value = in32(0xcfc);
	unlock();
	return value;
}

static void latched_all(u32 bdf)
{
	for (u32 reg = 0; reg < 256; reg++) {
		lock();
		out32(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
		(void)in8(0xcfc + (reg & 3));
		(void)in16(0xcfc + (reg & 2));
		(void)in32(0xcfc);
		unlock();
	}
}

static void mapped_all(u32 bdf)
{
	for (u32 reg = 0; ecam && reg < 4096; reg += 4)
		(void)*(volatile u32 *)(ecam + (bdf << 12) + reg);
}

/* Every function of all buses; what is there as a whole. */
static void flood_functions(void (*whole)(u32 bdf))
{
	for (u32 bdf = 0; bdf < 0x10000; bdf++)
		if ((latched(bdf, 0) & 0xffff) != 0xffff)
			whole(bdf);
}

static void flood_pci(u32 round)
{
	(void)round;
	flood_functions(latched_all);
}

static void flood_ecam(u32 round)
{
	(void)round;
	for (u32 bdf = 0; ecam && bdf < 0x10000; bdf++)
		if ((*(volatile u32 *)(ecam + (bdf << 12)) & 0xffff) != 0xffff)
			mapped_all(bdf);
}

/* Down from bus 0: functions of a bus, and what its bridges lead to. */
static void list_bus(u32 bus)
{
	for (u32 at = 0; at < 256; at++) {
		u32 bdf = bus << 8 | at, kind;

		if ((latched(bdf, 0) & 0xffff) == 0xffff)
			continue;
		latched_all(bdf);
		mapped_all(bdf);
		kind = latched(bdf, 0x0c) >> 16 & 0x7f;
		if (kind == 1 && (latched(bdf, 0x18) >> 8 & 0xff) > bus)
			list_bus(latched(bdf, 0x18) >> 8 & 0xff);
	}
}

static void flood_lspci(u32 round)
{
	(void)round;
	list_bus(0);
}

static void flood_msr(u32 round)
{
	static const u32 bases[] = { 0, 0x40000000u, 0x4b564d00u, 0xc0000000u, 0xc0010000u };

	for (u32 i = round << 13; i < (round + 1) << 13; i++)
		for (u32 n = 0; n < sizeof(bases) / sizeof(*bases); n++)
			ask_msr(bases[n] + i);
}

static u32 swapped(u32 value)
{
	return __builtin_bswap32(value);
}

static void flood_fw_cfg(u32 round)
{
	static struct { u32 control, length, high, low; } dma;
	static u8 to[64];

	(void)round;
	for (u32 selector = 0; selector < 0x10000; selector++) {
		lock();
		out16(0x510, selector);
		for (u32 n = 0; n < 4; n++)
			(void)in8(0x511);
		dma.control = swapped(selector << 16 | FW_CFG_DMA_READ_SELECT);
		dma.length = swapped(sizeof(to));
		dma.high = 0;
		dma.low = swapped((u32)to);
		__asm__ volatile("" : : : "memory");
		out32(0x518, swapped((u32)&dma));
		unlock();
	}
}

static void reset(u32 round)
{
	ask_cpuid(0x50000000u + round, 0);
	out8(0xcf9, 0x02);
	out8(0xcf9, 0x06);
}

static const struct {
	const char *word;
	void (*flood)(u32 round);
} floods[] = {
	{ "cpuid", flood_cpuid }, { "ports", flood_ports }, { "mmio", flood_mmio }, { "pci", flood_pci }, { "ecam", flood_ecam }, { "lspci", flood_lspci },
	{ "msr", flood_msr }, { "fw_cfg", flood_fw_cfg }, { "reset", reset },
};
#define FLOODS (sizeof(floods) / sizeof(*floods))

static int has_word(const char *text, const char *word)
{
	for (char before = ' '; *text; before = *text++) {
		u32 n = 0;

		while (word[n] && text[n] == word[n])
			n++;
		if (!word[n] && before == ' ' && (!text[n] || text[n] == ' '))
			return 1;
	}
	return 0;
}

__attribute__((used)) static void each_cpu(u32 cpu)
{
	for (u32 round = 0;; round++)
		for (u32 n = 0; n < FLOODS; n++) {
			u32 which = (n + cpu) % FLOODS;

			if (has_word(words, floods[which].word)) {
				floods[which].flood(round);
				out8(DUMP_PORT, '0' + which);
			}
		}
}

/* ---- processors: each has a stack, the descriptor tables are one for all */
struct gate { u16 low, selector, kind, high; } __attribute__((packed));
static struct gate gates[32];
struct table { u16 limit; u32 base; } __attribute__((packed));
__attribute__((used)) static u64 segments[] = { 0, 0x00cf9a000000ffffull, 0x00cf92000000ffffull };
__attribute__((used)) static struct table gdt, idt;
__attribute__((used)) static volatile u32 cpus_begun;
__attribute__((used)) static u8 stacks[CPUS_MAX][4096];
extern u8 trampoline[], trampoline_end[], fault[];

/* Of #GP: behind rdmsr, of two bytes. Without iret, which KVM's emulator does not know in protected mode; it changes no processor mode. */
__asm__(".globl fault\n"
	"fault: addl $4, %esp\n"
	"addl $2, (%esp)\n"
	"ret $8\n");

/* At TRAMPOLINE, in real mode, then on the stack of its number. */
__asm__(".globl trampoline, trampoline_end\n"
	".code16\n"
	"trampoline: cli\n"
	"xorw %ax, %ax\n"
	"movw %ax, %ds\n"
	"lgdtl 0x8ff0\n"
	"movl %cr0, %eax\n"
	"orl $1, %eax\n"
	"movl %eax, %cr0\n"
	"ljmpl $8, $another\n"
	"trampoline_end:\n"
	".code32\n"
	"another: movw $16, %ax\n"
	"movw %ax, %ds\n"
	"movw %ax, %es\n"
	"movw %ax, %ss\n"
	"movl $1, %ecx\n"
	"lock xaddl %ecx, cpus_begun\n"
	"incl %ecx\n"
	"movl %ecx, %eax\n"
	"incl %eax\n"
	"shll $12, %eax\n"
	"leal stacks(%eax), %esp\n"
	"lidtl idt\n"
	"pushl %ecx\n"
	"call each_cpu\n");

static void apic_write(u32 reg, u32 value)
{
	*(volatile u32 *)(APIC_BASE + reg) = value;
	for (u32 n = 0; n < 100000; n++)
		__asm__ volatile("pause");
}

static void say(const char *text)
{
	for (; *text; text++)
		out8(DUMP_PORT, *text);
}

/* Its keyboard has something to read. */
static void await_key(void)
{
	while (!(in8(KEYBOARD_STATUS) & 1))
		for (u32 n = 0; n < 1000000; n++)
			__asm__ volatile("pause");
}

static void others_begin(void)
{
	for (u32 i = 0; trampoline + i < trampoline_end; i++)
		((volatile u8 *)TRAMPOLINE)[i] = trampoline[i];
	*(volatile struct table *)(TRAMPOLINE + 0xff0) = gdt;
	apic_write(0x0f0, 0x1ff);
	apic_write(0x300, 0x000c4500); /* INIT, all but self */
	apic_write(0x300, 0x000c4600 | TRAMPOLINE >> 12);
}

__attribute__((used)) static void run(const struct multiboot *info)
{
	u32 base = latched(0, 0) == Q35 ? latched(0, 0x60) : 0;

	words = info->flags & 4 ? (const char *)info->command_line : "";
	ecam = base & 1 ? (volatile u8 *)(base & 0xf0000000u) : 0;
	end_of_ram = (info->mem_upper * 1024 + 0x100000 + 0xffffff) & 0xff000000u;
	gdt = (struct table){ sizeof(segments) - 1, (u32)segments };
	idt = (struct table){ sizeof(gates) - 1, (u32)gates };
	for (u32 i = 0; i < 32; i++)
		gates[i] = (struct gate){ (u32)fault & 0xffff, 8, 0x8e00, (u32)fault >> 16 };
	__asm__ volatile("lgdtl gdt\n"
			 "lidtl idt\n"
			 "ljmpl $8, $1f\n"
			 "1: movw $16, %%ax\n"
			 "movw %%ax, %%ds\n"
			 "movw %%ax, %%es\n"
			 "movw %%ax, %%ss\n" : : : "eax", "memory");
	if (has_word(words, "held")) {
		while (in8(KEYBOARD_STATUS) & 1)
			(void)in8(KEYBOARD_DATA); /* left by firmware */
		say("HELD\n");
		await_key();
	}
	say("BEGUN\n");
	if (has_word(words, "cpus"))
		others_begin();
	each_cpu(0);
}

__asm__(".globl _start\n"
	"_start: movl $stacks + 4096, %esp\n"
	"pushl %ebx\n"
	"call run\n");
