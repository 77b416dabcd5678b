"""Starts a run again and again in a process of its own and kills it at random instants.

    python -m tests.reliability.harness ROOT SEED KILLS override ...

Prints the number of folders. Modules are loaded once: each start is a fork, which must not happen after torch has used threads.
"""

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch

from dlexp.display import Plain
from dlexp.run import execute, gather_facts
from tests.runs import prepare, without_volatile


def finish(overrides: list[str], root: Path, *, seed: int, kills: int) -> int:
    """Train the run in one folder after another, killing most starts, until it was killed so often and is finished in each.

    Returns:
        Folders of `root`, named by number.
    """
    choose, killed, rounds = random.Random(seed), 0, 0
    for number in (1, 2):  # in this process, so that a fork has nothing left to load; the first is slow for that
        start = time.monotonic()
        train(overrides, root / f"timing-{number}")
        whole = time.monotonic() - start
    while killed < kills:
        rounds += 1
        for _ in range(4):
            child = _start(overrides, root / str(rounds))
            time.sleep(choose.uniform(0, 0.5 * whole))
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        _wait(_start(overrides, root / str(rounds)))
    return rounds


def _start(overrides: list[str], root: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        train(overrides, root)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def train(overrides: list[str], root: Path) -> None:
    """What a start does: nothing, if the run is finished."""
    run = prepare(*overrides, root=root)
    if run.is_due():
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            execute(run, gather_facts(run), Plain())


def _wait(child: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise SystemExit(f"a start that was not killed ended with {code}")


def content(folder: Path) -> dict[str, str]:
    """What must be the same in two folders of the same run: file → digest, without what varies without meaning."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".hydra"):
        name = str(path.relative_to(folder))
        if path.suffix == ".pt":
            state = torch.load(path, weights_only=True)
            state = state.get("learner", state)  # beside it stand times and restarts
            found[name] = _digest(_plain(state))
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[name] = _digest({key: arrays[key].tolist() for key in arrays.files})
        elif path.name == "summary.json":
            found[name] = _digest(without_volatile(json.loads(path.read_text())))
        elif path.name == "metrics.csv":
            header, *lines = [line.split(",") for line in path.read_text().splitlines()]
            found[name] = _digest([without_volatile(dict(zip(header, line, strict=True))) for line in lines])
        elif path.name == "probes.csv":
            found[name] = _digest(path.read_text())
    return found


def _plain(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    _, where, seed, kills, *given = sys.argv
    torch.set_num_threads(1)
    print(finish(given, Path(where), seed=int(seed), kills=int(kills)))
