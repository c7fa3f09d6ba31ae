# SPDX-License-Identifier: Apache-2.0
"""The bench of rivals in small: that they count what the guest made, else their cost would be that of something else."""
import os
import re
import shutil
import subprocess
import sys

from harness import ROOT, Live

sys.path[:0] = [os.path.join(ROOT, "tests", "bench"), os.path.join(ROOT, "tests")]
import rivals  # noqa: E402
from loops import LOOPS, LoopGuest  # noqa: E402

TURNS = 50


class Rivals(Live):
    def counted(self, kind, **more):
        """The tool after the guest's port loop, and the vCPU's thread."""
        if not shutil.which(kind.command):
            self.skipTest(f"{kind.command} is not installed (packaging/install-deps bench)")
        guest = LoopGuest()
        self.addCleanup(guest.stop)
        thread = max(int(t) for t in os.listdir(f"/proc/{guest.pid}/task") if int(t) != guest.pid)
        tool = kind(self.folder)
        for name, value in more.items():
            setattr(tool, name, value)
        try:
            tool.start(guest)
        except rivals.Absent as why:
            self.skipTest(f"{kind.command} {why}")
        try:
            for loop in LOOPS:
                if loop.name == "port":
                    guest.run(loop, TURNS)
        finally:
            tool.stop()
        self.assertIsNotNone(tool.process.child.returncode)
        return tool, thread

    def test_bpftrace_counts_each_exit_by_its_selector(self):
        tool, thread = self.counted(rivals.Bpftrace, also="tid, ")
        self.assertEqual([line for line in tool.process.out if line.startswith(f"@kvm_pio[{thread}, {0x510}]")], [f"@kvm_pio[{thread}, {0x510}]: {TURNS}"])

    def test_perf_records_each_exit(self):
        tool, thread = self.counted(rivals.Perf)
        said = subprocess.run(rivals.inside(["perf", "script", "-i", tool.file, "-F", "tid,event,trace"]), capture_output=True, text=True, check=True).stdout
        self.assertEqual(len(re.findall(rf"(?m)^\s*{thread}\s.*kvm:kvm_pio.*0x510 ", said)), TURNS)
