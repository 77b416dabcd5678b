"""Rectangles in images: what several augmentations fill, exchange, or enlarge."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from dlexp.contract import ConfigError

Positions = Int64[Tensor, " batch"]


def cover(
    shape: torch.Size, top: Positions, left: Positions, height: Positions, width: Positions
) -> Bool[Tensor, "batch 1 h w"]:
    """Mark the pixels of one rectangle in each image; what lies outside of the image is cut off.

    Args:
        shape: That of the images, [B, C, H, W].
        top: The first row, which may lie outside of the image.
        left: The first column, likewise.
        height: Number of rows.
        width: Number of columns.
    """
    rows = torch.arange(shape[2], device=top.device) - top[:, None]
    columns = torch.arange(shape[3], device=top.device) - left[:, None]
    in_rows = (rows >= 0) & (rows < height[:, None])
    in_columns = (columns >= 0) & (columns < width[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def choose(drawn: Float[Tensor, " batch"], number: Positions | int) -> Positions:
    """Turn numbers drawn from [0, 1) into positions 0 … number - 1, each equally probable."""
    found = (drawn * number).long()
    return found.clamp(max=number - 1)  # float32 rounds numbers just below 1 up


def draw_sides(
    shape: torch.Size,
    area: Float[Tensor, " batch"],
    ratio: Float[Tensor, " batch"],
    areas: Sequence[float],
    ratios: Sequence[float],
) -> tuple[Positions, Positions]:
    """Turn numbers drawn from [0, 1) into height and width of rectangles, at least 1 and at most those of the images.

    Args:
        shape: That of the images, [B, C, H, W].
        area: The numbers for the area.
        ratio: Those for the logarithm of height / width.
        areas: Smallest and largest area, as shares of the image's.
        ratios: Smallest and largest height / width.
    """
    pixels = (areas[0] + area * (areas[1] - areas[0])) * (shape[2] * shape[3])
    low, high = map(math.log, ratios)
    quotient = (low + ratio * (high - low)).exp()
    height, width = (pixels * quotient).sqrt().round(), (pixels / quotient).sqrt().round()
    return height.long().clamp(1, shape[2]), width.long().clamp(1, shape[3])


def check_range(name: str, bounds: Sequence[float]) -> None:
    """Check a key that holds a smallest and a largest number.

    Raises:
        ConfigError: If the first is above the second.
    """
    if bounds[0] > bounds[1]:
        raise ConfigError(f"augment.{name}: expected the smallest number first, got {list(bounds)}.")
