"""Turns the rows of a table into examples, and the rows of a later table in the same way."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from dlexp.config.values import join_first, make_printable
from dlexp.contract import Column, ConfigError, Table
from dlexp.data.table_columns import column_names, read_numbers
from dlexp.data.table_messages import format_cells, in_column, join_names, show_cell


def encode(frame: pd.DataFrame, table: Table, place: str = "the table") -> Tensor:
    """Turn rows into inputs: float32 [N, F], or uint8 [N, C, H, W] if they are images. An empty cell of a number becomes NaN.

    Args:
        frame: Rows, as `read_csv` returns them; the columns with categories were read as text.
        table: How the rows of the training table became examples.
        place: Where the rows are from, for messages.

    Raises:
        ConfigError: If a column is missing, or with the lines in which a cell is no number or of an unknown category.
    """
    if absent := [column.name for column in table.columns if column.name not in frame]:
        raise ConfigError(
            f"{place}: expected the columns of the training table, got none named {join_names(absent)}. "
            f"There are {join_names(column_names(frame))}."
        )
    inputs, problems = [], []
    for column in table.columns:
        try:
            inputs.append(_encode_column(frame[column.name], column, place, one_hot=table.one_hot))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    features = torch.from_numpy(np.concatenate(inputs, axis=1))
    return features if table.image_shape is None else _make_images(frame, table, features, place)


def _encode_column(column: pd.Series, kind: Column, place: str, *, one_hot: bool) -> npt.NDArray[np.float32]:
    """The inputs that a column gives, [N, number of inputs]."""
    if kind.categories is None:
        return read_numbers(column, place).astype(np.float32)[:, None]
    codes = pd.Index(kind.categories).get_indexer(column.fillna("").astype(str))  # type: ignore[arg-type]
    if len(unknown := column[codes < 0]):
        known = join_first(map(show_cell, kind.categories))
        raise ConfigError(
            f"{in_column(column, place)}: expected a category of the training table ({known}), got "
            f"{format_cells(unknown.fillna(''))}. Remove these rows, or leave the column out."
        )
    if one_hot:
        return np.eye(len(kind.categories), dtype=np.float32)[codes]
    return codes.astype(np.float32)[:, None]


def _make_images(frame: pd.DataFrame, table: Table, features: Tensor, place: str) -> Tensor:
    shape = table.image_shape or ()
    is_pixel = (features >= 0) & (features <= 255) & (features == features.round())  # false for NaN
    if not is_pixel.all():
        row, index = (~is_pixel).nonzero()[0].tolist()
        name = table.columns[index].name
        raise ConfigError(
            f"{place}, column {make_printable(name)}: expected pixels, whole numbers from 0 to 255, got "
            f"{show_cell(frame[name].iloc[row])} in line {frame.index[row]}. Without dataset.image_shape they are features."
        )
    return features.to(torch.uint8).reshape(-1, *shape)


def check_image_shape(columns: Sequence[Column], image_shape: Sequence[int], place: str) -> None:
    """Refuse a shape that has another number of pixels than there are columns, and columns of text.

    Raises:
        ConfigError: With a shape that would fit.
    """
    if text := [column.name for column in columns if column.categories is not None]:
        raise ConfigError(
            f"{place}: expected pixels in each column, as dataset.image_shape is set, got text in {join_names(text)}."
        )
    if math.prod(image_shape) != len(columns):
        shapes = [
            [channels, side, side]
            for channels in (1, 3)
            if channels * (side := math.isqrt(len(columns) // channels)) ** 2 == len(columns)
        ]
        advice = f" Square images would be dataset.image_shape={str(shapes[0]).replace(' ', '')}." if shapes else ""
        raise ConfigError(
            f"dataset.image_shape: expected {len(columns)} pixels, as there are columns of pixels, got {list(image_shape)}: "
            f"{math.prod(image_shape)}.{advice}"
        )
