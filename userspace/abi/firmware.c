/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facet firmware: the read-only memory that a guest was given: `rom/0x00000000fffc0000` = size and SHA-256, and `….version`
 * where the code says one. A ROM that lies where a function's BAR or option ROM was put in this boot is that function's
 * (`rom/0000:00:02.0`): its address is placement, and firmware shows it only while it copies it, so it is no complete key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/pci_tree.h"
#include "userspace/abi/windows.h"
#include "userspace/base/buffer.h"

#define KEY_BYTES (PCI_PATH_BYTES + 48)
#define HASH_BYTES 32u
#define VERSION_BYTES_MAX 256u
#define KIB 1024u
#define KEY_BY_ADDRESS "rom/0x"

struct roms {
	const struct guest_facts *facts;
	struct abi_entries *out;
	struct windows windows;
	struct pci_tree tree;
};

/* The function whose BAR or ROM a range is, as far as this boot saw it being put there. */
static const struct pci_window *window_of(const struct roms *r, uint64_t gpa, uint64_t bytes)
{
	for (size_t i = 0; i < r->windows.count; i++) {
		const struct pci_window *w = &r->windows.items[i];

		if (w->io || w->kind == PCI_WINDOW_BRIDGE || gpa < w->base)
			continue;
		if (w->bytes ? gpa - w->base < w->bytes && bytes <= w->bytes - (gpa - w->base) : gpa == w->base)
			return w;
	}
	return NULL;
}

/* false: it is placement that has no name. */
static bool rom_key(const struct roms *r, uint64_t gpa, uint64_t bytes, char key[KEY_BYTES])
{
	const struct pci_window *w = window_of(r, gpa, bytes);
	const struct pci_function *fn = w ? pci_tree_find(&r->tree, w->bdf) : NULL;

	if (w && !fn)
		return false;
	if (!w)
		snprintf(key, KEY_BYTES, KEY_BY_ADDRESS "%016" PRIx64, gpa);
	else if (w->kind == PCI_WINDOW_ROM)
		snprintf(key, KEY_BYTES, "rom/%s", fn->path);
	else
		snprintf(key, KEY_BYTES, "rom/%s/bar%u", fn->path, (w->reg - PCI_REG_BAR0) / 4u);
	return true;
}

static int add_rom(const struct roms *r, const struct record_part *part, const void *data)
{
	char key[KEY_BYTES], version[VERSION_BYTES_MAX + 1], hash[HASH_BYTES * 2 + 1];
	size_t text = part->bytes - sizeof(struct record_rom);
	struct record_rom rom;
	int result;

	memcpy(&rom, data, sizeof(rom));
	if (!rom_key(r, part->gpa, rom.bytes, key))
		return 0;
	for (size_t i = 0; i < HASH_BYTES; i++)
		snprintf(hash + 2 * i, 3, "%02x", rom.sha256[i]);
	result = entries_addf(r->out, FACET_FIRMWARE, key, "size=0x%" PRIx64 " sha256=%s", rom.bytes, hash);
	if (result < 0 || text == 0)
		return result;
	text = text < VERSION_BYTES_MAX ? text : VERSION_BYTES_MAX;
	memcpy(version, (const char *)data + sizeof(rom), text);
	version[text] = '\0';
	snprintf(key + strlen(key), KEY_BYTES - strlen(key), ".version");
	return entries_add(r->out, FACET_FIRMWARE, key, version);
}

static int add_roms(struct roms *r)
{
	struct record_part part;
	const void *data;
	size_t cursor = 0;
	bool placed;
	int result;

	result = windows_derive(r->facts, &r->windows);
	if (result < 0)
		return result;
	result = pci_tree_derive(r->facts, &r->tree);
	while (result >= 0 && facts_part_next(r->facts, RECORD_AREA_FIRMWARE, &cursor, &part, &data)) {
		if (part.kind != RECORD_PART_ROM || part.bytes < sizeof(struct record_rom))
			continue;
		/* Of a guest that ran before not every BAR is known: memory.c tells which slots are none of the machine's own. */
		result = memory_is_placement(r->facts, part.gpa, &placed);
		if (result >= 0 && (!placed || window_of(r, part.gpa, 1)))
			result = add_rom(r, &part, data);
	}
	pci_tree_release(&r->tree);
	windows_release(&r->windows);
	return result;
}

int firmware_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	struct roms roms = { .facts = facts, .out = out, .windows = WINDOWS_INIT, .tree = PCI_TREE_INIT };
	int r = facet_cover_area(facts, out, FACET_FIRMWARE, RECORD_AREA_FIRMWARE);

	return r < 0 ? r : add_roms(&roms);
}

bool firmware_complete_key(const char *key) { return strncmp(key, KEY_BY_ADDRESS, strlen(KEY_BY_ADDRESS)) == 0; }

void firmware_meaning(const char *key, const char *value, struct buffer *out)
{
	const char *bytes = strncmp(value, "size=", 5) == 0 ? value + 5 : NULL;
	unsigned long long size = bytes ? strtoull(bytes, NULL, 16) : 0;
	const char *what = firmware_complete_key(key) ? "firmware" : strstr(key, "/bar") ? "read-only BAR" : "option ROM";

	if (size >= KIB * KIB && size % (KIB * KIB) == 0)
		buffer_printf(out, "%s, %llu MiB", what, size / (KIB * KIB));
	else if (size >= KIB)
		buffer_printf(out, "%s, %llu KiB", what, size / KIB);
}
