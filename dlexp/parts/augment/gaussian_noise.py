"""Add Gaussian noise to images: `augment=gaussian_noise`."""

import torch
from jaxtyping import Int32
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.hashing import draw_keys, draw_normal
from dlexp.parts.augment.pixels import WHITE, to_raw


class GaussianNoise:
    """Add normally distributed numbers to each channel of each pixel; the result stays between black and white.

    Args:
        sigma: Their standard deviation, as a share of the range from black to white.

    Shape:
        inputs [B, C, H, W], raw pixels; parameters [B, 1]: the key of the image's random numbers. Targets do not change.
    """

    def __init__(self, *, sigma: float) -> None:
        self.sigma = sigma

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int32[Tensor, "num_examples 1"]:
        """Draw the keys."""
        return draw_keys(num_examples, make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Int32[Tensor, "batch 1"]) -> tuple[Images, Targets]:
        """Add noise to each image."""
        noise = draw_normal(parameters, inputs[0].numel()).view(inputs.shape)
        return to_raw(torch.add(inputs, noise, alpha=self.sigma * WHITE), inputs.dtype), targets
