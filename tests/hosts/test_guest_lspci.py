# SPDX-License-Identifier: Apache-2.0
"""A Linux guest with 40 devices that runs `lspci -xxxx` again and again, which asks for far more than a quota holds. What a user would lose: what
that guest's devices are, or their sleep over a drift that is none."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_guest  # noqa: E402

DEVICES, ROUNDS = 40, 5
BEHIND = [*(f"e1000e,mac=52:54:00:00:01:{n:02x},romfile=" for n in range(4)), *["virtio-rng-pci"] * 4, *(f"virtio-net-pci,mac=52:54:00:00:02:{n:02x},romfile=" for n in range(2)),
          "pcie-pci-bridge,id=br1", "qemu-xhci"]


def devices():
    """Root ports with something behind each, a conventional bridge, and modern virtio on the root bus: 40 that the definition names."""
    found = [f"pcie-root-port,id=rp{n},chassis={n + 1},multifunction=on,addr={2 + n // 8:x}.{n % 8}" for n in range(len(BEHIND))]
    found += [f"{device},bus=rp{n}" for n, device in enumerate(BEHIND)]
    found += ["e1000,mac=52:54:00:00:03:00,romfile=,bus=br1,addr=1", "nvme,drive=nvme,serial=NVME-1,addr=0x10"]
    rest = DEVICES - len(found)
    found += [f"virtio-rng-pci,disable-legacy=on,multifunction=on,addr={0x11 + n // 8:x}.{n % 8}" for n in range(rest)]
    return " ".join("-device " + device for device in found)


class Lspci(test_guest.Slow, test_guest.Story):
    """Three boots: the first and the last without, and without a look of the guest at itself, which is one at its functions too."""
    arguments = f"""-M q35 -name guest=linux -uuid {test_guest.UUID} -cpu EPYC -smp 1 -m 256 -drive file=/tmp/nvme,format=raw,if=none,id=nvme {devices()}
-kernel /guest/kernel -initrd /guest/initrd -append "console=ttyS0 quiet panic=-1" """
    story = f"""
up
tell load
restart reboot
tell load
tell lspci {ROUNDS}
see late
restart reboot
tell load
"""

    def headers(self, said):
        told = ("id", "class", "revision", "header", "multifunction", "pin", "rom", "subsystem", *(f"bar{n}" for n in range(6)))
        return {k: v for k, v in said.items() if k[0] == "pci" and k[1].rsplit("/", 1)[1] in told}

    def test_it_read_all_of_every_function(self):
        """Else all the others look at nothing."""
        self.assertRegex(self.found["console"].decode(errors="replace"), r"GUEST-DONE lspci 0\b")
        text = self.late.text("lspci")
        self.assertEqual(sorted(re.findall(r"(?m)^(\w{4}:\w\w:\w\w\.\d) ", text)), sorted(self.late.paths))
        self.assertGreaterEqual(len(self.late.paths), DEVICES)
        self.assertGreater(len(re.findall(r"(?m)^ff0: ", text)), 20)

    def test_headers_are_those_that_the_guest_sees(self):
        self.same(self.late.pci(), self.headers(self.said))
        self.assertEqual((self.state["coverage"]["pci"], self.state["coverage"]["cpuid"]), ("complete", "complete"))

    def test_cpuid_is_what_the_guest_sees(self):
        self.same(self.late.cpuid(), self.facet("cpuid"))

    def test_what_was_refused_is_told_of_that_boot_alone(self):
        began = [i for i, e in enumerate(self.history) if e["type"] == "boot"]
        refused = [i for i, e in enumerate(self.history) if e["type"] == "loss" and " pci facts " in (e["reason"] or "")]
        # SeaBIOS answers a reset by one of its own: one boot, then two for each restart.
        self.assertEqual([sum(at < i for at in began) for i in refused], [3], self.notes)

    def test_it_is_no_drift(self):
        self.assertEqual([(e["type"], e["changes"]) for e in self.history if e["type"] in ("drift", "resolved")], [], self.notes)
        self.assertEqual(self.state["changes"], 0)
        diff = test_guest.json.loads(test_guest.verb("diff", test_guest.UUID, "--json", *self.store, ok=(0, 3)))
        self.assertEqual(diff["changes"], [])
