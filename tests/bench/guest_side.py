#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a guest notices of abidrift: loops of exits in the micro-VMM and SeaBIOS's whole boot under QEMU, with and without the monitor by
turns. Each turn with it lies between two without; those without, compared in the same way, are the control. Beside it, the loops with empty
programs on the same tracepoints: what the kernel takes to call any program there."""
import json
import os
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import report  # noqa: E402
from harness import BUILD, QEMU, Folder, Monitor, Process, Qemu, wait_for  # noqa: E402
from loops import LOOPS, LoopGuest, Spent, processors, ran_ns  # noqa: E402

TABLE = "The guest's side"
PAIRS = 20
LOOP_NS = 100e6  # what one loop is to take of the vCPU
BOUND = 0.01
BARE = os.path.join(BUILD, "tests", "bench", "bare_programs")
BOOT = "SeaBIOS's boot"
# The boot sector resets the machine, and there QEMU stops.
DEVICES = ["-device", "VGA", "-device", "virtio-net-pci,romfile=", "-device", "pcie-root-port,id=p1,chassis=1", "-device", "virtio-blk-pci,bus=p1,drive=d,bootindex=0",
           "-no-reboot", "-action", "reboot=shutdown,shutdown=pause", "-S"]
BOOT_SECTOR = b"\xb0\x06\xba\xf9\x0c\xee\xf4\xeb\xfd"  # mov al, 6; mov dx, 0xcf9; out dx, al; hlt, for ever


def boot_disk(folder):
    path = folder.file("boot.img")
    with open(path, "wb") as f:
        f.write((BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0"))
    return ["-drive", f"if=none,id=d,format=raw,file={path}"]


def boot(folder, disk):
    """From the reset vector to the boot sector's reset, of a VM of its own."""
    guest = Qemu(folder, "q35", *disk, *DEVICES, memory="64M", guest_uuid="9f0c1c2e-3d53-4ab1-9dd4-6bfe1bd63bbd", name="boots")
    try:
        vcpu = guest.command("query-cpus-fast")[0]["thread-id"]
        others, own = processors()
        os.sched_setaffinity(guest.pid, others)
        os.sched_setaffinity(vcpu, own)
        thread, wall = ran_ns(guest.pid, vcpu), time.monotonic_ns()
        guest.stream.write('{"execute": "cont"}\n')
        guest.stream.flush()
        while '"SHUTDOWN"' not in (line := guest.stream.readline()):
            if not line:
                raise AssertionError(f"QEMU ended: {guest.process.err[-3:]}")
        return Spent(ran_ns(guest.pid, vcpu) - thread, time.monotonic_ns() - wall)
    finally:
        guest.stop()


class Sides:
    """The same work by turns: without; then with, with empty programs (or these two the other way round), without; and so on."""
    def __init__(self, folder, pairs, turns, boots):
        self.folder, self.pairs = folder, pairs
        self.disk = boot_disk(folder) if boots else None
        self.guest = LoopGuest()
        self.turns = {loop.name: turns or self.fitting(loop) for loop in LOOPS}
        self.without, self.with_it, self.bare = [], [], []  # [{what: Spent}]

    def fitting(self, loop):
        few = 5000
        self.guest.watched()
        self.guest.run(loop, few)
        return max(few, int(few * LOOP_NS / self.guest.run(loop, few).thread_ns))

    def loops(self):
        self.guest.watched()
        done = {}
        for loop in LOOPS:
            self.guest.run(loop, 100)  # what is new is found before, not in the loop
            done[loop.name] = self.guest.run(loop, self.turns[loop.name])
        return done

    def work(self):
        done = self.loops()
        if self.disk:
            done[BOOT] = boot(self.folder, self.disk)
        return done

    def watched(self, nth):
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, processors()[0])  # the monitor inherits it
        try:
            monitor = Monitor(self.folder, store=f"state/{nth}.db")
        finally:
            os.sched_setaffinity(0, before)
        try:
            wait_for("the monitor to see the guest", lambda: monitor.guest(self.guest.ident))
            self.with_it.append(self.work())
            return monitor.guest(self.guest.ident)
        finally:
            monitor.stop()

    def called(self):
        """The loops alone: in a boot there are few exits for all that it does."""
        programs = Process([BARE], stdin=subprocess.PIPE)
        try:
            programs.wait_line("^attached", "out")
            self.bare.append(self.loops())
        finally:
            programs.stop()

    def run(self):
        """What the last monitor knows of the guest."""
        seen = None
        try:
            self.work()  # caches, and what a first VM of a host costs
            for nth in range(self.pairs):
                self.without.append(self.work())
                if nth % 2:
                    self.called()
                seen = self.watched(nth)
                if not nth % 2:
                    self.called()
            self.without.append(self.work())
        finally:
            self.guest.stop()
        return seen

    def slower(self, what, clock):
        """How much longer each turn took than the two without beside it: with the monitor, with empty programs, without."""
        def by(rows):
            return [getattr(row[what], clock) for row in rows if what in row]

        def between(middle, beside, after):
            return [2 * b / (a + c) - 1 for a, b, c in zip(beside, middle, after)]
        out = by(self.without)
        return between(by(self.with_it), out, out[1:]), between(by(self.bare), out, out[1:]), between(out[1:], out, out[2:])

    def each_ns(self, rows, what, per):
        return statistics.median(row[what].thread_ns for row in rows) / per


def percent(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{100 * middle:+.2f} % ({100 * low:+.2f} to {100 * high:+.2f})"


def report_rows(sides):
    for what in sides.without[0]:
        paired, bare, control = sides.slower(what, "thread_ns")
        wall = sides.slower(what, "wall_ns")[0]
        per = sides.turns.get(what, 0) * next((loop.exits for loop in LOOPS if loop.name == what), 0)
        ns = [sides.each_ns(rows, what, per or 1) for rows in (sides.without, sides.with_it)]
        each = f"{ns[0]:,.0f} ns an exit without, {ns[1]:,.0f} with" if per else f"{ns[0] / 1e6:,.1f} ms without, {ns[1] / 1e6:,.1f} with"
        called = f"empty programs {percent(bare)}, abidrift's own work {percent([a - b for a, b in zip(paired, bare)])}; " if bare else ""
        middle = statistics.median(paired)
        report.row(TABLE, what if what == BOOT else f"{what} loop",
                   f"{percent(paired)}; {called}control {percent(control)}; by the wall {100 * statistics.median(wall):+.2f} %; {each}",
                   f"{BOUND:.0%} of the vCPU's time", middle <= BOUND)


def others():
    """Programs on KVM's tracepoints that are there before any of ours: without is not without, then."""
    done = subprocess.run(["bpftool", "-j", "link", "show"], capture_output=True, text=True)
    links = json.loads(done.stdout) if done.returncode == 0 and done.stdout else []
    return len([link for link in links if str(link.get("tp_name", "")).startswith("kvm_")])


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/kvm"):
        print("skipped: needs root and /dev/kvm")
        return 77
    disturbed = others()
    if disturbed:
        print(f"{disturbed} other programs hang on KVM's tracepoints: what follows is beside them")
    folder = Folder()
    try:
        sides = Sides(folder, PAIRS, None, os.path.exists(QEMU))
        sides.run()
        report_rows(sides)
        if disturbed or others():
            report.row(TABLE, "programs of others on KVM's tracepoints meanwhile", max(disturbed, others()))
    finally:
        folder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
