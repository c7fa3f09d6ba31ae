/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of CPUID feature bits and fields. Feature names are those that libvirt uses (cpu_map/x86_features.xml), so that what is
 * read here can be typed into a guest definition; bits that libvirt does not know are named as QEMU or the manuals do.
 *
 * Sources: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E; Hyper-V TLFS, 2.4; Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef ABIDRIFT_ABI_CPUID_NAMES_H
#define ABIDRIFT_ABI_CPUID_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cpuid_register {
	CPUID_EAX,
	CPUID_EBX,
	CPUID_ECX,
	CPUID_EDX,
	CPUID_REGISTERS,
};

/* One bit, one field, or one number that is spread over two fields (family, model). */
struct cpuid_part {
	const char *name;
	const char *bits; /* "7:0", "27:20,11:8"; NULL for a single bit */
	uint32_t mask;    /* never 0 */
	uint32_t (*number)(uint32_t value); /* NULL: the bits of mask, shifted down */
};

const char *cpuid_register_name(enum cpuid_register reg); /* "eax" */
uint32_t cpuid_part_number(const struct cpuid_part *part, uint32_t value);
static inline bool cpuid_part_is_bit(const struct cpuid_part *part)
{
	return !part->bits;
}

/* The n-th named part of a register: fields first, then single bits from the lowest on. false: past the end. */
bool cpuid_part_get(uint32_t leaf, uint32_t subleaf, enum cpuid_register reg, size_t n, struct cpuid_part *ret);
/* Four characters of a vendor, hypervisor or brand string? */
bool cpuid_is_text(uint32_t leaf, enum cpuid_register reg, uint32_t value);
/* Follows the host's clock or model by nature, so that a move to another host changes it. */
bool cpuid_is_host_bound(uint32_t leaf);

/* The whole table, for tests: leaf, subleaf (CPUID_ANY_SUBLEAF: of every subleaf) and register of the n-th row. */
#define CPUID_ANY_SUBLEAF UINT32_MAX
bool cpuid_row_get(size_t n, uint32_t *ret_leaf, uint32_t *ret_subleaf, enum cpuid_register *ret_reg);

#endif
