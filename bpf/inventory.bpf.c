/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The iterator over processes' files that reads VMs, vCPUs, their CPUID tables and memory slots out of the kernel.
 *
 * One show() may write 32 KiB at most, and is run again for the same file when its output did not fit what was left of the
 * buffer: so it depends on nothing but what userspace set, and slots come in pages.
 */
#include "facts.bpf.h"

#define ANON_INODE_FS_MAGIC 0x09041934
#define PAGE_SHIFT 12
#define SLOT_BUCKETS 128
/* A page's buckets, slots to skip (those of one bucket at most: 32764 slots are spread evenly), slots. */
#define SLOT_STEPS (SLOT_BUCKETS + 2 * SLOT_PAGE_SLOTS + 64)

/* Set by userspace before it reads: what, of which process (0 = all) and descriptor (-1 = all), from where on. */
__u32 inventory_want SEC(".data") = 0;
__u32 inventory_tgid SEC(".data") = 0;
__s32 inventory_fd SEC(".data") = -1;
__u32 inventory_bucket SEC(".data") = 0;
__u32 inventory_skip SEC(".data") = 0;

enum { WANT_VMS = 1, WANT_VCPUS = 2, WANT_CPUID = 4, WANT_SLOTS = 8 };

struct slot_walk walk SEC(".data") = { 0 };
struct cpuid_walk table SEC(".data") = { 0 };

/* The file that is being shown. */
struct shown {
	struct seq_file *seq;
	__u32 tgid;
	__u32 fd;
};

struct vm_record {
	struct inventory_header header;
	struct inventory_vm vm;
};
struct vcpu_record {
	struct inventory_header header;
	struct inventory_vcpu vcpu;
};
struct cpuid_record {
	struct inventory_header header;
	struct inventory_cpuid cpuid;
};
struct page_record {
	struct inventory_header header;
	struct inventory_page page;
};

static __always_inline void header_of(struct inventory_header *h, const struct shown *f, __u32 type, __u32 bytes, __u64 kvm)
{
	struct vm_state *vm = bpf_map_lookup_elem(&vms, &kvm);

	h->type = type;
	h->bytes = bytes;
	h->kvm = kvm;
	h->vm = vm ? vm->seen.vm : 0;
	h->tgid = f->tgid;
	h->fd = f->fd;
}

static __always_inline __u64 slots_now(__u64 kvm, __u64 *ret_generation)
{
	struct kvm *k = (void *)kvm;
	struct kvm_memslots *slots = BPF_CORE_READ(k, memslots[0]);

	*ret_generation = BPF_CORE_READ(slots, generation);
	return (__u64)slots;
}

static __always_inline void take_slot(__u64 slot)
{
	struct inventory_slot *r = &walk.records[walk.filled % SLOTS_AT_ONCE].slot;
	struct kvm_memory_slot *m = (void *)slot;

	r->gpa = BPF_CORE_READ(m, base_gfn) << PAGE_SHIFT;
	r->bytes = (__u64)BPF_CORE_READ(m, npages) << PAGE_SHIFT;
	r->hva = BPF_CORE_READ(m, userspace_addr);
	r->flags = BPF_CORE_READ(m, flags);
	r->id = BPF_CORE_READ(m, id);
	r->as_id = bpf_core_field_exists(m->as_id) ? BPF_CORE_READ(m, as_id) : 0;
	slots_now(walk.kvm, &r->generation);
	walk.filled++;
	walk.written++;
}

static __always_inline void next_bucket(void)
{
	walk.bucket++;
	walk.skip = 0;
	walk.position = 0;
}

/* Since 5.17: a look at one bucket, or at one slot in it. */
static __always_inline bool step_hashed(void)
{
	__u64 address = walk.node, next = 0;

	if (walk.written >= SLOT_PAGE_SLOTS)
		return false;
	if (!address) {
		if (walk.bucket >= SLOT_BUCKETS)
			return false;
		address = walk.slots + bpf_core_field_offset(struct kvm_memslots, id_hash) + walk.bucket * sizeof(next);
		bpf_probe_read_kernel(&next, sizeof(next), (void *)address);
		walk.node = next;
		walk.position = 0;
		if (!next)
			next_bucket();
		return true;
	}
	if (walk.position >= walk.skip)
		take_slot(address - walk.node_offset);
	walk.position++;
	bpf_probe_read_kernel(&next, sizeof(next), (void *)address);
	walk.node = next;
	if (!next)
		next_bucket();
	return true;
}

/* Before 5.17: sorted by address in an array. */
static __always_inline bool step_array(void)
{
	if (walk.skip >= walk.used || walk.written >= SLOT_PAGE_SLOTS)
		return false;
	take_slot(walk.slots + bpf_core_field_offset(struct kvm_memslots___old, memslots) +
		  (__u64)walk.skip * bpf_core_type_size(struct kvm_memory_slot));
	walk.skip++;
	return true;
}

/* False: the page ends. The verifier walks these two once, not for every turn of the loops that they are in. */
GLOBAL int slot_step(void)
{
	if (bpf_core_field_exists(((struct kvm_memslots *)0)->id_hash))
		return step_hashed();
	return step_array();
}

/* Fills walk.records. False: the page ends. */
GLOBAL int slot_steps(void)
{
	int more = 1;

	walk.filled = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SLOTS_AT_ONCE && more; i++)
		more = slot_step();
	return more;
}

static __always_inline void walk_begin(__u64 kvm, __u64 *ret_generation)
{
	struct kvm_memslots *hashed;
	struct kvm_memslots___old *array;

	walk.kvm = kvm;
	walk.slots = slots_now(kvm, ret_generation);
	walk.bucket = inventory_bucket;
	walk.skip = inventory_skip;
	walk.written = 0;
	walk.node = 0;
	walk.position = 0;
	if (bpf_core_field_exists(((struct kvm_memslots *)0)->id_hash)) {
		hashed = (void *)walk.slots;
		walk.node_offset = bpf_core_field_offset(struct kvm_memory_slot, id_node) + (BPF_CORE_READ(hashed, node_idx) & 1) * sizeof(__u64) * 2;
	} else {
		array = (void *)walk.slots;
		walk.used = BPF_CORE_READ(array, used_slots);
		walk.bucket = 0;
	}
}

static __always_inline void walk_end(void)
{
	if (bpf_core_field_exists(((struct kvm_memslots *)0)->id_hash)) {
		if (walk.position > walk.skip)
			walk.skip = walk.position;
		if (walk.bucket >= SLOT_BUCKETS)
			walk.bucket = SLOT_PAGE_END;
	} else if (walk.skip >= walk.used) {
		walk.bucket = SLOT_PAGE_END;
	}
}

static __noinline int show_slots(const struct shown *f, __u64 kvm)
{
	struct inventory_header header;
	struct page_record end = { 0 };
	__u64 generation;
	int more = 1;

	if (!bpf_core_field_exists(((struct kvm_memslots *)0)->id_hash) && !bpf_core_field_exists(((struct kvm_memslots___old *)0)->used_slots))
		return 0;
	walk_begin(kvm, &generation);
	header_of(&header, f, INVENTORY_SLOT, sizeof(struct inventory_slot), kvm);
	for (int i = 0; i < SLOTS_AT_ONCE; i++)
		walk.records[i].header = header;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SLOT_STEPS && more; i += SLOTS_AT_ONCE) {
		__u32 filled;

		more = slot_steps();
		filled = walk.filled;
		if (filled > SLOTS_AT_ONCE)
			return 0;
		/* The output is full: this show() will be run again. */
		if (filled && bpf_seq_write(f->seq, walk.records, filled * sizeof(walk.records[0])))
			return 0;
	}
	walk_end();
	header_of(&end.header, f, INVENTORY_PAGE, sizeof(end.page), kvm);
	end.page.bucket = walk.bucket;
	end.page.skip = walk.skip;
	slots_now(kvm, &end.page.generation);
	bpf_seq_write(f->seq, &end, sizeof(end));
	return 0;
}

/*
 * Guests whose memory is theirs alone: SEV, SNP, TDX, guest_memfd. Before 6.8 (and where a VMM still makes them by the older
 * KVM_SEV_INIT) only kvm_amd's own struct knows, which is not in vmlinux BTF: those are not told.
 */
static __always_inline bool is_private(struct kvm *k)
{
	if (bpf_core_field_exists(k->arch.vm_type) && BPF_CORE_READ(k, arch.vm_type))
		return true;
	if (bpf_core_field_exists(k->arch.has_private_mem) && BPF_CORE_READ(k, arch.has_private_mem))
		return true;
	return bpf_core_field_exists(k->arch.has_protected_state) && BPF_CORE_READ(k, arch.has_protected_state);
}

static __noinline int show_vm(const struct shown *f, __u64 kvm)
{
	struct vm_record r = { 0 };
	struct kvm *k = (void *)kvm;

	header_of(&r.header, f, INVENTORY_VM, sizeof(r.vm), kvm);
	r.vm.mm = (__u64)BPF_CORE_READ(k, mm);
	slots_now(kvm, &r.vm.slots_generation);
	r.vm.online_vcpus = BPF_CORE_READ(k, online_vcpus.counter);
	r.vm.slots = 0xffffffff;
	r.vm.is_private = is_private(k);
	r.vm.zero = 0;
	bpf_seq_write(f->seq, &r, sizeof(r));
	return 0;
}

static __noinline int show_vcpu(const struct shown *f, __u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;
	struct vcpu_record r = { 0 };
	struct pid *pid = BPF_CORE_READ(v, pid);

	header_of(&r.header, f, INVENTORY_VCPU, sizeof(r.vcpu), (__u64)BPF_CORE_READ(v, kvm));
	r.vcpu.vcpu = vcpu;
	r.vcpu.tsc_written_ns = bpf_core_field_exists(v->kvm->arch.last_tsc_nsec) ? BPF_CORE_READ(v, kvm, arch.last_tsc_nsec) : 0;
	r.vcpu.vcpu_id = BPF_CORE_READ(v, vcpu_id);
	r.vcpu.tid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
	r.vcpu.cpuid_entries = BPF_CORE_READ(v, arch.cpuid_nent);
	r.vcpu.maxphyaddr = BPF_CORE_READ(v, arch.maxphyaddr);
	bpf_seq_write(f->seq, &r, sizeof(r));
	return 0;
}

/* Fills table.entries from entry `first` of a vCPU's table on. Returns how many. This struct is KVM's API to userspace: its layout does not change. */
GLOBAL __u64 cpuid_entries(__u64 entries, __u64 first, __u64 count)
{
	__u64 left;

	if (first >= count)
		return 0;
	left = count - first;
	if (left > CPUID_AT_ONCE)
		left = CPUID_AT_ONCE;
	asm volatile("" : "+r"(left));
	if (left > CPUID_AT_ONCE || bpf_probe_read_kernel(table.raw, left * sizeof(table.raw[0]), (void *)(entries + first * sizeof(table.raw[0]))))
		__builtin_memset(table.raw, 0, sizeof(table.raw));
	for (int i = 0; i < CPUID_AT_ONCE; i++)
		__builtin_memcpy(&table.entries[i], &table.raw[i], sizeof(table.entries[i]));
	return left;
}

static __noinline int show_cpuid(const struct shown *f, __u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;
	struct cpuid_record r = { 0 };
	__u64 entries = (__u64)BPF_CORE_READ(v, arch.cpuid_entries);
	__u32 count = BPF_CORE_READ(v, arch.cpuid_nent);

	if (count > OBSERVE_CPUID_MAX)
		count = OBSERVE_CPUID_MAX;
	header_of(&r.header, f, INVENTORY_CPUID, sizeof(r.cpuid) + count * sizeof(struct inventory_cpuid_entry), (__u64)BPF_CORE_READ(v, kvm));
	r.cpuid.vcpu_id = BPF_CORE_READ(v, vcpu_id);
	r.cpuid.count = count;
	if (bpf_seq_write(f->seq, &r, sizeof(r)))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OBSERVE_CPUID_MAX; i += CPUID_AT_ONCE) {
		__u64 filled = cpuid_entries(entries, i, count);

		if (!filled || filled > CPUID_AT_ONCE || bpf_seq_write(f->seq, table.entries, filled * sizeof(table.entries[0])))
			break;
	}
	return 0;
}

SEC("iter/task_file")
int inventory(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	char name[10] = { 0 };
	__u64 object = 0;
	struct shown f;

	if (!task || !file)
		return 0;
	if ((inventory_tgid && inventory_tgid != (__u32)task->tgid) || (inventory_fd >= 0 && (__u32)inventory_fd != ctx->fd))
		return 0;
	f.seq = ctx->meta->seq;
	f.tgid = task->tgid;
	f.fd = ctx->fd;
	bpf_probe_read_kernel(&object, sizeof(object), &file->private_data);
	/* Anyone may call a file kvm-vm: but not an anonymous inode. */
	if (!object || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != ANON_INODE_FS_MAGIC)
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (*(__u32 *)name != 0x2d6d766b) /* kvm- */
		return 0;
	if (name[4] == 'v' && name[5] == 'm' && name[6] == 0) {
		if (inventory_want & (WANT_VMS | WANT_SLOTS))
			show_vm(&f, object);
		if (inventory_want & WANT_SLOTS)
			show_slots(&f, object);
	} else if (name[4] == 'v' && name[5] == 'c' && name[6] == 'p' && name[7] == 'u' && name[8] == ':') {
		if (inventory_want & WANT_VCPUS)
			show_vcpu(&f, object);
		if (inventory_want & WANT_CPUID)
			show_cpuid(&f, object);
	}
	return 0;
}
