"""Reads the bytes of a table, unpacked, from a file of unknown origin: a regular file, and no more than a limit."""

import bz2
import gzip
import lzma
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from dlexp.machine.files import open_regular_file


class TooLargeError(ValueError):
    """A table has more text than the limit."""


def read_unpacked(path: Path, max_bytes: int) -> bytes:
    """The content of a table, unpacked if its name ends in .gz, .bz2, .xz or .zip; of a zip archive, its one file.

    The limit holds while it is read, because neither the size of a file nor that in an archive need be true.

    Args:
        path: The file.
        max_bytes: Most bytes of the content.

    Raises:
        TooLargeError: If it has more.
        ValueError: If it is not a regular file, or an archive of several files.
        OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError: If it cannot be read.
    """
    with open_regular_file(path) as file, _unpack(file, path.suffix.lower()) as unpacked:
        content = unpacked.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLargeError(f"it has more than {max_bytes} bytes of text")
    return content


def _unpack(file: BufferedReader, suffix: str) -> BufferedIOBase | IO[bytes]:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=file)
    if suffix == ".bz2":
        return bz2.BZ2File(file)
    if suffix == ".xz":
        return lzma.LZMAFile(file)
    if suffix == ".zip":
        archive = ZipFile(file)
        names = archive.namelist()
        if len(names) != 1:
            raise ValueError(f"the archive holds {len(names)} files, expected one")
        return archive.open(names[0])
    return file
