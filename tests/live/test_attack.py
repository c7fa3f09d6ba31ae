# SPDX-License-Identifier: Apache-2.0
"""An attacker inside each process of a real monitor: what docs/architecture.md says that it may, it may, and nothing else; and the
monitor goes on. tests/live/inject makes the process perform the calls, as code would that has taken it over."""
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import unittest
import urllib.request

from harness import ABIDRIFT, BUILD, ROOT, abidrift, wait_for
from test_run import Run, children, status

INJECT = os.path.join(BUILD, "tests", "live", "inject")
EPERM, EACCES = 1, 13
AT_FDCWD, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC = -100, 1, 2, 0o100, 0o1000
SIGCONT, SIGCHLD = 18, 17
NO_PROCESS = 0x7ffffffe  # beyond every pid_max
F_SETOWN, F_SETSIG = 8, 10
CLONE_SIGHAND = 0x800  # alone it is an error, so nothing is made where it would be allowed
PROT_EXEC_WRITE, MAP_PRIVATE_ANONYMOUS = 6, 0x22
TIOCSTI = 0x5412
UNIX, INET, NETLINK, INET6, FAMILIES = 1, 2, 16, 10, 46
# x86-64's; arch/x86/entry/syscalls/syscall_64.tbl
CALLS = dict(close=3, mmap=9, mprotect=10, ioctl=16, shmget=29, connect=42, bind=49, listen=50, socket=41, socketpair=53, clone=56, execve=59, kill=62, fcntl=72, rename=82,
             creat=85, link=86, unlink=87, symlink=88, chmod=90, fchmod=91, chown=92, ptrace=101, personality=135, pivot_root=155, prctl=157, chroot=161, mount=165, umount2=166,
             swapon=167, reboot=169, sethostname=170, init_module=175, tkill=200, io_setup=206, mq_open=240, kexec_load=246, add_key=248, keyctl=250, openat=257,
             unshare=272, perf_event_open=298, fanotify_init=300, prlimit64=302, open_by_handle_at=304, setns=308, process_vm_readv=310, process_vm_writev=311,
             finit_module=313, bpf=321, execveat=322, userfaultfd=323, pidfd_send_signal=424, io_uring_setup=425, open_tree=428, fsopen=430, openat2=437,
             fchmodat2=452, pidfd_getfd=438, process_madvise=440, landlock_create_ruleset=444)
LANDLOCK_NEEDED = 6  # with which signals and ports are refused too


def cell_table():
    """{operation: {process: yes or no}} as the docs have it."""
    with open(os.path.join(ROOT, "docs", "architecture.md")) as f:
        text = f.read().split("### What each process may still do\n")[1]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in re.findall(r"(?m)^\|.*\|$", text.split("\n## ")[0].split("\n### ")[0])]
    return {row[0]: dict(zip(rows[0][1:], row[1:])) for row in rows[2:]}


def landlock():
    """This kernel's ABI; less than 1: none."""
    return ctypes.CDLL(None).syscall(CALLS["landlock_create_ruleset"], None, 0, 1)


class Attacker:
    def __init__(self, pid):
        self.pid = pid

    def call(self, name, *arguments):
        """What the call returned in there: a number, or -errno."""
        done = subprocess.run([INJECT, str(self.pid), str(CALLS[name]), *map(str, arguments)], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"{name} in {self.pid}: {done.stderr}")
        return int(done.stdout)

    def open(self, path, flags):
        fd = self.call("openat", AT_FDCWD, "s:" + path, flags, 0o600)
        if fd >= 0:
            self.call("close", fd)
        return fd

    def mode(self, path, flags, mode):
        """Sets the mode of what it may open; of something else where it may not."""
        fd = self.call("openat", AT_FDCWD, "s:" + path, flags, 0)
        result = self.call("fchmod", max(fd, 0), mode)
        if fd >= 0:
            self.call("close", fd)
        return result

    def socket(self, family, kind=1):
        fd = self.call("socket", family, kind, 0)
        if fd >= 0:
            self.call("close", fd)
        return fd

    def take_port(self):
        """Of a socket of its own, where it gets one."""
        fd = self.call("socket", INET, 1, 0)
        if fd < 0:
            return [fd, self.call("bind", 0, "x:0200" + "00" * 14, 16)]
        got = self.call("bind", fd, "x:0200" + "00" * 2 + "7f000001" + "00" * 8, 16)
        self.call("close", fd)
        return [got]


# What is refused in ordinary work, and should be.
EXPECTED = (
    r"setuid\(0\)",                                  # are privileges really gone?
    r"prctl\(PR_CAPBSET_DROP, ",                     # by who has no right to; the others hold without
    r"prlimit64\(0, RLIMIT_MEMLOCK, ",               # older kernels need it to load BPF programs, and then loading says so
    r"setpgid\((\d+), \1\) += -1 EACCES",             # by who began a child that did it itself and runs its program already
    r"openat\(.*-(wal|shm)\", O_RDWR\|O_CREAT",      # SQLite asks for more than a reader has, and then for less
)


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class Ordinary(Run):
    def test_nothing_is_refused_that_ordinary_work_needs(self):
        log, hook = self.folder.file("refused"), self.folder.file("hook")
        with open(hook, "w") as f:
            f.write("#!/bin/sh\ncat >/dev/null\n")
        os.chmod(hook, 0o755)
        m = self.process(["strace", "-f", "-qq", "-e", "signal=none", "-e", "status=failed", "-o", log, ABIDRIFT, "run", "--store", self.store,
                          "--listen", "127.0.0.1:0", "--set", "monitor.pin=off", "--set", f"command.run={hook}", "--set", "webhook.url=http://localhost:9/x",
                          "--set", "monitor.settle=1s", "--set", "monitor.settle_max=10s"])
        port = re.search(r"http://([0-9.:]+)", m.wait_line("^abidrift: listening on"))[1]
        m.wait_line("^abidrift: ready$")
        guest = self.qemu("q35", "-device", "virtio-rng-pci")
        m.wait_line(re.escape(guest.name) + ": fingerprinted")
        self.alert()
        m.wait_line('"type":"resolved"', "out")
        for path in ("metrics", "api/v1/guests"):
            with urllib.request.urlopen(f"http://{port}/{path}", timeout=30) as answer:
                self.assertEqual(answer.status, 200)
        guest.stop()
        m.wait_line(re.escape(guest.name) + ": gone")
        supervisor = children(m.pid).popitem()[1]
        os.kill(supervisor, signal.SIGTERM)
        m.child.wait(60)
        with open(log, errors="replace") as f:
            refused = {line.split(None, 1)[1].strip() for line in f if re.search(r" = -1 (EPERM|EACCES|ENOSYS)", line)}
        self.assertTrue(any("setuid(0)" in r for r in refused), "strace saw nothing")
        self.assertEqual([r for r in sorted(refused) if not any(re.search(e, r) for e in EXPECTED)], [])


class Attack(Run):
    def setUp(self):
        super().setUp()
        self.outside = self.folder.file("outside")
        os.mkdir(self.outside)
        os.chmod(self.outside, 0o777)
        self.victim = os.path.join(self.outside, "file")
        self.doomed = os.path.join(self.outside, "doomed")
        for path in (self.victim, self.doomed):
            with open(path, "w") as f:
                f.write("as it was")
            os.chmod(path, 0o666)
        self.vmm = self.microvmm("--stdin")
        self.m = self.start()

    def processes(self):
        """{as in the docs: pid}"""
        found = children(self.m.pid)
        for parent, name, kept in (("collector", "abidrift-memory", "reader"), ("messenger", "keeper", "keeper")):
            found[kept] = wait_for(kept, lambda p=parent, n=name: children(found[p]).get(n), 20)
        self.assertEqual(set(found), set(next(iter(cell_table().values()))))
        return found

    def attempts(self, a):
        """{operation of the docs: [(what, result)]}: who may does none of them harm."""
        vmm, beside = self.vmm.pid, self.path + "-new"
        yes = lambda name, *args: (name, a.call(name, *args))
        return {
            "load BPF programs": lambda: [yes("bpf", 0, 0, 0)],
            "read guests' memory": lambda: [yes("process_vm_readv", vmm, 0, 0, 0, 0, 0)],
            "look at other processes in `/proc`": lambda: [(p, a.open(p, 0)) for p in (f"/proc/{vmm}/cmdline", "/proc/1/stat")],
            "open their memory, environment, files": lambda: [(p, a.open(f"/proc/{vmm}/{p}", 0)) for p in ("mem", "environ", "maps")],
            "write guests' memory, trace them": lambda: [yes("process_vm_writev", vmm, 0, 0, 0, 0, 0), ("mem", a.open(f"/proc/{vmm}/mem", O_RDWR)),
                                                       yes("ptrace", 0x4206, vmm, 0, 0), yes("ptrace", 16, vmm, 0, 0), yes("process_madvise", 0, 0, 0, 4, 0)],
            # signal 9 to no process: allowed by the filter, it finds none
            "SIGKILL to other processes": lambda: [yes("kill", NO_PROCESS, 9)],
            "signals to other processes, but SIGKILL": lambda: [yes("kill", vmm, 0), yes("kill", vmm, SIGCONT), yes("kill", self.m.pid, SIGCONT), yes("tkill", vmm, SIGCONT),
                                                   yes("pidfd_send_signal", 0, 0, 0, 0), yes("prlimit64", vmm, 0, 0, 0),
                                                   yes("fcntl", 2, F_SETOWN, vmm), yes("fcntl", 2, F_SETSIG, SIGCONT)],
            "run programs": lambda: [yes("execve", "s:/nonexistent/program", 0, 0), yes("execveat", AT_FDCWD, "s:/nonexistent/program", 0, 0, 0)],
            "make processes": lambda: [yes("clone", CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0)],
            "sockets (internet, Unix)": lambda: [(f"family {f}", a.socket(f)) for f in (INET, INET6, UNIX)],
            "sockets of other families": lambda: [(f"family {f}", a.socket(f)) for f in range(FAMILIES) if f not in (INET, INET6, UNIX, NETLINK)],
            "take a TCP port": lambda: [("bind", r) for r in a.take_port()],
            "open files to write, or make them": lambda: [
                ("open", a.open(self.victim, O_WRONLY)), ("truncate", a.open(self.victim, O_RDWR | O_TRUNC)),
                ("make", a.open(os.path.join(self.outside, "new"), O_WRONLY | O_CREAT)), ("/etc", a.open("/etc/abidrift-attack", O_WRONLY | O_CREAT)),
                yes("creat", "s:" + os.path.join(self.outside, "new"), 0o600), yes("openat2", AT_FDCWD, "s:" + self.victim, "x:" + "00" * 24, 24),
                yes("rename", "s:" + self.victim, "s:" + self.victim + "2"), yes("link", "s:" + self.victim, "s:" + self.victim + "2"),
                yes("symlink", "s:/etc", "s:" + self.victim + "2"), yes("chmod", "s:" + self.victim, 0o777)],
            "remove files elsewhere": lambda: [yes("unlink", "s:" + self.doomed)],
            "write the store": lambda: [("store", a.open(self.path, O_RDWR))],
            "make files beside it": lambda: [("make", a.open(beside, O_RDWR | O_CREAT))],
            "give files to other users, or make them programs": lambda: [
                ("setuid", a.mode(self.path, O_RDWR, 0o4755)), ("a program", a.mode(self.path, O_RDWR, 0o750)), ("for all", a.mode(self.path, O_RDWR, 0o666)),
                ("its folder", a.mode(os.path.dirname(self.path), 0, 0o777)), yes("fchmodat2", AT_FDCWD, "s:" + self.path, 0o4755, 0),
                yes("openat", AT_FDCWD, "s:" + beside, O_RDWR | O_CREAT, 0o4755), yes("openat", AT_FDCWD, "s:" + beside, O_RDWR | O_CREAT, 0o700)],
            "mounts, namespaces, modules, keys, users": lambda: [
                yes("mount", "s:none", "s:/mnt", "s:tmpfs", 0, 0), yes("umount2", "s:/mnt", 0), yes("fsopen", "s:tmpfs", 0), yes("open_tree", -1, "s:/", 0),
                yes("pivot_root", "s:/", "s:/"), yes("chroot", "s:/"), yes("unshare", 0x10000000), yes("setns", 0, 0), yes("init_module", 0, 0, 0),
                yes("finit_module", 0, 0, 0), yes("kexec_load", 0, 0, 0, 0), yes("reboot", 0, 0, 0, 0), yes("add_key", 0, 0, 0, 0, 0), yes("keyctl", 0, 0, 0, 0, 0),
                yes("sethostname", "s:x", 1), yes("swapon", "s:/x", 0), yes("open_by_handle_at", 0, 0, 0), yes("chown", "s:" + self.victim, 0, 0)],
            "io_uring, userfaultfd, tracing": lambda: [yes("io_uring_setup", 1, "x:" + "00" * 120), yes("userfaultfd", 0), yes("fanotify_init", 0, 0), yes("io_setup", 1, 0),
                                                        yes("mq_open", "s:x", 0, 0, 0), yes("shmget", 0, 4096, 0), yes("pidfd_getfd", 0, 0, 0)],
            "new code in its memory": lambda: [yes("mmap", 0, 4096, PROT_EXEC_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0), yes("mprotect", 0, 4096, 4), yes("personality", 0x400000),
                                               yes("prctl", 4, 1, 0, 0, 0)],
            "type into its terminal": lambda: [yes("ioctl", 2, TIOCSTI, "s:x")],
        }

    def attack(self, name):
        if name not in ("collector", "reader") and landlock() < LANDLOCK_NEEDED:
            self.skipTest(f"the docs' table needs Landlock ABI {LANDLOCK_NEEDED}, this kernel has {landlock()}")
        a = Attacker(self.processes()[name])
        attempts = self.attempts(a)
        table = cell_table()
        self.assertEqual(set(attempts), set(table), "operations of the docs that nobody tries, or the other way round")
        wrong = []
        for operation, row in table.items():
            for what, result in attempts[operation]():
                refused = result in (-EPERM, -EACCES)
                if refused != (row[name] == "no"):
                    wrong.append(f"{operation}: {row[name]} according to the docs, but {what} gave {result}")
        self.assertEqual(wrong, [])
        if os.path.exists(self.path + "-new"):
            a.call("unlink", "s:" + self.path + "-new")
        with open(self.victim) as f:
            self.assertEqual(f.read(), "as it was")
        self.assertEqual(sorted(os.listdir(self.outside)), ["doomed", "file"])
        self.assertTrue(os.path.exists(f"/proc/{self.vmm.pid}"))

    def goes_on(self):
        """The monitor that was attacked still sees a guest, and still tells."""
        before = self.processes()
        guest = self.microvmm("--stdin")
        guest.write("cpuid 0 0\n")
        wait_for("the new guest", lambda: self.guest_of(guest.pid), 60)
        self.alert()
        self.m.wait_line('"type":"resolved"', "out")
        self.assertEqual(self.processes(), before)
        self.assertFalse([line for line in self.m.err if "starting it again" in line])

    def guest_of(self, pid):
        guests = json.loads(abidrift("ls", "--json", store=self.store).stdout)["guests"]
        return [g for g in guests if g["running"] and str(pid) in json.dumps(g)]

    def test_each_has_a_filter_that_nothing_takes_back(self):
        for name, pid in self.processes().items():
            s = status(pid)
            self.assertEqual((name, s["Seccomp"], s["NoNewPrivs"]), (name, "2", "1"))
            if name not in ("collector", "reader"):
                self.assertEqual((name, s["CapEff"]), (name, "0" * 16))

    def test_who_takes_the_collector_over_only_looks(self):
        self.attack("collector")
        self.goes_on()

    def test_who_takes_the_reader_over_has_guests_memory_and_nothing_else(self):
        self.attack("reader")
        self.goes_on()

    def test_who_takes_the_analyst_over_has_the_store_and_nothing_else(self):
        self.attack("analyst")
        self.goes_on()

    def test_who_takes_the_keeper_over_has_the_store_and_nothing_else(self):
        self.attack("keeper")
        self.goes_on()

    def test_who_takes_the_messenger_over_has_the_network_and_nothing_else(self):
        self.attack("messenger")
        self.goes_on()


if __name__ == "__main__":
    unittest.main()
