"""The hashes of a folder's files, stored between commands: one file for each folder, written whole. Loads no torch.

The first line holds the fingerprint for one state of all files, so that an unchanged folder is recognised without reading the
second line: the hash of each file. Both lines are verified. Several processes may write: each leaves a whole file, and the last
one stays.
"""

import functools
import hashlib
import json
from pathlib import Path
from typing import TypedDict

from dlexp.config import plain_json
from dlexp.data.file_listing import FileState
from dlexp.machine.files import open_regular_file, read_regular_file, write_whole
from dlexp.machine.notices import notify

Hashes = dict[str, tuple[FileState, str]]  # path from the folder → state when the file was hashed, sha256 in hex

MAX_BYTES = 2**31  # of a store: 150 bytes for each of ten million files
HEADER_BYTES = 1000  # more than a first line ever has
MAX_BYTES = 2**29  # of a store; a million files take about a third


class _Header(TypedDict):
    state: str | None
    fingerprint: str | None
    hashes: str


def find_fingerprint(path: Path, state: str) -> str | None:
    """The fingerprint that is stored for this state of all files; None if there is none, or if the store is damaged."""
    try:
        with open_regular_file(path) as file:
            header = _parse_header(file.readline(HEADER_BYTES))
    except (OSError, ValueError):
        return None
    return header["fingerprint"] if header and header["state"] == state else None


def read_hashes(path: Path) -> Hashes:
    """The hash of each file; empty if there is no store, or if it is damaged."""
    try:
        first, _, second = read_regular_file(path, MAX_BYTES).partition(b"\n")
        header = _parse_header(first)
        if header is None or header["hashes"] != _sha256(second):
            raise ValueError("the checksum is another")
        hashes = plain_json.parse(second, dict[str, tuple[int, int, int, int, str]])
    except OSError:
        return {}
    except ValueError:
        notify(f"{path} is damaged and is made again.")
        return {}
    return {name: ((size, inode, mtime, ctime), digest) for name, (size, inode, mtime, ctime, digest) in hashes.items()}


def write_hashes(path: Path, hashes: Hashes, state: str | None, fingerprint: str | None) -> None:
    """Store the hashes. If the disk is full or read-only, say so: the files are then hashed again by the next command.

    Args:
        path: The store.
        hashes: Only of files that cannot change any more without a change of their state.
        state: The state of all files for which `fingerprint` is right; None if there is none.
        fingerprint: The fingerprint of all files.
    """
    second = json.dumps({name: (*state, digest) for name, (state, digest) in hashes.items()}).encode()
    header = json.dumps({"state": state, "fingerprint": fingerprint, "hashes": _sha256(second)}).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, b"%b %b\n%b" % (_sha256(header).encode(), header, second))
    except OSError as error:
        _report(path.parent, error.strerror or str(error))


@functools.cache  # once for each folder and process
def _report(folder: Path, reason: str) -> None:
    notify(f"The hashes of the data's files cannot be stored in {folder} ({reason}): each command reads the files again.")


def _parse_header(line: bytes) -> _Header | None:
    """The content of the first line; None if it is damaged.

    Raises:
        FormError: If the line is whole, and not what `write_hashes` writes.
    """
    digest, _, header = line.rstrip(b"\n").partition(b" ")
    return plain_json.parse(header, _Header) if _sha256(header).encode() == digest else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
