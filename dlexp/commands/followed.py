"""Follow some training examples through the first epochs, in which an augmentation changes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlexp.data.batches import InputScaling, TrainingBatches, draw_balanced_order, draw_order
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
        At most `COUNT` examples; None if each of them is left out in one of the epochs.
    """
    num_examples, size = len(facts.dataset.train.targets), facts.batch_size
    used = num_examples // size * size if config["drop_last"] else num_examples
    balanced = config["sampling"] == "balanced"
    inputs, targets = facts.dataset.train
    orders = [
        (draw_balanced_order(config["seed"], epoch, targets) if balanced else draw_order(config["seed"], epoch, num_examples))
        for epoch in EPOCHS
    ]
    # The place of each example in the epoch; the first, where it comes several times.
    places = [{example: place for place, example in reversed([*enumerate(order[:used].tolist())])} for order in orders]
    first_batch = dict.fromkeys(orders[0][:size].tolist())
    followed = [example for example in first_batch if all(example in known for known in places)][:COUNT]
    if not followed:
        return None
    originals = scale(inputs[followed].to(facts.device)).cpu()
    found = zip(EPOCHS, places, strict=True)
    epochs = [_take(batches, epoch, [known[example] for example in followed], size) for epoch, known in found]
    return Followed(originals, targets[followed], epochs)


def _take(batches: TrainingBatches, epoch: int, places: list[int], size: int) -> tuple[Tensor, Tensor]:
    """The examples at these places of an epoch, in this order."""
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    for number in sorted({place // size for place in places}):
        inputs, targets = next(batches(epoch, number))
        for place in places:
            if place // size == number:
                rows[place] = inputs[place % size].cpu(), targets[place % size].cpu()
    found = [rows[place] for place in places]
    return torch.stack([inputs for inputs, _ in found]), torch.stack([targets for _, targets in found])
