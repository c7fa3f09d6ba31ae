/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What explains what. Read from top to bottom: for a change of a facet's key, the first row that fits a factor counts (causes.h).
 * Sources: QEMU 5.2 to 10.0 (hw/i386, hw/acpi, hw/smbios, target/i386, qemu-options.hx), Linux arch/x86/kvm up to 6.18 (cpuid.c and
 * the modules' parameters), cloud-hypervisor's and Firecracker's options; and upgrades that were run.
 */
#include "userspace/drift/causes.h"


#include "userspace/base/glob.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- names that several rows use */

#define KERNEL "kernel|kernel.version"
#define HOST_CPU "host_cpu|host_cpu.*"
#define VMM "vmm.version|vmm.build_id"
/* vmm.before: this VM got the guest with its memory from a VMM that the store does not know. */
#define CAME_ALONG "tables and firmware came with the guest from another VMM, until this one wrote its own"
#define CPU_PROPERTY "option.global=*-cpu.*|option.global=driver=*-cpu,*"
#define CPU_DEVICE "option.device=*-x86_64-cpu*|option.device=*-i386-cpu*"
#define IRQCHIP "option.machine=kernel*irqchip*|backend.accel"
#define MEMORY_OBJECT "backend.object=*memory-backend*"
#define MEMORY_DEVICE "option.device=*dimm*|option.device=*virtio-mem*|option.device=*virtio-pmem*|option.device=*ivshmem*|option.device=*cxl*"
#define IOMMU "option.device=*iommu*|option.machine=*iommu*"
#define TPM "option.device=*tpm*"
/* What puts devices into the machine. */
#define NICS "option.nic|option.net"
#define DEVICES \
	"option.device|option.nic|option.net|option.vga|option.drive|option.hda|option.hdb|option.hdc|option.hdd|option.cdrom|option.fda|" \
	"option.fdb|option.sd|option.usb|option.usbdevice|option.soundhw|option.virtfs|option.watchdog|option.balloon|option.nodefaults|" \
	"option.nographic|option.serial|option.parallel"
#define IMAGE_OPTIONS "option.bios|option.pflash|option.L|option.drive=*if=pflash*|option.machine=pflash*|option.args=--firmware*|option.args=--bios*"

/* Other VMMs' command lines, option by option (cloud-hypervisor, Firecracker, crosvm, kvmtool). */
#define ARGS_CPUS "option.args=--cpus*|option.args=-c *"
#define ARGS_MEMORY "option.args=--memory*|option.args=--mem *|option.args=--mem=*|option.args=-m *"
#define ARGS_DEVICES \
	"option.args=--disk*|option.args=--block*|option.args=--net*|option.args=--fs*|option.args=--pmem*|option.args=--vsock*|" \
	"option.args=--device*|option.args=--serial*|option.args=--console*|option.args=--rng*|option.args=--balloon*|option.args=--tpm*|" \
	"option.args=--vfio*|option.args=--watchdog*|option.args=-d *|option.args=-n *"
#define ARGS_LABELS \
	"option.args=--id*|option.args=--name*|option.args=--api-sock*|option.args=--log*|option.args=-v*|option.args=--seccomp*|" \
	"option.args=--event*|option.args=--socket*|option.args=-s *"

/* CPUID */
#define TOPOLOGY \
	"0x00000001.0.ebx*#logical_processors|0x00000001.0.edx*#ht|0x00000004.*.eax*|0x0000000b.*|0x0000001f.*|" \
	"0x80000001.0.ecx*#cmp_legacy|0x80000008.0.ecx*|0x8000001d.*.eax*|0x8000001e.*|0x80000026.*"
#define CACHES "0x00000004.*|0x8000001d.*"
#define CLOCKS "0x00000015.*|0x00000016.*|0x40000010.*"
#define BRAND "0x80000002.*|0x80000003.*|0x80000004.*"
#define COUNTERS \
	"0x0000000a.*|0x0000001c.*|0x00000023.*|0x80000022.*|0x00000001.0.ecx*#pdcm|0x80000001.0.ecx*#perfctr*|0x00000007.0.edx*#arch-lbr"
#define FEATURES "0x00000001.0.ecx*|0x00000001.0.edx*|0x00000007.*|0x80000001.0.ecx*|0x80000008.0.ebx*|0x80000021.*"
#define NESTED_SVM \
	"kvm.kvm_amd.npt|kvm.kvm_amd.nrips|kvm.kvm_amd.vls|kvm.kvm_amd.vgif|kvm.kvm_amd.lbrv|kvm.kvm_amd.tsc_scaling|kvm.kvm_amd.avic|" \
	"kvm.kvm_amd.vnmi|kvm.kvm_amd.pause_filter*"
/* Ports */
#define UART "0x03f8/*|0x03f9/*|0x03fa/*|0x03fb/*|0x03fc/*|0x03fd/*|0x03fe/*|0x03ff/*|0x02f?/*|0x03e?/*|0x02e?/*"
#define KVM_PORTS "0x002?/*|0x00a?/*|0x004?/*|0x0061/*|0x04d?/*"
#define FW_CFG_FILE "0x0510.fw_cfg_file/*"
#define FW_CFG_MAKERS \
	"option.fw_cfg|option.kernel|option.initrd|option.append|option.dtb|option.shim|option.boot|option.acpitable|option.smbios|option.numa|" \
	"option.smp|option.m|option.option-rom|option.uuid|option.rtc|option.no-fd-bootchk"
/* ACPI */
#define HEADER_IDS "*/oem_id|*/oem_table_id|*/oem_revision|*/creator_id|*/creator_revision"
#define LISTS "RSDT/*|XSDT/*|RSDP/*"
#define AFFINITY "SRAT*|SLIT*|HMAT*"
#define DEFINITIONS "DSDT*|SSDT*|PSDT*"
#define SIZES "DSDT/body|DSDT/length|SSDT*/body|SSDT*/length"

#define IDENTITY_OF_ADAPTERS "mac/*|pci_serial/*"
#define MACHINE_FACETS "cpuid|msr|ports|mmio|memory|pci|acpi|smbios|numa|firmware"

#define RULE(facets, keys, factors, how, told, ...) \
	{ .facet = facets, .key = keys, .factor = factors, .strength = how, .why = told, __VA_ARGS__ }

const struct cause_rule cause_rules[] = {
	/* ---- what explains nothing, whatever changed */
	RULE("*", "*", "kvm.*halt_poll*|kvm.*nx_huge_pages*|kvm.*report_ignored_msrs|kvm.*min_timer_period_us|kvm.*kvmclock_periodic_sync|"
	     "kvm.*tsc_tolerance_ppm|kvm.*lapic_timer_advance*|kvm.*vector_hashing|kvm.*pi_inject_timer|kvm.*mitigate_smt_rsb|kvm.*eager_page_split|"
	     "kvm.*tdp_mmu|kvm.*flush_on_reuse|kvm.*ple_*|kvm.*preemption_timer|kvm.*enable_virt_at_load|kvm.*allow_unsafe_mappings|"
	     "kvm.*force_emulation_prefix|kvm.*dump_invalid_vm*|kvm.*eager_zap*|kvm.*parent_ptes*|kvm.*mmio_caching|kvm.*debugctl_per_entry",
	     CAUSE_NONE, NULL),
	RULE("*", "*", "option.machine=dump-guest-core*|option.machine=mem-merge*|option.machine=suppress-vmdesc*|option.machine=aux-ram-share*",
	     CAUSE_NONE, NULL),
	RULE("*", "*", ARGS_LABELS, CAUSE_NONE, NULL),

	/* ---- another VMM is another machine */
	RULE("*", "*", "vmm.kind", CAUSE_CERTAIN, "another VMM makes another machine"),

	/* ---- cpuid */
	RULE("cpuid", "*", "cpu", CAUSE_CERTAIN, "-cpu says what CPUID answers"),
	RULE("cpuid", "*", CPU_PROPERTY, CAUSE_CERTAIN, "-global sets a property of the CPU"),
	RULE("cpuid", "*", ARGS_CPUS, CAUSE_CERTAIN, "the option says how many CPUs of which kind there are"),
	RULE("cpuid", TOPOLOGY, "option.smp", CAUSE_CERTAIN, "the topology leaves are made from -smp"),
	RULE("cpuid", "*/vcpu.*", "option.smp|" CPU_DEVICE, CAUSE_LIKELY, "there are other vCPUs to answer"),
	RULE("cpuid", "0x80000008.0.ecx*|0x8000001e.*", "option.numa", CAUSE_LIKELY, "older QEMU counts NUMA nodes into AMD's topology leaves"),
	RULE("cpuid", CACHES, "option.machine=smp-cache*", CAUSE_CERTAIN, "smp-cache says who shares a cache"),
	RULE("cpuid", "0x00000001.0.ecx*#tsc-deadline|0x00000001.0.ecx*#x2apic|0x40000001.*", IRQCHIP, CAUSE_LIKELY,
	     "who emulates the interrupt controllers decides on timer and x2APIC"),
	RULE("cpuid", "0x8000001f.*|0x80000008.0.eax*", "option.machine=memory-encryption*|option.machine=confidential-guest*|backend.object=*sev*|"
	     "backend.object=*tdx*", CAUSE_LIKELY, "encrypted guests have their own leaf and fewer address bits"),
	RULE("cpuid", "0x00000012.*|0x00000007.0.ebx*#sgx|0x00000007.0.ecx*#sgxlc|0x00000007.0.edx*#sgx-keys", "option.machine=sgx*|kvm.*.sgx",
	     CAUSE_CERTAIN, "SGX is shown where there is memory for enclaves and KVM allows it"),
	RULE("cpuid", "0x00000001.0.ecx*#monitor|0x00000005.*|0x40000001.*", "option.overcommit", CAUSE_LIKELY,
	     "cpu-pm=on hands MONITOR and the host's idle states to the guest"),
	RULE("cpuid", "0x00000001.0.ecx*#vmx|0x80000001.0.ecx*#svm|0x8000000a.*", "kvm.*.nested", CAUSE_CERTAIN,
	     "KVM shows virtualisation only with nested on"),
	RULE("cpuid", "0x8000000a.*", NESTED_SVM, CAUSE_LIKELY, "KVM offers to nested guests what it uses itself"),
	RULE("cpuid", COUNTERS, "kvm.*.enable_pmu|kvm.*.pmu", CAUSE_CERTAIN, "KVM shows performance counters only with enable_pmu on"),
	RULE("cpuid", "0x00000014.*|0x00000007.0.ebx*#intel-pt", "kvm.*.pt_mode", CAUSE_CERTAIN, "KVM shows processor trace by pt_mode"),
	RULE("cpuid", "0x80000008.0.eax*|0x00000007.0.ecx*#la57", "kvm.*.ept|kvm.*.npt|kvm.*.allow_smaller_maxphyaddr", CAUSE_LIKELY,
	     "paging in hardware decides how many address bits KVM promises"),
	RULE("cpuid", "0x8000001f.*", "kvm.kvm_amd.sev*", CAUSE_CERTAIN, "the leaf says what of SEV is switched on"),
	RULE("cpuid", "0x00000001.0.ecx*#x2apic", "kvm.*x2apic*", CAUSE_CERTAIN, "the parameter is about the x2APIC"),
	RULE("cpuid", CLOCKS "|" BRAND, KERNEL, CAUSE_NONE, NULL),
	RULE("cpuid", CLOCKS, "host", CAUSE_LIKELY, "every machine has a clock rate of its own"),
	RULE("cpuid", FEATURES, "microcode", CAUSE_LIKELY, "microcode brings features and takes them away"),
	RULE("cpuid", "*", "microcode", CAUSE_POSSIBLE, "microcode can change what the CPU says of itself"),
	RULE("cpuid", "*", HOST_CPU, CAUSE_LIKELY, "a guest is offered what this CPU can do", .unless = "host_cpu"),
	RULE("cpuid", "*", KERNEL, CAUSE_LIKELY, "KVM decides which CPU features it passes on", .unless = "kernel"),
	RULE("cpuid", "*", VMM, CAUSE_LIKELY, "the VMM has the CPU models and fills the CPUID table", .unless = "vmm.version"),

	/* ---- msr */
	RULE("msr", "*", "cpu|" CPU_PROPERTY "|" ARGS_CPUS, CAUSE_LIKELY, "which registers exist follows the CPU model"),
	RULE("msr", "0x00000035*", "option.smp", CAUSE_CERTAIN, "the register counts cores and threads"),
	RULE("msr", "*/fault", "kvm.*.ignore_msrs", CAUSE_CERTAIN, "ignore_msrs decides whether an unknown register faults"),
	RULE("msr", "*", "kvm.*.ignore_msrs", CAUSE_LIKELY, "with ignore_msrs an unknown register answers zero"),
	RULE("msr", "0x000000c1*|0x000000c2*|0x00000186*|0x00000187*|0x0000030?*|0x00000345*|0x0000038?*|0x00000390*|0x000004c?*|0xc001000?*|"
	     "0xc001020?*|0xc000030?*", "kvm.*.enable_pmu|kvm.*.pmu", CAUSE_CERTAIN, "KVM has performance counters only with enable_pmu on"),
	RULE("msr", "0x0000003a*|0x0000048?*|0x0000049?*|0xc0010114*|0xc0010117*", "kvm.*.nested", CAUSE_CERTAIN,
	     "the registers of virtualisation are there with nested on"),
	RULE("msr", "0x0000048?*|0x0000049?*", "kvm.kvm_intel.*", CAUSE_LIKELY, "the VMX registers promise to nested guests what KVM uses itself"),
	RULE("msr", "0x0000056?*|0x0000057?*|0x0000058?*", "kvm.*.pt_mode", CAUSE_CERTAIN, "the registers of processor trace follow pt_mode"),
	RULE("msr", "0x0000001b*|0x000008??*", IRQCHIP, CAUSE_LIKELY, "who emulates the interrupt controllers decides on the x2APIC"),
	RULE("msr", "0x00000048*|0x00000049*|0x0000008b*|0x000000cf*|0x0000010a*|0x0000010b*|0x00000122*|0x00000123*", "microcode", CAUSE_LIKELY,
	     "the register tells of microcode or came with it"),
	RULE("msr", "*", "microcode", CAUSE_POSSIBLE, "microcode can bring registers"),
	RULE("msr", "*", HOST_CPU, CAUSE_LIKELY, "KVM passes on what this CPU's registers say", .unless = "host_cpu"),
	RULE("msr", "*", KERNEL, CAUSE_LIKELY, "KVM answers for the registers", .unless = "kernel"),
	RULE("msr", "*", VMM, CAUSE_LIKELY, "the VMM sets registers up when it makes a vCPU", .unless = "vmm.version"),
	RULE("cpuid|msr", "*", "kvm.*", CAUSE_POSSIBLE, "a parameter of KVM"),
	RULE("cpuid|msr", "*", "backend.accel", CAUSE_POSSIBLE, "how the VMM uses KVM"),
	RULE("cpuid|msr", "*", "host", CAUSE_POSSIBLE, "the guest runs on another host"),

	/* ---- ports, mmio */
	RULE("ports", "0x0510.fw_cfg_file/opt/*", "option.fw_cfg", CAUSE_CERTAIN, "-fw_cfg names such files"),
	RULE("ports", FW_CFG_FILE, FW_CFG_MAKERS, CAUSE_LIKELY, "what the option says is handed over in a file"),
	RULE("ports", "0x0510.*", "firmware.*", CAUSE_NONE, NULL),
	RULE("ports", UART, "option.serial|option.device=*isa-serial*", CAUSE_CERTAIN, "the ports are a serial line's"),
	RULE("ports", "0x037?/*|0x027?/*|0x03b?/*", "option.parallel|option.device=*isa-parallel*", CAUSE_CERTAIN, "the ports are a parallel port's"),
	RULE("ports", "0x0402/*|0x00e9/*", "option.debugcon|option.device=*isa-debugcon*", CAUSE_CERTAIN, "the port is the debug console's"),
	RULE("ports", "0x5658/*|0x5659/*", "option.machine=vmport*|option.device=*vmport*|kvm.*.enable_vmware_backdoor", CAUSE_CERTAIN,
	     "the port is VMware's backdoor"),
	RULE("ports", "0x0060/*|0x0064/*", "option.machine=i8042*", CAUSE_CERTAIN, "the ports are the keyboard controller's"),
	RULE("ports", "0x004?/*|0x0061/*", "option.machine=pit*|option.global=*pit.*", CAUSE_CERTAIN, "the ports are the timer's"),
	RULE("ports", "0x002?/*|0x00a?/*|0x04d?/*", "option.machine=pic*|" IRQCHIP, CAUSE_LIKELY, "the ports are the interrupt controller's"),
	RULE("ports", "0x0a0?/*|0x0a1?/*", "option.m", CAUSE_CERTAIN, "the ports plug memory, which -m makes room for"),
	RULE("mmio", "0x00000000fed4*", TPM, CAUSE_CERTAIN, "the page is the TPM's"),
	RULE("mmio", "0x00000000fed4*", "backend.tpmdev|backend.chardev", CAUSE_LIKELY, "the TPM answers as its backend does"),
	RULE("mmio", "0x00000000fed00*", "option.no-hpet|option.machine=hpet*|option.global=hpet.*", CAUSE_CERTAIN, "the page is the HPET's"),
	RULE("mmio", "0x00000000fed8*|0x00000000fed9*", IOMMU, CAUSE_CERTAIN, "the page is the IOMMU's"),
	RULE("mmio", "0x00000000fee*|0x00000000fec*", IRQCHIP, CAUSE_LIKELY, "the page is an interrupt controller's"),
	RULE("mmio", "0x00000000fee*|0x00000000fec*", KERNEL, CAUSE_LIKELY, "KVM emulates the interrupt controllers", .unless = "kernel"),
	RULE("mmio", "*.virtio_mmio*", "backend.netdev|backend.device|backend.blockdev|backend.drive|backend.chardev", CAUSE_LIKELY,
	     "a virtio device offers what its backend can do"),
	RULE("ports", KVM_PORTS, KERNEL, CAUSE_POSSIBLE, "KVM emulates timer and interrupt controllers", .unless = "kernel"),
	RULE("ports", "0x06*|0x07*|0xb0*|0xb1*", "firmware.*", CAUSE_LIKELY, "firmware places power management and SMBus"),
	RULE("ports|mmio", "*", "firmware.*", CAUSE_POSSIBLE, "firmware places devices"),
	RULE("ports|mmio", "*", DEVICES "|option.global|option.set|option.debugcon|option.no-acpi|" ARGS_DEVICES, CAUSE_LIKELY,
	     "a device brings its ports and registers along"),
	RULE("ports|mmio", "*", VMM, CAUSE_LIKELY, "the VMM emulates the devices", .unless = "vmm.version"),

	/* ---- memory */
	RULE("memory", "0x00000000ff*", "firmware.*", CAUSE_CERTAIN, "the image ends at 4 GiB and is as large as it is"),
	RULE("memory", "0x00000000ff*", IMAGE_OPTIONS, CAUSE_CERTAIN, "the option names the image that is mapped there", .unless = "firmware.*"),
	RULE("memory", "0x00000000000c0000", "firmware.*", CAUSE_LIKELY, "firmware shadows itself and option ROMs below 1 MiB"),
	RULE("memory", "0x000000000000*|0x000000000009*", "firmware.*", CAUSE_POSSIBLE, "firmware sets up memory below 1 MiB"),
	RULE("memory", "0x00000000000c0000", DEVICES "|option.option-rom|option.global", CAUSE_LIKELY, "option ROMs are copied there"),
	RULE("memory", "0x00000000ff*|0x00000000000c0000", "option.m", CAUSE_NONE, NULL),
	RULE("memory", "*", "option.m|" ARGS_MEMORY, CAUSE_CERTAIN, "the option says how much memory there is"),
	RULE("memory", "*", "option.machine=max-ram-below-4g*|option.machine=sgx-epc*", CAUSE_CERTAIN, "the property lays memory out"),
	RULE("memory", "*", MEMORY_DEVICE, CAUSE_LIKELY, "the device is memory, or has some"),
	RULE("memory", "*", "option.device|option.vga|option.nographic|option.nodefaults", CAUSE_POSSIBLE, "video memory is a range of its own"),
	RULE("memory", "*", MEMORY_OBJECT, CAUSE_LIKELY, "plugged memory is as large as what backs it"),
	RULE("memory", "0x0000000100000000|0x0000010000000000", "cpu|" HOST_CPU, CAUSE_POSSIBLE,
	     "memory above 4 GiB moves up where address bits reach AMD's reserved range", .unless = "host_cpu"),
	RULE("memory", "0x00000000fee00000|0x00000000feff*", KERNEL "|kvm.*", CAUSE_POSSIBLE, "KVM keeps pages of its own there"),
	RULE("memory", "*", VMM, CAUSE_LIKELY, "the VMM lays memory out", .unless = "vmm.version"),

	/* ---- pci */
	RULE("pci", "*", "option.serial|option.parallel|option.fda|option.fdb|option.sd", CAUSE_POSSIBLE, "its devices are hardly ever PCI functions"),
	RULE("pci", "*", DEVICES, CAUSE_CERTAIN, "the option is this device", .when = CAUSE_NAMED),
	RULE("pci", "*", DEVICES, CAUSE_LIKELY, "a device more or less moves those that have no address of their own", .when = CAUSE_MOVABLE),
	RULE("pci", "*", DEVICES, CAUSE_POSSIBLE, "the device is elsewhere"),
	RULE("pci", "*", ARGS_DEVICES, CAUSE_LIKELY, "the option is about devices", .when = CAUSE_MOVABLE),
	/* Which function a property is of is not known: it excuses no upgrade. */
	RULE("pci", "*", "option.global|option.set|" ARGS_DEVICES, CAUSE_POSSIBLE, "the option sets up devices"),
	RULE("pci", "0000:00:1f.2/*", "option.machine=sata=*", CAUSE_CERTAIN, "the function is the SATA controller"),
	RULE("pci", "0000:00:1f.3/*", "option.machine=smbus=*", CAUSE_CERTAIN, "the function is the SMBus controller"),
	RULE("pci", "*", "option.machine=usb=*", CAUSE_LIKELY, "the machine's USB controllers are switched"),
	RULE("pci", "*/cap.11@*|*/bar*", "option.smp", CAUSE_LIKELY, "virtio block and SCSI devices have a queue and a vector for every vCPU"),
	RULE("pci", "*/cap.11@*|*/bar*", "backend.netdev|backend.nic|backend.net", CAUSE_LIKELY, "a network device has vectors for its backend's queues"),
	RULE("pci", "*", "backend.audio=*model=*", CAUSE_LIKELY, "-audio with a model makes a device"),
	RULE("pci", "*", "option.no-acpi", CAUSE_LIKELY, "without ACPI there is no power management function"),
	RULE("pci", "*", "firmware.*", CAUSE_POSSIBLE, "firmware numbers buses and can hide functions"),
	RULE("pci", "*/cap.*|*/ext.*|*/subsystem|*/rom|*/bar*", KERNEL, CAUSE_POSSIBLE, "VFIO decides what of a passed-through device is shown",
	     .unless = "kernel"),
	RULE("pci", "*", "host", CAUSE_POSSIBLE, "a passed-through device is the host's"),
	RULE("pci", "*", VMM, CAUSE_LIKELY, "the VMM emulates the devices", .unless = "vmm.version"),

	/* ---- acpi */
	RULE("acpi", "*", "option.no-acpi|option.machine=acpi=*", CAUSE_CERTAIN, "the option says whether there are ACPI tables"),
	RULE("acpi", HEADER_IDS, "option.machine=x-oem*", CAUSE_CERTAIN, "the property is the OEM id"),
	RULE("acpi", HEADER_IDS "|" LISTS, "option.acpitable", CAUSE_LIKELY, "an SLIC table lends its OEM ids to the others, and every table is listed"),
	RULE("acpi", "*", "option.acpitable", CAUSE_LIKELY, "the option adds a table"),
	RULE("acpi", HEADER_IDS "|*/revision", "option.*|backend.*|cpu", CAUSE_NONE, NULL, .when = CAUSE_STAYS),
	RULE("acpi", HEADER_IDS, "machine", CAUSE_POSSIBLE, "machine types hardly ever differ in it"),
	RULE("acpi", "APIC*/lapic.*|APIC*/x2apic*|APIC*/length|APIC*/body", "option.smp|" CPU_DEVICE "|" ARGS_CPUS, CAUSE_CERTAIN, "the table lists the CPUs"),
	RULE("acpi", "APIC*", IRQCHIP "|cpu", CAUSE_POSSIBLE, "the table tells of interrupt controllers and APIC ids"),
	RULE("acpi", AFFINITY, "option.numa|option.args=--numa*", CAUSE_CERTAIN, "the table is made from -numa"),
	RULE("acpi", "SRAT*", "option.m|option.smp|" CPU_DEVICE "|" ARGS_MEMORY "|" ARGS_CPUS, CAUSE_CERTAIN,
	     "the table says which memory and which CPUs a node has"),
	RULE("acpi", "SRAT*|NFIT*|HMAT*", MEMORY_DEVICE, CAUSE_LIKELY, "the table tells of memory devices"),
	RULE("acpi", "SRAT*", MEMORY_OBJECT, CAUSE_LIKELY, "a node's memory is as large as what backs it"),
	RULE("acpi", "HMAT*", "option.machine=hmat*", CAUSE_CERTAIN, "the property switches the table on"),
	RULE("acpi", "HPET*|DSDT*.HPET*", "option.no-hpet|option.machine=hpet*", CAUSE_CERTAIN, "the option is the HPET's"),
	RULE("acpi", "MCFG/0*", "firmware.*", CAUSE_LIKELY, "firmware places the configuration window of PCI"),
	RULE("acpi", "BGRT*|FPDT*|UEFI*|FACS*|RSDP*", "firmware.*", CAUSE_LIKELY, "firmware makes this table"),
	RULE("acpi", "DMAR*|IVRS*|VIOT*", IOMMU, CAUSE_CERTAIN, "the table is the IOMMU's"),
	RULE("acpi", "TPM2*|TCPA*|*TPM*", TPM, CAUSE_CERTAIN, "the table is the TPM's"),
	RULE("acpi", "TPM2*|TCPA*|*TPM*|" LISTS, "backend.tpmdev|backend.chardev", CAUSE_LIKELY, "the TPM is of the version that its backend has"),
	RULE("acpi", "NFIT*|*NVDR*", "option.machine=nvdimm*|option.device=*nvdimm*", CAUSE_CERTAIN, "the table is made for NVDIMMs"),
	RULE("acpi", "HEST*|ERST*|EINJ*", "option.device=*acpi-erst*|option.machine=ras*", CAUSE_CERTAIN, "the table is made for error records"),
	RULE("acpi", "CEDT*", "option.device=*cxl*|option.machine=cxl*", CAUSE_CERTAIN, "the table is made for CXL"),
	RULE("acpi", "SPCR*|DBG2*|DSDT*.COM*|DSDT*.UAR*", "option.serial|option.device=*isa-serial*", CAUSE_CERTAIN, "it tells of the serial line"),
	RULE("acpi", "DSDT*.LPT*", "option.parallel|option.device=*isa-parallel*", CAUSE_CERTAIN, "it tells of the parallel port"),
	RULE("acpi", "*VGEN*|*VGIA*", "option.device=*vmgenid*", CAUSE_CERTAIN, "it tells of the generation id"),
	RULE("acpi", "*PEVT*", "option.device=*pvpanic*", CAUSE_CERTAIN, "it tells of the panic device"),
	RULE("acpi", "DSDT*.KBD*|DSDT*.MOU*|FACP*/boot_arch", "option.machine=i8042*", CAUSE_CERTAIN, "it tells of the keyboard controller"),
	RULE("acpi", "DSDT*.CPUS*|DSDT*.PRES*|DSDT*.CP0*", "option.smp|" CPU_DEVICE "|" ARGS_CPUS, CAUSE_CERTAIN, "it lists the CPUs"),
	RULE("acpi", "DSDT*.MHP*|DSDT*.MP0*", "option.m", CAUSE_CERTAIN, "it is where memory is plugged, which -m makes room for"),
	RULE("acpi", "*._PXM", "option.numa", CAUSE_CERTAIN, "it says of which node a device is"),
	RULE("acpi", SIZES, "option.smp|option.m|option.numa|" ARGS_CPUS "|" ARGS_MEMORY, CAUSE_LIKELY,
	     "what can be plugged, and its node, is written into the table"),
	RULE("acpi", "FACP*/flags|FACP*/body", "option.smp", CAUSE_LIKELY, "with more than 8 CPUs the table asks for the cluster model"),
	RULE("acpi", "FACP*|" DEFINITIONS, "option.global|option.set", CAUSE_LIKELY, "sleep states and hot-plug are properties of the chipset"),
	RULE("acpi", DEFINITIONS, DEVICES "|option.fw_cfg|" ARGS_DEVICES, CAUSE_LIKELY, "devices and slots are described in this table"),
	RULE("acpi", LISTS, "option.numa|option.no-hpet|" DEVICES "|" ARGS_DEVICES, CAUSE_LIKELY, "a table more or less changes the list"),
	RULE("acpi", "DMAR*|IVRS*|VIOT*|HMAT*|SSDT*|CEDT*", "option.device", CAUSE_LIKELY, "the table names devices"),
	RULE("acpi", "*", "firmware.*", CAUSE_POSSIBLE, "firmware installs the tables that the VMM made"),
	RULE("acpi", "*", "vmm.before", CAUSE_LIKELY, CAME_ALONG),
	RULE("acpi", "*", VMM, CAUSE_LIKELY, "the VMM writes the ACPI tables", .unless = "vmm.version"),

	/* ---- smbios, identity */
	RULE("smbios|identity", "type*", "option.smbios", CAUSE_CERTAIN, "the option names structures of this type", .when = CAUSE_NAMED),
	RULE("smbios|identity", "*", "option.smbios=file=*", CAUSE_LIKELY, "the file holds structures of any type"),
	RULE("identity", "uuid|type1.0/uuid", "option.uuid|option.smbios=*uuid=*|option.args=--platform*", CAUSE_CERTAIN, "the option is the UUID"),
	RULE("smbios|identity", "type1.*|type11.*", "option.args=--platform*", CAUSE_CERTAIN, "the option says what the machine calls itself"),
	RULE("smbios", "type0.*", "firmware.*", CAUSE_CERTAIN, "firmware tells of itself"),
	RULE("smbios", "type0.*", IMAGE_OPTIONS, CAUSE_CERTAIN, "the option names the firmware", .unless = "firmware.*"),
	RULE("smbios", "entry_point", "option.machine=smbios-entry-point*", CAUSE_CERTAIN, "the property is the form of the entry point"),
	RULE("smbios", "entry_point|*/handle", "firmware.*", CAUSE_LIKELY, "firmware puts the table into memory"),
	RULE("smbios", "type4.*", "option.smp|" ARGS_CPUS, CAUSE_CERTAIN, "it tells of sockets, cores and threads"),
	RULE("smbios", "type4.*/processor_id|type4.*/family*", "cpu", CAUSE_CERTAIN, "it is what CPUID answers"),
	RULE("smbios", "type4.*/processor_id", HOST_CPU "|microcode|" KERNEL, CAUSE_POSSIBLE, "it is what CPUID answers", .unless = "host_cpu|kernel"),
	RULE("smbios", "type16.*|type17.*|type19.*|type20.*", "option.m|" ARGS_MEMORY, CAUSE_CERTAIN, "it tells of memory"),
	RULE("smbios", "type16.*|type17.*|type19.*", MEMORY_DEVICE "|" MEMORY_OBJECT, CAUSE_LIKELY, "it tells of memory"),
	RULE("smbios", "type38.*", "option.device=*ipmi*", CAUSE_CERTAIN, "it tells of the management controller"),
	RULE("smbios", "type9.*|type41.*", "option.device|" NICS "|option.vga", CAUSE_LIKELY, "it tells where devices are"),
	RULE("smbios", "*", "firmware.*", CAUSE_POSSIBLE, "firmware can add and mend structures"),
	RULE("smbios", "*", "vmm.before", CAUSE_LIKELY, CAME_ALONG),
	RULE("smbios", "*", VMM, CAUSE_LIKELY, "the VMM fills in what no option says", .unless = "vmm.version"),
	RULE("identity", IDENTITY_OF_ADAPTERS, DEVICES, CAUSE_CERTAIN, "the option is this device", .when = CAUSE_NAMED),
	RULE("identity", IDENTITY_OF_ADAPTERS, DEVICES "|option.global|option.set|" ARGS_DEVICES, CAUSE_LIKELY, "the option brings adapters and their addresses"),
	RULE("identity", IDENTITY_OF_ADAPTERS, "machine|host", CAUSE_POSSIBLE, "adapters sit elsewhere, or are passed through"),
	RULE("identity", "type*", "firmware.*", CAUSE_POSSIBLE, "firmware can fill in what no option says"),
	RULE("identity", "*", VMM, CAUSE_POSSIBLE, "the VMM fills in what no option says", .unless = "vmm.version"),

	/* ---- numa */
	RULE("numa", "node*|distance/*|contradiction/*", "option.numa|option.args=--numa*", CAUSE_CERTAIN, "-numa makes the nodes"),
	RULE("numa", "node*/memory|contradiction/memory*", "option.m|" ARGS_MEMORY, CAUSE_CERTAIN, "the option says how much memory there is"),
	RULE("numa", "node*/memory|contradiction/memory*", MEMORY_DEVICE "|" MEMORY_OBJECT, CAUSE_LIKELY, "the node has memory of that size"),
	RULE("numa", "node*/cpus|topology/*|contradiction/*", "option.smp|" ARGS_CPUS, CAUSE_CERTAIN, "the option says how many CPUs there are, and how they lie"),
	RULE("numa", "node*/cpus|topology/*", CPU_DEVICE, CAUSE_CERTAIN, "the option is a CPU"),
	RULE("numa", "node*/initiators", DEVICES, CAUSE_LIKELY, "a device reaches memory by itself"),
	RULE("numa", "topology/*|contradiction/*", "cpu|" CPU_PROPERTY, CAUSE_LIKELY, "CPUID tells how processors share a socket"),
	RULE("numa", "topology/*|contradiction/*", HOST_CPU "|" KERNEL, CAUSE_POSSIBLE, "a guest may be shown the host's topology",
	     .unless = "host_cpu|kernel"),
	RULE("numa", "*", "vmm.before", CAUSE_LIKELY, CAME_ALONG),
	RULE("numa", "*", VMM, CAUSE_LIKELY, "the VMM describes nodes and processors", .unless = "vmm.version"),

	/* ---- firmware */
	RULE("firmware", "*", "firmware.*", CAUSE_CERTAIN, "the image is another one"),
	RULE("firmware", "*", IMAGE_OPTIONS, CAUSE_CERTAIN, "the option names the image", .unless = "firmware.*"),
	RULE("firmware", "*", "backend.drive=*if=pflash*|backend.blockdev", CAUSE_POSSIBLE, "the image may be what backs a flash device", .unless = "firmware.*"),
	RULE("firmware", "rom/????:*", DEVICES "|option.global|option.option-rom", CAUSE_LIKELY, "a device brings its option ROM along"),
	RULE("firmware", "*", "vmm.before", CAUSE_LIKELY, CAME_ALONG),
	RULE("firmware", "*", VMM, CAUSE_LIKELY, "the VMM brings default firmware along", .unless = "vmm.version"),

	/* ---- the machine as a whole, and what is not known better */
	RULE(MACHINE_FACETS, "*", "machine", CAUSE_LIKELY, "the machine type says how the machine is made"),
	/* Of a property that no row above knows: it excuses no upgrade. */
	RULE("ports|mmio|memory|pci|acpi|smbios|numa", "*", "option.machine", CAUSE_POSSIBLE, "a property of the machine"),
	RULE("*", "*", "option.readconfig", CAUSE_POSSIBLE, "the file can hold any option"),
	RULE("*", "*", ARGS_CPUS "|" ARGS_MEMORY "|" ARGS_DEVICES, CAUSE_NONE, NULL),
	RULE("*", "*", "option.args", CAUSE_POSSIBLE, "the VMM was started another way"),
	RULE("*", "*", DEVICES "|" FW_CFG_MAKERS "|option.machine|option.bios|option.pflash|option.L|option.global|option.set|option.debugcon|"
	     "option.overcommit|option.icount|option.no-acpi|option.no-hpet|option.g|option.mtdblock|option.win2k-hack|option.rtc-td-hack|"
	     "option.localtime|option.startdate|option.semihosting|option.old-param|option.prom-env|option.bt|option.xen-domid|option.virtfs_synth",
	     CAUSE_NONE, NULL),
	RULE("*", "*", "option.*", CAUSE_POSSIBLE, "an option that the guest may see"),
	RULE("*", "*", "abidrift", CAUSE_POSSIBLE, "another abidrift may see or read it otherwise"),
};
const size_t cause_rule_count = COUNT(cause_rules);

/* The first that fits. */
static const struct { const char *factor; enum factor_class class; } classes[] = {
	{ "vmm.kind|vmm.version|vmm.build_id|vmm.before", FACTOR_VMM },
	{ "machine|cpu|option.*", FACTOR_VISIBLE },
	{ "backend.*", FACTOR_BACKEND },
	{ "firmware.*", FACTOR_FIRMWARE },
	{ "kernel|kernel.version|kvm.*|host|host_cpu|host_cpu.*|microcode", FACTOR_HOST },
	{ "abidrift", FACTOR_OBSERVER },
};

enum factor_class factor_class_of(const char *factor)
{
	for (size_t i = 0; i < COUNT(classes); i++)
		if (glob_match(classes[i].factor, factor))
			return classes[i].class;
	return FACTOR_NONE;
}
