# SPDX-License-Identifier: Apache-2.0
"""A sample of tests/fault/kills: whoever is killed at whatever moment, the store is sound, each drift is told once, and only who accepts changes a baseline."""
import time

from harness import Live
from killing import Storm

MOMENTS = 20


class Kills(Live):
    def test_whoever_is_killed_at_any_moment_each_drift_is_told_once(self):
        seed = str(time.time_ns())
        storm = Storm(self.folder, seed, MOMENTS, guests=3)
        self.addCleanup(storm.close)
        try:
            storm.run()
        except BaseException as why:
            raise AssertionError(f"seed {seed}: {why}") from why
        self.assertEqual(storm.check(), [], f"seed {seed}")
        self.assertGreaterEqual(storm.tally.count, MOMENTS)
        self.assertTrue(all(g.told for g in storm.guests))
