# SPDX-License-Identifier: Apache-2.0
"""What the tests of bad surroundings share: a monitor, and a guest that drifts when it is told to."""
import os
import sqlite3
import uuid

from harness import Live, abidrift, wait_for

TOUCH = "out 0xcf8 4 0x80002800; in 0xcfc 4"
FUNCTION = "0000:00:05.0/id"
QUICK = ["--set", "monitor.settle=250ms", "--set", "monitor.settle_max=2s"]


class Surroundings(Live):
    def setUp(self):
        super().setUp()
        self.next = 0x2000
        self.name = f"around-{uuid.uuid4().hex[:8]}"

    def begin(self, *settings, store="disk/state/s.db", guest=True, **kw):
        os.makedirs(self.folder.file("disk"), exist_ok=True)
        self.path = self.folder.file(store)
        self.m = self.monitor("--set", "journal.enable=off", "--set", "alerts.retry_max=500ms", *(w for s in settings for w in ("--set", s)), settle=QUICK, store=store, **kw)
        if guest:
            self.vmm = self.microvmm("--stdin", "--id", self.name, "--answer", "pci:00:05.0:0:0x10001af4")
            self.vmm.write(TOUCH + "\n")
            self.m.settled(self.name)
        return self.m

    def drift(self):
        """Something new; returns how it is told."""
        self.next += 1
        self.vmm.write(f"answer clear\nanswer pci:00:05.0:0:{self.next:#06x}1af4\nreset\n{TOUCH}\n")
        return f"1af4:{self.next:04x}"

    def ids(self, value):
        return {a["id"] for a in self.m.alerts(self.name) for c in a["changes"] if (c["key"], c["to"]) == (FUNCTION, value)}

    def told(self, value):
        """Once. The guest does again what shows it: a kernel side that has just begun does not know it."""
        def look():
            self.vmm.write(TOUCH + "\n")
            return self.ids(value)
        wait_for(f"the drift to {value}", look)
        self.assertEqual(len(self.ids(value)), 1)

    def said(self, pattern, times=None):
        line = self.m.wait_line(pattern)
        if times:
            self.assertEqual(self.m.err.count(line), times, line)
        return line

    def sql(self, statement, *values):
        db = sqlite3.connect(self.path, timeout=30)
        try:
            with db:
                return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def sound(self):
        self.assertEqual(self.sql("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(abidrift("store", "check", store=self.m.store).returncode, 0)

    def drifts(self):
        """Those in history, in order."""
        return [c["to"] for e in self.m.json("history", self.name)["events"] if e["type"] == "drift" for c in e["changes"] if c["key"] == FUNCTION]
