# SPDX-License-Identifier: Apache-2.0
"""What is installed beside the program: manual pages, completion, units. People read there what abidrift can do; so it has to be what it
does, and every example has to work."""
import glob
import importlib.machinery
import importlib.util
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "live"))
from harness import ABIDRIFT, BUILD, Folder  # noqa: E402
from traces import LEAVES, Trace, life, without  # noqa: E402

PAGES = os.path.join(BUILD, "pages")
COMPLETION = os.path.join(PAGES, "completion", "abidrift")
ONLY_PARSED = ("run", "record", "serve")  # they need a host, or do not end
MORE = {**LEAVES, (1, 0): (0x306a9, 0x800, 0x80302001, 0x178bfbff)}
SSE4_2, ECX = 20, 2


def setUpModule():
    if not os.path.isdir(PAGES):
        raise unittest.SkipTest("build/pages is not made (make pages)")


def generator():
    """packaging/pages, as a module: it reads what the program says of itself."""
    loader = importlib.machinery.SourceFileLoader("pages", os.path.join(ROOT, "packaging", "pages"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pages", loader))
    loader.exec_module(module)
    return module


def rendered(page):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", page], capture_output=True, text=True,
                          env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-c"})
    return re.sub(r".\x08", "", done.stdout), done.stderr


def chapter(text, name):
    m = re.search(rf"(?ms)^{name}\n(.*?)(?=^\S|\Z)", text)
    return m[1] if m else ""


class Store:
    """Two guests, one of which lost SSE4.2 when it was started again."""
    def __init__(self):
        self.folder = Folder()
        t = Trace()
        t.synced()
        life(t, 1, "web-01", "11111111-2222-3333-4444-555555555555", MORE)
        t.gone(1)
        life(t, 2, "web-01", "11111111-2222-3333-4444-555555555555", without(MORE, 1, ECX, SSE4_2), args=("-cpu", "qemu64,-sse4.2"))
        life(t, 3, "db-01", "11111111-9999-3333-4444-555555555555", without(MORE, 1, ECX, SSE4_2), args=("-cpu", "qemu64,-sse4.2"))
        t.write(self.folder.file("host.trace"))
        # Later the host has another kernel.
        t = Trace()
        t.records = [r.replace(b"6.1.0-test", b"6.2.0-test") for r in t.records]
        t.now += 3_600_000_000_000
        t.synced()
        t.tick(1)
        t.write(self.folder.file("later.trace"))
        os.mkdir(self.folder.file("bin"))
        os.symlink(ABIDRIFT, self.folder.file("bin/abidrift"))
        self.env = {**os.environ, "ABIDRIFT_STORE": "sqlite:" + self.folder.file("s.db"), "PATH": self.folder.file("bin") + ":" + os.environ["PATH"]}
        for trace in ("host.trace", "later.trace"):
            subprocess.run([ABIDRIFT, "replay", self.folder.file(trace), "--store", self.env["ABIDRIFT_STORE"], "--set", "monitor.settle=1s"], capture_output=True)


class Pages(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which("man"):
            raise unittest.SkipTest("man is not installed")
        cls.program = generator().Program(ABIDRIFT)
        cls.pages = {os.path.basename(p): rendered(p) for p in glob.glob(os.path.join(PAGES, "man", "*", "*"))}

    def test_every_verb_has_a_page_whose_synopsis_is_what_help_says(self):
        self.assertEqual({p for p in self.pages if re.fullmatch(r"abidrift-[a-z]+\.1", p)}, {f"abidrift-{v}.1" for v in self.program.verbs})
        for name, verb in self.program.verbs.items():
            usage = subprocess.run([ABIDRIFT, name, "-h"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
            self.assertEqual("Usage: " + " ".join(chapter(self.pages[f"abidrift-{name}.1"][0], "SYNOPSIS").split()), usage)

    def test_every_option_setting_facet_and_verb_is_told(self):
        for name, verb in self.program.verbs.items():
            text = chapter(self.pages[f"abidrift-{name}.1"][0], "OPTIONS")
            self.assertTrue(verb.common)
            for letter, option, argument, _ in verb.options + verb.common:
                start = (f"-{letter}, " if letter else "") + f"--{option}" + (f" {argument}" if argument else "")
                self.assertRegex(text, rf"(?m)^ {{7}}{re.escape(start)}(?: |$)", name)
            self.assertIn(f"abidrift-{name}(1)", chapter(self.pages["abidrift.1"][0], "VERBS"))
        settings = chapter(self.pages["abidrift.conf.5"][0], "SETTINGS")
        for section, key, default, _ in self.program.settings:
            part = settings.split(f"[{section}]\n")[1].split("\n   [")[0]
            self.assertRegex(part, rf"(?m)^ {{7}}{key}(?: |$)")
            self.assertIn(default, part)
        for facet in self.program.facets:
            self.assertIn(facet, self.pages["abidrift-fingerprint.5"][0])

    def test_man_finds_nothing_to_warn_of(self):
        self.assertEqual({name: said for name, (_, said) in self.pages.items() if said}, {})

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_finds_nothing_to_warn_of(self):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *glob.glob(os.path.join(PAGES, "man", "*", "*"))], capture_output=True, text=True)
        self.assertEqual(done.stdout + done.stderr, "")

    def test_pages_that_are_named_are_there(self):
        found = []
        for name, (text, _) in self.pages.items():
            found += [f"{name}: {m}" for m in re.findall(r"\babidrift[a-z.-]*\(\d\)", chapter(text, "SEE ALSO") + chapter(text, "VERBS"))
                      if m[:-1].replace("(", ".") not in self.pages]
        self.assertEqual(found, [])

    def test_no_markdown_is_left_over(self):
        found = []
        for name, (text, _) in self.pages.items():
            found += [f"{name}: {line.strip()}" for line in text.split("\n") if re.search(r"`[a-z]|\]\([a-z]|^\s*\|.*\|\s*$|\*\*\w", line)]
        self.assertEqual(found, [])


class Examples(unittest.TestCase):
    """What stands under EXAMPLES is run, in the order in which people read it."""

    @staticmethod
    def examples():
        sections = generator().sections
        for path in sorted(glob.glob(os.path.join(ROOT, "packaging", "man", "*.md"))):
            lines = [line[4:] for line in sections(path).get("EXAMPLES", "").split("\n") if line.startswith("    ")]
            yield os.path.basename(path)[:-3], lines

    def run_line(self, store, name, line):
        words = re.match(r"abidrift (\w+)(.*)", line)
        if name in ONLY_PARSED and words and words[1] in ONLY_PARSED and "--print-config" not in line:
            line += " -h"
        done = subprocess.run(["bash", "-ec", line], cwd=store.folder.path, env=store.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{name}: {line}\n{done.stdout[-800:]}{done.stderr[-800:]}")

    def test_every_example_works(self):
        names = []
        for name, lines in self.examples():
            if name in ("common", "abidrift.conf"):
                continue
            names.append(name)
            self.assertTrue(lines, f"{name}: no example")
            store = Store()
            self.addCleanup(store.folder.close)
            for line in lines:
                self.assertRegex(line, r"^abidrift\b")
                self.run_line(store, name, line)
        self.assertIn("store", names)

    def test_the_example_of_a_configuration_is_one(self):
        folder = Folder()
        self.addCleanup(folder.close)
        with open(folder.file("x.conf"), "w") as f:
            f.write("\n".join(dict(self.examples())["abidrift.conf"]) + "\n")
        done = subprocess.run([ABIDRIFT, "run", "--print-config", "--config", folder.file("x.conf")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("keep = 90d", done.stdout)
        self.assertIn("[suppress bios-2024]", done.stdout)


class Completion(unittest.TestCase):
    """In a bash with a terminal of its own, as somebody types."""

    @classmethod
    def setUpClass(cls):
        cls.store = Store()
        cls.addClassCleanup(cls.store.folder.close)
        pid, cls.terminal = pty.fork()
        if not pid:
            os.chdir(cls.store.folder.path)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**cls.store.env, "PS1": "$ ", "TERM": "dumb", "COLUMNS": "1000", "INPUTRC": "/dev/null"})
        cls.pid = pid
        cls.addClassCleanup(cls.end)
        # Ctrl-G shows the line as it stands; then everything on it is deleted.
        cls.type("bind 'set enable-bracketed-paste off'; stty -echo cols 1000; bind -x '\"\\C-g\": printf \"<%s>\\n\" \"$READLINE_LINE\"'; source " + COMPLETION + "; echo be''gin\n")
        cls.read_to("begin")

    @classmethod
    def end(cls):
        os.kill(cls.pid, 9)
        os.waitpid(cls.pid, 0)
        os.close(cls.terminal)

    @classmethod
    def type(cls, text):
        os.write(cls.terminal, text.encode())

    @classmethod
    def read_to(cls, pattern):
        got, deadline = "", time.monotonic() + 30
        while not re.search(pattern, got):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([cls.terminal], [], [], left)[0]:
                raise AssertionError(f"bash did not answer: {got[-500:]!r}")
            got += os.read(cls.terminal, 4096).decode(errors="replace")
        return got

    def line(self, typed):
        """The line after Tab."""
        self.type(typed + "\t\x07")
        got = re.findall(r"<([^>\n]*)>", self.read_to(r"<[^>\n]*>"))[-1]
        self.type("\x15")
        return got

    def offers(self, typed):
        """What there is to choose from, as bash would show it."""
        script = f'source {COMPLETION}; COMP_LINE="$1" COMP_POINT=${{#1}}; _abidrift; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", script, "bash", typed], cwd=self.store.folder.path, env=self.store.env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return sorted(done.stdout.split())

    def test_verbs_and_options_are_those_of_the_program(self):
        program = generator().Program(ABIDRIFT)
        self.assertEqual(self.offers("abidrift "), sorted(v.name for v in program.verbs.values() if not v.later))
        for verb in program.verbs.values():
            wanted = [f"--{name}" for _, name, _, _ in verb.options + verb.common]
            self.assertEqual(self.offers(f"abidrift {verb.name} --"), sorted(wanted))
        self.assertEqual(self.offers("abidrift run --set "), sorted(f"{s}.{k}=" for s, k, _, _ in program.settings))
        self.assertEqual(self.offers("abidrift show web-01 --facet "), sorted(program.facets))

    def test_a_beginning_is_completed(self):
        self.assertEqual(self.line("abidrift mai"), "abidrift maintenance ")
        self.assertEqual(self.line("abidrift show --fac"), "abidrift show --facet ")
        self.assertEqual(self.line("abidrift show --facet pla"), "abidrift show --facet placement ")
        self.assertEqual(self.line("abidrift show --facet=pla"), "abidrift show --facet=placement ")
        self.assertEqual(self.line("abidrift diff web-01 --min-severity cr"), "abidrift diff web-01 --min-severity critical ")
        self.assertEqual(self.line("abidrift store pr"), "abidrift store prune ")
        self.assertEqual(self.line("abidrift run --set monitor.bas"), "abidrift run --set monitor.baseline=")
        self.assertEqual(self.line("abidrift ls --color nev"), "abidrift ls --color never ")

    def test_guests_come_from_the_store_that_is_meant(self):
        self.assertEqual(self.line("abidrift show web"), "abidrift show web-01 ")
        self.assertEqual(self.line("abidrift diff web-01 db"), "abidrift diff web-01 db-01 ")
        self.assertEqual(self.offers("abidrift alert "), ["list", "test"])
        self.assertEqual(self.offers("abidrift alert list web"), ["web-01"])
        self.assertEqual(self.offers("abidrift show 1111"), ["11111111-2222-3333-4444-555555555555", "11111111-9999-3333-4444-555555555555"])
        self.assertEqual(self.offers("abidrift show --store sqlite:none.db web"), [])
        env, self.store.env = self.store.env, {k: v for k, v in self.store.env.items() if k != "ABIDRIFT_STORE"}
        self.addCleanup(setattr, self.store, "env", env)
        self.assertEqual(self.offers("abidrift show --store sqlite:s.db web"), ["web-01"])
        self.assertEqual(self.offers("abidrift show --store=sqlite:s.db web"), ["web-01"])

    def test_files_and_stores(self):
        self.assertEqual(self.line("abidrift replay host"), "abidrift replay host.trace ")
        self.assertEqual(self.line("abidrift ls --store sql"), "abidrift ls --store sqlite:")
        self.assertEqual(self.offers("abidrift ls --store sqlite:s.d"), ["s.db"])
        self.assertEqual(self.line("abidrift store backup host"), "abidrift store backup host.trace ")

    def test_what_choices_are_offered_the_program_takes(self):
        for severity in self.offers("abidrift diff web-01 --min-severity "):
            done = subprocess.run([ABIDRIFT, "diff", "web-01", "--min-severity", severity], env=self.store.env, capture_output=True, text=True)
            self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertEqual(len(self.offers("abidrift diff web-01 --min-severity ")), 3)
        self.assertEqual(self.offers("abidrift ls --color "), ["always", "auto", "never"])

    def test_sinks_are_those_that_can_be_switched_off(self):
        sinks = self.offers("abidrift alert test ")
        self.assertIn("stdout", sinks)
        with open(os.path.join(ROOT, "packaging", "man", "alert.md")) as f:
            named = re.search(r"(?s)SINK is a section.*?:(.*?)\.\n", f.read())[1]
        self.assertEqual(sorted(re.findall(r"`(\w+)`", named)), sinks)


class Installed(unittest.TestCase):
    """`make install` into a folder, and what systemd thinks of it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)
        cls.root = cls.folder.file("root")
        cls.make("install", cls.root, "/usr")

    @staticmethod
    def make(target, root, prefix, *more):
        build = [f"BUILD={os.environ['BUILD']}"] if "BUILD" in os.environ else []
        done = subprocess.run(["make", "-s", target, f"DESTDIR={root}", f"prefix={prefix}", *more, *build], cwd=ROOT, capture_output=True, text=True,
                              env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
        if done.returncode:
            raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def file(self, *names):
        return os.path.join(self.root, *names)

    @staticmethod
    def files(root):
        return sorted(os.path.relpath(os.path.join(where, name), root) for where, _, names in os.walk(root) for name in names)

    @staticmethod
    def units():
        return sorted(name.removesuffix(".in") for name in os.listdir(os.path.join(ROOT, "packaging", "systemd")) if re.search(r"\.(service|socket)(\.in)?$", name))

    def wanted(self, prefix):
        """What is installed, by what there is in the sources and what the program says of itself."""
        base = lambda pattern: [os.path.basename(p) for p in glob.glob(os.path.join(ROOT, pattern))]
        boards = [os.path.relpath(p, ROOT) for kind in ("grafana", "prometheus", "alertmanager")
                  for p in glob.glob(os.path.join(ROOT, "dashboards", kind, "**"), recursive=True) if os.path.isfile(p) and ".test." not in p]
        below = (["bin/abidrift", "share/man/man1/abidrift.1", "share/bash-completion/completions/abidrift", "lib/sysusers.d/abidrift.conf",
                  "lib/tmpfiles.d/abidrift.conf", "lib/systemd/catalog/abidrift.catalog", "share/doc/abidrift/README.md"]
                 + [f"share/man/man1/abidrift-{v}.1" for v in generator().Program(ABIDRIFT).verbs]
                 + [f"share/man/man5/{f}.5" for f in ("abidrift.conf", "abidrift-fingerprint", "abidrift-trace")]
                 + [f"lib/systemd/system/{unit}" for unit in self.units()] + [f"share/doc/abidrift/docs/{d}" for d in base("docs/*.md")]
                 + [f"share/abidrift/{b}" for b in boards])
        return sorted([os.path.join(prefix.lstrip("/"), path) for path in below] + ["etc/abidrift/abidrift.conf"])

    def test_the_program_runs_and_all_that_belongs_to_it_is_there_and_nothing_else(self):
        done = subprocess.run([self.file("usr/bin/abidrift"), "version", "--json"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(done.stdout)["version"], re.search(r"(?m)^VERSION := (\S+)", open(os.path.join(ROOT, "Makefile")).read())[1])
        folder = self.folder.file("list")
        self.make("install", folder, "/usr")
        self.assertEqual(self.files(folder), self.wanted("/usr"))
        self.assertTrue(os.path.isdir(os.path.join(folder, "etc/abidrift/abidrift.conf.d")))
        modes = {p: os.stat(os.path.join(folder, p)).st_mode & 0o7777 for p in self.files(folder)}
        self.assertEqual({p: m for p, m in modes.items() if m != 0o644}, {"usr/bin/abidrift": 0o755})

    def test_uninstall_takes_away_what_install_brought_and_nothing_else(self):
        root = self.folder.file("elsewhere")
        prefix = "/opt/guest-abi"
        others = ["opt/guest-abi/bin/other", "opt/guest-abi/share/man/man1/other.1", "etc/other"]
        for path in others:
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            open(os.path.join(root, path), "w").close()
        before = self.files(root)
        self.make("install", root, prefix)
        self.assertEqual(sorted(set(self.files(root)) - set(before)), self.wanted(prefix))
        for unit in self.units():
            if unit.endswith(".service"):
                with open(os.path.join(root, prefix.lstrip("/"), "lib/systemd/system", unit)) as f:
                    self.assertRegex(f.read(), rf"(?m)^ExecStart={prefix}/bin/abidrift ")
        self.make("uninstall", root, prefix)
        self.assertEqual(self.files(root), before)
        left = [os.path.join(where, name) for where, names, _ in os.walk(root) for name in names if name.startswith("abidrift")]
        self.assertEqual(left, [])

    def test_units_of_another_prefix_can_be_put_where_systemd_looks(self):
        root = self.folder.file("opt")
        self.make("install", root, "/opt/x", "libdir=/usr/local/lib")
        self.assertEqual([f for f in self.files(root) if f.startswith("opt/x/lib/")], [])
        below = ["sysusers.d/abidrift.conf", "tmpfiles.d/abidrift.conf"] + [f"systemd/system/{unit}" for unit in self.units()]
        self.assertLessEqual({f"usr/local/lib/{name}" for name in below}, set(self.files(root)))
        with open(os.path.join(root, "usr/local/lib/systemd/system/abidrift.service")) as f:
            self.assertIn("\nExecStart=/opt/x/bin/abidrift ", f.read())

    def test_settings_that_somebody_changed_are_kept(self):
        root = self.folder.file("changed")
        self.make("install", root, "/usr")
        path = os.path.join(root, "etc/abidrift/abidrift.conf")
        with open(path, "a") as f:
            f.write("[store]\nkeep = 90d\n")
        mine = os.path.join(root, "etc/abidrift/abidrift.conf.d/mine.conf")
        with open(mine, "w") as f:
            f.write("[monitor]\nsettle = 20s\n")
        self.assertIn("kept", self.make("install", root, "/usr"))
        self.assertIn("kept", self.make("uninstall", root, "/usr"))
        self.assertEqual(self.files(root), ["etc/abidrift/abidrift.conf", "etc/abidrift/abidrift.conf.d/mine.conf"])
        with open(path) as f:
            self.assertIn("keep = 90d", f.read())

    def test_the_settings_to_begin_with_are_those_of_the_program(self):
        printed = lambda path: subprocess.run([ABIDRIFT, "run", "--print-config", "--config", path], capture_output=True, text=True, check=True).stdout
        self.assertEqual(printed(self.file("etc/abidrift/abidrift.conf")), printed("/dev/null"))
        with open(self.file("etc/abidrift/abidrift.conf")) as f:
            text = f.read()
        self.assertFalse(re.search(r"(?m)^[^#\[\n]", text), "a setting is set, and a later default would not count")
        with open(self.folder.file("all.conf"), "w") as f:
            f.write(re.sub(r"(?m)^#(?! )", "", text))
        self.assertEqual(printed(self.folder.file("all.conf")), printed("/dev/null"))
        named = re.findall(r"(?m)^#(\w+) =|^\[(\w+)\]", text)
        self.assertEqual(len([key for key, _ in named if key]), len(generator().Program(ABIDRIFT).settings))

    def test_nothing_names_the_folder_that_it_was_installed_into(self):
        found = subprocess.run(["grep", "-rlF", self.root, self.root], capture_output=True, text=True)
        self.assertEqual(found.stdout, "")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("systemd-sysusers") and shutil.which("systemd-tmpfiles"), "needs root and systemd's tools")
    def test_user_group_and_folders_are_made(self):
        os.makedirs(self.file("etc"), exist_ok=True)
        subprocess.run(["systemd-sysusers", f"--root={self.root}"], check=True, capture_output=True)
        subprocess.run(["systemd-tmpfiles", "--create", f"--root={self.root}", "--prefix=/var/lib", "--prefix=/run"], check=True, capture_output=True)
        passwd = dict((line.split(":")[0], line.strip().split(":")) for line in open(self.file("etc/passwd")))
        group = dict((line.split(":")[0], line.strip().split(":")) for line in open(self.file("etc/group")))
        user = passwd["abidrift"]
        self.assertEqual((user[3], user[5], user[6]), (group["abidrift"][2], "/var/lib/abidrift", "/usr/sbin/nologin"))
        for folder in ("var/lib/abidrift", "run/abidrift"):
            st = os.stat(self.file(folder))
            self.assertEqual((st.st_mode & 0o7777, str(st.st_uid), str(st.st_gid)), (0o750, user[2], user[3]), folder)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_the_units_are_right(self):
        folder = self.folder.file("units")
        os.mkdir(folder)
        for unit in self.units():
            with open(self.file("usr/lib/systemd/system", unit)) as f:
                text = f.read()
            self.assertNotIn("@", re.sub(r"SystemCall\w+=.*|[~ ]@\S+", "", text), f"{unit}: something was not filled in")
            with open(os.path.join(folder, unit), "w") as f:
                f.write(text.replace("/usr/bin/abidrift", ABIDRIFT))
        done = subprocess.run(["systemd-analyze", "--man=no", "verify", *(os.path.join(folder, unit) for unit in self.units())], capture_output=True, text=True)
        self.assertEqual([line for line in (done.stdout + done.stderr).split("\n") if "abidrift" in line], [])


class Alone(unittest.TestCase):
    """The one file for hosts where nothing may be installed: it needs nothing there, and says the same."""
    ALONE = os.path.join(BUILD, "abidrift-static")

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(cls.ALONE):
            raise unittest.SkipTest("build/abidrift-static is not built (make static)")
        cls.store = Store()
        cls.addClassCleanup(cls.store.folder.close)

    def said(self, program, *args):
        done = subprocess.run([program, *args], cwd=self.store.folder.path, env=self.store.env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_it_says_what_the_other_one_says(self):
        for args in (["ls", "-v"], ["diff", "web-01"], ["history"], ["show", "web-01", "-v"], ["replay", "host.trace", "--set", "monitor.settle=1s"],
                     ["ls", "--json"], ["store", "check"], ["record"], ["bad"]):
            self.assertEqual(self.said(self.ALONE, *args), self.said(ABIDRIFT, *args), args)

    def test_what_it_leaves_out_is_not_told_to_be_unknown(self):
        for verb in ("run", "alert", "serve"):
            code, out, err = self.said(self.ALONE, verb)
            self.assertEqual((code, out), (2, ""))
            self.assertRegex(err, rf"^abidrift: {verb}: not in this build, .*\n$")
        self.assertIn("there is no verb", self.said(self.ALONE, "ruin")[2])

    @unittest.skipUnless(os.geteuid() == 0, "needs root, for chroot")
    def test_it_runs_where_there_is_nothing_else(self):
        folder = Folder()
        self.addCleanup(folder.close)
        shutil.copy(self.ALONE, folder.file("abidrift"))
        shutil.copy(self.store.folder.file("host.trace"), folder.path)
        run = lambda *args: subprocess.run([shutil.which("chroot"), folder.path, "/abidrift", *args, "--store", "sqlite:/s.db"], env={}, capture_output=True, text=True, timeout=60)
        done = run("replay", "/host.trace", "--set", "monitor.settle=1s")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("sse4.2", done.stdout)
        self.assertIn("→", done.stdout)
        self.assertEqual(run("store", "check").returncode, 0)

    def test_record_and_replay_are_in_it(self):
        features = json.loads(self.said(self.ALONE, "version", "--json")[1])["features"]
        self.assertLessEqual({"record", "replay"}, set(features))
        self.assertFalse([f for f in features if f.startswith("sink.")])


@unittest.skipUnless(shutil.which("dpkg-buildpackage") and shutil.which("dh") and shutil.which("lintian"), "dpkg-dev, debhelper or lintian is not installed")
class Debian(unittest.TestCase):
    """The packages, made of what is built already. `make test-packages` builds them as they are built for others, and installs them."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.close)
        with open(os.path.join(ROOT, "packaging", "debian", "rules")) as f:
            where = re.search(r"(?m)^WHERE := (.*)", f.read())[1].split()
        Installed.make("install", cls.folder.file("installed"), *[w.removeprefix("prefix=") for w in where])
        done = subprocess.run([os.path.join(ROOT, "packaging", "make-deb"), cls.folder.file("deb"), cls.folder.file("installed")], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stdout[-3000:] + done.stderr[-3000:])
        cls.packages = {os.path.basename(p).split("_")[0]: p for p in done.stdout.split()}

    def test_the_changelog_is_of_this_version(self):
        version = re.search(r"(?m)^VERSION := (\S+)", open(os.path.join(ROOT, "Makefile")).read())[1]
        self.assertRegex(open(os.path.join(ROOT, "packaging", "debian", "changelog")).readline(), rf"^abidrift \({re.escape(version)}\) ")

    def test_lintian_has_nothing_to_say(self):
        done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", *self.packages.values()], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_packages_hold_what_make_install_brings(self):
        self.assertEqual(set(self.packages), {"abidrift", "abidrift-dashboards"})
        held = {}
        for name, path in self.packages.items():
            listed = subprocess.run(["dpkg-deb", "--contents", path], capture_output=True, text=True, check=True).stdout
            for line in listed.splitlines():
                mode, owner, _, _, _, file, *_ = line.split()
                self.assertEqual(owner, "root/root", line)
                if mode[0] != "d":
                    held[re.sub(r"\.gz$", "", file.removeprefix("./"))] = name
        installed = Installed.files(self.folder.file("installed"))
        # Debian has these of its own for each package.
        added = {f"usr/share/doc/{name}/{file}" for name in self.packages for file in ("changelog", "copyright")}
        self.assertEqual(sorted(set(held) - added), installed)
        self.assertEqual({f for f, name in held.items() if name == "abidrift-dashboards"} - added, {f for f in installed if f.startswith("usr/share/abidrift/dashboards/")})

    def test_settings_are_kept_units_started_and_nothing_left_behind(self):
        control = self.folder.file("control")
        subprocess.run(["dpkg-deb", "--control", self.packages["abidrift"], control], check=True)
        said = {name: open(os.path.join(control, name)).read() for name in os.listdir(control)}
        self.assertEqual(said["conffiles"].split(), ["/etc/abidrift/abidrift.conf"])
        for unit in Installed.units():
            name = unit.replace(".", r"\.")
            if "[Install]" in open(os.path.join(self.folder.file("installed"), "lib/systemd/system", unit)).read():
                self.assertRegex(said["postinst"], rf"deb-systemd-helper enable '{name}'")
            if unit.endswith(".service"):
                self.assertRegex(said["postinst"], rf"(?s)_dh_action=restart.*deb-systemd-invoke \$_dh_action .*'{name}'")
            else:
                self.assertNotRegex(said["postinst"], rf"_dh_action=restart.*\n.*'{name}'", "a restart would cut off who is connected")
            self.assertRegex(said["prerm"], rf"deb-systemd-invoke stop .*'{name}'")
        self.assertIn("abidrift.conf", said["postinst"])
        for name in ("postinst", "prerm", "postrm"):
            done = subprocess.run(["sh", "-n", os.path.join(control, name)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


if __name__ == "__main__":
    unittest.main()
