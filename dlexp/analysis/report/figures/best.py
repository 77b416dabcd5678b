"""Draw which cells may be the best: each one against the best of the others, and their mean ranks over data sets."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.best import CANDIDATE, DATASET, Comparison
from dlexp.analysis.judge.over_datasets import compare_over_datasets
from dlexp.analysis.judge.pairs import ALPHA
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.best import MAX_CELLS, format_ranks, name_cells
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.panels import number_batches
from dlexp.analysis.report.figures.style import COLOURS, INK, DrawnFigure
from dlexp.analysis.report.labels import display_factor, metric_label, show

GREY = "#999999"
WIDTH = 7.2  # inches
MAX_PANELS = 4  # of a figure


def draw_against_best(result: StudyResult) -> Iterator[DrawnFigure]:
    """A row for each of the best cells: its difference from the best of the others, and its rank; one panel per data set."""
    compared = [each for each in result.comparisons if not each.refusal]
    for name, drawn in number_batches("best", compared, MAX_PANELS):
        counts = [min(MAX_CELLS, len(each.known)) for each in drawn]
        figure = Figure((WIDTH, 0.9 + sum(0.8 + 0.3 * count for count in counts)), layout="constrained")
        grid = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=[count + 1.5 for count in counts])[:, 0]
        for axes, each in zip(grid, drawn, strict=True):
            _draw_rows(axes, result, each)
            if each.where:
                axes.set_title(", ".join(map(show, each.where.values())), loc="left")
        style.add_legend(figure)
        values = {"metrics": [drawn[0].metric], "shown": MAX_CELLS}
        cut = any(len(each.known) > MAX_CELLS for each in drawn)
        yield DrawnFigure(name, figure, "best_figure_cut" if cut else "best_figure", values, wide=True)


def _draw_rows(axes: Axes, result: StudyResult, comparison: Comparison) -> None:
    table = comparison.known.head(MAX_CELLS)
    factor = 1.0 if comparison.ratio else display_factor(comparison.metric)
    numbers = factor * table[["low", "estimate", "high"]].to_numpy(float)
    finite = numbers[np.isfinite(numbers)]
    pad = 0.06 * max(np.ptp(finite), 1e-9) if len(finite) else 1.0
    limits = (finite.min() - pad, finite.max() + pad) if len(finite) else (-1.0, 1.0)
    # An end that nothing bounds is drawn to beyond the panel.
    numbers = np.clip(numbers, limits[0] - pad, limits[1] + pad)
    may_be = (table["status"] == CANDIDATE).to_numpy()
    for chosen, colour, label in ((may_be, COLOURS[0], "may be the best"), (~may_be, GREY, "excluded")):
        rows = np.flatnonzero(chosen & np.isfinite(numbers).all(1))
        if len(rows):
            low, middle, high = numbers[rows].T
            errors = [middle - low, high - middle]
            axes.errorbar(middle, rows, xerr=errors, fmt="o", color=colour, capsize=4, ms=6, lw=2, label=label, zorder=3)
    axes.axvline(1 if comparison.ratio else 0, color=INK, lw=0.9, zorder=1)
    axes.set_xlim(*limits)
    names = name_cells(result, table["cell"], comparison.where)
    remarks = [_remark(row) for row in table.to_dict("records")]
    room = style.MAX_ROW_NAME
    axes.set_yticks(
        range(len(names)), [f"{name}{remark}" for name, remark in zip(fit_names(names, room, 10), remarks, strict=True)]
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    for row, (low, high) in enumerate(zip(table["rank_low"], table["rank_high"], strict=True)):
        _write_beside(axes, row, format_ranks(low, high))
    _write_beside(axes, -0.75, "rank")
    kind = ": ratio to" if comparison.ratio else " minus that of"
    axes.set_xlabel(f"{metric_label(comparison.metric)}{kind} the best of the others")


def _remark(row: dict[Any, Any]) -> str:
    """What the name of a row is followed by where the cell was not compared by its mean."""
    return f" ({row['learned']} of {row['n']} learned)" if row["learned"] != row["n"] else ""


def _write_beside(axes: Axes, row: float, words: str) -> None:
    axes.text(1.02, row, words, transform=axes.get_yaxis_transform(), va="center", size=9, color=INK)


def draw_critical_difference(result: StudyResult) -> Iterator[DrawnFigure]:
    """Mean ranks over at least five data sets; bars join the cells that are not shown to differ."""
    overall = compare_over_datasets(result.comparisons)
    if not overall or not overall.ranks or overall.ranks.p >= ALPHA:
        return
    order = np.argsort(overall.ranks.ranks, kind="stable")[:MAX_CELLS]
    ranks = overall.ranks.ranks[order]
    groups = [(low, high) for low, high in overall.ranks.find_groups() if low < ranks[-1]]
    figure = Figure((WIDTH, 1.3 + 0.3 * len(order) + 0.22 * (len(groups) + 1)), layout="constrained")
    axes = figure.subplots()
    axes.plot(ranks, range(len(order)), "o", color=COLOURS[0], ms=7, zorder=3)
    place = len(order) - 0.3
    for i, (low, high) in enumerate(groups):
        label = "not shown to differ" if i == 0 else None
        ends = [low - 0.04, min(high, ranks[-1]) + 0.04]
        axes.plot(ends, [place + 0.6 * i] * 2, color=INK, lw=4, solid_capstyle="butt", label=label)
    bottom = place + 0.6 * len(groups)
    width = overall.ranks.difference
    axes.plot([ranks[0], ranks[0] + width], [bottom] * 2, "|-", color=COLOURS[1], label=f"critical difference {width:.2f}")
    names = name_cells(result, [overall.table["cell"][i] for i in order], {DATASET: None})
    axes.set_yticks(range(len(names)), fit_names(names, style.MAX_ROW_NAME, 10))
    axes.set_ylim(bottom + 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"mean rank over {overall.ranks.blocks} data sets (1 is best)")
    style.add_legend(figure)
    cut = "critical_difference_cut" if len(order) < len(overall.table) else "critical_difference"
    values = {"metrics": [result.comparisons[0].metric], "n": overall.ranks.blocks, "shown": MAX_CELLS}
    yield DrawnFigure("critical_difference", figure, cut, values, wide=True)
