# SPDX-License-Identifier: Apache-2.0
"""What goes wrong under a running monitor: nothing is lost, nothing is invented."""
import os
import signal
import subprocess

from harness import Live, Monitor, wait_for


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
        self.assertEqual(second.guest(guest.name)["state"], "same")
        second.stop()
        third = self.monitor()
        wait_for("it to be judged anew", lambda: [line for line in third.err if guest.name in line and "fingerprinted" in line])
        after = third.guest(guest.name)
        for key in ("boot", "state", "changes", "settled", "coverage", "current"):
            self.assertEqual(after[key], before[key], key)
        self.assertEqual([e["type"] for e in third.json("history", guest.name)["events"]], ["boot", "fingerprint"])


class FullDisk(Live):
    def test_what_happened_while_the_disk_was_full_is_in_the_store_afterwards(self):
        disk = self.folder.file("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        monitor = self.monitor(store="disk/state/a.db")
        self.addCleanup(monitor.stop)
        nic = lambda slot: ["-device", f"virtio-rng-pci,addr={slot}"]
        guest = self.qemu("pc-i440fx-7.2", *nic(4))
        monitor.settled(guest.name)
        with open(os.path.join(disk, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
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
