# SPDX-License-Identifier: Apache-2.0
"""Two VMs of one name: which one is the guest, and what all views say of it. Made-up guests, replayed."""
import json
import unittest

from harness import Folder, abidrift
from traces import LEAVES, Trace, life, without

UUID = "11111111-2222-3333-4444-555555555555"
INCOMING = ("-incoming", "exec:cat /saved")
LESS = without(LEAVES, 1, 2, 13)


class Twins(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.trace, self.stores = Trace(), 0
        self.trace.synced()
        life(self.trace, 1, "web-1", UUID)

    def boots(self, vm, number, leaves=LEAVES, runs=True):
        self.trace.boot(vm, number)
        if runs:
            self.trace.cpuid(vm, number, leaves)
            self.trace.slots(vm, number, (0, 0x8000000))
            self.trace.port(vm, number, 0x510)
        self.trace.tick(4)

    def second(self, *args, leaves=LESS, vm=2, **kw):
        self.trace.guest(vm, "web-1", UUID, args)
        self.boots(vm, 1, leaves, **kw)

    def gone(self, vm):
        self.trace.gone(vm)
        self.trace.tick(4)

    def replayed(self):
        self.stores += 1
        self.store = "sqlite:" + self.folder.file(f"{self.stores}.db")
        abidrift("replay", self.trace.write(self.folder.file("t.trace")), "--set", "monitor.settle=1s", store=self.store, ok=(0, 1, 3))

    def rows(self):
        """What ls says of each VM: pid, boot, state, life; the guest first."""
        listed = json.loads(abidrift("ls", "--json", store=self.store, ok=None).stdout)["guests"]
        return [(g["pid"], g["boot"], g["state"], g["life"]) for g in listed]

    def events(self, *types):
        events = json.loads(abidrift("history", "web-1", "--json", store=self.store).stdout)["events"]
        return [e["reason"] for e in events if e["type"] in (types or ("boot", "stop", "twin"))]

    def alerts(self):
        return [(a["type"], a["severity"]) for a in json.loads(abidrift("alert", "list", "--json", store=self.store).stdout)["alerts"]]

    FOUND = "another VM, pid 1002: it was started as this guest, which runs in pid 1001"

    def test_diff_show_and_accept_are_of_the_vm_that_is_the_guest(self):
        """Else nobody can see or accept what the guest is for as long as somebody's clone runs."""
        self.second()
        self.boots(1, 2, LESS)
        self.replayed()
        self.assertEqual(self.rows(), [(1001, 2, "drift", "reset"), (1002, 1, "unknown", "twin")])
        diff = json.loads(abidrift("diff", "web-1", "--json", store=self.store, ok=(1,)).stdout)
        self.assertEqual((diff["result"], [c["key"] for c in diff["changes"]]), ("drift", ["0x00000001.0.ecx"]))
        self.assertIn("1001", abidrift("show", "web-1", store=self.store).stdout)
        self.assertNotIn("1002", abidrift("show", "web-1", store=self.store).stdout)
        abidrift("accept", "web-1", "--reason", "wanted", store=self.store)
        self.assertEqual(self.rows(), [(1001, 2, "same", "reset"), (1002, 1, "unknown", "twin")])
        self.assertEqual(json.loads(abidrift("diff", "web-1", "--json", store=self.store).stdout)["result"], "same")

    def test_what_happens_to_it_is_told_as_another_vm(self):
        """History would count boots that the guest never had, and end with a stop of a guest that runs."""
        self.second()
        self.boots(2, 2, LESS)
        self.replayed()
        # Reset or not, it is not the guest.
        self.assertEqual(self.rows(), [(1001, 1, "same", "started"), (1002, 1, "unknown", "twin")])
        self.assertIn("web-1: pid 1002 is not this guest, which runs in another VM; give one of them another UUID and name\n",
                      abidrift("ls", store=self.store).stdout)
        self.gone(2)
        self.replayed()
        self.assertEqual(self.rows(), [(1001, 1, "same", "started")])
        self.assertEqual(self.events(), ["started", self.FOUND, "another VM, pid 1002: reset by the VMM",
                                         "another VM, pid 1002: its process ended; the guest runs in another VM"])
        self.assertEqual(self.alerts(), [("twin", "warning")])
        # It never was the guest: nothing comes from it.
        self.second(*INCOMING, vm=3, leaves=LEAVES)
        self.gone(1)
        self.replayed()
        self.assertEqual(self.rows(), [(1003, 1, "same", "restored")])

    def test_once_it_is_alone_it_is_the_guest(self):
        self.second()
        self.gone(1)
        self.replayed()
        self.assertEqual(self.rows(), [(1002, 2, "drift", "started")])
        self.assertEqual(self.events(), ["started", self.FOUND, "its process ended",
                                         "the VM that was this guest has ended: pid 1002, which ran beside it, is judged now"])

    def test_a_guest_that_is_started_again_before_its_last_vm_has_quite_gone_is_no_second_machine(self):
        """A restart would raise an alarm now and then."""
        self.second(runs=False, leaves=LEAVES)
        self.trace.gone(1)
        self.trace.cpuid(2, 1, LEAVES)
        self.trace.slots(2, 1, (0, 0x8000000))
        self.trace.port(2, 1, 0x510)
        self.trace.tick(4)
        self.replayed()
        self.assertEqual((self.rows(), self.alerts()), ([(1002, 2, "same", "started")], []))
        self.assertEqual(self.events(), ["started", "its process ended", "started"])

    def test_a_copy_that_is_restored_beside_the_guest_is_not_the_guest(self):
        """The guest would not be watched for as long as somebody tests his backup."""
        self.second(*INCOMING, leaves=LEAVES)
        self.boots(1, 2)
        self.replayed()
        self.assertEqual(self.rows(), [(1001, 2, "same", "reset"), (1002, 1, "unknown", "twin")])
        self.assertEqual(self.alerts(), [("twin", "warning")])
        self.boots(2, 2)
        self.gone(2)
        self.replayed()
        self.assertEqual(self.rows(), [(1001, 2, "same", "reset")])
        self.assertEqual(self.events("boot", "stop"), ["started", "restored from a program's output", "reset by the VMM"])

    def test_a_vm_that_the_guest_has_left_is_not_the_guest_when_that_is_started_again(self):
        """The guest would not be watched for as long as a dead process is there."""
        self.second(*INCOMING, leaves=LEAVES)
        self.gone(2)
        self.second(vm=3, leaves=LEAVES)
        self.replayed()
        self.assertEqual(self.rows()[0], (1003, 2, "same", "started"))
        self.assertEqual(self.alerts(), [])
        self.assertEqual(self.events("boot")[-1], "started")
        self.gone(1)
        self.replayed()
        self.assertEqual((self.rows(), self.events()[-1]), ([(1003, 2, "same", "started")], "its process ended; the guest goes on in another VM"))
