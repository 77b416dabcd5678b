"""The batches of an epoch. Their order is a pure function of seed and epoch, with any loader."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from dlexp.contract import Augment, Dataset, Split
from dlexp.data.preprocessing import Preprocessing
from dlexp.data.random_streams import make_generator

# Batch size of an evaluation by device type: small enough for a CPU's cache, large enough to fill a GPU.
EVALUATION_BATCH = {"cpu": 128, "cuda": 512}
Batch = tuple[Tensor, Tensor]
Loader = Callable[[list[Tensor]], Iterable[Batch]]
"""Takes the example indices of each batch, and yields these batches of raw (inputs, targets) on the device."""


@runtime_checkable
class TrainingBatches(Protocol):
    """The training batches of any epoch."""

    def __call__(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of an epoch (from 1), beginning with the batch number `first` (from 0)."""
        ...


def draw_order(seed: int, epoch: int, num_examples: int) -> Tensor:
    """Draw a permutation of the examples, int64 [N] on the CPU. It is the same for all models."""
    return torch.randperm(num_examples, generator=make_generator(seed, "order", epoch))


def draw_balanced_order(seed: int, epoch: int, targets: Tensor) -> Tensor:
    """Draw as many examples as there are, each class equally often, in random order, int64 [N] on the CPU.

    Within a class, all examples are drawn before one is drawn again. Where N is no multiple of the number of classes, some
    classes come once more than others; which ones is drawn in each epoch.

    Args:
        seed: Of the run.
        epoch: From 1.
        targets: Labels, int64 [N].
    """
    generator, num_examples = make_generator(seed, "order", epoch), len(targets)
    labels = targets.unique()
    each, more = divmod(num_examples, len(labels))
    numbers = torch.full((len(labels),), each)
    numbers[torch.randperm(len(labels), generator=generator)[:more]] += 1
    drawn: list[Tensor] = []
    for label, number in zip(labels, numbers.tolist(), strict=True):
        examples = (targets == label).nonzero()[:, 0]
        rounds = [examples[torch.randperm(len(examples), generator=generator)] for _ in range(-(-number // len(examples)))]
        drawn.append(torch.cat(rounds)[:number])
    return torch.cat(drawn)[torch.randperm(num_examples, generator=generator)]


def count_batches(num_examples: int, batch_size: int, *, drop_last: bool) -> int:
    """Count the batches of one epoch."""
    return num_examples // batch_size if drop_last else -(-num_examples // batch_size)


def make_resident_loader(split: Split, device: torch.device) -> Loader:
    """Copy the whole split to the device, and return a loader that gathers batches there."""
    inputs, targets = split.inputs.to(device), split.targets.to(device)

    def load(indices: list[Tensor]) -> Iterator[Batch]:
        if device.type != "cpu":  # copy the indices of the epoch at once
            indices = list(torch.cat(indices).to(device).split([len(index) for index in indices]))
        for batch in indices:
            yield inputs.index_select(0, batch), targets.index_select(0, batch)

    return load


class InputScaling:
    """Turns raw inputs into the model's inputs: `(inputs - shift) * factor` as float32, in the model's memory format."""

    def __init__(self, dataset: Dataset | Preprocessing, device: torch.device, memory_format: torch.memory_format) -> None:
        self.shift, self.factor = dataset.shift.to(device), dataset.factor.to(device)
        self.memory_format = memory_format

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scale one batch."""
        return inputs.sub(self.shift).mul_(self.factor).contiguous(memory_format=self.memory_format)


def make_training_batches(
    load: Loader,
    scale: InputScaling,
    augment: Augment,
    *,
    num_examples: int,
    batch_size: int,
    drop_last: bool,
    seed: int,
    device: torch.device,
    balanced_by: Tensor | None = None,
) -> TrainingBatches:
    """Make the training batches of any epoch: shuffled, augmented, scaled. Each example is in one batch.

    The last batch may be smaller than the others; with `drop_last` it is left out. With the labels `balanced_by`, int64 [N],
    each class comes equally often instead, and an example may come several times or not at all.
    """

    def batches(epoch: int, first: int = 0) -> Iterator[Batch]:
        parameters = augment.parameters(num_examples, seed, epoch)
        if balanced_by is None:
            shuffled = draw_order(seed, epoch, num_examples)
            # Row i belongs to example i, so the change of an example does not depend on batch size and order.
            parameters = parameters[shuffled]
        else:  # row i belongs to the i-th example drawn: an example that comes again is changed in another way
            shuffled = draw_balanced_order(seed, epoch, balanced_by)
        parameters = parameters.to(device)
        indices = list(shuffled.split(batch_size))
        if drop_last and len(indices[-1]) < batch_size:
            indices.pop()
        changes = parameters.split(batch_size)[first:] if parameters.numel() else repeat(parameters)
        loaded = load(indices[first:]) if indices[first:] else ()
        for (inputs, targets), change in zip(loaded, changes, strict=False):
            inputs, targets = augment(inputs, targets, change)
            yield scale(inputs), targets

    return batches


def make_evaluation_batches(
    load: Loader, scale: InputScaling, num_examples: int, device: torch.device
) -> Callable[[], Iterator[Batch]]:
    """Make the batches of a split for its evaluation: all examples in their order."""
    return _make_ordered_batches(load, scale, torch.arange(num_examples).split(EVALUATION_BATCH[device.type]))


def make_plain_batches(load: Loader, scale: InputScaling, num_examples: int, batch_size: int) -> Callable[[], Iterator[Batch]]:
    """Make batches of training examples that are neither shuffled nor augmented.

    There are as many as in training, and their sizes differ by one at the most, because batch norm has no statistics of one
    example.
    """
    number = -(-num_examples // batch_size)
    return _make_ordered_batches(load, scale, torch.arange(num_examples).tensor_split(number))


def _make_ordered_batches(load: Loader, scale: InputScaling, indices: Sequence[Tensor]) -> Callable[[], Iterator[Batch]]:
    def batches() -> Iterator[Batch]:
        for inputs, targets in load(list(indices)):
            yield scale(inputs), targets

    return batches
