# SPDX-License-Identifier: Apache-2.0
"""Metrics of a store: what Prometheus is told is what `ls` says, readable by strict parsers, and bounded however many guests drift."""
import http.server
import json
import re
import sqlite3
import subprocess
import threading
import time
import unittest
import urllib.request
import uuid

from harness import ABIDRIFT, Folder, Process, abidrift, wait_for
from prom import Prometheus, dump, need, samples
from test_cli import FACETS, LEAVES_MORE, OTHER, QUICK, SSE4_2, ECX, UUID, drifted
from traces import Trace, life, without

SERIES_MAX, GUESTS_MAX = 120, 200
SINKS = ["stdout", "journal", "alertmanager", "webhook", "syslog", "command"]
SEVERITIES = ["critical", "warning", "info"]
VERDICTS = ["violation", "unexplained", "exempt", "intended"]
STATS = {**{f"facts.{f}": 1000 for f in ("cpuid", "msr", "ports", "mmio", "pci", "placement")},
         **{f"lost.{s}": 0 for s in ("ring", "map", "quota", "missed", "vcpu")}, "overflow": 7,
         "map.facts.entries": 100, "map.facts.capacity": 1000, "map.vms.entries": 10, "map.vms.capacity": 64}


def status(stats=None, kernel="6.1.0-test", **more):
    return json.dumps({"stats": STATS if stats is None else stats, "kernel": kernel, "cpu": "Test CPU", "microcode": "0x1", "blind": {}, **more})


class Stores(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.path = self.folder.file("s.db")
        self.store = "sqlite:" + self.path

    def replay(self, trace, ok=(0, 1, 3)):
        abidrift("replay", trace.write(self.folder.file("t.trace")), *QUICK, store=self.store, ok=ok)

    def db(self):
        db = sqlite3.connect(self.path)
        self.addCleanup(db.close)
        db.execute("PRAGMA foreign_keys = ON")
        return db

    def heartbeat(self, host="testhost", at=None, text=None):
        with self.db() as db:
            db.execute("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?)", (host, at or time.time_ns(), status() if text is None else text))

    def metrics(self):
        return samples(dump(self.store))

    def value(self, name, **labels):
        return self.metrics().get((name, tuple(sorted(labels.items()))))


def many(path, count=1000):
    """Guests that drift in every way, beside what a replay has left."""
    with sqlite3.connect(path) as db:
        for n in range(count):
            guest = db.execute("INSERT INTO guests (id, uuid, name, anonymous, boots, revisions) VALUES (?, ?, ?, 0, 1, 0)",
                               (str(uuid.UUID(int=n + 1)), str(uuid.UUID(int=n + 1)), f"guest-{n}")).lastrowid
            severity = SEVERITIES[0 if n < 150 else 1 + n % 2]
            instance = db.execute("INSERT INTO instances (guest, host, pid, fd, start, vm, running, began_at, ended_at, boot, boot_token, settled, state, severity,"
                                  " changes, vmm) VALUES (?, 'testhost', ?, 9, '1', ?, 1, 1, 0, 1, 1, 1, 'drift', ?, 6, '{}')",
                                  (guest, n, f"{n:016x}@b0", severity)).lastrowid
            db.executemany("INSERT INTO coverage VALUES (?, ?, ?, '')",
                           [(instance, f, ("complete", "witnessed" if i % 3 else "none")[n % 2]) for i, f in enumerate(FACETS)])
            db.execute("INSERT INTO drifts (guest, at, digest, json, change_set) VALUES (?, 1, '', '{}', ?)", (guest, f"{n % 40:016x}"))
            db.executemany("INSERT INTO drifted VALUES (?, ?, ?, ?)",
                           [(guest, FACETS[(n + i) % len(FACETS)], severity if i == 0 else SEVERITIES[1 + (n + i) % 2], i + 1) for i in range(6)])
        db.executemany("INSERT INTO sinks VALUES (?, 0)", [(s,) for s in SINKS if s != "alertmanager"])
        db.executemany("INSERT INTO counters VALUES ('alerts', ?, 3)", [(f"{s},{r}",) for s in SINKS for r in ("delivered", "failed", "given_up")])
        db.executemany("INSERT INTO alerts (id, at, json) VALUES (?, ?, '{}')", [(f"a{n}", 1000 + n) for n in range(500)])
    db.close()


class Same(Stores):
    def test_the_numbers_are_those_of_ls(self):
        self.replay(drifted())
        guests = json.loads(abidrift("ls", "--json", store=self.store).stdout)["guests"]
        found = self.metrics()
        for state in ("learning", "same", "drift", "unknown"):
            self.assertEqual(found["abidrift_guests", (("state", state),)], sum(g["state"] == state for g in guests), state)
        self.assertEqual(found["abidrift_guests_running", ()], sum(g["running"] for g in guests))
        for facet in FACETS:
            for level in ("complete", "witnessed", "none"):
                self.assertEqual(found.get(("abidrift_coverage", (("coverage", level), ("facet", facet))), 0),
                                 sum(g["coverage"][facet] == level for g in guests if g["running"]), (facet, level))
        web = next(g for g in guests if g["state"] == "drift")
        self.assertEqual({k: v for k, v in found.items() if k[0] == "abidrift_guest_drift"},
                         {("abidrift_guest_drift", (("severity", web["severity"]), ("uuid", UUID))): web["changes"]})
        self.assertEqual({k: v for k, v in found.items() if k[0] == "abidrift_guests_drifted"},
                         {("abidrift_guests_drifted", (("facet", "cpuid"), ("severity", web["severity"]))): 1})
        self.assertEqual([found["abidrift_guests_worst", (("severity", s),)] for s in SEVERITIES], [0, 0, 1])

    def test_an_event_is_counted_when_it_is_told_and_not_again(self):
        event = {"facet": "cpuid", "severity": "info", "verdict": "intended"}
        self.replay(drifted())
        self.assertEqual(self.value("abidrift_drift_events_total", **event), 1)
        abidrift("accept", UUID, store=self.store)
        self.assertEqual(self.value("abidrift_drift_events_total", **event), 1)
        self.assertEqual(self.value("abidrift_guests_worst", severity="info"), 0)
        abidrift("accept", UUID, "--undo", store=self.store)
        self.assertEqual(self.value("abidrift_drift_events_total", **event), 2)

    def test_a_rule_that_hides_all_hides_it_from_metrics_too(self):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", UUID, LEAVES_MORE)
        t.gone(1)
        life(t, 2, "web-1", UUID, without(LEAVES_MORE, 1, ECX, SSE4_2))
        path = t.write(self.folder.file("t.trace"))
        abidrift("replay", path, *QUICK, "--set", "suppress.known.facet=cpuid", "--set", "suppress.known.reason=known", store=self.store, ok=(0, 1, 3))
        found = self.metrics()
        self.assertEqual([found["abidrift_guests_worst", (("severity", s),)] for s in SEVERITIES], [0, 0, 0])
        self.assertEqual([k for k in found if k[0] in ("abidrift_guests_drifted", "abidrift_guest_drift", "abidrift_drift_events_total")], [])

    def test_what_the_collector_counts_arrives_with_its_heartbeat(self):
        self.replay(drifted())
        at = time.time_ns()
        self.heartbeat(at=at, text=status({**STATS, "program.kvm_pio.runs": 5, "program.kvm_pio.ns": 2_500_000_000}))
        self.assertAlmostEqual(self.value("abidrift_heartbeat_timestamp_seconds", host="testhost"), at / 1e9, places=3)
        self.assertEqual(self.value("abidrift_facts_total", facet="cpuid"), 1000)
        self.assertEqual(self.value("abidrift_facts_lost_total", stage="map"), 0)
        self.assertEqual(self.value("abidrift_guest_overflow_total"), 7)
        self.assertEqual((self.value("abidrift_map_entries", map="facts"), self.value("abidrift_map_capacity", map="facts")), (100, 1000))
        self.assertEqual(self.value("abidrift_bpf_program_run_seconds_total", program="kvm_pio"), 2.5)
        self.assertEqual(self.value("abidrift_host_info", host="testhost", kernel="6.1.0-test", cpu="Test CPU", microcode="0x1"), 1)

    def test_a_host_that_was_renamed_is_not_missed_for_ever(self):
        self.replay(drifted())
        now = time.time_ns()
        self.heartbeat("old-name", now - 2 * 86400 * 10**9)
        self.assertIsNotNone(self.value("abidrift_heartbeat_timestamp_seconds", host="old-name"))
        self.heartbeat("new-name", now)
        self.assertIsNone(self.value("abidrift_heartbeat_timestamp_seconds", host="old-name"))
        self.heartbeat("stopped-a-minute-ago", now - 60 * 10**9)
        self.assertIsNotNone(self.value("abidrift_heartbeat_timestamp_seconds", host="stopped-a-minute-ago"))

    def test_a_name_that_is_no_longer_watched_makes_no_counter_fall(self):
        """A counter that falls is taken for one that began anew: all that was ever lost would be told as lost just now."""
        self.replay(drifted())
        now = time.time_ns()
        self.heartbeat("old-name", now - 86400 * 10**9 + 60 * 10**9, status({**STATS, "lost.map": 50}))
        self.heartbeat("new-name", now, status({**STATS, "lost.map": 70}))
        self.assertIsNotNone(self.value("abidrift_heartbeat_timestamp_seconds", host="old-name"))
        self.assertEqual(self.value("abidrift_facts_lost_total", stage="map"), 70)
        self.heartbeat("new-name", now + 120 * 10**9, status({**STATS, "lost.map": 71}))
        self.assertIsNone(self.value("abidrift_heartbeat_timestamp_seconds", host="old-name"))
        self.assertEqual(self.value("abidrift_facts_lost_total", stage="map"), 71)

    def test_blindness_and_what_waits_is_told(self):
        self.replay(drifted())
        with self.db() as db:
            db.executemany("INSERT INTO blinds VALUES (?, 'h', NULL, 1, 'warning', 'why')", [("monitor/h",), ("facet/h/cpuid",), ("facet/h/msr",), ("guest/x/acpi",)])
            db.executemany("INSERT INTO alerts (row, id, at, json) VALUES (?, ?, ?, '{}')", [(101, "a", 5 * 10**9), (102, "b", 7 * 10**9), (103, "c", 9 * 10**9)])
            db.execute("INSERT INTO sinks VALUES ('syslog', 101)")
        found = self.metrics()
        self.assertEqual([found["abidrift_blind", (("scope", s),)] for s in ("monitor", "facet", "guest")], [1, 2, 1])
        self.assertEqual(found["abidrift_sink_entries", (("sink", "syslog"),)], 2)
        self.assertEqual(found["abidrift_sink_oldest_timestamp_seconds", (("sink", "syslog"),)], 7)
        self.assertEqual(found["abidrift_outbox_entries", ()], 2)
        self.assertEqual(found["abidrift_outbox_oldest_timestamp_seconds", ()], 7)
        # Before the first one is given up: a rule sees rises only.
        self.assertEqual(found["abidrift_alerts_total", (("result", "given_up"), ("sink", "syslog"))], 0)

    def test_a_sink_without_a_queue_is_counted_too_and_from_0(self):
        """Alertmanager has no queue: ends that it never took would be given up, and no rule would see it."""
        self.replay(drifted())
        with self.db() as db:
            db.execute("INSERT INTO sinks VALUES ('syslog', 0)")
            db.execute("INSERT INTO counters VALUES ('alerts', 'alertmanager,delivered', 9), ('alerts', 'syslog,failed', 2), ('alerts', 'No Word,failed', 1)")
        found = {tuple(v for _, v in labels): value for (name, labels), value in self.metrics().items() if name == "abidrift_alerts_total"}
        self.assertEqual(found, {("delivered", "alertmanager"): 9, ("failed", "alertmanager"): 0, ("given_up", "alertmanager"): 0,
                                 ("delivered", "syslog"): 0, ("failed", "syslog"): 2, ("given_up", "syslog"): 0})

    def test_a_maintenance_window_is_told_while_it_is_open(self):
        self.replay(drifted())
        self.assertEqual(self.value("abidrift_maintenance"), 0)
        abidrift("maintenance", "--for", "1h", store=self.store)
        self.assertEqual(self.value("abidrift_maintenance"), 1)


class Form(Stores):
    def setUp(self):
        super().setUp()
        self.replay(drifted())
        self.heartbeat()

    def test_both_formats_say_the_same_and_their_own_tools_accept_them(self):
        need("promtool")
        from prometheus_client.parser import text_string_to_metric_families
        many(self.path, 20)
        plain = dump(self.store, "prometheus")
        done = subprocess.run(["promtool", "check", "metrics"], input=plain, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        old = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in text_string_to_metric_families(plain) for s in f.samples}
        self.assertEqual(old, self.metrics())

    def test_openmetrics_names_types_and_units_keep_its_rules(self):
        text = dump(self.store)
        self.assertTrue(text.endswith("\n# EOF\n"))
        types = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
        units = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# UNIT "))
        helped = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# HELP ") and line.count(" ") > 3}
        self.assertEqual(helped, set(types))
        for name, unit in units.items():
            self.assertTrue(name.endswith("_" + unit), name)
        self.assertEqual({n for n in types if n.endswith(("_seconds", "_bytes"))}, set(units))
        for name, kind in types.items():
            self.assertIn(kind, ("gauge", "counter", "info"))
            self.assertFalse(name.endswith(("_total", "_info")), name)
        # The strict parser is strict.
        for broken in (text.replace("# EOF\n", ""), text.replace("_total{", "{"), text.replace('state="same"', 'state="drift"')):
            self.assertNotEqual(broken, text)
            with self.assertRaises((ValueError, AssertionError)):
                samples(broken)

    def test_what_others_chose_is_no_label_and_breaks_nothing(self):
        evil = 'evil"} 1\nabidrift_fake 1\n\\'
        with self.db() as db:
            for n, text in enumerate((evil, "11111111-2222-3333-4444-55555555555g", "", "x" * 5000)):
                guest = db.execute("INSERT INTO guests (id, uuid, name, anonymous) VALUES (?, ?, ?, 0)", (f"id{n}" + text, text, evil)).lastrowid
                db.execute("INSERT INTO drifts (guest, at, digest, json) VALUES (?, 1, '', '{}')", (guest,))
                db.execute("INSERT INTO drifted VALUES (?, ?, 'critical', 1)", (guest, evil if n else "pci"))
            db.execute("INSERT INTO counters VALUES ('drift_events', ?, 1), ('drift_events', 'a,b', 1), ('drift_events', 'a,b,c,d', 1)", (evil + ",info,exempt",))
            db.execute("INSERT INTO sinks VALUES (?, 0)", (evil,))
        self.heartbeat(host=evil, text=status({"facts." + evil: 1, "lost." + evil: 2, "facts.": 3, "map..entries": 4, "facts.cpuid": "5", "overflow": -1}, kernel=evil))
        self.heartbeat(host="no-json", text="{")
        self.heartbeat(host="list", text="[1]")
        found = self.metrics()
        self.assertEqual([k for k in found if k[0] == "abidrift_fake"], [])
        # A host names itself; that is quoted.
        self.assertIsNotNone(found.get(("abidrift_heartbeat_timestamp_seconds", (("host", evil),))))
        for name, labels in found:
            for label, value in labels:
                if "evil" in value:
                    self.assertIn((name, label), {("abidrift_heartbeat_timestamp_seconds", "host"), ("abidrift_host_info", "host"), ("abidrift_host_info", "kernel")})
        self.assertEqual({dict(labels)["uuid"] for name, labels in found if name == "abidrift_guest_drift"}, {UUID})
        self.assertEqual(found["abidrift_guests_worst", (("severity", "critical"),)], 4)

    def test_bytes_that_are_no_text_are_told_as_text(self):
        with self.db() as db:
            db.execute("INSERT INTO statuses VALUES (CAST(x'ff0141c3' AS TEXT), 1, '{}')")
        self.heartbeat("x" * 4000)
        hosts = [dict(labels)["host"] for name, labels in self.metrics() if name == "abidrift_heartbeat_timestamp_seconds"]
        self.assertTrue(all(len(h) <= 200 for h in hosts), hosts)

    def test_scraping_goes_on_while_somebody_writes_and_writing_while_somebody_scrapes(self):
        writer = self.db()
        writer.isolation_level = None
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM drifted")
        self.assertEqual(self.value("abidrift_guests_worst", severity="info"), 1)
        writer.execute("COMMIT")
        self.assertEqual(self.value("abidrift_guests_worst", severity="info"), 0)


class Scraped(Stores):
    """By a real Prometheus, over abidrift's own HTTP."""
    def serve(self):
        p = Process([ABIDRIFT, "serve", "--store", self.store, "--listen", "127.0.0.1:0"])
        self.addCleanup(p.stop)
        return "http://" + re.search(r"127\.0\.0\.1:\d+", p.wait_line("listening on"))[0]

    def relay(self, url):
        """Asks for one format only, whatever Prometheus would take: /plain, /open."""
        accepts = {"/plain": "text/plain;version=0.0.4", "/open": "application/openmetrics-text;version=1.0.0"}
        told = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with urllib.request.urlopen(urllib.request.Request(url + "/metrics", headers={"Accept": accepts[self.path]}), timeout=20) as answer:
                    body, told[self.path] = answer.read(), answer.headers["Content-Type"]
                self.send_response(200)
                self.send_header("Content-Type", told[self.path])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"127.0.0.1:{server.server_port}", told

    def test_prometheus_reads_the_same_in_both_formats(self):
        need("prometheus")
        self.replay(drifted())
        self.heartbeat(host='a "b" \\c\nd')
        many(self.path, 20)
        target, told = self.relay(self.serve())
        jobs = "".join(f"  - {{job_name: {name}, metrics_path: /{name}, static_configs: [{{targets: ['{target}']}}]}}\n" for name in ("plain", "open"))
        p = Prometheus(self.folder, f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}")
        self.addCleanup(p.stop)
        wait_for("both", lambda: len(p.query("abidrift_store_bytes")) == 2)
        self.assertEqual(told, {"/plain": "text/plain; version=0.0.4; charset=utf-8", "/open": "application/openmetrics-text; version=1.0.0; charset=utf-8"})
        found = {}
        for series in p.query('{__name__=~"abidrift_.*"}'):
            labels = dict(series["metric"], instance=None)
            found.setdefault(labels.pop("job"), {})[tuple(sorted((k, v) for k, v in labels.items() if v))] = series["value"][1]
        self.assertEqual(found["plain"], found["open"])
        self.assertEqual(len(found["open"]), len(samples(dump(self.store))))
        self.assertIn('a "b" \\c\nd', {dict(k).get("host") for k in found["open"]})
        # Its own list of what is what.
        types = {k: v[0]["type"] for k, v in p.api("metadata").items() if k.startswith("abidrift_")}
        self.assertEqual((types["abidrift_build"], types["abidrift_drift_events"], types["abidrift_guests"]), ("info", "counter", "gauge"))


class Many(Stores):
    def test_a_thousand_guests_that_drift_are_few_series(self):
        self.replay(drifted())
        self.heartbeat()
        many(self.path)
        with self.db() as db:
            # As many as are kept apart, and what is counted together.
            db.executemany("INSERT OR IGNORE INTO counters VALUES ('drift_events', ?, 5)",
                           [(f"{f},{s},violation",) for f in FACETS for s in SEVERITIES[:2]][:15] + [(f"other,warning,{v}",) for v in VERDICTS])
        found = self.metrics()
        guests = [dict(labels) for name, labels in found if name == "abidrift_guest_drift"]
        self.assertEqual(len(guests), GUESTS_MAX)
        self.assertEqual([g["severity"] for g in guests], ["critical"] * 150 + ["warning"] * 50)
        others = [k for k in found if k[0] != "abidrift_guest_drift"]
        self.assertLessEqual(len(others), SERIES_MAX, sorted(others))
        # What is told together is not left out: each guest is in it once for each of its facets.
        drifted_in = {k: v for k, v in found.items() if k[0] == "abidrift_guests_drifted"}
        self.assertEqual(sum(drifted_in.values()), 6 * 1000 + 1)
        self.assertEqual(sum(v for k, v in found.items() if k[0] == "abidrift_guests_worst"), 1001)

    def test_the_combinations_of_drift_events_are_bounded_when_they_are_counted(self):
        with_all = [f"{f},{s},{v}" for f in FACETS for s in SEVERITIES for v in VERDICTS]
        self.replay(drifted())
        with self.db() as db:
            db.executemany("INSERT OR IGNORE INTO counters VALUES ('drift_events', ?, 1)", [(c,) for c in with_all if not c.startswith("cpuid")][:15])
        t = Trace()
        t.synced()
        for n in range(3):
            life(t, 1 + n, f"new-{n}", str(uuid.UUID(int=77 + n)), LEAVES_MORE)
            t.gone(1 + n)
            life(t, 11 + n, f"new-{n}", str(uuid.UUID(int=77 + n)), without(LEAVES_MORE, 1, ECX, SSE4_2), memory=0x4000000)
        before = {k for k in self.metrics() if k[0] == "abidrift_drift_events_total"}
        self.replay(t)
        after = {k: v for k, v in self.metrics().items() if k[0] == "abidrift_drift_events_total" and k not in before}
        self.assertTrue(after)
        self.assertEqual({dict(labels)["facet"] for _, labels in after}, {"other"})
        self.assertEqual(sum(after.values()) % 3, 0)


if __name__ == "__main__":
    unittest.main()
