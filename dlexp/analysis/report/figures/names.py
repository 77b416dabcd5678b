"""Names in figures: cut so that they fit, and so that different names stay different."""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

DPI = 150  # as the figures are saved
MIN_LENGTH, MAX_LENGTH = 4, 300  # characters of a name, however narrow or wide the place is
MAX_TICKS = 10  # named where there are too many classes to name each
LONGEST = 1.5  # inches of a name beside a matrix


def measure(text: str, size: float = 8) -> float:
    """The width of a line of text in inches, with the fonts that are set now, at this size in points."""
    width, _, _ = _renderer().get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return width / DPI


@cache
def _renderer() -> Any:
    return FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()


def fit_names(names: Sequence[str], inches: float, size: float = 8) -> list[str]:
    """Cut names in the middle so that each fits into this width; where that makes two of them equal, show where they differ.

    >>> fit_names(["Tomato_mosaic_virus", "Tomato_healthy"], 1.0)
    ['Tomato_…ic_virus', 'Tomato_healthy']
    """
    names = ["".join(letter if letter.isprintable() else "?" for letter in name) for name in names]
    cut = [_cut_middle(name, inches, size) for name in names]
    alike: dict[str, dict[str, None]] = {}
    for short, name in zip(cut, names, strict=True):
        alike.setdefault(short, {})[name] = None
    shown = [
        _show_difference(name, list(alike[short]), inches, size) if len(alike[short]) > 1 else short
        for short, name in zip(cut, names, strict=True)
    ]
    if len(set(shown)) == len(set(names)):
        return shown
    places = {name: i for i, name in enumerate(dict.fromkeys(names), 1)}
    return [_number(places[name], name, inches, size) for name in names]


def _number(number: int, name: str, inches: float, size: float) -> str:
    return f"{number} {_cut_middle(name, inches - measure(f'{number} ', size), size)}"


def _cut_middle(name: str, inches: float, size: float) -> str:
    """The name, or as much of its beginning and end as fits."""

    def cut(length: int) -> str:
        end = (length + 1) // 2
        return f"{name[: length - end]}…{name[-end:]}"

    if len(name) <= MIN_LENGTH or (len(name) <= MAX_LENGTH and measure(name, size) <= inches):
        return name
    low, high = MIN_LENGTH, min(len(name), MAX_LENGTH)  # the number of letters that are left
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(cut(middle), size) <= inches else (low, middle)
    return cut(low)


def _show_difference(name: str, alike: Sequence[str], inches: float, size: float) -> str:
    """The part in which a name differs from those that look alike, and what fits around it; if it is too long, the ends."""
    first = len(os.path.commonprefix(alike))
    shortest = min(map(len, alike)) - first
    last = min(len(os.path.commonprefix([other[::-1] for other in alike])), shortest)
    start, stop = first, len(name) - last

    def part() -> str:
        return f"{'…' if start else ''}{name[start:stop]}{'…' if stop < len(name) else ''}"

    if stop - start > MAX_LENGTH or measure(part(), size) > inches:
        return _cut_middle(name, inches, size)
    shown = part()
    while start > 0 or stop < len(name):
        start, stop = max(start - 1, 0), min(stop + 1, len(name))
        if measure(part(), size) > inches:
            break
        shown = part()
    return shown


def name_classes(axes: Axes, names: Sequence[str], *, all_up_to: int = 20, size: float = 8) -> None:
    """Name the rows and columns of a matrix of classes; of many classes some at equal distances."""
    places = list(range(len(names)))
    if len(names) > all_up_to:
        places = [round(i * (len(names) - 1) / (MAX_TICKS - 1)) for i in range(MAX_TICKS)]
    shown = [names[place] for place in places]
    is_short = max(map(measure, shown)) < 0.2
    axes.set_xticks(places, shown, size=size, rotation=0 if is_short else 45, ha="center" if is_short else "right")
    axes.set_yticks(places, shown, size=size)
    axes.set(xlabel="predicted class", ylabel="true class")


def fit_classes(names: Iterable[object]) -> tuple[list[str], float]:
    """The names of classes cut for a matrix, and the space in inches that the longest takes."""
    cut = fit_names([str(name) for name in names], LONGEST)
    return cut, max(map(measure, cut), default=0.0)
