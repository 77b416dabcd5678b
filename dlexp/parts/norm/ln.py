"""Layer normalisation: `norm=ln`."""

from jaxtyping import Float
from torch import Tensor, nn


class LayerNorm(nn.GroupNorm):
    """Layer normalisation of features or images, with a learned scale and shift for each channel.

    Args:
        num_features: Number of channels C.
        eps: Added to the variance.

    Shape:
        input [B, C] or [B, C, H, W], output the same. Statistics are per example, over all channels and positions.

    Raises:
        ValueError: If there is only one value per example.

    Source: Ba et al. 2016, arXiv:1607.06450. On images, scale and shift are per channel, not per position.
    """

    def __init__(self, num_features: int, *, eps: float) -> None:
        super().__init__(1, num_features, eps=eps)

    def forward(self, input: Float[Tensor, "batch channels *positions"]) -> Float[Tensor, "batch channels *positions"]:
        """Normalise each example."""
        if input[0].numel() == 1:
            raise ValueError(
                f"norm=ln needs more than one value per example, got a batch of shape {list(input.shape)}: "
                "use more channels or another norm."
            )
        return super().forward(input)
