# SPDX-License-Identifier: Apache-2.0
"""What an operator would lose: what a guest has after it was moved while it ran, to a QEMU of another version: at once, after its next
reset, and when it starts cold. Debian's QEMU 5.2, 7.2 and 10.0; on emulated hosts the same is done with more (make test-hosts)."""
import concurrent.futures
import os
import struct
import unittest

import moves
import upgrade  # by moves
from harness import Folder, Monitor, wait_for


def called(name):
    """A guest's name, which its UUID is made of: two runs at once on one host have different guests."""
    return f"moves-{name}-{os.getpid()}"


class Moves(unittest.TestCase):
    """All have one monitor, and live two at a time, before the first test looks at them."""
    STORIES = {"up": ("pc-q35-5.2", "7.2", "10.0", "migrate"), "down": ("pc-i440fx-5.2", "10.0", "7.2", "migrate"),
               "saved": ("pc-q35-5.2", "5.2", "10.0", "restore")}

    @classmethod
    def setUpClass(cls):
        roots = moves.upgrade.roots()
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)
        os.chmod(cls.folder.path, 0o777)
        cls.elsewhere(roots)
        cls.monitor = Monitor(cls.folder)
        cls.addClassCleanup(cls.monitor.stop)
        cls.place = moves.Place(cls.monitor, roots, cls.folder.path)
        cls.addClassCleanup(cls.place.close)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told = {name: pool.submit(cls.live, name) for name in cls.STORIES}
            in_vain, back = pool.submit(cls.in_vain), pool.submit(cls.and_back)
            come = pool.submit(cls.come)
            cls.points = {name: story.result() for name, story in told.items()}
            cls.vain, cls.back = in_vain.result(), back.result()
            cls.come_points = come.result()

    @classmethod
    def definition(cls, name):
        return moves.movable(cls.STORIES[name][0], called(name))

    @classmethod
    def live(cls, name):
        _, a, b, verb = cls.STORIES[name]
        return moves.story(cls.place, cls.definition(name), a, b, verb)

    @classmethod
    def said(cls, name):
        return cls.monitor.json("history", name)["events"]

    @classmethod
    def and_back(cls):
        """To a newer version, reset there, and back to the older one: the guest has the newer one's tables then. Returns what is seen at each point."""
        life = moves.Life(cls.place, moves.movable("pc-q35-5.2", called("back")))
        for step in (("start", "7.2"), ("migrate", "10.0"), ("reset",), ("migrate", "7.2")):
            life.step(*step)
        life.end()
        return life.points

    @classmethod
    def elsewhere(cls, roots):
        """Before anyone watches, a guest runs under an older version, and is saved."""
        definition = moves.movable("pc-q35-5.2", called("come"))
        vmm = moves.Vmm(roots["7.2"], definition, shared=cls.folder.path)

        def tables():
            try:
                return vmm.seen()
            except (StopIteration, ValueError, IndexError, KeyError, TypeError, AssertionError, struct.error):
                return None  # not yet
        wait_for("the firmware to have built its tables", tables)
        moves.save(definition, vmm)
        vmm.stop()

    @classmethod
    def come(cls):
        life = moves.Life(cls.place, moves.movable("pc-q35-5.2", called("come")))
        for step in (("restore", "10.0"), ("reset",), ("start", "10.0")):
            life.step(*step)
        life.end()
        return life.points

    @classmethod
    def in_vain(cls):
        """Migrations that come to nothing: cancelled, refused by the destination. Returns what ls says after each, history, and what ls says at the end."""
        definition = moves.movable("pc-q35-5.2", called("vain"))
        source = cls.place.start(definition, "7.2")
        cls.place.judged(source)
        other, after = moves.movable("pc-q35-5.2", called("vain")), []
        other.args = other.args[:other.args.index("virtio-balloon-pci,addr=a") - 1]
        for uri, there in (("cancelled", definition), ("refused", other)):
            target = cls.place.start(there, "10.0", "-incoming", f"unix:/tmp/{uri}")
            waiting = [g["pid"] for g in cls.monitor.guests() if g["running"] and g["name"] == definition.name]
            if there is other:
                ended = source.moved(f"unix:/tmp/{uri}")
            else:
                source.command("migrate-set-parameters", **{"max-bandwidth": 4096})
                source.command("migrate", uri=f"unix:/tmp/{uri}")
                source.command("migrate_cancel")
                ended = wait_for("the migration to end", source.ended)
                source.command("migrate-set-parameters", **{"max-bandwidth": 1 << 30})
            target.stop()
            now = [g for g in cls.monitor.guests() if g["running"] and g["name"] == definition.name]
            after.append((ended, source.command("query-status")["status"], waiting == [g["pid"] for g in now] == [source.pid], now[0]))
        cls.place.gone(source)
        return after, cls.said(definition.name), cls.monitor.guest(definition.name, running=False)

    def check(self, name):
        _, a, b, _ = self.STORIES[name]
        definition, points = self.definition(name), self.points[name]
        self.assertEqual(moves.wrong(definition.name, points, self.monitor.alerts(definition.name, definition.uuid)), [])
        # Moved it is what it was; started cold it is as after any upgrade.
        self.assertEqual((points[1]["diff"]["changes"], upgrade.wrong_changes(definition, (a, b), points[-1]["diff"])), ([], []))

    def test_migration_to_a_newer_version(self):
        self.check("up")
        started, moved, stopped = [e["reason"] for e in self.said(called("up")) if e["type"] in ("boot", "stop")][:3]
        self.assertEqual((started, stopped), ("started", "its process ended; the guest goes on in another VM"))
        self.assertRegex(moved, r"^migrated in: QEMU 7\.2\.\d+ → 10\.0\.\d+$")

    def test_before_a_reset_it_is_told_what_the_newer_version_will_change(self):
        """Else an upgrade by migration looks harmless until a reset that nobody connects with it."""
        moved, *_, last = [[n["reason"] for n in point["diff"]["next_boot"] if n["code"] == "vmm-moved"] for point in self.points["up"][1:]]
        self.assertEqual(len(moved), 1)
        self.assertRegex(moved[0], r"came along from QEMU 7\.2\.\d+: QEMU 10\.0\.\d+ writes its own tables at the next reset")
        self.assertEqual(last, [])

    def test_migration_to_an_older_version(self):
        self.check("down")

    def test_saved_and_restored_by_a_newer_version(self):
        self.check("saved")
        started, restored = [e["reason"] for e in self.said(called("saved")) if e["type"] == "boot"][:2]
        self.assertEqual(started, "started")
        self.assertRegex(restored, r"^restored from a program's output; it was last seen in QEMU 5\.2\.\d+, and is now in 10\.0\.\d+$")

    def test_migrated_back_an_explained_drift_stays_explained(self):
        """Else who rolls an upgrade back hears of a mystery, and of a worse one than the upgrade was."""
        definition = moves.movable("pc-q35-5.2", called("back"))
        *_, reset, back = self.back
        alerts = self.monitor.alerts(definition.name, definition.uuid)
        self.assertEqual(moves.wrong(definition.name, self.back, alerts), [])
        told = [[(c["facet"], c["key"], c["verdict"], c["severity"], c["cause"][0]["factor"], c["cause"][0]["to"]) for c in point["diff"]["changes"]
                 if c["facet"] in ("acpi", "smbios")] for point in (reset, back)]
        self.assertEqual(told[0], told[1])
        self.assertEqual({(verdict, factor) for _, _, verdict, _, factor, _ in told[0]}, {("violation", "vmm.version")})
        self.assertEqual([(x["type"], x["verdict"]) for x in alerts], [("drift", "violation")])

    def test_what_came_from_a_vmm_that_nobody_saw_is_explained(self):
        """Else each guest that is drained onto an upgraded host alarms as a mystery at its first reset, and again when it starts cold."""
        restored, reset, cold = self.come_points
        self.assertEqual((restored["state"]["state"], restored["state"]["life"]), ("same", "restored"))
        for point in (reset, cold):
            changes = {(c["facet"], c["key"]): c for c in point["diff"]["changes"]}
            self.assertIn(("acpi", "APIC/revision"), changes)
            self.assertEqual({c["cause"][0]["factor"] for c in changes.values()}, {"vmm.before"}, changes)
            self.assertNotIn("unexplained", [c["verdict"] for c in changes.values()])
        self.assertIn("firmware", {c["facet"] for c in cold["diff"]["changes"]})
        definition = moves.movable("pc-q35-5.2", called("come"))
        self.assertNotIn("unexplained", [x["verdict"] for x in self.monitor.alerts(definition.name, definition.uuid)])

    def test_between_move_and_reset_nothing_joins_the_baseline(self):
        """Else the baseline holds what the newer VMM shows, and that is never told again."""
        kinds = [(e["type"], e["reason"]) for e in self.said(called("up")) if e["type"] in ("boot", "evidence")]
        moved, = [i for i, (kind, reason) in enumerate(kinds) if kind == "boot" and reason.startswith("migrated in")]
        self.assertEqual(kinds[moved + 1][0], "boot", kinds)

    def test_why_the_bus_is_not_known_after_a_move(self):
        said = [u["reason"] for u in self.points["up"][1]["diff"]["unknown"] if u["facet"] == "pci" and u["key"] is None]
        self.assertEqual(said, ["the guest moved here while it ran: nobody scans the bus before its next reset"])

    def test_a_migration_that_came_to_nothing_is_none(self):
        """Else an operator reads of a guest that moved, and looks for it where it never was."""
        after, events, last = self.vain
        self.assertEqual([step[:3] for step in after], [("cancelled", "running", True), ("failed", "running", True)])
        for *_, guest in after:
            self.assertEqual((guest["state"], guest["changes"], guest["vmm"]["version"].split(".")[0]), ("same", 0, "7"), guest)
        self.assertEqual([e["reason"] for e in events if e["type"] in ("boot", "stop")], ["started", "its process ended"], events)
        # It ended as what it was, not as what waited for it.
        self.assertEqual((last["state"], last["life"], last["vmm"]["version"].split(".")[0]), ("same", "started", "7"), last)


