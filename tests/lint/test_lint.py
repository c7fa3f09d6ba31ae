# SPDX-License-Identifier: Apache-2.0
"""The tree's own rules (docs/architecture.md, folders): licences, ranks, purity, size of functions, calls and words that are banned,
and docs that name only what the program has. An exception stands in a table here, with its reason."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
ABIDRIFT = os.path.join(BUILD, "abidrift")

KERNEL_LICENCE = "GPL-2.0-only OR BSD-2-Clause"
LICENCE = "Apache-2.0"
# Data that tests compare byte for byte, and what has no place for a comment that a reader would want.
DATA_FOLDERS = ("tests/fuzz/corpus/",)
NO_LICENCE_LINE = ("README.md", ".gitignore", "*.fingerprint", "*.trace", "*.gz", "*.memory", "*.json")
# Their forms have no comments.
NO_LICENCE_LINE += ("packaging/debian/changelog", "packaging/debian/copyright", "packaging/debian/source/format")

# What each part of userspace may include beside itself. Data flows from left to right; nobody looks back, or across.
LOW = ("observe", "base", "stream")
PURE = LOW + ("abi", "fingerprint", "drift")
ROOMS = {
    "base": ("observe",),
    "stream": ("observe", "base"),
    "collect": LOW,
    "abi": LOW,
    "fingerprint": LOW + ("abi",),
    "drift": LOW + ("abi", "fingerprint"),
    "store": PURE,
    "notify": PURE + ("store",),
    "serve": PURE + ("store",),
    "collector": LOW + ("collect", "sandbox"),
    "alert": PURE + ("store",),
    "blind": PURE + ("store", "alert"),
    "watch": PURE + ("store", "blind"),
    "maintenance": PURE + ("store", "alert"),
    "judge": PURE + ("store", "alert", "blind", "maintenance", "lives"),
    "lives": PURE + ("store",),
    "skips": ("base", "stream"),
    "status": PURE,
    "sandbox_filter": (),
    "sandbox_calls": ("base", "sandbox_filter"),
    "sandbox_landlock": ("base",),
    "sandbox": ("base", "sandbox_calls", "sandbox_landlock"),
    "keeper": PURE + ("store", "blind"),
    "analyst": PURE + ("store", "alert", "blind", "judge", "maintenance", "lives", "skips", "status"),
    "messenger": PURE + ("store", "notify", "serve", "watch"),
    "commands": PURE + ("store", "notify", "serve", "collect", "collector", "judge", "alert", "maintenance", "analyst", "messenger", "sandbox", "keeper"),
    "main": PURE + ("store", "commands"),
}
# Libraries' headers and where they belong.
LIBRARY_HEADERS = (
    ("libbpf", re.compile(r"^<bpf/"), ("userspace/collect/",)),
    ("SQLite", re.compile(r"^<sqlite3\.h>"), ("userspace/store/",)),
    ("sockets", re.compile(r"^<(sys/socket|sys/un|netinet/.*|arpa/.*|netdb|linux/netlink|curl/.*|microhttpd)(\.h)?>"), (
        "userspace/serve/", "userspace/notify/", "userspace/commands/supervise.c",
        "userspace/commands/attendants.c",  # the pairs that the messenger talks over with its keeper and runner
        "userspace/collect/reader.c",  # talks with the process that reads guests' memory, over a pair that it makes
        "userspace/collect/output.c",  # accepts the analyst on the descriptor that it inherits
        "userspace/sandbox_calls.c",   # names the families that are refused
        "userspace/commands/prepare.c", "userspace/commands/service.", "userspace/commands/part_collector.c",  # make that descriptor, and connect it
        "userspace/store/forward.c",  # hangs up on the keeper
    )),
)
# The kernel side's other headers are between the programs and who loads them.
PRIVATE_KERNEL_HEADERS = ("userspace/collect/kernel_parts.h",)

# Name -> why nobody calls it. In the tests by what is written there, in userspace also by what the objects ask the linker for.
BANNED = {
    **dict.fromkeys(("strcpy", "strcat", "sprintf", "vsprintf", "gets", "wcscpy", "wcscat"), "knows no end of its room: snprintf, buffer_*"),
    **dict.fromkeys(("alloca", "strdupa", "strndupa"), "its room is easily wrong: snprintf, buffer_*, strdup"),
    **dict.fromkeys(("atoi", "atol", "atoll", "atof"), "tells no error: text_u64, strtol"),
    **dict.fromkeys(("strtok", "asctime", "ctime", "localtime", "gmtime", "readdir_r", "inet_ntoa"),
                    "answers in what all share: the one with _r, or inet_ntop"),
    **dict.fromkeys(("system", "popen", "wordexp", "execlp", "execvp", "execvpe", "posix_spawnp"), "a shell, or PATH, decides what runs: execve"),
    **dict.fromkeys(("mktemp", "tmpnam", "tempnam"), "another one may make that name first: mkstemp, O_EXCL"),
    **dict.fromkeys(("rand", "srand", "random", "srandom", "drand48", "lrand48"), "can be guessed: getrandom"),
    **dict.fromkeys(("gethostbyname", "gethostbyaddr", "getservbyname", "inet_addr"), "knows no IPv6 and no error: getaddrinfo"),
    **dict.fromkeys(("setjmp", "longjmp", "siglongjmp", "__sigsetjmp", "_setjmp"), "leaves without clearing up"),
    **dict.fromkeys(("dlopen", "dlsym"), "runs code that nobody linked"),
    **dict.fromkeys(("vfork",), "shares the parent's memory: fork"),
}
# A test's own arguments, and a library that stands before another one.
TESTS_MAY = ("atoi", "dlsym")
# By the symbol, in userspace: who may ask the kernel for what. Beside the rooms whose work it is, why.
PLACES_OF_CALLS = (
    ("sockets", ("socket", "connect", "bind", "listen", "accept", "accept4", "socketpair"), (
        "serve/", "notify/", "commands/",
        "collect/reader.o", "collect/output.o",  # see LIBRARY_HEADERS
    )),
    ("new processes", ("fork", "clone"), ("commands/", "notify/runner.o", "collect/reader.o", "collect/files.o")),
    ("new programs", ("execve", "execv", "execl", "execveat", "fexecve", "posix_spawn"), ("notify/runner.o",)),
    ("others' memory", ("process_vm_readv", "process_vm_writev", "ptrace"), ("collect/guest_memory.o",)),
)
LONGEST_FUNCTION = 80
# In pieces, so that this file does not hold them.
BANNED_WORDS = tuple(re.compile(p) for p in (
    "shared/" + "design", r"(?<![\w.])/" + r"work/", "deb\\." + "debian\\.org", r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX" + r"XX\b",
    r"\bFAC" + r"TS \d", r"\bINTER" + r"FACE\b(?! \()",
))
SLEEPS = {
    "tests/live/harness.py": (1, "wait_for: the one place that polls"),
    "tests/service/inside.py": (1, "wait_for: as that of harness.py, which is not there"),
    "tests/bench/system.py": (2, "measures over a time"),
    "tests/bench/density.py": (3, "measures over a time, once guests have rested"),
    "tests/bench/reach.py": (1, "measures over a time"),
    "tests/bench/reading_cost.c": (1, "ten readings a second"),
    "tests/fault/floods": (1, "each flood lasts a minute, and is measured over it"),
    "tests/replay/record-goldens": (1, "no test: records by hand; the recorder looks at a guest a little later than the monitor"),
    "tests/live/test_command.py": (3, "programs that hang, to be killed"),
    "tests/live/microvmm.c": (2, "a guest that is told to pause"),
    "tests/hosts/test_hosts.py": (5, "a shell within another host: polls with a bound; how long a recorded boot is left alone is what is tested"),
    "tests/hosts/guest.py": (1, "the same: the shell within another host polls with a bound"),
}

# What the pure rooms may ask of the libraries: computing and memory, nothing of the world.
PURE_SYMBOLS = re.compile(
    r"^(mem\w+|str(?!ftime|ptime)\w+|__(mem|str)\w+_chk|v?s(n|)printf|__v?snprintf_chk|(__isoc\d+_)?sscanf|malloc|calloc|realloc|reallocarray|free|"
    r"qsort(_r)?|bsearch|abort|to(upper|lower)|__ctype_\w+|__errno_location|__assert_fail|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|"
    r"__\w+[sdt]i[234]|__(asan|ubsan)_\w+|json_\w+|EVP_\w+|compress2|compressBound|uncompress)$")
PURE_BUT_NOT = re.compile(r"^(json_(load|dump)(_file|f|fd|_callback)|trace_\w+|config_\w+)$")
# Kept between calls, and why that is no state.
PURE_VARIABLES = {
    # How often memory ran short: no result is made of it, only thrown away for it.
    "memory.o": ("shortages",),
    # The list of names that the program lends at its start (NULL = none), and lines of it that were asked for: the answer is the same without.
    "pci_names.o": ("ids_text", "ids_size", "ids_kept"),
}


def files():
    """What belongs to the repository: what git knows, and what it would take."""
    out = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                         capture_output=True, text=True)
    found = out.stdout.split("\n")
    if out.returncode:  # no clone: all that is here
        walk = ((folder, name) for folder, _, names in os.walk(ROOT) for name in names)
        found = [os.path.relpath(os.path.join(folder, name), ROOT) for folder, name in walk]
        found = [f for f in found if not f.startswith((".git/", "build/", "state/")) and "__pycache__" not in f]
    return [f for f in sorted(set(found)) if f and os.path.isfile(os.path.join(ROOT, f))]


def text(path):
    with open(os.path.join(ROOT, path), errors="replace") as f:
        return f.read()


def is_data(path):
    return path.startswith(DATA_FOLDERS) or any(re.fullmatch(p.replace(".", r"\.").replace("*", ".*"), os.path.basename(path)) for p in NO_LICENCE_LINE if "*" in p)


def code_of(source):
    """C without comments and the contents of strings; the lines stay."""
    def blank(m):
        return '""' if m[0][0] == '"' else "''" if m[0][0] == "'" else "\n" * m[0].count("\n") + " "
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, source, flags=re.S)


def c_files(*folders):
    return [f for f in files() if f.endswith((".c", ".h")) and f.startswith(folders)]


class Lint(unittest.TestCase):
    maxDiff = None

    def clean(self, found):
        if found:
            self.fail(f"{len(found)}:\n" + "\n".join(found))

    def test_every_source_file_names_its_licence(self):
        found = []
        for path in files():
            if is_data(path) or path in NO_LICENCE_LINE:
                continue
            kernel = path.startswith("bpf/") or path.endswith(".bpf.c")
            wanted = KERNEL_LICENCE if kernel else LICENCE
            m = re.search(r"SPDX-License-Identifier: ([^\n*]+?)\s*(\*/|-->|\n)", "\n".join(text(path).split("\n")[:4]) + "\n")
            if not m or m[1] != wanted:
                found.append(f"{path}:1: {'SPDX line missing' if not m else m[1]}, should be {wanted}")
        self.clean(found)

    def test_every_header_compiles_alone(self):
        if not shutil.which("gcc"):
            self.skipTest("gcc is not installed")
        found = []
        for path in c_files("bpf/", "userspace/"):
            # The BPF target's own: *.bpf.h is code for it, kvm_types.h stands for the kernel's headers there.
            if not path.endswith(".h") or path.endswith(".bpf.h") or path == "bpf/kvm_types.h":
                continue
            done = subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-I.", "-I" + os.environ.get("BUILD", "build"),
                                   "-D_GNU_SOURCE", "-x", "c", "-"],
                                  cwd=ROOT, input=f'#include "{path}"\n', capture_output=True, text=True)
            if done.returncode:
                found.append(f"{path}: " + next((line for line in done.stderr.split("\n") if "error" in line), done.stderr))
        self.clean(found)

    def includes(self, *folders):
        for path in c_files(*folders):
            for number, line in enumerate(text(path).split("\n"), 1):
                m = re.match(r'\s*#\s*include\s+(<[^>]+>|"[^"]+")', line)
                if m:
                    yield path, number, m[1]

    def test_nobody_includes_against_the_rank(self):
        found = []
        for path, number, what in self.includes("userspace/"):
            if what[0] == "<":
                continue
            what, parts = what[1:-1], path.split("/")
            room = parts[1] if len(parts) > 2 else os.path.splitext(parts[1])[0]
            if what in ("bpf/observe.h", "bpf/msr_identity.h", "bpf/nic_registers.h"):
                other = "observe"
            elif what.startswith("bpf/"):
                if path not in PRIVATE_KERNEL_HEADERS:
                    found.append(f"{path}:{number}: {what} is for {PRIVATE_KERNEL_HEADERS[0]}")
                continue
            elif what.startswith("userspace/"):
                parts = what.split("/")
                other = parts[1] if len(parts) > 2 else os.path.splitext(parts[1])[0]
            else:
                found.append(f"{path}:{number}: {what} is not named from the root of the tree")
                continue
            if room not in ROOMS:
                found.append(f"{path}:{number}: {room} has no rank")
            elif other != room and other not in ROOMS[room]:
                found.append(f"{path}:{number}: {room} may not include {what}")
        for path, number, what in self.includes("bpf/"):
            if "userspace/" in what:
                found.append(f"{path}:{number}: the kernel side knows nothing of {what}")
        self.clean(found)

    def test_a_library_is_used_in_its_room_only(self):
        self.clean([f"{path}:{number}: {name} ({what}) belongs to {' '.join(places)}"
                    for path, number, what in self.includes("userspace/") for name, header, places in LIBRARY_HEADERS
                    if header.match(what) and not path.startswith(places)])

    def test_no_function_is_longer_than_a_page(self):
        found = []
        for path in c_files("bpf/", "userspace/", "tests/"):
            lines, begin = text(path).split("\n"), None
            for number, line in enumerate(lines, 1):
                if line == "{":
                    begin = number
                elif line == "}" and begin:
                    size = number - begin + 1
                    # A comment in front of the function that says why it is long.
                    before = "\n".join(lines[max(0, begin - 12):begin])
                    if size > LONGEST_FUNCTION and not re.search(r"\*[^/]*\b(long|lines)\b", before):
                        found.append(f"{path}:{begin}: {size} lines")
                    begin = None
        self.clean(found)

    def test_banned_calls_are_absent(self):
        call = re.compile(r"(?<![\w.>])(?:__builtin_)?(" + "|".join(BANNED) + r")\s*\(")
        self.clean([f"{path}:{number}: {m[1]}: {BANNED[m[1]]}" for path in c_files("bpf/", "userspace/", "tests/")
                    for number, line in enumerate(code_of(text(path)).split("\n"), 1) for m in call.finditer(line)
                    if not (path.startswith("tests/") and m[1] in TESTS_MAY)])

    def test_banned_words_are_absent(self):
        self.clean([f"{path}:{number}: {m[0]}" for path in files() if not is_data(path)
                    for number, line in enumerate(text(path).split("\n"), 1) for word in BANNED_WORDS for m in word.finditer(line)])

    def test_tests_wait_for_conditions_and_do_not_sleep(self):
        sleep = re.compile(r"\btime\.sleep\(|\b(?:u|nano)?sleep\s*\(|\bu?sleep [\d.$]|\bEvent\(\)\.wait\(")
        found = []
        for path in files():
            if not path.startswith("tests/") or path.startswith("tests/lint/") or is_data(path):
                continue
            source = code_of(text(path)) if path.endswith((".c", ".h")) else text(path)
            hits = [n for n, line in enumerate(source.split("\n"), 1) if sleep.search(line)]
            allowed, reason = SLEEPS.get(path, (0, "wait for a condition: harness.wait_for"))
            if len(hits) > allowed:
                found.append(f"{path}:{hits}: {allowed} allowed ({reason})")
        self.clean(found)


class Objects(unittest.TestCase):
    """The pure rooms as they were built. Bytes in, bytes out: no file, no clock, no process, no environment."""

    def objects(self):
        found = [o for room in ("abi", "fingerprint", "drift") for o in sorted(glob.glob(os.path.join(BUILD, "userspace", room, "*.o")))]
        if not found or not shutil.which("nm"):
            self.skipTest("nothing is built, or nm is not installed")
        # One whose source is gone was built once and is no part of anything.
        return [o for o in found if os.path.exists(os.path.join(ROOT, os.path.relpath(o, BUILD)[:-1] + "c"))]

    @staticmethod
    def nm(*args):
        return subprocess.run(["nm", *args], capture_output=True, text=True, check=True).stdout

    def asked(self, *objects):
        """(object, symbol) that each one leaves to the linker; of a checked or versioned one, its plain name."""
        for line in self.nm("-A", "-u", *objects).split("\n"):
            if line:
                o, name = line.rsplit(" U ", 1) if " U " in line else line.rsplit(" w ", 1)
                yield o.strip().rstrip(":"), re.sub(r"^(__isoc\d+_)?(?:__(\w+)_chk|(\w+))$", lambda m: m[2] or m[3], name.split("@")[0])

    def userspace(self):
        self.objects()
        found = sorted(glob.glob(os.path.join(BUILD, "userspace", "**", "*.o"), recursive=True))
        return [o for o in found if os.path.exists(os.path.join(ROOT, os.path.relpath(o, BUILD)[:-1] + "c"))]

    def banned(self, *objects):
        return [f"{os.path.relpath(o, BUILD)}: {name}: {BANNED[name]}" for o, name in self.asked(*objects) if name in BANNED]

    def test_no_object_asks_for_a_banned_call(self):
        self.assertEqual(self.banned(*self.userspace()), [])

    def test_a_banned_call_is_seen_in_an_object(self):
        """Also where a macro or the compiler's checked variants hide it."""
        self.objects()
        with tempfile.TemporaryDirectory() as folder:
            o = os.path.join(folder, "bad.o")
            subprocess.run(["gcc", "-O2", "-D_FORTIFY_SOURCE=2", "-x", "c", "-c", "-o", o, "-"], check=True, text=True, input="""
                #include <stdio.h>
                #include <stdlib.h>
                #include <string.h>
                #define hidden(to, from) strcat(to, from)
                char room[8];
                int bad(const char *text) { hidden(room, text); return sprintf(room, "%s%d", text, atoi(text)) + system(text); }
            """)
            self.assertEqual({line.split(": ")[1] for line in self.banned(o)} - {"strtol"}, {"strcat", "sprintf", "system"} | ({"atoi"} if "atoi" in self.nm("-u", o) else set()))

    def test_each_call_is_made_where_the_design_says(self):
        found = []
        for o, name in self.asked(*self.userspace()):
            where = os.path.relpath(o, os.path.join(BUILD, "userspace"))
            found += [f"{where}: {name}: {what} belong to {' '.join(places)}" for what, names, places in PLACES_OF_CALLS
                      if name in names and not where.startswith(places)]
        self.assertEqual(found, [])

    def test_pure_rooms_ask_nothing_of_the_world(self):
        own, found = set(), []
        for room in ("base", "stream", "abi", "fingerprint", "drift"):
            for o in glob.glob(os.path.join(BUILD, "userspace", room, "*.o")):
                own |= {line.split()[-1] for line in self.nm("--defined-only", "-g", o).split("\n") if line}
        for o in self.objects():
            for line in self.nm("-u", o).split("\n"):
                name = line.split()[-1].split("@")[0] if line else ""
                if name and ((name not in own and not PURE_SYMBOLS.match(name)) or PURE_BUT_NOT.match(name)):
                    found.append(f"{os.path.relpath(o, BUILD)[:-1]}c: {name}")
        self.assertEqual(found, [])

    def test_pure_rooms_keep_nothing_between_calls(self):
        if not shutil.which("objdump"):
            self.skipTest("objdump is not installed")
        found = []
        for o in self.objects():
            kept = PURE_VARIABLES.get(os.path.basename(o), ())
            for line in subprocess.run(["objdump", "-t", o], capture_output=True, text=True, check=True).stdout.split("\n"):
                m = re.match(r"[0-9a-f]+ .{6}O (\.data|\.bss|\.tbss|\.tdata|\*COM\*)\S*\t[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
                if m and ".rel.ro" not in line and not m[2].startswith(("__", ".L")) and m[2] not in kept:
                    found.append(f"{os.path.relpath(o, BUILD)[:-1]}c: {m[2]}")
        self.assertEqual(found, [])


class Docs(unittest.TestCase):
    """Docs name only what is there, and all that is promised."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(ABIDRIFT):
            raise unittest.SkipTest("build/abidrift is not built")
        cls.verbs = re.findall(r"^  ([a-z]+) ", cls.help("-h"), re.M)
        cls.options = {}
        for verb in cls.verbs:
            said = cls.help(verb, "-h")
            cls.options[verb] = set(re.findall(r"(?<!\S)(--[a-z][a-z-]*|-[a-zA-Z])(?=[ ,\n])", said.split("Options", 1)[1]))

    @staticmethod
    def help(*args):
        return subprocess.run([ABIDRIFT, *args], capture_output=True, text=True, check=True).stdout

    @staticmethod
    def pages():
        return [f for f in files() if f.endswith(".md")]

    @staticmethod
    def code(page):
        """(line number, code) of fenced and indented blocks, and of code within a sentence."""
        fenced = False
        for number, line in enumerate(text(page).split("\n"), 1):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            elif fenced or line.startswith(("    ", "\t")):
                yield number, line.strip()
            else:
                for inline in re.findall(r"`([^`]+)`", line):
                    yield number, inline

    def test_docs_show_only_verbs_and_options_that_exist(self):
        found = []
        for page in self.pages():
            for number, code in self.code(page):
                m = re.match(r"(?:[$#] )?(?:sudo )?(?:build/)?abidrift (-?[a-z][a-z-]*|-h)(?=\s|$)(.*)", code)
                if not m or m[1] == "-h":
                    continue
                if m[1] not in self.verbs:
                    found.append(f"{page}:{number}: there is no verb {m[1]}")
                    continue
                # What the description to the right of a synopsis says is no option; nor is what follows a pipe or a comment.
                used = re.split(r"\s{3,}(?=[a-z])|\s#|\s\|\s|[;>]", m[2])[0]
                for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z](?![\w-]))", used):
                    if option not in self.options[m[1]]:
                        found.append(f"{page}:{number}: abidrift {m[1]} has no option {option}")
        self.assertEqual(found, [])

    def test_the_interface_page_has_every_verb_and_setting(self):
        page = text("docs/interface.md")
        for verb in self.verbs:
            self.assertRegex(page, rf"(?m)^    abidrift {verb} ")
        told = {key: default.replace('""', "") for key, default in re.findall(r"(?m)^\| `([a-z]+\.[a-z_]+)` \| `([^`]+)` \|", page)}
        section, default, real = "", "", {}
        for line in self.help("run", "--print-config", "--config", "/dev/null").split("\n"):
            if line.startswith("["):
                section = line.strip("[]")
            elif line.startswith("# default: "):
                default = line[len("# default: "):]
            elif line == "# default:":
                default = ""
            elif "=" in line and not line.startswith("#"):
                real[f"{section}.{line.split('=')[0].strip()}"] = default
        self.assertEqual(told, real)

    def test_the_facets_page_has_every_facet(self):
        facets = re.findall(r"(?m)^(\w+) +(?:complete|witnessed|none) ", self.help("doctor"))
        self.assertTrue(facets)
        page = text("docs/facets.md")
        self.assertEqual([f for f in facets if f"`{f}`" not in page], [])

    def test_links_between_pages_lead_somewhere(self):
        found = []
        for page in self.pages():
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(page)):
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                    found.append(f"{page}: {target}")
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
