/* SPDX-License-Identifier: Apache-2.0 */
/* What a change is blamed on: each row of the table, what an option names, and that hostile options harm nobody. */
#include "tests/unit/sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "userspace/abi/context.h"
#include "userspace/drift/causes.h"
#include "userspace/drift/elements.h"

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
	K("pci", "0000:00:03.0/rom", "option.global", NULL, "e1000.romfile=", LIKELY, "sets up devices"),
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
	K("pci", "0000:00:1f.2/id", "option.machine", NULL, "sata=off", LIKELY, "property of the machine"),
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_explains_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
