"""Tables of the user: what becomes of their cells, and what is answered to tables that cannot be used."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import torch

from dlexp.contract import Column, ConfigError, DatasetError
from dlexp.data.prepare import prepare
from dlexp.data.preprocessing import name_inputs
from dlexp.data.split import take
from dlexp.parts.dataset import csv_table, digits
from tests.runs import prepare as plan_run
from tests.runs import run

KEYS = {
    "test": None,
    "test_fraction": None,
    "label": "y",
    "task": "auto",
    "group": None,
    "leave_out": [],
    "as_text": [],
    "categories": "one_hot",
    "missing": "refuse",
    "duplicates": "refuse",
    "decimal": "point",
    "image_shape": None,
    "data_seed": 0,
}


def lines(*rows):
    return "\n".join(rows) + "\n"


def table(*first, num_rows=12, cells="{0},{1}", header="x,y"):
    """A table whose first rows are given; in the others x counts up and y is a or b by turns."""
    rest = [cells.format(100 + index, "ab"[index % 2]) for index in range(num_rows - len(first))]
    return lines(header, *first, *rest)


GOOD = table()
GROUPED = lines("who,x,y", *(f"{index // 3},{index},{'ab'[index % 2]}" for index in range(60)))


def read(folder, content, test=None, **keys):
    """Read a table that is written first, with another of the same form as the test part unless a share is held out."""
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if test is not None:
        (folder / "test.csv").write_text(test)
        keys["test"] = str(folder / "test.csv")
    elif "test_fraction" not in keys:
        keys["test_fraction"] = 0.25
    return csv_table.read(train=str(path), **KEYS | keys)


# Content of the training file, keys (test: content of the test file), and a part of the answer.
WRONG = {
    "no such label": (
        GOOD,
        {"label": "Y"},
        "dataset.label: expected a column of the table, got Y. There are x, y. Did you mean y?",
    ),
    "no such group": (GOOD, {"group": "user"}, "dataset.group: expected a column of the table, got user. There are x, y."),
    "no such column to leave out": (GOOD, {"leave_out": ["xx"]}, "dataset.leave_out: expected a column of the table, got xx."),
    "no such column of text": (GOOD, {"as_text": ["z"]}, "dataset.as_text: expected a column of the table, got z."),
    "label left out": (GOOD, {"leave_out": ["y"]}, "dataset.leave_out: expected columns beside label and group, got y."),
    "label as group": (GOOD, {"group": "y"}, "dataset.group: expected another column than dataset.label, got y."),
    "text of what is left out": (GOOD, {"as_text": ["x"], "leave_out": ["x"]}, "dataset.as_text: expected inputs or the label"),
    "no inputs": (GOOD, {"leave_out": ["x"]}, "expected columns that become inputs, got none beside y."),
    "nothing to test on": (GOOD, {"test_fraction": None}, "got neither. For example dataset.test_fraction=0.2."),
    "twice something to test on": (GOOD, {"test_fraction": 0.2, "test": "1,a\n"}, "got 0.2: leave one of the two out."),
    "empty file": ("", {}, "expected the names of the columns in line 1, got an empty line or file."),
    "empty first line": ("\n\nx,y\n1,a\n", {}, "expected the names of the columns in line 1, got an empty line or file."),
    "header alone": ("x,y\n", {}, "expected rows below the header (x, y), got none."),
    "empty rows alone": ("x,y\n\n,\n", {}, "expected rows below the header (x, y), got none."),
    "no header": (lines("1.5,0", "2.5,1"), {}, "expected the names of the columns in line 1, got numbers (1.5, 0)."),
    "one name twice": (table(header="y,y"), {}, "expected a name of its own for each column, got y more than once."),
    "a comma at the end of each line but the first": (lines("x,y", "1,a,", "2,b,"), {}, "got 2 different values in 2 rows"),
    "index": (
        lines(",x,y", *(f"{i},{i},{'ab'[i % 2]}" for i in range(9))),
        {},
        "'dataset.leave_out=[Unnamed: 0]'",
    ),
    "more cells than names": (lines("x,y", "1,2,a", "3,4,b"), {}, "expected 2 cells in each line, as in the header, got more."),
    "a longer line": (table("1,a", "2,b,c"), {}, "cannot be read as CSV (Expected 2 fields in line 3, saw 3)."),
    "an open quote": (table('"1,a'), {}, "cannot be read as CSV (EOF inside string starting at row 1)."),
    "Latin-1": ("x,y\n1,é\n".encode("latin-1"), {}, "table.csv is not text in UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), {}, "It is UTF-16: save it as CSV UTF-8."),
    "a workbook": (b"PK\x03\x04\xff\xfe\x00", {}, "It is a workbook or a zip archive: save the sheet as CSV UTF-8."),
    "a word among numbers": (
        table("n.a.,a", "1,b"),
        {},
        "column x: expected a number in each cell, as in most, got 'n.a.' in line 2. A missing value is an empty cell.",
    ),
    "ten words and more": (
        table(*(f"w{i},a" for i in range(11)), num_rows=30),
        {},
        "'w9' in line 11 and 1 more. A missing value",
    ),
    "codes with a letter": (table("5more,a", "5more,b"), {}, "As categories they are read by 'dataset.as_text=[x]'."),
    "decimal comma": (
        lines("x;z;y", *(f"{i},5;{i};{'ab'[i % 2]}" for i in range(4))),
        {},
        "dataset.train: table.csv: expected numbers such as 1.5, got '0,5' in line 2 of column x. If the comma is the decimal "
        "mark: dataset.decimal=comma. As categories they are read by 'dataset.as_text=[x]'.",
    ),
    "decimal comma in the label": (lines("x;y", *(f"{i};{i},5" for i in range(4))), {}, "got '0,5' in line 2 of column y."),
    "decimal point after all": (
        table("1.5,a", "0.5,b"),
        {"decimal": "comma"},
        "dataset.decimal: expected point, as column x of table.csv has numbers such as 1.5, got comma.",
    ),
    "infinite": (table("inf,a"), {}, "column x: expected finite numbers up to 3.4e38, got 'inf' in line 2."),
    "beyond float32": (table("1,a", "-1e39,b"), {}, "expected finite numbers up to 3.4e38, got '-1e+39' in line 3."),
    "long ids": (
        table("20240000000001,a", "20240000000002,b"),
        {},
        "expected numbers that differ as float32, which holds whole numbers up to 16,777,216 exactly, got 20240000000001 and "
        "20240000000002.",
    ),
    "longer ids": (
        table("99999999999999999999991,a", "99999999999999999999992,b"),
        {},
        "expected numbers that differ as float32",
    ),
    "names": (
        lines("name,x,y", *(f"Ann {i},{i},{'ab'[i % 2]}" for i in range(9))),
        {},
        "column name: expected categories that occur several times, got 9 different texts in 9 rows, such as 'Ann 0'.\n"
        "What is no input can be left out: 'dataset.leave_out=[name]'.",
    ),
    "dates": (lines("day,y", *(f"2024-01-{i:02},{'ab'[i % 2]}" for i in range(1, 10))), {}, "got 9 different texts in 9 rows"),
    "an empty column": (
        lines("void,x,y", *(f",{i},{'ab'[i % 2]}" for i in range(9))),
        {"leave_out": ["x"]},
        "'dataset.leave_out=[x,void]'",
    ),
    "a column with a strange name": (
        lines("it's a=b,x,y", *(f",{i},{'ab'[i % 2]}" for i in range(9))),
        {},
        "'dataset.leave_out=[\"it'\\''s a=b\"]'",
    ),
    "empty cells": (
        table(*[",a"] * 12, num_rows=30),
        {},
        "column x: expected a value in each cell, got none in lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more.",
    ),
    "empty cells of text": (
        lines("x,y", *("u,a", "v,b") * 4, "NA,a"),
        {},
        "expected a value in each cell, got none in line 10.",
    ),
    "empty cells are counted with empty lines": (table("1,a", "", "n/a,b"), {}, "got none in line 4."),
    "empty cells are counted with line breaks": (
        lines("t,x,y", '"u\nu",1,a', "v,,b", *(f"v,{i},{'ab'[i % 2]}" for i in range(9))),
        {},
        "column x: expected a value in each cell, got none in line 4.",
    ),
    "an empty label": (table("1,", "2,b"), {"missing": "mean"}, "column y: expected a value in each cell, got none in line 2."),
    "an empty group": (
        GROUPED.replace("\n7,21", "\n,21"),
        {"group": "who"},
        "column who: expected a value in each cell, got none in",
    ),
    "an empty pixel": (table(",a"), {"image_shape": [1, 1, 1]}, "column x: expected a value in each cell, got none in line 2."),
    "pixels that are filled in": (
        GOOD,
        {"image_shape": [1, 1, 1], "missing": "mean"},
        "dataset.missing: expected refuse beside dataset.image_shape",
    ),
    "pixels beyond 255": (
        table("256,a"),
        {"image_shape": [1, 1, 1]},
        "column x: expected pixels, whole numbers from 0 to 255, got '256' in line 2.",
    ),
    "pixels with a fraction": (table("0.5,a"), {"image_shape": [1, 1, 1]}, "whole numbers from 0 to 255, got '0.5' in line 2."),
    "text as pixels": (lines("x,y", *("u,a", "v,b") * 5, "u,b"), {"image_shape": [1, 1, 1]}, "got text in x."),
    "too few pixels": (
        lines("p0,p1,p2,p3,y", *(f"{i},{i},{i},{i},{'ab'[i % 2]}" for i in range(9))),
        {"image_shape": [1, 28, 28]},
        "dataset.image_shape: expected 4 pixels, as there are columns of pixels, got [1, 28, 28]: 784. Square images would be "
        "dataset.image_shape=[1,2,2].",
    ),
    "one class": (table(cells="{0},a"), {}, "column y: expected different labels, got 'a' in every row."),
    "one number": (
        table(cells="{0},0.5"),
        {"task": "regression"},
        "column y: expected different labels, got '0.5' in every row.",
    ),
    "a class with one example": (table("1,c"), {}, "expected two rows of each class or more, got one of 'c' in line 2."),
    "a label of names": (
        lines("x,z,y", *(f"{i},{i % 3},Ann {i}" for i in range(9))),
        {},
        "got 9 different values in 9 rows. Columns with few values are z: dataset.label=z.",
    ),
    "a label of many whole numbers": (
        lines("x,y", *(f"{i},{i % 25}" for i in range(60))),
        {},
        "got 25 different whole numbers in 60 rows: use dataset.task=regression or dataset.task=classification.",
    ),
    "a label of prices as classes": (
        lines("x,y", *(f"{i},{i + 1000}" for i in range(60))),
        {"task": "classification"},
        "got 60 different values in 60 rows. To predict a number: dataset.task=regression.",
    ),
    "a label with a word among numbers": (
        lines("x,y", *(f"{i},{i % 2}" for i in range(9)), "9,yes", "10,yes"),
        {},
        "With dataset.task=classification all of them are names of classes.",
    ),
    "a regression of words": (GOOD, {"task": "regression"}, "column y: expected numbers, got 'a' in line 2, 'b' in line 3"),
    "a recoded label": (
        lines("code,x,y", *(f"{i % 2},{i},{'ab'[i % 2]}" for i in range(9))),
        {},
        "column y: expected a target that is not among the inputs, got the same in other words in code. Leave it out: "
        "'dataset.leave_out=[code]'.",
    ),
    "a copied label": (lines("z,x,y", *(f"{i / 8},{i},{i / 8}" for i in range(9))), {}, "in other words in z. Leave it out"),
    "rows in both files": (
        GOOD,
        {"test": lines("x,y", "100,a", "7,b", "101,b")},
        "got 2 of 3 that are: lines 2 (2 of the training part), 4 (3 of the training part). Remove them, or accept them with "
        "dataset.duplicates=keep.",
    ),
    "rows in both parts of a file": (
        lines("x,y", *("1,a", "2,b", "3,b") * 10),
        {},
        "dataset.duplicates: expected test rows that are not in the training part, got 8 of 8 that are: lines",
    ),
    "groups in both files": (
        GROUPED,
        {"group": "who", "test": lines("who,x,y", "0,1,a", "99,1,b")},
        "dataset.group: expected the rows of a group in one table, got '0' in both (line 2 of dataset.test).",
    ),
    "too few groups": (
        GROUPED,
        {"group": "who", "test_fraction": 0.04},
        "expected a share of at least 0.05, as there are 20 groups, got 0.04.",
    ),
    "a test file without labels": (
        GOOD,
        {"test": lines("x", "1", "2")},
        "dataset.test: expected the column to predict, y, got x. Without it rows cannot test a model: dataset.test=null "
        "dataset.test_fraction=0.2 tests on rows of dataset.train.",
    ),
    "a test file without a column": (GOOD, {"test": lines("y", "a", "b")}, "got none named x. There are y."),
    "a test file with a column more": (
        GOOD,
        {"test": lines("x,y,z", "1,a,0")},
        "got z beside them: 'dataset.leave_out=[z]'.",
    ),
    "a class of the test file alone": (GOOD, {"test": lines("x,y", "1,a", "2,c")}, "('a', 'b'), got 'c' in line 3."),
    "a category of the test file alone": (
        lines("t,x,y", *(f"{'uv'[i % 3 % 2]},{i},{'ab'[i % 2]}" for i in range(9))),
        {"test": lines("t,x,y", "w,1,a", "u,2,b")},
        "dataset.test: test.csv, column t: expected a category of the training table ('u', 'v'), got 'w' in line 2.",
    ),
    "an empty category of the test file alone": (
        lines("t,x,y", *(f"{'uv'[i % 3 % 2]},{i},{'ab'[i % 2]}" for i in range(9))),
        {"missing": "mean", "test": lines("t,x,y", ",1,a", "u,2,b")},
        "got '' in line 2.",
    ),
    "a word in the test file": (
        GOOD,
        {"test": lines("x,y", "one,a", "2,b")},
        "column x: expected numbers, got 'one' in line 2.",
    ),
    "an infinite number in the test file": (GOOD, {"test": lines("x,y", "inf,a", "2,b")}, "got 'inf' in line 2."),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_answered(name, tmp_path):
    content, keys, answer = WRONG[name]
    with pytest.raises((ConfigError, DatasetError)) as caught:
        read(tmp_path, content, **keys)
    assert answer in str(caught.value)
    assert re.fullmatch(r"(dataset\.\w+: .+|What is .+|Fill .+|Remove .+|With .+|As .+|\n)+", str(caught.value))
    assert all(character.isprintable() or character == "\n" for character in str(caught.value))


def test_a_folder_is_answered_by_the_tables_in_it(tmp_path):
    (tmp_path / "b.csv").touch()
    with pytest.raises(ConfigError, match=r"got the folder .*, which holds b\.csv: dataset\.train=.*/b\.csv\."):
        csv_table.read(train=str(tmp_path), **KEYS | {"test_fraction": 0.2})


@pytest.mark.parametrize("name", ["table.csv.gz", "table.csv.zip", "table.csv.bz2", "table.csv.xz"])
def test_a_compressed_file_is_read_and_a_broken_one_named(name, tmp_path):
    pd.DataFrame({"x": range(12), "y": ["a", "b"] * 6}).to_csv(tmp_path / name, index=False)
    source = csv_table.read(train=str(tmp_path / name), **KEYS | {"test_fraction": 0.25})
    assert (len(source.train.targets), len(source.test.targets)) == (9, 3)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(DatasetError, match=re.escape(f"dataset.train: {name} cannot be read (")):
        csv_table.read(train=str(tmp_path / name), **KEYS | {"test_fraction": 0.25})


def test_numbers_and_text_become_features(tmp_path):
    content = "\ufeff" + lines("t, x,flag,y", *(f"{'vu'[i % 2]} ,{i / 2},{bool(i % 3)},{i % 3}" for i in range(12)))
    source = read(tmp_path, content, test=lines("flag,y,t,x", "True,0,u,1.5", "False,1,v,-1", "True,2,v,7e3"))
    assert source.table.columns == (Column("t", ("u", "v")), Column("x", None), Column("flag", ("False", "True")))
    assert name_inputs(source.table) == ["t=u", "t=v", "x", "flag=False", "flag=True"]
    assert source.test.inputs.tolist() == [[1, 0, 1.5, 0, 1], [0, 1, -1, 1, 0], [0, 1, 7000, 0, 1]]
    assert source.classes == ("0", "1", "2")
    assert source.test.targets.tolist() == [0, 1, 2]
    assert source.train.inputs[1].tolist() == [1, 0, 0.5, 0, 1]


def test_categories_as_codes_and_numbers_as_text(tmp_path):
    content = lines("z,x,y", *(f"{10 * (i % 3)},{i},{'ab'[i % 2]}" for i in range(12)))
    source = read(
        tmp_path, content, lines("z,x,y", "20,1,a", "00,2,b", "0,2,b").replace("00", "10"), as_text=["z"], categories="codes"
    )
    assert source.table.columns[0] == Column("z", ("0", "10", "20"))
    assert source.test.inputs.tolist() == [[2, 1], [1, 2], [0, 2]]


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["no", "yes"], "auto", ("no", "yes")),
        (["10", "9"], "auto", ("9", "10")),
        (["1.0", "2.0"], "auto", ("1", "2")),
        (["0.5", "1.5"], "classification", ("0.5", "1.5")),
        (["0.5", "1.5"], "auto", ()),
        (["10", "9"], "regression", ()),
        (["True", "False"], "auto", ("False", "True")),
        (["1", "x"], "classification", ("1", "x")),
    ],
)
def test_the_task_follows_from_the_label(labels, task, classes, tmp_path):
    source = read(tmp_path, lines("x,y", *(f"{i},{labels[i // 2 % 2]}" for i in range(16))), task=task)
    assert source.classes == classes
    assert source.train.targets.shape == ((12,) if classes else (12, 1))
    assert source.train.targets.dtype == (torch.int64 if classes else torch.float32)


def test_semicolons_tabs_and_decimal_commas(tmp_path):
    rows = [f"{i},5;{'ab'[i % 2]};{i % 3}" for i in range(12)]
    source = read(tmp_path, lines("x;y;z", *rows), decimal="comma")
    with_points = [row.replace(",", ".").replace(";", "\t") for row in rows]
    other = read(tmp_path, lines("x\ty\tz", *with_points))
    assert torch.equal(source.train.inputs, other.train.inputs)
    assert source.train.inputs[:, 0].frac().eq(0.5).all()


def test_empty_cells_are_filled_from_the_training_part_and_a_category_of_text(tmp_path):
    content = lines("t,x,y", *(f"{'u' if i % 3 else ''},{i if i % 5 else ''},{'ab'[i % 2]}" for i in range(40)))
    source = read(tmp_path, content, missing="mean")
    assert source.table.columns[0].categories == ("", "u")
    assert source.impute == "mean"
    dataset = prepare(source, per_class=None, val_fraction=0.2, scale="none", scale_on="train", data_seed=0)
    numbers = dataset.train.inputs[:, 2]
    assert dataset.fill[2] in numbers
    assert numbers[numbers != dataset.fill[2]].mean().item() == pytest.approx(dataset.fill[2].item())
    assert dataset.test.inputs.isfinite().all()


def test_a_column_that_is_empty_in_the_training_part_is_named(tmp_path):
    content = lines("x,z,y", *(f"{i},,{'ab'[i % 2]}" for i in range(8)), "8,1,a", "9,2,b")
    source = read(tmp_path, content, missing="mean", test=lines("x,z,y", "1,2,a", "1,2,b"))
    source = dataclasses.replace(source, train=take(source.train, torch.arange(8)))
    with pytest.raises(ConfigError, match="got none in feature z"):
        prepare(source, per_class=None, val_fraction=0, scale="none", scale_on="train", data_seed=0)


def test_duplicates_are_accepted_on_request(tmp_path):
    source = read(tmp_path, lines("x,y", *("1,a", "2,b", "3,b") * 10), duplicates="keep")
    assert len(source.test.targets) == 8


@pytest.mark.parametrize("regression", [False, True])
def test_groups_stay_together_in_every_split(regression, tmp_path):
    content = GROUPED if not regression else re.sub(r",(\d+),[ab]", r",\1,\1.5", GROUPED)
    source = read(tmp_path, content, group="who", test_fraction=0.2)
    assert source.table.columns == (Column("x", None),)
    dataset = prepare(source, per_class=None, val_fraction=0.25, scale="none", scale_on="train", data_seed=0)
    groups = [set((split.inputs[:, 0] // 3).tolist()) for split in (dataset.train, dataset.val, dataset.test)]
    assert sum(map(len, groups)) == 20
    assert set.union(*groups) == set(range(20))
    assert len(dataset.test.targets) == pytest.approx(12, abs=3)
    assert len(dataset.val.targets) == pytest.approx(12, abs=3)


@pytest.fixture(scope="module")
def digits_files(tmp_path_factory):
    """scikit-learn's digits as two tables, in the order of the option `digits`, and one compressed."""
    folder, source = tmp_path_factory.mktemp("digits"), digits.read(test_fraction=0.2, data_seed=42)
    for name, split in (("train.csv", source.train), ("test.csv.gz", source.test)):
        frame = pd.DataFrame(split.inputs.flatten(1).numpy(), columns=[f"pixel{index}" for index in range(64)])
        frame.insert(0, "label", split.targets.numpy())
        frame.to_csv(folder / name, index=False)
    return [f"dataset.train={folder / 'train.csv'}", f"dataset.test={folder / 'test.csv.gz'}", "dataset.label=label"]


@pytest.mark.parametrize("model", ["convnet", "mlp"])
def test_digits_as_a_table_train_as_the_built_in_ones(model, digits_files, tmp_path):
    common = (f"model={model}", "dataset.scale=none", "epochs=2", "depth=2", "width=8", f"data_dir={tmp_path / 'data'}")
    shape = ["dataset.image_shape=[1,8,8]"] if model == "convnet" else []
    of_table = run("dataset=csv_table", *digits_files, *shape, *common, root=tmp_path / "table")
    built_in = run("dataset=digits", *common, root=tmp_path / "built_in")
    assert of_table[1] == built_in[1]
    assert of_table[0]["metrics"] == built_in[0]["metrics"]


def test_images_have_the_pixels_of_their_rows(tmp_path):
    content = lines(
        "y," + ",".join(f"p{i}" for i in range(12)), *(f"{i % 2}," + ",".join(map(str, range(i, i + 12))) for i in range(8))
    )
    source = read(tmp_path, content, test_fraction=0.5, image_shape=[3, 2, 2])
    image = source.train.inputs[0]
    assert image.dtype == torch.uint8
    assert np.array_equal(image.flatten().numpy(), np.arange(12) + image[0, 0, 0].item())


def test_a_moved_file_is_the_same_run_and_another_content_another(tmp_path):
    def identity(train, test=None):
        paths = [f"dataset.train={train}", *([f"dataset.test={test}"] if test else ["dataset.test_fraction=0.2"])]
        return plan_run(
            "dataset=csv_table", "model=mlp", "dataset.label=y", *paths, f"data_dir={tmp_path}", root=tmp_path
        ).identity

    for name, content in (("one.csv", GOOD), ("moved.csv", GOOD), ("other.csv", GOOD.replace("100,", "99,"))):
        (tmp_path / name).write_text(content)
    one, moved, other = (tmp_path / name for name in ("one.csv", "moved.csv", "other.csv"))
    assert identity(one) == identity(moved)
    assert identity(one, other) == identity(moved, other)
    assert len({identity(one), identity(other), identity(one, other), identity(other, one)}) == 4
