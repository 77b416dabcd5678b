"""The time of a run of a sweep beyond its training and evaluation: composing, building and recording."""

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
from dlexp.config.entry import show_command
from dlexp.config.overrides import expand
from dlexp.study.sweep import check_cells, sweep

WORK = ("warmup", "train", "compile", "evaluation")  # keys of a summary's seconds
TINY = ("max_steps=5", "hardware=cpu")


def cases(request: Request) -> Iterator[Case]:
    """Ten runs of five steps, in this process."""
    yield Case(
        name="ten runs of five steps",
        arms=("wall clock minus training and evaluation, by the summaries", ""),
        ours=partial(make_sweeps, request.scratch),
        other=None,
        figures=(Figure("ours", "ms/run", 1e3, goal=Goal("at most", 150.0, 80.0)),),
        unit="runs",
        block=10,
        check=_check_all_done,
    )


def make_sweeps(folder: Path) -> Block:
    """Sweeps over this number of seeds, each in a new folder."""

    def block(num_runs: int) -> Sample:
        seconds, summaries = _time_sweep(num_runs, folder)
        work = sum(summary["seconds"].get(name, 0.0) for summary in summaries for name in WORK)
        return Sample((seconds - work) / num_runs, None)  # summaries have wall-clock times only

    return block


def _time_sweep(num_runs: int, folder: Path | None = None) -> tuple[float, list[dict]]:
    """Run a sweep in a new folder, which is removed: its seconds, and the summaries of its runs."""
    seeds = ",".join(str(seed) for seed in range(num_runs))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        began = perf_counter()
        cells = [compose(cell) for cell in expand([*TINY, f"seed={seeds}", f"output_dir={place}"])]
        with redirect_stdout(io.StringIO()):
            sweep(check_cells(cells), show_command("benchmark"))
        seconds = perf_counter() - began
        return seconds, [json.loads(path.read_text()) for path in Path(place).glob("*/*/summary.json")]


def _check_all_done(case: Case, block: int) -> None:
    """Check that every run of a sweep was trained.

    Raises:
        DifferentWorkError: If one was not.
    """
    status = [summary["status"] for summary in _time_sweep(block)[1]]
    if status != ["done"] * block:
        raise DifferentWorkError(f"{case.name}: {block} runs should be done, and the sweep left {status}.")
