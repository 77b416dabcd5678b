"""The one place where exceptions become messages and exit codes. Loads no torch."""

import sys
from collections.abc import Callable

from dlexp.config.values import make_printable, show_path
from dlexp.errors import INTERRUPTED, CheckpointError, ConfigError, DatasetError, DiskError, HeldError
from dlexp.run import signals

OUT_OF_MEMORY = 8  # exit code, which a run has too
ADVICE = "Take fewer or smaller data, or a machine with more."
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
        if _is_out_of_memory(error):
            return _fail(OUT_OF_MEMORY, f"Memory does not suffice: {error or type(error).__name__}. {ADVICE}")
        if isinstance(error, UnicodeEncodeError):
            text = make_printable(str(error.object)[error.start : error.end])
            return _fail(2, f"{text} cannot be written in {error.encoding}, the encoding of this terminal: set PYTHONUTF8=1.")
        if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
            return _fail(1, f"{show_path(str(error.filename))}: {error.strerror}.")
        raise


def _is_out_of_memory(error: BaseException) -> bool:
    """The same as of dlexp/machine/memory.py, which loads torch."""
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from dlexp.machine.memory import is_out_of_memory

    return is_out_of_memory(error)


def _fail(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code
