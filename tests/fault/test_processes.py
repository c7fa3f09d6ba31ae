# SPDX-License-Identifier: Apache-2.0
"""A sample of the faults in the processes of `abidrift run` (`tests/fault/plans run` runs more of them)."""
import concurrent.futures
import os
import signal
import threading

import processes
from harness import Live, wait_for
from killing import children


class Processes(Live):
    # (process, fault): which calls fail
    SAMPLE = {("supervisor", "descriptor, EMFILE"): (4, 12), ("collector", "allocation"): (700,), ("abidrift-memory", "allocation"): (2500,), ("analyst", "allocation"): (5000, 30000),
              ("analyst", "read, EIO"): (90,), ("keeper", "allocation"): (3000,), ("keeper", "write, EIO"): (40,), ("keeper", "fsync, EIO"): (2,),
              ("messenger", "allocation"): (12000,), ("messenger", "descriptor, EMFILE"): (9,), ("messenger", "read, EIO"): (44,), ("runner", "allocation"): (20,)}

    def test_what_fails_in_a_process_is_told_and_no_drift_is_lost(self):
        moments = [(role, fault, k) for (role, fault), numbers in self.SAMPLE.items() for k in numbers]
        with concurrent.futures.ThreadPoolExecutor(3 * (os.cpu_count() or 1)) as pool:
            for (role, fault, k), (_, fired, wrong, where, _) in zip(moments, pool.map(lambda moment: processes.plan(*moment), moments)):
                with self.subTest(process=role, fault=fault, k=k):
                    self.assertIsNone(wrong, "\n".join(where))
                    self.assertTrue(fired)

    def test_a_process_that_ends_by_a_signal_is_found(self):
        """The check itself: the messenger is ended as by a fault of its own."""
        run = processes.Run("messenger", "allocation", 0)
        self.addCleanup(run.close)

        def end():
            # Not one of its own children, which have its name until they have theirs.
            os.kill(wait_for("the messenger", lambda: run.monitor and run.count()[0] and children(run.monitor.pid).get("messenger")), signal.SIGSEGV)
        ender = threading.Thread(target=end)
        ender.start()
        with self.assertRaisesRegex(processes.Wrong, "messenger was ended by signal 11"):
            run.go()
        ender.join()
        self.assertEqual(run.count()[3], signal.SIGSEGV)
