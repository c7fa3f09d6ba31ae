# SPDX-License-Identifier: Apache-2.0
"""The review page of a guest whose every string is a program for whoever looks, beside the same guest of plain strings. What a user would lose: their
session, to a guest that they only looked at."""
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Server, Views, installed  # noqa: E402
from dmi import entry64, structure  # noqa: E402
from harness import Folder, abidrift, wait_for  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

UUID = "11111111-2222-3333-4444-555555555555"
# Each way of a script into a document, then what would turn the reader's line around; `ran` is what all of them call.
BAD = ("</script><script>ran(1)</script><img src=x onerror=ran(2)><svg/onload=ran(3)><iframe srcdoc='<script>parent.ran(4)</script>'></iframe>\"' onmouseover=ran(5) x='"
       "<a href=javascript:ran(6)>x</a></style><style>*{display:none}</style><!--${ran(7)}{{constructor.constructor('ran(8)')()}}&lt;script&gt;\u202e\u2066\u200f\u2028\r\n\x1b[31m")
PLAIN = re.sub("[<>&\"'`$]", "x", BAD)  # the same, but for what makes it a program
LONG = 60000  # with the rest just below what a record takes of one string
PROBE = "window.heard = []; window.ran = (n) => window.heard.push(n); window.addEventListener('message', (e) => window.heard.push(String(e.data)))"


def link(*path, **params):
    query = "&".join(f"{k.rstrip('_')}={urllib.parse.quote(v, safe='')}" for k, v in params.items())
    return "#/" + "/".join(urllib.parse.quote(p, safe="") for p in path) + ("?" + query if query else "")


def smbios(text, product):
    strings = [text.encode("utf-8")[:120], product.encode("utf-8")[:120]]
    return structure(0, bytes([1, 2, 0, 0, 1, 0]) + bytes(14), strings=strings) + structure(1, bytes([1, 2, 1, 2]) + bytes(16) + bytes([6, 1, 2]), 2, strings) + structure(127, b"", 3)


def trace(text):
    """One guest that drifts, in every string of which there is `text`; one that has no name but that; one of a very long name."""
    t = Trace()
    t.synced()
    for vm, leaves, product in ((1, LEAVES, "one" + text), (2, without(LEAVES, 1, 2, 0), text + "two")):
        args = ("-M", "pc-" + text, "-cpu", product, "-device", f"e1000,id={text},addr=5", "-chardev", f"socket,path={product}")
        t.guest(vm, text, UUID, args, version="7.2" + text)
        t.boot(vm, 1)
        t.cpuid(vm, 1, leaves)
        t.slots(vm, 1, (0, 0x8000000))
        table = smbios(text, product)
        t.smbios(vm, 1, entry64(table), table)
        t.tick(6)
        if vm == 1:
            t.gone(1)
    life(t, 3, "nameless" + text)
    life(t, 4, text + "A" * LONG, UUID.replace("1", "2"))
    return t


def views(text):
    nameless = "nameless" + text
    return {"list": "#/", "filtered": link(q=text), "guest": link("guest", UUID), "earlier": link("guest", UUID, rev="1"), "facet": link("guest", UUID, facet="smbios"),
            "search": link("guest", UUID, q=text), "nameless": link("guest", nameless), "long": link("guest", UUID.replace("1", "2")), "diff": link("diff", from_=UUID),
            "diff-side": link("diff", from_=UUID, view="side"), "diff-text": link("diff", from_=UUID, open="text"), "diff-guests": link("diff", from_=nameless, to=UUID),
            "unknown": link("guest", "no" + text), "diff-unknown": link("diff", from_=text, to="no" + text), "nowhere": link(text, text)}


class Hostile(Views):
    @classmethod
    def setUpClass(cls):
        installed()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        cls.origins = {}
        for kind, text in (("bad", BAD), ("plain", PLAIN)):
            store = "sqlite:" + folder.file(kind + ".db")
            abidrift("replay", trace(text).write(folder.file(kind)), "--set", "monitor.settle=1s", store=store, ok=(0, 1, 3))
            server = Server(store)
            cls.addClassCleanup(server.stop)
            cls.origins[kind] = server.origin
        super().setUpClass()

    def at_rest(self, page):
        """{element and its attributes' names: how many}, once nothing comes any more: what unfolds may ask for more."""
        seen = []

        def look():
            page.ready()
            seen.append(page.there("""[...document.querySelectorAll('*')].reduce((all, e) => {
                    const kind = e.localName + ' ' + e.getAttributeNames().sort().join(' ')
                    return { ...all, [kind]: (all[kind] ?? 0) + 1 }
                }, {})"""))
            return len(seen) > 4 and seen[-1] == seen[-2] == seen[-3] == seen[-4]
        wait_for("the page to be at rest", look)
        return seen[-1]

    def census(self, kind, text):
        """{view: {element and its attributes' names: how many}}, of all that can be unfolded; and what heard a script."""
        page = self.open(None, origin=self.origins[kind])
        page.allowed = ("404 (Not Found)", "400 (Bad Request)")
        page.do("await page.addInitScript(args)", PROBE)
        found = {}
        for view, where in views(text).items():
            page.go(where)
            page.unfold()
            page.there("document.querySelectorAll('*').forEach((e) => e.dispatchEvent(new MouseEvent('mouseover', { bubbles: true })))")
            self.assertEqual(page.there("window.heard"), [], view)
            found[view] = self.at_rest(page)
            self.assertEqual(page.there("[...document.querySelectorAll('a')].map((a) => new URL(a.getAttribute('href'), location).protocol).filter((p) => !['http:', 'blob:'].includes(p))"), [], view)
            found[view, "text"] = page.there("document.body.innerText")
        return found

    def test_no_string_becomes_an_element_or_a_script(self):
        """Element by element the page of the hostile guest is that of the plain one: nothing came into being that our code did not make."""
        bad, plain = self.census("bad", BAD), self.census("plain", PLAIN)
        for view in views(BAD):
            with self.subTest(view=view):
                self.assertEqual(bad[view], plain[view])
                self.assertGreater(sum(bad[view].values()), 20)
        # The strings are there, or all this looks at nothing.
        for view in ("list", "guest", "facet", "nameless", "long", "diff", "unknown"):
            self.assertIn("<img src=x onerror=ran(2)>", bad[view, "text"], view)
