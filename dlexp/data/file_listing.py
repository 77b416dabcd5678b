"""The files below a folder, each with the numbers that show whether it has changed. Loads no torch."""

import os
from pathlib import Path

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
            waiting += [(name, (*above, identity)) for name in _list_folder(descriptor, path, below, suffixes, found)]
        finally:
            os.close(descriptor)
    return found


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


def file_state(stat: os.stat_result) -> FileState:
    """The numbers of a file that change whenever its content does."""
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


def _unreadable(path: str, error: OSError) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({error.strerror}).")
