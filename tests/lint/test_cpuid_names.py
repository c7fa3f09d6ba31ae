# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))


class CpuidNames(unittest.TestCase):
    def test_a_reported_feature_can_be_typed_into_a_guest_definition(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "lint", "cpuid_names.py"),
                               os.path.join(BUILD, "tests", "unit", "test_abi_cpuid"),
                               os.path.join(BUILD, "tests", "unit", "test_abi_msr")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_what_qemu_calls_a_vmx_capability_is_called_so_here(self):
        qemu = shutil.which("qemu-system-x86_64")
        if not qemu:
            self.skipTest("qemu-system-x86_64 is not installed")
        text = subprocess.run([qemu, "-cpu", "help"], check=True, stdout=subprocess.PIPE, timeout=60, text=True).stdout
        theirs = {word for word in text.split("Recognized CPUID flags")[1].split() if word.startswith("vmx-")}
        names = subprocess.run([os.path.join(BUILD, "tests", "unit", "test_abi_msr"), "--names"], check=True, stdout=subprocess.PIPE,
                               timeout=60, text=True).stdout
        self.assertGreater(len(theirs), 50)
        self.assertEqual(theirs - {line.split()[2] for line in names.splitlines()}, set())


if __name__ == "__main__":
    unittest.main()
