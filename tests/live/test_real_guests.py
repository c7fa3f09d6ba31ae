# SPDX-License-Identifier: Apache-2.0
"""Debian's QEMU with SeaBIOS under KVM: equal definitions never drift, each change is told exactly, and QEMU's own view agrees."""
import re
import threading
import uuid

from harness import Live, entries, need_qemu, wait_for

BOOTS = 10
NIC = ["-device", "e1000,netdev=n0,addr=3,romfile=,mac=52:54:00:12:34:56", "-netdev", "user,id=n0"]


def parallel(jobs):
    """Runs the jobs at once; the first failure is raised after all have ended."""
    failures = []

    def run(job):
        try:
            job()
        except BaseException as why:
            failures.append(why)
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


class SameDefinition(Live):
    def test_ten_boots_of_one_definition_are_one_digest(self):
        """An operator who saw drift where nothing changed would switch the alerts off."""
        monitor = self.monitor()

        def story(machine, vcpus):
            name, ident = f"{machine}-{vcpus}", str(uuid.uuid4())
            digests, boot = set(), 0
            for process in range(BOOTS // 2):
                guest = self.qemu(machine, *NIC, name=name, guest_uuid=ident, vcpus=vcpus)
                for again in range(2):
                    boot += 1
                    if again:
                        guest.command("system_reset")
                    state = monitor.settled(name, boot=boot)
                    self.assertEqual(state["boot"], boot, state)
                    self.assertEqual(state["state"], "same", (state, monitor.diff(name)))
                    self.assertEqual(state["coverage"]["pci"], "complete", state)
                    digests.add(state["current"]["digest"])
                guest.stop()
                monitor.gone(name)
            self.assertEqual(len(digests), 1, (name, digests))
            self.assertEqual(monitor.diff(name)["result"], "same")
        kinds = [(m, v) for m in ("pc-i440fx-7.2", "pc-q35-7.2") for v in (1, 4)]
        parallel([lambda m=m, v=v: story(m, v) for m, v in kinds])
        self.assertEqual(monitor.alerts(*(f"{m}-{v}" for m, v in kinds)), [])


class OneChange(Live):
    """One thing changes between two boots: exactly that is told, as QEMU itself tells it."""

    def look(self, monitor, machine, args, **kw):
        guest = self.qemu(machine, *args, **kw)
        before = monitor.guest(kw["name"], running=False)
        state = monitor.settled(kw["name"], boot=(before["boot"] if before and not before["running"] else 0) + 1)
        view = {"pci": guest.pci(), "state": state, "text": monitor.fingerprint(kw["name"])}
        guest.stop()
        monitor.gone(kw["name"])
        return view

    def compare(self, machine, was, now, was_kw=None, now_kw=None):
        """Boots both definitions under one UUID; returns (changes, oracle's PCI changes, diff, views)."""
        monitor = getattr(self, "running", None) or self.monitor()
        self.running = monitor
        ident = dict(name=f"change-{uuid.uuid4().hex[:8]}", guest_uuid=str(uuid.uuid4()))
        first = self.look(monitor, machine if isinstance(machine, str) else machine[0], was, **ident, **(was_kw or {}))
        second = self.look(monitor, machine if isinstance(machine, str) else machine[1], now, **ident, **(now_kw or {}))
        diff = monitor.diff(ident["name"])
        oracle = {}
        for key in sorted(set(first["pci"]) | set(second["pci"])):
            a, b = first["pci"].get(key), second["pci"].get(key)
            if a != b:
                oracle[key] = (a, b)
        return diff, oracle, first, second

    @staticmethod
    def pci_changes(diff):
        """Reported PCI changes in the oracle's words: QEMU tells neither header, pin nor revision, and of the class two bytes."""
        found = {}
        for c in diff["changes"]:
            if c["facet"] == "pci" and re.search(r"/(id|class|bar\d|rom)$", c["key"]):
                cut = (lambda v: v[:4] if v else v) if c["key"].endswith("/class") else (lambda v: v)
                found[c["key"]] = (cut(c["from"]), cut(c["to"]))
        return found

    def assert_only(self, diff, facets):
        self.assertEqual({c["facet"] for c in diff["changes"]} - set(facets), set(), diff["changes"])
        self.assertTrue(diff["changes"], diff)
        self.assertEqual(diff["result"], "drift")

    @staticmethod
    def keys(diff, facet):
        return {c["key"] for c in diff["changes"] if c["facet"] == facet}

    def test_cpu_feature_off(self):
        diff, oracle, _, _ = self.compare("pc-q35-7.2", NIC, NIC, now_kw={"cpu": "qemu64,-cx16"})
        self.assertEqual(oracle, {})
        self.assertEqual([(c["facet"], c["key"], [f["name"] for f in c["fields"]]) for c in diff["changes"]],
                         [("cpuid", "0x00000001.0.ecx", ["cx16"])], diff["changes"])

    def test_other_cpu_model(self):
        diff, oracle, a, b = self.compare("pc-i440fx-7.2", NIC, NIC, now_kw={"cpu": "Opteron_G1"})
        self.assert_only(diff, {"cpuid", "smbios"})
        self.assertEqual(self.keys(diff, "smbios"), {"type4.0/processor_id"})
        self.assertEqual(oracle, {})
        was = {k[1]: v for k, v in entries(a["text"]).items() if k[0] == "cpuid"}
        now = {k[1]: v for k, v in entries(b["text"]).items() if k[0] == "cpuid"}
        self.assertEqual(self.keys(diff, "cpuid"), {k for k in was.keys() | now.keys() if was.get(k) != now.get(k)})

    def test_nic_in_another_slot(self):
        moved = [NIC[0], NIC[1].replace("addr=3", "addr=5"), *NIC[2:]]
        for machine in ("pc-i440fx-7.2", "pc-q35-7.2"):
            diff, oracle, _, _ = self.compare(machine, NIC, moved)
            self.assert_only(diff, {"pci", "acpi"})
            self.assertEqual(self.pci_changes(diff), oracle)
            self.assertEqual({key.rsplit("/", 1)[0] for key in self.keys(diff, "pci")}, {"0000:00:03.0", "0000:00:05.0"})
            self.assertLessEqual({"DSDT/_SB.PCI0.S18", "DSDT/_SB.PCI0.S28"} if machine == "pc-q35-7.2" else set(), self.keys(diff, "acpi"))

    def test_device_added_and_removed(self):
        more = NIC + ["-device", "virtio-rng-pci,addr=7"]
        for machine, was, now, change in (("pc-q35-7.2", NIC, more, "gained"), ("pc-i440fx-7.2", more, NIC, "lost")):
            diff, oracle, _, _ = self.compare(machine, was, now)
            self.assert_only(diff, {"pci", "acpi"})
            self.assertEqual(self.pci_changes(diff), oracle)
            self.assertEqual({c["change"] for c in diff["changes"] if c["facet"] == "pci"}, {change})

    def test_device_added_behind_a_root_port(self):
        ports = ["-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "pcie-root-port,id=rp2,chassis=2,addr=5",
                 "-device", "virtio-rng-pci,bus=rp2"]
        more = ports + ["-device", "pcie-pci-bridge,bus=rp1,id=br", "-device", "e1000,netdev=n0,bus=br,addr=2,romfile=", "-netdev", "user,id=n0"]
        diff, oracle, _, _ = self.compare("pc-q35-7.2", ports, more)
        self.assert_only(diff, {"pci", "acpi"})
        self.assertEqual(self.pci_changes(diff), oracle)

    def test_other_memory_size(self):
        diff, oracle, _, _ = self.compare("pc-q35-7.2", NIC, NIC, now_kw={"memory": "384M"})
        self.assertEqual(oracle, {})
        self.assert_only(diff, {"memory", "smbios"})
        self.assertEqual([(c["key"], c["change"], c["from"], c["to"]) for c in diff["changes"] if c["facet"] == "memory"],
                         [("0x0000000000100000", "changed", "size=0xff00000 ram", "size=0x17f00000 ram")])
        self.assertEqual(self.keys(diff, "smbios"), {"type16.0/maximum_capacity", "type17.0/size", "type19.0/end"})

    def test_other_vcpu_count(self):
        diff, oracle, a, b = self.compare("pc-i440fx-7.2", NIC, NIC, now_kw={"vcpus": 4})
        self.assert_only(diff, {"cpuid", "acpi", "numa", "smbios"})
        self.assertEqual(oracle, {})
        self.assertIn("0x00000001.0.ebx", self.keys(diff, "cpuid"))
        self.assertLessEqual({"APIC/lapic.1", "APIC/lapic.2", "APIC/lapic.3"}, self.keys(diff, "acpi"))
        self.assertIn("topology/processors", self.keys(diff, "numa"))

    def test_more_sockets_move_no_bit_of_cpuid_and_are_seen(self):
        diff, _, _, _ = self.compare("pc-i440fx-7.2", NIC, NIC, was_kw={"vcpus": "2,sockets=2"}, now_kw={"vcpus": "4,sockets=4"})
        self.assertEqual(self.keys(diff, "cpuid"), set())
        self.assertEqual({c["key"]: (c["from"], c["to"]) for c in diff["changes"] if c["facet"] == "numa"},
                         {"topology/processors": ("2", "4"), "topology/sockets": ("2", "4")})

    def test_older_machine_type(self):
        diff, oracle, _, _ = self.compare(("pc-q35-7.2", "pc-q35-5.2"), NIC, NIC)
        self.assertEqual(self.pci_changes(diff), oracle)
        self.assertEqual({c["facet"] for c in diff["changes"]} - {"cpuid", "pci", "memory", "acpi", "smbios"}, set(), diff["changes"])
        self.assertIn("type1.0/version", self.keys(diff, "smbios"))
        self.assertIn({"factor": "machine", "from": "pc-q35-7.2", "to": "pc-q35-5.2"}, diff["context"])

    def test_backend_options_are_no_drift(self):
        for was, now in (
                (["-object", "rng-random,id=r0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=r0,addr=4"],
                 ["-object", "rng-builtin,id=r0", "-device", "virtio-rng-pci,rng=r0,addr=4"]),
                (NIC, [*NIC[:2], "-netdev", "socket,id=n0,listen=127.0.0.1:0"])):
            diff, oracle, _, _ = self.compare("pc-q35-7.2", was, now)
            self.assertEqual(diff["changes"], [])
            self.assertEqual(diff["result"], "same", diff)
            self.assertNotEqual(diff["context"], [], "what changed on the host side is not told")
            self.assertTrue(all(f["factor"].startswith("backend.") for f in diff["context"]), diff["context"])

    def test_other_drive_file_is_no_drift(self):
        for name in ("a.img", "b.img"):
            with open(self.folder.file(name), "wb") as f:
                f.truncate(1 << 20)
        drive = lambda name: ["-drive", f"if=none,id=d0,format=raw,file={self.folder.file(name)}", "-device", "virtio-blk-pci,drive=d0,addr=6"]
        diff, _, _, _ = self.compare("pc-i440fx-7.2", drive("a.img"), drive("b.img"))
        self.assertEqual(diff["result"], "same", diff)


class Oracles(Live):
    DEVICES = ["-device", "VGA,addr=2", "-device", "e1000,netdev=n0,addr=3", "-netdev", "user,id=n0", "-device", "virtio-scsi-pci,addr=8",
               "-device", "nvme,serial=s1,addr=9"]

    def oracle_memory(self, guest, bars):
        """QEMU's RAM and ROM, with what a PC's firmware switches left out and what lies in a BAR left to placement."""
        joined = []
        for start, end, kind, name in sorted(guest.memory()):
            kind = "ram" if kind == "ram" else "rom"
            if any(start >= b and end <= b + size for b, size in bars):
                continue
            for lo, hi in ((0, 0xA0000), (0x100000, 1 << 64)):
                a, b = max(start, lo), min(end, hi)
                if a >= b:
                    continue
                if joined and joined[-1][1] == a and joined[-1][2] == kind:
                    joined[-1][1] = b
                else:
                    joined.append([a, b, kind])
        found = {f"{a:#018x}": f"size={b - a:#x} {kind}" for a, b, kind in joined}
        found["0x00000000000c0000"] = "size=0x40000"
        return found

    def check(self, machine, extra=()):
        monitor = self.monitor()
        guest = self.qemu(machine, *self.DEVICES, *extra, vcpus=2)
        monitor.settled(guest.name)
        seen = entries(monitor.fingerprint(guest.name))
        mine = {k: v for (f, k), v in seen.items() if f == "pci" and re.search(r"/(id|class|bar\d|rom)$", k)}
        mine = {k: v[:4] if k.endswith("/class") else v for k, v in mine.items()}
        self.assertEqual(mine, guest.pci())
        bars = [(int(v, 16), int(re.search(r"size=(0x[0-9a-f]+)", seen["pci", k])[1], 16)) for (f, k), v in seen.items()
                if f == "placement" and ("pci", k) in seen and "size=" in seen["pci", k]]
        self.assertEqual({k: v for (f, k), v in seen.items() if f == "memory"}, self.oracle_memory(guest, bars))

    def test_i440fx_equals_query_pci_and_mtree(self):
        self.check("pc-i440fx-7.2")

    def test_q35_with_bridges_equals_query_pci_and_mtree(self):
        self.check("pc-q35-7.2", ["-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "virtio-net-pci,bus=rp1,netdev=n1,romfile=",
                                  "-netdev", "user,id=n1", "-device", "pcie-root-port,id=rp2,chassis=2,addr=5",
                                  "-device", "pcie-pci-bridge,id=pb,bus=rp2", "-device", "e1000,bus=pb,addr=3,netdev=n2,romfile=",
                                  "-netdev", "user,id=n2"])

    def test_more_than_four_gigabytes_equals_mtree(self):
        monitor = self.monitor()
        guest = self.qemu("pc-q35-7.2", "-device", "VGA,addr=2", memory="5G")
        monitor.settled(guest.name)
        seen = entries(monitor.fingerprint(guest.name))
        bars = [(int(v, 16), int(re.search(r"size=(0x[0-9a-f]+)", seen["pci", k])[1], 16)) for (f, k), v in seen.items()
                if f == "placement" and ("pci", k) in seen and "size=" in seen["pci", k]]
        self.assertEqual({k: v for (f, k), v in seen.items() if f == "memory"}, self.oracle_memory(guest, bars))


class Resets(Live):
    def test_reset_is_a_new_boot_and_what_differs_after_it_is_found(self):
        monitor = self.monitor()
        guest = self.qemu("pc-q35-7.2", "-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "virtio-rng-pci,bus=rp1,id=gone")
        first = monitor.settled(guest.name)
        self.assertEqual(first["boot"], 1)
        guest.command("device_del", id="gone")
        guest.command("system_reset")
        second = monitor.settled(guest.name, boot=2)
        self.assertEqual(second["state"], "drift", monitor.diff(guest.name))
        diff = monitor.diff(guest.name)
        self.assertEqual({(c["change"], c["key"].rsplit("/", 1)[0]) for c in diff["changes"]}, {("lost", "0000:00:04.0/00.0")})
        kinds = [e["type"] for e in monitor.json("history", guest.name)["events"]]
        self.assertEqual(kinds.count("boot"), 2)
        self.assertIn("drift", kinds)
        monitor.wait_line("reset")
        alert = wait_for("the alert", lambda: [a for a in monitor.alerts(guest.uuid) if a["type"] == "drift"])[-1]
        self.assertEqual([c["key"] for c in alert["changes"]], [c["key"] for c in diff["changes"]])
        self.assertEqual(alert["guest"]["uuid"], guest.uuid)


class Before(Live):
    def test_a_guest_that_ran_before_is_found_and_read(self):
        guest = self.qemu("pc-q35-7.2", *NIC, vcpus=2)
        # The boot menu's time is over and the firmware rests once it has asked for every slot.
        wait_for("SeaBIOS to be done", lambda: len(guest.pci()) > 0 and guest.command("query-status")["running"])
        monitor = self.monitor()
        state = monitor.settled(guest.name)
        self.assertEqual(state["coverage"]["cpuid"], "complete")
        self.assertEqual(state["coverage"]["memory"], "complete")
        self.assertEqual(state["pid"], guest.pid)
        began = len(monitor.err)
        guest.stop()
        monitor.wait_line("gone", start=0)
        self.assertIsNone(monitor.guest(guest.name))
        self.assertTrue(began)
