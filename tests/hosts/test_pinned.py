# SPDX-License-Identifier: Apache-2.0
"""The oldest kernel as host: there, too, the kernel side outlives its monitor, and the next one takes it over with what a guest did meanwhile."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hosts  # noqa: E402

ABIDRIFT = os.path.join(hosts.BUILD, "abidrift")
MICROVMM = os.path.join(hosts.BUILD, "tests", "live", "microvmm")

JOB = """
until_line() { n=0; while ! grep -q "$2" "$1" 2>/dev/null; do n=$((n+1)); [ $n -gt 600 ] && { echo "waited in vain for $2"; cat "$1"; return 1; }; usleep 100000; done; }
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


class Pinned(unittest.TestCase):
    def test_the_oldest_kernel_goes_on_collecting(self):
        out = hosts.boot("5.10", JOB, [ABIDRIFT, MICROVMM])
        text = {name: out.get(name, b"").decode(errors="replace") for name in ("job.log", "first", "second", "fingerprint", "set", "ls")}
        self.assertIn("went on collecting: taken over", text["second"], text)
        self.assertIn("\nports 0x0510/r8 answered\n", text["fingerprint"], text)
        self.assertIn("\nports 0x0600/r16 absent\n", text["fingerprint"], text)
        self.assertEqual(sum(line.startswith("link_2_") for line in text["set"].split("\n")), 7, text)
        self.assertEqual(sum(line.startswith("link_") for line in text["set"].split("\n")), 7, text)


if __name__ == "__main__":
    unittest.main()
