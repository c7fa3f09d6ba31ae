# SPDX-License-Identifier: Apache-2.0
"""An upgrade of abidrift keeps what it knew: the stores that each past format's own abidrift left behind (make-store) open, are brought up
to date, and say what they said then; and an upgrade that is cut off loses nothing."""
import glob
import gzip
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import unittest

from harness import ABIDRIFT, Folder, ROOT, abidrift

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = 4096


def today():
    with open(os.path.join(ROOT, "userspace", "store", "store.h")) as f:
        return int(re.search(r"#define STORE_FORMAT (\d+)", f.read())[1])


def without_order(value):
    """Lists of changes are the same in any order."""
    if isinstance(value, list):
        return sorted((without_order(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def holds(new, old, path=""):
    """What of `old` is not in `new`: members may be added, none may be lost or altered. A summary's words are for people, and may change (interface.md)."""
    if path.endswith(".summary") and new and old:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [w for k in old for w in (holds(new[k], old[k], f"{path}.{k}") if k in new else [f"{path}.{k} is gone"])]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [w for i, (n, o) in enumerate(zip(without_order(new), without_order(old))) for w in holds(n, o, f"{path}[{i}]")]
    return [] if new == old else [f"{path}: {old!r} became {new!r}"]


def differences(diff):
    """What differs; how bad that is and why, today's abidrift knows better."""
    return diff["result"], sorted((c["facet"], c["key"], c["change"], c["from"] or "", c["to"] or "") for c in diff["changes"])


class Formats(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def formats(self):
        """[(number, a fresh copy of the store, what was said about it when it was made)]."""
        found = sorted(glob.glob(os.path.join(HERE, "format-*.db.gz")))
        self.assertEqual(len(found), today(), "a format has no store of its own here: make-store")
        every = []
        for number, packed in enumerate(found, 1):
            with gzip.open(packed) as f, gzip.open(packed.replace(".db.", ".json.")) as said:
                path = self.folder.file(f"{number}.db")
                with open(path, "wb") as out:
                    out.write(f.read())
                every.append((number, path, json.load(said)))
        return every

    def migrate(self, path, **kw):
        """What opens the store to write, and then has nothing to do."""
        return subprocess.run([ABIDRIFT, "accept", "--store", "sqlite:" + path, "nobody"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **kw)

    def migrated(self, path):
        done = self.migrate(path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no guest is known as nobody", done.stderr)

    def rows(self, path):
        """(format, rows of each table), after whatever a log beside it still holds; and that it is whole."""
        db = sqlite3.connect(path)
        try:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(db.execute("PRAGMA foreign_key_check").fetchall(), [])
            tables = [t for t, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            return db.execute("PRAGMA user_version").fetchone()[0], {t: db.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables}
        finally:
            db.close()

    def says_what_it_said(self, path, said):
        store = "sqlite:" + path
        ask = lambda *words: json.loads(abidrift(*words, "--json", store=store, ok=(0, 1, 3)).stdout)
        self.assertEqual(holds(ask("ls"), said["ls"]), [])
        self.assertEqual(holds(ask("history"), said["history"]), [])
        for guest, diff in said["diff"].items():
            self.assertEqual(differences(ask("diff", guest)), differences(diff), guest)
        for side, text in said["fingerprint"].items():
            self.assertEqual(abidrift("show", side, "--fingerprint", store=store).stdout, text, side)

    def test_nothing_is_lost_and_the_same_is_said(self):
        for _, path, said in self.formats():
            self.migrated(path)
            number, rows = self.rows(path)
            self.assertEqual(number, today())
            self.assertEqual({t: rows[t] for t in said["rows"]}, said["rows"])
            self.says_what_it_said(path, said)

    def test_life_goes_on(self):
        """What was open can be accepted, what was accepted undone."""
        for _, path, _ in self.formats():
            store = "sqlite:" + path
            abidrift("accept", "web", "--reason", "after the upgrade", store=store)
            self.assertEqual(json.loads(abidrift("diff", "web", "--json", store=store).stdout)["changes"], [])
            abidrift("accept", "db", "--undo", store=store)
            self.assertTrue(json.loads(abidrift("diff", "db", "--json", store=store, ok=(1,)).stdout)["changes"])

    def test_a_reader_says_who_brings_it_up_to_date(self):
        for number, path, _ in self.formats():
            if number == today():
                continue
            with open(path, "rb") as f:
                before = f.read()
            done = abidrift("ls", store="sqlite:" + path, ok=(2,))
            self.assertEqual(done.stdout, "")
            self.assertEqual(done.stderr, f"abidrift: store {path}: its format {number} is older than format {today()}; start abidrift run on it once, which "
                                          "brings it up to date\n")
            with open(path, "rb") as f:
                self.assertEqual(f.read(), before)

    def test_a_newer_format_is_refused(self):
        """An older abidrift must not write what it does not understand."""
        for _, path, _ in self.formats():
            db = sqlite3.connect(path)
            db.execute(f"PRAGMA user_version = {today() + 1}")
            db.close()
            with open(path, "rb") as f:
                before = f.read()
            for words in (["ls"], ["accept", "web"]):
                done = abidrift(*words, store="sqlite:" + path, ok=(2,))
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertIn(f"its format {today() + 1} is newer than format {today()}", done.stderr)
            with open(path, "rb") as f:
                self.assertEqual(f.read(), before)

    def test_killed_at_any_write(self):
        """The limit on file sizes ends the program at the first write beyond it: once for each page of log and database."""
        for number, path, said in self.formats():
            if number == today():
                continue
            whole, killed = path + ".whole", {number: 0, today(): 0}
            shutil.copyfile(path, whole)
            for limit in [*range(0, 40 * PAGE, PAGE), *range(40 * PAGE, 400 * PAGE, 5 * PAGE)]:
                for end in ("", "-wal", "-shm", "-journal"):
                    if os.path.exists(path + end):
                        os.unlink(path + end)
                shutil.copyfile(whole, path)
                done = self.migrate(path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
                if done.returncode != -signal.SIGXFSZ:
                    break
                found, rows = self.rows(path)
                killed[found] += 1
                self.assertEqual({t: rows[t] for t in said["rows"]}, said["rows"])
                self.assertEqual(found == number, "drifted" not in rows)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertGreater(killed[number], 3)
            self.says_what_it_said(path, said)

    @unittest.skipIf(os.geteuid() != 0, "needs root to mount a small file system")
    def test_the_disk_is_full(self):
        """One line says so; what was there is there still, for the abidrift of before too; with room it goes on."""
        for number, path, said in self.formats():
            if number == today():
                continue
            place = self.folder.file(f"small-{number}")
            os.mkdir(place)
            room = -(-os.path.getsize(path) // PAGE) + 10
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room * PAGE},mode=0755", "none", place], check=True)
            try:
                small = os.path.join(place, "s.db")
                shutil.copyfile(path, small)
                done = self.migrate(small)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertRegex(done.stderr, "full|No space")
                # As whoever comes next finds it, on a disk with room.
                after = self.folder.file(f"after-{number}.db")
                for end in ("", "-wal", "-journal"):
                    if os.path.exists(small + end):
                        shutil.copyfile(small + end, after + end)
                found, rows = self.rows(after)
                self.assertEqual((found, rows), (number, said["rows"]))
                subprocess.run(["mount", "-o", f"remount,size={room * 4 * PAGE}", place], check=True)
                self.migrated(small)
                self.says_what_it_said(small, said)
            finally:
                subprocess.run(["umount", place], check=True)
