# SPDX-License-Identifier: Apache-2.0
"""The two services, with this test in systemd's place: it holds the socket, hears what they notify, and gives each the rights that its
unit gives it, and no more. What a user would lose: guests unseen after a crash, alerts lost, a monitor that hangs for good, a configuration
that does not take effect, an analyst that is anybody."""
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import ABIDRIFT, ROOT, Folder, Live, abidrift, wait_for
from test_cli import QUICK, UUID, drifted
from test_run import alive, children, status

FOUR = "bpf,perfmon,sys_ptrace,dac_read_search"
MASK = 1 << 39 | 1 << 38 | 1 << 19 | 1 << 2


def user():
    for name in ("abidrift", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise unittest.SkipTest("there is neither a user abidrift nor nobody")


class Notify:
    """What a process tells systemd."""
    def __init__(self, path):
        self.path, self.told = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except OSError:
                return
            if not text:
                return
            self.told += text.splitlines()

    def wait(self, what, since=0):
        wait_for(f"notification {what}", lambda: what in self.told[since:])

    def close(self):
        self.socket.close()


class Service(Live):
    def setUp(self):
        super().setUp()
        self.user = user()
        self.path = self.folder.file("collector.sock")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        os.chmod(self.path, 0o600)
        os.chown(self.path, self.user.pw_uid, -1)
        self.listening.listen(16)
        self.addCleanup(self.listening.close)
        os.mkdir(self.folder.file("state"))
        shutil.chown(self.folder.file("state"), self.user.pw_uid, self.user.pw_gid)
        self.store = "sqlite:" + self.folder.file("state/s.db")
        self.config = self.folder.file("a.conf")
        self.configure(settle="2s")
        self.started = 0

    def configure(self, settle, more=""):
        with open(self.config, "w") as f:
            f.write(f"[monitor]\nsettle = {settle}\nsettle_max = 20s\n{more}")

    def begin(self, argv, watchdog=None, **env):
        self.started += 1
        notify = Notify(self.folder.file(f"notify-{self.started}"))
        self.addCleanup(notify.close)
        env = dict(os.environ, NOTIFY_SOCKET=notify.path, **env)
        exports = "export WATCHDOG_PID=$$; " if watchdog else ""
        if watchdog:
            env["WATCHDOG_USEC"] = str(watchdog * 1000000)
        fd = self.listening.fileno()
        process = self.process(["bash", "-c", f'{exports}exec 3<&{fd}; export LISTEN_PID=$$; exec "$@"', "bash", *argv], env=env, pass_fds=(fd,))
        process.notify = notify
        return process

    def collector(self, pin="off", **kw):
        return self.begin(["setpriv", "--inh-caps", "-all", "--bounding-set", "-all," + ",".join("+" + c for c in FOUR.split(",")), ABIDRIFT, "run",
                           "--part", "collector", "--config", self.config, "--set", f"monitor.pin={pin}"], LISTEN_FDS="1", **kw)

    def analyst(self, *more, **kw):
        a = self.begin(["setpriv", "--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid), "--clear-groups", "--no-new-privs", "--inh-caps", "-all",
                        "--bounding-set", "-all", ABIDRIFT, "run", "--part", "analyst", "--config", self.config, "--store", self.store, "--listen",
                        "unix:" + self.folder.file("state/http.sock"), *more], ABIDRIFT_COLLECTOR=self.path, **kw)
        return a

    def both(self, **kw):
        c, a = self.collector(), self.analyst(**kw)
        a.notify.wait("READY=1")
        return c, a

    def guest(self):
        vmm = self.microvmm("--stdin")
        vmm.wait_line("^ready", "out")
        vmm.write("cpuid 0 0\n")
        vmm.wait_line("^op done", "out")
        return vmm

    def guests(self):
        return json.loads(abidrift("ls", "--json", store=self.store).stdout)["guests"]

    def seen(self, vmm):
        return any(g["id"].startswith(f"anon-{vmm.pid}-") and g["running"] for g in self.guests())

    def see(self, vmm):
        wait_for("the guest in ls", lambda: self.seen(vmm))


class Units(unittest.TestCase):
    """The unit files: what they leave open is what somebody who takes a process over gets."""
    WORST = 1.5

    def unit(self, name):
        with open(os.path.join(ROOT, "packaging", "systemd", name)) as f:
            return f.read().replace("@bindir@", "/usr/bin")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_little_is_left_open(self):
        folder = Folder()
        self.addCleanup(folder.close)
        for name in ("abidrift", "abidrift-collector"):
            path = folder.file(name + ".service")
            with open(path, "w") as f:
                f.write(self.unit(name + ".service.in"))
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={self.WORST * 10:.0f}", path],
                                  capture_output=True, text=True)
            found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertTrue(found, done.stdout + done.stderr)
            self.assertLessEqual(float(found[1]), self.WORST, done.stdout)

    def test_they_meet_at_the_socket_and_the_collector_has_the_four(self):
        listen = re.search(r"(?m)^ListenStream=(.*)$", self.unit("abidrift-collector.socket"))[1]
        with open(os.path.join(ROOT, "userspace", "commands", "service.h")) as f:
            self.assertIn(f'#define COLLECTOR_SOCKET "{listen}"', f.read())
        self.assertEqual(re.search(r"(?m)^CapabilityBoundingSet=(.*)$", self.unit("abidrift-collector.service.in"))[1].lower().split(), ["cap_" + c for c in FOUR.split(",")])
        self.assertIn("CapabilityBoundingSet=\n", self.unit("abidrift.service.in"))

    def test_whatever_ended_them_they_are_started_again_without_a_limit(self):
        for name in ("abidrift", "abidrift-collector"):
            unit = self.unit(name + ".service.in")
            for line in ("Restart=always", "StartLimitIntervalSec=0"):
                self.assertIn(line + "\n", unit)


class Rights(Service):
    def test_each_has_the_rights_of_its_unit_and_no_more(self):
        vmm = self.guest()
        c, a = self.both()
        self.see(vmm)
        self.assertEqual({int(status(c.pid)[k], 16) for k in ("CapPrm", "CapEff", "CapBnd")}, {MASK})
        kids = children(a.pid)
        self.assertLessEqual({"analyst", "messenger"}, set(kids))
        # Who took one of them over, or is a command of the sink, has the same user: it may neither read secrets there nor write code.
        deeper = [pid for kid in [c.pid, *kids.values()] for pid in children(kid).values()]
        for pid in [c.pid, a.pid, *kids.values(), *deeper]:
            self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0, status(pid)["Name"])
        for pid in [a.pid, *kids.values()]:
            s = status(pid)
            self.assertEqual(set(s["Uid"].split()), {str(self.user.pw_uid)})
            self.assertEqual({s[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {"0" * 16})
        # Who may ask over HTTP: its user and group.
        mode = os.stat(self.folder.file("state/http.sock"))
        self.assertEqual((mode.st_mode & 0o777, mode.st_uid, mode.st_gid), (0o660, self.user.pw_uid, self.user.pw_gid))

    def test_from_its_first_step_on_nobody_looks_in_and_a_reload_does_not_end_it(self):
        good, fifo = self.config, self.folder.file("late.conf")
        for part in (self.collector, self.analyst):
            os.mkfifo(fifo)
            self.config = fifo
            p = part()
            # Opens once somebody reads: it has begun, and knows nothing yet.
            with open(fifo, "w") as f:
                self.assertEqual(os.stat(f"/proc/{p.pid}/mem").st_uid, 0)
                os.kill(p.pid, signal.SIGHUP)
                shutil.copy(good, fifo + ".new")
                os.rename(fifo + ".new", fifo)
                f.write("[monitor]\nsettle = 3s\n")
            p.wait_line("settings read again")
            p.notify.wait("READY=1")
            os.unlink(fifo)

    def test_another_connection_is_refused_and_the_analyst_keeps_its_own(self):
        vmm = self.guest()
        c, a = self.both()
        analyst = children(a.pid)["analyst"]
        with socket.socket(socket.AF_UNIX) as second:
            second.settimeout(30)
            second.connect(self.path)
            self.assertEqual(second.recv(1), b"")
        self.see(vmm)
        self.assertEqual(children(a.pid)["analyst"], analyst)

    def test_another_user_gets_nothing(self):
        # The mode of the socket keeps others away; this one came past it.
        os.chmod(self.path, 0o666)
        c = self.collector()
        c.notify.wait("READY=1")
        ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect({self.path!r}); print(len(s.recv(1)))"
        uid = next(u for u in range(61000, 61010) if u != self.user.pw_uid)
        for who, expected in ((uid, "0"), (self.user.pw_uid, "1"), (0, "1")):
            said = subprocess.run(["setpriv", "--reuid", str(who), "--clear-groups", "/usr/bin/python3", "-c", ask], capture_output=True, text=True, timeout=60)
            self.assertEqual(said.stdout.strip(), expected, (who, said.stderr))

    def test_the_analyst_reads_from_root_alone(self):
        # Listening is what the kernel keeps of a peer: somebody else took the name.
        fake = self.folder.file("fake.sock")
        listen = f"import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind({fake!r}); os.chmod({fake!r}, 0o666); s.listen(1); print('there', flush=True); s.accept(); input()"
        os.chmod(self.folder.path, 0o777)
        p = self.process(["setpriv", "--reuid", "61011", "--clear-groups", "/usr/bin/python3", "-c", listen], stdin=subprocess.PIPE)
        p.wait_line("there", "out")
        a = self.begin(["setpriv", "--reuid", str(self.user.pw_uid), "--clear-groups", ABIDRIFT, "run", "--part", "analyst", "--listen", "none", "--store", self.store],
                       ABIDRIFT_COLLECTOR=fake)
        a.wait_line("is served by user 61011, who is not root")
        self.assertNotIn("analyst", children(a.pid))

    def test_without_its_socket_the_collector_says_what_to_do(self):
        done = abidrift("run", "--part", "collector", "--config", self.config, ok=(2,))
        self.assertIn("abidrift-collector.socket", done.stderr)


class Endurance(Service):
    def test_a_collector_that_dies_is_met_again_on_the_same_socket(self):
        first = self.guest()
        c, a = self.both()
        self.see(first)
        kept = children(a.pid)
        c.stop(signal.SIGKILL)
        a.wait_line("analyst ended; starting it again")
        # It waits in the socket's queue, which is systemd's.
        second = self.guest()
        again = self.collector()
        again.notify.wait("READY=1")
        self.see(second)
        self.see(first)
        self.assertEqual(children(a.pid)["messenger"], kept["messenger"])
        self.assertIsNone(a.child.poll())
        # Both guests are one boot each: the gap made none.
        history = self.guests()
        self.assertEqual({g["boot"] for g in history if g["running"] and any(g["id"].startswith(f"anon-{v.pid}-") for v in (first, second))}, {1})

    def test_no_alert_is_lost_or_told_twice_while_a_collector_is_away(self):
        trace = drifted().write(self.folder.file("t.trace"))
        abidrift("replay", trace, *QUICK, store=self.store, ok=(1,))
        shutil.chown(self.folder.file("state/s.db"), self.user.pw_uid, self.user.pw_gid)
        c, a = self.both()
        c.stop(signal.SIGKILL)
        abidrift("accept", UUID, store=self.store)
        a.wait_line('"type":"resolved"', "out")
        again = self.collector()
        again.notify.wait("READY=1")
        abidrift("accept", UUID, "--undo", store=self.store)
        a.wait_line('"type":"drift"', "out")
        a.stop()
        mine = [x for x in map(json.loads, a.out) if x["guest"]["uuid"] == UUID]
        self.assertEqual([x["type"] for x in mine], ["resolved", "drift"])

    def test_what_guests_do_while_the_service_is_away_is_known(self):
        pins = tempfile.mkdtemp(prefix="abidrifttest", dir="/sys/fs/bpf")
        self.addCleanup(shutil.rmtree, pins)
        vmm = self.guest()
        c, a = self.collector(pin=pins), self.analyst()
        a.notify.wait("READY=1")
        self.see(vmm)
        c.stop(signal.SIGKILL)
        self.assertEqual(os.listdir(pins), ["service"])
        vmm.write("repeat 5 in 0x700 1\n")
        wait_for("op done", lambda: sum(line.startswith("op done") for line in vmm.out) >= 2)
        again = self.collector(pin=pins)
        again.wait_line("went on collecting: taken over from")
        guest = next(g for g in self.guests() if g["id"].startswith(f"anon-{vmm.pid}-"))
        wait_for("the port", lambda: "ports 0x0700" in abidrift("show", guest["id"], "--fingerprint", store=self.store, ok=(0, 2)).stdout)
        again.stop()
        again.wait_line("goes on collecting; rm -r")

    def test_the_analyst_begins_without_a_collector_and_waits_for_it(self):
        os.unlink(self.path)
        a = self.analyst()
        a.notify.wait("READY=1")
        a.wait_line("the collector does not answer")
        again = socket.socket(socket.AF_UNIX)
        self.addCleanup(again.close)
        again.bind(self.path)
        os.chown(self.path, self.user.pw_uid, -1)
        again.listen(4)
        self.listening = again
        c = self.collector()
        a.wait_line("^abidrift: ready$")
        self.assertEqual(sum("does not answer" in line for line in a.err), 1)
        c.notify.wait("READY=1")

    def test_one_that_hangs_is_ended_and_started_again_and_the_watchdog_is_not_fed_meanwhile(self):
        vmm = self.guest()
        for name in ("analyst", "messenger"):
            c, a = self.both(watchdog=8)
            a.notify.wait("WATCHDOG=1")
            pid = children(a.pid)[name]
            os.kill(pid, signal.SIGSTOP)
            wait_for("it is stopped", lambda: status(pid)["State"][0] == "T")
            # For what rang before it is fed once or twice more, and once this one has ended; of six looks.
            stopped = len(a.notify.told)
            a.wait_line(rf"{name} makes no progress since \d+ s; ending it by force")
            a.wait_line(rf"{name} was ended by signal 9")
            fed = len(a.notify.told)
            self.assertLessEqual(a.notify.told[stopped:fed].count("WATCHDOG=1"), 3)
            wait_for("another one", lambda: children(a.pid).get(name, pid) != pid)
            a.notify.wait("WATCHDOG=1", fed)
            self.see(vmm)
            for p in (a, c):
                self.assertEqual(p.stop(), 0)

    def test_the_collector_feeds_only_while_it_works(self):
        c = self.collector(watchdog=3)
        c.notify.wait("READY=1")
        c.notify.wait("WATCHDOG=1")
        self.assertIn("READY=1", c.notify.told[:1])

    def test_all_end_in_order(self):
        vmm = self.guest()
        c, a = self.both()
        self.see(vmm)
        kids = list(children(a.pid).values())
        for p in (a, c):
            self.assertEqual(p.stop(), 0)
            p.notify.wait("STOPPING=1")
            self.assertFalse([line for line in p.err if "by force" in line], p.err)
        self.assertFalse([k for k in kids if alive(k)])


class Reload(Service):
    def reload(self, process):
        before = len(process.notify.told)
        os.kill(process.pid, signal.SIGHUP)
        wait_for("RELOADING", lambda: any(t == "RELOADING=1" for t in process.notify.told[before:]))
        process.notify.wait("READY=1", before)
        told = process.notify.told[before:]
        self.assertLess(told.index("RELOADING=1"), told.index("READY=1"))

    def test_another_configuration_is_taken_over_without_a_restart(self):
        self.configure(settle="1h")
        c, a = self.both()
        kids = children(a.pid)
        self.configure(settle="1s", more="ring = 65536\n[suppress old]\nkey = *\nuntil = 2020-01-01\nreason = over\n")
        self.reload(c)
        c.wait_line("monitor.ring: another value takes a restart; auto stays")
        self.reload(a)
        a.wait_line("monitor.settle is 1s now")
        a.wait_line("suppression rule old ended")
        # The analyst has the file; the messenger is begun anew, a moment later.
        now = wait_for("another messenger", lambda: (lambda k: k if k.get("messenger", kids["messenger"]) != kids["messenger"] else None)(children(a.pid)))
        self.assertEqual(now["analyst"], kids["analyst"])
        self.assertFalse([line for line in a.err if "starting it again" in line])

    def test_one_that_cannot_be_read_leaves_the_old_one(self):
        c, a = self.both()
        kids = children(a.pid)
        with open(self.config, "w") as f:
            f.write("[monitor]\nsettle = soon\n")
        for p in (c, a):
            self.reload(p)
            p.wait_line(r"a\.conf:2: .*the settings stay as they were")
        # One that can be read, and cannot be worked with.
        self.configure(settle="1s", more="[webhook]\nenable = on\nurl = http://127.0.0.1:9/\nsecret_file = /nonexistent\n[store]\nkeep = 5d\n")
        checked = abidrift("run", "--check", "--part", "analyst", "--config", self.config, ok=(2,))
        self.assertEqual((len(checked.stderr.splitlines()), "/nonexistent" in checked.stderr), (1, True), checked.stderr)
        # The collector, who knows no secret, takes it: the analyst takes nothing that its own side did not.
        self.reload(c)
        c.wait_line("settings read again")
        self.reload(a)
        a.wait_line("/nonexistent.*the settings stay as they were")
        wait_for("the status", lambda: any(t.startswith("STATUS=settings refused: ") and "/nonexistent" in t for t in a.notify.told))
        self.assertEqual(children(a.pid), kids)
        c.stop(signal.SIGKILL)
        c = self.collector()
        a.wait_line("analyst ended; starting it again")
        c.notify.wait("READY=1")
        self.configure(settle="3s")
        checked = abidrift("run", "--check", "--part", "analyst", "--config", self.config)
        self.assertEqual((checked.stdout, checked.stderr), ("", ""))
        for p in (c, a):
            self.reload(p)
        a.wait_line("monitor.settle is 3s now")
        self.assertFalse([line for line in a.err if "is 1s now" in line or "store.keep" in line], a.err)

    def test_the_whole_monitor_does_so_too(self):
        m = self.process([ABIDRIFT, "run", "--config", self.config, "--store", self.store, "--listen", "none", "--set", "monitor.pin=off"])
        m.wait_line("^abidrift: ready$")
        kids = children(m.pid)
        self.configure(settle="1s")
        os.kill(m.pid, signal.SIGHUP)
        m.wait_line("monitor.settle is 1s now")
        wait_for("another messenger", lambda: children(m.pid).get("messenger", kids["messenger"]) != kids["messenger"])
        self.assertEqual({n: p for n, p in children(m.pid).items() if n != "messenger"}, {n: p for n, p in kids.items() if n != "messenger"})
        self.assertEqual(m.stop(), 0)


if __name__ == "__main__":
    unittest.main()
