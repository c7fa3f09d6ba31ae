# SPDX-License-Identifier: Apache-2.0
"""Drift as Debian's Alertmanager sees it: it arrives, with what identifies it, ends when it is accepted, and no restart of either side
loses an end or tells anything twice."""
import email
import email.policy
import http.server
import json
import os
import shutil
import signal
import socketserver
import subprocess
import threading
import unittest
import urllib.request

from harness import ABIDRIFT, ROOT, Live, abidrift, wait_for
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


if __name__ == "__main__":
    unittest.main()
