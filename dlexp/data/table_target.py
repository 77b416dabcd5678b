"""The column of a table that is predicted: classes or numbers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_numeric_dtype
from torch import Tensor

from dlexp.config.values import join_first
from dlexp.contract import ConfigError
from dlexp.data.class_names import check_spelling
from dlexp.data.table_columns import column_names, is_number, read_numbers, refuse_decimal_commas, refuse_missing
from dlexp.data.table_messages import format_cells, in_column, join_names, show_cell

MAX_CLASSES = 20  # different whole numbers that `auto` takes for classes
Task = Literal["auto", "classification", "regression"]
MISSING = "Remove the rows without a label, or write one that is not read as empty, as NA and None are."


def find_classes(frame: pd.DataFrame, label: str, task: Task, place: str) -> tuple[str, ...]:
    """The classes of the label column, in order; empty if it is the target of a regression.

    `auto`: text, and whole numbers of at most `MAX_CLASSES` values, are classes; numbers with a fraction are a regression. More
    different whole numbers may be either, so that the task must be given.

    Args:
        frame: The training table.
        label: The column.
        task: What the user has set.
        place: Where the table is from, for messages.

    Raises:
        ConfigError: If the column cannot be predicted so.
    """
    refuse_missing(frame, [label], place, MISSING)
    column = frame[label]
    if task != "classification":
        refuse_decimal_commas(frame, [label], place)
    numbers = _read_if_numbers(column, task, place)
    distinct = column.nunique()
    if distinct < 2:
        raise ConfigError(
            f"{in_column(column, place)}: expected different labels, got {show_cell(column.iloc[0])} in every row."
        )
    if task == "auto":
        is_whole = numbers is None or bool((numbers == np.floor(numbers)).all())
        if numbers is not None and is_whole and distinct > MAX_CLASSES:
            raise ConfigError(
                f"{in_column(column, place)}: expected labels that are clearly numbers or classes, got {distinct} different "
                f"whole numbers in {len(column)} rows: use dataset.task=regression or dataset.task=classification."
            )
        task = "classification" if is_whole else "regression"
    if task == "regression":
        return ()
    _check_classes(frame, label, place, is_numeric=numbers is not None)
    if numbers is None:
        names = sorted(column.unique())
        check_spelling(names, in_column(column, place))
        return tuple(names)
    return tuple(_name_number(value) for value in np.unique(numbers))


def encode_target(frame: pd.DataFrame, label: str, classes: Sequence[str], place: str) -> Tensor:
    """The targets of rows: labels int64 [N], or float32 [N, 1] if there are no classes.

    Raises:
        ConfigError: With the lines of empty cells, of classes that are not among `classes`, and of what is no number.
    """
    refuse_missing(frame, [label], place, MISSING)
    column = frame[label]
    if not classes:
        return torch.from_numpy(read_numbers(column, place).astype(np.float32))[:, None]
    names = column.map(_name_number) if is_numeric_dtype(column) else column
    codes = pd.Index(classes).get_indexer(pd.Index(names))
    if len(unknown := column[codes < 0]):
        known = join_first(map(show_cell, classes))
        raise ConfigError(
            f"{in_column(column, place)}: expected a class of the training table ({known}), got {format_cells(unknown)}."
        )
    return torch.from_numpy(codes.astype(np.int64))


def _read_if_numbers(column: pd.Series, task: Task, place: str) -> np.ndarray | None:
    """The numbers of the label column; None if its cells are names of classes."""
    if task == "regression" or is_numeric_dtype(column):
        return read_numbers(column, place)
    if task == "auto":
        try:
            is_number(column, place)
        except ConfigError as error:
            advice = "With dataset.task=classification all of them are names of classes."
            raise ConfigError(*error.problems, advice) from error
    return None


def _check_classes(frame: pd.DataFrame, label: str, place: str, *, is_numeric: bool) -> None:
    """Refuse a column of which most values occur once, and classes with one example."""
    column = frame[label]
    counts = column.value_counts()
    if len(counts) > len(column) / 2:
        most = min(MAX_CLASSES, len(column) // 2)
        others = [name for name in column_names(frame) if name != label and 2 <= frame[name].nunique() <= most]
        advice = " To predict a number: dataset.task=regression." if is_numeric else ""
        found = f" Columns with few values are {join_names(others)}: dataset.label={others[0]}." if others else ""
        raise ConfigError(
            f"{in_column(column, place)}: expected classes that occur several times, got {len(counts)} different values in "
            f"{len(column)} rows.{advice}{found}"
        )
    if len(single := column[column.map(counts) == 1]):
        raise ConfigError(
            f"{in_column(column, place)}: expected two rows of each class or more, got one of {format_cells(single)}. Add "
            f"some, or remove {'this row' if len(single) == 1 else 'these rows'}."
        )


def _name_number(value: float) -> str:
    """The name of a class that is a number: `3` for 3.0."""
    return str(int(value)) if value == int(value) else repr(float(value))
