#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""abidrift against what people would use instead: what each costs a guest in loops of exits, with and without by turns, what its
processes take, and what it writes. A tool that is missing or does not run here has a row that says why."""
import glob
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import report  # noqa: E402
from harness import ABIDRIFT, Folder, Monitor, Process, wait_for  # noqa: E402
from loops import LOOPS, LoopGuest, family_ns, processors  # noqa: E402

TABLE = "Against what people would use instead"
ROUNDS = 5
LOOP_NS = 50e6  # what one loop is to take of the vCPU
ALONE = [loop for loop in LOOPS if loop.name in ("CPUID", "port", "MMIO", "MSR")]
FOUR = [f"kvm:{event}" for event in ("kvm_cpuid", "kvm_pio", "kvm_mmio", "kvm_msr")]
KEYS = {"kvm_cpuid": "args->function, args->index", "kvm_pio": "args->port", "kvm_mmio": "args->gpa >> 12", "kvm_msr": "args->ecx"}
# Tools want tracefs where not every host has it mounted: each gets a mount namespace of its own.
MOUNTS = ("mount --make-rprivate / && { mount -t tracefs tracefs /sys/kernel/tracing; mount -t debugfs debugfs /sys/kernel/debug; } 2>/dev/null; ")
# trace-cmd writes 1 to ftrace_enabled though it is 1, and reads and empties the filters of functions. A host that allows no tracing of
# functions refuses that, and trace-cmd ends by a signal: it gets files of its own there. What it records are events.
FTRACE = ('for f in /proc/sys/kernel/ftrace_enabled /sys/kernel/tracing/set_ftrace_*; do '
          'cat "$f" >"$FTRACE_FILES.${f##*/}" 2>/dev/null; mount --bind "$FTRACE_FILES.${f##*/}" "$f"; done; ')


class Absent(Exception):
    """Why a tool cannot be measured on this host."""


def counting(also=""):
    """bpftrace's program: how often each selector was seen. Ticks at both ends tell that all between them is attached."""
    probes = [f"tracepoint:kvm:{event} {{ @{event}[{also}{key}] = count(); }}" for event, key in KEYS.items()]
    return " ".join(['interval:s:1 { printf("first\\n"); }', *probes, 'interval:s:1 { printf("last\\n"); }'])


def inside(argv, more=""):
    return ["unshare", "-m", "sh", "-c", MOUNTS + more + 'exec "$@"', "sh", *argv]


def version(name, argv):
    if not shutil.which(argv[0]):
        raise Absent("not installed (packaging/install-deps bench)")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"[0-9]+\.[0-9][\w.+-]*", done.stdout + done.stderr)
    return f"{name} ({found[0]})" if found else name


class Tool:
    """One rival, started in a folder; title after start()."""
    name, command, ready = "", "", ()
    more = ""

    def __init__(self, folder):
        self.folder, self.process, self.file = folder, None, folder.file("written")

    def version(self):
        return version(self.name, [self.command, "--version"])

    def argv(self):
        raise NotImplementedError

    def start(self, guest):
        del guest
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "FTRACE_FILES": self.folder.file("ftrace")}
        self.process = Process(inside(self.argv(), self.more), env=env, start_new_session=True)
        try:
            for pattern, stream in self.ready:
                self.process.wait_line(pattern, stream, 10)
        except AssertionError:
            self.end()
            said = [line.strip() for line in self.process.err + self.process.out if line.strip()]
            raise Absent(f"does not run here: {' '.join(said[-2:]) or self.process.child.returncode}") from None

    def stop(self):
        self.end(signal.SIGINT)

    def end(self, sig=signal.SIGTERM):
        """Also what a tool leaves that broke off: trace-cmd's recorders outlive it and hold its pipes."""
        if self.process.child.poll() is None:
            self.process.child.send_signal(sig)
            try:
                self.process.child.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # a group of its own
        except ProcessLookupError:
            pass
        self.process.stop()

    def written(self):
        return sum(os.path.getsize(path) for path in glob.glob(self.file + "*"))


class Abidrift(Tool):
    name = "abidrift"

    def version(self):
        return version(self.name, [ABIDRIFT, "version"])

    def start(self, guest):
        self.process = Monitor(self.folder)
        self.file = os.path.join(self.folder.path, "state", "")  # the store
        wait_for("the monitor to see the guest", lambda: self.process.guest(guest.ident))

    def end(self, sig=signal.SIGTERM):
        self.process.stop(sig)


class Bpftrace(Tool):
    name, command, ready = "bpftrace, counting per selector", "bpftrace", (("^first", "out"), ("^last", "out"))
    also = ""

    def argv(self):
        return ["bpftrace", "-e", counting(self.also)]


class Perf(Tool):
    """perf tells by its control pipes that it records."""
    name, command, events = "perf record of the same four tracepoints", "perf", FOUR

    def argv(self):
        control = f"--control=fifo:{self.folder.file('control')},{self.folder.file('ack')}"
        return ["perf", "record", "-a", "-D", "-1", control, "-o", self.file, *(f"--event={event}" for event in self.events)]

    def start(self, guest):
        pipes = [self.folder.file(name) for name in ("control", "ack")]
        for path in pipes:
            if not os.path.exists(path):
                os.mkfifo(path)
        control, ack = (os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in pipes)
        try:
            super().start(guest)
            os.write(control, b"enable\n")

            def enabled():
                if self.process.child.poll() is not None:
                    raise Absent(f"does not run here: {' '.join(self.process.err[-2:])}")
                try:
                    return b"ack" in os.read(ack, 100)
                except BlockingIOError:
                    return False
            wait_for("perf to record", enabled)
        finally:
            os.close(control)
            os.close(ack)


class PerfAll(Perf):
    name, events = "perf record of kvm:*", ["kvm:*"]


class TraceCmd(Tool):
    """Beside a command that waits, whose end is the record's."""
    name, command, more = "trace-cmd record -e kvm", "trace-cmd", FTRACE
    STATE = "events/kvm/enable tracing_on"

    def argv(self):
        return ["trace-cmd", "record", "-e", "kvm", "-o", self.file, "sleep", "infinity"]

    def state(self):
        return subprocess.run(inside(["sh", "-c", f"cd /sys/kernel/tracing && cat {self.STATE}"]), capture_output=True, text=True, check=False).stdout.split()

    def waiting(self):
        """The pid of its command."""
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/children"):
            with open(path, encoding="ascii") as f:
                for pid in f.read().split():
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        if comm.read() == "sleep\n":
                            return int(pid)
        return None

    def start(self, guest):
        said = self.state()
        if said != ["0", "1"]:
            raise Absent(f"somebody traces: {self.STATE} are {' '.join(said) or 'not readable'}")
        super().start(guest)

        def begun():
            if self.process.child.poll() is not None:
                raise Absent(f"does not run here: {' '.join(self.process.err[-2:]) or self.process.child.returncode}")
            return self.waiting() and self.state() == ["1", "1"]
        try:
            wait_for("trace-cmd to record", begun)
        except Absent:
            self.end()
            raise

    def stop(self):
        os.kill(self.waiting(), signal.SIGTERM)
        self.process.child.wait(60)  # it writes its file
        self.end()

    def end(self, sig=signal.SIGTERM):
        """One that broke off leaves its events enabled, which all guests would go on to pay for: as start() found it."""
        super().end(sig)
        subprocess.run(inside(["sh", "-c", "cd /sys/kernel/tracing && echo 0 >events/kvm/enable && echo 1 >tracing_on"]), check=False)


class Kvmexit(Tool):
    name, command, ready = "bcc's kvmexit", "kvmexit-bpfcc", (("Hit Ctrl-C|Display", "out"),)

    def version(self):
        if not shutil.which(self.command):
            raise Absent("not installed (packaging/install-deps bench)")
        return version(self.name, ["dpkg-query", "-W", "bpfcc-tools"])

    def argv(self):
        return [self.command]


RIVALS = (Abidrift, Bpftrace, Perf, PerfAll, TraceCmd, Kvmexit)


class Race:
    """One rival's rounds: without, with, ..., without."""
    def __init__(self, guest, turns):
        self.guest, self.turns = guest, turns
        self.without, self.with_it, self.reader_ns, self.bytes = [], [], [], []

    def events(self):
        return sum(self.turns[loop.name] * sum(loop.events.values()) for loop in ALONE)

    def work(self):
        return {loop.name: self.guest.run(loop, self.turns[loop.name]).thread_ns for loop in ALONE}

    def round(self, kind):
        folder = Folder()
        tool = kind(folder)
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, processors()[0])  # the tool inherits it
            try:
                tool.start(self.guest)
            finally:
                os.sched_setaffinity(0, before)
            for loop in ALONE:
                self.guest.run(loop, 100)  # what is new is found before, not in the loop
            written, spent = tool.written(), family_ns(tool.process.pid)
            self.with_it.append(self.work())
            self.reader_ns.append(family_ns(tool.process.pid) - spent)
            kept = tool.written()
            tool.stop()
            self.bytes.append((kept if kind is Abidrift else tool.written()) - written)  # a store that is closed drops its log
        finally:
            if tool.process and tool.process.child.returncode is None:
                tool.end()
            folder.close()

    def run(self, kind, rounds):
        for _ in range(rounds):
            self.without.append(self.work())
            self.round(kind)
        self.without.append(self.work())

    def slower(self, loop):
        """Medians: more ns for each event, and that in parts of the loop without."""
        paired = [(b[loop.name], (a[loop.name] + c[loop.name]) / 2) for a, b, c in zip(self.without, self.with_it, self.without[1:])]
        events = self.turns[loop.name] * sum(loop.events.values())
        return statistics.median((w - o) / events for w, o in paired), statistics.median(w / o - 1 for w, o in paired)

    def told(self):
        each = []
        for loop in ALONE:
            ns, part = self.slower(loop)
            each.append(f"{loop.name} {ns:+,.0f} ns ({100 * part:+.1f} %)")
        reader = statistics.median(self.reader_ns) / self.events() * 1e6 / 1e9
        return (f"{', '.join(each)}; its processes: {reader:.3f} s for a million events; "
                f"written: {statistics.median(self.bytes) / self.events():,.2f} bytes an event")


def fitting(guest):
    """Turns that let each loop take as long as the others."""
    few = 5000
    return {loop.name: max(few, int(few * LOOP_NS / guest.run(loop, few).thread_ns)) for loop in ALONE}


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/kvm"):
        print("skipped: needs root and /dev/kvm")
        return 77
    guest = LoopGuest()
    try:
        guest.watched()
        turns = fitting(guest)
        for kind in RIVALS:
            title = kind.name
            try:
                title = kind.version(kind)
                race = Race(guest, turns)
                race.run(kind, ROUNDS)
                report.row(TABLE, title, race.told())
            except Absent as why:
                report.row(TABLE, title, str(why))
    finally:
        guest.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
