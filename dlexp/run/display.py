"""Show the progress of runs: bars in a terminal; in a pipe or a log a line for each epoch, or for each run of a sweep."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from rich.table import Table
from rich.text import Text

from dlexp.machine.console import make_console
from dlexp.machine.printing import print_text, put_on_one_line
from dlexp.run.bars import Live
from dlexp.run.numbers import epoch_line, format_value
from dlexp.run.record.forms import BROKEN
from dlexp.run.record.scores import TESTED
from dlexp.run.side_by_side import Messages, Titled

FULL, LINES, NONE = "full", "lines", "none"  # the values of the setting `display`
LEFT_ALIGNED = ("status", "reason", "study", "question", "run", "cell", "switch")  # columns of text
PLAIN_WIDTH = 160  # characters in a line of a table, if there are no bars


@runtime_checkable
class Display(Protocol):
    """What shows the progress of runs, one after the other. It is a context, within which it may draw."""

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """A run begins: its title, and its planned length."""

    def due(self) -> bool:
        """Whether `refresh` should be called now; asked at each step."""

    def refresh(self, step: int) -> None:
        """So many steps are done."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch has ended with this row of metrics.csv."""

    def end(self) -> None:
        """The run has ended."""

    def skip(self) -> None:
        """A run that was to be executed has been done elsewhere."""

    def say(self, text: str) -> None:
        """Show a line."""

    def table(self, table: Table) -> None:
        """Show a table."""

    def split(self, num_jobs: int) -> "Sequence[Display]":
        """Displays for runs that are executed at the same time, one for each job. Called within the context."""

    def __enter__(self) -> "Display":
        """Begin to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Show nothing more."""


class Plain:
    """Shows runs one after the other, with one line per epoch, for pipes and logs."""

    def __init__(self) -> None:
        self.num_epochs = 0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Print the title of the run."""
        self.num_epochs = num_epochs
        self.say(title)

    def due(self) -> bool:
        """Never: nothing is shown between epochs."""
        return False

    def refresh(self, step: int) -> None:
        """Do nothing: nothing is shown between epochs."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Print the row."""
        self.say(epoch_line(row, self.num_epochs))

    def end(self) -> None:
        """Do nothing: there is no live display."""

    def skip(self) -> None:
        """Do nothing: there is no live display."""

    def say(self, text: str) -> None:
        """Print the line and flush it."""
        print_text(text)

    def table(self, table: Table) -> None:
        """Print the table at a fixed width."""
        make_console(width=PLAIN_WIDTH).print(table)

    def split(self, num_jobs: int) -> Sequence[Display]:
        """Print the messages of each job, and the lines of its runs with their titles."""
        return [Titled(self.say, self.table) for _ in range(num_jobs)]

    def __enter__(self) -> "Plain":
        """Do nothing: there is no live display."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no live display."""


def make_display(show: str | None = None) -> Display:
    """Create the display of a single run, or of a command that shows tables: bars if standard output is a terminal, else lines.

    Args:
        show: The setting `display`.
    """
    if show == NONE:
        return Messages()
    return Live(1) if draws(show) else Plain()


def make_sweep_display(num_runs: int, show: str | None = None) -> Display:
    """Create the display of a sweep: bars if standard output is a terminal, else a line for each run.

    Args:
        num_runs: Number of runs that are to be executed.
        show: The setting `display`.
    """
    if show == NONE:
        return Messages()
    if draws(show):
        return Live(num_runs)
    return Plain() if show == FULL else Messages(Plain().say, Plain().table)


def draws(show: str | None) -> bool:
    """Whether there are bars: standard output is a terminal, and the setting `display` does not ask for lines."""
    return sys.stdout.isatty() and show != LINES


def results_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Build the table of a sweep's results, with a row for each run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in LEFT_ALIGNED else "right", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(put_on_one_line(format_value(column, row.get(column)))) for column in columns)
        )  # as Text, [..] in a value is not markup
    return table


def origin_lines(codes: Iterable[str], environments: Iterable[str]) -> list[str]:
    """A line for each way in which runs were finished otherwise than they would be now, with what runs them again.

    Args:
        codes: Of each run as `PlannedRun.describe_other_code` words it: `done by other code: parts/model/convnet.py changed`.
        environments: Of each run as `PlannedRun.describe_other_environment` words it. Empty texts are left out, of both.
    """
    return [
        f"{count} {'run' if count == 1 else 'runs'} {reason}; {again} {'it' if count == 1 else 'them'} again."
        for reasons, again in ((codes, "stale=rerun does"), (environments, "force=true runs"))
        for reason, count in Counter(filter(None, reasons)).items()
    ]


def result_line(summary: Mapping[str, Any], folder: Path | None) -> str:
    """Describe how a run ended: a failed one with its log, a diverged one with the step where it began."""
    if summary["status"] in BROKEN:
        see = f" (see {folder / 'train.log'})" if folder else ""
        return put_on_one_line(f"{summary['status']}: {summary['reason']}{see}")
    tests = [f"{name} {format_value(name, number)}" for name, number in summary["metrics"].items() if name in TESTED]
    tests = tests if summary["metrics"].get("test/loss") is not None else ["no test metrics"]
    seconds = f"{sum(summary['seconds'].values()):.1f} s"
    if "reason" in summary:
        return put_on_one_line("  ".join([f"{summary['status']}: {summary['reason']}", *tests, seconds]))
    bad = [f"first non-finite loss at step {summary['first_bad_step']}"] if summary.get("first_bad_step") else []
    return "  ".join([summary["status"], *bad, *tests, seconds])
