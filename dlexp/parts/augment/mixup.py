"""Mix each example with another one: `augment=mixup`."""

from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Targets
from dlexp.parts.augment.shares import draw_shares, mix


class Mixup:
    """Replace each example by a mean of it and the one before it in the batch, and its targets likewise.

    output[b] = share[b] * inputs[b] + (1 - share[b]) * inputs[b - 1], and the same for the targets

    Args:
        alpha: The shares come from the distribution Beta(alpha, alpha): near 0 or 1 if alpha is small, uniform if it is 1.

    Shape:
        inputs [B, ...]: images, features or series; targets float32 [B, K]; parameters [B, 1]: the share.

    Source: Zhang et al. 2017, arXiv:1710.09412. Differs: a share for each example, where the paper's code has one for a batch.
    """

    def __init__(self, *, alpha: float) -> None:
        self.alpha = alpha

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 1"]:
        """Draw the shares."""
        return draw_shares(self.alpha, num_examples, seed, epoch)[:, None]

    def __call__(self, inputs: Tensor, targets: Targets, parameters: Float[Tensor, "batch 1"]) -> tuple[Tensor, Targets]:
        """Mix inputs and targets."""
        share = parameters[:, 0]
        mixed = mix(inputs.float(), share)
        return mixed.to(inputs.dtype) if inputs.is_floating_point() else mixed.round_().to(inputs.dtype), mix(targets, share)
