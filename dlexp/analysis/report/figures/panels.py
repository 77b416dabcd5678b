"""Figures of many panels: how they are laid out, and how they go on in a next figure where they are too many to read."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure

Item = TypeVar("Item")
MAX_PANELS = 9


def panels(count: int, width: float, height: float, *, sharey: bool = False) -> tuple[Figure, np.ndarray]:
    """A figure with that many panels of that size in inches, one to three in a row.

    Returns:
        The figure, and its panels row by row.
    """
    across = grid_width(count)
    down = -(-count // across)
    size = (5.2 if across == 1 else width * across * (0.85 if across == 3 else 1), (3.2 if count == 1 else height * down) + 0.6)
    figure = Figure(size, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=sharey).ravel()
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def grid_width(count: int) -> int:
    """How many panels stand in a row: 1, 2, 3, 2, 3, 3 ..."""
    return count if count < 4 else 2 if count == 4 else 3


def batched(items: Sequence[Item], size: int = MAX_PANELS) -> Iterator[Sequence[Item]]:
    """So many at a time that one figure can show them."""
    return (items[start : start + size] for start in range(0, len(items), size))


def numbered(name: str, i: int) -> str:
    """The name of the i-th figure of its kind, counted from 0."""
    return name if i == 0 else f"{name}_{i + 1}"
