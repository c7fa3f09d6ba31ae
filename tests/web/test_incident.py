# SPDX-License-Identifier: Apache-2.0
"""The review page as whoever reviews an incident at night has it: a real `abidrift run`, real guests that drifted, Debian's Chromium.
What it shows is held against what the CLI prints, what QMP says of the guests, and what was done to them."""
import contextlib
import os
import re
import sqlite3
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Page, Server, Views, installed  # noqa: E402
from harness import Folder, Monitor, abidrift, need_qemu  # noqa: E402
from scene import BAD_NAME, BAD_TEXT, UUIDS, Scene, copy  # noqa: E402

WEB, DB, APP, APP2, BAD = (UUIDS[name] for name in ("web-01", "db-01", "app-01", "app-02", BAD_NAME))
FACETS = ["cpuid", "msr", "ports", "mmio", "memory", "pci", "placement", "acpi", "smbios", "numa", "firmware", "identity"]


def link(*path, **params):
    query = "&".join(f"{k}={urllib.parse.quote(str(v), safe='')}" for k, v in sorted(params.items()))
    return "#/" + "/".join(urllib.parse.quote(p, safe="") for p in path) + ("?" + query if query else "")


def views():
    """{name: link}: everything that somebody looks at."""
    found = {"guests": "#/", "guests-filtered": link(state="drift", severity="warning", sort="name"), "guests-none": link(q="there is no such guest"),
             "guest": link("guest", WEB), "guest-violation": link("guest", DB), "guest-earlier": link("guest", WEB, rev=1), "guest-hostile": link("guest", BAD),
             "guest-unknown": link("guest", "there-is-none"), "nowhere": link("no", "such", "view"), "compare": "#/diff"}
    found |= {f"facet-{f}": link("guest", WEB, facet=f) for f in FACETS}
    found |= {"facet-hostile": link("guest", BAD, facet="smbios"), "search": link("guest", WEB, q="0000:00")}
    found |= {"diff": link("diff", **{"from": WEB}), "diff-violation": link("diff", **{"from": DB}), "diff-facets": link("diff", **{"from": DB, "by": "facet"}),
              "diff-unified": link("diff", **{"from": DB, "view": "unified"}), "diff-side": link("diff", **{"from": DB, "view": "side"}),
              "diff-revisions": link("diff", **{"from": WEB + "@1", "to": WEB + "@3"}), "diff-guests": link("diff", **{"from": WEB, "to": APP}),
              "diff-same": link("diff", **{"from": BAD}), "diff-unknown": link("diff", **{"from": "there-is-none"})}
    return found


PHONE = ("guests", "guests-none", "guest", "guest-earlier", "guest-hostile", "facet-cpuid", "facet-memory", "facet-pci", "facet-acpi", "facet-smbios", "facet-numa",
         "search", "diff", "diff-violation", "diff-side", "compare")
LINKED = ("guests-filtered", "guest", "guest-earlier", "facet-pci", "facet-hostile", "search", "diff-facets", "diff-side", "diff-revisions")


class Incident(Views):
    @classmethod
    def setUpClass(cls):
        need_qemu()
        installed()
        cls.begin()
        super().setUpClass()

    @classmethod
    def begin(cls):
        folder = Folder()
        cls.addClassCleanup(folder.close)
        cls.monitor = Monitor(folder, "--listen", "127.0.0.1:0")
        cls.addClassCleanup(cls.monitor.stop)
        cls.live = cls.monitor.wait_line("listening on").split("listening on ")[1].rstrip("/")
        cls.scene = Scene(folder, cls.monitor)
        cls.addClassCleanup(cls.scene.close)
        cls.scene.play()
        cls.pci = cls.scene.guests["web-01"].pci()
        cls.freeze(folder, folder.file("state/abidrift.db"))

    @classmethod
    def freeze(cls, folder, path):
        """What the monitor wrote, as it is at this moment: guests that run are seen more of all the time. Its heartbeat is one to come."""
        frozen = folder.file("frozen.db")
        copy(path, frozen)
        with contextlib.closing(sqlite3.connect(frozen)) as c, c:
            c.execute("UPDATE statuses SET at = 2000000000000000000")
        cls.store = "sqlite:" + frozen
        server = Server(cls.store)
        cls.addClassCleanup(server.stop)
        cls.origin = server.origin

    def each(self, names=None, **options):
        """(name, a page that shows it) of every view."""
        page = self.open(None, **options)
        page.allowed = ("404 (Not Found)",)
        for name, where in views().items():
            if names is None or name in names:
                page.go(where)
                yield name, page

    # ---- every view

    def look(self, kind, names=None, rules=None, shots=True, **options):
        for name, page in self.each(names, **options):
            page.unfold()
            with self.subTest(view=name):
                if shots:
                    page.shot(f"{name}-{kind}")
                self.assertEqual(page.axe(rules), [])
                self.assertEqual(page.wide(), [])
                self.assertEqual(page.faults(), [])

    def test_views_are_accessible_by_day(self):
        """Those that the phone below does not show: light too, and by the same rules. Who hears the page, or reads it with keys alone, would miss what axe finds; nothing may be cut by the window's edge."""
        self.look("light", set(views()) - set(PHONE), colorScheme="light")

    def test_every_view_can_be_read_by_night(self):
        """The page is dark where the system of its reader is; grey on black that hardly differs is read as nothing there."""
        self.look("dark", rules=["color-contrast", "link-in-text-block"], shots=False, colorScheme="dark")

    def test_views_are_accessible_on_a_phone(self):
        """Whoever is called out has this first; what is beside its window is not found."""
        self.look("phone", PHONE, viewport={"width": 390, "height": 844}, isMobile=True, hasTouch=True)

    def test_the_page_needs_neither_colours_nor_motion(self):
        """With the colours of the reader's own system every state is still said in words, and every control is there."""
        page = self.open("#/", forcedColors="active", reducedMotion="reduce")
        states = page.all("main .tag")
        self.assertTrue(states and all(re.search("[a-z]{4}", s) for s in states), states)
        self.assertEqual(page.there("document.getAnimations().length"), 0)

    def test_a_link_shows_somebody_else_the_same(self):
        """A link is evidence: in a browser that has seen nothing else it shows, letter by letter, what it showed to whoever copied it."""
        first = self.open(None)
        first.allowed = ("404 (Not Found)",)
        # Where a drawing reaches until now, now is the same for both.
        moment = first.do("const now = Date.now(); await page.clock.setFixedTime(now); return now")
        for name, where in views().items():
            if name not in LINKED:
                continue
            with self.subTest(view=name):
                first.go(where)
                second = Page(self.browser, self.origin)
                try:
                    second.do("await page.clock.setFixedTime(args)", moment)
                    second.do("await page.goto(args)", first.there("location.href"))
                    second.ready()
                    self.assertEqual(second.text(), first.text())
                    self.assertEqual(second.hash(), first.hash())
                finally:
                    second.close()

    # ---- what guests say of themselves

    def test_what_guests_call_themselves_is_text(self):
        """A guest could else run its own script in the browser of whoever looks at it."""
        for name, page in self.each(("guests", "guest-hostile", "facet-hostile", "diff-same", "facet-identity")):
            page.unfold()
            with self.subTest(view=name):
                self.assertEqual(page.there("[...document.querySelectorAll('img, script:not([src]), iframe, object, [onerror]')].map((e) => e.outerHTML)"), [])
                self.assertEqual(page.count("main b > *"), 0)
                if name != "facet-identity":
                    self.assertIn(BAD_NAME, page.text())
                if name == "facet-hostile":
                    self.assertIn(BAD_TEXT, page.text())

    # ---- moving about

    def test_back_and_forward_lead_where_one_was(self):
        page = self.open("#/")
        texts = [page.text()]
        page.click(f"main a[href*='{WEB}']:has-text('web-01')")
        page.ready()
        self.assertIn(WEB, page.hash())
        texts.append(page.there("document.querySelector('h1').innerText"))
        page.do("await page.goBack()")
        page.ready()
        self.assertEqual(page.text(), texts[0])
        page.do("await page.goForward()")
        page.ready()
        self.assertEqual(page.there("document.querySelector('h1').innerText"), texts[1])

    def test_keys_alone_lead_from_the_list_to_the_command(self):
        """At 3 a.m. over a remote console there may be no mouse: find the guest, read the cause, copy the command."""
        page = self.open("#/")
        page.press("Tab", "Enter")
        self.assertEqual(page.there("document.activeElement.id"), "main", "the skip link leads to the content")

        def tab(wanted, most=150):
            for _ in range(most):
                page.press("Tab")
                if page.there(f"(() => {{ const e = document.activeElement; return {wanted} }})()"):
                    return
            self.fail(f"no Tab leads to {wanted}")
        tab("e.matches('th a, li a') && e.textContent.includes('db-01') && e.hash.startsWith('#/guest/')")
        page.press("Enter")
        page.ready()
        self.assertIn("db-01", page.there("document.querySelector('h1').innerText"))
        tab("e.matches('main a') && e.hash.startsWith('#/diff')")
        page.press("Enter")
        page.ready()
        if DB not in urllib.parse.unquote(page.hash()):
            self.fail(page.hash())
        page.go(link("diff", **{"from": DB}))
        blame = self.json("diff", "db-01")["blames"][0]
        self.assertIn(blame["title"], page.text())
        tab("e.matches('button') && /Copy: the command that accepts for this guest/.test(e.getAttribute('aria-label') ?? '')", 300)
        # What has the focus can be seen to have it.
        self.assertNotEqual(page.there("getComputedStyle(document.activeElement).outlineStyle"), "none")
        page.press("Enter")
        page.until("[...document.querySelectorAll('[role=status]')].some((e) => e.textContent === 'Copied')")
        self.assertEqual(page.copied(), self.json("diff", "db-01")["accept"]["guest"])

    # ---- the same as the CLI says

    def test_what_is_copied_is_what_the_cli_prints(self):
        """What is pasted into the ticket is then what a colleague gets who types the command."""
        for sides in (("web-01",), ("db-01",), ("web-01@1", "web-01@3")):
            page = self.open(link("diff", **dict(zip(("from", "to"), sides))))
            page.click("button[aria-label^='Copy as text']")
            page.until("[...document.querySelectorAll('[role=status]')].some((e) => e.textContent === 'Copied')")
            self.assertEqual(page.copied(), self.run_cli("diff", *sides, "--color", "never"))

    def test_a_pinned_link_names_both_revisions(self):
        """A link to "now" shows something else tomorrow."""
        page = self.open(link("diff", **{"from": DB}))
        diff = self.json("diff", "db-01")
        page.click("main a:has-text('Link to exactly this')")
        page.ready()
        self.assertEqual(page.hash(), link("diff", **{"from": f"{DB}@{diff['from']['revision']}", "to": f"{DB}@{diff['to']['revision']}"}))
        for c in diff["blames"]:
            self.assertIn(c["title"], page.text())

    def test_every_blame_and_impact_is_there(self):
        page = self.open(link("diff", **{"from": DB}))
        diff = self.json("diff", "db-01")
        text = page.text()
        for blame in diff["blames"]:
            for words in (blame["title"], *blame["because"], *blame["impact"]):
                self.assertIn(words, text)
        page.go(link("diff", **{"from": DB, "view": "unified"}))
        text = page.text()
        self.assertEqual([c["key"] for c in diff["changes"] if c["suppressed_by"] is None and c["key"] not in text], [])

    def test_bits_are_those_of_the_registers(self):
        """One bit beside its place is the wrong CPU feature."""
        page = self.open(link("diff", bits=1, **{"from": WEB}))
        changes = [c for c in self.json("diff", "web-01")["changes"] if c["facet"] == "cpuid"]
        self.assertTrue(changes)
        rows = page.there("""[...document.querySelectorAll('.bit-block')].map((b) => [...b.querySelectorAll('.bit-row')].map((r) => [...r.children].map((s) => s.textContent)))""")
        for change in changes:
            at = changes.index(change) * 4
            for side, row in (("from", 1), ("to", 3)):
                word = "".join("".join(b[row]) for b in rows[at:at + 4])
                self.assertEqual(f"0x{int(word, 2):08x}", change[side], rows[at:at + 4])
            differ = int(change["from"], 16) ^ int(change["to"], 16)
            marked = [int(n) for b in rows[at:at + 4] for n, sign in zip(b[0], b[2]) if sign]
            self.assertEqual(sorted(marked), [n for n in range(32) if differ >> n & 1])
            for f in change["fields"]:
                self.assertIn(f["name"], page.text())

    def test_the_timeline_is_to_scale(self):
        """Two marks an hour apart stand twice as far apart as two half an hour apart, or a sequence is read that never was."""
        events = [e["at"] for e in self.json("history", WEB)["events"] if e["guest"]]
        page = self.open(link("guest", WEB, since=min(events), until=max(events)))
        marks = page.there("""[...document.querySelectorAll('.timeline svg .lane a.mark:not(.heap)')].map((a) => [a.getAttribute('aria-label').slice(0, 24), a.parentNode.transform.baseVal[0].matrix.e])""")
        self.assertGreater(len(marks), 4)
        ms = page.there("args.map(([at]) => Date.parse(at.replace(/[^0-9TZ:.-].*/, '')))", marks)
        (_, x0), (_, x1) = min(marks, key=lambda m: m[1]), max(marks, key=lambda m: m[1])
        t0, t1 = min(ms), max(ms)
        for (at, x), t in zip(marks, ms):
            self.assertAlmostEqual(x, x0 + (t - t0) / (t1 - t0) * (x1 - x0), delta=1.0, msg=at)
        told = {e["at"] for e in self.json("history", WEB)["events"]} | {a["at"] for a in self.json("alert", "list", WEB)["alerts"]}
        self.assertEqual({at for at, _ in marks} - {t[:24] for t in told}, set())

    def test_the_memory_map_is_to_scale(self):
        page = self.open(link("guest", WEB, facet="memory"))
        drawn = page.there("""[...document.querySelectorAll('figure.strip')].map((f) => [f.querySelector('figcaption code').textContent, +f.querySelector('svg').getAttribute('width'),
            [...f.querySelectorAll('svg g')].filter((g) => g.querySelector('rect')).map((g) => [g.querySelector('title').textContent, +g.querySelector('rect').getAttribute('x'), +g.querySelector('rect').getAttribute('width')])])""")
        number = lambda text: int(re.sub("[^0-9a-fx]", "", text), 16)
        kept = 0
        for caption, width, areas in drawn:
            begin, last = (number(n) for n in re.split(" – |–", caption))
            for title, x, w in areas:
                a, b = (number(n) for n in title.rsplit(", ", 1)[1].split("–"))
                self.assertAlmostEqual(w, max(3, (b - a + 1) / (last - begin + 1) * width), delta=0.5, msg=title)
                self.assertAlmostEqual(x, min((a - begin) / (last - begin + 1) * width, width - w), delta=0.5, msg=title)
                kept += 1
        self.assertGreater(kept, 8)
        ram = {e["key"] for f in self.json("show", WEB)["facets"] if f["facet"] == "memory" for e in f["entries"] if e["value"].endswith("ram")}
        begins = {number(t.rsplit(", ", 1)[1].split("–")[0]) for _, _, areas in drawn for t, _, _ in areas}
        self.assertEqual([k for k in ram if int(k, 16) not in begins], [])

    def test_the_pci_tree_is_that_of_qemu(self):
        """What QMP says of the machine: every function at its place, below the bridge that it hangs on."""
        page = self.open(link("guest", WEB, facet="pci"))
        shown = page.there("""[...document.querySelectorAll('h4.function')].map((h) => {
            const path = []
            for (let e = h.closest('li'); e; e = e.parentElement.closest('li')) path.unshift(e.querySelector('h4.function').querySelector('code').textContent)
            return [path.join('/'), h.innerText] })""")
        expected = {k[:-3]: v for k, v in self.pci.items() if k.endswith("/id")}
        self.assertEqual({path for path, _ in shown}, set(expected))

    def test_numa_distances_are_those_of_the_guest(self):
        page = self.open(link("guest", WEB, facet="numa"))
        table = page.there("[...document.querySelectorAll('.facets table')].map((t) => [...t.rows].map((r) => [...r.cells].map((c) => c.innerText.trim())))")
        grid = [t for t in table if any("21" in row for row in t)]
        self.assertTrue(grid, table)
        self.assertEqual([[c for c in row if c in ("10", "21")] for row in grid[0] if {"10", "21"} & set(row)], [["10", "21"], ["21", "10"]])

    # ---- filters

    def rows(self, page):
        return page.there("[...document.querySelectorAll('table.guests tbody th a')].map((a) => decodeURIComponent(a.hash.split('/')[2]))")

    def test_every_filter_shows_what_the_api_says_and_nothing_else(self):
        page = self.open("#/")
        guests = self.json("ls")["guests"]
        self.assertEqual(sorted(self.rows(page)), sorted(g["id"] for g in guests))
        sets = sorted({g["change_set"] for g in guests if g["change_set"]})
        for param, value, fits in [("state", s, lambda g, s=s: g["state"] == s) for s in sorted({g["state"] for g in guests})] + \
                [("severity", s, lambda g, s=s: g["severity"] == s) for s in sorted({g["severity"] for g in guests})] + \
                [("verdict", s, lambda g, s=s: g["verdict"] == s) for s in sorted({g["verdict"] for g in guests if g["verdict"]})] + \
                [("machine", s, lambda g, s=s: g["machine"] == s) for s in sorted({g["machine"] for g in guests if g["machine"]})] + \
                [("running", s, lambda g, s=s: g["running"] == (s == "yes")) for s in sorted({"yes" if g["running"] else "no" for g in guests})] + \
                [("set", s, lambda g, s=s: g["change_set"] == s) for s in sets]:
            with self.subTest(filter=param, value=value):
                page.do("await page.locator('#filter-' + args[0]).selectOption(args[1])", [param, value])
                page.until("location.hash.includes(args)", f"{param}=")
                page.until("document.querySelectorAll('table.guests tbody tr').length === args", sum(1 for g in guests if fits(g)))
                self.assertEqual(sorted(self.rows(page)), sorted(g["id"] for g in guests if fits(g)))
                page.click("button:has-text('Clear filters')")
                page.until("document.querySelectorAll('table.guests tbody tr').length === args", len(guests))

    def test_search_and_order(self):
        page = self.open("#/")
        page.press("/")
        page.do("await page.keyboard.type('app-0')")
        page.until("document.querySelectorAll('table.guests tbody tr').length === 2")
        page.until("location.hash.includes('q=app-0')")
        page.do("await page.keyboard.press('Control+a'); await page.keyboard.press('Delete')")
        page.click("table.guests th button:has-text('Guest')")
        page.until("location.hash.includes('sort=name')")
        names = page.all("table.guests tbody th a")
        guests = self.json("ls")["guests"]
        self.assertEqual(len(names), len(guests))
        self.assertEqual(names, sorted(names, key=lambda n: page.there("args.toLowerCase()", n)) if all(n[0].isalpha() for n in names) else names)
        page.click("table.guests th button:has-text('Guest')")
        page.until("location.hash.includes('sort=-name')")
        self.assertEqual(page.all("table.guests tbody th a"), names[::-1])

    # ---- what goes wrong

    def test_what_is_asked_for_and_is_not_there_is_said(self):
        for where, words in ((link("guest", "there-is-none"), "there-is-none"), (link("diff", **{"from": "there-is-none"}), "there-is-none"), ("#/no/such/view", "No such view"),
                             (link("guest", WEB, rev=99), "99")):
            page = self.open(None)
            page.allowed = ("404 (Not Found)",)
            page.go(where)
            self.assertIn(words, page.text())
            self.assertEqual(page.count("h1"), 1)

    def test_a_server_that_goes_away_is_said_and_what_was_shown_stays(self):
        server = Server(self.store)
        try:
            page = self.open("#/", origin=server.origin)
            page.allowed = ("ERR_CONNECTION_REFUSED",)
            self.assertIn("web-01", page.text())
        finally:
            server.stop()
        page.until("document.querySelector('main [role=alert]')?.innerText.includes('does not answer')")
        self.assertIn("web-01", page.text())

    def test_a_browser_with_the_token_sees_what_others_do_not(self):
        """A token in the page's script would be anybody's who gets at the page."""
        folder = Folder()
        self.addCleanup(folder.close)
        path = folder.file("token")
        with open(path, "w") as f:
            f.write("0123456789abcdef0123456789abcdef\n")
        os.chmod(path, 0o600)
        server = Server(self.store, "--set", f"serve.token_file={path}")
        self.addCleanup(server.stop)
        page = self.open("#/", origin=server.origin, httpCredentials={"username": "anybody", "password": "0123456789abcdef0123456789abcdef"})
        page.allowed = ("401",)
        self.assertIn("web-01", page.text())
        stranger = self.open(None, origin=server.origin)
        self.assertEqual(stranger.do("return Promise.all(['/', '/api/v1/guests'].map(async (p) => (await page.request.get(args + p)).status()))", server.origin), [401, 401])

    # ---- handing it on

    def test_the_button_gives_the_archive_of_the_cli_and_its_report_opens_alone(self):
        """What is handed on is read where there is neither this server nor a network."""
        import subprocess
        import tarfile
        folder = Folder()
        self.addCleanup(folder.close)
        got, file = folder.file("got.tar.zst"), folder.file("cli.tar.zst")
        page = self.open(link("guest", BAD))
        page.do("const [d] = await Promise.all([page.waitForEvent('download'), page.locator('a[download]').first().click()]); await d.saveAs(args)", got)
        abidrift("export", BAD, "-o", file, store=self.store)
        with open(got, "rb") as a, open(file, "rb") as b:
            self.assertEqual(a.read(), b.read())
        subprocess.run(["zstd", "-dq", got, "-o", folder.file("got.tar")], check=True)
        with tarfile.open(folder.file("got.tar")) as tar:
            report = next(m for m in tar.getmembers() if m.name.endswith("report.html"))
            with open(folder.file("report.html"), "wb") as f:
                f.write(tar.extractfile(report).read())
        alone = self.open(None, origin="file://" + folder.file("report.html"), offline=True)
        alone.do("await page.goto(args)", alone.origin)
        alone.ready()
        self.assertIn(BAD_NAME, alone.text())
        self.assertEqual(alone.count("img, iframe, object, [onerror]"), 0)
        alone.shot("report-light")
        self.assertEqual(alone.axe(), [])
        for facet in ("smbios", "cpuid"):
            alone.do("await page.evaluate((args) => { location.hash = args })", link("guest", BAD, facet=facet))
            alone.ready()
        self.assertNotIn("cannot be shown", alone.text())

    # ---- while it happens

    def test_a_drift_shows_itself_and_takes_no_focus(self):
        """Whoever waits before the page sees it without a reload, and what is being typed stays."""
        if not self.monitor:
            self.skipTest("there is no monitor")
        page = self.open("#/", origin=self.live)
        page.allowed = ("503",)
        page.press("/")
        page.do("await page.keyboard.type('app-0')")
        page.until("document.querySelectorAll('table.guests tbody tr').length === 2")
        abidrift("accept", "app-01", "--reason", "as it should be", store=self.monitor.store)
        page.until("[...document.querySelectorAll('table.guests tbody tr')].some((r) => /app-01/.test(r.innerText) && /\\bsame\\b/.test(r.innerText))")
        self.assertEqual(page.there("[document.activeElement.id, document.activeElement.value]"), ["q", "app-0"])
