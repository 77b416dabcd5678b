"""Draw the study's main figure: its metric over its axes, with intervals, single runs and published numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import (
    ABSENT,
    axis_values,
    cell_name,
    describe_lost,
    numeric_keys,
    records,
    spell_cell,
    varying_keys,
)
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.diverged import mark_diverged, mark_without_mean, name_without_mean
from dlexp.analysis.report.figures.heat import draw_heat_map
from dlexp.analysis.report.figures.learning import spans_decades
from dlexp.analysis.report.figures.panels import make_grid
from dlexp.analysis.report.figures.style import COLOURS, MARKERS, DrawnFigure
from dlexp.analysis.report.labels import display_factor, key_label, metric_label, show

MAX_LINES = len(COLOURS)


def draw_main_figure(result: StudyResult) -> Iterator[DrawnFigure]:
    """Lines over a numeric axis; a heat map for two numeric axes or many lines; points with intervals without numeric axes."""
    if result.cells["mean"].notna().sum() == 0:
        return
    numeric, varying = numeric_keys(result), varying_keys(result)
    panel = "dataset" if "dataset" in varying and len(varying) > 1 and 2 <= len(axis_values(result, "dataset")) <= 4 else None
    rest = [key for key in varying if key != panel]
    if not numeric:
        yield _draw_in_panels(result, panel, rest, None)
        return
    others = [key for key in rest if key != numeric[0]]
    lines = len({spell_cell(row, others) for row in records(result.cells)})
    if len(numeric) > 1 or lines > MAX_LINES:
        yield draw_heat_map(result, numeric, [key for key in varying if key not in numeric[:2]])
    else:
        yield _draw_in_panels(result, panel, others, numeric[0])


def _draw_in_panels(result: StudyResult, panel: str | None, keys: Sequence[str], x: str | None) -> DrawnFigure:
    """One panel per data set, or a single one; lines over `x`, or points."""
    metric = result.protocol["study"]["metric"]
    panels = axis_values(result, panel) if panel else [None]
    groups = [result.cells if not panel else result.cells[result.cells[panel].map(show) == show(value)] for value in panels]
    if x:
        size = (5.2, 3.8) if len(panels) == 1 else (3.9 * len(panels), 3.9)
        figure, grid = make_grid(size, len(panels), across=len(panels))
    else:
        heights = [len(group) for group in groups]
        longest = max(len(cell_name(row, keys)) for row in records(result.cells))
        figure = Figure((4.2 + 0.075 * min(longest, 40), 1.3 + 0.34 * sum(heights) + 0.5 * len(panels)), layout="constrained")
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, value, group in zip(grid, panels, groups, strict=True):
        if x:
            _draw_lines(axes, result, group, keys, x)
        else:
            _draw_points(axes, result, group, keys)
        if panel:
            axes.set_title(show(value), loc="left")
    if x:
        grid[0].set_ylabel(metric_label(metric))
        if is_cost(metric) and spans_decades(result.cells["mean"]):
            for axes in grid:
                style.set_log_axis(axes)
    else:
        grid[-1].set_xlabel(metric_label(metric))
    style.limit_to_rates(grid, metric, vertical=bool(x))
    style.add_legend(figure)
    caption = ("main_lines" if x else "main_points") + ("_published" if result.cells["reference"].notna().any() else "")
    return DrawnFigure("main", figure, caption, {"metrics": [metric]}, wide=bool(figure.get_figwidth() > 5.8))


def _draw_lines(axes: Axes, result: StudyResult, cells: pd.DataFrame, keys: Sequence[str], x: str) -> None:
    """One line per combination of the other keys, its interval as a band, its runs as dots, published numbers dotted."""
    factor = display_factor(result.protocol["study"]["metric"])
    lines: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in records(cells):
        lines.setdefault(spell_cell(row, keys), []).append(row)
    taken: Counter[float] = Counter()
    values = _list_values(result)
    for i, members in enumerate(lines.values()):
        rows = sorted((row for row in members if row[x] is not ABSENT), key=lambda row: row[x])
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        for row in members:
            if row[x] is ABSENT:
                _draw_baseline(axes, row, keys, colour, factor)
        if not rows:
            continue
        at = [float(row[x]) for row in rows]
        means = pd.DataFrame(rows, columns=["mean", "low", "high", "reference"], dtype=float) * factor
        named = [key for key in keys if rows[0][key] is not ABSENT]
        label = cell_name(rows[0], named) if named else "this study" if len(lines) == 1 else f"over {key_label(x)}"
        style.plot_means(axes, at, means, colour, marker=marker, label=label, zorder=3)
        mark_without_mean(axes, list(zip(at, rows, strict=True)), colour, taken)
        _draw_runs(axes, [(row[x], value) for row in rows for value in values[spell_cell(row, result.keys)]], colour)
        if (published := means["reference"]).notna().any():
            label = f"{label}, published" if len(lines) <= 4 else ""
            axes.plot(at, published, color=colour, marker=marker, mfc="white", linestyle=":", lw=1.1, label=label, zorder=2)
    style.set_numeric_axis(axes, axis_values(result, x), key_label(x))
    mark_diverged(axes, [(row, (row[x], row["mean"] * factor)) for row in records(cells) if row[x] is not ABSENT])


def _draw_baseline(axes: Axes, row: dict[str, Any], keys: Sequence[str], colour: str, factor: float) -> None:
    """Draw a cell that has no value on the axis as a horizontal line, with its interval as a band."""
    mean, low, high = (row[name] * factor for name in ("mean", "low", "high"))
    lost = describe_lost(row)
    label = cell_name(row, keys) + (f", {lost}" if lost else "")
    if not np.isfinite(mean):  # named in the legend alone
        axes.plot([], [], color=colour, linestyle="--", lw=1.4, label=label)
        return
    axes.axhline(mean, color=colour, linestyle="--", lw=1.4, label=label, zorder=2)
    if np.isfinite([low, high]).all():
        axes.axhspan(low, high, color=colour, alpha=0.12, lw=0, zorder=0)


def _draw_points(axes: Axes, result: StudyResult, cells: pd.DataFrame, keys: Sequence[str]) -> None:
    """One row per cell: mean and interval, its runs as dots, the published number as a hollow diamond."""
    factor = display_factor(result.protocol["study"]["metric"])
    rows, values = records(cells), _list_values(result)
    first = [show(row[keys[0]]) for row in rows] if len(keys) > 1 else [""] * len(rows)
    shades = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(first))}
    for y, (row, group) in enumerate(zip(rows, first, strict=True)):
        mean, low, high = (row[name] * factor for name in ("mean", "low", "high"))
        error_bars = [[mean - low], [high - mean]] if np.isfinite([low, high]).all() else None
        label = "mean and 95 % interval" if y == 0 else None
        axes.errorbar(mean, y, xerr=error_bars, fmt="o", color=shades[group], capsize=4, ms=7, lw=2, label=label, zorder=3)
        _draw_runs(axes, [(value, y + 0.22) for value in values[spell_cell(row, result.keys)]], shades[group])
    style.label_points(axes, [cell_name(row, keys) for row in rows], [row["reference"] * factor for row in rows])
    axes.xaxis.set_major_locator(MaxNLocator(6))
    mark_diverged(axes, [(row, (row["mean"] * factor, y)) for y, row in enumerate(rows)])
    name_without_mean(axes, list(enumerate(rows)))


def _list_values(result: StudyResult) -> dict[tuple[str, ...], list[float]]:
    """The value of each run in the displayed unit, by its cell as `spell_cell` has it."""
    metric = result.protocol["study"]["metric"]
    values: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for run, value in zip(records(result.runs[result.keys]), result.runs[metric].astype(float), strict=True):
        if np.isfinite(value):
            values[spell_cell(run, result.keys)].append(value * display_factor(metric))
    return values


def _draw_runs(axes: Axes, points: Sequence[tuple[Any, float]], colour: str) -> None:
    """Draw each run as a faint dot."""
    style.plot_points(axes, points, "o", color=colour, alpha=0.5, ms=3.2, mew=0, zorder=1)
