"""Results stored on disk, shared by the processes of one machine."""

import functools
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dlexp.contract import DatasetError
from dlexp.machine.files import open_regular_file, replacing
from dlexp.machine.locks import locking_file
from dlexp.machine.notices import notify


def load_or_make(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Load the result of `make` from `path`. If the file is missing or damaged, one process makes it and the others wait.

    Args:
        path: File ending in `.pt`. Its tensors are memory-mapped, so that processes share them.
        make: Its result must be readable by `torch.load(weights_only=True)`: tensors, numbers, strings, lists.

    Raises:
        DatasetError: If the file cannot be written.
    """
    found = _load(path)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locking_file(path.with_suffix(".lock")):
            if _load(path) is None:
                if path.exists():
                    notify(f"{path} is damaged and is made again.")
                with replacing(path) as file:
                    torch.save(make(), file)
        return torch.load(path, weights_only=True, mmap=True)
    except DatasetError:
        raise
    except (OSError, RuntimeError) as error:  # torch.save raises RuntimeError if the disk is full
        raise DatasetError(f"{path} cannot be written ({error}). Choose another folder with dataset.cache_dir=…") from error


def _load(path: Path) -> dict[str, Any] | None:
    """The file's content; None if it is missing or damaged."""
    try:
        with open_regular_file(path) as file:  # torch would wait for a pipe
            found = os.fstat(file.fileno())
        if not _is_whole(path, (found.st_ino, found.st_size, found.st_mtime_ns)):
            return None
        return torch.load(path, weights_only=True, mmap=True)
    except Exception:  # torch and zipfile raise many types for damaged bytes
        return None


# Cached, because it takes 0.15 s for the 185 MB of CIFAR-10, and every run of a sweep calls it.
@functools.cache
def _is_whole(path: Path, state: tuple[int, int, int]) -> bool:
    """Whether each part of the file matches its CRC-32, which torch.load does not check. `state` is the cache's key."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None
