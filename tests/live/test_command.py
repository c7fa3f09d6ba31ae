# SPDX-License-Identifier: Apache-2.0
"""The command sink with real programs: what they are given, and what becomes of those that fail, hang or are not there."""
import json
import os
import pwd

from harness import abidrift, wait_for
from receivers import Sinks
from test_run import children

LARGE = "x" * (1 << 20)


class Command(Sinks):
    def setUp(self):
        super().setUp()
        self.out = self.folder.file("out")
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)

    def script(self, text, mode=0o755):
        return self.file("script", "#!/bin/sh\n" + text, mode=mode)

    def wrote(self, name):
        try:
            with open(os.path.join(self.out, name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self, name):
        return self.wrote(name).splitlines()

    def test_a_program_gets_the_alert_and_nothing_of_ours(self):
        """No shell, no open files, no rights, no environment: what is run with alerts of hostile guests must hold nothing of value."""
        path = self.script(f'printf "%s\\n" "$@" > {self.out}/args; env > {self.out}/env; id -un > {self.out}/user; pwd > {self.out}/pwd\n'
                           f'ls -l /proc/$$/fd > {self.out}/fds; grep -E "Sig(Blk|Ign)|NoNewPrivs|CapBnd" /proc/self/status > {self.out}/status\n'
                           f'ps -o pgid= -p $$ > {self.out}/group; echo $$ > {self.out}/pid; cat > {self.out}/alert.new; mv {self.out}/alert.new {self.out}/alert\n')
        self.monitor_of(f"command.run={path} one $(two) ;three  'four", "journal.enable=off")
        put = self.put("g", 1, summary="g: `reboot`")
        alert = json.loads(wait_for("the alert", lambda: self.wrote("alert")))
        wait_for("its acknowledgement", lambda: not self.waiting("command"))
        self.assertEqual((alert["id"], alert["summary"], self.wrote("alert").count("\n")), (put, "g: `reboot`", 1))
        self.assertEqual(self.lines("args"), ["one", "$(two)", ";three", "'four"])
        ours = {line.split("=")[0] for line in self.lines("env")} - {"PWD", "_", "OLDPWD", "SHLVL"}
        self.assertEqual(ours, {"PATH", "LANG", "ABIDRIFT_ID", "ABIDRIFT_TYPE", "ABIDRIFT_SEVERITY"})
        self.assertTrue({f"ABIDRIFT_ID={put}", "ABIDRIFT_TYPE=drift", "ABIDRIFT_SEVERITY=warning"} <= set(self.lines("env")))
        self.assertIn(self.wrote("user").strip(), ("abidrift", "nobody"))
        self.assertEqual(self.wrote("pwd").strip(), "/")
        # From 10 on they are the shell's own.
        self.assertEqual({line.split()[8] for line in self.lines("fds")[1:] if len(line.split()[8]) < 2}, {"0", "1", "2"}, self.wrote("fds"))
        status = {key: int(value, 16) for key, value in (line.split(":\t") for line in self.lines("status"))}
        # 32 and 33 are the C library's own, which no program can change through it: they are as this test was started.
        status["SigIgn"] &= ~(3 << 31)
        self.assertEqual(status, {"SigBlk": 0, "SigIgn": 0, "NoNewPrivs": 1, "CapBnd": 0})
        self.assertEqual(self.wrote("group").strip(), self.wrote("pid").strip())

    def test_what_fails_is_tried_again_and_others_pass(self):
        path = self.script(f'cat >> {self.out}/alerts; [ -e {self.out}/mended ] || [ $ABIDRIFT_ID != "$(cat {self.out}/bad)" ] || {{ echo first >&2; echo no room >&2; exit 7; }}\n')
        m = self.monitor_of(f"command.run={path}", "journal.enable=off")
        bad = self.put("a", 1)
        with open(os.path.join(self.out, "bad.new"), "w") as f:
            f.write(bad)
        os.rename(os.path.join(self.out, "bad.new"), os.path.join(self.out, "bad"))
        m.wait_line(r"command fails: /\S+/script ended with status \d+: ")
        self.put("b", 1)
        told = lambda: [json.loads(line) for line in self.lines("alerts")]
        wait_for("the other guest's", lambda: [a for a in told() if a["guest"]["uuid"] == "b"])
        wait_for("more attempts than refusals would be borne", lambda: len([a for a in told() if a["id"] == bad]) > 6)
        self.assertEqual([row[0].rsplit(": ", 1)[1] for row in self.sql("SELECT why FROM deliveries WHERE sink = 'command'")], ["no room"])
        with open(os.path.join(self.out, "mended"), "w"):
            pass
        wait_for("all", lambda: not self.waiting("command"))
        self.assertEqual(self.count("command,given_up"), 0)

    def test_one_that_hangs_is_killed_with_all_that_it_started(self):
        path = self.script(f'echo $$ >> {self.out}/pids; [ -e {self.out}/mended ] && exit; sleep 1000 & echo $! >> {self.out}/pids; trap "" TERM; wait; wait\n')
        m = self.monitor_of(f"command.run={path}", "command.timeout=500ms", "journal.enable=off")
        self.put("g", 1)
        m.wait_line("command fails: .* did not end within 500 ms and was killed")
        pids = self.lines("pids")[:2]
        for pid in pids:
            wait_for(f"the end of {pid}, also as a zombie of ours", lambda p=pid: not os.path.exists(f"/proc/{p}") or self.not_ours(p))
        with open(os.path.join(self.out, "mended"), "w"):
            pass
        wait_for("the alert", lambda: not self.waiting("command"))
        self.assertEqual(children(children(self.messenger(m))["runner"]), {})

    @staticmethod
    def not_ours(pid):
        """A zombie whose new parent has not looked yet."""
        try:
            return "State:\tZ" in open(f"/proc/{pid}/status").read() and "PPid:\t1\n" in open(f"/proc/{pid}/status").read()
        except OSError:
            return True

    def test_one_that_hangs_in_another_process_group_is_killed_too(self):
        path = self.file("script", f'#!/usr/bin/python3\nimport os, signal\nos.setpgid(0, os.getpgid(os.getppid()))\nwith open("{self.out}/pids", "a") as f:\n'
                         f'    print(os.getpid(), file=f)\nif not os.path.exists("{self.out}/mended"):\n    signal.pause()\n', mode=0o755)
        m = self.monitor_of(f"command.run={path}", "command.timeout=3s", "journal.enable=off")
        self.put("g", 1)
        m.wait_line("command fails: .* did not end within 3000 ms and was killed")
        with open(os.path.join(self.out, "mended"), "w"):
            pass
        wait_for("it passed", lambda: not self.waiting("command"))
        self.assertGreater(len(self.lines("pids")), 1)

    def test_one_that_reads_nothing_and_says_that_it_is_content_is_believed(self):
        m = self.monitor_of("command.run=/bin/true", "journal.enable=off")
        self.put("g", 1, context=[LARGE])
        wait_for("the alert", lambda: self.count("command,delivered") >= 1 and not self.waiting("command"))
        self.assertEqual([line for line in m.err if "command fails" in line or "to command" in line], [])

    def test_a_large_alert_arrives_whole(self):
        path = self.script(f"wc -c > {self.out}/size.new; mv {self.out}/size.new {self.out}/size\n")
        self.monitor_of(f"command.run={path}", "journal.enable=off")
        self.put("g", 1, context=[LARGE])
        self.assertGreater(int(wait_for("the alert", lambda: self.wrote("size"))), len(LARGE))

    def test_one_that_is_not_there_is_waited_for(self):
        path = self.folder.file("script")
        m = self.monitor_of(f"command.run={path}", "journal.enable=off")
        self.put("g", 1)
        m.wait_line("alerts cannot go to command now: .*/script cannot be started: No such file or directory; they wait")
        self.script(f"cat > {self.out}/alert\n", mode=0o644)
        wait_for("the next reason", lambda: self.sql("SELECT 1 FROM deliveries WHERE why LIKE '%Permission denied'"))
        self.script(f"cat > {self.out}/alert\n")
        wait_for("the alert", lambda: not self.waiting("command"))
        self.assertIn("number 1", self.wrote("alert"))

    def test_one_that_never_stops_talking_costs_nothing(self):
        m = self.monitor_of("command.run=/bin/sh -c yes>&2", "command.timeout=1s", "journal.enable=off")
        self.put("g", 1)
        m.wait_line("command fails: .* was killed: y")
        peak = next(line for line in open(f"/proc/{self.messenger(m)}/status") if line.startswith("VmHWM"))
        self.assertLess(int(peak.split()[1]), 64 << 10)

    def test_the_end_of_the_monitor_does_not_wait_for_it_and_leaves_it_not_running(self):
        path = self.script(f"echo $$ > {self.out}/pid.new; mv {self.out}/pid.new {self.out}/pid; exec sleep 1000\n")
        m = self.monitor_of(f"command.run={path}", "journal.enable=off")
        put = self.put("g", 1)
        pid = wait_for("it to run", lambda: self.wrote("pid")).strip()
        self.assertEqual(m.stop(), 0)
        wait_for("its end", lambda: not os.path.exists(f"/proc/{pid}") or self.not_ours(pid))
        self.assertEqual(self.waiting("command"), [put])

    def test_it_dies_with_a_messenger_that_is_killed(self):
        """Else two would run at once."""
        path = self.script(f"echo $$ >> {self.out}/pids; exec sleep 1000\n")
        m = self.monitor_of(f"command.run={path}", "journal.enable=off")
        self.put("g", 1)
        pid = wait_for("it to run", lambda: self.lines("pids"))[0]
        self.kill_messenger(m)
        wait_for("its end", lambda: not os.path.exists(f"/proc/{pid}") or self.not_ours(pid))
        wait_for("the second", lambda: len(self.lines("pids")) > 1)


class Test(Sinks):
    """`abidrift alert test`."""
    def test_it_says_of_each_sink_what_came_back(self):
        hook = self.receiver()
        sets = ["--set", f"webhook.url={hook.url()}", "--set", "command.run=/bin/false", "--set", "journal.enable=off"]
        done = abidrift("alert", "test", *sets, ok=(2,))
        lines = sorted(line.split(None, 2) for line in done.stdout.splitlines()[1:])
        self.assertEqual(lines, [["command", "failed", "/bin/false ended with status 1"], ["webhook", "delivered", f"HTTP 200 from {hook.url('')}"]])
        self.assertEqual((hook.requests[0].event["type"], hook.requests[0].event["data"]["severity"]), ("io.abidrift.test", "info"))
        one = json.loads(abidrift("alert", "test", "webhook", "--json", *sets).stdout)
        self.assertEqual([s["sink"] for s in one["sinks"]], ["webhook"])
        self.assertEqual(one["alert"], hook.requests[1].event["data"])
        self.assertEqual(set(one["alert"]), {"id", "at", "type", "host", "guest", "severity", "verdict", "summary", "changes", "context", "change_set"})

    def test_it_has_the_rights_of_the_messenger(self):
        """What only root may do works here and not in the monitor: a test that hides it is none."""
        out = self.folder.file("who")
        os.mkdir(out)
        os.chmod(out, 0o777)
        script = self.file("script", f"#!/bin/sh\nid -u > {out}/id\n", mode=0o755)
        abidrift("alert", "test", "command", "--set", f"command.run={script}")
        with open(os.path.join(out, "id")) as f:
            self.assertIn(int(f.read()), [pwd.getpwnam(u).pw_uid for u in ("abidrift", "nobody") if u in [p.pw_name for p in pwd.getpwall()]])

    def test_what_is_not_there_is_said(self):
        for args, said in (([], "no sink is configured"), (["webhook"], "there is no sink webhook in the configuration"), (["nosuch"], "there is no sink nosuch")):
            done = abidrift("alert", "test", *args, "--set", "journal.enable=off", ok=(2,))
            self.assertIn(said, done.stderr)
        self.assertIn("usage: abidrift alert test [SINK]", abidrift("alert", "toast", ok=(2,)).stderr)
