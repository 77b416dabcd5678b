"""Record which files the code of a dataset opens, and find those that its option does not name. Loads no torch.

Python reports each `open` of this process to audit hooks. Files that a library's compiled code or another process opens are not
reported, such as those of h5py.
"""

import os
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dlexp.data.fingerprint import list_user_files

SYSTEM = ("/proc", "/sys", "/dev")

_recordings: list[set[str]] = []  # of the blocks that are being executed
_installing = threading.Lock()
_installed = threading.Event()  # a hook cannot be removed


@contextmanager
def record_opened_files(cache_dir: Path | None = None) -> Iterator[list[Path]]:
    """Collect the existing files that this process opens for reading within the context, in all of its threads.

    The yielded list is filled at the end: real paths, sorted. The files of Python, of installed packages, of dlexp, of imported
    modules and of the system are left out, and so is what the code itself made.

    Args:
        cache_dir: A folder of results that are stored; its files are left out too.
    """
    with _installing:
        if not _installed.is_set():
            sys.addaudithook(_note_open)
            _installed.set()
    opened: set[str] = set()
    result: list[Path] = []
    _recordings.append(opened)
    try:
        yield result
    finally:
        _recordings[:] = [other for other in _recordings if other is not opened]
        result += _select_data(set(opened), cache_dir)


def find_unlisted_files(opened: Iterable[Path], listed_paths: Iterable[Path], suffixes: tuple[str, ...] = ()) -> list[Path]:
    """The opened files whose content is not in the id of a run, because no key under `user_files` names them.

    Args:
        opened: Real paths.
        listed_paths: The values of these keys: files and folders.
        suffixes: The endings of the files that the dataset reads below a folder; empty: all. A hidden file is never among them.

    Raises:
        DatasetError: If a folder cannot be read.
    """
    roots = [root.expanduser() for root in listed_paths]
    listed = {os.path.realpath(root / name) for root in roots for name in list_user_files(root, suffixes)}
    return [path for path in opened if str(path) not in listed]


def _note_open(event: str, arguments: tuple[object, ...]) -> None:
    """Called for every audit event of the process for the rest of its life. An error here would be one of the code outside."""
    if event != "open" or not _recordings:
        return
    path, _, flags = arguments
    if not isinstance(path, str | bytes | os.PathLike) or not isinstance(flags, int):  # an int is an open file
        return
    if flags & os.O_ACCMODE == os.O_WRONLY or flags & (os.O_TRUNC | os.O_EXCL):
        return
    try:
        absolute = os.path.abspath(os.fsdecode(path))  # now, because the current folder may change
    except (OSError, ValueError):
        return
    for opened in tuple(_recordings):
        opened.add(absolute)


def _select_data(opened: set[str], cache_dir: Path | None) -> list[Path]:
    """The real paths of the opened files that can hold a user's data, sorted."""
    folders = [*_foreign_folders(), *([os.path.realpath(cache_dir)] if cache_dir else [])]
    paths = {os.path.realpath(path) for path in opened}
    paths = {path for path in paths if os.path.isfile(path) and not _is_below(path, folders)}
    names = {os.path.basename(path) for path in paths}  # asked first, because thousands of modules are loaded
    files = filter(None, map(_module_file, list(sys.modules.values())))
    modules = {os.path.realpath(file) for file in files if os.path.basename(file) in names}
    return [Path(path) for path in sorted(paths - modules)]


def _foreign_folders() -> list[str]:
    """Folders whose files are no data of the user: those of Python, of installed packages, of dlexp and of the system."""
    code = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    package = Path(__file__).resolve().parents[1]
    own = [str(package), *(str(package.parent / name) for name in ("conf", "hydra_plugins"))]
    return [os.path.realpath(path) for path in (*code, *installed, *own)] + list(SYSTEM)


def _module_file(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return "__pycache__" in path.split(os.sep) or any(path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)
