# SPDX-License-Identifier: Apache-2.0
"""Alerts by syslog into Debian's rsyslogd: as it parses them, over TLS, TCP and Unix sockets, and over its ends and restarts."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import unittest

from harness import ABIDRIFT, Process, abidrift, wait_for
from test_cli import QUICK, UUID
from test_run import Run
from traces import LEAVES, Trace, life, without

RSYSLOGD = "/usr/sbin/rsyslogd"
RECEIVER = """
global(workDirectory="{folder}" maxMessageSize="8k" {tls})
module(load="{module}" {options})
module(load="mmpstrucdata")
template(name="line" type="list" option.jsonf="on") {{
	property(outname="msgid" name="msgid" format="jsonf")
	property(outname="host" name="hostname" format="jsonf")
	property(outname="app" name="app-name" format="jsonf")
	property(outname="at" name="timereported" dateFormat="rfc3339" format="jsonf")
	property(outname="severity" name="syslogseverity-text" format="jsonf")
	property(outname="facility" name="syslogfacility-text" format="jsonf")
	property(outname="version" name="protocol-version" format="jsonf")
	property(outname="raw" name="rawmsg" format="jsonf")
	property(outname="data" name="structured-data" format="jsonf")
	property(outname="text" name="msg" format="jsonf")
}}
input({input})
action(type="omfile" file="{folder}/received" template="line")
"""
HOSTILE = 'we"b]\\ \x1b[31m\n<0>1 - evil ü'


class Rsyslogd(Process):
    def __init__(self, folder, module, input_, options="", tls=""):
        self.file = os.path.join(folder, "received")
        conf = os.path.join(folder, "rsyslog.conf")
        with open(conf, "w") as f:
            f.write(RECEIVER.format(folder=folder, module=module, input=input_, options=options, tls=tls))
        super().__init__([RSYSLOGD, "-n", "-f", conf, "-i", os.path.join(folder, "rsyslog.pid")])

    def received(self):
        """What was written down, as rsyslog parsed it; structured data as {name: value}."""
        try:
            with open(self.file) as f:
                lines = [json.loads(line) for line in f.read().splitlines(True) if line.endswith("\n")]
        except OSError:
            return []
        for line in lines:
            line["data"] = structured(line["data"])
        return lines


def structured(text):
    """RFC 5424, 6.3: one element, [ID NAME="VALUE" …], whole."""
    head = re.match(r'\[(\S+)((?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*")*)\]$', text)
    assert head, text
    found = {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in re.findall(r' (\S+?)="((?:[^"\\\]]|\\.)*)"', head[2])}
    return {"": head[1], **found}


@unittest.skipUnless(os.path.exists(RSYSLOGD), "rsyslogd is not installed")
class Syslog(Run):
    """A monitor whose only sinks are standard output and a syslog receiver of the test's own."""
    def begin(self, address, *more):
        settings = [f"syslog.address={address}", "journal.enable=off", "alerts.retry_max=1s", *more]
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", *(w for s in settings for w in ("--set", s))])
        m.wait_line("^abidrift: ready$")
        wait_for("its queue", lambda: self.ask("SELECT count(*) FROM sinks WHERE sink = 'syslog'") == [(1,)])
        return m

    def receiver(self, *args, **kw):
        r = Rsyslogd(self.folder.path, *args, **kw)
        self.addCleanup(r.stop)
        return r

    def tcp(self, port=0, options="", tls="", more=""):
        """Returns (receiver, port)."""
        told = self.folder.file("port")
        with contextlib.suppress(OSError):
            os.unlink(told)
        r = self.receiver("imtcp", f'type="imtcp" address="127.0.0.1" port="{port}" listenPortFileName="{told}" {more}', options, tls)
        wait_for("rsyslogd to listen", lambda: self.listening(port or (open(told).read() if os.path.exists(told) else "")) or r.child.poll() is not None)
        self.assertIsNone(r.child.poll(), r.err)
        return r, port or int(open(told).read())

    @staticmethod
    def listening(port):
        """Told by the kernel: connecting would be a connection, and it writes its port down only where it chose one."""
        with open("/proc/net/tcp") as f:
            return port and any(w[1].endswith(f":{int(port):04X}") and w[3] == "0A" for w in (line.split() for line in f))

    def ask(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as db, db:
            return db.execute(sql, values).fetchall()

    def add(self, count, guests=1, prefix="made"):
        """Alerts of made-up guests, as the analyst writes them; returns their ids."""
        ids = []
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as db, db:
            for i in range(count):
                guest, ident = f"guest-{i % guests}", f"{prefix}-{i:04}"
                alert = {"id": ident, "at": "2026-01-31T12:00:00.000Z", "type": "drift", "host": "host.example", "guest": {"uuid": guest, "name": guest},
                         "severity": "critical", "verdict": "violation", "summary": f"{guest}: change {i}", "changes": [], "context": [], "change_set": None}
                db.execute("INSERT INTO alerts (id, at, guest, json) VALUES (?, strftime('%s') * 1000000000, ?, ?)", (ident, guest, json.dumps(alert)))
                ids.append(ident)
        return ids

    def waiting(self):
        return self.ask("SELECT count(*) FROM alerts AS a, sinks AS k WHERE k.sink = 'syslog' AND a.row > k.done AND NOT EXISTS"
                        " (SELECT 1 FROM acknowledged AS n WHERE n.sink = 'syslog' AND n.alert = a.row)")[0][0]

    def delivered(self):
        wait_for("an empty queue", lambda: self.waiting() == 0)

    def assert_all_in_order(self, receiver, ids):
        """Every id came; a second time only as the same message; within a guest in order of the first coming."""
        got = receiver.received()
        seen = {}
        for m in got:
            again = seen.setdefault(m["data"]["id"], m)
            self.assertEqual(again["data"], m["data"])
        self.assertEqual(sorted(seen), sorted(ids))
        for guest in {m["data"]["guest"] for m in got}:
            order = [i for i, m in seen.items() if m["data"]["guest"] == guest]
            self.assertEqual(order, sorted(order), guest)


class Message(Syslog):
    def test_a_receiver_reads_every_field_of_an_alert(self):
        r, port = self.tcp()
        m = self.begin(f"tcp:127.0.0.1:{port}", "syslog.facility=local3")
        self.alert()
        self.undo()
        wait_for("both messages", lambda: len(r.received()) == 2)
        self.delivered()
        for got, want in zip(r.received(), (json.loads(line) for line in m.out)):
            self.assertEqual((got["app"], got["msgid"], got["host"]), ("abidrift", want["type"], want["host"]))
            self.assertEqual((got["severity"], got["facility"], got["version"]), ("info", "local3", "1"))
            self.assertEqual(got["at"].replace("+00:00", "Z"), want["at"])
            self.assertEqual(got["text"].removeprefix("\ufeff"), want["summary"])
            data = got["data"]
            self.assertEqual(data.pop(""), "abidrift@32473")
            self.assertEqual(json.loads(data.pop("alert")), want)
            expected = {"id": want["id"], "guest": "web-1", "uuid": UUID, "severity": want["severity"], "verdict": want["verdict"], "change_set": want["change_set"]}
            self.assertEqual(data, {k: v for k, v in expected.items() if v is not None})

    def test_an_alert_that_is_too_long_is_told_without_its_json(self):
        r, port = self.tcp()
        self.begin(f"tcp:127.0.0.1:{port}")
        ids = self.add(1)
        self.delivered()
        long = {"id": "long", "at": "2026-01-31T12:00:00.000Z", "type": "drift", "host": "h", "guest": {"uuid": None, "name": "ü" * 4000}, "severity": "warning",
                "verdict": None, "summary": "ü" * 9000, "changes": [{"key": "x" * 9000}], "context": [], "change_set": None}
        self.ask("INSERT INTO alerts (id, at, json) VALUES ('long', strftime('%s') * 1000000000, ?)", json.dumps(long))
        wait_for("both messages", lambda: len(r.received()) == 2)
        short, got = r.received()
        self.assertEqual([short["data"]["id"]], ids)
        self.assertEqual(got["data"]["id"], "long")
        self.assertEqual(int(got["data"]["alert_left_out"]), len(json.dumps(long)))
        self.assertNotIn("alert", got["data"])
        self.assertTrue(got["text"].removeprefix("\ufeff").strip("ü") == "" and len(got["text"]) > 1000, got["text"][:50])
        self.assertLess(len(got["raw"].encode()), 8192)

    def test_a_facility_that_is_none_and_an_address_that_is_none_are_told(self):
        for setting, words in (("syslog.facility=kern", "syslog.facility"), ("syslog.facility=local8", "local8"), ("syslog.address=tcp:127.0.0.1", "HOST:PORT"),
                               ("syslog.address=tls:::1:6514", "HOST:PORT"), ("syslog.address=tcp:h:65536", "HOST:PORT"), ("syslog.address=tcp::514", "HOST:PORT"),
                               ("syslog.address=unix:/" + "x" * 200, "at most"), ("syslog.ca_file=/nonexistent", "/nonexistent")):
            done = abidrift("run", "--listen", "none", "--set", "syslog.address=tls:127.0.0.1:1", "--set", setting, store=self.store, ok=(2,))
            self.assertIn(words, done.stderr)


class Hostile(Syslog):
    def test_a_guest_cannot_write_into_the_log_by_its_name(self):
        t = Trace()
        t.synced()
        life(t, 1, HOSTILE, UUID)
        t.gone(1)
        life(t, 2, HOSTILE, UUID, without(LEAVES, 1, 3, 0))
        for left in os.listdir(self.folder.file("state")):
            os.unlink(self.folder.file("state/" + left))
        abidrift("replay", t.write(self.folder.file("hostile.trace")), *QUICK, store=self.store, ok=(1,))
        shutil.chown(self.path, "nobody")
        r, port = self.tcp()
        self.begin(f"tcp:127.0.0.1:{port}")
        self.alert()
        self.undo()
        wait_for("both messages", lambda: len(r.received()) == 2)
        for got in r.received():
            self.assertEqual(got["data"]["guest"], HOSTILE.replace("\x1b", "\\x1b").replace("\n", "\\x0a"))
            self.assertEqual(json.loads(got["data"]["alert"])["guest"]["name"], HOSTILE)
            self.assertNotRegex(got["raw"], "[\x00-\x1f\x7f]")
            self.assertEqual((got["app"], got["severity"]), ("abidrift", got["severity"]))
            self.assertEqual(set(got["data"]) - {"", "id", "guest", "uuid", "severity", "verdict", "change_set", "alert"}, set())


class Restarts(Syslog):
    def test_a_receiver_that_ends_and_comes_back_misses_nothing(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(sig=sig):
                r, port = self.tcp()
                m = self.begin(f"tcp:127.0.0.1:{port}")
                ids = self.add(40, guests=8, prefix=f"a{sig}")
                self.delivered()
                wait_for("all of the first", lambda: len(r.received()) >= 40)
                r.stop(sig)
                ids += self.add(40, guests=8, prefix=f"b{sig}")
                m.wait_line("alerts cannot go to syslog now: tcp:127.0.0.1")
                self.assertGreater(self.waiting(), 0)
                r, _ = self.tcp(port)
                self.delivered()
                wait_for("all of them", lambda: len({x["data"]["id"] for x in r.received()}) >= 80)
                self.assert_all_in_order(r, ids)
                m.stop()
                r.stop()
                os.unlink(r.file)

    def test_what_a_receiver_had_not_read_when_it_was_killed_is_sent_again(self):
        """It accepts, reads nothing, and resets: the kernel had taken it all."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.begin(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
            listener.settimeout(30)
            self.add(1)
            first, _ = listener.accept()
            wait_for("bytes", lambda: first.recv(1, socket.MSG_PEEK))
            first.close()
            second, _ = listener.accept()
            with second:
                second.settimeout(30)
                self.assertIn(b'id="made-0000"', second.recv(4096))
                self.delivered()

    def test_what_a_full_receiver_had_no_room_for_is_sent_again(self):
        """What still lies in our own kernel is not delivered, though it was written."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            listener.settimeout(30)
            self.begin(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
            ids = self.add(60, guests=60)
            first, _ = listener.accept()
            wait_for("those that had room", lambda: self.waiting() < 60)
            first.close()
            second, _ = listener.accept()
            with second, second.makefile("rb") as stream:
                second.settimeout(30)
                owed = ids[-self.waiting():]
                self.assertGreater(len(owed), 20)
                seen = b""
                while any(f'id="{i}"'.encode() not in seen for i in owed):
                    seen += stream.read1(65536)
                self.delivered()

    def test_a_monitor_that_is_killed_tells_the_rest_at_its_next_start(self):
        r, port = self.tcp()
        m = self.begin(f"tcp:127.0.0.1:{port}")
        ids = self.add(60, guests=3)
        wait_for("some", r.received)
        m.stop(signal.SIGKILL)
        self.begin(f"tcp:127.0.0.1:{port}")
        self.delivered()
        wait_for("all of them", lambda: len({x["data"]["id"] for x in r.received()}) >= 60)
        self.assert_all_in_order(r, ids)


class Tls(Syslog):
    def setUp(self):
        super().setUp()
        self.authority("ca")
        self.authority("other")
        self.certificate("ca", "server", "IP:127.0.0.1,DNS:localhost")
        self.certificate("ca", "client", "DNS:client")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder.path)

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2",
                     "-subj", "/CN=" + name)

    def certificate(self, by, name, names):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        with open(self.folder.file(name + ".ext"), "w") as f:
            f.write(f"subjectAltName={names}\n")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", by + ".pem", "-CAkey", by + ".key", "-CAcreateserial", "-days", "2", "-extfile", name + ".ext",
                     "-out", name + ".pem")
        os.chmod(self.folder.file(name + ".key"), 0o600)

    def tls(self, port=0, mode="anon", server="server"):
        f = self.folder.file
        return self.tcp(port, f'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.Authmode="{mode}"',
                        f'defaultNetstreamDriverCAFile="{f("ca.pem")}" defaultNetstreamDriverCertFile="{f(server + ".pem")}" '
                        f'defaultNetstreamDriverKeyFile="{f(server + ".key")}"')

    def test_alerts_arrive_over_tls_and_over_a_restart(self):
        r, port = self.tls()
        m = self.begin(f"tls:localhost:{port}", "syslog.ca_file=" + self.folder.file("ca.pem"))
        ids = self.add(10, guests=2, prefix="a")
        self.delivered()
        wait_for("the first", lambda: len(r.received()) == 10)
        r.stop(signal.SIGKILL)
        ids += self.add(10, guests=2, prefix="b")
        m.wait_line("alerts cannot go to syslog now")
        r, _ = self.tls(port)
        self.delivered()
        wait_for("all of them", lambda: len(r.received()) >= 20)
        self.assert_all_in_order(r, ids)

    def test_a_receiver_that_nobody_vouches_for_gets_nothing_and_is_told(self):
        r, port = self.tls()
        m = self.begin(f"tls:127.0.0.1:{port}", "syslog.ca_file=" + self.folder.file("other.pem"))
        self.add(1)
        line = m.wait_line("alerts cannot go to syslog now")
        self.assertIn("certificate is not accepted", line)
        self.assertEqual((self.waiting(), r.received()), (1, []))

    def test_a_certificate_of_another_name_gets_nothing(self):
        self.certificate("ca", "stranger", "DNS:stranger.example")
        for host in ("127.0.0.1", "localhost"):
            with self.subTest(host=host):
                r, port = self.tls(server="stranger")
                m = self.begin(f"tls:{host}:{port}", "syslog.ca_file=" + self.folder.file("ca.pem"))
                self.add(1, prefix=host)
                self.assertIn("mismatch", m.wait_line("alerts cannot go to syslog now"))
                self.assertEqual(r.received(), [])
                m.stop()
                r.stop()

    def test_a_client_shows_its_certificate_and_one_without_is_refused(self):
        r, port = self.tls(mode="x509/certvalid")
        f = self.folder.file
        m = self.begin(f"tls:127.0.0.1:{port}", "syslog.ca_file=" + f("ca.pem"))
        ids = self.add(1)
        self.assertRegex(m.wait_line("alerts cannot go to syslog now"), "certificate required|reset by peer|closed the connection")
        self.assertEqual((self.waiting(), r.received()), (1, []))
        m.stop()
        self.begin(f"tls:127.0.0.1:{port}", "syslog.ca_file=" + f("ca.pem"), "syslog.cert_file=" + f("client.pem"), "syslog.key_file=" + f("client.key"))
        self.delivered()
        wait_for("the message", r.received)
        self.assert_all_in_order(r, ids)


    def test_one_that_never_answers_holds_up_nothing_else(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            m = self.begin(f"tls:127.0.0.1:{listener.getsockname()[1]}")
            listener.settimeout(30)
            self.add(1)
            taken, _ = listener.accept()
            with taken:
                m.wait_line("made-0000", "out")
                self.assertIn("it does not answer", m.wait_line("alerts cannot go to syslog now"))
                # What nobody reads any more is closed.
                wait_for("its end", lambda: taken.recv(65536) == b"")


class Unix(Syslog):
    def local(self):
        path = self.folder.file("log")
        r = self.receiver("imuxsock", f'type="imuxsock" socket="{path}" createPath="on" useSpecialParser="off" parseHostname="on"',
                          'sysSock.use="off"')
        wait_for("rsyslogd to listen", lambda: os.path.exists(path) or r.child.poll() is not None)
        os.chmod(path, 0o666)
        return r, path

    def test_a_datagram_socket_gets_each_alert_whole_and_over_a_restart(self):
        r, path = self.local()
        m = self.begin("unix:" + path)
        ids = self.add(30, guests=3, prefix="a")
        self.delivered()
        wait_for("the first", lambda: len(r.received()) == 30)
        r.stop()
        ids += self.add(30, guests=3, prefix="b")
        m.wait_line("alerts cannot go to syslog now: unix:")
        r, _ = self.local()
        self.delivered()
        wait_for("all of them", lambda: len(r.received()) >= 60)
        self.assert_all_in_order(r, ids)
        self.assertEqual(len(r.received()), 60)

    def test_a_stream_socket_gets_lines(self):
        path = self.folder.file("stream")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o666)
            listener.listen()
            listener.settimeout(30)
            self.begin("unix:" + path)
            ids = self.add(5, guests=5)
            taken, _ = listener.accept()
            with taken, taken.makefile() as lines:
                got = [lines.readline() for _ in ids]
                self.assertEqual([re.search(r'id="([^"]+)"', line)[1] for line in got], ids)
                self.delivered()


if __name__ == "__main__":
    unittest.main()
