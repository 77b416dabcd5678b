"""The time from the start of the command to its first training step, beyond importing its libraries."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from dlexp.benchmark.comparison import Block, Case, Figure, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.timing import children_cpu_time
from dlexp.config.entry import show_command, start_train

TRAINED = "epoch 1/1"  # start of the line that a run of one step prints after the step
LOADED = "loaded"
# Making an optimizer loads torch's compiler, which no training program can do without.
IMPORTS = f"import sklearn.datasets, torch; torch.optim.SGD([torch.zeros(1)]); print({LOADED!r}, flush=True)"


def cases(request: Request) -> Iterator[Case]:
    """The default command with one step, timed from outside the process."""
    command = [*start_train(), "max_steps=1"]
    yield Case(
        name=f"{show_command('train')}, first step",
        arms=("start to the line of a run of one step", "import of torch and scikit-learn, and making an optimizer"),
        ours=partial(time_until_line, command, TRAINED, request.scratch),
        other=partial(time_until_line, [sys.executable, "-c", IMPORTS], LOADED, request.scratch),
        figures=(Figure("ours - other", "s", goal=Goal("at most", 1.0, 0.5)), Figure("ours", "s")),
        unit="starts",
        block=1,
        check=check_both_run,
    )


def time_until_line(command: Sequence[str], line_start: str, folder: Path) -> Block:
    """Processes in new folders, timed and ended when they print a line that begins with `line_start`."""

    def block(num_processes: int) -> Sample:
        samples = [_time_process(command, line_start, folder) for _ in range(num_processes)]
        return Sample(*(sum(spent) / num_processes for spent in zip(*samples, strict=True)))

    return block


def _time_process(command: Sequence[str], line_start: str, folder: Path) -> tuple[float, float]:
    """Time a process from its start to that line: seconds of the wall clock and of the CPU.

    Raises:
        RuntimeError: If it ends without that line.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place, tempfile.TemporaryFile("w+") as errors:
        began, cpu = perf_counter(), children_cpu_time()
        with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            seen = any(line.startswith(line_start) for line in process.stdout or ())
            seconds = perf_counter() - began
            process.kill()
        if not seen:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended without a line '{line_start}': {errors.read()[-2000:]}")
    return seconds, children_cpu_time() - cpu


def check_both_run(case: Case, block: int) -> None:
    """Run both arms once, for a comparison whose arms do different work or cannot be watched.

    Raises:
        RuntimeError: If one of them fails.
    """
    for make in (case.ours, case.other):
        if make:
            make()(1)
