/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of ACPI tables, flags and numbers, as a person reads them.
 *
 * Sources: ACPI 6.5, tables 5.5 and 5.6 (signatures), 5.10 (fixed feature flags), 5.11 (boot architecture flags), 5.13 (FACS),
 * 5.20 (MADT flags), 5.2.9.1 (profiles); IA-PC HPET 1.0a, 2.3.4; WAET 1.0; DMAR: VT-d 4.1, 8.1; TCG ACPI 1.3, table 9;
 * WSMT 1.0; Microsoft Debug Port Table 2, table 3.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/abi/facets_internal.h"
#include "userspace/base/buffer.h"
#include "userspace/base/text.h"

#define WORD_BITS 32
#define ID_BITS 16 /* a field so wide is a vendor id: hexadecimal */

/* A register-like value: bits, and fields of several bits, from the lowest on. */
static const struct part {
	const char *key;
	uint8_t high, low;
	const char *name;
} parts[] = {
	{ "FACP/flags", 0, 0, "wbinvd" },
	{ "FACP/flags", 1, 1, "wbinvd_flush" },
	{ "FACP/flags", 2, 2, "proc_c1" },
	{ "FACP/flags", 3, 3, "p_lvl2_up" },
	{ "FACP/flags", 4, 4, "no_fixed_power_button" },
	{ "FACP/flags", 5, 5, "no_fixed_sleep_button" },
	{ "FACP/flags", 6, 6, "no_fixed_rtc_wake" },
	{ "FACP/flags", 7, 7, "rtc_s4" },
	{ "FACP/flags", 8, 8, "pm_timer_32bit" },
	{ "FACP/flags", 9, 9, "docking" },
	{ "FACP/flags", 10, 10, "reset_register" },
	{ "FACP/flags", 11, 11, "sealed_case" },
	{ "FACP/flags", 12, 12, "headless" },
	{ "FACP/flags", 13, 13, "native_sleep_instruction" },
	{ "FACP/flags", 14, 14, "pci_express_wake" },
	{ "FACP/flags", 15, 15, "use_platform_clock" },
	{ "FACP/flags", 16, 16, "s4_rtc_status_valid" },
	{ "FACP/flags", 17, 17, "remote_power_on" },
	{ "FACP/flags", 18, 18, "apic_cluster_model" },
	{ "FACP/flags", 19, 19, "apic_physical_mode" },
	{ "FACP/flags", 20, 20, "hardware_reduced" },
	{ "FACP/flags", 21, 21, "low_power_s0" },
	{ "FACP/flags", 23, 22, "persistent_cpu_caches" },
	{ "FACP/boot_arch", 0, 0, "legacy_devices" },
	{ "FACP/boot_arch", 1, 1, "8042" },
	{ "FACP/boot_arch", 2, 2, "no_vga" },
	{ "FACP/boot_arch", 3, 3, "no_msi" },
	{ "FACP/boot_arch", 4, 4, "no_pcie_aspm" },
	{ "FACP/boot_arch", 5, 5, "no_cmos_rtc" },
	{ "FACP/arm_boot_arch", 0, 0, "psci" },
	{ "FACP/arm_boot_arch", 1, 1, "psci_use_hvc" },
	{ "FACS/flags", 0, 0, "s4bios" },
	{ "FACS/flags", 1, 1, "wake_64bit" },
	{ "APIC/flags", 0, 0, "dual_8259" },
	{ "HPET/id", 7, 0, "revision" },
	{ "HPET/id", 12, 8, "comparators_minus_1" },
	{ "HPET/id", 13, 13, "counter_64bit" },
	{ "HPET/id", 15, 15, "legacy_replacement" },
	{ "HPET/id", 31, 16, "pci_vendor" },
	{ "HPET/flags", 3, 0, "page_protection" },
	{ "WAET/flags", 0, 0, "rtc_good" },
	{ "WAET/flags", 1, 1, "acpi_pm_timer_good" },
	{ "DMAR/flags", 0, 0, "interrupt_remapping" },
	{ "DMAR/flags", 1, 1, "x2apic_opt_out" },
	{ "DMAR/flags", 2, 2, "dma_control_opt_in" },
	{ "IVRS/info", 0, 0, "extended_features" },
	{ "IVRS/info", 1, 1, "dma_remapping" },
	{ "IVRS/info", 7, 5, "guest_virtual_address_size" },
	{ "IVRS/info", 14, 8, "physical_address_size" },
	{ "IVRS/info", 21, 15, "virtual_address_size" },
	{ "IVRS/info", 22, 22, "ats_range_reserved" },
	{ "WSMT/flags", 0, 0, "fixed_comm_buffers" },
	{ "WSMT/flags", 1, 1, "comm_buffer_nested_ptr_protection" },
	{ "WSMT/flags", 2, 2, "system_resource_protection" },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static const struct {
	const char *key, *value, *meaning;
} meanings[] = {
	{ "FACP/preferred_pm_profile", "0", "unspecified" },
	{ "FACP/preferred_pm_profile", "1", "desktop" },
	{ "FACP/preferred_pm_profile", "2", "mobile" },
	{ "FACP/preferred_pm_profile", "3", "workstation" },
	{ "FACP/preferred_pm_profile", "4", "enterprise server" },
	{ "FACP/preferred_pm_profile", "5", "SOHO server" },
	{ "FACP/preferred_pm_profile", "6", "appliance PC" },
	{ "FACP/preferred_pm_profile", "7", "performance server" },
	{ "FACP/preferred_pm_profile", "8", "tablet" },
	{ "FACP/hypervisor_vendor", "0x0000000000000000", "none" },
	{ "TPM2/platform_class", "0", "client" },
	{ "TPM2/platform_class", "1", "server" },
	{ "TPM2/start_method", "2", "ACPI start method" },
	{ "TPM2/start_method", "6", "memory-mapped interface (TIS)" },
	{ "TPM2/start_method", "7", "command response buffer (CRB)" },
	{ "TPM2/start_method", "8", "command response buffer with ACPI start method" },
	{ "TPM2/start_method", "11", "command response buffer with SMC" },
	{ "SPCR/interface_type", "0", "16550 compatible" },
	{ "SPCR/interface_type", "1", "16450 compatible" },
	{ "SPCR/interface_type", "3", "ARM PL011" },
	{ "SPCR/interface_type", "14", "ARM SBSA generic UART" },
	{ "SPCR/interface_type", "18", "16550 with a Generic Address Structure" },
	{ "SPCR/baud_rate", "0", "as it is" },
	{ "SPCR/baud_rate", "3", "9600" },
	{ "SPCR/baud_rate", "4", "19200" },
	{ "SPCR/baud_rate", "6", "57600" },
	{ "SPCR/baud_rate", "7", "115200" },
};

static const struct {
	char signature[5];
	const char *name;
} tables[] = {
	{ "APIC", "Multiple APIC Description Table" },
	{ "BERT", "Boot Error Record Table" },
	{ "BGRT", "Boot Graphics Resource Table" },
	{ "CCEL", "Confidential Computing Event Log" },
	{ "CEDT", "CXL Early Discovery Table" },
	{ "DBG2", "Debug Port Table 2" },
	{ "DMAR", "DMA Remapping Table" },
	{ "DSDT", "Differentiated System Description Table" },
	{ "EINJ", "Error Injection Table" },
	{ "ERST", "Error Record Serialization Table" },
	{ "FACP", "Fixed ACPI Description Table" },
	{ "FACS", "Firmware ACPI Control Structure" },
	{ "FPDT", "Firmware Performance Data Table" },
	{ "GTDT", "Generic Timer Description Table" },
	{ "HEST", "Hardware Error Source Table" },
	{ "HMAT", "Heterogeneous Memory Attribute Table" },
	{ "HPET", "High Precision Event Timer Table" },
	{ "IORT", "I/O Remapping Table" },
	{ "IVRS", "I/O Virtualization Reporting Structure" },
	{ "MCFG", "PCI Express Memory-mapped Configuration Table" },
	{ "NFIT", "NVDIMM Firmware Interface Table" },
	{ "PPTT", "Processor Properties Topology Table" },
	{ "PSDT", "Persistent System Description Table" },
	{ "RSDP", "Root System Description Pointer" },
	{ "RSDT", "Root System Description Table" },
	{ "SLIT", "System Locality Information Table" },
	{ "SPCR", "Serial Port Console Redirection Table" },
	{ "SRAT", "System Resource Affinity Table" },
	{ "SSDT", "Secondary System Description Table" },
	{ "TCPA", "Trusted Computing Platform Alliance Table" },
	{ "TPM2", "Trusted Platform Module 2 Table" },
	{ "UEFI", "UEFI ACPI Data Table" },
	{ "VIOT", "Virtual I/O Translation Table" },
	{ "WAET", "Windows ACPI Emulated Devices Table" },
	{ "WDAT", "Watchdog Action Table" },
	{ "WSMT", "Windows SMM Security Mitigations Table" },
	{ "XSDT", "Extended System Description Table" },
};

static bool word_parse(const char *value, uint32_t *ret)
{
	uint64_t number;

	if (!value || strncmp(value, "0x", 2) || text_u64(value, &number) < 0 || number > UINT32_MAX)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static uint32_t part_mask(const struct part *p) { return (uint32_t)((2ull << p->high) - (1ull << p->low)); }

/* What is not zero: bits by name, fields with their number. */
static void parts_put(const char *key, uint32_t value, struct buffer *out)
{
	bool first = true;

	for (size_t i = 0; i < PARTS; i++) {
		const struct part *p = &parts[i];

		if (strcmp(p->key, key) || !(value & part_mask(p)))
			continue;
		buffer_printf(out, "%s%s", first ? "" : ", ", p->name);
		if (p->high - p->low >= ID_BITS - 1)
			buffer_printf(out, "=%#" PRIx32, (value & part_mask(p)) >> p->low);
		else if (p->high != p->low)
			buffer_printf(out, "=%" PRIu32, (value & part_mask(p)) >> p->low);
		first = false;
	}
}

void acpi_meaning(const char *key, const char *value, struct buffer *out)
{
	const char *slash = strchr(key, '/');
	uint32_t word;

	if (slash && !strcmp(slash, "/revision"))
		for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
			if (!strncmp(tables[i].signature, key, 4) && (key + 4 == slash || key[4] == '.'))
				buffer_string(out, tables[i].name);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (!strcmp(meanings[i].key, key) && value && !strcmp(meanings[i].value, value))
			buffer_string(out, meanings[i].meaning);
	if (word_parse(value, &word))
		parts_put(key, word, out);
}

static int part_add(struct abi_fields *out, const struct part *p, const uint32_t *from, const uint32_t *to)
{
	const char *reg = strchr(p->key, '/') + 1;
	char bits[48], from_text[12], to_text[12];

	if (p->high == p->low)
		snprintf(bits, sizeof(bits), "%s[%u]", reg, p->low);
	else
		snprintf(bits, sizeof(bits), "%s[%u:%u]", reg, p->high, p->low);
	if (from)
		snprintf(from_text, sizeof(from_text), "%" PRIu32, (*from & part_mask(p)) >> p->low);
	if (to)
		snprintf(to_text, sizeof(to_text), "%" PRIu32, (*to & part_mask(p)) >> p->low);
	return abi_fields_add(out, p->name, bits, from ? from_text : NULL, to ? to_text : NULL);
}

/* Bits that differ and have no name. */
static int reserved_add(const char *key, uint32_t differing, const uint32_t *from, const uint32_t *to, struct abi_fields *out)
{
	int r = 0;

	for (uint8_t bit = 0; r == 0 && bit < WORD_BITS; bit++) {
		char name[16];

		snprintf(name, sizeof(name), "reserved_%u", bit);
		if (differing >> bit & 1)
			r = part_add(out, &(struct part){ key, bit, bit, name }, from, to);
	}
	return r;
}

int acpi_fields(const char *key, const char *from, const char *to, struct abi_fields *out)
{
	uint32_t from_word = 0, to_word = 0, differing;
	bool known = false;
	int r = 0;

	if ((from && !word_parse(from, &from_word)) || (to && !word_parse(to, &to_word)))
		return 0;
	differing = from_word ^ to_word;
	for (size_t i = 0; r == 0 && i < PARTS; i++) {
		if (strcmp(parts[i].key, key))
			continue;
		known = true;
		if (differing & part_mask(&parts[i]))
			r = part_add(out, &parts[i], from ? &from_word : NULL, to ? &to_word : NULL);
		differing &= ~part_mask(&parts[i]);
	}
	return r == 0 && known ? reserved_add(key, differing, from ? &from_word : NULL, to ? &to_word : NULL, out) : r;
}
