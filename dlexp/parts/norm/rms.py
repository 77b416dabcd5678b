"""Root-mean-square normalisation: `norm=rms`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Divide the channels by their root mean square, then scale.

    y = x / sqrt(mean(x**2, over channels) + eps) * weight

    Args:
        num_features: Number of channels C.
        eps: Added to the mean square.

    Shape:
        input [B, C] or [B, C, H, W], output the same. Statistics are per example and position, in float32.

    Raises:
        ValueError: If there is only one channel, or the input has another number of channels.

    Source: Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4. Differs: eps, which the paper does not have.
    """

    def __init__(self, num_features: int, *, eps: float) -> None:
        super().__init__()
        if num_features == 1:
            raise ValueError("norm=rms needs more than one channel, got 1: only its sign would remain. Use another norm.")
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features))

    def forward(self, inputs: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise the channels at each position."""
        if inputs.shape[1] != self.weight.numel():
            raise ValueError(f"norm=rms was built for {self.weight.numel()} channels, got shape {list(inputs.shape)}.")
        values = inputs.float()
        scale = (values.square().mean(dim=1, keepdim=True) + self.eps).rsqrt()
        weight = self.weight.reshape(-1, *[1] * (inputs.dim() - 2))
        return (values * scale * weight).to(inputs.dtype)
