/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * MMIO. Prototype: (type, len, gpa, val); type 0 = read, not answered yet, 1 = read, answered, 2 = write. At most 8 bytes, an
 * access over a page boundary comes in two parts. kvm_fast_mmio: (gpa), an ioeventfd was written.
 */
#include "registers.bpf.h"
#include "turns.bpf.h"

#define MMIO_READ 1
#define MMIO_WRITE 2
/* In the bits of a cache key that neither page nor width (at most 8) uses: a page where writes mean nothing to us. */
#define KEY_WRITE 0x800
/* A key of one address, in a page that cannot be cached as a page. No guest has so many address bits. */
#define KEY_EXACT (1ull << 63)

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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CACHE_CPUS);
	__type(key, __u32);
	__type(value, struct pci_caches);
} pci_ecam_cache SEC(".maps");

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

#define NO_ECAM (~0ull)

/* Where in the VM's ECAM window it is, or NO_ECAM. What the guest programmed counts before what userspace told. */
GLOBAL __u64 ecam_offset(__u64 kvm, __u64 gpa)
{
	const struct vm_state *vm = vm_of(kvm);
	const struct vm_ecam *told;
	__u64 offset;

	if (!vm)
		return NO_ECAM;
	offset = gpa - vm->seen.ecam_base;
	if (vm->seen.ecam_bytes)
		return offset < vm->seen.ecam_bytes ? offset : NO_ECAM;
	told = bpf_map_lookup_elem(&ecams, &vm->seen.vm);
	if (!told)
		return NO_ECAM;
	offset = gpa - told->base;
	return offset < told->bytes ? offset : NO_ECAM;
}

static __always_inline __u64 key_exact(const struct mmio_access *m)
{
	return KEY_EXACT | m->gpa << 4 | (m->write ? 0 : m->len & 0xf);
}

static __always_inline struct evidence_cache *exact_cached(struct evidence_caches *here, __u64 key)
{
	return &here->of[(key >> 6 ^ key >> 12 ^ key >> 16 ^ key) % CACHE_ENTRIES];
}

/* A read from the ECAM window of which nothing will come. The window is the VM's as long as the epoch is the same. */
static __always_inline bool ecam_known(const struct mmio_access *m, __u64 vcpu, __u32 at)
{
	struct pci_caches *pci = cache_here(&pci_ecam_cache);
	const struct vm_state *vm = pci_vm_here(pci, vcpu, at);

	return vm && pci_is_cached(pci, vm, PCI_CACHE_KEY(m->gpa, m->len), m->value);
}

static __always_inline void ecam_access(struct subject *s, const struct mmio_access *m, __u64 vcpu, __u32 offset, __u32 at)
{
	struct pci_caches *pci = cache_here(&pci_ecam_cache);

	pci_was_here(pci, vcpu, s->kvm, at);
	if (!m->write)
		pci_keep(pci, s->vm, PCI_CACHE_KEY(m->gpa, m->len), m->value, at);
	pci_config(s->kvm, s->vcpu_id, offset, m->write ? m->len | CONFIG_WRITE : m->len, m->value);
}

static __noinline int mmio_slow(struct bpf_raw_tracepoint_args *ctx, __u64 vcpu, struct evidence_caches *here, __u32 at)
{
	struct mmio_access m = { .gpa = ctx->args[2], .len = ctx->args[1], .write = ctx->args[0] == MMIO_WRITE };
	const void *val = data_of(ctx->args[3]);
	__u64 exact, offset, page;
	struct evidence_cache *c;
	__u32 is, how, width;
	struct subject s;

	exact = key_exact(&m);
	c = exact_cached(here, exact);
	if (c->key == exact && c->vcpu == vcpu && c->epoch == at && (c->is == EVIDENCE_ANSWERED || !answered(ctx->args[3], m.len, 1)))
		return 0;
	if (val)
		m.value = read_wide(val, m.len);
	if ((!m.write && val && ecam_known(&m, vcpu, at)) || !enter(&s, vcpu))
		return 0;
	width = m.write ? m.len | ACCESS_WRITE : m.len;
	offset = ecam_offset(s.kvm, m.gpa);
	if (offset != NO_ECAM) {
		if (val && (m.len == 1 || m.len == 2 || m.len == 4))
			ecam_access(&s, &m, vcpu, offset, at);
		return 0;
	}
	how = val ? mmio_register(s.kvm, s.vcpu_id, m.gpa, m.value, width) : CACHE_PAGE;
	page = (m.gpa & PAGE_MASK) | (m.write ? KEY_WRITE : m.len);
	if (how == CACHE_PAGE)
		c = mmio_cached(here, page);
	is = EVIDENCE_ANSWERED;
	if (!m.write)
		is = evidence(s.kvm, s.vcpu_id, m.gpa & PAGE_MASK, EVIDENCE_OF(OBSERVE_MMIO, m.len), answered(ctx->args[3], m.len, 1));
	if (is && how != CACHE_NOT)
		evidence_keep(c, vcpu, how == CACHE_EXACT ? exact : page, is, at);
	return 0;
}

ON("kvm_mmio", mmio, TURNS_MMIO)
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
	    (c->is == EVIDENCE_ANSWERED || !answered(ctx->args[3], ctx->args[1], 1)))
		return 0;
	return mmio_slow(ctx, vcpu, here, now);
}

/* A write, so no fact; but a sign of life of a VM that may make no other exits. */
ON("kvm_fast_mmio", fast_mmio, TURNS_FAST_MMIO)
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
