# SPDX-License-Identifier: Apache-2.0
"""Disks for hosts: a root with Python, abidrift and the tests, so that a host runs what this machine runs; and each QEMU with all that it
needs, down to the C library, as a root of its own."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import hosts
from unpacked import alone

sys.path.insert(0, os.path.join(hosts.ROOT, "tests", "upgrade"))
sys.path.insert(0, os.path.join(hosts.ROOT, "tests", "live"))
import upgrade  # noqa: E402

PYTHON = "/usr/bin/python3"
PROGRAMS = [PYTHON, os.path.join(hosts.BUILD, "abidrift"), os.path.join(hosts.BUILD, "tests", "live", "microvmm")]
CHECKOUT = "/checkout"
# Of Python's library: nothing that opens windows, tests itself or compiles.
LEFT_OUT = shutil.ignore_patterns("test", "tests", "idlelib", "lib2to3", "ensurepip", "distutils", "pydoc_data", "turtle*", "tkinter", "config-*",
                                  "dist-packages")
ACCOUNTS = {"/etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
            "/etc/machine-id": "0a6b1d1c5e1f4f0c9d4f4d6a7e0b1c2d\n", "/etc/hosts": "127.0.0.1 localhost host\n"}
FIRMWARE = ("/usr/share/ovmf/OVMF.fd",)


def place(tree, path, source=None, follow=True):
    """Copies a file of this machine into the tree."""
    target = tree + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source or path, target, follow_symlinks=follow)


def ext4(target, tree=None, megabytes=None):
    """An ext4 image, of that tree where there is one. Whole or not at all: others may read the same one."""
    megabytes = megabytes or int(subprocess.run(["du", "-sm", tree], capture_output=True, text=True, check=True).stdout.split()[0]) * 5 // 4 + 32
    part = f"{target}.{os.getpid()}"
    with open(part, "wb") as f:
        f.truncate(megabytes << 20)
    done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", *(["-d", tree] if tree else []), part], capture_output=True, text=True)
    if done.returncode:
        os.unlink(part)
        raise AssertionError(f"mke2fs: {done.stderr}")
    os.rename(part, target)


def vmm(version):
    """QEMU of that version as an image, made once and kept; a skip where it cannot be had."""
    folder = upgrade.root(version)
    image = os.path.join(hosts.CACHE, f"qemu-{version}.ext4")
    mark = os.path.join(folder, ".unpacked")
    with alone(image):
        if not os.path.exists(image) or os.path.getmtime(image) < os.path.getmtime(mark):
            for part in glob.glob(f"{image}.[0-9]*"):  # of who was ended while making one
                os.unlink(part)
            ext4(image, folder)
    return image


def base(target):
    """A root: Python, busybox, abidrift, the micro-VMM, this checkout's tests, firmware. Python is compiled: an emulated host is slow."""
    stdlib = subprocess.run([PYTHON, "-c", "import sysconfig; print(sysconfig.get_paths()['stdlib'])"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="abidrift-host-") as tree:
        for name in ("bin", "proc", "sys", "dev", "tmp", "out", "state", "run", "vmm", "etc", "var/lib"):
            os.makedirs(os.path.join(tree, name))
        os.chmod(tree, 0o755)
        place(tree, "/bin/busybox")
        for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                os.symlink("busybox", f"{tree}/bin/{applet}")
        shutil.copytree(stdlib, tree + stdlib, ignore=LEFT_OUT)
        place(tree, PYTHON)
        for program in PROGRAMS[1:]:
            place(tree, CHECKOUT + program[len(hosts.ROOT):] if program.startswith(hosts.ROOT) else CHECKOUT + "/build" + program[len(hosts.BUILD):], program)
        for binary in [*PROGRAMS, *glob.glob(f"{stdlib}/lib-dynload/*.so")]:
            for library in hosts.libraries(binary):
                if not os.path.exists(tree + library):
                    place(tree, library)
        shutil.copytree(os.path.join(hosts.ROOT, "tests"), f"{tree}{CHECKOUT}/tests", ignore=shutil.ignore_patterns("corpus", "__pycache__", "web", "stores", "goldens"))
        subprocess.run([PYTHON, "-m", "compileall", "-q", "-s", tree, "--invalidation-mode", "unchecked-hash", f"{tree}{CHECKOUT}/tests"], check=True)
        for path in FIRMWARE:
            if os.path.exists(path):
                place(tree, path)
        for path, text in ACCOUNTS.items():
            with open(tree + path, "w") as f:
                f.write(text)
        ext4(target, tree)
