# SPDX-License-Identifier: Apache-2.0
"""Suppression rules under a monitor: they reach the analyst with the stream, and what they hide rings nobody."""
from harness import Live


class Rules(Live):
    def test_what_the_configuration_hides_raises_no_alert(self):
        """A rule that only `diff` knew of would still wake somebody at night."""
        config = self.folder.file("abidrift.conf")
        with open(config, "w") as f:
            f.write("[suppress known]\nfacet = cpuid\nchange = changed\ncause = cpu\nguest = web-*\nreason = cx16 was taken out\n"
                    "[suppress old]\nkey = *\nuntil = 2020-01-01\nreason = over\n"
                    "[suppress narrow]\nfacet = memory|numa|smbios|acpi\nat_most = 1\nreason = one line of memory\n")
        monitor = self.monitor("--config", config)
        self.assertTrue(any("suppression rule old ended 2020-01-01" in line for line in monitor.err), monitor.err)
        first = self.qemu("pc-i440fx-7.2", name="web-1")
        monitor.settled(first.name)
        first.stop()
        monitor.gone(first.name)
        second = self.qemu("pc-i440fx-7.2", name="web-1", guest_uuid=first.uuid, cpu="qemu64,-cx16")
        guest = monitor.settled(second.name, boot=2)
        self.assertEqual((guest["state"], guest["severity"], guest["changes"]), ("same", "none", 0))
        monitor.wait_line("web-1: fingerprinted, .* same as its baseline but for 1 suppressed change$")
        second.stop()
        monitor.gone(second.name)
        third = self.qemu("pc-i440fx-7.2", name="web-1", guest_uuid=first.uuid, cpu="qemu64,-cx16", memory="192M")
        self.assertEqual(monitor.settled(third.name, boot=3)["state"], "drift")
        monitor.wait_line("web-1: suppression rule narrow fits [0-9]+ changes, says at most 1: not applied")
        monitor.wait_line('"type":"drift"', "out")
        alerts = [a for a in monitor.alerts() if a["guest"]["name"] == "web-1"]
        self.assertTrue(alerts)
        self.assertNotIn("cpuid", {c["facet"] for a in alerts for c in a["changes"]}, alerts)
