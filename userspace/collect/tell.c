/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "userspace/base/buffer.h"
#include "userspace/collect/output.h"
#include "userspace/collect/vms.h"

#define NS_PER_S 1000000000ull

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t tell_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static struct record_header header_of(enum record_type type, const struct vm *vm)
{
	return (struct record_header){ .type = type, .vm = vm ? vm->id : 0, .boot = vm ? vm->boot : 0, .at_ns = tell_now() };
}

void tell_clock(struct output *o, unsigned sinks, enum record_type type)
{
	struct record_header h = header_of(type, NULL);
	struct record_hello hello = { .format = RECORD_FORMAT, .realtime_ns = (int64_t)clock_ns(CLOCK_REALTIME) };

	output_put(o, sinks, &h, &hello, sizeof(hello), NULL, 0);
}

void tell_host(struct output *o, unsigned sinks, enum record_type type, const struct buffer *pairs)
{
	struct record_header h = header_of(type, NULL);

	output_put(o, sinks, &h, pairs ? pairs->data : NULL, pairs ? pairs->size : 0, NULL, 0);
}

static void tell_description(struct output *o, unsigned sinks, const struct vm *vm)
{
	struct record_header h = header_of(RECORD_VM, vm);
	struct buffer pairs = BUFFER_INIT;
	char fd[16], ecam[48];

	h.boot = 0;
	snprintf(fd, sizeof(fd), "%d", vm->fd);
	if (vm->fd >= 0)
		record_pair_put(&pairs, "fd", fd);
	record_pair_put(&pairs, "replaced", vm->owner->replaced ? "1" : "0");
	if (vm->ecam.bytes) {
		snprintf(ecam, sizeof(ecam), "0x%" PRIx64 " 0x%" PRIx32, vm->ecam.base, vm->ecam.bytes);
		record_pair_put(&pairs, "ecam", ecam);
	}
	if (!buffer_failed(&pairs))
		output_put(o, sinks, &h, vm->owner->pairs.data, vm->owner->pairs.size, pairs.data, pairs.size);
	buffer_release(&pairs);
}

static void tell_boot(struct output *o, unsigned sinks, const struct vm *vm)
{
	struct record_header h = header_of(RECORD_BOOT, vm);
	struct record_boot boot = { .reason = vm->reason, .from_reset = vm->from_reset, .began_ns = vm->boot_ns, .token = vm->token };

	output_put(o, sinks, &h, &boot, sizeof(boot), NULL, 0);
}

static void tell_table(struct output *o, unsigned sinks, const struct vm *vm, const struct vm_table *t)
{
	struct record_header h = header_of(RECORD_CPUID, vm);
	struct record_cpuid cpuid = { .vcpu_id = t->vcpu_id, .ran = t->ran, .count = t->count };

	output_put(o, sinks, &h, &cpuid, sizeof(cpuid), t->entries, t->count * sizeof(*t->entries));
}

static void tell_slots(struct output *o, unsigned sinks, const struct vm *vm)
{
	struct record_header h = header_of(RECORD_SLOTS, vm);
	struct record_slots slots = { .count = (uint32_t)vm->slot_count, .complete = vm->slots_complete };

	output_put(o, sinks, &h, &slots, sizeof(slots), vm->slots, vm->slot_count * sizeof(*vm->slots));
}

static void tell_area(struct output *o, unsigned sinks, const struct vm *vm, const struct vm_area *a)
{
	struct record_header h = header_of(RECORD_MEMORY, vm);

	output_put(o, sinks, &h, a->body.data, a->body.size, NULL, 0);
}

void tell_vm_whole(struct output *o, unsigned sinks, const struct vm *vm)
{
	tell_description(o, sinks, vm);
	tell_boot(o, sinks, vm);
	for (size_t i = 0; i < vm->table_count; i++)
		if (vm->tables[i].count)
			tell_table(o, sinks, vm, &vm->tables[i]);
	if (vm->slots_known)
		tell_slots(o, sinks, vm);
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++)
		if (vm->areas[i].told)
			tell_area(o, sinks, vm, &vm->areas[i]);
	for (uint32_t class = 0; class < OBSERVE_CLASSES; class++)
		if (vm->overflow[class])
			tell_loss(o, sinks, vm, RECORD_LOSS_QUOTA, class, vm->overflow[class]);
}

void tell_vm_news(struct output *o, struct vm *vm)
{
	if (!vm->dirty)
		return;
	if (vm->dirty & VM_DIRTY_VM)
		tell_description(o, vm->announced, vm);
	if (vm->dirty & VM_DIRTY_BOOT)
		tell_boot(o, vm->announced, vm);
	for (size_t i = 0; i < vm->table_count; i++) {
		if (vm->tables[i].dirty)
			tell_table(o, vm->announced, vm, &vm->tables[i]);
		vm->tables[i].dirty = false;
	}
	if (vm->dirty & VM_DIRTY_SLOTS)
		tell_slots(o, vm->announced, vm);
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++) {
		if (vm->areas[i].dirty)
			tell_area(o, vm->announced, vm, &vm->areas[i]);
		vm->areas[i].dirty = false;
	}
	vm->dirty = 0;
}

void tell_fact(struct output *o, unsigned sinks, const struct vm *vm, uint64_t at_ns, const struct observe_key *key, const struct observe_value *value)
{
	struct record_header h = header_of(RECORD_FACT, vm);

	h.at_ns = at_ns;
	output_put(o, sinks, &h, key, sizeof(*key), value, sizeof(*value));
}

void tell_gone(struct output *o, const struct vm *vm, const char *reason)
{
	struct record_header h = header_of(RECORD_GONE, vm);
	struct buffer pairs = BUFFER_INIT;

	record_pair_put(&pairs, "reason", reason);
	output_put(o, vm->announced, &h, pairs.data, pairs.size, NULL, 0);
	buffer_release(&pairs);
}

void tell_loss(struct output *o, unsigned sinks, const struct vm *vm, enum record_loss_stage stage, uint32_t class, uint64_t count)
{
	struct record_header h = header_of(RECORD_LOSS, vm);
	struct record_loss loss = { .stage = stage, .class = class, .count = count };

	output_put(o, sinks, &h, &loss, sizeof(loss), NULL, 0);
}
