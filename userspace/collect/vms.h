/* SPDX-License-Identifier: Apache-2.0 */
/* The VMs that the collector knows, the processes that own them, and what is known of each. Makes no records. */
#ifndef ABIDRIFT_COLLECT_VMS_H
#define ABIDRIFT_COLLECT_VMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/observe.h"
#include "userspace/base/buffer.h"
#include "userspace/collect/ecam.h"
#include "userspace/collect/inventory.h"
#include "userspace/collect/process.h"
#include "userspace/collect/shadow.h"
#include "userspace/stream/record.h"

#define VMS_BUCKETS 1024u
#define VM_DOUBT_NS 200000000ull

/* A process that runs a VM, or is looked at because it might. All times CLOCK_MONOTONIC, 0 = never. */
struct owner {
	struct owner *next;
	struct process process;
	struct buffer pairs;     /* process_describe's, once `described` */
	bool described, replaced, matches;
	bool turned; /* `replaced` is another than at the sweep before */
	bool unread;             /* so far without its arguments: they are still waited for */
	struct foreign *reading; /* of them; NULL: none is under way */
	uint64_t asked_ns;       /* when they were asked for first */
	bool confidential;       /* its command line says that its guests' memory is private */
	unsigned vms;
	uint64_t inventory_ns;   /* last read as a whole */
	uint64_t took_ns;        /* that reading */
	uint64_t due_ns;         /* to be read as a whole then */
	uint64_t delay_ns;       /* between the readings that wait for its VMs to settle */
	uint64_t changed_ns;     /* a VM, vCPU or boot began: what the waiting is counted from */
	uint64_t hot_ns;         /* last news, or change of slots */
	uint64_t slots_due_ns;
};

struct vm_table {
	uint32_t vcpu_id;
	bool ran;
	bool dirty;
	uint32_t count;
	struct inventory_cpuid_entry *entries;
};

/* What was read of its memory in this boot (readings.h). */
struct vm_area {
	struct buffer body;      /* of a RECORD_MEMORY; empty = nothing was read yet */
	bool told;               /* it counts */
	bool dirty;              /* not told yet to those who know the VM */
	bool whole;
	bool confirmed;          /* it stands: not read any more */
	unsigned stuck;          /* readings that hung */
};

struct vm_reading {
	uint64_t since_ns;       /* when the boot began, or the guest woke up */
	uint64_t due_ns;         /* to be read then; 0 = not, or being read */
	uint64_t delay_ns;
	uint64_t read_ns;        /* last time, begin */
	uint64_t news_ns;        /* last fact */
	uint64_t again_ns;       /* patience over: news counts after so long */
	uint64_t firmware_slots; /* digest of where the read-only memory was then */
	unsigned asked;          /* areas that the reader works on */
	unsigned hung;           /* readings that hung, in all boots */
};

enum vm_dirty { VM_DIRTY_VM = 1, VM_DIRTY_BOOT = 2, VM_DIRTY_SLOTS = 4, VM_DIRTY_PARTS = 8 /* a table or an area is dirty */ };

struct vm {
	/* What every turn of the collector's loop looks at comes first: a thousand VMs that have nothing to say cost little then. */
	struct vm *next;
	unsigned dirty;          /* enum vm_dirty: not told yet to those who know the VM */
	unsigned announced;      /* output sinks that know it */
	unsigned facts_due;      /* output sinks that must get all its facts */
	bool sweep;              /* and everyone those that were not told yet */
	bool in_pass;
	bool boot_late;          /* it has begun another boot, which is told when the bucket allows it */
	struct vm_reading reading;
	struct vm *next_in_bucket;
	struct owner *owner;
	uint64_t id, kvm;
	int fd;                  /* -1 = not known */
	uint32_t boot, reason;
	bool from_reset;
	bool found;              /* an inventory has seen it: when one no longer does, it is gone */
	bool seen;               /* by the inventory that is being taken in */
	bool is_private;         /* its memory cannot be read by anyone else */
	bool settled;            /* found_settled, when last read as a whole */
	uint64_t boot_ns, token;
	uint64_t boots_ns;       /* boots are told as from a bucket: full by then */
	struct vm_table *tables; /* by vcpu_id */
	size_t table_count;
	struct record_slot *slots;
	size_t slot_count;
	bool slots_known, slots_complete;
	uint64_t doubt_ns;       /* since then readings miss memory that the list has; 0 = they do not */
	struct ecam ecam;        /* as far as it is known here */
	struct vm_area areas[RECORD_AREA_LAST + 1]; /* by enum record_area */
	bool scanned;            /* a PCI function other than the host bridge was asked for in this boot */
	uint32_t overflow[OBSERVE_CLASSES]; /* as last told */
	struct shadow shadow;
};

struct vms {
	struct vm *list;
	struct owner *owners;
	struct vm *buckets[VMS_BUCKETS];
	uint64_t seed; /* of the shadows */
};

struct vm *vms_find(const struct vms *v, uint64_t id);
struct vm *vms_find_kvm(const struct vms *v, uint64_t kvm);
struct owner *vms_owner_find(const struct vms *v, int tgid);
/* The process, opened if it is not known. -ESRCH: it has ended. */
int vms_owner_get(struct vms *v, int tgid, struct owner **ret);
void vms_owner_remove(struct vms *v, struct owner *o); /* it must own nothing */

/* A VM that was not known. -ENOMEM. */
int vms_add(struct vms *v, const struct observe_vm *seen, struct owner *owner, struct vm **ret);
void vms_remove(struct vms *v, struct vm *vm);
void vms_release(struct vms *v);

/* A new boot: everything has to be told again in it. */
void vm_boot(struct vm *vm, uint32_t boot, uint32_t reason, bool from_reset, uint64_t boot_ns);
/*
 * Takes in what an inventory found; what differs becomes dirty. Slots that changed while they were read are not taken, nor,
 * until a later reading says so too (VM_DOUBT_NS), that memory is gone: a VMM that rearranges it takes it away for a moment. -ENOMEM.
 */
int vm_update(struct vm *vm, const struct found_vm *found, uint64_t now);

/* A fact of this boot. */
void vm_fact(struct vm *vm, const struct observe_key *key);

#endif
