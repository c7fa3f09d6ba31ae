# SPDX-License-Identifier: Apache-2.0
"""docs/threat-model.md promises nothing that no test shows. A promise whose test was renamed away would go on reading well."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TEST = r"`(tests/[\w/]+\.(?:py|c))::(\w+)`"
FOUR = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]


def read(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


def section(text, heading):
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text):
    """Rows of its tables, without their heads."""
    found, head = [], True
    for line in text.splitlines():
        if line.startswith("|--"):
            head = False
        elif line.startswith("|") and not head:
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif not line.startswith("|"):
            head = True
    return found


class ThreatModel(unittest.TestCase):
    def setUp(self):
        self.text = read("docs", "threat-model.md")

    def test_each_test_that_it_names_exists(self):
        named = re.findall(TEST, self.text)
        self.assertGreater(len(named), 40)
        missing = []
        for path, name in named:
            try:
                source = read(path)
            except FileNotFoundError:
                missing.append(path)
                continue
            # In C one that is not in the list of its file is not run.
            form = rf"(?m)^    def {name}\(self\)" if path.endswith(".py") else rf"(cmocka_unit_test\w*|TEST)\({name}\b"
            if not re.search(form, source):
                missing.append(f"{path}::{name}")
        self.assertEqual(missing, [])

    def test_nothing_is_promised_that_no_test_shows(self):
        promises = rows(section(self.text, "What is promised"))
        self.assertGreater(len(promises), 15)
        self.assertEqual([row[0] for row in promises if not re.search(TEST, row[-1])], [])
        for heading in ("Capabilities", "Secrets"):
            self.assertRegex(section(self.text, heading), TEST)

    def test_the_capabilities_are_those_of_the_unit_and_of_the_program(self):
        self.assertEqual([row[0].strip("`") for row in rows(section(self.text, "Capabilities"))], FOUR)
        unit = read("packaging", "systemd", "abidrift-collector.service.in")
        self.assertEqual(sorted(re.search(r"(?m)^CapabilityBoundingSet=(.*)$", unit)[1].split()), sorted(FOUR))
        program = read("userspace", "commands", "privilege.c")
        kept = "".join(re.findall(r"(?m)^#define (?:LOADING|READING) (.*)$", program))
        self.assertEqual(sorted(re.findall(r"CAP_\w+", kept)), sorted(FOUR))


if __name__ == "__main__":
    unittest.main()
