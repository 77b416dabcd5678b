"""A hash of the images in a folder, which identifies a user's data."""

import hashlib
import os
from pathlib import Path

from dlexp.contract import ConfigError, DatasetError
from dlexp.data.cache import load_or_make

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def list_images(root: Path) -> list[str]:
    """List all image files below a folder: relative paths, sorted. Hidden files and folders are skipped."""
    names = []
    for folder, subfolders, files in os.walk(root, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        below = Path(folder).relative_to(root)
        names += [(below / name).as_posix() for name in files if name.lower().endswith(SUFFIXES) and name[0] != "."]
    return sorted(names)


def fingerprint(root: Path, cache_dir: Path | None = None) -> str:
    """Hash the names and contents of the images below a folder: sha256 in hex. It does not depend on the folder's path.

    Args:
        root: The folder.
        cache_dir: Where the hash is stored, so that files with unchanged name, size and time are read only once; None: nowhere.

    Raises:
        ConfigError: If there is no such folder.
        DatasetError: If a file cannot be read.
    """
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise ConfigError(f"dataset.root: expected a folder of images, but {root} is not a folder.")
    names = list_images(root)
    if cache_dir is None:
        return _sha256(root, names)
    try:
        stats = [os.stat(root / name) for name in names]
    except OSError as error:
        raise DatasetError(f"{error.filename} cannot be read ({error.strerror}).") from error
    state = [f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}" for name, stat in zip(names, stats, strict=True)]
    key = hashlib.sha256("\n".join([str(root), *state]).encode()).hexdigest()
    return load_or_make(cache_dir.expanduser() / f"files-{key[:16]}.pt", lambda: {"sha256": _sha256(root, names)})["sha256"]


def _sha256(root: Path, names: list[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        try:
            content = (root / name).read_bytes()
        except OSError as error:
            raise DatasetError(f"{root / name} cannot be read ({error.strerror}).") from error
        total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()
