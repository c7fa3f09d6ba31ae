/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads of model-specific registers that KVM intercepts. Prototype: (write, ecx, data, exception). */
#include "facts.bpf.h"
#include "turns.bpf.h"
#include "msr_identity.h"

#define FAULTED (1ull << 32)

struct msr_cache {
	__u64 vcpu;
	__u64 key;   /* index | FAULTED */
	__u64 mask;  /* which bits would be news; 0 = what it holds is not looked at */
	__u64 value;
	__u32 epoch;
	__u32 zero;
	__u64 zero2[3]; /* a cache line each */
};

struct msr_caches {
	struct msr_cache of[CACHE_ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct msr_caches);
} msr_cache SEC(".maps");

/*
 * A register can fault on one vCPU, or before it is switched on, and answer later: both were seen, both stay. One that has held
 * two values in this boot does not identify anything, so what it holds is given up, once.
 */
static __always_inline int msr_joins(struct subject *s, const struct observe_key *key, struct observe_value *v, const struct observe_value *in)
{
	if (v->flags & in->flags & OBSERVE_ANSWERED && !(v->flags & OBSERVE_VARIES) &&
	    (v->data[0] != in->data[0] || v->data[1] != in->data[1])) {
		v->flags |= OBSERVE_VARIES;
		v->data[0] = v->data[1] = 0;
		return changed(s, key);
	}
	if (!(in->flags & ~v->flags))
		return 0;
	if (in->flags & OBSERVE_ANSWERED) {
		v->data[0] = in->data[0];
		v->data[1] = in->data[1];
	}
	v->flags |= in->flags;
	v->changed_ns = s->now;
	signal_fact(s, key);
	return 0;
}

/* So that the verifier does not follow each register's number through all that comes. */
GLOBAL __u64 msr_bits(__u32 index)
{
	return msr_identity(index);
}

static __noinline int msr_slow(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct msr_cache *c, __u32 at)
{
	struct observe_value in = { 0 }, *v;
	struct observe_key key = { 0 };
	__u32 index = ctx->args[1];
	__u64 mask = msr_bits(index), data;
	bool faulted = ctx->args[3] & 1;
	struct subject s;

	if (!enter(&s, vcpu))
		return 0;
	if (faulted)
		mask = 0;
	data = ctx->args[2] & mask;
	in.flags = faulted ? OBSERVE_EXCEPTION : OBSERVE_ANSWERED;
	in.data[0] = data;
	in.data[1] = data >> 32;
	key.vm = s.vm->seen.vm;
	key.kind = OBSERVE_MSR;
	key.selector = index;
	v = first_sight(&s, &key, &in, OBSERVE_CLASS_MSR);
	if (v) {
		msr_joins(&s, &key, v, &in);
		if (v->flags & OBSERVE_VARIES)
			mask = 0;
	}
	c->vcpu = vcpu;
	c->key = index | (faulted ? FAULTED : 0);
	c->mask = mask;
	c->value = data & mask;
	c->epoch = at;
	return 0;
}

ON("kvm_msr", msr, TURNS_MSR)
{
	__u64 vcpu, key, index = ctx->args[1];
	struct msr_caches *here;
	struct msr_cache *c;
	__u32 now;

	if ((__u32)ctx->args[0])
		return 0;
	vcpu = current_vcpu();
	now = epoch_now();
	here = cache_here(&msr_cache);
	if (!here)
		return 0;
	key = index | (ctx->args[3] & 1) << 32;
	/* Of all 64 bits, so that the remainder is taken last: before 6.12 the verifier does not know how wide the shifted ones are. */
	c = &here->of[(index ^ index >> 6 ^ index >> 28) % CACHE_ENTRIES];
	if (c->key == key && c->vcpu == vcpu && c->epoch == now && (ctx->args[2] & c->mask) == c->value)
		return 0;
	return msr_slow(ctx, vcpu, c, now);
}
