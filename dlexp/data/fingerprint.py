"""A hash of the content of a data set's own files, which stands in a run's id for their path. Loads no torch."""

import hashlib
import marshal
import os
import stat
import time
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlexp.config.values import join_first, make_printable, show_path
from dlexp.data.file_listing import FileState, file_state, list_files
from dlexp.data.hash_store import Hashes, find_fingerprint, read_hashes, write_hashes
from dlexp.data.image_names import MAX_IMAGE_BYTES
from dlexp.data.image_names import SUFFIXES as IMAGES
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.files import open_regular_file
from dlexp.machine.once import look_up_once

NUM_TRIES = 3  # if files change while they are read
# A file that was changed so shortly before it was hashed may change again within one tick of the file system's clock, which
# leaves its state as it was. (FAT has the coarsest clock: 2 s.) Its hash is not stored.
RECENT_NS = 2_000_000_000


class _ChangedError(Exception):
    """A file was changed after it was listed."""


def fingerprint_keys(values: Mapping[str, Any], cache_dir: Path, suffixes: tuple[str, ...] = ()) -> str | None:
    """Hash the content of all files that the keys of a dataset name: sha256 in hex.

    Args:
        values: Key → path of a file or folder, or None. The first key is that of the data themselves.
        cache_dir: Where the hashes are stored.
        suffixes: The endings of the files that the dataset reads below a folder; the first key must then name a folder. Empty:
            all.

    Returns:
        The fingerprint of the first path where it is the only one, else a hash of all. None if no key has a value.

    Raises:
        ConfigError: If a key does not name what it should; before any file is read.
        DatasetError: If a file cannot be read.
    """
    named = {key: value for key, value in values.items() if value is not None}
    first = next(iter(values), None)
    counted = {key: suffixes if key == first or _is_folder(value) else () for key, value in named.items()}
    for key, value in named.items():
        _find(value, bool(counted[key]), f"dataset.{key}")
    found = {key: fingerprint(value, cache_dir, counted[key], f"dataset.{key}") for key, value in named.items()}
    if not found or found.keys() == {first}:
        return next(iter(found.values()), None)
    return hashlib.sha256("".join(f"{key}\0{found[key]}\n" for key in sorted(found)).encode()).hexdigest()


def fingerprint(
    path: Path | str, cache_dir: Path | None = None, suffixes: tuple[str, ...] = (), key: str = "dataset.root"
) -> str:
    """Hash the names and contents of the files below a folder, or the content of one file: sha256 in hex.

    It depends neither on the place of the folder nor on the order or the times of its files. Within `once.checking_once`, files
    that are edited after the first call are not noticed.

    Args:
        path: The folder or file.
        cache_dir: Where the hash of each file is stored, to be used while its size, inode, mtime and ctime stay the same.
        suffixes: The endings of the files that count; `path` must then be a folder. Empty: all files.
        key: The setting that holds the path.

    Raises:
        ConfigError: If there is no such file or folder.
        DatasetError: If a file cannot be read, or if it changes while it is read.
    """
    root = _find(path, bool(suffixes), key)
    key_of_state = ("fingerprint", root, cache_dir, suffixes)
    return look_up_once(key_of_state, lambda: compute_fingerprint(root, cache_dir, suffixes))


def _find(value: object, only_folder: bool, key: str) -> Path:
    """The real path of what a key names, which must exist."""
    expected = f"{key}: expected a folder{'' if only_folder else ' or a file'}"
    if not isinstance(value, str | Path) or str(value) == "" or "\0" in str(value):
        raise ConfigError(f"{expected}, got {value!r}.")
    path = Path(os.path.realpath(os.path.expanduser(value)))
    try:
        mode = path.stat().st_mode
    except OSError as error:
        nearest = _describe_nearest(path) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{expected}, but {show_path(str(path))} cannot be read ({error.strerror}).{nearest}") from error
    if only_folder and stat.S_ISREG(mode):
        raise ConfigError(f"{expected}, but {show_path(str(path))} is a file. Unpack it if it is an archive.")
    if not stat.S_ISDIR(mode) and (only_folder or not stat.S_ISREG(mode)):
        raise ConfigError(f"{expected}, but {show_path(str(path))} is {'not one' if only_folder else 'neither'}.")
    return path


def _is_folder(value: object) -> bool:
    return isinstance(value, str | Path) and "\0" not in str(value) and os.path.isdir(os.path.expanduser(value))


def _describe_nearest(path: Path) -> str:
    """What there is where a path was looked for: the most similar name, or else the names."""
    above = next(parent for parent in path.parents if parent.is_dir())
    name = path.relative_to(above).parts[0]
    try:
        names = sorted(found for found in os.listdir(above) if found[0] != ".")
    except OSError:
        return ""
    if similar := get_close_matches(name, names, n=1):
        return f" Did you mean {show_path(str(above / similar[0]))}?"
    return f" {show_path(str(above))} holds {join_first(map(make_printable, names)) or 'nothing'}."


def list_user_files(root: Path, suffixes: tuple[str, ...] = ()) -> dict[str, FileState]:
    """The files that enter the fingerprint: path from the folder → state. One file by itself has the path ''.

    Raises:
        DatasetError: If a folder cannot be read.
    """
    if root.is_dir():
        return list_files(root, suffixes)
    try:
        return {"": file_state(root.stat())}
    except OSError as error:
        raise DatasetError(f"{root} cannot be read ({error.strerror}).") from error


def compute_fingerprint(root: Path, cache_dir: Path | None, suffixes: tuple[str, ...]) -> str:
    """The fingerprint of a file or folder as it is now, from the stored hashes of what has not changed."""
    root = Path(os.path.realpath(root))
    identity = os.fsencode("\0".join((str(root), *suffixes)))
    store = cache_dir and Path(cache_dir).expanduser() / f"files-{hashlib.sha256(identity).hexdigest()[:16]}.txt"
    settled = time.time_ns() - RECENT_NS
    hashes: Hashes | None = None
    for _ in range(NUM_TRIES):
        files = list_user_files(root, suffixes)
        # Version 2 of marshal, because later ones depend on which numbers are the same object in memory.
        state = hashlib.sha256(identity + marshal.dumps(files, 2)).hexdigest()
        if store and (stored := find_fingerprint(store, state)):
            return stored
        if hashes is None:
            hashes = read_hashes(store) if store else {}
        complete = None
        try:
            _hash_files(root, files, hashes)
            complete = _combine(files, hashes)
            return complete
        except _ChangedError as error:
            changed = error
        finally:  # an interrupted command stores what it has hashed
            if store:
                lasting = {name: entry for name, entry in hashes.items() if name in files and max(entry[0][2:]) < settled}
                all_last = complete is not None and len(lasting) == len(files)
                write_hashes(store, lasting, state if all_last else None, complete if all_last else None)
    raise DatasetError(f"{changed} changes while it is read. Give the command again when nothing writes to it.")


def _hash_files(root: Path, files: Mapping[str, FileState], hashes: Hashes) -> None:
    """Add to `hashes` every file that is not in it with its present state."""
    for name, state in files.items():
        if name not in hashes or hashes[name][0] != state:
            path = root / name
            if state[0] > MAX_IMAGE_BYTES and name.lower().endswith(IMAGES):
                size = f"{state[0] / 2**30:.1f} GiB, and an image has at most {MAX_IMAGE_BYTES / 2**30:.0f}"
                raise DatasetError(f"{show_path(str(path))} cannot be read as an image (it has {size}).")
            try:
                with open_regular_file(path) as file:  # another kind of file may have taken its place
                    before = os.fstat(file.fileno())
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    after = os.fstat(file.fileno())
            except FileNotFoundError as error:
                raise _ChangedError(path) from error
            except OSError as error:
                raise DatasetError(f"{path} cannot be read ({error.strerror}).") from error
            except ValueError as error:
                raise DatasetError(f"{show_path(str(path))} cannot be read (it is no regular file).") from error
            if not file_state(before) == file_state(after) == state:
                raise _ChangedError(path)
            hashes[name] = (state, digest)


def _combine(files: Mapping[str, FileState], hashes: Hashes) -> str:
    lines = (b"%b\0%b\n" % (os.fsencode(name), hashes[name][1].encode()) for name in sorted(files))
    return hashlib.sha256(b"".join(lines)).hexdigest()
