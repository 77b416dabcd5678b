"""Draw what each switch of a recipe is worth, from above and from below, and beside it the difference of the two."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.ablation import Ablation
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.ablation import name_switch
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.names import fit_names, measure
from dlexp.analysis.report.figures.style import COLOURS, INK, DrawnFigure
from dlexp.analysis.report.labels import display_factor, metric_label

PANELS = 5.2  # inches of both panels together
LONGEST_NAME = 2.6  # inches
OFFSET = 0.16  # of a row, by which the two estimates are apart
SIDES = (("above", "from above", -OFFSET, COLOURS[0], "o"), ("below", "from below", OFFSET, COLOURS[1], "s"))


def draw_worths(result: StudyResult) -> Iterator[DrawnFigure]:
    """A row for each switch, the one that is worth most first: both estimates with intervals, and their difference."""
    ablation = result.ablation
    if not ablation or all(verdict.estimate is None for verdict in ablation.all_verdicts):
        return
    names = [name_switch(each) for each in ablation.worths]
    room = min(LONGEST_NAME, max(measure(name, 10) for name in names) + 0.1)
    figure = Figure((PANELS + room, 1.3 + 0.46 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.45, 1])
    for side, label, offset, colour, marker in SIDES:
        _draw_side(left, ablation, [getattr(each, side) for each in ablation.worths], offset, colour, marker, label)
    interactions = [each.interaction for each in ablation.worths]
    _draw_side(right, ablation, interactions, 0.0, INK, "D", "above / below" if ablation.ratio else "above − below")
    left.set_yticks(range(len(names)), fit_names(names, room, size=10))
    left.set_ylim(len(names) - 0.5, -0.5)
    for axes in (left, right):
        axes.axvline(1 if ablation.ratio else 0, color=INK, lw=0.9, zorder=1)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    left.set_xlabel(f"{'ratio of' if ablation.ratio else 'difference in'} {metric_label(ablation.metric)}")
    right.set_xlabel("above / below" if ablation.ratio else "above − below")
    right.tick_params(axis="y", length=0)
    style.add_legend(figure)
    yield DrawnFigure("ablation", figure, "ablation_figure", {"metrics": [ablation.metric]}, wide=True)


def _draw_side(
    axes: Axes, ablation: Ablation, verdicts: Sequence[Verdict], offset: float, colour: str, marker: str, label: str
) -> None:
    """One estimate with its interval in each row; filled where it is decided. A run of a single seed has no interval."""
    factor = 1.0 if ablation.ratio else display_factor(ablation.metric)
    for row, verdict in enumerate(verdicts):
        if verdict.estimate is None:
            continue
        ends = [verdict.estimate if end is None else end for end in (verdict.low, verdict.high)]
        middle, low, high = factor * np.array([verdict.estimate, *ends])
        axes.errorbar(
            middle,
            row + offset,
            xerr=[[middle - low], [high - middle]],
            fmt=marker,
            color=colour,
            mfc=colour if verdict.verdict != "undecided" else "white",
            capsize=3,
            ms=5.5,
            lw=1.8,
            zorder=3,
        )
    axes.plot([], [], marker, color=colour, label=label)
