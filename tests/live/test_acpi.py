# SPDX-License-Identifier: Apache-2.0
"""ACPI tables of real guests: what abidrift says is what ACPICA's iasl says of the bytes that QEMU's monitor reads, equal
definitions give equal entries at every boot, and a newer machine type's differences are told field by field."""
import os
import shutil
import subprocess
import unittest
import uuid

from acpi_oracle import Lines, Tables, disassemble, text
from harness import Live, entries, wait_for

# iasl's label, key, format
FACP = [
    ("Model", "int_model", "{}"), ("PM Profile", "preferred_pm_profile", "{}"), ("SCI Interrupt", "sci_int", "{}"),
    ("SMI Command Port", "smi_cmd", "0x{:08x}"), ("ACPI Enable Value", "acpi_enable", "0x{:02x}"),
    ("ACPI Disable Value", "acpi_disable", "0x{:02x}"), ("S4BIOS Command", "s4bios_req", "0x{:02x}"),
    ("P-State Control", "pstate_cnt", "0x{:02x}"), ("GPE1 Base Offset", "gpe1_base", "{}"), ("_CST Support", "cst_cnt", "0x{:02x}"),
    ("C2 Latency", "p_lvl2_lat", "{}"), ("C3 Latency", "p_lvl3_lat", "{}"), ("CPU Cache Size", "flush_size", "{}"),
    ("Cache Flush Stride", "flush_stride", "{}"), ("Duty Cycle Offset", "duty_offset", "{}"), ("Duty Cycle Width", "duty_width", "{}"),
    ("RTC Day Alarm Index", "day_alrm", "0x{:02x}"), ("RTC Month Alarm Index", "mon_alrm", "0x{:02x}"),
    ("RTC Century Index", "century", "0x{:02x}"), ("Boot Flags", "boot_arch", "0x{:04x}"), ("Flags", "flags", "0x{:08x}"),
    ("Value to cause reset", "reset_value", "0x{:02x}"), ("ARM Flags", "arm_boot_arch", "0x{:04x}"),
    ("FADT Minor Revision", "minor_version", "{}"),
]
BLOCKS = [
    ("PM1A Event Block", "pm1a_evt", "PM1 Event Block Length"), ("PM1B Event Block", "pm1b_evt", "PM1 Event Block Length"),
    ("PM1A Control Block", "pm1a_cnt", "PM1 Control Block Length"), ("PM1B Control Block", "pm1b_cnt", "PM1 Control Block Length"),
    ("PM2 Control Block", "pm2_cnt", "PM2 Control Block Length"), ("PM Timer Block", "pm_tmr", "PM Timer Block Length"),
    ("GPE0 Block", "gpe0", "GPE0 Block Length"), ("GPE1 Block", "gpe1", "GPE1 Block Length"),
]
LINES = {"polarity": ["bus", "high", "reserved", "low"], "trigger": ["bus", "edge", "reserved", "level"]}


def header(lines):
    strings = dict(lines.lines)
    return {"oem_id": text(strings["Oem ID"]), "oem_table_id": text(strings["Oem Table ID"]), "creator_id": text(strings["Asl Compiler ID"]),
            "revision": str(lines["Revision"]), "length": str(lines["Table Length"]),
            "oem_revision": f"0x{lines['Oem Revision']:08x}", "creator_revision": f"0x{lines['Asl Compiler Revision']:08x}"}


def interrupt(s):
    return f"polarity={LINES['polarity'][s['Polarity']]} trigger={LINES['trigger'][s['Trigger Mode']]}"


def enabled(flag):
    return "enabled" if flag else "disabled"


def facp(lines, _):
    found = {key: form.format(lines[label]) for label, key, form in FACP if label in lines}
    # "Reserved" is what iasl calls the byte and words of ACPI 1.0 that later became boot flags; QEMU fills them in.
    found.setdefault("boot_arch", "0x0000")
    registers = lines.registers()
    for label, key, length in BLOCKS:
        if lines[label + " Address"]:
            found[key] = f"io {lines[label + ' Address']:#x} size={lines[length]:#x}"
        if label in registers:
            found["x_" + key] = registers[label]
    if "Reset Register" in registers:
        found["reset_reg"] = registers["Reset Register"]
    return found


def apic(lines, _):
    found = {"lapic_address": f"0x{lines['Local Apic Address']:08x}", "flags": f"0x{lines['Flags']:08x}"}
    for s in lines.split("Subtable Type"):
        kind = s["Subtable Type"]
        if kind in (0, 9):
            ident, x2 = ("Processor ID", "Local Apic ID"), "" if kind == 0 else " x2apic"
            if kind == 9:
                ident = ("Processor UID", "Processor x2Apic ID")
            online = " online_capable" if "Runtime Online Capable" in s and s["Runtime Online Capable"] else ""
            found[f"lapic.{s[ident[0]]}"] = f"apic_id={s[ident[1]]}{x2} {enabled(s['Processor Enabled'])}{online}"
        elif kind == 1:
            found[f"ioapic.{s['I/O Apic ID']}"] = f"address=0x{s['Address']:08x} gsi={s['Interrupt']}"
        elif kind == 2:
            found[f"override.{s['Source']}"] = f"gsi={s['Interrupt']} {interrupt(s)}"
        elif kind in (4, 10):
            uid = s["Processor ID" if kind == 4 else "Processor UID"]
            who = "all" if uid == (0xFF if kind == 4 else 0xFFFFFFFF) else uid
            found[f"lapic_nmi.{who}.lint{s['Interrupt Input LINT']}"] = interrupt(s)
        else:
            raise AssertionError(f"the guest has a MADT structure of type {kind} that this test does not know")
    return found


def srat(lines, _):
    found = {"table_revision": str(lines["Table Revision"])}
    for s in lines.split("Subtable Type"):
        if s["Subtable Type"] == 0:
            node = s["Proximity Domain Low(8)"] | s["Proximity Domain High(24)"] << 8
            found[f"apic.{s['Apic ID']}"] = f"node={node} {enabled(s['Enabled'])} clock_domain={s['Clock Domain']}"
        elif s["Subtable Type"] == 2:
            found[f"apic.{s['Apic ID']}"] = f"node={s['Proximity Domain']} {enabled(s['Enabled'])} clock_domain={s['Clock Domain']}"
        elif s["Address Length"] or s["Enabled"]:
            found[f"memory.0x{s['Base Address']:016x}"] = (f"size={s['Address Length']:#x} node={s['Proximity Domain']} {enabled(s['Enabled'])}" +
                                                           (" hotplug" if s["Hot Pluggable"] else "") + (" nonvolatile" if s["Non-Volatile"] else ""))
    return found


def slit(lines, _):
    rows = [value for name, value in lines.lines if name.startswith("Locality ")]
    return {"localities": str(lines["Localities"]),
            **{f"distances.{n}": " ".join(str(int(d, 16)) for d in row.split()) for n, row in enumerate(rows)}}


def hmat(lines, _):
    found = {}
    kinds = ["access_latency", "read_latency", "write_latency", "access_bandwidth", "read_bandwidth", "write_bandwidth"]
    for s in lines.split("Structure Type"):
        if s["Structure Type"] == 0:
            valid = s["Processor Proximity Domain Valid"]
            found[f"memory.{s['Memory Proximity Domain']}"] = f"initiator={s['Attached Initiator Proximity Domain'] if valid else 'none'}"
        elif s["Structure Type"] == 1:
            unit = "ps" if s["Data Type"] < 3 else "MB/s"
            targets, values = s.all("Target Proximity Domain List"), iter(s.all("Entry"))
            for i in s.all("Initiator Proximity Domain List"):
                for t in targets:
                    value = next(values)
                    shown = {0: "unknown", 0xFFFF: "unreachable"}.get(value, f"{value * s['Entry Base Unit']} {unit}")
                    found[f"{kinds[s['Data Type']]}.memory.{i}.{t}"] = shown
        else:
            found[f"cache.{s['Memory Proximity Domain']}.level{s['Cache Level']}"] = (
                f"size={s['Memory Side Cache Size']:#x} levels={s['Total Cache Levels']} "
                f"associativity={['none', 'direct', 'complex'][s['Cache Associativity']]} "
                f"policy={['none', 'write-back', 'write-through'][s['Write Policy']]} line={s['Cache Line Size']}")
    return found


def hpet(lines, _):
    return {"id": f"0x{lines['Hardware Block ID']:08x}", "number": str(lines["Sequence Number"]), "min_tick": str(lines["Minimum Clock Ticks"]),
            "flags": f"0x{lines['Flags']:02x}", "address": lines.registers()["Timer Block Register"]}


def mcfg(lines, _):
    return {f"{s['Segment Group Number']:04x}": f"base={s['Base Address']:#x} buses={s['Start Bus Number']:02x}-{s['End Bus Number']:02x}"
            for s in lines.split("Base Address")}


def waet(lines, _):
    return {"flags": f"0x{lines['Flags']:08x}"}


def tpm2(lines, _):
    return {"platform_class": str(lines["Platform Class"]), "control_address": f"0x{lines['Control Address']:016x}",
            "start_method": str(lines["Start Method"]), "log_bytes": f"0x{lines['Minimum Log Length']:08x}"}


def dmar(lines, _):
    found = {"address_width_minus_1": str(lines["Host Address Width"]), "flags": f"0x{lines['Flags']:02x}"}
    kinds = {1: "endpoint", 2: "bridge", 3: "ioapic", 4: "hpet", 5: "namespace"}
    for unit in lines.split("Subtable Type"):
        if unit["Subtable Type"] == 2:
            prefix = f"atsr.{unit['PCI Segment Number']:04x}"
            found[prefix] = f"flags=0x{unit['Flags']:02x}"
        else:
            prefix = f"unit.{unit['Register Base Address']:#x}"
            found[prefix] = (f"segment={unit['PCI Segment Number']:04x} flags=0x{unit['Flags']:02x} size=0" +
                             (" include_all" if unit["Flags"] & 1 else ""))
        for s in unit.split("Device Scope Type"):
            path = "/".join("{:02x}.{:x}".format(*(int(x, 16) for x in value.split(","))) for name, value in s.lines if name == "PCI Path")
            found[f"{prefix}/{kinds[s['Device Scope Type']]}.{s['PCI Bus Number']:02x}:{path}"] = f"id={s['Enumeration ID']}"
    return found


def bdf(number):
    return f"{number >> 8:02x}:{number >> 3 & 31:02x}.{number & 7:x}"


def ivrs(lines, _):
    found = {"info": f"0x{lines['Virtualization Info']:08x}"}
    for unit in lines.split("Subtable Type"):
        prefix = f"unit{unit['Subtable Type']:02x}.{unit['PCI Segment Group']:04x}:{bdf(unit['DeviceId'])}"
        found[prefix] = (f"base={unit['Base Address']:#x} flags=0x{unit['Flags']:02x} capability={unit['Capability Offset']:#x} "
                         f"info=0x{unit['Virtualization Info']:04x} features=0x{unit['Feature Reporting']:08x}")
        for s in unit.split("Entry Type"):
            kind = {1: "all", 2: "select", 3: "range_start", 4: "range_end"}[s["Entry Type"]]
            found[f"{prefix}/{kind}.{bdf(s['Device ID'])}"] = f"settings=0x{s['Data Setting']:02x}"
    return found


DECODED = {"FACP": facp, "APIC": apic, "SRAT": srat, "SLIT": slit, "HMAT": hmat, "HPET": hpet, "MCFG": mcfg, "WAET": waet, "TPM2": tpm2,
           "DMAR": dmar, "IVRS": ivrs}
BYTES_ONLY = {"NFIT", "VIOT", "RSDT", "XSDT"}

NUMA = ["-smp", "4,sockets=2,cores=2", "-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
        "-numa", "node,nodeid=0,memdev=m0,cpus=0-1", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3", "-numa", "dist,src=0,dst=1,val=21"]
HMAT = ["-smp", "4,sockets=2,cores=2", "-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
        "-numa", "node,nodeid=0,memdev=m0,cpus=0-1,initiator=0", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3,initiator=1",
        "-numa", "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=5",
        "-numa", "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=10",
        "-numa", "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=200M",
        "-numa", "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=100M",
        "-numa", "hmat-cache,node-id=0,size=10K,level=1,associativity=direct,policy=write-back,line=8"]


class Acpi(Live):
    maxDiff = None

    def setUp(self):
        super().setUp()
        if not shutil.which("iasl"):
            raise unittest.SkipTest("iasl (acpica-tools) is not installed")

    def boot(self, monitor, machine, *args, name=None, boot=1, **kw):
        guest = self.qemu(machine, *args, name=name, **kw)
        state = monitor.settled(guest.name, boot=boot)
        self.assertEqual(state["coverage"]["acpi"], "complete", monitor.json("show", guest.name, "--facet", "acpi"))
        return guest

    @staticmethod
    def seen(monitor, side):
        return {key: value for (facet, key), value in entries(monitor.fingerprint(side)).items() if facet == "acpi"}

    @staticmethod
    def of(seen, table):
        """A table's entries but the digest."""
        return {key[len(table) + 1:]: value for key, value in seen.items() if key.startswith(table + "/") and key != table + "/body"}

    def compare(self, monitor, guest, *wanted):
        """Each table in guest memory has its entries, each entry its table, and iasl says the same of every field."""
        oracle, seen, numbers, names = Tables(guest, self.folder), self.seen(monitor, guest.name), {}, set()
        for signature, data in oracle.tables:
            n = numbers[signature] = numbers.get(signature, -1) + 1
            name = f"SSDT.{n}" if signature == "SSDT" else signature
            names.add(name)
            self.assertFalse(name != "SSDT.0" and n and signature != "SSDT", f"two {signature}")
            if signature == "FACS":
                continue
            told = self.of(seen, name)
            self.assertIn(name + "/body", seen)
            if signature in ("DSDT", "SSDT"):
                head = {"length": str(len(data)), "revision": str(data[8]), "oem_id": data[10:16].decode().rstrip(" \0"),
                        "oem_table_id": data[16:24].decode().rstrip(" \0"), "oem_revision": f"0x{int.from_bytes(data[24:28], 'little'):08x}",
                        "creator_id": data[28:32].decode().rstrip(" \0"), "creator_revision": f"0x{int.from_bytes(data[32:36], 'little'):08x}"}
                self.assertEqual({key: told[key] for key in head}, head, name)
                continue
            lines = Lines(disassemble(self.folder, data))
            expected = header(lines)
            if signature in DECODED:
                expected.update(DECODED[signature](lines, data))
            elif signature == "RSDT":
                order = [name for name, _ in oracle.tables if name not in ("RSDT", "DSDT", "FACS")]
                expected["tables"] = " ".join(order)
            else:
                self.assertIn(signature, BYTES_ONLY)
            if signature == "FACP" and data[8] < 2:
                expected["boot_arch"] = f"0x{int.from_bytes(data[109:111], 'little'):04x}"
            self.assertEqual(told, expected, name)
        self.assertEqual({key.split("/")[0] for key in seen}, names | {"RSDP"})
        for table in wanted:
            self.assertIn(table, names)


class Oracle(Acpi):
    """Every field of every table equals what iasl reads; a wrong one would name a wrong cause in an incident."""

    def test_numa_hmat_and_iommus_equal_iasl(self):
        monitor = self.monitor()
        guests = [
            (("pc-i440fx-7.2", *NUMA), ("SRAT", "SLIT", "WAET", "HPET")),
            (("pc-q35-7.2,hmat=on", *HMAT), ("SRAT", "HMAT", "MCFG")),
            (("pc-q35-7.2,kernel-irqchip=split", "-device", "intel-iommu,intremap=on", "-device", "pcie-root-port,id=rp1,chassis=1,addr=4"), ("DMAR",)),
            (("pc-q35-7.2", "-device", "amd-iommu", "-device", "vmgenid,guid=auto"), ("IVRS", "SSDT.0")),
        ]
        running = [(self.qemu(machine, *args), tables) for (machine, *args), tables in guests]
        for guest, tables in running:
            with self.subTest(guest.process.argv[4]):
                state = monitor.settled(guest.name)
                self.assertEqual(state["coverage"]["acpi"], "complete", state)
                self.compare(monitor, guest, *tables)

    def test_nvdimm_and_tpm_equal_iasl(self):
        if not shutil.which("swtpm"):
            self.skipTest("swtpm is not installed")
        monitor = self.monitor()
        os.mkdir(self.folder.file("tpm"))
        control = self.folder.file("swtpm.sock")
        self.process(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder.file('tpm')}", "--ctrl", f"type=unixio,path={control}"])
        wait_for("swtpm", lambda: os.path.exists(control))
        tpm = self.qemu("pc-q35-7.2", "-chardev", f"socket,id=c,path={control}", "-tpmdev", "emulator,id=t,chardev=c", "-device", "tpm-tis,tpmdev=t")
        nvdimm = self.qemu("pc-i440fx-7.2,nvdimm=on", "-object", "memory-backend-ram,id=n0,size=128M", "-device", "nvdimm,memdev=n0",
                           memory="256M,slots=4,maxmem=4G")
        for guest, table in ((tpm, "TPM2"), (nvdimm, "NFIT")):
            state = monitor.settled(guest.name)
            self.assertEqual(state["coverage"]["acpi"], "complete", state)
            self.compare(monitor, guest, table)


class SameEveryTime(Acpi):
    """Entries that move by themselves would be an alert at every boot."""

    def test_three_boots_give_the_same_entries(self):
        monitor = self.monitor()
        nvdimm = ["-object", "memory-backend-ram,id=n0,size=128M", "-device", "nvdimm,memdev=n0"]
        generation = ["-device", "vmgenid,guid=auto"]
        guests = {"pc-i440fx-7.2,nvdimm=on": [*generation, *nvdimm], "pc-q35-7.2": [*generation, "-device", "pcie-root-port,id=rp1,chassis=1,addr=4"]}
        idents = {machine: str(uuid.uuid4()) for machine in guests}

        def start(machine, *more):
            return self.qemu(machine, *guests[machine], *more, name=machine.split(",")[0], guest_uuid=idents[machine], memory="256M,slots=4,maxmem=4G")

        def look(boot):
            found = {}
            for machine in guests:
                state = monitor.settled(machine.split(",")[0], boot=boot)
                self.assertEqual(state["coverage"]["acpi"], "complete", state)
                found[machine] = self.seen(monitor, machine.split(",")[0])
            return found
        running = [start(machine) for machine in guests]
        first = look(1)
        self.assertEqual([len([k for k in seen if k.startswith("SSDT.") and k.endswith("/body")]) for seen in first.values()], [2, 1])
        for guest in running:
            guest.command("system_reset")
        self.assertEqual(look(2), first)
        for guest in running:
            guest.stop()
            monitor.gone(guest.name)
        # Another process, another layout of the host's memory; the same guest.
        for machine in guests:
            start(machine, "-object", "memory-backend-ram,id=host,size=64M,prealloc=on")
        self.assertEqual(look(3), first)
        for machine in guests:
            self.assertEqual([c for c in monitor.diff(machine.split(",")[0])["changes"] if c["facet"] == "acpi"], [])


class OtherMachine(Acpi):
    def decoded(self, guest):
        """{key: value} of all that iasl decodes, of tables that stand alone."""
        found = {}
        for signature, data in Tables(guest, self.folder).tables:
            if signature in DECODED:
                lines = Lines(disassemble(self.folder, data))
                for key, value in {**header(lines), **DECODED[signature](lines, data)}.items():
                    found[f"{signature}/{key}"] = value
        return found

    def test_a_newer_machine_type_is_told_field_by_field(self):
        """pc-q35-5.2 and 7.2 under one QEMU: what iasl shows of both and nothing else, so that an upgrade can be judged."""
        monitor = self.monitor()
        ident = str(uuid.uuid4())
        guest = self.boot(monitor, "pc-q35-5.2", name="newer", guest_uuid=ident)
        before = self.decoded(guest)
        guest.stop()
        monitor.gone("newer")
        after = self.decoded(self.boot(monitor, "pc-q35-7.2", name="newer", guest_uuid=ident, boot=2))
        expected = {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}
        self.assertIn("FACP/smi_cmd", expected)
        changes = {key: (c["from"], c["to"]) for (facet, key), c in monitor.changes("newer").items() if facet == "acpi"}
        rest = {key for key in changes if key not in expected}
        self.assertEqual({key: changes[key] for key in expected}, expected)
        self.assertIn("DSDT/body", rest)
        self.assertEqual({key for key in rest if not key.startswith("DSDT/")}, {f"{key.split('/')[0]}/body" for key in expected})
        self.assertTrue({key for key in rest if key.startswith("DSDT/_SB.PCI0")}, rest)
