# SPDX-License-Identifier: Apache-2.0
"""A guest's ACPI tables as QEMU's own monitor reads its memory, and what ACPICA's iasl says of each."""
import os
import re
import struct
import subprocess

from harness import wait_for

F_SEGMENT, F_SEGMENT_BYTES = 0xE0000, 0x20000
FADT_FACS, FADT_DSDT = 36, 40
SPACES = ["memory", "io", "pci", "ec", "smbus", "cmos", "pcibar", "ipmi", "gpio", "serial", "pcc", "prm"]


class Tables:
    """Walks from the RSDP like an operating system: {name: bytes}, names as the facet's (`SSDT.0`)."""

    def __init__(self, guest, folder):
        self.guest, self.folder = guest, folder
        self.tables, self.places = [], []
        self.rsdp = wait_for("the guest's RSDP", self._rsdp)
        self._walk()

    def memory(self, address, size):
        path = self.folder.file("pmem")
        self.guest.command("pmemsave", val=address, size=size, filename=path)
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        return data

    def _rsdp(self):
        segment = self.memory(F_SEGMENT, F_SEGMENT_BYTES)
        for at in range(0, F_SEGMENT_BYTES, 16):
            if segment[at:at + 8] == b"RSD PTR " and sum(segment[at:at + 20]) & 0xFF == 0:
                revision = segment[at + 15]
                return segment[at:at + (36 if revision >= 2 else 20)]
        return None

    def _table(self, address):
        size, = struct.unpack("<I", self.memory(address + 4, 4))
        data = self.memory(address, size)
        self.tables.append((data[:4].decode("latin-1"), data))
        self.places.append(address)
        return data

    def _walk(self):
        rsdt, = struct.unpack_from("<I", self.rsdp, 16)
        width, start = 4, rsdt
        if len(self.rsdp) >= 36 and struct.unpack_from("<Q", self.rsdp, 24)[0]:
            start, width = struct.unpack_from("<Q", self.rsdp, 24)[0], 8
        root = self._table(start)
        for at in range(36, len(root) - width + 1, width):
            pointer = int.from_bytes(root[at:at + width], "little")
            data = self._table(pointer)
            if data[:4] == b"FACP":
                for field in (FADT_DSDT, FADT_FACS):
                    self._table(struct.unpack_from("<I", data, field)[0])

    def of(self, signature):
        return [data for name, data in self.tables if name == signature]


def disassemble(folder, data):
    """`iasl -d` of a data table: [(label, value)] in order, flags' bits among them."""
    path = folder.file("table.dat")
    with open(path, "wb") as f:
        f.write(data)
    done = subprocess.run(["iasl", "-d", path], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise AssertionError(f"iasl: {done.stderr[-500:]}")
    with open(folder.file("table.dsl"), errors="replace") as f:
        text = f.read().partition("Raw Table Data")[0]
    os.unlink(folder.file("table.dsl"))
    os.unlink(path)
    found = []
    for line in text.splitlines():
        m = re.match(r"(?:\[[0-9A-F]+h [^\]]*\])?\s*(\S.*?) : (.*)$", line)
        if m and not line.startswith((" *", "/*")):
            found.append((m[1].replace(" (decoded below)", "").strip(), m[2].strip()))
    return found


def number(value):
    """The number that an iasl line begins with; all are hexadecimal."""
    return int(value.split()[0], 16)


def text(value):
    return value.split('"')[1].rstrip()


class Lines:
    """iasl's lines of one table, by label; of structures one such thing each."""

    def __init__(self, lines):
        self.lines = lines

    def __getitem__(self, label):
        for name, value in self.lines:
            if name == label:
                return number(value)
        raise KeyError(label)

    def __contains__(self, label):
        return any(name == label for name, _ in self.lines)

    def all(self, label):
        return [number(value) for name, value in self.lines if name == label]

    def registers(self):
        """{label: text} of the Generic Address Structures that are not zero."""
        found = {}
        for at, (name, value) in enumerate(self.lines):
            if value != "[Generic Address Structure]":
                continue
            part = Lines(self.lines[at + 1:at + 6])
            if any(number(v) for _, v in part.lines):
                space = SPACES[part["Space ID"]] if part["Space ID"] < len(SPACES) else f"space=0x{part['Space ID']:02x}"
                shown = f"{space} {part['Address']:#x} bits={part['Bit Width']}"
                shown += f" offset={part['Bit Offset']}" if part["Bit Offset"] else ""
                found[name] = shown + (f" access={part['Encoded Access Width']}" if part["Encoded Access Width"] else "")
        return found

    def split(self, label):
        """The structures, each from its line `label` on."""
        starts = [at for at, (name, _) in enumerate(self.lines) if name == label]
        return [Lines(self.lines[a:b]) for a, b in zip(starts, starts[1:] + [len(self.lines)])]


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
    for label, key in (("Reset Register", "reset_reg"), ("Sleep Control Register", "sleep_control"), ("Sleep Status Register", "sleep_status")):
        if label in registers:
            found[key] = registers[label]
    if "Hypervisor ID" in lines:
        found["hypervisor_vendor"] = f"0x{lines['Hypervisor ID']:016x}"
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


def tpm2(lines, data):
    """iasl shows the lowest byte of the start method, which has four."""
    start = int.from_bytes(data[48:52], "little")
    assert start & 0xFF == lines["Start Method"]
    return {"platform_class": str(lines["Platform Class"]), "control_address": f"0x{lines['Control Address']:016x}",
            "start_method": str(start), "log_bytes": f"0x{lines['Minimum Log Length']:08x}"}


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


SPCR = [
    ("Interface Type", "interface_type", "{}"), ("Interrupt Type", "interrupt_type", "0x{:02x}"), ("PCAT-compatible IRQ", "irq", "{}"),
    ("Interrupt", "gsi", "{}"), ("Baud Rate", "baud_rate", "{}"), ("Parity", "parity", "{}"), ("Stop Bits", "stop_bits", "{}"),
    ("Flow Control", "flow_control", "0x{:02x}"), ("Terminal Type", "terminal_type", "{}"), ("PCI Device ID", "pci_device", "0x{:04x}"),
    ("PCI Vendor ID", "pci_vendor", "0x{:04x}"), ("PCI Bus", "pci_bus", "0x{:02x}"), ("PCI Device", "pci_slot", "0x{:02x}"),
    ("PCI Function", "pci_function", "0x{:02x}"), ("PCI Flags", "pci_flags", "0x{:08x}"), ("PCI Segment", "pci_segment", "{}"),
]


def spcr(lines, data):
    """iasl of 2020 calls the language, and the clock behind the segment, reserved."""
    return {**{key: form.format(lines[label]) for label, key, form in SPCR}, "address": lines.registers()["Serial Port Register"],
            "language": str(data[63]), "clock": str(int.from_bytes(data[76:80], "little"))}


def bgrt(lines, _):
    return {"version": str(lines["Version"]), "image_type": str(lines["Image Type"]), "image_x": str(lines["Image OffsetX"]),
            "image_y": str(lines["Image OffsetY"])}


def wsmt(lines, _):
    return {"flags": f"0x{lines['Protection Flags']:08x}"}


def tcpa(lines, _):
    return {"platform_class": str(lines["Platform Class"])}


DECODED = {"SPCR": spcr, "BGRT": bgrt, "WSMT": wsmt, "TCPA": tcpa, "FACP": facp, "APIC": apic, "SRAT": srat, "SLIT": slit, "HMAT": hmat, "HPET": hpet, "MCFG": mcfg, "WAET": waet, "TPM2": tpm2,
           "DMAR": dmar, "IVRS": ivrs}
BYTES_ONLY = {"NFIT", "VIOT", "RSDT", "XSDT"}
