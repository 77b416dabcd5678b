"""Shares of two examples in a mixture."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.data.random_streams import derive_seed


def draw_shares(alpha: float, num_examples: int, seed: int, epoch: int) -> Float[Tensor, " num_examples"]:
    """Draw from the distribution Beta(alpha, alpha) for each example. By numpy: torch's has no generator of its own."""
    draw = np.random.default_rng(derive_seed(seed, "augmentation", epoch))
    return torch.from_numpy(draw.beta(alpha, alpha, num_examples)).float()


def mix(values: Float[Tensor, " batch *shape"], share: Float[Tensor, " batch"]) -> Float[Tensor, " batch *shape"]:
    """Mix each row with the one before it, and the first with the last; `share` is that of the row itself."""
    return torch.lerp(values.roll(1, 0), values, share.view(-1, *[1] * (values.dim() - 1)))
