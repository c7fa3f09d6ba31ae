/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/smbios_fields.h"

#include <inttypes.h>

#include "userspace/abi/smbios_names.h"
#include "userspace/base/buffer.h"

#define KIB 1024ull
#define MIB (KIB * KIB)
#define GIB (MIB * KIB)
#define SEE_EXTENDED_BYTE 0xffu
#define WORD_UNKNOWN 0xffffu
#define SIZE_EXTENDED 0x7fffu
#define CAPACITY_EXTENDED 0x80000000u

/* ---- what values mean */

/* In the largest unit that divides it. */
static void say_bytes(uint64_t bytes, struct buffer *out)
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB", "EB" };
	size_t unit = bytes ? 0 : 1;

	while (bytes && bytes % KIB == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= KIB;
		unit++;
	}
	buffer_printf(out, "%" PRIu64 " %s", bytes, units[unit]);
}

static void say_unit(uint64_t v, const char *unit, const char *zero, struct buffer *out)
{
	if (v == 0)
		buffer_string(out, zero);
	else
		buffer_printf(out, "%" PRIu64 " %s", v, unit);
}

static void say_segment(uint64_t v, struct buffer *out)
{
	if (v == 0)
		return;
	buffer_printf(out, "0x%04" PRIX64 "0, ", v);
	say_bytes((0x10000 - v) << 4, out);
}

static void say_rom_size(uint64_t v, struct buffer *out)
{
	if (v == SEE_EXTENDED_BYTE)
		buffer_string(out, "see extended_rom_size");
	else
		say_bytes((v + 1) * 64 * KIB, out);
}

static void say_rom_extended(uint64_t v, struct buffer *out)
{
	if (v >> 14 < 2)
		say_bytes((v & 0x3fff) * (v >> 14 ? GIB : MIB), out);
}

static void say_lock(uint64_t v, struct buffer *out)
{
	if (v & 0x80)
		buffer_string(out, ", lock");
}

static void say_height(uint64_t v, struct buffer *out) { say_unit(v, "U", "Unspecified", out); }
static void say_cords(uint64_t v, struct buffer *out) { buffer_string(out, v ? "" : "Unspecified"); }

static void say_processor_voltage(uint64_t v, struct buffer *out)
{
	static const char *const legacy[] = { "5.0 V", "3.3 V", "2.9 V" };
	const char *between = "";

	if (v & 0x80) {
		buffer_printf(out, "%u.%u V", (unsigned)(v & 0x7f) / 10, (unsigned)(v & 0x7f) % 10);
		return;
	}
	for (unsigned bit = 0; bit < 3; bit++)
		if (v >> bit & 1) {
			buffer_printf(out, "%s%s", between, legacy[bit]);
			between = " ";
		}
	if (!(v & 7))
		buffer_string(out, "Unknown");
}

static void say_mhz(uint64_t v, struct buffer *out) { say_unit(v, "MHz", "Unknown", out); }

static void say_processor_status(uint64_t v, struct buffer *out)
{
	static const char *const states[8] = { "Unknown", "Enabled", "Disabled By User", "Disabled By BIOS", "Idle", NULL, NULL, "Other" };

	buffer_string(out, v & 0x40 ? "Populated" : "Unpopulated");
	if (v & 0x40 && states[v & 7])
		buffer_printf(out, ", %s", states[v & 7]);
}

static void say_provided(uint64_t v, struct buffer *out) { buffer_string(out, v == WORD_UNKNOWN ? "Not Provided" : ""); }

static void say_error_handle(uint64_t v, struct buffer *out)
{
	buffer_string(out, v == 0xfffe ? "Not Provided" : v == WORD_UNKNOWN ? "No Error" : "");
}

static void say_cache_configuration(uint64_t v, struct buffer *out)
{
	static const char *const locations[4] = { "Internal", "External", "Reserved", "Unknown" };
	static const char *const modes[4] = { "Write Through", "Write Back", "Varies With Memory Address", "Unknown" };

	buffer_printf(out, "%s, %s, Level %u, %s, %s", v & 0x80 ? "Enabled" : "Disabled", v & 8 ? "Socketed" : "Not Socketed", (unsigned)(v & 7) + 1,
		      locations[v >> 5 & 3], modes[v >> 8 & 3]);
}

static void say_cache_size(uint64_t v, struct buffer *out)
{
	if (v == WORD_UNKNOWN)
		buffer_string(out, "see the second size");
	else
		say_bytes((v & 0x7fff) * (v & 0x8000 ? 64 : 1) * KIB, out);
}

static void say_cache_size2(uint64_t v, struct buffer *out) { say_bytes((v & 0x7fffffff) * (v & 0x80000000 ? 64 : 1) * KIB, out); }
static void say_ns(uint64_t v, struct buffer *out) { say_unit(v, "ns", "Unknown", out); }

static void say_devfn(uint64_t v, struct buffer *out) { buffer_printf(out, "%02x.%x", (unsigned)v >> 3, (unsigned)v & 7); }

static void say_capacity(uint64_t v, struct buffer *out)
{
	if (v == CAPACITY_EXTENDED)
		buffer_string(out, "see extended_maximum_capacity");
	else
		say_bytes(v * KIB, out);
}

static void say_bits(uint64_t v, struct buffer *out) { say_unit(v == WORD_UNKNOWN ? 0 : v, "bits", "Unknown", out); }

static void say_memory_size(uint64_t v, struct buffer *out)
{
	if (v == 0)
		buffer_string(out, "No Module Installed");
	else if (v == WORD_UNKNOWN)
		buffer_string(out, "Unknown");
	else if (v == SIZE_EXTENDED)
		buffer_string(out, "see extended_size");
	else
		say_bytes((v & 0x7fff) * (v & 0x8000 ? KIB : MIB), out);
}

static void say_mib(uint64_t v, struct buffer *out) { say_bytes((v & 0x7fffffff) * MIB, out); }
static void say_set(uint64_t v, struct buffer *out) { buffer_string(out, v == 0 ? "None" : v == SEE_EXTENDED_BYTE ? "Unknown" : ""); }

static void say_transfers(uint64_t v, struct buffer *out)
{
	if (v == WORD_UNKNOWN)
		buffer_string(out, "see the extended speed");
	else
		say_unit(v, "MT/s", "Unknown", out);
}

static void say_transfers_extended(uint64_t v, struct buffer *out) { say_unit(v, "MT/s", "Unknown", out); }
static void say_rank(uint64_t v, struct buffer *out) { say_unit(v & 0xf, "ranks", "Unknown", out); }

static void say_millivolts(uint64_t v, struct buffer *out)
{
	if (v == 0)
		buffer_string(out, "Unknown");
	else if (v % 100 == 0)
		buffer_printf(out, "%u.%u V", (unsigned)v / 1000, (unsigned)v % 1000 / 100);
	else
		buffer_printf(out, "%g V", (double)v / 1000);
}

static void say_jedec(uint64_t v, struct buffer *out)
{
	if (v == 0)
		buffer_string(out, "Unknown");
	else
		buffer_printf(out, "Bank %u, Hex 0x%02X", (unsigned)(v & 0x7f) + 1, (unsigned)v >> 8);
}

static void say_product(uint64_t v, struct buffer *out) { buffer_string(out, v ? "" : "Unknown"); }

static void say_portion(uint64_t v, struct buffer *out)
{
	if (v == UINT64_MAX)
		buffer_string(out, "Unknown");
	else if (v == 0)
		buffer_string(out, "None");
	else
		say_bytes(v, out);
}

static void say_mapped(uint64_t v, struct buffer *out) { buffer_string(out, v == UINT32_MAX ? "see the extended address" : ""); }

static void say_ipmi_revision(uint64_t v, struct buffer *out) { buffer_printf(out, "%u.%u", (unsigned)v >> 4, (unsigned)v & 0xf); }
static void say_i2c(uint64_t v, struct buffer *out) { buffer_printf(out, "I2C address 0x%02x", (unsigned)v >> 1); }
static void say_storage(uint64_t v, struct buffer *out) { buffer_string(out, v == SEE_EXTENDED_BYTE ? "Not Present" : ""); }
/* Of an SSIF it is an address on the SMBus, one byte. */
static void say_ipmi_base(uint64_t v, struct buffer *out) { buffer_string(out, v <= UINT8_MAX ? "" : v & 1 ? "I/O" : "Memory-mapped"); }

static void say_ipmi_modifier(uint64_t v, struct buffer *out)
{
	static const char *const spacing[4] = { "Successive Byte Boundaries", "32-bit Boundaries", "16-byte Boundaries", "Reserved" };

	buffer_string(out, spacing[v >> 6 & 3]);
	if (v & 8)
		buffer_printf(out, ", Active %s, %s", v & 2 ? "High" : "Low", v & 1 ? "Level" : "Edge");
}

static void say_irq(uint64_t v, struct buffer *out) { buffer_string(out, v ? "" : "Unspecified"); }
static void say_enabled(uint64_t v, struct buffer *out) { buffer_string(out, v & 0x80 ? ", Enabled" : ", Disabled"); }
static void say_pitch(uint64_t v, struct buffer *out)
{
	if (v == 0)
		buffer_string(out, "Unknown");
	else
		buffer_printf(out, "%u.%02u mm", (unsigned)v / 100, (unsigned)v % 100);
}

static void say_revision_unknown(uint64_t v, struct buffer *out) { buffer_string(out, v == SEE_EXTENDED_BYTE ? "not provided" : ""); }
static void say_count_byte(uint64_t v, struct buffer *out) { buffer_string(out, v == 0 ? "Unknown" : v == SEE_EXTENDED_BYTE ? "see the wide count" : ""); }

/* ---- fields */

#define TEXT(key, at) { .name = key, .offset = at, .width = 1, .kind = SMBIOS_STRING }
#define TEXT_OF_ONE(key, at) { .name = key, .offset = at, .width = 1, .kind = SMBIOS_STRING, .identity = true }
#define NUMBER(key, at, wide, ...) { .name = key, .offset = at, .width = wide, .kind = SMBIOS_NUMBER, __VA_ARGS__ }
#define HEX(key, at, wide, ...) { .name = key, .offset = at, .width = wide, .kind = SMBIOS_HEX, __VA_ARGS__ }
#define ENUM(key, at, list) { .name = key, .offset = at, .width = 1, .kind = SMBIOS_HEX, .names = &smbios_##list }
#define FLAGS(key, at, wide, list) { .name = key, .offset = at, .width = wide, .kind = SMBIOS_HEX, .names = &smbios_##list, .flags = true }
#define HANDLE(key, at) { .name = key, .offset = at, .width = 2, .kind = SMBIOS_HEX }
#define END { 0 }

static const struct smbios_field bios[] = {
	TEXT("vendor", 0x04), TEXT("version", 0x05), HEX("start_segment", 0x06, 2, .say = say_segment), TEXT("release_date", 0x08),
	NUMBER("rom_size", 0x09, 1, .say = say_rom_size), FLAGS("characteristics", 0x0a, 8, bios_characteristics),
	FLAGS("characteristics_1", 0x12, 1, bios_characteristics_1), FLAGS("characteristics_2", 0x13, 1, bios_characteristics_2),
	NUMBER("revision_major", 0x14, 1, .say = say_revision_unknown), NUMBER("revision_minor", 0x15, 1, .say = say_revision_unknown),
	NUMBER("ec_revision_major", 0x16, 1, .say = say_revision_unknown), NUMBER("ec_revision_minor", 0x17, 1, .say = say_revision_unknown),
	HEX("extended_rom_size", 0x18, 2, .say = say_rom_extended), END
};

static const struct smbios_field machine[] = {
	TEXT("manufacturer", 0x04), TEXT("product_name", 0x05), TEXT("version", 0x06), TEXT_OF_ONE("serial", 0x07),
	{ .name = "uuid", .offset = 0x08, .width = 16, .kind = SMBIOS_UUID, .identity = true }, ENUM("wake_up_type", 0x18, wake_up_type),
	TEXT("sku", 0x19), TEXT("family", 0x1a), END
};

static const struct smbios_field board[] = {
	TEXT("manufacturer", 0x04), TEXT("product_name", 0x05), TEXT("version", 0x06), TEXT_OF_ONE("serial", 0x07), TEXT_OF_ONE("asset_tag", 0x08),
	FLAGS("features", 0x09, 1, board_features), TEXT("location_in_chassis", 0x0a), HANDLE("chassis_handle", 0x0b),
	ENUM("board_type", 0x0d, board_type), NUMBER("contained_handles", 0x0e, 1), END
};

static const struct smbios_field chassis[] = {
	TEXT("manufacturer", 0x04), HEX("chassis_type", 0x05, 1, .names = &smbios_chassis_type, .mask = 0x7f, .say = say_lock), TEXT("version", 0x06),
	TEXT_OF_ONE("serial", 0x07), TEXT_OF_ONE("asset_tag", 0x08), ENUM("bootup_state", 0x09, chassis_state),
	ENUM("power_supply_state", 0x0a, chassis_state), ENUM("thermal_state", 0x0b, chassis_state), ENUM("security_status", 0x0c, security_status),
	HEX("oem_information", 0x0d, 4), NUMBER("height", 0x11, 1, .say = say_height), NUMBER("power_cords", 0x12, 1, .say = say_cords),
	NUMBER("contained_elements", 0x13, 1), NUMBER("contained_element_bytes", 0x14, 1),
	{ .name = "sku", .offset = 0x15, .width = 1, .kind = SMBIOS_STRING, .behind = true }, END
};

static const struct smbios_field processor[] = {
	TEXT("socket", 0x04), ENUM("processor_type", 0x05, processor_type), ENUM("family", 0x06, processor_family), TEXT("manufacturer", 0x07),
	HEX("processor_id", 0x08, 8), TEXT("version", 0x10), HEX("voltage", 0x11, 1, .say = say_processor_voltage),
	NUMBER("external_clock", 0x12, 2, .say = say_mhz), NUMBER("max_speed", 0x14, 2, .say = say_mhz), NUMBER("current_speed", 0x16, 2, .say = say_mhz),
	HEX("status", 0x18, 1, .say = say_processor_status), ENUM("upgrade", 0x19, processor_upgrade),
	HEX("l1_cache_handle", 0x1a, 2, .say = say_provided), HEX("l2_cache_handle", 0x1c, 2, .say = say_provided),
	HEX("l3_cache_handle", 0x1e, 2, .say = say_provided), TEXT_OF_ONE("serial", 0x20), TEXT_OF_ONE("asset_tag", 0x21), TEXT("part_number", 0x22),
	NUMBER("core_count", 0x23, 1, .say = say_count_byte), NUMBER("core_enabled", 0x24, 1, .say = say_count_byte),
	NUMBER("thread_count", 0x25, 1, .say = say_count_byte), FLAGS("characteristics", 0x26, 2, processor_characteristics),
	HEX("family_2", 0x28, 2, .names = &smbios_processor_family), NUMBER("core_count_2", 0x2a, 2), NUMBER("core_enabled_2", 0x2c, 2),
	NUMBER("thread_count_2", 0x2e, 2), NUMBER("thread_enabled", 0x30, 2), END
};

static const struct smbios_field cache[] = {
	TEXT("socket", 0x04), HEX("configuration", 0x05, 2, .say = say_cache_configuration), HEX("maximum_size", 0x07, 2, .say = say_cache_size),
	HEX("installed_size", 0x09, 2, .say = say_cache_size), FLAGS("supported_sram", 0x0b, 2, sram_type), FLAGS("installed_sram", 0x0d, 2, sram_type),
	NUMBER("speed", 0x0f, 1, .say = say_ns), ENUM("error_correction", 0x10, cache_error_correction), ENUM("cache_type", 0x11, cache_type),
	ENUM("associativity", 0x12, associativity), HEX("maximum_size_2", 0x13, 4, .say = say_cache_size2),
	HEX("installed_size_2", 0x17, 4, .say = say_cache_size2), END
};

static const struct smbios_field port[] = {
	TEXT("internal_designator", 0x04), ENUM("internal_connector", 0x05, connector_type), TEXT("external_designator", 0x06),
	ENUM("external_connector", 0x07, connector_type), ENUM("port_type", 0x08, port_type), END
};

static const struct smbios_field slot[] = {
	TEXT("designation", 0x04), ENUM("slot_type", 0x05, slot_type), ENUM("bus_width", 0x06, slot_bus_width), ENUM("usage", 0x07, slot_usage),
	ENUM("length", 0x08, slot_length), HEX("id", 0x09, 2), FLAGS("characteristics_1", 0x0b, 1, slot_characteristics_1),
	FLAGS("characteristics_2", 0x0c, 1, slot_characteristics_2), HEX("segment", 0x0d, 2), HEX("bus", 0x0f, 1), HEX("devfn", 0x10, 1, .say = say_devfn),
	NUMBER("data_bus_width", 0x11, 1), NUMBER("peers", 0x12, 1), HEX("information", 0x13, 1, .behind = true),
	{ .name = "physical_width", .offset = 0x14, .width = 1, .kind = SMBIOS_HEX, .behind = true, .names = &smbios_slot_bus_width },
	NUMBER("pitch", 0x15, 2, .behind = true, .say = say_pitch), HEX("height", 0x17, 1, .behind = true), END
};

static const struct smbios_field oem_strings[] = { NUMBER("strings", 0x04, 1), END };

static const struct smbios_field memory_array[] = {
	ENUM("location", 0x04, array_location), ENUM("use", 0x05, array_use), ENUM("error_correction", 0x06, array_ecc),
	NUMBER("maximum_capacity", 0x07, 4, .say = say_capacity), HEX("error_handle", 0x0b, 2, .say = say_error_handle), NUMBER("devices", 0x0d, 2),
	NUMBER("extended_maximum_capacity", 0x0f, 8, .say = say_bytes), END
};

static const struct smbios_field memory_device[] = {
	HANDLE("array_handle", 0x04), HEX("error_handle", 0x06, 2, .say = say_error_handle), NUMBER("total_width", 0x08, 2, .say = say_bits),
	NUMBER("data_width", 0x0a, 2, .say = say_bits), HEX("size", 0x0c, 2, .say = say_memory_size), ENUM("form_factor", 0x0e, form_factor),
	NUMBER("set", 0x0f, 1, .say = say_set), TEXT("locator", 0x10), TEXT("bank_locator", 0x11), ENUM("memory_type", 0x12, memory_type),
	FLAGS("type_detail", 0x13, 2, type_detail), NUMBER("speed", 0x15, 2, .say = say_transfers), TEXT("manufacturer", 0x17),
	TEXT_OF_ONE("serial", 0x18), TEXT_OF_ONE("asset_tag", 0x19), TEXT("part_number", 0x1a), HEX("attributes", 0x1b, 1, .say = say_rank),
	NUMBER("extended_size", 0x1c, 4, .say = say_mib), NUMBER("configured_speed", 0x20, 2, .say = say_transfers),
	NUMBER("minimum_voltage", 0x22, 2, .say = say_millivolts), NUMBER("maximum_voltage", 0x24, 2, .say = say_millivolts),
	NUMBER("configured_voltage", 0x26, 2, .say = say_millivolts), ENUM("technology", 0x28, memory_technology),
	FLAGS("operating_modes", 0x29, 2, operating_mode), TEXT("firmware_version", 0x2b), HEX("module_manufacturer", 0x2c, 2, .say = say_jedec),
	HEX("module_product", 0x2e, 2, .say = say_product), HEX("controller_manufacturer", 0x30, 2, .say = say_jedec),
	HEX("controller_product", 0x32, 2, .say = say_product), NUMBER("non_volatile_size", 0x34, 8, .say = say_portion),
	NUMBER("volatile_size", 0x3c, 8, .say = say_portion), NUMBER("cache_size", 0x44, 8, .say = say_portion),
	NUMBER("logical_size", 0x4c, 8, .say = say_portion), NUMBER("extended_speed", 0x54, 4, .say = say_transfers_extended),
	NUMBER("extended_configured_speed", 0x58, 4, .say = say_transfers_extended), END
};

static const struct smbios_field mapped_address[] = {
	HEX("start", 0x04, 4, .say = say_mapped), HEX("end", 0x08, 4, .say = say_mapped), HANDLE("array_handle", 0x0c), NUMBER("partition_width", 0x0e, 1),
	HEX("extended_start", 0x0f, 8), HEX("extended_end", 0x17, 8), END
};

static const struct smbios_field boot[] = {
	{ .name = "reserved", .offset = 0x04, .width = 6, .kind = SMBIOS_HEX, .quiet = true }, ENUM("status", 0x0a, boot_status), END
};

static const struct smbios_field ipmi[] = {
	ENUM("interface", 0x04, ipmi_interface), HEX("revision", 0x05, 1, .say = say_ipmi_revision), HEX("i2c_address", 0x06, 1, .say = say_i2c),
	HEX("storage_address", 0x07, 1, .say = say_storage), HEX("base_address", 0x08, 8, .say = say_ipmi_base),
	HEX("base_modifier", 0x10, 1, .say = say_ipmi_modifier), NUMBER("irq", 0x11, 1, .say = say_irq), END
};

static const struct smbios_field onboard[] = {
	TEXT("designation", 0x04), HEX("device_type", 0x05, 1, .names = &smbios_onboard_device, .mask = 0x7f, .say = say_enabled),
	NUMBER("type_instance", 0x06, 1), HEX("segment", 0x07, 2), HEX("bus", 0x09, 1), HEX("devfn", 0x0a, 1, .say = say_devfn), END
};

static const struct smbios_field end_of_table[] = { END };

const struct smbios_type *smbios_type(unsigned type)
{
	static const struct smbios_type types[] = {
		[0] = { .fields = bios },
		[1] = { .fields = machine },
		[2] = { .fields = board, .list = { "contained_handle", .count_offset = 0x0e, .size = 2, .first = 0x0f } },
		[3] = { .fields = chassis, .list = { "contained_element", .count_offset = 0x13, .size_offset = 0x14, .first = 0x15 } },
		[4] = { .fields = processor },
		[7] = { .fields = cache },
		[8] = { .fields = port },
		[9] = { .fields = slot, .list = { "peer", .count_offset = 0x12, .size = 5, .first = 0x13 } },
		[11] = { .fields = oem_strings, .identity_strings = true },
		[16] = { .fields = memory_array },
		[17] = { .fields = memory_device },
		[19] = { .fields = mapped_address },
		[32] = { .fields = boot },
		[38] = { .fields = ipmi },
		[41] = { .fields = onboard },
		[127] = { .fields = end_of_table },
	};

	return type < sizeof(types) / sizeof(types[0]) && types[type].fields ? &types[type] : NULL;
}
