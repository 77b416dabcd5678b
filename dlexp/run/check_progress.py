"""Show how far the check of a sweep's runs is: with a bar in a terminal, elsewhere with one line if it takes long."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Protocol, TypeVar

from dlexp.machine.notices import is_watched, notify
from dlexp.run.bars import drawing_check
from dlexp.run.display import NONE, draws

Item = TypeVar("Item")

BAR_SECONDS, LINE_SECONDS = 0.5, 5.0  # after which a bar appears, or a line where there are no bars


class Watch(Protocol):
    """Yields what is checked, and shows how much of it has been."""

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield each item. One is checked when the next is asked for."""


@contextmanager
def showing_check(num_runs: int, what: str, show: str | None = None) -> Iterator[Watch]:
    """Within this context it is shown how far a check is; nothing if it ends at once.

    Args:
        num_runs: Number of runs that are checked.
        what: What is checked of them, such as `configs`.
        show: The setting `display`.
    """
    with ExitStack() as drawing:
        shown = _Shown(num_runs, f"{what} of {num_runs} runs", show, drawing)

        def watch(items: Iterable[Item]) -> Iterator[Item]:
            for item in items:
                yield item
                shown.advance()

        yield watch


class _Shown:
    """What is shown of a check.

    Args:
        num_runs, show: As of `showing_check`.
        words: What is checked.
        drawing: Holds the bar while there is one.
    """

    def __init__(self, num_runs: int, words: str, show: str | None, drawing: ExitStack) -> None:
        self.words, self.num_runs, self.num_done = words, num_runs, 0
        self.has_bar, self.has_line = show != NONE and draws(show) and is_watched(), show != NONE
        self.begun, self.drawing = monotonic(), drawing
        self.move: Callable[[int], None] | None = None

    def advance(self) -> None:
        """Count a run."""
        self.num_done += 1
        seconds = monotonic() - self.begun
        if self.move:
            self.move(self.num_done)
        elif self.has_bar and seconds > BAR_SECONDS:
            self.move = self.drawing.enter_context(drawing_check(self.num_runs, self.words))
        elif not self.has_bar and self.has_line and seconds > LINE_SECONDS:
            self.has_line = False
            notify(f"Checking {self.words}: {100 * self.num_done / self.num_runs:.0f} % after {seconds:.0f} seconds.")
