# SPDX-License-Identifier: Apache-2.0
"""What is read of definition blocks is what ACPICA's disassembler reads: of real guests' tables, of hand-made ones, of this machine's."""
import glob
import os
import re
import shutil
import struct
import subprocess
import unittest
import uuid

from harness import BUILD, ROOT, Folder, Live, entries, need_qemu, wait_for

AMLDUMP = os.path.join(BUILD, "tests", "live", "amldump")
IASL = shutil.which("iasl")
HEADER = 36
IDENTITIES = ("_ADR", "_BBN", "_HID", "_PXM", "_SEG", "_STA", "_SUN", "_UID", "_CID", "_DDN")
NUMBERS = {"_ADR": "0x{:08x}", "_HID": "0x{:08x}", "_CID": "0x{:08x}", "_STA": "0x{:02x}"}


def need_iasl():
    if not IASL:
        raise unittest.SkipTest("iasl is not installed (acpica-tools)")


def read(path):
    """Entries (without the table's name), number of refused places, changed offsets."""
    out = subprocess.run([AMLDUMP, path], capture_output=True, text=True, timeout=60, check=True).stdout
    found, refused, blanked = {}, None, []
    for line in out.splitlines():
        if line.startswith("# refused "):
            refused = int(line.split()[2])
        elif line.startswith("# blanked "):
            blanked.append(int(line.split()[2], 16))
        else:
            key, value = line.split(" ", 1)
            found[key.partition("/")[2]] = value
    return found, refused, blanked


def contents(path, blanked=False):
    """The bytes behind the header."""
    with open(path, "rb") as f:
        body = bytearray(f.read())
    for at in read(path)[2] if blanked else ():
        body[at] = 0
    return bytes(body[HEADER:])


def disassemble(path):
    subprocess.run([IASL, "-d", path], cwd=os.path.dirname(path), capture_output=True, text=True, timeout=120, check=True)
    with open(os.path.splitext(path)[0] + ".dsl", encoding="latin-1") as f:
        return f.read()


def segments(path, name):
    """The path that a declaration's name means within a path."""
    if name.startswith("\\"):
        path, name = (), name[1:]
    while name.startswith("^"):
        path, name = path[:-1], name[1:]
    return path + tuple(s for s in name.split(".") if s)


def constant(text, name):
    """A term of the disassembler as an entry's value; None: no constant."""
    text = re.sub(r"/\*.*?\*/|//.*", "", text).strip()
    number = {"Zero": 0, "One": 1, "Ones": 2**64 - 1}.get(text)
    if number is None and re.fullmatch(r"0x[0-9A-Fa-f]+", text):
        number = int(text, 16)
    if number is not None:
        return NUMBERS.get(name, "{}").format(number)
    quoted = re.fullmatch(r'(?:EisaId \()?"(.*)"\)?', text)
    return quoted.group(1) if quoted else None


class Listing:
    """The devices of a disassembled block. Its form: one term a line, braces on lines of their own."""
    def __init__(self, text):
        self.entries, self.known = {}, {("_SB",), ("_GPE",), ("_PR",), ("_TZ",), ("_SI",)}
        lines = [line.split("  //")[0].strip() for line in text[text.index("DefinitionBlock"):].splitlines()[1:]]
        self.block(lines, 1, (), False)

    def scope(self, path, name):
        if re.fullmatch(r"\w+", name):
            for n in range(len(path), -1, -1):
                if path[:n] + (name,) in self.known:
                    return path[:n] + (name,)
        return segments(path, name)

    def block(self, lines, i, path, conditional):
        """From behind an opening brace to behind its closing one."""
        while i < len(lines):
            line = lines[i]
            opened = i + 1 < len(lines) and lines[i + 1] == "{"
            m = re.match(r"(Scope|Device|ThermalZone|Processor|PowerResource|Method) \(([\\^\w.]+)(?:, (\w+), (\w+))?", line)
            if line == "}":
                return i + 1
            if m and m.group(1) == "Method":
                inner = self.scope_end(lines, i + 1)
                self.method(path, m.group(2), lines[i + 2:inner - 1])
                i = inner
            elif m:
                kind = m.group(1)
                there = self.scope(path, m.group(2)) if kind == "Scope" else segments(path, m.group(2))
                self.known.add(there)
                if kind != "Scope":
                    value = f"Processor id={int(m.group(3), 16)}" if kind == "Processor" else kind
                    if kind == "Processor" and int(m.group(4), 16):
                        value += f" pblk={int(m.group(4), 16):#x}"
                    self.entries[".".join(there)] = value + (" (conditional)" if conditional else "")
                i = self.block(lines, i + 2, there, conditional)
            elif opened and re.match(r"(If|ElseIf|Else|While)\b", line):
                i = self.block(lines, i + 2, path, True)
            elif opened:
                inner = self.scope_end(lines, i + 1)
                self.name(path, line, lines[i + 2:inner - 1])
                i = inner
            else:
                self.name(path, line, None)
                i += 1
        return i

    @staticmethod
    def scope_end(lines, i):
        depth = 0
        while True:
            depth += (lines[i] == "{") - (lines[i].startswith("}"))
            i += 1
            if depth == 0:
                return i

    def put(self, path, name, value):
        there = segments(path, name)
        if there[-1] in IDENTITIES and value is not None:
            self.entries[".".join(there)] = value

    def method(self, path, name, body):
        last = segments(path, name)[-1]
        one = re.fullmatch(r"Return \((.*)\)(?:\s*/\*.*)?", body[0]) if len(body) == 1 else None
        value = constant(one.group(1), last) if one else None
        self.put(path, name, "method" if value is None else value)

    def name(self, path, line, body):
        m = re.match(r"Name \(([\\^\w.]+), (.*?)(\)(?:\s*/\*.*)?)?$", line)
        if not m:
            return
        last = segments(path, m.group(1))[-1]
        if body is None:
            self.put(path, m.group(1), constant(m.group(2), last))
        elif m.group(2).startswith("Package"):
            self.put(path, m.group(1), ",".join(constant(b.rstrip(","), last) or "?" for b in body))


class Blocks(Live):
    def setUp(self):
        need_iasl()
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def agree(self, path):
        found, refused, blanked = read(path)
        wanted = Listing(disassemble(path)).entries
        compared = {k: v for k, v in found.items() if not k.endswith(("._CRS", "._STR"))}
        self.assertEqual(refused, 0, path)
        self.assertEqual({k: (v, compared.get(k)) for k, v in wanted.items() if compared.get(k) != v}, {}, "read by iasl, not by abidrift")
        self.assertEqual({k: v for k, v in compared.items() if k not in wanted}, {}, "read by abidrift, not by iasl")
        return found, blanked


class Files(Blocks):
    def test_every_operator_is_read_as_iasl_reads_it(self):
        """One operator whose length is taken wrong hides every device behind it."""
        source = os.path.join(ROOT, "tests", "live", "operators.asl")
        done = subprocess.run([IASL, "-f", "-p", self.folder.file("all"), source], capture_output=True, text=True, timeout=60)
        self.assertTrue(os.path.exists(self.folder.file("all.aml")), done.stdout + done.stderr)
        found, _ = self.agree(self.folder.file("all.aml"))
        self.assertEqual(found["_SB.LNKS._CRS"], "io 0x60-0x60, io 0x100..0x200 length=0x8, io 0x70-0x71, irq 1,12, dma 2, irq 16,17, "
                         "mem 0x100000..0x200000 length=0x1000, mem 0x10000000..0x20000000 length=0x1000, mem 0xfed00000-0xfed003ff, mem 0x100000000-0x1000000ff")
        self.assertEqual(found["_SB.PCI0._CRS"], "io 0xcf8-0xcff")
        self.assertEqual(found["_SB.LNKS._STR"], "link device")

    def test_this_machines_blocks_are_read_as_iasl_reads_them(self):
        """Tables of another firmware than the guests'."""
        paths = [p for p in glob.glob("/sys/firmware/acpi/tables/*") if re.match(r"(DSDT|SSDT)", os.path.basename(p)) and os.access(p, os.R_OK)]
        if not paths:
            self.skipTest("this machine shows no ACPI tables")
        for path in paths:
            copy = self.folder.file(os.path.basename(path) + ".dat")
            shutil.copyfile(path, copy)
            if os.path.getsize(copy) < 1 << 18:
                self.agree(copy)


def physical(guest, folder, address, size):
    path = folder.file("memory")
    guest.command("pmemsave", val=address, size=size, filename=path)
    with open(path, "rb") as f:
        return f.read()


def tables(guest, folder):
    """{signature or signature.N: bytes} as SeaBIOS left them."""
    def root():
        low = physical(guest, folder, 0xe0000, 0x20000)
        for at in range(0, len(low), 16):
            if low[at:at + 8] == b"RSD PTR " and sum(low[at:at + 20]) % 256 == 0:
                return low[at:at + 20]
        return None
    rsdp = wait_for("firmware to have put the RSDP", root)

    def table(address):
        size = struct.unpack_from("<I", physical(guest, folder, address, 8), 4)[0]
        return physical(guest, folder, address, size)
    rsdt = table(struct.unpack_from("<I", rsdp, 16)[0])
    found, addresses = {}, list(struct.unpack(f"<{(len(rsdt) - HEADER) // 4}I", rsdt[HEADER:]))
    while addresses:
        body = table(addresses.pop(0))
        signature = body[:4].decode()
        if signature == "FACP":
            addresses.append(struct.unpack_from("<I", body, 40)[0])
        found[f"{signature}.{sum(k.startswith(signature) for k in found)}"] = body
    return found


BRIDGES = ["-device", "pcie-root-port,id=rp1,chassis=1,addr=0x4", "-device", "pcie-root-port,id=rp2,chassis=2,addr=0x5", "-device", "pcie-pci-bridge,id=pb,bus=rp1",
           "-device", "pci-bridge,id=b2,bus=pb,chassis_nr=5,addr=3"]
NICS = ["-device", "e1000,addr=0x8,romfile=", "-device", "virtio-net-pci,addr=0x9,romfile="]
GUESTS = {
    "q35": dict(machine="pc-q35-7.2", vcpus="4,maxcpus=8", memory="256M,slots=4,maxmem=1G", args=[*BRIDGES, *NICS, "-device", "vmgenid,guid=auto", "-device", "virtio-net-pci,bus=b2,addr=1,romfile="]),
    "i440fx": dict(machine="pc-i440fx-7.2", vcpus="4,maxcpus=255", args=[*NICS, "-device", "pci-bridge,id=b1,chassis_nr=1,addr=0xa", "-device", "e1000,bus=b1,addr=2,romfile=", "-device", "vmgenid,guid=auto"]),
    "nvdimm": dict(machine="pc-q35-7.2,nvdimm=on", memory="256M,slots=2,maxmem=1G", args=["-object", "memory-backend-ram,id=m1,size=64M", "-device", "nvdimm,memdev=m1,id=nv1"]),
    "pxb": dict(machine="pc-q35-7.2", args=["-device", "pxb-pcie,id=px,bus_nr=0x80", "-device", "pcie-root-port,bus=px,id=rp9,chassis=9", "-device", "virtio-net-pci,bus=rp9,romfile="]),
    "large": dict(machine="pc-q35-7.2", vcpus="1,maxcpus=255", memory="256M,slots=64,maxmem=4G", args=[
        part for n in range(20) for part in ("-device", f"pcie-root-port,id=r{n},chassis={n},addr={3 + n:#x}", "-device", f"virtio-rng-pci,bus=r{n}")]),
    "old": dict(machine="pc-q35-5.2", vcpus=2, args=[]),
}


class Boots(Blocks):
    def setUp(self):
        need_qemu()
        super().setUp()

    def boot(self, key, **more):
        guest = dict(GUESTS[key], **more)
        q = self.qemu(guest["machine"], *guest["args"], vcpus=guest.get("vcpus", 1), memory=guest.get("memory", "256M"))
        found = tables(q, self.folder)
        q.stop()
        paths, self.boots = {}, getattr(self, "boots", 0) + 1
        for name, body in found.items():
            if name[:4] in ("DSDT", "SSDT"):
                paths[name] = self.folder.file(f"{key}-{self.boots}-{name.replace('.', '-')}.dat")
                with open(paths[name], "wb") as f:
                    f.write(body)
        return paths


class Guests(Boots):
    def test_real_guests_blocks_read_as_iasl_reads_them(self):
        """Devices that a report names, or leaves out, would be others than the guest's OS sees."""
        for key in GUESTS:
            with self.subTest(key):
                paths = self.boot(key)
                self.assertIn("DSDT.0", paths)
                for path in paths.values():
                    found, _ = self.agree(path)
                    text = sum(len(k) + len(v) + len("acpi DSDT/ \n") for k, v in found.items())
                    self.assertLess(text, 100 * 1024)

    def test_where_firmware_puts_a_bar_is_in_no_entry_and_no_digest(self):
        """A BAR that grew behind an expander bridge moves the windows of the PCI hosts: that is placement, not drift of the tables."""
        small, large = (self.boot("pxb", args=["-device", "pxb-pcie,id=px,bus_nr=0x80", "-device", "pcie-root-port,bus=px,id=rp,chassis=1", "-device",
                                               "ivshmem-plain,memdev=m,bus=rp", "-object", f"memory-backend-ram,id=m,size={size},share=on"])["DSDT.0"]
                        for size in ("64M", "128M"))
        self.assertEqual(read(small)[0], read(large)[0])
        self.assertFalse(contents(small) == contents(large), "the window did not move")
        self.assertTrue(contents(small, blanked=True) == contents(large, blanked=True), "the window is in the digest")


class Told(Boots):
    """The whole way: what the monitor reads from a guest's memory, and what it says of a change."""

    def lives(self, *lives):
        """Boots definitions one after the other under one UUID; (monitor, name)."""
        monitor = self.monitor()
        ident = dict(name="told", guest_uuid=str(uuid.uuid4()))
        for boot, (machine, args) in enumerate(lives):
            guest = self.qemu(machine, *args, **ident)
            monitor.settled("told", boot=boot + 1)
            guest.stop()
            monitor.gone("told")
        return monitor

    def changes(self, *lives):
        return {k[1]: (c["from"], c["to"]) for k, c in self.lives(*lives).changes("told").items() if k[0] == "acpi"}

    def test_show_has_the_devices_that_iasl_finds(self):
        """A guest's devices, in a fingerprint."""
        guest = GUESTS["q35"]
        monitor = self.lives((guest["machine"], guest["args"]))
        shown = {key: value for (facet, key), value in entries(monitor.fingerprint("told")).items() if facet == "acpi"}
        for name, path in self.boot("q35", vcpus=1, memory="256M").items():
            found, _ = self.agree(path)
            table = "DSDT" if name == "DSDT.0" else name
            self.assertEqual({k: shown.get(f"{table}/{k}") for k in found}, found)

    def test_a_change_of_the_machine_type_is_told(self):
        """PCI0._UID 1 to 0, by name, and not only that a body differs."""
        changes = self.changes(("pc-q35-5.1", []), ("pc-q35-5.2", []))
        self.assertEqual(changes["DSDT/_SB.PCI0._UID"], ("1", "0"))

    def test_a_moved_slot_is_told(self):
        """The slot that went and the one that came, by name."""
        changes = self.changes(*(("pc-q35-7.2", ["-device", f"pcie-root-port,id=rp,chassis=1,addr={slot}"]) for slot in ("0x5", "0x6")))
        self.assertEqual(changes["DSDT/_SB.PCI0.S28._ADR"], ("0x00050000", None))
        self.assertEqual(changes["DSDT/_SB.PCI0.S30._ADR"], (None, "0x00060000"))


if __name__ == "__main__":
    unittest.main()
