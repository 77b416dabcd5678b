"""The user's own table in a CSV file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.contract import ConfigError, Source, Split, Table
from dlexp.data.csv_file import read_csv
from dlexp.data.split import split_indices, take
from dlexp.data.table import check_image_shape, encode
from dlexp.data.table_columns import column_names, describe_columns, find_text, refuse_missing
from dlexp.data.table_leaks import refuse_copies_of_target, refuse_shared_groups, refuse_shared_rows
from dlexp.data.table_messages import in_file, join_names, list_command
from dlexp.data.table_target import Task, encode_target, find_classes

Missing = Literal["refuse", "mean", "median", "most_frequent"]


@dataclass(frozen=True)
class _Roles:
    """What the user says about the columns: the keys of the same names."""

    label: str
    group: str | None
    leave_out: list[str]
    as_text: list[str]

    @property
    def no_inputs(self) -> set[str | None]:
        """The columns that are no inputs."""
        return {self.label, self.group, *self.leave_out}


class _Part(NamedTuple):
    """Examples, and the line of each in its file."""

    examples: Split
    lines: npt.NDArray[np.int64]


def read(
    *,
    train: str,
    test: str | None,
    test_fraction: float | None,
    label: str,
    task: Task,
    group: str | None,
    leave_out: list[str],
    as_text: list[str],
    categories: Literal["one_hot", "codes"],
    missing: Missing,
    duplicates: Literal["refuse", "keep"],
    decimal: Literal["point", "comma"],
    image_shape: list[int] | None,
    data_seed: int,
) -> Source:
    """Read a table as features, float32 [N, F], or as images, uint8 [N, C, H, W].

    Categories and classes are those of all rows of the file `train`.

    Args:
        train: A CSV file.
        test: Another, with the rows of the test split, or None.
        test_fraction: None if there is a file `test`; otherwise the share that becomes the test split, stratified.
        label: The column to predict.
        task: Whether its values are classes; `auto`: see `find_classes`.
        group: Rows with the same value of this column stay in one split. It is no input.
        leave_out: Columns that are no inputs.
        as_text: Columns that are read as text although they look like numbers.
        categories: Whether a text column becomes one input for each category, or one with the number of the category.
        missing: What fills an empty cell of a number. An empty cell of a text column becomes a category, unless it is `refuse`.
        duplicates: Whether test rows that are equal to a training row are refused.
        decimal: The decimal mark.
        image_shape: [C, H, W] if each row holds the pixels of an image in this order.
        data_seed: Seed of the split.

    Raises:
        ConfigError: If the table cannot be used so, with the lines or columns and with what would work.
        DatasetError: If a file cannot be read.
    """
    _check_keys(test, test_fraction, missing, image_shape)
    roles, path = _Roles(label, group, leave_out, as_text), Path(train).expanduser()
    place, shape = in_file("dataset.train", path), None if image_shape is None else tuple(image_shape)
    frame = read_csv(path, decimal=decimal, as_text=as_text)
    others = _read_test(test, decimal, frame)
    names = _choose_inputs(frame, others, place, roles)
    columns = describe_columns(frame, names, place, as_text=as_text, leave_out=leave_out)
    if shape is not None:
        check_image_shape(columns, shape, place)
    table, classes = Table(columns, categories == "one_hot", label, shape), find_classes(frame, label, task, place)
    refuse_copies_of_target(frame, table, classes, place, leave_out)
    groups = None if group is None else _number_groups(frame, group, place)
    part = _encode(frame, table, classes, place, missing)
    if others is not None:
        if group in others:
            refuse_shared_groups(frame, others, str(group))
        parts = part, _encode(others, table, classes, in_file("dataset.test", Path(str(test))), missing)
    else:
        parts, groups = _draw_test(part, classes, float(test_fraction or 0), groups, data_seed)
    if duplicates == "refuse":
        refuse_shared_rows(parts[0].examples, parts[1].examples, parts[0].lines, parts[1].lines)
    impute = None if missing == "refuse" else missing
    return Source(parts[0].examples, parts[1].examples, classes, table, impute, groups=groups)


def _draw_test(
    part: _Part, classes: tuple[str, ...], share: float, groups: torch.Tensor | None, seed: int
) -> tuple[tuple[_Part, _Part], torch.Tensor | None]:
    """Draw the rows to test on; the training part, the test part, and the groups of the training part."""
    train, test = split_indices(part.examples.targets, classes, share, seed=seed, key="dataset.test_fraction", groups=groups)
    return (_take(part, train), _take(part, test)), None if groups is None else groups[train]


def _check_keys(test: str | None, test_fraction: float | None, missing: Missing, image_shape: list[int] | None) -> None:
    """Refuse keys that contradict each other."""
    problems = []
    if test is None and test_fraction is None:
        problems.append(
            "dataset.test_fraction: expected the share of rows to test on, or a file with them as dataset.test, got neither. "
            "For example dataset.test_fraction=0.2."
        )
    if test is not None and test_fraction is not None:
        problems.append(
            f"dataset.test_fraction: expected null beside dataset.test, got {test_fraction:g}: leave one of the two out."
        )
    if image_shape is not None and missing != "refuse":
        problems.append(
            f"dataset.missing: expected refuse beside dataset.image_shape, as pixels are not filled in, got {missing}."
        )
    if problems:
        raise ConfigError(*problems)


def _read_test(test: str | None, decimal: str, frame: pd.DataFrame) -> pd.DataFrame | None:
    """Read the rows to test on, with the same columns as text as in the training table."""
    if test is None:
        return None
    return read_csv(Path(test).expanduser(), decimal=decimal, as_text=find_text(frame), key="dataset.test")


def _choose_inputs(frame: pd.DataFrame, others: pd.DataFrame | None, place: str, roles: _Roles) -> list[str]:
    """The columns that become inputs, in the order of the file. All that is wrong with names is refused here."""
    there = column_names(frame)
    anywhere = there if others is None else [*there, *(name for name in column_names(others) if name not in there)]
    wanted = [("label", roles.label, there), *([("group", roles.group, there)] if roles.group is not None else [])]
    wanted += [(key, name, anywhere) for key in ("leave_out", "as_text") for name in getattr(roles, key)]
    problems = [
        f"dataset.{key}: expected a column of the table, got {make_printable(name)}. There are {join_names(names)}."
        f"{nearest_option(name, names)}"
        for key, name, names in wanted
        if name not in names
    ]
    if roles.group == roles.label:
        problems.append(f"dataset.group: expected another column than dataset.label, got {make_printable(roles.label)}.")
    if twice := [name for name in (roles.label, roles.group) if name in roles.leave_out]:
        problems.append(f"dataset.leave_out: expected columns beside label and group, got {join_names(map(str, twice))}.")
    if twice := [name for name in roles.as_text if name in (roles.group, *roles.leave_out)]:
        problems.append(f"dataset.as_text: expected inputs or the label, got {join_names(twice)}.")
    inputs = [name for name in there if name not in roles.no_inputs]
    if not problems and not inputs:
        problems.append(f"{place}: expected columns that become inputs, got none beside {make_printable(roles.label)}.")
    if not problems and others is not None:
        problems += _compare_columns(inputs, column_names(others), roles)
    if problems:
        raise ConfigError(*problems)
    return inputs


def _compare_columns(inputs: list[str], there: list[str], roles: _Roles) -> list[str]:
    """Describe what the columns of the test table lack and have too many."""
    problems = []
    if roles.label not in there:
        problems.append(
            f"dataset.test: expected the column to predict, {make_printable(roles.label)}, got {join_names(there)}. Without "
            "it rows cannot test a model: dataset.test=null dataset.test_fraction=0.2 tests on rows of dataset.train."
        )
    if absent := [name for name in inputs if name not in there]:
        problems.append(
            f"dataset.test: expected the columns of the training table, got none named {join_names(absent)}. There are "
            f"{join_names(there)}."
        )
    if extra := [name for name in there if name not in inputs and name not in roles.no_inputs]:
        problems.append(
            f"dataset.test: expected the columns of the training table, got {join_names(extra)} beside them: "
            f"{list_command('leave_out', [*roles.leave_out, *extra])}."
        )
    return problems


def _encode(frame: pd.DataFrame, table: Table, classes: tuple[str, ...], place: str, missing: Missing) -> _Part:
    """The examples of a table."""
    if missing == "refuse":
        advice = "Fill them, leave out the column, or choose dataset.missing=mean, median or most_frequent."
        refuse_missing(frame, [column.name for column in table.columns], place, advice)
    examples = Split(encode(frame, table, place), encode_target(frame, table.label, classes, place))
    return _Part(examples, frame.index.to_numpy())


def _take(part: _Part, indices: torch.Tensor) -> _Part:
    return _Part(take(part.examples, indices), part.lines[indices.numpy()])


def _number_groups(frame: pd.DataFrame, group: str, place: str) -> torch.Tensor:
    """The number of each row's group, int64 [N]."""
    refuse_missing(frame, [group], place, "Remove the rows without a group.")
    return torch.from_numpy(pd.factorize(frame[group])[0].astype(np.int64))
