"""Starts of a sweep of three runs, into which chaos.py injects faults: in a fork, or by the command as it is typed."""

import os
import random
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlexp.commands.attempt import attempt
from dlexp.config.compose import Composed, compose
from dlexp.run import signals
from dlexp.study.sweep import check_cells, sweep
from tests import ROOT
from tests.runs import IMAGES, MOONS, only_last

TRAIN = ROOT / "train.py"
SAVING = ("hardware=cpu", "checkpoint_every=0.2")
WORKERS = "hardware.loader=workers"  # processes more that a kill leaves alone
RUNS = {
    "dropout": (*MOONS, "dropout=0.2", "batch_size=8", "epochs=2000"),
    "batch norm": (*IMAGES, WORKERS, "augment=standard", "augment.padding=1", "norm=bn", "epochs=400"),
    "fp16 scaler": (*MOONS, "precision=fp16", "precision.growth_interval=9", "batch_size=8", "epochs=2000", "seed=3"),
}
WARM_UP = ("epochs=2", "hardware.loader=resident")  # workers leave a thread in the process that has them


@dataclass(frozen=True)
class Start:
    """A process that was started: whether as a command that is typed, and the exit codes that are in order."""

    typed: bool
    codes: set[int]


def cells(root: Path, *more: str) -> list[Composed]:
    """The three runs, below this folder."""
    return [compose(only_last((*run, *SAVING, f"output_dir={root}", *more))) for run in RUNS.values()]


def sweep_of(root: Path) -> int:
    """Do those of the three runs that are not finished; returns the exit code."""
    return attempt(lambda: sweep(check_cells(cells(root)), "python -m tests.reliability.chaos"))


def type_command(root: Path, choose: random.Random) -> None:
    """One of the runs by the command as it is typed, which takes the place of this process."""
    overrides = only_last((*choose.choice(list(RUNS.values())), *SAVING, f"output_dir={root}"))
    os.execv(sys.executable, [sys.executable, str(TRAIN), *overrides])


def fork(log: int, before: Callable[[], None] | None, work: Callable[[], int | None]) -> int:
    """Do `before` and `work` in a forked process whose output goes to a file."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        signals.listen()
        if before:
            before()
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def limit(most: int, pipe: int) -> None:
    """Let no file grow beyond so many bytes; errors are written to a pipe, which is no file."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(pipe, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
