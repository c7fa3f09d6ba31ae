/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMAR (Intel Virtualization Technology for Directed I/O 4.1, chapter 8) and IVRS (AMD I/O Virtualization Technology 3.08,
 * 5.2). A unit is named by what does not move: the address of its registers, or its place on the PCI bus.
 */
#include "userspace/abi/acpi_decode.h"

#include <inttypes.h>
#include <stdio.h>

#include "userspace/abi/acpi_out.h"
#include "userspace/base/buffer.h"

#define KEY_BYTES 96
#define PREFIX_BYTES 48
#define SCOPE_PATH 6u

/* Devices under a unit: type, length, flags, -, enumeration id, first bus, then {device, function} from there on. */
static void scope_say(struct acpi_out *out, const char *prefix, const struct acpi_table *scope)
{
	static const char *const kinds[] = { "scope0", "endpoint", "bridge", "ioapic", "hpet", "namespace" };
	uint64_t kind = acpi_field(scope, 0, 1), flags = acpi_field(scope, 2, 1);
	struct buffer key = BUFFER_INIT;

	buffer_printf(&key, "%s/", prefix);
	if (kind < sizeof(kinds) / sizeof(kinds[0]))
		buffer_string(&key, kinds[kind]);
	else
		buffer_printf(&key, "scope%" PRIu64, kind);
	buffer_printf(&key, ".%02x", (unsigned)acpi_field(scope, 5, 1));
	for (size_t at = SCOPE_PATH; at + 2 <= scope->bytes; at += 2)
		buffer_printf(&key, "%c%02x.%x", at == SCOPE_PATH ? ':' : '/', scope->data[at], scope->data[at + 1]);
	if (key.data) {
		if (flags)
			acpi_say(out, key.data, "id=%" PRIu64 " flags=0x%02" PRIx64, acpi_field(scope, 4, 1), flags);
		else
			acpi_say(out, key.data, "id=%" PRIu64, acpi_field(scope, 4, 1));
	}
	buffer_release(&key);
}

static void scopes_say(struct acpi_out *out, const char *prefix, const struct acpi_table *s, size_t first)
{
	const struct acpi_form form = { .first = (uint8_t)first, .type_bytes = 1, .length_at = 1, .length_bytes = 1 };
	struct acpi_table scope;
	size_t at = 0;

	while (acpi_structure_next(out, s, &form, &at, &scope)) {
		if (scope.bytes >= SCOPE_PATH)
			scope_say(out, prefix, &scope);
		else
			acpi_damaged(out, "device scope of %zu bytes", scope.bytes);
	}
}

static void drhd(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	uint64_t flags = acpi_field(s, 4, 1);
	char prefix[PREFIX_BYTES];

	(void)table;
	snprintf(prefix, sizeof(prefix), "unit.0x%" PRIx64, acpi_field(s, 8, 8));
	acpi_say(out, prefix, "segment=%04x flags=0x%02" PRIx64 " size=%" PRIu64 "%s", (unsigned)acpi_field(s, 6, 2), flags, acpi_field(s, 5, 1),
		 flags & 1 ? " include_all" : "");
	scopes_say(out, prefix, s, 16);
}

static void rmrr(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char prefix[PREFIX_BYTES];

	(void)table;
	snprintf(prefix, sizeof(prefix), "reserved.0x%" PRIx64, acpi_field(s, 8, 8));
	acpi_say(out, prefix, "last=0x%" PRIx64 " segment=%04x", acpi_field(s, 16, 8), (unsigned)acpi_field(s, 6, 2));
	scopes_say(out, prefix, s, 24);
}

static void ports_say(struct acpi_out *out, const struct acpi_table *s, const char *name)
{
	char prefix[PREFIX_BYTES];

	snprintf(prefix, sizeof(prefix), "%s.%04x", name, (unsigned)acpi_field(s, 6, 2));
	acpi_say(out, prefix, "flags=0x%02" PRIx64, acpi_field(s, 4, 1));
	scopes_say(out, prefix, s, 8);
}

static void atsr(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	ports_say(out, s, "atsr");
}

static void satc(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	ports_say(out, s, "satc");
}

static void rhsa(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "affinity.0x%" PRIx64, acpi_field(s, 8, 8));
	acpi_say(out, key, "node=%" PRIu64, acpi_field(s, 16, 4));
}

static void andd(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "andd.%" PRIu64, acpi_field(s, 7, 1));
	acpi_say_text(out, key, s->data + 8, s->bytes - 8);
}

void acpi_dmar_decode(struct acpi_out *out, const struct acpi_table *table)
{
	static const struct acpi_form form = { .first = 48, .type_bytes = 2, .length_at = 2, .length_bytes = 2 };
	static const struct acpi_kind kinds[] = {
		{ 0, 16, drhd }, { 1, 24, rmrr }, { 2, 8, atsr }, { 3, 20, rhsa }, { 4, 8, andd }, { 5, 8, satc },
	};

	acpi_structures_decode(out, table, &form, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

/* AMD: 5.2.2.1, table "IVHD Device Entry Type Codes". */
static const char *entry_name(unsigned type)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {
		{ 1, "all" }, { 2, "select" }, { 3, "range_start" }, { 4, "range_end" }, { 0x42, "alias" }, { 0x43, "alias_range" },
		{ 0x46, "extended" }, { 0x47, "extended_range" }, { 0x48, "special" }, { 0xf0, "acpi" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return NULL;
}

static size_t entry_bytes(const struct acpi_table *block, size_t at)
{
	unsigned type = (unsigned)acpi_field(block, at, 1);

	if (type == 0xf0)
		return 22 + acpi_field(block, at + 21, 1);
	return 4u << (type >> 6);
}

static void entry_say(struct acpi_out *out, const char *prefix, const struct acpi_table *entry)
{
	unsigned type = entry->data[0], device = (unsigned)acpi_field(entry, 1, 2);
	const char *name = entry_name(type);
	struct buffer value = BUFFER_INIT;
	char key[KEY_BYTES], other[16];

	snprintf(other, sizeof(other), "entry0x%02x", type);
	/* A special device is an I/O APIC or HPET: its own number tells it from others. */
	if (type == 0x48)
		snprintf(key, sizeof(key), "%s/special.%u.%u", prefix, (unsigned)acpi_field(entry, 7, 1), (unsigned)acpi_field(entry, 4, 1));
	else
		snprintf(key, sizeof(key), "%s/%s.%02x:%02x.%x", prefix, name ? name : other, device >> 8, device >> 3 & 31, device & 7);
	buffer_printf(&value, "settings=0x%02x", entry->data[3]);
	for (size_t i = 4; i < entry->bytes; i++)
		buffer_printf(&value, i == 4 ? " data=%02x" : "%02x", entry->data[i]);
	acpi_say(out, key, "%s", value.data ? value.data : "");
	buffer_release(&value);
}

static void hardware_say(struct acpi_out *out, const struct acpi_table *s, size_t first)
{
	unsigned type = s->data[0], device = (unsigned)acpi_field(s, 4, 2);
	char prefix[PREFIX_BYTES];
	size_t at = first;

	snprintf(prefix, sizeof(prefix), "unit%02x.%04x:%02x:%02x.%x", type, (unsigned)acpi_field(s, 16, 2), device >> 8, device >> 3 & 31, device & 7);
	acpi_say(out, prefix, "base=0x%" PRIx64 " flags=0x%02" PRIx64 " capability=0x%" PRIx64 " info=0x%04" PRIx64 " features=0x%08" PRIx64,
		 acpi_field(s, 8, 8), acpi_field(s, 1, 1), acpi_field(s, 6, 2), acpi_field(s, 18, 2), acpi_field(s, 20, 4));
	if (first >= 40) {
		char key[KEY_BYTES];

		snprintf(key, sizeof(key), "%s/extended_features", prefix);
		acpi_say(out, key, "0x%016" PRIx64, acpi_field(s, 24, 8));
	}
	while (at < s->bytes && !out->error) {
		size_t bytes = entry_bytes(s, at);
		struct acpi_table entry = acpi_part(s, at, bytes);

		if (entry.bytes < bytes) {
			acpi_damaged(out, "device entry at 0x%zx of a unit: cut", at);
			return;
		}
		/* Types 0 and 0x40 pad. */
		if (entry.data[0] & 0x3f)
			entry_say(out, prefix, &entry);
		at += bytes;
	}
}

static void ivhd(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	hardware_say(out, s, 24);
}

static void ivhd_extended(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	hardware_say(out, s, 40);
}

static void ivmd(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	unsigned device = (unsigned)acpi_field(s, 4, 2);
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "memory.0x%" PRIx64, acpi_field(s, 16, 8));
	acpi_say(out, key, "size=0x%" PRIx64 " flags=0x%02" PRIx64 " type=0x%02x device=%02x:%02x.%x", acpi_field(s, 24, 8), acpi_field(s, 1, 1),
		 s->data[0], device >> 8, device >> 3 & 31, device & 7);
}

void acpi_ivrs_decode(struct acpi_out *out, const struct acpi_table *table)
{
	static const struct acpi_form form = { .first = 48, .type_bytes = 1, .length_at = 2, .length_bytes = 2 };
	static const struct acpi_kind kinds[] = {
		{ 0x10, 24, ivhd }, { 0x11, 40, ivhd_extended }, { 0x40, 40, ivhd_extended }, { 0x20, 32, ivmd }, { 0x21, 32, ivmd }, { 0x22, 32, ivmd },
	};

	acpi_structures_decode(out, table, &form, kinds, sizeof(kinds) / sizeof(kinds[0]));
}
