# SPDX-License-Identifier: Apache-2.0
"""The archive for an incident review: whole, verifiable, the same from the verb and over HTTP, and its raw tables are what others' tools
read. On stores made from traces: no root, no KVM; a real guest with several vCPUs and nodes needs both."""
import base64
import contextlib
import gzip
import hashlib
import html
import http.client
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import sqlite3
import struct
import subprocess
import tempfile
import unittest
import urllib.parse

import dmi
from harness import ABIDRIFT, BUILD, ROOT, SETTLE, Live, Process, abidrift, wait_for
from prom import free_port
from test_cli import LEAVES_MORE, OTHER, QUICK, UUID, Cli, drifted
from traces import ACPI, CPUID, MEMORY, RSDP, SMBIOS, SMBIOS_ENTRY, SMBIOS_TABLE, TABLE, Reader, Trace, life, read_memory, without

GOLDEN = os.path.join(ROOT, "tests", "replay", "q35.trace.gz")
NAMED = "golden-q35"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Exported(Cli):
    replay_code = 1

    def unpack(self, path):
        """The folder that the archive has, unpacked by tar."""
        place = tempfile.mkdtemp(dir=self.folder.path)
        done = subprocess.run(["tar", "--zstd", "-xf", path, "-C", place], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        top, = os.listdir(place)
        return os.path.join(place, top)

    def export(self, guest, *args, name="x.tar.zst"):
        path = self.folder.file(name)
        self.run_it("export", guest, "-o", path, *args)
        return self.unpack(path)

    def read(self, folder, *name):
        with open(os.path.join(folder, *name), "rb") as f:
            return f.read()

    def paths(self, folder):
        return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)

    def manifest(self, folder):
        return json.loads(self.read(folder, "manifest.json"))

    @contextlib.contextmanager
    def served(self):
        server = Process([ABIDRIFT, "serve", "--listen", "127.0.0.1:0"], env=self.env)
        try:
            yield urllib.parse.urlsplit(server.wait_line("listening on").split("listening on ")[1])
        finally:
            server.stop()

    def get(self, at, path, **headers):
        with contextlib.closing(http.client.HTTPConnection(at.hostname, at.port, timeout=30)) as c:
            c.request("GET", path, headers=headers)
            r = c.getresponse()
            return r.status, r.headers, r.read()


class Drifted(Exported):
    """web-1 lost SSE4.2 at its second start."""
    def setUp(self):
        super().setUp()
        self.env["ABIDRIFT_STORE"] = self.store(drifted())

    def test_every_file_is_listed_with_the_digest_that_it_has(self):
        folder = self.export("web-1")
        self.assertEqual(os.path.basename(folder), "abidrift-web-1")
        manifest = self.manifest(folder)
        paths = self.paths(folder)
        self.assertEqual(sorted([f["path"] for f in manifest["files"]] + ["SHA256SUMS", "manifest.json"]), paths)
        for f in manifest["files"]:
            data = self.read(folder, f["path"])
            self.assertEqual((f["bytes"], f["digest"]), (len(data), "sha256:" + sha256(data)), f["path"])
            self.assertTrue(f["what"], f["path"])
        done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(": OK\n"), len(paths) - 1)
        web = [g for g in self.json("ls")["guests"] if g["name"] == "web-1"][0]
        self.assertEqual(manifest["guest"], {"id": UUID, "uuid": UUID, "name": "web-1"})
        self.assertEqual((manifest["format"], manifest["hosts"], manifest["revisions"]), (1, ["testhost"], [1, 2]))
        self.assertEqual((manifest["baseline"], manifest["current"]), (web["baseline"], web["current"]))
        self.assertIn("secrets", [left["what"] for left in manifest["left_out"]])

    def test_texts_and_models_are_what_the_verbs_print(self):
        folder = self.export("web-1")
        for name, args, code in (("show", ["show", UUID], 0), ("alerts", ["alert", "list", UUID], 0), ("diffs/baseline-now", ["diff", UUID], 1),
                                 ("diffs/1-2", ["diff", UUID + "@1", UUID + "@2"], 1), ("revisions/2/show", ["show", UUID + "@2"], 0)):
            self.assertEqual(self.read(folder, name + ".json"), self.run_it(*args, "--json", code=code).stdout, name)
            if not name.startswith(("revisions", "alerts")):
                self.assertEqual(self.read(folder, name + ".txt"), self.run_it(*args, "--color", "never", code=code).stdout, name)
        for n in "12":
            text = self.read(folder, "revisions", n, "fingerprint.txt")
            self.assertEqual(text, self.run_it("show", f"{UUID}@{n}", "--fingerprint").stdout)
            shown = json.loads(self.read(folder, "revisions", n, "show.json"))
            for facet in shown["facets"]:
                lines = b"".join(line for line in text.splitlines(True) if line.startswith(facet["facet"].encode() + b" "))
                self.assertEqual(facet["digest"], "sha256:" + sha256(lines) if lines else None, facet["facet"])
            self.assertEqual(json.loads(self.read(folder, "revisions", n, "context.json")), shown["context"])
        self.assertEqual([g["id"] for g in json.loads(self.read(folder, "guest.json"))["guests"]], [UUID])
        self.assertTrue(json.loads(self.read(folder, "alerts.json"))["alerts"])
        own = [e for e in json.loads(self.read(folder, "history.json"))["events"] if e["guest"]]
        self.assertEqual(own, self.json("history", UUID)["events"])

    def test_the_same_bytes_every_time_and_over_http(self):
        first = self.folder.file("a")
        piped = subprocess.run([ABIDRIFT, "export", "web-1", "-q", "-o", "-"], stdout=subprocess.PIPE, check=True, env=self.env).stdout
        said = self.json("export", "web-1", "-o", first)
        with open(first, "rb") as f:
            data = f.read()
        self.assertEqual(data, piped)
        self.assertEqual(said, {"path": first, "bytes": len(data), "digest": "sha256:" + sha256(data), "files": len(self.paths(self.unpack(first)))})
        with self.served() as at:
            for _ in range(2):
                status, headers, body = self.get(at, f"/api/v1/guests/{UUID}/export", **{"Accept-Encoding": "gzip"})
                self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]), (200, "application/zstd", None))
                self.assertEqual(headers["Content-Disposition"], 'attachment; filename="abidrift-web-1.tar.zst"')
                self.assertEqual(body, data)
            self.assertEqual(self.get(at, f"/api/v1/guests/{UUID}/export", **{"If-None-Match": headers["ETag"]})[0], 304)
            self.assertEqual(self.get(at, "/api/v1/guests/nobody/export")[0], 404)
            self.assertEqual(self.get(at, f"/api/v1/guests/{UUID}/export?x=1")[0], 400)

    def test_asking_again_makes_no_new_archive(self):
        """One loop serves all and delivers alerts: whoever polls an archive, or asks for its headers only, must not have it made anew."""
        def spent(process):
            with open(f"/proc/{process.pid}/schedstat") as f:
                return int(f.read().split()[0])

        def cheap():
            server = Process([ABIDRIFT, "serve", "--listen", "127.0.0.1:0"], env=self.env)
            try:
                at = urllib.parse.urlsplit(server.wait_line("listening on").split("listening on ")[1])
                path = f"/api/v1/guests/{UUID}/export"
                before = spent(server)
                tag = self.get(at, path)[1]["ETag"]
                first = spent(server)
                for _ in range(10):
                    self.assertEqual(self.get(at, path, **{"If-None-Match": tag})[0], 304)
                return spent(server) - first < first - before
            finally:
                server.stop()

        # It is kept for some seconds, which a busy machine may be slower than.
        self.assertTrue(any(cheap() for _ in range(5)))

    def test_times_are_the_stores_own(self):
        folder = self.export("web-1")
        manifest = self.manifest(folder)
        newest = max(e["at"] for e in json.loads(self.read(folder, "history.json"))["events"])
        self.assertGreaterEqual(manifest["as_of"], newest)
        at = json.loads(self.read(folder, "revisions", "1", "show.json"))["at"]
        listed = subprocess.run(["tar", "--zstd", "--numeric-owner", "--utc", "--full-time", "-tvf", self.folder.file("x.tar.zst")], capture_output=True, text=True).stdout
        self.assertEqual([line.split()[5] for line in listed.splitlines()], sorted(line.split()[5] for line in listed.splitlines()))
        for line in listed.splitlines():
            mode, owner, _, day, time, path = line.split(maxsplit=5)
            self.assertEqual((mode, owner), ("-rw-r--r--", "0/0"))
            self.assertEqual(f"{day}T{time}", (at if "/revisions/1/" in path else manifest["as_of"])[:19], path)

    def test_a_file_is_whole_or_not_there(self):
        path = self.folder.file("web.tar.zst")
        self.run_it("export", "web-1", "-o", path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            before = f.read()
        self.run_it("export", "db-1", "-o", path)
        with open(path, "rb") as f:
            self.assertNotEqual(f.read(), before)
        files = sorted(os.listdir(self.folder.path))
        self.assertIn("No space left", self.error("export", "web-1", "-o", "/dev/full"))
        self.assertIn("No such file", self.error("export", "web-1", "-o", self.folder.file("no/web")))
        self.assertIn("no guest is known as nobody", self.error("export", "nobody", "-o", path))
        self.assertIn("ambiguous", self.error("export", "1111", "-o", path))
        self.assertIn("-o FILE", self.error("export", "web-1"))
        self.assertIn("Is a directory", self.error("export", "web-1", "-o", self.folder.path))
        self.assertEqual(sorted(os.listdir(self.folder.path)), files)

    def test_a_link_stays_and_what_it_leads_to_is_written(self):
        target, link = self.folder.file("target"), self.folder.file("link")
        os.symlink("target", link)
        self.assertIn("No such file", self.error("export", "web-1", "-o", link))
        with open(target, "wb"):
            pass
        self.run_it("export", "web-1", "-o", link)
        self.assertEqual((os.readlink(link), self.read(target)[:4]), ("target", bytes.fromhex("28b52ffd")))

    def test_a_signal_leaves_no_half_file(self):
        path = self.folder.file("x")
        self.run_it("export", "web-1", "-o", path)
        size = os.stat(path).st_size
        os.unlink(path)
        files = sorted(os.listdir(self.folder.path))
        # The kernel's own signal, in the middle of the writing.
        done = subprocess.run([ABIDRIFT, "export", "web-1", "-o", path], env=self.env, capture_output=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1)))
        self.assertEqual(done.returncode, -signal.SIGXFSZ)
        self.assertEqual(sorted(os.listdir(self.folder.path)), files)

    def test_it_is_the_same_however_long_the_monitor_has_been_silent(self):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as db, db:
            at = 1 + max(r[0] for r in db.execute("SELECT MAX(at) FROM events"))
            db.execute("INSERT OR REPLACE INTO statuses VALUES ('testhost', ?, '{}')", (at,))
            db.execute("UPDATE instances SET running = 1, ended_at = 0")
        self.assertTrue(self.json("ls")["stale"])
        folder = self.export("web-1")
        self.assertEqual(json.loads(self.read(folder, "guest.json"))["stale"], [])
        self.assertEqual([r["host"] for r in self.manifest(folder)["reported"]], ["testhost"])

    def test_standard_output_that_is_full_or_a_terminal(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([ABIDRIFT, "export", "web-1", "-o", "-"], stdout=full, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (2, 1))
        ours, theirs = os.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, ours)
            stack.callback(os.close, theirs)
            done = subprocess.run([ABIDRIFT, "export", "web-1", "-o", "-"], stdout=theirs, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"terminal", done.stderr)


class Damaged(Exported):
    """A store whose disk failed: what there is still is handed on, and nobody takes it for all there was."""
    replay_code = 1

    def damage(self, number, what="text"):
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as c, c:
            done = c.execute(f"UPDATE contents SET bytes = x'00' WHERE row = (SELECT {what} FROM revisions WHERE revision = ? AND guest = (SELECT row FROM guests WHERE id = ?))",
                             (number, UUID))
            self.assertEqual(done.rowcount, 1)

    def exported(self, lost):
        """The folder, the manifest and what is lost."""
        path = self.folder.file("x.tar.zst")
        said = self.run_it("export", "web-1", "-o", path).err
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("the archive lacks " + lost, said)
        self.assertIn("damaged", said)
        folder = self.unpack(path)
        text = self.read(folder, "manifest.json").decode()
        self.assertNotIn(self.folder.path, text)
        left = [l["what"] for l in json.loads(text)["left_out"]]
        self.assertEqual(len(left), len(set(left)), left)
        return folder, json.loads(text), [what for what in left if what not in ("secrets", "firmware code")]

    def test_the_baseline(self):
        self.env["ABIDRIFT_STORE"] = self.store(drifted())
        self.damage(1)
        folder, manifest, left = self.exported("diffs/baseline-now.* and 1 more")
        self.assertEqual((manifest["revisions"], left), ([2], ["diffs/baseline-now.*", "revisions/1/"]))
        self.assertEqual(os.listdir(os.path.join(folder, "revisions")), ["2"])

    def test_what_is_now(self):
        self.env["ABIDRIFT_STORE"] = self.store(drifted())
        self.damage(2)
        _, manifest, left = self.exported("diffs/baseline-now.* and 2 more")
        self.assertEqual((manifest["revisions"], left), ([1], ["diffs/baseline-now.*", "show.json, show.txt", "revisions/2/"]))

    def test_one_in_between(self):
        """Those around it are compared with each other."""
        t = Trace()
        t.synced()
        for n in range(4):
            life(t, n + 1, "web-1", UUID, {**LEAVES_MORE, (1, 0): (0x306a9 + n, 0x800, 0x80302001, 0x178bfbff)}, seconds=2)
            t.gone(n + 1)
        self.env["ABIDRIFT_STORE"] = self.store(t)
        self.damage(2)
        folder, manifest, left = self.exported("revisions/2/: ")
        self.assertEqual((manifest["revisions"], left), ([1, 3, 4], ["revisions/2/"]))
        self.assertEqual({n for n in os.listdir(os.path.join(folder, "diffs")) if n.endswith(".json")}, {"baseline-now.json", "1-3.json", "3-4.json"})
        self.assertEqual(self.run_it("export", "web-1", "-q", "-o", self.folder.file("q")).err, "")


class Report(Exported):
    """The page of one guest as a file."""
    def setUp(self):
        super().setUp()
        self.env["ABIDRIFT_STORE"] = self.store(drifted())

    def answers(self, folder):
        page = self.read(folder, "report.html").decode()
        text, = re.findall(r'<script type="application/json" id="answers">(.*?)</script>', page, re.S)
        return json.loads(text)

    def test_it_answers_what_the_page_asks_as_the_server_would(self):
        """Else a view of the report is empty, or tells something else than the page did."""
        told = self.answers(self.export("web-1"))
        self.assertEqual(told["guest"], UUID)
        paths = set(told["answers"])
        self.assertTrue({"/api/v1/guests", f"/api/v1/guests/{UUID}", f"/api/v1/guests/{UUID}/revisions/1", f"/api/v1/guests/{UUID}/revisions/2",
                         f"/api/v1/diff?from={UUID}", f"/api/v1/diff?from={UUID}%401&to={UUID}%402", f"/api/v1/diff?from={UUID}%401&to={UUID}", f"/api/v1/diff?from={UUID}%40baseline&to={UUID}%402",
                         f"/api/v1/history?guest={UUID}&host=yes", f"/api/v1/alerts?guest={UUID}"} <= paths, paths)
        with self.served() as at:
            for path, answer in told["answers"].items():
                status, _, body = self.get(at, path)
                self.assertEqual(status, 200, path)
                if path.endswith("format=text"):
                    self.assertEqual(answer, body.decode(), path)
                elif path == "/api/v1/guests":
                    there = json.loads(body)
                    self.assertEqual(answer["guests"], [g for g in there["guests"] if g["id"] == UUID])
                    self.assertEqual(set(answer), set(there))
                else:
                    self.assertEqual(answer, json.loads(body), path)

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_a_browser_opens_it_as_a_file_and_asks_nobody(self):
        """The archive is read where there is no abidrift and no network."""
        if "serve.page" not in self.json("version")["features"]:
            self.skipTest("this build is without the page")
        path = os.path.join(self.export("web-1"), "report.html")
        for view in ("", f"#/guest/{UUID}?rev=1", "#/diff?from=" + UUID, f"#/diff?from={UUID}%401&to={UUID}%402", f"#/diff?from={UUID}%40baseline&to={UUID}%402"):
            dom, said = self.browse("file://" + path + view)
            self.assertIn("<main", dom, view)
            self.assertIn("report of", dom, view)
            self.assertIn("sse4.2" if "diff" in view else "web-1", dom, view)
            self.assertNotIn("This report does not hold", dom, view)
            self.assertNotRegex(said, "(?i)refused|violat|uncaught|ERR_|CSP", view)

    def browse(self, url):
        """The document as the browser has it once its script ran, and what its console said."""
        place = tempfile.mkdtemp(dir=self.folder.path)
        done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                               "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--log-level=0",
                               "--user-data-dir=" + place, "--virtual-time-budget=5000", "--dump-dom", url], capture_output=True, text=True, timeout=120)
        return re.sub(r"<(script|style)\b.*?</\1>", "", done.stdout, flags=re.S), "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    def test_without_scripts_it_has_the_texts(self):
        page = self.read(self.export("web-1"), "report.html").decode()
        shown = html.unescape(re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]*>", "", page, flags=re.S))
        for args, code in ((("diff", UUID), 1), (("show", UUID), 0)):
            self.assertIn(self.run_it(*args, "--color", "never", code=code).out, shown)

    def test_its_policy_lets_only_its_own_script_run(self):
        page = self.read(self.export("web-1"), "report.html").decode()
        policy, = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        self.assertTrue(policy.startswith("default-src 'none';"), policy)
        hashes = lambda tag: ["'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'" for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)]
        self.assertEqual(re.findall(r"style-src ([^;]*)", policy), hashes("style"))
        self.assertEqual(re.findall(r"script-src ([^;]*)", policy), hashes("script"))
        self.assertNotRegex(re.sub(r"<(script|style)[ >].*?</\1>", "", page, flags=re.S), r"(?i)<(script|link|img|iframe|object|embed)|\s(src|href|on\w+|style)=")


class Hostile(Exported):
    """Whoever names a guest may write anything: it stays text, in a folder of ours."""
    NAMES = ["../../../tmp/evil", "-rf --checkpoint=1", "</script><img src=x onerror=alert(1)>", "<!--<script>", "a\u2028b\u2029c", "\x1b[2J\n\r\tx",
             "x" * 300, ".", "..", "a/b", "a@2", "%2e%2e%2f", 'q"; filename="evil', "sha256:ab", "guest:web", "\udcff\udcfe", "\u202egnp.exe", "con", "it's"]

    def setUp(self):
        super().setUp()
        t = Trace()
        t.synced()
        for vm, name in enumerate(self.NAMES, 1):
            life(t, vm, name)
        self.env["ABIDRIFT_STORE"] = self.store(t)

    replay_code = 0

    def test_a_name_leaves_no_folder_and_breaks_no_file(self):
        guests = self.json("ls")["guests"]
        self.assertEqual(len(guests), len(self.NAMES))
        seen, before = set(), sorted(os.listdir(self.folder.path))
        with self.served() as at:
            for guest in guests:
                forced = "guest:" if guest["id"].startswith("guest:") else ""
                status, headers, body = self.get(at, f"/api/v1/guests/{urllib.parse.quote(forced + guest['id'], safe='')}/export")
                if status == 404:  # no valid UTF-8: what JSON says of it is not its name
                    self.assertIn("\ufffd", guest["id"])
                    continue
                self.assertEqual(status, 200, guest["id"])
                name, = re.fullmatch(r'attachment; filename="(abidrift-[A-Za-z0-9._-]+\.tar\.zst)"', headers["Content-Disposition"]).groups()
                path = self.folder.file("one")
                with open(path, "wb") as f:
                    f.write(body)
                listed = subprocess.run(["tar", "--zstd", "-tf", path], capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
                for line in listed:
                    self.assertRegex(line, r"^abidrift-[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$")
                    self.assertNotIn("..", line.split("/"))
                folder = self.unpack(path)
                self.assertEqual(os.path.basename(folder) + ".tar.zst", name)
                done = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (0, ""))
                self.assertNotIn(name, seen, "two guests would be one file")
                seen.add(name)
                self.assertEqual(self.manifest(folder)["guest"]["id"], guest["id"])
                self.page_is_whole(self.read(folder, "report.html").decode(), guest)
                os.unlink(path)
                shutil.rmtree(os.path.dirname(folder))
        self.assertGreaterEqual(len(seen), len(self.NAMES) - 1)
        self.assertEqual(sorted(os.listdir(self.folder.path)), before)

    def page_is_whole(self, page, guest):
        """As a browser takes it apart: the same elements as of any other guest, and the answers as they were."""
        tags = re.findall(r"<(/?[a-z][a-z0-9]*)", re.sub(r"(<script>|<style>).*?(</script>|</style>)", "", page, flags=re.S), re.I)
        self.assertFalse({t.lower() for t in tags} - {"html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "section", "pre", "script", "/html", "/head", "/title",
                                                      "/body", "/div", "/h1", "/h2", "/p", "/section", "/pre", "/script"})
        text, = re.findall(r'<script type="application/json" id="answers">(.*?)</script>', page, re.S)
        self.assertNotRegex(text, "[<>&\u2028\u2029]")
        told = json.loads(text)
        self.assertEqual(told["guest"], guest["id"])
        quoted = urllib.parse.quote(guest["id"], safe="-_.!~*'()")
        self.assertIn(f"/api/v1/guests/{quoted}", set(told["answers"]))
        side = "guest%3A" + quoted if re.search("[@/]|^(guest|sha256):", guest["id"]) else quoted
        self.assertIn(f"/api/v1/diff?from={side}", set(told["answers"]))


class Paths(Exported):
    """A report's answers stand under the paths that the page asks: where one rule of these is in C and another in TypeScript, a view of a
    guest with an odd name is empty."""
    NAMES = ["web-1", "a@2", "a@baseline", "a/b", "guest:web", "sha256:ab", "-it's (1)!*~_.", "q?a=b&c#d+e%41", "\u00e9\u2028\U0001f600", "guest", "sha256"]
    ASKED = """
        import { paths } from './src/api'
        import { sideOf } from './src/url'
        const asked = (id) => {
            const now = sideOf(id), first = sideOf(id, 1), second = sideOf(id, 2), baseline = sideOf(id, 'baseline')
            const pairs = [[now], [first, second], [first, now], [second, now], [baseline, second]]
            return [paths.guests(), paths.guest(id), paths.guest(id, 1), paths.guest(id, 2), paths.history(id), paths.alerts(id),
                    ...pairs.flatMap(([from, to]) => [paths.diff(from, to), paths.diffText(from, to)])]
        }
        console.log(JSON.stringify(JSON.parse(process.argv[2]).map(asked)))
    """
    replay_code = 1

    def asked(self, ids):
        """By the page's own source, bundled as the build does it."""
        page = os.path.join(BUILD, "review")
        if "serve.page" not in self.json("version")["features"]:
            self.skipTest("this build is without the page")
        script = self.folder.file("asked.js")
        subprocess.run([os.path.join(page, "node_modules", ".bin", "esbuild"), "--bundle", "--loader=ts", "--platform=node", "--log-level=warning", "--outfile=" + script,
                        "--banner:js=globalThis.document = { getElementById: () => null }"], input=self.ASKED, text=True, cwd=page, check=True)
        return json.loads(subprocess.run(["node", script, json.dumps(ids)], capture_output=True, text=True, check=True).stdout)

    def test_they_are_what_the_page_asks_whatever_the_guest_is_called(self):
        t = Trace()
        t.synced()
        for vm, name in enumerate(self.NAMES, 1):
            life(t, vm, name, leaves=LEAVES_MORE)
            t.gone(vm)
            life(t, vm + 100, name, leaves=without(LEAVES_MORE, 1, 2, 20))
        self.env["ABIDRIFT_STORE"] = self.store(t)
        self.assertEqual(sorted(g["id"] for g in self.json("ls")["guests"]), sorted(self.NAMES))
        for name, asked in zip(self.NAMES, self.asked(self.NAMES)):
            page = self.read(self.export("guest:" + name), "report.html").decode()
            text, = re.findall(r'<script type="application/json" id="answers">(.*?)</script>', page, re.S)
            self.assertEqual(sorted(json.loads(text)["answers"]), sorted(asked), name)


class OddTables(Exported):
    """Some of them the facet refuses, and says so: they are exported all the same."""
    replay_code = 3

    def test_a_table_is_a_file_whatever_its_signature_says(self):
        t = Trace()
        t.synced()
        signatures = [b"SSDT", b"../x", b"ssdt", b"\0\1\2\3", b"a/b\n", b"----", b"SSDT", b"con.", b"\xff\xfe..", b"RSDP"]
        tables = [(TABLE, s + struct.pack("<IBB6s8sI4sI", 40, 1, 0, b"OEMID ", b"OEMTABLE", 1, b"ABCD", 1) + b"body") for s in signatures]
        life(t, 1, "tables", UUID, seconds=0)
        t.memory(1, 1, ACPI, [(RSDP, b"RSD PTR " + bytes(12)), *tables])
        t.tick(4)
        self.env["ABIDRIFT_STORE"] = self.store(t)
        folder = self.export("tables")
        names = sorted(os.listdir(os.path.join(folder, "revisions", "1", "acpi")))
        self.assertEqual(len(names), len(tables) + 1)
        for name in names:
            self.assertRegex(name, r"^(rsdp\.bin|[a-z0-9_]{4}\d*\.dat)$")
        self.assertEqual(sorted(self.read(folder, "revisions", "1", "acpi", name) for name in names), sorted([b"RSD PTR " + bytes(12)] + [data for _, data in tables]))


class Without(Exported):
    """Of a guest that has no fingerprint yet."""
    replay_code = 0

    def test_history_is_exported_all_the_same(self):
        t = Trace()
        t.synced()
        life(t, 1, "young", UUID, seconds=0.5)
        t.gone(1)
        self.env["ABIDRIFT_STORE"] = self.store(t)
        folder = self.export("young")
        manifest = self.manifest(folder)
        self.assertEqual((manifest["current"], manifest["revisions"]), (None, []))
        self.assertIn("no fingerprint", [left["why"] for left in manifest["left_out"] if left["what"] == "revisions"][0])
        self.assertEqual([e["type"] for e in json.loads(self.read(folder, "history.json"))["events"]][:1], ["boot"])
        self.assertIn("report.html", self.paths(folder))


class Many(Exported):
    """More revisions than an archive has."""
    replay_code = 1

    def test_the_baseline_and_the_newest_are_told_and_the_rest_is_named(self):
        t = Trace()
        t.synced()
        for n in range(70):
            life(t, n + 1, "web-1", UUID, {**LEAVES_MORE, (1, 0): (0x306a9 + n, 0x800, 0x80302001, 0x178bfbff)}, seconds=2)
            t.gone(n + 1)
        self.env["ABIDRIFT_STORE"] = self.store(t)
        folder = self.export("web-1")
        manifest = self.manifest(folder)
        revisions = manifest["revisions"]
        self.assertEqual((len(revisions), revisions[0], revisions[-1]), (64, manifest["baseline"]["revision"], manifest["current"]["revision"]))
        self.assertEqual(revisions[1:], list(range(8, 71)))
        self.assertTrue([left for left in manifest["left_out"] if "revisions" in left["what"]])
        self.assertEqual(sorted(int(n) for n in os.listdir(os.path.join(folder, "revisions"))), revisions)
        pairs = {tuple(map(int, name[:-5].split("-"))) for name in os.listdir(os.path.join(folder, "diffs")) if name[0].isdigit() and name.endswith(".json")}
        self.assertEqual(pairs, set(zip(revisions, revisions[1:])))


class Tables(Exported):
    """A guest as a real host saw it: what is exported is what was read, in the forms that others' tools read."""
    def setUp(self):
        super().setUp()
        self.trace_path = self.folder.file("golden.trace")
        with gzip.open(GOLDEN) as f, open(self.trace_path, "wb") as out:
            out.write(f.read())
        self.env["ABIDRIFT_STORE"] = "sqlite:" + self.folder.file("s.db")
        self.run_it("replay", self.trace_path, "--store", self.env["ABIDRIFT_STORE"], *SETTLE, code=1)
        self.guest, = self.json("ls")["guests"]
        self.top = self.export(NAMED)

    def recorded(self):
        """Of each boot: {vCPU: table}, and the parts of each area that were read last."""
        boots = []
        for kind, vm, boot, body in Reader(self.trace_path).read():
            if kind == CPUID:
                vcpu, _, count, _ = struct.unpack_from("<IIII", body)
                table = [struct.unpack_from("<7I", body, 16 + 28 * i) for i in range(count)]
                yield "cpuid", (vm, boot), vcpu, table
            elif kind == MEMORY:
                area, _, parts = read_memory(body)
                yield "memory", (vm, boot), area, parts

    def test_cpuid_is_every_register_of_every_vcpu(self):
        tables = [(vcpu, sorted((f, i if flags & 1 else 0, *regs) for f, i, flags, *regs in table)) for what, _, vcpu, table in self.recorded() if what == "cpuid"]
        for n in ("1", "2"):
            path = os.path.join(self.top, "revisions", n, "cpuid.raw")
            found, vcpu = [], None
            for line in self.read(path).decode().splitlines():
                if m := re.fullmatch(r"CPU (\d+):", line):
                    found.append((int(m[1]), []))
                else:
                    m = re.fullmatch(r"   0x(\w{8}) 0x(\w{2}): eax=0x(\w{8}) ebx=0x(\w{8}) ecx=0x(\w{8}) edx=0x(\w{8})", line)
                    found[-1][1].append(tuple(int(x, 16) for x in m.groups()))
            self.assertTrue(found)
            for one in found:
                self.assertIn(one, tables)
            # cpuid's own reader takes it for what it is: the same lines come back.
            raw = subprocess.run(["cpuid", "-r", "-f", path], capture_output=True, text=True).stdout
            self.assertEqual(raw.splitlines(), self.read(path).decode().splitlines())
            said = subprocess.run(["cpuid", "-f", path], capture_output=True, text=True).stdout
            self.assertIn('vendor_id = "AuthenticAMD"', said)

    def test_acpi_is_every_table_byte_for_byte_and_iasl_reads_it(self):
        parts = {bytes(data) for what, _, area, items in self.recorded() if what == "memory" and area == ACPI for _, kind, data in items if kind in (RSDP, TABLE)}
        for n in ("1", "2"):
            folder = os.path.join(self.top, "revisions", n, "acpi")
            names = sorted(os.listdir(folder))
            self.assertTrue({"rsdp.bin", "dsdt.dat", "facp.dat", "facs.dat", "apic.dat"} <= set(names))
            for name in names:
                data = self.read(folder, name)
                self.assertIn(data, parts, name)
                if name == "rsdp.bin":
                    self.assertEqual(data[:8], b"RSD PTR ")
                else:
                    self.assertTrue(data[:4].decode().lower() == re.sub(r"\d*\.dat", "", name))
                    done = subprocess.run(["iasl", "-d", os.path.join(folder, name)], capture_output=True, text=True)
                    self.assertTrue(os.path.exists(os.path.join(folder, name[:-4] + ".dsl")), name + done.stdout + done.stderr)
            # As the archive's own README.txt says.
            done = subprocess.run(["sh", "-c", "iasl -d *.dat"], cwd=folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(os.path.join(folder, "dsdt.dsl")) as f:
                self.assertIn("DefinitionBlock", f.read())

    def test_smbios_is_what_dmidecode_reads(self):
        shown = json.loads(self.read(self.top, "revisions", "2", "show.json"))
        values = {e["key"]: e["value"] for f in shown["facets"] if f["facet"] == "smbios" for e in f["entries"]}
        path = os.path.join(self.top, "revisions", "2", "smbios.bin")
        done = subprocess.run(["dmidecode", "--from-dump", path], capture_output=True, text=True)
        self.assertNotIn("checksum", done.stdout + done.stderr)
        for key, label in (("type1.0/product_name", "Product Name"), ("type1.0/manufacturer", "Manufacturer"), ("type0.0/version", "Version")):
            self.assertIn(f"{label}: {values[key]}", done.stdout)
        table, = {bytes(data) for what, _, area, items in self.recorded() if what == "memory" and area == SMBIOS for _, kind, data in items
                  if kind == SMBIOS_TABLE} & {self.read(path)[32:]}
        self.assertTrue(table)

    def test_memory_and_firmware_are_what_the_fingerprint_says(self):
        text = self.read(self.top, "revisions", "2", "fingerprint.txt").decode()
        roms = json.loads(self.read(self.top, "revisions", "2", "firmware.json"))["roms"]
        self.assertTrue(roms)
        for rom in roms:
            self.assertIn(f"firmware rom/{rom['address']} ", text)
            self.assertIn(rom["digest"][7:], text)
        memory = json.loads(self.read(self.top, "revisions", "2", "memory.json"))
        self.assertTrue(memory["complete"])
        self.assertIn("0x0000000000000000", [s["address"] for s in memory["slots"]])



class RealGuest(Live):
    """A guest with vCPUs in two nodes, watched by the service's processes: what it was given comes out again, also from the messenger, which
    is shut in."""
    def test_its_tables_come_out_of_the_running_monitor(self):
        port = free_port()
        monitor = self.monitor("--listen", f"127.0.0.1:{port}")
        self.qemu("pc-q35-7.2", "-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
                  "-numa", "node,nodeid=0,cpus=0-1,memdev=m0", "-numa", "node,nodeid=1,cpus=2-3,memdev=m1", name="numa-export", vcpus=4)
        monitor.settled("numa-export")
        guest = monitor.guest("numa-export")

        def get():
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as c:
                c.request("GET", f"/api/v1/guests/{guest['id']}/export")
                r = c.getresponse()
                return r.status, r.read()

        def both():
            """Nothing happened between the one and the other."""
            path = self.folder.file("x.tar.zst")
            abidrift("export", "numa-export", "-o", path, store=monitor.store)
            with open(path, "rb") as f:
                first = f.read()
            status, second = get()
            self.assertEqual(status, 200, second[:300])
            return first == second
        wait_for("the same archive from the verb and from the messenger", both)
        place = self.folder.file("unpacked")
        os.mkdir(place)
        subprocess.run(["tar", "--zstd", "-xf", self.folder.file("x.tar.zst"), "-C", place], check=True)
        folder = os.path.join(place, "abidrift-numa-export", "revisions", str(guest["current"]["revision"]))
        with open(os.path.join(folder, "cpuid.raw")) as f:
            raw = f.read()
        self.assertEqual(re.findall(r"(?m)^CPU (\d+):$", raw), ["0", "1", "2", "3"])
        # Each vCPU's own APIC id: it is in the table, and in no fingerprint.
        self.assertEqual([int(ebx, 16) >> 24 for ebx in re.findall(r"(?m)^   0x00000001 0x00: eax=\w+ ebx=(\w+)", raw)], [0, 1, 2, 3])
        subprocess.run(["iasl", "-d", "acpi/srat.dat"], cwd=folder, check=True, capture_output=True)
        with open(os.path.join(folder, "acpi", "srat.dsl")) as f:
            srat = f.read()
        self.assertEqual(len(re.findall(r"\[Processor Local APIC/SAPIC Affinity\]", srat)), 4)
        said = subprocess.run(["dmidecode", "--from-dump", os.path.join(folder, "smbios.bin"), "-s", "system-uuid"], capture_output=True, text=True).stdout
        self.assertEqual(said.split(), [guest["uuid"]])


if __name__ == "__main__":
    unittest.main()
