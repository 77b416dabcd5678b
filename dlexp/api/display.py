"""Show the progress of runs that Python code starts: a bar in a notebook, and elsewhere nothing that was not asked for."""

import sys
from collections.abc import Mapping, Sequence
from html import escape
from time import monotonic
from types import TracebackType
from typing import Any

from dlexp.run.bars import REFRESH_SECONDS
from dlexp.run.display import Display, make_display, make_sweep_display
from dlexp.run.numbers import epoch_line
from dlexp.run.side_by_side import Messages


class NotebookBar(Messages):
    """Shows a bar with the numbers of the last epoch in the output of a notebook's cell, and removes it at the end.

    Args:
        num_runs: Number of runs of the sweep.
    """

    def __init__(self, num_runs: int = 1) -> None:
        super().__init__()
        self.num_runs, self.num_begun, self.num_epochs, self.num_steps, self.step = num_runs, 0, 0, 1, 0
        self.title, self.numbers, self.drawn = "", "", 0.0
        self.output: Any = None
        self.jobs: list[NotebookBar] = []

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Start the bar of a run."""
        self.num_begun += 1
        count = f"run {self.num_begun} of {self.num_runs}: " if self.num_runs > 1 else ""
        self.title, self.numbers = count + title, "starting"
        self.num_steps, self.num_epochs, self.step = num_steps, num_epochs, 0
        self._draw()

    def due(self) -> bool:
        """Whether the bar was last drawn more than half a second ago."""
        return monotonic() - self.drawn > REFRESH_SECONDS

    def refresh(self, step: int) -> None:
        """Move the bar, at most twice a second."""
        self.step = step
        if self.due():
            self._draw()

    def epoch(self, row: Mapping[str, float]) -> None:
        """Show the numbers of the row."""
        self.step, self.numbers = int(row["step"] or 0), epoch_line(row, self.num_epochs)
        if self.due():
            self._draw()

    def skip(self) -> None:
        """Count the run."""
        self.num_begun += 1

    def _draw(self) -> None:
        self.drawn = monotonic()
        bar = f'<progress value="{self.step}" max="{self.num_steps}" style="width: 16em"></progress>'
        self.output.update(_html(f"{bar} {escape(self.title)}<br><small>{escape(self.numbers)}</small>"))

    def split(self, num_jobs: int) -> "Sequence[NotebookBar]":
        """A bar for each job."""
        self.jobs += [NotebookBar().__enter__() for _ in range(num_jobs - len(self.jobs))]
        return self.jobs[:num_jobs]

    def __enter__(self) -> "NotebookBar":
        """Make the output in which the bar is drawn."""
        from IPython.display import display

        self.output = display(_html(""), display_id=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Remove the bar, and those of jobs."""
        for bar in (self, *self.jobs):
            bar.output.update(_html(""))


def _html(text: str) -> Any:
    from IPython.display import HTML

    return HTML(text)


def choose_display(progress: bool | None, num_runs: int | None = None, show: str | None = None) -> Display:
    """The display of a call.

    Args:
        progress: With True it is the one of a command, with False there is none. With None it is the one of a command if `show`
            is given, else a bar in a notebook, and elsewhere none.
        num_runs: Number of runs of a sweep; None: it is a single run.
        show: The setting `display`.
    """
    if progress or (progress is None and show):
        return make_display(show) if num_runs is None else make_sweep_display(num_runs, show)
    return NotebookBar(num_runs or 1) if progress is None and in_notebook() else Messages()


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
