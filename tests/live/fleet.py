# SPDX-License-Identifier: Apache-2.0
"""Many guests at once, and what the store knows of them, asked of the store itself: a verb that lists a thousand guests would be half of
what is measured."""
import resource
import sqlite3
import subprocess
import tempfile

from harness import MICROVMM, wait_for

PORT = "0x510"
DRIFTS = "answer clear\nreset\nrepeat 3 in 0x510 1\n"  # the port does not answer any more, in the next boot


class Fleet:
    """count VMs of one page, each of which was told CPUID and a port: in one process, or each in its own, as hosts have them."""
    def __init__(self, count, apart=False, line=f"repeat 3 cpuid 0 0; cpuid 1 0; in {PORT} 1", args=()):
        self.count, self.children = count, []
        if apart:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 1024), hard))
        self.out = tempfile.TemporaryFile("w+")
        base = [MICROVMM, "--stdin", "--answer", f"port:{PORT}:0x51", *args, *([] if apart else ["--vms", str(count)])]
        self.lines = 0
        try:
            for _ in range(count if apart else 1):
                self.children.append(subprocess.Popen(base, stdin=subprocess.PIPE, stdout=self.out, text=True))
            self.do("vm all\n" + (line + "\n" if line else ""))
        except BaseException:
            self.stop()
            raise
        self.pids = {c.pid for c in self.children}

    def send(self, text):
        for child in self.children:
            child.stdin.write(text)
            child.stdin.flush()

    def do(self, text):
        """Sends lines and waits until all VMMs have done them."""
        self.send(text)
        self.lines += text.count("\n") * len(self.children)

        def done():
            if any(c.poll() is not None for c in self.children):
                raise AssertionError("a VMM ended")
            with open(f"/proc/self/fd/{self.out.fileno()}", encoding="utf-8") as f:
                return f.read().count("op done") >= self.lines
        wait_for(f"{len(self.children)} VMMs to do {text!r}", done)

    def stop(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait()
            child.stdin.close()
        self.out.close()


class Store:
    """Reads a monitor's store beside it."""
    def __init__(self, monitor):
        self.path = monitor.store.split(":", 1)[1]
        self.db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)

    def close(self):
        self.db.close()

    def lives(self, fleet):
        """[(guest's id, boot, settled, drift's change set)] of the fleet's guests that run."""
        rows = self.db.execute("SELECT i.pid, g.id, i.boot, i.settled, d.change_set FROM instances AS i JOIN guests AS g ON g.row = i.guest"
                               " LEFT JOIN drifts AS d ON d.guest = i.guest WHERE i.running = 1").fetchall()
        return [row[1:] for row in rows if row[0] in fleet.pids]

    def found(self, fleet):
        return len(self.lives(fleet)) == fleet.count

    def settled(self, fleet, boot=1):
        lives = self.lives(fleet)
        return len(lives) == fleet.count and all(life[2] and life[1] >= boot for life in lives)

    def drifted(self, fleet):
        """Guests of the fleet of which an alert of drift is in the outbox."""
        rows = self.db.execute("SELECT DISTINCT json ->> '$.summary' FROM alerts WHERE json ->> '$.type' = 'drift'").fetchall()
        return sum(1 for (summary,) in rows if summary.startswith("anon-") and int(summary.split("-")[1]) in fleet.pids)

    def kib(self):
        """Of pages in use, those of the log among them."""
        pages, unused, size = (self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        return (pages - unused) * size / 1024
