// SPDX-License-Identifier: Apache-2.0
/*
 * PCI configuration as a guest may have found it: a byte says what comes, then the function, the register and what was read there. Bridges,
 * capabilities, BARs, names and placement are made of it.
 */
#include "tests/fuzz/fuzz.h"

enum { READ_LOW, READ, EXTENDED, SIZE, PLACED, ABSENT, HEADER, SLOT, OPS };

/* A function that answers, so that not every input has to guess one. */
static void put_header(struct guest_facts *f, uint32_t bdf, uint32_t value)
{
	const uint32_t dwords[][2] = { { 0x00, 0x10001af4 }, { 0x04, 0x00100000 }, { 0x08, value << 8 }, { 0x0c, (value & 0x81) << 16 }, { 0x2c, 0x11001af4 }, { 0x34, 0x40 } };

	for (size_t i = 0; i < sizeof(dwords) / sizeof(dwords[0]); i++)
		fact_put(f, &(struct record_fact){ .key = { .vm = 1, .kind = OBSERVE_PCI, .selector = bdf, .address = dwords[i][0] },
			.value = { .boot = 1, .known = 0xf, .data = { dwords[i][1] } } });
}

static void put(struct guest_facts *f, unsigned op, uint32_t bdf, uint8_t where, uint8_t known, uint32_t value)
{
	struct record_fact fact = { .key = { .vm = 1, .kind = OBSERVE_PCI, .selector = bdf, .address = where & 0xfc },
		.value = { .boot = 1, .known = (known & 0xf) ? known & 0xf : 0xf, .data = { value } } };

	switch (op) {
	case READ_LOW:
		fact.key.address = where & 0x3c;
		break;
	case EXTENDED:
		fact.key.address = 0x100 + where * 4u;
		break;
	case SIZE:
		fact.key.kind = OBSERVE_PCI_SIZE;
		fact.key.address = 0x10 + (where & 0x3c) % 0x2c;
		fact.value.flags = known & OBSERVE_SIZING;
		break;
	case PLACED:
		fact.key.kind = OBSERVE_PCI_PLACED;
		fact.key.selector = (0x10u + (where & 0x3c) % 0x24) << 16 | bdf;
		fact.key.address = value;
		break;
	case ABSENT:
		fact.key.kind = OBSERVE_PCI_ABSENT;
		fact.key.selector = bdf >> 8;
		fact.key.address = where & 7;
		break;
	case HEADER:
		put_header(f, bdf, value);
		return;
	case SLOT:
		fact.key.kind = OBSERVE_EJECT;
		fact.key.selector = where & 1 ? OBSERVE_EJECT_SLOT | bdf : OBSERVE_EJECT_PCI_ICH9;
		fact.key.address = where & 1 ? 0 : bdf >> 8;
		break;
	default:
		break;
	}
	fact_put(f, &fact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_facts *f = facts_of_boot();

	while (size) {
		uint8_t op, where, known, bus, devfn;
		uint32_t value;

		take(&data, &size, &op, 1);
		take(&data, &size, &bus, 1);
		take(&data, &size, &devfn, 1);
		take(&data, &size, &where, 1);
		take(&data, &size, &known, 1);
		take(&data, &size, &value, sizeof(value));
		put(f, op % OPS, (uint32_t)bus << 8 | devfn, where, known, value);
	}
	derive_and_check(f);
	facts_free(f);
	return 0;
}
