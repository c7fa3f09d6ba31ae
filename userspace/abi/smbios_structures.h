/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMBIOS structures of a guest, one after the other, as they were read from its memory: bytes that a guest may have
 * written. Every step is bounded by the bytes that there are; nothing is followed. Source: DMTF DSP0134 3.7, chapters 5 and 6.
 */
#ifndef ABIDRIFT_ABI_SMBIOS_STRUCTURES_H
#define ABIDRIFT_ABI_SMBIOS_STRUCTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_facts;

#define SMBIOS_HEADER_BYTES 4u /* type, length, handle */
#define SMBIOS_END_OF_TABLE 127u

struct smbios_tables {
	bool entry_known;       /* there is an entry point of a form that is known; the next three are its */
	bool wide;              /* the 64-bit one, `_SM3_` */
	unsigned major, minor, revision; /* revision: 64-bit only */
	uint32_t told_bytes;    /* 32-bit: of the table; 64-bit: at most so many */
	uint16_t told_count;    /* structures; 32-bit only */
	const uint8_t *data;    /* the table, borrowed and not aligned; NULL: there is none */
	size_t bytes;
};

struct smbios_structure {
	const uint8_t *data;    /* header included */
	size_t length;          /* of the formatted area, header included: 4 to 255 */
	size_t bytes;           /* with the strings and the two NULs that end them */
	unsigned instance;      /* among those of its type, from 0 */
	uint16_t handle;
	uint8_t type;
};

/* Begins as { 0 }. */
struct smbios_walk {
	size_t at, count;
	unsigned instances[256];
	const char *damage;     /* why it ended before its time; NULL: it did not */
	bool ended;             /* by its end-of-table structure, or by the number of structures that the entry point tells */
};

void smbios_tables_find(const struct guest_facts *facts, struct smbios_tables *ret);
/* The next whole structure; false: the end, or damage. */
bool smbios_next(const struct smbios_tables *tables, struct smbios_walk *walk, struct smbios_structure *ret);
/* Field of the formatted area, little-endian; 0 where it lies beyond its end. At most 8 bytes. */
uint64_t smbios_number(const struct smbios_structure *s, size_t offset, unsigned width);
/* String n (from 1), NUL-terminated, raw; NULL: there is none of that number. */
const char *smbios_string(const struct smbios_structure *s, unsigned n);

#endif
