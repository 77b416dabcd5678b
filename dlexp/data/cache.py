"""Results that are kept on disk, shared by the processes of one machine."""

import functools
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from dlexp.contract import DatasetError
from dlexp.machine.files import replacing


def cached(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` returns: read from `path` if it is there and whole, else made by one process while the others wait.

    Args:
        path: File ending in `.pt`. Tensors in it are memory-mapped, so that processes share them.
        make: Returns what `torch.load(weights_only=True)` can read: tensors, numbers, strings, lists.

    Raises:
        DatasetError: If the file cannot be written.
    """
    found = _load(path)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if _load(path) is None:
                if path.exists():
                    print(f"{path} is damaged: it is made anew.", file=sys.stderr)
                with replacing(path) as temporary:
                    torch.save(make(), temporary)
        return torch.load(path, weights_only=True, mmap=True)
    except DatasetError:
        raise
    except (OSError, RuntimeError) as error:  # torch.save says RuntimeError where the disk is full
        raise DatasetError(f"{path} cannot be written ({error}). Choose another folder with dataset.cache_dir=…") from error


def _load(path: Path) -> dict[str, Any] | None:
    """The file's content; None if it is missing or damaged."""
    try:
        stat = path.stat()
        if not _is_whole(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns)):
            return None
        return torch.load(path, weights_only=True, mmap=True)
    except Exception:  # of either library, half a dozen kinds of error for bytes that are not its own
        return None


# Once in a process: 0.15 s for the 185 MB of CIFAR-10, and every run of a sweep asks.
@functools.cache
def _is_whole(path: Path, state: tuple[int, int, int]) -> bool:
    """Whether each part of the file has the CRC-32 that torch wrote beside it, and does not look at itself."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None
