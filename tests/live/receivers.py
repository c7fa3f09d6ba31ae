# SPDX-License-Identifier: Apache-2.0
"""An HTTP receiver that remembers what came and answers as it is told, its own reading of the signatures, certificates, and a monitor
with alerts to deliver."""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

from harness import ABIDRIFT, wait_for
from test_run import Run, children


class Request:
    def __init__(self, handler, body):
        self.path, self.headers, self.body, self.at = handler.path, dict((k.lower(), v) for k, v in handler.headers.items()), body, time.monotonic()
        self.method = handler.command
        self.event = json.loads(body)
        self.id, self.guest = self.event["id"], self.event["data"]["guest"]["uuid"]


class Receiver:
    """answer(request) gives a status, or (status, headers, body). It can be stopped, and started again at the same port."""
    def __init__(self, answer=None, context=None):
        self.answer, self.context, self.requests, self.port, self.server = answer or (lambda r: 200), context, [], 0, None
        self.start()

    def start(self):
        receiver, connections = self, set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                connections.add(self.request)
                super().setup()

            def do_POST(self):
                request = Request(self, self.rfile.read(int(self.headers["Content-Length"])))
                receiver.requests.append(request)
                said = receiver.answer(request)
                status, headers, body = said if isinstance(said, tuple) else (said, {}, b"")
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client):
                pass  # who went away, or did not trust us

        self.connections = connections
        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.context:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def stop(self):
        """As if its process had died: what is on its way breaks."""
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        for c in list(self.connections):
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(10)
        self.server = None

    def url(self, path="/hook", user="", host="127.0.0.1"):
        return f"http{'s' if self.context else ''}://{user}{host}:{self.port}{path}"

    def of(self, *guests):
        return [r for r in list(self.requests) if r.guest in guests]


class Flood:
    """Answers whatever comes with `begin`, then `more` again and again. `ended`: who had enough first, "they" or "we"."""
    def __init__(self, begin, more, most=64 << 20):
        self.answer, self.most, self.ended = (begin, more * (1 + 65536 // len(more))), most, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        begin, more = self.answer
        with self.listener, self.listener.accept()[0] as c:
            c.recv(65536)
            try:
                c.sendall(begin)
                for _ in range(self.most // len(more)):
                    c.sendall(more)
                self.ended = "we"
            except OSError:
                self.ended = "they"

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(30)


def signature(secret, request):
    """As the specification of Standard Webhooks has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([request.headers["webhook-id"].encode(), request.headers["webhook-timestamp"].encode(), request.body])
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Authority:
    """A certificate authority of the test's own."""
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key, self.cert = folder.file(name + ".key"), folder.file(name + ".pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-days", "2", "-keyout", self.key, "-out",
                     self.cert)

    @staticmethod
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def sign(self, name, names="IP:127.0.0.1,DNS:localhost", days=1):
        """(certificate, key); days -1: it ended yesterday."""
        key, request, cert, extra = (self.folder.file(f"{name}.{end}") for end in ("key", "csr", "pem", "ext"))
        with open(extra, "w") as f:
            f.write(f"subjectAltName={names}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", str(days), "-extfile", extra, "-out", cert)
        return cert, key

    def server(self, name, clients=None, **kw):
        cert, key = self.sign(name, **kw)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.cert)
        return context


class Sinks(Run):
    """A monitor with a store in which tests put alerts, as the analyst does: within a transaction, rung for by nobody."""
    SOON = ["--set", "alerts.retry_max=500ms"]

    def receiver(self, answer=None, **kw):
        r = Receiver(answer, **kw)
        self.addCleanup(r.stop)
        return r

    def monitor_of(self, *settings, config=None, **kw):
        sets = [word for s in settings for word in ("--set", s)] + (["--config", config] if config else [])
        m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", "none", *self.SOON, *sets], **kw)
        m.wait_line("^abidrift: ready$")
        return m

    def sql(self, statement, *values):
        db = sqlite3.connect(self.path, timeout=30)
        try:
            with db:
                return db.execute(statement, values).fetchall()
        finally:
            db.close()

    def put(self, guest, number, **more):
        """An alert of this guest; returns its id."""
        name = f"{guest}-{number}-{os.path.basename(self.folder.path)}"
        name = "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
        now = time.time_ns()
        alert = {"id": name, "at": "2026-01-31T12:00:00.000Z", "type": "drift", "host": "h", "guest": {"uuid": guest, "name": guest}, "severity": "warning",
                 "verdict": "violation", "summary": f"{guest}: number {number}", "changes": [], "context": [], "change_set": None, **more}
        self.sql("INSERT INTO alerts (id, at, json, guest) VALUES (?, ?, ?, ?)", name, now, json.dumps(alert), guest)
        return name

    def waiting(self, sink):
        """Alerts that this sink has not acknowledged."""
        return [row[0] for row in self.sql("SELECT id FROM alerts WHERE row > (SELECT done FROM sinks WHERE sink = ?1) AND row NOT IN"
                                           " (SELECT alert FROM acknowledged WHERE sink = ?1) ORDER BY row", sink)]

    def count(self, labels):
        rows = self.sql("SELECT count FROM counters WHERE name = 'alerts' AND labels = ?", labels)
        return rows[0][0] if rows else 0

    def messenger(self, monitor):
        return children(monitor.pid)["messenger"]

    def kill_messenger(self, monitor):
        pid = self.messenger(monitor)
        os.kill(pid, signal.SIGKILL)
        return wait_for("another messenger", lambda: children(monitor.pid).get("messenger", pid) not in (pid, None) and self.messenger(monitor))

    def file(self, name, text, owner="root", mode=0o600):
        path = self.folder.file(name)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", mode)
        shutil.chown(path + ".new", owner)
        os.rename(path + ".new", path)
        return path
