# SPDX-License-Identifier: Apache-2.0
"""Guests and VMMs that want to be missed, or to use up what watches them. What a user would lose: every other guest's drift."""
import os
import re

from harness import MICROVMM, Live, wait_for


class Hostile(Live):
    def guest(self, *args):
        vmm = self.microvmm("--stdin", *args)
        vmm.wait_line("^ready", "out")
        found = [re.match(r"vm \d+ kvm-fd (\d+)", line) for line in vmm.out]
        vmm.ids = [f"anon-{vmm.pid}-{m[1]}" for m in found if m]
        return vmm

    def test_a_guest_that_resets_in_a_loop_floods_nobody(self):
        """Thousands of boots a second: the stream carries a few, and a guest that comes after it is judged."""
        trace = self.folder.file("loop.trace")
        noisy = self.guest("--vcpus", "8")
        record = self.process([os.path.join(os.path.dirname(MICROVMM), "..", "..", "abidrift"), "record", "-o", trace, "--for", "4s"])
        wait_for("the trace to begin", lambda: os.path.exists(trace) and os.path.getsize(trace) > 0)
        noisy.write("repeat 20000 out 0x92 1 1; in 0x10 1\n")
        noisy.wait_line("^op done", "out")
        self.assertEqual(record.child.wait(30), 0)
        self.assertLess(os.path.getsize(trace), 8 << 20)
        monitor = self.monitor()
        vmm = self.guest()
        vmm.write("cpuid 0 0\n")
        monitor.settled(vmm.ids[0])
