# SPDX-License-Identifier: Apache-2.0
"""When drift is told: once for what one boot shows, and always, also of a guest that never comes to rest. By replay: no root, no KVM."""
import json
import sqlite3
import unittest

from harness import Folder, abidrift
from test_cli import LEAVES_MORE, UUID
from traces import Trace, life, without

SETTINGS = ["--set", "monitor.settle=4s", "--set", "monitor.settle_max=12s"]
SECOND = 1_000_000_000
NO_X2APIC = without(LEAVES_MORE, 1, 2, 21) # a warning
NO_SSE4_2 = without(LEAVES_MORE, 1, 2, 20) # critical: systems do not start without


class Held(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.t = Trace()
        self.t.synced()
        life(self.t, 1, "web-1", UUID, LEAVES_MORE, seconds=15)
        self.t.gone(1)
        self.begun = self.t.now

    def alerts(self):
        """[(seconds after the second life began, alert)] of a replay."""
        store = "sqlite:" + self.folder.file("s.db")
        abidrift("replay", self.t.write(self.folder.file("t.trace")), *SETTINGS, store=store, ok=(0, 1, 3))
        with sqlite3.connect(self.folder.file("s.db")) as db:
            rows = db.execute("SELECT at, json FROM alerts ORDER BY row").fetchall()
        first = self.t.clock()  # its last eight bytes: realtime of now
        now = int.from_bytes(first[8:16], "little", signed=True)
        return [((at - (now - self.t.now + self.begun)) / SECOND, json.loads(text)) for at, text in rows]

    def looping(self, seconds, leaves=NO_X2APIC, every=2):
        """A guest that resets before anything but its CPUID can be judged."""
        self.t.guest(2, "web-1", UUID)
        for boot in range(1, seconds // every + 1):
            self.t.boot(2, boot)
            self.t.cpuid(2, boot, leaves)
            self.t.slots(2, boot, (0, 0x8000000))
            self.t.tick(every)

    def test_what_one_restart_did_is_one_alert(self):
        life(self.t, 2, "web-1", UUID, NO_X2APIC, memory=0x10000000, seconds=20)
        told = self.alerts()
        self.assertEqual([a["type"] for _, a in told], ["drift"], told)
        self.assertEqual({c["facet"] for c in told[0][1]["changes"]}, {"cpuid", "memory"})

    def test_a_guest_that_resets_again_and_again_is_told_after_settle_max(self):
        self.looping(40)
        told = self.alerts()
        self.assertEqual([a["type"] for _, a in told], ["drift"], told)
        # Held back from the first judgement on; told with the first one after settle_max.
        self.assertTrue(12 <= told[0][0] <= 12 + 2 + 1, told[0][0])

    def test_a_guest_that_ends_before_it_settles_is_told_at_its_end(self):
        self.looping(2)
        self.t.gone(2)
        self.t.tick(1)
        told = self.alerts()
        self.assertEqual([a["type"] for _, a in told], ["drift"], told)
        self.assertAlmostEqual(told[0][0], 2, delta=0.5)

    def test_what_is_critical_does_not_wait(self):
        life(self.t, 2, "web-1", UUID, NO_SSE4_2, memory=0x10000000, seconds=20)
        (at, first), (_, second) = self.alerts()
        self.assertEqual((first["severity"], {c["facet"] for c in first["changes"]}), ("critical", {"cpuid"}))
        self.assertLess(at, 1)
        self.assertEqual({c["facet"] for c in second["changes"]}, {"cpuid", "memory"})
