"""Arrays in memory as raw inputs of a run: the shape, type and range that its own test split has."""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dlexp.config.values import join_first
from dlexp.contract import DatasetError
from dlexp.data.image_files import MODES, convert_image
from dlexp.data.preprocessing import Preprocessing
from dlexp.errors import ConfigError

PICTURE_CHANNELS = (1, 3, 4)  # of the last axis of an image: grey, RGB, RGB with transparency
DARK = 127  # pixel values up to here are not those of photos
MAX_PIXEL = 255


def as_array(values: object, place: str) -> np.ndarray:
    """An array of numbers from whatever holds them: an array, a tensor, nested lists.

    Raises:
        ConfigError: If these are not numbers, or if their lists differ in length.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ConfigError(f"{place}: expected inputs of one size, got several sizes.") from error
    if array.dtype.kind not in "biuf":
        raise ConfigError(f"{place}: expected numbers, got an array of {array.dtype}.")
    return array


def convert_array(array: np.ndarray, preprocessing: Preprocessing, place: str) -> Tensor:
    """Turn an array into raw inputs: one example, or several along the first axis.

    Args:
        array: Images [N, C, H, W], [N, H, W, C], [N, H, W], or one image, whole numbers from 0 to 255; their size may differ
            from the run's. Features [N, F] or [F]. Series [N, T, F] or [T, F].
        preprocessing: That of the run.
        place: Names the array in a message.

    Returns:
        uint8 [N, C, H, W], or float32 [N, F] or [N, T, F] without NaN.

    Raises:
        ConfigError: If shape or type do not fit the run.
        DatasetError: If a value is NaN and the run has none to take its place, or is infinite.
    """
    if preprocessing.kind == "images":
        return _convert_images(array, preprocessing, place)
    shape = preprocessing.input_shape
    if array.shape == shape:
        array = array[None]
    if array.shape[1:] != shape:
        sizes = ", ".join(map(str, shape))
        raise ConfigError(
            f"{place}: the run takes {preprocessing.kind} of shape [{sizes}], or several as [N, {sizes}]; "
            f"got {list(array.shape)}."
        )
    return _convert_numbers(array, preprocessing, place)


def convert_rows(array: np.ndarray, preprocessing: Preprocessing, place: str) -> Tensor:
    """Turn rows of numbers, one row an example, into raw inputs as `convert_array` returns them.

    Raises:
        ConfigError: If a row has another length than an example, or if pixels are not whole numbers from 0 to 255.
        DatasetError: As `convert_array`.
    """
    shape = preprocessing.input_shape
    if array.ndim != 2 or array.shape[1] != math.prod(shape):
        raise ConfigError(
            f"{place}: expected {math.prod(shape)} numbers a row, for {preprocessing.kind} of shape {list(shape)}, "
            f"got {array.shape[-1]}."
        )
    array = array.reshape(-1, *shape)
    if preprocessing.kind != "images":
        return _convert_numbers(array, preprocessing, place)
    if array.dtype.kind == "f" and np.array_equal(array, array.round()):
        array = array.astype(np.int64)
    return _convert_images(array, preprocessing, place)


def check_brightness(images: Tensor, preprocessing: Preprocessing, place: str) -> None:
    """Refuse images whose values have another range than those that the run was trained on.

    Raises:
        ConfigError: If the run has seen dark values only, such as 0 to 16, and these go far beyond.
    """
    highest = preprocessing.highest
    if len(images) and highest <= DARK and int(images.max()) > 2 * highest:
        raise ConfigError(
            f"{place}: the run was trained on pixel values up to {highest:g}, and here they go up to {int(images.max())}: "
            "bring them to the same range. (In Digits 0 is white and 16 is black; photos go from 0, black, to 255.)"
        )


def _convert_numbers(array: np.ndarray, preprocessing: Preprocessing, place: str) -> Tensor:
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is refused
        numbers = torch.from_numpy(np.array(array, dtype=np.float32))
    return finish_inputs(numbers, preprocessing, place)


def finish_inputs(numbers: Tensor, preprocessing: Preprocessing, place: str) -> Tensor:
    """Fill in what is missing in raw inputs of the run's shape, as in training, and refuse what the run cannot have seen.

    Raises:
        ConfigError: As `check_brightness`.
        DatasetError: As `convert_array`.
    """
    if preprocessing.kind == "images":
        check_brightness(numbers, preprocessing, place)
        return numbers
    if preprocessing.fill is not None:
        numbers = torch.where(numbers.isnan(), preprocessing.fill, numbers)
    bad = (~numbers.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        rows = join_first(str(row) for row in bad)
        raise DatasetError(f"{place}: expected finite numbers, got NaN or infinity in row {rows} (the first row is 0).")
    return numbers


def _convert_images(array: np.ndarray, preprocessing: Preprocessing, place: str) -> Tensor:
    if array.dtype.kind == "f":
        raise ConfigError(
            f"{place}: expected pixel values as whole numbers from 0 to 255, got {array.dtype}. Give the images as they were "
            "before any scaling; numbers from 0 to 1 become pixels by (255 * x).round().astype('uint8')."
        )
    if array.size and (array.min() < 0 or array.max() > MAX_PIXEL):
        raise ConfigError(f"{place}: expected pixel values from 0 to 255, got {array.min()} to {array.max()}.")
    channels, height, width = preprocessing.input_shape
    images = _find_images(array, (channels, height, width), place)
    if images.shape[1:] == (channels, height, width):
        pixels = np.array(images, dtype=np.uint8, order="C")
    elif channels not in MODES or images.shape[1] not in PICTURE_CHANNELS:
        raise ConfigError(
            f"{place}: the run takes images of shape {[channels, height, width]}, got {list(images.shape[1:])}; only grey and "
            "RGB images are converted."
        )
    else:
        converted = [_convert_image(image, channels, (height, width)) for image in images.astype(np.uint8)]
        pixels = np.stack(converted) if converted else np.empty((0, channels, height, width), np.uint8)
    tensor = torch.from_numpy(pixels)
    check_brightness(tensor, preprocessing, place)
    return tensor


def _convert_image(image: np.ndarray, channels: int, size: tuple[int, int]) -> np.ndarray:
    """One image [C, H, W] with other channels or of another size, as if it came from a file."""
    grey = len(image) == 1
    return convert_image(Image.fromarray(image[0] if grey else image.transpose(1, 2, 0)), channels, size)


def _find_images(array: np.ndarray, shape: tuple[int, int, int], place: str) -> np.ndarray:
    """The same images as [N, C, H, W]. Where the axes could be read in two ways, the run's own shape decides."""
    channels, height, width = shape
    last = (height, width, channels)
    if array.ndim == 2:
        return array[None, None]
    if array.ndim == 3:
        if array.shape == shape:
            return array[None]
        if array.shape == last:
            return array.transpose(2, 0, 1)[None]
        if array.shape[1:] != (height, width):
            if array.shape[2] in PICTURE_CHANNELS:
                return array.transpose(2, 0, 1)[None]
            if channels > 1 and array.shape[0] == channels:
                return array[None]
        return array[:, None]
    if array.ndim == 4:
        is_last = array.shape[3] in PICTURE_CHANNELS and array.shape[1] not in (channels, *PICTURE_CHANNELS)
        if array.shape[1:] != shape and (array.shape[1:] == last or is_last):
            return array.transpose(0, 3, 1, 2)
        return array
    raise ConfigError(
        f"{place}: expected images [N, C, H, W], [N, H, W, C], [N, H, W] or one image, got the shape {list(array.shape)}."
    )
