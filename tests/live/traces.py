# SPDX-License-Identifier: Apache-2.0
"""Reads trace files, and writes those of made-up guests (format: userspace/stream/{record,trace}.h), for tests that need no KVM."""
import struct

HELLO, HOST, CONFIG, COVERAGE, VM, BOOT, FACT, CPUID, SLOTS, GONE, LOSS, TICK, SYNCED, MEMORY = range(1, 15)
ACPI, SMBIOS, FIRMWARE = 1, 2, 3
REASON, RSDP, TABLE, SMBIOS_ENTRY, SMBIOS_TABLE, ROM = range(1, 7)
PORT = 2
ANSWERED = 1
REALTIME_NS = 1_770_000_000_000_000_000
MILLISECOND = 1_000_000


def pairs(*items):
    return b"".join(k.encode() + b"\0" + v.encode("utf-8", "surrogateescape") + b"\0" for k, v in items)


FILE_HEADER_BYTES = 64


class Reader:
    """Reads a trace while it is written."""
    def __init__(self, path):
        self.path, self.at = path, FILE_HEADER_BYTES

    def read(self):
        """(type, vm, boot, body) of every record that came since the last call."""
        with open(self.path, "rb") as f:
            f.seek(self.at)
            data = f.read()
        at = 0
        while at + 40 <= len(data):
            size, kind, _, vm, _, _, boot, _ = struct.unpack_from("<IHHQQQII", data, at)
            if at + size > len(data):
                break
            yield kind, vm, boot, data[at + 40:at + size]
            at += size
            self.at += size


def read_pairs(body):
    words = body.decode(errors="surrogateescape").split("\0")
    return list(zip(words[0::2], words[1::2]))


def read_memory(body):
    """area, whole, [(gpa, kind, bytes)] of a MEMORY record."""
    area, whole, count, _ = struct.unpack_from("<IIII", body)
    parts, at = [], 16
    for _ in range(count):
        gpa, kind, size = struct.unpack_from("<QII", body, at)
        parts.append((gpa, kind, body[at + 16:at + 16 + size]))
        at += 16 + (size + 7) // 8 * 8
    return area, bool(whole), parts


class Trace:
    """Records in order; time goes on only with tick()."""
    def __init__(self, hostname="testhost"):
        self.records, self.now = [], 1_000_000_000
        self.add(HELLO, self.clock())
        self.add(HOST, pairs(("hostname", hostname), ("boot_id", "b0"), ("arch", "x86_64"), ("kernel.release", "6.1.0-test"),
                             ("cpu.model", "Test CPU"), ("cpu.microcode", "0x1"), ("abidrift", "test")))

    def add(self, kind, body, vm=0, boot=0):
        self.records.append(struct.pack("<IHHQQQII", 40 + len(body), kind, 0, vm, len(self.records) + 1, self.now, boot, 0) + body)

    def clock(self):
        return struct.pack("<IIq", 1, 0, REALTIME_NS + self.now)

    def tick(self, seconds):
        """Lets time pass, a tick every 250 ms."""
        for _ in range(int(seconds * 4)):
            self.now += 250 * MILLISECOND
            self.add(TICK, self.clock())

    def synced(self):
        self.add(SYNCED, b"")

    def guest(self, vm, name, uuid=None, args=(), version="7.2"):
        argv = ["qemu-system-x86_64", "-M", "pc-q35-7.2", "-name", f"guest={name}", *(["-uuid", uuid] if uuid else []), *args]
        self.add(VM, pairs(("pid", str(1000 + vm)), ("fd", "9"), ("start", str(vm)), ("exe", "/usr/bin/qemu-system-x86_64"), ("replaced", "0"),
                           ("build_id", "ab" * 20), ("kind", "qemu"), ("version", version), *(("arg", a) for a in argv)), vm)

    def boot(self, vm, number, found=False):
        """found: nobody saw how it began."""
        self.add(BOOT, struct.pack("<IIQQ", 0 if found else 1 if number == 1 else 4, not found, self.now, number), vm, number)

    def cpuid(self, vm, boot, leaves):
        """leaves: {(function, index): (eax, ebx, ecx, edx)} of one vCPU that has run."""
        body = struct.pack("<IIII", 0, 1, len(leaves), 0)
        for (function, index), regs in leaves.items():
            body += struct.pack("<III4I", function, index, 0, *regs)
        self.add(CPUID, body, vm, boot)

    def slots(self, vm, boot, *ranges):
        body = struct.pack("<II", len(ranges), 1)
        for number, (gpa, size) in enumerate(ranges):
            body += struct.pack("<QQQII", gpa, size, 0x7f0000000000 + gpa, 0, number)
        self.add(SLOTS, body, vm, boot)

    def port(self, vm, boot, port, answered=True):
        self.add(FACT, struct.pack("<QQIBBH", vm, 0, port, PORT, 1, 0) +
                 struct.pack("<QIIIHBB4I", self.now, boot, 0, 0 if answered else 3, ANSWERED if answered else 0, 0, 0, 0, 0, 0, 0), vm, boot)

    def memory(self, vm, boot, area, parts, whole=True):
        """What was read of a guest's memory: parts are (kind, bytes)."""
        body = struct.pack("<IIII", area, whole, len(parts), 0)
        for kind, data in parts:
            body += struct.pack("<QII", 0, kind, len(data)) + data + bytes(-len(data) % 8)
        self.add(MEMORY, body, vm, boot)

    def smbios(self, vm, boot, entry, table, whole=True):
        self.memory(vm, boot, 2, [(4, entry), (5, table)], whole)

    def gone(self, vm):
        self.add(GONE, pairs(("reason", "its process ended")), vm)

    def bytes(self, complete=True):
        body = b"".join(self.records)
        sizes = (1, len(body), len(self.records)) if complete else (0, 0, 0)
        return struct.pack("<16sIIQQ24x", b"abidrift-trace\0\0", 1, *sizes) + body

    def write(self, path, **kw):
        with open(path, "wb") as f:
            f.write(self.bytes(**kw))
        return path


LEAVES = {(0, 0): (1, 0x756e6547, 0x6c65746e, 0x49656e69), (1, 0): (0x306a9, 0x800, 0x80202001, 0x178bfbff)}


def without(leaves, function, register, bit):
    regs = list(leaves[function, 0])
    regs[register] &= ~(1 << bit)
    return {**leaves, (function, 0): tuple(regs)}


def life(trace, vm, name, uuid=None, leaves=LEAVES, memory=0x8000000, port=True, seconds=4, args=(), version="7.2"):
    """One guest from its start to its end, long enough to settle after 1 s."""
    trace.guest(vm, name, uuid, args, version)
    trace.boot(vm, 1)
    trace.cpuid(vm, 1, leaves)
    trace.slots(vm, 1, (0, memory))
    trace.port(vm, 1, 0x510, port)
    trace.tick(seconds)
