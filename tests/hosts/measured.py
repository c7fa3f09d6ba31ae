# SPDX-License-Identifier: Apache-2.0
"""Parts of documents that are measured: between `<!-- tests/hosts/run --write NAME: begin -->` and the same with `end`."""
import difflib
import os

import hosts


def there(document, name):
    path = os.path.join(hosts.ROOT, "docs", document)
    if not os.path.exists(path):
        return False
    with open(path) as f:
        return f"<!-- tests/hosts/run --write {name}: begin -->" in f.read()


def parts(document, name):
    path = os.path.join(hosts.ROOT, "docs", document)
    begin, end = (f"<!-- tests/hosts/run --write {name}: {which} -->\n" for which in ("begin", "end"))
    with open(path) as f:
        head, rest = f.read().split(begin)
    there, tail = rest.split(end)
    return path, head + begin, there, end + tail


def wrong(document, name, text):
    """What that document says otherwise, as lines of a diff."""
    _, _, there, _ = parts(document, name)
    return list(difflib.unified_diff(there.splitlines(), text.splitlines(), f"docs/{document}", "found", lineterm="", n=0))


def write(document, name, text):
    path, head, _, tail = parts(document, name)
    with open(path, "w") as f:
        f.write(head + text + tail)
