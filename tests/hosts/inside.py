# SPDX-License-Identifier: Apache-2.0
"""What scripts share that run inside a host (hosts.inside): the live tests' harness, notes to the console, results for outside."""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "live"), os.path.join(HERE, "..", "upgrade")]
BEGAN = time.monotonic()


def note(*words):
    """To the host's console and its log: where a host that hangs was."""
    text = f"{' '.join(map(str, words))} ({time.monotonic() - BEGAN:.1f} s)"
    with open("/dev/console", "w") as console:
        console.write(f"HOST-NOTE {text}\n")
    print(text, flush=True)


def keep(name, thing):
    """For outside: text as it is, all else as JSON."""
    with open(f"/out/{name}", "w") as f:
        f.write(thing if isinstance(thing, str) else json.dumps(thing))


def plan():
    with open(sys.argv[1]) as f:
        return json.load(f)
