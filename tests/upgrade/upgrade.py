# SPDX-License-Identifier: Apache-2.0
"""Real upgrades of the VMM under one guest definition.

Debian's QEMU 5.2, 7.2 and 10.0 are unpacked beside each other, each with its own libraries and firmware, down to the C library, and run
with that folder as their root. A guest definition is booted under one after the other, as the same guest to one monitor; `abidrift diff`
of the revisions says what each upgrade did to it.

  upgrade.py         the roots, the definitions, their lives under a monitor
  table.py           groups of changes: what drifts, as a table for people
  alter-trace        what cannot be changed on one machine (microcode, CPU, kernel), changed in a recorded trace
  test_upgrade.py    what `make test` runs: the part that fits in 90 s; it says what it leaves out
  run                `make upgrade`: all of it, with times, and the table
"""
import os
import re
import shutil
import stat
import subprocess
import sys
import unittest
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "live"), os.path.join(HERE, "..", "hosts")]
from harness import Process, need_host, wait_for  # noqa: E402
from unpacked import alone, unpacked  # noqa: E402

CACHE = os.environ.get("ABIDRIFT_CACHE", "/var/cache/abidrift-tests")
VERSIONS = {"5.2": "bullseye", "7.2": "bookworm", "10.0": "trixie"}
DEVICES = {"kvm": (10, 232), "null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
SEABIOS = "/usr/share/seabios/bios-256k.bin"  # what QEMU loads where nobody names an image
OF_FIRMWARE = r"(firmware rom/0x00000000fffc0000|smbios type0\.)"
NAMESPACE = uuid.UUID("6d0c2b8e-5b3f-4c6e-9c57-0d5b1f1a2c3d")


def root(version):
    """The folder that QEMU of that version runs in, unpacked if it is not there; a skip with the reason where it cannot be had."""
    need_host()
    folder = unpacked(f"QEMU {version}", VERSIONS[version], "qemu-system-x86", os.path.join(CACHE, f"qemu-root-{VERSIONS[version]}"), "whole")
    with alone(folder):
        for name in ("dev", "proc", "tmp"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        for name, (major, minor) in DEVICES.items():
            path = os.path.join(folder, "dev", name)
            if not os.path.exists(path):
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(major, minor))
        shell(folder)
    said = subprocess.run(["chroot", folder, "/usr/bin/qemu-system-x86_64", "--version"], capture_output=True, text=True)
    if f"version {version}." not in said.stdout:
        raise unittest.SkipTest(f"QEMU {version} does not run in {folder}: {(said.stderr or said.stdout).strip()[:200]}")
    return folder


def shell(folder):
    """For what QEMU runs through one (migration to and from a program): busybox, of which Debian's packages need none."""
    for name in ("busybox", "sh", "cat"):
        path = os.path.join(folder, "bin", name)
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = f"{path}.{os.getpid()}"
            shutil.copy("/bin/busybox", part)
            os.rename(part, path)
            os.utime(os.path.join(folder, ".unpacked"))  # images of this folder are older than it


def roots(versions=VERSIONS):
    return {v: root(v) for v in versions}


# Backends that hold nothing and reach nobody.
DISKS = [word for n in range(3) for word in ("-blockdev", f"driver=null-co,node-name=d{n},size=16777216,read-zeroes=on")]
SMBIOS = ["-smbios", "type=1,manufacturer=Example,product=Blade,version=3,serial=S1,sku=K1,family=F1", "-smbios", "type=3,asset=A1", "-smbios", "type=11,value=cloud-init:x"]
NUMA = ["-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
        "-numa", "node,nodeid=0,cpus=0,memdev=m0", "-numa", "node,nodeid=1,cpus=1,memdev=m1", "-numa", "dist,src=0,dst=1,val=21"]


def nic(model, number, place):
    return ["-netdev", f"user,id=n{number},restrict=on", "-device", f"{model},netdev=n{number},id=nic{number},romfile=,mac=52:54:00:12:34:{number:02x},{place}"]


SHARED = ["-device", "virtio-scsi-pci,id=scsi0,addr=7", "-device", "scsi-hd,drive=d1,bus=scsi0.0", "-device", "nvme,drive=d2,serial=nv0,addr=8",
          "-device", "virtio-rng-pci,addr=9", "-device", "virtio-balloon-pci,addr=a"]
Q35 = [*DISKS, "-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "pcie-root-port,id=rp2,chassis=2,addr=5",
       "-device", "virtio-blk-pci,drive=d0,id=blk0,bus=rp1", *nic("virtio-net-pci", 0, "bus=rp2"), *nic("e1000e", 1, "addr=6"), *SHARED]
I440FX = [*DISKS, "-device", "pci-bridge,id=br1,chassis_nr=1,addr=4", "-device", "virtio-blk-pci,drive=d0,id=blk0,bus=br1,addr=1",
          *nic("virtio-net-pci", 0, "addr=5"), *nic("e1000", 1, "addr=6"), *SHARED]
# Of `max` without what some hosts' KVM offers and then refuses, on which QEMU 5.2 gives up.
CPUS = {"EPYC": "EPYC", "Haswell-noTSX": "Haswell-noTSX", "kvm64": "kvm64", "max": "max,-arch-capabilities"}


class Definition:
    """A guest as its owner wrote it down; the version of QEMU is not part of it."""
    def __init__(self, name, machine, args=(), cpu="qemu64", vcpus=1, versions=tuple(VERSIONS)):
        self.name, self.machine, self.args, self.cpu, self.vcpus, self.versions = name, machine, tuple(args), cpu, vcpus, tuple(versions)
        self.uuid = str(uuid.uuid5(NAMESPACE, name))

    def words(self):
        """QEMU's command line, without what differs from life to life."""
        return ["-accel", "kvm", "-M", self.machine, "-cpu", self.cpu, "-smp", f"{self.vcpus},sockets={self.vcpus},cores=1,threads=1", "-m", "256M",
                "-display", "none", "-serial", "null", "-monitor", "none", "-nodefaults", "-uuid", self.uuid, "-name", f"guest={self.name}", *self.args]

    def start(self, folder, *extra):
        return Process(["chroot", folder, "/usr/bin/qemu-system-x86_64", *self.words(), *extra])


# Machine types that mean another one in every version.
ALIASES = ("q35", "pc")


def rich(machine, **kw):
    """A definition with devices, NUMA nodes and SMBIOS strings, for a machine of either family."""
    return Definition(f"{machine}-rich", machine, [*(Q35 if "q35" in machine else I440FX), *NUMA, *SMBIOS], vcpus=2, **kw)


def definitions():
    for machine in ("pc-q35-5.2", "pc-i440fx-5.2"):
        yield rich(machine)
    for machine in ("pc-q35-7.2", "pc-i440fx-7.2"):
        yield rich(machine, versions=("7.2", "10.0"))
    for machine in ALIASES:
        yield rich(machine)
    for name, cpu in CPUS.items():
        yield Definition(f"pc-q35-5.2-{name}", "pc-q35-5.2", cpu=cpu)


def live(monitor, definition, steps, first=1):
    """The guest's lives, one for each step (folder, *more arguments); returns its revision at the end of each. `first`: which life
    the first of them is."""
    revisions = []
    for number, (folder, *extra) in enumerate(steps, first):
        vmm = definition.start(folder, *extra)

        def judged():
            if vmm.child.poll() is not None:
                raise AssertionError(f"{definition.name}: QEMU in {folder} ended: {' '.join(vmm.err[-3:])}")
            guest = monitor.guest(definition.name)
            return guest if guest and guest["settled"] and guest["boot"] >= number else None
        try:
            revisions.append(wait_for(f"{definition.name} to settle under QEMU in {folder}", judged)["current"]["revision"])
        finally:
            vmm.stop(9)
        monitor.gone(definition.name)
    return revisions


# What upgrading a guest of a versioned machine type must show, by pair: (facet, key): (from, to); None: it is not there.
OEM_IDS = {("acpi", f"{t}/oem_table_id"): (f"BXPC{t}", "BXPC") for t in ("FACP", "APIC", "DSDT", "HPET", "WAET", "RSDT")}
NUMA_IDS = {("acpi", f"{t}/oem_table_id"): (f"BXPC{t}", "BXPC") for t in ("SRAT", "SLIT")}
LPC = {("acpi", f"DSDT/_SB.PCI0.{bridge}.{device}._HID"): value for device, hid in (("KBD", "PNP0303"), ("MOU", "PNP0F13"), ("RTC", "PNP0B00"), ("COM1", "PNP0501"))
       for bridge, value in (("ISA", (hid, None)), ("BRIDGE", (None, hid)))}
NEW_MADT = {("acpi", "APIC/revision"): ("1", "3"), ("smbios", "type4.0/family"): ("0x01", "0xfe"), ("acpi", "DSDT/_SB.PCI0._ADR"): ("0x00000000", None)}


def lpc(bridge):
    return {(facet, key.replace("BRIDGE", bridge)): value for (facet, key), value in LPC.items()}


MUST = {
    ("pc-q35-5.2", "5.2", "7.2"): {**OEM_IDS, **lpc("SF8"), ("acpi", "FACP/boot_arch"): ("0x0000", "0x0002"), ("acpi", "MCFG/oem_table_id"): ("BXPCMCFG", "BXPC"),
                                   ("acpi", "DSDT/_SB.DRAC._HID"): (None, "PNP0C01")},
    ("pc-q35-5.2", "7.2", "10.0"): {**NEW_MADT, ("acpi", "DSDT/_SB.PCI0.SFA._ADR"): (None, "0x001f0002")},
    ("pc-i440fx-5.2", "5.2", "7.2"): {**OEM_IDS, **lpc("S08")},
    ("pc-i440fx-5.2", "7.2", "10.0"): {**NEW_MADT, ("acpi", "DSDT/_SB.PCI0.S09._ADR"): (None, "0x00010001")},
    ("pc-q35-7.2", "7.2", "10.0"): NEW_MADT,
    ("pc-i440fx-7.2", "7.2", "10.0"): NEW_MADT,
}


def as_map(diff):
    return {(c["facet"], c["key"]): (c["from"], c["to"]) for c in diff["changes"]}


def wrong_verdicts(definition, diff):
    """Only QEMU changed, and the SeaBIOS that it comes with: no other cause; and a promise was broken exactly where one was made."""
    for c in diff["changes"]:
        key, factors = f"{c['facet']} {c['key']}", {f["factor"] for f in c["cause"]}
        # An alias promises no machine, but SeaBIOS is no part of one.
        promised = re.match(OF_FIRMWARE, key) or definition.machine not in ALIASES and not (c["facet"] == "cpuid" and definition.cpu.startswith("max"))
        if c["verdict"] != ("violation" if promised else "exempt"):
            yield f"{key} is judged {c['verdict']} ({c['reason']})"
        if re.match(OF_FIRMWARE, key):
            if (factors, c["firmware"]) != ({f"firmware.{SEABIOS}"}, True):
                yield f"{key} is SeaBIOS's, and explained by {sorted(factors)}"
        elif c["cause"][:1] == [] or c["cause"][0]["factor"] != "vmm.version" or c["firmware"]:
            yield f"{key} is explained by {sorted(factors)}"
        if c["running"]:
            yield f"{key} is said to have changed under a running guest, which was started anew"


def wrong_changes(definition, pair, diff):
    """What is wrong with a diff of two versions of QEMU under one definition, as sentences."""
    changes, wrong = as_map(diff), []
    must = MUST.get((definition.machine, *pair), {})
    for key, value in (must if "-numa" not in definition.args or pair[0] != "5.2" else {**must, **NUMA_IDS}).items():
        if changes.get(key) != value:
            wrong.append(f"{' '.join(key)} should have gone {value[0]} -> {value[1]}, is {changes.get(key, 'unchanged')}")
    factors = {f["factor"] for f in diff["context"]}
    if not {"vmm.version", "vmm.build_id"} <= factors:
        wrong.append(f"the VMM's version is not told: {sorted(factors)}")
    if any(not f.startswith("vmm.") and f != f"firmware.{SEABIOS}" for f in factors):
        wrong.append(f"only QEMU and its SeaBIOS changed, but told is {sorted(factors)}")
    if definition.machine not in ALIASES and not definition.cpu.startswith("max"):
        wrong += [f"{key} of a named CPU model changed under a versioned machine type: {value}" for (facet, key), value in changes.items() if facet == "cpuid"]
        wrong += [f"{key} changed under a versioned machine type: {value}" for (facet, key), value in changes.items() if facet in ("pci", "memory", "numa", "ports")]
    wrong += wrong_verdicts(definition, diff)
    return [f"{definition.name}, {pair[0]} to {pair[1]}: {w}" for w in wrong]


def wrong_sum(name, first, second, both):
    """Two upgrades in a row are the upgrade over both: each key's change must be their composition."""
    first, second, both = as_map(first), as_map(second), as_map(both)
    wrong = []
    for key in sorted(first.keys() | second.keys() | both.keys()):
        begin = first[key][0] if key in first else second[key][0] if key in second else None
        end = second[key][1] if key in second else first[key][1] if key in first else None
        expected = None if begin == end else (begin, end)
        if both.get(key) != expected:
            wrong.append(f"{name}: {' '.join(key)} went {first.get(key)}, then {second.get(key)}, but over both {both.get(key)}")
    return wrong
