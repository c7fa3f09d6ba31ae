# SPDX-License-Identifier: Apache-2.0
"""One host of a story: its guests boot under a monitor whose store outlives this host, and what abidrift says of each is kept."""
import inside
from inside import keep, note
import harness
import upgrade


class Place:
    """What a monitor takes for its folder: the disk that outlives the host."""
    path = "/state"


def judged(monitor, vmm, name):
    def look():
        if vmm.child.poll() is not None:
            raise AssertionError(f"{name}: QEMU ended: {vmm.err[-5:]}")
        found = monitor.guest(name)
        return found if found and found["settled"] and found["pid"] == vmm.pid else None
    return harness.wait_for(f"{name} to be judged", look, 200)


def main():
    todo = inside.plan()
    monitor = harness.Monitor(Place)
    note("monitor is ready")
    said = {}
    for number, guest in enumerate(todo["guests"]):
        definition = upgrade.Definition(guest["name"], guest["machine"], guest.get("args", ()), guest["cpu"], guest.get("vcpus", 1))
        vmm = definition.start(f"/vmm/{guest['vmm']}")
        try:
            state = judged(monitor, vmm, definition.name)
            note(definition.name, state["state"], state["changes"])
            said[definition.name] = {"state": state, "diff": monitor.diff(definition.name)}
            keep(f"{number}.diff", harness.abidrift("diff", definition.name, store=monitor.store, ok=None).stdout)
        finally:
            vmm.stop(9)
        monitor.gone(definition.name)
    keep("said.json", said)
    keep("history.json", monitor.json("history"))
    monitor.stop()
    keep("monitor.log", "\n".join(monitor.err))
    keep("alerts", "\n".join(monitor.out))


main()
