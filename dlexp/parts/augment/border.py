"""Crops of images with a border: what `augment=standard` and `augment=crop` have in common."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

from dlexp.contract import ConfigError, Images

PaddingMode = Literal["zeros", "reflect"]


def take_pixels(
    inputs: Images,
    rows: Int64[Tensor, "batch height"],
    columns: Int64[Tensor, "batch width"],
    *,
    padding: int,
    padding_mode: PaddingMode,
) -> Images:
    """Return the pixels at these positions: output[b, c, y, x] = inputs[b, c, rows[b, y], columns[b, x]].

    Uses one gather over flattened pixels: on a CPU 5 times faster than an advanced index over [B, C, H, W].

    Args:
        inputs: The images.
        rows: Rows in the image, from -padding to its size + padding - 1.
        columns: Columns, likewise.
        padding: Width of the border in pixels.
        padding_mode: Content of the border: `zeros`, or `reflect`, the image mirrored at its outermost rows and columns.

    Raises:
        ConfigError: If the border is not narrower than the image.
    """
    height, width = inputs.shape[2:]
    if padding >= min(height, width):
        raise ConfigError(f"augment.padding: expected less than the images' shorter side, {min(height, width)}, got {padding}.")
    if padding_mode == "reflect":
        rows, columns = _reflect(rows, height), _reflect(columns, width)
    else:
        inputs, width = F.pad(inputs, [padding] * 4), width + 2 * padding
        rows, columns = rows + padding, columns + padding
    pixels = rows[:, :, None] * width + columns[:, None, :]  # [B, H, W]
    source = inputs.flatten(2)
    images = source.gather(2, pixels.flatten(1)[:, None, :].expand(-1, source.shape[1], -1))
    return images.unflatten(2, pixels.shape[1:])


def draw_offsets(num_examples: int, padding: int, draw: torch.Generator) -> Tensor:
    """Draw the offsets of crops, int16 [N, 2], uniform on 0 … 2 padding."""
    return torch.randint(0, 2 * padding + 1, (num_examples, 2), generator=draw, dtype=torch.int16)


def _reflect(positions: Int64[Tensor, "batch length"], size: int) -> Int64[Tensor, "batch length"]:
    """Reflect positions that are outside 0 … size - 1 by less than size: -1 becomes 1, and size becomes size - 2."""
    return size - 1 - (size - 1 - positions.abs()).abs()
