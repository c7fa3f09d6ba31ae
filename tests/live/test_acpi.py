# SPDX-License-Identifier: Apache-2.0
"""ACPI tables of real guests: what abidrift says is what ACPICA's iasl says of the bytes that QEMU's monitor reads, equal
definitions give equal entries at every boot, and a newer machine type's differences are told field by field."""
import os
import shutil
import unittest
import uuid

from acpi_oracle import BYTES_ONLY, DECODED, Lines, Tables, disassemble, header
from harness import Live, entries, wait_for

NUMA = ["-smp", "4,sockets=2,cores=2", "-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
        "-numa", "node,nodeid=0,memdev=m0,cpus=0-1", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3", "-numa", "dist,src=0,dst=1,val=21"]
HMAT = ["-smp", "4,sockets=2,cores=2", "-object", "memory-backend-ram,id=m0,size=128M", "-object", "memory-backend-ram,id=m1,size=128M",
        "-numa", "node,nodeid=0,memdev=m0,cpus=0-1,initiator=0", "-numa", "node,nodeid=1,memdev=m1,cpus=2-3,initiator=1",
        "-numa", "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=5",
        "-numa", "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=10",
        "-numa", "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=200M",
        "-numa", "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=100M",
        "-numa", "hmat-cache,node-id=0,size=10K,level=1,associativity=direct,policy=write-back,line=8"]


class Acpi(Live):
    maxDiff = None

    def setUp(self):
        super().setUp()
        if not shutil.which("iasl"):
            raise unittest.SkipTest("iasl (acpica-tools) is not installed")

    def boot(self, monitor, machine, *args, name=None, boot=1, **kw):
        guest = self.qemu(machine, *args, name=name, **kw)
        state = monitor.settled(guest.name, boot=boot)
        self.assertEqual(state["coverage"]["acpi"], "complete", monitor.json("show", guest.name, "--facet", "acpi"))
        return guest

    @staticmethod
    def seen(monitor, side):
        return {key: value for (facet, key), value in entries(monitor.fingerprint(side)).items() if facet == "acpi"}

    @staticmethod
    def of(seen, table):
        """A table's entries but the digest."""
        return {key[len(table) + 1:]: value for key, value in seen.items() if key.startswith(table + "/") and key != table + "/body"}

    def compare(self, monitor, guest, *wanted):
        """Each table in guest memory has its entries, each entry its table, and iasl says the same of every field."""
        oracle, seen, numbers, names = Tables(guest, self.folder), self.seen(monitor, guest.name), {}, set()
        for signature, data in oracle.tables:
            n = numbers[signature] = numbers.get(signature, -1) + 1
            name = f"SSDT.{n}" if signature == "SSDT" else signature
            names.add(name)
            self.assertFalse(name != "SSDT.0" and n and signature != "SSDT", f"two {signature}")
            if signature == "FACS":
                continue
            told = self.of(seen, name)
            self.assertIn(name + "/body", seen)
            if signature in ("DSDT", "SSDT"):
                head = {"length": str(len(data)), "revision": str(data[8]), "oem_id": data[10:16].decode().rstrip(" \0"),
                        "oem_table_id": data[16:24].decode().rstrip(" \0"), "oem_revision": f"0x{int.from_bytes(data[24:28], 'little'):08x}",
                        "creator_id": data[28:32].decode().rstrip(" \0"), "creator_revision": f"0x{int.from_bytes(data[32:36], 'little'):08x}"}
                self.assertEqual({key: told[key] for key in head}, head, name)
                continue
            lines = Lines(disassemble(self.folder, data))
            expected = header(lines)
            if signature in DECODED:
                expected.update(DECODED[signature](lines, data))
            elif signature == "RSDT":
                order = [name for name, _ in oracle.tables if name not in ("RSDT", "DSDT", "FACS")]
                expected["tables"] = " ".join(order)
            else:
                self.assertIn(signature, BYTES_ONLY)
            if signature == "FACP" and data[8] < 2:
                expected["boot_arch"] = f"0x{int.from_bytes(data[109:111], 'little'):04x}"
            self.assertEqual(told, expected, name)
        self.assertEqual({key.split("/")[0] for key in seen}, names | {"RSDP"})
        for table in wanted:
            self.assertIn(table, names)


class Oracle(Acpi):
    """Every field of every table equals what iasl reads; a wrong one would name a wrong cause in an incident."""

    def test_numa_hmat_and_iommus_equal_iasl(self):
        monitor = self.monitor()
        guests = [
            (("pc-i440fx-7.2", *NUMA), ("SRAT", "SLIT", "WAET", "HPET")),
            (("pc-q35-7.2,hmat=on", *HMAT), ("SRAT", "HMAT", "MCFG")),
            (("pc-q35-7.2,kernel-irqchip=split", "-device", "intel-iommu,intremap=on", "-device", "pcie-root-port,id=rp1,chassis=1,addr=4"), ("DMAR",)),
            (("pc-q35-7.2", "-device", "amd-iommu", "-device", "vmgenid,guid=auto"), ("IVRS", "SSDT.0")),
        ]
        running = [(self.qemu(machine, *args), tables) for (machine, *args), tables in guests]
        for guest, tables in running:
            with self.subTest(guest.process.argv[4]):
                state = monitor.settled(guest.name)
                self.assertEqual(state["coverage"]["acpi"], "complete", state)
                self.compare(monitor, guest, *tables)

    def test_nvdimm_and_tpm_equal_iasl(self):
        if not shutil.which("swtpm"):
            self.skipTest("swtpm is not installed")
        monitor = self.monitor()
        os.mkdir(self.folder.file("tpm"))
        control = self.folder.file("swtpm.sock")
        self.process(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder.file('tpm')}", "--ctrl", f"type=unixio,path={control}"])
        wait_for("swtpm", lambda: os.path.exists(control))
        tpm = self.qemu("pc-q35-7.2", "-chardev", f"socket,id=c,path={control}", "-tpmdev", "emulator,id=t,chardev=c", "-device", "tpm-tis,tpmdev=t")
        nvdimm = self.qemu("pc-i440fx-7.2,nvdimm=on", "-object", "memory-backend-ram,id=n0,size=128M", "-device", "nvdimm,memdev=n0",
                           memory="256M,slots=4,maxmem=4G")
        for guest, table in ((tpm, "TPM2"), (nvdimm, "NFIT")):
            state = monitor.settled(guest.name)
            self.assertEqual(state["coverage"]["acpi"], "complete", state)
            self.compare(monitor, guest, table)


class SameEveryTime(Acpi):
    """Entries that move by themselves would be an alert at every boot."""

    def test_three_boots_give_the_same_entries(self):
        monitor = self.monitor()
        nvdimm = ["-object", "memory-backend-ram,id=n0,size=128M", "-device", "nvdimm,memdev=n0"]
        generation = ["-device", "vmgenid,guid=auto"]
        guests = {"pc-i440fx-7.2,nvdimm=on": [*generation, *nvdimm], "pc-q35-7.2": [*generation, "-device", "pcie-root-port,id=rp1,chassis=1,addr=4"]}
        idents = {machine: str(uuid.uuid4()) for machine in guests}

        def start(machine, *more):
            return self.qemu(machine, *guests[machine], *more, name=machine.split(",")[0], guest_uuid=idents[machine], memory="256M,slots=4,maxmem=4G")

        def look(boot):
            found = {}
            for machine in guests:
                state = monitor.settled(machine.split(",")[0], boot=boot)
                self.assertEqual(state["coverage"]["acpi"], "complete", state)
                found[machine] = self.seen(monitor, machine.split(",")[0])
            return found
        running = [start(machine) for machine in guests]
        first = look(1)
        self.assertEqual([len([k for k in seen if k.startswith("SSDT.") and k.endswith("/body")]) for seen in first.values()], [2, 1])
        for guest in running:
            guest.command("system_reset")
        self.assertEqual(look(2), first)
        for guest in running:
            guest.stop()
            monitor.gone(guest.name)
        # Another process, another layout of the host's memory; the same guest.
        for machine in guests:
            start(machine, "-object", "memory-backend-ram,id=host,size=64M,prealloc=on")
        self.assertEqual(look(3), first)
        for machine in guests:
            self.assertEqual([c for c in monitor.diff(machine.split(",")[0])["changes"] if c["facet"] == "acpi"], [])


class OtherMachine(Acpi):
    def decoded(self, guest):
        """{key: value} of all that iasl decodes, of tables that stand alone."""
        found = {}
        for signature, data in Tables(guest, self.folder).tables:
            if signature in DECODED:
                lines = Lines(disassemble(self.folder, data))
                for key, value in {**header(lines), **DECODED[signature](lines, data)}.items():
                    found[f"{signature}/{key}"] = value
        return found

    def test_a_newer_machine_type_is_told_field_by_field(self):
        """pc-q35-5.2 and 7.2 under one QEMU: what iasl shows of both and nothing else, so that an upgrade can be judged."""
        monitor = self.monitor()
        ident = str(uuid.uuid4())
        guest = self.boot(monitor, "pc-q35-5.2", name="newer", guest_uuid=ident)
        before = self.decoded(guest)
        guest.stop()
        monitor.gone("newer")
        after = self.decoded(self.boot(monitor, "pc-q35-7.2", name="newer", guest_uuid=ident, boot=2))
        expected = {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}
        self.assertIn("FACP/smi_cmd", expected)
        changes = {key: (c["from"], c["to"]) for (facet, key), c in monitor.changes("newer").items() if facet == "acpi"}
        rest = {key for key in changes if key not in expected}
        self.assertEqual({key: changes[key] for key in expected}, expected)
        self.assertIn("DSDT/body", rest)
        self.assertEqual({key for key in rest if not key.startswith("DSDT/")}, {f"{key.split('/')[0]}/body" for key in expected})
        self.assertTrue({key for key in rest if key.startswith("DSDT/_SB.PCI0")}, rest)
