/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID spells over several registers: the vendor (leaves 0 and 0x80000000), a hypervisor's signature (0x40000000 and each 0x100
 * above) and the brand (0x80000002 to 4). Of one register of them nobody sees what it is a part of.
 * Sources: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef ABIDRIFT_ABI_CPUID_STRINGS_H
#define ABIDRIFT_ABI_CPUID_STRINGS_H

struct abi_entries;
struct buffer;

/* "brand", "vendor", "hypervisor": the string that the register of this key is a part of; NULL: of none. */
const char *cpuid_string_name(const char *key);
/*
 * All of that string as these entries (sorted) have it, without the zeros at its end; what else is no plain character is `\xHH`. Nothing
 * where they have none of its registers.
 */
void cpuid_string_put(const struct abi_entries *entries, const char *key, struct buffer *out);

#endif
