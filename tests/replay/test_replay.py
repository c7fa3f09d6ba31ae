# SPDX-License-Identifier: Apache-2.0
"""A trace gives anywhere, without root and KVM, byte for byte what the live monitor saw; and a bad one gives one clear line."""
import glob
import gzip
import json
import os
import random
import signal
import struct
import subprocess
import unittest

from harness import ABIDRIFT, SETTLE, Folder, Live, abidrift

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = 64
RECORD = struct.Struct("<IHHQQQII")
BOOT, FACT, LOSS = 6, 7, 11
MISSED, NO_CLASS = 3, 9  # enum record_loss_stage, OBSERVE_CLASSES
PCI, PCI_CLASS = 4, 8  # enum observe_kind, the register


def records(data):
    at = HEADER
    while at < len(data):
        size = RECORD.unpack_from(data, at)[0]
        yield data[at:at + size]
        at += size


def trace(parts, state=1):
    """A trace file of these records, numbered anew."""
    out = []
    for seq, part in enumerate(parts, 1):
        fields = list(RECORD.unpack_from(part))
        fields[4] = seq
        out.append(RECORD.pack(*fields) + part[RECORD.size:])
    body = b"".join(out)
    return struct.pack("<16sIIQQ24x", b"abidrift-trace\0\0", 1, state, len(body) if state else 0, len(out) if state else 0) + body


class Replay(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def goldens(self):
        found = sorted(glob.glob(os.path.join(HERE, "*.trace.gz")))
        self.assertTrue(found)
        for path in found:
            with gzip.open(path) as f:
                yield os.path.basename(path)[:-len(".trace.gz")], f.read()

    def write(self, name, data):
        path = self.folder.file(name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def fingerprints(self, data, tag):
        """All revisions of the only guest that a trace gives."""
        path, store = self.write(f"{tag}.trace", data), "sqlite:" + self.folder.file(f"{tag}.db")
        abidrift("replay", path, *SETTLE, store=store, ok=(0, 1, 3))
        guest = json.loads(abidrift("ls", "--json", store=store).stdout)["guests"][0]
        return [abidrift("show", f"{guest['id']}@{rev}", "--fingerprint", store=store).stdout for rev in range(1, guest["current"]["revision"] + 1)]

    def test_replay_equals_what_was_seen_live(self):
        for name, data in self.goldens():
            with self.subTest(name):
                want = []
                for path in sorted(glob.glob(os.path.join(HERE, f"{name}.*.fingerprint"))):
                    with open(path) as f:
                        want.append(f.read())
                self.assertEqual(self.fingerprints(data, name), want)

    def test_replay_tells_the_drift_and_exits_with_it(self):
        for name, data in self.goldens():
            with self.subTest(name):
                done = abidrift("replay", self.write("x", data), *SETTLE, "--json", ok=(1,))
                result = json.loads(done.stdout)
                self.assertFalse(result["incomplete"])
                self.assertTrue(result["changes"])
                # A second vCPU is in every table that lists processors.
                self.assertEqual({c["facet"] for c in result["changes"]}, {"cpuid"} if name == "i440fx" else {"cpuid", "acpi", "numa", "smbios"})

    def test_order_and_repetition_of_facts_change_nothing(self):
        """Facts may come in any order, as far as time goes on (one moves within the 250 ms between two ticks), and again at any time."""
        luck = random.Random(5)
        for name, data in self.goldens():
            with self.subTest(name):
                want = self.fingerprints(data, name)
                parts, run, told = [], [], []
                for part in records(data):
                    kind = RECORD.unpack_from(part)[1]
                    if kind == FACT:
                        run.append(part)
                        continue
                    parts += self.shuffled(run, told, luck)
                    told = [] if kind == BOOT else told + run
                    run = []
                    parts.append(part)
                self.assertEqual(self.fingerprints(trace(parts + self.shuffled(run, told, luck)), name + "-shuffled"), want)

    @staticmethod
    def shuffled(run, told, luck):
        facts = run + luck.sample(run, len(run) // 2) + luck.sample(told, min(len(told), len(run)))
        luck.shuffle(facts)
        return facts

    def bad(self, data, code, words, name="bad"):
        done = abidrift("replay", self.write(name, data), ok=None)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = done.stderr.strip().splitlines()
        if code == 2:
            self.assertEqual(len(lines), 1, lines)
            self.assertRegex(lines[0], words)
        return done

    def test_bad_traces_are_one_clear_line(self):
        _, data = next(self.goldens())
        self.bad(b"", 2, "trace")
        self.bad(b"not a trace at all" * 100, 2, "not an? .*trace|no .*trace")
        newer = bytearray(data)
        newer[16] = 9
        self.bad(bytes(newer), 2, "newer|format 9")
        corrupt = bytearray(data)
        corrupt[HEADER] = 1
        self.bad(bytes(corrupt), 2, "corrupt|record")
        self.bad(data + b"more", 2, "corrupt|sizes|bytes")
        self.bad(data[:len(data) // 2], 2, "corrupt|sizes|ends")

    def test_incomplete_trace_gives_what_it_holds_and_says_so(self):
        _, data = next(self.goldens())
        marked = bytearray(data[:len(data) * 9 // 10])
        marked[20:24] = bytes(4)
        marked[24:40] = bytes(16)
        done = abidrift("replay", self.write("cut", bytes(marked)), "--json", ok=(1, 3))
        self.assertTrue(json.loads(done.stdout)["incomplete"])

    def test_endless_trace_is_refused_with_bounded_memory(self):
        _, data = next(self.goldens())
        fifo = self.folder.file("fifo")
        os.mkfifo(fifo)
        child = subprocess.Popen([ABIDRIFT, "replay", fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            with open(fifo, "wb", buffering=0) as f:
                try:
                    f.write(data[:HEADER] + struct.pack("<I", 0xFFFFFFFF))
                    while child.poll() is None:
                        f.write(b"\xff" * (1 << 16))
                except BrokenPipeError:
                    pass
            _, err = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()
        self.assertEqual(child.returncode, 2, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)

    def test_missing_file(self):
        done = abidrift("replay", self.folder.file("nowhere"), ok=(2,))
        self.assertRegex(done.stderr, "nowhere.*No such file")


class Skipped(unittest.TestCase):
    """The kernel skipped events while a guest's bus was scanned, and a class was read as 0100ff that is 010180. Without this a busy host
    alarms of devices that never changed, critically; or, if it held its tongue altogether, a device that did change would pass for the same."""
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)
        with gzip.open(os.path.join(HERE, "i440fx.trace.gz")) as f:
            cls.parts = list(records(f.read()))
        cls.start = RECORD.unpack_from(cls.parts[0])[5]
        cls.lives = [RECORD.unpack_from(p)[3] for p in cls.parts if RECORD.unpack_from(p)[1] == 10]

    def wrong(self, part, life):
        fields = RECORD.unpack_from(part)
        if fields[1] != FACT or fields[3] != self.lives[life]:
            return part
        _, register, function, kind = struct.unpack_from("<QQIB", part, RECORD.size)
        if kind != PCI or register != PCI_CLASS or function != 9:
            return part
        return part[:RECORD.size + 48] + struct.pack("<I", 0x0100ff00) + part[RECORD.size + 52:]

    def play(self, name, life=None, skipped_at=None):
        """life: in which the class is wrong. skipped_at: seconds after the trace's beginning, when the collector tells of skipped events."""
        parts = list(self.parts if life is None else (self.wrong(part, life) for part in self.parts))
        if skipped_at is not None:
            at = self.start + int(skipped_at * 1e9)
            place = next(i for i, part in enumerate(parts) if RECORD.unpack_from(part)[5] > at and RECORD.unpack_from(part)[1] != FACT)
            parts.insert(place, RECORD.pack(RECORD.size + 16, LOSS, 0, 0, 0, at, 0, 0) + struct.pack("<IIQ", MISSED, NO_CLASS, 12))
        path, store = self.folder.file(name), "sqlite:" + self.folder.file(name + ".db")
        with open(path, "wb") as f:
            f.write(trace(parts))
        result = json.loads(abidrift("replay", path, *SETTLE, "--json", store=store, ok=(1, 3)).stdout)
        return [c for c in result["changes"] if c["facet"] == "pci"], result["guests"][0]["coverage"]["pci"]

    def test_a_wrong_value_is_drift_where_nothing_was_skipped(self):
        changes, coverage = self.play("drift", life=1)
        self.assertEqual([(c["key"], c["from"], c["to"], c["severity"]) for c in changes], [("0000:00:01.1/class", "010180", "0100ff", "critical")])
        self.assertEqual(coverage, "complete")

    def test_a_wrong_value_is_none_where_events_were_skipped(self):
        self.assertEqual(self.play("amid", life=1, skipped_at=9.1), ([], "none"))

    def test_what_was_skipped_at_another_time_changes_nothing(self):
        self.assertEqual(self.play("quiet", skipped_at=13), ([], "complete"))
        self.assertEqual(len(self.play("other", life=1, skipped_at=13)[0]), 1)

    def test_the_next_boot_is_known_as_a_whole(self):
        self.assertEqual(self.play("first", life=0, skipped_at=1.2), ([], "complete"))


class RecordAndReplay(Live):
    def test_recording_of_a_boot_replays_to_the_live_fingerprint(self):
        monitor = self.monitor()
        path = self.folder.file("trace")
        recorder = self.process([ABIDRIFT, "record", "-o", path])
        recorder.wait_line("recording")
        guest = self.qemu("pc-q35-7.2", "-device", "e1000,netdev=n0,addr=3,romfile=", "-netdev", "user,id=n0", "-device", "VGA,addr=2", vcpus=2)
        monitor.settled(guest.name)
        live = monitor.fingerprint(guest.name)
        self.assertEqual(recorder.stop(signal.SIGINT), 0, recorder.err)
        store = "sqlite:" + self.folder.file("replay.db")
        abidrift("replay", path, store=store, ok=(0, 1, 3))
        self.assertEqual(abidrift("show", guest.name, "--fingerprint", store=store).stdout, live)
