# SPDX-License-Identifier: Apache-2.0
"""A clock that is set, and receivers that neither take nor refuse."""
import os
import socket
import struct
import subprocess
import threading

from harness import BUILD, wait_for
from receivers import Receiver
from surroundings import TOUCH, Surroundings

DAY = 86400


class Clock(Surroundings):
    def test_a_clock_that_is_set_on_and_back_loses_and_doubles_nothing(self):
        steps = self.folder.file("steps")
        with open(steps, "wb") as f:
            f.write(bytes(8))
        preload = os.path.join(BUILD, "tests/live/clock_steps.so")
        self.assertTrue(os.path.exists(preload), "it is not built: make tests-build")
        hook = Receiver()
        self.addCleanup(hook.stop)
        self.begin(f"webhook.url={hook.url()}", "store.keep=30d", env={**os.environ, "LD_PRELOAD": preload, "CLOCK_STEPS": steps})
        baseline = self.m.guest(self.name)["baseline"]["digest"]
        values = []
        for seconds in (3 * DAY, -3600, -20000 * DAY, 400 * DAY, 0):
            with open(steps, "r+b", buffering=0) as f:
                f.write(struct.pack("q", seconds))
            values.append(self.drift())
            self.told(values[-1])
        self.assertEqual(sorted(self.drifts()), sorted(values))
        self.assertEqual(self.m.guest(self.name)["baseline"]["digest"], baseline)
        wait_for("all of them at the webhook", lambda: {i for v in values for i in self.ids(v)} <= {r.id for r in hook.requests})
        self.assertFalse([line for line in self.m.err if "given up" in line or "by force" in line or "failed" in line], self.m.err)
        self.sound()


class Sinks(Surroundings):
    def stuck(self, serve):
        """A listener whose connections `serve` has, each in a thread of its own."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)

        def accept():
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                self.addCleanup(taken.close)
                threading.Thread(target=serve, args=(taken,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def told_to(self, hook, value):
        def look():
            self.vmm.write(TOUCH + "\n")
            return [r for r in hook.requests for c in r.event["data"]["changes"] if c["to"] == value]
        wait_for("the webhook's", look)

    def owed(self, sink):
        return self.sql("SELECT count(*) FROM sinks AS k, alerts AS a WHERE k.sink = ? AND a.row > k.done", sink)[0][0]

    def held_up(self, sink, *settings):
        """The sink that is stuck is told, its alert waits, and the others have theirs."""
        self.begin(*settings)
        value = self.drift()
        self.told(value)
        self.said(f"alerts cannot go to {sink} now: ")
        self.assertGreater(self.owed(sink), 0)
        self.assertEqual(self.m.stop(), 0)

    def test_a_receiver_that_answers_a_byte_at_a_time(self):
        ended = threading.Event()
        self.addCleanup(ended.set)

        def drip(s):
            try:
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 1000:
                    s.sendall(bytes([byte]))
                    if ended.wait(0.2):
                        return
            except OSError:
                pass
        self.held_up("webhook", f"webhook.url=http://127.0.0.1:{self.stuck(drip)}/", "webhook.timeout=1s")

    def test_a_handshake_that_never_ends(self):
        self.held_up("webhook", f"webhook.url=https://127.0.0.1:{self.stuck(lambda s: None)}/", "webhook.timeout=1s")

    def test_standard_output_that_nobody_reads(self):
        """A full pipe holds up no other sink and no guest, and its alerts wait."""
        hook = Receiver()
        self.addCleanup(hook.stop)
        self.begin()
        self.m.stop()
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.set_blocking(write, False)
        try:
            while os.write(write, b"\n" * 4096):
                pass
        except BlockingIOError:
            pass
        os.set_blocking(write, True)
        full = subprocess.Popen([*self.m.argv, "--set", f"webhook.url={hook.url()}"], stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.DEVNULL)
        os.close(write)
        try:
            wait_for("the monitor", lambda: self.sql("SELECT 1 FROM sinks WHERE sink = 'webhook'"))
            value = self.drift()
            self.told_to(hook, value)
            self.assertGreater(self.owed("stdout"), 0)
            got = bytearray()
            os.set_blocking(read, False)

            def out():
                try:
                    got.extend(os.read(read, 65536))
                except BlockingIOError:
                    pass
                return value.encode() in got
            wait_for("what waited", out)
            wait_for("an empty queue", lambda: not self.owed("stdout"))
            full.terminate()
            self.assertEqual(full.wait(60), 0)
        finally:
            if full.poll() is None:
                full.kill()
                full.wait()
