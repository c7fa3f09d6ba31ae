/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/acpi_blank.h"

#include <string.h>

#include "userspace/abi/acpi_tables.h"
#include "userspace/abi/aml.h"

#define POINTER_BYTES 8u

/*
 * Offsets are from the start of the table, as the specifications have them. ACPI 6.5, chapter 5.2 (FACP), 18.3 (BERT);
 * TCG ACPI Specification 1.3, 7.3 and 8.3 (TPM2, TCPA); the log areas are allocated by firmware (QEMU: bios-linker-loader
 * commands that SeaBIOS or OVMF carry out at every boot).
 */
static const struct blank {
	char signature[5];
	uint8_t bytes;
	uint16_t offset;
	uint16_t guard, value; /* only where the 16 bits there are `value`; 0 = always */
} blanks[] = {
	{ "FACP", 4, 36, 0, 0 },   /* FIRMWARE_CTRL */
	{ "FACP", 4, 40, 0, 0 },   /* DSDT */
	{ "FACP", 8, 132, 0, 0 },  /* X_FIRMWARE_CTRL */
	{ "FACP", 8, 140, 0, 0 },  /* X_DSDT */
	{ "TPM2", 8, 68, 0, 0 },   /* event log */
	{ "TCPA", 8, 42, 36, 0 },  /* event log, platform class 0: client */
	{ "TCPA", 8, 48, 36, 1 },  /* platform class 1: server */
	{ "BERT", 8, 40, 0, 0 },   /* boot error region */
	{ "BGRT", 8, 40, 0, 0 },   /* image */
	{ "CCEL", 8, 48, 0, 0 },   /* confidential computing event log */
};

static void pointer_blank(uint8_t *body, size_t bytes, size_t at, size_t width)
{
	if (at > bytes || bytes - at < width)
		return;
	for (size_t i = 0; i < width; i++)
		if (body[at + i]) {
			memset(body + at, 0, width);
			body[at] = 1;
			return;
		}
}

static void pointers_blank(uint8_t *body, size_t bytes, size_t width)
{
	for (size_t at = 0; at < bytes; at += width)
		pointer_blank(body, bytes, at, width);
}

/* ACPI 6.5, 18.5 and 18.6: instruction entries of 32 bytes, their registers at 4. QEMU's lie in a BAR that firmware placed. */
static void instructions_blank(uint8_t *body, size_t bytes)
{
	for (size_t at = 48 - ACPI_HEADER_BYTES; at < bytes; at += 32)
		pointer_blank(body, bytes, at + 8, POINTER_BYTES);
}

/*
 * ACPI 6.5, 18.3.2: generic sources (types 9 and 10) name the address of a block that firmware allocated. Structures have no
 * length of their own: one of another type, which real machines have, ends it.
 */
static void sources_blank(uint8_t *body, size_t bytes)
{
	for (size_t at = 40 - ACPI_HEADER_BYTES; at < bytes && bytes - at >= 64 && (body[at] == 9 || body[at] == 10) && !body[at + 1];) {
		pointer_blank(body, bytes, at + 24, POINTER_BYTES);
		if (body[at] == 10)
			pointer_blank(body, bytes, at + 68, POINTER_BYTES);
		at += body[at] == 9 ? 64 : 92;
	}
}

/* ACPI 6.5, 5.2.23.1: records {16-bit type, length, revision, …, address of the measurements at 8}. */
static void records_blank(uint8_t *body, size_t bytes)
{
	for (size_t at = 0; at < bytes && bytes - at >= 4 && body[at + 2] >= 4; at += body[at + 2])
		if (body[at + 2] >= 16)
			pointer_blank(body, bytes, at + 8, POINTER_BYTES);
}

/* ACPI 6.5, 5.2.12.19: the multiprocessor wake-up structure (type 0x10) holds the address of a mailbox. */
static void mailbox_blank(uint8_t *body, size_t bytes)
{
	for (size_t at = 44 - ACPI_HEADER_BYTES; at < bytes && bytes - at >= 2 && body[at + 1] >= 2; at += body[at + 1])
		if (body[at] == 0x10 && body[at + 1] >= 16)
			pointer_blank(body, bytes, at + 8, POINTER_BYTES);
}

/* UEFI specification, appendix O: with the identifier of SMM communication, the address of a buffer follows at 58. */
static void communication_blank(uint8_t *body, size_t bytes)
{
	static const uint8_t smm[16] = { 0xe2, 0x8e, 0xd8, 0xc6, 0xc6, 0x9d, 0xbd, 0x4c, 0x9d, 0x94, 0xdb, 0x65, 0xac, 0xc5, 0xc3, 0x32 };

	if (bytes >= sizeof(smm) && !memcmp(body, smm, sizeof(smm)))
		pointer_blank(body, bytes, 58 - ACPI_HEADER_BYTES, POINTER_BYTES);
}

/* Whether the image is on the screen is state; its orientation is not. */
static void displayed_blank(uint8_t *body, size_t bytes)
{
	if (bytes > 38 - ACPI_HEADER_BYTES)
		body[38 - ACPI_HEADER_BYTES] &= (uint8_t)~1u;
}

static void entries4_blank(uint8_t *body, size_t bytes) { pointers_blank(body, bytes, 4); }
static void entries8_blank(uint8_t *body, size_t bytes) { pointers_blank(body, bytes, POINTER_BYTES); }

static const struct {
	char signature[5];
	void (*blank)(uint8_t *body, size_t bytes);
} walks[] = {
	{ "RSDT", entries4_blank }, { "XSDT", entries8_blank }, { "DSDT", aml_blank }, { "SSDT", aml_blank }, { "PSDT", aml_blank },
	{ "ERST", instructions_blank }, { "EINJ", instructions_blank }, { "HEST", sources_blank }, { "FPDT", records_blank },
	{ "APIC", mailbox_blank }, { "UEFI", communication_blank }, { "BGRT", displayed_blank },
};

void acpi_blank(const struct acpi_table *table, uint8_t *body, size_t bytes)
{
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
		const struct blank *b = &blanks[i];

		if (!strcmp(table->signature, b->signature) && (!b->guard || acpi_field(table, b->guard, 2) == b->value))
			pointer_blank(body, bytes, b->offset - ACPI_HEADER_BYTES, b->bytes);
	}
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
		if (!strcmp(table->signature, walks[i].signature))
			walks[i].blank(body, bytes);
}
