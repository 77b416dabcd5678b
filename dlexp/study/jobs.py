"""The settings `jobs` and `jobs_per_gpu`: how many runs of a sweep are executed at the same time. Loads no torch."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from dlexp.config.compose import Composed
from dlexp.errors import ConfigError
from dlexp.machine.cores import count_cores
from dlexp.study.cells import Study, spell
from dlexp.study.metrics import is_measured

AUTO = "auto"
_NUMBER = "how many runs of a sweep or of a study are trained at the same time"
OF_SWEEPS: dict[str, tuple[Any, str]] = {  # settings → their default, and what they say
    "jobs": (1, _NUMBER),
    "jobs_per_gpu": (None, _NUMBER),
    "wait": (True, "whether a sweep or a study waits for runs that other processes execute"),
}
ONE_VALUE = {"jobs": 2, "jobs_per_gpu": 2, "display": "lines", "wait": "false"}  # settings of a whole sweep → an example
GROUP_SIZE = "WORLD_SIZE"  # what torchrun, and what starts processes in its place, sets to the number of processes


class Jobs(NamedTuple):
    """How a command sets the number of runs that are executed at the same time.

    Args:
        jobs: The number, or `auto`.
        per_gpu: With `auto`, the number on each GPU; None: one.
    """

    jobs: int | str = 1
    per_gpu: int | None = None

    @property
    def is_one(self) -> bool:
        """Whether the runs are executed one after the other, in the process of the command."""
        return self.jobs == 1

    def choose_count(self, num_threads: Iterable[int], gpus: Sequence[str], num_due: int) -> int:
        """The number of runs to execute at the same time.

        Args:
            num_threads: `hardware.num_threads` of each run.
            gpus: The GPUs, if a run uses one.
            num_due: The number of runs to execute.
        """
        if self.jobs != AUTO:
            wanted = int(self.jobs)
        elif gpus:
            wanted = len(gpus) * (self.per_gpu or 1)
        else:
            wanted = int(count_cores() // max(num_threads, default=1))
        return max(1, min(wanted, num_due))


def read_jobs(cell: Composed) -> Jobs:
    """The settings of a sweep, which `check_jobs` has found to be the same in all its cells."""
    return Jobs(cell.config["jobs"], cell.config["jobs_per_gpu"])


def check_jobs(cells: Sequence[Composed], study: Study | None = None) -> None:
    """Check that the runs of a sweep, or of a study, can be executed as many at a time as the command says.

    Raises:
        ConfigError: If they cannot.
    """
    if problems := list(dict.fromkeys(_find_mistakes(cells, study))):
        raise ConfigError(*problems)


def _find_mistakes(cells: Sequence[Composed], study: Study | None) -> Iterator[str]:
    if not cells:  # of a study that tunes, no search has chosen anything yet
        return
    for key, example in ONE_VALUE.items():
        values = list(dict.fromkeys(cell.config[key] for cell in cells))
        if len(values) > 1:
            given = f"{key}={','.join(map(spell, values))}"
            yield f"{given}: says how the whole sweep is run: give one value, such as {key}={example}."
    jobs, per_gpu = read_jobs(cells[0])
    if per_gpu is not None and jobs != AUTO:
        yield f"jobs_per_gpu={per_gpu}: counts runs for jobs=auto, and jobs is {jobs}: give one of the two."
    if jobs == 1:
        return
    yield from find_measured(cells, study, f"jobs={jobs}", "jobs=1")


def find_measured(cells: Sequence[Composed], study: Study | None, several: str, one: str) -> Iterator[str]:
    """What measures times or free memory, and cannot do so beside other runs, a sentence each.

    Args:
        cells: The runs.
        study: The study that they are of.
        several: The setting with which runs are executed beside each other.
        one: The setting with which they are not.
    """
    for cell in cells:
        if cell.config["batch_size"] == AUTO:
            yield f"{several}: batch_size=auto measures free memory, which runs beside it use: give a number, or {one}."
        if cell.config["hardware"]["tune"]:
            yield f"{several}: hardware.tune=true measures times, which runs beside it change: leave it out, or set {one}."
    metrics = [study.metric, *(str(entry["metric"]) for entry in study.predictions if "metric" in entry)] if study else []
    for metric in filter(is_measured, metrics):
        yield f"{several}: this study compares {metric}, which runs beside it change: set {one}."


def refuse_for_one(composed: Composed) -> list[str]:
    """What is wrong with the settings of a command that trains a single run, a sentence each."""
    return [
        f"{key}={spell(composed.config[key])}: says {what}, and this is one run: leave it out."
        for key, (default, what) in OF_SWEEPS.items()
        if composed.config[key] != default
    ]


def check_process_group() -> None:
    """Check that this process was not started as one of several that are to train a model together, as torchrun does.

    Raises:
        ConfigError: If it was: each of them would train the same runs.
    """
    size = os.environ.get(GROUP_SIZE, "")
    if size.isdecimal() and int(size) > 1:
        raise ConfigError(
            f"{GROUP_SIZE}={int(size)}: torchrun, or another launcher, has started this command in {int(size)} processes that "
            "train one model together, and dlexp trains each run in one process. Start the command without torchrun. Several "
            f"runs are trained at the same time by jobs={int(size)} in a sweep or a study, or by the same command in several "
            f"terminals, which share the runs. Where {GROUP_SIZE} is left over from something else, unset it."
        )
