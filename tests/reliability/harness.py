"""Starts runs again and again in forked processes and ends them at random instants.

    python -m tests.reliability.harness ROOT SEED FAULTS '{"name": ["override", ...], ...}' [signal ...]

Prints as JSON, for each name: the number of folders and of faults, the problems, and the longest time from a signal to the end.
Modules are loaded once, because each start is a fork; torch must not have used threads before.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dlexp.commands.attempt import attempt
from dlexp.run import signals
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import checkpoint
from dlexp.run.record.states import read_state_bytes
from tests.runs import prepare, without_volatile


def finish(overrides: list[str], root: Path, *, seed: int, faults: int, numbers: list[int]) -> dict[str, object]:
    """Train the run in one folder after another, interrupting most starts, until `faults` starts were interrupted.

    Args:
        overrides: The overrides of the run.
        root: Gets a folder for each round, named by number.
        seed: For the random instants.
        faults: Number of starts to interrupt.
        numbers: Signals, one of which is drawn for each start.
    """
    choose, ended, rounds, problems, latency = random.Random(seed), 0, 0, [], 0.0
    for number in (1, 2):  # in this process, so that a fork finds all modules loaded; the first is slower
        start = time.monotonic()
        train(overrides, root / f"timing-{number}")
        length = time.monotonic() - start
    while ended < faults:
        rounds += 1
        folder = root / str(rounds)
        for _ in range(4):
            child = fork(overrides, folder)
            time.sleep(choose.uniform(0, 0.5 * length))
            number = choose.choice(numbers)
            sent = time.monotonic()
            os.kill(child, number)
            code = wait(child)
            latency = max(latency, time.monotonic() - sent)
            ended += code != 0
            if code not in (0, -number, signals.RESUMABLE):
                problems.append(f"round {rounds} ended with {code} after signal {number}")
            problems += [f"round {rounds}: {problem}" for problem in lost(folder)]
        if code := wait(fork(overrides, folder)):
            problems.append(f"a start of round {rounds} that was left alone ended with {code}")
        problems += [f"round {rounds} leaves {path}" for path in folder.rglob("*.tmp")]
    return {"folders": rounds, "faults": ended, "problems": problems, "latency": latency}


def fork(overrides: list[str], root: Path, before: Callable[[], None] = lambda: None) -> int:
    """Start the run in a fork, which calls `before` first; it ends as train.py does, and stderr goes to ROOT.err.

    Until the run listens to signals, SIGINT ends the fork as the other signals do, and raises nothing in this function.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        root.parent.mkdir(parents=True, exist_ok=True)
        errors = os.open(root.with_name(f"{root.name}.err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(errors, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        code = attempt(lambda: signals.listen() or before() or train(overrides, root))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(child: int) -> int:
    """Wait for a child; returns its exit code, or minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(overrides: list[str], root: Path) -> int:
    """Train the run, unless it is finished; returns the exit code."""
    run = prepare(*overrides, root=root)
    if run.must_run():
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            execute(run, gather_facts(run), Plain())
    return 0


def lost(root: Path) -> list[str]:
    """List problems of the saved states of all runs below a folder, none of which is running: none whole, or too many."""
    problems = []
    for states in root.glob(f"*/*/{checkpoint.FOLDER}"):
        names = list(states.glob("step-*.pt"))
        if names and not whole(states.parent):
            problems.append(f"{states} has no whole state among {len(names)}")
        if len(names) > checkpoint.NUM_STATES + 1:
            problems.append(f"{states} has {len(names)} states")
    return problems


def whole(folder: Path) -> list[Path]:
    """The saved states of a run that match their sidecars, newest first."""
    found = []
    for path in sorted((folder / checkpoint.FOLDER).glob("step-*.pt"), reverse=True):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            read_state_bytes(path, folder)
            found.append(path)
    return found


def content(folder: Path) -> dict[str, str]:
    """A digest of each file of a run, without the fields that vary without meaning: equal for two folders of the same run."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".hydra"):
        name = str(path.relative_to(folder))
        if path.suffix == ".pt":
            state = torch.load(path, weights_only=True)
            state = state.get("learner", state)  # the rest holds times and restarts
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


def left(root: Path) -> dict[str, str]:
    """The content of the one finished run in a folder, except for states, which are saved at intervals of time."""
    (found,) = (root / "adhoc").glob("*/summary.json")
    return {name: digest for name, digest in content(found.parent).items() if not name.startswith(f"{checkpoint.FOLDER}/step")}


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
    _, where, first, count, runs, *kinds = sys.argv
    torch.set_num_threads(1)
    numbers = [int(kind) for kind in kinds] or [signal.SIGKILL]
    print(
        json.dumps(
            {
                name: finish(given, Path(where) / name, seed=int(first), faults=int(count), numbers=numbers)
                for name, given in json.loads(runs).items()
            }
        )
    )
