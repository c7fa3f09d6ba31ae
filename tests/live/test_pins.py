# SPDX-License-Identifier: Apache-2.0
"""What an operator would lose: what guests did while abidrift was stopped, killed or upgraded. A monitor that never stops is the oracle."""
import json
import os
import re
import shutil
import signal
import subprocess
import uuid

import test_micro
from harness import ABIDRIFT, Live, entries, wait_for

BPFFS = "/sys/fs/bpf"
BPFTOOL = shutil.which("bpftool") or "/usr/sbin/bpftool"
MACHINE = "pc-i440fx-7.2"
NIC = ["-device", "e1000,netdev=n0,addr=3,romfile=,mac=52:54:00:12:34:56", "-netdev", "user,id=n0"]
GOES_ON = "went on collecting: taken over"
PROGRAMS = 7


def bpftool(*args):
    done = subprocess.run([BPFTOOL, "-j", *args], capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout) if done.stdout.strip() else None


class Pins(Live):
    guest, do = test_micro.Micro.guest, test_micro.Micro.do

    def setUp(self):
        super().setUp()
        self.root = f"{BPFFS}/abidrift-test-{uuid.uuid4().hex[:12]}"
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        if not os.path.ismount(BPFFS):
            self.skipTest("no BPF filesystem is mounted")

    def pinned(self, *args, **kw):
        return self.monitor(*args, pin=self.root, **kw)

    def oracle(self):
        """One that sees all of it."""
        return self.monitor(store="oracle/a.db")

    def sets(self):
        return sorted(os.listdir(self.root))

    def folder_of_set(self):
        found = self.sets()
        self.assertEqual(len(found), 1, found)
        return os.path.join(self.root, found[0])

    def links(self):
        return sorted(n for n in os.listdir(self.folder_of_set()) if n.startswith("link_"))

    def dropped(self):
        """News that found the ring full, as the kernel side counts them."""
        first = bpftool("map", "lookup", "pinned", self.folder_of_set() + "/counters", "key", "0", "0", "0", "0")
        return sum(int.from_bytes(bytes(int(b, 16) for b in v["value"]), "little") for v in first["values"])

    def end(self, monitor, sig=signal.SIGKILL):
        monitor.stop(sig)
        # What it pinned is there, and nobody holds it.
        self.assertEqual(len(self.links()), len({n.split("_", 3)[3] for n in self.links()}))

    def same(self, one, other, *guests):
        """Both monitors know the same of each guest: boots, what they show, and how completely."""
        for guest in guests:
            a, b = one.settled(guest), other.settled(guest)
            self.assertEqual((a["boot"], a["coverage"]), (b["boot"], b["coverage"]), guest)
            seen = [entries(m.fingerprint(guest)) for m in (one, other)]
            self.assertEqual({k: v for k, v in seen[0].items() if seen[1].get(k) != v}, {}, guest)
            self.assertEqual({k: v for k, v in seen[1].items() if seen[0].get(k) != v}, {}, guest)
            self.assertEqual(boots(one, guest), boots(other, guest))

    def quiet(self, monitor, *guests):
        """No drift, no new revision."""
        for guest in guests:
            self.assertEqual(monitor.guest(guest)["state"], "same", monitor.diff(guest))
            self.assertEqual([e["type"] for e in monitor.json("history", guest)["events"] if e["type"] in ("drift", "loss")], [])


def boots(monitor, guest):
    return [e["reason"] for e in monitor.json("history", guest)["events"] if e["type"] == "boot"]


def pci_of(monitor, guest):
    return {k: v for (f, k), v in entries(monitor.fingerprint(guest.name)).items() if f == "pci"}


class Gap(Pins):
    def test_what_a_guest_does_meanwhile_is_known_afterwards(self):
        """Ports, MMIO, CPUID in the gap, by kill -9 and by an orderly end."""
        for sig in (signal.SIGKILL, signal.SIGTERM):
            oracle, monitor = self.oracle(), self.pinned()
            vmm = self.guest("--answer", "port:0x510:0x51", "--answer", "mmio:0xfe800000:0x8086")
            self.do(vmm, "in 0x510 1")
            monitor.settled(vmm.ids[0])
            self.end(monitor, sig)
            if sig == signal.SIGTERM:
                # After kill -9 of the supervisor its collector may hear of that end before it is killed itself, and say so as well.
                self.assertTrue(any("goes on collecting; rm -r " in line for line in monitor.err), monitor.err)
            self.do(vmm, "repeat 4 in 0x600 2; mmio-read 0xfe800000 4; mmio-read 0xfe810000 4")
            monitor = self.pinned()
            self.assertTrue(any(GOES_ON in line for line in monitor.err), monitor.err)
            wait_for("what it did", lambda: entries(monitor.fingerprint(vmm.ids[0])).get(("mmio", "0x00000000fe800000/r32")) == "answered")
            self.same(monitor, oracle, vmm.ids[0])
            self.quiet(monitor, vmm.ids[0])
            self.assertEqual(len(boots(monitor, vmm.ids[0])), 1)
            vmm.stop(signal.SIGKILL)
            for m in (oracle, monitor):
                m.stop()
            shutil.rmtree(self.root)

    def test_a_full_ring_meanwhile_is_no_loss_and_refused_facts_are(self):
        monitor = self.pinned("--set", "monitor.ring=4096", "--set", "monitor.quota=300")
        vmm = self.guest()
        self.do(vmm, "cpuid 0 0")
        monitor.settled(vmm.ids[0])
        self.end(monitor)
        # More than the ring holds (39 news), then more pages than the quota.
        ports = range(0x1000, 0x10c8)
        for first in range(0, len(ports), 20):
            self.do(vmm, "repeat 3 " + "; ".join(f"in {port:#x} 1" for port in ports[first:first + 20]))
        for first in range(0, 400, 20):
            self.do(vmm, "; ".join(f"mmio-read {0xc0000000 + 0x1000 * page:#x} 4" for page in range(first, first + 20)))
        before = self.dropped()
        self.assertGreater(before, 400)
        monitor = self.pinned("--set", "monitor.ring=4096", "--set", "monitor.quota=300")
        self.assertTrue(any(GOES_ON in line for line in monitor.err), monitor.err)
        monitor.wait_line("more mmio facts than its quota holds: 100 were refused")
        known = wait_for("all ports", lambda: (seen := entries(monitor.fingerprint(vmm.ids[0]))).get(("ports", f"{ports[-1]:#06x}/r8")) and seen)
        self.assertEqual([p for p in ports if known.get(("ports", f"{p:#06x}/r8")) != "absent"], [])
        self.assertEqual(len(boots(monitor, vmm.ids[0])), 1)
        # A ring as small as this is full of other guests' news, too.
        for told in (int(m[1]) for line in list(monitor.err) if (m := re.search(r"news ring was full (\d+) times", line))):
            self.assertLessEqual(told, self.dropped() - before)

    def test_a_reset_meanwhile_is_one_boot(self):
        oracle, monitor = self.oracle(), self.pinned()
        vmm = self.guest("--answer", "port:0x510:0x51")
        self.do(vmm, "in 0x510 1")
        monitor.settled(vmm.ids[0])
        oracle.settled(vmm.ids[0])
        self.end(monitor)
        vmm.write("reset\n")
        self.do(vmm, "in 0x510 1")
        monitor = self.pinned()
        monitor.settled(vmm.ids[0], boot=2)
        oracle.settled(vmm.ids[0], boot=2)
        self.same(monitor, oracle, vmm.ids[0])
        self.assertEqual(boots(monitor, vmm.ids[0])[-1], "reset by the VMM")
        self.quiet(monitor, vmm.ids[0])

    def test_a_guest_that_ends_meanwhile_and_others_in_its_place(self):
        monitor = self.pinned()
        vmm = self.guest()
        self.do(vmm, "cpuid 0 0")
        monitor.settled(vmm.ids[0])
        self.end(monitor)
        vmm.stop(signal.SIGKILL)
        others = [self.guest("--answer", "port:0x511:1") for _ in range(3)]
        for other in others:
            self.do(other, "in 0x511 1")
        monitor = self.pinned()
        self.assertIsNone(monitor.guest(vmm.ids[0]))
        for other in others:
            monitor.settled(other.ids[0])
            self.assertEqual(boots(monitor, other.ids[0]), ["started"])
            self.assertIn(("ports", "0x0511/r8"), entries(monitor.fingerprint(other.ids[0])))
        # What it left in the maps goes: they hold the living only.
        maps = self.folder_of_set() + "/vms"
        wait_for("the dead to be forgotten", lambda: not [v for v in bpftool("map", "dump", "pinned", maps)
                                                          if v["formatted"]["value"]["seen"]["tgid"] == vmm.pid])

    def test_firmware_meanwhile_is_complete(self):
        """A real guest starts while nobody looks, and another one resets: the bus scan of both was seen."""
        monitor = self.pinned()
        before = self.qemu(MACHINE, *NIC)
        monitor.settled(before.name)
        self.assertEqual(monitor.guest(before.name)["coverage"]["pci"], "complete")
        known = pci_of(monitor, before)
        self.end(monitor)
        before.command("system_reset")
        born = self.qemu(MACHINE, *NIC)
        for guest in (before, born):
            wait_for("SeaBIOS to place BARs", lambda: re.search(r"BAR0: 32 bit memory at 0xf[0-9a-f]{7}", guest.hmp("info pci")))
        monitor = self.pinned()
        monitor.settled(before.name, boot=2)
        monitor.settled(born.name)
        for guest in (before, born):
            self.assertEqual(monitor.guest(guest.name)["coverage"]["pci"], "complete", guest.name)
            seen = pci_of(monitor, guest)
            for key, value in guest.pci().items():
                # QEMU tells no revision with the class.
                self.assertTrue(key in seen and seen[key].startswith(value), (key, value, seen))
        self.assertEqual(boots(monitor, before.name), ["started", "reset by the VMM"])
        self.assertEqual(boots(monitor, born.name), ["started"])
        self.assertEqual(monitor.guest(before.name)["state"], "same", monitor.diff(before.name))
        self.assertEqual(pci_of(monitor, before), known)


    def test_a_device_that_comes_meanwhile_is_drift(self):
        monitor = self.pinned()
        guest = self.qemu(MACHINE, *NIC)
        monitor.settled(guest.name)
        self.end(monitor)
        guest.command("device_add", driver="virtio-rng-pci", id="rng", addr="5")
        guest.command("system_reset")
        wait_for("SeaBIOS to place its BARs",
                 lambda: re.search(r"device   5, function 0:(?:(?!Bus ).)*BAR\d: [^\n]* at 0x(?!f{8})[1-9a-f]", guest.hmp("info pci"), re.S))
        monitor = self.pinned()
        state = monitor.settled(guest.name, boot=2)
        self.assertEqual((state["boot"], state["state"], state["coverage"]["pci"]), (2, "drift", "complete"))
        gained = [c["key"] for c in monitor.diff(guest.name)["changes"] if c["facet"] == "pci" and c["change"] == "gained"]
        self.assertIn("0000:00:05.0/id", gained)


class Sets(Pins):
    def test_five_restarts_leave_one_set_and_its_end_leaves_nothing(self):
        def ours():
            return [p["id"] for p in bpftool("prog", "show") if p["id"] in {l["prog_id"] for l in self.link_info()}]
        for turn in range(5):
            monitor = self.pinned("--set", f"monitor.quota={500 + turn}")  # other programs each time
            self.assertEqual(any(GOES_ON in line for line in monitor.err), turn > 0)
            self.assertEqual(len(self.links()), PROGRAMS)
            self.end(monitor, signal.SIGKILL if turn % 2 else signal.SIGTERM)
        programs = ours()
        self.assertEqual(len(programs), PROGRAMS)
        shutil.rmtree(self.root)
        wait_for("the programs to go", lambda: not {p["id"] for p in bpftool("prog", "show")} & set(programs))

    def link_info(self):
        return [bpftool("link", "show", "pinned", os.path.join(self.folder_of_set(), name)) for name in self.links()]

    def lost(self, because):
        """A guest did something while the set was not one; the next monitor says so, and works as well as one without pins."""
        monitor = self.pinned()
        said = [line for line in monitor.err if "are replaced" in line]
        self.assertTrue(said and because in said[0], monitor.err)
        self.assertEqual(len(self.links()), PROGRAMS)
        return monitor

    def test_another_layout_is_replaced_and_said(self):
        monitor = self.pinned()
        vmm = self.guest("--answer", "port:0x510:0x51")
        self.do(vmm, "in 0x510 1")
        monitor.settled(vmm.ids[0])
        self.end(monitor)
        about = self.folder_of_set() + "/about"
        value = [int(b, 16) for b in bpftool("map", "dump", "pinned", about)[0]["value"]]
        value[8] ^= 0x40
        subprocess.run([BPFTOOL, "map", "update", "pinned", about, "key", "0", "0", "0", "0", "value", *map(str, value)], check=True, timeout=30)
        before = self.links()
        monitor = self.lost("another layout")
        monitor.settled(vmm.ids[0])
        self.assertEqual(len(boots(monitor, vmm.ids[0])), 1)
        self.quiet(monitor, vmm.ids[0])
        self.assertFalse(set(before) & set(self.links()))
        # From here on all is well again.
        self.do(vmm, "repeat 4 in 0x602 1")
        wait_for("news", lambda: ("ports", "0x0602/r8") in entries(monitor.fingerprint(vmm.ids[0])))
        self.end(monitor)
        self.assertTrue(any(GOES_ON in line for line in self.pinned().err))

    def test_what_is_not_whole_is_replaced(self):
        self.end(self.pinned())
        folder = self.folder_of_set()
        os.unlink(os.path.join(folder, self.links()[0]))
        self.end(self.lost("6 of 7 programs"))
        os.unlink(folder + "/about")
        self.end(self.lost("not whole"))
        os.unlink(folder + "/facts")
        self.end(self.lost("map facts"))
        # Another size than was asked for.
        self.end(self.pinned("--set", "monitor.ring=4096"))
        self.assertEqual(bpftool("map", "show", "pinned", folder + "/news")["max_entries"], 4096)
        # A start that comes to nothing takes nothing away: these go on.
        before = self.links()
        failed = subprocess.run(["prlimit", "--nofile=24:24", ABIDRIFT, "run", "--store", f"sqlite:{self.folder.file('state/abidrift.db')}", "--set",
                                 f"monitor.pin={self.root}", "--set", "serve.listen=none"], capture_output=True, text=True, timeout=60)
        self.assertEqual(failed.returncode, 2, failed.stderr)
        self.assertIn("loading BPF programs", failed.stderr)
        self.assertEqual(self.links(), before)
        self.end(self.lost("map news"))
        # Foreign objects under our names.
        os.unlink(folder + "/vms")
        subprocess.run([BPFTOOL, "map", "create", folder + "/vms", "type", "hash", "key", "8", "value", "8", "entries", "4", "name", "foreign"],
                       check=True, timeout=30)
        self.end(self.lost("map vms"))

    def test_sets_of_two_stores_do_not_meet(self):
        first = self.pinned()
        folder = self.folder_of_set()
        second = self.pinned(store="second/a.db")
        self.assertEqual(len(self.sets()), 2)
        self.assertTrue(os.path.exists(folder))
        self.assertFalse(any("removed" in line for line in second.err))
        second.stop()
        first.stop()

    def test_a_set_that_is_only_left_for_a_while_stays(self):
        """A monitor of another store starts while this one is stopped: what guests do meanwhile is known all the same."""
        first = self.pinned()
        vmm = self.guest("--answer", "port:0x510:0x51")
        self.do(vmm, "in 0x510 1")
        first.settled(vmm.ids[0])
        self.end(first)
        second = self.pinned(store="second/a.db")
        self.do(vmm, "repeat 4 in 0x603 1")
        first = self.pinned()
        self.assertEqual([line for line in second.err + first.err if "ended the kernel side" in line or "are replaced" in line], [])
        wait_for("what it did", lambda: ("ports", "0x0603/r8") in entries(first.fingerprint(vmm.ids[0])))

    def ended(self, monitor):
        return [line for line in monitor.err if "ended the kernel side of another store" in line]

    def test_sets_that_nobody_wants_end_and_their_monitor_says_so(self):
        """Each set costs all guests; and whoever comes back has to know that nobody looked."""
        def links(name):
            return [n for n in os.listdir(os.path.join(self.root, name)) if n.startswith("link_")]
        folders = []
        for n in range(4):
            before = set(self.sets()) if n else set()
            monitor = self.pinned(store=f"{n}/a.db")
            folders += set(self.sets()) - before
            self.assertEqual(len(self.ended(monitor)), 1 if n == 3 else 0, monitor.err)
            monitor.stop()
        # The times are in whole seconds: which of them went is open.
        gone = [n for n in range(4) if not links(folders[n])]
        self.assertEqual(len(gone), 1)
        self.assertLess(gone[0], 3)
        # One whose monitor is away for more than a day.
        about = os.path.join(self.root, folders[3], "about")
        value = [int(b, 16) for b in bpftool("map", "dump", "pinned", about)[0]["value"]]
        at = 28  # used_s
        value[at:at + 4] = ((int.from_bytes(bytes(value[at:at + 4]), "little") - 86500) % 2**32).to_bytes(4, "little")
        subprocess.run([BPFTOOL, "map", "update", "pinned", about, "key", "0", "0", "0", "0", "value", *map(str, value)], check=True, timeout=30)
        monitor = self.pinned(store=f"{gone[0]}/a.db")
        self.assertTrue(any("are replaced: another abidrift ended them; what guests did" in line for line in monitor.err), monitor.err)
        self.assertEqual(len(self.ended(monitor)), 1, monitor.err)
        self.assertIn(folders[3], self.ended(monitor)[0])
        self.assertEqual(os.listdir(os.path.join(self.root, folders[3])), ["about"])
        monitor.stop()
        # Told once: the set is whole again.
        self.assertTrue(any(GOES_ON in line for line in self.pinned(store=f"{gone[0]}/a.db").err))

    def test_folders_that_are_not_ours_are_not_used(self):
        def unpinned(why):
            monitor = self.pinned()
            said = [line for line in monitor.err if "is not pinned" in line]
            self.assertTrue(said and why in said[0], monitor.err)
            monitor.stop()
            self.assertFalse(any("goes on collecting" in line for line in monitor.err))
        os.mkdir(self.root, 0o700)
        os.chown(self.root, 65534, 65534)
        unpinned("belongs to somebody else")
        os.chown(self.root, 0, 0)
        os.chmod(self.root, 0o777)
        unpinned("others may write")
        os.rmdir(self.root)
        os.symlink("/tmp", self.root)
        unpinned(self.root)
        os.unlink(self.root)
        self.root = self.folder.file("no-bpffs")
        unpinned("no BPF filesystem")
        self.assertFalse(os.path.exists(self.root))
