/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts as canonical bytes, and back. Two boots of one guest under one host and VMM give equal bytes wherever the guest itself
 * did the same, so a store keeps them once:
 *   - header.vm, .seq, .at_ns and key.vm are 0; header.boot and value.boot are 1;
 *   - value.changes is 0; value.changed_ns is 0, but for PCI_PLACED, where order matters (the newest is where a BAR is now), it
 *     is the rank among the places of that function and register, from 1;
 *   - all-ones counts end where they say no more (answered: 0; otherwise OBSERVE_ABSENT_READS);
 *   - BOOT keeps only whether it was seen from its reset; slots lose hva, number and the dirty-logging flag;
 *   - VM pairs that name one process (pid, fd, start, started_ns) are left out;
 *   - LOSS is one record per class with what was lost in this boot, none where nothing was; and one for what the kernel skipped, by what
 *     that made doubtful.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facts_internal.h"
#include "userspace/base/buffer.h"
#include "userspace/base/error.h"

#define CANONICAL_BOOT 1u
#define KVM_SLOT_LOG_DIRTY 1u

static int put(struct buffer *out, enum record_type type, uint32_t boot, const void *body, size_t bytes, const void *more,
	       size_t more_bytes)
{
	struct record_header h = { .type = type, .boot = boot };

	return record_put(out, &h, body, bytes, more, more_bytes);
}

static bool names_process(const char *key)
{
	return strcmp(key, "pid") == 0 || strcmp(key, "fd") == 0 || strcmp(key, "start") == 0 || strcmp(key, "started_ns") == 0;
}

static int put_pairs(struct buffer *out, enum record_type type, const struct pairs *p)
{
	struct buffer body = BUFFER_INIT;
	const char *key, *value;
	size_t cursor = 0;
	int r;

	if (!p->known)
		return 0;
	while (record_pair_next(p->body, p->bytes, &cursor, &key, &value) > 0)
		if (!names_process(key))
			record_pair_put(&body, key, value);
	r = buffer_failed(&body) ? -ENOMEM : put(out, type, 0, body.data, body.size, NULL, 0);
	buffer_release(&body);
	return r;
}

static bool placed_older(const struct record_fact *a, const struct record_fact *b)
{
	return a->value.changed_ns != b->value.changed_ns ? a->value.changed_ns < b->value.changed_ns : a->key.address < b->key.address;
}

/* Among the run of facts with its selector that begins at `cursor`. */
static uint64_t placed_rank(const struct guest_facts *f, const struct record_fact *fact, size_t cursor)
{
	const struct record_fact *other;
	uint64_t rank = 1;

	while ((other = facts_next(f, OBSERVE_PCI_PLACED, &cursor)) && other->key.selector == fact->key.selector)
		rank += placed_older(other, fact);
	return rank;
}

static int put_facts(struct buffer *out, const struct guest_facts *f, enum observe_kind kind)
{
	const struct record_fact *fact;
	size_t cursor = 0, before, run = 0;
	uint32_t selector = 0;
	bool started = false;
	int r;

	while (before = cursor, (fact = facts_next(f, kind, &cursor))) {
		struct record_fact canonical = *fact;

		/* A cursor of 0 is the first fact of the kind, which is where a first run begins too. */
		if (!started || fact->key.selector != selector)
			run = before;
		started = true;
		selector = fact->key.selector;
		canonical.value.boot = CANONICAL_BOOT;
		canonical.value.changes = 0;
		canonical.value.changed_ns = kind == OBSERVE_PCI_PLACED ? placed_rank(f, fact, run) : 0;
		if (canonical.value.flags & OBSERVE_ANSWERED)
			canonical.value.all_ones = 0;
		else if (canonical.value.all_ones > OBSERVE_ABSENT_READS)
			canonical.value.all_ones = OBSERVE_ABSENT_READS;
		r = put(out, RECORD_FACT, CANONICAL_BOOT, &canonical, sizeof(canonical), NULL, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_tables(struct buffer *out, const struct guest_facts *f)
{
	int r;

	for (size_t i = 0; i < f->vcpu_count; i++) {
		const struct vcpu *vcpu = &f->vcpus[i];
		struct record_cpuid head = { .vcpu_id = vcpu->vcpu_id, .ran = vcpu->ran, .count = vcpu->count };

		r = put(out, RECORD_CPUID, CANONICAL_BOOT, &head, sizeof(head), vcpu->entries, vcpu->count * sizeof(*vcpu->entries));
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_slots(struct buffer *out, const struct guest_facts *f)
{
	struct record_slots head = { .count = (uint32_t)f->slot_count, .complete = f->slots_complete };
	struct buffer slots = BUFFER_INIT;
	int r;

	if (!f->slots_known)
		return 0;
	for (size_t i = 0; i < f->slot_count; i++) {
		struct record_slot slot = { .gpa = f->slots[i].gpa, .bytes = f->slots[i].bytes };

		slot.flags = f->slots[i].flags & ~KVM_SLOT_LOG_DIRTY;
		buffer_append(&slots, &slot, sizeof(slot));
	}
	r = buffer_failed(&slots) ? -ENOMEM : put(out, RECORD_SLOTS, CANONICAL_BOOT, &head, sizeof(head), slots.data, slots.size);
	buffer_release(&slots);
	return r;
}

static int put_areas(struct buffer *out, const struct guest_facts *f)
{
	int r = 0;

	for (size_t i = 1; i <= RECORD_AREA_LAST && r >= 0; i++)
		if (f->areas[i].known)
			r = put(out, RECORD_MEMORY, CANONICAL_BOOT, f->areas[i].body, f->areas[i].bytes, NULL, 0);
	return r;
}

static int put_losses(struct buffer *out, const struct guest_facts *f)
{
	int r = 0;

	for (uint32_t class = 0; class <= OBSERVE_CLASSES; class++) {
		struct record_loss loss = {
			.stage = class == OBSERVE_CLASSES ? RECORD_LOSS_MAP : RECORD_LOSS_QUOTA,
			.class = class,
			.count = f->loss[class] - f->loss_before[class],
		};

		if (!loss.count)
			continue;
		r = put(out, RECORD_LOSS, 0, &loss, sizeof(loss), NULL, 0);
		if (r < 0)
			return r;
	}
	for (int d = 0; d < FACTS_DECODED && r >= 0; d++) {
		struct record_loss loss = { .stage = RECORD_LOSS_MISSED, .class = facts_decoded_class(d), .count = f->skipped[d] };

		if (loss.count)
			r = put(out, RECORD_LOSS, 0, &loss, sizeof(loss), NULL, 0);
	}
	return r;
}

int facts_serialize(const struct guest_facts *f, struct buffer *out)
{
	struct record_boot boot = { .from_reset = f->from_reset };
	int r;

	r = put_pairs(out, RECORD_COVERAGE, &f->coverage);
	if (r >= 0)
		r = put_pairs(out, RECORD_VM, &f->vm);
	if (r >= 0 && f->boot_known)
		r = put(out, RECORD_BOOT, CANONICAL_BOOT, &boot, sizeof(boot), NULL, 0);
	for (int kind = OBSERVE_CPUID; kind <= OBSERVE_KIND_LAST && r >= 0; kind++)
		r = put_facts(out, f, kind);
	if (r >= 0)
		r = put_tables(out, f);
	if (r >= 0)
		r = put_slots(out, f);
	if (r >= 0)
		r = put_areas(out, f);
	if (r >= 0)
		r = put_losses(out, f);
	if (r >= 0 && buffer_failed(out))
		r = -ENOMEM;
	return r < 0 ? r : 0;
}

int facts_parse(const void *data, size_t size, struct guest_facts **ret, struct error *e)
{
	struct guest_facts *f = facts_new();
	struct record_header header;
	const void *body;
	size_t bytes, length, at = 0;
	int r = 0;

	if (!f)
		return error_set(e, ENOMEM, "reading stored facts: out of memory");
	while (at < size) {
		r = record_parse((const char *)data + at, size - at, &header, &body, &bytes, &length, e);
		if (r == 0)
			r = error_set(e, EBADMSG, "stored facts are cut off at byte %zu of %zu", at, size);
		if (r < 0)
			goto fail;
		r = facts_add(f, &header, body, bytes, NULL);
		if (r < 0) {
			r = error_set(e, -r, "stored facts: the record of type %u at byte %zu %s", header.type, at,
				      r == -ENOMEM ? "does not fit into memory" : "is damaged");
			goto fail;
		}
		at += length;
	}
	*ret = f;
	return 0;
fail:
	facts_free(f);
	return r;
}

static int clone_pairs(struct guest_facts *to, struct pairs *p, const struct pairs *from)
{
	int r;

	if (!from->known)
		return 0;
	r = facts_pairs_set(to, p, from->body, from->bytes);
	p->stamp = from->stamp;
	return r;
}

static int clone_into(struct guest_facts *to, const struct guest_facts *f)
{
	int r;

	r = clone_pairs(to, &to->vm, &f->vm);
	if (r >= 0)
		r = clone_pairs(to, &to->coverage, &f->coverage);
	for (size_t i = 0; i < f->count && r >= 0; i++)
		r = facts_put(to, &f->items[i], NULL);
	for (size_t i = 0; i < f->vcpu_count && r >= 0; i++)
		r = facts_vcpu_set(to, f->vcpus[i].vcpu_id, f->vcpus[i].ran, f->vcpus[i].entries, f->vcpus[i].count, f->vcpus[i].stamp);
	if (r >= 0 && f->slots_known)
		r = facts_slots_set(to, f->slots, f->slot_count, f->slots_complete);
	to->slots_stamp = f->slots_stamp;
	for (size_t i = 1; i <= RECORD_AREA_LAST && r >= 0; i++)
		if (f->areas[i].known)
			r = facts_area_set(to, (enum record_area)i, f->areas[i].body, f->areas[i].bytes, f->areas[i].stamp);
	to->boot = f->boot;
	to->boot_known = f->boot_known;
	to->from_reset = f->from_reset;
	memcpy(to->loss, f->loss, sizeof(to->loss));
	memcpy(to->loss_before, f->loss_before, sizeof(to->loss_before));
	memcpy(to->skipped, f->skipped, sizeof(to->skipped));
	return r;
}

struct guest_facts *facts_clone(const struct guest_facts *f)
{
	struct guest_facts *to = facts_new();

	if (to && clone_into(to, f) < 0) {
		facts_free(to);
		return NULL;
	}
	return to;
}
