/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which model-specific registers identify a machine, and which of their bits. All others are state: that they are there (or
 * fault) is worth knowing, what they hold is not. Kept is what the guest cannot write and what is alike on all its vCPUs.
 *
 * Sources: Intel SDM vol. 4; AMD APM vol. 2 appendix A; Hyper-V TLFS; Linux arch/x86/kvm (what a guest may write under KVM).
 * Not here, on purpose: IA32_FEATURE_CONTROL and AMD's DE_CFG, VM_CR hold what firmware or OS wrote there; KVM's own
 * (0x4b564d00 to 0x4b564d08) and most of Hyper-V's hold addresses and switches of the guest.
 *
 * Included by programs after kvm_types.h, by userspace after <linux/types.h>.
 */
#ifndef ABIDRIFT_MSR_IDENTITY_H
#define ABIDRIFT_MSR_IDENTITY_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define MSR_PLATFORM_ID 0x17u
#define MSR_EBC_FREQUENCY_ID 0x2cu
#define MSR_CORE_THREAD_COUNT 0x35u
#define MSR_BIOS_SIGN_ID 0x8bu
#define MSR_XAPIC_DISABLE_STATUS 0xbdu
#define MSR_FSB_FREQ 0xcdu
#define MSR_PLATFORM_INFO 0xceu
#define MSR_CORE_CAPABILITIES 0xcfu
#define MSR_MTRRCAP 0xfeu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_MCG_CAP 0x179u
#define MSR_MISC_ENABLE 0x1a0u
#define MSR_PERF_CAPABILITIES 0x345u
#define MSR_VMX_FIRST 0x480u
#define MSR_VMX_LAST 0x493u
#define MSR_X2APIC_VERSION 0x803u
#define MSR_HV_TSC_FREQUENCY 0x40000022u
#define MSR_HV_APIC_FREQUENCY 0x40000023u
#define MSR_HV_SVERSION 0x40000081u
#define MSR_HV_CRASH_CTL 0x40000105u
#define MSR_AMD_HWCR 0xc0010015u
#define MSR_AMD_SEV_STATUS 0xc0010131u
#define MSR_AMD_OSVW_ID_LENGTH 0xc0010140u
#define MSR_AMD_OSVW_STATUS 0xc0010141u

/* Performance monitoring available, BTS and PEBS unavailable: the read-only bits (SDM vol. 4, table 2-2). */
#define MSR_MISC_ENABLE_KEPT (1ull << 7 | 1ull << 11 | 1ull << 12)
#define MSR_AMD_HWCR_KEPT (1ull << 24)     /* TSC counts at the P0 frequency */
#define MSR_HV_CRASH_CTL_KEPT (1ull << 63) /* the hypervisor takes crash reports */

/* Bits that identify; 0 = the register is state. */
static inline __attribute__((always_inline)) __u64 msr_identity(__u32 index)
{
	if (index >= MSR_VMX_FIRST && index <= MSR_VMX_LAST)
		return ~0ull;
	switch (index) {
	case MSR_PLATFORM_ID:
	case MSR_EBC_FREQUENCY_ID:
	case MSR_CORE_THREAD_COUNT:
	case MSR_BIOS_SIGN_ID:
	case MSR_XAPIC_DISABLE_STATUS:
	case MSR_FSB_FREQ:
	case MSR_PLATFORM_INFO:
	case MSR_CORE_CAPABILITIES:
	case MSR_MTRRCAP:
	case MSR_ARCH_CAPABILITIES:
	case MSR_MCG_CAP:
	case MSR_PERF_CAPABILITIES:
	case MSR_X2APIC_VERSION:
	case MSR_HV_TSC_FREQUENCY:
	case MSR_HV_APIC_FREQUENCY:
	case MSR_HV_SVERSION:
	case MSR_AMD_SEV_STATUS:
	case MSR_AMD_OSVW_ID_LENGTH:
	case MSR_AMD_OSVW_STATUS:
		return ~0ull;
	case MSR_MISC_ENABLE:
		return MSR_MISC_ENABLE_KEPT;
	case MSR_HV_CRASH_CTL:
		return MSR_HV_CRASH_CTL_KEPT;
	case MSR_AMD_HWCR:
		return MSR_AMD_HWCR_KEPT;
	}
	return 0;
}

#endif
