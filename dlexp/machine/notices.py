"""Lines that nobody asked for, such as that of a download: on standard error, or nowhere. Loads no torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_silent: ContextVar[bool] = ContextVar("silent", default=False)


def notify(text: str, *, end: str = "\n") -> None:
    """Print a text on standard error, unless within `silenced`."""
    if not _silent.get():
        print(text, end=end, file=sys.stderr, flush=True)


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
