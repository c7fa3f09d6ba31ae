# SPDX-License-Identifier: Apache-2.0
"""A guest of one page and one vCPU that makes the same exit over and over, and what that took: by the wall, and of the vCPU's own
thread, which what hangs on KVM's tracepoints runs in and which other work on the machine does not lengthen."""
import collections
import os
import re
import subprocess

from harness import MICROVMM, Process, wait_for

ECAM = 0xb0000000
HOST_BRIDGE, DEVICE = 0x29c08086, 0x10d38086

Loop = collections.namedtuple("Loop", "name line exits events")  # line: what microvmm repeats; exits and tracepoints' events in a turn: {event: count}
LOOPS = (
    Loop("CPUID", "cpuid 1 0", 1, {"kvm_cpuid": 1}),
    Loop("port", "in 0x510 1", 1, {"kvm_pio": 1}),
    Loop("MMIO", "mmio-read 0xd0000000 4", 1, {"kvm_mmio": 2}),
    Loop("PCI by ports", "out 0xcf8 4 0x80000800; in 0xcfc 4", 2, {"kvm_pio": 2}),
    Loop("PCI by ECAM", f"mmio-read {ECAM + 0x8000:#x} 4", 1, {"kvm_mmio": 2}),
    Loop("MSR", "rdmsr 0x8b", 1, {"kvm_msr": 1}),
)
# q35 firmware's way to switch ECAM on: who begins to watch has to see it.
PROLOGUE = f"out 0xcf8 4 0x80000000; in 0xcfc 4; out 0xcf8 4 0x80000060; out 0xcfc 4 {ECAM | 1:#x}"

Spent = collections.namedtuple("Spent", "thread_ns wall_ns")  # of the vCPU's thread; by the wall


def ran_ns(pid, tid=None):
    """Processor time of a thread."""
    with open(f"/proc/{pid}/task/{tid or pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def family(pid):
    """The process and all below it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [pid, *(p for child in f.read().split() for p in family(int(child)))]
    except FileNotFoundError:
        return []


def family_ns(pid):
    """Processor time of all threads of the process and of those below it."""
    total = 0
    for one in family(pid):
        try:
            total += sum(ran_ns(one, tid) for tid in os.listdir(f"/proc/{one}/task"))
        except FileNotFoundError:
            pass
    return total


def processors():
    """Those for everybody, and the one for the vCPU: the same where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return set(mine[:-1]) or set(mine), {mine[-1]}


class LoopGuest(Process):
    def __init__(self):
        super().__init__([MICROVMM, "--stdin", "--times", "--answer", "port:0x510:0x51", "--answer", "mmio:0xd0000000:0x11223344",
                          "--answer", f"pci:00:00.0:0:{HOST_BRIDGE:#x}", "--answer", f"pci:00:01.0:0:{DEVICE:#x}",
                          "--answer", f"mmio:{ECAM + 0x8000:#x}:{DEVICE:#x}"], stdin=subprocess.PIPE)
        try:
            self.wait_line("^ready", "out")
            threads = [int(t) for t in os.listdir(f"/proc/{self.pid}/task") if int(t) != self.pid]
            if len(threads) != 1:
                raise AssertionError(f"one vCPU has {len(threads)} threads")
            others, own = processors()
            os.sched_setaffinity(self.pid, others)
            os.sched_setaffinity(threads[0], own)
        except BaseException:
            self.stop()
            raise
        self.ident = f"anon-{self.pid}-" + re.search(r"kvm-fd (\d+)", " ".join(self.out))[1]

    def do(self, line):
        """What the guest's code took."""
        seen = len(self.out)
        self.write(line + "\n")
        wait_for(f"the guest to come to the end of {line!r}", lambda: any(said.startswith("op done") for said in self.out[seen:]) or self.child.poll() is not None)
        took = [said.split() for said in self.out[seen:] if " took " in said]
        if not took:
            raise AssertionError(f"microvmm ended at {line!r}: {self.err[-3:]}")
        return Spent(int(took[0][-2]), int(took[0][-1]))

    def watched(self):
        """Somebody may have begun to watch: once more what has to be seen before the loops."""
        self.do(PROLOGUE)

    def run(self, loop, turns):
        return self.do(f"repeat {turns} {loop.line}")
