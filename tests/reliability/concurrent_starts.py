"""Many processes start runs at the same moment; processes that hold a run are killed. Loads no torch, so that forks are cheap.

    python -m tests.reliability.concurrent_starts starts|deaths ROOT ROUNDS

Prints the outcome of each round as JSON.
"""

import json
import os
import platform
import signal
import sys
import time
from functools import partial
from pathlib import Path

from dlexp.errors import HeldError
from dlexp.run.record import folder as record
from dlexp.run.record import layout, lock
from tests.reliability.downloads import fork

PROCESSES = 16


def start(folder, identity, messages, *, until, linger):
    """Do what train.py does around a run; exit with 0 if it was run here, 4 if it had been run before, 3 if it is held."""
    time.sleep(max(0.0, until - time.monotonic()))
    try:
        with lock.hold(folder, identity):
            run_folder = layout.find_run_folder(folder, identity) or folder / f"seed={identity[:2]}-{identity}"
            if run_folder.exists():
                os._exit(4)
            files = {"config.yaml": f"pid: {os.getpid()}\n", ".hydra/config.yaml": ""}
            written = record.Record(run_folder, ["epoch"], files, {})
            end = time.monotonic() + 20
            while linger and len(list(messages.iterdir())) < PROCESSES - 1 and time.monotonic() < end:
                time.sleep(0.005)
            written.row({"epoch": 1})
            written.finish(
                {"id": identity, "choices": {}, "status": "done", "host": str(os.getpid()), "metrics": {}, "seconds": {}}
            )
    except HeldError as error:
        (messages / str(os.getpid())).write_text(str(error))
        os._exit(3)


def starts(root, rounds):
    """Start sixteen runs at once, and one run sixteen times; returns the outcomes of each round."""
    found = []
    for number in range(rounds):
        for same in (False, True):
            folder, messages = root / f"{number}-{same}", root / f"messages-{number}-{same}"
            messages.mkdir()
            until = time.monotonic() + 0.05
            ids = [f"{0 if same else index:02x}" + "ab" * 5 for index in range(PROCESSES)]
            children = [fork(partial(start, folder, identity, messages, until=until, linger=same)) for identity in ids]
            codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
            summaries = [record.read_summary(path) for path in folder.glob("seed=*")]
            holder = f"is held by process {summaries[0]['host']} on {platform.node()} since "
            named = sum(holder in path.read_text() for path in messages.iterdir())
            found.append({"same": same, "codes": codes, "folders": len(summaries), "named": named})
    return found


def deaths(root, rounds):
    """Kill the holder of a run; returns, for each round, whether the holder was named and whether its run was free then."""
    found = []
    for _ in range(rounds):
        reader, writer = os.pipe()

        def hold(writer=writer):
            with lock.hold(root, "one"):
                os.write(writer, b"x")
                time.sleep(60)

        holder = fork(hold)
        os.read(reader, 1)
        message = ""
        try:
            with lock.hold(root, "one"):
                pass
        except HeldError as error:
            message = str(error)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        with lock.hold(root, "one"):  # raises if it is not free
            owner = json.loads((root / ".locks" / "one.json").read_text())
        found.append({"named": f"process {holder} on {platform.node()}" in message, "taken over": owner["pid"] == os.getpid()})
    return found


if __name__ == "__main__":
    _, kind, where, count = sys.argv
    print(
        json.dumps(
            {"rounds": {"starts": starts, "deaths": deaths}[kind](Path(where), int(count)), "torch": "torch" in sys.modules}
        )
    )
