/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports and MMIO: evidence that only grows within a boot, read, all ones, answered. */
#ifndef ABIDRIFT_EVIDENCE_BPF_H
#define ABIDRIFT_EVIDENCE_BPF_H

#include "facts.bpf.h"

enum {
	EVIDENCE_ABSENT = 1,   /* all ones often enough: only another answer would be new */
	EVIDENCE_ANSWERED = 2, /* nothing more to learn: the value is not looked at */
};

struct evidence_cache {
	__u64 vcpu;
	__u64 key;
	__u32 epoch;
	__u32 is;
	__u64 zero; /* two in a cache line */
};

struct evidence_caches {
	struct evidence_cache of[CACHE_ENTRIES];
};

#define STRING_BYTES 64 /* how much of a string IN is looked at */

/* An answer of 1, 2 or 4 bytes. The compiler must not know the size so well that it leaves out the bound that the verifier asks for. */
static __always_inline __u32 read_answer(const void *data, __u32 size)
{
	__u64 value = 0;

	asm volatile("" : "+r"(size));
	bpf_probe_read_kernel(&value, size & 7, data);
	return value;
}

/* Strings, and what is wider than 4 bytes. */
GLOBAL __u32 wide_answered(__u64 argument, __u32 size, __u32 count)
{
	const void *data = data_of(argument);
	__u64 words[2 * STRING_BYTES / 8]; /* twice: the verifier's bound is a mask */
	__u32 bytes = size * count;

	if (!bytes || size > 8)
		return false;
	if (bytes > STRING_BYTES)
		bytes = STRING_BYTES;
	__builtin_memset(words, 0xff, sizeof(words));
	asm volatile("" : "+r"(bytes));
	if (bpf_probe_read_kernel(words, bytes & (2 * STRING_BYTES - 1), data))
		return false;
	return (words[0] & words[1] & words[2] & words[3] & words[4] & words[5] & words[6] & words[7]) != ~0ull;
}

/* Whether any byte of `count` answers is not all ones. An answer that cannot be read tells nothing: no. */
static __always_inline bool answered(__u64 argument, __u32 size, __u32 count)
{
	const void *data = data_of(argument);
	__u64 value = ~0ull;

	if (!data)
		return false;
	if (count != 1 || size > 4)
		return wide_answered(argument, size, count);
	asm volatile("" : "+r"(size));
	return !bpf_probe_read_kernel(&value, size & 7, data) && value != ~0ull;
}

/* An answer of up to 8 bytes. */
static __always_inline __u64 read_wide(const void *data, __u32 size)
{
	__u64 value[2] = { 0 };

	asm volatile("" : "+r"(size));
	bpf_probe_read_kernel(value, size & 0xf, data);
	return value[0];
}

/* What may be cached of a read of `width` bytes from a port (kind OBSERVE_PORT) or page: an EVIDENCE_* or 0. */
GLOBAL __u32 evidence(__u64 kvm, __u32 vcpu_id, __u64 where, __u32 kind_width, __u32 answer)
{
	__u32 kind = kind_width >> 8, class = kind == OBSERVE_PORT ? OBSERVE_CLASS_PORT : OBSERVE_CLASS_MMIO;
	struct observe_value in = { 0 }, *v;
	struct observe_key key = { 0 };
	struct subject s;

	if (!subject_again(&s, kvm, vcpu_id))
		return 0;
	key.vm = s.vm->seen.vm;
	key.kind = kind;
	key.width = kind_width;
	if (kind == OBSERVE_PORT)
		key.selector = where;
	else
		key.address = where;
	in.flags = answer ? OBSERVE_ANSWERED : 0;
	in.all_ones = !answer;
	v = first_sight(&s, &key, &in, class);
	/* New, or refused: a refused one is not looked for again until something happens. */
	if (!v)
		return answer ? EVIDENCE_ANSWERED : 0;
	if (v->flags & OBSERVE_ANSWERED)
		return EVIDENCE_ANSWERED;
	if (answer) {
		v->flags |= OBSERVE_ANSWERED;
		v->changed_ns = s.now;
		signal_fact(&s, &key);
		return EVIDENCE_ANSWERED;
	}
	if (v->all_ones >= OBSERVE_ABSENT_READS)
		return EVIDENCE_ABSENT;
	if (++v->all_ones < OBSERVE_ABSENT_READS)
		return 0;
	v->changed_ns = s.now;
	signal_fact(&s, &key);
	return EVIDENCE_ABSENT;
}

#define EVIDENCE_OF(kind, width) ((__u32)(kind) << 8 | ((width) & 0xff))

static __always_inline void evidence_keep(struct evidence_cache *c, __u64 vcpu, __u64 key, __u32 is, __u32 at)
{
	c->vcpu = vcpu;
	c->key = key;
	c->is = is;
	c->epoch = at;
}

#endif
