# SPDX-License-Identifier: Apache-2.0
"""Guests whose tables and facts are as large and as ugly as the collector's limits let through, each as a trace of one boot. What they cost is
measured by tests/bench/worst_cost.py; that they take nothing from others is tests/replay/test_worst.py."""
import itertools
import struct
import uuid

from dmi import entry64, structure
from traces import ACPI, CPUID, FACT, LEAVES, LOSS, RSDP, TABLE, Trace

# userspace/collect/tables.h, userspace/stream/record.h, userspace/collect/kernel_load.c
TABLE_BYTES, AREA_BYTES, TABLES, SMBIOS_BYTES, SMBIOS_STRUCTURES, QUOTA = 256 << 10, 900 << 10, 128, 256 << 10, 10000, 1024
VCPUS, LEAVES_MAX, DEPTH = 64, 256, 64
UUID = str(uuid.UUID(int=0x4711))
# Kinds and classes of bpf/observe.h
MMIO, PCI, PCI_PLACED, MSR = 3, 4, 6, 7
PORT, ANSWERED = 2, 1
KEY, VALUE = struct.Struct("<QQIBBH"), struct.Struct("<QIIIHBB4I")


# ---- ACPI
def table(signature, body, number=0):
    data = bytearray(struct.pack("<4sIBB6s8sI4sI", signature, 36 + len(body), 2, 0, b"WORST ", b"W%07d" % number, 1, b"WRST", 1) + body)
    data[9] = -sum(data) & 255
    return bytes(data)


def package(head, inside):
    """An operator, PkgLength, and what it holds."""
    size = len(inside) + 1
    if size < 64:
        return head + bytes([size]) + inside
    more = 1 if size + 1 < 1 << 12 else 2 if size + 2 < 1 << 20 else 3
    size += more
    return head + bytes([more << 6 | size & 15, *((size >> (4 + 8 * i)) & 255 for i in range(more))]) + inside


def segment(number):
    """A name of four characters."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return ("N" + digits[number // 1296 % 36] + digits[number // 36 % 36] + digits[number % 36]).encode()


def named(name, data=b"\x0c\x78\x56\x34\x12"):
    return b"\x08" + name + data


def device(name, inside):
    return package(b"\x5b\x82", name + inside)


def repeated(piece, room):
    """piece(n) for n from 0 on, as far as there is room."""
    out = bytearray()
    for number in itertools.count():
        one = piece(number)
        if len(out) + len(one) > room:
            return bytes(out)
        out += one


def deep(inside, levels=DEPTH - 3):
    for level in range(levels):
        inside = device(segment(level), named(b"_UID", b"\x0a" + bytes([level])) + inside)
    return inside


AML_ROOM = TABLE_BYTES - 4096  # for headers and the levels around
AML = {
    "AML: names": lambda: repeated(lambda n: named(segment(n), b"\x00"), AML_ROOM),
    "AML: devices": lambda: repeated(lambda n: device(segment(n), named(b"_ADR") + named(b"_HID", b"\x0dWRST0001\0") + named(b"_UID", b"\x0a\1")), AML_ROOM),
    "AML: devices, 60 deep": lambda: deep(repeated(lambda n: device(segment(n), named(b"_ADR")), AML_ROOM)),
    "AML: methods": lambda: repeated(lambda n: package(b"\x14", segment(n) + b"\7" + b"\x70\x68" + segment(n) + b"\xa4" + segment(n + 1) + b"\x68\x69\x6a"), AML_ROOM),
    # Each call is of a name that is nowhere: it is looked for in 60 scopes.
    "AML: calls 60 deep": lambda: deep(package(b"\x14", b"CALL\0" + repeated(lambda n: b"X" + segment(n)[1:], AML_ROOM))),
    "AML: one long path": lambda: repeated(lambda n: package(b"\x10", b"\\\x2f\x3c" + b"".join(segment(i) for i in range(60)) + named(segment(n))), AML_ROOM),
    "AML: resources": lambda: repeated(lambda n: device(segment(n), named(b"_CRS", package(b"\x11", b"\x0b\x62\x01" + bytes([0x47, 1, n & 255, n >> 8 & 255, 0, 0, 1, 4]) * 44 + b"\x79\0"))), AML_ROOM),
}


def acpi(trace, vm, body):
    """As many tables of it as the reader takes."""
    tables = [table(b"DSDT", body), *(table(b"SSDT", body, n) for n in range(1, (AREA_BYTES - 4096) // (len(body) + 64)))]
    trace.memory(vm, 1, ACPI, [(RSDP, bytes(36)), *((TABLE, one) for one in tables)])


def many_tables(trace, vm):
    parts = repeated(lambda n: device(segment(n), named(b"_ADR")), AREA_BYTES // TABLES - 200)
    trace.memory(vm, 1, ACPI, [(RSDP, bytes(36)), (TABLE, table(b"DSDT", parts)), *((TABLE, table(b"SSDT", parts, n)) for n in range(1, TABLES))])


# ---- SMBIOS
def smbios(trace, vm, *structures):
    data = b"".join(structures)
    trace.smbios(vm, 1, entry64(data), data)


def long_strings(trace, vm):
    """Four of 60 KiB, each referred to by every field that is a string."""
    smbios(trace, vm, *(structure(kind, bytes([1] * 4) + bytes(60), kind, [b"!" * 60000]) for kind in (1, 2, 3, 4)), structure(127, b"", 9))


def many_strings(trace, vm):
    """Structures of 255 strings each, every field another one."""
    strings = [b"s%d" % i for i in range(255)]
    one = [structure(11, bytes([255]), n, strings) for n in range(SMBIOS_BYTES // 1500)]
    smbios(trace, vm, *one, structure(127, b"", 0xfeff))


def many_structures(trace, vm):
    smbios(trace, vm, *(structure(17, bytes(range(20)), n, (b"a", b"b")) for n in range(SMBIOS_BYTES // 30 if SMBIOS_BYTES // 30 < SMBIOS_STRUCTURES - 1 else SMBIOS_STRUCTURES - 1)),
           structure(127, b"", 0xfeff))


# ---- CPUID
def cpuid(trace, vm):
    """As many leaves as KVM takes, of each vCPU others."""
    for vcpu in range(VCPUS):
        body = struct.pack("<IIII", vcpu, 1, LEAVES_MAX, 0)
        for n in range(LEAVES_MAX):
            leaf = n if n < 128 else 0x80000000 + n - 128
            top = 0x7f if n == 0 else 0x8000007f if n == 128 else 0xdead0000 + n
            body += struct.pack("<III4I", leaf, 0, 0, top, vcpu << 16 | n, ~vcpu & 0xffffffff, n * 0x01010101)
        trace.add(CPUID, body, vm, 1)


# ---- facts
def fact(trace, vm, kind, selector, address, width=0, value=0, known=15):
    trace.add(FACT, KEY.pack(vm, address, selector, kind, width, 0) + VALUE.pack(trace.now, 1, 0, 0, ANSWERED, known, 0, value, 0, 0, 0), vm, 1)


def function(trace, vm, bdf, header, regs=()):
    fact(trace, vm, PCI, bdf, 0, value=0x10001af4)
    fact(trace, vm, PCI, bdf, 8, value=0x06040001 if header else 0x02000001)
    fact(trace, vm, PCI, bdf, 12, value=header << 16)
    for register, value in regs:
        fact(trace, vm, PCI, bdf, register, value=value)


def capabilities():
    """A chain of 48, from 0x40 to 0xfc."""
    return [(0x34, 0x40), *((at, 0x0009 | (at + 4 if at < 0xfc else 0) << 8 | 0x00100000) for at in range(0x40, 0x100, 4))]


def pci_wide(trace, vm):
    """As many functions as the quota has headers for, with as many capabilities as it has registers for."""
    for n in range(2 * QUOTA // 4):
        function(trace, vm, n // 256 << 8 | n % 256, 0, capabilities() if n < 2 * QUOTA // 48 else [(4, 0x00100000)])


def pci_deep(trace, vm):
    """One bridge behind another: the last path has all of them in it."""
    for bus in range(255):
        function(trace, vm, bus << 8, 1)
        fact(trace, vm, PCI_PLACED, 0x18 << 16 | bus << 8, 0xff << 16 | bus + 1 << 8 | bus)
    function(trace, vm, 255 << 8, 0, capabilities())


def every_quota(trace, vm):
    for n in range(QUOTA):
        fact(trace, vm, PORT, n * 61 & 0xffff, 0, 1)
        fact(trace, vm, MMIO, 0, 0xc0000000 + n * 4096 * 61 % 0x30000000, 4)
        fact(trace, vm, MSR, n * 977, 0, value=n)
    for klass in range(9):
        trace.add(LOSS, struct.pack("<IIQ", 2, klass, 1000000), vm, 1)


WORST = {
    **{name: (lambda trace, vm, body=body: acpi(trace, vm, body())) for name, body in AML.items()},
    "ACPI: 128 tables": many_tables,
    "SMBIOS: strings of 60 KiB": long_strings, "SMBIOS: 255 strings in each structure": many_strings, "SMBIOS: structures": many_structures,
    "CPUID: 64 vCPUs, 256 leaves, none alike": cpuid,
    "PCI: functions and capabilities": pci_wide, "PCI: 255 bridges behind each other": pci_deep, "all other quotas": every_quota,
}
# One of each kind, the dearest.
TOGETHER_NAME = "one of each kind together"
TOGETHER = [WORST[name] for name in ("ACPI: 128 tables", "SMBIOS: 255 strings in each structure", "CPUID: 64 vCPUs, 256 leaves, none alike", "PCI: functions and capabilities", "all other quotas")]
# Of which the coverage says that something was refused.
REFUSED = {"AML: names": {"acpi"}, "AML: devices": {"acpi"}, "AML: devices, 60 deep": {"acpi"}, "all other quotas": {"ports", "mmio", "msr"},
           TOGETHER_NAME: {"ports", "mmio", "msr", "pci"}}
QUIET_SECONDS = 70  # also what is never whole is judged by then


def guest(trace, parts, vm=1):
    """That guest, from its start until it is judged."""
    trace.guest(vm, "worst", UUID)
    trace.boot(vm, 1)
    trace.slots(vm, 1, (0, 0x8000000))
    if cpuid not in parts:
        trace.cpuid(vm, 1, LEAVES)
    for part in parts:
        part(trace, vm)
    trace.tick(QUIET_SECONDS)


def alone(*parts):
    trace = Trace()
    trace.synced()
    guest(trace, parts)
    return trace
