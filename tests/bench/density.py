#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How it grows: 1 to 1,000 real guests (pages of machine code, each in a process of its own), how soon they are known, what they cost at
rest and at work, what is kept of each, and how soon all of them drift; many vCPUs; a guest that never asks the same twice."""
import os
import re
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live"), HERE]
import report  # noqa: E402
from fleet import DRIFTS, PORT, Fleet, Store  # noqa: E402
from harness import QEMU, Folder, Monitor, Qemu, wait_for  # noqa: E402
from system import cpu_seconds, family, resident  # noqa: E402

GROWTH, GOALS = "How it grows", "Goals of density"
SETTLE = 1
SIZES = (1, 10, 100, 1000)
REST_SECONDS = 22  # what lies in guests' memory is confirmed, and each guest judged once more, up to 15 s after its last news
IDLE_SECONDS = 30  # one sweep over all processes is in it
EXITS = 400000
VCPUS = (1, 4, 16, 64)
FLOOD_SECONDS = 5
BOOTED = (32, 64)  # QEMU guests, of the slope: the first fill what is kept for all, such as the cache of SQLite


class Watched:
    """A monitor with its own store, and what it takes."""
    def __init__(self, folder, name):
        began = time.monotonic()
        self.monitor = Monitor(folder, settle=["--set", f"monitor.settle={SETTLE}s", "--set", "monitor.settle_max=20s"], store=f"state/{name}.db")
        self.ready = time.monotonic() - began
        self.began = began
        self.store = Store(self.monitor)

    @property
    def pids(self):
        return family(self.monitor.pid)

    def since(self, what, condition):
        """Seconds from the monitor's start."""
        wait_for(what, condition)
        return time.monotonic() - self.began

    def share(self, seconds):
        """Per cent of one core, of all processes."""
        before, began = cpu_seconds(self.pids), time.monotonic()
        time.sleep(seconds)
        return 100 * (cpu_seconds(self.pids) - before) / (time.monotonic() - began)

    def maps_kib(self):
        """What the kernel accounts to the maps that these processes have open; a map counts once."""
        maps = {}
        for pid in self.pids:
            for fd in os.listdir(f"/proc/{pid}/fdinfo") if os.path.exists(f"/proc/{pid}/fdinfo") else ():
                try:
                    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as f:
                        text = f.read()
                except OSError:
                    continue
                if "map_id" in text:
                    maps[re.search(r"map_id:\s+(\d+)", text)[1]] = int(re.search(r"memlock:\s+(\d+)", text)[1])
        return sum(maps.values()) / 1024

    def memory_kib(self):
        return resident(self.pids)[1] * 1024, self.maps_kib()

    def close(self):
        self.store.close()
        self.monitor.stop()


def grown(folder, count, apart):
    """One size, from start to drift. Returns its figures."""
    found = {"count": count, "apart": apart}
    fleet = Fleet(count, apart)
    watched = None
    try:
        watched = Watched(folder, f"grown-{count}-{apart}")
        store = watched.store
        found["ready"] = watched.ready
        found["found"] = watched.since(f"{count} guests to be found", lambda: store.found(fleet))
        found["settled"] = watched.since(f"{count} guests to be fingerprinted", lambda: store.settled(fleet))
        fleet.do(f"repeat 3 in {PORT} 1\n")
        time.sleep(REST_SECONDS)
        wait_for("all to be fingerprinted again", lambda: store.settled(fleet))
        found["idle"] = watched.share(IDLE_SECONDS)
        found["rss"], found["maps"] = watched.memory_kib()
        found["store"] = store.kib()
        found["load"] = loaded(watched, fleet)
        began = time.monotonic()
        fleet.do(DRIFTS)
        wait_for(f"{count} guests to drift", lambda: store.drifted(fleet) == count)
        found["drift"] = time.monotonic() - began
        found["sets"] = len({life[3] for life in store.lives(fleet)})
        wait_for("all to settle in their next boot", lambda: store.settled(fleet, 2))
        found["drifts"] = store.kib() - found["store"]
        return found
    finally:
        if watched:
            watched.close()
        fleet.stop()


def loaded(watched, fleet):
    """Per cent of the machine that the monitor's processes take while its guests do nothing but exit."""
    before, began = cpu_seconds(watched.pids), time.monotonic()
    fleet.do(f"repeat {EXITS // fleet.count} cpuid 0 0; in {PORT} 1\n")
    return 100 * (cpu_seconds(watched.pids) - before) / (time.monotonic() - began)


def tell_grown(f):
    who = f"{f['count']:,} guest{'s' if f['count'] > 1 else ''}{'' if f['apart'] or f['count'] == 1 else ' of one process'}"
    report.row(GROWTH, f"{who}: ready; all found; all fingerprinted", f"{f['ready']:.2f} s; {f['found']:.2f} s; {f['settled']:.2f} s after the start")
    report.row(GROWTH, f"{who}: processor, idle; while all of them exit at full speed", f"{f['idle']:.2f} %; {f['load']:.1f} % of a core")
    report.row(GROWTH, f"{who}: memory of all processes; of the BPF maps", f"{f['rss'] / 1024:.1f} MiB; {f['maps'] / 1024:.1f} MiB")
    report.row(GROWTH, f"{who}: store; more of it once all drifted", f"{f['store']:.0f} KiB; {f['drifts']:.0f} KiB")
    report.row(GROWTH, f"{who}: all drift: all in the outbox after", f"{f['drift']:.2f} s, as {f['sets']} change set{'s' if f['sets'] > 1 else ''}")


def slope(few, many, what):
    return (many[what] - few[what]) / (many["count"] - few["count"])


def tell_goals(few, many):
    n = f"{many['count']:,}"
    report.row(GOALS, f"{n} guests found, from the start", f"{many['found']:.2f} s", "2 s", many["found"] <= 2)
    report.row(GOALS, f"{n} guests fingerprinted, from the start, monitor.settle = {SETTLE}s", f"{many['settled']:.2f} s", "10 s", many["settled"] <= 10)
    report.row(GOALS, f"all processes, {n} idle guests", f"{many['idle']:.2f} % of a core", "0.5 %", many["idle"] < 0.5)
    user, kernel = slope(few, many, "rss"), slope(few, many, "maps")
    fixed = few["rss"] - user * few["count"], few["maps"] - kernel * few["count"]
    report.row(GOALS, f"resident for each guest of a page, {few['count']} to {n} guests",
               f"{user:.1f} KiB and {kernel:.1f} KiB of BPF maps, beside a fixed {fixed[0] / 1024:.1f} MiB and {fixed[1] / 1024:.1f} MiB", "48 KiB", user + kernel <= 48)
    drift = many["drift"] - SETTLE
    report.row(GOALS, f"{n} guests drift at once: all in the outbox, after monitor.settle", f"{drift:.2f} s, {many['sets']} change set", "10 s, 1 change set",
               drift <= 10 and many["sets"] == 1)
    report.row(GOALS, "store for each guest; for each drift", f"{slope(few, many, 'store'):.1f} KiB; {slope(few, many, 'drifts'):.1f} KiB")


def vmm_cpu(fleet):
    return cpu_seconds(fleet.pids)


def exits_ns(vcpus):
    """Processor time of one CPUID exit where that many vCPUs make them at once: median of three."""
    fleet = Fleet(1, line="", args=["--vcpus", str(vcpus)])
    try:
        fleet.do("vcpu all\nrepeat 10 cpuid 0 0; cpuid 1 0\n")
        took = []
        for _ in range(3):
            before = vmm_cpu(fleet)
            fleet.do(f"repeat {EXITS // vcpus} cpuid 0 0; cpuid 1 0\n")
            took.append((vmm_cpu(fleet) - before) * 1e9 / (2 * (EXITS // vcpus) * vcpus))
        return sorted(took)[1]
    finally:
        fleet.stop()


def threads(folder):
    """The same with and without a monitor: what others on this machine add to an exit is in both."""
    without = {n: exits_ns(n) for n in VCPUS}
    watched = Watched(folder, "threads")
    try:
        for n in VCPUS:
            ns = exits_ns(n)
            report.row(GROWTH, f"one guest, {n} vCPU{'s' if n > 1 else ''} in a CPUID loop: processor time of an exit, watched", f"{ns:.0f} ns, {ns / without[n]:.2f} of unwatched")
    finally:
        watched.close()


def flood(folder):
    """A guest whose every exit is new, beside one that is found meanwhile."""
    watched = Watched(folder, "flood")
    hostile, quiet = Fleet(1, line=""), None
    try:
        hostile.send("forever-new\n")
        wait_for("the hostile guest to be found", lambda: watched.store.found(hostile))
        share = watched.share(FLOOD_SECONDS)
        began = time.monotonic()
        quiet = Fleet(20, True)
        wait_for("20 guests beside it", lambda: watched.store.found(quiet))
        found = time.monotonic() - began
        wait_for("20 guests beside it to settle", lambda: watched.store.settled(quiet))
        report.row(GROWTH, "one guest in a loop of new selectors: processor of all processes", f"{share:.0f} % of a core, {watched.memory_kib()[0] / 1024:.1f} MiB")
        report.row(GROWTH, "20 guests started beside it: found; fingerprinted", f"{found:.2f} s; {time.monotonic() - began:.2f} s after their start began")
    finally:
        for one in (quiet, hostile):
            if one:
                one.stop()
        watched.close()


def real_guests(folder):
    """What a q35 guest with SeaBIOS costs at rest, from some to many."""
    if not os.path.exists(QEMU):
        print("skipped: memory of q35 guests needs qemu-system-x86_64")
        return
    guests, memory = [], []
    watched = Watched(folder, "q35")
    try:
        for count in BOOTED:
            while len(guests) < count:
                guests.append(Qemu(folder, "q35", memory="64M"))
            uuids = {g.uuid for g in guests}
            wait_for("q35 guests to settle", lambda: sum(g["settled"] for g in watched.monitor.guests() if g["running"] and g["uuid"] in uuids) == count)
            time.sleep(REST_SECONDS)
            memory.append(watched.memory_kib())
        user, kernel = ((memory[1][i] - memory[0][i]) / (BOOTED[1] - BOOTED[0]) for i in (0, 1))
        report.row(GOALS, f"resident for each q35 guest with SeaBIOS, {BOOTED[0]} to {BOOTED[1]} guests", f"{user:.1f} KiB and {kernel:.1f} KiB of BPF maps", "48 KiB", user + kernel <= 48)
    finally:
        for g in guests:
            g.stop()
        watched.close()


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/kvm"):
        print("skipped: needs root and /dev/kvm")
        return 77
    folder = Folder()
    try:
        sizes = [grown(folder, count, True) for count in SIZES]
        for f in [*sizes, grown(folder, SIZES[-1], False)]:
            tell_grown(f)
        tell_goals(sizes[1], sizes[-1])
        threads(folder)
        flood(folder)
        real_guests(folder)
    finally:
        folder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
