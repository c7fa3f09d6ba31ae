/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * remember(): per-CPU cache → facts map → news ring. The maps and words that all families share are weak: every object
 * defines them, the linker keeps one.
 *
 * A cache entry carries the vCPU and the epoch it was made in. Everything that could make a cached "known" wrong (another
 * VM, another boot, a changed fact, a new ECAM window, a suspected reset) moves the epoch on, which empties all caches at
 * once. Each family has a cache of its own: a raw_tp program never re-enters itself on a CPU, but another one may interrupt it. That holds
 * where tracepoints are preempted, too: see turns.bpf.h.
 */
#ifndef ABIDRIFT_FACTS_BPF_H
#define ABIDRIFT_FACTS_BPF_H

#include "kvm_types.h"
#include "observe.h"
#include "private.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";

/* A function of its own, for the stack's and the verifier's sake; not every family uses all of them. */
#define SUBPROGRAM static __noinline __attribute__((unused))

/*
 * A function that the verifier walks once by itself, and not in each state of each caller: what makes loading quick. It takes numbers
 * only (pointers would be possible since 5.12), and returns one. Weak: where several families use it, the linker keeps one.
 */
#define GLOBAL __attribute__((noinline, weak))

/* Set before loading; constant for the verifier, so that what they switch off does not exist. */
const volatile bool testing SEC(".rodata") __weak = false;
const volatile __u32 quota[OBSERVE_CLASSES] SEC(".rodata") __weak = { 1024, 1024, 1024, 2048, 1024, 1024, 1024, 1024, 1024 };
const volatile __u32 ring_urgent_bytes SEC(".rodata") __weak = 65536;
const volatile __u32 owner SEC(".rodata") __weak = 0;

struct test_subject fake SEC(".data") __weak = { 0 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct observe_key);
	__type(value, struct observe_value);
} facts SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct vm_state);
} vms SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} news SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OBSERVE_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps") __weak;

/* Written by userspace alone, and only ever more: no count is changed from two sides. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct vm_returned);
} returned SEC(".maps") __weak;

/* Which vCPU a thread ran last, as far as facts told. Old threads make room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* process and thread, as bpf_get_current_pid_tgid() gives them */
	__type(value, __u64);
} threads SEC(".maps") __weak;

/* In a map of its own, and not in .data: what every event touches should not cost it another page of the TLB. Keys: EPOCHS_*. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EPOCHS);
	__type(key, __u32);
	__type(value, __u32);
} epochs SEC(".maps") __weak;

/*
 * Caches are arrays by CPU number: programs on tracepoints do not migrate, and an array's look-up is a few instructions on
 * every kernel, a per-CPU array's a call before 6.10. Userspace sets the number of CPUs.
 */
#define CACHE_ENTRIES 64
#define CACHE_CPUS 512
#define RIP_REGISTER 16          /* enum kvm_reg: VCPU_REGS_RIP */
#define RESET_VECTOR 0xfff0      /* RIP after INIT and power-on, SDM vol. 3A table "Processor states after reset" */
#define CR0_PE 1

/* Whom an event is about; made on the slow path only. */
struct subject {
	__u64 vcpu;
	__u64 kvm;
	__u64 now;
	struct vm_state *vm;
	__u32 vcpu_id;
	__u32 tgid;
};

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		*n += 1;
}

/* This CPU's cache in a map whose values are arrays of CACHE_ENTRIES. */
static __always_inline void *cache_here(void *map)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(map, &cpu);
}

static __always_inline __u64 vcpu_of_notifier(__u64 notifier)
{
	/* Only a thread without a vCPU may be a test's: what all events do needs no look at `testing`, a page of its own. */
	if (!notifier)
		return testing ? fake.vcpu : 0;
	return notifier - bpf_core_field_offset(struct kvm_vcpu, preempt_notifier.link);
}

/* The vCPU that the current thread has loaded, or 0. */
static __always_inline __u64 current_vcpu_read(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 notifier = 0;

	bpf_probe_read_kernel(&notifier, sizeof(notifier), &task->preempt_notifiers.first);
	return vcpu_of_notifier(notifier);
}

/*
 * The same for the path that nearly all events take, quicker by a helper's call. But each such look into a struct has the verifier
 * search all of the kernel's types, which takes as long as a thousand instructions do.
 */
static __always_inline __u64 current_vcpu(void)
{
	struct task_struct *task;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return current_vcpu_read();
	task = bpf_get_current_task_btf();
	return vcpu_of_notifier((__u64)task->preempt_notifiers.first);
}

/* KVM hangs nothing else on a task, but a vCPU without operations or VM would be none. */
static __always_inline __u64 vcpu_kvm(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	if (testing)
		return fake.kvm;
	if (!BPF_CORE_READ(v, preempt_notifier.ops))
		return 0;
	return (__u64)BPF_CORE_READ(v, kvm);
}

/* The vCPU has run, and on the current thread: not an ioctl of another thread, not before its first KVM_RUN. */
static __always_inline bool vcpu_is_running_here(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	if (testing)
		return fake.ran;
	return (__u32)BPF_CORE_READ(v, pid, numbers[0].nr) == (__u32)bpf_get_current_pid_tgid();
}

static __always_inline bool vcpu_protected(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	if (testing)
		return fake.protected_mode;
	return BPF_CORE_READ(v, arch.cr0) & CR0_PE;
}

static __always_inline bool vcpu_at_reset_vector(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;
	__u64 rip;

	if (testing)
		return fake.at_reset_vector;
	if (bpf_core_field_exists(v->arch.rip))
		rip = BPF_CORE_READ(v, arch.rip);
	else
		rip = BPF_CORE_READ(v, arch.regs[RIP_REGISTER]);
	return rip == RESET_VECTOR && !vcpu_protected(vcpu);
}

static __always_inline __u32 vcpu_id_of(__u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;

	return testing ? fake.vcpu_id : (__u32)BPF_CORE_READ(v, vcpu_id);
}

static __always_inline __u32 boot_vcpu_id(__u64 kvm)
{
	struct kvm *k = (void *)kvm;

	return testing ? fake.bsp_vcpu_id : BPF_CORE_READ(k, arch.bsp_vcpu_id);
}

/* The thread that created the VM: a process that shares its memory may run it too, and is no other VM. */
static __always_inline __u32 creator_of(__u64 kvm)
{
	struct kvm *k = (void *)kvm;

	if (testing)
		return fake.creator ? fake.creator : fake.tgid;
	return BPF_CORE_READ(k, userspace_pid);
}

static __always_inline __u32 current_tgid(void)
{
	if (testing && fake.tgid)
		return fake.tgid;
	return bpf_get_current_pid_tgid() >> 32;
}

/* What a tracepoint's pointer argument points to. */
static __always_inline const void *data_of(__u64 argument)
{
	return testing && argument ? fake.data : (const void *)argument;
}

static __always_inline __u32 epoch_now(void)
{
	__u32 key = EPOCHS_CACHES, *epoch = bpf_map_lookup_elem(&epochs, &key);

	return epoch ? *(volatile __u32 *)epoch : 0;
}

/*
 * Maps that are pinned outlive their programs: while a new abidrift takes over, the programs of the one before are attached, too.
 * Those that do not own the maps do nothing. Asked on the slow path alone: what a cache knows is not told anyway, and a cache is
 * filled by owners only.
 */
static __always_inline bool owns_maps(void)
{
	__u32 key = EPOCHS_OWNER, *now = bpf_map_lookup_elem(&epochs, &key);

	return now && *(volatile __u32 *)now == owner;
}

static __always_inline void no_vcpu(void)
{
	if (owns_maps())
		count(OBSERVE_COUNT_NO_VCPU);
}

static __always_inline void forget_caches(void)
{
	__u32 key = EPOCHS_CACHES, *epoch = bpf_map_lookup_elem(&epochs, &key);

	if (epoch)
		__sync_fetch_and_add(epoch, 1);
}

static __always_inline __u64 news_wakeup(bool urgent)
{
	if (urgent || bpf_ringbuf_query(&news, BPF_RB_AVAIL_DATA) > ring_urgent_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* VM, BOOT and VCPU wake the collector, facts only when the ring fills: it looks every 100 ms anyway. */
SUBPROGRAM int signal_vm(struct subject *s, __u32 type)
{
	struct observe_news *n = bpf_ringbuf_reserve(&news, sizeof(*n), 0);
	struct vm_state *vm = s->vm;

	if (!n || !vm) {
		if (n)
			bpf_ringbuf_discard(n, BPF_RB_NO_WAKEUP);
		count(OBSERVE_COUNT_DROPPED);
		return 0;
	}
	__builtin_memset(n, 0, sizeof(*n));
	n->type = type;
	n->reason = vm->seen.reason;
	n->at_ns = s->now;
	n->kvm = s->kvm;
	n->tgid = s->tgid;
	n->vcpu_id = s->vcpu_id;
	n->key.vm = vm->seen.vm;
	n->value.boot = vm->seen.boot;
	bpf_ringbuf_submit(n, news_wakeup(true));
	return 0;
}

/* Unique on this host until it reboots: a time and a pointer, mixed (the finaliser of MurmurHash3). */
static __always_inline __u64 vm_id(__u64 kvm, __u64 now)
{
	__u64 x = kvm ^ (now * 0x9e3779b97f4a7c15ull);

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x ? x : 1;
}

/* Makes the entry of s->kvm and sets s->vm. `replace`: another VM had this address; else an entry that is there by now stays. */
SUBPROGRAM int vm_begin(struct subject *s, __u32 reason, bool replace)
{
	struct vm_state fresh = { 0 };
	long err;

	fresh.seen.vm = vm_id(s->kvm, s->now);
	fresh.seen.kvm = s->kvm;
	fresh.seen.created_ns = s->now;
	fresh.seen.boot_ns = s->now;
	fresh.seen.boot = 1;
	fresh.seen.reason = reason;
	fresh.seen.tgid = s->tgid;
	fresh.creator = creator_of(s->kvm);
	if (reason == OBSERVE_REASON_CREATED)
		fresh.seen.flags = OBSERVE_VM_FROM_RESET;
	forget_caches();
	/* Two vCPUs may find their VM at once: only one of them makes it, and signals. */
	err = bpf_map_update_elem(&vms, &s->kvm, &fresh, replace ? BPF_ANY : BPF_NOEXIST);
	s->vm = bpf_map_lookup_elem(&vms, &s->kvm);
	if (!s->vm)
		count(OBSERVE_COUNT_MAP_FULL);
	else if (!err)
		signal_vm(s, OBSERVE_NEWS_VM);
	return 0;
}

SUBPROGRAM int boot_begin(struct subject *s, __u32 reason)
{
	struct vm_state *vm = s->vm;
	bool bounce;

	if (!vm)
		return 0;
	/*
	 * SeaBIOS answers a reset by the VMM with a reset of its own, before it has looked at anything: its copy in RAM says that it
	 * had run already. That is one reset to whoever asked for it, and one boot. Until the VMM has heard of it the vCPU goes on, in
	 * protected mode, and asks again and again: the suspicion may have been withdrawn by then.
	 */
	bounce = (reason == OBSERVE_REASON_PORT || (reason == OBSERVE_REASON_VMM && (vm->seen.flags & VM_STATE_ASKED))) && vm->seen.reason == OBSERVE_REASON_VMM && !(vm->seen.flags & VM_STATE_PCI) &&
		 s->now - vm->seen.boot_ns < BOUNCE_NS;
	if (!bounce) {
		vm->seen.boot += 1;
		vm->seen.boot_ns = s->now;
		vm->seen.reason = reason;
	}
	vm->seen.flags = OBSERVE_VM_FROM_RESET;
	vm->seen.ecam_base = 0;
	vm->seen.ecam_bytes = 0;
	vm->seen.pci_latch = 0;
	vm->seen.pciexbar[0] = 0;
	vm->seen.pciexbar[1] = 0;
	__builtin_memset(vm->seen.overflow, 0, sizeof(vm->seen.overflow));
	vm->suspect = 0;
	vm->learnt = 0;
	vm->ioapic_select[0] = 0;
	vm->ioapic_select[1] = 0;
	vm->fwcfg_item = 0;
	vm->eject_bus = 0;
	forget_caches();
	return bounce ? 0 : signal_vm(s, OBSERVE_NEWS_BOOT);
}

/* A reset was suspected: does this event of a vCPU confirm it? */
SUBPROGRAM int settle_suspicion(struct subject *s)
{
	struct vm_state *vm = s->vm;
	__u32 flags;

	if (!vm)
		return 0;
	flags = vm->seen.flags;
	if ((flags & VM_STATE_SHUTDOWN) && vm->suspect == s->vcpu)
		return boot_begin(s, OBSERVE_REASON_SHUTDOWN);
	if (!(flags & OBSERVE_VM_PENDING))
		return 0;
	if (!vcpu_protected(s->vcpu)) {
		if (s->vcpu_id == boot_vcpu_id(s->kvm))
			return boot_begin(s, OBSERVE_REASON_PORT);
	} else if (vm->suspect == s->vcpu) {
		vm->seen.flags &= ~OBSERVE_VM_PENDING;
	}
	return 0;
}

/* Takes the key by value: a subject whose address nobody takes needs no stack, of which a chain of calls has 512 bytes. */
static __always_inline struct vm_state *vm_of(__u64 kvm)
{
	return bpf_map_lookup_elem(&vms, &kvm);
}

static __always_inline bool subject_of(struct subject *s, __u64 vcpu)
{
	if (!owns_maps())
		return false;
	s->vcpu = vcpu;
	s->kvm = vcpu ? vcpu_kvm(vcpu) : 0;
	if (!s->kvm) {
		count(OBSERVE_COUNT_NO_VCPU);
		return false;
	}
	s->now = bpf_ktime_get_ns();
	s->vcpu_id = vcpu_id_of(vcpu);
	s->tgid = current_tgid();
	s->vm = vm_of(s->kvm);
	return true;
}

/* The exit from KVM_RUN is told after the vCPU was put down: the thread leads to the one that it ran last. */
static __always_inline void thread_runs(__u64 vcpu)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *known = bpf_map_lookup_elem(&threads, &thread);

	if (!known || *known != vcpu)
		bpf_map_update_elem(&threads, &thread, &vcpu, BPF_ANY);
}

static __always_inline __u64 vcpu_of_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *known = bpf_map_lookup_elem(&threads, &thread);

	return known ? *known : 0;
}

/*
 * A VM runs in the memory of the process that made it only: another process, another VM at the same address. Unless the two
 * share their memory (CLONE_VM): then its creator is still the same.
 */
static __always_inline bool is_anothers(struct subject *s)
{
	return s->vm && s->vm->seen.tgid != s->tgid && s->vm->creator != creator_of(s->kvm);
}

static __always_inline bool is_suspected(const struct vm_state *vm)
{
	return vm->seen.flags & (OBSERVE_VM_PENDING | VM_STATE_SHUTDOWN);
}

/* Makes the current vCPU's VM where it is not known, and settles whether it was reset. */
GLOBAL int settle_vm(void)
{
	struct subject s;

	if (!subject_of(&s, current_vcpu_read()))
		return 0;
	if (!s.vm || is_anothers(&s))
		vm_begin(&s, OBSERVE_REASON_FOUND, s.vm);
	if (s.vm && is_suspected(s.vm))
		settle_suspicion(&s);
	return 0;
}

/* The subject in a GLOBAL function, which does not get its caller's. */
static __always_inline bool subject_again(struct subject *s, __u64 kvm, __u32 vcpu_id)
{
	s->vcpu = 0;
	s->kvm = kvm;
	s->now = bpf_ktime_get_ns();
	s->vcpu_id = vcpu_id;
	s->tgid = current_tgid();
	s->vm = bpf_map_lookup_elem(&vms, &s->kvm);
	return s->vm;
}

#define ENTER_SETTLES 1ull /* beside the address of a VM: it is to be settled first */

/* Returns the VM of the current vCPU, or 0: none. Its callers have that vCPU as a pointer, which is no number: it is looked up again. */
GLOBAL __u64 entered(__u32 settled)
{
	__u64 vcpu = current_vcpu_read();
	struct subject s = { .vcpu = vcpu };

	if (!owns_maps())
		return 0;
	s.kvm = vcpu ? vcpu_kvm(vcpu) : 0;
	if (!s.kvm) {
		count(OBSERVE_COUNT_NO_VCPU);
		return 0;
	}
	s.tgid = current_tgid();
	s.vm = vm_of(s.kvm);
	if (!settled && (!s.vm || is_anothers(&s) || is_suspected(s.vm)))
		return s.kvm | ENTER_SETTLES;
	if (!s.vm)
		return 0;
	thread_runs(vcpu);
	if (!(s.vm->seen.flags & OBSERVE_VM_RAN))
		s.vm->seen.flags |= OBSERVE_VM_RAN;
	return s.kvm;
}

/* Slow path of every event of a running vCPU: its VM (made if it is not known), its boot. */
static __always_inline bool enter(struct subject *s, __u64 vcpu)
{
	__u64 kvm = entered(false);

	if (kvm & ENTER_SETTLES) {
		settle_vm();
		kvm = entered(true);
	}
	return kvm && subject_again(s, kvm, vcpu_id_of(vcpu));
}

static __always_inline bool is_now(struct subject *s, const struct observe_value *v)
{
	return v && s->vm && v->boot == s->vm->seen.boot;
}

static __always_inline __u32 returned_of(const struct vm_state *vm, __u32 class)
{
	struct vm_returned *r = bpf_map_lookup_elem(&returned, &vm->seen.vm);

	return r && class < OBSERVE_CLASSES ? r->facts[class] : 0;
}

/*
 * A fact in numbers, which GLOBAL functions take: its address, and `what` of selector, kind, width, class, flags and the first read of all
 * ones.
 */
#define WHAT_ALL_ONES (1ull << 63)
#define WHAT_CLASS(what) ((what) >> 48 & 0xff)
#define WHAT_FLAGS(what) ((what) >> 56 & 0x7f)

static __always_inline __u64 what_of(const struct observe_key *key)
{
	return key->selector | (__u64)key->kind << 32 | (__u64)key->width << 40;
}

static __always_inline void key_of(struct observe_key *key, __u64 vm, __u64 address, __u64 what)
{
	key->vm = vm;
	key->address = address;
	key->selector = what;
	key->kind = what >> 32;
	key->width = what >> 40;
	key->zero = 0;
}

/*
 * What this boot knows of a fact, in a number: FACT_DATA, FACT_KNOWN, FACT_FLAGS. 0: nothing. For those who only look: a function of
 * its own, so that keys do not lie on each caller's stack.
 */
#define FACT_THERE (1ull << 63)
#define FACT_DATA(fact) ((__u32)(fact)) /* data[0] */
#define FACT_KNOWN(fact) ((__u32)((fact) >> 32) & 0xff)
#define FACT_FLAGS(fact) ((__u32)((fact) >> 40) & 0xffff)

GLOBAL __u64 fact_now(__u64 vm, __u32 boot, __u64 address, __u64 what)
{
	struct observe_value *v;
	struct observe_key key;

	key_of(&key, vm, address, what);
	v = bpf_map_lookup_elem(&facts, &key);
	if (!v || v->boot != boot)
		return 0;
	return v->data[0] | (__u64)v->known << 32 | (__u64)v->flags << 40 | FACT_THERE;
}

static __always_inline __u64 known_fact(const struct subject *s, __u8 kind, __u32 selector, __u64 address, __u8 width)
{
	return s->vm ? fact_now(s->vm->seen.vm, s->vm->seen.boot, address, selector | (__u64)kind << 32 | (__u64)width << 40) : 0;
}

/* Signals a fact as the map has it. */
GLOBAL int tell(__u64 kvm, __u32 vcpu_id, __u64 address, __u64 what)
{
	struct vm_state *vm = vm_of(kvm);
	struct observe_value *v;
	struct observe_key key;
	struct observe_news *n;

	if (!vm)
		return 0;
	key_of(&key, vm->seen.vm, address, what);
	v = bpf_map_lookup_elem(&facts, &key);
	if (!v)
		return 0;
	n = bpf_ringbuf_reserve(&news, sizeof(*n), 0);
	if (!n) {
		count(OBSERVE_COUNT_DROPPED);
		return 0;
	}
	n->type = OBSERVE_NEWS_FACT;
	n->reason = 0;
	n->at_ns = v->changed_ns;
	n->kvm = kvm;
	n->tgid = current_tgid();
	n->vcpu_id = vcpu_id;
	n->key = key;
	n->value = *v;
	n->value.zero = 0;
	bpf_ringbuf_submit(n, news_wakeup(false));
	return 0;
}

static __always_inline int signal_fact(struct subject *s, const struct observe_key *key)
{
	return tell(s->kvm, s->vcpu_id, key->address, what_of(key));
}

/* Puts a fact into the map that was not there. False: no room, and that is counted. */
static __always_inline bool admit(struct vm_state *vm, const struct observe_key *key, const struct observe_value *value, __u32 class)
{
	long err;

	if (class >= OBSERVE_CLASSES)
		return false;
	if (vm->seen.facts[class] >= quota[class] && vm->seen.facts[class] - returned_of(vm, class) >= quota[class]) {
		__sync_fetch_and_add(&vm->seen.overflow[class], 1);
		count(OBSERVE_COUNT_OVERFLOW);
		return false;
	}
	err = bpf_map_update_elem(&facts, key, value, BPF_NOEXIST);
	if (err == 0) {
		__sync_fetch_and_add(&vm->seen.facts[class], 1);
	} else if (err != -BPF_EEXIST) {
		__sync_fetch_and_add(&vm->seen.overflow[class], 1);
		count(OBSERVE_COUNT_MAP_FULL);
		return false;
	}
	return true;
}

static __always_inline void renew(struct observe_value *v, const struct observe_value *in)
{
	v->changed_ns = in->changed_ns;
	v->changes = 0;
	v->all_ones = in->all_ones;
	v->flags = in->flags;
	v->known = in->known;
	v->data[0] = in->data[0];
	v->data[1] = in->data[1];
	v->data[2] = in->data[2];
	v->data[3] = in->data[3];
	v->boot = in->boot;
}

/*
 * A fact that this boot does not know yet: into the map. low: data[0] and data[1]; high: of CPUID data[2] and data[3], of all others,
 * which have none, `known`. False: no room. Private facts are not counted among those told.
 */
GLOBAL int take(__u64 kvm, __u64 address, __u64 what, __u64 low, __u64 high)
{
	struct observe_value in = { 0 }, *v;
	__u32 class = WHAT_CLASS(what);
	struct vm_state *vm = vm_of(kvm);
	struct observe_key key;

	if (!vm)
		return false;
	key_of(&key, vm->seen.vm, address, what);
	in.changed_ns = bpf_ktime_get_ns();
	in.boot = vm->seen.boot;
	in.all_ones = !!(what & WHAT_ALL_ONES);
	in.flags = WHAT_FLAGS(what);
	in.zero = class;
	in.data[0] = low;
	in.data[1] = low >> 32;
	if (key.kind == OBSERVE_CPUID) {
		in.data[2] = high;
		in.data[3] = high >> 32;
	} else {
		in.known = high;
	}
	v = bpf_map_lookup_elem(&facts, &key);
	if (v)
		renew(v, &in);
	else if (!admit(vm, &key, &in, class))
		return false;
	if (!(what >> 32 & OBSERVE_PRIVATE))
		count(OBSERVE_COUNT_FACTS + class);
	return true;
}

/* A fact of this boot got another value: counted, signalled until it has turned out to be state. */
GLOBAL int changes(__u64 kvm, __u32 vcpu_id, __u64 address, __u64 what)
{
	struct vm_state *vm = vm_of(kvm);
	struct observe_value *v;
	struct observe_key key;

	if (!vm)
		return 0;
	key_of(&key, vm->seen.vm, address, what);
	v = bpf_map_lookup_elem(&facts, &key);
	if (!v)
		return 0;
	v->changed_ns = bpf_ktime_get_ns();
	v->changes += 1;
	if (v->flags & OBSERVE_VOLATILE)
		return 0;
	if (v->changes >= OBSERVE_VOLATILE_CHANGES)
		v->flags |= OBSERVE_VOLATILE;
	forget_caches();
	return tell(kvm, vcpu_id, address, what);
}

static __always_inline int changed(struct subject *s, const struct observe_key *key)
{
	return changes(s->kvm, s->vcpu_id, key->address, what_of(key));
}

/* What a fact is taken with; known and data[2] exclude each other. */
static __always_inline bool take_fact(struct subject *s, const struct observe_key *key, const struct observe_value *in, __u32 class)
{
	__u64 what = what_of(key) | (__u64)(class & 0xff) << 48 | (__u64)(in->flags & 0x7f) << 56 | (in->all_ones ? WHAT_ALL_ONES : 0);
	__u64 high = key->kind == OBSERVE_CPUID ? in->data[2] | (__u64)in->data[3] << 32 : in->known;

	return take(s->kvm, key->address, what, in->data[0] | (__u64)in->data[1] << 32, high);
}

/*
 * The first sight of a fact in this boot: into the map, and signalled. Returns NULL if it was dealt with (or refused),
 * else the fact as this boot knows it already.
 */
static __always_inline struct observe_value *first_sight(struct subject *s, const struct observe_key *key,
							 const struct observe_value *in, __u32 class)
{
	struct observe_value *v = bpf_map_lookup_elem(&facts, key);

	if (is_now(s, v))
		return v;
	if (take_fact(s, key, in, class))
		signal_fact(s, key);
	return NULL;
}

#endif
