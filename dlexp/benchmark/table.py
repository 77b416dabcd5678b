"""The rows of a document as a person reads them."""

from typing import Any

from rich.table import Table
from rich.text import Text

from dlexp.benchmark.results import Document

COLUMNS = ("comparison", "case", "figure", "median (95 % interval)", "same arm twice", "CPU time", "goal", "verdict")
SIGNS = {"at most": "<=", "at least": ">="}


def lines(document: Document) -> list[list[str]]:
    """One for each row, as text."""
    return [_line(row) for row in document["rows"]]


def table(document: Document) -> Table:
    """For a terminal, or a pipe; what a line shares with the one above is not repeated."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        drawn.add_column(column, overflow="fold")
    above = [""] * len(COLUMNS)
    for line in lines(document):
        shown = ["" if line[:i] == above[:i] else cell for i, cell in enumerate(line[:2], start=1)] + line[2:]
        drawn.add_row(*(Text(cell) for cell in shown))
        above = line
    return drawn


def markdown(document: Document) -> str:
    """For README.md."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *lines(document)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def caption(document: Document) -> str:
    """On what it was measured, in one line."""
    facts = document["machine"]
    device = f"{facts['gpu']}, " if facts["gpu"] else ""
    loads = f"load {facts['load_before'][0]:.1f} before and {document['load_after'][0]:.1f} after"
    commit = (facts["git_commit"] or "no commit")[:7]
    where = f"{device}{facts['cores']} cores of {facts['cpu']}"
    return f"{document['started'][:10]}, {where}, torch {facts['versions']['torch']}, {loads}, {commit}."


def _line(row: dict[str, Any]) -> list[str]:
    start = [row["comparison"], row["case"]]
    if "missing" in row:
        return [*start, "", "", "", "", "", f"not measured: {row['missing']}"]
    if "failed" in row:
        return [*start, "", "", "", "", "", f"failed: {row['failed']}"]
    figure = f"{row['figure']}, {row['measure']}" if row["measure"] else row["figure"]
    second = "" if row["by_cpu_time"] is None else _number(row["by_cpu_time"]["median"])
    return [*start, figure, _interval(row["estimate"]), _interval(row["control"]), second, _goal(row["goal"]), row["verdict"]]


def _interval(found: dict[str, float]) -> str:
    return f"{_number(found['median'])} ({_number(found['low'])} to {_number(found['high'])})"


def _number(value: float) -> str:
    """Three digits, and of numbers near 1 three decimals: a ratio of 1.004 is not 1."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _goal(goal: dict[str, Any] | None) -> str:
    if goal is None:
        return ""
    beyond = f" ({goal['beyond']:g})" if goal["beyond"] is not None else ""
    return f"{SIGNS[goal['side']]} {goal['bar']:g}{beyond}"
