"""Which examples come when: a pure function of (seed, epoch), whatever the loader."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count, repeat
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dlexp.contract import Augment, Dataset, Split
from dlexp.stream import generator

# Examples by kind of device: small enough for a CPU's cache, large enough to fill a GPU.
EVALUATION_BATCH = {"cpu": 128, "cuda": 512}
# That a worker may take for a batch: long enough for a busy machine, in parts that a stop of all processes outlasts only once.
WORKER_SECONDS, WORKER_TRIES = 10.0, 3
Batch = tuple[Tensor, Tensor]
Loader = Callable[[list[Tensor]], Iterable[Batch]]
"""Takes the indices of each batch of an epoch and yields those raw (inputs, targets), on the device."""


@runtime_checkable
class Epochs(Protocol):
    """The batches of any epoch, counted from 1, from the batch `first` on, counted from 0."""

    def __call__(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Made anew at each call."""
        ...


def order(seed: int, epoch: int, num_examples: int) -> Tensor:
    """A permutation of the examples, int64 [N] on the CPU: the same for every arm of a comparison."""
    return torch.randperm(num_examples, generator=generator(seed, "order", epoch))


def steps_per_epoch(num_examples: int, batch_size: int, *, drop_last: bool) -> int:
    """Number of batches of one epoch."""
    return num_examples // batch_size if drop_last else -(-num_examples // batch_size)


def resident(split: Split, device: torch.device) -> Loader:
    """A loader whose whole split lies on the device, and is gathered there."""
    inputs, targets = split.inputs.to(device), split.targets.to(device)

    def load(indices: list[Tensor]) -> Iterator[Batch]:
        if device.type != "cpu":  # one copy to the device an epoch
            indices = list(torch.cat(indices).to(device).split([len(index) for index in indices]))
        for batch in indices:
            yield inputs.index_select(0, batch), targets.index_select(0, batch)

    return load


def workers(
    split: Split,
    device: torch.device,
    *,
    num_workers: int,
    persistent_workers: bool,
    pin_memory: bool,
    non_blocking: bool,
) -> Loader:
    """A loader for data that does not fit on the device: torch's DataLoader gathers batches in processes of its own.

    Where one of them dies, raises or hangs, a RuntimeError names it, and none of them is left.
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
        others = set(active_children())
        waiting = iter(loader)
        processes.update(set(active_children()) - others)
        for number in count():
            try:
                batch = _next(waiting, number, num_workers)
            except Exception:
                _end(processes)
                raise
            if batch is None:
                return
            inputs, targets = batch
            yield inputs.to(device, non_blocking=non_blocking), targets.to(device, non_blocking=non_blocking)

    return load


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


def _end(processes: set[BaseProcess]) -> None:
    """Kill what is left of a loader's workers; torch would ask them to end, and wait for those that hang."""
    for process in processes:
        while process.is_alive():
            with suppress(RuntimeError):  # torch raises one in whatever is under way when a worker dies
                process.kill()
                process.join()
    processes.clear()


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


class Scale:
    """What stands between a raw batch and the model: `(inputs - shift) * factor` as float32, in the model's memory layout."""

    def __init__(self, dataset: Dataset, device: torch.device, memory_format: torch.memory_format) -> None:
        self.shift, self.factor = dataset.shift.to(device), dataset.factor.to(device)
        self.memory_format = memory_format

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scale one batch."""
        return inputs.sub(self.shift).mul_(self.factor).contiguous(memory_format=self.memory_format)


def training_batches(
    load: Loader,
    scale: Scale,
    augment: Augment,
    *,
    num_examples: int,
    batch_size: int,
    drop_last: bool,
    seed: int,
    device: torch.device,
) -> Epochs:
    """The batches of any epoch, shuffled, augmented and scaled; every example once, the short last batch too unless dropped."""

    def batches(epoch: int, first: int = 0) -> Iterator[Batch]:
        shuffled = order(seed, epoch, num_examples)
        # Drawn by example, not by place in the epoch: another batch size or order gives an example the same change.
        parameters = augment.parameters(num_examples, seed, epoch)[shuffled].to(device)
        indices = list(shuffled.split(batch_size))
        if drop_last and len(indices[-1]) < batch_size:
            indices.pop()
        changes = parameters.split(batch_size)[first:] if parameters.numel() else repeat(parameters)
        rest = load(indices[first:]) if indices[first:] else ()
        for (inputs, targets), change in zip(rest, changes, strict=False):
            yield scale(augment(inputs, change)), targets

    return batches


def evaluation_batches(load: Loader, scale: Scale, num_examples: int, device: torch.device) -> Callable[[], Iterator[Batch]]:
    """All examples of a split, once, in their order."""
    indices = list(torch.arange(num_examples).split(EVALUATION_BATCH[device.type]))

    def batches() -> Iterator[Batch]:
        for inputs, targets in load(indices):
            yield scale(inputs), targets

    return batches
