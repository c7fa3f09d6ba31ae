# SPDX-License-Identifier: Apache-2.0
"""What the live tests share: a monitor, real QEMU guests, the micro-VMM, the oracles. Everything waits for a condition with a
bound, and ends by pid what it started, also when the test fails."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
ABIDRIFT = os.path.join(BUILD, "abidrift")
MICROVMM = os.path.join(BUILD, "tests", "live", "microvmm")
QEMU = "/usr/bin/qemu-system-x86_64"
PATIENCE = 90
SLOWER = float(os.environ.get("ABIDRIFT_SLOWER", "1"))  # an emulated host: everything takes as many times longer
SETTLE = ["--set", "monitor.settle=2s", "--set", "monitor.settle_max=20s"]


def need_host():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    if not os.path.exists("/dev/kvm"):
        raise unittest.SkipTest("/dev/kvm is missing")
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        raise unittest.SkipTest("the kernel has no BTF")


def need_qemu():
    need_host()
    if not os.path.exists(QEMU):
        raise unittest.SkipTest("qemu-system-x86_64 is not installed")


def wait_for(what, condition, seconds=PATIENCE):
    """Polls until condition() gives something true, and returns that."""
    seconds *= SLOWER
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.05 if SLOWER == 1 else 0.5)


class Folder:
    """A folder of the test's own that the monitor's unprivileged user can reach."""
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="abidrift-test-")
        os.chmod(self.path, 0o755)

    def file(self, name):
        return os.path.join(self.path, name)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def unpinned(argv):
    """A monitor's kernel side ends with it, unless a test says otherwise: what outlives a test would meet the next one."""
    for i in range(len(argv) - 1):
        if os.path.basename(str(argv[i])).startswith("abidrift") and argv[i + 1] == "run" and not any(str(a).startswith("monitor.pin=") for a in argv):
            return [*argv[:i + 2], "--set", "monitor.pin=off", *argv[i + 2:]]
    return argv


class Process:
    """A child with its output collected line by line."""
    def __init__(self, argv, stdin=subprocess.DEVNULL, **kw):
        argv = unpinned(argv)
        self.argv, self.out, self.err = argv, [], []
        self.child = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **kw)
        self.readers = [threading.Thread(target=self._read, args=p, daemon=True) for p in ((self.child.stdout, self.out), (self.child.stderr, self.err))]
        for t in self.readers:
            t.start()

    @staticmethod
    def _read(stream, into):
        for line in stream:
            into.append(line.rstrip("\n"))

    @property
    def pid(self):
        return self.child.pid

    def wait_line(self, pattern, stream="err", seconds=PATIENCE, start=0):
        lines = getattr(self, stream)

        def look():
            if self.child.poll() is not None:
                for t in self.readers:
                    t.join(5)
            for line in lines[start:]:
                if re.search(pattern, line):
                    return line
            if self.child.poll() is not None:
                raise AssertionError(f"{self.argv[0]} ended ({self.child.returncode}) before {pattern!r}: {self.out[-5:]} {self.err[-5:]}")
            return None
        try:
            return wait_for(f"line {pattern!r}", look, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}\n  last lines: " + "\n  ".join(lines[-15:])) from None

    def write(self, text):
        self.child.stdin.write(text)
        self.child.stdin.flush()

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.child.poll() is None:
            self.child.send_signal(sig)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for t in self.readers:
            t.join(5)
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            if stream:
                stream.close()
        return self.child.returncode


def abidrift(*args, store=None, ok=(0,), **kw):
    """Runs a verb to its end; returns the finished process. ok: the exit codes that are right."""
    argv = unpinned([ABIDRIFT, args[0], *(["--store", store] if store else []), *args[1:]])
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=PATIENCE * SLOWER, stdin=subprocess.DEVNULL, **kw)
    if ok is not None and done.returncode not in ok:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}, not one of {ok}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


class Monitor(Process):
    """pin: a folder of /sys/fs/bpf in which the kernel side outlives the monitor; who sets it removes it."""
    def __init__(self, folder, *args, settle=SETTLE, store="state/abidrift.db", pin="off", program=ABIDRIFT, **kw):
        self.folder, self.pin = folder, pin
        self.store = "sqlite:" + os.path.join(folder.path, store)
        super().__init__([program, "run", "--store", self.store, "--listen", "none", "--set", f"monitor.pin={pin}", *settle, *args], **kw)
        try:
            self.wait_line("^abidrift: ready")
        except AssertionError:
            self.stop()
            raise

    def json(self, *args, ok=(0,)):
        return json.loads(abidrift(*args, "--json", store=self.store, ok=ok).stdout)

    def guests(self):
        return self.json("ls")["guests"]

    def guest(self, name, running=True):
        for g in self.guests():
            if name in (g["name"], g["uuid"], g["id"]) and (not running or g["running"]):
                return g
        return None

    def settled(self, name, boot=None, seconds=PATIENCE):
        """Waits until every facet of the guest's present boot (or of boot number `boot`) has been judged."""
        def look():
            g = self.guest(name)
            return g if g and g["settled"] and (boot is None or g["boot"] >= boot) else None
        try:
            return wait_for(f"{name} to settle", look, seconds)
        except AssertionError as why:
            raise AssertionError(f"{why}\n  guest: {self.guest(name)}\n  " + "\n  ".join(self.err[-20:])) from None

    def gone(self, name, seconds=PATIENCE):
        wait_for(f"{name} to be gone", lambda: self.guest(name) is None, seconds)

    def diff(self, *sides):
        return self.json("diff", *sides, ok=(0, 1, 3))

    def changes(self, *sides):
        return {(c["facet"], c["key"]): c for c in self.diff(*sides)["changes"]}

    def fingerprint(self, side):
        return abidrift("show", side, "--fingerprint", store=self.store).stdout

    def alerts(self, *guests):
        """All, or those about these guests (names, UUIDs or ids): other tests have guests on this host too."""
        told = [json.loads(line) for line in list(self.out) if line.strip()]
        return [a for a in told if not guests or {a["guest"]["name"], a["guest"]["uuid"], a["summary"].split(":")[0]} & set(guests)]


def entries(text):
    """Entry lines of a fingerprint as {(facet, key): value}."""
    found = {}
    for line in text.splitlines()[1:]:
        if not line.startswith("#"):
            facet, key, value = line.split(" ", 2)
            found[facet, key] = value
    return found


class Qemu:
    """A real guest: Debian's QEMU, SeaBIOS, -accel kvm, QMP."""
    def __init__(self, folder, machine, *args, name=None, guest_uuid=None, cpu="qemu64", vcpus=1, memory="256M", nodefaults=True, binary=QEMU, extra_env=None,
                 with_uuid=True):
        self.uuid = guest_uuid or str(uuid.uuid4())
        self.name = name or f"guest-{self.uuid[:8]}"
        # The same path in every life of a guest, so that its command line is the same too; another one beside it gets its own.
        self.path = folder.file(f"qmp-{self.uuid[:8]}")
        if self._in_use(self.path):
            self.path += "-" + uuid.uuid4().hex[:8]
        argv = [binary, "-accel", "kvm", "-M", machine, "-cpu", cpu, "-smp", str(vcpus), "-m", memory, "-display", "none", "-serial", "null",
                "-monitor", "none", *(["-uuid", self.uuid] if with_uuid else []), "-name", f"guest={self.name}", "-qmp", f"unix:{self.path},server=on,wait=off",
                *(["-nodefaults"] if nodefaults else []), *args]
        env = dict(os.environ, **(extra_env or {}))
        self.process = Process(argv, env=env)
        try:
            self.qmp = self._connect()
        except BaseException:
            self.process.stop(signal.SIGKILL)
            raise

    @staticmethod
    def _in_use(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)  # where as many wait as may, connecting without a timeout waits for ever
            try:
                s.connect(path)
                return True
            except (TimeoutError, BlockingIOError):
                return True
            except OSError:
                return False

    def _connect(self):
        def attempt():
            if self.process.child.poll() is not None:
                raise AssertionError(f"QEMU ended: {self.process.err[-5:]}")
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            try:
                s.connect(self.path)
                return s
            except OSError:
                s.close()
                return None
        self.socket = wait_for("QMP", attempt, 20)
        self.socket.settimeout(30)
        self.stream = self.socket.makefile("rw")
        json.loads(self.stream.readline())
        self.command("qmp_capabilities")
        return self.stream

    @property
    def pid(self):
        return self.process.pid

    def command(self, name, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise AssertionError(f"QMP {name}: {answer['error']}")

    def hmp(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def stop(self):
        self.process.stop(signal.SIGKILL)
        for thing in (getattr(self, "stream", None), getattr(self, "socket", None)):
            try:
                if thing:
                    thing.close()
            except OSError:
                pass

    # ---- oracles

    def pci(self):
        """query-pci as the pci facet's complete entries: {key: value}."""
        found = {}

        def walk(devices, prefix):
            for dev in devices:
                path = f"{prefix}{dev['slot']:02x}.{dev['function']}"
                found[path + "/id"] = f"{dev['id']['vendor']:04x}:{dev['id']['device']:04x}"
                found[path + "/class"] = f"{dev['class_info']['class']:04x}"
                for region in dev["regions"]:
                    bar, size = region["bar"], region["size"]
                    if bar == 6:
                        found[path + "/rom"] = f"size={size:#x}"
                    elif region["type"] == "io":
                        found[f"{path}/bar{bar}"] = f"io size={size:#x}"
                    else:
                        kind = "mem64" if region["mem_type_64"] else "mem32"
                        found[f"{path}/bar{bar}"] = f"{kind}{'-pref' if region['prefetch'] else ''} size={size:#x}"
                if "pci_bridge" in dev:
                    walk(dev["pci_bridge"].get("devices", []), path + "/")
        for bus in self.command("query-pci"):
            walk(bus["devices"], f"0000:{bus['bus']:02x}:")
        return found

    def memory(self):
        """RAM and ROM ranges of `info mtree -f`, system address space: [(start, end, kind, name)]."""
        text = self.hmp("info mtree -f")
        ranges = []
        for view in re.split(r"(?m)^FlatView #\d+", text):
            if not re.search(r'AS "memory"', view):
                continue
            for line in view.splitlines():
                m = re.match(r"\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (ram|rom|romd)\): (.*?)(?: KVM)?$", line)
                if m:
                    ranges.append((int(m[1], 16), int(m[2], 16) + 1, m[3], m[4]))
            break
        return ranges


class Live(unittest.TestCase):
    """A test with a folder of its own, whose processes end with it."""
    def setUp(self):
        need_host()
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def monitor(self, *args, **kw):
        m = Monitor(self.folder, *args, **kw)
        self.addCleanup(m.stop)
        return m

    def qemu(self, *args, **kw):
        need_qemu()
        g = Qemu(self.folder, *args, **kw)
        self.addCleanup(g.stop)
        return g

    def process(self, argv, **kw):
        p = Process(argv, **kw)
        self.addCleanup(p.stop)
        return p

    def microvmm(self, *args, stdin=subprocess.PIPE):
        return self.process([MICROVMM, *args], stdin=stdin)
