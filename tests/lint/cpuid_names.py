#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every CPUID and MSR feature bit that libvirt knows has the same name here, so that what a report says can be typed into a guest definition.

usage: cpuid_names.py [CPUID-TEST-BINARY [MSR-TEST-BINARY [X86-FEATURES-XML]]]
Exit: 0 = all agree, 1 = some do not, 77 = libvirt's list is not installed (skipped).
"""
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

REGISTERS = ("eax", "ebx", "ecx", "edx")
# Bits that we name otherwise than libvirt, and why. Key: (leaf, subleaf, register, bit).
ALIASES = {}


def normalised(name):
    return name.lower().replace("-", "_").replace(".", "_")


def libvirt_bits(path):
    """(leaf, subleaf, register, bit) -> all names that libvirt accepts for it"""
    bits = {}
    for feature in ElementTree.parse(path).getroot().iter("feature"):
        names = {feature.get("name")} | {alias.get("name") for alias in feature.findall("alias")}
        for cpuid in feature.findall("cpuid"):
            leaf, subleaf = int(cpuid.get("eax_in"), 0), int(cpuid.get("ecx_in") or "0", 0)
            for register in REGISTERS:
                mask = int(cpuid.get(register) or "0", 0)
                for bit in range(32):
                    if mask >> bit & 1:
                        bits.setdefault((leaf, subleaf, register, bit), set()).update(names)
    return bits


def libvirt_msr_bits(path):
    """(index, bit) -> all names that libvirt accepts for it"""
    bits = {}
    for feature in ElementTree.parse(path).getroot().iter("feature"):
        names = {feature.get("name")} | {alias.get("name") for alias in feature.findall("alias")}
        for msr in feature.findall("msr"):
            mask = int(msr.get("eax") or "0", 0) | int(msr.get("edx") or "0", 0) << 32
            for bit in range(64):
                if mask >> bit & 1:
                    bits.setdefault((int(msr.get("index"), 0), bit), set()).update(names)
    return bits


def own_msr_bits(binary):
    """(index, bit) -> name. 0x48d to 0x490 have the names of 0x481 to 0x484."""
    text = subprocess.run([binary, "--names"], check=True, stdout=subprocess.PIPE, timeout=60, text=True).stdout
    bits = {}
    for line in text.splitlines():
        index, bit, name = line.split()
        bits[int(index, 16), int(bit)] = name
        if 0x481 <= int(index, 16) <= 0x484:
            bits[int(index, 16) + 0xC, int(bit)] = name
    return bits


def own_bits(binary):
    """(leaf, subleaf or None for every subleaf, register, bit) -> name"""
    text = subprocess.run([binary, "--names"], check=True, stdout=subprocess.PIPE, timeout=60, text=True).stdout
    bits = {}
    for line in text.splitlines():
        leaf, subleaf, register, bit, name = line.split()
        bits[int(leaf, 16), None if subleaf.startswith("*") else int(subleaf), register, int(bit)] = name
    return bits


def main():
    build = os.environ.get("BUILD", "build")
    binary = sys.argv[1] if len(sys.argv) > 1 else os.path.join(build, "tests/unit/test_abi_cpuid")
    msr_binary = sys.argv[2] if len(sys.argv) > 2 else os.path.join(build, "tests/unit/test_abi_msr")
    path = sys.argv[3] if len(sys.argv) > 3 else "/usr/share/libvirt/cpu_map/x86_features.xml"
    if not os.path.exists(path):
        print(f"skipped: {path} is not there (package libvirt0)")
        return 77
    theirs, ours = libvirt_bits(path), own_bits(binary)
    wrong = 0
    for (leaf, subleaf, register, bit), names in sorted(theirs.items()):
        name = ours.get((leaf, subleaf, register, bit)) or ours.get((leaf, None, register, bit))
        accepted = names | ALIASES.get((leaf, subleaf, register, bit), set())
        if name is None or normalised(name) not in {normalised(n) for n in accepted}:
            print(f"leaf {leaf:#010x} subleaf {subleaf} {register}[{bit}]: libvirt says {'/'.join(sorted(names))}, we say {name or 'nothing'}")
            wrong += 1
    msrs, own_msrs = libvirt_msr_bits(path), own_msr_bits(msr_binary)
    for (index, bit), names in sorted(msrs.items()):
        name = own_msrs.get((index, bit))
        if name is None or normalised(name) not in {normalised(n) for n in names}:
            print(f"MSR {index:#x}[{bit}]: libvirt says {'/'.join(sorted(names))}, we say {name or 'nothing'}")
            wrong += 1
    if not theirs or not msrs:
        print(f"{path}: no feature found in it")
        return 1
    print(f"{len(theirs)} CPUID and {len(msrs)} MSR feature bits of libvirt: {len(theirs) + len(msrs) - wrong} named the same, {wrong} not; "
          f"{len(ours)} and {len(own_msrs)} bits named here")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
