# SPDX-License-Identifier: Apache-2.0
"""The source of the review page, and its packages."""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
REVIEW = os.path.join(ROOT, "dashboards", "review")
LOCKED = (REVIEW, os.path.join(ROOT, "tests", "web"))
MOST_BYTES = 60 << 10


def sources():
    return sorted(glob.glob(os.path.join(REVIEW, "src", "**", "*"), recursive=True))


class Source(unittest.TestCase):
    def test_nothing_of_a_guest_can_become_markup_or_a_program(self):
        """A guest's name could else run in the browser of whoever looks at it."""
        forbidden = r"dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:|style=\""
        found = []
        for path in sources():
            if path.endswith((".ts", ".tsx")):
                with open(path) as f:
                    found += [f"{os.path.relpath(path, ROOT)}:{n}: {line.strip()}" for n, line in enumerate(f, 1) if re.search(forbidden, line)]
        self.assertEqual(found, [])

    def test_every_source_says_its_licence(self):
        for path in sources():
            if os.path.isfile(path):
                with open(path) as f:
                    self.assertIn("SPDX-License-Identifier: Apache-2.0", f.readline(), path)

    def test_packages_are_exact_and_from_nowhere_in_particular(self):
        """A range of versions is another program next week; a lock that names a host cannot be installed from a mirror."""
        for folder in LOCKED:
            with open(os.path.join(folder, "package.json")) as f:
                package = json.load(f)
            for kind in ("dependencies", "devDependencies"):
                for name, version in package.get(kind, {}).items():
                    self.assertRegex(version, r"^\d+\.\d+\.\d+$", name)
            with open(os.path.join(folder, "package-lock.json")) as f:
                lock = json.load(f)
            for name, entry in lock["packages"].items():
                if name:
                    self.assertNotIn("resolved", entry, name)
                    self.assertTrue(entry["integrity"].startswith("sha512-"), name)
            self.assertEqual(lock["packages"][""].get("dependencies"), package.get("dependencies"), folder)
            self.assertEqual(lock["packages"][""].get("devDependencies"), package.get("devDependencies"), folder)

    def test_the_page_is_small(self):
        """It is for an incident, over whatever line there is."""
        assets = glob.glob(os.path.join(BUILD, "review", "*.gz"))
        if not any(map(os.path.getsize, assets)):
            self.skipTest("the page was not built here")
        self.assertLess(sum(map(os.path.getsize, assets)), MOST_BYTES, {os.path.basename(a): os.path.getsize(a) for a in assets})

    def test_types(self):
        """What model.ts says of the API is what the views rely on."""
        if not shutil.which("npm"):
            self.skipTest("there is no npm")
        folder = tempfile.mkdtemp(prefix="abidrift-types-")
        self.addCleanup(shutil.rmtree, folder)
        for name in ("package.json", "package-lock.json", "tsconfig.json"):
            shutil.copy(os.path.join(REVIEW, name), folder)
        said = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=folder, capture_output=True, text=True, timeout=300)
        if said.returncode:
            self.skipTest(f"npm could not install its packages: {said.stderr.strip()[-300:]}")
        shutil.copytree(os.path.join(REVIEW, "src"), os.path.join(folder, "src"))
        said = subprocess.run([os.path.join("node_modules", ".bin", "tsc"), "-p", "."], cwd=folder, capture_output=True, text=True, timeout=300)
        self.assertEqual((said.returncode, said.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
