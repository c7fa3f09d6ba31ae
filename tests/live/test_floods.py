# SPDX-License-Identifier: Apache-2.0
"""Guests that ask as fast as they can, beside quiet ones (the long variant is tests/fault/floods). What a user would lose: the drift of every
other guest of the host, or what the flooding one itself is."""
import re

import floods
import prom
from harness import Live, entries, wait_for


class Floods(Live):
    def flood(self, *args, **kw):
        guest = floods.Flood(self.folder, *args, **kw)
        self.addCleanup(guest.stop)
        wait_for("the flood", guest.rounds)
        return guest

    def quiet(self):
        quiet = floods.Quiet()
        self.addCleanup(quiet.stop)
        return quiet

    def losses(self, monitor, guest):
        return {re.search(r"more (\w+) facts than its quota", a["summary"])[1] for a in monitor.alerts(guest.name) if a["type"] == "loss"}

    def refused(self, monitor, guest):
        """The facets of which its diff says that facts were refused."""
        return {u["facet"] for u in monitor.diff(guest.name)["unknown"] if u["reason"].endswith("were refused")}

    def test_a_guest_that_floods_takes_nothing_from_others(self):
        """Every kind of question, on several processors: a drift beside it is told, nobody else is, and what was refused is said."""
        monitor, quiet = self.monitor(), self.quiet()
        floods.settled(monitor, *quiet.ids)
        guest = self.flood("cpuid ports mmio msr pci ecam fw_cfg cpus", vcpus=2, devices=["-device", "virtio-rng-pci", "-device", "e1000e,romfile="])
        wait_for("quotas to fill", lambda: self.losses(monitor, guest) >= {"cpuid", "ports", "mmio"})
        quiet.drift(3)
        wait_for("the drift", lambda: floods.told(monitor, quiet.ids[3]))
        monitor.settled(guest.name)
        # The flooding guest's own: the whole CPUID table and PCI headers are right, the rest says what was refused.
        wait_for("its diff to say what was refused", lambda: {"ports", "mmio"} <= self.refused(monitor, guest))
        state = monitor.guest(guest.name)
        self.assertEqual((state["coverage"]["cpuid"], state["state"]), ("complete", "unknown"))
        self.assertEqual(floods.unseen(monitor, guest), {})
        self.assertRegex(prom.dump(monitor.store), r"(?m)^abidrift_guest_overflow_total [1-9]")
        # The quiet ones: one told of once, the others the same, none of them lost a thing.
        states = {g["id"]: g["state"] for g in monitor.guests() if g["id"] in quiet.ids}
        self.assertEqual(states, {i: "drift" if i == quiet.ids[3] else "same" for i in quiet.ids})
        self.assertEqual([a["summary"] for i in quiet.ids for a in monitor.alerts(i) if a["type"] != "drift" or i != quiet.ids[3]], [])
        self.assertEqual(len(floods.told(monitor, quiet.ids[3])), 1)

    def test_lspci_of_everything_again_and_again(self):
        """40 devices, 4 KiB of each: all that firmware read stays, also in the next boot, and what did not fit is said."""
        monitor = self.monitor()
        guest = self.flood("lspci")
        wait_for("facts to be refused", lambda: "pci" in self.losses(monitor, guest))
        wait_for("its diff to say so", lambda: "pci" in self.refused(monitor, guest))
        state = monitor.guest(guest.name)
        self.assertEqual((state["coverage"]["pci"], state["coverage"]["cpuid"], state["state"]), ("complete", "complete", "unknown"))
        self.assertEqual(floods.unseen(monitor, guest), {})
        self.assertGreater(sum(facet == "pci" and "/cap." in key for facet, key in entries(monitor.fingerprint(guest.name))), floods.DEVICES)
