"""Turns arrays of the user into inputs and targets. What they hold follows from their type and shape."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dlexp.config.values import join_first, make_printable
from dlexp.contract import ConfigError
from dlexp.data.class_names import check_spelling

CHANNELS = (1, 3, 4)
PIXELS = "(x * 255).round().astype(np.uint8) if the pixels are from 0 to 1, else x.astype(np.uint8)"


def make_inputs(array: npt.NDArray, place: str) -> Tensor:
    """Turn an array into inputs.

    - uint8 [N, H, W] are grey images. uint8 of four dimensions are [N, C, H, W] if the second is 1, 3 or 4, otherwise
      [N, H, W, C] if the last is. Result: uint8 [N, C, H, W].
    - Numbers or booleans [N, F] are features. Result: float32 [N, F].
    - Numbers with a fraction [N, T, F] are series. Result: float32 [N, T, F].

    Args:
        array: What the user has saved.
        place: Where it is from, for messages.

    Raises:
        ConfigError: If it is none of these, with how to save it.
    """
    kind, shape = array.dtype.kind, list(array.shape)
    got = f"got {make_printable(str(array.dtype))} {shape}"
    if kind not in "buif":
        raise ConfigError(f"{place}: expected numbers, {got}.")
    if array.size == 0:
        raise ConfigError(f"{place}: expected examples, {got}, which is empty.")
    if array.ndim < 2:
        raise ConfigError(f"{place}: expected one row an example, {got}. One number an example is saved as x[:, None].")
    if array.dtype == np.uint8 and array.ndim in (3, 4):
        return torch.from_numpy(np.ascontiguousarray(_with_channels(array, place, got)))
    if array.ndim == 4:
        raise ConfigError(f"{place}: expected pixels as uint8, from 0 to 255, {got}. Save {PIXELS}.")
    if array.ndim > 4:
        raise ConfigError(
            f"{place}: expected features [N, F], series [N, T, F], or images [N, H, W], [N, H, W, C] or [N, C, H, W], {got}."
        )
    if array.ndim == 3 and kind != "f":
        raise ConfigError(
            f"{place}: expected images [N, H, W] as uint8, or series [N, T, F] as float32, {got}. For images, save "
            "x.astype(np.uint8); for series, x.astype(np.float32)."
        )
    if array.ndim == 3 and _looks_like_pixels(array):
        raise ConfigError(
            f"{place}: expected pixels as uint8, from 0 to 255, {got}, where each is a multiple of 1/255. Save "
            "(x * 255).round().astype(np.uint8)."
        )
    return torch.from_numpy(_to_float32(array, place))


def make_numbers(array: npt.NDArray, place: str) -> Tensor:
    """Turn numbers with a fraction, [N] or [N, 1], into the targets of a regression, float32 [N, 1].

    Raises:
        ConfigError: If there are several numbers an example, or one that is not finite.
    """
    if array.dtype.kind not in "uif":
        raise ConfigError(f"{place}: expected numbers, as to train on, got {make_printable(str(array.dtype))}.")
    return torch.from_numpy(_to_float32(_flatten(array, place)[:, None], place))


def find_classes(array: npt.NDArray, place: str) -> list[object]:
    """The distinct values of labels, sorted: whole numbers, booleans or text, [N] or [N, 1].

    Raises:
        ConfigError: If they are no labels, or if a class occurs once.
    """
    values, counts = np.unique(_flatten(array, place), return_counts=True)
    if len(values) < 2:
        raise ConfigError(f"{place}: expected two classes or more, got {make_printable(str(values[0]))} alone.")
    if len(values) > len(array) / 2:
        advice = " For a regression, save the numbers as y.astype(np.float32)." if array.dtype.kind in "ui" else ""
        raise ConfigError(
            f"{place}: expected classes that occur several times, got {len(values)} in {len(array)} examples.{advice}"
        )
    if len(single := values[counts == 1]):
        names = join_first(make_printable(str(value)) for value in single)
        raise ConfigError(f"{place}: expected two examples of each class or more, got one of {names}.")
    classes = list(values.tolist())
    check_spelling(classes, place)
    return classes


def make_labels(array: npt.NDArray, classes: Sequence[object], place: str) -> Tensor:
    """The number of each label's class, int64 [N].

    Raises:
        ConfigError: If a label is none of the classes, with the positions of ten of these.
    """
    flat = _flatten(array, place)
    numbers = {value: number for number, value in enumerate(classes)}
    found = [numbers.get(value, -1) for value in flat.tolist()]
    if wrong := [index for index, number in enumerate(found) if number < 0]:
        examples = join_first(f"{make_printable(str(flat[index]))} at [{index}]" for index in wrong)
        known = join_first(make_printable(str(value)) for value in classes)
        raise ConfigError(f"{place}: expected labels among {known}, got {examples}.")
    return torch.tensor(found)


def _with_channels(array: npt.NDArray, place: str, got: str) -> npt.NDArray:
    """Images as [N, C, H, W]."""
    if array.ndim == 3:
        return array[:, None]
    if array.shape[1] in CHANNELS:
        return array
    if array.shape[3] in CHANNELS:
        return array.transpose(0, 3, 1, 2)
    raise ConfigError(f"{place}: expected images of 1, 3 or 4 channels, [N, C, H, W] or [N, H, W, C], {got}.")


def _looks_like_pixels(array: npt.NDArray) -> bool:
    """Whether numbers are those of pixels divided by 255. Two values alone, such as 0 and 1, are not."""
    scaled = array[:100] * 255.0
    is_pixel = (scaled >= 0) & (scaled <= 255) & (np.abs(scaled - scaled.round()) < 1e-3)  # float32 rounds at 3e-5
    return bool(is_pixel.all()) and len(np.unique(scaled)) > 2


def _to_float32(array: npt.NDArray, place: str) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # it becomes infinite, which is refused
        values = array.astype(np.float32)
    if not (finite := np.isfinite(values)).all():
        wrong = np.argwhere(~finite)
        examples = join_first(f"{array[tuple(index)]} at {index.tolist()}" for index in wrong[:11])
        raise ConfigError(f"{place}: expected finite numbers that float32 can hold, got {len(wrong)} others: {examples}.")
    return values


def _flatten(array: npt.NDArray, place: str) -> npt.NDArray:
    """Labels [N] from [N] or [N, 1]."""
    got = f"got {make_printable(str(array.dtype))} {list(array.shape)}"
    if array.dtype.kind == "S":
        raise ConfigError(f"{place}: expected text, {got}, which are bytes. Save y.astype(str).")
    if array.dtype.kind not in "buifU":
        raise ConfigError(f"{place}: expected whole numbers or text for classes, or numbers with a fraction, {got}.")
    if array.size == 0:
        raise ConfigError(f"{place}: expected labels, {got}, which is empty.")
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        is_one_hot = array.ndim == 2 and array.dtype.kind != "U" and set(np.unique(array)) <= {0, 1}
        advice = " One-hot labels are saved as y.argmax(1)." if is_one_hot else ""
        raise ConfigError(f"{place}: expected one label an example, [N], {got}.{advice}")
    return array
