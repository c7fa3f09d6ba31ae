# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the page, and guests that look like one another: a store that is locked, damaged or written by nobody any more,
names and UUIDs that two VMs have, and the filters that other tests have no guests for."""
import contextlib
import os
import sqlite3
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Server, Views, installed  # noqa: E402
from harness import Folder, Monitor, Qemu, abidrift, need_qemu  # noqa: E402
from scene import MORE, copy, ident  # noqa: E402
from traces import Trace, life  # noqa: E402

FIT = ("-cpu", "qemu64", "-machine", "pc-q35-7.2")
LOOSE = ("-cpu", "host", "-machine", "q35")


class States(Views):
    """Two hosts, one store: two VMs with one UUID, two with one name, one of another QEMU, one that no other host can run."""
    @classmethod
    def setUpClass(cls):
        installed()
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)
        cls.file = cls.folder.file("s.db")
        cls.store = "sqlite:" + cls.file
        hosts = {"host-1": (("twin", ident(1), "7.2", FIT), ("twin", ident(1), "7.2", FIT), ("name", ident(2), "7.2", FIT), ("name", ident(3), "10.0", LOOSE)),
                 "host-2": (("far", ident(4), "10.0", FIT),)}
        for host, guests in hosts.items():
            t = Trace(host)
            t.synced()
            for vm, (name, uuid, version, args) in enumerate(guests, 1):
                life(t, vm, name, uuid, MORE, version=version, args=args)
            abidrift("replay", t.write(cls.folder.file(host)), "--set", "monitor.settle=1s", store=cls.store, ok=(0, 1, 3))
        server = Server(cls.store)
        cls.addClassCleanup(server.stop)
        cls.origin = server.origin
        super().setUpClass()

    def copied_store(self):
        """A store of its own to break, in one file that whoever writes it locks against readers."""
        path = self.folder.file(self.id().rsplit(".", 1)[1] + ".db")
        copy(self.file, path)
        server = Server("sqlite:" + path)
        self.addCleanup(server.stop)
        return path, server

    def rows(self, page):
        return page.there("[...document.querySelectorAll('table.guests tbody th a')].map((a) => decodeURIComponent(a.hash.split('/')[2]))")

    def test_filters_by_place_and_promise_show_what_the_api_says(self):
        """"All on this host", "all with this QEMU": whoever upgrades or drains it must not miss one."""
        page = self.open("#/")
        guests = self.json("ls")["guests"]
        told = {
            "vmm": lambda g: [f"{g['vmm']['kind']} {g['vmm']['version']}"],
            "host": lambda g: [g["host"]],
            "stable": lambda g: ["(unknown)" if g["stable"] is None else "yes" if g["stable"] else "no"],
            "coverage": lambda g: [f for f, c in g["coverage"].items() if c != "complete"],
        }
        for param, values in told.items():
            offered = page.there("[...document.querySelectorAll('#filter-' + args + ' option')].map((o) => o.value).filter(Boolean)", param)
            expected = {v for g in guests for v in values(g)}
            self.assertEqual(set(offered), expected, param)
            self.assertTrue(param == "coverage" or len(expected) > 1, (param, expected))
            for value in sorted(expected):
                with self.subTest(filter=param, value=value):
                    fits = sorted(g["id"] for g in guests if value in values(g))
                    page.do("await page.locator('#filter-' + args[0]).selectOption(args[1])", [param, value])
                    page.until("new URLSearchParams(location.hash.split('?')[1]).get(args[0]) === args[1]", [param, value])
                    page.until("document.querySelectorAll('table.guests tbody tr').length === args", len(fits))
                    self.assertEqual(sorted(self.rows(page)), fits)
                    page.click("button:has-text('Clear filters')")
                    page.until("document.querySelectorAll('table.guests tbody tr').length === args", len(guests))

    def test_two_vms_with_one_uuid_are_two_rows(self):
        """Someone copied a VM with its UUID: one of the two would stay unseen."""
        page = self.open("#/?q=twin")
        self.assertEqual(self.rows(page), [ident(1)] * 2)
        notes = page.all("table.guests tbody th .under")
        self.assertEqual(len(set(notes)), 2, notes)
        pids = {g["pid"] for g in self.json("ls")["guests"] if g["id"] == ident(1)}
        self.assertEqual({pid for pid in pids if any(f"one of 2 with this id, pid {pid}" == n for n in notes)}, pids)

    def test_a_name_that_two_have_leads_to_both(self):
        """A link by name would show one of them as if it were meant."""
        page = self.open(None)
        page.allowed = ("409 (Conflict)",)
        page.go("#/guest/name")
        self.assertIn("ambiguous", page.text())
        for number in (2, 3):
            self.assertIn(ident(number), page.text())
        page.click("main a:has-text('Guests whose name or id holds this')")
        page.until("document.querySelectorAll('table.guests tbody tr').length === 2")
        self.assertEqual(sorted(self.rows(page)), [ident(2), ident(3)])
        page.go("#/diff?" + urllib.parse.urlencode({"from": "name"}))
        self.assertIn("ambiguous", page.text())

    def test_a_store_that_somebody_locks_is_said_and_seen_again(self):
        """The page would go on showing an hour-old state as if it were now; or need a reload that nobody thinks of."""
        path, server = self.copied_store()
        page = self.open("#/", origin=server.origin)
        page.allowed = ("503 (Service Unavailable)",)
        self.assertEqual(page.count("main [role=alert]"), 0)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as c:
            c.execute("BEGIN EXCLUSIVE")
            page.until("document.querySelector('main [role=alert]')?.innerText.includes('keeps it locked')")
            self.assertIn("is old", page.text())
            self.assertEqual(len(self.rows(page)), 5)
            c.execute("ROLLBACK")
        page.until("!document.querySelector('main [role=alert]')")
        self.assertEqual(len(self.rows(page)), 5)

    def test_a_store_that_is_damaged_is_said_in_the_words_of_the_server(self):
        path, server = self.copied_store()
        page = self.open("#/", origin=server.origin)
        page.allowed = ("503 (Service Unavailable)", "500 (Internal Server Error)")
        with open(path, "r+b") as f:
            f.write(b"\xff" * os.path.getsize(path))
        page.until("document.querySelector('main [role=alert]')?.innerText.includes(args)", path)
        self.assertEqual(len(self.rows(page)), 5)
        page.go("#/")
        self.assertIn("cannot be shown", page.text())
        self.assertIn(path, page.text())
        self.assertEqual(page.axe(), [])

    def test_a_store_that_nobody_has_written_is_no_blank(self):
        """Whoever opens the page first would take it for broken."""
        path = self.folder.file("empty.db")
        t = Trace("host-1")
        t.synced()
        t.tick(1)
        abidrift("replay", t.write(self.folder.file("empty")), store="sqlite:" + path)
        server = Server("sqlite:" + path)
        self.addCleanup(server.stop)
        page = self.open("#/", origin=server.origin)
        self.assertIn("No guest has been seen yet", page.text())
        self.assertEqual(page.axe(), [])


class Killed(Views):
    def test_a_monitor_that_is_killed_is_said_while_the_page_is_open(self):
        """What is shown would else be taken for now, for as long as nobody looks at the host."""
        need_qemu()
        folder = Folder()
        self.addCleanup(folder.close)
        monitor = Monitor(folder)
        self.addCleanup(monitor.stop)
        guest = Qemu(folder, "pc-i440fx-7.2", memory="128M", name="left-behind")
        self.addCleanup(guest.stop)
        monitor.settled(guest.uuid)
        server = Server(monitor.store)
        self.addCleanup(server.stop)
        host = next(g["host"] for g in monitor.guests() if g["uuid"] == guest.uuid)
        pages = [self.open(where, origin=server.origin) for where in ("#/?q=left-behind", "#/guest/" + guest.uuid)]
        for page in pages:
            page.until("!/has said nothing since/.test(document.querySelector('main').innerText) && /left-behind/.test(document.querySelector('main').innerText)")
        monitor.stop(9)
        for page in pages:
            # Three heartbeats that do not come, and the next look.
            page.do("await page.waitForFunction((host) => /has said nothing since/.test(document.querySelector('main').innerText), args, { timeout: 90000 })", host)
        self.assertIn(f"The monitor of {host} has said nothing since", pages[0].text())
        self.assertIn("not heard of", pages[0].text())
        for page in pages:
            self.assertIn("left-behind", page.text())
            self.assertEqual(page.axe(), [])
