"""Weigh the loss of each example by its class: `loss.class_weight`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def choose_weights(asked: str | Sequence[float], targets: Tensor, num_classes: int) -> Tensor:
    """The weight of each class, float32 [K].

    Args:
        asked: The weights, or `balanced`: inversely proportional to the number of training examples of a class, so that
            their mean over these examples is 1.
        targets: Labels of the training examples, int64 [N].
        num_classes: K.
    """
    if asked != "balanced":
        return torch.tensor(asked, dtype=torch.float32)
    counts = torch.bincount(targets, minlength=num_classes).clamp_min(1)
    return len(targets) / (num_classes * counts.float())


class ClassWeighted(nn.Module):
    """A loss to which each example contributes by the weight of its class.

    It is the mean over the batch of weight * loss of the example. Differs from the `weight` of torch's losses, which divide by
    the sum of a batch's weights, so that there an example counts more in a batch of rare classes than in another.

    Args:
        loss: Mean over a batch.
        weights: Weight of each class, [K].

    Shape:
        outputs [B, K]; targets int64 [B] (labels) or float32 [B, K]: the probability of each class, by which weights
        are then averaged.
    """

    weights: Tensor

    def __init__(self, loss: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.register_buffer("weights", weights)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the batch."""
        losses = torch.vmap(self._compute_one)(outputs, targets)
        return ((targets @ self.weights if targets.is_floating_point() else self.weights[targets]) * losses).mean()

    def _compute_one(self, outputs: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.loss(outputs[None], target[None])
        return loss
