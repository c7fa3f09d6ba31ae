# SPDX-License-Identifier: Apache-2.0
"""The facets numa and firmware of real guests, against what QEMU was told, what its monitor says, and the firmware's own file."""
import hashlib
import os
import re

from harness import Live, entries

ROMS = "/usr/share/seabios"


class NumaLive(Live):
    def look(self, machine, *args, boot=0, monitor=None, **kw):
        """(entries of numa, reason of its coverage, guest, entries of all)."""
        monitor = monitor or self.monitor()
        guest = self.qemu(machine, *args, **kw)
        state = monitor.settled(guest.name, boot=boot)
        self.assertEqual(state["coverage"]["numa"], "complete", state)
        text = monitor.fingerprint(guest.name)
        seen = entries(text)
        numa = {k: v for (f, k), v in seen.items() if f == "numa"}
        return numa, re.search(r"(?m)^# coverage numa complete ?(.*)$", text)[1], guest, seen


def numbers(text):
    """"0-3 8" as {0, 1, 2, 3, 8}."""
    found = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


class Nodes(NumaLive):
    def test_nodes_equal_the_definition_and_the_monitors_view(self):
        """Memory or a processor that moves to another node costs the guest's software its locality."""
        args = ["-object", "memory-backend-ram,id=m0,size=3G", "-object", "memory-backend-ram,id=m1,size=2G",
                "-numa", "node,nodeid=0,memdev=m0,cpus=0-1", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3", "-numa", "node,nodeid=2",
                "-numa", "dist,src=0,dst=1,val=21", "-numa", "dist,src=0,dst=2,val=31", "-numa", "dist,src=1,dst=2,val=41"]
        numa, reason, guest, _ = self.look("pc-q35-7.2", *args, memory="5G", vcpus="4,sockets=2,cores=2,threads=1")
        self.assertEqual(reason, "")
        told = guest.hmp("info numa")
        for node in (0, 1):
            cpus = {int(c) for c in re.search(rf"node {node} cpus: ([\d ]+)", told)[1].split()}
            self.assertEqual(numbers(numa[f"node{node}/cpus"]), cpus)
            size = int(re.search(rf"node {node} size: (\d+) MB", told)[1]) << 20
            ranges = [tuple(int(n, 16) for n in r.split("-")) for r in numa[f"node{node}/memory"].split()]
            # SRAT leaves out the 384 KiB between low memory and 1 MiB.
            self.assertEqual(sum(last - first + 1 for first, last in ranges) + (0x60000 if node == 0 else 0), size)
        # Where QEMU itself says that the memory is.
        for start, end, kind, name in guest.memory():
            if kind == "ram" and name in ("m0", "m1") and start >= 0x100000:
                inside = [tuple(int(n, 16) for n in r.split("-")) for r in numa[f"node{name[1]}/memory"].split()]
                self.assertTrue(any(first <= start and end - 1 <= last for first, last in inside), (name, hex(start), hex(end), inside))
        want = {(0, 1): 21, (0, 2): 31, (1, 2): 41}
        for a in range(3):
            for b in range(3):
                self.assertEqual(numa[f"distance/{a}/{b}"], str(10 if a == b else want[min(a, b), max(a, b)]))

    def test_memory_that_may_be_plugged_in_is_told_apart(self):
        numa, reason, guest, seen = self.look("pc-q35-7.2", "-object", "memory-backend-ram,id=m0,size=256M", "-numa", "node,nodeid=0,memdev=m0",
                                              memory="256M,slots=2,maxmem=1G")
        self.assertRegex(numa["node0/memory"], r"^0x0-0x9ffff 0x100000-0xfffffff 0x100000000-0x[0-9a-f]+,hotpluggable$")
        self.assertEqual(reason, "")

    def test_a_guest_without_nodes_has_its_topology_alone(self):
        numa, reason, _, _ = self.look("pc-i440fx-7.2")
        self.assertEqual(numa, {"topology/processors": "1", "topology/sockets": "1", "topology/dies_per_socket": "1", "topology/cores_per_die": "1",
                                "topology/threads_per_core": "1"})


class Topology(NumaLive):
    def test_topology_equals_the_definition(self):
        monitor = self.monitor()
        for machine, vcpus, sockets, dies, cores, threads, possible in (
                ("pc-i440fx-7.2", "4,sockets=1,cores=2,threads=2", 1, 1, 2, 2, None),
                ("pc-q35-7.2", "2,sockets=2,cores=3,threads=1,maxcpus=6", 1, 1, 3, 1, 6),
                ("pc-q35-7.2", "3,sockets=3,cores=1,threads=1", 3, 1, 1, 1, None)):
            with self.subTest(machine=machine, vcpus=vcpus):
                numa, reason, guest, _ = self.look(machine, vcpus=vcpus, monitor=monitor)
                self.assertEqual((numa["topology/sockets"], numa["topology/dies_per_socket"], numa["topology/cores_per_die"], numa["topology/threads_per_core"]),
                                 (str(sockets), str(dies), str(cores), str(threads)))
                slots = guest.command("query-hotpluggable-cpus")
                self.assertEqual(numa["topology/processors"], str(sum("qom-path" in s for s in slots)))
                self.assertEqual(numa.get("topology/processors_possible"), str(len(slots)) if possible else None)
                self.assertEqual(sockets, len({s["props"]["socket-id"] for s in slots if "qom-path" in s}))
                self.assertEqual({k for k in numa if k.startswith("contradiction/")}, set())
                self.assertEqual(reason, "")

    def test_dies_that_an_intel_guest_is_told_and_an_amd_guest_is_not(self):
        """QEMU 7.2 counts only one die's processors in leaf 1, and in leaf 0xB of an AMD guest: the guest's OS believes one of two."""
        vcpus = "4,sockets=1,dies=2,cores=2,threads=1"
        monitor = self.monitor()
        numa, reason, _, _ = self.look("pc-q35-7.2", vcpus=vcpus, cpu="qemu64,vendor=GenuineIntel", monitor=monitor)
        self.assertEqual((numa["topology/dies_per_socket"], numa["topology/cores_per_die"], numa["topology/sockets"]), ("2", "2", "1"))
        self.assertEqual({k: v for k, v in numa.items() if k.startswith("contradiction/")}, {"contradiction/logical_processors": "leaf1=2 leaf0x1f=4"})
        self.assertEqual(reason, "contradictions between the guest's tables and CPUID: 1")
        numa, reason, _, _ = self.look("pc-q35-7.2", vcpus=vcpus, cpu="qemu64,vendor=AuthenticAMD", monitor=monitor)
        self.assertEqual({k: v for k, v in numa.items() if k.startswith("contradiction/")}, {"contradiction/package.0": "cpuid=2 madt=4"})

    def test_more_sockets_are_drift_though_no_cpuid_bit_moves(self):
        """An OS licence is counted by sockets, and a scheduler plans by them."""
        monitor = self.monitor()
        first = self.qemu("pc-q35-7.2", name="grown", vcpus="2,sockets=2")
        monitor.settled("grown")
        first.stop()
        monitor.gone("grown")
        self.qemu("pc-q35-7.2", name="grown", guest_uuid=first.uuid, vcpus="4,sockets=4")
        monitor.settled("grown", boot=2)
        changes = {(c["key"], c["from"], c["to"]) for c in monitor.diff("grown")["changes"] if c["facet"] == "numa"}
        self.assertEqual(changes, {("topology/sockets", "2", "4"), ("topology/processors", "2", "4")})


class Firmware(NumaLive):
    def rom(self, seen, path):
        data = open(path, "rb").read()
        at = 0x100000000 - len(data)
        return seen.get(("firmware", f"rom/{at:#018x}")), f"size={len(data):#x} sha256={hashlib.sha256(data).hexdigest()}"

    def test_roms_equal_the_files_that_qemu_was_given(self):
        """Another BIOS under a guest that kept its definition."""
        monitor = self.monitor()
        for machine, args, name in (("pc-i440fx-7.2", [], "bios-256k.bin"), ("pc-q35-7.2", [], "bios-256k.bin"),
                                    ("pc-q35-7.2", ["-bios", os.path.join(ROMS, "bios.bin")], "bios.bin")):
            with self.subTest(machine=machine, name=name):
                _, _, guest, seen = self.look(machine, "-device", "VGA,addr=2", *args, monitor=monitor)
                got, want = self.rom(seen, os.path.join(ROMS, name))
                self.assertEqual(got, want)
                keys = [k for f, k in seen if f == "firmware" and k.startswith("rom/0x") and not k.endswith(".version")]
                self.assertEqual(len(keys), 1, keys)

    def test_another_bios_is_told_and_an_option_rom_is_not(self):
        monitor = self.monitor()
        first = self.qemu("pc-q35-7.2", name="flashed")
        monitor.settled("flashed")
        first.stop()
        monitor.gone("flashed")
        self.qemu("pc-q35-7.2", "-bios", os.path.join(ROMS, "bios.bin"), name="flashed", guest_uuid=first.uuid)
        monitor.settled("flashed", boot=2)
        changes = {(c["change"], c["key"]) for c in monitor.diff("flashed")["changes"] if c["facet"] == "firmware" and not c["key"].endswith(".version")}
        self.assertEqual(changes, {("lost", "rom/0x00000000fffc0000"), ("gained", "rom/0x00000000fffe0000")})
