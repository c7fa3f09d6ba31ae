# SPDX-License-Identifier: Apache-2.0
"""Which capability is for what: the table of docs/threat-model.md, each one taken away, and what is lost then shown. What a user would
lose: a service that has more rights than it needs, or one that lacks some and does not say so."""
import json
import os
import stat
import subprocess
import unittest

import traces
from harness import ABIDRIFT, QEMU, Live, wait_for
from test_guest_memory import AREAS, SEABIOS, Recording
from test_run import children, status

NUMBERS = {"dac_read_search": 2, "sys_ptrace": 19, "perfmon": 38, "bpf": 39}
ALL = tuple(NUMBERS)
GUESTS_USER, ANOTHER = 65532, 65533
OWN, PRIVILEGED = ("CapInh", "CapAmb"), ("CapPrm", "CapEff", "CapBnd")
# Libvirt's guests are another user's, in a mount namespace of their own, and their devices are that user's.
GUEST = """#!/bin/sh
exec unshare --mount --propagation private sh -c '
	mount -t tmpfs -o dev,mode=755 kvm "$0" && mknod -m 666 "$0/kvm" c 10 232 && mount --bind "$0/kvm" /dev/kvm &&
	exec setpriv --reuid %d --regid %d --clear-groups "$@"' %s %s "$@"
"""


def mask(names):
    return sum(1 << NUMBERS[n] for n in names)


def root_with(names):
    """As a unit with a CapabilityBoundingSet."""
    return ["setpriv", "--inh-caps", "-all", "--bounding-set", ",".join(["-all", *(f"+{n}" for n in names)])]


def user_with(names):
    """As a unit with a User and AmbientCapabilities."""
    kept = ",".join(["-all", *(f"+{n}" for n in names)])
    return ["setpriv", "--reuid", str(ANOTHER), "--regid", str(ANOTHER), "--clear-groups", "--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept]


def without(name):
    return [n for n in ALL if n != name]


class As(Recording):
    """A recorder with these rights."""
    def __init__(self, test, prefix, out):
        self.path = os.path.join(out, "t.trace")
        self.process = test.process([*prefix, ABIDRIFT, "record", "-o", self.path])
        self.process.wait_line("recording into")
        self.reader = traces.Reader(self.path)
        self.vms, self.boots, self.read = {}, {}, []


class Capabilities(Live):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder.path, 0o777)

    def guest(self):
        """Of another user, with its firmware where only that user may look."""
        private = self.folder.file("private")
        os.mkdir(private)
        os.mkdir(self.folder.file("dev"))
        with open(SEABIOS, "rb") as f, open(os.path.join(private, "bios.bin"), "wb") as to:
            to.write(f.read())
        for path in (os.path.join(private, "bios.bin"), private):
            os.chown(path, GUESTS_USER, GUESTS_USER)
        os.chmod(private, 0o700)
        wrapper = self.folder.file("guest")
        with open(wrapper, "w") as f:
            f.write(GUEST % (GUESTS_USER, GUESTS_USER, self.folder.file("dev"), QEMU))
        os.chmod(wrapper, 0o755)
        guest = self.qemu("q35", "-bios", os.path.join(private, "bios.bin"), binary=wrapper)
        self.assertEqual(status(guest.pid)["Uid"].split(), [str(GUESTS_USER)] * 4)
        return guest

    def recorder(self, prefix):
        out = self.folder.file(f"out-{len(os.listdir(self.folder.path))}")
        os.mkdir(out)
        os.chmod(out, 0o777)
        return As(self, prefix, out)

    def refused(self, prefix, verb=None):
        done = subprocess.run([*prefix, ABIDRIFT, *(verb or ["record", "-o", self.folder.file("refused")])], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
        self.assertFalse(os.path.exists(self.folder.file("refused")))
        return done.stderr

    def context(self, record, guest):
        """What is told of its process; its vCPU's table and memory slots, which come from the kernel, are told whatever the rest."""
        pairs, = wait_for("the guest", lambda: list(record.vm(guest.pid).values()))
        told = {kind for kind, vm, _, _ in traces.Reader(record.path).read() if vm in record.vm(guest.pid)}
        self.assertLessEqual({traces.CPUID, traces.SLOTS}, told)
        return pairs

    def firmware_digest(self, pairs):
        path, size, digest = pairs["firmware"].rsplit(" ", 2)
        self.assertTrue(path.endswith("private/bios.bin"), path)
        return digest

    def holds_exactly(self, pid, names):
        s = status(pid)
        self.assertEqual({k: int(s[k], 16) for k in (*OWN, *PRIVILEGED)}, {**{k: 0 for k in OWN}, **{k: mask(names) for k in PRIVILEGED}})
        self.assertEqual(s["NoNewPrivs"], "1")

    def test_four_capabilities_see_all_whoever_has_them(self):
        guest = self.guest()
        for prefix in (root_with(ALL), user_with(ALL)):
            record = self.recorder(prefix)
            self.holds_exactly(record.process.pid, ALL)
            for area in AREAS:
                record.wait_whole(guest.pid, area)
            pairs = self.context(record, guest)
            self.assertEqual((pairs["kind"], pairs["exe"]), ("qemu", os.path.realpath(QEMU)))
            self.assertRegex(self.firmware_digest(pairs), "^[0-9a-f]{64}$")
            self.assertEqual(record.stop(), 0)

    def test_without_bpf_or_perfmon_nothing_is_loaded_and_the_line_names_it(self):
        for name in ("bpf", "perfmon"):
            others = [f"CAP_{n.upper()}" for n in ("bpf", "perfmon") if n != name]
            for prefix in (root_with(without(name)), user_with(without(name))):
                line = self.refused(prefix)
                self.assertIn(f"record needs CAP_{name.upper()} to load", line)
                self.assertNotIn(others[0], line)
        self.assertIn("record needs CAP_BPF and CAP_PERFMON to load", self.refused(root_with(["sys_ptrace"])))
        self.assertIn("run needs CAP_BPF to load", self.refused(root_with(without("bpf")), ["run"]))
        self.assertIn("run --part collector needs CAP_PERFMON to load", self.refused(root_with(without("perfmon")), ["run", "--part", "collector"]))

    def loses_memory(self, name, reason):
        guest = self.guest()
        told = []
        for prefix in (root_with(without(name)), user_with(without(name))):
            record = self.recorder(prefix)
            self.holds_exactly(record.process.pid, without(name))
            for area in AREAS:
                self.assertIn(reason, record.reason(guest.pid, area))
            told.append(self.context(record, guest))
            self.assertEqual(record.stop(), 0)
        return told

    def test_without_sys_ptrace_no_guests_memory_and_no_vmms_program(self):
        for pairs in self.loses_memory("sys_ptrace", "CAP_SYS_PTRACE is missing"):
            self.assertNotIn("exe", pairs)
            self.assertNotIn("version", pairs)
            self.assertEqual(self.firmware_digest(pairs), "-")

    def test_without_dac_read_search_no_memory_of_other_users_and_no_firmware_file(self):
        for pairs in self.loses_memory("dac_read_search", "CAP_DAC_READ_SEARCH is missing"):
            self.assertEqual(pairs["kind"], "qemu")
            self.assertEqual(self.firmware_digest(pairs), "-")

    def test_doctor_names_what_is_missing_before_there_is_a_guest(self):
        def tables(names):
            done = subprocess.run([*root_with(names), ABIDRIFT, "doctor", "--json"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return {f["facet"]: f for f in json.loads(done.stdout)["facets"]}
        self.assertEqual(tables(ALL)["smbios"]["coverage"], "complete")
        for name in ("sys_ptrace", "dac_read_search"):
            found = tables(without(name))
            self.assertIn(f"CAP_{name.upper()} is missing", found["smbios"]["reason"])
            self.assertEqual(found["cpuid"]["coverage"], "complete")
        for name in ("bpf", "perfmon"):
            self.assertEqual(tables(without(name))["cpuid"]["coverage"], "none")

    def test_of_a_monitor_by_hand_the_collector_has_four_and_the_supervisor_what_it_takes(self):
        monitor = self.monitor()
        self.holds_exactly(children(monitor.pid)["collector"], ALL)
        s = status(monitor.pid)
        # Not among them: SYS_ADMIN, SYS_MODULE, SYS_RAWIO, NET_ADMIN, NET_RAW, SYS_BOOT, SYS_TIME, MKNOD.
        for number in (21, 16, 17, 12, 13, 22, 25, 27):
            for k in PRIVILEGED:
                self.assertFalse(int(s[k], 16) >> number & 1, (k, number))
        self.assertEqual(s["NoNewPrivs"], "1")

    def test_who_may_not_dump_or_trace_the_collector_is_any_user(self):
        """Guests' memory passes through it: its files in /proc are root's, and it leaves no core."""
        monitor = self.monitor()
        for pid in children(monitor.pid).values():
            owner = os.stat(f"/proc/{pid}/mem")
            self.assertEqual((owner.st_uid, stat.S_IMODE(owner.st_mode)), (0, 0o600))

    def test_a_unit_that_hides_dev_works(self):
        """PrivateDevices: there is no /dev/kvm to be seen."""
        hidden = self.recorder(["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"])
        self.assertEqual(hidden.stop(), 0)


if __name__ == "__main__":
    unittest.main()
