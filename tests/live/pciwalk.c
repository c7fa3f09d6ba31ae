// SPDX-License-Identifier: Apache-2.0
/*
 * A guest without an operating system that reads the whole configuration space of every PCI function, as lspci -xxxx would, and
 * writes what it saw to port 0xE9 in the form that `lspci -F` reads. Started by QEMU's multiboot loader (-kernel), so firmware
 * has placed everything by then. What else the guest shall do its command line says (-append):
 *
 *	all       look for functions on all 256 buses, as firmware does where there are more root buses; else on those that
 *	          bridges lead to
 *	state     afterwards write to enable and control registers as drivers do, and read everything again
 *
 *	plug      for ever after do what ACPI of an i440fx does: look for a device that was plugged into bus 0, and size its registers;
 *	          eject one that is asked for, and look again
 *
 * When all is done it reads a port that nobody has, as often as makes it absent: who watches sees that after all the rest.
 *
 * gcc -m32 -ffreestanding -nostdlib -static -no-pie -fno-pic -fno-stack-protector -Wl,-Ttext=0x100000 -Wl,--build-id=none
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#define MULTIBOOT_MAGIC 0x1badb002u
#define DUMP_PORT 0xe9
#define END_PORT 0x5a5
#define Q35 0x29c08086u
#define CONFIG_BYTES 256
#define ECAM_BYTES 4096

/* The header has to be among the first 8 KiB of the file. */
__attribute__((section(".text.header"), used)) static const u32 header[] = { MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC };

struct multiboot {
	u32 flags, mem_lower, mem_upper, boot_device, command_line;
};

static volatile u8 *ecam;
static char line[128];
static u32 length;

static void out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static u32 in32(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static u32 config_read(u32 bdf, u32 reg)
{
	if (ecam && reg >= CONFIG_BYTES)
		return *(volatile u32 *)(ecam + (bdf << 12) + reg);
	out32(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
	return in32(0xcfc);
}

static void config_write(u32 bdf, u32 reg, u32 value)
{
	out32(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
	out32(0xcfc, value);
}

/* ---- text */
static void put(char c)
{
	line[length++] = c;
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_hex(u32 value, u32 digits)
{
	while (digits--)
		put("0123456789abcdef"[value >> digits * 4 & 0xf]);
}

/* One string output: one exit for a whole line. */
static void flush(void)
{
	const char *at = line;
	u32 count = length;

	put('\n');
	count++;
	__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(DUMP_PORT) : "memory");
	length = 0;
}

/* ---- one function */
static void dump(u32 bdf, u32 bytes, int told)
{
	u32 class = config_read(bdf, 8), id = config_read(bdf, 0);

	if (told) {
		put_hex(bdf >> 8, 2);
		put(':');
		put_hex(bdf >> 3 & 0x1f, 2);
		put('.');
		put_hex(bdf & 7, 1);
		put_text(" Class ");
		put_hex(class >> 16, 4);
		put_text(": ");
		put_hex(id & 0xffff, 4);
		put(':');
		put_hex(id >> 16, 4);
		flush();
	}
	for (u32 reg = 0; reg < bytes; reg += 16) {
		put_hex(reg, reg < CONFIG_BYTES ? 2 : 3);
		put(':');
		for (u32 i = 0; i < 16; i += 4) {
			u32 value = config_read(bdf, reg + i);

			for (u32 n = 0; n < 4; n++) {
				put(' ');
				put_hex(value >> 8 * n & 0xff, 2);
			}
		}
		if (told)
			flush();
		length = 0;
	}
	if (told)
		flush();
}

static void take(u32 bdf, int told)
{
	u32 first = ecam ? config_read(bdf, CONFIG_BYTES) : 0;

	dump(bdf, first && first != 0xffffffff ? ECAM_BYTES : CONFIG_BYTES, told);
}

/* Enable what drivers enable: MSI, MSI-X, power states, PCI Express device and slot control. */
static void touch(u32 bdf)
{
	u32 at = config_read(bdf, 0x34) & 0xfc;

	for (u32 n = 0; at >= 0x40 && n < 48; n++) {
		u32 head = config_read(bdf, at), id = head & 0xff;

		if (id == 0x05 || id == 0x11)
			config_write(bdf, at, head ^ (id == 0x05 ? 1u << 16 : 0xc0000000u));
		else if (id == 0x01)
			config_write(bdf, at + 4, config_read(bdf, at + 4) ^ 0x0100);
		else if (id == 0x10) {
			config_write(bdf, at + 8, config_read(bdf, at + 8) ^ 0x200f);
			config_write(bdf, at + 0x10, config_read(bdf, at + 0x10) ^ 0x40);
			config_write(bdf, at + 0x18, config_read(bdf, at + 0x18) ^ 0x20);
		}
		at = head >> 8 & 0xfc;
	}
}

/* ---- all functions */
enum pass {
	LOOK,
	TOUCH,
	LOOK_AGAIN,
};

static void walk_function(u32 bdf, enum pass pass)
{
	if (pass == TOUCH)
		touch(bdf);
	else
		take(bdf, pass == LOOK);
}

static void walk_bus(u32 bus, enum pass pass, int behind)
{
	for (u32 device = 0; device < 32; device++)
		for (u32 function = 0; function < 8; function++) {
			u32 bdf = bus << 8 | device << 3 | function, kind;

			if ((config_read(bdf, 0) & 0xffff) == 0xffff) {
				if (function == 0)
					break;
				continue;
			}
			walk_function(bdf, pass);
			kind = config_read(bdf, 0x0c) >> 16 & 0xff;
			if (behind && (kind & 0x7f) == 1 && (config_read(bdf, 0x18) >> 8 & 0xff) > bus)
				walk_bus(config_read(bdf, 0x18) >> 8 & 0xff, pass, behind);
			if (function == 0 && !(kind & 0x80))
				break;
		}
}

static void walk(enum pass pass, int all)
{
	if (!all) {
		walk_bus(0, pass, 1);
		return;
	}
	for (u32 bus = 0; bus < 256; bus++)
		walk_bus(bus, pass, 0);
}

/* ---- hot-plug, QEMU docs/specs/acpi_pci_hotplug */
#define PLUG_UP 0xae00
#define PLUG_DOWN 0xae04
#define PLUG_EJECT 0xae08
#define PLUG_BUS 0xae10

/* What firmware does for each function of a new device. */
static void size_all(u32 bdf)
{
	for (u32 reg = 0x10; reg <= 0x30; reg += reg == 0x24 ? 0x0c : 4) {
		u32 was = config_read(bdf, reg);

		config_write(bdf, reg, reg == 0x30 ? 0xfffff800u : 0xffffffffu);
		(void)config_read(bdf, reg);
		config_write(bdf, reg, was);
	}
}

static void tell_slots(const char *what, u32 slots)
{
	put_text(what);
	put_hex(slots, 8);
	flush();
}

static void plug(void)
{
	u32 known = 0;

	for (;;) {
		u32 up, down;

		out32(PLUG_BUS, 0);
		up = in32(PLUG_UP) & ~known;
		down = in32(PLUG_DOWN);
		for (u32 slot = 0; slot < 32; slot++)
			if (up & 1u << slot && (config_read(slot << 3, 0) & 0xffff) != 0xffff) {
				take(slot << 3, 0);
				size_all(slot << 3);
			}
		if (down) {
			out32(PLUG_EJECT, down);
			for (u32 slot = 0; slot < 32; slot++)
				if (down & 1u << slot)
					(void)config_read(slot << 3, 0);
		}
		if (up)
			tell_slots("PLUGGED ", up);
		if (down)
			tell_slots("EJECTED ", down);
		known = (known | up) & ~down;
		/* Not for ever asking: each port read stops the guest. */
		for (u32 n = 0; n < 3000000; n++)
			__asm__ volatile("pause");
	}
}

static int has_word(const char *text, const char *word)
{
	for (; *text; text++) {
		u32 n = 0;

		while (word[n] && text[n] == word[n])
			n++;
		if (!word[n])
			return 1;
	}
	return 0;
}

__attribute__((used)) static void run(const struct multiboot *info)
{
	const char *said = info->flags & 4 ? (const char *)info->command_line : "";
	u32 base = config_read(0, 0) == Q35 ? config_read(0, 0x60) : 0;
	int all = has_word(said, "all");

	ecam = base & 1 ? (volatile u8 *)(base & 0xf0000000u) : 0;
	walk(LOOK, all);
	if (has_word(said, "state")) {
		walk(TOUCH, all);
		walk(LOOK_AGAIN, all);
	}
	for (u32 n = 0; n < 3; n++)
		(void)in32(END_PORT);
	put_text("END");
	flush();
	if (has_word(said, "plug"))
		plug();
	for (;;)
		__asm__ volatile("cli; hlt");
}

__asm__(".globl _start\n"
	"_start: movl $stack_end, %esp\n"
	"pushl %ebx\n"
	"call run\n"
	".bss\n"
	".skip 16384\n"
	"stack_end:\n"
	".text\n");
