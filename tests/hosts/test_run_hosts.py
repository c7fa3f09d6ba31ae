# SPDX-License-Identifier: Apache-2.0
"""What runs the hosts, with jobs that boot none: what it counts, what it publishes, how it ends, and what it does without a network."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import hosts  # noqa: E402
import images  # noqa: E402
import unpacked  # noqa: E402
from harness import wait_for  # noqa: E402

# Two jobs that would go on for ever, as hosts that hang do.
HANGING = """
import importlib.machinery, importlib.util, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been begun without
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("run_hosts", sys.argv[1])
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_hosts", loader))
loader.exec_module(run)
def hang():
    child = run.hosts.CHILDREN.begin(["sh", "-c", "echo began $$; exec tail -f /dev/null"])
    try:
        child.wait()
    finally:
        run.hosts.CHILDREN.end(child)
    raise AssertionError("ended early")
run.jobs = lambda folder: [(name, hang) for name in ("a", "b", "c")]
sys.exit(run.main([]))
"""


def load():
    loader = importlib.machinery.SourceFileLoader("run_hosts", os.path.join(HERE, "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_hosts", loader))
    with mock.patch.dict(os.environ):  # it asks for all, which is not for the tests after this one
        loader.exec_module(module)
    return module


def quietly(function, *arguments):
    """(what it returned, what it printed)"""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        return function(*arguments), out.getvalue()


def there(pid):
    """Runs, and is not just waited for."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Run(unittest.TestCase):
    def setUp(self):
        self.run_hosts = load()
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))

    def test_what_cannot_be_set_up_has_not_passed(self):
        """Without this a run that tested nothing would be a success."""
        class Broken(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise OSError("nothing works")

            def test_one(self):
                pass
        passed, failed, skipped = self.run_hosts.one_class(Broken)
        self.assertEqual((passed, len(failed), skipped), (0, 1, []))

        class Skips(Broken):
            @classmethod
            def setUpClass(cls):
                raise unittest.SkipTest("no root")
        passed, failed, skipped = self.run_hosts.one_class(Skips)
        self.assertEqual((passed, failed, len(skipped)), (0, [], 1))
        self.run_hosts.jobs = lambda folder: [("skips", lambda: self.run_hosts.one_class(Skips))]
        self.assertEqual(quietly(self.run_hosts.main, [])[0], 1)

    def test_a_word_that_names_no_job(self):
        """Without this a typing error would look like a run."""
        self.run_hosts.jobs = lambda folder: [("matrix.6.1", lambda: (1, [], []))]
        self.assertEqual(quietly(self.run_hosts.main, ["6.1"])[0], 0)
        code, said = quietly(self.run_hosts.main, ["6.1", "6.2"])
        self.assertEqual((code, "no job is called 6.2" in said), (2, True), said)
        self.assertEqual(quietly(self.run_hosts.main, ["--list"]), (0, "matrix.6.1\n"))

    def published(self, wrongs):
        """The parts that --write writes where those stories say that this is wrong."""
        written, module = [], mock.Mock(spec=["__name__", "stories", "play", "wrong", "tables", "versions"])
        names = [mock.Mock(spec=["name"]) for _ in wrongs]
        for n, story in enumerate(names):
            story.name = f"story {n}"
        module.__name__ = "stories"
        module.stories.return_value, module.tables.return_value, module.versions.return_value = names, "table", "versions"
        module.wrong.side_effect = lambda story, found: wrongs[names.index(story)]
        self.run_hosts.story_modules = lambda: [module]
        self.run_hosts.jobs = lambda folder: [(s.name, lambda s=s: self.run_hosts.Told(module, s, None)) for s in names]
        with mock.patch.object(self.run_hosts.measured, "write", lambda document, name, text: written.append(name)):
            code, said = quietly(self.run_hosts.main, ["--write"])
        self.assertEqual(code, int(any(wrongs)), said)
        return sorted(written)

    def test_what_failed_is_not_published(self):
        """Without this one bad run would put its failures in place of the tables that people read."""
        self.assertEqual(self.published([[], []]), ["stories", "stories-versions"])
        self.assertEqual(self.published([[], ["wrong"]]), [])

    def test_who_interrupts_does_not_wait_and_no_host_stays(self):
        """Without this Ctrl-C would be answered in half an hour, and a terminated run would leave emulated hosts that eat a core each."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with subprocess.Popen([sys.executable, "-c", HANGING, os.path.join(HERE, "run")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
                try:
                    pids = [int(child.stdout.readline().split()[1]) for _ in range(2)]
                    child.send_signal(number)
                    said = child.communicate(timeout=60)[0]
                finally:
                    child.kill()
            self.assertEqual(child.returncode, -number if number == signal.SIGKILL else 130, said)
            self.assertNotIn("began", said)
            if number == signal.SIGKILL:  # the kernel ends them a moment later
                wait_for("the hosts' end", lambda: not any(map(there, pids)), 20)
            self.assertEqual([p for p in pids if there(p)], [])


class Emulation(unittest.TestCase):
    def test_a_job_is_tried_again_where_the_emulation_ended_and_only_there(self):
        """Without this the emulation's own faults would be taken for abidrift's, or abidrift's would be tried away."""
        for errors, tries in (([], 1), ([hosts.EmulationEnded], 2), ([hosts.EmulationEnded] * 9, 3), ([AssertionError] * 9, 1)):
            left, told = list(errors), []

            def job():
                told.append(1)
                if left:
                    raise left.pop(0)
                return "done"
            if len(errors) < 2:
                self.assertEqual(hosts.again(job), "done")
            else:
                self.assertRaises(errors[0], hosts.again, job)
            self.assertEqual(len(told), tries)


class Unpacked(unittest.TestCase):
    """Where a package cannot be had."""
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="abidrift-fetch-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def fetched(self, status, there):
        package, script = os.path.join(self.folder, "package"), os.path.join(self.folder, "fetch")
        os.makedirs(package, exist_ok=True)
        if there:
            with open(os.path.join(package, ".unpacked"), "w"):
                pass
        with open(script, "w") as f:
            f.write(f"#!/bin/sh\necho first >&2; echo why it is so >&2; exit {status}\n")
        os.chmod(script, 0o755)
        with mock.patch.object(unpacked, "FETCH", script):
            return unpacked.unpacked("it", "suite", "package", package)

    def test_without_a_network(self):
        """Without this a laptop on a train would skip what lies unpacked on its disk, or fail for want of what it cannot have."""
        with self.assertRaisesRegex(unittest.SkipTest, "^it cannot be fetched: why it is so$"):
            self.fetched(3, False)
        self.assertEqual(self.fetched(3, True), os.path.join(self.folder, "package"))

    def test_a_disk_that_is_full(self):
        """Without this tests would skip for ever on a machine whose cache is full, and nobody would know."""
        for there_already in (False, True):
            with self.assertRaisesRegex(AssertionError, "^it cannot be unpacked: why it is so$"):
                self.fetched(1, there_already)

    def test_two_threads_make_one_image(self):
        """Without this the first run on a new machine would fail by its own doing."""
        made, errors = [], []

        def ext4(target, _tree):
            made.append(target)
            with open(target, "x"):
                pass

        def make():
            try:
                images.vmm("7.2")
            except BaseException as why:
                errors.append(why)
        with open(os.path.join(self.folder, ".unpacked"), "w"):
            pass
        with mock.patch.object(images, "ext4", ext4), mock.patch.object(images.upgrade, "root", lambda version: self.folder), mock.patch.object(hosts, "CACHE", self.folder):
            threads = [threading.Thread(target=make) for _ in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        self.assertEqual((len(made), errors), (1, []))


if __name__ == "__main__":
    unittest.main()
