# SPDX-License-Identifier: Apache-2.0
"""Hosts that refuse: a program, a map, memory, an attachment, a file system. What a user would lose: a monitor that sees nothing because of one
thing that this host does not grant, or one that is blind and does not say so. `refuse.so` answers bpf(2) as such a kernel would."""
import errno
import json
import os
import re
import subprocess

from harness import ABIDRIFT, BUILD, Live, abidrift, wait_for

REFUSE = os.path.join(BUILD, "tests", "live", "refuse.so")
OF_MEMORY = ["acpi", "smbios", "numa", "firmware"]
ALL = ["cpuid", "msr", "ports", "mmio", "memory", "pci", "placement", *OF_MEMORY]
PORTS, MMIO = ["ports", "pci", "placement"], ["mmio", "pci", "placement"]
CGROUPS = "/sys/fs/cgroup/memory"
SHUTDOWNS = "a reset after a triple fault is known only once"

# What is refused; the facets that are not seen then; those that are seen less; a note; what every reason holds.
TABLE = [
    (f"program:ports:{errno.EPERM}", PORTS, [], None, "refuses program ports: Operation not permitted"),
    (f"program:mmio:{errno.EINVAL}", MMIO, [], None, "refuses program mmio: Invalid argument"),
    (f"program:msr:{errno.ENOMEM}", ["msr"], [], None, "no memory for program msr: Cannot allocate memory"),
    (f"program:resets:{errno.EACCES}", [], ["pci"], None, "resets are not seen: this kernel refuses program resets"),
    (f"program:inventory:{errno.EPERM}", ["memory", *OF_MEMORY], ["cpuid"], None, "refuses program inventory: Operation not permitted"),
    (f"program:cpuid:{errno.EPERM}", [], [], "what guests ask CPUID for is known from their tables alone: this kernel refuses program cpuid", None),
    (f"program:shutdowns:{errno.ENOSPC}", [], [], SHUTDOWNS, None),
    (f"program:msr:{errno.EPERM},program:ports:{errno.EINVAL}", ["msr", *PORTS], [], None, "refuses program"),
    (f"map:port_cache:{errno.ENOMEM}", PORTS, [], None, "no memory for program ports: Cannot allocate memory: libbpf: map 'port_cache'"),
    (f"map:mmio_cache:{errno.ENOMEM}", MMIO, [], None, "no memory for program mmio: Cannot allocate memory: libbpf: map 'mmio_cache'"),
    (f"map:msr_cache:{errno.ENOSPC}", ["msr"], [], None, "refuses program msr: No space left on device"),
    (f"map:fast_mmio_cache:{errno.EPERM}", [], [], "accesses to memory that KVM takes for events are not seen", None),
    (f"large:20000000:{errno.ENOMEM}", [], [], "there is no memory for a map of ", None),
    (f"map:libbpf_mmap:{errno.ENOMEM}", ALL, [], None, "lends no map's memory to programs outside of it"), # libbpf's own question
    (f"map:facts:{errno.ENOMEM}", ALL, [], None, "leaves too little for its maps"),
    (f"map:vms:{errno.EPERM}", ALL, [], None, "map 'vms': failed to create: Operation not permitted(-1); run as root (CAP_BPF, CAP_PERFMON), with LimitMEMLOCK=infinity"),
    (f"program:*:{errno.EPERM}", ALL, [], None, "a security module or lockdown forbids BPF"),
    (f"tracepoint:kvm_pio:{errno.ENOMEM}", PORTS, [], None, "attaching to tracepoint kvm_pio: Cannot allocate memory"),
    (f"tracepoint:kvm_mmio:{errno.ENOENT}", MMIO, [], None, "this kernel has no tracepoint kvm_mmio"),
    (f"tracepoint:kvm_msr:{errno.EPERM}", ["msr"], [], None, "attaching to tracepoint kvm_msr: Operation not permitted"),
    (f"tracepoint:kvm_write_tsc_offset:{errno.EBUSY}", [], ["pci"], None, "resets are not seen: attaching to tracepoint kvm_write_tsc_offset"),
]


class Refusals(Live):
    def doctor(self, rules, *args, prefix=(), ok=0):
        hit = self.folder.file("hit")
        if os.path.exists(hit):
            os.unlink(hit)
        env = dict(os.environ, LD_PRELOAD=REFUSE, REFUSE=rules, REFUSE_HIT=hit)
        done = subprocess.run([*prefix, ABIDRIFT, "doctor", *args], capture_output=True, text=True, env=env, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (ok, ""), rules)
        return done.stdout, os.path.exists(hit)

    def found(self, rules, **kw):
        out, hit = self.doctor(rules, "--json", **kw)
        told = json.loads(out)
        return {f["facet"]: f for f in told["facets"]}, told, hit

    def check(self, rules, gone, less, note, why, usual):
        facets, told, hit = self.found(rules)
        self.assertTrue(hit, "nothing was refused")
        self.assertEqual({f: v["coverage"] for f, v in facets.items()},
                         {f: "none" if f in gone else "witnessed" if f in less else v["coverage"] for f, v in usual.items()})
        for facet in (*gone, *less):
            self.assertIn(why, facets[facet]["reason"])
            self.assertNotIn("\n", facets[facet]["reason"])
            self.assertTrue(facets[facet]["remedy"])
        for facet in set(usual) - {*gone, *less}:
            self.assertEqual(facets[facet], usual[facet])
        self.assertEqual(told["ok"], not gone)
        self.assertEqual(told["kernel"]["loaded"], gone != ALL)
        notes = told["kernel"]["notes"]
        self.assertEqual([n.startswith(note) for n in notes], [True] if note else [], notes)

    def test_what_is_refused_takes_its_own_facets_alone(self):
        usual = self.found("")[0]
        for case in TABLE:
            with self.subTest(case[0]):
                self.check(*case, usual)

    def test_text_says_the_same_and_names_no_root_to_root(self):
        out, _ = self.doctor(f"program:msr:{errno.EPERM},program:shutdowns:{errno.EPERM}")
        self.assertRegex(out, r"(?m)^notes +a reset after a triple fault")
        self.assertRegex(out, r"(?m)^msr +none +this kernel refuses program msr: Operation not permitted")
        self.assertNotIn("as root", out)
        self.assertIn("To see msr: ", out)

    def test_any_call_of_a_run_may_fail(self):
        """A sample: each seventh call, with one of four answers; REFUSALS_STEP=1 takes every one."""
        for k in range(1, 200, int(os.environ.get("REFUSALS_STEP", "7"))):
            with self.subTest(k):
                facets, told, hit = self.found(f"call:{k}:{(errno.ENOMEM, errno.EPERM, errno.EINVAL, errno.ENOSPC)[k % 4]}")
                if not hit:
                    return
                for facet in facets.values():
                    self.assertTrue(facet["reason"] and "\n" not in facet["reason"])
                    self.assertEqual(facet["coverage"] == "none", bool(facet["remedy"]) and facet["coverage"] != "witnessed")
                self.assertEqual(told["ok"], all(f["coverage"] != "none" for f in facets.values()))
        self.fail("a run has more than 200 calls")

    def test_lockdown_for_confidentiality_is_named(self):
        if not os.path.isdir("/sys/kernel/security"):
            self.skipTest("/sys/kernel/security is missing")
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                  'mount -t tmpfs none /sys/kernel/security && echo "none integrity [confidentiality]" >/sys/kernel/security/lockdown && exec "$@"', "sh"]
        facets, told, _ = self.found(f"program:*:{errno.EINVAL}", prefix=prefix)
        self.assertIn("locked down for confidentiality", facets["pci"]["reason"])
        self.assertFalse(told["kernel"]["loaded"])

    def test_without_tracefs_everything_is_seen(self):
        usual = self.found("")[0]
        hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                  'for d in /sys/kernel/tracing /sys/kernel/debug; do [ ! -d $d ] || mount -t tmpfs none $d; done && exec "$@"', "sh"]
        self.assertEqual(self.found("", prefix=hidden)[0], usual)

    def test_without_btf_one_line_says_so(self):
        hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
        facets, told, _ = self.found("", prefix=hidden)
        self.assertEqual({f["coverage"] for name, f in facets.items() if name != "identity"}, {"none"})
        self.assertIn("/sys/kernel/btf/vmlinux is missing", facets["pci"]["reason"])
        self.assertFalse(told["kernel"]["btf"])
        done = subprocess.run([*hidden, ABIDRIFT, "record", "-o", self.folder.file("t")], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("/sys/kernel/btf/vmlinux is missing", done.stderr)

    def test_a_memory_limit_that_leaves_too_little_for_facts(self):
        if not os.path.exists(os.path.join(CGROUPS, "memory.limit_in_bytes")):
            self.skipTest("no memory cgroups of version 1 are mounted")
        usual = self.found("")[0]
        group = os.path.join(CGROUPS, f"abidrift-test-{os.getpid()}")
        os.mkdir(group)
        self.addCleanup(lambda: wait_for("the group to be empty", lambda: self.removed(group), 20))
        with open(os.path.join(group, "memory.limit_in_bytes"), "w") as f:
            f.write("40M")
        into = ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', group]
        facets, told, _ = self.found("", prefix=into)
        self.assertRegex(" ".join(told["kernel"]["notes"]), "^there is no memory for a map of [0-9]+ facts: it has room for [0-9]+")
        self.assertEqual(facets, usual)

    @staticmethod
    def removed(group):
        try:
            os.rmdir(group)
        except OSError:
            return False
        return True


class Monitored(Live):
    """The same under a monitor, with a guest."""
    def guest(self):
        vmm = self.microvmm("--stdin", "--answer", "port:0x510:0x51", "--answer", "mmio:0xd0000000:5")
        vmm.wait_line("^ready", "out")
        vmm.name = next(f"anon-{vmm.pid}-{m[1]}" for line in vmm.out if (m := re.match(r"vm \d+ kvm-fd (\d+)", line)))
        return vmm

    def do(self, vmm, line):
        done = sum(1 for l in vmm.out if l.startswith("op done"))
        vmm.write(line + "\n")
        wait_for(f"op done: {line}", lambda: sum(1 for l in vmm.out if l.startswith("op done")) > done)

    def refusing(self, rules):
        return self.monitor(env=dict(os.environ, LD_PRELOAD=REFUSE, REFUSE=rules))

    def facets(self, monitor, guest):
        return {f["facet"]: f for f in monitor.json("show", guest)["facets"]}

    def test_show_gives_the_reason_and_the_other_facets(self):
        vmm, monitor = self.guest(), self.refusing(f"program:ports:{errno.EPERM},map:msr_cache:{errno.ENOMEM}")
        self.do(vmm, "cpuid 0 0; mmio-read 0xd0000000 4; in 0x510 1; rdmsr 0x1b")
        monitor.settled(vmm.name)
        facets = self.facets(monitor, vmm.name)
        for name, why in (("ports", "refuses program ports"), ("pci", "refuses program ports"), ("msr", "no memory for program msr")):
            self.assertEqual(facets[name]["coverage"], "none", name)
            self.assertIn(why, facets[name]["reason"])
        self.assertIn("only memory behind BARs: this kernel refuses program ports", facets["placement"]["reason"])
        for name in ("cpuid", "memory"):
            self.assertEqual(facets[name]["coverage"], "complete")
            self.assertTrue(facets[name]["entries"])
        self.assertTrue(facets["mmio"]["entries"])

    def test_nothing_can_be_loaded(self):
        done = abidrift("run", "--listen", "none", store="sqlite:" + self.folder.file("state/s.db"), ok=(2,),
                        env=dict(os.environ, LD_PRELOAD=REFUSE, REFUSE=f"map:vms:{errno.ENOMEM}"))
        lines = [line for line in done.stderr.splitlines() if "loading BPF programs" in line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn("leaves too little for its maps", lines[0])

    def test_a_map_that_is_full_is_told_as_loss(self):
        vmm, monitor = self.guest(), self.refusing("entries:facts:64")
        for first in range(0x600, 0x660, 8):
            self.do(vmm, "; ".join(f"in {port:#x} 1" for port in range(first, first + 8)))
        monitor.settled(vmm.name)
        facets = self.facets(monitor, vmm.name)
        self.assertRegex(facets["ports"]["reason"], "[0-9]+ facts of it were refused")
        self.assertEqual(facets["cpuid"]["coverage"], "complete")

    def test_others_on_the_same_tracepoints_go_on_and_so_do_we(self):
        """Another BPF program on each, and ftrace's own where there is tracefs."""
        record = self.process([ABIDRIFT, "record", "-o", self.folder.file("t.trace")])
        record.wait_line("recording into")
        vmm, monitor = self.guest(), self.monitor()
        another = self.process([ABIDRIFT, "record", "-o", self.folder.file("u.trace")])
        another.wait_line("recording into")
        self.do(vmm, "cpuid 0 0; in 0x510 1; mmio-read 0xd0000000 4")
        monitor.settled(vmm.name)
        facets = self.facets(monitor, vmm.name)
        self.assertTrue(facets["ports"]["entries"] and facets["mmio"]["entries"])
        for process, name in ((record, "t.trace"), (another, "u.trace")):
            self.assertEqual(process.stop(), 0)
            told = abidrift("replay", self.folder.file(name), "--json", store="sqlite:" + self.folder.file(name + ".db"), ok=(0, 1, 3)).stdout
            self.assertIn(vmm.name, told)
