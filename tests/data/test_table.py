"""Rows become inputs as those of the training table did."""

import pandas as pd
import pytest
import torch

from dlexp.contract import Column, ConfigError, Table
from dlexp.data.csv_file import read_csv
from dlexp.data.preprocessing import name_inputs
from dlexp.data.table import check_image_shape, encode
from dlexp.data.table_messages import list_command

COLUMNS = (Column("size", None), Column("kind", ("", "10", "9", "b")))


@pytest.fixture
def rows(tmp_path):
    """New rows, in another order of columns and with one more."""
    (tmp_path / "new.csv").write_text("kind,other,size\n9,x,1.5\n\n,y,\n10,z,-2\n")
    return read_csv(tmp_path / "new.csv", as_text=["kind"])


def test_new_rows_are_encoded_by_the_columns_of_the_table(rows):
    inputs = encode(rows, Table(COLUMNS, one_hot=True, label="y"))
    expected = torch.tensor([[1.5, 0, 0, 1, 0], [torch.nan, 1, 0, 0, 0], [-2, 0, 1, 0, 0]])
    assert torch.equal(inputs.nan_to_num(-1), expected.nan_to_num(-1))
    codes = encode(rows, Table(COLUMNS, one_hot=False, label="y"))
    assert codes[:, 1].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([Column("kind", ("9", "10"))], "the table, column kind: expected a category .* got '' in line 4. Remove these rows"),
        ([Column("other", None)], "the table, column other: expected numbers, got 'x' in line 2, 'y' in line 4, 'z' in line 5"),
        ([Column("width", None)], "got none named width. There are kind, other, size."),
    ],
)
def test_rows_that_do_not_fit_are_named(columns, message, rows):
    with pytest.raises(ConfigError, match=message):
        encode(rows, Table(tuple(columns), one_hot=True, label="y"))


def test_names_of_the_inputs():
    assert name_inputs(Table(COLUMNS, one_hot=True, label="y")) == ["size", "kind=", "kind=10", "kind=9", "kind=b"]
    assert name_inputs(Table(COLUMNS, one_hot=False, label="y")) == ["size", "kind"]


def test_pixels_become_images():
    frame = pd.DataFrame({"b": [1, 2], "a": [255, 0]}, index=[2, 3])
    table = Table((Column("a", None), Column("b", None)), one_hot=True, label="y", image_shape=(1, 2, 1))
    images = encode(frame, table)
    assert images.dtype == torch.uint8
    assert images.tolist() == [[[[255], [1]]], [[[0], [2]]]]
    check_image_shape(table.columns, (1, 2, 1), "the table")
    with pytest.raises(ConfigError, match=r"got '256' in line 3\."):
        encode(frame.replace(2, 256), table)


@pytest.mark.parametrize("names", [["a", "Sale Price"], ["5", "true"], ['a"b', "a,b"], ["it's"], ["a[0]"]])
def test_the_command_that_is_shown_gives_these_names(names):
    import shlex

    from dlexp.config.overrides import parse

    (typed,) = shlex.split(list_command("leave_out", names))
    assert parse(typed).value == names
