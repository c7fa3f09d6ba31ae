/* SPDX-License-Identifier: Apache-2.0 */
/* MADT (ACPI 6.5, 5.2.12) and MCFG (PCI Firmware Specification 3.3, 4.1.2): interrupt controllers, configuration windows. */
#include "userspace/abi/acpi_decode.h"

#include <inttypes.h>
#include <stdio.h>

#include "userspace/abi/acpi_out.h"

#define KEY_BYTES 64
#define LAPIC_ENABLED 1u
#define LAPIC_ONLINE_CAPABLE 2u
#define MCFG_FIRST 44u
#define MCFG_BYTES 16u

static void processor_say(struct acpi_out *out, uint64_t uid, uint64_t apic_id, uint64_t flags, const char *kind)
{
	char key[KEY_BYTES], other[32] = "";

	snprintf(key, sizeof(key), "lapic.%" PRIu64, uid);
	if (flags & ~(uint64_t)(LAPIC_ENABLED | LAPIC_ONLINE_CAPABLE))
		snprintf(other, sizeof(other), " flags=0x%" PRIx64, flags);
	acpi_say(out, key, "apic_id=%" PRIu64 "%s %s%s%s", apic_id, kind, flags & LAPIC_ENABLED ? "enabled" : "disabled",
		 flags & LAPIC_ONLINE_CAPABLE ? " online_capable" : "", other);
}

static void lapic(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	processor_say(out, acpi_field(s, 2, 1), acpi_field(s, 3, 1), acpi_field(s, 4, 4), "");
}

static void x2apic(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	processor_say(out, acpi_field(s, 12, 4), acpi_field(s, 4, 4), acpi_field(s, 8, 4), " x2apic");
}

static void ioapic(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "ioapic.%" PRIu64, acpi_field(s, 2, 1));
	acpi_say(out, key, "address=0x%08" PRIx64 " gsi=%" PRIu64, acpi_field(s, 4, 4), acpi_field(s, 8, 4));
}

/* ACPI 6.5, table 5.26: bits 1:0 and 3:2. */
static void lines_text(uint64_t flags, char ret[64])
{
	static const char *const polarity[] = { "bus", "high", "reserved", "low" }, *const trigger[] = { "bus", "edge", "reserved", "level" };

	snprintf(ret, 64, "polarity=%s trigger=%s", polarity[flags & 3], trigger[flags >> 2 & 3]);
}

static void override(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	uint64_t bus = acpi_field(s, 2, 1), source = acpi_field(s, 3, 1);
	char key[KEY_BYTES], lines[64];

	(void)table;
	/* Bus 0 is ISA, and all that the specification knows. */
	if (bus)
		snprintf(key, sizeof(key), "override.%" PRIu64 ".%" PRIu64, bus, source);
	else
		snprintf(key, sizeof(key), "override.%" PRIu64, source);
	lines_text(acpi_field(s, 8, 2), lines);
	acpi_say(out, key, "gsi=%" PRIu64 " %s", acpi_field(s, 4, 4), lines);
}

static void nmi_source(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES], lines[64];

	(void)table;
	snprintf(key, sizeof(key), "nmi_source.%" PRIu64, acpi_field(s, 4, 4));
	lines_text(acpi_field(s, 2, 2), lines);
	acpi_say(out, key, "%s", lines);
}

static void nmi_say(struct acpi_out *out, uint64_t uid, uint64_t all, uint64_t lint, uint64_t flags)
{
	char key[KEY_BYTES], lines[64];

	if (uid == all)
		snprintf(key, sizeof(key), "lapic_nmi.all.lint%" PRIu64, lint);
	else
		snprintf(key, sizeof(key), "lapic_nmi.%" PRIu64 ".lint%" PRIu64, uid, lint);
	lines_text(flags, lines);
	acpi_say(out, key, "%s", lines);
}

static void lapic_nmi(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	nmi_say(out, acpi_field(s, 2, 1), UINT8_MAX, acpi_field(s, 5, 1), acpi_field(s, 3, 2));
}

static void x2apic_nmi(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	nmi_say(out, acpi_field(s, 4, 4), UINT32_MAX, acpi_field(s, 8, 1), acpi_field(s, 2, 2));
}

static void lapic_address(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	acpi_say(out, "lapic_address_override", "0x%016" PRIx64, acpi_field(s, 4, 8));
}

/* Its mailbox lies where firmware found room. */
static void wakeup(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	acpi_say(out, "mp_wakeup", "version=%" PRIu64, acpi_field(s, 2, 2));
}

void acpi_madt_decode(struct acpi_out *out, const struct acpi_table *table)
{
	static const struct acpi_form form = { .first = 44, .type_bytes = 1, .length_at = 1, .length_bytes = 1 };
	static const struct acpi_kind kinds[] = {
		{ 0, 8, lapic },       { 1, 12, ioapic },       { 2, 10, override }, { 3, 8, nmi_source },   { 4, 6, lapic_nmi },
		{ 5, 12, lapic_address }, { 9, 16, x2apic }, { 0xa, 12, x2apic_nmi }, { 0x10, 16, wakeup },
	};

	acpi_structures_decode(out, table, &form, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

void acpi_mcfg_decode(struct acpi_out *out, const struct acpi_table *table)
{
	size_t at = MCFG_FIRST;

	for (; at < table->bytes && table->bytes - at >= MCFG_BYTES && !out->error; at += MCFG_BYTES) {
		struct acpi_table s = acpi_part(table, at, MCFG_BYTES);
		unsigned first = (unsigned)acpi_field(&s, 10, 1);
		char key[KEY_BYTES];

		/* One window for all buses of a segment is the rule; another begins at another bus. */
		if (first)
			snprintf(key, sizeof(key), "%04x.%02x", (unsigned)acpi_field(&s, 8, 2), first);
		else
			snprintf(key, sizeof(key), "%04x", (unsigned)acpi_field(&s, 8, 2));
		acpi_say(out, key, "base=0x%" PRIx64 " buses=%02x-%02x", acpi_field(&s, 0, 8), first, (unsigned)acpi_field(&s, 11, 1));
	}
	if (at != table->bytes)
		acpi_damaged(out, "window at 0x%zx: cut", at);
}
