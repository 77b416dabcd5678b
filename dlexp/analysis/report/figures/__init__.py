"""Draw the figures of a study with matplotlib, as PNG and SVG; their captions are in templates/text.yaml."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures import (
    ablation,
    best,
    budget,
    factors,
    learning,
    main,
    predictions,
    probes,
    profiles,
    rates,
    speed,
)
from dlexp.analysis.report.figures.style import DrawnFigure, drawing, render

SECTIONS: list[tuple[str, Callable[[StudyResult], Iterator[DrawnFigure]]]] = [
    ("ablation", ablation.draw_worths),
    ("results", main.draw_main_figure),
    ("results", speed.draw_speed_ups),
    ("tuning", budget.draw_budgets),
    ("best", best.draw_against_best),
    ("best", profiles.draw_profiles),
    ("best", best.draw_critical_difference),
    ("factors", factors.draw_importance),
    ("factors", factors.draw_interactions),
    ("learning", learning.draw_learning_curves),
    ("rates", rates.draw_lr_comparison),
    ("inside", probes.draw_layer_heat_maps),
    ("inside", probes.draw_activation_histograms),
    ("inside", probes.draw_gradient_flow),
    ("inside", probes.draw_weight_norms),
    ("inside", predictions.draw_decision_boundaries),
    ("errors", predictions.draw_confusions),
    ("errors", predictions.draw_galleries),
]


@dataclass(frozen=True)
class Picture:
    """A figure as files.

    Args:
        name: Name of its files, and of its anchor on the page.
        section: The section of the page that holds it.
        caption: Key of its caption in text.yaml.
        values: Values that fill the caption, unescaped.
        inches: Width at which its text has ten points.
        wide: Whether it scrolls sideways on a phone.
        raster: Whether the page should embed the PNG.
        png, svg: The content of the files.
    """

    name: str
    section: str
    caption: str
    values: dict[str, Any]
    inches: float
    wide: bool
    raster: bool
    png: bytes
    svg: bytes


def draw(result: StudyResult) -> Iterator[Picture]:
    """Draw every figure that this study has data for, one at a time."""
    result = mark_absent(result)
    for section, draw_figures in SECTIONS:
        with drawing():
            for drawn in draw_figures(result):
                yield make_picture(section, drawn)


def make_picture(section: str, drawn: DrawnFigure) -> Picture:
    """Render a figure for this section of the page."""
    png, svg = render(drawn)
    width = drawn.figure.get_figwidth()
    return Picture(drawn.name, section, drawn.caption, drawn.values, width, drawn.wide, drawn.raster, png, svg)
