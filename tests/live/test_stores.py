# SPDX-License-Identifier: Apache-2.0
"""Who may read what the monitor remembers, and who may change it: root, the service's user abidrift, ann of its group, eve of no group.
They are known in a mount namespace of this test only, which has an /etc/passwd and /etc/group of its own."""
import json
import os
import re
import stat
import subprocess
import threading

from harness import ABIDRIFT, SETTLE, Live, wait_for

ABIDRIFT_ID, ANN, EVE = 64201, 64202, 64203
USERS = {"root": (0, 0), "abidrift": (ABIDRIFT_ID, ABIDRIFT_ID), "ann": (ANN, ANN), "eve": (EVE, EVE)}
MEMBERS = {"ann": [ABIDRIFT_ID]}
ACCOUNTS = "mount --bind {0}/passwd /etc/passwd && mount --bind {0}/group /etc/group && echo mounted && exec cat"


class Readers(Live):
    def setUp(self):
        super().setUp()
        self.accounts()
        self.room = self.process(["unshare", "--mount", "--propagation", "private", "sh", "-c", ACCOUNTS.format(self.folder.path)], stdin=subprocess.PIPE)
        self.room.wait_line("^mounted$", "out")
        self.state = self.folder.file("state")
        self.store = "sqlite:" + os.path.join(self.state, "abidrift.db")

    def accounts(self):
        """The host's accounts, with those of this test in the place of any of the same name."""
        with open("/etc/passwd") as f:
            passwd = [line for line in f if line.split(":")[0] not in ("abidrift", "ann", "eve")]
        with open("/etc/group") as f:
            group = [line for line in f if line.split(":")[0] not in ("abidrift", "ann", "eve")]
        passwd += [f"{name}:x:{uid}:{gid}::/nonexistent:/bin/sh\n" for name, (uid, gid) in USERS.items() if uid]
        group += [f"abidrift:x:{ABIDRIFT_ID}:ann\n", f"ann:x:{ANN}:\n", f"eve:x:{EVE}:\n"]
        for name, lines in (("passwd", passwd), ("group", group)):
            with open(self.folder.file(name), "w") as f:
                f.writelines(lines)

    def as_user(self, user, *argv):
        uid, gid = USERS[user]
        groups = [f"--groups={','.join(str(g) for g in MEMBERS[user])}"] if user in MEMBERS else ["--clear-groups"]
        rights = [] if user == "root" else ["setpriv", f"--reuid={uid}", f"--regid={gid}", *groups]
        return ["nsenter", "--target", str(self.room.pid), "--mount", "--", *rights, *argv]

    def verb(self, user, *args, login=None, env=None):
        """One verb to its end as that user; login: whom the kernel knows to have logged in."""
        def logged_in():
            with open("/proc/self/loginuid", "w") as f:
                f.write(str(login))
        return subprocess.run(self.as_user(user, ABIDRIFT, args[0], "--store", self.store, *args[1:]), capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, preexec_fn=None if login is None else logged_in)

    def read(self, user, *args):
        done = self.verb(user, *args, "--json")
        self.assertEqual((done.stderr, done.returncode in (0, 1, 3)), ("", True), args)
        return json.loads(done.stdout)

    def refused(self, user, *args, **kw):
        done = self.verb(user, *args, **kw)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def service(self, *args):
        p = self.process(self.as_user("root", ABIDRIFT, "run", "--store", self.store, "--set", "monitor.pin=off", *SETTLE, *(args or ["--listen", "none"])))
        p.wait_line("^abidrift: ready")
        return p

    def guest(self):
        vmm = self.qemu("pc-i440fx-7.2")
        wait_for("the guest to settle", lambda: any(g["name"] == vmm.name and g["settled"] for g in self.read("ann", "ls")["guests"]))
        return vmm

    def files(self):
        """{name: (owner, group, mode)} of the store's folder and what is in it."""
        seen = {}
        for path in [self.state, *(os.path.join(self.state, n) for n in os.listdir(self.state))]:
            st = os.stat(path)
            seen[os.path.basename(path)] = (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode))
        return seen

    def check_files(self):
        """The group may read all of it, but for the lock: who can open that one could keep the monitor from starting."""
        others = {"state": "0o750", "abidrift.db-lock": "0o600"}
        for name, (uid, gid, mode) in self.files().items():
            self.assertEqual((uid, gid, oct(mode)), (ABIDRIFT_ID, ABIDRIFT_ID, others.get(name, "0o640")), name)

    def test_the_group_reads_while_the_service_writes(self):
        """Never "busy", never refused, nothing in the way of the writers: the monitor, and root who accepts."""
        monitor = self.service()
        guest = self.guest()
        self.check_files()
        self.assertLessEqual({"abidrift.db", "abidrift.db-wal", "abidrift.db-shm"}, set(self.files()))
        failures, stop = [], threading.Event()

        def hammer(*args):
            while not stop.is_set():
                done = self.verb("ann", *args, "--json")
                if done.returncode not in (0, 1, 3) or done.stderr:
                    failures.append((args, done.returncode, done.stderr))
        threads = [threading.Thread(target=hammer, args=a) for a in (("ls",), ("show", guest.name), ("diff", guest.name), ("history",))]
        for t in threads:
            t.start()
        try:
            for n in range(20):
                done = self.verb("root", "accept", guest.name, "--reason", f"round {n}")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.check_files()
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(failures, [])
        self.assertEqual(sum(e["type"] == "accept" for e in self.read("ann", "history", guest.name)["events"]), 20)
        self.assertFalse([line for line in monitor.err if re.search("busy|locked|failed|store .*:.* ", line)], monitor.err)
        monitor.stop()
        self.check_files()
        # Nobody has it open now.
        self.assertTrue(self.read("ann", "ls")["guests"])

    def test_the_group_may_not_change_anything(self):
        self.service()
        guest = self.guest()
        before = self.read("ann", "history", guest.name)
        for words in (["accept", guest.name], ["accept", guest.name, "--undo"], ["maintenance", "--for", "1h"], ["store", "prune", "--older", "1d"]):
            said = self.refused("ann", *words)
            self.assertIn(f"user {ANN} may read it, but not change it; user abidrift may, and root: try again with sudo -u abidrift", said)
        self.assertEqual(self.read("ann", "history", guest.name), before)
        self.check_files()

    def test_others_get_one_line(self):
        self.service()
        for words in (["ls"], ["show", "x"], ["diff", "x"], ["history"], ["accept", "x"]):
            said = self.refused("eve", *words)
            self.assertIn(f"the folder {self.state} is closed to user {EVE} (Permission denied); its group abidrift may read", said)

    def test_by_whom(self):
        """Behind sudo is a person; what root says there is held against whom the kernel saw log in."""
        self.service()
        guest = self.guest()
        for user, kw, by in (("root", {}, "root"), ("root", dict(env={"SUDO_USER": "ann"}), "ann"), ("root", dict(env={"SUDO_USER": "ann"}, login=ANN), "ann"),
                             ("root", dict(env={"SUDO_USER": "ann"}, login=EVE), "ann (logged in as eve)"), ("root", dict(login=EVE), "root (logged in as eve)"),
                             ("root", dict(env={"SUDO_USER": "no such account"}), "root"), ("abidrift", {}, "abidrift"),
                             ("abidrift", dict(env={"SUDO_USER": "ann"}, login=ANN), "ann"), ("abidrift", dict(env={"SUDO_USER": "ann"}), "abidrift"),
                             ("abidrift", dict(env={"SUDO_USER": "ann"}, login=EVE), "abidrift (logged in as eve)")):
            done = self.verb(user, "accept", guest.name, "--json", **kw)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["by"], by, (user, kw))
            self.check_files()
        self.assertEqual([e["by"] for e in self.read("ann", "history", guest.name)["events"] if e["type"] == "accept"][-1], "abidrift (logged in as eve)")

    def test_the_page_is_for_the_group(self):
        """The Unix socket answers root and the group; to others it is closed."""
        where = self.folder.file("http.sock")
        self.service("--listen", "unix:" + where)
        st = os.stat(where)
        self.assertEqual((st.st_gid, stat.S_IMODE(st.st_mode)), (ABIDRIFT_ID, 0o660))
        for user, code in (("root", 0), ("ann", 0), ("eve", 7)):
            done = subprocess.run(self.as_user(user, "curl", "--silent", "--show-error", "--unix-socket", where, "http://localhost/api/v1/guests"), capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, code, (user, done.stdout[-300:], done.stderr))
            if not code:
                self.assertIn("guests", json.loads(done.stdout))


class Retention(Live):
    """What is older than store.keep goes while the monitor runs; what a guest is compared with, and what is open, stays."""
    def test_the_monitor_forgets(self):
        monitor = self.monitor("--set", "store.keep=2s")
        guest, other = self.qemu("pc-i440fx-7.2"), self.qemu("pc-i440fx-7.2")
        events = lambda of: [e["type"] for e in monitor.json("history", of.name)["events"]]
        monitor.settled(guest.name)
        monitor.settled(other.name)
        wait_for("its first events to be forgotten", lambda: not events(guest))
        now = monitor.guest(guest.name)
        self.assertEqual((now["state"], now["baseline"]["revision"], monitor.diff(guest.name)["changes"]), ("same", 1, []))
        guest.command("device_add", driver="virtio-rng-pci", id="rng")
        guest.command("system_reset")   # its firmware looks at the bus
        wait_for("the device to be told", lambda: "drift" in events(guest))
        monitor.settled(guest.name, boot=now["boot"] + 1)
        other.command("system_reset")
        wait_for("the other's reset to be forgotten", lambda: monitor.guest(other.name)["boot"] > 1 and not events(other))
        self.assertIn("drift", events(guest))
        self.assertEqual(monitor.guest(guest.name)["state"], "drift")
        self.assertTrue(monitor.changes(guest.name))
        self.assertFalse([line for line in monitor.err if "store " in line and "failed" in line])
