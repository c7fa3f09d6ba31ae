/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observation streams for tests, in one line per record:
 *
 *	struct records s = RECORDS_INIT;             // VM 1, boot 1, one second after the host's boot
 *	records_hello(&s);
 *	records_vm(&s, "pid", "4711", "kind", "qemu", "arg", "-M", "arg", "q35", NULL);
 *	records_boot(&s, OBSERVE_REASON_CREATED, true);
 *	records_port(&s, 0x510, 1, OBSERVE_ANSWERED, 0);
 *	s.at_ns += 10 * RECORDS_SECOND;              // time passes where the test says so
 *	records_tick(&s);
 *	... s.out.data, s.out.size ...
 *	records_release(&s);
 *
 * `vm`, `boot` and `at_ns` are plain members: set them between two calls.
 */
#ifndef ABIDRIFT_TESTS_RECORDS_H
#define ABIDRIFT_TESTS_RECORDS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "userspace/base/buffer.h"
#include "userspace/stream/record.h"

#define RECORDS_SECOND 1000000000ull
#define RECORDS_REALTIME_NS 1767225600000000000ll /* 2026-01-01T00:00:00Z was at_ns 0 */

struct records {
	struct buffer out;
	uint64_t vm;
	uint64_t seq;   /* of the last record */
	uint64_t at_ns;
	uint32_t boot;
	size_t count;
};

#define RECORDS_INIT { .vm = 1, .boot = 1, .at_ns = RECORDS_SECOND }

static inline void records_release(struct records *s)
{
	buffer_release(&s->out);
}

/* ---- one record of any type; `more` may be NULL. A test that cannot build its input ends at once. */
static inline void records_add(struct records *s, uint16_t type, uint64_t vm, uint32_t boot, const void *body, size_t bytes,
			       const void *more, size_t more_bytes)
{
	struct record_header header = { .type = type, .vm = vm, .boot = boot, .seq = ++s->seq, .at_ns = s->at_ns };

	if (record_put(&s->out, &header, body, bytes, more, more_bytes) < 0)
		abort();
	s->count++;
}

/* ---- bodies alone, for tests that feed them without a stream */
static inline void records_pairs_body_v(struct buffer *body, va_list args)
{
	const char *key;

	while ((key = va_arg(args, const char *)) != NULL)
		record_pair_put(body, key, va_arg(args, const char *));
}

__attribute__((sentinel)) static inline void records_pairs_body(struct buffer *body, ...)
{
	va_list args;

	va_start(args, body);
	records_pairs_body_v(body, args);
	va_end(args);
}

static inline void records_cpuid_body(struct buffer *body, uint32_t vcpu_id, bool ran, const struct inventory_cpuid_entry *entries,
				      uint32_t count)
{
	struct record_cpuid head = { .vcpu_id = vcpu_id, .ran = ran, .count = count };

	buffer_append(body, &head, sizeof(head));
	buffer_append(body, entries, count * sizeof(*entries));
}

static inline void records_slots_body(struct buffer *body, bool complete, const struct record_slot *slots, uint32_t count)
{
	struct record_slots head = { .count = count, .complete = complete };

	buffer_append(body, &head, sizeof(head));
	buffer_append(body, slots, count * sizeof(*slots));
}

/* ---- about the host */
static inline void records_clock(struct records *s, uint16_t type)
{
	struct record_hello hello = { .format = RECORD_FORMAT, .realtime_ns = RECORDS_REALTIME_NS + (int64_t)s->at_ns };

	records_add(s, type, 0, 0, &hello, sizeof(hello), NULL, 0);
}

static inline void records_hello(struct records *s)
{
	records_clock(s, RECORD_HELLO);
}

static inline void records_tick(struct records *s)
{
	records_clock(s, RECORD_TICK);
}

static inline void records_synced(struct records *s)
{
	records_add(s, RECORD_SYNCED, 0, 0, NULL, 0, NULL, 0);
}

/* HOST, CONFIG, COVERAGE: key, value, …, NULL. */
__attribute__((sentinel)) static inline void records_host(struct records *s, uint16_t type, ...)
{
	struct buffer body = BUFFER_INIT;
	va_list args;

	va_start(args, type);
	records_pairs_body_v(&body, args);
	va_end(args);
	records_add(s, type, 0, 0, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

static inline void records_loss(struct records *s, uint32_t stage, uint32_t class, uint64_t count)
{
	struct record_loss loss = { .stage = stage, .class = class, .count = count };

	records_add(s, RECORD_LOSS, stage == RECORD_LOSS_QUOTA ? s->vm : 0, 0, &loss, sizeof(loss), NULL, 0);
}

/* ---- about the VM `vm` */
__attribute__((sentinel)) static inline void records_vm(struct records *s, ...)
{
	struct buffer body = BUFFER_INIT;
	va_list args;

	va_start(args, s);
	records_pairs_body_v(&body, args);
	va_end(args);
	records_add(s, RECORD_VM, s->vm, 0, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

static inline void records_gone(struct records *s, const char *reason)
{
	struct buffer body = BUFFER_INIT;

	record_pair_put(&body, "reason", reason);
	records_add(s, RECORD_GONE, s->vm, 0, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

/* The boot `s->boot` begins now. */
static inline void records_boot(struct records *s, uint32_t reason, bool from_reset)
{
	struct record_boot boot = { .reason = reason, .from_reset = from_reset, .began_ns = s->at_ns, .token = 1000 + s->boot };

	records_add(s, RECORD_BOOT, s->vm, s->boot, &boot, sizeof(boot), NULL, 0);
}

static inline void records_cpuid(struct records *s, uint32_t vcpu_id, bool ran, const struct inventory_cpuid_entry *entries, uint32_t count)
{
	struct buffer body = BUFFER_INIT;

	records_cpuid_body(&body, vcpu_id, ran, entries, count);
	records_add(s, RECORD_CPUID, s->vm, s->boot, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

static inline void records_slots(struct records *s, bool complete, const struct record_slot *slots, uint32_t count)
{
	struct buffer body = BUFFER_INIT;

	records_slots_body(&body, complete, slots, count);
	records_add(s, RECORD_SLOTS, s->vm, s->boot, body.data, body.size, NULL, 0);
	buffer_release(&body);
}

/* ---- facts. `vm`, `boot` and `changed_ns` of the fact are those of the stream. */
static inline void records_fact(struct records *s, const struct record_fact *fact)
{
	struct record_fact f = *fact;

	f.key.vm = s->vm;
	f.value.boot = s->boot;
	if (f.value.changed_ns == 0)
		f.value.changed_ns = s->at_ns;
	records_add(s, RECORD_FACT, s->vm, s->boot, &f, sizeof(f), NULL, 0);
}

static inline void records_cpuid_answer(struct records *s, uint32_t leaf, uint32_t subleaf, uint16_t flags, const uint32_t regs[4])
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_CPUID, .selector = leaf, .address = subleaf },
		.value = { .flags = flags, .data = { regs[0], regs[1], regs[2], regs[3] } },
	};

	records_fact(s, &f);
}

/* Width in bytes; `all_ones` = reads that gave all ones. */
static inline void records_port(struct records *s, uint16_t port, uint8_t width, uint16_t flags, uint32_t all_ones)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_PORT, .selector = port, .width = width },
		.value = { .flags = flags, .all_ones = all_ones },
	};

	records_fact(s, &f);
}

static inline void records_mmio(struct records *s, uint64_t page_gpa, uint8_t width, uint16_t flags, uint32_t all_ones)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_MMIO, .address = page_gpa, .width = width },
		.value = { .flags = flags, .all_ones = all_ones },
	};

	records_fact(s, &f);
}

#define RECORDS_BDF(bus, device, function) ((uint32_t)(bus) << 8 | (uint32_t)(device) << 3 | (uint32_t)(function))

/* A configuration dword of which the bytes in `known` (bit n = byte n) were read. */
static inline void records_pci(struct records *s, uint32_t bdf, uint16_t reg, uint32_t value, uint8_t known)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_PCI, .selector = bdf, .address = reg },
		.value = { .known = known, .data = { value } },
	};

	records_fact(s, &f);
}

/* Function `function` of the devices in `devices` (bit n = device n) answered all ones. */
static inline void records_pci_absent(struct records *s, uint8_t bus, uint8_t function, uint32_t devices)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_PCI_ABSENT, .selector = bus, .address = function },
		.value = { .data = { devices } },
	};

	records_fact(s, &f);
}

/* The answer to an all-ones write to a BAR or ROM register. */
static inline void records_pci_size(struct records *s, uint32_t bdf, uint16_t reg, uint32_t answer)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_PCI_SIZE, .selector = bdf, .address = reg },
		.value = { .known = 0xf, .data = { answer } },
	};

	records_fact(s, &f);
}

static inline void records_pci_placed(struct records *s, uint32_t bdf, uint16_t reg, uint32_t value)
{
	struct record_fact f = {
		.key = { .kind = OBSERVE_PCI_PLACED, .selector = (uint32_t)reg << 16 | bdf, .address = value },
		.value = { .known = 0xf, .data = { value } },
	};

	records_fact(s, &f);
}

#endif
