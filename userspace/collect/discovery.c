/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/collect/discovery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "userspace/collect/files.h"
#include "userspace/collect/kernel.h"
#include "userspace/collect/output.h"
#include "userspace/collect/process.h"
#include "userspace/collect/readings.h"
#include "userspace/collect/tell.h"

#define MS 1000000ull
#define S (1000 * MS)
#define INVENTORY_GAP_NS (20 * MS)      /* a process is read as a whole no more often */
#define INVENTORY_SHARE 4               /* nor for more than a fifth of the time */
#define INVENTORY_DELAY_MAX_NS (2 * S)
#define INVENTORY_PATIENCE_NS (15 * S)  /* then a VM that does not settle waits for the sweeps */
#define RAN_GAP_NS (250 * MS)           /* facts of a VM whose vCPUs had not all run lead to a reading no more often */
#define SLOTS_DELAY_MIN_NS (250 * MS)
#define SLOTS_DELAY_MAX_NS (5 * S)
_Static_assert(SLOTS_DELAY_MIN_NS > VM_DOUBT_NS, "the next reading is late enough to be believed");
#define HOT_NS (12 * S)                 /* slots are looked at for so long after the last news */
#define BOOT_GAP_NS (500 * MS)          /* a guest that resets in a loop is told of as often, */
#define BOOT_BURST 8                    /* once so many were told at once */
#define ARGUMENTS_WAIT_MS 20            /* then those of other processes are asked for, too */
#define ARGUMENTS_PATIENCE_NS (5 * S)   /* then it is told of without them */
#define STRAY_NS (5 * S)                /* a VM in the map that no process has for so long does not exist */

/* Each boot makes everything be told again: a guest must not decide how often. */
static bool boot_room(const struct vm *vm, uint64_t now)
{
	return vm->boots_ns <= now + (BOOT_BURST - 1) * BOOT_GAP_NS;
}

static void owner_hot(struct owner *o, uint64_t now)
{
	o->hot_ns = now;
	if (!o->slots_due_ns || o->slots_due_ns > now + SLOTS_DELAY_MIN_NS)
		o->slots_due_ns = now + SLOTS_DELAY_MIN_NS;
}

static void owner_due(struct owner *o, uint64_t at)
{
	if (!o->due_ns || o->due_ns > at)
		o->due_ns = at;
}

/* A process with a thousand VMs takes its time: it gets a share of the collector's, and not all of it. */
static uint64_t owner_gap(const struct owner *o)
{
	uint64_t gap = o->took_ns * INVENTORY_SHARE;

	return gap > INVENTORY_GAP_NS ? gap : INVENTORY_GAP_NS;
}

/* Something began in this process: read it soon, and again until it has settled. */
static void owner_changed(struct owner *o, uint64_t now)
{
	uint64_t earliest = o->inventory_ns + owner_gap(o);

	o->changed_ns = now;
	o->delay_ns = 0;
	owner_due(o, earliest > now ? earliest : now);
}

static int owner_get(struct discovery *d, int tgid, struct owner **ret)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)tgid };
	int err = vms_owner_get(&d->vms, tgid, ret);

	if (err > 0 && epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, (*ret)->process.pidfd, &event) < 0) {
		err = -errno;
		vms_owner_remove(&d->vms, *ret);
	}
	d->missed |= err == -EMFILE || err == -ENFILE || err == -ENOSPC || err == -ENOMEM;
	return err < 0 ? err : 0;
}

/* QEMU, for SEV, TDX and their like; older ones have an option of their own for it. */
static bool is_confidential(const struct buffer *pairs)
{
	const char *key, *value;
	size_t cursor = 0;

	while (record_pair_next(pairs->data, pairs->size, &cursor, &key, &value) > 0)
		if (!strcmp(key, "arg") && (strstr(value, "confidential-guest-support=") || strstr(value, "memory-encryption=")))
			return true;
	return false;
}

/* Its arguments, also those that are not known yet (none), are what it is described by. */
static int owner_take(struct discovery *d, struct owner *o, const struct buffer *arguments)
{
	struct buffer pairs = BUFFER_INIT, old = o->pairs;
	int err = process_describe(&o->process, d->contents, d->guest, arguments, &pairs, &o->matches);

	if (err < 0) {
		buffer_release(&pairs);
		return err;
	}
	if (o->unread)
		record_pair_put(&pairs, "unread", "arguments");
	o->pairs = pairs;
	buffer_release(&old);
	o->replaced = process_replaced(&o->process);
	o->confidential = is_confidential(&o->pairs);
	o->described = true;
	return 0;
}

/*
 * False: it cannot be described (yet): it is just ending, or its arguments are waited for. They say who it is and what it was
 * asked for, so nobody is told of it without them, until they took too long.
 */
static bool owner_describe(struct discovery *d, struct owner *o)
{
	struct buffer arguments = BUFFER_INIT;
	uint64_t now = tell_now();
	int err;

	if (o->described)
		return true;
	err = process_arguments(&o->process, d->contents, o->asked_ns ? 0 : ARGUMENTS_WAIT_MS, &o->reading, &arguments);
	if (!o->asked_ns)
		o->asked_ns = now;
	o->unread = err == -EAGAIN;
	if (err >= 0 || (o->unread && (d->ending || now - o->asked_ns >= ARGUMENTS_PATIENCE_NS)))
		err = owner_take(d, o, &arguments);
	buffer_release(&arguments);
	return err >= 0;
}

/* Arguments that came late: who knows its VMs is told again. */
static void owner_reread(struct discovery *d, struct owner *o)
{
	struct buffer arguments = BUFFER_INIT;

	if (process_arguments(&o->process, d->contents, 0, &o->reading, &arguments) >= 0) {
		o->unread = false;
		if (owner_take(d, o, &arguments) < 0)
			o->unread = true;
		for (struct vm *vm = d->vms.list; vm && !o->unread; vm = vm->next)
			if (vm->owner == o)
				vm->dirty |= VM_DIRTY_VM;
	}
	buffer_release(&arguments);
}

bool discovery_waits(const struct discovery *d)
{
	for (const struct owner *o = d->vms.owners; o; o = o->next)
		if (o->vms && !o->described && o->asked_ns && process_alive(&o->process))
			return true;
	return false;
}

static void vm_gone(struct discovery *d, struct vm *vm, const char *reason)
{
	tell_gone(d->output, vm, reason);
	kernel_forget(d->kernel, vm->kvm, vm->id);
	vms_remove(&d->vms, vm);
}

/* Is it the guest that was asked for? `anon-PID-FD` is the id of one that has no name. */
bool discovery_wanted(const struct discovery *d, const struct vm *vm)
{
	char id[48];

	if (!d->guest || vm->owner->matches)
		return true;
	snprintf(id, sizeof(id), "anon-%d-%d", vm->owner->process.pid, vm->fd);
	return !strcmp(id, d->guest);
}

static void vm_announce(struct discovery *d, struct vm *vm)
{
	unsigned missing = output_sinks(d->output) & ~vm->announced;

	if (missing && owner_describe(d, vm->owner) && discovery_wanted(d, vm)) {
		/* Until its tables say where. */
		if (!vm->ecam.bytes && ecam_of_vmm(vm->owner->pairs.data, vm->owner->pairs.size, &vm->ecam))
			kernel_ecam_set(d->kernel, vm->id, vm->ecam.base, vm->ecam.bytes);
		tell_vm_whole(d->output, missing, vm);
		if (vm->announced) {
			vm->facts_due |= missing;
		} else {
			/* Nobody has been told anything: all facts follow, those that come as news meanwhile once only. */
			shadow_release(&vm->shadow);
			vm->sweep = true;
			vm->dirty = 0;
		}
		for (size_t i = 0; !vm->announced && i < vm->table_count; i++)
			vm->tables[i].dirty = false;
		for (size_t i = 0; !vm->announced && i <= RECORD_AREA_LAST; i++)
			vm->areas[i].dirty = false;
		vm->announced |= missing;
	}
	if (vm->announced)
		tell_vm_news(d->output, vm);
}

bool discovery_announce(struct discovery *d)
{
	for (struct vm *vm = d->vms.list; vm; vm = vm->next) {
		if (!output_room(d->output))
			return false;
		vm_announce(d, vm);
	}
	return true;
}

/* The VM that the map knows under this address, if it is not this one any more. */
static void vm_superseded(struct discovery *d, struct vm *vm)
{
	vm_gone(d, vm, "another VM took its place in its process");
}

/* Where the map says nothing of the process that runs it, the thread of a vCPU does: a fork or a parent may hold it, too. */
static bool owns(const struct owner *o, const struct found_vm *found)
{
	for (size_t i = 0; i < found->vcpu_count; i++)
		if (found->vcpus[i].vcpu.tid)
			return process_has_thread(&o->process, found->vcpus[i].vcpu.tid);
	return true;
}

static struct vm *vm_begin(struct discovery *d, const struct observe_vm *seen, int tgid)
{
	struct owner *o;
	struct vm *vm;
	int err = owner_get(d, tgid, &o);

	if (err == -ESRCH) {
		kernel_forget(d->kernel, seen->kvm, seen->vm);
		return NULL;
	}
	if (err < 0 || vms_add(&d->vms, seen, o, &vm) < 0)
		return NULL;
	o->changed_ns = tell_now();
	readings_begin(vm, !vm->from_reset, o->changed_ns);
	return vm;
}

/* What the map knows of a VM that an inventory found, entering it where no fact did. */
static bool vm_seen(struct discovery *d, const struct found_vm *found, struct observe_vm *ret)
{
	struct owner *o;

	if (kernel_vm_get(d->kernel, found->kvm, ret) >= 0)
		return true;
	if (owner_get(d, found->tgid, &o) < 0 || !owns(o, found))
		return false;
	return kernel_vm_add(d->kernel, found->kvm, found->tgid, ret) >= 0;
}

static void take_found(struct discovery *d, const struct found_vm *found, bool whole)
{
	struct vm *vm = vms_find(&d->vms, found->vm);
	struct observe_vm seen;
	uint64_t now = tell_now();

	if (!vm)
		vm = vms_find_kvm(&d->vms, found->kvm);
	if (!vm || vm->id != found->vm) {
		if (!vm_seen(d, found, &seen))
			return;
		if (vm && vm->id != seen.vm) {
			vm_superseded(d, vm);
			vm = NULL;
		}
		/* Who runs it has it; anyone else only while that process is not there. */
		if (!vm && seen.tgid != found->tgid) {
			struct owner *runs;

			if (owner_get(d, (int)seen.tgid, &runs) >= 0)
				return;
		}
		if (!vm)
			vm = vm_begin(d, &seen, (int)found->tgid);
		if (!vm)
			return;
	}
	if (vm->owner->process.pid != (int)found->tgid)
		return;
	vm->found = vm->seen = true;
	vm_update(vm, found, now);
	if (vm->doubt_ns)
		owner_hot(vm->owner, now);
	if (vm->dirty & VM_DIRTY_SLOTS) {
		owner_hot(vm->owner, now);
		readings_slots(vm, now);
	}
	if (whole)
		vm->settled = found_settled(found);
}

/* After a whole reading of a process: when to come back, if its VMs are still being made. */
static void owner_read(struct discovery *d, struct owner *o, uint64_t now)
{
	bool settled = true;

	o->inventory_ns = now;
	o->due_ns = 0;
	for (struct vm *vm = d->vms.list; vm; vm = vm->next)
		if (vm->owner == o)
			settled &= vm->settled;
	if ((settled && o->vms) || now - o->changed_ns > INVENTORY_PATIENCE_NS)
		return;
	o->delay_ns = o->delay_ns ? o->delay_ns * 5 / 2 : owner_gap(o);
	if (o->delay_ns > INVENTORY_DELAY_MAX_NS)
		o->delay_ns = INVENTORY_DELAY_MAX_NS;
	o->due_ns = now + o->delay_ns;
}

static void vms_unsee(struct discovery *d, const struct owner *o)
{
	for (struct vm *vm = d->vms.list; vm; vm = vm->next)
		if (!o || vm->owner == o)
			vm->seen = false;
}

static int inventory_of(struct discovery *d, struct owner *o, unsigned want, struct inventory *ret)
{
	int err = kernel_inventory(d->kernel, o ? (uint32_t)o->process.pid : 0, want, inventory_add, ret);

	return err < 0 ? err : inventory_finish(ret);
}

/* One process, as a whole. What it does not have any more is gone. */
static int read_owner(struct discovery *d, struct owner *o)
{
	struct inventory i = INVENTORY_INIT;
	uint64_t begun = tell_now();
	int err;

	vms_unsee(d, o);
	err = inventory_of(d, o, KERNEL_WANT_ALL, &i);
	for (size_t n = 0; err >= 0 && n < i.count; n++)
		take_found(d, &i.vms[n], true);
	inventory_release(&i);
	for (struct vm *vm = d->vms.list, *next; vm && err >= 0; vm = next) {
		next = vm->next;
		if (vm->owner == o && vm->found && !vm->seen && process_alive(&o->process))
			vm_gone(d, vm, "closed by its process");
	}
	for (struct vm *vm = d->vms.list; vm; vm = vm->next)
		if (vm->owner == o)
			vm_announce(d, vm);
	o->took_ns = tell_now() - begun;
	owner_read(d, o, begun + o->took_ns);
	return err;
}

static void read_slots(struct discovery *d, struct owner *o, uint64_t now)
{
	struct inventory i = INVENTORY_INIT;
	uint64_t delay = (now - o->hot_ns) / 2 + o->took_ns * INVENTORY_SHARE;
	int err = inventory_of(d, o, KERNEL_WANT_VMS | KERNEL_WANT_VCPUS | KERNEL_WANT_SLOTS, &i);

	o->slots_due_ns = 0;
	for (size_t n = 0; err >= 0 && n < i.count; n++)
		take_found(d, &i.vms[n], false);
	inventory_release(&i);
	for (struct vm *vm = d->vms.list; vm; vm = vm->next)
		if (vm->owner == o)
			vm_announce(d, vm);
	/* Ever more seldom after the last news. */
	if (now - o->hot_ns < HOT_NS && (!o->slots_due_ns || o->slots_due_ns < now))
		o->slots_due_ns = now + (delay < SLOTS_DELAY_MIN_NS ? SLOTS_DELAY_MIN_NS : delay > SLOTS_DELAY_MAX_NS ? SLOTS_DELAY_MAX_NS : delay);
}

void discovery_work(struct discovery *d, uint64_t now)
{
	for (const struct vm *vm = d->vms.list; vm; vm = vm->next)
		d->compare |= vm->boot_late && boot_room(vm, now);
	for (struct owner *o = d->vms.owners, *next; o; o = next) {
		next = o->next;
		/* A reading that failed is begun again by a sweep. */
		if (o->unread && o->described && o->reading)
			owner_reread(d, o);
		if (o->due_ns && o->due_ns <= now)
			read_owner(d, o);
		else if (o->vms && o->slots_due_ns && o->slots_due_ns <= now)
			read_slots(d, o, now);
		/* Looked at because of news of a VM that has gone meanwhile. */
		if (!o->vms && !o->due_ns) {
			epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, o->process.pidfd, NULL);
			vms_owner_remove(&d->vms, o);
		}
	}
}

void discovery_ended(struct discovery *d, int pid)
{
	struct owner *o = vms_owner_find(&d->vms, pid);

	if (!o)
		return;
	for (struct vm *vm = d->vms.list, *next; vm; vm = next) {
		next = vm->next;
		if (vm->owner == o)
			vm_gone(d, vm, "its process ended");
	}
	epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, o->process.pidfd, NULL);
	vms_owner_remove(&d->vms, o);
}

static void boot_begun(struct discovery *d, struct vm *vm, uint32_t boot, uint32_t reason, uint64_t at_ns)
{
	uint64_t now = tell_now();
	struct observe_vm seen;
	bool from_reset = true;

	if (boot > vm->boot) {
		vm->boot_late |= !boot_room(vm, now);
		if (!boot_room(vm, now))
			return;
		vm->boots_ns = (vm->boots_ns > now ? vm->boots_ns : now) + BOOT_GAP_NS;
	}
	if (kernel_vm_get(d->kernel, vm->kvm, &seen) >= 0 && seen.vm == vm->id) {
		kernel_booted(d->kernel, &seen);
		/* The newest one, where some were passed over. */
		if (vm->boot_late && seen.boot > boot)
			boot = seen.boot;
		if (seen.boot == boot) {
			from_reset = seen.flags & OBSERVE_VM_FROM_RESET;
			reason = seen.reason;
			at_ns = seen.boot_ns;
		}
	}
	vm->sweep |= vm->boot_late; /* its facts came, and were not told */
	vm->boot_late = false;
	if (boot != vm->boot)
		readings_begin(vm, !from_reset, now);
	vm_boot(vm, boot, reason, from_reset, at_ns);
	owner_hot(vm->owner, now);
	owner_changed(vm->owner, now);
	/* Tables, slots and the boot's token as they are now, where this process was not read just before. */
	if (vm->owner->due_ns <= now)
		read_owner(d, vm->owner);
	else
		vm_announce(d, vm);
}

struct known { struct discovery *d; uint64_t now; };

static int compare_one(void *context, const struct observe_vm *seen)
{
	struct known *k = context;
	struct vm *vm = vms_find(&k->d->vms, seen->vm);
	struct owner *o;

	if (vm && seen->boot > vm->boot) {
		boot_begun(k->d, vm, seen->boot, seen->reason, seen->boot_ns);
	} else if (!vm) {
		if (owner_get(k->d, (int)seen->tgid, &o) < 0 || (o->inventory_ns > seen->created_ns && k->now > seen->created_ns + STRAY_NS))
			kernel_forget(k->d->kernel, seen->kvm, seen->vm);
		else
			owner_changed(o, k->now);
	}
	return 0;
}

void discovery_compare(struct discovery *d)
{
	struct known k = { d, tell_now() };

	d->compare = false;
	kernel_vms(d->kernel, compare_one, &k);
}

int discovery_sweep(struct discovery *d)
{
	struct inventory i = INVENTORY_INIT;
	int err;

	vms_unsee(d, NULL);
	err = inventory_of(d, NULL, KERNEL_WANT_ALL, &i);
	for (size_t n = 0; err >= 0 && n < i.count; n++)
		take_found(d, &i.vms[n], true);
	inventory_release(&i);
	for (struct owner *o = d->vms.owners; o; o = o->next) {
		bool replaced = o->described && process_replaced(&o->process);

		o->turned = replaced != o->replaced;
		o->replaced = replaced;
		if (o->unread && o->described)
			owner_reread(d, o);
	}
	for (struct vm *vm = d->vms.list; vm; vm = vm->next) {
		if (vm->owner->turned)
			vm->dirty |= VM_DIRTY_VM;
		/* A sweep over all files takes its time: looked at once more before it is taken for gone. */
		if (err >= 0 && vm->found && !vm->seen)
			owner_due(vm->owner, tell_now());
	}
	for (struct owner *o = d->vms.owners; o; o = o->next)
		if (!o->inventory_ns && o->vms)
			owner_read(d, o, tell_now());
	discovery_compare(d);
	return err;
}

/* Of a VM that is not known. The map tells whether it (still) is one; then its process is read. */
static struct vm *stranger(struct discovery *d, const struct observe_news *news)
{
	uint64_t now = tell_now();
	struct observe_vm seen;
	struct owner *o;
	struct vm *vm;
	int err;

	if (kernel_vm_get(d->kernel, news->kvm, &seen) < 0 || seen.vm != news->key.vm)
		return NULL;
	err = owner_get(d, (int)seen.tgid, &o);
	if (err == -ESRCH)
		kernel_forget(d->kernel, seen.kvm, seen.vm);
	if (err < 0)
		return NULL;
	/* The one that had this address is gone, whatever an inventory finds. */
	vm = vms_find_kvm(&d->vms, news->kvm);
	if (vm)
		vm_superseded(d, vm);
	owner_changed(o, now);
	if (o->due_ns > now)
		return NULL;
	if (read_owner(d, o) == -ENOTSUP && !vms_find(&d->vms, seen.vm)) {
		vm = vm_begin(d, &seen, (int)seen.tgid);
		if (vm)
			vm_announce(d, vm);
	}
	vm = vms_find(&d->vms, seen.vm);
	/* All that is in the ring behind the VM's own news is told from there: no need to read the map. */
	if (vm && news->type == OBSERVE_NEWS_VM && !(seen.flags & OBSERVE_VM_RAN))
		vm->sweep = false;
	return vm;
}

static void news_of_vm(struct discovery *d, struct vm *vm, const struct observe_news *news, bool was_known)
{
	uint64_t now = tell_now();

	if (news->type == OBSERVE_NEWS_VM && was_known && news->reason != vm->reason && news->value.boot == vm->boot) {
		/* It was found before its first vCPU was made: now it is known how it began. */
		boot_begun(d, vm, vm->boot, news->reason, news->at_ns);
	} else if (news->value.boot > vm->boot) {
		boot_begun(d, vm, news->value.boot, news->reason, news->at_ns);
	} else if (was_known && news->type == OBSERVE_NEWS_VCPU) {
		owner_changed(vm->owner, now);
	} else if (news->type == OBSERVE_NEWS_FACT) {
		owner_hot(vm->owner, now);
		readings_news(vm, now);
		if (news->value.boot == vm->boot)
			vm_fact(vm, &news->key);
		if (!vm->settled && !vm->owner->due_ns && now - vm->owner->inventory_ns > RAN_GAP_NS)
			owner_changed(vm->owner, now);
	}
}

struct vm *discovery_news(struct discovery *d, const struct observe_news *news)
{
	struct vm *vm = vms_find(&d->vms, news->key.vm);
	bool known = vm != NULL;

	if (!vm)
		vm = stranger(d, news);
	if (!vm)
		return NULL;
	news_of_vm(d, vm, news, known);
	/* Reading its process may have ended it. */
	vm = vms_find(&d->vms, news->key.vm);
	return vm && news->value.boot == vm->boot ? vm : NULL;
}

void discovery_release(struct discovery *d)
{
	vms_release(&d->vms);
}
