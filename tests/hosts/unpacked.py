# SPDX-License-Identifier: Apache-2.0
"""Packages of other Debian suites, unpacked in the tests' cache, which several threads and processes share."""
import contextlib
import fcntl
import os
import subprocess
import unittest

FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fetch")
NOT_TO_BE_HAD = 3  # fetch's exit status


@contextlib.contextmanager
def alone(path):
    """One thread of one process at a time makes that path."""
    with open(f"{path}.lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def unpacked(what, suite, package, folder, *more):
    """The folder with that package. Where it cannot be fetched, what an earlier run unpacked will do, and without that it is a skip; all else
    that goes wrong, a full disk say, is a failure."""
    done = subprocess.run([FETCH, suite, package, folder, *more], capture_output=True, text=True)
    why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    if done.returncode not in (0, NOT_TO_BE_HAD):
        raise AssertionError(f"{what} cannot be unpacked: {why}")
    if done.returncode and not os.path.exists(os.path.join(folder, ".unpacked")):
        raise unittest.SkipTest(f"{what} cannot be fetched: {why}")
    return folder
