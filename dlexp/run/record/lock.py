"""Lock a run, so that two processes never work on the same one."""

import errno
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

from dlexp.config import plain_json
from dlexp.config.plain_json import FormError
from dlexp.config.values import make_printable
from dlexp.errors import HeldError, MovedError
from dlexp.machine.files import is_alive, make_own_folder, write_whole
from dlexp.machine.locks import LockedFile, try_lock_file
from dlexp.machine.notices import notify_once
from dlexp.run.record.folder import now
from dlexp.run.record.forms import Holder
from dlexp.run.record.layout import LOCKS

HOLDER_SECONDS = 2.0  # time that a new holder of the lock may take to write its file
SILENT_SECONDS = 300.0  # without locks: a holder on another machine that has written nothing for so long may be dead
NO_OPEN = (errno.ELOOP, errno.EISDIR, errno.ENXIO)  # what is in the place of the lock file is none


class Hold:
    """A run that this process holds.

    Args:
        file: Its lock file.
        owner: The file that names the holder.
        claim: What this process wrote there.
    """

    def __init__(self, file: LockedFile, owner: Path, claim: Mapping[str, Any]) -> None:
        self.file, self.owner, self.claim = file, owner, claim

    def check(self) -> None:
        """Check that no other process can have begun with the run. Cheap; called before anything of the run is written.

        Where the file system has no locks, this is also the sign of life for processes on other machines.

        Raises:
            MovedError: If the lock file is gone or was replaced.
            HeldError: If, without locks, another process has taken the run.
        """
        claimed = _read(self.owner) if self.file.problem else self.claim
        if not self.file.is_in_place() or not claimed:
            raise MovedError(
                f"{make_printable(str(self.file.path))} was removed while the run was executed: another process may have begun "
                "with it. Nothing more was written. The same command goes on from the last saved state."
            )
        if claimed != self.claim:
            raise HeldError(f"This process stopped, because {_describe(claimed)} has begun with the run.")
        if self.file.problem:
            os.utime(self.owner)


@contextmanager
def hold(study_folder: Path, identity: str) -> Iterator[Hold]:
    """Lock one run against every other process. The operating system releases the lock when this process ends, however it ends.

    Where the file system has no locks, the run is held by what the holder writes beside the lock file: a living process of this
    machine holds it, and so does one of another machine until it has written nothing for `SILENT_SECONDS`.

    Raises:
        HeldError: If another process has the lock, with the name of that process.
        MovedError: If a link, or what is no file, is in the place of the lock file.
    """
    locks = study_folder / LOCKS
    make_own_folder(locks)
    owner = locks / f"{identity}.json"
    file = _lock(locks / f"{identity}.lock", identity)
    if file is None and not (holder := _read_holder(owner)):
        file = _lock(locks / f"{identity}.lock", identity)  # a process may just have asked who holds the run
    if file is None:
        raise HeldError(f"Run {identity} is held by {_describe(holder)}.")
    claim = {"pid": os.getpid(), "host": platform.node(), "since": now(), "start": os.urandom(8).hex()}
    try:
        if file.problem:
            _check_claim(owner, identity)
            notify_once(
                f"{make_printable(str(locks))}: this file system has no locks ({file.problem}). Of two starts of one run "
                "in the same second, the first may be stopped by the other."
            )
        write_whole(owner, json.dumps(claim))
        yield Hold(file, owner, claim)
    finally:
        if not file.problem or _read(owner) == claim:
            with suppress(OSError):  # what is left there names a process that does not hold the lock
                owner.unlink(missing_ok=True)
        file.close()


def find_holder(study_folder: Path, identity: str) -> str:
    """Who holds a run, in a sentence; empty if nobody does. The run is not taken.

    Another process that tries to take the run in the same microseconds may find it held by this one.
    """
    path, owner = study_folder / LOCKS / f"{identity}.lock", study_folder / LOCKS / f"{identity}.json"
    if not path.exists():
        return ""
    try:
        file = _lock(path, identity)
        if file is None:
            return f"Run {identity} is held by {_describe(_read_holder(owner))}."
        try:
            if file.problem:
                _check_claim(owner, identity)
        finally:
            file.close()
    except HeldError as error:
        return str(error)
    except MovedError:
        return ""  # no process holds it; who tries to take it gets the error
    return ""


def _lock(path: Path, identity: str) -> LockedFile | None:
    try:
        return try_lock_file(path)
    except OSError as error:
        if error.errno not in NO_OPEN:
            raise
        reason = "a link, which is not followed" if error.errno == errno.ELOOP else "not a file"
        raise MovedError(f"Run {identity} cannot be locked: {make_printable(str(path))} is {reason}. Remove it.") from None


def _check_claim(owner: Path, identity: str) -> None:
    """Without locks, respect what the holder has written.

    Raises:
        HeldError: If it lives, or if it is on another machine and has given a sign of life not long ago.
    """
    found = _read(owner)
    if not found:
        return
    where, place = _describe(found), make_printable(str(owner))
    if found["host"] == platform.node():
        if found["pid"] != os.getpid() and is_alive(found["pid"]):
            raise HeldError(f"Run {identity} is held by {where}. If that process is another program, remove {place}.")
    elif (silent := time() - owner.stat().st_mtime) < SILENT_SECONDS:
        raise HeldError(
            f"Run {identity} is held by {where}, and this file system has no locks that would show whether that process lives. "
            f"It is free in {SILENT_SECONDS - silent:.0f} s if nothing more is written, or when you remove {place}."
        )


def _describe(holder: Mapping[str, Any]) -> str:
    pid, host, since = (make_printable(str(holder.get(key, "?"))) for key in ("pid", "host", "since"))
    return f"process {pid} on {host} since {since}"


def _read(owner: Path) -> dict[str, Any]:
    """What a holder has written; empty if there is nothing of the kind."""
    with suppress(OSError, FormError):
        return dict(plain_json.read(owner, Holder))
    return {}


def _read_holder(owner: Path) -> dict[str, Any]:
    """The process that holds the lock. Waits briefly, because a new holder may not have replaced the file of a dead one yet."""
    end = monotonic() + HOLDER_SECONDS
    while monotonic() < end:
        holder = _read(owner)
        if holder and (holder["host"] != platform.node() or is_alive(holder["pid"])):
            return holder
        sleep(0.01)
    return {}
