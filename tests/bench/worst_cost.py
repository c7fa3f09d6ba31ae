#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What guests cost the analyst whose tables and facts are as large and ugly as the collector's limits let through (tests/live/worst.py), beside a recorded
q35 guest in the same run: a whole boot with its store (replay_pass.c), one judgement (analyst_cost.c), and one that shows something new again and again."""
import contextlib
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import replay_rate  # noqa: E402
import report  # noqa: E402
import worst  # noqa: E402
from harness import BUILD, Folder  # noqa: E402

TABLE = "The worst guests"
PASS, COST = (os.path.join(BUILD, "tests", "bench", name) for name in ("replay_pass", "analyst_cost"))
BOOT_BOUND, JUDGEMENT_BOUND_MS, HEAP_BOUND, NEWS_BOUND = 60, 250, 8 << 20, 10
# monitor.settle as it is by default: nobody is judged more often.
NEWS, NEWS_SECONDS = 6, 10


def passed(folder, trace):
    done = subprocess.run([PASS, trace.write(folder.file("trace")), folder.file("store.db"), "3"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def judged_ms(folder):
    """Of the trace that was written last."""
    done = subprocess.run([COST, folder.file("trace")], stdout=subprocess.PIPE, text=True, check=True)
    return float(re.search(r"one judgement of all facets: ([\d.]+) ms", done.stdout)[1])


def one(folder, name, trace, ordinary):
    got = passed(folder, trace)
    ratio, judgement = got["analyst_ms"] / ordinary["analyst_ms"], judged_ms(folder)
    report.row(TABLE, name, f"a boot {ratio:.1f} of the ordinary guest's: {got['analyst_ms']:.0f} ms; a judgement {judgement:.1f} ms; {got['heap'] / 1024:.0f} KiB of heap",
               f"{BOOT_BOUND}, {JUDGEMENT_BOUND_MS} ms, {HEAP_BOUND >> 20} MiB",
               ratio <= BOOT_BOUND and judgement <= JUDGEMENT_BOUND_MS and got["heap"] <= HEAP_BOUND)
    return got


def news(folder, name, parts):
    """A fact that nobody knows yet whenever it has settled again, so that all of it is judged anew."""
    trace = worst.alone(*parts)
    for n in range(NEWS):
        worst.fact(trace, 1, worst.MSR, 0x4b000000 + n, 0)
        trace.tick(NEWS_SECONDS)
    rested = passed(folder, worst.alone(*parts))["analyst_ms"]
    percent = (passed(folder, trace)["analyst_ms"] - rested) / (NEWS * NEWS_SECONDS * 10)
    report.row(TABLE, f"{name}, something new each {NEWS_SECONDS} s", f"{percent:.2f} % of a core", f"{NEWS_BOUND} %", percent <= NEWS_BOUND)


def main(folder):
    trace = replay_rate.guests(1, "q35")
    ordinary = passed(folder, trace)
    report.row(TABLE, "a recorded q35 guest", f"a boot {ordinary['analyst_ms']:.1f} ms; a judgement {judged_ms(folder):.2f} ms; {ordinary['heap'] / 1024:.0f} KiB of heap")
    for name, part in worst.WORST.items():
        one(folder, name, worst.alone(part), ordinary)
    one(folder, worst.TOGETHER_NAME, worst.alone(*worst.TOGETHER), ordinary)
    news(folder, worst.TOGETHER_NAME, worst.TOGETHER)


if __name__ == "__main__":
    with contextlib.closing(Folder()) as with_folder:
        main(with_folder)
