/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model-specific registers, as far as the guest read them and KVM was asked. Of those that identify (bpf/msr_identity.h) the
 * value, of all others that they answer. A register may fault on one vCPU or before it is switched on, and answer else: that
 * it faulted too is evidence of its own, which a guest that asked at another time does not contradict.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bpf/msr_identity.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"
#include "userspace/abi/msr_names.h"
#include "userspace/base/buffer.h"

#define VALUE_BYTES 40
#define FAULT "#GP"
#define NUMBER_HEX 0x10000u /* from here on a number is read better in hex */

static void value_text(const struct record_fact *fact, char text[VALUE_BYTES])
{
	uint64_t value = fact->value.data[0] | (uint64_t)fact->value.data[1] << 32, kept = msr_identity(fact->key.selector);

	if (!(fact->value.flags & OBSERVE_ANSWERED))
		snprintf(text, VALUE_BYTES, FAULT);
	else if (fact->value.flags & OBSERVE_VARIES)
		snprintf(text, VALUE_BYTES, "varies");
	else if (kept)
		snprintf(text, VALUE_BYTES, "0x%016" PRIx64, value & kept);
	else
		snprintf(text, VALUE_BYTES, "answered");
}

static int cover(const struct guest_facts *facts, struct abi_entries *out)
{
	const char *blind = facts_blind(facts, "msr");
	unsigned long long lost = facts_lost(facts, OBSERVE_CLASS_MSR);

	if (blind)
		return entries_cover(out, FACET_MSR, COVERAGE_NONE, "%s", blind);
	if (lost)
		return entries_cover(out, FACET_MSR, COVERAGE_WITNESSED, "only what the guest read and KVM was asked for, and %llu facts of it were refused", lost);
	return entries_cover(out, FACET_MSR, COVERAGE_WITNESSED, "only what the guest read and KVM was asked for");
}

int msr_derive(const struct guest_facts *facts, struct abi_entries *out)
{
	const uint16_t both = OBSERVE_ANSWERED | OBSERVE_EXCEPTION;
	char key[24], value[VALUE_BYTES];
	const struct record_fact *fact;
	size_t cursor = 0;
	int r = cover(facts, out);

	if (facts_blind(facts, "msr"))
		return r;
	while (r >= 0 && (fact = facts_next(facts, OBSERVE_MSR, &cursor))) {
		if (!(fact->value.flags & (OBSERVE_ANSWERED | OBSERVE_EXCEPTION)))
			continue;
		snprintf(key, sizeof(key), "0x%08" PRIx32, fact->key.selector);
		value_text(fact, value);
		r = entries_add(out, FACET_MSR, key, value);
		if (r < 0 || (fact->value.flags & both) != both)
			continue;
		snprintf(key, sizeof(key), "0x%08" PRIx32 "/fault", fact->key.selector);
		r = entries_add(out, FACET_MSR, key, FAULT);
	}
	return r;
}

/* ---- for a person */

static bool key_parse(const char *key, uint32_t *ret)
{
	int end = 0;

	/* %8: a key may come from a file that anyone wrote. */
	return sscanf(key, "0x%8" SCNx32 "%n", ret, &end) == 1 && !key[end];
}

/* A value that has bits. */
static bool bits_parse(const char *text, uint64_t *ret)
{
	int end = 0;

	return sscanf(text, "0x%16" SCNx64 "%n", ret, &end) == 1 && !text[end];
}

static uint64_t number_of(const struct msr_part *part, uint64_t value)
{
	return (value & msr_part_mask(part)) >> part->low;
}

static void part_append(struct buffer *out, const char *separator, const struct msr_part *part, uint64_t value)
{
	uint64_t number = number_of(part, value);

	if (part->high == part->low)
		buffer_printf(out, "%s%s", separator, part->name);
	else if (number >= NUMBER_HEX && strcmp(part->name, "hz"))
		buffer_printf(out, "%s%s=0x%" PRIx64, separator, part->name, number);
	else
		buffer_printf(out, "%s%s=%" PRIu64, separator, part->name, number);
}

void msr_meaning(const char *key, const char *value, struct buffer *out)
{
	const char *separator = ": ";
	char name[MSR_NAME_BYTES];
	struct msr_part part;
	uint64_t bits, unnamed;
	uint32_t index;

	if (!key_parse(key, &index) || !msr_name(index, name))
		return;
	buffer_string(out, name);
	if (!bits_parse(value, &bits) || !msr_part_get(index, 0, &part))
		return;
	unnamed = bits;
	for (size_t n = 0; msr_part_get(index, n, &part); n++) {
		unnamed &= ~msr_part_mask(&part);
		if (!(bits & msr_part_mask(&part)))
			continue;
		part_append(out, separator, &part, bits);
		separator = ", ";
	}
	for (unsigned bit = 0; bit < 64; bit++)
		if (unnamed & 1ull << bit) {
			buffer_printf(out, "%sreserved_%u", separator, bit);
			separator = ", ";
		}
	if (msr_is_host_bound(index))
		buffer_string(out, " (from the host)");
}

struct two_values {
	uint64_t from, to;
	bool has_from, has_to;
};

static int field_add(struct abi_fields *out, const struct two_values *v, const struct msr_part *part)
{
	char bits[16], from[24], to[24];

	if (part->high == part->low)
		snprintf(bits, sizeof(bits), "[%u]", part->low);
	else
		snprintf(bits, sizeof(bits), "[%u:%u]", part->high, part->low);
	snprintf(from, sizeof(from), "%" PRIu64, number_of(part, v->from));
	snprintf(to, sizeof(to), "%" PRIu64, number_of(part, v->to));
	return abi_fields_add(out, part->name, bits, v->has_from ? from : NULL, v->has_to ? to : NULL);
}

/* Differing bits that have no name: each run of neighbours is one field. */
static int reserved_add(struct abi_fields *out, const struct two_values *v, uint64_t differing)
{
	int r = 0;

	for (unsigned low = 0; r == 0 && low < 64; low++) {
		struct msr_part part = { .low = (uint8_t)low };
		unsigned high = low;
		char name[32];

		if (!(differing & 1ull << low))
			continue;
		while (high < 63 && differing & 1ull << (high + 1))
			high++;
		if (high == low)
			snprintf(name, sizeof(name), "reserved_%u", low);
		else
			snprintf(name, sizeof(name), "reserved_%u_%u", high, low);
		part.name = name;
		part.high = (uint8_t)high;
		r = field_add(out, v, &part);
		low = high;
	}
	return r;
}

int msr_fields(const char *key, const char *from, const char *to, struct abi_fields *out)
{
	struct two_values v = { .has_from = from != NULL, .has_to = to != NULL };
	struct msr_part part;
	uint64_t differing;
	uint32_t index;
	int r = 0;

	if (!key_parse(key, &index) || (from && !bits_parse(from, &v.from)) || (to && !bits_parse(to, &v.to)))
		return 0;
	differing = v.from ^ v.to;
	if (!msr_part_get(index, 0, &part))
		return differing ? field_add(out, &v, &(struct msr_part){ .name = FIELD_WHOLE, .high = 63 }) : 0;
	for (size_t n = 0; r == 0 && msr_part_get(index, n, &part); n++) {
		if (!(differing & msr_part_mask(&part)))
			continue;
		differing &= ~msr_part_mask(&part);
		r = field_add(out, &v, &part);
	}
	return r == 0 ? reserved_add(out, &v, differing) : r;
}
