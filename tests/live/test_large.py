# SPDX-License-Identifier: Apache-2.0
"""The largest guest that is promised anything: 64 vCPUs in 4 nodes and 40 devices. All of it is seen, and every view of it works."""
import large
from harness import Live, abidrift, entries

TEXT_BYTES = 256 << 10
BEST = {"cpuid": "complete", "msr": "witnessed", "ports": "witnessed", "mmio": "witnessed", "memory": "complete", "pci": "complete",
        "placement": "witnessed", "acpi": "complete", "smbios": "complete", "numa": "complete", "firmware": "complete", "identity": "witnessed"}


class Large(Live):
    def test_every_facet_of_64_vcpus_and_40_devices_is_seen_and_shown(self):
        """A guest of this size would else have facets that are cut short, quotas that are full, or a page that nobody can load."""
        monitor = self.monitor()
        guest = self.qemu(large.MACHINE, *large.definition(), name="large", vcpus=large.VCPUS, memory="1G")
        state = monitor.settled("large", seconds=300)
        text = monitor.fingerprint("large")
        seen = entries(text)
        self.assertEqual({f: state["coverage"][f] for f in BEST}, BEST, state)
        self.assertEqual([line for line in text.splitlines() if line.startswith("# ") and "refused" in line], [])
        self.assertEqual([e for e in monitor.json("history", "large")["events"] if e["type"] == "loss"], [])
        self.assertLess(len(text), TEXT_BYTES)
        # Nothing is cut: every processor, every node, every function that QEMU has.
        per_node = large.VCPUS // large.NODES
        self.assertEqual([seen.get(("numa", f"node{n}/cpus")) for n in range(large.NODES)],
                         [f"{n * per_node}-{(n + 1) * per_node - 1}" for n in range(large.NODES)])
        missing = {k: v for k, v in guest.pci().items() if k.endswith("/id") and seen.get(("pci", k)) != v}
        self.assertEqual(missing, {})

        whole = monitor.json("show", "large")
        self.assertEqual({(f["facet"], e["key"]): e["value"] for f in whole["facets"] for e in f["entries"]}, seen)
        shown = abidrift("show", "large", store=monitor.store).stdout
        for facet in BEST:
            self.assertIn(facet, shown)
        self.assertEqual(monitor.diff("large")["result"], "same")

        # One device less: exactly that function is told, in the midst of all the others.
        guest.stop()
        monitor.gone("large")
        fewer = large.definition()
        at = fewer.index("nvme,bus=rp11,serial=nvme-11")
        guest = self.qemu(large.MACHINE, *fewer[:at - 1], *fewer[at + 1:], name="large", guest_uuid=guest.uuid, vcpus=large.VCPUS, memory="1G")
        monitor.settled("large", boot=state["boot"] + 1, seconds=300)
        diff = monitor.diff("large")
        told = {c["key"].rpartition("/")[0] for c in diff["changes"] if c["facet"] == "pci"}
        self.assertEqual(told, {"0000:00:03.3/00.0"}, diff["changes"])
        self.assertEqual({c["change"] for c in diff["changes"] if c["facet"] == "pci"}, {"lost"}, diff["changes"])
        self.assertIn("0000:00:03.3/00.0", abidrift("diff", "large", store=monitor.store, ok=(1,)).stdout)
