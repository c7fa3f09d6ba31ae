# SPDX-License-Identifier: Apache-2.0
"""Guests that move while they run: from one QEMU to another of another version, by live migration or through a file. What a guest
really has is read through the VMM's own monitor, never from abidrift."""
import hashlib
import os
import re
import signal
import struct
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "upgrade"))
import upgrade  # noqa: E402
from acpi_oracle import Tables
from harness import PATIENCE, Process, Qemu, wait_for

PROGRAM = "/usr/bin/qemu-system-x86_64"
# QEMU's root has another /tmp than we: ours is bound over it, in a mount namespace that goes with the process.
BIND = ["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind "$1" "$2/tmp" && shift 2 && exec "$@"', "sh"]
BIOS, BIOS_BYTES = 0xFFFC0000, 0x40000
SEGMENT, SEGMENT_BYTES = 0xE0000, 0x20000


def movable(machine, name=None, **kw):
    """A rich guest without NVMe, which QEMU does not migrate, and without slirp, which it does not migrate to an older one."""
    words = [re.sub(r"^user,id=(n\d),restrict=on$", r"hubport,hubid=0,id=\1", w) for w in upgrade.rich(machine).args]
    at = next(n for n, w in enumerate(words) if w.startswith("nvme,"))
    return upgrade.Definition(name or f"{machine}-moves", machine, words[:at - 1] + words[at + 1:], vcpus=2, **kw)


class Vmm(Qemu):
    """A QEMU of some version, in a root of its own, with a monitor. shared: the folder that is /tmp in it; None: /tmp is the same place
    everywhere (in an emulated host)."""

    def __init__(self, root, definition, *extra, shared=None):
        self.shared, self.root, self.name, self.uuid = shared or "/tmp", root, definition.name, definition.uuid
        # The same path in every life, so that the command line is the same; one beside another has its own.
        socket = next(s for s in (f"qmp-{definition.name}{n}" for n in ("", *range(2, 9))) if not self._in_use(os.path.join(self.shared, s)))
        self.path = os.path.join(self.shared, socket)
        bind = [*BIND, shared, root] if shared else []
        self.process = Process([*bind, "chroot", root, PROGRAM, *definition.words(), "-qmp", f"unix:/tmp/{socket},server=on,wait=off", *extra])
        try:
            self.qmp = self._connect()
        except BaseException:
            self.process.stop(signal.SIGKILL)
            raise

    def physical(self, address, size):
        """That much of the guest's memory."""
        name = f"pmem-{uuid.uuid4().hex[:8]}"
        self.command("pmemsave", val=address, size=size, filename=f"/tmp/{name}")
        path = os.path.join(self.shared, name)
        with open(path, "rb") as f:
            data = f.read()
        os.unlink(path)
        return data

    def seen(self):
        """What the guest has now, as VMM and memory say: ACPI table headers, SMBIOS type 0 and 4, the BIOS image, CPU features."""
        words = self.command("qom-get", path=self.command("query-cpus-fast")[0]["qom-path"], property="feature-words")
        return {"acpi": {name: (data[8], data[16:24].rstrip(b" \0").decode()) for name, data in Memory(self, None).tables if name != "FACS"},
                "smbios": self._smbios(), "bios": hashlib.sha256(self.physical(BIOS, BIOS_BYTES)).hexdigest(),
                "cpu": {f"0x{w['cpuid-input-eax']:08x}.{w.get('cpuid-input-ecx', 0)}.{w['cpuid-register'].lower()}": w["features"] for w in words}}

    def _smbios(self):
        """(version of the BIOS, family of the processor)."""
        segment = self.physical(SEGMENT, SEGMENT_BYTES)
        at = next(i for i in range(0x10000, SEGMENT_BYTES, 16) if segment[i:i + 4] == b"_SM_" or segment[i:i + 5] == b"_SM3_")
        size, address = struct.unpack_from("<HI", segment, at + 22) if segment[at + 3:at + 4] == b"_" else struct.unpack_from("<IQ", segment, at + 12)
        table, version, family = self.physical(address, size), None, None
        while table:
            end = table.index(b"\0\0", table[1]) + 2
            strings = table[table[1]:end].split(b"\0")
            if table[0] == 0:
                version = strings[table[5] - 1].decode()
            elif table[0] == 4 and family is None:
                family = table[6]
            table = table[end:] if table[0] != 127 else b""
        return version, family

    def moved(self, uri):
        """Sends the guest there; returns how that ended (completed, failed, cancelled)."""
        self.command("migrate", uri=uri)
        return wait_for("the migration to end", self.ended)

    def ended(self):
        status = self.command("query-migrate").get("status")
        return status if status in ("completed", "failed", "cancelled") else None

    def goes_on(self):
        wait_for("the guest to go on", lambda: self.command("query-status")["status"] == "running")


class Memory(Tables):
    """ACPI's tables in the memory of such a guest."""

    def memory(self, address, size):
        return self.guest.physical(address, size)


class Place:
    """A monitor and QEMU's roots. shared: as Vmm has it; patience: how long a guest may take to be judged."""

    def __init__(self, monitor, roots, shared=None, patience=PATIENCE):
        self.monitor, self.roots, self.shared, self.patience, self.vmms = monitor, roots, shared, patience, []

    def start(self, definition, version, *extra):
        vmm = Vmm(self.roots[version], definition, *extra, shared=self.shared)
        self.vmms.append(vmm)
        return vmm

    def judged(self, vmm, boot=1):
        def look():
            if vmm.process.child.poll() is not None:
                raise AssertionError(f"{vmm.name}: QEMU ended: {vmm.process.err[-5:]}")
            return next((g for g in self.monitor.guests() if g["pid"] == vmm.pid and g["settled"] and g["boot"] >= boot), None)
        return wait_for(f"{vmm.name} to be judged in {vmm.root}", look, self.patience)

    def point(self, vmm, boot=1):
        """What abidrift says of the guest once it is judged, beside what is so."""
        state = self.judged(vmm, boot)
        return {"state": state, "diff": self.monitor.diff(vmm.name), "seen": vmm.seen()}

    def gone(self, vmm):
        vmm.stop()
        self.monitor.gone(vmm.name, self.patience)

    def close(self):
        for vmm in self.vmms:
            vmm.stop()


def migrate(place, definition, source, version):
    """Live, to that version over a socket. Returns the VMM that has it now."""
    uri = f"unix:/tmp/migration-{definition.name}"
    target = place.start(definition, version, "-incoming", uri)
    ended = source.moved(uri)
    if ended != "completed":
        raise AssertionError(f"the migration {ended}: {target.process.err[-3:]}")
    target.goes_on()
    return target


def saved_file(definition):
    """As QEMU's root has it, which shares /tmp with us in some way."""
    return f"/tmp/saved-{definition.name}"


def save(definition, source):
    """Into a file, by a program, as management does it."""
    source.command("stop")
    ended = source.moved(f"exec:cat > {saved_file(definition)}")
    if ended != "completed":
        raise AssertionError(f"saving {definition.name} {ended}: {source.process.err[-3:]}")


def restore(place, definition, version):
    target = place.start(definition, version, "-incoming", f"exec:cat {saved_file(definition)}")
    wait_for("the guest to be read", lambda: target.command("query-status")["status"] != "inmigrate", place.patience)
    target.command("cont")
    target.goes_on()
    return target


class Life:
    """What happens to one guest, step by step: (verb, version of QEMU, definition if it is another one)."""

    def __init__(self, place, definition):
        self.place, self.definition, self.vmm, self.points = place, definition, None, []

    def end(self):
        if self.vmm:
            self.place.gone(self.vmm)
        self.vmm = None

    def step(self, verb, version=None, definition=None):
        """Does it, and looks."""
        definition, boot, source = definition or self.definition, 1, self.vmm
        if verb == "start":
            self.end()
            self.vmm = self.place.start(definition, version)
        elif verb == "migrate":
            self.vmm = migrate(self.place, definition, source, version)
        elif verb == "restore":
            self.end()
            self.vmm = restore(self.place, definition, version)
        elif verb == "reset":
            boot = self.points[-1]["state"]["boot"] + 1
            self.vmm.command("system_reset")
        self.points.append({"step": verb, "version": version, **self.place.point(self.vmm, boot)})
        if verb == "migrate":
            source.stop()

    def save(self):
        save(self.definition, self.vmm)
        self.end()


def story(place, definition, a, b, verb):
    """A guest that runs under QEMU A, is moved to QEMU B (migrate, restore), reset there, and started cold there; what is seen at each point."""
    life = Life(place, definition)
    life.step("start", a)
    if verb == "restore":
        life.save()
    life.step(verb, b)
    life.step("reset")
    life.step("start", b)
    life.end()
    return life.points


# ---- what is wrong with what abidrift said, as sentences

def differs(before, now):
    """What of the guest's entries must have changed, by what was seen."""
    found = {}
    for table in sorted(before["acpi"].keys() | now["acpi"].keys()):
        was, is_ = before["acpi"].get(table), now["acpi"].get(table)
        for n, key in enumerate(("revision", "oem_table_id")):
            found["acpi", f"{table}/{key}"] = (was and str(was[n]), is_ and str(is_[n]))
    found["smbios", "type0.0/version"] = before["smbios"][0], now["smbios"][0]
    found["smbios", "type4.0/family"] = tuple(f"0x{s['smbios'][1]:02x}" for s in (before, now))
    return {key: pair for key, pair in found.items() if pair[0] != pair[1]}


def wrong_cpu(before, now, changes):
    """Words of CPU features that both QEMUs know of: as many bits differ as are told, and no other word is."""
    for word in before["cpu"].keys() & now["cpu"].keys():
        change = changes.get(("cpuid", word))
        told = int(change[0] or "0", 16) ^ int(change[1] or "0", 16) if change else 0
        if told != before["cpu"][word] ^ now["cpu"][word]:
            yield f"{word} went {before['cpu'][word]:#x} -> {now['cpu'][word]:#x}, told is {change}"
    if before["cpu"] == now["cpu"]:
        yield from (f"the CPU is the same, told is {key}" for facet, key in changes if facet == "cpuid")


def wrong_point(before, now):
    """`now` against the baseline `before`."""
    changes = upgrade.as_map(now["diff"])
    expected = differs(before["seen"], now["seen"])
    decoded = {key: pair for key, pair in changes.items() if key in expected or re.fullmatch(r"\w+/(revision|oem_table_id)", key[1]) and key[0] == "acpi"
               or key in (("smbios", "type0.0/version"), ("smbios", "type4.0/family"))}
    if decoded != expected:
        yield f"seen is {expected}, told is {decoded}"
    image, same = ("firmware", f"rom/{BIOS:#018x}"), before["seen"]["bios"] == now["seen"]["bios"]
    if (image in changes) == same:
        yield f"the BIOS went {before['seen']['bios'][:8]} -> {now['seen']['bios'][:8]}, told is {changes.get(image)}"
    yield from wrong_cpu(before["seen"], now["seen"], changes)
    for c in now["diff"]["changes"]:
        if same and any(f["factor"].startswith("firmware.") for f in c["cause"]):
            yield f"{c['key']} is blamed on firmware, which is still the same"
        if c["running"] and c["facet"] != "cpuid":
            yield f"{c['key']} is said to have changed under the running guest"


LIFE = {"start": "started", "migrate": "migrated", "restore": "restored", "reset": "reset"}


def wrong_move(points, n):
    """It goes on where it was: the same boot, the same tables and firmware."""
    before, now = points[n - 1], points[n]
    if now["state"]["boot"] != before["state"]["boot"]:
        yield f"it is no boot, told is {before['state']['boot']}, then {now['state']['boot']}"
    kept = {(c["facet"], c["key"], c["from"], c["to"]) for c in before["diff"]["changes"]}
    new = {(c["facet"], c["key"], c["from"], c["to"]) for c in now["diff"]["changes"]}
    if any(facet != "cpuid" for facet, *_ in kept ^ new):
        yield f"what is in its memory came along, told is {sorted(kept ^ new)}"


def wrong(name, points, alerts):
    """points: of a Life, the first of which made the baseline; alerts: of this guest."""
    told = []
    for n, point in enumerate(points):
        found = list(wrong_point(points[0], point))
        if point["state"]["life"] != LIFE[point["step"]]:
            found.append(f"life is {point['state']['life']}")
        if point["step"] in ("migrate", "restore"):
            found += wrong_move(points, n)
        told += [f"{point['step']} {point['version'] or ''}: {w}" for w in found]
    told += [f"an alert of type {x['type']}: {x['summary']}" for x in alerts if x["type"] not in ("drift", "resolved")]
    return [f"{name}: {t}" for t in told]
