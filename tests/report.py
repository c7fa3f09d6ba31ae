# SPDX-License-Identifier: Apache-2.0
"""Figures into pages of docs/: a measurement owns one block of a page, between two comments, and replaces that alone.

A bench prints what it found for who looks on, and gives each figure to row(). Under `tests/bench/run`, ABIDRIFT_ROWS names the file where
rows of one run come together; a bench that is run by itself only prints."""
import datetime
import json
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def row(table, what, measured, bound="", held=None):
    """One figure. table: the block's name; held: whether it keeps its bound, None where there is none."""
    told = "" if held is None else " (kept)" if held else " (NOT KEPT)"
    print(f"{table}: {what}: {measured}{f'; bound {bound}' if bound else ''}{told}", flush=True)
    if "ABIDRIFT_ROWS" in os.environ:
        with open(os.environ["ABIDRIFT_ROWS"], "a", encoding="utf-8") as f:
            f.write(json.dumps({"table": table, "what": what, "measured": measured, "bound": bound, "held": held}) + "\n")


def rows_of(path):
    """{table: [row]} of one run, in order."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            one = json.loads(line)
            found.setdefault(one["table"], []).append(one)
    return found


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table_lines(rows):
    """A table of what row() was given; a bound that is not kept is said."""
    lines = ["| | bound | measured |", "|---|---|---|"]
    for r in rows:
        lines.append(f"| {cell(r['what'])} | {cell(r['bound'])} | {cell(r['measured'])}{' **not kept**' if r['held'] is False else ''} |")
    return lines


def machine():
    """What the figures depend on, in one line."""
    def read(path, pattern):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                found = re.search(pattern, f.read(), re.M)
                return found[1].strip() if found else "unknown"
        except OSError:
            return "unknown"
    modules = "/sys/module"
    kvm = [name for name in ("kvm_intel", "kvm_amd", "kvm_pvm") if os.path.isdir(os.path.join(modules, name))]
    return (f"{os.cpu_count()} CPUs, {read('/proc/cpuinfo', r'^model name.*: (.*)$')}, {int(read('/proc/meminfo', r'^MemTotal: *([0-9]+)')) // 1048576} GiB, "
            f"kernel {os.uname().release}{', ' + ' '.join(kvm) if kvm else ''}")


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def stamp():
    """When, on what, and with how much else to do."""
    return (f"{datetime.datetime.now(datetime.timezone.utc).date()}, commit {commit()}; {machine()}; load at the end {os.getloadavg()[0]:.1f}.")


def write_block(page, name, lines):
    """Replaces the block `name` of docs/page, or adds it at the end. What stands outside of blocks is written by people."""
    path = os.path.join(ROOT, "docs", page)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    block = f"<!-- measured: {name} -->\n" + "\n".join(lines) + f"\n<!-- end: {name} -->"
    pattern = re.compile(rf"<!-- measured: {re.escape(name)} -->.*?<!-- end: {re.escape(name)} -->", re.S)
    text, count = pattern.subn(lambda _: block, text)
    if not count:
        text = text.rstrip("\n") + "\n\n" + block + "\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
