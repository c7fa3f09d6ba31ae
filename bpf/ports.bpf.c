/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * I/O ports. Prototype: (rw, port, size, count, data); OUT fires before anyone handles it, IN when the answer is known; a
 * string IN is one event with `count` answers, a string OUT one event per element.
 */
#include "pci.bpf.h"
#include "evidence.bpf.h"

#define PORT_PCI_ADDRESS 0xcf8
#define PORT_PCI_DATA 0xcfc
#define PORT_RESET_CONTROL 0xcf9 /* ICH9: bit 2 resets */
#define PORT_KEYBOARD 0x64       /* pulse output lines: 0xf0 to 0xff, bit 0 low resets */
#define PORT_SYSTEM_CONTROL 0x92 /* bit 0 resets */
#define LATCH_ENABLE 0x80000000u

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct evidence_caches);
} port_cache SEC(".maps");

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

static __noinline int port_write(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu)
{
	__u32 port = ctx->args[1], size = ctx->args[2], value = 0;
	struct subject s;

	if (port != PORT_KEYBOARD && port != PORT_SYSTEM_CONTROL && (port < PORT_PCI_ADDRESS || port > PORT_PCI_DATA + 3))
		return 0;
	if (!vcpu) {
		count(OBSERVE_COUNT_NO_VCPU);
		return 0;
	}
	value = read_answer(data_of(ctx->args[4]), size);
	/* Not an address of PCI: byte and word writes from 0xcf8 to 0xcfb go to other registers. */
	if (port < PORT_PCI_DATA && size != 4) {
		if (size != 1 || !resets(port, value) || !enter(&s, vcpu))
			return 0;
		s.vm->suspect = vcpu;
		s.vm->seen.flags |= OBSERVE_VM_PENDING;
		forget_caches();
		return 0;
	}
	if (port != PORT_PCI_ADDRESS && port < PORT_PCI_DATA)
		return 0;
	if (!enter(&s, vcpu))
		return 0;
	if (port == PORT_PCI_ADDRESS)
		s.vm->seen.pci_latch = value;
	else if (s.vm->seen.pci_latch & LATCH_ENABLE)
		pci_write(&s, (s.vm->seen.pci_latch >> 8 & 0xffff) << 12 | (s.vm->seen.pci_latch & 0xfc) | (port & 3), size, value);
	return 0;
}

static __noinline int port_read(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct evidence_cache *c, __u32 at)
{
	__u32 port = ctx->args[1], size = ctx->args[2], latch;
	struct observe_key key = { 0 };
	struct subject s;

	if (!enter(&s, vcpu))
		return 0;
	latch = s.vm->seen.pci_latch;
	if (port >= PORT_PCI_DATA && port < PORT_PCI_DATA + 4) {
		/* Never cached: what is behind these ports changes with the latch. */
		c = NULL;
		if (latch & LATCH_ENABLE)
			return pci_read(&s, (latch >> 8 & 0xffff) << 12 | (latch & 0xfc) | (port & 3), size, read_answer(data_of(ctx->args[4]), size));
	}
	key.vm = s.vm->seen.vm;
	key.kind = OBSERVE_PORT;
	key.selector = port;
	key.width = size;
	return evidence(&s, &key, answered(data_of(ctx->args[4]), size, ctx->args[3]), c, at);
}

SEC("raw_tp/kvm_pio")
int ports(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 vcpu = current_vcpu(), key;
	struct evidence_caches *here;
	struct evidence_cache *c;
	__u32 now;

	if (ctx->args[0])
		return port_write(ctx, vcpu);
	now = epoch_now();
	here = cache_here(&port_cache);
	if (!here)
		return 0;
	key = (__u32)ctx->args[1] | ctx->args[2] << 32;
	c = &here->of[((__u32)key ^ (__u32)key >> 6) % CACHE_ENTRIES];
	if (c->key == key && c->vcpu == vcpu && c->epoch == now &&
	    (c->is == EVIDENCE_ANSWERED || !answered(data_of(ctx->args[4]), ctx->args[2], ctx->args[3])))
		return 0;
	return port_read(ctx, vcpu, c, now);
}
