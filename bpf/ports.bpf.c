/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * I/O ports. Prototype: (rw, port, size, count, data); OUT fires before anyone handles it, IN when the answer is known; a
 * string IN is one event with `count` answers, a string OUT one event per element.
 */
#include "registers.bpf.h"
#include "turns.bpf.h"

#define PORT_PCI_ADDRESS 0xcf8
#define PORT_PCI_DATA 0xcfc
#define PORT_RESET_CONTROL 0xcf9 /* ICH9: bit 2 resets */
#define PORT_KEYBOARD 0x64       /* pulse output lines: 0xf0 to 0xff, bit 0 low resets */
#define PORT_SYSTEM_CONTROL 0x92 /* bit 0 resets */
#define LATCH_ENABLE 0x80000000u

/* QEMU's fw_cfg, docs/specs/fw_cfg: 16 bits to the selector begin an item anew, each byte read from the data port is its next. */
#define PORT_FWCFG 0x510
#define PORT_FWCFG_DATA 0x511
#define PORT_FWCFG_LAST 0x51b       /* from 0x514: address of a DMA descriptor */
#define FWCFG_WRITE_CHANNEL 0x4000u /* no part of an item's number */
#define FWCFG_SIGNATURE 0x00
#define FWCFG_FEATURES 0x01
#define FWCFG_DIRECTORY 0x19
#define FWCFG_DIRECTORY_BYTES 4100u /* kept: a count and 64 files */
#define FWCFG_STRING_CHUNKS 129     /* a string IN is at most 1 KiB */
#define FWCFG_CHUNKS 12             /* at a time */

/* Where QEMU's ACPI hot-plug of PCI is, and which of its registers selects a bus. */
#define PORT_HOTPLUG_PCI_ICH9 0xcc0
#define PORT_HOTPLUG_PCI_PIIX 0xae00
#define HOTPLUG_PCI_SELECT 0x10
#define HOTPLUG_BUSES 256u

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct evidence_caches);
} port_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct pci_caches);
} pci_port_cache SEC(".maps");

/* During an event: where byte 0 of the fw_cfg item would be. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} fwcfg_bytes_at SEC(".maps");

static __always_inline bool resets(__u32 port, __u32 value)
{
	switch (port) {
	case PORT_RESET_CONTROL:
		return value & 4;
	case PORT_KEYBOARD:
		return (value & 0xf1) == 0xf0;
	case PORT_SYSTEM_CONTROL:
		return value & 1;
	}
	return false;
}

/* How many bytes of an item are kept. */
static __always_inline __u32 fwcfg_bytes(__u32 item)
{
	return item == FWCFG_SIGNATURE || item == FWCFG_FEATURES ? 4 : item == FWCFG_DIRECTORY ? FWCFG_DIRECTORY_BYTES : 0;
}

static __always_inline int fwcfg_write(struct subject *s, __u32 port, __u32 size, __u32 value)
{
	__u32 item = value & 0xffff & ~FWCFG_WRITE_CHANNEL;

	if (!s->vm)
		return 0;
	/* DMA moves the same offset, out of sight. */
	if (port == PORT_FWCFG && size == 2)
		s->vm->fwcfg_item = fwcfg_bytes(item) ? item | FWCFG_SELECTED : 0;
	else if (port > PORT_FWCFG_DATA)
		s->vm->fwcfg_item = 0;
	else
		return 0;
	s->vm->fwcfg_offset = 0;
	return 0;
}

/* Bytes of an item from `offset` on, in place within their 8. */
static __always_inline int fwcfg_take(struct subject *s, __u32 item, __u32 offset, __u64 value, __u32 known)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key = { 0 };
	__u32 both, fresh, low = byte_mask(known), high = byte_mask(known >> 4);

	key.vm = s->vm ? s->vm->seen.vm : 0;
	key.kind = OBSERVE_FWCFG;
	key.selector = item;
	key.address = offset & ~7u;
	in.known = known;
	in.data[0] = value;
	in.data[1] = value >> 32;
	v = first_sight(s, &key, &in, OBSERVE_CLASS_REGISTER);
	if (!v)
		return 0;
	both = v->known & known;
	fresh = known & ~v->known;
	both = ((v->data[0] ^ in.data[0]) & byte_mask(both)) | ((v->data[1] ^ in.data[1]) & byte_mask(both >> 4));
	if (!both && !fresh)
		return 0;
	v->data[0] = (v->data[0] & ~low) | in.data[0];
	v->data[1] = (v->data[1] & ~high) | in.data[1];
	v->known |= known;
	if (both)
		return changed(s, &key);
	v->changed_ns = s->now;
	/* Not byte by byte: what is half known tells nothing yet. */
	if (v->known == 0xff || v->known == 0xf)
		signal_fact(s, &key);
	return 0;
}

/*
 * The bytes from `offset` on within their 8, or up to `end`. Returns where the next are. It takes numbers only, and finds the bytes
 * through a map.
 */
GLOBAL __u32 fwcfg_chunk(__u64 kvm, __u32 item, __u32 vcpu_id, __u32 offset, __u32 end)
{
	__u32 bytes = 8 - (offset & 7), at = offset & 7, zero = 0;
	__u64 value, *data = bpf_map_lookup_elem(&fwcfg_bytes_at, &zero);
	struct subject s = { .kvm = kvm };

	s.vm = bpf_map_lookup_elem(&vms, &kvm);
	if (!s.vm || !data || offset >= end)
		return end;
	s.now = bpf_ktime_get_ns();
	s.tgid = current_tgid();
	s.vcpu_id = vcpu_id;
	if (bytes > end - offset)
		bytes = end - offset;
	value = read_wide((const void *)(*data + offset), bytes);
	fwcfg_take(&s, item, offset, value << 8 * at, ((1u << (bytes & 0xf)) - 1) << at);
	return offset + bytes;
}

/* Several of them, for the same reason. */
GLOBAL __u32 fwcfg_chunks(__u64 kvm, __u32 item, __u32 vcpu_id, __u32 offset, __u32 end)
{
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < FWCFG_CHUNKS && offset < end; n++)
		offset = fwcfg_chunk(kvm, item, vcpu_id, offset, end);
	return offset;
}

GLOBAL int fwcfg_read(__u64 kvm, __u32 vcpu_id, __u64 argument, __u32 count)
{
	__u32 item, offset, end, zero = 0;
	struct vm_state *vm = vm_of(kvm);
	__u64 *at = bpf_map_lookup_elem(&fwcfg_bytes_at, &zero);

	if (!at || !vm || !(vm->fwcfg_item & FWCFG_SELECTED) || !argument)
		return 0;
	item = vm->fwcfg_item & 0xffff;
	offset = vm->fwcfg_offset;
	end = fwcfg_bytes(item);
	if (offset >= end || count > 8 * (FWCFG_STRING_CHUNKS - 1)) {
		vm->fwcfg_item = 0;
		return 0;
	}
	vm->fwcfg_offset = offset + count;
	if (end > offset + count)
		end = offset + count;
	*at = (__u64)data_of(argument);
	*at -= offset;
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < FWCFG_STRING_CHUNKS && offset < end; n += FWCFG_CHUNKS)
		offset = fwcfg_chunks(kvm, item, vcpu_id, offset, end);
	return 0;
}

/* bdf << 12 | register */
static __always_inline __u32 pci_where(__u32 latch, __u32 port)
{
	return (latch >> 8 & 0xffff) << 12 | (latch & 0xfc) | (port & 3);
}

/*
 * A port that the guest read in this boot, and nobody answered. SeaBIOS reads port 0x92, sets bit 1 and writes it back: where there
 * is no such port, bit 0 is set too, in real mode, and nothing is reset.
 */
static __always_inline bool is_absent_port(struct subject *s, __u32 port)
{
	__u64 fact = known_fact(s, OBSERVE_PORT, port, 0, 1);

	return fact && !(FACT_FLAGS(fact) & OBSERVE_ANSWERED);
}

static __always_inline bool is_hotplug_port(__u32 port)
{
	switch (port) {
	case PORT_HOTPLUG_PCI_PIIX + HOTPLUG_PCI_SELECT:
	case PORT_HOTPLUG_PCI_ICH9 + HOTPLUG_PCI_SELECT:
	case OBSERVE_EJECT_PCI_PIIX:
	case OBSERVE_EJECT_PCI_ICH9:
	case OBSERVE_EJECT_CPU_PIIX:
	case OBSERVE_EJECT_CPU_ICH9:
	case OBSERVE_EJECT_MEMORY:
		return true;
	}
	return false;
}

static __always_inline int hotplug_write(struct subject *s, __u32 port, __u32 size, __u32 value)
{
	if (!s->vm)
		return 0;
	if (port == PORT_HOTPLUG_PCI_PIIX + HOTPLUG_PCI_SELECT || port == PORT_HOTPLUG_PCI_ICH9 + HOTPLUG_PCI_SELECT) {
		s->vm->eject_bus = value;
		return 0;
	}
	if (port == OBSERVE_EJECT_PCI_PIIX || port == OBSERVE_EJECT_PCI_ICH9) {
		if (size != 4 || !value || s->vm->eject_bus >= HOTPLUG_BUSES)
			return 0;
		return eject_take(s->kvm, s->vcpu_id, port, s->vm->eject_bus, value | EJECT_JOINS);
	}
	value &= OBSERVE_PLUG_INSERTED | OBSERVE_PLUG_EJECTED;
	return value ? eject_take(s->kvm, s->vcpu_id, port, 0, value | EJECT_JOINS) : 0;
}

/*
 * Most writes mean nothing, and are told by their number alone: bit n of this is for ports from n * 0x40 on. All that write_means() knows is
 * here, or in the last block.
 */
#define PORTS_EACH 6
#define PORTS_OF(port) (1ull << ((port) >> PORTS_EACH))
#define PORTS_THAT_MEAN                                                                                                                  \
	(PORTS_OF(PORT_KEYBOARD) | PORTS_OF(PORT_FWCFG) | PORTS_OF(OBSERVE_EJECT_MEMORY) | PORTS_OF(PORT_HOTPLUG_PCI_ICH9) | PORTS_OF(PORT_PCI_ADDRESS))
#define PORTS_IN_MASK (64u << PORTS_EACH)
#define PORTS_LAST 9 /* 0xae00 to 0xafff: hot-plug of PIIX */

static __always_inline bool may_mean(__u32 port)
{
	if (port < PORTS_IN_MASK)
		return port == PORT_SYSTEM_CONTROL || (PORTS_THAT_MEAN >> (port >> PORTS_EACH) & 1);
	return port >> PORTS_LAST == PORT_HOTPLUG_PCI_PIIX >> PORTS_LAST;
}

/* What a write to a port may mean. */
enum { WRITE_NOTHING, WRITE_RESET, WRITE_PCI_ADDRESS, WRITE_PCI_DATA, WRITE_FWCFG, WRITE_HOTPLUG };

GLOBAL int write_means(__u32 port, __u32 size)
{
	if (port >= PORT_PCI_DATA && port <= PORT_PCI_DATA + 3)
		return WRITE_PCI_DATA;
	if (port >= PORT_FWCFG && port <= PORT_FWCFG_LAST)
		return WRITE_FWCFG;
	if (port == PORT_PCI_ADDRESS && size == 4)
		return WRITE_PCI_ADDRESS;
	/* Not an address of PCI: byte and word writes from 0xcf8 to 0xcfb go to other registers. */
	if (port == PORT_KEYBOARD || port == PORT_SYSTEM_CONTROL || port == PORT_RESET_CONTROL)
		return size == 1 ? WRITE_RESET : WRITE_NOTHING;
	return is_hotplug_port(port) ? WRITE_HOTPLUG : WRITE_NOTHING;
}

/* Nearly all of these are of the vCPU that was here last. False: more has to be done. */
static __noinline bool pci_address_written(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu)
{
	struct vm_state *vm = pci_vm_here(cache_here(&pci_port_cache), vcpu, epoch_now());

	if (vm)
		vm->seen.pci_latch = read_answer(data_of(ctx->args[4]), 4);
	return vm;
}

static __noinline int port_write(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu)
{
	__u32 at = epoch_now(), port = ctx->args[1], size = ctx->args[2], value;
	int means = write_means(port, size);
	struct subject s;

	if (!means)
		return 0;
	if (!vcpu) {
		no_vcpu();
		return 0;
	}
	value = read_answer(data_of(ctx->args[4]), size);
	if ((means == WRITE_RESET && !resets(port, value)) || !enter(&s, vcpu))
		return 0;
	switch (means) {
	case WRITE_RESET:
		if (is_absent_port(&s, port))
			return 0;
		s.vm->suspect = vcpu;
		s.vm->seen.flags |= OBSERVE_VM_PENDING | VM_STATE_ASKED;
		forget_caches();
		return 0;
	case WRITE_PCI_ADDRESS:
		s.vm->seen.pci_latch = value;
		pci_was_here(cache_here(&pci_port_cache), vcpu, s.kvm, at);
		return 0;
	case WRITE_FWCFG:
		return fwcfg_write(&s, port, size, value);
	case WRITE_HOTPLUG:
		return hotplug_write(&s, port, size, value);
	}
	if (!(s.vm->seen.pci_latch & LATCH_ENABLE))
		return 0;
	return pci_config(s.kvm, s.vcpu_id, pci_where(s.vm->seen.pci_latch, port), (size & 7) | CONFIG_WRITE, value);
}

static __always_inline bool is_pci_data(__u32 port)
{
	return port >= PORT_PCI_DATA && port < PORT_PCI_DATA + 4;
}

/* A read of PCI configuration of which nothing will come. */
static __noinline bool pci_data_known(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, __u32 now)
{
	__u32 port = ctx->args[1], size = ctx->args[2];
	struct pci_caches *here = cache_here(&pci_port_cache);
	const struct vm_state *vm = pci_vm_here(here, vcpu, now);

	if (!vm || !(vm->seen.pci_latch & LATCH_ENABLE))
		return false;
	return pci_is_cached(here, vm, PCI_CACHE_KEY(pci_where(vm->seen.pci_latch, port), size & 7), read_answer(data_of(ctx->args[4]), size));
}

static __always_inline int pci_data_read(struct subject *s, __u64 vcpu, __u32 port, __u32 size, __u32 value, __u32 at)
{
	__u32 where = pci_where(s->vm->seen.pci_latch, port);
	struct pci_caches *here = cache_here(&pci_port_cache);

	pci_was_here(here, vcpu, s->kvm, at);
	pci_keep(here, s->vm, PCI_CACHE_KEY(where, size), value, at);
	return pci_config(s->kvm, s->vcpu_id, where, size, value);
}

static __noinline int port_read(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct evidence_cache *c, __u32 at)
{
	__u32 port = ctx->args[1], size = ctx->args[2], count = ctx->args[3], is;
	const void *data = data_of(ctx->args[4]);
	struct subject s;

	if (!enter(&s, vcpu))
		return 0;
	if (is_pci_data(port)) {
		/* Not by its number: what is behind these ports changes with the latch. */
		c = NULL;
		if (s.vm->seen.pci_latch & LATCH_ENABLE)
			return pci_data_read(&s, vcpu, port, size & 7, read_answer(data, size), at);
	} else if (port == PORT_FWCFG_DATA) {
		c = NULL;
		if (size == 1)
			fwcfg_read(s.kvm, s.vcpu_id, ctx->args[4], count);
	} else if (data && count == 1) {
		port_register(s.kvm, s.vcpu_id, port, read_answer(data, size), size);
	}
	is = evidence(s.kvm, s.vcpu_id, port, EVIDENCE_OF(OBSERVE_PORT, size), answered(ctx->args[4], size, count));
	if (is && c)
		evidence_keep(c, vcpu, port | (__u64)size << 32, is, at);
	return 0;
}

ON("kvm_pio", ports, TURNS_PORTS)
{
	struct evidence_caches *here;
	struct evidence_cache *c;
	__u64 vcpu, key;
	__u32 now;

	if (ctx->args[0] && !may_mean(ctx->args[1]))
		return 0;
	vcpu = current_vcpu();
	if (ctx->args[0]) {
		if (ctx->args[1] == PORT_PCI_ADDRESS && ctx->args[2] == 4 && pci_address_written(ctx, vcpu))
			return 0;
		return port_write(ctx, vcpu);
	}
	now = epoch_now();
	here = cache_here(&port_cache);
	if (!here)
		return 0;
	key = (__u32)ctx->args[1] | ctx->args[2] << 32;
	c = &here->of[((__u32)key ^ (__u32)key >> 6) % CACHE_ENTRIES];
	if (c->key == key && c->vcpu == vcpu && c->epoch == now &&
	    (c->is == EVIDENCE_ANSWERED || !answered(ctx->args[4], ctx->args[2], ctx->args[3])))
		return 0;
	if (is_pci_data(ctx->args[1]) && pci_data_known(ctx, vcpu, now))
		return 0;
	return port_read(ctx, vcpu, c, now);
}
