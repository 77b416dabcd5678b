"""Progress bars in a terminal: of the runs that are executed now, and above them one of their sweep.

Each has the percentage, the time left and one number beside it, however wide the terminal is. The rest is cut off to fit.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from dlexp.machine.console import make_console
from dlexp.machine.printing import guard_streams
from dlexp.run.numbers import split_numbers
from dlexp.run.side_by_side import Messages

REFRESH_SECONDS = 0.5


def _make_progress() -> Progress:
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)  # the only column that gets narrower with the terminal
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[number]}", markup=False),
        TextColumn("{task.fields[rest]}", markup=False, table_column=rest),
    )
    return Progress(*columns, console=make_console(), refresh_per_second=4, expand=True)


class Live:
    """Shows runs one after the other, with two progress bars of rich: one for the run, and above it one for the sweep.

    Args:
        num_runs: Number of runs. A single one has no bar of the sweep.
    """

    def __init__(self, num_runs: int) -> None:
        self.progress = _make_progress()
        first = f"run 1 of {num_runs}"
        self.sweep = self.progress.add_task("sweep", total=num_runs, number=first, rest="", visible=num_runs > 1)
        self.num_runs, self.num_begun, self.num_steps, self.num_epochs = num_runs, 0, 1, 0
        self.run = self.progress.add_task("", number="", rest="", visible=False)
        self.refreshed = 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Show the title of the run, and start its bar."""
        self.num_begun, self.num_steps, self.num_epochs = self.num_begun + 1, max(1, num_steps), num_epochs
        if self.num_runs == 1:
            self.say(title)
        self.progress.update(self.sweep, number=f"run {self.num_begun} of {self.num_runs}", rest=title)
        self.progress.reset(self.run, total=self.num_steps, description="starting", number="", rest="", visible=True)

    def due(self) -> bool:
        """Whether the bar was last moved more than half a second ago."""
        return time.monotonic() - self.refreshed > REFRESH_SECONDS

    def refresh(self, step: int) -> None:
        """Move the bar, and that of the sweep."""
        self.refreshed = time.monotonic()
        self.progress.update(self.run, completed=step)
        self.progress.update(self.sweep, completed=self.num_begun - 1 + step / self.num_steps)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bars, and show the numbers of the row beside them."""
        number, rest = split_numbers(row)
        self.progress.update(self.run, description=f"epoch {row['epoch']}/{self.num_epochs}", number=number, rest=rest)
        self.refresh(int(row["step"] or 0))

    def end(self) -> None:
        """Hide the run's bar."""
        self.progress.update(self.run, visible=False)
        self.progress.update(self.sweep, completed=self.num_begun)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print above the bars."""
        self.progress.console.print(table)

    def split(self, num_jobs: int) -> "Sequence[Bar]":
        """A bar for each job."""
        return Bars(self.progress, num_jobs, self.say, self.table).jobs

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


class Bars:
    """The bars of all jobs, and above them the bar of their sweep, which moves with every step of every job.

    Args:
        progress: The bars of rich. The first one is that of the sweep, and counts runs.
        num_jobs: Number of jobs.
        say: Shows a line above the bars.
        table: Shows a table above the bars.
    """

    def __init__(self, progress: Progress, num_jobs: int, say: Callable[[str], None], table: Callable[[Table], None]) -> None:
        self.progress, self.sweep = progress, progress.task_ids[0]
        self.num_runs, self.num_ended = int(progress.tasks[0].total or 0), 0
        self.jobs = [Bar(self, say, table) for _ in range(num_jobs)]
        self.refresh()

    def refresh(self) -> None:
        """Move the bar of the sweep."""
        completed = self.num_ended + sum(job.share for job in self.jobs)
        self.progress.update(self.sweep, completed=completed, number=f"{self.num_ended} of {self.num_runs} ended", rest="")


class Bar(Messages):
    """The bar of one job: of the run that it executes now."""

    def __init__(self, bars: Bars, say: Callable[[str], None], table: Callable[[Table], None]) -> None:
        super().__init__(say, table)
        self.bars, self.run = bars, bars.progress.add_task("", number="", rest="", visible=False)
        self.title, self.num_steps, self.num_epochs, self.share = "", 1, 0, 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Start the bar."""
        self.title, self.num_steps, self.num_epochs = title, max(1, num_steps), num_epochs
        self.bars.progress.reset(self.run, total=self.num_steps, description="starting", number="", rest=title, visible=True)

    def refresh(self, step: int) -> None:
        """Move the bar, and that of the sweep."""
        self.share = step / self.num_steps
        self.bars.progress.update(self.run, completed=step)
        self.bars.refresh()

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bars, and show the numbers of the row beside the title."""
        number, rest = split_numbers(row)
        description = f"epoch {row['epoch']}/{self.num_epochs}"
        self.bars.progress.update(self.run, description=description, number=number, rest=f"{self.title}  {rest}".rstrip())
        self.refresh(int(row["step"] or 0))

    def end(self) -> None:
        """Hide the bar: the run has ended."""
        self.share = 0.0
        self.bars.num_ended += 1
        self.bars.progress.update(self.run, visible=False)
        self.bars.refresh()
