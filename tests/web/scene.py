# SPDX-License-Identifier: Apache-2.0
"""The host of an incident, for the tests of the review page: a real `abidrift run` and real guests of every kind that the page has to
show, through the lives that brought them there. `thousand()` is the other one: 1,000 made-up guests, replayed."""
import os
import sqlite3
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("live", "upgrade")]
import traces  # noqa: E402
from harness import MICROVMM, Process, Qemu, abidrift, wait_for  # noqa: E402
from traces import LEAVES, Trace, life, pairs, without  # noqa: E402
from upgrade import root  # noqa: E402

BAD_NAME = "<img src=x onerror=alert(1)>"
BAD_TEXT = "<script>alert(2)</script>\"'&lt;</pre><b>"
UUIDS = {name: f"0a0a0a{number:02x}-0000-4000-8000-000000000000" for number, name in enumerate(("web-01", "app-01", "app-02", "db-01", BAD_NAME, "young-01"), 1)}
CPU = "qemu64"
LESS = CPU + ",-cx16,-x2apic"


def numa(nodes, mebibytes):
    args = []
    for node in range(nodes):
        args += ["-object", f"memory-backend-ram,id=m{node},size={mebibytes // nodes}M", "-numa", f"node,nodeid={node},cpus={2 * node}-{2 * node + 1},memdev=m{node}"]
    return args + ["-numa", "dist,src=0,dst=1,val=21"]


def devices(nic):
    """Root ports, a bridge, and what hangs on them; nic: the slot of the e1000."""
    return ["-blockdev", "driver=null-co,node-name=d0,size=16777216,read-zeroes=on", "-netdev", "user,id=n0,restrict=on", "-netdev", "user,id=n1,restrict=on",
            "-device", "pcie-root-port,id=rp1,chassis=1,addr=4", "-device", "pcie-root-port,id=rp2,chassis=2,addr=5",
            "-device", "pcie-pci-bridge,id=br1,bus=rp2", "-device", "virtio-blk-pci,drive=d0,bus=rp1", "-device", "virtio-rng-pci,bus=br1,addr=3",
            "-device", "virtio-net-pci,netdev=n1,romfile=,mac=52:54:00:12:34:01,addr=6", "-device", "VGA,addr=1",
            "-device", f"e1000,netdev=n0,romfile=,mac=52:54:00:12:34:00,addr={nic}",
            "-smbios", "type=1,manufacturer=Example,product=Blade,version=3,serial=S1,sku=K1,family=F1"]


class Scene:
    """What is started ends with close(). Every step waits until it is judged."""
    def __init__(self, folder, monitor):
        self.folder, self.monitor, self.guests, self.boots = folder, monitor, {}, {}

    def qemu(self, name, machine, *args, **kw):
        self.guests[name] = Qemu(self.folder, machine, *args, name=name, guest_uuid=UUIDS[name], **kw)

    def end(self, *names):
        for name in names:
            self.guests.pop(name).stop()
        for name in names:
            self.monitor.gone(UUIDS[name])

    def settle(self, *names):
        for name in names:
            self.boots[name] = self.monitor.settled(UUIDS[name], boot=self.boots.get(name, 0) + 1)["boot"]

    def web(self, nic=7, cpu=CPU):
        self.qemu("web-01", "pc-q35-7.2", *numa(2, 256), *devices(nic), cpu=cpu, vcpus=4)

    def app(self, name, cpu=CPU):
        self.qemu(name, "pc-i440fx-7.2", cpu=cpu, memory="128M")

    def db(self, version):
        """Not upgraded by anybody but whoever upgraded its QEMU."""
        process = Process(["chroot", root(version), "/usr/bin/qemu-system-x86_64", "-accel", "kvm", "-M", "pc-q35-5.2", "-cpu", "qemu64", "-smp", "2", "-m", "256M",
                           "-display", "none", "-serial", "null", "-monitor", "none", "-nodefaults", "-uuid", UUIDS["db-01"], "-name", "guest=db-01",
                           "-device", "virtio-rng-pci,addr=5", "-device", "VGA,addr=1"])
        self.guests["db-01"] = process

    def bad(self, **kw):
        text = BAD_TEXT.replace(",", ",,")
        self.qemu(BAD_NAME, "pc-q35-7.2", "-smbios", f"type=1,manufacturer={text},product={BAD_NAME},serial={BAD_NAME}",
                  "-smbios", f"type=11,value={text}", memory="128M", **kw)

    def micro(self):
        vmm = Process([MICROVMM, "--stdin", "--vms", "1", "--answer", "port:0x510:0x51"], stdin=subprocess.PIPE)
        self.guests["micro"] = vmm
        vmm.wait_line("^ready", "out")
        vmm.write("repeat 5 in 0x510 1\n")
        self.anonymous = f"anon-{vmm.pid}-" + vmm.wait_line(r"^vm \d+ kvm-fd", "out").split()[-1]

    def play(self):
        self.web()
        self.app("app-01")
        self.app("app-02")
        self.db("5.2")
        self.bad()
        self.micro()
        self.settle("web-01", "app-01", "app-02", "db-01", BAD_NAME)
        self.monitor.settled(self.anonymous)
        self.end("web-01", "app-01", "app-02", "db-01")
        # Its owner moved web-01's network card and then took features from its processor; db-01's host was upgraded.
        self.web(nic=8)
        self.app("app-01", LESS)
        self.app("app-02", LESS)
        self.db("7.2")
        self.settle("web-01", "app-01", "app-02", "db-01")
        abidrift("accept", "web-01", "--reason", "network card moved, change 4711", store=self.monitor.store)
        wait_for("web-01 to be accepted", lambda: self.monitor.guest(UUIDS["web-01"])["state"] == "same")
        self.end("web-01")
        self.web(nic=8, cpu=LESS)
        self.settle("web-01")

    def close(self):
        for guest in self.guests.values():
            guest.stop(*((9,) if isinstance(guest, Process) else ()))
        self.guests = {}


# ---- 1,000 made-up guests

GUESTS = 1000
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
BEGAN_NS = traces.REALTIME_NS
MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff), (7, 0): (0, 0x000027ab, 0, 0)}
X2APIC, SSE4_2, ECX, EBX, AVX2 = 21, 20, 2, 1, 5


def ident(number):
    return f"11111111-2222-4333-8444-{number:012d}"


def kernel(trace, release, hostname):
    trace.add(traces.HOST, pairs(("hostname", hostname), ("boot_id", release), ("arch", "x86_64"), ("kernel.release", release), ("cpu.model", "Test CPU"),
                                 ("cpu.microcode", "0x1"), ("abidrift", "test")))


def kind(number):
    """What becomes of a guest on the second day, and its name."""
    return ("web" if number % 10 < 4 else "app" if number % 10 < 6 else "db" if number % 10 < 7 else "batch" if number % 10 < 9 else "new") + f"-{number:04d}"


def thousand(folder, path):
    """Into the store at path: of 1,000 guests 400 lost one feature since the kernel changed, 200 lost two, 100 lost memory with their VMM's upgrade,
    200 are the same, 50 are new, 50 were gone before they could be judged."""
    store = "sqlite:" + path
    names = {n: kind(n) for n in range(GUESTS)}

    def replay(t, file):
        abidrift("replay", t.write(folder.file(file)), "--set", "monitor.settle=1s", "--set", "monitor.settle_max=5s", store=store, ok=(0, 1, 3))
    try:
        traces.REALTIME_NS = BEGAN_NS
        t = Trace("host-1")
        old = [n for n in range(GUESTS) if not names[n].startswith("new")]
        for n in old:
            life(t, n + 1, names[n], ident(n), MORE, seconds=0)
        t.tick(4)
        t.synced()
        for n in old:
            t.gone(n + 1)
        t.tick(1)
        replay(t, "day0.trace")
        traces.REALTIME_NS = BEGAN_NS + DAY_NS
        t = Trace("host-1")
        kernel(t, "6.12.0-test", "host-1")
        for n in old:
            word = names[n].split("-")[0]
            leaves = {"web": without(MORE, 1, ECX, X2APIC), "app": without(without(MORE, 1, ECX, SSE4_2), 7, EBX, AVX2)}.get(word, MORE)
            life(t, 2001 + n, names[n], ident(n), leaves, seconds=0, version="10.0" if word == "db" else "7.2", memory=0x7000000 if word == "db" else 0x8000000,
                 args=("-cpu", "qemu64,-sse4.2,-avx2") if word == "app" else ())
        new = [n for n in range(GUESTS) if n not in set(old)]
        for n in new[:50]:
            life(t, 2001 + n, names[n], ident(n), MORE, seconds=0)
        t.tick(4)
        for n in new[50:]:
            life(t, 2001 + n, names[n], ident(n), MORE, seconds=0)
        t.tick(0.5)
        for n in new[50:]:
            t.gone(2001 + n)
        replay(t, "day1.trace")
    finally:
        traces.REALTIME_NS = BEGAN_NS


def copy(source, target):
    """A store as one plain file, of one that may be in use."""
    if os.path.exists(target):
        os.unlink(target)
    a, b = sqlite3.connect(source), sqlite3.connect(target)
    with b:
        a.backup(b)
    b.execute("PRAGMA journal_mode=DELETE")
    a.close()
    b.close()
