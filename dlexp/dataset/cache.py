"""Results that are kept on disk, shared by the processes of one machine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from dlexp.contract import DatasetError


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
                unfinished = path.with_suffix(".tmp")  # under the lock it is ours alone
                torch.save(make(), unfinished)
                os.replace(unfinished, path)
        return torch.load(path, weights_only=True, mmap=True)
    except DatasetError:
        raise
    except (OSError, RuntimeError) as error:  # torch.save says RuntimeError where the disk is full
        raise DatasetError(f"{path} cannot be written ({error}). Choose another folder with dataset.cache_dir=…") from error


def _load(path: Path) -> dict[str, Any] | None:
    """The file's content; None if it is missing or damaged."""
    try:
        return torch.load(path, weights_only=True, mmap=True)
    except Exception:  # torch.load has half a dozen kinds of error for bytes that are not its own
        return None
