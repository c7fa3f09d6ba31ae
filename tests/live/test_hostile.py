# SPDX-License-Identifier: Apache-2.0
"""Guests and VMMs that want to be missed, or to use up what watches them. What a user would lose: every other guest's drift."""
import ctypes
import os
import re
import struct
import sys
import uuid

from harness import MICROVMM, Live, wait_for

# A VM with a vCPU, of a process whose command line says what follows.
VM = """import fcntl, os, signal
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 0)
fcntl.ioctl(vm, 0xae41, 0)
print("ready", vm, flush=True)
signal.pause()"""
NOBODY = 65534
MNT_DETACH = 2


class Hostile(Live):
    def guest(self, *args):
        vmm = self.microvmm("--stdin", *args)
        vmm.wait_line("^ready", "out")
        found = [re.match(r"vm \d+ kvm-fd (\d+)", line) for line in vmm.out]
        vmm.ids = [f"anon-{vmm.pid}-{m[1]}" for m in found if m]
        return vmm

    def test_a_guest_that_resets_in_a_loop_floods_nobody(self):
        """Thousands of boots a second: the stream carries a few, and a guest that comes after it is judged."""
        trace = self.folder.file("loop.trace")
        noisy = self.guest("--vcpus", "8")
        record = self.process([os.path.join(os.path.dirname(MICROVMM), "..", "..", "abidrift"), "record", "-o", trace, "--for", "4s"])
        wait_for("the trace to begin", lambda: os.path.exists(trace) and os.path.getsize(trace) > 0)
        noisy.write("repeat 20000 out 0x92 1 1; in 0x10 1\n")
        noisy.wait_line("^op done", "out")
        self.assertEqual(record.child.wait(30), 0)
        self.assertLess(os.path.getsize(trace), 8 << 20)
        monitor = self.monitor()
        vmm = self.guest()
        vmm.write("cpuid 0 0\n")
        monitor.settled(vmm.ids[0])


class Unanswered(Live):
    def mounted(self):
        """A filesystem of user nobody's, whose server never answers: who asks it anything waits for ever. The kernel lets nobody ask but that user."""
        folder = self.folder.file("unanswered")
        os.mkdir(folder)
        if not os.path.exists("/dev/fuse"):
            self.skipTest("/dev/fuse is not there")
        libc = ctypes.CDLL(None, use_errno=True)
        server = os.open("/dev/fuse", os.O_RDWR)
        self.addCleanup(os.close, server)
        options = f"fd={server},rootmode=40000,user_id={NOBODY},group_id={NOBODY}"
        self.assertEqual(libc.mount(b"unanswered", folder.encode(), b"fuse", 0, options.encode()), 0, os.strerror(ctypes.get_errno()))
        self.addCleanup(libc.umount2, folder.encode(), MNT_DETACH)
        return folder

    def test_a_users_filesystem_that_never_answers_holds_up_nobody(self):
        """Any user may mount one and name a file on it as firmware: no guest of the host would be watched any more."""
        folder = self.mounted()
        monitor = self.monitor()
        vmm = self.process([sys.executable, "-c", VM, "-bios", f"{folder}/bios", "-L", folder])
        vm = vmm.wait_line("^ready", "out").split()[1]
        wait_for("it to be told of", lambda: f"anon-{vmm.pid}-{vm}" in [g["id"] for g in monitor.guests()])
        other = self.microvmm("--stdin")
        other.wait_line("^ready", "out")
        other.write("cpuid 0 0\n")
        fd = next(m[1] for m in map(re.compile(r"vm \d+ kvm-fd (\d+)").match, other.out) if m)
        monitor.settled(f"anon-{other.pid}-{fd}")
        self.assertNotIn("no progress", "\n".join(monitor.err))


class Impostors(Live):
    def named_by_tables(self, name, identifier, *args):
        """A guest whose UUID is in its SMBIOS tables, and nowhere on the host."""
        path = self.folder.file(f"system-{name}")
        with open(path, "wb") as f:
            f.write(struct.pack("<BBHBBBB16sBBB", 1, 27, 0x100, 0, 0, 0, 0, identifier.bytes_le, 6, 0, 0) + b"\0\0")
        return self.qemu("pc-i440fx-7.2", "-smbios", f"file={path}", *args, name=name, with_uuid=False)

    def test_a_guest_that_writes_the_uuid_of_another_one_into_its_tables_is_not_that_one(self):
        """It would end the other one's judging (taken for one that is being migrated away), and bring it drift and revisions that are not its own."""
        identifier = uuid.uuid4()
        monitor = self.monitor()
        victim = self.named_by_tables("victim", identifier)
        monitor.wait_line(f"victim: is guest {identifier}")
        before = monitor.settled("victim")
        thief = self.named_by_tables("thief", identifier, "-device", "virtio-rng-pci,addr=9")
        monitor.wait_line("thief: its SMBIOS tables say the UUID of guest .*not believed")
        self.assertEqual(monitor.settled("thief")["id"], "thief")
        after = monitor.guest("victim")
        for key in ("id", "uuid", "pid", "state", "baseline", "current"):
            self.assertEqual(after[key], before[key], key)
        victim.stop()
        monitor.gone("victim")
        # What it writes after its next reset is heard as little.
        thief.command("system_reset")
        self.assertEqual(monitor.settled("thief", boot=2)["id"], "thief")
        again = self.named_by_tables("victim", identifier)
        self.assertEqual(monitor.settled("victim", boot=2)["state"], "same")
        self.assertEqual(again.pid, monitor.guest("victim")["pid"])
        self.assertFalse([line for line in monitor.err if "is taken for the one that is leaving" in line and ("victim" in line or "thief" in line)])
