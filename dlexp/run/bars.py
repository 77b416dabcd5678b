"""Progress bars in a terminal: of the runs that are executed now, and above them one of their sweep.

Each has the percentage, the time left and one number beside it, however wide the terminal is. The rest is cut off to fit.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

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


@contextmanager
def _drawing(progress: Progress) -> Iterator[None]:
    """Within this context the bars are drawn, and what is printed appears above them."""
    streams = (sys.stdout, sys.stderr)
    progress.start()
    guard_streams()  # rich shows what others print above the bars, and takes their codes for colours and links
    try:
        yield
    finally:
        for bar in progress.task_ids:
            progress.update(bar, visible=False)
        progress.stop()
        sys.stdout, sys.stderr = streams


@contextmanager
def drawing_check(num_runs: int, words: str) -> Iterator[Callable[[int], None]]:
    """Within this context a bar shows how far the check of a sweep is; yields what moves it to a number of runs.

    Args:
        num_runs: Number of runs that are checked.
        words: Are shown beside the bar.
    """
    progress = _make_progress()
    bar = progress.add_task("checking", total=num_runs, number=words, rest="")
    with _drawing(progress):
        yield lambda done: progress.update(bar, completed=done)


class Live:
    """Shows runs with progress bars of rich: one for each run that is executed now, and above them one for the sweep.

    Args:
        num_runs: Number of runs. A single one has no bar of the sweep.
    """

    def __init__(self, num_runs: int) -> None:
        self.progress = _make_progress()
        first = f"run 1 of {num_runs}"
        self.sweep = self.progress.add_task("sweep", total=num_runs, number=first, rest="", visible=num_runs > 1)
        self.num_runs, self.num_ended = num_runs, 0
        self.one = Bar(self)  # of the run that this process executes
        self.jobs: list[Bar] = []
        self.refreshed = 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Show the title of the run, and start its bar."""
        if self.num_runs == 1:
            self.say(title)
        self.progress.update(self.sweep, number=f"run {self.num_ended + 1} of {self.num_runs}", rest=title)
        self.one.begin("", num_steps, num_epochs)

    def due(self) -> bool:
        """Whether the bar was last moved more than half a second ago."""
        return time.monotonic() - self.refreshed > REFRESH_SECONDS

    def refresh(self, step: int) -> None:
        """Move the bar, and that of the sweep."""
        self.refreshed = time.monotonic()
        self.one.refresh(step)

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bars, and show the numbers of the row beside them."""
        self.one.epoch(row)

    def end(self) -> None:
        """Hide the run's bar."""
        self.one.end()

    def skip(self) -> None:
        """Move the bar of the sweep by a run."""
        self.num_ended += 1
        self.move()

    def move(self) -> None:
        """Move the bar of the sweep to where all of its runs are."""
        self.progress.update(self.sweep, completed=self.num_ended + sum(bar.share for bar in (self.one, *self.jobs)))
        if self.jobs:
            self.progress.update(self.sweep, number=f"{self.num_ended} of {self.num_runs} ended", rest="")

    def say(self, text: str) -> None:
        """Print above the bars."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print above the bars."""
        self.progress.console.print(table)

    def split(self, num_jobs: int) -> "Sequence[Bar]":
        """A bar for each job."""
        self.jobs += [Bar(self) for _ in range(num_jobs - len(self.jobs))]
        self.move()
        return self.jobs[:num_jobs]

    def __enter__(self) -> "Live":
        """Start the live display."""
        self.drawing = _drawing(self.progress)
        self.drawing.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End the live display."""
        self.drawing.__exit__(None, None, None)


class Bar(Messages):
    """A bar below that of the sweep: of the run that is executed now, in this process or by one of several jobs.

    Args:
        live: The bars.
    """

    def __init__(self, live: Live) -> None:
        super().__init__(live.say, live.table)
        self.live, self.run = live, live.progress.add_task("", number="", rest="", visible=False)
        self.title, self.num_steps, self.num_epochs, self.share = "", 1, 0, 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Start the bar."""
        self.title, self.num_steps, self.num_epochs = title, max(1, num_steps), num_epochs
        self.live.progress.reset(self.run, total=self.num_steps, description="starting", number="", rest=title, visible=True)

    def refresh(self, step: int) -> None:
        """Move the bar, and that of the sweep."""
        self.share = step / self.num_steps
        self.live.progress.update(self.run, completed=step)
        self.live.move()

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bars, and show the numbers of the row beside the title."""
        number, rest = split_numbers(row)
        description, rest = f"epoch {row['epoch']}/{self.num_epochs}", "  ".join(filter(None, (self.title, rest)))
        self.live.progress.update(self.run, description=description, number=number, rest=rest)
        self.refresh(int(row["step"] or 0))

    def end(self) -> None:
        """Hide the bar: the run has ended."""
        self.share = 0.0
        self.live.progress.update(self.run, visible=False)
        self.live.skip()
