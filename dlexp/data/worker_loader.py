"""A loader that gathers batches in worker processes, for data that does not fit on the device."""

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

# A worker has WORKER_TRIES times WORKER_SECONDS for one batch: enough on a busy machine. There are several timeouts because a
# process that was stopped (SIGSTOP) and continued finds the current one expired.
WORKER_SECONDS, WORKER_TRIES = 10.0, 3


def make_worker_loader(
    split: Split,
    device: torch.device,
    *,
    num_workers: int,
    persistent_workers: bool,
    pin_memory: bool,
    non_blocking: bool,
) -> Loader:
    """Make a loader from torch's DataLoader.

    If a worker dies, raises or hangs, the request for its batch raises a RuntimeError that names it, and all workers are ended.

    Args:
        split: The examples.
        device: The device to copy batches to.
        num_workers: Number of worker processes; 0: batches are gathered in this process.
        persistent_workers: Whether the workers live for the whole run; false: for one epoch.
        pin_memory: Whether batches are put into page-locked memory.
        non_blocking: Whether the copy to the device runs in the background.
    """
    batches: list[Tensor] = []
    processes: set[BaseProcess] = set()
    loader: DataLoader = DataLoader(
        _Rows(split),  # type: ignore[arg-type]  # has the methods that DataLoader calls
        batch_sampler=batches,  # type: ignore[arg-type]  # tensors; DataLoader reads the list in each epoch
        collate_fn=_identity,  # type: ignore[arg-type]  # _Rows returns whole batches
        num_workers=num_workers,
        persistent_workers=persistent_workers and num_workers > 0,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # by default each epoch draws from the global stream, which dropout uses
        timeout=WORKER_SECONDS if num_workers else 0,
    )

    def load(indices: list[Tensor]) -> Iterator[Batch]:
        batches[:] = indices
        with _end_on_error(processes):
            iterator = _start_epoch(loader, processes)
        for number in count():
            with _end_on_error(processes):
                batch = _next_batch(iterator, number, num_workers)
            if batch is None:
                return
            inputs, targets = batch
            yield inputs.to(device, non_blocking=non_blocking), targets.to(device, non_blocking=non_blocking)

    return load


def _start_epoch(loader: DataLoader, processes: set[BaseProcess]) -> Iterator[Batch]:
    """Start to iterate over an epoch, and add the worker processes that this starts to `processes`.

    Torch installs a handler for SIGCHLD that raises an error wherever the program is when a worker dies, even while it writes a
    file. This restores the previous handler: a dead worker is found when its batch is waited for.
    """
    others = set(active_children())
    handler = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    if current_thread() is main_thread():  # torch installs none in other threads
        signal.signal(signal.SIGCHLD, handler)
    processes.update(set(active_children()) - others)
    return iterator


@contextmanager
def _end_on_error(processes: set[BaseProcess]) -> Iterator[None]:
    """If the block raises an error, end the workers, and name those that were killed."""
    try:
        yield
    except Exception as error:
        ended = wait([process.sentinel for process in processes], timeout=1)  # a pipe may break before its process ends
        for process in processes:
            process.join(1 if process.sentinel in ended else 0)
        codes = {process.pid: process.exitcode or 0 for process in processes}
        killed = " and ".join(f"{pid} by signal {-code}" for pid, code in codes.items() if code < 0)
        for process in processes:  # torch would wait for workers that hang
            process.kill()
            process.join()
        processes.clear()
        if killed:
            raise RuntimeError(f"DataLoader worker killed: process {killed}.") from error
        raise


def _next_batch(iterator: Iterator[Batch], number: int, num_workers: int) -> Batch | None:
    """Wait for the batch of this number, counted from 0; None after the last."""
    for _ in range(WORKER_TRIES):
        try:
            return next(iterator, None)
        except RuntimeError as error:
            if "timed out" not in str(error):
                raise
    seconds = WORKER_TRIES * WORKER_SECONDS
    # DataLoader assigns batches to its workers in turn.
    raise RuntimeError(f"DataLoader worker {number % num_workers} has not returned batch {number + 1} within {seconds:g} s.")


class _Rows:
    """A split as a map-style data set from which DataLoader fetches a whole batch at once."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.targets)

    def __getitems__(self, index: Tensor) -> Batch:
        return self.split.inputs[index], self.split.targets[index]


def _identity(batch: Batch) -> Batch:
    return batch
