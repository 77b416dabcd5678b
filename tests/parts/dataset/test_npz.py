"""Arrays of the user: what is read, and what is answered to arrays that cannot be used."""

import io
import zipfile

import numpy as np
import pytest
import torch

from dlexp.contract import ConfigError, DatasetError
from dlexp.parts.dataset import digits, npz
from tests.runs import run

KEYS = {"test": None, "test_fraction": None, "inputs": None, "labels": None, "data_seed": 0}
X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 2
IMAGES = (np.arange(12 * 5 * 6) % 256).astype(np.uint8).reshape(12, 5, 6)
ONE_CLASS_MORE = np.array([0, 1] * 5 + [1, 2])


def read(folder, arrays, test=None, **keys):
    """Read arrays that are written first; a share is held out unless the test split is given."""
    path = folder / "data.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    else:
        np.savez(path, **arrays)
    if test is not None:
        np.savez(folder / "test.npz", **test)
        keys["test"] = str(folder / "test.npz")
    elif "test_fraction" not in keys:
        keys["test_fraction"] = 0.25
    return npz.read(train=str(path), **KEYS | keys)


def packed(**members):
    """An .npz file with these members, whatever is in them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape):
    """The first bytes of a float64 array that is not there."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


OBJECTS = np.array([[1, 2], [3]], dtype=object)
# The arrays, keys (test: arrays of the test file), and a part of the answer.
WRONG = {
    "no such inputs": (
        {"x": X, "y": Y},
        {"inputs": "z"},
        "dataset.inputs: expected the name of an array in data.npz, got none named z.",
    ),
    "no such labels": (
        {"x": X, "y": Y},
        {"labels": "z"},
        "dataset.labels: expected the name of an array in data.npz, got none named",
    ),
    "uncommon names": (
        {"p": X, "q": Y},
        {},
        "with a common name (x_train, X_train, train_x, train_images, x, X, inputs, images",
    ),
    "no labels": ({"x": X}, {}, "There are: x."),
    "nothing to test on": (
        {"x": X, "y": Y},
        {"test_fraction": None},
        "has no x_test and y_test (its arrays: x, y). For example",
    ),
    "twice something to test on": ({"x": X, "y": Y}, {"test": {"x": X}, "test_fraction": 0.2}, "got 0.2: leave one out."),
    "a share beside a test split": (
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y},
        {},
        "dataset.test_fraction: expected null, as data.npz holds a test split (x_train, y_train, x_test, y_test): leave it out",
    ),
    "other lengths": ({"x": X, "y": Y[:5]}, {}, "expected as many labels as inputs, got x float64 [12, 2] and y int64 [5]."),
    "one array": (saved(X), {}, "got an .npy file of one array: np.savez('data.npz', x=x, y=y)."),
    "no archive": (b"x,y\n1,2\n", {}, "expected an .npz file, got another kind of file"),
    "empty file": (b"", {}, "expected an .npz file, got another kind of file"),
    "half an archive": (packed(x=saved(X), y=saved(Y))[:300], {}, "or one that is cut off"),
    "half an array": (packed(x=saved(X)[:200], y=saved(Y)), {}, "data.npz: array x cannot be read ("),
    "half a header": (packed(x=saved(X)[:20], y=saved(Y)), {}, "data.npz cannot be read ("),
    "no array": (packed(x=b"text", y=saved(Y)), {}, "data.npz cannot be read ("),
    "a large array": (
        packed(x=header((10**9, 10**9)), y=header((10**9,))),
        {},
        "got float64 [1000000000, 1000000000] in array x: 74505",
    ),
    "objects": (
        {"x": OBJECTS, "y": Y[:2]},
        {},
        "in array x, got Python objects, which could run code. Save an array of one type",
    ),
    "objects as labels": ({"x": X[:2], "y": OBJECTS}, {}, "in array y, got Python objects"),
    "text as inputs": ({"x": X.astype(str), "y": Y}, {}, "array x: expected numbers, got <U32 [12, 2]."),
    "complex numbers": ({"x": X + 1j, "y": Y}, {}, "array x: expected numbers, got complex128 [12, 2]."),
    "no examples": ({"x": X[:0], "y": Y[:0]}, {}, "array x: expected examples, got float64 [0, 2], which is empty."),
    "one number an example": ({"x": X[:, 0], "y": Y}, {}, "got float64 [12]. One number an example is saved as x[:, None]."),
    "a single number": ({"x": np.array(1.0), "y": np.array(1)}, {}, "array x: expected one row an example, got float64 []"),
    "pixels from 0 to 1": (
        {"x": IMAGES / 255, "y": Y},
        {},
        "expected pixels as uint8, from 0 to 255, got float64 [12, 5, 6], where each is a multiple of 1/255. Save (x * 255)",
    ),
    "pixels from 0 to 1 with channels": (
        {"x": IMAGES[..., None] / 255, "y": Y},
        {},
        "expected pixels as uint8, from 0 to 255, got float64 [12, 5, 6, 1]. Save (x * 255).round()",
    ),
    "whole numbers of three dimensions": (
        {"x": IMAGES.astype(int), "y": Y},
        {},
        "For images, save x.astype(np.uint8); for series",
    ),
    "five dimensions": (
        {"x": IMAGES.reshape(12, 5, 6, 1, 1), "y": Y},
        {},
        "expected features [N, F], series [N, T, F], or images",
    ),
    "two channels": ({"x": np.stack([IMAGES, IMAGES], 1), "y": Y}, {}, "expected images of 1, 3 or 4 channels"),
    "NaN": (
        {"x": np.where(X == 5, np.nan, X), "y": Y},
        {},
        "array x: expected finite numbers that float32 can hold, got 1 others: nan at [2, 1]",
    ),
    "beyond float32": (
        {"x": X * 1e300, "y": Y},
        {},
        "expected finite numbers that float32 can hold, got 23 others: 1e+300 at [0, 1]",
    ),
    "a target that is infinite": ({"x": X, "y": np.where(Y, np.inf, 0.5)}, {}, "array y: expected finite numbers"),
    "one-hot labels": (
        {"x": X, "y": np.eye(2, dtype=int)[Y]},
        {},
        "got int64 [12, 2]. One-hot labels are saved as y.argmax(1).",
    ),
    "two targets": ({"x": X, "y": X}, {}, "array y: expected one label an example, [N], got float64 [12, 2]."),
    "bytes as labels": ({"x": X, "y": Y.astype("S")}, {}, "which are bytes. Save y.astype(str)."),
    "dates as labels": ({"x": X, "y": Y.astype("datetime64[D]")}, {}, "expected whole numbers or text for classes"),
    "one class": ({"x": X, "y": Y * 0}, {}, "array y: expected two classes or more, got 0 alone."),
    "numbers as labels": (
        {"x": X, "y": np.arange(12)},
        {},
        "got 12 in 12 examples. For a regression, save the numbers as y.astype",
    ),
    "a class with one example": (
        {"x": X, "y": ONE_CLASS_MORE},
        {},
        "expected two examples of each class or more, got one of 2.",
    ),
    "labels beyond the names": (
        {"x": X, "y": Y + 1, "classes": np.array(["a", "b"])},
        {},
        "expected labels among 0, 1, got 2 at [1]",
    ),
    "names that are numbers": (
        {"x": X, "y": Y, "classes": np.arange(2)},
        {},
        "array classes: expected names as text, [K], got int64 [2].",
    ),
    "equal names": (
        {"x": X, "y": Y, "classes": np.array(["a", "a"])},
        {},
        "array classes: expected different names, got a, a.",
    ),
    "names and words": (
        {"x": X, "y": np.array(["a", "b"] * 6), "classes": np.array(["a", "b"])},
        {},
        "expected the numbers of the 2",
    ),
    "other inputs in the test file": (
        {"x": X, "y": Y},
        {"test": {"x": X[:, :1], "y": Y}},
        "torch.float32 [2] each, got torch.float32 [1]",
    ),
    "a class of the test file alone": (
        {"x": X, "y": Y},
        {"test": {"x": X, "y": Y * 2}},
        "expected labels among 0, 1, got 2 at [1], 2 at [3]",
    ),
    "words in the test file alone": (
        {"x": X, "y": X[:, 0]},
        {"test": {"x": X, "y": Y.astype(str)}},
        "array y: expected numbers, as to train on, got <U",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays_are_answered(name, tmp_path):
    arrays, keys, answer = WRONG[name]
    with pytest.raises((ConfigError, DatasetError)) as caught:
        read(tmp_path, arrays, **keys)
    assert answer in str(caught.value)
    assert str(caught.value).startswith("dataset.")
    assert str(caught.value).isprintable()


def test_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    with pytest.raises(ConfigError, match="Python objects"):
        read(tmp_path, {"x": np.array([Trap(), Trap()], dtype=object), "y": Y[:2]})
    assert not (tmp_path / "sprung").exists()


def test_a_folder_is_answered_by_the_files_in_it(tmp_path):
    np.savez(tmp_path / "a.npz", x=X)
    with pytest.raises(ConfigError, match=r"expected an \.npz file, got a folder, which holds a\.npz\."):
        npz.read(train=str(tmp_path), **KEYS | {"test_fraction": 0.2})


@pytest.mark.parametrize(
    ("array", "shape", "dtype"),
    [
        (IMAGES, (1, 5, 6), torch.uint8),
        (np.stack([IMAGES] * 3, axis=1), (3, 5, 6), torch.uint8),
        (np.stack([IMAGES] * 3, axis=3), (3, 5, 6), torch.uint8),
        (np.stack([IMAGES] * 3, axis=1)[..., :3], (3, 5, 3), torch.uint8),
        (IMAGES[:, 0], (6,), torch.float32),
        (X, (2,), torch.float32),
        (X.astype(">f4"), (2,), torch.float32),
        (X > 3, (2,), torch.float32),
        (np.sin(X)[:, :, None], (2, 1), torch.float32),
        ((X > 3).astype(np.float16)[:, :, None], (2, 1), torch.float32),
    ],
)
def test_the_kind_follows_from_type_and_shape(array, shape, dtype, tmp_path):
    inputs = read(tmp_path, {"x": array, "y": Y}, test={"x": array, "y": Y}).train.inputs
    assert (inputs.shape[1:], inputs.dtype) == (shape, dtype)
    channels = array if array.ndim < 4 or array.shape[1] == 3 else array.transpose(0, 3, 1, 2)
    assert inputs.reshape(12, -1).tolist() == channels.reshape(12, -1).astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (Y * 7 - 3, ("-3", "4")),
        (Y[:, None], ("0", "1")),
        (Y.astype(np.uint8), ("0", "1")),
        (Y == 1, ("False", "True")),
        (np.array(["dog", "cat"])[Y], ("cat", "dog")),
    ],
)
def test_classes_are_the_distinct_labels(labels, classes, tmp_path):
    source = read(tmp_path, {"x": X, "y": labels})
    assert source.classes == classes
    assert source.train.targets.bincount().tolist() == [5, 4] or source.train.targets.bincount().tolist() == [4, 5]


def test_names_of_classes_and_a_regression(tmp_path):
    arrays = {"x": X, "y": Y, "classes": np.array(["z", "a"])}
    source = read(tmp_path, arrays, test={"x": X, "y": Y})
    assert (source.classes, source.test.targets.tolist()) == (("z", "a"), Y.tolist())
    regression = read(tmp_path, {"x": X, "y": X[:, :1] / 7}, test={"x": X, "y": Y})
    assert (regression.classes, regression.test.targets.tolist()) == ((), Y[:, None].astype(float).tolist())


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("x_train", "y_train", "x_test", "y_test"), {}),
        (("train_images", "train_labels", "test_images", "test_labels"), {}),
        (("a", "b", "x_test", "y_test"), {"inputs": "a", "labels": "b", "test_fraction": 0.25}),
    ],
)
def test_a_file_may_hold_both_splits(names, keys, tmp_path):
    arrays = dict(zip(names, (X, Y, X[:4] + 1, Y[:4]), strict=True))
    source = read(tmp_path, arrays, **{"test_fraction": None} | keys)
    assert (len(source.train.targets), len(source.test.targets)) == ((9, 3) if keys else (12, 4))


def test_digits_as_arrays_train_as_the_built_in_ones(tmp_path):
    source = digits.read(test_fraction=0.2, data_seed=42)
    parts = {f"x_{name}": split.inputs[:, 0].numpy() for name, split in (("train", source.train), ("test", source.test))}
    parts |= {f"y_{name}": split.targets.numpy() for name, split in (("train", source.train), ("test", source.test))}
    np.savez_compressed(tmp_path / "digits.npz", **parts)
    common = ("epochs=2", "depth=2", "width=8", f"data_dir={tmp_path / 'data'}")
    of_arrays = run("dataset=npz", f"dataset.train={tmp_path / 'digits.npz'}", *common, root=tmp_path / "arrays")
    built_in = run("dataset=digits", *common, root=tmp_path / "built_in")
    assert of_arrays[1] == built_in[1]
    assert of_arrays[0]["metrics"] == built_in[0]["metrics"]
