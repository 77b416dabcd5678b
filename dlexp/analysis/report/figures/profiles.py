"""Draw performance profiles: the share of runs whose score is above each threshold, for the best cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.best import DATASET
from dlexp.analysis.judge.over_datasets import compare_over_datasets
from dlexp.analysis.judge.profiles import is_own_score, profile
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.best import name_cells
from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.panels import number_batches
from dlexp.analysis.report.figures.style import COLOURS, DASHES, DrawnFigure
from dlexp.analysis.report.labels import metric_label, show

MAX_LINES, MAX_PANELS = 5, 4
POINTS = 401  # thresholds of a panel
NAME = 3.0  # inches of a name in a legend


@dataclass(frozen=True)
class _Panel:
    """The lines of a panel: names of cells, and their scores on each data set."""

    title: str
    names: list[str]
    scores: list[Sequence[np.ndarray]]


def draw_profiles(result: StudyResult) -> Iterator[DrawnFigure]:
    """One panel per data set, and one over all of them."""
    panels = _list_panels(result)
    colours: dict[str, int] = {}
    for panel in panels:
        for name in panel.names[:MAX_LINES]:
            colours.setdefault(name, len(colours))
    for file, drawn in number_batches("profiles", panels, MAX_PANELS):
        figure = Figure((8.2, 0.5 + 2.7 * len(drawn)), layout="constrained")
        grid = figure.subplots(len(drawn), 1, squeeze=False)[:, 0]
        metric = result.comparisons[0].metric
        for axes, panel in zip(grid, drawn, strict=True):
            _draw_panel(axes, panel, colours)
            axes.set_title(panel.title, loc="left")
            axes.set_ylabel("runs above (%)")
        label = metric_label(metric)
        grid[-1].set_xlabel(label if is_own_score(metric) else f"score (%): ratio to the best run, {label}")
        cut = any(len(panel.names) > MAX_LINES for panel in drawn)
        yield DrawnFigure(file, figure, "profiles_cut" if cut else "profiles", {"shown": MAX_LINES}, wide=True)


def _list_panels(result: StudyResult) -> list[_Panel]:
    panels = []
    for each in result.comparisons:
        if each.scores:
            title = ", ".join(map(show, each.where.values()))
            names = name_cells(result, each.known["cell"], each.where)
            panels.append(_Panel(title, names, [(each.scores[i],) for i in each.known.index]))
    overall = compare_over_datasets(result.comparisons)
    if overall:
        names = name_cells(result, overall.table["cell"], {DATASET: None})
        panels.append(_Panel(f"over {len(overall.datasets)} data sets", names, list(overall.scores)))
    return panels


def _draw_panel(axes: Axes, panel: _Panel, colours: dict[str, int]) -> None:
    names, scores = panel.names[:MAX_LINES], panel.scores[:MAX_LINES]
    known = np.concatenate([values[values > 0] for tasks in scores for values in tasks])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    pad = max(0.05 * (high - low), 0.002)
    thresholds = np.linspace(max(low - pad, 0.0), high + pad, POINTS)
    for name, shown, tasks in zip(names, fit_names(names, NAME, 9), scores, strict=True):
        share, below, above = profile(tasks, thresholds)
        number = colours[name]
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        axes.plot(100 * thresholds, 100 * share, color=colour, linestyle=dashes, label=shown)
        axes.fill_between(100 * thresholds, 100 * below, 100 * above, color=colour, alpha=0.08, linewidth=0)
    axes.set_ylim(-2, 102)
    axes.set_xlim(100 * thresholds[0], 100 * thresholds[-1])
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
