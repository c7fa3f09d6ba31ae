/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/msr_names.h"

#include <stdio.h>

#include "bpf/msr_identity.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct { uint32_t index; const char *name; } names[] = {
	{ 0x00, "IA32_P5_MC_ADDR" }, { 0x01, "IA32_P5_MC_TYPE" }, { 0x06, "IA32_MONITOR_FILTER_SIZE" }, { 0x10, "IA32_TIME_STAMP_COUNTER" },
	{ 0x11, "KVM_WALL_CLOCK" }, { 0x12, "KVM_SYSTEM_TIME" }, { 0x17, "IA32_PLATFORM_ID" }, { 0x1b, "IA32_APIC_BASE" },
	{ 0x2a, "EBL_CR_POWERON" }, { 0x2c, "EBC_FREQUENCY_ID" }, { 0x33, "TEST_CTRL" }, { 0x34, "SMI_COUNT" },
	{ 0x35, "CORE_THREAD_COUNT" }, { 0x3a, "IA32_FEATURE_CONTROL" }, { 0x3b, "IA32_TSC_ADJUST" }, { 0x48, "IA32_SPEC_CTRL" },
	{ 0x49, "IA32_PRED_CMD" }, { 0x4e, "PPIN_CTL" }, { 0x4f, "PPIN" }, { 0x79, "IA32_BIOS_UPDT_TRIG" },
	{ 0x8b, "IA32_BIOS_SIGN_ID" }, { 0x8c, "IA32_SGXLEPUBKEYHASH0" }, { 0x8d, "IA32_SGXLEPUBKEYHASH1" },
	{ 0x8e, "IA32_SGXLEPUBKEYHASH2" }, { 0x8f, "IA32_SGXLEPUBKEYHASH3" }, { 0x9b, "IA32_SMM_MONITOR_CTL" }, { 0x9e, "IA32_SMBASE" },
	{ 0xbd, "IA32_XAPIC_DISABLE_STATUS" }, { 0xcd, "FSB_FREQ" }, { 0xce, "PLATFORM_INFO" }, { 0xcf, "IA32_CORE_CAPABILITIES" },
	{ 0xe1, "IA32_UMWAIT_CONTROL" }, { 0xe2, "PKG_CST_CONFIG_CONTROL" }, { 0xe7, "IA32_MPERF" }, { 0xe8, "IA32_APERF" },
	{ 0xfe, "IA32_MTRRCAP" }, { 0x10a, "IA32_ARCH_CAPABILITIES" }, { 0x10b, "IA32_FLUSH_CMD" }, { 0x119, "BBL_CR_CTL" },
	{ 0x11e, "BBL_CR_CTL3" }, { 0x122, "IA32_TSX_CTRL" }, { 0x123, "IA32_MCU_OPT_CTRL" }, { 0x140, "MISC_FEATURES_ENABLES" },
	{ 0x174, "IA32_SYSENTER_CS" }, { 0x175, "IA32_SYSENTER_ESP" }, { 0x176, "IA32_SYSENTER_EIP" }, { 0x179, "IA32_MCG_CAP" },
	{ 0x17a, "IA32_MCG_STATUS" }, { 0x17b, "IA32_MCG_CTL" }, { 0x198, "IA32_PERF_STATUS" }, { 0x199, "IA32_PERF_CTL" },
	{ 0x19a, "IA32_CLOCK_MODULATION" }, { 0x19b, "IA32_THERM_INTERRUPT" }, { 0x19c, "IA32_THERM_STATUS" }, { 0x19d, "THERM2_CTL" },
	{ 0x1a0, "IA32_MISC_ENABLE" }, { 0x1a2, "TEMPERATURE_TARGET" }, { 0x1a4, "MISC_FEATURE_CONTROL" }, { 0x1a6, "OFFCORE_RSP_0" },
	{ 0x1a7, "OFFCORE_RSP_1" }, { 0x1ad, "TURBO_RATIO_LIMIT" }, { 0x1b0, "IA32_ENERGY_PERF_BIAS" }, { 0x1c4, "IA32_XFD" },
	{ 0x1c5, "IA32_XFD_ERR" }, { 0x1c8, "LBR_SELECT" }, { 0x1c9, "LASTBRANCH_TOS" }, { 0x1d9, "IA32_DEBUGCTL" },
	{ 0x1db, "LASTBRANCHFROMIP" }, { 0x1dc, "LASTBRANCHTOIP" }, { 0x1dd, "LASTINTFROMIP" }, { 0x1de, "LASTINTTOIP" },
	{ 0x1fc, "POWER_CTL" }, { 0x250, "IA32_MTRR_FIX64K_00000" }, { 0x258, "IA32_MTRR_FIX16K_80000" },
	{ 0x259, "IA32_MTRR_FIX16K_A0000" }, { 0x268, "IA32_MTRR_FIX4K_C0000" }, { 0x269, "IA32_MTRR_FIX4K_C8000" },
	{ 0x26a, "IA32_MTRR_FIX4K_D0000" }, { 0x26b, "IA32_MTRR_FIX4K_D8000" }, { 0x26c, "IA32_MTRR_FIX4K_E0000" },
	{ 0x26d, "IA32_MTRR_FIX4K_E8000" }, { 0x26e, "IA32_MTRR_FIX4K_F0000" }, { 0x26f, "IA32_MTRR_FIX4K_F8000" }, { 0x277, "IA32_PAT" },
	{ 0x2ff, "IA32_MTRR_DEF_TYPE" }, { 0x309, "IA32_FIXED_CTR0" }, { 0x30a, "IA32_FIXED_CTR1" }, { 0x30b, "IA32_FIXED_CTR2" },
	{ 0x30c, "IA32_FIXED_CTR3" }, { 0x329, "IA32_PERF_METRICS" }, { 0x345, "IA32_PERF_CAPABILITIES" },
	{ 0x38d, "IA32_FIXED_CTR_CTRL" }, { 0x38e, "IA32_PERF_GLOBAL_STATUS" }, { 0x38f, "IA32_PERF_GLOBAL_CTRL" },
	{ 0x390, "IA32_PERF_GLOBAL_OVF_CTRL" }, { 0x391, "IA32_PERF_GLOBAL_STATUS_SET" }, { 0x3f1, "IA32_PEBS_ENABLE" },
	{ 0x3f2, "PEBS_DATA_CFG" }, { 0x3f6, "PEBS_LD_LAT_THRESHOLD" },
	{ 0x480, "IA32_VMX_BASIC" }, { 0x481, "IA32_VMX_PINBASED_CTLS" }, { 0x482, "IA32_VMX_PROCBASED_CTLS" },
	{ 0x483, "IA32_VMX_EXIT_CTLS" }, { 0x484, "IA32_VMX_ENTRY_CTLS" }, { 0x485, "IA32_VMX_MISC" }, { 0x486, "IA32_VMX_CR0_FIXED0" },
	{ 0x487, "IA32_VMX_CR0_FIXED1" }, { 0x488, "IA32_VMX_CR4_FIXED0" }, { 0x489, "IA32_VMX_CR4_FIXED1" }, { 0x48a, "IA32_VMX_VMCS_ENUM" },
	{ 0x48b, "IA32_VMX_PROCBASED_CTLS2" }, { 0x48c, "IA32_VMX_EPT_VPID_CAP" }, { 0x48d, "IA32_VMX_TRUE_PINBASED_CTLS" },
	{ 0x48e, "IA32_VMX_TRUE_PROCBASED_CTLS" }, { 0x48f, "IA32_VMX_TRUE_EXIT_CTLS" }, { 0x490, "IA32_VMX_TRUE_ENTRY_CTLS" },
	{ 0x491, "IA32_VMX_VMFUNC" }, { 0x492, "IA32_VMX_PROCBASED_CTLS3" }, { 0x493, "IA32_VMX_EXIT_CTLS2" },
	{ 0x560, "IA32_RTIT_OUTPUT_BASE" }, { 0x561, "IA32_RTIT_OUTPUT_MASK_PTRS" }, { 0x570, "IA32_RTIT_CTL" }, { 0x571, "IA32_RTIT_STATUS" },
	{ 0x600, "IA32_DS_AREA" }, { 0x606, "RAPL_POWER_UNIT" }, { 0x610, "PKG_POWER_LIMIT" }, { 0x611, "PKG_ENERGY_STATUS" },
	{ 0x614, "PKG_POWER_INFO" }, { 0x619, "DRAM_ENERGY_STATUS" }, { 0x639, "PP0_ENERGY_STATUS" }, { 0x641, "PP1_ENERGY_STATUS" },
	{ 0x64e, "PPERF" }, { 0x6a0, "IA32_U_CET" }, { 0x6a2, "IA32_S_CET" }, { 0x6a4, "IA32_PL0_SSP" }, { 0x6a5, "IA32_PL1_SSP" },
	{ 0x6a6, "IA32_PL2_SSP" }, { 0x6a7, "IA32_PL3_SSP" }, { 0x6a8, "IA32_INTERRUPT_SSP_TABLE_ADDR" }, { 0x6e0, "IA32_TSC_DEADLINE" },
	{ 0x6e1, "IA32_PKRS" }, { 0x770, "IA32_PM_ENABLE" }, { 0x771, "IA32_HWP_CAPABILITIES" }, { 0x774, "IA32_HWP_REQUEST" },
	{ 0x777, "IA32_HWP_STATUS" }, { 0x802, "IA32_X2APIC_APICID" }, { 0x803, "IA32_X2APIC_VERSION" }, { 0x808, "IA32_X2APIC_TPR" },
	{ 0x80f, "IA32_X2APIC_SIVR" }, { 0x828, "IA32_X2APIC_ESR" }, { 0x830, "IA32_X2APIC_ICR" }, { 0x832, "IA32_X2APIC_LVT_TIMER" },
	{ 0x838, "IA32_X2APIC_INIT_COUNT" }, { 0x839, "IA32_X2APIC_CUR_COUNT" }, { 0xc80, "IA32_DEBUG_INTERFACE" },
	{ 0xc8f, "IA32_PQR_ASSOC" }, { 0xd90, "IA32_BNDCFGS" }, { 0xda0, "IA32_XSS" }, { 0x14ce, "IA32_LBR_CTL" }, { 0x14cf, "IA32_LBR_DEPTH" },
	{ 0x40000000, "HV_GUEST_OS_ID" }, { 0x40000001, "HV_HYPERCALL" }, { 0x40000002, "HV_VP_INDEX" }, { 0x40000003, "HV_RESET" },
	{ 0x40000010, "HV_VP_RUNTIME" }, { 0x40000020, "HV_TIME_REF_COUNT" }, { 0x40000021, "HV_REFERENCE_TSC" },
	{ 0x40000022, "HV_TSC_FREQUENCY" }, { 0x40000023, "HV_APIC_FREQUENCY" }, { 0x40000070, "HV_EOI" }, { 0x40000071, "HV_ICR" },
	{ 0x40000072, "HV_TPR" }, { 0x40000073, "HV_VP_ASSIST_PAGE" }, { 0x40000080, "HV_SCONTROL" }, { 0x40000081, "HV_SVERSION" },
	{ 0x40000082, "HV_SIEFP" }, { 0x40000083, "HV_SIMP" }, { 0x40000084, "HV_EOM" }, { 0x400000f1, "HV_SYNDBG_CONTROL" },
	{ 0x40000100, "HV_CRASH_P0" }, { 0x40000101, "HV_CRASH_P1" }, { 0x40000102, "HV_CRASH_P2" }, { 0x40000103, "HV_CRASH_P3" },
	{ 0x40000104, "HV_CRASH_P4" }, { 0x40000105, "HV_CRASH_CTL" }, { 0x40000106, "HV_REENLIGHTENMENT_CONTROL" },
	{ 0x40000107, "HV_TSC_EMULATION_CONTROL" }, { 0x40000108, "HV_TSC_EMULATION_STATUS" }, { 0x40000118, "HV_TSC_INVARIANT_CONTROL" },
	{ 0x4b564d00, "KVM_WALL_CLOCK_NEW" }, { 0x4b564d01, "KVM_SYSTEM_TIME_NEW" }, { 0x4b564d02, "KVM_ASYNC_PF_EN" },
	{ 0x4b564d03, "KVM_STEAL_TIME" }, { 0x4b564d04, "KVM_PV_EOI_EN" }, { 0x4b564d05, "KVM_POLL_CONTROL" },
	{ 0x4b564d06, "KVM_ASYNC_PF_INT" }, { 0x4b564d07, "KVM_ASYNC_PF_ACK" }, { 0x4b564d08, "KVM_MIGRATION_CONTROL" },
	{ 0xc0000080, "IA32_EFER" }, { 0xc0000081, "IA32_STAR" }, { 0xc0000082, "IA32_LSTAR" }, { 0xc0000083, "IA32_CSTAR" },
	{ 0xc0000084, "IA32_FMASK" }, { 0xc0000100, "IA32_FS_BASE" }, { 0xc0000101, "IA32_GS_BASE" }, { 0xc0000102, "IA32_KERNEL_GS_BASE" },
	{ 0xc0000103, "IA32_TSC_AUX" }, { 0xc0000104, "AMD64_TSC_RATIO" }, { 0xc00000e7, "MPERF_RO" }, { 0xc00000e8, "APERF_RO" },
	{ 0xc00000e9, "AMD_IRPERF" }, { 0xc0000300, "AMD_PERF_GLOBAL_STATUS" }, { 0xc0000301, "AMD_PERF_GLOBAL_CTL" },
	{ 0xc0000302, "AMD_PERF_GLOBAL_STATUS_CLR" }, { 0xc0010010, "AMD_SYSCFG" }, { 0xc0010015, "AMD_HWCR" },
	{ 0xc0010016, "AMD_IORR_BASE0" }, { 0xc0010017, "AMD_IORR_MASK0" }, { 0xc0010018, "AMD_IORR_BASE1" }, { 0xc0010019, "AMD_IORR_MASK1" },
	{ 0xc001001a, "AMD_TOP_MEM" }, { 0xc001001d, "AMD_TOP_MEM2" }, { 0xc001001f, "AMD_NB_CFG" }, { 0xc0010055, "AMD_INT_PENDING_MSG" },
	{ 0xc0010058, "AMD_MMIO_CONF_BASE" }, { 0xc0010061, "AMD_PSTATE_LIMIT" }, { 0xc0010062, "AMD_PSTATE_CTL" },
	{ 0xc0010063, "AMD_PSTATE_STATUS" }, { 0xc0010111, "AMD_SMBASE" }, { 0xc0010112, "AMD_SMM_ADDR" }, { 0xc0010113, "AMD_SMM_MASK" },
	{ 0xc0010114, "AMD_VM_CR" }, { 0xc0010115, "AMD_IGNNE" }, { 0xc0010117, "AMD_VM_HSAVE_PA" }, { 0xc001011f, "AMD_VIRT_SPEC_CTRL" },
	{ 0xc001011b, "AMD_DOORBELL" }, { 0xc001011e, "AMD_VMPAGE_FLUSH" }, { 0xc0010130, "AMD_SEV_GHCB" }, { 0xc0010131, "AMD_SEV_STATUS" },
	{ 0xc0010140, "AMD_OSVW_ID_LENGTH" }, { 0xc0010141, "AMD_OSVW_STATUS" }, { 0xc0010299, "AMD_RAPL_POWER_UNIT" },
	{ 0xc001029a, "AMD_CORE_ENERGY_STATUS" }, { 0xc001029b, "AMD_PKG_ENERGY_STATUS" }, { 0xc00102b0, "AMD_CPPC_CAP1" },
	{ 0xc00102b1, "AMD_CPPC_ENABLE" }, { 0xc00102b3, "AMD_CPPC_REQ" }, { 0xc0011004, "AMD_CPUID_FN_1" }, { 0xc0011005, "AMD_CPUID_FN_80000001" },
	{ 0xc0011020, "AMD_LS_CFG" }, { 0xc0011021, "AMD_IC_CFG" }, { 0xc0011022, "AMD_DC_CFG" }, { 0xc0011023, "AMD_BU_CFG" },
	{ 0xc0011029, "AMD_DE_CFG" }, { 0xc001102a, "AMD_BU_CFG2" }, { 0xc0011030, "AMD_IBS_FETCH_CTL" }, { 0xc0011033, "AMD_IBS_OP_CTL" },
};

/* Registers that come by the number: "name%u", every `step`-th from `first` to `last`. */
static const struct { uint32_t first, last, step; const char *prefix, *suffix; } numbered[] = {
	{ 0xc1, 0xc8, 1, "IA32_PMC", "" }, { 0x186, 0x18d, 1, "IA32_PERFEVTSEL", "" }, { 0x200, 0x212, 2, "IA32_MTRR_PHYSBASE", "" },
	{ 0x201, 0x213, 2, "IA32_MTRR_PHYSMASK", "" }, { 0x280, 0x29f, 1, "IA32_MC", "_CTL2" }, { 0x400, 0x47c, 4, "IA32_MC", "_CTL" },
	{ 0x401, 0x47d, 4, "IA32_MC", "_STATUS" }, { 0x402, 0x47e, 4, "IA32_MC", "_ADDR" }, { 0x403, 0x47f, 4, "IA32_MC", "_MISC" },
	{ 0x4c1, 0x4c8, 1, "IA32_A_PMC", "" }, { 0x580, 0x586, 2, "IA32_RTIT_ADDR", "_A" }, { 0x581, 0x587, 2, "IA32_RTIT_ADDR", "_B" },
	{ 0x810, 0x817, 1, "IA32_X2APIC_ISR", "" }, { 0x818, 0x81f, 1, "IA32_X2APIC_TMR", "" }, { 0x820, 0x827, 1, "IA32_X2APIC_IRR", "" },
	{ 0x40000090, 0x4000009f, 1, "HV_SINT", "" }, { 0x400000b0, 0x400000b6, 2, "HV_STIMER", "_CONFIG" },
	{ 0x400000b1, 0x400000b7, 2, "HV_STIMER", "_COUNT" }, { 0xc0010000, 0xc0010003, 1, "AMD_PERFEVTSEL", "" },
	{ 0xc0010004, 0xc0010007, 1, "AMD_PERFCTR", "" }, { 0xc0010064, 0xc001006b, 1, "AMD_PSTATE_DEF", "" },
	{ 0xc0010200, 0xc001020a, 2, "AMD_F15H_PERF_CTL", "" }, { 0xc0010201, 0xc001020b, 2, "AMD_F15H_PERF_CTR", "" },
};

struct part_row {
	uint32_t index;
	struct msr_part part;
};

#define FIELD(index, high, low, name) { index, { name, high, low } }
#define FLAG(index, bit, name) { index, { name, bit, bit } }
/* A VMX control that may be on: the upper half of a capability register (SDM vol. 3D, A.3 to A.5). */
#define MAY(index, bit, name) { index, { name, 32 + (bit), 32 + (bit) } }

static const struct part_row parts[] = {
	FIELD(MSR_PLATFORM_ID, 52, 50, "platform_id"),
	FIELD(MSR_EBC_FREQUENCY_ID, 18, 16, "bus_speed_code"), FIELD(MSR_EBC_FREQUENCY_ID, 31, 24, "clock_ratio"),
	FIELD(MSR_CORE_THREAD_COUNT, 15, 0, "threads"), FIELD(MSR_CORE_THREAD_COUNT, 31, 16, "cores"),
	FIELD(MSR_BIOS_SIGN_ID, 31, 0, "patch_level"), FIELD(MSR_BIOS_SIGN_ID, 63, 32, "revision"),
	FLAG(MSR_XAPIC_DISABLE_STATUS, 0, "legacy-xapic-disabled"),
	FIELD(MSR_FSB_FREQ, 2, 0, "bus_speed_code"),
	FIELD(MSR_PLATFORM_INFO, 15, 8, "max_non_turbo_ratio"), FLAG(MSR_PLATFORM_INFO, 28, "programmable-ratio-limit"),
	FLAG(MSR_PLATFORM_INFO, 29, "programmable-tdp-limit"), FLAG(MSR_PLATFORM_INFO, 30, "programmable-temperature-target"),
	FLAG(MSR_PLATFORM_INFO, 31, "cpuid-fault"), FIELD(MSR_PLATFORM_INFO, 34, 33, "tdp_levels"),
	FIELD(MSR_PLATFORM_INFO, 47, 40, "max_efficiency_ratio"), FIELD(MSR_PLATFORM_INFO, 55, 48, "min_operating_ratio"),
	FLAG(MSR_CORE_CAPABILITIES, 0, "stlb-qos"), FLAG(MSR_CORE_CAPABILITIES, 2, "fusa"), FLAG(MSR_CORE_CAPABILITIES, 3, "rsm-in-cpl0-only"),
	FLAG(MSR_CORE_CAPABILITIES, 4, "uc-lock-disable"), FLAG(MSR_CORE_CAPABILITIES, 5, "split-lock-detect"),
	FLAG(MSR_CORE_CAPABILITIES, 6, "snoop-filter-qos"),
	FIELD(MSR_MTRRCAP, 7, 0, "variable_ranges"), FLAG(MSR_MTRRCAP, 8, "fixed-ranges"), FLAG(MSR_MTRRCAP, 10, "write-combining"),
	FLAG(MSR_MTRRCAP, 11, "smrr"), FLAG(MSR_MTRRCAP, 12, "prmrr"),
	FLAG(MSR_ARCH_CAPABILITIES, 0, "rdctl-no"), FLAG(MSR_ARCH_CAPABILITIES, 1, "ibrs-all"), FLAG(MSR_ARCH_CAPABILITIES, 2, "rsba"),
	FLAG(MSR_ARCH_CAPABILITIES, 3, "skip-l1dfl-vmentry"), FLAG(MSR_ARCH_CAPABILITIES, 4, "ssb-no"),
	FLAG(MSR_ARCH_CAPABILITIES, 5, "mds-no"), FLAG(MSR_ARCH_CAPABILITIES, 6, "pschange-mc-no"), FLAG(MSR_ARCH_CAPABILITIES, 7, "tsx-ctrl"),
	FLAG(MSR_ARCH_CAPABILITIES, 8, "taa-no"), FLAG(MSR_ARCH_CAPABILITIES, 9, "mcu-control"),
	FLAG(MSR_ARCH_CAPABILITIES, 10, "misc-package-ctls"), FLAG(MSR_ARCH_CAPABILITIES, 11, "energy-filtering-ctl"),
	FLAG(MSR_ARCH_CAPABILITIES, 12, "doitm"), FLAG(MSR_ARCH_CAPABILITIES, 13, "sbdr-ssdp-no"), FLAG(MSR_ARCH_CAPABILITIES, 14, "fbsdp-no"),
	FLAG(MSR_ARCH_CAPABILITIES, 15, "psdp-no"), FLAG(MSR_ARCH_CAPABILITIES, 16, "mcu-enumeration"), FLAG(MSR_ARCH_CAPABILITIES, 17, "fb-clear"),
	FLAG(MSR_ARCH_CAPABILITIES, 18, "fb-clear-ctrl"), FLAG(MSR_ARCH_CAPABILITIES, 19, "rrsba"), FLAG(MSR_ARCH_CAPABILITIES, 20, "bhi-no"),
	FLAG(MSR_ARCH_CAPABILITIES, 21, "xapic-disable-status"), FLAG(MSR_ARCH_CAPABILITIES, 22, "mcu-extended-service"),
	FLAG(MSR_ARCH_CAPABILITIES, 23, "overclocking-status"), FLAG(MSR_ARCH_CAPABILITIES, 24, "pbrsb-no"),
	FLAG(MSR_ARCH_CAPABILITIES, 25, "gds-ctrl"), FLAG(MSR_ARCH_CAPABILITIES, 26, "gds-no"), FLAG(MSR_ARCH_CAPABILITIES, 27, "rfds-no"),
	FLAG(MSR_ARCH_CAPABILITIES, 28, "rfds-clear"), FLAG(MSR_ARCH_CAPABILITIES, 29, "ignore-umonitor"),
	FLAG(MSR_ARCH_CAPABILITIES, 30, "monitor-umonitor-mitigation"), FLAG(MSR_ARCH_CAPABILITIES, 62, "its-no"),
	FIELD(MSR_MCG_CAP, 7, 0, "banks"), FLAG(MSR_MCG_CAP, 8, "mcg-ctl"), FLAG(MSR_MCG_CAP, 9, "mcg-ext"), FLAG(MSR_MCG_CAP, 10, "cmci"),
	FLAG(MSR_MCG_CAP, 11, "threshold-status"), FIELD(MSR_MCG_CAP, 23, 16, "extended_registers"), FLAG(MSR_MCG_CAP, 24, "software-recovery"),
	FLAG(MSR_MCG_CAP, 25, "enhanced-mca"), FLAG(MSR_MCG_CAP, 26, "elog"), FLAG(MSR_MCG_CAP, 27, "lmce"),
	FLAG(MSR_MISC_ENABLE, 7, "performance-monitoring"), FLAG(MSR_MISC_ENABLE, 11, "bts-unavailable"),
	FLAG(MSR_MISC_ENABLE, 12, "pebs-unavailable"),
	FIELD(MSR_PERF_CAPABILITIES, 5, 0, "lbr_format"), FLAG(MSR_PERF_CAPABILITIES, 6, "pebs-trap"), FLAG(MSR_PERF_CAPABILITIES, 7, "pebs-arch-reg"),
	FIELD(MSR_PERF_CAPABILITIES, 11, 8, "pebs_format"), FLAG(MSR_PERF_CAPABILITIES, 12, "freeze-while-smm"),
	FLAG(MSR_PERF_CAPABILITIES, 13, "full-width-write"), FLAG(MSR_PERF_CAPABILITIES, 14, "pebs-baseline"),
	FLAG(MSR_PERF_CAPABILITIES, 15, "perf-metrics"), FLAG(MSR_PERF_CAPABILITIES, 16, "pebs-output-pt"),
	FLAG(MSR_PERF_CAPABILITIES, 17, "pebs-timing-info"),
	FIELD(0x480, 30, 0, "vmcs_revision"), FIELD(0x480, 44, 32, "vmcs_bytes"), FLAG(0x480, 48, "vmx-32-bit-addresses"),
	FLAG(0x480, 49, "vmx-dual-monitor"), FIELD(0x480, 53, 50, "vmcs_memory_type"), FLAG(0x480, 54, "vmx-ins-outs"),
	FLAG(0x480, 55, "vmx-true-ctls"), FLAG(0x480, 56, "vmx-any-errcode"), FLAG(0x480, 58, "vmx-nested-exception"),
	FIELD(0x481, 31, 0, "must_be_one"), MAY(0x481, 0, "vmx-intr-exit"), MAY(0x481, 3, "vmx-nmi-exit"), MAY(0x481, 5, "vmx-vnmi"),
	MAY(0x481, 6, "vmx-preemption-timer"), MAY(0x481, 7, "vmx-posted-intr"),
	FIELD(0x482, 31, 0, "must_be_one"), MAY(0x482, 2, "vmx-vintr-pending"), MAY(0x482, 3, "vmx-tsc-offset"), MAY(0x482, 7, "vmx-hlt-exit"),
	MAY(0x482, 9, "vmx-invlpg-exit"), MAY(0x482, 10, "vmx-mwait-exit"), MAY(0x482, 11, "vmx-rdpmc-exit"), MAY(0x482, 12, "vmx-rdtsc-exit"),
	MAY(0x482, 15, "vmx-cr3-load-noexit"), MAY(0x482, 16, "vmx-cr3-store-noexit"), MAY(0x482, 17, "vmx-tertiary-ctls"),
	MAY(0x482, 19, "vmx-cr8-load-exit"), MAY(0x482, 20, "vmx-cr8-store-exit"), MAY(0x482, 21, "vmx-flexpriority"),
	MAY(0x482, 22, "vmx-vnmi-pending"), MAY(0x482, 23, "vmx-movdr-exit"), MAY(0x482, 24, "vmx-io-exit"), MAY(0x482, 25, "vmx-io-bitmap"),
	MAY(0x482, 27, "vmx-mtf"), MAY(0x482, 28, "vmx-msr-bitmap"), MAY(0x482, 29, "vmx-monitor-exit"), MAY(0x482, 30, "vmx-pause-exit"),
	MAY(0x482, 31, "vmx-secondary-ctls"),
	FIELD(0x483, 31, 0, "must_be_one"), MAY(0x483, 2, "vmx-exit-nosave-debugctl"), MAY(0x483, 9, "vmx-exit-host-64-bit"),
	MAY(0x483, 12, "vmx-exit-load-perf-global-ctrl"), MAY(0x483, 15, "vmx-exit-ack-intr"), MAY(0x483, 18, "vmx-exit-save-pat"),
	MAY(0x483, 19, "vmx-exit-load-pat"), MAY(0x483, 20, "vmx-exit-save-efer"), MAY(0x483, 21, "vmx-exit-load-efer"),
	MAY(0x483, 22, "vmx-exit-save-preemption-timer"), MAY(0x483, 23, "vmx-exit-clear-bndcfgs"), MAY(0x483, 25, "vmx-exit-clear-rtit-ctl"),
	MAY(0x483, 28, "vmx-exit-load-cet"), MAY(0x483, 29, "vmx-exit-load-pkrs"), MAY(0x483, 31, "vmx-exit-secondary-ctls"),
	FIELD(0x484, 31, 0, "must_be_one"), MAY(0x484, 2, "vmx-entry-noload-debugctl"), MAY(0x484, 9, "vmx-entry-ia32e-mode"),
	MAY(0x484, 13, "vmx-entry-load-perf-global-ctrl"), MAY(0x484, 14, "vmx-entry-load-pat"), MAY(0x484, 15, "vmx-entry-load-efer"),
	MAY(0x484, 16, "vmx-entry-load-bndcfgs"), MAY(0x484, 18, "vmx-entry-load-rtit-ctl"), MAY(0x484, 20, "vmx-entry-load-cet"),
	MAY(0x484, 22, "vmx-entry-load-pkrs"), MAY(0x484, 23, "vmx-entry-load-fred"),
	FIELD(0x485, 4, 0, "preemption_timer_shift"), FLAG(0x485, 5, "vmx-store-lma"), FLAG(0x485, 6, "vmx-activity-hlt"),
	FLAG(0x485, 7, "vmx-activity-shutdown"), FLAG(0x485, 8, "vmx-activity-wait-sipi"), FLAG(0x485, 14, "vmx-pt"),
	FLAG(0x485, 15, "vmx-smbase-in-smm"), FIELD(0x485, 24, 16, "cr3_targets"), FIELD(0x485, 27, 25, "msr_list_512"),
	FLAG(0x485, 28, "vmx-unblock-smi"), FLAG(0x485, 29, "vmx-vmwrite-vmexit-fields"), FLAG(0x485, 30, "vmx-zero-len-inject"),
	FIELD(0x485, 63, 32, "mseg_revision"),
	FIELD(0x48a, 9, 1, "highest_field"),
	FIELD(0x48b, 31, 0, "must_be_one"), MAY(0x48b, 0, "vmx-apicv-xapic"), MAY(0x48b, 1, "vmx-ept"), MAY(0x48b, 2, "vmx-desc-exit"),
	MAY(0x48b, 3, "vmx-rdtscp-exit"), MAY(0x48b, 4, "vmx-apicv-x2apic"), MAY(0x48b, 5, "vmx-vpid"), MAY(0x48b, 6, "vmx-wbinvd-exit"),
	MAY(0x48b, 7, "vmx-unrestricted-guest"), MAY(0x48b, 8, "vmx-apicv-register"), MAY(0x48b, 9, "vmx-apicv-vid"), MAY(0x48b, 10, "vmx-ple"),
	MAY(0x48b, 11, "vmx-rdrand-exit"), MAY(0x48b, 12, "vmx-invpcid-exit"), MAY(0x48b, 13, "vmx-vmfunc"), MAY(0x48b, 14, "vmx-shadow-vmcs"),
	MAY(0x48b, 15, "vmx-encls-exit"), MAY(0x48b, 16, "vmx-rdseed-exit"), MAY(0x48b, 17, "vmx-pml"), MAY(0x48b, 18, "vmx-ept-violation-ve"),
	MAY(0x48b, 19, "vmx-pt-conceal"), MAY(0x48b, 20, "vmx-xsaves"), MAY(0x48b, 22, "vmx-mode-based-execute"),
	MAY(0x48b, 24, "vmx-pt-guest-physical"), MAY(0x48b, 25, "vmx-tsc-scaling"), MAY(0x48b, 26, "vmx-enable-user-wait-pause"),
	MAY(0x48b, 28, "vmx-encls-c-exit"), MAY(0x48b, 30, "vmx-bus-lock-exit"), MAY(0x48b, 31, "vmx-notify-exit"),
	FLAG(0x48c, 0, "vmx-ept-execonly"), FLAG(0x48c, 6, "vmx-page-walk-4"), FLAG(0x48c, 7, "vmx-page-walk-5"),
	FLAG(0x48c, 8, "vmx-ept-uncacheable"), FLAG(0x48c, 14, "vmx-ept-write-back"), FLAG(0x48c, 16, "vmx-ept-2mb"),
	FLAG(0x48c, 17, "vmx-ept-1gb"), FLAG(0x48c, 20, "vmx-invept"), FLAG(0x48c, 21, "vmx-eptad"), FLAG(0x48c, 22, "vmx-ept-advanced-exitinfo"),
	FLAG(0x48c, 23, "vmx-ept-shadow-stack"), FLAG(0x48c, 25, "vmx-invept-single-context"), FLAG(0x48c, 26, "vmx-invept-all-context"),
	FLAG(0x48c, 32, "vmx-invvpid"), FLAG(0x48c, 40, "vmx-invvpid-single-addr"), FLAG(0x48c, 41, "vmx-invvpid-single-context"),
	FLAG(0x48c, 42, "vmx-invvpid-all-context"), FLAG(0x48c, 43, "vmx-invept-single-context-noglobals") /* of INVVPID; QEMU's name */,
	FLAG(0x491, 0, "vmx-eptp-switching"),
	FIELD(MSR_X2APIC_VERSION, 7, 0, "version"), FIELD(MSR_X2APIC_VERSION, 23, 16, "max_lvt_entry"),
	FLAG(MSR_X2APIC_VERSION, 24, "directed-eoi"), FLAG(MSR_X2APIC_VERSION, 31, "extended-apic-space"),
	FIELD(MSR_HV_TSC_FREQUENCY, 63, 0, "hz"), FIELD(MSR_HV_APIC_FREQUENCY, 63, 0, "hz"), FIELD(MSR_HV_SVERSION, 31, 0, "version"),
	FLAG(MSR_HV_CRASH_CTL, 63, "crash-notify"),
	FLAG(MSR_AMD_HWCR, 24, "tsc-freq-sel"),
	FLAG(MSR_AMD_SEV_STATUS, 0, "sev"), FLAG(MSR_AMD_SEV_STATUS, 1, "sev-es"), FLAG(MSR_AMD_SEV_STATUS, 2, "sev-snp"),
	FLAG(MSR_AMD_SEV_STATUS, 3, "vtom"), FLAG(MSR_AMD_SEV_STATUS, 4, "reflect-vc"), FLAG(MSR_AMD_SEV_STATUS, 5, "restricted-injection"),
	FLAG(MSR_AMD_SEV_STATUS, 6, "alternate-injection"), FLAG(MSR_AMD_SEV_STATUS, 7, "debug-swap"),
	FLAG(MSR_AMD_SEV_STATUS, 8, "prevent-host-ibs"), FLAG(MSR_AMD_SEV_STATUS, 9, "btb-isolation"), FLAG(MSR_AMD_SEV_STATUS, 10, "vmpl-sss"),
	FLAG(MSR_AMD_SEV_STATUS, 11, "secure-tsc"), FLAG(MSR_AMD_SEV_STATUS, 12, "vmgexit-parameter"), FLAG(MSR_AMD_SEV_STATUS, 14, "ibs-virt"),
	FLAG(MSR_AMD_SEV_STATUS, 16, "vmsa-reg-prot"), FLAG(MSR_AMD_SEV_STATUS, 17, "smt-protection"),
	FIELD(MSR_AMD_OSVW_ID_LENGTH, 15, 0, "known_errata"),
};

/* The "true" controls are those of 0x481 to 0x484 without the bits that had to be one before there were any. */
static uint32_t index_for_parts(uint32_t index)
{
	return index >= 0x48d && index <= 0x490 ? index - 0x48d + 0x481 : index;
}

bool msr_name(uint32_t index, char ret[MSR_NAME_BYTES])
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].index == index) {
			snprintf(ret, MSR_NAME_BYTES, "%s", names[i].name);
			return true;
		}
	for (size_t i = 0; i < COUNT(numbered); i++)
		if (index >= numbered[i].first && index <= numbered[i].last && (index - numbered[i].first) % numbered[i].step == 0) {
			snprintf(ret, MSR_NAME_BYTES, "%s%u%s", numbered[i].prefix, (index - numbered[i].first) / numbered[i].step,
				 numbered[i].suffix);
			return true;
		}
	return false;
}

bool msr_part_get(uint32_t index, size_t n, struct msr_part *ret)
{
	index = index_for_parts(index);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i].index == index && n-- == 0) {
			*ret = parts[i].part;
			return true;
		}
	return false;
}

uint64_t msr_part_mask(const struct msr_part *part)
{
	return (~0ull >> (63 - (part->high - part->low))) << part->low;
}

bool msr_is_host_bound(uint32_t index)
{
	return index == MSR_HV_TSC_FREQUENCY;
}

bool msr_part_row_get(size_t n, uint32_t *ret_index, struct msr_part *ret)
{
	if (n >= COUNT(parts))
		return false;
	*ret_index = parts[n].index;
	*ret = parts[n].part;
	return true;
}
