"""Write files so that a reader finds all of the new content or all of the old, even after a crash.

Nothing is written through a link: each file is made new under a name that cannot be guessed, and then renamed, or is opened for
appending only if it is a regular file. Also reads files of unknown origin, and those in which the operating system reports
something.
"""

import errno
import os
import platform
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, TextIO

from dlexp.machine.locks import fails_to_lock, is_locked, locking_folder
from dlexp.machine.notices import notify_once

Content = str | bytes | memoryview

MAX_JSON_BYTES = 2**22  # of a JSON file that training writes: a thousand times its usual size, ten times that of a large study
MAX_NAME = 32  # characters of a file's name in that of its temporary file, so that a long name does not get too long
CANNOT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # CIFS and some FUSE file systems, for folders
STILL_OPEN = ".nfs"  # NFS gives this name to a file that was removed and that a process has open; it goes when that closes it
LOCK_SECONDS = 5.0  # to wait for another process that replaces a set of files, which takes milliseconds


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a new file in the folder of `path`; it replaces `path` when the block ends without an error.

    A link at `path` is replaced too, and the file behind it stays as it is. Temporary files that killed processes of this
    machine have left in the folder are removed.

    Args:
        path: The file to write.
        durable: Whether to flush the content to the disk before returning, so that it also survives a power failure.
    """
    _remove_leftovers(path.parent)
    temporary = path.with_name(f".{path.name[:MAX_NAME]}.{platform.node()}.{os.getpid()}.{os.urandom(8).hex()}.tmp")
    file = temporary.open("xb")  # fails if there is anything by this name, also a link
    try:
        with file:
            fails_to_lock(file.fileno())  # shows that this process lives; where there are no locks, its number does
            yield file
            file.flush()
            if durable:
                _flush_to_disk(file.fileno(), path)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def write_whole(path: Path, content: Content, *, durable: bool = False) -> Path:
    """Write text (as UTF-8) or bytes through `replacing`; returns `path`."""
    with replacing(path, durable=durable) as file:
        file.write(_encode(content))
    return path


def write_set(contents: Mapping[Path, Content], *, unfinished: Mapping[Path, Content], obsolete: Iterable[Path] = ()) -> None:
    """Replace files that belong together. After an interruption they are the old ones, the new ones, or say they are neither.

    All is written before the first file is replaced, so that a full disk leaves the old set. Of two processes that write the
    same set, one waits for the other.

    Args:
        contents: The files, in existing folders.
        unfinished: The files from which the set is read → what they hold until all others are replaced.
        obsolete: Files of the old set that the new one lacks.
    """
    with locking_folder(next(iter(unfinished)).parent, LOCK_SECONDS), ExitStack() as last, ExitStack() as others:
        with ExitStack() as first:
            for path, content in unfinished.items():
                _stage(path, content, first)
            for path, content in contents.items():
                _stage(path, content, last if path in unfinished else others)
        for path in obsolete:
            path.unlink(missing_ok=True)


def _stage(path: Path, content: Content, stack: ExitStack) -> None:
    """Write a file that replaces `path` when `stack` ends."""
    file = stack.enter_context(replacing(path))
    file.write(_encode(content))
    file.flush()


def make_own_folder(path: Path) -> None:
    """Make a folder for files of dlexp alone. A link in its place is removed, because it leads to files of others."""
    if path.is_symlink():
        path.unlink()
    path.mkdir(parents=True, exist_ok=True)


def open_to_append(path: Path) -> TextIO:
    """Open a text file for appending, in UTF-8 and with line ends as they are written; it is made if there is none.

    Raises:
        OSError: If it is no regular file, or a link, or a file that has another name too, or if it cannot be opened.
    """
    file = open(path, "a", encoding="utf-8", newline="", opener=_open_no_link)  # noqa: SIM115
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
        file.close()
        raise OSError(errno.ELOOP, "It is a link or no regular file, and nothing is written through links", str(path))
    return file


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _encode(content: Content) -> bytes | memoryview:
    return content.encode() if isinstance(content, str) else content


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of dead processes of this machine. One that is a link is removed, and not followed."""
    pattern = re.compile(rf"\..+\.{re.escape(platform.node())}\.(\d{{1,9}})\.[0-9a-f]{{16}}\.tmp", re.DOTALL)
    for name in os.listdir(folder):
        found = pattern.fullmatch(name) if name.endswith(".tmp") else None
        if found and not is_alive(int(found[1])) and not is_locked(folder / name):
            with suppress(OSError):  # another process has removed it, or it is another user's
                (folder / name).unlink()


def open_regular_file(path: Path) -> BufferedReader:
    """Open a file of unknown origin for reading. Pipes and devices are refused: they may have no end.

    Raises:
        ValueError: If it is not a regular file, or a link to one.
        OSError: If it cannot be opened.
    """
    try:
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: PTH123, SIM115  # Path.open takes no opener
    except IsADirectoryError as error:
        raise ValueError(f"{path.name} is not a regular file") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(f"{path.name} is not a regular file")
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe is open at once, and is then seen to be one


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file of unknown origin.

    Raises:
        ValueError: If it is not a regular file, or larger than `max_bytes`.
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path.name} has more than {max_bytes} bytes")
    return content


def is_removed(path: Path) -> bool:
    """Whether this is a file that was removed, and that NFS keeps under another name because a process has it open."""
    return path.name.startswith(STILL_OPEN)


def read_system_file(path: Path) -> str:
    """The content of a file in which the operating system reports something; empty if there is no such file."""
    try:
        return path.read_text()
    except OSError:
        return ""


def read_system_field(path: Path, name: str) -> str | None:
    """The value in the first line `name: value` of such a file; None if there is none."""
    fields = (line.partition(":") for line in read_system_file(path).splitlines())
    return next((value.strip() for key, _, value in fields if key.strip() == name), None)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it is another user's
    return True


def sync(path: Path) -> None:
    """Bring what was written into a file, or a folder, to the disk itself, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _flush_to_disk(descriptor, path)
    finally:
        os.close(descriptor)


def _flush_to_disk(descriptor: int, path: Path) -> None:
    """Bring an open file or folder to the disk. Where the file system cannot do this, say so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        place, kind = (path, "folders") if is_folder else (path.parent, "files")
        notify_once(
            f"{place}: this file system cannot bring {kind} to the disk ({os.strerror(error.errno)}). A run that is killed "
            "still goes on as it was, but a power failure may undo what was written last.",
            key=f"cannot sync {kind}",
        )
