# SPDX-License-Identifier: Apache-2.0
"""The largest guest that abidrift promises figures for: 64 vCPUs in 4 NUMA nodes, 40 devices that the definition names, q35 with SeaBIOS."""
VCPUS, NODES, DEVICES = 64, 4, 40
MACHINE = "pc-q35-7.2"


def definition():
    """Arguments of QEMU beside machine, vCPUs and memory, which is 1 GiB."""
    args = []
    for node in range(NODES):
        first = node * VCPUS // NODES
        args += ["-object", f"memory-backend-ram,id=m{node},size={1024 // NODES}M",
                 "-numa", f"node,nodeid={node},cpus={first}-{first + VCPUS // NODES - 1},memdev=m{node}"]
    for node in range(NODES):
        args += [arg for other in range(NODES) for arg in ("-numa", f"dist,src={node},dst={other},val={10 if node == other else 20 + abs(node - other)}")]
    devices = ["VGA,addr=1"]
    # Root ports, eight functions a slot; what hangs on them one per port.
    behind = [f"virtio-rng-pci,bus=rp{i}" for i in range(4)]
    behind += [f"virtio-net-pci,bus=rp{i},romfile=,mac=52:54:00:00:01:{i:02x},netdev=n{i}" for i in range(4, 7)]
    behind += [f"e1000e,bus=rp{i},romfile=,mac=52:54:00:00:01:{i:02x},netdev=n{i}" for i in range(7, 9)]
    behind += [f"nvme,bus=rp{i},serial=nvme-{i}" for i in range(9, 12)]
    behind += ["virtio-scsi-pci,bus=rp12", "virtio-balloon-pci,bus=rp13", "qemu-xhci,bus=rp14", "virtio-serial-pci,bus=rp15"]
    devices += [f"pcie-root-port,id=rp{i},chassis={i + 1},addr={2 + i // 8:x}.{i % 8:x}{',multifunction=on' if i % 8 == 0 else ''}" for i in range(len(behind))]
    devices += behind
    devices += [f"virtio-rng-pci,addr={slot:x}" for slot in range(4, 4 + DEVICES - len(devices))]
    for i in range(4, 9):
        args += ["-netdev", f"user,id=n{i}"]
    for device in devices:
        args += ["-device", device]
    assert len(devices) == DEVICES, len(devices)
    return args
