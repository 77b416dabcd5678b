"""A request to stop: by SIGTERM, SIGINT or SIGUSR1. A run finishes its step and saves; a second request ends the process.

So does a step that does not end: schedulers kill what is left after a while, SLURM and Kubernetes after 30 s.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
RESUMABLE = 75  # EX_TEMPFAIL: the same command goes on
GRACE = 25.0  # s from a request to the end

_requested: signal.Signals | None = None
_deferred = False


def listen() -> None:
    """Take the signals from now on."""
    for number in SIGNALS:
        signal.signal(number, _request)
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # what a loader's worker is told is none of ours
    Thread(target=_watch, args=(told,), daemon=True).start()


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


def requeue() -> str | None:
    """Under SLURM, put this job, or this task of a job array, back into the queue if a signal stopped it.

    Returns:
        What to tell the user; None where there is nothing to tell.
    """
    if "SLURM_JOB_ID" not in os.environ or _requested not in (signal.SIGTERM, signal.SIGUSR1):
        return None
    names = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    parts = [os.environ[name] for name in names] if all(name in os.environ for name in names) else [os.environ["SLURM_JOB_ID"]]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return f"SLURM gives the job id {'_'.join(parts)!r}, which is none: not requeued."
    job = "_".join(parts)
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return f"Job {job} could not be requeued ({error}): the same command goes on."
    return f"Job {job} is requeued."


def _watch(told: int) -> None:
    """End the process some time after a request, whatever it does.

    Python runs `_request` between two of its own instructions only: never while a call hangs, into a GPU's driver for instance.
    """
    global _requested
    number = 0
    while number not in SIGNALS:
        number = os.read(told, 1)[0]
    time.sleep(GRACE)
    _requested = _requested or signal.Signals(number)
    message = f"Not ended {GRACE:g} s after {_requested.name}: ended without saving. The same command goes on."
    print(message, requeue() or "", file=sys.stderr, flush=True)
    os._exit(RESUMABLE)


def _request(number: int, _: FrameType | None) -> None:
    global _requested
    if _requested is not None:
        os._exit(RESUMABLE)
    _requested = signal.Signals(number)
    if not _deferred:
        raise KeyboardInterrupt
