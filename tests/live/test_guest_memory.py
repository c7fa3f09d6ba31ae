# SPDX-License-Identifier: Apache-2.0
"""What is read of guests' memory: the very bytes that QEMU says are there, at the right time, and never at the cost of another
guest. What a user would lose: firmware tables of a guest, told as they are not."""
import hashlib
import os
import re
import signal
import struct

import traces
from harness import ABIDRIFT, Live, abidrift, entries, wait_for

SEABIOS = "/usr/share/seabios/bios-256k.bin"
AREAS = (traces.ACPI, traces.SMBIOS, traces.FIRMWARE)


def checked(table):
    """An ACPI table with its checksum."""
    table = bytearray(table)
    table[9] = 0
    table[9] = -sum(table) & 0xff
    return bytes(table)


def acpi_table(signature, body=b""):
    return checked(signature + struct.pack("<IBB6s8sIII", 36 + len(body), 1, 0, b"ABIDRI", b"TESTTEST", 1, 0, 1) + body)


def firmware_image(tables=True):
    """128 KiB below 1 MiB as a small firmware leaves them: RSDP, RSDT, FADT, DSDT."""
    image = bytearray(0x20000)
    dsdt, fadt = acpi_table(b"DSDT", b"\x10\x05_SB_"), bytearray(208)
    struct.pack_into("<I", fadt, 4, 0xe3000)
    rsdp = bytearray(b"RSD PTR \0ABIDRI\0" + struct.pack("<I", 0xe1000))
    rsdp[8] = -sum(rsdp) & 0xff
    for at, part in ((0x1000, acpi_table(b"RSDT", struct.pack("<I", 0xe2000))), (0x2000, acpi_table(b"FACP", bytes(fadt))), (0x3000, dsdt), (0, rsdp)):
        image[at:at + len(part)] = part
    return bytes(image) if tables else bytes(0x20000)


class Recording:
    """`abidrift record`, and what is in its trace by now."""
    def __init__(self, test, *args):
        self.path = test.folder.file("memory.trace")
        self.process = test.process([ABIDRIFT, "record", "-o", self.path, *args])
        self.process.wait_line("recording into")
        self.reader = traces.Reader(self.path)
        self.vms, self.boots, self.read = {}, {}, []

    def look(self):
        """Takes in what came since."""
        for kind, vm, boot, body in self.reader.read():
            if kind == traces.VM:
                self.vms[vm] = dict(traces.read_pairs(body))
            elif kind == traces.BOOT:
                self.boots[vm] = boot
            elif kind == traces.MEMORY:
                self.read.append((vm, boot, *traces.read_memory(body)))

    def vm(self, pid):
        """The VMs of a process, as told."""
        self.look()
        return {vm: pairs for vm, pairs in self.vms.items() if pairs.get("pid") == str(pid)}

    def told(self, vm, area):
        """Was anything told of an area in the present boot?"""
        return any((vm, self.boots[vm], area) == read[:3] for read in self.read)

    def memory(self, pid, area, boot=None):
        """Every reading that was told of an area of a process's VMs: [(whole, parts)]."""
        vms = self.vm(pid)
        return [(whole, parts) for vm, of_boot, told, whole, parts in self.read if vm in vms and told == area and boot in (None, of_boot)]

    def wait_whole(self, pid, area, boot=None):
        def look():
            told = self.memory(pid, area, boot)
            return told[-1][1] if told and told[-1][0] else None
        return wait_for(f"area {area} of process {pid}", look)

    def reason(self, pid, area, boot=None):
        """Waits for an area to be told as not there, and returns why."""
        def look():
            told = self.memory(pid, area, boot)
            return told[-1][1] if told else None
        parts = wait_for(f"area {area} of process {pid}", look)
        return b"".join(data for _, kind, data in parts if kind == traces.REASON).decode()

    def stop(self):
        return self.process.stop(signal.SIGTERM)


class GuestMemory(Live):
    def vmm(self, *args):
        vmm = self.microvmm("--stdin", *args)
        vmm.wait_line("^ready", "out")
        return vmm

    def told_is_there(self, guest, parts):
        """Each part is what QEMU finds at that address."""
        for gpa, kind, data in parts:
            path = self.folder.file("there")
            size = struct.unpack_from("<Q", data)[0] if kind == traces.ROM else len(data)
            guest.command("pmemsave", val=gpa, size=size, filename=path)
            with open(path, "rb") as f:
                there = f.read()
            if kind == traces.ROM:
                self.assertEqual(data[8:40], hashlib.sha256(there).digest(), f"firmware at {gpa:#x}")
            else:
                self.assertEqual(data, there, f"{data[:8]} at {gpa:#x}")

    def check_guest(self, record, guest, tables):
        told = {area: record.wait_whole(guest.pid, area) for area in AREAS}
        for parts in told.values():
            self.told_is_there(guest, parts)
        signatures = [data[:4].decode() for _, kind, data in told[traces.ACPI] if kind == traces.TABLE]
        self.assertEqual(sorted(signatures), sorted(tables))
        self.assertEqual([kind for _, kind, _ in told[traces.SMBIOS]], [traces.SMBIOS_ENTRY, traces.SMBIOS_TABLE])
        self.assertEqual(told[traces.SMBIOS][1][2][-6:-4], b"\x7f\x04")
        self.assertIn(bytes.fromhex(guest.uuid.replace("-", ""))[8:], told[traces.SMBIOS][1][2])
        (gpa, _, rom), = told[traces.FIRMWARE]
        with open(SEABIOS, "rb") as f:
            bios = f.read()
        self.assertEqual(gpa, 0xfffc0000)
        self.assertEqual(rom[8:40], hashlib.sha256(bios).digest())
        self.assertRegex(rom[40:].decode(), r"^(rel-)?\d+\.\d+\.\d+")
        self.assertIn(b"\0" + rom[40:] + b"\0", bios)

    def test_what_is_told_of_a_guest_seen_from_its_start_is_in_its_memory(self):
        record = Recording(self)
        guests = [self.qemu("q35", "-numa", "node,memdev=m0", "-object", "memory-backend-ram,id=m0,size=256M"), self.qemu("pc")]
        self.check_guest(record, guests[0], ["RSDT", "FACP", "DSDT", "FACS", "APIC", "HPET", "SRAT", "MCFG", "WAET"])
        self.check_guest(record, guests[1], ["RSDT", "FACP", "DSDT", "FACS", "APIC", "HPET", "WAET"])

    def test_what_is_told_of_a_guest_found_running_is_in_its_memory(self):
        guest = self.qemu("q35")
        wait_for("SeaBIOS to build its tables", lambda: self.has_tables(guest))
        record = Recording(self)
        self.check_guest(record, guest, ["RSDT", "FACP", "DSDT", "FACS", "APIC", "HPET", "MCFG", "WAET"])

    def has_tables(self, guest):
        path = self.folder.file("bios")
        guest.command("pmemsave", val=0xf0000, size=0x10000, filename=path)
        with open(path, "rb") as f:
            data = f.read()
        return any(data[at:at + 8] == b"RSD PTR " for at in range(0, len(data), 16))

    def test_a_reset_gives_a_reading_of_its_own(self):
        record = Recording(self)
        guest = self.qemu("pc")
        first = record.wait_whole(guest.pid, traces.ACPI, boot=1)
        guest.command("system_reset")
        for area in AREAS:
            record.wait_whole(guest.pid, area, boot=2)
        self.assertEqual([data[:4] for _, kind, data in record.memory(guest.pid, traces.ACPI, 2)[-1][1] if kind == traces.TABLE],
                         [data[:4] for _, kind, data in first if kind == traces.TABLE])

    def test_where_pci_configuration_lies_is_learnt_from_the_tables(self):
        guest = self.qemu("q35")
        record = Recording(self)
        record.wait_whole(guest.pid, traces.ACPI)
        wait_for("the window", lambda: [vm.get("ecam") for vm in record.vm(guest.pid).values()] == ["0xb0000000 0x10000000"])

    def test_a_table_caught_half_written_is_read_again_and_never_told(self):
        whole, half = self.folder.file("whole"), self.folder.file("half")
        image = bytearray(firmware_image())
        with open(whole, "wb") as f:
            f.write(image)
        image[0x3000 + 37] ^= 1
        with open(half, "wb") as f:
            f.write(image)
        record = Recording(self)
        vmm = self.vmm("--slot", "0xe0000:0x20000")
        vmm.write(f"load 0xe0000 {half}\nforever-new 100000\n")
        vmm.wait_line("^op done 2", "out")
        wait_for("the firmware, read like all of it", lambda: record.memory(vmm.pid, traces.FIRMWARE))
        vmm.write(f"load 0xe0000 {whole}\n")
        parts = record.wait_whole(vmm.pid, traces.ACPI)
        self.assertEqual([data[:4] for _, kind, data in parts if kind == traces.TABLE], [b"RSDT", b"FACP", b"DSDT"])
        self.assertEqual([w for w, _ in record.memory(vmm.pid, traces.ACPI)], [True])

    def test_half_written_tables_that_stay_so_are_told_with_their_fault(self):
        half = self.folder.file("half")
        image = bytearray(firmware_image())
        image[0x3000 + 37] ^= 1
        with open(half, "wb") as f:
            f.write(image)
        vmm = self.vmm("--slot", "0xe0000:0x20000")
        vmm.write(f"load 0xe0000 {half}\nin 0x70 1\n")
        vmm.wait_line("^op done 2", "out")
        record = Recording(self)
        self.assertEqual(record.reason(vmm.pid, traces.ACPI), "DSDT at 0xe3000: its checksum is wrong")
        self.assertIn("no SMBIOS entry point was found", record.reason(vmm.pid, traces.SMBIOS))
        wait_for("the firmware", lambda: record.memory(vmm.pid, traces.FIRMWARE))

    def test_a_guest_that_wakes_up_is_read_again(self):
        """Paused in its firmware, or slower than anyone is patient: there are tables in the end."""
        whole = self.folder.file("whole")
        with open(whole, "wb") as f:
            f.write(firmware_image())
        record = Recording(self)
        vmm = self.vmm("--slot", "0xe0000:0x20000")
        vmm.write("in 0x70 1\n")
        self.assertIn("no RSDP was found", record.reason(vmm.pid, traces.ACPI))
        vmm.write(f"load 0xe0000 {whole}\nforever-new 100000\n")
        record.wait_whole(vmm.pid, traces.ACPI)

    def test_without_permission_nothing_is_read_and_that_is_said(self):
        guest = self.qemu("q35")
        monitor = self.monitor("--set", "monitor.guest_memory=off")
        settled = monitor.settled(guest.name)
        for facet in ("acpi", "smbios", "firmware"):
            self.assertEqual(settled["coverage"][facet], "none", facet)
            self.assertIn(f"# coverage {facet} none monitor.guest_memory is off", monitor.fingerprint(guest.name))

    def test_what_was_read_before_reading_was_forbidden_is_not_told_as_of_now(self):
        guest = self.qemu("q35")
        monitor = self.monitor()
        monitor.settled(guest.name)
        self.assertNotIn("newest boot", abidrift("show", guest.name, store=monitor.store).stdout)
        monitor.stop()
        monitor = self.monitor("--set", "monitor.guest_memory=off")
        guest.command("system_reset")
        monitor.settled(guest.name, boot=2)
        self.assertEqual(monitor.diff(guest.name)["changes"], [])
        text = abidrift("show", guest.name, "--facet", "acpi", store=monitor.store).stdout
        self.assertRegex(text, r"(?m)^acpi  complete, of its newest boot none: `abidrift diff` says why")

    def readers(self, parent):
        """Processes that read memory for `parent`."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    stat = f.read()
            except OSError:
                continue
            if stat[stat.index("(") + 1:stat.rindex(")")] == "abidrift-memory" and int(stat[stat.rindex(")") + 1:].split()[1]) == parent:
                found.append(int(pid))
        return found

    def test_the_reader_has_nothing_that_it_does_not_need(self):
        record = Recording(self)
        reader, = self.readers(record.process.pid)
        with open(f"/proc/{reader}/status") as f:
            effective = int(re.search(r"CapEff:\s*([0-9a-f]+)", f.read())[1], 16)
        self.assertEqual(effective & ~(1 << 19 | 1 << 2), 0)
        links = [os.readlink(f"/proc/{reader}/fd/{fd}") for fd in os.listdir(f"/proc/{reader}/fd") if int(fd) > 2]
        self.assertEqual([re.sub(r"\d+", "N", link) for link in links], ["socket:[N]"])
        record.stop()
        wait_for("the reader to end", lambda: not os.path.exists(f"/proc/{reader}"))

    def test_memory_that_is_withheld_costs_that_facet_only(self):
        """Post-copy, a restored snapshot, or a VMM that means it: userfaultfd lets whoever touches a page wait for ever."""
        image = self.folder.file("image")
        with open(image, "wb") as f:
            f.write(firmware_image())
        withheld, other = self.vmm("--slot", "0xe0000:0x20000"), self.vmm("--slot", "0xe0000:0x20000")
        withheld.write(f"load 0xe0000 {image}\nwithhold 0xe3000 0x1000\nin 0x70 1\n")
        other.write(f"load 0xe0000 {image}\nin 0x70 1\n")
        withheld.wait_line("^op done 3", "out")
        other.wait_line("^op done 2", "out")
        record = Recording(self)
        reader, = self.readers(record.process.pid)
        record.wait_whole(other.pid, traces.ACPI)
        self.assertEqual(record.reason(withheld.pid, traces.ACPI), "the DSDT at 0xe3000: its memory is not resident")
        wait_for("the firmware", lambda: record.memory(withheld.pid, traces.FIRMWARE))
        self.assertEqual(self.readers(record.process.pid), [reader])

    def test_a_vmm_that_traps_the_reader_loses_that_facet_only(self):
        """The page is there when it is looked at, and gone when it is read."""
        image, rom = self.folder.file("image"), self.folder.file("rom")
        with open(image, "wb") as f:
            f.write(firmware_image())
        with open(rom, "wb") as f:
            f.write(b"rom!" * 0x10000)
        trap, other = self.vmm("--vms", "4", "--slot", "0xfe000000:0x40000:ro"), self.vmm("--slot", "0xe0000:0x20000")
        # The last page of those that are read at once: the time between looking and reading is longest.
        trap.write(f"vm all\nload 0xfe000000 {rom}\ntrap 0xfe03f000\nin 0x70 1\n")
        trap.wait_line("^op done 4", "out")
        record = Recording(self)
        reader, = self.readers(record.process.pid)
        sprung = set()

        def given_up():
            """Boot after boot, until it was this recording's reader that was caught and not some other collector's."""
            if self.readers(record.process.pid) != [reader]:
                return True
            for number, vm in enumerate(sorted(record.vm(trap.pid), key=lambda vm: int(record.vms[vm]["fd"]))):
                life = vm, record.boots[vm]
                if life not in sprung and record.told(vm, traces.FIRMWARE):
                    sprung.add(life)
                    trap.write(f"vm {number}\nout 0x92 1 1; in 0x10 1\n")
            return False
        wait_for("a reader in the trap", given_up)
        for area in AREAS:
            wait_for(f"area {area}", lambda: all(record.told(vm, area) for vm in record.vm(trap.pid)))
        other.write(f"load 0xe0000 {image}\nin 0x70 1\n")
        record.wait_whole(other.pid, traces.ACPI)
        self.assertEqual(record.stop(), 0)


class AfterReset(Live):
    def test_tables_of_the_boot_before_are_not_taken_for_this_one(self):
        """They lie in memory until firmware builds new ones: a processor that was plugged in would be missing for a whole boot."""
        monitor = self.monitor()
        guest = self.qemu("pc-q35-7.2", vcpus="1,maxcpus=4,sockets=1,cores=4", name="plugged")
        monitor.settled("plugged", boot=1)

        def processors():
            return [value for (facet, key), value in sorted(entries(monitor.fingerprint("plugged")).items()) if key.startswith("APIC/lapic.") and facet == "acpi"]
        self.assertEqual(processors(), ["apic_id=0 enabled", *(f"apic_id={n} disabled" for n in (1, 2, 3))])
        free = [c for c in guest.command("query-hotpluggable-cpus") if "qom-path" not in c and c["props"]["core-id"] == 1][0]
        guest.command("device_add", driver=free["type"], id="c1", **free["props"])
        guest.command("system_reset")
        monitor.settled("plugged", boot=2)
        self.assertEqual(processors(), ["apic_id=0 enabled", "apic_id=1 enabled", *(f"apic_id={n} disabled" for n in (2, 3))])
