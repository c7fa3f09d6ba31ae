/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/tables_internal.h"

#define KVM_SLOT_READ_ONLY (1u << 1) /* KVM_MEM_READONLY */
#define VERSION_MAX 96u

/* UEFI PI 1.8, vol. 3, 3.2.1: a firmware volume's header. */
#define VOLUME_GUID 16
#define VOLUME_LENGTH 32
#define VOLUME_SIGNATURE 40
#define VOLUME_HEADER_BYTES 56u

/* gEfiSystemNvDataFvGuid, MdeModulePkg: FFF12B8D-7696-4C8B-A985-2747075B4F50. */
static const uint8_t variable_store_guid[16] = {
	0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50,
};

/* How much of it is UEFI's variable store, which the guest writes: state. */
static size_t variable_store(const uint8_t *rom, size_t bytes)
{
	uint64_t length;

	if (bytes < VOLUME_HEADER_BYTES || memcmp(rom + VOLUME_SIGNATURE, "_FVH", 4) || memcmp(rom + VOLUME_GUID, variable_store_guid, 16))
		return 0;
	length = tables_u64(rom + VOLUME_LENGTH);
	return length < bytes ? (size_t)length : bytes;
}

/* Three numbers with dots between them, then no space: "1.16.2-debian-1.16.2-1", "rel-1.16.3-0-ga6ed6b701f0a". */
static bool is_version(const char *text, size_t length)
{
	unsigned dots = 0;
	size_t at = length > 4 && !memcmp(text, "rel-", 4) ? 4 : 0;

	if (at >= length || text[at] < '0' || text[at] > '9')
		return false;
	for (; at < length && ((text[at] >= '0' && text[at] <= '9') || text[at] == '.'); at++)
		dots += text[at] == '.';
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > 0x7e)
			return false;
	return dots >= 2;
}

/* SeaBIOS prints "SeaBIOS (version %s)"; the version is a string of its own, somewhere in the image. */
static size_t version_of(const uint8_t *rom, size_t bytes, const char **ret)
{
	static const char printed[] = "SeaBIOS (version ";
	size_t at = 0;

	if (!memmem(rom, bytes, printed, sizeof(printed) - 1))
		return 0;
	while (at < bytes) {
		const uint8_t *end, *begin = rom + at;
		size_t length;

		/* Most of an image is zeros. */
		if (!rom[at]) {
			at++;
			continue;
		}
		end = memchr(rom + at, '\0', bytes - at);
		if (!end)
			return 0;
		/* The assembler fills up to a string's alignment with instructions that do nothing (90, 66 90). */
		for (const uint8_t *byte = begin; byte < end; byte++)
			if (*byte < ' ' || *byte > 0x7e)
				begin = byte + 1;
		length = (size_t)(end - begin);
		if (length <= VERSION_MAX && is_version((const char *)begin, length)) {
			*ret = (const char *)begin;
			return length;
		}
		at = (size_t)(end - rom) + 1;
	}
	return 0;
}

static void take_rom(struct walk *w, uint64_t gpa, const uint8_t *rom, size_t bytes)
{
	struct { struct record_rom rom; char version[VERSION_MAX]; } part = { .rom.bytes = bytes };
	const char *version = NULL;
	size_t length = version_of(rom, bytes, &version);

	w->m->digest(w->m->context, rom, bytes, part.rom.sha256);
	if (length)
		memcpy(part.version, version, length);
	walk_part(w, RECORD_PART_ROM, gpa, &part, sizeof(part.rom) + length);
}

static void take_slot(struct walk *w, const struct record_slot *slot)
{
	uint8_t *rom;
	size_t state;
	int err;

	if (slot->bytes > TABLES_ROM_BYTES) {
		walk_fault(w, "read-only memory at 0x%" PRIx64 ": %" PRIu64 " bytes are too many", slot->gpa, slot->bytes);
		return;
	}
	rom = malloc(slot->bytes ? slot->bytes : 1);
	if (!rom) {
		w->error = -ENOMEM;
		return;
	}
	err = walk_read(w, slot->gpa, rom, slot->bytes);
	if (err < 0) {
		walk_fault(w, "read-only memory at 0x%" PRIx64 ": %s", slot->gpa, walk_why(w, err));
	} else {
		state = variable_store(rom, slot->bytes);
		if (state < slot->bytes)
			take_rom(w, slot->gpa + state, rom + state, slot->bytes - state);
	}
	free(rom);
}

int tables_read_firmware(const struct tables_memory *m, struct buffer *body)
{
	unsigned roms = 0;
	struct walk w;

	walk_begin(&w, m, RECORD_AREA_FIRMWARE, body);
	for (size_t i = 0; i < m->count && !w.error; i++) {
		if (!(m->slots[i].flags & KVM_SLOT_READ_ONLY) || m->slots[i].gpa < TABLES_MIB)
			continue;
		if (roms++ == TABLES_ROMS) {
			walk_fault(&w, "more than %u pieces of read-only memory", TABLES_ROMS);
			break;
		}
		take_slot(&w, &m->slots[i]);
	}
	if (m->cut)
		walk_fault(&w, "not all of the guest's memory slots are known");
	else if (!roms)
		walk_fault(&w, "the guest has no read-only memory above 1 MiB");
	return walk_end(&w);
}
