/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known to follow from a change. A row is here because it is written down somewhere that it broke a guest; where that is
 * not common knowledge, the comment above the row says where.
 */
#include "userspace/drift/impact.h"

#include <stdio.h>
#include <string.h>

#include "userspace/abi/entries.h"
#include "userspace/base/glob.h"
#include "userspace/base/text.h"
#include "userspace/drift/renames.h"

#define LOST IMPACT_LOST
#define GAINED IMPACT_GAINED
#define CHANGED IMPACT_CHANGED
#define LESS IMPACT_LESS
#define MORE IMPACT_MORE

/* Names of userspace/abi/cpuid_names.c. */
#define INSTRUCTIONS \
	"pni|pclmuldq|ssse3|fma|cx16|sse4*|movbe|popcnt|aes|xsave*|xgetbv1|avx*|f16c|rdrand|rdseed|sse|sse2|mmx*|3dnow*|bmi*|adx|abm|sha*|" \
	"sm3|sm4|fsgsbase|vaes|vpclmulqdq|gfni|clflush*|clwb|movdir*|amx-*|tbm|xop|fma4|misalignsse|rdtscp|rdpid|lahf_lm|cmpccxadd|waitpkg|serialize"
#define MITIGATIONS \
	"spec-ctrl|ibrs*|ibpb*|stibp*|amd-stibp|ssbd|amd-ssbd|virt-ssbd|md-clear|arch-capabilities|flush-l1d|srbds-ctrl|*psfd|ipred-ctrl|" \
	"rrsba-ctrl|bhi-ctrl|ddpd-u|auto-ibrs|sbpb|verw-clear|lfence-always-serializing|btc-no|srso*no|tsa-*-no|amd-no-ssb|mcdt-no"
#define CLOCKS "tsc|tsc-deadline|tsc_adjust|invtsc|kvmclock*|arat|hv-time|hv-reference-tsc|hv-frequencies*|hv-tsc-invariant|hv-stimer*"
#define FREQUENCIES "tsc_khz|apic_bus_khz|tsc_crystal_*|crystal_hz|hz"
#define TOPOLOGY "logical_processors|level_*|x2apic_id_shift|threads_minus_1|core_threads_minus_1|package_*_minus_1|sharing_threads_minus_1|apic_id_bits|ht|cmp_legacy"
/* Leaves whose single bits are features. */
#define FEATURE_LEAVES \
	"0x00000001.*|0x00000006.*|0x00000007.*|0x0000000d.*|0x0000000f.*|0x0000001?.*|0x4*|0x80000001.*|0x80000007.*|0x80000008.*|" \
	"0x8000000a.*|0x8000001f.*|0x8000002?.*"
/* A table's header and digest tell of the table, not of what it describes. */
#define ACPI_HEADER "*/length|*/revision|*/oem_*|*/creator_*|*/body"
#define ACPI_EVENTS "FACP/*pm1*|FACP/*pm2*|FACP/*gpe*|FACP/sci_int|FACP/sleep_*"

#define CPUID (1u << FACET_CPUID)
#define MSR (1u << FACET_MSR)
#define PORTS (1u << FACET_PORTS)
#define MMIO (1u << FACET_MMIO)
#define MEMORY (1u << FACET_MEMORY)
#define PCI (1u << FACET_PCI)
#define ACPI (1u << FACET_ACPI)
#define SMBIOS (1u << FACET_SMBIOS)
#define NUMA (1u << FACET_NUMA)
#define FIRMWARE (1u << FACET_FIRMWARE)
#define IDENTITY (1u << FACET_IDENTITY)

#define INFO SEVERITY_INFO
#define WARNING SEVERITY_WARNING
#define CRITICAL SEVERITY_CRITICAL

const struct impact impacts[] = {
	/* ---- under a guest that runs */
	{ CPUID, "*", .field = INSTRUCTIONS, .how = LOST, .running = true, .severity = CRITICAL,
	  .sentence = "Programs that chose these instructions at their start die of an illegal instruction, and so may the guest's kernel." },
	/* Linux and Windows fix the size and place of what XSAVE saves at their boot (SDM vol. 1, 13.4). */
	{ CPUID, "0x0000000d.*", .field = "xcr0*|xss*|xsave_*", .how = LOST | LESS, .running = true, .severity = CRITICAL,
	  .sentence = "The guest saves its CPU registers in areas whose size and layout it fixed at its boot: it loses register contents or crashes." },
	{ CPUID | MSR, "*", .field = FREQUENCIES, .how = LOST | LESS | MORE, .running = true, .severity = CRITICAL,
	  .sentence = "The guest still reckons with the frequency that it found at its boot: its clock runs too fast or too slow." },
	{ CPUID, "*/vcpu.*", .how = GAINED, .running = true, .severity = CRITICAL,
	  .sentence = "The guest's CPUs are no longer alike: a program that is moved from one to another dies of an illegal instruction." },
	{ CPUID, FEATURE_LEAVES, .field = "*", .how = LOST, .running = true, .severity = CRITICAL,
	  .sentence = "The guest was told of this CPU feature at its boot: what it built on it fails, up to a crash of its kernel." },
	{ MSR, "*", .to = "#GP", .running = true, .severity = CRITICAL,
	  .sentence = "The guest's kernel faults on a register that it has used before: the driver that reads it fails, or the kernel crashes." },
	{ MEMORY, "*", .from = "*ram", .how = LOST | LESS, .running = true, .severity = CRITICAL,
	  .sentence = "Memory that the guest uses is not there any more: it crashes as soon as it touches it." },
	{ PCI, "*/id|*/class", .how = LOST | CHANGED, .running = true, .severity = CRITICAL,
	  .sentence = "The device went without the guest having let go of it: its driver hangs or fails, and disks or network behind it with it." },
	{ PCI, "*/bar?", .how = LOST | LESS, .running = true, .severity = CRITICAL,
	  .sentence = "The guest's driver uses the device's registers as it found them at its boot: it reads nothing, or another device." },
	/* Virtio 1.2, 3.1.1: features are negotiated once, at the driver's start. */
	{ MMIO, "*.virtio_mmio*", .running = true, .severity = CRITICAL,
	  .sentence = "The guest's driver agreed on these features of the virtio device at its start: what it sends is misunderstood." },

	/* ---- cpuid */
	{ CPUID, "*", .field = "lm|nx|pae|cx8|cmov|fpu|msr|tsc|fxsr|sse|sse2|syscall|pge|apic|mmx", .how = LOST, .severity = CRITICAL,
	  .sentence = "A 64-bit operating system does not start without this CPU feature." },
	/* x86-64 psABI, 3.1.1: x86-64-v2 is what RHEL 9 and its kin are built for. Windows 8.1 and later: CMPXCHG16b, LAHF/SAHF, PREFETCHW. */
	{ CPUID, "*", .field = "cx16|lahf_lm|popcnt|pni|sse4.1|sse4.2|ssse3|3dnowprefetch", .how = LOST, .severity = CRITICAL,
	  .sentence = "Systems built for x86-64-v2 (RHEL 9 and later) or for Windows' minimum (CMPXCHG16b, LAHF, PREFETCHW) do not start any more." },
	/* The same, x86-64-v3: RHEL 10. */
	{ CPUID, "*", .field = "avx|avx2|bmi1|bmi2|f16c|fma|abm|movbe|xsave", .how = LOST, .severity = WARNING,
	  .sentence = "Systems built for x86-64-v3 (RHEL 10) do not start any more, others run slower; live migration from where it is there is refused." },
	{ CPUID, "*", .field = INSTRUCTIONS, .how = LOST, .severity = WARNING,
	  .sentence = "Programs built for this CPU die of an illegal instruction, others run slower; live migration from where it is there is refused." },
	{ CPUID, "*", .field = MITIGATIONS, .how = LOST, .severity = WARNING,
	  .sentence = "The guest can no longer defend itself against speculative execution attacks (or takes its CPU for vulnerable, and gets slower)." },
	{ CPUID, "*", .field = "smep|smap|umip|pku|pks|shstk|ibt|lass", .how = LOST, .severity = WARNING,
	  .sentence = "The guest's kernel loses a protection against exploits; Windows features that require it stay off." },
	/* Documentation/admin-guide/kernel-parameters: Linux distrusts a TSC that is not invariant, and falls back to hpet or acpi_pm. */
	{ CPUID, "*", .field = CLOCKS, .how = LOST, .severity = WARNING,
	  .sentence = "The guest falls back to a slower or coarser clock: its time may drift, and whatever asks for the time often gets slower." },
	{ CPUID | MSR, "*", .field = FREQUENCIES, .how = LOST | GAINED | LESS | MORE, .severity = WARNING,
	  .sentence = "The guest reckons its time with another frequency; after live migration without TSC scaling its clock runs wrong." },
	{ CPUID, "*", .field = "vmx|svm", .how = LOST, .severity = WARNING,
	  .sentence = "Virtual machines inside the guest do not start any more: nested KVM, Hyper-V, WSL 2, Windows' virtualisation-based security." },
	/* KVM does without: it keeps shadow page tables, and decodes the instruction. Hyper-V has no such way. */
	{ CPUID, "*", .field = "npt|nrip-save", .how = LOST, .severity = WARNING,
	  .sentence = "Virtual machines inside the guest get slower (nested KVM), or do not start any more (Hyper-V, WSL 2, Windows' virtualisation-based security)." },
	{ CPUID, "*", .field = "kvm-*", .how = LOST, .severity = WARNING,
	  .sentence = "The guest loses a paravirtual help of KVM: it gets slower where the host is busy, and live migration is refused." },
	{ CPUID, "*", .field = "hv-*", .how = LOST, .severity = WARNING,
	  .sentence = "Windows loses a Hyper-V enlightenment: it gets slower, and may stop with watchdog errors where the host is busy." },
	{ CPUID, "*", .field = "hypervisor", .severity = WARNING,
	  .sentence = "The guest decides by this bit whether it is a virtual machine: paravirtual clocks and drivers, licences and agents follow it." },
	{ CPUID, "*", .field = TOPOLOGY, .severity = WARNING,
	  .sentence = "Licences counted by sockets, cores or threads are reckoned anew, and the guest's scheduler sees other neighbours." },
	{ CPUID, "0x00000000.*|0x80000000.*", .field = "value", .severity = WARNING,
	  .sentence = "The guest sees another CPU vendor: it picks other drivers and mitigations, and live migration between the two is not supported." },
	{ CPUID, "0x40000000.*", .field = "value", .severity = WARNING,
	  .sentence = "The guest sees another hypervisor: it picks other paravirtual clocks and drivers, or none." },
	{ CPUID, "0x00000001.*|0x80000001.*", .field = "family|model|stepping", .severity = WARNING,
	  .sentence = "The guest sees another CPU model: Windows and licences may take it for another machine, and live migration is refused." },
	/* QEMU, docs/system/i386/cpu.rst: addresses beyond the width fault; migration needs the same on both sides. */
	{ CPUID, "0x80000008.*", .field = "*_address_bits", .severity = WARNING,
	  .sentence = "Firmware places memory and large BARs by this width: devices may lie elsewhere or find no room, and live migration is refused." },
	{ CPUID, "0x0000000d.*", .field = "xcr0*|xss*|xsave_*", .severity = WARNING,
	  .sentence = "Live migration and restoring a saved guest are refused where this CPU state is not there on both sides." },
	{ CPUID, "*/vcpu.*", .severity = WARNING,
	  .sentence = "The guest's CPUs are no longer alike: operating systems warn of it, and programs that move between them may fail." },
	{ CPUID, "*/seen", .severity = WARNING,
	  .sentence = "The guest gets other answers than its CPUID table holds: what it decides by them cannot be foreseen." },
	/* libvirt: "guest CPU doesn't match specification: missing features". */
	{ CPUID, FEATURE_LEAVES, .field = "*", .how = LOST, .severity = WARNING,
	  .sentence = "Programs that rely on this CPU feature fail, and live migration from where it is there is refused." },
	{ CPUID, FEATURE_LEAVES, .field = "*", .how = GAINED, .severity = WARNING,
	  .sentence = "Once booted with this CPU feature, the guest cannot be migrated to, or go back to, where it is not there." },
	{ CPUID, "0x0000000a.*|0x00000023.*|0x80000022.*", .severity = WARNING,
	  .sentence = "Profilers in the guest (perf, VTune) count otherwise or not at all, and live migration may be refused." },
	{ CPUID, "*", .field = "max_*", .follows = true, .quiet = true, .severity = INFO,
	  .sentence = "Only how far the leaves go: each that came or went is told." },
	{ CPUID, "0x80000002.*|0x80000003.*|0x80000004.*|0x00000016.*", .severity = INFO,
	  .sentence = "Only a name or a frequency that programs print; licences bound to the CPU's name may ask." },
	{ CPUID, "0x00000002.*|0x00000004.*|0x80000005.*|0x80000006.*|0x8000001d.*", .severity = INFO,
	  .sentence = "Programs that size their buffers by the caches may run slower or faster." },

	/* ---- msr */
	{ MSR, "0x0000010a", .severity = WARNING,
	  .sentence = "The guest picks its mitigations against speculative execution by this register: it may leave some out, or get slower." },
	{ MSR, "0x0000048?|0x0000049?", .severity = WARNING,
	  .sentence = "Hypervisors inside the guest find other VMX controls: nested guests may not start, and live migration is refused." },
	{ CPUID | MSR, "*", .field = FREQUENCIES, .how = CHANGED, .quiet = true, .severity = INFO,
	  .sentence = "The same frequency, measured anew: time synchronisation corrects the difference." },
	/* QEMU, target/i386/kvm/kvm.c: "error: failed to set MSR 0x345", and the incoming guest is gone. */
	{ MSR, "0x00000345|0x00000179|0x000000ce|0x000000cf|0x000000fe", .severity = WARNING,
	  .sentence = "Live migration may fail where the other side does not take this register's value (\"failed to set MSR\")." },
	{ MSR, "0x0000008b", .quiet = true, .severity = INFO,
	  .sentence = "Only the microcode revision that the guest is shown; it may warn of an old one." },
	{ MSR, "*", .to = "#GP", .severity = WARNING,
	  .sentence = "Reading this register faults: a driver that does not expect it does not start, an old kernel crashes." },

	/* ---- memory */
	{ MEMORY, "*", .from = "*ram", .how = LOST | LESS, .severity = CRITICAL,
	  .sentence = "The guest has less memory: what is sized for it does not start or is killed, and a hibernated image is refused." },
	/* Linux, arch/x86/power/hibernate.c: the e820 map must be the same. */
	{ MEMORY, "*", .from = "*ram", .severity = WARNING,
	  .sentence = "Memory lies elsewhere, or there is more of it: a hibernated or crash-dump image may be refused, and so is live migration to the other layout." },
	{ MEMORY, "*", .to = "*ram", .severity = WARNING,
	  .sentence = "The guest has memory where it had none: a hibernated image may be refused, and so is live migration to the other layout." },
	/* QEMU: "Length mismatch: pc.bios: 0x20000 in != 0x40000: Invalid argument". */
	{ MEMORY | PCI, "*/rom|0x*", .from = "*size=*", .how = LESS | MORE, .severity = WARNING,
	  .sentence = "Live migration between ROMs of two sizes is refused (\"Length mismatch\")." },

	/* ---- pci */
	/* Windows: bug check 0x7B where the disk's controller is another or elsewhere (virt-v2v(1), "Windows reactivation"). */
	{ PCI, "*/class", .from = "01*", .how = LOST | CHANGED, .severity = CRITICAL,
	  .sentence = "A disk controller is gone or elsewhere: the guest may not find its disk and not boot (Windows: INACCESSIBLE_BOOT_DEVICE)." },
	/* systemd.net-naming-scheme(7): enp3s0, ens3 and eno1 come of bus, slot and firmware's index. */
	{ PCI, "*/class", .from = "02*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A network adapter is gone or elsewhere: its interface is renamed (enp3s0, ens3), and addresses bound to the name are not set." },
	{ PCI, "*/class", .to = "02*", .how = GAINED | CHANGED, .severity = WARNING,
	  .sentence = "A network adapter came: interfaces may be counted anew, and Windows gives it none of the old one's addresses." },
	{ PCI, "*/class", .from = "03*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A display adapter is gone or elsewhere: the console stays dark, and a graphical desktop may not start." },
	{ PCI, "*/class", .from = "0c03*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A USB controller is gone or elsewhere: the console's tablet and keyboard and passed-through sticks go with it." },
	{ PCI, "*/class", .from = "0604*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A bridge is gone or elsewhere: all behind it has another path, and nothing can be plugged into it any more." },
	{ PCI, "*/class", .from = "07*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A serial controller is gone or elsewhere: the serial console or the channel of the guest agent goes with it." },
	{ PCI, "*/id", .how = LOST, .severity = WARNING,
	  .sentence = "A device is gone: its driver has nothing to drive, and Windows may take the machine for another one." },
	{ PCI, "*/id", .how = GAINED, .severity = WARNING,
	  .sentence = "The guest finds a new device: Windows installs or asks for a driver, and live migration to where it is not there is refused." },
	{ PCI, "*/id", .how = CHANGED, .severity = WARNING,
	  .sentence = "Another device answers at this place: the driver and settings of the old one are not used for it." },
	/* Windows' hardware id is PCI\VEN_…&DEV_…&SUBSYS_…&REV_…. */
	{ PCI, "*/subsystem|*/revision|*/class", .how = CHANGED, .severity = WARNING,
	  .sentence = "Windows takes it for another device and installs it anew: a network adapter loses its settings; live migration is refused." },
	{ PCI, "*/bar?", .how = LOST | LESS, .severity = WARNING,
	  .sentence = "Drivers that expect the device's registers there or of that size do not start; live migration is refused." },
	{ PCI, "*/bar?", .severity = WARNING,
	  .sentence = "The device's registers take other room: other devices may move or find none, and live migration is refused." },
	{ PCI, "*/cap.11@*.vectors|*/cap.05@*.vectors", .how = LESS | LOST, .severity = WARNING,
	  .sentence = "The device has fewer interrupts: its driver uses fewer queues and gets slower, or does not start." },
	{ PCI, "*/cap.11@*|*/cap.05@*", .how = LOST, .severity = WARNING,
	  .sentence = "The device lost message-signalled interrupts: its driver shares a line and gets slower, or does not start." },
	{ PCI, "*/cap.09@*", .severity = WARNING,
	  .sentence = "Virtio drivers find a device's registers by this capability: they may not start, and live migration is refused." },
	{ PCI, "*/cap.10@*.slot", .severity = WARNING,
	  .sentence = "Network interfaces behind this port are renamed (ens3), and addresses bound to the name are not set." },
	{ PCI, "*/cap.10@*.slot_features", .severity = WARNING,
	  .sentence = "Plugging and ejecting at this port works otherwise or not at all." },
	{ PCI, "*/cap.*|*/ext.*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "Drivers that rely on this capability leave something off or do not start; live migration is refused." },
	{ PCI, "*/cap.*|*/ext.*", .how = GAINED, .severity = INFO,
	  .sentence = "Drivers may switch on what the device did not offer; live migration to where it is not there is refused." },
	{ PCI, "*/multifunction", .severity = WARNING,
	  .sentence = "The guest looks for this device's functions 1 to 7 only where it is multifunction." },
	{ PCI, "*/pin", .severity = INFO,
	  .sentence = "The device's legacy interrupt takes another line; drivers that use messages do not notice." },

	/* ---- acpi */
	/* Linux 5.18: the signature is honoured by default in a virtual machine (commit f6c46b1d62f8). */
	{ ACPI, "FACS/hardware_signature", .severity = WARNING,
	  .sentence = "A hibernated guest is not resumed but boots afresh: what it had in memory is lost." },
	/* Linux, acpi_parse_fadt(): without the flag a PS/2 controller that the DSDT does not name is not looked for. */
	{ ACPI, "FACP/boot_arch", .field = "8042", .how = LOST, .severity = WARNING,
	  .sentence = "The guest may not look for a PS/2 controller any more: keyboard and mouse of its console may be dead." },
	{ ACPI, "FACP/boot_arch", .field = "8042", .how = GAINED, .severity = INFO,
	  .sentence = "The guest now looks for a PS/2 controller: its console's keyboard and mouse may appear as new devices." },
	/* Linux, drivers/pci/pci-acpi.c: pci_no_msi(). */
	{ ACPI, "FACP/boot_arch", .field = "no_msi", .how = GAINED, .severity = WARNING,
	  .sentence = "The guest leaves message-signalled interrupts off: its disks and network get much slower." },
	{ ACPI, "FACP/boot_arch", .field = "no_vga", .how = GAINED, .severity = WARNING,
	  .sentence = "The guest does not look for a VGA adapter any more: its text console stays dark." },
	{ ACPI, "FACP/boot_arch", .field = "no_cmos_rtc", .severity = WARNING,
	  .sentence = "The guest decides by this flag whether there is a clock to take its time from at boot." },
	{ ACPI, "FACP/flags", .field = "no_fixed_*|rtc_s4|s4_rtc_status_valid|reset_register|hardware_reduced", .severity = WARNING,
	  .sentence = "The guest may not hear the power button any more, or not reboot or sleep: an orderly shutdown from the host may time out." },
	{ ACPI, "FACP/reset_*", .severity = WARNING,
	  .sentence = "The guest reboots by this register: a reboot may hang." },
	/* ACPI 6.5, 5.2.9: where SMI_CMD and both values are 0, ACPI is on from the start. */
	{ ACPI, "FACP/smi_cmd|FACP/acpi_*", .severity = INFO,
	  .sentence = "The guest switches ACPI on otherwise, or finds it on; operating systems know both." },
	{ ACPI, ACPI_EVENTS, .severity = WARNING,
	  .sentence = "Power button, sleep and hot-plug reach the guest by these registers: an orderly shutdown from the host may time out." },
	{ ACPI, "FACP/flags", .field = "pm_timer_32bit|use_platform_clock", .severity = WARNING,
	  .sentence = "The guest reads its power management timer otherwise: its time can drift." },
	{ ACPI, "HPET/*|FACP/*pm_tmr|DSDT/*.HPET*", .but = ACPI_HEADER, .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "The guest may take another clock: its time can drift, and whatever asks for the time often gets slower." },
	{ ACPI, "WAET/*", .but = ACPI_HEADER, .severity = INFO,
	  .sentence = "Windows reads its timers more or less carefully, and gets a little slower or faster." },
	/* An OEM licence is for the ids of SLIC, and RSDT's and XSDT's must be the same. */
	{ ACPI, "SLIC/*|MSDM/*", .severity = WARNING,
	  .sentence = "Windows with an OEM licence is not activated any more." },
	{ ACPI, "*/oem_id|*/oem_table_id", .how = CHANGED, .severity = WARNING,
	  .sentence = "Windows may ask to be activated again (an OEM licence is bound to these ids); software that knows the machine by them fails to." },
	{ ACPI, "*._SUN", .severity = WARNING,
	  .sentence = "Network interfaces in these slots are renamed (ens3), and addresses bound to the name are not set." },
	/* QEMU, "i386/acpi: restore device paths for pre-5.1 vms": with another _UID of the root bridge Windows lost its static addresses. */
	{ ACPI, "*/_SB.PC??._UID", .severity = WARNING,
	  .sentence = "Windows takes all PCI devices for new ones: network adapters lose their settings, and static addresses are gone." },
	{ ACPI, "*._CID", .from = "VM_Gen_Counter", .severity = WARNING,
	  .sentence = "The guest does not notice any more that it was cloned or rolled back: a domain controller may spoil its directory." },
	{ ACPI, "DSDT/*.PHPR*|DSDT/*.PRES*|DSDT/*.MHP?*|DSDT/*.GPE0*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "CPUs, memory or PCI devices can be plugged and ejected otherwise or not at all." },
	{ ACPI, "DSDT/*.KBD*|DSDT/*.MOU*", .how = LOST, .severity = WARNING,
	  .sentence = "Keyboard and mouse of the guest's console may be dead." },
	{ ACPI, "DSDT/*.PHPR|DSDT/*.PRES|DSDT/*.MHP?", .how = GAINED, .severity = INFO,
	  .sentence = "CPUs, memory or PCI devices can be plugged through ACPI where that was not so, or was done by other means." },
	{ ACPI, "DSDT/*.COM?*", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A serial port of the guest is gone or elsewhere: a console or modem on it falls silent." },
	{ ACPI, "SPCR/*|DBG2/*", .but = ACPI_HEADER, .severity = WARNING,
	  .sentence = "The guest's serial console may fall silent or be found elsewhere." },
	{ ACPI, "*._HID|*._CID|*._CRS|*._STA", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "Another driver, or none, takes this platform device, or finds it with other resources." },
	{ ACPI, "*", .renamed = true, .severity = INFO,
	  .sentence = "The same platform device has another ACPI path; only tools that know it by its path notice." },
	{ ACPI, "*._ADR", .how = CHANGED, .severity = WARNING,
	  .sentence = "The guest ties this ACPI object to another PCI function: slot number, hot-plug and power act on that one." },
	{ ACPI, "*._ADR", .how = LOST | GAINED, .quiet = true, .severity = INFO,
	  .sentence = "An address beside an identification: operating systems go by the latter." },
	{ ACPI, "DSDT/*|SSDT*", .from = "Device*|Processor*", .how = LOST, .severity = WARNING,
	  .sentence = "A platform device is gone for the guest: its driver has nothing to drive, and Windows may take the machine for another one." },
	{ ACPI, "DSDT/*|SSDT*", .to = "Device*|Processor*", .how = GAINED, .severity = INFO,
	  .sentence = "The guest finds a new platform device; Windows may list it without a driver." },
	{ ACPI, "SRAT/*|SLIT/*|HMAT/*|PPTT/*", .but = ACPI_HEADER "|SRAT/table_revision", .severity = WARNING,
	  .sentence = "The guest places memory and processes by this table: it gets slower, or its pinning no longer fits the host's." },
	{ ACPI, "FACP/damaged|DSDT/damaged|APIC/damaged|RSDT/damaged|XSDT/damaged|RSDP/damaged", .how = GAINED, .severity = CRITICAL,
	  .sentence = "An operating system refuses a table that is damaged; without this one it may not boot." },
	/* Windows: bug check 0xBD, INVALID_HIBERNATED_STATE, where there are fewer CPUs than before. */
	{ ACPI, "APIC/lapic.*", .severity = WARNING,
	  .sentence = "The guest finds other CPUs: licences are reckoned anew, and with fewer of them Windows does not resume from hibernation (0xBD)." },
	{ ACPI, "APIC/ioapic.*|APIC/override.*|APIC/lapic_*|APIC/nmi_source.*|APIC/flags", .severity = WARNING,
	  .sentence = "Interrupts are wired otherwise: timers and older devices may fall silent." },
	{ ACPI, "MCFG/0*", .severity = WARNING,
	  .sentence = "PCI Express configuration space is elsewhere or gone: extended capabilities may be out of reach, and live migration is refused." },
	{ ACPI, "DMAR/*|IVRS/*|VIOT/*", .but = ACPI_HEADER, .severity = WARNING,
	  .sentence = "The guest's IOMMU is another: protection against DMA and passing devices to nested guests may stop working." },
	{ ACPI, "TPM2/*|TCPA/*", .how = LOST, .severity = CRITICAL,
	  .sentence = "The guest has no TPM any more: BitLocker and other keys sealed to it cannot be opened without their recovery key." },
	{ ACPI, "TPM2/*|TCPA/*", .but = ACPI_HEADER, .severity = WARNING,
	  .sentence = "The guest finds its TPM otherwise: BitLocker may ask for its recovery key." },
	{ ACPI, "NFIT/*", .how = LOST, .severity = CRITICAL,
	  .sentence = "The guest's persistent memory is gone, with the file systems on it." },
	{ ACPI, "WDAT/*", .how = LOST, .severity = WARNING,
	  .sentence = "Windows has no hardware watchdog any more: a guest that hangs is not reset." },
	{ ACPI, "*/length", .how = LOST, .severity = WARNING,
	  .sentence = "A whole table is gone: what the operating system knew from it, it now does without or guesses." },
	{ ACPI, "*/body|*/length|*/tables", .how = GAINED | CHANGED, .follows = true, .quiet = true, .severity = INFO,
	  .sentence = "Bytes of the table differ; what is known of them is told beside it." },
	{ ACPI, "*/revision|*/oem_id|*/oem_table_id|*/creator_id|*/creator_revision|*/oem_revision|*/minor_version|*/table_revision|BGRT/*", .quiet = true, .severity = INFO,
	  .sentence = "Only an identification of the table that operating systems print." },

	/* ---- smbios */
	{ SMBIOS, "type1.*/manufacturer|type1.*/product_name|type1.*/sku|type1.*/family|type2.*/manufacturer|type2.*/product_name", .severity = WARNING,
	  .sentence = "Windows may ask to be activated again, and cloud-init or other software that knows the machine by its name fails to." },
	{ SMBIOS, "type4.*/handle|type4.*/*_count*|type4.*/*_enabled*|type4.*/status", .severity = WARNING,
	  .sentence = "Licences counted by sockets, cores or threads are reckoned anew." },
	/* Linux, drivers/pci/pci-label.c: the index of a type 41 structure is what eno1 is named by. */
	{ SMBIOS, "type41.*|type9.*", .severity = WARNING,
	  .sentence = "Network interfaces that are named by firmware's index or slot (eno1, ens3) are renamed, and addresses bound to the name are not set." },
	/* QEMU issue 2008: pc and q35 of 8.1 and 8.2 have the 64-bit form, and Windows under SeaBIOS does not find it. */
	{ SMBIOS, "entry_point", .severity = WARNING,
	  .sentence = "A system that knows only one form of the entry point (Windows under a legacy BIOS) finds no SMBIOS: no UUID, no serial numbers." },
	{ SMBIOS, "*/body|*/more|type4.*/processor_id|type16.*|type17.*|type19.*", .follows = true, .quiet = true, .severity = INFO,
	  .sentence = "Follows something that is told beside it." },
	{ SMBIOS, "type0.*|*/version", .quiet = true, .severity = INFO,
	  .sentence = "Only a version or date of firmware or machine type that inventories show." },
	{ SMBIOS, "*", .quiet = true, .severity = INFO,
	  .sentence = "Inventories show it; nothing is known to depend on it." },

	/* ---- numa */
	{ NUMA, "topology/*", .severity = WARNING,
	  .sentence = "Licences counted by sockets, cores or threads are reckoned anew; with fewer CPUs a hibernated Windows does not resume." },
	{ NUMA, "node*|distance/*", .severity = WARNING,
	  .sentence = "The guest places memory and processes by its nodes: it gets slower, and databases pinned to nodes may not start." },
	{ NUMA, "contradiction/*", .severity = WARNING,
	  .sentence = "Two tables tell the guest different things: which of its CPUs or memory it uses depends on whom it believes." },

	/* ---- firmware */
	/* TCG PC Client Platform Firmware Profile: PCR 0 measures firmware, and BitLocker seals to it (by default where Secure Boot is not used). */
	{ FIRMWARE, "rom/*", .with = "TPM2/length|TCPA/length", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "The boot is measured into the guest's TPM: BitLocker may ask for its recovery key." },
	{ FIRMWARE, "rom/*.version", .follows = true, .quiet = true, .severity = INFO,
	  .sentence = "Only the version that firmware says of itself." },
	{ FIRMWARE, "rom/0x*", .severity = INFO,
	  .sentence = "Other firmware boots the guest: it may find another boot disk first, and place devices elsewhere." },

	/* ---- ports and memory-mapped devices */
	{ PORTS, "0x0060/*|0x0064/*", .to = "absent", .severity = WARNING,
	  .sentence = "There is no PS/2 controller any more: keyboard and mouse of the guest's console are dead." },
	{ PORTS, "0x0510*|0x0511*", .severity = WARNING,
	  .sentence = "Firmware and first-boot tools (Ignition) read what the host hands the guest from here." },
	{ PORTS, "0x0070/*|0x0071/*", .to = "absent", .severity = WARNING,
	  .sentence = "There is no clock to take the time from at boot any more." },
	{ PORTS | MMIO, "*", .to = "absent", .severity = WARNING,
	  .sentence = "A device does not answer there any more: its driver does not start." },
	{ MMIO, "*.hpet_id|*.hpet_period", .severity = WARNING,
	  .sentence = "The guest reckons its time by another timer: it may drift." },
	{ MMIO, "*.ioapic_version|*.lapic_version", .severity = WARNING,
	  .sentence = "The guest's interrupt controllers are others: interrupts may be handled otherwise, and live migration is refused." },
	{ MMIO, "*.virtio_mmio", .from = "device=2", .how = LOST | CHANGED, .severity = CRITICAL,
	  .sentence = "A virtio disk is gone or elsewhere: the guest may not find its disk and not boot." },
	{ MMIO, "*.virtio_mmio", .how = LOST | CHANGED, .severity = WARNING,
	  .sentence = "A virtio device is gone or another: its driver has nothing to drive." },
	{ MMIO, "*.virtio_mmio.*", .severity = WARNING,
	  .sentence = "A virtio device offers other features: live migration is refused, and the driver may work otherwise." },

	/* ---- identity */
	{ IDENTITY, "uuid|type1.*/uuid", .severity = WARNING,
	  .sentence = "Windows asks to be activated again, licence servers and backups take the guest for another machine, cloud-init runs anew." },
	{ IDENTITY, "type1.*/serial|type2.*/serial|type3.*/serial", .severity = WARNING,
	  .sentence = "Windows may ask to be activated again, and licences or management bound to the serial number fail." },
	{ IDENTITY, "mac/*", .severity = WARNING,
	  .sentence = "The interface gets another lease and, where it is named by its address, another name; Windows may ask to be activated again." },
	{ IDENTITY, "type11.*", .severity = WARNING,
	  .sentence = "Settings handed to the guest in OEM strings (credentials, cloud-init, kickstart) are others." },
	{ IDENTITY, "*/asset_tag|type17.*|type4.*|pci_serial/*", .quiet = true, .severity = INFO,
	  .sentence = "Only an identification that inventories show." },
};
const size_t impact_count = sizeof(impacts) / sizeof(impacts[0]);

/* ---- how a thing differs */

#define NUMBER_BYTES 24
/* Of a key in the table above. */
#define KEY_BYTES 64

/* "2", "0x40000", "mem32 size=0x20000", "size=0xa0000 ram". */
static bool number_of(const char *value, uint64_t *ret)
{
	const char *size = strstr(value, "size=");
	char number[NUMBER_BYTES];
	size_t length;

	value = size ? size + strlen("size=") : value;
	length = strcspn(value, " ");
	if (length == 0 || length >= sizeof(number) || (!size && value[length]))
		return false;
	memcpy(number, value, length);
	number[length] = '\0';
	return text_u64(number, ret) == 0;
}

unsigned impact_how(const char *from, const char *to)
{
	uint64_t before, after;

	if (!from || !to)
		return from ? IMPACT_LOST : IMPACT_GAINED;
	if (!number_of(from, &before) || !number_of(to, &after) || before == after)
		return IMPACT_CHANGED;
	return IMPACT_CHANGED | (after < before ? IMPACT_LESS : IMPACT_MORE);
}

/* What KVM takes for one frequency: 250 ppm (arch/x86/kvm/x86.c, tsc_tolerance_ppm). */
static bool nearly(const char *from, const char *to)
{
	uint64_t before, after;

	if (!from || !to || text_u64(from, &before) < 0 || text_u64(to, &after) < 0)
		return false;
	return (before > after ? before - after : after - before) <= before / 4000;
}

static unsigned field_how(const struct abi_field *f)
{
	bool was = f->from && strcmp(f->from, "0") != 0, is = f->to && strcmp(f->to, "0") != 0;

	if (strchr(f->bits, ':'))
		return nearly(f->from, f->to) ? IMPACT_CHANGED : impact_how(f->from, f->to);
	/* A register that came or went: only the bits that were set are among its fields. */
	return was && !is ? IMPACT_LOST : IMPACT_GAINED;
}

static uint64_t ram_of(const char *value)
{
	uint64_t bytes;

	return value && strstr(value, " ram") && number_of(value, &bytes) ? bytes : 0;
}

/* RAM that lies elsewhere is neither lost nor less: ranges are cut anew when a hole moves. */
static bool ram_stays(const struct drift *d)
{
	uint64_t from = 0, to = 0;

	for (size_t i = 0; i < d->change_count; i++)
		if (d->changes[i].facet == FACET_MEMORY) {
			from += ram_of(d->changes[i].from);
			to += ram_of(d->changes[i].to);
		}
	return to >= from;
}

struct impact_scene impact_scene_of(const struct drift *d, const struct abi_entries *now, const struct renames *renames)
{
	return (struct impact_scene){ .drift = d, .now = now, .renames = renames, .ram_stays = ram_stays(d) };
}

static unsigned change_how(const struct impact_scene *scene, const struct drift_change *c)
{
	unsigned how = impact_how(c->from, c->to);

	if (c->facet == FACET_MEMORY && ram_of(c->from) && (how & (IMPACT_LOST | IMPACT_LESS)) && scene->ram_stays)
		return IMPACT_CHANGED;
	return how;
}

/* ---- looking up */

static bool field_fits(const struct impact *row, const struct drift_change *c)
{
	/* A line that one vCPU has beside the others': it comes and goes as a whole, its bits with it. */
	if (c->kind != CHANGE_CHANGED && strchr(c->key, '/') && c->facet == FACET_CPUID)
		return false;
	for (size_t i = 0; i < c->fields.count; i++) {
		const struct abi_field *f = &c->fields.items[i];

		if (glob_match(row->field, f->name) && (!row->how || (row->how & field_how(f))))
			return true;
	}
	return false;
}

/* Looked up: a guest may have very many ROMs, and tables. */
static bool guest_has(const struct abi_entries *now, const char *keys)
{
	char key[KEY_BYTES];

	for (size_t length; now && *keys; keys += length + (keys[length] == '|')) {
		length = strcspn(keys, "|");
		snprintf(key, sizeof(key), "%.*s", (int)length, keys);
		if (entries_find(now, FACET_ACPI, key))
			return true;
	}
	return false;
}

static bool value_fits(const char *pattern, const char *value)
{
	return !pattern || (value && glob_match(pattern, value));
}

static bool row_fits(const struct impact *row, const struct impact_scene *scene, const struct drift_change *c, unsigned how)
{
	if ((row->running && !c->while_running) || !(row->facets & 1u << c->facet) || !glob_match(row->key, c->key))
		return false;
	if (row->but && c->kind == CHANGE_CHANGED && glob_match(row->but, c->key))
		return false;
	if (!value_fits(row->from, c->from) || !value_fits(row->to, c->to))
		return false;
	if (row->field ? !field_fits(row, c) : row->how && !(row->how & how))
		return false;
	if (row->renamed != renames_have(scene->renames, c))
		return false;
	return !row->with || guest_has(scene->now, row->with);
}

const struct impact *impact_of(const struct impact_scene *scene, const struct drift_change *change)
{
	unsigned how = change_how(scene, change);
	const struct impact *worst = NULL;

	for (size_t i = 0; i < impact_count; i++)
		if ((!worst || impacts[i].severity > worst->severity) && row_fits(&impacts[i], scene, change, how))
			worst = &impacts[i];
	return worst;
}
