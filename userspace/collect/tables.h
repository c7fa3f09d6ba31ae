/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds and copies what firmware left in a guest's memory: ACPI tables (ACPI 6.5, 5.2), SMBIOS (DSP0134 3.7, 5.2) and the
 * firmware's own bytes. Follows pointers and lengths, and interprets nothing else. Pure but for the reader that it is given.
 *
 * All of it is the guest's word: each function ends after at most TABLES_READS reads of TABLES_READ_BYTES in all, beside
 * the search, and appends at most TABLES_RECORD_BYTES, whatever the memory holds and however it changes meanwhile.
 */
#ifndef ABIDRIFT_COLLECT_TABLES_H
#define ABIDRIFT_COLLECT_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/stream/record.h"

struct buffer;

#define TABLES_MAX 128u                      /* ACPI tables, all kinds */
#define TABLES_TABLE_BYTES (256u << 10)      /* of one ACPI table */
#define TABLES_RECORD_BYTES (900u << 10)     /* of an area's body */
#define TABLES_SMBIOS_BYTES (256u << 10)     /* of the structure table */
#define TABLES_SMBIOS_STRUCTURES 10000u
#define TABLES_READS 8192u                   /* of one area */
#define TABLES_READ_BYTES (32u << 20)        /* of one area, beside the search: candidates may lead to the same large tables again and again */
#define TABLES_CANDIDATES 64u                /* RSDPs or entry points that are tried */
#define TABLES_SEARCH_BYTES (64ull << 20)    /* below the top of low memory, where UEFI keeps its tables */
#define TABLES_ROMS 64u
#define TABLES_ROM_BYTES (16ull << 20)       /* of one read-only slot */
#define TABLES_UEFI_BYTES (512ull << 10)     /* a read-only slot above 1 MiB from this size on may hold UEFI */

#define TABLES_PAGE 4096u
#define TABLES_READ_PAGES 16u                /* at most so many begun pages in one read with ret_present */

/*
 * `bytes` at `gpa`. 0; -EFAULT: not in a slot; -ENODATA: a page is not resident; anything else: the guest's process cannot be
 * read (any more), and no further read is made. With ret_present (else NULL) what is missing is no error: bit n tells
 * that the n-th page begun was read; the bytes of the others are undefined.
 */
typedef int (*tables_read_fn)(void *context, uint64_t gpa, void *to, size_t bytes, uint32_t *ret_present);

/* SHA-256 of bytes, by whoever may remember it. */
typedef void (*tables_digest_fn)(void *context, const void *data, size_t bytes, uint8_t ret[32]);

struct tables_memory {
	tables_read_fn read;
	tables_digest_fn digest;
	void *context;
	const struct record_slot *slots; /* by gpa */
	size_t count;
	bool cut; /* there may be more: a ROM may be missing */
};

/*
 * Each appends the body of one RECORD_MEMORY, whole or with the reason why it is not. The RSDP and the entry point are the
 * first ones that lead to tables without fault; where there is none such, the first that lead to any.
 * 0, or the error that ended the reading (-ENOMEM, or the reader's): then nothing was appended.
 */
int tables_read_acpi(const struct tables_memory *m, struct buffer *body);
int tables_read_smbios(const struct tables_memory *m, struct buffer *body);
int tables_read_firmware(const struct tables_memory *m, struct buffer *body);

/*
 * tables_read_…, by area, without the secrets that a guest is handed in them (base/secrets.h); what is whole is compared with the
 * guest's memory once more, and is not whole if it differs.
 */
int tables_read(const struct tables_memory *m, enum record_area area, struct buffer *body);
/* A body that says only why there is nothing. */
void tables_put_reason(struct buffer *body, enum record_area area, const char *reason);

#endif
