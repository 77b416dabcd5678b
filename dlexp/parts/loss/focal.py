"""Focal loss: `loss=focal`."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class Focal(nn.Module):
    """Cross entropy in which the well-classified examples count less. For classes only.

    loss = -(1 - p)**gamma * log(p), p = softmax(outputs)[target]

    Args:
        gamma: 0 is cross entropy.

    Shape:
        outputs [B, K], targets int64 [B].

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 4. Differs: softmax over K classes in place of K sigmoids; the mean is
    over examples.
    """

    def __init__(self, *, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Mean over the batch, in nats."""
        log_p = -F.cross_entropy(outputs, targets, reduction="none")
        # Above 0, because with gamma < 1 the slope at p = 1 is infinite: its product with log(p) = 0 would be nan.
        one_minus_p = (-log_p.expm1()).clamp_min(torch.finfo(log_p.dtype).tiny)
        return -(one_minus_p**self.gamma * log_p).mean()
