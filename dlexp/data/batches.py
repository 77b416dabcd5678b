"""Which examples come when: a pure function of (seed, epoch), whatever the loader."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from dlexp.contract import Augment, Dataset, Split
from dlexp.data.random_streams import generator

# Examples by kind of device: small enough for a CPU's cache, large enough to fill a GPU.
EVALUATION_BATCH = {"cpu": 128, "cuda": 512}
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
            inputs, targets = augment(inputs, targets, change)
            yield scale(inputs), targets

    return batches


def evaluation_batches(load: Loader, scale: Scale, num_examples: int, device: torch.device) -> Callable[[], Iterator[Batch]]:
    """All examples of a split, once, in their order."""
    indices = list(torch.arange(num_examples).split(EVALUATION_BATCH[device.type]))

    def batches() -> Iterator[Batch]:
        for inputs, targets in load(indices):
            yield scale(inputs), targets

    return batches
