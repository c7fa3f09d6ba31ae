/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/ecam.h"

#include <string.h>

#include "userspace/collect/tables_internal.h"
#include "userspace/stream/record.h"

#define BUS_BYTES (1u << 20)
#define MCFG_ENTRIES 44
#define MCFG_ENTRY_BYTES 16u
#define MCFG_SEGMENT 8
#define MCFG_FIRST_BUS 10
#define MCFG_LAST_BUS 11

static bool of_mcfg(const uint8_t *table, size_t bytes, struct ecam *ret)
{
	for (size_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= bytes; at += MCFG_ENTRY_BYTES) {
		const uint8_t *entry = table + at;
		unsigned buses = entry[MCFG_LAST_BUS] - entry[MCFG_FIRST_BUS] + 1u;
		uint64_t base = tables_u64(entry);

		if (tables_u16(entry + MCFG_SEGMENT) || entry[MCFG_FIRST_BUS] || !base || base & (BUS_BYTES - 1))
			continue;
		*ret = (struct ecam){ .base = base, .bytes = buses * BUS_BYTES };
		return true;
	}
	return false;
}

bool ecam_of_tables(const void *body, size_t bytes, struct ecam *ret)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;

	while (record_part_next(body, bytes, &cursor, &part, &data) > 0)
		if (part.kind == RECORD_PART_TABLE && part.bytes > MCFG_ENTRIES && !memcmp(data, "MCFG", 4))
			return of_mcfg(data, part.bytes, ret);
	return false;
}

/* QEMU's microvm has PCI only when asked for. */
static bool is_microvm_with_pci(const void *pairs, size_t bytes)
{
	const char *key, *value, *before = "";
	size_t cursor = 0;

	while (record_pair_next(pairs, bytes, &cursor, &key, &value) > 0) {
		if (strcmp(key, "arg"))
			continue;
		if ((!strcmp(before, "-M") || !strcmp(before, "-machine") || !strcmp(before, "--machine")) && strstr(value, "microvm") &&
		    strstr(value, "pcie=on"))
			return true;
		before = value;
	}
	return false;
}

bool ecam_of_vmm(const void *pairs, size_t bytes, struct ecam *ret)
{
	/* Firecracker: arch/x86_64/layout.rs; cloud-hypervisor: arch/src/x86_64/layout.rs; crosvm: x86_64/src/lib.rs. */
	static const struct { const char *kind; struct ecam ecam; } known[] = {
		{ "firecracker", { 0xeec00000, 1u << 20 } },
		{ "cloud-hypervisor", { 0xe8000000, 256u << 20 } },
		{ "crosvm", { 0xf4000000, 64u << 20 } },
	};
	const char *kind = record_pair_get(pairs, bytes, "kind");

	for (size_t i = 0; kind && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(kind, known[i].kind)) {
			*ret = known[i].ecam;
			return true;
		}
	if (!kind || strcmp(kind, "qemu") || !is_microvm_with_pci(pairs, bytes))
		return false;
	*ret = (struct ecam){ 0xe0000000, 256u << 20 }; /* QEMU: hw/i386/microvm.h */
	return true;
}
