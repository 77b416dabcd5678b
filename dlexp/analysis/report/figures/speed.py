"""The speed-up figure of a study of costs: how many times as fast each cell is as its partner, with intervals."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import is_absent, name_of, numeric_keys, values_of, varying_keys
from dlexp.analysis.report.figures.style import COLOURS, MARKERS, Drawn, is_geometric, legend, log_ticks
from dlexp.analysis.report.labels import key_label
from dlexp.analysis.report.speedup import SpeedUp, compared, partner_of, speed_ups


def speed_up_figure(result: StudyResult) -> Iterator[Drawn]:
    """Ratios over the numeric axis, a line each combination of the other keys; a row each where there is no such axis."""
    found = speed_ups(result)
    if not found or COSTS[result.protocol["study"]["metric"]].is_memory:
        return
    key, varying, partner = compared(result), varying_keys(result), partner_of(result)
    over = next((name for name in numeric_keys(result) if name in varying and name != key), None)
    if over:
        figure = Figure((5.2, 3.8), layout="constrained")
        _lines(figure.subplots(), result, found, over, [name for name in varying if name != over])
    else:
        longest = max(len(name_of(one.cell, varying)) for one in found)
        figure = Figure((4.2 + 0.075 * min(longest, 40), 1.5 + 0.34 * len(found)), layout="constrained")
        _points(figure.subplots(), found, varying)
    _times(figure.axes[0], f"times as fast as {partner}", vertical=bool(over))
    legend(figure)
    caption = "speed_up_lines" if over else "speed_up_points"
    yield Drawn("speed_up", figure, caption, {"partner": partner}, wide=bool(figure.get_figwidth() > 5.8))


def _lines(axes: Axes, result: StudyResult, found: Sequence[SpeedUp], over: str, keys: Sequence[str]) -> None:
    lines: dict[str, list[SpeedUp]] = {}
    for one in found:
        if not is_absent(one.cell[over]):
            lines.setdefault(name_of(one.cell, keys), []).append(one)
    for i, (label, ones) in enumerate(lines.items()):
        ones = sorted(ones, key=lambda one: one.cell[over])
        at, colour, marker = [float(one.cell[over]) for one in ones], COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ratio = [one.ratio for one in ones]
        axes.plot(at, ratio, color=colour, marker=marker, label=label, zorder=3)
        axes.errorbar(at, ratio, yerr=_whiskers(ones), fmt="none", ecolor=colour, capsize=4)
        published = [one.published for one in ones]
        if np.isfinite(published).any():
            axes.plot(at, published, ":", marker=marker, mfc="white", color=colour, lw=1.1, label=f"{label}, published")
    values = [float(value) for value in values_of(result, over)]
    if is_geometric(values):
        log_ticks(axes, values, 2 if all(np.log2(value).is_integer() for value in values) else 10)
    else:
        axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set_xlabel(key_label(over))


def _points(axes: Axes, found: Sequence[SpeedUp], keys: Sequence[str]) -> None:
    rows = range(len(found))
    label = "mean and 95 % interval"
    axes.errorbar(
        [one.ratio for one in found], rows, xerr=_whiskers(found), fmt="o", color=COLOURS[0], capsize=4, ms=7, lw=2, label=label
    )
    published = [(one.published, row) for row, one in enumerate(found) if np.isfinite(one.published)]
    if published:
        axes.plot(*zip(*published, strict=True), "D", mfc="white", mec="#222222", ms=6, label="published", zorder=4)
    axes.set_yticks(rows, [name_of(one.cell, keys) for one in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _whiskers(ones: Sequence[SpeedUp]) -> Any:
    """How far the intervals reach down and up; nothing where there is one seed."""
    ends = [(one.ratio - one.low, one.high - one.ratio) for one in ones]
    return np.nan_to_num(np.array(ends)).T


def _times(axes: Axes, label: str, *, vertical: bool) -> None:
    """A logarithmic axis of ratios with a line at 1, labelled with plain numbers."""
    (axes.axhline if vertical else axes.axvline)(1, color="#888888", lw=1, zorder=0)
    (axes.set_yscale if vertical else axes.set_xscale)("log")
    (axes.set_ylabel if vertical else axes.set_xlabel)(label)
    axis = axes.yaxis if vertical else axes.xaxis
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if high / low < 100 else (1,), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
