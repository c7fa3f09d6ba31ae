# SPDX-License-Identifier: Apache-2.0
"""What an operator changes in a guest's definition is what abidrift names as the cause: of real guests, change by change."""
import uuid

from harness import Live, wait_for
from test_real_guests import NIC, parallel

MACHINE = "pc-q35-7.2"
BIOSES = ("/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/bios.bin")


class Causes(Live):
    def twice(self, monitor, was, now):
        """Boots both under one UUID; the changes of the second against the first, with their causes."""
        ident = str(uuid.uuid4())
        for boot, definition in enumerate((was, now), 1):
            guest = self.qemu(MACHINE, *definition["args"], guest_uuid=ident, vcpus=definition.get("vcpus", 1), memory=definition.get("memory", "256M"))

            def look():
                g = monitor.guest(ident)
                return g if g and g["settled"] and g["boot"] >= boot and g["coverage"]["pci"] == "complete" else None
            wait_for(f"boot {boot} of {ident} to be seen as a whole", look)
            guest.stop()
            monitor.gone(ident)
        return monitor.diff(ident)["changes"]

    def causes(self, changes):
        """Of each change: the factors that explain it best."""
        told = {}
        for c in changes:
            self.assertTrue(c["cause"], f"nobody did {c['facet']} {c['key']}: {c['from']} > {c['to']}")
            told[c["facet"], c["key"]] = {x["factor"] for x in c["cause"]}
        return told

    def test_the_option_that_was_changed_is_named(self):
        """An operator who added a CPU would be told of a violation, or of nothing."""
        monitor = self.monitor()
        plain = {"args": NIC}

        def a_cpu():
            told = self.causes(self.twice(monitor, plain, {"args": NIC, "vcpus": 2}))
            self.assertEqual(set().union(*told.values()), {"option.smp"})
            self.assertTrue({"cpuid", "acpi", "smbios", "numa"} <= {facet for facet, key in told}, told)

        def more_memory():
            told = self.causes(self.twice(monitor, plain, {"args": NIC, "memory": "512M"}))
            self.assertEqual(set().union(*told.values()), {"option.m"})
            self.assertTrue({"memory", "smbios"} <= {facet for facet, key in told}, told)

        def a_device():
            changes = self.twice(monitor, plain, {"args": [*NIC, "-device", "virtio-rng-pci"]})
            told = self.causes(changes)
            self.assertEqual(set().union(*told.values()), {"option.device"})
            self.assertEqual({x["to"] for c in changes for x in c["cause"]}, {"virtio-rng-pci"})
            self.assertEqual({c["verdict"] for c in changes}, {"intended"})

        def a_name_in_smbios():
            told = self.causes(self.twice(monitor, plain, {"args": [*NIC, "-smbios", "type=2,manufacturer=Z"]}))
            self.assertEqual(set().union(*told.values()), {"option.smbios"})

        def another_firmware():
            """The images are factors of their own; the option that names them is no second cause."""
            changes = self.twice(monitor, {"args": [*NIC, "-bios", BIOSES[0]]}, {"args": [*NIC, "-bios", BIOSES[1]]})
            told = self.causes(changes)
            self.assertEqual(set().union(*told.values()), {f"firmware.{path}" for path in BIOSES})
            self.assertIn("firmware", {facet for facet, key in told})
            self.assertEqual({c["verdict"] for c in changes}, {"intended"})
        parallel([a_cpu, more_memory, a_device, a_name_in_smbios, another_firmware])
