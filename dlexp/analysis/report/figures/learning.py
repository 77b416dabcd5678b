"""Learning curves: means over seeds with intervals, every cell in one plot, or one panel a group where there are many."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import band, name_of, named, records, values_of, varying_keys
from dlexp.analysis.report.figures.panels import batched, grid_width, numbered, panels
from dlexp.analysis.report.figures.style import DASHES, Drawn, colours, legend, log_axis, within_rates, wrapped
from dlexp.analysis.report.labels import factor, is_rate, key_label, metric_label, show

MAX_TOGETHER = 7
CELL = " cell"  # columns that no config key can be called
PANEL = " panel"


def learning_curves(result: StudyResult) -> Iterator[Drawn]:
    """Loss and score of the training and of the held-out examples, over the epochs."""
    if not has_curves(result):
        return
    keys = varying_keys(result)
    splits = ["train", *([split] if (split := held_out(result)) else [])]
    metrics = [name for split in splits for name in measured(result, split)]
    if len(result.cells) <= MAX_TOGETHER:
        yield _together(result, keys, metrics)
        return
    line = _line_key(result, keys)
    for metric in (metrics[0], *[name for name in metrics if is_rate(name)][-1:]):
        name = "learning_" + metric.replace("/", "_")
        yield from by_panels(result, metric, line, name, "learning_figure")


def has_curves(result: StudyResult) -> bool:
    """Whether there is more than a first epoch to draw."""
    return not result.curves.empty and bool(result.curves["epoch"].max() >= 2) and bool(measured(result, "train"))


def held_out(result: StudyResult) -> str | None:
    """The split that was looked at every epoch besides the training examples."""
    return next((split for split in ("val", "test") if measured(result, split)), None)


def measured(result: StudyResult, split: str) -> list[str]:
    """Loss, then score, of a split, as far as they were measured."""
    names = [f"{split}/{name}" for name in ("loss", "acc", "rmse")]
    return [name for name in names if name in result.curves and result.curves[name].notna().any()]


def _line_key(result: StudyResult, keys: Sequence[str]) -> str:
    """The key with the most values that still are few enough to be lines of one panel."""
    sizes = {key: len(values_of(result, key)) for key in keys}
    fitting = [key for key in keys if sizes[key] <= 10] or list(keys)
    return max(fitting, key=lambda key: sizes[key])


def _together(result: StudyResult, keys: Sequence[str], metrics: Sequence[str]) -> Drawn:
    frame = named(result.curves, keys, CELL)
    order = [metric for name in ("loss", "acc", "rmse") for metric in metrics if metric.endswith(f"/{name}")]
    figure, grid = panels(len(order), 3.7, 2.9)
    for axes, metric in zip(grid, order, strict=True):
        lines(axes, result, frame, metric, CELL)
        axes.set_ylabel(metric_label(metric))
        within_rates([axes], metric)
        if not is_rate(metric) and spans_decades(frame[metric]):
            log_axis(axes)
    legend(figure)
    return Drawn("learning", figure, "learning_figure", {"metrics": order}, wide=True)


def by_panels(
    result: StudyResult, metric: str, line: str, name: str, caption: str, *, after: float = -1, same_scale: bool = True
) -> Iterator[Drawn]:
    """One metric: a panel a combination of the other keys, a line a value of `line`.

    Args:
        result: Of the study.
        metric: A column of the curves.
        line: The key whose values are lines.
        name: Of the figures' files.
        caption: Its key among the page's texts.
        after: The last epoch that is left out.
        same_scale: Whether the panels share their vertical axis, which is logarithmic for losses over decades.
    """
    others = [key for key in varying_keys(result) if key != line]
    rows = result.curves[result.curves["epoch"] > after]
    frame = named(rows, others, PANEL) if others else rows.assign(**{PANEL: ""})
    for i, some in enumerate(batched(list(dict.fromkeys(frame[PANEL])))):
        figure, grid = panels(len(some), 3.6, 2.8, sharey=same_scale)
        for j, (axes, panel) in enumerate(zip(grid, some, strict=True)):
            lines(axes, result, frame[frame[PANEL] == panel], metric, line)
            axes.set_title(wrapped(panel, 38), loc="left", size=9)
            if same_scale and not is_rate(metric) and spans_decades(frame[metric]):
                log_axis(axes)
            if j % grid_width(len(some)) == 0:
                axes.set_ylabel(metric_label(metric))
        within_rates(grid, metric)
        legend(figure, key_label(line))
        yield Drawn(numbered(name, i), figure, caption, {"metrics": [metric]}, wide=len(some) > 1)


def lines(axes: Axes, result: StudyResult, frame: pd.DataFrame, metric: str, line: str, *, window: int = 1) -> None:
    """A line with its band for each value of `line`, smoothed over `window` epochs within each run."""
    if line == CELL:
        values: list[Any] = [name_of(row, varying_keys(result)) for row in records(result.cells)]
    else:
        values = values_of(result, line)
    if window > 1:
        ordered = frame.sort_values("epoch")
        smooth = ordered.groupby("id")[metric].transform(lambda column: column.rolling(window, 1).mean())
        frame = ordered.assign(**{metric: smooth})
    for i, (value, colour) in enumerate(zip(values, colours(values), strict=True)):
        mean = band(frame[frame[line].map(show) == show(value)], metric)
        if mean.empty:
            continue
        epochs, scale = mean["epoch"], factor(metric)
        axes.plot(epochs, mean["mean"] * scale, color=colour, linestyle=DASHES[i % len(DASHES)], label=show(value), lw=1.6)
        axes.fill_between(epochs, mean["low"] * scale, mean["high"] * scale, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def spans_decades(column: pd.Series) -> bool:
    """Whether a quantity is better told apart on a logarithmic axis."""
    values = column[np.isfinite(column.astype(float))]
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > 50)
