"""What a person sees of a run: a live line on a terminal, one plain line an epoch in a pipe or a log."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

REFRESH_SECONDS = 0.5
TEXTS = ("status", "reason", "study", "question", "run")  # columns that are read, not compared
PLAIN_WIDTH = 160  # columns of a table where there is no terminal to ask


@runtime_checkable
class Display(Protocol):
    """Shows runs, one after the other."""

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """A run starts."""
        ...

    def due(self) -> bool:
        """Whether `refresh` would be seen: asked once a step, so cheap."""
        ...

    def refresh(self, step: int) -> None:
        """A run has come to this step."""
        ...

    def epoch(self, row: Mapping[str, float]) -> None:
        """A row of metrics.csv was written."""
        ...

    def end(self) -> None:
        """The run is over."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def table(self, table: Table) -> None:
        """A table that stays."""
        ...

    def __enter__(self) -> "Display":
        """Take the terminal."""
        ...

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        ...


def make_display(num_runs: int = 1) -> Display:
    """A live display where standard output is a terminal, else a plain one.

    Args:
        num_runs: Runs of the sweep, for its own bar; 1 shows none.
    """
    return Live(num_runs) if sys.stdout.isatty() else Plain()


class Plain:
    """One line an epoch, for pipes and logs."""

    def __init__(self) -> None:
        self.num_epochs = 0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Say which run it is."""
        self.num_epochs = num_epochs
        self.say(title)

    def due(self) -> bool:
        """Nothing is shown between epochs."""
        return False

    def refresh(self, step: int) -> None:
        """Nothing is shown between epochs."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Print the row."""
        self.say(epoch_line(row, self.num_epochs))

    def end(self) -> None:
        """Nothing to put away."""

    def say(self, text: str) -> None:
        """Print, at once, whatever the buffering of the pipe."""
        print(text, flush=True)

    def table(self, table: Table) -> None:
        """Print at a fixed width."""
        Console(width=PLAIN_WIDTH).print(table)

    def __enter__(self) -> "Plain":
        """Nothing to take."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""


class Live:
    """Progress bars of rich: the run's, and above it the sweep's."""

    def __init__(self, num_runs: int) -> None:
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[numbers]}", markup=False),
            TimeRemainingColumn(compact=True),
        )
        self.progress = Progress(*columns, refresh_per_second=4)
        self.sweep = self.progress.add_task("sweep", total=num_runs, numbers=f"run 1 of {num_runs}", visible=num_runs > 1)
        self.num_runs, self.num_begun, self.num_epochs = num_runs, 0, 0
        self.run = self.progress.add_task("", numbers="", visible=False)
        self.shown = 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Say which run it is, and start its bar."""
        self.num_begun, self.num_epochs = self.num_begun + 1, num_epochs
        if self.num_runs == 1:
            self.say(title)
        self.progress.update(self.sweep, numbers=f"run {self.num_begun} of {self.num_runs}: {title}")
        self.progress.reset(self.run, total=num_steps, description="starting", numbers="", visible=True)

    def due(self) -> bool:
        """Whether the bar stands still since half a second."""
        return time.monotonic() - self.shown > REFRESH_SECONDS

    def refresh(self, step: int) -> None:
        """Move the bar."""
        self.shown = time.monotonic()
        self.progress.update(self.run, completed=step)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bar, and show the row beside it."""
        numbers = "  ".join(_numbers(row)).replace("train/", "").replace(" examples/s", "/s")
        description = f"epoch {row['epoch']}/{self.num_epochs}"
        self.progress.update(self.run, completed=row["step"] or 0, description=description, numbers=numbers)

    def end(self) -> None:
        """Put the run's bar away."""
        self.progress.update(self.run, visible=False)
        self.progress.advance(self.sweep)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print above the bars."""
        self.progress.console.print(table)

    def __enter__(self) -> "Live":
        """Show the bars."""
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bars."""
        self.progress.update(self.sweep, visible=False)
        self.progress.update(self.run, visible=False)
        self.progress.stop()


def epoch_line(row: Mapping[str, float], num_epochs: int) -> str:
    """One row of metrics.csv as a line."""
    return "  ".join([f"epoch {row['epoch']:>{len(str(num_epochs))}}/{num_epochs}", *_numbers(row)])


def _numbers(row: Mapping[str, float]) -> list[str]:
    shown = [f"{name} {show(name, row[name])}" for name in row if name.endswith(("/loss", "/acc", "/rmse"))]
    rate = row.get("examples_per_s")
    return shown + ([f"{rate:,.0f} examples/s"] if rate else [])


def show(name: str, value: Any) -> str:
    """A metric as a person reads it: rates in per cent, everything else to four digits."""
    if value is None or value == "":
        return "–"
    if name.endswith("/acc"):
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def results_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """The results of a sweep, a row a run."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in TEXTS else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(show(column, row.get(column))) for column in columns))  # Text: [..] in a value is no markup
    return table


def result_line(summary: Mapping[str, Any], folder: Path) -> str:
    """How a run ended; of a failed one also where its traceback is, of a diverged one where that began."""
    if "metrics" not in summary:
        return f"{summary['status']}: {summary['reason']} (traceback in {folder / 'train.log'})"
    tests = [f"{name} {show(name, number)}" for name, number in summary["metrics"].items() if name.startswith("test/")]
    seconds = f"{sum(summary['seconds'].values()):.1f} s"
    if "reason" in summary:
        return "  ".join([f"{summary['status']}: {summary['reason']}", *tests, seconds])
    bad = [f"first non-finite loss at step {summary['first_bad_step']}"] if summary["first_bad_step"] else []
    return "  ".join([summary["status"], *bad, *tests, seconds])
