"""How much work the runs of a sweep are: in which order several at a time start, and how many fit into memory."""

import os
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

import torch

from dlexp.errors import ConfigError
from dlexp.machine.memory import read_memory
from dlexp.machine.once import checking_once
from dlexp.run.execute import gather_facts
from dlexp.run.plan import PlannedRun
from dlexp.run.setup.facts import Facts
from dlexp.run.setup.footprint import MAX_MEMORY_SHARE, estimate_footprint
from dlexp.study.worker import GPUS

PROCESS_BYTES = 300 * 2**20  # of a worker beside its data and model: torch and what it imports, not shared with the command


class Work(NamedTuple):
    """The size of a run.

    Args:
        num_parameters: Trainable numbers in its model.
        num_steps: Its planned steps.
        batch_size: Examples of a full batch.
    """

    num_parameters: int
    num_steps: int
    batch_size: int

    @property
    def amount(self) -> int:
        """A number that grows with the time that a run takes: each example of each step meets each parameter."""
        return self.num_parameters * self.num_steps * self.batch_size


def measure_work(facts: Facts) -> Work:
    """The size of a run with these facts."""
    return Work(facts.num_parameters, facts.horizon.num_steps, facts.batch_size)


def list_gpus(runs: Sequence[PlannedRun]) -> list[str]:
    """The GPUs of this process, as `CUDA_VISIBLE_DEVICES` names them; none if no run uses one.

    Raises:
        ConfigError: If the number of runs on each GPU is set, and no run uses one.
    """
    if all(run.config["hardware"]["device"] == "cpu" for run in runs):
        if per_gpu := runs[0].config["jobs_per_gpu"]:
            raise ConfigError(f"jobs_per_gpu={per_gpu}: has no effect: no run of this sweep uses a GPU. Leave it out.")
        return []
    given = [name.strip() for name in os.environ.get(GPUS, "").split(",")]
    return [name for name in given if name] or [str(number) for number in range(torch.cuda.device_count())]


@checking_once()
def order_runs(due: Sequence[PlannedRun], others: Sequence[PlannedRun], work: Mapping[str, Work]) -> list[PlannedRun]:
    """The order in which runs start, so that a sweep that is cut off has whole seeds, and no long run starts last.

    All runs of a seed, and of a draw of the data, start before those of the next. Among them those that are expected to take
    longest come first: by the time of finished runs of the same cell if there are some for every cell, else by `Work.amount`.

    Args:
        due: The runs to start.
        others: The other runs of the sweep.
        work: Id → size, of the runs that are due.
    """
    repeats = list(dict.fromkeys(map(_repeat, due)))
    took: dict[tuple[str, ...], list[float]] = {}
    for run in others:
        if (summary := run.read_summary()) and "seconds" in summary:
            took.setdefault(_cell(run), []).append(sum(summary["seconds"].values()))
    if all(_cell(run) in took for run in due):
        expected = {run.identity: mean(took[_cell(run)]) for run in due}
    else:
        expected = {identity: float(size.amount) for identity, size in work.items()}
    return sorted(due, key=lambda run: (repeats.index(_repeat(run)), -expected.get(run.identity, 0)))


def _repeat(run: PlannedRun) -> tuple[int, int]:
    return run.config["seed"], run.config["data_seed"]


def _cell(run: PlannedRun) -> tuple[str, ...]:
    return tuple(text for text in run.label if not text.startswith(("seed=", "data_seed=")))


def fit_into_memory(due: Sequence[PlannedRun], work: Mapping[str, Work], count: int) -> tuple[int, str]:
    """How many runs may be executed at the same time, `count` at most, so that main memory suffices for the largest of them.

    Args:
        due: The runs to start.
        work: Id → size, of these runs.
        count: The number that is asked for.

    Returns:
        The number, at least 1; and why it is smaller, else an empty text.
    """
    known = [run for run in due if run.identity in work]
    largest = {max(known, key=lambda run: work[run.identity][field]).identity: None for field in range(3)} if known else {}
    needed = max((_estimate(run) for run in known if run.identity in largest), default=0)
    free = int(MAX_MEMORY_SHARE * read_memory().available)
    fitting = max(1, min(count, free // (needed + PROCESS_BYTES)))
    if fitting == count:
        return count, ""
    sizes = [f"{size / 2**20:,.0f} MiB" for size in (needed + PROCESS_BYTES, free)]
    return fitting, f"jobs: {fitting} instead of {count}: a run needs about {sizes[0]}, and all may use {sizes[1]}."


def _estimate(run: PlannedRun) -> int:
    """Bytes of main memory that a run needs beside those of its process."""
    facts = gather_facts(run)
    takes = estimate_footprint(run.config, facts.dataset, run.device)
    return takes.needed(facts.batch_size) if run.device.type == "cpu" else takes.data
