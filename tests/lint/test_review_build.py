# SPDX-License-Identifier: Apache-2.0
"""How the review page gets into the program: the same bytes wherever it is built, and a build that goes on, loudly, where it cannot be."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
ASSETS = ("index.html.gz", "review.js.gz", "review.css.gz", "favicon.svg.gz")
# All that dashboards/review/build needs beside npm.
TOOLS = ("sh", "dirname", "mkdir", "cp", "cmp", "rm", "mv", "gzip")


def contents(folder):
    found = {}
    for name in ASSETS:
        with open(os.path.join(folder, name), "rb") as f:
            found[name] = f.read()
    return found


class ReviewBuild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def build(self, source, out, page, **env):
        return subprocess.run([os.path.join(source, "build"), out, page], capture_output=True, text=True, env={**os.environ, **env})

    def without_npm(self, name="bin"):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        for tool in TOOLS:
            os.symlink(shutil.which(tool), os.path.join(path, tool))
        return path

    def test_two_builds_in_two_folders_are_the_same_bytes(self):
        """Else no package could be checked by building it again."""
        done = os.path.join(BUILD, "review")
        if not os.path.isdir(os.path.join(done, "node_modules")):
            self.skipTest("the page was not built here: npm is missing, or had no network")
        copy = os.path.join(self.folder, "a source elsewhere", "review")
        shutil.copytree(os.path.join(ROOT, "dashboards", "review"), copy)
        out = os.path.join(self.folder, "out")
        # What npm installed is not fetched again.
        os.mkdir(out)
        shutil.copy(os.path.join(done, "installed-lock.json"), out)
        shutil.copytree(os.path.join(done, "node_modules"), os.path.join(out, "node_modules"), symlinks=True)
        built = self.build(copy, out, "yes", TZ="Pacific/Auckland", LANG="tr_TR.UTF-8", HOME="/nonexistent", GZIP="--rsyncable")
        self.assertEqual((built.returncode, built.stderr), (0, ""))
        self.assertEqual(contents(out), contents(done))

    def test_without_npm_the_page_is_left_out_loudly(self):
        out = os.path.join(self.folder, "out")
        built = self.build(os.path.join(ROOT, "dashboards", "review"), out, "auto", PATH=self.without_npm())
        self.assertEqual((built.returncode, contents(out)), (0, dict.fromkeys(ASSETS, b"")), built.stderr)
        self.assertIn("WITHOUT the review page: there is no npm", built.stderr)
        self.assertIn("PAGE=yes", built.stderr)

    def test_who_wants_the_page_gets_none_without_it(self):
        built = self.build(os.path.join(ROOT, "dashboards", "review"), os.path.join(self.folder, "out"), "yes", PATH=self.without_npm())
        self.assertEqual(built.returncode, 2)
        self.assertIn("cannot be built: there is no npm", built.stderr)

    def test_a_network_that_is_not_there_is_told_with_the_words_of_npm(self):
        if not shutil.which("npm"):
            self.skipTest("there is no npm")
        out = os.path.join(self.folder, "out")
        nowhere = dict(npm_config_registry="http://127.0.0.1:1/", npm_config_cache=os.path.join(self.folder, "cache"))
        built = self.build(os.path.join(ROOT, "dashboards", "review"), out, "auto", **nowhere)
        self.assertEqual((built.returncode, contents(out)), (0, dict.fromkeys(ASSETS, b"")), built.stderr)
        self.assertIn("npm could not install its packages", built.stderr)
        with open(os.path.join(out, "log")) as f:
            self.assertIn("127.0.0.1:1", f.read())

    def test_a_network_that_swallows_all_does_not_hold_the_build_up(self):
        """npm alone waits for minutes, three times, and says nothing: who builds behind such a firewall takes it for a hang."""
        if not shutil.which("npm") or not shutil.which("timeout"):
            self.skipTest("there is no npm, or no timeout(1)")
        out = os.path.join(self.folder, "out")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            nowhere = dict(npm_config_registry=f"http://127.0.0.1:{silent.getsockname()[1]}/", npm_config_cache=os.path.join(self.folder, "cache"))
            built = self.build(os.path.join(ROOT, "dashboards", "review"), out, "auto", NPM_SECONDS="2", **nowhere)
        self.assertEqual((built.returncode, contents(out)), (0, dict.fromkeys(ASSETS, b"")), built.stderr)
        self.assertIn("at most 2 s", built.stdout)
        self.assertIn("npm did not end within 2 s (NPM_SECONDS=600", built.stderr)

    def test_who_does_not_want_it_is_not_warned(self):
        out = os.path.join(self.folder, "out")
        built = self.build(os.path.join(ROOT, "dashboards", "review"), out, "no")
        self.assertEqual((built.returncode, built.stderr, contents(out)), (0, "", dict.fromkeys(ASSETS, b"")))

    def test_a_word_that_is_none_is_no_page(self):
        """`PAGE=No` was meant; a build that takes it for \"where npm is\" would have the page in it."""
        for word in ("maybe", "No", "1"):
            built = self.build(os.path.join(ROOT, "dashboards", "review"), os.path.join(self.folder, "out"), word, PATH=self.without_npm(word))
            self.assertEqual((built.returncode, built.stdout), (2, ""))
            self.assertIn(f"PAGE={word}: has to be auto", built.stderr)

    def test_it_is_made_anew_where_another_one_is_wanted(self):
        """`make PAGE=no` after `make` would else leave the page in, and nobody would notice."""
        out = os.path.join(self.folder, "build")
        script = os.path.join(self.folder, "dashboards", "review", "build")
        os.makedirs(os.path.dirname(script))
        with open(script, "w") as f:
            f.write("#!/bin/sh\necho built as $2\n")
        os.chmod(script, 0o755)
        shutil.copy(os.path.join(ROOT, "Makefile"), self.folder)
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}

        def made(page):
            return subprocess.run(["make", "-s", "-C", self.folder, "BUILD=" + out, "PAGE=" + page, out + "/review/done"], capture_output=True, text=True,
                                  env=env).stdout.strip().split("\n")[-1]

        self.assertEqual([made(p) for p in ("auto", "auto", "no", "no", "yes")], ["built as auto", "", "built as no", "", "built as yes"])


if __name__ == "__main__":
    unittest.main()
