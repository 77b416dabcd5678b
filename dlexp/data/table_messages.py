"""What the messages on tables have in common: columns, cells and lines in words."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from dlexp.config.overrides import parse
from dlexp.config.values import join_first, make_printable
from dlexp.contract import ConfigError


def in_file(key: str, path: Path) -> str:
    """The begin of a message on a file: the setting that names it, and its name."""
    return f"{key}: {make_printable(path.name)}"


def in_column(column: pd.Series, place: str) -> str:
    """The begin of a message on a column of a table from this place."""
    return f"{place}, column {make_printable(str(column.name))}"


def format_lines(rows: pd.Series | pd.DataFrame) -> str:
    """The lines of rows: `line 5`, or `lines 5, 7, 9`, ten at most and how many more."""
    return f"line{'s' if len(rows) > 1 else ''} {join_first(rows.index)}"


def format_cells(cells: pd.Series) -> str:
    """Cells with their lines, ten at most and how many more."""
    return join_first(f"{show_cell(cell)} in line {line}" for line, cell in cells.items())


def show_cell(cell: object) -> str:
    """The text of a cell, in quotes."""
    return f"'{make_printable(str(cell))}'"


def join_names(names: Iterable[str]) -> str:
    """Names of columns or files, ten at most and how many more."""
    return join_first(map(make_printable, names))


def list_command(key: str, names: Iterable[str]) -> str:
    """The override that sets a key of the dataset to a list of names, as it is typed in a shell."""
    return f"'dataset.{key}=[{','.join(map(_quote, dict.fromkeys(names)))}]'"


def _quote(name: str) -> str:
    """A name as an element of a list in an override, within single quotes of the shell."""
    try:
        is_plain = "'" not in name and parse(f"dataset.leave_out=[{name}]").value == [name]
    except ConfigError:
        is_plain = False
    escaped = make_printable(name).replace("\\", "\\\\").replace('"', '\\"').replace("'", "'\\''")
    return name if is_plain else f'"{escaped}"'
