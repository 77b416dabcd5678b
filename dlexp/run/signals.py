"""Handle SIGTERM, SIGINT and SIGUSR1: a run finishes its step and saves its state; a second signal ends the process.

A step that hangs is ended too, because schedulers kill the process some time after the signal (SLURM and Kubernetes: 30 s).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
RESUMABLE = 75  # EX_TEMPFAIL: the same command goes on
GRACE = 25.0  # seconds from the first signal to a forced end

_requested: signal.Signals | None = None
_deferred = False
_is_worker = False


def listen(*, is_worker: bool = False) -> None:
    """Install the handlers for SIGTERM, SIGINT and SIGUSR1.

    Args:
        is_worker: Whether this process executes runs for a command. Such a process ignores SIGINT, which a terminal sends to it
            and to the command: the command asks it to stop. A signal that reaches it in two ways does not end it at once.
    """
    global _is_worker
    _is_worker = is_worker
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if is_worker and number == signal.SIGINT else _handle)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # A signal to a data-loader worker must not write into this process's pipe.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    Thread(target=_end_hanging_process, args=(reader,), daemon=True).start()


def requested() -> signal.Signals | None:
    """The signal that has asked to stop, or None."""
    return _requested


@contextmanager
def deferred() -> Iterator[None]:
    """Within this context the first signal sets a flag; outside it raises KeyboardInterrupt, as there is nothing to save."""
    global _deferred
    _deferred = True
    try:
        yield
    finally:
        _deferred = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Within this context an interrupt (Ctrl-C, or the stop button of a notebook) asks to stop, as in a command.

    A second interrupt raises KeyboardInterrupt at once. Afterwards the handler is the one from before. In a thread other than
    the main one this does nothing, because Python delivers signals to the main thread.
    """
    global _requested
    if current_thread() is not main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        _requested = None


def _interrupt(number: int, _: FrameType | None) -> None:
    global _requested
    is_second, _requested = _requested is not None, signal.Signals(number)
    if is_second or not _deferred:
        raise KeyboardInterrupt


def requeue() -> str | None:
    """Under SLURM, put this job, or this task of a job array, back into the queue if a signal stopped it.

    Returns:
        A message for the user, or None.
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


def _end_hanging_process(reader: int) -> None:
    """End the process `GRACE` seconds after a signal, whatever it is doing.

    Python calls `_handle` only between two of its own instructions, so never while a call into C hangs, such as a GPU driver's.
    """
    global _requested
    number = 0
    while number not in SIGNALS:
        number = os.read(reader, 1)[0]
    time.sleep(GRACE)
    _requested = _requested or signal.Signals(number)
    message = f"Not ended {GRACE:g} s after {_requested.name}: ended without saving. The same command goes on."
    if _is_worker:  # whose streams may lead to a command that has ended
        print(message, file=sys.__stderr__, flush=True)
    else:
        print(message, requeue() or "", file=sys.stderr, flush=True)
    os._exit(RESUMABLE)


def _handle(number: int, _: FrameType | None) -> None:
    global _requested
    if _requested is not None:
        if _is_worker:
            return
        os._exit(RESUMABLE)
    _requested = signal.Signals(number)
    if not _deferred:
        raise KeyboardInterrupt
