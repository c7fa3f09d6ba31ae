# SPDX-License-Identifier: Apache-2.0
"""Upgrades of a host: the same guests and the same store under one kernel, CPU, set of KVM's parameters and QEMU after another, and back.

A Story is a list of hosts that are booted one after the other with one state disk. `play` boots them, `wrong` says what abidrift should have
said otherwise, by rules: what differs between two hosts is known, so it is known which factors may be told, which of them can have made which
change, and whether that was promised to a guest. `tables` is what docs/host-upgrades.md shows."""
import json
import os
import re
import sys
import tempfile
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "upgrade"), os.path.join(HERE, "..", "live")]
import table  # noqa: E402
import upgrade  # noqa: E402

SECONDS = 900
STATE_MEGABYTES = 64
LINE = 160


class Host:
    """One boot of the host. `called`: what an operator would call the step to it."""
    def __init__(self, called, kernel, qemu="7.2", cpu="EPYC", parameters=()):
        self.called, self.kernel, self.qemu, self.cpu, self.parameters = called, kernel, qemu, cpu, dict(parameters)

    def same_as(self, other):
        return (self.kernel, self.qemu, self.cpu, self.parameters) == (other.kernel, other.qemu, other.cpu, other.parameters)


class Story:
    def __init__(self, name, hosts, guests=("named", "host")):
        self.name, self.hosts, self.guests = name, hosts, guests


def back(host):
    return Host("back", host.kernel, host.qemu, host.cpu, host.parameters)


# Machines with a promise (a versioned type). Of `named` and `small` the CPU is promised too, of `host` it is the host's.
GUESTS = {d.name: d for d in (
    upgrade.Definition("named", "pc-q35-5.2", [*upgrade.Q35, *upgrade.NUMA, *upgrade.SMBIOS], "EPYC", 2),
    upgrade.Definition("small", "pc-q35-5.2", cpu="EPYC,+svm", vcpus=2),
    upgrade.Definition("host", "pc-i440fx-5.2", cpu="host", vcpus=2))}


def journey(name, *hosts, guests=("named", "host")):
    """There and back again: the last host is the first once more, which has to end every drift."""
    return Story(name, [*hosts, back(hosts[0])], guests)


def stories():
    yield Story("kernel and QEMU", [Host("", "6.1"), Host("kernel 6.1 → 6.12", "6.12"), Host("back", "6.1"),
                                    Host("kernel 6.1 → 6.12 and QEMU 7.2 → 10.0", "6.12", "10.0"), Host("back", "6.1")], ("named", "host"))
    yield journey("oldest and newest kernel", Host("", "5.10"), Host("kernel 5.10 → newest", "newest"))
    yield journey("CPU and parameters", Host("", "6.12"), Host("rebooted", "6.12"), Host("CPU EPYC → EPYC-Rome", "6.12", cpu="EPYC-Rome"),
                  Host("CPU EPYC → max", "6.12", cpu="max"), Host("kvm_amd nested=0", "6.12", parameters={"kvm_amd": "nested=0"}),
                  Host("kvm_amd npt=0", "6.12", parameters={"kvm_amd": "npt=0"}),
                  Host("kvm ignore_msrs=1 halt_poll_ns=0", "6.12", parameters={"kvm": "ignore_msrs=1 halt_poll_ns=0"}), guests=("small", "host"))


def quick():
    """What `make test` has time for."""
    return Story("kernel 6.1 to 6.12", [Host("", "6.1"), Host("kernel 6.1 → 6.12", "6.12")], ("small", "host"))


# ---- what differs between two hosts

def factors(old, new):
    """Patterns of the factors that must be told of as different between two hosts, and of those that may."""
    must, may = [], []
    if old.kernel != new.kernel:
        must += ["kernel", "kernel.version"]
        may += [r"kvm\..*"]  # parameters come and go with kernels
    if old.cpu != new.cpu:
        must += ["host_cpu"]
        may += [r"host_cpu\..*", "microcode", r"kvm\.kvm_amd\..*"]  # what the CPU lacks, the module switches off
    if old.qemu != new.qemu:
        must += ["vmm.version", "vmm.build_id"]
        may += ["vmm.path", r"firmware\..*"]
    for module in old.parameters.keys() | new.parameters.keys():
        a, b = (dict(word.split("=") for word in h.parameters.get(module, "").split()) for h in (old, new))
        names = [name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
        must += [f"kvm.{module}.{name}" for name in names]
        may += [r"kvm\.kvm\.tdp_mmu"] if "npt" in names else []  # follows it
    return must, may


def wrong_factors(told, old, new):
    must, may = factors(old, new)
    wrong = [f"{f} differs, and is not told" for f in must if f not in told]
    return wrong + [f"{f} is told as different" for f in told if f not in must and not any(re.fullmatch(p, f) for p in may)]


# ---- what may be said of a change

VMM, KERNEL, CPU, FIRMWARE = r"vmm\.(version|build_id)", r"kernel(\.version)?", r"host_cpu(\..*)?", r"firmware\..*"
# (facet and key, the first causes that can be true). First match counts; a change that no row knows should not be there.
CAUSES = (
    (r"firmware rom/|smbios type0\.", (FIRMWARE,)),
    (r"cpuid 0x40000001\.", (KERNEL, r"kvm\..*", VMM)),
    (r"cpuid ", (KERNEL, CPU, r"kvm\..*", VMM)),
    (r"msr ", (KERNEL, CPU, r"kvm\..*")),
    (r"smbios type4\.\d+/(processor_id|version)", (KERNEL, CPU)),
    (r"(acpi|smbios|pci|memory|ports|mmio) ", (VMM,)),
)
OF_CPU = r"(cpuid|msr) |smbios type4\.\d+/(processor_id|version)"


def wrong_change(guest, change, old, new):
    key = f"{change['facet']} {change['key']}"
    must, may = factors(old, new)
    first = change["cause"][0]["factor"] if change["cause"] else None
    possible = next((causes for pattern, causes in CAUSES if re.match(pattern, key)), ())
    if first is None or not any(re.fullmatch(p, first) for p in possible) or not (first in must or any(re.fullmatch(p, first) for p in may)):
        yield f"{key} ({change['from']} -> {change['to']}) is said to be because of {first}"
    excused = guest.cpu == "host" and re.match(OF_CPU, key)
    if change["verdict"] != ("exempt" if excused else "violation"):
        yield f"{key} is judged {change['verdict']} ({change['reason']})"
    if change["running"]:
        yield f"{key} is said to have changed under a running guest, which was started anew"
    if change["facet"] == "cpuid" and change["change"] == "changed" and any(f["name"] is None for f in change["fields"]):
        yield f"{key} has bits without a name: {change['fields']}"


# What is so on Debian's kernels 6.1.x and 6.12.x (bookworm, trixie) under QEMU's EPYC, and stays so within a stable release: the newer one has "KVM: nSVM:
# Advertise support for flush-by-ASID", and nothing that the model EPYC has.
KNOWN = {("kernel 6.1 → 6.12", "named"): set(), ("kernel 6.1 → 6.12", "small"): set(), ("kernel 6.1 → 6.12", "host"): {"+flushbyasid"}}


def wrong_known(guest, host, said):
    known = KNOWN.get((host.called, guest.name))
    found = {b for c in said["diff"]["changes"] for b in bits(c)}
    if known is not None and found != known:
        yield f"found is {sorted(found)}, known to be so is {sorted(known)}"


def wrong_apart(story, n, found, name):
    """Where kernel and QEMU changed in one night: what the same kernel alone had changed is the kernel's, and what is left is not."""
    first, host = story.hosts[0], story.hosts[n]
    alone = next((m for m, h in enumerate(story.hosts[:n]) if h.same_as(Host("", host.kernel, first.qemu, host.cpu, host.parameters))), None)
    if first.kernel == host.kernel or first.qemu == host.qemu or alone is None:
        return
    kernels = drift_of(found[alone]["said"][name])
    for c in found[n]["said"][name]["diff"]["changes"]:
        is_kernels = (c["facet"], c["key"], c["from"], c["to"]) in kernels
        if c["cause"] and is_kernels != bool(re.fullmatch(KERNEL, c["cause"][0]["factor"])):
            yield f"{c['key']} is {'the kernel' if is_kernels else 'QEMU'}'s, and said to be because of {c['cause'][0]['factor']}"


def wrong_guest(guest, said, old, new):
    state, diff = said["state"], said["diff"]
    for c in diff["changes"]:
        yield from wrong_change(guest, c, old, new)
    expected = "drift" if diff["changes"] else "same"
    if state["state"] != expected or diff["result"] != expected:
        yield f"it has {len(diff['changes'])} changes, and is {state['state']}, {diff['result']}"
    if old.same_as(new) and (diff["changes"] or diff["context"]):
        yield f"nothing differs, but told is {[c['key'] for c in diff['changes']]} {diff['context']}"
    yield from wrong_factors({f["factor"] for f in diff["context"]}, old, new)
    yield from wrong_known(guest, new, said)
    unknown = [u for u in diff["unknown"] if u["key"] is None]  # a port that firmware polls by the clock may not be asked again
    if unknown:
        yield f"unknown is {unknown}"


# ---- what was told, and when

def drift_of(said):
    """What an alert would be about: the same drift as before is not told again."""
    return {(c["facet"], c["key"], c["from"], c["to"]) for c in said["diff"]["changes"]}


def expected_tellings(before, now):
    """'drift', 'resolved' or nothing, of one guest between two hosts."""
    was, is_now = drift_of(before) if before else set(), drift_of(now)
    return [] if was == is_now else ["drift"] if is_now else ["resolved"]


def wrong_tellings(what, told, name, expected):
    got = [t["type"] for t in told if t["type"] in ("drift", "resolved") and name in (t.get("name"), (t["guest"] or {}).get("name") if isinstance(t["guest"], dict) else None)]
    if got != expected:
        yield f"{what}: {got or 'nothing'} was told of {name}, not {expected or 'nothing'}"


def wrong_host_events(events, old, new, drifting):
    """One event for what became of the host, with just what differs, and those guests that drift because of it."""
    told = [e for e in events if e["type"] == "host"]
    must, _ = factors(old, new) if old else ([], [])
    # QEMU is a guest's, not the host's.
    must = [f for f in must if not f.startswith("vmm.")]
    if len(told) != bool(must):
        yield f"history: {len(told)} events of the host, not {int(bool(must))}: {[[f['factor'] for f in e['context'] or []] for e in told]}"
    for e in told:
        yield from (f"history, host: {w}" for w in wrong_factors({f["factor"] for f in e["context"]} | {"vmm.version", "vmm.build_id"}
                                                                 if old.qemu != new.qemu else {f["factor"] for f in e["context"]}, old, new))
        because = {g["name"] for g in e["guests"] or []}
        if because != drifting:
            yield f"history: {sorted(because)} are said to drift because of the host, and {sorted(drifting)} do"


def wrong_host(story, n, found):
    """What is wrong with what was said on the n-th host, as sentences."""
    first, old, new, now = story.hosts[0], story.hosts[n - 1] if n else None, story.hosts[n], found[n]
    before = found[n - 1] if n else None
    seen = len(before["history"]) if before else 0
    events, told = now["history"][seen:], now["told"]
    for name in story.guests:
        guest, said = GUESTS[name], now["said"][name]
        yield from (f"{name}: {w}" for w in wrong_guest(guest, said, first, new))
        yield from (f"{name}: {w}" for w in wrong_apart(story, n, found, name))
        expected = expected_tellings(before and before["said"][name], said)
        yield from wrong_tellings("alerts", told, name, expected)
        yield from wrong_tellings("history", events, name, expected)
    yield from (f"alert {t['type']}: {t['summary']}" for t in told if t["type"] not in ("drift", "resolved") and not may_be_blind(story, n, t))
    drifting = {name for name in story.guests if "drift" in expected_tellings(before and before["said"][name], now["said"][name]) and
                any(not c["cause"][0]["factor"].startswith(("vmm.", "firmware.")) for c in now["said"][name]["diff"]["changes"] if c["cause"])}
    if old:
        yield from wrong_host_events(events, old, new, drifting)


def may_be_blind(_story, _n, _alert):
    return False


def wrong(story, found):
    return [f"{story.name}, host {n} ({story.hosts[n].called or 'the first'}): {w}" for n in range(len(found)) for w in wrong_host(story, n, found)]


# ---- what was found, for people

def number(text):
    return hex(int(text)) if text and text.isdigit() and int(text) >= 0x40000000 else text


def bits(change):
    """What changed, each as short as its name allows: +avx2, -svm, maxphyaddr 40 → 48."""
    if change["facet"] == "cpuid" and change["change"] != "changed":
        return [f"{'+' if change['change'] == 'gained' else '-'}leaf {change['key'].split('.')[0]}"]
    if change["string"]:  # each of its registers has all of it
        return [f"{change['string']['name']} \"{change['string']['from']}\" → \"{change['string']['to']}\""]
    if change["facet"] not in ("cpuid", "msr") or change["change"] != "changed" or not change["fields"]:
        sign = {"gained": "+", "lost": "-", "changed": ""}[change["change"]]
        return [f"{sign}{change['key']}" + (f" {change['from']} → {change['to']}" if change["change"] == "changed" and change["facet"] in ("cpuid", "msr") else "")]
    return [f"{'+' if f['to'] == '1' else '-'}{f['name']}" if {f["from"], f["to"]} == {"0", "1"}
            else f"{f['name']} {number(f['from'])} → {number(f['to'])}" for f in change["fields"]]


SHOWN = 8  # in one cell; of more it names the list below the table


def what(changes, lists):
    """Bits of registers by name, many of them as a list of their own, which is added to `lists`; of the other facets, whose keys tests/upgrade tells one by one,
    how many entries."""
    parts = []
    for facet in dict.fromkeys(c["facet"] for c in changes):
        mine = [c for c in changes if c["facet"] == facet]
        names = list(dict.fromkeys(b for c in mine for b in bits(c)))
        if facet in ("cpuid", "msr") and len(names) > SHOWN:
            text = f"{facet}: `{'`, `'.join(names)}`"
            if text not in lists:
                lists.append(text)
            parts.append(f"{facet}: {len(names)}, list {lists.index(text) + 1}")
        elif facet in ("cpuid", "msr") or len(mine) <= 2:
            parts.append(f"{facet}: `{'`, `'.join(names)}`")
        else:
            parts.append(f"{facet}: {table.cell(mine)} entries")
    return "; ".join(parts)


def rows(story, found, lists):
    for host, now in zip(story.hosts[1:], found[1:]):
        for name in story.guests:
            groups = {}
            for c in now["said"][name]["diff"]["changes"]:
                groups.setdefault((c["cause"][0]["factor"] if c["cause"] else "–", c["verdict"]), []).append(c)
            if not groups:
                yield [host.called, name, "same", "", ""]
            for (cause, verdict), changes in groups.items():
                yield [host.called, name, verdict, f"`{cause}`", what(changes, lists)]


def tables(results):
    """The measured part of docs/host-upgrades.md."""
    parts = []
    for story, found in results:
        first, lists = story.hosts[0], []
        parts.append(f"**From kernel {first.kernel}, CPU {first.cpu}, QEMU {first.qemu}**\n")
        parts.append(table.markdown([["host then", "guest", "verdict", "first cause", "what"], *rows(story, found, lists)]) + "\n")
        if lists:
            parts.append("\n".join(textwrap.fill(f"{n}. {text}", LINE, subsequent_indent="   ", break_long_words=False) for n, text in enumerate(lists, 1)) + "\n")
    return "\n".join(parts)


def versions(results):
    """What the names of versions stood for, and when: nothing that a later run has to find again."""
    seen = {}
    for story, found in results:
        for host, now in zip(story.hosts, found):
            for said in now["said"].values():
                seen.setdefault(f"kernel {host.kernel}", f"{said['context']['kernel']}, {said['context']['kernel.version']}")
                seen.setdefault(f"QEMU {host.qemu}", said["context"]["vmm.version"])
    return f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())} with\n\n" + "".join(f"- {name}: {seen[name]}\n" for name in sorted(seen))


# ---- running them

def play(story, keep=None):
    """What each host of the story left: {"said","history","told",…}. keep: a folder for all that."""
    import hosts
    import images
    found = []
    with tempfile.TemporaryDirectory(prefix="abidrift-story-") as folder:
        state = os.path.join(folder, "state")
        images.ext4(state, megabytes=STATE_MEGABYTES)
        for n, host in enumerate(story.hosts):
            began = time.monotonic()
            left = hosts.inside(host.kernel, "inside_story.py", {"guests": story.guests, "vmm": host.qemu}, vmms=[host.qemu], state=state, seconds=SECONDS,
                                cpu=host.cpu, parameters=host.parameters)
            if keep:
                hosts.kept(os.path.join(keep, story.name.replace(" ", "-").replace(",", ""), str(n)), left)
            found.append({**{name: json.loads(left[f"{name}.json"]) for name in ("said", "history", "told")}, "seconds": time.monotonic() - began})
    return found
