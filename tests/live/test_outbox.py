# SPDX-License-Identifier: Apache-2.0
"""The outbox: whatever is stopped, killed, slow or full, every alert arrives, in order per guest, and a second time only with its id."""
import os
import random
import shutil
import signal
import subprocess
import threading

from harness import ABIDRIFT, abidrift, wait_for
from receivers import Sinks
from test_cli import QUICK, UUID, drifted
from test_run import children


def firsts(requests):
    """Ids in the order in which they were first seen."""
    return list(dict.fromkeys(r.id for r in requests))


class Outbox(Sinks):
    def test_a_receiver_that_is_away_gets_all_in_order_when_it_is_back(self):
        hook = self.receiver()
        m = self.monitor_of(f"webhook.url={hook.url()}")
        hook.stop()
        ids = {g: [self.put(g, n) for n in range(3)] for g in ("a", "b")}
        m.wait_line("alerts cannot go to webhook now: http://127.0.0.1:.* connect to .*; they wait in the store")
        hook.start()
        wait_for("all", lambda: not self.waiting("webhook"))
        for g, wanted in ids.items():
            self.assertEqual([r.id for r in hook.of(g)], wanted)
        # Said once, not at each attempt.
        self.assertEqual(len([line for line in m.err if "cannot go to webhook" in line]), 1)

    def test_a_sink_that_a_reload_took_out_gets_what_waited_when_it_is_put_back(self):
        """A mistake in the configuration that is mended at once loses no alert; a start without the sink is meant so."""
        hook = self.receiver()
        conf = self.folder.file("a.conf")

        def configure(url):
            with open(conf, "w") as f:
                f.write(f"[alerts]\nretry_max = 500ms\n[webhook]\nurl = {url}\n")

        def reload(m):
            before = children(m.pid)["messenger"]
            os.kill(m.pid, signal.SIGHUP)
            wait_for("another messenger", lambda: children(m.pid).get("messenger", before) != before)

        configure(hook.url())
        m = self.monitor_of("journal.enable=off", config=conf)
        hook.stop()
        ids = [self.put("g", 1)]
        m.wait_line("alerts cannot go to webhook now")
        configure("")
        reload(m)
        m.wait_line("webhook is not in the configuration any more: 1 alert waits for it")
        ids.append(self.put("g", 2))
        hook.start()
        configure(hook.url())
        reload(m)
        wait_for("all", lambda: not self.waiting("webhook"))
        self.assertEqual([r.id for r in hook.of("g")], ids)
        self.assertFalse([line for line in m.err if "forgotten" in line])
        hook.stop()
        self.put("g", 3)
        m.stop()
        configure("")
        self.monitor_of("journal.enable=off", config=conf).wait_line("1 alert that waited for it forgotten")

    def test_real_drift_and_its_end_arrive_in_order_after_both_were_away(self):
        hook = self.receiver()
        m = self.monitor_of(f"webhook.url={hook.url()}")
        hook.stop()
        self.alert()
        self.undo()
        m.wait_line('"type":"drift"', "out")
        m.stop(signal.SIGKILL)
        hook.start()
        self.monitor_of(f"webhook.url={hook.url()}")
        wait_for("both", lambda: len(hook.of(UUID)) > 1 and not self.waiting("webhook"))
        self.assertEqual([r.event["type"] for r in hook.of(UUID)], ["io.abidrift.resolved", "io.abidrift.drift"])

    def test_a_messenger_killed_before_it_could_acknowledge_delivers_again_with_the_same_id(self):
        arrived, go = threading.Event(), threading.Event()

        def slow(request):
            if request.guest == "g" and not arrived.is_set():
                arrived.set()
                go.wait(60)
            return 200
        hook = self.receiver(slow)
        m = self.monitor_of(f"webhook.url={hook.url()}")
        first, second = self.put("g", 1), self.put("g", 2)
        wait_for("the first", arrived.is_set)
        self.kill_messenger(m)
        go.set()
        wait_for("an empty queue", lambda: not self.waiting("webhook"))
        self.assertEqual([r.id for r in hook.of("g")], [first, first, second])

    def test_a_slow_receiver_holds_up_no_other_sink_and_no_other_guest(self):
        go = threading.Event()
        self.addCleanup(go.set)
        hook = self.receiver(lambda r: go.wait(60) and 200 if r.guest == "slow" else 200)
        seen = self.folder.file("seen")
        os.mkdir(seen)
        os.chmod(seen, 0o777)
        script = self.file("script", f"#!/bin/sh\n: > {seen}/$ABIDRIFT_ID\n", mode=0o755)
        m = self.monitor_of(f"webhook.url={hook.url()}", f"command.run={script}")
        slow = self.put("slow", 1)
        wait_for("the slow one", lambda: hook.of("slow"))
        ids = [slow, self.put("slow", 2), self.put("quick", 1)]
        m.wait_line("quick: number 1", "out")
        wait_for("the other sink's", lambda: set(ids) <= set(os.listdir(seen)))
        wait_for("the other guest's", lambda: hook.of("quick"))
        wait_for("its acknowledgement", lambda: self.waiting("webhook") == ids[:2])
        self.assertEqual(len(hook.of("slow")), 1)
        go.set()
        wait_for("the rest", lambda: not self.waiting("webhook"))

    def test_what_is_too_old_is_given_up_counted_and_said_and_the_next_one_arrives(self):
        hook = self.receiver(lambda r: 503)
        m = self.monitor_of(f"webhook.url={hook.url()}", "alerts.give_up=1s")
        old = self.put("g", 1)
        m.wait_line("an alert was given up, webhook did not take it: HTTP 503")
        wait_for("an empty queue", lambda: not self.waiting("webhook"))
        self.assertEqual((self.count("webhook,given_up"), self.count("webhook,delivered")), (1, 0))
        self.assertIn(old, [r.id for r in hook.of("g")])
        hook.answer = lambda r: 200
        new = self.put("g", 2)
        wait_for("the next one", lambda: [r for r in hook.of("g") if r.id == new])

    def test_in_a_storm_with_everything_failing_nothing_is_lost_and_each_guest_is_in_order(self):
        chance = random.Random(5)
        hook = self.receiver(lambda r: chance.choice([200, 200, 200, 500, 503, 404]))
        m = self.monitor_of(f"webhook.url={hook.url()}", "alerts.retry_max=100ms")
        guests = [f"guest-{n}" for n in range(8)]
        ids = {g: [] for g in guests}
        for number in range(12):
            for g in guests:
                ids[g].append(self.put(g, number))
            if number == 4:
                wait_for("some of them", lambda: len(hook.requests) > 10)
                self.kill_messenger(m)
            if number == 8:
                hook.stop()
                hook.start()
        hook.answer = lambda r: 200
        wait_for("all", lambda: not self.waiting("webhook"))
        for g in guests:
            self.assertEqual(firsts(hook.of(g)), ids[g])
        self.assertEqual(self.count("webhook,given_up"), 0)


class FullDisk(Sinks):
    def setUp(self):
        super().setUp()
        disk = self.folder.file("disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        self.disk, self.path = disk, os.path.join(disk, "s.db")
        self.store = "sqlite:" + self.path
        abidrift("replay", self.folder.file("t.trace"), *QUICK, store=self.store, ok=(1,))
        for path in (disk, self.path):
            shutil.chown(path, "nobody")

    def fill(self):
        with open(os.path.join(self.disk, "fill"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass

    def test_what_was_acknowledged_while_the_disk_was_full_is_not_sent_again_and_again(self):
        go = threading.Event()
        self.addCleanup(go.set)
        hook = self.receiver(lambda r: go.wait(60) and 200)
        m = self.monitor_of(f"webhook.url={hook.url()}", "journal.enable=off")
        # The log is begun anew here, so that whatever is written needs room.
        self.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        ids = [self.put("g", n) for n in range(3)]
        wait_for("the first", lambda: hook.of("g"))
        m.wait_line("g: number 2", "out")
        wait_for("standard output's", lambda: not self.waiting("stdout"))
        self.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self.fill()
        go.set()
        m.wait_line("messenger: store .* the disk is full.*; trying again")
        pid = self.messenger(m)
        self.assertEqual([r.id for r in hook.of("g")], ids[:1])
        os.unlink(os.path.join(self.disk, "fill"))
        wait_for("all", lambda: not self.waiting("webhook"))
        self.assertEqual([r.id for r in hook.of("g")], ids)
        self.assertEqual(self.messenger(m), pid)
        self.assertLess(len([line for line in m.err if "messenger: store" in line]), 4)
