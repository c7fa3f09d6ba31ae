# SPDX-License-Identifier: Apache-2.0
"""Guests that ask as fast as they can, beside quiet ones (the long variant is tests/fault/floods). What a user would lose: the drift of every
other guest of the host, or what the flooding one itself is."""
import re

import floods
import prom
from harness import Live, abidrift, entries, wait_for

SETTLE = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=10s"]
ALL = "cpuid ports mmio msr pci ecam fw_cfg"


class Floods(Live):
    def held(self, words, **kw):
        """A guest that floods once it is told to."""
        guest = floods.Flood(self.folder, words + " held", **kw)
        self.addCleanup(guest.stop)
        return guest

    def known(self, monitor, guest):
        state = monitor.guest(guest.name)
        return state and state["settled"] and state["coverage"]["cpuid"] == state["coverage"]["pci"] == "complete" and not floods.unseen(monitor, guest)

    def losses(self, monitor, guest):
        return {re.search(r"more (\w+) facts than its quota", a["summary"])[1] for a in monitor.alerts(guest.name) if a["type"] == "loss"}

    def refused(self, monitor, guest):
        """The facets of which its diff says that facts were refused."""
        return {u["facet"] for u in monitor.diff(guest.name)["unknown"] if u["reason"].endswith("were refused")}

    def is_what_it_was(self, monitor, guest, before):
        """All that was known of its CPUID and PCI functions is known, and is what QEMU says; what could not be known is said."""
        state, now = monitor.guest(guest.name), entries(monitor.fingerprint(guest.name))
        self.assertEqual((state["coverage"]["cpuid"], state["coverage"]["pci"], state["state"], state["changes"]), ("complete", "complete", "unknown", 0))
        self.assertRegex(abidrift("ls", store=monitor.store).stdout, rf"(?m)^{guest.name} .* unknown ")
        self.assertEqual({k: v for k, v in now.items() if k[0] == "cpuid"}, {k: v for k, v in before.items() if k[0] == "cpuid"})
        pci = {k: v for k, v in before.items() if k[0] == "pci"}
        self.assertEqual({k: now.get(k) for k in pci}, pci)
        self.assertEqual(floods.unseen(monitor, guest), {})
        return now

    def test_guests_that_flood_take_nothing_from_others_and_are_what_they_were(self):
        """One asks every kind of question, on a processor each for those that take long; one reads 4 KiB of each of 40 functions again and again, as lspci -xxxx does."""
        monitor, quiet = self.monitor(settle=SETTLE), floods.Quiet()
        self.addCleanup(quiet.stop)
        all_kinds = self.held(ALL + " cpus", name="flood", vcpus=3, devices=["-device", "virtio-rng-pci", "-device", "e1000e,romfile="])
        lspci = self.held("lspci", name="lspci")
        for guest in (all_kinds, lspci):
            wait_for("firmware to end", guest.held)
            wait_for("all of it to be known", lambda: self.known(monitor, guest))
        floods.settled(monitor, *quiet.ids)
        before = {guest: entries(monitor.fingerprint(guest.name)) for guest in (all_kinds, lspci)}
        self.assertEqual([a["summary"] for guest in before for a in monitor.alerts(guest.name)], [])
        for guest in before:
            guest.begin()
        wait_for("quotas to fill", lambda: self.losses(monitor, all_kinds) >= {"cpuid", "ports", "mmio"} and "pci" in self.losses(monitor, lspci))
        quiet.drift(3)
        wait_for("the drift", lambda: floods.told(monitor, quiet.ids[3]))
        wait_for("diffs to say what was refused", lambda: self.refused(monitor, all_kinds) >= {"ports", "mmio"} and "pci" in self.refused(monitor, lspci))
        for guest, was in before.items():
            monitor.settled(guest.name)
            now = self.is_what_it_was(monitor, guest, was)
        self.assertGreater(sum(facet == "pci" and "/cap." in key for facet, key in now), floods.DEVICES)
        self.assertRegex(prom.dump(monitor.store), r"(?m)^abidrift_guest_overflow_total [1-9]")
        # The quiet ones: one told of once, the others the same, none of them lost a thing.
        states = {g["id"]: g["state"] for g in monitor.guests() if g["id"] in quiet.ids}
        self.assertEqual(states, {i: "drift" if i == quiet.ids[3] else "same" for i in quiet.ids})
        self.assertEqual([a["summary"] for i in quiet.ids for a in monitor.alerts(i) if a["type"] != "drift" or i != quiet.ids[3]], [])
        self.assertEqual(len(floods.told(monitor, quiet.ids[3])), 1)
