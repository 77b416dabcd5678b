"""Disks that are full, or refuse to be written: told apart from every other failure, before a run and in the middle of it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlexp.errors import DiskError

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
MEBIBYTE = 2**20


def check_room(folder: Path, state_bytes: int, keep: int) -> str | None:
    """Hold what the checkpoints of a run will need against the disk.

    Args:
        folder: Where they will lie, or the nearest folder above it that is there.
        state_bytes: Of one state.
        keep: States that stay; one more is there while it is written.

    Returns:
        A warning if only some of them fit, else None.

    Raises:
        DiskError: If not even one and its successor do.
    """
    free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    needed = (keep + 1) * state_bytes
    if free < 2 * state_bytes:
        raise DiskError(
            f"{folder}: checkpoints of this run need {_size(2 * state_bytes)} at least and {_size(needed)} at most, and "
            f"{_size(free)} are free: make room, or choose another output_dir."
        )
    if free < needed:
        return f"{folder}: {_size(free)} are free, and the checkpoints of this run may need {_size(needed)}."
    return None


def refusal(error: BaseException) -> OSError | None:
    """The disk's refusal behind an error, None if it is of another kind; torch hides it in the context of its own."""
    return next((cause for cause in _chain(error) if isinstance(cause, OSError) and cause.errno in REFUSALS), None)


def explained(refused: OSError, folder: Path, state_bytes: int) -> DiskError:
    """What it means to the user that a run folder cannot be written."""
    free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    return DiskError(
        f"{folder} cannot be written ({refused.strerror or refused}): a state of this run needs {_size(state_bytes)}, and "
        f"{_size(free)} are free. What was saved before is whole: make room, and the same command goes on."
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, a refusal of the disk is told as one of writing this file, which is of no run.

    Raises:
        DiskError: Instead of the refusal.
    """
    try:
        yield
    except OSError as error:
        if not refusal(error):
            raise
        raise DiskError(
            f"{path} cannot be written ({error.strerror or error}): make room, or choose another output_dir."
        ) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _size(count: int) -> str:
    return f"{count / MEBIBYTE:,.1f} MiB"
