"""Heat maps: a number a cell, written into it."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import is_absent, name_of, records, values_of
from dlexp.analysis.report.figures.style import Drawn
from dlexp.analysis.report.labels import factor, key_label, metric_label, show

MAP = matplotlib.colormaps["cividis"]


def heat_map(result: StudyResult, numeric: Sequence[str], others: Sequence[str]) -> Drawn:
    """The mean of each cell: two numeric axes, a panel for each combination of the others; or one axis by all combinations."""
    metric = result.protocol["study"]["metric"]
    scale, cells = factor(metric), records(result.cells)
    x, y = numeric[0], numeric[1] if len(numeric) > 1 else None
    columns = [show(value) for value in sorted(values_of(result, x))]
    if y:
        panels = list(dict.fromkeys(name_of(row, others) for row in cells)) if others else [""]
        rows = [show(value) for value in sorted(values_of(result, y), reverse=True)]  # as on an axis: upwards
    else:
        panels, rows = [""], list(dict.fromkeys(name_of(row, others) for row in cells))
    tables = {panel: np.full((3, len(rows), len(columns)), np.nan) for panel in panels}
    for row in cells:
        if is_absent(row[x]) or (y and is_absent(row[y])):
            continue
        panel = name_of(row, others) if y and others else ""
        place = rows.index(show(row[y]) if y else name_of(row, others)), columns.index(show(row[x]))
        tables[panel][(slice(None), *place)] = row["mean"] * scale, (row["high"] - row["low"]) / 2 * scale, row["diverged"]
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    width = max(5.6, across * (1.6 + 0.72 * len(columns)) + (0 if y else 0.07 * max(map(len, rows))))
    figure = Figure((width, down * (1.5 + 0.42 * len(rows))), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    everything = np.stack([table[0] for table in tables.values()])
    limits = float(np.nanmin(everything)), float(np.nanmax(everything))
    for axes, panel in zip(grid, panels, strict=False):
        means, halves, diverged = tables[panel]
        image = grid_of_numbers(axes, means, limits=limits, halves=halves, diverged=diverged)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(key_label(x))
        axes.set_ylabel(key_label(y) if y else "")
        axes.set_title(panel, loc="left")
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.colorbar(image, ax=list(grid[: len(panels)]), label=metric_label(metric), shrink=0.9)
    caption = "main_heat_diverged" if any(row["diverged"] for row in cells) else "main_heat"
    return Drawn("main", figure, caption, {"metrics": [metric]}, wide=width > 6.5)


def grid_of_numbers(
    axes: Axes,
    table: np.ndarray,
    *,
    limits: tuple[float, float],
    halves: np.ndarray | None = None,
    diverged: np.ndarray | None = None,
    digits: int = 1,
    size: float = 8.5,
) -> Any:
    """Colours with their numbers written in, in black or white as the colour needs; empty where there is none.

    Returns:
        The image, for a colour bar.
    """
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    image = axes.imshow(np.ma.masked_invalid(table), cmap=MAP, vmin=low, vmax=high, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (row, column), value in np.ndenumerate(table):
        if not np.isfinite(value):
            axes.text(column, row, "–", ha="center", va="center", color="#666666")
            continue
        text = f"{value:.{digits}f}"
        if halves is not None and np.isfinite(halves[row, column]):
            text += f"\n±{halves[row, column]:.{digits}f}"
        if diverged is not None and diverged[row, column]:
            text += f"\n×{diverged[row, column]:.0f}"
        dark = sum(w * c for w, c in zip((0.299, 0.587, 0.114), MAP((value - low) / (high - low))[:3], strict=True)) < 0.55
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black", size=size, linespacing=0.95)
    return image
