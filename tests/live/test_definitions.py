# SPDX-License-Identifier: Apache-2.0
"""Guests of more kinds, and what happens to them while they are watched: what once was told wrongly stays right."""
import datetime
import re
import uuid

from harness import Live, abidrift, entries, wait_for
from test_real_guests import NIC, parallel


class Definitions(Live):
    def whole(self, monitor, ident, boot=1):
        """Waits until this boot has been judged and its bus scan is known as a whole."""
        def look():
            g = monitor.guest(ident)
            return g if g and g["settled"] and g["boot"] >= boot and g["coverage"]["pci"] == "complete" else None
        return wait_for(f"{ident} to be seen as a whole", look)

    def assert_pci_is_what_qemu_says(self, monitor, guest, ident):
        seen = {k: v for (f, k), v in entries(monitor.fingerprint(ident)).items() if f == "pci" and re.search(r"/(id|class|bar\d|rom)$", k)}
        self.assertEqual({k: v[:4] if k.endswith("/class") else v for k, v in seen.items()}, guest.pci())

    def twice(self, monitor, machine, was, now, name=(None, None)):
        """Boots both under one UUID; the diff of the second against the first."""
        ident = str(uuid.uuid4())
        for boot, args in enumerate((was, now), 1):
            guest = self.qemu(machine, *args, guest_uuid=ident, name=name[boot - 1])
            self.whole(monitor, ident, boot)
            self.assert_pci_is_what_qemu_says(monitor, guest, ident)
            guest.stop()
            monitor.gone(ident)
        return monitor.diff(ident)

    def test_definitions_and_their_changes(self):
        """A topology read wrongly would be drift that nobody made, or none where somebody made it."""
        monitor = self.monitor()
        switch = ["-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "x3130-upstream,id=up,bus=rp1",
                  "-device", "xio3130-downstream,id=d1,bus=up,chassis=11", "-device", "virtio-rng-pci,bus=d1"]
        root = ["-device", "pxb,id=px,bus_nr=8,addr=6", "-device", "virtio-rng-pci,bus=px,addr=2"]

        def renamed():
            diff = self.twice(monitor, "pc-q35-7.2", NIC, NIC, name=("before", "after"))
            self.assertEqual((diff["result"], diff["changes"]), ("same", []))

        def other_frame_buffer():
            diff = self.twice(monitor, "pc-i440fx-7.2", ["-device", "VGA,addr=2"], ["-device", "VGA,addr=2,vgamem_mb=64"])
            self.assertEqual([(c["key"], c["to"]) for c in diff["changes"]], [("0000:00:02.0/bar0", "mem32-pref size=0x4000000")])

        def another_root_bus():
            self.assertEqual(self.twice(monitor, "pc-i440fx-7.2", root, root)["result"], "same")

        def switched():
            self.assertEqual(self.twice(monitor, "pc-q35-7.2", switch, switch)["result"], "same")
        parallel([renamed, other_frame_buffer, another_root_bus, switched])

    def test_a_migration_on_one_host_is_no_drift(self):
        """Every live migration would ring."""
        monitor = self.monitor()
        ident, args = str(uuid.uuid4()), ["-device", "VGA,addr=2", *NIC]
        source = self.qemu("pc-q35-7.2", *args, guest_uuid=ident)
        self.whole(monitor, ident)
        channel = "unix:" + self.folder.file("migration")
        target = self.qemu("pc-q35-7.2", *args, "-incoming", channel, guest_uuid=ident)
        source.command("migrate", uri=channel)

        def judged():
            return [g for g in monitor.guests() if g["pid"] == target.pid and g["settled"]]
        state = wait_for("the target to be judged", judged)[0]
        self.assertEqual((state["changes"], monitor.diff(ident)["changes"]), (0, []))
        source.stop()
        target.command("system_reset")
        state = self.whole(monitor, ident, state["boot"] + 1)
        self.assertEqual((state["pid"], state["state"]), (target.pid, "same"))
        self.assertEqual([a for a in monitor.alerts() if a["type"] == "drift" and a["guest"]["uuid"] == ident], [])

    def test_drift_outlives_the_monitor_and_an_accept_its_time(self):
        """A drift that closes because nobody looks is a drift that nobody hears of; an accept must not last longer than promised."""
        monitor = self.monitor()
        ident = str(uuid.uuid4())
        guest = self.qemu("pc-q35-7.2", *NIC, guest_uuid=ident)
        self.whole(monitor, ident)
        guest.stop()
        monitor.gone(ident)
        guest = self.qemu("pc-q35-7.2", *NIC, "-device", "virtio-rng-pci,addr=7", guest_uuid=ident)
        self.assertEqual(self.whole(monitor, ident, 2)["state"], "drift")
        # Reset by the VMM: the monitor that comes next may not recognise this boot, and then sees nothing of its PCI.
        guest.command("system_reset")
        drift = self.whole(monitor, ident, 3)
        monitor.stop()
        monitor = self.monitor()
        state = monitor.settled(ident)
        self.assertEqual((state["state"], state["changes"]), ("drift", drift["changes"]), state)
        self.assertNotIn("resolved", [e["type"] for e in monitor.json("history", ident)["events"]])
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
        abidrift("accept", ident, "--reason", "a trial", "--expires", until.strftime("%Y-%m-%dT%H:%M:%SZ"), store=monitor.store)
        monitor.wait_line("accepted baseline has expired", seconds=20)
        wait_for("the drift to be back", lambda: monitor.guest(ident)["state"] == "drift", 20)

    def test_what_joins_the_baseline_is_told(self):
        """A baseline that grew in silence could not be trusted."""
        guest = self.qemu("pc-i440fx-7.2", *NIC)
        wait_for("the firmware to have placed the NIC", lambda: any(r["address"] > 0 for bus in guest.command("query-pci") for d in bus["devices"]
                                                                    if d["slot"] == 3 for r in d["regions"]))
        monitor = self.monitor()
        first = monitor.settled(guest.uuid)
        guest.command("system_reset")
        state = self.whole(monitor, guest.uuid, first["boot"] + 1)
        self.assertEqual((state["state"], state["current"]["revision"]), ("same", 1), monitor.diff(guest.uuid))
        self.assertIn("evidence", [e["type"] for e in monitor.json("history", guest.uuid)["events"]])
