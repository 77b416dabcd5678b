"""The user's own arrays in .npz files, as NumPy saves them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy.typing as npt
from torch import Tensor

from dlexp.config.values import join_first, make_printable
from dlexp.contract import ConfigError, Source, Split
from dlexp.data.arrays import find_classes, make_inputs, make_labels, make_numbers
from dlexp.data.npz_file import Header, find_array, read_array, read_headers
from dlexp.data.split import hold_out_test

# Common names of the arrays, those of a split first: Keras has x_train and y_train, MedMNIST train_images and train_labels.
INPUTS = ("x_{0}", "X_{0}", "{0}_x", "{0}_images", "x", "X", "inputs", "images", "features", "data", "arr_0")
LABELS = ("y_{0}", "Y_{0}", "{0}_y", "{0}_labels", "y", "Y", "labels", "targets", "label", "target", "arr_1")
CLASSES = "classes"  # an array with the names of the classes


class _File(NamedTuple):
    """An .npz file: the key that names it, its path and its arrays."""

    key: str
    path: Path
    headers: Mapping[str, Header]

    @property
    def place(self) -> str:
        """For messages."""
        return _place(self.key, self.path)

    def read(self, name: str) -> npt.NDArray:
        """Read an array."""
        return read_array(self.path, name, self.headers[name], self.place)


class _Arrays(NamedTuple):
    """Inputs, raw labels, and where the labels are from, for messages."""

    inputs: Tensor
    labels: npt.NDArray
    place: str


def read(
    *, train: str, test: str | None, test_fraction: float | None, inputs: str | None, labels: str | None, data_seed: int
) -> Source:
    """Read arrays as images, features or series: see `make_inputs`. Labels with a fraction are the targets of a regression.

    Args:
        train: An .npz file. It may hold the test split too, as x_test and y_test beside x_train and y_train.
        test: Another, with the test split, or None.
        test_fraction: The share of `train` that becomes the test split, stratified, or None.
        inputs: Name of the array with the inputs; None: a common name.
        labels: Name of the array with the labels; None: a common name.
        data_seed: Seed of the split.

    Raises:
        ConfigError: If there are no such arrays, or if they cannot be used.
        DatasetError: If a file cannot be read.
    """
    file = _open("train", train)
    has_both = inputs is None and labels is None and _has_test(file)
    _check_keys(file, test, test_fraction, has_both=has_both)
    part = _read_part(file, "train", inputs, labels)
    classes, names = _find_classes(file, part)
    examples = _make_split(part, classes)
    if test_fraction is not None:
        return hold_out_test(examples, names, test_fraction=test_fraction, data_seed=data_seed)
    other = _read_part(file if test is None else _open("test", test), "test", inputs, labels)
    if (one := part.inputs.shape[1:]) != (two := other.inputs.shape[1:]) or part.inputs.dtype != other.inputs.dtype:
        raise ConfigError(
            f"{other.place}: expected inputs as those to train on, {part.inputs.dtype} {list(one)} each, got "
            f"{other.inputs.dtype} {list(two)}."
        )
    return Source(examples, _make_split(other, classes), names)


def _open(key: str, path: str) -> _File:
    resolved = Path(path).expanduser().absolute()
    return _File(key, resolved, read_headers(resolved, _place(key, resolved)))


def _place(key: str, path: Path) -> str:
    return f"dataset.{key}: {make_printable(path.name)}"


def _names(common: tuple[str, ...], part: str) -> list[str]:
    return [name.format(part) for name in common]


def _has_test(file: _File) -> bool:
    """Whether a file holds inputs and labels of a test split, by their names."""
    return all(any("{0}" in name and name.format("test") in file.headers for name in common) for common in (INPUTS, LABELS))


def _check_keys(file: _File, test: str | None, test_fraction: float | None, *, has_both: bool) -> None:
    """Refuse a command that does not say, or says twice, what to test on."""
    given = [f"dataset.{key}" for key, value in (("test", test), ("test_fraction", test_fraction)) if value is not None]
    there = join_first(map(make_printable, file.headers)) or "none"
    if has_both and given:
        raise ConfigError(
            f"{given[0]}: expected null, as {make_printable(file.path.name)} holds a test split "
            f"({there}): leave it out, or name the arrays by dataset.inputs and dataset.labels."
        )
    if len(given) == 2:
        raise ConfigError(f"dataset.test_fraction: expected null beside dataset.test, got {test_fraction:g}: leave one out.")
    if not has_both and not given:
        raise ConfigError(
            "dataset.test_fraction: expected the share of the examples to test on, or a file with them as dataset.test, got "
            f"neither, and {make_printable(file.path.name)} has no x_test and y_test (its arrays: {there}). "
            "For example dataset.test_fraction=0.2."
        )


def _read_part(file: _File, part: str, inputs: str | None, labels: str | None) -> _Arrays:
    """The inputs and labels of a split, of the same length."""
    input_name = find_array(list(file.headers), inputs, _names(INPUTS, part), "inputs", file.place)
    label_name = find_array(list(file.headers), labels, _names(LABELS, part), "labels", file.place)
    lengths = [file.headers[name].shape[:1] for name in (input_name, label_name)]
    if lengths[0] != lengths[1]:
        shown = " and ".join(f"{make_printable(name)} {file.headers[name].describe()}" for name in (input_name, label_name))
        raise ConfigError(f"{file.place}: expected as many labels as inputs, got {shown}.")
    examples = make_inputs(file.read(input_name), f"{file.place}, array {make_printable(input_name)}")
    return _Arrays(examples, file.read(label_name), f"{file.place}, array {make_printable(label_name)}")


def _find_classes(file: _File, part: _Arrays) -> tuple[list[object], tuple[str, ...]]:
    """The values of the labels and the names of these classes, in order; both empty for a regression."""
    is_regression = part.labels.dtype.kind == "f"
    if CLASSES not in file.headers:
        values = [] if is_regression else find_classes(part.labels, part.place)
        return values, tuple(map(str, values))
    names = file.read(CLASSES)
    place = f"{file.place}, array {CLASSES}"
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) < 2:
        raise ConfigError(f"{place}: expected names as text, [K], got {file.headers[CLASSES].describe()}.")
    if len(set(names.tolist())) < len(names):
        raise ConfigError(f"{place}: expected different names, got {join_first(map(make_printable, names.tolist()))}.")
    if part.labels.dtype.kind not in "ui":
        got = make_printable(str(part.labels.dtype))
        raise ConfigError(f"{part.place}: expected the numbers of the {len(names)} classes, from 0, as integers, got {got}.")
    find_classes(part.labels, part.place)
    return list(range(len(names))), tuple(names.tolist())


def _make_split(part: _Arrays, classes: list[object]) -> Split:
    if not classes:
        return Split(part.inputs, make_numbers(part.labels, part.place))
    return Split(part.inputs, make_labels(part.labels, classes, part.place))
