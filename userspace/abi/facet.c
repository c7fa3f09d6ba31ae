/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/text_lines.h"
#include "userspace/base/memory.h"

static const struct facet facets[FACETS] = {
	[FACET_CPUID] = { FACET_CPUID, "cpuid", .derive = cpuid_derive, .meaning = cpuid_meaning, .fields = cpuid_fields, .group = cpuid_group,
			  .title = cpuid_title, .present = cpuid_present },
	[FACET_MSR] = { FACET_MSR, "msr", .derive = msr_derive, .meaning = msr_meaning, .fields = msr_fields },
	[FACET_PORTS] = { FACET_PORTS, "ports", .derive = ports_derive, .meaning = registers_meaning },
	[FACET_MMIO] = { FACET_MMIO, "mmio", .derive = mmio_derive, .meaning = registers_meaning },
	[FACET_MEMORY] = { FACET_MEMORY, "memory", .derive = memory_derive, .present = memory_present },
	[FACET_PCI] = { FACET_PCI, "pci", .derive = pci_derive, .complete_key = pci_complete_key, .meaning = pci_meaning, .group = pci_group,
			.title = pci_title, .present = pci_present },
	[FACET_PLACEMENT] = { FACET_PLACEMENT, "placement", .derive = placement_derive, .group = pci_group },
	[FACET_ACPI] = { FACET_ACPI, "acpi", .derive = acpi_derive, .meaning = acpi_meaning, .fields = acpi_fields, .group = slash_group,
			 .title = acpi_title, .present = acpi_present },
	[FACET_SMBIOS] = { FACET_SMBIOS, "smbios", .derive = smbios_derive, .meaning = smbios_meaning, .group = slash_group,
			   .title = smbios_title, .order = smbios_order, .present = smbios_present },
	[FACET_NUMA] = { FACET_NUMA, "numa", .derive = numa_derive, .group = slash_group },
	[FACET_FIRMWARE] = { FACET_FIRMWARE, "firmware", .derive = firmware_derive, .complete_key = firmware_complete_key,
			     .meaning = firmware_meaning },
	[FACET_IDENTITY] = { FACET_IDENTITY, "identity", .derive = identity_facet_derive },
};

static const char *const coverage_names[] = {
	[COVERAGE_NONE] = "none",
	[COVERAGE_WITNESSED] = "witnessed",
	[COVERAGE_COMPLETE] = "complete",
};

#define COVERAGES (sizeof(coverage_names) / sizeof(coverage_names[0]))

const struct facet *facet_get(enum facet_id id) { return &facets[id]; }

const struct facet *facet_find(const char *name)
{
	for (size_t i = 0; i < FACETS; i++)
		if (strcmp(facets[i].name, name) == 0)
			return &facets[i];
	return NULL;
}

bool coverage_tells_loss(const char *reason)
{
	size_t length = reason ? strlen(reason) : 0, mark = strlen(COVERAGE_LOSS_MARK);

	return length >= mark && !strcmp(reason + length - mark, COVERAGE_LOSS_MARK);
}

bool coverage_tells_skips(const char *reason) { return reason && strstr(reason, COVERAGE_SKIP_MARK); }

const char *coverage_name(enum coverage c) { return coverage_names[c]; }

int coverage_parse(const char *name, enum coverage *ret)
{
	for (size_t i = 0; i < COVERAGES; i++)
		if (strcmp(coverage_names[i], name) == 0) {
			*ret = (enum coverage)i;
			return 0;
		}
	return -EINVAL;
}

static void field_release(struct abi_field *f)
{
	free(f->name);
	free(f->bits);
	free(f->from);
	free(f->to);
}

void abi_fields_release(struct abi_fields *fields)
{
	if (!fields)
		return;
	for (size_t i = 0; i < fields->count; i++)
		field_release(&fields->items[i]);
	free(fields->items);
	*fields = (struct abi_fields){ 0 };
}

int abi_fields_add(struct abi_fields *fields, const char *name, const char *bits, const char *from, const char *to)
{
	struct abi_field *items = realloc(fields->items, (fields->count + 1) * sizeof(*items));
	struct abi_field f;

	if (!items) {
		memory_short();
		return -ENOMEM;
	}
	fields->items = items;
	f = (struct abi_field){ .name = strdup(name), .bits = strdup(bits), .from = from ? strdup(from) : NULL, .to = to ? strdup(to) : NULL };
	if (!f.name || !f.bits || (from && !f.from) || (to && !f.to)) {
		field_release(&f);
		memory_short();
		return -ENOMEM;
	}
	items[fields->count++] = f;
	return 0;
}

/* What a facet says of a value as a whole, where it knows no name for any part of it. */
static bool is_nameless(const struct abi_fields *fields)
{
	return fields->count == 1 && strcmp(fields->items[0].name, FIELD_WHOLE) == 0;
}

/* Would any bit of a value of this form have a name? */
static int has_names(const struct facet *facet, const char *key, const char *value, bool *ret)
{
	char ones[] = "0xffffffffffffffff";
	struct abi_fields fields = { 0 };
	size_t digits = strncmp(value, "0x", 2) == 0 ? strlen(value + 2) : 0;
	int r;

	*ret = false;
	if (digits == 0 || digits > sizeof(ones) - sizeof("0x"))
		return 0;
	ones[2 + digits] = '\0';
	r = facet->fields(key, NULL, ones, &fields);
	*ret = fields.count && !is_nameless(&fields);
	abi_fields_release(&fields);
	return r;
}

int facet_values(const struct facet *facet, const char *key, const char *value, struct abi_fields *out, bool *ret_register)
{
	int r;

	*ret_register = false;
	if (!facet->fields)
		return 0;
	r = facet->fields(key, NULL, value, out);
	if (r < 0 || out->count == 0)
		return r < 0 ? r : has_names(facet, key, value, ret_register);
	*ret_register = !is_nameless(out);
	if (!*ret_register)
		abi_fields_release(out);
	return 0;
}

int facet_cover_witnessed(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum observe_class class)
{
	const char *blind = facts_blind(facts, facets[facet].name);
	unsigned long long lost = facts_lost(facts, class);

	if (blind)
		return entries_cover(out, facet, COVERAGE_NONE, "%s", blind);
	if (lost)
		return entries_cover(out, facet, COVERAGE_WITNESSED, "only what the guest touched, and %llu facts of it were refused", lost);
	return entries_cover(out, facet, COVERAGE_WITNESSED, "only what the guest touched");
}

int facet_cover_skipped(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet)
{
	return entries_cover(out, facet, COVERAGE_NONE, "the kernel skipped %llu events while this was read " COVERAGE_SKIP_MARK ": judged again from the next boot on",
			     (unsigned long long)facts_skipped(facts, FACTS_OF_PCI));
}

int facet_cover_area(const struct guest_facts *facts, struct abi_entries *out, enum facet_id facet, enum record_area area)
{
	const char *blind = facts_blind(facts, facets[facet].name), *reason;
	struct record_part part;
	size_t bytes, cursor = 0;
	const void *data;
	bool whole;

	if (!facts_area(facts, area, &whole, &reason, &bytes))
		return entries_cover(out, facet, COVERAGE_NONE, "%s", blind ? blind : "the guest's memory was not read yet");
	if (whole)
		return entries_cover(out, facet, COVERAGE_COMPLETE, "%.*s", (int)bytes, reason);
	return entries_cover(out, facet, facts_part_next(facts, area, &cursor, &part, &data) ? COVERAGE_WITNESSED : COVERAGE_NONE, "%.*s",
			     (int)bytes, reason);
}
