"""Finds what would make the test of a table worthless: the target among the inputs, and test rows that were trained on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from dlexp.config.values import join_first
from dlexp.contract import ConfigError, Split, Table
from dlexp.data.table_columns import read_numbers
from dlexp.data.table_messages import format_lines, in_column, join_names, list_command, show_cell


def refuse_copies_of_target(
    frame: pd.DataFrame, table: Table, classes: Sequence[str], place: str, leave_out: Sequence[str]
) -> None:
    """Refuse an input that equals the target of a regression, or in which each class has a value of its own and no other.

    Args:
        frame: The training table.
        table: Its columns.
        classes: Its classes; empty for a regression.
        place: Where it is from, for messages.
        leave_out: The columns that are left out already.

    Raises:
        ConfigError: With the names of these columns.
    """
    label = frame[table.label]
    is_copy = _names_the_class if classes else _equals
    copies = [column.name for column in table.columns if is_copy(frame[column.name], label)]
    if copies:
        raise ConfigError(
            f"{in_column(label, place)}: expected a target that is not among the inputs, got the same in other words in "
            f"{join_names(copies)}. Leave {'it' if len(copies) == 1 else 'them'} out: "
            f"{list_command('leave_out', [*leave_out, *copies])}."
        )


def _names_the_class(column: pd.Series, label: pd.Series) -> bool:
    """Whether values and classes belong together one to one."""
    values, labels = pd.factorize(column)[0], pd.factorize(label)[0]
    num_classes = int(labels.max()) + 1
    if values.min() < 0 or values.max() + 1 != num_classes:  # -1: an empty cell
        return False
    return len(np.unique(values.astype(np.int64) * num_classes + labels)) == num_classes


def _equals(column: pd.Series, label: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and bool((read_numbers(column, "") == read_numbers(label, "")).all())


def refuse_shared_rows(train: Split, test: Split, train_lines: npt.NDArray, test_lines: npt.NDArray) -> None:
    """Refuse test rows that are equal to a training row in all inputs and in the target.

    Args:
        train: The training examples.
        test: The test examples.
        train_lines: The line of each training row in its file.
        test_lines: The line of each test row in its file.

    Raises:
        ConfigError: With the lines of ten of them, and how many more there are.
    """
    lines = dict(zip(_list_rows(train), train_lines.tolist(), strict=True))
    shared = [
        f"{line} ({lines[row]} of the training part)"
        for row, line in zip(_list_rows(test), test_lines.tolist(), strict=True)
        if row in lines
    ]
    if shared:
        raise ConfigError(
            f"dataset.duplicates: expected test rows that are not in the training part, got {len(shared)} of {len(test_lines)} "
            f"that are: line{'s' if len(shared) > 1 else ''} {join_first(shared)}. Remove them, or accept them with "
            "dataset.duplicates=keep."
        )


def _list_rows(split: Split) -> list[bytes]:
    """The bytes of each row with its target."""
    inputs, targets = ((tensor.reshape(len(tensor), -1) + 0).numpy() for tensor in split)  # -0.0 + 0 is 0.0
    return [one.tobytes() + other.tobytes() for one, other in zip(inputs, targets, strict=True)]


def refuse_shared_groups(train: pd.DataFrame, test: pd.DataFrame, group: str) -> None:
    """Refuse groups of which rows are in both tables.

    Raises:
        ConfigError: With ten of these groups, and how many more there are.
    """
    shared = test[test[group].isin(train[group])]
    if len(shared):
        names = join_first(map(show_cell, shared[group].unique()))
        raise ConfigError(
            f"dataset.group: expected the rows of a group in one table, got {names} in both ({format_lines(shared)} "
            "of dataset.test)."
        )
