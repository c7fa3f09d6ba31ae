# SPDX-License-Identifier: Apache-2.0
"""Drift as Debian's Alertmanager sees it: it arrives, with what identifies it, ends when it is accepted, and no restart of either side
loses an end or tells anything twice."""
import contextlib
import email
import email.policy
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import threading
import time
import unittest
import urllib.request

from harness import ABIDRIFT, ROOT, Live, abidrift, wait_for
from receivers import Authority
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
    def __init__(self, test, name="am", config=CONFIG, web=None):
        self.test, self.port, self.process, self.more = test, 0, None, []
        if web:
            self.more = ["--web.config.file=" + test.folder.file(name + "-web.yml")]
            with open(test.folder.file(name + "-web.yml"), "w") as f:
                f.write(web)
        self.data, self.config = test.folder.file(name), test.folder.file(name + ".yml")
        with open(self.config, "w") as f:
            f.write(config)
        self.start()

    def start(self):
        self.process = self.test.process([ALERTMANAGER, f"--config.file={self.config}", f"--storage.path={self.data}", "--cluster.listen-address=",
                                          f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=info", *self.more])
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
    killed = False

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
        self.monitors = []
        os.mkdir(self.folder.file("state"))
        self.path = self.folder.file("state/s.db")
        self.store = "sqlite:" + self.path
        abidrift("replay", self.trace().write(self.folder.file("t.trace")), *QUICK, store=self.store, ok=(1,))
        for path in (self.folder.file("state"), self.path):
            shutil.chown(path, "nobody")

    def start(self, *peers, more=()):
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "alertmanager.url=" + " ".join(peers),
                          "--set", f"alertmanager.resend={self.resend}", *more])
        self.monitors.append(m)
        m.wait_line("^abidrift: ready$")
        return m

    def tearDown(self):
        for m in self.monitors:
            m.stop()
            self.assertEqual([line for line in m.err if re.search("Sanitizer|runtime error" + ("" if self.killed else "|starting it again"), line)], [])

    def sql(self, text, *values):
        """The first column of the first row, as text."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            row = db.execute(text, values).fetchone()
            return str(row[0]) if row else ""

    def counted(self, result):
        return int(self.sql("SELECT count FROM counters WHERE name = 'alerts' AND labels = ?", "alertmanager," + result) or 0)

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
        self.assertEqual(alert["startsAt"][:19], "2026-02-02T02:40:06", "it began when it was seen first, not when it was sent")
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
        wait_for("deliveries", lambda: self.counted("delivered") > 3)

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
        wait_for("the store to know", lambda: self.sql("SELECT peer FROM noticed") == f"{am.url}/api/v2/alerts")
        self.accept(UUID, "--undo")
        am.wait("it again", lambda found: found)
        other.start()
        other.wait("it there too", lambda found: found)
        self.accept()
        for peer in (am, other):
            peer.wait("its end", lambda found: not found)
        wait_for("the store to forget it", lambda: self.sql("SELECT count(*) FROM notices") == "0")
        self.assertEqual(len([line for line in m.err if "cannot go to alertmanager" in line]), 1)

    def test_a_clock_that_was_set_back_keeps_neither_drift_nor_its_end_from_anybody(self):
        am = Alertmanager(self)
        m = self.start(am.url)
        am.wait("the drift", lambda found: found)
        wait_for("it in the store", lambda: self.sql("SELECT count(*) FROM notices") == "1")
        m.stop()
        am.stop()
        am.start()
        # As a store has it when the clock goes back by a day.
        self.sql("UPDATE notices SET starts_at = ?", time.time_ns() + 24 * 3600 * 10**9)
        self.start(am.url)
        am.wait("the drift again", lambda found: found)
        self.accept()
        am.wait("its end", lambda found: not found)
        self.assertEqual(self.counted("failed"), 0)

    def test_a_row_that_is_no_notice_is_dropped_and_stops_no_other(self):
        self.sql("INSERT INTO notices (key, json, starts_at, ends_at) VALUES ('blind/damaged', '{\"guests\":[]}', 1, 2)")
        am = Alertmanager(self)
        self.start(am.url)
        am.wait("the drift", lambda found: found)
        wait_for("the row to go", lambda: self.sql("SELECT count(*) FROM notices WHERE key = 'blind/damaged'") == "0")

    def test_the_messenger_alone_dies_and_goes_on(self):
        am = Alertmanager(self)
        m = self.start(am.url)
        am.wait("the drift", lambda found: found)
        self.killed = True
        os.kill(children(m.pid)["messenger"], signal.SIGKILL)
        self.accept()
        am.wait("its end", lambda found: not found)


class Waits(Case):
    """web-1 drifts, and db-1."""
    def trace(self):
        t = super().trace()
        life(t, 3, "db-1", OTHER, LEAVES_MORE)
        t.gone(3)
        life(t, 4, "db-1", OTHER, without(LEAVES_MORE, 1, ECX, 13), args=("-cpu", "qemu64,-cx16"))
        return t

    def settled(self, yes):
        self.sql("UPDATE instances SET settled = ? WHERE running = 1 AND guest = (SELECT row FROM guests WHERE id = ?)", yes, UUID)

    def names(self, found):
        return sorted(a["labels"]["guest"] for a in found)

    def test_drift_that_still_grows_waits_for_its_boot_to_settle(self):
        self.settled(0)
        am = Alertmanager(self)
        self.start(am.url)
        am.wait("the other", lambda found: found)
        wait_for("it to be sent several times", lambda: self.counted("delivered") > 2)
        self.assertEqual(self.names(am.drifts()), ["db-1"])
        self.settled(1)
        am.wait("both", lambda found: self.names(found) == ["db-1", "web-1"])

    def test_critical_drift_waits_for_nothing(self):
        self.settled(0)
        self.sql("UPDATE drifts SET json = json_set(json, '$.changes[0].severity', 'critical') WHERE guest = (SELECT row FROM guests WHERE id = ?)", UUID)
        am = Alertmanager(self)
        self.start(am.url)
        found = am.wait("both", lambda found: len(found) == 2 and found)
        self.assertEqual({a["labels"]["guest"]: a["labels"]["severity"] for a in found}, {"web-1": "critical", "db-1": "info"})

    def test_what_was_told_goes_on_while_another_drift_of_the_guest_settles(self):
        am = Alertmanager(self)
        self.start(am.url)
        first = am.wait("both", lambda found: len(found) == 2 and found)
        old = [a for a in first if a["labels"]["guest"] == "web-1"][0]
        self.sql("UPDATE instances SET settled = 0 WHERE guest = (SELECT row FROM guests WHERE id = ?)", UUID)
        self.sql("UPDATE drifts SET change_set = 'feedfeedfeedfeed' WHERE guest = (SELECT row FROM guests WHERE id = ?)", UUID)
        sent = self.counted("delivered")
        wait_for("it to be sent several times", lambda: self.counted("delivered") > sent + 2)
        self.assertIn(old["fingerprint"], [a["fingerprint"] for a in am.drifts()])
        self.assertEqual(len(am.drifts()), 2)
        self.settled(1)
        am.wait("the other drift instead", lambda found: [a for a in found if a["labels"]["change_set"] == "feedfeedfeedfeed"])
        am.wait("the old one to end", lambda found: old["fingerprint"] not in [a["fingerprint"] for a in found])

    def test_a_maintenance_window_ends_nothing_and_lets_new_drift_wait(self):
        self.accept()
        am = Alertmanager(self)
        self.start(am.url)
        am.wait("db-1's", lambda found: self.names(found) == ["db-1"])
        abidrift("maintenance", "--for", "1h", "--reason", "test", store=self.store)
        self.accept(UUID, "--undo")
        sent = self.counted("delivered")
        wait_for("it to be sent several times", lambda: self.counted("delivered") > sent + 2)
        self.assertEqual(self.names(am.drifts()), ["db-1"])
        self.accept(OTHER)
        am.wait("db-1's end: it is none of the window's", lambda found: not found)
        abidrift("maintenance", "--end", store=self.store)
        am.wait("web-1's", lambda found: self.names(found) == ["web-1"])

    def test_a_stopped_guest_still_drifts_and_an_anonymous_one_that_is_gone_does_not(self):
        am = Alertmanager(self)
        self.start(am.url)
        am.wait("both", lambda found: len(found) == 2)
        self.sql("UPDATE instances SET running = 0")
        self.sql("UPDATE guests SET anonymous = 1 WHERE id = ?", OTHER)
        am.wait("db-1's end", lambda found: self.names(found) == ["web-1"])


class Blinds(Case):
    def blind(self, scope, guest=None, severity="warning", reason="a test said so"):
        self.sql("INSERT INTO blinds (scope, host, guest, at, severity, reason) VALUES (?, ?, ?, ?, ?, ?)", scope, HOST, guest, time.time_ns(), severity, reason)

    def blinds(self, am):
        return {a["labels"]["scope"]: a for a in am.alerts() if a["labels"]["alertname"] == "AbidriftBlind"}

    def test_who_no_longer_sees_is_told_of_until_he_does(self):
        am = Alertmanager(self)
        self.start(am.url)
        self.blind(f"facet/{HOST}/ports")
        self.blind(f"guest/{UUID}/pci", UUID)

        def all_three():
            # With its first heartbeat a monitor ends what was told of its host under another name, and HOST is one: it is told once more then.
            if self.sql("SELECT count(*) FROM blinds WHERE scope LIKE 'monitor/%'") == "0":
                self.blind(f"monitor/{HOST}", severity="critical", reason="no sign of life for 30 s")
            return len(self.blinds(am)) == 3 and self.blinds(am)

        found = wait_for("all three", all_three)
        same = {"alertname": "AbidriftBlind", "host": HOST}
        self.assertEqual(found["monitor"]["labels"], {**same, "scope": "monitor", "severity": "critical"})
        self.assertEqual(found["facet"]["labels"], {**same, "scope": "facet", "severity": "warning", "facet": "ports"})
        self.assertEqual(found["guest"]["labels"], {**same, "scope": "guest", "severity": "warning", "facet": "pci", "guest": "web-1", "uuid": UUID})
        self.assertEqual(found["monitor"]["annotations"], {"summary": "its guests are not watched: no sign of life for 30 s",
                                                           "description": "no sign of life for 30 s", "command": "systemctl status abidrift",
                                                           "runbook_url": "docs/operations.md#blind"})
        self.assertEqual(found["facet"]["annotations"]["summary"], "less is seen of its guests than before: ports: a test said so")
        self.assertEqual(found["guest"]["annotations"]["summary"], "web-1: less is seen of it than its baseline holds: pci: a test said so")
        # What the page that it names says of it.
        with open(os.path.join(ROOT, "docs", "operations.md")) as f:
            page = f.read()
        self.assertIn("\n## Blind\n", page)
        for a in found.values():
            self.assertIn(re.sub("^web-1: ", "", a["annotations"]["summary"]).split(": ")[0], page)
        self.sql("DELETE FROM blinds")
        wait_for("their ends", lambda: not self.blinds(am))
        wait_for("the store to forget them", lambda: self.sql("SELECT count(*) FROM notices WHERE key LIKE 'blind/%'") == "0")

    def test_more_than_one_request_holds_are_all_told_and_all_ended(self):
        am = Alertmanager(self)
        self.start(am.url, more=("--set", "alertmanager.resend=1h"))
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            db.executemany("INSERT INTO blinds (scope, host, guest, at, severity, reason) VALUES (?, ?, NULL, 1, 'info', 'x')",
                           [(f"facet/{HOST}/f{n:04}", HOST) for n in range(1201)])
        count = lambda: len([a for a in am.alerts() if a["labels"]["alertname"] == "AbidriftBlind"])
        wait_for("all of them", lambda: count() == 1201)
        self.sql("DELETE FROM blinds")
        wait_for("all their ends", lambda: count() == 0)
        wait_for("the store to forget them", lambda: self.sql("SELECT count(*) FROM notices WHERE key LIKE 'blind/%'") == "0")


class Hostile(Case):
    NAMES = ["line\nbreak\t\x1b[31m", "not utf-8 \udcff\udcfe", '{"a":[1]}', "a" * 4000, "b" * 210 + "1", "b" * 210 + "2", "\u202eevil", "'; rm -rf / #", "emoji 🦊", " "]

    def trace(self):
        t = Trace(HOST)
        t.synced()
        for first, leaves in ((1, LEAVES_MORE), (101, LESS)):
            for n, name in enumerate(self.NAMES):
                life(t, first + n, name, None, leaves, seconds=0)
                t.port(first + n, 1, 0x600 + n)
            t.tick(4)
            for n in range(len(self.NAMES)):
                if first == 1:
                    t.gone(first + n)
        return t

    def setUp(self):
        super().setUp()
        # Each is of a set of its own: alone, so that its name is in a label.
        self.sql("UPDATE drifts SET change_set = printf('%016x', guest)")

    def test_alertmanager_takes_every_name_and_each_stays_itself(self):
        am = Alertmanager(self)
        self.start(am.url)
        found = am.wait("all of them", lambda found: len(found) == len(self.NAMES) and found)
        self.assertEqual(self.counted("failed"), 0)
        names = {a["labels"]["guest"] for a in found}
        self.assertEqual(len(names), len(self.NAMES))
        self.assertLess(max(len(n.encode()) for n in names), 230)
        self.assertIn("emoji 🦊", names)
        for a in found:
            everything = json.dumps(a, ensure_ascii=False)
            self.assertNotIn("\x1b", everything)
            self.assertNotIn("\u202e", everything)
            self.assertLess(len(everything), 8000)
            self.assertNotIn("\n", a["annotations"]["summary"] + a["labels"]["guest"])
        command = [a["annotations"]["command"] for a in found if "rm -rf" in a["labels"]["guest"]][0]
        self.assertEqual(shlex.split(command), ["abidrift", "diff", "'; rm -rf / #"])


class Ends(Case):
    """Addresses, secrets and trust."""
    def test_tls_is_verified_and_a_password_is_sent_and_never_shown(self):
        authority = Authority(self.folder, "ours")
        stranger = Authority(self.folder, "another")
        cert, key = authority.sign("am")
        # bcrypt of "s3cret".
        hashed = "$2b$04$fQuJ/ymKy65p7QbU/eiH1u0kYQPQXVxA8Lj3Lds.kRxu3rrvjAjGK"
        web = f"tls_server_config:\n  cert_file: {cert}\n  key_file: {key}\nbasic_auth_users:\n  abidrift: {hashed}\n"
        am = Alertmanager(self, web=web)
        url = f"https://abidrift:s3cret@127.0.0.1:{am.port}"
        m = self.start(url, more=("--set", "alertmanager.ca_file=" + stranger.cert))
        line = m.wait_line("alerts cannot go to alertmanager now")
        self.assertIn("certificate", line)
        m.stop()
        m = self.start(url, more=("--set", "alertmanager.ca_file=" + authority.cert))
        wait_for("a delivery", lambda: self.counted("delivered"))
        m.stop()
        bad = self.start(url.replace("s3cret", "wr0ng"), more=("--set", "alertmanager.ca_file=" + authority.cert))
        self.assertIn("HTTP 401", bad.wait_line("alerts cannot go to alertmanager now"))
        bad.stop()
        with open(self.path, "rb") as f:
            written = f.read()
        for secret in ("s3cret", "wr0ng"):
            self.assertNotIn(secret, "\n".join(m.err + bad.err))
            self.assertNotIn(secret.encode(), written)

    def test_a_token_is_read_from_a_file_that_is_roots_alone(self):
        got = []

        class Peer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                got.append((self.path, self.headers["Authorization"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass
        peer = Receiver(self, Peer, http.server.ThreadingHTTPServer)
        path = self.folder.file("token")
        with open(path, "w") as f:
            f.write("t0ken\n")
        os.chmod(path, 0o600)
        self.start(f"http://127.0.0.1:{peer.port}/behind/a/proxy/", more=("--set", "alertmanager.token_file=" + path))
        wait_for("a request", lambda: got)
        self.assertEqual(got[0][:2], ("/behind/a/proxy/api/v2/alerts", "Bearer t0ken"))

    def test_a_peer_that_repeats_what_it_was_asked_makes_no_secret_known(self):
        class Peer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                text = f"echoed {self.headers['Authorization']} {self.path}".encode()
                self.send_response(403)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass
        peer = Receiver(self, Peer, http.server.ThreadingHTTPServer)
        path = self.folder.file("token")
        with open(path, "w") as f:
            f.write("t0ken\n")
        bare = f"http://127.0.0.1:{peer.port}/"
        for url, more in ((bare, ("--set", "alertmanager.token_file=" + path)), (bare.replace("//", "//u:pw@", 1), ()), (bare + "t0ken/", ())):
            m = self.start(url, more=more)
            self.assertIn("HTTP 403;", m.wait_line("alerts cannot go to alertmanager now"))
            done = abidrift("alert", "test", "alertmanager", "--set", "alertmanager.url=" + url, *more, store=self.store, ok=(2,))
            m.stop()
            for said in ("\n".join(m.err), done.stdout, done.stderr):
                self.assertNotIn("echoed", said)
        m = self.start(bare)
        self.assertIn("HTTP 403: echoed None /api/v2/alerts;", m.wait_line("alerts cannot go to alertmanager now"))

    def test_a_peer_that_refuses_one_request_is_told_the_rest(self):
        got = []

        class Peer(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bad = any(a["labels"].get("facet") == "f0000" for a in alerts)
                got.append((bad, len(alerts)))
                self.send_response(400 if bad else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass
        peer = Receiver(self, Peer, http.server.ThreadingHTTPServer)
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            db.executemany("INSERT INTO blinds (scope, host, guest, at, severity, reason) VALUES (?, ?, NULL, 1, 'info', 'x')",
                           [(f"facet/{HOST}/f{n:04}", HOST) for n in range(600)])
        m = self.start(f"http://127.0.0.1:{peer.port}")
        m.wait_line("HTTP 400")
        wait_for("the rest", lambda: [n for bad, n in got if not bad])
        self.assertEqual(got[0], (True, 500))

    def test_an_end_outlives_a_store_that_nobody_can_write(self):
        am = Alertmanager(self)
        m = self.start(am.url, more=("--set", "alertmanager.resend=10s"))
        am.wait("the drift", lambda found: found)
        wait_for("it in the store", lambda: self.sql("SELECT count(*) FROM notices") == "1")
        lock = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        self.addCleanup(lock.close)
        lock.execute("BEGIN IMMEDIATE")
        lock.execute("DELETE FROM drifts")
        lock.execute("COMMIT")
        lock.execute("BEGIN IMMEDIATE")
        am.wait("its end, while the store is somebody else's", lambda found: not found)
        m.stop(signal.SIGKILL)
        lock.execute("COMMIT")
        self.start(am.url)
        wait_for("the store to know that it was taken", lambda: self.sql("SELECT count(*) FROM notices") == "0")
        self.assertEqual(am.drifts(), [])

    def test_a_test_says_what_each_peer_answered(self):
        am, dead = Alertmanager(self), Alertmanager(self, "dead")
        dead.stop()
        of = lambda *peers: ["--set", "alertmanager.url=" + " ".join(p.url for p in peers), "--set", "journal.enable=off"]
        abidrift("alert", "test", "alertmanager", *of(am), store=self.store)
        with urllib.request.urlopen(am.url + "/api/v2/alerts", timeout=30) as answer:
            alert, = json.load(answer)
        self.assertEqual((alert["labels"]["alertname"], alert["labels"]["severity"]), ("AbidriftTest", "info"))
        done = abidrift("alert", "test", "alertmanager", *of(am, dead), store=self.store, ok=(2,))
        self.assertIn(f"127.0.0.1:{am.port}: HTTP 200", done.stdout + done.stderr)
        self.assertRegex(done.stdout + done.stderr, rf"127.0.0.1:{dead.port}: .*(refused|connect)")
        done = abidrift("alert", "test", "alertmanager", "--set", f"alertmanager.url={am.url}/elsewhere", "--set", "journal.enable=off", store=self.store, ok=(2,))
        self.assertIn("HTTP 404", done.stdout + done.stderr)
        self.assertIn("alertmanager.url is what comes before /api/v2/alerts", done.stdout + done.stderr)
        self.assertNotIn("\\x0a", done.stdout + done.stderr)

    def test_a_configuration_that_cannot_work_is_refused_at_once(self):
        for setting, word in (("alertmanager.url=http://a/?x", "without"), ("alertmanager.url=http://a:1 http://u:p@a:1/", "twice"),
                              ("alertmanager.token_file=/nowhere/token", "token_file"), ("alertmanager.url=http://u:s3cret@a:1,http://b:1", "separated by spaces"),
                              ("alertmanager.url=http://u:s3cret@a:1/api/v2/alerts", "without /api/v2/alerts"),
                              ("alertmanager.url=http://u:s3cret@a:port", "alertmanager.url")):
            done = abidrift("run", "--set", "alertmanager.url=http://127.0.0.1:1", "--set", setting, store=self.store, ok=(2,))
            self.assertIn(word, done.stderr)
            self.assertIn("alertmanager.", done.stderr)
            self.assertNotIn("s3cret", done.stderr)


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
        self.assertTrue(alert["annotations"]["summary"].startswith("25 guests drift alike: drift"), alert)
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


class Grows(Case):
    """Drift that becomes another, with each request as it was sent."""
    def test_drift_that_becomes_another_is_not_said_to_be_over(self):
        peer = Receiver(self, Ok, http.server.ThreadingHTTPServer)
        self.start(f"http://127.0.0.1:{peer.port}")
        sent = lambda: [a for request in peer.got for a in request if a["labels"].get("host") == HOST]
        wait_for("the drift", sent)
        first = sent()[0]
        self.sql("UPDATE drifts SET change_set = 'feedfeedfeedfeed'")
        wait_for("the other", lambda: [a for a in sent() if a["labels"]["change_set"] == "feedfeedfeedfeed"])
        end = wait_for("the end of the first", lambda: [a for a in sent() if a["labels"] == first["labels"] and a["annotations"] != first["annotations"]])[0]
        self.assertEqual(end["annotations"]["summary"], "web-1: drifts on: another alert tells of it now")
        self.accept()
        over = lambda a: a["labels"]["change_set"] == "feedfeedfeedfeed" and "drifts on" in a["annotations"]["summary"]
        wait_for("its end", lambda: self.sql("SELECT count(*) FROM notices") == "0")
        self.assertFalse([a for a in sent() if over(a)], "what is accepted is over")


class Receiver:
    """A server of this process, on a port that the kernel chose. got: what it was sent."""
    def __init__(self, test, handler, kind):
        self.got = []
        self.server = kind(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.got = self.got
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


class Ok(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Chat(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as Alertmanager speaks."""
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 test")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.say("354 go on")
                mail = b""
                for part in self.rfile:
                    if part == b".\r\n":
                        break
                    mail += part[1:] if part.startswith(b"..") else part
                self.server.got.append(email.message_from_bytes(mail, policy=email.policy.default))
            self.say("221 bye" if line.upper().startswith(b"QUIT") else "250 ok")
            if line.upper().startswith(b"QUIT"):
                break


class Read(Case):
    """What people read: the example configuration as it is, with only its addresses and pauses replaced."""
    EXAMPLE = os.path.join(ROOT, "dashboards", "alertmanager")
    NAME = "<!channel> & `<b>`"

    def trace(self):
        t = Trace(HOST)
        t.synced()
        life(t, 1, self.NAME, UUID, LEAVES_MORE, seconds=0)
        life(t, 2, "db-1", OTHER, LEAVES_MORE)
        t.gone(1)
        t.gone(2)
        # Memory that is less, which nobody asked for, and a CPU that its owner chose.
        life(t, 3, self.NAME, UUID, LEAVES_MORE, memory=0x4000000, seconds=0)
        life(t, 4, "db-1", OTHER, LESS, args=CPU)
        return t

    def example(self):
        self.mail = Receiver(self, Smtp, socketserver.ThreadingTCPServer)
        self.chat = Receiver(self, Chat, http.server.ThreadingHTTPServer)
        shutil.copy(os.path.join(self.EXAMPLE, "abidrift.tmpl"), self.folder.file("abidrift.tmpl"))
        with open(self.folder.file("chat-url"), "w") as f:
            f.write(f"http://127.0.0.1:{self.chat.port}/")
        with open(os.path.join(self.EXAMPLE, "alertmanager.yml")) as f:
            text = f.read()
        for old, new in (("mail.example.net:587", f"127.0.0.1:{self.mail.port}\n  smtp_require_tls: false"),
                         ("/etc/prometheus/chat-url", self.folder.file("chat-url")), ("group_wait: 30s", "group_wait: 1s"), ("group_wait: 5m", "group_wait: 1s"),
                         ("group_wait: 5s", "group_wait: 1s"), ("group_interval: 5m", "group_interval: 1s")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def attachments(self, word):
        return [m["attachments"][0] for m in self.chat.got if word in m["attachments"][0]["title"]]

    def test_the_example_is_one_that_alertmanager_takes_and_routes_by(self):
        path = os.path.join(self.EXAMPLE, "alertmanager.yml")
        done = subprocess.run([AMTOOL, "check-config", path], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 templates", done.stdout)
        for labels, receiver in ((["alertname=AbidriftDrift", "severity=critical", "verdict=violation"], "mail-and-chat"),
                                 (["alertname=AbidriftDrift", "severity=warning", "verdict=violation"], "mail"),
                                 (["alertname=AbidriftDrift", "severity=info", "verdict=intended"], "chat"),
                                 (["alertname=AbidriftBlind", "severity=critical", "scope=monitor"], "mail-and-chat"),
                                 (["alertname=AbidriftTest", "severity=info"], "mail-and-chat"), (["alertname=SomethingElse"], "mail")):
            done = subprocess.run([AMTOOL, "config", "routes", "test", f"--config.file={path}", *labels], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.stdout.split(), [receiver], labels)

    def test_mail_and_chat_say_who_what_why_and_when_it_is_over(self):
        am = Alertmanager(self, config=self.example())
        self.start(am.url)
        found = {a["labels"]["uuid"]: a for a in am.wait("both", lambda found: len(found) == 2 and found)}
        self.assertEqual(found[UUID]["labels"]["guest"], self.NAME)
        said = wait_for("db-1 in the chat", lambda: self.attachments("db-1"))[0]
        self.assertEqual((said["title"], said["color"]), ("[info] testhost: db-1", "#439fe0"))
        self.assertIn("lost sse4.2", said["text"])
        self.assertIn(f"`abidrift diff {OTHER}`", said["text"])
        wait_for("a mail", lambda: self.mail.got)
        mail = self.mail.got[0]
        drift = found[UUID]
        self.assertTrue(mail["Subject"].startswith(f"[{drift['labels']['severity']}] testhost: {self.NAME}: drift, "), mail["Subject"])
        self.assertLess(len(mail["Subject"]), 200)
        text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
        for part in (drift["annotations"]["summary"], "host     testhost", f"abidrift diff {UUID}", f"--change-set {drift['labels']['change_set']}",
                     "since    2026-02-02 02:40:0", "memory"):
            self.assertIn(part, text)
        self.assertNotIn("<no value>", text + page + json.dumps(self.chat.got))
        self.assertNotIn("<!channel>", page)
        self.assertNotIn("<b>", page)
        self.assertIn("&lt;!channel&gt;", page)
        before = len(self.mail.got), len(self.chat.got)
        self.accept()
        self.accept(OTHER)
        wait_for("both ends", lambda: len(self.mail.got) > before[0] and len(self.chat.got) > before[1])
        self.assertIn("over since", self.mail.got[-1].get_body(("plain",)).get_content())
        self.assertTrue(self.mail.got[-1]["Subject"].startswith("[resolved] testhost: "), self.mail.got[-1]["Subject"])
        over = wait_for("db-1 to be over in the chat", lambda: [a for a in self.attachments("db-1") if a["title"].startswith("[resolved]")])[0]
        self.assertTrue(over["text"].startswith("over: db-1: drift"), over)
        self.assertEqual(over["color"], "good")
        if os.environ.get("SHOW"):
            print(mail["Subject"], text, page, said["title"], said["text"], self.mail.got[-1]["Subject"], over["title"], over["text"], sep="\n-----\n")

    def test_a_name_that_pings_a_chat_pings_nobody(self):
        am = Alertmanager(self, config=self.example())
        self.start(am.url)
        named = wait_for("it in the chat", lambda: self.attachments("channel"))[0]
        self.assertNotIn("<", named["title"] + named["text"])
        self.assertIn("&lt;!channel&gt; &amp; '&lt;b&gt;'", named["title"])


class ReadMany(Case):
    """Of 25 guests alike."""
    EXAMPLE, example, attachments, trace = Read.EXAMPLE, Read.example, Read.attachments, Alike.trace

    def test_a_chats_title_counts_guests_and_does_not_list_them(self):
        am = Alertmanager(self, config=self.example())
        self.start(am.url)
        said = wait_for("them in the chat", lambda: self.attachments("guests"))[0]
        self.assertEqual(said["title"], "[info] testhost: 25 guests drift alike")
        self.assertTrue(said["text"].startswith("25 guests drift alike: drift, intended"), said)


if __name__ == "__main__":
    unittest.main()
