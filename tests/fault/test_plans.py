# SPDX-License-Identifier: Apache-2.0
"""A sample of the faults by plan (`tests/fault/plans` runs all): the first calls of each kind, and a spread of the rest."""
import os
import unittest

import plans


class Plans(unittest.TestCase):
    # name of a verb: how many k of each fault
    SAMPLE = {"replay of drift": 5, "accept": 4, "store backup": 3, "export": 3, "diff --json": 3, "serve": 2, "alert test": 2}

    def test_what_fails_is_told_and_nothing_is_lost(self):
        for make in plans.WORKS:
            work = make()
            if work.name not in self.SAMPLE:
                continue
            work.open()
            self.addCleanup(work.close)
            for fault in work.faults:
                calls = work.calls(fault)
                for k in self.spread(calls, self.SAMPLE[work.name]):
                    _, fired, wrong, got = work.plan(fault, k)
                    with self.subTest(verb=work.name, fault=fault, k=k):
                        self.assertTrue(fired or 1 < k == calls)  # one mapping more or less: the allocator's
                        self.assertIsNone(wrong, f"{got.err}\n" + "\n".join(got.where))

    @staticmethod
    def spread(calls, count):
        """`count` numbers from 1 to calls, the last among them."""
        return sorted({1 + (calls - 1) * i // max(count - 1, 1) for i in range(count)}) if calls else []

    def test_a_fault_that_nobody_tells_is_found(self):
        """The check itself: a verb that goes on without what it could not read, and one that ends by a signal."""
        work = next(work for work in (make() for make in plans.WORKS) if work.name == "diff")
        work.open()
        self.addCleanup(work.close)
        got = plans.Outcome(1, work.usual.out.replace("g1", "", 1), "", 1, 1, [])
        place = os.path.join(work.folder, "template")
        self.assertIn("exit 1", work.judge(place, got, "allocation"))
        self.assertIn("signal 11", work.judge(place, plans.Outcome(-11, "", "", 1, 1, []), "allocation"))
        self.assertIn("0 lines", work.judge(place, plans.Outcome(2, "", "", 1, 1, []), "allocation"))
        self.assertIn("does not say", work.judge(place, plans.Outcome(2, "", "abidrift: something is wrong", 1, 1, []), "allocation"))
