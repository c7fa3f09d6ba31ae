# SPDX-License-Identifier: Apache-2.0
"""A guest that floods (flood.c) beside quiet ones. Shared by tests/live/test_floods.py and tests/fault/floods."""
import os
import re
import subprocess

from harness import ROOT, Process, Qemu, entries, MICROVMM, wait_for

MACHINE, QUIET, DEVICES = "pc-q35-7.2", 20, 40
WORDS = ("cpuid", "ports", "mmio", "pci", "ecam", "lspci", "msr", "fw_cfg")  # in the order in which flood.c writes their numbers
CC = ["gcc", "-m32", "-O1", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
      "-Wall", "-Wextra", "-Werror", "-Wl,-Ttext=0x100000", "-Wl,--build-id=none"]


def program(folder):
    path = folder.file("flood")
    if not os.path.exists(path):
        subprocess.run([*CC, "-o", path, os.path.join(ROOT, "tests", "live", "flood.c")], check=True)
    return path


def many_devices():
    """40 functions on the root bus that firmware does not look for a disk on."""
    kinds = ["e1000e,romfile="] * 16 + ["virtio-rng-pci"] * (DEVICES - 16)
    return [arg for i, kind in enumerate(kinds) for arg in ("-device", f"{kind},addr={2 + i // 8:x}.{i % 8:x},multifunction=on")]


class Flood(Qemu):
    """A guest whose machine is real, and which asks as fast as it can."""
    def __init__(self, folder, words, name="flood", devices=None, vcpus=1):
        self.said = folder.file(f"said-{name}")
        super().__init__(folder, MACHINE, *(many_devices() if devices is None else devices), "-kernel", program(folder), "-append", words,
                         "-debugcon", f"file:{self.said}", name=name, vcpus=vcpus)

    def text(self):
        if not os.path.exists(self.said):
            return ""
        with open(self.said, encoding="ascii", errors="replace") as f:
            return f.read()

    def held(self):
        return "HELD\n" in self.text()

    def rounds(self):
        """How often each word was gone through, by word; None: it has not begun."""
        _, begun, after = self.text().partition("BEGUN\n")
        return {word: after.count(str(n)) for n, word in enumerate(WORDS)} if begun else None

    def begin(self):
        """Ends `held`."""
        self.command("send-key", keys=[{"type": "qcode", "data": "a"}])
        wait_for("the flood", self.rounds)


class Quiet:
    """VMs of one page in one process. Each can be made to drift: its port 0x510 answers, and in the next boot does not."""
    def __init__(self):
        self.vmm = Process([MICROVMM, "--stdin", "--vms", str(QUIET), "--answer", "port:0x510:0x51"], stdin=subprocess.PIPE)
        self.vmm.wait_line("^ready", "out")
        self.ids = [f"anon-{self.vmm.pid}-{m[1]}" for line in self.vmm.out if (m := re.match(r"vm \d+ kvm-fd (\d+)", line))]
        self.vmm.write("vm all\nrepeat 5 cpuid 0 0; in 0x510 1\n")

    def drift(self, which):
        self.vmm.write(f"vm {which}\nanswer clear\nreset\nrepeat 5 cpuid 0 0; in 0x510 1\n")

    def stop(self):
        self.vmm.stop()


def told(monitor, ident):
    return [a for a in monitor.alerts(ident) if a["type"] == "drift"]


def unseen(monitor, guest):
    """What QEMU says that the guest has in PCI configuration and the fingerprint does not: {key: (QEMU's, ours)}."""
    seen = entries(monitor.fingerprint(guest.name))
    return {k: (v, seen.get(("pci", k))) for k, v in guest.pci().items() if not k.endswith("/class") and seen.get(("pci", k)) != v}


def settled(monitor, *idents):
    wait_for("all to settle", lambda: sum(g["settled"] for g in monitor.guests() if g["running"] and g["id"] in idents) == len(idents))
