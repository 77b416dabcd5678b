"""Finds out what the columns of a table hold: numbers or text, and which cells are empty."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from dlexp.contract import Column, ConfigError
from dlexp.data.table_messages import format_cells, format_lines, in_column, join_names, list_command, show_cell

MAX_SHARE_DISTINCT = 0.5  # of the cells of a text column; with more distinct ones they are names or ids and no categories
MIN_SHARE_NUMBERS = 0.5  # of the cells of a column; with as many numbers, the other cells are mistakes
EXACT = 2**24  # float32 holds every whole number up to here
MAX_COLUMNS = 10  # with empty cells, in a message


def column_names(frame: pd.DataFrame) -> list[str]:
    """The names of the columns, which are text in what `read_csv` returns."""
    return [str(name) for name in frame]


def find_text(frame: pd.DataFrame) -> list[str]:
    """The columns that were not read as numbers."""
    return [name for name in column_names(frame) if not is_numeric_dtype(frame[name])]


def describe_columns(
    frame: pd.DataFrame, names: Sequence[str], place: str, *, as_text: Sequence[str], leave_out: Sequence[str]
) -> tuple[Column, ...]:
    """Find out which columns hold numbers, and the categories of the others. An empty cell of text is the category "".

    Args:
        frame: A table, as `read_csv` returns it.
        names: Its columns that become inputs.
        place: Where the table is from, for messages.
        as_text: The columns that were read as text because the user says so.
        leave_out: The columns that are left out already.

    Raises:
        ConfigError: With each column that cannot be an input.
    """
    refuse_decimal_commas(frame, [name for name in names if name not in as_text], place)
    columns: list[Column] = []
    problems: list[str] = []
    removable: list[str] = []
    for name in names:
        try:
            columns.append(_describe_column(frame[name], name, place, is_text=name in as_text))
        except ConfigError as error:
            problems += error.problems
            removable.append(name)
    if problems:
        command = list_command("leave_out", [*leave_out, *removable])
        raise ConfigError(*problems, f"What is no input can be left out: {command}.")
    return tuple(columns)


def _describe_column(column: pd.Series, name: str, place: str, *, is_text: bool) -> Column:
    if column.isna().all():
        raise ConfigError(f"{in_column(column, place)}: expected values, got empty cells alone.")
    if name.startswith("Unnamed: "):
        raise ConfigError(f"{in_column(column, place)}: expected a name in line 1, got none. It may be an index.")
    if is_text:
        return Column(name, _find_categories(column, place))
    try:
        holds_numbers = is_number(column, place)
    except ConfigError as error:
        raise ConfigError(*error.problems, f"As categories they are read by {list_command('as_text', [name])}.") from error
    if not holds_numbers:
        return Column(name, _find_categories(column, place))
    _check_precision(column, place)
    return Column(name, None)


def refuse_missing(frame: pd.DataFrame, names: Iterable[str], place: str, advice: str) -> None:
    """Refuse empty cells in these columns.

    Raises:
        ConfigError: With the lines of each such column, and the advice.
    """
    columns = [frame[name] for name in names if frame[name].isna().any()]
    problems = [
        f"{in_column(column, place)}: expected a value in each cell, got none in {format_lines(column[column.isna()])}."
        for column in columns[:MAX_COLUMNS]
    ]
    if len(columns) > MAX_COLUMNS:
        problems.append(f"{place}: {len(columns) - MAX_COLUMNS} more columns have empty cells.")
    if problems:
        raise ConfigError(*problems, advice)


def refuse_decimal_commas(frame: pd.DataFrame, names: Iterable[str], place: str) -> None:
    """Refuse columns of text that are numbers if a comma is read as the decimal mark.

    Raises:
        ConfigError: With the names of these columns.
    """
    with_commas = [name for name in find_text(frame[list(names)]) if _has_commas(frame[name])]
    if with_commas:
        cells = frame[with_commas[0]]
        first = format_cells(cells[cells.str.contains(",", regex=False, na=False)].iloc[:1])
        raise ConfigError(
            f"{place}: expected numbers such as 1.5, got {first} of column {join_names(with_commas)}. If the comma is the "
            f"decimal mark: dataset.decimal=comma. As categories they are read by {list_command('as_text', with_commas)}."
        )


def _has_commas(column: pd.Series) -> bool:
    """Whether all cells are numbers, some of them with a comma."""
    cells = column.dropna()
    commas = cells.str.contains(",", regex=False)
    with_points = pd.to_numeric(cells.str.replace(",", ".", regex=False), errors="coerce")
    return bool(commas.any()) and bool(with_points.notna().all())


def is_number(column: pd.Series, place: str) -> bool:
    """Whether a column holds numbers.

    Raises:
        ConfigError: If most of its cells are numbers and some are not, with the lines of these.
    """
    if is_numeric_dtype(column):
        return True
    cells = column.dropna()
    wrong = cells[pd.to_numeric(cells, errors="coerce").isna()]
    if wrong.empty:
        return True
    if len(cells) - len(wrong) >= MIN_SHARE_NUMBERS * len(cells):
        raise ConfigError(
            f"{in_column(column, place)}: expected a number in each cell, as in most, got {format_cells(wrong)}. A missing "
            "value is an empty cell."
        )
    return False


def read_numbers(column: pd.Series, place: str) -> npt.NDArray[np.float64]:
    """The numbers of a column, NaN where a cell is empty.

    Raises:
        ConfigError: With the lines in which a cell is no number, or none that float32 can hold.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & column.notna()]
    if len(wrong):
        raise ConfigError(f"{in_column(column, place)}: expected numbers, got {format_cells(wrong)}.")
    values = numbers.to_numpy(dtype=np.float64)
    too_large = column[np.abs(values) > np.finfo(np.float32).max]
    if len(too_large):
        raise ConfigError(f"{in_column(column, place)}: expected finite numbers up to 3.4e38, got {format_cells(too_large)}.")
    return values


def _find_categories(column: pd.Series, place: str) -> tuple[str, ...]:
    cells = column.dropna()
    distinct = sorted(cells.unique())
    if len(distinct) > MAX_SHARE_DISTINCT * len(cells):
        raise ConfigError(
            f"{in_column(column, place)}: expected categories that occur several times, got {len(distinct)} different texts in "
            f"{len(cells)} rows, such as {show_cell(cells.iloc[0])}."
        )
    return (*([""] if column.isna().any() else []), *distinct)


def _check_precision(column: pd.Series, place: str) -> None:
    """Refuse whole numbers that differ and would be the same number as float32, such as long ids."""
    values = read_numbers(column, place)
    large = (np.abs(values) > EXACT) & (values == np.floor(values))
    cells = column[large].drop_duplicates(keep="first")
    rounded = pd.Series(read_numbers(cells, place).astype(np.float32))
    if rounded.duplicated().any():
        first = rounded[rounded.duplicated()].iloc[0]
        pair = " and ".join(map(str, cells[(rounded == first).to_numpy()].iloc[:2]))
        raise ConfigError(
            f"{in_column(column, place)}: expected numbers that differ as float32, which holds whole numbers up to {EXACT:,} "
            f"exactly, got {pair}."
        )
