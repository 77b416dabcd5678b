from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dlexp.contract import Column, ConfigError, DatasetError, Table
from dlexp.trained.inputs import InputReader
from tests.trained.test_arrays import GREY, RGB, pixels, preprocessing

POINTS = preprocessing(2)


def read(run, given, size=100, skip=None):
    """The names, and the inputs as one tensor."""
    batches = list(InputReader(run, skip=skip).read_batches(given, size))
    return [name for batch in batches for name in batch.names], torch.cat([batch.inputs for batch in batches])


@pytest.fixture
def images(tmp_path):
    """A folder of images of other sizes, and of what is no image."""
    for number, name in enumerate(("b.png", "a/c.jpg", "a/deep/d.PNG")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 10 + number, 3), 10 * number, np.uint8)).save(path)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images"


def test_a_folder_is_searched_for_images(images):
    names, inputs = read(RGB, images)
    assert names == [str(images / name) for name in ("a/c.jpg", "a/deep/d.PNG", "b.png")]
    assert [int(image.max()) for image in inputs] == [10, 20, 0]
    assert inputs.shape == (3, 3, 4, 5)


def test_files_folders_and_pictures_mix(images):
    with Image.open(images / "b.png") as picture:
        names, inputs = read(RGB, [images / "a", picture, str(images / "b.png")])
    assert names == [str(images / "a/c.jpg"), str(images / "a/deep/d.PNG"), 1, str(images / "b.png")]
    assert torch.equal(inputs[2], inputs[3])


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_batches_have_one_size(tmp_path, size):
    array = pixels(7, 4, 5)
    np.save(tmp_path / "a.npy", array[:4])
    np.savez(tmp_path / "b.npz", x=array[4:])
    batches = list(InputReader(GREY).read_batches([tmp_path / "a.npy", tmp_path / "b.npz"], size))
    assert [len(batch.names) for batch in batches] == [size] * (7 // size) + ([7 % size] if 7 % size else [])
    assert np.array_equal(torch.cat([batch.inputs for batch in batches])[:, 0].numpy(), array)
    assert [name.rpartition("/")[2] for batch in batches for name in batch.names][3:5] == ["a.npy:3", "b.npz:0"]


TABLES = {
    "no header": ("0,1\n2,3\n", [[0, 1], [2, 3]]),
    "header": ("x,y\n0,1\n2,3.5\n", [[0, 1], [2, 3.5]]),
    "one row": ("4,5", [[4, 5]]),
}


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_a_csv_file(tmp_path, name):
    text, expected = TABLES[name]
    (tmp_path / "new.csv").write_text(text)
    names, inputs = read(POINTS, tmp_path / "new.csv")
    assert names == [f"{tmp_path}/new.csv:{row}" for row in range(len(expected))]
    assert inputs.tolist() == expected


def test_rows_of_a_frame_keep_their_index():
    names, inputs = read(POINTS, pd.DataFrame({"x": [1, 2], "y": [3.0, 4.0]}, index=[7, 9]))
    assert (names, inputs.tolist()) == ([7, 9], [[1, 3], [2, 4]])


BAD = {  # what cannot be read is left out; the others are read
    "png": ("x.png", b"no image", r"x\.png cannot be read as an image"),
    "missing": ("missing.png", None, r"missing\.png cannot be read as an image \(there is no such file\)"),
    "npz": ("x.npz", b"no array", r"^x\.npz cannot be read as an array"),
    "missing npz": ("missing.npz", None, r"^missing\.npz cannot be read as an array \(No such file or directory\)"),
    "csv": ("x.csv", b"a\xff,\n", r"^x\.csv cannot be read as a table"),
    "empty csv": ("x.csv", b"", r"^x\.csv cannot be read as a table"),
    "folder": ("", b"", r"holds no images \(\.jpg"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_left_out(tmp_path, images, name):
    file, content, message = BAD[name]
    path = tmp_path / "bad" / file if file else tmp_path / "bad"
    (tmp_path / "bad").mkdir()
    if file and content is not None:
        path.write_bytes(content)
    problems = []
    names, _ = read(RGB, [path, images / "b.png"], skip=problems.append)
    assert names == [str(images / "b.png")]
    (problem,) = problems
    with pytest.raises(DatasetError, match=message):
        raise problem
    with pytest.raises(DatasetError, match=message):
        read(RGB, [path])


def test_an_array_of_python_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object))
    with pytest.raises(DatasetError, match="allow_pickle=False"):
        read(RGB, tmp_path / "x.npy")


WRONG = {
    "text in a table": (POINTS, "x.csv", "a,b\n1,red\n", r"^x\.csv: expected columns of numbers, got others in b"),
    "too few columns": (POINTS, "x.csv", "1\n2\n", r"^x\.csv: expected 2 numbers a row, for features of shape \[2\], got 1"),
    "an image": (
        POINTS,
        "x.png",
        "",
        r"^x\.png: the run takes features of shape \[2\], from a file \.csv, \.tsv, \.npz, \.npy or an array",
    ),
    "odd channels": (preprocessing(2, 4, 5), "x.png", "", r"takes images of 2 channels: give them as an array \[N, 2, H, W\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    run, file, text, message = WRONG[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read(run, tmp_path / file, skip=pytest.fail)


def test_several_arrays_in_a_file_need_a_name(tmp_path):
    np.savez(tmp_path / "x.npz", y=np.zeros(2), first=np.zeros(2))
    with pytest.raises(ConfigError, match=r"x\.npz: expected one array, or one called x_test, inputs, .*; it has y, first"):
        read(POINTS, tmp_path / "x.npz")
    named = InputReader(POINTS, array_name="first").read_batches(tmp_path / "x.npz", 9)
    assert next(named).inputs.tolist() == [[0, 0]]
    np.savez(tmp_path / "x.npz", y=np.zeros(2), x_train=np.zeros((9, 2)), x_test=np.ones((3, 2)))
    assert read(POINTS, tmp_path / "x.npz")[1].tolist() == [[1, 1]] * 3


def test_columns_that_do_not_give_the_inputs_of_the_run_are_refused():
    edited = replace(POINTS, table=Table((Column("x", None),), one_hot=True, label="y"))
    with pytest.raises(ConfigError, match=r"the columns in the run's preprocessing\.json do not give inputs of the shape"):
        read(edited, pd.DataFrame({"x": [1.0]}))


def test_a_list_may_hold_arrays_of_several_sizes(images):
    names, inputs = read(RGB, [pixels(8, 10, 3), images / "b.png", torch.zeros(3, 4, 5, dtype=torch.uint8)])
    assert names == [0, str(images / "b.png"), 2]
    assert inputs.shape == (3, 3, 4, 5)
    assert read(POINTS, [np.zeros(2), np.ones(2)])[1].tolist() == [[0, 0], [1, 1]]
    with pytest.raises(ConfigError, match="input 1: expected one example in each array of a list, got 2"):
        read(POINTS, [np.zeros(2), np.zeros((2, 2))])


def test_pictures_are_refused_by_a_run_on_features():
    with pytest.raises(ConfigError, match=r"image 0: the run takes features of shape \[2\], from a file"):
        read(POINTS, Image.new("RGB", (4, 4)))


def test_a_photo_is_refused_by_a_run_on_darker_images(images):
    bright = Image.new("L", (5, 4), 200)
    with pytest.raises(ConfigError, match="image 0: the run was trained on pixel values up to 16"):
        read(preprocessing(1, 4, 5, highest=16.0), [bright])
    bright.save(images / "bright.png")
    with pytest.raises(ConfigError, match=r"bright\.png: the run was trained on pixel values up to 16"):
        read(preprocessing(1, 4, 5, highest=16.0), images / "bright.png")
