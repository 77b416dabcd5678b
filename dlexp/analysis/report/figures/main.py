"""The study's main figure: its metric over its axes, with intervals, the single runs and the published numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import is_absent, name_of, numeric_keys, records, values_of, varying_keys
from dlexp.analysis.report.figures import heat
from dlexp.analysis.report.figures.learning import spans_decades
from dlexp.analysis.report.figures.style import COLOURS, MARKERS, Drawn, is_geometric, legend, log_axis, log_ticks, within_rates
from dlexp.analysis.report.labels import factor, key_label, metric_label, show

MAX_LINES = len(COLOURS)


def main_figure(result: StudyResult) -> Iterator[Drawn]:
    """Lines over the numeric axis; a heat map for two numeric axes or many lines; points with intervals where all are names."""
    if result.cells["mean"].notna().sum() == 0:
        return
    numeric, varying = numeric_keys(result), varying_keys(result)
    numeric = [key for key in numeric if key in varying]
    panel = "dataset" if "dataset" in varying and len(varying) > 1 and 2 <= len(values_of(result, "dataset")) <= 4 else None
    rest = [key for key in varying if key != panel]
    if not numeric:
        yield _in_panels(result, panel, rest, None)
        return
    others = [key for key in rest if key != numeric[0]]
    lines = len({tuple(show(row[key]) for key in others) for row in records(result.cells)})
    if len(numeric) > 1 or lines > MAX_LINES:
        yield heat.heat_map(result, numeric, [key for key in varying if key not in numeric[:2]])
    else:
        yield _in_panels(result, panel, others, numeric[0])


def _in_panels(result: StudyResult, panel: str | None, keys: Sequence[str], x: str | None) -> Drawn:
    """One panel a data set, or one in all; lines over `x`, or points."""
    metric = result.protocol["study"]["metric"]
    panels = values_of(result, panel) if panel else [None]
    groups = [result.cells if not panel else result.cells[result.cells[panel].map(show) == show(value)] for value in panels]
    if x:
        size = (5.2, 3.8) if len(panels) == 1 else (3.9 * len(panels), 3.9)
        figure = Figure(size, layout="constrained")
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
    else:
        heights = [len(group) for group in groups]
        longest = max(len(name_of(row, keys)) for row in records(result.cells))
        figure = Figure((4.2 + 0.075 * min(longest, 40), 1.3 + 0.34 * sum(heights) + 0.5 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, value, group in zip(grid, panels, groups, strict=True):
        _lines(axes, result, group, keys, x) if x else _points(axes, result, group, keys)
        if panel:
            axes.set_title(show(value), loc="left")
    if x:
        grid[0].set_ylabel(metric_label(metric))
        if is_cost(metric) and spans_decades(result.cells["mean"]):
            for axes in grid:
                log_axis(axes)
    else:
        grid[-1].set_xlabel(metric_label(metric))
    within_rates(grid, metric, vertical=bool(x))
    legend(figure)
    caption = ("main_lines" if x else "main_points") + ("_published" if result.cells["reference"].notna().any() else "")
    return Drawn("main", figure, caption, {"metrics": [metric]}, wide=bool(figure.get_figwidth() > 5.8))


def _lines(axes: Axes, result: StudyResult, cells: pd.DataFrame, keys: Sequence[str], x: str) -> None:
    """A line a combination of the other keys, its interval as a band, its runs as dots, the published numbers dashed."""
    scale = factor(result.protocol["study"]["metric"])
    combinations = list(dict.fromkeys(tuple(show(row[key]) for key in keys) for row in records(cells)))
    for i, combination in enumerate(combinations):
        rows = [row for row in records(cells) if tuple(show(row[key]) for key in keys) == combination]
        rows = sorted((row for row in rows if not is_absent(row[x])), key=lambda row: row[x])
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        at = [float(row[x]) for row in rows]
        mean, low, high = (np.array([row[name] for row in rows], dtype=float) * scale for name in ("mean", "low", "high"))
        label = name_of(rows[0], keys) if keys else "this study"
        axes.plot(at, mean, color=colour, marker=marker, label=label, zorder=3)
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
        _dots(axes, [(row[x], value) for row in rows for value in _values(result, row)], colour)
        if (published := np.array([_published(row) for row in rows]) * scale).size and np.isfinite(published).any():
            label = f"{label}, published" if len(combinations) <= 4 else ""
            axes.plot(at, published, color=colour, marker=marker, mfc="white", linestyle=":", lw=1.1, label=label, zorder=2)
    values = [float(value) for value in values_of(result, x)]
    if is_geometric(values):
        log_ticks(axes, values, 2 if all(float(np.log2(value)).is_integer() for value in values) else 10)
    elif len(values) <= 12:
        axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set_xlabel(key_label(x))
    _mark_diverged(axes, [(row, (row[x], row["mean"] * scale)) for row in records(cells)])


def _points(axes: Axes, result: StudyResult, cells: pd.DataFrame, keys: Sequence[str]) -> None:
    """A row a cell: mean and interval, the runs as dots, the published number as a hollow diamond."""
    scale = factor(result.protocol["study"]["metric"])
    rows = records(cells)
    first = [show(row[keys[0]]) for row in rows] if len(keys) > 1 else [""] * len(rows)
    shades = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(first))}
    for y, (row, group) in enumerate(zip(rows, first, strict=True)):
        mean, low, high = (row[name] * scale for name in ("mean", "low", "high"))
        whiskers = [[mean - low], [high - mean]] if np.isfinite([low, high]).all() else None
        label = "mean and 95 % interval" if y == 0 else None
        axes.errorbar(mean, y, xerr=whiskers, fmt="o", color=shades[group], capsize=4, ms=7, lw=2, label=label, zorder=3)
        _dots(axes, [(value, y + 0.22) for value in _values(result, row)], shades[group])
    published = [(row["reference"] * scale, y) for y, row in enumerate(rows) if np.isfinite(_published(row))]
    if published:
        axes.plot(*zip(*published, strict=True), "D", mfc="white", mec="#222222", ms=6, label="published", zorder=4)
    axes.set_yticks(range(len(rows)), [name_of(row, keys) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    _mark_diverged(axes, [(row, (row["mean"] * scale, y)) for y, row in enumerate(rows)])


def _published(row: dict[str, Any]) -> float:
    value = row.get("reference")
    return float("nan") if value is None else float(value)


def _values(result: StudyResult, row: dict[str, Any]) -> list[float]:
    """What each run of a cell reached, as it is shown."""
    metric = result.protocol["study"]["metric"]
    if metric not in result.runs:
        return []
    wanted = [show(row[key]) for key in result.keys]
    mine = [[show(run[key]) for key in result.keys] == wanted for run in records(result.runs)]
    return [value * factor(metric) for value in result.runs.loc[mine, metric].astype(float) if np.isfinite(value)]


def _dots(axes: Axes, dots: Sequence[tuple[Any, float]], colour: str) -> None:
    """Each run as a faint dot: an interval without its runs hides what it is made of."""
    if dots:
        axes.plot(*zip(*dots, strict=True), "o", color=colour, alpha=0.5, ms=3.2, mew=0, zorder=1)


def _mark_diverged(axes: Axes, placed: Sequence[tuple[dict[str, Any], tuple[Any, float]]]) -> None:
    """A cross over each cell some of whose runs diverged; a cell comes with its place."""
    if dots := [place for row, place in placed if row["diverged"] and np.isfinite(row["mean"])]:
        axes.plot(*zip(*dots, strict=True), "x", color="#222222", ms=9, mew=1.6, label="some runs diverged", zorder=5)
