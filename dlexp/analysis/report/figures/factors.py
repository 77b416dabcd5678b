"""Draw how much each factor of a study matters, and the interactions of two factors that matter."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge import anova
from dlexp.analysis.judge.factors import Importance
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import is_number
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.panels import make_figures
from dlexp.analysis.report.figures.style import COLOURS, INK, MARKERS, DrawnFigure
from dlexp.analysis.report.importance import name_term
from dlexp.analysis.report.labels import display_factor, key_label, metric_label, show
from dlexp.analysis.report.text import Text

MAX_BARS = 14
MIN_SHARE = 0.02  # of an interaction that is drawn
MAX_LEVEL_NAME = 3.0  # inches
GREY = "#AAAAAA"
SPREAD = 0.16  # of the width of a level: the lines are drawn beside each other, so that their intervals do not overlap


def draw_importance(result: StudyResult) -> Iterator[DrawnFigure]:
    """A bar with its interval for each term, the largest first, then seeds and residual; one panel per data set."""
    drawn = [each for each in result.factors if not each.refusal]
    if not drawn:
        return
    tables = [_choose_bars(each.table) for each in drawn]
    figure = Figure((6.4, 0.9 + sum(0.6 + 0.3 * len(table) for table in tables)), layout="constrained")
    grid = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=[len(table) + 1 for table in tables])[:, 0]
    for axes, each, table in zip(grid, drawn, tables, strict=True):
        _draw_bars(axes, table, by_draw=each.by_draw)
        if each.where:
            axes.set_title(_name_part(each), loc="left")
    grid[-1].set_xlabel("share of the variation over runs (%)")
    style.add_legend(figure)
    values = {"metrics": [drawn[0].metric], "shown": MAX_BARS}
    cut = any(len(table) < len(each.table) for table, each in zip(tables, drawn, strict=True))
    yield DrawnFigure("importance", figure, "importance_figure_largest" if cut else "importance_figure", values)


def _choose_bars(table: pd.DataFrame) -> pd.DataFrame:
    """The largest terms in their order, then seeds and residual."""
    effects = table.iloc[:-2].sort_values("share", ascending=False, kind="stable")
    return pd.concat([effects[:MAX_BARS], table.iloc[-2:]])


def _draw_bars(axes: Axes, table: pd.DataFrame, *, by_draw: bool) -> None:
    places, shares = np.arange(len(table)), 100 * table["share"]
    colours = [GREY if term in (anova.SEED, anova.RESIDUAL) else COLOURS[0] for term in table["term"]]
    axes.barh(places, shares, color=colours, height=0.62)
    known = table["low"].notna().to_numpy()
    if known.any():
        errors = np.abs(100 * table[["low", "high"]].to_numpy().T - shares.to_numpy())[:, known]
        label = "95 % interval"
        axes.errorbar(shares[known], places[known], xerr=errors, fmt="none", ecolor=INK, capsize=3, lw=1.2, label=label)
    effects = len(table) - 2
    points = list(zip(100 * table["noise"][:effects], places, strict=False))
    style.plot_points(axes, points, "|", color=COLOURS[1], ms=11, mew=2, label="expected from noise alone")
    names = [name_term(term, Text("en", by_draw=by_draw)) for term in table["term"]]
    axes.set_yticks(places, fit_names(names, style.MAX_ROW_NAME, size=10))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")


def _name_part(importance: Importance) -> str:
    return ", ".join(show(value) for value in importance.where.values())


def draw_interactions(result: StudyResult) -> Iterator[DrawnFigure]:
    """One panel per interaction of two factors with more than a small share: the means over the other factors."""
    items = [(each, pair) for each in result.factors for pair in each.find_interactions(MIN_SHARE)]
    values = {"metrics": [items[0][0].metric] if items else [], "share": f"{100 * MIN_SHARE:g}"}
    for name, batch, figure, grid in make_figures("interactions", items, 4.3, 3.9):
        for axes, (each, pair) in zip(grid, batch, strict=True):
            _draw_interaction(axes, each, pair)
        yield DrawnFigure(name, figure, "interactions", values, wide=len(batch) > 1)


def _draw_interaction(axes: Axes, importance: Importance, pair: tuple[str, str]) -> None:
    """A line per level of one factor over the levels of the other: over numbers, or else over the factor with more levels."""
    numeric = {key: all(map(is_number, importance.levels[key])) for key in pair}
    x, lines = sorted(pair, key=lambda key: (numeric[key], len(importance.levels[key])), reverse=True)
    means = importance.average_over_others(pair)
    levels = {key: sorted(importance.levels[key]) if numeric[key] else importance.levels[key] for key in pair}
    factor = display_factor(importance.metric)
    colours = style.choose_colours(levels[lines])
    for i, (level, colour) in enumerate(zip(levels[lines], colours, strict=True)):
        rows = means[[value == level for value in means[lines]]]
        found = [rows[[value == other for value in rows[x]]].iloc[0] for other in levels[x]]
        middle, low, high = (np.array([row[name] * factor for row in found], float) for name in ("mean", "low", "high"))
        places = np.arange(len(found)) + SPREAD * (i / max(1, len(colours) - 1) - 0.5)
        look = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "capsize": 3}
        axes.errorbar(places, middle, yerr=[middle - low, high - middle], label=show(level), **look)
    axes.set_xticks(range(len(levels[x])), fit_names(list(map(show, levels[x])), 3.6 / len(levels[x]), size=10))
    axes.set(xlabel=key_label(x), ylabel=metric_label(importance.metric))
    style.limit_to_rates([axes], importance.metric)
    share = importance.table.loc[[term == pair for term in importance.table["term"]], "share"].iloc[0]
    part = f"{_name_part(importance)}: " if importance.where else ""
    title = f"{part}{' × '.join(pair)}, {100 * share:.0f} %"
    names = fit_names(list(map(show, levels[lines])), MAX_LEVEL_NAME, size=9)
    columns = max(1, int(36 / (max(map(len, names)) + 4)))
    place: dict[str, Any] = {
        "alignment": "left",
        "loc": "lower left",
        "bbox_to_anchor": (-0.1, 1),
        "ncols": columns,
    }  # above the panel
    axes.legend(axes.get_legend_handles_labels()[0], names, title=title, fontsize=9, title_fontsize=9, **place)
