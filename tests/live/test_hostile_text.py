# SPDX-License-Identifier: Apache-2.0
"""One guest all of whose names and strings are as bad as can be, through every output. What a user would lose: a terminal that obeys a guest, a log
or a metric with lines that a guest wrote, a page that runs a guest's script."""
import glob
import http.client
import json
import os
import re
import shutil
import subprocess
import tarfile
import uuid

import prom
from harness import ABIDRIFT, MICROVMM, QEMU, Live, abidrift, need_qemu, wait_for
from receivers import Receiver

# Escapes, C1 as UTF-8 and as 8 bits, bidirectional and line marks, what is no UTF-8, lines of its own, HTML, quotes of every shell and format.
BAD = (b"\x1b[31m\x1b]0;t\x07\x7f\t\x08" + "\u009b2J\u0085\u202e\u2066\u200f\u2028".encode() + b"\x9b\xff\xc0\xaf\xed\xa0\x80\nFAKE 1\rFAKE{a=\"b\"} 1\r\n<3>FAKE"
       b"<script>alert(1)</script><img src=x onerror=alert(1)>\"'\\`$(id)|&amp;%s%n{{1}}]]>")
LONG = 64 << 10
# What a terminal would obey, or would turn around. A line ends with \n.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class HostileText(Live):
    def setUp(self):
        super().setUp()
        need_qemu()
        self.uuid = str(uuid.uuid4())
        # A VMM of a hostile path: the folder's name can hold all but a slash.
        self.place = os.path.join(os.fsencode(self.folder.path), BAD.replace(b"/", b"_")[:200])
        os.mkdir(self.place)
        self.program = os.path.join(self.place, b"qemu-system-x86_64")
        shutil.copy(QEMU, self.program)
        self.table = self.folder.file("table")
        with open(self.table, "wb") as f:
            f.write(b"\x1b[2J\n<b>")

    def guest(self, cpu):
        bad = BAD.replace(b",", b",,")
        args = [self.program, "-L", "/usr/share/seabios", "-L", "/usr/share/qemu", "-accel", "kvm", "-M", "pc-i440fx-7.2", "-cpu", cpu, "-m", "64M", "-display", "none",
                "-nodefaults", "-serial", "null", "-monitor", "none", "-uuid", self.uuid, "-name", b"guest=" + bad + b"A" * LONG,
                "-smbios", b"type=1,manufacturer=" + bad + b",product=" + bad + b",serial=" + bad, "-smbios", b"type=11,value=" + bad + b"B" * 8000,
                "-acpitable", b"sig=\x1b[\n<,oem_id=\x1b[1m\n\x9b,oem_table_id=\"<b>\r\xff'\\,data=" + os.fsencode(self.table)]
        return self.process([BAD, *args[1:]], executable=self.program)

    def cgroup(self):
        """A control group of a hostile name and unit, or None where there is no tree to write to. No line can be told of its own: the kernel refuses \n."""
        for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            place = os.path.join(os.fsencode(root), b"vm%d" % os.getpid() + BAD.replace(b"/", b"_").replace(b"\n", b"_")[:200] + b".service")
            try:
                os.mkdir(place)
            except OSError:
                continue
            self.addCleanup(lambda: wait_for("its end", lambda: not self.still(place)))
            return os.path.join(place, b"cgroup.procs")
        return None

    @staticmethod
    def still(place):
        try:
            os.rmdir(place)
        except OSError as why:
            return why
        return None

    def of_a_unit(self, procs):
        """A guest that has no name but its unit's."""
        def enter():
            with open(procs, "w", encoding="ascii") as f:
                f.write("0")
        return self.process([MICROVMM, "--stdin"], stdin=subprocess.PIPE, preexec_fn=enter)

    # ---- what has to hold
    def plain(self, what, data, form=None):
        """form: json, html, or None for what is read line by line."""
        text = data if isinstance(data, str) else data.decode()  # what is no UTF-8 fails here
        found = OBEYED.search(text)
        self.assertIsNone(found, f"{what}: {found and text[max(0, found.start() - 60):found.end() + 20]!r}")
        self.assertIsNone(re.search(r"(?m)^(<3>)?FAKE", text), what)
        if form == "html":
            self.assertNotIn("<script>alert", text, what)
            self.assertNotIn("<img src=x", text, what)
        if form == "json":
            json.loads(text)

    def verbs(self, store, *others):
        """others: guests beside the one that has a UUID."""
        asked = [[verb, guest] for guest in (self.uuid, *others) for verb in ("show", "diff", "history")]
        for args in (["ls"], ["show", self.uuid, "--fingerprint"], ["history"], ["alert", "list"], *asked):
            done = subprocess.run([ABIDRIFT, args[0], "--store", store, *args[1:]], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
            self.assertIn(done.returncode, (0, 1, 3), (args, done.stderr))
            self.plain(args, done.stdout)
            self.plain(args, done.stderr)
            self.assertTrue(done.stdout, args)
            if args[0] in ("ls", "history"):  # what stands behind the name is still in sight
                self.assertRegex(done.stdout.decode().splitlines()[0], r"GUEST {,70}\w")
            if "--fingerprint" not in args:
                self.plain([*args, "--json"], subprocess.run([ABIDRIFT, args[0], "--store", store, *args[1:], "--json"], capture_output=True, timeout=60).stdout, "json")
        # Whoever asks for a guest by such a name is answered as plainly.
        for name in (os.fsdecode(BAD), os.fsdecode(BAD[:40]), "A" * 60000):
            done = subprocess.run([ABIDRIFT, "show", "--store", store, name], capture_output=True, timeout=60)
            self.plain("show by name", done.stderr)

    def archive(self, store):
        path = self.folder.file("x.tar.zst")
        abidrift("export", self.uuid, "-o", path, store=store)
        with tempfile_of(path) as tar:
            for member in tar:
                self.plain("export", member.name)
                data = tar.extractfile(member).read() if member.isfile() else b""
                if member.name.endswith((".json", ".txt", ".html", ".fingerprint", ".md")):
                    self.plain(member.name, data, "html" if member.name.endswith(".html") else "json" if member.name.endswith(".json") else None)

    def metrics(self, store):
        for form in ("openmetrics", "prometheus"):
            text = prom.dump(store, form)
            self.plain(form, text)
            self.assertEqual([line for line in text.splitlines() if not re.match(r"# |abidrift_", line)], [])
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def http(self, store):
        server = self.process([ABIDRIFT, "serve", "--store", store, "--listen", "127.0.0.1:0"])
        port = int(re.search(r"127\.0\.0\.1:(\d+)", server.wait_line("listening on"))[1])
        one = "/api/v1/guests/" + self.uuid
        for path in ("/", "/api/v1/guests", one, one + "/revisions/1", f"/api/v1/diff?from={self.uuid}", f"/api/v1/diff?from={self.uuid}&format=text", "/api/v1/history", "/metrics"):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("GET", path)
            answer = client.getresponse()
            kind, body = answer.headers["Content-Type"], answer.read()
            client.close()
            self.assertEqual((answer.status, answer.headers["X-Content-Type-Options"]), (200, "nosniff"), path)
            if "html" not in kind:
                self.plain(path, body, "json" if "json" in kind else None)
            else:
                self.assertNotIn(b"alert(1)", body, path)
        self.plain("serve", "\n".join(server.err))

    def test_every_output_of_a_guest_of_bad_strings(self):
        hook = Receiver()
        self.addCleanup(hook.stop)
        out = self.folder.file("given")
        os.mkdir(out)
        shutil.chown(out, "nobody")
        script = self.folder.file("script")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\nenv -0 > {out}/$ABIDRIFT_ID.env\ncat > {out}/$ABIDRIFT_ID.new && mv {out}/$ABIDRIFT_ID.new {out}/$ABIDRIFT_ID.json\n")
        os.chmod(script, 0o755)
        monitor = self.monitor("-v", "--set", f"webhook.url={hook.url()}", "--set", f"command.run={script}")
        procs = self.cgroup()
        if procs:
            self.of_a_unit(procs).write("cpuid 0 0\n")
        first = self.guest("qemu64")
        boot = monitor.settled(self.uuid)["boot"]
        first.stop()
        monitor.gone(self.uuid)
        self.guest("qemu64,-x2apic")
        monitor.settled(self.uuid, boot=boot + 1)
        told = wait_for("its drift", lambda: [a for a in monitor.alerts() if a["type"] == "drift" and a["guest"]["uuid"] == self.uuid])
        wait_for("the command", lambda: os.path.exists(f"{out}/{told[0]['id']}.json"))
        wait_for("the webhook", lambda: [r for r in list(hook.requests) if told[0]["id"].encode() in r.body])
        # Something of the strings has to be there, or all this looks at nothing.
        shown = abidrift("show", self.uuid, store=monitor.store).stdout
        self.assertIn("\\x1b[31m", shown)
        self.assertIn("FAKE", shown)
        if procs:
            named = wait_for("the guest that its unit names", lambda: [g for g in monitor.guests() if (g["name"] or "").startswith(f"vm{os.getpid()}\x1b[31m")])[0]
            monitor.settled(named["id"])
        self.assertLess(len(max(shown.splitlines(), key=len)), LONG)
        for line in list(monitor.out):
            self.plain("standard output", line, "json")
        for line in list(monitor.err):
            self.plain("log", line)
        for request in list(hook.requests):
            self.plain("webhook", request.body, "json")
        for path in glob.glob(out + "/*"):
            with open(path, "rb") as f:
                self.plain("command", f.read().replace(b"\0", b"\n"), "json" if path.endswith(".json") else None)
        self.verbs(monitor.store, *(["guest:" + named["id"]] if procs else []))
        self.archive(monitor.store)
        self.metrics(monitor.store)
        self.http(monitor.store)
        monitor.stop()
        for line in monitor.err:
            self.plain("log", line)
        doctor = subprocess.run([ABIDRIFT, "doctor", "--store", monitor.store], capture_output=True, timeout=60)
        self.plain("doctor", doctor.stdout + doctor.stderr)


def tempfile_of(path):
    """The archive, unpacked of zstd."""
    plain = path + ".tar"
    subprocess.run(["zstd", "-q", "-d", "-f", "-o", plain, path], check=True)
    return tarfile.open(plain)
