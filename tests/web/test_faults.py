# SPDX-License-Identifier: Apache-2.0
"""The review page where something goes wrong: addresses that somebody made up, answers that stall, fail, or leave a hole; a browser that
refuses. Guests are replayed; the page's clock is the test's."""
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Replayed  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

WEB, OTHER = "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"
AWKWARD = "guest:shop@12"
SSE4_2, ECX = 20, 2
POLLS = 20
# Answers of a server that sends its head and then nothing, as long as window.stall is set.
STALLS = """await page.addInitScript(() => {
    const fetch = window.fetch
    window.fetch = (path, how) => !window.stall ? fetch(path, how) : (window.stalled = true, Promise.resolve(new Response(
        new ReadableStream({ start: (c) => how.signal.addEventListener('abort', () => c.error(new DOMException('stopped', 'AbortError'))) }), { headers: { 'Content-Type': 'application/json' } })))
})"""
# How many listeners one signal has at most.
LISTENERS = """await page.addInitScript(() => {
    const { addEventListener, removeEventListener } = AbortSignal.prototype
    const held = new WeakMap()
    const add = (signal, n) => (held.set(signal, (held.get(signal) ?? 0) + n), window.most = Math.max(window.most ?? 0, held.get(signal)))
    AbortSignal.prototype.addEventListener = function (...a) { add(this, 1); return addEventListener.apply(this, a) }
    AbortSignal.prototype.removeEventListener = function (...a) { add(this, -1); return removeEventListener.apply(this, a) }
})"""
# The next window.refuse changes of the address are refused, as some browsers do; all are counted.
REFUSES = """await page.addInitScript(() => {
    const replaceState = history.replaceState
    window.changes = 0
    history.replaceState = function (...a) {
        if (a[2] !== undefined && window.refuse-- > 0) throw new DOMException('too often', 'SecurityError')
        // What scrolls is kept by the same call, with no address.
        if (a[2] !== undefined) window.changes++
        return replaceState.apply(this, a)
    }
})"""


def link(**params):
    return "#/diff?" + urllib.parse.urlencode({k.rstrip("_"): v for k, v in params.items()})


class Faults(Replayed):
    @classmethod
    def trace(cls):
        t = Trace()
        t.synced()
        life(t, 1, "web-01", WEB)
        t.gone(1)
        life(t, 2, "web-01", WEB, without(LEAVES, 1, ECX, SSE4_2), memory=0x7000000)
        life(t, 3, AWKWARD, OTHER)
        return t

    def asked(self, page):
        """From now on: every path that the page asks for."""
        page.do("page.askedFor = []; page.on('request', (r) => page.askedFor.push(new URL(r.url()).pathname))")
        return lambda: page.do("return page.askedFor")

    def later(self, page, seconds):
        page.do("await page.clock.runFor(args)", 1000 * seconds)

    def test_a_revision_of_a_made_up_link_leads_nowhere_else(self):
        """Somebody is sent a link that shows another guest's facts as this one's, or has the server pack an archive."""
        page = self.open(None)
        asked = self.asked(page)
        for rev in (f"../../{OTHER}", "../export", "0", "1e1", "99999999999", "-1", "1/..", "baseline"):
            with self.subTest(rev=rev):
                page.go(f"#/guest/{WEB}?" + urllib.parse.urlencode({"rev": rev}))
                self.assertIn("there is no such revision", page.text())
                self.assertNotIn("Facets", page.all("h2"))
        self.assertEqual([p for p in asked() if "export" in p or OTHER in p or "revisions" in p], [])
        page.go(f"#/guest/{WEB}?rev=1")
        self.assertIn("Facets", page.all("h2"))

    def test_an_answer_that_stalls_is_given_up_and_asked_for_again(self):
        """The page would look current for ever, and show the night's first minute."""
        page = self.open(None)
        page.do("await page.clock.install(); " + STALLS)
        page.go("#/")
        page.there("window.stall = true")
        self.later(page, 6)
        page.until("window.stalled")
        self.later(page, 70)
        page.until("/is old/.test(document.querySelector('main').innerText)")
        page.there("window.stall = false")
        self.later(page, 80)
        page.until("!/is old/.test(document.querySelector('main').innerText)")

    def test_a_page_that_is_left_open_holds_no_more_than_at_first(self):
        """A wall display polls for months."""
        page = self.open(None)
        page.do("await page.clock.install(); " + LISTENERS)
        asked = self.asked(page)
        page.go("#/")
        for n in range(POLLS):
            self.later(page, 5.5)
            page.ready()
        self.assertGreater(sum(p == "/api/v1/guests" for p in asked()), POLLS / 2)
        self.assertLess(page.there("window.most"), 5)

    def history(self, page, *answers):
        """What the server will say of the history, one after another; the last one goes on. An int: this status."""
        page.allowed += ("Failed to load resource",)
        page.do("""page.says = args; page.saidOlder = 0
            await page.route('**/api/v1/history*', (route) => {
                const older = new URL(route.request().url()).searchParams.has('before')
                const said = older ? args.older[Math.min(page.saidOlder++, args.older.length - 1)] : args.newest.length > 1 ? args.newest.shift() : args.newest[0]
                return typeof said === 'number' ? route.fulfill({ status: said, body: '{"error":"made up"}', contentType: 'application/json' }) : route.fulfill({ body: JSON.stringify(said), contentType: 'application/json' })
            })""", {"newest": answers[0], "older": answers[1]})

    @staticmethod
    def part(numbers, before=None):
        """Made-up events, one a minute: a boot at each of these."""
        events = [{"at": f"2026-02-02T{n // 60:02}:{n % 60:02}:00Z", "type": "boot", "guest": WEB, "reason": f"started number {n}", "by": None, "revision": None, "changes": None,
                   "context": None, "guests": None, "change_set": None} for n in numbers]
        return {"events": events, **({"before": before} if before else {})}

    def events(self, page):
        return [int(t.rsplit(" ", 1)[1]) for t in page.all("table.events tbody td:nth-of-type(2)")][::-1]

    def test_older_events_can_be_asked_for_again(self):
        """One answer that went wrong, and last week's drift is out of reach until the page is loaded anew."""
        page = self.open(None)
        self.history(page, [self.part(range(10, 20), "p10")], [500, self.part(range(0, 10))])
        page.go(f"#/guest/{WEB}?events=all&types=boot")
        older = "page.getByRole('button', { name: 'Older events' })"
        page.do(f"await {older}.click()")
        page.until("/older part of the history cannot be shown/.test(document.querySelector('main').innerText)")
        page.do(f"await {older}.click()")
        page.until("document.querySelectorAll('table.events tbody tr').length === 20")
        self.assertEqual(self.events(page), list(range(20)))
        self.assertNotIn("cannot be shown", page.text())

    def test_no_hole_in_the_history_after_a_long_sleep(self):
        """What happened while the tab slept would be missing, and nothing would say so."""
        page = self.open(None)
        page.do("await page.clock.install()")
        self.history(page, [self.part(range(0, 10)), self.part(range(100, 110), "p100")], [self.part(range(0, 100))])
        page.go(f"#/guest/{WEB}?events=all&types=boot")
        self.assertEqual(self.events(page), list(range(0, 10)))
        self.later(page, 6)
        page.until("/number 109/.test(document.querySelector('table.events').innerText)")
        self.assertEqual(self.events(page), list(range(100, 110)))
        self.assertIn("Older events are not loaded", page.text())
        page.do("await page.getByRole('button', { name: 'Older events' }).click()")
        page.until("document.querySelectorAll('table.events tbody tr').length === 110")
        self.assertEqual(self.events(page), list(range(110)))

    def test_what_failed_by_something_that_passes_is_tried_again(self):
        """"It is tried again while this page is open": whoever waits for that would wait in vain."""
        pinned = link(from_=f"{WEB}@1", to=f"{WEB}@2", open="text")
        for status in (503, None):
            for what in ("**/api/v1/diff*to=*", "**/*format=text*"):
                with self.subTest(status=status, what=what):
                    page = self.open(None)
                    page.allowed += ("Failed to load resource",)
                    page.do("await page.clock.install(); await page.route(args[0], (r) => args[1] ? r.fulfill({ status: args[1], body: '{\"error\":\"the store is locked\"}' }) : r.abort())", [what, status])
                    page.go(pinned)
                    page.until("document.querySelector('.failed')")
                    page.do("await page.unroute(args)", what)
                    self.later(page, 6)
                    page.until("!document.querySelector('.failed') && document.querySelector('.cli')")

    def test_what_is_typed_changes_the_address_once(self):
        """Browsers refuse a page that changes it at every key, and the last letters would be lost."""
        for where, box in ((link(from_="web-01"), "[name=q]"), (f"#/guest/{WEB}", ".facets input[type=search]"), ("#/", "#q")):
            with self.subTest(where=where):
                page = self.open(None)
                page.do("await page.clock.install(); " + REFUSES)
                page.go(where)
                page.do("await page.clock.pauseAt(Date.now() + 3600e3)")
                before = page.there("window.changes")
                page.click(box)
                page.press(*"cpuid")
                self.assertEqual(page.there("window.changes"), before)
                self.later(page, 1)
                self.assertEqual(page.there("window.changes"), before + 1)
                self.assertIn("q=cpuid", page.hash())
                page.there("window.refuse = 2")
                page.press("x")
                self.later(page, 5)
                self.assertIn("q=cpuidx", page.hash())

    def test_all_changes_again_keeps_how_they_are_looked_at(self):
        """Whoever searched in vain would be back in another view, with all folds closed."""
        page = self.open(link(from_="web-01", view="side", open="text", bits="0", q="nothing is called this", facet="cpuid", severity="critical"))
        page.do("await page.getByRole('link', { name: 'All of them' }).click()")
        page.until("document.querySelector('.patch, table')")
        params = dict(urllib.parse.parse_qsl(page.hash().partition("?")[2]))
        self.assertEqual(params, {"from": "web-01", "view": "side", "open": "text", "bits": "0"})

    def test_only_what_stays_as_it_is_is_not_asked_for_again(self):
        """A guest whose name ends as a revision does would never be seen to drift; a comparison of two revisions is asked for once."""
        for params, again in (({"from_": f"guest:{AWKWARD}", "to": f"guest:{AWKWARD}"}, True), ({"from_": f"{WEB}@1", "to": f"{WEB}@2"}, False)):
            with self.subTest(params=params):
                page = self.open(None)
                page.do("await page.clock.install()")
                page.go(link(**params))
                self.assertIn("differs" if again else "change", page.text())
                asked = self.asked(page)
                self.later(page, 12)
                page.ready()
                self.assertEqual("/api/v1/diff" in asked(), again)

    def test_a_report_names_its_comparisons_shortly(self):
        """Of a guest whose id needs `guest:` before it, each line would be the whole id twice."""
        answers = {"/api/v1/diff?" + urllib.parse.urlencode({"from": f"guest:{AWKWARD}@1", "to": f"guest:{AWKWARD}@2"}): {}}
        held = json.dumps({"guest": AWKWARD, "at": "2026-02-02T00:00:00Z", "answers": answers})
        page = self.open(None)
        page.do("""await page.route(args.origin + '/', async (route) => {
            const response = await route.fetch()
            const body = (await response.text()).replace('</head>', '<script type="application/json" id="answers">' + args.held.replace(/</g, '\\\\u003c') + '</script></head>')
            await route.fulfill({ response, body, headers: { ...response.headers(), 'content-security-policy': '' } })
        })""", {"origin": self.origin, "held": held})
        page.go("#/diff")
        self.assertEqual(page.all("main li"), ["revision 1 → revision 2"])
