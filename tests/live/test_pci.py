# SPDX-License-Identifier: Apache-2.0
"""The pci facet against oracles: a guest of our own (pciwalk.c) reads every configuration register of every function and writes
down what it saw; lspci decodes that, QEMU's monitor tells what it is. What any of them says, abidrift must say too."""
import os
import re
import shutil
import subprocess
import unittest

from harness import ROOT, Live, entries, wait_for

CC = ["gcc", "-m32", "-O1", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
      "-Wall", "-Wextra", "-Werror", "-Wl,-Ttext=0x100000", "-Wl,--build-id=none"]

CAPABILITIES = {"Power Management": "01", "Vital Product Data": "03", "Slot ID": "04", "MSI:": "05", "PCI-X": "07", "Vendor Specific Information": "09",
                "Hot-plug capable": "0c", "Subsystem": "0d", "Express": "10", "MSI-X": "11", "SATA HBA": "12", "PCI Advanced Features": "13"}
EXTENDED = {"Advanced Error Reporting": "0001", "Device Serial Number": "0003", "Access Control Services": "000d", "Alternative Routing-ID": "000e",
            "Address Translation Service": "000f", "Single Root I/O Virtualization": "0010"}

# detail: (the text in which lspci shows its bits, {lspci's name: ours})
FLAGS = {
    "10.device": (r"DevCap:.*\n.*", {"ExtTag": "extended-tag", "RBE": "role-based-errors", "FLReset": "flr"}),
    "10.link_features": (r"LnkCap:.*\n.*", {"ClockPM": "clock-power", "Surprise": "surprise-down", "LLActRep": "active-reporting",
                                            "BwNot": "bandwidth-notification", "ASPMOptComp": "aspm-compliance"}),
    "10.slot_features": (r"SltCap:.*\n.*", {"AttnBtn": "attention-button", "PwrCtrl": "power-controller", "MRL": "mrl-sensor",
                                            "AttnInd": "attention-indicator", "PwrInd": "power-indicator", "HotPlug": "hot-plug",
                                            "Surprise": "surprise", "Interlock": "interlock", "NoCompl": "no-command-completed"}),
    "10.device2": (r"DevCap2:(?:.*\n)+?(?=\t\tDevCtl2)", {"TimeoutDis": "timeout-disable", "NROPrPrP": "no-ro-pr-pr", "LTR": "ltr", "ExtFmt": "extended-format",
                                                         "EETLPPrefix": "prefix", "ARIFwd": "ari-forwarding", "Routing": "atomic-routing",
                                                         "32bit": "atomic32", "64bit": "atomic64", "128bitCAS": "cas128"}),
    "01.power": (r"Flags: .*", {"PMEClk": "pme-clock", "DSI": "dsi", "D1": "d1", "D2": "d2", "D3hot": "pme-d3hot", "D3cold": "pme-d3cold"}),
    "01.reset": (r"Status: .*", {"NoSoftRst": "no-soft-reset"}),
    "13.features": (r"AFCap:.*", {"TP": "transactions-pending", "FLR": "flr"}),
    "0001.errors": (r"AERCap:.*\n.*", {"ECRCGenCap": "ecrc-generation", "ECRCChkCap": "ecrc-check", "MultHdrRecCap": "multiple-headers"}),
    "000d.services": (r"ACSCap:.*", {"SrcValid": "validation", "TransBlk": "blocking", "ReqRedir": "request-redirect", "CmpltRedir": "completion-redirect",
                                     "UpstreamFwd": "upstream-forwarding", "EgressCtrl": "egress-control", "DirectTrans": "direct-translated"}),
    "000e.functions": (r"ARICap:.*", {"MFVC": "mfvc-groups", "ACS": "acs-groups"}),
    "0010.capabilities": (r"IOVCap:.*", {"Migration": "migration"}),
}


def number(text):
    return int(text, 16 if text.startswith("0x") else 10)


class Function:
    """One function of the dump: its bytes, and lspci's text of it."""
    def __init__(self, bdf, data, text):
        self.bdf, self.data, self.text = bdf, data, text

    def dword(self, at):
        return int.from_bytes(self.data[at:at + 4], "little")

    def capabilities(self):
        """lspci's list: [(id, offset, version or None, its text)]."""
        found = []
        parts = re.split(r"(?m)^\tCapabilities: ", self.text)[1:]
        for part in parts:
            m = re.match(r"\[([0-9a-f]+)(?: v(\d+))?\] (.*)", part)
            table = EXTENDED if m[2] else CAPABILITIES
            ids = [v for k, v in table.items() if m[3].startswith(k)]
            assert len(ids) == 1, f"{self.bdf}: lspci names a capability that this test does not know: {m[3]}"
            found.append((ids[0], int(m[1], 16), m[2], part))
        return found


class Dump:
    def __init__(self, path):
        self.text = open(path, errors="replace").read()
        shown = subprocess.run(["lspci", "-nnvvF", path], capture_output=True, text=True, check=True).stdout
        texts = {re.match(r"[0-9a-f:.]+", block)[0]: block for block in re.split(r"\n\n+", shown.strip())}
        self.functions = {}
        for block in re.split(r"\n\n+", self.text.strip()):
            if block.strip() == "END":
                continue
            bdf = block.split()[0]
            rows = re.findall(r"(?m)^[0-9a-f]{2,3}:((?: [0-9a-f]{2}){16})$", block)
            self.functions[bdf] = Function(bdf, bytes.fromhex("".join(rows)), texts[bdf])

    def paths(self):
        """{path as abidrift names it: Function}."""
        behind = {}
        for bdf, f in self.functions.items():
            if f.data[0x0e] & 0x7f == 1:
                behind[f"{f.data[0x19]:02x}"] = bdf

        def path(bdf):
            bus, rest = bdf.split(":")
            return f"{path(behind[bus])}/{rest}" if bus in behind else f"0000:{bdf}"
        return {path(bdf): f for bdf, f in self.functions.items()}


class PciLive(Live):
    def setUp(self):
        super().setUp()
        if not shutil.which("lspci"):
            raise unittest.SkipTest("lspci (package pciutils) is not installed")
        self.walker = self.folder.file("pciwalk")
        done = subprocess.run([*CC, "-o", self.walker, os.path.join(ROOT, "tests", "live", "pciwalk.c")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def walk(self, machine, devices, said="", **kw):
        """A guest that has walked its configuration space: (guest, dump)."""
        path = self.folder.file(f"dump-{len(os.listdir(self.folder.path))}")
        guest = self.qemu(machine, *devices, "-kernel", self.walker, "-append", said, "-debugcon", f"file:{path}", **kw)
        wait_for("the walk to end", lambda: os.path.exists(path) and open(path, errors="replace").read().endswith("END\n"), 400)
        return guest, Dump(path)

    def walked(self, monitor, guest):
        """The guest's state and fingerprint once all is told that it walked over: the end is a port that nobody has."""
        monitor.settled(guest.name)
        text = wait_for("the end of the walk to be told", lambda: (lambda t: t if "ports 0x05a5/r32 " in t else None)(monitor.fingerprint(guest.name)))
        return monitor.settled(guest.name), text

    # ---- one function against lspci
    def check_flags(self, path, key, text, mine):
        pattern, names = FLAGS[key]
        shown = re.search(pattern, text)
        if not shown and key == "10.link_features" and "Integrated Endpoint" in text:
            return  # it has no link; lspci leaves the register out
        self.assertIsNotNone(shown, (path, key, text))
        words = mine.split(" ")
        told = {name: sign for name, sign in re.findall(r"([A-Za-z0-9]+)([+-])(?![A-Za-z0-9])", shown[0])}
        for name, ours in names.items():
            if name in told:
                self.assertEqual(ours in words, told[name] == "+", (path, key, name, mine, shown[0]))

    def check_express(self, path, key, text, seen):
        kind = re.match(r"\[..\] Express \(v(\d)\) (.*?)(?: \(Slot([+-])\))?, MSI", text)
        names = {"Root Port": "root-port", "Endpoint": "endpoint", "Root Complex Integrated Endpoint": "integrated-endpoint",
                 "PCI-Express to PCI/PCI-X Bridge": "pcie-to-pci-bridge", "Upstream Port": "upstream-port", "Downstream Port": "downstream-port"}
        self.assertEqual(seen[key + ".type"], f"{names[kind[2]]} version={kind[1]}", path)
        payload = int(re.search(r"MaxPayload (\d+)", text)[1])
        self.assertIn(f"payload={(payload // 128).bit_length() - 1}", seen[key + ".device"].split(), path)
        link = re.search(r"LnkCap:\tPort #(\d+), Speed ([\d.]+)GT/s.*, Width x(\d+)", text)
        if link:
            speed = {"2.5": 1, "5": 2, "8": 3, "16": 4, "32": 5}[link[2]]
            self.assertEqual(seen[key + ".link"], f"speed={speed} width={link[3]}", path)
            port = re.search(r"port=(\S+)", seen[key + ".link_features"])[1]
            self.assertEqual(int(port, 16), int(link[1]), path)
        self.assertEqual(key + ".slot" in seen, kind[3] == "+", path)
        if kind[3] == "+":
            self.assertEqual(seen[key + ".slot"], re.search(r"Slot #(\d+)", text)[1], path)
        speeds = re.search(r"Supported Link Speeds: 2.5(?:-(\d+))?GT/s", text)
        if speeds:
            count = {None: 1, "5": 2, "8": 3, "16": 4, "32": 5}[speeds[1]]
            self.assertIn(f"speeds={'0x' if count > 3 else ''}{(1 << count) - 1:x}", seen[key + ".link2"].split(), path)

    def check_capability(self, path, f, cap, seen):
        ident, at, version, text = cap
        key = f"{path}/ext.{ident}@{at:#05x}" if version else f"{path}/cap.{ident}@{at:#04x}"
        self.assertEqual(seen.get(key), f"version={version}" if version else "present", (path, cap, sorted(k for k in seen if k.startswith(path))))
        for name in FLAGS:
            if name.split(".")[0] == ident and f"{key}.{name.split('.')[1]}" in seen:
                self.check_flags(path, name, text, seen[f"{key}.{name.split('.')[1]}"])
        if ident == "05":
            m = re.search(r"Count=\d+/(\d+) Maskable([+-]) 64bit([+-])", text)
            self.assertEqual(seen[key + ".vectors"], m[1] + (" 64bit" if m[3] == "+" else "") + (" maskable" if m[2] == "+" else ""), path)
        elif ident == "11":
            self.assertEqual(seen[key + ".vectors"], re.search(r"Count=(\d+)", text)[1], path)
            for detail, name in (("table", "Vector table"), ("pba", "PBA")):
                m = re.search(name + r": BAR=(\d) offset=([0-9a-f]+)", text)
                self.assertEqual(seen[f"{key}.{detail}"], f"bar{m[1]}+{int(m[2], 16):#x}", path)
        elif ident == "10":
            self.check_express(path, key, text, seen)
        elif ident == "09":
            m = re.search(r"VirtIO: (\S+)\n\s+BAR=(\d) offset=([0-9a-f]+) size=([0-9a-f]+)", text)
            if m and m[1] != "<unknown>":
                kind = {"CommonCfg": 1, "Notify": 2, "ISR": 3, "DeviceCfg": 4}[m[1]]
                self.assertEqual(seen[key + ".virtio"], f"type={kind} bar={m[2]} offset={int(m[3], 16):#x} size={int(m[4], 16):#x}", path)
                if kind == 2:
                    self.assertEqual(int(seen[key + ".multiplier"]), int(re.search(r"multiplier=([0-9a-f]+)", text)[1], 16), path)
            elif not m:
                length = f.data[at + 2]
                self.assertEqual(seen[key + ".content"], f.data[at + 3:at + length].hex(), path)
        elif ident == "0d":
            self.assertEqual(seen[key + ".subsystem"], re.findall(r"\[([0-9a-f]{4}:[0-9a-f]{4})\]", text.splitlines()[0])[-1], path)
        elif ident == "12":
            m = re.search(r"SATA HBA v(\d+)\.(\d+) BAR(\d+) Offset=([0-9a-f]+)", text)
            self.assertEqual(seen[key + ".sata"], f"major={m[1]} minor={m[2]}", path)
        elif ident == "0010":
            m = re.search(r"Initial VFs: (\d+), Total VFs: (\d+)", text)
            got = dict(re.findall(r"(\w+)=(\w+)", seen[key + ".functions"]))
            self.assertEqual((int(got["initial"], 16), int(got["total"], 16)), (int(m[1]), int(m[2])), path)
            self.assertEqual(seen[key + ".device"], re.search(r"Device ID: ([0-9a-f]{4})", text)[1], path)

    def check_function(self, path, f, seen, identity):
        text = f.text
        self.assertEqual(seen[path + "/id"], f"{f.dword(0) & 0xffff:04x}:{f.dword(0) >> 16:04x}")
        self.assertEqual(seen[path + "/revision"], f"{f.data[8]:02x}")
        sub = re.search(r"(?m)^\tSubsystem: .*\[([0-9a-f]{4}:[0-9a-f]{4})\]", text)
        if f.data[0x0e] & 0x7f == 0:
            self.assertEqual(seen.get(path + "/subsystem"), sub[1] if sub else None, path)
        caps = f.capabilities()
        ours = {m[0] for k in seen if (m := re.match(re.escape(path) + r"/(?:cap|ext)\.[0-9a-f]+@0x[0-9a-f]+(?=$)", k))}
        told = {f"{path}/ext.{i}@{at:#05x}" if v else f"{path}/cap.{i}@{at:#04x}" for i, at, v, _ in caps}
        self.assertEqual(ours, told)
        for cap in caps:
            self.check_capability(path, f, cap, seen)
            if cap[0] == "0003":
                self.assertEqual(identity[f"pci_serial/{path}"], re.search(r"([0-9a-f]{2}(?:-[0-9a-f]{2}){7})", cap[3])[1])
        return len(caps)

    def check(self, machine, devices, said="", least=0, **kw):
        monitor = self.monitor()
        guest, dump = self.walk(machine, devices, said, **kw)
        state, text = self.walked(monitor, guest)
        all_seen = entries(text)
        seen = {k: v for (f, k), v in all_seen.items() if f == "pci"}
        identity = {k: v for (f, k), v in all_seen.items() if f == "identity"}
        paths = dump.paths()
        self.assertEqual({k[:-3] for k in seen if k.endswith("/id")}, set(paths), text)
        capabilities = sum(self.check_function(path, f, seen, identity) for path, f in paths.items())
        self.assertGreaterEqual(capabilities, least)
        mine = {k: v[:4] if k.endswith("/class") else v for k, v in seen.items() if re.search(r"/(id|class|bar\d|rom)$", k)}
        self.assertEqual(mine, guest.pci())
        self.assertEqual(state["coverage"]["pci"], "complete", re.search(r"# coverage pci .*", text)[0])
        return seen, paths


class Oracles(PciLive):
    def test_q35_with_everything_equals_lspci_and_query_pci(self):
        """Capabilities behind root ports, bridges and on another root bus, through ECAM."""
        devices = ["-device", "VGA,addr=2", "-netdev", "user,id=n0", "-netdev", "user,id=n1", "-netdev", "user,id=n2",
                   "-device", "pcie-root-port,id=rp1,chassis=1,slot=5,port=0x10,addr=4", "-device", "virtio-net-pci,bus=rp1,netdev=n0,romfile=",
                   "-device", "pcie-root-port,id=rp2,chassis=2,slot=6,addr=5.0,multifunction=on,bus-reserve=2",
                   "-device", "pcie-root-port,id=rp3,chassis=3,slot=7,addr=5.1,hotplug=off",
                   "-device", "pcie-pci-bridge,id=pb,bus=rp2", "-device", "e1000,bus=pb,addr=3,netdev=n1,romfile=",
                   "-device", "x3130-upstream,id=up,bus=rp3", "-device", "xio3130-downstream,id=down,bus=up,chassis=9,slot=9",
                   "-device", "qemu-xhci,bus=down",
                   "-device", "nvme-subsys,id=sub", "-device", "pcie-root-port,id=rp4,chassis=4,slot=8,addr=6",
                   "-device", "nvme,serial=s1,subsys=sub,bus=rp4,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=5",
                   "-device", "e1000e,netdev=n2,romfile=,addr=7", "-device", "virtio-scsi-pci,addr=8", "-device", "virtio-balloon-pci,addr=9",
                   "-device", "ich9-usb-ehci1,addr=1d.7,multifunction=on", "-device", "ich9-usb-uhci1,addr=1d.0,multifunction=on",
                   "-device", "pxb-pcie,id=pxb,bus_nr=0x40,addr=a", "-device", "pcie-root-port,id=rp5,bus=pxb,chassis=5,slot=1,addr=0",
                   "-device", "virtio-rng-pci,bus=rp5"]
        seen, paths = self.check("pc-q35-7.2", devices, "all", least=60)
        self.assertIn("0000:00:05.1/00.0/00.0/00.0", paths)
        self.assertIn("0000:40:00.0/00.0/id", seen)
        self.assertTrue(any("/ext.0010@" in k for k in seen), "the NVMe's SR-IOV capability is not there")

    def test_i440fx_with_bridges_equals_lspci_and_query_pci(self):
        """Bridges, a second root bus and multifunction devices, through ports 0xCF8 and 0xCFC."""
        devices = ["-device", "VGA,addr=2", "-netdev", "user,id=n0", "-netdev", "user,id=n1", "-device", "pci-bridge,id=b1,chassis_nr=1,addr=3",
                   "-device", "e1000,bus=b1,addr=1,netdev=n0,romfile=", "-device", "pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=2",
                   "-device", "virtio-net-pci,bus=b2,addr=4,netdev=n1,romfile=", "-device", "virtio-blk-pci,drive=d0,addr=5.0,multifunction=on",
                   "-drive", "if=none,id=d0,driver=null-co,read-zeroes=on", "-device", "virtio-rng-pci,addr=5.3", "-device", "ahci,addr=6",
                   "-device", "ich9-usb-ehci1,addr=7", "-device", "i82559er,addr=8,romfile=",
                   "-device", "pxb,id=pxb,bus_nr=0x80,addr=9", "-device", "virtio-balloon-pci,bus=pxb,addr=1"]
        seen, paths = self.check("pc-i440fx-7.2", devices, "all", least=20)
        self.assertIn("0000:00:03.0/02.0/04.0/id", seen)
        self.assertTrue(any(p.startswith("0000:8") for p in paths), paths)


class State(PciLive):
    DEVICES = ["-device", "pcie-root-port,id=rp1,chassis=1,slot=5,addr=4", "-device", "virtio-net-pci,bus=rp1,netdev=n0,romfile=", "-netdev", "user,id=n0",
               "-device", "nvme,serial=s1,addr=5", "-device", "qemu-xhci,addr=6", "-device", "virtio-scsi-pci,addr=8"]

    def test_what_drivers_and_hardware_write_is_no_drift(self):
        """An OS that switches on interrupts, power saving or hot-plug would alert at each boot."""
        monitor = self.monitor()
        first, quiet = self.walk("pc-q35-7.2", self.DEVICES, name="busy")
        self.walked(monitor, first)
        first.stop()
        monitor.gone("busy")
        second, _ = self.walk("pc-q35-7.2", self.DEVICES, "state", name="busy", guest_uuid=first.uuid)
        monitor.settled("busy", boot=2)
        state, text = self.walked(monitor, second)
        # The guest really wrote: what QEMU holds now differs from what the first boot read.
        bus = quiet.paths()["0000:00:05.0"]
        at = next(c[1] for c in bus.capabilities() if c[0] == "11")
        now = int(re.search(r":\s*(0x[0-9a-f]+)", second.hmp(f"xp /1wx {0xb0000000 + (5 << 15) + at:#x}"))[1], 16)
        self.assertNotEqual(now, bus.dword(at))
        self.assertEqual(monitor.diff("busy")["changes"], [])
        self.assertEqual(state["coverage"]["pci"], "complete")
        self.assertEqual({k: v for k, v in entries(monitor.fingerprint("busy@baseline")).items() if k[0] == "pci"},
                         {k: v for k, v in entries(text).items() if k[0] == "pci"})


if __name__ == "__main__":
    unittest.main()
