// SPDX-License-Identifier: Apache-2.0
/*
 * CPUID tables of up to four vCPUs, 28 bytes an entry as KVM has them, behind a byte that says how many vCPUs share them; the entries of each
 * are also taken for answers that were witnessed. Strings, topology, names and fields are made of them.
 */
#include "tests/fuzz/fuzz.h"

#include "userspace/stream/record.h"

#define ENTRIES_MAX (2 * OBSERVE_CPUID_MAX)

static void put_table(struct guest_facts *f, uint32_t vcpu, const struct inventory_cpuid_entry *entries, uint32_t count)
{
	struct record_header header = { .type = RECORD_CPUID, .vm = 1, .boot = 1 };
	struct record_cpuid head = { .vcpu_id = vcpu, .ran = 1, .count = count };
	struct buffer body = BUFFER_INIT;

	buffer_append(&body, &head, sizeof(head));
	buffer_append(&body, entries, count * sizeof(*entries));
	require(!buffer_failed(&body));
	facts_add(f, &header, body.data, body.size, NULL); /* more than KVM has are refused */
	buffer_release(&body);
}

static void put_answer(struct guest_facts *f, const struct inventory_cpuid_entry *e)
{
	struct record_fact fact = { .key = { .vm = 1, .kind = OBSERVE_CPUID, .selector = e->function, .address = e->flags & 1 ? e->index : 0 },
		.value = { .boot = 1, .flags = e->flags >> 1 & 1 ? OBSERVE_MAX_BASIC : OBSERVE_FOUND } };

	memcpy(fact.value.data, e->regs, sizeof(e->regs));
	fact_put(f, &fact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inventory_cpuid_entry entries[ENTRIES_MAX];
	struct guest_facts *f = facts_of_boot();
	uint32_t count = 0, part, vcpus;
	uint8_t how;

	take(&data, &size, &how, 1);
	vcpus = 1 + (how & 3);
	while (size && count < ENTRIES_MAX)
		take(&data, &size, &entries[count++], sizeof(entries[0]));
	part = count / vcpus;
	for (uint32_t v = 0; v < vcpus && !(how & 8); v++)
		put_table(f, v * (1 + (how >> 6)), entries + v * part, v + 1 == vcpus ? count - v * part : part);
	for (uint32_t i = 0; i < count && (how & 4); i++)
		put_answer(f, &entries[i]);
	derive_and_check(f);
	facts_free(f);
	return 0;
}
