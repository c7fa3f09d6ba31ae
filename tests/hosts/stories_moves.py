# SPDX-License-Identifier: Apache-2.0
"""Guests that meet another QEMU on emulated hosts: started cold by it, migrated to it while they run, saved by one host and restored by the next.
As stories.py: hosts that are booted one after the other with one disk; rules say what abidrift should have said otherwise, here against what the
guest's memory and the VMM's own monitor show (tests/live/moves.py). `tables` is what docs/host-upgrades.md shows."""
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "upgrade"), os.path.join(HERE, "..", "live")]
import moves  # noqa: E402
import table  # noqa: E402
import upgrade  # noqa: E402

SECONDS = 900
STATE_MEGABYTES = 128
LACKS = "EPYC,-aes"


class Guest:
    """lives: its steps on each host."""
    def __init__(self, name, machine, *lives, cpu="EPYC"):
        self.name, self.machine, self.lives, self.cpu = name, machine, lives, cpu

    def plan(self, host):
        return {"name": self.name, "machine": self.machine, "cpu": self.cpu, "steps": self.lives[host]}


class Story:
    def __init__(self, name, kernels, *guests):
        self.name, self.kernels, self.guests = name, kernels, guests


def there_and_back(name, machine):
    return Guest(name, machine, [("start", "5.2"), ("start", "10.0"), ("start", "5.2")])


def migrated(name, machine, a, b):
    return Guest(name, machine, [("start", a), ("migrate", b), ("reset",), ("start", b)])


def stories():
    yield Story("QEMU on one host", ["6.12"],
                there_and_back("cold-q35", "pc-q35-5.2"), migrated("up-q35", "pc-q35-5.2", "7.2", "10.0"), migrated("up-i440fx", "pc-i440fx-5.2", "5.2", "7.2"),
                migrated("down-i440fx", "pc-i440fx-5.2", "10.0", "7.2"), there_and_back("cold-i440fx", "pc-i440fx-5.2"),
                Guest("less-q35", "pc-q35-5.2", [("start", "7.2"), ("migrate", "10.0", LACKS), ("migrate", "7.2")]))
    yield Story("saved, the host upgraded, restored", ["6.1", "6.12"],
                Guest("saved-named", "pc-q35-5.2", [("start", "7.2"), ("save",)], [("restore", "10.0"), ("reset",), ("start", "10.0")]),
                Guest("saved-host", "pc-q35-5.2", [("start", "7.2"), ("save",)], [("restore", "7.2"), ("reset",)], cpu="host"))


# ---- what is wrong, as sentences

def causes(guest, host):
    """Of each facet the first causes that can be true on that host of the story."""
    kernel = ["kernel", "kernel.version"] if host else []
    cpu = ["cpu"] if any(LACKS in step for step in guest.lives[host]) else []
    return {"cpuid": cpu + kernel, "acpi": ["vmm.version"], "smbios": ["vmm.version", f"firmware.{upgrade.SEABIOS}"], "firmware": [f"firmware.{upgrade.SEABIOS}"]}


def verdict(guest, change):
    if change["facet"] != "cpuid":
        return "violation"
    return "intended" if change["cause"][0]["factor"] == "cpu" else "exempt" if guest.cpu == "host" else "violation"


def wrong_change(guest, host, point, c):
    key, first = f"{c['facet']} {c['key']}", c["cause"][0]["factor"] if c["cause"] else None
    if first not in causes(guest, host).get(c["facet"], ()):
        yield f"{key} is said to be because of {first}"
    elif c["verdict"] != verdict(guest, c):
        yield f"{key} is judged {c['verdict']} ({c['reason']})"
    # A feature that it used and lost is the worst that can happen to a running guest.
    if point["step"] in ("migrate", "restore") and c["facet"] == "cpuid" and not c["running"]:
        yield f"{key} changed under the running guest, and that is not told"
    if c["running"] and any(f["from"] == "1" and f["to"] == "0" for f in c["fields"]) and c["severity"] != "critical":
        yield f"{key} lost bits under the running guest, and is {c['severity']}"


def wrong_guest(guest, found):
    points, told = [], []
    for host, left in enumerate(found):
        points += left["points"][guest.name]
        for point in left["points"][guest.name]:
            told += [f"{point['step']} {point['version'] or ''}: {w}" for c in point["diff"]["changes"] for w in wrong_change(guest, host, point, c)]
        told += [f"{w}" for w in moves.wrong("", points, left["alerts"][guest.name])] if host == len(found) - 1 else []
    # Where it began it is what it was.
    last = guest.lives[-1][-1]
    if len(guest.lives) == 1 and last[1] == guest.lives[0][0][1] and (points[-1]["state"]["state"] not in ("same", "unknown") or points[-1]["diff"]["changes"]):
        told.append(f"it is back, and {points[-1]['state']['state']}")
    if len(points) > 1 and last[0] == "start" and len(found) == 1:
        definition = moves.movable(guest.machine, guest.name, cpu=guest.cpu)
        a, cold = points[0]["version"], next(p for p in points[1:] if p["step"] == "start")
        told += upgrade.wrong_changes(definition, (a, cold["version"]), cold["diff"])
    return [f"{guest.name}: {t}" for t in told]


def wrong(story, found):
    return [f"{story.name}: {w}" for guest in story.guests for w in wrong_guest(guest, found)]


# ---- what was found, for people

STEPS = {"start": "started by QEMU {}", "migrate": "migrated to QEMU {}", "restore": "restored by QEMU {}", "reset": "reset"}


def what(changes):
    """Facets with how many entries, of registers the bits by name."""
    parts = []
    for facet in dict.fromkeys(c["facet"] for c in changes):
        mine = [c for c in changes if c["facet"] == facet]
        bits = [f"{'+' if f['to'] == '1' else '-'}{f['name']}" if {f["from"], f["to"]} == {"0", "1"} else f"{f['name']} {f['from']} → {f['to']}"
                for c in mine for f in c["fields"] if facet == "cpuid"]
        parts.append(f"{facet}: " + (f"`{'`, `'.join(bits)}`" if bits else table.cell(mine)))
    return "; ".join(parts) or "nothing"


def rows(guest, kernels, found):
    for host, left in enumerate(found):
        for n, point in enumerate(left["points"][guest.name]):
            step = STEPS[point["step"]].format(point["version"])
            words = next((s[2] for s in guest.lives[host] if s[:2] == [point["step"], point["version"]] or tuple(s[:2]) == (point["step"], point["version"]) and len(s) > 2), None)
            step += f" with `-cpu {words}`" if words else ""
            step += f", on kernel {kernels[host]}" if len(kernels) > 1 and n == 0 else ""
            changes = point["diff"]["changes"]
            first = list(dict.fromkeys(c["cause"][0]["factor"].split("/")[0].rstrip(".") for c in changes if c["cause"]))
            verdicts = list(dict.fromkeys(c["verdict"] + (", while it ran" if c["running"] else "") for c in changes))
            yield [f"{guest.machine}, `-cpu {guest.cpu}`" if host == n == 0 else "", step, "baseline" if host == n == 0 else what(changes), "; ".join(verdicts),
                   ", ".join(f"`{f}`" for f in first), point["state"]["state"]]


def tables(results):
    """The measured part of docs/host-upgrades.md."""
    parts = []
    for story, found in results:
        parts.append(f"**{story.name[0].upper()}{story.name[1:]}**\n")
        parts.append(table.markdown([["guest", "what happened", "entries that differ from the baseline", "verdict", "first causes", "state"],
                                     *(row for guest in story.guests for row in rows(guest, story.kernels, found))]) + "\n")
    return "\n".join(parts)


# ---- running them

def play(story, keep=None):
    """What each host of the story left: {"points","history","alerts","seconds"}."""
    import hosts
    import images
    found = []
    with tempfile.TemporaryDirectory(prefix="abidrift-story-") as folder:
        state = os.path.join(folder, "state")
        images.ext4(state, megabytes=STATE_MEGABYTES)
        for n, kernel in enumerate(story.kernels):
            began = time.monotonic()
            left = hosts.inside(kernel, "inside_moves.py", {"lives": [g.plan(n) for g in story.guests]}, vmms=list(upgrade.VERSIONS), state=state,
                                memory=2048, seconds=SECONDS)
            if keep:
                hosts.kept(os.path.join(keep, story.name.replace(" ", "-").replace(",", ""), str(n)), left)
            found.append({**{name: json.loads(left[f"{name}.json"]) for name in ("points", "history", "alerts")}, "seconds": time.monotonic() - began})
    return found
