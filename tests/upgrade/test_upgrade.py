# SPDX-License-Identifier: Apache-2.0
"""The upgrades that every run of the tests tries, in at most 90 s (on two cores with nothing else to do) once QEMU's packages are unpacked: a versioned machine type, an alias,
firmware alone, and host factors altered in a recorded trace. The rest is `make upgrade`."""
import concurrent.futures
import itertools
import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import upgrade  # noqa: E402
from harness import SETTLE, Folder, Monitor, abidrift  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "replay", "q35.trace.gz")
DATA = "/tmp/abidrift-data"  # inside QEMU's root
FIRMWARE = DATA + "/bios-256k.bin"
DAY = 86400


VERSIONED = upgrade.rich("pc-q35-5.2")
ALIAS = upgrade.Definition("q35-bare", "q35", versions=("5.2", "7.2"))
# Named, and where QEMU looks first for what nobody named.
FIRMWARE_ALONE = [upgrade.Definition("firmware-named", "pc-q35-7.2", ("-bios", FIRMWARE)), upgrade.Definition("firmware-default", "pc-q35-7.2", ("-L", DATA))]


class Upgrades(unittest.TestCase):
    """All of these guests have one monitor and live two at a time, once, before the first test looks at them."""
    @classmethod
    def setUpClass(cls):
        roots = upgrade.roots()
        folder = Folder()
        cls.addClassCleanup(folder.close)
        cls.monitor = Monitor(folder)
        cls.addClassCleanup(cls.monitor.stop)

        def firmware():
            sides = {guest: [] for guest in FIRMWARE_ALONE}
            os.makedirs(roots["7.2"] + DATA, exist_ok=True)
            try:
                for number, version in enumerate(("7.2", "10.0"), 1):
                    shutil.copyfile(roots[version] + upgrade.SEABIOS, roots["7.2"] + FIRMWARE)
                    for guest in FIRMWARE_ALONE:
                        sides[guest] += upgrade.live(cls.monitor, guest, [(roots["7.2"],)], number)
            finally:
                shutil.rmtree(roots["7.2"] + DATA)
            return sides
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            # The last version twice: the same once more must be the same.
            lives = [pool.submit(upgrade.live, cls.monitor, VERSIONED, [(roots[v],) for v in (*VERSIONED.versions, VERSIONED.versions[-1])]),
                     pool.submit(firmware), pool.submit(upgrade.live, cls.monitor, ALIAS, [(roots[v],) for v in ALIAS.versions])]
            cls.versioned, cls.firmware, cls.alias = (life.result() for life in lives)

    def diffs(self, definition, revisions):
        sides = dict(zip(definition.versions, revisions))
        return {(a, b): self.monitor.diff(f"{definition.name}@{sides[a]}", f"{definition.name}@{sides[b]}") for a, b in itertools.combinations(definition.versions, 2)}

    def test_versioned_machine_type(self):
        """Without this, what an operator is told about an upgrade could be false: entries missed, or made up, or the wrong part blamed."""
        diffs = self.diffs(VERSIONED, self.versioned)
        for pair, diff in diffs.items():
            self.assertEqual(upgrade.wrong_changes(VERSIONED, pair, diff), [])
        self.assertEqual(upgrade.wrong_sum(VERSIONED.name, diffs["5.2", "7.2"], diffs["7.2", "10.0"], diffs["5.2", "10.0"]), [])

    def test_same_version_again_is_no_upgrade(self):
        self.assertEqual(self.versioned[-1], self.versioned[-2])

    def test_alias(self):
        """An alias is another machine after the upgrade, and abidrift says which."""
        [(pair, diff)] = self.diffs(ALIAS, self.alias).items()
        self.assertEqual(upgrade.wrong_changes(ALIAS, pair, diff), [])
        changes = upgrade.as_map(diff)
        self.assertEqual(changes["smbios", "type4.0/version"], ("pc-q35-5.2", "pc-q35-7.2"))
        self.assertIn(("cpuid", "0x00000001.0.eax"), changes)

    def test_firmware_alone(self):
        """SeaBIOS replaced under an unchanged QEMU must not be blamed on QEMU, nor be drift without a cause."""
        for guest, sides in self.firmware.items():
            with self.subTest(guest.name):
                diff = self.monitor.diff(*(f"{guest.name}@{r}" for r in sides))
                self.assertEqual([f["factor"] for f in diff["context"]], [f"firmware.{FIRMWARE}"])
                self.assertTrue(diff["changes"])
                for c in diff["changes"]:
                    self.assertRegex(f"{c['facet']} {c['key']}", upgrade.OF_FIRMWARE)
                    self.assertEqual([f["factor"] for f in c["cause"]], [f"firmware.{FIRMWARE}"])
                    self.assertEqual((c["verdict"], c["firmware"]), ("violation", True))

    def test_the_others(self):
        """Says what this part leaves out."""
        others = [d.name for d in upgrade.definitions() if d.name != VERSIONED.name]
        self.skipTest(f"make upgrade runs these {len(others)} guests more: {', '.join(others)}")


class HostFactors(unittest.TestCase):
    """What one machine cannot change about itself, changed in a trace."""
    def setUp(self):
        self.fresh_folder()

    def fresh_folder(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)

    def alter(self, name, *words):
        path = self.folder.file(name)
        done = subprocess.run([os.path.join(HERE, "alter-trace"), GOLDEN, path, "--vm", "1", *words], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, done.stdout

    def upgraded(self, *words, both=()):
        """A guest's diff between the host as it was and the host altered by these words, a day later; `both`: altered on either side."""
        before, _ = self.alter("before.trace", *both)
        after, said = self.alter("after.trace", "--later", str(DAY), *both, *words)
        store = "sqlite:" + self.folder.file("store.db")
        for trace, code in ((before, 0), (after, 1)):
            abidrift("replay", trace, *SETTLE, store=store, ok=(code,))
        return json.loads(abidrift("diff", "golden-q35", "--json", store=store, ok=(1,)).stdout), said

    def check(self, words, factors, verdict, both=()):
        """One altered register, and what abidrift makes of it."""
        diff, said = self.upgraded("--cpuid", "0x00000007.0.edx=0x0c000400", *words, both=both)
        self.assertIn("0x00000007.0.edx 0x00000010 -> 0x0c000400", said)
        self.assertEqual([f["factor"] for f in diff["context"]], factors)
        [change] = diff["changes"]
        self.assertEqual((change["facet"], change["key"], change["to"]), ("cpuid", "0x00000007.0.edx", "0x0c000400"))
        self.assertIn(change["cause"][0]["factor"], factors)
        self.assertEqual(change["verdict"], verdict)

    def check_host(self, words, *factors):
        """A named CPU model must not move with the host; -cpu host is the host's, and said to be no stable ABI."""
        self.check(words, list(factors), "violation")
        self.fresh_folder()
        self.check(words, list(factors), "exempt", both=["--arg", "qemu64=host"])

    def test_microcode(self):
        self.check_host(["--host", "cpu.microcode=0xdead"], "microcode")

    def test_host_cpu(self):
        self.check_host(["--host", "cpu.model=Another CPU", "--host", "cpu.signature=6-143-8"], "host_cpu", "host_cpu.signature")

    def test_kernel(self):
        self.check_host(["--host", "kernel.release=6.99.0"], "kernel")

    def test_another_vendor(self):
        """Moved to a host with a CPU of another vendor: a known exception, also for a named model."""
        self.check(["--host", "cpu.vendor=GenuineIntel", "--host", "cpu.model=Intel Xeon"], ["host_cpu", "host_cpu.vendor"], "exempt")

    def test_nothing_to_alter_is_said(self):
        """An alteration that met nothing would prove nothing."""
        for words in (["--host", "no.such=1"], ["--cpuid", "0x12345678.0.eax=0x1"], ["--arg", "nosuch=x"]):
            done = subprocess.run([os.path.join(HERE, "alter-trace"), GOLDEN, self.folder.file("t"), *words], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("nothing in the trace to alter", done.stderr)

    def test_later_alone_is_no_drift(self):
        """The tool itself must alter nothing that it does not say."""
        before, _ = self.alter("before.trace")
        after, _ = self.alter("after.trace", "--later", str(DAY))
        store = "sqlite:" + self.folder.file("store.db")
        for trace in (before, after):
            abidrift("replay", trace, *SETTLE, store=store)
        [guest] = json.loads(abidrift("ls", "--json", store=store).stdout)["guests"]
        self.assertEqual((guest["state"], guest["current"]["revision"]), ("same", 1))
