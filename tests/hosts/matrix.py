# SPDX-License-Identifier: Apache-2.0
"""Kernel by VMM by facet: what each stock kernel shows as a host (inside_matrix.py runs there), what is wrong with that, and the tables."""
import json
import os
import threading
import time

import hosts
import images

COMPLETE = ("cpuid", "memory", "pci", "smbios", "acpi", "numa", "firmware")
WITNESSED = ("msr", "ports", "mmio", "placement", "identity")
FACETS = (*COMPLETE, *WITNESSED)
SHORT = {"complete": "c", "witnessed": "w", "none": "–"}
# Each version of QEMU with SeaBIOS and many devices, one of them on the older chipset; and UEFI, which many devices make too slow here.
GUESTS = [dict(name="5.2-SeaBIOS", vmm="5.2", machine="pc-q35-5.2", firmware="SeaBIOS", cpu="EPYC", rich=True),
          dict(name="7.2-SeaBIOS", vmm="7.2", machine="pc-i440fx-5.2", firmware="SeaBIOS", cpu="EPYC", rich=True),
          dict(name="10.0-SeaBIOS", vmm="10.0", machine="pc-q35-10.0", firmware="SeaBIOS", cpu="EPYC", rich=True),
          dict(name="7.2-OVMF", vmm="7.2", machine="pc-q35-7.2", firmware="OVMF", cpu="EPYC", rich=False)]
# Of the micro-VMM's tests: some of what depends on the kernel. All of them take an emulated host minutes.
MICRO_SOME = ("test_cpuid_facet_equals_the_table_that_was_set", "test_port_that_answers_in_one_boot_and_not_in_the_next", "test_mmio_pages_are_told_by_width",
              "test_identifying_registers_are_told_by_value_and_others_by_answering", "test_reset_port_begins_a_boot",
              "test_vm_closed_and_made_again_with_the_same_pointers_is_another_guest")
# On an emulated 6.12 abidrift tells that boot, but the vCPU does not go on after it: docs/hosts.md.
MICRO = {**{kernel: MICRO_SOME for kernel in ("5.10", "6.1", "6.12")}, "newest": (*MICRO_SOME, "test_triple_fault_begins_a_boot")}
SECONDS = 840
NAMES = [g["name"] for g in GUESTS]


def guests(_kernel):
    return GUESTS


class Column:
    """What one kernel said. `failed`: sentences."""
    def __init__(self, kernel, said, seconds):
        self.kernel, self.said, self.seconds = kernel, said, seconds
        self.release = said["doctor"]["kernel"]["release"]
        self.failed = [f"{kernel}: {w}" for w in self.wrong()]

    def wrong(self):
        for facet in self.said["doctor"]["facets"]:
            if facet["coverage"] == "none":
                yield f"doctor says none of {facet['facet']}: {facet['reason']}"
        yield from self.said["failed"]
        for name, (word, why, _) in self.said["micro"].items():
            if word == "failed":
                yield f"{name}\n{why}"
        for guest in guests(self.kernel):
            said = self.said["guests"].get(guest["name"], {"failed": "was not tried"})
            yield from (f"QEMU {guest['vmm']} {guest['firmware']}: {w}" for w in ([said["failed"]] if "failed" in said else self.wrong_guest(said)))
        if self.said.get("lost"):
            yield f"the monitor lost something: {self.said['lost'][:5]}"

    @staticmethod
    def wrong_guest(said):
        state = said["state"]
        if (state["state"], state["changes"], state["current"]["revision"], state["boot"]) != ("same", 0, 1, 1):
            yield f"is {state['state']} with {state['changes']} changes at revision {state['current']['revision']}, boot {state['boot']}"
        for event in said["events"]:
            yield f"event {event['type']}: {event}"
        for facet in FACETS:
            told = said["facets"][facet]
            if told["coverage"] != ("complete" if facet in COMPLETE else "witnessed"):
                yield f"{facet} is {told['coverage']}: {told['reason']}"
            elif not told["entries"]:
                yield f"{facet} is {told['coverage']} and has no entry"

    def micro(self, word):
        return sum(w == word for w, _, _ in self.said["micro"].values())

    def counts(self):
        """(how much passed, what failed, what was skipped): the micro-VMM's tests, and each guest."""
        right = sum("failed" not in g and not list(self.wrong_guest(g)) for g in self.said["guests"].values())
        return self.micro("ok") + right, self.failed, [f"{self.kernel}: {n}: {why}" for n, (word, why, _) in self.said["micro"].items() if word == "skipped"]


def run_kernel(kernel, root):
    """That kernel's column. What its host left stays in build/hosts/KERNEL for who wants to read more."""
    began = time.monotonic()
    plan = dict(micro=MICRO[kernel], guests=guests(kernel), complete=COMPLETE)
    found = hosts.again(lambda: hosts.inside(kernel, "inside_matrix.py", plan, vmms=sorted({g["vmm"] for g in GUESTS}), root=root, seconds=SECONDS))
    hosts.kept(os.path.join(hosts.BUILD, "hosts", kernel), found)
    return Column(kernel, json.loads(found["said.json"]), time.monotonic() - began)


def jobs(folder):
    """[(name, function)]: each boots one host. The longest first."""
    root, lock = os.path.join(folder, "base"), threading.Lock()

    def column(kernel):
        with lock:
            if not os.path.exists(root):
                images.base(root)
        return run_kernel(kernel, root)
    return [(kernel, lambda kernel=kernel: column(kernel)) for kernel in ("5.10", "newest", "6.1", "6.12")]


def markdown(rows):
    head, *rest = rows
    return "\n".join(["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rest)]) + "\n"


def table(columns):
    """Kernel by VMM by facet: how each is covered."""
    rows = [("kernel", "QEMU", "machine", "firmware", *FACETS)]
    for c in columns:
        for g in guests(c.kernel):
            said = c.said["guests"].get(g["name"], {})
            cells = [SHORT.get(said["facets"][f]["coverage"], "?") for f in FACETS] if "facets" in said else ["failed"] * len(FACETS)
            rows.append((c.kernel, g["vmm"], g["machine"], g["firmware"], *cells))
    more = [("kernel", "facets that `doctor` says none of", "guests judged", "micro-VMM's tests passed", "of")]
    for c in columns:
        none = ", ".join(f["facet"] for f in c.said["doctor"]["facets"] if f["coverage"] == "none") or "–"
        more.append((c.kernel, none, sum("facets" in g for g in c.said["guests"].values()), c.micro("ok"), len(c.said["micro"])))
    return markdown(rows) + "\n" + markdown(more)


def times_table(columns):
    """Not compared with what the documentation says."""
    rows = [("kernel", "release", "load and attach", "doctor", "micro", *NAMES, "all")]
    for c in columns:
        load = c.said["doctor"]["kernel"].get("load_ms")
        rows.append((c.kernel, c.release, f"{load:.0f} ms" if load else "–", f"{c.said['doctor_seconds']} s", f"{c.said['micro_seconds']} s",
                     *(f"{c.said['guests'].get(n, {}).get('seconds', '–')} s" for n in NAMES), f"{c.seconds:.0f} s"))
    return markdown(rows)
