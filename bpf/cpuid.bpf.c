/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CPUID answers. Prototype since 5.7: (function, index, rax, rbx, rcx, rdx, found, used_max_basic). */
#include "facts.bpf.h"
#include "turns.bpf.h"

/* Compared as the arguments come, 8 bytes each: the least work on the path that nearly all events take. A cache line each. */
struct cpuid_cache {
	__u64 vcpu;
	__u64 leaf;    /* function | index << 32 */
	__u64 found;   /* found | used_max_basic << 8 */
	__u64 regs[4]; /* raw: the answer that this vCPU was given last */
	__u32 epoch;
	__u32 zero;
};

struct cpuid_caches {
	struct cpuid_cache of[CACHE_ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct cpuid_caches);
} cpuid_cache SEC(".maps");

/* Leaves with subleaves among 0x0..0x3f, SDM vol. 2A table 3-8 and APM vol. 3 appendix E; from 0x40 on there may be any. */
#define BIT(n) (1ull << (n))
#define BASIC_SUBLEAVES (BIT(0x4) | BIT(0x7) | BIT(0xb) | BIT(0xd) | BIT(0xf) | BIT(0x10) | BIT(0x12) | BIT(0x14) | BIT(0x17) | \
	BIT(0x18) | BIT(0x1a) | BIT(0x1b) | BIT(0x1d) | BIT(0x1e) | BIT(0x1f) | BIT(0x20) | BIT(0x22) | BIT(0x23) | BIT(0x24) | \
	BIT(0x27) | BIT(0x28))
#define EXTENDED_SUBLEAVES (BIT(0x1d) | BIT(0x20) | BIT(0x26) | BIT(0x27) | BIT(0x28))
#define EXTENDED 0x80000000u
#define HYPERVISOR 0x40000000u
#define XEN_SUBLEAVES (BIT(3) | BIT(4) | BIT(5))
#define QUIRK_MISC_ENABLE_NO_MWAIT (1 << 4)

static __always_inline bool has_subleaves(__u32 leaf)
{
	if (leaf < 0x40)
		return BASIC_SUBLEAVES >> leaf & 1;
	if (leaf - EXTENDED < 0x40)
		return EXTENDED_SUBLEAVES >> (leaf - EXTENDED) & 1;
	if (leaf - HYPERVISOR < 0x10000)
		return leaf % 0x100 < 0x40 && (XEN_SUBLEAVES >> leaf % 0x100 & 1);
	return true;
}

static __always_inline bool mwait_mirrors(__u64 kvm)
{
	struct kvm *k = (void *)kvm;

	return (testing ? fake.quirks : BPF_CORE_READ(k, arch.disabled_quirks)) & QUIRK_MISC_ENABLE_NO_MWAIT;
}

/* Clears what differs per vCPU or mirrors a register that the guest sets. */
static __always_inline void mask(__u64 kvm, __u32 leaf, __u32 subleaf, __u32 regs[4])
{
	switch (leaf) {
	case 0x1: /* initial APIC id; OSXSAVE; APIC enabled; MONITOR */
		regs[1] &= 0x00ffffff;
		regs[2] &= ~(1u << 27);
		regs[3] &= ~(1u << 9);
		if (mwait_mirrors(kvm))
			regs[2] &= ~(1u << 3);
		break;
	case 0x7: /* HLE, RTM: TSX_CTRL; OSPKE */
		if (subleaf == 0) {
			regs[1] &= ~(1u << 4 | 1u << 11);
			regs[2] &= ~(1u << 4);
		}
		break;
	case 0xb: /* x2APIC id, echo of the subleaf */
	case 0x1f:
	case 0x80000026:
		regs[2] &= ~0xffu;
		regs[3] = 0;
		break;
	case 0xd: /* size for what XCR0 and XSS enable now */
		if (subleaf <= 1)
			regs[1] = 0;
		break;
	case 0x8000001e: /* APIC id, core id, node id */
		regs[0] = 0;
		regs[1] &= ~0xffu;
		regs[2] &= ~0xffu;
		break;
	}
}

static __noinline int cpuid_slow(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct cpuid_cache *c, __u32 at)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key = { 0 };
	struct subject s;
	__u32 leaf = ctx->args[0], index = ctx->args[1], found = ctx->args[6] & 1, max_basic = ctx->args[7] & 1;

	if (!vcpu) {
		no_vcpu();
		return 0;
	}
	/* 5.10 comes here for its own needs while a vCPU is created or reset, when the table may still be empty. */
	if (!vcpu_is_running_here(vcpu))
		return 0;
	if (!enter(&s, vcpu))
		return 0;
	if (max_basic && !found) {
		in.flags = OBSERVE_MAX_BASIC;
	} else {
		in.flags = found ? OBSERVE_FOUND : 0;
		in.data[0] = ctx->args[2];
		in.data[1] = ctx->args[3];
		in.data[2] = ctx->args[4];
		in.data[3] = ctx->args[5];
	}
	key.vm = s.vm->seen.vm;
	key.kind = OBSERVE_CPUID;
	key.selector = leaf;
	key.address = has_subleaves(leaf) ? index : 0;
	mask(s.kvm, leaf, key.address, in.data);
	v = first_sight(&s, &key, &in, OBSERVE_CLASS_CPUID);
	if (v && (v->data[0] != in.data[0] || v->data[1] != in.data[1] || v->data[2] != in.data[2] || v->data[3] != in.data[3] ||
		  (v->flags & ~OBSERVE_VOLATILE) != in.flags)) {
		v->data[0] = in.data[0];
		v->data[1] = in.data[1];
		v->data[2] = in.data[2];
		v->data[3] = in.data[3];
		v->flags = (v->flags & OBSERVE_VOLATILE) | in.flags;
		changed(&s, &key);
	}
	c->vcpu = vcpu;
	c->leaf = ctx->args[0] | ctx->args[1] << 32;
	c->found = ctx->args[6] | ctx->args[7] << 8;
	c->regs[0] = ctx->args[2];
	c->regs[1] = ctx->args[3];
	c->regs[2] = ctx->args[4];
	c->regs[3] = ctx->args[5];
	c->epoch = at;
	return 0;
}

ON("kvm_cpuid", cpuid, TURNS_CPUID)
{
	__u64 vcpu = current_vcpu(), function = ctx->args[0], index = ctx->args[1], differs;
	struct cpuid_caches *here = cache_here(&cpuid_cache);
	__u32 now = epoch_now();
	struct cpuid_cache *c;

	if (!here)
		return 0;
	c = &here->of[(function ^ function >> 26 ^ index << 3) % CACHE_ENTRIES];
	differs = (c->leaf ^ (function | index << 32)) | (c->found ^ (ctx->args[6] | ctx->args[7] << 8)) | (c->regs[0] ^ ctx->args[2]) |
		(c->regs[1] ^ ctx->args[3]) | (c->regs[2] ^ ctx->args[4]) | (c->regs[3] ^ ctx->args[5]) | (c->epoch ^ now);
	if (!differs && c->vcpu == vcpu)
		return 0;
	return cpuid_slow(ctx, vcpu, c, now);
}
