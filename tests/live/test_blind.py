# SPDX-License-Identifier: Apache-2.0
"""That the monitor says of itself how it is, and that somebody hears when it does not see any more."""
import json
import os
import platform
import signal
import sqlite3
import time

from harness import ABIDRIFT, need_host, wait_for
from test_run import Run, children

HOST = platform.node()


class Blind(Run):
    def setUp(self):
        need_host()
        super().setUp()

    def rows(self, query, *values):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=20) as db:
            return db.execute(query, values).fetchall()

    def status(self):
        """(when, what) the monitor of this host said of itself last."""
        for at, text in self.rows("SELECT at, json FROM statuses WHERE host = ?", HOST):
            return at, json.loads(text)
        return None


class Status(Blind):
    def test_the_heartbeat_tells_what_the_collector_counts_and_goes_on(self):
        m = self.start()
        at, status = wait_for("a status with counts", lambda: (self.status() or (0, {"stats": {}}))[1]["stats"] and self.status())
        self.assertEqual(set(status), {"stats", "kernel", "cpu", "microcode", "blind", "abidrift"})
        self.assertEqual(status["kernel"], platform.release())
        stats = status["stats"]
        for key in ("facts.cpuid", "facts.pci", "lost.ring", "lost.map", "lost.quota", "lost.missed", "lost.vcpu", "overflow", "map.facts.entries", "map.vms.entries"):
            self.assertGreaterEqual(stats[key], 0, key)
        self.assertGreater(stats["map.facts.capacity"], stats["map.facts.entries"])
        self.assertLess(abs(at / 1e9 - time.time()), 60)
        wait_for("the next beat", lambda: self.status()[0] > at)
        # Of a collector that is gone there is none: the one that was is all there is.
        m.stop()
        self.assertEqual(self.status()[1]["kernel"], status["kernel"])

    def test_a_guest_fills_the_maps_as_far_as_they_say(self):
        self.start()
        before = wait_for("a status with counts", lambda: (self.status() or (0, {"stats": {}}))[1]["stats"])
        vmm = self.microvmm("--stdin")
        vmm.wait_line("^ready", "out")
        for leaf in range(20):
            vmm.write(f"cpuid {leaf} 0\n")
        wait_for("its facts", lambda: sum(1 for line in vmm.out if line.startswith("op done")) >= 20)
        # Other guests of this host come and go: the sum of what was ever told does not fall.
        wait_for("them to be counted", lambda: self.status()[1]["stats"]["facts.cpuid"] >= before["facts.cpuid"] + 20)
        self.assertGreaterEqual(self.status()[1]["stats"]["map.vms.entries"], 1)


class Dead(Blind):
    """The monitor as a whole: found by the one process that is left."""
    WATCH = ".*its guests are (not )?watched"

    def begin(self):
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "alerts.blind_after=10s"])
        m.wait_line("^abidrift: ready$")
        wait_for("a heartbeat", self.status)
        return m

    def told(self, m):
        alerts = [json.loads(line) for line in m.out]
        return [(a["type"], a["severity"]) for a in alerts if a["guest"]["uuid"] is None and a["guest"]["name"] is None and "watched" in a["summary"]]

    def scopes(self):
        return [scope for scope, in self.rows("SELECT scope FROM blinds WHERE scope LIKE 'monitor/%'")]

    def test_a_collector_that_hangs_is_told_and_so_is_its_return(self):
        for name in ("collector", "analyst"):
            m = self.begin()
            pid = children(m.pid)[name]
            os.kill(pid, signal.SIGSTOP)
            try:
                blind = json.loads(m.wait_line('"type":"blind"' + self.WATCH, "out"))
                self.assertEqual(self.scopes(), [f"monitor/{HOST}"])
            finally:
                os.kill(pid, signal.SIGCONT)
            m.wait_line('"type":"resolved"' + self.WATCH, "out")
            self.assertEqual(self.scopes(), [])
            self.assertEqual(self.told(m), [("blind", "critical"), ("resolved", "info")])
            self.assertEqual((blind["host"], blind["guest"], blind["changes"]), (HOST, {"uuid": None, "name": None}, []))
            m.stop()

    def test_what_is_back_in_time_is_no_blindness(self):
        m = self.begin()
        os.kill(children(m.pid)["collector"], signal.SIGKILL)
        m.wait_line("collector was ended by signal 9")
        killed = time.time()
        # More than blind_after later it still beats, and nobody was told anything.
        wait_for("heartbeats after it", lambda: self.status()[0] / 1e9 > killed + 12)
        self.assertEqual(self.told(m), [])
        self.assertEqual(self.scopes(), [])

    def test_the_end_of_a_monitor_is_none_and_its_next_start_begins_anew(self):
        self.begin().stop()
        # As if it had been off for a day, with another host in the store that has been silent for as long.
        with sqlite3.connect(self.path, timeout=20) as db:
            db.execute("UPDATE statuses SET at = at - 86400 * 1000000000")
            db.execute("INSERT INTO statuses (host, at, json) SELECT 'another', at, json FROM statuses")
            # What an earlier run told and nobody ended.
            db.execute("INSERT INTO blinds (scope, host, at, severity, reason) VALUES (?, ?, 1, 'critical', 'x')", (f"monitor/{HOST}", HOST))
        m = self.begin()
        m.wait_line('"type":"resolved"' + self.WATCH, "out")
        first = self.status()[0]
        wait_for("heartbeats for longer than it takes", lambda: self.status()[0] > first + 12e9)
        self.assertEqual(self.told(m), [("resolved", "info")])
        self.assertEqual(self.scopes(), [])
