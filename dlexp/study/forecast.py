"""What a command would do: the state of each cell's runs, and the seconds to expect. Trains nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean
from typing import Any, Literal

from dlexp.config.check import refuse
from dlexp.config.compose import Composed
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.once import checking_once
from dlexp.run.check_progress import showing_check
from dlexp.run.plan import ADHOC, PlannedRun, plan
from dlexp.run.record.forms import BROKEN
from dlexp.run.record.layout import SUMMARY
from dlexp.study.jobs import read_jobs
from dlexp.study.work import list_gpus

State = Literal["done", "diverged", "to do", "interrupted", "failed", "damaged", "stale", "unsupported", "untuned"]
Source = Literal["own", "like", "timed", ""]
REPEATS = ("seed", "data_seed")  # keys that do not distinguish cells


@dataclass(frozen=True)
class Run:
    """A run that a command would go through.

    Args:
        title: Names it.
        state: How far it is.
        planned: Its plan; None if this machine cannot run it, or if its settings are not chosen yet.
        due: Whether the command would execute it.
        seconds: How long it took; None if it is not finished.
        code: How it was finished by other code, or an empty text.
        environment: How it was finished in another environment, or an empty text.
    """

    title: str
    state: State
    planned: PlannedRun | None = None
    due: bool = False
    seconds: float | None = None
    code: str = ""
    environment: str = ""


@dataclass
class CellForecast:
    """The runs of a cell, and how long one takes.

    Args:
        settings: Key → text of its value, of its own.
        name: Those in which the cells differ, as they are typed.
        runs: Its runs.
        seconds: To expect of a run that is due; None if that is not known.
        source: What this goes by: finished runs of the cell itself (`own`), those of like cells, or timed steps.
    """

    settings: Mapping[str, str]
    name: str
    runs: list[Run] = field(default_factory=list)
    seconds: float | None = None
    source: Source = ""

    @cached_property
    def counts(self) -> Counter[str]:
        """State → number of runs."""
        return Counter(run.state for run in self.runs)

    @property
    def due(self) -> list[PlannedRun]:
        """The runs that would be executed, as far as their settings are known."""
        return [run.planned for run in self.runs if run.due and run.planned]

    @property
    def num_due(self) -> int:
        """How many runs would be executed: these, and those whose settings are not chosen yet."""
        return sum(run.due for run in self.runs)

    @property
    def took(self) -> list[float]:
        """Seconds of its finished runs."""
        return [run.seconds for run in self.runs if run.seconds is not None]


@checking_once()
def list_cells(runs: Sequence[Composed], names: Sequence[Mapping[str, str]], study: str = ADHOC) -> list[CellForecast]:
    """List the cells of a command with the state of their runs, and with the seconds to expect by what is finished.

    Args:
        runs: The configs of its runs, which have passed all checks of a command.
        names: The settings that distinguish the cell of each run.
        study: The study that they are part of.

    Raises:
        ConfigError: With every mistake that is found when a run is planned.
    """
    cells: dict[tuple[tuple[str, str], ...], CellForecast] = {}
    problems: list[tuple[str, Composed]] = []
    seen: set[str] = set()
    naming = _name_cells(names)
    with showing_check(len(runs), "configs and states") as watch:
        for composed, settings in watch(zip(runs, names, strict=True)):
            try:
                run = _look_at(plan(composed, study))
            except UnsupportedError:
                run = Run(" ".join(composed.command), "unsupported")
            except ConfigError as error:
                problems += [(problem, composed) for problem in error.problems]
                continue
            if run.planned and run.planned.identity in seen:  # of a sweep, in which two cells may be one run
                continue
            seen |= {run.planned.identity} if run.planned else set()
            cells.setdefault(tuple(settings.items()), CellForecast(settings, naming(settings))).runs.append(run)
    refuse(problems, len(runs))
    found = list(cells.values())
    for cell in found:
        _expect(cell, found)
    return found


def _name_cells(cells: Sequence[Mapping[str, str]]) -> Callable[[Mapping[str, str]], str]:
    """Name a cell by the settings in which these cells differ, or, where it has none of them, by all that it has."""
    keys = dict.fromkeys(key for settings in cells for key in settings)
    varying = {key for key in keys if len({settings.get(key) for settings in cells}) > 1}

    def name(settings: Mapping[str, str]) -> str:
        texts = [f"{key}={text}" for key, text in settings.items() if key in varying]
        return " ".join(texts or [f"{key}={text}" for key, text in settings.items()]) or "the default run"

    return name


def _look_at(planned: PlannedRun) -> Run:
    """The state of a run on disk."""
    summary = planned.read_summary()
    code, environment = planned.describe_other_code(), planned.describe_other_environment()
    seconds = sum(summary["seconds"].values()) if summary and summary["status"] not in BROKEN else None
    return Run(planned.title, _find_state(planned, summary, code), planned, planned.must_run(), seconds, code, environment)


def _find_state(planned: PlannedRun, summary: Mapping[str, Any] | None, code: str) -> State:
    if summary is None:
        return "damaged" if (planned.folder / SUMMARY).exists() else "interrupted" if planned.folder.exists() else "to do"
    if code:
        return "stale"
    return "failed" if summary["status"] in BROKEN else "diverged" if summary["status"] == "diverged" else "done"


def _expect(cell: CellForecast, cells: Sequence[CellForecast]) -> None:
    """Find how long a run of a cell takes: as its finished runs, or as those of the cells with which it has most in common."""
    if cell.took:
        cell.seconds, cell.source = mean(cell.took), "own"
        return
    common = {
        place: sum(other.settings.get(key) == text for key, text in cell.settings.items())
        for place, other in enumerate(cells)
        if other.took
    }
    if common:
        likest = [place for place, number in common.items() if number == max(common.values())]
        cell.seconds, cell.source = mean(mean(cells[place].took) for place in likest), "like"


def time_cells(cells: Sequence[CellForecast], begin: Callable[[CellForecast], object] = lambda cell: None) -> None:
    """Time a few steps of each cell that has a run to execute and none that is finished.

    A cell that fails, such as one for which memory does not suffice, keeps what was expected of it.

    Args:
        cells: From `list_cells`; their seconds and sources are changed.
        begin: Called before each.

    Raises:
        ConfigError: If data or model do not fit the config.
        DatasetError: If the data of a cell cannot be read or downloaded.
    """
    from dlexp.study.timing import time_run  # builds models: not needed without

    for cell in cells:
        if cell.due and cell.source != "own":
            begin(cell)
            try:
                cell.seconds, cell.source = time_run(cell.due[0]), "timed"
            except (UnsupportedError, RuntimeError):  # a run would be left out, or be a row that says so
                continue


def count_jobs(cells: Sequence[CellForecast]) -> int:
    """How many of the due runs are executed at the same time, as far as memory suffices.

    Raises:
        ConfigError: If the number of runs on each GPU is set, and no run uses one.
    """
    due = [run for cell in cells for run in cell.due]
    if not due:
        return 1
    threads = [run.config["hardware"]["num_threads"] for run in due]
    return read_jobs(due[0].composed).choose_count(threads, list_gpus(due), sum(cell.num_due for cell in cells))


def sum_seconds(cells: Sequence[CellForecast]) -> float | None:
    """Seconds that all due runs take one after the other; None if that is not known of some cell."""
    due = [cell for cell in cells if cell.num_due]
    if any(cell.seconds is None for cell in due):
        return None
    return sum((cell.seconds or 0.0) * cell.num_due for cell in due)
