# SPDX-License-Identifier: Apache-2.0
"""One upgrade of a host is one line and one accept, however many guests drift by it. Made-up guests, replayed into a store."""
import json
import os
import shlex
import sqlite3
import time
import unittest

import traces
from harness import Folder, abidrift
from traces import LEAVES, Trace, life, pairs, without

DAY_NS = 86_400_000_000_000
BEGAN_NS = traces.REALTIME_NS
SETTLE = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=5s"]
LESS = without(LEAVES, 1, 2, 13)
OTHER = without(LEAVES, 1, 2, 21)


def uuid_of(number):
    return f"00000000-0000-4000-8000-{number:012d}"


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.path = self.folder.file("t.db")
        self.store = "sqlite:" + self.path
        self.began, self.vms = BEGAN_NS, 0
        self.addCleanup(setattr, traces, "REALTIME_NS", BEGAN_NS)

    def day(self, number, guests, kernel=None, args=()):
        """Replays a day on which each guest {name: leaves} lived once."""
        traces.REALTIME_NS = self.began + int(number * DAY_NS)
        t = Trace()
        if kernel:
            t.add(traces.HOST, pairs(("hostname", "testhost"), ("boot_id", "b0"), ("arch", "x86_64"), ("kernel.release", kernel),
                                     ("cpu.model", "Test CPU"), ("cpu.microcode", "0x1"), ("abidrift", "test")))
        first = self.vms + 1
        for name, leaves in guests.items():
            self.vms += 1
            life(t, self.vms, name, uuid_of(int(name[1:])), leaves, args=args)
        t.synced()
        for vm in range(first, self.vms + 1):
            t.gone(vm)
        t.tick(1)
        path = t.write(self.folder.file(f"day{number}.trace"))
        return abidrift("replay", path, *SETTLE, store=self.store, ok=(0, 1, 3))

    def json(self, *args, ok=(0,)):
        return json.loads(abidrift(*args, "--json", store=self.store, ok=ok).stdout)

    def guests(self):
        return {g["name"]: g for g in self.json("ls")["guests"]}

    def alerts(self):
        db = sqlite3.connect(self.path)
        try:
            return [json.loads(line) for line, in db.execute("SELECT json FROM alerts ORDER BY row")]
        finally:
            db.close()

    def upgraded(self):
        """Three guests that drift alike, one that drifts otherwise, one that does not."""
        self.day(0, {f"g{i}": LEAVES for i in range(1, 6)})
        self.day(1, {"g1": LESS, "g2": LESS, "g3": LESS, "g4": OTHER, "g5": LEAVES}, kernel="6.12-test")
        guests = self.guests()
        return guests["g1"]["change_set"], guests["g4"]["change_set"]


class ChangeSets(Store):
    def test_guests_that_drift_alike_are_one_set(self):
        same, other = self.upgraded()
        guests = self.guests()
        self.assertRegex(same, "^[0-9a-f]{16}$")
        self.assertEqual([guests[f"g{i}"]["change_set"] for i in range(1, 6)], [same, same, same, other, None])
        self.assertNotEqual(same, other)
        sets = self.json("ls")["change_sets"]
        self.assertEqual([(s["id"], s["guests"], s["changes"]) for s in sets], [(same, 3, 1), (other, 1, 1)])
        self.assertEqual(set(sets[0]), {"id", "guests", "changes", "verdict", "severity", "summary", "headline", "since", "accept", "causes"})
        self.assertEqual([s["headline"] for s in sets], ["3 guests, the same change, since the kernel went from 6.1.0-test to 6.12-test",
                                                         "1 guest, 1 change, since the kernel went from 6.1.0-test to 6.12-test"])
        self.assertEqual([s["causes"] for s in sets], [[{"factor": "kernel", "from": "6.1.0-test", "to": "6.12-test"}]] * 2)
        began = [e["at"] for e in self.json("history")["events"] if e["type"] == "drift" and e["change_set"] == same]
        self.assertEqual((len(began), sets[0]["since"]), (3, min(began)))
        self.assertEqual({a["change_set"] for a in self.alerts() if a["type"] == "drift"}, {same, other})
        self.assertEqual(self.json("diff", "g1", ok=(1,))["change_set"], same)
        self.assertIsNone(self.json("diff", "g5")["change_set"])
        self.assertEqual(self.json("diff", "g1@1", "g1@2", ok=(1,))["change_set"], self.json("diff", "g2@1", "g2@2", ok=(1,))["change_set"])

    def test_the_command_that_is_shown_accepts_the_set(self):
        """It is pasted by whoever found out why: the page and `diff` show the same."""
        same, other = self.upgraded()
        command = self.json("ls")["change_sets"][0]["accept"]
        self.assertEqual(command, self.json("diff", "g1", ok=(1,))["accept"]["change_set"])
        words = shlex.split(command)
        self.assertEqual((words[0], words[-1]), ("abidrift", "\u2026"))
        self.assertEqual(sorted(g["guest"]["name"] for g in self.json(*words[1:-1], "kernel 6.12")["guests"]), ["g1", "g2", "g3"])
        self.assertEqual([s["id"] for s in self.json("ls")["change_sets"]], [other])

    def test_ls_says_it_in_one_line_with_what_to_do(self):
        same, other = self.upgraded()
        text = abidrift("ls", store=self.store).stdout
        self.assertRegex(text, rf"(?m)^3 guests, the same change: kernel 6.1.0-test → 6.12-test .* \(violation, critical\) \(abidrift accept --change-set {same[:8]}\)$")
        self.assertNotIn(other[:8], text)

    def test_one_accept_for_all_of_them_and_one_undo(self):
        same, other = self.upgraded()
        done = self.json("accept", "--change-set", same[:6], "--reason", "kernel 6.12")
        self.assertEqual((done["change_set"], done["skipped"]), (same, []))
        self.assertEqual([(g["guest"]["name"], g["revision"], g["reason"], g["change_set"]) for g in done["guests"]],
                         [(f"g{i}", 2, "kernel 6.12", same) for i in (1, 2, 3)])
        guests = self.guests()
        self.assertEqual([guests[f"g{i}"]["state"] for i in range(1, 6)], ["same", "same", "same", "drift", "same"])
        self.assertEqual([s["id"] for s in self.json("ls")["change_sets"]], [other])
        accepts = [e for e in self.json("history")["events"] if e["type"] == "accept"]
        self.assertEqual([(e["name"], e["change_set"], e["reason"]) for e in accepts], [(f"g{i}", same, "kernel 6.12") for i in (1, 2, 3)])
        self.assertIn(same[:6], abidrift("accept", "--change-set", same[:6], store=self.store, ok=(2,)).stderr)

        undone = self.json("accept", "--change-set", same[:6], "--undo")
        self.assertEqual([(g["guest"]["name"], g["revision"], g["undone"]) for g in undone["guests"]], [(f"g{i}", 1, True) for i in (1, 2, 3)])
        guests = self.guests()
        self.assertEqual([guests[f"g{i}"]["state"] for i in range(1, 6)], ["drift"] * 4 + ["same"])
        self.assertEqual([guests[f"g{i}"]["change_set"] for i in range(1, 4)], [same] * 3)

    def test_an_accept_of_one_guest_tells_the_set_too(self):
        same, _ = self.upgraded()
        self.assertEqual(self.json("accept", "g2")["change_set"], same)
        self.assertEqual([(s["id"], s["guests"]) for s in self.json("ls")["change_sets"]][0], (same, 2))
        self.assertEqual([e["change_set"] for e in self.json("history", "g2")["events"] if e["type"] == "accept"], [same])

    def test_what_has_not_settled_is_skipped_and_named(self):
        same, _ = self.upgraded()
        db = sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE instances SET settled = 0, state = 'drift' WHERE row = (SELECT max(i.row) FROM instances AS i JOIN guests AS g ON "
                       "g.row = i.guest WHERE g.name = 'g2')")
        done = self.json("accept", "--change-set", same)
        self.assertEqual([g["guest"]["name"] for g in done["guests"]], ["g1", "g3"])
        self.assertEqual([(g["guest"]["name"], g["reason"]) for g in done["skipped"]], [("g2", "it has not settled in its present boot")])
        self.assertEqual(self.guests()["g2"]["state"], "drift")
        # None could be accepted.
        again = abidrift("accept", "--change-set", same, store=self.store, ok=(2,))
        self.assertIn("g2: skipped, it has not settled", again.stdout)
        db.close()

    def test_all_or_none_are_accepted(self):
        same, _ = self.upgraded()
        db = sqlite3.connect(self.path)
        with db:
            row = db.execute("INSERT INTO contents (digest, bytes) VALUES ('sha256:00', CAST('damaged' AS BLOB))").lastrowid
            db.execute("UPDATE revisions SET text = ? WHERE revision = 2 AND guest = (SELECT row FROM guests WHERE name = 'g3')", (row,))
        self.assertIn("damaged", abidrift("accept", "--change-set", same, store=self.store, ok=(2,)).stderr)
        self.assertEqual(db.execute("SELECT count(*) FROM baselines WHERE change_set IS NOT NULL").fetchone(), (0,))
        self.assertEqual(db.execute("SELECT count(*) FROM events WHERE type = 'accept'").fetchone(), (0,))
        self.assertEqual(db.execute("SELECT count(*) FROM drifts").fetchone(), (4,))
        db.close()

    def test_what_cannot_be_meant_is_refused(self):
        same, other = self.upgraded()
        for args, words in ((("--change-set", same[:3]), "4 to 16 digits"), (("--change-set", "zzzz"), "4 to 16 digits"),
                            (("--change-set", same, "g1"), "name no guest beside it"), (("--change-set", "0" * 16), "no guest drifts by it now"),
                            (("--change-set", same, "--undo"), "no guest's baseline was accepted with it")):
            done = abidrift("accept", *args, store=self.store, ok=(2,))
            self.assertIn(words, done.stderr)
        db = sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE drifts SET change_set = ? WHERE change_set = ?", (same[:8] + "0" * 8, other))
        db.close()
        self.assertIn("is ambiguous", abidrift("accept", "--change-set", same[:8], store=self.store, ok=(2,)).stderr)
        self.assertEqual({g["state"] for n, g in self.guests().items() if n != "g5"}, {"drift"})

    def test_drift_that_an_older_abidrift_stored_gets_its_set_and_alerts_nobody(self):
        same, _ = self.upgraded()
        db = sqlite3.connect(self.path)
        with db:
            db.execute("UPDATE drifts SET change_set = NULL, json = json_remove(json, '$.change_set')")
            opened = db.execute("SELECT at FROM drifts ORDER BY guest").fetchall()
        self.assertEqual(self.json("ls")["change_sets"], [])
        told, events = len(self.alerts()), len([e for e in self.json("history")["events"] if e["type"] == "drift"])
        self.day(2, {"g1": LESS, "g2": LESS}, kernel="6.12-test")
        self.assertEqual([(s["id"], s["guests"]) for s in self.json("ls")["change_sets"]], [(same, 2)])
        self.assertEqual(len(self.alerts()), told)
        self.assertEqual(len([e for e in self.json("history")["events"] if e["type"] == "drift"]), events)
        self.assertEqual(db.execute("SELECT at FROM drifts ORDER BY guest").fetchall(), opened)
        db.close()

    def test_the_same_changes_for_a_worse_reason_are_told_again(self):
        """What was an option's doing, and is by now the kernel's, is another thing to who was told that it was intended."""
        self.day(0, {"g1": LEAVES}, args=("-cpu", "qemu64"))
        self.day(1, {"g1": LESS}, args=("-cpu", "qemu64,-cx16"))
        self.assertEqual([(a["type"], a["verdict"]) for a in self.alerts()], [("drift", "intended")])
        self.day(2, {"g1": LESS}, kernel="6.12-test", args=("-cpu", "qemu64"))
        self.assertEqual([(a["type"], a["verdict"]) for a in self.alerts()], [("drift", "intended"), ("drift", "violation")])
        # And back: nobody is rung for what got better; nor for the same once more.
        self.day(3, {"g1": LESS}, kernel="6.12-test", args=("-cpu", "qemu64"))
        self.assertEqual(len(self.alerts()), 2)

    def test_what_went_under_a_running_guest_is_another_set_than_what_a_boot_did_not_get(self):
        self.day(0, {"g1": LEAVES, "g2": LEAVES})
        traces.REALTIME_NS = self.began + DAY_NS
        trace = Trace()
        trace.add(traces.HOST, pairs(("hostname", "testhost"), ("boot_id", "b0"), ("arch", "x86_64"), ("kernel.release", "6.12-test"),
                                     ("cpu.model", "Test CPU"), ("cpu.microcode", "0x1"), ("abidrift", "test")))
        life(trace, 11, "g1", uuid_of(1), LESS)
        life(trace, 12, "g2", uuid_of(2), LEAVES)
        trace.cpuid(12, 1, LESS)
        trace.tick(4)
        trace.synced()
        abidrift("replay", trace.write(self.folder.file("running.trace")), *SETTLE, store=self.store, ok=(0, 1, 3))
        sets = {name: (g["change_set"], g["severity"]) for name, g in self.guests().items()}
        self.assertEqual(sets["g2"][1], "critical")
        self.assertNotEqual(sets["g1"][0], sets["g2"][0], sets)

    def test_a_guests_own_mac_parts_no_set(self):
        self.day(0, {"g1": LEAVES, "g2": LEAVES})
        for number in (1, 2):
            traces.REALTIME_NS = BEGAN_NS + DAY_NS
            t = Trace()
            life(t, 10 + number, f"g{number}", uuid_of(number), LESS, args=("-device", f"e1000,mac=52:54:00:00:00:0{number}"))
            t.synced()
            t.gone(10 + number)
            t.tick(1)
            abidrift("replay", t.write(self.folder.file("mac.trace")), *SETTLE, store=self.store, ok=(1,))
        self.assertEqual([s["guests"] for s in self.json("ls")["change_sets"]], [2])


class History(Store):
    def host_events(self, *args):
        return [e for e in self.json("history", *args)["events"] if e["type"] == "host"]

    def test_a_change_of_the_host_tells_what_it_did_to_whom(self):
        self.upgraded()
        # One that drifts later, after the kernel went on, is the later kernel's.
        self.day(2, {"g5": LESS}, kernel="6.13-test")
        events = [e for e in self.host_events() if any(f["factor"] == "kernel" for f in e["context"])]
        told = {f["to"]: [g["name"] for g in e["guests"]] for e in events for f in e["context"] if f["factor"] == "kernel"}
        self.assertEqual(told["6.12-test"], ["g1", "g2", "g3", "g4"])
        self.assertEqual(told["6.13-test"], ["g5"])
        self.assertEqual({e["guests"] is None for e in self.json("history")["events"] if e["type"] != "host"}, {True})
        text = abidrift("history", store=self.store).stdout
        self.assertRegex(text, r"host .*testhost: kernel 6.1.0-test → 6.12-test; 4 guests drifted because of it: g1, g2, g3, g4")
        self.assertRegex(text, r"host .*kernel 6.1.0-test → 6.13-test; 1 guest drifted because of it: g5")

    def test_since_the_last_host_change(self):
        self.day(0, {"g1": LEAVES})
        self.assertIn("has not changed", abidrift("history", "--since", "last-host-change", store=self.store, ok=(2,)).stderr)
        self.day(1, {"g1": LEAVES}, kernel="6.12-test")
        self.day(2, {"g1": LESS})
        everything, since = self.json("history")["events"], self.json("history", "--since", "last-host-change")["events"]
        self.assertEqual(since, [e for e in everything if e["at"] >= self.host_events()[-1]["at"]])
        self.assertEqual(since[0]["type"], "host")
        self.assertLess(len(since), len(everything))

    def test_a_fingerprint_says_which_and_how_far_from_the_one_before(self):
        self.upgraded()
        reasons = [(e["revision"], e["reason"]) for e in self.json("history", "g1")["events"] if e["type"] == "fingerprint"]
        digest = {rev: self.json("show", f"g1@{rev}")["digest"] for rev in (1, 2)}
        self.assertEqual(reasons, [(1, f"{digest[1][:19]}: the first"), (2, f"{digest[2][:19]}: 1 entry differs from revision 1")])


class Maintenance(Store):
    """Yesterday the baselines; a window of a day begins now; the traces are of what the next days will bring."""
    def setUp(self):
        super().setUp()
        self.began = time.time_ns() - DAY_NS

    def window(self, *args, ok=(0,)):
        return abidrift("maintenance", *args, store=self.store, ok=ok)

    def told(self):
        return [(a["type"], a["guest"]["name"]) for a in self.alerts()]

    def test_alerts_wait_and_one_sums_them_up(self):
        self.day(0, {f"g{i}": LEAVES for i in range(1, 6)})
        self.assertIsNone(self.json("maintenance")["maintenance"])
        shown = json.loads(self.window("--for", "1d", "--reason", "kernel 6.12", "--json").stdout)["maintenance"]
        self.assertEqual((shown["reason"], shown["over"]), ("kernel 6.12", False))
        self.assertEqual(self.json("maintenance")["maintenance"], shown)
        # Nobody forgets that no alert will come.
        self.assertEqual({**self.json("ls")["maintenance"], "over": False}, shown)
        self.assertRegex(abidrift("ls", store=self.store).stdout, "maintenance window until .*: alerts of drift wait for its end\n$")
        self.day(1.1, {"g1": LESS, "g2": LESS, "g3": LESS, "g4": OTHER, "g5": LEAVES}, kernel="6.12-test")
        # It is judged, stored and shown as ever.
        guests = self.guests()
        self.assertEqual([guests[f"g{i}"]["state"] for i in range(1, 6)], ["drift"] * 4 + ["same"])
        self.assertEqual(len([e for e in self.json("history")["events"] if e["type"] == "drift"]), 4)
        self.assertEqual(self.told(), [])
        # Nobody watched when it ended; who watches next tells.
        self.day(3, {})
        self.assertEqual(self.told(), [("drift", None)])
        alert = self.alerts()[0]
        self.assertEqual(alert["guest"], {"uuid": None, "name": None})
        self.assertEqual([(s["id"], s["guests"], s["changes"]) for s in alert["change_sets"]],
                         [(guests["g1"]["change_set"], ["g1", "g2", "g3"], 1), (guests["g4"]["change_set"], ["g4"], 1)])
        self.assertRegex(alert["summary"], r"^maintenance window of 1d ended: 4 guests drift: 3 the same change \(violation, critical\): kernel .*; g4 \(violation, warning\): kernel ")
        self.assertEqual(len(alert["changes"]), 2)
        self.assertEqual(alert["severity"], guests["g1"]["severity"])
        self.assertIsNone(self.json("maintenance")["maintenance"])
        events = [e for e in self.json("history")["events"] if e["type"] == "maintenance"]
        self.assertRegex(events[0]["reason"], "^begins, until .*: kernel 6.12$")
        self.assertEqual(events[1]["reason"], alert["summary"])
        self.assertIsNone(self.json("ls")["maintenance"])
        self.assertNotIn("maintenance", abidrift("ls", store=self.store).stdout)
        # From then on each alert goes out, and the window is not told again.
        self.day(4, {"g5": LESS})
        self.assertEqual(self.told(), [("drift", None), ("drift", "g5")])

    def test_what_came_and_went_is_counted_only(self):
        self.day(-0.5, {"g1": LEAVES, "g2": LEAVES, "g3": LEAVES})
        self.day(0, {"g2": LESS})
        self.assertEqual(self.told(), [("drift", "g2")])
        self.window("--for", "1d")
        self.day(1.1, {"g1": LESS, "g2": LEAVES, "g3": LEAVES})
        self.day(1.3, {"g1": LEAVES})
        self.assertEqual({g["state"] for g in self.guests().values()}, {"same"})
        self.day(3, {})
        self.assertEqual(self.told(), [("drift", "g2"), ("resolved", None)])
        alert = self.alerts()[1]
        self.assertEqual((alert["severity"], alert["verdict"], alert["change_sets"], alert["changes"]), ("info", None, [], []))
        self.assertRegex(alert["summary"], "no guest drifts because of it; 1 guest is as its baseline again; 1 guest drifted in it, and does no more$")

    def test_what_drifted_before_is_not_told_again(self):
        self.day(-0.5, {"g1": LEAVES, "g2": LEAVES})
        self.day(0, {"g1": LESS})
        self.window("--for", "1d")
        self.day(1.1, {"g1": LESS, "g2": OTHER})
        self.day(3, {})
        self.assertEqual([s["guests"] for s in self.alerts()[1]["change_sets"]], [["g2"]])

    def test_drift_after_the_end_is_told_for_itself(self):
        """The end comes first, also where the next thing that happens is drift and not a look at the clock."""
        self.day(0, {"g1": LEAVES, "g2": LEAVES})
        self.window("--for", "1d")
        self.day(1.1, {"g1": LESS})
        self.day(3, {"g2": LESS})
        self.assertEqual(self.told(), [("drift", None), ("drift", "g2")])
        self.assertEqual([s["guests"] for s in self.alerts()[0]["change_sets"]], [["g1"]])

    def test_an_accept_in_the_window_is_not_told_either(self):
        self.day(0, {"g1": LEAVES})
        self.window("--for", "1d")
        self.day(1.1, {"g1": LESS})
        self.json("accept", "g1")
        self.assertEqual(self.told(), [])
        self.day(3, {})
        self.assertEqual(self.told(), [("resolved", None)])

    def test_it_is_ended_by_hand(self):
        self.day(0, {"g1": LEAVES})
        self.window("--for", "30d")
        self.assertIn("open already", self.window("--for", "1h", ok=(2,)).stderr)
        self.window("--end")
        self.assertTrue(self.json("maintenance")["maintenance"]["over"])
        self.day(1.5, {})
        self.assertEqual(self.told(), [("resolved", None)])
        self.assertRegex(self.alerts()[0]["summary"], "^maintenance window of [0-9]+[sm] ended: ")
        self.assertIn("no maintenance window is open", self.window("--end", ok=(2,)).stderr)
        # One that is over and that no monitor saw end does not stand in the way of the next.
        self.window("--for", "1h")
        self.window("--end")
        self.window("--for", "2h")
        self.assertEqual(self.told()[1:], [("resolved", None)])

    def test_what_cannot_be_meant_is_refused(self):
        self.day(0, {"g1": LEAVES})
        for args in (("--for", "soon"), ("--for", "0s"), ("--for", "32d"), ("--reason", "x"), ("--end", "--for", "1h"), ("now",)):
            self.assertTrue(self.window(*args, ok=(2,)).stderr)
        self.assertIsNone(self.json("maintenance")["maintenance"])


if __name__ == "__main__":
    unittest.main()
