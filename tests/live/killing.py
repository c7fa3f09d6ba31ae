# SPDX-License-Identifier: Apache-2.0
"""Monitors that are killed again and again while their guests change, and what has to hold all the same. tests/fault/kills does it at many
moments, tests/live/test_kills.py at a few.

A guest of the load is a micro-VMM with a PCI function whose id is the test's to say. Each id is used once, so that whatever a monitor says
of it can be told apart: a drift to `1af4:2007` of one guest is to be one event and one alert, whoever was killed meanwhile. The guest stays as it is until
every monitor has told it, or nobody could say that it was to be seen."""
import collections
import contextlib
import glob
import gzip
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import uuid

from harness import ABIDRIFT, BUILD, MICROVMM, ROOT, Process, wait_for
from receivers import Receiver

BASE = 0x1000
FIRST = 0x2000
FUNCTION = "0000:00:05.0/id"
TOUCH = "out 0xcf8 4 0x80002800; in 0xcfc 4"
BPFFS = "/sys/fs/bpf"
PATIENCE = 120
SETTINGS = ["monitor.settle=250ms", "monitor.settle_max=2s", "alerts.retry_max=500ms", "journal.enable=off"]
# Whom a moment kills, and how often. "all": every process of the monitor at once.
TARGETS = {"supervisor": 2, "all": 2, "collector": 3, "reader": 1, "analyst": 4, "messenger": 2, "keeper": 3, "runner": 2}
COMM = {"abidrift-memory": "reader"}


class Wrong(AssertionError):
    """A promise that was not kept."""


def children(pid):
    """{what it is: pid}. Empty where that process is gone."""
    found = {}
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            pids = f.read().split()
        for child in pids:
            with contextlib.suppress(OSError), open(f"/proc/{child}/comm") as f:
                name = f.read().strip()
                found[COMM.get(name, name)] = int(child)
    return found


def tree(pid):
    found = {"supervisor": pid}
    for name, child in children(pid).items():
        found[name] = child
        found.update(children(child))
    return found


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def sound(path):
    """What SQLite itself says of the file."""
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30)
    try:
        said = db.execute("PRAGMA integrity_check").fetchall(), db.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        db.close()
    if said != ([("ok",)], []):
        raise Wrong(f"{path}: {said}")


class Tally:
    """How often what was killed. most: how many moments of killing processes of monitors there are to be; verbs that are cut off come on top."""
    def __init__(self, most):
        self.most, self.lock, self.kills = most, threading.Lock(), collections.Counter()

    def add(self, what):
        with self.lock:
            self.kills[what] += 1

    @property
    def count(self):
        return sum(n for what, n in self.kills.items() if what in TARGETS)

    @property
    def over(self):
        return self.count >= self.most


class Guest:
    """One life after the other under one name. `told`: the ids of its function that each monitor has to tell of; `accepted`: the one of its baseline."""
    def __init__(self, name, chance):
        self.name, self.chance, self.next, self.told = name, chance, FIRST, []
        self.accepted, self.vmm = BASE, None
        self.lock = threading.RLock()

    def text(self, number):
        return f"1af4:{number:04x}"

    def begin(self, number):
        answer = f"pci:00:05.0:0:{number:#06x}1af4"
        self.vmm = Process([MICROVMM, "--stdin", "--id", self.name, "--answer", answer], stdin=subprocess.PIPE)
        self.touch()

    def end(self):
        with self.lock:
            if self.vmm:
                self.vmm.stop(signal.SIGKILL)
            self.vmm = None

    def touch(self):
        with self.lock:
            if self.vmm:
                self.vmm.write(TOUCH + "\n")

    def become(self, number):
        """By a reset, or as another process, as it comes."""
        with self.lock:
            if self.chance.random() < 0.3:
                self.end()
                self.begin(number)
            else:
                self.vmm.write(f"answer clear\nanswer pci:00:05.0:0:{number:#06x}1af4\nreset\n")
                self.touch()

    def drift(self):
        number = self.next
        self.next += 1
        self.told.append(self.text(number))
        self.become(number)
        return self.text(number)


class Watch:
    """A monitor that is started again whenever it ended: by hand, or as the two parts of the service."""
    def __init__(self, number, folder, receiver, chance, pinned, parts):
        self.number, self.folder, self.chance, self.parts = number, folder, chance, parts
        self.place = folder.file(f"m{number}")
        os.mkdir(self.place)
        os.mkdir(os.path.join(self.place, "state"))
        self.path = os.path.join(self.place, "state", "s.db")
        self.store = "sqlite:" + self.path
        self.pin = f"{BPFFS}/abidrift-kills-{uuid.uuid4().hex[:12]}" if pinned else "off"
        self.receiver, self.heads, self.logs = receiver, [], []
        self.seen_row, self.seen = 0, collections.Counter()
        self.accepts = []
        self.listening = None
        shutil.chown(self.place, "nobody")
        shutil.chown(os.path.join(self.place, "state"), "nobody")
        self.script = os.path.join(self.place, "tell")
        with open(self.script, "w") as f:
            f.write(f"#!/bin/sh\necho $ABIDRIFT_ID >> {self.place}/commanded\n")
        os.chmod(self.script, 0o755)
        if parts:
            self.listening = socket.socket(socket.AF_UNIX)
            self.listening.bind(os.path.join(self.place, "c.sock"))
            shutil.chown(os.path.join(self.place, "c.sock"), "nobody")
            self.listening.listen(16)

    def argv(self, part):
        settings = [f"monitor.pin={self.pin}", f"webhook.url={self.receiver.url(f'/{self.number}')}", f"command.run={self.script}", *SETTINGS]
        return [ABIDRIFT, "run", *(["--part", part] if part else []), *(["--listen", "none", "--store", self.store] if part != "collector" else []),
                *(word for s in settings for word in ("--set", s))]

    def spawn(self, part):
        env, argv, fds = dict(os.environ), self.argv(part), ()
        if part == "collector":
            fd = self.listening.fileno()
            argv, fds = ["sh", "-c", f'exec 3<&{fd}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh", *argv], (fd,)
        if part == "analyst":
            env["ABIDRIFT_COLLECTOR"] = os.path.join(self.place, "c.sock")
            argv = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *argv]
        with open(os.path.join(self.place, "out"), "ab") as out, open(os.path.join(self.place, "err"), "ab") as err:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, pass_fds=fds)

    def start(self):
        """Whatever of it does not run."""
        want = ("collector", "analyst") if self.parts else ("",)
        self.heads = [h for h in self.heads if h[1].poll() is None]
        for part in want:
            if part not in [p for p, _ in self.heads]:
                self.heads.append((part, self.spawn(part)))

    def processes(self):
        """[(what, pid)] of all that runs."""
        return [one for _, head in self.heads if head.poll() is None for one in tree(head.pid).items()]

    def written(self, stop):
        """Until somebody is in the midst of writing the store, if that is soon."""
        def stamp():
            with contextlib.suppress(OSError):
                return os.stat(self.path + "-wal").st_mtime_ns
        end, before = time.monotonic() + 1, stamp()
        while time.monotonic() < end and stamp() == before:
            stop.wait(0.001)

    def strike(self):
        """One random moment: who is killed; None: nobody there who could be."""
        there = self.processes()
        names = sorted({"all", *(name for name, _ in there)})
        what = self.chance.choices(names, [TARGETS.get(n, 0) for n in names])[0]
        if what not in TARGETS or not there:
            return None
        pids = [pid for name, pid in there if what in ("all", name)]
        if what == "supervisor":
            pids = [self.chance.choice(pids)]
        if not any([kill(pid) for pid in pids]):
            return None
        # Whoever is left when its head is gone ends by itself, and the next start is not to meet it.
        if what in ("all", "supervisor"):
            dead = {head for _, head in self.heads if head.pid in pids}
            left = [pid for _, pid in there] if not self.parts or what == "all" else pids
            for head in dead:
                head.wait(60)
            wait_for("the end of what was killed", lambda: all(gone(pid) for pid in left), 60)
        return what

    def state(self, baselines):
        """For who has to find out what it waits for."""
        with open(os.path.join(self.place, "err"), errors="replace") as err:
            said = err.read()[-1500:]
        rows = self.sql("SELECT g.name, i.state FROM instances AS i JOIN guests AS g ON g.row = i.guest WHERE g.name LIKE 'kill-%'") if os.path.exists(self.path) else []
        return f"monitor {self.number} (exits {[h.poll() for _, h in self.heads]}): {baselines} baselines, {rows}, it said: {said}"

    def stop(self):
        for _, head in reversed(self.heads):
            if head.poll() is None:
                head.terminate()
                try:
                    head.wait(30)
                except subprocess.TimeoutExpired:
                    head.kill()
                    head.wait()
        self.heads = []

    def close(self):
        self.stop()
        if self.listening:
            self.listening.close()
        if self.pin != "off":
            shutil.rmtree(self.pin, ignore_errors=True)

    # ---- what it told

    def sql(self, statement, *values):
        db = sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=30)
        db.text_factory = lambda text: text.decode(errors="replace")  # other guests of the host have names of any bytes
        try:
            return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def look(self):
        """Takes up the events that are new: how often which drift was told."""
        for row, name, kind, changes in self.sql("SELECT e.row, g.name, e.type, e.changes FROM events AS e JOIN guests AS g ON g.row = e.guest"
                                                 " WHERE e.row > ? AND e.type IN ('drift', 'resolved') ORDER BY e.row", self.seen_row):
            self.seen_row = row
            if kind == "resolved":
                self.seen[name, "resolved"] += 1
            for c in json.loads(changes) if changes else ():
                if c["key"] == FUNCTION:
                    self.seen[name, c["to"]] += 1

    def sound(self):
        if os.path.exists(self.path) and os.path.getsize(self.path):
            sound(self.path)


class Storm:
    """The load, the monitors, and those who kill them."""
    def __init__(self, folder, seed, moments, monitors=4, guests=6, say=print):
        self.folder, self.seed, self.tally, self.say = folder, seed, Tally(moments), say
        self.stop, self.calm, self.failures = threading.Event(), threading.Event(), []
        self.receiver = Receiver(lambda r: (self.stop.wait(random.random() / 20), 200)[1])
        mark = uuid.uuid4().hex[:6]
        # Of each kind, as far as there are so many.
        self.watches = [Watch(n, folder, self.receiver, random.Random(f"{seed}-watch-{n}"), pinned=n % 2 == 0 and os.path.ismount(BPFFS), parts=n % 4 == 3) for n in range(monitors)]
        self.guests = [Guest(f"kill-{mark}-{n}", random.Random(f"{seed}-guest-{n}")) for n in range(guests)]
        self.began = time.monotonic()

    def close(self):
        self.stop.set()
        for g in self.guests:
            g.end()
        for w in self.watches:
            w.close()
        self.receiver.stop()

    # ---- those who do something

    def wait(self, what, condition, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not self.stop.is_set():
            if condition():
                return True
            if time.monotonic() > end:
                raise Wrong(f"waited {seconds} s in vain for: {what}")
            self.stop.wait(0.1)
        return False

    def told(self, name, what, count=1):
        return all(w.seen[name, what] >= count for w in self.watches)

    def live(self, guest):
        """Drift, to what nobody saw before, that goes on to another one, ends or is accepted."""
        ends = 0
        while not self.stop.is_set() and not self.calm.is_set():
            for _ in range(guest.chance.choice((1, 1, 2))):
                value = guest.drift()
                if not self.wait(f"{guest.name} told as {value} by all: {[w.seen[guest.name, value] for w in self.watches]}", lambda v=value: self.told(guest.name, v)):
                    return
            ends += 1
            if guest.chance.random() < 0.4:
                for w in self.watches:
                    self.accept(w, guest, value)
                guest.accepted = int(value.split(":")[1], 16)
            else:
                guest.become(guest.accepted)
            if not self.wait(f"{guest.name} told as resolved {ends} times by all: {[w.seen[guest.name, 'resolved'] for w in self.watches]}", lambda n=ends: self.told(guest.name, "resolved", n)):
                return

    def accept(self, watch, guest, value):
        """Until it is done; some who try are killed."""
        reason = f"{guest.name} {value}"

        def done():
            return watch.sql("SELECT count(*) FROM baselines WHERE reason = ?", reason)[0][0]
        argv = [ABIDRIFT, "accept", "--store", watch.store, "--reason", reason, guest.name]
        while guest.chance.random() < 0.5 and not done():
            self.cut_off("accept", argv, guest.chance)
        if not done():
            said = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            if said.returncode:
                raise Wrong(f"accept: {said.stderr}")
        watch.accepts.append(reason)

    def cut_off(self, what, argv, chance, most=0.04):
        """A verb that is killed somewhere on its way."""
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(chance.uniform(0, most))
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            self.tally.add(what)

    def kill(self, watch):
        """Several moments, close to each other and to starts, then some rest: else nobody would ever get to anything."""
        while not self.tally.over and not self.stop.is_set():
            for _ in range(watch.chance.randint(3, 7)):
                watch.start()
                watch.chance.choice((lambda: self.stop.wait(watch.chance.uniform(0, 0.3)), lambda: self.stop.wait(watch.chance.uniform(0, 1.5)), lambda: watch.written(self.stop)))()
                what = watch.strike()
                if what:
                    self.tally.add(what)
                    watch.sound()
            watch.start()
            self.stop.wait(watch.chance.uniform(1, 4))

    def operate(self, chance):
        """Verbs that write, or read for long, each killed on its way; what it left is whole, or not there."""
        number = 0
        while not self.tally.over and not self.stop.is_set():
            watch, number = chance.choice(self.watches), number + 1
            what = chance.choice(("prune", "backup", "export", "maintenance"))
            made = os.path.join(watch.place, f"{what}-{number}")
            words = {"prune": ["store", "prune", "--store", watch.store, "--older", "1h", *(["--vacuum"] if chance.random() < 0.5 else [])],
                     "backup": ["store", "backup", "--store", watch.store, made],
                     "export": ["export", "--store", watch.store, "-o", made, chance.choice(self.guests).name],
                     "maintenance": ["maintenance", "--store", watch.store, *(["--end"] if number % 2 else ["--for", "100ms"])]}[what]
            if what == "maintenance" and watch is not self.watches[-1]:  # alerts that wait for its end are none of a drift's own
                continue
            if os.path.exists(watch.path):
                self.cut_off(what, [ABIDRIFT, *words], chance)
                watch.sound()
            if os.path.exists(made):
                self.whole(what, made)
                os.unlink(made)
            self.stop.wait(chance.uniform(0, 0.5))

    @staticmethod
    def whole(what, made):
        argv = [ABIDRIFT, "store", "check", "--store", "sqlite:" + made] if what == "backup" else ["tar", "-taf", made]
        said = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        if said.returncode:
            raise Wrong(f"{what} that was killed left {made}: {said.stderr}")

    def migrate(self, chance):
        """A store of each older format, brought up to date by somebody who is killed: it is the old one, whole, or the new one."""
        place = self.folder.file("formats")
        os.mkdir(place)
        formats = sorted(glob.glob(os.path.join(ROOT, "tests", "stores", "format-*.db.gz")))[:-1]
        number = 0
        while not self.tally.over and not self.stop.is_set():
            self.stop.wait(chance.uniform(0, 1))
            packed, number = chance.choice(formats), number + 1
            path = os.path.join(place, f"{number}.db")
            with gzip.open(packed) as f, open(path, "wb") as out:
                out.write(f.read())
            before = self.content(path)
            while self.content(path)[0] == before[0] and chance.random() < 0.8:
                self.cut_off("migrate", [ABIDRIFT, "accept", "--store", "sqlite:" + path, "nobody"], chance, most=0.02)
            after = self.content(path)
            lost = {t: (n, after[1].get(t)) for t, n in before[1].items() if after[1].get(t) != n}
            if lost or (after[0] == before[0] and set(after[1]) != set(before[1])):
                raise Wrong(f"{packed}: a migration that was killed left {after}, there was {before}")
            for end in ("", "-wal", "-shm", "-lock"):
                with contextlib.suppress(OSError):
                    os.unlink(path + end)

    @staticmethod
    def content(path):
        """(format, rows of each table)."""
        sound(path)
        db = sqlite3.connect(path, timeout=30)
        try:
            tables = [t for t, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            return db.execute("PRAGMA user_version").fetchone()[0], {t: db.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables}
        finally:
            db.close()

    def touch(self):
        """What guests do again and again, so that also a kernel side that begins anew sees it; and what monitors told."""
        while not self.stop.is_set():
            for w in self.watches:
                if os.path.exists(w.path):
                    with contextlib.suppress(sqlite3.OperationalError):  # it is being made
                        w.look()
            for g in self.guests:
                g.touch()
            self.stop.wait(0.3)

    def busy(self, chance):
        """One that never comes to rest: new boots all the time."""
        guest = Guest(self.guests[0].name + "-restless", chance)
        guest.begin(BASE)
        try:
            while not self.stop.is_set():
                guest.become(chance.choice((BASE, BASE + 1)))
                self.stop.wait(chance.uniform(0, 1))
        finally:
            guest.end()

    # ---- all of it

    def run(self):
        for w in self.watches:
            w.start()
        for g in self.guests:
            g.begin(BASE)
        toucher = self.thread(self.touch)
        try:
            self.wait("a baseline of each guest", lambda: all(self.baselines(w) == len(self.guests) for w in self.watches))
        except Wrong as why:
            raise Wrong(f"{why}; so far {', '.join(w.state(self.baselines(w)) for w in self.watches)}") from why
        killers = [self.thread(self.kill, w) for w in self.watches]
        killers += [self.thread(self.operate, random.Random(f"{self.seed}-verbs")), self.thread(self.migrate, random.Random(f"{self.seed}-formats"))]
        lives = [self.thread(self.live, g) for g in self.guests]
        busy = self.thread(self.busy, random.Random(f"{self.seed}-busy"))
        said = 0
        while any(t.is_alive() for t in killers) and not self.stop.is_set():
            self.stop.wait(0.2)
            if self.tally.count - said >= 100:
                said = self.tally.count
                self.say(f"  {said} moments, {sum(len(g.told) for g in self.guests)} drifts, {time.monotonic() - self.began:.0f} s")
        self.calm.set()
        for w in self.watches:
            w.start()
        for t in killers + lives:
            t.join()
        if not self.failures:
            self.guard(self.settle)
        self.stop.set()
        for t in (toucher, busy):
            t.join()
        if self.failures:
            raise self.failures[0]

    def thread(self, target, *args):
        t = threading.Thread(target=self.guard, args=(target, *args), daemon=True)
        t.start()
        return t

    def guard(self, target, *args):
        try:
            target(*args)
        except BaseException as why:
            self.failures.append(why)
            self.stop.set()

    def baselines(self, watch):
        if not os.path.exists(watch.path):
            return 0
        try:
            return watch.sql("SELECT count(*) FROM baselines AS b JOIN guests AS g ON g.row = b.guest WHERE g.name IN (%s)" % ", ".join("?" * len(self.guests)), *(g.name for g in self.guests))[0][0]
        except sqlite3.OperationalError:
            return 0

    def settle(self):
        """Nobody is killed any more: every alert gets where it has to."""
        for w in self.watches:
            self.wait(f"empty queues of monitor {w.number}", lambda w=w: not self.owed(w))

    def owed(self, watch):
        return watch.sql("SELECT k.sink, a.id FROM sinks AS k, alerts AS a WHERE a.row > k.done AND NOT EXISTS (SELECT 1 FROM acknowledged AS n WHERE n.sink = k.sink AND n.alert = a.row)")

    # ---- what has to hold

    def check(self):
        """[what does not hold]."""
        return [f"monitor {w.number}: {what}" for w in self.watches for what in [*self.check_store(w), *self.check_drifts(w), *self.check_baselines(w), *self.check_sinks(w)]]

    @staticmethod
    def check_store(watch):
        watch.sound()
        done = subprocess.run([ABIDRIFT, "store", "check", "--store", watch.store], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        return [f"store check: {done.stderr}"] if done.returncode else []

    def windows(self, watch):
        return watch.sql("SELECT begins_at, coalesce(closed_at, ends_at) FROM maintenance")

    def check_drifts(self, watch):
        """Each drift that the test made is one event and one alert; in a maintenance window, none."""
        wrong = []
        watch.look()
        alerts = [json.loads(text) for text, in watch.sql("SELECT json FROM alerts ORDER BY row")]
        of = collections.defaultdict(set)
        for a in alerts:
            for c in a["changes"] if a["type"] == "drift" else ():
                if c["key"] == FUNCTION:
                    of[a["guest"]["name"], c["to"]].add(a["id"])
        windows = self.windows(watch)
        for g in self.guests:
            for value in g.told:
                if watch.seen[g.name, value] != 1:
                    wrong.append(f"{g.name}: the drift to {value} is in history {watch.seen[g.name, value]} times")
                if len(of[g.name, value]) != 1 and not (windows and not of[g.name, value]):
                    wrong.append(f"{g.name}: the drift to {value} has the alerts {sorted(of[g.name, value])}")
        return wrong

    def check_baselines(self, watch):
        """One that was made by itself, and those that were accepted, once each; the one that counts holds what was accepted last."""
        wrong, names = [], [g.name for g in self.guests]
        rows = watch.sql("SELECT g.name, b.by, b.reason FROM baselines AS b JOIN guests AS g ON g.row = b.guest ORDER BY b.row")
        auto = collections.Counter(name for name, by, _ in rows if name in names and by == "auto")
        if auto != {n: 1 for n in names}:
            wrong.append(f"baselines that nobody accepted: {dict(auto)}")
        made = sorted(reason for name, by, reason in rows if name in names and by != "auto")
        events = sorted(r for r, in watch.sql("SELECT reason FROM events WHERE type = 'accept'"))
        if not made == events == sorted(watch.accepts):
            wrong.append(f"accepted were {sorted(watch.accepts)}, baselines are {made}, events {events}")
        for g in self.guests:
            said = subprocess.run([ABIDRIFT, "show", g.name + "@baseline", "--fingerprint", "--store", watch.store], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            if f"pci {FUNCTION} {g.text(g.accepted)}" not in said.stdout.splitlines():
                wrong.append(f"{g.name}: its baseline is not {g.text(g.accepted)}: {said.stderr}{[l for l in said.stdout.splitlines() if FUNCTION in l]}")
        return wrong

    def check_sinks(self, watch):
        """Each sink got each alert; one id is one alert."""
        wrong = []
        raised = {i: json.loads(text) for i, text in watch.sql("SELECT id, json FROM alerts")}
        hook = [(r.id, r.event["data"]) for r in self.receiver.requests if r.path == f"/{watch.number}"]
        with open(os.path.join(watch.place, "out")) as f:
            out = [(a["id"], a) for a in map(json.loads, f)]
        with open(os.path.join(watch.place, "commanded")) as f:
            told = set(f.read().split())
        for sink, got in (("webhook", hook), ("stdout", out)):
            wrong += [f"{sink} got {i} as {a}, it is {raised.get(i)}" for i, a in got if a != raised.get(i)]
        # What was raised of the host's other guests after the queues were empty may still be in one.
        names = [g.name for g in self.guests]
        late = {i for _, i in self.owed(watch) if (raised[i].get("guest") or {}).get("name") not in names}
        for sink, ids in (("webhook", {i for i, _ in hook}), ("stdout", {i for i, _ in out}), ("command", told)):
            if ids | late != set(raised) | late:
                wrong.append(f"{sink} lacks {set(raised) - ids - late}, and has {ids - set(raised)} too much")
        return wrong
