# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the kernel side walks the paths that it says it measures."""
import math
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "bench", "kernel_cost")
SKIPPED = 77
ROW = re.compile(r"(In the kernel[^:]*): (.*): (\S+) of a look-up: (\S+) ns \(look-up (\S+) ns\)")
PATHS = ("CPUID: repeated fact", "CPUID: new fact", "CPUID: new, past the quota", "Port: repeated fact", "Port: new, past the quota",
         "MMIO: repeated fact (two events)", "MMIO: new fact (two events)", "MSR: repeated fact", "MSR: new, past the quota",
         "PCI by ports: repeated fact (0xCF8, 0xCFC)", "PCI by ports: new fact (0xCF8, 0xCFC)", "PCI by ports: a BAR is sized (4 accesses)",
         "PCI by ECAM: repeated fact (two events)", "PCI by ECAM: new fact (two events)", "End of KVM_RUN: that is no shutdown",
         "TSC written: a VM is created")


class KernelCost(unittest.TestCase):
    def test_each_path_that_is_measured_is_taken(self):
        """Figures would else be those of another path: a fact that is refused instead of taken, a repeated one that is new each time."""
        # It looks by itself at what became facts, and fails where that is not what a step is to do.
        done = subprocess.run([BENCH, "--check"], capture_output=True, text=True, timeout=120)
        if done.returncode == SKIPPED:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rows = [ROW.match(line) for line in done.stdout.splitlines() if line.startswith("In the kernel")]
        self.assertNotIn(None, rows, done.stdout)
        for table in {row[1] for row in rows}:
            self.assertEqual(set(PATHS) - {row[2] for row in rows if row[1] == table}, set(), done.stdout)
        for row in rows:
            self.assertTrue(all(math.isfinite(float(row[n])) for n in (3, 4, 5)), row[0])


if __name__ == "__main__":
    unittest.main()
