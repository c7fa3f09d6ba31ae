# SPDX-License-Identifier: Apache-2.0
"""The message catalog, as systemd's own tool reads it: what `journalctl -x` says to an alert. No root, no KVM."""
import os
import re
import shutil
import subprocess
import unittest

from harness import ABIDRIFT, ROOT, Folder

CATALOG = os.path.join(ROOT, "packaging", "journal", "abidrift.catalog")
SOURCE = os.path.join(ROOT, "userspace", "notify", "journal.c")
DOCS = os.path.join(ROOT, "docs", "alerts.md")


@unittest.skipUnless(shutil.which("journalctl"), "journalctl is not installed")
class Catalog(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)
        os.makedirs(self.folder.file("usr/lib/systemd/catalog"))
        os.makedirs(self.folder.file("var/lib/systemd/catalog"))
        shutil.copy(CATALOG, self.folder.file("usr/lib/systemd/catalog"))
        self.journalctl("--update-catalog")
        with open(SOURCE) as f:
            self.source = f.read()
        self.ids = dict(re.findall(r'\{ "(\w+)", "([0-9a-f]{32})" \}', self.source))

    def journalctl(self, *args):
        done = subprocess.run(["journalctl", "--root=" + self.folder.path, "--no-pager", *args], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def test_every_type_of_alert_has_an_entry_and_no_other_has(self):
        listed = [line.split()[0] for line in self.journalctl("--list-catalog").splitlines()]
        self.assertEqual(set(self.ids), {"drift", "resolved", "loss", "blind", "store", "twin", "test"})
        self.assertEqual(sorted(listed), sorted(self.ids.values()))

    def test_an_entry_says_what_it_means_and_where_to_read_on_with_fields_that_alerts_have(self):
        for kind, ident in self.ids.items():
            text = self.journalctl("--dump-catalog", ident)
            for header in ("Subject: ", "Defined-By: abidrift"):
                self.assertIn(header, text, kind)
            self.assertGreater(len(text.partition("\n\n")[2]), 80, kind)
            for field in re.findall(r"@(\w+)@", text):
                self.assertIn(f'"{field}=', self.source, kind)

    def test_it_reads_well_of_a_host_and_names_nothing_that_is_not_there(self):
        """`abidrift diff ` without a guest is a command that fails, at night."""
        for kind, ident in self.ids.items():
            subject, _, body = self.journalctl("--dump-catalog", ident).partition("\n\n")
            for field in ("GUEST", "UUID", "VERDICT", "CHANGE_SET"):
                self.assertNotIn(f"@ABIDRIFT_{field}@", body, kind)
            # Blanks at its end are all that an alert about the host leaves.
            self.assertRegex(subject, r"(?m)^Subject: [^@]*@ABIDRIFT_HOST@( [a-z ]+| @ABIDRIFT_GUEST@)?$", kind)
            self.assertNotRegex(body, r"systemctl|/usr/share/doc", kind)
            for verb in re.findall(r"(?m)^ +abidrift ([a-z]+)", body):
                self.assertEqual(subprocess.run([ABIDRIFT, verb, "--help"], capture_output=True).returncode, 0, verb)

    def test_the_manual_names_each_id(self):
        with open(DOCS) as f:
            told = dict(re.findall(r"(?m)^\| `(\w+)` \| `([0-9a-f]{32})` \|$", f.read()))
        self.assertEqual(told, self.ids)


if __name__ == "__main__":
    unittest.main()
