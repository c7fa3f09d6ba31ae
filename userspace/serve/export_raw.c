/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/serve/export_raw.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/acpi_tables.h"
#include "userspace/abi/facts.h"
#include "userspace/serve/export_files.h"
#include "userspace/serve/json.h"

#define PATH_BYTES 128
#define SIGNATURE_BYTES 4
/* KVM_CPUID_FLAG_SIGNIFCANT_INDEX of asm/kvm.h. */
#define LEAF_HAS_INDEX 1u
/* KVM_MEM_READONLY of linux/kvm.h. */
#define SLOT_READ_ONLY 2u
/* dmidecode's dump: the entry point, and the table behind it at this address. */
#define DUMP_TABLE 32u
/* DSP0134 3.7, 5.2.1 and 5.2.2. */
#define SMBIOS_OLD_BYTES 31u
#define SMBIOS_OLD_MIDDLE 16u
#define SMBIOS_OLD_MIDDLE_SUM 21u
#define SMBIOS_OLD_ADDRESS 24u
#define SMBIOS_OLD_SUM 4u
#define SMBIOS_NEW_BYTES 24u
#define SMBIOS_NEW_ADDRESS 16u
#define SMBIOS_NEW_SUM 5u

struct raw {
	struct export_files *files;
	const struct guest_facts *facts;
	const char *folder;
	int64_t at;
};

static void add(const struct raw *r, const char *name, const char *what, struct buffer *body)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s%s", r->folder, name);
	export_files_add(r->files, path, what, r->at, body);
}

/* ---- CPUID */

static int by_leaf(const void *left, const void *right)
{
	const struct inventory_cpuid_entry *a = left, *b = right;

	return a->function != b->function ? (a->function > b->function) - (a->function < b->function) : (a->index > b->index) - (a->index < b->index);
}

/* A VMM gives them in any order; a processor, and so cpuid, has them by number. */
static void vcpu_put(struct buffer *text, const struct facts_cpuid *cpu)
{
	struct inventory_cpuid_entry *leaves = calloc(cpu->count ? cpu->count : 1, sizeof *leaves);

	text->failed |= !leaves;
	if (leaves && cpu->count) {
		memcpy(leaves, cpu->entries, cpu->count * sizeof *leaves);
		qsort(leaves, cpu->count, sizeof *leaves, by_leaf);
	}
	buffer_printf(text, "CPU %" PRIu32 ":\n", cpu->vcpu_id);
	for (uint32_t i = 0; leaves && i < cpu->count; i++)
		buffer_printf(text, "   0x%08x 0x%02x: eax=0x%08x ebx=0x%08x ecx=0x%08x edx=0x%08x\n", leaves[i].function,
			      leaves[i].flags & LEAF_HAS_INDEX ? leaves[i].index : 0, leaves[i].regs[0], leaves[i].regs[1], leaves[i].regs[2],
			      leaves[i].regs[3]);
	free(leaves);
}

static void cpuid_add(const struct raw *r)
{
	struct buffer text = BUFFER_INIT;
	struct facts_cpuid cpu;

	for (size_t n = 0; facts_cpuid_get(r->facts, n, &cpu); n++)
		vcpu_put(&text, &cpu);
	if (text.size)
		add(r, "cpuid.raw", "the CPUID table of each vCPU as KVM has it, before anything is normalised; for `cpuid -f FILE`", &text);
	buffer_release(&text);
}

/* ---- ACPI */

/* A signature may hold any byte; a file system may not tell upper and lower case apart. */
static void signature_name(const char *signature, size_t size, char ret[SIGNATURE_BYTES + 1])
{
	for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
		unsigned char c = i < size ? (unsigned char)signature[i] : '_';

		ret[i] = c < 0x80 && isalnum(c) ? (char)tolower(c) : '_';
	}
	ret[SIGNATURE_BYTES] = 0;
}

/* As acpidump names them: ssdt.dat, ssdt1.dat, ssdt2.dat. */
static void table_add(const struct raw *r, char (*names)[SIGNATURE_BYTES + 1], size_t count, const void *data, size_t bytes, const char *what)
{
	struct buffer body = BUFFER_INIT;
	char name[32];
	unsigned before = 0;

	for (size_t i = 0; i < count; i++)
		before += !strcmp(names[i], names[count]);
	snprintf(name, sizeof name, before ? "acpi/%s%u.dat" : "acpi/%s.dat", names[count], before);
	buffer_append(&body, data, bytes);
	add(r, name, what, &body);
}

static void acpi_add(const struct raw *r)
{
	char names[ACPI_TABLES_MAX + 1][SIGNATURE_BYTES + 1];
	struct buffer root = BUFFER_INIT;
	struct acpi_table table;
	const uint8_t *rsdp;
	size_t bytes, cursor = 0, count = 0;

	if (acpi_rsdp(r->facts, &rsdp, &bytes)) {
		/* No table: iasl refuses it. */
		buffer_append(&root, rsdp, bytes);
		add(r, "acpi/rsdp.bin", "where the guest finds the ACPI tables (RSDP): their root pointer, which is no table", &root);
	}
	while (count <= ACPI_TABLES_MAX && acpi_table_next(r->facts, &cursor, &table)) {
		signature_name(table.signature, SIGNATURE_BYTES, names[count]);
		table_add(r, names, count++, table.data, table.bytes, "an ACPI table as the firmware left it in the guest's memory; for `iasl -d FILE`");
	}
	if (acpi_tables_refused(r->facts))
		export_files_lack(r->files, "ACPI tables", "the guest has more of them than are read");
}

/* ---- SMBIOS */

static void checksum_set(uint8_t *data, size_t bytes, size_t sum)
{
	uint8_t total = 0;

	data[sum] = 0;
	for (size_t i = 0; i < bytes; i++)
		total = (uint8_t)(total + data[i]);
	data[sum] = (uint8_t)-total;
}

/* Where the table lies in the dump, in the entry point; checksums are of that. */
static bool entry_move(uint8_t *entry, size_t bytes)
{
	static const uint8_t address[8] = { DUMP_TABLE };

	if (bytes >= SMBIOS_NEW_BYTES && !memcmp(entry, "_SM3_", 5)) {
		memcpy(entry + SMBIOS_NEW_ADDRESS, address, 8);
		checksum_set(entry, SMBIOS_NEW_BYTES, SMBIOS_NEW_SUM);
	} else if (bytes >= SMBIOS_OLD_BYTES && !memcmp(entry, "_SM_", 4)) {
		memcpy(entry + SMBIOS_OLD_ADDRESS, address, 4);
		checksum_set(entry + SMBIOS_OLD_MIDDLE, SMBIOS_OLD_BYTES - SMBIOS_OLD_MIDDLE, SMBIOS_OLD_MIDDLE_SUM - SMBIOS_OLD_MIDDLE);
		checksum_set(entry, SMBIOS_OLD_BYTES, SMBIOS_OLD_SUM);
	} else {
		return false;
	}
	return true;
}

static void smbios_add(const struct raw *r)
{
	uint8_t entry[DUMP_TABLE] = { 0 };
	const void *data, *table = NULL;
	struct buffer body = BUFFER_INIT;
	size_t cursor = 0, entry_bytes = 0, table_bytes = 0;
	struct record_part part;

	while (facts_part_next(r->facts, RECORD_AREA_SMBIOS, &cursor, &part, &data)) {
		if (part.kind == RECORD_PART_SMBIOS_ENTRY && part.bytes <= sizeof entry && part.bytes) {
			memcpy(entry, data, part.bytes);
			entry_bytes = part.bytes;
		} else if (part.kind == RECORD_PART_SMBIOS_TABLE) {
			table = data;
			table_bytes = part.bytes;
		}
	}
	if (!table || !entry_move(entry, entry_bytes))
		return;
	buffer_append(&body, entry, sizeof entry);
	buffer_append(&body, table, table_bytes);
	add(r, "smbios.bin", "the SMBIOS entry point and table, put together for `dmidecode --from-dump FILE`: only the table's address in it is another", &body);
}

/* ---- memory and firmware */

static json_t *hex(uint64_t number)
{
	return json_sprintf("0x%016" PRIx64, number);
}

static void memory_add(const struct raw *r)
{
	char path[PATH_BYTES];
	size_t count = 0;
	bool complete = false;
	const struct record_slot *slots = facts_slots(r->facts, &count, &complete);
	json_t *list = json_array();

	for (size_t i = 0; slots && i < count; i++) {
		struct record_slot slot;

		memcpy(&slot, &slots[i], sizeof slot);
		json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:I}", "address", hex(slot.gpa), "bytes", hex(slot.bytes), "read_only",
						      (slot.flags & SLOT_READ_ONLY) != 0, "id", (json_int_t)slot.id));
	}
	snprintf(path, sizeof path, "%smemory.json", r->folder);
	export_files_json(r->files, path, "the memory slots that the VMM gave KVM, by the guest's physical address", r->at,
			  json_pack("{s:b, s:o}", "complete", complete, "slots", list));
}

static json_t *rom_json(const struct record_part *part, const uint8_t *data)
{
	struct record_rom rom;
	char digest[2 * sizeof rom.sha256 + 8] = "sha256:";
	size_t length;
	struct buffer version = BUFFER_INIT;
	json_t *one;

	if (part->bytes < sizeof rom)
		return json_null();
	memcpy(&rom, data, sizeof rom);
	for (size_t i = 0; i < sizeof rom.sha256; i++)
		snprintf(digest + 7 + 2 * i, 3, "%02x", rom.sha256[i]);
	length = part->bytes - sizeof rom;
	buffer_append(&version, data + sizeof rom, length);
	one = json_pack("{s:o, s:o, s:s, s:o}", "address", hex(part->gpa), "bytes", hex(rom.bytes), "digest", digest, "version", json_text(version.data));
	buffer_release(&version);
	return one;
}

static void firmware_add(const struct raw *r)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;
	json_t *list = json_array();
	char path[PATH_BYTES];

	while (facts_part_next(r->facts, RECORD_AREA_FIRMWARE, &cursor, &part, &data))
		if (part.kind == RECORD_PART_ROM)
			json_array_append_new(list, rom_json(&part, data));
	snprintf(path, sizeof path, "%sfirmware.json", r->folder);
	export_files_json(r->files, path, "size and SHA-256 of each read-only memory that the guest was given; its bytes are not kept", r->at,
			  json_pack("{s:o}", "roms", list));
}

void export_raw_add(struct export_files *files, const struct guest_facts *facts, const char *folder, int64_t at)
{
	struct raw r = { files, facts, folder, at };

	cpuid_add(&r);
	acpi_add(&r);
	smbios_add(&r);
	memory_add(&r);
	firmware_add(&r);
}
