"""How runs, sweeps and comparisons look in a notebook. Everything that is shown is escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import pandas as pd

from dlexp.run.numbers import format_value

MAX_ROWS = 60  # of a table
MAX_LINE = 300  # characters


def show_lines(lines: Iterable[str]) -> str:
    """Lines of text, each below the other; a long one is cut."""
    return "".join(f"<div>{escape(line if len(line) <= MAX_LINE else line[:MAX_LINE] + '…')}</div>" for line in lines)


def show_curve(curve: pd.DataFrame, restored_epoch: int | None) -> str:
    """The learning curve of a run as a picture; empty if there is nothing to draw.

    Args:
        curve: Its metrics.csv.
        restored_epoch: The epoch whose weights were tested, if it was not the last.
    """
    from dlexp.analysis.report.figures.style import drawing, render
    from dlexp.analysis.report.one_run.figures import draw_learning_curve

    if curve.empty:
        return ""
    marked = None if restored_epoch is None else ("tested epoch", restored_epoch)
    with drawing():
        pictures = [base64.b64encode(render(drawn)[0]).decode() for drawn in draw_learning_curve(curve, marked)]
    return "".join(f'<img style="max-width: 44em" src="data:image/png;base64,{png}">' for png in pictures)


def show_table(table: pd.DataFrame) -> str:
    """A table with its numbers as the commands print them: rates in per cent, others with four digits. A long one is cut."""
    rows = [[write_value(str(name), value) for name, value in row.items()] for row in table.head(MAX_ROWS).to_dict("records")]
    more = f"<div>and {len(table) - MAX_ROWS} more rows</div>" if len(table) > MAX_ROWS else ""
    return _write_table(list(map(str, table.columns)), rows) + more


def _write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def write_value(name: str, value: Any) -> str:
    """The value of a metric, or of another column, as the commands print it."""
    if isinstance(value, str):
        return value
    return format_value(name, None if value is None or value != value else value)  # nan as if there were nothing
