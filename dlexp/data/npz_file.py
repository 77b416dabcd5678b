"""Reads the arrays of an .npz file, as numpy.savez writes it. Nothing in it is unpickled."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from dlexp.config.values import join_first, make_printable
from dlexp.contract import ConfigError, DatasetError
from dlexp.machine.files import open_regular_file
from dlexp.machine.memory import read_memory

SAVE = "np.savez('data.npz', x=x, y=y)"


class Header(NamedTuple):
    """What an array will be, read before the array itself."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def describe(self) -> str:
        """For a message: `float32 [100, 3]`."""
        return f"{make_printable(str(self.dtype))} {list(self.shape)}"

    @property
    def num_bytes(self) -> int:
        """Size in memory."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize  # of any size, where int64 would overflow


def read_headers(path: Path, place: str) -> dict[str, Header]:
    """The arrays of a file by name.

    Args:
        path: The file.
        place: The setting and the file's name, for messages.

    Raises:
        ConfigError: If it is no .npz file.
        DatasetError: If it cannot be read.
    """
    if path.is_dir():
        files = sorted(item.name for item in path.glob("*.npz"))
        there = f"which holds {join_first(map(make_printable, files))}" if files else "which holds none"
        raise ConfigError(f"{place}: expected an .npz file, got a folder, {there}.")
    try:
        with open_regular_file(path) as file:
            if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
                raise ConfigError(
                    f"{place}: expected an .npz file of inputs and labels, got an .npy file of one array: {SAVE}."
                )
            if not is_zipfile(file):
                raise ConfigError(f"{place}: expected an .npz file, got another kind of file, or one that is cut off: {SAVE}.")
            with ZipFile(file) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
                return {name: _read_member(archive, name, place) for name in names}
    except ConfigError:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, NotImplementedError) as error:
        raise DatasetError(f"{place} cannot be read ({make_printable(str(error))}).") from error


def read_array(path: Path, name: str, header: Header, place: str) -> npt.NDArray:
    """Read an array.

    Raises:
        ConfigError: If it holds objects, or more than fits in memory.
        DatasetError: If it cannot be read.
    """
    shown = make_printable(name)
    if header.dtype.hasobject:
        raise ConfigError(
            f"{place}: expected numbers or text in array {shown}, got Python objects, which could run code. "
            "Save an array of one type: np.stack(list_of_arrays), or np.array(labels, dtype=str)."
        )
    check_fits(header, name, place)
    try:
        with open_regular_file(path) as file, np.load(file, allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise DatasetError(f"{place}: array {shown} cannot be read ({make_printable(str(error))}).") from error


def find_array(headers: Sequence[str], given: str | None, common: Sequence[str], key: str, place: str) -> str:
    """The name of an array: what the user has given, or the first of the common names that is there.

    Raises:
        ConfigError: If there is none, with the names that are there.
    """
    found = [given] if given is not None else [name for name in common if name in headers]
    if found and found[0] in headers:
        return found[0]
    there = join_first(map(make_printable, headers)) or "none"
    wanted = f"named {make_printable(given)}" if given is not None else f"with a common name ({', '.join(common)})"
    raise ConfigError(
        f"dataset.{key}: expected the name of an array in {place.partition(': ')[2]}, got none {wanted}. There are: {there}."
    )


def read_header(file: Any, name: str, place: str) -> Header:
    """Read the header of an .npy file.

    Args:
        file: It, or a member of an .npz file, open at its beginning.
        name: Of the array, for messages.
        place: As in `read_headers`.

    Raises:
        ConfigError: If it is a structure.
        ValueError: If it is none.
    """
    version = npy.read_magic(file)
    if version > (2, 0):  # the later format is for structures, whose fields have names in other scripts than Latin
        raise ConfigError(f"{place}: expected plain numbers or text in array {make_printable(name)}, got a structure.")
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    return Header(tuple(shape), dtype)


def check_fits(header: Header, name: str, place: str) -> None:
    """Refuse an array that is larger than the free memory, before it is read.

    Raises:
        ConfigError: With its size, and how many of its rows would fit.
    """
    if header.num_bytes > (available := read_memory().available):
        fitting = f" {header.shape[0] * available // header.num_bytes:,} of its rows would fit." if header.shape else ""
        raise ConfigError(
            f"{place}: expected arrays that fit into memory ({available / 2**30:.1f} GiB are free), got {header.describe()} in "
            f"array {make_printable(name)}: {header.num_bytes / 2**30:.1f} GiB.{fitting}"
        )


def _read_member(archive: ZipFile, name: str, place: str) -> Header:
    with archive.open(f"{name}.npy") as member:
        return read_header(member, name, place)
