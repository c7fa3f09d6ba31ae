# SPDX-License-Identifier: Apache-2.0
"""The view of one guest, of stores that were made from made-up traces: its states, its timeline against what the CLI tells, and what it does when parts fail."""
import contextlib
import json
import os
import re
import sqlite3
import sys
import urllib.parse
import urllib.request
from datetime import datetime, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Server, Views  # noqa: E402
from harness import Folder, abidrift  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

SSE4_2, ECX = 20, 2
MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff)}
LESS = without(MORE, 1, ECX, SSE4_2)
TWIN = "11111111-2222-3333-4444-555555555555"
ODD = "a@b/c"


def guest(name, **params):
    return "#/guest/" + urllib.parse.quote(name, safe="") + ("?" + urllib.parse.urlencode(params) if params else "")


def seconds(at):
    return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()


class Store(Views):
    settings = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        trace = Trace()
        trace.synced()
        cls.tell(trace)
        cls.file = folder.file("s.db")
        cls.store = "sqlite:" + cls.file
        abidrift("replay", trace.write(folder.file("t.trace")), "--set", "monitor.settle=1s", *cls.settings, store=cls.store, ok=(0, 1, 3))
        cls.more()
        cls.server = Server(cls.store)
        cls.addClassCleanup(cls.server.stop)
        cls.origin = cls.server.origin

    @classmethod
    def more(cls):
        """What the store holds beside."""

    def marks(self, page):
        """[(lane, x, what it says)]"""
        return page.there("[...document.querySelectorAll('.drawing .lane')].flatMap((l) => [...l.querySelectorAll('a.mark')].map((a) => "
                          "[l.querySelector('.name').textContent, a.parentNode.transform.baseVal[0].matrix.e, a.getAttribute('aria-label')]))")


class States(Store):
    @classmethod
    def tell(cls, trace):
        life(trace, 1, "twin", TWIN, MORE)
        life(trace, 2, "twin", TWIN, MORE)
        life(trace, 3, ODD, None, MORE)
        trace.gone(3)
        life(trace, 4, ODD, None, LESS)
        life(trace, 5, "alias", None, MORE, args=("-cpu", "host", "-M", "q35"))
        life(trace, 6, "ended", None, MORE)
        trace.gone(6)

    def test_two_vms_that_run_as_one_guest_are_told(self):
        """Else what is shown of one is taken for the other's."""
        text = self.open(guest(TWIN)).text()
        self.assertIn("2 VMs run as this guest at once", text)
        for one in self.json("ls")["guests"]:
            if one["id"] == TWIN:
                self.assertIn(str(one["pid"]), text)
        self.assertNotIn("at once", self.open(guest("alias")).text())

    def test_a_name_that_looks_like_a_revision_leads_where_it_says(self):
        """Whoever follows a link of such a guest would else look at another one, or at an error."""
        page = self.open(guest(ODD))
        self.assertIn("Drifts since", page.text())
        self.assertIn(self.json("diff", "guest:" + ODD)["accept"]["guest"], page.text())
        for found in (".state a.button", ".revisions ~ * a.button, #revisions ~ p a.button", ".events .leads a:nth-child(2)"):
            page.go(guest(ODD))
            page.click(found)
            page.ready()
            self.assertIn("sse4.2", page.text(), found)

    def test_all_that_keeps_a_guest_from_being_stable_is_said(self):
        text = self.open(guest("alias")).text()
        unstable = [g for g in self.json("ls")["guests"] if g["name"] == "alias"][0]["unstable"]
        self.assertGreater(len(unstable), 1)
        for reason in unstable:
            self.assertIn(reason["reason"], text)

    def test_a_guest_without_a_fingerprint_is_no_blank_and_no_error(self):
        page = self.open(None)
        # It lasts only until it has settled.
        page.do("""await page.route('**/api/v1/guests/alias', async (r) => {
                const was = await (await r.fetch()).json()
                const guest = { ...was.guest, state: 'learning', settled: false, baseline: null, current: null }
                await r.fulfill({ json: { ...was, guest, revision: null, digest: null, at: null, context: null, facets: [], revisions: [] } })
            })""")
        page.go(guest("alias"))
        self.assertIn("Learning", page.text())
        self.assertIn("No fingerprint yet", page.text())
        self.assertEqual(page.count("a[download]"), 1)

    def test_one_that_ended_is_not_said_to_run(self):
        text = self.open(guest("ended")).text()
        self.assertIn("Ran on", text)
        self.assertNotIn("Runs on", text)

    def test_an_earlier_revision_says_that_it_is_not_now(self):
        """A link to evidence of last week must not be read as what is."""
        page = self.open(guest(ODD, rev=1))
        self.assertRegex(page.text(), r"Revision 1 of .*: not what it is now")
        self.assertNotIn("not what it is now", self.open(guest(ODD, rev=2)).text())
        page.click(".earlier a")
        page.ready()
        self.assertNotIn("not what it is now", page.text())

    def test_what_is_not_there_is_said_in_the_servers_words(self):
        for where, says in ((guest("nobody"), "nobody"), (guest(ODD, rev=77), "has no revision 77")):
            page = self.open(None)
            page.allowed = ("404 (Not Found)",)
            page.go(where)
            self.assertIn(says, page.all(".note.failed")[0])

    def test_a_part_that_fails_hides_no_other(self):
        page = self.open(None)
        page.allowed = ("503 (Service Unavailable)",)
        fail = "await page.route('**/api/v1/%s*', (r) => r.fulfill({ status: 503, json: { error: 'the store is busy' } }))"
        page.do(fail % "history")
        page.go(guest(ODD))
        self.assertIn("Drifts since", page.text())
        self.assertIn("The history cannot be shown: the store is busy", page.text().replace("\n", " "))
        self.assertGreater(page.count("#revisions"), 0)
        page.do("await page.unroute('**/api/v1/history*')")
        for part in ("guests/**", "alerts", "diff", "guests"):
            page.do(fail % part)
        page.go(guest(ODD))
        self.assertIn("This guest cannot be shown: the store is busy", page.text().replace("\n", " "))
        self.assertGreater(len(self.marks(page)), 0)

    def test_the_button_gives_what_the_verb_writes(self):
        page = self.open(guest(ODD))
        url = page.there("document.querySelector('a[download]').href")
        with urllib.request.urlopen(url, timeout=30) as answer:
            got = answer.read()
        with contextlib.closing(Folder()) as folder:
            path = folder.file("x.tar.zst")
            self.run_cli("export", "guest:" + ODD, "-q", "-o", path)
            with open(path, "rb") as f:
                self.assertEqual(got, f.read())

    def test_the_link_that_is_copied_is_exact(self):
        page = self.open(guest("alias"))
        page.click(".actions button")
        page.until("document.querySelector('.actions [role=status]').innerText")
        copied = page.copied()
        self.assertTrue(copied.endswith(guest("alias", rev=1)), copied)


class NoBaseline(Store):
    settings = ("--set", "monitor.baseline=manual")

    @classmethod
    def tell(cls, trace):
        life(trace, 1, "manual", None, MORE)

    def test_unknown_says_why(self):
        text = self.open(guest("manual")).text()
        for unknown in self.json("diff", "manual")["unknown"]:
            self.assertIn(unknown["reason"], text)


class Time(Store):
    EVENTS = 1300
    HOUR_NS = 3600 * 10**9

    @classmethod
    def tell(cls, trace):
        life(trace, 1, "web-1", None, MORE)
        trace.gone(1)
        trace.tick(20)
        life(trace, 2, "web-1", None, LESS)

    @classmethod
    def more(cls):
        """Long after it: one event an hour; and what happened to the host."""
        with contextlib.closing(sqlite3.connect(cls.file)) as c, c:
            last, row = c.execute("SELECT max(at), max(guest) FROM events").fetchone()
            c.executemany("INSERT INTO events (at, type, guest, reason) VALUES (?, 'evidence', ?, ?)",
                          [(last + i * cls.HOUR_NS, row, f"number {i}") for i in range(1, cls.EVENTS + 1)])
            c.execute("INSERT INTO events (at, type, reason, context) VALUES (?, 'host', 'testhost', '[{\"factor\":\"kernel\",\"from\":\"6.1\",\"to\":\"6.12\"}]')", (last + 10**9,))
            c.execute("INSERT INTO events (at, type, reason, context) VALUES (?, 'host', 'elsewhere', '[{\"factor\":\"kernel\",\"from\":\"6.1\",\"to\":\"6.13\"}]')", (last + 10**9,))

    def first_day(self):
        events = self.json("history", "web-1")["events"]
        own = [e for e in events if e["type"] != "evidence" or not (e["reason"] or "").startswith("number")]
        begin, end = seconds(own[0]["at"]) - 2, seconds(own[-1]["at"]) + 5
        at = lambda s: datetime.fromtimestamp(s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: E731
        return own, dict(since=at(begin), until=at(end))

    def test_marks_lie_where_the_axis_says_that_their_time_is(self):
        """A drawing that is not to scale puts the blame on what happened at another time."""
        own, span = self.first_day()
        page = self.open(guest("web-1", **span))
        page.until("document.querySelectorAll('.drawing a.mark').length > 4")
        ticks = page.there("[...document.querySelectorAll('.drawing .axis g')].map((g) => [g.querySelector('text')?.textContent, g.querySelector('line').x1.baseVal.value]).filter((t) => t[0])")
        day = own[0]["at"][:11]
        (first, x0), (last, x1) = ticks[0], ticks[-1]
        t0, t1 = seconds(day + first + "Z"), seconds(day + last + "Z")
        self.assertGreater(t1, t0)
        marks = self.marks(page)
        single = [(x, says) for _, x, says in marks if not re.match(r"\d+ ", says)]
        self.assertGreaterEqual(len(single), 4, marks)
        for x, says in single:
            at = seconds(says.split(",")[0])
            self.assertAlmostEqual(x, x0 + (at - t0) / (t1 - t0) * (x1 - x0), delta=0.6, msg=says)
        # None is missing: those that lie on each other are counted.
        drawn = sum(int(says.split()[0]) if re.match(r"\d+ ", says) else 1 for lane, _, says in marks if lane != "Alerts")
        self.assertEqual(drawn, len(own) + 1, "and the host's, and not another host's")

    def test_all_that_happened_is_in_the_list_also_what_is_loaded_later(self):
        events = self.json("history", "web-1")["events"]
        page = self.open(guest("web-1", events="all"))
        page.until("document.querySelectorAll('.events tbody tr').length > 990")
        self.assertIn("Older events are not loaded", page.text())
        page.do("await page.getByRole('button', { name: 'Older events' }).click()")
        page.until("document.querySelectorAll('.events tbody tr').length > args", len(events))
        kinds = page.all(".events tbody td:nth-child(2) strong")
        self.assertEqual(len([k for k in kinds if k not in ("alert", "host changed")]), len(events))
        self.assertEqual(kinds.count("host changed"), 1)
        self.assertNotIn("Older events are not loaded", page.text())
        times = page.there("[...document.querySelectorAll('.events tbody time')].map((t) => t.dateTime)")
        self.assertEqual(times, sorted(times, reverse=True))

    def test_a_link_into_the_past_loads_what_it_shows(self):
        """It is evidence: whoever opens it must not see an empty day."""
        own, span = self.first_day()
        page = self.open(guest("web-1", **span))
        page.until("document.querySelectorAll('.events tbody tr').length >= args", len(own) + 1)
        self.assertIn("kernel 6.1 → 6.12", page.text())
        self.assertNotIn("6.13", page.text())

    def test_keys_alone_lead_from_a_mark_to_its_line(self):
        _, span = self.first_day()
        page = self.open(guest("web-1", **span))
        page.until("document.querySelectorAll('.drawing a.mark').length > 4")
        page.do("await page.locator('.drawing a.mark[tabindex=\"0\"]').focus()")
        self.assertEqual(page.count(".drawing a.mark[tabindex='0']"), 1)
        focused = lambda: page.there("document.activeElement.getAttribute('aria-label')")  # noqa: E731
        seen = {focused()}
        for key in ("ArrowDown", "ArrowDown", "Home", "ArrowRight"):
            page.press(key)
            seen.add(focused())
        self.assertGreaterEqual(len(seen), 3)
        page.press("-")
        page.until("document.activeElement.closest('.drawing')")
        page.press("+")
        page.until("document.activeElement.closest('.drawing')")
        page.press("Home")
        says = focused()
        page.press("Enter")
        if re.match(r"\d+ ", says):
            self.fail("a heap: the guest of this test has room between its events: " + says)
        page.until("document.activeElement.tagName === 'TR'")
        self.assertEqual(page.there("document.activeElement.querySelector('time').dateTime"), says.split(",")[0])
        # And it is in the link.
        other = self.open(page.hash())
        other.until("document.querySelector('.events tr[aria-current] time')")
        self.assertEqual(other.there("document.querySelector('.events tr[aria-current] time').dateTime"), says.split(",")[0])

    def test_a_heap_opens_into_its_marks(self):
        page = self.open(guest("web-1"))
        page.until("document.querySelector('.drawing a.heap')")
        before = page.hash()
        page.click(".drawing a.heap")
        page.until("location.hash !== args", before)
        self.assertIn("since=", page.hash())
        self.assertGreater(len(self.marks(page)), 0)

    def test_kinds_that_are_not_asked_for_are_neither_drawn_nor_listed(self):
        page = self.open(guest("web-1", types="drift,boot", events="all", **self.first_day()[1]))
        page.until("document.querySelectorAll('.events tbody tr').length > 2")
        self.assertEqual(set(page.all(".events tbody td:nth-child(2) strong")), {"drift", "boot"})
        page.do("await page.getByRole('checkbox', { name: /^drift/ }).uncheck()")
        page.until("!document.querySelector('.events').innerText.includes('change')")
        self.assertIn("types=boot", page.hash())
