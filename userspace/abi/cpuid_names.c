/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/cpuid_names.h"

#define ANY CPUID_ANY_SUBLEAF

/* Single bits of one register; a NULL bit has no name. */
struct feature_row {
	uint32_t leaf;
	uint32_t subleaf;
	enum cpuid_register reg;
	const char *names[32];
};

struct field_row {
	uint32_t leaf;
	uint32_t subleaf;
	enum cpuid_register reg;
	struct cpuid_part part;
};

static const struct feature_row feature_rows[] = {
	{ 0x1, ANY, CPUID_ECX, {
		[0] = "pni", [1] = "pclmuldq", [2] = "dtes64", [3] = "monitor", [4] = "ds_cpl", [5] = "vmx", [6] = "smx", [7] = "est",
		[8] = "tm2", [9] = "ssse3", [10] = "cid", [11] = "sdbg", [12] = "fma", [13] = "cx16", [14] = "xtpr", [15] = "pdcm",
		[17] = "pcid", [18] = "dca", [19] = "sse4.1", [20] = "sse4.2", [21] = "x2apic", [22] = "movbe", [23] = "popcnt",
		[24] = "tsc-deadline", [25] = "aes", [26] = "xsave", [27] = "osxsave", [28] = "avx", [29] = "f16c", [30] = "rdrand",
		[31] = "hypervisor" } },
	{ 0x1, ANY, CPUID_EDX, {
		[0] = "fpu", [1] = "vme", [2] = "de", [3] = "pse", [4] = "tsc", [5] = "msr", [6] = "pae", [7] = "mce", [8] = "cx8",
		[9] = "apic", [11] = "sep", [12] = "mtrr", [13] = "pge", [14] = "mca", [15] = "cmov", [16] = "pat", [17] = "pse36",
		[18] = "pn", [19] = "clflush", [21] = "ds", [22] = "acpi", [23] = "mmx", [24] = "fxsr", [25] = "sse", [26] = "sse2",
		[27] = "ss", [28] = "ht", [29] = "tm", [30] = "ia64", [31] = "pbe" } },
	{ 0x5, ANY, CPUID_ECX, { [0] = "mwait-extensions", [1] = "mwait-interrupt-break" } },
	{ 0x6, ANY, CPUID_EAX, {
		[0] = "dtherm", [1] = "ida", [2] = "arat", [4] = "pln", [5] = "ecmd", [6] = "pts", [7] = "hwp", [8] = "hwp-notify",
		[9] = "hwp-act-window", [10] = "hwp-epp", [11] = "hwp-pkg-req", [13] = "hdc", [14] = "turbo-boost-max",
		[15] = "hwp-cap-change", [16] = "hwp-peci", [17] = "hwp-flexible", [18] = "hwp-fast-access", [19] = "hfi",
		[20] = "hwp-ignore-idle", [22] = "hwp-ctl", [23] = "itd", [24] = "therm-interrupt-hfi" } },
	{ 0x6, ANY, CPUID_ECX, { [0] = "aperfmperf", [3] = "epb" } },
	{ 0x6, ANY, CPUID_EDX, { [0] = "hfi-performance", [1] = "hfi-efficiency" } },
	{ 0x7, 0, CPUID_EBX, {
		[0] = "fsgsbase", [1] = "tsc_adjust", [2] = "sgx", [3] = "bmi1", [4] = "hle", [5] = "avx2", [6] = "fdp-excptn-only",
		[7] = "smep", [8] = "bmi2", [9] = "erms", [10] = "invpcid", [11] = "rtm", [12] = "cmt", [13] = "zero-fcs-fds",
		[14] = "mpx", [15] = "rdt_a", [16] = "avx512f", [17] = "avx512dq", [18] = "rdseed", [19] = "adx", [20] = "smap",
		[21] = "avx512ifma", [22] = "pcommit", [23] = "clflushopt", [24] = "clwb", [25] = "intel-pt", [26] = "avx512pf",
		[27] = "avx512er", [28] = "avx512cd", [29] = "sha-ni", [30] = "avx512bw", [31] = "avx512vl" } },
	{ 0x7, 0, CPUID_ECX, {
		[0] = "prefetchwt1", [1] = "avx512vbmi", [2] = "umip", [3] = "pku", [4] = "ospke", [5] = "waitpkg",
		[6] = "avx512vbmi2", [7] = "shstk", [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq", [11] = "avx512vnni",
		[12] = "avx512bitalg", [13] = "tme", [14] = "avx512-vpopcntdq", [16] = "la57", [22] = "rdpid", [23] = "kl",
		[24] = "bus-lock-detect", [25] = "cldemote", [27] = "movdiri", [28] = "movdir64b", [29] = "enqcmd", [30] = "sgxlc",
		[31] = "pks" } },
	{ 0x7, 0, CPUID_EDX, {
		[1] = "sgx-keys", [2] = "avx512-4vnniw", [3] = "avx512-4fmaps", [4] = "fsrm", [5] = "uintr",
		[8] = "avx512-vp2intersect", [9] = "srbds-ctrl", [10] = "md-clear", [11] = "rtm-always-abort",
		[13] = "tsx-force-abort", [14] = "serialize", [15] = "hybrid", [16] = "tsx-ldtrk", [18] = "pconfig",
		[19] = "arch-lbr", [20] = "ibt", [22] = "amx-bf16", [23] = "avx512-fp16", [24] = "amx-tile", [25] = "amx-int8",
		[26] = "spec-ctrl", [27] = "stibp", [28] = "flush-l1d", [29] = "arch-capabilities", [30] = "core-capability",
		[31] = "ssbd" } },
	{ 0x7, 1, CPUID_EAX, {
		[0] = "sha512", [1] = "sm3", [2] = "sm4", [3] = "rao-int", [4] = "avx-vnni", [5] = "avx512-bf16", [6] = "lass",
		[7] = "cmpccxadd", [8] = "arch-perfmon-ext", [10] = "fzrm", [11] = "fsrs", [12] = "fsrc", [17] = "fred", [18] = "lkgs",
		[19] = "wrmsrns", [20] = "nmi-source", [21] = "amx-fp16", [22] = "hreset", [23] = "avx-ifma", [26] = "lam",
		[27] = "msrlist", [30] = "invd-disable", [31] = "movrs" } },
	{ 0x7, 1, CPUID_EBX, { [0] = "ppin", [1] = "pbndkb", [3] = "cpuid-maxval-limit-removed" } },
	{ 0x7, 1, CPUID_ECX, { [5] = "msr-imm" } },
	{ 0x7, 1, CPUID_EDX, {
		[4] = "avx-vnni-int8", [5] = "avx-ne-convert", [8] = "amx-complex", [10] = "avx-vnni-int16", [13] = "utmr",
		[14] = "prefetchiti", [15] = "user-msr", [17] = "uiret-uif", [18] = "cet-sss", [19] = "avx10", [21] = "apxf",
		[23] = "mwait" } },
	{ 0x7, 2, CPUID_EDX, {
		[0] = "psfd", [1] = "ipred-ctrl", [2] = "rrsba-ctrl", [3] = "ddpd-u", [4] = "bhi-ctrl", [5] = "mcdt-no",
		[6] = "uc-lock-disable", [7] = "monitor-mitg-no" } },
	{ 0xa, ANY, CPUID_EBX, {
		[0] = "no-core-cycles", [1] = "no-instructions", [2] = "no-reference-cycles", [3] = "no-llc-references",
		[4] = "no-llc-misses", [5] = "no-branches", [6] = "no-branch-misses", [7] = "no-topdown-slots" } },
	{ 0xa, ANY, CPUID_EDX, { [15] = "anythread-deprecated" } },
	{ 0xd, 0, CPUID_EAX, {
		[0] = "xcr0-x87", [1] = "xcr0-sse", [2] = "xcr0-avx", [3] = "xcr0-bndregs", [4] = "xcr0-bndcsr", [5] = "xcr0-opmask",
		[6] = "xcr0-zmm-hi256", [7] = "xcr0-hi16-zmm", [9] = "xcr0-pkru", [17] = "xcr0-xtilecfg", [18] = "xcr0-xtiledata",
		[19] = "xcr0-apx" } },
	{ 0xd, 1, CPUID_EAX, { [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves", [4] = "xfd" } },
	{ 0xd, 1, CPUID_ECX, {
		[8] = "xss-pt", [10] = "xss-pasid", [11] = "xss-cet-u", [12] = "xss-cet-s", [13] = "xss-hdc", [14] = "xss-uintr",
		[15] = "xss-lbr", [16] = "xss-hwp" } },
	{ 0xf, 0, CPUID_EDX, { [1] = "rdt-m-l3" } },
	{ 0xf, 1, CPUID_EDX, { [0] = "cqm_occup_llc", [1] = "mbm_total", [2] = "mbm_local" } },
	{ 0x10, 0, CPUID_EBX, { [1] = "cat_l3", [2] = "cat_l2", [3] = "mba" } },
	{ 0x10, 1, CPUID_ECX, { [1] = "non-contiguous-l3", [2] = "cdp_l3", [3] = "non-contiguous-cbm-l3" } },
	{ 0x10, 2, CPUID_ECX, { [2] = "cdp_l2", [3] = "non-contiguous-cbm-l2" } },
	{ 0x10, 3, CPUID_ECX, { [0] = "mba-per-thread", [2] = "mba-linear" } },
	{ 0x12, 0, CPUID_EAX, {
		[0] = "sgx1", [1] = "sgx2", [5] = "sgx-enclv", [6] = "sgx-encls-c", [7] = "sgx-everifyreport2", [10] = "sgx-eupdatesvn",
		[11] = "sgx-edeccssa" } },
	{ 0x12, 0, CPUID_EBX, { [0] = "sgx-exinfo", [1] = "sgx-cpinfo" } },
	{ 0x12, 1, CPUID_EAX, {
		[0] = "sgx-init", [1] = "sgx-debug", [2] = "sgx-mode64", [4] = "sgx-provisionkey", [5] = "sgx-tokenkey", [6] = "sgx-cet",
		[7] = "sgx-kss", [10] = "sgx-aex-notify" } },
	{ 0x14, 0, CPUID_EBX, {
		[0] = "intel-pt-cr3-filter", [1] = "intel-pt-psb", [2] = "intel-pt-ip-filter", [3] = "intel-pt-mtc",
		[4] = "intel-pt-ptwrite", [5] = "intel-pt-power-event", [6] = "intel-pt-psb-pmi", [7] = "intel-pt-event-trace",
		[8] = "intel-pt-tnt-disable" } },
	{ 0x14, 0, CPUID_ECX, {
		[0] = "intel-pt-topa", [1] = "intel-pt-topa-multi", [2] = "intel-pt-single-range", [3] = "intel-pt-transport",
		[31] = "intel-pt-lip" } },
	{ 0x19, ANY, CPUID_EAX, { [0] = "kl-cpl0-only", [1] = "kl-no-encrypt", [2] = "kl-no-decrypt" } },
	{ 0x19, ANY, CPUID_EBX, { [0] = "aeskle", [2] = "wide-kl", [4] = "kl-msr-backup" } },
	{ 0x19, ANY, CPUID_ECX, { [0] = "kl-nobackup", [1] = "kl-random-key" } },
	{ 0x1c, ANY, CPUID_EAX, { [30] = "arch-lbr-deep-c-reset", [31] = "arch-lbr-lip" } },
	{ 0x1c, ANY, CPUID_EBX, { [0] = "arch-lbr-cpl-filter", [1] = "arch-lbr-branch-filter", [2] = "arch-lbr-call-stack" } },
	{ 0x1c, ANY, CPUID_ECX, { [0] = "arch-lbr-mispredict", [1] = "arch-lbr-timed", [2] = "arch-lbr-branch-type" } },
	{ 0x1e, 1, CPUID_EAX, {
		[0] = "amx-int8-mirror", [1] = "amx-bf16-mirror", [2] = "amx-complex-mirror", [3] = "amx-fp16-mirror", [4] = "amx-fp8",
		[5] = "amx-transpose", [6] = "amx-tf32", [7] = "amx-avx512", [8] = "amx-movrs" } },
	{ 0x20, 0, CPUID_EBX, { [0] = "hreset-itd" } },
	{ 0x23, 0, CPUID_EBX, { [0] = "perfmon-unitmask2", [1] = "perfmon-eq" } },
	{ 0x24, 0, CPUID_EBX, { [16] = "avx10-128", [17] = "avx10-256", [18] = "avx10-512" } },

	{ 0x40000001, ANY, CPUID_EAX, {
		[0] = "kvmclock", [1] = "kvm-nopiodelay", [2] = "kvm-mmu", [3] = "kvmclock2", [4] = "kvm-asyncpf", [5] = "kvm-steal-time",
		[6] = "kvm-pv-eoi", [7] = "kvm-pv-unhalt", [9] = "kvm-pv-tlb-flush", [10] = "kvm-asyncpf-vmexit", [11] = "kvm-pv-ipi",
		[12] = "kvm-poll-control", [13] = "kvm-pv-sched-yield", [14] = "kvm-asyncpf-int", [15] = "kvm-msi-ext-dest-id",
		[16] = "kvm-hc-map-gpa-range", [17] = "kvm-migration-control", [24] = "kvmclock-stable-bit" } },
	{ 0x40000001, ANY, CPUID_EDX, { [0] = "kvm-hint-dedicated" } },
	{ 0x40000003, ANY, CPUID_EAX, {
		[0] = "hv-runtime", [1] = "hv-time", [2] = "hv-synic", [3] = "hv-stimer", [4] = "hv-vapic", [5] = "hv-hypercall",
		[6] = "hv-vpindex", [7] = "hv-reset", [8] = "hv-stats-pages", [9] = "hv-reference-tsc", [10] = "hv-guest-idle",
		[11] = "hv-frequencies", [12] = "hv-debug-msrs", [13] = "hv-reenlightenment", [15] = "hv-tsc-invariant" } },
	{ 0x40000003, ANY, CPUID_EBX, {
		[0] = "hv-create-partitions", [1] = "hv-access-partition-id", [2] = "hv-access-memory-pool", [3] = "hv-adjust-message-buffers",
		[4] = "hv-post-messages", [5] = "hv-signal-events", [6] = "hv-create-port", [7] = "hv-connect-port", [8] = "hv-access-stats",
		[11] = "hv-debugging", [12] = "hv-cpu-management", [13] = "hv-configure-profiler", [14] = "hv-expanded-stack-walk",
		[16] = "hv-access-vsm", [17] = "hv-access-vp-registers", [20] = "hv-extended-hypercalls", [21] = "hv-start-vp",
		[22] = "hv-isolation" } },
	{ 0x40000003, ANY, CPUID_EDX, {
		[0] = "hv-mwait", [1] = "hv-guest-debugging", [2] = "hv-performance-monitor", [3] = "hv-cpu-dynamic-partitioning",
		[4] = "hv-xmm-input", [5] = "hv-guest-idle-state", [6] = "hv-hypervisor-sleep", [7] = "hv-numa-distance",
		[8] = "hv-frequencies-available", [9] = "hv-machine-check", [10] = "hv-crash", [11] = "hv-debug-msrs-available",
		[12] = "hv-npiep", [13] = "hv-disable-hypervisor", [14] = "hv-tlbflush-ext", [15] = "hv-xmm-output",
		[17] = "hv-sint-polling", [18] = "hv-hypercall-msr-lock", [19] = "hv-stimer-direct", [20] = "hv-vsm-ipi" } },
	{ 0x40000004, ANY, CPUID_EAX, {
		[0] = "hv-use-address-space-switch", [1] = "hv-use-local-tlbflush", [2] = "hv-tlbflush", [3] = "hv-use-apic-msrs",
		[4] = "hv-use-reset-msr", [5] = "hv-relaxed", [6] = "hv-use-dma-remapping", [7] = "hv-use-interrupt-remapping",
		[8] = "hv-use-x2apic-msrs", [9] = "hv-deprecate-autoeoi", [10] = "hv-ipi", [11] = "hv-ex-processor-masks",
		[12] = "hv-nested", [13] = "hv-use-int-for-mbec", [14] = "hv-evmcs", [15] = "hv-synced-timeline",
		[17] = "hv-use-direct-local-flush", [18] = "hv-no-nonarch-coresharing" } },
	{ 0x40000006, ANY, CPUID_EAX, {
		[0] = "hv-hw-apic-overlay", [1] = "hv-hw-msr-bitmaps", [2] = "hv-hw-performance-counters", [3] = "hv-hw-slat",
		[4] = "hv-hw-dma-remapping", [5] = "hv-hw-interrupt-remapping", [6] = "hv-hw-memory-scrubber", [7] = "hv-hw-dma-protection",
		[8] = "hv-hw-hpet", [9] = "hv-hw-volatile-stimers" } },
	{ 0x40000007, ANY, CPUID_EAX, { [0] = "hv-start-logical-processor", [1] = "hv-create-root-vp", [2] = "hv-performance-sync" } },
	{ 0x40000008, ANY, CPUID_EAX, { [0] = "hv-svm" } },
	{ 0x40000009, ANY, CPUID_EAX, {
		[2] = "hv-nested-synic", [4] = "hv-nested-apic-msrs", [5] = "hv-nested-hypercall", [6] = "hv-nested-vpindex",
		[12] = "hv-nested-reenlightenment" } },
	{ 0x40000009, ANY, CPUID_EDX, { [4] = "hv-nested-xmm-input", [15] = "hv-nested-xmm-output", [17] = "hv-nested-sint-polling" } },
	{ 0x4000000a, ANY, CPUID_EAX, {
		[17] = "hv-nested-direct-flush", [18] = "hv-nested-guest-mapping-flush", [19] = "hv-emsr-bitmap",
		[20] = "hv-nested-combined-exceptions", [21] = "hv-nested-evmcs-debugctl", [22] = "hv-nested-tlbflush" } },
	{ 0x4000000a, ANY, CPUID_EBX, { [0] = "hv-nested-evmcs-perf-global-ctrl" } },

	{ 0x80000001, ANY, CPUID_ECX, {
		[0] = "lahf_lm", [1] = "cmp_legacy", [2] = "svm", [3] = "extapic", [4] = "cr8legacy", [5] = "abm", [6] = "sse4a",
		[7] = "misalignsse", [8] = "3dnowprefetch", [9] = "osvw", [10] = "ibs", [11] = "xop", [12] = "skinit", [13] = "wdt",
		[15] = "lwp", [16] = "fma4", [17] = "tce", [18] = "cvt16", [19] = "nodeid_msr", [21] = "tbm", [22] = "topoext",
		[23] = "perfctr_core", [24] = "perfctr_nb", [26] = "bpext", [27] = "ptsc", [28] = "perfctr_llc", [29] = "mwaitx",
		[30] = "addr-mask-ext" } },
	{ 0x80000001, ANY, CPUID_EDX, {
		[0] = "fpu", [1] = "vme", [2] = "de", [3] = "pse", [4] = "tsc", [5] = "msr", [6] = "pae", [7] = "mce", [8] = "cx8",
		[9] = "apic", [11] = "syscall", [12] = "mtrr", [13] = "pge", [14] = "mca", [15] = "cmov", [16] = "pat", [17] = "pse36",
		[19] = "mp", [20] = "nx", [22] = "mmxext", [23] = "mmx", [24] = "fxsr", [25] = "fxsr_opt", [26] = "pdpe1gb",
		[27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow" } },
	{ 0x80000007, ANY, CPUID_EBX, { [0] = "overflow-recov", [1] = "succor", [2] = "hwa", [3] = "smca" } },
	{ 0x80000007, ANY, CPUID_EDX, {
		[0] = "ts", [1] = "fid", [2] = "vid", [3] = "ttp", [4] = "htc", [5] = "stc", [6] = "100mhzsteps", [7] = "hwpstate",
		[8] = "invtsc", [9] = "cpb", [10] = "aperfmperf-ro", [11] = "proc-feedback", [12] = "acc_power",
		[13] = "connected-standby", [14] = "rapl", [15] = "fast-cppc" } },
	{ 0x80000008, ANY, CPUID_EBX, {
		[0] = "clzero", [1] = "irperf", [2] = "xsaveerptr", [3] = "invlpgb", [4] = "rdpru", [6] = "mba-amd", [8] = "mcommit",
		[9] = "wbnoinvd", [12] = "ibpb", [13] = "int-wbinvd", [14] = "ibrs", [15] = "amd-stibp", [16] = "ibrs-always-on",
		[17] = "stibp-always-on", [18] = "ibrs-preferred", [19] = "ibrs-same-mode", [20] = "no-efer-lmsle",
		[21] = "invlpgb-nested", [23] = "amd-ppin", [24] = "amd-ssbd", [25] = "virt-ssbd", [26] = "amd-no-ssb", [27] = "cppc",
		[28] = "amd-psfd", [29] = "btc-no", [30] = "ibpb-ret", [31] = "branch-sampling" } },
	{ 0x8000000a, ANY, CPUID_EDX, {
		[0] = "npt", [1] = "lbrv", [2] = "svm-lock", [3] = "nrip-save", [4] = "tsc-scale", [5] = "vmcb-clean",
		[6] = "flushbyasid", [7] = "decodeassists", [8] = "pmc-virt", [10] = "pause-filter", [12] = "pfthreshold", [13] = "avic",
		[15] = "v-vmsave-vmload", [16] = "vgif", [17] = "gmet", [18] = "x2avic", [19] = "sss-check", [20] = "v-spec-ctrl",
		[21] = "rogpt", [23] = "host-mce-override", [24] = "tlbi-ctl", [25] = "vnmi", [26] = "ibs-virt",
		[27] = "ext-lvt-offset", [28] = "svme-addr-chk", [29] = "bus-lock-threshold", [30] = "idle-hlt" } },
	{ 0x8000001a, ANY, CPUID_EAX, { [0] = "fp128", [1] = "movu", [2] = "fp256" } },
	{ 0x8000001b, ANY, CPUID_EAX, {
		[0] = "ibs-ffv", [1] = "ibs-fetch", [2] = "ibs-op", [3] = "ibs-rdwropcnt", [4] = "ibs-opcnt", [5] = "ibs-brntrgt",
		[6] = "ibs-opcntext", [7] = "ibs-riprinvalid", [8] = "ibs-op-fuse", [9] = "ibs-fetch-ctl-ext", [10] = "ibs-op-data4",
		[11] = "ibs-zen4" } },
	{ 0x8000001f, ANY, CPUID_EAX, {
		[0] = "sme", [1] = "sev", [2] = "vm-page-flush", [3] = "sev-es", [4] = "sev-snp", [5] = "vmpl", [6] = "rmpquery",
		[7] = "vmpl-sss", [8] = "secure-tsc", [9] = "v-tsc-aux", [10] = "sme-coherent", [11] = "req-64bit-hypervisor",
		[12] = "restricted-injection", [13] = "alternate-injection", [14] = "debug-swap", [15] = "prevent-host-ibs", [16] = "vte",
		[17] = "vmgexit-parameter", [18] = "virtual-tom-msr", [19] = "ibs-virt-guest", [24] = "vmsa-reg-protection",
		[25] = "smt-protection", [28] = "svsm-comm-page", [29] = "nested-virt-snp-msr" } },
	{ 0x80000020, 0, CPUID_EBX, { [1] = "l3mbe", [2] = "l3smbe", [3] = "bmec", [4] = "l3rr", [5] = "abmc", [6] = "sdciae" } },
	{ 0x80000021, ANY, CPUID_EAX, {
		[0] = "no-nested-data-bp", [1] = "fsgs-non-serializing", [2] = "lfence-always-serializing", [3] = "smm-pgcfg-lock",
		[5] = "verw-clear", [6] = "null-sel-clr-base", [7] = "upper-address-ignore", [8] = "auto-ibrs", [9] = "no-smm-ctl-msr",
		[10] = "amd-fsrs", [11] = "amd-fsrc", [13] = "prefetch-ctl-msr", [14] = "l2-tlb-size-x32", [15] = "amd-ermsb",
		[16] = "opcode-0f017-reclaim", [17] = "cpuid-user-dis", [18] = "epsf", [19] = "fast-rep-scasb", [20] = "prefetchi",
		[21] = "fp512-downgrade", [22] = "workload-class", [24] = "eraps", [27] = "sbpb", [28] = "ibpb-brtype", [29] = "srso-no",
		[30] = "srso-user-kernel-no", [31] = "srso-msr-fix" } },
	{ 0x80000021, ANY, CPUID_ECX, { [1] = "tsa-sq-no", [2] = "tsa-l1-no" } },
	{ 0x80000022, ANY, CPUID_EAX, { [0] = "perfmon-v2", [1] = "lbr-v2", [2] = "lbr-pmc-freeze" } },
	{ 0xc0000001, ANY, CPUID_EDX, {
		[2] = "xstore", [3] = "xstore-en", [6] = "xcrypt", [7] = "xcrypt-en", [8] = "ace2", [9] = "ace2-en", [10] = "phe",
		[11] = "phe-en", [12] = "pmm", [13] = "pmm-en" } },
};

/* SDM vol. 2A, CPUID, "Version information": the extended fields count for families 15 (both) and 6 (model) only. */
static uint32_t number_family(uint32_t value)
{
	uint32_t family = value >> 8 & 0xf;

	return family == 0xf ? family + (value >> 20 & 0xff) : family;
}

static uint32_t number_model(uint32_t value)
{
	uint32_t family = value >> 8 & 0xf;
	uint32_t model = value >> 4 & 0xf;

	return family == 0xf || family == 6 ? model | (value >> 16 & 0xf) << 4 : model;
}

/* Shifting in two steps keeps [31:0] defined. */
#define MASK(high, low) ((uint32_t)((1ull << ((high) + 1)) - (1ull << (low))))
#define FIELD(leaf, subleaf, reg, high, low, name) { leaf, subleaf, reg, { name, #high ":" #low, MASK(high, low), NULL } }

#define BIT(leaf, subleaf, reg, bit, name) { leaf, subleaf, reg, { name, NULL, MASK(bit, bit), NULL } }

static const struct field_row field_rows[] = {
	FIELD(0x0, ANY, CPUID_EAX, 31, 0, "max_basic_leaf"),
	{ 0x1, ANY, CPUID_EAX, { "family", "27:20,11:8", 0x0ff00f00, number_family } },
	{ 0x1, ANY, CPUID_EAX, { "model", "19:16,7:4", 0x000f00f0, number_model } },
	FIELD(0x1, ANY, CPUID_EAX, 3, 0, "stepping"),
	FIELD(0x1, ANY, CPUID_EAX, 13, 12, "processor_type"),
	FIELD(0x1, ANY, CPUID_EBX, 7, 0, "brand_index"),
	FIELD(0x1, ANY, CPUID_EBX, 15, 8, "clflush_size_8_bytes"),
	FIELD(0x1, ANY, CPUID_EBX, 23, 16, "logical_processors"),
	FIELD(0x4, ANY, CPUID_EAX, 4, 0, "cache_type"),
	FIELD(0x4, ANY, CPUID_EAX, 7, 5, "cache_level"),
	BIT(0x4, ANY, CPUID_EAX, 8, "self_initializing"),
	BIT(0x4, ANY, CPUID_EAX, 9, "fully_associative"),
	FIELD(0x4, ANY, CPUID_EAX, 25, 14, "sharing_threads_minus_1"),
	FIELD(0x4, ANY, CPUID_EAX, 31, 26, "package_cores_minus_1"),
	FIELD(0x4, ANY, CPUID_EBX, 11, 0, "line_bytes_minus_1"),
	FIELD(0x4, ANY, CPUID_EBX, 21, 12, "partitions_minus_1"),
	FIELD(0x4, ANY, CPUID_EBX, 31, 22, "ways_minus_1"),
	FIELD(0x4, ANY, CPUID_ECX, 31, 0, "sets_minus_1"),
	BIT(0x4, ANY, CPUID_EDX, 0, "wbinvd_lower_levels"),
	BIT(0x4, ANY, CPUID_EDX, 1, "inclusive"),
	BIT(0x4, ANY, CPUID_EDX, 2, "complex_indexing"),
	FIELD(0x5, ANY, CPUID_EAX, 15, 0, "monitor_line_min_bytes"),
	FIELD(0x5, ANY, CPUID_EBX, 15, 0, "monitor_line_max_bytes"),
	FIELD(0x5, ANY, CPUID_EDX, 3, 0, "mwait_c0_substates"),
	FIELD(0x5, ANY, CPUID_EDX, 7, 4, "mwait_c1_substates"),
	FIELD(0x5, ANY, CPUID_EDX, 11, 8, "mwait_c2_substates"),
	FIELD(0x5, ANY, CPUID_EDX, 15, 12, "mwait_c3_substates"),
	FIELD(0x6, ANY, CPUID_EBX, 3, 0, "thermal_thresholds"),
	FIELD(0x6, ANY, CPUID_ECX, 15, 8, "thread_director_classes"),
	FIELD(0x7, 0, CPUID_EAX, 31, 0, "max_subleaf"),
	FIELD(0x7, 0, CPUID_ECX, 21, 17, "mawau"),
	FIELD(0xa, ANY, CPUID_EAX, 7, 0, "pmu_version"),
	FIELD(0xa, ANY, CPUID_EAX, 15, 8, "pmu_counters"),
	FIELD(0xa, ANY, CPUID_EAX, 23, 16, "pmu_counter_bits"),
	FIELD(0xa, ANY, CPUID_EAX, 31, 24, "pmu_event_mask_bits"),
	FIELD(0xa, ANY, CPUID_ECX, 31, 0, "pmu_fixed_mask"),
	FIELD(0xa, ANY, CPUID_EDX, 4, 0, "pmu_fixed_counters"),
	FIELD(0xa, ANY, CPUID_EDX, 12, 5, "pmu_fixed_counter_bits"),
	FIELD(0xb, ANY, CPUID_EAX, 4, 0, "x2apic_id_shift"),
	FIELD(0xb, ANY, CPUID_EBX, 15, 0, "level_logical_processors"),
	FIELD(0xb, ANY, CPUID_ECX, 15, 8, "level_type"),
	FIELD(0xd, 0, CPUID_ECX, 31, 0, "xsave_area_max_bytes"),
	FIELD(0xd, 0, CPUID_EDX, 31, 0, "xcr0_high"),
	FIELD(0xd, 1, CPUID_EDX, 31, 0, "xss_high"),
	FIELD(0xd, 2, CPUID_EAX, 31, 0, "xsave_component_bytes"),
	FIELD(0xd, 2, CPUID_EBX, 31, 0, "xsave_component_offset"),
	BIT(0xd, 2, CPUID_ECX, 0, "xsave_supervisor"),
	BIT(0xd, 2, CPUID_ECX, 1, "xsave_aligned"),
	BIT(0xd, 2, CPUID_ECX, 2, "xsave_xfd"),
	FIELD(0xf, 0, CPUID_EBX, 31, 0, "max_rmid"),
	FIELD(0xf, 1, CPUID_EBX, 31, 0, "rmid_factor"),
	FIELD(0xf, 1, CPUID_ECX, 31, 0, "l3_max_rmid"),
	FIELD(0x10, ANY, CPUID_EAX, 11, 0, "mask_bits_minus_1"),
	FIELD(0x10, ANY, CPUID_EDX, 15, 0, "max_cos"),
	FIELD(0x12, 0, CPUID_EDX, 7, 0, "max_enclave_size_32bit_log2"),
	FIELD(0x12, 0, CPUID_EDX, 15, 8, "max_enclave_size_64bit_log2"),
	FIELD(0x14, 0, CPUID_EAX, 31, 0, "max_subleaf"),
	FIELD(0x14, 1, CPUID_EAX, 2, 0, "intel_pt_address_ranges"),
	FIELD(0x14, 1, CPUID_EAX, 31, 16, "intel_pt_mtc_periods"),
	FIELD(0x14, 1, CPUID_EBX, 15, 0, "intel_pt_cycle_thresholds"),
	FIELD(0x14, 1, CPUID_EBX, 31, 16, "intel_pt_psb_frequencies"),
	FIELD(0x15, ANY, CPUID_EAX, 31, 0, "tsc_crystal_denominator"),
	FIELD(0x15, ANY, CPUID_EBX, 31, 0, "tsc_crystal_numerator"),
	FIELD(0x15, ANY, CPUID_ECX, 31, 0, "crystal_hz"),
	FIELD(0x16, ANY, CPUID_EAX, 15, 0, "base_mhz"),
	FIELD(0x16, ANY, CPUID_EBX, 15, 0, "max_mhz"),
	FIELD(0x16, ANY, CPUID_ECX, 15, 0, "bus_mhz"),
	FIELD(0x1c, ANY, CPUID_EAX, 7, 0, "arch_lbr_depths"),
	FIELD(0x1d, 0, CPUID_EAX, 31, 0, "max_palette"),
	FIELD(0x1d, 1, CPUID_EAX, 15, 0, "tile_total_bytes"),
	FIELD(0x1d, 1, CPUID_EAX, 31, 16, "tile_bytes"),
	FIELD(0x1d, 1, CPUID_EBX, 15, 0, "tile_row_bytes"),
	FIELD(0x1d, 1, CPUID_EBX, 31, 16, "tile_registers"),
	FIELD(0x1d, 1, CPUID_ECX, 15, 0, "tile_rows"),
	FIELD(0x1e, 0, CPUID_EBX, 7, 0, "tmul_max_k"),
	FIELD(0x1e, 0, CPUID_EBX, 23, 8, "tmul_max_n"),
	FIELD(0x1f, ANY, CPUID_EAX, 4, 0, "x2apic_id_shift"),
	FIELD(0x1f, ANY, CPUID_EBX, 15, 0, "level_logical_processors"),
	FIELD(0x1f, ANY, CPUID_ECX, 15, 8, "level_type"),
	FIELD(0x24, 0, CPUID_EBX, 7, 0, "avx10_version"),
	FIELD(0x40000000, ANY, CPUID_EAX, 31, 0, "max_hypervisor_leaf"),
	FIELD(0x40000002, ANY, CPUID_EAX, 31, 0, "hv_build"),
	FIELD(0x40000002, ANY, CPUID_EBX, 31, 16, "hv_version_major"),
	FIELD(0x40000002, ANY, CPUID_EBX, 15, 0, "hv_version_minor"),
	FIELD(0x40000004, ANY, CPUID_EBX, 31, 0, "hv_spinlock_retries"),
	FIELD(0x40000005, ANY, CPUID_EAX, 31, 0, "hv_max_virtual_processors"),
	FIELD(0x40000005, ANY, CPUID_EBX, 31, 0, "hv_max_logical_processors"),
	FIELD(0x4000000a, ANY, CPUID_EAX, 7, 0, "hv_evmcs_version_low"),
	FIELD(0x4000000a, ANY, CPUID_EAX, 15, 8, "hv_evmcs_version_high"),
	FIELD(0x40000010, ANY, CPUID_EAX, 31, 0, "tsc_khz"),
	FIELD(0x40000010, ANY, CPUID_EBX, 31, 0, "apic_bus_khz"),
	FIELD(0x80000000, ANY, CPUID_EAX, 31, 0, "max_extended_leaf"),
	{ 0x80000001, ANY, CPUID_EAX, { "family", "27:20,11:8", 0x0ff00f00, number_family } },
	{ 0x80000001, ANY, CPUID_EAX, { "model", "19:16,7:4", 0x000f00f0, number_model } },
	FIELD(0x80000001, ANY, CPUID_EAX, 3, 0, "stepping"),
	FIELD(0x80000001, ANY, CPUID_EBX, 15, 0, "brand_id"),
	FIELD(0x80000001, ANY, CPUID_EBX, 31, 28, "package_type"),
	FIELD(0x80000005, ANY, CPUID_ECX, 7, 0, "l1d_line_bytes"),
	FIELD(0x80000005, ANY, CPUID_ECX, 15, 8, "l1d_lines_per_tag"),
	FIELD(0x80000005, ANY, CPUID_ECX, 23, 16, "l1d_ways"),
	FIELD(0x80000005, ANY, CPUID_ECX, 31, 24, "l1d_kib"),
	FIELD(0x80000005, ANY, CPUID_EDX, 7, 0, "l1i_line_bytes"),
	FIELD(0x80000005, ANY, CPUID_EDX, 15, 8, "l1i_lines_per_tag"),
	FIELD(0x80000005, ANY, CPUID_EDX, 23, 16, "l1i_ways"),
	FIELD(0x80000005, ANY, CPUID_EDX, 31, 24, "l1i_kib"),
	FIELD(0x80000006, ANY, CPUID_ECX, 7, 0, "l2_line_bytes"),
	FIELD(0x80000006, ANY, CPUID_ECX, 11, 8, "l2_lines_per_tag"),
	FIELD(0x80000006, ANY, CPUID_ECX, 15, 12, "l2_associativity"),
	FIELD(0x80000006, ANY, CPUID_ECX, 31, 16, "l2_kib"),
	FIELD(0x80000006, ANY, CPUID_EDX, 7, 0, "l3_line_bytes"),
	FIELD(0x80000006, ANY, CPUID_EDX, 11, 8, "l3_lines_per_tag"),
	FIELD(0x80000006, ANY, CPUID_EDX, 15, 12, "l3_associativity"),
	FIELD(0x80000006, ANY, CPUID_EDX, 31, 18, "l3_512_kib"),
	FIELD(0x80000008, ANY, CPUID_EAX, 7, 0, "physical_address_bits"),
	FIELD(0x80000008, ANY, CPUID_EAX, 15, 8, "linear_address_bits"),
	FIELD(0x80000008, ANY, CPUID_EAX, 23, 16, "guest_physical_address_bits"),
	FIELD(0x80000008, ANY, CPUID_ECX, 7, 0, "threads_minus_1"),
	FIELD(0x80000008, ANY, CPUID_ECX, 15, 12, "apic_id_bits"),
	FIELD(0x80000008, ANY, CPUID_ECX, 17, 16, "performance_tsc_size"),
	FIELD(0x80000008, ANY, CPUID_EDX, 15, 0, "invlpgb_max_pages"),
	FIELD(0x80000008, ANY, CPUID_EDX, 31, 16, "rdpru_max"),
	FIELD(0x8000000a, ANY, CPUID_EAX, 7, 0, "svm_revision"),
	FIELD(0x8000000a, ANY, CPUID_EBX, 31, 0, "svm_asids"),
	FIELD(0x8000001d, ANY, CPUID_EAX, 4, 0, "cache_type"),
	FIELD(0x8000001d, ANY, CPUID_EAX, 7, 5, "cache_level"),
	BIT(0x8000001d, ANY, CPUID_EAX, 8, "self_initializing"),
	BIT(0x8000001d, ANY, CPUID_EAX, 9, "fully_associative"),
	FIELD(0x8000001d, ANY, CPUID_EAX, 25, 14, "sharing_threads_minus_1"),
	FIELD(0x8000001d, ANY, CPUID_EBX, 11, 0, "line_bytes_minus_1"),
	FIELD(0x8000001d, ANY, CPUID_EBX, 21, 12, "partitions_minus_1"),
	FIELD(0x8000001d, ANY, CPUID_EBX, 31, 22, "ways_minus_1"),
	FIELD(0x8000001d, ANY, CPUID_ECX, 31, 0, "sets_minus_1"),
	BIT(0x8000001d, ANY, CPUID_EDX, 0, "wbinvd_lower_levels"),
	BIT(0x8000001d, ANY, CPUID_EDX, 1, "inclusive"),
	FIELD(0x8000001e, ANY, CPUID_EBX, 15, 8, "core_threads_minus_1"),
	FIELD(0x8000001e, ANY, CPUID_ECX, 10, 8, "package_nodes_minus_1"),
	FIELD(0x8000001f, ANY, CPUID_EBX, 5, 0, "c_bit"),
	FIELD(0x8000001f, ANY, CPUID_EBX, 11, 6, "encryption_address_bits_lost"),
	FIELD(0x8000001f, ANY, CPUID_EBX, 15, 12, "vmpls"),
	FIELD(0x8000001f, ANY, CPUID_ECX, 31, 0, "encrypted_guests"),
	FIELD(0x8000001f, ANY, CPUID_EDX, 31, 0, "min_sev_asid"),
	FIELD(0x80000021, ANY, CPUID_EBX, 11, 0, "microcode_patch_size"),
	FIELD(0x80000021, ANY, CPUID_EBX, 23, 16, "rap_size"),
	FIELD(0x80000022, ANY, CPUID_EBX, 3, 0, "core_counters"),
	FIELD(0x80000022, ANY, CPUID_EBX, 9, 4, "lbr_stack_size"),
	FIELD(0x80000022, ANY, CPUID_EBX, 15, 10, "northbridge_counters"),
	FIELD(0x80000022, ANY, CPUID_EBX, 21, 16, "memory_controller_counters"),
	FIELD(0x80000026, ANY, CPUID_EAX, 4, 0, "x2apic_id_shift"),
	BIT(0x80000026, ANY, CPUID_EAX, 29, "efficiency_ranking_available"),
	BIT(0x80000026, ANY, CPUID_EAX, 30, "heterogeneous_cores"),
	BIT(0x80000026, ANY, CPUID_EAX, 31, "asymmetric_topology"),
	FIELD(0x80000026, ANY, CPUID_EBX, 15, 0, "level_logical_processors"),
	FIELD(0x80000026, ANY, CPUID_ECX, 15, 8, "level_type"),
};

#define FEATURE_ROWS (sizeof(feature_rows) / sizeof(feature_rows[0]))
#define FIELD_ROWS (sizeof(field_rows) / sizeof(field_rows[0]))

const char *cpuid_register_name(enum cpuid_register reg)
{
	static const char *const names[CPUID_REGISTERS] = { "eax", "ebx", "ecx", "edx" };

	return names[reg];
}

uint32_t cpuid_part_number(const struct cpuid_part *part, uint32_t value)
{
	if (part->number)
		return part->number(value);
	return (value & part->mask) >> __builtin_ctz(part->mask);
}

/* KVM moves its own leaves up by 0x100 where Hyper-V's or Xen's come first (Documentation/virt/kvm/x86/cpuid.rst). */
static uint32_t leaf_for_names(uint32_t leaf)
{
	if (leaf >= 0x40000100 && leaf < 0x40010000 && (leaf & 0xff) <= 1)
		return 0x40000000 | (leaf & 0xff);
	return leaf;
}

static bool row_matches(uint32_t row_leaf, uint32_t row_subleaf, enum cpuid_register row_reg, uint32_t leaf, uint32_t subleaf,
			enum cpuid_register reg)
{
	return row_leaf == leaf && row_reg == reg && (row_subleaf == ANY || row_subleaf == subleaf);
}

bool cpuid_part_get(uint32_t leaf, uint32_t subleaf, enum cpuid_register reg, size_t n, struct cpuid_part *ret)
{
	leaf = leaf_for_names(leaf);
	/* One subleaf for each XSAVE component from 2 on, all alike. */
	if (leaf == 0xd && subleaf > 2)
		subleaf = 2;
	for (size_t i = 0; i < FIELD_ROWS; i++) {
		const struct field_row *row = &field_rows[i];

		if (row_matches(row->leaf, row->subleaf, row->reg, leaf, subleaf, reg) && n-- == 0) {
			*ret = row->part;
			return true;
		}
	}
	for (size_t i = 0; i < FEATURE_ROWS; i++) {
		const struct feature_row *row = &feature_rows[i];

		if (!row_matches(row->leaf, row->subleaf, row->reg, leaf, subleaf, reg))
			continue;
		for (unsigned bit = 0; bit < 32; bit++)
			if (row->names[bit] && n-- == 0) {
				*ret = (struct cpuid_part){ .name = row->names[bit], .mask = 1u << bit };
				return true;
			}
	}
	return false;
}

bool cpuid_is_text(uint32_t leaf, enum cpuid_register reg, uint32_t value)
{
	if (leaf >= 0x80000002 && leaf <= 0x80000004)
		return true;
	/* Hyper-V's interface signature "Hv#1" stands where KVM has its feature bits. */
	if (leaf == 0x40000001 && reg == CPUID_EAX)
		return value == 0x31237648;
	if (leaf == 0 || leaf == 0x80000000 || (leaf >= 0x40000000 && leaf < 0x40010000 && (leaf & 0xff) == 0))
		return reg != CPUID_EAX;
	return false;
}

bool cpuid_is_host_bound(uint32_t leaf)
{
	return leaf == 0x15 || leaf == 0x16 || leaf == 0x40000010 || (leaf >= 0x80000002 && leaf <= 0x80000004);
}

bool cpuid_row_get(size_t n, uint32_t *ret_leaf, uint32_t *ret_subleaf, enum cpuid_register *ret_reg)
{
	if (n >= FEATURE_ROWS)
		return false;
	*ret_leaf = feature_rows[n].leaf;
	*ret_subleaf = feature_rows[n].subleaf;
	*ret_reg = feature_rows[n].reg;
	return true;
}
