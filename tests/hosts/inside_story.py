# SPDX-License-Identifier: Apache-2.0
"""One host of a story: its guests boot under a monitor whose store outlives this host, and what abidrift says of each is kept."""
import inside
from inside import keep, note
import harness
import stories
import upgrade


# Firmware on an emulated host that shares its processor pauses for seconds and takes a minute: what is judged before its end is half a machine.
SETTLE = ["--set", "monitor.settle=6s", "--set", "monitor.settle_max=200s"]


class Place:
    """What a monitor takes for its folder: the disk that outlives the host."""
    path = "/state"


def judged(monitor, vmm, name):
    def look():
        if vmm.child.poll() is not None:
            raise AssertionError(f"{name}: QEMU ended: {vmm.err[-5:]}")
        found = monitor.guest(name)
        return found if found and found["settled"] and found["pid"] == vmm.pid else None
    return harness.wait_for(f"{name} to be judged", look, 300)


def delivered(monitor):
    """Whether every alert that was raised has left for every sink."""
    return all(sink["state"] == "done" for alert in monitor.json("alert", "list")["alerts"] for sink in alert["sinks"])


def main():
    todo = inside.plan()
    monitor = harness.Monitor(Place, settle=SETTLE)
    note("monitor is ready")
    said, vmms = {}, {}
    try:
        for name in todo["guests"]:
            vmms[name] = stories.GUESTS[name].start(f"/vmm/{todo['vmm']}")
        for name, vmm in vmms.items():
            state = judged(monitor, vmm, name)
            note(name, state["state"], state["changes"])
            said[name] = {"state": state, "diff": monitor.diff(name), "context": monitor.json("show", name)["context"]}
            keep(f"{name}.diff", harness.abidrift("diff", name, store=monitor.store, ok=None).stdout)
        harness.wait_for("alerts to be delivered", lambda: delivered(monitor))
        keep("ls", harness.abidrift("ls", store=monitor.store, ok=None).stdout)
    finally:
        for vmm in vmms.values():
            vmm.stop(9)
    for name in vmms:
        monitor.gone(name)
    keep("said.json", said)
    keep("history.json", monitor.json("history")["events"])
    keep("alerts.json", monitor.json("alert", "list")["alerts"])
    monitor.stop()
    keep("told.json", monitor.alerts())
    keep("monitor.log", "\n".join(monitor.err))


main()
