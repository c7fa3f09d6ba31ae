# SPDX-License-Identifier: Apache-2.0
"""One column of the matrix: what this kernel shows as a host. What doctor says; the micro-VMM's live tests, as they are; and guests of
real QEMUs, each judged to its end. What came of it goes to /out/said.json."""
import json
import shutil
import time
import unittest

import inside
from inside import keep, note
import harness
import upgrade

FLASH = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")

QUIET = {"SeaBIOS": 10, "OVMF": 60}


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
    flash = []
    if guest["firmware"] == "OVMF":
        variables = f"/tmp/{guest['name']}.vars"
        shutil.copy(FLASH[0], "/tmp/code")
        shutil.copy(FLASH[1], variables)
        flash = ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/tmp/code", "-drive", f"if=pflash,unit=1,format=raw,file={variables}"]
    return upgrade.Definition(guest["name"], guest["machine"], [*devices, *flash], guest["cpu"], 2 if guest["rich"] else 1)


def judged(monitor, vmm, name):
    def look():
        if vmm.child.poll() is not None:
            raise AssertionError(f"{name}: QEMU ended: {vmm.err[-5:]}")
        found = monitor.guest(name)
        return found if found and found["settled"] else None
    try:
        return harness.wait_for(f"{name} to be judged", look)
    except AssertionError as why:
        raise AssertionError(f"{why}: {monitor.guest(name)} {monitor.err[-5:]}") from None


def told(monitor, vmm, name):
    state = judged(monitor, vmm, name)
    shown = monitor.json("show", name)
    return {"state": state, "facets": {f["facet"]: {"coverage": f["coverage"], "reason": f.get("reason"), "entries": len(f["entries"])} for f in shown["facets"]},
            "events": [e for e in monitor.json("history", name)["events"] if e["type"] in ("drift", "loss", "resolved")]}


def lives(guests, quiet, said):
    """Guests beside each other, under one monitor. quiet: for how many seconds nothing must be new until a boot is judged; firmware that
    unpacks itself is silent for long in an emulated host."""
    folder, began = harness.Folder(), time.monotonic()
    monitor = harness.Monitor(folder, settle=["--set", f"monitor.settle={quiet}s", "--set", "monitor.settle_max=600s"])
    started = [(d, d.start(f"/vmm/{g['vmm']}")) for g in guests for d in (definition(g),)]
    try:
        for made, vmm in started:
            try:
                said[made.name] = told(monitor, vmm, made.name)
            except AssertionError as why:
                said[made.name] = {"failed": str(why)[-3000:]}
            said[made.name]["seconds"] = round(time.monotonic() - began, 1)
            note(made.name, said[made.name].get("failed", "judged"))
    finally:
        for _, vmm in started:
            vmm.stop(9)
        monitor.stop()
        folder.close()
    return monitor.err


def main():
    todo, said = inside.plan(), {}
    began = time.monotonic()
    doctor = harness.abidrift("doctor", "--json", ok=None)
    said["doctor"], said["doctor_seconds"] = json.loads(doctor.stdout), round(time.monotonic() - began, 1)
    note("doctor")
    began = time.monotonic()
    said["micro"] = micro(todo["micro"])
    said["micro_seconds"] = round(time.monotonic() - began, 1)
    said["guests"], lines = {}, []
    for firmware, quiet in QUIET.items():
        lines += lives([g for g in todo["guests"] if g["firmware"] == firmware], quiet, said["guests"])
    said["lost"] = [line for line in lines if "lost" in line or "refused" in line]
    keep("monitor.log", "\n".join(lines))
    keep("said.json", said)


main()
