/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model-specific registers, as far as the guest read them and KVM was asked. Of those that identify (bpf/msr_identity.h) the
 * value, of all others that they answer. A register may fault on one vCPU or before it is switched on, and answer else: then
 * both are said, since either alone would be untrue.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bpf/msr_identity.h"
#include "userspace/abi/entries.h"
#include "userspace/abi/facets_internal.h"
#include "userspace/abi/facts.h"

#define VALUE_BYTES 40

static void value_text(const struct record_fact *fact, char text[VALUE_BYTES])
{
	uint64_t value = fact->value.data[0] | (uint64_t)fact->value.data[1] << 32, kept = msr_identity(fact->key.selector);
	const char *fault = fact->value.flags & OBSERVE_EXCEPTION ? " or #GP" : "";

	if (!(fact->value.flags & OBSERVE_ANSWERED))
		snprintf(text, VALUE_BYTES, "#GP");
	else if (fact->value.flags & OBSERVE_VARIES)
		snprintf(text, VALUE_BYTES, "varies%s", fault);
	else if (kept)
		snprintf(text, VALUE_BYTES, "0x%016" PRIx64 "%s", value & kept, fault);
	else
		snprintf(text, VALUE_BYTES, "answered%s", fault);
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
	char key[16], value[VALUE_BYTES];
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
	}
	return r;
}

void msr_meaning(const char *key, const char *value, struct buffer *out)
{
	(void)key, (void)value, (void)out;
}

int msr_fields(const char *key, const char *from, const char *to, struct abi_fields *out)
{
	(void)key, (void)from, (void)to, (void)out;
	return 0;
}
