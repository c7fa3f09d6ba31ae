# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Mutate(unittest.TestCase):
    def test_each_row_of_causes_and_impacts_is_missed_when_it_is_gone(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "mutate")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=1200)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
