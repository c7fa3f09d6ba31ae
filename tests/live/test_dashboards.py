# SPDX-License-Identifier: Apache-2.0
"""Rules and dashboards: all of them work on a real Prometheus, on metrics as abidrift writes them."""
import glob
import json
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import ABIDRIFT, Folder, Live, Process, ROOT, abidrift, wait_for
from prom import Alertmanager, Prometheus, RULES, dump, free_port, need, samples
from test_cli import QUICK, UUID, drifted
from test_metrics import STATS, Stores, many, status
from test_run import children
from traces import Trace, life

FOLDER = os.path.dirname(RULES)
GRAFANA = os.path.join(ROOT, "dashboards", "grafana")
BOARDS = ("fleet", "host")
# What Grafana itself sets.
BUILT_IN = {"__rate_interval", "__url_time_range"}
OPERATIONS = os.path.join(ROOT, "docs", "operations.md")


def read(path):
    with open(path) as f:
        return f.read()


def yaml(path):
    import yaml as library
    return library.safe_load(read(path))


def rules(kind):
    return [r for group in yaml(RULES)["groups"] for r in group["rules"] if kind in r]


def anchors(page):
    """As the common renderers make them of headings."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)$", read(page))}


def names_in(expression):
    return set(re.findall(r"\babidrift_\w+", re.sub(r'"[^"]*"', "", expression)))


def board(name):
    return json.loads(read(os.path.join(GRAFANA, name + ".json")))


def panels(name):
    return [p for p in board(name)["panels"] if p["type"] != "row"]


def expressions(name):
    """(where, PromQL) of all that a board asks for."""
    for panel in panels(name):
        for target in panel["targets"]:
            yield f"{name}: {panel['title']} {target['refId']}", target["expr"]
    for a in board(name)["annotations"]["list"]:
        if "expr" in a:
            yield f"{name}: {a['name']}", a["expr"]


def variables(name):
    return {v["name"]: v for v in board(name)["templating"]["list"]}


def with_values(expression, **values):
    return re.sub(r"\$(\w+)", lambda m: values[m[1]], expression)


def label_query(text):
    return re.fullmatch(r"label_values\((.*), (\w+)\)", text).groups()


def has_data(result):
    """Any number that is one."""
    return any(v != "NaN" for series in result for _, v in series.get("values", [series.get("value")]))


class Rules(unittest.TestCase):
    def setUp(self):
        need("promtool")

    def promtool(self, *args):
        done = subprocess.run(["promtool", *args], cwd=FOLDER, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_they_parse_and_do_what_their_unit_tests_say(self):
        self.assertIn(f"{len(rules('record')) + len(rules('alert'))} rules found", self.promtool("check", "rules", RULES))
        self.assertIn("SUCCESS", self.promtool("test", "rules", "abidrift.test.yml"))

    def test_every_rule_is_shown_to_fire_and_not_to_fire(self):
        tests = yaml(os.path.join(FOLDER, "abidrift.test.yml"))["tests"]
        shown = [a for t in tests for a in t.get("alert_rule_test", ())]
        for rule in rules("alert"):
            fires = [bool(a["exp_alerts"]) for a in shown if a["alertname"] == rule["alert"]]
            self.assertIn(True, fires, rule["alert"])
            self.assertIn(False, fires, rule["alert"])
        evaluated = {e["expr"] for t in tests for e in t.get("promql_expr_test", ())}
        self.assertEqual({r["record"] for r in rules("record")} - evaluated, set())

    def test_each_alert_tells_what_to_do(self):
        known = anchors(OPERATIONS)
        for rule in rules("alert"):
            self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"}, rule["alert"])
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
            page, anchor = rule["annotations"]["runbook_url"].split("#")
            self.assertEqual(page, "docs/operations.md")
            self.assertEqual(anchor, rule["alert"].lower())
            self.assertIn(anchor, known)

    def test_no_rule_is_called_as_an_alert_that_abidrift_sends_itself(self):
        own = {name for path in glob.glob(os.path.join(ROOT, "userspace", "notify", "*.c")) for name in re.findall(r'"(Abidrift\w+)"', read(path))}
        self.assertIn("AbidriftDrift", own)
        self.assertEqual(own & {r["alert"] for r in rules("alert")}, set())

    def test_the_example_configuration_is_one(self):
        folder = Folder()
        self.addCleanup(folder.close)
        text = read(os.path.join(FOLDER, "prometheus.example.yml"))
        for path in set(re.findall(r"/etc/prometheus/\S+", text)):
            there = folder.file(os.path.basename(path))
            open(there, "w").close()
            text = text.replace(path, there)
        shutil.copy(RULES, folder.path)
        with open(folder.file("prometheus.yml"), "w") as f:
            f.write(text)
        self.promtool("check", "config", folder.file("prometheus.yml"))


class Twice(unittest.TestCase):
    """The same bad thing, told by abidrift and by a rule, wakes somebody once; what nobody else tells is not held back."""
    EXAMPLE = os.path.join(ROOT, "dashboards", "alertmanager")

    def test_what_abidrift_tells_silences_the_rule_that_tells_the_same_of_that_host(self):
        folder = Folder()
        self.addCleanup(folder.close)
        shutil.copy(os.path.join(self.EXAMPLE, "abidrift.tmpl"), folder.path)
        config = yaml(os.path.join(self.EXAMPLE, "alertmanager.yml"))
        config["receivers"] = [{"name": r["name"]} for r in config["receivers"]]  # nothing leaves this machine
        am = Alertmanager(folder, json.dumps(config))
        self.addCleanup(am.stop)
        own = [("AbidriftDrift", "critical", "h", {}), ("AbidriftBlind", "critical", "dead", {"scope": "monitor"}),
               ("AbidriftBlind", "warning", "h", {"scope": "facet", "facet": "msr"}), ("AbidriftBlind", "info", "h", {"scope": "guest", "facet": "acpi"})]
        rule = [("AbidriftDriftCritical", "critical", "h", True), ("AbidriftDriftWarning", "warning", "h", False), ("AbidriftDriftCritical", "critical", "i", False),
                ("AbidriftHeartbeatStale", "critical", "dead", True), ("AbidriftSightLost", "critical", "dead", True), ("AbidriftHeartbeatStale", "critical", "h", False),
                ("AbidriftSightLost", "critical", "h", True), ("AbidriftCoverageFallen", "warning", "h", True), ("AbidriftSightLost", "critical", "i", False),
                ("AbidriftManyGuestsDrift", "critical", "", False), ("AbidriftDown", "critical", "", False), ("AbidriftDriftCritical", "critical", "", False)]
        named = {r["alert"] for r in rules("alert")}
        self.assertEqual({name for name, *_ in rule} - named, set())
        for name, severity, host, more in own + [(n, s, h, {"instance": h + ":1"}) for n, s, h, _ in rule]:
            labels = dict({"severity": severity, **more}, **({"host": host} if host else {}))
            done = subprocess.run(["amtool", "--alertmanager.url", am.url(), "alert", "add", "alertname=" + name, *(f"{k}={v}" for k, v in labels.items())],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)

        def found():
            return {(a["labels"]["alertname"], a["labels"].get("host", "")): bool(a["status"]["inhibitedBy"]) for a in am.alerts("--inhibited", "--active")
                    if a["labels"]["alertname"] in named}
        wait_for("every alert", lambda: len(found()) == len(rule))
        wait_for("the judgement", lambda: found() == {(n, h): held for n, _, h, held in rule})


class Names(Stores):
    maxDiff = None

    """Nothing asks for a metric that there is not, and the page tells of each."""
    def setUp(self):
        super().setUp()
        self.replay(drifted())
        self.heartbeat(text=status({**STATS, "program.kvm_pio.runs": 1, "program.kvm_pio.ns": 1}))
        many(self.path, 5)
        self.names = {name for name, _ in samples(dump(self.store))}

    def test_rules_ask_for_metrics_that_exist(self):
        recorded = {r["record"] for r in rules("record")}
        for rule in rules("expr"):
            expression = re.sub(r"\b[a-z_]+(?::[a-z_0-9]+)+", lambda m: "" if m[0] in recorded else m[0], rule["expr"])
            self.assertEqual(names_in(expression) - self.names, set(), rule)

    def test_the_page_has_every_metric_with_its_labels(self):
        labels = {}
        for name, pairs in samples(dump(self.store)):
            labels.setdefault(name, set()).update(k for k, _ in pairs)
        told = {}
        for names, text in re.findall(r"(?m)^\| (`abidrift_[^|]*) \|([^|]*)\|", read(os.path.join(ROOT, "docs", "metrics.md"))):
            for name in re.findall(r"`(\w+)`", names):
                told[name] = set(re.findall(r"`(\w+)`", text))
        self.assertEqual(told, labels)


class Boards(unittest.TestCase):
    """What Grafana would refuse, or show as an empty or unreadable board."""
    def test_panels_have_their_place_title_description_and_unit(self):
        for name in BOARDS:
            b = board(name)
            ids = [p["id"] for p in b["panels"]]
            self.assertEqual(len(set(ids)), len(ids), name)
            taken = {}
            for p in b["panels"]:
                g = p["gridPos"]
                self.assertTrue(g["x"] >= 0 and g["w"] > 0 and g["h"] > 0 and g["x"] + g["w"] <= 24, p["title"])
                for x in range(g["x"], g["x"] + g["w"]):
                    for y in range(g["y"], g["y"] + g["h"]):
                        self.assertNotIn((x, y), taken, f"{p['title']} lies on {taken.get((x, y))}")
                        taken[x, y] = p["title"]
            for p in panels(name):
                self.assertTrue(p["title"] and p["description"].endswith(".") and p["fieldConfig"]["defaults"]["unit"], (name, p["title"]))
                refs = [t["refId"] for t in p["targets"]]
                self.assertEqual(len(set(refs)), len(refs), p["title"])
                self.assertIn(p["type"], ("stat", "timeseries", "bargauge", "table"))

    def test_every_source_is_the_one_that_was_chosen(self):
        for name in BOARDS:
            chosen = {"type": "prometheus", "uid": "${datasource}"}
            for p in panels(name):
                self.assertEqual([p["datasource"]] + [t["datasource"] for t in p["targets"]], [chosen] * (len(p["targets"]) + 1), p["title"])
            v = variables(name)
            self.assertEqual((v["datasource"]["type"], v["datasource"]["query"]), ("datasource", "prometheus"))
            self.assertTrue(all(x["datasource"] == chosen for x in v.values() if x["type"] == "query"))
            self.assertNotRegex(json.dumps(board(name)), r"__inputs|DS_PROMETHEUS")

    def test_variables_that_are_used_are_there(self):
        self.assertEqual(set(variables("fleet")), {"datasource", "job", "host"})
        self.assertEqual(set(variables("host")), {"datasource", "job", "host", "guest"})
        for name in BOARDS:
            for where, expression in expressions(name):
                self.assertLessEqual(set(re.findall(r"\$(\w+)", expression)), set(variables(name)) | BUILT_IN, where)
                self.assertIn("$job", expression, where)
            for v in variables(name).values():
                self.assertTrue(v["label"] and v["description"], v["name"])

    def test_boards_lead_to_boards_that_exist_with_variables_that_they_have(self):
        known = {board(n)["uid"]: n for n in BOARDS}
        found = 0
        for name in BOARDS:
            for url in re.findall(r"/d/[^\"]+", json.dumps(board(name))):
                uid, query = re.fullmatch(r"/d/([\w-]+)\?(.*)", url).groups()
                self.assertIn(uid, known)
                self.assertLessEqual(set(re.findall(r"var-(\w+)=", query)), set(variables(known[uid])), url)
                found += 1
        self.assertGreaterEqual(found, 3)
        self.assertEqual({board(n)["uid"]: board(n)["title"] for n in BOARDS}, {"abidrift-fleet": "abidrift / Fleet", "abidrift-host": "abidrift / Host"})

    def test_they_are_provisioned_from_where_the_page_says(self):
        where = yaml(os.path.join(GRAFANA, "provisioning", "dashboards", "abidrift.yml"))["providers"][0]["options"]["path"]
        self.assertIn(where, read(os.path.join(ROOT, "docs", "metrics.md")))
        source, = yaml(os.path.join(GRAFANA, "provisioning", "datasources", "abidrift.example.yml"))["datasources"]
        self.assertEqual(source["type"], "prometheus")


class Recorded(Stores):
    """On hours of metrics of two hosts, written into Prometheus' own blocks: each panel shows something."""
    STEPS, STEP = 60, 60

    def record(self, path, end):
        """The store's metrics as they would have been scraped; counters rise."""
        text = dump(self.store)
        with open(path, "w") as f:
            for line in text.splitlines()[:-1]:
                if line.startswith("#"):
                    f.write(line + "\n")
                    continue
                series, value = line.rsplit(" ", 1)
                name, _, labels = series.partition("{")
                labels = "," + labels if labels else "}"
                for instance in ("kvm-01:10917", "kvm-02:10917"):
                    for n in range(self.STEPS):
                        at = end - (self.STEPS - n) * self.STEP
                        told = float(value) + n if name.endswith("_total") else at - 5 if "heartbeat" in name else float(value)
                        f.write(f'{name}{{job="abidrift",instance="{instance}"{labels} {told} {at}\n')
            f.write("# EOF\n")

    def setUp(self):
        super().setUp()
        need("promtool", "prometheus")
        self.replay(drifted())
        self.heartbeat(text=status({**STATS, "program.kvm_pio.runs": 1, "program.kvm_pio.ns": 1}))
        many(self.path, 12)
        self.end = int(time.time()) - 3 * 3600
        self.record(self.folder.file("recorded"), self.end)
        done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", self.folder.file("recorded"), self.folder.file("prometheus")],
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.prometheus = Prometheus(self.folder, "global: {}\n")
        self.addCleanup(self.prometheus.stop)

    def test_each_panel_shows_something(self):
        values = {"job": "abidrift", "guest": ".*", "__rate_interval": "5m"}
        empty = []
        for name, host in (("fleet", ".*"), ("host", "kvm-01:10917")):
            for where, expression in expressions(name):
                if "abidrift_maintenance" in expression and "==" in expression:
                    expression = expression.replace("== 1", "== 0")  # no window was open: that is what it would show
                ask = with_values(expression, host=host, **values)
                result = self.prometheus.api("query_range", query=ask, start=self.end - 1800, end=self.end - 60, step=60)["result"]
                at_once = self.prometheus.query(ask, time=self.end - 60)
                if not has_data(result) or not has_data(at_once):
                    empty.append(f"{where}: {ask}")
        self.assertEqual(empty, [])

    def test_what_a_panel_shows_of_a_host_is_that_hosts_own(self):
        both = self.prometheus.query('sum(abidrift_guests_running{job="abidrift"})', time=self.end - 60)[0]["value"][1]
        stat = next(e for w, e in expressions("host") if w == "host: Guests A")
        one = self.prometheus.query(with_values(stat, job="abidrift", host="kvm-01:10917"), time=self.end - 60)[0]["value"][1]
        self.assertEqual(float(both), 2 * float(one))
        self.assertGreater(float(one), 0)

    def test_variables_find_their_values(self):
        wanted = {"job": {"abidrift"}, "host": {"kvm-01:10917", "kvm-02:10917"}}
        for name in BOARDS:
            for v in variables(name).values():
                if v["type"] != "query":
                    continue
                series, label = label_query(v["query"]["query"])
                found = set(self.prometheus.api(f"label/{label}/values", **{"match[]": with_values(series, job="abidrift", host="kvm-01:10917")}, start=self.end - 3600, end=self.end))
                self.assertEqual(found, wanted.get(v["name"], found))
                self.assertTrue(found, v["name"])


class Watched(Live):
    """A monitor whose store has a drift, and a Prometheus that reads it."""
    def setUp(self):
        super().setUp()
        need("prometheus")
        os.mkdir(self.folder.file("state"))
        self.path = self.folder.file("state/s.db")
        self.store = "sqlite:" + self.path
        abidrift("replay", self.trace().write(self.folder.file("t.trace")), *QUICK, store=self.store, ok=(1,))
        for path in (self.folder.file("state"), self.path):
            shutil.chown(path, "nobody")

    def trace(self):
        return drifted()

    def listen(self, port=0, *args):
        self.monitor_process = m = self.process([ABIDRIFT, "run", "--store", self.store, "--listen", f"127.0.0.1:{port}", *args])
        where = m.wait_line(r"listening on .*127\.0\.0\.1:\d+")
        m.wait_line("^abidrift: ready$")
        return re.search(r"127\.0\.0\.1:\d+", where)[0]

    def scrape(self, target, extra=""):
        p = Prometheus(self.folder, f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{extra}\nscrape_configs: "
                                    f"[{{job_name: abidrift, static_configs: [{{targets: ['{target}']}}]}}]\n")
        self.addCleanup(p.stop)
        return p


class Monitored(Watched):
    # Only where the kernel's BPF statistics are on.
    SELDOM = "abidrift_bpf_program"

    def test_each_panel_shows_something_of_a_host_that_is_watched(self):
        vmm = self.microvmm("--stdin")
        vmm.wait_line("ready", "out")
        target = self.listen()
        p = self.scrape(target)
        values = {"job": "abidrift", "host": target, "guest": ".*", "__rate_interval": "1m"}
        wait_for("the collector's counts", lambda: p.query("rate(abidrift_facts_total[1m])"))
        wait_for("a running guest", lambda: p.query("abidrift_coverage"))
        for name in BOARDS:
            for where, expression in expressions(name):
                ask = with_values(expression, **values)
                if self.SELDOM in ask or "abidrift_maintenance" in ask and "==" in ask:
                    p.query(ask)
                    continue
                wait_for(f"{where}: {ask}", lambda: has_data(p.query(ask)), 20)


class Stopped(Watched):
    def test_a_monitor_that_sees_no_more_is_told_of_by_the_process_that_is_left(self):
        target = self.listen(0, "--set", "alerts.blind_after=10s")
        p = self.scrape(target)
        blind = 'abidrift_blind{scope="monitor"}'
        wait_for("the heartbeat", lambda: p.query("abidrift_heartbeat_timestamp_seconds"))
        self.assertEqual(p.value(blind), 0)
        collector = children(self.monitor_process.pid)["collector"]
        os.kill(collector, signal.SIGSTOP)
        try:
            wait_for("it to be blind", lambda: p.value(blind) == 1)
            self.assertGreater(p.value("time() - abidrift_heartbeat_timestamp_seconds"), 9)
        finally:
            os.kill(collector, signal.SIGCONT)
        wait_for("it to see again", lambda: p.value(blind) == 0)


class Example(Stores):
    """The ways that prometheus.example.yml names, walked."""
    PROXY = "/lib/systemd/systemd-socket-proxyd"

    def setUp(self):
        super().setUp()
        need("prometheus")
        self.replay(drifted())

    def serve(self, listen, *args):
        p = Process([ABIDRIFT, "serve", "--store", self.store, "--listen", listen, *args])
        self.addCleanup(p.stop)
        return re.search(r"(127\.0\.0\.1:\d+|unix:\S+)", p.wait_line("listening on"))[0]

    def prometheus(self, **places):
        """The example, with what a site has to put in; no Alertmanager."""
        text = read(os.path.join(FOLDER, "prometheus.example.yml")).replace("scrape_interval: 30s", "scrape_interval: 1s").replace("[localhost:9093]", "[]")
        for name, value in {"abidrift.rules.yml": RULES, **places}.items():
            self.assertIn(name, text)
            text = text.replace(name, value)
        p = Prometheus(self.folder, "global: {evaluation_interval: 1s}\n" + text)
        self.addCleanup(p.stop)
        return p

    def up(self, p, address):
        wait_for(f"{address} to be read", lambda: p.value(f'up{{instance="{address}"}}') == 1, 30)
        self.assertEqual(p.query(f'abidrift_guests{{state="drift",instance="{address}"}}')[0]["metric"]["job"], "abidrift")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder.path)

    def test_on_the_host_itself_and_from_elsewhere_with_tls_and_a_token(self):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                     "-days", "2", "-keyout", "key.pem", "-out", "cert.pem")
        token, key, cert = (self.folder.file(n) for n in ("token", "key.pem", "cert.pem"))
        with open(token, "w") as f:
            f.write("a-token-of-16-or-more\n")
        near = self.serve("127.0.0.1:0")
        port = self.serve("127.0.0.1:0", "--set", f"serve.tls_cert={cert}", "--set", f"serve.tls_key={key}", "--set", f"serve.token_file={token}").split(":")[1]
        far, other = f"localhost:{port}", f"localhost:{free_port()}"
        p = self.prometheus(**{"127.0.0.1:10917]": near + "]", "kvm-01.example.net:10917": far, "kvm-02.example.net:10917": other,
                               "/etc/prometheus/abidrift.token": token, "/etc/prometheus/abidrift-ca.pem": cert})
        self.up(p, near)
        self.up(p, far)
        wait_for("the one that is not there to be told", lambda: p.value(f'up{{job="abidrift",instance="{other}"}}') == 0, 30)
        wait_for("the rules to work on it", lambda: p.query(f'ALERTS{{alertname="AbidriftDown",instance="{other}"}}'), 30)

    def test_by_a_proxy_to_the_unix_socket(self):
        if not os.path.exists(self.PROXY) or not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd's proxy is not installed")
        path = self.serve("unix:" + self.folder.file("http.sock"))[len("unix:"):]
        near = f"127.0.0.1:{free_port()}"
        proxy = Process(["systemd-socket-activate", "-l", near, self.PROXY, path])
        self.addCleanup(proxy.stop)
        proxy.wait_line("Listening on")
        empty = {n: self.folder.file(n.rpartition("/")[2]) for n in ("/etc/prometheus/abidrift.token", "/etc/prometheus/abidrift-ca.pem")}
        for name in empty.values():
            open(name, "w").close()
        p = self.prometheus(**{"127.0.0.1:10917]": near + "]", "[kvm-01.example.net:10917, kvm-02.example.net:10917]": "[]", **empty})
        self.up(p, near)


class EndToEnd(Watched):
    """A guest that lost memory: Prometheus reads it, its rule fires, Alertmanager has it until it is accepted. Each is restarted meanwhile."""
    def trace(self):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", UUID)
        t.gone(1)
        life(t, 2, "web-1", UUID, memory=0x4000000)
        t.gone(2)
        return t

    def held(self):
        """What Alertmanager has of this host's drift."""
        return [a for a in self.alertmanager.alerts("alertname=AbidriftDriftCritical") if a["labels"]["instance"] == self.target]

    def test_it_arrives_and_is_resolved_whoever_is_restarted(self):
        self.alertmanager = Alertmanager(self.folder, "route: {receiver: nobody, group_wait: 1s, group_interval: 1s}\nreceivers: [{name: nobody}]\n")
        self.addCleanup(self.alertmanager.stop)
        self.target = self.listen()
        p = self.scrape(self.target, f"rule_files: ['{RULES}']\nalerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{self.alertmanager.port}']}}]}}]}}")
        alert, = wait_for("the alert", self.held)
        self.assertEqual((alert["labels"]["severity"], alert["labels"]["job"]), ("critical", "abidrift"))
        self.assertEqual(alert["annotations"]["summary"], f"1 guest of {self.target} critically changed")
        self.assertTrue(alert["annotations"]["runbook_url"].endswith("#abidriftdriftcritical"))

        self.alertmanager.restart()
        wait_for("the alert again, after Alertmanager forgot it", self.held)
        p.restart()
        wait_for("Prometheus to know it again", lambda: p.query(f'ALERTS{{alertname="AbidriftDriftCritical",instance="{self.target}",alertstate="firing"}}'))
        self.assertEqual(len(self.held()), 1)

        # A monitor that is away says nothing about its guests: that it does not answer is another alert's to tell.
        self.monitor_process.stop()
        wait_for("the target to be down", lambda: p.value(f'up{{instance="{self.target}"}}') == 0)
        wait_for("the alert to end with its series", lambda: not self.held())
        self.listen(self.target.rpartition(":")[2])
        wait_for("the alert of the monitor that came back", self.held)

        abidrift("accept", UUID, store=self.store)
        wait_for("it to be resolved", lambda: not self.held())
        self.assertEqual(p.value(f'abidrift_guests_worst{{severity="critical",instance="{self.target}"}}'), 0)
        # What was accepted by mistake is told again.
        abidrift("accept", UUID, "--undo", store=self.store)
        wait_for("the alert", self.held)


if __name__ == "__main__":
    unittest.main()
