"""A loader whose batches are gathered in processes of its own, for data that does not fit on the device."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from multiprocessing import active_children
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import current_thread, main_thread

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dlexp.contract import Split
from dlexp.data.batches import Batch, Loader

# That a worker may take for a batch: long enough for a busy machine, in parts that a stop of all processes outlasts only once.
WORKER_SECONDS, WORKER_TRIES = 10.0, 3


def workers(
    split: Split,
    device: torch.device,
    *,
    num_workers: int,
    persistent_workers: bool,
    pin_memory: bool,
    non_blocking: bool,
) -> Loader:
    """Torch's DataLoader, on the batches that it is told.

    Where one of them dies, raises or hangs, a RuntimeError names it when a batch is asked for, and none of them is left.
    """
    batches: list[Tensor] = []
    processes: set[BaseProcess] = set()
    loader: DataLoader = DataLoader(
        _Rows(split),  # type: ignore[arg-type]  # has what DataLoader calls
        batch_sampler=batches,  # type: ignore[arg-type]  # of tensors; read anew at each epoch
        collate_fn=_as_it_is,  # type: ignore[arg-type]  # _Rows gives whole batches
        num_workers=num_workers,
        persistent_workers=persistent_workers and num_workers > 0,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # otherwise each epoch draws from the global stream, which is dropout's
        timeout=WORKER_SECONDS if num_workers else 0,
    )

    def load(indices: list[Tensor]) -> Iterator[Batch]:
        batches[:] = indices
        with _ended(processes):
            waiting = _started(loader, processes)
        for number in count():
            with _ended(processes):
                batch = _next(waiting, number, num_workers)
            if batch is None:
                return
            inputs, targets = batch
            yield inputs.to(device, non_blocking=non_blocking), targets.to(device, non_blocking=non_blocking)

    return load


def _started(loader: DataLoader, processes: set[BaseProcess]) -> Iterator[Batch]:
    """The batches of an epoch; processes that this starts are added to those of the loader.

    Torch handles SIGCHLD: when a worker dies it raises in whatever is under way, be it the writing of a record. That is undone
    here: a dead worker is found by the one who waits for its batch.
    """
    others = set(active_children())
    handler = signal.getsignal(signal.SIGCHLD)
    waiting = iter(loader)
    if current_thread() is main_thread():  # in another, torch sets none either
        signal.signal(signal.SIGCHLD, handler)
    processes.update(set(active_children()) - others)
    return waiting


@contextmanager
def _ended(processes: set[BaseProcess]) -> Iterator[None]:
    """Where what is done fails: end a loader's workers, and name those that were killed."""
    try:
        yield
    except Exception as error:
        ended = wait([process.sentinel for process in processes], timeout=1)  # a connection may break before its process ends
        for process in processes:
            process.join(1 if process.sentinel in ended else 0)
        codes = {process.pid: process.exitcode or 0 for process in processes}
        killed = " and ".join(f"{pid} by signal {-code}" for pid, code in codes.items() if code < 0)
        for process in processes:  # torch would ask them to end, and wait for those that hang
            process.kill()
            process.join()
        processes.clear()
        if killed:
            raise RuntimeError(f"DataLoader worker killed: process {killed}.") from error
        raise


def _next(waiting: Iterator[Batch], number: int, num_workers: int) -> Batch | None:
    """The batch of this number, counted from 0; None after the last. A process that was stopped for a while may ask again."""
    for _ in range(WORKER_TRIES):
        try:
            return next(waiting, None)
        except RuntimeError as error:
            if "timed out" not in str(error):
                raise
    seconds = WORKER_TRIES * WORKER_SECONDS
    # Batches are dealt to the workers in turn.
    raise RuntimeError(f"DataLoader worker {number % num_workers} has not given batch {number + 1} within {seconds:g} s.")


class _Rows:
    """A split from which DataLoader fetches a whole batch at once."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.targets)

    def __getitems__(self, index: Tensor) -> Batch:
        return self.split.inputs[index], self.split.targets[index]


def _as_it_is(batch: Batch) -> Batch:
    return batch
