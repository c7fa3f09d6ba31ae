// SPDX-License-Identifier: Apache-2.0
/*
 * Facts of every kind (ports, MMIO, MSRs, registers, fw_cfg, hot-plug, CPUID, PCI), memory slots, losses and areas of memory, as records that
 * the stream's own reader took: the facets made of them, what is kept of them, and them merged with themselves.
 */
#include "tests/fuzz/fuzz.h"

#include "userspace/stream/record.h"

/* Keys that mean something, so that the fuzzer need not find them among 2^64. */
static const struct { uint8_t kind, width; uint32_t selector; uint64_t address; } known_keys[] = {
	{ OBSERVE_PORT, 1, 0x70, 0 }, { OBSERVE_PORT, 4, 0x608, 0 }, { OBSERVE_MMIO, 4, 0, 0xfee00000 }, { OBSERVE_MMIO, 4, 0, 0xd0000000 },
	{ OBSERVE_MSR, 0, 0x1b, 0 }, { OBSERVE_MSR, 0, 0x10a, 0 }, { OBSERVE_MSR, 0, 0x480, 0 }, { OBSERVE_MSR, 0, 0xc0010131, 0 },
	{ OBSERVE_REGISTER, 4, OBSERVE_SPACE_MEMORY, 0xfec00010 }, { OBSERVE_REGISTER, 4, OBSERVE_SPACE_MEMORY | 1 << 8, 0xfec00010 },
	{ OBSERVE_REGISTER, 4, OBSERVE_SPACE_MEMORY, 0xfed00000 }, { OBSERVE_REGISTER, 4, OBSERVE_SPACE_PORT, 0x510 }, { OBSERVE_REGISTER, 1, OBSERVE_SPACE_PORT, 0x92 },
	{ OBSERVE_FWCFG, 0, 0, 0 }, { OBSERVE_FWCFG, 0, 1, 0 }, { OBSERVE_FWCFG, 0, 5, 0 }, { OBSERVE_FWCFG, 0, 0x19, 0 }, { OBSERVE_FWCFG, 0, 0x19, 8 }, { OBSERVE_FWCFG, 0, 0x8003, 8 },
	{ OBSERVE_EJECT, 0, OBSERVE_EJECT_PCI_PIIX, 0 }, { OBSERVE_EJECT, 0, OBSERVE_EJECT_CPU_ICH9, 0 }, { OBSERVE_EJECT, 0, OBSERVE_EJECT_MEMORY, 0 },
	{ OBSERVE_CPUID, 0, 1, 0 }, { OBSERVE_PCI, 0, 0, 0 },
};

static void add_fact(struct guest_facts *f, uint8_t which, const uint8_t **data, size_t *size)
{
	struct record_fact fact = { 0 };

	if (which < sizeof(known_keys) / sizeof(known_keys[0])) {
		fact.key = (struct observe_key){ .kind = known_keys[which].kind, .width = known_keys[which].width, .selector = known_keys[which].selector,
			.address = known_keys[which].address };
	} else {
		uint16_t low;

		fact.key.kind = 1 + which % OBSERVE_KIND_LAST;
		take(data, size, &fact.key.width, 1);
		take(data, size, &fact.key.selector, sizeof(fact.key.selector));
		take(data, size, &low, sizeof(low));
		fact.key.address = low * (which & 0x80 ? 0x1000ull : 1);
		if (which & 0x40)
			take(data, size, &fact.key.address, sizeof(fact.key.address));
	}
	take(data, size, &fact.value.flags, sizeof(fact.value.flags));
	take(data, size, &fact.value.known, 1);
	take(data, size, &fact.value.all_ones, 1);
	take(data, size, fact.value.data, sizeof(fact.value.data));
	fact.key.vm = 1;
	fact.value.boot = 1;
	fact_put(f, &fact);
}

static void add_slots(struct guest_facts *f, uint8_t count, const uint8_t **data, size_t *size)
{
	struct record_header header = { .type = RECORD_SLOTS, .vm = 1, .boot = 1 };
	struct record_slots head = { .count = count, .complete = 1 };
	struct buffer body = BUFFER_INIT;
	uint64_t gpa = 0;

	buffer_append(&body, &head, sizeof(head));
	for (uint8_t i = 0; i < count; i++) {
		struct record_slot slot = { .id = i };
		uint16_t gap, pages;
		uint8_t shift;

		take(data, size, &gap, sizeof(gap));
		take(data, size, &pages, sizeof(pages));
		take(data, size, &shift, 1);
		take(data, size, &slot.flags, 1);
		slot.gpa = gpa + ((uint64_t)gap << (12 + shift % 20));
		slot.bytes = ((uint64_t)pages + 1) << (12 + (shift >> 4));
		gpa = slot.gpa + slot.bytes;
		buffer_append(&body, &slot, sizeof(slot));
	}
	require(!buffer_failed(&body));
	facts_add(f, &header, body.data, body.size, NULL);
	buffer_release(&body);
}

static void add_record(struct guest_facts *f, uint16_t type, uint8_t bytes, const uint8_t **data, size_t *size)
{
	struct buffer whole = BUFFER_INIT;
	struct record_header header = { .type = type, .vm = 1, .boot = 1 }, got;
	const void *body;
	uint8_t room[256];
	size_t body_bytes, used;

	take(data, size, room, bytes);
	require(record_put(&whole, &header, room, bytes, NULL, 0) == 0);
	if (record_parse(whole.data, whole.size, &got, &body, &body_bytes, &used, NULL) == 1) {
		void *aligned = malloc(body_bytes + 1);

		require(aligned != NULL);
		memcpy(aligned, body, body_bytes);
		facts_add(f, &got, aligned, body_bytes, NULL);
		free(aligned);
	}
	buffer_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = { RECORD_VM, RECORD_COVERAGE, RECORD_LOSS, RECORD_MEMORY, RECORD_CPUID, RECORD_SLOTS };
	struct guest_facts *f = facts_of_boot(), *copy;
	struct buffer text = BUFFER_INIT, second = BUFFER_INIT;

	while (size) {
		uint8_t op, more;

		take(&data, &size, &op, 1);
		take(&data, &size, &more, 1);
		if (op < 0xc0)
			add_fact(f, op, &data, &size);
		else if (op < 0xd0)
			add_slots(f, more & 31, &data, &size);
		else
			add_record(f, types[op % (sizeof(types) / sizeof(types[0]))], more, &data, &size);
	}
	derive_and_check(f);
	copy = facts_clone(f);
	require(copy && facts_serialize(f, &text) == 0 && facts_merge(f, copy) == 0 && facts_serialize(f, &second) == 0 && same_bytes(&text, &second));
	buffer_release(&text);
	buffer_release(&second);
	facts_free(copy);
	facts_free(f);
	return 0;
}
