"""Show the progress of runs: a live line on a terminal, one plain line per epoch in a pipe or a log."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dlexp.machine.console import make_console
from dlexp.machine.printing import guard_streams, print_text, put_on_one_line
from dlexp.run.record.forms import BROKEN
from dlexp.run.side_by_side import Bars, Messages

REFRESH_SECONDS = 0.5
LEFT_ALIGNED = ("status", "reason", "study", "question", "run", "cell")  # columns of text
PLAIN_WIDTH = 160  # characters in a line of a table, if there is no terminal


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

    def say(self, text: str) -> None:
        """Show a line."""

    def table(self, table: Table) -> None:
        """Show a table."""

    def split(self, num_jobs: int) -> "Sequence[Display]":
        """Displays for runs that are executed at the same time, one for each job. Called once, within the context."""

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

    def say(self, text: str) -> None:
        """Print the line and flush it."""
        print_text(text)

    def table(self, table: Table) -> None:
        """Print the table at a fixed width."""
        make_console(width=PLAIN_WIDTH).print(table)

    def split(self, num_jobs: int) -> Sequence[Display]:
        """Print the messages of each job, and a line for each run that has ended."""
        return [Messages(self.say, self.table)] * num_jobs

    def __enter__(self) -> "Plain":
        """Do nothing: there is no live display."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is no live display."""


class Live:
    """Shows runs one after the other, with two progress bars of rich: one for the run, and above it one for the sweep."""

    def __init__(self, num_runs: int) -> None:
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[numbers]}", markup=False),
            TimeRemainingColumn(compact=True),
        )
        self.progress = Progress(*columns, console=make_console(), refresh_per_second=4)
        self.sweep = self.progress.add_task("sweep", total=num_runs, numbers=f"run 1 of {num_runs}", visible=num_runs > 1)
        self.num_runs, self.num_begun, self.num_epochs = num_runs, 0, 0
        self.run = self.progress.add_task("", numbers="", visible=False)
        self.refreshed = 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Show the title of the run, and start its bar."""
        self.num_begun, self.num_epochs = self.num_begun + 1, num_epochs
        if self.num_runs == 1:
            self.say(title)
        self.progress.update(self.sweep, numbers=f"run {self.num_begun} of {self.num_runs}: {title}")
        self.progress.reset(self.run, total=num_steps, description="starting", numbers="", visible=True)

    def due(self) -> bool:
        """Whether the bar was last moved more than half a second ago."""
        return time.monotonic() - self.refreshed > REFRESH_SECONDS

    def refresh(self, step: int) -> None:
        """Move the bar."""
        self.refreshed = time.monotonic()
        self.progress.update(self.run, completed=step)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bar, and show the numbers of the row beside it."""
        description = f"epoch {row['epoch']}/{self.num_epochs}"
        self.progress.update(self.run, completed=row["step"] or 0, description=description, numbers=_shorten(row))

    def end(self) -> None:
        """Hide the run's bar."""
        self.progress.update(self.run, visible=False)
        self.progress.advance(self.sweep)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print above the bars."""
        self.progress.console.print(table)

    def split(self, num_jobs: int) -> Sequence[Display]:
        """A bar for each job."""
        return Bars(self.progress, num_jobs, self.say, self.table, _shorten).jobs

    def __enter__(self) -> "Live":
        """Start the live display."""
        self.streams = (sys.stdout, sys.stderr)
        self.progress.start()
        guard_streams()  # rich shows what others print above the bars, and takes their codes for colours and links
        return self

    def __exit__(self, *_: object) -> None:
        """End the live display."""
        for bar in self.progress.task_ids:
            self.progress.update(bar, visible=False)
        self.progress.stop()
        sys.stdout, sys.stderr = self.streams


def make_display(num_runs: int = 1) -> Display:
    """Create a live display if standard output is a terminal, else a plain one.

    Args:
        num_runs: Number of runs in the sweep, which has a bar of its own if there are several.
    """
    return Live(num_runs) if sys.stdout.isatty() else Plain()


def epoch_line(row: Mapping[str, float], num_epochs: int) -> str:
    """Format a row of metrics.csv as a line."""
    return "  ".join([f"epoch {row['epoch']:>{len(str(num_epochs))}}/{num_epochs}", *_format_numbers(row)])


def _format_numbers(row: Mapping[str, float]) -> list[str]:
    numbers = [f"{name} {format_value(name, row[name])}" for name in row if name.endswith(("/loss", "/acc", "/rmse"))]
    rate = row.get("examples_per_s")
    return numbers + ([f"{rate:,.0f} examples/s"] if rate else [])


def _shorten(row: Mapping[str, float]) -> str:
    """The numbers of a row, for a place beside a bar."""
    return "  ".join(_format_numbers(row)).replace("train/", "").replace(" examples/s", "/s")


def format_value(name: str, value: Any) -> str:
    """Format a metric: rates in per cent, other numbers with four digits."""
    if value is None or value == "":
        return "–"
    if name.endswith("/acc"):
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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


def result_line(summary: Mapping[str, Any], folder: Path) -> str:
    """Describe how a run ended: a failed one with the place of its log, a diverged one with the step where it began."""
    if summary["status"] in BROKEN:
        return put_on_one_line(f"{summary['status']}: {summary['reason']} (see {folder / 'train.log'})")
    tests = [f"{name} {format_value(name, number)}" for name, number in summary["metrics"].items() if name.startswith("test/")]
    tests = tests if summary["metrics"].get("test/loss") is not None else ["no test metrics"]
    seconds = f"{sum(summary['seconds'].values()):.1f} s"
    if "reason" in summary:
        return put_on_one_line("  ".join([f"{summary['status']}: {summary['reason']}", *tests, seconds]))
    bad = [f"first non-finite loss at step {summary['first_bad_step']}"] if summary.get("first_bad_step") else []
    return "  ".join([summary["status"], *bad, *tests, seconds])
