"""Fill a square in each image: `augment=cutout`."""

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.rectangles import choose, cover


class Cutout:
    """Fill a square around a random pixel of each image; what lies outside of the image is cut off.

    Args:
        size: Side of the square, in pixels.
        value: What each channel in it becomes, 0 … 255.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels; parameters [B, 2]: row and column of the pixel, as shares of the image's
        height and width. Targets do not change.

    Raises:
        ConfigError: If the square is larger than the image.

    Source: DeVries & Taylor 2017, arXiv:1708.04552. Differs: fills raw pixels with 0, the paper scaled ones, in which 0 is the
    mean of the data.
    """

    def __init__(self, *, size: int, value: int) -> None:
        self.size, self.value = size, value

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 2"]:
        """Draw a place in each image."""
        return torch.rand(num_examples, 2, generator=make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 2"]) -> tuple[Images, Targets]:
        """Fill a square in each image."""
        if self.size > min(inputs.shape[2:]):
            raise ConfigError(
                f"augment.size: expected at most the images' shorter side, {min(inputs.shape[2:])}, got {self.size}."
            )
        top, left = (choose(parameters[:, axis], inputs.shape[2 + axis]) - self.size // 2 for axis in (0, 1))
        side = torch.full_like(top, self.size)
        return inputs.masked_fill(cover(inputs.shape, top, left, side, side), self.value), targets
