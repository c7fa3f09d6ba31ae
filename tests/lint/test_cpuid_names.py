# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))


class CpuidNames(unittest.TestCase):
    def test_a_reported_feature_can_be_typed_into_a_guest_definition(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "lint", "cpuid_names.py"),
                               os.path.join(BUILD, "tests", "unit", "test_abi_cpuid")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
