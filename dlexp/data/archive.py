"""Unpacks chosen files from an archive. No path on disk is ever taken from the archive."""

import gzip
import shutil
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from dlexp.machine.files import open_regular_file, replacing

MAX_BYTES = 2**29  # of all unpacked content
MAX_MEMBERS = 10_000
CHUNK = 2**20


def unpack(archive: Path, wanted: Mapping[str, Path], *, max_bytes: int = MAX_BYTES) -> None:
    """Write the wanted files: all of them, or none if there is an error. Only one process at a time may call this.

    Args:
        archive: A `.tar.gz`, or a `.gz` of one file.
        wanted: Name in the archive → path to write that file to; for a `.gz` the one name does not matter.
        max_bytes: Largest size of the unpacked archive, with its headers and the files that are not wanted.

    Raises:
        ValueError: If it is no regular file, is larger, lacks a wanted file, or has a member that is neither a file nor a
            folder below its root.
        OSError, tarfile.TarError, EOFError: If it cannot be read, or the files cannot be written.
    """
    with open_regular_file(archive) as packed, gzip.open(packed) as file, ExitStack() as stack:
        targets = {}
        for name, path in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            targets[name] = stack.enter_context(replacing(path))
        content = _LimitedReader(file, max_bytes)
        if archive.name.endswith(".tar.gz"):
            _unpack_tar(content, targets)
        else:
            (target,) = targets.values()
            shutil.copyfileobj(content, target, CHUNK)


class _LimitedReader:
    """A stream that raises an error after `max_bytes`. `tarfile` and `shutil` call only its `read`."""

    def __init__(self, file: Any, max_bytes: int) -> None:
        self.file, self.max_bytes, self.count = file, max_bytes, 0

    def read(self, size: int = CHUNK) -> bytes:
        content = self.file.read(min(size, CHUNK))
        self.count += len(content)
        if self.count > self.max_bytes:
            raise ValueError(f"it unpacks to more than {self.max_bytes} bytes")
        return content


def _unpack_tar(content: _LimitedReader, wanted: Mapping[str, BinaryIO]) -> None:
    missing = dict(wanted)
    with tarfile.open(fileobj=content, mode="r|") as tar:  # type: ignore[call-overload]  # a stream needs only `read`
        for count, member in enumerate(tar):
            if count >= MAX_MEMBERS:
                raise ValueError(f"it has more than {MAX_MEMBERS} members")
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not member.name.isprintable() or "\\" in member.name:
                raise ValueError(f"it has a member that would lie outside: {member.name!r}")
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise ValueError(f"it has a member that is neither a file nor a folder: {member.name!r}")
            target = missing.pop(str(path), None) if member.isreg() else None
            if target and (file := tar.extractfile(member)):
                shutil.copyfileobj(file, target, CHUNK)
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
