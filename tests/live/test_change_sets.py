# SPDX-License-Identifier: Apache-2.0
"""A monitor that runs takes up at once what operators do beside it: an accept for many guests, a maintenance window. The rest of it,
with made-up guests, is in tests/replay/test_change_sets.py."""
import json
import re

from harness import Live, abidrift, wait_for


class Operators(Live):
    def guests(self):
        """Two guests of one micro-VMM that were told once that port 0x510 answers."""
        vmm = self.microvmm("--stdin", "--vms", "2", "--answer", "port:0x510:0x51")
        vmm.wait_line("^ready", "out")
        vmm.ids = [f"anon-{vmm.pid}-{m[1]}" for line in vmm.out if (m := re.match(r"vm \d+ kvm-fd (\d+)", line))]
        self.assertEqual(len(vmm.ids), 2)
        self.do(vmm, "vm all", "repeat 5 in 0x510 1")
        return vmm

    def do(self, vmm, *lines):
        for line in lines:
            done = sum(1 for l in vmm.out if l.startswith("op done"))
            vmm.write(line + "\n")
            wait_for(f"op done: {line}", lambda: sum(1 for l in vmm.out if l.startswith("op done")) > done)

    def drift(self, monitor, vmm):
        """In their next boot the port does not answer."""
        boots = [monitor.settled(ident)["boot"] for ident in vmm.ids]
        vmm.write("answer clear\nreset\n")
        self.do(vmm, "repeat 5 in 0x510 1")
        return [monitor.settled(ident, boot=boot + 1) for ident, boot in zip(vmm.ids, boots)]

    def test_one_accept_for_all_guests_and_the_monitor_goes_on_from_there(self):
        monitor = self.monitor()
        vmm = self.guests()
        guests = self.drift(monitor, vmm)
        self.assertEqual([g["state"] for g in guests], ["drift", "drift"])
        change_set = guests[0]["change_set"]
        self.assertEqual(guests[1]["change_set"], change_set)
        wait_for("two alerts of drift", lambda: len([a for a in monitor.alerts(*vmm.ids) if a["change_set"] == change_set]) == 2)
        done = monitor.json("accept", "--change-set", change_set, "--reason", "the port is gone")
        self.assertEqual(sorted(g["guest"]["id"] for g in done["guests"]), sorted(vmm.ids))
        wait_for("two alerts that it is resolved",
                 lambda: {a["summary"].split(":")[0] for a in monitor.alerts(*vmm.ids) if a["type"] == "resolved"} == set(vmm.ids))
        # The next boot is compared with what was accepted.
        boots = [monitor.guest(ident)["boot"] for ident in vmm.ids]
        vmm.write("reset\n")
        self.do(vmm, "repeat 5 in 0x510 1")
        for ident, boot in zip(vmm.ids, boots):
            self.assertEqual(monitor.settled(ident, boot=boot + 1)["state"], "same")

    def test_a_window_holds_alerts_and_its_end_is_told_at_once(self):
        monitor = self.monitor()
        vmm = self.guests()
        for ident in vmm.ids:
            monitor.settled(ident)
        abidrift("maintenance", "--for", "1h", "--reason", "ports", store=monitor.store)
        guests = self.drift(monitor, vmm)
        self.assertEqual([g["state"] for g in guests], ["drift", "drift"])
        self.assertEqual(monitor.alerts(*vmm.ids), [])
        abidrift("maintenance", "--end", store=monitor.store)
        line = monitor.wait_line("maintenance window", "out")
        alert = json.loads(line)
        self.assertEqual((alert["type"], alert["guest"]), ("drift", {"uuid": None, "name": None}))
        mine = [s for s in alert["change_sets"] if set(s["guests"]) & set(vmm.ids)]
        self.assertEqual([(s["id"], set(vmm.ids) <= set(s["guests"])) for s in mine], [(guests[0]["change_set"], True)])
        self.assertIsNone(monitor.json("maintenance")["maintenance"])
