# SPDX-License-Identifier: Apache-2.0
"""A store that is moved, cut off, closed to the monitor, without room, or held by others: nothing is lost that is not told, and when the cause ends all goes on."""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading

from harness import abidrift, wait_for
from surroundings import Surroundings
from test_run import children


class Files(Surroundings):
    def test_a_store_that_is_moved_away_is_written_no_more_and_is_told(self):
        """Else all that happens from then on is in a file that nobody finds."""
        self.begin()
        one = self.drift()
        self.told(one)
        os.rename(self.path, self.path + ".away")
        two = self.drift()
        self.said("^abidrift: store .*: the file was moved, replaced or deleted while it was open: put it back, or start abidrift again; trying again", 1)
        self.assertEqual(self.ids(two), set())
        os.rename(self.path + ".away", self.path)
        self.told(two)
        self.assertEqual(self.drifts(), [one, two])
        self.sound()

    def test_a_file_in_its_place_is_not_written(self):
        self.begin()
        self.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.path, self.path + ".copy")
        shutil.chown(self.path + ".copy", "nobody")
        os.rename(self.path, self.path + ".away")
        os.rename(self.path + ".copy", self.path)
        with open(self.path, "rb") as f:
            before = f.read()
        value = self.drift()
        self.said("the file was moved, replaced or deleted while it was open")
        with open(self.path, "rb") as f:
            self.assertEqual(f.read(), before)
        os.rename(self.path + ".away", self.path)
        self.told(value)
        self.sound()

    def test_a_store_whose_rights_were_taken_is_told_and_gone_on_with_when_they_are_back(self):
        self.begin()
        os.chmod(self.path, 0o400)
        shutil.chown(self.path, "root")
        os.kill(children(self.m.pid)["analyst"], signal.SIGKILL)
        value = self.drift()
        self.said("analyst: store .*: user .* cannot read the file")
        self.assertEqual(self.ids(value), set())
        os.chmod(self.path, 0o640)
        shutil.chown(self.path, "nobody")
        self.told(value)
        self.sound()

    def test_a_file_that_was_cut_off_is_told_and_its_copy_gone_on_with(self):
        self.begin()
        copy = self.folder.file("copy.db")
        abidrift("store", "backup", copy, store=self.m.store)
        pids = children(self.m.pid)
        os.truncate(self.path, os.path.getsize(self.path) // 2)
        # What their caches still hold is of the whole file.
        for name in ("analyst", "messenger"):
            os.kill(pids[name], signal.SIGKILL)
        self.said("analyst: store .*: the database is damaged .*stop abidrift and save the file")
        self.assertEqual(abidrift("ls", store=self.m.store, ok=(2,)).stdout, "")
        self.m.stop()
        for end in ("", "-wal", "-shm"):
            if os.path.exists(self.path + end):
                os.unlink(self.path + end)
        shutil.copyfile(copy, self.path)
        shutil.chown(self.path, "nobody")
        value = self.drift()
        self.begin(guest=False)
        self.told(value)
        self.sound()


class Disk(Surroundings):
    def test_a_disk_that_fills_and_empties_again_and_again_loses_nothing(self):
        os.mkdir(self.folder.file("disk"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", self.folder.file("disk")], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder.file("disk")])
        self.begin()
        chance, stop, full = random.Random(9), threading.Event(), self.folder.file("disk/fill")

        def fill():
            while not stop.is_set():
                with open(full, "wb", buffering=0) as f:
                    try:
                        while True:
                            f.write(bytes(4096))
                    except OSError:
                        pass
                stop.wait(chance.uniform(0, 1.5))
                os.unlink(full)
                stop.wait(chance.uniform(0, 1))
        filler = threading.Thread(target=fill)
        filler.start()
        try:
            values = []
            for _ in range(3):
                values.append(self.drift())
                self.told(values[-1])
        finally:
            stop.set()
            filler.join()
        self.assertEqual(self.drifts(), values)
        self.sound()


class Others(Surroundings):
    def test_who_holds_the_lock_is_told_of_and_nothing_is_lost(self):
        self.begin()
        db = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(db.close)
        db.execute("BEGIN IMMEDIATE")
        value = self.drift()
        self.said("another process keeps it locked; try again, or find it with: fuser -v .*; trying again")
        self.assertEqual(self.ids(value), set())
        db.execute("ROLLBACK")
        self.told(value)

    def test_who_reads_and_never_ends_is_told_of_when_the_log_grows(self):
        """The disk would fill, and nobody know why."""
        self.begin()
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        self.addCleanup(db.close)
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM events").fetchall()
        self.sql("CREATE TABLE filler (b BLOB)")
        for _ in range(3):
            self.sql("INSERT INTO filler VALUES (randomblob(50000000))")
        self.sql("DROP TABLE filler")
        self.said("store .*: its log has [0-9]+ MiB, and grows until whoever reads it in one go ends; find it with: fuser -v ", 1)
        value = self.drift()
        self.told(value)
        db.execute("COMMIT")
        wait_for("a log of the usual size", lambda: self.drift() and os.path.getsize(self.path + "-wal") <= 64 << 20)
        self.sound()
