"""Sweeps of several runs at the same time, for tests that kill their workers."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

import numpy as np

from dlexp.config.check import compose_sweep
from dlexp.run.record.folder import without_volatile
from dlexp.study.sweep import check_cells, sweep
from tests.processes import FORKS  # noqa: F401  # workers are forked from the process that has loaded everything
from tests.runs import MOONS, only_last

SAVING = (*MOONS, "hardware=cpu", "dropout=0.2", "checkpoint_every=0")


def run_sweep(*overrides: str, root: Path) -> int:
    """Run a sweep of tiny runs that save their states at every step; returns its exit code."""
    forkserver.ensure_running()
    cells = compose_sweep(only_last((*SAVING, *overrides, f"output_dir={root}")))
    return sweep(check_cells(cells), "python train.py -m ...")


def list_runs(root: Path) -> dict[str, Path]:
    """The folders of all runs that have begun, by their names."""
    return {path.name: path for path in sorted((root / "adhoc").glob("*-*"))}


def read_files(root: Path) -> dict[str, object]:
    """What each file of each run holds, byte by byte but for times and the like: equal for two sweeps of the same runs."""
    found: dict[str, object] = {}
    for name, folder in list_runs(root).items():
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if path.name != "train.log" and not path.name.startswith("step-"):
                found[f"{name}/{path.relative_to(folder)}"] = _read(path, root)
    return found


def _read(path: Path, root: Path) -> object:
    if path.name == "summary.json":
        return without_volatile(json.loads(path.read_text()))
    if path.name == "metrics.csv":
        header, *lines = [line.split(",") for line in path.read_text().splitlines()]
        return [without_volatile(dict(zip(header, line, strict=True))) for line in lines]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name].tolist() for name in arrays.files}
    return path.read_bytes().replace(str(root).encode(), b"ROOT")


def read_holders(root: Path) -> dict[str, int]:
    """The process that holds each run that is being executed: id → number."""
    found = {}
    for path in (root / "adhoc" / ".locks").glob("*.json"):
        try:
            found[path.stem] = json.loads(path.read_text())["pid"]
        except (OSError, ValueError):
            continue  # the run has just ended
    return found


def has_saved(root: Path, identity: str) -> bool:
    """Whether a run that has not ended has saved a state."""
    return any(root.glob(f"adhoc/*-{identity}/checkpoints/step-*.json"))


def wait_until(fulfilled: Callable[[], object], seconds: float = 120) -> None:
    """Wait until a condition is fulfilled."""
    end = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def killing(root: Path, times: int, is_victim: Callable[[str], bool] = lambda identity: True) -> Iterator[list[str]]:
    """Within this context, workers whose run has saved a state are killed; yields the ids of the runs that lost a worker."""
    killed: list[str] = []
    dead: set[int] = set()
    is_over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not is_over.is_set():
            for identity, pid in read_holders(root).items():
                if (
                    pid not in dead
                    and pid != os.getpid()
                    and len(killed) < times
                    and is_victim(identity)
                    and has_saved(root, identity)
                ):
                    dead.add(pid)
                    killed.append(identity)
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        is_over.set()
        thread.join()
