"""Keep a report from being replaced by one that knows less: because run folders were deleted, or are not on this machine."""

from collections.abc import Iterable
from pathlib import Path

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.read.runs_csv import TRIALS, read_runs
from dlexp.analysis.read.text import find_table

PAGES = ("report.html", "report.md")


class LessKnownError(ValueError):
    """The report that would be written knows less than the one that is there."""


def check_knows_no_less(result: StudyResult, drawn: Iterable[str]) -> None:
    """Compare what a new report would show with the report that is there.

    Args:
        result: What the new report would show.
        drawn: The names of its figures.

    Raises:
        LessKnownError: If runs that the earlier report shows as finished are not found any more, or if figures of it cannot be
            drawn again, because there are no run folders.
    """
    if not any((result.folder / page).exists() for page in PAGES):
        return
    lacks = []
    searched = [(TRIALS, result.tuning.runs, "runs of the search")] if result.tuning else []
    for name, runs, what in (("runs.csv", result.runs, "runs"), *searched):
        missing = runs.loc[runs["status"] == "missing", "id"]
        if gone := len(_read_finished(result.folder / name).intersection(missing)):
            lacks.append(f"{gone} {what} that it shows as finished")
    if result.from_tables:
        stems = {path.stem for kind in ("png", "svg") for path in (result.folder / "figures").glob(f"*.{kind}")}
        figures = sorted(stems.difference(drawn))
        lacks += [f"the run folders from which its figures are drawn ({', '.join(figures)})"] if figures else []
    if lacks:
        raise LessKnownError(
            f"{result.folder}: the report there was not replaced, because a new one would know less: {' and '.join(lacks)} "
            "were not found."
        )


def _read_finished(path: Path) -> set[str]:
    """The ids of the runs that a table of the earlier report has as finished."""
    table = find_table(path)
    if table is None:
        return set()
    try:
        runs = read_runs(table)
    except (DamagedError, OSError):
        return set()
    return set(runs.loc[runs["status"].isin(FINISHED), "id"]) if {"id", "status"} <= set(runs) else set()
