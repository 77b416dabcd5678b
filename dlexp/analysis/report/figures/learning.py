"""Draw learning curves: means over seeds with intervals, in one plot, or in one panel per group where there are many cells."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.curves import evaluated_split
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import add_cell_names, axis_values, cell_names, count_in_bands, mean_over_seeds, varying_keys
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.diverged import mark_ends, mark_without_curve, title_cells
from dlexp.analysis.report.figures.panels import label_rows, make_figures, make_panels
from dlexp.analysis.report.figures.style import DASHES, DrawnFigure, choose_colours
from dlexp.analysis.report.labels import display_factor, is_rate, key_label, metric_label, show

MAX_CELLS_TOGETHER = 7
CELL = " cell"  # columns whose names no config key can have
PANEL = " panel"


def draw_learning_curves(result: StudyResult) -> Iterator[DrawnFigure]:
    """Loss and score of the training and of the held-out examples, over the epochs."""
    if not has_curves(result):
        return
    splits = ["train", *([split] if (split := evaluated_split(result.curves)) else [])]
    metrics = [name for split in splits for name in list_metrics(result, split)]
    if len(result.cells) <= MAX_CELLS_TOGETHER:
        yield _draw_together(result, metrics)
        return
    line = _choose_line_key(result, varying_keys(result))
    for metric in (metrics[0], *[name for name in metrics if is_rate(name)][-1:]):
        name = "learning_" + metric.replace("/", "_")
        yield from draw_by_panels(result, metric, line, name, "learning_figure")


def has_curves(result: StudyResult) -> bool:
    """Whether there is more than a first epoch to draw."""
    return not result.curves.empty and bool(result.curves["epoch"].max() >= 2) and bool(list_metrics(result, "train"))


def list_metrics(result: StudyResult, split: str) -> list[str]:
    """Loss, then score, of a split, as far as they were recorded."""
    names = [f"{split}/{name}" for name in ("loss", "acc", "rmse")]
    return [name for name in names if name in result.curves and result.curves[name].notna().any()]


def _choose_line_key(result: StudyResult, keys: Sequence[str]) -> str:
    """The key with the most values, but no more than the lines that one panel can show."""
    sizes = {key: len(axis_values(result, key)) for key in keys}
    fitting = [key for key in keys if sizes[key] <= 10] or list(keys)
    return max(fitting, key=lambda key: sizes[key])


def _draw_together(result: StudyResult, metrics: Sequence[str]) -> DrawnFigure:
    frame = add_cell_names(result.curves, varying_keys(result), CELL)
    order = [metric for name in ("loss", "acc", "rmse") for metric in metrics if metric.endswith(f"/{name}")]
    figure, grid = make_panels(len(order), 3.7, 2.9)
    for axes, metric in zip(grid, order, strict=True):
        draw_lines(axes, result, frame, metric, CELL)
        axes.set_ylabel(metric_label(metric))
        style.limit_to_rates([axes], metric)
        if not is_rate(metric) and spans_decades(frame[metric]):
            style.set_log_axis(axes)
    style.add_legend(figure)
    return DrawnFigure(
        "learning", figure, "learning_figure", {"metrics": order, "n": count_in_bands(frame, [frame[CELL]], order)}, wide=True
    )


def draw_by_panels(
    result: StudyResult, metric: str, line: str, name: str, caption: str, *, after: float = -1, same_scale: bool = True
) -> Iterator[DrawnFigure]:
    """Draw one metric: one panel per combination of the other keys, one line per value of `line`.

    Args:
        result: The study's result.
        metric: A column of the curves.
        line: The key whose values are lines.
        name: Name of the figures' files.
        caption: Key of the caption in text.yaml.
        after: Epochs up to this one are left out.
        same_scale: Whether the panels share their vertical axis, which is logarithmic for losses that span decades.
    """
    others = [key for key in varying_keys(result) if key != line]
    frame = add_cell_names(result.curves[result.curves["epoch"] > after], others, PANEL)
    names = list(dict.fromkeys(frame[PANEL]))
    for number, batch, figure, grid in make_figures(name, names, 3.6, 2.8, sharey=same_scale):
        for axes, panel in zip(grid, batch, strict=True):
            draw_lines(axes, result, frame[frame[PANEL] == panel], metric, line)
            style.set_title(axes, panel, 38)
            if same_scale and not is_rate(metric) and spans_decades(frame[metric]):
                style.set_log_axis(axes)
        label_rows(grid, metric_label(metric))
        style.limit_to_rates(grid, metric)
        style.add_legend(figure, key_label(line))
        drawn = frame[frame[PANEL].isin(batch)]
        runs = count_in_bands(drawn, [drawn[PANEL], drawn[line].map(show)], [metric])
        yield DrawnFigure(number, figure, caption, {"metrics": [metric], "n": runs}, wide=len(batch) > 1)


def draw_lines(axes: Axes, result: StudyResult, frame: pd.DataFrame, metric: str, line: str, *, window: int = 1) -> None:
    """Draw a line with its interval for each value of `line`, smoothed over `window` epochs within each run."""
    values: list[Any] = cell_names(result) if line == CELL else axis_values(result, line)
    if window > 1:
        frame = frame.sort_values("epoch")
        frame = frame.assign(**{metric: frame.groupby("id")[metric].transform(lambda column: column.rolling(window, 1).mean())})
    titles = title_cells(result) if line == CELL else {}
    diverged = set(result.runs.loc[result.runs["status"] == "diverged", "id"])
    for i, (value, colour) in enumerate(zip(values, choose_colours(values), strict=True)):
        rows = frame[frame[line].map(show) == show(value)]
        mean = mean_over_seeds(rows, metric, by_draw=result.by_draw)
        look: dict[str, Any] = {"linestyle": DASHES[i % len(DASHES)], "label": titles.get(value, show(value)), "lw": 1.6}
        lost = rows[rows["id"].isin(diverged)]
        if len(mean):
            shown = (mean * display_factor(metric)).assign(epoch=mean["epoch"])
            style.plot_means(axes, mean["epoch"], shown, colour, alpha=0.15, **look)
            mark_ends(axes, lost, metric, shown)
        elif len(lost):  # no epoch of any run has a number
            axes.plot([], [], color=colour, **look)
            mark_without_curve(axes, i, colour)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def spans_decades(column: pd.Series) -> bool:
    """Whether positive values span so much that a logarithmic axis displays them better."""
    values = column[np.isfinite(column.astype(float))]
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > 50)
