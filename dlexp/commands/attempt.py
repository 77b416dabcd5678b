"""The one place where exceptions become messages and exit codes. Loads no torch."""

import sys
from collections.abc import Callable

from dlexp.config.values import show_path
from dlexp.errors import INTERRUPTED, CheckpointError, ConfigError, DatasetError, DiskError, HeldError
from dlexp.run import signals

ERRORS = {ConfigError: 2, HeldError: 3, CheckpointError: 4, DiskError: 5, DatasetError: 7}


def attempt(work: Callable[[], int]) -> int:
    """Do the work of a command, and turn what goes wrong into a message and an exit code; docs/runs.md lists them."""
    try:
        return work()
    except (KeyboardInterrupt, Exception) as error:
        # An interrupted library may raise another error. A full disk is an error even if a stop was requested.
        if signals.requested() and not isinstance(error, DiskError):
            if message := signals.requeue():
                print(message, file=sys.stderr)
            return _fail(signals.RESUMABLE, "Interrupted. The same command goes on.")
        if isinstance(error, KeyboardInterrupt):
            return _fail(INTERRUPTED, "Interrupted.")
        for kind, code in ERRORS.items():
            if isinstance(error, kind):
                return _fail(code, str(error))
        if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
            return _fail(1, f"{show_path(str(error.filename))}: {error.strerror}.")
        raise


def _fail(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code
