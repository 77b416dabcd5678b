"""Use the process of a notebook or a script for a while, and leave it as it was."""

import os
import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dlexp.config.lab import Lab, find_lab
from dlexp.config.options import current_lab, use_lab
from dlexp.machine.notices import silenced

# Torch's threads, flags and random numbers are those of the process, so one thread at a time sets them.
_lock = threading.RLock()


def _renew_lock() -> None:
    """Give a forked process a lock of its own: the thread that holds this one may not be in it."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def borrowing_process(lab: Lab | None) -> Iterator[None]:
    """Within this context dlexp may set the process up for a run. Afterwards it is as before.

    That is: torch's threads, flags and random numbers, those of Python and numpy, the handlers of signals, the filters of
    warnings, and the lab in use. What dlexp prints on standard error by itself is left out. Other threads wait for each other.

    Args:
        lab: The lab to use, or None.
    """
    from dlexp.machine.device import restoring_torch
    from dlexp.run.signals import interruptible

    with _lock, silenced(), using_lab(lab), restoring_torch(), _restoring_random(), warnings.catch_warnings(), interruptible():
        yield


@contextmanager
def using_lab(lab: Lab | None) -> Iterator[Lab | None]:
    """Within this context, which gives the lab, its options are there; with None those of dlexp alone."""
    with _lock:
        before = current_lab()
        if lab is not None or before is not None:
            use_lab(lab)
        try:
            yield lab
        finally:
            if lab is not None or before is not None:
                use_lab(before)


def choose_lab(lab: str | Path | None) -> Lab | None:
    """The lab in a folder; for None that of `DLEXP_LAB`, or the current folder if it is a lab that the user trusts.

    Raises:
        ConfigError: If there is none in the folder, or if there is something wrong with it.
    """
    return find_lab(None if lab is None else str(Path(lab) / "conf"), may_ask=False)


@contextmanager
def _restoring_random() -> Iterator[None]:
    """Within this context Python's and numpy's global random numbers may change."""
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
