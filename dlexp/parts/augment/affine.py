"""Rotate, move, scale and shear images: `augment=affine`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.rectangles import check_range
from dlexp.parts.augment.warp import Interpolation, invert, warp


class Affine:
    """Rotate, move, scale and shear each image; what comes from outside of the image is black.

    Args:
        degrees: The angle of the rotation is uniform from -degrees to degrees.
        translate: It moves by a whole number of pixels, up to this share of its width and height, in each direction.
        scale: Smallest and largest factor of its size, which is uniform between.
        shear: The angle of the shear along x is uniform from -shear to shear, in degrees.
        interpolation: Whether a pixel is the nearest one of the image, or a mean of the four around its place.

    Shape:
        inputs [B, C, H, W], raw pixels; parameters [B, 5], each uniform on [0, 1): angle, shift along x and y, scale, shear.
        Targets do not change.

    Raises:
        ConfigError: If nothing can change, or the largest scale comes first.
    """

    def __init__(
        self, *, degrees: float, translate: float, scale: Sequence[float], shear: float, interpolation: Interpolation
    ) -> None:
        check_range("scale", scale)
        if degrees == translate == shear == 0 and list(scale) == [1, 1]:
            raise ConfigError("augment=affine: degrees=0, translate=0, shear=0 and scale=[1,1] change nothing: set one.")
        self.degrees, self.translate, self.scale, self.shear = degrees, translate, scale, shear
        self.interpolation = interpolation

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 5"]:
        """Draw five numbers for each image."""
        return torch.rand(num_examples, 5, generator=make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 5"]) -> tuple[Images, Targets]:
        """Change each image."""
        return warp(inputs, invert(**self.locate(inputs.shape, parameters)), self.interpolation), targets

    def locate(self, shape: torch.Size, parameters: Float[Tensor, "batch 5"]) -> dict[str, Tensor]:
        """The arguments of `invert` for images of this shape."""
        signed = 2 * parameters - 1
        farthest = self.translate * torch.tensor([shape[3], shape[2]], device=parameters.device)
        low, high = self.scale
        shear = self.shear * signed[:, 4:]
        return {
            "angle": self.degrees * signed[:, 0],
            "shift": (signed[:, 1:3] * farthest).round(),
            "scale": low + (high - low) * parameters[:, 3],
            "shear": torch.cat([shear, torch.zeros_like(shear)], dim=1),
        }
