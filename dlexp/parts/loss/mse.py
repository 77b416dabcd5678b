"""Mean squared error: `loss=mse`."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dlexp.contract import Targets
from dlexp.parts.loss.smoothing import smooth_targets


class MSE(nn.Module):
    """Mean squared error of the outputs, or of their softmax, against targets.

    Integer targets are labels: they become one-hot. Float targets are compared as they are: numbers of a regression, or the
    probability of each class.

    Args:
        softmax: Whether softmax(outputs) is compared in place of the outputs. A run passes false for a regression.
        label_smoothing: Share of the target that is spread evenly over all classes, [0, 1); 0 for a regression.

    Shape:
        outputs [B, K]; targets int64 [B] or float32 [B, K].
    """

    def __init__(self, *, softmax: bool, label_smoothing: float) -> None:
        super().__init__()
        self.softmax, self.label_smoothing = softmax, label_smoothing

    def forward(self, outputs: Float[Tensor, "batch outputs"], targets: Targets) -> Float[Tensor, ""]:
        """Mean over batch and outputs, in squared units of the output."""
        predictions = outputs.softmax(dim=1) if self.softmax else outputs
        if self.label_smoothing or not targets.is_floating_point():
            targets = smooth_targets(targets, outputs, self.label_smoothing)
        return F.mse_loss(predictions, targets)
