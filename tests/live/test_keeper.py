# SPDX-License-Identifier: Apache-2.0
"""The messenger's two helpers: the keeper writes for it, the runner runs for it. Neither holds what it does not need, and whichever of
the three is killed, no alert is lost."""
import base64
import os
import re
import signal
import socket

from harness import ABIDRIFT, BUILD, wait_for
from receivers import Sinks, secret
from test_run import alive, children, status

WRITES = os.O_WRONLY | os.O_RDWR


def held(pid, prefix):
    """{(path, may be written)} of the files that a process has open there."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            path, info = os.readlink(f"/proc/{pid}/fd/{fd}"), open(f"/proc/{pid}/fdinfo/{fd}").read()
        except FileNotFoundError:
            continue
        if path.startswith(prefix):
            found.add((path[len(prefix):], bool(int(re.search(r"flags:\s+(\d+)", info)[1], 8) & WRITES)))
    return found


def memory_holds(pid, what):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            if "w" not in rights:
                continue
            try:
                memory.seek(begin)
                if what in memory.read(end - begin):
                    return True
            except (OSError, ValueError):
                continue
    return False


class Keeper(Sinks):
    def setUp(self):
        super().setUp()
        self.out = self.folder.file("out")
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)
        self.script = self.file("script", f'#!/bin/sh\necho $ABIDRIFT_ID >> {self.out}/ids\n', mode=0o755)

    def told(self):
        try:
            with open(os.path.join(self.out, "ids")) as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def attendants(self, m):
        """{name: pid} once both are there, of the messenger that is there now."""
        def both():
            try:
                found = children(self.messenger(m))
            except (KeyError, OSError):
                return None
            return found if {"keeper", "runner"} <= set(found) else None
        return wait_for("keeper and runner", both)

    def test_only_the_keeper_has_the_store_open_to_write(self):
        where = self.folder.file("http")
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "unix:" + where, *self.SOON, "--set", f"command.run={self.script}",
                          "--set", "journal.enable=off"])
        m.wait_line("^abidrift: ready$")
        put = self.put("g", 1)
        wait_for("the alert", lambda: put in self.told() and not self.waiting("command"))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(where)
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            self.assertIn(b" 200 ", s.recv(100))
        pids = self.attendants(m)
        mine = held(self.messenger(m), self.path)
        self.assertEqual({path for path, _ in mine}, {"", "-wal", "-shm"})
        self.assertEqual({path for path, writes in mine if writes}, set())
        self.assertEqual(held(pids["keeper"], self.path), {("", True), ("-wal", True), ("-shm", True)})
        self.assertEqual(held(pids["runner"], self.path), set())
        for name in ("keeper", "runner"):
            s = status(pids[name])
            self.assertNotIn("0", s["Uid"].split() + s["Gid"].split())
            self.assertEqual({s[k] for k in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
            self.assertEqual((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"))

    def test_no_runner_where_there_is_nothing_to_run(self):
        m = self.monitor_of("journal.enable=off")
        put = self.put("g", 1)
        m.wait_line(put, "out")
        self.assertEqual(set(children(self.messenger(m))), {"keeper"})

    def test_neither_knows_what_the_sinks_keep_secret(self):
        hook = self.receiver()
        key = secret()
        path = self.file("secrets", key)
        m = self.monitor_of(f"command.run={self.script}", f"webhook.url={hook.url()}", f"webhook.secret_file={path}", "journal.enable=off")
        self.put("g", 1)
        wait_for("the webhook's", lambda: hook.requests)
        pids = self.attendants(m)
        bare = key.removeprefix("whsec_").encode()
        raw = base64.b64decode(bare)
        self.assertTrue(memory_holds(self.messenger(m), raw), "this test does not find what is there")
        for name in ("keeper", "runner"):
            for what in (bare, raw):
                self.assertFalse(memory_holds(pids[name], what), name)

    def test_nobody_but_the_messenger_keeps_the_password_of_a_url(self):
        """The others look into guests, or write what came from them."""
        hook = self.receiver()
        password = "pw" + os.urandom(12).hex()
        config = self.file("abidrift.conf", f"[webhook]\nurl = {hook.url().replace('://', f'://user:{password}@')}\n[command]\nrun = {self.script}\n[journal]\nenable = off\n")
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--config", config, *self.SOON])
        m.wait_line("^abidrift: ready$")
        self.put("g", 1)
        sent = wait_for("the webhook's", lambda: hook.requests)[0].headers["authorization"]
        self.assertEqual(base64.b64decode(sent.split()[1]).decode(), f"user:{password}")
        pids = {**children(m.pid), **self.attendants(m)}
        self.assertTrue(memory_holds(pids.pop("messenger"), password.encode()), "this test does not find what is there")
        for name in ("collector", "analyst", "keeper", "runner"):
            self.assertFalse(memory_holds(pids[name], password.encode()), name)

    def test_whoever_is_killed_no_alert_is_lost(self):
        hook = self.receiver()
        m = self.monitor_of(f"command.run={self.script}", f"webhook.url={hook.url()}", "journal.enable=off")
        put, rounds = [], ("keeper", "runner", "messenger") * 2
        for number, name in enumerate(rounds):
            pids = {**self.attendants(m), "messenger": self.messenger(m)}
            put += [self.put(f"{name}-{i}", number) for i in range(20)]
            wait_for("the first of them", lambda: put[-20] in self.told())
            os.kill(pids[name], signal.SIGKILL)
            put += [self.put(f"{name}-{i}", 100 + number) for i in range(5)]
            wait_for("the end of all three", lambda p=pids: not any(alive(pid) for pid in (p["keeper"], p["runner"], p["messenger"])))
            wait_for("all", lambda: not self.waiting("command") and not self.waiting("webhook") and not self.waiting("stdout"))
        self.assertEqual(set(self.told()), set(put))
        self.assertEqual({r.id for r in hook.requests}, set(put))
        # Twice is one that was under way when somebody was killed: the command has one at a time, the webhook a few.
        self.assertLessEqual(len(self.told()), len(put) + len(rounds))
        said = "\n".join(m.err)
        for name in ("keeper", "runner"):
            self.assertRegex(said, rf"messenger: .*{name}.* is gone")
        self.assertEqual([r for r in ("command,given_up", "webhook,given_up") if self.count(r)], [])

    def test_a_keeper_that_hangs_does_not_outlive_its_messenger(self):
        """It may hold the store's lock."""
        m = self.monitor_of(f"command.run={self.script}", "journal.enable=off")
        pids = self.attendants(m)
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        self.kill_messenger(m)
        wait_for("their end", lambda: not any(alive(pid) for pid in pids.values()))
        put = self.put("g", 1)
        wait_for("the alert", lambda: put in self.told())

    def test_a_keeper_that_is_killed_at_the_very_start_ends_no_monitor(self):
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "journal.enable=off"])
        keeper = wait_for("the keeper", lambda: children(children(m.pid)["messenger"]).get("keeper") if "messenger" in children(m.pid) else None)
        os.kill(keeper, signal.SIGKILL)
        m.wait_line("messenger ended; starting it again")
        wait_for("another messenger at work", lambda: self.sql("SELECT 1 FROM sinks WHERE sink = 'stdout'"))
        put = self.put("g", 1)
        m.wait_line(put, "out")
        self.assertEqual(m.stop(), 0)

    def test_a_runner_that_never_answers_is_replaced_and_that_is_told(self):
        m = self.monitor_of(f"command.run={self.script}", "command.timeout=100ms", "journal.enable=off")
        pids = self.attendants(m)
        os.kill(pids["runner"], signal.SIGSTOP)
        put = self.put("g", 1)
        m.wait_line("messenger: its runner does not answer")
        wait_for("the alert", lambda: put in self.told())
        wait_for("their end", lambda: not any(alive(pid) for pid in pids.values()))
        self.assertFalse([line for line in m.err if "by force" in line], m.err)

    def test_a_keeper_that_cannot_work_is_a_failure_of_the_start(self):
        """Else the monitor says that it is ready, and no alert ever leaves it."""
        preload = os.path.join(BUILD, "tests/live/slow_arguments.so")
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", "--set", "journal.enable=off"],
                         env=dict(os.environ, LD_PRELOAD=preload, SANDBOX_REFUSED="keeper"))
        m.wait_line("^abidrift: keeper: ")
        wait_for("its end", lambda: m.child.poll() is not None)
        self.assertEqual(m.stop(), 2)
        self.assertNotIn("abidrift: ready", m.err)

    def test_none_outlives_a_monitor_that_is_killed(self):
        m = self.monitor_of(f"command.run={self.script}", "journal.enable=off")
        pids = self.attendants(m)
        m.stop(signal.SIGKILL)
        wait_for("their end", lambda: not any(alive(pid) for pid in pids.values()))

    def test_the_end_leaves_the_store_in_order(self):
        """Who takes a copy of the store then has all with the one file."""
        m = self.monitor_of(f"command.run={self.script}", "journal.enable=off")
        put = self.put("g", 1)
        wait_for("the alert", lambda: put in self.told())
        pids = self.attendants(m)
        self.assertEqual(m.stop(), 0)
        self.assertFalse([pid for pid in pids.values() if alive(pid)])
        self.assertEqual([name for name in os.listdir(os.path.dirname(self.path)) if name.startswith("s.db") and name != "s.db-lock"], ["s.db"])
