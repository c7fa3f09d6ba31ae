# SPDX-License-Identifier: Apache-2.0
"""The verifier gives a chain of calls 512 bytes of stack, each call's rounded up to 32. Another compiler, or a few more locals, and a kernel refuses
the program on a user's machine: so some of it is left."""
import glob
import os
import re
import shutil
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
BOUND = 496


CALL = re.compile(r"\s*(\d+):\s+85 10 00 00 ((?:[0-9a-f]{2} ?){4})")


def functions(text):
    """{name: (bytes of stack, names called)} of what llvm-objdump -dr says of an object. A call that is not left to the linker is relative."""
    found, at, name, pointer, called = {}, {}, None, None, None
    for line in text.splitlines():
        if m := re.match(r"Disassembly of section (.*):", line):
            section = m.group(1)
        elif (m := re.match(r"([0-9a-f]+) <(\w+)>:", line)) and not m.group(2).startswith("LBB"):
            name, pointer = m.group(2), None
            found[name] = [0, []]
            if section == ".text":
                at[int(m.group(1), 16) // 8] = name
        elif name and (m := re.search(r"R_BPF_64_32\s+(\S+)", line)):
            found[name][1][-1] = called + 1 if m.group(1) == ".text" else m.group(1)
        elif name:
            offsets = re.findall(r"\(r10 - (\d+)\)", line)
            if m := re.search(r"\tr(\d+) = r10$", line):
                pointer = m.group(1)
            elif pointer and (m := re.search(rf"\tr{pointer} \+= -(\d+)$", line)):
                offsets.append(m.group(1))
            found[name][0] = max([found[name][0], *map(int, offsets)])
            if m := CALL.match(line):
                called = int.from_bytes(bytes.fromhex(m.group(2)), "little", signed=True)
                found[name][1].append(int(m.group(1)) + 1 + called)
    return {n: (depth, {at[c] if isinstance(c, int) else c for c in calls}) for n, (depth, calls) in found.items()}


def deepest(known, name):
    """(bytes, the chain of calls) from that function on."""
    depth, calls = known[name]
    below = max((deepest(known, c) for c in calls), default=(0, []))
    return (max(depth, 1) + 31) // 32 * 32 + below[0], [f"{name} {depth}", *below[1]]


class Stack(unittest.TestCase):
    def test_no_chain_of_calls_uses_up_the_stack(self):
        if not shutil.which("llvm-objdump"):
            self.skipTest("llvm-objdump is not installed")
        objects = sorted(glob.glob(os.path.join(BUILD, "bpf", "*.bpf.o")))
        self.assertTrue(objects, "the programs are not built")
        for path in objects:
            text = subprocess.run(["llvm-objdump", "-dr", path], capture_output=True, text=True, check=True).stdout
            known = functions(text)
            with self.subTest(os.path.basename(path)):
                size, chain = max(deepest(known, name) for name in known)
                self.assertLessEqual(size, BOUND, " → ".join(chain))
                self.assertGreater(len(chain), 1, "calls are not seen in it")

    def test_a_deep_chain_is_seen(self):
        text = ("Disassembly of section .text:\n0000000000000000 <a>:\n       0:\t7b 1a d8 ff 00 00 00 00\t*(u64 *)(r10 - 40) = r1\n"
                "0000000000000008 <b>:\n       1:\tbf a2 00 00 00 00 00 00\tr2 = r10\n       2:\t07 02 00 00 38 ff ff ff\tr2 += -200\n"
                "       3:\t85 10 00 00 fc ff ff ff\tcall -4\n       4:\t85 00 00 00 0e 00 00 00\tcall 14\n"
                "Disassembly of section raw_tp/x:\n0000000000000000 <p>:\n       0:\t85 10 00 00 00 00 00 00\tcall 0\n\t\t0000000000000000:  R_BPF_64_32\t.text\n")
        self.assertEqual(deepest(functions(text), "p"), (32 + 224 + 64, ["p 0", "b 200", "a 40"]))


if __name__ == "__main__":
    unittest.main()
