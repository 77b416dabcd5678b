"""Draw heat maps: one number per cell, written into it."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import ABSENT, axis_values, cell_name, count_runs, describe_lost, records
from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.panels import make_grid
from dlexp.analysis.report.figures.style import MAX_ROW_NAME, DrawnFigure, set_title
from dlexp.analysis.report.labels import display_factor, key_label, metric_label, show

MAX_BESIDE = 6  # cells named below a heat map that has no place for them
COLOUR_MAP = matplotlib.colormaps["cividis"]


def draw_heat_map(result: StudyResult, numeric: Sequence[str], others: Sequence[str]) -> DrawnFigure:
    """The mean of each cell over two numeric axes, one panel per combination of the others; or one axis by all combinations."""
    metric = result.protocol["study"]["metric"]
    factor, every = display_factor(metric), records(result.cells)
    x, y = numeric[0], numeric[1] if len(numeric) > 1 else None
    cells = [row for row in every if row[x] is not ABSENT and (y is None or row[y] is not ABSENT)]
    beside = [_describe_beside(row, [*others, *numeric], factor) for row in every if row not in cells]
    columns = [show(value) for value in sorted(axis_values(result, x))]
    names = [cell_name(row, others) if others else "" for row in cells]
    values_of_y = sorted(axis_values(result, y), reverse=True) if y else []  # the largest at the top
    rows = list(map(show, values_of_y)) if y else list(dict.fromkeys(names))
    panels = list(dict.fromkeys(names)) if y else [""]
    tables = {panel: np.full((2, len(rows), len(columns)), np.nan) for panel in panels}
    notes = {panel: np.full((len(rows), len(columns)), "", object) for panel in panels}
    for row, name in zip(cells, names, strict=True):
        place = rows.index(show(row[y]) if y else name), columns.index(show(row[x]))
        panel = name if y else ""
        tables[panel][(slice(None), *place)] = row["mean"] * factor, (row["high"] - row["low"]) / 2 * factor
        notes[panel][place] = _note_lost(row)
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    width = max(5.6, across * (1.6 + 0.72 * len(columns)) + (0 if y else min(MAX_ROW_NAME, 0.07 * max(map(len, rows)))))
    figure, grid = make_grid((width, down * (1.5 + 0.42 * len(rows))), len(panels), across)
    all_means = np.stack([table[0] for table in tables.values()])
    limits = float(np.nanmin(all_means)), float(np.nanmax(all_means))
    for axes, panel in zip(grid, panels, strict=True):
        means, halves = tables[panel]
        image = draw_number_grid(axes, means, limits=limits, halves=halves, notes=notes[panel])
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), fit_names(rows, MAX_ROW_NAME, size=10))
        axes.set(xlabel=key_label(x), ylabel=key_label(y) if y else "")
        set_title(axes, panel, int(width / across * 12))
    figure.colorbar(image, ax=list(grid), label=metric_label(metric), shrink=0.9)
    if beside:  # cells without a value on these axes, such as a baseline
        figure.supxlabel(
            "\n".join(beside[:MAX_BESIDE] + [f"and {len(beside) - MAX_BESIDE} more"] * (len(beside) > MAX_BESIDE)), size=9
        )
    caption = "main_heat_diverged" if any(row["diverged"] for row in every) else "main_heat"
    return DrawnFigure("main", figure, caption, {"metrics": [metric]}, wide=width > 6.5)


def _describe_beside(row: dict[str, Any], keys: Sequence[str], factor: float) -> str:
    """A cell without a place in the heat map: its mean, and how many of its runs are not in it."""
    mean = f"{row['mean'] * factor:.1f}" if np.isfinite(row["mean"]) else "–"
    lost = describe_lost(row)
    return f"{cell_name(row, keys)}: {mean}" + (f" ({lost})" if lost else "")


def _note_lost(row: dict[str, Any]) -> str:
    """What stands below the number of a cell in which runs diverged, or which has no number because they failed."""
    if row["diverged"]:
        return f"×{row['diverged']} of {count_runs(row)}"
    return "failed" if row["failed"] and not row["n"] else ""


def draw_number_grid(
    axes: Axes,
    table: np.ndarray,
    *,
    limits: tuple[float, float],
    halves: np.ndarray | None = None,
    notes: np.ndarray | None = None,
    digits: int = 1,
    size: float = 8.5,
) -> Any:
    """Draw a table as colours with its numbers written in black or white; `–` where there is no number.

    Args:
        axes: The panel.
        table: The numbers.
        limits: The ends of the colour scale.
        halves: Half-widths of the numbers' intervals.
        notes: A text below each number, or an empty one.
        digits: Decimals.
        size: Font size, in points.

    Returns:
        The image, for a colour bar.
    """
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    image = axes.imshow(np.ma.masked_invalid(table), cmap=COLOUR_MAP, vmin=low, vmax=high, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(table):
        note = f"\n{notes[row, column]}" if notes is not None and notes[row, column] else ""
        if not np.isfinite(value):
            axes.text(column, row, f"–{note}", ha="center", va="center", color="#666666", size=size, linespacing=0.95)
            continue
        text = f"{value:.{digits}f}"
        if halves is not None and np.isfinite(halves[row, column]):
            text += f"\n±{halves[row, column]:.{digits}f}"
        brightness = np.dot((0.299, 0.587, 0.114), COLOUR_MAP((value - low) / (high - low))[:3])
        colour = "white" if brightness < 0.55 else "black"
        axes.text(column, row, text + note, ha="center", va="center", color=colour, size=size, linespacing=0.95)
    return image
