"""Read the text of a table, plain or gzipped, up to a size that no table of training exceeds."""

import gzip
import io
import zlib
from pathlib import Path

from dlexp.machine.files import read_regular_file

MAX_TABLE_BYTES = 2**28  # unpacked; the table of a study of 1,440 runs has a hundredth of it


def find_table(path: Path) -> Path | None:
    """The file `path`, or else the same file gzipped, `<path>.gz`; None if there is neither."""
    return next((file for file in (path, path.with_name(f"{path.name}.gz")) if file.exists()), None)


def find_tables(root: Path, name: str) -> list[Path]:
    """All tables of this name below a folder, plain or gzipped; where there are both in a folder, the plain one."""
    found = (find_table(file.with_name(name)) for file in root.rglob(f"{name}*") if file.name in (name, f"{name}.gz"))
    return sorted({file for file in found if file})


def read_table_text(path: Path) -> str:
    """The text of a table, unpacked if its name ends with .gz.

    Raises:
        ValueError: If it is too large, not a regular file, not UTF-8, or not whole gzip data.
        OSError: If it cannot be read.
    """
    content = read_regular_file(path, MAX_TABLE_BYTES)
    try:
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(content)) as unpacking:
                content = unpacking.read(MAX_TABLE_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name} is not whole gzip data: {error}") from error
    if len(content) > MAX_TABLE_BYTES:
        raise ValueError(f"{path.name} unpacks to more than {MAX_TABLE_BYTES} bytes")
    return content.decode("utf-8-sig")
