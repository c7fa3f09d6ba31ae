// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/facts_feed.h"
#include "tests/unit/sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "userspace/abi/context.h"
#include "userspace/drift/devices.h"
#include "userspace/drift/passed.h"
#include "userspace/drift/stability.h"
#include "userspace/drift/verdict.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define STABLE "-M", "pc-q35-7.2", "-cpu", "qemu64"

/* As the collector tells of it. */
static struct context context_of(const char *kind, const char *const *args)
{
	struct records s = RECORDS_INIT;
	struct buffer body = BUFFER_INIT;
	struct guest_facts *f;
	struct context c;

	record_pair_put(&body, "kind", kind);
	record_pair_put(&body, "arg", "/usr/bin/vmm");
	for (; *args; args++)
		record_pair_put(&body, "arg", *args);
	records_add(&s, RECORD_VM, 1, 0, body.data, body.size, NULL, 0);
	f = feed(&s);
	assert_int_equal(context_derive(NULL, 0, f, &c), 0);
	facts_free(f);
	buffer_release(&body);
	records_release(&s);
	return c;
}

/* "code code" of what makes it unstable, "+code" of what its next boot meets. */
static void expect_context(const struct context *c, const char *codes)
{
	struct stability s = STABILITY_INIT;
	struct buffer text = BUFFER_INIT;

	assert_int_equal(stability_derive(c, &s), 0);
	for (size_t i = 0; i < s.count; i++) {
		buffer_printf(&text, "%s%s%s", i ? " " : "", s.items[i].next_boot ? "+" : "", s.items[i].code);
		assert_true(strlen(s.items[i].text) > 20);
	}
	assert_string_equal(text.data ? text.data : "", codes);
	buffer_release(&text);
	stability_release(&s);
}

static void expect(const char *kind, const char *const *args, const char *codes)
{
	struct context c = context_of(kind, args);

	expect_context(&c, codes);
	context_release(&c);
}

static void a_machine_type_without_version_is_named(void **state)
{
	/* Names of QEMU 5.2 to 10.0, RHEL, Ubuntu, Proxmox. */
	static const char *const versioned[] = {
		"pc-i440fx-7.2", "pc-q35-5.2", "pc-q35-4.0.1", "pc-1.3", "pc-0.15", "pc-i440fx-rhel7.6.0", "pc-q35-rhel9.4.0", "pc-q35-jammy",
		"pc-i440fx-noble", "pc-q35-7.2+pve0", "virt-7.2", "virt-rhel9.4.0", "pseries-7.2", "s390-ccw-virtio-7.2", "xenfv-4.2",
	};
	static const struct { const char *name, *code; } others[] = {
		{ "pc", "machine-alias" }, { "q35", "machine-alias" }, { "ubuntu", "machine-alias" }, { "virt", "machine-alias" },
		{ "isapc", "machine-unversioned" }, { "x-remote", "machine-unversioned" }, { "pc-q35", "machine-unversioned" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(versioned) / sizeof(versioned[0]); i++)
		expect("qemu", ARGS("-M", versioned[i]), "");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect("qemu", ARGS("-M", others[i].name), others[i].code);
	expect("qemu", ARGS("-m", "512"), "machine-alias");
	expect("qemu", ARGS("-machine", "accel=kvm,smm=off"), "machine-alias");
	expect("qemu", ARGS("-machine", "accel=kvm,type=pc-q35-7.2"), "");
	/* What is in a file that nobody reads is not known, and nothing is excused by mistake. */
	expect("qemu", ARGS("-readconfig", "/etc/vm.cfg"), "");
	expect("qemu", ARGS("-M", "microvm"), "machine-unversioned host-phys-bits");
	expect("firecracker", ARGS("--id", "a"), "machine-unversioned");
	expect("crosvm", ARGS("run"), "machine-unversioned cpu-host");
	expect("cloud-hypervisor", ARGS("--cpus", "boot=1"), "machine-unversioned cpu-host");
	expect("kvmtool", ARGS("run"), "machine-unversioned cpu-host");
	expect("other", ARGS("--x"), "");
}

static void a_cpu_that_is_the_hosts_is_named(void **state)
{
	static const struct { const char *cpu, *codes; } cases[] = {
		{ "host", "cpu-host" },
		{ "max", "cpu-host" },
		{ "host,-avx,host-phys-bits=off", "cpu-host" },
		{ "hostile", "" },
		{ "EPYC,+x2apic,-cx16,enforce", "" },
		{ "host,migratable=off", "cpu-host cpu-unsafe" },
		{ "host,migratable=no", "cpu-host cpu-unsafe" },
		{ "EPYC,host-cache-info=on", "cpu-unsafe" },
		{ "EPYC,host-cache-info=off", "" },
		{ "EPYC,pmu=on", "cpu-unsafe" },
		{ "EPYC,+pmu", "cpu-unsafe" },
		{ "EPYC,pmu", "cpu-unsafe" },
		{ "EPYC,+pmu,-pmu", "" },
		{ "EPYC,pmu=on,pmu=off", "" },
		{ "EPYC,hv_passthrough", "cpu-unsafe" },
		{ "EPYC,hv-passthrough=on", "cpu-unsafe" },
		{ "EPYC,hv_relaxed,hv-time=on,hv-vendor-id=abc", "" },
		{ "EPYC,hv-no-nonarch-coresharing=auto", "cpu-unsafe" },
		{ "EPYC,hv-no-nonarch-coresharing=on", "" },
		{ "EPYC,+invtsc", "cpu-unsafe" },
		{ "EPYC,+invtsc,tsc-frequency=2000000000", "" },
		{ "EPYC,host-phys-bits=on", "host-phys-bits" },
		{ "EPYC,host_phys_bits=true,host-phys-bits-limit=46", "host-phys-bits" },
		{ "EPYC,host-phys-bits-limit=46", "" },
		{ "EPYC,phys-bits=46", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].cpu);
		expect("qemu", ARGS("-M", "pc-q35-7.2", "-cpu", cases[i].cpu), cases[i].codes);
	}
	expect("qemu", ARGS(STABLE, "-global", "x86_64-cpu.host-phys-bits=on"), "host-phys-bits");
	expect("qemu", ARGS(STABLE, "-global", "a.b=c", "-global", "driver=qemu64-x86_64-cpu,property=host-phys-bits,value=on"), "host-phys-bits");
	expect("qemu", ARGS(STABLE ",host-phys-bits=off", "-global", "cpu.host-phys-bits=on"), "");
	expect("qemu", ARGS("-M", "pc-q35-jammy-hpb", "-cpu", "qemu64"), "host-phys-bits");
	expect("qemu", ARGS("-M", "pc-q35-jammy-hpb", "-cpu", "qemu64,host-phys-bits=off"), "");
}

static void devices_of_others_are_named(void **state)
{
	(void)state;
	expect("qemu", ARGS(STABLE, "-device", "vfio-pci,host=01:00.0,addr=5"), "vfio");
	expect("qemu", ARGS(STABLE, "-device", "e1000,addr=3", "-device", "driver=vfio-pci-nohotplug,host=01:00.0"), "vfio");
	expect("qemu", ARGS(STABLE, "-device", "{\"driver\":\"e1000\",\"addr\":\"0x3\"}", "-device",
			    "{\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.0\",\"id\":\"hostdev0; x\",\"bus\":\"pci.3\",\"addr\":\"0x0\"}"),
	       "vfio");
	expect("qemu", ARGS(STABLE, "-device", "vfio-ap,sysfsdev=/sys/x"), "");
	expect("qemu", ARGS(STABLE, "-device", "e1000,id=vfio-pci"), "");
	expect("qemu", ARGS(STABLE, "-device", "vhost-user-blk-pci,chardev=c0"), "vhost-user");
	expect("qemu", ARGS(STABLE, "-device", "vhost-user-fs-pci,chardev=c0,tag=x", "-device", "vfio-pci,host=1:0.0"), "vfio vhost-user");
	expect("qemu", ARGS(STABLE, "-netdev", "vhost-user,id=n0,chardev=c0", "-device", "virtio-net-pci,netdev=n0"), "vhost-user");
	expect("qemu", ARGS(STABLE, "-netdev", "user,id=n1", "-netdev", "{\"type\": \"vhost-user\", \"id\": \"n0\"}"), "vhost-user");
	expect("qemu", ARGS(STABLE, "-netdev", "tap,id=vhost-user,vhost=on", "-device", "vhost-scsi-pci"), "");
	expect("cloud-hypervisor", ARGS("--device", "path=/sys/bus/pci/devices/0000:01:00.0"), "machine-unversioned cpu-host vfio");
	expect("cloud-hypervisor", ARGS("--net", "vhost_user=true,socket=/s"), "machine-unversioned cpu-host vhost-user");
	expect("crosvm", ARGS("run", "--vfio=/sys/bus/pci/devices/x"), "machine-unversioned cpu-host vfio");
}

static void what_the_next_boot_meets_is_told(void **state)
{
	struct context c = context_of("qemu", ARGS(STABLE));

	(void)state;
	assert_int_equal(context_set(&c, "vmm.replaced", "0"), 0);
	assert_int_equal(context_set(&c, "kernel", "6.1.0-18-amd64"), 0);
	expect_context(&c, "");
	assert_int_equal(context_set(&c, "kernel.installed", "6.1.0-18-amd64"), 0);
	expect_context(&c, "");
	assert_int_equal(context_set(&c, "kernel.installed", "6.1.0-28-amd64"), 0);
	expect_context(&c, "+kernel-installed");
	assert_int_equal(context_set(&c, "vmm.replaced", "1"), 0);
	expect_context(&c, "+vmm-replaced +kernel-installed");
	context_release(&c);
}

/* ---- which function a device is */

static void expect_path(const char *list, size_t n, const char *path)
{
	struct devices d;
	char got[DEVICE_PATH_MAX] = "";

	assert_int_equal(devices_parse(list, &d), 0);
	assert_true(n < d.count);
	assert_int_equal(devices_path(&d, n, got), path != NULL);
	assert_string_equal(got, path ? path : "");
	devices_release(&d);
}

static void a_device_is_found_on_its_bus(void **state)
{
	(void)state;
	expect_path("e1000,addr=3", 0, "0000:00:03.0");
	expect_path("e1000,addr=0x1f.0x2", 0, "0000:00:1f.2");
	expect_path("e1000,bus=pcie.0,addr=10", 0, "0000:00:10.0");
	expect_path("e1000", 0, NULL);
	expect_path("e1000,addr=20", 0, NULL);
	expect_path("e1000,addr=1.8", 0, NULL);
	expect_path("e1000,addr=", 0, NULL);
	expect_path("e1000,addr=zz", 0, NULL);
	expect_path("e1000,addr=3; virtio-rng-pci,addr=4", 1, "0000:00:04.0");
	expect_path("pcie-root-port,id=rp1,addr=4.1; vfio-pci,bus=rp1", 1, "0000:00:04.1/00.0");
	expect_path("pcie-root-port,id=rp1,addr=4; pcie-pci-bridge,bus=rp1,id=br; e1000,bus=br,addr=2", 2, "0000:00:04.0/00.0/02.0");
	expect_path("pcie-pci-bridge,addr=4,id=br; e1000,bus=br", 1, NULL);
	expect_path("pcie-root-port,id=rp1; vfio-pci,bus=rp1", 1, NULL);
	expect_path("pxb-pcie,id=x,bus_nr=8,addr=9; vfio-pci,bus=x,addr=0", 1, NULL);
	expect_path("pci-bridge,id=a,bus=b,addr=1; pci-bridge,id=b,bus=a,addr=1", 0, NULL);
	expect_path("{\"driver\":\"pcie-root-port\",\"id\":\"pci.1\",\"bus\":\"pcie.0\",\"addr\":\"0x2.0x3\"}; "
		    "{\"driver\":\"vfio-pci\",\"id\":\"x; y,addr=9\",\"bus\":\"pci.1\",\"addr\":\"0x0\"}", 1, "0000:00:02.3/00.0");
	expect_path("{\"driver\":\"e1000\",\"addr\":26}", 0, "0000:00:03.2");
	expect_path("{\"driver\":\"e1000\",\"addr\":-1}", 0, NULL);
	expect_path("{broken,addr=3", 0, "0000:00:03.0");
}

/* ---- what is excused */


static bool excused(const char *const *from_args, const char *const *to_args, const char *cause, const char *from, const char *to)
{
	struct context a = context_of("qemu", from_args), b = context_of("qemu", to_args);
	struct drift_cause best = { .factor = (char *)cause };
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct abi_entries was = ABI_ENTRIES_INIT, now = ABI_ENTRIES_INIT;
	struct passed *from_passed, *to_passed;
	struct drift d = DRIFT_INIT;
	size_t excuses = 0;

	assert_int_equal(passed_prepare(&a, &from_passed), 0);
	assert_int_equal(passed_prepare(&b, &to_passed), 0);
	assert_int_equal(context_set(&a, "host_cpu.vendor", "GenuineIntel"), 0);
	assert_int_equal(context_set(&b, "host_cpu.vendor", cause && !strcmp(cause, "host_cpu") ? "AuthenticAMD" : "GenuineIntel"), 0);
	side_make(from, &was);
	side_make(to, &now);
	assert_int_equal(drift_compare(&was, NULL, &now, NULL, &options, &d), 0);
	assert_true(d.change_count > 0);
	for (size_t i = 0; i < d.change_count; i++)
		excuses += stability_excuse(&d, &d.changes[i], cause ? &best : NULL,
					    &(struct drift_circumstances){ .from = &a, .to = &b, .now = &now, .passed_from = from_passed,
									   .passed_to = to_passed }) != NULL;
	/* All of them or none, or the case is no good. */
	assert_true(excuses == 0 || excuses == d.change_count);
	passed_free(from_passed);
	passed_free(to_passed);
	entries_release(&was);
	entries_release(&now);
	context_release(&a);
	context_release(&b);
	drift_release(&d);
	return excuses;
}

#define CPUID "# coverage cpuid complete \n"
#define PCI "# coverage pci complete \n"
#define ACPI "# coverage acpi complete \n"
#define SMBIOS "# coverage smbios complete \n"
#define MSR "# coverage msr witnessed \n"
#define IDENTITY "# coverage identity complete \n"
#define CX16 CPUID "cpuid 0x00000001.0.ecx 0x80202000\n", CPUID "cpuid 0x00000001.0.ecx 0x80200000\n"
#define OEM_ID ACPI "acpi FACP/oem_id BOCHS\n", ACPI "acpi FACP/oem_id BXPC\n"

static void an_alias_excuses_what_the_vmm_changed(void **state)
{
	const char *const *alias = ARGS("-M", "pc", "-cpu", "qemu64"), *const *versioned = ARGS(STABLE);

	(void)state;
	assert_true(excused(alias, alias, "vmm.version", OEM_ID));
	assert_true(excused(alias, alias, "vmm.build_id", CX16));
	assert_false(excused(versioned, versioned, "vmm.version", OEM_ID));
	assert_true(excused(ARGS("-M", "microvm"), ARGS("-M", "microvm"), "vmm.version", OEM_ID));
	/* On either side: one of the two values was never promised. */
	assert_true(excused(alias, versioned, "vmm.version", OEM_ID));
	assert_true(excused(versioned, alias, "vmm.version", OEM_ID));
	/* Not what the kernel or a backend did, nor who the guest is, nor what nobody can explain. */
	assert_false(excused(alias, alias, "kernel", CX16));
	assert_false(excused(alias, alias, "backend.netdev", OEM_ID));
	assert_false(excused(alias, alias, "firmware./usr/share/seabios/bios.bin", OEM_ID));
	assert_false(excused(alias, alias, "vmm.version", IDENTITY "identity type1.0/serial a\n", IDENTITY "identity type1.0/serial b\n"));
	assert_false(excused(alias, alias, NULL, OEM_ID));
}

static void a_host_cpu_excuses_what_the_host_changed_of_it(void **state)
{
	const char *const *host = ARGS("-M", "pc-q35-7.2", "-cpu", "host"), *const *named = ARGS(STABLE);
	static const char *const causes[] = { "host_cpu.signature", "microcode", "kernel", "kernel.version", "kvm.kvm_intel.nested", "vmm.version", "host" };

	(void)state;
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		assert_true(excused(host, host, causes[i], CX16));
		assert_false(excused(named, named, causes[i], CX16));
	}
	assert_true(excused(host, host, "kernel", MSR "msr 0x0000010a 0x1\n", MSR "msr 0x0000010a 0x2\n"));
	assert_true(excused(host, host, "microcode", SMBIOS "smbios type4.0/processor_id 0x1\n", SMBIOS "smbios type4.0/processor_id 0x2\n"));
	assert_false(excused(host, host, "vmm.version", SMBIOS "smbios type4.0/core_count 1\n", SMBIOS "smbios type4.0/core_count 2\n"));
	assert_false(excused(host, host, "vmm.version", OEM_ID));
	assert_false(excused(host, host, "backend.accel", CX16));
	assert_false(excused(host, host, NULL, CX16));
}

static void a_property_excuses_what_it_shows_and_no_more(void **state)
{
	static const struct { const char *cpu, *facet, *key; } cases[] = {
		{ "EPYC,migratable=off", "cpuid", "0x00000001.0.ecx" },
		{ "EPYC,migratable=off", "msr", "0x0000010a" },
		{ "EPYC,host-cache-info=on", "cpuid", "0x00000004.1.ebx" },
		{ "EPYC,host-cache-info=on", "cpuid", "0x8000001d.0.ebx" },
		{ "EPYC,pmu=on", "cpuid", "0x0000000a.0.eax" },
		{ "EPYC,pmu=on", "msr", "0x00000345" },
		{ "EPYC,hv-passthrough", "cpuid", "0x40000003.0.eax" },
		{ "EPYC,hv-passthrough", "msr", "0x40000022" },
		{ "EPYC,hv-no-nonarch-coresharing=auto", "cpuid", "0x40000004.0.eax" },
		{ "EPYC,+invtsc", "cpuid", "0x40000010.0.eax" },
		{ "EPYC,+invtsc", "cpuid", "0x80000007.0.edx" },
	};
	const char *const *caches = ARGS("-M", "pc-q35-7.2", "-cpu", "EPYC,host-cache-info=on");
	const char *const *pmu = ARGS("-M", "pc-q35-7.2", "-cpu", "EPYC,pmu=on"), *const *hv = ARGS("-M", "pc-q35-7.2", "-cpu", "EPYC,hv-passthrough");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char from[160], to[160];

		snprintf(from, sizeof(from), "# coverage %s complete \n%s %s 0x00000001\n", cases[i].facet, cases[i].facet, cases[i].key);
		snprintf(to, sizeof(to), "# coverage %s complete \n%s %s 0x00000002\n", cases[i].facet, cases[i].facet, cases[i].key);
		print_message("%s %s\n", cases[i].cpu, cases[i].key);
		assert_true(excused(ARGS("-M", "pc-q35-7.2", "-cpu", cases[i].cpu), ARGS(STABLE), "kernel", from, to));
		assert_false(excused(ARGS(STABLE), ARGS(STABLE), "kernel", from, to));
	}
	/* KVM's own leaves are not Hyper-V's. */
	assert_false(excused(hv, hv, "kernel", CPUID "cpuid 0x40000101.0.eax 0x1\n", CPUID "cpuid 0x40000101.0.eax 0x2\n"));
	assert_false(excused(hv, hv, "kernel", CX16));
	assert_true(excused(caches, caches, "host_cpu.signature", CPUID "cpuid 0x00000004.0.ebx 0x1\n", CPUID "cpuid 0x00000004.0.ebx 0x2\n"));
	assert_true(excused(pmu, pmu, "host_cpu.signature", CPUID "cpuid 0x0000000a.0.eax 0x1\n", CPUID "cpuid 0x0000000a.0.eax 0x2\n"));
	assert_false(excused(caches, caches, "host_cpu.signature", CPUID "cpuid 0x0000000a.0.eax 0x1\n", CPUID "cpuid 0x0000000a.0.eax 0x2\n"));
	assert_false(excused(caches, caches, "host_cpu.signature", CX16));
	assert_false(excused(pmu, pmu, "kernel", CX16));
}

static void host_phys_bits_excuses_one_field(void **state)
{
	const char *const *on = ARGS("-M", "pc-q35-7.2", "-cpu", "EPYC,host-phys-bits=on"), *const *off = ARGS(STABLE);

	(void)state;
#define PHYS(from, to) CPUID "cpuid 0x80000008.0.eax " from "\n", CPUID "cpuid 0x80000008.0.eax " to "\n"
	assert_true(excused(on, on, "host_cpu.signature", PHYS("0x00003028", "0x0000302e")));
	assert_false(excused(off, off, "host_cpu.signature", PHYS("0x00003028", "0x0000302e")));
	assert_false(excused(on, on, "host_cpu.signature", PHYS("0x00003028", "0x00003928")));
	assert_false(excused(on, on, "host_cpu.signature", PHYS("0x00003028", "0x0000392e")));
	assert_false(excused(on, on, "host_cpu.signature", CX16));
}

static void another_vendor_excuses_the_cpu(void **state)
{
	const char *const *named = ARGS(STABLE);

	(void)state;
	assert_true(excused(named, named, "host_cpu", CX16));
	assert_false(excused(named, named, "host_cpu.signature", CX16));
	assert_false(excused(named, named, "host_cpu", OEM_ID));
}

static void a_device_of_the_host_excuses_its_own_function(void **state)
{
	const char *const *at5 = ARGS(STABLE, "-device", "vfio-pci,host=01:00.0,addr=5");
	const char *const *behind = ARGS(STABLE, "-device", "pcie-root-port,id=rp,addr=4", "-device", "vfio-pci,host=01:00.0,bus=rp");
	const char *const *somewhere = ARGS(STABLE, "-device", "vfio-pci,host=01:00.0");

	(void)state;
#define BAR(path, id) PCI "pci " path "/id " id "\npci " path "/bar0 mem64 size=0x1000\n", \
	PCI "pci " path "/id " id "\npci " path "/bar0 mem64 size=0x2000\n"
	assert_true(excused(at5, at5, "kernel", BAR("0000:00:05.0", "8086:1572")));
	/* Also where nothing on the host's side seems to differ: another card was put in, or its firmware updated. */
	assert_true(excused(at5, at5, NULL, BAR("0000:00:05.0", "8086:1572")));
	assert_false(excused(at5, at5, NULL, BAR("0000:00:06.0", "8086:1572")));
	assert_true(excused(behind, behind, NULL, BAR("0000:00:04.0/00.0", "8086:1572")));
	assert_false(excused(behind, behind, NULL, BAR("0000:00:04.0", "1b36:000c")));
	assert_true(excused(at5, at5, NULL, IDENTITY "identity mac/0000:00:05.0 52:54:00:00:00:01\n", IDENTITY "identity mac/0000:00:05.0 52:54:00:00:00:02\n"));
	assert_false(excused(at5, at5, NULL, IDENTITY "identity mac/0000:00:06.0 52:54:00:00:00:01\n", IDENTITY "identity mac/0000:00:06.0 52:54:00:00:00:02\n"));
	assert_false(excused(at5, at5, "vmm.version", OEM_ID));
	/* Without an address: what QEMU does not emulate. */
	assert_true(excused(somewhere, somewhere, NULL, BAR("0000:00:05.0", "8086:1572")));
	assert_false(excused(somewhere, somewhere, NULL, BAR("0000:00:05.0", "8086:100e")));
	assert_true(excused(somewhere, somewhere, NULL, PCI "pci 0000:00:05.0/id 10de:1eb8\npci 0000:00:05.0/bar0 mem32 size=0x1000\n", PCI));
	assert_false(excused(somewhere, somewhere, NULL, PCI "pci 0000:00:05.0/id 1af4:1000\npci 0000:00:05.0/bar0 mem32 size=0x1000\n", PCI));
}

static void a_device_of_another_process_excuses_its_own_function(void **state)
{
	const char *const *blk = ARGS(STABLE, "-device", "vhost-user-blk-pci,chardev=c0"), *const *two = ARGS(STABLE, "-device",
		"vhost-user-blk-pci,chardev=c0", "-device", "virtio-blk-pci,drive=d0");
	const char *const *net = ARGS(STABLE, "-netdev", "vhost-user,id=n0,chardev=c", "-device", "virtio-net-pci,netdev=n0,addr=3");
	const char *const *mixed = ARGS(STABLE, "-netdev", "vhost-user,id=n0,chardev=c", "-netdev", "user,id=n1", "-device", "virtio-net-pci,netdev=n0");

	(void)state;
	assert_true(excused(blk, blk, NULL, BAR("0000:00:05.0", "1af4:1042")));
	assert_false(excused(blk, blk, NULL, BAR("0000:00:05.0", "1af4:1041")));
	/* Nobody can tell which of the two it is. */
	assert_false(excused(two, two, NULL, BAR("0000:00:05.0", "1af4:1042")));
	assert_true(excused(net, net, "backend.netdev", BAR("0000:00:03.0", "1af4:1000")));
	assert_false(excused(net, net, "backend.netdev", BAR("0000:00:03.0", "8086:100e")));
	assert_false(excused(mixed, mixed, NULL, BAR("0000:00:03.0", "1af4:1000")));
}

/* ---- through the whole judgement */

static enum verdict judged(const char *const *args, const char *factor, const char *from, const char *to)
{
	struct context a = context_of("qemu", args), b = context_of("qemu", args);
	const struct drift_options options = { .facets = DRIFT_ALL_FACETS, .same_guest = true };
	struct abi_entries was = ABI_ENTRIES_INIT, now = ABI_ENTRIES_INIT;
	struct drift d = DRIFT_INIT;
	enum verdict verdict;

	if (factor) {
		assert_int_equal(context_set(&a, factor, "1"), 0);
		assert_int_equal(context_set(&b, factor, "2"), 0);
	}
	side_make(from, &was);
	side_make(to, &now);
	assert_int_equal(drift_compare(&was, &a, &now, &b, &options, &d), 0);
	assert_int_equal(drift_judge(&d, &(struct drift_circumstances){ .from = &a, .to = &b, .now = &now }), 0);
	assert_int_equal(d.change_count, 1);
	verdict = d.changes[0].verdict;
	assert_int_equal(verdict == VERDICT_EXEMPT, d.changes[0].why != NULL);
	entries_release(&was);
	entries_release(&now);
	context_release(&a);
	context_release(&b);
	drift_release(&d);
	return verdict;
}

/* A guest that never had a stable machine would raise alarms as one whose promise was broken; or the other way round. */
static void an_exception_is_exempt_and_its_twin_a_violation(void **state)
{
	const char *const *alias = ARGS("-M", "pc", "-cpu", "qemu64"), *const *versioned = ARGS(STABLE);
	const char *const *host = ARGS("-M", "pc-q35-7.2", "-cpu", "host");
	const char *const *passed = ARGS(STABLE, "-device", "vfio-pci,host=1:0.0,addr=5");

	(void)state;
	assert_int_equal(judged(alias, "vmm.version", OEM_ID), VERDICT_EXEMPT);
	assert_int_equal(judged(versioned, "vmm.version", OEM_ID), VERDICT_VIOLATION);
	assert_int_equal(judged(host, "kernel", CX16), VERDICT_EXEMPT);
	assert_int_equal(judged(versioned, "kernel", CX16), VERDICT_VIOLATION);
#define ONE_BAR(path) PCI "pci " path "/bar0 mem64 size=0x1000\n", PCI "pci " path "/bar0 mem64 size=0x2000\n"
	assert_int_equal(judged(passed, NULL, ONE_BAR("0000:00:05.0")), VERDICT_EXEMPT);
	assert_int_equal(judged(passed, NULL, ONE_BAR("0000:00:06.0")), VERDICT_UNEXPLAINED);
}

/* What the next boot would meet has not changed anything yet. */
static void what_the_next_boot_meets_is_no_cause(void **state)
{
	const char *const *versioned = ARGS(STABLE);

	(void)state;
	assert_int_equal(judged(versioned, "vmm.replaced", CX16), VERDICT_UNEXPLAINED);
	assert_int_equal(judged(versioned, "kernel.installed", CX16), VERDICT_UNEXPLAINED);
}

static void no_context_excuses_nothing(void **state)
{
	struct drift_change change = { .facet = FACET_CPUID, .key = (char *)"0x00000001.0.ecx" };
	struct drift_cause cause = { .factor = (char *)"vmm.version" };

	(void)state;
	assert_null(stability_excuse(NULL, &change, &cause, &(struct drift_circumstances){ .from = NULL }));
	assert_null(stability_excuse(NULL, &change, NULL, &(struct drift_circumstances){ .from = NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_type_without_version_is_named),
		cmocka_unit_test(a_cpu_that_is_the_hosts_is_named),
		cmocka_unit_test(devices_of_others_are_named),
		cmocka_unit_test(what_the_next_boot_meets_is_told),
		cmocka_unit_test(a_device_is_found_on_its_bus),
		cmocka_unit_test(an_alias_excuses_what_the_vmm_changed),
		cmocka_unit_test(a_host_cpu_excuses_what_the_host_changed_of_it),
		cmocka_unit_test(a_property_excuses_what_it_shows_and_no_more),
		cmocka_unit_test(host_phys_bits_excuses_one_field),
		cmocka_unit_test(another_vendor_excuses_the_cpu),
		cmocka_unit_test(a_device_of_the_host_excuses_its_own_function),
		cmocka_unit_test(a_device_of_another_process_excuses_its_own_function),
		cmocka_unit_test(an_exception_is_exempt_and_its_twin_a_violation),
		cmocka_unit_test(what_the_next_boot_meets_is_no_cause),
		cmocka_unit_test(no_context_excuses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
