"""A request to stop: by SIGTERM, SIGINT or SIGUSR1. A run finishes its step and saves; a second request ends the process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
RESUMABLE = 75  # EX_TEMPFAIL: the same command goes on

_requested: signal.Signals | None = None
_deferred = False


def listen() -> None:
    """Take the signals from now on."""
    for number in SIGNALS:
        signal.signal(number, _request)


def requested() -> signal.Signals | None:
    """The signal that asked to stop, if one did."""
    return _requested


@contextmanager
def deferred() -> Iterator[None]:
    """Inside, a first signal is only noted; outside it raises KeyboardInterrupt, as there is nothing to save."""
    global _deferred
    _deferred = True
    try:
        yield
    finally:
        _deferred = False


def _request(number: int, _: FrameType | None) -> None:
    global _requested
    if _requested is not None:
        os._exit(RESUMABLE)
    _requested = signal.Signals(number)
    if not _deferred:
        raise KeyboardInterrupt
