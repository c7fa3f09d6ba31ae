# SPDX-License-Identifier: Apache-2.0
"""Suppression rules, from the configuration to exit codes, views, history and doctor. On made-up traces: no root, no KVM."""
import datetime
import json
import unittest

from harness import Folder, abidrift
from traces import COVERAGE, LEAVES, REALTIME_NS, Trace, life, pairs, without

UUID = "11111111-2222-3333-4444-555555555555"
MORE = {**LEAVES, (7, 0): (0, 0x219c07ab, 0, 0)}
EDX, EBX = 3, 1
CHANGED = without(without(MORE, 1, EDX, 25), 7, EBX, 5)


def date(seconds):
    """So long after the trace begins."""
    at = datetime.datetime.fromtimestamp(REALTIME_NS // 10**9 + 1 + seconds, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.store = "sqlite:" + self.folder.file("store.db")
        self.trace = self.folder.file("x.trace")
        self.config = self.folder.file("abidrift.conf")
        t = Trace()
        life(t, 1, "web-1", UUID, MORE, seconds=4)
        t.gone(1)
        life(t, 2, "web-1", UUID, CHANGED, seconds=10)
        t.write(self.trace)

    def configure(self, **rules):
        """A rule of each name, its keys as given."""
        with open(self.config, "w") as f:
            f.write("[monitor]\nsettle = 1s\n")
            for name, keys in rules.items():
                f.write(f"[suppress {name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))

    def replay(self, code, *args):
        return json.loads(abidrift("replay", self.trace, "--config", self.config, "--json", *args, store=self.store, ok=(code,)).stdout)

    def json(self, verb, *args, code=0):
        return json.loads(abidrift(verb, *args, "--json", store=self.store, ok=(code,)).stdout)

    def rule(self, name):
        return {r["rule"]: r for r in self.json("doctor", "--config", self.config)["suppressions"]}[name]

    def types(self):
        return [e["type"] for e in self.json("history")["events"]]

    def test_what_is_known_is_shown_and_counts_for_nothing(self):
        """An operator who has said why a change is right hears no more of it, and still finds it."""
        self.configure(known={"facet": "cpuid", "key": "0x0000000?.0.*", "guest": "web-*", "reason": "ticket 42"})
        result = self.replay(0)
        self.assertEqual([c["suppressed_by"] for c in result["changes"]], ["known", "known"])
        self.assertEqual(result["diffs"][0]["result"], "same")
        self.assertEqual(result["diffs"][0]["suppressed"], [{"rule": "known", "reason": "ticket 42", "changes": 2, "at_most": None, "applied": True}])
        guest = self.json("ls")["guests"][0]
        self.assertEqual((guest["state"], guest["severity"], guest["changes"]), ("same", "none", 0))
        self.assertNotIn("drift", self.types())
        self.assertEqual(self.json("diff", "web-1", "--config", self.config)["result"], "same")
        self.assertEqual(self.json("diff", "web-1", code=1)["result"], "drift")
        rule = self.rule("known")
        self.assertEqual((rule["state"], rule["changes"], rule["guests"]), ("applied", 2, 1))
        self.assertIsNotNone(rule["last_at"])

    def test_what_no_rule_fits_still_counts(self):
        self.configure(known={"key": "0x00000001.*", "reason": "ticket 42"})
        changes = self.replay(1)["changes"]
        self.assertEqual({c["key"]: c["suppressed_by"] for c in changes}, {"0x00000001.0.edx": "known", "0x00000007.0.ebx": None})
        self.assertEqual(self.json("ls")["guests"][0]["changes"], 1)
        events = [e for e in self.json("history")["events"] if e["type"] == "drift"]
        self.assertEqual([[c["key"] for c in e["changes"]] for e in events], [["0x00000007.0.ebx"]])

    def test_a_rule_that_hides_more_than_it_says_hides_nothing_and_is_told(self):
        """A pattern that was meant for one register must not swallow the next upgrade."""
        self.configure(narrow={"facet": "cpuid", "at_most": 1, "reason": "only rdseed"}, typo={"key": "0x000000001.*", "reason": "a 0 too many"})
        self.assertEqual([c["suppressed_by"] for c in self.replay(1)["changes"]], [None, None])
        narrow = self.rule("narrow")
        self.assertEqual((narrow["state"], narrow["changes"], narrow["over"]), ("not applied", 0, [{"guest": "web-1", "changes": 2}]))
        self.assertEqual((self.rule("typo")["state"], self.rule("typo")["last_at"]), ("never matched", None))
        text = abidrift("doctor", "--config", self.config, store=self.store).stdout
        self.assertRegex(text, "narrow +fits 2 changes of web-1, says at most 1: not applied")
        self.assertRegex(text, "typo +never matched")
        verbose = abidrift("replay", self.trace, "--config", self.config, "-v", ok=(1,)).stderr
        self.assertEqual(verbose.count("web-1: suppression rule narrow fits 2 changes, says at most 1: not applied"), 1, verbose)

    def test_a_rule_that_has_ended_hides_nothing_and_is_told(self):
        self.configure(old={"facet": "cpuid", "until": "2026-01-01", "reason": "until the new CPU model"})
        self.assertEqual([c["suppressed_by"] for c in self.replay(1)["changes"]], [None, None])
        self.assertEqual(self.rule("old")["state"], "ended")

    def test_what_a_rule_hid_is_told_when_it_ends(self):
        """"Until Friday" is no promise if nobody looks again on Friday."""
        end = date(9)
        self.configure(friday={"facet": "cpuid", "until": end, "reason": "until Friday"})
        self.replay(1)
        drifts = [e for e in self.json("history")["events"] if e["type"] == "drift"]
        self.assertEqual(len(drifts), 1, drifts)
        self.assertGreaterEqual(drifts[0]["at"], end[:-1])
        self.assertEqual(len(drifts[0]["changes"]), 2)
        self.assertEqual(self.json("ls")["guests"][0]["state"], "drift")

    def test_a_rule_that_is_new_closes_what_was_open(self):
        self.configure()
        self.replay(1)
        self.configure(known={"facet": "cpuid", "reason": "ticket 42"})
        t = Trace()
        t.tick(60)
        life(t, 3, "web-1", UUID, CHANGED)
        t.write(self.trace)
        self.replay(0)
        self.assertEqual([t for t in self.types() if t in ("drift", "resolved")], ["drift", "resolved"])
        self.assertRegex(abidrift("history", store=self.store).stdout, r"(?m)^\S+ +resolved .* what still differs is suppressed \(\d+ changes?\)$")

    def test_a_rule_that_was_taken_out_hides_nothing_any_more(self):
        """Whoever takes a rule out wants to hear of what it hid."""
        known = {"facet": "cpuid", "reason": "ticket 42"}
        self.configure(known=known)
        self.replay(0)
        t = Trace()
        t.tick(60)
        life(t, 3, "web-1", UUID, CHANGED)
        t.write(self.trace)
        self.configure(other={"facet": "cpuid", "change": "lost", "reason": "another"})
        self.replay(1)
        self.assertEqual([t for t in self.types() if t in ("drift", "resolved")], ["drift"])
        self.assertEqual(self.json("ls")["guests"][0]["changes"], 2)

    def test_a_rule_counts_for_what_can_no_longer_be_seen_too(self):
        """What was found stays open where a host shows less; so does what is known of it."""
        known = {"facet": "cpuid", "reason": "ticket 42"}
        self.configure(known=known)
        self.replay(0)
        for seconds, rules, want in ((60, {"known": known}, ("unknown", 0)), (120, {}, ("drift", 2))):
            t = Trace()
            t.add(COVERAGE, pairs(("cpuid", "not on this host")))
            t.tick(seconds)
            t.guest(seconds, "web-1", UUID)
            t.boot(seconds, 1)
            t.slots(seconds, 1, (0, 0x8000000))
            t.port(seconds, 1, 0x510)
            t.tick(4)
            t.write(self.trace)
            self.configure(**rules)
            abidrift("replay", self.trace, "--config", self.config, store=self.store, ok=None)
            guest = self.json("ls")["guests"][0]
            self.assertEqual((guest["state"], guest["changes"]), want)

    def test_mistakes_are_told_with_file_and_line(self):
        for text, line, words in (("[suppress a]\nkex = *\n", 2, "kex"), ("[suppress a]\nkey = *\n", 1, "no reason"), ("\n[suppress a]\n", 2, "no reason"),
                                  ("[suppress a]\nreason = x\n", 1, "what it hides"), ("[suppress a]\nkey = *\nuntil = soon\n", 3, "date"),
                                  ("[suppress a]\nfacet = acip\n", 2, "facet"), ("[suppress a]\nat_most = 0\n", 2, "at_most"),
                                  ("[suppress a]\nchange = new\n", 2, "changed, lost or gained")):
            with open(self.config, "w") as f:
                f.write(text)
            done = abidrift("replay", self.trace, "--config", self.config, ok=(2,))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"{self.config}:{line}: ", done.stderr)
            self.assertIn(words, done.stderr)

    def test_rules_can_be_set_and_are_printed(self):
        self.configure()
        sets = ["--set", "suppress.a.b.facet=cpuid", "--set", "suppress.a.b.reason=why not"]
        self.assertEqual(len(self.replay(0, *sets)["changes"]), 2)
        text = abidrift("run", "--print-config", "--config", self.config, *sets).stdout
        self.assertTrue(text.endswith("\n[suppress a.b]\nfacet = cpuid\nreason = why not\n"), text[-200:])
        printed = json.loads(abidrift("run", "--print-config", "--json", *sets).stdout)
        self.assertEqual(printed["suppress.a.b.facet"], "cpuid")
