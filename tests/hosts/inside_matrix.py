# SPDX-License-Identifier: Apache-2.0
"""One column of the matrix: what this kernel shows as a host. What doctor says; the micro-VMM's live tests, as they are; and guests of
real QEMUs, each judged to its end. What came of it goes to /out/said.json."""
import json
import shutil
import time
import traceback
import unittest

import inside
from inside import keep, note
import harness
import upgrade

# What is judged while firmware pauses is looked at again until every facet that can be complete is.
SETTLE = ["--set", "monitor.settle=6s", "--set", "monitor.settle_max=200s"]
BOUND = 240  # seconds
UEFI = "/tmp/OVMF.fd"  # the same place for all VMMs


class Result(unittest.TestResult):
    """{test: [what came of it, why, seconds]}"""
    def __init__(self):
        super().__init__()
        self.said, self.began = {}, 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def tell(self, test, word, why=""):
        name = test.id().rsplit(".", 1)[-1]
        self.said[name] = [word, why[-3000:], round(time.monotonic() - self.began, 1)]
        note("micro", word, name, f"{self.said[name][2]} s", why[-3000:] if word == "failed" else "")

    def addSuccess(self, test):
        self.tell(test, "ok")

    def addSkip(self, test, reason):
        self.tell(test, "skipped", reason)

    def addFailure(self, test, err):
        self.tell(test, "failed", self._exc_info_to_string(err, test))

    addError = addFailure


def micro(wanted):
    """The live tests of the micro-VMM. Those that ask nothing special of a monitor share one: loading is slow in an emulated host, and
    each looks at guests of its own only."""
    import test_micro
    folder, shared, own = harness.Folder(), [], test_micro.Micro.monitor

    def monitor(test, *args, **options):
        if args or options:
            return own(test, *args, **options)
        if not shared:
            shared.append(harness.Monitor(folder))
        return shared[0]
    test_micro.Micro.monitor = monitor
    result = Result()
    suite = unittest.TestLoader().loadTestsFromTestCase(test_micro.Micro)
    unittest.TestSuite(t for t in suite if not wanted or t.id().rsplit(".", 1)[-1] in wanted).run(result)
    for m in shared:
        m.stop()
        keep("micro.log", "\n".join(m.err))
    folder.close()
    return result.said


def definition(guest):
    q35 = "q35" in guest["machine"]
    devices = [*(upgrade.Q35 if q35 else upgrade.I440FX), *upgrade.NUMA, *upgrade.SMBIOS] if guest["rich"] else []
    return upgrade.Definition(guest["name"], guest["machine"], [*uefi(guest), *devices], guest["cpu"], 2 if guest["rich"] else 1)


def uefi(guest):
    """UEFI in one image, without flash. The interrupt controller is QEMU's own: KVM's makes the emulation of the host end by an assertion where
    a guest writes CR8 while an interrupt waits, which UEFI does all the time; with this one KVM intercepts these writes."""
    if guest["firmware"] != "OVMF":
        return []
    shutil.copy("/usr/share/ovmf/OVMF.fd", UEFI)
    return ["-machine", "kernel-irqchip=off", "-bios", UEFI]


def whole(guest):
    return guest["settled"] and all(guest["coverage"][f] == "complete" for f in inside.plan()["complete"])


def judged(monitor, vmm, name, until):
    """Waits for the guest to be seen as a whole; past `until` it is taken as it is, and the table shows what was seen."""
    def look():
        if vmm.child.poll() is not None:
            raise AssertionError(f"{name}: QEMU ended: {vmm.err[-5:]}")
        found = monitor.guest(name)
        return found if found and (whole(found) or found["settled"] and time.monotonic() > until) else None
    try:
        return harness.wait_for(f"{name} to be judged", look, (until - time.monotonic() + 60) / harness.SLOWER)
    except AssertionError as why:
        raise AssertionError(f"{why}: {monitor.guest(name)} {monitor.err[-5:]}") from None


def told(monitor, vmm, name, until):
    state = judged(monitor, vmm, name, until)
    shown = monitor.json("show", name)
    return {"state": state, "facets": {f["facet"]: {"coverage": f["coverage"], "reason": f.get("reason"), "entries": len(f["entries"])} for f in shown["facets"]},
            "events": [e for e in monitor.json("history", name)["events"] if e["type"] in ("drift", "loss", "resolved")]}


def round_of(guests, monitor, bound, said):
    """Guests beside each other. Each ends when it was told: firmware that found nothing to boot goes on looking."""
    began, started = time.monotonic(), []
    try:
        started += [(d, d.start(f"/vmm/{g['vmm']}")) for g in guests for d in (definition(g),)]
        for made, vmm in started:
            try:
                said[made.name] = told(monitor, vmm, made.name, began + bound)
            except AssertionError as why:
                said[made.name] = {"failed": str(why)[-3000:]}
            vmm.stop(9)
            said[made.name]["seconds"] = round(time.monotonic() - began, 1)
            note(made.name, said[made.name].get("failed", "judged"), f"{said[made.name]['seconds']} s")
    finally:
        for _, vmm in started:
            vmm.stop(9)


def lives(guests, bound, said):
    """All under one monitor; UEFI, which works longest, after the others. Returns what the monitor said."""
    folder = harness.Folder()
    monitor = harness.Monitor(folder, settle=SETTLE)
    try:
        for firmware in dict.fromkeys(g["firmware"] for g in guests):
            round_of([g for g in guests if g["firmware"] == firmware], monitor, bound, said)
    finally:
        monitor.stop()
        folder.close()
    return monitor.err


def doctor():
    return json.loads(harness.abidrift("doctor", "--json", ok=None).stdout)


def step(said, name, function, failed):
    """One part of a column. One that fails takes none of the others along: what is known is kept after each."""
    began = time.monotonic()
    try:
        said[name] = function()
    except Exception:  # whatever it is, it belongs into the table
        said["failed"].append(f"{name}: {traceback.format_exc()[-3000:]}")
        said.setdefault(name, failed)
    said[f"{name}_seconds"] = round(time.monotonic() - began, 1)
    note(name)
    keep("said.json", said)


def main():
    todo, said, lines = inside.plan(), {"failed": [], "guests": {}, "lost": []}, []
    step(said, "doctor", doctor, {"facets": [], "kernel": {"release": "?"}})
    step(said, "lives", lambda: lines.extend(lives(todo["guests"], BOUND, said["guests"])), None)
    said["lost"] = [line for line in lines if "lost" in line or "refused" in line]
    keep("monitor.log", "\n".join(lines))
    step(said, "micro", lambda: micro(todo["micro"]), {})


main()
