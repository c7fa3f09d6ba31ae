# SPDX-License-Identifier: Apache-2.0
"""That the monitor says of itself how it is, and that somebody hears when it does not see any more."""
import json
import platform
import sqlite3
import time

from harness import need_host, wait_for
from test_run import Run

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
