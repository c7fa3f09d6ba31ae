# SPDX-License-Identifier: Apache-2.0
"""Faults by plan in the processes of `abidrift run`: in the one that is named (FAULT_ROLE of tests/fault/fail.c) the k-th call of a kind fails, while a guest
comes, settles, is reset with another PCI function, and the monitor tells it to standard output, a webhook and (where that can be) a command.

What has to hold for each k: no process ends by a signal of its own; the monitor goes on, or ends with 2 and a line that says why and is started again, as
systemd does; the drift is told once; every alert arrives; the store is sound."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import threading
import time
import uuid

import plans
from harness import ABIDRIFT, Folder, Process, abidrift
from killing import BASE, FIRST, FUNCTION, SETTINGS, Guest, sound
from receivers import Receiver

ROLES = ("supervisor", "collector", "abidrift-memory", "analyst", "keeper", "messenger", "runner")
# "disk full" that stays is told for as long as it lasts: tests/live/test_store_troubles.py.
FAULTS = {name: fault for name, fault in plans.FAULTS.items() if not fault[2]}
PATIENCE = 60


class Wrong(AssertionError):
    """A promise that was not kept."""


class Run:
    """One life of a monitor, and of one more without fault where that one ends."""
    def __init__(self, role=None, fault=None, k=0):
        self.role, self.fault, self.k = role, fault, k
        self.pause = threading.Event()
        self.folder = Folder()
        self.place = self.folder.path
        self.state = os.path.join(self.place, "fault")
        self.path = os.path.join(self.place, "state", "s.db")
        self.guest = Guest(f"plan-{uuid.uuid4().hex[:8]}", random.Random(0))
        self.receiver, self.monitor, self.lines, self.told, self.restarts = Receiver(), None, [], [], 0
        os.mkdir(os.path.join(self.place, "state"))
        for name in ("", "state"):
            shutil.chown(os.path.join(self.place, name), "nobody")
        self.script = os.path.join(self.place, "tell")
        with open(self.script, "w") as f:
            f.write(f"#!/bin/sh\necho $ABIDRIFT_ID >> {self.place}/commanded\n")
        os.chmod(self.script, 0o755)

    def close(self):
        self.guest.end()
        if self.monitor:
            self.monitor.stop(signal.SIGKILL)
        self.receiver.stop()
        self.folder.close()

    def environment(self):
        if not self.fault:
            return dict(os.environ)
        kind, how, _, _ = FAULTS[self.fault]
        with open(self.state, "wb") as f:
            f.truncate(plans.STATE_BYTES)
        return dict(os.environ, LD_PRELOAD=plans.FAIL, FAULT_KIND=kind, FAULT_AT=str(self.k), FAULT_HOW=str(how), FAULT_STATE=self.state,
                    **({"FAULT_ROLE": self.role} if self.role != "supervisor" else {}))

    @property
    def commands(self):
        """A filter outlives exec, and its handler does not: only where there is none can the monitor start programs."""
        return not self.fault or FAULTS[self.fault][0] == "alloc"

    def start(self, env):
        settings = ["monitor.pin=off", f"webhook.url={self.receiver.url('/plan')}", *([f"command.run={self.script}"] if self.commands else []), *SETTINGS]
        self.monitor = Process([ABIDRIFT, "run", "--listen", "none", "--store", "sqlite:" + self.path, *(w for s in settings for w in ("--set", s))], env=env)

    def alive(self):
        """Who ended is started again, once, without fault; how it ended has to be told."""
        code = self.monitor.child.poll()
        if code is None:
            return
        self.monitor.stop()
        self.take()
        if code != 2 or not any(re.match(r"abidrift: \S.{9}", line) for line in self.lines):
            raise Wrong(f"the monitor ended with {code}: {self.lines[-3:]}")
        if self.restarts:
            raise Wrong(f"the monitor that was started again ended, too: {self.lines[-3:]}")
        self.restarts += 1
        self.start(dict(os.environ))

    def take(self):
        self.lines += self.monitor.err
        self.told += self.monitor.out

    def sql(self, statement, *values):
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=30)) as db:
                return db.execute(statement, values).fetchall()
        except sqlite3.OperationalError:  # it is being made
            return []

    def until(self, what, condition):
        end, again = time.monotonic() + PATIENCE, time.monotonic() + 0.5
        while not condition():
            self.alive()
            if time.monotonic() > end:
                raise Wrong(f"waited {PATIENCE} s in vain for: {what}: {(self.lines + self.monitor.err)[-4:]}")
            if time.monotonic() > again:
                self.guest.touch()
                again = time.monotonic() + 0.5
            self.pause.wait(0.05)

    def drifts(self):
        return [i for i, changes in self.sql("SELECT e.row, e.changes FROM events AS e JOIN guests AS g ON g.row = e.guest WHERE g.name = ? AND e.type = 'drift'", self.guest.name)
                if any(c["key"] == FUNCTION and c["to"] == self.guest.text(FIRST) for c in json.loads(changes or "[]"))]

    def alerts(self):
        return [i for i, text in self.sql("SELECT id, json FROM alerts") if self.guest.name in text and self.guest.text(FIRST) in text]

    def arrived(self):
        alerts = self.alerts()
        return bool(alerts) and all(self.came(alert) for alert in alerts)

    def came(self, event):
        out = any(event in line for line in [*self.told, *self.monitor.out])
        hook = any(r.id == event for r in list(self.receiver.requests))
        command = not self.commands
        with contextlib.suppress(OSError), open(os.path.join(self.place, "commanded")) as f:
            command |= event in f.read()
        return out and hook and command

    def go(self):
        self.start(self.environment())
        self.guest.begin(BASE)
        self.until("a baseline", lambda: self.sql("SELECT 1 FROM baselines AS b JOIN guests AS g ON g.row = b.guest WHERE g.name = ?", self.guest.name))
        self.guest.vmm.write(f"answer clear\nanswer pci:00:05.0:0:{FIRST:#06x}1af4\nreset\n")
        self.guest.touch()
        self.until("the drift", self.drifts)
        self.until("its alert at every sink", self.arrived)
        code = self.monitor.stop()
        self.take()
        if code not in (0, 2) or (code == 2 and not any(re.match(r"abidrift: \S.{9}", line) for line in self.lines)):
            raise Wrong(f"the monitor ended with {code}: {self.lines[-3:]}")
        self.settle()

    def settle(self):
        if len(self.drifts()) != 1:
            raise Wrong(f"the drift was told {len(self.drifts())} times")
        ended = [line for line in self.lines if re.search("was ended by signal|makes no progress|does not end", line)]
        if ended:
            raise Wrong(ended[0])
        sound(self.path)
        abidrift("store", "check", store="sqlite:" + self.path)

    def count(self):
        with open(self.state, "rb") as f:
            data = f.read()
        where = [w for w in (data[16 + i * 120:136 + i * 120].split(b"\0")[0].decode() for i in range(24)) if w and not w.startswith("fail.so")]
        return (*struct.unpack_from("<QQ", data), where, struct.unpack_from("<Q", data, plans.STATE_BYTES - 8)[0])


def plan(role, fault, k):
    """(calls, fired, what is wrong or None, lines of standard error and where it failed, whether it was told)"""
    run = Run(role, fault, k)
    wrong = None
    try:
        try:
            run.go()
        except (AssertionError, sqlite3.Error, OSError, subprocess.TimeoutExpired) as why:
            wrong = f"{why}"
        calls, fired, where, crash = run.count()
        if crash:
            wrong = f"{role} was ended by signal {crash}"
        told = [line for line in [*run.lines, *run.monitor.err] if re.search("starting it again|^abidrift: [a-z]+: ", line)]
        return calls, fired, wrong, told[-6:] + where, bool(told)
    finally:
        run.close()


def spread(calls, count):
    """`count` numbers from 1 to calls."""
    return sorted({1 + (calls - 1) * i // max(count - 1, 1) for i in range(count)}) if calls else []


def sweep(role, fault, count, pool):
    """(calls, k that were tried, how often it was told, findings {what: (k, where)}); how many calls there are differs from run to run."""
    calls = plan(role, fault, 0)[0]
    tried = spread(calls, count)
    fired = told = 0
    found = {}
    for k, (_, hit, wrong, where, said) in zip(tried, pool.map(lambda k: plan(role, fault, k), tried)):
        fired += bool(hit)
        told += bool(hit) and said and not wrong
        if wrong:
            found.setdefault(re.sub(r"[0-9a-f]{8,}|\d{4,}", "N", wrong), (k, [wrong, *where]))
    return calls, fired, told, found
