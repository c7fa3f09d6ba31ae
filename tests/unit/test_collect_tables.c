/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over guest memory: what is found, what is refused and why, and that it ends whatever the memory holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/ecam.h"
#include "userspace/collect/tables.h"

#define READ_ONLY 2u
#define LOW_BYTES 0xa0000u
#define BIOS_GPA 0xe0000u
#define HIGH_GPA 0x100000u
#define HIGH_BYTES (80u << 20)
#define ROM_GPA 0xfff80000u
#define ROM_BYTES 0x80000u
#define PAGE 4096u
#define ROOT_GPA 0x200000u
#define TOP_GPA (HIGH_GPA + HIGH_BYTES)

/* A guest: RAM with the usual hole, and flash below 4 GiB. */
struct guest {
	struct record_slot slots[8];
	size_t count;
	bool cut;
	uint8_t *memory[8];
	uint64_t missing;      /* page that is not resident; 0 = none */
	uint64_t flips;        /* byte that changes with every read */
	unsigned swap_at;      /* this read comes after swap(); 0 = never */
	void (*swap)(struct guest *g);
	uint64_t bytes;
	unsigned reads;
	int dead_after;        /* reads until the process is gone; 0 = never */
	struct buffer body;
};

static struct guest *guest_new(void)
{
	static const struct record_slot slots[] = {
		{ .gpa = 0, .bytes = LOW_BYTES }, { .gpa = BIOS_GPA, .bytes = 0x20000 }, { .gpa = HIGH_GPA, .bytes = HIGH_BYTES },
		{ .gpa = ROM_GPA, .bytes = ROM_BYTES, .flags = READ_ONLY },
	};
	struct guest *g = calloc(1, sizeof(*g));

	g->count = sizeof(slots) / sizeof(slots[0]);
	memcpy(g->slots, slots, sizeof(slots));
	for (size_t i = 0; i < g->count; i++)
		g->memory[i] = calloc(1, slots[i].bytes);
	return g;
}

static void guest_free(struct guest *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->memory[i]);
	buffer_release(&g->body);
	free(g);
}

static uint8_t *find(const struct guest *g, uint64_t gpa)
{
	for (size_t i = 0; i < g->count; i++)
		if (gpa >= g->slots[i].gpa && gpa - g->slots[i].gpa < g->slots[i].bytes)
			return g->memory[i] + (gpa - g->slots[i].gpa);
	return NULL;
}

/* What a test writes has to be in a slot. */
static uint8_t *at(const struct guest *g, uint64_t gpa)
{
	uint8_t *found = find(g, gpa);

	if (!found)
		abort();
	return found;
}

static int guest_read(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present)
{
	struct guest *g = context;
	uint32_t present = 0;

	assert_true(bytes <= (16u << 20));
	g->reads++;
	g->bytes += ret_present ? 0 : bytes;
	if (g->reads == g->swap_at)
		g->swap(g);
	if (g->dead_after && g->reads > (unsigned)g->dead_after)
		return -ESRCH;
	if (g->flips)
		++*at(g, g->flips);
	for (size_t done = 0, page = 0; done < bytes; page++) {
		size_t step = PAGE - (gpa + done) % PAGE;
		uint8_t *from = find(g, gpa + done);
		bool resident = from && (!g->missing || (gpa + done) / PAGE * PAGE != g->missing);

		if (step > bytes - done)
			step = bytes - done;
		if (!resident && !ret_present)
			return from ? -ENODATA : -EFAULT;
		if (resident) {
			memcpy((uint8_t *)to + done, from, step);
			present |= page < 32 ? 1u << page : 0;
		}
		done += step;
	}
	if (ret_present)
		*ret_present = present;
	return 0;
}

static void digest(void *context, const void *data, size_t bytes, uint8_t ret[32])
{
	(void)context;
	EVP_Digest(data, bytes, ret, NULL, EVP_sha256(), NULL);
}

static int walk(struct guest *g, enum record_area area)
{
	struct tables_memory m = { .read = guest_read, .digest = digest, .context = g, .slots = g->slots, .count = g->count, .cut = g->cut };

	buffer_clear(&g->body);
	g->reads = 0;
	g->bytes = 0;
	return tables_read(&m, area, &g->body);
}

/* ---- what was told */

static bool is_whole(const struct guest *g)
{
	struct record_memory head;

	memcpy(&head, g->body.data, sizeof(head));
	return head.whole;
}

/* The n-th part of a kind (signature: of tables, "" = any); NULL: there is none. The body has to be right as a whole. */
static const uint8_t *part(const struct guest *g, enum record_part_kind kind, const char *signature, unsigned n, struct record_part *ret)
{
	struct record_memory head;
	struct record_part p;
	const void *data;
	const uint8_t *found = NULL;
	size_t cursor = 0;
	uint32_t count = 0;
	int r;

	memcpy(&head, g->body.data, sizeof(head));
	while ((r = record_part_next(g->body.data, g->body.size, &cursor, &p, &data)) > 0) {
		count++;
		if (p.kind == kind && !memcmp(data, signature, strlen(signature)) && !n--) {
			found = data;
			*ret = p;
		}
	}
	assert_int_equal(r, 0);
	assert_int_equal(count, head.count);
	return found;
}

static unsigned parts(const struct guest *g, enum record_part_kind kind)
{
	struct record_part p;
	unsigned n = 0;

	while (part(g, kind, "", n, &p))
		n++;
	return n;
}

static const char *reason(const struct guest *g)
{
	static char text[512];
	struct record_part p;
	const uint8_t *data = part(g, RECORD_PART_REASON, "", 0, &p);

	snprintf(text, sizeof(text), "%.*s", data ? (int)p.bytes : 0, data ? (const char *)data : "");
	return text;
}

#define assert_says(g, words) \
	do { \
		if (!strstr(reason(g), words)) \
			fail_msg("the reason is \"%s\", not one that says \"%s\"", reason(g), words); \
	} while (0)

/* ---- tables */

static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

static void sum(uint8_t *table, size_t bytes, size_t where)
{
	uint8_t s = 0;

	table[where] = 0;
	for (size_t i = 0; i < bytes; i++)
		s += table[i];
	table[where] = (uint8_t)-s;
}

static uint8_t sum_of(const uint8_t *bytes, size_t size)
{
	uint8_t s = 0;

	for (size_t i = 0; i < size; i++)
		s += bytes[i];
	return s;
}

static uint8_t *table(struct guest *g, uint64_t gpa, const char *signature, uint32_t bytes)
{
	uint8_t *t = at(g, gpa);

	memset(t, 0, bytes);
	memcpy(t, signature, 4);
	put32(t + 4, bytes);
	t[8] = 1;
	sum(t, bytes, 9);
	return t;
}

static void rsdp(struct guest *g, uint64_t gpa, uint32_t rsdt, uint64_t xsdt)
{
	uint8_t *p = at(g, gpa);

	memset(p, 0, 36);
	memcpy(p, "RSD PTR ", 8);
	p[15] = xsdt ? 2 : 0;
	put32(p + 16, rsdt);
	if (xsdt)
		put32(p + 20, 36);
	put64(p + 24, xsdt);
	sum(p, 20, 8);
	if (xsdt)
		sum(p, 36, 32);
	else
		memset(p + 20, 0, 16);
}

static void root(struct guest *g, uint64_t gpa, unsigned width, const uint64_t *entries, unsigned count)
{
	uint8_t *t = table(g, gpa, width == 8 ? "XSDT" : "RSDT", 36 + count * width);

	for (unsigned i = 0; i < count; i++)
		memcpy(t + 36 + i * width, &entries[i], width);
	sum(t, 36 + count * width, 9);
}

static void fadt(struct guest *g, uint64_t gpa, uint32_t facs, uint32_t dsdt, uint64_t x_facs, uint64_t x_dsdt)
{
	uint8_t *t = table(g, gpa, "FACP", 244);

	put32(t + 36, facs);
	put32(t + 40, dsdt);
	put64(t + 132, x_facs);
	put64(t + 140, x_dsdt);
	sum(t, 244, 9);
}

#define FADT_GPA (ROOT_GPA + 0x1000)
#define DSDT_GPA (ROOT_GPA + 0x2000)
#define FACS_GPA (ROOT_GPA + 0x3000)
#define APIC_GPA (ROOT_GPA + 0x4000)
#define MCFG_GPA (ROOT_GPA + 0x5000)
#define XSDT_GPA (ROOT_GPA + 0x6000)

/* What a firmware of today leaves: both roots, naming the same tables. */
static void acpi(struct guest *g, uint64_t rsdp_gpa)
{
	const uint64_t entries[] = { FADT_GPA, APIC_GPA, MCFG_GPA };
	uint8_t *mcfg, *facs;

	table(g, DSDT_GPA, "DSDT", 2000);
	facs = table(g, FACS_GPA, "FACS", 64);
	facs[9] = 0x55; /* it has no checksum */
	table(g, APIC_GPA, "APIC", 120);
	mcfg = table(g, MCFG_GPA, "MCFG", 60);
	put64(mcfg + 44, 0xb0000000);
	mcfg[55] = 255;
	sum(mcfg, 60, 9);
	fadt(g, FADT_GPA, FACS_GPA, DSDT_GPA, 0, 0);
	root(g, ROOT_GPA, 4, entries, 3);
	root(g, XSDT_GPA, 8, entries, 3);
	rsdp(g, rsdp_gpa, ROOT_GPA, XSDT_GPA);
}

static void test_acpi_tables_come_once_and_in_order(void **state)
{
	static const char *const order[] = { "RSDT", "XSDT", "FACP", "DSDT", "FACS", "APIC", "MCFG" };
	struct guest *g = guest_new();
	struct record_part p;
	struct ecam ecam;

	(void)state;
	acpi(g, 0xf5a30);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	assert_string_equal(reason(g), "");
	assert_int_equal(parts(g, RECORD_PART_RSDP), 1);
	assert_int_equal(parts(g, RECORD_PART_TABLE), 7);
	for (unsigned i = 0; i < 7; i++)
		assert_memory_equal(part(g, RECORD_PART_TABLE, "", i, &p), order[i], 4);
	assert_non_null(part(g, RECORD_PART_TABLE, "DSDT", 0, &p));
	assert_true(p.gpa == DSDT_GPA && p.bytes == 2000);
	assert_non_null(part(g, RECORD_PART_RSDP, "", 0, &p));
	assert_true(p.gpa == 0xf5a30 && p.bytes == 36);
	assert_true(ecam_of_tables(g->body.data, g->body.size, &ecam));
	assert_true(ecam.base == 0xb0000000 && ecam.bytes == 256u << 20);
	guest_free(g);
}

/* Every place where a firmware that we know of puts its RSDP. */
static void test_no_product_key_is_in_what_is_told(void **state)
{
	struct guest *g = guest_new();
	struct record_part p;
	const uint8_t *told;
	uint8_t *t;

	(void)state;
	acpi(g, 0xf5a30);
	t = table(g, APIC_GPA, "MSDM", 85);
	memcpy(t + 56, "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", 29);
	sum(t, 85, 9);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	told = part(g, RECORD_PART_TABLE, "MSDM", 0, &p);
	assert_non_null(told);
	assert_int_equal(p.bytes, 85);
	assert_null(memmem(g->body.data, g->body.size, "AAAAA-BBBBB", 11));
	assert_memory_equal(told + 10, t + 10, 46);
	assert_int_equal(sum_of(told, 85), 0);
	guest_free(g);
}

static void test_the_rsdp_is_found_wherever_firmware_puts_it(void **state)
{
	static const uint64_t places[] = { 0xe0000, 0xfffd0, 0x9fc10, 0x7e010 /* EBDA */, 0x80000, TOP_GPA - 0xffe0, TOP_GPA - (60u << 20) };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct guest *g = guest_new();
		struct record_part p;
		uint64_t gpa = places[i];

		at(g, 0x40e)[1] = 0x7e; /* 0x7e00 << 4 */
		acpi(g, gpa);
		assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
		if (!is_whole(g))
			fail_msg("RSDP at 0x%llx: %s", (unsigned long long)gpa, reason(g));
		assert_non_null(part(g, RECORD_PART_RSDP, "", 0, &p));
		assert_true(p.gpa == gpa);
		guest_free(g);
	}
}

/* cloud-hypervisor's RSDP lies in the first page behind low memory. */
static void test_the_rsdp_of_cloud_hypervisor_is_found(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	free(g->memory[0]);
	g->slots[0].bytes = 0xb0000;
	g->memory[0] = calloc(1, 0xb0000);
	acpi(g, 0xa0000);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	guest_free(g);
}

/* UEFI's memory holds several that are none: the one that leads to tables without fault counts. */
static void test_false_candidates_are_passed_over(void **state)
{
	struct guest *g = guest_new();
	struct record_part p;

	(void)state;
	acpi(g, TOP_GPA - 0x200000);
	memcpy(at(g, TOP_GPA - 0x1000), "RSD PTR ", 8);                      /* no checksum */
	rsdp(g, TOP_GPA - 0x2000, 0xdead0000, 0);                            /* points nowhere */
	rsdp(g, TOP_GPA - 0x3000, APIC_GPA, 0);                              /* points to something else */
	root(g, TOP_GPA - 0x5000, 4, (const uint64_t[]){ APIC_GPA }, 1);     /* without a FADT */
	rsdp(g, TOP_GPA - 0x4000, TOP_GPA - 0x5000, 0);
	memcpy(at(g, TOP_GPA - 0x6000 + 6), "RSD PTR ", 8);                  /* not aligned */
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	assert_non_null(part(g, RECORD_PART_RSDP, "", 0, &p));
	assert_true(p.gpa == TOP_GPA - 0x200000);
	/* Without flash that could hold UEFI nobody looks there. */
	g->slots[3].bytes = 0x10000;
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_says(g, "no RSDP was found below 1 MiB");
	assert_true(g->reads < 20);
	guest_free(g);
}

/* OVMF: that of ACPI 1.0 on a page, and 20 bytes behind it the one that the operating system is pointed to. */
static void test_of_two_rsdps_of_uefi_the_new_one_counts(void **state)
{
	struct guest *g = guest_new();
	struct record_part p;

	(void)state;
	acpi(g, TOP_GPA - 0x83000 + 20);
	rsdp(g, TOP_GPA - 0x83000, ROOT_GPA, 0); /* clears what lies behind it */
	rsdp(g, TOP_GPA - 0x83000 + 20, ROOT_GPA, XSDT_GPA);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	assert_non_null(part(g, RECORD_PART_RSDP, "", 0, &p));
	assert_true(p.gpa == TOP_GPA - 0x83000 + 20 && p.bytes == 36);
	assert_non_null(part(g, RECORD_PART_TABLE, "XSDT", 0, &p));
	/* Alone, the old one does. */
	memset(at(g, TOP_GPA - 0x83000 + 20), 0, 36);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	assert_non_null(part(g, RECORD_PART_RSDP, "", 0, &p));
	assert_true(p.gpa == TOP_GPA - 0x83000 && p.bytes == 20);
	guest_free(g);
}

/* Each fault costs the one table, is named, and makes the reading no whole one. */
static void test_what_is_refused_is_named_and_the_rest_is_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct guest *g = guest_new();
		const char *words = "";
		struct record_part p;
		unsigned left = 6;
		bool apic = true;

		acpi(g, 0xf0000);
		switch (i) {
		case 0:
			at(g, APIC_GPA)[50] ^= 1, words = "APIC at 0x204000: its checksum is wrong", apic = false;
			break;
		case 1:
			put32(at(g, APIC_GPA) + 4, 0xffffffff), words = "a length of 4294967295 bytes", apic = false;
			break;
		case 2:
			put32(at(g, APIC_GPA) + 4, 12), words = "a length of 12 bytes", apic = false;
			break;
		case 3:
			g->missing = APIC_GPA, words = "its memory is not resident", apic = false;
			break;
		case 4:
			fadt(g, FADT_GPA, FACS_GPA, DSDT_GPA, 0, 1ull << 40), words = "the DSDT at 0x10000000000: it is not in the guest's memory";
			break;
		case 5:
			fadt(g, FADT_GPA, FACS_GPA, APIC_GPA + 4, 0, 0), words = "the DSDT at 0x204004: its signature is";
			break;
		case 6:
			at(g, XSDT_GPA)[36]++, words = "XSDT at 0x206000: its checksum is wrong";
			break;
		case 7:
			fadt(g, FADT_GPA, FACS_GPA, 0, 0, 0), words = "FACP points to no DSDT";
			break;
		}
		assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
		assert_false(is_whole(g));
		assert_says(g, words);
		assert_int_equal(parts(g, RECORD_PART_TABLE), left);
		assert_true((part(g, RECORD_PART_TABLE, "APIC", 0, &p) != NULL) == apic);
		guest_free(g);
	}
}

/* Written while it is read: never told as whole. */
static void test_a_table_that_changes_while_it_is_read_is_refused(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	acpi(g, 0xf0000);
	g->flips = DSDT_GPA + 100;
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_says(g, "DSDT at 0x202000: its checksum is wrong");
	g->flips = DSDT_GPA + 5; /* its length */
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	guest_free(g);
}

static void test_cycles_and_floods_of_tables_end(void **state)
{
	enum { MANY = 4000 };
	uint64_t *entries = calloc(MANY, sizeof(*entries));
	struct guest *g = guest_new();

	(void)state;
	acpi(g, 0xf0000);
	/* A root that points to itself, to the other root and to the FADT, again and again. */
	for (unsigned i = 0; i < MANY; i++)
		entries[i] = i % 3 == 0 ? XSDT_GPA : i % 3 == 1 ? ROOT_GPA : FADT_GPA;
	root(g, XSDT_GPA, 8, entries, MANY);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	assert_int_equal(parts(g, RECORD_PART_TABLE), 7);

	/* More tables than there can be. */
	for (unsigned i = 0; i < MANY; i++) {
		entries[i] = HIGH_GPA + (8u << 20) + i * 0x100;
		table(g, entries[i], "SSDT", 64);
	}
	root(g, XSDT_GPA, 8, entries, MANY);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_says(g, "more than 128 tables");
	assert_true(parts(g, RECORD_PART_TABLE) <= TABLES_MAX);

	/* More bytes than fit into a record. */
	for (unsigned i = 0; i < 100; i++) {
		entries[i] = HIGH_GPA + (8u << 20) + i * TABLES_TABLE_BYTES;
		table(g, entries[i], "SSDT", TABLES_TABLE_BYTES);
	}
	root(g, XSDT_GPA, 8, entries, 100);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_says(g, "more than 921600 bytes in all");
	assert_true(g->body.size <= TABLES_RECORD_BYTES + 1024);
	free(entries);
	guest_free(g);
}

/* Memory full of anchors: bounded, and nothing is found. */
static void test_memory_full_of_anchors_costs_little(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	for (uint64_t gpa = HIGH_GPA; gpa < TOP_GPA; gpa += 64) {
		rsdp(g, gpa, 0x1000, 0x2000);
		memcpy(at(g, gpa + 48), "_SM3_", 5);
	}
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_says(g, "one was refused");
	assert_true(g->reads <= TABLES_READS);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_false(is_whole(g));
	assert_true(g->reads <= TABLES_READS);
	guest_free(g);
}

/* Few bytes of a guest may ask for gigabytes: many roots, each to the largest tables there can be. */
static void test_roots_to_large_tables_cost_little(void **state)
{
	struct guest *g = guest_new();
	uint64_t entries[TABLES_MAX];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		memcpy(at(g, HIGH_GPA + (8u << 20) + i * 64), "SSDT", 4);
		put32(at(g, HIGH_GPA + (8u << 20) + i * 64 + 4), TABLES_TABLE_BYTES);
	}
	for (unsigned n = 0; n < TABLES_CANDIDATES; n++) {
		for (unsigned i = 0; i < TABLES_MAX; i++)
			entries[i] = HIGH_GPA + (8u << 20) + (n * TABLES_MAX + i) * 64;
		root(g, ROOT_GPA + n * 0x1000, 8, entries, TABLES_MAX);
		rsdp(g, 0xe0000 + n * 64, 0, ROOT_GPA + n * 0x1000);
	}
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_false(is_whole(g));
	assert_true(g->bytes <= TABLES_READ_BYTES);
	guest_free(g);
}

static void swap_dsdt(struct guest *g)
{
	table(g, DSDT_GPA, "DSDT", 2000)[50] = 1;
	sum(at(g, DSDT_GPA), 2000, 9);
	table(g, APIC_GPA, "APIC", 120)[50] = 1;
	sum(at(g, APIC_GPA), 120, 9);
}

/* Every table is right, and yet they never were there at one time: whichever read the change falls before. */
static void test_old_tables_beside_new_ones_are_not_whole(void **state)
{
	struct guest *g = guest_new();
	unsigned reads, mixed = 0;

	(void)state;
	acpi(g, 0xf0000);
	assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
	assert_true(is_whole(g));
	reads = g->reads;
	for (unsigned n = 1; n <= reads; n++) {
		struct record_part p;
		const uint8_t *dsdt, *apic;

		acpi(g, 0xf0000);
		g->swap_at = n;
		g->swap = swap_dsdt;
		assert_int_equal(walk(g, RECORD_AREA_ACPI), 0);
		dsdt = part(g, RECORD_PART_TABLE, "DSDT", 0, &p);
		apic = part(g, RECORD_PART_TABLE, "APIC", 0, &p);
		mixed += !is_whole(g);
		if (is_whole(g))
			assert_int_equal(dsdt[50], apic[50]);
	}
	assert_true(mixed > 0);
	guest_free(g);
}

static void test_a_process_that_ends_ends_the_reading(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	acpi(g, 0xf0000);
	for (int n = 1; n < 12; n++) {
		g->dead_after = n;
		assert_int_equal(walk(g, RECORD_AREA_ACPI), -ESRCH);
		assert_int_equal(g->body.size, 0);
		assert_int_equal(g->reads, (unsigned)n + 1);
	}
	guest_free(g);
}

/* ---- SMBIOS */

#define SMBIOS_GPA 0xf6000u

static size_t structure(uint8_t *to, uint8_t type, uint8_t length, const char *text)
{
	memset(to, 0, length);
	to[0] = type;
	to[1] = length;
	to[2] = type;
	memcpy(to + length, text, strlen(text) + 1);
	to[length + strlen(text) + 1] = 0;
	if (!*text)
		to[length + 1] = 0;
	return length + (*text ? strlen(text) + 2 : 2);
}

static size_t smbios_table(uint8_t *to)
{
	size_t bytes = structure(to, 0, 24, "SeaBIOS");

	bytes += structure(to + bytes, 1, 27, "QEMU");
	return bytes + structure(to + bytes, 127, 4, "");
}

static void entry_old(struct guest *g, uint64_t gpa, uint32_t table_gpa, uint16_t bytes, uint16_t count)
{
	uint8_t *e = at(g, gpa);

	memset(e, 0, 31);
	memcpy(e, "_SM_", 4);
	e[5] = 31;
	e[6] = 2;
	e[7] = 8;
	memcpy(e + 16, "_DMI_", 5);
	memcpy(e + 22, &bytes, 2);
	put32(e + 24, table_gpa);
	memcpy(e + 28, &count, 2);
	sum(e + 16, 15, 5);
	sum(e, 31, 4);
}

static void entry_new(struct guest *g, uint64_t gpa, uint64_t table_gpa, uint32_t bytes)
{
	uint8_t *e = at(g, gpa);

	memset(e, 0, 24);
	memcpy(e, "_SM3_", 5);
	e[6] = 24;
	e[7] = 3;
	put32(e + 12, bytes);
	put64(e + 16, table_gpa);
	sum(e, 24, 5);
}

static void test_smbios_is_read_up_to_its_end(void **state)
{
	struct guest *g = guest_new();
	struct record_part p;
	size_t bytes = smbios_table(at(g, SMBIOS_GPA));

	(void)state;
	memcpy(at(g, 0xf0008), "_SM3_", 5); /* code speaks of it, too: not aligned */
	entry_old(g, 0xf5000, SMBIOS_GPA, (uint16_t)bytes, 3);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	assert_memory_equal(part(g, RECORD_PART_SMBIOS_ENTRY, "_SM_", 0, &p), at(g, 0xf5000), 31);
	assert_memory_equal(part(g, RECORD_PART_SMBIOS_TABLE, "", 0, &p), at(g, SMBIOS_GPA), bytes);
	assert_int_equal(p.bytes, bytes);

	/* The 64-bit one counts where there are both; it says only how long the table may be, here far beyond the memory. */
	entry_new(g, 0xfff00, SMBIOS_GPA, 0x10000);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	assert_non_null(part(g, RECORD_PART_SMBIOS_ENTRY, "_SM3_", 0, &p));
	assert_non_null(part(g, RECORD_PART_SMBIOS_TABLE, "", 0, &p));
	assert_int_equal(p.bytes, bytes);
	assert_int_equal(parts(g, RECORD_PART_SMBIOS_ENTRY), 1);
	guest_free(g);
}

static bool body_holds(const struct guest *g, const char *text)
{
	return memmem(g->body.data, g->body.size, text, strlen(text));
}

/* Traces are handed to others: a password that a guest got through OEM strings would go with them. */
static void test_no_credential_of_a_guest_is_in_what_is_told(void **state)
{
	static const char *const values[] = { "hunter2", "a hunter2 that is longer than what stands in its place", "" };
	uint32_t told = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct guest *g = guest_new();
		uint8_t *t = at(g, SMBIOS_GPA);
		char text[128];
		struct record_part p;
		const uint8_t *entry, *structures;
		size_t bytes;

		snprintf(text, sizeof(text), "io.systemd.credential:a=%s", values[i]);
		bytes = structure(t, 11, 5, "of no secret");
		bytes += structure(t + bytes, 11, 5, text);
		bytes += structure(t + bytes, 127, 4, "");
		for (unsigned wide = 0; wide < 2; wide++) {
			if (wide)
				entry_new(g, 0xf5000, SMBIOS_GPA, (uint32_t)bytes);
			else
				entry_old(g, 0xf5000, SMBIOS_GPA, (uint16_t)bytes, 3);
			assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
			assert_true(is_whole(g));
			assert_false(body_holds(g, "hunter2"));
			assert_true(body_holds(g, "of no secret"));
			assert_true(body_holds(g, "io.systemd.credential:a=<removed>"));
			/* Who reads it later believes its lengths and sums. */
			structures = part(g, RECORD_PART_SMBIOS_TABLE, "", 0, &p);
			assert_true(structures[p.bytes - 6] == 127);
			if (!told)
				told = p.bytes;
			assert_int_equal(p.bytes, told); /* not even how long it was */
			entry = part(g, RECORD_PART_SMBIOS_ENTRY, "_SM", 0, &p);
			assert_int_equal(entry[wide ? 12 : 22] | entry[wide ? 13 : 23] << 8, told);
			assert_int_equal(sum_of(entry, p.bytes), 0);
			assert_int_equal(wide ? 0 : sum_of(entry + 16, 15), 0);
		}
		guest_free(g);
	}
}

static void test_smbios_of_uefi_is_found(void **state)
{
	struct guest *g = guest_new();
	struct record_part p;

	(void)state;
	smbios_table(at(g, TOP_GPA - 0x900000));
	entry_new(g, TOP_GPA - 0x910000, TOP_GPA - 0x900000, 0x1000);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	assert_non_null(part(g, RECORD_PART_SMBIOS_ENTRY, "_SM3_", 0, &p));
	assert_true(p.gpa == TOP_GPA - 0x910000);
	guest_free(g);
}

static void test_smbios_that_is_wrong_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct guest *g = guest_new();
		uint8_t *t = at(g, SMBIOS_GPA);
		size_t bytes = smbios_table(t);
		const char *words = "";

		entry_old(g, 0xf5000, SMBIOS_GPA, (uint16_t)bytes, 3);
		switch (i) {
		case 0:
			at(g, 0xf5000)[20] ^= 1, words = "its checksum is wrong";
			break;
		case 1:
			entry_old(g, 0xf5000, 0xd0000000, (uint16_t)bytes, 3), words = "it is not in the guest's memory";
			break;
		case 2:
			t[1] = 3, words = "its structures do not end within it"; /* shorter than its header: a step of none */
			break;
		case 3:
			memset(t + 24, 'x', bytes - 24), words = "its structures do not end within it";
			break;
		case 4:
			entry_old(g, 0xf5000, SMBIOS_GPA, (uint16_t)(bytes - 20), 3), words = "its structures do not end within it";
			break;
		case 5:
			g->missing = SMBIOS_GPA, words = "its memory is not resident";
			break;
		case 6:
			entry_old(g, 0xf5000, SMBIOS_GPA, 0, 0), words = "a table of 0 bytes";
			break;
		}
		assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
		assert_false(is_whole(g));
		assert_says(g, words);
		assert_int_equal(parts(g, RECORD_PART_SMBIOS_TABLE), 0);
		guest_free(g);
	}
}

static void swap_smbios(struct guest *g)
{
	at(g, SMBIOS_GPA)[24] = 'X';
}

/* SMBIOS structures have no checksum: a table that is being written is known only by another look at it. */
static void test_smbios_that_changes_while_it_is_read_is_not_whole(void **state)
{
	struct guest *g = guest_new();
	size_t bytes = smbios_table(at(g, SMBIOS_GPA));

	(void)state;
	entry_old(g, 0xf5000, SMBIOS_GPA, (uint16_t)bytes, 3);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	/* The last read is the second one of the structures. */
	g->swap_at = g->reads;
	g->swap = swap_smbios;
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_false(is_whole(g));
	assert_says(g, "changed while they were read");
	assert_int_equal(parts(g, RECORD_PART_SMBIOS_TABLE), 0);
	g->swap_at = 0;
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	guest_free(g);
}

static void test_ten_thousand_structures_are_too_many(void **state)
{
	struct guest *g = guest_new();
	size_t bytes = 0;

	(void)state;
	for (unsigned i = 0; i < TABLES_SMBIOS_STRUCTURES - 1; i++)
		bytes += structure(at(g, HIGH_GPA + bytes), 11, 5, "");
	structure(at(g, HIGH_GPA + bytes), 127, 4, "");
	entry_new(g, 0xf5000, HIGH_GPA, 0x7fffffff);
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_true(is_whole(g));
	bytes += structure(at(g, HIGH_GPA + bytes), 11, 5, "");
	structure(at(g, HIGH_GPA + bytes), 127, 4, "");
	assert_int_equal(walk(g, RECORD_AREA_SMBIOS), 0);
	assert_false(is_whole(g));
	assert_says(g, "too many structures");
	guest_free(g);
}

/* ---- firmware */

static void check_rom(const struct guest *g, uint64_t gpa, size_t bytes, const char *version)
{
	struct record_part p;
	struct record_rom rom;
	uint8_t sha256[32];
	const uint8_t *data = part(g, RECORD_PART_ROM, "", 0, &p);

	assert_non_null(data);
	memcpy(&rom, data, sizeof(rom));
	digest(NULL, at(g, gpa), bytes, sha256);
	assert_true(p.gpa == gpa && rom.bytes == bytes);
	assert_memory_equal(rom.sha256, sha256, 32);
	assert_int_equal(p.bytes - sizeof(rom), strlen(version));
	assert_memory_equal(data + sizeof(rom), version, strlen(version));
}

static void test_firmware_is_digested_with_its_version(void **state)
{
	static const char *const none[] = { "1.16", "gcc: (Debian 12.2.0-14) 12.2.0", "1.2.3 and more", "v1.2.3" };
	struct guest *g = guest_new();
	uint8_t *rom = at(g, ROM_GPA);

	(void)state;
	rom[0] = 0xea;
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		memcpy(rom + 0x100 + 0x100 * i, none[i], strlen(none[i]));
	memcpy(rom + 0x1000, "rel-1.16.3-0-ga6ed6b701f0a", 27);
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_true(is_whole(g));
	check_rom(g, ROM_GPA, ROM_BYTES, ""); /* any program may hold such a text */
	memcpy(rom + 0x800, "SeaBIOS (version %s)\n", 22);
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	check_rom(g, ROM_GPA, ROM_BYTES, "rel-1.16.3-0-ga6ed6b701f0a");
	/* Debian's 1.14.0 and 1.16.3 have it behind the assembler's filling. */
	memcpy(rom + 0x1000, "f\x90" "1.14.0-2\0 and what was there", 28);
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	check_rom(g, ROM_GPA, ROM_BYTES, "1.14.0-2");
	g->missing = ROM_GPA + 0x3000;
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_false(is_whole(g));
	assert_says(g, "read-only memory at 0xfff80000: its memory is not resident");
	guest_free(g);
}

static void test_the_variable_store_is_left_out(void **state)
{
	static const uint8_t guid[16] = { 0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50 };
	struct guest *g = guest_new();
	uint8_t *rom = at(g, ROM_GPA);

	(void)state;
	memcpy(rom + 16, guid, 16);
	put64(rom + 32, 0x10000);
	memcpy(rom + 40, "_FVH", 4);
	rom[0x20000] = 1;
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_true(is_whole(g));
	check_rom(g, ROM_GPA + 0x10000, ROM_BYTES - 0x10000, "");
	put64(rom + 32, ~0ull); /* all of it */
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_true(is_whole(g));
	assert_int_equal(parts(g, RECORD_PART_ROM), 0);
	rom[16]++; /* another volume: code */
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	check_rom(g, ROM_GPA, ROM_BYTES, "");
	guest_free(g);
}

static void test_without_firmware_or_with_too_much_the_reason_says_so(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	g->slots[3].flags = 0;
	g->slots[1].flags = READ_ONLY; /* the shadowed copy below 1 MiB is none */
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_false(is_whole(g));
	assert_int_equal(parts(g, RECORD_PART_ROM), 0);
	assert_says(g, "no read-only memory above 1 MiB");
	g->slots[3].flags = READ_ONLY;
	g->slots[2].flags = READ_ONLY;
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_false(is_whole(g));
	assert_int_equal(parts(g, RECORD_PART_ROM), 1);
	assert_says(g, "read-only memory at 0x100000: 83886080 bytes are too many");
	guest_free(g);
}

/* "Complete" would hide a ROM in a slot that nobody listed. */
static void test_firmware_is_not_whole_where_slots_may_be_missing(void **state)
{
	struct guest *g = guest_new();

	(void)state;
	g->cut = true;
	assert_int_equal(walk(g, RECORD_AREA_FIRMWARE), 0);
	assert_false(is_whole(g));
	assert_int_equal(parts(g, RECORD_PART_ROM), 1);
	assert_says(g, "not all of the guest's memory slots are known");
	guest_free(g);
}

/* ---- PCI configuration */

static struct buffer vm_pairs(const char *kind, const char *machine)
{
	struct buffer pairs = BUFFER_INIT;

	record_pair_put(&pairs, "kind", kind);
	record_pair_put(&pairs, "arg", "vmm");
	record_pair_put(&pairs, "arg", "-M");
	record_pair_put(&pairs, "arg", machine);
	return pairs;
}

static void test_vmms_with_a_fixed_window_are_known(void **state)
{
	static const struct { const char *kind, *machine; uint64_t base; } known[] = {
		{ "firecracker", "", 0xeec00000 }, { "cloud-hypervisor", "", 0xe8000000 }, { "crosvm", "", 0xf4000000 },
		{ "qemu", "microvm,pcie=on", 0xe0000000 }, { "qemu", "microvm", 0 }, { "qemu", "q35", 0 }, { "other", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct buffer pairs = vm_pairs(known[i].kind, known[i].machine);
		struct ecam ecam = { 0 };

		assert_int_equal(ecam_of_vmm(pairs.data, pairs.size, &ecam), known[i].base != 0);
		assert_true(ecam.base == known[i].base);
		buffer_release(&pairs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acpi_tables_come_once_and_in_order),
		cmocka_unit_test(test_the_rsdp_is_found_wherever_firmware_puts_it),
		cmocka_unit_test(test_the_rsdp_of_cloud_hypervisor_is_found),
		cmocka_unit_test(test_false_candidates_are_passed_over),
		cmocka_unit_test(test_of_two_rsdps_of_uefi_the_new_one_counts),
		cmocka_unit_test(test_what_is_refused_is_named_and_the_rest_is_told),
		cmocka_unit_test(test_a_table_that_changes_while_it_is_read_is_refused),
		cmocka_unit_test(test_cycles_and_floods_of_tables_end),
		cmocka_unit_test(test_memory_full_of_anchors_costs_little),
		cmocka_unit_test(test_roots_to_large_tables_cost_little),
		cmocka_unit_test(test_old_tables_beside_new_ones_are_not_whole),
		cmocka_unit_test(test_a_process_that_ends_ends_the_reading),
		cmocka_unit_test(test_smbios_is_read_up_to_its_end),
		cmocka_unit_test(test_no_credential_of_a_guest_is_in_what_is_told),
		cmocka_unit_test(test_no_product_key_is_in_what_is_told),
		cmocka_unit_test(test_smbios_of_uefi_is_found),
		cmocka_unit_test(test_smbios_that_is_wrong_is_refused),
		cmocka_unit_test(test_smbios_that_changes_while_it_is_read_is_not_whole),
		cmocka_unit_test(test_ten_thousand_structures_are_too_many),
		cmocka_unit_test(test_firmware_is_digested_with_its_version),
		cmocka_unit_test(test_the_variable_store_is_left_out),
		cmocka_unit_test(test_without_firmware_or_with_too_much_the_reason_says_so),
		cmocka_unit_test(test_firmware_is_not_whole_where_slots_may_be_missing),
		cmocka_unit_test(test_vmms_with_a_fixed_window_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
