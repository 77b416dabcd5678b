"""Where a line goes that nobody asked for, such as that of a download. Loads no torch."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

_silent: ContextVar[TextIO | None] = ContextVar("silent", default=None)


def notice_stream() -> TextIO:
    """Standard error; within `silenced`, a file that keeps nothing."""
    return _silent.get() or sys.stderr


@contextmanager
def silenced() -> Iterator[None]:
    """Within this context no such line is shown."""
    with open(os.devnull, "w") as nothing:
        token = _silent.set(nothing)
        try:
            yield
        finally:
            _silent.reset(token)
