"""What a trained model is asked about: files, folders, arrays and tables, turned into raw inputs as in the run's test split."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.lib import format as npy
from PIL import Image
from torch import Tensor

from dlexp.config.values import join_first, make_printable
from dlexp.data.csv_file import read_csv
from dlexp.data.file_listing import list_files
from dlexp.data.image_files import MODES, convert_image, decode_image
from dlexp.data.image_names import SUFFIXES
from dlexp.data.npz_file import check_fits, read_header
from dlexp.data.preprocessing import Preprocessing
from dlexp.data.table import encode
from dlexp.data.table_file import read_unpacked
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.files import open_regular_file
from dlexp.machine.memory import read_memory
from dlexp.trained.arrays import as_array, check_brightness, convert_array, convert_rows, finish_inputs

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


class InputReader:
    """Reads inputs as a run takes them.

    Args:
        preprocessing: That of the run.
        skip: Called with the problem of each file that cannot be read, which is then left out. None: it is raised.
        array_name: The array of an .npz file with the inputs, if the run was trained on one with a name of its own.
        decimal: The decimal mark of the table that the run was trained on: `point` or `comma`.
    """

    def __init__(
        self, preprocessing: Preprocessing, *, skip: Skip | None = None, array_name: str | None = None, decimal: str = "point"
    ) -> None:
        self.preprocessing, self.skip, self.decimal = preprocessing, skip, decimal
        self.array_names = (*([array_name] if array_name else []), *ARRAY_NAMES)

    def read_batches(self, given: object, size: int) -> Iterator[Examples]:
        """Read inputs in batches of equal size; the last one may be smaller.

        Args:
            given: A file or folder, an image of Pillow, an array, a tensor, a DataFrame, or a list of files, folders, images
                and arrays, each with one example. See `convert_array` for arrays. Rows of a table are examples. A folder is
                searched for images.
            size: Examples of a batch.

        Raises:
            ConfigError: If the inputs are not of the kind, shape or range that the run takes.
            DatasetError: If a file cannot be read, or holds NaN or infinity, and there is no `skip`.
        """
        names: list[Name] = []
        waiting: list[Tensor] = []
        for piece in self._read(given):
            names += piece.names
            waiting.append(piece.inputs)
            if len(names) >= size:
                inputs = torch.cat(waiting) if len(waiting) > 1 else waiting[0]
                for begin in range(0, len(names) - size + 1, size):
                    yield Examples(names[begin : begin + size], inputs[begin : begin + size])
                rest = len(names) % size
                names, waiting = names[len(names) - rest :], [inputs[len(inputs) - rest :]]
        if names:
            yield Examples(names, torch.cat(waiting))

    def _read(self, given: object) -> Iterator[Examples]:
        if isinstance(given, str | Path | Image.Image):
            given = [given]
        if isinstance(given, pd.DataFrame):
            yield Examples(given.index.tolist(), convert_frame(given, self.preprocessing, "the table"))
        elif isinstance(given, list | tuple) and any(isinstance(one, ONE_EACH) for one in given):
            for position, one in enumerate(given):
                if isinstance(one, str | Path):
                    yield from self._read_path(Path(one).expanduser())
                else:
                    yield Examples([position], self._read_one(one, position))
        else:
            inputs = convert_array(as_array(given, "the inputs"), self.preprocessing, "the inputs")
            yield Examples(list(range(len(inputs))), inputs)

    def _read_one(self, one: object, position: int) -> Tensor:
        """The example that an image or an array of a list holds."""
        if isinstance(one, Image.Image):
            return self._read_picture(one, f"image {position}")
        place = f"input {position}"
        inputs = convert_array(as_array(one, place), self.preprocessing, place)
        if len(inputs) != 1:
            raise ConfigError(f"{place}: expected one example in each array of a list, got {len(inputs)}.")
        return inputs

    def _read_picture(self, image: Image.Image, place: str) -> Tensor:
        channels, height, width = self._picture_shape(place)
        try:
            pixels = torch.from_numpy(convert_image(image, channels, (height, width)))[None]
        except (OSError, SyntaxError, ValueError) as error:  # Pillow decodes a file late
            raise DatasetError(f"{place} cannot be read ({make_printable(str(error))}).") from error
        check_brightness(pixels, self.preprocessing, place)
        return pixels

    def _read_path(self, path: Path) -> Iterator[Examples]:
        """The examples of a file, or of the images in a folder and those below it."""
        files = [path]
        if path.is_dir():
            try:
                files = [path / name for name in sorted(list_files(path, SUFFIXES))]
                if not files:
                    raise DatasetError(f"{make_printable(str(path))} holds no images ({', '.join(SUFFIXES)}).")
            except DatasetError as error:
                self._skip_or_raise(error)
        for file in files:
            try:
                examples = self._read_file(file)
            except DatasetError as error:
                self._skip_or_raise(error)
            else:
                yield examples

    def _skip_or_raise(self, error: DatasetError) -> None:
        if self.skip is None:
            raise error
        self.skip(error)

    def _read_file(self, path: Path) -> Examples:
        name, place, lower = str(path), make_printable(path.name), path.name.lower()
        if lower.endswith(ARRAYS):
            inputs = convert_array(_load_array(path, place, self.array_names), self.preprocessing, place)
        elif lower.endswith(TABLES):
            inputs = self._read_table(path, place)
        else:
            channels, height, width = self._picture_shape(place)
            pixels = torch.from_numpy(decode_image(path, channels, (height, width)))[None]
            check_brightness(pixels, self.preprocessing, place)
            return Examples([name], pixels)
        return Examples([f"{name}:{row}" for row in range(len(inputs))], inputs)

    def _read_table(self, path: Path, place: str) -> Tensor:
        table = self.preprocessing.table
        if table is None:
            return convert_frame(_load_frame(path, place), self.preprocessing, place)
        as_text = [column.name for column in table.columns if column.categories is not None]
        try:
            frame = read_csv(path, decimal=self.decimal, as_text=as_text, key="file")
            return convert_frame(frame, self.preprocessing, place)
        except ConfigError as error:  # other columns or cells: the next file may be right
            raise DatasetError(" ".join(error.problems)) from error
        except (OSError, ValueError) as error:
            raise DatasetError(f"{place} cannot be read as a table ({getattr(error, 'strerror', None) or error}).") from error

    def _picture_shape(self, place: str) -> tuple[int, ...]:
        """(C, H, W) of the run's images, which a picture can have."""
        kind, shape = self.preprocessing.kind, self.preprocessing.input_shape
        if kind != "images":
            files = ", ".join((*TABLES[:2], *ARRAYS))
            raise ConfigError(f"{place}: the run takes {kind} of shape {list(shape)}, from a file {files} or an array.")
        if shape[0] not in MODES:
            raise ConfigError(
                f"{place}: the run takes images of {shape[0]} channels: give them as an array [N, {shape[0]}, H, W]."
            )
        return shape


def _load_array(path: Path, place: str, wanted: tuple[str, ...]) -> np.ndarray:
    """The array of an .npy file, or the one of an .npz file that holds the inputs."""
    try:
        with open_regular_file(path) as file:
            if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
                file.seek(0)
                check_fits(read_header(file, path.stem, place), path.stem, place)
                file.seek(0)
                return as_array(np.load(file, allow_pickle=False), place)
            file.seek(0)
            with np.load(file, allow_pickle=False) as loaded:
                names = loaded.files
                found = next((name for name in wanted if name in names), names[0] if len(names) == 1 else None)
                if found is not None:
                    with loaded.zip.open(f"{found}.npy") as member:
                        check_fits(read_header(member, found, place), found, place)
                    return as_array(loaded[found], place)
    except ConfigError:
        raise
    except Exception as error:  # numpy and zipfile raise many types for damaged bytes
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{place} cannot be read as an array ({make_printable(reason)}).") from error
    listed = join_first(map(make_printable, names)) or "none"
    raise ConfigError(f"{place}: expected one array, or one called {', '.join(map(make_printable, wanted))}; it has {listed}.")


def _load_frame(path: Path, place: str) -> pd.DataFrame:
    """The rows of a CSV file. A first row that holds text is their header."""
    separator = "\t" if ".tsv" in path.name.lower() else ","
    try:
        content = read_unpacked(path, read_memory().available // 4)  # as in read_csv
        frame = pd.read_csv(io.BytesIO(content), sep=separator, header=None, low_memory=False)
        if any(dtype.kind not in "fiu" for dtype in frame.dtypes):
            frame = pd.read_csv(io.BytesIO(content), sep=separator)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        reason = make_printable(" ".join((getattr(error, "strerror", None) or str(error)).split()))
        raise DatasetError(f"{place} cannot be read as a table ({reason}).") from error
    return frame


def convert_frame(frame: pd.DataFrame, preprocessing: Preprocessing, place: str) -> Tensor:
    """Turn the rows of a table into raw inputs.

    Raises:
        ConfigError: If the columns are not those that the run takes, or if a category is not one of the run's.
        DatasetError: If a value is missing or infinite.
    """
    if preprocessing.table is not None:
        inputs = encode(frame.rename(columns=str), preprocessing.table, place)
        if inputs.shape[1:] != preprocessing.input_shape:
            raise ConfigError(
                f"{place}: the columns in the run's preprocessing.json do not give inputs of the shape named there."
            )
        return finish_inputs(inputs, preprocessing, place)
    text = [str(name) for name, dtype in frame.dtypes.items() if getattr(dtype, "kind", "O") not in "fiu"]
    if text:
        raise ConfigError(f"{place}: expected columns of numbers, got others in {join_first(map(make_printable, text))}.")
    return convert_rows(frame.to_numpy(), preprocessing, place)
