"""Detect disks that are full or cannot be written, before a run and during it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlexp.errors import DiskError
from dlexp.machine.locks import GONE

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
MEBIBYTE = 2**20


def check_room(folder: Path, state_bytes: int, num_states: int) -> str | None:
    """Compare the disk space that the checkpoints of a run need with the space that is free.

    Args:
        folder: The run's folder; it need not exist yet.
        state_bytes: Size of one state.
        num_states: States that stay on disk; while one is written, there is one more.

    Returns:
        A warning if only some of them fit, else None.

    Raises:
        DiskError: If not even two states fit.
    """
    free = _free_bytes(folder)
    needed = (num_states + 1) * state_bytes
    if free < 2 * state_bytes:
        raise DiskError(
            f"{folder}: checkpoints of this run need {_size(2 * state_bytes)} at least and {_size(needed)} at most, and "
            f"{_size(free)} are free: make room, or choose another output_dir."
        )
    if free < needed:
        return f"{folder}: {_size(free)} are free, and the checkpoints of this run may need {_size(needed)}."
    return None


def refusal(error: BaseException) -> OSError | None:
    """The OSError of a full or unwritable disk that caused this error, or None. torch wraps it: it is in `__context__`."""
    return next((cause for cause in _chain(error) if isinstance(cause, OSError) and cause.errno in REFUSALS), None)


def find_gone(error: OSError, folder: Path) -> Path | None:
    """The path below a folder that an operation did not find; None if the error is another one."""
    if error.errno not in GONE or not isinstance(error.filename, str | os.PathLike):
        return None
    path = Path(error.filename)
    return path if path.is_relative_to(folder) else None


def explained(refused: OSError, folder: Path, state_bytes: int) -> DiskError:
    """The error to show when a run folder cannot be written."""
    return DiskError(
        f"{folder} cannot be written ({refused.strerror or refused}): a state of this run needs {_size(state_bytes)}, and "
        f"{_size(_free_bytes(folder))} are free. What was saved before is whole: make room, and the same command goes on."
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the disk into a DiskError that names this file, which belongs to no run.

    Raises:
        DiskError: In place of the OSError.
    """
    try:
        yield
    except OSError as error:  # of any kind: there may also be a folder of this name
        if find_gone(error, path.parent):
            raise DiskError(
                f"{path} cannot be written: its folder was removed or renamed meanwhile. The same command writes it again."
            ) from error
        raise DiskError(
            f"{path} cannot be written ({error.strerror or error}): make room, or choose another output_dir."
        ) from error


def _free_bytes(folder: Path) -> int:
    """Free space on the disk of a folder that may not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _size(count: int) -> str:
    return f"{count / MEBIBYTE:,.1f} MiB"
