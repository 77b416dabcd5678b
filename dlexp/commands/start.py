"""Start a command in a process of its own: what each of them needs, whoever starts it. The command is loaded last."""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from dlexp.errors import INTERRUPTED
from dlexp.machine.printing import guard_streams


def start(name: str, entry: str) -> NoReturn:
    """Run a command with the arguments of this process, and end the process with its exit code.

    Args:
        name: Of the module in this folder; `main` for the command `dlexp`, whose first argument names another.
        entry: How the user started it, as in dlexp/config/entry.py.
    """
    run(lambda: import_module(f"dlexp.commands.{name}").main(sys.argv[1:]), entry)


def run(main: Callable[[], int], entry: str) -> NoReturn:
    """Call `main`, turn what goes wrong into a message, and end the process with the exit code.

    Args:
        main: Loads what it needs itself, so that an interrupt is answered from the beginning.
        entry: As in `start`.
    """
    try:
        _open_closed_streams()
        guard_streams()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command in silence
        from dlexp.commands.attempt import attempt
        from dlexp.config.entry import set_entry
        from dlexp.machine.process import run_command

        set_entry(entry)
        run_command(lambda: attempt(main))
    except KeyboardInterrupt:  # while these modules were loaded
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _open_closed_streams() -> None:
    """Open /dev/null in place of a standard stream that is closed: else the next file would get its number, and all output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
