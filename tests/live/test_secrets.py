# SPDX-License-Identifier: Apache-2.0
"""What abidrift keeps and tells of a guest is read by more people than the guest's own passwords may be. So each secret of a real
guest's command line, tables and environment is a marker here, which must be nowhere: no trace, store, alert, answer or log."""
import base64
import hashlib
import os
import struct
import unittest
import uuid

from harness import ABIDRIFT, Live, abidrift, wait_for
from test_http import Server

SHOWN = "no-secret-of-anybody"


class Secrets:
    """A set of secrets, and the arguments of QEMU that hold them."""
    def __init__(self, folder, tag):
        self.folder, self.tag, self.names = folder, tag, []

    def new(self, name, size=0):
        marker = f"M4rk{self.tag}{name}".ljust(size, "z")
        self.names.append(marker)
        return marker

    def file(self, name, content):
        """The same path in each life: only what is in it is another."""
        path = self.folder.file(name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def kernel(self):
        """Enough of a Linux kernel (Documentation/arch/x86/boot) for QEMU to hand it a command line; it halts."""
        image = bytearray(4096)
        image[0x1f1] = 1
        image[0x1fe:0x200] = b"\x55\xaa"
        image[0x200:0x202] = b"\xeb\x66"
        image[0x202:0x206] = b"HdrS"
        image[0x206:0x208] = struct.pack("<H", 0x206)
        image[0x211] = 1
        image[0x238:0x23c] = struct.pack("<I", 2047)
        image[0x268:0x26c] = b"\xfa\xf4\xeb\xfd"
        return self.file("kernel", bytes(image))

    def arguments(self):
        new = self.new
        licence = struct.pack("<5I", 1, 0, 1, 0, 29) + new("licence", 29).encode()
        return [
            "-object", f"secret,id=s0,data={new('plain')}",
            "--object", f"secret,data={new('comma')},,x,id=s1,format=raw",
            "-object", f'{{"qom-type":"secret","id":"s2","data":"{new("json")}"}}',
            "-object", f"{{'qom-type':'secret','id':'s3','data':'{new('quote')}'}}",
            "-object", f'{{"qom-type":"secret","id":"s4","d\\u0061ta":"{new("escaped")}"}}',
            "-object", f"secret,id=s5,file={self.file('s5', new('file').encode())}",
            "-object", f"secret,id=s6,format=base64,data={base64.b64encode(new('base64').encode()).decode()}",
            "-fw_cfg", f"name=opt/org.example/token,string={new('fwcfg')}",
            "-fw_cfg", f"name=opt/org.example/file,file={self.file('fw', new('fwfile').encode())}",
            "-smbios", f"type=11,value={SHOWN},value=io.systemd.credential:a={new('credential')},value=io.systemd.credential.binary:b={new('binary')}",
            "-smbios", f"type=1,serial=ds=nocloud;s=http://user:{new('seed')}@h/",
            "-kernel", self.kernel(), "-append", f"root=/dev/sda luks={new('append')} {new('word')}",
            "-acpitable", f"sig=MSDM,data={self.file('msdm', licence)}",
            "-device", f"isa-applesmc,osk={new('osk', 64)}",
            "-readconfig", self.file("config", f'[memory]\n  size = "256M"\n# {new("config")}\n'.encode()),
        ]

    def environment(self):
        return {"DISK_PASSWORD": self.new("environment")}

    def forms(self):
        """{what it is: bytes} that must not be found: the secrets, and what gives a short one away."""
        found = {}
        for name in self.names:
            raw = name.encode()
            found[name] = raw
            for shift in range(3):
                # Without its ends, which depend on what stands beside it.
                found[f"base64 of {name}, {shift}"] = base64.b64encode(b"\0" * shift + raw)[4:-4]
            found[f"hex of {name}"] = raw.hex().encode()
            for algorithm in ("sha256", "sha1", "md5"):
                for text in (raw, b"io.systemd.credential:a=" + raw, b"io.systemd.credential.binary:b=" + raw):
                    digest = hashlib.new(algorithm, text).digest()
                    found[f"{algorithm} of {text}"] = digest
                    found[f"{algorithm} of {text} in hex"] = digest.hex().encode()
        return found


class Leaks(Live):
    def guest(self, secrets, *more):
        return self.qemu("q35", *secrets.arguments(), *more, name="keeper-of-secrets", guest_uuid=self.uuid, extra_env=secrets.environment())

    def record(self):
        path = self.folder.file("t.trace")
        recording = self.process([ABIDRIFT, "record", "-o", path, "--guest", self.uuid])
        recording.wait_line("recording into")
        return recording, path

    def places(self, monitor, trace):
        """{where: bytes} of all that is kept or told."""
        found = {"trace": open(trace, "rb").read(), "standard output": "\n".join(monitor.out).encode(), "standard error": "\n".join(monitor.err).encode()}
        state = os.path.dirname(monitor.store.split(":", 1)[1])
        for name in os.listdir(state):
            with open(os.path.join(state, name), "rb") as f:
                found[name] = f.read()
        for verb in ("show", "diff", "history"):
            for form in ([], ["--json"]):
                found[f"{verb} {form}"] = abidrift(verb, self.uuid, *form, store=monitor.store, ok=(0, 1, 3)).stdout.encode()
        replayed = self.folder.file("replayed.db")
        abidrift("replay", trace, store="sqlite:" + replayed, ok=(0, 1, 3))
        found["store of a replay"] = open(replayed, "rb").read()
        server = Server(monitor.store, "unix:" + self.folder.file("http.sock"))
        self.addCleanup(server.stop)
        for path in ("/metrics", "/api/v1/guests", f"/api/v1/guests/{self.uuid}", f"/api/v1/diff?from={self.uuid}", f"/api/v1/history?guest={self.uuid}"):
            answer = server.ask(path)
            self.assertEqual(answer.status, 200, path)
            found[path] = answer.body
        return found

    def test_no_secret_of_a_guest_is_kept_or_told_anywhere(self):
        self.uuid = str(uuid.uuid4())
        first, second = Secrets(self.folder, "First"), Secrets(self.folder, "Second")
        monitor = self.monitor()
        guest = self.guest(first)
        monitor.settled(self.uuid)
        guest.stop()
        monitor.gone(self.uuid)
        # The next life has other secrets, and one device more: of which only that is drift.
        recording, trace = self.record()
        guest = self.guest(second, "-device", "virtio-rng-pci,addr=9")
        monitor.settled(self.uuid, boot=2)
        wait_for("the alert", lambda: [a for a in monitor.alerts(self.uuid) if a["type"] == "drift"])
        changes = monitor.changes(self.uuid)
        self.assertIn(("pci", "0000:00:09.0/id"), changes)
        self.assertEqual([k for k in changes if k[0] in ("identity", "smbios", "firmware") or "MSDM" in k[1]], [])
        self.assertEqual(recording.stop(), 0)
        places = self.places(monitor, trace)
        # They would be found: what stands beside them is.
        for where in ("trace", "store of a replay", "show ['--json']"):
            self.assertIn(SHOWN.encode(), places[where], where)
            self.assertIn(b"io.systemd.credential:a=<removed>", places[where], where)
        self.assertIn(b"secret,id=s0,data=<removed>", places["trace"])
        self.assertIn(b"MSDM", places["trace"])
        self.assertGreater(len(first.names), 15)
        for secrets in (first, second):
            for what, text in secrets.forms().items():
                self.assertEqual([where for where, content in places.items() if text in content], [], what)


if __name__ == "__main__":
    unittest.main()
