# SPDX-License-Identifier: Apache-2.0
"""ACPI tables that QEMU makes on no machine of the live tests: iasl's own templates, with every field of the simple ones filled with
bytes of its own, in a made-up guest's memory. What abidrift says is what `iasl -d` says."""
import random
import shutil
import struct
import subprocess
import unittest

from acpi_oracle import DECODED, Lines, disassemble, header
from harness import Folder, abidrift, entries
from traces import LEAVES, Trace

MEMORY, AREA_ACPI, PART_TABLE = 14, 1, 3
FILLED = ("FACP", "SPCR", "TPM2", "TCPA", "BGRT", "WSMT", "HPET", "WAET")
STRUCTURED = ("APIC", "SRAT", "HMAT", "DMAR", "IVRS", "DBG2", "MCFG", "BERT", "HEST", "ERST", "EINJ", "FPDT")


class Templates(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not shutil.which("iasl"):
            self.skipTest("iasl (acpica-tools) is not installed")
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def template(self, signature):
        for argv in (["iasl", "-T", "FADT" if signature == "FACP" else signature], ["iasl", signature.lower() + ".asl"]):
            done = subprocess.run(argv, cwd=self.folder.path, capture_output=True, text=True, errors="replace")
            self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.folder.file(signature.lower() + ".aml"), "rb") as f:
            return bytearray(f.read())

    def filled(self, signature):
        """Every byte behind the header another than 0, always the same ones."""
        data, numbers = self.template(signature), random.Random(signature)
        for at in range(36, len(data)):
            data[at] = numbers.randrange(1, 256)
        if signature == "TCPA":
            data[36:38] = b"\1\0"
        return self.summed(data)

    @staticmethod
    def summed(data):
        data[9] = 0
        data[9] = -sum(data) & 0xFF
        return bytes(data)

    def told(self, tables):
        """The acpi entries of a guest that has these tables."""
        body = struct.pack("<IIII", AREA_ACPI, 1, len(tables), 0)
        for number, data in enumerate(tables, 1):
            body += struct.pack("<QII", number << 16, PART_TABLE, len(data)) + data + bytes(-len(data) % 8)
        trace = Trace()
        trace.synced()
        trace.guest(1, "made-up")
        trace.boot(1, 1)
        trace.cpuid(1, 1, LEAVES)
        trace.slots(1, 1, (0, 0x8000000))
        trace.add(MEMORY, body, 1, 1)
        trace.tick(30)
        store = "sqlite:" + self.folder.file("store.db")
        abidrift("replay", trace.write(self.folder.file("trace")), store=store)
        found = entries(abidrift("show", "made-up", "--fingerprint", store=store).stdout)
        return {key: value for (facet, key), value in found.items() if facet == "acpi"}

    def test_every_field_of_simple_tables_equals_iasl(self):
        tables = {signature: self.filled(signature) for signature in FILLED}
        seen = self.told(list(tables.values()))
        for signature, data in tables.items():
            with self.subTest(signature):
                lines = Lines(disassemble(self.folder, data))
                expected = {**header(lines), **DECODED[signature](lines, data)}
                self.assertEqual({key.split("/", 1)[1]: value for key, value in seen.items()
                                  if key.startswith(signature + "/") and not key.endswith("/body")}, expected)

    def test_every_kind_of_structure_is_walked_to_the_end(self):
        """A walk that loses its step at one kind loses all devices behind it."""
        seen = self.told([bytes(self.template(signature)) for signature in STRUCTURED])
        self.assertEqual([key for key in seen if key.endswith("/damaged")], [])
        expected = {
            "APIC/lapic_nmi.0.lint1": "polarity=high trigger=edge", "APIC/nmi_source.1": "polarity=high trigger=level",
            "SRAT/gicc.0": "node=0 enabled clock_domain=0", "SRAT/its.1": "node=0",
            "DBG2/device.0": "type=0x8000 subtype=0x0000", "DBG2/device.0/name": "MyDevice",
            "DBG2/device.0/register.1": "io 0xaabbccddeeff0011 bits=100 access=4 size=0xfedcba98",
            "DMAR/atsr.0000/bridge.00:00.3": "id=0", "DMAR/affinity.0x0": "node=0", "DMAR/unit.0x0/ioapic.00:00.1": "id=8",
            "IVRS/memory.0x0": "size=0x0 flags=0x04 type=0x21 device=00:00.0", "HMAT/access_latency.memory.0.0": "unknown",
        }
        self.assertEqual({key: seen.get(key) for key in expected}, expected)
        self.assertTrue([key for key in seen if key.startswith("APIC/type.0x0b.0")])
