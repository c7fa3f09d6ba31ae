# SPDX-License-Identifier: Apache-2.0
"""The one file for hosts where nothing may be installed, on a real guest: it records there what the installed program would have seen."""
import os
import shutil
import signal
import subprocess
import unittest

from harness import ABIDRIFT, BUILD, PATIENCE, Live

STATIC = os.path.join(BUILD, "abidrift-static")
NAME = "static-one"


class Static(Live):
    def setUp(self):
        super().setUp()
        if not os.path.exists(STATIC):
            raise unittest.SkipTest("build/abidrift-static is not built (make static)")
        # Where nothing else is: the file alone, under another name, and no environment.
        self.program = self.folder.file("a")
        shutil.copy(STATIC, self.program)

    def replayed(self, program, trace, store):
        """Fingerprint of the guest's first boot by this program."""
        store = "sqlite:" + self.folder.file(store)
        done = subprocess.run([program, "replay", trace, "--store", store, "--set", "monitor.settle=2s"], env={}, capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        done = subprocess.run([program, "show", f"{NAME}@1", "--fingerprint", "--store", store], env={}, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_what_it_records_is_what_the_installed_program_sees(self):
        self.assertEqual(subprocess.run(["ldd", self.program], capture_output=True, text=True).stdout.strip(), "statically linked")
        monitor = self.monitor(settle=["--set", "monitor.settle=5s"])
        trace = self.folder.file("static.trace")
        recorder = self.process([self.program, "record", "-o", trace, "--guest", NAME], env={})
        recorder.wait_line("recording into")
        guest = self.qemu("pc-q35-7.2", "-device", "e1000,netdev=n0,addr=3,romfile=", "-netdev", "user,id=n0", name=NAME)
        monitor.settled(NAME)
        live = monitor.fingerprint(NAME)
        guest.stop()
        monitor.gone(NAME)
        recorder.stop(signal.SIGINT)
        mine, other = self.replayed(self.program, trace, "static.db"), self.replayed(ABIDRIFT, trace, "shared.db")
        self.assertEqual(mine, other)
        self.assertEqual(mine, live)
        for facet in ("cpuid", "pci", "acpi", "smbios"):
            self.assertIn(f"\n{facet} ", mine)
