"""Concatenate the csv files of many runs into one table, column by column: a study has hundreds of thousands of rows."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dlexp.analysis.read.folder import warn_damaged
from dlexp.analysis.read.text import find_table, read_table_text
from dlexp.run.record.checksums import check_file

TEXT_COLUMNS = ("probe", "mode", "layer", "name")
WHOLE_COLUMNS = ("epoch", "step")


def build_frame(rows: Sequence[Mapping[Any, Any]], columns: Iterable[str], settings: set[str]) -> pd.DataFrame:
    """Build a table in which the whole numbers of these settings stay whole although other rows have none."""
    frame = pd.DataFrame.from_records(rows, columns=list(columns))
    for name in settings.intersection(frame.columns):
        if frame[name].dtype == float and frame[name].isna().any():
            values = [None if row.get(name) != row.get(name) else row.get(name) for row in rows]
            column = pd.Series(values, dtype=object, index=frame.index)
            frame[name] = column if holds_whole_numbers(column) else frame[name]
    return frame


def holds_whole_numbers(column: pd.Series) -> bool:
    """Whether all values are whole numbers, in a column that is not of type float."""
    return column.dtype != float and all(isinstance(value, int | np.integer) for value in column.dropna())


def list_records(frame: pd.DataFrame, columns: Iterable[str]) -> list[dict[Any, Any]]:
    """The rows of a table as dictionaries of these columns, as far as it has them: the others of a table of runs are many."""
    return frame[[name for name in columns if name in frame]].to_dict("records")


def concatenate_csv(files: Iterable[tuple[Path, dict[str, Any]]]) -> pd.DataFrame:
    """Concatenate the rows of many csv files of numbers and names, each row preceded by its run's fields.

    A missing file adds no rows, unless it is there gzipped; an unreadable one is named in a warning and left out. An incomplete
    last line, which a running or interrupted run may have, is dropped.
    """
    parts = []
    for path, fields in files:
        try:
            check_file(path.parent, path.name)
            file = find_table(path)
            columns = read_columns(file) if file else {}
        except (OSError, ValueError, csv.Error) as error:
            warn_damaged(path, error)
            continue
        if columns:
            parts.append(_Part(fields, columns))
    names = dict.fromkeys(name for part in parts for name in (*part.fields, *part.columns))
    measured = {name for part in parts for name in part.columns}
    fixed = [name for name in names if name not in measured]
    joined = pd.DataFrame(
        {name: pd.Series([value for part in parts for value in part.list_values(name)]) for name in names if name in measured}
    )
    if names and not fixed:
        return joined
    one_a_file = build_frame([part.fields for part in parts], fixed, set(fixed))
    repeated = one_a_file.take(np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])).reset_index(drop=True)
    return pd.concat([repeated, joined], axis=1)[list(names)]


class _Part(NamedTuple):
    """The rows of one file: their fields, which are the same in each row, and their columns."""

    fields: Mapping[str, Any]
    columns: Mapping[str, Sequence[Any]]

    @property
    def num_rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def list_values(self, name: str) -> Sequence[Any]:
        """The value in each row; nan where the file has no such column."""
        return self.columns[name] if name in self.columns else [self.fields.get(name, math.nan)] * self.num_rows


def read_columns(path: Path, texts: Sequence[str] = TEXT_COLUMNS) -> dict[str, Sequence[Any]]:
    """The columns of a csv file of numbers and texts, plain or gzipped; none if it has no complete row.

    Args:
        path: The file.
        texts: The columns of texts.

    Raises:
        ValueError: If it is not such a file.
        OSError: If it cannot be read.
    """
    text = read_table_text(path)
    complete = text[: text.rfind("\n") + 1].splitlines()
    header, *lines = list(csv.reader(complete)) or [[]]
    if bad := next((i for i, line in enumerate(lines, 2) if len(line) != len(header)), None):
        raise ValueError(f"line {bad} has not the header's {len(header)} fields")
    columns = zip(*lines, strict=True)  # none without lines
    return {name: _parse_column(name, column, texts) for name, column in zip(header, columns, strict=bool(lines))}


def _parse_column(name: str, column: Sequence[str], texts: Sequence[str]) -> Sequence[Any]:
    if name in texts:
        return column
    if name in WHOLE_COLUMNS:
        return [int(cell) for cell in column]
    return [float(cell) if cell else math.nan for cell in column]
