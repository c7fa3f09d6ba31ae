# SPDX-License-Identifier: Apache-2.0
"""Rules and dashboards: all of them work on a real Prometheus, on metrics as abidrift writes them."""
import glob
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import Folder, ROOT
from prom import RULES, need, samples, dump
from test_metrics import Stores, drifted, many, status, STATS

FOLDER = os.path.dirname(RULES)
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


class Rules(unittest.TestCase):
    def setUp(self):
        need("promtool")

    def promtool(self, *args):
        done = subprocess.run(["promtool", *args], cwd=FOLDER, capture_output=True, text=True, timeout=60)
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


if __name__ == "__main__":
    unittest.main()
