# SPDX-License-Identifier: Apache-2.0
"""The read-only HTTP: what it says is what the verbs print, only who may gets it, and no client takes it away from others. On
stores made from made-up traces by `serve`: no root, no KVM; what is `run`'s own needs both."""
import base64
import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import time
import unittest
import urllib.parse

from harness import ABIDRIFT, BUILD, Folder, Live, Process, abidrift, wait_for
from test_cli import LEAVES_MORE, OTHER, QUICK, UUID, drifted
from test_run import Run, children
from traces import Trace, life

SHARE = 32       # connections of one user or address
ENOUGH = 30      # seconds; what a request may take on a busy machine
STRANGE = "a/b c@2%?#\xe4"
HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
           "Cross-Origin-Opener-Policy": "same-origin",
           "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
           "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
PAGE = ("/", "/review.js", "/review.css", "/favicon.svg")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=ENOUGH)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ENOUGH)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, r):
        self.status, self.headers, self.body = r.status, r.headers, r.read()

    def json(self):
        return json.loads(self.body)


class Server(Process):
    def __init__(self, store, listen, *args, program=ABIDRIFT):
        super().__init__([program, "serve", "--store", store, "--listen", listen, *args])
        try:
            self.at = self.wait_line("listening on").split("listening on ")[1]
        except AssertionError:
            self.stop()
            raise

    def connection(self, context=None):
        if self.at.startswith("unix:"):
            return UnixConnection(self.at[5:])
        u = urllib.parse.urlsplit(self.at)
        kind = http.client.HTTPSConnection if u.scheme == "https" else http.client.HTTPConnection
        return kind(u.hostname, u.port, timeout=ENOUGH, **({"context": context} if context else {}))

    def ask(self, path, method="GET", headers=None, body=None, context=None):
        with contextlib.closing(self.connection(context)) as c:
            c.request(method, path, body=body, headers=headers or {})
            return Answer(c.getresponse())

    def socket(self):
        """Connected; nothing said yet."""
        if self.at.startswith("unix:"):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(ENOUGH)
            s.connect(self.at[5:])
            return s
        u = urllib.parse.urlsplit(self.at)
        return socket.create_connection((u.hostname, u.port), ENOUGH)


def rest(s):
    """All that comes until the other side ends."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            got += piece
    return got


def ended(s):
    """Did the other side end it? Without waiting."""
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def some_guests():
    t = drifted()
    life(t, 4, STRANGE)
    life(t, 5, "young", "22222222-2222-3333-4444-555555555555", seconds=0.5)
    t.gone(5)
    return t


class Served(unittest.TestCase):
    where = "127.0.0.1:0"

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.store = self.replay(self.trace())

    def trace(self):
        return some_guests()

    def replay(self, trace, name="s.db"):
        store = "sqlite:" + self.folder.file(name)
        abidrift("replay", trace.write(self.folder.file("t.trace")), *QUICK, store=store, ok=(0, 1, 3))
        return store

    def serve(self, *args, listen=None):
        s = Server(self.store, listen or self.where, *args)
        self.addCleanup(s.stop)
        return s

    def refused(self, *args, verb="serve"):
        """The one line that says why."""
        done = abidrift(verb, *args, store=self.store, ok=(2,))
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), done.stderr)
        return done.stderr

    def query(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.execute(sql, values)


class Answers(Served):
    def test_every_path_says_what_the_verb_prints_byte_for_byte(self):
        s = self.serve()
        name = urllib.parse.quote(STRANGE, safe="")
        for path, *verb in ((f"/api/v1/guests", "ls"), ("/api/v1/guests/web-1", "show", "web-1"), (f"/api/v1/guests/{OTHER}", "show", "db-1"),
                            ("/api/v1/guests/we", "show", "web-1"), (f"/api/v1/guests/{UUID}/revisions/1", "show", "web-1@1"),
                            (f"/api/v1/guests/{name}", "show", "guest:" + STRANGE), (f"/api/v1/guests/{name}/revisions/1", "show", "guest:" + STRANGE),
                            ("/api/v1/diff?from=web-1", "diff", "web-1"), ("/api/v1/diff?to=db-1&from=web-1%401", "diff", "web-1@1", "db-1"),
                            ("/api/v1/diff?from=web-1@baseline&to=web-1@2", "diff", "web-1@baseline", "web-1@2"),
                            ("/api/v1/history", "history"), ("/api/v1/history?guest=web-1", "history", "web-1"),
                            ("/api/v1/history?since=2026-02-02T02:40:05Z", "history", "--since", "2026-02-02T02:40:05Z")):
            answer = s.ask(path)
            told = subprocess.run([ABIDRIFT, verb[0], "--store", self.store, "--json", *verb[1:]], capture_output=True)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json"), path)
            self.assertEqual(answer.body, told.stdout, path)

    def test_a_diff_as_text_is_what_a_terminal_shows(self):
        s = self.serve()
        for path, *sides in (("from=web-1", "web-1"), ("from=web-1@1&to=db-1", "web-1@1", "db-1"), ("from=db-1", "db-1"), ("from=young", "young"),
                             ("from=web-1@1&to=web-1", "web-1@1", "web-1")):
            answer = s.ask("/api/v1/diff?" + path + "&format=text")
            told = subprocess.run([ABIDRIFT, "diff", *sides, "--store", self.store, "--color", "never"], capture_output=True)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/plain; charset=utf-8"), path)
            self.assertEqual(answer.body, told.stdout, path)
            self.assertTrue(answer.body.endswith(b"\n"))
            self.assertEqual(s.ask("/api/v1/diff?" + path + "&format=json").body, s.ask("/api/v1/diff?" + path).body)
        for path in ("from=web-1&format=html", "from=web-1&format=", "from=web-1&format=text&format=text"):
            self.assertEqual(s.ask("/api/v1/diff?" + path).status, 400, path)
        self.assertEqual(s.ask("/api/v1/diff?from=nobody&format=text").status, 404)

    def test_a_guest_is_reached_whatever_it_is_called(self):
        name = "a\n\x01b"
        self.query("UPDATE guests SET name = ? WHERE name = 'young'", name)
        s = self.serve()
        got = s.ask("/api/v1/guests/" + urllib.parse.quote(name, safe=""))
        self.assertEqual((got.status, got.json()["guest"]["name"]), (200, name))
        self.assertEqual(s.ask("/api/v1/guests/a%00").status, 400)

    def test_a_guest_without_a_fingerprint_is_there_all_the_same(self):
        young = self.serve().ask("/api/v1/guests/young").json()
        self.assertEqual((young["guest"]["name"], young["guest"]["current"]), ("young", None))
        self.assertEqual({k: young[k] for k in young if k != "guest"}, {"revision": None, "digest": None, "at": None, "context": None, "facets": [], "revisions": []})

    def test_rules_of_the_configuration_hide_what_the_verb_hides(self):
        config = self.folder.file("a.conf")
        with open(config, "w") as f:
            f.write("[suppress known]\nfacet = cpuid\nreason = known\n")
        answer = self.serve("--config", config).ask("/api/v1/diff?from=web-1").json()
        self.assertEqual((answer["result"], answer["changes"][0]["suppressed_by"]), ("same", "known"))

    def test_files_of_the_host_cannot_be_reached(self):
        """`diff` takes a path; over HTTP that would read any file that the server may."""
        mine = self.folder.file("mine")
        with open(mine, "w") as f:
            f.write(abidrift("show", "web-1@1", "--fingerprint", store=self.store).stdout)
        self.assertEqual(json.loads(abidrift("diff", mine, "web-1@1", "--json", store=self.store).stdout)["result"], "same")
        s = self.serve()
        for side in (mine, "/etc/passwd", "./mine", "../mine", "b/a", "guest/../../mine"):
            quoted = urllib.parse.quote(side, safe="")
            for path in (f"/api/v1/diff?from={quoted}&to=web-1", f"/api/v1/diff?from=web-1&to={quoted}", f"/api/v1/diff?from={side}&to=web-1"):
                answer = s.ask(path)
                self.assertEqual(answer.status, 400, path)
                self.assertIn("is a path", answer.json()["error"])
            for path in (f"/api/v1/guests/{quoted}", f"/api/v1/guests/{quoted}/revisions/1", f"/api/v1/history?guest={quoted}", f"/{quoted}", f"/api/v1/guests/{side}"):
                answer = s.ask(path)
                self.assertEqual((answer.status, list(answer.json())), (404, ["error"]), path)

    def test_what_is_wrong_is_said_by_status_and_in_json(self):
        s = self.serve()
        for path, status, said in (("/nothing", 404, "nothing at this path"), ("/api/v1/guests/", 404, "nothing"), ("/api/v1/guests/nobody", 404, "nobody"),
                                   ("/api/v1/guests/web-1/revisions/9", 404, "revision"), ("/api/v1/guests/web-1/revisions/0", 400, "no revision"),
                                   ("/api/v1/guests/web-1/revisions/1x", 400, "no revision"), ("/api/v1/guests/web-1@1", 404, "web-1@1"),
                                   ("/api/v1/guests/1111", 409, "ambiguous"), ("/api/v1/diff", 400, "from is missing"),
                                   ("/api/v1/diff?from=young", 200, None), ("/api/v1/diff?from=sha256:zz", 400, "digest"),
                                   ("/api/v1/history?sinse=2026-01-01", 400, "sinse"), ("/api/v1/history?since=soon", 400, "soon"),
                                   ("/api/v1/history?guest=a&guest=b", 400, "twice"), ("/api/v1/history?guest=", 400, '"guest" is empty'),
                                   ("/api/v1/alerts?guest", 400, '"guest" is empty'), ("/api/v1/diff?from=", 400, '"from" is empty'),
                                   ("/api/v1/diff?from=web-1&to=", 400, '"to" is empty'), ("/api/v1/guests/a%00b", 400, "target"),
                                   ("/api/v1/guests/%0d%0aSet-Cookie:%20x", 404, "Set-Cookie"), ("/api/v1/guests/%zz", 400, "target"),
                                   ("/" + "a" * 5000, 414, "too long")):
            answer = s.ask(path)
            self.assertEqual((answer.status, answer.headers["Set-Cookie"]), (status, None), path)
            if said:
                self.assertIn(said, answer.json()["error"])
                self.assertEqual(list(answer.json()), ["error"])

    def test_nothing_can_be_changed(self):
        s = self.serve()
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            answer = s.ask("/api/v1/guests", method)
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"), method)
        self.assertEqual(s.ask("/api/v1/guests", "POST", body=b"x" * 100).status, 405)
        self.assertEqual(s.ask("/api/v1/guests", "GET", body=b"x" * 100).status, 413)
        self.assertEqual(s.ask("/api/v1/guests", "GET", headers={"Transfer-Encoding": "chunked"}).status, 413)

    def test_every_answer_keeps_pages_of_others_out(self):
        s = self.serve()
        for path in (*PAGE, "/metrics", "/api/v1/guests", "/healthz", "/readyz", "/nothing"):
            answer = s.ask(path)
            self.assertEqual({k: answer.headers[k] for k in HEADERS}, HEADERS, path)
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])


class Page(Served):
    def test_what_the_page_names_is_there(self):
        """Else it stays white, or every visit leaves an error in the browser's console."""
        if "serve.no-page" in abidrift("version").stdout:
            self.skipTest("built without the review page")
        s = self.serve()
        html = s.ask("/").body.decode()
        named = re.findall(r'(?:src|href)="([^"]*)"', html)
        self.assertEqual(sorted(["/", *named]), sorted(PAGE))
        for path, kind in zip(PAGE, ("text/html", "text/javascript", "text/css", "image/svg+xml")):
            answer = s.ask(path)
            self.assertEqual((answer.status, answer.headers["Content-Type"].split(";")[0]), (200, kind))
            self.assertTrue(answer.body)
        self.assertNotRegex(html, r"<script>|<style>|style=|onload=")

    def test_it_is_sent_as_it_was_built(self):
        """A phone in a cellar loads it too: less than 60 KB, as small as the build could make it, and the same text for who cannot unpack it."""
        if "serve.no-page" in abidrift("version").stdout:
            self.skipTest("built without the review page")
        s = self.serve()
        sent = 0
        for path, name in zip(PAGE, ("index.html", "review.js", "review.css", "favicon.svg")):
            with open(os.path.join(BUILD, "review", name + ".gz"), "rb") as f:
                built = f.read()
            answer = s.ask(path, headers={"Accept-Encoding": "gzip, deflate, br"})
            plain = s.ask(path)
            if answer.headers["Content-Encoding"] == "gzip":
                self.assertEqual(answer.body, built, path)
            self.assertEqual((plain.headers["Content-Encoding"], plain.body), (None, gzip.decompress(built)), path)
            self.assertEqual(answer.headers["ETag"].removeprefix("W/"), plain.headers["ETag"], path)
            sent += len(answer.body)
        self.assertEqual(s.ask(PAGE[1], headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"], "gzip")
        self.assertLess(sent, 60_000)

    def test_a_build_without_it_says_so(self):
        """Who sees a bare list where others see a page has to learn why, and how to get it."""
        without = os.path.join(BUILD, "no-page", "abidrift")
        self.assertIn(" serve.no-page ", subprocess.run([without, "version"], capture_output=True, text=True).stdout)
        s = Server(self.store, self.where, program=without)
        self.addCleanup(s.stop)
        answer = s.ask("/")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("was left out when this abidrift was built", answer.body.decode())
        self.assertIn("make PAGE=yes", answer.body.decode())
        for path in PAGE[1:]:
            self.assertEqual(s.ask(path).status, 404)
            self.assertIn("PAGE=yes", s.ask(path).json()["error"])
        self.assertEqual(s.ask("/api/v1/guests").body, self.serve().ask("/api/v1/guests").body)


class LongHistory(Served):
    def test_a_history_that_would_stop_all_else_is_given_in_parts(self):
        """Alerts and other clients wait while one answer is put together."""
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            # Many of one moment: the end of a part is between two of them.
            c.executemany("INSERT INTO events (at, type, reason) VALUES (?, 'host', ?)", [(i // 700, str(i)) for i in range(1, 12001)])
        s = self.serve()
        whole = json.loads(abidrift("history", "--json", store=self.store).stdout)["events"]
        first = s.ask("/api/v1/history").json()
        self.assertEqual(first["events"], whole[-1000:])
        got, before = first["events"], first["before"]
        while before:
            part = s.ask("/api/v1/history?limit=5000&before=" + before).json()
            self.assertLessEqual(len(part["events"]), 5000)
            got, before = part["events"] + got, part.get("before")
        self.assertEqual([(e["at"], e["type"], e["reason"]) for e in got], [(e["at"], e["type"], e["reason"]) for e in whole])
        self.assertEqual(s.ask("/api/v1/history?since=2026-01-01").body, abidrift("history", "--since", "2026-01-01", "--json", store=self.store).stdout.encode())
        one = s.ask("/api/v1/history?guest=web-1&limit=1").json()
        self.assertEqual((one["events"], "before" in one), (json.loads(abidrift("history", "web-1", "--json", store=self.store).stdout)["events"][-1:], True))
        # What a guest's timeline is drawn of.
        own = s.ask("/api/v1/history?guest=web-1").json()["events"]
        both = s.ask("/api/v1/history?guest=web-1&host=yes&limit=5000").json()["events"]
        self.assertEqual([e["type"] for e in both if e["guest"]], [e["type"] for e in own])
        self.assertEqual({e["type"] for e in both if not e["guest"]}, {"host"})
        self.assertEqual(s.ask("/api/v1/history?guest=web-1&host=no").json()["events"], own)
        for wrong in ("host=", "host=1", "limit=0", "limit=5001", "limit=-1", "limit=", "before=x", "before=1", "before=.", "before=1.2.3", "before=1.99999999999999999999"):
            self.assertEqual(s.ask("/api/v1/history?" + wrong).status, 400, wrong)

    def test_many_long_answers_at_once_are_all_given_and_whoever_leaves_meanwhile_costs_nothing(self):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.executemany("INSERT INTO events (at, type, reason) VALUES (?, 'host', ?)", [(i, str(i)) for i in range(1, 5001)])
        s = self.serve()

        def all_at_once(first):
            os.kill(s.pid, signal.SIGSTOP)
            asked = [s.socket() for _ in range(20)]
            for i, c in enumerate(asked):
                self.addCleanup(c.close)
                c.sendall(b"GET /api/v1/history?limit=%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (first + i))
            os.kill(s.pid, signal.SIGCONT)
            return asked
        asked = all_at_once(2000)
        for c in asked[::5]:
            c.close()
        self.assertEqual(s.ask("/healthz").status, 200)
        for i, c in enumerate(asked):
            if i % 5:
                head, body = rest(c).split(b"\r\n\r\n", 1)
                self.assertIn(b" 200 ", head)
                self.assertEqual(len(json.loads(body)["events"]), 2000 + i)
        all_at_once(3000)
        self.assertEqual(s.ask("/healthz").status, 200)
        self.assertEqual(s.stop(), 0, "it ends, though some wait for their turn")

    def test_large_events_are_fewer(self):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.executemany("INSERT INTO events (at, type, reason) VALUES (?, 'host', ?)", [(i, str(i) * 2**20) for i in range(1, 10)])
        s = self.serve()
        first = s.ask("/api/v1/history").json()
        self.assertLess(sum(len(e["reason"] or "") for e in first["events"]), 6 * 2**20)
        older = s.ask("/api/v1/history?before=" + first["before"]).json()
        self.assertEqual(older["events"][0]["reason"][0], "1")
        self.assertNotIn("before", older)


class Copies(Served):
    """What clients and proxies keep."""
    def test_an_unchanged_answer_is_not_sent_twice_and_a_changed_one_is_sent_at_once(self):
        s = self.serve()
        first = s.ask("/api/v1/guests")
        tag = first.headers["ETag"]
        again = s.ask("/api/v1/guests", headers={"If-None-Match": f'"other", {tag}'})
        self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag))
        self.assertEqual(s.ask("/api/v1/guests", headers={"If-None-Match": '"other"'}).status, 200)
        abidrift("accept", "web-1", store=self.store)
        after = s.ask("/api/v1/guests", headers={"If-None-Match": tag})
        self.assertEqual(after.status, 200)
        self.assertNotEqual(after.headers["ETag"], tag)
        self.assertEqual({g["name"]: g["state"] for g in after.json()["guests"]}["web-1"], "same")

    def test_several_headers_are_one_list_and_a_star_stands_alone(self):
        s = self.serve()
        tag = s.ask("/api/v1/guests").headers["ETag"]

        def status(*values):
            with s.socket() as c:
                c.sendall(b"GET /api/v1/guests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          + b"".join(b"If-None-Match: %s\r\n" % v.encode() for v in values) + b"\r\n")
                return int(rest(c).split()[1])
        self.assertEqual([status('"x"', tag), status("*"), status("*x"), status('"x"', '"y"')], [304, 304, 200, 200])

    def test_however_a_target_is_written_its_answer_is_kept_once_and_of_it_alone(self):
        s = self.serve()
        seen = {s.ask(path).body for path in ("/api/v1/diff?from=web-1&to=db-1", "/api/v1/diff?&&from=web%2D1&to=db-1&", "/%61pi/v1/diff?%66rom=web-1&to=db-1")}
        self.assertEqual(len(seen), 1)
        others = {s.ask(path).body for path in ("/api/v1/diff?from=db-1&to=web-1", "/api/v1/diff?from=web-1", "/api/v1/diff?from=web-1@2", "/api/v1/diff?from=web-1%26to=db-1")}
        self.assertEqual(len(others | seen), 5)

    def test_compressed_is_the_same_and_only_for_whom_it_is_welcome(self):
        s = self.serve()
        plain = s.ask("/api/v1/guests")
        packed = s.ask("/api/v1/guests", headers={"Accept-Encoding": "br, gzip"})
        self.assertEqual((plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]), (None, "gzip"))
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body) / 2)
        self.assertEqual(packed.headers["ETag"], "W/" + plain.headers["ETag"])
        for answer in (plain, packed):
            self.assertIn("Accept-Encoding", answer.headers["Vary"])
            self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        self.assertIsNone(s.ask("/api/v1/guests", headers={"Accept-Encoding": "gzip;q=0"}).headers["Content-Encoding"])
        self.assertIsNone(s.ask("/healthz", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"])
        self.assertEqual(s.ask("/api/v1/guests", headers={"If-None-Match": packed.headers["ETag"]}).status, 304)

    def test_head_is_get_without_the_body(self):
        s = self.serve()
        for path in ("/api/v1/guests", "/nothing"):
            head, get = s.ask(path, "HEAD"), s.ask(path)
            self.assertEqual((head.status, head.body), (get.status, b""))
            self.assertEqual({k: v for k, v in head.headers.items() if k != "Date"}, {k: v for k, v in get.headers.items() if k != "Date"})

    def test_metrics_are_of_the_form_that_was_asked_for(self):
        s = self.serve()
        types = [s.ask("/metrics", headers={"Accept": a}).headers["Content-Type"].split(";")[0]
                 for a in ("text/plain", "application/openmetrics-text; version=1.0.0", "text/plain")]
        self.assertEqual(types, ["text/plain", "application/openmetrics-text", "text/plain"])


class Readiness(Served):
    def beat(self, seconds_ago):
        self.query("INSERT OR REPLACE INTO statuses VALUES ('testhost', ?, '{}')", time.time_ns() - int(seconds_ago * 1e9))

    def test_ready_is_a_store_that_can_be_read_and_a_monitor_that_writes_it(self):
        s = self.serve()
        self.query("DELETE FROM statuses")
        self.assertIn((s.ask("/readyz").status, s.ask("/readyz").body), [(503, b"no monitor has ever reported to this store (abidrift run)\n")])
        self.beat(5)
        self.assertEqual((s.ask("/readyz").status, s.ask("/readyz").body), (200, b"ready\n"))
        self.beat(100)
        late = s.ask("/readyz")
        self.assertEqual(late.status, 503)
        self.assertRegex(late.body.decode(), r"^the monitor of host testhost last reported 1\d\d s ago, at 20\S+Z\n$")
        self.assertEqual(s.ask("/healthz").status, 200)

    def test_a_store_that_is_taken_away_is_said_and_its_return_is_seen(self):
        s = self.serve()
        self.beat(0)
        self.assertEqual(s.ask("/readyz").status, 200)
        os.rename(self.folder.file("s.db"), self.folder.file("away"))
        for path in ("/readyz", "/api/v1/guests", "/metrics"):
            away = s.ask(path)
            self.assertEqual(away.status, 503, path)
            self.assertIn(b"no store at " + self.folder.file("s.db").encode(), away.body)
        self.assertEqual(s.ask("/healthz").status, 200)
        with open(self.folder.file("s.db"), "wb") as f:
            f.write(b"\xff" * 8192)
        self.assertIn(b"not an abidrift store", s.ask("/readyz").body)
        os.rename(self.folder.file("away"), self.folder.file("s.db"))
        self.assertEqual(s.ask("/api/v1/guests").status, 200)


class Access(Served):
    def test_only_names_of_this_host_are_answered_on_tcp(self):
        """A page of an attacker whose name was made to point to 127.0.0.1 would read all guests through a visitor's browser."""
        s = self.serve("--set", "serve.host=node7.example.net other")
        port = s.at.rsplit(":")[-1].strip("/")
        for good in ("localhost", "LOCALHOST:1", "127.0.0.1:" + port, "[::1]:80", "node7.example.net:443", "other"):
            self.assertEqual(s.ask("/healthz", headers={"Host": good}).status, 200, good)
        for bad in ("evil.example", "node7.example.net.evil.example", "localhost.evil.example", "node7", "127.0.0.2", "localhost:x", ""):
            self.assertEqual(s.ask("/healthz", headers={"Host": bad}).status, 421, bad)
        with s.socket() as c:
            c.sendall(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertIn(b" 400 ", rest(c).split(b"\r\n")[0])

    def test_of_two_hosts_none_is_believed(self):
        """A proxy before it may have let the request pass for the other one."""
        s = self.serve()
        for hosts in ((b"localhost", b"evil.example"), (b"evil.example", b"localhost"), (b"localhost", b"localhost")):
            with s.socket() as c:
                c.sendall(b"GET /healthz HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % (n, h) for n, h in zip((b"Host", b"hOST"), hosts)) + b"Connection: close\r\n\r\n")
                head, body = rest(c).split(b"\r\n\r\n", 1)
            self.assertIn(b" 400 ", head.split(b"\r\n")[0], hosts)
            self.assertIn(b"Content-Security-Policy", head)
            self.assertIn("two Host headers", json.loads(body)["error"])

    def test_a_page_of_another_site_starts_no_work_here(self):
        """It would not see the answer; but an <img> of it could have a host's monitor put archives together as long as somebody looks at it."""
        s = self.serve("--set", "serve.host=node7.example.net")
        export, link = "/api/v1/guests/web-1/export", dict(mode="navigate", dest="document")

        def status(path, **sent):
            return s.ask(path, headers={"Host": "node7.example.net", **{"Sec-Fetch-" + k.capitalize(): v for k, v in sent.items()}}).status
        for site in ("cross-site", "same-site"):
            for path in ("/", export, "/api/v1/guests", "/metrics", "/nothing"):
                for sent in (dict(mode="no-cors", dest="image"), dict(mode="cors", dest="empty"), dict(mode="no-cors", dest="script"), dict(),
                             dict(mode="navigate", dest="iframe", user="?1"), dict(mode="navigate", dest="object"), dict(mode="navigate")):
                    self.assertEqual(status(path, site=site, **sent), 403, (path, site, sent))
            # A link in a chat or a wiki, and one that leads there over a third site.
            self.assertEqual([status("/", site=site, **link, user="?1"), status("/", site=site, **link)], [200, 200])
            # Prometheus has links to what it scrapes; what a script does without a click is another matter.
            self.assertEqual([status(p, site=site, **link, user="?1") for p in ("/metrics", export)], [200, 200])
            self.assertEqual([status(p, site=site, **link) for p in ("/metrics", export, "/api/v1/guests")], [403] * 3)
        ours = (*(PAGE if "serve.page" in abidrift("version").stdout else "/"), export, "/api/v1/guests", "/metrics")
        # The page itself, also behind a proxy; its link to the archive; an address that was typed; what is no browser.
        for sent in (dict(site="same-origin", mode="cors", dest="empty"), dict(site="same-origin", **link), dict(site="none", **link, user="?1"), {}):
            self.assertEqual({p: status(p, **sent) for p in ours}, dict.fromkeys(ours, 200), sent)
        refused = s.ask(export, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
        self.assertIn("another site", refused.json()["error"])
        self.assertEqual({k: refused.headers[k] for k in HEADERS}, HEADERS)

    def test_tokens_are_asked_for_on_every_path(self):
        tokens = self.folder.file("tokens")
        with open(tokens, "w") as f:
            f.write("# for prometheus\n" + "a" * 32 + "\n\n" + "b" * 32 + "\r\n")
        s = self.serve("--set", "serve.token_file=" + tokens)
        for path in (*PAGE, "/metrics", "/healthz", "/api/v1/guests", "/nothing"):
            for shown in (None, "Bearer", "Bearer " + "a" * 31, "Bearer " + "a" * 33, "Basic " + "a" * 32, "Bearer # for prometheus"):
                answer = s.ask(path, headers={"Authorization": shown} if shown else {})
                self.assertEqual(answer.status, 401, shown)
                self.assertEqual([h.split()[0] for h in answer.headers.get_all("WWW-Authenticate")], ["Bearer", "Basic"])
        for token in "ab":
            self.assertEqual(s.ask("/healthz", headers={"Authorization": "Bearer " + token * 32}).status, 200)
        for text, why in (("", "no token"), ("short\n", "shorter"), ("a" * 20 + " b\n", "space")):
            with open(tokens, "w") as f:
                f.write(text)
            self.assertIn(why, self.refused("--listen", self.where, "--set", "serve.token_file=" + tokens))

    def test_a_browser_shows_a_token_as_a_password(self):
        """It asks its user for one; without that the page could not be opened where tokens are asked for."""
        tokens = self.folder.file("tokens")
        with open(tokens, "w") as f:
            f.write("a" * 32 + "\n" + "b:" * 16 + "\n")
        s = self.serve("--set", "serve.token_file=" + tokens)
        for user, password, status in (("", "a" * 32, 200), ("anybody", "b:" * 16, 200), ("a" * 32, "", 401), ("", "a" * 31, 401), ("x", "a" * 33, 401),
                                       ("x", "a" * 32 + "\0", 401), ("a" * 32, "a", 401)):
            shown = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
            for path in (*PAGE, "/api/v1/guests"):
                self.assertEqual(s.ask(path, headers={"Authorization": shown}).status, status, (user, password, path))

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder.path)

    def certificate(self, name, usage, issuer=None):
        """NAME.pem and NAME.key, by issuer or its own."""
        with open(self.folder.file(name + ".ext"), "w") as f:
            f.write(f"basicConstraints=CA:{'TRUE' if usage is None else 'FALSE'}\nsubjectAltName=IP:127.0.0.1\n" + (f"extendedKeyUsage={usage}\n" if usage else ""))
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        signer = ["-CA", issuer + ".pem", "-CAkey", issuer + ".key", "-CAcreateserial"] if issuer else ["-signkey", name + ".key"]
        self.openssl("x509", "-req", "-in", name + ".csr", "-days", "2", "-extfile", name + ".ext", "-out", name + ".pem", *signer)
        return self.folder.file(name + ".pem"), self.folder.file(name + ".key")

    def context(self, pair=None):
        c = ssl.create_default_context(cafile=self.folder.file("ca.pem"))
        if pair:
            c.load_cert_chain(*pair)
        return c

    def test_beyond_this_host_only_with_tls_and_tokens_or_certificates(self):
        self.certificate("ca", None)
        cert, key = self.certificate("server", "serverAuth", "ca")
        tokens = self.folder.file("tokens")
        with open(tokens, "w") as f:
            f.write("a" * 32 + "\n")
        tls = ["--set", "serve.tls_cert=" + cert, "--set", "serve.tls_key=" + key]
        token = ["--set", "serve.token_file=" + tokens]
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
            for half in ([], tls, token):
                self.assertIn("beyond this host", self.refused("--listen", listen, *half))
        s = self.serve(*tls, *token, listen="0.0.0.0:0")
        s.at = s.at.replace("0.0.0.0", "127.0.0.1")
        self.assertTrue(s.at.startswith("https://"))
        self.assertEqual(s.ask("/healthz", context=self.context()).status, 401)
        self.assertEqual(s.ask("/healthz", headers={"Authorization": "Bearer " + "a" * 32}, context=self.context()).status, 200)
        with s.socket() as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"200 OK", rest(c), "no answer without TLS")

    def test_client_certificates_are_verified_and_are_for_clients(self):
        ca, _ = self.certificate("ca", None)
        self.certificate("other-ca", None)
        cert, key = self.certificate("server", "serverAuth", "ca")
        s = self.serve("--set", "serve.tls_cert=" + cert, "--set", "serve.tls_key=" + key, "--set", "serve.tls_client_ca=" + ca)

        def status(pair):
            try:
                return s.ask("/healthz", context=self.context(pair)).status
            except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
                return "refused"
        self.assertEqual(status(self.certificate("client", "clientAuth", "ca")), 200)
        for wrong in (None, self.certificate("stranger", "clientAuth", "other-ca"), (cert, key)):
            self.assertIn(status(wrong), (403, "refused"), wrong)

    def test_mistakes_in_files_are_said_before_anything_is_served(self):
        cert, key = self.certificate("ca", None)
        other = self.certificate("server", "serverAuth", "ca")[1]
        for settings, why in ((["serve.tls_cert=" + cert], "belong together"), (["serve.tls_cert=" + cert, "serve.tls_key=" + other], "do not go together"),
                              (["serve.tls_cert=/nowhere", "serve.tls_key=" + key], "/nowhere"), (["serve.tls_client_ca=" + cert], "takes serve.tls_cert"),
                              (["serve.tls_cert=" + cert, "serve.tls_key=" + key, "serve.tls_client_ca=" + key], "serve.tls_client_ca")):
            self.assertIn(why, self.refused("--listen", self.where, *(a for s in settings for a in ("--set", s))))


class Places(Served):
    def test_a_unix_socket_is_its_groups_alone_and_goes_with_its_server(self):
        path = self.folder.file("http.sock")
        s = self.serve(listen="unix:" + path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        self.assertEqual(s.ask("/healthz", headers={"Host": "any"}).status, 200)
        self.assertEqual(s.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_socket_that_is_served_is_not_taken_and_one_that_a_crash_left_is(self):
        path = self.folder.file("http.sock")
        s = self.serve(listen="unix:" + path)
        self.assertIn("another abidrift serves there", self.refused("--listen", "unix:" + path))
        self.assertEqual(s.ask("/healthz").status, 200)
        s.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(path))
        self.assertEqual(self.serve(listen="unix:" + path).ask("/healthz").status, 200)

    def test_what_is_no_socket_is_left_alone(self):
        path = self.folder.file("http.sock")
        with open(path, "w") as f:
            f.write("precious")
        self.assertIn("something else", self.refused("--listen", "unix:" + path))
        with open(path) as f:
            self.assertEqual(f.read(), "precious")

    def test_a_socket_of_something_else_is_left_alone(self):
        """It refuses our way to talk, and is somebody's all the same: the system's log, say."""
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            path = self.folder.file(f"other-{kind}.sock")
            with socket.socket(socket.AF_UNIX, kind) as other:
                other.bind(path)
                before = os.stat(path).st_ino
                self.assertIn("something else's", self.refused("--listen", "unix:" + path))
                self.assertEqual(os.stat(path).st_ino, before)
            self.assertEqual(self.serve(listen="unix:" + path).stop(), 0)

    def test_of_many_that_start_at_once_one_serves_and_the_others_know(self):
        path = self.folder.file("http.sock")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        all_of_them = [subprocess.Popen([ABIDRIFT, "serve", "--store", self.store, "--listen", "unix:" + path], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True) for _ in range(8)]
        try:
            said = [line if "abidrift: store" not in (line := p.stderr.readline()) else p.stderr.readline() for p in all_of_them]
        finally:
            for p in all_of_them:
                p.kill()
                p.communicate()
        self.assertEqual((sum("listening on" in line for line in said), sum("another abidrift serves there" in line for line in said)), (1, 7), said)
        self.assertEqual([f for f in os.listdir(self.folder.path) if f.endswith(".lock")], [])

    def test_wrong_places_are_one_clear_line(self):
        for where in ("unix:relative", "unix:/" + "a" * 200, "unix:/nowhere/x/y.sock", "127.0.0.1", "127.0.0.1:", ":80", "::1:80", "example.net:80",
                      "127.0.0.1:99999", "127.0.0.1:x", "1.2.3:80:90"):
            self.assertIn("cannot listen on", self.refused("--listen", where), where)
        self.assertIn("0.0.0.0", self.refused("--listen", "*:0"), "this would be this host alone, and means all")
        self.assertIn("none", self.refused("--listen", "none"))
        s = self.serve()
        self.assertIn("in use", self.refused("--listen", s.at[7:].strip("/")))

    def test_v6_and_signals(self):
        for listen, sig in (("[::1]:0", signal.SIGINT), ("localhost:0", signal.SIGTERM)):
            s = self.serve(listen=listen)
            self.assertEqual(s.ask("/healthz").status, 200)
            self.assertEqual(s.stop(sig), 0)


class Hostile(Served):
    """While clients do their worst, another one is answered."""
    def others_are_answered(self, s):
        self.assertEqual(s.ask("/healthz").status, 200)
        self.assertEqual(len(s.ask("/api/v1/guests").json()["guests"]), 4)

    def test_who_trickles_is_ended_and_holds_up_nobody(self):
        s = self.serve()
        slow = [s.socket() for _ in range(8)]
        for c in slow:
            self.addCleanup(c.close)
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-")
        self.others_are_answered(s)
        began = time.monotonic()

        def all_gone():
            for c in slow:
                with contextlib.suppress(OSError):
                    c.send(b"a")
            return all(ended(c) for c in slow)
        wait_for("tricklers to be ended", all_gone)
        self.assertGreater(time.monotonic() - began, 5, "a slow but honest client has its time")
        self.others_are_answered(s)

    def test_a_thousand_connections_take_nothing_from_others(self):
        s = self.serve()
        held = []
        for i in range(1000):
            c = s.socket()
            self.addCleanup(c.close)
            held.append(c)
            if i % 250 == 0:
                self.others_are_answered(s)
        self.others_are_answered(s)
        wait_for("the oldest to have made room", lambda: sum(not ended(c) for c in held) <= SHARE)
        self.assertEqual(len(os.listdir(f"/proc/{s.pid}/fd")) < SHARE + 40, True)

    def test_idle_connections_make_room_oldest_first(self):
        s = self.serve()
        kept = []
        for _ in range(SHARE):
            c = s.connection()
            self.addCleanup(c.close)
            c.request("GET", "/healthz")
            self.assertEqual(Answer(c.getresponse()).status, 200)
            kept.append(c)
        kept[0].request("GET", "/healthz")  # now the youngest
        Answer(kept[0].getresponse())
        self.others_are_answered(s)
        wait_for("the oldest to be ended", lambda: ended(kept[1].sock))
        kept[0].request("GET", "/healthz")
        self.assertEqual(Answer(kept[0].getresponse()).status, 200)

    def test_one_who_has_sent_all_and_closes_that_half_is_answered(self):
        s = self.serve()
        with s.socket() as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            c.shutdown(socket.SHUT_WR)
            self.assertTrue(rest(c).endswith(b"ok\n"))

    def test_requests_in_one_go_are_answered_one_by_one(self):
        s = self.serve()
        with s.socket() as c:
            one = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
            c.sendall(one % (b"healthz", b"") + one % (b"nothing", b"") + one % (b"healthz", b"") * 5 + one % (b"healthz", b"Connection: close\r\n"))
            got = rest(c)
        self.assertEqual((got.count(b"HTTP/1.1 200 OK"), got.count(b"HTTP/1.1 404"), got.count(b"ok\n")), (7, 1, 7))
        self.assertLess(got.index(b" 200 "), got.index(b" 404 "))

    def test_what_is_no_request_is_refused_and_forgotten(self):
        s = self.serve()
        line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        for bad in (b"\0" * 100, b"\xff\xfe\xfd\r\n\r\n", b"GET\r\n\r\n", b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
                    line + b"X: " + b"a" * 70000 + b"\r\n\r\n", line + b"X: a\r\n" * 20000 + b"\r\n", b"GET /healthz HTTP/9.9\r\n\r\n",
                    line + b"Content-Length: 18446744073709551616\r\n\r\n", line + b"Content-Length: -1\r\n\r\n", line[:24] + b"\r\n\r\n",
                    line + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"GET /api/v1/guests/\0web-1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500):
            with s.socket() as c:
                with contextlib.suppress(OSError):
                    c.sendall(bad)
                    c.shutdown(socket.SHUT_WR)
                self.assertNotIn(b"200 OK", rest(c), bad[:60])
            self.others_are_answered(s)
        self.assertIsNone(s.child.poll())

    def test_expect_continue_invites_no_body(self):
        with self.serve().socket() as c:
            c.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
            self.assertIn(b" 413 ", rest(c).split(b"\r\n")[0])


class Large(Served):
    """Answers that take much memory, each another one."""
    READERS = 26

    def test_who_reads_large_answers_slowly_takes_nothing_from_others(self):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            c.executemany("INSERT INTO events (at, type, reason) VALUES (?, 'host', ?)", [(i, "x" * 2**23) for i in range(1, 4)])
        s = self.serve()
        slow = []
        for i in range(self.READERS):
            c = s.socket()
            self.addCleanup(c.close)
            c.sendall(b"GET /api/v1/history?since=19%d-01-01 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % (50 + i))
            self.assertIn(b"200 OK", c.recv(200))
            slow.append(c)
        self.assertEqual(s.ask("/healthz").status, 200)
        self.assertEqual(s.ask("/nothing").status, 404)
        self.assertEqual(len(s.ask("/api/v1/guests").json()["guests"]), 4)
        self.assertEqual(s.ask("/api/v1/history?since=1940-01-01").json()["events"][0]["reason"], "x" * 2**23)
        self.assertTrue(rest(slow[-1]).endswith(b"}\n"), "the last one has its answer whole")
        self.assertFalse(rest(slow[0]).endswith(b"}\n"), "the first one had to go")


class Slow(Served):
    """An answer larger than what sockets hold."""
    where = None
    GUESTS = 400

    def trace(self):
        t = Trace()
        t.synced()
        for i in range(self.GUESTS):
            life(t, i + 1, f"web-{i}", f"11111111-2222-3333-4444-{i:012x}", LEAVES_MORE, seconds=0)
        t.tick(4)
        return t

    def test_readers_who_do_not_read_share_one_copy(self):
        s = self.serve(listen="unix:" + self.folder.file("http.sock"))
        size = len(s.ask("/api/v1/guests").body)
        self.assertGreater(size, 300000)

        def memory():
            return int(next(line for line in open(f"/proc/{s.pid}/status") if line.startswith("RssAnon:")).split()[1]) * 1024
        before, slow = memory(), []
        for _ in range(SHARE - 4):
            c = s.socket()
            self.addCleanup(c.close)
            c.sendall(b"GET /api/v1/guests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            slow.append(c)
        for c in slow:
            self.assertIn(b"200 OK", c.recv(200))
        self.assertEqual(len(s.ask("/api/v1/guests").json()["guests"]), self.GUESTS)
        self.assertLess(memory() - before, (SHARE - 4) * size / 3)
        self.assertEqual(len(slow[0].recv(100) + rest(slow[0])) > size - 300, True, "who reads in the end has it all")


class OfRun(Run):
    """The messenger serves; nothing that happens there costs an alert."""
    def begin(self, *args):
        m = self.process([ABIDRIFT, "run", "--store", self.store, *args])
        m.wait_line("^abidrift: ready$")
        return m

    @staticmethod
    def at(m):
        m.at = m.wait_line("listening on").split("listening on ")[1]
        return m

    ask, connection, socket = Server.ask, Server.connection, Server.socket

    def served(self, *args):
        m = self.at(self.begin(*args))
        for name in ("ask", "connection", "socket"):
            setattr(m, name, getattr(Server, name).__get__(m))
        return m

    def test_it_is_ready_and_alerts_go_out_while_clients_do_their_worst(self):
        m = self.served("--listen", "127.0.0.1:0")
        self.assertEqual(wait_for("the first heartbeat", lambda: (a := m.ask("/readyz")).status == 200 and a).body, b"ready\n")
        slow = [m.socket() for _ in range(200)]
        for c in slow:
            self.addCleanup(c.close)
            with contextlib.suppress(OSError):
                c.send(b"GET / HT")
        kind = self.alert()
        wait_for("the alert", lambda: any(json.loads(a)["type"] == kind and json.loads(a)["guest"]["uuid"] == UUID for a in list(m.out)))
        self.assertEqual(m.ask("/api/v1/guests").status, 200)
        self.assertIn(b"abidrift_alerts_total", m.ask("/metrics").body)

    def test_a_messenger_that_dies_is_back_on_the_same_socket(self):
        path = self.folder.file("http.sock")
        m = self.served("--listen", "unix:" + path)
        before = os.stat(path).st_ino
        os.kill(children(m.pid)["messenger"], signal.SIGKILL)
        m.wait_line("messenger was ended")
        self.assertEqual(m.ask("/healthz").status, 200)
        self.assertEqual(os.stat(path).st_ino, before)
        kind = self.alert()
        wait_for("the alert", lambda: any(json.loads(a)["type"] == kind and json.loads(a)["guest"]["uuid"] == UUID for a in list(m.out)))
        m.stop()
        self.assertFalse(os.path.exists(path))

    def test_a_place_that_was_asked_for_must_be_had(self):
        path = self.folder.file("http.sock")
        taken = socket.socket(socket.AF_UNIX)
        self.addCleanup(taken.close)
        taken.bind(path)
        taken.listen()
        for args in (["--listen", "unix:" + path], ["--set", "serve.listen=unix:" + path]):
            done = abidrift("run", *args, store=self.store, ok=(2,))
            self.assertIn("another abidrift serves there", done.stderr)
        self.assertIn("beyond this host", abidrift("run", "--listen", "0.0.0.0:0", store=self.store, ok=(2,)).stderr)


if __name__ == "__main__":
    unittest.main()
