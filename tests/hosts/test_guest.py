# SPDX-License-Identifier: Apache-2.0
"""A real operating system as guest: what Linux sees of itself is what abidrift says, facet by facet, and nothing that Linux does (late
drivers, a bus scanned again, a device unplugged and found again, another kernel started by kexec, a reset) is told as a change."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guest  # noqa: E402
import hosts  # noqa: E402
from guest_sees import PART_SMBIOS_ENTRY, PART_SMBIOS_TABLE, PART_TABLE, Sight, boots, memory_parts  # noqa: E402
from harness import entries  # noqa: E402

# Bits of a register that the guest cannot write, where that is not all of it.
IDENTIFIES = {0x1a0: 1 << 7 | 1 << 11 | 1 << 12, 0xc0010015: 1 << 24}
UUID = "8c5d1c3e-1f5f-4a52-9d70-3a35b0a4a001"
COMMON = f"""-name guest=linux -uuid {UUID} -cpu EPYC -smp 2,sockets=1,cores=2,threads=1 -m 256
-object memory-backend-ram,id=m0,size=128M -object memory-backend-ram,id=m1,size=128M -numa node,nodeid=0,cpus=0,memdev=m0
-numa node,nodeid=1,cpus=1,memdev=m1 -numa dist,src=0,dst=1,val=30 -smbios type=1,manufacturer=Maker,product=Product,version=V1,serial=S1,sku=SKU,family=Family
-smbios type=2,manufacturer=Board,asset=board-asset -smbios type=3,asset=tag -smbios type=11,value=one -smbios type=17,serial=dimm
-drive file=/guest/again,format=raw,if=none,id=again -device virtio-blk-pci,drive=again -device virtio-net-pci,mac=52:54:00:44:55:66 -device virtio-rng-pci
-drive file=/tmp/nvme,format=raw,if=none,id=nvme -device nvme,drive=nvme,serial=NVME-1,addr=0x10 -device VGA
-kernel /guest/kernel -initrd /guest/initrd -append "console=ttyS0 quiet panic=-1" """
# With QEMU's own interrupt controller only guests with one vCPU run through an emulated host.
ONE = COMMON.replace("-smp 2,sockets=1,cores=2,threads=1", "-smp 1").replace("nodeid=1,cpus=1,", "nodeid=1,")
Q35 = "-M q35 -device pcie-root-port,id=rp1,chassis=1,addr=0x11 -device e1000e,bus=rp1,mac=52:54:00:11:22:33"
STORY = """
up
see early
tell rescan
tell replug NIC
tell rebind 0000:00:10.0
tell load
see late
restart kexec
tell load
restart reboot
tell load
see again
"""
# For hosts beside the one that hears the whole story.
SHORT = """
up
tell load
see late
restart reboot
tell load
see again
"""


def verb(*args, ok=(0,)):
    done = subprocess.run([guest.ABIDRIFT, *args], capture_output=True, text=True)
    if done.returncode not in ok:
        raise AssertionError(f"{args[0]}: exit {done.returncode} {done.stderr}")
    return done.stdout


class Story(unittest.TestCase):
    """One guest's life, told by the guest and by the recording's replay. Its tests are those of a subclass."""
    arguments, story, files, nic, host = None, STORY, (), "0000:01:00.0", guest.KERNEL
    variables = 0  # bytes at the beginning of the firmware that are no code

    @classmethod
    def setUpClass(cls):
        for program in ("lspci", "cpuid"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is not installed")
        cls.found = guest.run(" ".join(cls.arguments.split("\n")), cls.story.replace("NIC", cls.nic), cls.files, host=cls.host)
        cls.notes = "\n".join(cls.found.get(n, b"").decode(errors="replace")[-1500:] for n in ("job.log", "times", "record.log", "console"))
        if b"end" not in cls.found["times"]:
            raise AssertionError(f"the story did not end:\n{cls.notes}")
        cls.late, cls.again = (Sight(cls.found, when) for when in ("late", "again"))
        cls.early = Sight(cls.found, "early") if "see early" in cls.story else cls.late
        cls.folder = tempfile.mkdtemp(prefix="abidrift-guest-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        trace = os.path.join(cls.folder, "trace")
        with open(trace, "wb") as f:
            f.write(cls.found["trace"])
        cls.store = ["--store", "sqlite:" + os.path.join(cls.folder, "store.db")]
        verb("replay", trace, "--set", "monitor.settle=2s", *cls.store, ok=(0, 1, 3))
        cls.text = verb("show", UUID, "--fingerprint", *cls.store)
        cls.said = entries(cls.text)
        cls.history = json.loads(verb("history", UUID, "--json", *cls.store))["events"]
        cls.state = next(g for g in json.loads(verb("ls", "--json", *cls.store))["guests"] if g["uuid"] == UUID)

    def facet(self, name):
        return {k: v for k, v in self.said.items() if k[0] == name}

    def same(self, seen, said):
        """Two sets of entries, with what differs told entry by entry."""
        self.assertTrue(seen)
        both = sorted(set(seen) | set(said))
        self.assertEqual([], [f"{' '.join(k)}: the guest saw {seen.get(k)}, abidrift says {said.get(k)}" for k in both if seen.get(k) != said.get(k)])


class Sights:
    """What the guest saw is what abidrift says."""
    def test_cpuid(self):
        for processor in range(1, int(re.search(r"-smp (\d+)", self.arguments)[1])):
            self.assertEqual(self.late.cpuid(0), self.late.cpuid(processor))
        self.same(self.late.cpuid(), self.facet("cpuid"))

    def test_pci_functions(self):
        complete = ("id", "class", "revision", "header", "multifunction", "pin", "rom", "subsystem", *(f"bar{n}" for n in range(6)))
        said = {k: v for k, v in self.facet("pci").items() if k[1].rsplit("/", 1)[1] in complete}
        seen = self.late.pci()
        for key in self.shadowed():
            seen[key] = said.get(key)
        self.same(seen, said)
        self.assertEqual(self.state["coverage"]["pci"], "complete")

    def shadowed(self):
        """Linux shows a video ROM as its copy below 1 MiB: it does not tell the BAR's size."""
        return [("pci", f"{p}/rom") for n, p in self.late.paths.items() if self.late.resources(n)[6][0] == 0xc0000]

    def test_pci_capabilities(self):
        seen = self.late.capabilities()
        said = {k: v for k, v in self.facet("pci").items() if "/cap." in k[1] or "/ext." in k[1]}
        self.same({k: v for k, v in seen.items() if "." not in k[1].rsplit("@", 1)[1]}, {k: v for k, v in said.items() if "." not in k[1].rsplit("@", 1)[1]})
        decoded = {k: v for k, v in seen.items() if "." in k[1].rsplit("@", 1)[1]}
        self.same(decoded, {k: v for k, v in said.items() if k in decoded})

    def test_placement(self):
        # Where the last boot's firmware put it: a device that is found again may go elsewhere.
        seen = self.again.placement()
        self.same(seen, {k: v for k, v in self.facet("placement").items() if k in seen})

    def test_memory(self):
        """What firmware calls memory and Linux uses lies in what abidrift says, and abidrift says no memory that firmware does not know."""
        ranges = []
        for (_, key), value in self.facet("memory").items():
            first, size = int(key, 16), int(value.split()[0][5:], 16)
            ranges.append((first, first + size, value))
        inside = lambda first, end, kind: any(a <= first and end <= b and kind in v for a, b, v in ranges)
        usable = [(a, b) for a, b, kind in self.late.e820() if kind == "usable"]
        self.assertTrue(usable)
        for first, end in usable + self.late.ram():
            self.assertTrue(inside(first, end, "ram"), f"{first:#x}-{end:#x} is not memory in {ranges}")
        known = self.late.e820()
        for first, end, value in ranges:
            if "ram" in value:
                self.assertTrue(any(a <= first < b for a, b, _ in known) and any(a < end <= b for a, b, _ in known), f"firmware does not know all of {first:#x}-{end:#x}: {known}")


    def test_acpi(self):
        """Linux took the same tables, byte for byte, and their headers are what abidrift says. FACS holds state that Linux writes."""
        recorded = [data for _, _, part, _, data in memory_parts(self.found["trace"], 1) if part == PART_TABLE]
        given = self.late.acpi_tables()
        self.assertGreater(len(given), 5)
        for name, data in given.items():
            told = [r for r in recorded if r[:4] == name[:4].encode()]
            if name == "FACS":
                told, data = [r[:12] for r in told], data[:12]
            self.assertIn(data, told, f"{name}: other bytes than the guest has")
        self.assertEqual(sorted(n[:4] for n in given), sorted(r[:4].decode() for r in recorded if r[:4] not in (b"RSDT", b"XSDT")))
        seen = self.early.acpi()
        self.assertEqual(seen, self.late.acpi())
        fields = {k[1].rsplit("/", 1)[1] for k in seen} - {"body"}
        said = {k: v for k, v in self.facet("acpi").items() if k in seen or k[1].rsplit("/", 1)[1] in fields and k[1].split("/")[0] not in ("RSDP", "RSDT", "XSDT")}
        self.same(seen, said)
        self.assertEqual(self.state["coverage"]["acpi"], "complete")

    def test_smbios(self):
        recorded = [(part, data) for _, _, part, _, data in memory_parts(self.found["trace"], 1)]
        entry, table = self.late.smbios_tables()
        self.assertIn((PART_SMBIOS_ENTRY, entry), recorded)
        self.assertIn((PART_SMBIOS_TABLE, table), recorded)
        seen = self.late.dmi()
        self.assertGreater(len(seen), 8)
        self.same(seen, {k: v for k, v in self.said.items() if k in seen})
        self.assertEqual(self.state["coverage"]["smbios"], "complete")

    def test_numa(self):
        # A node of memory alone has no list of CPUs.
        seen = {k: v for k, v in self.late.numa().items() if v}
        self.same(seen, {k: v for k, v in self.facet("numa").items() if k[1].startswith(("node", "distance"))})
        self.assertFalse([k for k in self.facet("numa") if k[1].startswith("contradiction")])
        self.assertEqual(self.state["coverage"]["numa"], "complete")

    def test_firmware(self):
        """The digest is that of the code in the file which QEMU was given."""
        with open(self.firmware, "rb") as f:
            code = f.read()[self.variables:]
        roms = {k[1]: v for k, v in self.facet("firmware").items() if k[1].startswith("rom/0x") and not k[1].endswith(".version")}
        self.assertEqual(roms, {f"rom/0x{(1 << 32) - len(code):016x}": f"size={len(code):#x} sha256={hashlib.sha256(code).hexdigest()}"})

    def test_msr(self):
        """What the guest read is what abidrift says of it, and every register that reached KVM was compared."""
        compared = 0
        for index, value in self.late.msr().items():
            said = self.said.get(("msr", f"0x{index:08x}"))
            if said is None:
                continue
            compared += 1
            told = f"{index:#x}: the guest saw {value}, abidrift says {said}"
            if said == "answered":
                self.assertIsNotNone(value, told)
            elif said == "#GP":
                self.assertIsNone(value, told)
            else:
                self.assertEqual(value & IDENTIFIES.get(index, ~0), int(said, 16), told)
        self.assertGreater(compared, 10)

    def test_chips_and_network_addresses(self):
        seen = {**self.late.chips(), **self.late.macs()}
        self.assertGreater(len(seen), 2)
        self.same(seen, {k: v for k, v in self.said.items() if k in seen})
        given = re.findall(r"mac=([\w:]+)", self.arguments)
        self.assertEqual([], [v for k, v in self.facet("identity").items() if k[1].startswith("mac/") and v not in given])


class Quiet:
    """What a guest's OS does changes nothing."""
    def test_nothing_is_told_as_a_change(self):
        kinds = [e["type"] for e in self.history]
        self.assertIn("fingerprint", kinds)
        self.assertEqual([e for e in self.history if e["type"] in ("drift", "resolved")], [], self.notes)
        self.assertEqual((self.state["state"], self.state["changes"]), ("same", 0))
        self.assertEqual(self.state["current"]["revision"], 1)

    def test_a_reset_is_a_boot_and_kexec_is_none(self):
        """SeaBIOS answers the guest's reset by one of its own: two boots within a moment, of which the first shows nothing."""
        began = sorted({at / 1e9 for at in boots(self.found["trace"])})
        apart = [b - a for a, b in zip(began, began[1:])]
        self.assertEqual(sum(a > 5 for a in apart), 1, apart)

    def test_the_guest_came_up_again_and_is_the_same(self):
        self.assertEqual(self.found["console"].decode(errors="replace").count("GUEST-UP"), self.story.count("restart") + 1, self.notes)
        self.assertEqual(self.late.paths, self.again.paths)
        self.assertEqual(self.late.text("insmod.log"), "")
        self.assertTrue(self.late.text("macs"))


class Behaviour(Quiet):
    def test_the_guest_did_what_it_was_told(self):
        """Else the tests above would say nothing: the e1000e was found again, drivers came late, and the last kernel came up after the reset."""
        console = self.found["console"].decode(errors="replace")
        for step in ("rescan", "replug", "rebind", "load"):
            self.assertRegex(console, rf"GUEST-DONE {step} 0\b")
        self.assertFalse(self.early.text("macs"))


class Q35SeaBIOS(Sights, Behaviour, Story):
    arguments = Q35 + "\n" + COMMON
    firmware = "/usr/share/seabios/bios-256k.bin"


class Slow:
    """Guests that only `make test-hosts` runs: each takes minutes."""
    @classmethod
    def setUpClass(cls):
        if os.environ.get("ABIDRIFT_HOSTS") != "all":
            raise unittest.SkipTest("takes minutes: make test-hosts")
        super().setUpClass()


class I440fxSeaBIOS(Slow, Sights, Behaviour, Story):
    arguments = "-M pc -device pci-bridge,id=br1,chassis_nr=1,addr=0x11 -device e1000,bus=br1,addr=1,mac=52:54:00:11:22:33\n" + COMMON
    nic = "0000:01:01.0"
    firmware = "/usr/share/seabios/bios-256k.bin"


class Q35OVMF(Slow, Sights, Behaviour, Story):
    """UEFI in one image. The interrupt controller is QEMU's own, for the same reason as in the matrix (inside_matrix.py)."""
    firmware = "/usr/share/ovmf/OVMF.fd"
    arguments = "-machine kernel-irqchip=off -bios /guest/firmware\n" + Q35 + "\n" + ONE
    files = (("/guest/firmware", firmware),)
    variables = 0x20000  # of the image of 2 MiB

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(cls.firmware):
            raise unittest.SkipTest("package ovmf is not installed")
        try:
            hosts.again(super().setUpClass, 2)
        except hosts.EmulationEnded as why:
            raise unittest.SkipTest(f"the emulation of the host ended by an assertion of its own each time: {why}") from None

    def test_nothing_is_told_as_a_change(self):
        """Between its tables and BGRT, which it adds last, emulated firmware thinks for longer than this test has facets settle. Nothing else
        is told."""
        told = {c["key"].split("/")[0] for e in self.history if e["type"] == "drift" for c in e["changes"]}
        self.assertEqual(told - {"BGRT", "RSDT", "XSDT"}, set(), self.notes)
        self.assertIn("fingerprint", [e["type"] for e in self.history])


class OtherHost(Slow, Sights, Quiet):
    """The same guest, told in short."""
    arguments, firmware, story = Q35 + "\n" + COMMON, Q35SeaBIOS.firmware, SHORT


class Host510(OtherHost, Story):
    host = "5.10"


class Host612(OtherHost, Story):
    host = "6.12"


class HostNewest(OtherHost, Story):
    host = "newest"
