/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/readings.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/capability.h"
#include "userspace/collect/ecam.h"
#include "userspace/collect/kernel.h"
#include "userspace/collect/reader.h"
#include "userspace/collect/tables.h"
#include "userspace/collect/vms.h"

#define MS 1000000ull
#define S (1000 * MS)
#define DELAY_MIN_NS (100 * MS)
#define DELAY_MAX_NS (2 * S)
#define QUIET_NS (2 * S)           /* a guest without firmware that has no news for so long has its tables, or has none */
#define QUIET_FIRMWARE_NS (10 * S) /* UEFI unpacks itself without exits, and any firmware rests on a busy host */
#define PATIENCE_NS (60 * S)      /* after a reset, however busy the guest is */
#define AGAIN_MIN_NS (2 * S)      /* what is not whole is read again when there is news after so long, ever more seldom in one boot */
#define AGAIN_MAX_NS (600 * S)
#define STUCK_MAX 2               /* readings of an area that may hang in one boot */

#define KVM_SLOT_READ_ONLY (1u << 1)    /* KVM_MEM_READONLY */
#define KVM_SLOT_GUEST_MEMFD (1u << 2)  /* KVM_MEM_GUEST_MEMFD */
#define FIRMWARE_GPA (1ull << 20)

void readings_begin(struct vm *vm, bool running, uint64_t now_ns)
{
	struct vm_reading *r = &vm->reading;

	for (unsigned area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++) {
		buffer_release(&vm->areas[area].body);
		vm->areas[area] = (struct vm_area){ .body = BUFFER_INIT };
	}
	r->since_ns = now_ns;
	r->delay_ns = DELAY_MIN_NS;
	r->due_ns = running ? now_ns : now_ns + DELAY_MIN_NS;
	r->news_ns = 0;
	r->again_ns = AGAIN_MIN_NS;
	r->asked = 0;
}

static bool all_whole(const struct vm *vm)
{
	for (unsigned area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++)
		if (!vm->areas[area].whole)
			return false;
	return true;
}

void readings_news(struct vm *vm, uint64_t now_ns)
{
	struct vm_reading *r = &vm->reading;
	uint64_t at = now_ns;

	/* What came too early is not forgotten: a guest that was migrated here while nothing more was expected may have no other news. */
	if (r->news_ns && at < r->read_ns + r->again_ns)
		at = r->read_ns + r->again_ns;
	r->news_ns = now_ns;
	if (r->due_ns || r->asked || all_whole(vm))
		return;
	r->again_ns = r->again_ns * 2 < AGAIN_MAX_NS ? r->again_ns * 2 : AGAIN_MAX_NS;
	r->since_ns = at;
	r->delay_ns = DELAY_MIN_NS;
	r->due_ns = at + DELAY_MIN_NS;
}

static uint64_t quiet_since(const struct vm *vm)
{
	const struct vm_reading *r = &vm->reading;

	return r->news_ns > r->since_ns ? r->news_ns : r->since_ns;
}

static bool is_firmware(const struct record_slot *slot)
{
	return slot->flags & KVM_SLOT_READ_ONLY && slot->gpa >= FIRMWARE_GPA;
}

static uint64_t quiet_ns(const struct vm *vm)
{
	for (size_t i = 0; i < vm->slot_count; i++)
		if (is_firmware(&vm->slots[i]))
			return QUIET_FIRMWARE_NS;
	return QUIET_NS;
}

/* The read-only memory is another one than before: it is read again. FNV-1a over where it is. */
static uint64_t firmware_slots(const struct vm *vm)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < vm->slot_count; i++) {
		const uint64_t parts[] = { vm->slots[i].gpa, vm->slots[i].bytes, vm->slots[i].hva };

		for (size_t n = 0; is_firmware(&vm->slots[i]) && n < sizeof(parts); n++)
			hash = (hash ^ (parts[n / 8] >> (n % 8 * 8) & 0xff)) * 0x100000001b3ull;
	}
	return hash;
}

void readings_slots(struct vm *vm, uint64_t now_ns)
{
	struct vm_reading *r = &vm->reading;

	if (!r->read_ns || now_ns > r->since_ns + PATIENCE_NS || r->firmware_slots == firmware_slots(vm))
		return;
	vm->areas[RECORD_AREA_FIRMWARE].confirmed = false;
	if (!r->asked && (!r->due_ns || r->due_ns > now_ns + DELAY_MIN_NS))
		r->due_ns = now_ns + DELAY_MIN_NS;
}

static unsigned areas_wanted(const struct vm *vm)
{
	unsigned wanted = 0;

	for (unsigned area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++)
		if (!vm->areas[area].confirmed && vm->areas[area].stuck < STUCK_MAX)
			wanted |= 1u << area;
	return wanted;
}

static void tell_area(struct readings *r, struct vm *vm, enum record_area area)
{
	struct vm_area *a = &vm->areas[area];
	struct ecam ecam;

	a->dirty = true;
	vm->dirty |= VM_DIRTY_PARTS;
	if (area != RECORD_AREA_ACPI || !ecam_of_tables(a->body.data, a->body.size, &ecam))
		return;
	if (ecam.base == vm->ecam.base && ecam.bytes == vm->ecam.bytes)
		return;
	vm->ecam = ecam;
	vm->dirty |= VM_DIRTY_VM;
	kernel_ecam_set(r->kernel, vm->id, ecam.base, ecam.bytes);
}

static void take_body(struct readings *r, struct vm *vm, enum record_area area, const void *body, size_t bytes, bool tell)
{
	struct vm_area *a = &vm->areas[area];

	if (a->body.size == bytes && bytes && !memcmp(a->body.data, body, bytes)) {
		if (tell && !a->told)
			tell_area(r, vm, area);
		a->told |= tell;
		return;
	}
	buffer_clear(&a->body);
	buffer_append(&a->body, body, bytes);
	if (buffer_failed(&a->body)) {
		buffer_release(&a->body);
		return;
	}
	a->told = tell;
	if (tell)
		tell_area(r, vm, area);
}

/* Why an area has nothing, for good in this boot or until the guest wakes up. */
static void take_reason(struct readings *r, struct vm *vm, enum record_area area, const char *reason)
{
	struct buffer body = BUFFER_INIT;

	tables_put_reason(&body, area, reason);
	if (!buffer_failed(&body))
		take_body(r, vm, area, body.data, body.size, true);
	buffer_release(&body);
}

/* Nothing is to be expected any more: what was not told yet is told as it is. */
static void patience_over(struct readings *r, struct vm *vm, const char *otherwise)
{
	for (unsigned area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++) {
		struct vm_area *a = &vm->areas[area];

		if (a->told)
			continue;
		if (a->body.size) {
			a->told = true;
			tell_area(r, vm, (enum record_area)area);
		} else {
			take_reason(r, vm, (enum record_area)area, otherwise);
		}
	}
	vm->reading.due_ns = 0;
}

/* Nothing of it is judged yet, and what its memory lacks may be under way to it (a migration): all is read when it runs. */
static bool never_ran(const struct vm *vm)
{
	return vm->reason == OBSERVE_REASON_CREATED && !vm->reading.news_ns;
}

static void schedule(struct readings *r, struct vm *vm, uint64_t now)
{
	struct vm_reading *v = &vm->reading;
	uint64_t quiet_at = quiet_since(vm) + quiet_ns(vm), end = v->since_ns + PATIENCE_NS;
	unsigned wanted = areas_wanted(vm);
	bool lacking = false;

	for (unsigned area = RECORD_AREA_ACPI; area <= RECORD_AREA_LAST; area++)
		lacking |= wanted >> area & 1 && !vm->areas[area].whole;
	if (now >= end || !wanted || (lacking && v->read_ns >= quiet_at)) {
		v->due_ns = 0;
		if (!never_ran(vm))
			patience_over(r, vm, "it could not be read");
		return;
	}
	v->due_ns = quiet_at > now ? quiet_at : now + DELAY_MIN_NS;
	if (lacking) {
		if (now + v->delay_ns < v->due_ns || quiet_at <= now)
			v->due_ns = now + v->delay_ns;
		v->delay_ns = v->delay_ns * 2 < DELAY_MAX_NS ? v->delay_ns * 2 : DELAY_MAX_NS;
	}
	if (v->due_ns > end)
		v->due_ns = end;
}

static const char *why_not(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return "reading the guest's memory did not end: a page of it is held back (userfaultfd?)";
	case -EPERM:
	case -EACCES:
		if (!(capability_effective() & CAPABILITY(CAP_SYS_PTRACE)))
			return "the guest's memory may not be read: CAP_SYS_PTRACE is missing";
		if (!(capability_effective() & CAPABILITY(CAP_DAC_READ_SEARCH)))
			return "the guest's memory may not be read, since it is another user's: CAP_DAC_READ_SEARCH is missing";
		return "the guest's memory may not be read: kernel.yama.ptrace_scope is 3, or a security module forbids it";
	default:
		return "the guest's memory cannot be read";
	}
}

static void take_answer(void *context, uint64_t id, uint32_t boot, enum record_area area, int err, const void *body, size_t bytes)
{
	struct readings *r = context;
	struct vm *vm = vms_find(r->vms, id);
	struct record_memory head;
	struct vm_area *a;
	bool quiet;

	if (!vm || vm->boot != boot)
		return;
	a = &vm->areas[area];
	quiet = vm->reading.read_ns >= quiet_since(vm) + quiet_ns(vm) || vm->reading.read_ns >= vm->reading.since_ns + PATIENCE_NS;
	vm->reading.asked &= ~(1u << area);
	vm->reading.hung += err == -ETIMEDOUT;
	if (err == -ETIMEDOUT && ++a->stuck == STUCK_MAX && !a->whole)
		take_reason(r, vm, area, why_not(err));
	if (err == -EPERM || err == -EACCES) {
		a->stuck = STUCK_MAX;
		take_reason(r, vm, area, why_not(err));
	}
	if (!err && bytes >= sizeof(head)) {
		memcpy(&head, body, sizeof(head));
		if (head.whole || !a->whole)
			take_body(r, vm, area, body, bytes, head.whole);
		a->whole |= head.whole;
		/* The firmware's own bytes do not move. */
		a->confirmed = a->whole && (quiet || area == RECORD_AREA_FIRMWARE);
	}
	if (!vm->reading.asked)
		schedule(r, vm, vm->reading.read_ns);
}

/* Why this guest's memory is not looked at (yet), or NULL. */
static const char *refused(const struct vm *vm, bool *ret_yet)
{
	*ret_yet = false;
	if (vm->is_private || vm->owner->confidential)
		return "the guest's memory is private: only the guest can read it";
	for (size_t i = 0; i < vm->slot_count; i++)
		if (vm->slots[i].flags & KVM_SLOT_GUEST_MEMFD)
			return "the guest's memory is private (guest_memfd): only the guest can read it";
	*ret_yet = !vm->slot_count;
	return vm->slot_count ? NULL : "where the guest's memory is is not known";
}

/*
 * The tables of the boot before lie in memory until firmware wipes or builds them anew, which it does not before it has looked
 * for PCI functions: whatever is there until then is not this boot's. Memory of a new VM holds nothing old.
 */
static bool may_be_old(const struct readings *r, const struct vm *vm, uint64_t now)
{
	return vm->reason != OBSERVE_REASON_CREATED && vm->from_reset && !vm->scanned && now < quiet_since(vm) + quiet_ns(vm) &&
	       !kernel_blind(r->kernel, OBSERVE_PCI);
}

/* True: it was asked for. */
static bool ask(struct readings *r, struct vm *vm, uint64_t now)
{
	struct vm_reading *v = &vm->reading;
	bool yet;
	const char *reason = refused(vm, &yet);
	struct reader_request request = { .vm = vm->id, .boot = vm->boot, .pid = vm->owner->process.pid, .start = vm->owner->process.start,
		.slots = vm->slots, .count = vm->slot_count, .cut = !vm->slots_complete };

	v->read_ns = now;
	if (reason && (!yet || now >= v->since_ns + PATIENCE_NS)) {
		patience_over(r, vm, reason);
		return false;
	}
	if (reader_blind(r->reader)) {
		patience_over(r, vm, reader_blind(r->reader));
		return false;
	}
	if (v->firmware_slots != firmware_slots(vm))
		vm->areas[RECORD_AREA_FIRMWARE].confirmed = false;
	v->firmware_slots = firmware_slots(vm);
	request.areas = areas_wanted(vm);
	if (may_be_old(r, vm, now))
		request.areas &= 1u << RECORD_AREA_FIRMWARE;
	/* Not before another reading of its slots; and what has become known since may have made all of it sure. */
	if (reason || !request.areas || reader_ask(r->reader, &request, now) < 0) {
		schedule(r, vm, now);
		return false;
	}
	v->asked = request.areas;
	v->due_ns = 0;
	return true;
}

/* Only whole tables are left to be confirmed, and there was news since: later. */
static bool postponed(struct vm *vm, uint64_t now)
{
	struct vm_reading *v = &vm->reading;
	uint64_t quiet_at = quiet_since(vm) + quiet_ns(vm), end = v->since_ns + PATIENCE_NS;

	if (!all_whole(vm) || now >= end || quiet_at <= now)
		return false;
	v->due_ns = quiet_at < end ? quiet_at : end;
	return true;
}

static bool is_due(const struct vm *vm, uint64_t now)
{
	return vm->announced && vm->reading.due_ns && vm->reading.due_ns <= now;
}

/* One whose readings hang makes all others wait, in each of its boots: it comes last. */
static bool goes_before(const struct vm *a, const struct vm *b)
{
	if (a->reading.hung != b->reading.hung)
		return a->reading.hung < b->reading.hung;
	return a->reading.due_ns < b->reading.due_ns;
}

void readings_work(struct readings *r, uint64_t now)
{
	if (!r->reader)
		return;
	reader_work(r->reader, now, take_answer, r);
	while (reader_idle(r->reader) || reader_blind(r->reader)) {
		struct vm *next = NULL;

		for (struct vm *vm = r->vms->list; vm; vm = vm->next)
			if (is_due(vm, now) && !postponed(vm, now) && (!next || goes_before(vm, next)))
				next = vm;
		if (!next || ask(r, next, now))
			return;
	}
}

uint64_t readings_due(const struct readings *r)
{
	uint64_t next = r->reader ? reader_due(r->reader) : 0;

	if (!r->reader || next)
		return next;
	for (const struct vm *vm = r->vms->list; vm; vm = vm->next)
		if (vm->announced && vm->reading.due_ns && (!next || vm->reading.due_ns < next))
			next = vm->reading.due_ns;
	return next;
}
