# SPDX-License-Identifier: Apache-2.0
"""Guests whose tables and facts fill every limit (tests/live/worst.py; what they cost is tests/bench/worst_cost.py), beside a guest that drifts. What a user
would lose: that drift, or their trust in a monitor that calls the same tables another time something else."""
import json
import unittest

import worst
from harness import Folder, abidrift
from traces import LEAVES, Trace, life, without

SETTLE = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=60s"]
MISSING = without(LEAVES, 1, 2, 0)


class Worst(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def lives(self, name, parts):
        """What a replay says of two equal lives of such a guest; between them a quiet one that runs is started anew with a feature less."""
        trace, store = Trace(), "sqlite:" + self.folder.file(name.replace("/", "_") + ".db")
        trace.synced()
        life(trace, 3, "quiet")
        worst.guest(trace, parts, 1)
        trace.gone(3)
        life(trace, 4, "quiet", leaves=MISSING)
        trace.gone(1)
        worst.guest(trace, parts, 2)
        done = abidrift("replay", trace.write(self.folder.file("t")), *SETTLE, "--json", store=store, ok=(1,))
        return json.loads(done.stdout), store

    def test_what_fills_the_limits_is_told_and_takes_nothing_from_others(self):
        for name, parts in [*((name, [part]) for name, part in worst.WORST.items()), (worst.TOGETHER_NAME, worst.TOGETHER)]:
            with self.subTest(worst=name):
                seen, store = self.lives(name, parts)
                guests = {g["name"]: g for g in seen["guests"]}
                self.assertEqual({g: guests[g]["state"] for g in guests}, {"quiet": "drift", "worst": "unknown" if name in worst.REFUSED else "same"})
                self.assertEqual([(c["guest"], c["facet"]) for c in seen["changes"]], [("quiet", "cpuid")])
                unknown = json.loads(abidrift("diff", "worst", "--json", store=store, ok=(0, 3)).stdout)["unknown"]
                self.assertEqual({u["facet"] for u in unknown if u["reason"].endswith("were refused")}, worst.REFUSED.get(name, set()))
                self.assertTrue(guests["worst"]["settled"])
                abidrift("show", "worst", store=store)
