# SPDX-License-Identifier: Apache-2.0
"""What a Linux guest told of itself (guest_init.sh), in the words of a fingerprint's entries: the other side of the comparison, made of
the guest's own reading and of lspci and cpuid. Nothing here looks at what abidrift says."""
import hashlib
import re
import struct
import subprocess
import tempfile

# What moves by itself in CPUID, as documented in docs/facets.md: (leaf, subleaf or None) -> register -> bits that are kept.
KEPT = {(0x1, 0): {1: 0x00ffffff, 2: ~(1 << 27), 3: ~(1 << 9)}, (0x7, 0): {2: ~(1 << 4)}, (0xb, None): {2: ~0xff, 3: 0}, (0x1f, None): {2: ~0xff, 3: 0},
        (0xd, 0): {1: 0}, (0xd, 1): {1: 0}, (0x8000001e, 0): {0: 0, 1: ~0xff, 2: ~0xff}, (0x80000026, None): {2: ~0xff, 3: 0}}
REGISTERS = ("eax", "ebx", "ecx", "edx")
# Bits of a resource's flags (include/linux/ioport.h).
IO, MEM, PREFETCH, ROM_SHADOW, MEM64, FIXED = 0x100, 0x200, 0x2000, 0x2, 0x100000, 0x10
CAPABILITY_NAMES = {"Power Management": "01", "MSI:": "05", "MSI-X:": "11", "Express": "10", "Subsystem:": "0d", "Vendor Specific Information": "09", "SATA HBA": "12",
                    "HyperTransport": "08", "PCI-X": "07", "Hot-plug": "0c", "Slot ID": "04", "PCI Advanced Features": "13"}


class Sight:
    """One `see` of the guest. files: {name: bytes}, what came back; when: its name in the story."""
    def __init__(self, files, when):
        start = f"see.{when}/"
        self.files = {n[len(start):]: data for n, data in files.items() if n.startswith(start)}
        self.paths = {}
        for name in self.under("pci"):
            steps = self.text(f"pci/{name}/path").strip().split("/")[4:]
            self.paths[name] = "/".join([steps[0], *(s.split(":", 2)[2] for s in steps[1:])])

    def text(self, name):
        return self.files[name].decode(errors="replace")

    def under(self, folder):
        return sorted({n.split("/")[1] for n in self.files if n.startswith(folder + "/")})

    # ---- cpuid
    def cpuid(self, cpu=0):
        """Every leaf that cpuid(1) asked for on that processor and that does not answer all zeros, normalised."""
        text = re.search(rf"^CPU {cpu}:\n(.*?)(?=^CPU|\Z)", self.text("cpuid"), re.S | re.M)[1]
        found = {}
        for line in re.finditer(r"0x(\w+) 0x(\w+): eax=0x(\w+) ebx=0x(\w+) ecx=0x(\w+) edx=0x(\w+)", text):
            leaf, subleaf, *regs = (int(g, 16) for g in line.groups())
            kept = KEPT.get((leaf, subleaf), KEPT.get((leaf, None), {}))
            regs = [r & kept.get(i, ~0) & 0xffffffff for i, r in enumerate(regs)]
            if any(regs):
                found.update({("cpuid", f"0x{leaf:08x}.{subleaf}.{n}"): f"0x{r:08x}" for n, r in zip(REGISTERS, regs)})
        return found

    # ---- pci
    def resources(self, name):
        return [tuple(int(n, 16) for n in line.split()) for line in self.text(f"pci/{name}/resource").splitlines()]

    def pci(self):
        found = {}
        for name, path in self.paths.items():
            config = self.files[f"pci/{name}/config"]
            entry = lambda key, value, path=path: found.__setitem__(("pci", f"{path}/{key}"), value)
            entry("id", "%04x:%04x" % struct.unpack_from("<HH", config, 0))
            entry("class", "%02x%02x%02x" % (config[11], config[10], config[9]))
            entry("revision", "%02x" % config[8])
            entry("header", "%02x" % (config[14] & 0x7f))
            if config[14] & 0x80 and path.endswith(".0"):
                entry("multifunction", "yes")
            if config[0x3d]:
                entry("pin", "ABCD"[config[0x3d] - 1])
            if config[14] & 0x7f == 0 and config[0x2c:0x30] != bytes(4):
                entry("subsystem", "%04x:%04x" % struct.unpack_from("<HH", config, 0x2c))
            for number, (start, end, flags) in enumerate(self.resources(name)[:7]):
                if not flags & (IO | MEM) or number < 6 and flags & FIXED:
                    continue
                if number == 6:
                    if not flags & ROM_SHADOW:
                        entry("rom", f"size={end - start + 1:#x}")
                    continue
                kind = "io" if flags & IO else ("mem64" if flags & MEM64 else "mem32") + ("-pref" if flags & PREFETCH else "")
                entry(f"bar{number}", f"{kind} size={end - start + 1:#x}")
        return found

    def placement(self):
        """Where the guest's OS has BARs and bridge windows now."""
        found = {}
        for name, path in self.paths.items():
            config, resources = self.files[f"pci/{name}/config"], self.resources(name)
            for number, (start, _, flags) in enumerate(resources[:6]):
                if flags & (IO | MEM) and not flags & FIXED and start:
                    found["placement", f"{path}/bar{number}"] = f"0x{start:016x}"
            if config[14] & 0x7f == 1:
                found["placement", f"{path}/bus"] = str(config[0x19])
                for window, (start, end, flags) in zip(("io_window", "mem_window", "pref_window"), resources[13:16]):
                    if flags & (IO | MEM):
                        found["placement", f"{path}/{window}"] = f"0x{start:016x} size={end - start + 1:#x}"
        return found

    def lspci(self):
        """Each function's text as lspci decodes the bytes that the guest read."""
        dump = []
        for name in self.paths:
            data = self.files[f"pci/{name}/config"]
            dump += [f"{name} x", *(f"{i:02x}: {data[i:i + 16].hex(' ')}" for i in range(0, len(data), 16)), ""]
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("\n".join(dump))
            f.flush()
            out = subprocess.run(["lspci", "-F", f.name, "-D", "-nvv"], capture_output=True, text=True, check=True).stdout
        return {self.paths[block.split(" ", 1)[0]]: block for block in out.strip().split("\n\n")}

    def capabilities(self):
        """Capability lists as lspci decodes them: their places, and of some what they say."""
        found = {}
        for path, block in self.lspci().items():
            for part in re.split(r"^\tCapabilities: ", block, flags=re.M)[1:]:
                at, version, text = re.match(r"\[(\w+)(?: v(\d+))?\] (.*)", part, re.S).groups()
                if version:
                    code = struct.unpack_from("<H", self.files[f"pci/{self.name(path)}/config"], int(at, 16))[0]
                    found["pci", f"{path}/ext.{code:04x}@0x{int(at, 16):x}"] = f"version={version}"
                    continue
                code = next((c for n, c in CAPABILITY_NAMES.items() if text.startswith(n)), None)
                if code is None:
                    raise AssertionError(f"lspci tells of a capability that this test does not know: {text[:60]}")
                key = f"{path}/cap.{code}@0x{at}"
                found["pci", key] = "present"
                found.update({("pci", f"{key}.{k}"): v for k, v in self.decoded(code, text)})
        return found

    @staticmethod
    def decoded(code, text):
        if code == "11":
            yield "vectors", re.search(r"Count=(\d+)", text)[1]
            for what, name in (("Vector table", "table"), ("PBA", "pba")):
                bar, offset = re.search(rf"{what}: BAR=(\d) offset=(\w+)", text).groups()
                yield name, f"bar{bar}+{int(offset, 16):#x}"
        if code == "05":
            yield "vectors", re.search(r"Count=\d+/(\d+)", text)[1] + (" 64bit" if "64bit+" in text else "") + (" maskable" if "Maskable+" in text else "")
        if code == "01":
            yield "version", re.search(r"version (\d)", text)[1]
        if code == "0d":
            yield "subsystem", re.search(r"Subsystem: (\w+:\w+)", text)[1]

    def name(self, path):
        return next(n for n, p in self.paths.items() if p == path)

    # ---- memory
    def e820(self):
        """What firmware told the kernel: [(first, end, kind)]."""
        found = re.findall(r"BIOS-e820: \[mem 0x(\w+)-0x(\w+)\] (.*)", self.text("dmesg"))
        return [(int(a, 16), int(b, 16) + 1, kind) for a, b, kind in found]

    def ram(self):
        """What the kernel uses as memory, from /proc/iomem."""
        return [(int(a, 16), int(b, 16) + 1) for a, b in re.findall(r"^(\w+)-(\w+) : System RAM", self.text("iomem"), re.M)]

    # ---- identity
    def macs(self):
        found = {}
        for line in self.text("macs").splitlines():
            device, _, mac = line.split()
            found["identity", f"mac/{self.paths[device]}"] = mac
        return found

    # ---- tables
    def numa(self):
        found = {}
        apic = dict(enumerate(re.findall(r"^initial apicid\s*: (\d+)", self.text("cpuinfo"), re.M)))
        nodes = [int(n[4:]) for n in self.under("numa")]
        for n in nodes:
            cpus = [c for part in self.text(f"numa/node{n}/cpulist").split(",") if part.strip() for c in span(part)]
            found["numa", f"node{n}/cpus"] = spans(sorted(int(apic[c]) for c in cpus))
            found.update({("numa", f"distance/{n}/{m}"): d for m, d in zip(nodes, self.text(f"numa/node{n}/distance").split())})
            ranges = [(int(a, 16), int(b, 16)) for a, b in re.findall(rf"SRAT: Node {n} PXM \d+ \[mem 0x(\w+)-0x(\w+)\]", self.text("dmesg"))]
            found["numa", f"node{n}/memory"] = " ".join(f"{a:#x}-{b:#x}" for a, b in sorted(ranges))
        return found

    def acpi_tables(self):
        """{name as the facet has it (SSDT.0, …): bytes} of the tables that Linux took from firmware."""
        found = {}
        for name in self.under("acpi"):
            data = self.files.get(f"acpi/{name}")
            if data:
                signature, number = re.match(r"(\D{3}[^\d]?|\w{4})(\d*)$", name).groups()
                found[f"{signature}.{int(number) - 1}" if number else f"{signature}.0" if signature == "SSDT" else signature] = data
        return found

    def acpi(self):
        """Entries of the tables' headers, and of the body where nothing in it moves by itself."""
        found = {}
        word = lambda data: data.rstrip(b" \0").decode("latin-1")
        for name, data in self.acpi_tables().items():
            found["acpi", f"{name}/length"] = str(len(data))
            if name == "FACS":
                continue
            values = {"revision": str(data[8]), "oem_id": word(data[10:16]), "oem_table_id": word(data[16:24]), "creator_id": word(data[28:32])}
            if name in ("HPET", "MCFG", "SLIT", "SRAT", "WAET"):
                values["body"] = "sha256:" + hashlib.sha256(data[36:]).hexdigest()
            found.update({("acpi", f"{name}/{key}"): value for key, value in values.items()})
        return found

    def smbios_tables(self):
        return self.files["dmi/smbios_entry_point"], self.files["dmi/DMI"]

    def dmi(self):
        """What the kernel itself took from SMBIOS (/sys/class/dmi/id), in the facet's words."""
        found = {}
        for name, data in self.files.items():
            m = re.match(r"dmi/(bios|sys|product|board|chassis)_(vendor|version|release|date|name|serial|sku|family|uuid|asset_tag)$", name)
            if not m or (m[1], m[2]) in (("bios", "date"), ("bios", "release")):
                continue
            number = {"bios": 0, "sys": 1, "product": 1, "board": 2, "chassis": 3}[m[1]]
            field = {"vendor": "vendor" if number == 0 else "manufacturer", "name": "product_name"}.get(m[2], m[2])
            facet = "identity" if field in ("serial", "uuid", "asset_tag") else "smbios"
            value = data.decode("latin-1").rstrip("\n")
            if value:
                found[facet, f"type{number}.0/{field}"] = value
        return found

    # ---- registers
    def msr(self):
        """{index: value or None where reading it faulted}."""
        found = {}
        for line in self.text("msr").splitlines():
            index, value = line.split()
            found[int(index, 16)] = None if value == "#GP" else int.from_bytes(bytes.fromhex(value), "little")
        return found

    def chips(self):
        """Versions of chips as the kernel found them."""
        dmesg = self.text("dmesg")
        version, address, entries = re.search(r"IOAPIC\[0\]: apic_id \d+, version (\d+), address 0x(\w+), GSI 0-(\d+)", dmesg).groups()
        hpet, base = re.search(r"HPET id: 0x(\w+) base: 0x(\w+)", dmesg).groups()
        return {("mmio", f"0x{int(address, 16):016x}.ioapic_version"): f"0x{int(entries) << 16 | int(version):08x}",
                ("mmio", f"0x{int(base, 16):016x}.hpet_id"): f"0x{int(hpet, 16):08x}"}


def span(text):
    first, _, last = text.strip().partition("-")
    return range(int(first), int(last or first) + 1)


def spans(numbers):
    """0 1 2 5 as `0-2 5`."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return " ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in out)


# ---- the recording (userspace/stream/record.h)
RECORD_BOOT, RECORD_MEMORY = 6, 14
PART_RSDP, PART_TABLE, PART_SMBIOS_ENTRY, PART_SMBIOS_TABLE, PART_ROM = 2, 3, 4, 5, 6


def records(trace):
    """(type, boot, body) of each record."""
    at = 64
    while at < len(trace):
        size, kind, _, _, _, _, boot, _ = struct.unpack_from("<IHHQQQII", trace, at)
        yield kind, boot, trace[at + 40:at + size]
        at += size


def boots(trace):
    """When boots began, in nanoseconds."""
    return [struct.unpack_from("<IIQ", body)[2] for kind, _, body in records(trace) if kind == RECORD_BOOT]


def memory_parts(trace, boot):
    """[(area, whole, part kind, gpa, bytes)] of what the recording has of the guest's memory in that boot."""
    newest = {}
    for kind, in_boot, body in records(trace):
        if kind != RECORD_MEMORY or in_boot != boot:
            continue
        area, whole, count, _ = struct.unpack_from("<IIII", body)
        parts, cursor = [], 16
        for _ in range(count):
            gpa, part, length = struct.unpack_from("<QII", body, cursor)
            parts.append((area, bool(whole), part, gpa, body[cursor + 16:cursor + 16 + length]))
            cursor += 16 + (length + 7) // 8 * 8
        newest[area] = parts
    return [p for parts in newest.values() for p in parts]
