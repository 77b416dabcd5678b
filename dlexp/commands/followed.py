"""Follow some training examples through the first epochs, in which an augmentation changes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlexp.data.batches import InputScaling, TrainingBatches, draw_order
from dlexp.run.setup.facts import Facts

COUNT, EPOCHS = 8, (1, 2, 3)


class Followed(NamedTuple):
    """Some examples as they are, and in each epoch.

    Args:
        originals: Scaled, [n, *input_shape].
        labels: Their targets.
        epochs: Inputs and targets in each of `EPOCHS`, as the model gets them.
    """

    originals: Tensor
    labels: Tensor
    epochs: list[tuple[Tensor, Tensor]]


def follow(config: Mapping[str, Any], facts: Facts, batches: TrainingBatches, scale: InputScaling) -> Followed | None:
    """Follow the first examples of the first batch. Of each epoch only the batches that hold one of them are made.

    Returns:
        At most `COUNT` examples; None if `drop_last` leaves out each of them in one of the epochs.
    """
    num_examples, size = len(facts.dataset.train.targets), facts.batch_size
    used = num_examples // size * size if config["drop_last"] else num_examples
    orders = [draw_order(config["seed"], epoch, num_examples) for epoch in EPOCHS]
    places = [order.argsort() for order in orders]  # of each example in the epoch
    followed = [example for example in orders[0][:size].tolist() if all(place[example] < used for place in places)][:COUNT]
    if not followed:
        return None
    examples = torch.tensor(followed)
    inputs, targets = facts.dataset.train
    originals = scale(inputs[examples].to(facts.device)).cpu()
    epochs = [_take(batches, epoch, place[examples], size) for epoch, place in zip(EPOCHS, places, strict=True)]
    return Followed(originals, targets[examples], epochs)


def _take(batches: TrainingBatches, epoch: int, places: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The examples at these places of an epoch, in this order."""
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    for number in sorted({place // size for place in places.tolist()}):
        inputs, targets = next(batches(epoch, number))
        for place in places.tolist():
            if place // size == number:
                rows[place] = inputs[place % size].cpu(), targets[place % size].cpu()
    found = [rows[place] for place in places.tolist()]
    return torch.stack([inputs for inputs, _ in found]), torch.stack([targets for _, targets in found])
