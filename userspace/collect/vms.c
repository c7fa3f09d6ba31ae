/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/vms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/files.h"

/* What fits into one record. */
#define SLOTS_MAX ((RECORD_MAX_BYTES - 4096) / sizeof(struct record_slot))

static struct vm **bucket(struct vms *v, uint64_t id)
{
	return &v->buckets[(id ^ id >> 32) % VMS_BUCKETS];
}

struct vm *vms_find(const struct vms *v, uint64_t id)
{
	struct vm *vm = *bucket((struct vms *)v, id);

	while (vm && vm->id != id)
		vm = vm->next_in_bucket;
	return vm;
}

struct vm *vms_find_kvm(const struct vms *v, uint64_t kvm)
{
	struct vm *vm = v->list;

	while (vm && vm->kvm != kvm)
		vm = vm->next;
	return vm;
}

struct owner *vms_owner_find(const struct vms *v, int tgid)
{
	struct owner *o = v->owners;

	while (o && o->process.pid != tgid)
		o = o->next;
	return o;
}

int vms_owner_get(struct vms *v, int tgid, struct owner **ret)
{
	struct owner *o = vms_owner_find(v, tgid);
	int err;

	if (o) {
		*ret = o;
		return 0;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	err = process_open(tgid, &o->process);
	if (err < 0) {
		free(o);
		return err;
	}
	o->next = v->owners;
	v->owners = o;
	*ret = o;
	return 1;
}

void vms_owner_remove(struct vms *v, struct owner *o)
{
	struct owner **at = &v->owners;

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
	foreign_drop(o->reading);
	process_release(&o->process);
	buffer_release(&o->pairs);
	free(o);
}

int vms_add(struct vms *v, const struct observe_vm *seen, struct owner *owner, struct vm **ret)
{
	struct vm *vm = calloc(1, sizeof(*vm)), **at = bucket(v, seen->vm);

	if (!vm)
		return -ENOMEM;
	vm->id = seen->vm;
	vm->kvm = seen->kvm;
	vm->owner = owner;
	vm->fd = -1;
	vm->shadow.seed = v->seed;
	vm_boot(vm, seen->boot, seen->reason, seen->flags & OBSERVE_VM_FROM_RESET, seen->boot_ns);
	owner->vms++;
	vm->next = v->list;
	v->list = vm;
	vm->next_in_bucket = *at;
	*at = vm;
	*ret = vm;
	return 0;
}

void vms_remove(struct vms *v, struct vm *vm)
{
	struct vm **at = &v->list;

	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	for (at = bucket(v, vm->id); *at != vm; at = &(*at)->next_in_bucket)
		;
	*at = vm->next_in_bucket;
	vm->owner->vms--;
	for (size_t i = 0; i < vm->table_count; i++)
		free(vm->tables[i].entries);
	free(vm->tables);
	free(vm->slots);
	for (size_t i = 0; i <= RECORD_AREA_LAST; i++)
		buffer_release(&vm->areas[i].body);
	shadow_release(&vm->shadow);
	free(vm);
}

void vms_release(struct vms *v)
{
	while (v->list)
		vms_remove(v, v->list);
	while (v->owners)
		vms_owner_remove(v, v->owners);
}

void vm_boot(struct vm *vm, uint32_t boot, uint32_t reason, bool from_reset, uint64_t boot_ns)
{
	if (vm->boot != boot) {
		vm->scanned = false;
		vm->token = 0;
		shadow_release(&vm->shadow); /* every fact is told again in this boot */
	}
	vm->boot = boot;
	vm->reason = reason;
	vm->from_reset = from_reset;
	vm->boot_ns = boot_ns;
	vm->dirty |= VM_DIRTY_BOOT | VM_DIRTY_PARTS | (vm->slots_known ? VM_DIRTY_SLOTS : 0);
	for (size_t i = 0; i < vm->table_count; i++)
		vm->tables[i].dirty = vm->tables[i].count;
	memset(vm->overflow, 0, sizeof(vm->overflow));
}

void vm_fact(struct vm *vm, const struct observe_key *key)
{
	vm->scanned |= key->kind == OBSERVE_PCI && key->selector != 0;
}

static struct vm_table *table_of(struct vm *vm, uint32_t vcpu_id)
{
	size_t at = 0;
	struct vm_table *list;

	while (at < vm->table_count && vm->tables[at].vcpu_id < vcpu_id)
		at++;
	if (at < vm->table_count && vm->tables[at].vcpu_id == vcpu_id)
		return &vm->tables[at];
	list = reallocarray(vm->tables, vm->table_count + 1, sizeof(*list));
	if (!list)
		return NULL;
	vm->tables = list;
	memmove(&list[at + 1], &list[at], (vm->table_count - at) * sizeof(*list));
	list[at] = (struct vm_table){ .vcpu_id = vcpu_id };
	vm->table_count++;
	return &list[at];
}

static int update_table(struct vm *vm, const struct found_vcpu *found)
{
	struct vm_table *t = table_of(vm, found->vcpu.vcpu_id);
	size_t bytes = found->count * sizeof(*found->entries);
	bool ran = found->vcpu.tid != 0;

	if (!t)
		return -ENOMEM;
	if (t->ran != ran) {
		t->ran = ran;
		t->dirty = t->count;
		vm->dirty |= VM_DIRTY_PARTS;
	}
	if (!found->count || (t->count == found->count && !memcmp(t->entries, found->entries, bytes)))
		return 0;
	struct inventory_cpuid_entry *copy = malloc(bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, found->entries, bytes);
	free(t->entries);
	t->entries = copy;
	t->count = found->count;
	t->dirty = true;
	vm->dirty |= VM_DIRTY_PARTS;
	return 0;
}

/* Is there an address that the one list has, and the other not? Both sorted by address. */
static bool misses(const struct record_slot *is, size_t is_count, const struct record_slot *was, size_t was_count)
{
	size_t next = 0;

	for (size_t i = 0; i < was_count; i++) {
		uint64_t at = was[i].gpa, end = at + was[i].bytes;

		while (at < end) {
			while (next < is_count && is[next].gpa + is[next].bytes <= at)
				next++;
			if (next == is_count || is[next].gpa > at)
				return true;
			at = is[next].gpa + is[next].bytes;
		}
	}
	return false;
}

static bool doubted(struct vm *vm, const struct record_slot *list, size_t count, uint64_t now)
{
	if (!vm->slots_known || !misses(list, count, vm->slots, vm->slot_count)) {
		vm->doubt_ns = 0;
		return false;
	}
	if (!vm->doubt_ns)
		vm->doubt_ns = now;
	if (now - vm->doubt_ns < VM_DOUBT_NS)
		return true;
	vm->doubt_ns = 0;
	return false;
}

static int update_slots(struct vm *vm, const struct found_vm *found, uint64_t now)
{
	size_t count = found->slot_count < SLOTS_MAX ? found->slot_count : SLOTS_MAX;
	bool complete = found_slots_complete(found) && count == found->slot_count;
	struct record_slot *list;

	/* Better the last whole list than a cut one; the next reading comes soon. */
	if (!complete && vm->slots_complete)
		return 0;
	list = calloc(count ? count : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct record_slot){ .gpa = found->slots[i].gpa, .bytes = found->slots[i].bytes, .hva = found->slots[i].hva,
			.flags = found->slots[i].flags, .id = found->slots[i].id };
	if (doubted(vm, list, count, now) || (vm->slots_known && vm->slots_complete == complete && vm->slot_count == count &&
					      !memcmp(vm->slots, list, count * sizeof(*list)))) {
		free(list);
		return 0;
	}
	free(vm->slots);
	vm->slots = list;
	vm->slot_count = count;
	vm->slots_complete = complete;
	vm->slots_known = true;
	vm->dirty |= VM_DIRTY_SLOTS;
	return 0;
}

int vm_update(struct vm *vm, const struct found_vm *found, uint64_t now)
{
	int err = 0;

	vm->is_private = found->has_info ? found->info.is_private : vm->is_private;
	if (found->fd >= 0 && found->fd != vm->fd) {
		vm->fd = found->fd;
		vm->dirty |= VM_DIRTY_VM;
	}
	if (found->vcpu_count && found->vcpus[0].vcpu.tsc_written_ns != vm->token) {
		vm->token = found->vcpus[0].vcpu.tsc_written_ns;
		vm->dirty |= VM_DIRTY_BOOT;
	}
	for (size_t i = 0; err >= 0 && i < found->vcpu_count; i++)
		err = update_table(vm, &found->vcpus[i]);
	if (err >= 0 && found->has_info && found->slot_count && !found->slots_mixed)
		err = update_slots(vm, found, now);
	return err;
}
