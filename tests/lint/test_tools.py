# SPDX-License-Identifier: Apache-2.0
"""The checkers of `make lint`, but for clang-tidy's minutes. Each has to find a fault that is made for it: one that finds nothing
because it was called wrongly is no checker."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")

FREED_TWICE = """#include <stdlib.h>
int read_back(int n);
int read_back(int n)
{
	int *p = malloc(sizeof *p);

	if (!p)
		return n;
	*p = n;
	free(p);
	return *p;
}
"""
LEAK = """#include <stdlib.h>
int first(int n);
int first(int n)
{
	int *p = calloc(4, sizeof *p);

	if (!p)
		return n;
	return p[0];
}
"""
BEYOND_THE_END = """int last(void);
int last(void)
{
	int list[4] = { 0 };

	return list[4];
}
"""
SOUND = """int same(int n);
int same(int n)
{
	return n;
}
"""
UNQUOTED = "#!/bin/sh\nrm -r $1/old\n"


def make(*args):
    # Not the jobserver of the make that runs the tests.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    return subprocess.run(["make", "--no-print-directory", "-s", *args], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=1800)


class Tools(unittest.TestCase):
    def need(self, tool):
        if not shutil.which(tool):
            self.skipTest(f"{tool} is not installed")

    def sample(self, source, ending=".c"):
        """A file of its own below the build folder, by its name from the root of the tree."""
        os.makedirs(os.path.join(ROOT, BUILD), exist_ok=True)
        folder = tempfile.mkdtemp(prefix="lint-sample-", dir=os.path.join(ROOT, BUILD))
        self.addCleanup(shutil.rmtree, folder)
        built = os.path.join(ROOT, BUILD, "lint", os.path.relpath(folder, ROOT))
        self.addCleanup(shutil.rmtree, built, ignore_errors=True)
        with open(os.path.join(folder, "sample" + ending), "w") as f:
            f.write(source)
        return os.path.join(os.path.relpath(folder, ROOT), "sample" + ending)

    def finds(self, done, what):
        self.assertNotEqual(done.returncode, 0, "it let a fault pass:\n" + done.stdout)
        self.assertIn(what, done.stdout)

    def clean(self, done):
        self.assertEqual(done.returncode, 0, done.stdout[-8000:])

    def lint(self, sample, ending):
        return make(os.path.join(BUILD, "lint", sample[:-2] + ending))

    def test_the_analyzer_finds_a_use_after_free(self):
        self.need("gcc")
        self.clean(self.lint(self.sample(SOUND), ".o"))
        self.finds(self.lint(self.sample(FREED_TWICE), ".o"), "use-after-free")

    def test_clang_tidy_finds_a_leak(self):
        self.need("clang-tidy")
        self.clean(self.lint(self.sample(SOUND), ".tidy"))
        self.finds(self.lint(self.sample(LEAK), ".tidy"), "clang-analyzer-unix.Malloc")

    def test_cppcheck_finds_what_lies_beyond_an_array(self):
        self.need("cppcheck")
        self.clean(make("lint-cppcheck", "CPPCHECK_SOURCES=" + self.sample(SOUND)))
        self.finds(make("lint-cppcheck", "CPPCHECK_SOURCES=" + self.sample(BEYOND_THE_END)), "arrayIndexOutOfBounds")

    def test_shellcheck_finds_an_unquoted_word(self):
        self.need("shellcheck")
        self.finds(make("lint-shell", "SHELL_SCRIPTS=" + self.sample(UNQUOTED, ".sh")), "SC2086")

    def test_shellcheck_is_content(self):
        self.need("shellcheck")
        self.clean(make("lint-shell"))


if __name__ == "__main__":
    unittest.main()
