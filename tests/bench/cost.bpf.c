/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What abidrift's programs are measured against, on the same tracepoints: nothing, and one look-up by a fact's key. */
#include "bpf/kvm_types.h"
#include "bpf/observe.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct observe_key);
	__type(value, struct observe_value);
} table SEC(".maps");

SEC("raw_tp/kvm_cpuid")
int empty(struct bpf_raw_tracepoint_args *ctx)
{
	return 0;
}

SEC("raw_tp/kvm_cpuid")
int lookup(struct bpf_raw_tracepoint_args *ctx)
{
	struct observe_key key = { .vm = 1, .address = ctx->args[1], .selector = ctx->args[0], .kind = OBSERVE_CPUID };

	return bpf_map_lookup_elem(&table, &key) != NULL;
}

/* Where no two events have the same arguments. */
SEC("raw_tp/kvm_write_tsc_offset")
int lookup_fixed(struct bpf_raw_tracepoint_args *ctx)
{
	struct observe_key key = { .vm = 1, .kind = OBSERVE_CPUID };

	return bpf_map_lookup_elem(&table, &key) != NULL;
}

/* An MMIO read is two events, asked and answered, of which one is a fact. */
SEC("raw_tp/kvm_mmio")
int lookup_answered(struct bpf_raw_tracepoint_args *ctx)
{
	struct observe_key key = { .vm = 1, .address = ctx->args[1], .selector = 0, .kind = OBSERVE_CPUID };

	if (ctx->args[0] == 0)
		return 0;
	return bpf_map_lookup_elem(&table, &key) != NULL;
}
