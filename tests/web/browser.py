# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, by playwright-core: what the tests of the review page see it with. The packages of npm are installed below the
build folder, for the lock file beside this."""
import fcntl
import filecmp
import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "live"))
from harness import ABIDRIFT, BUILD, Folder, Process, abidrift  # noqa: E402,F401

INSTALLED = os.path.join(BUILD, "web")
SHOTS = os.path.join(INSTALLED, "shots")
CHROMIUM = "/usr/bin/chromium"
LOCK = "package-lock.json"
SECONDS = 120  # for one step in the browser; each wait in it has its own, shorter end


def installed():
    """The folder with the packages; a skip with the reason where they cannot be had."""
    for tool in ("node", "npm", CHROMIUM):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{tool} is not installed")
    if "serve.page" not in subprocess.run([ABIDRIFT, "version"], capture_output=True, text=True).stdout.split():
        raise unittest.SkipTest("this abidrift was built without the review page")
    os.makedirs(INSTALLED, exist_ok=True)
    with open(os.path.join(INSTALLED, "lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        done = os.path.join(INSTALLED, "installed-lock.json")
        if not os.path.exists(done) or not filecmp.cmp(os.path.join(HERE, LOCK), done, shallow=False):
            for name in ("package.json", LOCK):
                shutil.copy(os.path.join(HERE, name), INSTALLED)
            said = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=INSTALLED, capture_output=True, text=True, timeout=300)
            if said.returncode:
                raise unittest.SkipTest(f"npm could not install its packages: {said.stderr.strip()[-300:]}")
            shutil.copy(os.path.join(HERE, LOCK), done)
    return INSTALLED


class Browser:
    """One Chromium; ends with close()."""
    def __init__(self):
        self.child = subprocess.Popen(["node", os.path.join(HERE, "browser.mjs"), installed()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")})

    def ask(self, **request):
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise AssertionError(f"the browser ended: {self.child.wait(SECONDS)}")
        said = json.loads(line)
        if "error" in said:
            raise AssertionError(said["error"])
        return said["value"]

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


class Page:
    """A tab in a profile of its own. `origin`: all that it may ask."""
    def __init__(self, browser, origin, **options):
        self.browser, self.origin, self.allowed = browser, origin, ()
        self.number = browser.ask(open={"origin": origin, **options})

    def do(self, code, args=None):
        """Runs the body of an async function of (page, args, axe) beside the page, and returns what it returns."""
        return self.browser.ask(page=self.number, code=code, args=args)

    def there(self, code, args=None):
        """Evaluates an expression of `args` in the page."""
        return self.do(f"return page.evaluate((args) => ({code}), args)", args)

    def until(self, code, args=None):
        """Waits until an expression of `args` in the page is true."""
        self.do(f"await page.waitForFunction((args) => ({code}), args)", args)

    def go(self, where="#/", ready=True):
        """Opens a view as one who follows a link from elsewhere: a document of its own."""
        self.do("await page.goto('about:blank'); await page.goto(args)", self.origin + "/" + where)
        if ready:
            self.ready()

    def ready(self):
        """Until nothing is asked for any more, and two frames have been drawn of what came."""
        self.do("""await page.waitForFunction(() => {
                const main = document.querySelector('main'), busy = window.pending || !main?.querySelector('h1, .note:not([role=status])') || /^Loading/m.test(main.innerText)
                window.calm = busy ? 0 : (window.calm ?? 0) + 1
                return window.calm > 2
            })
            await page.evaluate(() => (window.calm = 0))""")

    def hash(self):
        return self.there("location.hash")

    def text(self):
        return self.there("document.querySelector('main').innerText")

    def all(self, selector):
        """The texts of all elements that match."""
        return self.there("[...document.querySelectorAll(args)].map((e) => e.innerText.trim())", selector)

    def count(self, selector):
        return self.there("document.querySelectorAll(args).length", selector)

    def click(self, selector):
        self.do("await page.locator(args).first().click()", selector)

    def press(self, *keys):
        self.do("for (const key of args) await page.keyboard.press(key)", keys)

    def copied(self):
        return self.there("navigator.clipboard.readText()")

    def wide(self):
        """What makes the page wider than its window: elements that nothing scrolls."""
        return self.there("""document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 120)).concat(document.documentElement.scrollWidth + ' px')""")

    def axe(self, rules=None):
        """What axe finds fault with, by these rules or all that matter: [(rule, elements)]."""
        found = self.do("""await page.evaluate(axe + ';0')
            const { violations } = await page.evaluate((rules) => window.axe.run(document, { runOnly: rules ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'], resultTypes: ['violations'] }), args)
            return violations.map((v) => [v.id + ': ' + v.help, v.nodes.map((n) => n.html.slice(0, 160) + ' ' + n.failureSummary.replace(/\\s+/g, ' ').slice(0, 240)).slice(0, 4)])""", rules)
        return [(rule, *nodes) for rule, nodes in found]

    def unfold(self):
        self.do("await page.evaluate(() => document.querySelectorAll('main details:not([open])').forEach((d) => { d.open = true }))")
        self.ready()

    def shot_path(self, name):
        """For people to look at."""
        os.makedirs(SHOTS, exist_ok=True)
        return os.path.join(SHOTS, name + ".png")

    def shot(self, name):
        self.do("await page.screenshot({ path: args, fullPage: true })", self.shot_path(name))

    def faults(self):
        return [f for f in self.browser.ask(page=self.number, faults=True) if not any(a in f for a in self.allowed)]

    def close(self):
        self.browser.ask(page=self.number, close=True)


class Server(Process):
    """`abidrift serve` of a store."""
    def __init__(self, store, *args, listen="127.0.0.1:0", ready=True):
        super().__init__([ABIDRIFT, "serve", "--store", store, "--listen", listen, *args])
        try:
            self.origin = self.wait_line("listening on").split("listening on ")[1].rstrip("/")
        except AssertionError:
            self.stop()
            raise


class Views(unittest.TestCase):
    """Tests in one browser. Each ends with no fault of any of its pages."""
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, where="#/", ready=True, origin=None, **options):
        page = Page(self.browser, origin or self.origin, **options)

        def end():
            try:
                self.assertEqual(page.faults(), [])
            finally:
                page.close()
        self.addCleanup(end)
        if where is not None:
            page.go(where, ready)
        return page

    def run_cli(self, *args, ok=(0, 1, 3)):
        return abidrift(*args, store=self.store, ok=ok).stdout

    def json(self, *args):
        return json.loads(self.run_cli(*args, "--json"))


class Replayed(Views):
    """The same on a store that is made by replay of trace(), which neither needs nor disturbs a guest; `store` and `origin` are the class's."""
    @classmethod
    def trace(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        installed()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        cls.store = "sqlite:" + folder.file("s.db")
        abidrift("replay", cls.trace().write(folder.file("t.trace")), "--set", "monitor.settle=1s", store=cls.store, ok=(0, 1, 3))
        server = Server(cls.store)
        cls.addClassCleanup(server.stop)
        cls.origin = server.origin
        super().setUpClass()
