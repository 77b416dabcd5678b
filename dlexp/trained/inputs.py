"""What a trained model is asked about: files, folders, arrays and tables, turned into raw inputs as in the run's test split."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from dlexp.config.options import traits
from dlexp.config.values import join_first, make_printable
from dlexp.data.file_listing import list_files
from dlexp.data.image_files import MODES, convert_image, decode_image
from dlexp.data.preprocessing import Preprocessing
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.files import open_regular_file
from dlexp.trained.arrays import as_array, check_brightness, convert_array, convert_rows

ARRAYS, TABLES = (".npz", ".npy"), (".csv", ".tsv", ".csv.gz", ".tsv.gz")
# The array of an .npz file that holds the inputs: the first of these that it has, or its only array.
ARRAY_NAMES = ("x_test", "inputs", "x", "X", "images", "arr_0")

# What stands for one input, or some, in a list. Other lists are numbers.
ONE_EACH = (str, Path, Image.Image, np.ndarray, Tensor)
Name = str | int
Skip = Callable[[DatasetError], None]


class Examples(NamedTuple):
    """Some raw inputs.

    Args:
        names: Of each example, the file it comes from, its row (from 0), or both as `file:row`.
        inputs: uint8 [N, C, H, W], or float32 [N, F] or [N, T, F], not scaled.
    """

    names: list[Name]
    inputs: Tensor


def read_batches(preprocessing: Preprocessing, given: object, size: int, skip: Skip | None = None) -> Iterator[Examples]:
    """Read inputs in batches of equal size; the last one may be smaller.

    Args:
        preprocessing: That of the run.
        given: A file or folder, an image of Pillow, an array, a tensor, a DataFrame, or a list of files, folders, images and
            arrays, each with one example. See `convert_array` for arrays. Rows of a table are examples. A folder is searched
            for images.
        size: Examples of a batch.
        skip: Called with the problem of each file that cannot be read, which is then left out. None: it is raised.

    Raises:
        ConfigError: If the inputs are not of the kind, shape or range that the run takes.
        DatasetError: If a file cannot be read, or holds NaN or infinity, and `skip` is None.
    """
    names: list[Name] = []
    waiting: list[Tensor] = []
    for piece in _read(preprocessing, given, skip):
        names += piece.names
        waiting.append(piece.inputs)
        while len(names) >= size:
            inputs = torch.cat(waiting) if len(waiting) > 1 else waiting[0]
            yield Examples(names[:size], inputs[:size])
            names, waiting = names[size:], [inputs[size:]]
    if names:
        yield Examples(names, torch.cat(waiting))


def _read(preprocessing: Preprocessing, given: object, skip: Skip | None) -> Iterator[Examples]:
    if isinstance(given, str | Path | Image.Image):
        given = [given]
    if isinstance(given, pd.DataFrame):
        inputs = convert_frame(given, preprocessing, "the table")
        yield Examples(given.index.tolist(), inputs)
    elif isinstance(given, list | tuple) and any(isinstance(one, ONE_EACH) for one in given):
        yield from _read_several(preprocessing, given, skip)
    else:
        inputs = convert_array(as_array(given, "the inputs"), preprocessing, "the inputs")
        yield Examples(list(range(len(inputs))), inputs)


def _read_several(preprocessing: Preprocessing, given: Iterable[object], skip: Skip | None) -> Iterator[Examples]:
    for position, one in enumerate(given):
        if isinstance(one, Image.Image):
            yield Examples([position], _read_picture(preprocessing, one, f"image {position}"))
        elif not isinstance(one, str | Path):
            yield Examples([position], _read_one(preprocessing, one, f"input {position}"))
        else:
            yield from _read_paths(preprocessing, Path(one).expanduser(), skip)


def _read_paths(preprocessing: Preprocessing, path: Path, skip: Skip | None) -> Iterator[Examples]:
    for file in _list_files(path, skip):
        try:
            examples = _read_file(preprocessing, file)
        except DatasetError as error:
            _skip_or_raise(error, skip)
        else:
            yield examples


def _read_one(preprocessing: Preprocessing, values: object, place: str) -> Tensor:
    """The one example in an array of a list."""
    inputs = convert_array(as_array(values, place), preprocessing, place)
    if len(inputs) != 1:
        raise ConfigError(f"{place}: expected one example in each array of a list, got {len(inputs)}.")
    return inputs


def _skip_or_raise(error: DatasetError, skip: Skip | None) -> None:
    if skip is None:
        raise error
    skip(error)


def _list_files(path: Path, skip: Skip | None) -> Iterator[Path]:
    """The file, or the images in the folder and those below it."""
    if not path.is_dir():
        yield path
        return
    suffixes = traits("dataset", "image_folder").suffixes
    try:
        names = sorted(list_files(path, suffixes))
        if not names:
            raise DatasetError(f"{make_printable(str(path))} holds no images ({', '.join(suffixes)}).")
    except DatasetError as error:
        _skip_or_raise(error, skip)
    else:
        yield from (path / name for name in names)


def _read_file(preprocessing: Preprocessing, path: Path) -> Examples:
    name, place = str(path), make_printable(path.name)
    lower = path.name.lower()
    if lower.endswith(ARRAYS):
        inputs = convert_array(_load_array(path, place), preprocessing, place)
    elif lower.endswith(TABLES):
        inputs = convert_frame(_load_frame(path, place, preprocessing), preprocessing, place)
    else:
        if preprocessing.kind != "images":
            shape = list(preprocessing.input_shape)
            raise ConfigError(
                f"{place}: the run takes {preprocessing.kind} of shape {shape}, as a file {', '.join((*TABLES[:2], *ARRAYS))}."
            )
        channels, *size = _picture_shape(preprocessing, place)
        pixels = torch.from_numpy(decode_image(path, channels, (size[0], size[1])))[None]
        check_brightness(pixels, preprocessing, place)
        return Examples([name], pixels)
    return Examples([f"{name}:{row}" for row in range(len(inputs))], inputs)


def _read_picture(preprocessing: Preprocessing, image: Image.Image, place: str) -> Tensor:
    channels, height, width = _picture_shape(preprocessing, place)
    try:
        pixels = torch.from_numpy(convert_image(image, channels, (height, width)))[None]
    except (OSError, SyntaxError, ValueError) as error:  # Pillow decodes a file late
        raise DatasetError(f"{place} cannot be read ({make_printable(str(error))}).") from error
    check_brightness(pixels, preprocessing, place)
    return pixels


def _picture_shape(preprocessing: Preprocessing, place: str) -> tuple[int, ...]:
    """(C, H, W) of the run's images, which a picture can have."""
    shape = preprocessing.input_shape
    if preprocessing.kind != "images":
        raise ConfigError(f"{place}: the run takes {preprocessing.kind} of shape {list(shape)}, and no images.")
    if shape[0] not in MODES:
        raise ConfigError(f"{place}: the run takes images of {shape[0]} channels: give them as an array [N, {shape[0]}, H, W].")
    return shape


def _load_array(path: Path, place: str) -> np.ndarray:
    """The array of an .npy file, or the one of an .npz file that holds the inputs."""
    try:
        with open_regular_file(path) as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return as_array(loaded, place)
            names = loaded.files
            found = next((name for name in ARRAY_NAMES if name in names), names[0] if len(names) == 1 else None)
            if found is not None:
                return as_array(loaded[found], place)
    except ConfigError:
        raise
    except Exception as error:  # numpy and zipfile raise many types for damaged bytes
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{place} cannot be read as an array ({make_printable(reason)}).") from error
    listed = join_first(map(make_printable, names)) or "none"
    raise ConfigError(f"{place}: expected one array, or one called {', '.join(ARRAY_NAMES)}; it has {listed}.")


def _load_frame(path: Path, place: str, preprocessing: Preprocessing) -> pd.DataFrame:
    """The rows of a CSV file. Without a table the columns have no names, and a first row that holds text is left out."""
    separator = "\t" if ".tsv" in path.name.lower() else ","
    try:
        with open_regular_file(path):
            pass
        frame = pd.read_csv(path, sep=separator, header=None, low_memory=False)
        if any(dtype.kind not in "fiu" for dtype in frame.dtypes):
            frame = pd.read_csv(path, sep=separator)
    except (OSError, ValueError, EOFError) as error:
        reason = make_printable(" ".join((getattr(error, "strerror", None) or str(error)).split()))
        raise DatasetError(f"{place} cannot be read as a table ({reason}).") from error
    return frame


def convert_frame(frame: pd.DataFrame, preprocessing: Preprocessing, place: str) -> Tensor:
    """Turn the rows of a table into raw inputs.

    Raises:
        ConfigError: If the columns are not those that the run takes.
        DatasetError: If a value is missing or infinite.
    """
    text = [str(name) for name, dtype in frame.dtypes.items() if getattr(dtype, "kind", "O") not in "fiu"]
    if text:
        raise ConfigError(f"{place}: expected columns of numbers, got others in {join_first(map(make_printable, text))}.")
    return convert_rows(frame.to_numpy(), preprocessing, place)
