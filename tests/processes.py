"""Commands of Python in processes that start in a tenth of a second, because they are forks of one that has loaded torch.

For tests of what a command does. A test of how it starts (what it loads, its environment) needs a `subprocess`.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path

from tests import ROOT

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.warm"])


class Command:
    """A running `python SCRIPT …` or `python -m MODULE …`.

    Args:
        arguments: What follows `python`.
        cwd: The folder in which it runs.
        environment: Variables that are set for it alone.
    """

    def __init__(self, *arguments: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
        self.printed = tempfile.TemporaryDirectory()
        outputs = [os.path.join(self.printed.name, name) for name in ("out", "err")]
        self.process = FORKS.Process(target=_run, args=(arguments, cwd, environment or {}, *outputs))
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self.process.exitcode

    def communicate(self, timeout: float = 100) -> tuple[str, str]:
        """Wait for the end; standard output and standard error."""
        self.process.join(timeout)
        if self.returncode is None:
            self.process.kill()
            raise TimeoutError(f"{self.process} took more than {timeout} s: {self.read()}")
        return self.read()

    def read(self) -> tuple[str, str]:
        """What it has printed so far."""
        return tuple(Path(self.printed.name, name).read_text() for name in ("out", "err"))


def _run(arguments, cwd, environment, out, err):
    # What the command forks, such as the workers of a sweep, comes from the process from which it was forked itself.
    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None
    os.environ.update(environment)
    for descriptor, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", buffering=1, closefd=False) for descriptor in (1, 2))
    os.chdir(cwd)
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")
