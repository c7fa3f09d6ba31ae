# SPDX-License-Identifier: Apache-2.0
"""What an operator would lose: whether a guest was restarted or changed under its feet. Debian's QEMU: resets, restarts, migrations, snapshots."""
import json
import os
import subprocess
import unittest

from harness import ROOT, Folder, Live, abidrift, wait_for
from test_cli import UUID
from test_pci import CC
from traces import LEAVES, Trace

NIC = ["-device", "e1000,netdev=n0,addr=3,romfile=,mac=52:54:00:12:34:56", "-netdev", "user,id=n0"]
MACHINE = "pc-i440fx-7.2"


def boots(monitor, name):
    """What history says of the guest's boots, in order."""
    return [e["reason"] for e in monitor.json("history", name)["events"] if e["type"] == "boot"]


class Lives(Live):
    def source(self, monitor, *args, **kw):
        guest = self.qemu(MACHINE, *NIC, *args, **kw)
        monitor.settled(guest.name)
        return guest

    def migrate(self, monitor, source, *args, cpu="qemu64"):
        """The same guest in another QEMU, by way of a socket. Returns it once it runs there."""
        path = self.folder.file("migration")
        target = self.qemu(MACHINE, *NIC, *args, "-incoming", f"unix:{path}", name=source.name, guest_uuid=source.uuid, cpu=cpu)
        source.command("migrate", uri=f"unix:{path}")
        wait_for("the migration", lambda: source.command("query-migrate").get("status") == "completed")
        wait_for("the guest to go on", lambda: target.command("query-status")["running"])
        return target

    def judged(self, monitor, guest):
        """The guest as it is in this very process, once all of it was judged."""
        return wait_for(f"{guest.name} to settle in {guest.pid}",
                        lambda: next((g for g in monitor.guests() if g["pid"] == guest.pid and g["settled"]), None))

    def test_a_migration_is_no_new_boot_and_no_drift(self):
        monitor = self.monitor()
        source = self.source(monitor)
        source.command("system_reset")
        monitor.settled(source.name, boot=2)
        target = self.migrate(monitor, source)
        state = self.judged(monitor, target)
        self.assertEqual(state["boot"], 2, state)
        self.assertEqual(state["changes"], 0, monitor.diff(source.name))
        self.assertEqual(boots(monitor, source.name)[-1], "migrated in")
        # What it had shown as a whole is not seen again until it is reset, and that is said.
        self.assertNotEqual(state["coverage"]["pci"], "complete")
        self.assertEqual([u["facet"] for u in monitor.diff(source.name)["unknown"] if not u["key"]], ["pci"])
        source.stop()
        target.command("system_reset")
        state = monitor.settled(source.name, boot=3)
        self.assertEqual((state["boot"], state["state"]), (3, "same"), monitor.diff(source.name))

    def test_what_a_migration_takes_away_is_critical(self):
        monitor = self.monitor()
        source = self.source(monitor)
        target = self.migrate(monitor, source, cpu="qemu64,-cx16")
        state = self.judged(monitor, target)
        self.assertEqual((state["boot"], state["state"], state["severity"]), (1, "drift", "critical"), monitor.diff(source.name))
        changes = monitor.diff(source.name)["changes"]
        self.assertEqual([c["key"] for c in changes], ["0x00000001.0.ecx"])
        self.assertTrue(changes[0]["running"], changes)
        alert = next(a for a in monitor.alerts(source.uuid) if a["type"] == "drift" and a["changes"][0]["key"] == changes[0]["key"])
        self.assertEqual((alert["severity"], alert["changes"][0]["running"]), ("critical", True),
                         (alert, monitor.json("history", source.name)["events"], monitor.err))
        # Reset or not: this process took it away while the guest ran.
        source.stop()
        target.command("system_reset")
        state = monitor.settled(source.name, boot=2)
        self.assertEqual((state["boot"], state["severity"]), (2, "critical"), state)
        self.assertEqual(monitor.diff(source.name)["changes"][0]["severity"], "critical")

    def test_the_same_across_a_restart_is_not_under_a_running_guest(self):
        monitor = self.monitor()
        source = self.source(monitor)
        source.stop()
        monitor.gone(source.name)
        again = self.qemu(MACHINE, *NIC, name=source.name, guest_uuid=source.uuid, cpu="qemu64,-cx16")
        state = self.judged(monitor, again)
        self.assertEqual((state["boot"], state["state"]), (2, "drift"), state)
        changes = monitor.diff(source.name)["changes"]
        self.assertEqual([(c["key"], c["running"]) for c in changes], [("0x00000001.0.ecx", False)])
        self.assertNotEqual(state["severity"], "critical")
        self.assertEqual(boots(monitor, source.name), ["started", "started"])

    def test_a_vm_that_waits_when_abidrift_comes_gets_the_guest_by_a_migration(self):
        """Else history calls it found running, in another boot, while the guest still ran elsewhere."""
        path = self.folder.file("migration")
        source = self.qemu(MACHINE, *NIC)
        target = self.qemu(MACHINE, *NIC, "-incoming", f"unix:{path}", name=source.name, guest_uuid=source.uuid)
        monitor = self.monitor()
        self.judged(monitor, source)
        self.assertEqual([g["pid"] for g in monitor.guests() if g["name"] == source.name], [source.pid])
        source.command("migrate", uri=f"unix:{path}")
        wait_for("the guest to go on", lambda: target.command("query-status")["running"])
        state = self.judged(monitor, target)
        self.assertEqual((state["boot"], state["changes"]), (1, 0), monitor.diff(source.name))
        self.assertEqual(boots(monitor, source.name), ["found running", "migrated in"])

    def test_a_second_machine_under_its_name_is_not_the_guest(self):
        """Else a clone that somebody starts by mistake ends the watch over the guest, and what the clone lacks alarms as the guest's loss."""
        monitor = self.monitor()
        source = self.source(monitor)
        twin = self.qemu(MACHINE, *NIC, name=source.name, guest_uuid=source.uuid, cpu="qemu64,-cx16")
        state = wait_for("the second VM to be seen as one", lambda: next((g for g in monitor.guests() if g["pid"] == twin.pid and g["state"] == "unknown"), None))
        self.assertFalse(state["settled"], state)
        source.command("system_reset")
        state = wait_for("the guest's next boot", lambda: next((g for g in monitor.guests() if g["pid"] == source.pid and g["boot"] > 1 and g["settled"]), None))
        self.assertEqual(state["changes"], 0, monitor.diff(source.name))
        self.assertEqual([a["type"] for a in monitor.alerts(source.uuid)], ["twin"])
        # Nothing that is asked of the guest is answered by the other one, and what that does is not the guest's.
        self.assertEqual(monitor.diff(source.name)["result"], "same")
        twin.command("system_reset")
        wait_for("its reset", lambda: next((e for e in monitor.json("history", source.name)["events"] if e["type"] == "twin" and "reset" in e["reason"]), None))
        self.assertEqual([g["state"] for g in monitor.guests() if g["pid"] == twin.pid], ["unknown"])
        self.assertEqual(len(boots(monitor, source.name)), 2)
        # Once it is alone it is the guest.
        source.stop()
        state = self.judged(monitor, twin)
        self.assertEqual([c["key"] for c in monitor.diff(source.name)["changes"]], ["0x00000001.0.ecx"], state)

    def test_a_guest_restored_in_another_process_goes_on(self):
        monitor = self.monitor()
        disk = self.folder.file("disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"], check=True)
        drive = ["-drive", f"if=none,id=d0,file={disk}", "-device", "virtio-blk-pci,drive=d0,addr=5"]
        source = self.source(monitor, *drive)
        source.hmp("savevm there")
        source.stop()
        monitor.gone(source.name)
        again = self.qemu(MACHINE, *NIC, *drive, "-loadvm", "there", name=source.name, guest_uuid=source.uuid)
        state = self.judged(monitor, again)
        self.assertEqual((state["boot"], state["changes"]), (1, 0), monitor.diff(source.name))
        self.assertEqual(boots(monitor, source.name), ["started", "restored from a snapshot"])

    def test_a_guest_restored_from_a_file_goes_on(self):
        monitor = self.monitor()
        source = self.source(monitor)
        saved = self.folder.file("saved")
        source.command("stop")
        source.command("migrate", uri=f"exec:cat > {saved}")
        wait_for("the guest to be saved", lambda: source.command("query-migrate").get("status") == "completed")
        source.stop()
        monitor.gone(source.name)
        again = self.qemu(MACHINE, *NIC, "-incoming", f"exec:cat {saved}", name=source.name, guest_uuid=source.uuid)
        wait_for("the guest to be read", lambda: again.command("query-status")["status"] != "inmigrate")
        again.command("cont")
        state = self.judged(monitor, again)
        self.assertEqual((state["boot"], state["changes"]), (1, 0), monitor.diff(source.name))
        self.assertEqual(boots(monitor, source.name)[-1], "restored from a program's output")
        self.assertTrue(os.path.getsize(saved))


class HotPlug(Live):
    """A guest of our own does what an OS does when ACPI tells it of a device."""

    def plugged(self, *devices):
        walker = self.folder.file("pciwalk")
        done = subprocess.run([*CC, "-o", walker, os.path.join(ROOT, "tests", "live", "pciwalk.c")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.told = self.folder.file("told")
        monitor = self.monitor()
        guest = self.qemu(MACHINE, *NIC, *devices, "-kernel", walker, "-append", "plug", "-debugcon", f"file:{self.told}")
        self.says("END")
        wait_for("the end of the walk to be seen", lambda: monitor.settled(guest.name) and "ports 0x05a5/r32 " in monitor.fingerprint(guest.name))
        self.assertEqual(monitor.settled(guest.name)["state"], "same")
        return monitor, guest

    def says(self, text):
        wait_for(f"the guest to say {text}", lambda: os.path.exists(self.told) and text in open(self.told, errors="replace").read())

    def changes(self, monitor, guest, kind, severity):
        """The drift, once it is there: changes of a device that all are of this kind and severity."""
        wait_for("drift", lambda: monitor.guest(guest.name)["state"] == "drift" and monitor.guest(guest.name)["settled"])
        found = wait_for("its changes", lambda: [c for c in monitor.diff(guest.name)["changes"] if c["facet"] == "pci"])
        self.assertEqual({(c["change"], c["severity"], c["running"]) for c in found}, {(kind, severity, True)}, found)
        return found

    def test_what_the_guest_let_go_of_is_info(self):
        monitor, guest = self.plugged("-device", "virtio-rng-pci,addr=5,id=rng")
        guest.command("device_del", id="rng")
        self.says("EJECTED 00000020")
        found = self.changes(monitor, guest, "lost", "info")
        self.assertEqual({(c["verdict"], c["cause"][0]["factor"], c["cause"][0]["to"]) for c in found}, {("intended", "hotplug", "eject port 0xae08")})
        self.assertEqual({c["key"].rsplit("/", 1)[0] for c in found}, {"0000:00:05.0"})
        # The same after a reset: it stays what it was.
        guest.command("system_reset")
        state = monitor.settled(guest.name, boot=2)
        self.assertEqual((state["boot"], state["severity"]), (2, "info"), monitor.diff(guest.name))

    def test_what_the_guest_found_when_it_was_told_is_info(self):
        monitor, guest = self.plugged()
        guest.command("device_add", driver="virtio-rng-pci", id="rng", addr="5")
        self.says("PLUGGED 00000020")
        found = self.changes(monitor, guest, "gained", "info")
        self.assertEqual({(c["verdict"], c["cause"][0]["factor"]) for c in found}, {("intended", "hotplug")})


class Exact(Live):
    """A VMM of our own: what the guest did is known to the last exit."""
    DEVICE = ["answer pci:00:00.0:0:0x12378086", "answer pci:00:00.0:8:0x06000002", "answer pci:00:03.0:0:0x100e8086", "answer pci:00:03.0:8:0x02000003"]
    LOOK = "; ".join(f"out 0xcf8 4 {0x80000000 | slot << 11 | reg:#x}; in 0xcfc 4" for slot in (0, 3) for reg in (0, 8))

    def guest(self, monitor, *lines):
        vmm = self.microvmm("--stdin")
        vmm.wait_line("^ready", "out")
        vmm.name = next(f"anon-{vmm.pid}-{line.split()[3]}" for line in vmm.out if line.startswith("vm 0 kvm-fd "))
        self.do(vmm, *self.DEVICE, self.LOOK, *lines)
        monitor.settled(vmm.name)
        return vmm

    def do(self, vmm, *lines):
        for line in lines:
            done = sum(1 for said in vmm.out if said.startswith("op done"))
            vmm.write(line + "\n")
            if not line.startswith(("answer", "reset")):
                wait_for(f"op done: {line}", lambda: sum(1 for said in vmm.out if said.startswith("op done")) > done)

    def lost(self, monitor, vmm):
        found = wait_for("the loss", lambda: [c for c in monitor.diff(vmm.name)["changes"] if c["key"] == "0000:00:03.0/id"])
        self.assertEqual({(c["change"], c["running"]) for c in found}, {("lost", True)}, found)
        return found[0]["severity"], found[0]["verdict"]

    def test_a_device_that_vanishes_is_critical_and_one_that_was_ejected_is_not(self):
        monitor = self.monitor()
        gone, ejected = self.guest(monitor), self.guest(monitor)
        self.do(ejected, "out 0xae10 4 0; out 0xae08 4 8")
        for vmm in (gone, ejected):
            self.do(vmm, "answer pci:00:03.0:0:0xffffffff", self.LOOK)
        self.assertEqual(self.lost(monitor, gone), ("critical", "unexplained"))
        self.assertEqual(self.lost(monitor, ejected), ("info", "intended"))

    def test_a_reset_of_a_silent_guest_that_was_found_is_a_new_boot(self):
        vmm = self.microvmm("--stdin")
        vmm.wait_line("^ready", "out")
        self.do(vmm, "cpuid 0 0")
        name = next(f"anon-{vmm.pid}-{line.split()[3]}" for line in vmm.out if line.startswith("vm 0 kvm-fd "))
        monitor = self.monitor()
        self.assertEqual(monitor.settled(name)["boot"], 1)
        self.do(vmm, "reset", "cpuid 0 0")
        self.assertEqual(monitor.settled(name, boot=2)["boot"], 2)
        self.assertEqual(boots(monitor, name), ["found running", "reset by the VMM"])

    def test_another_os_is_no_drift(self):
        """Other ports and registers, another order, other devices asked for, a driver that comes late: what a guest does is its own affair."""
        monitor = self.monitor()
        vmm = self.guest(monitor, "cpuid 0 0; cpuid 1 0; in 0x60 1; in 0x71 1; in 0x71 1; in 0x71 1; rdmsr 0x1b")
        self.do(vmm, "cpuid 0x80000000 0; in 0x70 1; in 0x70 1; in 0x70 1; in 0x3f8 1; out 0xae10 4 0; out 0xae08 4 0x40; out 0xcf8 4 0x80002000; in 0xcfc 4; "
                     "mmio-read 0xd0000000 4; rdmsr 0x1a0")
        monitor.settled(vmm.name)
        for boot in (2, 3):
            self.do(vmm, "reset", f"in 0x2f8 1; cpuid 7 0; {self.LOOK}; in 0x60 1" if boot == 2 else f"{self.LOOK}; rdmsr 0x10; out 0x80 1 3")
            state = monitor.settled(vmm.name, boot=boot)
            self.assertEqual((state["boot"], state["changes"]), (boot, 0), monitor.diff(vmm.name))
        self.assertEqual([a for a in monitor.alerts(vmm.name) if a["severity"] != "info"], [])


class ToldLate(unittest.TestCase):
    """By replay: no root, no KVM."""
    def test_a_guest_that_was_found_just_before_its_first_vcpu_was_made_was_started(self):
        """Else on a busy host now and then a guest that starts has no life, as one that ran before abidrift did."""
        for told, life in ((True, "started"), (False, None)):
            folder, t = Folder(), Trace()
            self.addCleanup(folder.close)
            t.synced()
            t.guest(1, "web-1", UUID)
            t.boot(1, 1, found=True)
            t.tick(1)
            if told:
                t.boot(1, 1)
            t.cpuid(1, 1, LEAVES)
            t.slots(1, 1, (0, 0x8000000))
            t.tick(4)
            store = "sqlite:" + folder.file("s.db")
            abidrift("replay", t.write(folder.file("t.trace")), "--set", "monitor.settle=1s", store=store, ok=(0, 1, 3))
            state = json.loads(abidrift("ls", "--json", store=store, ok=None).stdout)["guests"][0]
            self.assertEqual((state["life"], state["boot"], state["settled"]), (life, 1, True), state)
            events = json.loads(abidrift("history", "--json", store=store).stdout)["events"]
            self.assertEqual([e["reason"] for e in events if e["type"] == "boot"], [life or "found running"])
