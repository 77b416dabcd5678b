"""Unpacks the files that an archive should hold, and nothing else: no path on disk ever comes from the archive."""

import gzip
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

MOST_BYTES = 2**29  # that an archive may unpack to
MOST_MEMBERS = 10_000
CHUNK = 2**20


def unpack(archive: Path, wanted: Mapping[str, Path], *, most_bytes: int = MOST_BYTES) -> None:
    """Write the wanted files, all of them or none. One process at a time may do it.

    Args:
        archive: A `.tar.gz`, or a `.gz` of one file.
        wanted: Name in the archive → where that file is to lie; of a `.gz` the one name is not looked at.
        most_bytes: That it may unpack to, headers and files that nobody wants included.

    Raises:
        ValueError: If it is larger, lacks a file, or holds anything but files and folders below its own.
        OSError, tarfile.TarError, EOFError: If it cannot be read, or the files cannot be written.
    """
    unfinished = {target: target.with_name(f".{target.name}.tmp") for target in wanted.values()}
    try:
        with gzip.open(archive) as file:
            content = _Capped(file, most_bytes)
            if archive.name.endswith(".tar.gz"):
                _unpack_tar(content, {name: unfinished[target] for name, target in wanted.items()})
            else:
                _write(content, *unfinished.values())
        for target, temporary in unfinished.items():
            os.replace(temporary, target)
    finally:
        for temporary in unfinished.values():
            temporary.unlink(missing_ok=True)


class _Capped:
    """A stream that ends in an error where a bomb would go on; of `file`, only `read` is used."""

    def __init__(self, file: Any, most_bytes: int) -> None:
        self.file, self.most_bytes, self.count = file, most_bytes, 0

    def read(self, size: int = CHUNK) -> bytes:
        content = self.file.read(min(size, CHUNK))
        self.count += len(content)
        if self.count > self.most_bytes:
            raise ValueError(f"it unpacks to more than {self.most_bytes} bytes")
        return content


def _unpack_tar(content: _Capped, wanted: Mapping[str, Path]) -> None:
    rest = dict(wanted)
    with tarfile.open(fileobj=content, mode="r|") as tar:  # type: ignore[call-overload]  # of a stream, only read is used
        for count, member in enumerate(tar):
            if count >= MOST_MEMBERS:
                raise ValueError(f"it has more than {MOST_MEMBERS} members")
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or not member.name.isprintable() or "\\" in member.name:
                raise ValueError(f"it has a member that would lie outside: {member.name!r}")
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise ValueError(f"it has a member that is neither a file nor a folder: {member.name!r}")
            target = rest.pop(str(path), None) if member.isreg() else None
            if target and (file := tar.extractfile(member)):
                _write(file, target)
    if rest:
        raise ValueError(f"it lacks {', '.join(rest)}")


def _write(content: Any, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while chunk := content.read(CHUNK):
            file.write(chunk)
