#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What watching costs and how soon it tells: processor and memory of all processes beside 100 idle guests, a new guest's way into `ls`,
a drift's way into an alert. Asserts nothing."""
import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import report  # noqa: E402
from harness import MICROVMM, Folder, Monitor, Process, wait_for  # noqa: E402
import re  # noqa: E402
import subprocess  # noqa: E402

TABLE = "At rest, and how soon it tells"
IDLE_SECONDS = 30
GUESTS = 100
TICKS = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and its children. Some of them end when they have nothing to do."""
    try:
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    except OSError:
        return []
    found = [pid]
    for child in children:
        found += family(int(child))
    return found


def cpu_seconds(pids):
    """Their children's that have ended, too."""
    total = 0
    for pid in pids:
        try:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def resident(pids):
    """Proportional set size and resident set size, MiB."""
    pss = rss = 0
    for pid in pids:
        try:
            text = open(f"/proc/{pid}/smaps_rollup").read()
        except OSError:
            continue
        pss += int(re.search(r"Pss: +(\d+)", text)[1])
        rss += int(re.search(r"Rss: +(\d+)", text)[1])
    return pss / 1024, rss / 1024


def guest(*args):
    vmm = Process([MICROVMM, "--stdin", *args], stdin=subprocess.PIPE)
    vmm.wait_line("^ready", "out")
    return vmm


def idle(folder):
    monitor = Monitor(folder, settle=["--set", "monitor.settle=2s", "--set", "monitor.settle_max=20s"], store="state/idle.db")
    vmm = guest("--vms", str(GUESTS), "--answer", "port:0x510:0x51")
    try:
        vmm.write("vm all\nrepeat 3 cpuid 0 0; cpuid 1 0; in 0x510 1\n")
        wait_for("all guests to settle", lambda: sum(g["settled"] for g in monitor.guests() if g["running"]) == GUESTS)
        time.sleep(5)
        pids = family(monitor.pid)
        before, began = cpu_seconds(pids), time.monotonic()
        time.sleep(IDLE_SECONDS)
        used, took = cpu_seconds(pids) - before, time.monotonic() - began
        pss, rss = resident(pids)
        report.row(TABLE, f"all processes, {GUESTS} idle guests of one VMM", f"{100 * used / took:.2f} % of a core", "0.5 %", 100 * used / took < 0.5)
        report.row(TABLE, f"memory of all {len(pids)} processes", f"{rss:.1f} MiB resident ({pss:.1f} MiB proportional)", "64 MiB", rss <= 64)
    finally:
        vmm.stop()
        monitor.stop()


def latency(folder):
    settle = 2.0
    monitor = Monitor(folder, settle=["--set", f"monitor.settle={int(settle)}s", "--set", "monitor.settle_max=20s"], store="state/latency.db")
    began = time.monotonic()
    vmm = guest("--answer", "port:0x510:0x51")
    try:
        vmm.write("repeat 3 in 0x510 1\n")
        monitor.wait_line("appeared")
        took = time.monotonic() - began
        report.row(TABLE, "a new guest is told, after its VMM was started", f"{took:.2f} s", "1 s after its first exit", took <= 1)
        ident = f"anon-{vmm.pid}-" + re.search(r"kvm-fd (\d+)", " ".join(vmm.out))[1]
        monitor.settled(ident)
        vmm.write("answer clear\nreset\n")
        began = time.monotonic()
        vmm.write("repeat 3 in 0x510 1\n")
        wait_for("the alert", lambda: [a for a in monitor.alerts() if a["type"] == "drift"])
        # All facets of a boot are judged first, and those of tables wait three times `settle` where no firmware left any.
        took = time.monotonic() - began - 3 * settle
        report.row(TABLE, "a drift is alerted, after its boot has settled", f"{took:.2f} s", "1 s", took <= 1)
    finally:
        vmm.stop()
        monitor.stop()


if __name__ == "__main__":
    with_folder = Folder()
    try:
        latency(with_folder)
        idle(with_folder)
    finally:
        with_folder.close()
