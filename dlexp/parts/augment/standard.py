"""The standard augmentation of small images: horizontal flip and padded random crop."""

from typing import Literal

import torch
from jaxtyping import Int16
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.border import PaddingMode, draw_offsets, take_pixels


class Standard:
    """Add a border to each image, crop it at a random offset, and flip half of the images.

    output[b, c, y, x] = padded[b, c, y + dy[b], x' + dx[b]], where x' = W - 1 - x if flip[b], else x

    Args:
        flip: `random`: exchange left and right with probability 0.5, drawn for each image and epoch. `alternating`: the same in
            the first epoch; later an image is flipped if it was not flipped in the epoch before. `none`: never.
        padding: Width of the border in pixels; dy and dx are uniform on 0 … 2 padding. 0: no crop.
        padding_mode: Content of the border: `zeros`, or `reflect`, the image mirrored at its outermost rows and columns.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels (before scaling); parameters [B, 3]: flip, dy, dx. Targets do not change.

    Raises:
        ConfigError: If no change is possible, or a crop could lie outside the image.

    Source: He et al. 2015, arXiv:1512.03385, section 4.2; alternating: Jordan 2024, arXiv:2404.00498, section 3.6.
    """

    def __init__(self, *, flip: Literal["random", "alternating", "none"], padding: int, padding_mode: PaddingMode) -> None:
        if flip == "none" and padding == 0:
            raise ConfigError("augment: flip=none and padding=0 change nothing. Choose augment=none instead.")
        self.flip, self.padding, self.padding_mode = flip, padding, padding_mode

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int16[Tensor, "num_examples 3"]:
        """Draw the columns flip, dy, dx. Flips do not depend on `padding`, nor offsets on `flip`."""
        draw = make_generator(seed, "augmentation", epoch)
        flipped = _flip_coins(num_examples, draw)
        if self.flip == "alternating":
            flipped = (_flip_coins(num_examples, make_generator(seed, "augmentation", 1)) + epoch - 1) % 2
        elif self.flip == "none":
            flipped.zero_()
        return torch.cat([flipped, draw_offsets(num_examples, self.padding, draw)], dim=1)

    def __call__(self, inputs: Images, targets: Targets, parameters: Int16[Tensor, "batch 3"]) -> tuple[Images, Targets]:
        """Flip and crop each image."""
        height, width = inputs.shape[2:]
        flipped, dy, dx = parameters.long()[:, :, None].unbind(1)  # [B, 1] each
        columns = torch.arange(width, device=inputs.device)
        columns = torch.where(flipped == 1, width - 1 - columns, columns) + dx - self.padding  # [B, W]
        rows = torch.arange(height, device=inputs.device) + dy - self.padding  # [B, H]
        return take_pixels(inputs, rows, columns, padding=self.padding, padding_mode=self.padding_mode), targets


def _flip_coins(num_examples: int, draw: torch.Generator) -> Int16[Tensor, "num_examples 1"]:
    return torch.randint(0, 2, (num_examples, 1), generator=draw, dtype=torch.int16)
