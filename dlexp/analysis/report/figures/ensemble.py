"""Draw what an ensemble gains with the number of its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.report.figures.style import COLOURS, DASHES, MARKERS, DrawnFigure, add_legend, drawing, render

PANELS = {  # score of the mean of probabilities or predictions → its label, and the factor of the unit that is shown
    "mean_probability": ("test accuracy (%)", 100),
    "ece": ("calibration error (%)", 100),
    "rmse": ("test root mean squared error", 1),
}


def draw_gain(rows: Sequence[Mapping[str, Any]]) -> tuple[bytes, bytes]:
    """Draw the scores of ensembles by their size: mean and standard deviation over choices of runs.

    Args:
        rows: As `trained.ensemble.measure_gain` returns them, of one ensemble after the other.

    Returns:
        A PNG and an SVG.
    """
    scores = [name for name in PANELS if name in rows[0]]
    names = list(dict.fromkeys(str(row["ensemble"]) for row in rows))
    with drawing():
        figure = Figure(figsize=(4.2 * len(scores), 3.4), layout="constrained")
        for axes, score in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores, strict=True):
            for number, name in enumerate(names):
                _draw_line(axes, [row for row in rows if row["ensemble"] == name], score, number, name)
            axes.set(xlabel="runs in the ensemble", ylabel=PANELS[score][0])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(names) > 1:
            add_legend(figure, "ensemble")
        return render(DrawnFigure("ensemble", figure, "ensemble"))


def _draw_line(axes: Axes, rows: Sequence[Mapping[str, Any]], score: str, number: int, name: str) -> None:
    factor, colour = PANELS[score][1], COLOURS[number % len(COLOURS)]
    sizes, values = ([row[key] for row in rows] for key in ("runs", score))
    middle, spread = factor * np.array(values), factor * np.nan_to_num([row[f"{score}_sd"] for row in rows])
    dashes = DASHES[number // len(COLOURS) % len(DASHES)]
    axes.plot(sizes, middle, MARKERS[number % len(MARKERS)], linestyle=dashes, color=colour, label=name)
    axes.fill_between(sizes, middle - spread, middle + spread, color=colour, alpha=0.15, linewidth=0)
