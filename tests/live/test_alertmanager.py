# SPDX-License-Identifier: Apache-2.0
"""Drift as Debian's Alertmanager sees it: it arrives, with what identifies it, ends when it is accepted, and no restart of either side
loses an end or tells anything twice."""
import json
import os
import shutil
import signal
import subprocess
import unittest
import urllib.request

from harness import ABIDRIFT, Live, abidrift, wait_for
from test_cli import ECX, LEAVES_MORE, OTHER, QUICK, SSE4_2, UUID
from test_run import children
from traces import Trace, life, without

ALERTMANAGER, AMTOOL = "/usr/bin/prometheus-alertmanager", "/usr/bin/amtool"
CONFIG = "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n"
HOST = "testhost"
LESS = without(LEAVES_MORE, 1, ECX, SSE4_2)
CPU = ("-cpu", "qemu64,-sse4.2")
ALIKE = [f"33333333-0000-0000-0000-{i:012}" for i in range(1, 26)]


class Alertmanager:
    """One on loopback, on a port that the kernel chose and that it keeps over restarts."""
    def __init__(self, test, name="am", config=CONFIG):
        self.test, self.port, self.process = test, 0, None
        self.data, self.config = test.folder.file(name), test.folder.file(name + ".yml")
        with open(self.config, "w") as f:
            f.write(config)
        self.start()

    def start(self):
        self.process = self.test.process([ALERTMANAGER, f"--config.file={self.config}", f"--storage.path={self.data}", "--cluster.listen-address=",
                                          f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=info"])
        self.port = int(self.process.wait_line("Listening on").rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        """It forgets all: alerts are in its memory only, and what is on disk goes too."""
        self.process.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def amtool(self):
        done = subprocess.run([AMTOOL, "alert", "query", "-o", "json", f"--alertmanager.url={self.url}"], capture_output=True, text=True, timeout=60)
        self.test.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout or "[]")

    def alerts(self):
        """Those that are active, of the host of the trace: real guests of this host may drift too."""
        with urllib.request.urlopen(self.url + "/api/v2/alerts", timeout=30) as answer:
            return [a for a in json.load(answer) if a["labels"].get("host") == HOST]

    def drifts(self):
        return [a for a in self.alerts() if a["labels"]["alertname"] == "AbidriftDrift"]

    def wait(self, what, condition):
        return wait_for(what, lambda: condition(self.drifts()))


@unittest.skipUnless(os.path.exists(ALERTMANAGER), "prometheus-alertmanager is not installed")
class Case(Live):
    resend = "1s"

    def trace(self):
        """web-1 lost SSE4.2 at its second start."""
        t = Trace(HOST)
        t.synced()
        life(t, 1, "web-1", UUID, LEAVES_MORE)
        t.gone(1)
        life(t, 2, "web-1", UUID, LESS, args=CPU)
        return t

    def setUp(self):
        super().setUp()
        os.mkdir(self.folder.file("state"))
        self.path = self.folder.file("state/s.db")
        self.store = "sqlite:" + self.path
        abidrift("replay", self.trace().write(self.folder.file("t.trace")), *QUICK, store=self.store, ok=(1,))
        for path in (self.folder.file("state"), self.path):
            shutil.chown(path, "nobody")

    def start(self, *peers, more=()):
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "alertmanager.url=" + " ".join(peers),
                          "--set", f"alertmanager.resend={self.resend}", *more])
        m.wait_line("^abidrift: ready$")
        return m

    def sql(self, text):
        return subprocess.run(["sqlite3", "-cmd", ".timeout 5000", self.path, text], capture_output=True, text=True, check=True).stdout.strip()

    def accept(self, guest=UUID, *args):
        abidrift("accept", guest, *args, store=self.store)

    def one(self, found):
        self.assertEqual(len(found), 1, found)
        return found[0]


class Lasts(Case):
    def test_drift_arrives_with_what_identifies_it_and_ends_when_accepted(self):
        am = Alertmanager(self)
        self.start(am.url)
        alert = self.one(am.wait("the drift", lambda found: found))
        drift = json.loads(abidrift("diff", UUID, "--json", store=self.store, ok=(1,)).stdout)
        self.assertEqual(alert["labels"], {"alertname": "AbidriftDrift", "host": HOST, "severity": drift["severity"], "verdict": drift["verdict"],
                                           "change_set": drift["change_set"], "guest": "web-1", "uuid": UUID})
        said = alert["annotations"]
        self.assertTrue(said["summary"].startswith("web-1: drift, intended, info."), said)
        self.assertIn("sse4.2", said["description"])
        self.assertIn("because  -cpu says what CPUID answers", said["description"])
        self.assertEqual((said["guests"], said["command"]), ("web-1", f"abidrift diff {UUID}"))
        self.assertEqual(alert["status"]["state"], "active")
        self.assertEqual([a["labels"] for a in am.amtool() if a["labels"].get("host") == HOST], [alert["labels"]])
        self.assertEqual(alert["startsAt"][:19], "2026-02-02T02:40:05", "it began when it was seen first, not when it was sent")
        self.accept()
        am.wait("its end", lambda found: not found)
        self.accept(UUID, "--undo")
        again = self.one(am.wait("it again", lambda found: found))
        self.assertEqual(again["labels"], alert["labels"])
        self.assertGreater(again["startsAt"], alert["startsAt"])

    def test_it_lasts_though_it_is_said_to_last_four_resends_only(self):
        am = Alertmanager(self)
        self.resend = "300ms"
        self.start(am.url)
        first = self.one(am.wait("the drift", lambda found: found))
        later = self.one(am.wait("a later word of it", lambda found: [a for a in found if a["endsAt"] > first["endsAt"]]))
        self.assertEqual((first["startsAt"], first["fingerprint"]), (later["startsAt"], later["fingerprint"]))
        wait_for("deliveries", lambda: int(self.sql("SELECT count FROM counters WHERE labels = 'alertmanager,delivered'") or 0) > 3)

    def test_a_restart_of_the_monitor_neither_ends_nor_doubles_anything(self):
        am = Alertmanager(self)
        self.resend = "1h"
        m = self.start(am.url)
        first = self.one(am.wait("the drift", lambda found: found))
        m.stop(signal.SIGKILL)
        m = self.start(am.url)
        again = self.one(am.wait("a word of the second monitor", lambda found: [a for a in found if a["updatedAt"] > first["updatedAt"]]))
        self.assertEqual({k: again[k] for k in ("labels", "annotations", "startsAt", "fingerprint")},
                         {k: first[k] for k in ("labels", "annotations", "startsAt", "fingerprint")})
        m.stop(signal.SIGKILL)
        # It ends while nobody is there to tell.
        self.accept()
        self.assertEqual(len(am.drifts()), 1)
        self.start(am.url)
        am.wait("its end", lambda found: not found)
        wait_for("the store to forget it", lambda: self.sql("SELECT count(*) FROM notices") == "0")

    def test_alertmanager_that_was_away_and_forgot_all_hears_what_lasts_and_what_ended(self):
        am = Alertmanager(self)
        self.start(am.url, more=("--set", "alerts.retry_max=1s"))
        am.wait("the drift", lambda found: found)
        am.stop()
        am.start()
        am.wait("the drift once more", lambda found: found)
        am.process.stop()
        self.accept()
        wait_for("its end in the store", lambda: self.sql("SELECT ends_at > 0 FROM notices") == "1")
        am.start()
        wait_for("its end to be taken", lambda: self.sql("SELECT count(*) FROM notices") == "0")
        self.assertEqual(am.drifts(), [])

    def test_a_dead_peer_holds_up_no_other_and_hears_the_end_when_it_is_back(self):
        am, other = Alertmanager(self), Alertmanager(self, "other")
        other.stop()
        m = self.start(other.url, am.url, more=("--set", "alerts.retry_max=1s"))
        am.wait("the drift", lambda found: found)
        said = m.wait_line("alerts cannot go to alertmanager now")
        self.assertIn(f"127.0.0.1:{other.port}", said)
        self.accept()
        am.wait("its end", lambda found: not found)
        self.assertEqual(self.sql("SELECT peer FROM noticed"), f"{am.url}/api/v2/alerts")
        self.accept(UUID, "--undo")
        am.wait("it again", lambda found: found)
        other.start()
        other.wait("it there too", lambda found: found)
        self.accept()
        for peer in (am, other):
            peer.wait("its end", lambda found: not found)
        wait_for("the store to forget it", lambda: self.sql("SELECT count(*) FROM notices") == "0")
        self.assertEqual(len([line for line in m.err if "cannot go to alertmanager" in line]), 1)

    def test_the_messenger_alone_dies_and_goes_on(self):
        am = Alertmanager(self)
        m = self.start(am.url)
        am.wait("the drift", lambda found: found)
        os.kill(children(m.pid)["messenger"], signal.SIGKILL)
        self.accept()
        am.wait("its end", lambda found: not found)


class Alike(Case):
    """25 guests that lost SSE4.2 alike, and one that did not."""
    def trace(self):
        t = Trace(HOST)
        t.synced()
        for n, guest in enumerate(ALIKE):
            life(t, n + 1, f"web-{n + 1}", guest, LEAVES_MORE, seconds=0)
        life(t, 100, "db-1", OTHER)
        t.tick(4)
        for n in range(len(ALIKE)):
            t.gone(n + 1)
        for n, guest in enumerate(ALIKE):
            life(t, n + 201, f"web-{n + 1}", guest, LESS, args=CPU, seconds=0)
        t.tick(4)
        return t

    def test_guests_that_drift_alike_are_one_alert_until_the_last_is_accepted(self):
        am = Alertmanager(self)
        self.start(am.url)
        alert = self.one(am.wait("the drift", lambda found: found))
        self.assertEqual(set(alert["labels"]), {"alertname", "host", "severity", "verdict", "change_set"})
        self.assertTrue(alert["annotations"]["summary"].startswith("25 guests alike: drift"), alert)
        self.assertTrue(alert["annotations"]["guests"].endswith(" and 5 more (25)"), alert)
        self.assertEqual(alert["annotations"]["guests"].count(","), 19)
        for guest in ALIKE[1:]:
            self.accept(guest)
        left = self.one(am.wait("the one that is left", lambda found: [a for a in found if a["annotations"]["guests"] == "web-1"]))
        self.assertEqual(left["fingerprint"], alert["fingerprint"], "it stays the same alert, or there would be a resolved one for guests that drift")
        self.accept(ALIKE[0])
        am.wait("its end", lambda found: not found)
        self.accept(ALIKE[3], "--undo")
        self.one(am.wait("one guest alone", lambda found: [a for a in found if a["labels"].get("guest") == "web-4"]))
        # Now another one: both are told of together, and that is no end.
        self.accept(ALIKE[4], "--undo")
        both = am.wait("both together", lambda found: [a for a in found if "guest" not in a["labels"]])
        self.assertEqual(self.one(both)["annotations"]["guests"], "web-4, web-5")
        am.wait("the single one to go", lambda found: len(found) == 1)


if __name__ == "__main__":
    unittest.main()
