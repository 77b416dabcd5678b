"""Displays for runs that are executed at the same time: one of each job."""

from collections.abc import Callable, Mapping
from types import TracebackType

from rich.progress import Progress
from rich.table import Table

BESIDE = 45  # columns of a terminal that a bar takes, with the epoch before it and the time left behind it


class Messages:
    """Shows the messages of runs, and nothing of their progress.

    Args:
        say: Shows a line.
        table: Shows a table.
    """

    def __init__(self, say: Callable[[str], None], table: Callable[[Table], None]) -> None:
        self._say, self._table = say, table

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Show nothing."""

    def due(self) -> bool:
        """Never: no progress is shown."""
        return False

    def refresh(self, step: int) -> None:
        """Show nothing."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show the line."""
        self._say(text)

    def table(self, table: Table) -> None:
        """Show the table."""
        self._table(table)

    def split(self, num_jobs: int) -> "list[Messages]":
        """The same for each of several jobs."""
        return [self] * num_jobs

    def __enter__(self) -> "Messages":
        """Do nothing: there is no live display."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Do nothing: there is no live display."""


class Bars:
    """The bars of all jobs, and above them the bar of their sweep, which moves with every step of every job.

    Args:
        progress: The bars of rich.
        sweep: The bar of the sweep; it counts runs.
        num_jobs: Number of jobs.
        say: Shows a line above the bars.
        table: Shows a table above the bars.
        format_numbers: Words the numbers of a row of metrics.csv.
    """

    def __init__(
        self,
        progress: Progress,
        num_jobs: int,
        say: Callable[[str], None],
        table: Callable[[Table], None],
        format_numbers: Callable[[Mapping[str, float]], str],
    ) -> None:
        self.progress, self.sweep, self.format_numbers = progress, progress.task_ids[0], format_numbers
        self.num_runs, self.num_ended = int(progress.tasks[0].total or 0), 0
        self.jobs = [Bar(self, say, table) for _ in range(num_jobs)]

    def refresh(self) -> None:
        """Move the bar of the sweep."""
        completed = self.num_ended + sum(job.share for job in self.jobs)
        numbers = f"{self.num_ended} of {self.num_runs} runs ended"
        self.progress.update(self.sweep, completed=completed, numbers=numbers)


class Bar(Messages):
    """The bar of one job: of the run that it executes now."""

    def __init__(self, bars: Bars, say: Callable[[str], None], table: Callable[[Table], None]) -> None:
        super().__init__(say, table)
        self.bars, self.run = bars, bars.progress.add_task("", numbers="", visible=False)
        self.title, self.num_steps, self.num_epochs, self.share = "", 1, 0, 0.0

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Start the bar."""
        self.title, self.num_steps, self.num_epochs = title, max(1, num_steps), num_epochs
        self.bars.progress.reset(self.run, total=self.num_steps, description="starting", numbers="", visible=True)
        self._show_beside("")

    def refresh(self, step: int) -> None:
        """Move the bar, and that of the sweep."""
        self.share = step / self.num_steps
        self.bars.progress.update(self.run, completed=step)
        self.bars.refresh()

    def epoch(self, row: Mapping[str, float]) -> None:
        """Move the bars, and show the numbers of the row beside the title."""
        self.bars.progress.update(self.run, description=f"epoch {row['epoch']}/{self.num_epochs}")
        self._show_beside(self.bars.format_numbers(row))
        self.refresh(int(row["step"] or 0))

    def _show_beside(self, numbers: str) -> None:
        """Show the title and these numbers beside the bar, as far as there is room: rich would rather leave out the bar."""
        room = max(10, self.bars.progress.console.width - BESIDE)
        self.bars.progress.update(self.run, numbers=f"{self.title}  {numbers}"[:room].rstrip())

    def end(self) -> None:
        """Hide the bar: the run has ended."""
        self.share = 0.0
        self.bars.num_ended += 1
        self.bars.progress.update(self.run, visible=False)
        self.bars.refresh()
