"""Displays without bars for the runs of a sweep, also for those that are executed at the same time."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from rich.table import Table

from dlexp.run.numbers import epoch_line


def _show_nothing(_: object) -> None:
    """Show nothing."""


class Messages:
    """Shows the messages of runs, and nothing of their progress. By default it shows nothing at all.

    Args:
        say: Shows a line.
        table: Shows a table.
    """

    def __init__(self, say: Callable[[str], None] = _show_nothing, table: Callable[[Table], None] = _show_nothing) -> None:
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

    def skip(self) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show the line."""
        self._say(text)

    def table(self, table: Table) -> None:
        """Show the table."""
        self._table(table)

    def split(self, num_jobs: int) -> "Sequence[Messages]":
        """The same for each of several jobs."""
        return [self] * num_jobs

    def __enter__(self) -> "Messages":
        """Do nothing: there is no live display."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Do nothing: there is no live display."""


class Titled(Messages):
    """Shows the messages of one job, and a line for each epoch, which begins with the title of the run."""

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Remember the title, and show nothing."""
        self.title, self.num_epochs = title, num_epochs

    def epoch(self, row: Mapping[str, float]) -> None:
        """Show the row."""
        self.say(f"{self.title}: {epoch_line(row, self.num_epochs)}")
