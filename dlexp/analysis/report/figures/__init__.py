"""The figures of a study, from its result: drawn with matplotlib, saved as PNG and SVG, told in the page's language."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import settled
from dlexp.analysis.report.figures.learning import learning_curves
from dlexp.analysis.report.figures.main import main_figure
from dlexp.analysis.report.figures.predictions import confusions, decision_boundaries, galleries
from dlexp.analysis.report.figures.probes import activation_histograms, gradient_flow, layer_heat_maps, weight_norms
from dlexp.analysis.report.figures.rates import lr_comparison
from dlexp.analysis.report.figures.speed import speed_up_figure
from dlexp.analysis.report.figures.style import Drawn, style, to_files

SECTIONS: list[tuple[str, Callable[[StudyResult], Iterator[Drawn]]]] = [
    ("results", main_figure),
    ("results", speed_up_figure),
    ("learning", learning_curves),
    ("rates", lr_comparison),
    ("inside", layer_heat_maps),
    ("inside", activation_histograms),
    ("inside", gradient_flow),
    ("inside", weight_norms),
    ("inside", decision_boundaries),
    ("errors", confusions),
    ("errors", galleries),
]


@dataclass(frozen=True)
class Picture:
    """A figure as files.

    Args:
        name: Of its files, and of its place on the page.
        section: Of the page.
        caption: Its key among the page's texts; `facts` fill it.
        facts: Also what comes from configs, unescaped.
        inches: Its width, at which its text has ten points.
        wide: Whether it scrolls in its box on a phone.
        raster: Whether the page is better off with the PNG.
        png, svg: The files.
    """

    name: str
    section: str
    caption: str
    facts: dict[str, Any]
    inches: float
    wide: bool
    raster: bool
    png: bytes
    svg: bytes


def draw(result: StudyResult) -> Iterator[Picture]:
    """Each figure that this study has something for, one at a time."""
    result = settled(result)
    for section, figures in SECTIONS:
        with matplotlib.rc_context(style()):
            for drawn in figures(result):
                png, svg = to_files(drawn)
                width = drawn.figure.get_figwidth()
                yield Picture(drawn.name, section, drawn.caption, drawn.facts, width, drawn.wide, drawn.raster, png, svg)
