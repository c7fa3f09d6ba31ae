/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables whose fields stand at fixed offsets. A field that lies beyond the end of its table (an older revision) has no entry,
 * nor has a register block that is not implemented.
 *
 * Sources: ACPI 6.5, 5.2.9 (FACP), 5.2.10 (FACS), 5.2.22 (BGRT); IA-PC HPET 1.0a, 3.2.4; Windows ACPI Emulated Devices Table
 * (WAET) 1.0; TCG ACPI 1.3; Serial Port Console Redirection Table 1.10.
 */
#include "userspace/abi/acpi_decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "userspace/abi/acpi_out.h"

enum field_form {
	DECIMAL,
	HEX,
	REGISTER, /* Generic Address Structure */
};

static const struct field {
	char signature[5];
	uint8_t form;
	uint8_t bytes;
	uint16_t offset;
	const char *key;
} fields[] = {
	{ "FACP", DECIMAL, 1, 44, "int_model" },
	{ "FACP", DECIMAL, 1, 45, "preferred_pm_profile" },
	{ "FACP", DECIMAL, 2, 46, "sci_int" },
	{ "FACP", HEX, 4, 48, "smi_cmd" },
	{ "FACP", HEX, 1, 52, "acpi_enable" },
	{ "FACP", HEX, 1, 53, "acpi_disable" },
	{ "FACP", HEX, 1, 54, "s4bios_req" },
	{ "FACP", HEX, 1, 55, "pstate_cnt" },
	{ "FACP", DECIMAL, 1, 94, "gpe1_base" },
	{ "FACP", HEX, 1, 95, "cst_cnt" },
	{ "FACP", DECIMAL, 2, 96, "p_lvl2_lat" },
	{ "FACP", DECIMAL, 2, 98, "p_lvl3_lat" },
	{ "FACP", DECIMAL, 2, 100, "flush_size" },
	{ "FACP", DECIMAL, 2, 102, "flush_stride" },
	{ "FACP", DECIMAL, 1, 104, "duty_offset" },
	{ "FACP", DECIMAL, 1, 105, "duty_width" },
	{ "FACP", HEX, 1, 106, "day_alrm" },
	{ "FACP", HEX, 1, 107, "mon_alrm" },
	{ "FACP", HEX, 1, 108, "century" },
	{ "FACP", HEX, 2, 109, "boot_arch" },
	{ "FACP", HEX, 4, 112, "flags" },
	{ "FACP", REGISTER, 12, 116, "reset_reg" },
	{ "FACP", HEX, 1, 128, "reset_value" },
	{ "FACP", HEX, 2, 129, "arm_boot_arch" },
	{ "FACP", DECIMAL, 1, 131, "minor_version" },
	{ "FACP", REGISTER, 12, 148, "x_pm1a_evt" },
	{ "FACP", REGISTER, 12, 160, "x_pm1b_evt" },
	{ "FACP", REGISTER, 12, 172, "x_pm1a_cnt" },
	{ "FACP", REGISTER, 12, 184, "x_pm1b_cnt" },
	{ "FACP", REGISTER, 12, 196, "x_pm2_cnt" },
	{ "FACP", REGISTER, 12, 208, "x_pm_tmr" },
	{ "FACP", REGISTER, 12, 220, "x_gpe0" },
	{ "FACP", REGISTER, 12, 232, "x_gpe1" },
	{ "FACP", REGISTER, 12, 244, "sleep_control" },
	{ "FACP", REGISTER, 12, 256, "sleep_status" },
	{ "FACP", HEX, 8, 268, "hypervisor_vendor" },
	/* The waking vectors, the global lock and OSPM's flags are state. A guest that resumes compares the hardware signature. */
	{ "FACS", HEX, 4, 8, "hardware_signature" },
	{ "FACS", HEX, 4, 20, "flags" },
	{ "FACS", DECIMAL, 1, 32, "version" },
	{ "APIC", HEX, 4, 36, "lapic_address" },
	{ "APIC", HEX, 4, 40, "flags" },
	{ "HPET", HEX, 4, 36, "id" },
	{ "HPET", REGISTER, 12, 40, "address" },
	{ "HPET", DECIMAL, 1, 52, "number" },
	{ "HPET", DECIMAL, 2, 53, "min_tick" },
	{ "HPET", HEX, 1, 55, "flags" },
	{ "SRAT", DECIMAL, 4, 36, "table_revision" },
	{ "DMAR", DECIMAL, 1, 36, "address_width_minus_1" },
	{ "DMAR", HEX, 1, 37, "flags" },
	{ "IVRS", HEX, 4, 36, "info" },
	{ "WAET", HEX, 4, 36, "flags" },
	{ "TPM2", DECIMAL, 2, 36, "platform_class" },
	{ "TPM2", HEX, 8, 40, "control_address" },
	{ "TPM2", DECIMAL, 4, 48, "start_method" },
	{ "TPM2", HEX, 4, 64, "log_bytes" },
	{ "TCPA", DECIMAL, 2, 36, "platform_class" },
	{ "SPCR", DECIMAL, 1, 36, "interface_type" },
	{ "SPCR", REGISTER, 12, 40, "address" },
	{ "SPCR", HEX, 1, 52, "interrupt_type" },
	{ "SPCR", DECIMAL, 1, 53, "irq" },
	{ "SPCR", DECIMAL, 4, 54, "gsi" },
	{ "SPCR", DECIMAL, 1, 58, "baud_rate" },
	{ "SPCR", DECIMAL, 1, 59, "parity" },
	{ "SPCR", DECIMAL, 1, 60, "stop_bits" },
	{ "SPCR", HEX, 1, 61, "flow_control" },
	{ "SPCR", DECIMAL, 1, 62, "terminal_type" },
	{ "SPCR", DECIMAL, 1, 63, "language" },
	{ "SPCR", HEX, 2, 64, "pci_device" },
	{ "SPCR", HEX, 2, 66, "pci_vendor" },
	{ "SPCR", HEX, 1, 68, "pci_bus" },
	{ "SPCR", HEX, 1, 69, "pci_slot" },
	{ "SPCR", HEX, 1, 70, "pci_function" },
	{ "SPCR", HEX, 4, 71, "pci_flags" },
	{ "SPCR", DECIMAL, 1, 75, "pci_segment" },
	{ "SPCR", DECIMAL, 4, 76, "clock" },
	{ "SPCR", DECIMAL, 4, 80, "precise_baud_rate" },
	{ "BGRT", DECIMAL, 2, 36, "version" },
	{ "BGRT", DECIMAL, 1, 39, "image_type" },
	{ "BGRT", DECIMAL, 4, 48, "image_x" },
	{ "BGRT", DECIMAL, 4, 52, "image_y" },
	{ "WSMT", HEX, 4, 36, "flags" },
};

/* FADT's register blocks of ACPI 1.0: port and length stand apart. */
static const struct block {
	const char *key;
	uint8_t port, length;
} blocks[] = {
	{ "pm1a_evt", 56, 88 }, { "pm1b_evt", 60, 88 }, { "pm1a_cnt", 64, 89 }, { "pm1b_cnt", 68, 89 },
	{ "pm2_cnt", 72, 90 },  { "pm_tmr", 76, 91 },   { "gpe0", 80, 92 },     { "gpe1", 84, 93 },
};

static void blocks_say(struct acpi_out *out, const struct acpi_table *table)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		uint64_t port = acpi_field(table, blocks[i].port, 4);

		if (port && table->bytes > blocks[i].length)
			acpi_say(out, blocks[i].key, "io 0x%" PRIx64 " size=0x%" PRIx64, port, acpi_field(table, blocks[i].length, 1));
	}
}

static void field_say(struct acpi_out *out, const struct acpi_table *table, const struct field *f)
{
	char address[ACPI_GAS_TEXT];

	if (table->bytes < (size_t)f->offset + f->bytes)
		return;
	if (f->form == REGISTER) {
		if (acpi_gas_text(table, f->offset, address))
			acpi_say(out, f->key, "%s", address);
	} else if (f->form == HEX) {
		acpi_say(out, f->key, "0x%0*" PRIx64, 2 * f->bytes, acpi_field(table, f->offset, f->bytes));
	} else {
		acpi_say(out, f->key, "%" PRIu64, acpi_field(table, f->offset, f->bytes));
	}
}

/* SPCR, revision 4: the device's name in the namespace. */
static void console_say(struct acpi_out *out, const struct acpi_table *table)
{
	struct acpi_table name = acpi_part(table, acpi_field(table, 86, 2), acpi_field(table, 84, 2));

	if (table->bytes >= 88 && name.bytes)
		acpi_say_text(out, "device", name.data, name.bytes);
}

void acpi_fixed_decode(struct acpi_out *out, const struct acpi_table *table)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].signature, table->signature))
			field_say(out, table, &fields[i]);
	if (!strcmp(table->signature, "FACP"))
		blocks_say(out, table);
	if (!strcmp(table->signature, "SPCR"))
		console_say(out, table);
}
