# SPDX-License-Identifier: Apache-2.0
"""The list with 1,000 guests, replayed: all of them, by each filter exactly those that the API says, and change sets before single guests."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Server, Views, installed  # noqa: E402
from harness import Folder  # noqa: E402
from scene import GUESTS, thousand  # noqa: E402


class Many(Views):
    @classmethod
    def setUpClass(cls):
        installed()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        path = folder.file("many.db")
        thousand(folder, path)
        cls.store = "sqlite:" + path
        server = Server(cls.store)
        cls.addClassCleanup(server.stop)
        cls.origin = server.origin
        super().setUpClass()

    def shown(self, page, wanted):
        """A long list is drawn in parts."""
        page.until("document.querySelectorAll('table.guests tbody tr').length >= args", wanted)
        return page.there("[...document.querySelectorAll('table.guests tbody th a')].map((a) => decodeURIComponent(a.hash.split('/')[2]))")

    def test_every_guest_is_listed_and_each_change_set_leads_to_its_guests(self):
        """"412 guests, the same 3 changes": whoever follows that must find 412, not those that fitted on a page."""
        page = self.open("#/")
        said = self.json("ls")
        self.assertEqual(len(said["guests"]), GUESTS)
        listed = self.shown(page, GUESTS)
        self.assertEqual(sorted(listed), sorted(g["id"] for g in said["guests"]))
        for s in said["change_sets"]:
            with self.subTest(change_set=s["headline"]):
                self.assertIn(s["headline"], page.text())
                page.click(f"a[href$='set={s['id']}']")
                page.until("document.querySelector('.shown').innerText.startsWith(args)", f"{s['guests']} of")
                self.assertEqual(sorted(self.shown(page, s["guests"])), sorted(g["id"] for g in said["guests"] if g["change_set"] == s["id"]))
                page.go("#/")
        # The worst is first.
        order = ["critical", "warning", "info", "none"]
        ranks = [order.index(next(g["severity"] for g in said["guests"] if g["id"] == i)) for i in listed]
        drifting = ranks[:sum(s["guests"] for s in said["change_sets"])]
        self.assertEqual(drifting, sorted(drifting))

    def test_filters_narrow_to_what_the_api_says(self):
        guests = self.json("ls")["guests"]
        page = self.open(None)
        for where, fits in (("state=drift", lambda g: g["state"] == "drift"), ("severity=critical", lambda g: g["severity"] == "critical"),
                            ("state=learning", lambda g: g["state"] == "learning"), ("running=no", lambda g: not g["running"]),
                            ("verdict=intended", lambda g: g["verdict"] == "intended"), ("q=batch-0", lambda g: g["name"].startswith("batch-0")),
                            ("q=web&severity=warning&state=drift", lambda g: g["name"].startswith("web") and g["severity"] == "warning")):
            with self.subTest(filters=where):
                page.go("#/?" + where)
                wanted = sorted(g["id"] for g in guests if fits(g))
                self.assertTrue(wanted)
                self.assertEqual(sorted(self.shown(page, len(wanted))), wanted)
                self.assertIn(f"{len(wanted)} of {GUESTS:,} shown", page.text())

    def test_the_list_is_accessible(self):
        for kind, options in (("light", {}), ("dark", {"colorScheme": "dark"}), ("phone", {"viewport": {"width": 390, "height": 844}, "isMobile": True})):
            with self.subTest(kind=kind):
                page = self.open("#/", **options)
                self.assertEqual(page.wide(), [])
                page.do("await page.screenshot({ path: args })", page.shot_path(f"thousand-{kind}"))
                page.go("#/?q=batch-001")
                self.assertEqual(page.axe(), [])
