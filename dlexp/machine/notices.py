"""Lines that nobody asked for, such as that of a download: on standard error, or nowhere. Loads no torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dlexp.machine.printing import print_text

_silent: ContextVar[bool] = ContextVar("silent", default=False)
_notified: set[str] = set()


def notify(text: str, *, end: str = "\n", over: bool = False) -> None:
    """Print a text on standard error, unless within `silenced`.

    Args:
        text: The text.
        end: What follows it.
        over: Whether it is written over the present line of the terminal.
    """
    if not _silent.get():
        if over:
            print_text("\r", error=True, end="", codes=True)
        print_text(text, error=True, end=end)


def notify_once(text: str, key: str = "") -> None:
    """Print a text on standard error, at most once in a process for each key, which is the text itself if none is given."""
    if not _silent.get() and (key or text) not in _notified:
        _notified.add(key or text)
        notify(text)


def is_watched() -> bool:
    """Whether standard error is a terminal on which notices are shown."""
    return not _silent.get() and sys.stderr.isatty()


@contextmanager
def silenced() -> Iterator[None]:
    """Within this context `notify` prints nothing."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)
