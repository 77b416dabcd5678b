"""The rows of a document as a table."""

from typing import Any

from rich.table import Column, Table
from rich.text import Text

from dlexp.benchmark.results import Document

COLUMNS = ("comparison", "case", "figure", "median (95 % interval)", "same arm twice", "CPU time", "goal", "verdict")
SIGNS = {"at most": "<=", "at least": ">="}


def format_rows(document: Document) -> list[list[str]]:
    """The cells of each row, as text."""
    return [_format_row(row) for row in document["rows"]]


def build_table(document: Document) -> Table:
    """The table for a terminal or a pipe. A comparison or case is not repeated in the rows below."""
    columns = (Column(name, overflow="fold") for name in COLUMNS)
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    above = [""] * len(COLUMNS)
    for line in format_rows(document):
        shown = ["" if line[:i] == above[:i] else cell for i, cell in enumerate(line[:2], start=1)] + line[2:]
        drawn.add_row(*(Text(cell) for cell in shown))
        above = line
    return drawn


def format_markdown(document: Document) -> str:
    """The table in Markdown, for docs/speed.md."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *format_rows(document)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_caption(document: Document) -> str:
    """The date, the machine and its load, in one line."""
    facts = document["machine"]
    device = f"{facts['gpu']}, " if facts["gpu"] else ""
    loads = f"load {facts['load_before'][0]:.1f} before and {document['load_after'][0]:.1f} after"
    commit, dirty, _ = (facts["git_commit"] or "").partition("-dirty")
    where = f"{device}{facts['cores']} cores of {facts['cpu']}"
    return (
        f"{document['started'][:10]}, {where}, torch {facts['versions']['torch']}, {loads}, {commit[:7] or 'no commit'}{dirty}."
    )


def _format_row(row: dict[str, Any]) -> list[str]:
    start = [row["comparison"], row["case"]]
    for key, words in (("missing", "not measured"), ("failed", "failed")):
        if key in row:
            return [*start, *[""] * (len(COLUMNS) - 3), f"{words}: {row[key]}"]
    figure = f"{row['figure']}, {row['measure']}" if row["measure"] else row["figure"]
    intervals = [_format_interval(row[key]) for key in ("estimate", "control")]
    cpu_time = "" if row["by_cpu_time"] is None else _format_number(row["by_cpu_time"]["median"])
    return [*start, figure, *intervals, cpu_time, _format_goal(row["goal"]), row["verdict"]]


def _format_interval(found: dict[str, float]) -> str:
    return f"{_format_number(found['median'])} ({_format_number(found['low'])} to {_format_number(found['high'])})"


def _format_number(value: float) -> str:
    """Three digits, or three decimals for numbers near 1, so that a ratio of 1.004 is not shown as 1."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 10 else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _format_goal(goal: dict[str, Any] | None) -> str:
    if goal is None:
        return ""
    beyond = f" ({goal['beyond']:g})" if goal["beyond"] is not None else ""
    return f"{SIGNS[goal['side']]} {goal['bar']:g}{beyond}"
