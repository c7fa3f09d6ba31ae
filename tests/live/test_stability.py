# SPDX-License-Identifier: Apache-2.0
"""Guests without a stable ABI are named before it bites, and so is what the next cold boot of a guest meets."""
import os
import shutil

from harness import ABIDRIFT, QEMU, Live, abidrift, wait_for

SWEEP = 45  # the collector looks again every 30 s
# This KVM refuses the host's arch-capabilities MSR to QEMU.
HOST_CPU = "host,-arch-capabilities"


class Stability(Live):
    def monitor_with_boot(self, boot):
        """A monitor that sees `boot` as its host's /boot."""
        script = self.folder.file("abidrift-with-boot")
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\nexec unshare -m sh -c 'mount --bind {boot} /boot && exec \"$@\"' sh {ABIDRIFT} \"$@\"\n")
        os.chmod(script, 0o755)
        return self.monitor(program=script)

    @staticmethod
    def codes(guest, what):
        return sorted(reason["code"] for reason in guest[what])

    def test_reasons_are_named_and_follow_what_happens_while_guests_run(self):
        """An operator upgrades a host and learns only from the next outage which guests change with it."""
        boot, binary = self.folder.file("boot"), self.folder.file("qemu-system-copy")
        os.mkdir(boot)
        open(os.path.join(boot, "vmlinuz-" + os.uname().release), "w").close()
        shutil.copy(QEMU, binary)
        data = ["-L", "/usr/share/seabios", "-L", "/usr/share/qemu"]
        monitor = self.monitor_with_boot(boot)
        expected = {
            "alias": (self.qemu("pc", name="alias"), ["machine-alias"]),
            "versioned": (self.qemu("pc-i440fx-7.2", *data, name="versioned", binary=binary), []),
            "host": (self.qemu("pc-q35-7.2", name="host", cpu=HOST_CPU), ["cpu-host"]),
            "bits": (self.qemu("pc-q35-7.2", name="bits", cpu="qemu64,host-phys-bits=on"), ["host-phys-bits"]),
        }
        for name, (_, codes) in expected.items():
            guest = monitor.settled(name)
            self.assertEqual(self.codes(guest, "unstable"), codes, guest)
            self.assertIs(guest["stable"], not codes)
            self.assertEqual(guest["next_boot"], [])
        before = {name: monitor.guest(name) for name in expected}

        shutil.copy(QEMU, binary + ".new")
        os.rename(binary + ".new", binary)
        open(os.path.join(boot, "vmlinuz-99.0.0-test"), "w").close()
        wait_for("the new program and the new kernel to be noticed",
                 lambda: self.codes(monitor.guest("versioned"), "next_boot") == ["kernel-installed", "vmm-replaced"], SWEEP)
        wait_for("the new kernel to be told of every guest",
                 lambda: all(self.codes(monitor.guest(name), "next_boot") == ["kernel-installed"] for name in expected if name != "versioned"))
        self.assertTrue(monitor.guest("versioned")["vmm"]["replaced"])
        self.assertIn("99.0.0-test", monitor.guest("alias")["next_boot"][0]["reason"])
        for name in expected:
            guest = monitor.guest(name)
            self.assertEqual((guest["state"], guest["current"], guest["boot"]), ("same", before[name]["current"], before[name]["boot"]),
                             "a context that changes under a running guest is no drift")
        self.assertEqual([a for a in monitor.alerts() if a["type"] == "drift" and a["guest"]["name"] in expected], [])
        self.check_text(monitor)

        expected["alias"][0].stop()
        monitor.gone("alias")
        self.assertEqual(self.codes(monitor.guest("alias", running=False), "unstable"), ["machine-alias"], "of its last life")

    def check_text(self, monitor):
        text = abidrift("ls", store=monitor.store).stdout
        rows = {line.split()[0]: line for line in text.splitlines() if line and not line.startswith(" ")}
        self.assertIn(" same *+ ", rows["alias"])
        self.assertIn(" same + ", rows["versioned"])
        # Other guests of this host may have longer names, and the same reasons.
        if {g["name"] for g in monitor.guests()} == {"alias", "versioned", "host", "bits"}:
            self.assertLessEqual(max(len(row) for row in rows.values()), 100, text)
        self.assertRegex(text, r"(?m)^  \S.*  machine type pc is an alias")
        self.assertRegex(text, r"(?m)^  \S.*, \S.*, \S.* and \d+ more +its host runs kernel")
        shown = abidrift("show", "host", "--facet", "identity", store=monitor.store).stdout
        self.assertRegex(shown, r"(?m)^not stable +-cpu host")
        self.assertRegex(shown, r"(?m)^next boot .*99\.0\.0-test")
