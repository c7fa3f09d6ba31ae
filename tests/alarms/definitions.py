# SPDX-License-Identifier: Apache-2.0
"""Twenty definitions of guests, as people run them: for the search for false alarms. Each is (name, machine, arguments, keywords of harness.Qemu)."""


def net(model, address, more=""):
    return ["-netdev", f"user,id=n{address}", "-device", f"{model},netdev=n{address},addr={address},romfile={more}"]


def disk(model, address, more=""):
    return ["-drive", f"if=none,id=d{address},file=null-co://,format=raw", "-device", f"{model},drive=d{address},addr={address}{more}"]


Q35, PC, OLD_Q35, OLD_PC = "pc-q35-7.2", "pc-i440fx-7.2", "pc-q35-5.2", "pc-i440fx-5.2"
NUMA = ["-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M", "-numa", "node,nodeid=0,memdev=m0,cpus=0-1",
        "-numa", "node,nodeid=1,memdev=m1,cpus=2-3", "-numa", "dist,src=0,dst=1,val=21"]
SMBIOS = ["-smbios", "type=1,manufacturer=Maker,product=Thing,serial=S-1", "-smbios", "type=2,product=Board", "-smbios", "type=11,value=hello"]
PORT = ["-device", "pcie-root-port,id=rp1,chassis=1,slot=1,addr=4", "-device", "virtio-rng-pci,bus=rp1"]
BRIDGE = ["-device", "pci-bridge,id=b1,chassis_nr=1,addr=4", "-device", "e1000,bus=b1,addr=1,romfile="]

DEFINITIONS = [
    ("plain-q35", Q35, [], {}),
    ("plain-pc", PC, [], {}),
    ("alias-q35", "q35", net("e1000e", 3), {}),
    ("alias-pc", "pc", net("e1000", 3), {}),
    ("old-q35", OLD_Q35, net("virtio-net-pci", 3), {}),
    ("old-pc", OLD_PC, disk("virtio-blk-pci", 3), {}),
    ("four-vcpus-q35", Q35, net("e1000", 3), {"vcpus": 4}),
    ("four-vcpus-pc", PC, net("rtl8139", 3), {"vcpus": 4}),
    ("numa", Q35, NUMA, {"vcpus": 4}),
    ("smbios", PC, SMBIOS, {}),
    ("root-port", Q35, PORT, {}),
    ("bridge", PC, BRIDGE, {}),
    ("nvme", Q35, disk("nvme", 3, ",serial=one"), {}),
    ("scsi", PC, ["-device", "virtio-scsi-pci,id=s0,addr=3", "-drive", "if=none,id=d0,file=null-co://,format=raw", "-device", "scsi-hd,drive=d0"], {}),
    ("usb", Q35, ["-device", "qemu-xhci,addr=3", "-device", "usb-tablet"], {}),
    ("vga", PC, ["-device", "VGA,addr=2"], {}),
    ("defaults", PC, ["-nic", "none"], {"nodefaults": False}),
    ("more-memory", Q35, net("virtio-net-pci", 3), {"memory": "3G"}),
    ("no-features", Q35, [], {"cpu": "qemu64,-cx16,-x2apic"}),
    ("host-cpu", PC, [], {"cpu": "host,-arch-capabilities"}),
]
