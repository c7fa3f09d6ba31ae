# SPDX-License-Identifier: Apache-2.0
"""Registers that identify, as real devices and firmware show them: QEMU's own command line and properties are the oracle."""
import re
import struct

from harness import Live, entries, wait_for

MICROVM_BIOS = "/usr/share/seabios/bios-microvm.bin"
CODE = 0x7c00


def config(device, reg):
    """Protected-mode code that reads a configuration dword of 00:device.0 into eax."""
    return (b"\xb8" + struct.pack("<I", 0x80000000 | device << 11 | reg) + b"\xba\xf8\x0c\x00\x00\xef"  # mov eax, …; mov edx, 0xcf8; out
            + b"\xba\xfc\x0c\x00\x00\xed")  # mov edx, 0xcfc; in eax, dx


def read_ports(device, bar, offset):
    """Six bytes by ports, as drivers of legacy devices read them."""
    return (config(device, 0x10 + 4 * bar) + b"\x25\xfc\xff\x00\x00\x05" + struct.pack("<I", offset) + b"\x89\xc2"  # and; add; mov edx, eax
            + 6 * b"\xec\x42")  # in al, dx; inc edx


def read_memory(device, bar, offset, *at):
    return (config(device, 0x10 + 4 * bar) + b"\x25\xf0\xff\xff\xff\x05" + struct.pack("<I", offset) + b"\x89\xc3"  # mov ebx, eax
            + b"".join(b"\x8b\x43" + bytes([n]) for n in at))  # mov eax, [ebx + n]


def read_modern_virtio(device):
    walk = b"".join(config(device, reg) for reg in (0x34, *range(0x40, 0xc0, 4)))
    return walk + read_memory(device, 4, 0x2000, 0, 4)


def boot_disk(path, *parts):
    """A disk whose boot sector loads a few more, enters protected mode and runs the parts, then halts."""
    code = b"".join(parts) + b"\xf4\xeb\xfd"  # hlt, again
    assert len(code) < 15 * 512
    load = b"\x31\xc0\x8e\xd8\x8e\xc0\xbb\x00\x7e\xb8\x0f\x02\xb9\x02\x00\xb6\x00\xcd\x13\xfa"  # ds = es = 0; int 13h: 15 sectors to 0x7e00; cli
    gdt = struct.pack("<QQQ", 0, 0x00cf9a000000ffff, 0x00cf92000000ffff)
    enter = b"\x0f\x01\x16%b\x0f\x20\xc0\x0c\x01\x0f\x22\xc0\x66\xea%b\x08\x00"  # lgdt; cr0 |= 1; far jump
    flat = b"\x66\xb8\x10\x00\x8e\xd8\xb8\x00\x7e\x00\x00\xff\xe0"  # ds = 0x10; jmp 0x7e00
    size = len(load) + len(enter % (b"\0\0", b"\0\0\0\0"))
    gdtr_at = CODE + size + len(flat)
    sector = load + enter % (struct.pack("<H", gdtr_at), struct.pack("<I", CODE + size)) + flat
    sector += struct.pack("<HI", len(gdt) - 1, gdtr_at + 6) + gdt
    image = sector.ljust(510, b"\0") + b"\x55\xaa" + code
    with open(path, "wb") as f:
        f.write(image.ljust(1 << 20, b"\0"))


class Registers(Live):
    def seen(self, monitor, name, facet):
        return {k: v for (f, k), v in entries(monitor.fingerprint(name)).items() if f == facet}

    def seen_with(self, monitor, name, facet, *keys):
        """The same as soon as these keys are there: firmware takes its time."""
        monitor.settled(name)

        def look():
            seen = self.seen(monitor, name, facet)
            return seen if all(key in seen for key in keys) else None
        return wait_for(f"{keys} of {name}", look)

    def nic(self, kind, n, mac, **more):
        options = "".join(f",{k}={v}" for k, v in {"romfile": "", **more}.items())
        return ["-netdev", f"user,id=n{n}", "-device", f"{kind},netdev=n{n},addr={n:x},mac={mac}{options}"]

    def test_macs_of_real_adapters_are_those_of_the_command_line(self):
        disk, monitor = self.folder.file("boot.img"), self.monitor()
        macs = {n: f"52:54:00:aa:bb:{n:02x}" for n in range(3, 11)}
        boot_disk(disk, read_memory(3, 0, 0x5400, 0, 4), read_memory(4, 0, 0x5400, 0, 4), read_ports(5, 0, 0), read_memory(6, 1, 0, 0, 4),
                  read_ports(7, 0, 0), read_memory(8, 1, 0x28, 0, 8), read_ports(9, 0, 0x14), read_modern_virtio(10))
        nics = [self.nic("e1000", 3, macs[3]), self.nic("e1000e", 4, macs[4]), self.nic("rtl8139", 5, macs[5]), self.nic("rtl8139", 6, macs[6]),
                self.nic("pcnet", 7, macs[7]), self.nic("vmxnet3", 8, macs[8]), self.nic("virtio-net-pci", 9, macs[9], **{"disable-modern": "on"}),
                self.nic("virtio-net-pci", 10, macs[10], **{"disable-legacy": "on"})]
        guest = self.qemu("q35", "-drive", f"if=none,id=boot,file={disk},format=raw,readonly=on", "-device", "virtio-blk-pci,drive=boot,addr=1e",
                          *[word for nic in nics for word in nic], name="macs")
        want = {f"mac/0000:00:{n:02x}.0": mac for n, mac in macs.items()}
        seen = self.seen_with(monitor, "macs", "identity", *want)
        self.assertEqual({k: v for k, v in seen.items() if k.startswith("mac/")}, want)
        self.assertIn(macs[3], guest.hmp("info network"))

    def test_fw_cfg_is_told_by_port_and_its_features_by_machine(self):
        monitor = self.monitor()
        self.qemu("pc", "-global", "fw_cfg.dma_enabled=off", "-fw_cfg", "name=opt/org.example/three,string=abc", name="by-port")
        self.qemu("q35", name="by-dma")
        port = self.seen_with(monitor, "by-port", "ports", "0x0510.fw_cfg_file/opt/org.example/three", "0x0510.fw_cfg_file/etc/table-loader")
        dma = self.seen_with(monitor, "by-dma", "ports", "0x0510.fw_cfg_features")
        self.assertEqual([s["0x0510.fw_cfg_signature"] for s in (port, dma)], ["QEMU", "QEMU"])
        self.assertEqual([s["0x0510.fw_cfg_features"] for s in (port, dma)], ["0x00000001", "0x00000003"])
        self.assertEqual(port["0x0510.fw_cfg_file/opt/org.example/three"], "size=3")
        self.assertEqual(port["0x0510.fw_cfg_file/etc/table-loader"], "size=4096")
        self.assertEqual([k for k in dma if "fw_cfg_file" in k], [])

    def test_virtio_mmio_devices_of_a_microvm(self):
        monitor = self.monitor()
        guest = self.qemu("microvm", "-bios", MICROVM_BIOS, "-device", "virtio-net-device,netdev=n0", "-netdev", "user,id=n0",
                          "-drive", "if=none,id=d0,file=null-co://,format=raw", "-device", "virtio-blk-device,drive=d0", name="microvm")
        tree = guest.hmp("info qtree")
        used = re.findall(r"mmio ([0-9a-f]{16})/0000000000000200\s+bus: virtio-mmio-bus\.\d+\s+type virtio-mmio-bus\s+dev: virtio-(?:net|blk)-device", tree)
        self.assertEqual(len(used), 2)
        seen = self.seen_with(monitor, "microvm", "mmio", *(f"0x{address}.virtio_mmio" for address in used))
        devices = {k.split(".")[0]: v for k, v in seen.items() if k.endswith(".virtio_mmio")}
        self.assertEqual(sorted(devices.values()), ["device=1", "device=2"])
        self.assertEqual(sorted(devices), sorted("0x" + address for address in used))
        self.assertEqual({v for k, v in seen.items() if k.endswith(".virtio_mmio.version")}, {"1"})

    def test_chips_say_what_they_are_and_their_state_is_no_entry(self):
        monitor = self.monitor()
        vmm = self.microvmm("--stdin", "--answer", "mmio:0xfec00010:0x00170020", "--answer", "mmio:0xfed00000:0x8086a201",
                            "--answer", "mmio:0xfed00004:0x00989680", "--answer", "mmio:0xfed000f0:0x1234")
        vmm.wait_line("^ready", "out")
        name = next(f"anon-{vmm.pid}-{line.split()[3]}" for line in vmm.out if line.startswith("vm "))
        vmm.write("mmio-write 0xfec00000 4 0; mmio-read 0xfec00010 4; mmio-write 0xfec00000 4 1; mmio-read 0xfec00010 4; "
                  "mmio-read 0xfed000f0 4; mmio-read 0xfed00000 4; mmio-read 0xfed00004 4\n")
        vmm.wait_line("^op done", "out")
        monitor.settled(name)
        self.assertEqual(self.seen(monitor, name, "mmio"), {
            "0x00000000fec00000/r32": "answered", "0x00000000fec00000.ioapic_version": "0x00170020", "0x00000000fed00000/r32": "answered",
            "0x00000000fed00000.hpet_id": "0x8086a201", "0x00000000fed00000.hpet_period": "0x00989680"})
