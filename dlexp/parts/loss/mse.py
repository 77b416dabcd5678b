"""Mean squared error: `loss=mse`."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class MSE(nn.Module):
    """Mean squared error: of the outputs in a regression, against one-hot targets in a classification.

    Args:
        softmax: Whether one-hot targets are compared with softmax(outputs) or with the outputs themselves. Has no meaning in a
            regression.

    Shape:
        outputs [B, K]; targets int64 [B] (classes) or float [B, K]; the mean is over B x K.
    """

    def __init__(self, *, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax

    def forward(
        self, outputs: Float[Tensor, "batch outputs"], targets: Int[Tensor, " batch"] | Float[Tensor, "batch outputs"]
    ) -> Float[Tensor, ""]:
        """Mean over batch and outputs, in squared units of the output."""
        if targets.is_floating_point():
            return F.mse_loss(outputs, targets)
        predictions = outputs.softmax(dim=1) if self.softmax else outputs
        return F.mse_loss(predictions, F.one_hot(targets, outputs.shape[1]).to(predictions.dtype))
