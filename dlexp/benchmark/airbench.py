"""The time to reach airbench94's accuracy: our study of the same recipe, compared with the user's copy of the script."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch

from dlexp.benchmark.comparison import Block, Case, Figure, Missing, Request, Sample
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.benchmark.settings import NO_GPU
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import plan
from dlexp.study.request import compose_runs, read_command

STUDY = "cifar10_speedrun"  # its first cell is the complete recipe
RUNS = 5  # per block
ACCURACY = 0.94  # that both must reach on average over RUNS runs
NAME = "94 % on CIFAR-10"


Runs = Callable[[int], "list[Trained]"]
"""Trains a number of runs."""


class Trained(NamedTuple):
    """One run: accuracy with test-time augmentation in [0, 1], and seconds as airbench counts them."""

    accuracy: float
    seconds: float


def cases(request: Request) -> Iterator[Case | Missing]:
    """Not timed are loading the data, compiling, and every evaluation but the last."""
    if not torch.cuda.is_available():
        yield Missing(NAME, NO_GPU)
    elif request.airbench is None:
        yield Missing(NAME, "needs your copy of the script: --airbench path/to/airbench94_muon.py")
    else:
        study, script = partial(run_study, request.scratch), partial(run_airbench, request.airbench)
        yield Case(
            name=NAME,
            arms=(f"study={STUDY}, whole recipe", request.airbench.name),
            ours=partial(_make_block, study),
            other=partial(_make_block, script),
            figures=(Figure("other / ours"), Figure("ours", "s/run")),
            unit="runs",
            block=RUNS,
            check=partial(_check_accuracy, {"dlexp": study, "airbench": script}),
        )


def _make_block(runs: Runs) -> Block:
    return lambda num_runs: Sample(mean(run.seconds for run in runs(num_runs)), None)


def run_study(folder: Path, num_runs: int) -> list[Trained]:
    """Train the study's first cell with this number of seeds."""
    seeds = ",".join(str(seed) for seed in range(num_runs))
    study, request = read_command([f"study={STUDY}", f"seed={seeds}", f"output_dir={folder}", "force=true"])
    request = replace(request, cells=request.cells[:1])
    trained = []
    for composed in compose_runs(study, request):
        run = plan(composed, study.name)
        summary = execute(run, gather_facts(run), Plain()) or {}
        trained.append(read_trained(summary))
    return trained


def read_trained(summary: dict) -> Trained:
    """The time of a run as airbench counts it: all training steps, and the last evaluation.

    Our first step is a warm-up and contains the compilation, so it counts as a mean step.
    """
    seconds, steps = summary["seconds"], summary["steps"]
    evaluations = 1 + (summary["epochs"] + 1 if summary["selected_on_test"] else 0)
    return Trained(summary["metrics"]["test/acc"], seconds["train"] * steps / (steps - 1) + seconds["evaluation"] / evaluations)


def run_airbench(script: Path, num_runs: int) -> list[Trained]:
    """Run airbench's script, and end it after this number of runs. It prints `| run | eval | | | accuracy | seconds |`.

    Raises:
        RuntimeError: If it ends earlier.
    """
    command = [sys.executable, "-u", str(script.resolve())]
    process = subprocess.Popen(command, cwd=script.resolve().parent, stdout=subprocess.PIPE, text=True)
    try:
        rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in process.stdout or ())
        ends = (row for row in rows if len(row) > 2 and row[1] == "eval")
        trained = [Trained(float(row[-2]), float(row[-1])) for row in islice(ends, 1, num_runs + 1)]  # the first is its warm-up
    finally:
        process.kill()
        process.communicate()
    if len(trained) < num_runs:
        raise RuntimeError(f"{script} ended after {len(trained)} of {num_runs} runs.")
    return trained


def _check_accuracy(arms: Mapping[str, Runs], case: Case, block: int) -> None:
    """Check that both reach the accuracy, on average over the runs of a block.

    Raises:
        DifferentWorkError: If one does not.
    """
    for name, runs in arms.items():
        accuracy = mean(run.accuracy for run in runs(block))
        if accuracy < ACCURACY:
            raise DifferentWorkError(f"{case.name}: {name} reaches {100 * accuracy:.2f} % on average over {block} runs.")
