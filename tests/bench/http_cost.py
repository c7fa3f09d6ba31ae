#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an answer over HTTP costs with 1,000 guests, a third of which drift. Beside each time the same answer parsed and written
by Python's json in this run: a yardstick for the machine and its load. Asserts nothing."""
import contextlib
import json
import os
import sqlite3
import statistics
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import report  # noqa: E402
from harness import Folder, abidrift  # noqa: E402
from test_cli import ECX, LEAVES_MORE, QUICK, SSE4_2  # noqa: E402
from test_http import Answer, Server  # noqa: E402
from traces import Trace, life, without  # noqa: E402

GUESTS, DRIFTED, ROUNDS = 1000, 3, 30
TABLE = f"HTTP, {GUESTS:,} guests of which {(GUESTS + DRIFTED - 1) // DRIFTED} drift"
YARDSTICK_BYTES = 100000  # smaller ones, and compressed ones, are no measure


def ident(i):
    return f"11111111-2222-3333-4444-{i:012x}"


def trace():
    t = Trace()
    t.synced()
    for i in range(GUESTS):
        life(t, i + 1, f"web-{i}", ident(i), LEAVES_MORE, seconds=0)
    t.tick(4)
    for i in range(0, GUESTS, DRIFTED):
        t.gone(i + 1)
        life(t, GUESTS + i + 1, f"web-{i}", ident(i), without(LEAVES_MORE, 1, ECX, SSE4_2), args=("-cpu", "qemu64,-sse4.2"), seconds=0)
    t.tick(4)
    return t


def timed(call):
    began = time.perf_counter()
    got = call()
    return (time.perf_counter() - began) * 1000, got


def ask(connection, path, **headers):
    connection.request("GET", path, headers=headers)
    return Answer(connection.getresponse())


def processor_ms(pid):
    """Time on a processor, which others of this machine lengthen less than they lengthen waiting."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0]) / 1e6


def touch(path):
    with contextlib.closing(sqlite3.connect(path)) as c, c:
        c.execute("INSERT OR REPLACE INTO statuses VALUES ('bench', ?, '{}')", (time.time_ns(),))


def show(what, path, server, fresh, bound=None, **headers):
    """fresh: the store changes before each, so that nothing is kept. bound: milliseconds of a processor."""
    with contextlib.closing(server.connection()) as c:
        ask(c, path, **headers)
        before = processor_ms(server.pid)
        runs = [(fresh and touch(server.store)) or timed(lambda: ask(c, path, **headers)) for _ in range(ROUNDS)]
        used = (processor_ms(server.pid) - before) / ROUNDS
    times, body = [ms for ms, _ in runs], runs[0][1].body
    line = f"{used:.1f} ms of a processor; answered after {statistics.median(times):.1f} ms, best {min(times):.1f} ms; {len(body) / 1024:.0f} KiB"
    if len(body) > YARDSTICK_BYTES:
        yardstick = min(timed(lambda: json.dumps(json.loads(body)))[0] for _ in range(5))
        line += f"; yardstick {yardstick:.1f} ms, best is {min(times) / yardstick:.2f} of it"
    report.row(TABLE, what, line, f"{bound} ms" if bound else "", used <= bound if bound else None)


def main(folder):
    store = "sqlite:" + folder.file("s.db")
    abidrift("replay", trace().write(folder.file("t.trace")), *QUICK, store=store, ok=(0, 1, 3))
    server = Server(store, "unix:" + folder.file("http.sock"))
    server.store = folder.file("s.db")
    try:
        show("all guests, not kept", "/api/v1/guests", server, True, 50)
        show("all guests, kept", "/api/v1/guests", server, False)
        show("all guests, not kept, compressed", "/api/v1/guests", server, True, **{"Accept-Encoding": "gzip"})
        show("one guest, not kept", f"/api/v1/guests/{ident(0)}", server, True)
        show("its diff, not kept", f"/api/v1/diff?from={ident(0)}", server, True)
        show("history of all, not kept", "/api/v1/history", server, True)
    finally:
        server.stop()


if __name__ == "__main__":
    with_folder = Folder()
    try:
        main(with_folder)
    finally:
        with_folder.close()
