"""Binary cross entropy: `loss=bce`."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dlexp.contract import Targets
from dlexp.parts.loss.smoothing import smooth_targets


class BCE(nn.Module):
    """Binary cross entropy of a sigmoid for each class: is the example of this class, or not?

    Args:
        label_smoothing: Share of the target that is spread evenly over all classes, [0, 1).

    Shape:
        outputs [B, K]; targets int64 [B] (labels) or float32 [B, K] (the probability of each class).
    """

    def __init__(self, *, label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Float[Tensor, "batch outputs"], targets: Targets) -> Float[Tensor, ""]:
        """Mean over batch and classes, in nats."""
        probabilities = smooth_targets(targets, outputs, self.label_smoothing)
        return F.binary_cross_entropy_with_logits(outputs, probabilities)
