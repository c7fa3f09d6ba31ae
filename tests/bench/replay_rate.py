#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many records a second an analyst takes in, what it keeps of each guest in memory and in the store, and what 1,000 guests that all
drift at once cost it. Each rate beside decoding the same trace, and beside SHA-256 of it, in the same process (replay_pass.c)."""
import contextlib
import gzip
import json
import os
import sqlite3
import struct
import subprocess
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import report  # noqa: E402
from harness import BUILD, ROOT, Folder  # noqa: E402
from traces import BOOT, CPUID, FACT, GONE, MEMORY, SLOTS, TICK, VM, Reader, Trace, pairs, read_pairs  # noqa: E402

TABLE = "Replay, memory and store"
PASS = os.path.join(BUILD, "tests", "bench", "replay_pass")
GUESTS, FEW = 1000, 100
FLOOD = 1 << 18
NEWS_GUESTS, NEWS_BOOTS, NEWS_FACTS = 20, 50, 1000
RATE_BOUND, MEMORY_BOUND, DRIFT_BOUND = 2e6, 48 << 10, 10
# struct record_fact
FACT_KEY, FACT_VALUE = struct.Struct("<QQIBBH"), struct.Struct("<QIIIHBB4I")
KIND_MMIO, KIND_MSR, ANSWERED = 3, 7, 1


def fact(trace, vm, boot, kind, selector, address=0, width=0, value=0, changes=0):
    trace.add(FACT, FACT_KEY.pack(vm, address, selector, kind, width, 0) +
              FACT_VALUE.pack(trace.now, boot, changes, 0, ANSWERED, 15, 0, value, 0, 0, 0), vm, boot)


def recorded(name):
    """The VMs of a recorded trace, each as [(type, boot, body)] in order; None stands for a tick."""
    with contextlib.closing(Folder()) as folder:
        path = folder.file("t")
        with gzip.open(os.path.join(ROOT, "tests", "replay", name + ".trace.gz")) as f, open(path, "wb") as to:
            to.write(f.read())
        lives, now = {}, []
        for kind, vm, boot, body in Reader(path).read():
            if kind == VM and vm not in lives:
                now = lives[vm] = []
            if kind == TICK and now and now[-1]:
                now.append(None)
            if kind in (VM, BOOT, FACT, CPUID, SLOTS, MEMORY):
                lives[vm].append((kind, boot, body))
    return list(lives.values())


def as_guest(kind, body, vm, number):
    """A record of a recorded guest, as that of another one: its process, its UUID, its name."""
    if kind == FACT:
        return struct.pack("<Q", vm) + body[8:]
    old, new = uuid.UUID("6d0c2b8e-5b3f-4c6e-9c57-0d5b1f1a2c3d"), uuid.UUID(int=(0x1111 << 112) + number)
    if kind == MEMORY:
        return body.replace(old.bytes_le, new.bytes_le)
    if kind == VM:
        own = {"pid": str(100 + vm), "start": str(vm)}
        return pairs(*((k, own.get(k, v).replace(str(old), str(new)).replace("golden-", f"golden-{number}-")) for k, v in read_pairs(body)))
    return body


def live(trace, life, first_vm, count):
    """`count` guests that do at the same time what one of the recording did."""
    for record in life:
        if record is None:
            trace.tick(.25)
            continue
        kind, boot, body = record
        for n in range(count):
            trace.add(kind, as_guest(kind, body, first_vm + n, n), first_vm + n, boot)
    trace.tick(30)


def guests(count, name="i440fx", *again):
    """`count` guests as one that was recorded; `again`: then all end, and are started anew as that one of the recording's VMs."""
    trace = Trace()
    trace.synced()
    live(trace, recorded(name)[0], 1, count)
    for n in range(count if again else 0):
        trace.gone(1 + n)
    for which in again:
        live(trace, recorded(name)[which], count + 1, count)
    return trace


def news():
    """Guests that are reset again and again, and each time show the same facts, of which half change once more."""
    trace = Trace()
    trace.synced()
    for vm in range(1, NEWS_GUESTS + 1):
        trace.guest(vm, f"news-{vm}", str(uuid.UUID(int=vm)))
    for boot in range(1, NEWS_BOOTS + 1):
        for vm in range(1, NEWS_GUESTS + 1):
            trace.boot(vm, boot)
        for n in range(NEWS_FACTS):
            for vm in range(1, NEWS_GUESTS + 1):
                fact(trace, vm, boot, KIND_MSR, 0xC0010000 + n // 2, value=n % 2, changes=n % 2)
        trace.tick(.25)
    trace.tick(3)
    return trace


def flood():
    """One guest that reads ever new selectors as fast as it can, beside one that is quiet."""
    trace = Trace()
    trace.synced()
    for vm in (1, 2):
        trace.guest(vm, f"flood-{vm}", str(uuid.UUID(int=vm)))
        trace.boot(vm, 1)
    for n in range(FLOOD):
        fact(trace, 1, 1, KIND_MMIO, 0, 0xFE000000 + n * 4096, 4)
        if n % 65536 == 0:
            trace.tick(.25)
    trace.tick(3)
    return trace


def measure(folder, trace, rounds=1):
    path, store = trace.write(folder.file("trace")), folder.file("store.db")
    done = subprocess.run([PASS, path, store, str(rounds)], stdout=subprocess.PIPE, text=True, check=True)
    got = json.loads(done.stdout)
    got["store"] = os.path.getsize(store)
    with contextlib.closing(sqlite3.connect(store)) as c:
        got["alerts"] = c.execute("SELECT count(*) FROM alerts").fetchone()[0]
        got["sets"] = c.execute("SELECT count(DISTINCT change_set) FROM drifts").fetchone()[0]
    return got


def rate(what, got):
    per_second = got["records"] / got["analyst_ms"] * 1000
    report.row(TABLE, f"replay: {what}",
               f"{per_second / 1e6:.2f} million records a second ({got['records']:,} in {got['analyst_ms']:.0f} ms of a processor); "
               f"{got['analyst_ms'] / got['decode_ms']:.1f} times as long as only decoding them, {got['analyst_ms'] / got['digest_ms']:.1f} times their SHA-256",
               "2 million", per_second >= RATE_BOUND)


def slope(many, few, what):
    return (many[what] - few[what]) / (GUESTS - FEW)


def memory(folder, name):
    """Of a guest more, so that what is there without guests is in neither. Heap that is in use; pages that are resident."""
    many, few = measure(folder, guests(GUESTS, name)), measure(folder, guests(FEW, name))
    heap, pages = slope(many, few, "heap"), slope(many, few, "resident")
    report.row(TABLE, f"memory of the analyst alone (one of the processes) for one more recorded {name} guest, settled, of {GUESTS}",
               f"{heap / 1024:.1f} KiB of heap, {pages / 1024:.1f} KiB resident", "48 KiB, of all processes", max(heap, pages) <= MEMORY_BOUND)
    return many, few


def boots(folder, many, few):
    """What a guest's next boot adds, without drift and with it. The processor time is what was added, too."""
    same = measure(folder, guests(GUESTS, "i440fx", 0))
    drift = measure(folder, guests(GUESTS, "i440fx", 1))
    if (same["alerts"], drift["alerts"], drift["sets"]) != (0, GUESTS, 1):
        raise SystemExit(f"{same['alerts']} alerts without drift; with it {drift['alerts']} of {GUESTS}, in {drift['sets']} change sets")
    report.row(TABLE, "store for one more recorded i440fx guest, its baseline", f"{slope(many, few, 'store') / 1024:.1f} KiB")
    report.row(TABLE, "store for a boot more of it, without drift", f"{(same['store'] - many['store']) / GUESTS / 1024:.2f} KiB")
    report.row(TABLE, "store for a boot more of it that drifts, its alert too", f"{(drift['store'] - many['store']) / GUESTS / 1024:.1f} KiB")
    seconds = (drift["wall_ms"] - many["wall_ms"]) / 1000
    report.row(TABLE, f"{GUESTS} guests that end, boot and all drift, as one change set: from all settled before to all alerts in the outbox",
               f"{seconds:.1f} s ({(drift['analyst_ms'] - many['analyst_ms']) / 1000:.1f} s of a processor; without drift "
               f"{(same['analyst_ms'] - many['analyst_ms']) / 1000:.1f} s)", f"{DRIFT_BOUND} s", seconds <= DRIFT_BOUND)
    report.row(TABLE, "the same with their first boot and its baselines: the whole trace", f"{drift['wall_ms'] / 1000:.1f} s")


def main(folder):
    rate(f"{NEWS_GUESTS} guests of {NEWS_BOOTS} boots and {NEWS_FACTS} news in each", measure(folder, news(), 5))
    rate(f"one guest that reads {FLOOD:,} different pages", measure(folder, flood(), 5))
    memory(folder, "q35")
    many, few = memory(folder, "i440fx")
    rate(f"{GUESTS} recorded guests that boot at once, each judged and stored", many)
    boots(folder, many, few)


if __name__ == "__main__":
    with contextlib.closing(Folder()) as with_folder:
        main(with_folder)
