#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long loading and attaching takes, as `abidrift doctor` tells it: here, and with --hosts [KERNEL ...] on stock kernels, emulated.

With other work beside it, what counts is the processor time and the smallest of the times on the wall."""
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import report  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ABIDRIFT = os.path.join(ROOT, os.environ.get("BUILD", "build"), "abidrift")
RUNS = 10
TABLE = "Loading and attaching all programs"
BOUND_MS = 150  # on real silicon
JOB = f"""export PATH=/bin
abidrift version
for i in $(seq {RUNS}); do abidrift doctor --json > /out/doctor.$i; done
"""


def figures(load):
    return f"{statistics.median(load):.0f} ms median, {min(load)} ms smallest of {len(load)}"


def here():
    """(milliseconds on the wall, of processor) of one run; the processor's are of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([ABIDRIFT, "doctor", "--json"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout)["kernel"]["load_ms"], 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main():
    if os.geteuid() != 0:
        print("skipped: needs root")
        return 77
    runs = [here() for _ in range(RUNS)]
    if runs[0][0] is None:
        print("skipped: BPF is refused")
        return 77
    processor = [p for _, p in runs]
    report.row(TABLE, f"this kernel ({os.uname().release})", f"{figures([load for load, _ in runs])}; all of doctor: {statistics.median(processor):.0f} ms of a processor",
               f"{BOUND_MS} ms", statistics.median(load for load, _ in runs) <= BOUND_MS)
    if sys.argv[1:2] != ["--hosts"]:
        return 0
    sys.path.insert(0, os.path.join(ROOT, "tests", "hosts"))
    import hosts
    for kernel in sys.argv[2:] or hosts.KERNELS:
        try:
            out = hosts.boot(kernel, JOB, [ABIDRIFT])
        except unittest.SkipTest as e:
            print(f"kernel {kernel}: skipped: {e}")
            continue
        told = [json.loads(text) for name, text in out.items() if re.fullmatch(r"doctor\.\d+", name)]
        load = [d["kernel"]["load_ms"] for d in told]
        report.row(TABLE, f"kernel {kernel}, emulated", figures(load), "1000 ms", statistics.median(load) <= 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
