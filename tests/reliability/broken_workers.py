"""Runs whose DataLoader's workers die, raise or hang, each in a forked process.

    python -m tests.reliability.broken_workers ROOT COUNT

Prints as JSON, for each kind of fault, the outcome of COUNT runs. This process has no workers itself, because Python's
bookkeeping of them does not survive a fork.
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
from tests.reliability.downloads import fork
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


def complete(root, result_file, *overrides):
    """Do the run; write its status and reason, its seconds, and the processes that are left to a file."""
    planned = prepare(*COMMAND, *overrides, root=root)
    facts = gather_facts(planned)
    begun = time.monotonic()
    summary = execute(planned, facts, Plain())
    seconds = time.monotonic() - begun
    gc.collect()  # ends the workers of the other splits, which did not fail
    left = [child.name for child in multiprocessing.active_children()] + zombies()
    result_file.write_text(json.dumps([summary["status"], summary.get("reason"), seconds, left]))


def complete_with_fault(root, result_file, fault, at):
    """The same loader, whose workers fail at this batch (each worker counts its own), with a shorter timeout."""
    original, calls = worker_loader._Rows.__getitems__, []

    def gather(rows, index):
        calls.append(1)
        if len(calls) == at:
            fault()
        return original(rows, index)

    worker_loader._Rows.__getitems__ = gather
    worker_loader.WORKER_SECONDS = 0.5
    complete(root, result_file)


def zombies():
    """Zombies among the children of all threads of this process."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in read(task / "children").split()]
    return [f"zombie {pid}" for pid in children if read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] == ["Z"]]


def read(path):
    """Read a file in /proc; empty once its process or thread has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def run_in_fork(work, result_file):
    """Call `work` with a result file in a fork; returns the result."""
    result_file.unlink(missing_ok=True)
    os.waitpid(fork(partial(work, result_file)), 0)
    return json.loads(result_file.read_text())


def left_in(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)


def main(root, count):
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    train(only_last((*IMAGES, "epochs=1")), root / "warm")  # loads what is left to load
    run_in_fork(lambda file: complete(root / "whole", file), root / "whole.json")
    whole, found = left_in(root / "whole"), {}
    for name, fault in FAULTS.items():
        found[name] = []
        for number in range(count):
            folder, result_file = root / f"{name}-{number}", root / f"{name}-{number}.json"
            outcome = run_in_fork(partial(complete_with_fault, folder, fault=fault, at=2 + number), result_file)
            again = run_in_fork(lambda file, folder=folder: complete(folder, file, "retry=failed"), result_file)
            same = left_in(folder) == whole and again[0] == "done"
            found[name].append(dict(zip(("status", "reason", "seconds", "left"), outcome, strict=True)) | {"same": same})
    sys.stdout = sys.__stdout__
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
