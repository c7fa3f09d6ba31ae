#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one guest with all its facets costs: the analyst for the largest guest that is promised anything, the collector and its
reader for the tables of guests that boot under SeaBIOS. Asserts nothing."""
import json
import os
import resource
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import large  # noqa: E402
import report  # noqa: E402
from harness import ABIDRIFT, BUILD, QEMU, Folder, Process, Qemu, wait_for  # noqa: E402

TABLE, READING = "One guest with all its facets", "Reading guests' tables"
BOOTING = 6        # guests that boot at once, for the cost of reading
READ_SECONDS = 25  # they have their tables, and a second reading has confirmed them
PAIRS = 5
COST = os.path.join(BUILD, "tests", "bench", "analyst_cost")


def replayed(trace):
    done = subprocess.run([ABIDRIFT, "replay", "--json", trace], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode in (0, 1, 3) else None


def whole(trace):
    seen = replayed(trace)
    guests = seen["guests"] if seen else []
    return guests and all(guests[0]["coverage"][f] == "complete" for f in ("cpuid", "memory", "pci", "acpi", "smbios", "numa", "firmware"))


def record(trace, *options):
    recorder = Process([ABIDRIFT, "record", "-o", trace, *options])
    recorder.wait_line("recording")
    return recorder


def analyst(folder):
    trace = folder.file("large.trace")
    recorder = record(trace, "--guest", "large")
    guest = Qemu(folder, large.MACHINE, *large.definition(), name="large", vcpus=large.VCPUS, memory="1G")
    try:
        wait_for("all facets of the guest to be in the trace", lambda: whole(trace), 300)
    finally:
        guest.stop()
        recorder.stop(signal.SIGINT)
    subprocess.run([COST, trace], check=True)
    spent = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([ABIDRIFT, "replay", "-q", trace], capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    report.row(TABLE, "a whole boot of it, every judgement and the store, as `abidrift replay`", f"{sorted(spent)[3]:.0f} ms of a processor")


def children(pid):
    return [int(c) for c in open(f"/proc/{pid}/task/{pid}/children").read().split()]


def ran_ms(pid):
    return int(open(f"/proc/{pid}/schedstat").read().split()[0]) / 1e6


def booting(folder, *options):
    """Processor time of collector and reader while guests boot; the reader's alone. None: the reader was replaced meanwhile."""
    recorder = record(folder.file("boot.trace"), *options)
    pids = [recorder.pid, *children(recorder.pid)]
    before = [ran_ms(pid) for pid in pids]
    guests = []
    try:
        for _ in range(BOOTING):
            guests.append(Qemu(folder, "pc-q35-7.2", memory="128M"))
        time.sleep(READ_SECONDS)
        spent = [ran_ms(pid) - was for pid, was in zip(pids, before)]
    except FileNotFoundError:
        return None
    finally:
        for guest in guests:
            guest.stop()
        recorder.stop(signal.SIGINT)
    return sum(spent), sum(spent[1:])


def reading(folder):
    extra, reader = [], []
    for _ in range(PAIRS):
        on, off = booting(folder), booting(folder, "--set", "monitor.guest_memory=off")
        if not on or not off:
            continue
        extra.append((on[0] - off[0]) / BOOTING)
        reader.append(on[1] / BOOTING)
    if not extra:
        report.row(READING, "the tables of a guest that boots", "the reader did not get its turn within a second")
        return
    middle = sorted(extra)[len(extra) // 2]
    report.row(READING, f"the tables of a guest that boots under SeaBIOS: {len(extra)} pairs of {BOOTING} with and without",
               f"{middle:.2f} ms of collector and reader, the reader alone {sorted(reader)[len(reader) // 2]:.2f} ms", "2 ms", middle <= 2)


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/kvm") or not os.path.exists(QEMU):
        print("skipped: needs root, /dev/kvm and qemu-system-x86_64")
        return 77
    folder = Folder()
    try:
        analyst(folder)
        reading(folder)
    finally:
        folder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
