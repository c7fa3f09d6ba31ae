/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/abi/smbios_names.h"

#define LIST(name) const struct smbios_names smbios_##name = { name##_names, sizeof(name##_names) / sizeof(name##_names[0]) }

static const char *const wake_up_type_names[] = {
	[0] = "Reserved", "Other", "Unknown", "APM Timer", "Modem Ring", "LAN Remote", "Power Switch", "PCI PME#", "AC Power Restored",
};
LIST(wake_up_type);

static const char *const board_type_names[] = {
	[1] = "Unknown", "Other", "Server Blade", "Connectivity Switch", "System Management Module", "Processor Module", "I/O Module",
	"Memory Module", "Daughter Board", "Motherboard", "Processor+Memory Module", "Processor+I/O Module", "Interconnect Board",
};
LIST(board_type);

static const char *const chassis_type_names[] = {
	[1] = "Other", "Unknown", "Desktop", "Low Profile Desktop", "Pizza Box", "Mini Tower", "Tower", "Portable", "Laptop", "Notebook",
	"Hand Held", "Docking Station", "All In One", "Sub Notebook", "Space-saving", "Lunch Box", "Main Server Chassis",
	"Expansion Chassis", "Sub Chassis", "Bus Expansion Chassis", "Peripheral Chassis", "RAID Chassis", "Rack Mount Chassis",
	"Sealed-case PC", "Multi-system", "CompactPCI", "AdvancedTCA", "Blade", "Blade Enclosing", "Tablet", "Convertible", "Detachable",
	"IoT Gateway", "Embedded PC", "Mini PC", "Stick PC",
};
LIST(chassis_type);

static const char *const chassis_state_names[] = {
	[1] = "Other", "Unknown", "Safe", "Warning", "Critical", "Non-recoverable",
};
LIST(chassis_state);

static const char *const security_status_names[] = {
	[1] = "Other", "Unknown", "None", "External Interface Locked Out", "External Interface Enabled",
};
LIST(security_status);

static const char *const processor_type_names[] = {
	[1] = "Other", "Unknown", "Central Processor", "Math Processor", "DSP Processor", "Video Processor",
};
LIST(processor_type);

static const char *const processor_family_names[] = {
	[1] = "Other", "Unknown", "8086", "80286", "80386", "80486", "8087", "80287", "80387", "80487", "Pentium", "Pentium Pro",
	"Pentium II", "Pentium MMX", "Celeron", "Pentium II Xeon", "Pentium III", "M1", "M2", "Celeron M", "Pentium 4 HT",
	[24] = "Duron", "K5", "K6", "K6-2", "K6-3", "Athlon", "AMD29000", "K6-2+", "Power PC", "Power PC 601", "Power PC 603",
	"Power PC 603+", "Power PC 604", "Power PC 620", "Power PC x704", "Power PC 750", "Core Duo", "Core Duo Mobile",
	"Core Solo Mobile", "Atom", "Core M", "Core m3", "Core m5", "Core m7", "Alpha", "Alpha 21064", "Alpha 21066", "Alpha 21164",
	"Alpha 21164PC", "Alpha 21164a", "Alpha 21264", "Alpha 21364", "Turion II Ultra Dual-Core Mobile M",
	"Turion II Dual-Core Mobile M", "Athlon II Dual-Core M", "Opteron 6100", "Opteron 4100", "Opteron 6200", "Opteron 4200", "FX",
	"MIPS", "MIPS R4000", "MIPS R4200", "MIPS R4400", "MIPS R4600", "MIPS R10000", "C-Series", "E-Series", "A-Series", "G-Series",
	"Z-Series", "R-Series", "Opteron 4300", "Opteron 6300", "Opteron 3300", "FirePro", "SPARC", "SuperSPARC", "MicroSPARC II",
	"MicroSPARC IIep", "UltraSPARC", "UltraSPARC II", "UltraSPARC IIi", "UltraSPARC III", "UltraSPARC IIIi", [96] = "68040", "68xxx",
	"68000", "68010", "68020", "68030", "Athlon X4", "Opteron X1000", "Opteron X2000", "Opteron A-Series", "Opteron X3000", "Zen",
	[112] = "Hobbit", [120] = "Crusoe TM5000", "Crusoe TM3000", "Efficeon TM8000", [128] = "Weitek", [130] = "Itanium", "Athlon 64",
	"Opteron", "Sempron", "Turion 64", "Dual-Core Opteron", "Athlon 64 X2", "Turion 64 X2", "Quad-Core Opteron",
	"Third-Generation Opteron", "Phenom FX", "Phenom X4", "Phenom X2", "Athlon X2", "PA-RISC", "PA-RISC 8500", "PA-RISC 8000",
	"PA-RISC 7300LC", "PA-RISC 7200", "PA-RISC 7100LC", "PA-RISC 7100", [160] = "V30", "Quad-Core Xeon 3200", "Dual-Core Xeon 3000",
	"Quad-Core Xeon 5300", "Dual-Core Xeon 5100", "Dual-Core Xeon 5000", "Dual-Core Xeon LV", "Dual-Core Xeon ULV",
	"Dual-Core Xeon 7100", "Quad-Core Xeon 5400", "Quad-Core Xeon", "Dual-Core Xeon 5200", "Dual-Core Xeon 7200",
	"Quad-Core Xeon 7300", "Quad-Core Xeon 7400", "Multi-Core Xeon 7400", "Pentium III Xeon", "Pentium III Speedstep", "Pentium 4",
	"Xeon", "AS400", "Xeon MP", "Athlon XP", "Athlon MP", "Itanium 2", "Pentium M", "Celeron D", "Pentium D", "Pentium EE",
	"Core Solo", "Core 2 or K7", "Core 2 Duo", "Core 2 Solo", "Core 2 Extreme", "Core 2 Quad", "Core 2 Extreme Mobile",
	"Core 2 Duo Mobile", "Core 2 Solo Mobile", "Core i7", "Dual-Core Celeron", "IBM390", "G4", "G5", "ESA/390 G6", "z/Architecture",
	"Core i5", "Core i3", "Core i9", [210] = "C7-M", "C7-D", "C7", "Eden", "Multi-Core Xeon", "Dual-Core Xeon 3xxx",
	"Quad-Core Xeon 3xxx", "Nano", "Dual-Core Xeon 5xxx", "Quad-Core Xeon 5xxx", [221] = "Dual-Core Xeon 7xxx",
	"Quad-Core Xeon 7xxx", "Multi-Core Xeon 7xxx", "Multi-Core Xeon 3400", [228] = "Opteron 3000", "Sempron II",
	"Embedded Opteron Quad-Core", "Phenom Triple-Core", "Turion Ultra Dual-Core Mobile", "Turion Dual-Core Mobile",
	"Athlon Dual-Core", "Sempron SI", "Phenom II", "Athlon II", "Six-Core Opteron", "Sempron M", [250] = "i860", "i960", [254] = "as family_2 says",
	[256] = "ARMv7", "ARMv8", [260] = "SH-3", "SH-4", [280] = "ARM", "StrongARM", [300] = "6x86", "MediaGX", "MII",
};
LIST(processor_family);

static const char *const processor_upgrade_names[] = {
	[1] = "Other", "Unknown", "Daughter Board", "ZIF Socket", "Replaceable Piggy Back", "None", "LIF Socket", "Slot 1", "Slot 2",
	"370-pin Socket", "Slot A", "Slot M", "Socket 423", "Socket A (Socket 462)", "Socket 478", "Socket 754", "Socket 940",
	"Socket 939", "Socket mPGA604", "Socket LGA771", "Socket LGA775", "Socket S1", "Socket AM2", "Socket F (1207)", "Socket LGA1366",
	"Socket G34", "Socket AM3", "Socket C32", "Socket LGA1156", "Socket LGA1567", "Socket PGA988A", "Socket BGA1288",
	"Socket rPGA988B", "Socket BGA1023", "Socket BGA1224", "Socket BGA1155", "Socket LGA1356", "Socket LGA2011", "Socket FS1",
	"Socket FS2", "Socket FM1", "Socket FM2", "Socket LGA2011-3", "Socket LGA1356-3", "Socket LGA1150", "Socket BGA1168",
	"Socket BGA1234", "Socket BGA1364", "Socket AM4", "Socket LGA1151", "Socket BGA1356", "Socket BGA1440", "Socket BGA1515",
	"Socket LGA3647-1", "Socket SP3", "Socket SP3r2", "Socket LGA2066", "Socket BGA1392", "Socket BGA1510", "Socket BGA1528",
	"Socket LGA4189", "Socket LGA1200", "Socket LGA4677",
};
LIST(processor_upgrade);

static const char *const cache_error_correction_names[] = {
	[1] = "Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC",
};
LIST(cache_error_correction);

static const char *const cache_type_names[] = {
	[1] = "Other", "Unknown", "Instruction", "Data", "Unified",
};
LIST(cache_type);

static const char *const associativity_names[] = {
	[1] = "Other", "Unknown", "Direct Mapped", "2-way Set-associative", "4-way Set-associative", "Fully Associative",
	"8-way Set-associative", "16-way Set-associative", "12-way Set-associative", "24-way Set-associative", "32-way Set-associative",
	"48-way Set-associative", "64-way Set-associative", "20-way Set-associative",
};
LIST(associativity);

static const char *const connector_type_names[] = {
	[0] = "None", "Centronics", "Mini Centronics", "Proprietary", "DB-25 male", "DB-25 female", "DB-15 male", "DB-15 female",
	"DB-9 male", "DB-9 female", "RJ-11", "RJ-45", "50 Pin MiniSCSI", "Mini DIN", "Micro DIN", "PS/2", "Infrared", "HP-HIL",
	"Access Bus (USB)", "SSA SCSI", "Circular DIN-8 male", "Circular DIN-8 female", "On Board IDE", "On Board Floppy",
	"9 Pin Dual Inline (pin 10 cut)", "25 Pin Dual Inline (pin 26 cut)", "50 Pin Dual Inline", "68 Pin Dual Inline",
	"On Board Sound Input From CD-ROM", "Mini Centronics Type-14", "Mini Centronics Type-26", "Mini Jack (headphones)", "BNC",
	"IEEE 1394", "SAS/SATA Plug Receptacle", "USB Type-C Receptacle", [160] = "PC-98", "PC-98 Hireso", "PC-H98", "PC-98 Note",
	"PC-98 Full", [255] = "Other",
};
LIST(connector_type);

static const char *const port_type_names[] = {
	[0] = "None", "Parallel Port XT/AT Compatible", "Parallel Port PS/2", "Parallel Port ECP", "Parallel Port EPP",
	"Parallel Port ECP/EPP", "Serial Port XT/AT Compatible", "Serial Port 16450 Compatible", "Serial Port 16550 Compatible",
	"Serial Port 16550A Compatible", "SCSI Port", "MIDI Port", "Joystick Port", "Keyboard Port", "Mouse Port", "SSA SCSI", "USB",
	"Firewire (IEEE P1394)", "PCMCIA Type I", "PCMCIA Type II", "PCMCIA Type III", "Cardbus", "Access Bus Port", "SCSI II",
	"SCSI Wide", "PC-98", "PC-98 Hireso", "PC-H98", "Video Port", "Audio Port", "Modem Port", "Network Port", "SATA", "SAS",
	[160] = "8251 Compatible", "8251 FIFO Compatible", [255] = "Other",
};
LIST(port_type);

static const char *const slot_type_names[] = {
	[1] = "Other", "Unknown", "ISA", "MCA", "EISA", "PCI", "PC Card (PCMCIA)", "VLB", "Proprietary", "Processor Card",
	"Proprietary Memory Card", "I/O Riser Card", "NuBus", "PCI-66", "AGP", "AGP 2x", "AGP 4x", "PCI-X", "AGP 8x", "M.2 Socket 1-DP",
	"M.2 Socket 1-SD", "M.2 Socket 2", "M.2 Socket 3", "MXM Type I", "MXM Type II", "MXM Type III", "MXM Type III-HE", "MXM Type IV",
	"MXM 3.0 Type A", "MXM 3.0 Type B", "PCI Express 2 SFF-8639 (U.2)", "PCI Express 3 SFF-8639 (U.2)",
	"PCI Express Mini 52-pin with bottom-side keep-outs", "PCI Express Mini 52-pin without bottom-side keep-outs",
	"PCI Express Mini 76-pin", "PCI Express 4 SFF-8639 (U.2)", "PCI Express 5 SFF-8639 (U.2)", "OCP NIC 3.0 Small Form Factor (SFF)",
	"OCP NIC 3.0 Large Form Factor (LFF)", "OCP NIC Prior to 3.0", [48] = "CXL FLexbus 1.0", [160] = "PC-98/C20", "PC-98/C24",
	"PC-98/E", "PC-98/Local Bus", "PC-98/Card", "PCI Express", "PCI Express x1", "PCI Express x2", "PCI Express x4",
	"PCI Express x8", "PCI Express x16", "PCI Express 2", "PCI Express 2 x1", "PCI Express 2 x2", "PCI Express 2 x4",
	"PCI Express 2 x8", "PCI Express 2 x16", "PCI Express 3", "PCI Express 3 x1", "PCI Express 3 x2", "PCI Express 3 x4",
	"PCI Express 3 x8", "PCI Express 3 x16", [184] = "PCI Express 4", "PCI Express 4 x1", "PCI Express 4 x2", "PCI Express 4 x4",
	"PCI Express 4 x8", "PCI Express 4 x16", "PCI Express 5", "PCI Express 5 x1", "PCI Express 5 x2", "PCI Express 5 x4",
	"PCI Express 5 x8", "PCI Express 5 x16", "PCI Express 6+", "EDSFF E1", "EDSFF E3",
};
LIST(slot_type);

static const char *const slot_bus_width_names[] = {
	[1] = "Other", "Unknown", "8-bit", "16-bit", "32-bit", "64-bit", "128-bit", "x1", "x2", "x4", "x8", "x12", "x16", "x32",
};
LIST(slot_bus_width);

static const char *const slot_usage_names[] = {
	[1] = "Other", "Unknown", "Available", "In Use", "Unavailable",
};
LIST(slot_usage);

static const char *const slot_length_names[] = {
	[1] = "Other", "Unknown", "Short", "Long", "2.5\" drive form factor", "3.5\" drive form factor",
};
LIST(slot_length);

static const char *const array_location_names[] = {
	[1] = "Other", "Unknown", "System Board Or Motherboard", "ISA Add-on Card", "EISA Add-on Card", "PCI Add-on Card",
	"MCA Add-on Card", "PCMCIA Add-on Card", "Proprietary Add-on Card", "NuBus", [160] = "PC-98/C20 Add-on Card",
	"PC-98/C24 Add-on Card", "PC-98/E Add-on Card", "PC-98/Local Bus Add-on Card", "CXL Flexbus 1.0",
};
LIST(array_location);

static const char *const array_use_names[] = {
	[1] = "Other", "Unknown", "System Memory", "Video Memory", "Flash Memory", "Non-volatile RAM", "Cache Memory",
};
LIST(array_use);

static const char *const array_ecc_names[] = {
	[1] = "Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC", "CRC",
};
LIST(array_ecc);

static const char *const form_factor_names[] = {
	[1] = "Other", "Unknown", "SIMM", "SIP", "Chip", "DIP", "ZIP", "Proprietary Card", "DIMM", "TSOP", "Row Of Chips", "RIMM",
	"SODIMM", "SRIMM", "FB-DIMM", "Die",
};
LIST(form_factor);

static const char *const memory_type_names[] = {
	[1] = "Other", "Unknown", "DRAM", "EDRAM", "VRAM", "SRAM", "RAM", "ROM", "Flash", "EEPROM", "FEPROM", "EPROM", "CDRAM", "3DRAM",
	"SDRAM", "SGRAM", "RDRAM", "DDR", "DDR2", "DDR2 FB-DIMM", "Reserved", "Reserved", "Reserved", "DDR3", "FBD2", "DDR4", "LPDDR",
	"LPDDR2", "LPDDR3", "LPDDR4", "Logical non-volatile device", "HBM", "HBM2", "DDR5", "LPDDR5",
};
LIST(memory_type);

static const char *const memory_technology_names[] = {
	[1] = "Other", "Unknown", "DRAM", "NVDIMM-N", "NVDIMM-F", "NVDIMM-P", "Intel Optane DC persistent memory",
};
LIST(memory_technology);

static const char *const boot_status_names[] = {
	[0] = "No errors detected", "No bootable media", "Operating system failed to load", "Firmware-detected hardware failure",
	"Operating system-detected hardware failure", "User-requested boot", "System security violation", "Previously-requested image",
	"System watchdog timer expired",
};
LIST(boot_status);

static const char *const ipmi_interface_names[] = {
	[0] = "Unknown", "KCS (Keyboard Control Style)", "SMIC (Server Management Interface Chip)", "BT (Block Transfer)",
	"SSIF (SMBus System Interface)",
};
LIST(ipmi_interface);

static const char *const onboard_device_names[] = {
	[1] = "Other", "Unknown", "Video", "SCSI Controller", "Ethernet", "Token Ring", "Sound", "PATA Controller", "SATA Controller",
	"SAS Controller", "Wireless LAN", "Bluetooth", "WWAN", "eMMC", "NVMe Controller", "UFS Controller",
};
LIST(onboard_device);

static const char *const bios_characteristics_names[] = {
	[3] = "BIOS characteristics not supported", "ISA is supported", "MCA is supported", "EISA is supported", "PCI is supported",
	"PC Card (PCMCIA) is supported", "PNP is supported", "APM is supported", "BIOS is upgradeable", "BIOS shadowing is allowed",
	"VLB is supported", "ESCD support is available", "Boot from CD is supported", "Selectable boot is supported",
	"BIOS ROM is socketed", "Boot from PC Card (PCMCIA) is supported", "EDD is supported",
	"Japanese floppy for NEC 9800 1.2 MB is supported (int 13h)", "Japanese floppy for Toshiba 1.2 MB is supported (int 13h)",
	"5.25\"/360 kB floppy services are supported (int 13h)", "5.25\"/1.2 MB floppy services are supported (int 13h)",
	"3.5\"/720 kB floppy services are supported (int 13h)", "3.5\"/2.88 MB floppy services are supported (int 13h)",
	"Print screen service is supported (int 5h)", "8042 keyboard services are supported (int 9h)",
	"Serial services are supported (int 14h)", "Printer services are supported (int 17h)",
	"CGA/mono video services are supported (int 10h)", "NEC PC-98",
};
LIST(bios_characteristics);

static const char *const bios_characteristics_1_names[] = {
	[0] = "ACPI is supported", "USB legacy is supported", "AGP is supported", "I2O boot is supported", "LS-120 boot is supported",
	"ATAPI Zip drive boot is supported", "IEEE 1394 boot is supported", "Smart battery is supported",
};
LIST(bios_characteristics_1);

static const char *const bios_characteristics_2_names[] = {
	[0] = "BIOS boot specification is supported", "Function key-initiated network boot is supported",
	"Targeted content distribution is supported", "UEFI is supported", "System is a virtual machine",
	"Manufacturing mode is supported", "Manufacturing mode is enabled",
};
LIST(bios_characteristics_2);

static const char *const board_features_names[] = {
	[0] = "Board is a hosting board", "Board requires at least one daughter board", "Board is removable", "Board is replaceable",
	"Board is hot swappable",
};
LIST(board_features);

static const char *const processor_characteristics_names[] = {
	[2] = "64-bit capable", "Multi-Core", "Hardware Thread", "Execute Protection", "Enhanced Virtualization",
	"Power/Performance Control",
};
LIST(processor_characteristics);

static const char *const sram_type_names[] = {
	[0] = "Other", "Unknown", "Non-burst", "Burst", "Pipeline Burst", "Synchronous", "Asynchronous",
};
LIST(sram_type);

static const char *const slot_characteristics_1_names[] = {
	[0] = "Unknown", "5.0 V is provided", "3.3 V is provided", "Opening is shared", "PC Card-16 is supported",
	"Cardbus is supported", "Zoom Video is supported", "Modem ring resume is supported",
};
LIST(slot_characteristics_1);

static const char *const slot_characteristics_2_names[] = {
	[0] = "PME signal is supported", "Hot-plug devices are supported", "SMBus signal is supported",
};
LIST(slot_characteristics_2);

static const char *const type_detail_names[] = {
	[1] = "Other", "Unknown", "Fast-paged", "Static Column", "Pseudo-static", "RAMBus", "Synchronous", "CMOS", "EDO", "Window DRAM",
	"Cache DRAM", "Non-Volatile", "Registered (Buffered)", "Unbuffered (Unregistered)", "LRDIMM",
};
LIST(type_detail);

static const char *const operating_mode_names[] = {
	[1] = "Other", "Unknown", "Volatile memory", "Byte-accessible persistent memory", "Block-accessible persistent memory",
};
LIST(operating_mode);
