# SPDX-License-Identifier: Apache-2.0
"""What QEMU calls a device and the ids that it answers: the table by which a changed -device is matched with a PCI function."""
import fnmatch
import os
import re
import shutil
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "userspace", "drift", "placed.c")
# These want a backend, another bus or a part of QEMU that may not be installed.
UNASKED = ("*vhost*", "virtio-input-host*", "nvme", "virtio-blk*", "virtio-9p*", "virtio-pmem*", "virtio-mem*", "ivshmem*", "virtio-crypto*",
           "virtio-iommu*", "acpi-erst", "*-gl*", "x3130*", "xio3130*", "cxl*", "rocker", "ufs", "virtio-balloon-pci-*", "*generic*")
SLOTS = 24


def shown(devices):
    """The ids of devices by their names, all on one machine that never runs."""
    options = [w for n, d in enumerate(devices) for w in ("-device", f"{d},id=x{n},addr={n + 2:#x}" + (",chassis_nr=1" if d.startswith("pci-bridge") else ""))]
    done = subprocess.run(["qemu-system-x86_64", "-M", "q35,accel=tcg", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio", *options],
                          input="info qtree\nquit\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = re.findall(r'dev: ([^,]+), id "x\d+".*?pci id ([0-9a-f]{4}:[0-9a-f]{4})', done.stdout, re.S)
    return dict(found)


class DeviceIds(unittest.TestCase):
    def test_a_device_is_known_by_the_ids_that_qemu_gives_it(self):
        if not shutil.which("qemu-system-x86_64"):
            self.skipTest("qemu-system-x86_64 is not installed")
        with open(SOURCE) as f:
            rows = re.findall(r'\{ "\*", "([^"]+)", "([^"]+)" \}', f.read())
        self.assertGreater(len(rows), 60)
        text = subprocess.run(["qemu-system-x86_64", "-device", "help"], capture_output=True, text=True, timeout=60, check=True).stdout
        known = {}
        for name in re.findall(r'name "([^"]+)", bus PCI', text):
            ids = next((ids for drivers, ids in rows for d in drivers.split("|") if fnmatch.fnmatchcase(name, d)), None)
            if ids and not any(fnmatch.fnmatchcase(name, u) for u in UNASKED):
                known[name] = ids
        # Two displays that are the machine's VGA cannot be in one machine.
        vga = [n for n in known if n.lower().endswith("vga") and n != "secondary-vga"]
        others = sorted(set(known) - set(vga))
        groups = [others[n:n + SLOTS] for n in range(0, len(others), SLOTS)]
        for n, name in enumerate(vga):
            if n < len(groups):
                groups[n].insert(0, name)  # the machine's first display
        qemu = {}
        for group in groups:
            qemu.update(shown(group))
        self.assertGreater(len(qemu), 50)
        self.assertEqual({n: i for n, i in qemu.items() if i not in known[n].split("|")}, {})


if __name__ == "__main__":
    unittest.main()
