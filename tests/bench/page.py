#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How soon the review page is painted with 1,000 guests, in a browser that has never been there; beside it, in turn, the same with one
guest: a yardstick for the machine and its load. And what of it goes over the wire. Asserts nothing."""
import contextlib
import os
import statistics
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "web")]
import report  # noqa: E402
from browser import BUILD, Browser, Folder, Page, Server, abidrift  # noqa: E402
from scene import MORE, ident, thousand  # noqa: E402
from traces import Trace, life  # noqa: E402

TABLE = "The page"
ROUNDS = 7
PAINTED = """const listed = await page.waitForFunction((n) => document.querySelectorAll('table.guests tbody tr').length >= n &&
        new Promise((r) => requestAnimationFrame(() => setTimeout(() => r(performance.now())))), args)
    const first = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime)
    return [first, await listed.jsonValue()]"""


def painted(browser, server, guests):
    page = Page(browser, server.origin)
    try:
        page.go("#/", ready=False)
        return page.do(PAINTED, guests)
    finally:
        page.close()


def main(folder, ending):
    t = Trace()
    t.synced()
    life(t, 1, "web-1", ident(1), MORE)
    abidrift("replay", t.write(folder.file("one.trace")), "--set", "monitor.settle=1s", store="sqlite:" + folder.file("one.db"), ok=(0, 1, 3))
    thousand(folder, folder.file("many.db"))
    servers = {}
    for guests, name in ((1, "one.db"), (1000, "many.db")):
        servers[guests] = ending.enter_context(contextlib.closing(Ended(Server("sqlite:" + folder.file(name))))).server
    browser = ending.enter_context(contextlib.closing(Browser()))
    runs = {1: [], 1000: []}
    for _ in range(ROUNDS + 1):
        for guests, server in servers.items():
            runs[guests].append(painted(browser, server, guests))
    medians = {g: [statistics.median(column) for column in zip(*times[1:])] for g, times in runs.items()}
    for what, at in (("first contentful paint", 0), ("all of the list there and drawn", 1)):
        report.row(TABLE, f"{what}, 1,000 guests", f"{medians[1000][at]:.0f} ms, {medians[1000][at] / medians[1][at]:.1f} of {medians[1][at]:.0f} ms with one", "1000 ms",
                   medians[1000][at] <= 1000)
    assets = [os.path.join(BUILD, "review", name) for name in os.listdir(os.path.join(BUILD, "review")) if name.endswith(".gz")]
    total = sum(map(os.path.getsize, assets)) / 1024
    report.row(TABLE, "what goes over the wire, compressed",
               f"{total:.1f} KiB: " + ", ".join(f"{os.path.basename(a)[:-3]} {os.path.getsize(a) / 1024:.1f}" for a in sorted(assets)), "60 KiB", total <= 60)


class Ended:
    def __init__(self, server):
        self.server, self.close = server, server.stop


if __name__ == "__main__":
    with_folder = Folder()
    try:
        with contextlib.ExitStack() as stack:
            main(with_folder, stack)
    except unittest.SkipTest as why:
        print(f"skipped: {why}")
        sys.exit(77)
    finally:
        with_folder.close()
