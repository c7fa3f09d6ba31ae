# SPDX-License-Identifier: Apache-2.0
"""What an operator does on the review page at night, and must not be misled by, on a made-up store."""
import json
import os
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Replayed, installed  # noqa: E402
from harness import ABIDRIFT, Folder  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

WEB, OTHER, NEW = "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555", "33333333-2222-3333-4444-555555555555"
SSE4_2, ECX = 20, 2
MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff)}
LESS = without(MORE, 1, ECX, SSE4_2)
IMPACT = "systems that were installed with it do not boot"
ANSWER = "await page.route('**/api/v1/diff*', (route) => route.fulfill({ body: args, contentType: 'application/json' }))"


def compare(from_, to=None, **params):
    return "#/diff?" + urllib.parse.urlencode({k: v for k, v in {"from": from_, "to": to, **params}.items() if v})


class Operator(Replayed):
    @classmethod
    def trace(cls):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", WEB, MORE)
        t.gone(1)
        life(t, 2, "web-1", WEB, LESS, args=("-cpu", "qemu64,-sse4.2"))
        t.guest(4, "new-1", NEW)
        t.boot(4, 1)
        t.cpuid(4, 1, MORE)
        life(t, 3, "db-1", OTHER, {**LESS, (7, 0): (0, 0x20, 0, 0)}, memory=0x7000000)
        return t

    def judged(self, *judgements):
        """The diff of web-1, with such changes: (verdict, severity, impact)."""
        diff = self.json("diff", "web-1")
        model, blame = diff["changes"][0], diff["blames"][0]
        diff["changes"] = [{**model, "facet": "ports", "key": f"0x{n:04x}/r8", "from": "absent", "to": "answered", "fields": [], "verdict": v, "severity": s, "impact": i}
                           for n, (v, s, i) in enumerate(judgements)]
        diff["blames"] = [{**blame, "changes": list(range(len(judgements)))}]
        diff["severity"], diff["verdict"] = "critical", "violation"
        return json.dumps(diff)

    def test_what_breaks_guests_is_never_called_harmless(self):
        """An upgrade that somebody meant keeps guests from booting; whoever reads \"harmless\" over it goes back to bed."""
        page = self.open(None)
        page.do(ANSWER, self.judged(("violation", "critical", IMPACT), ("intended", "info", IMPACT), ("exempt", "info", IMPACT),
                                    ("violation", "info", IMPACT), ("unexplained", "info", None), ("intended", "info", None)))
        for by in ("", "facet"):
            page.go(compare("web-1", by=by))
            self.assertEqual(page.all(".changes .key"), ["0x0000/r8", "0x0001/r8", "0x0002/r8"])
            self.assertIn("3 harmless changes (severity info)", page.text())

    def test_only_a_set_that_the_store_knows_is_searched_for(self):
        """\"All guests with these changes\" would list none, though the guest before one's eyes has them."""
        words = "All guests with these changes"
        self.assertIn(words, self.open(compare("web-1")).text())
        self.assertNotIn(words, self.open(compare("web-1", "db-1")).text())

    def test_a_link_to_a_set_that_is_gone_says_so(self):
        """Whoever opens last night's link would think that a filter is wrong."""
        page = self.open("#/?set=0123456789abcdef")
        self.assertIn("No guest drifts with change set 0123456789abcdef now", page.text())
        self.assertIn("none drifts with it now", page.there("document.querySelector('#filter-set').selectedOptions[0].textContent"))
        page.do("await page.getByRole('button', { name: 'Clear filters' }).last().click()")
        page.until("document.querySelectorAll('.guests tbody tr').length === 3")

    def test_all_that_is_opened_stays_within_the_window(self):
        """One long value that somebody opens would push the rest out of sight."""
        for width in (1200, 390):
            page = self.open(None, viewport={"width": width, "height": 900})
            for view in ("#/", "#/guest/" + WEB, compare("web-1", "db-1"), compare("web-1", "db-1", view="side")):
                page.go(view)
                page.unfold()
                self.assertEqual((view, page.wide()), (view, []))

    def test_on_a_phone_each_event_says_why(self):
        """Whoever was just woken has a phone: time and kind alone are no answer."""
        page = self.open("#/guest/" + WEB, viewport={"width": 390, "height": 844})
        whys = page.there("""[...document.querySelectorAll('.events .why')].filter((e) => e.textContent)
            .map((e) => { const at = e.getBoundingClientRect(); return at.left >= 0 && at.right <= innerWidth && at.height > 0 })""")
        self.assertTrue(whys)
        self.assertNotIn(False, whys)

    def test_slash_searches_from_every_view(self):
        """The page promises it below each of its views."""
        for view in ("#/guest/" + WEB, "#/diff", compare("web-1"), "#/"):
            page = self.open(view)
            page.press("/")
            page.until("document.activeElement.id === 'q'")
            self.assertEqual(page.hash(), "#/")
            page.press("d", "b")
            page.until("document.querySelectorAll('.guests tbody tr').length === 1")

    def test_each_view_says_who_is_to_blame_and_what_it_breaks(self):
        """A patch that only shows values does not say what to do."""
        diff = json.loads(self.judged(("violation", "critical", IMPACT), ("violation", "info", None)))
        diff["blames"][0]["impact"] = [IMPACT]
        page = self.open(None)
        page.do(ANSWER, json.dumps(diff))
        for view in ("", "unified", "side"):
            page.go(compare("web-1", view=view))
            for words in (diff["blames"][0]["title"], *diff["blames"][0]["because"], IMPACT):
                self.assertIn(words, page.all(".blame")[0])
        page.go(compare("web-1", view="unified", by="facet"))
        first = page.all(".patch > li")[0]
        self.assertIn(diff["blames"][0]["title"], first)
        self.assertIn(IMPACT, first)

    def test_a_guest_that_is_learned_can_be_exported(self):
        """The evidence of a guest that went wrong at its first start could not be kept."""
        page = self.open("#/guest/" + NEW)
        said = page.there("fetch(document.querySelector('.actions a[download]').href).then((r) => [r.status, r.headers.get('content-type')])")
        self.assertEqual(said, [200, "application/zstd"])

    def test_the_time_of_an_accept_is_not_that_of_a_revision(self):
        """One revision with two times is no evidence of either."""
        show = self.json("show", "web-1")
        show["guest"]["baseline"]["at"] = "2031-02-03T04:05:06Z"
        page = self.open(None)
        page.do("await page.route('**/api/v1/guests/' + args[0], (route) => route.fulfill({ body: args[1], contentType: 'application/json' }))", [WEB, json.dumps(show)])
        page.go("#/guest/" + WEB)
        made = next(r["at"] for r in show["revisions"] if r["baseline"]).replace("T", " ")[:19]
        fact, = page.there("[...document.querySelectorAll('.guest-facts > div')].filter((e) => e.firstChild.textContent === 'Baseline').map((e) => e.textContent)")
        self.assertIn("of " + made, fact)
        self.assertIn("the baseline since 2031-02-03 04:05:06Z", fact)
        self.assertIn("the baseline since 2031-02-03 04:05:06Z", page.all(".note.state .first")[0])

    def test_what_is_compared_by_keyboard_has_the_focus(self):
        """Who works by keyboard or ear would begin at the top of the page again."""
        page = self.open("#/diff")
        page.do("""await page.locator('input[name=from]').fill('web-1')
            await page.locator('input[name=to]').fill('db-1')
            await page.keyboard.press('Enter')""")
        page.until("document.querySelector('.result')")
        self.assertEqual(page.there("document.activeElement.id"), "main")

    def test_what_failed_is_told_once(self):
        """The same sentence twice reads like two faults."""
        page = self.open(None)
        page.allowed = ("404",)
        page.go(compare("nobody"))
        page.until("!window.pending && document.querySelector('.failed')")
        self.assertEqual(page.text().count("no guest is known"), 1)
        self.assertIn("The comparison cannot be shown: no guest is known", page.text().replace("\n", " "))

    def report(self):
        folder = Folder()
        self.addCleanup(folder.close)
        subprocess.run([ABIDRIFT, "export", "web-1", "-o", folder.file("e.tar.zst"), "--store", self.store], check=True, capture_output=True)
        subprocess.run(["tar", "-C", folder.path, "--zstd", "-xf", folder.file("e.tar.zst")], check=True)
        path = next(os.path.join(at, "report.html") for at, _, names in os.walk(folder.path) if "report.html" in names)
        return "file://" + path

    def test_a_report_names_each_comparison_once_and_as_people_do(self):
        """An UUID instead of \"now\", three times for the same two revisions, helps nobody to choose."""
        page = self.open(None, origin=self.report())
        page.do("await page.goto(args)", page.origin + "#/diff")
        page.ready()
        names = page.all(".held li")
        self.assertEqual(names, ["baseline → now"])
        self.assertEqual((page.axe(["wcag22aa"]), page.wide()), ([], []))

    def test_links_are_large_enough(self):
        """On a phone a thumb would follow another link than the one that was meant."""
        for view in ("#/", "#/guest/" + WEB, "#/diff", compare("web-1", "db-1")):
            page = self.open(view)
            page.unfold()
            self.assertEqual((view, page.axe(["wcag22aa"])), (view, []))
