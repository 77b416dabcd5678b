"""Rotate, move, scale and shear images."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Images
from dlexp.parts.augment.pixels import to_raw

Interpolation = Literal["nearest", "bilinear"]
Numbers = Float[Tensor, " batch"]


def invert(
    angle: Numbers, *, shift: Float[Tensor, "batch 2"], scale: Numbers, shear: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch 2 3"]:
    """The matrices that map the place of a pixel in the result to its place in the image, around the image's centre.

    Args:
        angle: Clockwise rotation, in degrees.
        shift: By how many pixels to the right, and down.
        scale: Factor of the size.
        shear: Angles of the shear along x and along y, in degrees.
    """
    angle, (shear_x, shear_y) = torch.deg2rad(angle), torch.deg2rad(shear).unbind(1)
    # The image is sheared, rotated and scaled by [[a, b], [c, d]] * scale, whose determinant is scale².
    a = (angle - shear_y).cos() / shear_y.cos()
    b = -a * shear_x.tan() - angle.sin()
    c = (angle - shear_y).sin() / shear_y.cos()
    d = -c * shear_x.tan() + angle.cos()
    linear = torch.stack([d, -b, -c, a], dim=1).unflatten(1, (2, 2)) / scale[:, None, None]
    return torch.cat([linear, -(linear * shift[:, None]).sum(2, keepdim=True)], dim=2)


def warp(inputs: Images, matrices: Float[Tensor, "batch 2 3"], interpolation: Interpolation) -> Images:
    """Take each pixel from the place that the matrix of its image maps it to; black where that is outside of the image.

    Args:
        inputs: The images.
        matrices: As `invert` returns them. Places are (x, y, 1) in pixels from the image's centre.
        interpolation: Whether to take the pixel nearest to this place, or a mean of the four around it.
    """
    height, width = inputs.shape[2:]
    x, y = (torch.arange(size, device=inputs.device) - (size - 1) / 2 for size in (width, height))
    grid = inputs.new_empty(len(inputs), height, width, 2, dtype=torch.float32)
    # Not a matrix product: in tf32 that would have three digits.
    for axis, size in enumerate((width, height)):
        of_x, of_y, constant = (matrices[:, axis] * (2 / size))[:, :, None, None].unbind(1)  # `sample` counts from -1 to 1
        grid[..., axis] = of_x * x + (of_y * y[:, None] + constant)
    return sample(inputs, grid, interpolation)


def sample(inputs: Images, grid: Float[Tensor, "batch height width 2"], interpolation: Interpolation) -> Images:
    """Take pixels at places (x, y), from -1 to 1 between the outer edges of the image; black outside."""
    return to_raw(F.grid_sample(inputs.float(), grid, mode=interpolation, align_corners=False), inputs.dtype)
