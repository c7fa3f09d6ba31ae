/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fields of SMBIOS structures are called, and what their values mean. A type that is not listed is told as a digest.
 * Names, offsets and values: DMTF DSP0134 3.7, chapter 7; words for values as dmidecode prints them.
 */
#ifndef ABIDRIFT_ABI_SMBIOS_FIELDS_H
#define ABIDRIFT_ABI_SMBIOS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct smbios_names;

enum smbios_kind {
	SMBIOS_NUMBER, /* decimal */
	SMBIOS_HEX,    /* hex of its width: addresses, ids, enums, flags, handles */
	SMBIOS_STRING, /* one byte: the number of a string */
	SMBIOS_UUID,   /* 16 bytes */
};

struct smbios_field {
	const char *name;              /* NULL ends a list */
	uint8_t offset, width;
	enum smbios_kind kind;
	bool identity;                 /* of one guest: told in the facet identity */
	bool behind;                   /* its offset moves with the type's list */
	bool quiet;                    /* reserved: a line only where it is not zero */
	const struct smbios_names *names; /* NULL: none */
	bool flags;                    /* they are of bits */
	uint64_t mask;                 /* of the bits that `names` count by; 0 = all */
	void (*say)(uint64_t value, struct buffer *out); /* what it means, beside or instead of names; NULL = nothing */
};

/* What some types hold in their midst: `count` items of `size` bytes from `first` on. */
struct smbios_list {
	const char *name; /* NULL: the type has none */
	uint8_t count_offset;
	uint8_t size_offset; /* where the items' size is; 0: `size` */
	uint8_t size;
	uint8_t first;
};

struct smbios_type {
	const struct smbios_field *fields; /* by offset */
	struct smbios_list list;
	bool identity_strings; /* what no field refers to identifies one guest */
};

/* NULL: told as a digest. */
const struct smbios_type *smbios_type(unsigned type);

#endif
