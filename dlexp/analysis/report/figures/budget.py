"""Draw how good the best of n trials of each cell's search is expected to be, for each n."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.best import DATASET
from dlexp.analysis.judge.budget import Budget, average, measure_budget
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.tuning import CellSearch
from dlexp.analysis.report.arrange import group_by, varying_keys
from dlexp.analysis.report.figures import style
from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.panels import label_rows, make_figures
from dlexp.analysis.report.figures.style import COLOURS, DASHES, DrawnFigure
from dlexp.analysis.report.labels import display_factor, metric_label, show
from dlexp.analysis.report.tuning import name_cell

MAX_LINES = 6  # of a panel
WIDTH, HEIGHT = 4.2, 3.2  # of a panel, in inches
NAME = 2.6  # inches of a name in a legend


def draw_budgets(result: StudyResult) -> Iterator[DrawnFigure]:
    """One line per cell, with the middle 80 %, in one panel per data set, or several where it has many cells."""
    if not (tuning := result.tuning):
        return
    ended = [search for search in tuning.searches if not search.num_missing and len(search.trials) > 1]
    panels = [cells[start : start + MAX_LINES] for cells in _group(ended) for start in range(0, len(cells), MAX_LINES)]
    for name, drawn, figure, grid in make_figures("budget", panels, WIDTH, HEIGHT):
        for axes, cells in zip(grid, drawn, strict=True):
            _draw_panel(axes, result, cells)
        style.limit_to_rates(grid, tuning.metric)
        label_rows(grid, metric_label(tuning.metric))
        by_draw = "budget_draws" if result.by_draw else "budget"
        yield DrawnFigure(name, figure, by_draw, {"metrics": [tuning.metric], "trials": len(tuning.trials)})


def _group(searches: Sequence[CellSearch]) -> list[list[list[CellSearch]]]:
    """The searches of each cell (one for each draw of the data), by data set."""
    by_cell = group_by(searches, lambda search: str(search.cell)).values()
    return list(group_by(by_cell, lambda cell: show(cell[0].cell.get(DATASET))).values())


def _draw_panel(axes: Axes, result: StudyResult, cells: Sequence[Sequence[CellSearch]]) -> None:
    factor, title = display_factor(cells[0][0].metric), show(cells[0][0].cell.get(DATASET))
    keys = [key for key in varying_keys(result) if key != DATASET]
    names = fit_names([name_cell(result, searches[0], keys) if keys else title for searches in cells], NAME, size=9)
    for number, (searches, name) in enumerate(zip(cells, names, strict=True)):
        _draw_line(axes, average([measure_budget(search.values) for search in searches]), factor, number, name)
    if DATASET in varying_keys(result):
        axes.set_title(title, loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trials")
    axes.legend(fontsize=9)


def _draw_line(axes: Axes, budget: Budget, factor: float, number: int, name: str) -> None:
    colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    marker = "o" if len(budget.sizes) <= 20 else ""
    axes.plot(budget.sizes, factor * budget.expected, marker, linestyle=dashes, color=colour, ms=4, label=name)
    axes.fill_between(budget.sizes, factor * budget.low, factor * budget.high, color=colour, alpha=0.12, linewidth=0)
