/* SPDX-License-Identifier: Apache-2.0 */
/* What is near to what: SRAT (ACPI 6.5, 5.2.16), SLIT (5.2.17), HMAT (5.2.28). */
#include "userspace/abi/acpi_decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "userspace/abi/acpi_out.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

#define KEY_BYTES 128
#define ENABLED 1u

static const char *enabled(uint64_t flags) { return flags & ENABLED ? "enabled" : "disabled"; }

static void processor_say(struct acpi_out *out, const char *kind, uint64_t id, uint64_t node, uint64_t flags, uint64_t clock)
{
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "%s.%" PRIu64, kind, id);
	acpi_say(out, key, "node=%" PRIu64 " %s clock_domain=%" PRIu64, node, enabled(flags), clock);
}

static void apic(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	/* The domain is in two pieces: byte 2, and bytes 9 to 11 above it. */
	processor_say(out, "apic", acpi_field(s, 3, 1), acpi_field(s, 2, 1) | acpi_field(s, 9, 1) << 8 | acpi_field(s, 10, 2) << 16,
		      acpi_field(s, 4, 4), acpi_field(s, 12, 4));
}

static void x2apic(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	processor_say(out, "apic", acpi_field(s, 8, 4), acpi_field(s, 4, 4), acpi_field(s, 12, 4), acpi_field(s, 16, 4));
}

static void gicc(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	processor_say(out, "gicc", acpi_field(s, 6, 4), acpi_field(s, 2, 4), acpi_field(s, 10, 4), acpi_field(s, 14, 4));
}

static void its(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "its.%" PRIu64, acpi_field(s, 8, 4));
	acpi_say(out, key, "node=%" PRIu64, acpi_field(s, 2, 4));
}

static void memory(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	uint64_t base = acpi_field(s, 8, 8), bytes = acpi_field(s, 16, 8), flags = acpi_field(s, 28, 4);
	char key[KEY_BYTES];

	(void)table;
	/* QEMU fills the table up with these; all would have the key of the memory at 0. */
	if (!bytes && !(flags & ENABLED))
		return;
	snprintf(key, sizeof(key), "memory.0x%016" PRIx64, base);
	acpi_say(out, key, "size=0x%" PRIx64 " node=%" PRIu64 " %s%s%s", bytes, acpi_field(s, 2, 4), enabled(flags), flags & 2 ? " hotplug" : "",
		 flags & 4 ? " nonvolatile" : "");
}

static void generic_say(struct acpi_out *out, const struct acpi_table *s, const char *kind)
{
	uint64_t flags = acpi_field(s, 24, 4), bdf = acpi_field(s, 10, 2);
	struct acpi_table hid = acpi_part(s, 8, 8);
	struct buffer key = BUFFER_INIT;

	if (acpi_field(s, 3, 1) == 1) {
		buffer_printf(&key, "%s.%04x:%02x:%02x.%x", kind, (unsigned)acpi_field(s, 8, 2), (unsigned)bdf >> 8, (unsigned)bdf >> 3 & 31,
			      (unsigned)bdf & 7);
	} else {
		size_t length = hid.bytes;

		while (length && !hid.data[length - 1])
			length--;
		buffer_printf(&key, "%s.", kind);
		text_escape(&key, (const char *)hid.data, length, true);
		buffer_printf(&key, ".%" PRIu64, acpi_field(s, 16, 4));
	}
	if (buffer_failed(&key))
		out->error = -ENOMEM;
	else
		acpi_say(out, key.data, "node=%" PRIu64 " %s%s", acpi_field(s, 4, 4), enabled(flags), flags & 2 ? " architectural_transactions" : "");
	buffer_release(&key);
}

static void initiator(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	generic_say(out, s, "initiator");
}

static void port(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	(void)table;
	generic_say(out, s, "port");
}

void acpi_srat_decode(struct acpi_out *out, const struct acpi_table *table)
{
	static const struct acpi_form form = { .first = 48, .type_bytes = 1, .length_at = 1, .length_bytes = 1 };
	static const struct acpi_kind kinds[] = {
		{ 0, 16, apic }, { 1, 40, memory }, { 2, 24, x2apic }, { 3, 18, gicc }, { 4, 12, its }, { 5, 32, initiator }, { 6, 32, port },
	};

	acpi_structures_decode(out, table, &form, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

#define SLIT_COUNT 36u
#define SLIT_FIRST 44u
#define SLIT_MOST 1024u  /* localities: a matrix of 1 MiB */
#define SLIT_SHOWN 256u /* rows of more are refused */

void acpi_slit_decode(struct acpi_out *out, const struct acpi_table *table)
{
	uint64_t count = acpi_field(table, SLIT_COUNT, 8);

	acpi_say(out, "localities", "%" PRIu64, count);
	if (count > SLIT_MOST || table->bytes < SLIT_FIRST || table->bytes - SLIT_FIRST < count * count) {
		acpi_damaged(out, "%" PRIu64 " localities in %zu bytes", count, table->bytes);
		return;
	}
	if (count > SLIT_SHOWN) {
		out->refused += count;
		return;
	}
	for (uint64_t row = 0; row < count && !out->error; row++) {
		struct buffer distances = BUFFER_INIT;
		char key[KEY_BYTES];

		for (uint64_t column = 0; column < count; column++)
			buffer_printf(&distances, column ? " %u" : "%u", table->data[SLIT_FIRST + row * count + column]);
		snprintf(key, sizeof(key), "distances.%" PRIu64, row);
		acpi_say(out, key, "%s", distances.data ? distances.data : "");
		buffer_release(&distances);
	}
}

static void proximity(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "memory.%" PRIu64, acpi_field(s, 16, 4));
	if (acpi_field(s, 8, 2) & 1)
		acpi_say(out, key, "initiator=%" PRIu64, acpi_field(s, 12, 4));
	else
		acpi_say(out, key, "initiator=none");
}

/* One line per initiator, target and kind: `access_latency.memory.0.1 10000 ps`. */
static void locality_say(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s, const char *what, uint64_t i, uint64_t t)
{
	static const char *const kinds[] = { "access_latency", "read_latency", "write_latency", "access_bandwidth", "read_bandwidth", "write_bandwidth" };
	uint64_t initiators = acpi_field(s, 12, 4), targets = acpi_field(s, 16, 4), kind = acpi_field(s, 9, 1);
	uint64_t entry = acpi_field(s, 32 + 4 * (initiators + targets) + 2 * (i * targets + t), 2);
	/* Revision 1 counts in other units, and says them nowhere. */
	const char *unit = acpi_field(table, 8, 1) < 2 ? "" : kind < 3 ? " ps" : " MB/s";
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "%s.%s.%" PRIu64 ".%" PRIu64, kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "unknown", what,
		 acpi_field(s, 32 + 4 * i, 4), acpi_field(s, 32 + 4 * (initiators + t), 4));
	if (entry == UINT16_MAX)
		acpi_say(out, key, "unreachable");
	else if (!entry)
		acpi_say(out, key, "unknown");
	else
		acpi_say(out, key, "%" PRIu64 "%s", entry * acpi_field(s, 24, 8), unit);
}

static void locality(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	uint64_t initiators = acpi_field(s, 12, 4), targets = acpi_field(s, 16, 4), hierarchy = acpi_field(s, 8, 1) & 0xf;
	char what[24] = "memory";

	/* Both are below 2^32; nothing here overflows once their sum is known to fit. */
	if (initiators + targets > s->bytes / 4 || s->bytes < 32 + 4 * (initiators + targets) + 2 * initiators * targets) {
		acpi_damaged(out, "%" PRIu64 " initiators, %" PRIu64 " targets in %zu bytes", initiators, targets, s->bytes);
		return;
	}
	if (hierarchy)
		snprintf(what, sizeof(what), "cache%" PRIu64, hierarchy);
	for (uint64_t i = 0; i < initiators; i++)
		for (uint64_t t = 0; t < targets && !out->error; t++)
			locality_say(out, table, s, what, i, t);
}

static void cache(struct acpi_out *out, const struct acpi_table *table, const struct acpi_table *s)
{
	static const char *const associativity[] = { "none", "direct", "complex" }, *const policy[] = { "none", "write-back", "write-through" };
	uint64_t attributes = acpi_field(s, 24, 4);
	unsigned a = attributes >> 8 & 15, p = attributes >> 12 & 15;
	char key[KEY_BYTES];

	(void)table;
	snprintf(key, sizeof(key), "cache.%" PRIu64 ".level%u", acpi_field(s, 8, 4), (unsigned)(attributes >> 4 & 15));
	acpi_say(out, key, "size=0x%" PRIx64 " levels=%u associativity=%s policy=%s line=%u", acpi_field(s, 16, 8), (unsigned)attributes & 15,
		 a < 3 ? associativity[a] : "reserved", p < 3 ? policy[p] : "reserved", (unsigned)(attributes >> 16));
}

void acpi_hmat_decode(struct acpi_out *out, const struct acpi_table *table)
{
	static const struct acpi_form form = { .first = 40, .type_bytes = 2, .length_at = 4, .length_bytes = 4 };
	static const struct acpi_kind kinds[] = { { 0, 40, proximity }, { 1, 32, locality }, { 2, 32, cache } };

	acpi_structures_decode(out, table, &form, kinds, sizeof(kinds) / sizeof(kinds[0]));
}
