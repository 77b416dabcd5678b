"""Draw the figures of a study with matplotlib, as PNG and SVG; their captions are in templates/text.yaml."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures.learning import draw_learning_curves
from dlexp.analysis.report.figures.main import draw_main_figure
from dlexp.analysis.report.figures.predictions import draw_confusions, draw_decision_boundaries, draw_galleries
from dlexp.analysis.report.figures.probes import (
    draw_activation_histograms,
    draw_gradient_flow,
    draw_layer_heat_maps,
    draw_weight_norms,
)
from dlexp.analysis.report.figures.rates import draw_lr_comparison
from dlexp.analysis.report.figures.speed import draw_speed_ups
from dlexp.analysis.report.figures.style import DrawnFigure, render, style

SECTIONS: list[tuple[str, Callable[[StudyResult], Iterator[DrawnFigure]]]] = [
    ("results", draw_main_figure),
    ("results", draw_speed_ups),
    ("learning", draw_learning_curves),
    ("rates", draw_lr_comparison),
    ("inside", draw_layer_heat_maps),
    ("inside", draw_activation_histograms),
    ("inside", draw_gradient_flow),
    ("inside", draw_weight_norms),
    ("inside", draw_decision_boundaries),
    ("errors", draw_confusions),
    ("errors", draw_galleries),
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
        with matplotlib.rc_context(style()):
            for drawn in draw_figures(result):
                png, svg = render(drawn)
                width = drawn.figure.get_figwidth()
                yield Picture(drawn.name, section, drawn.caption, drawn.values, width, drawn.wide, drawn.raster, png, svg)
