"""Padded random crop: `augment=crop`."""

import torch
from jaxtyping import Int16
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.border import PaddingMode, draw_offsets, take_pixels


class Crop:
    """Add a border to each image, and crop it to its size at a random offset.

    output[b, c, y, x] = padded[b, c, y + dy[b], x + dx[b]]

    Args:
        padding: Width of the border in pixels; dy and dx are uniform on 0 … 2 padding.
        padding_mode: Content of the border: `zeros`, or `reflect`, the image mirrored at its outermost rows and columns.

    Shape:
        inputs [B, C, H, W] of any dtype; parameters [B, 2]: dy, dx. Targets do not change.

    Raises:
        ConfigError: If the border is not narrower than the image.
    """

    def __init__(self, *, padding: int, padding_mode: PaddingMode) -> None:
        self.padding, self.padding_mode = padding, padding_mode

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int16[Tensor, "num_examples 2"]:
        """Draw the offsets dy, dx."""
        return draw_offsets(num_examples, self.padding, make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Int16[Tensor, "batch 2"]) -> tuple[Images, Targets]:
        """Crop each image."""
        height, width = inputs.shape[2:]
        dy, dx = (parameters.long() - self.padding)[:, :, None].unbind(1)  # [B, 1] each
        rows, columns = torch.arange(height, device=inputs.device) + dy, torch.arange(width, device=inputs.device) + dx
        return take_pixels(inputs, rows, columns, padding=self.padding, padding_mode=self.padding_mode), targets
