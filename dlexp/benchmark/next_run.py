"""What one more run of a sweep costs beside its training and its evaluation: composing, building, recording."""

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from time import perf_counter

from dlexp.benchmark.comparison import Block, Case, Figure, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.config.compose import compose
from dlexp.config.overrides import expand
from dlexp.study.sweep import check_cells, sweep

WORK = ("warmup", "train", "compile", "evaluation")  # of a summary's seconds: what the run was asked for
TINY = ("max_steps=5", "hardware=cpu")


def cases(request: Request) -> Iterator[Case]:
    """Ten runs of five steps, in this process."""
    yield Case(
        name="ten runs of five steps",
        arms=("wall clock less what the summaries book as training and evaluation", ""),
        ours=partial(sweeps, request.scratch),
        other=None,
        figures=(Figure("ours", "ms/run", 1e3, goal=Goal("at most", 150.0, 80.0)),),
        unit="runs",
        block=10,
        check=_every_run_is_done,
    )


def sweeps(folder: Path) -> Block:
    """A sweep over so many seeds, each time in a new folder."""

    def block(num_runs: int) -> Sample:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            began = perf_counter()
            _run(num_runs, place)
            seconds = perf_counter() - began
            summaries = _summaries(place)
        work = sum(summary["seconds"].get(name, 0.0) for summary in summaries for name in WORK)
        return Sample((seconds - work) / num_runs, None)  # summaries book the clock on the wall alone

    return block


def _run(num_runs: int, place: str) -> None:
    seeds = ",".join(str(seed) for seed in range(num_runs))
    cells = [compose(cell) for cell in expand([*TINY, f"seed={seeds}", f"output_dir={place}"])]
    with redirect_stdout(io.StringIO()):
        sweep(check_cells(cells), "python scripts/benchmark.py")


def _summaries(place: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in Path(place).glob("*/*/summary.json")]


def _every_run_is_done(case: Case, block: int) -> None:
    """What is left of the clock is the cost of runs only if they were all trained."""
    with tempfile.TemporaryDirectory() as place:
        _run(block, place)
        status = [summary["status"] for summary in _summaries(place)]
    if status != ["done"] * block:
        raise DifferentWorkError(f"{case.name}: {block} runs were to be done, and the sweep left {status}.")
