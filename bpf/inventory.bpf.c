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
struct slot_record {
	struct inventory_header header;
	struct inventory_slot slot;
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

static __always_inline bool write_slot(const struct shown *f, struct slot_record *r, __u64 slot)
{
	struct kvm_memory_slot *m = (void *)slot;

	r->slot.gpa = BPF_CORE_READ(m, base_gfn) << PAGE_SHIFT;
	r->slot.bytes = (__u64)BPF_CORE_READ(m, npages) << PAGE_SHIFT;
	r->slot.hva = BPF_CORE_READ(m, userspace_addr);
	r->slot.flags = BPF_CORE_READ(m, flags);
	r->slot.id = BPF_CORE_READ(m, id);
	r->slot.as_id = bpf_core_field_exists(m->as_id) ? BPF_CORE_READ(m, as_id) : 0;
	slots_now(walk.kvm, &r->slot.generation);
	return bpf_seq_write(f->seq, r, sizeof(*r)) == 0;
}

/* Since 5.17. False: the output is full, this show() will be run again. */
static __always_inline bool write_hashed(const struct shown *f, struct slot_record *r)
{
	struct kvm_memslots *slots = (void *)walk.slots;
	int active = BPF_CORE_READ(slots, node_idx) & 1;

	walk.node = 0;
	walk.position = 0;
	walk.node_offset = bpf_core_field_offset(struct kvm_memory_slot, id_node) + active * sizeof(__u64) * 2;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SLOT_STEPS; i++) {
		__u64 address = walk.node, next = 0;

		if (walk.written >= SLOT_PAGE_SLOTS)
			break;
		if (!address) {
			if (walk.bucket >= SLOT_BUCKETS)
				break;
			address = walk.slots + bpf_core_field_offset(struct kvm_memslots, id_hash) + walk.bucket * sizeof(next);
			bpf_probe_read_kernel(&next, sizeof(next), (void *)address);
			walk.node = next;
			walk.position = 0;
			if (!next) {
				walk.bucket++;
				walk.skip = 0;
			}
			continue;
		}
		if (walk.position >= walk.skip) {
			if (!write_slot(f, r, address - walk.node_offset))
				return false;
			walk.written++;
		}
		walk.position++;
		bpf_probe_read_kernel(&next, sizeof(next), (void *)address);
		walk.node = next;
		if (!next) {
			walk.bucket++;
			walk.skip = 0;
			walk.position = 0;
		}
	}
	if (walk.position > walk.skip)
		walk.skip = walk.position;
	if (walk.bucket >= SLOT_BUCKETS)
		walk.bucket = SLOT_PAGE_END;
	return true;
}

/* Before 5.17: sorted by address in an array. */
static __always_inline bool write_array(const struct shown *f, struct slot_record *r)
{
	struct kvm_memslots___old *slots = (void *)walk.slots;
	__u32 used = BPF_CORE_READ(slots, used_slots);

	walk.bucket = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SLOT_PAGE_SLOTS; i++) {
		__u64 slot;

		if (walk.skip >= used)
			break;
		slot = walk.slots + bpf_core_field_offset(struct kvm_memslots___old, memslots) +
			(__u64)walk.skip * bpf_core_type_size(struct kvm_memory_slot);
		if (!write_slot(f, r, slot))
			return false;
		walk.skip++;
	}
	if (walk.skip >= used)
		walk.bucket = SLOT_PAGE_END;
	return true;
}

static __noinline int show_slots(const struct shown *f, __u64 kvm)
{
	struct slot_record r = { 0 };
	struct page_record end = { 0 };
	__u64 generation;
	bool fits;

	walk.kvm = kvm;
	walk.slots = slots_now(kvm, &generation);
	walk.bucket = inventory_bucket;
	walk.skip = inventory_skip;
	walk.written = 0;
	header_of(&r.header, f, INVENTORY_SLOT, sizeof(r.slot), kvm);
	if (bpf_core_field_exists(((struct kvm_memslots *)0)->id_hash))
		fits = write_hashed(f, &r);
	else if (bpf_core_field_exists(((struct kvm_memslots___old *)0)->used_slots))
		fits = write_array(f, &r);
	else
		return 0;
	if (!fits)
		return 0;
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

static __noinline int show_cpuid(const struct shown *f, __u64 vcpu)
{
	struct kvm_vcpu *v = (void *)vcpu;
	struct cpuid_record r = { 0 };
	struct kvm_cpuid_entry2 *table = BPF_CORE_READ(v, arch.cpuid_entries);
	__u32 count = BPF_CORE_READ(v, arch.cpuid_nent);

	if (count > OBSERVE_CPUID_MAX)
		count = OBSERVE_CPUID_MAX;
	header_of(&r.header, f, INVENTORY_CPUID, sizeof(r.cpuid) + count * sizeof(struct inventory_cpuid_entry), (__u64)BPF_CORE_READ(v, kvm));
	r.cpuid.vcpu_id = BPF_CORE_READ(v, vcpu_id);
	r.cpuid.count = count;
	if (bpf_seq_write(f->seq, &r, sizeof(r)))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OBSERVE_CPUID_MAX; i++) {
		struct inventory_cpuid_entry e;
		struct kvm_cpuid_entry2 raw = { 0 };

		if (i >= count)
			break;
		/* This struct is KVM's API to userspace: its layout does not change. */
		bpf_probe_read_kernel(&raw, sizeof(raw), (void *)((__u64)table + i * sizeof(raw)));
		__builtin_memcpy(&e, &raw, sizeof(e));
		if (bpf_seq_write(f->seq, &e, sizeof(e)))
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
	if (!object || file->f_inode->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), file->f_path.dentry->d_name.name);
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
