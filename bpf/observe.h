/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the kernel side and userspace: what the maps, the news
 * ring and the iterators carry. Fixed-width, no holes; userspace refuses pinned
 * maps of another OBSERVE_LAYOUT. Change a struct, raise the number.
 *
 * Times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns).
 * Included by BPF programs after kvm_types.h, by userspace after <linux/types.h>.
 */
#ifndef ABIDRIFT_OBSERVE_H
#define ABIDRIFT_OBSERVE_H

#ifndef __bpf__
#include <assert.h>
#include <linux/types.h>
#endif

#define OBSERVE_LAYOUT 3

/* What a fact is about; decides what selector, address and data mean. */
enum observe_kind {
	OBSERVE_CPUID = 1,      /* selector = leaf, address = subleaf (0 where the leaf has none); data = eax ebx ecx edx, per-vCPU and mirror bits zero */
	OBSERVE_PORT = 2,       /* selector = port, width = bytes; reads only */
	OBSERVE_MMIO = 3,       /* address = gpa of the 4 KiB page, width = bytes; reads only */
	OBSERVE_PCI = 4,        /* selector = bdf (bus<<8|dev<<3|fn), address = config register, dword aligned; data[0] = the bytes in `known`, state bits zero */
	OBSERVE_PCI_SIZE = 5,   /* as OBSERVE_PCI: data[0] = the answer to an all-ones write to a BAR or ROM register */
	OBSERVE_PCI_PLACED = 6, /* selector = register<<16 | bdf, address = dword that was programmed there (BARs, ROM, bridge registers 0x18 to 0x30) */
	OBSERVE_MSR = 7,        /* selector = index; reads only; data[0..1] = value of MSRs that are identity (msr_identity.h), 0 of others */
	OBSERVE_REGISTER = 8,   /* a register outside PCI configuration that identifies: selector = enum observe_space | index << 8 (registers behind an index register, else 0), address = gpa or port, width = bytes; data[0..1] = what was read */
	OBSERVE_FWCFG = 9,      /* fw_cfg, read through its data register: selector = item, address = offset, 8-byte aligned; data[0..1] = the bytes in `known` (bit n = byte n) */
	OBSERVE_PCI_ABSENT = 10,/* selector = bus, address = function number; data[0] bit n = device n answered all ones while nothing else was known of it in this boot */
	OBSERVE_EJECT = 11,     /* what the guest did about a hot-plug. selector = port that was written, address = bus that was selected (PCI), data[0] = all bits written there in this boot (PCI: slots ejected; CPU, memory: enum observe_plug). Or selector = OBSERVE_EJECT_SLOT | bdf of a PCI Express port: data[0] = its Slot Control as last written, power only */
};

#define OBSERVE_KIND_LAST OBSERVE_EJECT

#define OBSERVE_EJECT_SLOT 0x10000u
#define OBSERVE_SLOT_INDICATOR_OFF 0x300u /* Slot Control, power indicator: both bits = off */
#define OBSERVE_SLOT_POWER_OFF 0x400u
/* QEMU's hot-plug registers (docs/specs/acpi_pci_hotplug, acpi_cpu_hotplug, acpi_mem_hotplug; hw/i386, hw/acpi). */
#define OBSERVE_EJECT_PCI_PIIX 0xae08u
#define OBSERVE_EJECT_PCI_ICH9 0xcc8u
#define OBSERVE_EJECT_CPU_PIIX 0xaf04u
#define OBSERVE_EJECT_CPU_ICH9 0xcdcu
#define OBSERVE_EJECT_MEMORY 0xa14u

/* Control bits of QEMU's CPU and memory hot-plug. */
enum observe_plug {
	OBSERVE_PLUG_INSERTED = 1 << 1, /* the guest took note of one that came */
	OBSERVE_PLUG_EJECTED = 1 << 3,
};

/* Where a register of OBSERVE_REGISTER is. */
enum observe_space {
	OBSERVE_SPACE_MEMORY = 0,
	OBSERVE_SPACE_PORT = 1,
};

/* Facts are bounded per guest and class, so that one flood cannot displace another class or guest. */
enum observe_class {
	OBSERVE_CLASS_CPUID,
	OBSERVE_CLASS_PORT,
	OBSERVE_CLASS_MMIO,
	OBSERVE_CLASS_PCI_HEADER, /* registers below 0x40 of functions that answered, and their sizes */
	OBSERVE_CLASS_PCI_BODY,   /* registers from 0x40 */
	OBSERVE_CLASS_PCI_ABSENT, /* functions that answered all ones */
	OBSERVE_CLASS_PCI_PLACED,
	OBSERVE_CLASS_MSR,
	OBSERVE_CLASS_REGISTER, /* OBSERVE_REGISTER, OBSERVE_FWCFG, OBSERVE_EJECT */
	OBSERVE_CLASSES,
};

enum observe_flag {
	OBSERVE_ANSWERED = 1 << 0,  /* port, MMIO: something other than all ones was read; MSR: it was read without a fault */
	OBSERVE_FOUND = 1 << 1,     /* CPUID: the leaf is in the guest's table */
	OBSERVE_MAX_BASIC = 1 << 2, /* CPUID: out of range, answered with the highest basic leaf (SDM vol. 2A, CPUID) */
	OBSERVE_SIZING = 1 << 3,    /* PCI_SIZE: all ones were written, the answer has not been read yet */
	OBSERVE_EXCEPTION = 1 << 4, /* MSR: #GP was injected */
	OBSERVE_VOLATILE = 1 << 5,  /* changed OBSERVE_VOLATILE_CHANGES times in this boot: state, no longer signalled */
	OBSERVE_VARIES = 1 << 6,    /* MSR: reads in this boot gave different identities; data is 0 */
};

#define OBSERVE_VOLATILE_CHANGES 16
#define OBSERVE_ABSENT_READS 3 /* all-ones reads of one width that make "absent" */
#define OBSERVE_PAGE_BYTES 4096ULL

struct observe_key {
	__u64 vm; /* see observe_vm.vm */
	__u64 address;
	__u32 selector;
	__u8 kind;
	__u8 width;
	__u16 zero;
};

struct observe_value {
	__u64 changed_ns; /* first seen in this boot, or last changed in it */
	__u32 boot;       /* the boot that all below belongs to, from 1 */
	__u32 changes;    /* how often the value changed within this boot */
	__u32 all_ones;   /* port, MMIO: reads of all ones, saturating at OBSERVE_ABSENT_READS */
	__u16 flags;
	__u8 known;       /* PCI: bit n = byte n of data[0] was read */
	__u8 zero;        /* in the facts map: the class that it was admitted under */
	__u32 data[4];
};

/* Bits of observe_vm.flags. */
enum observe_vm_flag {
	OBSERVE_VM_RAN = 1 << 0,        /* a fact was seen since the boot began */
	OBSERVE_VM_FROM_RESET = 1 << 1, /* this boot was seen from its reset, or from the VM's creation */
	OBSERVE_VM_PENDING = 1 << 2,    /* the guest wrote a reset port; the next real-mode fact confirms it */
};

/* Why a boot began. */
enum observe_reason {
	OBSERVE_REASON_FOUND = 0,   /* was there when first looked at */
	OBSERVE_REASON_CREATED = 1, /* its first vCPU was created before our eyes */
	OBSERVE_REASON_PORT = 2,    /* 0xCF9, keyboard controller or port 0x92 */
	OBSERVE_REASON_SHUTDOWN = 3,/* triple fault */
	OBSERVE_REASON_VMM = 4,     /* the VMM put the boot vCPU back to the reset vector */
};

/* Map `vms`: key = struct kvm pointer. One per VM; a new one, with a new id, when the pointer is used again. */
struct observe_vm {
	__u64 vm;         /* id: unique on this host until it reboots, never 0 */
	__u64 kvm;
	__u64 created_ns; /* first seen */
	__u64 boot_ns;
	__u64 ecam_base;  /* 0 = not known */
	__u32 ecam_bytes;
	__u32 pci_latch;  /* last dword written to 0xCF8 */
	__u32 pciexbar[2];/* q35 00:00.0 registers 0x60, 0x64 as last written */
	__u32 boot;       /* from 1 */
	__u32 flags;
	__u32 reason;     /* of this boot */
	__u32 tgid;       /* process, initial pid namespace */
	__u32 facts[OBSERVE_CLASSES];
	__u32 overflow[OBSERVE_CLASSES];
};

enum observe_news_type {
	OBSERVE_NEWS_FACT = 1, /* key and value */
	OBSERVE_NEWS_VM = 2,   /* a VM not known before; value unused but boot */
	OBSERVE_NEWS_BOOT = 3, /* a new boot of a known VM */
	OBSERVE_NEWS_VCPU = 4, /* a vCPU was created */
};

struct observe_news {
	__u32 type;
	__u32 reason; /* VM, BOOT: enum observe_reason */
	__u64 at_ns;
	__u64 kvm;
	__u32 tgid;
	__u32 vcpu_id;
	struct observe_key key; /* .vm always set */
	struct observe_value value; /* .boot always set */
};

/* Map `counters`: per-CPU array, one u64 each. */
enum observe_counter {
	OBSERVE_COUNT_DROPPED,  /* news that found the ring full (the fact is in the map) */
	OBSERVE_COUNT_MAP_FULL, /* facts that found the map full */
	OBSERVE_COUNT_OVERFLOW, /* facts refused by a guest's quota */
	OBSERVE_COUNT_NO_VCPU,  /* events whose vCPU could not be found */
	OBSERVE_COUNT_FACTS,    /* first: facts taken, one counter per class */
	OBSERVE_COUNTERS = OBSERVE_COUNT_FACTS + OBSERVE_CLASSES,
};

/* What the inventory iterators write: a header, then the struct of its type. */
enum inventory_type {
	INVENTORY_VM = 1,
	INVENTORY_VCPU = 2,
	INVENTORY_CPUID = 3, /* inventory_cpuid, then `count` inventory_cpuid_entry */
	INVENTORY_SLOT = 4,
};

struct inventory_header {
	__u32 type;
	__u32 bytes; /* of what follows this header */
	__u64 kvm;
	__u64 vm;    /* id from map `vms`, 0 = not there yet */
	__u32 tgid;
	__s32 fd;    /* VM and vCPU: the descriptor */
};

struct inventory_vm {
	__u64 mm;         /* tells two processes with one descriptor table apart from two VMs */
	__u64 slots_generation;
	__u32 online_vcpus;
	__u32 slots;      /* 0xffffffff = not known */
	__u32 is_private; /* 1: the guest's memory is encrypted or private (SEV, TDX, guest_memfd): nobody else can read it */
	__u32 zero;
};

struct inventory_vcpu {
	__u64 vcpu;
	__u64 tsc_written_ns; /* kvm->arch.last_tsc_nsec: a VMM writes the TSC at creation and at every reset, and else hardly ever */
	__u32 vcpu_id;
	__u32 tid;        /* thread that last ran it, 0 = it never ran */
	__u32 cpuid_entries;
	__u32 maxphyaddr;
};

struct inventory_cpuid {
	__u32 vcpu_id;
	__u32 count; /* at most OBSERVE_CPUID_MAX */
};

#define OBSERVE_CPUID_MAX 256

struct inventory_cpuid_entry {
	__u32 function;
	__u32 index;
	__u32 flags; /* bit 0: index is significant */
	__u32 regs[4]; /* eax ebx ecx edx, raw */
};

struct inventory_slot {
	__u64 gpa;
	__u64 bytes;
	__u64 hva;
	__u32 flags; /* KVM_MEM_*: bit 1 = read-only */
	__u16 id;
	__u16 as_id;
	__u64 generation; /* of the slot array while this one was read */
};

_Static_assert(sizeof(struct observe_key) == 24, "observe_key");
_Static_assert(sizeof(struct observe_value) == 40, "observe_value");
_Static_assert(sizeof(struct observe_vm) == 144, "observe_vm");
_Static_assert(sizeof(struct observe_news) == 96, "observe_news");
_Static_assert(sizeof(struct inventory_header) == 32, "inventory_header");
_Static_assert(sizeof(struct inventory_vm) == 32, "inventory_vm");
_Static_assert(sizeof(struct inventory_vcpu) == 32, "inventory_vcpu");
_Static_assert(sizeof(struct inventory_cpuid_entry) == 28, "inventory_cpuid_entry");
_Static_assert(sizeof(struct inventory_slot) == 40, "inventory_slot");

#endif
