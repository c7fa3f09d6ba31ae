# SPDX-License-Identifier: Apache-2.0
"""One host of a story of moves: guests live as the plan says, under a monitor whose store outlives this host; what is seen at each step is kept.
A guest that is saved lies beside the store, and a later host restores it."""
import concurrent.futures
import os
import shutil

import inside
from inside import keep, note
import harness
import moves
import upgrade

PATIENCE = 240
AT_ONCE = 2


class Folder:
    """What a monitor takes for its folder: the disk that outlives the host."""
    path = "/state"


def live(place, todo):
    """A guest's steps on this host: [{"step","version","state","diff","seen"}]."""
    definition = moves.movable(todo["machine"], todo["name"], cpu=todo["cpu"])
    life, kept = moves.Life(place, definition), os.path.join("/state", os.path.basename(moves.saved_file(definition)))
    for verb, *words in todo["steps"]:
        if verb == "save":
            life.save()
            shutil.move(moves.saved_file(definition), kept)
            continue
        if verb == "restore":
            shutil.copy(kept, moves.saved_file(definition))
        other = moves.movable(todo["machine"], todo["name"], cpu=words[1]) if len(words) > 1 else None
        life.step(verb, words[0] if words else None, other)
        state = life.points[-1]["state"]
        note(todo["name"], verb, *words, state["state"], state["changes"])
        keep(f"{todo['name']}.{len(life.points)}.diff", harness.abidrift("diff", todo["name"], store=place.monitor.store, ok=None).stdout)
    life.end()
    return life.points


def main():
    todo = inside.plan()
    monitor = harness.Monitor(Folder)
    note("monitor is ready")
    place = moves.Place(monitor, {v: f"/vmm/{v}" for v in upgrade.VERSIONS}, patience=PATIENCE)
    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            lives = {one["name"]: pool.submit(live, place, one) for one in todo["lives"]}
            keep("points.json", {name: life.result() for name, life in lives.items()})
    finally:
        place.close()
        monitor.stop()
        keep("monitor.log", "\n".join(monitor.err))
    for verb in ("ls", "history"):
        keep(verb, harness.abidrift(verb, store=monitor.store, ok=None).stdout)
    keep("history.json", {one["name"]: monitor.json("history", one["name"])["events"] for one in todo["lives"]})
    keep("alerts.json", {one["name"]: monitor.alerts(one["name"]) for one in todo["lives"]})


main()
