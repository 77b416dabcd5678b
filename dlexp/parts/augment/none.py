"""No augmentation."""

import torch
from jaxtyping import Shaped
from torch import Tensor


class NoAugment:
    """Leave the images as they are.

    Shape:
        inputs [B, C, H, W], targets [B] or [B, K], parameters [B, 0]; outputs: inputs and targets themselves.
    """

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Shaped[Tensor, "num_examples 0"]:
        """Rows without a number."""
        return torch.empty(num_examples, 0, dtype=torch.int16)

    def __call__(self, inputs: Tensor, targets: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets unchanged."""
        return inputs, targets
