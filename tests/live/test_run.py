# SPDX-License-Identifier: Apache-2.0
"""`abidrift run` as processes: who they are, that they are kept alive, that they end, and that every alert arrives, once."""
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import unittest

from harness import ABIDRIFT, Live, abidrift, wait_for
from test_cli import QUICK, UUID, drifted

JOURNALD = "/lib/systemd/systemd-journald"
# A journal of the test's own: its sockets and files are in a /run that nobody else sees.
PRIVATE_RUN = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/log && mkdir -p /run/systemd/journal /run/log/journal && exec \"$@\""


def children(pid):
    """{name: pid} of the processes of a monitor."""
    found = {}
    for task in open(f"/proc/{pid}/task/{pid}/children").read().split():
        try:
            found[open(f"/proc/{task}/comm").read().strip()] = int(task)
        except OSError:
            pass
    return found


def status(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)


def alive(pid):
    try:
        return status(pid)["State"][0] != "Z"
    except OSError:
        return False


class Run(Live):
    def setUp(self):
        super().setUp()
        os.mkdir(self.folder.file("state"))
        self.path = self.folder.file("state/s.db")
        self.store = "sqlite:" + self.path
        trace = drifted().write(self.folder.file("t.trace"))
        abidrift("replay", trace, *QUICK, store=self.store, ok=(1,))
        for path in (self.folder.file("state"), self.path):
            shutil.chown(path, "nobody")

    def start(self, *before, **kw):
        m = self.process([*before, ABIDRIFT, "run", "--store", self.store, "--listen", "none"], **kw)
        m.wait_line("^abidrift: ready$")
        return m

    def alert(self):
        """Something to tell: web-1's drift is resolved. Returns what the alert says it is. By UUID: a guest of this host may be called so too."""
        abidrift("accept", UUID, store=self.store)
        return "resolved"

    def undo(self):
        abidrift("accept", UUID, "--undo", store=self.store)
        return "drift"


class Processes(Run):
    def test_only_the_collector_is_privileged(self):
        m = self.start()
        kids = children(m.pid)
        self.assertEqual(set(kids), {"collector", "analyst", "messenger"})
        self.assertEqual(status(kids["collector"])["Uid"].split(), ["0"] * 4)
        for name in ("analyst", "messenger"):
            s = status(kids[name])
            self.assertNotIn("0", s["Uid"].split() + s["Gid"].split())
            self.assertEqual(s["Groups"].split(), [])
            self.assertEqual({s[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
            self.assertEqual(s["NoNewPrivs"], "1")
            held = [os.readlink(f"/proc/{kids[name]}/fd/{fd}") for fd in os.listdir(f"/proc/{kids[name]}/fd")]
            self.assertEqual([h for h in held if "bpf" in h or "kvm" in h], [])
        said = next(line for line in m.err if "messenger run as" in line)
        self.assertRegex(said, r"run as abidrift \(\d+\)$|run as nobody \(\d+\): other programs that do may change the store")

    def test_each_that_dies_is_started_again_and_the_rest_go_on(self):
        m = self.start()
        for name in ("messenger", "analyst", "collector"):
            before = children(m.pid)
            os.kill(before[name], signal.SIGKILL)
            m.wait_line(rf"{name} was ended by signal 9")
            wait_for(name + " again", lambda: children(m.pid).get(name, before[name]) != before[name])
        wait_for("all three", lambda: set(children(m.pid)) == {"collector", "analyst", "messenger"})
        self.alert()
        m.wait_line('"type":"resolved"', "out")
        self.assertIsNone(m.child.poll())

    def test_a_signal_ends_all_of_them_in_order(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            m = self.start()
            kids = children(m.pid).values()
            self.assertEqual(m.stop(sig), 0)
            self.assertEqual([k for k in kids if alive(k)], [])
            self.assertFalse([line for line in m.err if "by force" in line])

    def test_none_outlives_the_one_that_watches_them(self):
        m = self.start()
        kids = list(children(m.pid).values())
        m.stop(signal.SIGKILL)
        wait_for("all to end", lambda: not any(alive(k) for k in kids), 20)

    def test_a_second_monitor_on_the_same_store_is_refused(self):
        self.start()
        done = abidrift("run", store=self.store, ok=(2,))
        self.assertIn("another abidrift run", done.stderr.splitlines()[-1])

    def test_who_may_only_read_the_store_keeps_no_monitor_from_starting(self):
        self.start().stop()
        self.assertEqual(os.stat(self.path + "-lock").st_mode & 0o7777, 0o600)
        with open(self.path) as reader:
            fcntl.flock(reader, fcntl.LOCK_EX)
            m = self.start()
            self.assertEqual(abidrift("run", store="sqlite:" + os.path.join(self.linked(), os.path.basename(self.path)), ok=(2,)).stdout, "")
            self.assertEqual(m.stop(), 0)

    def linked(self):
        """The store's folder by another name."""
        link = self.folder.file("linked")
        os.symlink(os.path.dirname(self.path), link)
        return link

    def test_what_lies_in_place_of_the_lock_holds_nobody_up(self):
        os.mkfifo(self.path + "-lock", 0o600)
        owner = os.stat(self.path)
        os.chown(self.path + "-lock", owner.st_uid, owner.st_gid)
        done = abidrift("run", store=self.store, ok=(2,))
        self.assertIn("-lock is not a file of ours", done.stderr)

    def test_a_damaged_store_is_one_line_and_the_end(self):
        with open(self.path, "r+b") as f:
            f.write(b"\xff" * 4096)
        done = abidrift("run", store=self.store, ok=(2,))
        self.assertEqual(done.stdout, "")
        self.assertIn(self.path, done.stderr.splitlines()[-1])


class Alerts(Run):
    def test_an_alert_is_one_json_line_and_comes_once(self):
        m = self.start()
        self.alert()
        m.wait_line('"type":"resolved"', "out")
        self.undo()
        m.wait_line('"type":"drift"', "out")
        m.stop()
        alerts = [json.loads(line) for line in m.out]
        self.assertEqual([a["type"] for a in alerts], ["resolved", "drift"])
        for a in alerts:
            self.assertEqual(set(a), {"id", "at", "type", "host", "guest", "severity", "verdict", "summary", "changes", "context", "change_set"})
            self.assertEqual(a["guest"]["name"], "web-1")
            self.assertTrue(a["summary"].startswith("web-1: "), a["summary"])
        # Its owner asked for it, with -cpu.
        self.assertEqual([(a["verdict"], a["severity"]) for a in alerts], [(None, "info"), ("intended", "info")])
        self.assertEqual(len({a["id"] for a in alerts}), 2)
        again = self.start()
        again.stop()
        self.assertEqual(again.out, [])

    def deaf(self, what, *settings):
        """A monitor whose standard output is closed, until it says so much of the alert that nobody reads. Returns that line."""
        self.start().stop()
        with subprocess.Popen([ABIDRIFT, "run", "--set", "monitor.pin=off", "--store", self.store, "--listen", "none", *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as deaf:
            try:
                deaf.stdout.close()
                self.alert()
                heard = []
                for line in deaf.stderr:
                    heard.append(line)
                    if what in line:
                        return line
                raise AssertionError(f"it ended without saying {what!r}: {heard}")
            finally:
                deaf.terminate()
                deaf.wait(30)

    def test_what_nobody_read_is_there_at_the_next_start(self):
        self.assertIn("stdout", self.deaf("wait in the store"))
        again = self.start()
        line = again.wait_line('"type":"resolved"', "out")
        self.assertEqual(json.loads(line)["guest"]["name"], "web-1")

    def test_what_a_sink_that_ended_is_owed_is_given_up_in_time_and_counted(self):
        self.assertIn("an alert was given up, stdout did not take it", self.deaf("given up", "--set", "alerts.give_up=1s"))
        with sqlite3.connect(self.path) as db:
            self.assertEqual(db.execute("SELECT count FROM counters WHERE name = 'alerts' AND labels = 'stdout,given_up'").fetchall(), [(1,)])
        again = self.start()
        again.stop()
        self.assertEqual(again.out, [])

    def test_a_sink_that_is_switched_off_is_owed_nothing(self):
        self.start().stop()
        self.alert()
        off = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "stdout.enable=off"])
        off.wait_line("stdout is not in the configuration any more: 1 alert that waited for it forgotten")
        off.wait_line("^abidrift: ready$")
        off.stop()
        self.assertEqual(off.out, [])
        again = self.start()
        self.undo()
        again.wait_line('"type":"drift"', "out")
        self.assertEqual([json.loads(line)["type"] for line in again.out], ["drift"])

    def test_an_alert_without_a_monitor_waits_for_one(self):
        self.start().stop()
        self.alert()
        m = self.start()
        m.wait_line('"type":"resolved"', "out")


@unittest.skipUnless(os.path.exists(JOURNALD) and shutil.which("journalctl"), "systemd-journald is not installed")
class Journal(Run):
    def namespace(self):
        """A process that holds a mount namespace with a /run of its own."""
        holder = self.process(["unshare", "--mount", "sh", "-c", PRIVATE_RUN, "sh", "sleep", "600"])
        wait_for("/run of its own", lambda: "sleep" in open(f"/proc/{holder.pid}/comm").read() and os.path.isdir(f"/proc/{holder.pid}/root/run/log/journal"))
        self.inside = ["nsenter", "--mount", "--target", str(holder.pid)]
        return holder

    def journald(self):
        return self.process([*self.inside, JOURNALD])

    def entries(self):
        done = subprocess.run([*self.inside, "journalctl", "-o", "json", "--no-pager", "-q", "SYSLOG_IDENTIFIER=abidrift"], capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_alerts_are_in_the_journal_with_their_fields(self):
        self.namespace()
        self.journald()
        self.start(*self.inside)
        self.alert()
        wait_for("the alert in the journal", self.entries, 20)
        self.undo()
        wait_for("both alerts", lambda: len(self.entries()) == 2, 20)
        resolved, drift = self.entries()
        self.assertEqual((resolved["ABIDRIFT_TYPE"], drift["ABIDRIFT_TYPE"]), ("resolved", "drift"))
        self.assertEqual((drift["ABIDRIFT_GUEST"], drift["PRIORITY"], drift["ABIDRIFT_SEVERITY"]), ("web-1", "6", "info"))
        alert = json.loads(drift["ABIDRIFT_ALERT"])
        self.assertEqual((drift["ABIDRIFT_HOST"], drift["ABIDRIFT_VERDICT"], drift["ABIDRIFT_CHANGE_SET"]), (alert["host"], "intended", alert["change_set"]))
        self.assertEqual(drift["MESSAGE"].count("web-1"), 1)
        self.assertEqual(json.loads(drift["ABIDRIFT_ALERT"])["guest"]["uuid"], drift["ABIDRIFT_UUID"])
        self.assertEqual(len(drift["MESSAGE_ID"]), 32)
        self.assertNotEqual(drift["MESSAGE_ID"], resolved["MESSAGE_ID"])
        self.assertIn("sse4.2", drift["MESSAGE"])

    def test_alerts_wait_for_a_journal_that_starts_after_the_monitor(self):
        self.namespace()
        m = self.start(*self.inside)
        self.alert()
        m.wait_line('"type":"resolved"', "out")
        self.journald()
        wait_for("the alert in the journal", self.entries, 20)
        self.assertEqual([e["ABIDRIFT_TYPE"] for e in self.entries()], ["resolved"])

    def test_alerts_wait_while_the_journal_is_away(self):
        self.namespace()
        first = self.journald()
        m = self.start(*self.inside)
        self.alert()
        wait_for("the first alert in the journal", self.entries, 20)
        first.stop(signal.SIGKILL)
        self.undo()
        m.wait_line('"type":"drift"', "out")
        self.assertEqual([e["ABIDRIFT_TYPE"] for e in self.entries()], ["resolved"])
        self.journald()
        wait_for("the second alert in the journal", lambda: len(self.entries()) == 2, 20)
        self.assertEqual([e["ABIDRIFT_TYPE"] for e in self.entries()], ["resolved", "drift"])


if __name__ == "__main__":
    unittest.main()
