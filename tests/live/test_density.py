# SPDX-License-Identifier: Apache-2.0
"""Many guests at once. How fast that is, is tests/bench/density.py's business."""
from fleet import DRIFTS, PORT, Fleet, Store
from harness import Live, entries, wait_for

GUESTS = 50


class Density(Live):
    def test_all_guests_are_found_and_all_drift_as_one_change_set(self):
        """An upgrade of a host moves all of its guests: one that is missed, or told of apart from the others, is a guest nobody looks at."""
        fleet = Fleet(GUESTS, apart=True)
        self.addCleanup(fleet.stop)
        monitor = self.monitor(settle=["--set", "monitor.settle=1s", "--set", "monitor.settle_max=20s"])
        store = Store(monitor)
        self.addCleanup(store.close)
        wait_for("all to be found", lambda: store.found(fleet))
        wait_for("all to be fingerprinted", lambda: store.settled(fleet))
        fleet.do(f"repeat 3 in {PORT} 1\n")
        for ident, *_ in store.lives(fleet):
            wait_for(f"the port in the fingerprint of {ident}", lambda: any(f == "ports" for f, _ in entries(monitor.fingerprint(ident))))
        self.assertEqual(store.drifted(fleet), 0)
        fleet.do(DRIFTS)
        wait_for("all drifts in the outbox", lambda: store.drifted(fleet) == GUESTS)
        wait_for("all to settle in their next boot", lambda: store.settled(fleet, 2))
        lives = store.lives(fleet)
        self.assertEqual(len({guest for guest, *_ in lives}), GUESTS)
        self.assertEqual(len({change_set for *_, change_set in lives}), 1)
        self.assertIsNotNone(lives[0][3])
