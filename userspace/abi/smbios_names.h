/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for values and bits of SMBIOS fields. Private to this folder. Source: DMTF DSP0134 3.5, chapter 7, in the words that
 * dmidecode prints.
 */
#ifndef ABIDRIFT_ABI_SMBIOS_NAMES_H
#define ABIDRIFT_ABI_SMBIOS_NAMES_H

#include <stddef.h>

/* By value, or by number of bit; NULL where there is no word. */
struct smbios_names {
	const char *const *list;
	size_t count;
};

extern const struct smbios_names smbios_wake_up_type, smbios_board_type, smbios_chassis_type, smbios_chassis_state, smbios_security_status,
	smbios_processor_type, smbios_processor_family, smbios_processor_upgrade, smbios_cache_error_correction,
	smbios_cache_type, smbios_associativity, smbios_connector_type, smbios_port_type, smbios_slot_type,
	smbios_slot_bus_width, smbios_slot_usage, smbios_slot_length, smbios_array_location, smbios_array_use, smbios_array_ecc,
	smbios_form_factor, smbios_memory_type, smbios_memory_technology, smbios_boot_status, smbios_ipmi_interface,
	smbios_onboard_device, smbios_bios_characteristics, smbios_bios_characteristics_1, smbios_bios_characteristics_2,
	smbios_board_features, smbios_processor_characteristics, smbios_sram_type, smbios_slot_characteristics_1,
	smbios_slot_characteristics_2, smbios_type_detail, smbios_operating_mode;

#endif
