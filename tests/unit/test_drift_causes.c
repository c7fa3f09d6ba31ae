/* SPDX-License-Identifier: Apache-2.0 */
/* What a change is blamed on: each row of the table, what an option names, and that hostile options harm nobody. */
#include "tests/unit/sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "userspace/abi/context.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/verdict.h"

/* ---- each row of the table: take it away, and its case fails (tests/mutate does) */

struct row_case {
	const char *facet, *key, *from, *to; /* the change */
	const char *factor, *was, *is;       /* the only factor that differs */
	enum cause_strength strength;
	const char *why; /* a part of the sentence */
};

#define NONE CAUSE_NONE, ""
#define POSSIBLE CAUSE_POSSIBLE
#define LIKELY CAUSE_LIKELY
#define CERTAIN CAUSE_CERTAIN
/* Where the values do not matter. */
#define K(facet, key, factor, was, is, ...) { facet, key, "0x00000001", "0x00000002", factor, was, is, __VA_ARGS__ }
#define CLEAR "0x00000000"

static const struct row_case row_cases[] = {
	K("cpuid", "0x00000001.0.ecx", "kvm.kvm.halt_poll_ns", "0", "200000", NONE),
	K("pci", "0000:00:03.0/bar0", "option.machine", "dump-guest-core=off", NULL, NONE),
	K("acpi", "FACP/flags", "option.args", "--id a", "--id b", NONE),
	K("memory", "0x0000000000000000", "vmm.kind", "qemu", "firecracker", CERTAIN, "another VMM"),

	/* cpuid */
	K("cpuid", "0x00000001.0.ecx", "cpu", "qemu64", "qemu64,-cx16", CERTAIN, "-cpu says"),
	K("cpuid", "0x00000007.0.ebx", "option.global", NULL, "qemu64-x86_64-cpu.smap=off", CERTAIN, "-global sets a property of the CPU"),
	K("cpuid", "0x00000001.0.ecx", "option.args", "--cpus boot=1", "--cpus boot=2", CERTAIN, "how many CPUs of which kind"),
	K("cpuid", "0x0000000b.1.ebx", "option.smp", "1", "2", CERTAIN, "topology leaves"),
	K("cpuid", "0x00000006.0.eax/vcpu.3", "option.smp", "1", "4", LIKELY, "other vCPUs"),
	K("cpuid", "0x8000001e.0.ecx", "option.numa", "node", "node; node", LIKELY, "NUMA nodes"),
	K("cpuid", "0x00000004.3.edx", "option.machine", NULL, "smp-cache.0.cache=l3", CERTAIN, "who shares a cache"),
	K("cpuid", "0x40000001.0.eax", "option.machine", NULL, "kernel-irqchip=split", LIKELY, "timer and x2APIC"),
	K("cpuid", "0x8000001f.0.eax", "option.machine", NULL, "memory-encryption=sev0", LIKELY, "encrypted"),
	K("cpuid", "0x00000012.0.eax", "option.machine", NULL, "sgx-epc.0.memdev=m", CERTAIN, "enclaves"),
	K("cpuid", "0x00000005.0.ecx", "option.overcommit", NULL, "cpu-pm=on", LIKELY, "idle states"),
	{ "cpuid", "0x00000001.0.ecx", CLEAR, "0x00000020", "kvm.kvm_intel.nested", "N", "Y", CERTAIN, "with nested on" },
	K("cpuid", "0x8000000a.0.edx", "kvm.kvm_amd.vgif", "0", "1", LIKELY, "nested guests"),
	K("cpuid", "0x0000000a.0.eax", "kvm.kvm.enable_pmu", "N", "Y", CERTAIN, "performance counters"),
	K("cpuid", "0x00000014.0.ebx", "kvm.kvm_intel.pt_mode", "0", "1", CERTAIN, "processor trace"),
	K("cpuid", "0x80000008.0.eax", "kvm.kvm_intel.ept", "N", "Y", LIKELY, "address bits"),
	K("cpuid", "0x8000001f.0.eax", "kvm.kvm_amd.sev_es", "N", "Y", CERTAIN, "SEV"),
	{ "cpuid", "0x00000001.0.ecx", CLEAR, "0x00200000", "kvm.kvm_pvm.no_x2apic", "N", "Y", CERTAIN, "x2APIC" },
	K("cpuid", "0x80000003.0.eax", "kernel", "6.1", "6.12", NONE),
	K("cpuid", "0x00000015.0.ebx", "host", "a", "b", LIKELY, "clock rate"),
	K("cpuid", "0x00000007.0.edx", "microcode", "1", "2", LIKELY, "takes them away"),
	K("cpuid", "0x00000006.0.eax", "microcode", "1", "2", POSSIBLE, "microcode can change"),
	K("cpuid", "0x00000007.0.ebx", "host_cpu", "a", "b", LIKELY, "what this CPU can do"),
	K("cpuid", "0x00000007.0.ebx", "kernel", "6.1", "6.12", LIKELY, "KVM decides"),
	K("cpuid", "0x00000007.0.ebx", "vmm.version", "5.2", "7.2", LIKELY, "CPU models"),

	/* a guest that came from a VMM that nobody saw */
	K("acpi", "APIC/revision", "vmm.before", "not known", "not known, reset since", LIKELY, "came with the guest"),
	K("smbios", "type4.0/family", "vmm.before", "not known", NULL, LIKELY, "came with the guest"),
	K("numa", "node0/cpus", "vmm.before", "not known", NULL, LIKELY, "came with the guest"),
	K("firmware", "rom/0x00000000fffc0000", "vmm.before", "not known, reset since", NULL, LIKELY, "came with the guest"),

	/* msr */
	K("msr", "0x0000010a", "cpu", "a", "b", LIKELY, "follows the CPU model"),
	K("msr", "0x00000035", "option.smp", "1", "2", CERTAIN, "cores and threads"),
	{ "msr", "0x00000140/fault", NULL, "#GP", "kvm.kvm.ignore_msrs", "Y", "N", CERTAIN, "faults" },
	K("msr", "0x00000140", "kvm.kvm.ignore_msrs", "Y", "N", LIKELY, "answers zero"),
	K("msr", "0x00000345", "kvm.kvm.enable_pmu", "Y", "N", CERTAIN, "performance counters"),
	K("msr", "0x00000480", "kvm.kvm_intel.nested", "Y", "N", CERTAIN, "with nested on"),
	K("msr", "0x0000048b", "kvm.kvm_intel.vpid", "Y", "N", LIKELY, "promise to nested"),
	K("msr", "0x00000570", "kvm.kvm_intel.pt_mode", "0", "1", CERTAIN, "processor trace"),
	K("msr", "0x00000803", "option.machine", NULL, "kernel-irqchip=off", LIKELY, "interrupt controllers"),
	K("msr", "0x0000010a", "microcode", "1", "2", LIKELY, "tells of microcode"),
	K("msr", "0x000001a7", "microcode", "1", "2", POSSIBLE, "bring registers"),
	K("msr", "0x000000ce", "host_cpu", "a", "b", LIKELY, "this CPU's registers"),
	K("msr", "0x000000ce", "kernel", "6.1", "6.12", LIKELY, "KVM answers"),
	K("msr", "0x000000ce", "vmm.version", "5.2", "7.2", LIKELY, "makes a vCPU"),
	K("msr", "0x000000ce", "kvm.kvm.never_heard_of", "0", "1", POSSIBLE, "parameter of KVM"),
	K("cpuid", "0x00000006.0.eax", "backend.accel", "kvm", "kvm,x=y", POSSIBLE, "uses KVM"),
	K("msr", "0x000000ce", "host", "a", "b", POSSIBLE, "another host"),

	/* ports, mmio */
	K("ports", "0x0510.fw_cfg_file/opt/a", "option.fw_cfg", NULL, "name=opt/a,string=b", CERTAIN, "-fw_cfg names"),
	K("ports", "0x0510.fw_cfg_file/etc/x", "option.boot", NULL, "menu=on", LIKELY, "handed over in a file"),
	K("ports", "0x0510.fw_cfg_file/etc/x", "firmware./a", "1", "2", NONE),
	K("ports", "0x03f8/r8", "option.serial", "none", "present", CERTAIN, "serial line"),
	K("ports", "0x0379/r8", "option.parallel", "none", "present", CERTAIN, "parallel port"),
	K("ports", "0x0402/r8", "option.debugcon", NULL, "present", CERTAIN, "debug console"),
	K("ports", "0x5658/r32", "option.machine", NULL, "vmport=off", CERTAIN, "backdoor"),
	K("ports", "0x0064/r8", "option.machine", NULL, "i8042=off", CERTAIN, "keyboard controller"),
	K("ports", "0x0040/r8", "option.machine", NULL, "pit=off", CERTAIN, "timer's"),
	K("ports", "0x0021/r8", "option.machine", NULL, "pic=off", LIKELY, "interrupt controller's"),
	K("ports", "0x0a00/r32", "option.m", "1G", "1G,maxmem=2G,slots=2", CERTAIN, "plug memory"),
	K("mmio", "0x00000000fed40000/r32", "option.device", NULL, "tpm-tis,tpmdev=t", CERTAIN, "the page is the TPM's"),
	K("mmio", "0x00000000fed40000/r32", "backend.tpmdev", "emulator", "passthrough", LIKELY, "as its backend"),
	K("mmio", "0x00000000fed00000/r32", "option.no-hpet", NULL, "on", CERTAIN, "HPET's"),
	K("mmio", "0x00000000fed90000/r32", "option.device", NULL, "intel-iommu", CERTAIN, "IOMMU's"),
	K("mmio", "0x00000000fee00000.lapic_version", "backend.accel", "kvm", "kvm,kernel-irqchip=off", LIKELY, "an interrupt controller's"),
	K("mmio", "0x00000000fee00000.lapic_version", "kernel", "6.1", "6.12", LIKELY, "KVM emulates"),
	K("mmio", "0x00000000feb00000.virtio_mmio.features0", "backend.netdev", "user", "tap,vhost=on", LIKELY, "its backend can do"),
	K("ports", "0x0021/r8", "kernel", "6.1", "6.12", POSSIBLE, "timer and interrupt"),
	K("ports", "0x0608/r32", "firmware./a", "1", "2", LIKELY, "power management"),
	K("ports", "0x01f0/r8", "firmware./a", "1", "2", POSSIBLE, "firmware places devices"),
	K("ports", "0x0300/r8", "option.device", NULL, "ne2k_isa", LIKELY, "brings its ports"),
	K("mmio", "0x00000000fe000000/r32", "vmm.version", "5.2", "7.2", LIKELY, "emulates the devices"),

	/* memory */
	K("memory", "0x00000000fffc0000", "firmware./bios", "1", "2", CERTAIN, "ends at 4 GiB"),
	K("memory", "0x00000000fffc0000", "option.bios", NULL, "b.bin", CERTAIN, "image that is mapped"),
	K("memory", "0x00000000000c0000", "firmware./bios", "1", "2", LIKELY, "shadows"),
	K("memory", "0x0000000000000000", "firmware./bios", "1", "2", POSSIBLE, "below 1 MiB"),
	K("memory", "0x00000000000c0000", "option.option-rom", NULL, "x.rom", LIKELY, "copied there"),
	K("memory", "0x00000000fffc0000", "option.m", "1G", "2G", NONE),
	K("memory", "0x0000000000100000", "option.m", "1G", "2G", CERTAIN, "how much memory"),
	K("memory", "0x0000000000100000", "option.machine", NULL, "max-ram-below-4g=1G", CERTAIN, "lays memory out"),
	K("memory", "0x0000000140000000", "option.device", NULL, "pc-dimm,memdev=m", LIKELY, "is memory"),
	K("memory", "0x00000000fd000000", "option.vga", "std", "none", POSSIBLE, "video memory"),
	K("memory", "0x0000000140000000", "backend.object", "memory-backend-ram,id=m,size=1G", "memory-backend-ram,id=m,size=2G", LIKELY, "what backs it"),
	K("memory", "0x0000010000000000", "cpu", "EPYC", "EPYC,phys-bits=41", POSSIBLE, "reserved range"),
	K("memory", "0x00000000feffc000", "kernel", "6.1", "6.12", POSSIBLE, "pages of its own"),
	K("memory", "0x0000000100000000", "vmm.version", "5.2", "7.2", LIKELY, "lays memory out"),

	/* pci */
	K("pci", "0000:00:03.0/bar0", "option.device", "e1000,addr=3", "e1000,addr=3,romfile=", CERTAIN, "is this device"),
	K("pci", "0000:00:03.0/bar0", "option.device", NULL, "e1000", LIKELY, "moves those"),
	K("pci", "0000:00:03.0/bar0", "option.device", NULL, "e1000,addr=5", POSSIBLE, "elsewhere"),
	K("pci", "0000:00:03.0/bar0", "option.serial", "none", "present", POSSIBLE, "hardly ever"),
	K("pci", "0000:00:03.0/id", "option.args", "--disk path=a", "--disk path=b", LIKELY, "is about devices"),
	K("pci", "0000:00:03.0/bar0", "option.args", "--disk path=a", "--disk path=b", POSSIBLE, "sets up devices"),
	K("pci", "0000:00:03.0/rom", "option.global", NULL, "e1000.romfile=", POSSIBLE, "sets up devices"),
	K("pci", "0000:00:1f.2/id", "option.machine", NULL, "sata=off", CERTAIN, "SATA"),
	K("pci", "0000:00:1f.3/id", "option.machine", NULL, "smbus=off", CERTAIN, "SMBus"),
	K("pci", "0000:00:1d.0/id", "option.machine", NULL, "usb=on", LIKELY, "USB"),
	K("pci", "0000:00:03.0/cap.11@0x98.vectors", "option.smp", "1", "4", LIKELY, "every vCPU"),
	K("pci", "0000:00:03.0/cap.11@0x98.vectors", "backend.netdev", "tap", "tap,queues=4", LIKELY, "backend's queues"),
	K("pci", "0000:00:04.0/id", "backend.audio", NULL, "none,model=hda", LIKELY, "-audio"),
	K("pci", "0000:00:01.3/id", "option.no-acpi", NULL, "on", LIKELY, "power management"),
	K("pci", "0000:00:04.0/id", "firmware./bios", "1", "2", POSSIBLE, "hide functions"),
	K("pci", "0000:00:04.0/cap.10@0x40.link", "kernel", "6.1", "6.12", POSSIBLE, "VFIO"),
	K("pci", "0000:00:04.0/id", "host", "a", "b", POSSIBLE, "is the host's"),
	K("pci", "0000:00:04.0/revision", "vmm.version", "5.2", "7.2", LIKELY, "emulates"),

	/* acpi */
	K("acpi", "FACP/length", "option.no-acpi", NULL, "on", CERTAIN, "whether there are ACPI tables"),
	K("acpi", "FACP/oem_id", "option.machine", NULL, "x-oem-id=ABC", CERTAIN, "is the OEM id"),
	K("acpi", "RSDT/tables", "option.acpitable", NULL, "sig=SLIC", LIKELY, "SLIC"),
	K("acpi", "MSDM/body", "option.acpitable", NULL, "file=a", LIKELY, "adds a table"),
	K("acpi", "DSDT/oem_table_id", "option.device", NULL, "e1000", NONE),
	K("acpi", "FACP/oem_table_id", "machine", "pc-q35-5.2", "pc-q35-7.2", POSSIBLE, "hardly ever"),
	K("acpi", "APIC/lapic.3", "option.smp", "1", "4", CERTAIN, "lists the CPUs"),
	K("acpi", "APIC/ioapic.0", "backend.accel", "kvm", "kvm,kernel-irqchip=off", POSSIBLE, "interrupt controllers"),
	K("acpi", "SLIT/localities", "option.numa", "node", "node; node", CERTAIN, "made from -numa"),
	K("acpi", "SRAT/memory.0x100000", "option.m", "1G", "2G", CERTAIN, "which memory and which CPUs"),
	K("acpi", "NFIT/length", "option.device", NULL, "virtio-pmem-pci,memdev=m", LIKELY, "tells of memory devices"),
	K("acpi", "SRAT/memory.0x100000", "backend.object", NULL, "memory-backend-ram,id=m,size=1G", LIKELY, "node's memory"),
	K("acpi", "HMAT/body", "option.machine", NULL, "hmat=on", CERTAIN, "switches the table on"),
	K("acpi", "HPET/address", "option.no-hpet", NULL, "on", CERTAIN, "is the HPET's"),
	K("acpi", "MCFG/0000", "firmware./bios", "1", "2", LIKELY, "configuration window"),
	K("acpi", "BGRT/body", "firmware./bios", "1", "2", LIKELY, "makes this table"),
	K("acpi", "DMAR/body", "option.device", NULL, "intel-iommu,intremap=on", CERTAIN, "IOMMU's"),
	K("acpi", "TPM2/body", "option.device", NULL, "tpm-crb", CERTAIN, "table is the TPM's"),
	K("acpi", "TCPA/body", "backend.tpmdev", "a", "b", LIKELY, "version that its backend"),
	K("acpi", "NFIT/body", "option.machine", NULL, "nvdimm=on", CERTAIN, "NVDIMMs"),
	K("acpi", "ERST/body", "option.device", NULL, "acpi-erst", CERTAIN, "error records"),
	K("acpi", "CEDT/body", "option.machine", NULL, "cxl=on", CERTAIN, "made for CXL"),
	K("acpi", "DSDT/_SB.PCI0.SF8.COM1", "option.serial", "none", "present", CERTAIN, "serial line"),
	K("acpi", "DSDT/_SB.PCI0.SF8.LPT1", "option.parallel", "none", "present", CERTAIN, "parallel port"),
	K("acpi", "SSDT.0/_SB.VGEN", "option.device", NULL, "vmgenid", CERTAIN, "generation id"),
	K("acpi", "DSDT/_SB.PCI0.ISA.PEVT", "option.device", NULL, "pvpanic", CERTAIN, "panic device"),
	K("acpi", "FACP/boot_arch", "option.machine", NULL, "i8042=off", CERTAIN, "keyboard controller"),
	K("acpi", "DSDT/_SB.CPUS.C003", "option.smp", "1", "4", CERTAIN, "it lists the CPUs"),
	K("acpi", "DSDT/_SB.MHPC.MP00", "option.m", "1G", "1G,slots=1,maxmem=2G", CERTAIN, "where memory is plugged"),
	K("acpi", "DSDT/_SB.PC10._PXM", "option.numa", "node", "node; node", CERTAIN, "of which node"),
	K("acpi", "DSDT/body", "option.smp", "1", "4", LIKELY, "what can be plugged"),
	K("acpi", "FACP/flags", "option.smp", "1", "16", LIKELY, "cluster model"),
	K("acpi", "FACP/flags", "option.global", NULL, "ICH9-LPC.disable_s3=1", LIKELY, "sleep states"),
	K("acpi", "DSDT/_SB.PCI0.S18", "option.device", NULL, "e1000", LIKELY, "slots are described"),
	K("acpi", "RSDT/tables", "option.numa", "node", "node; node", LIKELY, "changes the list"),
	K("acpi", "IVRS/body", "option.device", NULL, "e1000", LIKELY, "names devices"),
	K("acpi", "FACP/flags", "firmware./bios", "1", "2", POSSIBLE, "installs"),
	K("acpi", "FACP/oem_table_id", "vmm.version", "5.2", "7.2", LIKELY, "writes the ACPI tables"),

	/* smbios, identity */
	K("smbios", "type1.0/version", "option.smbios", NULL, "type=1,version=9", CERTAIN, "of this type"),
	K("smbios", "type8.0/body", "option.smbios", NULL, "file=/a", LIKELY, "any type"),
	K("identity", "uuid", "option.uuid", "a", "b", CERTAIN, "is the UUID"),
	K("identity", "type11.0/string.1", "option.args", "--platform a", "--platform b", CERTAIN, "calls itself"),
	K("smbios", "type0.0/version", "firmware./bios", "1", "2", CERTAIN, "tells of itself"),
	K("smbios", "type0.0/version", "option.bios", "a", "b", CERTAIN, "names the firmware"),
	K("smbios", "entry_point", "option.machine", NULL, "smbios-entry-point-type=64", CERTAIN, "form of the entry point"),
	K("smbios", "entry_point", "firmware./bios", "1", "2", LIKELY, "into memory"),
	K("smbios", "type4.0/core_count", "option.smp", "1", "2", CERTAIN, "sockets, cores"),
	K("smbios", "type4.0/processor_id", "cpu", "a", "b", CERTAIN, "what CPUID answers"),
	K("smbios", "type4.0/processor_id", "host_cpu", "a", "b", POSSIBLE, "what CPUID answers"),
	K("smbios", "type17.0/size", "option.m", "1G", "2G", CERTAIN, "tells of memory"),
	K("smbios", "type17.0/size", "option.device", NULL, "pc-dimm,memdev=m", LIKELY, "tells of memory"),
	K("smbios", "type38.0/body", "option.device", NULL, "isa-ipmi-kcs", CERTAIN, "management controller"),
	K("smbios", "type9.0/slot", "option.device", NULL, "pcie-root-port,id=r", LIKELY, "where devices are"),
	K("smbios", "type32.0/status", "firmware./bios", "1", "2", POSSIBLE, "mend structures"),
	K("smbios", "type3.0/manufacturer", "vmm.version", "5.2", "7.2", LIKELY, "what no option says"),
	K("identity", "mac/0000:00:03.0", "option.device", "e1000,addr=3,mac=a", "e1000,addr=3,mac=b", CERTAIN, "is this device"),
	K("identity", "mac/0000:00:03.0", "option.nic", "model=e1000", "model=e1000,mac=b", LIKELY, "their addresses"),
	K("identity", "mac/0000:00:03.0", "machine", "pc", "q35", POSSIBLE, "sit elsewhere"),
	K("identity", "type1.0/serial", "firmware./bios", "1", "2", POSSIBLE, "firmware can fill in"),
	K("identity", "type1.0/serial", "vmm.version", "5.2", "7.2", POSSIBLE, "the VMM fills in"),

	/* numa */
	K("numa", "distance/0/1", "option.numa", "node; node", "node; node; dist,src=0,dst=1,val=30", CERTAIN, "makes the nodes"),
	K("numa", "node0/memory", "option.m", "1G", "2G", CERTAIN, "how much memory"),
	K("numa", "node0/memory", "backend.object", NULL, "memory-backend-ram,id=m", LIKELY, "of that size"),
	K("numa", "topology/processors", "option.smp", "1", "2", CERTAIN, "how many CPUs"),
	K("numa", "topology/processors", "option.device", NULL, "qemu64-x86_64-cpu,socket-id=1", CERTAIN, "is a CPU"),
	K("numa", "node0/initiators", "option.device", NULL, "acpi-generic-initiator,node=0", LIKELY, "by itself"),
	K("numa", "topology/threads_per_core", "cpu", "EPYC", "EPYC,-topoext", LIKELY, "share a socket"),
	K("numa", "topology/threads_per_core", "host_cpu", "a", "b", POSSIBLE, "host's topology"),
	K("numa", "topology/sockets", "vmm.version", "5.2", "7.2", LIKELY, "describes nodes"),

	/* firmware */
	K("firmware", "rom/0x00000000fffc0000", "firmware./bios", "1", "2", CERTAIN, "is another one"),
	K("firmware", "rom/0x00000000fffc0000", "option.bios", NULL, "b.bin", CERTAIN, "names the image"),
	K("firmware", "rom/0x00000000fffc0000", "backend.drive", "if=pflash,file=a", "if=pflash,file=b", POSSIBLE, "flash device"),
	K("firmware", "rom/0000:00:02.0", "option.global", NULL, "e1000.romfile=a", LIKELY, "option ROM"),
	K("firmware", "rom/0x00000000fffc0000", "vmm.version", "5.2", "7.2", LIKELY, "default firmware"),

	/* the rest */
	K("smbios", "type1.0/product_name", "machine", "pc", "q35", LIKELY, "how the machine is made"),
	K("pci", "0000:00:1f.2/id", "option.machine", NULL, "vmport=off", POSSIBLE, "property of the machine"),
	K("acpi", "FACP/flags", "option.readconfig", NULL, "/a", POSSIBLE, "any option"),
	K("cpuid", "0x00000001.0.ecx", "option.args", NULL, "--net tap=a", NONE),
	K("cpuid", "0x00000001.0.ecx", "option.args", NULL, "--config-file a", POSSIBLE, "started another way"),
	K("cpuid", "0x00000001.0.ecx", "option.device", NULL, "e1000", NONE),
	K("cpuid", "0x00000001.0.ecx", "option.never-heard-of", NULL, "on", POSSIBLE, "the guest may see"),
	K("numa", "distance/0/1", "abidrift", "0.1", "0.2", POSSIBLE, "another abidrift"),
};

static char *as_is(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* Its first cause; NULL: none. What it points to lives in the change. */
static void check_row(const struct row_case *row)
{
	const struct facet *facet = facet_find(row->facet);
	struct drift_change change = { .key = as_is(row->key), .from = as_is(row->from), .to = as_is(row->to) };
	struct drift_factor factor = { .factor = as_is(row->factor), .from = as_is(row->was), .to = as_is(row->is) };
	struct drift d = { .changes = &change, .change_count = 1, .context = &factor, .context_count = 1 };
	enum cause_strength strength;

	assert_non_null(facet);
	change.facet = facet->id;
	change.kind = row->from ? CHANGE_CHANGED : CHANGE_GAINED;
	if (facet->fields)
		assert_int_equal(facet->fields(row->key, row->from, row->to, &change.fields), 0);
	assert_int_equal(causes_find(&d, &change), 0);
	strength = change.cause_count ? change.causes[0].strength : CAUSE_NONE;
	if (strength != row->strength || (strength != CAUSE_NONE && !strstr(change.causes[0].why, row->why)))
		fail_msg("%s %s by %s: strength %d (\"%s\"), not %d (\"%s\")", row->facet, row->key, row->factor, strength,
			 change.cause_count ? change.causes[0].why : "", row->strength, row->why);
	for (size_t i = 0; i < change.cause_count; i++) {
		free(change.causes[i].factor);
		free(change.causes[i].from);
		free(change.causes[i].to);
	}
	free(change.causes);
	abi_fields_release(&change.fields);
}

/* Without it: a rule could go, or never fit, and an operator would be told of the wrong culprit. */
static void test_every_row_explains_something(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(row_cases) / sizeof(row_cases[0]); i++)
		check_row(&row_cases[i]);
}

/* ---- whole drifts: what is said of each change */

/* "FACET KEY: FACTOR STRENGTH [FROM > TO], …" for each change, its causes as they stand. */
static char *explained(const char *from, const char *to, const char *from_context, const char *to_context)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	struct context ca = CONTEXT_INIT, cb = CONTEXT_INIT;
	struct drift d = DRIFT_INIT;
	struct buffer text = BUFFER_INIT;
	struct causes *causes;

	side_make(from, &a);
	side_make(to, &b);
	assert_int_equal(context_parse(from_context, strlen(from_context), &ca), 0);
	assert_int_equal(context_parse(to_context, strlen(to_context), &cb), 0);
	assert_int_equal(drift_compare(&a, &ca, &b, &cb, &options, &d), 0);
	assert_int_equal(causes_prepare(&d, &causes), 0);
	causes_firmware_stays(causes, &b);
	for (size_t i = 0; i < d.change_count; i++) {
		struct drift_change *c = &d.changes[i];

		assert_int_equal(causes_fill(causes, c), 0);
		buffer_printf(&text, "%s %s:", facet_get(c->facet)->name, c->key);
		for (size_t k = 0; k < c->cause_count; k++)
			buffer_printf(&text, " %s %s [%s > %s]", c->causes[k].factor,
				      c->causes[k].strength == CERTAIN ? "certain" : c->causes[k].strength == LIKELY ? "likely" : "possible",
				      c->causes[k].from ? c->causes[k].from : "-", c->causes[k].to ? c->causes[k].to : "-");
		buffer_string(&text, "\n");
	}
	causes_free(causes);
	drift_release(&d);
	context_release(&ca);
	context_release(&cb);
	entries_release(&a);
	entries_release(&b);
	return buffer_take(&text, NULL);
}

static void expect(const char *from, const char *to, const char *from_context, const char *to_context, const char *expected)
{
	char *text = explained(from, to, from_context, to_context);

	assert_string_equal(text, expected);
	free(text);
}

#define ACPI "# coverage acpi complete\n"
#define PCI "# coverage pci complete\n"
#define CPUID "# coverage cpuid complete\n"
#define SMBIOS "# coverage smbios complete\n"
#define FIRMWARE "# coverage firmware complete\n"

/* Without it: an upgrade of QEMU, which brings new firmware along, would be blamed on the wrong one of the two. */
static void test_an_upgrade_and_its_firmware_are_told_apart(void **state)
{
	(void)state;
	expect(ACPI "# coverage memory complete\n" FIRMWARE SMBIOS "acpi FACP/oem_table_id BXPCFACP\nfirmware rom/0x00000000fffc0000 size=1 sha256=a\n"
	       "memory 0x00000000000c0000 size=0x20000\nsmbios type0.0/version 1\nsmbios type1.0/version a\n",
	       ACPI "# coverage memory complete\n" FIRMWARE SMBIOS "acpi FACP/oem_table_id BXPC\nfirmware rom/0x00000000fffc0000 size=1 sha256=b\n"
	       "memory 0x00000000000c0000 size=0x40000\nsmbios type0.0/version 2\nsmbios type1.0/version b\n",
	       "firmware./bios 1 a\nvmm.build_id x\nvmm.path /a\nvmm.version 5.2\n", "firmware./bios 1 b\nvmm.build_id y\nvmm.path /b\nvmm.version 7.2\n",
	       "memory 0x00000000000c0000: firmware./bios likely [1 a > 1 b] vmm.version likely [5.2 > 7.2]\n"
	       "acpi FACP/oem_table_id: vmm.version likely [5.2 > 7.2] firmware./bios possible [1 a > 1 b]\n"
	       "smbios type0.0/version: firmware./bios certain [1 a > 1 b]\n"
	       "smbios type1.0/version: vmm.version likely [5.2 > 7.2] firmware./bios possible [1 a > 1 b]\n"
	       "firmware rom/0x00000000fffc0000: firmware./bios certain [1 a > 1 b]\n");
}

/* Without it: a guest that was migrated and then reset has its old firmware, and the new host's would be blamed. */
static void test_firmware_that_stayed_in_memory_explains_nothing(void **state)
{
	static const char context[] = "firmware./bios 1 a\nvmm.version 5.2\n", now[] = "firmware./bios 1 b\nvmm.version 7.2\n";
	static const char before[] = ACPI FIRMWARE "acpi FACP/oem_table_id BXPCFACP\nfirmware rom/0x00000000fffc0000 size=1 sha256=a\n";
	static const char both[] = "acpi FACP/oem_table_id: vmm.version likely [5.2 > 7.2] firmware./bios possible [1 a > 1 b]\n";

	(void)state;
	expect(before, ACPI FIRMWARE "acpi FACP/oem_table_id BXPC\nfirmware rom/0x00000000fffc0000 size=1 sha256=a\n", context, now,
	       "acpi FACP/oem_table_id: vmm.version likely [5.2 > 7.2]\n");
	/* An image of which nothing is known, or that only begins alike, shows nothing. */
	expect(ACPI "acpi FACP/oem_table_id BXPCFACP\n", ACPI "acpi FACP/oem_table_id BXPC\n", context, now, both);
	expect(FIRMWARE ACPI "acpi FACP/oem_table_id BXPCFACP\nfirmware rom/0x00000000fffc0000 size=1 sha256=ab\n",
	       FIRMWARE ACPI "acpi FACP/oem_table_id BXPC\nfirmware rom/0x00000000fffc0000 size=1 sha256=ab\n", context, now, both);
	expect(FIRMWARE ACPI "acpi FACP/oem_table_id BXPCFACP\nfirmware other size=1 sha256=a\n",
	       FIRMWARE ACPI "acpi FACP/oem_table_id BXPC\nfirmware other size=1 sha256=a\n", context, now, both);
}

/* Without it: whoever adds a NUMA node is told that nothing explains the new table's header. */
static void test_a_table_that_came_is_explained_down_to_its_header(void **state)
{
	(void)state;
	expect(ACPI, ACPI "acpi SRAT/creator_id BXPC\nacpi SRAT/oem_id BOCHS\nacpi SRAT/revision 1\n", "option.m 128\n", "option.m 128\noption.numa node\n",
	       "acpi SRAT/creator_id: option.numa certain [- > node]\nacpi SRAT/oem_id: option.numa certain [- > node]\n"
	       "acpi SRAT/revision: option.numa certain [- > node]\n");
	/* One that was there before has got no other maker by it. */
	expect(ACPI "acpi SRAT/oem_id BOCHS\n", ACPI "acpi SRAT/oem_id ACME\n", "option.m 128\n", "option.m 128\noption.numa node\n", "acpi SRAT/oem_id:\n");
}

/* Without it: a swap of firmware by -bios would be told as two causes. */
static void test_firmware_swapped_alone_is_named_and_nothing_else(void **state)
{
	const char *from = FIRMWARE SMBIOS "firmware rom/0x00000000fffc0000 size=1 sha256=a\nsmbios type0.0/version 1\n";
	const char *to = FIRMWARE SMBIOS "firmware rom/0x00000000fffc0000 size=1 sha256=b\nsmbios type0.0/version 2\n";

	(void)state;
	expect(from, to, "firmware./a 1 a\noption.bios /a\n", "firmware./b 1 b\noption.bios /b\n",
	       "smbios type0.0/version: firmware./a certain [1 a > -] firmware./b certain [- > 1 b]\n"
	       "firmware rom/0x00000000fffc0000: firmware./a certain [1 a > -] firmware./b certain [- > 1 b]\n");
	/* Where the image could not be read, the option is all that tells. */
	expect(from, to, "option.bios /a\n", "option.bios /b\n",
	       "smbios type0.0/version: option.bios certain [/a > /b]\nfirmware rom/0x00000000fffc0000: option.bios certain [/a > /b]\n");
	/* A kernel's or CPU's details are not a second cause beside its name. */
	expect(CPUID "cpuid 0x00000006.0.eax 0x00000004\n", CPUID "cpuid 0x00000006.0.eax 0x00000005\n",
	       "host_cpu a\nhost_cpu.signature 1\nkernel 6.1\nkernel.version #1\n", "host_cpu b\nhost_cpu.signature 2\nkernel 6.12\nkernel.version #2\n",
	       "cpuid 0x00000006.0.eax: host_cpu likely [a > b] kernel likely [6.1 > 6.12]\n");
	expect(CPUID "cpuid 0x00000006.0.eax 0x00000004\n", CPUID "cpuid 0x00000006.0.eax 0x00000005\n", "kernel.version #1\nvmm.build_id a\n",
	       "kernel.version #2\nvmm.build_id b\n", "cpuid 0x00000006.0.eax: vmm.build_id likely [a > b] kernel.version likely [#1 > #2]\n");
}

/* Without it: what VMM, kernel and CPU did in one night would be told in no order, and the weakest suspect could come first. */
static void test_the_best_cause_comes_first(void **state)
{
	const char *from = CPUID "cpuid 0x00000007.0.ebx 0x00000001\n", *to = CPUID "cpuid 0x00000007.0.ebx 0x00000003\n";

	(void)state;
	expect(from, to, "abidrift 1\nbackend.accel kvm\nhost a\nhost_cpu a\nkernel 1\nmachine pc-q35-5.2\nmicrocode 1\nvmm.version 5\n",
	       "abidrift 2\nbackend.accel kvm,x=y\nhost b\nhost_cpu b\nkernel 2\nmachine pc-q35-7.2\nmicrocode 2\nvmm.version 7\n",
	       "cpuid 0x00000007.0.ebx: machine likely [pc-q35-5.2 > pc-q35-7.2] host_cpu likely [a > b] "
	       "kernel likely [1 > 2] microcode likely [1 > 2] vmm.version likely [5 > 7] host possible [a > b] backend.accel possible [kvm > kvm,x=y] abidrift possible [1 > 2]\n");
	/* Beside what names it nothing else is told. */
	expect(from, to, "cpu a\nkernel 1\nvmm.version 5\n", "cpu b\nkernel 2\nvmm.version 7\n", "cpuid 0x00000007.0.ebx: cpu certain [a > b]\n");
	/* A new QEMU may give another CPU where nothing holds it to the old one: with an alias it is asked before the kernel. */
	expect(from, to, "kernel 1\nmachine pc-q35-5.2\nvmm.version 5\n", "kernel 2\nmachine pc-q35-5.2\nvmm.version 7\n",
	       "cpuid 0x00000007.0.ebx: kernel likely [1 > 2] vmm.version likely [5 > 7]\n");
	expect(from, to, "kernel 1\nmachine pc-q35-rhel9.2.0\nvmm.version 5\n", "kernel 2\nmachine pc-q35-rhel9.2.0\nvmm.version 7\n",
	       "cpuid 0x00000007.0.ebx: kernel likely [1 > 2] vmm.version likely [5 > 7]\n");
	expect(from, to, "kernel 1\nmachine pc-q35-jammy\nvmm.version 5\n", "kernel 2\nmachine pc-q35-jammy\nvmm.version 7\n",
	       "cpuid 0x00000007.0.ebx: kernel likely [1 > 2] vmm.version likely [5 > 7]\n");
	expect(from, to, "kernel 1\nmachine q35\nvmm.version 5\n", "kernel 2\nmachine q35\nvmm.version 7\n",
	       "cpuid 0x00000007.0.ebx: vmm.version likely [5 > 7] kernel likely [1 > 2]\n");
	/* Nor is it the kernel that is asked first why a leaf came, or one of KVM's own features. */
	expect(CPUID, CPUID "cpuid 0x80000007.0.edx 0x00000100\n", "kernel 1\nmachine pc-q35-5.2\nvmm.version 5\n", "kernel 2\nmachine pc-q35-5.2\nvmm.version 7\n",
	       "cpuid 0x80000007.0.edx: vmm.version likely [5 > 7] kernel likely [1 > 2]\n");
	expect(CPUID "cpuid 0x40000001.0.eax 0x01007afb\n", CPUID "cpuid 0x40000001.0.eax 0x01007efb\n", "kernel 1\nmachine pc-q35-5.2\nvmm.version 5\n",
	       "kernel 2\nmachine pc-q35-5.2\nvmm.version 7\n", "cpuid 0x40000001.0.eax: vmm.version likely [5 > 7] kernel likely [1 > 2]\n");
	/* Where and who moves nothing. */
	expect(from, to, "kernel.installed 1\nvmm.path /a\n", "kernel.installed 2\nvmm.path /b\nvmm.replaced 1\n", "cpuid 0x00000007.0.ebx:\n");
}

/* Without it: an operator would look for who set a parameter that nobody set. */
static void test_a_parameter_that_came_with_the_kernel_is_no_cause(void **state)
{
	const char *from = CPUID "cpuid 0x8000000a.0.edx 0x10000021\n", *to = CPUID "cpuid 0x8000000a.0.edx 0x10000061\n";

	(void)state;
	expect(from, to, "kernel 6.1\nkvm.kvm_amd.lbrv 1\n", "kernel 6.12\nkvm.kvm_amd.vnmi N\n", "cpuid 0x8000000a.0.edx: kernel likely [6.1 > 6.12]\n");
	expect(from, to, "host_cpu.vendor a\nkvm.kvm_intel.ept Y\n", "host_cpu.vendor b\nkvm.kvm_amd.npt Y\n", "cpuid 0x8000000a.0.edx: host_cpu.vendor likely [a > b]\n");
	/* One that both kernels know may have been set. */
	expect(from, to, "kernel 6.1\nkvm.kvm_amd.vgif 0\n", "kernel 6.12\nkvm.kvm_amd.vgif 1\n",
	       "cpuid 0x8000000a.0.edx: kernel likely [6.1 > 6.12] kvm.kvm_amd.vgif likely [0 > 1]\n");
	/* Set in the same night: what nothing else does is its work. */
	expect(CPUID "cpuid 0x0000000a.0.eax 0x07300402\n", CPUID, "kernel 5.10\n", "kernel 6.1\nkvm.kvm.enable_pmu N\n",
	       "cpuid 0x0000000a.0.eax: kvm.kvm.enable_pmu certain [- > N]\n");
	/* Nor did a kernel bring it where it is the same. */
	expect(from, to, "", "kvm.kvm_amd.vnmi N\n", "cpuid 0x8000000a.0.edx: kvm.kvm_amd.vnmi likely [- > N]\n");
}

/* Without it: an added CPU would excuse an instruction that was lost in the same register. */
static void test_a_field_speaks_for_itself_only(void **state)
{
	(void)state;
	expect(CPUID "cpuid 0x00000001.0.edx 0x00000001\n", CPUID "cpuid 0x00000001.0.edx 0x10000001\n", "kernel 1\noption.smp 1\n",
	       "kernel 2\noption.smp 2\n", "cpuid 0x00000001.0.edx: option.smp certain [1 > 2]\n");
	expect(CPUID "cpuid 0x00000001.0.edx 0x06000001\n", CPUID "cpuid 0x00000001.0.edx 0x10000001\n", "kernel 1\noption.smp 1\n",
	       "kernel 2\noption.smp 2\n", "cpuid 0x00000001.0.edx: option.smp likely [1 > 2] kernel likely [1 > 2]\n");
}

#define FUNCTION(path, id) "pci " path "/class 020000\npci " path "/id " id "\n"
#define NIC FUNCTION("0000:00:03.0", "8086:100e")

/* Without it: a device that was added would be blamed on whatever else changed, or excuse what happened elsewhere. */
static void test_a_device_is_found_by_its_address_or_kind(void **state)
{
	(void)state;
	/* The slot that is given, plain and as libvirt writes it. */
	expect(PCI, PCI NIC, "machine pc\n", "machine q35\noption.device edu; e1000,id=n,addr=0x3\n",
	       "pci 0000:00:03.0/class: option.device certain [- > e1000,id=n,addr=0x3]\n"
	       "pci 0000:00:03.0/id: option.device certain [- > e1000,id=n,addr=0x3]\n");
	expect(PCI, PCI NIC, "kernel 1\n", "kernel 2\noption.device {\"driver\":\"e1000\",\"id\":\"n\",\"bus\":\"pcie.0\",\"addr\":\"0x3\"}\n",
	       "pci 0000:00:03.0/class: option.device certain [- > {\"driver\":\"e1000\",\"id\":\"n\",\"bus\":\"pcie.0\",\"addr\":\"0x3\"}]\n"
	       "pci 0000:00:03.0/id: option.device certain [- > {\"driver\":\"e1000\",\"id\":\"n\",\"bus\":\"pcie.0\",\"addr\":\"0x3\"}]\n");
	/* Behind a port, by its name. */
	expect(PCI, PCI FUNCTION("0000:00:04.0/00.0", "1b36:0010"), "option.device pcie-root-port,id=r,bus=pcie.0,addr=4.0\n",
	       "option.device pcie-root-port,id=r,bus=pcie.0,addr=4.0; nvme,bus=r\n",
	       "pci 0000:00:04.0/00.0/class: option.device certain [- > nvme,bus=r]\npci 0000:00:04.0/00.0/id: option.device certain [- > nvme,bus=r]\n");
	/* No address: by what it is; a device that it shifted is moved by it, and none is what it is not. */
	expect(PCI NIC, PCI FUNCTION("0000:00:03.0", "10ec:8139") FUNCTION("0000:00:04.0", "8086:100e"), "option.device e1000\n",
	       "option.device rtl8139; e1000\n",
	       "pci 0000:00:03.0/id: option.device certain [- > rtl8139]\npci 0000:00:04.0/class: option.device likely [- > rtl8139]\n"
	       "pci 0000:00:04.0/id: option.device likely [- > rtl8139]\n");
	/* The same devices in another order. */
	expect(PCI NIC, PCI FUNCTION("0000:00:03.0", "10ec:8139"), "option.device e1000; rtl8139\n", "option.device rtl8139; e1000\n",
	       "pci 0000:00:03.0/id: option.device likely [e1000; rtl8139 > rtl8139; e1000]\n");
	/* A device elsewhere does not excuse what happened to this one. */
	expect(PCI NIC "pci 0000:00:03.0/bar0 mem32 size=0x20000\n", PCI NIC "pci 0000:00:03.0/bar0 mem32 size=0x10000\n",
	       "option.device e1000\nvmm.version 5\n", "option.device e1000; rtl8139,addr=9\nvmm.version 7\n",
	       "pci 0000:00:03.0/bar0: vmm.version likely [5 > 7] option.device possible [- > rtl8139,addr=9]\n");
	/* By the model of a NIC, and by the name of a display. */
	expect(PCI, PCI NIC, "option.nic none\n", "option.nic model=e1000\n",
	       "pci 0000:00:03.0/class: option.nic certain [none > model=e1000]\npci 0000:00:03.0/id: option.nic certain [none > model=e1000]\n");
	expect(PCI, PCI FUNCTION("0000:00:01.0", "1234:1111"), "option.vga none\n", "option.vga std\n",
	       "pci 0000:00:01.0/class: option.vga certain [none > std]\npci 0000:00:01.0/id: option.vga certain [none > std]\n");
}

/* Without it: the cause would be a list of forty devices, in which an operator must look for the one that changed. */
static void test_only_what_differs_is_told(void **state)
{
	(void)state;
	/* A property that was changed: the old and the new, at the function that it is and at the one that it was. */
	expect(PCI NIC, PCI FUNCTION("0000:00:05.0", "8086:100e"), "option.device edu; e1000,addr=3; nvme,addr=7\n",
	       "option.device edu; e1000,addr=5; nvme,addr=7\n",
	       "pci 0000:00:03.0/class: option.device certain [e1000,addr=3 > e1000,addr=5]\n"
	       "pci 0000:00:03.0/id: option.device certain [e1000,addr=3 > e1000,addr=5]\n"
	       "pci 0000:00:05.0/class: option.device certain [e1000,addr=3 > e1000,addr=5]\n"
	       "pci 0000:00:05.0/id: option.device certain [e1000,addr=3 > e1000,addr=5]\n");
	/* Properties of the machine, and of them only those that can have done it. */
	expect(ACPI "acpi HPET/flags 0x00\n", ACPI, "option.machine smm=off,hpet=on,vmport=off\n", "option.machine smm=off,hpet=off,vmport=on\n",
	       "acpi HPET/flags: option.machine certain [hpet=on > hpet=off]\n");
	/* Structures of one type. */
	expect(SMBIOS "smbios type1.0/version a\nsmbios type2.0/version a\nsmbios type11.0/count 1\n",
	       SMBIOS "smbios type1.0/version b\nsmbios type2.0/version b\nsmbios type11.0/count 2\n",
	       "option.smbios type=1,version=a; type=11,value=x\n", "option.smbios type=1,version=b; type=11,value=x; type=11,value=y\n",
	       "smbios type1.0/version: option.smbios certain [type=1,version=a > type=1,version=b]\n"
	       "smbios type11.0/count: option.smbios certain [- > type=11,value=y]\nsmbios type2.0/version:\n");
	/* Another VMM's options, one by one. */
	expect(CPUID "cpuid 0x0000000b.1.ebx 0x00000001\n", CPUID "cpuid 0x0000000b.1.ebx 0x00000002\n",
	       "option.args --id a --cpus boot=1 --memory size=1G\n", "option.args --id b --cpus boot=2 --memory size=1G\n",
	       "cpuid 0x0000000b.1.ebx: option.args certain [--cpus boot=1 > --cpus boot=2]\n");
}

/* Without it: an upgrade of the VMM that took a device away would pass as intended, for an option that has nothing to do with it. */
static void test_an_unrelated_option_excuses_no_upgrade(void **state)
{
	const char *from = ACPI PCI SMBIOS "# coverage memory complete\nmemory 0x00000000d0000000 size=0x1000 ram\nacpi FACP/boot_arch 0x0002\n"
			   NIC "smbios type1.0/product_name a\n";
	const char *to = ACPI PCI SMBIOS "# coverage memory complete\nacpi FACP/boot_arch 0x0000\nsmbios type1.0/product_name b\n";

	(void)state;
	expect(from, to, "vmm.version 5\n", "vmm.version 7\noption.machine vmport=off\n",
	       "memory 0x00000000d0000000: vmm.version likely [5 > 7] option.machine possible [- > vmport=off]\n"
	       "pci 0000:00:03.0/class: vmm.version likely [5 > 7] option.machine possible [- > vmport=off]\n"
	       "pci 0000:00:03.0/id: vmm.version likely [5 > 7] option.machine possible [- > vmport=off]\n"
	       "acpi FACP/boot_arch: vmm.version likely [5 > 7] option.machine possible [- > vmport=off]\n"
	       "smbios type1.0/product_name: vmm.version likely [5 > 7] option.machine possible [- > vmport=off]\n");
	expect(PCI NIC, PCI, "vmm.version 5\n", "vmm.version 7\noption.global ICH9-LPC.disable_s3=1\n",
	       "pci 0000:00:03.0/class: vmm.version likely [5 > 7] option.global possible [- > ICH9-LPC.disable_s3=1]\n"
	       "pci 0000:00:03.0/id: vmm.version likely [5 > 7] option.global possible [- > ICH9-LPC.disable_s3=1]\n");
	/* A device that was added at its own place took no other's; one that came without a place may have. */
	expect(PCI NIC, PCI, "vmm.version 5\n", "vmm.version 7\noption.device virtio-rng-pci,addr=9\n",
	       "pci 0000:00:03.0/class: vmm.version likely [5 > 7] option.device possible [- > virtio-rng-pci,addr=9]\n"
	       "pci 0000:00:03.0/id: vmm.version likely [5 > 7] option.device possible [- > virtio-rng-pci,addr=9]\n");
	expect(PCI NIC, PCI, "vmm.version 5\n", "vmm.version 7\noption.device virtio-rng-pci\n",
	       "pci 0000:00:03.0/class: option.device likely [- > virtio-rng-pci] vmm.version likely [5 > 7]\n"
	       "pci 0000:00:03.0/id: option.device likely [- > virtio-rng-pci] vmm.version likely [5 > 7]\n");
	/* With nothing else it is all that can have done it. */
	expect(PCI NIC, PCI, "kernel.installed 1\n", "kernel.installed 1\noption.machine vmport=off\n",
	       "pci 0000:00:03.0/class: option.machine possible [- > vmport=off]\npci 0000:00:03.0/id: option.machine possible [- > vmport=off]\n");
}

/* Without it: a host where everything differs would be told, and kept, with every factor beside each of many thousand changes. */
static void test_no_change_has_more_than_eight_causes(void **state)
{
	struct drift_change change = { .facet = FACET_CPUID, .kind = CHANGE_CHANGED, .key = as_is("0x00000006.0.eax"), .from = as_is("0x00000001"),
				       .to = as_is("0x00000002") };
	char names[40][32];
	struct drift_factor factors[41] = { [40] = { .factor = as_is("vmm.version"), .from = as_is("5"), .to = as_is("7") } };
	struct drift d = { .changes = &change, .change_count = 1, .context = factors, .context_count = 41 };

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "option.never-heard-%02zu", i);
		factors[i] = (struct drift_factor){ .factor = names[i], .to = as_is("on") };
	}
	assert_int_equal(causes_find(&d, &change), 0);
	assert_int_equal(change.cause_count, 8);
	/* The best ones. */
	assert_string_equal(change.causes[0].factor, "vmm.version");
	assert_string_equal(change.causes[1].factor, "option.never-heard-00");
	for (size_t i = 0; i < change.cause_count; i++) {
		free(change.causes[i].factor);
		free(change.causes[i].from);
		free(change.causes[i].to);
	}
	free(change.causes);
}

/* The verdict of the one change that another BIOS image makes. */
static enum verdict verdict_of_image(const char *from_context, const char *to_context)
{
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct abi_entries a = ABI_ENTRIES_INIT, b = ABI_ENTRIES_INIT;
	struct context ca = CONTEXT_INIT, cb = CONTEXT_INIT;
	struct drift d = DRIFT_INIT;
	enum verdict verdict;

	side_make(FIRMWARE "firmware rom/0x00000000fffc0000 size=1 sha256=a\n", &a);
	side_make(FIRMWARE "firmware rom/0x00000000fffc0000 size=1 sha256=b\n", &b);
	assert_int_equal(context_parse(from_context, strlen(from_context), &ca), 0);
	assert_int_equal(context_parse(to_context, strlen(to_context), &cb), 0);
	assert_int_equal(drift_compare(&a, &ca, &b, &cb, &options, &d), 0);
	assert_int_equal(drift_judge(&d, &(struct drift_circumstances){ .from = &ca, .to = &cb, .now = &b }), 0);
	assert_int_equal(d.change_count, 1);
	assert_true(d.changes[0].firmware);
	verdict = d.changes[0].verdict;
	drift_release(&d);
	context_release(&ca);
	context_release(&cb);
	entries_release(&a);
	entries_release(&b);
	return verdict;
}

/* Without it: an operator's own choice of firmware would be a violation, or a package's new firmware would pass as that. */
static void test_firmware_that_an_option_names_is_intended(void **state)
{
	const char *q35 = "machine pc-q35-7.2\n";
	struct buffer from = BUFFER_INIT, to = BUFFER_INIT;
	static const struct { const char *from, *to; enum verdict verdict; } cases[] = {
		{ "firmware./f/a 1 a\noption.bios /f/a\n", "firmware./f/b 1 b\noption.bios /f/b\n", VERDICT_INTENDED },
		{ "firmware./f/a 1 a\n", "firmware./f/b 1 b\noption.bios b\n", VERDICT_INTENDED },
		{ "backend.drive if=pflash,file=/f/a\nfirmware./f/a 1 a\n", "backend.drive if=pflash,file=/f/b\nfirmware./f/b 1 b\n", VERDICT_INTENDED },
		/* As a context is derived from a command line: what is seen of a drive stands elsewhere. */
		{ "backend.drive file=/d; file=/x,if=none; file=/f/a\noption.drive if=ide; if=pflash,unit=0\nfirmware./f/a 1 a\n",
		  "backend.drive file=/d; file=/x,if=none; file=/f/b\noption.drive if=ide; if=pflash,unit=0\nfirmware./f/b 1 b\n", VERDICT_INTENDED },
		{ "backend.drive file=/f/a\noption.drive media=cdrom; if=pflash\nfirmware./f/a 1 a\n",
		  "backend.drive file=/f/b\noption.drive media=cdrom; if=pflash\nfirmware./f/b 1 b\n", VERDICT_INTENDED },
		/* A flash device through its block nodes, as libvirt writes them. */
		{ "backend.blockdev {\"driver\":\"file\",\"filename\":\"/f/a\",\"node-name\":\"s\"}; {\"node-name\":\"p\",\"file\":\"s\"}\n"
		  "option.machine pflash0=p\nfirmware./f/a 1 a\n",
		  "backend.blockdev {\"driver\":\"file\",\"filename\":\"/f/b\",\"node-name\":\"s\"}; {\"node-name\":\"p\",\"file\":\"s\"}\n"
		  "option.machine pflash0=p\nfirmware./f/b 1 b\n", VERDICT_INTENDED },
		{ "firmware./f/a 1 a\noption.args --firmware /f/a --disk path=/d\n", "firmware./f/b 1 b\noption.args --firmware /f/b --disk path=/d\n",
		  VERDICT_INTENDED },
		/* A disk whose file is called like the image, or has its name in its own. */
		{ "backend.drive file=/d,if=none\nfirmware./5/bios.bin 1 a\n", "backend.drive file=/vm/bios.bin,if=none\nfirmware./7/bios.bin 1 b\n", VERDICT_VIOLATION },
		{ "backend.drive file=/d; file=/f\noption.drive if=ide; if=pflash\nfirmware./5/bios.bin 1 a\n",
		  "backend.drive file=/vm/bios.bin; file=/f\noption.drive if=ide; if=pflash\nfirmware./7/bios.bin 1 b\n", VERDICT_VIOLATION },
		{ "backend.drive if=pflash,file=/d\nfirmware./5/bios.bin 1 a\n", "backend.drive if=pflash,file=/vm/bios.bin.img\nfirmware./7/bios.bin 1 b\n",
		  VERDICT_VIOLATION },
		{ "backend.blockdev filename=/f,node-name=p; filename=/d,node-name=d\nfirmware./5/bios.bin 1 a\noption.machine pflash0=p\n",
		  "backend.blockdev filename=/f,node-name=p; filename=/vm/bios.bin,node-name=d\nfirmware./7/bios.bin 1 b\noption.machine pflash0=p\n",
		  VERDICT_VIOLATION },
		{ "firmware./5/fw.fd 1 a\noption.args --disk path=/d\n", "firmware./7/fw.fd 1 b\noption.args --disk path=/vm/fw.fd\n", VERDICT_VIOLATION },
		{ "firmware./f/a 1 a\noption.bios /f/a\n", "firmware./f/a 1 b\noption.bios /f/a\n", VERDICT_VIOLATION },
		{ "firmware./qemu-5/bios 1 a\nvmm.version 5\n", "firmware./qemu-7/bios 1 b\nvmm.version 7\n", VERDICT_VIOLATION },
		{ "backend.drive file=/x\nfirmware./f/bios 1 a\n", "backend.drive file=/y\nfirmware./g/bios 1 b\n", VERDICT_VIOLATION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buffer_clear(&from);
		buffer_clear(&to);
		buffer_printf(&from, "%s%s", cases[i].from, q35);
		buffer_printf(&to, "%s%s", cases[i].to, q35);
		if (verdict_of_image(from.data, to.data) != cases[i].verdict)
			fail_msg("case %zu is not %s: %s", i, verdict_name(cases[i].verdict), cases[i].to);
	}
	buffer_release(&from);
	buffer_release(&to);
}

/* ---- hostile text */

static void explain_hostile(const char *factor, const char *value)
{
	struct drift_change change = { .facet = FACET_PCI, .key = as_is("0000:00:03.0/id"), .from = as_is("8086:100e"), .to = as_is("1234:1111") };
	struct drift_factor factors[] = { { .factor = as_is(factor), .to = as_is(value) }, { .factor = as_is(factor), .from = as_is(value) },
					  { .factor = as_is(factor), .from = as_is(value), .to = as_is("e1000") } };

	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		struct drift d = { .changes = &change, .change_count = 1, .context = &factors[i], .context_count = 1 };

		assert_int_equal(causes_find(&d, &change), 0);
		for (size_t k = 0; k < change.cause_count; k++) {
			assert_true(!change.causes[k].from || strlen(change.causes[k].from) < 1100);
			assert_true(!change.causes[k].to || strlen(change.causes[k].to) < 1100);
			free(change.causes[k].factor);
			free(change.causes[k].from);
			free(change.causes[k].to);
		}
		free(change.causes);
		change.causes = NULL;
		change.cause_count = 0;
	}
}

/* Without it: who starts a guest could stop the analyst of the whole host by the text of an option. */
static void test_hostile_options_harm_nobody(void **state)
{
	static const char *const factors[] = { "option.device", "option.nic", "option.smbios", "option.machine", "option.args", "cpu", "backend.object", "" };
	static const char *const texts[] = {
		"", ";", "; ", "; ; ; ", ",", ",,", "=", "{", "{{{{", "{\"driver\":", "{\"driver\":1,\"addr\":-1,\"bus\":[]}", "{\"addr\":1e99}",
		"e1000,addr=", "e1000,addr=.", "e1000,addr=-1", "e1000,addr=99999999999999999999", "a,id=a,bus=a,addr=1",
		"a,id=a,bus=b,addr=1; b,id=b,bus=a,addr=1", "type=", "type=1", "type=99999999999999999999,", "-", " -", " - - -", "\xff\xfe; \x80",
	};
	static const char *const pieces[] = { "a", "; ", ",", " -", "{", "a,id=a,bus=a,addr=1; ", "e1000,addr=1f.7; ", "*", "\xe2\x80" };
	enum { LONG = 1 << 20 };
	char *large = malloc(LONG + 32);

	(void)state;
	assert_non_null(large);
	for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			explain_hostile(factors[f], texts[i]);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			size_t size = 0, length = strlen(pieces[i]);

			for (; size < LONG; size += length)
				memcpy(large + size, pieces[i], length + 1);
			explain_hostile(factors[f], large);
		}
	}
	free(large);
}

static void test_what_a_factor_is(void **state)
{
	static const struct { const char *factor; enum factor_class class; } cases[] = {
		{ "machine", FACTOR_VISIBLE }, { "cpu", FACTOR_VISIBLE }, { "option.device", FACTOR_VISIBLE }, { "backend.device", FACTOR_BACKEND },
		{ "vmm.kind", FACTOR_VMM }, { "vmm.version", FACTOR_VMM }, { "vmm.build_id", FACTOR_VMM }, { "vmm.path", FACTOR_NONE },
		{ "vmm.replaced", FACTOR_NONE }, { "firmware./a|b", FACTOR_FIRMWARE }, { "kernel", FACTOR_HOST }, { "kernel.version", FACTOR_HOST },
		{ "kernel.installed", FACTOR_NONE }, { "kvm.kvm.ignore_msrs", FACTOR_HOST }, { "host", FACTOR_HOST }, { "host_cpu", FACTOR_HOST },
		{ "host_cpu.vendor", FACTOR_HOST }, { "microcode", FACTOR_HOST }, { "abidrift", FACTOR_OBSERVER }, { "", FACTOR_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(factor_class_of(cases[i].factor), cases[i].class);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_explains_something),
		cmocka_unit_test(test_a_table_that_came_is_explained_down_to_its_header),
		cmocka_unit_test(test_an_upgrade_and_its_firmware_are_told_apart),
		cmocka_unit_test(test_firmware_swapped_alone_is_named_and_nothing_else),
		cmocka_unit_test(test_firmware_that_stayed_in_memory_explains_nothing),
		cmocka_unit_test(test_the_best_cause_comes_first),
		cmocka_unit_test(test_a_parameter_that_came_with_the_kernel_is_no_cause),
		cmocka_unit_test(test_a_field_speaks_for_itself_only),
		cmocka_unit_test(test_a_device_is_found_by_its_address_or_kind),
		cmocka_unit_test(test_only_what_differs_is_told),
		cmocka_unit_test(test_an_unrelated_option_excuses_no_upgrade),
		cmocka_unit_test(test_no_change_has_more_than_eight_causes),
		cmocka_unit_test(test_firmware_that_an_option_names_is_intended),
		cmocka_unit_test(test_hostile_options_harm_nobody),
		cmocka_unit_test(test_what_a_factor_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
