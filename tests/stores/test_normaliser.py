# SPDX-License-Identifier: Apache-2.0
"""An upgrade of abidrift changes rules, not guests. build/tests/stores/other_rules is an abidrift of other rules (other_rules.c): a store
goes from the one to the other and back, and nobody is told of anything that did not happen to a guest."""
import json
import os
import re
import sqlite3
import subprocess
import unittest

import traces
from harness import ABIDRIFT, BUILD, Folder, Live
from traces import LEAVES, Trace, life, without

OTHER = os.path.join(BUILD, "tests", "stores", "other_rules")
UUID = "11111111-2222-3333-4444-555555555555"
LOST = without(LEAVES, 1, 2, 13)   # cx16, in the register of which the other rules drop a bit
DAY = 86_400 * 10**9


class Replayed(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.path, self.day = self.folder.file("s.db"), 0

    def run_it(self, program, *args, ok=(0,)):
        done = subprocess.run([program, args[0], "--store", "sqlite:" + self.path, *args[1:]], capture_output=True, text=True, timeout=60)
        self.assertIn(done.returncode, ok, done.stderr)
        return done.stdout

    def live(self, program, leaves=LEAVES, ok=0, **kw):
        """One more life of the guest, a day later, as `program` sees it."""
        self.day += 1
        now, traces.REALTIME_NS = traces.REALTIME_NS, traces.REALTIME_NS + self.day * DAY
        try:
            trace = Trace()
        finally:
            traces.REALTIME_NS = now
        # The clock of later ticks is the same one.
        trace.clock = lambda day=self.day: Trace.clock(trace)[:8] + (traces.REALTIME_NS + day * DAY + trace.now).to_bytes(8, "little")
        trace.synced()
        life(trace, self.day, "web-1", UUID, leaves, **kw)
        trace.gone(self.day)
        self.run_it(program, "replay", trace.write(self.folder.file("t")), "--set", "monitor.settle=1s", ok=(ok,))

    def rows(self, sql):
        db = sqlite3.connect(self.path)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def alerts(self):
        return [json.loads(j)["type"] for j, in self.rows("SELECT json FROM alerts ORDER BY row")]

    def events(self):
        """But for starts and stops."""
        return [t for t, in self.rows("SELECT type FROM events WHERE type NOT IN ('boot', 'stop') ORDER BY row")]

    def guest(self, program):
        found, = json.loads(self.run_it(program, "ls", "--json"))["guests"]
        return found

    def changes(self, program, ok=1):
        return {(c["facet"], c["key"]): (c["from"], c["to"]) for c in json.loads(self.run_it(program, "diff", "web-1", "--json", ok=(ok,)))["changes"]}

    def shown(self, program, side):
        return self.run_it(program, "show", side, "--fingerprint")

    def test_the_other_rules_are_others(self):
        """Or nothing of this would prove anything."""
        self.live(ABIDRIFT)
        mine, other = self.shown(ABIDRIFT, "web-1"), self.shown(OTHER, "web-1")
        self.assertIn("ports 0x0510/r8 answered\n", mine)
        self.assertIn("ports 0x0510/r8/again answered\n", other)
        self.assertIn("memory ranges 3\n", other)
        self.assertIn("cpuid 0x00000001.0.ecx 0x80202001\n", mine)
        self.assertIn("cpuid 0x00000001.0.ecx 0x00202001\n", other)
        self.assertIn("# coverage numa none other rules\n", other)

    def test_no_drift_there_and_back(self):
        for first, second in ((ABIDRIFT, OTHER), (OTHER, ABIDRIFT)):
            self.setUp()
            for program in (first, second, first, second):
                self.live(program)
                guest = self.guest(program)
                self.assertEqual((guest["state"], guest["current"]["revision"], guest["baseline"]["revision"]), ("same", 1, 1))
                self.assertEqual(self.changes(program, ok=0), {})
            self.assertEqual((self.alerts(), self.events()), ([], ["fingerprint"]))

    def test_a_real_change_is_found_by_whoever_looks(self):
        for first, second in ((ABIDRIFT, OTHER), (OTHER, ABIDRIFT)):
            self.setUp()
            self.live(first)
            self.live(second, LOST, ok=1)
            self.assertEqual([key for key in self.changes(second)], [("cpuid", "0x00000001.0.ecx")])
            self.assertEqual((self.alerts(), self.events()), (["drift"], ["fingerprint", "drift", "fingerprint"]))

    def test_open_drift_is_told_once_and_resolved_once(self):
        """A key that reads otherwise is no new difference; the views tell it in the words of whoever judged last."""
        for first, second in ((ABIDRIFT, OTHER), (OTHER, ABIDRIFT)):
            self.setUp()
            self.live(first)
            told = None
            for program in (first, second, second, first):
                self.live(program, LOST, port=False, ok=1)
                told = told or self.alerts()   # what is critical is told before the rest
                self.assertEqual([facet for facet, _ in sorted(self.changes(program))], ["cpuid", "ports"])
                self.assertEqual(self.alerts(), told)
                of = json.loads(self.rows("SELECT json FROM drifts")[0][0])["changes"]
                self.assertEqual({c["key"] for c in of if c["facet"] == "ports"}, {"0x0510/r8/again" if program == OTHER else "0x0510/r8"})
            self.live(second)
            self.assertEqual(self.alerts(), [*told, "resolved"])
            self.assertEqual(self.guest(second)["state"], "same")

    def test_what_more_changes_is_told(self):
        self.live(ABIDRIFT)
        self.live(ABIDRIFT, LOST, ok=1)
        self.live(OTHER, LOST, memory=0x10000000, ok=1)
        self.assertEqual(self.alerts(), ["drift", "drift"])
        self.assertEqual({key for key in self.changes(OTHER)}, {("cpuid", "0x00000001.0.ecx"), ("memory", "0x0000000000100000")})

    def test_what_is_no_difference_any_more_is_resolved(self):
        """The other rules drop the hypervisor bit; a guest that lost it and nothing else is as it was, by them."""
        self.live(ABIDRIFT)
        self.live(ABIDRIFT, without(LEAVES, 1, 2, 31), ok=1)
        self.live(OTHER, without(LEAVES, 1, 2, 31))
        self.assertEqual(self.alerts(), ["drift", "resolved"])

    def test_accepted_by_other_rules(self):
        self.live(ABIDRIFT)
        self.live(ABIDRIFT, LOST, port=False, ok=1)
        told = self.alerts()
        self.run_it(OTHER, "accept", "web-1")
        self.live(OTHER, LOST, port=False)
        self.live(ABIDRIFT, LOST, port=False)
        self.assertEqual(self.alerts(), [*told, "resolved"])
        self.assertEqual(self.guest(ABIDRIFT)["state"], "same")
        self.run_it(ABIDRIFT, "accept", "web-1", "--undo")
        self.assertEqual(self.guest(ABIDRIFT)["state"], "drift")

    def test_evidence_joins_a_baseline_of_other_rules(self):
        """And is no difference to those rules later on."""
        self.live(ABIDRIFT)
        more = {**LEAVES, (0x80000000, 0): (0x80000000, 0, 0, 0)}
        self.live(ABIDRIFT, port=False, ok=1)
        self.live(OTHER)
        self.live(ABIDRIFT)
        self.assertEqual(self.guest(ABIDRIFT)["state"], "same")
        self.assertEqual(self.alerts(), ["drift", "resolved"])
        self.live(OTHER, more, ok=1)
        self.assertEqual(self.alerts(), ["drift", "resolved", "drift"])

    def test_digests_are_of_what_is_shown(self):
        """What is printed can be compared with what is printed of another guest, whoever of the two derived it first."""
        self.live(ABIDRIFT)
        digest = self.guest(ABIDRIFT)["current"]["digest"]
        for program in (OTHER, ABIDRIFT):
            text = self.folder.file("fingerprint")
            with open(text, "w") as f:
                f.write(self.shown(program, "web-1"))
            of_text = json.loads(self.run_it(program, "show", text, "--json"))["digest"]
            self.assertEqual(json.loads(self.run_it(program, "show", "web-1@1", "--json"))["digest"], of_text)
            self.live(program)
            self.assertEqual(self.guest(program)["current"]["digest"], of_text)
            self.assertEqual(self.guest(program)["baseline"]["digest"], of_text)
        self.assertEqual(of_text, digest)


class Upgraded(Live):
    """The same with a real guest that runs on while abidrift is replaced under it."""
    def test_a_guest_that_runs_on(self):
        guest = self.qemu("pc-i440fx-7.2")
        revision = None
        for program in (ABIDRIFT, OTHER, ABIDRIFT):
            monitor = self.monitor(program=program)
            now = monitor.settled(guest.name)
            if revision is None:
                revision = now["current"]["revision"]
            self.assertEqual((now["state"], now["current"]["revision"]), ("same", revision))
            self.assertEqual(monitor.alerts(guest.name), [])
            monitor.stop()
        monitor = self.monitor(program=OTHER)
        monitor.settled(guest.name)
        guest.command("system_reset")
        monitor.settled(guest.name, boot=now["boot"] + 1)
        self.assertEqual(monitor.alerts(guest.name), [])
        monitor.stop()
        events = json.loads(subprocess.run([OTHER, "history", guest.name, "--json", "--store", monitor.store], capture_output=True, text=True, check=True).stdout)
        self.assertEqual(sum(e["type"] == "fingerprint" for e in events["events"]), 1)
        self.assertFalse({e["type"] for e in events["events"]} & {"drift", "resolved", "blind"})


class Shipped(unittest.TestCase):
    def test_only_the_test_has_other_rules(self):
        number = lambda program: re.search(r"normaliser (\d+)", subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout)[1]
        self.assertEqual((int(number(ABIDRIFT)) < 1000, int(number(OTHER))), (True, 1000))
