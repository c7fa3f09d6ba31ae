# SPDX-License-Identifier: Apache-2.0
"""What is said of a guest that moved to another version of its VMM while it ran, before its next boot shows it. Made-up guests, replayed."""
import json
import unittest

from harness import Folder, abidrift
from dmi import entry64, structure
from traces import CONFIG, LEAVES, Trace, life, pairs, without

UUID = "11111111-2222-3333-4444-555555555555"
OLD, MIDDLE, NEW = "7.2.22 (Debian 1:7.2)", "8.1.0", "10.0.13 (Debian 1:10.0)"
BOTH = "its ACPI and SMBIOS tables and its firmware came along from QEMU 7.2.22: QEMU 10.0.13 writes its own tables at the next reset, and loads " \
       "its own firmware at the next cold start"
FIRMWARE = "its firmware came along from QEMU 7.2.22: QEMU 10.0.13 loads its own at the next cold start"
TABLES = "its ACPI and SMBIOS tables came along from QEMU 7.2.22: QEMU 10.0.13 writes its own at the next reset"
NOT_SEEN = "its ACPI and SMBIOS tables and its firmware came along from a VMM that nobody saw: QEMU 10.0.13 writes its own tables at the next " \
           "reset, and loads its own firmware at the next cold start"
INCOMING = ("-incoming", "tcp:0:4444")
FLASH = ("-drive", "if=pflash,file=/vars.fd")


class Moved(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.trace, self.stores = Trace(), 0
        self.trace.synced()

    def comes(self, vm, version, *args):
        """The guest goes on in this VM; the one before ends."""
        self.trace.guest(vm, "web-1", UUID, args, version)
        self.boots(vm, 1)
        if vm > 1:
            self.trace.gone(vm - 1)
        self.trace.tick(4)

    def boots(self, vm, number):
        self.trace.boot(vm, number)
        self.trace.cpuid(vm, number, LEAVES)
        self.trace.slots(vm, number, (0, 0x8000000))
        self.trace.port(vm, number, 0x510)
        self.trace.tick(2)

    def said(self):
        """What diff says of the next boot, and history of each boot; all views must agree."""
        self.stores += 1
        store = "sqlite:" + self.folder.file(f"{self.stores}.db")
        path = self.trace.write(self.folder.file("t.trace"))
        abidrift("replay", path, "--set", "monitor.settle=1s", store=store, ok=(0, 1, 3))
        diff = json.loads(abidrift("diff", "web-1", "--json", store=store, ok=(0, 1, 3)).stdout)
        text = " ".join(abidrift("diff", "web-1", store=store, ok=(0, 1, 3)).stdout.split())
        listed = json.loads(abidrift("ls", "--json", store=store).stdout)["guests"][0]["next_boot"]
        events = json.loads(abidrift("history", "web-1", "--json", store=store).stdout)["events"]
        self.assertEqual(diff["next_boot"], listed)
        self.assertEqual((diff["result"], diff["changes"]), ("same", []))
        for n in listed:
            self.assertEqual(n["code"], "vmm-moved")
            self.assertIn("at its next boot: " + n["reason"], text)
        self.assertFalse([f for f in diff["context"] if f["factor"] in ("vmm.tables", "vmm.firmware")])
        return [n["reason"] for n in listed], [e["reason"] for e in events if e["type"] == "boot"]

    def test_another_version_is_told_until_it_has_written_its_own(self):
        """An upgrade by migration looks harmless, and the change comes weeks later with a reset that nobody connects with it."""
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.assertEqual(self.said(), ([], ["started"]))
        self.comes(2, NEW, *INCOMING)
        self.assertEqual(self.said(), ([BOTH], ["started", "migrated in: QEMU 7.2.22 → 10.0.13"]))
        self.boots(2, 2)
        self.assertEqual(self.said()[0], [FIRMWARE])
        self.trace.gone(2)
        life(self.trace, 3, "web-1", UUID, version=NEW)
        self.assertEqual(self.said(), ([], ["started", "migrated in: QEMU 7.2.22 → 10.0.13", "reset by the VMM", "started"]))

    def test_over_several_moves_it_is_told_who_wrote_the_tables(self):
        """Who looks for the cause at the VMM before finds one that never wrote any."""
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.comes(2, MIDDLE, *INCOMING)
        self.comes(3, NEW, "-incoming", "exec:cat /saved")
        reasons, boots = self.said()
        self.assertEqual((reasons, boots[1:]), ([BOTH], ["migrated in: QEMU 7.2.22 → 8.1.0", "restored from a program's output: QEMU 8.1.0 → 10.0.13"]))
        self.comes(4, OLD, *INCOMING)
        self.assertEqual(self.said()[0], [])

    def test_firmware_in_flash_is_the_guests_own(self):
        """It would be said to change where it is a file that no QEMU brings along."""
        life(self.trace, 1, "web-1", UUID, args=FLASH, version=OLD)
        self.comes(2, NEW, *INCOMING, *FLASH)
        self.assertEqual(self.said()[0], [TABLES])
        self.boots(2, 2)
        self.assertEqual(self.said()[0], [])

    def test_the_same_version_says_nothing(self):
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.comes(2, OLD, *INCOMING)
        self.assertEqual(self.said(), ([], ["started", "migrated in"]))

    def test_when_the_new_vm_dies_the_old_one_stands_for_the_guest_again(self):
        """History would end with \"its process ended\", of a guest that somebody just resumed and that runs."""
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.trace.guest(2, "web-1", UUID, INCOMING, NEW)
        self.boots(2, 1)
        self.trace.gone(2)
        self.trace.tick(4)
        self.assertEqual(self.said(), ([], ["started", "migrated in: QEMU 7.2.22 → 10.0.13",
                                            "the VM that it had moved to has ended: pid 1001, which it had left, is judged again"]))

    def test_a_vm_that_waits_for_its_guest_is_told(self):
        """Nothing at all is told of a VM that somebody just started, and he looks for what is wrong with the monitor."""
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.trace.guest(2, "web-1", UUID, INCOMING, NEW)
        self.trace.boot(2, 1)
        self.trace.tick(4)
        self.trace.gone(2)
        self.trace.tick(1)
        self.assertEqual(self.said(), ([], ["started"]))
        told = abidrift("replay", self.folder.file("t.trace"), "--set", "monitor.settle=1s", "-v", ok=(0, 3)).stderr
        self.assertIn("web-1: pid 1002 waits for the guest to come in; this VM is in no view before the guest runs there\n", told)
        self.assertIn("web-1: gone (its process ended)\n", told)
        self.assertEqual((told.count("pid 1002"), told.count("pid 1001")), (1, 1), told)

    def test_from_a_vmm_that_nobody_saw(self):
        """A guest that is drained onto this host is as much to be expected to change as one that was seen before."""
        self.trace.guest(1, "web-1", UUID, INCOMING, NEW)
        self.boots(1, 1)
        self.trace.tick(4)
        self.assertEqual(self.said(), ([NOT_SEEN], ["migrated in"]))

    def test_what_is_told_anew_of_its_vm_takes_nothing_away(self):
        """An upgrade of QEMU's package beside a guest that moved would end the warning, and with it the reason of what its reset changes."""
        life(self.trace, 1, "web-1", UUID, version=OLD)
        self.comes(2, NEW, *INCOMING)
        self.trace.guest(2, "web-1", UUID, INCOMING, NEW)
        self.trace.tick(1)
        self.assertEqual(self.said()[0], [BOTH])


def firmware(version):
    table = structure(0, bytes([1, 2, 0, 0, 0]) + bytes(13), strings=[b"SeaBIOS", version]) + structure(127, b"")
    return entry64(table), table


class Away(unittest.TestCase):
    """A guest that is saved, and comes back to a poorer CPU; `tables`: what its firmware built, when it went and when it came."""
    def back(self, went, came):
        folder, t = Folder(), Trace()
        self.addCleanup(folder.close)
        t.add(CONFIG, pairs(("monitor.guest_memory", "on")))
        t.synced()
        for vm, args, leaves, version in ((1, (), LEAVES, went), (2, ("-incoming", "exec:cat /saved"), without(LEAVES, 1, 2, 13), came)):
            t.guest(vm, "web-1", UUID, args, OLD)
            t.boot(vm, 1)
            t.cpuid(vm, 1, leaves)
            t.slots(vm, 1, (0, 0x8000000))
            t.tick(1)
            if version:
                t.smbios(vm, 1, *firmware(version))
            t.tick(20)
            if vm == 1:
                t.gone(vm)
                t.tick(1)
        store = "sqlite:" + folder.file("s.db")
        abidrift("replay", t.write(folder.file("t.trace")), "--set", "monitor.settle=1s", store=store, ok=(0, 1, 3))
        diff = json.loads(abidrift("diff", "web-1", "--json", store=store, ok=(0, 1, 3)).stdout)
        guest = json.loads(abidrift("ls", "--json", store=store, ok=None).stdout)["guests"][0]
        change, = [c for c in diff["changes"] if c["facet"] == "cpuid"]
        events = json.loads(abidrift("history", "web-1", "--json", store=store).stdout)["events"]
        told, = [c for e in events if e["type"] == "drift" for c in e["changes"] if c["facet"] == "cpuid"][:1]
        self.assertEqual((told["running"], told["severity"]), (change["running"], change["severity"]))
        return guest["boot"], change["running"], change["severity"], [f["to"] for f in diff["context"] if f["factor"] == "vmm.before"]

    def test_with_the_tables_it_went_with_it_was_never_reset(self):
        """Its CPU lost something under a running kernel."""
        self.assertEqual(self.back(b"1.16.2", b"1.16.2"), (1, True, "critical", []))

    def test_with_other_tables_it_was_reset_elsewhere(self):
        """Drained away, rebooted there, and back: told as if a running kernel had lost it, with what another host built as proof."""
        boot, running, _, before = self.back(b"1.16.2", b"1.16.3")
        self.assertEqual((boot, running, before), (2, False, ["not known"]))

    def test_without_tables_nobody_knows(self):
        self.assertEqual(self.back(b"1.16.2", None)[:2], (2, False))
