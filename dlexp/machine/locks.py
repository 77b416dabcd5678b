"""Lock files and folders against other processes, also where the file system has no locks.

The operating system releases a lock when its process ends, however it ends.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from dlexp.machine.notices import notify_once

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}  # NFS without lockd, Lustre, some FUSE
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
WAIT_SECONDS = 0.05

_open_locks: set[int] = set()  # descriptors


class LockedFile(NamedTuple):
    """A file that this process has opened to lock it.

    Args:
        path: Its path.
        descriptor: Of the open file.
        problem: Why it is not locked, in the words of the system: the file system has no locks. Empty if it is locked.
    """

    path: Path
    descriptor: int
    problem: str = ""

    def is_in_place(self) -> bool:
        """Whether it is still this file that lies at the path: another process locks the one that lies there."""
        return is_at(self.path, self.descriptor)

    def close(self) -> None:
        """Release the lock. The file stays, because another process may have opened it to wait for the lock."""
        if self.descriptor in _open_locks:  # it is not in a process that was forked while this one had the lock
            _open_locks.remove(self.descriptor)
            os.close(self.descriptor)


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file or folder is the one at this path, and not one that was removed, renamed or replaced."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError as error:
        if error.errno in GONE:
            return False
        raise


def try_lock_file(path: Path) -> LockedFile | None:
    """Lock a file, which is made if there is none; None if another process has it locked.

    Raises:
        OSError: If it cannot be opened, with ELOOP if it is a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        file = LockedFile(path, os.open(path, flags, 0o666))
        try:
            problem = _lock(file.descriptor)
            found = problem is not None and file.is_in_place()
        except BaseException:
            os.close(file.descriptor)
            raise
        if problem is not None and found:
            _open_locks.add(file.descriptor)
            return file._replace(problem=problem)
        os.close(file.descriptor)
        if problem is None:
            return None  # else the file was removed before it was locked: lock the one that is there now


@contextmanager
def locking_file(path: Path) -> Iterator[None]:
    """Wait until no other process has this file locked, and lock it. Where there are no locks, say so, and wait for nothing.

    Raises:
        OSError: If it cannot be opened.
    """
    while (file := try_lock_file(path)) is None:
        sleep(WAIT_SECONDS)
    if file.problem:
        notify_once(f"{path.parent}: this file system has no locks ({file.problem}): two processes may do the same work here.")
    try:
        yield
    finally:
        file.close()


@contextmanager
def locking_folder(folder: Path, seconds: float) -> Iterator[None]:
    """Wait until no other process has this folder locked, for so many seconds at most, and lock it.

    It makes no file. Where the file system has no locks, nothing waits.
    """
    end = monotonic() + seconds
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while fails_to_lock(descriptor) and monotonic() < end:
            sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process has this file locked."""
    try:
        descriptor = _open_existing(path)
    except OSError:
        return False
    try:
        return fails_to_lock(descriptor)
    finally:
        os.close(descriptor)


def _open_existing(path: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | flags)  # NFS locks only what is open for writing
    except OSError:
        return os.open(path, os.O_RDONLY | flags)


def fails_to_lock(descriptor: int) -> bool:
    """Lock an open file or folder, and return whether that failed because another process has it locked."""
    try:
        return _lock(descriptor) is None
    except OSError:
        return False


def _lock(descriptor: int) -> str | None:
    """Lock an open file or folder.

    Returns:
        An empty text; None if another process has it locked; or why the file system cannot lock it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # EACCES is what some network file systems say
        return None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return os.strerror(error.errno)
    return ""


def _close_in_child() -> None:
    """A forked process, such as a loader's worker, must not keep the locks of one that dies."""
    for descriptor in _open_locks:
        with suppress(OSError):
            os.close(descriptor)
    _open_locks.clear()


os.register_at_fork(after_in_child=_close_in_child)
