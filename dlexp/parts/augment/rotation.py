"""Rotate images: `augment=rotation`."""

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.warp import Interpolation, invert, warp


class Rotation:
    """Rotate each image around its centre; what comes from outside of the image is black.

    Args:
        degrees: The angle is uniform from -degrees to degrees.
        interpolation: Whether a pixel is the nearest one of the image, or a mean of the four around its place.

    Shape:
        inputs [B, C, H, W], raw pixels; parameters [B, 1]: the angle in degrees, clockwise. Targets do not change.
    """

    def __init__(self, *, degrees: float, interpolation: Interpolation) -> None:
        self.degrees, self.interpolation = degrees, interpolation

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 1"]:
        """Draw the angles."""
        drawn = torch.rand(num_examples, 1, generator=make_generator(seed, "augmentation", epoch))
        return self.degrees * (2 * drawn - 1)

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 1"]) -> tuple[Images, Targets]:
        """Rotate each image."""
        angle, zeros = parameters[:, 0], parameters.new_zeros(len(parameters), 2)
        return warp(inputs, invert(angle, shift=zeros, scale=torch.ones_like(angle), shear=zeros), self.interpolation), targets
