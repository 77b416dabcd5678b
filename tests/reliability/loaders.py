"""Runs whose DataLoader's workers die, raise or hang, each in a process of its own.

    python -m tests.reliability.loaders ROOT COUNT

Prints, as JSON, of each kind of fault what each of so many runs came to. This process has no workers itself: what Python keeps
for them does not live through a fork.
"""

import gc
import json
import multiprocessing
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import torch

from dlexp.data import worker_loader
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from tests.reliability.fetchers import fork
from tests.reliability.harness import content, train
from tests.runs import IMAGES, only_last, prepare

COMMAND = (*IMAGES, "hardware.loader=workers", "epochs=4")  # at which a worker gathers 8 batches


def raise_():
    raise OSError("the disk has gone")


def hang():
    while True:
        time.sleep(1)


FAULTS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raises": raise_,
    "hangs": hang,
}


def complete(root, told, *overrides):
    """Do the run, and tell its status and reason, how long it took, and the processes that are left."""
    planned = prepare(*COMMAND, *overrides, root=root)
    facts = gather_facts(planned)
    begun = time.monotonic()
    summary = execute(planned, facts, Plain())
    seconds = time.monotonic() - begun
    gc.collect()  # the workers of the other splits, which are whole, end with their loader
    left = [child.name for child in multiprocessing.active_children()] + zombies()
    told.write_text(json.dumps([summary["status"], summary.get("reason"), seconds, left]))


def broken(root, told, fault, at):
    """The same with workers that go wrong at their batch of that number, and with less patience."""
    original, calls = worker_loader._Rows.__getitems__, []

    def gather(rows, index):
        calls.append(1)
        if len(calls) == at:
            fault()
        return original(rows, index)

    worker_loader._Rows.__getitems__ = gather
    worker_loader.WORKER_SECONDS = 0.5
    complete(root, told)


def zombies():
    """Dead children that nobody has waited for, of any thread of this process."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in read(task / "children").split()]
    return [f"zombie {pid}" for pid in children if read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] == ["Z"]]


def read(path):
    """What it says of a process or thread; nothing, once that has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def told_by(work, told):
    """What a fork that does this tells."""
    told.unlink(missing_ok=True)
    os.waitpid(fork(partial(work, told)), 0)
    return json.loads(told.read_text())


def left_in(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)


def main(root, count):
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    train(only_last((*IMAGES, "epochs=1")), root / "warm")  # loads what is left to load
    told_by(lambda told: complete(root / "whole", told), root / "whole.json")
    whole, found = left_in(root / "whole"), {}
    for name, fault in FAULTS.items():
        found[name] = []
        for number in range(count):
            folder, told = root / f"{name}-{number}", root / f"{name}-{number}.json"
            outcome = told_by(lambda told, folder=folder, fault=fault, at=2 + number: broken(folder, told, fault, at), told)
            again = told_by(lambda told, folder=folder: complete(folder, told, "retry=failed"), told)
            same = left_in(folder) == whole and again[0] == "done"
            found[name].append(dict(zip(("status", "reason", "seconds", "left"), outcome, strict=True)) | {"same": same})
    sys.stdout = sys.__stdout__
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
