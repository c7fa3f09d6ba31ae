/* SPDX-License-Identifier: Apache-2.0 */
/* What kernel_inventory reports, put together per process and VM. Pure. Empty value: INVENTORY_INIT. */
#ifndef ABIDRIFT_COLLECT_INVENTORY_H
#define ABIDRIFT_COLLECT_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/observe.h"
#include "userspace/stream/record.h"

struct found_vcpu {
	struct inventory_vcpu vcpu;
	bool has_table;
	uint32_t count; /* entries, at most OBSERVE_CPUID_MAX */
	struct inventory_cpuid_entry *entries;
};

struct found_vm {
	uint64_t kvm, vm;
	uint32_t tgid;
	int32_t fd;          /* the VM's own lowest descriptor, -1 = only its vCPUs are left */
	struct inventory_vm info;
	bool has_info;
	struct found_vcpu *vcpus; /* by vcpu_id */
	size_t vcpu_count;
	struct inventory_slot *slots; /* by gpa; address space 0 only; none twice */
	size_t slot_count;
	bool slots_mixed;    /* read while they changed */
};

struct inventory {
	struct found_vm *vms;
	size_t count;
	bool failed; /* out of memory */
};

#define INVENTORY_INIT { 0 }

/* A kernel_inventory_fn; context = struct inventory. Malformed and unknown records are left out. */
int inventory_add(void *context, const struct inventory_header *header, const void *body);
/* Sorts. -ENOMEM if anything could not be kept. */
int inventory_finish(struct inventory *i);
void inventory_release(struct inventory *i);

/* Are all slots there, as they were at one moment? */
bool found_slots_complete(const struct found_vm *vm);
/* Has every vCPU run, with a table, and are there slots? If not, the VM is still being made, or waits. */
bool found_settled(const struct found_vm *vm);

#endif
