"""Mark in figures what has no number, or fewer numbers than runs, because runs diverged, failed or are missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import Transform

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import cell_names, count_runs, describe_lost, records
from dlexp.analysis.report.figures.style import ALL_DIVERGED, INK, NO_RESULT, RUN_DIVERGED, SOME_DIVERGED, plot_points

STEP = 0.055  # of the height or width of a panel, from one mark to the next at the same place


def mark_diverged(axes: Axes, placed: Sequence[tuple[dict[str, Any], tuple[Any, float]]]) -> None:
    """Draw a cross over each mean of a cell in which a run diverged, and say how many runs the mean has if not all count.

    Args:
        axes: The panel.
        placed: The cells, each with the position of its mean.
    """
    marked = [(row, place) for row, place in placed if row["diverged"] and np.isfinite(row["mean"])]
    plot_points(axes, [place for _, place in marked], "x", color=INK, ms=9, mew=1.6, label=SOME_DIVERGED, zorder=5)
    for row, place in marked:
        if row["n"] < count_runs(row):
            note = f"n = {row['n']:.0f} of {count_runs(row)}"
            axes.annotate(note, place, (6, 6), textcoords="offset points", size=7.5, zorder=6)


def mark_without_mean(axes: Axes, rows: Sequence[tuple[float, Mapping[str, Any]]], colour: Any, taken: Counter[float]) -> None:
    """Mark on the horizontal axis the places of a line where its cell was tried and no run has a number.

    Args:
        axes: The panel.
        rows: The cells of the line, each with its place on the horizontal axis.
        colour: The line's colour.
        taken: How many marks of other lines each place has; those of this line are added.
    """
    for x, row in rows:
        if label := _label_without_mean(row):
            _mark_at_edge(axes, (x, STEP * taken[x]), colour, label, axes.get_xaxis_transform())
            taken[x] += 1


def mark_without_curve(axes: Axes, line: int, colour: Any) -> None:
    """Mark on the horizontal axis that all runs of a line, here its number, diverged before an epoch gave a number."""
    _mark_at_edge(axes, (STEP * line, 0), colour, ALL_DIVERGED, axes.transAxes)


def _mark_at_edge(axes: Axes, place: tuple[float, float], colour: Any, label: str, transform: Transform) -> None:
    marker = "X" if label == ALL_DIVERGED else "d"
    look: dict[str, Any] = {"mec": INK, "mew": 0.6, "ms": 8, "zorder": 6, "linestyle": "none"}
    axes.plot([place[0]], [place[1]], marker=marker, mfc=colour, transform=transform, clip_on=False, **look)
    axes.plot([], [], marker=marker, mfc="white", label=label, **look)  # the legend has no line's colour


def _label_without_mean(row: Mapping[str, Any]) -> str:
    """What a mark says about a cell; empty if it has a mean, or if none of its runs has ended."""
    if np.isfinite(row["mean"]) or not row["diverged"] + row["failed"]:
        return ""
    return ALL_DIVERGED if row["diverged"] == count_runs(row) else NO_RESULT


def name_without_mean(axes: Axes, rows: Sequence[tuple[float, Mapping[str, Any]]]) -> None:
    """Write into each row of a figure whose cell has no mean why: `diverged 5 of 5`.

    Args:
        axes: A panel that has one row per cell.
        rows: The cells, each with its place on the vertical axis.
    """
    for y, row in rows:
        if not np.isfinite(row["mean"]):
            axes.text(0.02, y, describe_lost(row), size=9, va="center", color=INK, transform=axes.get_yaxis_transform())


def mark_ends(axes: Axes, runs: pd.DataFrame, metric: str, mean: pd.DataFrame) -> None:
    """Draw a cross on a line of means at each epoch at which the curve of a diverged run ends.

    Args:
        axes: The panel.
        runs: The rows of the diverged runs in the table of curves.
        metric: The column that is drawn.
        mean: The line that is drawn: `epoch, mean`.
    """
    if runs.empty:
        return
    known = runs[np.isfinite(runs[metric].astype(float))]
    ends = set(known.groupby("id")["epoch"].max())
    places = [(row["epoch"], row["mean"]) for row in records(mean) if row["epoch"] in ends]
    plot_points(axes, places, "x", color=INK, ms=6, mew=1.3, label=RUN_DIVERGED, zorder=5)


def title_cells(result: StudyResult) -> dict[str, str]:
    """The title of each cell's panel, by its name: with how many of its runs diverged, if any did."""
    named = zip(cell_names(result), records(result.cells), strict=True)
    return {
        name: f"{name} (diverged {row['diverged']} of {count_runs(row)})" if row["diverged"] else name for name, row in named
    }


def list_diverged(result: StudyResult, drawn: Sequence[str]) -> list[str]:
    """The titles of the cells that are not among those that are drawn, and have no number because runs diverged."""
    titles = title_cells(result)
    rows = zip(cell_names(result), records(result.cells), strict=True)
    return [titles[name] for name, row in rows if name not in drawn and row["diverged"] and not np.isfinite(row["mean"])]
