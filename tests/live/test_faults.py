# SPDX-License-Identifier: Apache-2.0
"""What goes wrong under a running monitor: nothing is lost, nothing is invented."""
import os
import signal
import subprocess

from harness import ABIDRIFT, BUILD, Live, Monitor, wait_for


class Restarts(Live):
    def test_monitor_that_is_killed_and_restarted_invents_nothing(self):
        """A settled guest is the same guest, in the same boot, and as well known as before."""
        first = self.monitor()
        guest = self.qemu("pc-q35-7.2", "-device", "virtio-rng-pci,addr=4")
        before = first.settled(guest.name)
        # Only once the collector knows the boot's token can another one know the boot.
        wait_for("the boot to be known", lambda: first.guest(guest.name)["coverage"]["pci"] == "complete")
        first.stop(signal.SIGKILL)
        # The second one ends before anything has settled anew; the third one may judge.
        second = Monitor(self.folder, settle=["--set", "monitor.settle=60s"])
        self.addCleanup(second.stop)
        now = second.guest(guest.name)
        self.assertEqual(now["state"], "same", (before, now, second.diff(guest.name)["unknown"], second.err))
        second.stop()
        third = self.monitor()
        wait_for("it to be judged anew", lambda: [line for line in third.err if guest.name in line and "fingerprinted" in line])
        after = third.guest(guest.name)
        for key in ("boot", "state", "changes", "settled", "coverage", "current"):
            self.assertEqual(after[key], before[key], key)
        self.assertEqual([e["type"] for e in third.json("history", guest.name)["events"]], ["boot", "fingerprint"])


class FullDisk(Live):
    def disk(self):
        disk = self.folder.file("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        return disk

    def fill(self, disk):
        with open(os.path.join(disk, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass

    def test_a_monitor_that_is_started_on_a_full_disk_waits_for_room(self):
        disk = self.disk()
        before = self.monitor(store="disk/state/a.db")
        self.assertEqual(before.stop(), 0)
        self.fill(disk)
        monitor = self.process([ABIDRIFT, "run", "--store", before.store, "--listen", "none", "--set", "monitor.pin=off"])
        monitor.wait_line("the disk is full.*; trying again until there is room")
        os.unlink(os.path.join(disk, "fill"))
        monitor.wait_line("^abidrift: ready")
        self.assertEqual(monitor.stop(), 0)
        self.assertEqual(len([line for line in monitor.err if "disk is full" in line]), 1, monitor.err)

    def test_what_happened_while_the_disk_was_full_is_in_the_store_afterwards(self):
        disk = self.disk()
        monitor = self.monitor(store="disk/state/a.db")
        self.addCleanup(monitor.stop)
        nic = lambda slot: ["-device", f"virtio-rng-pci,addr={slot}"]
        guest = self.qemu("pc-i440fx-7.2", *nic(4))
        monitor.settled(guest.name)
        self.fill(disk)
        guest.stop()
        monitor.wait_line("gone")
        again = self.qemu("pc-i440fx-7.2", *nic(5), name=guest.name, guest_uuid=guest.uuid)
        monitor.wait_line("trying again")
        os.unlink(os.path.join(disk, "fill"))
        state = monitor.settled(again.name, boot=2)
        self.assertEqual(state["state"], "drift")
        kinds = [e["type"] for e in monitor.json("history", guest.name)["events"]]
        self.assertEqual((kinds.count("boot"), kinds.count("stop"), kinds.count("drift") > 0), (2, 1, True), kinds)
        wait_for("the alert", lambda: [a for a in monitor.alerts(guest.uuid) if a["type"] == "drift"])
        self.assertLess(len([line for line in monitor.err if "trying again" in line]), 8)


class SlowArguments(Live):
    """A host that swaps takes its time with what lies in a process's memory: that is the guest's name, machine and options."""
    def monitor_with(self, ms):
        preload = os.path.join(BUILD, "tests/live/slow_arguments.so")
        self.assertTrue(os.path.exists(preload), "it is not built: make tests-build")
        return self.monitor(env={**os.environ, "LD_PRELOAD": preload, "SLOW_ARGUMENTS_MS": str(ms)})

    def known(self, monitor, guest):
        line = monitor.wait_line(rf"{guest.name}: (found|appeared)")
        self.assertIn("machine pc-i440fx-7.2", line)
        self.assertEqual([said for said in monitor.err if f"pid {guest.pid}" in said and "anon-" in said], [])

    def test_a_guest_is_told_of_with_its_arguments_or_waits_for_them(self):
        first = self.qemu("pc-i440fx-7.2")
        monitor = self.monitor_with(1000)
        self.known(monitor, first)
        second = self.qemu("pc-i440fx-7.2")
        self.known(monitor, second)
        before = monitor.settled(first.name)
        monitor.stop()
        again = self.monitor_with(1000)
        self.known(again, first)
        again.wait_line(f"{first.name}: fingerprinted")
        after = again.guest(first.name)
        for key in ("machine", "boot", "changes", "pid"):
            self.assertEqual(after[key], before[key], key)
        kinds = [e["type"] for e in again.json("history", first.name)["events"]]
        self.assertEqual([k for k in kinds if k in ("boot", "stop", "drift", "context")], ["boot"])

    def test_one_that_was_told_of_without_them_gets_its_name_when_they_are_read(self):
        guest = self.qemu("pc-i440fx-7.2")
        monitor = self.monitor_with(8000)
        monitor.wait_line(f"anon-{guest.pid}-.*: found")
        wait_for("its name", lambda: [g for g in monitor.guests() if g["name"] == guest.name and g["running"]])
        found = monitor.settled(guest.name)
        self.assertEqual((found["machine"], found["pid"], found["uuid"]), ("pc-i440fx-7.2", guest.pid, guest.uuid))
        self.assertEqual([g["id"] for g in monitor.guests() if g["pid"] == guest.pid], [guest.uuid])
