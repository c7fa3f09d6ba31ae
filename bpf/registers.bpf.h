/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Registers outside PCI configuration that identify: chips at fixed addresses, virtio-mmio windows, the MAC addresses of
 * network adapters. All of it is slow path: a page with such registers is not cached as a page, or only once they are known.
 *
 * Sources: Intel 82093AA data sheet 3.0 (I/O APIC); SDM vol. 3A, 11.4.8 (local APIC version); IA-PC HPET specification 1.0a, 2.3.4;
 * virtio 1.1, 4.2.2 (MMIO) and 4.1.4 (PCI capabilities).
 */
#ifndef ABIDRIFT_REGISTERS_BPF_H
#define ABIDRIFT_REGISTERS_BPF_H

#include "pci.bpf.h"
#include "evidence.bpf.h"
#include "nic_registers.h"

#define PAGE_MASK (~(OBSERVE_PAGE_BYTES - 1))

#define IOAPIC_PAGE 0xfec00000ull
#define IOAPIC_SECOND 0xfec10000ull /* QEMU's microvm */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_VERSION 1            /* index */
#define IOAPIC_VERSION_BITS 0x00ff00ffu
#define LAPIC_PAGE 0xfee00000ull
#define LAPIC_VERSION 0x30
#define LAPIC_VERSION_BITS 0x81ff00ffu
#define HPET_PAGE 0xfed00000ull
#define HPET_ID 0x0
#define HPET_PERIOD 0x4
#define ALL_ONES 0xffffffffu

#define VIRTIO_WINDOW_BYTES 0x200u
#define VIRTIO_MAGIC 0x74726976u
#define VIRTIO_REG_DEVICE 0x008
#define VIRTIO_REG_VENDOR 0x00c
#define VIRTIO_REG_FEATURES 0x010
#define VIRTIO_REG_FEATURES_SELECT 0x014
#define VIRTIO_REG_CONFIG 0x100
#define VIRTIO_DEVICE_NET 1
#define VIRTIO_SELECT_UNKNOWN 0xf
#define VIRTIO_CAP_DEVICE_CONFIG 4
#define PCI_CAP_VENDOR 0x09

#define ACCESS_WRITE 0x100u /* beside a width */

/* How an access may be cached. */
enum {
	CACHE_PAGE,  /* nothing in its page is looked at */
	CACHE_EXACT, /* nothing at this address is */
	CACHE_NOT,
};

struct mmio_access {
	__u64 gpa;
	__u64 value;
	__u32 len;
	__u32 write;
};

struct seen_register {
	__u64 address;
	__u64 value;
	__u32 selector;
	__u32 width;
};

#define SEEN_FIRST (1ull << 40) /* the guest may write it, so the first value of a boot stands */

/* what: selector | width << 32, and SEEN_FIRST. */
GLOBAL int seen(__u64 kvm, __u32 vcpu_id, __u64 address, __u64 value, __u64 what)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key = { 0 };
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	key.vm = s.vm->seen.vm;
	key.kind = OBSERVE_REGISTER;
	key.selector = what;
	key.address = address;
	key.width = what >> 32;
	in.data[0] = value;
	in.data[1] = value >> 32;
	v = first_sight(&s, &key, &in, OBSERVE_CLASS_REGISTER);
	if (!v || what & SEEN_FIRST || (v->data[0] == in.data[0] && v->data[1] == in.data[1]))
		return 0;
	v->data[0] = in.data[0];
	v->data[1] = in.data[1];
	return changed(&s, &key);
}

static __always_inline int memory_register(struct subject *s, __u64 address, __u32 value, __u32 index)
{
	return seen(s->kvm, s->vcpu_id, address, value, OBSERVE_SPACE_MEMORY | index << 8 | 4ull << 32);
}

/* ---- chips at fixed addresses */
static __always_inline int ioapic(struct subject *s, const struct mmio_access *m, __u32 n)
{
	__u32 offset = m->gpa & ~PAGE_MASK, *select = &s->vm->ioapic_select[n & 1];

	if (s->vm->learnt & REGISTER_IOAPIC << n)
		return CACHE_PAGE;
	if (m->write) {
		if (offset != IOAPIC_SELECT)
			return CACHE_EXACT;
		*select = m->value & 0xff;
		return CACHE_NOT;
	}
	if (offset != IOAPIC_WINDOW)
		return CACHE_EXACT;
	if (*select != IOAPIC_VERSION || m->len != 4 || (__u32)m->value == ALL_ONES)
		return CACHE_NOT;
	memory_register(s, m->gpa, m->value & IOAPIC_VERSION_BITS, IOAPIC_VERSION);
	s->vm->learnt |= REGISTER_IOAPIC << n;
	return CACHE_PAGE;
}

static __always_inline int lapic(struct subject *s, const struct mmio_access *m)
{
	if (m->write || s->vm->learnt & REGISTER_LAPIC)
		return CACHE_PAGE;
	if ((m->gpa & ~PAGE_MASK) != LAPIC_VERSION || m->len != 4 || (__u32)m->value == ALL_ONES)
		return CACHE_EXACT;
	memory_register(s, m->gpa, m->value & LAPIC_VERSION_BITS, 0);
	s->vm->learnt |= REGISTER_LAPIC;
	return CACHE_PAGE;
}

/* A wide read is two registers. */
static __always_inline int hpet(struct subject *s, const struct mmio_access *m)
{
	__u32 offset = m->gpa & ~PAGE_MASK, both = REGISTER_HPET_ID | REGISTER_HPET_PERIOD, period;

	if (m->write || (s->vm->learnt & both) == both)
		return CACHE_PAGE;
	if (offset > HPET_PERIOD || (m->len != 4 && m->len != 8) || (__u32)m->value == ALL_ONES)
		return CACHE_EXACT;
	if (offset == HPET_ID) {
		memory_register(s, HPET_PAGE + HPET_ID, m->value, 0);
		s->vm->learnt |= REGISTER_HPET_ID;
	}
	if (offset == HPET_PERIOD || (offset == HPET_ID && m->len == 8)) {
		period = offset == HPET_ID ? m->value >> 32 : m->value;
		memory_register(s, HPET_PAGE + HPET_PERIOD, period, 0);
		s->vm->learnt |= REGISTER_HPET_PERIOD;
	}
	return (s->vm->learnt & both) == both ? CACHE_PAGE : CACHE_EXACT;
}

/* ---- watched pages and ports */
static __always_inline void watch_key(struct observe_key *key, struct subject *s, __u32 space, __u64 address)
{
	key->vm = s->vm ? s->vm->seen.vm : 0;
	key->address = space == OBSERVE_SPACE_PORT ? address & ~(__u64)(WATCH_PORTS - 1) : address & PAGE_MASK;
	key->selector = space;
	key->kind = OBSERVE_WATCH;
	key->width = 0;
	key->zero = 0;
}

static __always_inline struct observe_value *watch_of(struct subject *s, __u32 space, __u64 address)
{
	struct observe_key key;
	struct observe_value *v;

	watch_key(&key, s, space, address);
	v = bpf_map_lookup_elem(&facts, &key);
	return is_now(s, v) ? v : NULL;
}

/* As watch_of, but made where there is none. NULL: no room. Whoever adds to it must forget what is cached of the page. */
static __always_inline struct observe_value *watch_make(struct subject *s, __u32 space, __u64 address)
{
	struct observe_value in = { .data = { 0, ALL_ONES } }, *v = watch_of(s, space, address);
	struct observe_key key;

	if (v)
		return v;
	watch_key(&key, s, space, address);
	return take_fact(s, &key, &in, OBSERVE_CLASS_REGISTER) ? watch_of(s, space, address) : NULL;
}

static __always_inline __u64 low_bytes(__u64 count)
{
	return count < 8 ? (1ull << 8 * count) - 1 : ~0ull;
}

/* A read that holds bytes of a MAC address: the others are left out. `at`: where the first of them is. */
static __always_inline int mac_seen(struct subject *s, struct seen_register *r, __u64 at, __u32 bytes)
{
	__u64 before = at > r->address ? at - r->address : 0, left = at + bytes - r->address;

	r->value &= low_bytes(left < r->width ? left : r->width) & ~low_bytes(before);
	return seen(s->kvm, s->vcpu_id, r->address, r->value, r->selector | (__u64)(r->width & 0xff) << 32 | SEEN_FIRST);
}

/* Does this access touch the watched range? */
static __always_inline bool in_range(__u32 range, __u32 offset, __u32 len)
{
	__u32 first = range & 0xffff, bytes = range >> 16 & 0xff, width = range >> 24;

	return bytes && offset < first + bytes && offset + len > first && (!width || width == len);
}

static __always_inline int virtio_config(struct subject *s, const struct mmio_access *m, struct observe_value *w, __u32 n)
{
	struct seen_register r = { .address = m->gpa, .value = m->value, .selector = OBSERVE_SPACE_MEMORY, .width = m->len };
	__u64 window = m->gpa & ~(__u64)(VIRTIO_WINDOW_BYTES - 1);
	__u64 device;

	if (m->write) {
		w->data[3] |= 1u << n;
		return CACHE_EXACT;
	}
	device = known_fact(s, OBSERVE_REGISTER, OBSERVE_SPACE_MEMORY, window + VIRTIO_REG_DEVICE, 4);
	if (FACT_DATA(device) == VIRTIO_DEVICE_NET && !(w->data[3] & 1u << n))
		mac_seen(s, &r, window + VIRTIO_REG_CONFIG, NIC_MAC_BYTES);
	return CACHE_EXACT;
}

static __always_inline int virtio_window(struct subject *s, const struct mmio_access *m, struct observe_value *w, __u32 n)
{
	__u32 offset = m->gpa & (VIRTIO_WINDOW_BYTES - 1), shift = 4 * n, select;

	if (offset >= VIRTIO_REG_CONFIG)
		return offset < VIRTIO_REG_CONFIG + NIC_MAC_BYTES ? virtio_config(s, m, w, n) : CACHE_EXACT;
	if (m->write) {
		if (offset != VIRTIO_REG_FEATURES_SELECT)
			return CACHE_EXACT;
		select = m->value < VIRTIO_SELECT_UNKNOWN ? m->value : VIRTIO_SELECT_UNKNOWN;
		w->data[1] = (w->data[1] & ~(0xfu << shift)) | select << shift;
		return CACHE_NOT;
	}
	if (m->len != 4 || offset > VIRTIO_REG_FEATURES || offset & 3)
		return CACHE_EXACT;
	select = offset == VIRTIO_REG_FEATURES ? w->data[1] >> shift & 0xf : 0;
	if (select != VIRTIO_SELECT_UNKNOWN)
		memory_register(s, m->gpa, m->value, select);
	return CACHE_NOT;
}

static __always_inline int watched(struct subject *s, const struct mmio_access *m)
{
	struct seen_register r = { .address = m->gpa, .value = m->value, .selector = OBSERVE_SPACE_MEMORY, .width = m->len };
	__u32 n = m->gpa / VIRTIO_WINDOW_BYTES & 7, offset = m->gpa & ~PAGE_MASK;
	struct observe_value *w;

	if (!m->write && m->len == 4 && !(m->gpa & (VIRTIO_WINDOW_BYTES - 1)) && m->value == VIRTIO_MAGIC) {
		w = watch_make(s, OBSERVE_SPACE_MEMORY, m->gpa);
		if (w && !(w->data[0] & 1u << n)) {
			w->data[0] |= 1u << n;
			forget_caches();
		}
	} else {
		w = watch_of(s, OBSERVE_SPACE_MEMORY, m->gpa);
	}
	if (!w)
		return CACHE_PAGE;
	if (w->data[0] & 1u << n)
		return virtio_window(s, m, w, n);
	if (!in_range(w->data[2], offset, m->len))
		return CACHE_EXACT;
	if (m->write)
		w->data[3] |= WATCH_RANGE_WRITTEN;
	else if (!(w->data[3] & WATCH_RANGE_WRITTEN))
		mac_seen(s, &r, (m->gpa & PAGE_MASK) + (w->data[2] & 0xffff), w->data[2] >> 16 & 0xff);
	return CACHE_EXACT;
}

/* An access to memory outside the ECAM window. Returns how it may be cached. */
GLOBAL int mmio_register(__u64 kvm, __u32 vcpu_id, __u64 gpa, __u64 value, __u32 len_write)
{
	const struct mmio_access m = { .gpa = gpa, .value = value, .len = len_write & ~ACCESS_WRITE, .write = !!(len_write & ACCESS_WRITE) };
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return CACHE_NOT;
	switch (gpa & PAGE_MASK) {
	case IOAPIC_PAGE:
		return ioapic(&s, &m, 0);
	case IOAPIC_SECOND:
		return ioapic(&s, &m, 1);
	case LAPIC_PAGE:
		return lapic(&s, &m);
	case HPET_PAGE:
		return hpet(&s, &m);
	}
	return watched(&s, &m);
}

/* A port was read. */
GLOBAL int port_register(__u64 kvm, __u32 vcpu_id, __u32 port, __u64 value, __u32 size)
{
	struct seen_register r = { .address = port, .value = value, .selector = OBSERVE_SPACE_PORT, .width = size };
	struct observe_value *w;
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	w = watch_of(&s, OBSERVE_SPACE_PORT, port);
	if (w && in_range(w->data[2], port % WATCH_PORTS, size))
		mac_seen(&s, &r, (port & ~(WATCH_PORTS - 1)) + (w->data[2] & 0xffff), w->data[2] >> 16 & 0xff);
	return 0;
}

/* ---- which pages and ports: where the BARs of known adapters are */
/* Returns whether there was no room for it: then the next access may find some. */
static __always_inline bool watch_range(struct subject *s, __u32 space, __u64 address, __u32 bytes, __u32 width)
{
	struct observe_value *w = watch_make(s, space, address);
	__u32 first = address & (space == OBSERVE_SPACE_PORT ? WATCH_PORTS - 1 : ~PAGE_MASK), end = first + bytes, held;

	if (!w)
		return true;
	held = w->data[2];
	if (held) {
		if ((held & 0xffff) + (held >> 16 & 0xff) > end)
			end = (held & 0xffff) + (held >> 16 & 0xff);
		if ((held & 0xffff) < first)
			first = held & 0xffff;
	}
	if (end - first > 0xff || w->data[2] == WATCH_RANGE(first, end - first, width))
		return false;
	w->data[2] = WATCH_RANGE(first, end - first, width);
	forget_caches();
	return false;
}

/* Where a BAR is now, 0 where that is not known. */
GLOBAL __u64 bar_base(__u64 kvm, __u32 bdf, __u32 reg, __u32 space)
{
	__u64 low, high, size;
	struct subject s;
	__u32 kind;

	if (!subject_again(&s, kvm, 0))
		return 0;
	low = pci_holds(&s, bdf, reg);
	if (FACT_KNOWN(low) != 0xf || FACT_FLAGS(low) & OBSERVE_SIZING)
		return 0;
	size = known_fact(&s, OBSERVE_PCI_SIZE, bdf, reg, 0);
	kind = FACT_DATA(size ? size : low);
	if (space == OBSERVE_SPACE_PORT)
		return kind & 1 ? FACT_DATA(low) & 0xfffc : 0;
	if (kind & 1)
		return 0;
	if ((kind & 6) != 4)
		return FACT_DATA(low) & ~0xfu;
	high = pci_holds(&s, bdf, reg + 4);
	if (high && (FACT_KNOWN(high) != 0xf || FACT_FLAGS(high) & OBSERVE_SIZING))
		return 0;
	return (FACT_DATA(low) & ~0xfu) | (__u64)FACT_DATA(high) << 32;
}

/* Is `reg` the BAR that row n of nic_registers is about, and is the function that adapter? Then watches where it is now. Returns as watch_range. */
GLOBAL int watch_nic(__u64 kvm, __u32 bdf, __u32 reg, __u32 id, __u64 n)
{
	const struct nic_registers *nic;
	struct subject s;
	__u32 bar;
	__u64 base;

	if (n >= NIC_REGISTERS)
		return 0;
	nic = &nic_registers[n];
	bar = PCI_REG_BAR0 + 4u * nic->bar;
	if (nic->id != id || (reg != bar && reg != bar + 4) || !subject_again(&s, kvm, 0))
		return 0;
	base = bar_base(kvm, bdf, bar, nic->space);
	return base ? watch_range(&s, nic->space, base + nic->offset, nic->bytes, nic->width) : 0;
}

/* The offset of a capability was read; is it that of virtio's device configuration? There the address comes first. Returns as watch_range. */
GLOBAL int watch_virtio(__u64 kvm, __u32 bdf, __u32 reg)
{
	__u64 head, bar, offset, base;
	struct subject s;

	if (!subject_again(&s, kvm, 0))
		return 0;
	head = pci_known(&s, bdf, reg - 8);
	bar = pci_known(&s, bdf, reg - 4);
	offset = pci_known(&s, bdf, reg);
	if ((FACT_KNOWN(head) & 9) != 9 || !(FACT_KNOWN(bar) & 1) || FACT_KNOWN(offset) != 0xf)
		return 0;
	if ((FACT_DATA(head) & 0xff) != PCI_CAP_VENDOR || FACT_DATA(head) >> 24 != VIRTIO_CAP_DEVICE_CONFIG || (FACT_DATA(bar) & 0xff) > 5)
		return 0;
	base = bar_base(kvm, bdf, PCI_REG_BAR0 + 4 * (FACT_DATA(bar) & 0xff), OBSERVE_SPACE_MEMORY);
	return base ? watch_range(&s, OBSERVE_SPACE_MEMORY, base + FACT_DATA(offset), NIC_MAC_BYTES, 0) : 0;
}

/* After an access to PCI configuration: where = bdf << 12 | register. Returns as watch_range. */
GLOBAL int watch_function(__u64 kvm, __u32 where)
{
	__u32 bdf = where >> 12, reg = where & 0xffc;
	struct subject s;
	int no_room = 0;
	__u64 id;

	if (reg < PCI_REG_BAR0 || (reg > PCI_REG_BAR5 && reg < PCI_REG_BODY + 8))
		return 0;
	if (!subject_again(&s, kvm, 0))
		return 0;
	id = pci_known(&s, bdf, PCI_REG_ID);
	if (FACT_KNOWN(id) != 0xf)
		return 0;
	if (reg <= PCI_REG_BAR5) {
#pragma clang loop unroll(disable)
		for (__u32 n = 0; n < NIC_REGISTERS; n++)
			no_room |= watch_nic(kvm, bdf, reg, FACT_DATA(id), n);
		return no_room;
	}
	if (FACT_DATA(id) == NIC_VIRTIO || FACT_DATA(id) == NIC_VIRTIO_TRANSITIONAL)
		return watch_virtio(kvm, bdf, reg);
	return 0;
}

#define CONFIG_WRITE 0x200u /* beside a width */

/* What comes of an access to PCI configuration. where: bdf << 12 | register; width 1, 2 or 4. Returns 0 or PCI_KNOWN. */
static __always_inline int pci_step(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	int left = width & CONFIG_WRITE ? pci_write(kvm, vcpu_id, where, width, raw) : pci_read(kvm, vcpu_id, where, width, raw);

	if (left & PCI_PLACES) {
		if (left & 1)
			width |= PLACE_BRIDGE;
		left = width & CONFIG_WRITE ? pci_place_write(kvm, vcpu_id, where, width, raw) : pci_place_read(kvm, vcpu_id, where, width, raw);
	}
	if (left & ~PCI_KNOWN)
		left = pci_join(kvm, vcpu_id, where, raw, (width & 7) | left);
	return watch_function(kvm, where) ? 0 : left;
}

/* An access to PCI configuration, however it was made. It is a step, unless it is a read of which nothing came. */
GLOBAL int pci_config(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	int known = pci_step(kvm, vcpu_id, where, width, raw);
	struct vm_state *vm;

	if (known & PCI_KNOWN && !(width & CONFIG_WRITE))
		return 0;
	vm = vm_of(kvm);
	/* Behind what it changed: who looked before sees this number move. */
	if (vm)
		__sync_fetch_and_add(&vm->pci_steps, 1);
	return 0;
}

#endif
