"""Batch normalisation: `norm=bn`."""

from jaxtyping import Float
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of features or images, with a learned scale and shift for each channel.

    Training uses the statistics of the batch, evaluation the running ones.

    Args:
        num_features: Number of channels C.
        eps: Added to the variance; dimensionless.
        momentum: Weight of a batch in the running statistics.

    Shape:
        input [B, C] or [B, C, H, W], output the same. Statistics are per channel.

    Raises:
        ValueError: If the input has another number of dimensions, or only one value per channel in training.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.
    """

    def __init__(self, num_features: int, *, eps: float, momentum: float) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def _check_input_dim(self, input: Float[Tensor, "batch channels *positions"]) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"norm=bn takes [B, C] or [B, C, H, W], got shape {list(input.shape)}.")
        if self.training and input.numel() == input.shape[1]:
            raise ValueError(
                f"norm=bn needs more than one value per channel in training, got a batch of shape {list(input.shape)}: "
                "use a larger batch_size, drop_last=true (if only the last batch is that small) or another norm."
            )
