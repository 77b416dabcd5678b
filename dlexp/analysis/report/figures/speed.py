"""Draw the speed-ups of a study of costs: how many times as fast each cell is as its partner, with intervals."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import ABSENT, axis_values, cell_name, group_by, numeric_keys, varying_keys
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.diverged import mark_without_mean, name_without_mean
from dlexp.analysis.report.figures.style import COLOURS, MARKERS, DrawnFigure
from dlexp.analysis.report.labels import key_label
from dlexp.analysis.report.speedup import SpeedUp, compared_key, compute_speed_ups, partner_name


def draw_speed_ups(result: StudyResult) -> Iterator[DrawnFigure]:
    """Ratios over the numeric axis, one line per combination of the other keys; one row per cell without such an axis."""
    found = compute_speed_ups(result)
    if not found or COSTS[result.protocol["study"]["metric"]].is_memory:
        return
    key, varying, partner = compared_key(result), varying_keys(result), partner_name(result)
    over = next((name for name in numeric_keys(result) if name != key), None)
    if over:
        figure = Figure((5.2, 3.8), layout="constrained")
        _draw_lines(figure.subplots(), result, found, over, [name for name in varying if name != over])
    else:
        longest = max(len(cell_name(item.cell, varying)) for item in found)
        figure = Figure((4.2 + 0.075 * min(longest, 40), 1.5 + 0.34 * len(found)), layout="constrained")
        _draw_points(figure.subplots(), found, varying)
    axes = figure.axes[0]
    (axes.axhline if over else axes.axvline)(1, color="#888888", lw=1, zorder=0)
    style.set_log_axis(axes, vertical=bool(over), max_ratio=100)
    (axes.set_ylabel if over else axes.set_xlabel)(f"times as fast as {partner}")
    style.add_legend(figure)
    caption = "speed_up_lines" if over else "speed_up_points"
    yield DrawnFigure("speed_up", figure, caption, {"partner": partner}, wide=bool(figure.get_figwidth() > 5.8))


def _draw_lines(axes: Axes, result: StudyResult, found: Sequence[SpeedUp], over: str, keys: Sequence[str]) -> None:
    lines = group_by((item for item in found if item.cell[over] is not ABSENT), lambda item: cell_name(item.cell, keys))
    taken: Counter[float] = Counter()
    for i, (label, items) in enumerate(lines.items()):
        items = sorted(items, key=lambda item: item.cell[over])
        x, colour, marker = [float(item.cell[over]) for item in items], COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ratio = [item.ratio for item in items]
        axes.plot(x, ratio, color=colour, marker=marker, label=label, zorder=3)
        mark_without_mean(axes, [(float(item.cell[over]), item.cell) for item in items if not item.n], colour, taken)
        axes.errorbar(x, ratio, yerr=_error_bars(items), fmt="none", ecolor=colour, capsize=4)
        published = [item.published for item in items]
        if np.isfinite(published).any():
            axes.plot(x, published, ":", marker=marker, mfc="white", color=colour, lw=1.1, label=f"{label}, published")
    style.set_numeric_axis(axes, axis_values(result, over), key_label(over))


def _draw_points(axes: Axes, found: Sequence[SpeedUp], keys: Sequence[str]) -> None:
    ratios = [item.ratio for item in found]
    look: dict[str, Any] = {"color": COLOURS[0], "capsize": 4, "ms": 7, "lw": 2, "label": "mean and 95 % interval"}
    axes.errorbar(ratios, range(len(found)), xerr=_error_bars(found), fmt="o", **look)
    name_without_mean(axes, [(y, item.cell) for y, item in enumerate(found) if not item.n])
    style.label_points(axes, [cell_name(item.cell, keys) for item in found], [item.published for item in found])


def _error_bars(items: Sequence[SpeedUp]) -> Any:
    """The lengths of the intervals below and above the ratio; 0 where there is one seed."""
    ends = [(item.ratio - item.low, item.high - item.ratio) for item in items]
    return np.nan_to_num(np.array(ends)).T
