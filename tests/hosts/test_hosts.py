# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels 5.10, 6.1, 6.12 and the newest as hosts: the programs load and attach there, and the micro-VMM's exits become the same
facts as under the kernel that this test runs on. On the oldest the kernel side outlives its monitor, too."""
import collections
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hosts  # noqa: E402

ABIDRIFT = os.path.join(hosts.BUILD, "abidrift")
MICROVMM = os.path.join(hosts.BUILD, "tests", "live", "microvmm")

# One story for every host: a boot, then a reset after which a port answers no more. SEEN waits until what the guest did last is in
# the recording, however slow this host is; LIFE is how long the recording goes on then, so that it settles in the replay, whose time
# is the recording's.
JOB = """
until_line() { n=0; while ! grep -q "$2" "$1" 2>/dev/null; do n=$((n+1)); [ $n -gt 1500 ] && { echo "waited in vain for $2"; cat "$1"; return 1; }; usleep 100000; done; }
seen() { n=0; while :; do
	rm -f OUT/probe.db*
	ABIDRIFT replay OUT/trace --set monitor.settle=1s --store sqlite:OUT/probe.db > /dev/null 2>&1
	ABIDRIFT "$@" --store sqlite:OUT/probe.db 2>/dev/null | grep -q "$LAST" && break
	n=$((n+1)); [ $n -gt 100 ] && { echo "waited in vain for $LAST"; break; }
	usleep 300000
done; rm -f OUT/probe.db*; }
mkdir -p OUT
ABIDRIFT doctor --json > OUT/doctor.json 2> OUT/doctor.err
ABIDRIFT record -v -o OUT/trace > OUT/record.log 2>&1 &
recorder=$!
until_line OUT/record.log recording
mkfifo OUT/fifo
MICROVMM --stdin --answer port:0x510:0x51 --answer mmio:0xfed00000:0x8086 "msr-set 0x8b 0x700000001" < OUT/fifo > OUT/vmm.log 2>&1 &
vmm=$!
echo $vmm > OUT/vmm.pid
exec 3> OUT/fifo
echo "repeat 4 in 0x510 1; in 0x600 2; cpuid 0 0; cpuid 1 0; mmio-read 0xfed00000 4; mmio-read 0xfed10000 4" >&3
echo "rdmsr 0x8b; rdmsr 0x1b; rdmsr 0xdead" >&3
until_line OUT/vmm.log "op done 3"
LAST=0x0000dead; seen show anon-$vmm- --facet msr
LIFE
printf 'answer clear\\nreset\\n' >&3
echo "repeat 4 in 0x510 1; in 0x600 2; cpuid 0 0" >&3
n=0; while [ $(grep -c "op done" OUT/vmm.log) -lt 2 ] && [ $n -lt 1500 ]; do n=$((n+1)); usleep 100000; done
LAST=0x0510; seen diff anon-$vmm-
LIFE
kill -INT $recorder
wait $recorder
exec 3>&-
kill $vmm 2>/dev/null
rm -f OUT/fifo
"""

# The next monitor takes over what a guest did meanwhile.
PINNED = """
mount -t bpf bpf /sys/fs/bpf
# Analyst and messenger are somebody else, who has to get at the store.
chmod 755 /
mkdir -p /etc /state
chown 65534:65534 /state
echo "root:x:0:0::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh" > /etc/passwd
echo "nogroup:x:65534:" > /etc/group
monitor() { abidrift run --store sqlite:/state/s.db --listen none --set monitor.settle=1s --set stdout.enable=off > $1 2>&1 & monitor=$!; until_line $1 "abidrift: ready"; }
monitor /out/first
kill -9 $monitor
until_line /out/first "goes on collecting"
mkfifo /fifo
microvmm --stdin --answer port:0x510:0x51 < /fifo > /out/vmm 2>&1 &
exec 3> /fifo
echo "repeat 4 in 0x510 1; in 0x600 2; cpuid 0 0" >&3
until_line /out/vmm "op done"
monitor /out/second
until_line /out/second "fingerprinted"
abidrift ls --json --store sqlite:/state/s.db > /out/ls
abidrift show $(sed -n 's/.*"id": *"\\(anon-[0-9-]*\\)".*/\\1/p' /out/ls | head -n 1) --fingerprint --store sqlite:/state/s.db > /out/fingerprint
ls /sys/fs/bpf/abidrift/* > /out/set
kill $monitor
wait $monitor
exec 3>&-
"""


def job(abidrift, microvmm, out):
    return JOB.replace("LIFE", "usleep 4000000").replace("ABIDRIFT", abidrift).replace("MICROVMM", microvmm).replace("OUT", out)


def verb(*args, ok):
    done = subprocess.run([ABIDRIFT, *args, "--json"], capture_output=True, text=True)
    if done.returncode not in ok:
        raise AssertionError(f"{args[0]}: exit {done.returncode} {done.stderr}")
    return json.loads(done.stdout)


def summary(folder):
    """The recorded story through the analyst: what became of the micro-VMM's guest (this machine may run others)."""
    store = ["--store", "sqlite:" + os.path.join(folder, "replay.db")]
    verb("replay", os.path.join(folder, "trace"), "--set", "monitor.settle=1s", *store, ok=(0, 1, 3))
    with open(os.path.join(folder, "vmm.pid")) as f:
        mine = f"anon-{f.read().strip()}-"
    guests = [g for g in verb("ls", *store, ok=(0,))["guests"] if g["id"].startswith(mine)]
    if len(guests) != 1:
        raise AssertionError(f"{len(guests)} guests of the micro-VMM in the trace")
    diff = verb("diff", guests[0]["id"], *store, ok=(0, 1, 3))
    entries = verb("show", f"{guests[0]['id']}@1", *store, "--facet", "msr", ok=(0,))["facets"][0]["entries"]
    msr = {e["key"]: e["value"] for e in entries}
    changes = sorted((c["facet"], c["key"], c["from"], c["to"]) for c in diff["changes"])
    coverage = {f: guests[0]["coverage"][f] for f in ("cpuid", "memory", "ports", "mmio", "msr")}
    return {"boot": guests[0]["boot"], "changes": changes, "coverage": coverage, "msr": msr}


class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/dev/kvm"):
            raise unittest.SkipTest("needs root and /dev/kvm")
        with tempfile.TemporaryDirectory() as out:
            shell = job(ABIDRIFT, MICROVMM, out).replace("usleep 100000", "sleep 0.1").replace("usleep 300000", "sleep 0.3").replace("usleep 4000000", "sleep 4")
            done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=400)
            try:
                cls.here = summary(out)
            except (AssertionError, OSError, IndexError) as why:
                raise AssertionError(f"the story failed on this host: {why}\n{done.stdout}{done.stderr}") from None

    def story(self, version, more=""):
        files = hosts.boot(version, job("abidrift", "microvmm", "/out") + more, [ABIDRIFT, MICROVMM])
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(data)
            logs = {n: files[n].decode(errors="replace")[-1500:] for n in ("job.log", "record.log", "doctor.err") if n in files}
            if "trace" not in files:
                self.fail(f"no trace from kernel {version}: {logs}")
            try:
                there = summary(folder)
            except (AssertionError, IndexError) as why:
                self.fail(f"kernel {version}: {why} {logs}")
        self.assertEqual(there, self.here, logs)
        doctor = json.loads(files["doctor.json"])
        covered = {f["facet"]: f["coverage"] for f in doctor["facets"]}
        for facet in ("cpuid", "memory", "ports", "mmio", "pci", "msr"):
            self.assertNotEqual(covered[facet], "none", doctor)
        return collections.defaultdict(str, {name: data.decode(errors="replace") for name, data in files.items() if name != "trace"})

    def test_the_story_here_is_what_the_guest_did(self):
        self.assertEqual(self.here["boot"], 2)
        self.assertEqual(self.here["changes"], [("ports", "0x0510/r8", "answered", "absent")])
        self.assertEqual(self.here["msr"], {"0x0000008b": "0x0000000700000001", "0x0000001b": "answered", "0x0000dead": "#GP"})

    def test_kernel_5_10(self):
        text = self.story("5.10", PINNED)
        self.assertIn("went on collecting: taken over", text["second"], text)
        self.assertIn("\nports 0x0510/r8 answered\n", text["fingerprint"], text)
        self.assertIn("\nports 0x0600/r16 absent\n", text["fingerprint"], text)
        self.assertEqual(sum(line.startswith("link_2_") for line in text["set"].split("\n")), 7, text)
        self.assertEqual(sum(line.startswith("link_") for line in text["set"].split("\n")), 7, text)

    def test_kernel_6_1(self):
        self.story("6.1")

    def test_kernel_6_12(self):
        self.story("6.12")

    def test_kernel_newest(self):
        self.story("newest")
