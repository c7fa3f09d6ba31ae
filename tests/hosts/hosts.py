# SPDX-License-Identifier: Apache-2.0
"""Stock Debian kernels as KVM hosts: each boots under QEMU's own emulation of an AMD processor with SVM, so that the host's kernel
can be another one without hardware to spare. What a host's job leaves in /out comes back as files, over a disk that the host writes a tar to."""
import functools
import glob
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
import unittest

from unpacked import unpacked

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
CACHE = os.environ.get("ABIDRIFT_CACHE", "/var/cache/abidrift-tests")
KERNELS = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
CPU = "EPYC"
BOOT_SECONDS = 400
DISK_BYTES = 512 << 20

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
while read -r m; do insmod $m || echo "HOST-NOTE insmod $m failed"; done < /modules
while read -r disk place options; do mkdir -p $place; mount -t ext4 -o $options $disk $place || echo "HOST-NOTE mount $place failed"; done < /disks
ip link set lo up 2>/dev/null
sh /job > /out/job.log 2>&1
echo "HOST-NOTE job exit $?"
cd /out && tar -cf /dev/vda . && sync && echo HOST-DONE
cut -d ' ' -f 2 /disks | tac | while read -r place; do umount $place || mount -o remount,ro $place; done
poweroff -f
"""


def fetch(version):
    """The unpacked kernel package of that series, or a skip with the reason why it cannot be had."""
    if shutil.which("qemu-system-x86_64") is None:
        raise unittest.SkipTest("qemu-system-x86_64 is not installed")
    return unpacked(f"kernel {version}", KERNELS[version], "linux-image-cloud-amd64", os.path.join(CACHE, f"kernel-{KERNELS[version]}"))


@functools.cache
def emulator():
    """What emulates hosts: QEMU 10.0 by its own loader, for that of Debian 12 ends by an assertion of its own under some guests; where it
    cannot be had, this machine's."""
    try:
        root = unpacked("QEMU 10.0", "trixie", "qemu-system-x86", os.path.join(CACHE, "qemu-root-trixie"), "whole")
    except unittest.SkipTest:
        return ["qemu-system-x86_64"]
    libraries_of = os.path.join(root, "usr", "lib", "x86_64-linux-gnu")
    command = [os.path.join(root, "usr", "lib64", "ld-linux-x86-64.so.2"), "--library-path", libraries_of, os.path.join(root, "usr", "bin", "qemu-system-x86_64")]
    if subprocess.run([*command, "--version"], capture_output=True).returncode:
        return ["qemu-system-x86_64"]
    return [*command, *(word for name in ("seabios", "qemu") for word in ("-L", os.path.join(root, "usr", "share", name)))]


def libraries(program):
    """What a dynamically linked program needs to run, its loader included."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+\.so[.\d]*)", out)))


def plain_module(path, folder):
    """A module as plain ELF in folder (newer kernels ship them compressed); returns its path."""
    name = re.sub(r"\.(xz)$", "", os.path.basename(path))
    target = os.path.join(folder, name)
    if path.endswith(".xz"):
        with lzma.open(path) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out)
    else:
        shutil.copy(path, target)
    return target


def modules(kernel, wanted, folder):
    """Copies modules and what they depend on; returns the order of loading."""
    known = {}
    for path in glob.glob(os.path.join(kernel, "**", "*.ko*"), recursive=True):
        known[re.sub(r"\.ko(\.xz)?$", "", os.path.basename(path)).replace("-", "_")] = path
    order = []

    def add(name):
        name = name.replace("-", "_")
        if name not in known or any(n == name for n, _ in order):
            return
        plain = plain_module(known[name], folder)
        with open(plain, "rb") as f:
            depends = re.search(rb"\0depends=([^\0]*)", f.read())
        for other in depends.group(1).decode().split(",") if depends else []:
            if other:
                add(other)
        if not any(n == name for n, _ in order):
            order.append((name, plain))
    for name in wanted:
        add(name)
    return [os.path.basename(path) for _, path in order]


def initramfs(kernel, target, programs=(), wanted=(), texts=(), files=(), parameters=()):
    """Packs busybox, programs with their libraries, modules (their order of loading in /modules, with `parameters` {module: its options}),
    texts {path: script} and files {path: path on this machine}."""
    tree = tempfile.mkdtemp(prefix="abidrift-host-")
    try:
        for name in ("bin", "proc", "sys", "dev", "tmp", "out", "lib/modules"):
            os.makedirs(os.path.join(tree, name))
        shutil.copy("/bin/busybox", os.path.join(tree, "bin", "busybox"))
        order = modules(kernel, wanted, os.path.join(tree, "lib/modules"))
        with open(os.path.join(tree, "modules"), "w") as f:
            for name in order:
                f.write(f"/lib/modules/{name} {dict(parameters).get(name[:-len('.ko')].replace('-', '_'), '')}\n")
        for program in programs:
            shutil.copy(program, os.path.join(tree, "bin"))
            for lib in libraries(program):
                place = tree + lib
                os.makedirs(os.path.dirname(place), exist_ok=True)
                shutil.copy(lib, place)
        for name, source in dict(files).items():
            os.makedirs(os.path.dirname(tree + name), exist_ok=True)
            shutil.copy(source, tree + name)
        for name, text in dict(texts).items():
            with open(tree + name, "w") as f:
                f.write(text)
            os.chmod(tree + name, 0o755)
        with open(target, "wb") as out:
            files = subprocess.Popen(["find", ".", "-print0"], cwd=tree, stdout=subprocess.PIPE)
            subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet"], cwd=tree, stdin=files.stdout, stdout=out, check=True)
            files.stdout.close()
            files.wait()
    finally:
        shutil.rmtree(tree)


def kernel_image(package):
    return next(path for where in (("boot", "vmlinuz-*"), ("usr", "lib", "modules", "*", "vmlinuz")) for path in glob.glob(os.path.join(package, *where)))


def kept(folder, left):
    """Keeps what a host left, {name: bytes}, as files."""
    os.makedirs(folder, exist_ok=True)
    for name, data in left.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


def read_tar(path):
    """{name: bytes} of the regular files in a tar that begins a disk."""
    with tarfile.open(path, "r|") as tar:
        return {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar if m.isreg()}


class EmulationEnded(AssertionError):
    """The emulation of a host ended by an assertion of its own, which says nothing of what runs in that host."""


def again(function, times=3):
    """What the function returns, where the emulation ends for the last of so many times only."""
    for _ in range(times - 1):
        try:
            return function()
        except EmulationEnded:
            pass
    return function()


class Disk:
    """An ext4 image that a host mounts at `place`. `kept`: what the host writes to it stays, and outlives the host; else it is thrown away."""
    def __init__(self, image, place, kept=False):
        self.image, self.place, self.kept = image, place, kept

    def drive(self):
        return ["-drive", f"file={self.image},format=raw,if=virtio" + ("" if self.kept else ",snapshot=on")]


class Children:
    """The hosts that run, for who has to end them all."""
    def __init__(self):
        self.lock, self.running, self.over = threading.Lock(), set(), False

    def begin(self, argv, **kw):
        with self.lock:
            if self.over:
                raise AssertionError("interrupted")
            # None outlives the tests, however they end.
            child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], **kw)
            self.running.add(child)
            return child

    def end(self, child):
        with self.lock:
            self.running.discard(child)
        if child.poll() is None:
            child.kill()
            child.wait()


CHILDREN = Children()


def end_all():
    """Ends all hosts, and lets none begin."""
    with CHILDREN.lock:
        CHILDREN.over = True
        for child in CHILDREN.running:
            child.kill()


def boot(version, job, programs=(), files=(), memory=1024, seconds=BOOT_SECONDS, disks=(), cpu=CPU, parameters=()):
    """Boots that kernel as a host, runs the job there (a shell script; what it leaves in /out comes back). Returns {file: bytes}.
    cpu: the host's processor; parameters: {module: "name=value …"}."""
    package = fetch(version)
    with tempfile.TemporaryDirectory(prefix="abidrift-host-") as folder:
        image, disk = os.path.join(folder, "initramfs"), os.path.join(folder, "disk")
        with open(disk, "wb") as f:
            f.truncate(DISK_BYTES)
        places = "".join(f"/dev/vd{chr(ord('b') + n)} {d.place} rw\n" for n, d in enumerate(disks))
        initramfs(package, image, programs, ("kvm", "kvm-amd", "virtio_pci", "virtio_blk"), {"/init": INIT, "/job": job, "/disks": places}, files, parameters)
        # no_timer_check: Linux counts ticks as it boots, and panics where this machine was too busy to let them come.
        # Without cx16: QEMU 7.2's emulation corrupts flags after cmpxchg16b.
        # To a file beside the disk: who waits can read along.
        console = os.path.join(folder, "console")
        with open(console, "wb") as f:
            child = CHILDREN.begin(
                [*emulator(), "-M", "q35", "-accel", "tcg", "-cpu", f"{cpu},-cx16", "-m", str(memory), "-nodefaults", "-display", "none", "-serial", "stdio",
                 "-drive", f"file={disk},format=raw,if=virtio", *(word for d in disks for word in d.drive()), "-no-reboot", "-kernel", kernel_image(package),
                 "-initrd", image, "-append", "console=ttyS0 quiet panic=-1 no_timer_check"],
                stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)
        ended = ""
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            ended = f"did not end within {seconds} s"
        finally:
            CHILDREN.end(child)
        with open(console, errors="replace") as f:
            text = f.read().replace("\r", "")
        if ended:
            raise AssertionError(f"host with kernel {version} {ended}:\n{text[-9000:]}")
        if "Bail out! ERROR:" in text and "HOST-DONE" not in text:
            raise EmulationEnded(re.search("Bail out! (.*)", text).group(1))
        if "HOST-DONE" not in text:
            raise AssertionError(f"host with kernel {version} ended early:\n{text[-2000:]}")
        found = read_tar(disk)
    found["notes"] = "\n".join(re.findall(r"HOST-NOTE .*", text)).encode()
    return found


# The base image as root; each VMM has its own root below, and /tmp is the same place for all.
INSIDE = """
hostname host
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmp /base/tmp
chmod 1777 /base/tmp
for d in dev proc sys out give; do mkdir -p /$d /base/$d; mount --rbind /$d /base/$d; done
for v in /base/vmm/*; do for d in dev proc; do mount --rbind /$d $v/$d; done; mount --bind /base/tmp $v/tmp; done
ABIDRIFT_SLOWER=2 PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot /base /usr/bin/python3 CHECKOUT/tests/hosts/SCRIPT /give/plan
"""


def inside(kernel, script, plan, vmms=(), state=None, files=(), memory=1536, root=None, **options):
    """Boots that kernel, and runs a Python script of this folder there, beside abidrift and all tests, with `plan` (JSON) as its argument.
    vmms: versions of QEMU, each a root at /vmm/VERSION; state: an image kept at /state, which outlives the host; files {name: path}: at
    /give/name; root: a base image (images.base) that is there already. Returns what the script left in /out."""
    import images  # needs this module
    vmm = {v: images.vmm(v) for v in vmms}
    with tempfile.TemporaryDirectory(prefix="abidrift-host-") as folder:
        base, written = root or os.path.join(folder, "base"), os.path.join(folder, "plan")
        if not root:
            images.base(base)
        with open(written, "w") as f:
            json.dump(plan, f)
        disks = [Disk(base, "/base"), *(Disk(image, f"/base/vmm/{v}") for v, image in vmm.items()), *([Disk(state, "/base/state", kept=True)] if state else [])]
        given = {f"/give/{name}": path for name, path in {**dict(files), "plan": written}.items()}
        found = boot(kernel, INSIDE.replace("CHECKOUT", images.CHECKOUT).replace("SCRIPT", script), (), given, memory, disks=disks, **options)
    if b"HOST-NOTE job exit 0" not in found["notes"]:
        logs = "\n".join(f"{n}:\n{found[n].decode(errors='replace')[-3000:]}" for n in sorted(found) if n.endswith(".log"))
        raise AssertionError(f"{script} failed in the host with kernel {kernel}:\n{found['notes'].decode(errors='replace')}\n{logs}")
    return found
