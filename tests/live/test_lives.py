# SPDX-License-Identifier: Apache-2.0
"""What an operator would lose: whether a guest was restarted or changed under its feet. Debian's QEMU: resets, restarts, migrations, snapshots."""
import os
import subprocess

from harness import Live, wait_for

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
        alert = next(a for a in monitor.alerts() if a["type"] == "drift")
        self.assertEqual((alert["severity"], alert["changes"][0]["running"]), ("critical", True), alert)
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
