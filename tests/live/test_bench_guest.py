# SPDX-License-Identifier: Apache-2.0
"""The benches of the guest's side in small: that they do what their figures are called. Nothing here looks at a time."""
import os
import sys

from harness import ROOT, Live, need_qemu

sys.path[:0] = [os.path.join(ROOT, "tests", "bench"), os.path.join(ROOT, "tests")]
import guest_side  # noqa: E402
from loops import LOOPS, LoopGuest  # noqa: E402

TURNS = 50


class GuestSide(Live):
    def test_turns_with_and_without_alternate_and_the_monitor_sees_the_guest(self):
        """Else the slow-down that is published would be that of a guest nobody watched."""
        sides = guest_side.Sides(self.folder, 2, TURNS, False)
        self.addCleanup(sides.guest.stop)
        seen = sides.run()
        self.assertEqual((len(sides.without), len(sides.with_it), len(sides.bare)), (3, 2, 2))
        self.assertTrue(seen and seen["running"], seen)
        for loop in LOOPS:
            self.assertEqual([len(of) for of in sides.slower(loop.name, "thread_ns")], [2, 2, 1])

    def test_a_loop_makes_the_exits_that_its_figure_is_divided_by(self):
        guest = LoopGuest()
        self.addCleanup(guest.stop)
        monitor = self.monitor()
        guest.watched()
        for loop in LOOPS:
            guest.run(loop, TURNS)
        monitor.settled(guest.ident)
        text = monitor.fingerprint(guest.ident)
        for key in ("cpuid 0x00000001", "ports 0x0510", "mmio 0x00000000d0000000/r32", "pci 0000:00:01.0/id 8086:10d3"):
            self.assertTrue([line for line in text.splitlines() if line.startswith(key)], key)

    def test_a_boot_is_measured_to_its_boot_sector(self):
        need_qemu()
        spent = guest_side.boot(self.folder, guest_side.boot_disk(self.folder))
        self.assertGreater(spent.thread_ns, 0)
