"""No augmentation."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from dlexp.contract import Targets


class NoAugment:
    """Do not change the batch.

    Shape:
        inputs of any shape, targets [B] or [B, K], parameters [B, 0].
    """

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Shaped[Tensor, "num_examples 0"]:
        """Return empty rows."""
        return torch.empty(num_examples, 0, dtype=torch.int16)

    def __call__(self, inputs: Tensor, targets: Targets, parameters: Tensor) -> tuple[Tensor, Targets]:
        """Return inputs and targets unchanged."""
        return inputs, targets
