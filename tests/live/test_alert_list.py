# SPDX-License-Identifier: Apache-2.0
"""Alerts that were raised, and what became of them: who was not woken at night finds out here whether nobody was told, or nobody heard.
On a store made from a made-up trace, with sinks as a messenger leaves them; and with a receiver that is really away."""
import contextlib
import json
import sqlite3
import time

from harness import abidrift, wait_for
from receivers import Sinks
from test_cli import QUICK, UUID, drifted
from test_http import Served

NS = 10**9
KEYS = ["id", "at", "type", "host", "guest", "severity", "verdict", "summary", "changes", "change_set", "sinks"]
CSI = "\x1b[2J"


class Listed(Served):
    def trace(self):
        return drifted()

    def list(self, *args):
        return json.loads(abidrift("alert", "list", *args, "--json", store=self.store).stdout)["alerts"]

    def put(self, ident, at, about=None, **more):
        """As the analyst does."""
        alert = {"id": ident, "at": "2030-01-01T00:00:00Z", "type": "drift", "host": "h", "guest": {"uuid": about, "name": about}, "severity": "warning",
                 "verdict": None, "summary": f"{about}: {ident}", "changes": [], "context": [], "change_set": None, **more}
        self.query("INSERT INTO alerts (id, at, json, guest) VALUES (?, ?, ?, ?)", ident, at, json.dumps(alert), about)


class Alerts(Listed):
    def test_drift_that_was_told_is_listed_as_it_was_told(self):
        [drift] = [a for a in self.list() if a["type"] == "drift"]
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c:
            told, = c.execute("SELECT json FROM alerts WHERE id = ?", (drift["id"],)).fetchone()
        told = json.loads(told)
        self.assertEqual(list(drift), KEYS)
        self.assertEqual({k: drift[k] for k in KEYS if k not in ("guest", "changes", "sinks")}, {k: told[k] for k in KEYS if k not in ("guest", "changes", "sinks")})
        self.assertEqual((drift["guest"], drift["changes"], drift["sinks"]), ({"id": UUID, **told["guest"]}, len(told["changes"]), []))
        self.assertTrue(drift["changes"])

    def test_what_became_of_it_at_each_sink(self):
        row = "(SELECT row FROM alerts WHERE id = 'lost')"
        self.put("lost", time.time_ns(), "web-1", guest={"uuid": UUID, "name": "web-1"})
        for sink, done in (("journal", row), ("syslog", "0"), ("webhook", "0")):
            self.query(f"INSERT INTO sinks (sink, done) VALUES (?, {done})", sink)
        self.query(f"INSERT INTO acknowledged (sink, alert) VALUES ('syslog', {row})")
        self.query(f"INSERT INTO deliveries (sink, alert, attempts, next_at, why) VALUES ('webhook', {row}, 2, 0, ?)", "HTTP status 503" + CSI)
        [lost] = [a for a in self.list() if a["id"] == "lost"]
        self.assertEqual(lost["sinks"], [{"sink": "journal", "state": "done", "attempts": 0, "why": None}, {"sink": "syslog", "state": "done", "attempts": 0, "why": None},
                                         {"sink": "webhook", "state": "waiting", "attempts": 2, "why": "HTTP status 503" + CSI}])
        text = abidrift("alert", "list", store=self.store).stdout
        self.assertRegex(text, r"(?m)drift .* web-1 .* webhook waits \(refused 2 times: HTTP status 503\\x1b\[2J\) .* web-1: lost")
        self.query("DELETE FROM deliveries")
        self.query(f"UPDATE sinks SET done = {row}")
        self.assertRegex(abidrift("alert", "list", store=self.store).stdout, r"(?m) web-1 +done +web-1: lost")

    def test_of_one_guest_and_since(self):
        now = time.time_ns()
        self.put("old", now - 7200 * NS, UUID)
        self.put("mine", now - 60 * NS, UUID)
        self.put("other", now - 50 * NS, "someone")
        self.put("host", now - 40 * NS, None, type="blind")
        ids = lambda *args: [a["id"] for a in self.list(*args)]
        self.assertEqual(ids("--since", "1h"), ["mine", "other", "host"])
        self.assertEqual(ids("web-1", "--since", "1h"), ["mine"])
        self.assertEqual(ids("web-1")[-2:], ["old", "mine"])
        self.assertNotIn("other", ids("web-1"))
        host = self.list("--since", "1h")[-1]
        self.assertEqual((host["guest"], host["type"]), (None, "blind"))
        self.assertEqual(abidrift("alert", "list", "db-1", store=self.store).stdout, "no alert was raised\n")
        self.assertEqual(abidrift("alert", "list", "db-1", "--quiet", store=self.store).stdout, "")

    def test_one_that_is_damaged_says_so(self):
        """A row of nothing but dashes is passed over."""
        for n, broken in enumerate(("{broken", "null", "[]", "")):
            self.query("INSERT INTO alerts (id, at, json, guest) VALUES (?, ?, ?, ?)", f"b{n}", time.time_ns(), broken, UUID)
        damaged = self.list()[-4:]
        for alert in damaged:
            self.assertEqual((alert["type"], alert["severity"], alert["guest"]["id"], alert["changes"]), (None, None, UUID, 0))
            self.assertIn("cannot be read", alert["summary"])
        self.assertRegex(abidrift("alert", "list", store=self.store).stdout, rf"(?m){UUID} .*cannot be read: the store is damaged")

    def test_wrong_words_are_one_clear_line(self):
        for args, said in ((["list", "nobody"], "known as nobody"), (["list", "--since", "soon"], "--since soon"), (["lst"], "alert list"), (["list", "a", "b"], 'nothing to do with "b"'),
                           (["list", "--set", "syslog.enable=on"], "--set"), (["test", "stdout", "--since", "1h"], "--since")):
            self.assertIn(said, self.refused(*args, verb="alert"))

    def test_hostile_names_stay_data(self):
        name = "<img src=x onerror=alert(1)>" + CSI
        self.put("bad", time.time_ns(), UUID, guest={"uuid": UUID, "name": name}, summary=name + "\n: drift")
        text = abidrift("alert", "list", store=self.store).stdout
        self.assertNotIn("\x1b", text)
        self.assertEqual(text.count("\n"), 1 + len(self.list()))
        self.assertEqual(self.list()[-1]["guest"]["name"], name)


class OverHttp(Listed):
    def test_the_same_bytes_as_the_verb_and_the_same_words_of_refusal(self):
        s = self.serve()
        self.put("mine", time.time_ns(), UUID)
        for path, *args in (("/api/v1/alerts",), ("/api/v1/alerts?guest=web-1", "web-1"), ("/api/v1/alerts?since=1h", "--since", "1h"), ("/api/v1/alerts?guest=db-1", "db-1")):
            answer = s.ask(path)
            self.assertEqual((answer.status, answer.body.decode()), (200, abidrift("alert", "list", *args, "--json", store=self.store).stdout), path)
        for path, status, said in (("?guest=nobody", 404, "nobody"), ("?since=soon", 400, "soon"), ("?limit=0", 400, "limit"), ("?limit=5001", 400, "limit"), ("?before=x", 400, "before"),
                                   ("?before=", 400, "before"), ("?before=0", 400, "before"), ("?before=99999999999999999999", 400, "before"), ("?sink=a", 400, "sink")):
            answer = s.ask("/api/v1/alerts" + path)
            self.assertEqual(answer.status, status, path)
            self.assertIn(said, answer.json()["error"])

    def parts(self, s, query):
        got, before, asked = [], "", 0
        while before is not None:
            answer = s.ask(f"/api/v1/alerts?{query}{before}").json()
            got, asked = answer["alerts"] + got, asked + 1
            before = "&before=" + answer["before"] if "before" in answer else None
        return [a["id"] for a in got], asked

    def test_many_are_given_in_parts_and_none_is_missing(self):
        """One answer over all of a year's alerts would hold up the next alert."""
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.executemany("INSERT INTO alerts (id, at, json, guest) VALUES (?, ?, ?, ?)",
                          [(f"n{i}", i, json.dumps({"summary": "x"}), UUID if i % 1000 == 0 else None) for i in range(12000)])
        s = self.serve()
        everything = [a["id"] for a in self.list()]
        self.assertEqual(len(everything), len(set(everything)))
        self.assertGreater(len(everything), 12000)
        newest = s.ask("/api/v1/alerts").json()
        self.assertEqual([a["id"] for a in newest["alerts"]], everything[-1000:])
        self.assertEqual(self.parts(s, "limit=5000")[0], everything)
        # Of a guest few are found in what is looked through at once.
        mine, asked = self.parts(s, "guest=web-1")
        self.assertEqual(mine, [a["id"] for a in self.list("web-1")])
        self.assertEqual(len([i for i in mine if i.startswith("n")]), 12)
        self.assertEqual(asked, 3)
        self.assertEqual(self.parts(s, "guest=web-1&limit=1")[0], mine)

    def test_large_alerts_are_fewer(self):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.executemany("INSERT INTO alerts (id, at, json) VALUES (?, ?, ?)", [(f"n{i}", i, json.dumps({"changes": ["x" * 1_000_000]})) for i in range(12)])
        s = self.serve()
        self.assertLess(len(s.ask("/api/v1/alerts").json()["alerts"]), 7)
        self.assertEqual(self.parts(s, "limit=1000")[0], [a["id"] for a in self.list()])


class Delivered(Sinks):
    def test_a_receiver_that_is_away_is_seen_and_that_it_took_all_in_the_end(self):
        hook = self.receiver()
        self.monitor_of(f"webhook.url={hook.url()}")
        hook.stop()
        name = self.put("a", 1)

        def fate():
            alerts = json.loads(abidrift("alert", "list", "--json", store=self.store).stdout)["alerts"]
            return next((s for a in alerts if a["id"] == name for s in a["sinks"] if s["sink"] == "webhook"), {})

        wait_for("why it waits", lambda: fate().get("why"))
        self.assertEqual(fate()["state"], "waiting")
        self.assertIn("connect", fate()["why"])
        hook.start()
        wait_for("done", lambda: fate()["state"] == "done")
        self.assertEqual([r.id for r in hook.of("a")], [name])
