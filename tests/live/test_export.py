# SPDX-License-Identifier: Apache-2.0
"""The archive for an incident review: whole, verifiable, the same from the verb and over HTTP, and its raw tables are what others' tools
read. On stores made from traces: no root, no KVM; a real guest with several vCPUs and nodes needs both."""
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import re
import struct
import subprocess
import tempfile
import unittest
import urllib.parse

import dmi
from harness import ABIDRIFT, ROOT, SETTLE, Process
from test_cli import LEAVES_MORE, OTHER, QUICK, UUID, Cli, drifted
from traces import ACPI, CPUID, MEMORY, RSDP, SMBIOS, SMBIOS_ENTRY, SMBIOS_TABLE, TABLE, Reader, Trace, life, read_memory, without

GOLDEN = os.path.join(ROOT, "tests", "replay", "q35.trace.gz")
NAMED = "golden-q35"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Exported(Cli):
    replay_code = 1

    def unpack(self, path):
        """The folder that the archive has, unpacked by tar."""
        place = tempfile.mkdtemp(dir=self.folder.path)
        done = subprocess.run(["tar", "--zstd", "-xf", path, "-C", place], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        top, = os.listdir(place)
        return os.path.join(place, top)

    def export(self, guest, *args, name="x.tar.zst"):
        path = self.folder.file(name)
        self.run_it("export", guest, "-o", path, *args)
        return self.unpack(path)

    def read(self, folder, *name):
        with open(os.path.join(folder, *name), "rb") as f:
            return f.read()

    def paths(self, folder):
        return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)

    def manifest(self, folder):
        return json.loads(self.read(folder, "manifest.json"))

    @contextlib.contextmanager
    def served(self):
        server = Process([ABIDRIFT, "serve", "--listen", "127.0.0.1:0"], env=self.env)
        try:
            yield urllib.parse.urlsplit(server.wait_line("listening on").split("listening on ")[1])
        finally:
            server.stop()

    def get(self, at, path, **headers):
        with contextlib.closing(http.client.HTTPConnection(at.hostname, at.port, timeout=30)) as c:
            c.request("GET", path, headers=headers)
            r = c.getresponse()
            return r.status, r.headers, r.read()


class Drifted(Exported):
    """web-1 lost SSE4.2 at its second start."""
    def setUp(self):
        super().setUp()
        self.env["ABIDRIFT_STORE"] = self.store(drifted())

    def test_every_file_is_listed_with_the_digest_that_it_has(self):
        folder = self.export("web-1")
        self.assertEqual(os.path.basename(folder), "abidrift-web-1")
        manifest = self.manifest(folder)
        paths = self.paths(folder)
        self.assertEqual(sorted([f["path"] for f in manifest["files"]] + ["SHA256SUMS", "manifest.json"]), paths)
        for f in manifest["files"]:
            data = self.read(folder, f["path"])
            self.assertEqual((f["bytes"], f["digest"]), (len(data), "sha256:" + sha256(data)), f["path"])
            self.assertTrue(f["what"], f["path"])
        done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(": OK\n"), len(paths) - 1)
        web = [g for g in self.json("ls")["guests"] if g["name"] == "web-1"][0]
        self.assertEqual(manifest["guest"], {"id": UUID, "uuid": UUID, "name": "web-1"})
        self.assertEqual((manifest["format"], manifest["hosts"], manifest["revisions"]), (1, ["testhost"], [1, 2]))
        self.assertEqual((manifest["baseline"], manifest["current"]), (web["baseline"], web["current"]))
        self.assertIn("secrets", [left["what"] for left in manifest["left_out"]])

    def test_texts_and_models_are_what_the_verbs_print(self):
        folder = self.export("web-1")
        for name, args, code in (("show", ["show", UUID], 0), ("history", ["history", UUID], 0), ("diffs/baseline-now", ["diff", UUID], 1),
                                 ("diffs/1-2", ["diff", UUID + "@1", UUID + "@2"], 1), ("revisions/2/show", ["show", UUID + "@2"], 0)):
            self.assertEqual(self.read(folder, name + ".json"), self.run_it(*args, "--json", code=code).stdout, name)
            if not name.startswith("revisions"):
                self.assertEqual(self.read(folder, name + ".txt"), self.run_it(*args, "--color", "never", code=code).stdout, name)
        for n in "12":
            text = self.read(folder, "revisions", n, "fingerprint.txt")
            self.assertEqual(text, self.run_it("show", f"{UUID}@{n}", "--fingerprint").stdout)
            shown = json.loads(self.read(folder, "revisions", n, "show.json"))
            for facet in shown["facets"]:
                lines = b"".join(line for line in text.splitlines(True) if line.startswith(facet["facet"].encode() + b" "))
                self.assertEqual(facet["digest"], "sha256:" + sha256(lines) if lines else None, facet["facet"])
            self.assertEqual(json.loads(self.read(folder, "revisions", n, "context.json")), shown["context"])
        self.assertEqual([g["id"] for g in json.loads(self.read(folder, "guest.json"))["guests"]], [UUID])

    def test_the_same_bytes_every_time_and_over_http(self):
        first = self.folder.file("a")
        piped = subprocess.run([ABIDRIFT, "export", "web-1", "-q", "-o", "-"], stdout=subprocess.PIPE, check=True, env=self.env).stdout
        said = self.json("export", "web-1", "-o", first)
        with open(first, "rb") as f:
            data = f.read()
        self.assertEqual(data, piped)
        self.assertEqual(said, {"path": first, "bytes": len(data), "digest": "sha256:" + sha256(data), "files": len(self.paths(self.unpack(first)))})
        with self.served() as at:
            for _ in range(2):
                status, headers, body = self.get(at, f"/api/v1/guests/{UUID}/export", **{"Accept-Encoding": "gzip"})
                self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]), (200, "application/zstd", None))
                self.assertEqual(headers["Content-Disposition"], 'attachment; filename="abidrift-web-1.tar.zst"')
                self.assertEqual(body, data)
            self.assertEqual(self.get(at, f"/api/v1/guests/{UUID}/export", **{"If-None-Match": headers["ETag"]})[0], 304)
            self.assertEqual(self.get(at, "/api/v1/guests/nobody/export")[0], 404)
            self.assertEqual(self.get(at, f"/api/v1/guests/{UUID}/export?x=1")[0], 400)

    def test_times_are_the_stores_own(self):
        folder = self.export("web-1")
        manifest = self.manifest(folder)
        newest = max(e["at"] for e in json.loads(self.read(folder, "history.json"))["events"])
        self.assertGreaterEqual(manifest["as_of"], newest)
        at = json.loads(self.read(folder, "revisions", "1", "show.json"))["at"]
        listed = subprocess.run(["tar", "--zstd", "--numeric-owner", "--utc", "--full-time", "-tvf", self.folder.file("x.tar.zst")], capture_output=True, text=True).stdout
        self.assertEqual([line.split()[5] for line in listed.splitlines()], sorted(line.split()[5] for line in listed.splitlines()))
        for line in listed.splitlines():
            mode, owner, _, day, time, path = line.split(maxsplit=5)
            self.assertEqual((mode, owner), ("-rw-r--r--", "0/0"))
            self.assertEqual(f"{day}T{time}", (at if "/revisions/1/" in path else manifest["as_of"])[:19], path)

    def test_a_file_is_whole_or_not_there(self):
        path = self.folder.file("web.tar.zst")
        self.run_it("export", "web-1", "-o", path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            before = f.read()
        self.run_it("export", "db-1", "-o", path)
        with open(path, "rb") as f:
            self.assertNotEqual(f.read(), before)
        files = sorted(os.listdir(self.folder.path))
        self.assertIn("No space left", self.error("export", "web-1", "-o", "/dev/full"))
        self.assertIn("No such file", self.error("export", "web-1", "-o", self.folder.file("no/web")))
        self.assertIn("no guest is known as nobody", self.error("export", "nobody", "-o", path))
        self.assertIn("ambiguous", self.error("export", "1111", "-o", path))
        self.assertIn("-o FILE", self.error("export", "web-1"))
        self.assertIn("Is a directory", self.error("export", "web-1", "-o", self.folder.path))
        self.assertEqual(sorted(os.listdir(self.folder.path)), files)

    def test_standard_output_that_is_full_or_a_terminal(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([ABIDRIFT, "export", "web-1", "-o", "-"], stdout=full, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (2, 1))
        ours, theirs = os.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, ours)
            stack.callback(os.close, theirs)
            done = subprocess.run([ABIDRIFT, "export", "web-1", "-o", "-"], stdout=theirs, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"terminal", done.stderr)


class Tables(Exported):
    """A guest as a real host saw it: what is exported is what was read, in the forms that others' tools read."""
    def setUp(self):
        super().setUp()
        self.trace_path = self.folder.file("golden.trace")
        with gzip.open(GOLDEN) as f, open(self.trace_path, "wb") as out:
            out.write(f.read())
        self.env["ABIDRIFT_STORE"] = "sqlite:" + self.folder.file("s.db")
        self.run_it("replay", self.trace_path, "--store", self.env["ABIDRIFT_STORE"], *SETTLE, code=1)
        self.guest, = self.json("ls")["guests"]
        self.top = self.export(NAMED)

    def recorded(self):
        """Of each boot: {vCPU: table}, and the parts of each area that were read last."""
        boots = []
        for kind, vm, boot, body in Reader(self.trace_path).read():
            if kind == CPUID:
                vcpu, _, count, _ = struct.unpack_from("<IIII", body)
                table = [struct.unpack_from("<7I", body, 16 + 28 * i) for i in range(count)]
                yield "cpuid", (vm, boot), vcpu, table
            elif kind == MEMORY:
                area, _, parts = read_memory(body)
                yield "memory", (vm, boot), area, parts

    def test_cpuid_is_every_register_of_every_vcpu(self):
        tables = [(vcpu, sorted((f, i if flags & 1 else 0, *regs) for f, i, flags, *regs in table)) for what, _, vcpu, table in self.recorded() if what == "cpuid"]
        for n in ("1", "2"):
            path = os.path.join(self.top, "revisions", n, "cpuid.raw")
            found, vcpu = [], None
            for line in self.read(path).decode().splitlines():
                if m := re.fullmatch(r"CPU (\d+):", line):
                    found.append((int(m[1]), []))
                else:
                    m = re.fullmatch(r"   0x(\w{8}) 0x(\w{2}): eax=0x(\w{8}) ebx=0x(\w{8}) ecx=0x(\w{8}) edx=0x(\w{8})", line)
                    found[-1][1].append(tuple(int(x, 16) for x in m.groups()))
            self.assertTrue(found)
            for one in found:
                self.assertIn(one, tables)
            # cpuid's own reader takes it for what it is: the same lines come back.
            raw = subprocess.run(["cpuid", "-r", "-f", path], capture_output=True, text=True).stdout
            self.assertEqual(raw.splitlines(), self.read(path).decode().splitlines())
            said = subprocess.run(["cpuid", "-f", path], capture_output=True, text=True).stdout
            self.assertIn('vendor_id = "AuthenticAMD"', said)

    def test_acpi_is_every_table_byte_for_byte_and_iasl_reads_it(self):
        parts = {bytes(data) for what, _, area, items in self.recorded() if what == "memory" and area == ACPI for _, kind, data in items if kind in (RSDP, TABLE)}
        for n in ("1", "2"):
            folder = os.path.join(self.top, "revisions", n, "acpi")
            names = sorted(os.listdir(folder))
            self.assertTrue({"rsdp.dat", "dsdt.dat", "facp.dat", "facs.dat", "apic.dat"} <= set(names))
            for name in names:
                data = self.read(folder, name)
                self.assertIn(data, parts, name)
                if name != "rsdp.dat":
                    self.assertTrue(data[:4].decode().lower() == re.sub(r"\d*\.dat", "", name))
                    done = subprocess.run(["iasl", "-d", os.path.join(folder, name)], capture_output=True, text=True)
                    self.assertTrue(os.path.exists(os.path.join(folder, name[:-4] + ".dsl")), name + done.stdout + done.stderr)
            with open(os.path.join(folder, "dsdt.dsl")) as f:
                self.assertIn("DefinitionBlock", f.read())

    def test_smbios_is_what_dmidecode_reads(self):
        shown = json.loads(self.read(self.top, "revisions", "2", "show.json"))
        values = {e["key"]: e["value"] for f in shown["facets"] if f["facet"] == "smbios" for e in f["entries"]}
        path = os.path.join(self.top, "revisions", "2", "smbios.bin")
        done = subprocess.run(["dmidecode", "--from-dump", path], capture_output=True, text=True)
        self.assertNotIn("checksum", done.stdout + done.stderr)
        for key, label in (("type1.0/product_name", "Product Name"), ("type1.0/manufacturer", "Manufacturer"), ("type0.0/version", "Version")):
            self.assertIn(f"{label}: {values[key]}", done.stdout)
        table, = {bytes(data) for what, _, area, items in self.recorded() if what == "memory" and area == SMBIOS for _, kind, data in items
                  if kind == SMBIOS_TABLE} & {self.read(path)[32:]}
        self.assertTrue(table)

    def test_memory_and_firmware_are_what_the_fingerprint_says(self):
        text = self.read(self.top, "revisions", "2", "fingerprint.txt").decode()
        roms = json.loads(self.read(self.top, "revisions", "2", "firmware.json"))["roms"]
        self.assertTrue(roms)
        for rom in roms:
            self.assertIn(f"firmware rom/{rom['address']} ", text)
            self.assertIn(rom["digest"][7:], text)
        memory = json.loads(self.read(self.top, "revisions", "2", "memory.json"))
        self.assertTrue(memory["complete"])
        self.assertIn("0x0000000000000000", [s["address"] for s in memory["slots"]])


if __name__ == "__main__":
    unittest.main()
