/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_UNKNOWN 0xffffffffu
#define GROW_FROM 8u /* a power of two */

/* Room for one more in an array that grows at powers of two. */
static void *grown(struct inventory *i, void *list, size_t count, size_t size)
{
	void *more;

	if (count && (count < GROW_FROM || count & (count - 1)))
		return list;
	more = reallocarray(list, count ? count * 2 : GROW_FROM, size);
	if (!more)
		i->failed = true;
	return more;
}

static struct found_vm *vm_of(struct inventory *i, const struct inventory_header *h)
{
	struct found_vm *list;

	/* Records of one VM mostly follow each other. */
	for (size_t n = i->count; n--;)
		if (i->vms[n].kvm == h->kvm && i->vms[n].tgid == h->tgid)
			return &i->vms[n];
	list = grown(i, i->vms, i->count, sizeof(*list));
	if (!list)
		return NULL;
	i->vms = list;
	list[i->count] = (struct found_vm){ .kvm = h->kvm, .vm = h->vm, .tgid = h->tgid, .fd = -1 };
	return &list[i->count++];
}

static struct found_vcpu *vcpu_of(struct inventory *i, struct found_vm *vm, uint32_t vcpu_id)
{
	struct found_vcpu *list;

	for (size_t n = vm->vcpu_count; n--;)
		if (vm->vcpus[n].vcpu.vcpu_id == vcpu_id)
			return &vm->vcpus[n];
	list = grown(i, vm->vcpus, vm->vcpu_count, sizeof(*list));
	if (!list)
		return NULL;
	vm->vcpus = list;
	list[vm->vcpu_count] = (struct found_vcpu){ .vcpu.vcpu_id = vcpu_id };
	return &list[vm->vcpu_count++];
}

static void add_vm(struct found_vm *vm, const struct inventory_header *h, const struct inventory_vm *info)
{
	/* A second descriptor, or a second reading: the slots come again; keep one set, of one generation. */
	if (vm->has_info && vm->info.slots_generation != info->slots_generation) {
		vm->slot_count = 0;
		vm->slots_mixed = false;
	}
	if (vm->fd < 0 || h->fd < vm->fd)
		vm->fd = h->fd;
	vm->info = *info;
	vm->has_info = true;
	vm->vm = h->vm;
}

static void add_cpuid(struct inventory *i, struct found_vm *vm, const struct inventory_header *h, const struct inventory_cpuid *c)
{
	size_t bytes = c->count * sizeof(struct inventory_cpuid_entry);
	struct inventory_cpuid_entry *entries;
	struct found_vcpu *v;

	if (c->count > OBSERVE_CPUID_MAX || h->bytes < sizeof(*c) + bytes)
		return;
	v = vcpu_of(i, vm, c->vcpu_id);
	if (!v)
		return;
	entries = malloc(bytes ? bytes : 1);
	if (!entries) {
		i->failed = true;
		return;
	}
	memcpy(entries, c + 1, bytes);
	free(v->entries);
	v->entries = entries;
	v->count = c->count;
	v->has_table = true;
}

static void add_slot(struct inventory *i, struct found_vm *vm, const struct inventory_slot *slot)
{
	struct inventory_slot *list;

	if (vm->has_info && slot->generation != vm->info.slots_generation)
		vm->slots_mixed = true;
	if (slot->as_id)
		return;
	for (size_t n = 0; n < vm->slot_count; n++)
		if (vm->slots[n].id == slot->id) {
			vm->slots[n] = *slot;
			return;
		}
	list = grown(i, vm->slots, vm->slot_count, sizeof(*list));
	if (!list)
		return;
	vm->slots = list;
	list[vm->slot_count++] = *slot;
}

int inventory_add(void *context, const struct inventory_header *h, const void *body)
{
	static const size_t sizes[] = {
		[INVENTORY_VM] = sizeof(struct inventory_vm), [INVENTORY_VCPU] = sizeof(struct inventory_vcpu),
		[INVENTORY_CPUID] = sizeof(struct inventory_cpuid), [INVENTORY_SLOT] = sizeof(struct inventory_slot),
	};
	struct inventory *i = context;
	struct found_vcpu *vcpu;
	struct found_vm *vm;

	if (!h->type || h->type >= sizeof(sizes) / sizeof(sizes[0]) || h->bytes < sizes[h->type])
		return 0;
	vm = vm_of(i, h);
	if (!vm)
		return -ENOMEM;
	switch (h->type) {
	case INVENTORY_VM:
		add_vm(vm, h, body);
		break;
	case INVENTORY_VCPU:
		vcpu = vcpu_of(i, vm, ((const struct inventory_vcpu *)body)->vcpu_id);
		if (vcpu)
			vcpu->vcpu = *(const struct inventory_vcpu *)body;
		break;
	case INVENTORY_CPUID:
		add_cpuid(i, vm, h, body);
		break;
	case INVENTORY_SLOT:
		add_slot(i, vm, body);
		break;
	}
	return i->failed ? -ENOMEM : 0;
}

static int by_vcpu_id(const void *a, const void *b)
{
	uint32_t x = ((const struct found_vcpu *)a)->vcpu.vcpu_id, y = ((const struct found_vcpu *)b)->vcpu.vcpu_id;

	return (x > y) - (x < y);
}

static int by_gpa(const void *a, const void *b)
{
	uint64_t x = ((const struct inventory_slot *)a)->gpa, y = ((const struct inventory_slot *)b)->gpa;

	return (x > y) - (x < y);
}

int inventory_finish(struct inventory *i)
{
	for (size_t n = 0; n < i->count; n++) {
		struct found_vm *vm = &i->vms[n];

		if (vm->vcpu_count)
			qsort(vm->vcpus, vm->vcpu_count, sizeof(*vm->vcpus), by_vcpu_id);
		if (vm->slot_count)
			qsort(vm->slots, vm->slot_count, sizeof(*vm->slots), by_gpa);
	}
	return i->failed ? -ENOMEM : 0;
}

void inventory_release(struct inventory *i)
{
	for (size_t n = 0; n < i->count; n++) {
		for (size_t v = 0; v < i->vms[n].vcpu_count; v++)
			free(i->vms[n].vcpus[v].entries);
		free(i->vms[n].vcpus);
		free(i->vms[n].slots);
	}
	free(i->vms);
	*i = (struct inventory)INVENTORY_INIT;
}

bool found_slots_complete(const struct found_vm *vm)
{
	if (!vm->has_info || vm->slots_mixed || vm->info.slots == SLOTS_UNKNOWN)
		return false;
	return vm->slot_count == vm->info.slots;
}

bool found_settled(const struct found_vm *vm)
{
	if (!vm->vcpu_count || !found_slots_complete(vm) || !vm->slot_count)
		return false;
	for (size_t n = 0; n < vm->vcpu_count; n++)
		if (!vm->vcpus[n].vcpu.tid || !vm->vcpus[n].count)
			return false;
	return true;
}
