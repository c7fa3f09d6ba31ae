/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the decoders of one ACPI table write to: entries `TABLE/KEY VALUE`, bounded for all tables of a guest together, and
 * what is wrong with the table. Also the walk over a table's structures, which is the same in most tables. Private to this folder.
 */
#ifndef ABIDRIFT_ABI_ACPI_OUT_H
#define ABIDRIFT_ABI_ACPI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/abi/acpi_tables.h"

struct abi_entries;

#define ACPI_DECODED_MAX 16384u /* entries decoded from all tables of one guest; what is beyond is counted as refused */
#define ACPI_NAME_BYTES 24
#define ACPI_DIGEST_BYTES 72

struct acpi_out {
	struct abi_entries *entries;
	char name[ACPI_NAME_BYTES]; /* "SSDT.0" */
	size_t decoded, refused;    /* over all tables */
	char damage[64];            /* of this table: the first thing that cannot be; "" = sound */
	int error;                  /* 0 or -ENOMEM, sticky */
};

/* Adds `NAME/key value`. */
void acpi_say(struct acpi_out *out, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same with a value that the guest chose: `bytes` of text, of which trailing NULs and spaces are left out. */
void acpi_say_text(struct acpi_out *out, const char *key, const void *text, size_t bytes);
void acpi_damaged(struct acpi_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `sha256:…`, or "" where there is no memory. */
void acpi_digest(const void *data, size_t bytes, char ret[ACPI_DIGEST_BYTES]);
/* A part of a table, as a table of its own: offsets from its start. Cut at the end of `of`. */
struct acpi_table acpi_part(const struct acpi_table *of, size_t offset, size_t bytes);

#define ACPI_GAS_BYTES 12u
#define ACPI_GAS_TEXT 64
/* A Generic Address Structure (ACPI 6.5, 5.2.3.2) as text: `io 0x600 bits=32`; false: all zero, there is none. */
bool acpi_gas_text(const struct acpi_table *table, size_t offset, char ret[ACPI_GAS_TEXT]);

/* How a table strings its structures together. */
struct acpi_form {
	uint8_t first;                    /* offset of the first structure */
	uint8_t type_bytes;               /* the type stands first */
	uint8_t length_at, length_bytes;  /* length of the whole structure */
};

/*
 * Next structure; *at starts at 0. false: the end, or a length that cannot be (told as damage). Every step goes on by at
 * least the bytes of type and length.
 */
bool acpi_structure_next(struct acpi_out *out, const struct acpi_table *table, const struct acpi_form *form, size_t *at,
			 struct acpi_table *ret);

/* What is done with a structure of one type. */
struct acpi_kind {
	uint16_t type;
	uint16_t least; /* bytes that it needs */
	void (*decode)(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *structure);
};

/* Walks all structures; one of a type that is in no row is an entry `type.0xTYPE.N` with its digest. */
void acpi_structures_decode(struct acpi_out *out, const struct acpi_table *table, const struct acpi_form *form,
			    const struct acpi_kind *kinds, size_t count);

#endif
