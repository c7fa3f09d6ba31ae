# SPDX-License-Identifier: Apache-2.0
"""What people and scripts rely on from the verbs: texts, JSON, exit codes, errors. On stores made from made-up traces: no root, no KVM."""
import contextlib
import glob
import json
import os
import re
import sqlite3
import subprocess
import tempfile
import time
import unittest

from harness import ABIDRIFT, Folder
from traces import LEAVES, Trace, life, without

UUID = "11111111-2222-3333-4444-555555555555"
OTHER = "11111111-9999-3333-4444-555555555555"
QUICK = ["--set", "monitor.settle=1s"]
SSE4_2, ECX = 20, 2
FACETS = ["cpuid", "msr", "ports", "mmio", "memory", "pci", "placement", "acpi", "smbios", "numa", "firmware", "identity"]
LEAVES_MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff)}


def same():
    t = Trace()
    t.synced()
    life(t, 1, "web-1", UUID)
    t.gone(1)
    life(t, 2, "web-1", UUID)
    return t


def drifted():
    t = Trace()
    t.synced()
    life(t, 1, "web-1", UUID, LEAVES_MORE)
    t.gone(1)
    life(t, 2, "web-1", UUID, without(LEAVES_MORE, 1, ECX, SSE4_2), args=("-cpu", "qemu64,-sse4.2"))
    life(t, 3, "db-1", OTHER)
    return t


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.env = {k: v for k, v in os.environ.items() if k != "ABIDRIFT_STORE"}
        self.env["TMPDIR"] = self.folder.file("tmp")
        os.mkdir(self.env["TMPDIR"])

    def run_it(self, *args, code=0, stdin=b"", **env):
        done = subprocess.run([ABIDRIFT, *args], input=stdin, capture_output=True, timeout=60, env={**self.env, **env})
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{args}: {done.out[-1500:]}{done.err[-1500:]}")
        return done

    def error(self, *args, **kw):
        """Exit 2, nothing on standard output, one line on standard error; returns it."""
        done = self.run_it(*args, code=2, **kw)
        self.assertEqual(done.out, "")
        self.assertEqual(done.err.count("\n"), 1, done.err)
        if "--json" in args:
            return json.loads(done.err)["error"]
        self.assertTrue(done.err.startswith("abidrift: "), done.err)
        return done.err

    def json(self, *args, **kw):
        return json.loads(self.run_it(*args, "--json", **kw).out)

    def store(self, trace):
        path = trace.write(self.folder.file("t.trace"))
        url = "sqlite:" + self.folder.file("s.db")
        self.run_it("replay", path, "--store", url, *QUICK, code=self.replay_code)
        return url

    replay_code = 0


class DiedEarly(Cli):
    """A guest that lost SSE4.2 at its second start, and crashed before that boot had settled."""
    replay_code = 1

    def test_what_it_died_of_is_not_hidden_behind_its_last_fingerprint(self):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", UUID, LEAVES_MORE)
        t.gone(1)
        life(t, 2, "web-1", UUID, without(LEAVES_MORE, 1, ECX, SSE4_2), seconds=0.5)
        t.gone(2)
        self.env["ABIDRIFT_STORE"] = self.store(t)
        web, = self.json("ls")["guests"]
        self.assertEqual((web["state"], web["settled"], web["running"]), ("drift", False, False))
        changes = self.json("diff", "web-1", code=1)["changes"]
        self.assertEqual([f["name"] for c in changes for f in c["fields"]], ["sse4.2"])
        self.assertIn("not settled", self.error("accept", "web-1"))


class Upgraded(Cli):
    """A guest that lost SSE4.2 when its QEMU was upgraded."""
    replay_code = 1

    def test_history_names_the_vmm(self):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", UUID, LEAVES_MORE, version="5.2.0")
        t.gone(1)
        life(t, 2, "web-1", UUID, without(LEAVES_MORE, 1, ECX, SSE4_2), version="7.2.22")
        self.env["ABIDRIFT_STORE"] = self.store(t)
        drift, = [e for e in self.json("history")["events"] if e["type"] == "drift"]
        self.assertEqual(drift["vmm"], "qemu")
        self.assertIn("QEMU 5.2.0 \u2192 7.2.22", self.run_it("history").out)
        if os.geteuid() != 0:
            self.skipTest("needs root to look how it is without locales")
        # A minimal image has no C.UTF-8: the table never came to an end there.
        hidden = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /usr/lib/locale && exec "$@"', "sh"]
        done = subprocess.run([*hidden, ABIDRIFT, "history"], capture_output=True, timeout=60, env={k: v for k, v in self.env.items() if not k.startswith(("LC_", "LANG"))})
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn("QEMU 5.2.0 -> 7.2.22", done.stdout.decode("ascii"))


class Drifted(Cli):
    """A store of two guests, one of which lost SSE4.2 at its second start."""
    replay_code = 1

    def setUp(self):
        super().setUp()
        self.env["ABIDRIFT_STORE"] = self.store(drifted())

    def test_ls_has_every_promised_key_for_every_guest(self):
        guests = self.json("ls")["guests"]
        self.assertEqual([g["name"] for g in guests], ["db-1", "web-1"])
        for g in guests:
            self.assertEqual(set(g), {"id", "uuid", "name", "anonymous", "vmm", "machine", "pid", "running", "boot", "settled", "state", "severity",
                                      "verdict", "changes", "stable", "unstable", "next_boot", "baseline", "current", "coverage", "change_set",
                                      "host", "began", "ended", "life", "drift_since"})
            self.assertEqual(set(g["vmm"]), {"kind", "version", "build_id", "path", "replaced"})
            self.assertEqual(list(g["coverage"]), FACETS)
        web = guests[1]
        self.assertEqual((web["id"], web["state"], web["severity"], web["changes"], web["boot"]), (UUID, "drift", "info", 1, 2))
        self.assertEqual((web["baseline"]["revision"], web["current"]["revision"]), (1, 2))
        self.assertEqual(web["machine"], "pc-q35-7.2")
        self.assertEqual([(g["host"], g["life"], g["ended"]) for g in guests], [("testhost", "started", None)] * 2)
        drift, = [e for e in self.json("history")["events"] if e["type"] == "drift"]
        self.assertEqual((guests[0]["drift_since"], web["drift_since"]), (None, drift["at"]))
        boots = [e["at"] for e in self.json("history", "web-1")["events"] if e["type"] == "boot"]
        self.assertLessEqual(web["began"], boots[-1])
        self.assertGreater(web["began"], boots[0])

    def test_a_page_says_of_each_part_what_the_text_says(self):
        """Page and terminal are two views of one thing: who reads the one to who reads the other must not be corrected."""
        for sides in (["web-1"], ["web-1@2", "web-1@1"], ["web-1@1", "db-1"]):
            d, text = self.json("diff", *sides, code=1), self.run_it("diff", *sides, code=1).out
            parts, line = text.split("\n\n"), " ".join(text.split())
            for blame, part in zip(d["blames"], parts[1:]):
                self.assertTrue(" ".join(part.split()).startswith(f"{blame['verdict']}, {blame['severity']}: {blame['title']}"), (blame, part))
                for sentence in blame["because"] + blame["impact"] + [blame["or_by"] or "", blame["reason"] or "", blame["note"] or ""]:
                    self.assertIn(sentence, line)
            self.assertEqual(sorted(i for b in d["blames"] for i in b["changes"]), list(range(len(d["changes"]))))
            self.assertGreater(len(d["blames"]), 0)
            for command in d["accept"].values():
                self.assertEqual(command is not None and command in text, sides == ["web-1"], sides)
        conf = self.folder.file("c.conf")
        with open(conf, "w") as f:
            f.write("[suppress known]\nfacet = cpuid\nreason = known\n")
        d = self.json("diff", "web-1", "--config", conf)
        self.assertEqual((len(d["changes"]), d["blames"], d["accept"]), (1, [], {"guest": None, "change_set": None}))
        self.assertEqual(self.json("diff", "web-1@2")["accept"]["guest"], None)

    def test_the_command_that_is_shown_accepts_that_guest_and_does_nothing_else(self):
        """It is pasted into a root shell, and who made the guest chose its name."""
        url = self.env["ABIDRIFT_STORE"]
        self.env["PATH"] = os.path.dirname(ABIDRIFT) + ":" + self.env["PATH"]
        uuid = {"name": "UPDATE guests SET name = ?1 WHERE id = ?2", "id": "UPDATE guests SET name = ?1, id = ?1, uuid = NULL WHERE id = ?2"}
        for i, (which, name, shown) in enumerate((("name", "web-1", "web-1"), ("name", "$(touch oh)", UUID), ("name", OTHER, UUID), ("name", "db-1", UUID),
                                                  ("name", "sha256:12", UUID), ("name", "--undo", UUID), ("id", "a  b'; touch oh; '", None),
                                                  ("id", "a\n\x1b[31m`touch oh`", None), ("id", "../a@1", None))):
            copy = self.folder.file(f"{i}.db")
            self.json("store", "backup", copy, ABIDRIFT_STORE=url)
            self.env["ABIDRIFT_STORE"] = "sqlite:" + copy
            with contextlib.closing(sqlite3.connect(copy)) as db, db:
                (row,), = db.execute("SELECT row FROM guests WHERE id = ?", (UUID,))
                db.execute(uuid[which], (name, UUID))
            accept = self.json("diff", shown or "guest:" + name, code=1)["accept"]
            if shown:
                self.assertEqual(accept["guest"], f'abidrift accept {shown} --reason "\u2026"')
            done = subprocess.run(["bash", "-c", accept["guest"] + " --json"], capture_output=True, env=self.env, cwd=self.folder.file("tmp"))
            self.assertEqual((done.returncode, os.listdir(self.folder.file("tmp"))), (0, []), (name, done))
            with contextlib.closing(sqlite3.connect(copy)) as db:
                self.assertEqual(db.execute("SELECT guest, revision FROM baselines WHERE by <> 'auto'").fetchall(), [(row, 2)], name)

    def test_diff_names_the_feature_that_was_lost_and_its_factor(self):
        d = self.json("diff", "web-1", code=1)
        self.assertEqual(d["result"], "drift")
        self.assertEqual([(c["facet"], c["key"], c["change"]) for c in d["changes"]], [("cpuid", "0x00000001.0.ecx", "changed")])
        self.assertEqual(d["changes"][0]["fields"], [{"name": "sse4.2", "bits": "ecx[20]", "from": "1", "to": "0"}])
        self.assertEqual((d["changes"][0]["verdict"], [c["factor"] for c in d["changes"][0]["cause"]]), ("intended", ["cpu"]))
        self.assertIn({"factor": "cpu", "from": None, "to": "qemu64,-sse4.2"}, d["context"])
        self.assertEqual((d["from"]["revision"], d["to"]["revision"]), (1, 2))
        self.assertIn("sse4.2", self.run_it("diff", "web-1", code=1).out)

    def test_every_way_to_name_a_side_means_the_same(self):
        digest = self.json("show", "web-1@1")["digest"]
        for side in ("web-1@1", UUID + "@1", "web@1", "web-1@baseline", "guest:web-1@1", digest, digest[:15]):
            self.assertEqual(self.json("diff", side, "web-1", code=1)["from"]["digest"], digest, side)
        self.assertEqual(self.json("diff", "web-1@1", code=1)["result"], "drift")
        self.assertEqual(self.json("diff", "web-1@2")["result"], "same")
        self.assertEqual(self.json("diff", "web-1@2", "web-1@1", code=1)["changes"][0]["fields"][0]["to"], "1")

    def silent(self, seconds):
        """The monitor of the store's host last spoke so long ago; returns that host and its time."""
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as db, db:
            (host,), = db.execute("SELECT DISTINCT host FROM instances WHERE running = 1")
            db.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?, '{}')", (host, time.time_ns() - seconds * 10 ** 9))
        return host

    def test_what_a_dead_monitor_knew_is_not_told_as_now(self):
        ways = (("ls", 0), ("diff", "web-1", 1), ("show", "web-1", 0), ("show", "web-1", "--fingerprint", 0), ("accept", "web-1", 0), ("accept", "web-1", "--undo", 0))
        # One that never had a monitor, a file and a monitor that is alive: nothing is said.
        for seconds in (None, 0):
            if seconds is not None:
                self.silent(seconds)
            for *words, code in ways:
                self.assertEqual(self.run_it(*words, code=code).err, "", words)
            self.assertEqual((self.json("ls")["stale"], self.json("diff", "web-1", code=1)["stale"]), ([], []))
        host = self.silent(3600)
        for *words, code in ways:
            said = self.run_it(*words, code=code).err
            self.assertRegex(said, rf"^abidrift: no monitor of {re.escape(host)} works with this store since 20\S+Z: of its guests this is what it knew then\n$", words)
            self.assertEqual(self.run_it(*words, "-q", code=code).err, "", words)
        for model in (self.json("ls"), self.json("diff", "web-1", code=1)):
            self.assertEqual([s["host"] for s in model["stale"]], [host])
            self.assertRegex(model["stale"][0]["at"], "^20.*Z$")
        # Nothing is thought to run there: what is told is the past, and looks so.
        with contextlib.closing(sqlite3.connect(self.folder.file("s.db"))) as db, db:
            db.execute("UPDATE instances SET running = 0, ended_at = 1 WHERE running = 1")
        self.assertEqual((self.run_it("ls").err, self.json("ls")["stale"]), ("", []))

    def test_a_backup_tells_the_same_as_the_store_and_overwrites_nothing(self):
        copy = self.folder.file("copy.db")
        told = self.json("store", "backup", copy)
        self.assertEqual((told["path"], told["copy"]), (self.folder.file("s.db"), copy))
        self.assertEqual(os.stat(copy).st_mode & 0o7777, 0o640)
        self.assertEqual(self.json("ls", "--store", "sqlite:" + copy), self.json("ls"))
        before = open(copy, "rb").read()
        self.assertIn("already", self.error("store", "backup", copy))
        self.assertIn("URL", self.error("store", "backup", "sqlite:" + self.folder.file("c.db")))
        self.assertEqual(open(copy, "rb").read(), before)

    def test_check_says_what_it_looked_at_and_finds_damage(self):
        told = self.json("store", "check")
        self.assertEqual((told["path"], told["ok"]), (self.folder.file("s.db"), True))
        self.assertEqual({t["table"]: t["rows"] for t in told["tables"]}["guests"], 2)
        self.assertEqual(told["size"]["bytes"], os.path.getsize(told["path"]))
        self.assertIn(": whole\n", self.run_it("store", "check").out)
        db = sqlite3.connect(told["path"])
        db.execute("UPDATE contents SET bytes = x'00' WHERE row = (SELECT text FROM revisions LIMIT 1)")
        db.commit()
        db.close()
        done = self.run_it("store", "check", code=2)
        self.assertRegex(done.out, r"^contents \d+ are not what was stored\n$")
        self.assertRegex(done.err, r"^abidrift: store .*s\.db: it is damaged \(1 finding\).*\.recover.*\n$")
        # All that is wrong is told, a line each.
        db = sqlite3.connect(told["path"])
        db.execute("UPDATE guests SET revisions = 0")
        db.commit()
        db.close()
        told = json.loads(self.run_it("store", "check", "--json", code=2).out)
        self.assertEqual((told["ok"], len(told["findings"])), (False, 3), told)
        self.assertEqual(self.run_it("store", "check", code=2).out.splitlines(), told["findings"])
        self.assertIn("not whole", self.error("store", "backup", self.folder.file("copy.db"), "--json"))
        self.assertEqual(glob.glob(self.folder.file("copy.db*")), [])

    def test_prune_forgets_history_and_neither_baseline_nor_drift(self):
        events, guests = len(self.json("history")["events"]), self.json("ls")["guests"]
        old = self.json("store", "prune", "--older", "36500d")
        self.assertEqual(sum(p["rows"] for p in old["pruned"]), 0)
        told = self.json("store", "prune", "--older", "0s", "--vacuum")
        went = {p["table"]: p["rows"] for p in told["pruned"]}
        self.assertGreater(went["events"], 0)
        self.assertEqual(went["revisions"], 0)
        self.assertEqual(len(self.json("history")["events"]), events - went["events"])
        self.assertEqual((told["vacuumed"], told["size"]["free_bytes"]), (True, 0))
        self.assertEqual(self.json("ls")["guests"], guests)
        self.assertEqual(self.json("diff", "web-1", code=1)["result"], "drift")
        self.json("store", "check")
        self.assertIn("--older", self.error("store", "prune", "--older", "soon"))
        conf = self.folder.file("c.conf")
        with open(conf, "w") as f:
            f.write("[store]\nkeep = 0s\n")
        self.assertIn(" were forgotten", self.run_it("store", "prune", "--config", conf).out)

    def test_fingerprint_text_kept_in_a_file_compares_like_the_guest(self):
        for rev in "12":
            with open(self.folder.file(rev), "w") as f:
                f.write(self.run_it("show", f"web-1@{rev}", "--fingerprint").out)
        a, b = self.folder.file("1"), self.folder.file("2")
        self.assertEqual(len(self.json("diff", a, b, code=1, ABIDRIFT_STORE="sqlite:/nowhere/x.db")["changes"]), 1)
        self.assertEqual(self.json("diff", a, "web-1@1")["result"], "same")
        self.assertEqual(self.json("show", a, ABIDRIFT_STORE="sqlite:/nowhere/x.db")["digest"], self.json("show", "web-1@1")["digest"])
        with open(a) as f:
            self.assertEqual(f.readline(), "abidrift-fingerprint 1\n")
        with open(b, "a") as f:
            f.write("nonsense\n")
        self.assertIn(b, self.error("diff", a, b))
        self.assertIn("second", self.error("diff", a))

    def test_min_severity_narrows_the_exit_code(self):
        self.run_it("diff", "web-1", "--min-severity", "info", code=1)
        self.run_it("diff", "web-1", "--min-severity", "warning", code=0)
        self.error("diff", "web-1", "--min-severity", "bad")

    def test_show_decodes_every_facet(self):
        s = self.json("show", "web-1")
        self.assertEqual(set(s), {"guest", "revision", "digest", "at", "context", "facets", "revisions"})
        self.assertEqual([f["facet"] for f in s["facets"]], FACETS)
        cpuid = s["facets"][0]
        self.assertEqual((cpuid["coverage"], set(cpuid)), ("complete", {"facet", "digest", "coverage", "reason", "groups", "entries"}))
        entry = [e for e in cpuid["entries"] if e["key"] == "0x00000001.0.edx"][0]
        self.assertIn("sse2", entry["meaning"])
        self.assertEqual((entry["group"], {"name": "sse2", "bits": "edx[26]", "value": "1"} in entry["fields"]), ("0x00000001.0", True))
        self.assertEqual([(r["revision"], r["boot"], r["baseline"]) for r in s["revisions"]], [(2, 2, False), (1, 1, True)])
        self.assertEqual((s["revisions"][0]["digest"], s["revisions"][0]["at"]), (s["digest"], s["at"]))
        self.assertEqual(self.json("show", "web-1@1")["revisions"], s["revisions"])
        self.assertIsNone(s["facets"][1]["digest"])
        self.assertEqual(s["context"]["machine"], "pc-q35-7.2")
        self.assertEqual([f["facet"] for f in self.json("show", "web-1", "--facet", "memory")["facets"]], ["memory"])
        text = self.run_it("show", "web-1").out
        self.assertIn("0x00000001.0  processor and features", text)
        self.assertIn("  0x0000000000000000-0x000000000009ffff     640 KiB  ram\n", text)
        self.assertRegex(self.run_it("show", "web-1", "-v").out, r"\n  0x00000001\.0\.edx +0x178bf9ff +fpu")
        self.assertIn("cpuid", self.error("show", "web-1", "--facet", "cpu"))

    def test_a_page_heads_what_belongs_together_as_the_text_does(self):
        text = " ".join(self.run_it("show", "web-1").out.split())
        headed = 0
        for facet in self.json("show", "web-1")["facets"]:
            ids = [g["id"] for g in facet["groups"]]
            self.assertEqual(len(ids), len(set(ids)))
            self.assertEqual({e["group"] for e in facet["entries"]} - {None}, set(ids))
            for g in facet["groups"]:
                if g["title"]:
                    headed += 1
                    self.assertIn(" ".join(g["title"].split()), text)
        self.assertGreater(headed, 0)

    def test_an_earlier_revision_is_not_told_as_what_the_guest_has_now(self):
        now, before = self.run_it("show", "web-1").out, self.run_it("show", "web-1@1").out
        self.assertRegex(now, r"(?m)^state +drift$")
        self.assertRegex(now, r"(?m)^vmm +qemu 7\.2 ")
        self.assertNotRegex(before, r"(?m)^(state|boot|pid) ")
        self.assertRegex(before, r"(?m)^vmm +qemu 7\.2 ")
        self.assertRegex(before, r"(?m)^machine +pc-q35-7\.2$")

    def test_accept_makes_now_the_baseline_and_undo_brings_the_old_one_back(self):
        a = self.json("accept", "web-1", "--reason", "planned")
        self.assertEqual((a["revision"], a["reason"], a["undone"]), (2, "planned", False))
        self.run_it("diff", "web-1", code=0)
        self.assertEqual([g["state"] for g in self.json("ls")["guests"] if g["name"] == "web-1"], ["same"])
        self.assertEqual(self.json("accept", "web-1", "--undo")["revision"], 1)
        self.run_it("diff", "web-1", code=1)
        self.assertIn("earlier", self.error("accept", "web-1", "--undo"))
        types = [e["type"] for e in self.json("history", "web-1")["events"]]
        self.assertIn("accept", types)
        self.assertIn("undo", types)

    def test_accept_refuses_what_it_cannot_mean(self):
        self.assertIn("digits", self.error("accept", "--change-set", "7"))
        self.error("accept")
        self.error("accept", "web-1@1")
        self.error("accept", "web-1", "--expires", "2001-01-01")
        self.error("accept", "web-1", "--expires", "tomorrow")
        self.error("accept", "nobody")

    def test_history_is_in_the_order_of_time(self):
        events = self.json("history")["events"]
        self.assertEqual([e["at"] for e in events], sorted(e["at"] for e in events))
        for e in events:
            self.assertGreaterEqual(set(e), {"at", "type", "guest", "revision", "by", "reason", "changes", "context"})
        drift = [e for e in events if e["type"] == "drift"]
        self.assertEqual([e["guest"] for e in drift], [UUID])
        self.assertIn("sse4.2", self.run_it("history", "web-1").out)
        self.assertEqual(self.json("history", "--since", "2099-01-01")["events"], [])
        # The trace is of February 2026: all of it is older than this test, and younger than a lifetime.
        self.assertEqual(self.json("history", "--since", "1s")["events"], [])
        self.assertEqual(self.json("history", "--since", "36500d")["events"], events)
        self.assertIn("duration", self.error("history", "--since", "yesterday"))

    def test_an_unknown_or_ambiguous_guest_is_one_line(self):
        self.assertIn("nobody", self.error("show", "nobody"))
        said = self.error("show", "11111111", "--json")
        self.assertIn(UUID, said)
        self.assertIn(OTHER, said)
        self.assertIn("9", self.error("diff", "web-1@9"))
        self.error("diff", "web-1@0")
        self.error("diff", "web-1@now")
        self.error("diff", "sha256:zz")
        self.error("diff", "sha256:" + "0" * 64)

    def test_a_name_that_looks_like_a_path_is_told_how_to_be_written(self):
        self.assertIn("guest:web/1", self.error("show", "web/1"))

    def test_color_is_only_where_it_was_asked_for(self):
        self.assertNotIn("\033", self.run_it("diff", "web-1", code=1).out)
        self.assertIn("\033[", self.run_it("diff", "web-1", "--color", "always", code=1).out)
        self.error("diff", "web-1", "--color", "pink")

    def test_an_error_in_the_journal_has_the_priority_of_one(self):
        # systemd names the stream that it gave, and only what goes there is marked.
        ask = '"$0" ls --store sqlite:/nonexistent/s.db'
        for stream, mark in (("$(stat -L -c %d:%i /proc/self/fd/2)", "<3>"), ("1:2", "")):
            done = subprocess.run(["bash", "-c", f'exec 2>&1; s="{stream}"; JOURNAL_STREAM=$s {ask}', ABIDRIFT], stdout=subprocess.PIPE, text=True, timeout=60)
            self.assertTrue(done.stdout.startswith(mark + "abidrift: "), (stream, done.stdout))

    def test_a_full_disk_is_said_and_fails(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([ABIDRIFT, "ls"], stdout=full, stderr=subprocess.PIPE, env=self.env, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("No space left", done.stderr)


class Replay(Cli):
    def trace(self, t, **kw):
        return t.write(self.folder.file("t.trace"), **kw)

    def leftovers(self):
        return glob.glob(self.env["TMPDIR"] + "/*")

    def test_exit_code_tells_same_from_drift(self):
        self.run_it("replay", self.trace(same()), *QUICK, code=0)
        self.run_it("replay", self.trace(drifted()), *QUICK, code=1)
        self.run_it("replay", self.trace(drifted()), *QUICK, "--min-severity", "critical", code=0)
        self.assertEqual(self.leftovers(), [])

    def test_an_unfinished_recording_is_unknown_and_drift_wins_over_it(self):
        self.assertIn("INCOMPLETE", self.run_it("replay", self.trace(same(), complete=False), *QUICK, code=3).out)
        self.run_it("replay", self.trace(drifted(), complete=False), *QUICK, code=1)
        self.assertEqual(self.json("replay", self.trace(same(), complete=False), *QUICK, code=3)["incomplete"], True)

    def test_json_is_as_ls_and_diff(self):
        r = self.json("replay", self.trace(drifted()), *QUICK, code=1)
        self.assertEqual([g["name"] for g in r["guests"]], ["db-1", "web-1"])
        self.assertEqual([(c["guest"], c["key"]) for c in r["changes"]], [(UUID, "0x00000001.0.ecx")])
        self.assertEqual(r["incomplete"], False)

    def test_a_pipe_is_as_good_as_a_file(self):
        self.run_it("replay", "-", *QUICK, code=1, stdin=drifted().bytes())

    def test_a_corrupt_trace_is_one_line_and_leaves_nothing_behind(self):
        good = drifted().bytes()
        path, store = self.folder.file("bad"), self.folder.file("bad.db")
        bad = {"cut": good[:-10], "empty": b"", "other": b"GIF89a" * 50, "newer": good[:16] + b"\x02\0\0\0" + good[20:],
               "size": good[:64 + 56] + b"\xff\xff\xff\xff" + good[64 + 56 + 4:]}
        for name, data in bad.items():
            with self.subTest(name):
                with open(path, "wb") as f:
                    f.write(data)
                said = self.error("replay", path, "--store", "sqlite:" + store)
                self.assertIn(path, said)
                self.assertFalse(os.path.exists(store))
                self.error("replay", path, "--json")
        self.assertEqual(self.leftovers(), [])

    def test_a_folder_and_a_missing_file_are_one_line(self):
        self.assertIn("folder", self.error("replay", self.folder.path))
        self.assertIn("No such file", self.error("replay", self.folder.file("none")))
        self.error("replay")

    def test_a_signal_leaves_no_temporary_store(self):
        reader, writer = os.pipe()
        with subprocess.Popen([ABIDRIFT, "replay", "-"], stdin=reader, stdout=subprocess.DEVNULL, env=self.env) as child:
            os.close(reader)
            os.write(writer, drifted().bytes()[:20000])
            for _ in range(1200):
                if self.leftovers():
                    break
                try:
                    child.wait(0.05)
                except subprocess.TimeoutExpired:
                    pass
            self.assertTrue(self.leftovers())
            child.terminate()
            self.assertEqual(child.wait(20), -15)
            os.close(writer)
        self.assertEqual(self.leftovers(), [])

    def test_a_hostile_name_cannot_write_to_the_terminal(self):
        t = Trace()
        t.synced()
        life(t, 1, "evil\033[31m\r\u202e\udcff", UUID)
        url = "sqlite:" + self.folder.file("s.db")
        out = self.run_it("replay", self.trace(t), "--store", url, *QUICK).stdout
        out += self.run_it("ls", "-v", "--store", url).stdout + self.run_it("history", "--store", url).stdout
        out += self.run_it("show", UUID, "--store", url).stdout
        self.assertNotRegex(out, rb"[\x00-\x09\x0b-\x1f\x7f]")
        json.loads(self.run_it("ls", "--json", "--store", url).out)

    def test_without_a_baseline_a_diff_is_unknown_until_now_is_accepted(self):
        url = "sqlite:" + self.folder.file("s.db")
        self.run_it("replay", self.trace(same()), "--store", url, *QUICK, "--set", "monitor.baseline=manual", code=0)
        d = self.json("diff", "web-1", "--store", url, code=3)
        self.assertEqual((d["from"]["revision"], d["to"]["revision"], d["to"]["digest"]), (None, 1, self.json("show", "web-1", "--store", url)["digest"]))
        self.assertIn("abidrift accept", d["unknown"][0]["reason"])
        self.run_it("accept", "web-1", "--store", url)
        self.run_it("diff", "web-1", "--store", url, code=0)

    def test_a_guest_that_settled_nothing_is_not_drift(self):
        t = Trace()
        t.synced()
        t.guest(1, "idle", UUID)
        t.boot(1, 1)
        t.tick(2)
        url = "sqlite:" + self.folder.file("s.db")
        self.run_it("replay", self.trace(t), "--store", url, *QUICK, code=0)
        d = self.json("diff", "idle", "--store", url, code=3)
        self.assertEqual((d["result"], d["unknown"][0]["facet"]), ("unknown", None))
        self.assertIn("baseline", d["unknown"][0]["reason"])
        self.assertIsNone(self.json("ls", "--store", url)["guests"][0]["baseline"])
        self.error("show", "idle", "--store", url)
        self.error("accept", "idle", "--store", url)


class Usage(Cli):
    def test_every_verb_explains_itself(self):
        verbs = re.findall(r"(?m)^  (\w+) ", self.run_it("-h").out)
        self.assertEqual(verbs, ["run", "doctor", "ls", "show", "diff", "history", "accept", "maintenance", "alert", "record", "replay", "store", "export", "serve", "version"])
        for verb in verbs:
            text = self.run_it(verb, "-h").out
            self.assertTrue(text.startswith(f"Usage: abidrift {verb}"), text)
            for option in ("--store", "--json", "--color", "-q", "-v", "-h"):
                self.assertIn(option, text)

    def test_misuse_is_one_line_and_exit_2(self):
        for args in ([], ["fly"], ["ls", "--fly"], ["ls", "-x"], ["ls", "extra"], ["show"], ["diff"], ["diff", "a", "b", "c"], ["show", "--facet"],
                     ["record"], ["export", "x"], ["serve"], ["ls", "--store", "postgresql://x"], ["ls", "--store", "sqlite:"]):
            self.error(*args)
            self.error(*args, "--json")

    def test_the_store_is_the_option_then_the_environment_then_the_config(self):
        for name in "abc":
            t = Trace()
            t.synced()
            life(t, 1, name, UUID)
            self.run_it("replay", t.write(self.folder.file("t.trace")), "--store", "sqlite:" + self.folder.file(name), *QUICK)
        config = self.folder.file("x.conf")
        with open(config, "w") as f:
            f.write(f"[store]\nurl = sqlite:{self.folder.file('c')}\n")
        ask = lambda *args, **env: self.json("ls", "--config", config, *args, **env)["guests"][0]["name"]
        b = "sqlite:" + self.folder.file("b")
        self.assertEqual(ask(), "c")
        self.assertEqual(ask(ABIDRIFT_STORE=b), "b")
        self.assertEqual(ask("--store", "sqlite:" + self.folder.file("a"), ABIDRIFT_STORE=b), "a")

    def test_a_wrong_config_is_told_with_file_and_line(self):
        config = self.folder.file("x.conf")
        with open(config, "w") as f:
            f.write("[monitor]\nsettle = 1s\nsetle = 2s\n")
        self.assertIn(config + ":3:", self.error("run", "--print-config", "--config", config))
        self.assertIn(config + ":3:", self.error("ls", "--config", config))
        # Also where the store is named, so that nothing of it would be needed.
        for verb in (("ls",), ("show", "web-1"), ("history",), ("accept", "web-1")):
            self.assertIn(config + ":3:", self.error(*verb, "--config", config, "--store", "sqlite:" + self.folder.file("s.db")))
            self.assertIn(config + ":3:", self.error(*verb, "--config", config, ABIDRIFT_STORE="sqlite:" + self.folder.file("s.db")))
        self.assertIn("monitor.fly", self.error("run", "--print-config", "--set", "monitor.fly=1"))
        self.assertIn("monitor.settle", self.error("replay", "x", "--set", "monitor.settle=1.5s"))

    def test_print_config_prints_every_key_and_reads_back(self):
        text = self.run_it("run", "--print-config", "--set", "monitor.settle=7s").out
        for key in ("settle = 7s", "settle_max = 60s", "baseline = auto", "guest_memory = on", "quota = auto", "keep = 400d",
                    "url = sqlite:/var/lib/abidrift/abidrift.db", "listen = unix:/run/abidrift/http.sock"):
            self.assertIn("\n" + key + "\n", text)
        with open(self.folder.file("again.conf"), "w") as f:
            f.write(text)
        self.assertEqual(self.run_it("run", "--print-config", "--config", self.folder.file("again.conf")).out, text)

    def test_version_names_features_and_formats(self):
        v = self.json("version")
        self.assertEqual(set(v), {"version", "features", "formats"})
        # Who installs it looks here for the sink that is to be used.
        for sink in ("stdout", "journal", "syslog", "webhook", "command", "alertmanager"):
            self.assertIn("sink." + sink, v["features"])
        self.assertEqual({k: v["formats"][k] for k in ("fingerprint", "trace", "store")}, {"fingerprint": 1, "trace": 1, "store": 3})
        self.assertTrue(self.run_it("version").out.startswith("abidrift " + v["version"] + "\n"))

    def test_doctor_knows_every_facet_and_names_what_it_cannot_know(self):
        d = self.json("doctor")
        self.assertEqual([f["facet"] for f in d["facets"]], FACETS)
        self.assertIn("release", d["kernel"])
        self.assertIsInstance(d["ok"], bool)
        # What was loaded took time; where nothing was, there is none to tell.
        took = d["kernel"]["load_ms"]
        if d["kernel"]["loaded"]:
            self.assertGreater(took, 0)
            self.assertIn("\nprograms  loaded and attached in ", self.run_it("doctor").out)
        else:
            self.assertIsNone(took)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/kvm"), "needs root and /dev/kvm")
    def test_doctor_says_what_hides_the_memory_of_guests(self):
        def tables(argv):
            done = subprocess.run([*argv, "doctor", "--json"], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return {f["facet"]: f for f in json.loads(done.stdout)["facets"] if f["facet"] in ("acpi", "smbios", "numa", "firmware")}
        self.assertEqual({f["coverage"] for f in tables([ABIDRIFT]).values()}, {"complete"})
        for f in tables(["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", ABIDRIFT]).values():
            self.assertEqual(f["coverage"], "none")
            self.assertIn("CAP_SYS_PTRACE is missing", f["reason"])
            self.assertIn("CAP_SYS_PTRACE", f["remedy"])

    def test_store_verbs_know_what_they_take(self):
        self.assertIn("check", self.error("store"))
        self.assertIn("ruin", self.error("store", "ruin"))
        self.assertIn("usage: abidrift store backup FILE", self.error("store", "backup"))
        self.assertIn("usage: abidrift store check", self.error("store", "check", "x"))
        self.assertIn("store prune", self.error("store", "check", "--vacuum"))

    def test_a_missing_damaged_or_newer_store_is_one_line(self):
        path = self.folder.file("s.db")
        self.assertIn(path, self.error("ls", "--store", "sqlite:" + path))
        self.assertFalse(os.path.exists(path))
        self.assertIn("make it", self.error("ls", "--store", "sqlite:" + self.folder.file("none/s.db")))
        with open(path, "wb") as f:
            f.write(os.urandom(8192))
        self.assertIn(path, self.error("ls", "--store", "sqlite:" + path, "--json"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root, for a /var/lib of its own")
    def test_the_folder_of_the_service_is_not_to_be_made_by_hand(self):
        """Made by root it would be root's, and the service could not write there."""
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /var/lib && exec "$@"', "sh",
                               ABIDRIFT, "ls", "--store", "sqlite:/var/lib/abidrift/abidrift.db"], capture_output=True, text=True, timeout=60, env=self.env)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("systemd-tmpfiles --create", done.stderr)
        self.assertNotIn("make it", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to give root up")
    def test_without_root_run_says_what_it_needs_and_what_works(self):
        for verb in (["run"], ["record", "-o", "/tmp/x"]):
            done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", ABIDRIFT, *verb], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn("root", done.stderr)
            self.assertIn("abidrift replay", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/kvm"), "needs root and /dev/kvm")
    def test_run_names_the_folder_that_is_closed(self):
        closed = tempfile.mkdtemp(dir=self.folder.path)
        os.mkdir(closed + "/in")
        said = self.run_it("run", "--store", f"sqlite:{closed}/in/s.db", code=2).err.splitlines()
        self.assertIn(f"folder {closed} is closed", said[-1])


if __name__ == "__main__":
    unittest.main()
