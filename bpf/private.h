/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs and collect/kernel.c share beside the contract (observe.h): nobody else sees it.
 * Included after observe.h.
 */
#ifndef ABIDRIFT_BPF_PRIVATE_H
#define ABIDRIFT_BPF_PRIVATE_H

#include "observe.h"

/*
 * Pinned maps are taken over by programs of another version only if both have this number, OBSERVE_LAYOUT and the same types in
 * their maps: the types are compared as they are, so this is for what they mean. Change the meaning of a field or bit that is kept
 * in a map, raise it.
 */
#define PRIVATE_LAYOUT 1

/* Keys of map `epochs`. */
#define EPOCHS_CACHES 0 /* moved on by the programs: all that their caches know is old */
#define EPOCHS_OWNER 1  /* written by userspace: which programs work (.rodata `owner`) */
#define EPOCHS 2

/* The programs on tracepoints, where each event is the turn of one of several (turns.bpf.h): what `turns` is indexed by. */
enum { TURNS_CPUID, TURNS_PORTS, TURNS_MMIO, TURNS_FAST_MMIO, TURNS_MSR, TURNS_RESETS, TURNS_SHUTDOWNS, TURNS_PROGRAMS };
/* In place of the numbers of two functions of the kernel; no helper has such a number. */
#define TURNS_PREEMPT_DISABLE 0x7ffffff0
#define TURNS_PREEMPT_ENABLE 0x7ffffff1

/* Value of map `vms`: what others see, and what only the programs need. */
struct vm_state {
	struct observe_vm seen;
	__u64 suspect; /* vCPU that wrote a reset port or shut down, while PENDING or VM_STATE_SHUTDOWN */
	__u32 creator; /* kvm->userspace_pid; 0 = entered by userspace, not known */
	__u32 learnt;  /* REGISTER_*: registers that this boot knows already */
	__u32 ioapic_select[2]; /* index register of each I/O APIC as last written */
	__u32 fwcfg_item;       /* selected one | FWCFG_SELECTED; 0 = not one that is kept, or not known */
	__u32 fwcfg_offset;     /* of the next byte */
	__u32 eject_bus;        /* as last selected for ejecting */
	__u32 pci_steps;        /* accesses to PCI configuration that may have told something, or changed what the next one tells */
};

/* Bits of vm_state.learnt: from then on the page is like any other. */
#define REGISTER_IOAPIC (1u << 0) /* and the second one */
#define REGISTER_LAPIC (1u << 2)
#define REGISTER_HPET_ID (1u << 3)
#define REGISTER_HPET_PERIOD (1u << 4)
#define FWCFG_SELECTED (1u << 16)

/* Private bits of observe_vm.flags. */
#define VM_STATE_SHUTDOWN (1u << 16) /* a vCPU triple-faulted: it goes on only after a reset */
#define VM_STATE_PCI (1u << 17)      /* a PCI function other than the host bridge was asked for in this boot */
#define VM_STATE_ASKED (1u << 18)    /* a reset port was written in this boot, whatever came of it */
#define BOUNCE_NS 10000000000ull     /* firmware that resets at once does so within this, on a busy host too */

#define OBSERVE_PRIVATE 0x80 /* bit in the kind of private facts */

/*
 * A private fact: what a placeable PCI register (BAR, ROM, bridge window, bus numbers) holds now. selector as
 * OBSERVE_PCI_PLACED, address 0; data[0] = dword of which `known` bytes are known, changes = times it was programmed in this
 * boot, flag OBSERVE_SIZING while it holds all ones. Counts as OBSERVE_CLASS_PCI_HEADER, is never signalled.
 */
#define OBSERVE_PCI_CURRENT 0x80

/*
 * A private fact: a page, or a block of ports, in which some registers identify. selector = enum observe_space, address = its
 * beginning; counts as OBSERVE_CLASS_REGISTER, is never signalled. data[0] = virtio-mmio windows in the page (bit n = at n * 0x200),
 * data[1] = feature word selected in each (4 bits, 0xf = not known), data[2] = WATCH_RANGE of a MAC address,
 * data[3] = what the guest has written: bit n = window n's configuration, bit 8 = the range.
 */
#define OBSERVE_WATCH 0x81
#define WATCH_RANGE(first, bytes, width) ((__u32)(first) | (__u32)(bytes) << 16 | (__u32)(width) << 24)
#define WATCH_RANGE_WRITTEN (1u << 8)
#define WATCH_PORTS 32u

/* Map `returned`: key = observe_vm.vm. Facts of earlier boots that userspace removed: they do not count against the quota any more. */
struct vm_returned {
	__u32 facts[OBSERVE_CLASSES];
};

/*
 * Map `ecams`: key = observe_vm.vm. Where the ECAM window is, as userspace learnt it; a map of its own, because a whole
 * observe_vm written by userspace would undo what the programs write meanwhile.
 */
struct vm_ecam {
	__u64 base;
	__u32 bytes;
	__u32 zero;
};

/* Two VMs do not follow each other at one address, with several vCPUs from the start, within this. */
#define RECREATED_NS 1000000000ull

/* Programmed more often than this in a boot: placement that is no longer signalled, only kept. */
#define PLACED_SIGNALS 64

/* Iterator record behind a VM's slots: where the next page begins. bucket SLOT_PAGE_END: there is none. */
#define INVENTORY_PAGE 100
struct inventory_page {
	__u32 bucket;
	__u32 skip;
	__u64 generation; /* of the slot array after the last slot was read */
};
#define SLOT_PAGE_END 0xffffffffu
#define SLOT_PAGE_SLOTS 256

#define SLOTS_AT_ONCE 32
struct slot_record {
	struct inventory_header header;
	struct inventory_slot slot;
};

/* Where the iterator's walk over the slots is: in memory, where functions that take no pointers find it. */
struct slot_walk {
	__u64 kvm;
	__u64 slots;
	__u64 node;
	__u64 node_offset; /* of id_node[active] in the slot */
	__u32 bucket;
	__u32 position;    /* in the bucket */
	__u32 skip;
	__u32 written;
	__u32 used;        /* of the array, before 5.17 */
	__u32 filled;      /* of the records */
	struct slot_record records[SLOTS_AT_ONCE];
};

/* A part of a vCPU's table: as KVM has it (struct kvm_cpuid_entry2), and as it is told. */
#define CPUID_AT_ONCE 16
struct cpuid_walk {
	__u32 raw[CPUID_AT_ONCE][10];
	struct inventory_cpuid_entry entries[CPUID_AT_ONCE];
};

/* What the programs take for the current vCPU when .rodata `testing` is set (BPF_PROG_TEST_RUN has none). */
struct test_subject {
	__u64 vcpu; /* 0 = there is none */
	__u64 kvm;
	__u32 vcpu_id;
	__u32 vcpu_idx;
	__u32 bsp_vcpu_id;
	__u32 tgid;     /* 0 = the test's own */
	__u8 ran;       /* vcpu->pid is the current thread */
	__u8 protected_mode;
	__u8 at_reset_vector;
	__u8 zero;
	__u32 online;   /* vCPUs of the VM; 0 counts as 1 */
	__u32 creator;  /* 0 = as tgid */
	__u32 no_memory; /* there is none for a thread's notes */
	__u64 quirks;
	__u8 data[128]; /* what a pointer argument points to, whatever its value, if it is not NULL */
};

#endif
