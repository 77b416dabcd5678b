"""The style that all figures share: colours, axes and legends, and how they are saved."""

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.labels import is_rate

# Okabe and Ito's colours, which colour-blind readers can distinguish; without yellow, which is too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (6, 1.5)), (0, (3, 1.5, 1, 1.5)), (0, (1, 1)))
INK = "#222222"
DPI = 150  # of a PNG
MAX_BLOCKS = 1000  # of a line, of which the lowest and the highest point are drawn
MAX_ROW_NAME = 3.2  # inches of the name of a row
SOME_DIVERGED, ALL_DIVERGED, NO_RESULT = "some runs diverged", "all runs diverged", "no run has a result"
RUN_DIVERGED = "a run diverged"
LAST_IN_LEGEND = ("published", SOME_DIVERGED, ALL_DIVERGED, NO_RESULT, RUN_DIVERGED)
FALLBACK_FONTS = ("Noto Sans CJK KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo")

STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "text.color": INK,
    "text.parse_math": False,  # so that a `$` in a name is drawn as `$`
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.minor.visible": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "dlexp",  # so that equal figures are equal files
}


@dataclass(frozen=True)
class DrawnFigure:
    """A figure before it is saved.

    Args:
        name: Name of its files.
        figure: The matplotlib figure.
        caption: Key of its caption in text.yaml.
        values: Values that fill the caption.
        wide: Whether it scrolls sideways on a phone, because its text would be too small.
        raster: Whether it holds images rather than lines.
    """

    name: str
    figure: Figure
    caption: str
    values: dict[str, Any] = field(default_factory=dict)
    wide: bool = False
    raster: bool = False

    def for_one_run(self) -> "DrawnFigure":
        """The same figure with the caption for the page of one run, which speaks of no cells and no means over seeds."""
        return replace(self, caption=f"run_{self.caption}")


@contextmanager
def drawing() -> Iterator[None]:
    """Within this context figures are drawn and saved in the style above, whatever matplotlibrc the user has.

    This machine's fonts are added for characters that DejaVu lacks.
    """
    present = set(font_manager.get_font_names())
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # those of matplotlib, and not of the user's file
        fonts = ["DejaVu Sans", *(font for font in FALLBACK_FONTS if font in present)]
        settings: Any = STYLE | {"font.family": fonts}
        with matplotlib.rc_context(settings):
            yield


def choose_colours(values: Sequence[Any]) -> list[Any]:
    """One colour per value: along a scale for numbers, clearly different ones for names."""
    if len(values) > 2 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        scale = matplotlib.colormaps["viridis"]
        return [scale(0.88 * i / (len(values) - 1)) for i in range(len(values))]
    return [COLOURS[i % len(COLOURS)] for i in range(len(values))]


def add_legend(figure: Figure, title: str = "", *, markerscale: float = 1) -> None:
    """Add one legend for all panels, above them, where it covers no data."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    labels = sorted(entries, key=lambda label: label in LAST_IN_LEGEND)
    handles = [entries[label] for label in labels]
    labels = fit_names(labels, figure.get_figwidth() - 0.8, size=10)
    longest = max(map(len, labels)) + 6
    fitting = max(1, min(len(labels), int(figure.get_figwidth() * 12 / longest)))
    columns = ceil(len(labels) / ceil(len(labels) / fitting))  # in as few rows as possible, evenly filled
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=columns,
        title=title or None,
        columnspacing=1.4,
        handlelength=2.2,
        markerscale=markerscale,
    )


def set_numeric_axis(axes: Axes, values: Iterable[float], label: str) -> None:
    """Label the horizontal axis and put its ticks at the given values; on a logarithmic scale if they span a factor of 16."""
    ticks = sorted(map(float, set(values)))
    names = [f"{tick:g}" for tick in ticks]
    if len(ticks) > 2 and ticks[0] > 0 and ticks[-1] / ticks[0] >= 16:
        axes.set_xscale("log", base=2 if all(float(np.log2(tick)).is_integer() for tick in ticks) else 10)
        axes.set_xticks(ticks, names)
        axes.minorticks_off()
    elif len(ticks) <= 12:
        axes.set_xticks(ticks, names)
    axes.set_xlabel(label)


def plot_points(axes: Axes, points: Sequence[tuple[Any, Any]], marker: str, **look: Any) -> None:
    """Draw a marker at each point (x, y), if there are any."""
    if points:
        axes.plot(*zip(*points, strict=True), marker, **look)


def plot_means(axes: Axes, x: Any, means: pd.DataFrame, colour: Any, *, alpha: float = 0.18, **line: Any) -> None:
    """Draw a line through the column `mean` of a table, and a band of this opacity from `low` to `high`."""
    if len(means) > 2 * MAX_BLOCKS:
        places = thin(means["mean"].to_numpy(float))
        x, means = np.asarray(x)[places], means.iloc[places]
    axes.plot(x, means["mean"], color=colour, **line)
    axes.fill_between(x, means["low"], means["high"], color=colour, alpha=alpha, linewidth=0)


def thin(values: np.ndarray) -> np.ndarray:
    """The places of the lowest and the highest value in each of a thousand blocks of a line; all places of a short line."""
    if len(values) <= 2 * MAX_BLOCKS:
        return np.arange(len(values))
    starts = np.linspace(0, len(values), MAX_BLOCKS + 1).astype(int)
    finite = [np.where(np.isfinite(values), values, other) for other in (np.inf, -np.inf)]
    lowest = [start + finite[0][start:end].argmin() for start, end in zip(starts, starts[1:], strict=False)]
    highest = [start + finite[1][start:end].argmax() for start, end in zip(starts, starts[1:], strict=False)]
    return np.unique([0, *lowest, *highest, len(values) - 1])


def label_points(axes: Axes, names: Sequence[str], published: Sequence[float]) -> None:
    """Name the rows of a figure that has one row per cell, and draw their published numbers as hollow diamonds."""
    points = [(value, row) for row, value in enumerate(published) if np.isfinite(value)]
    plot_points(axes, points, "D", mfc="white", mec=INK, ms=6, label="published", zorder=4)
    axes.set_yticks(range(len(names)), fit_names(names, MAX_ROW_NAME, size=10))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def set_log_axis(axes: Axes, *, vertical: bool = True, max_ratio: float = 30) -> None:
    """Make an axis logarithmic, labelled with plain numbers: `0.01`, or `1e-05` where that is shorter.

    Args:
        axes: The panel.
        vertical: Whether it is the vertical axis.
        max_ratio: Largest ratio of the ends of the axis at which 2 and 5 are labelled too, besides powers of ten.
    """
    (axes.set_yscale if vertical else axes.set_xscale)("log")
    axis = axes.yaxis if vertical else axes.xaxis
    low, high = sorted(axis.get_view_interval())
    dense = low > 0 and high / low < max_ratio
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if dense else (1,), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def limit_to_rates(panels: Iterable[Axes], metric: str, *, vertical: bool = True) -> None:
    """Limit the axis of a rate to 0 to 100 %, however wide an interval is. Call it when all panels are drawn."""
    for axes in panels if is_rate(metric) else ():
        low, high = axes.get_ylim() if vertical else axes.get_xlim()
        if low < -2 or high > 102:
            (axes.set_ylim if vertical else axes.set_xlim)(max(low, -2), min(high, 102))


def wrap(text: str, width: int) -> str:
    """Break a text into lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width)) or text


def set_title(axes: Axes, title: str, width: int) -> None:
    """Give a panel a title, wrapped at `width` characters."""
    axes.set_title(wrap(title, width), loc="left", size=9)


def render(drawn: DrawnFigure) -> tuple[bytes, bytes]:
    """Render a figure as a small PNG and a small SVG; equal figures give equal bytes."""
    figure, buffer = drawn.figure, io.BytesIO()
    figure.set(dpi=DPI, facecolor="white")
    # Not by `savefig`, which draws a figure with a layout twice: once to find the layout, which drawing it does as well.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    png = buffer.getvalue()
    if not drawn.raster:
        image = Image.open(io.BytesIO(png), formats=("PNG",)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        image.save(buffer, "png", optimize=True)
        png = buffer.getvalue()
    figure.set_layout_engine("none")  # reuse the layout of the PNG
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    svg = buffer.getvalue()
    # Two decimals, in points, are precise enough for a path.
    return png, re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), svg)
