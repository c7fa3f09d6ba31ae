# SPDX-License-Identifier: Apache-2.0
"""A Linux guest of Debian's QEMU under KVM, in a stock Debian kernel as host. The guest tells what it sees of itself, a recording of
abidrift in the host is what is compared with it. The guest runs Debian 12's cloud kernel, the host that or another."""
import os
import subprocess
import tarfile
import tempfile

import hosts

HERE = os.path.dirname(os.path.abspath(__file__))
ABIDRIFT = os.path.join(hosts.BUILD, "abidrift")
KEXEC = os.path.join(hosts.BUILD, "tests", "hosts", "guest_kexec")
QEMU = "/usr/bin/qemu-system-x86_64"
KERNEL = "6.1"
SECONDS = 900
LATE = ("virtio_pci", "virtio_blk", "virtio_net", "virtio-rng", "qemu_fw_cfg", "cpuid", "msr")
# The host's side of the story. A step is a line to the guest's console and its answer; each is followed by LIFE, so that what it
# brought is judged on its own when the recording is replayed.
JOB = """
await() { n=0; while [ "$(grep -c "$2" "$1" 2>/dev/null)" -lt "$3" ]; do n=$((n+1)); { [ $n -gt 3000 ] || ! kill -0 $vmm; } && { echo "waited in vain for $2"; tail -30 "$1"; since "waited in vain for $2"; exit 1; }; usleep 100000; done; }
since() { echo "$(cut -d. -f1 /proc/uptime) $*" >> /out/times; echo "HOST-NOTE $*" > /dev/console; }
life() { usleep LIFE; }
steps=0
tell() { echo "$*" >&3; steps=$((steps+1)); await /out/console GUEST-DONE $steps; since "$*"; life; }
boots=0
up() { boots=$((boots+1)); await /out/console GUEST-UP $boots; since "up $boots"; life; }
restart() { echo "$*" >&3; since "$*"; up; }
see() { tell see; cp /tmp/nvme /out/see.$1; }
vmm=$$
abidrift record -v -o /out/trace > /out/record.log 2>&1 &
recorder=$!
await /out/record.log recording 1
mkfifo /tmp/console.in /tmp/console.out
cat /tmp/console.out > /out/console &
exec 3<> /tmp/console.in
truncate -s 64M /tmp/nvme
since start
qemu-system-x86_64 -L /usr/share/seabios -L /usr/share/qemu -L /usr/lib/ipxe/qemu -accel kvm -nodefaults -display none -no-user-config -chardev pipe,id=console,path=/tmp/console -serial chardev:console QEMU > /out/qemu.log 2>&1 &
vmm=$!
STORY
kill -INT $recorder
wait $recorder
kill $vmm
wait $vmm
since end
"""
MSRS = """0x0000001b 0x0000003a 0x0000008b 0x000000ce 0x000000fe 0x0000010a 0x00000140 0x00000179 0x000001a0 0x00000345 0x00000480 0xc0000080 0xc0010015
0xc001001f 0xc0010064 0xc0010114 0xc0010117 0xc0011029 0x40000000 0x4b564d00"""


def guest_initrd(package, target):
    with open(os.path.join(HERE, "guest_init.sh")) as f:
        init = f.read()
    hosts.initramfs(package, target, ["/usr/bin/cpuid", "/usr/bin/lspci", KEXEC], LATE, {"/init": init, "/msrs": MSRS})


def firmware_files():
    """Whatever QEMU looks for by name, where this machine's package has it."""
    found = {}
    for folder in ("/usr/share/seabios", "/usr/share/qemu", "/usr/lib/ipxe/qemu"):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and name.endswith((".bin", ".rom")) and not name.startswith(("skiboot", "openbios", "slof")):
                found[path] = path
    return found


def run(arguments, story, files=(), life_us=3_000_000, host=KERNEL):
    """A host with that guest. host: its kernel; arguments: of QEMU (one string); story: shell, in the words of JOB. Returns the files that came back;
    those of the guest as `see.NAME/…`."""
    package = hosts.fetch(KERNEL)
    with tempfile.TemporaryDirectory(prefix="abidrift-guest-") as folder:
        initrd, again = os.path.join(folder, "initrd"), os.path.join(folder, "again")
        guest_initrd(package, initrd)
        with tarfile.open(again, "w") as tar:
            tar.add(hosts.kernel_image(package), "kernel")
            tar.add(initrd, "initrd")
        inside = {"/guest/kernel": hosts.kernel_image(package), "/guest/initrd": initrd, "/guest/again": again, **firmware_files(), **dict(files)}
        job = JOB.replace("STORY", story).replace("QEMU", arguments).replace("LIFE", str(life_us))
        found = hosts.boot(host, job, [ABIDRIFT, QEMU], inside, memory=1536, seconds=SECONDS)
        for name in [n for n in found if n.startswith("see.")]:
            disk = os.path.join(folder, name)
            with open(disk, "wb") as f:
                f.write(found.pop(name))
            found.update({f"{name}/{n}": data for n, data in hosts.read_tar(disk).items()})
    return found
