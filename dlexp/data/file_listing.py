"""The files below a folder, each with the numbers that show whether it has changed. Loads no torch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dlexp.errors import DatasetError

# Size in bytes, inode, and the times in ns of the last change of the content (mtime) and of the file (ctime). Whoever changes a
# file can set its mtime back, but not its ctime.
FileState = tuple[int, int, int, int]


def list_files(root: Path, suffixes: tuple[str, ...] = ()) -> dict[str, FileState]:
    """List the regular files below a folder: path from there → state, in the order in which the file system lists them.

    What begins with a dot is left out, and so are pipes, sockets and devices. Links to files and folders are followed.

    Args:
        root: The folder.
        suffixes: The endings of the files to list, in lower case; a file's own may be in upper case. Empty: all files.

    Raises:
        DatasetError: If a folder or the target of a link cannot be read, or if a link leads back to a folder that holds it.
    """
    found: dict[str, FileState] = {}
    _walk(root, lambda descriptor, path, below: _list_folder(descriptor, path, below, suffixes, found))
    return found


class Names(NamedTuple):
    """Paths of the regular files and of the folders below a folder, each from there; none begins with a dot."""

    files: list[str]
    folders: list[str]


def list_names(root: Path) -> Names:
    """List the same files, of all endings, and the folders, by name alone: a sixth of the time of `list_files`.

    Raises:
        DatasetError: As of `list_files`.
    """
    names = Names([], [])
    _walk(root, lambda descriptor, path, below: _list_names(descriptor, path, below, names))
    return names


def _walk(root: Path, list_folder: Callable[[int, str, str], list[str]]) -> None:
    """Visit a folder and all below it.

    Args:
        root: The folder.
        list_folder: Gets an open descriptor of a folder, its path and its path from `root`; returns its subfolders.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]  # a folder, and the identities of those that hold it
    while waiting:
        below, above = waiting.pop()
        path = os.path.join(root, below)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            stat = os.fstat(descriptor)
            identity = (stat.st_dev, stat.st_ino)
            if identity in above:
                raise DatasetError(
                    f"{path} is a link to a folder that holds it, so that its files have no end. Remove the link."
                )
            waiting += [(name, (*above, identity)) for name in list_folder(descriptor, path, below)]
        finally:
            os.close(descriptor)


def _list_folder(descriptor: int, path: str, below: str, suffixes: tuple[str, ...], found: dict[str, FileState]) -> list[str]:
    """Add the files of one folder to `found`; returns its subfolders. Runs for each of 100,000 files: a few µs each."""
    subfolders = []
    prefix = f"{below}/" if below else ""
    name = ""
    try:
        with os.scandir(descriptor) as entries:  # by descriptor, so that the system looks up one name a file, not a whole path
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if entry.is_dir():
                    subfolders.append(prefix + name)
                elif not suffixes or name.lower().endswith(suffixes):
                    if entry.is_file():
                        found[prefix + name] = file_state(entry.stat())
                    elif entry.is_symlink():
                        entry.stat()  # raises an error if the link leads nowhere
    except OSError as error:
        raise _unreadable(os.path.join(path, name), error) from error
    return subfolders


def _list_names(descriptor: int, path: str, below: str, names: Names) -> list[str]:
    """Add the files and subfolders of one folder to `names`; returns its subfolders."""
    subfolders = []
    prefix = f"{below}/" if below else ""
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                if entry.is_dir():
                    subfolders.append(prefix + entry.name)
                elif entry.is_file():
                    names.files.append(prefix + entry.name)
    except OSError as error:
        raise _unreadable(path, error) from error
    names.folders.extend(subfolders)
    return subfolders


def file_state(stat: os.stat_result) -> FileState:
    """The numbers of a file that change whenever its content does."""
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


def _unreadable(path: str, error: OSError) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({error.strerror}).")
