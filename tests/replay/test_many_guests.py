# SPDX-License-Identifier: Apache-2.0
"""A host full of guests that were really recorded, as tests/bench/replay_rate.py measures it with 1,000."""
import contextlib
import json
import os
import sqlite3
import sys
import unittest

from harness import ROOT, Folder, abidrift

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import replay_rate  # noqa: E402

GUESTS = 12
SETTLE = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=60s"]


class Many(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.path = self.folder.file("t.db")
        self.store = "sqlite:" + self.path

    def replay(self, trace, *ok):
        path = trace.write(self.folder.file("t.trace"))
        return json.loads(abidrift("replay", path, *SETTLE, "--json", store=self.store, ok=ok).stdout)

    def test_all_of_them_drift_and_it_is_one_change_set(self):
        """Who upgrades a host reads one line of it, or as many as it has guests."""
        seen = self.replay(replay_rate.guests(GUESTS, "i440fx", 1), 1)
        self.assertEqual([d["result"] for d in seen["diffs"]], ["drift"] * GUESTS)
        self.assertEqual(len({(c["facet"], c["key"], c["from"], c["to"]) for c in seen["changes"]}) * GUESTS, len(seen["changes"]))
        with contextlib.closing(sqlite3.connect(self.path)) as c:
            self.assertEqual(c.execute("SELECT count(*), count(DISTINCT guest) FROM alerts").fetchone(), (GUESTS, GUESTS))
            self.assertEqual(c.execute("SELECT count(*), count(DISTINCT change_set) FROM drifts").fetchone(), (GUESTS, 1))

    def test_a_guest_that_rested_is_judged_by_all_that_it_showed_before(self):
        """What a guest at rest showed is packed. If its next news were judged alone, the whole guest would seem lost."""
        trace = replay_rate.guests(GUESTS)
        replay_rate.fact(trace, 1, 1, replay_rate.KIND_MMIO, 0, 0xFE123000, 4)
        trace.tick(30)
        seen = self.replay(trace, 0)
        self.assertEqual({d["result"] for d in seen["diffs"]}, {"same"})
        texts = [abidrift("show", "--fingerprint", g["id"], store=self.store).stdout for g in seen["guests"]]
        lines = [set(text.splitlines()) for text in texts]
        joined = [line for line in set.union(*lines) if "fe123000" in line]
        self.assertEqual(len(joined), 1, joined)
        self.assertEqual(sum(joined[0] in one for one in lines), 1)
        self.assertGreater(len(set.intersection(*lines)), 100)
