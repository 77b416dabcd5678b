"""Lay out figures of many panels, and continue in a next figure where there are too many panels to read."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure

Item = TypeVar("Item")
MAX_PANELS = 9


def make_panels(count: int, width: float, height: float, *, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    """Make a figure with this many panels, one to three in a row.

    Args:
        count: Number of panels.
        width: Width of one panel, in inches.
        height: Height of one panel, in inches.
        sharey: Whether the panels share their vertical axis.

    Returns:
        The figure, and its panels row by row.
    """
    across = panels_per_row(count)
    down = -(-count // across)
    size = (5.2 if across == 1 else width * across * (0.85 if across == 3 else 1), (3.2 if count == 1 else height * down) + 0.6)
    return make_grid(size, count, across, sharey=sharey)


def make_grid(size: tuple[float, float], count: int, across: int, *, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    """Make a figure of this size in inches, with this many panels in rows of `across`."""
    figure = Figure(size, layout="constrained")
    grid = figure.subplots(-(-count // across), across, squeeze=False, sharey=sharey).ravel()
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def panels_per_row(count: int) -> int:
    """Number of panels in a row: 1, 2, 3, 2, 3, 3 ..."""
    return count if count < 4 else 2 if count == 4 else 3


def make_figures(
    name: str, items: Sequence[Item], width: float, height: float, *, sharey: bool = False
) -> Iterator[tuple[str, Sequence[Item], Figure, np.ndarray]]:
    """Make as many figures as it takes to give each item a panel: `make_panels` for at most nine items each.

    Yields:
        The figure's name, its items, the figure, and a panel for each item.
    """
    for number, batch in number_batches(name, items):
        yield number, batch, *make_panels(len(batch), width, height, sharey=sharey)


def number_batches(name: str, items: Sequence[Item], size: int = MAX_PANELS) -> Iterator[tuple[str, Sequence[Item]]]:
    """Split items into batches of at most this size, named `name`, `name_2`, `name_3` ..."""
    for i, start in enumerate(range(0, len(items), size)):
        yield name if i == 0 else f"{name}_{i + 1}", items[start : start + size]


def label_rows(grid: np.ndarray, label: str) -> None:
    """Label the vertical axis of the first panel of each row."""
    for axes in grid[:: panels_per_row(len(grid))]:
        axes.set_ylabel(label)
