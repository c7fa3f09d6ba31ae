# SPDX-License-Identifier: Apache-2.0
"""Within the container of tests/service/run: systemd is process 1, abidrift is installed, nothing is started yet. There are no guests: from
within a process namespace their VMMs cannot be found. tests/live/test_service.py has them."""
import glob
import json
import os
import re
import signal
import subprocess
import time
import unittest

PATIENCE = 120


def systemctl(*args):
    done = subprocess.run(["systemctl", *args], capture_output=True, text=True, timeout=180)
    if done.returncode:
        journal = subprocess.run(["journalctl", "-n", "40", "--no-pager", "-o", "cat"], capture_output=True, text=True).stdout
        raise AssertionError(f"systemctl {' '.join(args)}: {done.stdout}{done.stderr}\n{journal}")
    return done.stdout.strip()


def show(unit, what):
    return systemctl("show", "-P", what, unit)


def pid(unit):
    return int(show(unit, "MainPID"))


def said(unit):
    return subprocess.run(["journalctl", "-u", unit, "--no-pager", "-o", "cat"], capture_output=True, text=True).stdout


def wait_for(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}\n" + said("abidrift")[-2000:] + said("abidrift-collector")[-2000:])
        time.sleep(0.1)


def child(name):
    def read(path):
        with open(path) as f:
            return f.read()
    for task in read(f"/proc/{pid('abidrift')}/task/{pid('abidrift')}/children").split():
        if read(f"/proc/{task}/comm").strip() == name:
            return int(task)
    return None


def status(process):
    with open(f"/proc/{process}/status") as f:
        return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)


class Service(unittest.TestCase):
    def setUp(self):
        systemctl("start", "abidrift")

    def reads(self):
        """The group may read the store, while the service writes it."""
        done = subprocess.run(["setpriv", "--reuid", "nobody", "--regid", "abidrift", "--clear-groups", "abidrift", "ls", "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_1_both_start_with_the_rights_of_their_units(self):
        self.reads()
        self.assertEqual(show("abidrift-collector", "ActiveState"), "active")
        s = status(pid("abidrift-collector"))
        self.assertEqual(int(s["CapPrm"], 16), 1 << 39 | 1 << 38 | 1 << 19 | 1 << 2)
        for process in (pid("abidrift"), child("analyst"), child("messenger")):
            self.assertEqual(int(status(process)["CapPrm"], 16), 0)
            self.assertNotIn("0", status(process)["Uid"].split())
        self.assertEqual(os.stat("/run/abidrift-collector.sock").st_mode & 0o777, 0o600)
        self.assertNotIn("cannot", said("abidrift") + said("abidrift-collector"))

    def test_2_http_answers_at_its_socket(self):
        done = subprocess.run(["curl", "-sS", "--unix-socket", "/run/abidrift/http.sock", "http://localhost/metrics"], capture_output=True, text=True, timeout=60)
        self.assertIn("abidrift_", done.stdout, done.stderr)

    def test_3_reload_is_for_both(self):
        before = pid("abidrift"), pid("abidrift-collector"), child("analyst")
        os.makedirs("/etc/abidrift/abidrift.conf.d", exist_ok=True)
        with open("/etc/abidrift/abidrift.conf.d/test.conf", "w") as f:
            f.write("[monitor]\nsettle = 1s\n")
        systemctl("reload", "abidrift")
        wait_for("settle", lambda: "monitor.settle is 1s now" in said("abidrift"))
        wait_for("active", lambda: show("abidrift", "ActiveState") == "active")
        self.assertEqual((pid("abidrift"), pid("abidrift-collector"), child("analyst")), before)

    def test_4_a_killed_collector_is_started_again_and_met_on_the_same_socket(self):
        sock, old, analyst = os.stat("/run/abidrift-collector.sock").st_ino, pid("abidrift-collector"), pid("abidrift")
        systemctl("kill", "-s", "KILL", "abidrift-collector")
        wait_for("another collector", lambda: pid("abidrift-collector") not in (0, old) and show("abidrift-collector", "ActiveState") == "active")
        wait_for("its analyst", lambda: child("analyst"))
        self.assertEqual(os.stat("/run/abidrift-collector.sock").st_ino, sock)
        self.assertEqual(pid("abidrift"), analyst)
        systemctl("restart", "abidrift-collector")
        wait_for("its analyst", lambda: child("analyst"))
        self.assertEqual(pid("abidrift"), analyst)

    def test_4b_one_that_somebody_ends_is_started_again(self):
        for unit in ("abidrift", "abidrift-collector"):
            old = pid(unit)
            os.kill(old, signal.SIGTERM)
            wait_for(f"another {unit}", lambda: pid(unit) not in (0, old) and show(unit, "ActiveState") == "active")

    def test_4c_only_alerts_are_called_abidrift(self):
        lines = lambda *args: subprocess.run(["journalctl", "--no-pager", "-o", "cat", *args], capture_output=True, text=True).stdout.splitlines()
        self.assertEqual([line for line in lines("-t", "abidrift") if line.startswith("abidrift: ")], [])
        for name in ("abidrift-run", "abidrift-collector"):
            self.assertIn("abidrift: settings read again", lines("-t", name))
        subprocess.run(["systemctl", "kill", "-s", "KILL", "--kill-who=main", "abidrift-collector"], check=True)
        wait_for("a warning", lambda: any("analyst ended; starting it again" in line for line in lines("-t", "abidrift-run", "-p", "warning")))
        wait_for("the collector", lambda: show("abidrift-collector", "ActiveState") == "active")
        self.assertNotIn("abidrift: settings read again", lines("-t", "abidrift-run", "-p", "warning"))

    def test_5_the_kernel_side_stays(self):
        self.assertTrue(glob.glob("/sys/fs/bpf/abidrift/*/*"), said("abidrift-collector"))
        self.assertIn("goes on collecting", said("abidrift-collector"))

    def test_6_one_that_hangs_is_started_again(self):
        old, main = child("analyst"), pid("abidrift")
        os.kill(old, signal.SIGSTOP)
        wait_for("another analyst", lambda: child("analyst") not in (None, old))
        self.assertEqual(pid("abidrift"), main)
        self.assertRegex(said("abidrift"), r"analyst makes no progress since \d+ s; ending it by force")

    def test_7_so_is_a_service(self):
        for unit in ("abidrift-collector", "abidrift"):
            old = pid(unit)
            os.kill(old, signal.SIGSTOP)
            wait_for(f"another {unit}", lambda: pid(unit) not in (0, old) and show(unit, "ActiveState") == "active", 240)
            self.assertRegex(subprocess.run(["journalctl", "--no-pager", "-o", "cat"], capture_output=True, text=True).stdout, rf"{unit}\.service: Watchdog timeout")
        self.reads()

    def test_8_they_stop_in_order(self):
        systemctl("stop", "abidrift", "abidrift-collector.socket", "abidrift-collector")
        for unit in ("abidrift", "abidrift-collector"):
            self.assertEqual((show(unit, "ActiveState"), show(unit, "Result")), ("inactive", "success"))
        self.assertFalse(re.search("by force", said("abidrift").rsplit("ready", 1)[1]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
