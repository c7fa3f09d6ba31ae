/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of model-specific registers, and of the bits and fields of those that identify. Bits are named as libvirt names them
 * (cpu_map/x86_features.xml), then as QEMU, then as the manuals do.
 *
 * Sources: Intel SDM vol. 4 and appendix A of vol. 3D (VMX); AMD APM vol. 2 appendix A, SEV-ES and SNP in 15.34; Hyper-V TLFS;
 * Documentation/virt/kvm/x86/msr.rst.
 */
#ifndef ABIDRIFT_ABI_MSR_NAMES_H
#define ABIDRIFT_ABI_MSR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSR_NAME_BYTES 48

/* A single bit (high == low) or a field. */
struct msr_part {
	const char *name;
	uint8_t high, low;
};

/* "IA32_ARCH_CAPABILITIES"; false: it has none. */
bool msr_name(uint32_t index, char ret[MSR_NAME_BYTES]);
/* The n-th named part of a register. false: past the end. */
bool msr_part_get(uint32_t index, size_t n, struct msr_part *ret);
uint64_t msr_part_mask(const struct msr_part *part);
/* Follows the host's clock, so that a move to another host changes it. */
bool msr_is_host_bound(uint32_t index);

/* For tests: the index of the n-th row of parts. */
bool msr_part_row_get(size_t n, uint32_t *ret_index, struct msr_part *ret);

#endif
