"""How every figure looks: its colours, labels, units and legend, and how it is saved."""

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from dlexp.analysis.report.labels import is_rate

# Okabe and Ito's colours, told apart by colour-blind readers; yellow, too pale for a line on white, is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (6, 1.5)), (0, (3, 1.5, 1, 1.5)), (0, (1, 1)))
INK = "#222222"
LAST_IN_LEGEND = ("published", "some runs diverged")
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
    "text.parse_math": False,  # a `$` in a name is a `$`
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.minor.visible": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "dlexp",  # the same figure is the same file
}


@dataclass(frozen=True)
class Drawn:
    """A figure before it is saved.

    Args:
        name: Of its files.
        figure: matplotlib's.
        caption: Its key among the page's texts.
        facts: What fills the caption.
        wide: Whether its text is too small on a phone, so that it scrolls in its box there.
        raster: Whether it holds images rather than lines.
    """

    name: str
    figure: Figure
    caption: str
    facts: dict[str, Any] = field(default_factory=dict)
    wide: bool = False
    raster: bool = False


def style() -> Any:
    """The settings under which figures are made and saved, with fonts that this machine has for what DejaVu lacks."""
    present = set(font_manager.get_font_names())
    return STYLE | {"font.family": ["DejaVu Sans", *(font for font in FALLBACK_FONTS if font in present)]}


def colours(values: Sequence[Any]) -> list[Any]:
    """A colour each: along a scale for numbers, well apart for names."""
    if len(values) > 2 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        scale = matplotlib.colormaps["viridis"]
        return [scale(0.88 * i / (len(values) - 1)) for i in range(len(values))]
    return [COLOURS[i % len(COLOURS)] for i in range(len(values))]


def legend(figure: Figure, title: str = "", *, markerscale: float = 1) -> None:
    """One legend for the figure, above its panels, where it covers no data."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    labels = sorted(entries, key=lambda label: label in LAST_IN_LEGEND)
    handles = [entries[label] for label in labels]
    longest = max(map(len, labels)) + 6
    fitting = max(1, min(len(labels), int(figure.get_figwidth() * 12 / longest)))
    columns = ceil(len(labels) / ceil(len(labels) / fitting))  # as few rows, and these as even as they can be
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


def log_ticks(axes: Axes, values: Iterable[float], base: int) -> None:
    """A logarithmic x-axis that names the values measured, and no others."""
    ticks = sorted(set(values))
    axes.set_xscale("log", base=base)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def log_axis(axes: Axes) -> None:
    """A logarithmic vertical axis labelled with plain numbers: `0.01`, or `1e-05` where that is shorter."""
    axes.set_yscale("log", nonpositive="clip")
    axis = axes.yaxis
    low, high = sorted(axis.get_view_interval())
    few = high / low < 30 if low > 0 else False
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if few else (1,), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def within_rates(panels: Iterable[Axes], metric: str, *, vertical: bool = True) -> None:
    """Let the axis of a rate end at 0 and 100 %, however wide an interval is; once all panels are drawn."""
    for axes in panels if is_rate(metric) else ():
        low, high = axes.get_ylim() if vertical else axes.get_xlim()
        if low < -2 or high > 102:
            (axes.set_ylim if vertical else axes.set_xlim)(max(low, -2), min(high, 102))


def wrapped(text: str, width: int) -> str:
    """A title in as many lines as it needs."""
    return "\n".join(textwrap.wrap(text, width)) or text


def is_geometric(values: Sequence[float]) -> bool:
    """Whether values are better spread on a logarithmic axis."""
    ordered = sorted(values)
    return ordered[0] > 0 and ordered[-1] / ordered[0] >= 16 and len(ordered) > 2


def to_files(drawn: Drawn) -> tuple[bytes, bytes]:
    """The PNG and the SVG of a figure, small; the same figure gives the same bytes."""
    figure = drawn.figure
    png = _saved(figure, "png", {"Software": None})
    if not drawn.raster:
        image = Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        image.save(buffer, "png", optimize=True)
        png = buffer.getvalue()
    figure.set_layout_engine("none")  # it has been laid out
    svg = _saved(figure, "svg", {"Date": None})
    # A hundredth of a point is enough for a path.
    return png, re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), svg)


def _saved(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, facecolor="white", metadata=metadata)
    return buffer.getvalue()
