/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * PCI configuration as facts, however it is reached (0xCF8/0xCFC or ECAM). Registers: PCI Local Bus 3.0 chapter 6,
 * PCI-to-PCI Bridge 1.2 chapter 3, PCI Express ECAM: bus << 20 | device << 15 | function << 12 | register.
 */
#ifndef ABIDRIFT_PCI_BPF_H
#define ABIDRIFT_PCI_BPF_H

#include "facts.bpf.h"

#define PCI_REG_ID 0x00
#define PCI_REG_COMMAND 0x04
#define PCI_REG_CLASS 0x08
#define PCI_REG_HEADER 0x0c
#define PCI_REG_BAR0 0x10
#define PCI_REG_BAR1 0x14
#define PCI_REG_BAR5 0x24
#define PCI_REG_BUSES 0x18         /* bridge */
#define PCI_REG_IO_WINDOW 0x1c     /* bridge: base and limit, then secondary status */
#define PCI_REG_ROM 0x30
#define PCI_REG_ROM_BRIDGE 0x38
#define PCI_REG_INTERRUPT 0x3c
#define PCI_REG_BODY 0x40
#define PCI_REG_EXTENDED 0x100
#define PCI_CLASS_BRIDGE_PCI 0x0604
#define PCI_STATUS_CAP_LIST (1u << 20) /* in the dword of command and status */
#define PCI_CAP_EXPRESS 0x10
#define PCIE_SLOT_CONTROL 0x18     /* from the beginning of that capability */
#define PCIE_SLOT_PRESENT (1u << 24) /* in its first dword: the port has a slot */
#define Q35_DEVICE 0x29c0          /* 82G33 host bridge: the q35 machine's 00:00.0 */
#define Q35_PCIEXBAR 0x60

/* One access: where it goes and what it carries, in place within the dword. */
struct pci_access {
	__u32 bdf;
	__u32 reg;   /* dword aligned */
	__u32 data;
	__u32 known; /* bit n = byte n */
};

/* The bits that `known` bytes (of 4) cover. No branches: the verifier would follow each. The factor puts bit n at bit 8 * n. */
static __always_inline __u32 byte_mask(__u32 known)
{
	return ((known & 0xf) * 0x00204081u & 0x01010101u) * 0xffu;
}

/* where: bdf << 12 | register; width 1, 2 or 4. What would reach into the next dword is left out. */
static __always_inline void pci_access_of(struct pci_access *a, __u32 where, __u32 width, __u32 raw)
{
	__u32 offset = where & 3;

	a->bdf = where >> 12;
	a->reg = where & 0xffc;
	a->known = (((1u << (width & 7)) - 1) << offset) & 0xf;
	a->data = (raw << offset * 8) & byte_mask(a->known);
}

static __always_inline void pci_key(struct observe_key *key, struct subject *s, __u8 kind, __u32 selector, __u32 address)
{
	key->vm = s->vm ? s->vm->seen.vm : 0;
	key->address = address;
	key->selector = selector;
	key->kind = kind;
	key->width = 0;
	key->zero = 0;
}

static __always_inline bool is_absent(__u32 known, __u32 data)
{
	return (known & 3) == 3 && (data & 0xffff) == 0xffff;
}

/* What this boot knows of a register of the function. */
static __always_inline __u64 pci_known(const struct subject *s, __u32 bdf, __u32 reg)
{
	return known_fact(s, OBSERVE_PCI, bdf, reg, 0);
}

/* Was the function asked for in this boot, and nobody answered? Once it has a fact of its own, that tells. */
static __always_inline bool pci_is_absent(const struct subject *s, __u32 bdf)
{
	return FACT_DATA(known_fact(s, OBSERVE_PCI_ABSENT, bdf >> 8, bdf & 7, 0)) & 1u << (bdf >> 3 & 0x1f);
}

/*
 * What pci_read, pci_write and what they lead to leave to their caller: calls side by side need less of the stack than calls within each
 * other.
 */
#define PCI_PLACES 2 /* | whether it is a bridge */
#define PCI_KNOWN 4  /* nothing came of it, and nothing will while nothing else happens to PCI in this VM */
#define PCI_JOINS(kind, class) ((kind) << 8 | (class) << 16)
#define PLACE_BRIDGE 0x100u /* beside a width */

/*
 * Nobody answered. 32 devices are one fact: where there are several root buses, firmware asks for every device of 256 buses.
 * Returns as pci_read.
 */
GLOBAL int pci_take_absent(__u64 kvm, __u32 vcpu_id, __u32 bdf)
{
	struct observe_value in = { 0 }, *v;
	struct subject again, *s = &again;
	struct observe_key key;

	if (!subject_again(s, kvm, vcpu_id))
		return 0;
	if (bdf)
		s->vm->seen.flags |= VM_STATE_PCI;
	pci_key(&key, s, OBSERVE_PCI_ABSENT, bdf >> 8, bdf & 7);
	in.data[0] = 1u << (bdf >> 3 & 0x1f);
	v = first_sight(s, &key, &in, OBSERVE_CLASS_PCI_ABSENT);
	if (!v)
		return 0;
	if (v->data[0] & in.data[0])
		return PCI_KNOWN;
	v->data[0] |= in.data[0];
	v->changed_ns = s->now;
	return signal_fact(s, &key);
}

/* Firmware hands out bus numbers before it looks at the header type: until then the class tells. */
static __always_inline bool pci_is_bridge(const struct subject *s, __u32 bdf)
{
	__u64 fact = pci_known(s, bdf, PCI_REG_HEADER);

	if (FACT_KNOWN(fact) & 4)
		return (FACT_DATA(fact) >> 16 & 0x7f) == 1;
	fact = pci_known(s, bdf, PCI_REG_CLASS);
	return (FACT_KNOWN(fact) & 0xc) == 0xc && FACT_DATA(fact) >> 16 == PCI_CLASS_BRIDGE_PCI;
}

/* Registers that firmware and OS put addresses, windows and bus numbers into. */
static __always_inline bool pci_is_placeable(__u32 reg, bool bridge)
{
	if (bridge)
		return (reg >= PCI_REG_BAR0 && reg <= PCI_REG_ROM) || reg == PCI_REG_ROM_BRIDGE;
	return (reg >= PCI_REG_BAR0 && reg <= PCI_REG_BAR5) || reg == PCI_REG_ROM;
}

static __always_inline bool pci_is_rom(__u32 reg, bool bridge)
{
	return reg == (bridge ? PCI_REG_ROM_BRIDGE : PCI_REG_ROM);
}

static __always_inline bool pci_is_bar(__u32 reg, bool bridge)
{
	return reg >= PCI_REG_BAR0 && reg <= (bridge ? PCI_REG_BAR1 : PCI_REG_BAR5);
}

/* Bytes of a register that are identity, in the form of `known`; what is left of them is in *ret_bits. */
static __always_inline __u32 pci_identity(__u32 reg, __u32 *ret_bits)
{
	*ret_bits = 0xffffffff;
	switch (reg) {
	case PCI_REG_COMMAND:
		*ret_bits = PCI_STATUS_CAP_LIST;
		return 4;
	case PCI_REG_HEADER:
		return 4;
	case PCI_REG_INTERRUPT:
		return 2;
	}
	return 0xf;
}

#define PCI_CLASSES 7 /* mask: of the classes of PCI, the verifier sees that they are below OBSERVE_CLASSES */

/* A register's value joins what is known of it. where: bdf << 12 | register; how: width | PCI_JOINS. Returns 0 or PCI_KNOWN. */
GLOBAL int pci_join(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 raw, __u32 how)
{
	struct observe_value in = { 0 }, *v;
	__u32 both, fresh, merged;
	struct observe_key key;
	struct pci_access a;
	__u32 bits;
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	/* The host bridge alone is no look at the machine: firmware switches its own copy in RAM there. */
	if (where >> 12)
		s.vm->seen.flags |= VM_STATE_PCI;
	pci_access_of(&a, where, how, raw);
	pci_key(&key, &s, how >> 8 & 0xff, a.bdf, a.reg);
	if (key.kind == OBSERVE_PCI) {
		a.known &= pci_identity(a.reg, &bits);
		a.data &= bits & byte_mask(a.known);
	}
	if (!a.known)
		return PCI_KNOWN;
	in.known = a.known;
	in.data[0] = a.data;
	v = first_sight(&s, &key, &in, how >> 16 & PCI_CLASSES);
	if (!v)
		return 0;
	both = byte_mask(v->known & in.known);
	fresh = in.known & ~v->known;
	merged = (v->data[0] & ~byte_mask(in.known)) | in.data[0];
	if (key.kind == OBSERVE_PCI && key.address == PCI_REG_ID && (v->known & 3) == 3 && is_absent(3, v->data[0]) != is_absent(3, merged)) {
		/* A function came or went: what the other one had is not half true of this one. */
		v->known = in.known;
		v->data[0] = in.data[0];
		return changed(&s, &key);
	}
	if ((v->data[0] ^ in.data[0]) & both) {
		v->data[0] = merged;
		v->known |= in.known;
		return changed(&s, &key);
	}
	if (!fresh)
		return PCI_KNOWN;
	v->data[0] = merged;
	v->known |= fresh;
	v->changed_ns = s.now;
	signal_fact(&s, &key);
	return 0;
}

/* What a placeable register holds in this boot, or NULL: nothing is known. */
static __always_inline struct observe_value *pci_current(struct subject *s, __u32 bdf, __u32 reg)
{
	struct observe_key key;
	struct observe_value *v;

	pci_key(&key, s, OBSERVE_PCI_CURRENT, reg << 16 | bdf, 0);
	v = bpf_map_lookup_elem(&facts, &key);
	return is_now(s, v) ? v : NULL;
}

/* The same, for those who only look. */
static __always_inline __u64 pci_holds(const struct subject *s, __u32 bdf, __u32 reg)
{
	return known_fact(s, OBSERVE_PCI_CURRENT, reg << 16 | bdf, 0, 0);
}

/* As pci_current, but made, with nothing known, where there is none. NULL: no room. */
static __always_inline struct observe_value *pci_current_make(struct subject *s, const struct pci_access *a)
{
	struct observe_value in = { 0 }, *v = pci_current(s, a->bdf, a->reg);
	struct observe_key key;

	if (v)
		return v;
	pci_key(&key, s, OBSERVE_PCI_CURRENT, a->reg << 16 | a->bdf, 0);
	return take_fact(s, &key, &in, OBSERVE_CLASS_PCI_HEADER) ? pci_current(s, a->bdf, a->reg) : NULL;
}

/*
 * The low bits of a BAR tell its kind and are read-only: what is read back differs there from what was written. Not so in the
 * upper half of a 64-bit BAR; where the register before could be a lower half and is not known, they count as address.
 */
static __always_inline __u32 pci_kind_bits(struct subject *s, const struct pci_access *a, const struct observe_value *current, bool bridge)
{
	__u64 before;

	if (!pci_is_bar(a->reg, bridge))
		return 0;
	if (a->reg != PCI_REG_BAR0) {
		before = pci_holds(s, a->bdf, a->reg - 4);
		if (!(FACT_KNOWN(before) & 1) || (FACT_DATA(before) & 7) == 4)
			return 0;
	}
	return current->known & 1 && current->data[0] & 1 ? 3 : 0xf;
}

/* The register holds `dword` now: a fact of its own, its time the newest. */
static __always_inline int pci_placed(struct subject *s, const struct pci_access *a, struct observe_value *current)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key;

	pci_key(&key, s, OBSERVE_PCI_PLACED, a->reg << 16 | a->bdf, current->data[0]);
	in.known = current->known;
	current->changes += 1;
	v = first_sight(s, &key, &in, OBSERVE_CLASS_PCI_PLACED);
	if (!v)
		return 0;
	v->known |= in.known;
	v->changed_ns = s->now;
	if (current->changes <= PLACED_SIGNALS)
		signal_fact(s, &key);
	else
		v->flags |= OBSERVE_VOLATILE;
	return 0;
}

/* The register was seen to hold `a`, by reading or writing it. Returns 0 or PCI_KNOWN. */
static __always_inline int pci_place(struct subject *s, struct pci_access *a, struct observe_value *current, bool bridge, bool write)
{
	__u32 bytes, kind, before, merged, moved, fresh;

	if (bridge && a->reg == PCI_REG_BUSES)
		a->known &= 7; /* the latency timer is state */
	if (bridge && a->reg == PCI_REG_IO_WINDOW)
		a->known &= 3; /* so is the secondary status */
	if (!a->known)
		return PCI_KNOWN;
	bytes = byte_mask(a->known);
	kind = pci_kind_bits(s, a, current, bridge);
	if (write)
		bytes &= ~(kind & byte_mask(current->known));
	merged = (current->data[0] & ~bytes) | (a->data & bytes);
	moved = (current->data[0] ^ merged) & ~kind;
	fresh = a->known & ~current->known;
	before = current->data[0];
	current->data[0] = merged;
	current->known |= a->known;
	if (moved || fresh)
		return pci_placed(s, a, current);
	return merged == before ? PCI_KNOWN : 0;
}

GLOBAL int pci_place_read(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	struct subject again, *s = &again;
	struct pci_access access, *a = &access;
	struct observe_value *current;

	if (!subject_again(s, kvm, vcpu_id))
		return 0;
	pci_access_of(a, where, width, raw);
	current = pci_current_make(s, a);
	if (!current)
		return 0;
	if (current->flags & OBSERVE_SIZING)
		return PCI_JOINS(OBSERVE_PCI_SIZE, OBSERVE_CLASS_PCI_HEADER);
	return pci_place(s, a, current, width & PLACE_BRIDGE, false);
}

GLOBAL int pci_place_write(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	struct subject again, *s = &again;
	struct pci_access access, *a = &access;
	bool bridge = width & PLACE_BRIDGE, rom;
	struct observe_value *current;

	if (!subject_again(s, kvm, vcpu_id))
		return 0;
	pci_access_of(a, where, width, raw);
	rom = pci_is_rom(a->reg, bridge);
	current = pci_current_make(s, a);
	if (!current)
		return 0;
	if (a->known == 0xf && (rom || pci_is_bar(a->reg, bridge)) && (a->data | (rom ? 0x7ff : 0)) == 0xffffffff) {
		current->flags |= OBSERVE_SIZING;
		return 0;
	}
	if (a->known == 0xf)
		current->flags &= ~OBSERVE_SIZING;
	else if (current->flags & OBSERVE_SIZING)
		return 0;
	return pci_place(s, a, current, bridge, true);
}

/* where: bdf << 12 | register; width 1, 2 or 4. Returns 0, PCI_KNOWN, PCI_PLACES or PCI_JOINS. */
GLOBAL int pci_read(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	struct pci_access a;
	struct subject s;
	__u64 id;
	bool bridge;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	pci_access_of(&a, where, width, raw);
	id = pci_known(&s, a.bdf, PCI_REG_ID);
	if (a.reg == PCI_REG_ID) {
		/* All ones in other bytes than the vendor's tell nothing by themselves. */
		if (!(a.known & 3) && a.data == byte_mask(a.known) && (!id || is_absent(FACT_KNOWN(id), FACT_DATA(id))))
			return PCI_KNOWN;
		if (!id && is_absent(a.known, a.data))
			return pci_take_absent(kvm, vcpu_id, a.bdf);
		return PCI_JOINS(OBSERVE_PCI, OBSERVE_CLASS_PCI_HEADER);
	}
	if (id ? is_absent(FACT_KNOWN(id), FACT_DATA(id)) : a.data == byte_mask(a.known))
		return PCI_KNOWN;
	/* Most of a 4 KiB configuration space is zeros. A fact of them would take the room of one that tells something. */
	if (a.reg > PCI_REG_EXTENDED && !a.data && !pci_known(&s, a.bdf, a.reg))
		return PCI_KNOWN;
	if (a.reg >= PCI_REG_BODY)
		return PCI_JOINS(OBSERVE_PCI, OBSERVE_CLASS_PCI_BODY);
	bridge = pci_is_bridge(&s, a.bdf);
	if (pci_is_placeable(a.reg, bridge))
		return PCI_PLACES | bridge;
	return PCI_JOINS(OBSERVE_PCI, OBSERVE_CLASS_PCI_HEADER);
}

#define EJECT_JOINS (1ull << 32) /* beside the bits: they only become more within a boot */

/* What the guest did about a thing that was plugged or is to go. */
GLOBAL int eject_take(__u64 kvm, __u32 vcpu_id, __u32 selector, __u32 address, __u64 bits)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key;
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	pci_key(&key, &s, OBSERVE_EJECT, selector, address);
	in.data[0] = bits;
	v = first_sight(&s, &key, &in, OBSERVE_CLASS_REGISTER);
	if (!v)
		return 0;
	if (bits & EJECT_JOINS)
		in.data[0] |= v->data[0];
	if (in.data[0] == v->data[0])
		return 0;
	v->data[0] = in.data[0];
	return changed(&s, &key);
}

/*
 * Is it Slot Control of a PCI Express port? Whoever writes there has read the capability, which begins 0x18 before it. Only what
 * switches the slot's power is kept.
 */
static __always_inline int pci_slot_write(struct subject *s, const struct pci_access *a)
{
	__u64 capability;
	__u32 bits;

	if (!(a->known & 2) || !pci_is_bridge(s, a->bdf))
		return 0;
	capability = pci_known(s, a->bdf, a->reg - PCIE_SLOT_CONTROL);
	if ((FACT_DATA(capability) & 0xff) != PCI_CAP_EXPRESS || !(FACT_DATA(capability) & PCIE_SLOT_PRESENT))
		return 0;
	bits = a->data & (OBSERVE_SLOT_POWER_OFF | OBSERVE_SLOT_INDICATOR_OFF);
	return eject_take(s->kvm, s->vcpu_id, OBSERVE_EJECT_SLOT | a->bdf, 0, bits);
}

/* q35 tells where its ECAM window is: bit 0 enable, bits 2:1 length (256, 128, 64 MiB). Other chipsets have other things there. */
static __always_inline int q35_pciexbar(struct subject *s, const struct pci_access *a)
{
	__u64 id = pci_known(s, a->bdf, PCI_REG_ID);
	struct vm_state *vm = s->vm;
	__u32 length, bytes = 0;
	__u64 base = 0;

	if (!vm || (FACT_KNOWN(id) & 0xc) != 0xc || FACT_DATA(id) >> 16 != Q35_DEVICE)
		return 0;
	if (a->reg == Q35_PCIEXBAR)
		vm->seen.pciexbar[0] = (vm->seen.pciexbar[0] & ~byte_mask(a->known)) | a->data;
	else
		vm->seen.pciexbar[1] = (vm->seen.pciexbar[1] & ~byte_mask(a->known)) | a->data;
	length = vm->seen.pciexbar[0] >> 1 & 3;
	if ((vm->seen.pciexbar[0] & 1) && length != 3) {
		bytes = (256u << 20) >> length;
		base = ((__u64)vm->seen.pciexbar[1] << 32 | vm->seen.pciexbar[0]) & ~(__u64)(bytes - 1);
	}
	if (base == vm->seen.ecam_base && bytes == vm->seen.ecam_bytes)
		return 0;
	vm->seen.ecam_base = base;
	vm->seen.ecam_bytes = base ? bytes : 0;
	forget_caches();
	return 0;
}

/* As pci_read. */
GLOBAL int pci_write(__u64 kvm, __u32 vcpu_id, __u32 where, __u32 width, __u32 raw)
{
	struct pci_access a;
	struct subject s;
	__u64 id;
	bool bridge;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	pci_access_of(&a, where, width, raw);
	if (a.bdf == 0 && (a.reg == Q35_PCIEXBAR || a.reg == Q35_PCIEXBAR + 4))
		return q35_pciexbar(&s, &a);
	if (a.reg >= PCI_REG_BODY + PCIE_SLOT_CONTROL && a.reg < PCI_REG_EXTENDED) {
		pci_slot_write(&s, &a);
		return 0;
	}
	if (a.reg < PCI_REG_BAR0 || a.reg > PCI_REG_ROM_BRIDGE)
		return 0;
	id = pci_known(&s, a.bdf, PCI_REG_ID);
	if (id ? is_absent(FACT_KNOWN(id), FACT_DATA(id)) : pci_is_absent(&s, a.bdf))
		return 0;
	bridge = pci_is_bridge(&s, a.bdf);
	return pci_is_placeable(a.reg, bridge) ? PCI_PLACES | bridge : 0;
}

/*
 * Reads of which nothing came, and nothing will come again. What comes of one is determined by what this boot knows of PCI in its VM, and only
 * other accesses to PCI change that: those that may have are counted in vm_state.pci_steps, and what was kept before one is not believed any
 * more. Before all, one look tells whose accesses these are: as the vCPU that was here last, it leads to its VM, whose latch no other CPU's
 * cache may know better.
 */
#define PCI_CACHE_ENTRIES 256

struct pci_cache {
	__u64 vm; /* as observe_vm.vm */
	__u64 key;
	__u32 epoch;
	__u32 steps;
	__u32 value;
	__u32 zero; /* two in a cache line */
};

struct pci_caches {
	struct pci_cache of[PCI_CACHE_ENTRIES];
	__u64 vcpu;
	__u64 kvm;
	__u32 epoch;
	__u32 zero;
};

#define PCI_CACHE_KEY(where, width) ((__u64)(width) << 60 | (where))

static __always_inline struct pci_cache *pci_cached(struct pci_caches *here, __u64 key)
{
	__u32 n = key >> 2 ^ key >> 8 ^ key >> 12 ^ key >> 20 ^ key;

	/* The compiler knows how small parts of it are, and masks the others before it joins them; verifiers before 6.12 lose that bound. */
	asm volatile("" : "+r"(n));
	return &here->of[n % PCI_CACHE_ENTRIES];
}

/* The VM of the vCPU that was here last, or NULL: it is another one, or has to be looked at closer. */
static __always_inline struct vm_state *pci_vm_here(const struct pci_caches *here, __u64 vcpu, __u32 now)
{
	struct vm_state *vm;

	if (!here || here->vcpu != vcpu || here->epoch != now)
		return NULL;
	vm = vm_of(here->kvm);
	return vm && !is_suspected(vm) ? vm : NULL;
}

static __always_inline void pci_was_here(struct pci_caches *here, __u64 vcpu, __u64 kvm, __u32 at)
{
	if (!here)
		return;
	here->vcpu = vcpu;
	here->kvm = kvm;
	here->epoch = at;
}

static __always_inline bool pci_is_cached(struct pci_caches *here, const struct vm_state *vm, __u64 key, __u32 value)
{
	const struct pci_cache *c = pci_cached(here, key);

	return c->key == key && c->value == value && c->vm == vm->seen.vm && c->epoch == here->epoch && c->steps == vm->pci_steps;
}

/* Before a read is looked at: if something comes of it, that is a step, and this was not kept. at: the epoch when the event began. */
static __always_inline void pci_keep(struct pci_caches *here, const struct vm_state *vm, __u64 key, __u32 value, __u32 at)
{
	struct pci_cache *c;

	if (!here)
		return;
	c = pci_cached(here, key);
	c->vm = vm->seen.vm;
	c->key = key;
	c->value = value;
	c->epoch = at;
	c->steps = *(volatile const __u32 *)&vm->pci_steps;
}

#endif
