# SPDX-License-Identifier: Apache-2.0
"""SMBIOS against dmidecode: every line that it prints of a table is in the fingerprint, and every entry is in what it prints; and who a
guest is where only its tables say so."""
import json
import os
import re
import shutil
import struct
import unittest
import uuid

import traces
from dmi import dmidecode, entry64, fix_entry, printed, structure, structures
from harness import Folder, Live, abidrift, entries, wait_for

REPLAY = ["--set", "monitor.settle=1s", "--set", "monitor.settle_max=5s"]
# Of these dmidecode 3.4 prints nothing.
SILENT = {"thread_enabled", "extended_speed", "extended_configured_speed", "ec_revision_major", "ec_revision_minor", "revision_major", "revision_minor"}
LENGTHS = {0: 0x1a, 1: 0x1b, 2: 0x0f, 3: 0x16, 4: 0x30, 7: 0x1b, 8: 0x09, 9: 0x11, 16: 0x17, 17: 0x54, 19: 0x1f, 32: 0x0b, 38: 0x12, 41: 0x0b}
STRINGS = [b"one", b"t\x07w\x1bo\x7f \"'&<script>alert(1)</script>", b"\xc3\xa9\xff\\x41 three "]


def filled(kind, **at):
    """A structure of that type whose every byte is 0 but strings and what `at` says: offset (as _0x12) -> (value, width)."""
    body = bytearray(LENGTHS[kind] - 4)
    for offset, (value, width) in at.items():
        body[int(offset[1:], 16) - 4:int(offset[1:], 16) - 4 + width] = value.to_bytes(width, "little")
    return structure(kind, body, strings=STRINGS)


def words():
    """Each value of each enumeration, each bit of each word of flags, and the values that mean something of their own."""
    enums = ((1, 0x18), (2, 0x0d), (3, 0x05), (3, 0x09), (3, 0x0a), (3, 0x0b), (3, 0x0c), (4, 0x05), (4, 0x06), (4, 0x11), (4, 0x18), (4, 0x19), (7, 0x10),
             (7, 0x11), (7, 0x12), (8, 0x05), (8, 0x07), (8, 0x08), (9, 0x05), (9, 0x07), (9, 0x08), (16, 0x04), (16, 0x05), (16, 0x06), (32, 0x0a),
             (38, 0x04), (38, 0x10), (41, 0x05))
    for kind, offset in enums:
        for value in range(256):
            yield filled(kind, **{f"_{offset:x}": (value, 1)})
    for value in range(0x140):
        yield filled(4, _6=(0xfe, 1), _28=(value, 2))
    for value in range(64):
        for offset in (0x0e, 0x12, 0x28):
            yield filled(17, _c=(1, 2), **{f"_{offset:x}": (value, 1)})
    for width in range(1, 15):
        yield filled(9, _5=(0xa5, 1), _6=(width, 1), _9=(0x0102, 2))
    for kind, offset, bits in ((0, 0x0a, 64), (0, 0x12, 8), (0, 0x13, 8), (2, 0x09, 8), (4, 0x26, 8), (7, 0x0b, 7), (9, 0x0b, 8), (9, 0x0c, 3)):
        for bit in range(bits):
            yield filled(kind, **{f"_{offset:x}": (1 << bit, (bits + 7) // 8)})
    for bit in range(6):
        yield filled(17, _c=(1, 2), _29=(1 << bit & ~1, 2))
    for bit in range(16):
        yield filled(17, _c=(1, 2), _13=(1 << bit, 2))


def numbers():
    """Values at the edges of each field that has a unit or a value that stands for something else."""
    for kind, offset, width, values in (
            (0, 0x06, 2, (0, 0xe800, 0xf000, 0xffff)), (0, 0x09, 1, (0, 1, 15, 16, 0xfe)), (0, 0x14, 1, (255,)), (0, 0x17, 1, (3, 255)),
            (3, 0x11, 1, (0, 1, 255)), (3, 0x12, 1, (0, 2)), (3, 0x0d, 4, (0xdeadbeef,)), (4, 0x08, 8, (0x0123456789abcdef,)),
            (4, 0x12, 2, (0, 100)), (4, 0x14, 2, (3000,)), (4, 0x1a, 2, (0xffff, 0x700)), (4, 0x23, 1, (0, 1, 254)), (4, 0x24, 1, (7,)), (4, 0x25, 1, (9,)),
            (7, 0x05, 2, (0, 0x0180, 0x00a8, 0x03ff, 0x0267)), (7, 0x0f, 1, (0, 5)), (7, 0x13, 4, (512, 0x80000001, 1 << 20)), (7, 0x17, 4, (100,)),
            (9, 0x0d, 2, (0xffff,)), (9, 0x0f, 1, (0x80,)), (9, 0x10, 1, (0x12,)),
            (16, 0x07, 4, (1 << 18, 1024, 1000)), (16, 0x0b, 2, (0xfffe, 0xffff, 7)), (16, 0x0d, 2, (4,)),
            (17, 0x0c, 2, (0, 1, 1024, 1536, 0x8400, 0xffff, 0x3fff)), (19, 0x08, 4, (0x3ffff, 0x7ffff)), (19, 0x0e, 1, (1, 255)),
            (38, 0x05, 1, (0x15, 0x20)), (38, 0x06, 1, (0x20,)), (38, 0x07, 1, (0, 0xff)), (38, 0x08, 8, (0xca3, 0xca2)), (38, 0x11, 1, (0, 9)),
            (41, 0x06, 1, (200,)), (41, 0x0a, 1, (0xff,))):
        for value in values:
            yield filled(kind, **{f"_{offset:x}": (value, width)})
    for offset, width, values in ((0x08, 2, (64, 0xffff)), (0x0f, 1, (0, 1, 255)), (0x15, 2, (0, 1600, 0xffff)), (0x1b, 1, (0, 2)), (0x20, 2, (2400,)),
                                  (0x22, 2, (1200, 1250)), (0x2c, 2, (0, 0x2c80)), (0x2e, 2, (0, 0x1234)), (0x34, 8, (0, 1 << 30, (1 << 64) - 1))):
        for value in values:
            yield filled(17, **{"_c": (1, 2), f"_{offset:x}": (value, width)})
    yield filled(0, _9=(255, 1), _18=(16, 2))
    yield filled(0, _9=(255, 1), _18=(0x4001, 2))
    yield filled(4, _23=(255, 1), _2a=(300, 2), _24=(255, 1), _2c=(299, 2), _25=(255, 1), _2e=(600, 2))
    yield filled(16, _7=(1 << 31, 4), _f=(1 << 41, 8))
    yield filled(17, _c=(0x7fff, 2), _1c=(0x8000, 4))
    yield filled(19, _4=(0xffffffff, 4), _f=(1 << 32, 8), _17=((1 << 32) + 1023, 8))
    for kind in (0, 1, 2, 3, 4, 7, 8, 9, 41):
        yield structure(kind, bytes([1, 2, 3, 0, 4] if kind in (0, 1, 2) else [1]) + bytes(LENGTHS[kind] - (9 if kind in (0, 1, 2) else 5)), strings=STRINGS)
    yield structure(11, [3], strings=STRINGS)
    yield structure(2, bytes(9) + bytes([10, 2, 1, 0, 2, 0]))
    yield structure(3, bytes([0] * 15 + [2, 3, 1, 2, 3, 0x8a, 0, 1, 1]), strings=[b"sku"])
    yield structure(1, bytes(4) + b"\xff" * 16 + bytes(3))
    yield structure(1, bytes(4) + bytes(range(16)) + bytes(3))
    yield structure(127, b"")


class Compare:
    def compare(self, path, entry, table, shown):
        """dmidecode's structures and ours: the same ones, in the same order, with the same lines."""
        mine, theirs, seen, wrong = structures(shown), dmidecode(path, entry, table), {}, []
        for handle, kind, fields in theirs:
            number = seen.get(kind, 0)
            seen[kind] = number + 1
            s = mine.pop((kind, number))
            self.assertEqual(int(s.values["handle"], 16), handle)
            if "body" in s.values:
                continue
            if kind == 3 and "Contained Elements" in fields:
                fields["Contained Elements"] = str(s.number("contained_elements"))  # it names them, at other depth
            is_, unused = printed(s), {k for k in s.unused() - SILENT if not re.fullmatch(r"string\.\d+", k)}  # nobody names those strings
            if is_ != fields or unused:
                wrong.append((kind, number, {k: (fields.get(k), is_.get(k)) for k in {**fields, **is_} if fields.get(k) != is_.get(k)}, unused))
        self.assertFalse(wrong, f"{len(wrong)} structures; (dmidecode, abidrift), entries that it does not print:\n" + "\n".join(map(str, wrong[:40])))
        self.assertEqual(mine, {}, "entries of structures that dmidecode does not know")
        self.assertGreater(len(theirs), 3)
        return len(theirs)


class Words(unittest.TestCase, Compare):
    """Made-up tables through `replay`: all that dmidecode has a word for. Needs no KVM."""
    def setUp(self):
        if not shutil.which("dmidecode"):
            self.skipTest("dmidecode is not installed")
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def shown(self, table, entry=None):
        trace = traces.Trace()
        trace.guest(1, "made", str(uuid.uuid4()))
        trace.boot(1, 1)
        trace.cpuid(1, 1, traces.LEAVES)
        trace.smbios(1, 1, entry or entry64(table), table)
        trace.tick(4)
        store = "sqlite:" + self.folder.file(f"{uuid.uuid4()}.db")
        abidrift("replay", trace.write(self.folder.file("t.trace")), *REPLAY, store=store)
        return json.loads(abidrift("show", "made", "--json", store=store).stdout)

    def all_of(self, made):
        made, count = list(made), 0
        for start in range(0, len(made), 1500):
            table = b"".join(made[start:start + 1500]) + structure(127, b"")
            count += self.compare(self.folder.file("dump"), entry64(table), table, self.shown(table))
        self.assertGreaterEqual(count, len(made))

    def test_every_word(self):
        self.all_of(s for s in words() if s)

    def test_every_number_and_string(self):
        self.all_of(s for s in numbers() if s)


class Guests(Live, Compare):
    """QEMU's own tables under SeaBIOS, as the collector read them from the guest's memory."""
    HOSTILE = "q\"uo'te<b>&amp;\x01\x1b[31m\x7f\\x41 \udcc3\udca9\udcff %s"

    def table(self, guest):
        """Entry point and table as QEMU's monitor reads them; None while firmware has not built them."""
        path = self.folder.file("memory")

        def save(address, size):
            guest.command("pmemsave", val=address, size=size, filename=path)
            with open(path, "rb") as f:
                return f.read()
        segment = save(0xf0000, 0x10000)
        for at in range(0, len(segment), 16):
            for anchor, length_at in ((b"_SM3_", 6), (b"_SM_", 5)):
                entry = segment[at:at + segment[at + length_at]] if segment.startswith(anchor, at) else b""
                if entry and sum(entry) & 255 == 0:
                    wide = anchor == b"_SM3_"
                    address, size = struct.unpack_from("<Q", entry, 16)[0] if wide else struct.unpack_from("<I", entry, 24)[0], \
                        struct.unpack_from("<I", entry, 12)[0] if wide else struct.unpack_from("<H", entry, 22)[0]
                    return entry, save(address, size)
        return None

    def check(self, machine, *args, **kw):
        if not shutil.which("dmidecode"):
            self.skipTest("dmidecode is not installed")
        monitor = self.monitor()
        guest = self.qemu(machine, *args, **kw)
        entry, table = wait_for("SMBIOS tables", lambda: self.table(guest))
        state = monitor.settled(guest.name)
        self.assertEqual(state["coverage"]["smbios"], "complete", state)
        shown = monitor.json("show", guest.name)
        self.compare(self.folder.file("dump"), entry, table, shown)
        return guest, monitor, shown, entries(monitor.fingerprint(guest.name))

    def test_i440fx_by_default(self):
        _, _, _, seen = self.check("pc-i440fx-7.2")
        self.assertEqual(seen["smbios", "entry_point"], "SMBIOS 2.8 32-bit")
        self.assertEqual(seen["smbios", "type1.0/version"], "pc-i440fx-7.2")

    def test_q35_with_everything_and_hostile_strings(self):
        text = lambda n: self.HOSTILE + str(n)
        guest, _, _, seen = self.check(
            "pc-q35-7.2,smbios-entry-point-type=64",
            "-smbios", f"type=0,vendor={text(0)},version={text(1)},date=01/02/2003,release=4.5,uefi=on",
            "-smbios", f"type=1,manufacturer={text(2)},product={text(3)},version={text(4)},serial={text(5)},sku={text(6)},family={text(7)}",
            "-smbios", f"type=2,manufacturer={text(8)},product={text(9)},version={text(10)},serial={text(11)},asset={text(12)},location={text(13)}",
            "-smbios", f"type=3,manufacturer={text(14)},version={text(15)},serial={text(16)},asset={text(17)},sku={text(18)}",
            "-smbios", f"type=4,sock_pfx={text(19)},manufacturer={text(20)},version={text(21)},serial={text(22)},asset={text(23)},part={text(24)},"
                       "max-speed=3000,current-speed=2000",
            "-smbios", "type=8,internal_reference=IR,external_reference=ER,connector_type=0x0b,port_type=0x05",
            "-smbios", f"type=11,value={text(25)},value=second",
            "-smbios", f"type=17,loc_pfx={text(26)},bank={text(27)},manufacturer={text(28)},serial={text(29)},asset={text(30)},part={text(31)},speed=1600",
            "-device", "e1000,id=nic0,netdev=n0,romfile=", "-netdev", "user,id=n0",
            "-smbios", "type=41,designation=Onboard,instance=1,kind=ethernet,pcidev=nic0",
            vcpus="12,sockets=2,cores=3,threads=2", memory="256M,slots=2,maxmem=2G")
        escaped = "q\"uo'te<b>&amp;\\x01\\x1b[31m\\x7f\\x5cx41 \\xc3\\xa9\\xff %s"
        self.assertEqual(seen["smbios", "entry_point"], "SMBIOS 3.0.0 64-bit")
        self.assertEqual(seen["smbios", "type1.0/manufacturer"], escaped + "2")
        self.assertEqual(seen["identity", "type1.0/serial"], escaped + "5")
        self.assertEqual(seen["identity", "type1.0/uuid"], guest.uuid)
        self.assertEqual(seen["identity", "type11.0/string.1"], escaped + "25")
        self.assertEqual(seen["smbios", "type4.1/core_count"], "3")
        self.assertEqual(seen["smbios", "type17.0/speed"], "1600")

    def test_numa_and_pluggable_memory(self):
        self.check("pc-i440fx-7.2,smbios-entry-point-type=64", "-object", "memory-backend-ram,id=m0,size=128M", "-object",
                   "memory-backend-ram,id=m1,size=128M", "-numa", "node,memdev=m0,cpus=0-1", "-numa", "node,memdev=m1,cpus=2-3", "-object",
                   "memory-backend-ram,id=d0,size=128M", "-device", "pc-dimm,memdev=d0", vcpus=4, memory="256M,slots=2,maxmem=1G")


class Who(unittest.TestCase):
    """Whose command line does not say a UUID is known by what its tables say. Made-up guests through `replay`."""
    UUID = "00112233-4455-6677-8899-aabbccddeeff"

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        self.store = "sqlite:" + self.folder.file("s.db")
        self.vm = 0

    def table(self, ident):
        swapped = uuid.UUID(ident).bytes_le
        return structure(1, bytes(4) + swapped + bytes([6, 0, 0]), 0x100) + structure(127, b"", 0x7f00)

    def life(self, trace, name, tables=None, told=None, boots=1, gone=True, args=()):
        """One process: its tables come after each reset, before it has settled."""
        self.vm += 1
        vm = self.vm
        trace.guest(vm, name, told, args)
        for boot in range(1, boots + 1):
            trace.boot(vm, boot)
            trace.cpuid(vm, boot, traces.LEAVES)
            trace.tick(0.75)
            if tables:
                table = self.table(tables)
                trace.smbios(vm, boot, entry64(table), table)
            trace.tick(4)
        if gone:
            trace.gone(vm)
        return vm

    def replay(self, trace):
        return json.loads(abidrift("replay", trace.write(self.folder.file("t.trace")), *REPLAY, "--json", store=self.store, ok=(0, 1, 3)).stdout)

    def guests(self):
        return json.loads(abidrift("ls", "--json", store=self.store).stdout)["guests"]

    def test_its_lives_are_one_guests(self):
        trace = traces.Trace()
        self.life(trace, "web", tables=self.UUID, boots=2)
        self.life(trace, "web", tables=self.UUID)
        self.life(trace, "renamed", tables=self.UUID)
        self.replay(trace)
        self.assertEqual({(g["id"], g["uuid"]) for g in self.guests()}, {(self.UUID, self.UUID)})
        events = json.loads(abidrift("history", self.UUID, "--json", store=self.store).stdout)["events"]
        self.assertEqual([e["type"] for e in events].count("boot"), 4)
        self.assertEqual([e["type"] for e in events].count("drift"), 0, events)
        self.assertEqual({g["state"] for g in self.guests()}, {"same"})

    def test_two_of_one_name_are_two_guests(self):
        other, trace = "11111111-2222-3333-4444-555555555555", traces.Trace()
        self.vm = 1
        for vm, ident in ((2, self.UUID), (3, other)):
            trace.guest(vm, "web")
            trace.boot(vm, 1)
            trace.cpuid(vm, 1, traces.LEAVES)
        trace.tick(2)
        for vm, ident in ((2, self.UUID), (3, other)):
            trace.smbios(vm, 1, entry64(self.table(ident)), self.table(ident))
        trace.tick(5)
        self.replay(trace)
        self.assertEqual({g["id"] for g in self.guests() if g["state"] == "same"}, {self.UUID, other})

    def test_what_was_known_by_name_keeps_its_history(self):
        """An abidrift that reads tables for the first time must not begin every guest anew."""
        trace = traces.Trace()
        self.life(trace, "web")
        self.replay(trace)
        self.assertEqual([g["id"] for g in self.guests()], ["web"])
        trace = traces.Trace()
        self.life(trace, "web", tables=self.UUID)
        self.replay(trace)
        self.assertEqual({g["id"] for g in self.guests()}, {self.UUID})
        events = json.loads(abidrift("history", self.UUID, "--json", store=self.store).stdout)["events"]
        self.assertEqual([e["type"] for e in events].count("boot"), 2)

    def test_the_host_is_believed_before_the_guest(self):
        """A guest that writes another one's UUID into its tables would hide behind it."""
        told, trace = "99999999-2222-3333-4444-555555555555", traces.Trace()
        self.life(trace, "told", told=told, tables=self.UUID, gone=False)
        self.life(trace, "impostor", tables=told, gone=False)
        self.life(trace, "nil", tables="00000000-0000-0000-0000-000000000000", gone=False)
        self.life(trace, "unset", tables="ffffffff-ffff-ffff-ffff-ffffffffffff", gone=False)
        self.replay(trace)
        self.assertEqual({g["id"] for g in self.guests()}, {told, "impostor", "nil", "unset"})
        seen = entries(abidrift("show", "told", "--fingerprint", store=self.store).stdout)
        self.assertEqual((seen["identity", "uuid"], seen["identity", "type1.0/uuid"]), (told, self.UUID))


class WhoRuns(Live):
    def test_a_uuid_from_a_file_is_found_in_the_tables(self):
        """The command line names a file only; the guest is the same in its next life, and over restarts of abidrift."""
        ident, path = str(uuid.uuid4()), self.folder.file("type1.bin")
        with open(path, "wb") as f:
            f.write(structure(1, bytes(4) + uuid.UUID(ident).bytes_le + bytes([6, 0, 0]), 0x100))
        name = f"file-{ident[:8]}"
        monitor = self.monitor()

        def start():
            guest = self.qemu("pc-q35-7.2", "-smbios", f"file={path}", name=name, with_uuid=False)
            return guest, wait_for("its UUID", lambda: monitor.guest(ident))
        guest, _ = start()
        first = monitor.settled(ident)
        guest.command("system_reset")
        self.assertEqual(monitor.settled(ident, boot=2)["id"], ident)
        guest.stop()
        monitor.gone(ident)
        guest, _ = start()
        third = monitor.settled(ident, boot=3)
        self.assertEqual((third["boot"], third["state"], third["baseline"]["digest"]), (3, "same", first["baseline"]["digest"]), monitor.diff(ident))
        self.assertEqual({g["id"] for g in monitor.guests() if name in (g["name"], g["id"])}, {ident})
        monitor.stop()
        monitor = self.monitor()
        again = monitor.settled(ident)
        self.assertEqual((again["id"], again["boot"], again["state"]), (ident, 3, "same"))
        self.assertEqual({g["id"] for g in monitor.guests() if name in (g["name"], g["id"])}, {ident})
        self.assertEqual([e["type"] for e in monitor.json("history", ident)["events"]].count("stop"), 1)
