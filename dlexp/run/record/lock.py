"""Lock a run, so that two processes never work on the same one."""

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from filelock import FileLock, Timeout

from dlexp.config import plain_json
from dlexp.config.plain_json import FormError
from dlexp.config.values import make_printable
from dlexp.errors import HeldError
from dlexp.machine.files import is_alive, make_own_folder, write_whole
from dlexp.run.record.folder import now
from dlexp.run.record.forms import Holder

HOLDER_SECONDS = 2.0  # time that a new holder of the lock may take to write its file


@contextmanager
def hold(study_folder: Path, identity: str) -> Iterator[None]:
    """Lock one run against every other process. The operating system releases the lock when this process ends, however it ends.

    Raises:
        HeldError: If another process has the lock, with the name of that process, or if the lock is a link.
    """
    locks = study_folder / ".locks"
    make_own_folder(locks)
    lock, owner = FileLock(locks / f"{identity}.lock"), locks / f"{identity}.json"
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = _read_holder(owner)
        pid, host, since = (make_printable(str(holder.get(key, "?"))) for key in ("pid", "host", "since"))
        raise HeldError(f"Run {identity} is held by process {pid} on {host} since {since}.") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise HeldError(
            f"Run {identity} is not locked: {lock.lock_file} is a link, which is not followed. Remove it."
        ) from None
    try:
        write_whole(owner, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now()}))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _read_holder(owner: Path) -> dict[str, Any]:
    """The process that holds the lock. Waits briefly, because a new holder may not have replaced the file of a dead one yet."""
    end = monotonic() + HOLDER_SECONDS
    while monotonic() < end:
        with suppress(OSError, FormError):
            holder = plain_json.read(owner, Holder)
            if holder["host"] != platform.node() or is_alive(holder["pid"]):
                return holder
        sleep(0.01)
    return {}
