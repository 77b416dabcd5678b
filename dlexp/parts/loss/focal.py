"""Focal loss: `loss=focal`."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dlexp.contract import Targets
from dlexp.parts.loss.smoothing import smooth_targets


class Focal(nn.Module):
    """Cross entropy in which examples that are already classified well count less.

    loss = -sum over classes k of target[k] * (1 - p[k])**gamma * log(p[k]), p = softmax(outputs)

    With a label in place of probabilities this is -(1 - p)**gamma * log(p) of that class.

    Args:
        gamma: How much less they count; 0 is cross entropy.
        label_smoothing: Share of the target that is spread evenly over all classes, [0, 1).

    Shape:
        outputs [B, K]; targets int64 [B] (labels) or float32 [B, K] (the probability of each class).

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 4. Differs: softmax over K classes in place of K sigmoids; the mean is
    over examples.
    """

    def __init__(self, *, gamma: float, label_smoothing: float) -> None:
        super().__init__()
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def forward(self, outputs: Float[Tensor, "batch outputs"], targets: Targets) -> Float[Tensor, ""]:
        """Mean over the batch, in nats."""
        if self.label_smoothing:
            targets = smooth_targets(targets, outputs, self.label_smoothing)
        soft = targets.is_floating_point()
        log_p = outputs.log_softmax(dim=1) if soft else -F.cross_entropy(outputs, targets, reduction="none")
        # Above 0, because with gamma < 1 the slope at p = 1 is infinite: its product with log(p) = 0 would be nan.
        one_minus_p = (-log_p.expm1()).clamp_min(torch.finfo(log_p.dtype).tiny)
        losses = -(one_minus_p**self.gamma * log_p)
        return ((targets * losses).sum(dim=1) if soft else losses).mean()
