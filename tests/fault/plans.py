# SPDX-License-Identifier: Apache-2.0
"""Faults by plan: a verb is run once for each k, and its k-th allocation, write, read, fsync, rename or mapping fails (tests/fault/fail.c).

What has to hold for each k: the verb ends by itself, not by a signal; either all is as without the fault, or it exits with 2 and says why in
one line; its store is whole; and the same verb run once more, without fault, leaves what it leaves when nothing ever failed."""
import errno
import gzip
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import uuid

import traces
from harness import ABIDRIFT, BUILD, ROOT, Process
from killing import BASE, Guest
from receivers import Receiver
from traces import LEAVES, Trace, life, pairs, without

FAIL = os.path.join(BUILD, "tests", "fault", "fail.so")
STATE_BYTES = 16 + 24 * 120 + 8
PATIENCE = 30
DAY_NS = 86_400_000_000_000
LESS = without(LEAVES, 1, 2, 13)

# name: (kind of fail.c, what comes of the call, whether all later ones fail too, what the line has to say)
FAULTS = {
    "allocation": ("alloc", errno.ENOMEM, False, r"memory"),
    "mapping": ("map", errno.ENOMEM, False, r"memory"),
    "write, disk full": ("write", errno.ENOSPC, True, r"full|space|write"),
    "write, EIO": ("write", errno.EIO, False, r""),
    "write, EINTR": ("write", errno.EINTR, False, r""),
    "write, short": ("write", "short", False, None),
    "fsync, EIO": ("sync", errno.EIO, False, r""),
    "read, EIO": ("read", errno.EIO, False, r""),
    "read, EINTR": ("read", errno.EINTR, False, r""),
    "read, short": ("read", "short", False, None),
    "open, EMFILE": ("open", errno.EMFILE, False, r""),
    "rename and the like, ENOSPC": ("name", errno.ENOSPC, False, r""),
    "descriptor, EMFILE": ("handle", errno.EMFILE, False, r""),
}


class Outcome:
    def __init__(self, code, out, err, calls, fired, where, spoilt=False):
        self.code, self.out, self.err, self.calls, self.fired, self.where, self.told = code, out, err, calls, fired, where, spoilt or code == 2


def plain(text):
    """Without what differs between two runs: times, and ids that are made at random."""
    text = re.sub(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?", "TIME", text)
    text = re.sub(r'"[0-9a-f]{32}"', '"ID"', text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)


def dump(path):
    """{table: rows} of a store, read from a copy: what is left in its log is taken over there."""
    with tempfile.TemporaryDirectory(prefix="abidrift-dump-") as folder:
        copy = os.path.join(folder, "db")
        for end in ("", "-wal"):
            if os.path.exists(path + end):
                shutil.copyfile(path + end, copy + end)
        db = sqlite3.connect(copy)
        try:
            whole = [row[0] for row in db.execute("PRAGMA integrity_check")] + db.execute("PRAGMA foreign_key_check").fetchall()
            if whole != ["ok"]:
                raise AssertionError(f"the store is damaged: {whole[:3]}")
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        finally:
            db.close()


def content(path):
    if path.endswith(".db"):
        return dump(path)
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def state_of(folder):
    """{file: what it holds}; SQLite's own files belong to the store."""
    return {name: content(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if not re.search(r"\.db-(wal|shm|journal)$|^fault$", name)}


def cells(state):
    """{place: value} of a state, so that two of them can be compared piece by piece."""
    found = {}
    for name, what in state.items():
        found[name] = None if isinstance(what, dict) else what
        for table, rows in what.items() if isinstance(what, dict) else ():
            found[name, table] = len(rows)
            for number, row in enumerate(rows):
                found.update({(name, table, number, column): value for column, value in enumerate(row)})
    return found


class Work:
    """A verb, and the folder that it works in. prepare(folder) makes what is there before; {} in an argument is the folder."""
    MOST = 0  # about so many k of each fault; 0: as many as there are

    def __init__(self, name, *argv, prepare=None, codes=(0,), env=None):
        self.name, self.argv, self.prepare, self.codes, self.env = name, argv, prepare, codes, env or {}
        self.folder, self.template, self.known, self.faults = None, None, {}, list(FAULTS)

    def open(self):
        self.folder = tempfile.mkdtemp(prefix="abidrift-plan-")
        self.template = os.path.join(self.folder, "template")
        os.mkdir(self.template)
        if self.prepare:
            self.prepare(self.template)
        # What differs between two runs without fault is no loss.
        first, self.usual = self.reference()
        second, _ = self.reference()
        self.changing = {place for place, value in first.items() if second.get(place) != value}
        assert first.keys() == second.keys(), f"{self.name}: two runs without fault differ"
        self.end = {place: value for place, value in first.items() if place not in self.changing}

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def reference(self):
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            place = self.fresh(folder)
            usual = self.run(place)
            assert usual.code in self.codes, f"{self.name}: exit {usual.code} without fault: {usual.err}"
            return cells(state_of(place)), usual

    def fresh(self, folder):
        place = os.path.join(folder, "work")
        shutil.copytree(self.template, place)
        return place

    def command(self, place):
        return [ABIDRIFT, *(a.replace("{}", place) for a in self.argv)]

    def run(self, place, fault=None, k=0):
        """Once; with a fault, its k-th call fails."""
        env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC", **{name: value.replace("{}", place) for name, value in self.env.items()})
        state = os.path.join(os.path.dirname(place), "fault")
        if fault:
            kind, how, sticks, _ = FAULTS[fault]
            with open(state, "wb") as f:
                f.truncate(STATE_BYTES)
            env.update(LD_PRELOAD=FAIL, FAULT_KIND=kind, FAULT_AT=str(k), FAULT_HOW=str(how), FAULT_STATE=state, **({"FAULT_STICKS": "1"} if sticks else {}))
        code, out, err, spoilt = self.outcome(place, env)
        calls = fired = 0
        where = []
        if fault:
            with open(state, "rb") as f:
                data = f.read()
            calls, fired = struct.unpack_from("<QQ", data)
            where = [w for w in (data[16 + i * 120:136 + i * 120].split(b"\0")[0].decode() for i in range(24)) if w and not w.startswith("fail.so")]
        return Outcome(code, plain(out.replace(place, "PLACE")), err.replace(place, "PLACE"), calls, fired, where, spoilt)

    def outcome(self, place, env):
        """(exit code, standard output, standard error, whether something else told of the fault)"""
        done = subprocess.run(self.command(place), env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr, False

    def unlike(self, found):
        """Where a state differs from what is left when nothing failed."""
        at = [place for place in self.end if found.get(place, "missing") != self.end[place]]
        return at + [place for place in found if place not in self.end and place not in self.changing]

    def told(self, got, fault):
        """What is wrong with how a failure was told, or None."""
        says, lines = FAULTS[fault][3], got.err.splitlines()
        if got.code != 2:
            return f"exit {got.code}, and not all is as it should be"
        if len(lines) != 1 or not re.match(r'abidrift: \S.{9}|\{"error":"\S.{9}.*"\}$', lines[0]):
            return f"exit 2 with {len(lines)} lines"
        if says is None:
            return "a short read or write is no error"
        return None if re.search(says, lines[0], re.I) else "the line does not say what failed"

    def judge(self, place, got, fault):
        """None, or what is wrong."""
        state = cells(state_of(place))
        # libcrypto 3.0 uses what it could not make when its first use runs out of memory: no code of ours can hinder that.
        if got.code == -11 and any(frame.endswith("OSSL_LIB_CTX_get0_global_default") for frame in got.where):
            return self.again(place, state)
        if got.code < 0 or got.code >= 90:
            return f"ended by signal {-got.code}" if got.code < 0 else f"exit {got.code}"
        if got.code == self.usual.code and got.out == self.usual.out and not self.unlike(state):
            return None
        # Characters beyond ASCII are then shown as numbers.
        if any(frame.endswith(" setlocale") for frame in got.where) and got.code == self.usual.code:
            return None
        # It goes on without something, and says so.
        if got.code == self.usual.code and re.search("^abidrift: .{10}", got.err[len(self.usual.err):], re.M):
            return None
        wrong = self.told(got, fault)
        # Where all was done and only the answer was lost, to do it again would be to do it twice.
        if wrong or not self.unlike(state):
            return wrong
        left = [name for name in os.listdir(place) if name not in self.usual_names() and name not in os.listdir(self.template)]
        if left:
            return f"leaves {left[0]}"
        return self.again(place, state)

    def usual_names(self):
        return {place for place in self.end if isinstance(place, str)} | {f"{p}{end}" for p in self.end if isinstance(p, str) for end in ("-wal", "-shm", "-journal")}

    def again(self, place, state):
        """The same verb without fault, on what the fault left. What came of a state that was there before is known."""
        key = hashlib.sha256(repr(sorted(((str(at), value) for at, value in state.items() if at not in self.changing))).encode()).digest()
        if key not in self.known:
            got = self.run(place)
            at = self.unlike(cells(state_of(place)))
            self.known[key] = (f"run again: exit {got.code}: {got.err.strip()}" if got.code not in self.codes else
                               f"run again: {at[0]} and {len(at) - 1} more differ from what is left when nothing fails" if at else None)
        return self.known[key]

    def plan(self, fault, k):
        """(calls, fired, what is wrong or None, Outcome) of one k."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            place = self.fresh(folder)
            try:
                got = self.run(place, fault, k)
            except subprocess.TimeoutExpired:
                return 0, 1, f"did not end within {PATIENCE} s", Outcome(None, "", "", 0, 1, [])
            try:
                return got.calls, got.fired, self.judge(place, got, fault) if got.fired else None, got
            except (AssertionError, sqlite3.Error, OSError) as why:
                return got.calls, got.fired, f"{type(why).__name__}: {why}", got

    def calls(self, fault):
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            return self.run(self.fresh(folder), fault).calls


# ---- what the verbs work on

def day(path, number, guests, kernel):
    """A trace of a day on which each guest {name: leaves} lived once."""
    before, traces.REALTIME_NS = traces.REALTIME_NS, traces.REALTIME_NS + number * DAY_NS
    try:
        t = Trace()
        t.add(traces.HOST, pairs(("hostname", "testhost"), ("boot_id", "b0"), ("arch", "x86_64"), ("kernel.release", kernel), ("cpu.model", "Test CPU"),
                                 ("cpu.microcode", "0x1"), ("abidrift", "test")))
        for vm, (name, leaves) in enumerate(guests.items(), 1 + 100 * number):
            life(t, vm, name, f"00000000-0000-4000-8000-{int(name[1:]):012d}", leaves)
        t.synced()
        for vm in range(1 + 100 * number, 1 + 100 * number + len(guests)):
            t.gone(vm)
        t.tick(1)
        return t.write(path)
    finally:
        traces.REALTIME_NS = before


SETTLE = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=5s"]


def verb(*argv, ok=(0, 1, 3)):
    done = subprocess.run([ABIDRIFT, *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    assert done.returncode in ok, (argv, done.returncode, done.stderr)


def golden(folder):
    with gzip.open(os.path.join(ROOT, "tests", "replay", "q35.trace.gz")) as f, open(os.path.join(folder, "q35.trace"), "wb") as to:
        shutil.copyfileobj(f, to)


def first_day(folder):
    day(os.path.join(folder, "first.trace"), 0, {"g1": LEAVES, "g2": LEAVES}, "6.1-test")
    day(os.path.join(folder, "second.trace"), 1, {"g1": LESS, "g2": LEAVES}, "6.12-test")


def first_store(folder):
    first_day(folder)
    verb("replay", os.path.join(folder, "first.trace"), "--store", f"sqlite:{folder}/a.db", *SETTLE)


def drifted(folder):
    """A store in which g1 drifts; the traces are gone."""
    first_store(folder)
    verb("replay", os.path.join(folder, "second.trace"), "--store", f"sqlite:{folder}/a.db", *SETTLE)
    for name in ("first", "second"):
        os.unlink(os.path.join(folder, f"{name}.trace"))


def window(folder):
    drifted(folder)
    verb("maintenance", "--for", "1h", "--reason", "test", "--store", f"sqlite:{folder}/a.db")


class Serve(Work):
    """`serve`, asked for each of its answers once. One that a fault spoilt has to say so, by its status or by its end, and asked again is right."""
    HOST = "127.0.0.1"
    GUEST = "/api/v1/guests/g1"
    PATHS = ("/", "/review.js", "/review.css", "/favicon.svg", "/healthz", "/readyz", "/metrics", "/api/v1/guests", GUEST, f"{GUEST}/revisions/1", f"{GUEST}/export",
             "/api/v1/diff?from=g1@1&to=g1@2", "/api/v1/diff?from=g1@1&to=g1@2&format=text", "/api/v1/history", "/api/v1/alerts", "/api/v1/nothing")
    SAID = r"^abidrift: (store sqlite:\S+|listening on \S+)\n"
    ZSTD = b"\x28\xb5\x2f\xfd"

    def __init__(self):
        super().__init__("serve", "serve", "--listen", f"{self.HOST}:0", *STORE, prepare=drifted)
        self.right, self.references = None, ()
        self.faults = [fault for fault in FAULTS if not FAULTS[fault][2]]  # who cannot write any more cannot answer

    def open(self):
        super().open()
        first, second = self.references
        self.right = {path: answer for path, answer in first.items() if second[path] == answer}

    def judge(self, place, got, fault):
        return got.out if got.out and got.code != 2 else super().judge(place, got, fault)

    def ask(self, port, path):
        """(status, body), or None where the connection ended before all of it was there."""
        connection = http.client.HTTPConnection(self.HOST, port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except TimeoutError:
            return 0, b"no answer"
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        # What was measured in this process differs from run to run; that it was, does not.
        if path == "/metrics" and answer.status == 200:
            body = b"\n".join(sorted(line.rpartition(b" ")[0] for line in body.splitlines()))
        # Files of an archive are as old as it.
        if path.endswith("/export") and body.startswith(self.ZSTD):
            body = self.ZSTD
        return answer.status, plain(body.decode(errors="replace"))

    def wrong(self, path, answer):
        """What is wrong with an answer, or None."""
        if self.right is None or (path in self.right and answer == self.right[path]) or (path not in self.right and answer and answer[0] == 200):
            return None
        return f"{path}: {answer[0]} {answer[1][:200]}" if answer else f"{path}: no answer"

    def outcome(self, place, env):
        served = Process(self.command(place), env=env)
        answers, told, wrong = {}, 0, []
        try:
            port = self.port(served)
            for path in self.PATHS if port else ():
                answers[path] = self.ask(port, path)
                if not self.wrong(path, answers[path]):
                    continue
                told += 1
                if answers[path] and not 400 <= answers[path][0] < 600:
                    wrong.append(self.wrong(path, answers[path]))
                if served.child.poll() is None:
                    answers[path] = self.ask(port, path)
                    wrong += filter(None, [self.wrong(path, answers[path])])
        finally:
            code = served.stop()
        if self.right is None:
            self.references += (answers,)
        return code, "\n".join(wrong), re.sub(self.SAID, "", "".join(line + "\n" for line in served.err), flags=re.M), bool(told)

    def port(self, served):
        """None: it ended before it listened."""
        try:
            return int(served.wait_line("^abidrift: listening on", seconds=PATIENCE).rpartition(":")[2].rstrip("/"))
        except AssertionError as why:
            if served.child.poll() is None:
                served.stop(signal.SIGKILL)
                raise subprocess.TimeoutExpired(served.argv, PATIENCE) from why
            return None


class AlertTest(Work):
    """`alert test`, to a webhook: what it says of the sink is what came there."""
    def __init__(self):
        super().__init__("alert test", "alert", "test", "--json", "--set", "webhook.url=WEBHOOK", "--set", "journal.enable=off")
        self.receiver = None

    def open(self):
        self.receiver = Receiver()
        self.argv = tuple(word.replace("WEBHOOK", self.receiver.url("/plan")) for word in self.argv)
        super().open()

    def close(self):
        super().close()
        if self.receiver:
            self.receiver.stop()

    def judge(self, place, got, fault):
        try:
            said = json.loads(got.out)["sinks"] if got.out else []
        except ValueError:
            said = []
        if got.code == 2 and not got.err and said and all(sink["result"] == "delivered" or sink["text"] for sink in said):
            return None
        return super().judge(place, got, fault)


class Record(Work):
    """`record` of a guest: a trace that is whole, or one that says that it is not, or none."""
    MOST = 12  # of each fault: it takes its time

    def __init__(self):
        self.guest = Guest(f"plan-{uuid.uuid4().hex[:8]}", random.Random(0))
        super().__init__("record", "record", "-o", "{}/t.trace", "--for", "1500ms", "--guest", self.guest.name, "--quiet")

    def open(self):
        self.guest.begin(BASE)
        super().open()

    def close(self):
        super().close()
        self.guest.end()

    def judge(self, place, got, fault):
        trace = os.path.join(place, "t.trace")
        if got.code not in (0, 2):
            return f"ended by signal {-got.code}" if got.code < 0 else f"exit {got.code}"
        if got.code == 2 and (wrong := self.told(got, fault)):
            return wrong
        if not os.path.exists(trace):
            return None if got.code else "exit 0, and there is no trace"
        read = subprocess.run([ABIDRIFT, "replay", trace, "--store", f"sqlite:{place}/r.db", *SETTLE], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE)
        if got.code:
            return None if "INCOMPLETE" in read.stdout or read.returncode == 2 else "exit 2, and the trace does not say that it is not whole"
        if read.returncode == 2 or "INCOMPLETE" in read.stdout:
            return f"exit 0, and the trace is not whole: {read.stdout.strip()} {read.stderr.strip()}"
        return None if self.guest.name in read.stdout or got.err else f"exit 0, and the guest is not in the trace: {read.stdout.strip()}"


class Long(Work):
    MOST = 40


STORE = ["--store", "sqlite:{}/a.db"]
WORKS = [
    lambda: Work("replay into a new store", "replay", "{}/first.trace", *STORE, *SETTLE, prepare=first_day),
    lambda: Work("replay of drift", "replay", "{}/second.trace", *STORE, *SETTLE, "--json", prepare=first_store, codes=(1,)),
    lambda: Work("accept", "accept", "g1", "--reason", "planned", *STORE, prepare=drifted),
    lambda: Work("maintenance --for", "maintenance", "--for", "1h", "--reason", "test", *STORE, prepare=drifted),
    lambda: Work("maintenance --end", "maintenance", "--end", *STORE, prepare=window),
    lambda: Work("store backup", "store", "backup", "{}/b.db", *STORE, prepare=drifted),
    lambda: Work("store check", "store", "check", *STORE, prepare=drifted),
    lambda: Work("store prune", "store", "prune", "--older", "1h", "--vacuum", *STORE, prepare=drifted),
    lambda: Work("export", "export", "g1", "-o", "{}/g1.tar.zst", *STORE, prepare=drifted),
    lambda: Work("diff", "diff", "g1", *STORE, prepare=drifted, codes=(1,)),
    lambda: Work("diff --json", "diff", "g1", "--json", *STORE, prepare=drifted, codes=(1,)),
    lambda: Work("show", "show", "g1", "-v", *STORE, prepare=drifted),
    lambda: Work("show --fingerprint", "show", "g1@1", "--fingerprint", *STORE, prepare=drifted),
    lambda: Work("ls", "ls", *STORE, prepare=drifted),
    lambda: Work("history", "history", *STORE, prepare=drifted),
    lambda: Work("alert list", "alert", "list", *STORE, prepare=drifted),
    Serve,
    AlertTest,
]
LONG_WORKS = [
    Record,
    lambda: Long("replay of a q35 guest", "replay", "{}/q35.trace", *STORE, prepare=golden, codes=(0, 1, 3)),
]
