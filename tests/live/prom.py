# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus and Alertmanager, and metrics for them: what the tests of metrics, rules and dashboards share."""
import json
import os
import shutil
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import BUILD, Process, ROOT, wait_for

DUMP = os.path.join(BUILD, "tests", "live", "metricsdump")
RULES = os.path.join(ROOT, "dashboards", "prometheus", "abidrift.rules.yml")


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{tool} is not installed")


def dump(store, form="openmetrics"):
    done = subprocess.run([DUMP, store, form], capture_output=True, timeout=60)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    return done.stdout.decode()


def samples(text):
    """{(name, ((label, value), …)): value} as a strict OpenMetrics parser reads it."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    found = {}
    for family in text_string_to_metric_families(text):
        for s in family.samples:
            key = s.name, tuple(sorted(s.labels.items()))
            found[key] = s.value
    # That parser drops what is said twice.
    if len(found) != sum(not line.startswith("#") for line in text.splitlines()):
        raise AssertionError("a series is there twice")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return answer.read().decode()


class Server:
    """A server on a loopback port that nobody else had a moment ago; started again on another one if somebody was faster."""
    def __init__(self, argv, ready):
        self.argv, self.ready, self.port = argv, ready, None
        self.process = None
        self.start()

    def start(self):
        for _ in range(5):
            self.port = self.port or free_port()
            self.process = Process([a.replace("PORT", str(self.port)) for a in self.argv])
            try:
                wait_for(f"{self.argv[0]} to be ready", self._look, 60)
                return
            except AssertionError:
                said = self.process.err[-5:]
                self.process.stop()
                self.port = None
        raise AssertionError(f"{self.argv[0]} does not start: {said}")

    def _look(self):
        if self.process.child.poll() is not None:
            raise AssertionError("it ended")
        try:
            return get(self.url(self.ready)) is not None
        except OSError:
            return False

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self, sig=signal.SIGTERM):
        self.process.stop(sig)

    def restart(self):
        """On the same port, for others know it."""
        self.stop()
        self.start()


class Prometheus(Server):
    """In a folder of the test's own; config: the text of prometheus.yml."""
    def __init__(self, folder, config, data="prometheus"):
        need("prometheus")
        self.config = folder.file("prometheus.yml")
        with open(self.config, "w") as f:
            f.write(config)
        super().__init__(["prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={folder.file(data)}", "--web.listen-address=127.0.0.1:PORT",
                          "--storage.tsdb.retention.time=10y", "--log.level=warn", "--rules.alert.resend-delay=1s"], "/-/ready")

    def api(self, path, **parameters):
        try:
            answer = json.loads(get(self.url(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")))
        except urllib.error.HTTPError as why:
            raise AssertionError(f"{path} {parameters}: {why.read().decode()}") from None
        return answer["data"]

    def query(self, expression, **at):
        return self.api("query", query=expression, **at)["result"]

    def value(self, expression):
        """Of the only series; None: there is none."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if len(result) == 1 else None


class Alertmanager(Server):
    def __init__(self, folder, config):
        need("prometheus-alertmanager", "amtool")
        self.config = folder.file("alertmanager.yml")
        with open(self.config, "w") as f:
            f.write(config)
        super().__init__(["prometheus-alertmanager", f"--config.file={self.config}", f"--storage.path={folder.file('alertmanager')}",
                          "--web.listen-address=127.0.0.1:PORT", "--cluster.listen-address=", "--log.level=warn"], "/-/ready")

    def alerts(self, *filters):
        """As amtool shows them."""
        done = subprocess.run(["amtool", "--alertmanager.url", self.url(), "alert", "query", "-o", "json", *filters], capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout or "[]") or []
