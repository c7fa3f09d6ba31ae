/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facet acpi: every table that the guest was given, by its header, what its body says where it is of a known kind, and
 * the digest of the body without what moves by itself. A table that cannot be as it is has an entry `TABLE/damaged`; what is
 * sound of it is decoded all the same.
 *
 * Bounds for one guest: ACPI_TABLES_MAX tables, ACPI_DECODED_MAX entries beside those of definition blocks (aml.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/acpi_blank.h"
#include "userspace/abi/acpi_decode.h"
#include "userspace/abi/acpi_out.h"
#include "userspace/abi/acpi_tables.h"
#include "userspace/abi/aml.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/base/buffer.h"

#define RSDP_BYTES 20u

static const struct {
	char signature[5];
	void (*decode)(struct acpi_out *out, const struct acpi_table *table);
} decoders[] = {
	{ "APIC", acpi_madt_decode }, { "MCFG", acpi_mcfg_decode }, { "SRAT", acpi_srat_decode }, { "SLIT", acpi_slit_decode },
	{ "HMAT", acpi_hmat_decode }, { "DMAR", acpi_dmar_decode }, { "IVRS", acpi_ivrs_decode }, { "DBG2", acpi_dbg2_decode },
};

/* Tables of these come in numbers: a second one must not rename the first. */
static bool numbered(const char *signature)
{
	return !strcmp(signature, "SSDT") || !strcmp(signature, "PSDT") || !strcmp(signature, "UEFI") || !strncmp(signature, "OEM", 3);
}

static bool definition_block(const char *signature)
{
	return !strcmp(signature, "DSDT") || !strcmp(signature, "SSDT") || !strcmp(signature, "PSDT");
}

static void name_table(struct acpi_out *out, const struct acpi_table *table)
{
	char signature[sizeof(table->signature)];

	memcpy(signature, table->signature, sizeof(signature));
	/* Ends the table's name in a key; and a signature has no NUL. */
	for (size_t i = 0; i + 1 < sizeof(signature); i++)
		if (signature[i] == '/' || !signature[i])
			signature[i] = '_';
	if (numbered(signature) || table->instance)
		snprintf(out->name, sizeof(out->name), "%s.%u", signature, table->instance);
	else
		snprintf(out->name, sizeof(out->name), "%s", signature);
}

static void header_say(struct acpi_out *out, const struct acpi_table *table)
{
	acpi_say(out, "length", "%" PRIu64, acpi_field(table, 4, 4));
	/* The FACS has no common header. */
	if (!strcmp(table->signature, "FACS"))
		return;
	acpi_say(out, "revision", "%" PRIu64, acpi_field(table, 8, 1));
	acpi_say_text(out, "oem_id", table->data + 10, 6);
	acpi_say_text(out, "oem_table_id", table->data + 16, 8);
	acpi_say(out, "oem_revision", "0x%08" PRIx64, acpi_field(table, 24, 4));
	acpi_say_text(out, "creator_id", table->data + 28, 4);
	acpi_say(out, "creator_revision", "0x%08" PRIx64, acpi_field(table, 32, 4));
}

static void body_say(struct acpi_out *out, const struct acpi_table *table)
{
	size_t bytes = table->bytes - ACPI_HEADER_BYTES;
	char digest[ACPI_DIGEST_BYTES];
	uint8_t *body;

	body = malloc(bytes ? bytes : 1);
	if (!body) {
		out->error = -ENOMEM;
		return;
	}
	memcpy(body, table->data + ACPI_HEADER_BYTES, bytes);
	acpi_blank(table, body, bytes);
	acpi_digest(body, bytes, digest);
	acpi_say(out, "body", "%s", digest);
	free(body);
}

/* Where the guest's tables lie. */
struct places {
	struct {
		uint64_t gpa;
		char signature[5];
	} items[ACPI_TABLES_MAX];
	size_t count;
};

static void places_find(const struct guest_facts *facts, struct places *ret)
{
	struct acpi_table table;
	size_t cursor = 0;

	for (ret->count = 0; ret->count < ACPI_TABLES_MAX && acpi_table_next(facts, &cursor, &table); ret->count++) {
		ret->items[ret->count].gpa = table.gpa;
		memcpy(ret->items[ret->count].signature, table.signature, sizeof(table.signature));
	}
}

static const char *signature_at(const struct places *places, uint64_t gpa)
{
	for (size_t i = 0; gpa && i < places->count; i++)
		if (places->items[i].gpa == gpa)
			return places->items[i].signature;
	return gpa ? "?" : "null";
}

/* RSDT and XSDT: which tables they list, in order; the addresses move. */
static void list_say(struct acpi_out *out, const struct places *places, const struct acpi_table *table)
{
	unsigned width = table->signature[0] == 'X' ? 8 : 4, count = 0;
	struct buffer list = BUFFER_INIT;

	for (size_t at = ACPI_HEADER_BYTES; at + width <= table->bytes && count < ACPI_TABLES_MAX; at += width, count++)
		buffer_printf(&list, "%s%s", count ? " " : "", signature_at(places, acpi_field(table, at, width)));
	if (buffer_failed(&list))
		out->error = -ENOMEM;
	else
		acpi_say_text(out, "tables", list.data ? list.data : "", list.size);
	buffer_release(&list);
}

/* Only what its length covers, where that can be. */
static struct acpi_table whole_of(struct acpi_out *out, const struct acpi_table *table)
{
	uint64_t length = acpi_field(table, 4, 4);
	size_t least = strcmp(table->signature, "FACS") ? ACPI_HEADER_BYTES : 8;
	struct acpi_table whole = *table;
	uint8_t sum = 0;

	if (length < least || length > table->bytes) {
		acpi_damaged(out, "%zu bytes of %" PRIu64, table->bytes, length);
		return whole;
	}
	whole = acpi_part(table, 0, length);
	for (size_t i = 0; i < whole.bytes; i++)
		sum = (uint8_t)(sum + whole.data[i]);
	if (sum && strcmp(table->signature, "FACS"))
		acpi_damaged(out, "checksum");
	return whole;
}

static void table_say(struct acpi_out *out, const struct places *places, const struct acpi_table *raw)
{
	struct acpi_table table;
	size_t refused = 0;

	out->damage[0] = '\0';
	name_table(out, raw);
	table = whole_of(out, raw);
	header_say(out, &table);
	acpi_fixed_decode(out, &table);
	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (!strcmp(decoders[i].signature, table.signature))
			decoders[i].decode(out, &table);
	if (!strcmp(table.signature, "RSDT") || !strcmp(table.signature, "XSDT"))
		list_say(out, places, &table);
	if (!out->error && definition_block(table.signature))
		out->error = aml_devices_add(table.data + ACPI_HEADER_BYTES, table.bytes - ACPI_HEADER_BYTES, out->name, out->entries, &refused);
	out->refused += refused;
	if (strcmp(table.signature, "FACS"))
		body_say(out, &table);
	if (out->damage[0])
		acpi_say(out, "damaged", "%s", out->damage);
}

static void rsdp_say(struct acpi_out *out, const struct guest_facts *facts)
{
	const uint8_t *rsdp;
	size_t bytes;

	if (!acpi_rsdp(facts, &rsdp, &bytes) || bytes < RSDP_BYTES)
		return;
	snprintf(out->name, sizeof(out->name), "RSDP");
	acpi_say(out, "revision", "%u", rsdp[15]);
	acpi_say(out, "length", "%zu", bytes);
	acpi_say_text(out, "oem_id", rsdp + 9, 6);
}

int acpi_derive(const struct guest_facts *facts, struct abi_entries *entries)
{
	struct acpi_out out = { .entries = entries };
	struct acpi_table table;
	struct places places;
	size_t cursor = 0;
	int r;

	r = facet_cover_area(facts, entries, FACET_ACPI, RECORD_AREA_ACPI);
	if (r < 0)
		return r;
	places_find(facts, &places);
	rsdp_say(&out, facts);
	while (!out.error && acpi_table_next(facts, &cursor, &table))
		table_say(&out, &places, &table);
	if (out.error)
		return out.error;
	if (acpi_tables_refused(facts))
		return entries_cover(entries, FACET_ACPI, COVERAGE_WITNESSED, "tables beyond the first %u" COVERAGE_LOSS_MARK, ACPI_TABLES_MAX);
	if (out.refused)
		return entries_cover(entries, FACET_ACPI, COVERAGE_WITNESSED, "%zu entries of its tables" COVERAGE_LOSS_MARK, out.refused);
	return 0;
}
