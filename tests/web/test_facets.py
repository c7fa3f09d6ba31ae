# SPDX-License-Identifier: Apache-2.0
"""The facets of the largest guest, as the page draws them: held against the CLI's JSON, against QMP, and against how it was started."""
import json
import os
import re
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Views, installed  # noqa: E402
import large  # noqa: E402
from harness import Folder, Monitor, Qemu, need_qemu  # noqa: E402

GUEST = "the-largest"  # other tests have a "large" on this host
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MEMORY = 6 * GIB
# What the page's links lead to: [facet, key].
KEYS = "[...document.querySelectorAll('.facets a.key')].map((a) => { const q = new URLSearchParams(a.hash.split('?')[1]); return [q.get('facet'), q.get('key')] })"
DRAWN = """[...document.querySelectorAll('.strip')].map((s) => ({ head: s.querySelector('figcaption').innerText, width: s.querySelector('svg').getBoundingClientRect().width,
    areas: [...s.querySelectorAll('svg g')].filter((g) => g.querySelector('title')).map((g) => { const r = g.querySelector('rect'); return {
        title: g.querySelector('title').textContent, kind: r.getAttribute('class'), x: +r.getAttribute('x'), width: +r.getAttribute('width') } }) }))"""


def where(name, **params):
    return f"#/guest/{name}?" + "&".join(f"{k}={urllib.parse.quote(str(v), safe='')}" for k, v in sorted(params.items()))


class Facets(Views):
    @classmethod
    def setUpClass(cls):
        need_qemu()
        installed()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        cls.monitor = Monitor(folder, "--listen", "127.0.0.1:0")
        cls.addClassCleanup(cls.monitor.stop)
        cls.origin = cls.monitor.wait_line("listening on").split("listening on ")[1].rstrip("/")
        cls.store = cls.monitor.store
        definition = [a.replace("size=256M", f"size={MEMORY // large.NODES // MIB}M") for a in large.definition()]
        cls.guest = Qemu(folder, large.MACHINE, *definition, name=GUEST, vcpus=large.VCPUS, memory=f"{MEMORY // GIB}G")
        cls.addClassCleanup(cls.guest.stop)
        cls.monitor.settled(GUEST, seconds=300)
        super().setUpClass()

    def setUp(self):
        self.facets = {f["facet"]: f for f in self.json("show", GUEST)["facets"]}

    def go(self, page, **params):
        page.go(where(GUEST, **params))
        page.until("document.querySelector('.facets h2')")

    def test_the_page_has_the_names_that_the_cli_has(self):
        """Who looks at a card by its ids on the page, and by its name in the terminal, takes them for two."""
        with urllib.request.urlopen(self.origin + "/api/v1/guests/" + GUEST, timeout=30) as answer:
            self.assertEqual({f["facet"]: f for f in json.load(answer)["facets"]}, self.facets)

    def test_nothing_of_a_facet_is_left_out(self):
        """An entry that the page does not show is a difference that nobody finds in it."""
        page = self.open(None)
        for name, facet in self.facets.items():
            self.go(page, facet=name, fold="*")
            shown = page.there(KEYS)
            self.assertEqual({e["key"] for e in facet["entries"]} - {key for f, key in shown if f == name}, set(), name)
            text = re.sub(r"\s+", "", page.text())
            # Registers of a leaf that are 0 are named together; memory has sizes as people read them.
            told = [] if name == "memory" else [e for e in facet["entries"] if not re.fullmatch("0x0+", e["value"])]
            self.assertEqual([e for e in told if re.sub(r"\s+", "", e["value"]) not in text], [], name)

    def test_a_link_to_an_entry_leads_to_it(self):
        """Else whoever gets it sent looks for a line among hundreds, most of them folded."""
        page = self.open(None)
        for name, facet in self.facets.items():
            for entry in facet["entries"][len(facet["entries"]) // 2:][:1] + facet["entries"][-1:]:
                self.go(page, facet=name, key=entry["key"])
                page.until("document.activeElement.matches('a.key.linked')")
                self.assertEqual(page.there("new URLSearchParams(document.activeElement.hash.split('?')[1]).get('key')"), entry["key"])
                at = page.there("(({ top, bottom }) => [top, bottom, innerHeight])(document.activeElement.getBoundingClientRect())")
                self.assertTrue(0 <= at[0] <= at[1] <= at[2], (name, entry["key"], at))
        self.go(page, facet="pci", key="0000:00:1e.7/id")
        self.assertIn("This revision has no entry 0000:00:1e.7/id in pci.", page.text())

    def test_the_tree_of_pci_is_qemu_s(self):
        """A function below the wrong bridge sends people to the wrong card."""
        page = self.open(where(GUEST, facet="pci"))
        found = page.there("""[...document.querySelectorAll('h4.function')].map((h) => { const names = []
            for (let li = h.closest('li'); li; li = li.parentElement.closest('.tree > li')) names.unshift(li.querySelector('h4.function code').innerText)
            return [names.join('/'), h.innerText, h.closest('li').querySelector('.facts')?.innerText ?? ''] })""")
        qemu = self.guest.pci()
        self.assertEqual({path for path, _, _ in found}, {k.rpartition("/")[0] for k in qemu if k.endswith("/id")})
        for path, title, facts in found:
            self.assertIn(f"[{qemu[path + '/id']}]", title)
            for bar in [k for k in qemu if k.startswith(path + "/bar")]:
                size = int(re.search("size=(0x[0-9a-f]+)", qemu[bar])[1], 16)
                unit, name = (MIB, "MiB") if size % MIB == 0 else (KIB, "KiB") if size % KIB == 0 else (1, "B")
                self.assertIn(f"{bar.rpartition('/')[2]} {qemu[bar].split()[0]} {size // unit} {name}", re.sub(r"\s+", " ", facts))

    def test_the_map_is_to_scale(self):
        """A drawing whose lengths mean nothing misleads."""
        page = self.open(where(GUEST, facet="memory"))
        page.until("document.querySelectorAll('.strip svg').length > 3")
        for width in (1200, 390):
            page.do("await page.setViewportSize({ width: args, height: 800 })", width)
            page.until("[...document.querySelectorAll('.strip svg')].every((s) => s.getBoundingClientRect().width <= args && s.getBoundingClientRect().width > args / 2)", width)
            strips, end, ram = page.there(DRAWN), 0, []
            for strip in strips:
                first, last = (int(a, 16) for a in re.match(r"(0x[0-9a-f]+) – (0x[0-9a-f]+)", strip["head"]).groups())
                self.assertGreaterEqual(first, end)  # strips follow each other, none twice
                end, span = last + 1, last + 1 - first
                for area in strip["areas"]:
                    a, b = (int(x, 16) for x in re.search(r"(0x[0-9a-f]+)–(0x[0-9a-f]+)$", area["title"]).groups())
                    self.assertLessEqual(first, a)
                    self.assertLessEqual(b, last)
                    self.assertAlmostEqual(area["width"], max(3, (b + 1 - a) / span * strip["width"]), delta=1.5, msg=area)
                    self.assertAlmostEqual(area["x"], (a - first) / span * strip["width"], delta=4.5, msg=area)
                    ram += [(a, b + 1)] if area["kind"] == "area-ram" else []
            # All RAM that QEMU gives this guest lies in it, but for the holes that a PC has below 1 MiB.
            wanted = [(a, b) for a, b, kind, name in self.guest.memory() if kind == "ram" and name.startswith("m") and (b <= 0xa0000 or a >= MIB)]
            self.assertEqual([r for r in wanted if not any(a <= r[0] and r[1] <= b for a, b in ram)], [], ram)
            self.assertEqual(page.wide(), [])

    def test_distances_are_a_matrix(self):
        page = self.open(where(GUEST, facet="numa"))
        cells = page.there("[...document.querySelectorAll('.matrix tbody tr')].map((r) => [...r.querySelectorAll('td')].map((c) => c.innerText.trim()))")
        n = range(large.NODES)
        self.assertEqual(cells, [[str(10 if a == b else 20 + abs(a - b)) for b in n] for a in n])

    def test_what_is_searched_for_is_found_everywhere(self):
        page = self.open(None)
        for words in ("virtio", "1af4:1041", "mem64-pref placement", "mem64-pref", "QEMU0002", "no such thing"):
            self.go(page, q=words)
            texts = {(f, e["key"]): f"{f} {e['key']} {e['value']} {e['meaning'] or ''}".lower() for f in self.facets for e in self.facets[f]["entries"]}
            least = {k for k, text in texts.items() if all(w in text for w in words.lower().split())}
            self.assertEqual(least - {tuple(k) for k in page.there(KEYS)}, set(), words)
            self.assertEqual(bool(least), page.count(".facets a.key") > 0, words)

    def test_keys_alone_open_a_fold_and_the_link_remembers(self):
        page = self.open(where(GUEST, facet="acpi"))
        page.do("await page.locator('.facets summary', { hasText: 'fields' }).first().focus()")
        before = page.count(".facets a.key")
        page.press("Enter")
        page.until("document.querySelectorAll('.facets a.key').length > args", before)
        self.assertIn("fold=", page.hash())
        keys = page.there(KEYS)
        again = self.open(page.hash())
        self.assertEqual(again.there(KEYS), keys)

    def test_every_facet_is_for_all_readers(self):
        """Unfolded: nothing that axe finds fault with in either theme, nothing wider than a phone."""
        for scheme, width in (("light", 1200), ("dark", 390)):
            page = self.open(None, viewport={"width": width, "height": 900}, colorScheme=scheme)
            for name in self.facets:
                self.go(page, facet=name, fold="*")
                self.assertEqual(page.axe(), [], (name, scheme, width))
                self.assertEqual(page.wide(), [], (name, scheme, width))
