/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel structs that are looked into, with only the members that are used: libbpf relocates them to the running
 * kernel's BTF (CO-RE). No vmlinux.h: what is not here is not used. Names with ___ are flavours of older kernels.
 * Fixed-width types and BPF constants are declared here too, because clang's BPF target does not find the C library's asm/.
 */
#ifndef ABIDRIFT_KVM_TYPES_H
#define ABIDRIFT_KVM_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#define NULL ((void *)0)
#define bool _Bool
#define true 1
#define false 0

/* include/uapi/linux/bpf.h; as macros, because map definitions take their type from an array size. */
#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PROG_ARRAY 3
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_MAP_TYPE_TASK_STORAGE 29
#define BPF_F_NO_PREALLOC 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0
#define BPF_EEXIST 17

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};

/* kernel/sched/core.c hangs the loaded vCPU's notifier on the task between vcpu_load() and vcpu_put() (virt/kvm/kvm_main.c). */
struct preempt_ops;
struct preempt_notifier {
	struct hlist_node link;
	struct preempt_ops *ops;
};
struct task_struct {
	struct hlist_head preempt_notifiers;
	int pid;
	int tgid;
};

struct upid {
	int nr;
};
struct pid {
	struct upid numbers[1]; /* [0] is the initial pid namespace */
};

struct kvm_memory_slot {
	struct hlist_node id_node[2]; /* since 5.17 */
	__u64 base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	__u32 flags;
	short id;
	__u16 as_id;
};
/* Since 5.17 (a54d806688fe): two sets, a slot is in the active one by its node number node_idx. */
struct kvm_memslots {
	__u64 generation;
	struct hlist_head id_hash[128];
	int node_idx;
};
/* Before: an array. */
struct kvm_memslots___old {
	__u64 generation;
	int used_slots;
	struct kvm_memory_slot memslots[0];
};

typedef struct {
	int counter;
} atomic_t;

struct mm_struct;
struct kvm_arch {
	__u64 last_tsc_nsec; /* host time of the last write to a vCPU's TSC (kvm_synchronize_tsc) */
	__u32 bsp_vcpu_id;
	__u64 disabled_quirks;
	__u8 vm_type;           /* since 6.8; 0 = KVM_X86_DEFAULT_VM */
	bool has_private_mem;   /* since 6.10 */
	bool has_protected_state; /* since 6.11: registers are encrypted (SEV-ES, SNP, TDX), so memory is too */
};
struct kvm {
	struct mm_struct *mm;
	struct kvm_memslots *memslots[1];
	atomic_t online_vcpus;
	int userspace_pid; /* thread that created it, initial pid namespace */
	struct kvm_arch arch;
};

struct kvm_cpuid_entry2 {
	__u32 function;
	__u32 index;
	__u32 flags;
	__u32 eax, ebx, ecx, edx;
	__u32 padding[3];
};
struct kvm_vcpu_arch {
	unsigned long regs[17]; /* [16] = RIP (enum kvm_reg), where there is no `rip` */
	unsigned long rip;      /* in kernel 7.2, where regs has 16 */
	unsigned long cr0;
	int cpuid_nent;
	struct kvm_cpuid_entry2 *cpuid_entries;
	int maxphyaddr;
};
struct kvm_vcpu {
	struct kvm *kvm;
	struct preempt_notifier preempt_notifier;
	int vcpu_id;
	int vcpu_idx;
	struct pid *pid;
	struct kvm_vcpu_arch arch;
};

struct qstr {
	const unsigned char *name;
};
struct dentry {
	struct qstr d_name;
};
struct path {
	struct dentry *dentry;
};
struct super_block {
	unsigned long s_magic;
};
struct inode {
	struct super_block *i_sb;
};
struct file {
	void *private_data;
	struct path f_path;
	struct inode *f_inode;
};
struct seq_file;
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158, /* since 5.11 */
};

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
