"""Start processes from one that has loaded what runs need, so that each starts at once. Loads no torch."""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from dlexp.config.compose import Composed
from dlexp.config.options import CONF, PACKAGE
from dlexp.config.values import find_targets
from dlexp.study.jobs import read_jobs

GPU_DRIVER = Path("/dev/nvidiactl")  # where it is, runs with hardware=auto use a GPU, and their processes are not forked


def load_ahead(cells: Sequence[Composed]) -> None:
    """Start the process from which the workers of a sweep are forked, while the command loads torch and checks the cells.

    It loads torch, and what the first cell needs. Where it is not started here, it is when the first worker is.
    """
    config = cells[0].config
    uses_cpu = config["hardware"]["device"] == "cpu" or not GPU_DRIVER.exists()
    if read_jobs(cells[0]).is_one or not uses_cpu:
        return
    modules = sorted({target.rpartition(".")[0] for target in find_targets(config) if target.startswith(f"{PACKAGE.name}.")})
    _preload(modules)


def start_safely(process: BaseProcess, *, is_forked: bool) -> None:
    """Start a process that neither executes the user's script nor imports from the current folder.

    Args:
        process: Not started yet.
        is_forked: Whether it is forked from the one that `load_ahead` starts.
    """
    if is_forked:
        _preload([])
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        with importing_safely():
            process.start()
    finally:
        sys.modules["__main__"] = main


def _preload(modules: Sequence[str]) -> None:
    """Start the process from which others are forked, if there is none yet."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["dlexp.study.preloaded", *modules])
    with importing_safely():
        forkserver.ensure_running()


@contextmanager
def importing_safely() -> Iterator[None]:
    """Within this context a new process of Python imports nothing from the current folder, and dlexp from where it is."""
    changed = {"PYTHONSAFEPATH": "1"}
    if not CONF.is_relative_to(PACKAGE):  # a checkout, which may not be installed
        changed["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
