"""Instance normalisation: `norm=in`."""

from jaxtyping import Float
from torch import Tensor, nn


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation of images, with a learned scale and shift for each channel.

    Args:
        num_features: Number of channels C.
        eps: Added to the variance.

    Shape:
        input [B, C, H, W], output the same. Statistics are per example and channel, over positions.

    Raises:
        ValueError: If the input is not an image, or has only one position.

    Source: Ulyanov et al. 2016, arXiv:1607.08022.
    """

    def __init__(self, num_features: int, *, eps: float) -> None:
        super().__init__(num_features, eps=eps, affine=True)

    def _check_input_dim(self, input: Float[Tensor, "batch channels *positions"]) -> None:
        if input.dim() != 4 or input.shape[2] * input.shape[3] == 1:
            raise ValueError(
                f"norm=in needs images [B, C, H, W] of more than one pixel, got shape {list(input.shape)}: "
                "use model=convnet on images, fewer pools, or another norm."
            )
