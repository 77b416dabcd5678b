"""A sweep by two jobs: compared with the same sweep by one, and with Hydra's joblib launcher and a plain script."""

import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import mean
from time import perf_counter

from dlexp.benchmark import plain_script
from dlexp.benchmark.comparison import Block, Case, Figure, Missing, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.config.compose import compose
from dlexp.config.entry import show_command, start_train
from dlexp.config.overrides import expand
from dlexp.machine.cores import count_cores
from dlexp.study.sweep import check_cells, sweep

JOBS = 2
EPOCHS = 100  # of a run, which takes about a second
RUN = (
    *("dataset=moons", "model=mlp", "depth=2", "norm=none", "optimizer=adamw", "hardware=cpu"),
    *(f"width={plain_script.WIDTH}", f"batch_size={plain_script.BATCH}", f"optimizer.lr={plain_script.RATE}"),
)
LAUNCHER = "hydra_plugins.hydra_joblib_launcher"
MAX_APART = 0.05  # between the mean accuracies of two arms, which draw other numbers

Ended = list[tuple[int, float]]  # the steps of each run, and its accuracy on the test split
Execute = Callable[[Path, int, int], Ended]  # a sweep with a folder of its own, this number of runs and of epochs


def cases(request: Request) -> Iterator[Case | Missing]:
    """Runs of about a second, ten in a sweep."""
    pairs = (
        (f"{JOBS} jobs against one", run_two_jobs, run_one_job, "the same with jobs=1", Goal("at least", 1.8, 1.9)),
        (
            f"{JOBS} jobs against joblib",
            run_command,
            run_plain_script,
            "a script with joblib",
            Goal("at least", 1.3),
        ),
    )
    for name, ours, other, words, goal in pairs:
        if count_cores() < JOBS:
            yield Missing(name, f"a command may use {count_cores():g} cores")
        elif other is run_plain_script and importlib.util.find_spec(LAUNCHER) is None:
            yield Missing(name, "pip install -e '.[benchmark]'")
        else:
            yield Case(
                name=name,
                arms=(f"{show_command('train')} -m with jobs={JOBS}", words),
                ours=partial(make_sweeps, ours, request.scratch),
                other=partial(make_sweeps, other, request.scratch),
                figures=(Figure("other / ours", goal=goal), Figure("ours", "s/run")),
                unit="runs",
                block=10,
                check=partial(check_sweeps, ours, other, request.scratch),
            )


def make_sweeps(execute: Execute, folder: Path, epochs: int = EPOCHS) -> Block:
    """Sweeps over this number of seeds, each in a new folder."""

    def block(num_runs: int) -> Sample:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            began = perf_counter()
            execute(Path(place), num_runs, epochs)
            return Sample((perf_counter() - began) / num_runs, None)  # of processes that may go on, the CPU time is not known

    return block


def check_sweeps(ours: Execute, other: Execute, folder: Path, case: Case, block: int, epochs: int = EPOCHS) -> None:
    """Check that two arms train the same number of runs for the same number of steps, to about the same accuracy.

    Raises:
        DifferentWorkError: If they do not.
    """
    found = []
    for execute in (ours, other):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found.append(execute(Path(place), block, epochs))
    steps = [sorted(steps for steps, _ in ended) for ended in found]
    if steps[0] != steps[1] or len(steps[0]) != block:
        raise DifferentWorkError(f"{case.name}: {block} runs should take the same steps, and take {steps[0]} and {steps[1]}.")
    accuracy = [mean(accuracy for _, accuracy in ended) for ended in found]
    if abs(accuracy[0] - accuracy[1]) > MAX_APART:
        raise DifferentWorkError(f"{case.name}: the mean accuracies are {accuracy[0]:.3f} and {accuracy[1]:.3f}.")


def run_one_job(place: Path, num_runs: int, epochs: int) -> Ended:
    """A sweep in this process, by one job."""
    return _sweep(place, num_runs, epochs, 1)


def run_two_jobs(place: Path, num_runs: int, epochs: int) -> Ended:
    """A sweep from this process, by two jobs."""
    return _sweep(place, num_runs, epochs, JOBS)


def _sweep(place: Path, num_runs: int, epochs: int, jobs: int) -> Ended:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        cells = [compose(cell) for cell in expand(_type(place, num_runs, epochs, jobs))]
        sweep(check_cells(cells), show_command("benchmark"))
    return _read_ended(place)


def run_command(place: Path, num_runs: int, epochs: int) -> Ended:
    """The command `train` with two jobs, from its start to its end."""
    _run([*start_train(), "-m", *_type(place, num_runs, epochs, JOBS)], place)
    return _read_ended(place)


def run_plain_script(place: Path, num_runs: int, epochs: int) -> Ended:
    """The plain script with two jobs of joblib, from its start to its end."""
    seeds = ",".join(map(str, range(num_runs)))
    launched = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={JOBS}", f"hydra.sweep.dir={place}")
    # -P: its own folder has modules with the names of others.
    printed = _run([sys.executable, "-P", plain_script.__file__, "-m", f"seed={seeds}", f"epochs={epochs}", *launched], place)
    words = [line.split() for line in printed.splitlines() if line.startswith(f"{plain_script.ENDED} ")]
    return [(int(steps), float(accuracy)) for _, steps, accuracy in words]


def _type(place: Path, num_runs: int, epochs: int, jobs: int) -> list[str]:
    """The overrides of a sweep."""
    seeds = ",".join(map(str, range(num_runs)))
    return [*RUN, f"seed={seeds}", f"epochs={epochs}", f"jobs={jobs}", f"output_dir={place}"]


def _run(command: list[str], place: Path) -> str:
    """Run a command in a folder, and return what it prints.

    Raises:
        RuntimeError: If it fails.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as many as a run of ours has
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _read_ended(place: Path) -> Ended:
    summaries = [json.loads(path.read_text()) for path in place.glob("*/*/summary.json")]
    return [(summary["steps"], summary["metrics"]["test/acc"]) for summary in summaries if summary["status"] == "done"]
