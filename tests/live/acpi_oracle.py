# SPDX-License-Identifier: Apache-2.0
"""A guest's ACPI tables as QEMU's own monitor reads its memory, and what ACPICA's iasl says of each."""
import os
import re
import struct
import subprocess

from harness import wait_for

F_SEGMENT, F_SEGMENT_BYTES = 0xE0000, 0x20000
FADT_FACS, FADT_DSDT = 36, 40


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
        found, spaces = {}, {0: "memory", 1: "io"}
        for at, (name, value) in enumerate(self.lines):
            if value != "[Generic Address Structure]":
                continue
            part = Lines(self.lines[at + 1:at + 6])
            if any(number(v) for _, v in part.lines):
                shown = f"{spaces[part['Space ID']]} {part['Address']:#x} bits={part['Bit Width']}"
                shown += f" offset={part['Bit Offset']}" if part["Bit Offset"] else ""
                found[name] = shown + (f" access={part['Encoded Access Width']}" if part["Encoded Access Width"] else "")
        return found

    def split(self, label):
        """The structures, each from its line `label` on."""
        starts = [at for at, (name, _) in enumerate(self.lines) if name == label]
        return [Lines(self.lines[a:b]) for a, b in zip(starts, starts[1:] + [len(self.lines)])]
