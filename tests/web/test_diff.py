# SPDX-License-Identifier: Apache-2.0
"""The comparison of the review page: that it says what the CLI says, for guests of replayed traces; and that it stays usable with
thousands of changes and with what hostile guests call things."""
import json
import os
import re
import struct
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Replayed, Server  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

WEB, OTHER = "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"
BACK = "33333333-2222-3333-4444-555555555555"
SSE4_2, ECX = 20, 2
MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff)}
KNOWN = ("--set", "suppress.known.facet=cpuid", "--set", "suppress.known.reason=ticket 4711")
MANY = 2000
MANY_FACET = "ports"
LONG = "<img src=x onerror=alert(1)>\u202e" + "A" * 65536
ANSWER = "await page.route('**/api/v1/diff*', (route) => route.fulfill({ body: args, contentType: 'application/json' }))"


def link(**params):
    return "#/diff?" + urllib.parse.urlencode({k.rstrip("_"): v for k, v in params.items()})


def plain(text):
    """Without what only those hear who do not see the arrow."""
    return " ".join(word for word in text.split() if word != "then")


def spelt(brand, hypervisor):
    """Leaves that spell these names."""
    words = struct.unpack("<8I", brand.encode().ljust(32, b"\0"))
    return {**LEAVES, (0x40000000, 0): (0x40000001 + len(hypervisor), *struct.unpack("<3I", hypervisor.encode().ljust(12, b"\0"))),
            (0x80000000, 0): (0x80000008, 0, 0, 0), (0x80000002, 0): words[:4], (0x80000003, 0): words[4:]}


class Names(Replayed):
    @classmethod
    def trace(cls):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", WEB, spelt("AMD EPYC Processor", "KVMKVMKVM"))
        t.gone(1)
        life(t, 2, "web-1", WEB, spelt("AMD EPYC-Rome Processor", "TCGTCGTCGTCG"))
        life(t, 3, "db-1", OTHER, version="7.2.22")
        life(t, 4, "db-1", OTHER, version="10.0.13", args=("-incoming", "tcp:0:4444"))
        t.gone(3)
        life(t, 5, "back-1", BACK)
        life(t, 6, "back-1", BACK, args=("-incoming", "tcp:0:4444"))
        t.gone(6)
        t.tick(4)
        return t

    def test_a_guest_that_moved_is_drawn_as_one_that_runs(self):
        """Its time would end on the page with the VM that it left, and who looks takes it for stopped."""
        for guest, spans in ((OTHER, 2), (BACK, 3)):
            page = self.open("#/guest/" + guest)
            self.assertEqual(page.there("[...document.querySelectorAll('.span.boot')].map((s) => s.classList.contains('open'))"),
                             [False] * (spans - 1) + [True])

    def test_a_guest_that_moved_says_what_its_next_boot_changes(self):
        """\"Nothing differs\" alone is no answer for who has to reset it tonight."""
        page = self.open(link(from_="db-1"))
        self.assertIn("came along from QEMU 7.2.22: QEMU 10.0.13 writes its own tables at the next reset", page.text())
        page.go("#/guest/" + OTHER)
        self.assertIn("migrated in: QEMU 7.2.22 → 10.0.13", page.text())

    def test_a_name_that_cpuid_spells_is_told_whole(self):
        """Nobody reads a CPU's name out of six rows of four characters each; and what page and program call it must be the same."""
        page = self.open(link(from_="web-1"))
        self.assertEqual(page.all(".changes .key"), ["0x40000000.0", "0x80000002-4"])
        hypervisor, brand = (plain(text) for text in page.all(".changes .said-of"))
        self.assertTrue(brand.startswith('brand "AMD EPYC Processor" → "AMD EPYC-Rome Processor"'), brand)
        self.assertIn('hypervisor "KVMKVMKVM" → "TCGTCGTCGTCG"', hypervisor)
        page.unfold()
        self.assertIn("max_hypervisor_leaf 0x4000000a → 0x4000000d", plain(page.text()))
        printed = " ".join(self.run_cli("diff", "web-1", "--color", "never").split())
        self.assertIn('0x80000002-4 changed brand "AMD EPYC Processor" → "AMD EPYC-Rome Processor"', printed)
        self.assertIn('hypervisor "KVMKVMKVM" → "TCGTCGTCGTCG"', printed)
        self.assertIn("0x4000000a → 0x4000000d", printed)


class Comparison(Replayed):
    @classmethod
    def trace(cls):
        t = Trace()
        t.synced()
        life(t, 1, "web-1", WEB, MORE)
        t.gone(1)
        life(t, 2, "web-1", WEB, without(MORE, 1, ECX, SSE4_2), args=("-cpu", "qemu64,-sse4.2"))
        life(t, 3, "db-1", OTHER, {**without(MORE, 1, ECX, SSE4_2), (7, 0): (0, 0x20, 0, 0)}, memory=0x7000000)
        return t

    def params(self, page):
        return dict(urllib.parse.parse_qsl(page.hash().partition("?")[2]))

    def test_what_is_copied_is_what_the_program_prints(self):
        """A ticket would hold something else than what the next one sees on the host."""
        for params, words in (({"from_": "web-1"}, ("web-1",)), ({"from_": "web-1@1", "to": "db-1"}, ("web-1@1", "db-1"))):
            page = self.open(link(**params, open="text"))
            page.until("document.querySelector('.cli')")
            page.click("button[aria-label^='Copy as text']")
            page.until("document.querySelector('.tools .said:last-child').textContent === 'Copied'")
            printed = self.run_cli("diff", *words, "--color", "never")
            self.assertEqual(page.copied(), printed)
            self.assertEqual(page.there("document.querySelector('.cli').textContent"), printed)

    def test_a_register_is_drawn_bit_by_bit(self):
        """Somebody would read another bit off than the one that the guest lost."""
        change, = self.json("diff", "web-1")["changes"]
        page = self.open(link(from_="web-1"))
        rows = page.there("[...document.querySelectorAll('.bits .bit-row:not(.bit-numbers):not(.bit-signs)')].map((r) => r.textContent)")
        before, after = "".join(rows[0::2]), "".join(rows[1::2])
        self.assertEqual((int(before, 2), int(after, 2)), (int(change["from"], 16), int(change["to"], 16)))
        self.assertEqual((len(before), len(after)), (32, 32))
        numbers = " ".join(page.there("[...document.querySelectorAll('.bit-numbers .bit')].map((b) => b.textContent)"))
        self.assertEqual(numbers, " ".join(str(n) for n in range(31, -1, -1)))
        self.assertEqual(page.all(".bit-numbers .marked"), [str(SSE4_2)])
        self.assertEqual("".join(page.all(".bit-signs .bit")), "−")
        said = page.there("document.querySelector('.bits').getAttribute('aria-label')")
        self.assertIn(f"bit {SSE4_2}: 1 → 0", said)
        self.assertIn(change["fields"][0]["name"], said)

    def test_who_is_to_blame_is_in_the_words_of_the_program(self):
        """The page would accuse another than the alert did."""
        diff = self.json("diff", "web-1", "db-1")
        page = self.open(link(from_="web-1", to="db-1"))
        heads = page.all(".blame > h2")
        self.assertEqual(len(heads), len(diff["blames"]))
        for head, blame in zip(heads, diff["blames"]):
            self.assertIn(blame["title"], head)
            self.assertIn(f"{blame['verdict']}, {blame['severity']}", head)
            self.assertRegex(head, rf"\b{len(blame['changes'])} change")
        counted = page.all(".result strong")[0]
        self.assertEqual(counted, f"{len(diff['changes'])} changes")

    def test_a_link_that_is_kept_names_revisions(self):
        """\"Now\" is another tomorrow; a link in a ticket would show something else."""
        page = self.open(link(from_="web-1"))
        heading = page.all("h1")
        page.do("await page.getByRole('link', { name: 'Link to exactly this' }).click()")
        page.until("location.hash.includes('to=')")
        page.ready()
        self.assertEqual(self.params(page), {"from": WEB + "@1", "to": WEB + "@2"})
        self.assertEqual(page.all("h1"), heading)
        self.assertNotIn("Link to exactly this", page.text())

    def test_sides_are_chosen_swapped_and_told(self):
        """Nobody could compare two guests without knowing how links are written."""
        page = self.open("#/diff")
        page.do("""await page.locator('input[name=from]').fill('web-1')
            await page.locator('select[name=from-at] option[value="1"]').waitFor({ state: 'attached' })
            await page.locator('select[name=from-at]').selectOption('1')
            await page.locator('input[name=to]').fill('db-1')
            await page.keyboard.press('Enter')""")
        page.until("document.querySelector('.result')")
        self.assertEqual(self.params(page), {"from": "web-1@1", "to": "db-1"})
        lost, gained = page.count(".changes .sign-lost"), page.count(".changes .sign-gained")
        page.do("await page.getByRole('link', { name: 'Swap' }).click()")
        page.until("document.querySelector('h1')?.textContent.startsWith('db-1')")
        self.assertEqual(self.params(page), {"from": "db-1", "to": "web-1@1"})
        self.assertEqual((page.count(".changes .sign-lost"), page.count(".changes .sign-gained")), (gained, lost))
        self.assertTrue(lost + gained, "nothing to swap")

    def test_what_rules_hide_is_counted_and_can_be_opened(self):
        """A rule that hides too much would never be found."""
        server = Server(self.store, *KNOWN)
        self.addCleanup(server.stop)
        page = self.open(link(from_="web-1"), origin=server.origin)
        self.assertIn("Nothing differs that counts.", page.text())
        self.assertEqual(page.count(".change"), 0)
        page.do("await page.getByText('1 change suppressed').click()")
        page.until("document.querySelector('.change')")
        self.assertIn("ticket 4711", page.text())
        self.assertEqual(self.params(page)["open"], "suppressed")

    def test_each_view_tells_of_every_change(self):
        """A change that one of the views leaves out is one that nobody sees."""
        diff = self.json("diff", "web-1", "db-1")
        for view in ("unified", "side"):
            page = self.open(link(from_="web-1", to="db-1", view=view))
            self.assertEqual(sorted(page.all(".patch-key > code")), sorted(c["key"] for c in diff["changes"]))
            self.assertEqual((page.axe(), page.wide()), ([], []))

    def mocked(self):
        """A diff as the API gives it, with thousands of changes and a guest that calls itself something endless."""
        diff = self.json("diff", "web-1")
        model = diff["changes"][0]
        changes = [{**model, "facet": MANY_FACET, "key": f"0x{n:04x}/r8", "change": "changed", "from": "absent", "to": "answered", "fields": []} for n in range(MANY)]
        changes[0].update({"key": LONG, "from": LONG, "meaning": LONG})
        diff["from"]["guest"]["name"] = diff["to"]["guest"]["name"] = LONG
        diff["blames"][0]["changes"] = list(range(MANY))
        return json.dumps({**diff, "changes": changes})

    def test_thousands_of_changes_and_endless_names_stay_usable(self):
        """The browser would stand still on the one comparison that matters, or a guest's name would push all else out of sight."""
        for width in (1280, 390):
            page = self.open(None, viewport={"width": width, "height": 900})
            page.do(ANSWER, self.mocked())
            page.go(link(from_="web-1"))
            page.until("document.querySelectorAll('.change').length > 50")
            self.assertLess(page.count(".change"), 500)
            self.assertEqual((page.wide(), page.count("main img")), ([], 0))
            page.do("await page.getByRole('button', { name: /^Show all/ }).click()")
            page.until("document.querySelectorAll('.change').length === args", MANY)
            self.assertIn("b0all", self.params(page)["open"])
            # All of the long value is there, where somebody asks for it.
            page.click(".change .more")
            page.until("document.querySelector('.details dd .whole')")
            self.assertIn("A" * 65536, page.there("document.querySelector('.details').textContent"))
            self.assertEqual(page.wide(), [])

    def test_filters_narrow_by_what_they_count(self):
        """Who looks for one facet among many would miss some of it."""
        diff = self.json("diff", "web-1", "db-1")
        page = self.open(link(from_="web-1", to="db-1", view="unified"))
        for value, words in page.there("[...document.querySelectorAll('select[name=facet] option')].map((o) => [o.value, o.textContent])"):
            keys = [c["key"] for c in diff["changes"] if value in ("", c["facet"])]
            self.assertEqual(int(re.search(r"\((\d+)\)", words)[1]), len(keys))
            page.do("await page.locator('select[name=facet]').selectOption(args)", value)
            page.until("document.querySelectorAll('.patch-key').length === args", len(keys))
            self.assertEqual(sorted(page.all(".patch-key > code")), sorted(keys))
