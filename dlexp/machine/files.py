"""Write a file so that a reader finds all of the new content or all of the old, even after a crash.

Read files of unknown origin, and those in which the operating system reports something.
"""

import os
import platform
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; the file there replaces `path` when the block ends without an error.

    Temporary files that a killed process has left for the same path are removed.

    Args:
        path: The file to write.
        durable: Whether to flush the content to the disk before returning, so that it also survives a power failure.
    """
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    for leftover in path.parent.glob(f".{path.name}.{platform.node()}.*.tmp"):
        if not is_alive(int(leftover.name.split(".")[-2])):
            leftover.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes | memoryview, *, durable: bool = False) -> Path:
    """Write text (as UTF-8) or bytes through `replacing`; returns `path`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file of unknown origin for reading. Pipes and devices are refused: they may have no end.

    Raises:
        ValueError: If it is not a regular file, or a link to one.
        OSError: If it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file of unknown origin.

    Raises:
        ValueError: If it is not a regular file, or larger than `max_bytes`.
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path.name} has more than {max_bytes} bytes")
    return content


def read_system_file(path: Path) -> str:
    """The content of a file in which the operating system reports something; empty if there is no such file."""
    try:
        return path.read_text()
    except OSError:
        return ""


def read_system_field(path: Path, name: str) -> str | None:
    """The value in the first line `name: value` of such a file; None if there is none."""
    fields = (line.partition(":") for line in read_system_file(path).splitlines())
    return next((value.strip() for key, _, value in fields if key.strip() == name), None)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it is another user's
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
