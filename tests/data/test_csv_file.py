"""What pandas reads from a file, with the line of each row."""

import pytest

from dlexp.contract import ConfigError
from dlexp.data.csv_file import read_csv


def read(folder, text, **keys):
    (folder / "table.csv").write_text(text, newline="")
    return read_csv(folder / "table.csv", **keys)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a,b\n1,2\n3,4\n", [2, 3]),
        ("a,b\r\n1,2\r\n\r\n3,4\r\n\r\n", [2, 4]),
        ("a,b\n,\n1,2", [3]),
        ('a,"b\nc"\n1,"x\ny\nz"\n2,w\n', [3, 6]),
    ],
)
def test_the_index_is_the_line_in_the_file(text, lines, tmp_path):
    assert read(tmp_path, text).index.tolist() == lines


def test_cells_keep_their_text_where_they_are_no_numbers(tmp_path):
    frame = read(tmp_path, "a,b,c,d\nTrue,99999999999999999999991, x ,007\nFALSE,1,,8\n,2,None,9\n", as_text=["d"])
    assert frame["a"].fillna("").tolist() == ["True", "FALSE", ""]
    assert frame["b"].tolist() == ["99999999999999999999991", "1", "2"]
    assert frame["c"].fillna("").tolist() == ["x", "", ""]
    assert frame["d"].tolist() == ["007", "8", "9"]


@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
def test_the_separator_is_found(separator, tmp_path):
    frame = read(tmp_path, f"a b{separator}c\n1{separator}x\n")
    assert frame.to_dict("list") == {"a b": [1], "c": ["x"]}


def test_a_header_of_numbers_from_0_is_one(tmp_path):
    assert list(read(tmp_path, "0,1,2\n5,6,7\n")) == ["0", "1", "2"]
    with pytest.raises(ConfigError, match=r"got numbers \(1, 2\)"):
        read(tmp_path, "1,2\n5,6\n")


def test_an_address_is_not_opened(tmp_path):
    from pathlib import Path

    from dlexp.contract import DatasetError

    with pytest.raises(DatasetError, match="No such file"):
        read_csv(Path("https://localhost:1/table.csv"))
