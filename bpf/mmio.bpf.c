/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * MMIO. Prototype: (type, len, gpa, val); type 0 = read, not answered yet, 1 = read, answered, 2 = write. At most 8 bytes, an
 * access over a page boundary comes in two parts. kvm_fast_mmio: (gpa), an ioeventfd was written.
 */
#include "pci.bpf.h"
#include "evidence.bpf.h"

#define MMIO_READ 1
#define MMIO_WRITE 2
#define PAGE_MASK (~(OBSERVE_PAGE_BYTES - 1))
/* In the bits of a cache key that neither page nor width (at most 8) uses: a page where writes mean nothing to us. */
#define KEY_WRITE 0x800

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct evidence_caches);
} mmio_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct evidence_caches);
} fast_mmio_cache SEC(".maps");

/* Written by userspace alone; there are few, and only VMs whose own chipset did not tell are looked up. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct vm_ecam);
} ecams SEC(".maps");

static __always_inline struct evidence_cache *mmio_cached(struct evidence_caches *here, __u64 key)
{
	return &here->of[(key >> 12 ^ key >> 18 ^ key) % CACHE_ENTRIES];
}

/* Is it in the VM's ECAM window? What the guest programmed counts before what userspace told. */
static __always_inline bool is_ecam(const struct vm_state *vm, __u64 gpa, __u64 *ret_offset)
{
	const struct vm_ecam *told;

	*ret_offset = gpa - vm->seen.ecam_base;
	if (vm->seen.ecam_bytes)
		return *ret_offset < vm->seen.ecam_bytes;
	told = bpf_map_lookup_elem(&ecams, &vm->seen.vm);
	if (!told)
		return false;
	*ret_offset = gpa - told->base;
	return *ret_offset < told->bytes;
}

static __noinline int mmio_slow(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct evidence_cache *c, __u32 at)
{
	bool write = ctx->args[0] == MMIO_WRITE;
	struct observe_key key = { 0 };
	__u64 gpa = ctx->args[2];
	__u32 len = ctx->args[1];
	const void *val = data_of(ctx->args[3]);
	struct subject s;
	__u64 offset;

	if (!enter(&s, vcpu))
		return 0;
	if (is_ecam(s.vm, gpa, &offset)) {
		if (!val || (len != 1 && len != 2 && len != 4))
			return 0;
		if (write)
			return pci_write(&s, offset, len, read_answer(val, len));
		return pci_read(&s, offset, len, read_answer(val, len));
	}
	if (write) {
		c->vcpu = vcpu;
		c->key = (gpa & PAGE_MASK) | KEY_WRITE;
		c->is = EVIDENCE_ANSWERED;
		c->epoch = at;
		return 0;
	}
	key.vm = s.vm->seen.vm;
	key.kind = OBSERVE_MMIO;
	key.address = gpa & PAGE_MASK;
	key.width = len;
	return evidence(&s, &key, answered(val, len, 1), c, at);
}

SEC("raw_tp/kvm_mmio")
int mmio(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 type = ctx->args[0], now;
	struct evidence_caches *here;
	struct evidence_cache *c;
	__u64 vcpu, key;

	if (type != MMIO_READ && type != MMIO_WRITE)
		return 0;
	vcpu = current_vcpu();
	now = epoch_now();
	here = cache_here(&mmio_cache);
	if (!here)
		return 0;
	key = (ctx->args[2] & PAGE_MASK) | (type == MMIO_WRITE ? KEY_WRITE : ctx->args[1] & 0xf);
	c = mmio_cached(here, key);
	if (c->key == key && c->vcpu == vcpu && c->epoch == now &&
	    (c->is == EVIDENCE_ANSWERED || !answered(data_of(ctx->args[3]), ctx->args[1], 1)))
		return 0;
	return mmio_slow(ctx, vcpu, c, now);
}

/* A write, so no fact; but a sign of life of a VM that may make no other exits. */
SEC("raw_tp/kvm_fast_mmio")
int fast_mmio(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 vcpu = current_vcpu(), key = ctx->args[0] & PAGE_MASK;
	struct evidence_caches *here = cache_here(&fast_mmio_cache);
	__u32 now = epoch_now();
	struct evidence_cache *c;
	struct subject s;

	if (!here)
		return 0;
	c = mmio_cached(here, key);
	if ((c->key == key && c->vcpu == vcpu && c->epoch == now) || !enter(&s, vcpu))
		return 0;
	c->vcpu = vcpu;
	c->key = key;
	c->epoch = now;
	return 0;
}

/* Run by userspace (BPF_PROG_TEST_RUN) after it wrote `ecams`: pages that were cached may be configuration space now. */
SEC("raw_tp")
int forget(struct bpf_raw_tracepoint_args *ctx)
{
	forget_caches();
	return 0;
}
