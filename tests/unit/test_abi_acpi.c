// SPDX-License-Identifier: Apache-2.0
/*
 * ACPI tables as QEMU 7.2 and SeaBIOS left them in guests' memory (tests/fuzz/corpus/acpi), and as no sane firmware would.
 * tests/live/test_acpi.py has iasl for an oracle.
 */
#include <dirent.h>
#include <stdio.h>

#include "tests/unit/facts_feed.h"

#define CORPUS "tests/fuzz/corpus/acpi/"
#define MOVED 0x100000u
#define LINE 256

struct body {
	uint8_t *data;
	size_t bytes;
};

static struct body body_read(const char *name)
{
	struct body b = { 0 };
	char path[LINE];
	FILE *f;

	snprintf(path, sizeof(path), CORPUS "%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	b.data = malloc(RECORD_MAX_BYTES);
	assert_non_null(b.data);
	b.bytes = fread(b.data, 1, RECORD_MAX_BYTES, f);
	fclose(f);
	assert_true(b.bytes > sizeof(struct record_memory));
	return b;
}

static struct abi_entries body_derive(const void *data, size_t bytes)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e;

	records_boot(&s, OBSERVE_REASON_CREATED, true);
	records_add(&s, RECORD_MEMORY, s.vm, s.boot, data, bytes, NULL, 0);
	e = derive_stream(&s);
	records_release(&s);
	return e;
}

static struct abi_entries file_derive(const char *name)
{
	struct body b = body_read(name);
	struct abi_entries e = body_derive(b.data, b.bytes);

	free(b.data);
	return e;
}

static void assert_value(const struct abi_entries *e, const char *key, const char *value)
{
	const char *has = value_of(e, FACET_ACPI, key);

	if (!has)
		fail_msg("no entry %s", key);
	assert_string_equal(has, value);
}

/* ---- tables made here */
struct made {
	struct buffer body;
	uint32_t count;
};

#define MADE_INIT { BUFFER_INIT, 0 }

static void checksum_set(uint8_t *table, size_t bytes)
{
	uint8_t sum = 0;

	table[9] = 0;
	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

/* A table with this body; its header is right. */
static void made_table(struct made *m, const char *signature, const char *oem_id, const void *data, size_t bytes)
{
	uint8_t *table = calloc(1, 36 + bytes);
	uint32_t length = (uint32_t)(36 + bytes);

	assert_non_null(table);
	if (!m->body.size)
		buffer_append(&m->body, &(struct record_memory){ .area = RECORD_AREA_ACPI, .whole = 1 }, sizeof(struct record_memory));
	memcpy(table, signature, 4);
	memcpy(table + 4, &length, sizeof(length));
	memcpy(table + 10, oem_id, 6);
	memcpy(table + 36, data, bytes);
	checksum_set(table, length);
	record_part_put(&m->body, RECORD_PART_TABLE, 0x1000 * (m->count + 1), table, length);
	m->count++;
	free(table);
}

static struct abi_entries made_derive(struct made *m)
{
	struct abi_entries e;

	memcpy(m->body.data + offsetof(struct record_memory, count), &m->count, sizeof(m->count));
	e = body_derive(m->body.data, m->body.size);
	buffer_release(&m->body);
	return e;
}

static struct abi_entries one_table(const char *signature, const void *data, size_t bytes)
{
	struct made m = MADE_INIT;

	made_table(&m, signature, "TEST  ", data, bytes);
	return made_derive(&m);
}

static void a_q35_guest_is_read_as_qemu_made_it(void **state)
{
	static const char *const expected[][2] = {
		{ "RSDP/revision", "0" }, { "RSDP/oem_id", "BOCHS" }, { "RSDT/tables", "FACP APIC HPET MCFG WAET" },
		{ "FACP/revision", "3" }, { "FACP/oem_table_id", "BXPC" }, { "FACP/oem_revision", "0x00000001" }, { "FACP/length", "244" },
		{ "FACP/boot_arch", "0x0002" }, { "FACP/flags", "0x000084a5" }, { "FACP/sci_int", "9" }, { "FACP/pm1a_evt", "io 0x600 size=0x4" },
		{ "FACP/pm_tmr", "io 0x608 size=0x4" }, { "FACP/gpe0", "io 0x620 size=0x10" }, { "FACP/reset_reg", "io 0xcf9 bits=8" },
		{ "FACP/x_pm1a_cnt", "io 0x604 bits=16" }, { "FACS/length", "64" }, { "APIC/lapic_address", "0xfee00000" },
		{ "APIC/lapic.3", "apic_id=3 enabled" }, { "APIC/ioapic.0", "address=0xfec00000 gsi=0" },
		{ "APIC/override.0", "gsi=2 polarity=bus trigger=bus" }, { "APIC/override.9", "gsi=9 polarity=high trigger=level" },
		{ "APIC/lapic_nmi.all.lint1", "polarity=bus trigger=bus" }, { "MCFG/0000", "base=0xb0000000 buses=00-ff" },
		{ "HPET/id", "0x8086a201" }, { "HPET/address", "memory 0xfed00000 bits=0" }, { "WAET/flags", "0x00000002" },
	};
	struct abi_entries e = file_derive("q35.memory");

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_value(&e, expected[i][0], expected[i][1]);
	assert_int_equal(strncmp(value_of(&e, FACET_ACPI, "DSDT/body"), "sha256:", 7), 0);
	assert_null(value_of(&e, FACET_ACPI, "FACP/pm1b_evt"));
	assert_null(value_of(&e, FACET_ACPI, "FACS/body"));
	assert_int_equal(e.coverage[FACET_ACPI].level, COVERAGE_COMPLETE);
	for (size_t i = 0; i < e.count; i++)
		assert_null(strstr(e.items[i].key, "/damaged"));
	entries_release(&e);
}

static void numa_and_iommus_are_read_structure_by_structure(void **state)
{
	static const char *const expected[][3] = {
		{ "numa.memory", "SRAT/apic.2", "node=1 enabled clock_domain=0" },
		{ "numa.memory", "SRAT/memory.0x0000000000000000", "size=0xa0000 node=0 enabled" },
		{ "numa.memory", "SRAT/memory.0x0000000100000000", "size=0x1c0000000 node=1 enabled hotplug" },
		{ "numa.memory", "SLIT/distances.0", "10 21" },
		{ "numa.memory", "HMAT/memory.1", "initiator=1" },
		{ "numa.memory", "HMAT/access_latency.memory.0.1", "10000 ps" },
		{ "numa.memory", "HMAT/access_bandwidth.memory.0.0", "200 MB/s" },
		{ "numa.memory", "HMAT/cache.0.level1", "size=0x2800 levels=1 associativity=direct policy=write-back line=8" },
		{ "iommu.memory", "DMAR/flags", "0x01" },
		{ "iommu.memory", "DMAR/unit.0xfed90000", "segment=0000 flags=0x00 size=0" },
		{ "iommu.memory", "DMAR/unit.0xfed90000/ioapic.ff:00.0", "id=0" },
		{ "iommu.memory", "DMAR/unit.0xfed90000/bridge.00:04.0", "id=0" },
		{ "iommu.memory", "SSDT.0/oem_table_id", "VMGENID" },
		{ "amd.memory", "IVRS/unit10.0000:00:01.0", "base=0xfed80000 flags=0xd1 capability=0x40 info=0x0000 features=0x00000044" },
		{ "amd.memory", "IVRS/unit10.0000:00:01.0/select.00:1f.2", "settings=0x00" },
		{ "tpm.memory", "TPM2/start_method", "7" },
		{ "tpm.memory", "TPM2/control_address", "0x00000000fed40040" },
		{ "nv.memory", "SSDT.0/oem_table_id", "NVDIMM" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct abi_entries e = file_derive(expected[i][0]);

		assert_value(&e, expected[i][1], expected[i][2]);
		entries_release(&e);
	}
}

/* ---- where firmware put the tables is no ABI */
static void pointer_move(uint8_t *at, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, at, width);
	if (value)
		value += MOVED;
	memcpy(at, &value, width);
}

/* Every table one MiB higher, with what points to it. */
static void body_move(struct body *b)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	while (record_part_next(b->data, b->bytes, &cursor, &part, &data) > 0) {
		uint8_t *bytes = b->data + ((const uint8_t *)data - b->data);

		part.gpa += MOVED;
		memcpy(bytes - sizeof(part), &part, sizeof(part));
		if (part.kind != RECORD_PART_TABLE)
			continue;
		if (!memcmp(bytes, "RSDT", 4))
			for (size_t at = 36; at < part.bytes; at += 4)
				pointer_move(bytes + at, 4);
		if (!memcmp(bytes, "FACP", 4)) {
			pointer_move(bytes + 36, 4);
			pointer_move(bytes + 40, 4);
			if (part.bytes > 148)
				pointer_move(bytes + 140, 8);
		}
		if (!memcmp(bytes, "TPM2", 4))
			pointer_move(bytes + 68, 8);
		if (!memcmp(bytes, "FACS", 4)) {
			memset(bytes + 12, 0x5a, 8); /* waking vector, global lock */
			memset(bytes + 24, 0xa5, 8);
		} else {
			checksum_set(bytes, part.bytes);
		}
	}
}

static void tables_that_lie_elsewhere_are_no_drift(void **state)
{
	static const char *const names[] = { "q35.memory", "pc.memory", "tpm.memory", "numa.memory" };

	(void)state;
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct body b = body_read(names[n]);
		struct abi_entries before = body_derive(b.data, b.bytes), after;

		body_move(&b);
		after = body_derive(b.data, b.bytes);
		assert_int_equal(before.count, after.count);
		for (size_t i = 0; i < before.count; i++) {
			assert_string_equal(before.items[i].key, after.items[i].key);
			assert_string_equal(before.items[i].value, after.items[i].value);
		}
		entries_release(&before);
		entries_release(&after);
		free(b.data);
	}
}

static void one_bit_of_a_table_is_found_and_named(void **state)
{
	struct body b = body_read("q35.memory");
	struct abi_entries before = body_derive(b.data, b.bytes), after;
	const struct facet *acpi = facet_get(FACET_ACPI);
	struct abi_fields fields = { 0 };
	struct buffer meaning = BUFFER_INIT;
	size_t changed = 0, cursor = 0;
	struct record_part part;
	const void *data;

	(void)state;
	while (record_part_next(b.data, b.bytes, &cursor, &part, &data) > 0)
		if (part.kind == RECORD_PART_TABLE && !memcmp(data, "FACP", 4)) {
			uint8_t *bytes = b.data + ((const uint8_t *)data - b.data);

			bytes[109] ^= 4;
			checksum_set(bytes, part.bytes);
		}
	after = body_derive(b.data, b.bytes);
	assert_int_equal(before.count, after.count);
	for (size_t i = 0; i < before.count; i++)
		if (strcmp(before.items[i].value, after.items[i].value)) {
			assert_true(!strcmp(before.items[i].key, "FACP/body") || !strcmp(before.items[i].key, "FACP/boot_arch"));
			changed++;
		}
	assert_int_equal(changed, 2);
	assert_int_equal(acpi->fields("FACP/boot_arch", "0x0002", value_of(&after, FACET_ACPI, "FACP/boot_arch"), &fields), 0);
	assert_int_equal(fields.count, 1);
	assert_string_equal(fields.items[0].name, "no_vga");
	assert_string_equal(fields.items[0].bits, "boot_arch[2]");
	assert_string_equal(fields.items[0].from, "0");
	assert_string_equal(fields.items[0].to, "1");
	acpi->meaning("FACP/boot_arch", "0x0006", &meaning);
	assert_string_equal(meaning.data, "8042, no_vga");
	buffer_clear(&meaning);
	acpi->meaning("SSDT.1/revision", "1", &meaning);
	assert_string_equal(meaning.data, "Secondary System Description Table");
	buffer_release(&meaning);
	abi_fields_release(&fields);
	entries_release(&before);
	entries_release(&after);
	free(b.data);
}

static void a_bit_without_a_name_is_told_too(void **state)
{
	const struct facet *acpi = facet_get(FACET_ACPI);
	struct abi_fields fields = { 0 };

	(void)state;
	assert_int_equal(acpi->fields("APIC/flags", "0x00000001", "0x80000000", &fields), 0);
	assert_int_equal(fields.count, 2);
	assert_string_equal(fields.items[0].name, "dual_8259");
	assert_string_equal(fields.items[1].name, "reserved_31");
	abi_fields_release(&fields);
	assert_int_equal(acpi->fields("HPET/id", "0x8086a201", "0x8086a301", &fields), 0);
	assert_int_equal(fields.count, 1);
	assert_string_equal(fields.items[0].from, "2");
	assert_string_equal(fields.items[0].to, "3");
	abi_fields_release(&fields);
	assert_int_equal(acpi->fields("FACP/flags", NULL, "0x00000001", &fields), 0);
	assert_int_equal(fields.count, 1);
	assert_null(fields.items[0].from);
	abi_fields_release(&fields);
	assert_int_equal(acpi->fields("FACP/revision", "1", "3", &fields), 0);
	assert_int_equal(acpi->fields("DSDT/body", "sha256:00", "sha256:01", &fields), 0);
	assert_int_equal(fields.count, 0);
}

static void structures_that_cannot_be_are_told_and_the_sound_ones_kept(void **state)
{
	static const struct {
		const char *signature;
		uint8_t body[64];
		size_t bytes;
		const char *key, *value, *damage;
	} rows[] = {
		{ "APIC", { [8] = 0, 8, 1, 2, 1, [16] = 1, 0 }, 18, "APIC/lapic.1", "apic_id=2 enabled", "structure at 0x34: length 0" },
		{ "APIC", { [8] = 0, 8, 1, 2, 1, [16] = 1, 12 }, 20, "APIC/lapic.1", "apic_id=2 enabled", "structure at 0x34: length 12" },
		{ "APIC", { [8] = 0, 8, 1, 2, 1, [16] = 7 }, 17, "APIC/lapic.1", "apic_id=2 enabled", "structure at 0x34: cut" },
		{ "APIC", { [8] = 0, 4, 9, 9, 0, 8, 1, 2, 1 }, 20, "APIC/lapic.1", "apic_id=2 enabled", "structure at 0x2c: length 4 of type 0" },
		{ "MCFG", { [8] = 0, 0, 0, 0xb0, [19] = 0xff }, 30, "MCFG/0000", "base=0xb0000000 buses=00-ff", "window at 0x3c: cut" },
		{ "SLIT", { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 12, "SLIT/localities", "9223372036854775808", "9223372036854775808 localities in 48 bytes" },
		{ "SLIT", { 2, [8] = 10, 20, 20 }, 11, "SLIT/localities", "2", "2 localities in 47 bytes" },
		{ "HMAT", { [4] = 1, [8] = 32, [16] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 36, "HMAT/revision", "0",
		  "4294967295 initiators, 4294967295 targets in 32 bytes" },
		{ "DMAR", { [12] = 0, 0, 20, 0, [20] = 0, 0, 0x90, [28] = 1, 0 }, 32, "DMAR/unit.0x900000", "segment=0000 flags=0x00 size=0",
		  "structure at 0x10: length 0" },
		{ "IVRS", { [12] = 0x10, 0, 28, [36] = 0xc0 }, 40, "IVRS/unit10.0000:00:00.0", NULL, "device entry at 0x18 of a unit: cut" },
		{ "DBG2", { 200, 0, 0, 0, 1 }, 8, "DBG2/revision", "0", "devices at 0xc8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct abi_entries e = one_table(rows[i].signature, rows[i].body, rows[i].bytes);
		char key[LINE];

		snprintf(key, sizeof(key), "%s/damaged", rows[i].signature);
		assert_value(&e, key, rows[i].damage);
		if (rows[i].value)
			assert_value(&e, rows[i].key, rows[i].value);
		else
			assert_non_null(value_of(&e, FACET_ACPI, rows[i].key));
		entries_release(&e);
	}
}

/* Addresses that firmware allocates anew, and state; offsets behind the header. Another byte of the same table is a change. */
static void what_moves_by_itself_is_no_body(void **state)
{
	static const struct {
		const char *signature;
		uint8_t body[64];
		size_t bytes, moves, stays;
	} rows[] = {
		{ "TPM2", { [32] = 1 }, 40, 34, 0 },
		{ "TCPA", { 0, 0, [8] = 1 }, 14, 9, 2 },
		{ "TCPA", { 1, 0, [13] = 1 }, 20, 14, 2 },
		{ "BERT", { [4] = 1 }, 12, 6, 0 },
		{ "BGRT", { [4] = 1 }, 20, 7, 3 },
		{ "CCEL", { [12] = 1 }, 20, 13, 0 },
		{ "ERST", { [8] = 1, [20] = 1 }, 44, 21, 12 },
		{ "HEST", { 1, [4] = 9, [28] = 1 }, 68, 29, 24 },
		{ "FPDT", { 0, 0, 16, 1, [8] = 1 }, 16, 9, 3 },
		{ "APIC", { [8] = 0x10, 16, [16] = 1 }, 24, 17, 10 },
		{ "UEFI", { 0xe2, 0x8e, 0xd8, 0xc6, 0xc6, 0x9d, 0xbd, 0x4c, 0x9d, 0x94, 0xdb, 0x65, 0xac, 0xc5, 0xc3, 0x32, [22] = 1 }, 30, 23, 18 },
		{ "UEFI", { 1, [22] = 1 }, 30, 0, 23 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t body[64 + 8] = { 0 };
		struct abi_entries e[3];
		char key[LINE];

		memcpy(body, rows[i].body, sizeof(rows[i].body));
		snprintf(key, sizeof(key), "%s%s/body", rows[i].signature, strcmp(rows[i].signature, "UEFI") ? "" : ".0");
		e[0] = one_table(rows[i].signature, body, rows[i].bytes);
		body[rows[i].stays] ^= 0x40;
		e[1] = one_table(rows[i].signature, body, rows[i].bytes);
		body[rows[i].stays] ^= 0x40;
		body[rows[i].moves] ^= 0x40;
		e[2] = one_table(rows[i].signature, body, rows[i].bytes);
		assert_string_not_equal(value_of(&e[0], FACET_ACPI, key), value_of(&e[1], FACET_ACPI, key));
		if (rows[i].moves)
			assert_string_equal(value_of(&e[0], FACET_ACPI, key), value_of(&e[2], FACET_ACPI, key));
		for (size_t n = 0; n < 3; n++)
			entries_release(&e[n]);
	}
}

static void a_cut_table_and_a_wrong_checksum_are_told(void **state)
{
	static const uint8_t flags[4] = { 2 };
	struct made cut = MADE_INIT, wrong = MADE_INIT;
	struct abi_entries e;

	(void)state;
	made_table(&cut, "WAET", "TEST  ", flags, sizeof(flags));
	cut.body.data[sizeof(struct record_memory) + sizeof(struct record_part) + 5] = 1;
	e = made_derive(&cut);
	assert_value(&e, "WAET/damaged", "40 bytes of 296");
	assert_value(&e, "WAET/flags", "0x00000002");
	entries_release(&e);
	made_table(&wrong, "WAET", "TEST  ", flags, sizeof(flags));
	wrong.body.data[sizeof(struct record_memory) + sizeof(struct record_part) + 36] = 3;
	e = made_derive(&wrong);
	assert_value(&e, "WAET/damaged", "checksum");
	entries_release(&e);
}

static void hostile_names_stay_within_their_line(void **state)
{
	struct made m = MADE_INIT;
	struct abi_entries e;

	(void)state;
	made_table(&m, "A/\n\xff", "<b>\x1b \0", "", 0);
	made_table(&m, "\\ \0X", "A\0B   ", "", 0);
	e = made_derive(&m);
	assert_value(&e, "A_\\x0a\\xff/oem_id", "<b>\\x1b");
	assert_value(&e, "\\x5c\\x20_X/oem_id", "A\\x00B");
	entries_release(&e);
}

static void a_second_table_renames_none(void **state)
{
	struct made m = MADE_INIT;
	struct abi_entries e;

	(void)state;
	made_table(&m, "SSDT", "FIRST ", "", 0);
	made_table(&m, "FACP", "FIRST ", "", 0);
	made_table(&m, "SSDT", "OTHER ", "", 0);
	made_table(&m, "FACP", "OTHER ", "", 0);
	made_table(&m, "OEM1", "FIRST ", "", 0);
	e = made_derive(&m);
	assert_value(&e, "SSDT.0/oem_id", "FIRST");
	assert_value(&e, "SSDT.1/oem_id", "OTHER");
	assert_value(&e, "SSDT.1/length", "36");
	assert_value(&e, "FACP/oem_id", "FIRST");
	assert_value(&e, "FACP.1/oem_id", "OTHER");
	assert_value(&e, "OEM1.0/oem_id", "FIRST");
	entries_release(&e);
}

static void more_than_the_bounds_is_refused_and_said(void **state)
{
	const size_t structures = 20000, bytes = 8 + structures * 2 * 6;
	struct made many = MADE_INIT, large = MADE_INIT;
	uint8_t *madt = calloc(1, bytes);
	struct abi_entries e;

	(void)state;
	assert_non_null(madt);
	for (unsigned i = 0; i < 300; i++)
		made_table(&many, "SSDT", "TEST  ", "", 0);
	e = made_derive(&many);
	assert_non_null(value_of(&e, FACET_ACPI, "SSDT.255/length"));
	assert_null(value_of(&e, FACET_ACPI, "SSDT.256/length"));
	assert_int_equal(e.coverage[FACET_ACPI].level, COVERAGE_WITNESSED);
	assert_true(coverage_tells_loss(e.coverage[FACET_ACPI].reason));
	entries_release(&e);

	for (size_t at = 8; at + 6 <= bytes; at += 6) {
		madt[at] = 4;
		madt[at + 1] = 6;
		madt[at + 2] = (uint8_t)(at / 6);
		madt[at + 5] = (uint8_t)(at / 6 / 256);
	}
	made_table(&large, "APIC", "TEST  ", madt, bytes);
	e = made_derive(&large);
	assert_in_range(entries_of(&e, FACET_ACPI), 1, 16384);
	assert_int_equal(e.coverage[FACET_ACPI].level, COVERAGE_WITNESSED);
	assert_true(coverage_tells_loss(e.coverage[FACET_ACPI].reason));
	entries_release(&e);
	free(madt);
}

/* Every cut and many damaged copies of real tables: the sanitizers of DEV=1 see what leaves its bounds. */
static void damaged_copies_of_every_sample_are_survived(void **state)
{
	DIR *folder = opendir(CORPUS);
	const struct dirent *file;
	uint64_t seed = 1;
	size_t samples = 0;

	(void)state;
	assert_non_null(folder);
	while ((file = readdir(folder))) {
		struct body b;

		if (file->d_name[0] == '.')
			continue;
		b = body_read(file->d_name);
		samples++;
		for (unsigned round = 0; round < 60; round++) {
			uint8_t *copy = malloc(b.bytes);
			size_t bytes = round % 3 ? b.bytes : sizeof(struct record_memory) + feed_random(&seed) % (b.bytes - sizeof(struct record_memory));
			struct record_header h = { .type = RECORD_MEMORY, .vm = 1, .boot = 1 };
			struct guest_facts *f = facts_new();
			struct abi_entries e;

			assert_non_null(copy);
			assert_non_null(f);
			memcpy(copy, b.data, b.bytes);
			for (unsigned i = 0; i < round; i++)
				copy[sizeof(struct record_memory) + feed_random(&seed) % (b.bytes - sizeof(struct record_memory))] = (uint8_t)feed_random(&seed);
			assert_int_equal(facts_add(f, &h, copy, bytes, NULL), 0);
			e = derive(f);
			entries_release(&e);
			facts_free(f);
			free(copy);
		}
		free(b.data);
	}
	closedir(folder);
	assert_true(samples >= 8);
}

static void without_tables_the_facet_says_why(void **state)
{
	struct records s = RECORDS_INIT;
	struct abi_entries e = derive_stream(&s);

	(void)state;
	assert_int_equal(e.coverage[FACET_ACPI].level, COVERAGE_NONE);
	assert_true(strlen(e.coverage[FACET_ACPI].reason) > 0);
	entries_release(&e);
	records_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_q35_guest_is_read_as_qemu_made_it),
		cmocka_unit_test(numa_and_iommus_are_read_structure_by_structure),
		cmocka_unit_test(tables_that_lie_elsewhere_are_no_drift),
		cmocka_unit_test(one_bit_of_a_table_is_found_and_named),
		cmocka_unit_test(a_bit_without_a_name_is_told_too),
		cmocka_unit_test(structures_that_cannot_be_are_told_and_the_sound_ones_kept),
		cmocka_unit_test(what_moves_by_itself_is_no_body),
		cmocka_unit_test(a_cut_table_and_a_wrong_checksum_are_told),
		cmocka_unit_test(hostile_names_stay_within_their_line),
		cmocka_unit_test(a_second_table_renames_none),
		cmocka_unit_test(more_than_the_bounds_is_refused_and_said),
		cmocka_unit_test(damaged_copies_of_every_sample_are_survived),
		cmocka_unit_test(without_tables_the_facet_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
